/* What becomes of bytes is found out in one go, and then again with the bytes in pieces, cut at every place, and with a sink that is full
 * at every record: it must be the same, once. */
#include "tests/support/cmocka.h"

#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/lines.h"
#include "pipeline/inputs/tail/shape.h"

#include <stdio.h>

struct play {
    struct shape *shape;
    struct multiline *multiline;
    struct fields *fields;
    enum tail_encoding encoding;
    struct slice all;
    size_t next[TAIL_STREAMS]; /* in `all` */
    size_t room;               /* records that the sink takes before it is full */
    char *record;
    struct buf got[TAIL_STREAMS]; /* each record with a '|' behind it; those of stderr on their own */
};

static char *space(void *ctx, size_t *room)
{
    static char bytes[FRAME_MAX_BYTES];
    struct play *p = ctx;

    *room = p->room > 0 ? sizeof(bytes) : 0;
    p->record = bytes;
    return bytes;
}

static bool wrote(void *ctx, size_t n, struct slice facts)
{
    struct play *p = ctx;
    struct slice output = {0};
    struct buf *to;

    p->room--;
    (void)facts_find(facts, SLICE("output"), &output);
    to = &p->got[slice_is(output, "stderr")];
    assert_int_equal(buf_add(to, p->record, n) + buf_add_char(to, '|'), 0);
    return true;
}

static struct shape_out step(struct play *p, size_t to, enum shape_end end, bool most)
{
    size_t base = p->next[0] < p->next[1] ? p->next[0] : p->next[1];
    struct shape_in in = {
        .bytes = slice_of(p->all.p + base, to - base), .encoding = p->encoding, .end = end, .most = most};
    const struct shape_sink sink = {space, wrote, p};
    struct shape_out out;

    for (size_t i = 0; i < TAIL_STREAMS; i++)
        in.ahead[i] = p->next[i] - base;
    out = shape_run(p->shape, &in, &sink);
    for (size_t i = 0; i < TAIL_STREAMS; i++) {
        assert_true(out.next[i] <= in.bytes.n && out.next[i] + base >= p->next[i]);
        p->next[i] = base + out.next[i];
    }
    if (out.mid_line)
        assert_true(p->next[0] == p->next[1]);
    return out;
}

static void begin(struct play *p, const struct shape_conf *c, struct slice all, enum tail_encoding e)
{
    *p = (struct play){.encoding = e, .all = all, .room = SIZE_MAX};
    p->shape = shape_new(c);
    shape_set_file(p->shape, "/var/log/a.log");
    for (size_t i = 0; i < TAIL_STREAMS; i++)
        buf_init(&p->got[i], 16 * MIB);
}

static void end(struct play *p)
{
    shape_free(&p->shape);
    for (size_t i = 0; i < TAIL_STREAMS; i++)
        buf_release(&p->got[i]);
}

static void check(struct play *p, const char *want, const char *want_errors, size_t cut, size_t room)
{
    assert_true(p->next[0] == p->all.n && p->next[1] == p->all.n);
    if (!slice_is(buf_slice(&p->got[0]), want) || !slice_is(buf_slice(&p->got[1]), want_errors))
        fail_msg("cut at %zu, room for %zu: got %s and %s", cut, room, buf_cstr(&p->got[0]), buf_cstr(&p->got[1]));
}

static void in_one_go(const struct shape_conf *c, struct slice all, enum tail_encoding e, const char *want,
                      const char *want_errors)
{
    struct play p;

    begin(&p, c, all, e);
    (void)step(&p, all.n, SHAPE_ENDS, false);
    check(&p, want, want_errors, 0, 0);
    end(&p);
}

/* The file is so long at first, and then whole. */
static void in_two_pieces(const struct shape_conf *c, struct slice all, enum tail_encoding e, const char *want,
                          const char *want_errors)
{
    struct play p;

    for (size_t cut = 0; cut <= all.n; cut++) {
        begin(&p, c, all, e);
        (void)step(&p, cut, SHAPE_GOES_ON, false);
        (void)step(&p, all.n, SHAPE_ENDS, false);
        check(&p, want, want_errors, cut, 0);
        end(&p);
    }
}

static void byte_by_byte(const struct shape_conf *c, struct slice all, enum tail_encoding e, const char *want,
                         const char *want_errors)
{
    struct play p;

    begin(&p, c, all, e);
    for (size_t to = 1; to < all.n; to++)
        (void)step(&p, to, SHAPE_GOES_ON, false);
    (void)step(&p, all.n, SHAPE_ENDS, false);
    check(&p, want, want_errors, 1, 0);
    end(&p);
}

