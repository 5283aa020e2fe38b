/* run.c -- `sluice run`: start, wait for a signal (or for --once to be done), drain, stop, say how it ended. */
#include "pipeline/admin/admin.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/progress.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/cli/commands/reload_path.h"
#include "pipeline/cli/commands/service.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/hangup.h"
#include "pipeline/engine/orders.h"
#include "pipeline/engine/process_limits.h"
#include "pipeline/engine/reload.h"
#include "pipeline/engine/way_out.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char run_help[] = "usage: sluice run [-c FILE] [--once [--timeout DURATION]]\n"
                               "\n"
                               "Takes records in, holds them safely and delivers them, as FILE says.\n";

static const char run_help_end[] =
    "SIGTERM or SIGINT: inputs stop, what is open is delivered within shutdown.grace, the rest stays safely in\n"
    "the spool and is delivered by the next run. A second signal ends it at once. What hangs (a disk, a script) does\n"
    "not hold it up: it is left, and the spool is as after a crash, whole.\n"
    "SIGHUP, like `sluice reload`: reads FILE again; a mistake in it changes nothing and is in the log, else what\n"
    "differs takes effect.\n"
    "\n"
    "exit status: 0 everything is delivered, 1 something is left, unread or failed (the last lines say what and "
    "where),\n"
    "2 usage or configuration\n";

struct run_options {
    const char *config;
    bool once;
    nsec timeout; /* 0: none */
};

static const struct cli_option run_option_table[] = {
    CLI_OPTION_CONFIG(struct run_options, config),
    {"once", 0, CLI_FLAG, NULL, "read files and standard input to their end, deliver everything, exit",
     .offset = offsetof(struct run_options, once)},
    {"timeout", 0, CLI_TIMEOUT, "DURATION",
     "with --once: stop after this long, such as 10m, whether everything is delivered or not;\n"
     "left out: a destination that takes nothing is tried without end",
     .offset = offsetof(struct run_options, timeout)},
    {.name = NULL},
};

struct run_progress {
    struct engine *engine;
    struct progress p;
    bool shown;
    struct service *service;
};

static struct progress_count count_delivered(struct engine *en)
{
    struct engine_view v;
    struct progress_count c = {.left_known = true};
    struct stream_status s;

    engine_view_take(en, &v);
    for (size_t i = 0; engine_stream_status(&v, i, clock_wall(), &s); i++) {
        c.records += s.books.delivered_now;
        c.bytes += s.books.delivered_bytes_now;
        c.records_left += s.books.spooled;
        c.bytes_left += s.books.spooled_bytes;
        stream_status_release(&s);
    }
    engine_view_release(&v);
    return c;
}

/* Of this run; those that went back to their source were never in another one's books. */
static void count_others(struct engine *en, uint64_t *backed_up, uint64_t *returned)
{
    struct engine_view v;
    struct stream_status s;

    *backed_up = *returned = 0;
    engine_view_take(en, &v);
    for (size_t i = 0; engine_stream_status(&v, i, clock_wall(), &s); i++) {
        *backed_up += s.books.backed_up_now;
        *returned += s.books.returned;
        stream_status_release(&s);
    }
    engine_view_release(&v);
}

static void tick(void *ctx)
{
    struct run_progress *rp = ctx;
    nsec now = clock_mono();

    service_tick(rp->service, rp->engine, now);
    if (rp->shown) {
        struct progress_count c = count_delivered(rp->engine);

        progress_update(&rp->p, &c, now);
    }
}

static void log_started(struct engine *en, struct admin *admin)
{
    struct engine_view v;
    struct engine_status es;
    struct stream_status s;
    char at[HTTP_ADDRESS_TEXT];

    engine_status(en, &es);
    admin_address(admin, at);
    engine_view_take(en, &v);
    for (size_t i = 0; engine_stream_status(&v, i, clock_wall(), &s); i++) {
        log_info("stream", KS("stream", s.name), KS("inputs", s.inputs), KS("destination", s.destination),
                 KU("waiting_records", s.books.spooled));
        stream_status_release(&s);
    }
    engine_view_release(&v);
    log_info("running", KS("version", es.version), KU("streams", es.streams),
             KS("api", engine_listens(&es, "api") ? engine_listens(&es, "api") : "none"), KS("admin", at));
}

