/* The options of a format: bound from its table, checked, in the manual, and part of what makes the version in object names. No format
 * has any yet, so the registry here is the test's own. */
#include "tests/support/cmocka.h"

#include "config/errors.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/settings/settings.h"

#include <stddef.h>
#include <string.h>

struct table_conf {
    bool header;
    char *delimiter;
    struct cfg_strings columns;
};

static const struct cfg_field FIELDS[] = {
    {.name = "header",
     .type = CFG_BOOL,
     .offset = offsetof(struct table_conf, header),
     .def = "true",
     .help = "names first"},
    {.name = "delimiter",
     .type = CFG_STRING,
     .offset = offsetof(struct table_conf, delimiter),
     .def = ",",
     .help = "between two columns"},
    {.name = "columns",
     .type = CFG_STRINGS,
     .offset = offsetof(struct table_conf, columns),
     .required = true,
     .help = "fields of the record"},
    {.name = NULL},
};

static void table_check(const void *options, const struct cfg_options *o)
{
    const struct table_conf *c = options;
    struct err e;

    if (c->delimiter && strlen(c->delimiter) != 1) {
        err_set(&e, ERR_CONFIG, "delimiter: one character, not %zu", strlen(c->delimiter));
        cfg_options_refuse(o, &e);
    }
}

static uint64_t table_memory(const void *options, uint64_t bytes)
{
    const struct table_conf *c = options;

    return c->columns.n * bytes;
}

static const struct format_ops TABLE = {.name = "table",
                                        .extension = "",
                                        .content_type = "text/x-table",
                                        .no_codec = "it compresses its columns itself",
                                        .fields = FIELDS,
                                        .conf_size = sizeof(struct table_conf),
                                        .check_conf = table_check,
                                        .memory = table_memory};
static const struct format_ops LINES = {.name = "lines", .extension = "", .content_type = "text/plain"};
static const struct format_ops *const ALL[] = {&LINES, &TABLE};

const struct format_ops *format_at(size_t index)
{
    return index < ARRAY_LEN(ALL) ? ALL[index] : NULL;
}

const struct format_ops *format_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++)
        if (strcmp(ALL[i]->name, name) == 0)
            return ALL[i];
    return NULL;
}

#define TOP "admin: { listen: none }\nstreams:\n  app:\n    destination: { file: { path: ./out } }\n"

/* NULL: `said` has the mistakes. */
static struct settings *parse(const char *rest, struct buf *said)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s;
    struct buf text;

    buf_init(&text, MIB);
    assert_int_equal(buf_printf(&text, TOP "%s", rest), 0);
    s = settings_parse("c.yaml", "/usr", text.p, text.n, &SETTINGS_ALL, errs);
    buf_clear(said);
    cfg_errors_print(errs, said);
    cfg_errors_free(&errs);
    buf_release(&text);
    return s;
}

static void refuses(const char *rest, const char *message)
{
    struct buf said;
    struct settings *s;

    buf_init(&said, MIB);
    s = parse(rest, &said);
    if (s || !strstr(buf_cstr(&said), message))
        fail_msg("%s: `%s`, not `%s`", rest, buf_cstr(&said), message);
    buf_release(&said);
}

static void options_are_bound_with_their_defaults(void **state)
{
    struct buf said;
    struct settings *s;
    const struct table_conf *c;

    (void)state;
    buf_init(&said, MIB);
    s = parse("    format: { table: { columns: [a, b], delimiter: \";\" } }\n", &said);
    if (!s)
        fail_msg("%s", buf_cstr(&said));
    c = s->streams[0].format_conf;
    assert_ptr_equal(s->streams[0].format, &TABLE);
    assert_true(c->header);
    assert_string_equal(c->delimiter, ";");
    assert_int_equal(c->columns.n, 2);
    settings_free(&s);
    s = parse("    format: lines\n", &said);
    assert_null(s->streams[0].format_conf);
    settings_free(&s);
    buf_release(&said);
}

static void mistakes_have_their_place(void **state)
{
    (void)state;
    refuses("    format: table\n", "c.yaml:5:13: ");
    refuses("    format: table\n", "columns");
    refuses("    format: { table: { columns: a, delimter: x } }\n", "c.yaml:5:36: ");
    refuses("    format: { table: { columns: a, delimter: x } }\n", "did you mean `delimiter`?");
    refuses("    format: { table: { columns: a, delimiter: \";;\" } }\n",
            "c.yaml:5:47: delimiter: one character, not 2");
    refuses("    format: { lines: { columns: a } }\n", "`lines` has no options here");
    refuses("    format: { tabel: { columns: a } }\n", "did you mean `table`?");
    refuses("    format: { table: { columns: a } }\n    compression: gzip\n",
            "c.yaml:6:18: `format: table` cannot be compressed from outside: it compresses its columns itself");
    refuses("    format: { table: { columns: [a, b, c, d] } }\n    buffer: { size: 16MiB }\n", "limits.memory");
}

/* Objects of other options are other objects. */
static void options_are_part_of_the_version(void **state)
{
    unsigned char hash[3][32];
    struct buf said;

    (void)state;
    buf_init(&said, MIB);
    for (int i = 0; i < 3; i++) {
        struct settings *s = parse(i == 1 ? "    format: { table: { columns: a, header: false } }\n"
                                          : "    format: { table: { columns: a } }\n",
                                   &said);

        settings_delivery_hash(&s->streams[0], hash[i]);
        settings_free(&s);
    }
    assert_memory_equal(hash[0], hash[2], 32);
    assert_memory_not_equal(hash[0], hash[1], 32);
    buf_release(&said);
}

static void the_manual_has_them(void **state)
{
    struct buf manual;

    (void)state;
    buf_init(&manual, MIB);
    settings_reference(&manual);
    assert_non_null(strstr(buf_cstr(&manual), "| `table` | text/x-table |"));
    assert_non_null(strstr(buf_cstr(&manual), "### `table`"));
    assert_non_null(strstr(buf_cstr(&manual), "between two columns"));
    buf_release(&manual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_bound_with_their_defaults),
        cmocka_unit_test(mistakes_have_their_place),
        cmocka_unit_test(options_are_part_of_the_version),
        cmocka_unit_test(the_manual_has_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
