/* A file of tests is a configuration of its own: the same tables (config/bind.h) bind it, and its mistakes have
 * file, line and column. What a test expects is brought into the form in which outcomes are compared (outcome.h)
 * while it is read. The tree of nodes stays: the transforms of each test are bound from it, with the test's own
 * `config`. */
#include "pipeline/cli/test/file.h"

#include "config/path.h"
#include "pipeline/base/base64.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/fields.h"
#include "transforms/text/time_text.h"

#include <string.h>

/* Of records that do not say when they came: 2025-01-01T00:00:00Z. */
#define ARRIVAL (1735689600 * NSEC_PER_SEC)

/* --- bytes --- */

/* Decoded into *data. */
static void bind_base64(struct cfg_errors *errs, const struct cfg_node *node, struct slice text, char **data, size_t *n)
{
    long got;

    *data = mem_alloc(base64_decoded_max(text.n) + BASE64_SLACK);
    got = base64_decode(text, *data);
    *n = got < 0 ? 0 : (size_t)got;
    if (got < 0)
        cfg_error(errs, node->at, "`base64` wants base64 with its padding and no white space");
}

/* --- input --- */

struct input_fields {
    char *data, *base64, *arrival;
    const struct cfg_node *facts;
};

static void keep_map(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    const struct cfg_node **kept = out;

    if (node && node->kind != CFG_NODE_MAP)
        cfg_error(errs, node->at, "`%s` wants a mapping (`key: value` lines), not %s", node->key->text,
                  cfg_node_kind(node));
    else
        *kept = node;
}

static const struct cfg_field INPUT[] = {
    {.name = "data", .type = CFG_STRING, .offset = offsetof(struct input_fields, data), .help = "the record"},
    {.name = "base64",
     .type = CFG_STRING,
     .offset = offsetof(struct input_fields, base64),
     .help = "the record, when it is no text"},
    {.name = "arrival",
     .type = CFG_STRING,
     .offset = offsetof(struct input_fields, arrival),
     .help = "when it came, in RFC 3339"},
    {.name = "facts",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct input_fields, facts),
     .bind = keep_map,
     .help = "what the input knows of it"},
    {.name = NULL},
};

static void set_data(struct test_input *in, const char *text)
{
    in->data = mem_strdup(text);
    in->n = strlen(text);
}

static char *facts_text(struct cfg_errors *errs, const struct cfg_node *facts)
{
    char *text = mem_strdup("");

    for (size_t i = 0; facts && i < facts->count; i++) {
        const struct cfg_node *fact = facts->items[i];
        char *longer;

        if (fact->kind != CFG_NODE_SCALAR) {
            cfg_error(errs, fact->at, "a fact is one value, not %s", cfg_node_kind(fact));
            continue;
        }
        longer = mem_printf("%s%s%s=%s", text, *text ? " " : "", fact->key->text, fact->text);
        mem_free(text);
        text = longer;
    }
    return text;
}

static void read_input_map(struct cfg_errors *errs, const struct cfg_node *node, struct test_input *in)
{
    struct input_fields f = {0};
    int64_t ms;
    struct err e;

    cfg_bind(errs, node, INPUT, &f);
    if (f.base64 && f.data)
        cfg_error(errs, node->at, "a record is `data` or `base64`, not both");
    else if (f.base64)
        bind_base64(errs, cfg_node_get(node, "base64"), slice_str(f.base64), &in->data, &in->n);
    else
        set_data(in, f.data ? f.data : "");
    if (f.arrival && time_text_parse_rfc3339(slice_str(f.arrival), NULL, &ms, &e) < 0)
        cfg_error(errs, cfg_node_get(node, "arrival")->at, "`arrival`: %s; write 2025-06-01T12:00:00Z", e.msg);
    else if (f.arrival)
        in->arrival = ms * NSEC_PER_MSEC;

    in->origin = facts_text(errs, f.facts);
    cfg_release(INPUT, &f);
}

