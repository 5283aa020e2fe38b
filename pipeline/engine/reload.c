/* Configurations are kept as long as the engine uses a stream of theirs: the newest one whole, to be compared with the next one, of the
 * others only those streams. What is done to the streams: reload_steps.c. */
#include "pipeline/engine/reload.h"

#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/preflight.h"
#include "pipeline/engine/reload_steps.h"
#include "pipeline/settings/diff.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

struct kept {
    SLIST_ENTRY(kept) link;
    struct settings *settings;
};

struct reload {
    struct reload_conf conf;
    const struct settings *running;
    SLIST_HEAD(, kept) kept; /* all that were read, and are used; `running` too, unless it is that of the start */
    struct reload_steps steps;

    pthread_mutex_t lock;
    bool busy;  /* guarded by lock, as what follows */
    nsec since; /* mono */
    const char *doing;
};

/* --- what it says: a report that has no more room ends early -------------------------------------------------------- */

static void doing(struct reload *r, const char *what)
{
    pthread_mutex_lock(&r->lock);
    r->doing = what;
    pthread_mutex_unlock(&r->lock);
}

/* --- configurations ------------------------------------------------------------------------------------------------
 */

static void keep(struct reload *r, struct settings *s)
{
    struct kept *k = mem_alloc(sizeof(*k));

    k->settings = s;
    SLIST_INSERT_HEAD(&r->kept, k, link);
}

/* False: none of its streams is used any more. */
static bool drop_unused(struct reload *r, struct settings *s)
{
    bool used = false;

    for (size_t i = 0; i < s->stream_count; i++) {
        if (!s->streams[i].name)
            continue;
        if (engine_uses(r->conf.engine, &s->streams[i]))
            used = true;
        else
            settings_drop_stream(s, i);
    }
    return used;
}

static void prune(struct reload *r)
{
    struct kept *k, *next;

    for (k = SLIST_FIRST(&r->kept); k; k = next) {
        next = SLIST_NEXT(k, link);
        if (k->settings == r->running || drop_unused(r, k->settings))
            continue;
        SLIST_REMOVE(&r->kept, k, kept, link);
        settings_free(&k->settings);
        mem_free(k);
    }
}

/* --- the check -----------------------------------------------------------------------------------------------------
 */

/* "FILE:LINE:COLUMN: ..." of the first mistake, which the lines of warnings may stand before. */
static struct slice first_mistake(const struct buf *printed)
{
    const char *line = printed->p, *end = printed->p + printed->n;

    while (line < end) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);

        if (!memmem(line, n, ": warning: ", strlen(": warning: ")))
            return slice_of(line, n);
        line += n + 1;
    }
    return SLICE("");
}

/* Those that are not what they should be begin anew, whatever the file says. */
static void insist(const struct reload *r, struct settings_diff *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct settings_diff_stream *s = &d->streams[i];

        if (!s->before || !s->now || !reload_steps_unsure(&r->steps, s->name))
            continue;
        d->counts[s->change]--;
        d->counts[s->change = SETTINGS_CHANGED]++;
        s->delivery = s->inputs = true;
        s->scripts = false;
        if (!s->options)
            s->options = mem_strdup("after the reload that failed");
    }
}

/* The only certain check of an address is to have it. */
static void prepare(struct reload *r, const struct settings *s, const struct settings_diff *d, struct cfg_errors *found)
{
    struct err e;

    if (d->admin && r->conf.prepare && r->conf.prepare(r->conf.ctx, s, &e) < 0)
        cfg_error(found, settings_place(s, "admin", "listen"), "%s", e.msg);
}

static void take_back_prepared(struct reload *r)
{
    if (r->conf.not_so)
        r->conf.not_so(r->conf.ctx);
}

/* NULL: there are mistakes, or something is not there. Else what was prepared is to be had, or taken back. `d` is to be released in any case. */
static struct settings *check(struct reload *r, struct settings_diff *d, struct cfg_errors *found)
{
    const struct settings *running = r->running;
    struct engine_status es;
    struct settings *s = NULL;
    struct stat st;

