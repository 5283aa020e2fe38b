/* delivery_transform.c -- the first part of a delivery of a stream with transforms: what they make of the batch. */
#include "pipeline/backoff.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

bool delivery_transform(struct delivery *d)
{
    struct delivery_loop *loop = d->st->loop;
    uint64_t bytes = stage_memory(&d->seal);

    if (!delivery_loop_take_memory(loop, bytes))
        return false;
    d->budgeted = bytes;
    d->transform.spool = d->st->spool;
    d->transform.seal = &d->seal;
    d->transform.line = d->st->line;
    d->transform.stream = d->st->conf->name;
    d->transform.tmp_dir = loop->tmp_dir;
    d->transform.now = d->st->loop->wall;
    loop->ops->work(loop, &d->transform_job);
    return true;
}

/* Worker. */
static void transform(struct worker_job *job, struct worker *w)
{
    struct delivery *d = CONTAINER_OF(job, struct delivery, transform_job);

    if (stage_transform_run(&d->transform, w) < 0)
        assert(d->transform.err.code != ERR_NONE && !d->transform.list);
    delivery_loop_post(d->st->loop, &d->transformed_event);
}

/* The batch stays where it is, in the spool, and is tried again: nothing else would be safe. */
static void retry_transform(struct delivery *d, const char *code, const char *message, const char *hint)
{
    struct stream *st = d->st;
    struct sink_verdict v = {.misconfigured = true};
    nsec wait = backoff_wait(++d->transform_failures, 0);

    snprintf(v.code, sizeof(v.code), "%s", code);
    snprintf(v.message, sizeof(v.message), "%s", message);
    snprintf(v.hint, sizeof(v.hint), "%s", hint);
    target_note_failure(&st->destination, &v, st->loop->wall);
    if (log_due(&st->destination.failure_log, st->loop->mono, DELIVERY_LOG_PERIOD))
        log_error("a batch cannot be transformed, it waits in the spool", KS("stream", st->conf->name),
                  KS("code", code), KS("cause", message), KS("hint", hint), KI("retry_ms", wait / NSEC_PER_MSEC));
    stage_transform_release(&d->transform);
    delivery_loop_give_memory(st->loop, d->budgeted);
    d->budgeted = 0;
    delivery_loop_at(st->loop, &d->transform_retry, st->loop->mono + wait);
}

/* It keeps its turn: with a `single` transform no later batch may overtake it. */
static void on_transform_retry(struct loop_timer *t)
{
    struct delivery *d = CONTAINER_OF(t, struct delivery, transform_retry);

    if (!delivery_transform(d))
        delivery_loop_at(d->st->loop, t, d->st->loop->mono + BACKOFF_FIRST);
}

static void trim_budget(struct delivery *d)
{
    uint64_t held =
        record_list_memory(d->transform.list) + (d->transform.failed ? body_memory(d->transform.failed) : 0);

    if (held < d->budgeted) {
        delivery_loop_give_memory(d->st->loop, d->budgeted - held);
        d->budgeted = held;
    }
}

/* Only what this shipment reads: a worker may be reading the other. */
void delivery_transform_waits(struct delivery *d, const struct shipment *s)
{
    struct err e;
    int rc;

    if (!d->transform.list || s == d->source || d->st->loop->ops->has_plenty(d->st->loop, 0))
        return;
    rc = s == d->failed ? body_stash(d->transform.failed, &e) : record_list_stash(d->transform.list, &e);
    /* A temporary file that cannot be written is no reason to lose anything: then it goes on holding its memory. */
    if (rc < 0)
        log_debug("what waits cannot be moved out of memory", KS("stream", d->st->conf->name), KE("cause", &e));
    trim_budget(d);
}

static void on_transformed(struct loop_event *ev)
{
    struct delivery *d = CONTAINER_OF(ev, struct delivery, transformed_event);
    struct stage_transform *t = &d->transform;
    struct stream *st = d->st;

    if (!t->list) {
        retry_transform(d, "TransformFailed", t->err.msg, "");
        return;
    }
    if (t->failed_lines > 0 && !st->backup.ops) {
        char message[400];

        snprintf(message, sizeof(message),
                 "%" PRIu64 " records fail in the transform and the stream has no backup for them: %s", t->failed_lines,
                 t->failure);
        retry_transform(d, "ProcessingFailed", message, "mend the script, or give the stream a `backup`");
        return;
    }
    trim_budget(d);
    d->untransformed = false;
    stream_transform_ended(st);
    fates_release(&d->fates);
    fates_init(&d->fates, record_list_count(t->list));
    if (t->failed_lines > 0)
        delivery_ship_failed(d);
    if (d->fates.count > 0)
        delivery_ship_records(d);
    delivery_ended(d);
}

void delivery_transform_init(struct delivery *d)
{
    d->transform_job.run = transform;
    d->transformed_event.fn = on_transformed;
    loop_timer_init(&d->transform_retry, on_transform_retry);
}
