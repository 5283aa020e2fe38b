/* stdin.c -- the input that reads standard input, a pipe or a file, to its end: `cmd | sluice run --once -c ...`.
 *
 * A pipe cannot be read again. So what was read stays here until the spool says it is safe, and a write that failed is
 * offered again. There are two buffers: `out` is on its way to safety, `data` fills up meanwhile, so the next frame is
 * as large as the time of one commit made it. There is no position: when sluice is killed, what it had taken from the
 * pipe and not yet made safe (at most two buffers) is lost, as with any pipe.
 *
 * Back-pressure is not reading: the buffers fill up, then the pipe, then its writer waits. */
#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/lines.h"
#include "pipeline/inputs/loop_group.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct input {
    struct input_env env;
    struct loop_group group;
    struct spool_wait wait;

    struct buf data, out;
    struct lines_cut cut; /* what `out` is, when it is not empty */
    bool begun;           /* what stands before the first line was looked at */
    bool in_flight, mid_line, ended, told_finished, stopped;
    nsec held; /* since when nothing goes in; 0: it does */

    bool is_file;   /* always readable, and the system reports no events for it */
    int flags;      /* of the descriptor, as they were: libuv makes it non-blocking */
    uv_poll_t poll; /* of a pipe or terminal */
    uv_idle_t turn; /* of a file */
    uv_timer_t again;
    bool safe;               /* the outcome of what was in flight: the committer's until it has told, then the loop's */
    uint64_t records, bytes; /* in flight */
};

static void keep_reading(struct input *in);

/* --- to the spool ------------------------------------------------------------------------------------------------ */

/* On the committer thread. One frame at a time is in flight. */
static void frame_done(struct spool_wait *wait, bool safe)
{
    struct input *in = CONTAINER_OF(wait, struct input, wait);

    in->safe = safe;
    loop_group_tell(&in->group);
}

static bool offer(struct input *in)
{
    struct frame *fr = frame_new(in->cut.bytes + 1, clock_wall(), in->env.budget);
    bool whole = in->cut.kind == LINES_WHOLE, fits = true;
    enum spool_answer answer;
    size_t room;

    if (!fr) {
        pushback_wait(in->env.pushback, PUSHBACK_MEMORY, &in->held, clock_mono());
        return false;
    }
    memcpy(frame_space(fr, &room), in->out.p, in->cut.bytes);
    if (whole)
        frame_wrote_lines(fr, in->cut.bytes);
    else
        fits = frame_wrote_record(fr, in->cut.bytes);
    assert(fits); /* the frame was made for it */
    frame_set_origin(fr, SLICE("input=stdin"));
    in->records = frame_count(fr);
    in->bytes = frame_bytes(fr) - in->records; /* each has a newline */
    answer = spool_append(in->env.spool, &fr, &in->wait);
    frame_free(&fr);
    in->held = 0;
    if (answer != SPOOL_TAKEN)
        pushback_note(in->env.pushback, answer == SPOOL_FULL ? PUSHBACK_LIMIT : PUSHBACK_DISK, clock_mono());
    return answer == SPOOL_TAKEN;
}

/* A piece was all of its line but the newline: that makes no record. */
static void swallow_newline(struct input *in)
{
    if (!in->mid_line || in->data.n == 0 || in->data.p[0] != '\n')
        return;
    in->mid_line = false;
    memmove(in->data.p, in->data.p + 1, --in->data.n);
}

static void note_split(struct input *in)
{
    if (in->mid_line)
        return; /* the same line, cut again */
    metrics_add(in->env.metrics, METRIC_INPUT_SPLIT_LINES, 1);
    log_warn("line is longer than a record may be: split into several records", KS("stream", in->env.stream),
             KS("input", "stdin"), KU("record_max_bytes", LINE_MAX_BYTES));
}

