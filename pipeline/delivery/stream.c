/* Whatever happens to a stream (records were committed, a delivery ended, memory was given back, a deadline passed)
 * ends in pump(), which looks at everything there is to do, in the order in which bytes flow: cut batches that are
 * due, start transforms, start attempts. So no event needs to know what it makes possible, and one that is missed
 * costs a moment, never a batch. What others show of a stream is copied out under a lock, at the end of the same
 * function.
 */
#include "pipeline/delivery/stream.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/places.h"
#include "pipeline/delivery/stream_publish.h"
#include "pipeline/delivery/stream_source.h"
#include "pipeline/delivery/stream_spool.h"
#include "pipeline/delivery/stream_transforms.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct delivery_host_ops HOST;
static const struct stream_source_ops SOURCE_OPS;
static void pump(struct stream *st);
static void done(struct delivery_host *h, struct delivery *d);

static void on_committed_event(struct loop_event *ev)
{
    pump(CONTAINER_OF(ev, struct stream, committed));
}

static void on_due(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct stream, due));
}

/* Committer thread. */
static void on_committed(void *ctx)
{
    struct stream *st = ctx;

    delivery_loop_post(st->loop, &st->committed);
}

/* --- open and close ------------------------------------------------------------------------------------------------- */

static void make_host(struct stream *st)
{
    st->host = (struct delivery_host){
        .ops = &HOST,
        .loop = st->loop,
        .spool = st->spool,
        .metrics = &st->metrics,
        .chronicle = &st->chronicle,
        .tap = &st->tap,
        .identity = st->conf->at_source ? st->conf->shared_identity : spool_identity(st->spool),
    };
    while (st->host.epoch == 0)
        random_bytes(&st->host.epoch, sizeof(st->host.epoch));
}

static int open_staging(struct stream *st, const struct stream_env *env, bool log_is_damaged, struct err *e)
{
    char *dir = mem_printf("%s/streams/%s/staging", env->data_dir, st->conf->name);
    char *damaged = mem_printf("%s/streams/%s/spool/damaged", env->data_dir, st->conf->name);
    const struct staging_env staging = {.stream = st->conf->name,
                                        .dir = dir,
                                        .damaged = log_is_damaged ? damaged : NULL,
                                        .memory = st->conf->memory,
                                        .files = env->files,
                                        .loop = st->loop,
                                        .reader = st->reader,
                                        .turn = &st->committed};
    int rc = staging_open(&st->staging, &staging, &st->generations.newest->host, e);

    if (rc == 0 && log_is_damaged && staging_has_kept_all(&st->staging))
        spool_forget_damage(st->spool);
    mem_free(damaged);
    mem_free(dir);
    return rc;
}

int stream_open(struct stream **out, const struct stream_settings *conf, const struct stream_env *env, struct err *e)
{
    struct stream *st = mem_alloc(sizeof(*st));
    struct generation *first;
    bool log_is_damaged;

    *out = st;
    st->conf = conf;
    st->loop = env->loop;
    st->became_idle = env->became_idle;
    st->ctx = env->ctx;
    st->created = clock_wall();
    st->committed.fn = on_committed_event;
    st->memory.ev = &st->committed;
    loop_timer_init(&st->due, on_due);
    pthread_mutex_init(&st->named_counters_lock, NULL);
    generations_init(&st->generations);
    chronicle_init(&st->chronicle);
    tap_init(&st->tap);
    rejects_init(&st->rejects);
    intake_init(&st->intake, conf->name, env->data_dir, env->loop);
    st->intake.chronicle = &st->chronicle;
    staging_init(&st->staging);
    if (stream_open_spool(st, env, on_committed, &log_is_damaged, e) < 0)
        return -1;
    pace_init(&st->pace, st->spool, conf->partitioned ? 2 * STAGE_PIECE_BYTES : (uint64_t)conf->buffer_size,
              clock_mono());
    make_host(st);
    first = generation_open(&st->generations, conf, &st->host, st->journal, env->base_dir, e);
    if (!first)
        return -1;
    generations_add(&st->generations, first);
    return open_staging(st, env, log_is_damaged, e);
}

