/* The first bytes say which codec it was, or that it was none: each codec of the registry is asked. From then on a step takes
 * some input and fills some room of the output; the end of input is an error only inside a member or frame. */
#include "transforms/codecs/unpack.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

struct unpack {
    struct coding as; /* without `undo`: what is there is the text */
    void *ctx;
    bool inside; /* of a member or frame */
};

struct unpack *unpack_new_as(struct coding as)
{
    struct unpack *u = mem_alloc(sizeof(*u));

    u->as = as;
    if (as.undo)
        u->ctx = as.undo->open();
    return u;
}

struct unpack *unpack_new(struct slice beginning)
{
    struct coding as = {.name = "none"};
    const struct codec_ops *codec;

    for (size_t i = 0; !as.undo && (codec = codec_at(i)); i++)
        if (codec->undo && codec->undo->looks_so(beginning))
            as = (struct coding){.name = codec->name, .undo = codec->undo};
    return unpack_new_as(as);
}

void unpack_free(struct unpack **u)
{
    if (*u && (*u)->as.undo)
        (*u)->as.undo->close((*u)->ctx);
    MEM_CLEAR(*u);
}

void unpack_again(struct unpack *u)
{
    u->inside = false;
    if (!u->as.undo)
        return;
    if (u->as.undo->again) {
        u->as.undo->again(u->ctx);
        return;
    }
    u->as.undo->close(u->ctx);
    u->ctx = u->as.undo->open();
}

bool unpack_is_packed(const struct unpack *u)
{
    return u->as.undo != NULL;
}

void unpack_bound(struct unpack *u, size_t bytes)
{
    if (u->as.undo && u->as.undo->bound)
        u->as.undo->bound(u->ctx, bytes);
}

void unpack_share(struct unpack *u, struct budget *share)
{
    if (u->as.undo && u->as.undo->share)
        u->as.undo->share(u->ctx, share);
}

size_t unpack_holds(const struct unpack *u)
{
    return UNPACK_HOLDS + (u->as.undo && u->as.undo->holds ? u->as.undo->holds(u->ctx) : 0);
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
    return u->as.undo ? u->as.undo->step(u->ctx, in, room, out, &u->inside, e) : step_plain(in, room, out);
}

int unpack_end(const struct unpack *u, struct err *e)
{
    return u->inside ? err_set(e, ERR_FORMAT, "%s: cut off before its end", u->as.name) : 0;
}