/* True: there are some. */
static bool log_left(struct engine *en, const struct settings *s)
{
    struct engine_view v;
    struct stream_status st;
    nsec now = clock_wall();
    bool any = false;

    engine_view_take(en, &v);
    for (size_t i = 0; engine_stream_status(&v, i, now, &st); i++) {
        struct stream_words *w = stream_status_words(&st);

        any |= st.books.left > 0 && !st.at_source;
        if (st.paused_since) {
            snprintf(w->error, sizeof(w->error), "the stream was paused");
            snprintf(w->hint, sizeof(w->hint), "the next run does not know of it, and delivers them");
        } else if (!w->error[0]) { /* no attempt has failed */
            if (st.under_way_since)
                snprintf(w->error, sizeof(w->error), "an attempt has been under way for %lld s",
                         (long long)((now - st.under_way_since) / NSEC_PER_SEC));
            else
                snprintf(w->error, sizeof(w->error), "they were not on their way yet");
            snprintf(w->hint, sizeof(w->hint),
                     "a longer shutdown.grace gives them time, if it is not the destination that hangs");
        }
        if (st.books.left && st.at_source)
            log_info("what was read and not delivered is delivered by another daemon of the group, or by this one's "
                     "next start",
                     KS("stream", st.name), KU("records", st.books.left), KS("cause", w->error));
        else if (st.books.left && st.memory)
            log_error("records in memory are lost with this process", KS("stream", st.name),
                      KU("records", st.books.left), KS("cause", w->error), KS("hint", "`durability: disk` keeps them"));
        else if (st.books.left)
            log_warn("records are left in the spool, the next run delivers them", KS("stream", st.name),
                     KU("records", st.books.left), KU("bytes", st.books.spooled_bytes), KS("data_dir", s->data_dir),
                     KS(st.backup_fails ? "backup" : "destination", st.backup_fails ? st.backup : st.destination),
                     KS("cause", w->error), KS("hint", w->hint));
        stream_status_release(&st);
    }
    engine_view_release(&v);
    return any;
}

static void log_waiting_inputs(struct engine *en)
{
    struct engine_view v;
    struct stream_status st;
    struct waiting_input w;

    engine_view_take(en, &v);
    for (size_t i = 0; engine_stream_status(&v, i, clock_wall(), &st); i++) {
        engine_inputs_waiting(&v, i, 0, &w);
        if (w.lasted)
            log_error("an input does not stop", KS("stream", st.name), KS("cause", w.cause), KS("hint", w.hint));
        stream_status_release(&st);
    }
    engine_view_release(&v);
}

/* With --once everything there is should have been read. The inputs have named each file and folder that could not be. True:
 * there were such. */
static bool log_unread(struct engine *en)
{
    struct engine_view v;
    struct stream_status st;
    bool any = false;

    engine_view_take(en, &v);
    for (size_t i = 0; engine_stream_status(&v, i, clock_wall(), &st); i++) {
        struct input_health_view h;
        uint64_t errors = 0;

        for (size_t k = 0; engine_input_health(&v, i, k, clock_wall(), &h); k++) {
            errors += h.counts[INPUT_ERRORS];
            input_health_view_release(&h);
        }
        if (errors > 0)
            log_error(
                "not everything could be read", KS("stream", st.name), KU("files_or_folders", errors),
                KS("hint", "the warnings above name each; what was read is delivered, and the next run reads on"));
        any = any || errors > 0;
        stream_status_release(&st);
    }
    engine_view_release(&v);
    return any;
}

struct run {
    const struct settings *settings;
    bool once;
    nsec timeout; /* of once; 0: none */
    bool late;    /* it was over */
    struct way_out *way_out;
    _Atomic nsec grace; /* shutdown.grace; another one after a reload */
    struct reload *reload;
    struct hangup *hangup;
    struct service service;
    struct engine *engine;
    struct admin *admin;
};

