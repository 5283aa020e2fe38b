/* The lines of an object are the same, whatever pieces it comes in, packed or not, and wherever reading goes on; the last one is known as such. */
#include "tests/support/cmocka.h"
#include "tests/support/zstd_window.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/objects/text.h"
#include "transforms/codecs/codec.h"

#include <stdio.h>
#include <string.h>

/* What came: each line between brackets, the last one behind a `!`. */
struct came {
    struct buf lines;
    enum object_text_answer end;
    struct err e;
    uint64_t at; /* behind the last line */
};

static void note(struct came *c, struct slice line, bool last)
{
    assert_int_equal(buf_printf(&c->lines, "%s[", last ? "!" : ""), 0);
    assert_int_equal(buf_add_slice(&c->lines, line), 0);
    assert_int_equal(buf_add_char(&c->lines, ']'), 0);
}

static struct budget *windows; /* NULL: no limit */

/* From `at` on, in pieces of `piece` bytes; up to `most` lines. */
static void read_text(struct came *c, struct slice stored, size_t piece, uint64_t at, bool skips, size_t most)
{
    struct object_text t;
    size_t from = skips ? 0 : (size_t)at;
    bool ended = from >= stored.n;

    *c = (struct came){.end = OBJECT_TEXT_MORE};
    buf_init(&c->lines, 64 * MIB);
    object_text_init(&t, windows);
    object_text_begin(&t, at, skips);
    c->at = at;
    while (most > 0) {
        struct slice line;
        char *copy = NULL;

        c->end = object_text_line(&t, ended, &line, &c->e);
        if (c->end == OBJECT_TEXT_AGAIN)
            continue;
        if (c->end == OBJECT_TEXT_MORE) {
            size_t n = stored.n - from < piece ? stored.n - from : piece;

            assert_false(ended);
            object_text_feed(&t, slice_of(stored.p + from, n));
            from += n;
            ended = from == stored.n;
            continue;
        }
        if (c->end != OBJECT_TEXT_LINE && c->end != OBJECT_TEXT_LAST_LINE)
            break;
        assert_int_equal(object_text_line(&t, ended, &line, &c->e), c->end); /* the same again */
        copy = mem_strndup(line.p, line.n);
        note(c, slice_of(copy, line.n), c->end == OBJECT_TEXT_LAST_LINE);
        mem_free(copy);
        object_text_took(&t);
        c->at = t.at;
        most--;
        if (c->end == OBJECT_TEXT_LAST_LINE)
            break;
    }
    object_text_release(&t);
}

static void expect(struct slice stored, size_t piece, const char *want)
{
    struct came c;

    read_text(&c, stored, piece, 0, false, SIZE_MAX);
    assert_int_equal(c.end, *want ? OBJECT_TEXT_LAST_LINE : OBJECT_TEXT_END);
    assert_string_equal(buf_cstr(&c.lines), want);
    buf_release(&c.lines);
}

static void packed(const char *codec, struct slice text, struct buf *out)
{
    const struct codec_ops *ops = codec_find(codec);
    void *ctx = ops->open(ops->level_default);
    struct body *body = body_new("/tmp", 64 * MIB);
    struct err e;

    assert_int_equal(ops->begin(ctx, text.n, &e), 0);
    assert_int_equal(ops->add(ctx, text, body, &e), 0);
    assert_int_equal(ops->finish(ctx, body, &e), 0);
    assert_int_equal(buf_add_slice(out, body_memory_slice(body)), 0);
    body_free(&body);
    ops->close(ctx);
}

#define SAMPLE       "one\n\ntwo\r\n\nthree is longer\n"
#define SAMPLE_LINES "[one][][two\r][][three is longer]"

static void lines_are_the_same_in_all_pieces(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < sizeof(SAMPLE) + 6; piece++) {
        expect(SLICE(""), piece, "");
        expect(SLICE("\n"), piece, "![]");
        expect(SLICE("\n\n"), piece, "[]![]");
        expect(SLICE("x"), piece, "![x]");
        expect(SLICE(SAMPLE), piece, "[one][][two\r][]![three is longer]");
        expect(SLICE(SAMPLE "end"), piece, SAMPLE_LINES "![end]");
    }
}

