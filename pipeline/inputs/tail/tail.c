/* tail.c -- the input that follows files: options, start and stop. The other files are listed in tail.h. */
#include "pipeline/inputs/tail/tail.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/reach.h"

#include <stddef.h>

struct input {
    struct tail t;
};

/* Nothing in it waits for a disk. */
static void start_on_loop(void *arg)
{
    struct tail *t = arg;
    struct tail_watch_events on = tail_scan_events;
    struct err e;

    t->now = clock_mono();
    on.ctx = t;
    if (!t->env.once && tail_watch_open(&t->watch, loop_uv(t->env.loop), &on, &e) < 0) {
        t->polling = true;
        log_warn("folders cannot be watched: looking for changes every second", KS("stream", t->env.stream),
                 KE("cause", &e),
                 KS("hint", "raise the sysctl fs.inotify.max_user_instances, or the limit of open files"));
    }
    tail_turns_start(t);
}

static void begin(void *arg)
{
    struct tail *t = arg;

    t->now = clock_mono();
    tail_look(t);
    tail_settled(t); /* with nothing to read all is done */
}

static void stop_on_loop(void *arg)
{
    struct tail *t = arg;

    t->stopped = true;
    tail_watch_close(&t->watch);
}

/* Delivery thread. */
static void go_on(void *arg)
{
    struct tail *t = arg;

    loop_group_tell(&t->group);
}

static int tail_start(struct input *in, struct err *e)
{
    (void)e;
    tail_recover(&in->t);
    loop_call(in->t.env.loop, start_on_loop, &in->t);
    in->t.begin = (struct loop_post){.fn = begin, .arg = &in->t};
    loop_post(in->t.env.loop, &in->t.begin);
    return 0;
}

static void tail_stop(struct input *in)
{
    loop_group_stop(&in->t.group, stop_on_loop);
}

static bool tail_left(struct input *in, nsec until)
{
    return loop_group_left(&in->t.group, until);
}

static void tail_close(struct input **in)
{
    struct tail *t;

    if (!*in)
        return;
    t = &(*in)->t;
    if (t->pace.go_on)
        pace_leave(t->env.pace, &t->pace);
    tail_known_release(t);
    tail_pasts_release(t);
    tail_files_release(&t->files);
    tail_patterns_release(t);
    loop_group_release(&t->group);
    pthread_mutex_destroy(&t->lock);
    MEM_CLEAR(*in);
}

/* --- configuration ----------------------------------------------------------------------------------------------- */

static int open_path(const void *ctx, const char *path, int flags)
{
    return tail_open_path(ctx, path, flags);
}

static int tail_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));
    struct tail *t = &in->t;

    t->env = *env;
    t->conf = conf;
    pthread_mutex_init(&t->lock, NULL);
    TAILQ_INIT(&t->ready);
    TAILQ_INIT(&t->unfinished);
    TAILQ_INIT(&t->failed);
    TAILQ_INIT(&t->held_back);
    tail_files_init(&t->files, (size_t)t->conf->max_open_files, env->descriptors);
    t->files.open_path = open_path;
    t->files.ctx = t;
    tail_writes_init(t);
    loop_group_init(&t->group, env->loop, tail_news, t);
    if (tail_patterns_parse(t, env->base_dir, e) < 0) {
        tail_close(&in);
        return -1;
    }
    t->pace = (struct pace_waiter){.go_on = go_on, .arg = t};
    pace_join(env->pace, &t->pace);
    *out = in;
    return 0;
}

static void tail_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    tail_patterns_check(conf, base_dir, o);
}

static void tail_look_around(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    struct tail *t = mem_alloc(sizeof(*t));
    struct err e;

    t->conf = conf;
    if (tail_patterns_parse(t, base_dir, &e) == 0)
        tail_warn(t, o);
    tail_patterns_release(t);
    mem_free(t);
}

static const struct cfg_choice starts[] = {{"beginning", TAIL_START_BEGINNING}, {"end", TAIL_START_END}, {NULL, 0}};

