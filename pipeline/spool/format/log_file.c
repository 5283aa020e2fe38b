/* Headers are read through a window: one pread brings those of many small frames. Parts (extra and table, or the
 * whole frame) are read at once into the caller's buffer, and their checksums decide. Where no true header is, the
 * next one is searched by its magic; a header knows its segment and offset, so one of an earlier life of the file is
 * none. */
#include "pipeline/spool/format/log_file.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <inttypes.h>

/* Up to n bytes; less only at the end of the file. */
static int read_some(const struct log_file *f, uint64_t offset, void *p, size_t n, size_t *got, struct err *e)
{
    char name[SEGMENT_NAME_BYTES];

    if (io_read_at(f->ops, f->fd, p, n, offset, got) < 0)
        return err_errno(e, "read %s/%s", f->dir, segment_name(f->number, name));
    return 1;
}

/* Borrowed from the window until the next call. */
static int peek(const struct log_file *f, uint64_t offset, size_t n, const unsigned char **p, struct err *e)
{
    struct log_window *w = f->window;

    if (offset > f->end || n > f->end - offset)
        return 0;
    if (w->number != f->number || offset < w->offset || offset + n > w->offset + w->n) {
        uint64_t left = f->end - offset;

        *w = (struct log_window){.p = w->p, .room = w->room, .number = f->number, .offset = offset};
        if (read_some(f, offset, w->p, left < w->room ? (size_t)left : w->room, &w->n, e) < 0)
            return -1;
    }
    *p = w->p + (offset - w->offset);
    return offset + n <= w->offset + w->n;
}

int log_file_header(const struct log_file *f, struct segment_header *h, struct err *e)
{
    const unsigned char *p = NULL;
    int rc = peek(f, 0, SEGMENT_HEADER_BYTES, &p, e);

    if (rc <= 0)
        return rc;
    return segment_header_decode(p, h);
}

int log_file_frame(const struct log_file *f, uint64_t offset, struct frame_header *h, struct err *e)
{
    const unsigned char *p = NULL;
    int rc = peek(f, offset, FRAME_HEADER_BYTES, &p, e);

    if (rc <= 0)
        return rc;
    return frame_header_decode(p, f->number, offset, h) && frame_header_total(h) <= f->end - offset;
}

int log_file_remnant(const struct log_file *f, uint64_t offset, struct err *e)
{
    const unsigned char *p = NULL;
    int rc = peek(f, offset, FRAME_HEADER_BYTES, &p, e);

    if (rc <= 0)
        return rc;
    return frame_header_search(p, FRAME_HEADER_BYTES) == p && !frame_header_is_earlier(p, f->number, offset);
}

/* The first true header in p[0, n), which was read from `offset`; *next is where it is, or where to go on. Linear, also
 * in what an earlier life of the file left behind: that is full of headers that are none any more. */
static int search_chunk(const struct log_file *f, const unsigned char *p, size_t n, uint64_t offset, uint64_t *next,
                        struct frame_header *h)
{
    size_t at = 0;
    const unsigned char *hit;

    while ((hit = frame_header_search(p + at, n - at))) {
        at = (size_t)(hit - p);
        *next = offset + at;
        if (n - at < FRAME_HEADER_BYTES)
            return 0;
        if (frame_header_decode(hit, f->number, *next, h) && frame_header_total(h) <= f->end - *next)
            return 1;
        at++;
    }
    *next = offset + (n > 3 ? n - 3 : n); /* a magic may lie across the edge */
    return 0;
}

int log_file_search(const struct log_file *f, uint64_t *offset, struct frame_header *h, struct err *e)
{
    unsigned char *p = mem_grow(NULL, SEARCH_STEP_BYTES, 1);
    int rc = 0;

    while (rc == 0 && *offset < f->end && f->end - *offset >= FRAME_HEADER_BYTES) {
        uint64_t left = f->end - *offset;
        size_t n;

        if (read_some(f, *offset, p, left < SEARCH_STEP_BYTES ? (size_t)left : SEARCH_STEP_BYTES, &n, e) < 0)
            rc = -1;
        else if (n < FRAME_HEADER_BYTES)
            break;
        else
            rc = search_chunk(f, p, n, *offset, offset, h);
    }
    if (rc == 0)
        *offset = f->end;
    mem_free(p);
    return rc;
}

int log_file_written(const struct log_file *f, uint64_t from, uint64_t *end, struct err *e)
{
    char *p = mem_grow(NULL, SEARCH_STEP_BYTES, 1);
    uint64_t at = from;
    size_t got = 1, n;
    int rc = 1;

    *end = from;
    while (rc > 0 && got > 0 && at < f->end) {
        uint64_t left = f->end - at;

        rc = read_some(f, at, p, left < SEARCH_STEP_BYTES ? (size_t)left : SEARCH_STEP_BYTES, &got, e);
        for (n = rc > 0 ? got : 0; n > 0 && p[n - 1] == 0; n--)
            ;
        if (n > 0)
            *end = at + n;
        at += got;
    }
    mem_free(p);
    return rc;
}

static int read_parts(const struct log_file *f, uint64_t offset, size_t n, struct buf *out, struct err *e)
{
    size_t got;

    buf_clear(out);
    if (buf_reserve(out, n) < 0)
        return err_set(e, ERR_NOMEM, "no room for a frame of %zu bytes", n);
    if (read_some(f, offset + FRAME_HEADER_BYTES, out->p, n, &got, e) < 0)
        return -1;
    out->n = got;
    return got == n;
}

int log_file_meta(const struct log_file *f, uint64_t offset, const struct frame_header *h, struct buf *out,
                  struct err *e)
{
    int rc = read_parts(f, offset, (size_t)h->extra + h->table, out, e);

    return rc > 0 ? crc32c(0, buf_slice(out)) == h->meta_crc : rc;
}

int log_file_body(const struct log_file *f, uint64_t offset, const struct frame_header *h, struct buf *out,
                  struct err *e)
{
    size_t meta = (size_t)h->extra + h->table;
    int rc = read_parts(f, offset, meta + h->payload, out, e);

    return rc > 0 ? crc32c(0, slice_of(out->p, meta)) == h->meta_crc &&
                        crc32c(0, slice_of(out->p + meta, h->payload)) == h->payload_crc
                  : rc;
}
