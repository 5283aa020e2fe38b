/* A window over the text moves forward: what is unpacked is put behind it, and its beginning is let go of when it is far enough behind what is
 * asked for. A read in front of it begins anew. */
#include "pipeline/inputs/tail/packed.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/utf16.h"
#include "transforms/codecs/unpack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define KNOWN_BY 4 /* first bytes */

struct packed {
    struct budget *windows;
    bool waits;
    struct unpack *unpack; /* NULL: nothing was read yet */
    uint64_t in_at;        /* of the file: what was read of it */
    struct slice rest;     /* ... and is not unpacked yet */
    struct buf text;
    uint64_t from; /* the window is the text from there on */
    char in[TAIL_PACKED_READ_BYTES];
};

struct packed *packed_new(struct budget *windows)
{
    struct packed *p = mem_alloc(sizeof(*p));

    p->windows = windows;
    buf_init(&p->text, TAIL_PACKED_KEEP_BYTES + UTF16_READ_MAX + UNPACK_PIECE);
    return p;
}

void packed_free(struct packed **p)
{
    if (!*p)
        return;
    unpack_free(&(*p)->unpack);
    buf_release(&(*p)->text);
    MEM_CLEAR(*p);
}

static void begin_anew(struct packed *p)
{
    if (p->unpack)
        unpack_again(p->unpack);
    p->in_at = p->from = 0;
    p->rest = slice_of(p->in, 0);
    buf_clear(&p->text);
}

static uint64_t end_of(const struct packed *p)
{
    return p->from + p->text.n;
}

static void let_go(struct packed *p, uint64_t before)
{
    size_t n = before > p->from ? (size_t)(before - p->from) : 0;

    n = n < p->text.n ? n : p->text.n;
    if (n == 0)
        return;
    memmove(p->text.p, p->text.p + n, p->text.n - n);
    p->text.n -= n;
    p->from += n;
}

static enum packed_answer why(struct packed *p, const struct err *e)
{
    p->waits = e->code == ERR_NOMEM;
    return p->waits ? PACKED_LATER : e->code == ERR_LIMIT ? PACKED_WINDOW : PACKED_DAMAGED;
}

/* AGAIN: the window has grown, or there is more to unpack. DONE: it was the end. */
static enum packed_answer fill(struct packed *p, int fd, struct err *e)
{
    size_t before = p->text.n;
    ssize_t n = 1;

    p->waits = false;
    if (p->rest.n == 0) {
        n = pread(fd, p->in, sizeof(p->in), (off_t)p->in_at);
        if (n < 0) {
            (void)err_errno(e, "read");
            return PACKED_DAMAGED;
        }
        p->in_at += (uint64_t)n;
        p->rest = slice_of(p->in, (size_t)n);
    }
    if (!p->unpack && p->rest.n < KNOWN_BY) {
        (void)err_set(e, ERR_FORMAT, "it has hardly begun");
        return PACKED_CUT;
    }
    if (!p->unpack) {
        p->unpack = unpack_new(p->rest);
        unpack_share(p->unpack, p->windows);
    }
    if (unpack_step(p->unpack, &p->rest, &p->text, e) < 0)
        return why(p, e);
    if (n > 0 || p->text.n > before)
        return PACKED_AGAIN;
    return unpack_end(p->unpack, e) < 0 ? PACKED_CUT : PACKED_DONE;
}

static bool is_too_large(uint64_t text, uint64_t file_bytes)
{
    return text > TAIL_PACKED_MOST || (text > TAIL_PACKED_FREE && text / TAIL_PACKED_TIMES > file_bytes);
}

enum packed_answer packed_measure(struct packed *p, int fd, uint64_t file_bytes, uint64_t *size, struct err *e)
{
    uint64_t until = end_of(p) + TAIL_PACKED_STEP_BYTES;
    enum packed_answer answer = PACKED_AGAIN;

    while (answer == PACKED_AGAIN && end_of(p) < until) {
        let_go(p, end_of(p));
        answer = fill(p, fd, e);
        if (is_too_large(end_of(p), file_bytes)) {
            (void)err_set(e, ERR_LIMIT, "its text is more than %d times as large", TAIL_PACKED_TIMES);
            answer = PACKED_TOO_LARGE;
        }
    }
    *size = end_of(p);
    if (answer != PACKED_AGAIN && answer != PACKED_LATER)
        begin_anew(p);
    return answer;
}

enum packed_answer packed_seek(struct packed *p, int fd, uint64_t at, struct err *e)
{
    enum packed_answer answer = PACKED_AGAIN;
    uint64_t until;

    if (at < p->from)
        begin_anew(p);
    until = end_of(p) + TAIL_PACKED_STEP_BYTES;
    while (answer == PACKED_AGAIN && end_of(p) < at && end_of(p) < until) {
        let_go(p, end_of(p));
        answer = fill(p, fd, e);
    }
    return answer == PACKED_AGAIN && end_of(p) >= at ? PACKED_DONE : answer;
}

bool packed_waits(const struct packed *p)
{
    return p->waits;
}

ssize_t packed_read(struct packed *p, int fd, void *to, size_t n, uint64_t at)
{
    enum packed_answer answer = PACKED_AGAIN;
    struct err e;
    size_t have;

    if (at < p->from)
        begin_anew(p);
    while (answer == PACKED_AGAIN && end_of(p) < at + n) {
        let_go(p, at > TAIL_PACKED_KEEP_BYTES ? at - TAIL_PACKED_KEEP_BYTES : 0);
        answer = fill(p, fd, &e);
    }
    if (answer != PACKED_AGAIN && answer != PACKED_DONE) {
        errno = answer == PACKED_LATER ? ENOMEM : EIO; /* it was whole when it was measured */
        return -1;
    }
    have = end_of(p) > at ? (size_t)(end_of(p) - at) : 0;
    have = have < n ? have : n;
    if (have > 0)
        memcpy(to, p->text.p + (at - p->from), have);
    return (ssize_t)have;
}
