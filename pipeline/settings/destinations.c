/* `destinations`: a list in place of `destination`. Each element names one, and may say of it whatever a stream can say of its only one; what
 * it does not say holds as the stream says it. So each becomes a mapping of its own, made of both, that is bound by the stream's
 * own table: an option is described, checked and explained at one place, wherever it stands. */
#include "pipeline/settings/fields.h"

#include "config/suggest.h"
#include "config/text.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>
#include <strings.h>

static const char LIST[] = "destinations", SINGLE[] = "destination", NAME[] = "name";

/* The nodes that stand in no file; what they point to does. */
struct settings_merged {
    struct cfg_node map;
    struct cfg_node destination, destination_key; /* { s3: ... }, as if it stood behind `destination` */
    struct cfg_node *destination_item;
};

const struct cfg_field settings_outlet_fields[] = {
    {.name = NAME,
     .type = CFG_STRING,
     .offset = offsetof(struct stream_settings, outlet),
     .min = 1,
     .max = SPOOL_READER_NAME_MAX,
     .help = "what it is called in metrics, pages and commands, and what its place in the spool is known by: another "
             "name is another destination, which begins with what the spool has; left out: `s3`, `http`, ... as it is"},
    {.name = "max_behind",
     .type = CFG_SIZE,
     .offset = offsetof(struct stream_settings, max_behind),
     .min = MIB,
     .max = 1024 * 1024 * GIB,
     .help =
         "while more bytes than this wait in the spool for it, what it fails to take goes to the backup at once, as if "
         "`retry.duration` were over, and so do batches that it has no place for, because it is slow or does not "
         "answer; left out: each has its time, and at spool.limit inputs are pushed back"},
    {.name = "max_behind_time",
     .type = CFG_DURATION,
     .offset = offsetof(struct stream_settings, max_behind_time),
     .min = NSEC_PER_SEC,
     .max = 365 * 24 * 3600 * NSEC_PER_SEC,
     .help = "the same while the oldest record that waits for it came in longer ago than this; left out: however old "
             "it is"},
    {.name = "when",
     .type = CFG_CUSTOM,
     .bind = settings_when_bind,
     .release = settings_when_release,
     .syntax = "a condition, or a list of them",
     .help = "only records of which all of these hold are for this destination; the others count as unwanted; "
             "left out: each record is"},
    {.name = NULL},
};

bool settings_is_of_stream(const char *option)
{
    static const char *const OF_STREAM[] = {"inputs", "durability", "spool", LIST, "give_up"};

    for (size_t i = 0; i < ARRAY_LEN(OF_STREAM); i++)
        if (strcmp(option, OF_STREAM[i]) == 0)
            return true;
    return false;
}

/* --- one element ------------------------------------------------------------------------------------------------------ */

static bool is_of_delivery(const char *option)
{
    return strcmp(option, SINGLE) != 0 && !settings_is_of_stream(option) && cfg_find(settings_stream_fields, option);
}

static void say_unknown(struct cfg_errors *errs, const struct cfg_node *key)
{
    char shown[TEXT_SHOWN_MAX + 4], hint[CFG_HINT_MAX];
    struct suggest known;
    const struct sink_ops *sink;

    suggest_init(&known, key->text);
    for (size_t i = 0; (sink = sink_at(i)); i++)
        suggest_add(&known, sink->name);
    for (const struct cfg_field *f = settings_outlet_fields; f->name; f++)
        suggest_add(&known, f->name);
    for (const struct cfg_field *f = settings_stream_fields; f->name; f++)
        if (is_of_delivery(f->name))
            suggest_add(&known, f->name);
    if (settings_is_of_stream(key->text) && cfg_find(settings_stream_fields, key->text))
        cfg_error(errs, key->at, "`%s` is the stream's: all its destinations have the same", key->text);
    else
        cfg_error(errs, key->at, "unknown key `%s`; %s", text_show(key->text, shown),
                  suggest_hint(&known, hint, sizeof(hint)));
}

/* The one key that names a destination. NULL: reported. */
static struct cfg_node *find_sink(struct cfg_errors *errs, const struct cfg_node *element)
{
    struct cfg_node *found = NULL;

    for (size_t i = 0; i < element->count; i++) {
        struct cfg_node *item = element->items[i];

        if (!sink_find(item->key->text))
            continue;
        if (found) {
            cfg_error(errs, item->key->at,
                      "one element of `destinations` is one destination, and `%s` is a second one: make it an element "
                      "of its own",
                      item->key->text);
            return NULL;
        }
        found = item;
    }
    if (!found)
        cfg_error(errs, element->at,
                  "an element of `destinations` wants a destination, as `- file: { path: ... }`, and what is said of "
                  "it beside that");
    return found;
}

static void add(struct cfg_node *map, struct cfg_node *item)
{
    map->items = mem_grow(map->items, map->count + 1, sizeof(struct cfg_node *));
    map->items[map->count++] = item;
}

/* What is the element's alone. */
static void bind_own(struct cfg_errors *errs, const struct cfg_node *element, struct stream_settings *st)
{
    struct cfg_node own = {.kind = CFG_NODE_MAP, .at = element->at};

    for (size_t i = 0; i < element->count; i++)
        if (cfg_find(settings_outlet_fields, element->items[i]->key->text))
            add(&own, element->items[i]);
    cfg_bind(errs, &own, settings_outlet_fields, st);
    mem_free(own.items);
}

