/* Records come from the source in pieces as they are stored, go through the chain some hundred at a time, and come out
 * at the `sieve`: what is emitted into the record list, what fails into a body of error lines, and for each source
 * record the gravest of what became of its parts. If anything stops it (no memory, no room, the program ends) all of
 * that is thrown away, and the batch is transformed anew later.
 */
#include "pipeline/encode/transform_batch.h"

#include "pipeline/base/key_set.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/encode/error_objects.h"
#include "pipeline/encode/rejects.h"
#include "pipeline/encode/stage_held.h"

#include <stdio.h>

/* The end of the chain: where outcomes of records go. */
struct sieve {
    struct transform_out out;
    struct transform_batch *t;
    struct buf line, keys;
    uint64_t failed_seq; /* the last that failed; 0: none */
    /* The reason of that one, and what it was made of: as a rule many records fail for the same. */
    const char *reason_code;
    struct buf reason_shown;
    char reason[REJECTS_REASON];
};

static struct sieve *sieve_of(struct transform_out *o)
{
    return CONTAINER_OF(o, struct sieve, out);
}

static void show(struct sieve *s, enum tap_fate fate, const struct transform_record *from, struct slice after)
{
    if (s->t->tap)
        tap_show_out(s->t->tap, clock_mono(), fate, s->t->by, from->seq, from->data, after);
}

static struct slice reason_of(struct sieve *s, const char *code, struct slice shown)
{
    if (s->reason_code != code || !slice_eq(shown, buf_slice(&s->reason_shown))) {
        rejects_reason(code, shown, s->reason);
        buf_clear(&s->reason_shown);
        s->reason_code = buf_add_slice(&s->reason_shown, shown) == 0 ? code : NULL;
    }
    return slice_str(s->reason);
}

static int add_failed(struct sieve *s, const struct transform_record *from, const char *code, struct slice message,
                      struct slice shown)
{
    struct transform_batch *t = s->t;
    const struct error_line line = {.attempts = 1,
                                    .arrival = from->arrival,
                                    .ended = t->now,
                                    .code = slice_str(code),
                                    .message = message,
                                    .data = from->data};

    if (!t->failed)
        t->failed = body_new(t->tmp_dir, t->in_memory ? LONE_BODY_MEMORY_MAX : BODY_MEMORY_MAX / 4);
    buf_clear(&s->line);
    if (error_objects_line(&line, &s->line) < 0)
        return err_set(&t->err, ERR_LIMIT, "an error line does not fit");
    if (t->failed_lines++ == 0) {
        t->failed_first = from->seq;
        snprintf(t->failure, sizeof(t->failure), "%.*s", (int)shown.n, shown.p);
    }
    named_counters_add(&t->failures, reason_of(s, code, shown), 1);
    return body_add(t->failed, buf_slice(&s->line), &t->err);
}

static int on_fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                   struct slice shown)
{
    struct sieve *s = sieve_of(o);

    if (s->failed_seq == from->seq)
        return 0; /* one line for a record, whatever became of how many parts of it */
    s->failed_seq = from->seq;
    show(s, TAP_FAILED, from, shown);
    outcomes_source_note(s->t->sources, from->seq, SOURCE_BACKED_UP);
    return add_failed(s, from, code, message, shown);
}

static int fail_for_keys(struct transform_out *o, const struct transform_record *from)
{
    static const char WHY[] = "the record's partition keys have more bytes than an object's may have";

    return on_fail(o, from, "DynamicPartitioning.KeysTooLarge", SLICE(WHY), SLICE(WHY));
}

static int fail_too_large(struct transform_out *o, const struct transform_record *from)
{
    char why[80];

    snprintf(why, sizeof(why), "the transform made a record of over %llu bytes", RECORD_MAX_BYTES);
    return on_fail(o, from, "Transform.RecordTooLarge", slice_str(why), slice_str(why));
}

static int on_emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                   const struct transform_key *keys, size_t key_count)
{
    struct sieve *s = sieve_of(o);
    struct record_from origin = {
        .seq = from->seq, .arrival = from->arrival, .facts = from->facts, .is_object = o->is_object};

    if (data.n > RECORD_MAX_BYTES)
        return fail_too_large(o, from);
    buf_clear(&s->keys);
    for (size_t i = 0; i < key_count; i++)
        if (key_set_add(&s->keys, keys[i].name, keys[i].value) < 0)
            return err_set(&s->t->err, ERR_LIMIT, "the partition keys of a record do not fit");
    if (s->t->keys_max && s->keys.n > s->t->keys_max)
        return fail_for_keys(o, from);
    outcomes_source_note(s->t->sources, from->seq, SOURCE_EMITTED);
    show(s, TAP_MADE, from, data);
    origin.keys = buf_slice(&s->keys);
    partitions_note(&s->t->partitions, origin.keys);
    return record_list_add(s->t->list, data, &origin, &s->t->err);
}

