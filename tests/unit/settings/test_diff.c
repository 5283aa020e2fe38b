/* What is different between two configurations. Each option is tried: those of the tables by changing what they hold, one by one; those
 * that no row can compare by what is written. A new one without a try here fails the test. */
#include "tests/support/cmocka.h"

#include "config/errors.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/diff.h"
#include "pipeline/settings/fields.h"
#include "tests/unit/settings/parsed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/diff-test-XXXXXX";

struct outcome {
    struct settings *before, *now;
    struct cfg_errors *errs;
    struct settings_diff d;
    struct buf text; /* of the mistakes, then of what differs */
};

static void compare(struct outcome *o)
{
    o->errs = cfg_errors_new();
    settings_diff(o->before, o->now, o->errs, &o->d);
    buf_init(&o->text, MIB);
    cfg_errors_print(o->errs, &o->text);
    assert_int_equal(settings_diff_describe(&o->d, &o->text), 0);
}

static void forget(struct outcome *o)
{
    settings_diff_release(&o->d);
    cfg_errors_free(&o->errs);
    buf_release(&o->text);
}

static void release(struct outcome *o)
{
    forget(o);
    settings_free(&o->before);
    settings_free(&o->now);
}

static void diff(struct outcome *o, const char *before, const char *now)
{
    o->before = parsed_settings(dir, before);
    o->now = parsed_settings(dir, now);
    compare(o);
}

static void says(const char *before, const char *now, const char *expected)
{
    struct outcome o;

    diff(&o, before, now);
    assert_string_equal(buf_cstr(&o.text), expected);
    release(&o);
}

#define QUIET  "admin: { listen: none }\n"
#define APP    "  app: { destination: { file: { path: ./app } } }\n"
#define BEFORE QUIET "streams:\n" APP

/* --- each option of the tables --- */

/* Another value than it has. */
static void alter(const struct cfg_field *f, void *conf)
{
    char *at = (char *)conf + f->offset;
    struct cfg_strings *list = (struct cfg_strings *)(void *)at;

    switch (f->type) {
    case CFG_STRING:
        mem_free(*(char **)(void *)at);
        *(char **)(void *)at = mem_strdup("altered");
        break;
    case CFG_STRINGS:
        list->v = mem_grow(list->v, list->n + 1, sizeof(*list->v));
        list->v[list->n++] = mem_strdup("altered");
        break;
    case CFG_BOOL:
        *(bool *)at = !*(bool *)at;
        break;
    case CFG_ENUM:
        *(int *)(void *)at += 1;
        break;
    default:
        *(int64_t *)(void *)at += 1;
        break;
    }
}

static enum cfg_effect effect_of(const struct cfg_field *f, enum cfg_effect around)
{
    return f->effect ? f->effect : around;
}

/* It is seen, alone, and does what its row says. */
static void try_one(const struct cfg_field *f, const char *name, enum cfg_effect effect, bool of_stream, size_t offset)
{
    struct outcome o = {.before = parsed_settings(dir, BEFORE), .now = parsed_settings(dir, BEFORE)};
    void *conf = of_stream ? (void *)&o.now->streams[0] : (void *)o.now;
    char wanted[300];

    alter(f, (char *)conf + offset);
    compare(&o);
    if (effect == CFG_EFFECT_RESTART)
        snprintf(wanted, sizeof(wanted), "%s`%s` is another one than ", of_stream ? "stream `app`: " : "", name);
    else if (effect == CFG_EFFECT_AT_ONCE || effect == CFG_EFFECT_ADMIN)
        snprintf(wanted, sizeof(wanted), "set at once: %s\n", name);
    else
        snprintf(wanted, sizeof(wanted), "stream app: deliveries begin anew (%s)\n", name);
    if (!strstr(buf_cstr(&o.text), wanted))
        fail_msg("%s: not like \"%s\": %s", name, wanted, buf_cstr(&o.text));
    assert_int_equal(cfg_errors_count(o.errs), effect == CFG_EFFECT_RESTART);
    assert_int_equal(o.d.admin, effect == CFG_EFFECT_ADMIN);
    assert_ptr_equal(strchr(buf_cstr(&o.text), '\n'), strrchr(buf_cstr(&o.text), '\n'));
    assert_null(strstr(buf_cstr(&o.text), "altered")); /* no values */
    release(&o);
}

/* Those that are compared as they are written: each has a pair below. */
static const char *const WRITTEN[] = {"api.credentials", "streams",   "inputs",      "transform",
                                      "partition_keys",  "format",    "compression", "destination",
                                      "backup.file",     "backup.s3", "destinations"};

static bool is_written(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(WRITTEN); i++)
        if (strcmp(WRITTEN[i], name) == 0)
            return true;
    return false;
}

