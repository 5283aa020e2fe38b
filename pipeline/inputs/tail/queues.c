/* What each file waits for, and what wakes it. A file stands in the queue of its state, or in none; whoever learns something about a file
 * (reading, looking, comparing copies) moves it here, and schedule.c gives those that are ready their turns. The file
 * that failed, or that is gone, is one more kind of waiting. */
#include "pipeline/base/limits.h"
#include "pipeline/inputs/tail/tail.h"

#include <errno.h>
#include <string.h>

static struct tail_queue *queue_of(struct tail *t, enum tail_state s)
{
    switch (s) {
    case TAIL_READY:
        return &t->ready;
    case TAIL_UNFINISHED:
        return &t->unfinished;
    case TAIL_FAILED:
        return &t->failed;
    case TAIL_HELD:
        return &t->held_back;
    case TAIL_IDLE:
        break;
    }
    return NULL;
}

void tail_set_state(struct tail *t, struct tail_file *f, enum tail_state s)
{
    struct tail_queue *from = queue_of(t, f->state), *to = queue_of(t, s);

    if (from)
        TAILQ_REMOVE(from, f, queue);
    if (to)
        TAILQ_INSERT_TAIL(to, f, queue);
    f->state = s;
}

static void keep_turning(struct tail *t)
{
    if (!t->paused && !t->stopped && !TAILQ_EMPTY(&t->ready))
        uv_idle_start(&t->turn, t->take_turn);
}

void tail_wake(struct tail *t, struct tail_file *f)
{
    if (f->state != TAIL_READY)
        tail_set_state(t, f, TAIL_READY);
    keep_turning(t);
}

void tail_wake_held(struct tail *t)
{
    while (!TAILQ_EMPTY(&t->held_back))
        tail_wake(t, TAILQ_FIRST(&t->held_back));
}

void tail_turn_on(struct tail *t)
{
    t->paused = t->paced = false;
    keep_turning(t);
}

void tail_hurry(struct tail *t)
{
    if (t->paced)
        tail_turn_on(t);
}

void tail_look_soon(struct tail *t)
{
    t->look_wanted = true;
    if (t->look_at > t->look_earlier)
        t->look_at = t->look_earlier;
}

void tail_set_gone(struct tail *t, struct tail_file *f, bool gone)
{
    if (f->gone == gone)
        return;
    t->gone_count += gone ? 1 : -(size_t)1;
    f->gone = gone;
    if (!gone)
        return;
    tail_wake_held(t);
    tail_hurry(t);
}

/* --- failures ------------------------------------------------------------------------------------------------------ */

const char *tail_advice(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return "give sluice's user permission to read it";
    case EMFILE:
        return "raise the limit of open files (ulimit -n, LimitNOFILE=)";
    case ENFILE:
        return "raise the system's limit of open files (sysctl fs.file-max)";
    case ENOMEM:
        return "the system has no memory left";
    default:
        return "check the disk";
    }
}

void tail_fail(struct tail *t, struct tail_file *f, const char *doing, int error)
{
    unsigned doublings = f->failures < TAIL_RETRY_DOUBLING ? f->failures : TAIL_RETRY_DOUBLING;
    char words[INPUT_ERROR_MAX];

    if (f->failures++ == 0 && log_due(&t->fail_log, t->now, TAIL_LOG_PERIOD))
        log_warn(t->env.once ? "file cannot be read" : "file cannot be read, will retry", KS("stream", t->env.stream),
                 KS("path", f->path), KS("doing", doing), KS("cause", strerror(error)),
                 KU("more_since_last", t->fail_log.suppressed), KS("hint", tail_advice(error)));
    snprintf(words, sizeof(words), "%s: %s: %s", f->path, doing, strerror(error));
    input_health_error(t->env.health, words, tail_advice(error), t->now);
    tail_files_close(&t->files, f);
    f->due = t->now + (TAIL_RETRY_FIRST << doublings);
    tail_set_state(t, f, t->env.once ? TAIL_IDLE : TAIL_FAILED);
}
