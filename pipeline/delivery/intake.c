/* Inputs note each push-back themselves (inputs/pushback.h), on their own threads. The first note posts an event; from
 * then on a timer looks until nobody was pushed back for a while and the reason is gone. So there are two lines in the
 * log however many records it was.
 */
#include "pipeline/delivery/intake.h"

#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const WHY[] = {
    [PUSHBACK_DISK] = "disk", [PUSHBACK_LIMIT] = "spool.limit", [PUSHBACK_MEMORY] = "limits.memory"};

/* --- in words ---------------------------------------------------------------------------------------------------- */

static void tell_limit(const struct intake *in, struct intake_status *out)
{
    const char *paused = in->paused ? in->paused(in->ctx) : NULL;
    char held[HUMAN_MAX], limit[HUMAN_MAX];
    struct spool_books b;

    spool_books(spool_reader(in->spool, 0), &b);
    snprintf(out->cause, sizeof(out->cause), "spool.limit: the spool holds %s of %s",
             human_bytes(b.disk_bytes, held, sizeof(held)), human_bytes(b.limit, limit, sizeof(limit)));
    if (paused)
        snprintf(out->hint, sizeof(out->hint), "the stream is paused: sluice resume %s, or raise its spool.limit",
                 paused);
    else
        snprintf(
            out->hint, sizeof(out->hint),
            "find out why the destination takes less than comes in, or raise the stream's spool.limit; inputs go on "
            "by themselves as soon as there is room");
}

/* Not the disk's doing. */
static bool is_limit_of_files(const struct err *e)
{
    return e->code != ERR_NONE && strstr(e->msg, strerror(EFBIG));
}

/* The spool is asked first: an input may hear that it refuses before intake_disk_refused() says why. */
static void tell_disk(struct intake *in, struct intake_status *out)
{
    const char *paused = in->paused ? in->paused(in->ctx) : NULL;
    struct err why;

    if (!in->spool || !spool_failing(in->spool, &why)) {
        pthread_mutex_lock(&in->lock);
        why = err_kept(in->disk);
        pthread_mutex_unlock(&in->lock);
    }
    if (why.code != ERR_NONE)
        snprintf(out->cause, sizeof(out->cause), "disk: %s", why.msg);
    else
        snprintf(out->cause, sizeof(out->cause), "disk: writes to %s have not ended for some time", in->data_dir);
    if (is_limit_of_files(&why))
        snprintf(out->hint, sizeof(out->hint),
                 "raise the limit on the size of files (ulimit -f, LimitFSIZE=); it is tried again every second");
    else if (paused && strstr(why.msg, strerror(ENOSPC)))
        snprintf(
            out->hint, sizeof(out->hint),
            "the stream is paused: sluice resume %s, or free space on the disk of %s; it is tried again every second",
            paused, in->data_dir);
    else
        snprintf(
            out->hint, sizeof(out->hint),
            "free space on the disk of %s, or look for disk errors in the kernel's log; it is tried again every second",
            in->data_dir);
}

void intake_status_memory(const struct pushback_view *v, struct intake_status *out)
{
    *out = (struct intake_status){.blocked = v->blocked, .why = PUSHBACK_MEMORY, .lasted = v->lasted};
    snprintf(out->cause, sizeof(out->cause), "limits.memory: the memory for records on their way in is in use");
    snprintf(out->hint, sizeof(out->hint), "clients will retry; raise limits.memory if this goes on");
}

static void tell(struct intake *in, const struct pushback_view *v, struct intake_status *out)
{
    *out = (struct intake_status){.blocked = v->blocked, .why = v->why, .lasted = v->lasted};
    if (v->why == PUSHBACK_DISK)
        tell_disk(in, out);
    else if (v->why == PUSHBACK_LIMIT)
        tell_limit(in, out);
    else
        intake_status_memory(v, out);
}

