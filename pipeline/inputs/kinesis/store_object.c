/* Leases in one object of S3 (rounds.h). One call is under way at a time: the object is read, and put back when something of it changes.
 *
 * A store that does not know conditions takes every PUT, and two daemons would undo each other's leases without a word. So before anything
 * else it is asked to write an object that is there as a new one, and as one that it is not: it has to refuse both. */
#include "pipeline/base/digest.h"
#include "pipeline/inputs/kinesis/impl.h"

#include <stdio.h>
#include <string.h>

#define CHECK_SUFFIX ".check"
#define CHECK_TEXT   "{\"Items\":[],\"for\":\"a look whether conditions are kept\"}"
#define NO_TAG       "\"00000000000000000000000000000000\""

/* --- calls --------------------------------------------------------------------------------------------------------- */

/* A round has two calls, and there is to be time for another one. */
static nsec patience(const struct share *s)
{
    nsec most = s->leases.conf.failover / 4;

    return most < KINESIS_LEASE_TIMEOUT ? most : KINESIS_LEASE_TIMEOUT;
}

static bool ask(struct input *in, enum object_step step, struct s3_ask *a, nsec now)
{
    struct share *s = &in->share;
    struct object_share *o = &s->object;

    a->at = &o->where.at;
    a->region = o->where.region;
    if (!aws_call_begin_object(&o->call, a, patience(s), &s->trouble, now)) {
        s->failed = NULL;
        return false;
    }
    o->step = step;
    return true;
}

/* So often within a fail-over time; but who starts, or is stopped, has some rounds to make, and does not wait for long. */
static nsec pause_of(const struct share *s, unsigned often)
{
    nsec pause = s->leases.conf.failover / often;

    return pause < KINESIS_LEASE_PAUSE ? pause : KINESIS_LEASE_PAUSE;
}

static void give_up(struct share *s, nsec again, nsec now)
{
    rounds_over(&s->object.rounds, &s->leases, LEASE_UNSURE, again, now);
}

static bool is_refused(const struct aws_call *c)
{
    return strcmp(c->error.code, "PreconditionFailed") == 0;
}

/* Another one was there first: so say S3 while that goes on, and of an object that was deleted. */
static bool is_conflict(const struct aws_call *c)
{
    return is_refused(c) || strcmp(c->error.code, "ConditionalRequestConflict") == 0 ||
           strcmp(c->error.code, "NoSuchKey") == 0;
}

/* Once more, and not all at the same time. True: that has no end, so it may not be others at all. */
static bool meets_others(struct share *s, nsec now)
{
    static const struct connection_trouble ENDLESS = {
        .doing = "PutObject",
        .cause = "each write is refused, as if others had been first each time",
        .hint =
            "many daemons, or a store that is far away, need a longer leases.failover; else: does something between "
            "here and the store change ETags, or does the store refuse those that it says itself?",
    };
    struct object_share *o = &s->object;

    o->next = now + (nsec)(random_bits() % (uint32_t)(pause_of(s, 24) / NSEC_PER_USEC)) * NSEC_PER_USEC;
    if (++o->conflicts < KINESIS_LEASE_CONFLICTS)
        return false;
    s->failed = ENDLESS.doing;
    s->failed_at = now;
    connection_failed(&s->trouble, &ENDLESS, now);
    (void)store_again(s, now);
    return true;
}

/* --- whether the store keeps to conditions --------------------------------------------------------------------------- */

static void check(struct input *in, nsec now)
{
    struct object_share *o = &in->share.object;
    struct s3_ask a = {.put = true, .text = SLICE(CHECK_TEXT)};
    struct buf key;

    buf_init(&key, S3_TARGET_MAX);
    if (buf_printf(&key, "%s" CHECK_SUFFIX, in->conf->leases.s3.key) == 0) {
        a.key = buf_slice(&key);
        a.is_new = o->check != CHECK_TAG;
        a.matches = o->check == CHECK_TAG ? NO_TAG : NULL;
        (void)ask(in, OBJECT_CHECKS, &a, now);
    }
    buf_release(&key);
}

static void tell_ignored(struct input *in, nsec now)
{
    struct share *s = &in->share;
    const struct connection_trouble t = {
        .doing = "PutObject",
        .cause = s->object.check == CHECK_NEW
                     ? "the store wrote an object that was there as a new one: it does not know "
                       "If-None-Match"
                     : "the store wrote an object that was another one: it does not know If-Match",
        .hint =
            "leases cannot stand in this store, and nothing is read: name one that keeps to conditions of PutObject in "
            "leases.s3, or a table in leases.dynamodb",
    };

    connection_failed(&s->trouble, &t, now);
    s->object.check = CHECK_MAKE;
}

static void checked(struct input *in, nsec now)
{
    struct share *s = &in->share;
    struct object_share *o = &s->object;
    const struct aws_call *c = &o->call;

    if (is_refused(c)) {
        o->check = o->check == CHECK_TAG ? CHECK_OVER : CHECK_TAG;
        if (o->check == CHECK_OVER)
            o->conflicts = 0;
    } else if (is_conflict(c)) { /* another daemon looks, too, or somebody has deleted it */
        o->check = CHECK_MAKE;
        (void)meets_others(s, now);
    } else if (c->error.trouble != AWS_FINE) {
        store_failed(s, c, NULL, now);
    } else if (o->check == CHECK_MAKE) {
        o->check = CHECK_NEW;
    } else {
        tell_ignored(in, now);
    }
}

/* --- rounds -------------------------------------------------------------------------------------------------------- */