static void on_drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    if (reason.n && !o->unwanted)
        named_counters_add(&sieve_of(o)->t->drop_reasons, reason, 1);
    outcomes_source_note(sieve_of(o)->t->sources, from->seq, o->unwanted ? SOURCE_UNWANTED : SOURCE_DROPPED);
    show(sieve_of(o), TAP_DROPPED, from, reason);
}

static void on_count(struct transform_out *o, struct slice name, double by)
{
    named_counters_add(&sieve_of(o)->t->counters, name, by);
}

static void on_log(struct transform_out *o, int level, struct slice text)
{
    LOG_AT(level <= LOG_ERROR   ? LOG_ERROR
           : level >= LOG_DEBUG ? LOG_DEBUG
                                : (enum log_level)level,
           "transform", KS("stream", sieve_of(o)->t->stream), KB("text", text));
}

static void note_lost(struct transform_batch *t, const struct object_reader *k)
{
    for (uint64_t p = k->begin; p < k->end; p++)
        outcomes_source_note(t->sources, k->base + p, SOURCE_LOST);
}

static int fail_all(struct sieve *s, const struct transform_record *records, size_t n)
{
    struct slice why = slice_str(s->t->too_large);
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = on_fail(&s->out, &records[i], "Transform.TooLarge", why, why);
    return rc;
}

