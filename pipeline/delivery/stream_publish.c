/* Deliveries are the delivery thread's alone; so what a page or a metric wants to know of them is put together here, after each event, and
 * copied to where others may look. */
#include "pipeline/delivery/stream_publish.h"

#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/stream_source.h"

#include <stdio.h>

#define REJECT_LOG_PERIOD (30 * NSEC_PER_SEC)

/* --- what is under way ------------------------------------------------------------------------------------------------ */

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
    struct delivery_trouble worst = staging_trouble(&st->staging);
    unsigned batches = worst.since != 0;

    for (const struct delivery *d = st->open; d; d = d->next_open) {
        struct delivery_trouble t = delivery_trouble(d);

        batches += t.since != 0;
        if (t.since && (!worst.since || t.since < worst.since))
            worst = t;
    }
    if ((!worst.since && !st->stuck) || (worst.since && !worst.code)) /* nobody else writes it */
        return;
    pthread_mutex_lock(&st->named_counters_lock);
    if (worst.since) {
        if (!st->stuck)
            st->stuck = mem_alloc(sizeof(*st->stuck));
        *st->stuck = (struct stream_stuck){.since = worst.since,
                                           .batches = batches,
                                           .wants_mending = worst.wants_mending,
                                           .at_backup = worst.at_backup};
        snprintf(st->stuck->code, sizeof(st->stuck->code), "%s", worst.code);
        snprintf(st->stuck->message, sizeof(st->stuck->message), "%s", worst.message);
        snprintf(st->stuck->hint, sizeof(st->stuck->hint), "%s", worst.hint);
    } else {
        MEM_CLEAR(st->stuck);
    }
    pthread_mutex_unlock(&st->named_counters_lock);
}

static void publish_partitions(struct stream *st)
{
    const struct stream_settings *conf = st->generations.newest->conf;

    pthread_mutex_lock(&st->named_counters_lock);
    if (staging_has_parcels(&st->staging)) {
        st->partitions = staging_partitions(&st->staging);
        st->parcels_waiting = staging_waiting(&st->staging);
    }
    st->throughput = st->staging.throughput;
    st->partitions_limit = staging_limit(conf);
    st->staged = st->staging.parcels;
    st->full_since = st->staging.full_since;
    pthread_mutex_unlock(&st->named_counters_lock);
}

void stream_publish(struct stream *st, bool transforms)
{
    publish_stuck(st);
    if (transforms)
        publish_transforming(st);
    if (st->generations.newest->conf->partitioned || st->partitions_limit || st->full_since)
        publish_partitions(st);
}

/* A paused stream does not look at what came in. */
static bool has_looked(struct stream *st)
{
    struct spool_books b;

    if (!st->orders.held)
        return true;
    spool_books(st->reader, &b);
    return b.left == 0;
}

void stream_publish_idle(struct stream *st, unsigned flush)
{
    bool idle = flush && st->open_count == 0 && st->batcher.deadline == NSEC_NEVER && staging_is_empty(&st->staging) &&
                !stream_source_waits(st) && has_looked(st);

    if (idle && atomic_exchange(&st->idle, flush) != flush)
        st->became_idle(st->ctx);
}

bool stream_is_idle(const struct stream *st)
{
    return atomic_load(&st->idle) == atomic_load(&st->flush);
}

/* --- what has ended --------------------------------------------------------------------------------------------------- */

