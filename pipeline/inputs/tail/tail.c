/* tail.c -- the input that follows files: options, start and stop. The other files are listed in tail.h. */
#include "pipeline/inputs/tail/tail.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/reach.h"

#include <stddef.h>
#include <unistd.h>

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

    tail_end_records(t);
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
    shape_free(&t->shape);
    multiline_free(&t->multiline);
    fields_free(&t->fields);
    loop_group_release(&t->group);
    pthread_mutex_destroy(&t->lock);
    MEM_CLEAR(*in);
}

/* --- configuration ----------------------------------------------------------------------------------------------- */

static int open_path(const void *ctx, const char *path, int flags)
{
    return tail_open_path(ctx, path, flags);
}

static bool has_multiline(const struct tail_multiline_conf *c)
{
    return c->preset != MULTILINE_OWN || c->start || c->go_on;
}

static int open_multiline(struct multiline **m, const struct tail_multiline_conf *c, struct err *e)
{
    bool own = c->start || c->go_on;

    *m = NULL;
    if (c->preset != MULTILINE_OWN && own)
        return err_set(e, ERR_CONFIG,
                       "multiline: preset: `start` and `continue` are patterns of your own; give them, or "
                       "a preset");
    if (has_multiline(c) && multiline_new(m, (enum multiline_preset)c->preset, c->start, c->go_on, e) < 0)
        return err_wrap(e, "multiline");
    return 0;
}

/* Without any of it a tail has no shape, and reads faster. */
static int open_shape(struct tail *t, struct err *e)
{
    const struct tail_conf *c = t->conf;
    char host[256] = "";

    if (open_multiline(&t->multiline, &c->multiline, e) < 0)
        return -1;
    if (gethostname(host, sizeof(host) - 1) < 0)
        host[0] = '\0';
    if (c->add_fields.n > 0)
        t->fields = fields_new(&c->add_fields, host);
    if (t->multiline || t->fields || c->format != CONTAINER_NONE || c->encoding == TAIL_LATIN1)
        t->shape = shape_new(&(struct shape_conf){.multiline = t->multiline,
                                                  .fields = t->fields,
                                                  .container = (enum container_format)c->format,
                                                  .timeout = t->multiline ? c->multiline.timeout : c->last_line});
    return 0;
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
    if (tail_patterns_parse(t, env->base_dir, e) < 0 || open_shape(t, e) < 0) {
        tail_close(&in);
        return -1;
    }
    t->pace = (struct pace_waiter){.go_on = go_on, .arg = t};
    pace_join(env->pace, &t->pace);
    *out = in;
    return 0;
}

/* What nothing would be known of would be left out of each record, in silence. */
static void check_fields(const struct tail_conf *c, const struct cfg_options *o)
{
    struct err e;

    for (size_t i = 0; c->format == CONTAINER_NONE && i < c->add_fields.n; i++) {
        const char *name = fields_of_container(&c->add_fields, i);

        if (!name)
            continue;
        (void)err_set(&e, ERR_CONFIG,
                      "add_fields: `%s` is known of a container's file only: say `format: auto`, or give it a text",
                      name);
        cfg_options_refuse_item(o, "add_fields", i, &e);
    }
}

static void tail_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct tail_conf *c = conf;
    struct multiline *m;
    struct err e;

    tail_patterns_check(c, base_dir, o);
    check_fields(c, o);
    if (open_multiline(&m, &c->multiline, &e) < 0)
        cfg_options_refuse(o, &e);
    else if (!m && c->multiline.timeout != MULTILINE_TIMEOUT &&
             err_set(&e, ERR_CONFIG,
                     "multiline: timeout: nothing says which lines are one record: `start`, `continue` or `preset` is "
                     "missing") < 0)
        cfg_options_refuse(o, &e);
    multiline_free(&m);
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

static const struct cfg_choice encodings[] = {{"auto", TAIL_AUTO},        {"utf-8", TAIL_UTF8},
                                              {"utf-16le", TAIL_UTF16LE}, {"utf-16be", TAIL_UTF16BE},
                                              {"latin-1", TAIL_LATIN1},   {NULL, 0}};

static const struct cfg_choice formats[] = {{"lines", CONTAINER_NONE},
                                            {"auto", CONTAINER_AUTO},
                                            {"cri", CONTAINER_CRI},
                                            {"docker", CONTAINER_DOCKER},
                                            {NULL, 0}};