/* The sink takes one record each time, then two, three... */
static void with_a_full_sink(const struct shape_conf *c, struct slice all, enum tail_encoding e, const char *want,
                             const char *want_errors)
{
    for (size_t room = 1; room < 4; room++)
        for (size_t cut = 0; cut <= all.n; cut++) {
            struct play p;
            struct shape_out out;

            begin(&p, c, all, e);
            do {
                p.room = room;
                out = step(&p, cut, SHAPE_GOES_ON, false);
            } while (out.full);
            do {
                p.room = room;
                out = step(&p, all.n, SHAPE_ENDS, false);
            } while (out.full);
            check(&p, want, want_errors, cut, room);
            end(&p);
        }
}

static void plays(const struct shape_conf *c, struct slice all, enum tail_encoding e, const char *want,
                  const char *want_errors)
{
    in_one_go(c, all, e, want, want_errors);
    in_two_pieces(c, all, e, want, want_errors);
    byte_by_byte(c, all, e, want, want_errors);
    with_a_full_sink(c, all, e, want, want_errors);
}

static void multi(enum multiline_preset preset, const char *start, const char *go_on, const char *all, const char *want)
{
    struct shape_conf c = {.timeout = NSEC_PER_SEC};
    struct err e;

    assert_int_equal(multiline_new(&c.multiline, preset, start, go_on, &e), 0);
    plays(&c, slice_str(all), TAIL_UTF8, want, "");
    multiline_free(&c.multiline);
}

/* --- several lines ----------------------------------------------------------------------------------------------- */

static void a_start_begins_a_record(void **state)
{
    (void)state;
    multi(MULTILINE_OWN, "^\\d{4}-", NULL, "2026-1 a\n  b\n\nc\n2026-2 d\n2026-3 e",
          "2026-1 a\n  b\n\nc|2026-2 d|2026-3 e|");
    multi(MULTILINE_OWN, "^\\d{4}-", NULL, "before\nit\n2026-1 a\n", "before\nit|2026-1 a|");
    multi(MULTILINE_OWN, "^\\d{4}-", NULL, "2026-1 a\r\nb\r\n", "2026-1 a\r\nb\r|");
    multi(MULTILINE_OWN, "^\\d{4}-", NULL, "\n\n2026-1\n\n\n2026-2\n\n", "\n|2026-1\n\n|2026-2\n|");
    multi(MULTILINE_OWN, "^\\d{4}-", NULL, "", "");
}

static void what_continues_belongs_to_the_lines_before(void **state)
{
    (void)state;
    multi(MULTILINE_OWN, NULL, "^[ \\t]", "a\n b\n\tc\nd\ne\n f", "a\n b\n\tc|d|e\n f|");
    multi(MULTILINE_OWN, NULL, "^[ \\t]", " a\n b\nc\n", " a\n b|c|");
}

static void with_both_only_a_record_that_began_goes_on(void **state)
{
    (void)state;
    multi(MULTILINE_OWN, "^S", "^[ S]", "x\n y\nS1\n a\n b\nS2\nz\n c\n", "x| y|S1\n a\n b|S2|z| c|");
}

