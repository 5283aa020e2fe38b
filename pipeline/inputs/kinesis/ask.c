/* Calls: which is due, and what its end means for the shard it was about.
 *
 * What has to do with one shard alone (it is throttled, its iterator is old, its answer is malformed) holds up that shard alone. Everything else
 * (no connection, no keys, no rights) is the same for all: then one call tries now and then until it works. */
#include "pipeline/inputs/kinesis/impl.h"

#include <assert.h>
#include <string.h>

/* --- what came back ------------------------------------------------------------------------------------------------ */

static bool code_has(const struct reader *r, const char *word)
{
    return strstr(r->call.error.code, word) != NULL;
}

static void shard_refused(struct input *in, struct reader *r, const char *hint, nsec now)
{
    kinesis_shard_backs_off(in, r->shard, r->call.error.code, r->call.error.said, hint, now);
}

static void shard_call_failed(struct input *in, struct reader *r, nsec now)
{
    static const char SHARED[] =
        "nothing needs to be done unless it lasts: all who read a shard share five calls and 2 MB a second";
    struct shard *x = r->shard;
    bool placed = x->place.kind == PLACE_AFTER || x->place.kind == PLACE_WITHIN;

    if (code_has(r, "ExpiredIterator")) {
        shard_lost_iterator(x, r->began + KINESIS_CALL_LEAST);
    } else if (r->call.too_large && r->asked > 1) {
        x->ask_for = r->asked / 2;
        x->due = r->began + KINESIS_CALL_LEAST;
    } else if (code_has(r, "InvalidArgument") && r->op == KINESIS_ITERATOR && placed) {
        shard_place_refused(&in->shards, x);
    } else if (code_has(r, "InvalidArgument") && r->op == KINESIS_RECORDS) {
        shard_lost_iterator(x, now);
        shard_refused(in, r, "another iterator is asked for; if this goes on, what the service says tells more", now);
    } else if (r->call.error.trouble == AWS_BUSY) {
        shard_refused(in, r, SHARED, now);
    } else if (code_has(r, "ResourceNotFound")) {
        shard_refused(in, r, "the list of shards, which is asked for now, tells whether it is gone", now);
        shard_is_missing(&in->shards, x);
    } else {
        aws_call_failed(&r->call, &in->trouble, now);
        x->due = in->trouble.again;
    }
}

static void call_failed(struct input *in, struct reader *r, nsec now)
{
    if (r->op != KINESIS_LIST) {
        shard_call_failed(in, r, now);
        return;
    }
    in->listing = false;
    in->shards.list_due = true;
    aws_call_failed(&r->call, &in->list_trouble, now);
}

static void on_listed(void *ctx, const struct shard_description *d)
{
    struct input *in = ctx;

    if (in->shards.listed + in->pages < KINESIS_SHARDS_MAX)
        shards_list(&in->shards, d);
    else
        in->list_too_long = true;
}

/* By its own clock, where it says what that is. */
static int64_t service_time(const struct reader *r)
{
    return (r->call.served ? r->call.served : clock_wall()) / NSEC_PER_MSEC;
}

/* Children that are not listed yet will be in a moment; where there are none, the stream is being deleted. */
static void plan_listing(struct input *in, nsec now)
{
    in->list_wait = in->list_wait == 0 ? KINESIS_LIST_SOON : 2 * in->list_wait;
    if (in->list_wait > KINESIS_LIST_EVERY)
        in->list_wait = KINESIS_LIST_EVERY;
    in->list_at =
        now + (shards_miss_children(&in->shards) || share_misses_children(in) ? in->list_wait : KINESIS_LIST_EVERY);
}

static void list_over(struct input *in, const struct reader *r, nsec now)
{
    const struct place start = kinesis_conf_start(in->conf, service_time(r));

    in->start = start;
    in->listing = false;
    if (shards_list_end(&in->shards, &start, now) == SHARDS_FINE) {
        share_listed(in, in->list_began);
        plan_listing(in, now);
        return;
    }
    log_warn("the stream was deleted and made again: all of the new one is read", KS("stream", in->env.stream),
             KS("input", in->label), KS("source", in->conf->stream),
             KS("hint", "what the old one still had is lost; nothing needs to be done"));
    in->phase = RECREATING;
}

/* A page counts as a shard at least, so that a list whose pages have no end is seen, too. */
static int take_page(struct input *in, const struct reader *r, nsec now, struct err *e)
{
    int rc = kinesis_list_read(buf_slice(&r->call.answer), on_listed, in, &in->token, e);

    in->pages++;
    if (rc == 0 && (in->list_too_long || (in->token.n > 0 && in->shards.listed + in->pages >= KINESIS_SHARDS_MAX)))
        rc = err_set(e, ERR_FORMAT, "the list of shards has more than %d, or no end: nothing is read of it",
                     KINESIS_SHARDS_MAX);
    if (rc < 0) {
        in->listing = false;
        in->shards.list_due = true;
        return -1;
    }
    if (in->token.n == 0)
        list_over(in, r, now);
    return 0;
}

/* -1: it is not what Kinesis says. */
static int take_answer(struct input *in, struct reader *r, nsec now, struct err *e)
{
    struct slice answer = buf_slice(&r->call.answer);

    switch (r->op) {
    case KINESIS_LIST:
        return take_page(in, r, now, e);
    case KINESIS_ITERATOR:
        if (kinesis_iterator_read(answer, &in->opened.scratch, e) < 0)
            return -1;
        shard_got_iterator(r->shard, buf_slice(&in->opened.scratch));
        break;
    case KINESIS_RECORDS:
        if (kinesis_answer_read(&r->answer, answer, e) < 0)
            return -1;
        in->largest -= in->largest / 8;
        if (answer.n > in->largest)
            in->largest = answer.n;
        if (r->shard->ask_for && (r->shard->ask_for *= 2) >= (unsigned)in->conf->limit)
            r->shard->ask_for = 0;
        r->holds = true;
        r->next = 0;
        r->came = ++in->answers;
        break;
    }
    return 0;
}

