/* stream_status.c -- how a stream looks from outside: put together from what its parts publish under their own locks,
 * by any thread.
 *
 * What an operator is shown is the worst that is known: that the destination fails, or else that single batches do not
 * get on while others do, or else that a transform takes long. Each of them hides what is behind it, because the first
 * is the one to look at.
 */
#include "pipeline/delivery/stream_status.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/stream.h"

#include <stdio.h>
#include <string.h>

#define STUCK_FOR (10 * NSEC_PER_SEC)

static const struct stream_words NO_WORDS;

struct stream_words *stream_status_words(struct stream_status *s)
{
    if (!s->own)
        s->words = s->own = mem_alloc(sizeof(*s->own));
    return s->own;
}

void stream_status_release(struct stream_status *s)
{
    MEM_CLEAR(s->own);
    MEM_CLEAR(s->places);
    s->destination = s->backup = NULL;
    s->words = &NO_WORDS;
}

static enum stream_health health_of(const struct stream_status *s)
{
    if (s->pushed_back)
        return STREAM_BLOCKED;
    if (s->paused_since)
        return STREAM_PAUSED;
    if (s->failing_since)
        return STREAM_RETRYING;
    return rejects_share(&s->rejects) >= STREAM_FAILING_SHARE ? STREAM_FAILING : STREAM_OK;
}

void outlet_counters(struct outlet *o, struct named_counters *counters, struct named_counters *drop_reasons)
{
    pthread_mutex_lock(&o->named_counters_lock);
    named_counters_merge(counters, &o->counters);
    named_counters_merge(drop_reasons, &o->drop_reasons);
    pthread_mutex_unlock(&o->named_counters_lock);
}

static nsec earlier(nsec a, nsec b)
{
    return a && (!b || a < b) ? a : b;
}

static void add_counts(const struct target_live *d, const struct target_live *b, struct stream_status *out)
{
    out->in_flight += d->in_flight + b->in_flight;
    out->waiting_retry += d->waiting_retry + b->waiting_retry;
    out->under_way_since = earlier(d->under_way_since ? d->under_way_since : b->under_way_since, out->under_way_since);
    out->last_delivery = d->last_delivery > out->last_delivery ? d->last_delivery : out->last_delivery;
}

static void say(struct stream_status *out, const char *code, const char *error, const char *hint)
{
    struct stream_words *w = stream_status_words(out);

    snprintf(w->code, sizeof(w->code), "%s", code);
    snprintf(w->error, sizeof(w->error), "%s", error);
    snprintf(w->hint, sizeof(w->hint), "%s", hint);
}

/* What fails: the destination before the backup, a newer generation before an older one. */
static void show_failure(const struct target_live *l, const struct target_words *w, bool backup,
                         struct stream_status *out)
{
    if (!l->failing_since || (out->failing_since && (backup || !out->backup_fails)))
        return;
    out->failing_since = l->failing_since;
    out->backup_fails = backup;
    say(out, w->code, w->error, w->hint);
}

static void copy_places(const struct generation *g, struct stream_status *out)
{
    const char *destination = g->destination.description, *backup = g->backup ? g->backup->description : "";
    size_t n = strlen(destination) + 1, m = strlen(backup) + 1;

    out->places = mem_alloc(n + m);
    memcpy(out->places, destination, n);
    memcpy(out->places + n, backup, m);
    out->destination = out->places;
    out->backup = g->backup ? out->places + n : NULL;
}

/* Of all generations: they are one stream. What it is called is the newest one's. */
static void add_live(struct outlet *o, nsec wall_now, struct stream_status *out)
{
    struct generation *g;
    struct sink_identity heard;

    pthread_mutex_lock(&o->generations.lock);
    g = o->generations.newest;
    out->sink = g->conf->sink->name;
    copy_places(g, out);
    identify_live(&g->destination.identify, &heard);
    snprintf(out->destination_is, sizeof(out->destination_is), "%s", heard.who);
    for (; g; g = g->older) {
        struct target_live d, b = {.in_flight = 0};
        struct target_words destination, backup;

        target_live(&g->destination, wall_now, &d, &destination);
        if (g->backup)
            target_live(g->backup, wall_now, &b, &backup);
        if (g == o->generations.newest)
            out->in_flight_limit = d.allowed;
        add_counts(&d, &b, out);
        show_failure(&d, &destination, false, out);
        show_failure(&b, &backup, true, out);
    }
    pthread_mutex_unlock(&o->generations.lock);
}

/* A batch that alone does not get on while others do: the last attempt worked, and yet somebody has to know. One that
 * only failed once will be tried again before anybody has read of it. */
static void add_stuck(struct outlet *o, nsec wall_now, struct stream_status *out)
{
    const struct outlet_stuck *stuck;
    nsec lasted;

    pthread_mutex_lock(&o->named_counters_lock);
    stuck = o->stuck;
    lasted = stuck ? clock_mono() - stuck->since : 0;
    if (stuck && (stuck->wants_mending || lasted >= STUCK_FOR) &&
        (!out->failing_since || wall_now - out->failing_since < lasted)) {
        out->failing_since = wall_now - lasted;
        out->stuck = out->last_delivery > out->failing_since ? stuck->batches : 0;
        out->backup_fails = stuck->at_backup;
        say(out, stuck->code, stuck->message, stuck->hint);
    }
    pthread_mutex_unlock(&o->named_counters_lock);
}

