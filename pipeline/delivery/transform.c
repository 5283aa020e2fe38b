/* transform.c -- the first step of a delivery of a stream with transforms: what they make of the batch.
 *
 * Usually all of it at once. A batch that cannot be made, because more comes out of it than can be held, is worked on
 * in pieces of half as many records, each sent on its way before the next is made; down to the one record that makes
 * too much alone. That one fails, as if the transform had failed on it. Without a backup it is set aside until all
 * others are delivered, and then waits for somebody to mend the transform. Where the pieces end follows from the
 * records alone, so they are the same after a restart.
 */
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/delivery/impl.h"
#include "pipeline/base/backoff.h"
#include "pipeline/encode/stage_piece.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

void delivery_end_turn(struct delivery *d)
{
    if (!d->has_turn)
        return;
    d->has_turn = false;
    d->host->ops->transform_ended(d->host, d);
}

static void want_turn(struct delivery *d)
{
    d->work = WORK_TURN;
    d->host->ops->wants_transform(d->host, d);
}

bool delivery_transform(struct delivery *d)
{
    struct delivery_host *h = d->host;
    uint64_t bytes = d->in_memory ? TRANSFORM_LONE_MEMORY + LONE_BODY_MEMORY_MAX : settings_body_memory(d->piece.bytes);

    if (!delivery_made_take(d, bytes))
        return false;
    d->has_turn = true;
    d->work = WORK_TRANSFORMING;
    d->transforming_since = h->loop->mono;
    d->transform.source = &d->piece;
    d->transform.sources = &d->sources;
    d->transform.line = h->line;
    d->transform.tap = tap_is_wanted(h->tap) ? h->tap : NULL;
    d->transform.by = settings_outlet_name(h->conf);
    d->transform.stream = h->conf->name;
    d->transform.tmp_dir = h->loop->tmp_dir;
    d->transform.now = h->loop->wall;
    d->transform.in_memory = d->in_memory;
    d->transform.too_large = d->too_large[0] ? d->too_large : NULL;
    d->transform.lanes = d->is_piece && !d->in_memory ? stage_piece_lanes(d->piece.bytes) : 1;
    d->transform.keys_max = d->is_piece ? SEAL_META_KEYS_MAX : KEY_SET_MAX;
    d->transform.finish_all = d->finishes && d->piece.object.last == d->seal.last;
    d->transform.alone = !d->is_piece;
    if (d->is_piece || h->keeps)
        h->ops->bring_held(h, d);
    d->makes_body = !d->is_piece && delivery_ship_with(d);
    d->has_made_body = false;
    h->loop->ops->work(h->loop, &d->transform_job);
    return true;
}

/* Memory for the body was taken by the size of what went in. */
static bool makes_one_body(const struct delivery *d)
{
    return d->makes_body && d->outcomes.count > 0 && d->parcel.bytes <= d->piece.bytes &&
           (d->transform.failed_lines == 0 || d->host->backup);
}

/* Worker. What was just made is encoded while it is in the worker's cache, and nobody waits in between. */
static void transform(struct worker_job *job, struct worker *w)
{
    struct delivery *d = CONTAINER_OF(job, struct delivery, transform_job);

    if (d->host->ops->transform(&d->transform, w) < 0) {
        assert(d->transform.err.code != ERR_NONE && !d->transform.list);
    } else {
        d->parcel = object_source_parcel(&d->piece, d->transform.list);
        outcomes_release(&d->outcomes);
        outcomes_init(&d->outcomes, d->parcel.count);
        d->has_made_body = makes_one_body(d);
        if (d->has_made_body)
            delivery_encode(d, w);
    }
    delivery_loop_post(d->host->loop, &d->transformed_event);
}

static void wait_until(struct delivery *d, nsec wait)
{
    d->work = WORK_PAUSED;
    if (!d->paused_since)
        d->paused_since = d->host->loop->mono;
    delivery_loop_at(d->host->loop, &d->transform_retry, d->host->loop->mono + wait);
}

/* True: the stream is paused, and it goes on behind that (delivery_was_held()). */
static bool is_held(struct delivery *d)
{
    d->held = d->host->destination->held;
    return d->held;
}

