/* Two things are compared: what rows hold, once bound (so a default that is written out is no difference), and, for options that no row
 * can compare, what is written (config/node.h; values that came from ${...} included). Beside that, what scripts say, and files that an input reads
 * once: they may have changed though the configuration has not. */
#include "pipeline/settings/diff.h"

#include "config/node.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/fields.h"

#include <stdlib.h>
#include <string.h>

/* One side of a comparison: a bound struct, and what is written of it (NULL: nothing). */
struct side {
    const void *conf;
    const struct cfg_node *node;
};

struct comparison {
    struct cfg_errors *errs;
    const struct stream_settings *stream; /* of `now`; NULL: the top of the file */
    bool of_stream;                       /* of a stream what all its destinations have in common; or what each has */
    char *options;                        /* that differ, "a, b"; NULL: none */
    bool differs[CFG_EFFECT_INPUTS + 1];
};

static void list_option(char **options, const char *name)
{
    char *longer = mem_printf("%s%s%s", *options ? *options : "", *options ? ", " : "", name);

    mem_free(*options);
    *options = longer;
}

/* --- tables --------------------------------------------------------------------------------------------------------
 */

static void refuse(const struct comparison *c, const char *name, struct srcpos at)
{
    if (c->stream)
        cfg_error(c->errs, at,
                  "stream `%s`: `%s` is another one than it runs with, and takes effect with a restart only",
                  c->stream->name, name);
    else
        cfg_error(c->errs, at, "`%s` is another one than sluice runs with, and takes effect with a restart only", name);
}

static bool is_same(const struct cfg_field *f, struct side a, struct side b)
{
    if (f->bind == settings_streams_bind || strcmp(f->name, "destinations") == 0) /* compared one by one */
        return true;
    if (f->effect == CFG_EFFECT_INPUTS)
        return settings_same_inputs(a.conf, b.conf);
    if (f->type == CFG_CUSTOM)
        return cfg_node_same(cfg_node_get(a.node, f->name), cfg_node_get(b.node, f->name));
    return cfg_same_value(f, a.conf, b.conf);
}

static void compare_one(struct comparison *c, const struct cfg_field *f, const char *prefix, enum cfg_effect around,
                        struct side a, struct side b, struct srcpos at);

/* `at`: of the block, for what is left out in it. */
static void compare(struct comparison *c, const struct cfg_field *fields, const char *prefix, enum cfg_effect around,
                    struct side a, struct side b, struct srcpos at)
{
    for (const struct cfg_field *f = fields; f->name; f++) {
        if (fields == settings_stream_fields && settings_is_of_stream(f->name) != c->of_stream)
            continue;
        compare_one(c, f, prefix, around, a, b, at);
    }
}

static void compare_one(struct comparison *c, const struct cfg_field *f, const char *prefix, enum cfg_effect around,
                        struct side a, struct side b, struct srcpos at)
{
    enum cfg_effect effect = f->effect ? f->effect : around;
    const struct cfg_node *written = cfg_node_get(b.node, f->name);
    struct srcpos place = written ? cfg_node_place(written) : at;
    char *name = mem_printf("%s%s", prefix, f->name);

    if (f->type == CFG_BLOCK) {
        char *inner = mem_printf("%s.", name);
        struct side x = {(const char *)a.conf + f->offset, cfg_node_get(a.node, f->name)};
        struct side y = {(const char *)b.conf + f->offset, written};

        compare(c, f->fields, inner, effect, x, y, place);
        mem_free(inner);
    } else if (!is_same(f, a, b)) {
        c->differs[effect] = true;
        if (effect == CFG_EFFECT_RESTART)
            refuse(c, name, place);
        else
            list_option(&c->options, name);
    }
    mem_free(name);
}

/* --- streams -------------------------------------------------------------------------------------------------------
 */

static bool same_scripts(const struct stream_settings *a, const struct stream_settings *b)
{
    for (size_t i = 0; i < a->transform_count && i < b->transform_count; i++)
        if (memcmp(a->transforms[i].content, b->transforms[i].content, sizeof(a->transforms[i].content)) != 0)
            return false;
    return true;
}

/* Their inputs are the same, as they are written. */
static bool same_files(const struct stream_settings *a, const struct stream_settings *b)
{
    for (size_t i = 0; i < a->input_count; i++)
        if (memcmp(a->inputs[i].content, b->inputs[i].content, sizeof(a->inputs[i].content)) != 0)
            return false;
    return true;
}

/* Who is not known by the name that he had is another one. Which is a matter of the spool, so what is only in memory is not changed. */
static bool compare_names(struct comparison *c, const struct stream_settings *a, const struct stream_settings *b)
{
    const struct cfg_node *written = cfg_node_get(b->node, "destinations");
    bool same = settings_outlet_count(a) == settings_outlet_count(b);

    for (size_t i = 0; same && i < settings_outlet_count(a); i++)
        same = settings_outlet_named(b, settings_outlet_name(settings_outlet(a, i))) != NULL;
    if (same)
        return true;
    if (b->memory)
        refuse(c, "destinations", written ? cfg_node_place(written) : b->at);
    c->differs[CFG_EFFECT_DELIVERY] = true;
    list_option(&c->options, "destinations");
    return false;
}

static void compare_outlet(struct comparison *c, const struct stream_settings *a, const struct stream_settings *b)
{
    char *prefix = b->outlet ? mem_printf("%s.", b->outlet) : mem_strdup("");
    const struct side x = {a, a->options}, y = {b, b->options};

    compare(c, settings_stream_fields, prefix, CFG_EFFECT_DELIVERY, x, y, b->at);
    compare(c, settings_outlet_fields, prefix, CFG_EFFECT_DELIVERY, (struct side){a, a->element},
            (struct side){b, b->element}, b->at);
    mem_free(prefix);
}

