/* The order in which the parts begin and end, and nothing else. Begin: from the back to the front, so that whoever
 * takes records in has somewhere to put them: committer, workers and delivery thread, then the streams with what
 * their spools hold, then inputs and API. End: inputs first, so that nothing new comes; then deliveries, within the
 * grace time; then the threads, each after those that use it. Nothing needs the end: a process that is killed
 * leaves the same spool. */
#include "pipeline/engine/engine.h"

#include "pipeline/base/budget.h"
#include "pipeline/base/limits.h"
#include "pipeline/spool/warm.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/stream.h"
#include "pipeline/engine/data_dir.h"
#include "pipeline/engine/orphans.h"
#include "pipeline/engine/process_limits.h"
#include "pipeline/engine/stream_inputs.h"
#include "pipeline/http/agent/agent.h"
#include "pipeline/http/server/server.h"
#include "pipeline/inputs/api/api.h"

#include <malloc.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct engine {
    const struct settings *settings;
    bool once;
    nsec started; /* wall */
    atomic_bool stopping;
    const char *_Atomic waits_for; /* static text */
    struct cancel cancel;          /* of the workers' jobs */

    struct data_dir *data_dir;
    struct orphans orphans;              /* as they were at the start */
    struct budget memory, intake, outgo; /* the whole, and what is for the way in and for the way out */
    struct budget reading;               /* the part of intake that tail and stdin may fill */
    struct committer *committer;
    struct warm_store *warm;
    struct worker_pool *workers;
    struct sender_pool *senders;
    struct delivery_loop *loop;
    struct stream **streams;
    char **input_names; /* per stream, for people */
    size_t stream_count;

    struct loop_set loops;
    struct stream_inputs *inputs; /* per stream */
    struct http_servers servers;
    struct http_agent *agent; /* for requests of inputs */
    struct api *api;
    struct api_conf api_conf;  /* as configured, but with no more connections than there are descriptors for */
    struct budget descriptors; /* for tailed files; one counts as one */
    struct api_stream *api_streams;

    atomic_size_t unfinished; /* once: inputs that still read */
    int news;                 /* eventfd: an input finished, a stream became idle */
};

static void tell(struct engine *en)
{
    uint64_t one = 1;
    ssize_t done = write(en->news, &one, sizeof(one));

    (void)done; /* a full counter says the same */
}

static void waits_for(struct engine *en, const char *what)
{
    atomic_store(&en->waits_for, what);
}

/* Delivery thread. */
static void on_stream_idle(void *ctx)
{
    tell(ctx);
}

