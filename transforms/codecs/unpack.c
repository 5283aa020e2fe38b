/* The first bytes say which codec it was, or that it was none: each codec of the registry is asked. From then on a step takes
 * some input and fills some room of the output; the end of input is an error only inside a member or frame. */
#include "transforms/codecs/unpack.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/codec.h"

#include <string.h>

struct unpack {
    const struct codec_ops *codec; /* NULL: what is there is the text */
    void *ctx;
    bool inside; /* of a member or frame */
};

struct unpack *unpack_new(struct slice beginning)
{
    struct unpack *u = mem_alloc(sizeof(*u));
    const struct codec_ops *codec;

    for (size_t i = 0; !u->codec && (codec = codec_at(i)); i++)
        if (codec->undo && codec->undo->looks_so(beginning))
            u->codec = codec;
    if (u->codec)
        u->ctx = u->codec->undo->open();
    return u;
}

void unpack_free(struct unpack **u)
{
    if (*u && (*u)->codec)
        (*u)->codec->undo->close((*u)->ctx);
    MEM_CLEAR(*u);
}

void unpack_again(struct unpack *u)
{
    u->inside = false;
    if (!u->codec)
        return;
    if (u->codec->undo->again) {
        u->codec->undo->again(u->ctx);
        return;
    }
    u->codec->undo->close(u->ctx);
    u->ctx = u->codec->undo->open();
}

bool unpack_is_packed(const struct unpack *u)
{
    return u->codec != NULL;
}

void unpack_bound(struct unpack *u, size_t bytes)
{
    if (u->codec && u->codec->undo->bound)
        u->codec->undo->bound(u->ctx, bytes);
}

void unpack_share(struct unpack *u, struct budget *share)
{
    if (u->codec && u->codec->undo->share)
        u->codec->undo->share(u->ctx, share);
}

size_t unpack_holds(const struct unpack *u)
{
    return UNPACK_HOLDS + (u->codec && u->codec->undo->holds ? u->codec->undo->holds(u->ctx) : 0);
}

static int step_plain(struct slice *in, size_t room, struct buf *out)
{
    size_t n = in->n < room ? in->n : room;

    if (n == 0)
        return 0;
    memcpy(out->p + out->n, in->p, n);
    out->n += n;
    *in = slice_of(in->p + n, in->n - n);
    return 0;
}

int unpack_step(struct unpack *u, struct slice *in, struct buf *out, struct err *e)
{
    size_t room = out->max - out->n < UNPACK_PIECE ? out->max - out->n : UNPACK_PIECE;

    if (room == 0)
        return 0;
    if (buf_reserve(out, room) < 0)
        return err_set(e, ERR_NOMEM, "no memory for a piece of the text");
    return u->codec ? u->codec->undo->step(u->ctx, in, room, out, &u->inside, e) : step_plain(in, room, out);
}

int unpack_end(const struct unpack *u, struct err *e)
{
    return u->inside ? err_set(e, ERR_FORMAT, "%s: cut off before its end", u->codec->name) : 0;
}
