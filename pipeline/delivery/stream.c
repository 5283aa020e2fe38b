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

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define SPOOL_LOG_PERIOD  (30 * NSEC_PER_SEC)
#define REJECT_LOG_PERIOD (30 * NSEC_PER_SEC)

static const struct delivery_host_ops HOST;
static void pump(struct stream *st);

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

/* --- open and close ------------------------------------------------------------------------------------------------
 */

static void log_recovery(const struct stream *st, const struct spool_recovery *r)
{
    if (r->damaged)
        log_error(
            r->corrupt_records ? "the spool is damaged, some records are lost" : "the spool is damaged",
            KS("stream", st->conf->name), KU("records", r->corrupt_records), KE("cause", &r->damage),
            KS("hint",
               "the damaged parts are kept in the spool's folder `damaged`; look for disk errors in the kernel's log"));
    if (r->records || r->torn_bytes || r->pending_seals)
        log_info("the spool holds records of an earlier run", KS("stream", st->conf->name), KU("records", r->records),
                 KU("sealed_batches", r->pending_seals), KU("torn_bytes", r->torn_bytes));
}

/* What waits for a destination that is configured no more fills the spool for as long as it is there. */
static void log_gone(const struct stream *st)
{
    struct spool_gone gone;

    for (size_t i = 0; spool_gone(st->spool, i, &gone); i++)
        if (gone.waiting)
            log_warn("the spool keeps records for a destination that is not in the configuration",
                     KS("stream", st->conf->name), KS("destination", gone.name), KU("records", gone.waiting),
                     KS("hint", "configure it again to have them delivered"));
}

/* Committer thread. */
static void on_disk_refused(void *ctx, const struct err *why)
{
    struct stream *st = ctx;

    intake_disk_refused(&st->intake, why);
}

static int open_spool(struct stream *st, const struct stream_env *env, struct err *e)
{
    char *dir = mem_printf("%s/streams/%s/spool", env->data_dir, st->conf->name);
    const struct spool_reader_conf reader = {.name = ""};
    struct spool_conf conf = {
        .stream = st->conf->name,
        .dir = dir,
        .memory = st->conf->memory,
        .limit = st->conf->spool_limit,
        .committed = on_committed,
        .refused = on_disk_refused,
        .ctx = st,
        .readers = &reader,
        .reader_count = 1,
        .warm = env->warm,
    };
    struct spool_recovery found = {.records = 0};
    int rc = spool_open(&st->spool, &conf, env->committer, &found, e);

    mem_free(dir);
    st->intake.spool = st->spool;
    if (rc < 0)
        return -1;
    st->reader = spool_reader(st->spool, 0);
    spool_journal_init(&st->spool_journal, st->reader);
    st->journal = env->journal ? env->journal : &st->spool_journal.journal;
    log_recovery(st, &found);
    log_gone(st);
    return 0;
}

static int open_targets(struct stream *st, const struct stream_env *env, struct err *e)
{
    const struct stream_settings *conf = st->conf;
    struct sink_env sink_env = {
        .stream = conf->name,
        .identity = spool_identity(st->spool),
        .version = st->version,
        .base_dir = env->base_dir,
        .tmp_dir = st->loop->tmp_dir,
    };

    if (target_open(&st->destination, conf->sink, conf->sink_conf, &sink_env, e) < 0)
        return -1;
    if (conf->codec->encoding && conf->sink->takes_encoding &&
        !conf->sink->takes_encoding(st->destination.state, conf->codec->encoding))
        return err_set(e, ERR_CONFIG, "stream `%s`: %s cannot take `compression: %s`", conf->name,
                       st->destination.description, conf->codec->name);
    if (transform_instances_open(&st->line, conf, env->base_dir, e) < 0)
        return err_wrap(e, "stream `%s`: transform", conf->name);
    sink_env.backup = true;
    return conf->backup ? target_open(&st->backup, conf->backup, conf->backup_conf, &sink_env, e) : 0;
}

