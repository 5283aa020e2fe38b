/* Partition keys go from the stream's options (queries, the record's time) and scripts into the places of its destination. Who wants
 * what is known from the options alone; out of it one transform is made, which stands behind those of the file. */
#include "config/node.h"
#include "config/options.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/fields.h"
#include "pipeline/settings/settings.h"
#include "sinks/names/uses.h"
#include "transforms/partition/partition.h"

#include <string.h>

/* --- options --- */

static char *text_of(struct cfg_errors *errs, const struct cfg_node *node, const char *what)
{
    if (node->kind == CFG_NODE_SCALAR && !cfg_node_is_null(node))
        return mem_strdup(node->text);
    cfg_error(errs, node->at, "`%s` wants a text, not %s", what,
              node->kind == CFG_NODE_SCALAR ? "nothing" : cfg_node_kind(node));
    return NULL;
}

static void bind_query(struct cfg_errors *errs, const struct cfg_node *item, struct partition_query *q)
{
    const struct cfg_node *query = item;

    if (item->kind == CFG_NODE_MAP) {
        query = cfg_node_get(item, "query");
        for (size_t i = 0; i < item->count; i++) {
            const struct cfg_node *option = item->items[i];

            if (strcmp(option->key->text, "default") == 0 && !option->bad)
                q->default_value = text_of(errs, option, "default");
            else if (option != query)
                cfg_error(errs, option->key->at, "unknown key `%s`; known here: query, default", option->key->text);
        }
        if (!query) {
            cfg_error(errs, item->key->at, "partition key `%s` wants a `query`, such as .customer_id", q->name);
            return;
        }
    }
    if (!query->bad)
        q->query = text_of(errs, query, item == query ? q->name : "query");
}

void settings_queries_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;

    if (!node)
        return;
    if (node->kind != CFG_NODE_MAP) {
        cfg_error(errs, node->at,
                  "`partition_keys` wants a mapping of names to queries, such as `{ customer: "
                  ".customer_id }`, not %s",
                  cfg_node_kind(node));
        return;
    }
    if (node->count > PARTITION_KEYS_MAX)
        cfg_error(errs, node->at, "`partition_keys` has at most %d keys, these are %zu", PARTITION_KEYS_MAX,
                  node->count);
    st->queries = mem_array(node->count ? node->count : 1, sizeof(*st->queries));
    for (size_t i = 0; i < node->count && i < PARTITION_KEYS_MAX; i++) {
        struct partition_query *q = &st->queries[st->query_count++];
        const char *wrong = partition_name_error(slice_str(node->items[i]->key->text));
        char why[PARTITION_WHY_MAX];

        *q = (struct partition_query){.name = mem_strdup(node->items[i]->key->text), .at = node->items[i]->key->at};
        if (wrong)
            cfg_error(errs, q->at, "a partition key's name %s", wrong);
        else if (!node->items[i]->bad)
            bind_query(errs, node->items[i], q);
        wrong = q->default_value ? partition_value_error(slice_str(q->default_value), why) : NULL;
        if (wrong)
            cfg_error(errs, node->items[i]->at, "partition key `%s`: a value %s", q->name, wrong);
    }
}

void settings_queries_release(void *out)
{
    struct stream_settings *st = out;

    for (size_t i = 0; i < st->query_count; i++) {
        mem_free(st->queries[i].name);
        mem_free(st->queries[i].query);
        mem_free(st->queries[i].default_value);
    }
    MEM_CLEAR(st->queries);
    st->query_count = 0;
}

static const struct cfg_choice MISSING[] = {{"arrival", 0}, {"fail", 1}, {NULL, 0}};