/* All that is the delivery thread's. */
static void let_go(void *arg)
{
    struct stream *st = arg;

    while (st->open) {
        struct delivery *d = st->open;
        struct stage_parcel *parcel = d->parcel_of;

        st->open = d->next_open;
        delivery_free(&d);
        stage_parcel_free(&parcel);
    }
    staging_let_go(&st->staging);
    delivery_loop_at(st->loop, &st->due, NSEC_NEVER);
    delivery_loop_await_no_memory(st->loop, &st->memory);
    delivery_loop_forget(st->loop, &st->committed);
    intake_end(&st->intake);
    generations_close(&st->generations);
    st->life = LIFE_LEFT;
}

void stream_leave(struct stream *st)
{
    if (st->spool)
        spool_retire(st->spool);
    delivery_loop_call(st->loop, let_go, st);
}

void stream_close(struct stream **stp)
{
    struct stream *st = *stp;

    if (!st)
        return;
    if (st->life != LIFE_LEFT)
        let_go(st);
    if (st->pace.spool)
        pace_release(&st->pace);
    spool_close(&st->spool);
    source_journal_release(&st->source_journal);
    staging_close(&st->staging);
    intake_release(&st->intake);
    rejects_release(&st->rejects);
    chronicle_release(&st->chronicle);
    MEM_CLEAR(st->stuck);
    tap_release(&st->tap);
    named_counters_release(&st->counters);
    named_counters_release(&st->drop_reasons);
    generations_release(&st->generations);
    pthread_mutex_destroy(&st->named_counters_lock);
    mem_free(st);
    *stp = NULL;
}

static void add_open(struct stream *st, struct delivery *d)
{
    d->next_open = st->open;
    st->open = d;
    if (d->is_piece) {
        generation_of(d->host)->staged++;
        return;
    }
    st->open_count++;
    generation_of(d->host)->open++;
}

static void remove_open(struct stream *st, struct delivery *d)
{
    struct delivery **p = &st->open;

    while (*p != d)
        p = &(*p)->next_open;
    *p = d->next_open;
    if (d->is_piece) {
        generation_of(d->host)->staged--;
        return;
    }
    st->open_count--;
    generation_of(d->host)->open--;
}

/* The open batch begins anew with it: it is a range of the spool and nothing else. */
static void begin_batches(struct stream *st)
{
    const struct generation *g = st->generations.newest;
    const struct stream_settings *conf = g->conf;
    uint64_t size = staging_batch_bytes(&st->staging, g);
    struct batch_limits limits = {.size = size, .records = UINT64_MAX, .interval = conf->buffer_interval};

    if (conf->partitioned) { /* this is the parcels'; a piece waits for a part of that */
        limits.interval /= STAGE_PIECE_AGE_PART;
        if (limits.interval > STAGE_PIECE_AGE_MAX)
            limits.interval = STAGE_PIECE_AGE_MAX;
    }
    batcher_init(&st->batcher, &limits, st->reader, st->journal->ops->cut(st->journal));
}

static void restore_parcels(struct stream *st)
{
    struct delivery *d;

    while ((d = staging_restore(&st->staging, &st->generations.newest->host)))
        add_open(st, d);
}

static void start(void *arg)
{
    struct stream *st = arg;
    struct seal pending;

    for (size_t i = 0; st->journal->ops->pending(st->journal, i, &pending); i++)
        add_open(st, delivery_restore(&st->generations.newest->host, &pending));
    restore_parcels(st);
    begin_batches(st);
    st->life = LIFE_RUNNING;
    delivery_loop_post(st->loop, &st->committed);
}

void stream_start(struct stream *st)
{
    delivery_loop_call(st->loop, start, st);
}

