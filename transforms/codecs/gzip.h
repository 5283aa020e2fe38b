/* gzip.h -- what codecs/gzip.c needs of the libraries that write one gzip member.
 *
 * Not a codec: the levels' meaning and the choice between libraries are codecs/gzip.c's. Which libraries there are is
 * decided when the program is built (HAVE_LIBISAL, HAVE_LIBDEFLATE); zlib is always there.
 *
 * Ownership  open() gives a context that close() frees. Threads: a context, one at a time.
 * Invariant  the header has no time and no name: the same bytes in the same pieces give the same member.
 */
#ifndef TRANSFORMS_CODECS_GZIP_H
#define TRANSFORMS_CODECS_GZIP_H

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

/* A library that is fed piece by piece. */
struct gzip_stream_ops {
    void *(*open)(int level);
    void (*begin)(void *ctx);
    MUST_CHECK int (*add)(void *ctx, struct slice in, struct body *out, struct err *e);
    MUST_CHECK int (*finish)(void *ctx, struct body *out, struct err *e);
    void (*close)(void *ctx);
};

extern const struct gzip_stream_ops gzip_zlib; /* levels 1..9 */
#ifdef HAVE_LIBISAL
extern const struct gzip_stream_ops gzip_isal; /* levels 1..3 */
#endif

/* A library that wants the whole object in one piece: libdeflate, levels 1..12. open() answers NULL when the program
 * was built without it. */
struct gzip_libdeflate;
struct gzip_libdeflate *gzip_libdeflate_open(int level);
MUST_CHECK int gzip_libdeflate_write(struct gzip_libdeflate *w, struct slice in, struct body *out, struct err *e);
void gzip_libdeflate_close(struct gzip_libdeflate **w);

#endif
