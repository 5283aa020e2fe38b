/* Each option by itself has been checked by its row. What is left: sums (memory), what only the owner of the
 * options can say (an input, a sink, a script, asked by opening it for nobody), and what holds between streams. A
 * part that has a mistake already is not asked again, so that one mistake is not told twice in other words. */
#include "pipeline/settings/fields.h"

#include "config/address.h"
#include "config/node.h"
#include "config/options.h"
#include "pipeline/base/limits.h"
#include "pipeline/settings/settings.h"
#include "transforms/chain.h"

#include <string.h>

struct rules {
    struct cfg_errors *errs;
    const struct settings *s;
};

/* --- memory --------------------------------------------------------------------------------------------------------
 */

/* Options that have a mistake are not asked. */
static uint64_t format_memory_of(const struct stream_settings *st, uint64_t bytes)
{
    bool used = st->format && !(st->sink && st->sink->record);

    return used && (!st->format->fields || st->format_from.bound) ? format_memory(st->format, st->format_conf, bytes)
                                                                  : 0;
}

static void check_delivery_memory(const struct rules *r, const struct stream_settings *st, uint64_t out)
{
    const struct cfg_node *size = cfg_node_get(cfg_node_get(st->options, "buffer"), "size");
    uint64_t needed = settings_body_memory(st->buffer_size) + format_memory_of(st, st->buffer_size);

    if (needed > out)
        cfg_error(r->errs, size ? size->at : st->at,
                  "stream `%s`: one delivery takes %lluMiB, more than limits.memory leaves for deliveries (%lluMiB)",
                  st->name, (unsigned long long)((needed + MIB - 1) / MIB), (unsigned long long)(out / MIB));
}

/* What one holder takes at most must fit, or it would wait for ever. */
static void check_memory(const struct rules *r)
{
    const struct listener_ops *who;
    uint64_t request = settings_request(r->s, &who);
    uint64_t in = settings_intake(r->s->memory_limit, request), out = r->s->memory_limit - in;

    if (r->s->memory_limit == 0) /* it has a mistake of its own */
        return;
    if (in < request)
        cfg_error(r->errs, settings_place(r->s, "limits", "memory"),
                  "`memory`: one large request to %s can take %lluMiB, and at most half of the limit is for what "
                  "comes in: set %lluMiB or more",
                  who->called, (unsigned long long)(request / MIB), (unsigned long long)(2 * request / MIB));
    for (size_t i = 0; i < r->s->stream_count; i++) {
        const struct stream_settings *st = &r->s->streams[i];

        for (size_t k = 0; k < settings_outlet_count(st); k++)
            check_delivery_memory(r, settings_outlet(st, k), out);
    }
}

/* --- addresses -----------------------------------------------------------------------------------------------------
 */

/* One of them is the other, or has it among others. */
static bool is_one_address(const struct address *a, const struct address *b)
{
    static const char ALL[] = "0.0.0.0";
    const char *x = address_host(a), *y = address_host(b);

    return a->port == b->port && a->port != 0 &&
           (address_is_same(a, b) || (strcmp(x, ALL) == 0 && !strchr(y, ':')) ||
            (strcmp(y, ALL) == 0 && !strchr(x, ':')));
}

/* Else it would be said that another program has it. */
static void check_addresses(const struct rules *r)
{
    const struct listener_ops *l;
    struct address at, admin;
    struct err e;

    if (!r->s->http_listen || address_parse(r->s->http_listen, &admin, &e) < 0)
        return;
    for (size_t i = 0; (l = settings_listener(r->s, i)); i++) {
        const char *listen = l->section->place(settings_section(r->s, l)).listen;

        if (listen && address_parse(listen, &at, &e) == 0 && is_one_address(&at, &admin))
            cfg_error(r->errs, settings_place(r->s, "admin", "listen"),
                      "`listen`: %s of this sluice listens there (%s.listen `%s`): give one of them another port",
                      l->called, l->name, listen);
    }
}

/* --- formats -------------------------------------------------------------------------------------------------------
 */

static void check_format(const struct rules *r, const struct stream_settings *st)
{
    const struct cfg_options o = {.errs = r->errs, .node = st->format_from.node, .at = st->format_from.at};
    const struct cfg_node *compression = cfg_node_get(st->options, "compression");

    if (!st->format)
        return;
    if (st->format->check_conf)
        st->format->check_conf(st->format_conf, &o);
    if (compression && st->codec && st->sink && !st->sink->record && !format_takes_codec(st->format, st->codec))
        cfg_error(r->errs, compression->at,
                  "`format: %s` cannot be compressed from outside: %s; leave `compression` out", st->format->name,
                  st->format->no_codec);
}

