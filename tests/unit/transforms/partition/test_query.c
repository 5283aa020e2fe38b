/* Queries for partition keys: the plain ones give what libjq gives, and what may not end is refused. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "transforms/partition/jq.h"
#include "transforms/partition/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "=TEXT", "-" missing, "!why" */
static void ask_plain(const char *text, const char *record, char *out, size_t size)
{
    struct query q;
    const struct query *asked = &q;
    struct query_found found;
    struct err e;
    struct buf b;
    const char *why = NULL;

    if (query_parse(&q, text, &e) < 0)
        fail_msg("`%s`: %s", text, e.msg);
    if (!q.plain)
        fail_msg("`%s` is not plain", text);
    buf_init(&b, 4096);
    why = query_find(&asked, 1, slice_str(record), &found, NULL);
    if (why) {
        snprintf(out, size, "!%s", why);
    } else {
        enum query_answer a = query_text(&q, &found, &b, &why);

        snprintf(out, size, "%s%s",
                 a == QUERY_TEXT      ? "="
                 : a == QUERY_MISSING ? "-"
                                      : "!",
                 a == QUERY_TEXT     ? buf_cstr(&b)
                 : a == QUERY_FAILED ? why
                                     : "");
    }
    buf_release(&b);
    query_release(&q);
}

static void plain_paths_are_read_from_the_bytes(void **state)
{
    static const char RECORD[] = "{\"a\":\"x\",\"b\":{\"c\":[10,[1.50],{\"d "
                                 "e\":true}],\"n\":null},\"f\":false,\"\\u0061\\u0062\":\"\\u00e4\\n\","
                                 "\"twice\":1,\"twice\":2,\"big\":9007199254740993,\"o\":{}}";
    static const struct {
        const char *query, *want;
    } CASES[] = {
        {".a", "=x"},
        {" .a ", "=x"},
        {".\"a\"", "=x"},
        {".[\"a\"]", "=x"},
        {".b.c[0]", "=10"},
        {".b.c[1][0]", "=1.5"},
        {".b.c[-2][0]", "=1.5"},
        {".b.c[2][\"d e\"]", "=true"},
        {".b[\"c\"][9]", "-"},
        {".b.c[-9]", "-"},
        {".b.n", "-"},
        {".b.n.x.y", "-"},
        {".nothing.x[0]", "-"},
        {".f", "=false"},
        {".ab", "=\xc3\xa4\n"},
        {".twice", "=2"},
        {".big", "=9007199254740992"},
        {".o", "!it is an object or an array"},
        {".b.c", "!it is an object or an array"},
        {".a.x", "!the path asks for a member of what is no object"},
        {".a[0]", "!the path asks for an element of what is no array"},
        {".b[0]", "!the path asks for an element of what is no array"},
        {".nothing // \"u\"", "=u"},
        {".f // \"u\"", "=u"},
        {".a.x // \"u\"", "!the path asks for a member of what is no object"},
        {".a//\"u\"", "=x"},
        {".nothing // 17", "=17"},
        {".b.n // \"\"", "="},
    };
    char got[300];

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        ask_plain(CASES[i].query, RECORD, got, sizeof(got));
        if (strcmp(got, CASES[i].want) != 0)
            fail_msg("%s: got `%s`, want `%s`", CASES[i].query, got, CASES[i].want);
    }
    ask_plain(".a", "{\"a\":1", got, sizeof(got));
    assert_int_equal(got[0], '!');
    ask_plain(".a", "{\"a\":1} x", got, sizeof(got));
    assert_int_equal(got[0], '!');
    ask_plain(".[1]", "[1,2]", got, sizeof(got));
    assert_string_equal(got, "=2");
    ask_plain(".a", "[1,2]", got, sizeof(got));
    assert_int_equal(got[0], '!');
    ask_plain(".a", "null", got, sizeof(got));
    assert_string_equal(got, "-");
}