    /* What a pipe or a terminal had to say was said at the start; loading says what is wrong with a file that is gone. */
    if (stat(running->path, &st) == 0 && !S_ISREG(st.st_mode)) {
        cfg_error(found, (struct srcpos){.file = running->path},
                  "the configuration did not come from a file and cannot be read again");
        return NULL;
    }
    s = settings_load(running->path, &SETTINGS_ALL, found);
    if (!s)
        return NULL;
    if (strcmp(s->base_dir, running->base_dir) != 0)
        cfg_error(found, (struct srcpos){.file = s->path},
                  "its folder is %s now, and was %s at the start, where relative paths begin: that takes a restart",
                  s->base_dir, running->base_dir);
    settings_diff(running, s, found, d);
    insist(r, d);
    engine_status(r->conf.engine, &es);
    if (cfg_errors_count(found) == 0)
        preflight_check_changes(s, running, &es, d, found);
    if (cfg_errors_count(found) == 0)
        prepare(r, s, d, found);
    if (cfg_errors_count(found) > 0)
        settings_free(&s);
    return s;
}

/* --- one reload ----------------------------------------------------------------------------------------------------
 */

static void log_streams(const struct settings_diff *d)
{
    static const char *const words[] = {
        [SETTINGS_ADDED] = "added", [SETTINGS_REMOVED] = "removed", [SETTINGS_CHANGED] = "changed"};
    size_t named = 0;

    for (size_t i = 0; i < d->count && named < RELOAD_NAMED_MAX; i++) {
        const struct settings_diff_stream *s = &d->streams[i];

        if (s->change == SETTINGS_SAME)
            continue;
        named++;
        log_info("reload: a stream differs", KS("stream", s->name), KS("change", words[s->change]),
                 KS("options", s->options ? s->options : ""));
    }
}

/* What the file says is in effect from here on, but for the end of what is gone. */
static void adopt(struct reload *r, const struct settings *now)
{
    engine_set_sections(r->conf.engine, now, true);
    if (r->conf.at_once)
        r->conf.at_once(r->conf.ctx, now);
    for (size_t i = 0; i < now->stream_count; i++) { /* its text is what the stream runs already */
        struct stream_settings *st = &now->streams[i];

        if (!engine_uses(r->conf.engine, st))
            settings_unload(st);
    }
    r->running = now;
}

static void say_counts(const struct settings *s, const struct settings_diff *d, const char *what, struct buf *out)
{
    const size_t *n = d->counts;

    (void)!buf_printf(out, "%s: %s: %zu added, %zu removed, %zu changed, %zu as they were\n", s->path, what,
                      n[SETTINGS_ADDED], n[SETTINGS_REMOVED], n[SETTINGS_CHANGED], n[SETTINGS_SAME]);
}

static enum reload_result refuse(struct reload *r, const char *by, const struct cfg_errors *found, struct buf *out)
{
    size_t mistakes = cfg_errors_count(found);

    log_warn(
        "reload: refused, and nothing has changed", KS("asked_by", by), KS("path", r->running->path),
        KU("mistakes", mistakes), KB("first", first_mistake(out)),
        KS("hint", "`sluice validate -c` with this path shows the mistakes of the file; everything goes on as it was"));
    (void)!buf_printf(out, "%s: not reloaded: %zu mistake%s; nothing has changed\n", r->running->path, mistakes,
                      noun_s(mistakes));
    engine_note_reload(r->conf.engine, ENGINE_RELOAD_REFUSED, clock_wall());
    return RELOAD_MISTAKES;
}