static void compare_stream(struct settings_diff_stream *d, struct cfg_errors *errs)
{
    struct comparison c = {.errs = errs, .stream = d->now, .of_stream = true};
    bool scripts = true;

    compare(&c, settings_stream_fields, "", CFG_EFFECT_DELIVERY, (struct side){d->before, d->before->node},
            (struct side){d->now, d->now->node}, d->now->at);
    c.of_stream = false;
    if (compare_names(&c, d->before, d->now))
        for (size_t i = 0; i < settings_outlet_count(d->now); i++) {
            const struct stream_settings *b = settings_outlet(d->now, i);
            const struct stream_settings *a = settings_outlet_named(d->before, settings_outlet_name(b));

            compare_outlet(&c, a, b);
            scripts = scripts && same_scripts(a, b);
        }
    if (d->before->at_source != d->now->at_source ||
        memcmp(d->before->shared_identity, d->now->shared_identity, sizeof(d->now->shared_identity)) != 0)
        refuse(&c, "exactly_once", d->now->at);
    if (!scripts) {
        d->scripts = !c.differs[CFG_EFFECT_DELIVERY] && !d->now->outlet; /* of several each has its own */
        c.differs[CFG_EFFECT_DELIVERY] = true;
        list_option(&c.options, "the script of transform");
    }
    if (!c.differs[CFG_EFFECT_INPUTS] && !same_files(d->before, d->now)) {
        c.differs[CFG_EFFECT_INPUTS] = true;
        list_option(&c.options, "the files of tls of inputs");
    }
    d->delivery = c.differs[CFG_EFFECT_DELIVERY] || c.differs[CFG_EFFECT_AT_ONCE];
    d->inputs = c.differs[CFG_EFFECT_INPUTS];
    d->options = c.options;
    d->change = d->delivery || d->inputs ? SETTINGS_CHANGED : SETTINGS_SAME;
}

static int by_name(const void *a, const void *b)
{
    const struct stream_settings *x = *(const struct stream_settings *const *)a;
    const struct stream_settings *y = *(const struct stream_settings *const *)b;

    return strcmp(x->name, y->name);
}

/* Sorted by name: there may be many. */
static const struct stream_settings **sort(const struct settings *s)
{
    const struct stream_settings **list = mem_array(s->stream_count, sizeof(const struct stream_settings *));

    for (size_t i = 0; i < s->stream_count; i++)
        list[i] = &s->streams[i];
    qsort(list, s->stream_count, sizeof(list[0]), by_name);
    return list;
}

static const struct stream_settings *find(const struct stream_settings **sorted, size_t n,
                                          const struct stream_settings *as)
{
    const struct stream_settings **found = bsearch(&as, sorted, n, sizeof(sorted[0]), by_name);

    return found ? *found : NULL;
}

static void add(struct settings_diff *out, const struct stream_settings *before, const struct stream_settings *now,
                struct cfg_errors *errs)
{
    struct settings_diff_stream *d = &out->streams[out->count++];

    *d = (struct settings_diff_stream){.name = now ? now->name : before->name,
                                       .change = now ? SETTINGS_ADDED : SETTINGS_REMOVED,
                                       .before = before,
                                       .now = now};
    if (before && now)
        compare_stream(d, errs);
    out->counts[d->change]++;
}

void settings_diff(const struct settings *before, const struct settings *now, struct cfg_errors *errs,
                   struct settings_diff *out)
{
    struct comparison c = {.errs = errs};
    const struct cfg_node *old_root = cfg_tree_root(before->tree), *root = cfg_tree_root(now->tree);
    const struct stream_settings **olds = sort(before), **news = sort(now);

    *out = (struct settings_diff){
        .streams = mem_array(before->stream_count + now->stream_count, sizeof(struct settings_diff_stream))};
    compare(&c, settings_fields, "", CFG_EFFECT_RESTART, (struct side){before, old_root}, (struct side){now, root},
            root->at);
    out->at_once = c.options;
    out->admin = c.differs[CFG_EFFECT_ADMIN];
    for (size_t i = 0; i < now->stream_count; i++)
        add(out, find(olds, before->stream_count, &now->streams[i]), &now->streams[i], errs);
    for (size_t i = 0; i < before->stream_count; i++)
        if (!find(news, now->stream_count, &before->streams[i]))
            add(out, &before->streams[i], NULL, errs);
    mem_free(olds);
    mem_free(news);
}

void settings_diff_release(struct settings_diff *d)
{
    for (size_t i = 0; i < d->count; i++)
        mem_free(d->streams[i].options);
    MEM_CLEAR(d->streams);
    MEM_CLEAR(d->at_once);
    d->count = 0;
}

/* --- for people ----------------------------------------------------------------------------------------------------
 */

static int describe(const struct settings_diff_stream *d, struct buf *out)
{
    switch (d->change) {
    case SETTINGS_SAME:
        return 0;
    case SETTINGS_ADDED:
        return buf_printf(out, "stream %s: added\n", d->name);
    case SETTINGS_REMOVED:
        return buf_printf(out, "stream %s: removed\n", d->name);
    case SETTINGS_CHANGED:
        break;
    }
    return buf_printf(out, "stream %s: %s begin anew (%s)\n", d->name,
                      d->delivery && d->inputs ? "inputs and deliveries"
                      : d->inputs              ? "inputs"
                                               : "deliveries",
                      d->options);
}

int settings_diff_describe(const struct settings_diff *d, struct buf *out)
{
    for (size_t i = 0; i < d->count; i++)
        if (describe(&d->streams[i], out) < 0)
            return -1;
    return d->at_once ? buf_printf(out, "set at once: %s\n", d->at_once) : 0;
}
