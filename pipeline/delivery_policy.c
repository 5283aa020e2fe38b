/* delivery_policy.c -- what the end of an attempt means (delivery.h): delivered, again, in smaller bodies, or to the backup. */
#include "pipeline/base/log.h"
#include "pipeline/delivery_impl.h"
#include "pipeline/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A place that fails now and then is told of as seldom as one that fails always; but a new kind of failure at once. */
static bool failure_is_due(struct target *t, const char *code, nsec now)
{
    if (!t->failure_told && strcmp(t->told_code, code) != 0)
        t->failure_log = (struct log_limit){.next = 0};
    if (!log_due(&t->failure_log, now, DELIVERY_LOG_PERIOD))
        return false;
    t->failure_told = true;
    snprintf(t->told_code, sizeof(t->told_code), "%s", code);
    return true;
}

static void log_failure(struct shipment *s, nsec wait)
{
    const struct sink_verdict *v = &s->verdict;
    const struct delivery *d = s->owner;
    struct target *t = s->target;
    uint64_t quiet = t->failure_log.suppressed;

    if (!failure_is_due(t, v->code, s->loop->mono))
        return;
    t->failure_log.suppressed = 0;
    LOG_AT(v->misconfigured ? LOG_ERROR : LOG_WARN, "delivery failed, will be retried", KS("stream", t->stream),
           KS("sink", t->ops->name), KS(t->role, t->description), KB("object", s->name), KU("attempt", s->attempts),
           KS("code", v->code), KS("cause", v->message), KS("hint", v->hint), KI("retry_ms", wait / NSEC_PER_MSEC),
           KU("records", d->seal.last - d->seal.first + 1), KU("similar_before", quiet));
}

static void retry(struct shipment *s)
{
    target_note_failure(s->target, &s->verdict, s->loop->wall);
    log_failure(s, shipment_retry(s));
    delivery_transform_waits(s->owner, s);
}

static void note_success(struct shipment *s)
{
    const struct delivery *d = s->owner;
    struct target *t = s->target;
    nsec now = s->loop->wall, since = target_note_success(t, now);

    if (since && t->failure_told) {
        t->failure_told = false;
        log_info("delivery works again", KS("stream", t->stream), KS(t->role, t->description),
                 KI("failed_for_s", (now - since) / NSEC_PER_SEC));
    }
    log_debug("delivered", KS("stream", t->stream), KS(t->role, t->description), KB("object", s->name),
              KU("records", s->out.taken), KU("first", d->seal.first), KU("last", d->seal.last),
              KU("wire_bytes", body_size(s->out.body)), KU("attempt", s->attempts));
}

static void count_delivery(struct shipment *s)
{
    const struct delivery *d = s->owner;
    struct metrics *m = &d->st->metrics;

    metrics_add(m, METRIC_DELIVERED_OBJECTS, 1);
    metrics_add(m, METRIC_DELIVERED_WIRE_BYTES, body_size(s->out.body));
    metrics_add(m, METRIC_DELIVERED_BYTES,
                s->out.taken == d->fates.count ? d->seal.bytes : d->seal.bytes * s->out.taken / d->fates.count);
}

/* Calls `each` for the positions of the body's records, in order. */
static void for_each_taken(struct shipment *s, void (*each)(struct delivery *d, uint64_t position, uint64_t index))
{
    struct delivery *d = s->owner;
    uint64_t at = fates_next_pending(&d->fates, 0);

    for (uint64_t i = 0; i < s->out.taken; i++) {
        uint64_t next = fates_next_pending(&d->fates, at + 1);

        each(d, at, i);
        at = next;
    }
}

static void mark_delivered(struct delivery *d, uint64_t position, uint64_t index)
{
    (void)index;
    fates_set(&d->fates, position, FATE_DELIVERED);
}

static void mark_refused(struct delivery *d, uint64_t position, uint64_t index)
{
    const struct sink_verdict *v = &d->records->verdict;

    (void)index;
    fates_refuse(&d->fates, position, v->code, slice_str(v->detail));
}

