/* parts.c -- the bodies of a delivery: their records, and what comes of an attempt, as delivery_judge() answers. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/delivery/impl.h"
#include "sinks/answer/clean.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct attempt_ops OPS[PART_COUNT];

/* --- making bodies -------------------------------------------------------------------------------------------------- */

/* Workers. */
static int encode_records(struct attempt *s, struct worker *w)
{
    const struct delivery *d = s->owner;
    int rc = d->host->ops->encode(&s->in, w, &s->out);

    if (delivery_is_of_failed(d)) /* their lines are the records */
        s->out.id.error_type = delivery_error_type(d, PART_SOURCE);
    return rc;
}

static int encode_errors(struct attempt *s, struct worker *w)
{
    const struct delivery *d = s->owner;
    const struct error_objects_failure failure = {
        .error_type = delivery_error_type(d, PART_ERRORS), .attempts = d->attempts, .ended = d->attempts_ended};

    return d->host->ops->errors(&s->in, &failure, w, &s->out);
}

/* The lines were written when the records failed. */
static int encode_failed(struct attempt *s, struct worker *w)
{
    const struct delivery *d = s->owner;
    int rc = d->host->ops->lines(&s->in, d->transform.failed, w, &s->out);

    s->out.taken = d->transform.failed_lines;
    s->out.id.error_type = delivery_error_type(d, PART_FAILED);
    return rc;
}

/* In Firehose's words. */
const char *delivery_error_type(const struct delivery *d, enum delivery_part part)
{
    if (part == PART_ERRORS)
        return target_error_prefix(d->host->destination);
    if (part != PART_FAILED && (part != PART_SOURCE || !delivery_is_of_failed(d)))
        return NULL;
    return d->parcel_of && d->parcel_of->kind == STAGE_UNKEYED ? "metadata-extraction-failed" : "processing-failed";
}

static bool is_all_of_the_seal(const struct delivery *d, const struct sink_seal_id *id)
{
    return id->window == 0 && id->last - id->first == d->seal.last - d->seal.first;
}

/* Names it, and looks up how far it is. */
static void name_body(struct attempt *s, enum delivery_part part)
{
    struct delivery *d = s->owner;
    const char *extension = part == PART_SOURCE || part == PART_RECORDS ? d->codec->extension : "";

    if (part == PART_RECORDS && is_all_of_the_seal(d, &s->out.id)) {
        s->name = d->name;
    } else {
        delivery_name(d, s->target, &s->out.id, extension, &d->part_names[part]);
        s->name = buf_slice(&d->part_names[part]);
    }
    delivery_progress_meet(s, part);
}

/* A sink that shapes its own bodies answers for each record. */
static void refuse_in_answer(struct sink_outcomes *f, uint64_t index, const char *code, struct slice message)
{
    struct delivery *d = CONTAINER_OF(f, struct delivery, sink_outcomes);
    struct sink_refusal why = {.own = 0};

    if (d->answer.count == 0)
        outcomes_init(&d->answer, f->count);
    if (f->outcome[index] == SINK_REJECTED && d->answer.of && d->answer.of[index] == OUTCOME_REFUSED)
        return;
    f->outcome[index] = SINK_REJECTED;
    snprintf(why.code, sizeof(why.code), "%s", code);
    snprintf(why.message, sizeof(why.message), "%.*s", (int)message.n, message.p ? message.p : "");
    outcomes_refuse(&d->answer, index, &why);
}

/* For the answer to a body of any of its records. */
static void expect_outcomes(struct delivery *d)
{
    mem_free(d->answered);
    d->answered = mem_array(d->outcomes.count, 1);
    d->sink_outcomes = (struct sink_outcomes){.outcome = d->answered, .refuse = refuse_in_answer};
}

/* All that does not depend on what the records are. */
static void prepare_records(struct delivery *d, struct attempt *s)
{
    const struct target *t = s->target;

    s->encoding = d->codec->encoding;
    s->content_type = d->format->content_type;
    s->metrics = d->host->metrics;
    if (!t->ops->record)
        return;
    s->in.shaper = t->ops;
    s->in.sink = t->state;
    s->content_type = t->ops->content_type;
    s->sink_outcomes = &d->sink_outcomes;
}