static const struct cfg_choice encodings[] = {
    {"auto", TAIL_AUTO}, {"utf-8", TAIL_UTF8}, {"utf-16le", TAIL_UTF16LE}, {"utf-16be", TAIL_UTF16BE}, {NULL, 0}};

static const struct cfg_field fields[] = {
    {.name = "paths",
     .type = CFG_STRINGS,
     .offset = offsetof(struct tail_conf, paths),
     .required = true,
     .min = 1,
     .max = 1000,
     .help =
         "files to follow: paths with * ? [..] {a,b}, ** for any number of folders, ~/ for the home folder; a folder "
         "means the files in it. A \\ takes the meaning from the character behind it. "
         "A rotated file is read to its end whatever its name is, if it was seen before; add the rotated names "
         "(app.log*) when files can come and be rotated away while sluice is not running, and for copytruncate. "
         "Compressed files "
         "(.gz .bz2 .xz .zst .lz4 .zip) are left alone"},
    {.name = "exclude",
     .type = CFG_STRINGS,
     .offset = offsetof(struct tail_conf, exclude),
     .max = 1000,
     .help = "files to leave out: a pattern without a slash is matched against the file's name, otherwise against its "
             "path"},
    {.name = "start",
     .type = CFG_ENUM,
     .offset = offsetof(struct tail_conf, start),
     .def = "end",
     .choices = starts,
     .help = "where to begin in files that are there when the input first starts. Files that come later are read from "
             "their beginning; with --once all are"},
    {.name = "encoding",
     .type = CFG_ENUM,
     .offset = offsetof(struct tail_conf, encoding),
     .def = "auto",
     .choices = encodings,
     .help = "UTF-16 is delivered as UTF-8. auto: as the byte order mark at the file's beginning says, without one "
             "utf-8, in "
             "which every byte but the line's end passes as it is. The mark is no part of the first line"},
    {.name = "last_line",
     .type = CFG_DURATION,
     .offset = offsetof(struct tail_conf, last_line),
     .def = "5s",
     .min = 100 * NSEC_PER_MSEC,
     .max = 3600 * NSEC_PER_SEC,
     .help = "a last line without newline is delivered when its file has not grown for so long; what comes after it is "
             "the next record"},
    {.name = "rescan",
     .type = CFG_DURATION,
     .offset = offsetof(struct tail_conf, rescan),
     .def = "10s",
     .min = 1 * NSEC_PER_SEC,
     .max = 3600 * NSEC_PER_SEC,
     .help = "how often to look at all files even if the system reports no change (network file systems report none)"},
    {.name = "max_open_files",
     .type = CFG_INT,
     .offset = offsetof(struct tail_conf, max_open_files),
     .def = "512",
     .min = 1,
     .max = 100000,
     .help = "files held open at the same time; more can be followed, the least recently used are closed. "
             "Fewer when the process may not have so many (ulimit -n), as delivery and the API need some too"},
    {.name = "follow_symlinks",
     .type = CFG_BOOL,
     .offset = offsetof(struct tail_conf, follow_symlinks),
     .def = "true",
     .help =
         "follow symbolic links to files. With false no link is followed, also none to a folder, but in the part of a "
         "pattern that has no wildcard"},
    {.name = NULL},
};

const struct input_ops tail_ops = {
    .name = "tail",
    .help =
        "follows files: every line is a record; positions are stored with the records, so a crash neither skips nor "
        "repeats a line",
    .fields = fields,
    .conf_size = sizeof(struct tail_conf),
    .finite = true,
    .open = tail_open,
    .start = tail_start,
    .stop = tail_stop,
    .stopped = tail_left,
    .close = tail_close,
    .check_conf = tail_check_conf,
    .reach_open = tail_reach_open,
    .reach_has = tail_reach_has,
    .reach_close = tail_reach_close,
    .look = tail_look_around,
};