static void fields_may_have_dots(void **state)
{
    struct query q;
    struct err e;

    (void)state;
    assert_int_equal(query_field(&q, "event.ts x", &e), 0);
    assert_true(q.plain && q.depth == 2);
    assert_string_equal(q.step[1].name, "ts x");
    query_release(&q);
    assert_int_equal(query_field(&q, "", &e), -1);
    assert_int_equal(query_field(&q, ".ts", &e), -1);
    assert_int_equal(query_field(&q, "a..b", &e), -1);
}

static void what_may_not_end_is_refused(void **state)
{
    static const char *const QUERIES[] = {
        "input",
        "inputs",
        "env.HOME",
        "$ENV.HOME",
        "env",
        ".a | debug",
        "stderr",
        "input_line_number",
        "include \"x\"; .",
        "import \"x\" as y; .",
        "def f: f; f",
        "def f: 1; f",
        "range(1e12)",
        "repeat(.)",
        "until(false; .)",
        "recurse",
        "..",
        "[limit(3; repeat(1))]",
        "while(true; .)",
        ". as $x | $x",
        "reduce .[] as $i (0; . + 1)",
        "foreach .[] as $i (0; .)",
        "label $out | .a",
        "walk(.)",
        ".a * .n",
        "\"x\" * 1000000000",
        ".a % 2",
        ".a |= 1",
        ".a = 1",
        ".a += 1",
        ".a //= 1",
        ".a -= 1",
        ".a /= 1",
        "halt",
        "halt_error",
        "@sh",
        "@base64d",
        "implode",
        "test(\"(a+)+$\")",
        "sub(\"a\"; \"b\")",
        "splits(\"a\")",
        "now",
        "paths",
        "getpath([\"a\"])",
        "{a: .a}",
        ".a # x",
        "\"\\(env)\"",
        "\"\\(range(9))\"",
        "(.a",
        ".a)",
        "[.a",
        "\"x",
        "\"\\(.a\"",
        "",
        "   ",
        "`",
        "$__loc__",
        "$__prog_args",
        "get_search_list",
        "input_filename",
        "ltrimstr(env)",
        "map(map(map(.)))",
        ".a[.b]",
        ".a [.b]",
        ".[.b:2]",
        ".a[\"x\" == \"y\" // .b]",
        ".a[\"x\" // .b]",
        ".a[\"x\", .b]",
        ".a[ \"x\" | .b]",
        ".a[\"x\"[.b]]",
        ".a[\"x\":.b]",
        ".a[\"\\(.a[\"x\" | .b])\"]",
        ".a[\"x\"][.b]",
        ".a[\"x\"",
        ".a[\"x",
        "keys[.b]",
        ".then[.a]",
        ".[][][]",
        "try error(\"x\")",
        ". ?// .",
        "getpath",
        "splits",
        "@json env",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(QUERIES) / sizeof(QUERIES[0]); i++) {
        struct query q;
        struct err e = {0};

        if (query_parse(&q, QUERIES[i], &e) == 0 && strcmp(QUERIES[i], ". ?// .") != 0)
            fail_msg("`%s` is taken", QUERIES[i]);
        query_release(&q);
    }
}

static void a_costly_query_takes_short_records_only(void **state)
{
    static const struct {
        const char *query;
        uint64_t most;
    } CASES[] = {
        {".a | tostring", QUERY_TREE_MAX},
        {".a[]", 32768},
        {".a[] | .b[]", 1024},
        {"\"\\(.a[])-\\(.b)\"", 16384},
        {".a | tojson | tojson | tojson | tojson | tojson | tojson | @uri | @uri | @uri", QUERY_MADE_MAX >> 12},
        /* Each element of one list against each of the other. */
        {"(.a - .b) | length", 32768},
        {"(.a -\n.b) | length", 32768},
        {"(.a[] - .b) | length", 1024},
        {"-.a", 32768},
        {"(.ts - 86400) | strftime(\"%d\")", QUERY_TREE_MAX},
        {".a | . - 1", QUERY_TREE_MAX},
        {"if .a == -1 then .b else .c[-1] end", QUERY_TREE_MAX},
        {".a / .b", QUERY_TREE_MAX},
    };

    (void)state;
#ifndef HAVE_LIBJQ
    skip();
#endif
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct query q;
        struct err e;

        assert_int_equal(query_parse(&q, CASES[i].query, &e), 0);
        if (q.record_max + 1 < CASES[i].most || q.record_max > CASES[i].most)
            fail_msg("%s: %" PRIu64, CASES[i].query, q.record_max);
        query_release(&q);
    }
}