static void what_is_packed_is_unpacked(void **state)
{
    static const char *const CODECS[] = {"gzip", "zstd"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CODECS); i++) {
        struct buf stored;

        buf_init(&stored, 64 * MIB);
        packed(CODECS[i], SLICE(SAMPLE "half a "), &stored);
        packed(CODECS[i], SLICE("line\nlast"), &stored); /* several members are one text */
        for (size_t piece = 4; piece <= stored.n; piece++)
            expect(buf_slice(&stored), piece, SAMPLE_LINES "[half a line]![last]");
        for (size_t n = 8; n < stored.n; n++) {
            struct came c;

            read_text(&c, slice_of(stored.p, n), 5, 0, false, SIZE_MAX);
            assert_true(c.end == OBJECT_TEXT_DAMAGED || c.end == OBJECT_TEXT_LAST_LINE); /* the latter: one member */
            buf_release(&c.lines);
        }
        buf_release(&stored);
    }
}

/* Behind every line, packed or not. */
static void reading_goes_on_anywhere(void **state)
{
    struct buf stored;

    (void)state;
    buf_init(&stored, 64 * MIB);
    packed("gzip", SLICE(SAMPLE "end"), &stored);
    for (size_t most = 0; most <= 6; most++)
        for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
            struct slice object = is_packed ? buf_slice(&stored) : SLICE(SAMPLE "end");
            struct came first, rest;

            read_text(&first, object, 7, 0, false, most);
            read_text(&rest, object, 3 + 2 * most, first.at, is_packed, SIZE_MAX);
            assert_int_equal(buf_add_slice(&first.lines, buf_slice(&rest.lines)), 0);
            assert_string_equal(buf_cstr(&first.lines), SAMPLE_LINES "![end]");
            buf_release(&first.lines);
            buf_release(&rest.lines);
        }
    buf_release(&stored);
}

/* The next line, and in how many turns it came. */
struct feed {
    struct object_text t;
    struct buf stored;
    size_t piece, from;
    unsigned again;
};

static enum object_text_answer next_line(struct feed *f, struct slice *line)
{
    struct err e;

    for (;;) {
        uint64_t left = f->t.skip;
        enum object_text_answer answer = object_text_line(&f->t, f->from == f->stored.n, line, &e);

        assert_true(left - f->t.skip < OBJECTS_PASS_OVER + UNPACK_PIECE);
        if (answer == OBJECT_TEXT_AGAIN) {
            f->again++;
        } else if (answer == OBJECT_TEXT_MORE) {
            size_t n = f->stored.n - f->from < f->piece ? f->stored.n - f->from : f->piece;

            object_text_feed(&f->t, slice_of(f->stored.p + f->from, n));
            f->from += n;
        } else {
            return answer;
        }
    }
}

/* Some kilobytes stand for a text that would keep the thread for as long as it takes to unpack. */
static void what_is_passed_over_comes_in_turns(void **state)
{
    static const char *const CODECS[] = {"gzip", "zstd"};
    const size_t n = 2 * OBJECTS_PASS_OVER + 17;
    char *text = mem_alloc(n + 8);

    (void)state;
    memset(text, 'z', n - 1);
    memcpy(text + n - 1, "\none\ntwo", 8); /* the first line is n bytes */
    for (size_t i = 0; i < ARRAY_LEN(CODECS); i++)
        for (size_t piece = 100; piece <= MIB; piece *= 100) {
            struct feed f = {.piece = piece};
            struct slice line;

            buf_init(&f.stored, 64 * MIB);
            packed(CODECS[i], slice_of(text, n + 7), &f.stored);
            object_text_init(&f.t, NULL);
            object_text_begin(&f.t, n, true);
            assert_int_equal(next_line(&f, &line), OBJECT_TEXT_LINE);
            assert_true(slice_is(line, "one"));
            assert_true(f.again > 0 || piece < f.stored.n);
            object_text_took(&f.t);
            assert_int_equal(next_line(&f, &line), OBJECT_TEXT_LAST_LINE);
            assert_true(slice_is(line, "two"));
            object_text_release(&f.t);
            buf_release(&f.stored);
        }
    mem_free(text);
}

