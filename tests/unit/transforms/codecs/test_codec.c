/* Every codec over sizes from nothing to megabytes, fed in odd pieces, read back with the libraries that everybody else
 * reads with. */
#include "tests/support/cmocka.h"
#include "tests/support/zstd_window.h"

#include "pipeline/base/body.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/codec.h"
#include "transforms/codecs/gzip.h"
#include "transforms/codecs/unpack.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <lz4frame.h>
#include <zstd.h>

#define LARGE ((size_t)(5 * MIB + 123)) /* above what gzip collects for libdeflate */

/* Looks like a log: repetitive, but no two lines alike. The same every time. */
static char *text_of(size_t n)
{
    char *p = mem_alloc(n + 128);
    uint32_t x = 12345;

    for (size_t at = 0; at < n;) {
        x = x * 1664525u + 1013904223u;
        at += (size_t)snprintf(p + at, 100, "2026-11-22T15:26:%02uZ level=info request=%08x status=%u took=%ums\n",
                               x % 60, x, 200 + x % 5, (x >> 8) % 1000);
    }
    return p;
}

static char *noise_of(size_t n)
{
    char *p = mem_alloc(n + 1);
    uint32_t x = 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (char)(x >> 24);
    }
    return p;
}

static struct body *encode(const struct codec_ops *c, void *ctx, struct slice in, size_t piece, uint64_t size)
{
    struct body *out = body_new("/tmp", BODY_MEMORY_MAX);
    struct err e = {0};

    assert_int_equal(c->begin(ctx, size, &e), 0);
    for (size_t at = 0; at < in.n; at += piece)
        assert_int_equal(c->add(ctx, slice_of(in.p + at, in.n - at < piece ? in.n - at : piece), out, &e), 0);
    assert_int_equal(c->finish(ctx, out, &e), 0);
    return out;
}

/* The body as one piece of memory; the caller frees it. */
static struct slice flat(const struct body *b)
{
    char *p = mem_alloc((size_t)body_size(b) + 1);
    size_t n = 0;
    struct err e;
    long got;

    while ((got = body_read(b, n, p + n, (size_t)body_size(b) - n, &e)) > 0)
        n += (size_t)got;
    assert_int_equal(got, 0);
    assert_int_equal(n, body_size(b));
    return slice_of(p, n);
}

/* Exactly one gzip member, with nothing behind it. */
static void assert_gunzips_to(struct slice packed, struct slice want)
{
    char *out = mem_alloc(want.n + 1);
    z_stream z = {0};

    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)packed.p;
    z.avail_in = (uInt)packed.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)want.n + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, want.n);
    assert_true(slice_eq(slice_of(out, want.n), want));
    inflateEnd(&z);
    mem_free(out);
}

/* Exactly one frame with a checksum, and with its size where that was known. */
static void assert_unzstds_to(struct slice packed, struct slice want, bool size_known)
{
    char *out = mem_alloc(want.n + 1);

    assert_int_equal(ZSTD_findFrameCompressedSize(packed.p, packed.n), packed.n);
    if (size_known)
        assert_true(ZSTD_getFrameContentSize(packed.p, packed.n) == want.n);
    assert_true(((unsigned char)packed.p[4] & 4) != 0); /* RFC 8878 section 3.1.1.1.1: Content_Checksum_flag */
    assert_int_equal(ZSTD_decompress(out, want.n + 1, packed.p, packed.n), want.n);
    assert_true(slice_eq(slice_of(out, want.n), want));
    mem_free(out);
}

/* One frame with a checksum, and with its size where that was known. */
static void assert_unlz4s_to(struct slice packed, struct slice want, bool size_known)
{
    char *out = mem_alloc(want.n + 1);
    LZ4F_frameInfo_t info;
    LZ4F_dctx *d;
    size_t taken = packed.n, given = want.n + 1, at;

    assert_false(LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)));
    assert_false(LZ4F_isError(LZ4F_getFrameInfo(d, &info, packed.p, &taken)));
    assert_int_equal(info.contentChecksumFlag, LZ4F_contentChecksumEnabled);
    assert_true(info.contentSize == (size_known ? want.n : 0));
    at = taken;
    taken = packed.n - at;
    assert_int_equal(LZ4F_decompress(d, out, &given, packed.p + at, &taken, NULL), 0);
    assert_int_equal(at + taken, packed.n);
    assert_true(slice_eq(slice_of(out, given), want));
    LZ4F_freeDecompressionContext(d);
    mem_free(out);
}

