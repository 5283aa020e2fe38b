/* Files that have something to read stand in one queue; a turn of the loop takes a few frames from it, one per file, so
 * a huge file does not hold up the others, and timers run in between. A lone busy file gets every frame of every turn.
 * When the spool (or the memory budget) is full, the queue stands still and is tried again by a timer: the files
 * themselves are the buffer. Likewise while enough is ahead of the deliveries (pace.h), but for files that may be gone soon. */
#include "pipeline/base/limits.h"
#include "pipeline/inputs/tail/tail.h"

/* --- the end of a file ------------------------------------------------------------------------------------------- */

/* Ends the tracking of a file that is gone, when nothing of it is on its way any more. */
static void drop(struct tail *t, struct tail_file *f)
{
    char source[POSITION_SOURCE_MAX];

    if (f->in_flight > 0)
        return; /* the next look or tick comes back to it */
    if (f->read.offset >= f->size || f->hollow)
        log_debug("file is gone", KS("stream", t->env.stream), KS("path", f->path));
    else if (log_due(&t->gone_log, t->now, TAIL_LOG_PERIOD))
        log_warn("file is gone before it was read to its end", KS("stream", t->env.stream), KS("path", f->path),
                 KU("offset", f->read.offset), KU("size", f->size), KU("more_since_last", t->gone_log.suppressed),
                 KS("hint", "raise max_open_files, or keep rotated files for longer"));
    if (f->is_packed)
        tail_unpack_rest(t, f);
    tail_past_keep(t, f);
    tail_recent_forget(t, f);
    spool_forget(t->env.spool, slice_str(tail_id_source(&f->name, source)));
    tail_set_state(t, f, TAIL_IDLE);
    tail_set_gone(t, f, false);
    tail_files_remove(&t->files, &f);
}

/* A deleted file whose writer still has it open may grow: no event tells, so it is looked at with every tick. */
static void visit_gone(void *ctx, struct tail_file *f)
{
    struct tail *t = ctx;

    if (!f->gone)
        return;
    if (f->fd < 0 ||
        (f->state == TAIL_IDLE && t->now - f->grown >= TAIL_LINGER && (f->read.offset == f->size || f->hollow)))
        drop(t, f);
    else if (f->state == TAIL_IDLE)
        tail_wake(t, f);
}

/* --- turns ------------------------------------------------------------------------------------------------------- */

static void try_again(uv_timer_t *timer)
{
    tail_turn_on(timer->data);
}

static void pause_turns(struct tail *t, uint64_t ms)
{
    t->paused = true;
    uv_idle_stop(&t->turn);
    uv_timer_start(&t->again, try_again, ms, 0);
}

static void tell_finished(struct tail *t);

/* With --once no tick does it. */
static void look_again(uv_timer_t *timer)
{
    struct tail *t = timer->data;

    t->now = clock_mono();
    tail_look(t);
    if (t->gone_count > 0)
        tail_files_each(&t->files, visit_gone, t);
    tell_finished(t);
}

static void tell_finished(struct tail *t)
{
    if (!t->env.once || t->told_finished || t->in_flight > 0 || !TAILQ_EMPTY(&t->ready) || !TAILQ_EMPTY(&t->held_back))
        return;
    if (t->look_wanted && t->look < TAIL_ONCE_LOOKS) { /* a file was renamed before its turn came */
        uv_timer_start(&t->again, look_again, (uint64_t)(TAIL_LOOK_GAP / NSEC_PER_MSEC), 0);
        return;
    }
    t->told_finished = true;
    if (t->env.finished)
        t->env.finished(t->env.ctx);
}

/* How long what is unfinished waits for more. */
static nsec grace(const struct tail *t, const struct tail_file *f)
{
    nsec line = t->conf->last_line, record = t->multiline ? t->conf->multiline.timeout : 0;

    return f->whole && t->multiline ? record : line > record ? line : record;
}

