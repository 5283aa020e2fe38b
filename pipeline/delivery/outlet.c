/* Whatever happens to an outlet (records were committed, a delivery ended, memory was given back, a deadline passed)
 * ends in pump(), which looks at everything there is to do, in the order in which bytes flow: cut batches that are
 * due, start transforms, start attempts. So no event needs to know what it makes possible, and one that is missed
 * costs a moment, never a batch. What others show of it is copied out under a lock, at the end of the same
 * function.
 */
#include "pipeline/delivery/outlet.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/outlet_batches.h"
#include "pipeline/delivery/outlet_behind.h"
#include "pipeline/delivery/outlet_publish.h"
#include "pipeline/delivery/outlet_source.h"
#include "pipeline/delivery/outlet_transforms.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct delivery_host_ops HOST;
static const struct outlet_source_ops SOURCE_OPS;
static void pump(struct outlet *o);
static void done(struct delivery_host *h, struct delivery *d);

static void on_committed_event(struct loop_event *ev)
{
    pump(CONTAINER_OF(ev, struct outlet, committed));
}

static void on_due(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct outlet, due));
}

static void on_too_old(struct loop_timer *t)
{
    pump(CONTAINER_OF(t, struct outlet, too_old));
}

/* --- open and close ------------------------------------------------------------------------------------------------- */

void outlet_init(struct outlet *o, const struct stream_settings *conf, const struct outlet_env *env)
{
    o->conf = conf;
    o->env = *env;
    o->loop = env->loop;
    o->committed.fn = on_committed_event;
    o->memory.ev = &o->committed;
    loop_timer_init(&o->due, on_due);
    loop_timer_init(&o->too_old, on_too_old);
    pthread_mutex_init(&o->named_counters_lock, NULL);
    generations_init(&o->generations);
    chronicle_init(&o->chronicle);
    rejects_init(&o->rejects);
    staging_init(&o->staging);
}

/* Any thread. */
static void on_source_turn(void *ctx)
{
    outlet_wake(ctx);
}

void outlet_read_from(struct outlet *o, struct spool_reader *reader, struct seal_journal *journal)
{
    const struct stream_settings *conf = o->conf;

    o->reader = reader;
    spool_journal_init(&o->spool_journal, o->env.spool, reader);
    o->journal = journal ? journal : &o->spool_journal.journal;
    if (!conf->at_source)
        return;
    source_journal_init(&o->source_journal, o->env.spool, reader, on_source_turn, o);
    source_journal_limit(&o->source_journal, &(struct source_limits){conf->buffer_size, conf->buffer_interval});
    o->journal = &o->source_journal.journal;
}

static void make_host(struct outlet *o)
{
    o->host = (struct delivery_host){
        .ops = &HOST,
        .loop = o->loop,
        .spool = o->env.spool,
        .metrics = &o->metrics,
        .chronicle = &o->chronicle,
        .tap = o->env.tap,
        .identity = o->conf->at_source ? o->conf->shared_identity : spool_identity(o->env.spool),
    };
    while (o->host.epoch == 0)
        random_bytes(&o->host.epoch, sizeof(o->host.epoch));
}

int outlet_open(struct outlet *o, uint32_t version, struct err *e)
{
    struct generation *first;

    make_host(o);
    first = generation_open(&o->generations, o->conf, &o->host, version, o->env.base_dir, e);
    if (!first)
        return -1;
    generations_add(&o->generations, first);
    return 0;
}

int outlet_open_staging(struct outlet *o, const char *damaged, bool *kept_all, struct err *e)
{
    char *dir = stage_dir(o->env.data_dir, o->conf->name, spool_reader_name(o->reader));
    const struct staging_env staging = {.stream = settings_label(o->conf),
                                        .dir = dir,
                                        .damaged = damaged,
                                        .memory = o->conf->memory,
                                        .files = o->env.files,
                                        .loop = o->loop,
                                        .reader = o->reader,
                                        .turn = &o->committed};
    int rc = staging_open(&o->staging, &staging, &o->generations.newest->host, e);

    *kept_all = rc == 0 && staging_has_kept_all(&o->staging);
    mem_free(dir);
    return rc;
}

void outlet_let_go(struct outlet *o)
{
    while (o->open) {
        struct delivery *d = o->open;
        struct stage_parcel *parcel = d->parcel_of;

        o->open = d->next_open;
        delivery_free(&d);
        stage_parcel_free(&parcel);
    }
    staging_let_go(&o->staging);
    delivery_loop_at(o->loop, &o->due, NSEC_NEVER);
    delivery_loop_at(o->loop, &o->too_old, NSEC_NEVER);
    delivery_loop_await_no_memory(o->loop, &o->memory);
    delivery_loop_forget(o->loop, &o->committed);
    generations_close(&o->generations);
    o->life = LIFE_LEFT;
}