/* A raw block of Snappy, read by its description (format_description.txt) and by nobody's library. Returns what came. */
static size_t unsnap(const unsigned char *p, size_t n, char *out, size_t room)
{
    size_t at = 0, made = 0, length = 0, left;

    for (unsigned shift = 0;; shift += 7) {
        length |= (size_t)(p[at] & 127) << shift;
        if (p[at++] < 128)
            break;
    }
    assert_true(length <= room);
    while (at < n) {
        unsigned tag = p[at++];
        size_t offset = 0;

        if ((tag & 3) == 0) {
            unsigned more = (tag >> 2) < 60 ? 0 : (tag >> 2) - 59;

            left = more ? 0 : tag >> 2;
            for (unsigned i = 0; i < more; i++)
                left |= (size_t)p[at++] << (8 * i);
            left++;
            assert_true(at + left <= n && made + left <= length);
            memcpy(out + made, p + at, left);
            at += left;
            made += left;
            continue;
        }
        left = (tag & 3) == 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2);
        if ((tag & 3) == 1)
            offset = (size_t)(tag >> 5) << 8 | p[at++];
        for (unsigned i = 0; (tag & 3) > 1 && i < ((tag & 3) == 2 ? 2 : 4); i++)
            offset |= (size_t)p[at++] << (8 * i);
        assert_true(offset > 0 && offset <= made && made + left <= length);
        for (; left > 0; left--, made++)
            out[made] = out[made - offset];
    }
    assert_int_equal(made, length);
    return made;
}

static size_t big_endian(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
}

/* snappy-java's stream, or Hadoop's blocks. */
static void assert_unsnappies_to(struct slice packed, struct slice want, bool hadoop)
{
    char *out = mem_alloc(want.n + 1);
    size_t at = hadoop ? 0 : 16, made = 0;

    if (!hadoop)
        assert_memory_equal(packed.p, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    while (at < packed.n) {
        size_t text = hadoop ? big_endian(packed.p + at) : 0, n, got;

        at += hadoop ? 4 : 0;
        n = big_endian(packed.p + at);
        at += 4;
        assert_true(at + n <= packed.n);
        got = unsnap((const unsigned char *)packed.p + at, n, out + made, want.n - made);
        assert_true(hadoop ? got == text && got <= 128 * KIB && n <= 256 * KIB : got <= 32 * KIB);
        at += n;
        made += got;
    }
    assert_true(slice_eq(slice_of(out, made), want));
    mem_free(out);
}

static size_t little_endian(const char *p, size_t bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n |= (size_t)(unsigned char)p[i] << (8 * i);
    return n;
}

/* From the end: directory, head, data. What other programs make of it is in tests/e2e and tests/readers. */
static void assert_unzips_to(struct slice packed, struct slice want)
{
    const char *end = packed.p + packed.n - 22, *directory, *head;
    char *out = mem_alloc(want.n + 1);
    z_stream z = {0};

    assert_memory_equal(end, "PK\5\6", 4);
    assert_int_equal(little_endian(end + 10, 2), 1);
    directory = packed.p + little_endian(end + 16, 4);
    assert_memory_equal(directory, "PK\1\2", 4);
    assert_ptr_equal(directory + little_endian(end + 12, 4), end);
    assert_int_equal(little_endian(directory + 16, 4), crc32(0, (const Bytef *)want.p, (uInt)want.n));
    assert_int_equal(little_endian(directory + 24, 4), want.n);
    head = packed.p + little_endian(directory + 42, 4);
    assert_memory_equal(head, "PK\3\4", 4);
    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)head + 30 + little_endian(head + 26, 2) + little_endian(head + 28, 2);
    z.avail_in = (uInt)little_endian(directory + 20, 4);
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)want.n + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_true(slice_eq(slice_of(out, z.total_out), want));
    assert_memory_equal(z.next_in, "PK\7\x8", 4);
    inflateEnd(&z);
    mem_free(out);
}