/* At once, and in its turn; when there is no memory for it, a little later. */
static void transform_now(struct delivery *d)
{
    delivery_made_give_back(d);
    d->work = WORK_TURN;
    if (!is_held(d) && !delivery_transform(d))
        wait_until(d, BACKOFF_FIRST);
}

/* The batch stays where it is, in the spool, and is tried again: nothing else would be safe. With a `single` transform
 * it keeps its turn, because no later batch may overtake it. */
static void pause_transform(struct delivery *d, const char *code, const char *message, const char *hint)
{
    struct target *t = d->host->destination;
    struct sink_verdict v = {.misconfigured = true};
    nsec wait = backoff_wait(++d->transform_failures, 0), now = d->host->loop->mono;

    snprintf(v.code, sizeof(v.code), "%s", code);
    snprintf(v.message, sizeof(v.message), "%s", message);
    snprintf(v.hint, sizeof(v.hint), "%s", hint);
    snprintf(d->paused_code, sizeof(d->paused_code), "%s", code);
    snprintf(d->paused_message, sizeof(d->paused_message), "%s", message);
    snprintf(d->paused_hint, sizeof(d->paused_hint), "%s", hint);
    target_note_failure(t, &v, d->host->loop->wall);
    chronicle_failed(d->host->chronicle, d->host->loop->wall, code, message);
    if (log_due(&t->failure_log, now, DELIVERY_LOG_PERIOD))
        log_error(d->work == WORK_STAGING ? "a batch cannot be staged, it waits in the spool"
                                          : "a batch cannot be transformed, it waits in the spool",
                  KS("stream", settings_label(d->host->conf)), KS("code", code), KS("cause", message), KS("hint", hint),
                  KI("retry_ms", wait / NSEC_PER_MSEC));
    transform_batch_release(&d->transform);
    delivery_made_give_back(d);
    d->in_memory = false;
    if (!d->host->single)
        delivery_end_turn(d);
    wait_until(d, wait);
}

static void on_transform_retry(struct loop_timer *t)
{
    struct delivery *d = CONTAINER_OF(t, struct delivery, transform_retry);

    if (is_held(d))
        return;
    if (!delivery_transforms(d))
        delivery_stage(d);
    else if (d->has_turn)
        transform_now(d);
    else
        want_turn(d);
    d->ended(d);
}

/* --- pieces --------------------------------------------------------------------------------------------------------- */

/* False: there is none left. */
static bool choose_piece(struct delivery *d)
{
    uint64_t left = d->seal.last + 1 - d->next_piece;

    d->too_large[0] = '\0';
    d->in_memory = false;
    if (left > 0)
        d->piece = object_source_part(&d->whole, d->next_piece,
                                      d->next_piece + (left < d->piece_records ? left : d->piece_records) - 1);
    else if (d->stuck_count > 0)
        d->piece = object_source_part(&d->whole, d->stuck[d->stuck_at % d->stuck_count],
                                      d->stuck[d->stuck_at % d->stuck_count]);
    else
        return false;
    return true;
}

/* Everything but the records that make too much has been tried, those all in vain. */
static bool only_stuck_are_left(const struct delivery *d)
{
    return d->next_piece > d->seal.last && d->stuck_count > 0 && d->stuck_at >= d->stuck_count;
}

static void pause_for_stuck(struct delivery *d)
{
    char message[400];

    snprintf(message, sizeof(message),
             "%zu record%s make%s more in the transform than can be held, and the stream has no backup for %s: %s",
             d->stuck_count, noun_s(d->stuck_count), verb_s(d->stuck_count), d->stuck_count == 1 ? "it" : "them",
             d->transform.err.msg);
    d->stuck_at = 0;
    (void)choose_piece(d);
    pause_transform(d, "ProcessingFailed", message, "mend the transform, or give the stream a `backup`");
}

static bool is_stuck_piece(const struct delivery *d)
{
    return d->next_piece > d->piece.object.first;
}

