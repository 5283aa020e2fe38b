/* A call changes nothing of a message but that it is busy, until it has ended: an answer may be lost, and all three may be done twice. A handle that
 * the queue does not know any more is of no use: the message comes again with another one, or is deleted already. */
#include "pipeline/inputs/sqs/settle.h"

#include <assert.h>
#include <stdio.h>

void sqs_settler_init(struct sqs_settler *s, const struct sqs_conf *conf, struct hand *hand, struct aws_caller *caller)
{
    *s = (struct sqs_settler){.conf = conf, .hand = hand, .caller = caller, .fifo = sqs_conf_is_fifo(conf)};
    for (size_t i = 0; i < SQS_BATCH_CALLS; i++)
        aws_call_init(&s->calls[i].aws, caller);
    aws_caller_connection(caller, &s->trouble);
}

void sqs_settler_release(struct sqs_settler *s)
{
    for (size_t i = 0; i < SQS_BATCH_CALLS; i++)
        aws_call_release(&s->calls[i].aws);
    connection_release(&s->trouble);
}

static void batch_ended(struct sqs_settler *s, struct settle_call *c, nsec now)
{
    struct sqs_fates fates = {.code = ""};
    struct err e = {.msg = ""};
    bool read = false, failed = false;

    if (c->aws.answered && c->aws.error.trouble != AWS_FINE) {
        aws_call_failed(&c->aws, &s->trouble, now);
    } else if (c->aws.answered) {
        if (sqs_entries_read(buf_slice(&c->aws.answer), c->count, &fates, &e) < 0)
            aws_call_malformed(&c->aws, &s->trouble, &e, now);
        else
            read = true;
    }
    for (size_t i = 0; i < c->count; i++) {
        struct hand_entry *x = c->entries[i];
        bool gone = read && fates.fate[i] == SQS_GONE, done = read && fates.fate[i] == SQS_DONE;

        x->busy = false;
        if (x->left) {
            hand_drop(s->hand, &x);
            continue;
        }
        failed |= read && !gone && !done && c->op != SQS_GIVE_BACK;
        if (c->op == SQS_EXTEND && done)
            x->until = now + s->conf->visibility;
        else if (c->op == SQS_EXTEND && gone)
            x->until = NSEC_NEVER; /* it comes again with another handle; this one is of no use for that */
        else if (c->op == SQS_GIVE_BACK || done || gone)
            hand_drop(s->hand, &x); /* what could not be given back comes again when its time is over */
    }
    if (failed) {
        snprintf(c->aws.error.code, sizeof(c->aws.error.code), "%s",
                 fates.code[0] ? fates.code : "no word of an entry");
        c->aws.error.trouble = AWS_BUSY;
        aws_call_failed(&c->aws, &s->trouble, now);
    } else if (read) {
        connection_works(&s->trouble, now);
    }
    c->count = 0;
    aws_call_forget(&c->aws);
}

static bool batch_begin(struct sqs_settler *s, enum sqs_operation op, size_t n, struct hand_entry **entries, nsec now)
{
    const char *handles[SQS_BATCH_MAX];
    struct settle_call *c = NULL;
    struct buf text;
    bool begun;
    int rc;

    for (size_t i = 0; i < SQS_BATCH_CALLS; i++) {
        if (!s->calls[i].aws.under_way)
            c = &s->calls[i];
        else if (op == SQS_DELETE && s->fifo && s->calls[i].op == SQS_DELETE)
            return false; /* one after the other */
    }
    if (!c || n == 0)
        return false;
    c->op = op;
    for (size_t i = 0; i < n; i++)
        handles[i] = entries[i]->handle;
    buf_init(&text, SQS_REQUEST_MAX);
    rc = sqs_entries_text(op, s->conf->queue_url, handles, n, (unsigned)(s->conf->visibility / NSEC_PER_SEC), &text);
    assert(rc == 0); /* handles are bounded */
    begun = aws_call_begin(&c->aws, sqs_operation_name(op), buf_slice(&text), SQS_TIMEOUT, false, &s->trouble, now);
    buf_release(&text);
    if (!begun)
        return false;
    c->count = n;
    for (size_t i = 0; i < n; i++) {
        c->entries[i] = entries[i];
        entries[i]->busy = true;
    }
    return true;
}

static void delete_safe(struct sqs_settler *s, bool all, nsec now)
{
    struct hand_entry *entries[SQS_BATCH_MAX];
    size_t n;

    do {
        n = hand_pick(s->hand, HAND_SAFE, NSEC_NEVER, entries, SQS_BATCH_MAX);
        if (n == 0)
            s->safe_since = 0;
        else if (s->safe_since == 0)
            s->safe_since = now;
        if (n == 0 || (n < SQS_BATCH_MAX && !all && now < s->safe_since + SQS_DELETE_WAIT))
            return;
    } while (batch_begin(s, SQS_DELETE, n, entries, now));
}

/* Half of its time has gone by: that leaves room for some tries. */
static void extend(struct sqs_settler *s, nsec now)
{
    static const enum hand_state STATES[] = {HAND_SAFE, HAND_HELD, HAND_ARRIVED};
    nsec before = now + s->conf->visibility / 2;
    struct hand_entry *entries[SQS_BATCH_MAX];

    if (now < s->look_at)
        return;
    for (size_t i = 0; i < ARRAY_LEN(STATES); i++) {
        size_t n;

        while ((n = hand_pick(s->hand, STATES[i], before, entries, SQS_BATCH_MAX)) > 0)
            if (!batch_begin(s, SQS_EXTEND, n, entries, now))
                return; /* soon again */
    }
    s->look_at = now + s->conf->visibility / 8;
}

static void give_back(struct sqs_settler *s, nsec now)
{
    struct hand_entry *entries[SQS_BATCH_MAX];
    size_t n;

    while ((n = hand_pick(s->hand, HAND_RETURNED, NSEC_NEVER, entries, SQS_BATCH_MAX)) > 0)
        if (!batch_begin(s, SQS_GIVE_BACK, n, entries, now))
            return;
}

void sqs_settle(struct sqs_settler *s, bool all, nsec now)
{
    for (size_t i = 0; i < SQS_BATCH_CALLS; i++)
        if (aws_call_ended(&s->calls[i].aws))
            batch_ended(s, &s->calls[i], now);
    if (s->closed || now < s->trouble.again)
        return;
    delete_safe(s, all, now);
    give_back(s, now);
    extend(s, now);
}

nsec sqs_settle_next(const struct sqs_settler *s, nsec now, nsec latest)
{
    if (s->trouble.again > now)
        return nsec_earlier(latest, s->trouble.again);
    return s->safe_since > 0 ? nsec_earlier(latest, s->safe_since + SQS_DELETE_WAIT) : latest;
}

bool sqs_settler_is_idle(const struct sqs_settler *s)
{
    for (size_t i = 0; i < SQS_BATCH_CALLS; i++)
        if (s->calls[i].aws.under_way)
            return false;
    return true;
}

void sqs_settler_cancel(struct sqs_settler *s)
{
    s->closed = true;
    for (size_t i = 0; i < SQS_BATCH_CALLS; i++)
        aws_call_cancel(&s->calls[i].aws);
}
