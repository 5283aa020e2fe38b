/* Records on their way from an answer into the window, and places on their way into the spool.
 *
 * One record of the stream is open at a time (struct opened): decoded, and taken apart when it is an aggregate. So when the window is full in the
 * middle of it, it goes on there. A frame of the window has the place of each shard of which it has records; the place is set when a shard's
 * turn ends, and when the frame is closed in the middle of it. */
#include "pipeline/inputs/kinesis/impl.h"

#include "pipeline/base/facts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- what the spool notes ------------------------------------------------------------------------------------------ */

static struct slice source_of(const struct input *in, const char *shard, char out[POSITION_SOURCE_MAX])
{
    int n = snprintf(out, POSITION_SOURCE_MAX, "%s%s", in->source, shard);

    assert(n > 0 && n < POSITION_SOURCE_MAX);
    return slice_of(out, (size_t)n);
}

static void on_remember(void *ctx, const char *shard, const struct place *p)
{
    struct input *in = ctx;
    char source[POSITION_SOURCE_MAX], text[PLACE_TEXT_MAX];

    spool_remember(in->env.spool, source_of(in, shard, source), place_encode(p, text));
}

static void on_forget(void *ctx, const char *shard)
{
    struct input *in = ctx;
    char source[POSITION_SOURCE_MAX];

    spool_forget(in->env.spool, source_of(in, shard, source));
}

static void report(struct input *in, const char *what, const char *shard, const char *hint)
{
    input_health_error(in->env.health, what, hint, clock_mono());
    log_warn(what, KS("stream", in->env.stream), KS("input", in->label), KS("source", in->conf->stream),
             KS("shard", shard), KS("hint", hint));
}

static void on_gone(void *ctx, const char *shard)
{
    report(ctx, "a shard is gone before it was read to its end: what it still had is lost", shard,
           "the stream keeps records for a time (its retention): raise it, or see why reading was behind");
    share_gone(ctx, shard);
}

static void on_restarted(void *ctx, const char *shard)
{
    report(
        ctx,
        "the stream does not know the place up to which a shard was read: it is read from its start, and records may "
        "come twice",
        shard, "was the stream made again, or is it another one of the same name?");
}

static bool restore(void *ctx, struct slice source, struct slice cursor)
{
    struct input *in = ctx;
    char id[SHARD_ID_MAX + 1];
    struct place p;

    if (!slice_starts(source, slice_str(in->source)))
        return true;
    source = slice_from(source, strlen(in->source));
    if (source.n > SHARD_ID_MAX || !place_decode(cursor, &p))
        return true;
    snprintf(id, sizeof(id), "%.*s", (int)source.n, source.p);
    shards_restore(&in->shards, id, &p);
    return true;
}

struct shards_log kinesis_log(struct input *in)
{
    return (struct shards_log){
        .remember = on_remember, .forget = on_forget, .gone = on_gone, .restarted = on_restarted, .ctx = in};
}

void kinesis_restore(struct input *in)
{
    spool_positions(in->env.spool, restore, in);
}

/* --- records into the window --------------------------------------------------------------------------------------- */

static void set_position(struct input *in)
{
    char source[POSITION_SOURCE_MAX], text[PLACE_TEXT_MAX];

    window_set_position(&in->window, source_of(in, in->putting->id, source), place_encode(&in->putting->place, text));
}

/* The open frame takes no more. */
void kinesis_on_closing(void *ctx)
{
    struct input *in = ctx;

    in->frame_sources = 0;
    if (in->putting && in->putting->last > 0)
        set_position(in);
    if (in->putting)
        in->frame_sources = 1; /* it goes on in the next one */
}

void kinesis_close_record(struct opened *o)
{
    o->reader = NULL;
    kpl_keys_release(&o->keys);
    buf_clear(&o->data);
    buf_clear(&o->scratch);
    buf_trim(&o->data, KINESIS_TEXT_KEEP);
    buf_trim(&o->scratch, KINESIS_TEXT_KEEP);
}

static void next_part(struct opened *o)
{
    o->more = kpl_next_record(&o->rest, &o->keys, &o->part);
}

/* An aggregate that was begun is taken apart to its end, also when that was switched off meanwhile: as a whole its first records would come
 * twice. -1: it is not base64. */
