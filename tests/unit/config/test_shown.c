/* Configuration for people: as YAML that reads like the file, and without its secrets. */
#include "tests/support/cmocka.h"

#include "config/shown.h"

#include <stdlib.h>
#include <string.h>

static void shown(const char *text, const char *want)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct cfg_tree *t = cfg_tree_parse("x.yaml", text, strlen(text), errs);
    struct buf out;

    buf_init(&out, 1 << 16);
    assert_non_null(t);
    assert_int_equal(cfg_show(cfg_tree_root(t), 0, &out), 0);
    assert_string_equal(buf_cstr(&out), want);
    buf_release(&out);
    cfg_tree_free(&t);
    cfg_errors_free(&errs);
}

static void it_reads_like_the_file(void **state)
{
    (void)state;
    shown(
        "inputs: [api, { tail: { include: '/var/log/*.log' } }]\nbuffer: { interval: 60s, size: 5MiB }\nx: {}\ny: []\n",
        "inputs:\n  - api\n  -\n    tail:\n      include: \"/var/log/*.log\"\nbuffer:\n  interval: 60s\n  size: "
        "5MiB\nx: "
        "{}\ny: []\n");
}

static void secrets_are_not_in_it(void **state)
{
    (void)state;
    setenv("TEST_SHOWN", "hidden", 1);
    shown("region: \"${env:TEST_SHOWN}\"\n", "region: ...\n");
    shown("password: x\napi_key: x\nAuthorization: x\nbearer: x\nsession_token: x\n",
          "password: ...\napi_key: ...\nAuthorization: ...\nbearer: ...\nsession_token: ...\n");
    shown("url: https://h.example/T0/secret\nother: https://h.example\n", "url: ...\nother: \"https://h.example\"\n");
    shown("proxy: user:hunter2@proxy:3128\nother: hunter2@proxy:3128\nnone: proxy:3128\n",
          "proxy: ...\nother: ...\nnone: \"proxy:3128\"\n");
    shown("url: https://h.example#hunter2\n", "url: ...\n");
    shown("tokens: [hunter2, x]\n", "tokens:\n  - ...\n  - ...\n");
    shown("the_name_of_an_option_that_is_longer_than_any_that_there_is_today_password: hunter2\n",
          "the_name_of_an_option_that_is_longer_than_any_that_there_is_today_password: ...\n");
    shown("headers: { X: a, Y: [b] }\nz: c\n", "headers:\n  X: ...\n  Y:\n    - ...\nz: c\n");
    shown("script: |\n  a\n  b\n", "script: ...\n");
}

static void what_is_odd_is_quoted(void **state)
{
    (void)state;
    shown("a: \"<b> & 'c' \\\"d\\\"\"\n\"k: y\": '-'\n", "a: \"<b> & 'c' \\\"d\\\"\"\n\"k: y\": \"-\"\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_like_the_file),
        cmocka_unit_test(secrets_are_not_in_it),
        cmocka_unit_test(what_is_odd_is_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