static int run_piece(struct sieve *s, struct chain_state *state, const struct object_reader *k)
{
    struct transform_record records[TRANSFORM_RECORDS_PER_RUN];
    struct frame_iter it;
    struct slice data;
    uint64_t at = k->begin;

    if (k->lost) {
        note_lost(s->t, k);
        return 0;
    }
    it = object_reader_records(k, at);
    while (at < k->end) {
        size_t n = 0;
        int rc;

        for (; at < k->end && n < TRANSFORM_RECORDS_PER_RUN && frame_next(&it, &data); at++)
            records[n++] = (struct transform_record){.data = data,
                                                     .origin = k->chunk.v.origin,
                                                     .facts = object_reader_facts(k, &it),
                                                     .seq = k->base + at,
                                                     .arrival = k->chunk.v.arrival};
        rc = state ? chain_run(state, records, n, &s->out, &s->t->err) : fail_all(s, records, n);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* --- what is held back ------------------------------------------------------------------------------------------------ */

typedef int (*take_held)(struct sieve *s, struct chain_state *state, const struct transform_kept *held);

static int note_held(struct sieve *s, struct chain_state *state, const struct transform_kept *held)
{
    (void)state;
    outcomes_source_add_held(s->t->sources, held->record.seq);
    return 0;
}

static int restore_held(struct sieve *s, struct chain_state *state, const struct transform_kept *held)
{
    (void)s;
    chain_restore(state, held);
    return 0;
}

static int run_held(struct sieve *s, struct chain_state *state, const struct transform_kept *held)
{
    return chain_run(state, &held->record, 1, &s->out, &s->t->err);
}

/* What damage took is missed when the numbers are counted (stage_piece.c). */
static int read_held(struct sieve *s, struct chain_state *state, const struct object_source *from, struct worker *w,
                     take_held take)
{
    struct object_reader k;
    int got = 0;

    object_reader_open(&k, from, &w->raw, w->cancel);
    while (got == 0 && (got = object_reader_next(&k, &s->t->err)) > 0) {
        struct frame_iter it = object_reader_records(&k, k.begin);
        struct transform_kept held;
        struct slice data;

        got = 0;
        for (uint64_t at = k.begin; !k.lost && got == 0 && at < k.end && frame_next(&it, &data); at++)
            if (stage_held_read(data, &k.chunk.origins[at + k.base - k.chunk.v.first], &held))
                got = take(s, state, &held);
    }
    object_reader_close(&k);
    return got;
}

static int read_all_held(struct sieve *s, struct chain_state *state, struct worker *w, take_held take)
{
    int rc = 0;

    for (size_t i = 0; i < s->t->held_count && rc == 0; i++)
        rc = read_held(s, state, &s->t->held[i], w, take);
    return rc;
}

struct noting {
    struct sieve *s;
    bool again; /* it is held still, or now; else it was held before */
};

static int note_kept(void *ctx, const struct transform_kept *held)
{
    const struct noting *n = ctx;

    if (n->again)
        outcomes_source_note(n->s->t->sources, held->record.seq, SOURCE_HELD);
    else
        outcomes_source_add_held(n->s->t->sources, held->record.seq);
    return 0;
}

/* Which records of earlier batches there are; with a cold state it has them from now on. */
static int take_up_held(struct sieve *s, struct chain_state *state, bool keeps, struct worker *w)
{
    int rc = 0;

    if (keeps && (s->t->cold || s->t->alone)) {
        chain_forget(state);
        rc = read_all_held(s, state, w, restore_held);
    }
    if (keeps && rc == 0)
        rc = chain_kept(state, note_kept, &(struct noting){s, false});
    else if (rc == 0)
        rc = read_all_held(s, state, w, note_held);
    outcomes_source_held_are_all(s->t->sources);
    return rc;
}

static bool all_is_as_before(const struct transform_batch *t)
{
    for (size_t i = 0; i < t->sources->held_count; i++)
        if (t->sources->held[i].status != SOURCE_HELD)
            return false;
    for (uint64_t i = 0; i < t->source->count; i++)
        if (t->sources->status[t->source->object.first - t->sources->first + i] == SOURCE_HELD)
            return false;
    return t->held_records == t->sources->held_count;
}

/* --- a batch ------------------------------------------------------------------------------------------------------------ */

static int run_source(struct sieve *s, struct chain_state *state, struct worker *w)
{
    struct object_reader k;
    int got = 0;

    object_reader_open(&k, s->t->source, &w->raw, w->cancel);
    while (got == 0 && (got = object_reader_next(&k, &s->t->err)) > 0)
        got = run_piece(s, state, &k);
    object_reader_close(&k);
    return got;
}

static int is_left(void *ctx, const struct transform_kept *held)
{
    (void)held;
    return err_set(ctx, ERR_SCRIPT, "the script could not hand over all that it holds in the time for a batch");
}

static int run_chain(struct sieve *s, struct worker *w)
{
    struct transform_batch *t = s->t;
    struct chain_state *state = transform_instances_state(t->line, w, &t->err);
    bool keeps = transform_instances_keep(t->line);

    if (!state || take_up_held(s, state, keeps, w) < 0 || chain_begin(state, &t->err) < 0)
        return -1;
    if (!keeps && read_all_held(s, state, w, run_held) < 0)
        return -1;
    if (run_source(s, state, w) < 0 || chain_finish(state, t->finish_all || t->alone, &s->out, &t->err) < 0 ||
        chain_end(state, &s->out, &t->err) < 0)
        return -1;
    if (t->alone)
        return chain_kept(state, is_left, &t->err);
    if (!keeps)
        return 0;
    t->keeper = state;
    t->held_due = chain_kept_due(state);
    return chain_kept(state, note_kept, &(struct noting){s, true});
}

static int run_all(struct sieve *s, struct worker *w)
{
    struct transform_batch *t = s->t;

    if ((t->too_large ? run_source(s, NULL, w) : run_chain(s, w)) < 0)
        return -1;
    t->holds_as_before = t->too_large || t->alone || all_is_as_before(t);
    return record_list_finish(t->list, &t->err);
}

int transform_batch_run(struct transform_batch *t, struct worker *w)
{
    const struct object_source *from = t->source;
    uint64_t max = 2 * from->bytes, held = 0;
    struct sieve s = {.out = {.emit = on_emit, .drop = on_drop, .fail = on_fail, .count = on_count, .log = on_log},
                      .t = t};
    int rc;

    transform_batch_release(t);
    t->err = (struct err){.code = ERR_NONE};
    t->keeper = NULL;
    t->held_due = NSEC_NEVER;
    for (size_t i = 0; i < t->held_count; i++)
        held += t->held[i].bytes;
    t->list = record_list_new(t->tmp_dir, t->lanes, from->count, from->bytes,
                              (max > TRANSFORM_MADE_MAX ? max : TRANSFORM_MADE_MAX) + 2 * held,
                              t->in_memory ? TRANSFORM_LONE_MEMORY : BODY_MEMORY_MAX);
    outcomes_source_reset(t->sources, from->object.first, from->object.last);
    outcomes_source_forget_held(t->sources);
    buf_init(&s.line, TRANSFORM_LINE_MAX_BYTES);
    buf_init(&s.reason_shown, TRANSFORM_LINE_MAX_BYTES);
    buf_init(&s.keys, KEY_SET_MAX);
    rc = run_all(&s, w);
    t->queried = s.out.queried;
    buf_release(&s.line);
    buf_release(&s.reason_shown);
    buf_release(&s.keys);
    if (rc < 0)
        transform_batch_release(t);
    return rc;
}

void transform_batch_release(struct transform_batch *t)
{
    record_list_free(&t->list);
    body_free(&t->failed);
    t->failed_lines = 0;
    named_counters_release(&t->counters);
    named_counters_release(&t->drop_reasons);
    named_counters_release(&t->failures);
    partitions_release(&t->partitions);
}