static void bind_input(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct test_case *c = out;

    if (!node)
        return;
    if (node->kind != CFG_NODE_LIST) {
        cfg_error(errs, node->at, "`input` wants a list of records, not %s", cfg_node_kind(node));
        return;
    }
    c->inputs = mem_array(node->count, sizeof(*c->inputs));
    for (size_t i = 0; i < node->count; i++) {
        const struct cfg_node *item = node->items[i];
        struct test_input *in = &c->inputs[c->input_count++];

        in->arrival = ARRIVAL;
        if (item->kind == CFG_NODE_SCALAR)
            set_data(in, item->text);
        else if (item->kind == CFG_NODE_MAP)
            read_input_map(errs, item, in);
        else
            cfg_error(errs, item->at, "a record is a text or a mapping with `data`, not a list");
    }
}

/* --- expect --- */

struct expect_fields {
    char *record, *base64, *error;
    const struct cfg_node *dropped, *keys;
};

static void keep_scalar(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    const struct cfg_node **kept = out;

    if (node && node->kind != CFG_NODE_SCALAR)
        cfg_error(errs, node->at, "`%s` wants a single value, not %s", node->key->text, cfg_node_kind(node));
    else
        *kept = node;
}

static const struct cfg_field EXPECT[] = {
    {.name = "record", .type = CFG_STRING, .offset = offsetof(struct expect_fields, record), .help = "a record"},
    {.name = "base64",
     .type = CFG_STRING,
     .offset = offsetof(struct expect_fields, base64),
     .help = "a record that is no text"},
    {.name = "error",
     .type = CFG_STRING,
     .offset = offsetof(struct expect_fields, error),
     .help = "a part of the message"},
    {.name = "dropped",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct expect_fields, dropped),
     .bind = keep_scalar,
     .help = "true, or the reason"},
    {.name = "partition_keys",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct expect_fields, keys),
     .bind = keep_map,
     .help = "of a record"},
    {.name = NULL},
};

static void expect_record(struct cfg_errors *errs, const struct cfg_node *node, const struct expect_fields *f,
                          struct test_outcomes *outcomes)
{
    size_t count = f->keys ? f->keys->count : 0, n = 0;
    struct transform_key *keys = mem_array(count, sizeof(*keys));
    char *data = NULL;

    for (size_t i = 0; i < count; i++) {
        const struct cfg_node *key = f->keys->items[i];

        if (key->kind != CFG_NODE_SCALAR)
            cfg_error(errs, key->at, "a partition key is one value, not %s", cfg_node_kind(key));
        else
            keys[n++] = (struct transform_key){.name = slice_str(key->key->text), .value = slice_str(key->text)};
    }
    if (f->base64) {
        size_t size;

        bind_base64(errs, cfg_node_get(node, "base64"), slice_str(f->base64), &data, &size);
        test_outcomes_add_record(outcomes, slice_of(data, size), keys, n);
    } else {
        test_outcomes_add_record(outcomes, slice_str(f->record), keys, n);
    }
    mem_free(data);
    mem_free(keys);
}

static void expect_map(struct cfg_errors *errs, const struct cfg_node *node, struct test_outcomes *outcomes)
{
    struct expect_fields f = {0};

    cfg_bind(errs, node, EXPECT, &f);
    if (!f.record + !f.base64 + !f.error + !f.dropped != 3)
        cfg_error(errs, node->at, "expected is one of `record`, `base64`, `dropped` and `error`");
    else if (f.keys && !f.record && !f.base64)
        cfg_error(errs, f.keys->at, "only a record has `partition_keys`");
    else if (f.error)
        test_outcomes_add_error(outcomes, slice_str(f.error));
    else if (f.dropped && !f.dropped->quoted && strcmp(f.dropped->text, "true") == 0)
        test_outcomes_add_dropped(outcomes, (struct slice){0});
    else if (f.dropped)
        test_outcomes_add_dropped(outcomes, slice_str(f.dropped->text));
    else
        expect_record(errs, node, &f, outcomes);
    cfg_release(EXPECT, &f);
}