/* On the way-out thread: what the main thread waits for does not end. */
static void tell_left(void *ctx)
{
    const struct run *r = ctx;

    log_error("it does not end in order within the time, so it is left as it is",
              KS("waits_for", engine_waits_for(r->engine)),
              KS("hint", "look at the disk or the script it waits for; what was acknowledged is safe"));
    log_waiting_inputs(r->engine);
    log_left(r->engine, r->settings);
}

static void tell_start(void *ctx)
{
    const struct run *r = ctx;

    log_error("told to stop while starting, which takes longer than that; it is left as it is",
              KS("data_dir", r->settings->data_dir),
              KS("hint", "a large spool takes a while to be read; if it takes for ever, look at the disk"));
}

/* Runs until told to stop, or until --timeout is over. The number of records left undelivered. */
static uint64_t run_until_stopped(struct run *r)
{
    struct run_progress rp = {.engine = r->engine, .shown = r->once, .service = &r->service};
    bool ticks = r->once || service_wants_ticks(&r->service);
    nsec until = r->timeout ? clock_mono() + r->timeout : NSEC_NEVER, grace;
    int wish = way_out_fd(r->way_out);
    enum engine_end end;
    uint64_t left;

    if (r->once)
        progress_init(&rp.p, "delivered", STDERR_FILENO, clock_mono());
    end = engine_wait(r->engine, wish, until, ticks ? tick : NULL, &rp);
    grace = atomic_load(&r->grace);
    service_stopping(&r->service, grace);
    r->late = end == ENGINE_LATE;
    if (r->late) {
        log_error("the time of --timeout is over before everything is read and delivered",
                  KI("timeout_s", r->timeout / NSEC_PER_SEC), KS("hint", "the next run goes on where this one ends"));
        way_out_by(r->way_out, clock_mono() + RUN_STOP_TIMEOUT, CLI_FAILED);
        grace = 0;
    } else if (end == ENGINE_WOKEN) {
        log_info("stopping: inputs stop, open batches are delivered", KS("signal", way_out_take(r->way_out)),
                 KI("grace_s", grace / NSEC_PER_SEC));
    }
    left = engine_drain(r->engine, grace, wish);
    if (r->once) {
        struct progress_count c = count_delivered(r->engine);

        progress_finish(&rp.p, &c, clock_mono());
    }
    return left;
}

/* Started as `sluice run 2>> /var/log/sluice.log` with a stream that reads /var/log: no mistake in the file, and it would run
 * for ever all the same. */