void intake_status(struct intake *in, nsec mono_now, struct intake_status *out)
{
    struct pushback_view v = pushback_view(&in->pushback, mono_now);

    *out = (struct intake_status){.blocked = false};
    if (v.blocked)
        tell(in, &v, out);
}

/* --- the watch --------------------------------------------------------------------------------------------------- */

/* Any thread. */
static void tell_people(struct intake *in, const char *what, const char *more)
{
    char *text;

    if (!in->event)
        return;
    text = mem_printf("%s%s", what, more);
    in->event(in->ctx, in->loop->wall, text);
    mem_free(text);
}

static void on_note(void *ctx)
{
    struct intake *in = ctx;

    delivery_loop_post(in->loop, &in->began);
}

static void on_began(struct loop_event *ev)
{
    struct intake *in = CONTAINER_OF(ev, struct intake, began);
    struct pushback_view v = pushback_view(&in->pushback, in->loop->mono);
    struct intake_status s;

    tell(in, &v, &s);
    log_warn("inputs are pushed back: the stream is blocked", KS("stream", in->stream), KS("why", WHY[s.why]),
             KS("cause", s.cause), KS("hint", s.hint));
    tell_people(in, "inputs are pushed back: ", s.cause);
    delivery_loop_at(in->loop, &in->look, v.until);
}

/* Nobody may ask again for a while, and yet would be turned away. */
static bool is_still_in_the_way(const struct intake *in, enum pushback_why why)
{
    struct spool_books b;
    struct err disk;
    uint64_t room;

    if (why == PUSHBACK_DISK)
        return spool_failing(in->spool, &disk);
    if (why != PUSHBACK_LIMIT)
        return false;
    spool_books(spool_reader(in->spool, 0), &b);
    room = b.limit / 8 < FRAME_MAX_BYTES ? b.limit / 8 : FRAME_MAX_BYTES; /* who has a larger one asks again */
    return b.disk_bytes + room > b.limit;
}

static void on_look(struct loop_timer *t)
{
    struct intake *in = CONTAINER_OF(t, struct intake, look);
    struct pushback_view v = pushback_view(&in->pushback, in->loop->mono);
    char lasted[HUMAN_MAX];

    if (!pushback_look(&in->pushback, in->loop->mono, is_still_in_the_way(in, v.why), &v)) {
        delivery_loop_at(in->loop, t, v.until);
        return;
    }
    pthread_mutex_lock(&in->lock);
    err_forget(&in->disk);
    pthread_mutex_unlock(&in->lock);
    log_info("inputs are no longer pushed back", KS("stream", in->stream), KS("why", WHY[v.why]),
             KI("blocked_for_s", v.lasted / NSEC_PER_SEC), KU("pushed_back", v.count));
    tell_people(in, "inputs are no longer pushed back, after ", human_duration(v.lasted, lasted, sizeof(lasted)));
}

void intake_disk_refused(struct intake *in, const struct err *why)
{
    pthread_mutex_lock(&in->lock);
    err_keep(&in->disk, why);
    pthread_mutex_unlock(&in->lock);
    pushback_note(&in->pushback, PUSHBACK_DISK, clock_mono());
}

void intake_init(struct intake *in, const char *stream, const char *data_dir, struct delivery_loop *loop)
{
    memset(in, 0, sizeof(*in));
    in->stream = stream;
    in->data_dir = data_dir;
    in->loop = loop;
    in->began.fn = on_began;
    loop_timer_init(&in->look, on_look);
    pthread_mutex_init(&in->lock, NULL);
    pushback_init(&in->pushback, on_note, in);
}

void intake_end(struct intake *in)
{
    delivery_loop_at(in->loop, &in->look, NSEC_NEVER);
    delivery_loop_forget(in->loop, &in->began);
}

void intake_release(struct intake *in)
{
    pushback_release(&in->pushback);
    err_forget(&in->disk);
    pthread_mutex_destroy(&in->lock);
}
