/* Who only looks at the streams: pages, metrics, the last lines. A view counts as a user of each stream that can be seen when it is taken, so
 * none of them is closed before it is released; the list may change meanwhile. */
#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/firehose_view.h"
#include "pipeline/engine/impl.h"

#include <string.h>

bool engine_sees(const struct engine_stream *es)
{
    return es->state != STATE_OPENING && es->state != STATE_CLOSING;
}

void engine_view_take(struct engine *en, struct engine_view *out)
{
    struct engine_stream *es;
    size_t n = 0;

    pthread_mutex_lock(&en->lock);
    TAILQ_FOREACH(es, &en->streams, link)
        n += engine_sees(es) ? es->stream->outlet_count : 0;
    *out = (struct engine_view){.engine = en, .rows = mem_array(n, sizeof(struct engine_view_row))};
    TAILQ_FOREACH(es, &en->streams, link)
        for (size_t i = 0; engine_sees(es) && i < es->stream->outlet_count; i++) {
            es->users++;
            out->rows[out->count++] = (struct engine_view_row){es, i};
        }
    orphans_copy(&en->orphans, &out->orphans);
    pthread_mutex_unlock(&en->lock);
}

void engine_view_release(struct engine_view *v)
{
    struct engine *en = v->engine;

    pthread_mutex_lock(&en->lock);
    while (v->count > 0)
        v->rows[--v->count].stream->users--;
    pthread_cond_broadcast(&en->changed);
    pthread_mutex_unlock(&en->lock);
    mem_free(v->rows);
    orphans_release(&v->orphans);
}

static struct outlet *outlet_of(const struct engine_view *v, size_t index)
{
    return &v->rows[index].stream->stream->outlets[v->rows[index].outlet];
}

bool engine_find_row(const struct engine_view *v, const char *name, size_t *index)
{
    size_t whole = v->count;

    for (size_t i = 0; i < v->count; i++) {
        if (strcmp(settings_label(outlet_of(v, i)->conf), name) == 0) {
            *index = i;
            return true;
        }
        if (whole == v->count && strcmp(outlet_of(v, i)->conf->name, name) == 0)
            whole = i;
    }
    *index = whole;
    return whole < v->count;
}

/* A listener turns requests away before it has read which stream they are for: that blocks all that it serves. */
static void add_listener_memory(struct engine *en, const struct engine_stream *es, struct stream_status *out)
{
    for (size_t i = 0; i < es->standing.count && !out->pushed_back; i++) {
        const struct listener_ops *ops = es->standing.list[i].ops->section;
        struct listener *l = listeners_find(&en->listeners, ops);
        struct intake_status intake;
        struct pushback_view v;

        if (!l)
            continue;
        v = ops->section->memory(l, clock_mono());
        if (!v.blocked)
            continue;
        intake_status_memory(&v, &intake);
        stream_status_push_back(out, &intake);
        out->health = STREAM_BLOCKED;
    }
}

void engine_inputs_waiting(const struct engine_view *v, size_t index, nsec least, struct waiting_input *out)
{
    stream_inputs_waiting(&v->rows[index].stream->inputs, clock_mono(), least, out);
}

bool engine_stream_status(const struct engine_view *v, size_t index, nsec wall_now, struct stream_status *out)
{
    const struct engine_stream *es;
    struct waiting_input w;

    if (index >= v->count)
        return false;
    es = v->rows[index].stream;
    stream_status(es->stream, v->rows[index].outlet, wall_now, out);
    add_listener_memory(v->engine, es, out);
    stream_inputs_waiting(&es->inputs, clock_mono(), INPUT_STANDS_LONG, &w);
    out->waiting_for = w.lasted;
    if (w.lasted) {
        struct stream_words *words = stream_status_words(out);

        out->health = STREAM_BLOCKED;
        snprintf(words->waiting, sizeof(words->waiting), "%s", w.cause);
        snprintf(words->waiting_hint, sizeof(words->waiting_hint), "%s", w.hint);
    }
    out->inputs = es->input_names;
    return true;
}

bool engine_input_health(const struct engine_view *v, size_t index, size_t input, nsec wall_now,
                         struct input_health_view *out)
{
    struct engine_stream *es = v->rows[index].stream;
    size_t first = es->standing.count;

    if (v->rows[index].outlet > 0 || input >= first + es->inputs.count)
        return false;
    input_health_view(input < first ? &es->standing.list[input].health : &es->inputs.list[input - first].health,
                      wall_now, clock_mono(), out);
    return true;
}

