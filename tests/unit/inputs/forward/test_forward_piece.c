#include "tests/support/cmocka.h"
#include "tests/support/zstd_window.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/msgpack.h"
#include "pipeline/inputs/forward/piece.h"
#include "transforms/codecs/codec.h"

#include <stdio.h>

static const struct forward_shape SHAPE = {{"", 0}, {"", 0}};

/* n entries [i + 1, {"n": "i" and filler}], and every third of them one that is nothing. */
static void make_entries(struct buf *b, unsigned n, size_t filler)
{
    static char fill[4096];

    memset(fill, 'f', sizeof(fill));
    for (unsigned i = 0; i < n; i++) {
        char number[16];
        struct buf text;

        if (i % 3 == 0)
            assert_int_equal(buf_add(b, "\x92\x05\xc0", 3), 0);
        snprintf(number, sizeof(number), "%u", i);
        buf_init(&text, sizeof(fill) + 20);
        assert_int_equal(buf_add_str(&text, number) + buf_add(&text, fill, filler), 0);
        assert_int_equal(buf_add(b, "\x92\x05\x81\xa1n", 5) + msgpack_put_str(b, buf_slice(&text)), 0);
        buf_release(&text);
    }
}

static struct buf pack(const char *name, struct slice in)
{
    const struct codec_ops *codec = codec_find(name);
    struct body *body = body_new("/tmp", 1024UL * 1024);
    void *ctx = codec->open(codec->level_default);
    struct buf out;
    struct err e;

    assert_int_equal(codec->begin(ctx, in.n, &e), 0);
    assert_int_equal(codec->add(ctx, in, body, &e), 0);
    assert_int_equal(codec->finish(ctx, body, &e), 0);
    buf_init(&out, 1024UL * 1024);
    assert_int_equal(buf_add_slice(&out, body_memory_slice(body)), 0);
    codec->close(ctx);
    body_free(&body);
    return out;
}

/* All records, and '|' behind each; '#' behind each piece. `again`: each piece is read twice, as if there had been no room for it, from a
 * message that is elsewhere the second time. */
static bool read_all(struct slice entries, bool packed, bool again, struct buf *out, const char **why)
{
    struct forward_message m = {.mode = FORWARD_PACKED, .entries = entries, .packed = packed, .tag = SLICE("t")};
    struct forward_reader r = {.used = 0};
    struct forward_piece p;
    struct buf elsewhere;
    bool good;

    buf_init(&elsewhere, entries.n + 1);
    assert_int_equal(buf_add_slice(&elsewhere, entries), 0);
    forward_piece_init(&p);
    while ((good = forward_fill(&r, &m, &SHAPE, 5, &p, why)) && p.count > 0) {
        if (again) {
            m.entries = buf_slice(&elsewhere);
            assert_true(forward_fill(&r, &m, &SHAPE, 5, &p, why));
        }
        assert_true(p.count == 1 || p.data.n + p.facts.n <= FORWARD_PIECE_BYTES);
        for (unsigned i = 0; i < p.count; i++) {
            assert_int_equal(buf_add_slice(out, forward_piece_record(&p, i)) + buf_add_char(out, '|'), 0);
            assert_true(forward_piece_facts(&p, i).n > 0);
        }
        assert_int_equal(buf_add_char(out, '#'), 0);
        forward_passed(&r, &p);
    }
    forward_piece_release(&p);
    forward_reader_release(&r);
    buf_release(&elsewhere);
    return good;
}

static unsigned count(const struct buf *b, char c)
{
    unsigned n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += b->p[i] == c;
    return n;
}

static void packed_or_not_the_pieces_are_the_same(void **state)
{
    const char *codecs[] = {"gzip", "zstd"};
    struct buf entries, plain, out;
    const char *why;

    (void)state;
    buf_init(&entries, 8UL * 1024 * 1024);
    buf_init(&plain, 8UL * 1024 * 1024);
    make_entries(&entries, 3000, 100);
    assert_true(read_all(buf_slice(&entries), false, false, &plain, &why));
    assert_int_equal(count(&plain, '|'), 3000);
    assert_true(count(&plain, '#') > 3);
    for (size_t i = 0; i < 3 * ARRAY_LEN(codecs); i++) {
        struct buf packed = pack(codecs[i % 2], buf_slice(&entries));

        buf_init(&out, 8UL * 1024 * 1024);
        assert_true(read_all(i < 2 ? buf_slice(&entries) : buf_slice(&packed), i >= 2, i % 4 < 2, &out, &why));
        assert_true(slice_eq(buf_slice(&out), buf_slice(&plain)));
        buf_release(&out);
        buf_release(&packed);
    }
    buf_release(&plain);
    buf_release(&entries);
}

static void nothing_is_nothing(void **state)
{
    struct buf entries, out, packed;
    const char *why;

    (void)state;
    buf_init(&out, 100000);
    assert_true(read_all(SLICE(""), false, false, &out, &why));
    buf_init(&entries, 8UL * 1024 * 1024);
    for (unsigned i = 0; i < 200000; i++)
        assert_int_equal(buf_add(&entries, "\x92\x05\xc0", 3), 0);
    assert_true(read_all(buf_slice(&entries), false, false, &out, &why));
    packed = pack("gzip", buf_slice(&entries));
    assert_true(read_all(buf_slice(&packed), true, false, &out, &why));
    assert_int_equal(out.n, 0);
    make_entries(&entries, 1, 0);
    buf_release(&packed);
    packed = pack("zstd", buf_slice(&entries));
    assert_true(read_all(buf_slice(&packed), true, true, &out, &why));
    assert_string_equal(buf_cstr(&out), "{\"n\":\"0\"}|#");
    buf_release(&packed);
    buf_release(&entries);
    buf_release(&out);
}