void outlet_close(struct outlet *o)
{
    source_journal_release(&o->source_journal);
    staging_close(&o->staging);
    rejects_release(&o->rejects);
    chronicle_release(&o->chronicle);
    MEM_CLEAR(o->stuck);
    named_counters_release(&o->counters);
    named_counters_release(&o->drop_reasons);
    generations_release(&o->generations);
    pthread_mutex_destroy(&o->named_counters_lock);
}

static void add_open(struct outlet *o, struct delivery *d)
{
    d->next_open = o->open;
    o->open = d;
    if (d->is_piece) {
        generation_of(d->host)->staged++;
        return;
    }
    o->open_count++;
    generation_of(d->host)->open++;
}

static void remove_open(struct outlet *o, struct delivery *d)
{
    struct delivery **p = &o->open;

    while (*p != d)
        p = &(*p)->next_open;
    *p = d->next_open;
    if (d->is_piece) {
        generation_of(d->host)->staged--;
        return;
    }
    o->open_count--;
    generation_of(d->host)->open--;
    generation_of(d->host)->diverted -= d->diverted;
}

static void restore_parcels(struct outlet *o)
{
    struct delivery *d;

    while ((d = staging_restore(&o->staging, &o->generations.newest->host)))
        add_open(o, d);
}

void outlet_start(struct outlet *o)
{
    struct seal pending;

    for (size_t i = 0; o->journal->ops->pending(o->journal, i, &pending); i++)
        add_open(o, delivery_restore(&o->generations.newest->host, &pending));
    restore_parcels(o);
    outlet_begin_batches(o);
    o->life = LIFE_RUNNING;
    outlet_wake(o);
}

void outlet_replace(struct outlet *o, struct generation *by)
{
    generations_add(&o->generations, by);
    if (o->life != LIFE_RUNNING)
        return;
    o->begins_anew = o->staging.step != STAGING_IDLE; /* the cut is where that piece begins */
    if (!o->begins_anew)
        outlet_begin_batches(o);
    staging_replaced(&o->staging);
    restore_parcels(o);
    pump(o);
}

static void give_up(struct outlet *o)
{
    bool all = true;

    if (o->conf->at_source)
        outlet_source_give_back(o, &SOURCE_OPS);
    for (struct delivery *d = o->open; d; d = d->next_open)
        all = delivery_give_up(d) && all;
    all = all && !staging_is_away(&o->staging);
    for (struct generation *g = o->generations.newest; g; g = g->older) {
        g->untransformed = NULL;
        g->untransformed_last = &g->untransformed;
    }
    delivery_loop_at(o->loop, &o->due, NSEC_NEVER);
    if (all && !atomic_exchange(&o->given_up, true))
        o->env.became_idle(o->env.ctx);
}

void outlet_give_up(struct outlet *o)
{
    o->life = LIFE_GIVING_UP;
    staging_give_up(&o->staging);
    give_up(o);
}

void outlet_wake(struct outlet *o)
{
    delivery_loop_post(o->loop, &o->committed);
}

void outlet_flush(struct outlet *o)
{
    if (o->conf->memory && !o->conf->at_source)
        (void)outlet_resume(o, clock_wall()); /* or it would be lost */
    atomic_fetch_add(&o->flush, 1);
    outlet_wake(o);
}

#define SPOOL_LOG_PERIOD (30 * NSEC_PER_SEC)

void outlet_spool_failed(struct outlet *o, const struct err *e)
{
    nsec now = o->loop->mono;

    if (log_due(&o->spool_log, now, SPOOL_LOG_PERIOD))
        log_error("the spool cannot be read, delivery waits", KS("stream", settings_label(o->conf)), KE("cause", e));
    delivery_loop_at(o->loop, &o->due, now + STREAM_SPOOL_RETRY);
}

/* --- starting ---------------------------------------------------------------------------------------------------- */

/* What is closed, as far as there are places. At the end all is, once the last piece is staged or waits for better times. */
static void deliver_parcels(struct outlet *o, bool flush)
{
    bool all = o->staging.step == STAGING_IDLE && o->batcher.deadline == NSEC_NEVER;

    for (const struct delivery *d = o->open; d; d = d->next_open)
        all |= d->is_piece && d->work == WORK_PAUSED;
    if (staging_is_empty(&o->staging))
        return;
    staging_turn(&o->staging, &o->generations.newest->host, flush && all);
    for (struct generation *g = o->generations.newest; g; g = g->older) {
        struct stage_parcel *p;
        enum outlet_way way;

        while ((way = outlet_way_out(o, g)) != NO_WAY &&
               (p = staging_next(&o->staging, &g->host, g == o->generations.newest))) {
            struct delivery *d = delivery_new_parcel(&g->host, p);

            if (way == TO_BACKUP)
                outlet_divert(d);
            add_open(o, d);
        }
    }
}

