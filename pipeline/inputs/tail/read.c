/* One step: read from the file straight into a frame, cut behind the last '\n', hand the frame to the spool together
 * with the position. What lies behind the cut is read again in the next step; nothing is kept.
 * Whether the file is still the one that was read is found out by the same call (verify.c). */
#include "pipeline/inputs/tail/tail.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/lines.h"
#include "pipeline/inputs/tail/packed.h"
#include "pipeline/inputs/tail/utf16.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

/* --- safety ------------------------------------------------------------------------------------------------------ */

/* On the committer thread. */
static void write_done(struct spool_wait *wait, bool safe)
{
    struct tail_write *w = CONTAINER_OF(wait, struct tail_write, wait);
    struct tail *t = w->t;

    if (!safe)
        atomic_fetch_add(&t->refused, 1);
    pthread_mutex_lock(&t->lock);
    w->safe = safe;
    STAILQ_INSERT_TAIL(&t->done, w, link);
    pthread_mutex_unlock(&t->lock);
    loop_group_tell(&t->group);
}

/* Writes of a file are settled in order; after the first failure the rest of what was on its way fails too. Only then
 * the file goes back, so that nothing is read twice. */
static void settle(struct tail *t, struct tail_write *w)
{
    struct tail_file *f = w->f;

    f->in_flight--;
    t->in_flight--;
    if (!w->safe) {
        atomic_fetch_sub(&t->refused, 1);
    } else {
        input_health_add(t->env.health, INPUT_RECORDS, w->records);
        input_health_add(t->env.health, INPUT_BYTES, w->bytes);
    }
    if (w->safe && !f->refused)
        f->safe = w->after;
    else if (!w->safe)
        f->refused = true;
    if (f->in_flight == 0 && f->is_packed && f->read.offset == f->size)
        tail_wake(t, f); /* all of it is safe */
    if (f->in_flight == 0 && (f->refused || f->rewritten)) {
        if (f->refused)
            f->read = f->safe;
        f->refused = f->rewritten = false;
        tail_wake(t, f);
        tail_wake_held(t); /* its copy may be among them */
    }
    STAILQ_INSERT_HEAD(&t->free_writes, w, link);
}

void tail_writes_settle(struct tail *t)
{
    struct tail_writes done = STAILQ_HEAD_INITIALIZER(done);
    struct tail_write *w;

    pthread_mutex_lock(&t->lock);
    STAILQ_CONCAT(&done, &t->done);
    pthread_mutex_unlock(&t->lock);
    while ((w = STAILQ_FIRST(&done))) {
        STAILQ_REMOVE_HEAD(&done, link);
        settle(t, w);
    }
}

void tail_writes_init(struct tail *t)
{
    STAILQ_INIT(&t->free_writes);
    STAILQ_INIT(&t->done);
    for (size_t i = 0; i < TAIL_WRITES; i++) {
        t->writes[i] = (struct tail_write){.wait = {.done = write_done}, .t = t};
        STAILQ_INSERT_HEAD(&t->free_writes, &t->writes[i], link);
    }
}

/* A line that was delivered without its end got that end, and nothing before it: that is no record. False: read on as
 * usual. */
static bool swallow_newline(const struct tail *t, struct tail_file *f)
{
    enum tail_encoding e = tail_encoding_of(t, f);
    char before[TAIL_MARK_BYTES], end[2];
    ssize_t n = tail_is_utf16(e) ? 2 : 1;
    int error = 0;

    if (!f->read.mid_line || tail_read_at(f, before, end, (size_t)n, &error) != n)
        return false;
    if (n == 1 ? end[0] != '\n' : !utf16_is_newline(end, e == TAIL_UTF16BE))
        return false;
    tail_place_advance(&f->read, slice_of(before, f->read.mark.length), slice_of(end, (size_t)n));
    f->read.mid_line = false;
    return true;
}

/* --- one step ---------------------------------------------------------------------------------------------------- */

static void describe(struct frame *fr, const struct tail_file *f, const struct tail_place *after)
{
    char source[POSITION_SOURCE_MAX], cursor[POSITION_CURSOR_MAX], origin[POSITION_CURSOR_MAX];
    struct tail_cursor c = {*after, slice_str(f->path), slice_str(f->where)};
    int n = snprintf(origin, sizeof(origin), "input=tail path=%s", f->path);

    frame_set_position(fr, slice_str(tail_id_source(&f->name, source)), tail_cursor_encode(&c, cursor));
    frame_set_origin(fr, slice_of(origin, n < (int)sizeof(origin) ? (size_t)n : sizeof(origin) - 1));
}