static void assert_decodes(const struct codec_ops *c, const struct body *b, struct slice want, bool size_known)
{
    struct slice packed = flat(b);

    if (strcmp(c->name, "gzip") == 0)
        assert_gunzips_to(packed, want);
    else if (strcmp(c->name, "zstd") == 0)
        assert_unzstds_to(packed, want, size_known);
    else if (strcmp(c->name, "lz4") == 0)
        assert_unlz4s_to(packed, want, size_known);
    else if (strcmp(c->name, "zip") == 0)
        assert_unzips_to(packed, want);
    else if (strcmp(c->name, "none") != 0)
        assert_unsnappies_to(packed, want, strcmp(c->name, "hadoop_snappy") == 0);
    else
        assert_true(slice_eq(packed, want));
    mem_free((void *)(uintptr_t)packed.p);
}

static void round_trips(const struct codec_ops *c, int level, struct slice all, size_t piece)
{
    static const size_t SIZES[] = {0, 1, 2, 100, 4095, 4096, 4097, 65535, 65536, 1000003};
    void *ctx = c->open(level); /* one context for all, as a worker has */

    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct slice in = slice_of(all.p, SIZES[i]);
        struct body *b;

        if (piece == 1 && in.n > 5000)
            continue;
        b = encode(c, ctx, in, piece, in.n);
        assert_decodes(c, b, in, true);
        body_free(&b);
        b = encode(c, ctx, in, piece, CODEC_SIZE_UNKNOWN);
        assert_decodes(c, b, in, false);
        body_free(&b);
    }
    c->close(ctx);
}

static void every_codec_gives_back_what_it_was_fed_in_odd_pieces(void **state)
{
    static const int LEVELS[] = {0, 1, 2, 3, 4, 6, 9, 12};
    static const size_t PIECES[] = {1, 777, 65536, 1 << 20};
    char *text = text_of(1 << 20);
    const struct codec_ops *c;

    (void)state;
    for (size_t i = 0; (c = codec_at(i)); i++)
        for (size_t l = 0; l < ARRAY_LEN(LEVELS); l++)
            for (size_t p = 0; p < ARRAY_LEN(PIECES); p++)
                if (LEVELS[l] >= c->level_min && LEVELS[l] <= c->level_max)
                    round_trips(c, LEVELS[l], slice_of(text, 1 << 20), PIECES[p]);
    mem_free(text);
}

static void large_objects_and_incompressible_ones_too(void **state)
{
    char *text = text_of(LARGE), *noise = noise_of(LARGE);
    const struct slice inputs[] = {slice_of(text, LARGE), slice_of(noise, LARGE)};
    const struct codec_ops *c;

    (void)state;
    for (size_t i = 0; (c = codec_at(i)); i++)
        for (size_t k = 0; k < ARRAY_LEN(inputs); k++)
            for (int level = c->level_min; level <= 6 && level <= c->level_max; level += 5) {
                void *ctx = c->open(level);
                struct body *b = encode(c, ctx, inputs[k], MIB - 1, CODEC_SIZE_UNKNOWN);

                assert_decodes(c, b, inputs[k], false);
                body_free(&b);
                c->close(ctx);
            }
    mem_free(text);
    mem_free(noise);
}

static void the_same_object_gives_the_same_bytes_after_any_other(void **state)
{
    static const int LEVELS[] = {0, 1, 2, 3, 6};
    char *text = text_of(300000), *noise = noise_of(300000);
    const struct slice in = slice_of(text, 300000), other = slice_of(noise, 299999);
    const struct codec_ops *c;

    (void)state;
    for (size_t i = 0; (c = codec_at(i)); i++)
        for (size_t l = 0; l < ARRAY_LEN(LEVELS); l++) {
            if (LEVELS[l] < c->level_min || LEVELS[l] > c->level_max)
                continue;
            void *fresh = c->open(LEVELS[l]), *used = c->open(LEVELS[l]);
            struct body *a = encode(c, fresh, in, 70000, in.n), *b = encode(c, used, other, 1000, other.n), *again;
            struct slice x, y;

            again = encode(c, used, in, 70000, in.n);
            x = flat(a);
            y = flat(again);
            assert_true(slice_eq(x, y));
            mem_free((void *)(uintptr_t)x.p);
            mem_free((void *)(uintptr_t)y.p);
            body_free(&a);
            body_free(&b);
            body_free(&again);
            c->close(fresh);
            c->close(used);
        }
    mem_free(text);
    mem_free(noise);
}

