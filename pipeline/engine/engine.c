/* The order in which the parts begin and end, and nothing else. Begin: from the back to the front, so that whoever
 * takes records in has somewhere to put them: committer, workers and delivery thread, then the streams with what
 * their spools hold, then inputs and listeners. End: inputs first, so that nothing new comes; then deliveries, within the
 * grace time; then the threads, each after those that use it. Nothing needs the end: a process that is killed
 * leaves the same spool. */
#include "pipeline/engine/engine.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/base/version.h"
#include "pipeline/engine/data_dir.h"
#include "pipeline/engine/impl.h"
#include "pipeline/engine/process_limits.h"

#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void waits_for(struct engine *en, const char *what)
{
    atomic_store(&en->waits_for, what);
}

/* --- start ---------------------------------------------------------------------------------------------------------
 */

/* Frames and bodies are made and freed all the time. Left to itself the allocator hands each back to the kernel and
 * asks for fresh, zeroed pages for the next: half of the CPU time of a busy stream. So freed memory is kept (what may
 * be in use at once is bounded by the budgets), and by two arenas only, because each keeps what it has to itself. */
static void prepare_process(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, ENGINE_MALLOC_KEEPS);
    mallopt(M_TRIM_THRESHOLD, ENGINE_MALLOC_KEEPS);
}

/* Streams that were renamed or taken out of the configuration, with records on board: once, at the start. */
static void warn_of_orphans(struct engine *en)
{
    if (en->settings->spools_only)
        return;
    orphans_find(en->settings, &en->orphans);
    for (size_t i = 0; i < en->orphans.count; i++) {
        const struct orphan *o = &en->orphans.list[i];
        char text[512];

        orphan_describe(o, text, sizeof(text));
        log_warn("a stream that is not in the configuration has records in data_dir", KS("stream", o->name),
                 KU("records", o->records), KS("cause", text), KS("hint", ORPHAN_HINT));
    }
}

/* All are ready before the first one works: a program that cannot start has taken and delivered nothing. And the last input works before
 * any is waited for: one that a disk keeps holds up nobody. */
static int start_streams(struct engine *en, struct err *e)
{
    struct engine_stream *es;

    for (size_t i = 0; i < en->settings->stream_count; i++)
        if (engine_add(en, &en->settings->streams[i], &es, e) < 0)
            return -1;
    for (size_t i = 0; i < en->settings->stream_count; i++)
        if (engine_want_listeners(en, &en->settings->streams[i], e) < 0)
            return -1;
    if (en->once && atomic_load(&en->unfinished) == 0 && !en->settings->spools_only)
        return err_set(e, ERR_CONFIG,
                       "nothing to read: --once needs a stream with an input that ends, such as tail, stdin or sqs "
                       "(docs/inputs.md)");
    TAILQ_FOREACH(es, &en->streams, link) /* nobody else knows them yet */
        if (stream_inputs_start(&es->standing, e) < 0 || stream_inputs_start(&es->inputs, e) < 0)
            return -1;
    TAILQ_FOREACH(es, &en->streams, link)
        engine_start_stream(en, es);
    listeners_start(&en->listeners);
    TAILQ_FOREACH(es, &en->streams, link)
        stream_inputs_go(&es->inputs);
    TAILQ_FOREACH(es, &en->streams, link)
        stream_inputs_await_begin(&es->inputs);
    return 0;
}

static int start_all(struct engine *en, struct err *e)
{
    struct delivery_tools tools;

    en->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (en->news < 0)
        return err_errno(e, "an eventfd cannot be made");
    engine_share_begin(en);
    en->agent = http_agent_new(&en->intake);
    if (data_dir_open(&en->data_dir, en->settings->data_dir, e) < 0 || committer_start(&en->committer, e) < 0 ||
        worker_pool_start(&en->workers, process_cores(), &en->cancel, e) < 0)
        return -1;
    en->senders = sender_pool_new();
    tools = (struct delivery_tools){
        .workers = en->workers, .senders = en->senders, .budget = &en->outgo, .tmp_dir = data_dir_tmp(en->data_dir)};
    if (delivery_loop_new(&en->loop, &tools, e) < 0 || delivery_loop_start(en->loop, e) < 0)
        return -1;
    warn_of_orphans(en);
    return start_streams(en, e);
}

static void pulse(struct loop_event *ev)
{
    (void)ev; /* that it ran is the news */
}

int engine_start(struct engine **out, const struct settings *s, bool once, struct err *e)
{
    struct engine *en = mem_alloc(sizeof(*en));

    prepare_process();
    loop_set_init(&en->loops);
    listeners_init(&en->listeners, &(struct listener_env){.base_dir = s->base_dir, .budget = &en->intake});
    en->settings = s;
    en->once = once;
    en->started = en->configured = clock_wall();
    en->news = -1;
    en->pulse.fn = pulse;
    pthread_mutex_init(&en->lock, NULL);
    pthread_mutex_init(&en->shares, NULL);
    thread_cond_init(&en->changed);
    TAILQ_INIT(&en->streams);
    waits_for(en, "the start");
    if (start_all(en, e) < 0) {
        engine_stop(&en);
        return -1;
    }
    *out = en;
    return 0;
}

