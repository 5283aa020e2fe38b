/* One stream of the file: its inputs, transforms, format, codec and places are names out of registries, each with options of its
 * own (fields.h); everything else is rows of tables. */
#include "config/errors.h"
#include "config/node.h"
#include "config/text.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/fields.h"
#include "pipeline/settings/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- inputs --------------------------------------------------------------------------------------------------------
 */

static const char DEFAULT[] = "api";

static const char *input_name(size_t index)
{
    const struct input_ops *ops = input_at(index);

    return ops ? ops->name : NULL;
}

static bool is_left_out(const char *name)
{
    const char *left_out;

    for (size_t i = 0; (left_out = input_left_out(i)); i++)
        if (strcmp(left_out, name) == 0)
            return true;
    return false;
}

/* Its options stand in a section of their own. Those that have one come first, in the order of the file. */
static void add_standing(struct stream_settings *st, const struct input_ops *ops, struct srcpos at)
{
    size_t n = settings_standing(st);

    st->inputs = mem_grow(st->inputs, st->input_count + 1, sizeof(*st->inputs));
    memmove(&st->inputs[n + 1], &st->inputs[n], (st->input_count++ - n) * sizeof(*st->inputs));
    st->inputs[n] = (struct input_settings){.ops = ops, .from = {.at = at}};
}

static void bind_standing(struct cfg_errors *errs, const struct settings_choice *c, const struct input_ops *ops,
                          struct stream_settings *st)
{
    char instead[128];

    snprintf(instead, sizeof(instead), ": they stand in `%s` at the top of the file", ops->name);
    settings_choice_no_options(errs, c, instead);
    if (settings_reads(st, ops))
        cfg_error(errs, c->name->at, "the input `%s` is listed twice", ops->name);
    else
        add_standing(st, ops, c->name->at);
}

static void bind_input(struct cfg_errors *errs, const struct cfg_node *node, struct stream_settings *st)
{
    struct settings_choice c;
    const struct input_ops *ops;
    struct input_settings *in;

    if (settings_choice_read(errs, "inputs", node, &c) < 0)
        return;
    ops = input_find(c.name->text);
    if (!ops && is_left_out(c.name->text)) {
        cfg_error(errs, c.name->at, "this sluice was built without %s (`sluice --version` lists what is in it)",
                  c.name->text);
        return;
    }
    if (!ops) {
        settings_choice_unknown(errs, "input", &c, input_name);
        return;
    }
    if (ops->section) {
        bind_standing(errs, &c, ops, st);
        return;
    }
    st->inputs = mem_grow(st->inputs, st->input_count + 1, sizeof(*st->inputs));
    in = &st->inputs[st->input_count++];
    *in = (struct input_settings){.ops = ops};
    in->conf = settings_options_bind(errs, c.options, c.name->at, ops->fields, ops->conf_size, &in->from);
}

static void bind_inputs(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;

    if (!node) {
        add_standing(st, input_find(DEFAULT), st->at);
    } else if (node->kind != CFG_NODE_LIST) {
        bind_input(errs, node, st);
    } else if (node->count == 0) {
        cfg_error(errs, node->at, "`inputs` is empty: nothing would reach this stream; left out, it is [api]");
    } else {
        for (size_t i = 0; i < node->count; i++)
            bind_input(errs, node->items[i], st);
    }
}

static void release_inputs(void *out)
{
    struct stream_settings *st = out;

    for (size_t i = 0; i < st->input_count; i++)
        if (st->inputs[i].conf)
            settings_options_free(st->inputs[i].ops->fields, &st->inputs[i].conf);
    MEM_CLEAR(st->inputs);
    st->input_count = 0;
}

/* --- format, compression -------------------------------------------------------------------------------------------
 */

static const char *format_name(size_t index)
{
    const struct format_ops *ops = format_at(index);

    return ops ? ops->name : NULL;
}

static void bind_format(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;
    struct settings_choice c;

    st->format = format_find("lines");
    if (!node || settings_choice_read(errs, "format", node, &c) < 0)
        return;
    st->format = format_find(c.name->text);
    if (!st->format)
        settings_choice_unknown(errs, "format", &c, format_name);
    else if (!st->format->fields)
        settings_choice_no_options(errs, &c, "");
    else
        st->format_conf = settings_options_bind(errs, c.options, c.name->at, st->format->fields, st->format->conf_size,
                                                &st->format_from);
}