static void an_object_that_was_begun_and_given_up_leaves_no_trace(void **state)
{
    static const int LEVELS[] = {0, 1, 6};
    const struct slice in = SLICE("the second object\n");
    const struct codec_ops *c;

    (void)state;
    for (size_t i = 0; (c = codec_at(i)); i++)
        for (size_t l = 0; l < ARRAY_LEN(LEVELS); l++) {
            if (LEVELS[l] < c->level_min || LEVELS[l] > c->level_max)
                continue;
            void *ctx = c->open(LEVELS[l]);
            struct body *lost = body_new("/tmp", BODY_MEMORY_MAX), *b;
            struct err e;

            assert_int_equal(c->begin(ctx, 1000, &e), 0);
            assert_int_equal(c->add(ctx, SLICE("the first object, never finished"), lost, &e), 0);
            b = encode(c, ctx, in, 5, in.n);
            assert_decodes(c, b, in, true);
            body_free(&lost);
            body_free(&b);
            c->close(ctx);
        }
}

static void gzip_says_no_time_and_no_name(void **state)
{
    static const int LEVELS[] = {1, 6, 12};
    const struct codec_ops *c = codec_find("gzip");

    (void)state;
    for (size_t l = 0; l < ARRAY_LEN(LEVELS); l++) {
        void *ctx = c->open(LEVELS[l]);
        struct body *b = encode(c, ctx, SLICE("x"), 1, 1);
        struct slice p = flat(b);

        assert_memory_equal(p.p, "\x1f\x8b\x08\0\0\0\0\0", 8);
        mem_free((void *)(uintptr_t)p.p);
        body_free(&b);
        c->close(ctx);
    }
}

/* What a build without ISA-L and libdeflate falls back on. */
static void zlib_alone_does_every_level(void **state)
{
    char *text = text_of(200000);
    const struct slice in = slice_of(text, 200000);

    (void)state;
    for (int level = 1; level <= 9; level++) {
        void *ctx = gzip_zlib.open(level);
        struct err e;

        for (int round = 0; round < 2; round++) {
            struct body *b = body_new("/tmp", BODY_MEMORY_MAX);
            struct slice p;

            gzip_zlib.begin(ctx);
            for (size_t at = 0; at < in.n; at += 9999)
                assert_int_equal(gzip_zlib.add(ctx, slice_of(in.p + at, in.n - at < 9999 ? in.n - at : 9999), b, &e),
                                 0);
            assert_int_equal(gzip_zlib.finish(ctx, b, &e), 0);
            p = flat(b);
            assert_gunzips_to(p, in);
            mem_free((void *)(uintptr_t)p.p);
            body_free(&b);
        }
        gzip_zlib.close(ctx);
    }
    mem_free(text);
}

static void an_object_of_another_size_than_announced_is_no_zstd_frame(void **state)
{
    const struct codec_ops *c = codec_find("zstd");
    void *ctx = c->open(1);
    struct body *b = body_new("/tmp", BODY_MEMORY_MAX);
    struct err e = {0};

    (void)state;
    assert_int_equal(c->begin(ctx, 10, &e), 0);
    assert_int_equal(c->add(ctx, SLICE("12345"), b, &e), 0);
    assert_int_equal(c->finish(ctx, b, &e), -1);
    assert_non_null(strstr(e.msg, "zstd"));
    body_free(&b);
    c->close(ctx);
}

static void a_body_that_cannot_be_written_is_an_error_not_a_crash(void **state)
{
    char *noise = noise_of(BODY_MEMORY_MAX * 2);
    const struct codec_ops *c;

    (void)state;
    for (size_t i = 0; (c = codec_at(i)); i++) {
        void *ctx = c->open(c->level_default);
        struct body *b = body_new("/nonexistent/folder", BODY_MEMORY_MAX);
        struct err e = {0};
        int rc;

        assert_int_equal(c->begin(ctx, BODY_MEMORY_MAX * 2, &e), 0);
        rc = c->add(ctx, slice_of(noise, BODY_MEMORY_MAX * 2), b, &e);
        if (rc == 0)
            rc = c->finish(ctx, b, &e);
        assert_int_equal(rc, -1);
        assert_non_null(strstr(e.msg, "/nonexistent/folder"));
        body_free(&b);
        c->close(ctx);
    }
    mem_free(noise);
}

