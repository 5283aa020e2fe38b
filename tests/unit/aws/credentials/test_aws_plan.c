/* Which way leads to keys: the order of the places, profiles that lead to one another, and what is wrong with them. */
#include "tests/support/cmocka.h"
#include "tests/unit/sinks/aws_environment.h"

#include "pipeline/aws/credentials/plan.h"
#include "pipeline/base/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-plan-XXXXXX";
static char config_path[64];

static int make_folder(void **state)
{
    char none[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(config_path, sizeof(config_path), "%s/config", dir);
    snprintf(none, sizeof(none), "%s/none", dir);
    setenv("AWS_SHARED_CREDENTIALS_FILE", none, 1);
    setenv("AWS_CONFIG_FILE", config_path, 1);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(config_path);
    return rmdir(dir);
}

static int forget(void **state)
{
    (void)state;
    aws_environment_clear();
    unlink(config_path);
    return 0;
}

static void config(const char *text)
{
    FILE *f = fopen(config_path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* What the plan says of itself, or the message. */
static void assert_plan(const struct credentials_conf *conf, const char *want)
{
    struct aws_plan p;
    struct err e = {0};
    char text[256];

    if (aws_plan_make(&p, conf, &e) < 0) {
        snprintf(text, sizeof(text), "%.255s", e.msg);
    } else {
        aws_plan_describe(&p, text, sizeof(text));
        assert_true(aws_plan_same(&p, &p));
        aws_plan_release(&p);
    }
    if (!strstr(text, want))
        fail_msg("`%s` instead of `%s`", text, want);
}

static void the_first_place_that_is_set_up_is_the_one(void **state)
{
    const struct credentials_conf nothing = {.profile = NULL};

    (void)state;
    assert_plan(&nothing, "no AWS credentials: looked for access_key_id in the configuration");
    setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", 1);
    assert_plan(&nothing, "the instance's metadata");
    setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x", 1);
    assert_plan(&nothing, "the container's endpoint");
    config("[default]\nregion = eu-west-1\n");
    assert_plan(&nothing, "the container's endpoint");
    config("[default]\ncredential_process = /bin/keys\n");
    assert_plan(&nothing, "credential_process of profile `default`");
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/web", 1);
    assert_plan(&nothing, "credential_process of profile `default`");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token", 1);
    assert_plan(&nothing, "role arn:aws:iam::1:role/web by the web identity in /run/token");
    setenv("AWS_ACCESS_KEY_ID", "A", 1);
    assert_plan(&nothing, "AWS_ACCESS_KEY_ID in the environment: access_key_id: given without secret_access_key");
    setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
    assert_plan(&nothing, "the environment");
}

static void the_configuration_can_name_one_place(void **state)
{
    char arn[] = "arn:aws:iam::1:role/x", profile[] = "p", line[] = "/bin/keys 'a", file[] = "/run/token";
    char *words[] = {line, profile};
    struct credentials_conf c = {.ways = {.role_arn = arn}};

    (void)state;
    setenv("AWS_ACCESS_KEY_ID", "A", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "S", 1);
    assert_plan(&c, "role arn:aws:iam::1:role/x by the environment");
    c.ways.web_identity_token_file = file;
    assert_plan(&c, "role arn:aws:iam::1:role/x by the web identity in /run/token");
    c.ways = (struct credentials_ways){.source = CREDENTIALS_CONTAINER};
    assert_plan(&c, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is not in the environment");
    c.ways.source = CREDENTIALS_IMDS;
    assert_plan(&c, "AWS_EC2_METADATA_DISABLED forbids");
    unsetenv("AWS_EC2_METADATA_DISABLED");
    assert_plan(&c, "the instance's metadata");
    c.ways.source = CREDENTIALS_WEB_IDENTITY;
    assert_plan(&c, "AWS_WEB_IDENTITY_TOKEN_FILE is not in the environment");
    c.ways = (struct credentials_ways){.profile = profile};
    assert_plan(&c, "no AWS credentials: profile `p` is looked for");
    c.ways = (struct credentials_ways){.process = {words, 2}};
    assert_plan(&c, "program `/bin/keys 'a`");
    c.ways.process.n = 1;
    assert_plan(&c, "a quote in the command line is not closed");
}

static void profiles_that_lead_to_one_another(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"[profile p]\nrole_arn=arn:1\nsource_profile=q\n[profile q]\naws_access_key_id=A\naws_secret_access_key=S\n",
         "role arn:1 by profile `q` of "},
        {"[profile p]\nrole_arn=arn:1\nsource_profile=p\naws_access_key_id=A\naws_secret_access_key=S\n",
         "role arn:1 by profile `p` of "},
        {"[profile p]\nrole_arn=arn:1\nsource_profile=p\n", "its source_profile `p` has no keys of its own"},
        {"[profile p]\nrole_arn=arn:1\nsource_profile=q\n", "its source_profile `q` is not there"},
        {"[profile p]\nrole_arn=arn:1\nsource_profile=q\n[profile q]\nrole_arn=arn:2\nsource_profile=p\n",
         "leads back to `p`"},
        {"[profile p]\nrole_arn=arn:1\n", "needs one of source_profile, credential_source"},
        {"[profile p]\nrole_arn=arn:1\nsource_profile=q\ncredential_source=Environment\n", "needs one of"},
        {"[profile p]\nrole_arn=arn:1\ncredential_source=Environment\n", "AWS_ACCESS_KEY_ID is not set"},
        {"[profile p]\nrole_arn=arn:1\ncredential_source=EcsContainer\n", "AWS_CONTAINER_CREDENTIALS_* is not set"},
        {"[profile p]\nrole_arn=arn:1\ncredential_source=Ec2InstanceMetadata\n", "AWS_EC2_METADATA_DISABLED is set"},
        {"[profile p]\nrole_arn=arn:1\ncredential_source=Elsewhere\n", "credential_source: Environment, "},
        {"[profile p]\nrole_arn=arn:1\nweb_identity_token_file=/t\n", "role arn:1 by the web identity in /t"},
        {"[profile p]\nrole_arn=arn:1\ncredential_source=Environment\nduration_seconds=60\n", "not 900 to 43200"},
        {"[profile p]\ncredential_process=\n", "has no keys"},
        {"[profile p]\ncredential_process=a \"b\n", "a quote in the command line is not closed"},
        {"[profile p]\nsso_start_url=https://x\n", "`sso_start_url`, which is not supported"},
        {"[profile p]\naws_secret_access_key=S\n", "given without access_key_id"},
    };
    char name[] = "p";
    const struct credentials_conf c = {.profile = name};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        config(cases[i].text);
        assert_plan(&c, cases[i].want);
    }
}

static void a_long_way_has_an_end(void **state)
{
    char name[] = "p0", text[2000];
    const struct credentials_conf c = {.profile = name};

    (void)state;
    for (int last = CREDENTIALS_ROLES_MAX - 1; last <= CREDENTIALS_ROLES_MAX; last++) {
        int n = 0;

        for (int i = 0; i < last; i++)
            n += snprintf(text + n, sizeof(text) - (size_t)n, "[profile p%d]\nrole_arn=arn:%d\nsource_profile=p%d\n", i,
                          i, i + 1);
        snprintf(text + n, sizeof(text) - (size_t)n, "[profile p%d]\ncredential_process=x\n", last);
        config(text);
        assert_plan(&c, last < CREDENTIALS_ROLES_MAX ? "role arn:0 by credential_process of profile `p4`"
                                                     : "profiles lead to one another");
    }
}

static void plans_that_differ(void **state)
{
    static const char *const TEXTS[] = {"aws_access_key_id=A\naws_secret_access_key=S\n",
                                        "aws_access_key_id=A\naws_secret_access_key=T\n",
                                        "credential_process=a b\n",
                                        "credential_process=a c\n",
                                        "credential_process=a\n",
                                        "role_arn=arn:1\nweb_identity_token_file=/t\n",
                                        "role_arn=arn:2\nweb_identity_token_file=/t\n",
                                        "role_arn=arn:1\nweb_identity_token_file=/u\n",
                                        "role_arn=arn:1\nweb_identity_token_file=/t\nrole_session_name=n\n",
                                        "role_arn=arn:1\nweb_identity_token_file=/t\nregion=r\n"};
    struct aws_plan plans[ARRAY_LEN(TEXTS)];
    const struct credentials_conf nothing = {.profile = NULL};
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        char text[200];

        snprintf(text, sizeof(text), "[default]\n%s", TEXTS[i]);
        config(text);
        if (aws_plan_make(&plans[i], &nothing, &e) < 0)
            fail_msg("%s", e.msg);
    }
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        for (size_t j = 0; j < ARRAY_LEN(TEXTS); j++)
            assert_int_equal(aws_plan_same(&plans[i], &plans[j]), i == j);
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        aws_plan_release(&plans[i]);
}