/* True: the spool has it, and *fr is NULL. */
static bool append(struct tail *t, struct tail_file *f, struct frame **fr, const struct tail_place *after)
{
    struct tail_write *w = STAILQ_FIRST(&t->free_writes);
    enum spool_answer answer;

    STAILQ_REMOVE_HEAD(&t->free_writes, link);
    w->f = f;
    w->after = *after;
    w->records = frame_count(*fr);
    w->bytes = frame_bytes(*fr) - w->records; /* each has a newline */
    answer = spool_append(t->env.spool, fr, &w->wait);
    t->held = 0;
    if (answer != SPOOL_TAKEN) {
        pushback_note(t->env.pushback, answer == SPOOL_FULL ? PUSHBACK_LIMIT : PUSHBACK_DISK, t->now);
        STAILQ_INSERT_HEAD(&t->free_writes, w, link);
        return false;
    }
    f->in_flight++;
    t->in_flight++;
    return true;
}

static void tell_split(struct tail *t, const struct tail_file *f)
{
    metrics_add(t->env.metrics, METRIC_INPUT_SPLIT_LINES, 1);
    if (log_due(&t->split_log, t->now, TAIL_LOG_PERIOD))
        log_warn("line is longer than a record may be: split into several records", KS("stream", t->env.stream),
                 KS("path", f->path), KU("offset", f->read.offset), KU("record_max_bytes", LINE_MAX_BYTES),
                 KU("more_since_last", t->split_log.suppressed));
}

/* Appends what `cut` says is in the frame's space. It came of the bytes `in` of the file. */
static enum tail_step take(struct tail *t, struct tail_file *f, struct frame **fr, struct slice before, struct slice in,
                           struct lines_cut cut)
{
    struct tail_place after = f->read;
    bool whole = cut.kind == LINES_WHOLE, fits = true;

    if (whole)
        frame_wrote_lines(*fr, cut.bytes);
    else
        fits = frame_wrote_record(*fr, cut.bytes);
    assert(fits); /* the frame was made for it */
    tail_place_advance(&after, before, in);
    after.mid_line = !whole;
    describe(*fr, f, &after);
    if (f->read.offset == 0)
        tail_note_head(f, in);
    if (f->size - after.offset < TAIL_READ_BYTES) /* else what comes next is more recent */
        tail_recent_note(t, f, in);               /* now: the frame is given away */
    if (!append(t, f, fr, &after))
        return TAIL_STEP_BLOCKED;
    if (cut.kind == LINES_PIECE && !f->read.mid_line) /* else the same line, cut again */
        tell_split(t, f);
    f->read = after;
    f->flush = f->flush && cut.kind != LINES_REST;
    return f->read.offset < f->size ? TAIL_STEP_MORE : TAIL_STEP_END;
}

/* In front of a hole a line goes on when there is nothing behind it yet. */
static bool is_last(const struct tail_file *f, const struct tail_hole *h, size_t got)
{
    return h->found ? h->ends || f->flush : f->flush && f->read.offset + got >= f->size;
}

/* No record is in what was read. If its last line is to be one all the same, either the file shrank while we read, or more of it must be
 * read at once. */
static enum tail_step nothing_yet(const struct tail_file *f, const struct tail_hole *h, size_t want, size_t got)
{
    if (h->found)
        return TAIL_STEP_WAIT;
    return f->flush && (got < want || got == 0) ? TAIL_STEP_MORE : TAIL_STEP_WAIT;
}

/* What is compressed may wait for its window (tail_unpack_wait()). */
static enum tail_step read_failed(struct tail *t, struct tail_file *f, int error)
{
    if (f->packed && packed_waits(f->packed))
        return TAIL_STEP_MORE;
    tail_fail(t, f, "read", error);
    return TAIL_STEP_FAILED;
}

static enum tail_step read_into(struct tail *t, struct tail_file *f, struct frame **fr, size_t want)
{
    char before[TAIL_MARK_BYTES];
    size_t room;
    char *to = frame_space(*fr, &room);
    int error = 0;
    ssize_t got;
    struct lines_cut cut;
    struct tail_hole hole;

    assert(room > want); /* one more for the '\n' behind a piece */
    got = tail_read_at(f, before, to, want, &error);
    if (error != 0)
        return read_failed(t, f, error);
    if (got < 0)
        return tail_start_over(t, f);
    hole = tail_find_hole(f, slice_of(to, (size_t)got), false);
    if (hole.found && hole.at == 0)
        return tail_pass_hole(t, f, slice_of(before, f->read.mark.length), &hole);
    cut = lines_cut(slice_of(to, hole.at), is_last(f, &hole, (size_t)got));
    if (cut.kind == LINES_NONE)
        return nothing_yet(f, &hole, want, (size_t)got);
    return take(t, f, fr, slice_of(before, f->read.mark.length), slice_of(to, cut.bytes), cut);
}