struct replacing {
    struct stream *stream;
    struct generation *by;
};

static void replace(void *arg)
{
    const struct replacing *r = arg;
    struct stream *st = r->stream;

    generations_add(&st->generations, r->by);
    if (st->life != LIFE_RUNNING)
        return;
    st->begins_anew = st->staging.step != STAGING_IDLE; /* the cut is where that piece begins */
    if (!st->begins_anew)
        begin_batches(st);
    staging_replaced(&st->staging);
    restore_parcels(st);
    pump(st);
}

int stream_replace_sinks(struct stream *st, const struct stream_settings *conf, const char *base_dir, struct err *e)
{
    struct replacing r = {.stream = st,
                          .by = generation_open(&st->generations, conf, &st->host, st->journal, base_dir, e)};

    if (!r.by)
        return -1;
    spool_set_limit(st->spool, conf->spool_limit);
    delivery_loop_call(st->loop, replace, &r);
    return 0;
}

bool stream_uses(struct stream *st, const struct stream_settings *conf)
{
    return st->conf == conf || generations_use(&st->generations, conf);
}

static void give_up(struct stream *st)
{
    bool all = true;

    if (st->conf->at_source)
        stream_source_give_back(st, &SOURCE_OPS);
    for (struct delivery *d = st->open; d; d = d->next_open)
        all = delivery_give_up(d) && all;
    all = all && !staging_is_away(&st->staging);
    for (struct generation *g = st->generations.newest; g; g = g->older) {
        g->untransformed = NULL;
        g->untransformed_last = &g->untransformed;
    }
    delivery_loop_at(st->loop, &st->due, NSEC_NEVER);
    if (all && !atomic_exchange(&st->given_up, true))
        st->became_idle(st->ctx);
}

static void begin_to_give_up(void *arg)
{
    struct stream *st = arg;

    st->life = LIFE_GIVING_UP;
    staging_give_up(&st->staging);
    give_up(st);
}

void stream_give_up(struct stream *st)
{
    delivery_loop_call(st->loop, begin_to_give_up, st);
}

bool stream_has_given_up(const struct stream *st)
{
    return atomic_load(&st->given_up);
}

void stream_flush(struct stream *st)
{
    if (st->conf->memory && !st->conf->at_source)
        (void)stream_resume(st, clock_wall()); /* or it would be lost */
    atomic_fetch_add(&st->flush, 1);
    delivery_loop_post(st->loop, &st->committed);
}

/* --- cutting and starting ---------------------------------------------------------------------------------------- */

static bool batch_is_due(const struct stream *st)
{
    return batcher_due(&st->batcher, st->loop->mono) || stream_orders_cut(st) ||
           (atomic_load(&st->flush) && st->batcher.deadline != NSEC_NEVER);
}

/* What an older generation does not get rid of holds up nothing that goes elsewhere. */
static bool has_place(const struct stream *st, const struct generation *g)
{
    struct places p = {.max = (unsigned)g->conf->in_flight, .open = g->open};

    if (st->orders.held || st->open_count - g->open >= OPEN_DELIVERIES_MAX)
        return false;
    if (p.open < p.max)
        return true;
    for (const struct delivery *d = st->open; d; d = d->next_open) {
        struct delivery_wait w = delivery_wait(d);

        if (d->host != &g->host || d->is_piece)
            continue;
        if (w.waits && w.own_fault) {
            p.own_fault++;
        } else if (w.waits) {
            p.waiting++;
            if (w.since && st->loop->mono - w.since > p.longest)
                p.longest = st->loop->mono - w.since;
        }
    }
    return places_are_free(&p);
}

/* May the next batch be cut? Of a partitioned stream it is a piece. The one before is the last one's that settings were replaced after,
 * perhaps, and the cut is behind it only when it is staged. */
