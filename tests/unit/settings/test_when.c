/* `when`, from the words of the file to what becomes of a record; and what a destination takes over from its stream. */
#include "tests/support/cmocka.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/settings.h"
#include "tests/unit/settings/parsed.h"
#include "transforms/transform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-when-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

/* --- which records --- */

enum fate { NONE, KEPT, DROPPED, FAILED };

struct seen {
    struct transform_out out;
    enum fate fate;
};

static int emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                const struct transform_key *keys, size_t count)
{
    (void)keys;
    assert_true(slice_eq(from->data, data) && count == 0);
    ((struct seen *)(void *)o)->fate = KEPT;
    return 0;
}

static void drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    (void)from;
    assert_true(slice_is(reason, "when") && o->unwanted);
    ((struct seen *)(void *)o)->fate = DROPPED;
}

static int refuse(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                  struct slice shown)
{
    (void)from, (void)code, (void)message, (void)shown;
    ((struct seen *)(void *)o)->fate = FAILED;
    return 0;
}

static enum fate ask(const char *when, const char *record)
{
    const struct transform_key keys[] = {{SLICE("audience"), SLICE("staff")}};
    const struct transform_record r = {
        .data = slice_str(record), .origin = slice_of("", 0), .keys = keys, .key_count = 1};
    struct seen seen = {.out = {.emit = emit, .drop = drop, .fail = refuse}};
    char yaml[1024];
    struct settings *s;
    const struct transform_settings *t;
    void *state = NULL;
    struct err e;

    snprintf(yaml, sizeof(yaml),
             "admin: { listen: none }\n"
             "streams:\n"
             "  app:\n"
             "    destinations:\n"
             "      - file: { path: ./a }\n"
             "        when: %s\n",
             when);
    s = parsed_settings(dir, yaml);
    assert_int_equal(s->streams[0].transform_count, 1);
    t = &s->streams[0].transforms[0];
    assert_int_equal(t->ops->open(&state, t->loaded, NULL, &e), 0);
    assert_int_equal(t->ops->run(state, &r, 1, &seen.out, &e), 0);
    t->ops->close(&state);
    settings_free(&s);
    return seen.fate;
}