static int open_record(struct input *in, const struct reader *r)
{
    const struct kinesis_record *x = &r->answer.records[r->next];
    const struct place *p = &r->shard->place;
    struct opened *o = &in->opened;
    const char *why;
    bool begun;

    if (o->reader == r && o->index == r->next)
        return 0;
    kinesis_close_record(o);
    if (kinesis_data(x, &o->scratch, &o->data) < 0)
        return -1;
    o->reader = r;
    o->index = r->next;
    o->sub = 0;
    begun = p->kind == PLACE_WITHIN && slice_is(x->sequence, p->sequence);
    o->aggregated = (in->conf->deaggregate || begun) && kpl_open(&o->rest, buf_slice(&o->data), &why) == KPL_AGGREGATED;
    o->more = o->aggregated || !begun;
    o->part = (struct kpl_record){.data = buf_slice(&o->data)};
    if (!o->aggregated)
        return 0;
    kpl_keys_read(&o->keys, &o->rest);
    next_part(o);
    if (begun)
        for (; o->more && o->sub <= p->sub; o->sub++)
            next_part(o);
    return 0;
}

static void add_fact(struct input *in, const char *name, struct slice value)
{
    if (facts_add(&in->facts, slice_str(name), value) == 0 || in->facts_cut_shown)
        return;
    in->facts_cut_shown = true;
    log_warn("more is known of a record than can be kept beside it: some is left out, here and of others like it",
             KS("stream", in->env.stream), KS("input", in->label), KU("bytes_max", RECORD_FACTS_MAX));
}

static void make_facts(struct input *in, const struct reader *r)
{
    const struct kinesis_record *x = &r->answer.records[r->next];
    struct opened *o = &in->opened;
    char number[24];

    buf_clear(&in->facts);
    add_fact(in, "shard", slice_str(r->shard->id));
    add_fact(in, "sequence_number", x->sequence);
    if (x->arrived_ms >= 0) {
        snprintf(number, sizeof(number), "%" PRId64, x->arrived_ms);
        add_fact(in, "arrived", slice_str(number));
    }
    if (o->aggregated) {
        snprintf(number, sizeof(number), "%" PRIu64, o->sub);
        add_fact(in, "subsequence_number", slice_str(number));
        if (o->part.has_key)
            add_fact(in, "partition_key", o->part.key);
    } else if (x->has_key && !x->key.escaped) {
        add_fact(in, "partition_key", x->key.raw);
    } else if (x->has_key) {
        buf_clear(&o->scratch);
        if (json_unescape(x->key, &o->scratch) == 0)
            add_fact(in, "partition_key", buf_slice(&o->scratch));
    }
}

/* A source that is read by positions has no place for what cannot be taken: it is said where it is to be found. */
static void leave_out(struct input *in, const struct reader *r, nsec now)
{
    static const char WHAT[] = "a record is larger than a record, or the stream's spool, may be, and is left out";
    static const char HINT[] = "raise spool.limit; the stream has the record until its retention is over";

    input_health_error(in->env.health, WHAT, HINT, now);
    if (log_due(&in->too_large, now, KINESIS_SAYS_EVERY))
        log_error(WHAT, KS("stream", in->env.stream), KS("input", in->label), KS("source", in->conf->stream),
                  KS("shard", r->shard->id), KB("sequence_number", r->answer.records[r->next].sequence),
                  KU("bytes", in->opened.part.data.n), KU("bytes_max", RECORD_MAX_BYTES),
                  KU("suppressed", in->too_large.suppressed), KS("hint", HINT));
}

/* Where reading goes on behind the record that is taken, and is the last one of its record in the stream, or is not. */
static struct place behind(const struct kinesis_record *x, const struct opened *o, bool last)
{
    struct place p = {.kind = last ? PLACE_AFTER : PLACE_WITHIN, .sub = last ? 0 : o->sub};

    memcpy(p.sequence, x->sequence.p, x->sequence.n);
    return p;
}

enum putting {
    PUT_ALL,
    PUT_LATER, /* the window takes nothing now */
    PUT_BAD,   /* the answer is malformed */
};

/* One of the stream's records, with all that are in it. */
static enum putting put_record(struct input *in, struct reader *r, nsec now)
{
    const struct kinesis_record *x = &r->answer.records[r->next];
    struct opened *o = &in->opened;

    if (open_record(in, r) < 0)
        return PUT_BAD;
    while (o->more) {
        struct frame_message m = {.data = o->part.data};
        enum window_answer answer = WINDOW_TOO_LARGE;
        struct kpl_reader rest = o->rest;
        struct kpl_record following;
        struct place p;

        make_facts(in, r);
        m.facts = buf_slice(&in->facts);
        if (m.data.n <= RECORD_MAX_BYTES)
            answer = window_put(&in->window, &m, in->numbers + 1, clock_wall(), now);
        if (answer == WINDOW_FULL || answer == WINDOW_BROKEN)
            return PUT_LATER;
        if (answer == WINDOW_TOO_LARGE)
            leave_out(in, r, now);
        p = behind(x, o, !o->aggregated || !kpl_next_record(&rest, NULL, &following));
        shard_took(r->shard, &p, answer == WINDOW_TAKEN ? ++in->numbers : r->shard->last);
        o->more = false;
        if (o->aggregated) {
            next_part(o);
            o->sub++;
        }
    }
    return PUT_ALL;
}