static void release_format(void *out)
{
    struct stream_settings *st = out;

    if (st->format_conf)
        settings_options_free(st->format->fields, &st->format_conf);
}

static const char *codec_name(size_t index)
{
    const struct codec_ops *ops = codec_at(index);

    return ops ? ops->name : NULL;
}

/* The one option of a codec; its bounds are the codec's. */
static void bind_level(struct cfg_errors *errs, const struct settings_choice *c, struct stream_settings *st)
{
    struct level {
        int64_t level;
    } chosen = {st->codec->level_default};
    const struct cfg_field fields[] = {
        {.name = "level",
         .type = CFG_INT,
         .offset = offsetof(struct level, level),
         .min = st->codec->level_min,
         .max = st->codec->level_max,
         .help = "small is fast, large is dense"},
        {.name = NULL},
    };

    if (st->codec->level_min == st->codec->level_max)
        settings_choice_no_options(errs, c, "");
    else
        cfg_bind(errs, c->options, fields, &chosen);
    st->codec_level = (int)chosen.level;
}

static void bind_compression(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;
    struct settings_choice c = {.name = NULL};

    st->codec = codec_find("none");
    if (!node || settings_choice_read(errs, "compression", node, &c) < 0)
        return;
    st->codec = codec_find(c.name->text);
    if (st->codec)
        bind_level(errs, &c, st);
    else
        settings_choice_unknown(errs, "compression", &c, codec_name);
}

/* --- destination ---------------------------------------------------------------------------------------------------
 */

static const char *sink_name(size_t index)
{
    const struct sink_ops *ops = sink_at(index);

    return ops ? ops->name : NULL;
}

static void bind_destination(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct stream_settings *st = out;
    struct settings_choice c;

    if (settings_choice_read(errs, "destination", node, &c) < 0)
        return;
    st->sink = sink_find(c.name->text);
    if (st->sink)
        st->sink_conf =
            settings_options_bind(errs, c.options, c.name->at, st->sink->fields, st->sink->conf_size, &st->sink_from);
    else
        settings_choice_unknown(errs, "destination", &c, sink_name);
}

static void release_destination(void *out)
{
    struct stream_settings *st = out;

    if (st->sink_conf)
        settings_options_free(st->sink->fields, &st->sink_conf);
}

/* Read as a whole, before everything else (destinations.c). */
static void bind_nothing(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    (void)errs;
    (void)node;
    (void)out;
}

/* --- one stream ----------------------------------------------------------------------------------------------------
 */

static const struct cfg_field spool_fields[] = {
    {.name = "limit",
     .type = CFG_SIZE,
     .offset = offsetof(struct stream_settings, spool_limit),
     .def = "1GiB",
     .min = 4 * MIB,
     .max = 1024 * 1024 * GIB,
     .help = "most bytes that wait for delivery; beyond it inputs are pushed back, nothing is dropped"},
    {.name = NULL},
};

/* Firehose's BufferingHints, in finer steps. */
static const struct cfg_field buffer_fields[] = {
    {.name = "size",
     .type = CFG_SIZE,
     .offset = offsetof(struct stream_settings, buffer_size),
     .def = "1MiB",
     .min = KIB,
     .max = BUFFER_SIZE_MAX,
     .help = "a batch is delivered when it has this many bytes, before compression; with `compressed_size`, left out: "
             "a quarter of "
             "spool.limit"},
    {.name = "compressed_size",
     .type = CFG_SIZE,
     .offset = offsetof(struct stream_settings, compressed_size),
     .min = KIB,
     .max = BUFFER_SIZE_MAX,
     .help = "or when its object will have about this many, compressed, as the last objects were; none has more than "
             "twice as many"},
    {.name = "interval",
     .type = CFG_DURATION,
     .offset = offsetof(struct stream_settings, buffer_interval),
     .def = "60s",
     .min = 0,
     .max = 900 * NSEC_PER_SEC,
     .help = "or when its oldest record is this old, whichever comes first"},
    {.name = NULL},
};