void engine_stream_counters(const struct engine_view *v, size_t index, struct named_counters *counters,
                            struct named_counters *drop_reasons)
{
    if (index < v->count)
        outlet_counters(outlet_of(v, index), counters, drop_reasons);
}

int engine_settings_of(struct engine *en, const char *name, const struct stream_settings **delivers,
                       const struct stream_settings **reads)
{
    struct engine_stream *es;
    int rc = -1;

    pthread_mutex_lock(&en->lock);
    TAILQ_FOREACH(es, &en->streams, link) {
        if (!engine_sees(es) || strcmp(es->conf->name, name) != 0)
            continue;
        *delivers = stream_delivers(es->stream);
        *reads = es->reads;
        rc = 0;
    }
    pthread_mutex_unlock(&en->lock);
    return rc;
}

bool engine_is_whole(struct engine *en, const char *name)
{
    const struct engine_stream *es;
    bool whole;

    pthread_mutex_lock(&en->lock);
    es = engine_find(en, name);
    whole = es && engine_sees(es) && !es->ended;
    pthread_mutex_unlock(&en->lock);
    return whole;
}

/* A generation's settings live as long as it does, or as the engine says that somebody uses them. */
void engine_stream_config(const struct engine_view *v, size_t index,
                          void (*fn)(void *ctx, const struct cfg_node *stream, const struct cfg_node *reads), void *ctx)
{
    const struct engine_stream *es = v->rows[index].stream;
    struct generations *all = &es->stream->outlets[0].generations;

    pthread_mutex_lock(&all->lock);
    fn(ctx, settings_whole(all->newest->conf)->node, es->reads->node);
    pthread_mutex_unlock(&all->lock);
}

struct chronicle *engine_stream_chronicle(const struct engine_view *v, size_t index)
{
    return index < v->count ? &outlet_of(v, index)->chronicle : NULL;
}

struct tap *engine_stream_tap(const struct engine_view *v, size_t index)
{
    return index < v->count ? &v->rows[index].stream->stream->tap : NULL;
}

bool engine_uses(struct engine *en, const struct stream_settings *conf)
{
    struct engine_stream *es;
    bool uses = false;

    pthread_mutex_lock(&en->lock);
    TAILQ_FOREACH(es, &en->streams, link)
        uses = uses || es->reads == conf || (engine_sees(es) ? stream_uses(es->stream, conf) : es->conf == conf);
    pthread_mutex_unlock(&en->lock);
    return uses;
}

/* --- what an input may tell ------------------------------------------------------------------------------------------ */

/* One look at a stream: `conf` is what it delivers to by now; while nobody sees it, what it is opened with. */
struct look {
    void (*at)(struct look *l, const struct stream_settings *conf, uint32_t version);
    size_t index, count;
    uint32_t version;
    const char *region, *account;
    struct buf *out;
    int rc;
};

static void look_at(struct engine_stream *es, struct look *l)
{
    struct engine *en = es->engine;

    pthread_mutex_lock(&en->lock);
    if (engine_sees(es)) {
        struct generations *all = &es->stream->outlets[0].generations;

        pthread_mutex_lock(&all->lock);
        es->version = all->newest->version;
        l->at(l, settings_whole(all->newest->conf), es->version);
        pthread_mutex_unlock(&all->lock);
    } else {
        l->at(l, es->conf, es->version);
    }
    pthread_mutex_unlock(&en->lock);
}

static void count(struct look *l, const struct stream_settings *conf, uint32_t version)
{
    l->count = settings_outlet_count(conf);
    l->version = version;
}

static void write_down(struct look *l, const struct stream_settings *conf, uint32_t version)
{
    (void)version;
    if (l->index < settings_outlet_count(conf))
        l->rc = firehose_view_add(conf, l->index, l->region, l->account, l->out);
}

static uint32_t tell_version(void *ctx)
{
    struct look l = {.at = count};

    look_at(ctx, &l);
    return l.version;
}

static size_t tell_destinations(void *ctx)
{
    struct look l = {.at = count};

    look_at(ctx, &l);
    return l.count;
}

static int tell_destination(void *ctx, size_t index, const char *region, const char *account, struct buf *out)
{
    struct look l = {.at = write_down, .index = index, .region = region, .account = account, .out = out};

    look_at(ctx, &l);
    return l.rc;
}

struct input_tale engine_tale(struct engine_stream *es)
{
    pthread_mutex_lock(&es->engine->lock);
    es->version = es->stream->outlets[0].generations.newest->version;
    pthread_mutex_unlock(&es->engine->lock);
    return (struct input_tale){.created = es->stream->created,
                               .version = tell_version,
                               .destinations = tell_destinations,
                               .add_destination = tell_destination,
                               .ctx = es};
}
