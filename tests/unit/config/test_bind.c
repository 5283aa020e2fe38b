/* A table of every type: what it binds, what it refuses, and that manual and dump follow the same rows. */
#include "tests/support/cmocka.h"

#include "config/bind.h"
#include "config/errors.h"
#include "config/node.h"
#include "config/reference.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdlib.h>
#include <string.h>

struct inner {
    int64_t count;
    char *name;
};

struct conf {
    char *text;
    bool flag, memory;
    int64_t number;
    uint64_t size;
    nsec wait;
    int colour;
    struct cfg_strings list;
    struct inner inner;
    int custom;
    char *password;
};

enum { CUSTOM_LEFT_OUT = 1, CUSTOM_GIVEN };

static void bind_custom(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    (void)errs;
    *(int *)out = node ? CUSTOM_GIVEN : CUSTOM_LEFT_OUT;
}

static const struct cfg_choice colours[] = {{"red", 7}, {"green", 8}, {NULL, 0}};
static const struct cfg_choice durabilities[] = {{"disk", 0}, {"memory", 1}, {NULL, 0}};

static const struct cfg_field inner_fields[] = {
    {.name = "count",
     .type = CFG_INT,
     .offset = offsetof(struct inner, count),
     .def = "3",
     .min = -5,
     .max = 5,
     .help = "h"},
    {.name = "name", .type = CFG_STRING, .offset = offsetof(struct inner, name), .help = "h"},
    {.name = NULL},
};

static const struct cfg_field fields[] = {
    {.name = "text", .type = CFG_STRING, .offset = offsetof(struct conf, text), .required = true, .help = "a | b"},
    {.name = "flag", .type = CFG_BOOL, .offset = offsetof(struct conf, flag), .def = "true", .help = "h"},
    {.name = "durability",
     .type = CFG_BOOL,
     .offset = offsetof(struct conf, memory),
     .def = "disk",
     .choices = durabilities,
     .help = "h"},
    {.name = "number", .type = CFG_INT, .offset = offsetof(struct conf, number), .help = "h"},
    {.name = "size",
     .type = CFG_SIZE,
     .offset = offsetof(struct conf, size),
     .def = "1MiB",
     .min = 1024,
     .max = 128 * MIB,
     .help = "h"},
    {.name = "wait",
     .type = CFG_DURATION,
     .offset = offsetof(struct conf, wait),
     .def = "60s",
     .min = 0,
     .max = INT64_MAX,
     .help = "h"},
    {.name = "colour",
     .type = CFG_ENUM,
     .offset = offsetof(struct conf, colour),
     .def = "green",
     .choices = colours,
     .help = "h"},
    {.name = "list", .type = CFG_STRINGS, .offset = offsetof(struct conf, list), .def = "one", .help = "h"},
    {.name = "inner", .type = CFG_BLOCK, .offset = offsetof(struct conf, inner), .fields = inner_fields, .help = "h"},
    {.name = "custom",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct conf, custom),
     .bind = bind_custom,
     .syntax = "x",
     .help = "h"},
    {.name = "password",
     .type = CFG_STRING,
     .offset = offsetof(struct conf, password),
     .secret = true,
     .min = 4,
     .max = 9,
     .help = "h"},
    {.name = NULL},
};

/* Binds `yaml`; the messages go to `said`. */
static void bind(const char *yaml, struct conf *c, struct buf *said)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct cfg_tree *t = cfg_tree_parse("c", yaml, strlen(yaml), errs);

    *c = (struct conf){.text = NULL};
    buf_init(said, MIB);
    assert_non_null(t);
    cfg_bind(errs, cfg_tree_root(t), fields, c);
    cfg_errors_print(errs, said);
    cfg_tree_free(&t);
    cfg_errors_free(&errs);
}

static void assert_said(const char *yaml, const char *want)
{
    struct conf c;
    struct buf said;

    bind(yaml, &c, &said);
    assert_string_equal(buf_cstr(&said), want);
    cfg_release(fields, &c);
    buf_release(&said);
}

static void what_is_left_out_has_its_default(void **state)
{
    struct conf c;
    struct buf said;

    (void)state;
    bind("text: a\nsize:\ninner: ~\n", &c, &said);
    assert_int_equal(said.n, 0);
    assert_string_equal(c.text, "a");
    assert_true(c.flag);
    assert_false(c.memory);
    assert_int_equal(c.number, 0);
    assert_int_equal(c.size, MIB);
    assert_int_equal(c.wait, 60 * NSEC_PER_SEC);
    assert_int_equal(c.colour, 8);
    assert_int_equal(c.list.n, 1);
    assert_string_equal(c.list.v[0], "one");
    assert_int_equal(c.inner.count, 3);
    assert_null(c.inner.name);
    assert_int_equal(c.custom, CUSTOM_LEFT_OUT);
    cfg_release(fields, &c);
    assert_null(c.text);
    buf_release(&said);
}

static void every_type_takes_its_value(void **state)
{
    struct conf c;
    struct buf said;

    (void)state;
    bind("{text: 12, flag: false, durability: memory, number: -9223372036854775808, size: '2MiB', wait: 24h,\n"
         " colour: red, list: [a, b], inner: {count: -5, name: \"\"}, custom: [], password: hunt}",
         &c, &said);
    assert_string_equal(buf_cstr(&said), "");
    assert_string_equal(c.text, "12");
    assert_false(c.flag);
    assert_true(c.memory);
    assert_true(c.number == INT64_MIN);
    assert_int_equal(c.size, 2 * MIB);
    assert_int_equal(c.wait, 86400 * NSEC_PER_SEC);
    assert_int_equal(c.colour, 7);
    assert_int_equal(c.list.n, 2);
    assert_int_equal(c.inner.count, -5);
    assert_string_equal(c.inner.name, "");
    assert_int_equal(c.custom, CUSTOM_GIVEN);
    cfg_release(fields, &c);
    buf_release(&said);
}