static const struct cfg_choice durabilities[] = {{"disk", 0}, {"memory", 1}, {NULL, 0}};

static const struct cfg_field in_flight_fields[] = {
    {.name = "min",
     .type = CFG_INT,
     .offset = offsetof(struct stream_settings, in_flight_min),
     .def = "1",
     .min = 1,
     .max = 64,
     .help = "what it begins with, and falls back to, halving, when the destination fails, asks to slow down or "
             "becomes slow"},
    {.name = "max",
     .type = CFG_INT,
     .offset = offsetof(struct stream_settings, in_flight),
     .def = "4",
     .min = 1,
     .max = 64,
     .help =
         "what it grows to, one by one, while all works; batches that wait while others get through are not counted"},
    {.name = NULL},
};

const struct cfg_field settings_stream_fields[] = {
    {.name = "inputs",
     .type = CFG_CUSTOM,
     .bind = bind_inputs,
     .release = release_inputs,
     .def = "[api]",
     .effect = CFG_EFFECT_INPUTS,
     .syntax = "list of inputs",
     .help = "where records come from: `api`, or the inputs described below"},
    {.name = "durability",
     .type = CFG_BOOL,
     .offset = offsetof(struct stream_settings, memory),
     .choices = durabilities,
     .effect = CFG_EFFECT_RESTART,
     .def = "disk",
     .help = "`disk`: acknowledged records survive a crash; `memory`: faster, but when the process ends, what was not "
             "delivered is lost, and tailed files begin again as `start` says"},
    {.name = "spool", .type = CFG_BLOCK, .fields = spool_fields, .help = "what waits for delivery"},
    {.name = "buffer", .type = CFG_BLOCK, .fields = buffer_fields, .help = "when a batch is due"},
    {.name = "transform",
     .type = CFG_CUSTOM,
     .bind = settings_transform_bind,
     .release = settings_transform_release,
     .syntax = "a transform, or a list of them",
     .help = "what happens to each record on its way; left out: nothing"},
    {.name = "partition_keys",
     .type = CFG_CUSTOM,
     .bind = settings_queries_bind,
     .release = settings_queries_release,
     .syntax = "mapping of names to queries",
     .help = "for !{partitionKeyFromQuery:NAME} in the destination's place: a path such as .customer.id or a query of "
             "jq 1.6, asked "
             "of each record behind the transforms; `NAME: { query: QUERY, default: TEXT }` where a record may lack "
             "it, otherwise it "
             "goes to the backup"},
    {.name = "time",
     .type = CFG_BLOCK,
     .fields = settings_time_fields,
     .help = "the time that !{timestamp:...} and default folders follow; left out: the arrival of an object's oldest "
             "record"},
    {.name = "max_partitions",
     .type = CFG_INT,
     .offset = offsetof(struct stream_settings, max_partitions),
     .def = "500",
     .min = 1,
     .max = PARTITIONS_OPEN_MAX,
     .help = "where the destination's place has partition keys: for how many sets of them objects may be gathered at "
             "once; beyond "
             "it the oldest object is delivered early"},
    {.name = "format",
     .type = CFG_CUSTOM,
     .bind = bind_format,
     .release = release_format,
     .def = "lines",
     .syntax = "a format",
     .help = "how records become the bytes of an object"},
    {.name = "compression",
     .type = CFG_CUSTOM,
     .bind = bind_compression,
     .def = "none",
     .syntax = "a codec, or `{ codec: { level: n } }`",
     .help = "how objects are compressed"},
    {.name = "destination",
     .type = CFG_CUSTOM,
     .bind = bind_destination,
     .release = release_destination,
     .required = true,
     .syntax = "exactly one destination",
     .help = "where records go: one of the destinations of `sluice reference`"},
    {.name = "destinations",
     .type = CFG_CUSTOM,
     .bind = bind_nothing,
     .syntax = "list of destinations",
     .help =
         "in place of `destination`: several, each with its own place in the spool, retries and books; what is said "
         "beside one "
         "(`- s3: { ... }`, and below it `compression: gzip`) is for it alone, what the stream says is for all others"},
    {.name = "give_up",
     .type = CFG_STRINGS,
     .offset = offsetof(struct stream_settings, give_up),
     .help = "names of destinations that are not in the configuration any more: what the spool keeps for them is given "
             "up, and "
             "counted in the log; left out: it stays until they are configured again, and takes its room"},
    {.name = "deliveries_in_flight",
     .type = CFG_BLOCK,
     .fields = in_flight_fields,
     .help = "how many deliveries of this stream may be under way at once"},
    {.name = "retry", .type = CFG_BLOCK, .fields = settings_retry_fields, .help = "when a delivery is given up"},
    {.name = "backup",
     .type = CFG_BLOCK,
     .fields = settings_backup_fields,
     .help = "where records go that cannot be processed or delivered; left out: they wait in the spool"},
    {.name = NULL},
};