static enum tail_step open_failed(struct tail *t, struct tail_file *f, int error)
{
    if (!tail_is_elsewhere(t, error)) {
        tail_fail(t, f, "open", error);
        return TAIL_STEP_FAILED;
    }
    tail_look_soon(t);
    return TAIL_STEP_END;
}

static enum tail_step read_some(struct tail *t, struct tail_file *f, uint64_t want)
{
    struct frame *fr = frame_new((size_t)want + 1, clock_wall(), t->env.budget);
    enum tail_step step;

    if (!fr) {
        pushback_wait(t->env.pushback, PUSHBACK_MEMORY, &t->held, t->now);
        return TAIL_STEP_BLOCKED;
    }
    step = read_into(t, f, &fr, (size_t)want);
    frame_free(&fr);
    return step;
}

static enum tail_step read_utf16_into(struct tail *t, struct tail_file *f, struct frame **fr, char *raw, size_t want)
{
    char before[TAIL_MARK_BYTES], *to;
    int error = 0;
    ssize_t got = tail_read_at(f, before, raw, want, &error);
    struct utf16_cut cut;
    enum utf16_end end;
    struct tail_hole hole;
    size_t room;

    if (error != 0)
        return read_failed(t, f, error);
    if (got < 0)
        return tail_start_over(t, f);
    hole = tail_find_hole(f, slice_of(raw, (size_t)got), true);
    if (hole.found && hole.at == 0)
        return tail_pass_hole(t, f, slice_of(before, f->read.mark.length), &hole);
    end = !is_last(f, &hole, (size_t)got)          ? UTF16_GOES_ON
          : hole.ends                              ? UTF16_ENDS
          : t->env.once || f->gone || f->is_packed ? UTF16_ENDS
                                                   : UTF16_RESTS;
    to = frame_space(*fr, &room);
    cut = utf16_lines(slice_of(raw, hole.at), tail_encoding_of(t, f) == TAIL_UTF16BE, end, to);
    assert(room > cut.out);
    if (cut.kind == LINES_NONE && end == UTF16_RESTS) /* half a character */
        f->flush = false;
    if (cut.kind == LINES_NONE)
        return nothing_yet(f, &hole, want, (size_t)got);
    return take(t, f, fr, slice_of(before, f->read.mark.length), slice_of(raw, cut.in),
                (struct lines_cut){cut.kind, cut.out});
}

/* What is read must be converted, so it has a place of its own. */
static enum tail_step read_utf16(struct tail *t, struct tail_file *f, uint64_t want)
{
    bool fits = !t->env.budget || budget_take(t->env.budget, (size_t)want);
    struct frame *fr = fits ? frame_new(utf16_room((size_t)want) + 1, clock_wall(), t->env.budget) : NULL;
    enum tail_step step = TAIL_STEP_BLOCKED;
    char *raw;

    if (fr) {
        raw = mem_alloc((size_t)want);
        step = read_utf16_into(t, f, &fr, raw, (size_t)want);
        mem_free(raw);
    } else {
        pushback_wait(t->env.pushback, PUSHBACK_MEMORY, &t->held, t->now);
    }
    frame_free(&fr);
    if (fits && t->env.budget)
        budget_give(t->env.budget, (size_t)want);
    return step;
}

/* --- records that are not simply lines ----------------------------------------------------------------------------- */

static char *space(void *ctx, size_t *room)
{
    return frame_space(ctx, room);
}

static bool wrote(void *ctx, size_t n, struct slice facts)
{
    return frame_wrote_message(ctx, n, facts);
}

static void tell_shaped(struct tail *t, struct tail_file *f, const struct shape_out *out)
{
    uint64_t gave_up = t->multiline ? multiline_gave_up(t->multiline) : 0;

    if (out->split > 0 && !(f->read.mid_line && out->records == 1)) /* else the same line, cut again */
        tell_split(t, f);
    if (out->cut > 0) {
        metrics_add(t->env.metrics, METRIC_INPUT_SPLIT_LINES, out->cut);
        if (log_due(&t->cut_log, t->now, TAIL_LOG_PERIOD))
            log_warn("record of several lines is longer than a record may be, or is never at its end: it is cut",
                     KS("stream", t->env.stream), KS("path", f->path), KU("offset", f->read.offset),
                     KU("record_max_bytes", LINE_MAX_BYTES), KU("more_since_last", t->cut_log.suppressed),
                     KS("hint", "see whether `multiline` fits what is in the file"));
    }
    if (out->bare > 0 && log_due(&t->bare_log, t->now, TAIL_LOG_PERIOD))
        log_warn("record goes without the fields of add_fields: with them it would be longer than a record may be",
                 KS("stream", t->env.stream), KS("path", f->path), KU("offset", f->read.offset),
                 KU("record_max_bytes", LINE_MAX_BYTES), KU("more_since_last", t->bare_log.suppressed));
    if (gave_up > t->gave_up && log_due(&t->gave_up_log, t->now, TAIL_LOG_PERIOD)) {
        log_warn("a pattern of `multiline` takes too long for some lines: it has found nothing there",
                 KS("stream", t->env.stream), KS("path", f->path), KU("lines", gave_up - t->gave_up),
                 KS("hint", "begin it with ^, and put no repetition into another one"));
        t->gave_up = gave_up;
    }
}

