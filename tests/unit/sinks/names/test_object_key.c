/* Names of objects: Firehose's rules, Java's time patterns, and the same name for the same seal for ever. */
#include "tests/support/cmocka.h"

#include "pipeline/base/key_set.h"
#include "pipeline/base/partition_key.h"
#include "sinks/names/object_key.h"

#include <stdio.h>
#include <string.h>

static const unsigned char IDENTITY[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const struct sink_env ENV = {.stream = "app-logs", .identity = IDENTITY, .version = 7};

/* 2026-07-13T14:05:09Z */
#define OLDEST ((nsec)1783951509 * NSEC_PER_SEC)

static const struct sink_seal_id SEAL = {.first = 1000, .last = 1999, .oldest = OLDEST};

static const struct sink_env BACKUP_ENV = {.stream = "app-logs", .identity = IDENTITY, .version = 7, .backup = true};

static struct buf rendered_in(const struct sink_env *env, const struct object_key_conf *conf,
                              const struct sink_seal_id *id, const char *extension)
{
    struct object_key *k;
    struct err e = {0};
    struct buf b;

    buf_init(&b, OBJECT_KEY_MAX);
    if (object_key_open(&k, conf, env, &e) < 0)
        fail_msg("open: %s", e.msg);
    if (object_key_render(k, id, extension, &b, &e) < 0)
        fail_msg("render: %s", e.msg);
    object_key_free(&k);
    buf_cstr(&b);
    return b;
}

static struct buf rendered(const struct object_key_conf *conf, const struct sink_seal_id *id, const char *extension)
{
    return rendered_in(&ENV, conf, id, extension);
}

static char *copy(const char *s)
{
    return (char *)(uintptr_t)s;
}

#define UUID_CHARACTERS 36

/* Everything but the uuid, which is replaced by a U. */
static void assert_name_in(const struct sink_env *env, struct object_key_conf conf, const struct sink_seal_id *id,
                           const char *extension, const char *want)
{
    struct buf b = rendered_in(env, &conf, id, extension);
    const char *at = strstr(want, "U");
    char got[OBJECT_KEY_MAX + 1];
    size_t before = (size_t)(at - want);

    if (b.n < before + UUID_CHARACTERS)
        fail_msg("got `%s`, want `%s`", b.p, want);
    snprintf(got, sizeof(got), "%.*sU%s", (int)before, b.p, b.p + before + UUID_CHARACTERS);
    if (strcmp(got, want) != 0)
        fail_msg("got `%s` (%s), want `%s`", got, b.p, want);
    buf_release(&b);
}

static void assert_name(struct object_key_conf conf, const char *extension, const char *want)
{
    assert_name_in(&ENV, conf, &SEAL, extension, want);
}

static void assert_error_name(struct object_key_conf conf, const char *want)
{
    struct sink_seal_id id = SEAL;

    id.error_type = "http-endpoint-failed";
    assert_name_in(&BACKUP_ENV, conf, &id, "", want);
}

static void names_are_firehoses(void **state)
{
    (void)state;
    assert_name((struct object_key_conf){0}, ".gz", "2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U.gz");
    assert_name((struct object_key_conf){.prefix = copy("")}, "", "2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U");
    assert_name((struct object_key_conf){.prefix = copy("legacy")}, "",
                "legacy2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U");
    assert_name((struct object_key_conf){.prefix = copy("a/")}, "", "a/2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U");
    assert_name((struct object_key_conf){.prefix = copy("app/!{timestamp:yyyy/MM/dd/HH}/")}, ".zst",
                "app/2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U.zst");
    assert_name((struct object_key_conf){.prefix = copy("y=!{timestamp:yyyy}/m=!{timestamp:MM}/")}, "",
                "y=2026/m=07/app-logs-7-2026-07-13-14-05-09-U");
    assert_name((struct object_key_conf){.prefix = copy("x/"), .extension = copy(".json.gz")}, ".gz",
                "x/2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U.json.gz");
    assert_name((struct object_key_conf){.prefix = copy("\\%Y/50%/\\x!{timestamp:yyyy}\\{{a}}/")}, "",
                "%Y/50%/\\x2026{{a}}/app-logs-7-2026-07-13-14-05-09-U");
}

static void error_objects_have_the_error_type_in_their_names(void **state)
{
    (void)state;
    assert_error_name((struct object_key_conf){0},
                      "http-endpoint-failed/2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U");
    assert_error_name((struct object_key_conf){.prefix = copy("a/")},
                      "a/http-endpoint-failed/2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U");
    assert_error_name((struct object_key_conf){.prefix = copy("a/"), .error_prefix = copy("errors/")},
                      "errors/http-endpoint-failed/2026/07/13/14/app-logs-7-2026-07-13-14-05-09-U");
    assert_error_name((struct object_key_conf){.prefix = copy("!{timestamp:yyyy}/"),
                                               .error_prefix = copy("e/!{firehose:error-output-type}/"
                                                                    "!{timestamp:yyyy-MM-dd}/")},
                      "e/http-endpoint-failed/2026-07-13/app-logs-7-2026-07-13-14-05-09-U");
    assert_error_name(
        (struct object_key_conf){.extension = copy(".json.gz"),
                                 .error_prefix = copy("!{firehose:error-output-type}!{timestamp:/yyyy/}")},
        "http-endpoint-failed/2026/app-logs-7-2026-07-13-14-05-09-U");
}

static void a_seals_objects_in_one_place_do_not_overwrite_one_another(void **state)
{
    const struct object_key_conf conf = {.error_prefix = copy("!{firehose:error-output-type}/")};
    const struct object_key_conf plain = {0};
    struct sink_seal_id failed = SEAL, unprocessed = SEAL;
    struct buf names[5];

    (void)state;
    failed.error_type = "http-endpoint-failed";
    unprocessed.error_type = "processing-failed";
    names[0] = rendered(&plain, &SEAL, "");
    names[1] = rendered_in(&BACKUP_ENV, &conf, &SEAL, "");
    names[2] = rendered_in(&BACKUP_ENV, &conf, &failed, "");
    names[3] = rendered_in(&BACKUP_ENV, &conf, &unprocessed, "");
    names[4] = rendered_in(&BACKUP_ENV, &conf, &failed, "");
    assert_string_equal(names[2].p, names[4].p); /* deterministic */
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(names[i].p + names[i].n - UUID_CHARACTERS,
                                    names[j].p + names[j].n - UUID_CHARACTERS);
    for (int i = 0; i < 5; i++)
        buf_release(&names[i]);
}

static void the_time_zone_moves_prefix_and_name(void **state)
{
    (void)state;
    assert_name((struct object_key_conf){.timezone = copy("Asia/Tokyo")}, "",
                "2026/07/13/23/app-logs-7-2026-07-13-23-05-09-U");
    assert_name((struct object_key_conf){.timezone = copy("America/New_York")}, "",
                "2026/07/13/10/app-logs-7-2026-07-13-10-05-09-U");
}

static void the_same_seal_has_the_same_name_and_no_other_has_it(void **state)
{
    const struct object_key_conf conf = {.prefix = copy("!{firehose:random-string}/!{firehose:random-string}/")};
    struct sink_seal_id other = SEAL;
    struct buf a = rendered(&conf, &SEAL, ""), b = rendered(&conf, &SEAL, ""), c;

    (void)state;
    other.last++;
    c = rendered(&conf, &other, "");
    assert_string_equal(a.p, b.p);
    assert_string_not_equal(a.p, c.p);
    assert_int_equal(a.p[11], '/');
    assert_int_equal(a.p[23], '/');
    assert_memory_not_equal(a.p, a.p + 12, 11); /* another for each occurrence */
    assert_memory_not_equal(a.p, c.p, 11);
    buf_release(&a);
    buf_release(&b);
    buf_release(&c);
}

static void the_same_numbers_of_another_run_have_another_name(void **state)
{
    const struct object_key_conf conf = {.prefix = copy("!{firehose:random-string}/")};
    const uint64_t epochs[] = {0, 1, 1ULL << 32, 0xfedcba9876543210, 0xfedcba9876543211};
    char names[ARRAY_LEN(epochs)][OBJECT_KEY_MAX + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(epochs); i++) {
        struct sink_seal_id id = SEAL;
        struct buf b;

        id.epoch = epochs[i];
        b = rendered(&conf, &id, "");
        snprintf(names[i], sizeof(names[i]), "%s", b.p);
        buf_release(&b);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(names[i], names[k]);
            assert_memory_not_equal(names[i], names[k], 11);
        }
    }
}

