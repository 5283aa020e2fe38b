/* Frames behind one another are one text: the decoder goes on while there is input, or while it still gives output.
 * The limit is kept exactly: with no room left the decoder is called once more, which finds an end that needs none. */
#include "transforms/codecs/unzstd.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdint.h>
#include <string.h>
#include <zstd.h>

/* A frame, or one that has nothing of the text: pzstd's files begin with such. */
bool unzstd_looks_so(struct slice in)
{
    bool skippable =
        in.n >= 4 && (unsigned char)in.p[0] >> 4 == 5 && slice_starts(slice_from(in, 1), SLICE("\x2a\x4d\x18"));

    return skippable || slice_starts(in, SLICE("\x28\xb5\x2f\xfd"));
}

/* One step into the room that `out` has. *left: 0 at the end of a frame. */
static int step(ZSTD_DStream *z, ZSTD_inBuffer *in, struct buf *out, size_t *left, struct err *e)
{
    size_t room = out->max - out->n < UNZSTD_ROOM ? out->max - out->n : UNZSTD_ROOM;
    ZSTD_outBuffer to;

    if (buf_reserve(out, room) < 0)
        return err_set(e, ERR_NOMEM, "zstd: no memory for more than %zu bytes", out->n);
    to = (ZSTD_outBuffer){.dst = out->p + out->n, .size = room};
    *left = ZSTD_decompressStream(z, &to, in);
    if (ZSTD_isError(*left))
        return err_set(e, ERR_FORMAT, "zstd: %s", ZSTD_getErrorName(*left));
    out->n += to.pos;
    /* With no room an end that needs none is still found; anything else does not move. */
    if (room == 0 && *left > 0)
        return err_set(e, ERR_LIMIT, "zstd: holds more than the limit of %zu bytes", out->max);
    return 0;
}

static ZSTD_DStream *stream_open(void)
{
    ZSTD_DStream *z = ZSTD_createDStream();

    if (!z)
        mem_exhausted();
    ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, UNZSTD_WINDOW_LOG);
    return z;
}

static void stream_close(ZSTD_DStream *z)
{
    ZSTD_freeDStream(z);
}

int unzstd_all(struct slice in, struct buf *out, struct err *e)
{
    ZSTD_inBuffer from = {.src = in.p, .size = in.n};
    ZSTD_DStream *z;
    size_t left = 1, before;
    int rc = 0;

    if (!unzstd_looks_so(in))
        return err_set(e, ERR_FORMAT, "zstd: does not begin with 28 b5 2f fd");
    z = stream_open();
    do {
        before = out->n;
        rc = step(z, &from, out, &left, e);
    } while (rc == 0 && (from.pos < from.size || (left > 0 && out->n > before)));
    stream_close(z);
    if (rc == 0 && left > 0)
        rc = err_set(e, ERR_FORMAT, "zstd: cut off before its end");
    return rc;
}

/* --- piece by piece --- */

/* Of a frame its head is kept back until it is whole: it says how large a window is wanted, and the decoder takes that much memory when it sees it. */
struct undo {
    ZSTD_DStream *z;
    int log_max;
    struct budget *share; /* NULL: none is counted */
    size_t held;          /* of it */
    unsigned char head[UNZSTD_HEAD_MAX];
    size_t n, gone; /* of the head: so much is there; so much the decoder has */
};

static void *undo_open(void)
{
    struct undo *u = mem_alloc(sizeof(*u));

    u->z = stream_open();
    u->log_max = UNZSTD_WINDOW_LOG;
    return u;
}

static void give_back(struct undo *u)
{
    if (u->held > 0)
        budget_give(u->share, u->held);
    u->held = 0;
}

static void undo_close(void *ctx)
{
    struct undo *u = ctx;

    stream_close(u->z);
    give_back(u);
    mem_free(u);
}

static uint64_t number(const unsigned char *p, size_t n)
{
    uint64_t x = 0;

    while (n-- > 0)
        x = x << 8 | p[n];
    return x;
}

