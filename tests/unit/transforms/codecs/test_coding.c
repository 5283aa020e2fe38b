/* What senders pack is found by its name, unpacked however it is cut, and refused where it is damaged. */
#include "tests/support/cmocka.h"

#include "pipeline/base/digest.h"
#include "transforms/codecs/coding.h"
#include "transforms/codecs/unpack.h"

#include <snappy-c.h>
#include <string.h>
#include <zlib.h>

enum { TEXT_BYTES = 150000 };

#define CHUNK(bytes)                                                                                                   \
    {                                                                                                                  \
        (bytes), sizeof(bytes) - 1                                                                                     \
    }

static char text[TEXT_BYTES];

static void make_text(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < TEXT_BYTES; i++) {
        x = x * 1664525u + 1013904223u;
        text[i] = "0123456789abcdef"[i % 3 ? x >> 28 : 0];
    }
}

static size_t make_deflate(char *to, size_t room)
{
    uLongf n = room;

    assert_int_equal(compress((Bytef *)to, &n, (const Bytef *)text, TEXT_BYTES), Z_OK);
    return n;
}

static void put_number(char *to, size_t n, uint32_t v)
{
    for (size_t i = 0; i < n; i++, v >>= 8)
        to[i] = (char)v;
}

/* One chunk: `plain` as it is. The new end. */
static size_t put_chunk(char *to, size_t at, struct slice block, bool plain)
{
    uint32_t crc = crc32c(0, block);
    size_t n = snappy_max_compressed_length(block.n);

    if (plain)
        memcpy(to + at + 8, block.p, n = block.n);
    else
        assert_int_equal(snappy_compress(block.p, block.n, to + at + 8, &n), SNAPPY_OK);
    to[at] = plain ? 1 : 0;
    put_number(to + at + 1, 3, (uint32_t)n + 4);
    put_number(to + at + 4, 4, (crc >> 15 | crc << 17) + 0xa282ead8u);
    return at + 8 + n;
}

/* All kinds of chunks. */
static size_t make_snappy(char *to)
{
    static const char beginning[] = "\xff\x06\0\0sNaPpY", padding[] = "\xfe\x03\0\0xyz", none[] = "\x80\0\0";
    const size_t block = 65536;
    size_t n = sizeof(beginning) - 1;

    memcpy(to, beginning, n);
    n = put_chunk(to, n, slice_of(text, block), false);
    memcpy(to + n, padding, sizeof(padding) - 1);
    n = put_chunk(to, n + sizeof(padding) - 1, slice_of(text + block, block), true);
    memcpy(to + n, none, sizeof(none)); /* with its NUL: a chunk of no bytes */
    n += sizeof(none);
    memcpy(to + n, beginning, sizeof(beginning) - 1);
    return put_chunk(to, n + sizeof(beginning) - 1, slice_of(text + 2 * block, TEXT_BYTES - 2 * block), false);
}

/* In pieces of `cut` bytes, with room for `room` at a time. -1: damaged, or cut off. */
static int undo(const char *name, struct slice packed, size_t cut, size_t room, struct buf *out)
{
    struct coding c;
    struct unpack *u;
    struct err e;
    int rc = 0;

    assert_true(coding_find(name, &c));
    u = unpack_new_as(c);
    buf_init(out, 0);
    for (size_t stuck = 0; rc == 0 && stuck < 2;) {
        struct slice in = slice_of(packed.p, packed.n < cut ? packed.n : cut);
        size_t had = in.n, made = out->n;

        out->max = out->n + room < 2 * TEXT_BYTES ? out->n + room : 2 * TEXT_BYTES;
        rc = unpack_step(u, &in, out, &e);
        packed = slice_from(packed, had - in.n);
        stuck = had == in.n && made == out->n ? stuck + 1 : 0;
    }
    if (rc == 0)
        rc = packed.n > 0 ? -1 : unpack_end(u, &e);
    unpack_free(&u);
    return rc;
}

