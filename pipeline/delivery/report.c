/* report.c -- what the log says of a delivery: each kind of failure at once, and then rarely. */
#include "pipeline/base/human.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery/impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A place that fails now and then is told of as seldom as one that fails always; but a new kind of failure at once. */
static bool failure_is_due(struct target *t, const char *code, nsec now)
{
    if (!t->failure_told && strcmp(t->told_code, code) != 0)
        t->failure_log.next = 0;
    if (!log_due(&t->failure_log, now, DELIVERY_LOG_PERIOD))
        return false;
    t->failure_told = true;
    snprintf(t->told_code, sizeof(t->told_code), "%s", code);
    return true;
}

static void say_retry(const struct attempt *s, nsec wait)
{
    const struct sink_verdict *v = &s->verdict;
    const struct delivery *d = s->owner;
    struct target *t = s->target;
    const char *others = target_is_its_own_fault(t, &s->slot) ? "others get through meanwhile" : "";

    chronicle_failed(d->host->chronicle, s->loop->wall, v->code, v->message);
    if (!failure_is_due(t, v->code, s->loop->mono))
        return;
    LOG_AT(v->misconfigured ? LOG_ERROR : LOG_WARN, "delivery failed, will be retried", KS("stream", t->stream),
           KS("sink", t->ops->name), KS(t->role, t->description), KB("object", s->name), KU("attempt", s->attempts),
           KS("code", v->code), KS("cause", v->message), KS("hint", v->hint), KI("retry_ms", wait / NSEC_PER_MSEC),
           KU("records", d->piece.count), KU("first", d->piece.object.first), KS("note", others),
           KU("similar_before", t->failure_log.suppressed));
}

static void say_given_up(const struct attempt *s)
{
    const struct delivery *d = s->owner;

    chronicle_event(d->host->chronicle, s->loop->wall,
                    "%" PRIu64 " record%s could not be delivered in time, and went to the backup", d->piece.count,
                    noun_s(d->piece.count));
    log_warn("records cannot be delivered, they go to the backup", KS("stream", s->target->stream),
             KS("destination", s->target->description), KS("backup", d->host->backup->description),
             KU("first", d->piece.object.first), KU("last", d->piece.object.last), KU("attempts", s->attempts),
             KS("code", s->verdict.code), KS("cause", s->verdict.message));
}

/* The reasons of single records may quote them, so those are in the backup only. */
static void say_refused(const struct attempt *s, enum sink_outcome outcome)
{
    struct delivery *d = s->owner;
    const struct outcomes *f = delivery_outcomes(d);
    struct target *t = s->target;
    bool before_they_were_sent = outcome == SINK_DELIVERED;

    if (before_they_were_sent && d->refusal_told)
        return;
    d->refusal_told = true;
    if (f->refused == 0 || !log_due(&t->refusal_log, s->loop->mono, DELIVERY_LOG_PERIOD))
        return;
    log_warn("records are refused, they go to the backup with their reasons", KS("stream", t->stream),
             KS("destination", t->description), KS("backup", d->host->backup->description), KU("refused", f->refused),
             KU("records", f->count), KS("code", f->reasons[0].code),
             KS("cause", before_they_were_sent ? "" : s->verdict.message),
             KS("hint", before_they_were_sent || outcome == SINK_PARTIAL ? "" : s->verdict.hint),
             KU("similar_before", t->refusal_log.suppressed));
}

void delivery_report(struct attempt *s, enum delivery_word word, enum sink_outcome outcome, nsec wait)
{
    switch (word) {
    case SAY_RETRY:
    case SAY_PAUSED:
        say_retry(s, wait);
        break;
    case SAY_GIVEN_UP:
        say_given_up(s);
        break;
    case SAY_REFUSED:
        say_refused(s, outcome);
        break;
    case SAY_NOTHING:
        break;
    }
}

/* What a partition is called is what records say. */
static struct slice shown_name(const struct attempt *s)
{
    const struct delivery *d = s->owner;

    return d->host->conf->partitioned || d->whole.object.keys.n > 0 ? SLICE("") : s->name;
}

static void chronicle_success(const struct attempt *s, nsec since)
{
    const struct delivery *d = s->owner;
    const struct chronicle_object o = {
        .at = s->loop->wall,
        .took = s->loop->mono - s->slot.sent,
        .records = s->out.taken,
        .bytes = body_size(s->out.body),
        .attempts = s->attempts,
        .backup = s->target == d->host->backup,
    };
    char lasted[HUMAN_MAX];

    chronicle_delivered(d->host->chronicle, &o, shown_name(s));
    if (since)
        chronicle_event(d->host->chronicle, s->loop->wall, "delivery to the %s works again, after %s", s->target->role,
                        human_duration(s->loop->wall - since, lasted, sizeof(lasted)));
}

void delivery_report_success(struct attempt *s)
{
    const struct delivery *d = s->owner;
    struct target *t = s->target;
    nsec now = s->loop->wall, since = target_note_success(t, now);

    chronicle_success(s, since);
    if (since && t->failure_told) {
        t->failure_told = false;
        log_info("delivery works again", KS("stream", t->stream), KS(t->role, t->description),
                 KI("failed_for_s", (now - since) / NSEC_PER_SEC));
    }
    log_debug("delivered", KS("stream", t->stream), KS(t->role, t->description), KB("object", s->name),
              KU("records", s->out.taken), KU("first", d->seal.first), KU("last", d->seal.last),
              KU("wire_bytes", body_size(s->out.body)), KU("attempt", s->attempts));
}

void delivery_report_failing(struct attempt *s)
{
    const struct delivery *d = s->owner;

    if (target_is_its_own_fault(s->target, &s->slot)) /* told as a batch that is stuck */
        return;
    if (target_note_failure(s->target, &s->verdict, s->loop->wall))
        chronicle_event(d->host->chronicle, s->loop->wall, "delivery to the %s fails: %s", s->target->role,
                        s->verdict.code);
}

void delivery_report_answer(struct attempt *s, enum sink_outcome outcome)
{
    const struct delivery *d = s->owner;
    const char *code = s->verdict.code[0] ? s->verdict.code : "partial";

    if (s == d->parts[PART_RECORDS])
        chronicle_count(d->host->chronicle, outcome == SINK_DELIVERED ? "ok" : code);
}
