/* progress.c -- how far the bodies of a delivery are (unfinished.h), in the journal.
 *
 * One note has all of them, and one write of it is under way at a time. What changes meanwhile is written when it is safe: the next
 * step of a body begins only behind a note that is safe and knows of it.
 */
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/delivery/impl.h"

void delivery_progress_keep(struct delivery *d)
{
    struct buf note;

    d->progress_has_changed = d->progress_is_written;
    if (d->progress_is_written)
        return;
    buf_init(&note, SEAL_PROGRESS_MAX);
    unfinished_write(&d->unfinished, &note);
    d->progress_is_written = true;
    if (d->parcel_of)
        d->host->ops->progress_parcel(d->host, d->parcel_of, buf_slice(&note), &d->progress_written);
    else
        d->host->ops->progress(d->host, d->seal.first, buf_slice(&note), &d->progress_written);
    buf_release(&note);
}

/* Committer thread. */
static void on_written(struct spool_wait *w, bool safe)
{
    struct delivery *d = CONTAINER_OF(w, struct delivery, progress_written);

    if (safe)
        delivery_loop_post(d->host->loop, &d->progress_event);
}

static void on_safe(struct loop_event *ev)
{
    struct delivery *d = CONTAINER_OF(ev, struct delivery, progress_event);

    d->progress_is_written = false;
    if (d->progress_has_changed)
        delivery_progress_keep(d);
    for (size_t i = 0; i < PART_COUNT && !d->progress_is_written; i++)
        if (d->parts[i])
            attempt_go_on(d->parts[i]);
    d->ended(d);
}

void delivery_progress_init(struct delivery *d, struct slice journaled)
{
    d->progress_written.done = on_written;
    d->progress_event.fn = on_safe;
    if (!unfinished_read(&d->unfinished, journaled))
        log_warn(
            "how far an earlier run was with a batch cannot be read; it begins anew, and what was sent of it may stay "
            "unfinished at the destination",
            KS("stream", settings_label(d->host->conf)), KU("first", d->seal.first), KU("last", d->seal.last));
}

void delivery_progress_meet(struct attempt *s, enum delivery_part part)
{
    struct delivery *d = s->owner;
    struct unfinished_key key = {.kind = (uint8_t)part,
                                 .first = s->out.id.first,
                                 .last = s->out.id.last,
                                 .window = s->out.id.window,
                                 .bytes = body_size(s->out.body),
                                 .crc32c = s->out.digests.crc32c};

    if (s->target->ops->steps)
        s->progress = unfinished_meet(&d->unfinished, &key, s->name, s->target->ops->name);
}

void delivery_progress_anew(struct attempt *s)
{
    struct delivery *d = s->owner;

    unfinished_begin_anew(&d->unfinished, s->progress, s->leaves);
    delivery_progress_keep(d);
}

void delivery_progress_judged(struct attempt *s, bool arrived, bool again)
{
    struct delivery *d = s->owner;
    bool begun = s->progress && s->progress->progress.n > 0;

    if (!s->progress || (again && !arrived))
        return;
    if (!arrived || s->leaves) {
        unfinished_abandon(&d->unfinished, s->progress);
    } else {
        unfinished_forget(&d->unfinished, s->progress);
        if (begun)
            delivery_progress_keep(d);
    }
    s->progress = NULL;
}