/* `first`: what is the stream's own is in it, too. */
static struct settings_merged *merge(struct cfg_errors *errs, const struct cfg_node *stream,
                                     const struct cfg_node *element, bool first)
{
    struct settings_merged *m = mem_alloc(sizeof(*m));
    struct cfg_node *sink = find_sink(errs, element);

    m->map = (struct cfg_node){.kind = CFG_NODE_MAP, .at = element->at, .key = stream->key};
    for (size_t i = 0; i < element->count; i++) {
        struct cfg_node *item = element->items[i];

        if (is_of_delivery(item->key->text))
            add(&m->map, item);
        else if (!sink_find(item->key->text) && !cfg_find(settings_outlet_fields, item->key->text))
            say_unknown(errs, item->key);
    }
    for (size_t i = 0; i < stream->count; i++) {
        const char *option = stream->items[i]->key->text;

        if (strcmp(option, LIST) == 0 || cfg_node_get(element, option))
            continue;
        if (first || is_of_delivery(option))
            add(&m->map, stream->items[i]);
    }
    m->destination_item = sink;
    m->destination_key = (struct cfg_node){.kind = CFG_NODE_SCALAR, .text = (char *)SINGLE, .at = element->at};
    m->destination = (struct cfg_node){.kind = CFG_NODE_MAP,
                                       .at = element->at,
                                       .key = &m->destination_key,
                                       .items = &m->destination_item,
                                       .count = 1,
                                       .bad = !sink};
    if (!first || !cfg_node_get(stream, SINGLE))
        add(&m->map, &m->destination);
    return m;
}

static void merged_free(struct settings_merged **m)
{
    if (*m)
        mem_free((*m)->map.items);
    MEM_CLEAR(*m);
}

/* --- all of them -------------------------------------------------------------------------------------------------------- */

static void check_name(struct cfg_errors *errs, const struct cfg_node *element, const struct stream_settings *st,
                       size_t index)
{
    const struct cfg_node *name = cfg_node_get(element, NAME);
    struct srcpos at = name ? name->at : element->at;

    if (!settings_is_stream_name(st->outlet)) {
        cfg_error(errs, at, "`name`: 1 to %d of a-z A-Z 0-9 _ . -", SPOOL_READER_NAME_MAX);
        return;
    }
    for (size_t i = 0; i < index; i++) {
        const struct stream_settings *other = settings_outlet(settings_whole(st), i);

        if (!other->outlet || strcasecmp(other->outlet, st->outlet) != 0)
            continue;
        cfg_error(errs, at,
                  name ? "two destinations of this stream are called `%s`: give one another name"
                       : "two destinations of this stream would be called `%s`: give one a `name` of its own",
                  st->outlet);
        return;
    }
}

static void bind_element(struct cfg_errors *errs, const struct cfg_node *stream, const struct cfg_node *element,
                         struct stream_settings *st, settings_bind_outlet *bind)
{
    bool first = !st->of;
    const struct stream_settings *whole = settings_whole(st);

    st->merged = merge(errs, stream, element, first);
    st->options = &st->merged->map;
    st->element = element;
    bind_own(errs, element, st);
    bind(errs, st);
    if (!st->outlet && st->sink)
        st->outlet = mem_strdup(st->sink->name);
    if (st->outlet)
        st->label = mem_printf("%s:%s", whole->name, st->outlet);
}

/* The list as far as it can be read; NULL: there is nothing to bind, and why was said. */
static const struct cfg_node *elements_of(struct cfg_errors *errs, const struct cfg_node *stream,
                                          const struct cfg_node *list)
{
    const struct cfg_node *single = cfg_node_get(stream, SINGLE);
    size_t maps = 0;

    if (single)
        cfg_error(errs, list->key->at,
                  "`destination` and `destinations` exclude one another: make the one an element of the other");
    if (list->bad)
        return NULL;
    if (list->kind != CFG_NODE_LIST || list->count == 0) {
        cfg_error(errs, list->at, "`destinations` wants a list of destinations: `- file: { path: ... }`, ...");
        return NULL;
    }
    if (list->count > SPOOL_READERS_MAX)
        cfg_error(errs, list->at, "`destinations`: at most %d, these are %zu", SPOOL_READERS_MAX, list->count);
    for (size_t i = 0; i < list->count; i++) {
        maps += list->items[i]->kind == CFG_NODE_MAP;
        if (list->items[i]->kind != CFG_NODE_MAP && !list->items[i]->bad)
            cfg_error(errs, list->items[i]->at,
                      "an element of `destinations` wants a destination with its options, as `- file: { path: ... }`, "
                      "not %s",
                      cfg_node_kind(list->items[i]));
    }
    return maps == list->count ? list : NULL;
}

bool settings_destinations_bind(struct cfg_errors *errs, const struct cfg_node *stream, struct stream_settings *st,
                                settings_bind_outlet *bind)
{
    const struct cfg_node *list = cfg_node_get(stream, LIST);

    if (!list || cfg_node_is_null(list))
        return false;
    list = elements_of(errs, stream, list);
    if (!list)
        return true;
    st->more = mem_array(list->count, sizeof(*st->more));
    for (size_t i = 0; i < list->count; i++) {
        struct stream_settings *own = st;

        if (i > 0) {
            own = &st->more[st->more_count++];
            *own = (struct stream_settings){.name = st->name, .at = list->items[i]->at, .of = st, .node = st->node};
        }
        bind_element(errs, stream, list->items[i], own, bind);
        if (own->outlet)
            check_name(errs, list->items[i], own, i);
    }
    return true;
}

void settings_destinations_release(struct stream_settings *st)
{
    for (size_t i = 0; i < st->more_count; i++) {
        cfg_release(settings_stream_fields, &st->more[i]);
        cfg_release(settings_outlet_fields, &st->more[i]);
        mem_free(st->more[i].label);
        merged_free(&st->more[i].merged);
    }
    MEM_CLEAR(st->more);
    st->more_count = 0;
    cfg_release(settings_outlet_fields, st);
    MEM_CLEAR(st->label);
    merged_free(&st->merged);
}