/* False: nothing more this turn. */
static bool serve(struct tail *t, struct tail_file *f)
{
    enum tail_step step;

    tail_works(t, "read", f->where);
    step = tail_read(t, f);
    tail_rests(t);
    if (step == TAIL_STEP_BLOCKED) {
        pause_turns(t, TAIL_AGAIN_MS);
        return false;
    }
    if (step == TAIL_STEP_FAILED)
        return true;
    if (f->failures > 0 && log_due(&t->again_log, t->now, TAIL_LOG_PERIOD))
        log_info("file can be read again", KS("stream", t->env.stream), KS("path", f->path),
                 KU("more_since_last", t->again_log.suppressed));
    f->failures = 0;
    switch (step) {
    case TAIL_STEP_MORE:
        tail_set_state(t, f, TAIL_READY); /* behind the others */
        break;
    case TAIL_STEP_WAIT:
        f->due = f->grown + grace(t, f); /* from the time the file last grew */
        tail_set_state(t, f, TAIL_UNFINISHED);
        break;
    case TAIL_STEP_HELD:
        tail_set_state(t, f, TAIL_HELD);
        break;
    default:
        tail_set_state(t, f, TAIL_IDLE);
    }
    return true;
}

/* What stays where it is can wait for the deliveries (pace.h). NULL: everything does. */
static struct tail_file *next_ready(const struct tail *t)
{
    struct tail_file *f = TAILQ_FIRST(&t->ready);

    if (pace_waits(t->env.pace, t->now))
        while (f && !f->fleeting && !f->gone)
            f = TAILQ_NEXT(f, queue);
    return f;
}

static void take_turn(uv_idle_t *idle)
{
    struct tail *t = idle->data;

    t->now = clock_mono();
    for (unsigned i = 0; i < TAIL_TURN_FRAMES && !TAILQ_EMPTY(&t->ready); i++) {
        struct tail_file *f = next_ready(t);

        if (!f) {
            t->paced = true;
            pause_turns(t, TAIL_PACE_LOOK_MS);
            return;
        }
        if (!serve(t, f))
            return;
    }
    if (!TAILQ_EMPTY(&t->ready))
        return;
    uv_idle_stop(&t->turn);
    t->held = 0;
    tell_finished(t);
}

void tail_news(void *arg)
{
    struct tail *t = arg;

    t->now = clock_mono();
    tail_writes_settle(t);
    tail_settled(t);
}

void tail_settled(struct tail *t)
{
    if (t->stopped)
        return;
    if (t->paused)
        tail_turn_on(t);
    tell_finished(t);
}

static void wake_due(struct tail *t, struct tail_queue *q)
{
    struct tail_file *f, *next;

    for (f = TAILQ_FIRST(q); f; f = next) {
        next = TAILQ_NEXT(f, queue);
        if (f->due <= t->now)
            tail_wake(t, f);
    }
}

static void tick(uv_timer_t *timer)
{
    struct tail *t = timer->data;
    struct tail_file *f, *next;

    t->now = clock_mono();
    for (f = TAILQ_FIRST(&t->unfinished); f; f = next) {
        next = TAILQ_NEXT(f, queue);
        if (f->due > t->now)
            continue;
        f->flush = true;
        tail_wake(t, f);
    }
    wake_due(t, &t->failed);
    wake_due(t, &t->held_back);
    if (t->gone_count > 0)
        tail_files_each(&t->files, visit_gone, t);
    if (t->look_at <= t->now)
        tail_look(t);
}

/* Those that wait with whole lines, also when they have just grown. Others are not at their end, and go on with the next start. */
static void end_records_of(struct tail *t, struct tail_queue *q)
{
    struct tail_file *f, *next;

    for (f = TAILQ_FIRST(q); f; f = next) {
        next = TAILQ_NEXT(f, queue); /* one that cannot be read gets into another queue */
        if (f->state == TAIL_READY && !f->whole)
            continue;
        tail_works(t, "read", f->where);
        (void)tail_read(t, f);
    }
}

/* A stop does not wait for the lines that may come. What is not read to its end goes on with the next start. */
void tail_end_records(struct tail *t)
{
    t->stopping = t->shape != NULL;
    if (!t->shape)
        return;
    t->now = clock_mono();
    end_records_of(t, &t->unfinished);
    end_records_of(t, &t->ready);
    tail_rests(t);
}

void tail_turns_start(struct tail *t)
{
    uv_loop_t *uv = loop_uv(t->env.loop);

    t->take_turn = take_turn;
    uv_idle_init(uv, &t->turn);
    loop_group_add(&t->group, (uv_handle_t *)&t->turn);
    uv_timer_init(uv, &t->again);
    loop_group_add(&t->group, (uv_handle_t *)&t->again);
    uv_timer_init(uv, &t->tick);
    loop_group_add(&t->group, (uv_handle_t *)&t->tick);
    if (!t->env.once)
        uv_timer_start(&t->tick, tick, TAIL_TICK_MS, TAIL_TICK_MS);
}