/* The piece's only record makes too much, and there is no backup. */
static void set_aside(struct delivery *d)
{
    if (is_stuck_piece(d)) {
        d->stuck_at++;
    } else {
        d->stuck = mem_grow(d->stuck, d->stuck_count + 1, sizeof(*d->stuck));
        d->stuck[d->stuck_count++] = d->piece.object.first;
        d->stuck_at = d->stuck_count; /* not again before all else is done */
        d->next_piece = d->piece.object.last + 1;
    }
    if (only_stuck_are_left(d)) {
        pause_for_stuck(d);
        return;
    }
    (void)choose_piece(d);
    transform_now(d);
}

static void take_in(struct delivery *d)
{
    if (is_stuck_piece(d)) {
        for (size_t i = d->stuck_at; i + 1 < d->stuck_count; i++)
            d->stuck[i] = d->stuck[i + 1];
        d->stuck_count--;
        return;
    }
    d->next_piece = d->piece.object.last + 1;
    if (d->piece_records < d->whole.count)
        d->piece_records *= 2;
}

static bool is_the_last(const struct delivery *d)
{
    return d->next_piece > d->seal.last && d->stuck_count == 0;
}

static void release_piece(struct delivery *d)
{
    const struct sink_refusal *refusal = outcomes_main_reason(&d->outcomes);

    if (refusal)
        d->refusal = *refusal;
    transform_batch_release(&d->transform);
    delivery_made_give_back(d);
    outcomes_release(&d->outcomes);
    d->failed_arrived = false;
}

bool delivery_next_piece(struct delivery *d)
{
    if (!delivery_transforms(d) || is_the_last(d))
        return false;
    release_piece(d);
    if (only_stuck_are_left(d)) {
        pause_for_stuck(d);
        return true;
    }
    (void)choose_piece(d);
    if (d->has_turn)
        transform_now(d);
    else
        want_turn(d);
    return true;
}

/* --- what came of it ------------------------------------------------------------------------------------------------ */

/* What is made of one record needs no disk when there is memory for it. Perhaps only its delivery makes room there. */
static void make_in_memory(struct delivery *d)
{
    struct err e = d->transform.err;

    d->in_memory = true;
    delivery_made_give_back(d);
    if (!is_held(d) && !delivery_transform(d))
        pause_transform(d, "TransformFailed", e.msg, "free space on the disk of data_dir, or raise `limits.memory`");
}

static void cannot_be_made(struct delivery *d)
{
    const struct err *e = &d->transform.err;
    bool too_much = e->code == ERR_LIMIT || e->code == ERR_NOMEM, no_space = e->code == ERR_NOSPACE;

    if ((too_much || no_space) && d->piece.count > 1) {
        d->piece_records = d->piece.count / 2;
        (void)choose_piece(d);
        transform_now(d);
    } else if (too_much && d->piece.count == 0) {
        pause_transform(d, "ProcessingFailed", e->msg, "mend finish() in the script: it makes too much");
    } else if (too_much && d->host->backup) {
        log_warn("a record makes more in the transform than can be held, it goes to the backup",
                 KS("stream", settings_label(d->host->conf)), KU("record", d->piece.object.first), KE("cause", e));
        snprintf(d->too_large, sizeof(d->too_large), "%s", e->msg);
        transform_now(d);
    } else if (too_much && d->is_piece) { /* no later record of its key may overtake it */
        pause_transform(d, "ProcessingFailed", e->msg, "mend the transform, or give the stream a `backup`");
    } else if (too_much) {
        set_aside(d);
    } else if (no_space && !d->in_memory) {
        make_in_memory(d);
    } else {
        pause_transform(d, "TransformFailed", e->msg, no_space ? "free space on the disk of data_dir" : "");
    }
}

static void fails_without_backup(struct delivery *d)
{
    const struct transform_batch *t = &d->transform;
    bool one = t->failed_lines == 1;
    char message[400];

    snprintf(message, sizeof(message),
             "%" PRIu64 " record%s fail%s in the transform (%s%" PRIu64
             ") and the stream has no backup for %s, so the whole batch waits: %s",
             t->failed_lines, noun_s(t->failed_lines), verb_s(t->failed_lines),
             one ? "number " : "the first is number ", t->failed_first, one ? "it" : "them", t->failure);
    pause_transform(d, "ProcessingFailed", message,
                    "mend the script and reload (with `watch: true` mending is enough), or give the stream a `backup`");
}