static void warn_of_own_log(const struct settings *s)
{
    const struct stream_settings *reader;
    char path[PATH_MAX];
    struct stat st;
    ssize_t n;

    if (fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    n = readlink("/proc/self/fd/2", path, sizeof(path) - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    reader = settings_reader_of(s, path);
    if (reader)
        log_warn(
            "standard error goes into a file that a stream reads: each line of this log makes a record, which may make "
            "another line",
            KS("stream", reader->name), KS("path", path),
            KS("hint", "send it elsewhere, or leave the file out with the `exclude` of its tail"));
}

static int run_started(struct run *r)
{
    uint64_t left, backed_up, returned;
    bool failed, hangs;

    way_out_tell(r->way_out, tell_left, r);
    log_started(r->engine, r->admin);
    warn_of_own_log(r->settings);
    service_ready(&r->service);
    left = run_until_stopped(r);
    hangs = engine_waits_for_inputs(r->engine);
    way_out_by(r->way_out, clock_mono() + (left || hangs ? RUN_LEFT_TIMEOUT : RUN_STOP_TIMEOUT),
               left || hangs || r->late ? CLI_FAILED : CLI_DONE);
    engine_halt(r->engine);
    way_out_tell(r->way_out, NULL, NULL);
    failed = r->late;
    failed |= log_left(r->engine, r->settings);
    failed |= r->once && log_unread(r->engine);
    if (failed)
        return CLI_FAILED;
    count_others(r->engine, &backed_up, &returned);
    if (returned)
        log_info("records that were read and not delivered went back to their source", KU("records", returned));
    if (backed_up)
        log_info("stopped, everything is delivered or in the backup", KU("records_backed_up", backed_up),
                 KS("data_dir", r->settings->data_dir), KS("hint", "`sluice redrive` puts back what failed"));
    else
        log_info("stopped, everything is delivered", KS("data_dir", r->settings->data_dir));
    return CLI_DONE;
}

/* --- reloads: what is the process's own --- */

static void on_reload(void *ctx)
{
    struct run *r = ctx;

    service_reloading(&r->service);
}

static void on_reloaded(void *ctx)
{
    struct run *r = ctx;

    service_ready(&r->service);
}

static int open_admin(void *ctx, const struct settings *s, struct err *e)
{
    struct run *r = ctx;
    const struct admin_conf conf = {
        .listen = s->http_listen,
        .hosts = &s->admin_hosts,
        .tls = &s->admin_tls,
        .access = &s->admin_access,
        .base_dir = s->base_dir,
        .token = s->admin_token,
        .data_dir = s->data_dir,
        .records = (enum admin_records)s->admin_records,
    };

    return admin_prepare(r->admin, &conf, e);
}

static void no_other_admin(void *ctx)
{
    struct run *r = ctx;

    admin_drop(r->admin);
}

static void set_at_once(void *ctx, const struct settings *now)
{
    struct run *r = ctx;

    admin_take(r->admin);
    log_set_level(now->log_level);
    atomic_store(&r->grace, now->shutdown_grace);
    way_out_set_grace(r->way_out, now->shutdown_grace);
}

static void reload_asked(void *ctx, const struct admin_order *o, struct admin_answer *a)
{
    static const unsigned statuses[] = {[RELOAD_DONE] = CLI_RELOAD_DONE,
                                        [RELOAD_MISTAKES] = CLI_RELOAD_MISTAKES,
                                        [RELOAD_FAILED] = CLI_RELOAD_FAILED,
                                        [RELOAD_BUSY] = CLI_RELOAD_BUSY,
                                        [RELOAD_STOPPED] = CLI_RELOAD_STOPPED};
    const struct run *r = ctx;
    bool only_look = strcmp(o->path, CLI_RELOAD_DIFF_PATH) == 0;

    a->status = statuses[reload_now(r->reload, o->from, only_look, &a->text)];
}

/* Which of them is the last step of the path. */
static void order_asked(void *ctx, const struct admin_order *o, struct admin_answer *a)
{
    static const char *const words[] = {
        [ORDER_PAUSE] = "pause", [ORDER_RESUME] = "resume", [ORDER_FLUSH] = "flush", [ORDER_RETRY] = "retry"};
    static const unsigned statuses[] = {
        [ORDER_DONE] = 200, [ORDER_NO_STREAM] = 404, [ORDER_REFUSED] = 409, [ORDER_STOPPING] = 503};
    const struct run *r = ctx;
    enum engine_order order = ORDER_PAUSE;
    enum engine_obeyed obeyed;
    char said[512];

    while (strcmp(words[order], strrchr(o->path, '/') + 1) != 0)
        order++;
    obeyed = engine_give_order(r->engine, o->name, order, clock_wall(), said, sizeof(said));
    (void)admin_answer_say(a, statuses[obeyed], "%s", said);
}

static int start_reloads(struct run *r, struct err *e)
{
    const struct reload_conf conf = {.settings = r->settings,
                                     .engine = r->engine,
                                     .once = r->once,
                                     .prepare = open_admin,
                                     .not_so = no_other_admin,
                                     .begins = on_reload,
                                     .at_once = set_at_once,
                                     .ends = on_reloaded,
                                     .ctx = r};

    r->reload = reload_new(&conf);
    admin_take(r->admin); /* from here on somebody may ask for one */
    return hangup_start(&r->hangup, r->reload, e);
}

static int begin_admin(struct run *r, const struct admin_action *actions, size_t n, struct err *e)
{
    r->admin = admin_new(r->engine, (struct admin_actions){actions, n});
    return open_admin(r, r->settings, e) < 0 ? -1 : start_reloads(r, e);
}

static int run_engine(struct run *r)
{
    const struct settings *s = r->settings;
    const struct admin_action actions[] = {
        {.path = CLI_RELOAD_PATH, .run = reload_asked, .ctx = r},
        {.path = CLI_RELOAD_DIFF_PATH, .run = reload_asked, .ctx = r},
        {.path = "/api/streams/{stream}/pause", .run = order_asked, .ctx = r, .at_once = true},
        {.path = "/api/streams/{stream}/resume", .run = order_asked, .ctx = r, .at_once = true},
        {.path = "/api/streams/{stream}/flush", .run = order_asked, .ctx = r, .at_once = true},
        {.path = "/api/streams/{stream}/retry", .run = order_asked, .ctx = r, .at_once = true},
    };
    int rc = CLI_FAILED;
    struct err e;

    way_out_tell(r->way_out, tell_start, r);
    if (engine_start(&r->engine, s, r->once, &e) < 0 || begin_admin(r, actions, ARRAY_LEN(actions), &e) < 0) {
        log_error("cannot start", KE("cause", &e));
        /* What has begun ends in time, or is left. */
        way_out_by(r->way_out, clock_mono() + RUN_STOP_TIMEOUT, CLI_FAILED);
    } else {
        rc = run_started(r);
    }
    way_out_tell(r->way_out, NULL, NULL);
    hangup_stop(&r->hangup);
    admin_stop(&r->admin);
    engine_stop(&r->engine);
    reload_free(&r->reload);
    return rc;
}

/* What the process may have, before it takes any of it; then the signals: all threads leave them to one. */
static int run_settings(const struct settings *s, bool once, nsec timeout)
{
    struct run r = {.settings = s, .once = once, .timeout = timeout, .grace = s->shutdown_grace};
    int rc = CLI_FAILED;
    struct err e;

    log_set_level(s->log_level);
    service_open(&r.service);
    if (process_check(s, once, &e) < 0 || way_out_open(&r.way_out, s->shutdown_grace, &e) < 0 || log_start(&e) < 0)
        log_error("cannot start", KE("cause", &e));
    else
        rc = run_engine(&r);
    log_stop(RUN_LOG_TIMEOUT);
    way_out_close(&r.way_out);
    service_close(&r.service);
    return rc;
}

int cli_run_once(const struct settings *s, nsec timeout)
{
    return run_settings(s, true, timeout);
}

static bool reads_to_an_end(const struct settings *s)
{
    for (size_t i = 0; i < s->stream_count; i++)
        for (size_t j = 0; j < s->streams[i].input_count; j++)
            if (s->streams[i].inputs[j].ops->finite)
                return true;
    return false;
}

static int run_main(int argc, char **argv)
{
    struct run_options o = {.config = NULL};
    struct settings *s;
    int first, rc = cli_read_options(&cli_run, argc, argv, &o, &first);

    if (rc != 0)
        return rc;
    way_out_hold_hangups();
    if (first < argc)
        return cli_usage_error(&cli_run, "unexpected argument `%s`", argv[first]);
    if (o.timeout && !o.once)
        return cli_usage_error(&cli_run, "--timeout goes with --once");
    s = cli_load_settings(o.config, &SETTINGS_ALL);
    if (!s)
        return CLI_USAGE;
    if (o.once && !reads_to_an_end(s))
        rc = cli_usage_error(
            &cli_run, "%s: --once needs a stream with an input that ends, such as tail, stdin or sqs (docs/inputs.md)",
            s->path);
    else
        rc = run_settings(s, o.once, o.timeout);

    settings_free(&s);
    return rc;
}

const struct cli_command cli_run = {
    .name = "run",
    .summary = "take records in, hold them safely, deliver them",
    .help = run_help,
    .help_end = run_help_end,
    .options = run_option_table,
    .column = 22,
    .run = run_main,
};
