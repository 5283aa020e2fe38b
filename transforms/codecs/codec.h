/* codec.h -- compression: what every codec implements.
 *
 * A codec turns the bytes of one object into one complete member/frame that the standard tools read (zcat, zstd -d). It
 * is fed in pieces of about 1 MiB and writes into a body. A context is reused for many objects and belongs to one
 * worker. A codec is one file with one const struct codec_ops at its bottom and one row in codecs/registry.c.
 *
 * Threads    a context: one at a time. The ops: any.
 * Invariant  the same input in the same pieces, codec and level give the same bytes, on the same kind of CPU: a
 * redelivered object is byte-identical.
 */
#ifndef TRANSFORMS_CODECS_CODEC_H
#define TRANSFORMS_CODECS_CODEC_H

#include "pipeline/base/body.h"
#include "pipeline/base/budget.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* For begin(), when nobody can know the size before the last piece. */
#define CODEC_SIZE_UNKNOWN UINT64_MAX

/* The way back, piece by piece, for objects that are read again: see unpack.h. Several members or frames behind one another are
 * one text. */
struct codec_undo {
    bool (*looks_so)(struct slice beginning);
    void *(*open)(void);
    /* Takes from *in, and appends at most `room` bytes, for which `out` has memory. *inside: more must come (false at first).
     * -1: damaged. */
    MUST_CHECK int (*step)(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e);
    void (*close)(void *ctx);
    /* Before the first step: what needs more memory than this is refused. NULL: it never needs much. */
    void (*bound)(void *ctx, size_t bytes);
    /* Likewise: much memory is taken from there. More than there is of it is ERR_LIMIT, and more than there is now ERR_NOMEM: the same step later.
     * NULL: it never needs much. */
    void (*share)(void *ctx, struct budget *share);
    void (*again)(
        void *
            ctx); /* from the beginning of a text, with what it holds. NULL: what is closed and opened again does as well */
    size_t (*holds)(void *ctx); /* bytes of memory; NULL: not much */
};

struct codec_ops {
    const char *name;                        /* what users write: none, gzip, zstd, ... */
    const char *extension;                   /* ".gz"; "" for none */
    const char *encoding;                    /* Content-Encoding; NULL for none */
    int level_min, level_max, level_default; /* all 0: no levels */
    bool
        copies; /* the object is what was added, to the byte: who makes bytes may as well write them into the body himself */

    /* Never fails but for memory (then ends the process). */
    void *(*open)(int level);
    /* Before begin(): what stands in an archive is called so; empty: it has no name. NULL: it is no archive. */
    void (*name_content)(void *ctx, struct slice name);
    /* Begins an object of `size` bytes in all (exact, or CODEC_SIZE_UNKNOWN; a codec may choose by it). An object that
     * was begun and not finished is forgotten. */
    MUST_CHECK int (*begin)(void *ctx, uint64_t size, struct err *e);
    MUST_CHECK int (*add)(void *ctx, struct slice in, struct body *out, struct err *e);
    MUST_CHECK int (*finish)(void *ctx, struct body *out, struct err *e);
    void (*close)(void *ctx);

    const struct codec_undo *undo; /* NULL: there is nothing to undo */
};

const struct codec_ops *codec_find(const char *name); /* NULL when there is none */
const struct codec_ops *codec_at(size_t index);       /* the registry in order; NULL behind the last */

#endif