static void assert_undone(const char *name, struct slice packed)
{
    static const size_t cuts[][2] = {{1, 7000}, {3, 1}, {1000, 65536}, {1 << 20, 1 << 20}};
    struct buf out;

    for (size_t i = 0; i < ARRAY_LEN(cuts); i++) {
        assert_int_equal(undo(name, packed, cuts[i][0], cuts[i][1], &out), 0);
        assert_int_equal(out.n, TEXT_BYTES);
        assert_memory_equal(out.p, text, TEXT_BYTES);
        buf_release(&out);
    }
}

static void assert_refused(const char *name, struct slice packed)
{
    struct buf out;

    assert_int_equal(undo(name, packed, 1 << 20, 1 << 20, &out), -1);
    buf_release(&out);
}

static void deflate_is_undone(void **state)
{
    static char packed[2 * TEXT_BYTES];
    size_t n = make_deflate(packed, sizeof(packed));
    struct coding c;

    (void)state;
    assert_undone("deflate", slice_of(packed, n));
    assert_undone("ZLIB", slice_of(packed, n));
    assert_true(coding_find("deflate", &c));
    assert_true(c.undo->looks_so(slice_of(packed, n)));
    assert_false(c.undo->looks_so(slice_of(packed + 2, n - 2)));
    assert_false(c.undo->looks_so(SLICE("\x1f\x8b\x08")));
    assert_refused("deflate", slice_of(packed, n - 1));
    packed[n] = 'x';
    assert_refused("deflate", slice_of(packed, n + 1));
    packed[n / 2] ^= 0x10;
    assert_refused("deflate", slice_of(packed, n));
}

static void frames_of_snappy_are_undone(void **state)
{
    static char packed[2 * TEXT_BYTES];
    size_t n = make_snappy(packed);
    struct coding c;

    (void)state;
    assert_undone("x-snappy-framed", slice_of(packed, n));
    assert_true(coding_find("x-snappy-framed", &c));
    assert_true(c.undo->looks_so(slice_of(packed, n)));
    assert_true(c.undo->looks_so(slice_of(packed, 5)));
    assert_false(c.undo->looks_so(SLICE("\x82SNAPPY")));
    assert_refused("x-snappy-framed", slice_of(packed, n - 1));
    assert_refused("x-snappy-framed", slice_of(packed + 10, 6));
    packed[n - 5] ^= 0x10;
    assert_refused("x-snappy-framed", slice_of(packed, n));
}

static void damaged_chunks_are_refused(void **state)
{
    static const struct slice chunks[] = {
        CHUNK("\x02\0\0\0"),                               /* a kind that may not be passed over */
        CHUNK("\xff\x05\0\0sNaPp"),                        /* a beginning that is too short */
        CHUNK("\xff\x06\0\0sNaPpX"),                       /* or another */
        CHUNK("\x01\x03\0\0xyz"),                          /* no checksum */
        CHUNK("\x01\x05\0\0\0\0\0\0z"),                    /* a wrong one */
        CHUNK("\0\x05\0\0\0\0\0\0\x7f"),                   /* no block */
        CHUNK("\0\xff\xff\xff"),                           /* 16 MiB */
        CHUNK("\0\x0a\0\0\0\0\0\0\xff\xff\xff\xff\x0f\0"), /* a block that says it has 4 GiB */
    };
    char packed[64] = "\xff\x06\0\0sNaPpY";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
        memcpy(packed + 10, chunks[i].p, chunks[i].n);
        assert_refused("x-snappy-framed", slice_of(packed, 10 + chunks[i].n));
    }
}

static void each_word_has_its_codec(void **state)
{
    static const char *const known[] = {"gzip", "x-gzip", "GZip", "zstd", "lz4", "deflate", "zlib", "x-snappy-framed"};
    static const char *const unknown[] = {"", "identity", "br", "snappy", "gzip, gzip", "gzi"};
    struct coding c;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_true(coding_find(known[i], &c) && c.undo);
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_false(coding_find(unknown[i], &c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deflate_is_undone),
        cmocka_unit_test(frames_of_snappy_are_undone),
        cmocka_unit_test(damaged_chunks_are_refused),
        cmocka_unit_test(each_word_has_its_codec),
    };

    make_text();
    return cmocka_run_group_tests_name("coding", tests, NULL, NULL);
}