/* What is put away must be read again by redrive, without being told which codec it was. */
static void what_a_codec_makes_is_recognised_and_undone(void **state)
{
    char *text = text_of(300000);
    const struct codec_ops *c;

    (void)state;
    for (size_t i = 0; (c = codec_at(i)); i++) {
        void *ctx = c->open(c->level_default);
        struct body *out = encode(c, ctx, slice_of(text, 300000), 7919, CODEC_SIZE_UNKNOWN);
        struct slice packed = flat(out), rest = packed;
        struct unpack *u = unpack_new(packed);
        struct buf back;
        struct err e;
        size_t before;

        assert_int_equal(unpack_is_packed(u), c->undo != NULL);
        assert_int_equal(c->undo != NULL, !c->copies && strcmp(c->name, "hadoop_snappy") != 0);
        buf_init(&back, MIB);
        do {
            before = back.n;
            assert_int_equal(unpack_step(u, &rest, &back, &e), 0);
        } while (rest.n > 0 || back.n > before);
        assert_int_equal(unpack_end(u, &e), 0);
        assert_true(slice_eq(buf_slice(&back), c->undo ? slice_of(text, 300000) : packed));
        buf_release(&back);
        unpack_free(&u);
        mem_free((void *)(uintptr_t)packed.p);
        body_free(&out);
        c->close(ctx);
    }
    mem_free(text);
}

/* All that comes out, fed `piece` bytes at a time. -1: damaged, or cut off. */
static int undo_all(struct slice packed, size_t piece, struct buf *back)
{
    struct unpack *u = unpack_new(slice_of(packed.p, packed.n < 4 ? packed.n : 4));
    struct err e;
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < packed.n;) {
        struct slice in = slice_of(packed.p + at, packed.n - at < piece ? packed.n - at : piece);
        size_t n = in.n, before = back->n;

        rc = unpack_step(u, &in, back, &e);
        at += n - in.n;
        if (rc == 0 && n == in.n && back->n == before)
            rc = -1; /* it goes no further */
    }
    for (size_t before = SIZE_MAX; rc == 0 && before != back->n;) {
        struct slice none = slice_of("", 0);

        before = back->n;
        rc = unpack_step(u, &none, back, &e);
    }
    if (rc == 0)
        rc = unpack_end(u, &e);
    unpack_free(&u);
    return rc;
}

static void what_is_cut_off_or_damaged_is_told_or_at_least_no_crash(void **state)
{
    char *text = text_of(3000);
    const struct codec_ops *c;

    (void)state;
    for (size_t i = 0; (c = codec_at(i)); i++) {
        void *ctx = c->open(c->level_default);
        struct body *out = encode(c, ctx, slice_of(text, 3000), 777, CODEC_SIZE_UNKNOWN);
        struct slice packed = flat(out);
        char *p = (char *)(uintptr_t)packed.p;
        struct buf back;

        buf_init(&back, MIB);
        for (size_t n = 4; c->undo && n < packed.n;
             n++) { /* an archive's directory and a stream of blocks may miss something */
            buf_clear(&back);
            if (undo_all(slice_of(p, n), 100, &back) == 0 && strcmp(c->name, "zip") != 0 &&
                strcmp(c->name, "snappy") != 0)
                fail_msg("%s: %zu of %zu bytes are taken", c->name, n, packed.n);
        }
        for (size_t at = 0; c->undo && at < packed.n; at++) {
            p[at] = (char)(p[at] ^ 0x55);
            buf_clear(&back);
            (void)undo_all(packed, 1 + at % 99, &back);
            p[at] = (char)(p[at] ^ 0x55);
        }
        buf_clear(&back);
        assert_int_equal(undo_all(packed, 1, &back), 0);
        assert_true(!c->undo || slice_eq(buf_slice(&back), slice_of(text, 3000)));
        buf_release(&back);
        mem_free(p);
        body_free(&out);
        c->close(ctx);
    }
    mem_free(text);
}

