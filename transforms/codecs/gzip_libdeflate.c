/* libdeflate has no stream: it takes the whole object and fails when the output has too little room. So room for
 * the worst case is asked of the body, and the object is compressed straight into it; where so much room would make
 * the body begin its file, into a buffer that is copied. */
#include "transforms/codecs/gzip.h"

#ifdef HAVE_LIBDEFLATE

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <libdeflate.h>

struct gzip_libdeflate {
    struct libdeflate_compressor *c;
};

struct gzip_libdeflate *gzip_libdeflate_open(int level)
{
    struct gzip_libdeflate *w = mem_alloc(sizeof(*w));

    w->c = libdeflate_alloc_compressor(level);
    if (!w->c)
        gzip_libdeflate_close(&w); /* no memory for its tables: the stream library needs less */
    return w;
}

void gzip_libdeflate_close(struct gzip_libdeflate **w)
{
    if (!*w)
        return;
    libdeflate_free_compressor((*w)->c);
    MEM_CLEAR(*w);
}

static int compress_to(struct gzip_libdeflate *w, struct slice in, char *p, size_t room, size_t *n, struct err *e)
{
    *n = libdeflate_gzip_compress(w->c, in.p, in.n, p, room);
    if (*n == 0)
        return err_set(e, ERR_FORMAT, "gzip: libdeflate found no room for %zu bytes in %zu", in.n, room);
    return 0;
}

/* A body asked for more room than it keeps in memory would begin its file, though the compressed bytes may well fit. */
static int write_by_copy(struct gzip_libdeflate *w, struct slice in, size_t room, struct body *out, struct err *e)
{
    char *p = mem_alloc(room);
    size_t n;
    int rc = compress_to(w, in, p, room, &n, e);

    if (rc == 0)
        rc = body_add(out, slice_of(p, n), e);
    mem_free(p);
    return rc;
}

int gzip_libdeflate_write(struct gzip_libdeflate *w, struct slice in, struct body *out, struct err *e)
{
    size_t n, room = libdeflate_gzip_compress_bound(w->c, in.n);
    char *p;

    if (room > BODY_MEMORY_MAX / 2)
        return write_by_copy(w, in, room, out, e);
    p = body_space(out, room, &room, e);
    if (!p || compress_to(w, in, p, room, &n, e) < 0)
        return -1;
    return body_wrote(out, n, e);
}

#else

struct gzip_libdeflate *gzip_libdeflate_open(int level)
{
    (void)level;
    return NULL;
}

void gzip_libdeflate_close(struct gzip_libdeflate **w)
{
    (void)w;
}

int gzip_libdeflate_write(struct gzip_libdeflate *w, struct slice in, struct body *out, struct err *e)
{
    (void)w, (void)in, (void)out;
    return err_set(e, ERR_FORMAT, "gzip: built without libdeflate");
}

#endif