/* --- run and drain -------------------------------------------------------------------------------------------------
 */

/* Waits for news or a wake, at most `wait_ms`. True: woken from outside. */
static bool wait_a_little(struct engine *en, int wake_fd, int wait_ms)
{
    struct pollfd fds[] = {{.fd = en->news, .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};
    uint64_t count;

    if (poll(fds, ARRAY_LEN(fds), wait_ms) <= 0)
        return false;
    if (fds[0].revents) {
        ssize_t taken = read(en->news, &count, sizeof(count));

        (void)taken; /* nothing in it: somebody was quicker */
    }
    return fds[1].revents != 0;
}

static void flush_all(struct engine *en)
{
    struct engine_stream *es;

    committer_barrier(en->committer);
    pthread_mutex_lock(&en->lock);
    TAILQ_FOREACH(es, &en->streams, link)
        if (es->state == STATE_OPEN)
            stream_flush(es->stream);
    pthread_mutex_unlock(&en->lock);
}

/* `ends`: what is paused is not waited for. */
static bool all_idle(struct engine *en, bool ends)
{
    const struct engine_stream *es;
    bool idle = true;

    pthread_mutex_lock(&en->lock);
    TAILQ_FOREACH(es, &en->streams, link)
        idle = idle && (!engine_sees(es) || es->gives_up ||
                        (ends ? stream_is_at_rest(es->stream) : stream_is_idle(es->stream)));
    pthread_mutex_unlock(&en->lock);
    return idle;
}

/* How long to wait at once, in milliseconds. */
static int wait_ms(nsec until, bool ticks)
{
    nsec left;

    if (until == NSEC_NEVER)
        return ticks ? ENGINE_TICK_MS : ENGINE_WATCH_MS;
    left = (until - clock_mono()) / NSEC_PER_MSEC + 1;
    return left < 0 ? 0 : left < ENGINE_TICK_MS ? (int)left : ENGINE_TICK_MS;
}

/* Those that somebody changes are his. */
static void watch_inputs(struct engine *en)
{
    struct engine_stream *es;

    pthread_mutex_lock(&en->lock);
    TAILQ_FOREACH(es, &en->streams, link)
        if (es->state == STATE_OPEN || es->state == STATE_DRAINED)
            stream_inputs_watch(&es->inputs, clock_mono());
    pthread_mutex_unlock(&en->lock);
}

/* For their last hour; with once there is nobody to look at it. */
static void take_down(struct engine *en)
{
    nsec now = clock_mono();
    struct engine_view v;

    if (en->once || (en->taken_down && now - en->taken_down < HISTORY_TICK))
        return;
    en->taken_down = now;
    engine_view_take(en, &v);
    for (size_t i = 0; i < v.count; i++)
        if (v.rows[i].outlet == 0)
            stream_take_down(v.rows[i].stream->stream, clock_wall(), now);
    engine_view_release(&v);
}

enum engine_end engine_wait(struct engine *en, int wake_fd, nsec until, void (*tick)(void *ctx), void *ctx)
{
    bool flushed = false;

    for (;;) {
        if (wait_a_little(en, wake_fd, wait_ms(until, tick)))
            return ENGINE_WOKEN;
        watch_inputs(en);
        take_down(en);
        if (tick)
            tick(ctx);
        if (until != NSEC_NEVER && clock_mono() >= until)
            return ENGINE_LATE;
        if (!en->once)
            continue;
        if (!flushed && atomic_load(&en->unfinished) == 0) {
            flush_all(en);
            flushed = true;
        }
        if (flushed && all_idle(en, false))
            return ENGINE_DONE;
    }
}

bool engine_turns(struct engine *en)
{
    bool came_round = !atomic_load(&en->pulse.posted);

    delivery_loop_post(en->loop, &en->pulse);
    return came_round;
}

const char *engine_waits_for(const struct engine *en)
{
    return atomic_load(&en->waits_for);
}

/* As engine_drain_stream(), for all at once: a listener as a whole, one barrier, one time for all deliveries. */
static void stop_intake(struct engine *en)
{
    struct engine_stream *es;

    waits_for(en, "streams that are being opened or removed");
    engine_end_changes(en);
    waits_for(en, "inputs");
    TAILQ_FOREACH(es, &en->streams, link) /* nobody changes it any more */
        stream_inputs_stop(&es->inputs);
    listeners_stop(&en->listeners);
}

/* True: all have stopped, by `until`. */
static bool inputs_stopped(struct engine *en, nsec until)
{
    struct engine_stream *es;
    bool all = true;

    TAILQ_FOREACH(es, &en->streams, link)
        all &= stream_inputs_stopped(&es->inputs, until);
    return all;
}

bool engine_waits_for_inputs(struct engine *en)
{
    return !inputs_stopped(en, 0);
}

/* What inputs that stop late had still appended is delivered, too. */
uint64_t engine_drain(struct engine *en, nsec grace, int wake_fd)
{
    nsec end = clock_mono() + grace;
    struct engine_stream *es;
    uint64_t left = 0;
    bool stopped;

    stop_intake(en);
    stopped = inputs_stopped(en, clock_mono() + ENGINE_INPUTS_STOP_TIME);
    waits_for(en, "what came in to be written to the spool");
    flush_all(en);
    waits_for(en, stopped ? "deliveries" : "inputs, and deliveries");
    while ((!stopped || !all_idle(en, true)) && clock_mono() < end) {
        if (wait_a_little(en, wake_fd, wait_ms(end, true)))
            break;
        watch_inputs(en);
        if (stopped || !inputs_stopped(en, 0))
            continue;
        stopped = true;
        flush_all(en);
        waits_for(en, "deliveries");
    }
    TAILQ_FOREACH(es, &en->streams, link)
        left += engine_records_of(es);
    return left;
}

/* The loop first: what the workers and senders give up now is no news for it any more. */
void engine_halt(struct engine *en)
{
    stop_intake(en);
    (void)inputs_stopped(en, NSEC_NEVER);
    waits_for(en, "requests of clients");
    listeners_end(&en->listeners);
    waits_for(en, "the delivery thread");
    if (en->loop)
        delivery_loop_stop(en->loop);
    waits_for(en, "encoding and transforms");
    cancel_ask(&en->cancel);
    worker_pool_stop(&en->workers);
    waits_for(en, "writes to files");
    sender_pool_free(&en->senders);
    waits_for(en, "the spool to be written and synced");
    committer_stop(&en->committer);
    waits_for(en, "files to be closed");
}

void engine_stop(struct engine **enp)
{
    struct engine *en = *enp;
    struct engine_stream *es;

    if (!en)
        return;
    engine_halt(en);
    TAILQ_FOREACH(es, &en->streams, link) {
        stream_inputs_close(&es->standing);
        stream_inputs_close(&es->inputs);
    }
    listeners_close(&en->listeners);
    http_agent_free(&en->agent);
    loop_set_release(&en->loops);
    while ((es = TAILQ_FIRST(&en->streams))) {
        TAILQ_REMOVE(&en->streams, es, link);
        engine_close_stream(en, es);
        mem_free(es);
    }
    warm_store_free(&en->warm);
    delivery_loop_free(&en->loop);
    data_dir_close(&en->data_dir);
    orphans_release(&en->orphans);
    if (en->news >= 0)
        close(en->news);
    listeners_release(&en->listeners);
    pthread_cond_destroy(&en->changed);
    pthread_mutex_destroy(&en->shares);
    pthread_mutex_destroy(&en->lock);
    mem_free(en);
    *enp = NULL;
}

/* --- seen from outside ---------------------------------------------------------------------------------------------
 */

static size_t stream_count(struct engine *en)
{
    const struct engine_stream *es;
    size_t n = 0;

    pthread_mutex_lock(&en->lock);
    TAILQ_FOREACH(es, &en->streams, link)
        n += engine_sees(es);
    pthread_mutex_unlock(&en->lock);
    return n;
}

static void fill_listening(struct engine *en, struct engine_status *out)
{
    struct listeners_one one;
    size_t n = 0;

    for (size_t i = 0; listeners_at(&en->listeners, i, &one); i++)
        if (one.ops->section)
            out->listening[n++] = (struct engine_listening){one.ops->name, one.ops->section->address(one.l)};
}

void engine_status(struct engine *en, struct engine_status *out)
{
    *out = (struct engine_status){
        .version = SLUICE_VERSION,
        .started = en->started,
        .stopping = atomic_load(&en->stopping),
        .streams = stream_count(en),
        .memory_limit = en->memory.limit,
        .memory_used = atomic_load(&en->memory.used),
        .memory_peak = atomic_load(&en->memory.peak),
    };
    fill_listening(en, out);
    pthread_mutex_lock(&en->lock);
    memcpy(out->reloads, en->reloads, sizeof(out->reloads));
    out->last_reload_failed = en->last_reload_failed;
    out->configured = en->configured;
    pthread_mutex_unlock(&en->lock);
}

void engine_note_reload(struct engine *en, enum engine_reload how, nsec wall_now)
{
    pthread_mutex_lock(&en->lock);
    en->reloads[how]++;
    en->last_reload_failed = how != ENGINE_RELOAD_DONE;
    if (how == ENGINE_RELOAD_DONE)
        en->configured = wall_now;
    pthread_mutex_unlock(&en->lock);
}