void delivery_part_release(struct attempt **s)
{
    if (!*s)
        return;
    attempt_release(*s);
    MEM_CLEAR(*s);
}

static struct attempt *new_part(struct delivery *d, enum delivery_part part)
{
    struct delivery_host *h = d->host;
    struct attempt *s = mem_alloc(sizeof(*s));

    delivery_part_release(&d->parts[part]);
    d->parts[part] = s;
    attempt_init(s, &OPS[part], d, h->loop, part == PART_RECORDS ? h->destination : h->backup);
    s->in.records = (struct encoder_records){.source = part == PART_SOURCE ? &d->whole : &d->piece,
                                             .outcomes = &d->outcomes,
                                             .window = UINT64_MAX,
                                             .counted = d->counted.bits ? &d->counted : NULL};
    s->in.format = d->format;
    s->in.format_options = d->format == h->conf->format ? h->conf->format_conf : NULL;
    s->in.codec = d->codec;
    s->in.level = d->level;
    s->in.body_max = d->body_max;
    s->in.content_name = delivery_content_name(d);
    s->expected = s->in.records.source->bytes;
    d->regrow[part] = false;
    if (d->sealing != SEAL_SAFE)
        attempt_hold(s);
    return s;
}

static void take_made_records(struct delivery *d, struct attempt *s)
{
    if (!d->transform.list)
        return;
    s->in.records.source = &d->parcel;
    s->in.records.sources = &d->sources;
    s->expected = d->parcel.bytes;
}

bool delivery_ship_with(struct delivery *d)
{
    struct attempt *s;

    if (d->diverted)
        return false;
    s = new_part(d, PART_RECORDS);
    prepare_records(d, s);
    return attempt_start_with(s);
}

void delivery_encode(struct delivery *d, struct worker *w)
{
    struct attempt *s = d->parts[PART_RECORDS];

    take_made_records(d, s);
    attempt_make(s, w);
}

void delivery_encoded(struct delivery *d)
{
    if (d->host->destination->ops->record)
        expect_outcomes(d);
    attempt_made(d->parts[PART_RECORDS]);
}

static void refuse_all(struct delivery *d)
{
    struct sink_refusal why = {.code = "Delivery.TooFarBehind"};

    snprintf(why.message, sizeof(why.message),
             "more than `max_behind` waited for this destination, so it was not asked to take the record");
    for (uint64_t i = outcomes_next_pending(&d->outcomes, 0); i < d->outcomes.count;
         i = outcomes_next_pending(&d->outcomes, i + 1))
        outcomes_refuse(&d->outcomes, i, &why);
}

void delivery_divert(struct delivery *d)
{
    assert(d->host->backup && !d->is_piece);
    d->diverted = true;
    if (!d->parts[PART_RECORDS])
        return;
    assert(d->parts[PART_RECORDS]->step == ATTEMPT_QUEUED);
    delivery_part_release(&d->parts[PART_RECORDS]);
    delivery_ship(d, PART_RECORDS);
}

void delivery_ship(struct delivery *d, enum delivery_part part)
{
    struct attempt *s;

    if (part == PART_RECORDS && d->diverted) {
        refuse_all(d);
        part = PART_ERRORS;
    }
    s = new_part(d, part);
    s->content_type = "application/x-ndjson"; /* of error lines */
    switch (part) {
    case PART_SOURCE:
        outcomes_init(&d->source_outcomes, d->whole.count);
        s->in.records.outcomes = &d->source_outcomes;
        s->encoding = d->codec->encoding;
        if (!delivery_is_of_failed(d))
            s->content_type = d->format->content_type;
        break;
    case PART_RECORDS:
        prepare_records(d, s);
        take_made_records(d, s);
        if (s->target->ops->record)
            expect_outcomes(d);
        break;
    case PART_ERRORS:
        take_made_records(d, s);
        if (d->host->destination->ops->record) { /* for what it says of a record */
            s->in.shaper = d->host->destination->ops;
            s->in.sink = d->host->destination->state;
        }
        d->attempts_ended = d->host->loop->wall;
        break;
    case PART_FAILED:
        s->expected = 0; /* the lines are there */
        break;
    case PART_UNDO:
    case PART_COUNT:
        break;
    }
    attempt_queue(s);
}