static void count_transform(struct stream *st, const struct delivery_made *made)
{
    metrics_add(&st->metrics, METRIC_SUCCEED_PROCESSING_RECORDS, made->records);
    metrics_add(&st->metrics, METRIC_SUCCEED_PROCESSING_BYTES, made->bytes);
    metrics_add(&st->metrics, METRIC_FAILED_PROCESSING_RECORDS, made->failed);
    metrics_add(&st->metrics, METRIC_JQ_PROCESSING_MICROSECONDS, (uint64_t)(made->queried / NSEC_PER_USEC));
    for (size_t i = 0; i < made->failures.count; i++)
        if (rejects_lack_a_key(made->failures.rows[i].name))
            metrics_add(&st->metrics, METRIC_METADATA_EXTRACTION_FAILED, (uint64_t)made->failures.rows[i].value);
    pthread_mutex_lock(&st->named_counters_lock);
    named_counters_merge(&st->counters, &made->counters);
    named_counters_merge(&st->drop_reasons, &made->drop_reasons);
    if (!st->partitions_limit)
        st->partitions = made->partitions;
    pthread_mutex_unlock(&st->named_counters_lock);
}

static const char *hint_for(const char *reason)
{
    return rejects_lack_a_key(reason) ? "correct the stream's `partition_keys`, or give them a `default` (`sluice "
                                        "transform --stream NAME --keys` shows "
                                        "the keys of a line), then `sluice redrive`"
                                      : "mend the script (`sluice transform --stream NAME` shows what it makes of a "
                                        "line), then `sluice redrive`";
}

/* Those that the destination refuses are told of when it does (delivery/report.c); those that fail in a script, here. */
static void log_failed(struct stream *st, const struct delivery *d, const struct rejects_batch *b)
{
    if (!log_due(&st->reject_log, st->loop->mono, REJECT_LOG_PERIOD))
        return;
    log_warn("records fail in the transform, they are in the backup with their reasons", KS("stream", st->conf->name),
             KS("backup", d->host->backup->description), KU("failed", b->rejected[REJECT_FAILED]),
             KU("records", b->records), KS("reason", b->reason[REJECT_FAILED]),
             KU("similar_before", st->reject_log.suppressed), KS("hint", hint_for(b->reason[REJECT_FAILED])));
}

/* Of a partitioned stream a record is counted with its piece, and once more only when it is refused: parcels may gather for long, and until
 * then the few that failed must not look like all. */
static uint64_t records_of(const struct delivery *d, const struct seal_result *r)
{
    if (d->is_piece)
        return d->whole.count;
    return d->parcel_of ? r->backed_up : r->delivered + r->dropped + r->backed_up;
}

/* The reasons are those of the page: they quote no record. */
static void tell_rejects(struct stream *st, const struct rejects_batch *b)
{
    static const char *const CODES[] = {[REJECT_FAILED] = "TransformFailed", [REJECT_REFUSED] = "RecordsRefused"};

    for (size_t i = 0; i < ARRAY_LEN(CODES); i++)
        if (b->rejected[i] > 0)
            chronicle_failed(&st->chronicle, st->loop->wall, CODES[i], b->reason[i]);
}

static void note_rejects(struct stream *st, const struct delivery *d, const struct seal_result *r)
{
    const struct sink_refusal *refusal = d->refusal.code[0] ? &d->refusal : outcomes_main_reason(&d->outcomes);
    uint64_t backed_up = d->is_piece ? d->made.failed : r->backed_up;
    struct rejects_batch b = {.records = records_of(d, r)};

    if (d->parcel_of && stage_is_of_failed(d->parcel_of->kind)) /* they were counted when they were staged */
        return;
    b.rejected[REJECT_FAILED] = d->made.failed < backed_up ? d->made.failed : backed_up;
    b.rejected[REJECT_REFUSED] = backed_up - b.rejected[REJECT_FAILED];
    snprintf(b.reason[REJECT_FAILED], REJECTS_REASON, "%s", named_counters_most(&d->made.failures));
    if (refusal)
        rejects_reason(refusal->code, slice_str(refusal->message), b.reason[REJECT_REFUSED]);
    rejects_note(&st->rejects, &b, st->loop->mono);
    tell_rejects(st, &b);
    if (b.rejected[REJECT_FAILED] > 0)
        log_failed(st, d, &b);
}

void stream_note_ended(struct stream *st, const struct delivery *d, const struct seal_result *r)
{
    note_rejects(st, d, r);
    count_transform(st, &d->made);
}