int stream_open(struct stream **out, const struct stream_settings *conf, const struct stream_env *env, struct err *e)
{
    struct stream *st = mem_alloc(sizeof(*st));
    unsigned char hash[32];

    *out = st;
    st->conf = conf;
    st->loop = env->loop;
    st->became_idle = env->became_idle;
    st->ctx = env->ctx;
    st->created = clock_wall();
    target_init(&st->destination, conf->name, "destination", (unsigned)conf->in_flight_min, (unsigned)conf->in_flight);
    target_init(&st->backup, conf->name, "backup", (unsigned)conf->in_flight_min, (unsigned)conf->in_flight);
    st->committed.fn = on_committed_event;
    st->memory.ev = &st->committed;
    st->untransformed_last = &st->untransformed;
    loop_timer_init(&st->due, on_due);
    pthread_mutex_init(&st->named_counters_lock, NULL);
    rejects_init(&st->rejects);
    intake_init(&st->intake, conf->name, env->data_dir, env->loop);
    if (open_spool(st, env, e) < 0)
        return -1;
    pace_init(&st->pace, st->spool, (uint64_t)conf->buffer_size, clock_mono());
    settings_delivery_hash(conf, hash);
    st->version = spool_config_version(st->spool, hash);
    return open_targets(st, env, e);
}

static void make_host(struct stream *st)
{
    st->host = (struct delivery_host){
        .ops = &HOST,
        .conf = st->conf,
        .loop = st->loop,
        .spool = st->spool,
        .destination = &st->destination,
        .backup = st->backup.ops ? &st->backup : NULL,
        .line = st->line,
        .single = st->line && transform_instances_is_single(st->line),
        .metrics = &st->metrics,
    };
    while (st->host.epoch == 0)
        random_bytes(&st->host.epoch, sizeof(st->host.epoch));
}

/* All that is the delivery thread's. */
static void let_go(void *arg)
{
    struct stream *st = arg;

    while (st->open) {
        struct delivery *d = st->open;

        st->open = d->next_open;
        delivery_free(&d);
    }
    delivery_loop_at(st->loop, &st->due, NSEC_NEVER);
    delivery_loop_await_no_memory(st->loop, &st->memory);
    delivery_loop_forget(st->loop, &st->committed);
    intake_end(&st->intake);
    transform_instances_close(&st->line);
    target_release(&st->destination);
    target_release(&st->backup);
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
    intake_release(&st->intake);
    rejects_release(&st->rejects);
    named_counters_release(&st->counters);
    named_counters_release(&st->drop_reasons);
    pthread_mutex_destroy(&st->named_counters_lock);
    mem_free(st);
    *stp = NULL;
}

static void add_open(struct stream *st, struct delivery *d)
{
    d->next_open = st->open;
    st->open = d;
    st->open_count++;
}

static void start(void *arg)
{
    struct stream *st = arg;
    struct batch_limits limits = {
        .size = st->conf->buffer_size, .records = UINT64_MAX, .interval = st->conf->buffer_interval};
    struct seal pending;

    make_host(st);
    for (size_t i = 0; st->journal->ops->pending(st->journal, i, &pending); i++)
        add_open(st, delivery_restore(&st->host, &pending));
    batcher_init(&st->batcher, &limits, st->reader, st->journal->ops->cut(st->journal));
    st->life = LIFE_RUNNING;
    delivery_loop_post(st->loop, &st->committed);
}

void stream_start(struct stream *st)
{
    delivery_loop_call(st->loop, start, st);
}

static void give_up(struct stream *st)
{
    bool all = true;

    for (struct delivery *d = st->open; d; d = d->next_open)
        all = delivery_give_up(d) && all;
    st->untransformed = NULL;
    st->untransformed_last = &st->untransformed;
    delivery_loop_at(st->loop, &st->due, NSEC_NEVER);
    if (all && !atomic_exchange(&st->given_up, true))
        st->became_idle(st->ctx);
}

static void begin_to_give_up(void *arg)
{
    struct stream *st = arg;

    st->life = LIFE_GIVING_UP;
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
    atomic_fetch_add(&st->flush, 1);
    delivery_loop_post(st->loop, &st->committed);
}

bool stream_is_idle(const struct stream *st)
{
    return atomic_load(&st->idle) == atomic_load(&st->flush);
}

/* --- cutting and starting ---------------------------------------------------------------------------------------- */

static bool batch_is_due(const struct stream *st)
{
    return batcher_due(&st->batcher, st->loop->mono) || (atomic_load(&st->flush) && st->batcher.deadline != NSEC_NEVER);
}

/* The disk failed while the batcher looked ahead: said, and tried again soon. */
static void spool_failed(struct stream *st, const struct err *e)
{
    nsec now = st->loop->mono;

    if (log_due(&st->spool_log, now, SPOOL_LOG_PERIOD))
        log_error("the spool cannot be read, delivery waits", KS("stream", st->conf->name), KE("cause", e));
    delivery_loop_at(st->loop, &st->due, now + STREAM_SPOOL_RETRY);
}