const struct cfg_field settings_time_fields[] = {
    {.name = "field",
     .type = CFG_STRING,
     .offset = offsetof(struct stream_settings, time_field),
     .max = 256,
     .help = "the record's field that says it, such as ts or event.time"},
    {.name = "format",
     .type = CFG_STRING,
     .offset = offsetof(struct stream_settings, time_format),
     .def = "rfc3339",
     .max = 128,
     .help = "rfc3339, unix, unix_ms, unix_us, unix_ns, or a pattern such as \"%d/%b/%Y:%H:%M:%S %z\""},
    {.name = "missing",
     .type = CFG_BOOL,
     .offset = offsetof(struct stream_settings, time_must),
     .choices = MISSING,
     .def = "arrival",
     .help = "of a record without such a time: `arrival` counts, or it must `fail` and goes to the backup"},
    {.name = NULL},
};

/* --- what follows from them --- */

static const struct partition_query *find_query(const struct stream_settings *st, struct slice name)
{
    for (size_t i = 0; i < st->query_count; i++)
        if (slice_is(name, st->queries[i].name))
            return &st->queries[i];
    return NULL;
}

static bool has_key(const struct key_uses *u, enum key_source source, const char *name)
{
    for (size_t i = 0; i < u->count; i++)
        if (u->key[i].source == source && slice_is(u->key[i].name, name))
            return true;
    return false;
}

