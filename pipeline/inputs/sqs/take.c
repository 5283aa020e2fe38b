#include "pipeline/inputs/sqs/impl.h"

#include "pipeline/base/limits.h"

static void leave_in_queue(struct input *in, struct log_limit *limit, const struct sqs_message *m, const char *why,
                           const char *hint, nsec now)
{
    input_health_error(in->env.health, why, hint, now);
    if (!log_due(limit, now, SQS_LEFT_SAYS_EVERY))
        return;
    log_warn(why, KS("stream", in->env.stream), KS("input", in->label), KS("queue", in->conf->queue_url),
             KB("message_id", m->id), KU("bytes", m->record.n), KU("record_bytes_max", RECORD_MAX_BYTES),
             KS("hint", hint));
}

bool sqs_reads_objects(const struct input *in)
{
    return in->conf->unwrap == SQS_UNWRAP_S3;
}

static void drop_left(struct hand *h, struct hand_entry *x)
{
    if (x->busy)
        x->left = true;
    else
        hand_drop(h, &x);
}

/* False: all readers are busy. */
static bool read_objects(struct input *in, const struct sqs_message *m, struct hand_entry *x, nsec now)
{
    switch (objects_take(&in->objects, x, m->id, m->record)) {
    case OBJECTS_TAKEN:
        break;
    case OBJECTS_FULL:
        return false;
    case OBJECTS_NOTHING:
        input_health_add(in->env.health, INPUT_FILTERED, 1);
        hand_move(&in->hand, x, HAND_SAFE);
        break;
    case OBJECTS_NO_EVENT:
        leave_in_queue(in, &in->no_event, m, "a message is no event of S3, and stays in the queue",
                       "look who else writes to the queue; let it have a dead-letter queue for such messages", now);
        drop_left(&in->hand, x);
        break;
    }
    return true;
}

/* What the window has taken so far is what the message waits for, and perhaps something more. */
static void take_read(struct input *in)
{
    enum objects_fate fate;
    void *message;

    while (objects_ended(&in->objects, &message, &fate)) {
        struct hand_entry *x = message;

        x->number = in->numbers;
        if (fate == OBJECTS_REFUSED)
            drop_left(&in->hand, x);
        else
            hand_move(&in->hand, x, x->number > in->safe_upto ? HAND_HELD : HAND_SAFE);
    }
}

/* False: the window takes nothing now. */
static bool put(struct input *in, const struct sqs_message *m, struct hand_entry *x, nsec now)
{
    const struct frame_message fm = {
        .data = m->record, .facts = m->facts, .id = in->conf->remember > 0 ? m->id : SLICE("")};

    if (m->facts_cut && !in->facts_cut_shown) {
        in->facts_cut_shown = true;
        log_warn("a message has more attributes than can be kept beside its record: some are left out, here and of "
                 "others like it",
                 KS("stream", in->env.stream), KS("input", in->label), KB("message_id", m->id),
                 KU("bytes_max", RECORD_FACTS_MAX));
    }
    switch (m->record.n > RECORD_MAX_BYTES ? WINDOW_TOO_LARGE
                                           : window_put(&in->window, &fm, in->numbers + 1, clock_wall(), now)) {
    case WINDOW_TAKEN:
        x->number = ++in->numbers;
        hand_move(&in->hand, x, HAND_HELD);
        break;
    case WINDOW_TOO_LARGE:
        leave_in_queue(in, &in->too_large, m,
                       "a message is larger than a record, or the stream's spool, may be, and stays in the queue",
                       "raise spool.limit, or let the queue have a dead-letter queue for such messages", now);
        drop_left(&in->hand, x);
        break;
    case WINDOW_FULL:
    case WINDOW_BROKEN:
        return false;
    }
    return true;
}

bool sqs_has_messages(const struct receiver *r)
{
    return r->next < r->batch.n;
}

void sqs_batch_over(struct receiver *r)
{
    r->batch.n = r->next = 0;
    buf_clear(&r->batch.text);
    buf_trim(&r->batch.text, SQS_TEXT_KEEP);
    aws_call_forget(&r->call);
}

struct receiver *sqs_oldest_answer(struct input *in)
{
    struct receiver *oldest = NULL;

    for (int64_t i = 0; i < in->conf->receivers; i++) {
        struct receiver *r = &in->receivers[i];

        if (sqs_has_messages(r) && (!oldest || r->came < oldest->came))
            oldest = r;
    }
    return oldest;
}

static bool put_next(struct input *in, struct receiver *r, nsec now)
{
    const struct sqs_message *m = &r->batch.messages[r->next];
    struct hand_entry *x = r->entries[r->next];

    return sqs_reads_objects(in) ? read_objects(in, m, x, now) : put(in, m, x, now);
}

void sqs_put_arrived(struct input *in, nsec now)
{
    struct receiver *r;

    while ((r = sqs_oldest_answer(in))) {
        while (sqs_has_messages(r))
            if (r->entries[r->next] && !put_next(in, r, now))
                return;
            else
                r->entries[r->next++] = NULL;
        sqs_batch_over(r);
    }
}

/* How old is what comes now? That is how far behind the input is: the queue tells nothing of those that wait. */
static void note_age(struct input *in, const struct receiver *r)
{
    nsec oldest = sqs_batch_oldest(&r->batch);

    if (oldest > 0 || (r->batch.n == 0 && hand_count(&in->hand) == 0))
        input_health_oldest(in->env.health, oldest);
}

void sqs_take_messages(struct input *in, struct receiver *r, nsec now)
{
    nsec until = now + in->conf->visibility;

    r->next = 0;
    r->came = ++in->answers;
    note_age(in, r);
    for (size_t i = 0; i < r->batch.n; i++) {
        const struct sqs_message *m = &r->batch.messages[i];

        r->entries[i] = NULL;
        if (m->again)
            input_health_add(in->env.health, INPUT_REDELIVERED, 1);
        if (m->broken)
            leave_in_queue(
                in, &in->broken, m, "a message is not what was sent (its MD5 is another), and stays in the queue",
                "the queue hands it out again; if that goes on, look for what changes messages on the way", now);
        else
            r->entries[i] = hand_take(&in->hand, m->handle, until);
    }
}
void sqs_turn_objects(struct input *in, nsec now)
{
    if (!sqs_reads_objects(in))
        return;
    objects_turn(&in->objects, now);
    take_read(in);
}