static struct connection *trouble_of(struct input *in, enum kinesis_operation op)
{
    return op == KINESIS_LIST ? &in->list_trouble : &in->trouble;
}

static void came_back(struct input *in, struct reader *r, nsec now)
{
    struct err e = {.msg = ""};

    if (!r->call.answered || in->phase != READING || (r->shard && r->shard->revoked)) {
        in->listing &= r->op != KINESIS_LIST;
        in->shards.list_due |= r->op == KINESIS_LIST;
    } else if (r->call.error.trouble != AWS_FINE) {
        call_failed(in, r, now);
    } else if (take_answer(in, r, now, &e) < 0) {
        if (r->shard)
            kinesis_shard_malformed(in, r, &e, now);
        else
            aws_call_malformed(&r->call, &in->list_trouble, &e, now);
    } else {
        connection_works(trouble_of(in, r->op), now);
    }
    if (!r->holds)
        kinesis_reader_over(in, r);
}

void kinesis_take_answers(struct input *in, nsec now)
{
    for (size_t i = 0; i < KINESIS_READERS; i++)
        if (aws_call_ended(&in->readers[i].call))
            came_back(in, &in->readers[i], now);
}

/* --- what is asked ------------------------------------------------------------------------------------------------- */

unsigned kinesis_under_way(const struct input *in)
{
    unsigned n = 0;

    for (size_t i = 0; i < KINESIS_READERS; i++)
        n += in->readers[i].call.under_way;
    return n;
}

static struct reader *free_reader(struct input *in)
{
    for (size_t i = 0; i < KINESIS_READERS; i++)
        if (!in->readers[i].call.under_way && !in->readers[i].holds)
            return &in->readers[i];
    return NULL;
}

static unsigned limit_for(const struct input *in, const struct shard *x)
{
    return x->ask_for ? x->ask_for : (unsigned)in->conf->limit;
}

/* x: NULL for a listing. False: it could not begin; its connection says when to try again. */
static bool ask(struct input *in, struct reader *r, enum kinesis_operation op, struct shard *x, nsec now)
{
    const char *stream = in->conf->stream;
    struct buf text;
    int rc = 0;

    buf_init(&text, KINESIS_REQUEST_MAX);
    switch (op) {
    case KINESIS_LIST:
        rc = kinesis_list_text(stream, buf_slice(&in->token), &text);
        break;
    case KINESIS_ITERATOR:
        rc = kinesis_iterator_text(stream, x->id, &x->place, &text);
        break;
    case KINESIS_RECORDS:
        rc = kinesis_records_text(stream, x->iterator, limit_for(in, x), &text);
        break;
    }
    assert(rc == 0); /* all that stands in it is bounded */
    r->op = op;
    r->asked = x ? limit_for(in, x) : 0;
    r->began = now;
    if (aws_call_begin(&r->call, kinesis_operation_name(op), buf_slice(&text), KINESIS_TIMEOUT, false,
                       trouble_of(in, op), now)) {
        r->shard = x;
        if (x)
            x->busy = true;
    }
    buf_release(&text);
    return r->call.under_way;
}

static bool lists(const struct input *in)
{
    for (size_t i = 0; i < KINESIS_READERS; i++)
        if (in->readers[i].call.under_way && in->readers[i].op == KINESIS_LIST)
            return true;
    return false;
}

static void list(struct input *in, nsec now)
{
    struct reader *r = free_reader(in);

    if (lists(in) || now < in->list_trouble.again)
        return;
    if (!in->listing && !in->shards.list_due && now < in->list_at)
        return;
    if (!in->listing) {
        if (in->shards.list_due)
            in->list_wait = 0; /* something has happened */
        shards_list_begin(&in->shards);
        buf_clear(&in->token);
        in->pages = 0;
        in->list_too_long = false;
        in->listing = true;
        in->list_began = now;
    }
    if (r)
        (void)ask(in, r, KINESIS_LIST, NULL, now); /* if it did not begin, the next turn asks again */
}

/* For one answer more, if it is like those that came lately. The only one is always asked for. */
static bool may_have_room(const struct input *in, unsigned running)
{
    size_t used = in->room.used, each = KINESIS_ANSWER_FACTOR * in->largest;

    return (running == 0 && used == 0) || used + (running + 1) * each <= KINESIS_ANSWERS_BYTES;
}

void kinesis_start_calls(struct input *in, nsec now)
{
    unsigned running;
    struct reader *r;
    struct shard *x;
    nsec next;

    if (in->phase != READING)
        return;
    list(in, now);
    running = kinesis_under_way(in) - lists(in);
    if (kinesis_oldest_answer(in) || !window_has_room(&in->window) || pace_waits(in->env.pace, now))
        return;
    while ((in->trouble.failures == 0 || running == 0) && now >= in->trouble.again && may_have_room(in, running) &&
           (r = free_reader(in)) && (x = shards_due(&in->shards, now, &next)) &&
           ask(in, r, x->state == SHARD_READY ? KINESIS_ITERATOR : KINESIS_RECORDS, x, now))
        running++;
}

void kinesis_drop_answers(struct input *in)
{
    for (size_t i = 0; i < KINESIS_READERS; i++)
        if (in->readers[i].holds)
            kinesis_reader_over(in, &in->readers[i]);
}

void kinesis_cancel_calls(struct input *in)
{
    for (size_t i = 0; i < KINESIS_READERS; i++)
        aws_call_cancel(&in->readers[i].call);
}