static void bind_expect(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct test_case *c = out;

    if (!node)
        return;
    if (node->kind != CFG_NODE_LIST) {
        cfg_error(errs, node->at, "`expect` wants a list, not %s; [] when nothing comes out", cfg_node_kind(node));
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct cfg_node *item = node->items[i];

        if (item->kind == CFG_NODE_SCALAR)
            test_outcomes_add_record(&c->expect, slice_str(item->text), NULL, 0);
        else if (item->kind == CFG_NODE_MAP)
            expect_map(errs, item, &c->expect);
        else
            cfg_error(errs, item->at, "expected is a text or a mapping such as `dropped: true`, not a list");
    }
}

/* --- the transforms of a test ---
 *
 * The options of `lua` stand beside its name or below it; either way they are a mapping, of which a copy with another `config` is
 * bound. Copies are shallow: what they share is the tree's. */

static void bind_transform(struct cfg_errors *errs, const struct cfg_node *node, const struct cfg_node *config,
                           struct stream_settings *st)
{
    const struct cfg_node *lua = cfg_node_get(node, "lua"), *map = lua && lua->kind == CFG_NODE_MAP ? lua : node;
    struct cfg_node options = *map, outer = *node, *only = &options;

    if (!config || !lua || lua->kind == CFG_NODE_LIST) {
        settings_transform_bind(errs, node, st);
        return;
    }
    options.items = mem_array(map->count + 1, sizeof(*options.items));
    options.count = 0;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->items[i]->key->text, "config") != 0)
            options.items[options.count++] = map->items[i];
    options.items[options.count++] = (struct cfg_node *)config;
    outer.items = &only;
    outer.count = 1;
    settings_transform_bind(errs, map == lua ? &outer : &options, st);
    mem_free(options.items);
}

/* The transforms of `c`: its own `config` stands in place of what `transform` says for its scripts; NULL: as it says. */
static void bind_transforms(struct cfg_errors *errs, const struct cfg_node *transform, const struct cfg_node *config,
                            struct stream_settings *st)
{
    if (transform && transform->kind == CFG_NODE_LIST && transform->count == 0)
        cfg_error(errs, transform->at, "`transform` is empty: there is nothing to test");
    if (transform && transform->kind != CFG_NODE_LIST)
        bind_transform(errs, transform, config, st);
    for (size_t i = 0; transform && transform->kind == CFG_NODE_LIST && i < transform->count; i++)
        bind_transform(errs, transform->items[i], config, st);
    for (size_t i = 0; i < st->transform_count; i++)
        st->transforms[i].from.node = NULL; /* the copies are gone */
}

/* --- tests --- */

static const struct cfg_field CASE[] = {
    {.name = "name",
     .type = CFG_STRING,
     .offset = offsetof(struct test_case, name),
     .required = true,
     .help = "what is tested, as a sentence"},
    {.name = "config",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct test_case, config),
     .bind = keep_map,
     .help = "the argument of init()"},
    {.name = "input", .type = CFG_CUSTOM, .required = true, .bind = bind_input, .help = "records"},
    {.name = "expect", .type = CFG_CUSTOM, .bind = bind_expect, .help = "what becomes of them"},
    {.name = NULL},
};

static void read_case(struct cfg_errors *errs, const struct cfg_node *node, const struct test_file *f,
                      struct test_case *c)
{
    const struct cfg_node *expect = cfg_node_get(node, "expect"), *name = cfg_node_get(node, "name");

    cfg_bind(errs, node, CASE, c);
    c->at = (struct srcpos){f->path, name ? name->at.line : node->at.line, name ? name->at.column : node->at.column};
    if (expect)
        c->expect_at = expect->key->at;
    c->expect_at.file = f->path;
    c->stream.name = mem_strdup("test");
    bind_transforms(errs, f->transform, c->config ? c->config : f->config, &c->stream);
}