/* RFC 8878, 3.1.1.1. 0: the window is known; else: so many bytes are wanted first. What begins otherwise has none. */
static size_t head_wants(const unsigned char *head, size_t n, uint64_t *window)
{
    static const size_t id_bytes[] = {0, 1, 2, 4}, size_bytes[] = {1, 2, 4, 8};
    size_t id, size;

    *window = 0;
    if (n < 4)
        return 4;
    if (number(head, 4) != 0xfd2fb528)
        return 0;
    if (n < 6)
        return 6;
    if (!(head[4] & 0x20)) {
        *window = (uint64_t)(8 + (head[5] & 7)) << ((head[5] >> 3) + 7);
        return 0;
    }
    id = id_bytes[head[4] & 3];
    size = size_bytes[head[4] >> 6];
    if (n < 5 + id + size)
        return 5 + id + size;
    *window = number(head + 5 + id, size) + (size == 2 ? 256 : 0);
    return 0;
}

/* The decoder lets go of a window only when it ends. So a frame that wants more waits without anything, and two such never wait for each other. */
static int take_window(struct undo *u, uint64_t window, struct err *e)
{
    size_t most = u->share ? atomic_load(&u->share->limit) : 0;

    if (!u->share || window <= UNZSTD_WINDOW_SENT || window <= u->held || window > UINT64_C(1) << u->log_max)
        return 0;
    if (window > most)
        return err_set(e, ERR_LIMIT, "zstd: its window of %llu MiB is more than the %zu MiB that there are for windows",
                       (unsigned long long)(window / MIB), (size_t)(most / MIB));
    if (u->held > 0) {
        stream_close(u->z);
        give_back(u);
        u->z = stream_open();
        ZSTD_DCtx_setParameter(u->z, ZSTD_d_windowLogMax, u->log_max);
    }
    if (!budget_take(u->share, (size_t)window))
        return err_set(e, ERR_NOMEM, "zstd: its window of %llu MiB waits for others",
                       (unsigned long long)(window / MIB));
    u->held = (size_t)window;
    return 0;
}

/* 1: it is whole, and has what it wants. */
static int read_head(struct undo *u, struct slice *in, struct err *e)
{
    uint64_t window;
    size_t want;

    while ((want = head_wants(u->head, u->n, &window)) > 0) {
        size_t n = want - u->n < in->n ? want - u->n : in->n;

        if (n == 0)
            return 0;
        memcpy(u->head + u->n, in->p, n);
        u->n += n;
        *in = slice_from(*in, n);
    }
    return take_window(u, window, e) < 0 ? -1 : 1;
}

static int undo_step(void *ctx, struct slice *in, size_t room, struct buf *out, bool *inside, struct err *e)
{
    struct undo *u = ctx;
    bool in_head = !*inside || u->n > u->gone;
    ZSTD_outBuffer to = {.dst = out->p + out->n, .size = room};
    ZSTD_inBuffer from;
    size_t left;

    if (in->n == 0 && !*inside)
        return 0;
    if (in_head) {
        int rc;

        if (!*inside)
            u->n = u->gone = 0;
        rc = read_head(u, in, e);
        *inside = true;
        if (rc <= 0)
            return rc;
    }
    from = in_head ? (ZSTD_inBuffer){.src = u->head + u->gone, .size = u->n - u->gone}
                   : (ZSTD_inBuffer){.src = in->p, .size = in->n};
    left = ZSTD_decompressStream(u->z, &to, &from);
    if (ZSTD_isError(left))
        return err_set(e, ERR_FORMAT, "zstd: %s", ZSTD_getErrorName(left));
    *inside = left > 0;
    out->n += to.pos;
    if (in_head)
        u->gone += from.pos;
    else
        *in = slice_from(*in, from.pos);
    return 0;
}

static void undo_bound(void *ctx, size_t bytes)
{
    struct undo *u = ctx;

    while (u->log_max > UNZSTD_WINDOW_LOG_LEAST && (size_t)1 << u->log_max > bytes)
        u->log_max--;
    ZSTD_DCtx_setParameter(u->z, ZSTD_d_windowLogMax, u->log_max);
}

static void undo_share(void *ctx, struct budget *share)
{
    struct undo *u = ctx;

    u->share = share;
}

static void undo_again(void *ctx)
{
    struct undo *u = ctx;

    u->n = u->gone = 0;
    ZSTD_DCtx_reset(u->z, ZSTD_reset_session_only);
}

static size_t undo_holds(void *ctx)
{
    struct undo *u = ctx;

    return sizeof(*u) + ZSTD_sizeof_DStream(u->z);
}

const struct codec_undo unzstd_undo = {.looks_so = unzstd_looks_so,
                                       .open = undo_open,
                                       .step = undo_step,
                                       .close = undo_close,
                                       .bound = undo_bound,
                                       .share = undo_share,
                                       .again = undo_again,
                                       .holds = undo_holds};
