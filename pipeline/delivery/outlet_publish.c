/* Deliveries are the delivery thread's alone; so what a page or a metric wants to know of them is put together here, after each event, and
 * copied to where others may look. */
#include "pipeline/delivery/outlet_publish.h"

#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/outlet_source.h"

#include <stdio.h>

#define REJECT_LOG_PERIOD (30 * NSEC_PER_SEC)

/* --- what is under way ------------------------------------------------------------------------------------------------ */

/* For who asks from outside: deliveries are this thread's. */
static void publish_transforming(struct outlet *o)
{
    nsec oldest = 0;

    for (const struct delivery *d = o->open; d; d = d->next_open)
        if (d->transforming_since && (!oldest || d->transforming_since < oldest))
            oldest = d->transforming_since;
    pthread_mutex_lock(&o->named_counters_lock);
    o->transforming_since = oldest;
    pthread_mutex_unlock(&o->named_counters_lock);
}

static void publish_stuck(struct outlet *o)
{
    struct delivery_trouble worst = staging_trouble(&o->staging);
    unsigned batches = worst.since != 0;

    for (const struct delivery *d = o->open; d; d = d->next_open) {
        struct delivery_trouble t = delivery_trouble(d);

        batches += t.since != 0;
        if (t.since && (!worst.since || t.since < worst.since))
            worst = t;
    }
    if ((!worst.since && !o->stuck) || (worst.since && !worst.code)) /* nobody else writes it */
        return;
    pthread_mutex_lock(&o->named_counters_lock);
    if (worst.since) {
        if (!o->stuck)
            o->stuck = mem_alloc(sizeof(*o->stuck));
        *o->stuck = (struct outlet_stuck){.since = worst.since,
                                          .batches = batches,
                                          .wants_mending = worst.wants_mending,
                                          .at_backup = worst.at_backup};
        snprintf(o->stuck->code, sizeof(o->stuck->code), "%s", worst.code);
        snprintf(o->stuck->message, sizeof(o->stuck->message), "%s", worst.message);
        snprintf(o->stuck->hint, sizeof(o->stuck->hint), "%s", worst.hint);
    } else {
        MEM_CLEAR(o->stuck);
    }
    pthread_mutex_unlock(&o->named_counters_lock);
}

static void publish_partitions(struct outlet *o)
{
    const struct stream_settings *conf = o->generations.newest->conf;

    pthread_mutex_lock(&o->named_counters_lock);
    if (staging_has_parcels(&o->staging)) {
        o->partitions = staging_partitions(&o->staging);
        o->parcels_waiting = staging_waiting(&o->staging);
    }
    o->throughput = o->staging.throughput;
    o->partitions_limit = staging_limit(conf);
    o->staged = o->staging.parcels;
    o->full_since = o->staging.full_since;
    pthread_mutex_unlock(&o->named_counters_lock);
}

void outlet_publish(struct outlet *o, bool transforms)
{
    publish_stuck(o);
    if (transforms)
        publish_transforming(o);
    if (o->generations.newest->conf->partitioned || o->partitions_limit || o->full_since)
        publish_partitions(o);
}

/* A paused stream does not look at what came in. */
static bool has_looked(struct outlet *o)
{
    struct spool_books b;

    if (!o->orders.held)
        return true;
    spool_books(o->reader, &b);
    return b.left == 0;
}

void outlet_publish_idle(struct outlet *o, unsigned flush)
{
    bool idle = flush && o->open_count == 0 && o->batcher.deadline == NSEC_NEVER && staging_is_empty(&o->staging) &&
                !outlet_source_waits(o) && has_looked(o);

    if (idle && atomic_exchange(&o->idle, flush) != flush)
        o->env.became_idle(o->env.ctx);
}

bool outlet_is_idle(const struct outlet *o)
{
    return atomic_load(&o->idle) == atomic_load(&o->flush);
}

/* --- what has ended --------------------------------------------------------------------------------------------------- */

static void count_transform(struct outlet *o, const struct delivery_made *made)
{
    metrics_add(&o->metrics, METRIC_SUCCEED_PROCESSING_RECORDS, made->records);
    metrics_add(&o->metrics, METRIC_SUCCEED_PROCESSING_BYTES, made->bytes);
    metrics_add(&o->metrics, METRIC_FAILED_PROCESSING_RECORDS, made->failed);
    metrics_add(&o->metrics, METRIC_JQ_PROCESSING_MICROSECONDS, (uint64_t)(made->queried / NSEC_PER_USEC));
    for (size_t i = 0; i < made->failures.count; i++)
        if (rejects_lack_a_key(made->failures.rows[i].name))
            metrics_add(&o->metrics, METRIC_METADATA_EXTRACTION_FAILED, (uint64_t)made->failures.rows[i].value);
    pthread_mutex_lock(&o->named_counters_lock);
    named_counters_merge(&o->counters, &made->counters);
    named_counters_merge(&o->drop_reasons, &made->drop_reasons);
    if (!o->partitions_limit)
        o->partitions = made->partitions;
    pthread_mutex_unlock(&o->named_counters_lock);
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
static void log_failed(struct outlet *o, const struct delivery *d, const struct rejects_batch *b)
{
    if (!log_due(&o->reject_log, o->loop->mono, REJECT_LOG_PERIOD))
        return;
    log_warn("records fail in the transform, they are in the backup with their reasons",
             KS("stream", settings_label(o->conf)), KS("backup", d->host->backup->description),
             KU("failed", b->rejected[REJECT_FAILED]), KU("records", b->records),
             KS("reason", b->reason[REJECT_FAILED]), KU("similar_before", o->reject_log.suppressed),
             KS("hint", hint_for(b->reason[REJECT_FAILED])));
}

/* Of a partitioned stream a record is counted with its piece, and once more only when it is refused: parcels may gather for long, and until
 * then the few that failed must not look like all. What is unwanted is none: of what is left all may fail. */
static uint64_t records_of(const struct delivery *d, const struct seal_result *r)
{
    if (d->is_piece)
        return d->whole.count - outcomes_source_count(&d->sources).unwanted;
    return d->parcel_of ? r->backed_up : r->delivered + r->dropped + r->backed_up;
}

/* The reasons are those of the page: they quote no record. */
static void tell_rejects(struct outlet *o, const struct rejects_batch *b)
{
    static const char *const CODES[] = {[REJECT_FAILED] = "TransformFailed", [REJECT_REFUSED] = "RecordsRefused"};

    for (size_t i = 0; i < ARRAY_LEN(CODES); i++)
        if (b->rejected[i] > 0)
            chronicle_failed(&o->chronicle, o->loop->wall, CODES[i], b->reason[i]);
}

static void note_rejects(struct outlet *o, const struct delivery *d, const struct seal_result *r)
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
    rejects_note(&o->rejects, &b, o->loop->mono);
    tell_rejects(o, &b);
    if (b.rejected[REJECT_FAILED] > 0)
        log_failed(o, d, &b);
}

void outlet_note_ended(struct outlet *o, const struct delivery *d, const struct seal_result *r)
{
    note_rejects(o, d, r);
    count_transform(o, &d->made);
}