static void a_pattern_that_takes_too_long_finds_nothing(void **state)
{
    struct multiline *m;
    multiline_state at = MULTILINE_NOTHING;
    struct err e;

    (void)state;
    assert_int_equal(multiline_new(&m, MULTILINE_OWN, NULL, "(a+)+$", &e), 0);
    assert_false(multiline_joins(m, &at, SLICE("x")));
    assert_false(
        multiline_joins(m, &at, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")));
    assert_true(multiline_gave_up(m) > 0);
    assert_true(multiline_joins(m, &at, SLICE("aaa")));
    multiline_free(&m);
    assert_int_equal(multiline_new(&m, MULTILINE_OWN, "(", NULL, &e), -1);
    assert_non_null(strstr(e.msg, "start: regular expression"));
    assert_null(m);
}

#ifndef TIGHT /* there too little of a line is looked at to take long */
/* The longest word of which no start costs more than it may: however fast the machine is, thousands of them take long. */
static size_t costly_word(struct multiline *m)
{
    static const char word[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    multiline_state at = MULTILINE_NOTHING;
    size_t n = 1;

    assert_false(multiline_joins(m, &at, SLICE("x")));
    while (n < sizeof(word) - 1 && multiline_gave_up(m) == 0)
        (void)multiline_joins(m, &at, slice_of(word, ++n));
    assert_int_equal(multiline_gave_up(m), 1);
    return n - 1;
}

static void many_starts_that_do_not_take_too_long_do(void **state)
{
    multiline_state at = MULTILINE_NOTHING;
    struct multiline *m;
    char words[4096];
    struct err e;
    size_t word;

    (void)state;
    assert_int_equal(multiline_new(&m, MULTILINE_OWN, NULL, "(?:\\w|a)*\\d", &e), 0);
    word = costly_word(m);
    memset(words, 'a', sizeof(words));
    for (size_t i = word; i < sizeof(words); i += word + 1)
        words[i] = ' ';
    assert_false(multiline_joins(m, &at, SLICE("x")));
    assert_false(multiline_joins(m, &at, slice_of(words, sizeof(words))));
    assert_int_equal(multiline_gave_up(m), 2);
    multiline_free(&m);
}
#endif

#define JAVA_TRACE                                                                                                     \
    "java.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)\n"                                \
    "Caused by: java.io.IOException: disk\n\tat x.Y.z(Y.java:3)\n\t... 12 more\n\tSuppressed: "                        \
    "java.lang.Error\n\t\tat q.R.s(R.java:4)"
#define PYTHON_TRACE                                                                                                   \
    "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    f()\n    ^^^\nValueError: bad"
#define GO_TRACE                                                                                                       \
    "panic: runtime error: index out of range [1] with length 1\n\ngoroutine 1 "                                       \
    "[running]:\nmain.main()\n\t/tmp/a.go:5 +0x1d\n"                                                                   \
    "created by main.x in goroutine 1\n\t/tmp/a.go:9 +0x25\nexit status 2"
#define NODE_TRACE                                                                                                     \
    "/app/a.js:3\n  throw new Error('x');\n  ^\n\nError: x\n    at f (/app/a.js:3:9)\n    at node:internal/main:1:2 "  \
    "{\n  code: 'E'\n}\n\nNode.js v20.1.0"
#define RUBY_TRACE "a.rb:3:in `f': bad (RuntimeError)\n\tfrom a.rb:7:in `<main>'"
#define DOTNET_TRACE                                                                                                   \
    "Unhandled exception. System.Exception: a\n ---> System.IO.IOException: b\n   at X.Y() in /a.cs:line 1\n"          \
    "   --- End of inner exception stack trace ---\n   at X.Main()"

static void traces_are_one_record_and_the_lines_around_them_are_not(void **state)
{
    const struct {
        enum multiline_preset preset;
        const char *trace;
    } cases[] = {
        {MULTILINE_JAVA, JAVA_TRACE}, {MULTILINE_PYTHON, PYTHON_TRACE}, {MULTILINE_GO, GO_TRACE},
        {MULTILINE_NODE, NODE_TRACE}, {MULTILINE_RUBY, RUBY_TRACE},     {MULTILINE_DOTNET, DOTNET_TRACE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char all[2048], want[2048];

        snprintf(all, sizeof(all), "INFO one\n%s\nINFO two\nINFO three\n%s\n%s\n", cases[i].trace, cases[i].trace,
                 cases[i].trace);
        snprintf(want, sizeof(want), "INFO one|%s|INFO two|INFO three|%s|%s|", cases[i].trace, cases[i].trace,
                 cases[i].trace);
        multi(cases[i].preset, NULL, NULL, all, want);
    }
}

static void a_traceback_may_have_a_cause(void **state)
{
    (void)state;
    multi(MULTILINE_PYTHON, NULL, NULL,
          PYTHON_TRACE "\n\nDuring handling of the above exception, another exception occurred:\n\n" PYTHON_TRACE
                       "\nINFO\n",
          PYTHON_TRACE "\n\nDuring handling of the above exception, another exception occurred:\n\n" PYTHON_TRACE
                       "|INFO|");
}

static void a_record_of_several_lines_is_no_longer_than_a_record(void **state)
{
    size_t line = LINE_MAX_BYTES / 4, n = 6 * (line + 1);
    char *all = mem_alloc(n);
    struct shape_conf c = {.timeout = 0};
    struct shape_out out;
    struct play p;
    struct err e;

    (void)state;
    memset(all, 'x', n);
    for (size_t i = 1; i <= 6; i++)
        all[i * (line + 1) - 1] = '\n';
    assert_int_equal(multiline_new(&c.multiline, MULTILINE_OWN, "^S", NULL, &e), 0);
    begin(&p, &c, slice_of(all, n), TAIL_UTF8);
    out = step(&p, n, SHAPE_GOES_ON, true);
    assert_int_equal(out.records, 1);
    assert_int_equal(out.cut, 1);
    assert_int_equal(p.got[0].n, 3 * (line + 1)); /* the fourth would be one byte too many */
    out = step(&p, n, SHAPE_ENDS, false);
    assert_int_equal(p.got[0].n, n);
    end(&p);
    multiline_free(&c.multiline);
    mem_free(all);
}

static void a_line_that_is_too_long_is_cut(void **state)
{
    static const enum tail_encoding encodings[] = {TAIL_UTF8, TAIL_LATIN1, TAIL_UTF16LE};
    size_t n = 3 * LINE_MAX_BYTES;
    char *all = mem_alloc(n);

    (void)state;
    memset(all, 'x', n);
    for (size_t i = 0; i < ARRAY_LEN(encodings); i++) {
        struct shape_conf c = {.timeout = 0};
        struct shape_out out;
        struct play p;

        begin(&p, &c, slice_of(all, n), encodings[i]);
        for (size_t to = 0; to < n;) {
            size_t base = p.next[0], more = base + LINE_MAX_BYTES + 1;

            to = more < n ? more : n;
            out = step(&p, to, to < n ? SHAPE_GOES_ON : SHAPE_ENDS, to < n);
            assert_true(out.mid_line && out.records == 1);
            to = p.next[0];
        }
        end(&p);
    }
    mem_free(all);
}

/* The limit counts what a line becomes. */
static void a_line_that_is_long_in_another_encoding_is_whole_if_its_record_may_be(void **state)
{
    static const struct {
        enum tail_encoding encoding;
        size_t chars;  /* x */
        size_t others; /* two bytes in UTF-8 */
        size_t records;
    } CASES[] = {
        {TAIL_LATIN1, LINE_MAX_BYTES, 0, 1},           {TAIL_LATIN1, LINE_MAX_BYTES - 2, 1, 1},
        {TAIL_LATIN1, LINE_MAX_BYTES - 1, 1, 2},       {TAIL_LATIN1, 0, LINE_MAX_BYTES / 2, 1},
        {TAIL_LATIN1, 0, LINE_MAX_BYTES / 2 + 1, 2},   {TAIL_UTF16LE, LINE_MAX_BYTES / 2 - 2, 0, 1},
        {TAIL_UTF16BE, 9, LINE_MAX_BYTES / 2 - 11, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        bool wide = CASES[i].encoding != TAIL_LATIN1, big = CASES[i].encoding == TAIL_UTF16BE;
        size_t n = CASES[i].chars + CASES[i].others + 1, unit = wide ? 2 : 1, records = 0;
        char *all = mem_alloc(n * unit);
        struct shape_conf c = {.timeout = 0};
        struct play p;

        for (size_t k = 0; k < n; k++)
            all[k * unit + (wide && big)] = (char)(k + 1 == n ? '\n' : k < CASES[i].chars ? 'x' : 0xe4);
        begin(&p, &c, slice_of(all, n * unit), CASES[i].encoding);
        for (size_t turn = 0; turn < 4 && p.next[0] < n * unit; turn++) {
            size_t more = p.next[0] + LINES_READ_MAX, to = more < n * unit ? more : n * unit;

            records += step(&p, to, to < n * unit ? SHAPE_GOES_ON : SHAPE_ENDS, true).records;
        }
        assert_int_equal(p.next[0], n * unit);
        if (records != CASES[i].records)
            fail_msg("%zu: %zu records", i, records);
        end(&p);
        mem_free(all);
    }
}

static void a_stop_ends_whole_lines(void **state)
{
    struct shape_conf c = {.timeout = 0};
    struct err e;
    struct play p;

    (void)state;
    assert_int_equal(multiline_new(&c.multiline, MULTILINE_OWN, "^S", NULL, &e), 0);
    begin(&p, &c, SLICE("S\na\nhalf"), TAIL_UTF8);
    (void)step(&p, p.all.n, SHAPE_PAUSES, false);
    assert_true(slice_is(buf_slice(&p.got[0]), "S\na|"));
    assert_int_equal(p.next[0], 4);
    end(&p);
    multiline_free(&c.multiline);
}

/* --- encodings --------------------------------------------------------------------------------------------------- */

static void latin_1_becomes_utf_8(void **state)
{
    struct shape_conf c = {.timeout = 0};

    (void)state;
    plays(&c,
          SLICE("gr\xfc\xdf"
                "e\n\x80\xff\n\nrest"),
          TAIL_LATIN1,
          "gr\xc3\xbc\xc3\x9f"
          "e|\xc2\x80\xc3\xbf||rest|",
          "");
}

static void utf_16_is_shaped_too(void **state)
{
    struct shape_conf c = {.timeout = 0};
    struct err e;
    struct play p;

    (void)state;
    assert_int_equal(multiline_new(&c.multiline, MULTILINE_OWN, NULL, "^ ", &e), 0);
    plays(&c, SLICE("\xfc\0\n\0 \0b\0\n\0\x0a\x01\n\0\x3d\xd8\x00\xde"), TAIL_UTF16LE,
          "\xc3\xbc\n b|\xc4\x8a|\xf0\x9f\x98\x80|", "");
    plays(&c, SLICE("\0a\0\n\0 \0b\0\n"), TAIL_UTF16BE, "a\n b|", "");
    begin(&p, &c, SLICE("a\0\x3d\xd8"), TAIL_UTF16LE); /* half of a character waits */
    assert_true(step(&p, 4, SHAPE_RESTS, false).mid_line);
    assert_int_equal(p.next[0], 2);
    assert_int_equal(step(&p, 4, SHAPE_RESTS, false).records, 0);
    assert_int_equal(step(&p, 4, SHAPE_ENDS, false).records, 1);
    end(&p);
    multiline_free(&c.multiline);
}

/* --- containers -------------------------------------------------------------------------------------------------- */

#define T0 "2026-01-02T03:04:05.000000001Z "
#define T1 "2026-01-02T03:04:05.100000000Z "
#define T9 "2026-01-02T03:04:14Z "

static void parts_of_each_stream_are_put_together(void **state)
{
    struct shape_conf c = {.container = CONTAINER_CRI, .timeout = NSEC_PER_SEC};

    (void)state;
    plays(&c,
          SLICE(T0 "stdout P a\n" T0 "stderr P A\n" T1 "stdout P b\n" T1 "stderr F B\n" T1 "stderr F C\n" T1
                   "stdout F c\n"),
          TAIL_UTF8, "abc|", "AB|C|");
    plays(&c, SLICE(T0 "stdout F one\n" T0 "stdout F\n" T0 "stdout F \n" T0 "stdout F  x \n"), TAIL_UTF8, "one||| x |",
          "");
    plays(&c, SLICE("no line of a runtime\n" T0 "stdout P a\n" T0 "stdout P b\n"), TAIL_UTF8,
          "no line of a runtime|ab|", "");
    plays(&c, SLICE(T0 "stdout P a\nbroken\n" T0 "stdout F b\n"), TAIL_UTF8, "a|broken|b|", "");
    plays(&c, SLICE(T0 "stdout F a\n" T0 "stderr P b\n" T0 "stdou"), TAIL_UTF8, "a|" T0 "stdou|", "b|");
}

static void dockers_lines_are_unescaped(void **state)
{
    struct shape_conf c = {.container = CONTAINER_DOCKER, .timeout = NSEC_PER_SEC};

    (void)state;
    plays(&c,
          SLICE("{\"log\":\"a\\u001b\\\"\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}\n"
                "{\"log\":\"long \",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}\n"
                "{\"log\":\"E\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05Z\"}\n"
                "{\"log\":\"line\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":[1]},\"time\":\"2026-01-02T03:04:05Z\"}\n"
                "{\"log\":\"\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}\n"
                "{\"no\":1}\n"),
          TAIL_UTF8, "a\x1b\"|long line||{\"no\":1}|", "E|");
}

static void auto_goes_by_the_line(void **state)
{
    struct shape_conf c = {.container = CONTAINER_AUTO, .timeout = NSEC_PER_SEC};

    (void)state;
    plays(&c, SLICE("{\"log\":\"d\\n\",\"stream\":\"stdout\",\"time\":\"\"}\n" T0 "stderr F c\nplain\n{\"log\":1}\n"),
          TAIL_UTF8, "d|plain|{\"log\":1}|", "c|");
}

static void traces_of_both_streams_are_told_apart(void **state)
{
    struct shape_conf c = {.container = CONTAINER_CRI, .timeout = 5 * NSEC_PER_SEC};
    struct err e;

    (void)state;
    assert_int_equal(multiline_new(&c.multiline, MULTILINE_OWN, NULL, "^ ", &e), 0);
    plays(&c,
          SLICE(T0 "stdout F a\n" T0 "stderr F A\n" T1 "stdout F  b\n" T1 "stderr P  B\n" T1 "stdout F c\n" T1
                   "stderr F b\n"),
          TAIL_UTF8, "a\n b|c|", "A\n Bb|");
    /* Nothing came of stderr for so long: what comes then is a record of its own. */
    plays(&c, SLICE(T0 "stderr F A\n" T9 "stdout F x\n" T9 "stderr F  B\n"), TAIL_UTF8, "x|", "A| B|");
    multiline_free(&c.multiline);
}

static void a_stream_that_stays_open_does_not_hold_up_the_other(void **state)
{
    struct shape_conf c = {.container = CONTAINER_CRI, .timeout = NSEC_PER_SEC};
    struct shape_out out;
    struct play p;

    (void)state;
    begin(&p, &c, SLICE(T0 "stderr P A\n" T0 "stdout F a\n" T0 "stdout F b\n"), TAIL_UTF8);
    out = step(&p, p.all.n, SHAPE_GOES_ON, true);
    assert_true(out.records == 2 && p.next[1] == 0 && p.next[0] == p.all.n);
    out = step(&p, p.all.n, SHAPE_GOES_ON, false);
    assert_true(out.records == 0 && out.cut == 0 && p.next[1] == 0);
    out = step(&p, p.all.n, SHAPE_GOES_ON, true);
    assert_true(out.records == 1 && out.cut == 1);
    check(&p, "a|b|", "A|", 0, 0);
    end(&p);
}

/* Whole lines end there, too, but nothing says that more was to come. */
static void a_record_that_ends_as_the_other_stream_goes_on_is_not_cut(void **state)
{
    struct shape_conf c = {.container = CONTAINER_CRI, .timeout = NSEC_PER_SEC};
    struct shape_out out;
    struct play p;
    struct err e;

    (void)state;
    assert_int_equal(multiline_new(&c.multiline, MULTILINE_OWN, "^S", NULL, &e), 0);
    begin(&p, &c, SLICE(T0 "stderr F SA\n" T0 "stdout F Sa\n" T0 "stdout F Sb\n"), TAIL_UTF8);
    (void)step(&p, p.all.n, SHAPE_GOES_ON, true);
    assert_true(p.next[1] == 0 && p.next[0] > 0);
    out = step(&p, p.all.n, SHAPE_GOES_ON, true);
    assert_true(out.records == 2 && out.cut == 0);
    check(&p, "Sa|Sb|", "SA|", 0, 0);
    end(&p);
    begin(&p, &c, SLICE(T0 "stdout F Sa\n" T0 "stdout F b\n"), TAIL_UTF8);
    out = step(&p, p.all.n, SHAPE_GOES_ON, true); /* it fills the bytes by itself */
    assert_true(out.records == 1 && out.cut == 1);
    end(&p);
    multiline_free(&c.multiline);
}

/* The same bytes may end earlier this time, and be shaped by other rules: what was delivered is not again. */
static void a_stream_stays_as_far_ahead_as_it_was(void **state)
{
    struct shape_conf c = {.container = CONTAINER_CRI, .timeout = NSEC_PER_SEC};
    struct shape_out out;
    struct play p;

    (void)state;
    begin(&p, &c, SLICE(T0 "stderr F A\n" T0 "stdout F a\n" T0 "stderr F B\n" T0 "stdout F b\n"), TAIL_UTF8);
    p.next[0] = p.all.n;
    p.room = 1;
    out = step(&p, p.all.n, SHAPE_GOES_ON, false);
    assert_true(out.full && p.next[0] == p.all.n && p.next[1] == p.all.n / 2);
    p.room = 1;
    (void)step(&p, p.all.n, SHAPE_GOES_ON, false);
    check(&p, "", "A|B|", 0, 1);
    end(&p);
}

static void times_are_read(void **state)
{
    (void)state;
    assert_true(container_time(SLICE("1970-01-01T00:00:01.5Z")) == 3 * NSEC_PER_SEC / 2);
    assert_true(container_time(SLICE("1970-01-01T01:00:00+01:00")) == 0);
    assert_true(container_time(SLICE("1969-12-31T23:30:00.000000001-00:30")) == 1);
    assert_true(container_time(SLICE("")) == -1);
    assert_true(container_time((struct slice){0}) == -1);
    assert_true(container_time(SLICE("9999-99-99T99:99:99Z")) == -1); /* no nsec */
    assert_true(container_time(SLICE("2250-99-99T99:99:99.999999999999Z")) > 0);
    assert_true(container_time(SLICE("2026-01-02T03:04:05")) == -1);
    assert_true(container_time(SLICE("2026-01-02 03:04:05Z")) == -1);
}

static void names_are_read(void **state)
{
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    const struct {
        const char *path, *namespace, *pod, *container, *id;
    } cases[] = {
        {"/var/log/containers/web-1_shop_front-end-" ID ".log", "shop", "web-1", "front-end", ID},
        {"/var/log/pods/shop_web-1_8d4f/front-end/0.log", "shop", "web-1", "front-end", ""},
        {"/var/log/pods/shop_web-1_8d4f/front-end/0.log.20260101-1", "shop", "web-1", "front-end", ""},
        {"/var/lib/docker/containers/" ID "/" ID "-json.log", "", "", "", ID},
        {"/var/log/a_b_c.log", "", "", "", ""},
        {"/var/log/app.log", "", "", "", ""},
        {"a", "", "", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct container_names n = container_names_of(cases[i].path);

        if (!slice_is(n.namespace, cases[i].namespace) || !slice_is(n.pod, cases[i].pod) ||
            !slice_is(n.container, cases[i].container) || !slice_is(n.id, cases[i].id))
            fail_msg("case %zu", i);
    }
}

/* --- fields ------------------------------------------------------------------------------------------------------ */

static bool no_fact(const void *ctx, struct slice name, struct slice *value)
{
    if (!ctx || !slice_is(name, "stream"))
        return false;
    *value = slice_str(ctx);
    return true;
}

static void bind(struct fields_conf *c, const char *yaml, size_t mistakes)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct cfg_tree *tree = cfg_tree_parse("t.yaml", yaml, strlen(yaml), errs);

    *c = (struct fields_conf){.n = 0};
    fields_bind(errs, cfg_tree_root(tree), c);
    assert_int_equal(cfg_errors_count(errs), mistakes);
    cfg_tree_free(&tree);
    cfg_errors_free(&errs);
}

static void expect_fields(const char *yaml, const char *file, const char *stream, struct slice record, const char *want)
{
    struct fields_facts facts = {no_fact, stream};
    struct fields_conf c;
    struct fields *f;
    struct buf out;

    bind(&c, yaml, 0);
    f = fields_new(&c, "h1");
    fields_set_file(f, file);
    buf_init(&out, LINE_MAX_BYTES);
    assert_int_equal(fields_add(f, record, &facts, &out), 0);
    if (!slice_is(buf_slice(&out), want))
        fail_msg("want %s, got %s", want, buf_cstr(&out));
    buf_release(&out);
    fields_free(&f);
    fields_unbind(&c);
}

static void a_line_becomes_an_object(void **state)
{
    (void)state;
    expect_fields("[host, file]", "/a", NULL, SLICE("hi \"x\""),
                  "{\"message\":\"hi \\\"x\\\"\",\"host\":\"h1\",\"file\":\"/a\"}");
    expect_fields("[host]", "/a", NULL, SLICE(""), "{\"message\":\"\",\"host\":\"h1\"}");
    expect_fields("[file]", "/\xff\"", NULL, SLICE("\xff\0a"),
                  "{\"message\":\"\xef\xbf\xbd\\u0000a\",\"file\":\"/\xef\xbf\xbd\\\"\"}");
    expect_fields("{ env: prod, stream: }", "/a", "stderr", SLICE("a\nb"),
                  "{\"message\":\"a\\nb\",\"env\":\"prod\",\"stream\":\"stderr\"}");
    expect_fields("{ stream: }", "/a", NULL, SLICE("[1]"), "{\"message\":\"[1]\"}");
    expect_fields("host", "/a", NULL, SLICE("{\"a\":1} x"), "{\"message\":\"{\\\"a\\\":1} x\",\"host\":\"h1\"}");
    expect_fields("host", "/a", NULL, SLICE("{\"a\":\"\xff\"}"),
                  "{\"message\":\"{\\\"a\\\":\\\"\xef\xbf\xbd\\\"}\",\"host\":\"h1\"}");
}

static void an_object_gets_what_it_does_not_have(void **state)
{
    (void)state;
    expect_fields("[host, file]", "/a", NULL, SLICE("{\"a\":1}"), "{\"a\":1,\"host\":\"h1\",\"file\":\"/a\"}");
    expect_fields("[host, file]", "/a", NULL, SLICE(" {\t\"a\": 1.50 , \"a\":2 }\r"),
                  " {\t\"a\": 1.50 , \"a\":2 ,\"host\":\"h1\",\"file\":\"/a\"}\r");
    expect_fields("[host, file]", "/a", NULL, SLICE("{}"), "{\"host\":\"h1\",\"file\":\"/a\"}");
    expect_fields("[stream, file]", "/a", NULL, SLICE("{ }"), "{ \"file\":\"/a\"}");
    expect_fields("[stream]", "/a", NULL, SLICE("{}"), "{}");
    expect_fields("[host, file]", "/a", NULL, SLICE("{\"host\":null}"), "{\"host\":null,\"file\":\"/a\"}");
    expect_fields("[host, file]", "/a", NULL, SLICE("{\"h\\u006fst\":1,\"file\":{}}"),
                  "{\"h\\u006fst\":1,\"file\":{}}");
    expect_fields("[host]", "/a", NULL, SLICE("{\"a\":{\"host\":1},\"b\":[\"host\"]}"),
                  "{\"a\":{\"host\":1},\"b\":[\"host\"],\"host\":\"h1\"}");
}

static void an_object_of_many_members_is_looked_through(void **state)
{
    struct buf in, want;

    (void)state;
    for (size_t n = 1; n < 70; n++) {
        buf_init(&in, MIB);
        buf_init(&want, MIB);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(buf_printf(&in, "%c\"k%zu\":%zu", i ? ',' : '{', i, i), 0);
        assert_int_equal(
            buf_add_slice(&want, buf_slice(&in)) + buf_add_str(&want, ",\"host\":\"h1\"}") + buf_add_char(&in, '}'), 0);
        expect_fields("[host]", "/a", NULL, buf_slice(&in), buf_cstr(&want));
        in.n--;
        assert_int_equal(buf_add_str(&in, ",\"host\":7}"), 0);
        expect_fields("[host]", "/a", NULL, buf_slice(&in), buf_cstr(&in));
        buf_release(&in);
        buf_release(&want);
    }
}

static void what_would_be_too_long_stays_as_it_is(void **state)
{
    struct shape_conf c = {.timeout = 0};
    struct fields_conf fc;
    struct shape_out out;
    char *all = mem_alloc(LINE_MAX_BYTES + 1);
    struct play p;

    (void)state;
    memset(all, 'x', LINE_MAX_BYTES);
    all[LINE_MAX_BYTES] = '\n';
    bind(&fc, "[host]", 0);
    c.fields = fields_new(&fc, "h1");
    begin(&p, &c, slice_of(all, LINE_MAX_BYTES + 1), TAIL_UTF8);
    out = step(&p, p.all.n, SHAPE_GOES_ON, true);
    assert_true(out.records == 1 && out.bare == 1 && p.got[0].n == p.all.n);
    end(&p);
    fields_free(&c.fields);
    fields_unbind(&fc);
    mem_free(all);
}

static void mistakes_in_fields_are_found(void **state)
{
    struct fields_conf c;

    (void)state;
    bind(&c, "[host, hots, host, message, [a]]", 4);
    fields_unbind(&c);
    bind(&c, "{ a: [1], '': x, message: y }", 3);
    fields_unbind(&c);
}

static void fields_and_parts_and_traces_together(void **state)
{
    struct shape_conf c = {.container = CONTAINER_AUTO, .timeout = NSEC_PER_SEC};
    struct fields_conf fc;
    struct err e;

    (void)state;
    bind(&fc, "{ stream: , time: , file: , pod: }", 0);
    c.fields = fields_new(&fc, "h1");
    assert_int_equal(multiline_new(&c.multiline, MULTILINE_JAVA, NULL, NULL, &e), 0);
    plays(&c, SLICE(T0 "stderr F E\n" T1 "stderr P \tat \n" T1 "stdout F {\"a\":1}\n" T1 "stderr F x\n"), TAIL_UTF8,
          "{\"a\":1,\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.100000000Z\",\"file\":\"/var/log/a.log\"}|",
          "{\"message\":\"E\\n\\tat "
          "x\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.000000001Z\",\"file\":\"/var/log/a.log\"}|");
    multiline_free(&c.multiline);
    fields_free(&c.fields);
    fields_unbind(&fc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_begins_a_record),
        cmocka_unit_test(what_continues_belongs_to_the_lines_before),
        cmocka_unit_test(with_both_only_a_record_that_began_goes_on),
        cmocka_unit_test(a_pattern_that_takes_too_long_finds_nothing),
#ifndef TIGHT
        cmocka_unit_test(many_starts_that_do_not_take_too_long_do),
#endif
        cmocka_unit_test(traces_are_one_record_and_the_lines_around_them_are_not),
        cmocka_unit_test(a_traceback_may_have_a_cause),
        cmocka_unit_test(a_record_of_several_lines_is_no_longer_than_a_record),
        cmocka_unit_test(a_line_that_is_too_long_is_cut),
        cmocka_unit_test(a_line_that_is_long_in_another_encoding_is_whole_if_its_record_may_be),
        cmocka_unit_test(a_stop_ends_whole_lines),
        cmocka_unit_test(latin_1_becomes_utf_8),
        cmocka_unit_test(utf_16_is_shaped_too),
        cmocka_unit_test(parts_of_each_stream_are_put_together),
        cmocka_unit_test(dockers_lines_are_unescaped),
        cmocka_unit_test(auto_goes_by_the_line),
        cmocka_unit_test(traces_of_both_streams_are_told_apart),
        cmocka_unit_test(a_stream_that_stays_open_does_not_hold_up_the_other),
        cmocka_unit_test(a_record_that_ends_as_the_other_stream_goes_on_is_not_cut),
        cmocka_unit_test(a_stream_stays_as_far_ahead_as_it_was),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(names_are_read),
        cmocka_unit_test(a_line_becomes_an_object),
        cmocka_unit_test(an_object_gets_what_it_does_not_have),
        cmocka_unit_test(an_object_of_many_members_is_looked_through),
        cmocka_unit_test(what_would_be_too_long_stays_as_it_is),
        cmocka_unit_test(mistakes_in_fields_are_found),
        cmocka_unit_test(fields_and_parts_and_traces_together),
    };

    return cmocka_run_group_tests_name("shape", tests, NULL, NULL);
}