bool delivery_is_under_way(const struct delivery *d, enum delivery_part part)
{
    return d->parts[part] && d->parts[part]->step != ATTEMPT_IDLE;
}

void delivery_parts_safe(struct delivery *d)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        if (d->parts[i])
            attempt_unhold(d->parts[i]);
}

void delivery_parts_release(struct delivery *d)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        delivery_part_release(&d->parts[i]);
}

/* --- judging an attempt ---------------------------------------------------------------------------------------------- */

/* The records that a part sends: pending ones, or refused ones. NULL: it has lines, and is one thing. */
static struct outcomes *outcomes_of(struct delivery *d, enum delivery_part part)
{
    return part == PART_SOURCE ? &d->source_outcomes : part == PART_FAILED ? NULL : delivery_outcomes(d);
}

static enum record_outcome outcome_of(enum delivery_part part)
{
    return part == PART_ERRORS ? OUTCOME_REFUSED : OUTCOME_PENDING;
}

static void count_answer(const struct delivery *d, uint64_t taken, struct delivery_view *v)
{
    for (uint64_t i = 0; i < taken; i++) {
        v->arrived += d->answered[i] == SINK_DELIVERED;
        v->refused_now += d->answered[i] == SINK_REJECTED;
    }
}

/* Records that are put off one by one, while others of the same body get through, have a clock of their own. */
static nsec failing_for(struct delivery *d, const struct attempt *s, enum sink_outcome outcome)
{
    nsec failing = d->host->far_behind ? d->host->conf->retry_duration : target_failing_for(&s->slot);
    nsec partial, now = s->loop->mono;

    if (s->verdict.misconfigured && failing < 0)
        d->partial_since = 0;
    else if (outcome == SINK_PARTIAL && !d->partial_since)
        d->partial_since = now;
    partial = d->partial_since ? now - d->partial_since : -1;
    return failing > partial ? failing : partial;
}

static struct delivery_view view_of(struct delivery *d, const struct attempt *s, enum delivery_part part,
                                    enum sink_outcome outcome)
{
    const struct outcomes *f = outcomes_of(d, part);
    struct delivery_view v = {
        .outcome = outcome,
        .to_backup = part != PART_RECORDS,
        .has_backup = d->host->backup != NULL,
        .no_room = s->no_room,
        .in_memory = s->in.in_memory,
        .window = s->in.records.window,
        .regrow = d->regrow[part],
        .taken = f ? s->out.taken : 1,
        .open = f ? (part == PART_ERRORS ? f->refused : f->pending) : 1,
        .refused = part == PART_RECORDS ? f->refused : 0,
        .retry_duration = d->host->conf->retry_duration,
        .failing_for = part == PART_RECORDS ? failing_for(d, s, outcome) : -1,
    };

    if (f && outcome == SINK_SPLIT && !s->slot.sent)
        v.taken = v.window < v.open ? v.window : v.open;
    if (outcome == SINK_PARTIAL)
        count_answer(d, s->out.taken, &v);
    return v;
}

/* Calls `each` for the positions of the body's first `count` records, in order. */
static void for_each_taken(struct delivery *d, enum delivery_part part, uint64_t count, const struct sink_verdict *why,
                           void (*each)(struct delivery *d, struct outcomes *f, uint64_t position, uint64_t index,
                                        const struct sink_verdict *why))
{
    struct outcomes *f = outcomes_of(d, part);
    uint64_t at = outcomes_next(f, outcome_of(part), 0);

    for (uint64_t i = 0; i < count; i++) {
        uint64_t next = outcomes_next(f, outcome_of(part), at + 1);

        each(d, f, at, i, why);
        at = next;
    }
}

static void mark_delivered(struct delivery *d, struct outcomes *f, uint64_t position, uint64_t index,
                           const struct sink_verdict *why)
{
    (void)d, (void)index, (void)why;
    outcomes_set(f, position, OUTCOME_DELIVERED);
}

static void mark_backed_up(struct delivery *d, struct outcomes *f, uint64_t position, uint64_t index,
                           const struct sink_verdict *why)
{
    (void)d, (void)index, (void)why;
    outcomes_set(f, position, OUTCOME_BACKED_UP);
}

