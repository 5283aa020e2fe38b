/* Compressed files, for who wants them read. A rotated file that is compressed is a new file, whose text is that of the old one: with the
 * offsets of its text it is a copy like any other (copy.c), so what was delivered of the old one is not delivered again, and the rest is.
 *
 * It is unpacked twice: once to see that it is whole (who compresses it may be at work, or have died) and how long its text is, once to
 * be read; while somebody writes to it, it waits. One at a time has what that takes; the others wait until that one waits for something else. What was read to its end and is safe
 * is remembered as such, with its size and time, and is not opened again. */
#include "pipeline/inputs/tail/packed.h"
#include "pipeline/inputs/tail/tail.h"

#include "pipeline/base/limits.h"

#include <stdio.h>

/* --- whose turn it is ---------------------------------------------------------------------------------------------- */

/* Of those that wait for their turn the first one has it. */
static void wake_next(struct tail *t)
{
    struct tail_file *f = TAILQ_FIRST(&t->held_back);

    while (f && !f->waits_for_turn)
        f = TAILQ_NEXT(f, queue);
    if (f)
        tail_wake(t, f);
}

void tail_unpack_rest(struct tail *t, struct tail_file *f)
{
    packed_free(&f->packed);
    if (f->measured && (!f->fresh || f->size == 0) && f->read.offset == f->size && f->in_flight == 0 && !f->refused)
        tail_unpack_pass(t, f, f->stored, f->modified);
    if (t->unpacking == f)
        t->unpacking = NULL;
    if (!t->unpacking)
        wake_next(t);
}

/* False: another one is at it. */
static bool take_turn(struct tail *t, struct tail_file *f)
{
    if (t->unpacking && t->unpacking != f)
        return false;
    t->unpacking = f;
    if (!f->packed)
        f->packed = packed_new(t->env.windows);
    return true;
}

/* --- what is known of it ------------------------------------------------------------------------------------------- */

void tail_unpack_pass(struct tail *t, struct tail_file *f, uint64_t bytes, nsec modified)
{
    f->read.packed_bytes = bytes;
    f->read.packed_modified = (uint64_t)modified;
    f->safe = f->read;
    f->fresh = f->measured = false;
    f->size = f->read.offset;
    tail_store_place(t, f);
    tail_files_close(&t->files, f);
}

static bool was_read(const struct tail_file *f, const struct tail_stat *st)
{
    return f->read.packed_bytes > 0 && f->read.packed_bytes == st->size &&
           f->read.packed_modified == (uint64_t)st->modified;
}

/* Since it was last looked at. What was unpacked of it is of no use then, and what was passed over may be the copy of something now. */
static bool has_changed(struct tail_file *f, const struct tail_stat *st)
{
    if (f->stored == st->size && f->modified == st->modified)
        return false;
    packed_free(&f->packed);
    f->measured = false;
    f->fresh = f->fresh || f->read.offset == 0;
    f->stored = st->size;
    f->modified = st->modified;
    return true;
}

static const char *hint_of(enum packed_answer why)
{
    switch (why) {
    case PACKED_CUT:
        return "who compressed it has not ended it: look at its disk, and compress it again; it is read when it "
               "changes";
    case PACKED_WINDOW:
        return "compress it again without `--long` or `--ultra`, or raise limits.memory: windows above 8 MiB have a "
               "quarter of it, all together; then touch it";
    case PACKED_TOO_LARGE:
        return "unpack it into a file that is read, if that is meant";
    default:
        return "look at it with `gzip -t` or `zstd -t`; it is read when it changes";
    }
}

static void give_up(struct tail *t, struct tail_file *f, enum packed_answer why, const struct err *e)
{
    char words[INPUT_ERROR_MAX];

    f->spoiled = f->stored;
    f->spoiled_modified = f->modified;
    if (log_due(&t->packed_log, t->now, TAIL_LOG_PERIOD))
        log_warn("compressed file cannot be read, and is left alone", KS("stream", t->env.stream), KS("path", f->path),
                 KE("cause", e), KU("more_since_last", t->packed_log.suppressed), KS("hint", hint_of(why)));
    snprintf(words, sizeof(words), "%s: %s", f->path, e->msg);
    input_health_error(t->env.health, words, hint_of(why), t->now);
    tail_files_close(&t->files, f);
}