static bool has_place(const struct stream *st)
{
    struct places p = {.max = (unsigned)st->conf->in_flight, .open = st->open_count};

    if (p.open < p.max)
        return true;
    for (const struct delivery *d = st->open; d; d = d->next_open) {
        struct delivery_wait w = delivery_wait(d);

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

static void cut_due_batches(struct stream *st)
{
    struct delivery_loop *l = st->loop;
    struct err e;

    while (has_place(st)) {
        struct seal next;
        struct spool_cursor end;

        if (batcher_advance(&st->batcher, l->wall, l->mono, &e) < 0) {
            spool_failed(st, &e);
            return;
        }
        if (!batch_is_due(st) || !batcher_take(&st->batcher, &next, &end)) {
            delivery_loop_at(l, &st->due, st->batcher.deadline);
            return;
        }
        add_open(st, delivery_new(&st->host, &next, &end));
    }
    delivery_loop_at(l, &st->due, NSEC_NEVER); /* no place: the next delivery that ends comes back here */
}

static struct stream *stream_of(struct delivery_host *h)
{
    return CONTAINER_OF(h, struct stream, host);
}

static void wants_transform(struct delivery_host *h, struct delivery *d)
{
    struct stream *st = stream_of(h);

    d->next_untransformed = NULL;
    *st->untransformed_last = d;
    st->untransformed_last = &d->next_untransformed;
}

static void transform_ended(struct delivery_host *h, struct delivery *d)
{
    struct stream *st = stream_of(h);

    (void)d;
    assert(st->transforming > 0);
    st->transforming--;
}

/* What transforms make is held until it is delivered. So a stream may hold that of one batch, and of more only while
 * there is plenty of memory for the others. */
static bool may_hold_more(const struct stream *st)
{
    if (st->loop->ops->has_plenty(st->loop, 0))
        return true;
    for (const struct delivery *d = st->open; d; d = d->next_open)
        if (d->budgeted > 0)
            return false;
    return true;
}

/* What waits gives its memory back by going to disk. There it may take as much as the spool itself. */
static bool holds_too_much(const struct stream *st)
{
    uint64_t held = 0;

    for (const struct delivery *d = st->open; d; d = d->next_open)
        if (d->work == WORK_SHIPPING && d->transform.list) /* else it is a worker's */
            held += record_list_bytes(d->transform.list);
    return held >= st->conf->spool_limit;
}

/* A `single` transform sees one batch at a time, in the order of the seals. */
static void start_transforms(struct stream *st)
{
    unsigned max = st->host.single ? 1 : (unsigned)st->conf->in_flight;

    while (st->untransformed && st->transforming < max && !holds_too_much(st)) {
        struct delivery *d = st->untransformed;

        if (!may_hold_more(st) || !delivery_transform(d)) {
            delivery_loop_await_memory(st->loop, &st->memory);
            return;
        }
        st->untransformed = d->next_untransformed;
        if (!st->untransformed)
            st->untransformed_last = &st->untransformed;
        st->transforming++;
    }
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

/* `flush` was read before the spool was looked at: what was committed before that flush has been seen. */
static void publish(struct stream *st, unsigned flush)
{
    bool idle = flush && st->open_count == 0 && st->batcher.deadline == NSEC_NEVER;

    if (idle && atomic_exchange(&st->idle, flush) != flush)
        st->became_idle(st->ctx);
}

/* For who asks from outside: deliveries are this thread's. */
static void publish_transforming(struct stream *st)
{
    nsec oldest = 0;

    for (const struct delivery *d = st->open; d; d = d->next_open)
        if (d->transforming_since && (!oldest || d->transforming_since < oldest))
            oldest = d->transforming_since;
    pthread_mutex_lock(&st->named_counters_lock);
    st->transforming_since = oldest;
    pthread_mutex_unlock(&st->named_counters_lock);
}

static void publish_stuck(struct stream *st)
{
    struct delivery_trouble worst = {.since = 0};
    unsigned batches = 0;

    for (const struct delivery *d = st->open; d; d = d->next_open) {
        struct delivery_trouble t = delivery_trouble(d);

        batches += t.since != 0;
        if (t.since && (!worst.since || t.since < worst.since))
            worst = t;
    }
    if ((!worst.since && !st->stuck.since) || (worst.since && !worst.code)) /* nobody else writes it */
        return;
    pthread_mutex_lock(&st->named_counters_lock);
    st->stuck = (struct stream_stuck){
        .since = worst.since, .batches = batches, .wants_mending = worst.wants_mending, .at_backup = worst.at_backup};
    if (worst.since) {
        snprintf(st->stuck.code, sizeof(st->stuck.code), "%s", worst.code);
        snprintf(st->stuck.message, sizeof(st->stuck.message), "%s", worst.message);
        snprintf(st->stuck.hint, sizeof(st->stuck.hint), "%s", worst.hint);
    }
    pthread_mutex_unlock(&st->named_counters_lock);
}

static void pump(struct stream *st)
{
    unsigned flush = atomic_load(&st->flush);

    if (st->life != LIFE_RUNNING) {
        if (st->life == LIFE_GIVING_UP)
            give_up(st);
        return;
    }
    cut_due_batches(st);
    start_transforms(st);
    start_attempts(st, &st->destination);
    start_attempts(st, &st->backup);
    publish_stuck(st);
    if (st->line)
        publish_transforming(st);
    publish(st, flush);
    pace_look(&st->pace, st->loop->mono);
}

static void count_transform(struct stream *st, const struct delivery_made *made)
{
    metrics_add(&st->metrics, METRIC_SUCCEED_PROCESSING_RECORDS, made->records);
    metrics_add(&st->metrics, METRIC_SUCCEED_PROCESSING_BYTES, made->bytes);
    metrics_add(&st->metrics, METRIC_FAILED_PROCESSING_RECORDS, made->failed);
    pthread_mutex_lock(&st->named_counters_lock);
    named_counters_merge(&st->counters, &made->counters);
    named_counters_merge(&st->drop_reasons, &made->drop_reasons);
    st->partitions = made->partitions;
    pthread_mutex_unlock(&st->named_counters_lock);
}

/* Those that the destination refuses are told of when it does (delivery/report.c); those that fail in a script, here. */
static void log_failed(struct stream *st, const struct rejects_batch *b)
{
    uint64_t quiet = st->reject_log.suppressed;

    if (!log_due(&st->reject_log, st->loop->mono, REJECT_LOG_PERIOD))
        return;
    st->reject_log.suppressed = 0;
    log_warn("records fail in the transform, they are in the backup with their reasons", KS("stream", st->conf->name),
             KS("backup", st->backup.description), KU("failed", b->rejected[REJECT_FAILED]), KU("records", b->records),
             KS("reason", b->reason[REJECT_FAILED]), KU("similar_before", quiet),
             KS("hint", "mend the script (`sluice transform --stream NAME` shows what it makes of a line), then "
                        "`sluice redrive`"));
}

static void note_rejects(struct stream *st, const struct delivery *d, const struct seal_result *r)
{
    const struct sink_refusal *refusal = d->refusal.code[0] ? &d->refusal : outcomes_main_reason(&d->outcomes);
    struct rejects_batch b = {.records = r->delivered + r->dropped + r->backed_up};

    b.rejected[REJECT_FAILED] = d->made.failed < r->backed_up ? d->made.failed : r->backed_up;
    b.rejected[REJECT_REFUSED] = r->backed_up - b.rejected[REJECT_FAILED];
    snprintf(b.reason[REJECT_FAILED], REJECTS_REASON, "%s", named_counters_most(&d->made.failures));
    if (refusal)
        rejects_reason(refusal->code, slice_str(refusal->message), b.reason[REJECT_REFUSED]);
    rejects_note(&st->rejects, &b, st->loop->mono);
    if (b.rejected[REJECT_FAILED] > 0)
        log_failed(st, &b);
}

/* Settled, and freed. */
static void done(struct delivery_host *h, struct delivery *d)
{
    struct stream *st = stream_of(h);
    struct seal_result r = delivery_result(d);
    struct delivery **p = &st->open;

    if (r.corrupt)
        log_error("records were lost to damage in the spool", KS("stream", st->conf->name), KU("records", r.corrupt),
                  KU("first", d->seal.first), KU("last", d->seal.last),
                  KS("hint", "run `sluice fsck`, and look for disk errors in the kernel's log"));
    st->journal->ops->settle(st->journal, d->seal.first, &r);
    pace_moved(&st->pace, st->loop->mono);
    note_rejects(st, d, &r);
    count_transform(st, &d->made);
    while (*p != d)
        p = &(*p)->next_open;
    *p = d->next_open;
    st->open_count--;
    delivery_free(&d);
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

static void turn(struct delivery_host *h)
{
    pump(stream_of(h));
}

static const struct delivery_host_ops HOST = {
    .seal = seal,
    .progress = progress,
    .wants_transform = wants_transform,
    .transform_ended = transform_ended,
    .done = done,
    .turn = turn,
    .encode = encoder_run,
    .errors = error_objects_run,
    .lines = encoder_lines,
    .transform = transform_batch_run,
};