/* --- destinations --------------------------------------------------------------------------------------------------
 */

/* `state`: the destination, open. */
static void check_compression(const struct rules *r, const struct stream_settings *st, const void *state)
{
    const struct cfg_node *compression = cfg_node_get(st->options, "compression");

    if (!compression || !st->codec || !st->codec->encoding || !st->sink->takes_encoding ||
        st->sink->takes_encoding(state, st->codec->encoding))
        return;
    cfg_error(r->errs, compression->at, "`compression`: %s, the destination of this stream, cannot take `%s`",
              st->sink->name, st->codec->name);
}

/* First all its mistakes, then whether it can be opened: what only shows there is a mistake too. */
static void check_sink(const struct rules *r, const struct stream_settings *st, const struct settings_sink *sink)
{
    const struct cfg_options o = {.errs = r->errs, .node = sink->from.node, .at = sink->from.at};
    struct sink_env env = settings_sink_env(r->s, st, sink);
    bool named = !cfg_errors_at(r->errs, st->at);
    size_t before = cfg_errors_count(r->errs);
    void *state = NULL;
    struct err e;

    if (!sink->ops)
        return;
    if (!named)
        env.stream = "stream"; /* what is wrong with the name has been said */
    if (sink->ops->check_conf)
        sink->ops->check_conf(sink->conf, &env, &o);
    if (cfg_errors_count(r->errs) > before || !named || !sink->from.bound)
        return;
    if (settings_sink_open(r->s, st, sink, &state, &e) < 0) {
        cfg_options_refuse(&o, &e);
        return;
    }
    if (!sink->backup)
        check_compression(r, st, state);
    sink->ops->close(&state);
}

/* --- transforms ----------------------------------------------------------------------------------------------------
 */

/* The value that stands beside the transform's name or behind its main option: a script's file. */
static struct srcpos place_of_script(const struct transform_settings *t)
{
    const struct cfg_node *value = NULL;

    if (t->ops->scalar_option)
        value = cfg_node_get(t->from.node, t->ops->scalar_option);
    if (!value)
        value = cfg_node_get(t->from.node, t->ops->name);
    return value ? value->at : t->from.at;
}

/* What a script holds back is staged, as what waits for its key is. */
static void check_holding(const struct rules *r, struct stream_settings *st, const struct transform_settings *t)
{
    if (!t->loaded || !t->ops->keeps || !t->ops->keeps(t->loaded))
        return;
    if (st->at_source)
        cfg_error(r->errs, place_of_script(t),
                  "the script holds records back (`hold = true`), which a stream cannot whose input is `shared`: leave "
                  "one of the two out (docs/holding.md)");
    if (t != &st->transforms[0])
        cfg_error(r->errs, place_of_script(t),
                  "the script holds records back (`hold = true`): it must be the stream's first transform");
    st->partitioned = true;
}

/* What is run is kept: it is what was checked, whatever becomes of the files. */
static void check_transforms(const struct rules *r, struct stream_settings *st, bool keep)
{
    const struct transform_env env = {.stream = st->name, .base_dir = r->s->base_dir};
    const struct cfg_node *all = cfg_node_get(st->options, "transform");
    size_t count = st->transform_count - st->keyed - st->routed;

    if (count > CHAIN_MAX)
        cfg_error(r->errs, all->at, "`transform`: at most %d can follow one another, these are %zu", CHAIN_MAX, count);
    for (size_t i = 0; i < st->transform_count; i++) {
        struct transform_settings *t = &st->transforms[i];
        const struct cfg_options o = {.errs = r->errs, .node = t->from.node, .at = place_of_script(t)};
        struct err e;

        if (!t->from.bound)
            continue;
        /* Loads what it names: a script that does not load is a mistake of whoever named it. */
        if (t->ops->load(&t->loaded, t->conf, &env, &e) < 0)
            cfg_options_refuse(&o, &e);
        else
            transform_digest(t->ops, t->loaded, t->content);
        check_holding(r, st, t);
    }
    if (!keep)
        settings_unload(st);
}