static char *copy(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

static void add_key(const struct stream_settings *st, const struct key_use *use, struct partition_conf *c)
{
    const struct partition_query *q = use->source == KEY_FROM_QUERY ? find_query(st, use->name) : NULL;
    struct partition_conf_key *k = &c->key[c->count];

    if (use->source == KEY_FROM_QUERY && (!q || !q->query))
        return; /* a mistake that is told elsewhere */
    *k = (struct partition_conf_key){.name = mem_printf("%.*s", (int)use->name.n, use->name.p), .uses = use->bounded};
    if (q) {
        k->query = mem_strdup(q->query);
        k->default_value = copy(q->default_value);
    }
    c->count++;
}

void settings_partition(struct stream_settings *st)
{
    struct partition_conf *c;
    struct key_uses uses;
    bool timed;

    if (!st->sink || !st->sink_conf)
        return;
    key_uses_of(st->sink, st->sink_conf, st->name, &uses);
    timed = st->time_field && uses.timed && uses.unit != TIME_FINER;
    if (uses.count == 0 && !timed)
        return;
    c = mem_alloc(sizeof(*c));
    for (size_t i = 0; i < uses.count; i++)
        add_key(st, &uses.key[i], c);
    c->room = uses.room;
    c->form = uses.form;
    memcpy(c->place, uses.place, sizeof(c->place));
    c->place_count = uses.place_count;
    if (timed) {
        c->time_field = mem_strdup(st->time_field);
        c->time_format = mem_strdup(st->time_format);
        c->time_must = st->time_must;
        c->unit = uses.unit;
        c->offset = uses.offset;
        c->timezone = copy(uses.timezone);
    }
    st->transforms = mem_grow(st->transforms, st->transform_count + 1, sizeof(*st->transforms));
    st->transforms[st->transform_count++] = (struct transform_settings){
        .ops = &transform_partition, .conf = c, .from = {.node = st->options, .at = st->at, .bound = true}};
    st->keyed = true;
    st->partitioned = !st->sink->keys_of_records;
}

/* --- what is wrong with them --- */

static bool has_script(const struct stream_settings *st)
{
    for (size_t i = 0; i < st->transform_count; i++)
        if (strcmp(st->transforms[i].ops->name, "lua") == 0)
            return true;
    return false;
}

static int check_use(const struct stream_settings *st, const struct key_uses *uses, const struct key_use *use,
                     struct err *e)
{
    int n = (int)use->name.n;
    const char *name = use->name.p;

    if (use->source == KEY_FROM_SCRIPT && !has_script(st))
        return err_set(e, ERR_CONFIG,
                       "%s: the partition key `%.*s` comes from a script, and this stream has none: `transform: { lua: "
                       "FILE }`, with meta.partition_keys.%.*s = ... in it",
                       use->option, n, name, n, name);
    if (use->source == KEY_FROM_QUERY && !find_query(st, use->name))
        return err_set(e, ERR_CONFIG,
                       "%s: the partition key `%.*s` has no query; write `partition_keys: { %.*s: .%.*s }` in the "
                       "stream, with the path of the field",
                       use->option, n, name, n, name, n, name);
    if (use->source == KEY_FROM_QUERY)
        for (size_t i = 0; i < uses->count; i++)
            if (uses->key[i].source == KEY_FROM_SCRIPT && slice_eq(uses->key[i].name, use->name))
                return err_set(e, ERR_CONFIG,
                               "%s: two partition keys are named `%.*s`, one of a query and one of a script; give one "
                               "another name",
                               use->option, n, name);
    return 0;
}

static void check_time(struct cfg_errors *errs, const struct stream_settings *st, const struct key_uses *uses)
{
    const struct cfg_node *time = cfg_node_get(st->options, "time");
    const struct cfg_options o = {.errs = errs, .node = time, .at = time ? time->key->at : st->at};
    struct err e;

    if (!time || time->kind != CFG_NODE_MAP || time->bad)
        return;
    if (!st->time_field) {
        if (!cfg_node_get(time, "field"))
            cfg_error(errs, time->key->at, "`time` wants a `field`: where the record says its time");
        return;
    }
    if (st->time_format && record_time_check(st->time_format, &e) < 0)
        cfg_options_refuse(&o, &e);
    if (!uses->timed)
        cfg_error(errs, time->key->at,
                  "`time` does nothing here: no place of the destination has a time in it, such as "
                  "!{timestamp:yyyy/MM/dd}");
    else if (uses->unit == TIME_FINER)
        cfg_error(errs, time->key->at,
                  "`time`: `%s` shows fractions of a second, so each record would be alone in its place; end with "
                  "seconds or before",
                  uses->timed);
}

/* What goes to a backup is of all keys. Prefixes say so themselves. */
static void check_backup(struct cfg_errors *errs, const struct stream_settings *st)
{
    const struct cfg_options o = {.errs = errs, .node = st->backup_from.node, .at = st->backup_from.at};
    struct key_uses uses;
    struct err e;

    if (!st->backup || !st->backup_conf)
        return;
    key_uses_of(st->backup, st->backup_conf, st->name, &uses);
    for (size_t i = 0; i < uses.count; i++) {
        if (strcmp(uses.key[i].option, "prefix") == 0)
            continue;
        err_set(&e, ERR_CONFIG, "%s: the partition key `%.*s`: what goes to a backup has no partition keys",
                uses.key[i].option, (int)uses.key[i].name.n, uses.key[i].name.p);
        cfg_options_refuse(&o, &e);
    }
}

void settings_partition_check(struct cfg_errors *errs, const struct stream_settings *st)
{
    const struct cfg_options o = {.errs = errs, .node = st->sink_from.node, .at = st->sink_from.at};
    struct key_uses uses;
    struct err e;

    check_backup(errs, st);
    if (!st->sink || !st->sink_conf)
        return;
    key_uses_of(st->sink, st->sink_conf, st->name, &uses);
    for (size_t i = 0; i < uses.count; i++)
        if (!partition_name_error(uses.key[i].name) && check_use(st, &uses, &uses.key[i], &e) < 0)
            cfg_options_refuse(&o, &e);
    if (uses.too_many) {
        err_set(&e, ERR_CONFIG, "%s: more than %d partition keys", uses.key[0].option, PARTITION_KEYS_MAX);
        cfg_options_refuse(&o, &e);
    }
    for (size_t i = 0; i < st->query_count && st->sink_from.bound; i++)
        if (st->queries[i].query && !has_key(&uses, KEY_FROM_QUERY, st->queries[i].name))
            cfg_error(errs, st->queries[i].at,
                      "partition key `%s` does nothing: no place of the destination has "
                      "!{partitionKeyFromQuery:%s} in it",
                      st->queries[i].name, st->queries[i].name);
    check_time(errs, st, &uses);
}