#ifdef HAVE_LIBJQ

/* --- libjq --- */

static void ask_jq(const char *text, const char *record, bool plain, char *out, size_t size)
{
    struct query q = {.text = (char *)(uintptr_t)text, .record_max = RECORD_MAX_BYTES};
    const struct query *asked = &q;
    struct jq_program *j;
    struct jq_answer a = {.answer = QUERY_MISSING};
    struct err e;

    if (!plain && query_parse(&q, text, &e) < 0)
        fail_msg("`%s`: %s", text, e.msg);
    if (jq_program_new(&j, &asked, 1, &e) < 0)
        fail_msg("`%s`: %s", text, e.msg);
    jq_program_run(j, slice_str(record), &a);
    snprintf(out, size, "%s%.*s",
             a.answer == QUERY_TEXT      ? "="
             : a.answer == QUERY_MISSING ? "-"
                                         : "!",
             a.answer == QUERY_TEXT ? (int)a.text.n : 0, a.text.n ? a.text.p : "");
    jq_program_free(&j);
    if (!plain)
        query_release(&q);
}

static void other_queries_are_libjqs(void **state)
{
    static const struct {
        const char *record, *query, *want;
    } CASES[] = {
        /* Firehose's documented examples. */
        {"{\"type\":{\"device\":\"mobile\",\"event\":\"user_clicked_submit_button\"},\"customer_id\":\"1234567890\","
         "\"event_timestamp\":1566936967}",
         ".event_timestamp| strftime(\"%Y\")", "=2019"},
        {"{\"event_timestamp\":1565382027}", ".event_timestamp| strftime(\"%d\")", "=09"},
        {"{\"event_timestamp\":1565382027}", ".event_timestamp| strftime(\"%H\")", "=20"},
        {"{\"a\":\"2015-03-05T23:51:47Z\"}", ".a | fromdate | strftime(\"%Y/%m\")", "=2015/03"},
        {"{\"a\":\"05.03.2015\"}", ".a | strptime(\"%d.%m.%Y\") | mktime", "=1425513600"},
        {"{\"a\":1e300}", ".a | strftime(\"%Y\")", "!"},
        {"{\"a\":-1e300}", ".a | todate", "!"},
        {"{\"a\":[1,2]}", ".a | strftime(\"%Y\")", "!"},
        {"{\"a\":[\"x\",2,3,4,5,6]}", ".a | mktime", "!"},
        {"{\"a\":{}}", ".a | strftime(\"%Y\")", "!"},
        {"{\"a\":\"x\"}", ".a | gmtime", "!"},
        {"{\"a\":1e19}", ".a | gmtime | mktime", "!"},
        {"{\"a\":\"AbC\"}", ".a | ascii_downcase", "=abc"},
        {"{\"a\":\"x\",\"b\":2}", "\"\\(.a)-\\(.b)\"", "=x-2"},
        {"{\"a\":\"p/q/r\"}", ".a | split(\"/\")[1]", "=q"},
        {"{\"a\":\"p/q/r\"}", ".a | split(\"/\") | .[0:2] | join(\"-\")", "=p-q"},
        {"{\"a\":7}", "if .a > 5 then \"hot\" elif .a == null then \"none\" else \"cold\" end", "=hot"},
        {"{\"t\":[{\"k\":\"a\",\"v\":1},{\"k\":\"b\",\"v\":2}]}", ".t[] | select(.k == \"b\") | .v", "=2"},
        {"{\"t\":[{\"k\":\"a\",\"v\":1}]}", ".t[] | select(.k == \"b\") | .v", "-"},
        {"{\"a\":null}", ".a | .", "-"},
        {"{\"a\":{}}", ".a | .", "!"},
        {"{\"a\":1.0}", ".a | .", "=1"},
        {"{\"a\":\"{\\\"b\\\":3}\"}", ".a | fromjson | .b", "=3"},
        {"{\"a\":\"nan\"}", ".a | fromjson", "-"},
        {"{\"a\":\"\\u0000x\"}", ".a | length", "=2"},
        {"{\"a\":\"x\"}", ".a.b?", "-"},
        {"{\"a\":\"x\"}", "try (.a.b) catch \"no\"", "=no"},
        {"{\"a\":\"x\",\"x\":5}", ".[\"\\(.a)\"]", "=5"},
        {"{\"a\":\"x\",\"x]\\\"\":5}", ".[ \"\\(.[\"a\"])]\\\"\" ]", "=5"},
        {"{\"a\":[1,2,3]}", ".a[1:][ -1]", "=3"},
        {"\"text\"", ".", "=text"},
    };
    char got[300];

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        ask_jq(CASES[i].query, CASES[i].record, false, got, sizeof(got));
        if (strcmp(got, CASES[i].want) != 0)
            fail_msg("%s of %s: got `%s`, want `%s`", CASES[i].query, CASES[i].record, got, CASES[i].want);
    }
}

