/* Where messages end: lengths, lines and frames of RELP, in every piece that they may come in. */
#include "tests/support/cmocka.h"

#include "pipeline/base/buf.h"
#include "pipeline/inputs/syslog/frame.h"
#include "pipeline/inputs/syslog/relp.h"

#include <string.h>

enum { MOST = 20 };

/* All messages of `in`, each followed by '|'; what comes behind a cut one of a line is skipped. `piece`: bytes that come at a time. */
static void frames_of(struct slice in, size_t piece, bool last, struct buf *out)
{
    size_t have = piece, left = 0;
    bool counted = false, line = false, ended;

    while (have <= in.n + piece) {
        struct slice rest = slice_of(in.p, have < in.n ? have : in.n);
        struct syslog_frame f;
        size_t n;

        if (line || left > 0) {
            n = line ? syslog_frame_rest(rest, &ended) : left < rest.n ? left : rest.n;
            line = line && !ended;
            left -= line || left == 0 ? 0 : n;
        } else {
            f = syslog_frame(rest, last && rest.n == in.n, counted, MOST);
            n = f.used;
            if (f.kind == SYSLOG_FRAME_WRONG) {
                assert_int_equal(buf_add_str(out, "WRONG"), 0);
                return;
            }
            if (f.kind != SYSLOG_FRAME_NONE) {
                counted |= f.counted;
                assert_int_equal(buf_add_slice(out, f.message) + buf_add_char(out, '|'), 0);
            }
            left = f.left;
            line = f.kind == SYSLOG_FRAME_CUT && !f.counted;
        }
        if (n == 0 && have >= in.n)
            return;
        in = slice_from(in, n);
        have = n > 0 ? (have > n ? have - n : 0) : have + piece;
    }
}

static void messages_are_found_in_any_pieces(void **state)
{
    static const struct {
        const char *in, *want;
    } CASES[] = {
        {"<1>a\n<2>b\n", "<1>a|<2>b|"},
        {"4 <1>a5 <2>bb", "<1>a|<2>bb|"},
        {"4 <1>a<2>line\n5 <3>cc", "<1>a|<2>line|<3>cc|"},
        {"4 <1>a5 plain", "<1>a|plain|"},                   /* counted before: so this is, too */
        {"2026 Nov 27: x\n<1>y\n", "2026 Nov 27: x|<1>y|"}, /* no length */
        {"<1>a", "<1>a|"},
        {"<1>a\r\n", "<1>a\r|"},
        {"9999999999 <x\n", "9999999999 <x|"},
        {"6 <1>a", "WRONG"},
        {"<1>45678901234567890123456789\n<2>b\n", "<1>45678901234567890|<2>b|"},
        {"25 <1>4567890123456789012345<2>b\n", "<1>45678901234567890|<2>b|"},
        {"\n\n<1>a\n", "||<1>a|"},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        for (size_t piece = 1; piece < 40; piece += 1 + piece / 4) {
            buf_clear(&out);
            frames_of(slice_str(CASES[i].in), piece, true, &out);
            if (!slice_is(buf_slice(&out), CASES[i].want))
                fail_msg("%s in pieces of %zu\n  is   %s\n  want %s", CASES[i].in, piece, buf_cstr(&out),
                         CASES[i].want);
        }
    buf_clear(&out);
    frames_of(slice_of("<1>a\0<2>b\0", 10), 3, true, &out); /* some end with a zero */
    assert_string_equal(buf_cstr(&out), "<1>a|<2>b|");
    buf_release(&out);
}

static void relp_has_frames(void **state)
{
    static const char OPEN[] = "1 open 30 relp_version=0\ncommands=syslog\n";
    struct relp_frame f;
    char out[RELP_ANSWER_MAX];

    (void)state;
    for (size_t n = 0; n < strlen(OPEN) - 1; n++) {
        f = relp_frame(slice_of(OPEN, n), 100);
        assert_true(f.kind == RELP_NONE || n >= 40);
    }
    f = relp_frame(SLICE("2 syslog 4 <1>a\n3 close 0\n"), 100);
    assert_true(f.kind == RELP_WHOLE && f.command == RELP_SYSLOG && f.number == 2 && f.used == 16);
    assert_true(slice_is(f.data, "<1>a"));
    f = relp_frame(SLICE("3 close 0\n"), 100);
    assert_true(f.kind == RELP_WHOLE && f.command == RELP_CLOSE && f.number == 3 && f.used == 10);
    f = relp_frame(SLICE("3 close 0 \n"), 100);
    assert_true(f.kind == RELP_WHOLE && f.used == 11);
    f = relp_frame(SLICE("7 syslog 50 01234567890123456789"), 10);
    assert_true(f.kind == RELP_CUT && f.left == 41 && slice_is(f.data, "0123456789"));
    assert_int_equal(relp_frame(SLICE("\n"), 10).kind, RELP_WRONG); /* nothing that waits for more */
    f = relp_frame(SLICE("9 peculiar 1 x\n"), 10);
    assert_true(f.kind == RELP_WHOLE && f.command == RELP_OTHER);
    for (size_t i = 0; i < 6; i++) {
        static const char *const WRONG[] = {"x",
                                            "<1>a message\n",
                                            "1 syslog x",
                                            "1 syslog 1 xx\n",
                                            "1234567890 syslog 1 x\n",
                                            "1 abcdefghijklmnopqrstuvwxyzabcdefghijkl 0\n"};

        assert_int_equal(relp_frame(slice_str(WRONG[i]), 10).kind, RELP_WRONG);
    }
    assert_int_equal(relp_answer(5, "200 OK", out), strlen("5 rsp 6 200 OK\n"));
    assert_memory_equal(out, "5 rsp 6 200 OK\n", 15);
    assert_int_equal(relp_answer(5, "", out), strlen("5 rsp 0\n"));
    assert_true(relp_is_ours(SLICE("relp_version=0\nx=y")) && relp_is_ours(SLICE("")));
    assert_false(relp_is_ours(SLICE("relp_version=7")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_found_in_any_pieces),
        cmocka_unit_test(relp_has_frames),
    };

    return cmocka_run_group_tests_name("syslog frames", tests, NULL, NULL);
}
