/* cli_run.c -- `sluice run`: start, wait for a signal (or for --once to be done), drain, stop, say how it ended. */
#include "pipeline/admin.h"
#include "pipeline/base/log.h"
#include "pipeline/cli.h"
#include "pipeline/engine.h"
#include "pipeline/progress.h"

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char run_help[] =
    "usage: sluice run [-c FILE] [--once]\n"
    "\n"
    "Takes records in, holds them safely and delivers them, as FILE says.\n"
    "\n"
    "  -c, --config FILE   the configuration; left out: ./sluice.yaml, then /etc/sluice/sluice.yaml\n"
    "      --once          read files and standard input to their end, deliver everything, exit\n"
    "\n"
    "SIGTERM or SIGINT: inputs stop, what is open is delivered within shutdown.grace, the rest stays safely in\n"
    "the spool and is delivered by the next run. A second signal ends the wait.\n"
    "\n"
    "exit status: 0 everything is delivered, 1 something is left or failed (the last lines say what and where),\n"
    "2 usage or configuration\n";

struct run_options {
    const char *config;
    bool once;
};

/* 0, or an exit code with the mistake said. */
static int parse_options(int argc, char **argv, struct run_options *o)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"once", no_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
    int c;

    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (c == 'c')
            o->config = optarg;
        else if (c == 'o')
            o->once = true;
        else
            return cli_usage_error(&cli_run, "unknown or incomplete option `%s`", argv[optind - 1]);
    }
    if (optind < argc)
        return cli_usage_error(&cli_run, "unexpected argument `%s`", argv[optind]);
    return 0;
}

/* Before any thread starts, so that all of them leave these signals to the main thread. */
static int catch_signals(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static const char *take_signal(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return "none";
    return sigabbrev_np((int)info.ssi_signo);
}

struct run_progress {
    struct engine *engine;
    struct progress p;
};

static struct progress_count count_delivered(struct engine *en)
{
    struct progress_count c = {.left_known = true};
    struct stream_status s;

    for (size_t i = 0; engine_stream_status(en, i, clock_wall(), &s); i++) {
        c.records += s.books.delivered;
        c.bytes += metrics_get(s.metrics, METRIC_DELIVERED_BYTES);
        c.records_left += s.books.spooled;
        c.bytes_left += s.books.spooled_bytes;
    }
    return c;
}

static void show_progress(void *ctx)
{
    struct run_progress *rp = ctx;
    struct progress_count c = count_delivered(rp->engine);

    progress_update(&rp->p, &c, clock_mono());
}

static void log_started(struct engine *en, const struct admin *admin)
{
    struct engine_status es;
    struct stream_status s;

    engine_status(en, &es);
    for (size_t i = 0; engine_stream_status(en, i, clock_wall(), &s); i++)
        log_info("stream", KS("stream", s.name), KS("inputs", s.inputs), KS("destination", s.destination),
                 KU("waiting_records", s.books.spooled));
    log_info("running", KS("version", es.version), KU("streams", es.streams),
             KS("api", es.api_address ? es.api_address : "none"), KS("admin", admin ? admin_address(admin) : "none"));
}

static void log_left(struct engine *en, const struct settings *s)
{
    struct stream_status st;

    for (size_t i = 0; engine_stream_status(en, i, clock_wall(), &st); i++) {
        if (st.books.spooled && st.memory)
            log_error("records in memory are lost with this process", KS("stream", st.name),
                      KU("records", st.books.spooled), KS("cause", st.error),
                      KS("hint", "`durability: disk` keeps them"));
        else if (st.books.spooled)
            log_warn("records are left in the spool, the next run delivers them", KS("stream", st.name),
                     KU("records", st.books.spooled), KU("bytes", st.books.spooled_bytes), KS("data_dir", s->data_dir),
                     KS("destination", st.destination), KS("cause", st.error), KS("hint", st.hint));
    }
}

/* Runs until told to stop. The number of records left undelivered. */
static uint64_t run_until_stopped(struct engine *en, const struct settings *s, bool once, int signals)
{
    struct run_progress rp = {.engine = en};
    bool done;
    uint64_t left;

    if (once)
        progress_init(&rp.p, "delivered", STDERR_FILENO, clock_mono());
    done = engine_wait(en, signals, once ? show_progress : NULL, &rp);
    if (!done)
        log_info("stopping: inputs stop, open batches are delivered", KS("signal", take_signal(signals)),
                 KI("grace_s", s->shutdown_grace / NSEC_PER_SEC));
    left = engine_drain(en, s->shutdown_grace, signals);
    if (once) {
        struct progress_count c = count_delivered(en);

        progress_finish(&rp.p, &c, clock_mono());
    }
    return left;
}

static int run_settings(const struct settings *s, bool once, int signals)
{
    struct engine *en = NULL;
    struct admin *admin = NULL;
    uint64_t left = 0;
    int rc = CLI_FAILED;
    struct err e;

    if (engine_start(&en, s, once, &e) < 0 || (s->admin_listen && admin_start(&admin, s->admin_listen, en, &e) < 0)) {
        log_error("cannot start", KE("cause", &e));
        goto out;
    }
    log_started(en, admin);
    left = run_until_stopped(en, s, once, signals);
    log_left(en, s);
    if (left == 0) {
        log_info("stopped, everything is delivered", KS("data_dir", s->data_dir));
        rc = CLI_DONE;
    }
out:
    admin_stop(&admin);
    engine_stop(&en);
    return rc;
}

static int run_main(int argc, char **argv)
{
    struct run_options o = {.config = NULL};
    struct settings *s;
    int signals, rc = parse_options(argc, argv, &o);

    if (rc != 0)
        return rc;
    s = cli_load_settings(o.config);
    if (!s)
        return CLI_USAGE;
    log_set_level(s->log_level);
    signals = catch_signals();
    rc = run_settings(s, o.once, signals);
    close(signals);
    settings_free(&s);
    return rc;
}

const struct cli_command cli_run = {
    .name = "run",
    .summary = "take records in, hold them safely, deliver them",
    .help = run_help,
    .run = run_main,
};