static void one_that_fails_takes_no_other_with_it(void **state)
{
    static const char *const TEXTS[] = {".a | tonumber", ".plain", ".b | tostring", ".c | .d"};
    struct query query[4];
    const struct query *q[4];
    struct jq_program *j;
    struct jq_answer a[4] = {{.answer = QUERY_MISSING}};
    struct err e;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(query_parse(&query[i], TEXTS[i], &e), 0);
        q[i] = &query[i];
    }
    assert_int_equal(jq_program_new(&j, q, 4, &e), 0);
    for (int round = 0; round < 3; round++) {
        jq_program_run(j, SLICE("{\"a\":\"x\",\"b\":5,\"c\":{\"d\":\"y\"}}"), a);
        assert_int_equal(a[0].answer, QUERY_FAILED);
        assert_true(a[2].answer == QUERY_TEXT && slice_is(a[2].text, "5"));
        assert_true(a[3].answer == QUERY_TEXT && slice_is(a[3].text, "y"));
    }
    jq_program_free(&j);
    for (int i = 0; i < 4; i++)
        query_release(&query[i]);
}

/* The texts together are longer than what a program keeps. */
static void long_texts_are_there_until_the_next_record(void **state)
{
    static const char *const TEXTS[] = {".a | ascii_downcase", ".path | @uri"};
    enum { SLASHES = WORKER_KEEP_MAX / 5 * 2 };
    struct query query[2];
    const struct query *q[] = {&query[0], &query[1]};
    struct jq_program *j;
    struct jq_answer a[2];
    struct err e;
    struct buf record;

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(query_parse(&query[i], TEXTS[i], &e), 0);
    assert_int_equal(jq_program_new(&j, q, 2, &e), 0);
    buf_init(&record, RECORD_MAX_BYTES);
    assert_int_equal(buf_add_str(&record, "{\"a\":\"X\",\"path\":\""), 0);
    for (int i = 0; i < SLASHES; i++)
        assert_int_equal(buf_add_char(&record, '/'), 0);
    assert_int_equal(buf_add_str(&record, "\"}"), 0);
    for (int round = 0; round < 2; round++) {
        jq_program_run(j, buf_slice(&record), a);
        assert_true(a[0].answer == QUERY_TEXT && slice_is(a[0].text, "x"));
        assert_true(a[1].answer == QUERY_TEXT && a[1].text.n == 3 * SLASHES && a[1].text.n > WORKER_KEEP_MAX);
        assert_memory_equal(a[1].text.p + a[1].text.n - 3, "%2F", 3);
    }
    jq_program_run(j, SLICE("{\"a\":\"Y\",\"path\":\"/\"}"), a);
    assert_true(slice_is(a[0].text, "y") && slice_is(a[1].text, "%2F"));
    buf_release(&record);
    jq_program_free(&j);
    for (int i = 0; i < 2; i++)
        query_release(&query[i]);
}