/* It ends before its end, or is damaged there: who writes it may be at work. */
static enum tail_step wait_for_the_rest(struct tail *t, struct tail_file *f, enum packed_answer why,
                                        const struct err *e)
{
    nsec quiet = clock_wall() - f->modified; /* by the file server's clock, which may be another */

    quiet = quiet < 0 ? -quiet : quiet;
    if (why != PACKED_CUT || t->env.once || quiet > TAIL_PACKED_GIVE_UP) {
        give_up(t, f, why, e);
        return TAIL_STEP_END;
    }
    f->again = f->due = t->now + (quiet > TAIL_PACKED_AGAIN ? quiet : TAIL_PACKED_AGAIN);
    return TAIL_STEP_HELD;
}

static enum tail_step measure(struct tail *t, struct tail_file *f)
{
    struct err e = {.msg = ""};
    uint64_t size;
    enum packed_answer answer = packed_measure(f->packed, f->fd, f->stored, &size, &e);

    if (answer == PACKED_AGAIN || answer == PACKED_LATER)
        return TAIL_STEP_MORE;
    if (answer != PACKED_DONE)
        return wait_for_the_rest(t, f, answer, &e);
    f->size = size;
    f->measured = true;
    f->grown = t->now;
    return TAIL_STEP_READ;
}

bool tail_unpack_seek(const struct tail_file *f, uint64_t at)
{
    struct err ignored; /* should it be damaged, who reads it will know */
    enum packed_answer answer = f->packed ? packed_seek(f->packed, f->fd, at, &ignored) : PACKED_DONE;

    return answer != PACKED_AGAIN && answer != PACKED_LATER;
}

/* It gives its turn to the next one, as that may want less. With --once there is no tick. */
enum tail_step tail_unpack_wait(struct tail *t, struct tail_file *f)
{
    if (log_due(&t->window_log, t->now, TAIL_LOG_PERIOD))
        log_info("compressed file waits for memory that others are unpacked in", KS("stream", t->env.stream),
                 KS("path", f->path), KU("more_since_last", t->window_log.suppressed),
                 KS("hint", "raise limits.memory: zstd windows above 8 MiB have a quarter of it, all together"));
    if (t->env.once)
        return TAIL_STEP_BLOCKED;
    f->due = t->now + TAIL_PACKED_AGAIN;
    return TAIL_STEP_HELD;
}

/* --- a step -------------------------------------------------------------------------------------------------------- */

/* Open, measured or not, and as `st` says. What is looked at first is unpacked before anybody looks: without the memory for it, it would be taken for
 * something else. */
static enum tail_step begin(struct tail *t, struct tail_file *f, const struct tail_stat *st)
{
    enum tail_step step = TAIL_STEP_READ;
    uint64_t at;

    f->waits_for_turn = false;
    if (was_read(f, st)) {
        f->size = f->read.offset;
        tail_files_close(&t->files, f);
        return TAIL_STEP_END;
    }
    if (f->spoiled > 0 && f->spoiled == st->size && f->spoiled_modified == st->modified) {
        tail_files_close(&t->files, f);
        return TAIL_STEP_END;
    }
    if (t->now >= f->again && has_changed(f, st) && !t->env.once) /* somebody writes to it: not before he has rested */
        f->again = t->now + TAIL_PACKED_AGAIN;
    if (f->measured && !f->fresh && f->read.offset == f->size)
        return TAIL_STEP_END; /* it is woken when all is safe */
    f->due = f->again;
    if (t->now < f->again)
        return TAIL_STEP_HELD;
    f->waits_for_turn = !take_turn(t, f);
    f->due = NSEC_NEVER;
    if (f->waits_for_turn)
        return TAIL_STEP_HELD;
    f->flush = true; /* what is compressed does not grow */
    if (!f->measured)
        step = measure(t, f);
    if (step != TAIL_STEP_READ || f->compare.begun) /* that looks after itself */
        return step;
    at = f->fresh ? 0 : f->read.offset - f->read.mark.length;
    return tail_unpack_seek(f, at + 1) ? TAIL_STEP_READ : TAIL_STEP_MORE;
}

int tail_unpack_begin(struct tail *t, struct tail_file *f, enum tail_step *step)
{
    struct tail_stat st;
    int rc = tail_files_open(&t->files, f);

    if (rc == 0)
        rc = tail_stat_fd(f->fd, &st);
    if (rc != 0) {
        tail_unpack_rest(t, f);
        return rc;
    }
    if (st.deleted)
        tail_set_gone(t, f, true);
    *step = begin(t, f, &st);
    return 0;
}