static void mark_refused(struct delivery *d, struct outcomes *f, uint64_t position, uint64_t index,
                         const struct sink_verdict *why)
{
    struct sink_refusal refusal = {.own = why->own};

    (void)d, (void)index;
    snprintf(refusal.code, sizeof(refusal.code), "%s", why->code);
    snprintf(refusal.message, sizeof(refusal.message), "%.*s", (int)sizeof(refusal.message) - 1, why->detail);
    outcomes_refuse(f, position, &refusal);
}

static void mark_as_answered(struct delivery *d, struct outcomes *f, uint64_t position, uint64_t index,
                             const struct sink_verdict *why)
{
    (void)why;
    if (d->answered[index] == SINK_DELIVERED) {
        outcomes_set(f, position, OUTCOME_DELIVERED);
    } else if (d->answered[index] == SINK_REJECTED) {
        outcomes_refuse(f, position, outcomes_reason(&d->answer, index));
    }
}

static void note_arrived(struct delivery *d, enum delivery_part part, uint64_t taken)
{
    struct outcomes *f = outcomes_of(d, part);

    if (part == PART_FAILED)
        d->failed_arrived = true;
    else if (part == PART_ERRORS)
        for_each_taken(d, part, taken, NULL, mark_backed_up);
    else if (taken == f->pending)
        outcomes_settle_all(f, OUTCOME_DELIVERED);
    else
        for_each_taken(d, part, taken, NULL, mark_delivered);
}

static uint64_t arrived_bytes(const struct delivery *d, const struct attempt *s, const struct delivery_view *v)
{
    uint64_t bytes = 0;

    if (v->outcome != SINK_PARTIAL)
        return s->out.bytes;
    for (uint64_t i = 0; i < s->out.taken; i++)
        bytes += d->answered[i] == SINK_DELIVERED ? s->out.sizes[i] : 0;
    return bytes;
}

static void count(struct delivery *d, const struct attempt *s, enum delivery_part part, const struct delivery_view *v)
{
    struct metrics *m = d->host->metrics;

    if (v->outcome != SINK_DELIVERED && v->arrived == 0)
        return;
    if (part == PART_RECORDS) {
        metrics_add(m, METRIC_DELIVERED_OBJECTS, 1);
        d->wire_bytes += body_size(s->out.body);
        d->arrived_bytes += arrived_bytes(d, s, v);
    } else if (part != PART_SOURCE || delivery_is_of_failed(d)) {
        metrics_add(m, METRIC_BACKED_UP_OBJECTS, 1);
    }
}

/* Without a backup a refused record has no other safe place than the spool: it is pending again, and delivery pauses. */
static void pause(struct delivery *d, struct attempt *s)
{
    struct outcomes *f = delivery_outcomes(d);
    struct sink_verdict *v = &s->verdict;
    char reason[SINK_SAID_MAX];

    verdict_clean(&f->reasons[0], &(struct verdict_sent){&s->request, s->out.body, s->encoding}, reason,
                  sizeof(reason));
    *v = (struct sink_verdict){.misconfigured = true};
    snprintf(v->code, sizeof(v->code), "%s", f->reasons[0].code);
    snprintf(v->message, sizeof(v->message),
             "%" PRIu64 " record%s %s refused (%s), and the stream has no backup for %s", f->refused,
             noun_s(f->refused), is_are(f->refused), reason, f->refused == 1 ? "it" : "them");
    snprintf(v->hint, sizeof(v->hint), "give the stream a `backup`, or make the destination take them");
    if (!d->refused_since)
        d->refused_since = d->host->loop->mono;
    snprintf(d->paused_code, sizeof(d->paused_code), "%s", v->code);
    snprintf(d->paused_message, sizeof(d->paused_message), "%s", v->message);
    snprintf(d->paused_hint, sizeof(d->paused_hint), "%s", v->hint);
    outcomes_reconsider_refused(f);
}

static void refuse_the_rest(struct delivery *d, const struct sink_verdict *why)
{
    for_each_taken(d, PART_RECORDS, delivery_outcomes(d)->pending, why, mark_refused);
}