/* A record of `n` bytes: {"a":"x","b":["y"],"c":[{},{}...]}, with blanks at its end. */
static void add_record(struct buf *b, size_t n)
{
    buf_clear(b);
    assert_int_equal(buf_add_str(b, "{\"a\":\"x\",\"b\":[\"y\"],\"c\":[{}"), 0);
    while (b->n + 5 <= n)
        assert_int_equal(buf_add_str(b, ",{}"), 0);
    assert_int_equal(buf_add_str(b, "]}"), 0);
    while (b->n < n)
        assert_int_equal(buf_add_char(b, ' '), 0);
}

static void no_tree_is_made_of_a_long_record(void **state)
{
    struct query query;
    const struct query *q = &query;
    struct jq_program *j;
    struct jq_answer a;
    struct err e;
    struct buf record;

    (void)state;
    assert_int_equal(query_parse(&query, ".a | ascii_upcase", &e), 0);
    assert_int_equal(jq_program_new(&j, &q, 1, &e), 0);
    buf_init(&record, RECORD_MAX_BYTES);
    add_record(&record, QUERY_TREE_MAX);
    jq_program_run(j, buf_slice(&record), &a);
    assert_true(a.answer == QUERY_TEXT && slice_is(a.text, "X"));
    add_record(&record, QUERY_TREE_MAX + 1);
    jq_program_run(j, buf_slice(&record), &a);
    assert_int_equal(a.answer, QUERY_FAILED);
    assert_string_equal(a.why, "the record is too long for this query: only a plain path takes records of any length");
    buf_release(&record);
    jq_program_free(&j);
    query_release(&query);
}

static void each_query_has_its_own_limit(void **state)
{
    static const char *const TEXTS[] = {".b[] | ascii_upcase", ".plain", ".a | ascii_upcase", "\"\\(.b[])\\(.a)\""};
    /* of the record; which query is not asked then */
    static const struct {
        size_t bytes;
        bool too_long[4];
    } CASES[] = {
        {QUERY_TREE_MAX + 1, {true, false, true, true}},
        {QUERY_TREE_MAX, {true, false, false, true}},
        {32769, {true, false, false, true}},
        {32767, {false, false, false, true}},
        {1000, {false, false, false, false}},
    };
    struct query query[4];
    const struct query *q[4];
    struct jq_program *j;
    struct jq_answer a[4] = {{.answer = QUERY_MISSING}};
    struct err e;
    struct buf record;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(query_parse(&query[i], TEXTS[i], &e), 0);
        q[i] = &query[i];
    }
    assert_int_equal(jq_program_new(&j, q, 4, &e), 0);
    buf_init(&record, RECORD_MAX_BYTES);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        add_record(&record, CASES[i].bytes);
        jq_program_run(j, buf_slice(&record), a);
        for (int k = 0; k < 4; k++)
            if (k != 1 && a[k].answer != (CASES[i].too_long[k] ? QUERY_FAILED : QUERY_TEXT))
                fail_msg("%s of a record of %zu bytes: %d", TEXTS[k], CASES[i].bytes, (int)a[k].answer);
            else if (CASES[i].too_long[k])
                assert_non_null(strstr(a[k].why, "too long for this query"));
        assert_true(a[0].answer == QUERY_FAILED || slice_is(a[0].text, "Y"));
        assert_true(a[2].answer == QUERY_FAILED || slice_is(a[2].text, "X"));
        assert_true(a[3].answer == QUERY_FAILED || slice_is(a[3].text, "yx"));
    }
    buf_release(&record);
    jq_program_free(&j);
    for (int i = 0; i < 4; i++)
        query_release(&query[i]);
}