static enum reload_result take_effect(struct reload *r, const char *by, struct settings *s,
                                      const struct settings_diff *d, struct buf *out)
{
    nsec begun = clock_mono();
    enum reload_result result;
    struct err e;

    keep(r, s);
    log_streams(d);
    doing(r, "streams begin, and change");
    engine_set_sections(r->conf.engine, s, false); /* who begins to listen now lets nobody in by the keys of before */
    engine_set_memory(r->conf.engine, s->memory_limit); /* what begins has its part of it */
    engine_set_grace(r->conf.engine, s->shutdown_grace);
    result = reload_steps_take(&r->steps, d, out, &e);
    if (result != RELOAD_DONE) {
        engine_set_sections(r->conf.engine, r->running, true);
        engine_set_memory(r->conf.engine, r->running->memory_limit);
        engine_set_grace(r->conf.engine, r->running->shutdown_grace);
        take_back_prepared(r);
    }
    if (result == RELOAD_DONE) {
        adopt(r, s);
        doing(r, "the last deliveries of streams that are removed");
        reload_steps_end(&r->steps, s, out);
    }
    if (result == RELOAD_DONE) {
        log_info("reload: done", KS("asked_by", by), KS("path", s->path), KU("added", d->counts[SETTINGS_ADDED]),
                 KU("removed", d->counts[SETTINGS_REMOVED]), KU("changed", d->counts[SETTINGS_CHANGED]),
                 KU("as_they_were", d->counts[SETTINGS_SAME]), KI("ms", (clock_mono() - begun) / NSEC_PER_MSEC));
        if (settings_diff_describe(d, out) == 0)
            say_counts(s, d, "reloaded", out);
    } else if (result == RELOAD_FAILED) {
        log_error("reload: failed, everything is as it was but for what the lines before say", KS("asked_by", by),
                  KS("path", s->path), KE("cause", &e), KS("hint", "see to the cause, then reload again"));
        (void)!buf_printf(out, "%s: not reloaded: %s; what had changed is as it was again\n", s->path, e.msg);
    } else {
        (void)!buf_printf(out, "%s: not reloaded: sluice is stopping; the next start reads the file\n", s->path);
    }
    if (result != RELOAD_STOPPED)
        engine_note_reload(r->conf.engine, result == RELOAD_DONE ? ENGINE_RELOAD_DONE : ENGINE_RELOAD_FAILED,
                           clock_wall());
    return result;
}

static enum reload_result run(struct reload *r, const char *by, bool only_look, struct buf *out)
{
    struct cfg_errors *found = cfg_errors_new();
    struct settings_diff d = {.count = 0};
    enum reload_result result = RELOAD_DONE;
    struct settings *s;

    doing(r, "the check of the new configuration");
    s = check(r, &d, found);
    cfg_errors_print(found, out);
    if (!s && only_look) {
        result = RELOAD_MISTAKES;
    } else if (!s) {
        result = refuse(r, by, found, out);
    } else if (only_look) {
        if (settings_diff_describe(&d, out) == 0)
            say_counts(s, &d, "a reload would leave", out);
        take_back_prepared(r);
        settings_free(&s);
    } else {
        result = take_effect(r, by, s, &d, out);
    }
    settings_diff_release(&d);
    cfg_errors_free(&found);
    prune(r);
    return result;
}

static bool begin(struct reload *r, struct buf *out)
{
    bool free;

    pthread_mutex_lock(&r->lock);
    free = !r->busy;
    if (free) {
        r->busy = true;
        r->since = clock_mono();
    } else {
        (void)!buf_printf(out, "a reload has been under way for %lld s, at the moment: %s; ask again when it is over\n",
                          (long long)((clock_mono() - r->since) / NSEC_PER_SEC), r->doing);
    }
    pthread_mutex_unlock(&r->lock);
    return free;
}

enum reload_result reload_now(struct reload *r, const char *by, bool only_look, struct buf *out)
{
    enum reload_result result;

    if (r->conf.once) {
        (void)!buf_printf(out,
                          "this sluice reads its configuration once, and ends when its inputs do: start it again\n");
        log_warn("reload: refused, this sluice reads its configuration once and ends when its inputs do",
                 KS("asked_by", by));
        return RELOAD_MISTAKES;
    }
    if (!begin(r, out))
        return RELOAD_BUSY;
    if (!only_look && r->conf.begins)
        r->conf.begins(r->conf.ctx);
    result = run(r, by, only_look, out);
    if (!only_look && r->conf.ends)
        r->conf.ends(r->conf.ctx);
    pthread_mutex_lock(&r->lock);
    r->busy = false;
    pthread_mutex_unlock(&r->lock);
    return result;
}

/* --- life --- */

struct reload *reload_new(const struct reload_conf *conf)
{
    struct reload *r = mem_alloc(sizeof(*r));

    r->conf = *conf;
    r->running = conf->settings;
    r->doing = "";
    reload_steps_init(&r->steps, conf->engine);
    SLIST_INIT(&r->kept);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

void reload_free(struct reload **rp)
{
    struct reload *r = *rp;
    struct kept *k;

    if (!r)
        return;
    while ((k = SLIST_FIRST(&r->kept))) {
        SLIST_REMOVE_HEAD(&r->kept, link);
        settings_free(&k->settings);
        mem_free(k);
    }
    reload_steps_release(&r->steps);
    pthread_mutex_destroy(&r->lock);
    MEM_CLEAR(*rp);
}
