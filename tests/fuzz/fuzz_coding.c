/* fuzz_coding.c -- bodies of anybody, packed in one of the ways that a header may name: each is undone within its bounds, or damaged, and however it is cut
 * the same comes out.
 *
 * The first byte says which way, and how it is cut the second time. */
#include "pipeline/base/limits.h"
#include "transforms/codecs/coding.h"
#include "transforms/codecs/unpack.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 1 << 20 };

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* False: damaged, cut off, or larger than may be. */
static bool undo(struct coding c, struct slice packed, size_t cut, size_t room, struct buf *out)
{
    struct unpack *u = unpack_new_as(c);
    bool whole = false, ok = true;
    struct err e;

    buf_init(out, 0);
    unpack_bound(u, UNZSTD_WINDOW_SENT);
    while (ok && !whole) {
        struct slice in = slice_of(packed.p, packed.n < cut ? packed.n : cut);
        size_t had = in.n, made = out->n;

        out->max = out->n + room < TEXT_MAX ? out->n + room : TEXT_MAX;
        ok = unpack_step(u, &in, out, &e) == 0;
        check(out->n <= out->max && in.n <= had);
        packed = slice_from(packed, had - in.n);
        whole = packed.n == 0 && unpack_end(u, &e) == 0;
        ok = ok && (whole || had > in.n || out->n > made || (cut < packed.n && (cut = packed.n)));
    }
    unpack_free(&u);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"gzip", "deflate", "zstd", "lz4", "x-snappy-framed"};
    struct slice packed;
    struct buf at_once, in_pieces;
    struct coding c;
    bool good;

    if (size == 0)
        return 0;
    check(coding_find(names[data[0] % ARRAY_LEN(names)], &c));
    packed = slice_of((const char *)data + 1, size - 1);
    if (!c.undo->looks_so(packed))
        return 0;
    good = undo(c, packed, size, TEXT_MAX, &at_once);
    if (good && at_once.n < TEXT_MAX) {
        /* The library of zstd takes some blocks that are larger than may be when all of a frame is there. */
        good = undo(c, packed, 1 + data[0] / ARRAY_LEN(names), 1 + data[0], &in_pieces);
        check(good ? slice_eq(buf_slice(&at_once), buf_slice(&in_pieces)) : strcmp(c.name, "zstd") == 0);
        buf_release(&in_pieces);
    }
    buf_release(&at_once);
    return 0;
}