static void a_mistake_of_syntax_is_told(void **state)
{
    struct query good, bad;
    const struct query *q[] = {&good, &bad};
    struct jq_program *j;
    struct err e;

    (void)state;
    assert_int_equal(query_parse(&good, ".a | tostring", &e), 0);
    assert_int_equal(query_parse(&bad, ".a | | .b", &e), 0);
    assert_int_equal(jq_program_new(&j, q, 2, &e), -1);
    assert_null(j);
    assert_non_null(strstr(e.msg, "`.a | | .b` is no query of jq 1.6: syntax error"));
    query_release(&good);
    query_release(&bad);
}

/* jq loads $HOME/.jq into every program, and a definition there takes the place of a function. */
static void a_file_of_definitions_at_home_is_refused(void **state)
{
    struct query query;
    const struct query *q = &query;
    struct jq_program *j;
    struct err e;
    char dir[] = "/tmp/sluice-test-XXXXXX", path[64], *home = getenv("HOME");
    FILE *f;

    (void)state;
    home = home ? strdup(home) : NULL;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/.jq", dir);
    setenv("HOME", dir, 1);
    assert_int_equal(query_parse(&query, ".a | ascii_upcase", &e), 0);

    assert_int_equal(jq_program_new(&j, &q, 1, &e), 0);
    jq_program_free(&j);

    f = fopen(path, "w");
    assert_non_null(f);
    fputs("def ascii_upcase: \"mine\";", f);
    fclose(f);
    assert_int_equal(jq_program_new(&j, &q, 1, &e), -1);
    assert_null(j);
    assert_non_null(strstr(e.msg, path));
    assert_non_null(strstr(e.msg, "another HOME"));
    assert_int_equal(unlink(path), 0);

    assert_int_equal(mkfifo(path, 0600), 0); /* jq would wait for a writer */
    assert_int_equal(jq_program_new(&j, &q, 1, &e), -1);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(symlink("nowhere", path), 0);
    assert_int_equal(jq_program_new(&j, &q, 1, &e), 0);
    jq_program_free(&j);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(mkdir(path, 0700), 0); /* a folder of modules: none is loaded without an import */
    assert_int_equal(jq_program_new(&j, &q, 1, &e), 0);
    jq_program_free(&j);
    assert_int_equal(rmdir(path), 0);

    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(jq_program_new(&j, &q, 1, &e), 0);
    jq_program_free(&j);
    if (home)
        setenv("HOME", home, 1);
    free(home);
    assert_int_equal(rmdir(dir), 0);
    query_release(&query);
}

/* --- the same texts --- */

static uint64_t seed = 42;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33) % below;
}

static void numbers_are_written_as_libjq_writes_them(void **state)
{
    struct query q = {.text = (char *)(uintptr_t) ". | .", .record_max = RECORD_MAX_BYTES};
    const struct query *asked = &q;
    struct jq_program *j;
    struct err e;
    struct buf b;

    (void)state;
    assert_int_equal(jq_program_new(&j, &asked, 1, &e), 0);
    buf_init(&b, 1000);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = draw(1ULL << 31) << 33 ^ draw(1ULL << 31) << 16 ^ draw(1ULL << 31);
        struct jq_answer a = {.answer = QUERY_MISSING};
        char raw[400];
        double v;

        memcpy(&v, &bits, sizeof(v));
        if (draw(2))
            v = (double)(int64_t)draw(1ULL << 31) * (double)draw(1ULL << 31) / (draw(2) ? 1.0 : 1000.0);
        if (v != v || v > 1e300 || v < -1e300)
            continue;
        switch (draw(5)) {
        case 0:
            snprintf(raw, sizeof(raw), "%.17g", v);
            break;
        case 1:
            snprintf(raw, sizeof(raw), "%.3e", v);
            break;
        case 2:
            snprintf(raw, sizeof(raw), "%.0f", v);
            break;
        case 3:
            snprintf(raw, sizeof(raw), "%.6f", v);
            break;
        default:
            snprintf(raw, sizeof(raw), "%.1f", v);
            break;
        }
        jq_program_run(j, slice_str(raw), &a);
        buf_clear(&b);
        assert_int_equal(query_number(slice_str(raw), &b), 0);
        if (a.answer != QUERY_TEXT || !slice_eq(a.text, buf_slice(&b)))
            fail_msg("%s: we say `%s`, libjq `%.*s`", raw, buf_cstr(&b), (int)a.text.n, a.text.p ? a.text.p : "");
    }
    buf_release(&b);
    jq_program_free(&j);
}