static bool takes_batches(struct stream *st)
{
    const struct generation *g = st->generations.newest;

    if (g->conf->partitioned)
        return staging_takes(&st->staging, g->staged) && !st->orders.held;
    return st->staging.step == STAGING_IDLE && has_place(st, g);
}

static void begin_batch(struct stream *st, const struct seal *next, const struct spool_cursor *end)
{
    struct delivery_host *h = &st->generations.newest->host;

    if (!h->conf->partitioned) {
        add_open(st, delivery_new(h, next, end));
        return;
    }
    staging_cut(&st->staging);
    add_open(st, delivery_new_piece(h, next, end));
}

/* A piece holds what it is made of until it is staged, so the next one gathers beside it. The settings may be others than at the start. */
static void resize_batch(struct stream *st)
{
    const struct generation *g = st->generations.newest;
    uint64_t size = staging_batch_bytes(&st->staging, g);

    batcher_resize(&st->batcher, size);
    pace_resize(&st->pace, g->conf->partitioned ? 2 * size : (uint64_t)g->conf->buffer_size);
}

static void cut_due_batches(struct stream *st)
{
    struct delivery_loop *l = st->loop;
    struct err e;

    while (takes_batches(st)) {
        struct seal next;
        struct spool_cursor end;
        bool is_due;

        resize_batch(st);
        if (batcher_advance(&st->batcher, l->wall, l->mono, &e) < 0) {
            stream_spool_failed(st, &e);
            return;
        }
        is_due = batch_is_due(st);
        stream_orders_have_cut(st, !st->batcher.full);
        if (!is_due || !batcher_take(&st->batcher, &next, &end)) {
            delivery_loop_at(l, &st->due, st->batcher.deadline);
            return;
        }
        begin_batch(st, &next, &end);
    }
    delivery_loop_at(l, &st->due, NSEC_NEVER); /* no place: the next delivery that ends comes back here */
}

/* What is closed, as far as there are places. At the end all is, once the last piece is staged or waits for better times. */
static void deliver_parcels(struct stream *st, bool flush)
{
    bool all = st->staging.step == STAGING_IDLE && st->batcher.deadline == NSEC_NEVER;

    for (const struct delivery *d = st->open; d; d = d->next_open)
        all |= d->is_piece && d->work == WORK_PAUSED;
    if (staging_is_empty(&st->staging))
        return;
    staging_turn(&st->staging, &st->generations.newest->host, flush && all);
    for (struct generation *g = st->generations.newest; g; g = g->older) {
        struct stage_parcel *p;

        while (has_place(st, g) && (p = staging_next(&st->staging, &g->host, g == st->generations.newest)))
            add_open(st, delivery_new_parcel(&g->host, p));
    }
}

static struct stream *stream_of(struct delivery_host *h)
{
    return CONTAINER_OF(generation_of(h)->of, struct stream, generations);
}

static void wants_transform(struct delivery_host *h, struct delivery *d)
{
    struct generation *g = generation_of(h);

    d->next_untransformed = NULL;
    *g->untransformed_last = d;
    g->untransformed_last = &d->next_untransformed;
}

static void transform_ended(struct delivery_host *h, struct delivery *d)
{
    (void)d;
    assert(generation_of(h)->transforming > 0);
    generation_of(h)->transforming--;
}

static void start_attempts(struct stream *st, struct target *t)
{
    struct target_slot *s;

    while ((s = target_next(t))) {
        if (!attempt_start(s)) {
            target_not_now(t, s);
            delivery_loop_await_memory(st->loop, &st->memory);
            return;
        }
    }
}

/* Of a generation that is not the newest: what is not staged of it is nowhere but in the spool, and begins anew with the newest one. */
static void give_up_waiting_piece(struct stream *st)
{
    struct delivery *d = st->open;

    while (d && !(d->is_piece && d->work == WORK_PAUSED))
        d = d->next_open;
    if (d)
        done(d->host, d);
}

