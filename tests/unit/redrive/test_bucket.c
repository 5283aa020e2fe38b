/* With which options a bucket is read: those of the stream for the same bucket, those of the command line above them. */
#include "tests/support/cmocka.h"

#include "config/errors.h"
#include "pipeline/base/compiler.h"
#include "pipeline/redrive/bucket.h"

#include <string.h>

static const char YAML[] =
    "streams:\n"
    "  app:\n"
    "    destination: { s3: { bucket: logs, endpoint: http://d:1, region: d-1, tls: { verify: false } } }\n"
    "    backup: { mode: failed, s3: { bucket: errors, endpoint: http://b:1, region: b-1, timeout: 9s } }\n"
    "  one:\n"
    "    destination: { s3: { bucket: both, endpoint: http://d:2 } }\n"
    "    backup: { mode: failed, s3: { bucket: both, endpoint: http://b:2 } }\n"
    "  files:\n"
    "    destination: { file: { path: ./out } }\n";

static char bucket_logs[] = "logs", bucket_errors[] = "errors", bucket_both[] = "both", bucket_other[] = "other";
static char mine[] = "http://mine:1", region[] = "mine-1";

static void the_nearest_options_are_taken(void **state)
{
    const struct {
        const char *stream;
        char *bucket, *endpoint, *region;
        const char *section, *place, *want_endpoint, *want_region;
        bool verify;
        int seconds;
    } cases[] = {
        {"app", bucket_errors, NULL, NULL, "backup", "backup.s3.", "http://b:1", "b-1", true, 9},
        {"app", bucket_logs, NULL, NULL, "destination", "destination.s3.", "http://d:1", "d-1", false, 300},
        {"one", bucket_both, NULL, NULL, "backup", "backup.s3.", "http://b:2", NULL, true, 300},
        {"app", bucket_errors, mine, NULL, "backup", "--s3-", "http://mine:1", "b-1", true, 9},
        {"app", bucket_logs, NULL, region, "destination", "--s3-", "http://d:1", "mine-1", false, 300},
        {"app", bucket_other, NULL, NULL, NULL, "--s3-", NULL, NULL, true, 300},
        {"app", bucket_other, mine, region, NULL, "--s3-", "http://mine:1", "mine-1", true, 300},
        {"files", bucket_logs, NULL, NULL, NULL, "--s3-", NULL, NULL, true, 300},
        {"none", bucket_logs, NULL, NULL, NULL, "--s3-", NULL, NULL, true, 300},
    };
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s = settings_parse("c.yaml", "/base", YAML, strlen(YAML), &SETTINGS_ALL, errs);

    (void)state;
    assert_non_null(s);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct bucket_question q = {s, cases[i].stream, cases[i].bucket, cases[i].endpoint, cases[i].region};
        const char *none = "none";
        struct bucket_options o;

        bucket_options_choose(&q, &o);
        assert_string_equal(o.section ? o.section : none, cases[i].section ? cases[i].section : none);
        assert_string_equal(o.place, cases[i].place);
        assert_string_equal(o.base_dir, "/base");
        assert_string_equal(o.conf.bucket, cases[i].bucket);
        assert_string_equal(o.conf.endpoint ? o.conf.endpoint : none,
                            cases[i].want_endpoint ? cases[i].want_endpoint : none);
        assert_string_equal(o.conf.region ? o.conf.region : none, cases[i].want_region ? cases[i].want_region : none);
        assert_true(o.conf.tls.verify == cases[i].verify);
        assert_true(o.conf.timeout == cases[i].seconds * NSEC_PER_SEC);
    }
    settings_free(&s);
    cfg_errors_free(&errs);
}

static void without_a_configuration_it_is_aws_or_the_command_line(void **state)
{
    const struct bucket_question q = {NULL, "app", bucket_logs, NULL, region};
    struct bucket_options o;

    (void)state;
    bucket_options_choose(&q, &o);
    assert_null(o.section);
    assert_null(o.conf.endpoint);
    assert_string_equal(o.conf.region, region);
    assert_true(o.conf.tls.verify);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_options_are_taken),
        cmocka_unit_test(without_a_configuration_it_is_aws_or_the_command_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