/* Firehose's rule, less the two names that are no folder of their own. */
bool settings_is_stream_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

    return n > 0 && n <= STREAM_NAME_MAX && name[n] == '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool settings_is_label(const char *text)
{
    const char *colon = strchr(text, ':');
    char stream[STREAM_NAME_MAX + 2]; /* one that is too long stays so */

    if (!colon)
        return settings_is_stream_name(text);
    snprintf(stream, sizeof(stream), "%.*s", (int)(colon - text), text);
    return settings_is_stream_name(stream) && settings_is_stream_name(colon + 1);
}

/* A batch that is to have a weight needs room for what makes it up; left out, the size is as much of the spool as one of several may have. */
static void check_buffer(struct cfg_errors *errs, const struct cfg_node *buffer, struct stream_settings *st)
{
    const struct cfg_node *size = cfg_node_get(buffer, "size"), *wanted = cfg_node_get(buffer, "compressed_size");

    if (!st->compressed_size)
        return;
    if (!size)
        st->buffer_size = st->spool_limit / BUFFER_SPOOL_PART < BUFFER_SIZE_MAX ? st->spool_limit / BUFFER_SPOOL_PART
                                                                                : BUFFER_SIZE_MAX;
    if (st->buffer_size == 0 || st->buffer_size >= st->compressed_size) /* 0: it has a mistake of its own */
        return;
    if (size)
        cfg_error(errs, size->at,
                  "`size` counts bytes before compression: with less than `compressed_size` of them no object gets as "
                  "large; leave it "
                  "out, or make it several times as large");
    else
        cfg_error(errs, wanted->at, "`compressed_size` wants a `spool.limit` of at least %d times as much",
                  BUFFER_SPOOL_PART);
}

/* A destination, and all that is said of it. */
static void bind_outlet(struct cfg_errors *errs, struct stream_settings *st)
{
    const struct cfg_node *node = st->options, *in_flight = cfg_node_get(node, "deliveries_in_flight");
    const struct cfg_node *backup = cfg_node_get(node, "backup"), *retry = cfg_node_get(node, "retry");

    cfg_bind(errs, node, settings_stream_fields, st);
    if (st->of) { /* what is the whole stream's is not in these options */
        release_inputs(st);
        st->memory = st->of->memory;
        st->spool_limit = st->of->spool_limit;
    }
    if (backup && (backup->kind == CFG_NODE_MAP || cfg_node_is_null(backup)) && !backup->bad && !st->backup)
        cfg_error(errs, backup->at, "`backup` wants a place: `file: { path: ... }` or `s3: { bucket: ... }`");
    if (st->sink && (!retry || retry->kind != CFG_NODE_MAP || !cfg_node_get(retry, "duration")))
        st->retry_duration = st->sink->retry_duration;
    check_buffer(errs, cfg_node_get(node, "buffer"), st);
    settings_when(st);
    settings_partition(st);
    if (st->in_flight > 0 && st->in_flight_min > st->in_flight)
        cfg_error(errs, in_flight->at, "`deliveries_in_flight`: `min` is %d, more than `max`, which is %d",
                  (int)st->in_flight_min, (int)st->in_flight);
}

/* What stands under `destination` has no name, and is given up by that one. */
static void check_give_up(struct cfg_errors *errs, const struct stream_settings *st)
{
    const struct cfg_node *node = cfg_node_get(st->node, "give_up");

    for (size_t i = 0; i < st->give_up.n; i++) {
        const char *name = st->give_up.v[i];

        if (!settings_is_stream_name(name))
            cfg_error(errs, node->at, "`give_up` wants names of destinations");
        else if (settings_outlet_named(st, settings_given_up(name)))
            cfg_error(errs, node->at, "`give_up`: `%s` is a destination of this stream", name);
    }
}