static void streams_of_snappy_behind_one_another_are_one_text(void **state)
{
    const struct codec_ops *c = codec_find("snappy");
    void *ctx = c->open(0);
    struct body *out = encode(c, ctx, SLICE("one, "), 2, 5);
    struct slice one = flat(out);
    struct buf both, back;

    (void)state;
    buf_init(&both, MIB);
    buf_init(&back, MIB);
    assert_int_equal(buf_add_slice(&both, one) | buf_add_slice(&both, one), 0);
    assert_int_equal(undo_all(buf_slice(&both), 3, &back), 0);
    assert_true(slice_is(buf_slice(&back), "one, one, "));
    buf_release(&both);
    buf_release(&back);
    mem_free((void *)(uintptr_t)one.p);
    body_free(&out);
    c->close(ctx);
}

/* The name is the object's, as far as it has one; and of an object that is announced as huge all sizes have 64 bits. */
static void an_archive_names_what_is_in_it_and_takes_large_sizes(void **state)
{
    static const struct {
        const char *name, *want;
    } names[] = {{"app-1-2026", "app-1-2026"}, {"", "records"}, {"\xc3\xa4.jsonl", "\xc3\xa4.jsonl"}};
    const struct codec_ops *c = codec_find("zip");
    void *ctx = c->open(6);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct body *out;
        struct slice p;

        c->name_content(ctx, slice_str(names[i].name));
        out = encode(c, ctx, SLICE("text"), 1, 4);
        p = flat(out);
        assert_true(slice_starts(slice_of(p.p + 30, p.n - 30), slice_str(names[i].want)));
        assert_int_equal(little_endian(p.p + 4, 2), 20);
        assert_unzips_to(p, SLICE("text"));
        mem_free((void *)(uintptr_t)p.p);
        body_free(&out);
    }
    for (int large = 0; large < 2; large++) {
        struct body *out = encode(c, ctx, SLICE("text"), 4, large ? UINT64_C(5) << 30 : UINT32_MAX / 2);
        struct slice p = flat(out);
        struct buf back;

        buf_init(&back, 100);
        assert_int_equal(little_endian(p.p + 4, 2), large ? 45 : 20);
        assert_int_equal(undo_all(p, 10, &back), 0);
        assert_true(slice_is(buf_slice(&back), "text"));
        if (large) {
            assert_memory_equal(p.p + p.n - 22 - 20, "PK\6\7", 4);
            assert_memory_equal(p.p + little_endian(p.p + p.n - 22 - 20 + 8, 8), "PK\6\6", 4);
        }
        buf_release(&back);
        mem_free((void *)(uintptr_t)p.p);
        body_free(&out);
    }
    c->close(ctx);
}

static void codecs_are_found_by_name(void **state)
{
    (void)state;
    assert_string_equal(codec_find("gzip")->extension, ".gz");
    assert_string_equal(codec_find("zstd")->encoding, "zstd");
    assert_null(codec_find("none")->encoding);
    assert_string_equal(codec_find("snappy")->extension, ".snappy");
    assert_string_equal(codec_find("hadoop_snappy")->extension, ".hsnappy");
    assert_string_equal(codec_find("zip")->extension, ".zip");
    assert_string_equal(codec_find("lz4")->extension, ".lz4");
    assert_null(codec_find("GZIP"));
    assert_null(codec_at(SIZE_MAX));
}

/* -1, and *why: it does not go on. */
static int undo_some(struct unpack *u, struct slice packed, size_t piece, struct buf *back, enum err_code *why)
{
    struct err e = {.code = ERR_NONE};
    int rc = 0;

    for (size_t at = 0; rc == 0 && at < packed.n;) {
        struct slice in = slice_of(packed.p + at, packed.n - at < piece ? packed.n - at : piece);
        size_t n = in.n;

        rc = unpack_step(u, &in, back, &e);
        at += n - in.n;
    }
    *why = e.code;
    return rc < 0 ? -1 : unpack_end(u, &e);
}