static void bind_tests(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct test_file *f = out;

    if (node->kind != CFG_NODE_LIST) {
        cfg_error(errs, node->at, "`tests` wants a list of tests, not %s", cfg_node_kind(node));
        return;
    }
    f->cases = mem_array(node->count, sizeof(*f->cases));
    for (size_t i = 0; i < node->count; i++) {
        if (node->items[i]->kind == CFG_NODE_MAP)
            read_case(errs, node->items[i], f, &f->cases[f->count++]);
        else
            cfg_error(errs, node->items[i]->at, "a test is a mapping with `name`, `input` and `expect`, not %s",
                      cfg_node_kind(node->items[i]));
    }
}

static void keep_any(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    const struct cfg_node **kept = out;

    (void)errs;
    if (node)
        *kept = node;
}

/* `transform` and `config` come first: the tests are bound with them. */
static const struct cfg_field FILE_FIELDS[] = {
    {.name = "transform",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct test_file, transform),
     .bind = keep_any,
     .help = "as in a stream"},
    {.name = "config",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct test_file, config),
     .bind = keep_map,
     .help = "the argument of init()"},
    {.name = "tests", .type = CFG_CUSTOM, .required = true, .bind = bind_tests, .help = "the tests"},
    {.name = NULL},
};

/* --- the file --- */

/* `lua: NAME.lua` for NAME_test.yaml, as if it stood in the file. */
static void make_fallback(struct test_file *f, struct cfg_errors *errs)
{
    const char *slash = strrchr(f->path, '/'), *name = slash ? slash + 1 : f->path;
    size_t n = strlen(name), suffix = sizeof(TEST_FILE_SUFFIX) - 1;
    char *yaml;

    if (n <= suffix || strcmp(name + n - suffix, TEST_FILE_SUFFIX) != 0)
        return;
    yaml = mem_printf("lua: \"%.*s.lua\"\n", (int)(n - suffix), name);
    f->fallback = cfg_tree_parse(f->path, yaml, strlen(yaml), errs);
    if (f->fallback)
        f->transform = cfg_tree_root(f->fallback);
    mem_free(yaml);
}

static void read_file(struct test_file *f, struct cfg_errors *errs)
{
    const struct cfg_node *root = cfg_tree_root(f->tree);

    if (root->kind != CFG_NODE_MAP) {
        cfg_error(errs, root->at, "a file of tests is a mapping with `tests`, not %s", cfg_node_kind(root));
        return;
    }
    make_fallback(f, errs);
    if (!f->transform && !cfg_node_get(root, "transform"))
        cfg_error(errs, root->at, "`transform` is missing: only a file NAME" TEST_FILE_SUFFIX " means NAME.lua");
    else
        cfg_bind(errs, root, FILE_FIELDS, f);
}

struct test_file *test_file_load(const char *path, struct cfg_errors *errs)
{
    struct test_file *f = mem_alloc(sizeof(*f));
    size_t before = cfg_errors_count(errs);

    f->path = mem_strdup(path);
    f->base_dir = path_folder(path);
    f->tree = cfg_tree_load(path, errs);
    if (f->tree)
        read_file(f, errs);
    if (cfg_errors_count(errs) > before)
        test_file_free(&f);
    return f;
}

void test_file_free(struct test_file **file)
{
    struct test_file *f = *file;

    *file = NULL;
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++) {
        struct test_case *c = &f->cases[i];

        for (size_t j = 0; j < c->input_count; j++) {
            mem_free(c->inputs[j].data);
            mem_free(c->inputs[j].origin);
        }
        mem_free(c->inputs);
        mem_free(c->name);
        mem_free(c->stream.name);
        settings_transform_release(&c->stream);
        test_outcomes_release(&c->expect);
    }
    mem_free(f->cases);
    cfg_tree_free(&f->tree);
    cfg_tree_free(&f->fallback);

    mem_free(f->path);
    mem_free(f->base_dir);
    mem_free(f);
}