/* It is looked at in turns, and none of it is looked at twice. */
static void much_nothing_is_not_looked_at_all_at_once(void **state)
{
    struct forward_message m = {.mode = FORWARD_PACKED, .tag = SLICE("t")};
    struct forward_reader r = {.used = 0};
    struct forward_piece p;
    struct buf entries;
    unsigned turns = 0;
    const char *why;

    (void)state;
    buf_init(&entries, 64UL * 1024 * 1024);
    for (size_t i = 0; i < FORWARD_TURN_BYTES; i++)
        assert_int_equal(buf_add(&entries, "\x92\x05\xc0", 3), 0);
    make_entries(&entries, 1, 0);
    m.entries = buf_slice(&entries);
    forward_piece_init(&p);
    do {
        assert_true(forward_fill(&r, &m, &SHAPE, 5, &p, &why));
        turns++;
    } while (p.more);
    assert_int_equal(turns, 3);
    assert_int_equal(p.count, 1);
    forward_passed(&r, &p);
    assert_true(forward_fill(&r, &m, &SHAPE, 5, &p, &why));
    assert_true(p.count == 0 && !p.more);
    forward_piece_release(&p);
    forward_reader_release(&r);
    buf_release(&entries);
}

/* In whatever way the end is missing, what stands before it is read, and then it is said. */
static void what_is_cut_off_or_damaged_is_said(void **state)
{
    struct buf entries, out, packed;
    const char *why;

    (void)state;
    buf_init(&out, 8UL * 1024 * 1024);
    buf_init(&entries, 1024UL * 1024);
    make_entries(&entries, 20, 10);
    assert_false(read_all(slice_of(entries.p, entries.n - 1), false, false, &out, &why));
    packed = pack("gzip", slice_of(entries.p, entries.n - 1));
    why = NULL;
    assert_false(read_all(buf_slice(&packed), true, false, &out, &why));
    assert_string_equal(why, "its last entry is cut off");
    buf_release(&packed);
    packed = pack("gzip", buf_slice(&entries));
    for (size_t n = 0; n < packed.n; n++) {
        why = NULL;
        assert_false(read_all(slice_of(packed.p, n), true, false, &out, &why));
        assert_non_null(why);
    }
    packed.p[packed.n - 6] ^= 1;
    assert_false(read_all(buf_slice(&packed), true, false, &out, &why));
    assert_false(read_all(buf_slice(&entries), true, false, &out, &why)); /* it is not packed at all */
    assert_false(read_all(SLICE("\x05\x05"), false, false, &out, &why));
    buf_release(&packed);
    buf_release(&entries);
    buf_release(&out);
}

static void a_window_is_bounded(void **state)
{
    struct buf entries, out;
    const char *why;

    (void)state;
    buf_init(&out, 1024UL * 1024);
    buf_init(&entries, 1024UL * 1024);
    make_entries(&entries, 20, 10);
    for (int log = 23; log < 28; log++) {
        struct buf packed;

        buf_init(&packed, 1024UL * 1024);
        assert_int_equal(zstd_with_window(buf_slice(&entries), log, &packed), 0);
        why = "";
        assert_int_equal(read_all(buf_slice(&packed), true, false, &out, &why), log == 23);
        assert_true(log == 23 || strstr(why, "8 MiB"));
        buf_release(&packed);
    }
    buf_release(&entries);
    buf_release(&out);
}

static void large_ones_have_pieces_of_their_own(void **state)
{
    size_t n = 2 * FORWARD_PIECE_BYTES;
    char *text = mem_alloc(RECORD_MAX_BYTES + 1);
    struct buf entries, out, packed;
    const char *why;

    (void)state;
    memset(text, 'x', RECORD_MAX_BYTES + 1);
    buf_init(&out, 16UL * 1024 * 1024);
    buf_init(&entries, 16UL * 1024 * 1024);
    make_entries(&entries, 2, 0);
    assert_int_equal(buf_add(&entries, "\x92\x05", 2) + msgpack_put_str(&entries, slice_of(text, n)), 0);
    make_entries(&entries, 2, 0);
    assert_true(read_all(buf_slice(&entries), false, true, &out, &why));
    assert_int_equal(count(&out, '|'), 5);
    assert_int_equal(count(&out, '#'), 3);
    packed = pack("zstd", buf_slice(&entries));
    buf_clear(&out);
    assert_true(read_all(buf_slice(&packed), true, true, &out, &why));
    assert_int_equal(count(&out, '#'), 3);
    buf_clear(&entries);
    assert_int_equal(buf_add(&entries, "\x92\x05", 2) + msgpack_put_str(&entries, slice_of(text, RECORD_MAX_BYTES - 1)),
                     0);
    assert_false(read_all(buf_slice(&entries), false, true, &out, &why)); /* with its quotes it is one byte too long */
    assert_string_equal(why, "an event is larger than a record may be");
    buf_release(&packed);
    buf_release(&entries);
    buf_release(&out);
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_or_not_the_pieces_are_the_same),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(much_nothing_is_not_looked_at_all_at_once),
        cmocka_unit_test(what_is_cut_off_or_damaged_is_said),
        cmocka_unit_test(a_window_is_bounded),
        cmocka_unit_test(large_ones_have_pieces_of_their_own),
    };

    return cmocka_run_group_tests_name("forward_piece", tests, NULL, NULL);
}