static void put_value(char **p, unsigned depth)
{
    static const char *const SCALARS[] = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-0",
                                          "1.0",
                                          "1e3",
                                          "123456789012345678",
                                          "\"\"",
                                          "\"x\"",
                                          "\"\\u00e4/\\\"\"",
                                          "\"a b\"",
                                          "0.00001",
                                          "1e400",
                                          "12.50"};
    static const char *const NAMES[] = {"a", "b", "c", "a b", "\\u0061"};
    uint64_t kind = depth < 3 ? draw(4) : 0, n = draw(4);

    if (kind < 2) {
        *p += sprintf(*p, "%s", SCALARS[draw(sizeof(SCALARS) / sizeof(SCALARS[0]))]);
        return;
    }
    *(*p)++ = kind == 2 ? '{' : '[';
    for (uint64_t i = 0; i < n; i++) {
        if (i > 0)
            *p += sprintf(*p, " ,");
        if (kind == 2)
            *p += sprintf(*p, "\"%s\": ", NAMES[draw(5)]);
        put_value(p, depth + 1);
    }
    *(*p)++ = kind == 2 ? '}' : ']';
    **p = '\0';
}

static void put_path(char *p)
{
    static const char *const STEPS[] = {".a", ".b", ".c", ".\"a b\"", "[\"a\"]", "[0]", "[1]", "[-1]", "[-3]"};
    static const char *const ENDS[] = {"", "", "", " // \"u\"", "//7"};
    uint64_t n = 1 + draw(3);

    for (uint64_t i = 0; i < n; i++) {
        const char *step = STEPS[draw(sizeof(STEPS) / sizeof(STEPS[0]))];

        p += sprintf(p, "%s%s", i == 0 && *step == '[' ? "." : "", step);
    }
    sprintf(p, "%s", ENDS[draw(5)]);
}

static void plain_paths_give_what_libjq_gives(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        char path[200], record[4096], plain[4096], jq[4096];

        put_path(path);
        for (int k = 0; k < 12; k++) {
            char *p = record;

            put_value(&p, 0);
            *p = '\0';
            ask_plain(path, record, plain, sizeof(plain));
            if (k < 3) { /* a program takes long to make */
                ask_jq(path, record, true, jq, sizeof(jq));
                if (*plain == '!')
                    plain[1] = '\0';
                if (strcmp(plain, jq) != 0)
                    fail_msg("%s of %s: we say `%s`, libjq `%s`", path, record, plain, jq);
            }
        }
    }
}