static void apply(struct delivery *d, struct attempt *s, enum delivery_part part, const struct delivery_view *v,
                  const struct delivery_step *step)
{
    if (step->body == BODY_ARRIVED)
        note_arrived(d, part, v->taken);
    else if (step->body == BODY_AS_ANSWERED)
        for_each_taken(d, part, v->taken, NULL, mark_as_answered);
    else if (step->body == BODY_REFUSED)
        for_each_taken(d, part, v->taken, &s->verdict, mark_refused);
    if (part == PART_RECORDS) /* the answer to another body may just be written */
        outcomes_release(&d->answer);
    if (step->give_up)
        refuse_the_rest(d, &s->verdict);
    if (step->put_off)
        s->failures = ++d->partial_answers;
    s->in.records.window = step->window;
    s->in.in_memory = step->in_memory;
    d->regrow[part] = step->regrow;
}

static void retry(struct delivery *d, struct attempt *s, enum delivery_part part, const struct delivery_step *step,
                  enum sink_outcome outcome)
{
    delivery_report_failing(s);
    delivery_report(s, step->say, outcome, attempt_retry(s, step->wait_max));
    delivery_made_stash(d, part);
}

static void judged(struct attempt *s, enum delivery_part part, enum sink_outcome outcome)
{
    struct delivery *d = s->owner;
    struct delivery_view v = view_of(d, s, part, outcome);
    struct delivery_step step = delivery_judge(&v);

    if (part == PART_RECORDS)
        d->attempts = s->attempts;
    if (s->slot.sent) {
        count(d, s, part, &v);
        delivery_report_answer(s, outcome);
        if (outcome == SINK_DELIVERED || (outcome == SINK_PARTIAL && v.arrived + v.refused_now == v.taken))
            delivery_report_success(s);
    }
    apply(d, s, part, &v, &step);
    if (part == PART_RECORDS && step.next != NEXT_PAUSE && step.next != NEXT_RETRY)
        d->refused_since = 0;
    delivery_progress_judged(s, outcome == SINK_DELIVERED, step.next == NEXT_RETRY || step.next == NEXT_PAUSE);
    switch (step.next) {
    case NEXT_NOTHING:
        delivery_report(s, step.say, outcome, 0);
        break;
    case NEXT_BODY:
        delivery_report(s, step.say, outcome, 0);
        attempt_queue(s);
        break;
    case NEXT_ERRORS:
        delivery_report(s, step.say, outcome, 0);
        delivery_ship(d, PART_ERRORS);
        break;
    case NEXT_PAUSE:
        pause(d, s);
        retry(d, s, part, &step, outcome);
        break;
    case NEXT_RETRY:
        retry(d, s, part, &step, outcome);
        break;
    }
}

/* --- the parts -------------------------------------------------------------------------------------------------------- */

static void ended(void *owner)
{
    struct delivery *d = owner;

    d->ended(d);
}

static void progressed(struct attempt *s)
{
    delivery_progress_keep(s->owner);
}

static void source_encoded(struct attempt *s)
{
    name_body(s, PART_SOURCE);
}

static void records_encoded(struct attempt *s)
{
    name_body(s, PART_RECORDS);
}

static void errors_encoded(struct attempt *s)
{
    name_body(s, PART_ERRORS);
}

static void failed_encoded(struct attempt *s)
{
    name_body(s, PART_FAILED);
}

static void source_judged(struct attempt *s, enum sink_outcome outcome)
{
    judged(s, PART_SOURCE, outcome);
}

static void records_judged(struct attempt *s, enum sink_outcome outcome)
{
    judged(s, PART_RECORDS, outcome);
}

static void errors_judged(struct attempt *s, enum sink_outcome outcome)
{
    judged(s, PART_ERRORS, outcome);
}

static void failed_judged(struct attempt *s, enum sink_outcome outcome)
{
    judged(s, PART_FAILED, outcome);
}

#define PART_OPS(make, what)                                                                                           \
    {                                                                                                                  \
        .encode = (make), .encoded = what##_encoded, .progressed = progressed, .begins_anew = delivery_progress_anew,  \
        .judged = what##_judged, .ended = ended                                                                        \
    }

static const struct attempt_ops OPS[PART_COUNT] = {
    [PART_SOURCE] = PART_OPS(encode_records, source),
    [PART_RECORDS] = PART_OPS(encode_records, records),
    [PART_ERRORS] = PART_OPS(encode_errors, errors),
    [PART_FAILED] = PART_OPS(encode_failed, failed),
};