static void mark_as_answered(struct delivery *d, uint64_t position, uint64_t index)
{
    if (d->outcomes[index] == SINK_DELIVERED) {
        fates_set(&d->fates, position, FATE_DELIVERED);
    } else if (d->outcomes[index] == SINK_REJECTED) {
        const struct sink_refusal *why = fates_reason(&d->answer, index);

        fates_refuse(&d->fates, position, why->code, slice_str(why->message));
    }
}

static void take_delivered(struct shipment *s)
{
    struct delivery *d = s->owner;

    if (s->out.taken == d->fates.pending)
        fates_settle_all(&d->fates, FATE_DELIVERED);
    else
        for_each_taken(s, mark_delivered);
}

/* From judge(): the records of the answer are those of the body, so they get fates of their own first. */
void delivery_refuse_in_answer(struct sink_fates *f, uint64_t index, const char *code, struct slice message)
{
    struct delivery *d = CONTAINER_OF(f, struct delivery, sink_fates);

    if (d->answer.count == 0)
        fates_init(&d->answer, f->count);
    if (f->outcome[index] == SINK_REJECTED && d->answer.of && d->answer.of[index] == FATE_REFUSED)
        return;
    f->outcome[index] = SINK_REJECTED;
    fates_refuse(&d->answer, index, code, message);
}

/* May what cannot be delivered go to the backup? A wrong configuration is for the operator to mend. Records that are put off one by
 * one, while others of the same body get through, have a clock of their own. */
static bool is_expired(const struct shipment *s)
{
    const struct delivery *d = s->owner;
    const struct stream *st = d->st;
    nsec failing = shipment_failing_for(s), now = s->loop->mono;

    if (d->partial_since && now - d->partial_since > failing)
        failing = now - d->partial_since;
    return st->backup.ops && !s->verdict.misconfigured && failing >= st->conf->retry_duration;
}

static void refuse_pending(struct delivery *d)
{
    for (uint64_t at = fates_next_pending(&d->fates, 0); at < d->fates.count;
         at = fates_next_pending(&d->fates, at + 1))
        mark_refused(d, at, 0);
}

static void log_given_up(const struct shipment *s)
{
    const struct delivery *d = s->owner;

    log_warn("records cannot be delivered, they go to the backup", KS("stream", s->target->stream),
             KS("destination", s->target->description), KS("backup", d->st->backup.description),
             KU("first", d->seal.first), KU("last", d->seal.last), KU("attempts", s->attempts),
             KS("code", s->verdict.code), KS("cause", s->verdict.message));
}

/* The reasons of single records may quote them, so those are in the backup only. */
static void log_refused(struct shipment *s, const char *cause, const char *hint)
{
    struct delivery *d = s->owner;
    struct target *t = s->target;
    uint64_t quiet = t->refusal_log.suppressed;

    d->refusal_told = true;
    if (!log_due(&t->refusal_log, s->loop->mono, DELIVERY_LOG_PERIOD))
        return;
    t->refusal_log.suppressed = 0;
    log_warn("records are refused, they go to the backup with their reasons", KS("stream", t->stream),
             KS("destination", t->description), KS("backup", d->st->backup.description),
             KU("refused", d->fates.refused), KU("records", d->fates.count), KS("code", d->fates.reasons[0].code),
             KS("cause", cause), KS("hint", hint), KU("similar_before", quiet));
}

static void note_refused(struct shipment *s, enum sink_outcome outcome, uint64_t refused_before)
{
    const struct delivery *d = s->owner;

    if (d->fates.refused > refused_before)
        log_refused(s, s->verdict.message, outcome == SINK_PARTIAL ? "" : s->verdict.hint);
    else if (d->fates.pending == 0 && d->fates.refused > 0 && !d->refusal_told)
        log_refused(s, "", ""); /* before they were sent */
}

/* A body that is too large goes in halves; a record that is too large alone has no other way than the backup, and those
 * behind it need not go one by one. */