/* A script that takes long for each record makes a batch that ends late, and nothing fails meanwhile. */
static void add_transform(struct outlet *o, nsec wall_now, struct stream_status *out)
{
    char error[sizeof(out->words->error)], hint[sizeof(out->words->hint)];
    nsec lasted;

    pthread_mutex_lock(&o->named_counters_lock);
    out->partitions = o->partitions;
    out->partitions_limit = o->partitions_limit;
    out->parcels_waiting = o->parcels_waiting;
    out->partition_rate = throughput_most(&o->throughput, clock_mono());
    lasted = o->transforming_since ? clock_mono() - o->transforming_since : 0;
    pthread_mutex_unlock(&o->named_counters_lock);
    if (lasted < TRANSFORM_LONG || out->failing_since)
        return;
    out->failing_since = wall_now - lasted;
    snprintf(error, sizeof(error), "the transform has been at work on one batch for %lld s",
             (long long)(lasted / NSEC_PER_SEC));
    snprintf(
        hint, sizeof(hint),
        "a script or a pattern takes long for some records: try it with `sluice transform --stream %s`; its `timeout` "
        "and `batch_timeout` bound it",
        settings_label(o->conf));
    say(out, "SlowTransform", error, hint);
}

/* Each delivery works, and yet records wait. */
static void add_full(struct outlet *o, nsec wall_now, struct stream_status *out)
{
    char error[sizeof(out->words->error)];
    nsec lasted;
    size_t staged;

    pthread_mutex_lock(&o->named_counters_lock);
    lasted = o->full_since ? clock_mono() - o->full_since : 0;
    staged = o->staged;
    pthread_mutex_unlock(&o->named_counters_lock);
    if (lasted < STUCK_FOR || out->failing_since)
        return;
    out->failing_since = wall_now - lasted;
    snprintf(error, sizeof(error), "%zu objects wait for their delivery, as many as there may be", staged);
    say(out, "TooManyObjects", error, STAGING_FULL_HINT);
}

void stream_status_push_back(struct stream_status *s, const struct intake_status *in)
{
    struct stream_words *w;

    s->pushed_back = in->blocked;
    s->pushed_back_for = in->lasted;
    if (!in->blocked)
        return;
    w = stream_status_words(s);
    snprintf(w->pushback, sizeof(w->pushback), "%s", in->cause);
    snprintf(w->pushback_hint, sizeof(w->pushback_hint), "%s", in->hint);
}

void outlet_status(struct outlet *o, nsec wall_now, struct stream_status *out)
{
    *out = (struct stream_status){
        .name = settings_label(o->conf),
        .stream = o->conf->name,
        .outlet = o->conf->outlet,
        .first = o == o->env.outlets,
        .memory = o->conf->memory,
        .at_source = o->conf->at_source,
        .metrics = &o->metrics,
        .words = &NO_WORDS,
    };
    spool_books(o->reader, &out->books);
    if (out->books.oldest_arrival != NSEC_NEVER && out->books.oldest_arrival < wall_now)
        out->freshness = wall_now - out->books.oldest_arrival;
    add_live(o, wall_now, out);
    add_stuck(o, wall_now, out);
    add_transform(o, wall_now, out);
    add_full(o, wall_now, out);
    out->paused_since = atomic_load(&o->orders.paused_since);
    out->rejects = rejects_view(&o->rejects, clock_mono());
}

void stream_status(struct stream *st, size_t outlet, nsec wall_now, struct stream_status *out)
{
    struct intake_status intake;

    outlet_status(&st->outlets[outlet], wall_now, out);
    intake_status(&st->intake, clock_mono(), &intake);
    stream_status_push_back(out, &intake);
    out->health = health_of(out);
}

const char *stream_health_word(enum stream_health h)
{
    static const char *const WORDS[] = {[STREAM_OK] = "ok",
                                        [STREAM_FAILING] = "failing",
                                        [STREAM_PAUSED] = "paused",
                                        [STREAM_RETRYING] = "retrying",
                                        [STREAM_BLOCKED] = "blocked"};

    return WORDS[h];
}

void outlet_take_down(struct outlet *o, nsec wall_now, nsec mono_now)
{
    struct history_totals t;
    struct spool_books b;

    spool_books(o->reader, &b);
    t = (struct history_totals){
        .records_in = b.incoming,
        .bytes_in = b.incoming_bytes,
        .records_out = b.delivered,
        .bytes_out = b.delivered_bytes,
        .wire_out = b.wire_bytes,
        .failures = metrics_get(&o->metrics, METRIC_DELIVERY_FAILURES),
        .freshness = b.oldest_arrival != NSEC_NEVER && b.oldest_arrival < wall_now ? wall_now - b.oldest_arrival : 0,
        .waiting = b.spooled_bytes,
    };
    chronicle_note(&o->chronicle, mono_now, &t);
}

void stream_take_down(struct stream *st, nsec wall_now, nsec mono_now)
{
    tap_tick(&st->tap, mono_now);
    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_take_down(&st->outlets[i], wall_now, mono_now);
}