static void count_made(struct delivery *d)
{
    const struct transform_batch *t = &d->transform;

    d->made.records += record_list_count(t->list);
    d->made.bytes += record_list_bytes(t->list);
    d->made.failed += t->failed_lines;
    d->made.queried += t->queried;
    if (t->partitions.count > d->made.partitions)
        d->made.partitions = t->partitions.count;
    named_counters_merge(&d->made.counters, &t->counters);
    named_counters_merge(&d->made.drop_reasons, &t->drop_reasons);
    named_counters_merge(&d->made.failures, &t->failures);
}

static void ship_piece(struct delivery *d)
{
    struct transform_batch *t = &d->transform;

    delivery_made_trim(d);
    count_made(d);
    take_in(d);
    d->paused_since = 0;
    d->transform_failures = 0;
    d->work = WORK_SHIPPING;
    if (!d->host->single || is_the_last(d))
        delivery_end_turn(d);
    if (t->failed)
        delivery_ship(d, PART_FAILED);
    if (d->has_made_body)
        delivery_encoded(d);
    else if (d->outcomes.count > 0)
        delivery_ship(d, PART_RECORDS);
}

/* --- staging ---------------------------------------------------------------------------------------------------------- */

void delivery_stage(struct delivery *d)
{
    if (d->transform.list)
        delivery_made_trim(d);
    else
        d->host->ops->bring_held(d->host, d);
    d->work = WORK_STAGING;
    d->host->ops->stage(d->host, d);
}

void delivery_staged(struct delivery *d)
{
    if (d->transform.list)
        count_made(d);
    d->staged_bytes += d->piece.bytes;
    take_in(d);
    d->paused_since = 0;
    d->transform_failures = 0;
    outcomes_release(&d->outcomes); /* nothing of it is left to do */
    d->failed_arrived = true;
    d->work = WORK_SHIPPING;
    if (!d->host->single || is_the_last(d))
        delivery_end_turn(d);
    d->ended(d);
}

void delivery_not_staged(struct delivery *d, const struct err *e)
{
    bool is_smaller_better = e->code == ERR_LIMIT || (e->code == ERR_NOSPACE && d->piece.count > 1);

    d->transform.err = *e;
    if (is_smaller_better && d->transform.list)
        cannot_be_made(d);
    else
        pause_transform(d, "StagingFailed", e->msg,
                        e->code == ERR_CANCELLED ? ""
                                                 : "see to the disk of data_dir: its room, its rights, its health");
    d->ended(d);
}

static void on_transformed(struct loop_event *ev)
{
    struct delivery *d = CONTAINER_OF(ev, struct delivery, transformed_event);

    d->transforming_since = 0;
    if (d->makes_body && !d->has_made_body)
        attempt_not_made(d->parts[PART_RECORDS]);
    if (!d->transform.list)
        cannot_be_made(d);
    else if (d->transform.failed_lines > 0 && !d->host->backup)
        fails_without_backup(d);
    else if (d->is_piece)
        delivery_stage(d);
    else
        ship_piece(d);
    d->ended(d);
}

void delivery_transform_init(struct delivery *d)
{
    d->transform_job.run = transform;
    d->transformed_event.fn = on_transformed;
    loop_timer_init(&d->transform_retry, on_transform_retry);
    d->next_piece = d->seal.first;
    d->piece_records = d->whole.count;
    if (delivery_transforms(d))
        outcomes_source_init(&d->sources, d->seal.first, d->whole.count);
}

void delivery_transform_release(struct delivery *d)
{
    delivery_loop_at(d->host->loop, &d->transform_retry, NSEC_NEVER);
    delivery_loop_forget(d->host->loop, &d->transformed_event);
    delivery_made_give_back(d);
    transform_batch_release(&d->transform);
    outcomes_source_release(&d->sources);
    named_counters_release(&d->made.counters);
    named_counters_release(&d->made.drop_reasons);
    named_counters_release(&d->made.failures);
    mem_free(d->stuck);
}