static struct outlet *outlet_of(struct delivery_host *h)
{
    return CONTAINER_OF(generation_of(h)->of, struct outlet, generations);
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

static void start_attempts(struct outlet *o, struct target *t)
{
    struct target_slot *s;

    while ((s = target_next(t))) {
        if (!attempt_start(s)) {
            target_not_now(t, s);
            delivery_loop_await_memory(o->loop, &o->memory);
            return;
        }
    }
}

/* Of a generation that is not the newest: what is not staged of it is nowhere but in the spool, and begins anew with the newest one. */
static void give_up_waiting_piece(struct outlet *o)
{
    struct delivery *d = o->open;

    while (d && !(d->is_piece && d->work == WORK_PAUSED))
        d = d->next_open;
    if (d)
        done(d->host, d);
}

static const struct outlet_source_ops SOURCE_OPS = {.has_place = outlet_has_place, .open = add_open, .done = done};

static void pump(struct outlet *o)
{
    unsigned flush = atomic_load(&o->flush);
    bool transforms = false;

    if (o->life != LIFE_RUNNING) {
        if (o->life == LIFE_GIVING_UP)
            give_up(o);
        return;
    }
    outlet_orders_turn(o);
    outlet_behind_look(o);
    if (o->begins_anew)
        give_up_waiting_piece(o);
    if (o->conf->at_source)
        outlet_source_turn(o, &SOURCE_OPS);
    else
        outlet_cut_due_batches(o, add_open);
    deliver_parcels(o, flush != 0);
    for (struct generation *g = o->generations.newest; g; g = g->older) {
        if (!o->orders.held)
            outlet_start_transforms(o, g);
        start_attempts(o, &g->destination);
        if (g->backup)
            start_attempts(o, g->backup);
        transforms = transforms || g->line;
    }
    outlet_publish(o, transforms);
    generations_close_settled(&o->generations);
    outlet_publish_idle(o, flush);
    outlet_orders_end_turn(o);
    pace_look(o->env.pace, o->loop->mono);
}

/* Settled, and freed. */
static void done(struct delivery_host *h, struct delivery *d)
{
    struct outlet *o = outlet_of(h);
    struct seal_result r = delivery_result(d);

    if (r.corrupt)
        log_error("records were lost to damage in the spool", KS("stream", settings_label(o->conf)),
                  KU("records", r.corrupt), KU("first", d->seal.first), KU("last", d->seal.last),
                  KS("hint", "run `sluice fsck`, and look for disk errors in the kernel's log"));
    if (d->is_piece)
        staging_done(&o->staging);
    else if (d->parcel_of)
        staging_settle(&o->staging, d->parcel_of, &r);
    else
        o->journal->ops->settle(o->journal, d->seal.first, &r);
    generation_note_weight(generation_of(h), d->seal.bytes, r.wire_bytes);
    pace_moved(o->env.pace, o->loop->mono);
    outlet_note_ended(o, d, &r);
    remove_open(o, d);
    delivery_free(&d);
    if (o->begins_anew && o->staging.step == STAGING_IDLE) {
        o->begins_anew = false;
        outlet_begin_batches(o);
    }
}

static void seal(struct delivery_host *h, const struct seal *s, const struct spool_cursor *end, struct spool_wait *w)
{
    struct seal_journal *j = outlet_of(h)->journal;

    j->ops->seal(j, s, end, w);
}

static void progress(struct delivery_host *h, uint64_t seal_first, struct slice bytes, struct spool_wait *w)
{
    struct seal_journal *j = outlet_of(h)->journal;

    j->ops->progress(j, seal_first, bytes, w);
}

static void seal_parcel(struct delivery_host *h, struct stage_parcel *p, struct slice note, struct spool_wait *w)
{
    staged_seal(outlet_of(h)->reader, p->known.number, note, w);
}

static void progress_parcel(struct delivery_host *h, struct stage_parcel *p, struct slice bytes, struct spool_wait *w)
{
    staged_progress(outlet_of(h)->reader, p->known.number, bytes, w);
}

static void bring_held(struct delivery_host *h, struct delivery *d)
{
    staging_bring_held(&outlet_of(h)->staging, d);
}

/* One that gives up begins nothing more: the piece is as it was. */
static void stage(struct delivery_host *h, struct delivery *d)
{
    struct outlet *o = outlet_of(h);

    if (o->life == LIFE_RUNNING)
        staging_stage(&o->staging, d);
}

static void turn(struct delivery_host *h)
{
    pump(outlet_of(h));
}

static const struct delivery_host_ops HOST = {
    .seal = seal,
    .progress = progress,
    .seal_parcel = seal_parcel,
    .progress_parcel = progress_parcel,
    .bring_held = bring_held,
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