/* Pinned: a new version of the program must not deliver the seals of the old one under other names. */
static void names_stay_what_they_are_from_version_to_version(void **state)
{
    const struct object_key_conf conf = {.prefix = copy("!{firehose:random-string}/")};
    struct buf b = rendered(&conf, &SEAL, ".gz");

    (void)state;
    assert_string_equal(b.p, "xe5o6h1uevp/app-logs-7-2026-07-13-14-05-09-08aa2a1f-2ed4-86b3-80b4-b3f46778437e.gz");
    buf_release(&b);
}

/* --- partition keys --- */

/* As in key_set.h. */
#define KEYS(text) ((struct slice){(text), sizeof(text) - 1})

static struct sink_seal_id seal_with(struct slice keys)
{
    struct sink_seal_id id = SEAL;

    id.keys = keys;
    return id;
}

static void partition_keys_are_parts_of_names(void **state)
{
    const struct {
        const char *prefix;
        struct slice keys;
        const char *want;
    } cases[] = {
        /* Firehose's documented examples. */
        {"customer_id=!{partitionKeyFromQuery:customer_id}/device=!{partitionKeyFromQuery:device}/"
         "year=!{partitionKeyFromQuery:year}/month=!{partitionKeyFromQuery:month}/day=!{partitionKeyFromQuery:day}/"
         "hour=!{partitionKeyFromQuery:hour}/",
         KEYS("customer_id\0001234567890\0day\00027\0device\0mobile\0hour\00020\0month\00008\0year\0002019\0"),
         "customer_id=1234567890/device=mobile/year=2019/month=08/day=27/hour=20/"},
        {"customer_id=!{partitionKeyFromQuery:customer_id}/my-prefix/!{firehose:random-string}/",
         KEYS("customer_id\0001\0"), "customer_id=1/my-prefix/"},
        {"!{partitionKeyFromLambda:a}/!{partitionKeyFromLua:a}/!{timestamp:yyyy/MM/dd}/", KEYS("a\0x\0"),
         "x/x/2026/07/13/"},
        /* Not out of the folder. */
        {"t=!{partitionKeyFromLua:t}/", KEYS("t\0../../etc\0"), "t=..%2F..%2Fetc/app-logs-7-"},
        {"t=!{partitionKeyFromLua:t}/", KEYS("t\0a%2Fb\0"), "t=a%252Fb/app-logs-7-"},
        {"t=!{partitionKeyFromLua:t}/", KEYS("t\0!{timestamp:yyyy}\0"), "t=!{timestamp:yyyy}/app-logs-7-"},
        {"t=!{partitionKeyFromLua:t}/", KEYS("t\0\xc3\xa4 b=c\0"), "t=\xc3\xa4 b=c/app-logs-7-"},
        /* The record's own time: 2024-02-29T23:00:00Z. */
        {"!{timestamp:yyyy/MM/dd/HH}/", KEYS("!timestamp\0001709247600\0"),
         "2024/02/29/23/app-logs-7-2026-07-13-14-05-09-"},
        {"", KEYS("!timestamp\0001709247600\0"), "2024/02/29/23/app-logs-7-2026-07-13-14-05-09-"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct object_key_conf conf = {.prefix = copy(cases[i].prefix)};
        const struct sink_seal_id id = seal_with(cases[i].keys);
        struct buf b = rendered(&conf, &id, ".gz");

        if (strncmp(b.p, cases[i].want, strlen(cases[i].want)) != 0)
            fail_msg("got `%s`, want `%s`", b.p, cases[i].want);
        buf_release(&b);
    }
}

static void objects_of_one_range_differ_by_their_keys(void **state)
{
    const struct object_key_conf conf = {.prefix = copy("same/!{firehose:random-string}/")};
    const struct sink_seal_id ids[] = {SEAL, seal_with(KEYS("a\0001\0")), seal_with(KEYS("a\0002\0"))};
    struct buf names[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        names[i] = rendered(&conf, &ids[i], "");
    assert_string_not_equal(names[0].p, names[1].p);
    assert_string_not_equal(names[1].p, names[2].p);
    for (int i = 0; i < 3; i++)
        buf_release(&names[i]);
}

static uint64_t seed = 7;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (seed >> 33) % below;
}

/* A text of some parts. */
static void put_parts(const char *const *parts, size_t count, uint64_t most, char *out)
{
    *out = '\0';
    for (uint64_t n = draw(most + 1); n > 0; n--)
        strcat(out, parts[draw(count)]);
}

/* Whatever the prefix and the values are: a name, or a mistake that is told; and no folder in it leads out. */
static void no_prefix_and_no_value_lead_out(void **state)
{
    static const char *const TEXTS[] = {"a",
                                        "/",
                                        ".",
                                        "..",
                                        "!{",
                                        "}",
                                        "!{timestamp:yyyy}",
                                        "!{timestamp:",
                                        "'",
                                        ":",
                                        "\\",
                                        "%%",
                                        "\\{",
                                        "k=",
                                        "!",
                                        "{{",
                                        "!{firehose:random-string}",
                                        "!{partitionKeyFromQuery:a}",
                                        "!{partitionKeyFromLua:b}",
                                        "!{partitionKeyFromLambda:",
                                        "!{partitionKeyFromQuery:a}",
                                        "!{partitionKeyFromLua:b}",
                                        "/",
                                        "."};
    static const char *const VALUES[] = {
        ".", "..", "/", "a", "%", "2F", "!{", "}", "\\", "\xc3\xa4", " ", "=", "timestamp:yyyy"};
    size_t named = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        char prefix[400], value[2][100], why[PARTITION_WHY_MAX];
        struct object_key_conf conf = {.prefix = prefix};
        struct object_key *k = NULL;
        struct err e = {0};
        struct buf keys, name;
        struct sink_seal_id id = SEAL;

        put_parts(TEXTS, sizeof(TEXTS) / sizeof(TEXTS[0]), 8, prefix);
        if (object_key_open(&k, &conf, &ENV, &e) < 0) {
            assert_true(e.msg[0] != '\0');
            continue;
        }
        buf_init(&keys, 1000);
        buf_init(&name, OBJECT_KEY_MAX);
        for (int v = 0; v < 2; v++) {
            do {
                put_parts(VALUES, sizeof(VALUES) / sizeof(VALUES[0]), 4, value[v]);
            } while (partition_value_error(slice_str(value[v]), why));
            assert_int_equal(key_set_add(&keys, slice_str(v ? "b" : "a"), slice_str(value[v])), 0);
        }
        id.keys = buf_slice(&keys);
        if (object_key_render(k, &id, "", &name, &e) == 0) {
            const char *text = buf_cstr(&name);

            named++;
            for (const char *p = text; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
                if (strcspn(p, "/") == strspn(p, ".") && *p == '.' && strspn(p, ".") <= 2)
                    fail_msg("`%s` becomes `%s`", prefix, text);
        }
        buf_release(&keys);
        buf_release(&name);
        object_key_free(&k);
    }
    assert_true(named > 200);
}

static void a_missing_key_is_an_error(void **state)
{
    const struct object_key_conf conf = {.prefix = copy("!{partitionKeyFromLua:a}/")};
    struct object_key *k;
    struct err e = {0};
    struct buf b;

    (void)state;
    assert_int_equal(object_key_open(&k, &conf, &ENV, &e), 0);
    buf_init(&b, OBJECT_KEY_MAX);
    assert_int_equal(object_key_render(k, &SEAL, "", &b, &e), -1);
    assert_non_null(strstr(e.msg, "a partition key of it is not there"));
    buf_release(&b);
    object_key_free(&k);
}

static void mistakes_are_told_at_start(void **state)
{
    static char long_prefix[OBJECT_PREFIX_MAX + 2], half_long[600];
    const struct {
        struct object_key_conf conf;
        const char *want;
    } cases[] = {
        {{.prefix = copy("a/!{timestamp:yyyy")}, "no `}`"},
        {{.prefix = copy("a/!{yyyy}/")}, "!{namespace:value}"},
        {{.prefix = copy("!{firehose:error-output-type}/")}, "for error_prefix only"},
        {{.prefix = copy("!{firehose:nonsense}/")}, "not known"},
        {{.prefix = copy("!{date:yyyy}/")}, "not known"},
        {{.prefix = copy("!{partitionKeyFromQuery:}/")}, "name has 1 to 128 characters"},
        {{.prefix = copy("!{partitionKeyFromLambda:a/b}/")}, "name has letters, digits"},
        {{.prefix = copy("!{timestamp:}/")}, "empty"},
        {{.prefix = copy("!{timestamp:yyyy-bb}/")}, "letter `b` at character 6"},
        {{.prefix = copy("!{timestamp:YYYY}/")}, "calendar year is `yyyy`"},
        {{.prefix = copy("!{timestamp:ddd}/")}, "stands 3 times"},
        {{.prefix = copy("!{timestamp:'T}/")}, "not closed"},
        {{.prefix = copy("!{timestamp:yyyy[MM]}/")}, "reserved"},
        {{.prefix = copy("a\n/")}, "control character"},
        {{.prefix = copy("../x/")}, "cannot be named `..`"},
        {{.prefix = copy("a/./")}, "cannot be named `.`"},
        {{.prefix = copy("!{timestamp:'..'}/")}, "cannot be named `..`"},
        {{.prefix = long_prefix}, "at most 1024"},
        {{.prefix = half_long}, "at most 512"},
        {{.timezone = copy("EST")}, "three-letter"},
        {{.timezone = copy("Mars/Olympus")}, "not known here"},
        {{.timezone = copy("../../etc/passwd")}, "not an IANA"},
        {{.timezone = copy("America")}, "time zone `America`"},
        {{.extension = copy("gz")}, "extension"},
        {{.extension = copy(".GZ")}, "extension"},
        {{.extension = copy("./../x")}, "extension"},
    };

    (void)state;
    memset(long_prefix, 'a', sizeof(long_prefix) - 1);
    memset(half_long, 'a', sizeof(half_long) - 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct object_key *k = NULL;
        struct err e = {0};

        if (object_key_open(&k, &cases[i].conf, &ENV, &e) == 0)
            fail_msg("taken, but should say `%s`", cases[i].want);
        if (!strstr(e.msg, cases[i].want))
            fail_msg("says `%s`, should say `%s`", e.msg, cases[i].want);
        assert_null(k);
    }
}

static void mistakes_in_error_prefixes_are_told_at_start(void **state)
{
    const struct {
        const struct sink_env *env;
        struct object_key_conf conf;
        const char *want;
    } cases[] = {
        {&BACKUP_ENV,
         {.prefix = copy("!{timestamp:yyyy}/")},
         "error_prefix: needed where object names have expressions"},
        {&BACKUP_ENV, {.error_prefix = copy("e/!{timestamp:yyyy}/")}, "must be one of them"},
        {&BACKUP_ENV, {.prefix = copy("!{firehose:error-output-type}/")}, "for error_prefix only"},
        {&BACKUP_ENV, {.error_prefix = copy("!{firehose:error-output-typ}/")}, "error_prefix: `!{firehose:error-o"},
        {&BACKUP_ENV, {.error_prefix = copy("!{partitionKeyFromQuery:a}/")}, "has no partition keys"},
        {&BACKUP_ENV, {.prefix = copy("!{partitionKeyFromLua:a}/")}, "has no partition keys"},
        {&BACKUP_ENV, {.error_prefix = copy("../!{firehose:error-output-type}/")}, "error_prefix: a folder cannot"},
        {&ENV, {.error_prefix = copy("errors/")}, "set it there"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct object_key *k = NULL;
        struct err e = {0};

        if (object_key_open(&k, &cases[i].conf, cases[i].env, &e) == 0)
            fail_msg("taken, but should say `%s`", cases[i].want);
        if (!strstr(e.msg, cases[i].want))
            fail_msg("says `%s`, should say `%s`", e.msg, cases[i].want);
    }
}

static void a_name_that_finds_no_room_is_an_error(void **state)
{
    const struct object_key_conf conf = {0};
    struct object_key *k;
    struct err e;
    struct buf b;

    (void)state;
    assert_int_equal(object_key_open(&k, &conf, &ENV, &e), 0);
    for (size_t max = 0; max < 80; max += 7) {
        buf_init(&b, max);
        assert_int_equal(object_key_render(k, &SEAL, ".gz", &b, &e), -1);
        buf_release(&b);
    }
    object_key_free(&k);
}

static void other_texts_have_the_same_expressions(void **state)
{
    struct object_key_conf conf = {.timezone = copy("UTC")};
    struct object_key *k;
    struct err e = {0};
    struct buf b;

    (void)state;
    assert_int_equal(object_key_open(&k, &conf, &ENV, &e), 0);
    buf_init(&b, 64);
    assert_int_equal(object_key_render_text(k, &SEAL, "at !{timestamp:HH:mm}, 9 \\% \\{", &b), 0);
    assert_string_equal(buf_cstr(&b), "at 14:05, 9 % {");
    buf_release(&b);
    buf_init(&b, 4);
    assert_int_equal(object_key_render_text(k, &SEAL, "five.", &b), -1);
    buf_release(&b);
    object_key_free(&k);
    assert_int_equal(object_key_check_text("tagging", "!{timestamp:yyyy}-!{firehose:random-string}", &e), 0);
    assert_int_equal(object_key_check_text("tagging", "", &e), 0);
    assert_int_equal(object_key_check_text("tagging", "a!{nothing}", &e), -1);
    assert_non_null(strstr(e.msg, "tagging: `!{nothing}` is not of the form"));
    assert_int_equal(object_key_check_text("tagging", "a\n", &e), -1);
    assert_int_equal(object_key_check_text("tagging", "!{firehose:error-output-type}", &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_firehoses),
        cmocka_unit_test(error_objects_have_the_error_type_in_their_names),
        cmocka_unit_test(a_seals_objects_in_one_place_do_not_overwrite_one_another),
        cmocka_unit_test(mistakes_in_error_prefixes_are_told_at_start),
        cmocka_unit_test(the_time_zone_moves_prefix_and_name),
        cmocka_unit_test(the_same_seal_has_the_same_name_and_no_other_has_it),
        cmocka_unit_test(the_same_numbers_of_another_run_have_another_name),
        cmocka_unit_test(names_stay_what_they_are_from_version_to_version),
        cmocka_unit_test(partition_keys_are_parts_of_names),
        cmocka_unit_test(objects_of_one_range_differ_by_their_keys),
        cmocka_unit_test(no_prefix_and_no_value_lead_out),
        cmocka_unit_test(a_missing_key_is_an_error),
        cmocka_unit_test(mistakes_are_told_at_start),
        cmocka_unit_test(a_name_that_finds_no_room_is_an_error),
        cmocka_unit_test(other_texts_have_the_same_expressions),
    };

    return cmocka_run_group_tests_name("object_key", tests, NULL, NULL);
}