static void addresses_of_containers(void **state)
{
    static const struct {
        const char *full, *relative;
        int rc;
    } cases[] = {
        {NULL, NULL, 1},
        {"", "", 1},
        {NULL, "/v2/credentials/x?a=b", 0},
        {NULL, "@evil/", -1},
        {NULL, ".evil/", -1},
        {NULL, "/a b", -1},
        {"http://127.0.0.1/x", NULL, 0},
        {"http://127.3.2.1:99/x", NULL, 0},
        {"http://localhost:8080", NULL, 0},
        {"http://[::1]:80/x", NULL, 0},
        {"http://[fd00:ec2::23]/v1/credentials", NULL, 0},
        {"http://[fd00:0ec2:0::23]/v1/credentials", NULL, 0},
        {"http://169.254.170.2/x", NULL, 0},
        {"http://169.254.170.23/v1/credentials", NULL, 0},
        {"http://169.254.170.3/x", NULL, -1},
        {"http://192.0.2.1/x", NULL, -1},
        {"http://127.0.0.1.evil.example/x", NULL, -1},
        {"http://localhost.evil.example/x", NULL, -1},
        {"http://[fd00:ec2::24]/x", NULL, -1},
        {"http://127.0.0.1@evil.example/x", NULL, -1},
        {"https://keys.example/x", NULL, 0},
        {"ftp://127.0.0.1/x", NULL, -1},
        {"http://127.0.0.1/x\r\nA: b", NULL, -1},
        {"http://evil.example/x", "/v2/x", 0}, /* the relative one goes first */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char url[AWS_URL_MAX];
        struct err e = {0};
        int rc;

        aws_environment_clear();
        if (cases[i].full)
            setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cases[i].full, 1);
        if (cases[i].relative)
            setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", cases[i].relative, 1);
        rc = aws_container_address(url, sizeof(url), &e);
        if (rc != cases[i].rc)
            fail_msg("%s %s: %d %s", cases[i].full ? cases[i].full : "", cases[i].relative ? cases[i].relative : "", rc,
                     e.msg);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, forget, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_place_that_is_set_up_is_the_one),
        TEST(the_configuration_can_name_one_place),
        TEST(profiles_that_lead_to_one_another),
        TEST(a_long_way_has_an_end),
        TEST(plans_that_differ),
        TEST(addresses_of_containers),
    };

    return cmocka_run_group_tests_name("aws plan", tests, make_folder, remove_folder);
}