/* A byte order mark is no part of the first line. False: it may come yet. */
static bool begin(struct input *in)
{
    struct slice mark = SLICE("\xef\xbb\xbf"), data = buf_slice(&in->data);

    if (in->begun)
        return true;
    if (data.n < mark.n && slice_starts(mark, data) && !in->ended)
        return false;
    in->begun = true;
    if (slice_starts(data, mark)) {
        in->data.n -= mark.n;
        memmove(in->data.p, in->data.p + mark.n, in->data.n);
    } else if (slice_starts(data, SLICE("\xff\xfe")) || slice_starts(data, SLICE("\xfe\xff"))) {
        log_warn("stdin looks like UTF-16, and its lines are cut as if it were UTF-8", KS("stream", in->env.stream),
                 KS("hint", "convert it on the way: iconv -f UTF-16 -t UTF-8 | sluice run --once"));
    }
    return true;
}

/* Moves what is complete in `data` to the empty `out`. */
static void cut_data(struct input *in)
{
    struct buf full;
    int rc;

    if (!begin(in))
        return;
    swallow_newline(in);
    in->cut = lines_cut(buf_slice(&in->data), in->ended);
    if (in->cut.kind == LINES_NONE)
        return;
    if (in->cut.kind == LINES_PIECE)
        note_split(in);
    in->mid_line = in->cut.kind == LINES_PIECE;
    full = in->data;
    in->data = in->out;
    in->out = full;
    rc = buf_add(&in->data, full.p + in->cut.bytes, full.n - in->cut.bytes);
    assert(rc == 0); /* both have the same maximum */
    in->out.n = in->cut.bytes;
}

static void tell_finished(struct input *in)
{
    if (!in->ended || in->told_finished || in->data.n > 0 || in->out.n > 0)
        return;
    in->told_finished = true;
    log_info("stdin has ended", KS("stream", in->env.stream));
    if (in->env.once && in->env.finished)
        in->env.finished(in->env.ctx);
}

static void try_again(uv_timer_t *timer);

/* Offers what is complete, unless a frame is still on its way. */
static void push(struct input *in)
{
    if (in->in_flight || in->stopped)
        return;
    if (in->out.n == 0)
        cut_data(in);
    if (in->out.n > 0) {
        in->in_flight = offer(in);
        if (!in->in_flight)
            uv_timer_start(&in->again, try_again, STDIN_AGAIN_MS, 0);
    }
    keep_reading(in);
    tell_finished(in);
}

static void try_again(uv_timer_t *timer)
{
    push(timer->data);
}

static void settled(void *arg)
{
    struct input *in = arg;

    in->in_flight = false;
    if (in->safe) {
        input_health_add(in->env.health, INPUT_RECORDS, in->records);
        input_health_add(in->env.health, INPUT_BYTES, in->bytes);
        buf_clear(&in->out);
        push(in);
    } else if (!in->stopped) {
        uv_timer_start(&in->again, try_again, STDIN_AGAIN_MS, 0);
    }
}

/* --- from stdin -------------------------------------------------------------------------------------------------- */

static void stop_reading(struct input *in)
{
    if (in->is_file)
        uv_idle_stop(&in->turn);
    else
        uv_poll_stop(&in->poll);
}

/* One read. False: nothing more for now. */
static bool read_some(struct input *in)
{
    size_t room = LINES_READ_MAX - in->data.n, want = room < STDIN_READ_BYTES ? room : STDIN_READ_BYTES;
    ssize_t n;

    if (want == 0 || buf_reserve(&in->data, want) < 0) {
        stop_reading(in); /* goes on when the other buffer is free */
        return false;
    }
    loop_works(in->env.loop, in->env.stream, "stdin", "read", "standard input");
    n = read(STDIN_FILENO, in->data.p + in->data.n, want);
    loop_rests(in->env.loop);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n > 0) {
        in->data.n += (size_t)n;
        return true;
    }
    if (n < 0) {
        input_health_error(in->env.health, strerror(errno), "what writes into the pipe may tell more", clock_mono());
        log_error("stdin cannot be read any more", KS("stream", in->env.stream), KS("cause", strerror(errno)));
    }
    in->ended = true;
    stop_reading(in);
    return false;
}