/* A server that begins with the record behind which it was to begin. */
static bool is_known(const struct shard *x, const struct kinesis_record *record)
{
    char sequence[SEQUENCE_MAX + 1];
    int order;

    if (!x->resumes || (x->place.kind != PLACE_AFTER && x->place.kind != PLACE_WITHIN))
        return false;
    snprintf(sequence, sizeof(sequence), "%.*s", (int)record->sequence.n, record->sequence.p);
    order = sequence_order(sequence, x->place.sequence);
    return order < 0 || (order == 0 && x->place.kind == PLACE_AFTER);
}

void kinesis_reader_over(struct input *in, struct reader *r)
{
    if (in->opened.reader == r)
        kinesis_close_record(&in->opened);
    if (r->shard)
        r->shard->busy = r->shard->revoked = false;
    r->shard = NULL;
    r->holds = false;
    r->answer.n = r->next = 0;
    aws_call_forget(&r->call);
}

/* When the shard is asked again. */
static nsec next_call(const struct input *in, const struct reader *r, bool caught_up)
{
    bool has_more = r->answer.behind_ms > 0 || r->answer.n >= r->asked;

    if (caught_up && in->env.once)
        return NSEC_NEVER;
    return r->began + (has_more ? KINESIS_CALL_LEAST : in->conf->poll);
}

static void answer_over(struct input *in, struct reader *r, nsec now)
{
    struct shard *x = r->shard;
    bool caught_up = r->answer.n == 0 && r->answer.behind_ms == 0 && r->answer.next.n > 0;

    x->behind_ms = r->answer.behind_ms;
    x->asked = r->call.began;
    x->busy = false;
    if (r->answer.has_children)
        shard_is_closed(x);
    shard_was_read(&in->shards, x, r->answer.next, caught_up, next_call(in, r, caught_up), now);
    kinesis_reader_over(in, r);
}

struct reader *kinesis_oldest_answer(struct input *in)
{
    struct reader *oldest = NULL;

    for (size_t i = 0; i < KINESIS_READERS; i++) {
        struct reader *r = &in->readers[i];

        if (r->holds && (!oldest || r->came < oldest->came))
            oldest = r;
    }
    return oldest;
}

void kinesis_tell_oldest(struct input *in, nsec now)
{
    const struct reader *r = kinesis_oldest_answer(in);
    nsec since;

    if (in->answers == 0 || (in->told_oldest && now - in->told_oldest < KINESIS_TELL_EVERY))
        return;
    in->told_oldest = now;
    since = shards_wait_since(&in->shards, r || !window_has_room(&in->window) || pace_waits(in->env.pace, now));
    if (since == 0 && r && r->answer.n > 0 && r->answer.records[0].arrived_ms > 0) /* nothing was ever read before it */
        since = r->answer.records[0].arrived_ms * NSEC_PER_MSEC;
    input_health_oldest(in->env.health, since);
}

static enum putting put_answer(struct input *in, struct reader *r, nsec now)
{
    enum putting how = PUT_ALL;

    if (in->frame_sources >= FRAME_POSITIONS_MAX)
        window_cut(&in->window);
    if (!in->window.open || in->window.due)
        in->frame_sources = 0; /* what comes goes into a new frame */
    in->frame_sources++;
    in->putting = r->shard;
    for (; r->next < r->answer.n; r->next++) {
        if (is_known(r->shard, &r->answer.records[r->next])) {
            input_health_add(in->env.health, INPUT_DUPLICATES, 1);
            continue;
        }
        r->shard->resumes = false;
        how = put_record(in, r, now);
        if (how != PUT_ALL)
            break;
    }
    if (r->shard->last > 0)
        set_position(in);
    in->putting = NULL;
    return how;
}

void kinesis_put_arrived(struct input *in, nsec now)
{
    static const struct err NOT_BASE64 = {.msg = "a record of the answer is not base64"};
    struct reader *r;

    while (in->phase == READING && (r = kinesis_oldest_answer(in))) {
        if (r->shard->revoked) {
            kinesis_reader_over(in, r);
            continue;
        }
        switch (put_answer(in, r, now)) {
        case PUT_ALL:
            answer_over(in, r, now);
            break;
        case PUT_LATER:
            return;
        case PUT_BAD:
            shard_lost_iterator(r->shard, now);
            kinesis_shard_malformed(in, r, &NOT_BASE64, now);
            kinesis_reader_over(in, r);
            break;
        }
    }
}