static const struct stream_source_ops SOURCE_OPS = {.has_place = has_place, .open = add_open, .done = done};

static void pump(struct stream *st)
{
    unsigned flush = atomic_load(&st->flush);
    bool transforms = false;

    if (st->life != LIFE_RUNNING) {
        if (st->life == LIFE_GIVING_UP)
            give_up(st);
        return;
    }
    stream_orders_turn(st);
    if (st->begins_anew)
        give_up_waiting_piece(st);
    if (st->conf->at_source)
        stream_source_turn(st, &SOURCE_OPS);
    else
        cut_due_batches(st);
    deliver_parcels(st, flush != 0);
    for (struct generation *g = st->generations.newest; g; g = g->older) {
        if (!st->orders.held)
            stream_start_transforms(st, g);
        start_attempts(st, &g->destination);
        if (g->backup)
            start_attempts(st, g->backup);
        transforms = transforms || g->line;
    }
    stream_publish(st, transforms);
    generations_close_settled(&st->generations);
    stream_publish_idle(st, flush);
    stream_orders_end_turn(st);
    pace_look(&st->pace, st->loop->mono);
}

/* Settled, and freed. */
static void done(struct delivery_host *h, struct delivery *d)
{
    struct stream *st = stream_of(h);
    struct seal_result r = delivery_result(d);

    if (r.corrupt)
        log_error("records were lost to damage in the spool", KS("stream", st->conf->name), KU("records", r.corrupt),
                  KU("first", d->seal.first), KU("last", d->seal.last),
                  KS("hint", "run `sluice fsck`, and look for disk errors in the kernel's log"));
    if (d->is_piece)
        staging_done(&st->staging);
    else if (d->parcel_of)
        staging_settle(&st->staging, d->parcel_of, &r);
    else
        st->journal->ops->settle(st->journal, d->seal.first, &r);
    generation_note_weight(generation_of(h), d->seal.bytes, r.wire_bytes);
    pace_moved(&st->pace, st->loop->mono);
    stream_note_ended(st, d, &r);
    remove_open(st, d);
    delivery_free(&d);
    if (st->begins_anew && st->staging.step == STAGING_IDLE) {
        st->begins_anew = false;
        begin_batches(st);
    }
}

static void seal(struct delivery_host *h, const struct seal *s, const struct spool_cursor *end, struct spool_wait *w)
{
    struct seal_journal *j = stream_of(h)->journal;

    j->ops->seal(j, s, end, w);
}

static void progress(struct delivery_host *h, uint64_t seal_first, struct slice bytes, struct spool_wait *w)
{
    struct seal_journal *j = stream_of(h)->journal;

    j->ops->progress(j, seal_first, bytes, w);
}

static void seal_parcel(struct delivery_host *h, struct stage_parcel *p, struct slice note, struct spool_wait *w)
{
    staged_seal(stream_of(h)->reader, p->known.number, note, w);
}

static void progress_parcel(struct delivery_host *h, struct stage_parcel *p, struct slice bytes, struct spool_wait *w)
{
    staged_progress(stream_of(h)->reader, p->known.number, bytes, w);
}

/* A stream that gives up begins nothing more: the piece is as it was. */
static void stage(struct delivery_host *h, struct delivery *d)
{
    struct stream *st = stream_of(h);

    if (st->life == LIFE_RUNNING)
        staging_stage(&st->staging, d);
}

static void turn(struct delivery_host *h)
{
    pump(stream_of(h));
}

static const struct delivery_host_ops HOST = {
    .seal = seal,
    .progress = progress,
    .seal_parcel = seal_parcel,
    .progress_parcel = progress_parcel,
    .stage = stage,
    .wants_transform = wants_transform,
    .transform_ended = transform_ended,
    .done = done,
    .turn = turn,
    .encode = encoder_run,
    .errors = error_objects_run,
    .lines = encoder_lines,
    .transform = transform_batch_run,
};