/* Of 16 MiB, with no room until it is asked a second time. */
static void large_windows_of_zstd_are_counted(void **state)
{
    struct budget most;
    struct buf stored;
    struct came c;

    (void)state;
    buf_init(&stored, MIB);
    budget_init(&most, 20 * MIB);
    windows = &most;
    assert_int_equal(zstd_with_window(SLICE("one\ntwo"), 24, &stored), 0);
    read_text(&c, buf_slice(&stored), 5, 0, false, SIZE_MAX);
    assert_int_equal(c.end, OBJECT_TEXT_LAST_LINE);
    assert_string_equal(buf_cstr(&c.lines), "[one]![two]");
    assert_true(most.peak == 16 * MIB && most.used == 0);
    buf_release(&c.lines);
    assert_true(budget_take(&most, 5 * MIB));
    read_text(&c, buf_slice(&stored), 5, 0, false, SIZE_MAX);
    assert_int_equal(c.end, OBJECT_TEXT_LATER);
    buf_release(&c.lines);
    budget_resize(&most, 15 * MIB);
    read_text(&c, buf_slice(&stored), 5, 0, false, SIZE_MAX);
    assert_int_equal(c.end, OBJECT_TEXT_DAMAGED);
    assert_non_null(strstr(c.e.msg, "its window of 16 MiB is more than the 15 MiB"));
    buf_release(&c.lines);
    buf_release(&stored);
    windows = NULL;
}

/* A line may look like anything. */
static void only_the_beginning_says_how_it_is_packed(void **state)
{
    const struct slice object = SLICE("one\n\x1f\x8b\x08 two\n\x28\xb5\x2f\xfd three\nPK\x03\x04 four\nend");

    (void)state;
    for (size_t most = 0; most <= 4; most++) {
        struct came first, rest;

        read_text(&first, object, 7, 0, false, most);
        read_text(&rest, object, object.n, first.at, false, SIZE_MAX);
        assert_int_equal(rest.end, OBJECT_TEXT_LAST_LINE);
        assert_int_equal(buf_add_slice(&first.lines, buf_slice(&rest.lines)), 0);
        assert_string_equal(buf_cstr(&first.lines),
                            "[one][\x1f\x8b\x08 two][\x28\xb5\x2f\xfd three][PK\x03\x04 four]![end]");
        buf_release(&first.lines);
        buf_release(&rest.lines);
    }
}

/* As inputs/lines.h cuts them. */
static void long_lines_are_cut(void **state)
{
    static const struct {
        size_t n, pieces;
        bool ends;
    } cases[] = {
        {LINE_MAX_BYTES, 1, true},         {LINE_MAX_BYTES, 1, false},    {LINE_MAX_BYTES + 1, 2, true},
        {LINE_MAX_BYTES + 1, 2, false},    {2 * LINE_MAX_BYTES, 2, true}, {2 * LINE_MAX_BYTES, 2, false},
        {2 * LINE_MAX_BYTES + 1, 3, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t piece = 64 * KIB; piece <= 4 * MIB; piece *= 8) {
            size_t n = cases[i].n, left = n;
            char *text = mem_alloc(n + 1), *want = mem_alloc(n + 16);
            size_t at = 0;

            memset(text, 'y', n);
            text[n] = '\n';
            for (size_t k = 0; k < cases[i].pieces; k++) {
                size_t part = left < LINE_MAX_BYTES ? left : LINE_MAX_BYTES;

                at += (size_t)sprintf(want + at, "%s[", k + 1 == cases[i].pieces ? "!" : "");
                memset(want + at, 'y', part);
                at += part;
                want[at++] = ']';
                left -= part;
            }
            want[at] = '\0';
            expect(slice_of(text, n + cases[i].ends), piece, want);
            mem_free(text);
            mem_free(want);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_in_all_pieces),
        cmocka_unit_test(what_is_packed_is_unpacked),
        cmocka_unit_test(reading_goes_on_anywhere),
        cmocka_unit_test(what_is_passed_over_comes_in_turns),
        cmocka_unit_test(large_windows_of_zstd_are_counted),
        cmocka_unit_test(only_the_beginning_says_how_it_is_packed),
        cmocka_unit_test(long_lines_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