/* As take(), of records that are in the frame. */
static enum tail_step take_shaped(struct tail *t, struct tail_file *f, struct frame **fr, struct slice before,
                                  struct slice raw, const struct shape_out *out)
{
    size_t base = out->next[0] < out->next[1] ? out->next[0] : out->next[1];
    struct tail_place after = f->read;

    tail_place_advance(&after, before, slice_of(raw.p, base));
    if (base > 0)
        after.mid_line = out->mid_line;
    for (size_t i = 0; i < TAIL_STREAMS; i++)
        if (out->next[i] > base)
            tail_place_set_ahead(&after, i, slice_of(raw.p + base, out->next[i] - base));
    describe(*fr, f, &after);
    if (base > 0 && f->read.offset == 0)
        tail_note_head(f, slice_of(raw.p, base));
    if (base > 0 && f->size - after.offset < TAIL_READ_BYTES)
        tail_recent_note(t, f, slice_of(raw.p, base));
    if (!append(t, f, fr, &after))
        return TAIL_STEP_BLOCKED;
    tell_shaped(t, f, out);
    f->read = after;
    return f->read.offset < f->size ? TAIL_STEP_MORE : TAIL_STEP_END;
}

static enum shape_end end_of(const struct tail *t, const struct tail_file *f, const struct tail_hole *h, size_t got)
{
    if (h->ends)
        return SHAPE_ENDS;
    if (!h->found && f->read.offset + got < f->size)
        return SHAPE_GOES_ON;
    if (t->stopping)
        return f->gone || f->is_packed ? SHAPE_ENDS : SHAPE_PAUSES;
    if (!f->flush)
        return SHAPE_GOES_ON;
    return t->env.once || f->gone || f->is_packed ? SHAPE_ENDS : SHAPE_RESTS;
}

static bool ends_whole(struct slice raw, enum tail_encoding e)
{
    return raw.n > 0 && tail_whole_lines(raw, e) == raw.n;
}

/* *small: the first record does not fit into the frame. */
static enum tail_step read_shaped_into(struct tail *t, struct tail_file *f, struct frame **fr, char *raw, size_t want,
                                       bool *small)
{
    struct shape_in in = {.encoding = tail_encoding_of(t, f)};
    const struct shape_sink sink = {space, wrote, *fr};
    char before[TAIL_MARK_BYTES];
    struct shape_out out;
    struct tail_hole hole;
    int error = 0;
    ssize_t got = tail_read_at(f, before, raw, want, &error);

    *small = false;
    if (error != 0)
        return read_failed(t, f, error);
    if (got < 0 || !tail_place_has_ahead(&f->read, slice_of(raw, (size_t)got)))
        return tail_start_over(t, f);
    hole = tail_find_hole(f, slice_of(raw, (size_t)got), tail_is_utf16(in.encoding));
    if (hole.found && hole.at == 0)
        return tail_pass_hole(t, f, slice_of(before, f->read.mark.length), &hole);
    in.bytes = slice_of(raw, hole.at);
    in.end = end_of(t, f, &hole, (size_t)got);
    in.most = want >= LINES_READ_MAX && !hole.found; /* what stands in front of a hole goes on when that is filled */
    in.ahead[f->read.ahead_stream] = f->read.ahead;
    shape_set_file(t->shape, f->path);
    out = shape_run(t->shape, &in, &sink);
    *small = out.full && out.records == 0;
    if (*small)
        return TAIL_STEP_BLOCKED;
    f->whole = ends_whole(in.bytes, in.encoding);
    if (in.end == SHAPE_RESTS && !out.full)
        f->flush = false; /* what is left is half a character */
    if (out.records == 0)
        return nothing_yet(f, &hole, want, (size_t)got);
    return take_shaped(t, f, fr, slice_of(before, f->read.mark.length), in.bytes, &out);
}

