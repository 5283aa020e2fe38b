/* Keys from where AWS's tools look for them, in their order. */
#include "tests/support/cmocka.h"
#include "tests/unit/sinks/aws_environment.h"

#include "pipeline/aws/credentials/credentials.h"
#include "pipeline/aws/credentials/profile_files.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-credentials-XXXXXX";
static char credentials_path[64], config_path[64];

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(credentials_path, sizeof(credentials_path), "%s/credentials", dir);
    snprintf(config_path, sizeof(config_path), "%s/config", dir);
    setenv("AWS_SHARED_CREDENTIALS_FILE", credentials_path, 1);
    setenv("AWS_CONFIG_FILE", config_path, 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(dir);
}

static int forget(void **state)
{
    (void)state;
    aws_environment_clear();
    unlink(credentials_path);
    unlink(config_path);
    return 0;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct credentials *made(const struct credentials_conf *conf)
{
    struct credentials *c;
    struct err e = {0};

    if (credentials_new(&c, conf, &e) < 0)
        fail_msg("%s", e.msg);
    return c;
}

static void assert_keys(struct credentials *c, const char *id, const char *secret, const char *token,
                        const char *source)
{
    struct aws_keys k;
    struct err e = {0};

    if (credentials_get(c, &k, &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(k.access_key_id, id);
    assert_string_equal(k.secret_access_key, secret);
    assert_string_equal(k.session_token, token);
    if (!strstr(k.source, source))
        fail_msg("source `%s`, want `%s`", k.source, source);
    aws_keys_wipe(&k);
    assert_int_equal(k.secret_access_key[0], 0);
}

static void assert_none(struct credentials *c, const char *want)
{
    struct aws_keys k;
    struct err e = {0};

    assert_int_equal(credentials_get(c, &k, &e), -1);
    if (!strstr(e.msg, want))
        fail_msg("says `%s`, should say `%s`", e.msg, want);
}

static void the_configuration_comes_first_then_environment_then_files(void **state)
{
    char id[] = "CONF", secret[] = "conf-secret", token[] = "conf-token";
    const struct credentials_conf nothing = {0},
                                  all = {.access_key_id = id, .secret_access_key = secret, .session_token = token};
    struct credentials *configured = made(&all), *c = made(&nothing);

    (void)state;
    write_file(credentials_path, "[default]\naws_access_key_id = FILE\naws_secret_access_key = file-secret\n");
    assert_keys(c, "FILE", "file-secret", "", "profile `default` of /tmp/");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
    setenv("AWS_SESSION_TOKEN", "env-token", 1);
    assert_keys(c, "ENV", "env-secret", "env-token", "the environment");
    assert_keys(configured, "CONF", "conf-secret", "conf-token", "the configuration");
    credentials_free(&configured);
    credentials_free(&c);
}

static void a_configured_profile_goes_before_the_environment(void **state)
{
    char profile[] = "logs";
    const struct credentials_conf conf = {.profile = profile};
    struct credentials *c = made(&conf);

    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
    write_file(config_path, "[default]\naws_access_key_id=NO\n[profile logs]\naws_access_key_id=YES\n"
                            "aws_secret_access_key=a=b/c+d==\naws_session_token = t \nregion = eu-west-1\n");
    assert_keys(c, "YES", "a=b/c+d==", "t", "profile `logs`");
    credentials_free(&c);
}

static void assert_endpoint(struct credentials *c, const char *want, const char *want_source)
{
    char out[AWS_ENDPOINT_MAX];
    const char *source = "";

    assert_int_equal(credentials_s3_endpoint(c, out, &source), want != NULL);
    assert_string_equal(out, want ? want : "");
    assert_string_equal(source, want ? want_source : "");
}

static void the_endpoint_is_the_environments_or_the_profiles(void **state)
{
    const struct credentials_conf nothing = {0};
    struct credentials *c = made(&nothing);

    (void)state;
    assert_endpoint(c, NULL, "");
    write_file(config_path, "[default]\nendpoint_url = http://profile:1\ns3 =\n  endpoint_url = http://no:1\n");
    assert_endpoint(c, "http://profile:1", "endpoint_url of the AWS profile");
    setenv("AWS_ENDPOINT_URL", "http://all:1", 1);
    assert_endpoint(c, "http://all:1", "AWS_ENDPOINT_URL");
    setenv("AWS_ENDPOINT_URL_S3", "http://s3:1", 1);
    assert_endpoint(c, "http://s3:1", "AWS_ENDPOINT_URL_S3");
    setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
    assert_endpoint(c, NULL, "");
    aws_environment_clear();
    write_file(config_path, "[default]\nendpoint_url = http://profile:1\nignore_configured_endpoint_urls = true\n#\n");
    assert_endpoint(c, NULL, "");
    credentials_free(&c);
}

static void changed_files_are_read_again(void **state)
{
    const struct credentials_conf nothing = {0};
    struct credentials *c = made(&nothing);

    (void)state;
    assert_none(c, "no AWS credentials");
    write_file(credentials_path, "[default]\naws_access_key_id=OLD\naws_secret_access_key=s\n");
    assert_keys(c, "OLD", "s", "", "default");
    write_file(credentials_path, "[default]\naws_access_key_id=NEWER\naws_secret_access_key=s\n");
    assert_keys(c, "NEWER", "s", "", "default");
    unlink(credentials_path);
    assert_none(c, "no AWS credentials");
    credentials_free(&c);
}

static void aws_profile_names_the_profile(void **state)
{
    const struct credentials_conf nothing = {0};
    struct credentials *c = made(&nothing);

    (void)state;
    setenv("AWS_PROFILE", "b", 1);
    write_file(credentials_path, "[a]\naws_access_key_id=A\naws_secret_access_key=a\n"
                                 "[ b ]\r\naws_access_key_id=B\r\naws_secret_access_key=bb\r\n");
    assert_keys(c, "B", "bb", "", "`b`");
    credentials_free(&c);
}

static void what_cannot_be_used_is_said(void **state)
{
    const struct credentials_conf nothing = {0};
    struct credentials *c = made(&nothing);

    (void)state;
    assert_none(c, credentials_path);
    assert_none(c, config_path);
    write_file(config_path, "[default]\nsso_session = y\n");
    assert_none(c, "`sso_session`, which is not supported");
    write_file(config_path, "[default]\nregion = x\n");
    assert_none(c, "but has no keys");
    write_file(credentials_path, "[default]\naws_access_key_id=A\n");
    assert_none(c, "without secret_access_key");
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    assert_none(c, "AWS_ACCESS_KEY_ID in the environment");
    credentials_free(&c);
}

static void the_region_of_environment_or_profile(void **state)
{
    const struct credentials_conf nothing = {0};
    struct credentials *c = made(&nothing);
    char region[64];

    (void)state;
    assert_false(credentials_region(c, region, sizeof(region)));
    write_file(config_path, "[default]\nregion = eu-west-3\n");
    assert_true(credentials_region(c, region, sizeof(region)));
    assert_string_equal(region, "eu-west-3");
    setenv("AWS_DEFAULT_REGION", "r2", 1);
    assert_true(credentials_region(c, region, sizeof(region)));
    assert_string_equal(region, "r2");
    setenv("AWS_REGION", "r1", 1);
    assert_true(credentials_region(c, region, sizeof(region)));
    assert_string_equal(region, "r1");
    credentials_free(&c);
}

static void odd_files(void **state)
{
    static const struct {
        const char *text, *id;
    } cases[] = {
        {"", ""},
        {"aws_access_key_id=BEFORE\n[default]\n", ""},
        {"[default\naws_access_key_id=X\n", ""},
        {"[default]\n# aws_access_key_id=X\n; aws_access_key_id=Y\n", ""},
        {"[default]\naws_access_key_id\n=\n", ""},
        {"[default] # comment\naws_access_key_id=LAST", "LAST"},
        {"[default]\ns3 =\n  aws_access_key_id = nested\n", ""},
        {"[default]\naws_access_key_id=ONE\n[other]\naws_access_key_id=TWO\n", "ONE"},
        {"[default]\naws_access_key_id=ONE\naws_access_key_id=TWO\n", "ONE"},
        {"[profile default]\naws_access_key_id=P\n", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_profile p = {0};

        aws_profile_parse(&p, AWS_FILE_CREDENTIALS, slice_str(cases[i].text), "default");
        if (strcmp(p.values[PROFILE_ACCESS_KEY_ID] ? p.values[PROFILE_ACCESS_KEY_ID] : "", cases[i].id) != 0)
            fail_msg("`%s` gives `%s`", cases[i].text, p.values[PROFILE_ACCESS_KEY_ID]);
        aws_profile_release(&p);
    }
}

/* Until the files are read; returns what comes then. */
static int polled(struct credentials *c, nsec now, struct aws_keys *k, struct err *e)
{
    int rc;

    while ((rc = credentials_poll(c, now, k, e)) == CREDENTIALS_NOT_YET)
        usleep(1000);
    return rc;
}

static void who_may_not_wait_asks_again_until_the_files_are_read(void **state)
{
    const nsec t = 1000 * NSEC_PER_SEC;
    const struct credentials_conf nothing = {0};
    struct credentials *c = made(&nothing);
    struct aws_keys k;
    struct err e = {0};

    (void)state;
    credentials_peek(c, &k);
    assert_string_equal(k.access_key_id, "");
    assert_int_equal(polled(c, t, &k, &e), -1);
    assert_non_null(strstr(e.msg, "no AWS credentials"));
    write_file(credentials_path, "[default]\naws_access_key_id = ONE\naws_secret_access_key = s\n");
    assert_int_equal(polled(c, t + NSEC_PER_MSEC, &k, &e), -1); /* believed for a second */
    assert_int_equal(polled(c, t + 2 * NSEC_PER_SEC, &k, &e), 0);
    assert_string_equal(k.access_key_id, "ONE");
    write_file(credentials_path, "[default]\naws_access_key_id = ROTATED\naws_secret_access_key = s\n");
    assert_int_equal(polled(c, t + 2 * NSEC_PER_SEC, &k, &e), 0);
    assert_string_equal(k.access_key_id, "ONE");
    assert_int_equal(polled(c, t + 4 * NSEC_PER_SEC, &k, &e), 0);
    assert_string_equal(k.access_key_id, "ROTATED");
    assert_int_equal(polled(c, t, &k, &e), 0); /* the clock was set back */
    credentials_peek(c, &k);
    assert_string_equal(k.access_key_id, "ROTATED");
    credentials_free(&c);
}

static void a_pipe_in_the_place_of_a_file_is_not_waited_for(void **state)
{
    const struct credentials_conf nothing = {0};
    struct credentials *c = made(&nothing);

    (void)state;
    assert_int_equal(mkfifo(credentials_path, 0600), 0);
    assert_none(c, "is a pipe, not a file");
    credentials_free(&c);
}

static void *get_often(void *arg)
{
    for (int i = 0; i < 300; i++) {
        struct aws_keys k;
        struct err e;

        if (credentials_get(arg, &k, &e) < 0 || strcmp(k.secret_access_key, k.access_key_id) != 0)
            return arg;
    }
    return NULL;
}

static void many_threads_see_whole_pairs_while_the_file_changes(void **state)
{
    const struct credentials_conf nothing = {0};
    struct credentials *c = made(&nothing);
    char next[80], text[200];
    pthread_t threads[3];

    (void)state;
    snprintf(next, sizeof(next), "%s.next", credentials_path);
    write_file(credentials_path, "[default]\naws_access_key_id=K\naws_secret_access_key=K\n");
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_often, c), 0);
    for (int i = 0; i < 100; i++) { /* as tools replace it: by rename */
        snprintf(text, sizeof(text), "[default]\naws_access_key_id=K%d\naws_secret_access_key=K%d\n", i, i);
        write_file(next, text);
        assert_int_equal(rename(next, credentials_path), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    credentials_free(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, forget, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_configuration_comes_first_then_environment_then_files),
        TEST(a_configured_profile_goes_before_the_environment),
        TEST(the_endpoint_is_the_environments_or_the_profiles),
        TEST(changed_files_are_read_again),
        TEST(aws_profile_names_the_profile),
        TEST(what_cannot_be_used_is_said),
        TEST(the_region_of_environment_or_profile),
        TEST(odd_files),
        TEST(who_may_not_wait_asks_again_until_the_files_are_read),
        TEST(a_pipe_in_the_place_of_a_file_is_not_waited_for),
        TEST(many_threads_see_whole_pairs_while_the_file_changes),
    };

    return cmocka_run_group_tests_name("credentials", tests, make_folder, remove_folder);
}