static void split(struct shipment *s)
{
    struct delivery *d = s->owner;

    d->regrow = s->out.taken == 1;
    if (s->out.taken > 1)
        s->in.records.window = s->out.taken / 2;
    else
        for_each_taken(s, mark_refused);
}

static void regrow(struct shipment *s)
{
    const struct delivery *d = s->owner;

    if (d->regrow && s->in.records.window < UINT64_MAX / 2)
        s->in.records.window *= 2;
}

/* Without a backup a refused record has no other safe place than the spool: it stays pending, and delivery pauses. */
static void keep_refused(struct delivery *d)
{
    const struct shipment *s = d->records;
    char reason[SINK_SAID_MAX];

    if (d->fates.refused == 0 || d->st->backup.ops)
        return;
    verdict_clean(d->fates.reasons[0].message, &(struct verdict_sent){&s->request, s->out.body, s->encoding}, reason,
                  sizeof(reason));
    d->records->verdict = (struct sink_verdict){.misconfigured = true};
    snprintf(d->records->verdict.code, sizeof(d->records->verdict.code), "%s", d->fates.reasons[0].code);
    snprintf(d->records->verdict.message, sizeof(d->records->verdict.message),
             "%" PRIu64 " records are refused (%s), and the stream has no backup for them", d->fates.refused, reason);
    snprintf(d->records->verdict.hint, sizeof(d->records->verdict.hint),
             "give the stream a `backup`, or make the destination take them");
    fates_reconsider_refused(&d->fates);
    d->paused = true;
}

/* True when the rest was given up. */
static bool apply_outcome(struct shipment *s, enum sink_outcome outcome)
{
    struct delivery *d = s->owner;

    if (outcome == SINK_DELIVERED || outcome == SINK_PARTIAL)
        regrow(s);
    if (outcome == SINK_DELIVERED)
        take_delivered(s);
    else if (outcome == SINK_PARTIAL)
        for_each_taken(s, mark_as_answered);
    else if (outcome == SINK_SPLIT)
        split(s);
    else if (outcome == SINK_REJECTED)
        for_each_taken(s, mark_refused);
    fates_release(&d->answer);
    if (s->verdict.misconfigured)
        d->partial_since = 0;
    else if (outcome == SINK_PARTIAL && !d->partial_since)
        d->partial_since = s->loop->mono;
    if ((outcome == SINK_RETRY || outcome == SINK_PARTIAL) && d->fates.pending > 0 && is_expired(s)) {
        log_given_up(s);
        refuse_pending(d);
        return true;
    }
    return false;
}

void delivery_records_judged(struct shipment *s, enum sink_outcome outcome)
{
    struct delivery *d = s->owner;
    uint64_t before = d->fates.pending, refused = d->fates.refused;
    bool progress, given_up;

    d->attempts = s->attempts;
    d->paused = false;
    if (outcome == SINK_DELIVERED && s->out.taken > 0) {
        count_delivery(s);
        note_success(s);
    }
    given_up = apply_outcome(s, outcome);
    keep_refused(d);
    if (!given_up)
        note_refused(s, outcome, refused);
    progress = d->fates.pending < before || outcome == SINK_SPLIT;
    if (outcome == SINK_PARTIAL)
        s->failures = ++d->partial_answers;
    if (d->fates.pending == 0) {
        if (d->fates.refused > 0)
            delivery_ship_errors(d);
    } else if (progress && outcome != SINK_PARTIAL && !d->paused) {
        shipment_queue(s); /* the next body */
    } else {
        retry(s);
    }
}

/* The backup is the last safe place: tried until it works. */
void delivery_backup_judged(struct shipment *s, enum sink_outcome outcome)
{
    struct delivery *d = s->owner;

    if (outcome != SINK_DELIVERED) {
        retry(s);
        return;
    }
    note_success(s);
    if (s == d->source) {
        d->source_shipped = true;
    } else {
        d->errors_shipped = d->errors_shipped || s == d->errors;
        d->failed_shipped = d->failed_shipped || s == d->failed;
        metrics_add(&d->st->metrics, METRIC_BACKED_UP_OBJECTS, 1);
    }
}