static void read_object(struct input *in, nsec now)
{
    struct share *s = &in->share;
    struct s3_ask a = {.key = slice_str(in->conf->leases.s3.key)};

    if (!ask(in, OBJECT_READS, &a, now))
        give_up(s, s->trouble.again, now);
}

static void write_object(struct input *in, const char *tag, nsec now)
{
    struct share *s = &in->share;
    struct s3_ask a = {.key = slice_str(in->conf->leases.s3.key),
                       .put = true,
                       .text = buf_slice(&s->object.text),
                       .matches = tag,
                       .is_new = tag == NULL};

    if (!ask(in, OBJECT_WRITES, &a, now))
        give_up(s, s->trouble.again, now);
    buf_clear(&s->object.text);
    buf_trim(&s->object.text, KINESIS_LEASE_MAX);
}

static void tell_no_room(struct input *in, nsec now)
{
    static const char HINT[] =
        "put the leases of this stream into a table, by leases.dynamodb; what has a lease is read as before";
    struct object_share *o = &in->share.object;

    if (o->rounds.no_room == 0)
        return;
    input_health_error(in->env.health, "the object of leases has no room for all shards", HINT, now);
    if (log_due(&o->full, now, KINESIS_SAYS_EVERY))
        log_error("the object of leases has no room for all shards: those without a lease are read by nobody",
                  KS("stream", in->env.stream), KS("input", in->label), KS("source", in->conf->stream),
                  KS("object", in->conf->leases.s3.key), KU("shards", o->rounds.no_room),
                  KU("object_bytes_most", KINESIS_LEASE_OBJECT_MAX), KS("hint", HINT));
}

static void failed(struct share *s, const struct err *malformed, nsec now)
{
    store_failed(s, &s->object.call, malformed, now);
    give_up(s, store_again(s, now), now);
}

static void took_object(struct input *in, nsec now)
{
    struct share *s = &in->share;
    struct object_share *o = &s->object;
    bool there = o->call.error.trouble == AWS_FINE;
    char tag[AWS_CALLER_TAG_MAX];
    struct err e = {.msg = ""};

    if (!there && strcmp(o->call.error.code, "NoSuchKey") != 0) {
        failed(s, NULL, now);
        return;
    }
    memcpy(tag, o->call.tag, sizeof(tag));
    if (there && !tag[0])
        err_set(&e, ERR_FORMAT, "the answer has no ETag, without which a write cannot be made to depend on it");
    if ((there && !tag[0]) ||
        rounds_read(&o->rounds, &s->leases, there, buf_slice(&o->call.answer), now, &o->text, &e) < 0) {
        failed(s, &e, now);
        return;
    }
    store_works(s, o->call.operation, now);
    tell_no_room(in, now);
    aws_call_forget(&o->call);
    if (o->rounds.n > 0)
        write_object(in, there ? tag : NULL, now);
}

static void wrote_object(struct input *in, nsec now)
{
    struct share *s = &in->share;
    struct object_share *o = &s->object;

    if (o->call.error.trouble == AWS_FINE) {
        rounds_over(&o->rounds, &s->leases, LEASE_DONE, now, now);
        o->conflicts = 0;
    } else if (is_conflict(&o->call)) {
        give_up(s, now, now);
        if (meets_others(s, now))
            return;
    } else {
        failed(s, NULL, now);
        return;
    }
    store_works(s, o->call.operation, now);
}

static bool take_answers(struct input *in, nsec now)
{
    struct share *s = &in->share;
    struct object_share *o = &s->object;
    enum object_step step = o->step;

    if (!aws_call_ended(&o->call))
        return false;
    o->step = OBJECT_IDLE;
    if (!o->call.answered) /* it was cancelled */
        give_up(s, now, now);
    else if (step == OBJECT_CHECKS)
        checked(in, now);
    else if (step == OBJECT_READS)
        took_object(in, now);
    else
        wrote_object(in, now);
    if (o->step == OBJECT_IDLE)
        aws_call_forget(&o->call);
    return true;
}

static void start_calls(struct input *in, nsec now)
{
    struct share *s = &in->share;
    struct object_share *o = &s->object;

    if (o->step != OBJECT_IDLE || now < s->trouble.again || now < o->next)
        return;
    if (o->check != CHECK_OVER) {
        check(in, now);
    } else if (rounds_collect(&o->rounds, &s->leases, now)) {
        o->next = now + pause_of(s, 20); /* what is due in between goes together */
        read_object(in, now);
    }
}

static void cancel(struct share *s)
{
    aws_call_cancel(&s->object.call);
}

static bool is_quiet(const struct share *s)
{
    return !s->object.call.under_way;
}

/* --- begin and end ------------------------------------------------------------------------------------------------- */

static int open_object(struct share *s, const struct kinesis_conf *c, struct aws_caller_conf *out, struct err *e)
{
    buf_init(&s->object.text, KINESIS_LEASE_OBJECT_MAX);
    return kinesis_object_open(c, &s->object.where, out, e);
}

static void begin(struct share *s)
{
    aws_call_init(&s->object.call, &s->caller);
}

static void close_object(struct share *s)
{
    aws_call_release(&s->object.call);
    buf_release(&s->object.text);
    rounds_release(&s->object.rounds);
    kinesis_object_close(&s->object.where);
}

const struct lease_store object_store = {
    .failed_text = "a call for the object of leases failed, and is tried again",
    .works_text = "calls for the object of leases work again",
    .open = open_object,
    .begin = begin,
    .close = close_object,
    .take_answers = take_answers,
    .start_calls = start_calls,
    .cancel = cancel,
    .is_quiet = is_quiet,
};