static void read_turn(struct input *in)
{
    for (size_t i = 0; i < LINES_READ_MAX / STDIN_READ_BYTES; i++)
        if (!read_some(in))
            break;
    push(in);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an error shows in read() */
    (void)events;
    read_turn(poll->data);
}

static void on_turn(uv_idle_t *turn)
{
    read_turn(turn->data);
}

static void keep_reading(struct input *in)
{
    if (in->ended || in->stopped || in->data.n >= LINES_READ_MAX)
        return;
    if (in->is_file)
        uv_idle_start(&in->turn, on_turn);
    else
        uv_poll_start(&in->poll, UV_READABLE | UV_DISCONNECT, on_readable);
}

/* --- start and stop ---------------------------------------------------------------------------------------------- */

struct starting {
    struct input *in;
    int rc;
};

/* The system reports no events for regular files and /dev/null: EPERM. */
static void start_on_loop(void *arg)
{
    struct starting *s = arg;
    struct input *in = s->in;
    uv_loop_t *uv = loop_uv(in->env.loop);

    in->flags = fcntl(STDIN_FILENO, F_GETFL);
    s->rc = in->flags < 0 ? UV_EBADF : uv_poll_init(uv, &in->poll, STDIN_FILENO);
    in->is_file = s->rc == UV_EPERM;
    if (s->rc < 0 && !in->is_file)
        return;
    s->rc = 0;
    if (!in->is_file)
        loop_group_add(&in->group, (uv_handle_t *)&in->poll);
    uv_idle_init(uv, &in->turn);
    loop_group_add(&in->group, (uv_handle_t *)&in->turn);
    uv_timer_init(uv, &in->again);
    loop_group_add(&in->group, (uv_handle_t *)&in->again);
    keep_reading(in);
}

static void stop_on_loop(void *arg)
{
    struct input *in = arg;

    in->stopped = true;
    if (in->data.n > 0 || (in->out.n > 0 && !in->in_flight))
        log_warn("stopped in the middle of stdin: what was read and not yet taken by the spool is lost",
                 KS("stream", in->env.stream), KU("bytes", in->data.n + (in->in_flight ? 0 : in->out.n)));
    if (!in->is_file) {
        uv_poll_stop(&in->poll);
        fcntl(STDIN_FILENO, F_SETFL, in->flags);
    }
}

static int stdin_start(struct input *in, struct err *e)
{
    struct starting s = {.in = in};

    loop_call(in->env.loop, start_on_loop, &s);
    if (s.rc == UV_EEXIST)
        return err_set(e, ERR_CONFIG, "stdin can be the input of one stream only");
    if (s.rc < 0)
        return err_set(e, ERR_IO, "stdin: %s", uv_strerror(s.rc));
    return 0;
}

static void stdin_stop(struct input *in)
{
    loop_group_stop(&in->group, stop_on_loop);
}

static bool stdin_left(struct input *in, nsec until)
{
    return loop_group_left(&in->group, until);
}

static void stdin_close(struct input **in)
{
    if (!*in)
        return;
    buf_release(&(*in)->data);
    buf_release(&(*in)->out);
    loop_group_release(&(*in)->group);
    MEM_CLEAR(*in);
}

static int stdin_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    (void)conf;
    (void)e;
    in->env = *env;
    in->wait.done = frame_done;
    buf_init(&in->data, LINES_READ_MAX);
    buf_init(&in->out, LINES_READ_MAX);
    loop_group_init(&in->group, env->loop, settled, in);
    *out = in;
    return 0;
}

static const struct cfg_field fields[] = {{.name = NULL}};

const struct input_ops stdin_ops = {
    .name = "stdin",
    .help = "reads standard input to its end; every line is a record. A pipe cannot be read again: for input that "
            "must survive a crash of sluice use tail",
    .fields = fields,
    .conf_size = 0,
    .finite = true,
    .single = true,
    .loop = true,
    .open = stdin_open,
    .start = stdin_start,
    .stop = stdin_stop,
    .stopped = stdin_left,
    .close = stdin_close,
};