static void conditions_are_asked_of_records(void **state)
{
    static const struct {
        const char *when, *record;
        enum fate want;
    } CASES[] = {
        {"{ field: level, equals: ERROR }", "{\"level\":\"ERROR\"}", KEPT},
        {"{ field: level, equals: ERROR }", "{\"level\":\"error\"}", DROPPED},
        {"{ field: level, equals: ERROR }", "{\"other\":\"ERROR\"}", DROPPED},
        {"{ field: level, equals: ERROR }", "level=ERROR", DROPPED},
        {"{ field: level, equals: ERROR }", "[\"level\",\"ERROR\"]", DROPPED},
        {"{ field: level, equals: ERROR }", "", DROPPED},
        {"{ field: a.b, equals: 7 }", "{\"a\":{\"b\":7}}", KEPT},
        {"{ field: a.b, equals: 7 }", "{\"a\":{\"b\":\"7\"}}", KEPT},
        {"{ field: a.b, equals: 7 }", "{\"a\":7}", DROPPED},
        {"{ field: on, equals: true }", "{\"on\":true}", KEPT},
        {"{ field: level, in: [WARN, ERROR] }", "{\"level\":\"WARN\"}", KEPT},
        {"{ field: level, in: [WARN, ERROR] }", "{\"level\":\"INFO\"}", DROPPED},
        {"{ field: level, in: WARN }", "{\"level\":\"WARN\"}", KEPT},
        {"{ field: text, equals: \"\" }", "{\"text\":\"\"}", KEPT},
        {"{ field: text, equals: \"\" }", "{}", DROPPED},
        {"{ field: path, matches: \"^/api/\" }", "{\"path\":\"/api/x\"}", KEPT},
        {"{ field: path, matches: \"^/api/\" }", "{\"path\":\"/web/api/\"}", DROPPED},
        {"{ field: path, matches: x }", "{\"path\":[\"x\"]}", DROPPED},
        {"{ field: user, exists: true }", "{\"user\":{}}", KEPT},
        {"{ field: user, exists: true }", "{\"user\":null}", DROPPED},
        {"{ field: user, exists: true }", "no JSON", DROPPED},
        {"{ field: user, exists: false }", "{\"user\":1}", DROPPED},
        {"{ field: user, exists: false }", "no JSON", KEPT},
        {"{ not: { field: level, equals: DEBUG } }", "{\"level\":\"DEBUG\"}", DROPPED},
        {"{ not: { field: level, equals: DEBUG } }", "{\"level\":\"INFO\"}", KEPT},
        {"{ not: { field: level, equals: DEBUG } }", "no JSON", KEPT},
        {"{ not: { field: level, exists: false } }", "{\"level\":1}", KEPT},
        {"[ { field: a, equals: 1 }, { not: { field: b, equals: 2 } } ]", "{\"a\":1,\"b\":3}", KEPT},
        {"[ { field: a, equals: 1 }, { not: { field: b, equals: 2 } } ]", "{\"a\":1,\"b\":2}", DROPPED},
        {"[ { field: a, equals: 1 }, { not: { field: b, equals: 2 } } ]", "{\"a\":2,\"b\":3}", DROPPED},
        {"{ key: audience, equals: staff }", "anything", KEPT},
        {"{ key: audience, equals: public }", "anything", DROPPED},
        {"{ key: other, exists: true }", "anything", DROPPED},
        {"[ { key: audience, equals: staff }, { field: a, equals: 1 } ]", "{\"a\":1}", KEPT},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (ask(CASES[i].when, CASES[i].record) != CASES[i].want)
            fail_msg("%s of %s", CASES[i].when, CASES[i].record);
}

/* --- what holds for whom --- */

static void each_takes_over_what_it_does_not_say(void **state)
{
    struct settings *s = parsed_settings(dir, "admin: { listen: none }\n"
                                              "streams:\n"
                                              "  app:\n"
                                              "    spool: { limit: 8MiB }\n"
                                              "    buffer: { size: 2MiB, interval: 5s }\n"
                                              "    compression: gzip\n"
                                              "    retry: { duration: 1m }\n"
                                              "    backup: { file: { path: ./backup } }\n"
                                              "    destinations:\n"
                                              "      - file: { path: ./a }\n"
                                              "      - file: { path: ./b }\n"
                                              "        name: b\n"
                                              "        compression: none\n"
                                              "        buffer: { interval: 1s }\n"
                                              "        retry: { duration: 2m }\n");
    const struct stream_settings *st = &s->streams[0], *a = settings_outlet(st, 0), *b = settings_outlet(st, 1);

    (void)state;
    assert_int_equal(settings_outlet_count(st), 2);
    assert_ptr_equal(a, st);
    assert_ptr_equal(settings_whole(b), st);
    assert_string_equal(settings_outlet_name(a), "file");
    assert_string_equal(settings_label(a), "app:file");
    assert_string_equal(settings_label(b), "app:b");
    assert_ptr_equal(settings_outlet_named(st, "b"), b);
    assert_null(settings_outlet_named(st, ""));
    assert_string_equal(a->codec->name, "gzip");
    assert_string_equal(b->codec->name, "none");
    assert_int_equal(a->buffer_size, 2 * MIB);
    assert_int_equal(b->buffer_size, 1 * MIB); /* the block is its own, and what it leaves out is the default */
    assert_int_equal(b->buffer_interval, NSEC_PER_SEC);
    assert_int_equal(a->retry_duration, 60 * NSEC_PER_SEC);
    assert_int_equal(b->retry_duration, 120 * NSEC_PER_SEC);
    assert_true(a->backup && b->backup && a->input_count == 1 && b->input_count == 0);
    assert_int_equal(b->spool_limit, 8 * MIB);
    settings_free(&s);
}

/* --- what it is asked for by --- */

static void a_stream_and_a_destination_of_one_have_labels(void **state)
{
    static const char *const bad[] = {"", ":", "app:", ":a", "app:a:b", "..:a", "app:..", "app/b", "app:a/b"};
    char longest[2 * STREAM_NAME_MAX + 3];

    (void)state;
    assert_true(settings_is_label("app"));
    assert_true(settings_is_label("app:partner"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(settings_is_label(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[STREAM_NAME_MAX] = ':';
    longest[2 * STREAM_NAME_MAX + 1] = '\0';
    assert_true(settings_is_label(longest));
    longest[STREAM_NAME_MAX] = 'a';
    longest[STREAM_NAME_MAX + 1] = ':';
    assert_false(settings_is_label(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_are_asked_of_records),
        cmocka_unit_test(each_takes_over_what_it_does_not_say),
        cmocka_unit_test(a_stream_and_a_destination_of_one_have_labels),
    };

    return cmocka_run_group_tests_name("when", tests, make_dir, drop_dir);
}