static void a_mistake_anywhere_does_not_hide_the_others(void **state)
{
    (void)state;
    assert_said("size: 1\nflag: maybe\ninner: {count: 6, nmae: x}\nlist: [[]]\npassword: hunter2hunter2\n",
                "c:1:1: missing required key `text`: a | b\n"
                "c:1:7: `size` is `1`, out of range; allowed: 1KiB to 128MiB\n"
                "c:2:7: `flag` wants true or false, not `maybe`\n"
                "c:3:16: `count` is `6`, out of range; allowed: -5 to 5\n"
                "c:3:19: unknown key `nmae`; did you mean `name`?\n"
                "c:4:8: `list` wants texts, not a list\n"
                "c:5:11: `password` has 14 bytes; allowed: 4 to 9\n");
}

static void a_key_that_was_refused_is_not_called_missing(void **state)
{
    (void)state;
    assert_said("text: *x\n",
                "c:1:7: aliases (`*`) are not supported: write the value again, and quote it if it begins "
                "with `*`\n");
}

static void secrets_are_not_shown_in_any_message(void **state)
{
    (void)state;
    setenv("SLUICE_TEST_SECRET", "hunter2", 1);
    assert_said(
        "text: a\nnumber: ${env:SLUICE_TEST_SECRET}\nwait: ${env:SLUICE_TEST_SECRET}\n"
        "flag: ${env:SLUICE_TEST_SECRET}\ncolour: ${env:SLUICE_TEST_SECRET}\n",
        "c:2:9: `number` wants a whole number, not what it has (a secret, not shown)\n"
        "c:3:7: `wait` wants a duration: a whole number with ms, s, m, h or d, such as 250ms, 60s, 5m, 24h; not "
        "what it has (a secret, not shown)\n"
        "c:4:7: `flag` wants true or false, not what it has (a secret, not shown)\n"
        "c:5:9: `colour` cannot be what it has (a secret, not shown); known here: red, green\n");
}

static void messages_are_one_line_and_bounded_in_number(void **state)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct buf said;

    (void)state;
    buf_init(&said, MIB);
    cfg_error(errs, (struct srcpos){"c", 2, 1}, "second");
    cfg_error(errs, (struct srcpos){"c", 1, 9}, "a\nb\tc");
    cfg_error(errs, (struct srcpos){NULL, 0, 0}, "nowhere");
    cfg_errors_print(errs, &said);
    assert_string_equal(buf_cstr(&said), "nowhere\nc:1:9: a b c\nc:2:1: second\n");
    for (unsigned i = 0; i < 2 * CFG_ERRORS_MAX; i++)
        cfg_error(errs, (struct srcpos){"c", i + 10, 1}, "again");
    assert_int_equal(cfg_errors_count(errs), 2 * CFG_ERRORS_MAX + 3);
    buf_clear(&said);
    cfg_errors_print(errs, &said);
    assert_non_null(strstr(buf_cstr(&said), "\nand 103 more\n"));
    buf_release(&said);
    cfg_errors_free(&errs);
}

static void the_manual_shows_every_row(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, MIB);
    assert_int_equal(reference_fields(&out, "x.", fields), 0);
    assert_string_equal(buf_cstr(&out), "| option | value | default | what it is |\n|---|---|---|---|\n"
                                        "| `x.text` | text | **required** | a \\| b |\n"
                                        "| `x.flag` | `true` or `false` | `true` | h |\n"
                                        "| `x.durability` | `disk`, `memory` | `disk` | h |\n"
                                        "| `x.number` | number | | h |\n"
                                        "| `x.size` | size, 1KiB to 128MiB | `1MiB` | h |\n"
                                        "| `x.wait` | duration, 0s or more | `60s` | h |\n"
                                        "| `x.colour` | `red`, `green` | `green` | h |\n"
                                        "| `x.list` | list of texts | `one` | h |\n"
                                        "| `x.inner.count` | number, -5 to 5 | `3` | h |\n"
                                        "| `x.inner.name` | text | | h |\n"
                                        "| `x.custom` | x | | h |\n"
                                        "| `x.password` | text, 4 to 9 bytes | | h (secret: never shown) |\n");
    buf_release(&out);
}

static void a_dump_holds_all_values_but_secrets(void **state)
{
    struct conf c;
    struct buf said, out;

    (void)state;
    bind("{text: a, list: [b, 'c d'], password: hunter2}", &c, &said);
    buf_init(&out, MIB);
    assert_int_equal(dump_fields(&out, "", fields, &c), 0);
    assert_string_equal(buf_cstr(&out), "text=1:a\nflag=1\ndurability=0\nnumber=0\nsize=1048576\nwait=60000000000\n"
                                        "colour=8\nlist=2\n1:b\n3:c d\ninner.count=3\ninner.name=-\n");
    buf_release(&out);
    buf_release(&said);
    cfg_release(fields, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(every_type_takes_its_value),
        cmocka_unit_test(a_mistake_anywhere_does_not_hide_the_others),
        cmocka_unit_test(a_key_that_was_refused_is_not_called_missing),
        cmocka_unit_test(secrets_are_not_shown_in_any_message),
        cmocka_unit_test(messages_are_one_line_and_bounded_in_number),
        cmocka_unit_test(the_manual_shows_every_row),
        cmocka_unit_test(a_dump_holds_all_values_but_secrets),
    };

    return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
