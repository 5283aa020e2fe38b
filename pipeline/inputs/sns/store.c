#include "pipeline/inputs/sns/store.h"

#include "pipeline/base/facts.h"

#include <stdio.h>

/* --- storing ---------------------------------------------------------------------------------------------------------- */

static void settle(struct sns_request *rq, enum sns_outcome outcome)
{
    pthread_mutex_lock(&rq->in->lock);
    TAILQ_REMOVE(&rq->in->storing, &rq->storing, link);
    pthread_mutex_unlock(&rq->in->lock);
    rq->outcome = outcome;
    sns_resume(rq);
}

/* The committer's thread. */
static void stored(struct spool_wait *w, bool safe)
{
    struct sns_request *rq = CONTAINER_OF(w, struct sns_request, wait);

    settle(rq, safe ? SNS_OUTCOME_SAFE : SNS_OUTCOME_FAILING);
}

static void add_fact(struct buf *facts, const char *name, struct slice value, bool *cut)
{
    if (value.n > 0 && facts_add(facts, slice_str(name), value) < 0)
        *cut = true;
}

static void add_facts(const struct sns_request *rq, struct buf *facts)
{
    const struct sns_message *m = &rq->message;
    char name[SNS_ATTRIBUTE_NAME_MAX + sizeof("attribute.")];
    struct input *in = rq->in;
    bool cut = m->too_many_attributes, say;

    add_fact(facts, "message_id", m->id, &cut);
    add_fact(facts, "topic", m->topic, &cut);
    add_fact(facts, "timestamp", m->timestamp, &cut);
    add_fact(facts, "subscription", slice_str(sns_header(rq, "x-amz-sns-subscription-arn")), &cut);
    add_fact(facts, "subject", m->subject, &cut);
    for (size_t i = 0; i < m->attribute_count; i++) {
        const struct sns_attribute *a = &m->attributes[i];

        if (a->name.n == 0 || a->name.n > SNS_ATTRIBUTE_NAME_MAX) {
            cut = true;
            continue;
        }
        snprintf(name, sizeof(name), "attribute.%.*s", (int)a->name.n, a->name.p);
        add_fact(facts, name, a->value, &cut);
    }
    if (!cut)
        return;
    pthread_mutex_lock(&in->lock);
    say = !in->said_facts_cut;
    in->said_facts_cut = true;
    pthread_mutex_unlock(&in->lock);
    if (say)
        log_warn("a message has more attributes than can be kept beside its record: some are left out, here and of "
                 "others like it",
                 KS("stream", in->env.stream), KS("input", in->label), KB("message_id", m->id),
                 KU("bytes_max", RECORD_FACTS_MAX));
}

/* NULL: there is no memory for it now. */
static struct frame *make_frame(const struct sns_request *rq, struct slice record)
{
    const struct sns_conf *conf = rq->in->conf;
    const struct id_bounds bounds = {.count = (uint32_t)conf->remember,
                                     .seconds = (uint32_t)((conf->max_age + 2 * SNS_CLOCK_SKEW) / NSEC_PER_SEC)};
    struct frame_message fm = {.data = record, .id = rq->message.id};
    char origin[SNS_ARN_MAX + 32];
    struct budget *budget = rq->in->env.budget;
    struct buf facts;
    struct frame *f = record.n + 1 > FRAME_MAX_BYTES ? frame_new_lone(record.n, clock_wall(), budget)
                                                     : frame_new(record.n + 1, clock_wall(), budget);

    if (!f)
        return NULL;
    snprintf(origin, sizeof(origin), "input=sns topic=%.*s", (int)rq->message.topic.n, rq->message.topic.p);
    frame_set_origin(f, slice_str(origin));
    frame_set_id_source(f, SLICE("sns"), bounds);
    buf_init(&facts, RECORD_FACTS_MAX);
    add_facts(rq, &facts);
    fm.facts = buf_slice(&facts);
    if (!frame_add_message(f, &fm))
        frame_free(&f);
    buf_release(&facts);
    return f;
}

/* An id that is not known, and its record: together, or two requests with the same message would both find that it is new.
 * True: the request is suspended. */
static bool append(struct sns_request *rq, struct frame **f)
{
    struct input *in = rq->in;
    enum spool_answer answer = SPOOL_FAILING;
    enum spool_id seen;

    pthread_mutex_lock(&in->ids);
    seen = spool_id_seen(in->env.spool, SLICE("sns"), rq->message.id);
    if (seen == SPOOL_ID_NEW && sns_enter(rq, SNS_STEP_STORE) == 0) {
        rq->wait.done = stored;
        rq->storing.since = clock_mono();
        pthread_mutex_lock(&in->lock);
        TAILQ_INSERT_TAIL(&in->storing, &rq->storing, link);
        pthread_mutex_unlock(&in->lock);
        sns_suspend(rq); /* first: it may be stored before spool_append() returns */
        answer = spool_append(in->env.spool, f, &rq->wait);
        if (answer != SPOOL_TAKEN)
            settle(rq, answer == SPOOL_FULL        ? SNS_OUTCOME_FULL
                       : answer == SPOOL_TOO_LARGE ? SNS_OUTCOME_TOO_LARGE
                                                   : SNS_OUTCOME_FAILING);
    }
    pthread_mutex_unlock(&in->ids);
    if (seen == SPOOL_ID_SAFE) {
        input_health_add(in->env.health, INPUT_DUPLICATES, 1);
        sns_conclude(rq, MHD_HTTP_OK, "it is known already");
    } else if (seen == SPOOL_ID_PENDING) {
        sns_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "the same message is being stored; send it again");
    }
    return rq->status == 0;
}

bool sns_store(struct sns_request *rq, struct slice record)
{
    struct frame *f;
    bool waits;

    if (record.n > RECORD_MAX_BYTES) {
        sns_too_large(rq);
        return false;
    }
    rq->record_bytes = record.n;
    sns_body_give_back(rq); /* the frame takes its own, and the body goes at once */
    f = make_frame(rq, record);
    if (!f) {
        sns_no_memory(rq);
        return false;
    }
    snprintf(rq->id, sizeof(rq->id), "%.*s", (int)rq->message.id.n, rq->message.id.p);
    rq->message = (struct sns_message){.id = slice_str(rq->id)};
    sns_body_drop(rq);
    waits = append(rq, &f);
    frame_free(&f);
    return waits;
}

void sns_judge_stored(struct sns_request *rq)
{
    struct input *in = rq->in;

    switch (rq->outcome) {
    case SNS_OUTCOME_SAFE:
        input_health_add(in->env.health, INPUT_RECORDS, 1);
        input_health_add(in->env.health, INPUT_BYTES, rq->record_bytes);
        sns_conclude(rq, MHD_HTTP_OK, "it is stored");
        return;
    case SNS_OUTCOME_TOO_LARGE:
        sns_refuse(rq, MHD_HTTP_CONTENT_TOO_LARGE, SNS_EVENT_MESSAGE, "raise spool.limit",
                   "the message is larger than the stream's spool may be");
        return;
    case SNS_OUTCOME_FULL:
        sns_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "the stream is full; send it again");
        break;
    case SNS_OUTCOME_FAILING:
        sns_conclude(rq, MHD_HTTP_SERVICE_UNAVAILABLE, "the disk refuses to store it; send it again");
        break;
    }
    metrics_add(in->env.metrics, METRIC_THROTTLED_RECORDS, 1);
    pushback_note(in->env.pushback, rq->outcome == SNS_OUTCOME_FULL ? PUSHBACK_LIMIT : PUSHBACK_DISK, clock_mono());
}