static size_t try_table(const struct cfg_field *fields, const char *prefix, enum cfg_effect around, bool of_stream,
                        size_t offset)
{
    size_t tried = 0;

    for (const struct cfg_field *f = fields; f->name; f++) {
        char name[200], inner[201];

        snprintf(name, sizeof(name), "%s%s", prefix, f->name);
        snprintf(inner, sizeof(inner), "%s.", name);
        if (f->type == CFG_BLOCK) {
            tried += try_table(f->fields, inner, effect_of(f, around), of_stream, offset + f->offset);
        } else if (f->type == CFG_CUSTOM) {
            if (!is_written(name))
                fail_msg("`%s` has no try here", name);
            tried++;
        } else {
            try_one(f, name, effect_of(f, around), of_stream, offset);
            tried++;
        }
    }
    return tried;
}

static void each_option_is_seen(void **state)
{
    (void)state;
    assert_true(try_table(settings_fields, "", CFG_EFFECT_RESTART, false, 0) > 20);
    assert_true(try_table(settings_stream_fields, "", CFG_EFFECT_DELIVERY, true, 0) > 20);
}

/* --- what is written --- */

#define ONE(more) QUIET "streams:\n  app: { destination: { file: { path: ./app } }" more " }\n"

static void what_no_row_compares_is_compared_as_it_is_written(void **state)
{
    static const char KEYS_A[] =
        "api: { credentials: [{ access_key_id: AKIDA, secret_access_key: quiet-a }] }\n" BEFORE;
    static const char KEYS_B[] =
        "api: { credentials: [{ access_key_id: AKIDA, secret_access_key: quiet-b }] }\n" BEFORE;

    (void)state;
    says(KEYS_A, KEYS_B, "set at once: api.credentials\n");
    says(BEFORE, KEYS_A, "set at once: api.credentials\n");
    says(KEYS_A, BEFORE, "set at once: api.credentials\n");
    says(ONE(""), ONE(", inputs: [{ tail: { paths: [./x] } }]"), "stream app: inputs begin anew (inputs)\n");
    says(ONE(""), ONE(", transform: decompress"), "stream app: deliveries begin anew (transform)\n");
    says(ONE(", format: lines"), ONE(", format: json_array"), "stream app: deliveries begin anew (format)\n");
    says(ONE(", compression: gzip"), ONE(", compression: { gzip: { level: 2 } }"),
         "stream app: deliveries begin anew (compression)\n");
    says(ONE(""), QUIET "streams:\n  app: { destination: { file: { path: ./b } } }\n",
         "stream app: deliveries begin anew (destination)\n");
    says(ONE(", backup: { file: { path: ./a } }"), ONE(", backup: { file: { path: ./b } }"),
         "stream app: deliveries begin anew (backup.file)\n");
    says(ONE(", backup: { file: { path: ./a } }"), ONE(", backup: { s3: { bucket: b, region: r } }"),
         "stream app: deliveries begin anew (backup.file, backup.s3)\n");
    says(ONE(""), ONE(", spool: { limit: 8MiB }"), "stream app: deliveries begin anew (spool.limit)\n");
    says(ONE(""), "limits: { memory: 32MiB }\n" ONE(""), "set at once: limits.memory\n");
    says(ONE(", inputs: [{ tail: { paths: [./x] } }], buffer: { size: 2KiB }"), ONE(", inputs: [api]"),
         "stream app: inputs and deliveries begin anew (inputs, buffer.size)\n");
}

static void what_says_the_same_in_other_words_is_no_difference(void **state)
{
    (void)state;
    says(BEFORE, BEFORE, "");
    says(BEFORE,
         "# a comment\n" QUIET "log: { level: info }\nlimits: { memory: 65536KiB }\ndata_dir: sluice-data\nstreams:\n"
         "  app:\n    inputs: [api]\n    durability: disk\n    spool: { limit: 1024MiB }\n    buffer:\n"
         "      interval: 1m\n    destination:\n      file:\n        path: ./app\n",
         "");
}

static void what_needs_a_restart_is_a_mistake_with_its_place(void **state)
{
    struct outcome o;

    (void)state;
    diff(&o, BEFORE,
         QUIET
         "api:\n  listen: 127.0.0.1:4000\ndata_dir: ./elsewhere\nstreams:\n  app:\n    spool:\n      limit: 8MiB\n"
         "    durability: memory\n    destination: { file: { path: ./app } }\n");
    assert_int_equal(cfg_errors_count(o.errs), 3);
    assert_non_null(strstr(buf_cstr(&o.text), "c.yaml:3:3: `api.listen` is another one than sluice runs with"));
    assert_non_null(strstr(buf_cstr(&o.text), "c.yaml:4:1: `data_dir` is another one"));
    assert_non_null(strstr(buf_cstr(&o.text), "c.yaml:9:5: stream `app`: `durability` is another one"));
    release(&o);
    diff(&o, "api: { listen: 127.0.0.1:4000 }\n" BEFORE, BEFORE); /* left out: at the top, where it would stand */
    assert_non_null(strstr(buf_cstr(&o.text), "c.yaml:1:1: `api.listen` is another one"));
    release(&o);
}