static const struct cfg_choice compressed[] = {
    {"leave", TAIL_COMPRESSED_LEAVE}, {"read", TAIL_COMPRESSED_READ}, {NULL, 0}};

static const struct cfg_choice presets[] = {
    {"none", MULTILINE_OWN},  {"java", MULTILINE_JAVA}, {"python", MULTILINE_PYTHON}, {"go", MULTILINE_GO},
    {"node", MULTILINE_NODE}, {"ruby", MULTILINE_RUBY}, {"dotnet", MULTILINE_DOTNET}, {NULL, 0}};

static const struct cfg_field multiline_fields[] = {
    {.name = "start",
     .type = CFG_STRING,
     .offset = offsetof(struct tail_conf, multiline.start),
     .help =
         "a regular expression (PCRE2). A line in which it is found begins a record, every other belongs to the lines "
         "before it"},
    {.name = "continue",
     .type = CFG_STRING,
     .offset = offsetof(struct tail_conf, multiline.go_on),
     .help =
         "a line in which it is found belongs to the lines before it, every other begins a record. With `start`: only "
         "to a record that a line with `start` began"},
    {.name = "preset",
     .type = CFG_ENUM,
     .offset = offsetof(struct tail_conf, multiline.preset),
     .def = "none",
     .choices = presets,
     .help = "instead of the two: the stack traces of a language. A trace is one record, every other line is one, too"},
    {.name = "timeout",
     .type = CFG_DURATION,
     .offset = offsetof(struct tail_conf, multiline.timeout),
     .def = "2s",
     .min = 100 * NSEC_PER_MSEC,
     .max = 3600 * NSEC_PER_SEC,
     .help = "the last record of a file is at its end when the file has not grown for so long"},
    {.name = NULL},
};

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
         "(.gz .bz2 .xz .zst .lz4 .zip) are left alone, but for what `compressed` says"},
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
    {.name = "ignore_older",
     .type = CFG_DURATION,
     .offset = offsetof(struct tail_conf, ignore_older),
     .min = 1 * NSEC_PER_SEC,
     .max = INT64_C(10) * 365 * 24 * 3600 * NSEC_PER_SEC,
     .help = "a file that is met for the first time and was last written longer ago is not read: only what is written "
             "to it "
             "from then on. Left out: its age does not matter"},
    {.name = "compressed",
     .type = CFG_ENUM,
     .offset = offsetof(struct tail_conf, compressed),
     .def = "leave",
     .choices = compressed,
     .help =
         "of files named .gz and .zst. read: each is read once, whole, when it is complete; of one that is a file that "
         "was "
         "read before, what was not read yet. `start` says what becomes of those that are there at the first start"},
    {.name = "encoding",
     .type = CFG_ENUM,
     .offset = offsetof(struct tail_conf, encoding),
     .def = "auto",
     .choices = encodings,
     .help = "UTF-16 is delivered as UTF-8. auto: as the byte order mark at the file's beginning says, without one "
             "utf-8, in "
             "which every byte but the line's end passes as it is. The mark is no part of the first line. latin-1 (ISO "
             "8859-1) is delivered as UTF-8, too"},
    {.name = "format",
     .type = CFG_ENUM,
     .offset = offsetof(struct tail_conf, format),
     .def = "lines",
     .choices = formats,
     .help =
         "how lines are written by a container runtime: cri (containerd, CRI-O), docker (json-file), auto: as each "
         "line "
         "says. The record is what the program wrote, with the parts of a long line put together; `meta` has output "
         "(stdout, stderr), time, and by the file's name namespace, pod, container, container_id. A line that is not "
         "so "
         "is a record as it stands"},
    {.name = "multiline",
     .type = CFG_BLOCK,
     .fields = multiline_fields,
     .help = "lines that are one record. Left out: each line is one"},
    {.name = "add_fields",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct tail_conf, add_fields),
     .bind = fields_bind,
     .release = fields_unbind,
     .syntax = FIELDS_SYNTAX,
     .help =
         "fields for each record: host, file (its path), stream, time, namespace, pod, container, container_id (those "
         "of a "
         "container's file, where they are known), or any name with a text: [host, file], { host, file, env: prod }. A "
         "JSON object gets those that it does not have; any other record becomes {\"message\": its text, ...}"},
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
    .loop = true,
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