/* What so many bytes mostly become, at most. */
static size_t shaped_room(const struct tail *t, const struct tail_file *f, size_t want)
{
    size_t grown = t->conf->add_fields.n > 0 || tail_encoding_of(t, f) != TAIL_UTF8 ? 2 * want + 4 * KIB : want + 1;

    return grown < FRAME_MAX_BYTES ? grown : FRAME_MAX_BYTES;
}

/* What is read is looked at line by line, so it has a place of its own; what it goes through is no more than it. */
static enum tail_step read_shaped(struct tail *t, struct tail_file *f, uint64_t want)
{
    bool fits = !t->env.budget || budget_take(t->env.budget, 2 * (size_t)want), small = true;
    char *raw = fits ? mem_grow(NULL, (size_t)want, 1) : NULL;
    enum tail_step step = TAIL_STEP_BLOCKED;
    size_t room = shaped_room(t, f, (size_t)want);

    while (fits && small) {
        struct frame *fr = frame_new(room, clock_wall(), t->env.budget);

        if (!fr)
            break;
        step = read_shaped_into(t, f, &fr, raw, (size_t)want, &small);
        frame_free(&fr);
        assert(!small || room < FRAME_MAX_BYTES);
        room = FRAME_MAX_BYTES;
    }
    if (small) {
        step = TAIL_STEP_BLOCKED;
        pushback_wait(t->env.pushback, PUSHBACK_MEMORY, &t->held, t->now);
    }
    mem_free(raw);
    if (fits && t->env.budget)
        budget_give(t->env.budget, 2 * (size_t)want);
    return step;
}

/* --- a step ---------------------------------------------------------------------------------------------------------- */

static enum tail_step read_lines(struct tail *t, struct tail_file *f)
{
    bool utf16 = tail_is_utf16(tail_encoding_of(t, f));
    enum tail_step (*read)(struct tail * t, struct tail_file * f, uint64_t want) = t->shape ? read_shaped
                                                                                   : utf16  ? read_utf16
                                                                                            : read_some;
    uint64_t left = f->size - f->read.offset, most = utf16 && !t->shape ? UTF16_READ_MAX : LINES_READ_MAX;
    uint64_t first = TAIL_READ_BYTES + (t->shape ? f->read.ahead : 0); /* what is ahead is looked at once more */
    enum tail_step step;

    first = first < most ? first : most;
    f->whole = false;
    step = read(t, f, left < first ? left : first);
    if (step == TAIL_STEP_WAIT && left > first) /* a long line */
        step = read(t, f, left < most ? left : most);
    return step;
}

static enum tail_step read_on(struct tail *t, struct tail_file *f)
{
    enum tail_step step;
    bool rewritten = false;
    int rc;

    f->hollow = false;
    rc = tail_refresh(t, f, &rewritten);
    if (rc != 0)
        return open_failed(t, f, rc);
    if (f->size < (f->read.offset > 0 ? f->read.offset : f->judged.length))
        return tail_start_over(t, f);
    if (f->fresh && f->size > 0)
        return tail_judge(t, f);
    if (f->size == f->read.offset)
        return f->is_packed ? TAIL_STEP_END : tail_verify_end(t, f, rewritten);
    if (f->read.mark.length == 0 && tail_begin(t, f, &step))
        return step;
    if (f->read.encoding == TAIL_AUTO)
        f->read.encoding = f->safe.encoding = tail_learn_encoding(t, f);
    if (swallow_newline(t, f) && f->size == f->read.offset)
        return TAIL_STEP_END;
    return read_lines(t, f);
}

enum tail_step tail_read(struct tail *t, struct tail_file *f)
{
    enum tail_step step;
    int rc;

    if (f->refused || f->rewritten)
        return TAIL_STEP_END; /* woken again once it is settled */
    if (STAILQ_EMPTY(&t->free_writes) || atomic_load(&t->refused) > 0) {
        pushback_wait(t->env.pushback, PUSHBACK_DISK, &t->held, t->now);
        return TAIL_STEP_BLOCKED;
    }
    if (!f->is_packed)
        return read_on(t, f);
    rc = tail_unpack_begin(t, f, &step);
    if (rc != 0)
        return open_failed(t, f, rc);
    if (step == TAIL_STEP_READ)
        step = read_on(t, f);
    if (step == TAIL_STEP_MORE && f->packed && packed_waits(f->packed))
        step = tail_unpack_wait(t, f);
    if (step != TAIL_STEP_MORE && step != TAIL_STEP_BLOCKED)
        tail_unpack_rest(t, f);
    return step;
}