static void bind_stream(struct cfg_errors *errs, const struct cfg_node *node, struct stream_settings *st)
{
    char shown[TEXT_SHOWN_MAX + 4];

    if (!settings_is_stream_name(node->key->text))
        cfg_error(errs, node->key->at, "`%s` cannot name a stream: 1 to %d of a-z A-Z 0-9 _ . -",
                  text_show(node->key->text, shown), STREAM_NAME_MAX);
    st->name = mem_strdup(node->key->text);
    st->at = node->key->at;
    st->node = st->options = node;
    if (node->kind != CFG_NODE_MAP || !settings_destinations_bind(errs, node, st, bind_outlet))
        bind_outlet(errs, st);
    check_give_up(errs, st);
    for (size_t i = 0; i < st->input_count; i++) {
        const struct input_settings *in = &st->inputs[i];

        if (in->ops->shares && in->ops->shares(in->conf, st->shared_identity))
            st->at_source = true;
    }
}

static void release_stream(struct stream_settings *st)
{
    cfg_release(settings_stream_fields, st);
    settings_destinations_release(st);
    mem_free(st->name);
}

/* --- all streams ---------------------------------------------------------------------------------------------------
 */

static int by_folded_name(const void *a, const void *b)
{
    const struct stream_settings *x = *(const struct stream_settings *const *)a;
    const struct stream_settings *y = *(const struct stream_settings *const *)b;
    int order = strcasecmp(x->name, y->name);

    return order ? order : x < y ? -1 : 1;
}

/* Each stream has a folder, and not every file system tells `App` from `app`. */
static void check_names_differ(struct cfg_errors *errs, const struct settings *s)
{
    const struct stream_settings **sorted = mem_array(s->stream_count, sizeof(const struct stream_settings *));

    for (size_t i = 0; i < s->stream_count; i++)
        sorted[i] = &s->streams[i];
    qsort(sorted, s->stream_count, sizeof(sorted[0]), by_folded_name);
    for (size_t i = 1; i < s->stream_count; i++)
        if (strcasecmp(sorted[i]->name, sorted[i - 1]->name) == 0)
            cfg_error(errs, sorted[i]->at,
                      "stream `%s` differs from `%s` in %s in upper and lower case only: choose another name",
                      sorted[i]->name, sorted[i - 1]->name, settings_line(sorted[i - 1]->at, sorted[i]->at).text);
    mem_free(sorted);
}

void settings_streams_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct settings *s = out;

    if (node->kind != CFG_NODE_MAP) {
        cfg_error(errs, node->at, "`streams` wants a mapping (a name, then what the stream does), not %s",
                  cfg_node_kind(node));
        return;
    }
    if (node->count == 0)
        cfg_error(errs, node->at, "`streams` is empty: there is nothing to do");
    s->streams = mem_array(node->count, sizeof(*s->streams));
    for (size_t i = 0; i < node->count; i++)
        bind_stream(errs, node->items[i], &s->streams[s->stream_count++]);
    if (s->stream_count > 1)
        check_names_differ(errs, s);
}

static void drop_node(struct cfg_node *streams, const struct cfg_node *node)
{
    for (size_t i = 0; i < streams->count; i++)
        if (streams->items[i] == node) {
            cfg_node_free(streams->items[i]);
            streams->items[i] = streams->items[--streams->count];
            return;
        }
}

void settings_drop_stream(struct settings *s, size_t index)
{
    struct stream_settings *st = &s->streams[index];
    struct cfg_node *root = s->tree->root;

    release_stream(st);
    for (size_t i = 0; i < root->count; i++)
        if (strcmp(root->items[i]->key->text, "streams") == 0)
            drop_node(root->items[i], st->node);
    *st = (struct stream_settings){.name = NULL};
}

void settings_streams_release(void *out)
{
    struct settings *s = out;

    for (size_t i = 0; i < s->stream_count; i++)
        release_stream(&s->streams[i]);
    MEM_CLEAR(s->streams);
    s->stream_count = 0;
}