/* Frames that want 8, 16 and 32 MiB and nothing: each waits without holding what the one before it had. */
static void windows_are_taken_from_what_there_is_for_them(void **state)
{
    static const int logs[] = {23, 24, 25, 10};
    static const size_t pieces[] = {1, 3, 7, 1000};
    struct budget share;
    struct buf packed, back;
    enum err_code why;

    (void)state;
    budget_init(&share, 32 * MIB);
    buf_init(&packed, MIB);
    buf_init(&back, MIB);
    for (size_t i = 0; i < ARRAY_LEN(logs); i++)
        assert_int_equal(zstd_with_window(SLICE("a line\n"), logs[i], &packed), 0);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        struct unpack *u = unpack_new(buf_slice(&packed));

        buf_clear(&back);
        budget_resize(&share, 32 * MIB);
        unpack_share(u, &share);
        for (int again = 0; again < 2; again++) {
            buf_clear(&back);
            assert_int_equal(undo_some(u, buf_slice(&packed), pieces[i], &back, &why), 0);
            assert_string_equal(buf_cstr(&back), "a line\na line\na line\na line\n");
            assert_int_equal(share.used, 32 * MIB);
            unpack_again(u);
        }
        unpack_free(&u);
        assert_int_equal(share.used, 0);

        u = unpack_new(buf_slice(&packed));
        unpack_share(u, &share);
        assert_true(budget_take(&share, MIB));
        buf_clear(&back);
        assert_int_equal(undo_some(u, buf_slice(&packed), pieces[i], &back, &why), -1);
        assert_int_equal(why, ERR_NOMEM);
        assert_string_equal(buf_cstr(&back), "a line\na line\n");
        assert_int_equal(share.used, MIB);
        budget_give(&share, MIB);
        budget_resize(&share, 31 * MIB);
        unpack_again(u);
        assert_int_equal(undo_some(u, buf_slice(&packed), pieces[i], &back, &why), -1);
        assert_int_equal(why, ERR_LIMIT);
        unpack_free(&u);
        assert_int_equal(share.used, 0);
    }
    assert_true(share.peak == 32 * MIB);
    buf_release(&packed);
    buf_release(&back);
}

/* A head that says how long the text is wants that much. */
static void a_frame_of_one_segment_is_its_own_window(void **state)
{
    size_t n = 9 * MIB, room = ZSTD_compressBound(n);
    char *text = text_of(n), *packed = mem_alloc(room);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    struct buf back;
    struct budget share;
    enum err_code why;

    (void)state;
    budget_init(&share, 16 * MIB);
    buf_init(&back, 10 * MIB);
    ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, 25);
    room = ZSTD_compress2(z, packed, room, text, n);
    ZSTD_freeCCtx(z);
    assert_int_equal(packed[4] & 0xe0, 0xa0); /* one segment, with four bytes of size */
    for (size_t piece = 1000; piece <= MIB; piece *= 32) {
        struct unpack *u = unpack_new(slice_of(packed, 4));

        unpack_share(u, &share);
        buf_clear(&back);
        (void)undo_some(u, slice_of(packed, room), piece, &back, &why);
        assert_int_equal(share.used, n);
        unpack_free(&u);
    }
    buf_release(&back);
    mem_free(packed);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_codec_gives_back_what_it_was_fed_in_odd_pieces),
        cmocka_unit_test(large_objects_and_incompressible_ones_too),
        cmocka_unit_test(the_same_object_gives_the_same_bytes_after_any_other),
        cmocka_unit_test(an_object_that_was_begun_and_given_up_leaves_no_trace),
        cmocka_unit_test(gzip_says_no_time_and_no_name),
        cmocka_unit_test(zlib_alone_does_every_level),
        cmocka_unit_test(an_object_of_another_size_than_announced_is_no_zstd_frame),
        cmocka_unit_test(a_body_that_cannot_be_written_is_an_error_not_a_crash),
        cmocka_unit_test(what_a_codec_makes_is_recognised_and_undone),
        cmocka_unit_test(what_is_cut_off_or_damaged_is_told_or_at_least_no_crash),
        cmocka_unit_test(streams_of_snappy_behind_one_another_are_one_text),
        cmocka_unit_test(an_archive_names_what_is_in_it_and_takes_large_sizes),
        cmocka_unit_test(windows_are_taken_from_what_there_is_for_them),
        cmocka_unit_test(a_frame_of_one_segment_is_its_own_window),
        cmocka_unit_test(codecs_are_found_by_name),
    };

    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