static void streams_come_and_go(void **state)
{
    struct outcome o;

    (void)state;
    diff(&o, BEFORE "  old: { destination: { file: { path: ./old } } }\n",
         QUIET "streams:\n  b: { destination: { file: { path: ./b } } }\n" APP
               "  a: { destination: { file: { path: ./a } } }\n");
    assert_string_equal(buf_cstr(&o.text), "stream b: added\nstream a: added\nstream old: removed\n");
    assert_int_equal(o.d.counts[SETTINGS_ADDED], 2);
    assert_int_equal(o.d.counts[SETTINGS_REMOVED], 1);
    assert_int_equal(o.d.counts[SETTINGS_SAME], 1);
    assert_int_equal(o.d.counts[SETTINGS_CHANGED], 0);
    release(&o);
}

static void write_script(const char *name, const char *text)
{
    char path[200];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void drop_script(const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

/* Also those that it requires. */
static void a_script_that_changed_is_seen(void **state)
{
    static const char YAML[] = ONE(", transform: { lua: main.lua }");
    struct outcome o;

    (void)state;
    write_script("main.lua", "local m = require 'part'\nfunction transform(r) return m(r) end\n");
    write_script("part.lua", "return function(r) return r end\n");
    says(YAML, YAML, "");
    o.before = parsed_settings(dir, YAML);
    write_script("part.lua", "return function(r) return r.raw end\n");
    o.now = parsed_settings(dir, YAML);
    compare(&o);
    assert_string_equal(buf_cstr(&o.text), "stream app: deliveries begin anew (the script of transform)\n");
    forget(&o);
    settings_unload(&o.before->streams[0]); /* what it was is remembered without it */
    compare(&o);
    assert_string_equal(buf_cstr(&o.text), "stream app: deliveries begin anew (the script of transform)\n");
    release(&o);
    drop_script("main.lua");
    drop_script("part.lua");
}

static void one_stream_of_a_configuration_can_be_dropped(void **state)
{
    struct settings *s = parsed_settings(
        dir, BEFORE "  b: { destination: { file: { path: ./b } } }\n  c: { destination: { file: { path: ./c } } }\n");
    const struct stream_settings *b = &s->streams[1];

    (void)state;
    settings_drop_stream(s, 0);
    assert_null(s->streams[0].name);
    assert_string_equal(b->name, "b");
    assert_string_equal(b->node->key->text, "b");
    settings_drop_stream(s, 2);
    settings_drop_stream(s, 1);
    settings_free(&s);
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return rmdir(dir);
}

/* --- several destinations --- */

#define SEVERAL(list, more) QUIET "streams:\n  app:\n    destinations:\n" list "    compression: gzip\n" more
#define A                   "      - { file: { path: ./a }, name: a }\n"
#define B                   "      - { file: { path: ./b }, name: b }\n"
#define B_PLAIN             "      - { file: { path: ./b }, name: b, compression: none }\n"

static void destinations_are_known_by_their_names(void **state)
{
    (void)state;
    says(SEVERAL(A B, ""), SEVERAL(B A, ""), ""); /* their order is nothing */
    says(SEVERAL(A B, ""), SEVERAL(A B_PLAIN, ""), "stream app: deliveries begin anew (b.compression)\n");
    says(SEVERAL(A B_PLAIN, ""), SEVERAL(A B_PLAIN, "    buffer: { interval: 5s }\n"),
         "stream app: deliveries begin anew (a.buffer.interval, b.buffer.interval)\n");
    says(SEVERAL(A, ""), SEVERAL(A B, ""), "stream app: deliveries begin anew (destinations)\n");
    says(SEVERAL(A B, ""), SEVERAL(B, "    spool: { limit: 2GiB }\n"),
         "stream app: deliveries begin anew (spool.limit, destinations)\n");
    says(BEFORE, SEVERAL(A, ""), "stream app: deliveries begin anew (destinations)\n");
    says(SEVERAL(A, ""), SEVERAL(A, "    give_up: [destination, partner]\n"),
         "stream app: deliveries begin anew (give_up)\n");
    says(SEVERAL(A, "    durability: memory\n"), SEVERAL(A B, "    durability: memory\n"),
         "c.yaml:4:5: stream `app`: `destinations` is another one than it runs with, and takes effect with a restart "
         "only\nstream app: deliveries begin anew (destinations)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_is_seen),
        cmocka_unit_test(destinations_are_known_by_their_names),
        cmocka_unit_test(what_no_row_compares_is_compared_as_it_is_written),
        cmocka_unit_test(what_says_the_same_in_other_words_is_no_difference),
        cmocka_unit_test(what_needs_a_restart_is_a_mistake_with_its_place),
        cmocka_unit_test(streams_come_and_go),
        cmocka_unit_test(a_script_that_changed_is_seen),
        cmocka_unit_test(one_stream_of_a_configuration_can_be_dropped),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