/* Any thread. */
static void on_input_finished(void *ctx)
{
    struct engine *en = ctx;

    if (atomic_fetch_sub(&en->unfinished, 1) == 1)
        tell(en);
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

static void share_descriptors(struct engine *en)
{
    struct descriptor_needs n = process_descriptors(en->settings, en->once);
    struct descriptor_shares shares = descriptors_share(&n);

    en->api_conf = en->settings->api;
    budget_init(&en->descriptors, shares.tail);
    if (shares.connections == n.connections)
        return;
    en->api_conf.connections = (int64_t)shares.connections;
    log_warn("fewer connections to the API than api.connections says: the limit of open files is too low",
             KU("connections", shares.connections), KU("limit", n.limit),
             KS("hint", "raise the limit of open files (ulimit -n, LimitNOFILE=)"));
}

static void share_memory(struct engine *en)
{
    size_t intake = settings_intake(en->settings), reading = intake;

    if (en->settings->api_used && !en->once)
        reading = intake > API_REQUEST_MEMORY + READ_LEAST ? intake - API_REQUEST_MEMORY : READ_LEAST;
    budget_init(&en->memory, en->settings->memory_limit);
    budget_init_part(&en->intake, &en->memory, intake);
    budget_init_part(&en->outgo, &en->memory, en->settings->memory_limit - intake);
    budget_init_part(&en->reading, &en->intake, reading);
    en->warm = warm_store_new(&en->memory, en->settings->memory_limit / WARM_SHARE);
    budget_reclaims(&en->intake, warm_give_back, en->warm);
    budget_reclaims(&en->outgo, warm_give_back, en->warm);
}

static int start_back(struct engine *en, struct err *e)
{
    struct delivery_tools tools;

    share_memory(en);
    share_descriptors(en);
    en->agent = http_agent_new(&en->intake);
    if (data_dir_open(&en->data_dir, en->settings->data_dir, e) < 0 || committer_start(&en->committer, e) < 0 ||
        worker_pool_start(&en->workers, process_cores(), &en->cancel, e) < 0)
        return -1;
    en->senders = sender_pool_new();
    tools = (struct delivery_tools){
        .workers = en->workers, .senders = en->senders, .budget = &en->outgo, .tmp_dir = data_dir_tmp(en->data_dir)};
    return delivery_loop_new(&en->loop, &tools, e);
}

static char *input_names_of(const struct stream_settings *s)
{
    char *names = mem_strdup(s->api ? "api" : "");

    for (size_t i = 0; i < s->input_count; i++) {
        char *longer = mem_printf("%s%s%s", names, *names ? ", " : "", s->inputs[i].ops->name);

        mem_free(names);
        names = longer;
    }
    return names;
}

static int open_streams(struct engine *en, struct err *e)
{
    struct stream_env env = {
        .data_dir = en->settings->data_dir,
        .base_dir = en->settings->base_dir,
        .committer = en->committer,
        .warm = en->warm,
        .loop = en->loop,
        .became_idle = on_stream_idle,
        .ctx = en,
    };

    en->streams = mem_array(en->settings->stream_count, sizeof(*en->streams));
    en->inputs = mem_array(en->settings->stream_count, sizeof(*en->inputs));
    en->input_names = mem_array(en->settings->stream_count, sizeof(*en->input_names));
    while (en->stream_count < en->settings->stream_count) {
        size_t i = en->stream_count++; /* one that does not open is closed with the others */
        const struct stream_settings *s = &en->settings->streams[i];

        if (stream_open(&en->streams[i], s, &env, e) < 0)
            return -1;
        en->input_names[i] = input_names_of(s);
    }
    for (size_t i = 0; i < en->stream_count; i++)
        stream_start(en->streams[i]);
    return delivery_loop_start(en->loop, e);
}

static int open_inputs(struct engine *en, struct err *e)
{
    for (size_t i = 0; i < en->stream_count; i++) {
        struct stream *st = en->streams[i];
        const struct input_env env = {
            .stream = st->conf->name,
            .spool = st->spool,
            .budget = &en->reading,
            .descriptors = &en->descriptors,
            .metrics = &st->metrics,
            .pushback = &st->intake.pushback,
            .pace = &st->pace,
            .servers = &en->servers,
            .agent = en->agent,
            .base_dir = en->settings->base_dir,
            .once = en->once,
            .finished = on_input_finished,
            .ctx = en,
        };

        if (stream_inputs_open(&en->inputs[i], st->conf, &env, &en->loops, e) < 0)
            return -1;
        atomic_fetch_add(&en->unfinished, en->inputs[i].finite);
    }
    return 0;
}

/* All are ready before the first one works, and the last one works before any is waited for: one that a disk keeps holds up nobody. */
static int start_inputs(struct engine *en, struct err *e)
{
    if (en->once && atomic_load(&en->unfinished) == 0 && !en->settings->spools_only)
        return err_set(e, ERR_CONFIG, "nothing to read: --once needs a stream with an input that ends (tail, stdin)");
    for (size_t i = 0; i < en->stream_count; i++)
        if (stream_inputs_start(&en->inputs[i], e) < 0)
            return -1;
    for (size_t i = 0; i < en->stream_count; i++)
        stream_inputs_go(&en->inputs[i]);
    for (size_t i = 0; i < en->stream_count; i++)
        stream_inputs_await_begin(&en->inputs[i]);
    return 0;
}

static struct api_stream api_stream_of(struct stream *st)
{
    return (struct api_stream){
        .name = st->conf->name,
        .spool = st->spool,
        .metrics = &st->metrics,
        .pushback = &st->intake.pushback,
        .created = st->created,
        .destination = st->conf->sink->name,
        .bucket = cfg_text(st->conf->sink->fields, st->conf->sink_conf, "bucket"),
        .prefix = cfg_text(st->conf->sink->fields, st->conf->sink_conf, "prefix"),
        .buffer_size = st->conf->buffer_size,
        .buffer_interval = st->conf->buffer_interval,
        .compression = st->conf->codec->name,
        .version = st->version,
    };
}

static int open_api(struct engine *en, struct err *e)
{
    size_t n = 0;

    if (!en->settings->api_used || en->once)
        return 0;
    en->api_streams = mem_array(en->stream_count, sizeof(*en->api_streams));
    for (size_t i = 0; i < en->stream_count; i++) {
        if (en->settings->streams[i].api)
            en->api_streams[n++] = api_stream_of(en->streams[i]);
    }
    if (api_open(&en->api, &en->api_conf, &en->servers, en->api_streams, n, &en->intake, e) < 0)
        return -1;
    api_start(en->api);
    return 0;
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

static int start_all(struct engine *en, struct err *e)
{
    en->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (en->news < 0)
        return err_errno(e, "an eventfd cannot be made");
    if (start_back(en, e) < 0)
        return -1;
    warn_of_orphans(en);
    if (open_streams(en, e) < 0 || open_inputs(en, e) < 0 || open_api(en, e) < 0 ||
        http_servers_start(&en->servers, e) < 0)
        return -1;
    return start_inputs(en, e);
}

int engine_start(struct engine **out, const struct settings *s, bool once, struct err *e)
{
    struct engine *en = mem_alloc(sizeof(*en));

    prepare_process();
    loop_set_init(&en->loops);
    en->settings = s;
    en->once = once;
    en->started = clock_wall();
    en->news = -1;
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

/* Everything that was appended before is due at once. */
static void flush_all(struct engine *en)
{
    committer_barrier(en->committer);
    for (size_t i = 0; i < en->stream_count; i++)
        stream_flush(en->streams[i]);
}

static bool all_idle(const struct engine *en)
{
    for (size_t i = 0; i < en->stream_count; i++) {
        if (!stream_is_idle(en->streams[i]))
            return false;
    }
    return true;
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

static void watch_inputs(struct engine *en)
{
    for (size_t i = 0; i < en->stream_count; i++)
        stream_inputs_watch(&en->inputs[i], clock_mono());
}

enum engine_end engine_wait(struct engine *en, int wake_fd, nsec until, void (*tick)(void *ctx), void *ctx)
{
    bool flushed = false;

    for (;;) {
        if (wait_a_little(en, wake_fd, wait_ms(until, tick)))
            return ENGINE_WOKEN;
        watch_inputs(en);
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
        if (flushed && all_idle(en))
            return ENGINE_DONE;
    }
}

const char *engine_waits_for(const struct engine *en)
{
    return atomic_load(&en->waits_for);
}

static void stop_inputs(struct engine *en)
{
    waits_for(en, "inputs");
    for (size_t i = 0; i < en->stream_count; i++)
        stream_inputs_stop(&en->inputs[i]);
    if (en->api)
        api_stop(en->api);
}

/* True: all have stopped, by `until`. */
static bool inputs_stopped(struct engine *en, nsec until)
{
    bool all = true;

    for (size_t i = 0; i < en->stream_count; i++)
        all &= stream_inputs_stopped(&en->inputs[i], until);
    return all;
}

bool engine_waits_for_inputs(struct engine *en)
{
    return !inputs_stopped(en, 0);
}

static uint64_t records_left(struct engine *en)
{
    uint64_t left = 0;

    for (size_t i = 0; i < en->stream_count; i++) {
        struct spool_books b;

        spool_books(en->streams[i]->reader, &b);
        left += b.spooled;
    }
    return left;
}

/* What inputs that stop late had still appended is delivered, too. */
uint64_t engine_drain(struct engine *en, nsec grace, int wake_fd)
{
    nsec end = clock_mono() + grace;
    bool stopped;

    atomic_store(&en->stopping, true);
    stop_inputs(en);
    stopped = inputs_stopped(en, clock_mono() + ENGINE_INPUTS_STOP_TIME);
    waits_for(en, "what came in to be written to the spool");
    flush_all(en);
    waits_for(en, stopped ? "deliveries" : "inputs, and deliveries");
    while ((!stopped || !all_idle(en)) && clock_mono() < end) {
        if (wait_a_little(en, wake_fd, wait_ms(end, true)))
            break;
        watch_inputs(en);
        if (stopped || !inputs_stopped(en, 0))
            continue;
        stopped = true;
        flush_all(en);
        waits_for(en, "deliveries");
    }
    return records_left(en);
}

/* The loop first: what the workers and senders give up now is no news for it any more. */
void engine_halt(struct engine *en)
{
    stop_inputs(en);
    (void)inputs_stopped(en, NSEC_NEVER);
    waits_for(en, "requests of the API");
    if (en->api)
        api_end(en->api);
    http_servers_stop(&en->servers);
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

    if (!en)
        return;
    engine_halt(en);
    for (size_t i = 0; i < en->stream_count; i++)
        stream_inputs_close(&en->inputs[i]);
    api_close(&en->api);
    http_servers_close(&en->servers);
    http_agent_free(&en->agent);
    loop_set_release(&en->loops);
    while (en->stream_count) {
        stream_close(&en->streams[--en->stream_count]);
        mem_free(en->input_names[en->stream_count]);
    }
    warm_store_free(&en->warm);
    delivery_loop_free(&en->loop);
    data_dir_close(&en->data_dir);
    orphans_release(&en->orphans);
    mem_free(en->streams);
    mem_free(en->input_names);
    mem_free(en->inputs);
    mem_free(en->api_streams);
    if (en->news >= 0)
        close(en->news);
    mem_free(en);
    *enp = NULL;
}

/* --- seen from outside ---------------------------------------------------------------------------------------------
 */

void engine_status(struct engine *en, struct engine_status *out)
{
    *out = (struct engine_status){
        .version = SLUICE_VERSION,
        .started = en->started,
        .stopping = atomic_load(&en->stopping),
        .streams = en->stream_count,
        .memory_limit = en->memory.limit,
        .memory_used = atomic_load(&en->memory.used),
        .memory_peak = atomic_load(&en->memory.peak),
        .api_address = en->api ? api_address(en->api) : NULL,
        .orphans = &en->orphans,
    };
}

/* The API turns requests away before it has read which stream they are for: that blocks all that it serves. */
static void add_api_memory(struct engine *en, size_t index, struct stream_status *out)
{
    struct pushback_view v;

    if (!en->api || !en->settings->streams[index].api || out->intake.blocked)
        return;
    v = api_memory_pushback(en->api, clock_mono());
    if (!v.blocked)
        return;
    intake_status_memory(&v, &out->intake);
    out->health = STREAM_BLOCKED;
}

void engine_inputs_waiting(struct engine *en, size_t index, nsec least, struct waiting_input *out)
{
    stream_inputs_waiting(&en->inputs[index], clock_mono(), least, out);
}

bool engine_stream_status(struct engine *en, size_t index, nsec wall_now, struct stream_status *out)
{
    if (index >= en->stream_count)
        return false;
    stream_status(en->streams[index], wall_now, out);
    add_api_memory(en, index, out);
    stream_inputs_waiting(&en->inputs[index], clock_mono(), INPUT_STANDS_LONG, &out->waiting);
    if (out->waiting.lasted)
        out->health = STREAM_BLOCKED;
    out->inputs = en->input_names[index];
    return true;
}

void engine_stream_counters(struct engine *en, size_t index, struct named_counters *counters,
                            struct named_counters *drop_reasons)
{
    if (index < en->stream_count)
        stream_counters(en->streams[index], counters, drop_reasons);
}