/* Whatever the record says: an answer, and the program goes on. */
static void no_value_ends_the_process(void **state)
{
    static const char *const QUERIES[] = {
        ".a | strftime(\"%Y\")",
        ".a | strptime(\"%Y\") | mktime",
        ".a | todate",
        ".a | fromdate",
        ".a | gmtime | mktime",
        ".a | mktime",
        ".a | todateiso8601",
        ".a | fromdateiso8601",
        ".a | tonumber",
        ".a | tostring",
        ".a | fromjson",
        ".a | tojson",
        ".a | ascii_downcase",
        ".a | ascii_upcase",
        ".a | split(\"x\")",
        ".a | split(.b)",
        ".a | join(\"-\")",
        ".a | keys",
        ".a | length",
        ".a | floor",
        ".a | first",
        ".a | last",
        ".a | min",
        ".a | max",
        ".a | add",
        ".a | to_entries",
        ".a | map(.)",
        ".a | any",
        ".a | all",
        ".a | has(\"x\")",
        ".a | has(.b)",
        ".a | startswith(.b)",
        ".a | endswith(.b)",
        ".a | ltrimstr(.b)",
        ".a | rtrimstr(.b)",
        "if .b then [.a] else [.b] end | .[0]",
        ".a [0:2]",
        "[.a][0]",
        ".a | strftime(.)",
        "\"x\" | strptime(\"%Y\")",
        ".a - .b",
        ".a + .b",
        ".a / .b",
        ".a < .b",
        ".a == .b",
        "-.a",
        ".a | @uri",
        ".a | @html",
        ".a | @base64",
        ".a | @text",
        ".a | @json",
        ".a | select(.b)",
        ".a | not",
        ".a | type",
        ".a | strftime(.b)",
        ".a | strptime(.b)",
        "\"\\(.a) \\(.b)\"",
        ".a // .b",
        "[.a, .b] | tostring",
        ".a[]?",
        "first(.a[])",
        "last(.a[])",
    };
    static const char *const VALUES[] = {
        "null",
        "true",
        "0",
        "-1",
        "1e300",
        "-1e300",
        "1e19",
        "-9223372036854775808",
        "253402300800",
        "0.5",
        "1e-300",
        "\"\"",
        "\"x\"",
        "\"\\u0000\"",
        "\"\\ud83d\\ude00\"",
        "\"%Y%j%U%Z%s%c\"",
        "\"2015-03-05T23:51:47Z\"",
        "\"9999999999\"",
        "\"nan\"",
        "\"[[[[\"",
        "[]",
        "[null]",
        "[1,2,3,4,5,6,7,8]",
        "[1e300,1e300,1e300,1e300,1e300,1e300,1e300,1e300]",
        "[-1,-1,-1,-1,-1,-1]",
        "[\"a\",\"b\"]",
        "[[1],[2]]",
        "{}",
        "{\"x\":1}",
        "{\"x\":{\"y\":[1]}}",
    };
    enum { COUNT = sizeof(QUERIES) / sizeof(QUERIES[0]) };
    struct query query[COUNT];
    const struct query *q[COUNT];
    struct jq_answer a[COUNT] = {{.answer = QUERY_MISSING}};
    struct jq_program *j;
    struct err e;

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        if (query_parse(&query[i], QUERIES[i], &e) < 0)
            fail_msg("%s: %s", QUERIES[i], e.msg);
        q[i] = &query[i];
    }
    if (jq_program_new(&j, q, COUNT, &e) < 0)
        fail_msg("%s", e.msg);
    for (size_t i = 0; i < sizeof(VALUES) / sizeof(VALUES[0]); i++)
        for (size_t k = 0; k < sizeof(VALUES) / sizeof(VALUES[0]); k++) {
            char record[300];

            snprintf(record, sizeof(record), "{\"a\":%s,\"b\":%s}", VALUES[i], VALUES[k]);
            jq_program_run(j, slice_str(record), a);
        }
    jq_program_free(&j);
    for (size_t i = 0; i < COUNT; i++)
        query_release(&query[i]);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_paths_are_read_from_the_bytes),
        cmocka_unit_test(fields_may_have_dots),
        cmocka_unit_test(what_may_not_end_is_refused),
        cmocka_unit_test(a_costly_query_takes_short_records_only),
#ifdef HAVE_LIBJQ
        cmocka_unit_test(other_queries_are_libjqs),
        cmocka_unit_test(one_that_fails_takes_no_other_with_it),
        cmocka_unit_test(long_texts_are_there_until_the_next_record),
        cmocka_unit_test(no_tree_is_made_of_a_long_record),
        cmocka_unit_test(each_query_has_its_own_limit),
        cmocka_unit_test(a_mistake_of_syntax_is_told),
        cmocka_unit_test(a_file_of_definitions_at_home_is_refused),
        cmocka_unit_test(numbers_are_written_as_libjq_writes_them),
        cmocka_unit_test(plain_paths_give_what_libjq_gives),
        cmocka_unit_test(no_value_ends_the_process),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