/* Of the stream's input number n, and those before it. */
static void check_positions(const struct rules *r, const struct stream_settings *st, size_t n)
{
    const struct input_settings *in = &st->inputs[n];

    for (size_t i = 0; in->ops->same_positions && i < n; i++)
        if (st->inputs[i].ops == in->ops && in->ops->same_positions(in->conf, st->inputs[i].conf)) {
            cfg_error(r->errs, in->from.at,
                      "line %u reads this already, and both would have one position: leave this one out, or name its "
                      "source otherwise if it is another one (docs/%s.md)",
                      st->inputs[i].from.at.line, in->ops->name);
            return;
        }
}

static bool is_same_client(const struct input_settings *a, const struct input_settings *b)
{
    return a->ops == b->ops && a->ops->same_client && a->ops->same_client(a->conf, b->conf);
}

/* Of input number n of stream number `stream`, and all before it. */
static void check_clients(const struct rules *r, size_t stream, size_t n)
{
    static const char TEXT[] = "connects to this server under the same name already, which is for one connection at a "
                               "time: give this one a name of its own";
    const struct input_settings *in = &r->s->streams[stream].inputs[n];

    for (size_t i = 0; i <= stream; i++)
        for (size_t j = 0; j < (i < stream ? r->s->streams[i].input_count : n); j++) {
            const struct input_settings *other = &r->s->streams[i].inputs[j];

            if (!is_same_client(in, other))
                continue;
            cfg_error(r->errs, in->from.at, "%s %s (docs/%s.md)", settings_line(other->from.at, in->from.at).text,
                      in->ops->same_client_text ? in->ops->same_client_text : TEXT, in->ops->name);
            return;
        }
}

static bool take_word(struct slice *rest, struct slice *word)
{
    const char *blank;

    if (rest->n == 0)
        return false;
    blank = memchr(rest->p, ' ', rest->n);
    *word = slice_of(rest->p, blank ? (size_t)(blank - rest->p) : rest->n);
    *rest = slice_from(*rest, word->n + (blank != NULL));
    return true;
}

/* The first of those in `mine` that is in `theirs`, too: both have some, with blanks between. False: none. */
static bool find_common_route(struct slice mine, struct slice theirs, struct slice *both)
{
    struct slice look, one, other;

    while (take_word(&mine, &one))
        for (look = theirs; take_word(&look, &other);)
            if (slice_eq(one, other)) {
                *both = one;
                return true;
            }
    return false;
}

/* Of input number n of stream number `of`, and of all before it: a path on a server is one input's. */
static void check_route(const struct rules *r, size_t of, size_t n)
{
    const struct input_settings *in = &r->s->streams[of].inputs[n];
    const struct cfg_options o = {.errs = r->errs, .node = in->from.node, .at = in->from.at};
    char mine[INPUT_ROUTE_MAX], theirs[INPUT_ROUTE_MAX];

    if (!in->ops->route)
        return;
    in->ops->route(in->conf, r->s->streams[of].name, mine, sizeof(mine));
    for (size_t i = 0; mine[0] && i <= of; i++)
        for (size_t j = 0; j < (i < of ? r->s->streams[i].input_count : n); j++) {
            const struct input_settings *other = &r->s->streams[i].inputs[j];
            struct slice both;
            struct err e;

            if (!other->ops->route)
                continue;
            other->ops->route(other->conf, r->s->streams[i].name, theirs, sizeof(theirs));
            if (!find_common_route(slice_str(mine), slice_str(theirs), &both))
                continue;
            (void)err_set(&e, ERR_CONFIG, "path: the input in %s has %.*s already: give one of them another path",
                          settings_line(other->from.at, in->from.at).text, (int)both.n, both.p);
            cfg_options_refuse(&o, &e);
            return;
        }
}

/* Several daemons deliver what one of them begins, so all of it must be able to be done again by another: the source is the only one, the
 * spool holds nothing that others need, and an object has one name whoever writes it. */
static void check_shared(const struct rules *r, const struct stream_settings *st, const struct input_settings *in)
{
    const struct cfg_node *option = cfg_node_get(in->from.node, "exactly_once"), *at;
    const struct srcpos here = option ? option->at : in->from.at;
    unsigned char identity[sizeof(st->shared_identity)];

    if (!in->ops->shares || !in->ops->shares(in->conf, identity))
        return;
    if (st->input_count > 1)
        cfg_error(r->errs, here, "`exactly_once: shared`: this must be the only input of its stream");
    if (st->more_count > 0)
        cfg_error(r->errs, here,
                  "`exactly_once: shared` wants one destination: the source keeps one seal for each batch");
    if (!st->memory)
        cfg_error(
            r->errs, here,
            "`exactly_once: shared` wants `durability: memory` in this stream: its source keeps the records until "
            "they are delivered, and what a spool on disk had would be delivered twice");
    if (st->sink && !st->sink->name_object)
        cfg_error(
            r->errs, st->sink_from.at,
            "`exactly_once: shared`: `%s` has no objects with names, so it cannot take the same batch from two daemons "
            "as one; s3 and file can",
            st->sink->name);
    if (st->keyed) {
        at = cfg_node_get(st->options, "partition_keys");
        cfg_error(
            r->errs, at ? at->at : here,
            "`exactly_once: shared` does not go with places made of partition keys or of the record's time: their "
            "objects gather records of many batches on one machine");
    }
    if (st->spool_limit > 0 && st->spool_limit / 2 < st->buffer_size) {
        at = cfg_node_get(cfg_node_get(st->options, "spool"), "limit");
        cfg_error(
            r->errs, at ? at->at : here,
            "`exactly_once: shared` wants a `spool.limit` of at least twice `buffer.size`: one batch is read while "
            "another is delivered");
    }
}

/* What is given up needs another place; and the limit must be reached before that of all, and not by what is as it should be. */
static void check_behind(const struct rules *r, const struct stream_settings *st)
{
    static const char *const LIMITS[] = {"max_behind", "max_behind_time"};
    const struct cfg_node *bytes = cfg_node_get(st->element, LIMITS[0]);
    const struct cfg_node *time = cfg_node_get(st->element, LIMITS[1]);

    for (size_t i = 0; i < ARRAY_LEN(LIMITS); i++) {
        const struct cfg_node *limit = cfg_node_get(st->element, LIMITS[i]);

        if (limit && (i == 0 ? st->max_behind > 0 : st->max_behind_time > 0) && !st->backup)
            cfg_error(r->errs, limit->at, "`%s` wants a `backup`: where else would records go that are given up?",
                      LIMITS[i]);
    }
    if (bytes && st->spool_limit > 0 && st->max_behind >= st->spool_limit)
        cfg_error(r->errs, bytes->at, "`max_behind` is no less than `spool.limit`, so it would never be reached");
    if (time && st->max_behind_time > 0 && st->max_behind_time <= st->buffer_interval)
        cfg_error(r->errs, time->at,
                  "`max_behind_time` is no more than `buffer.interval`: records are that old before "
                  "they are sent, so it would always be reached");
}

/* What is said of one destination. */
static void check_outlet(const struct rules *r, struct stream_settings *st, const struct settings_use *use)
{
    const struct settings_sink destination = settings_destination(st), backup = settings_backup(st);

    if (use->all || use->transforms)
        check_transforms(r, st, use->all);
    if (!use->all && !use->destinations)
        return;
    check_behind(r, st);
    check_format(r, st);
    settings_partition_check(r->errs, st);
    check_sink(r, st, &destination);
    check_sink(r, st, &backup);
}

void settings_rules(struct cfg_errors *errs, struct settings *s, const struct settings_use *use)
{
    const struct rules r = {errs, s};

    if (use->all) {
        check_memory(&r);
        check_addresses(&r);
        settings_loops(errs, s);
    }
    for (size_t i = 0; i < s->stream_count; i++) {
        struct stream_settings *st = &s->streams[i];

        for (size_t j = 0; use->all && j < st->input_count; j++) {
            struct input_settings *in = &st->inputs[j];
            const struct cfg_options o = {.errs = errs, .node = in->from.node, .at = in->from.at};

            if (in->ops->check_conf)
                in->ops->check_conf(in->conf, s->base_dir, &o);
            check_positions(&r, st, j);
            check_clients(&r, i, j);
            check_route(&r, i, j);
            if (in->from.bound)
                check_shared(&r, st, in);
            if (in->from.bound && in->ops->digest)
                in->ops->digest(in->conf, s->base_dir, in->content);
        }
        if (!use->all && use->stream && strcmp(st->name, use->stream) != 0)
            continue;
        check_outlet(&r, st, use);
        for (size_t j = 0; j < st->more_count; j++)
            check_outlet(&r, &st->more[j], use);
    }
}
