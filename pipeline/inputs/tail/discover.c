/* Which files there are. A look walks all patterns and compares what it finds with the table of known files:
 *
 *   a known file, perhaps under a new name (rotation)      its path is corrected; it is read on where it was
 *   an unknown one that matches, with a stored position    it goes on there
 *   an unknown one that matches, without                   it is new: `start` decides if this is the first look
 *   a stored position or a known file that was not found   searched by its last path, then it is gone
 *
 * The walk shows every name in the folders it visits, also those that do not match, with their inode numbers. That is
 * how access.log.1 is recognised as the file that was access.log, without a stat for each unrelated file. */
#include "pipeline/inputs/tail/tail.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOOK_SHARE   20 /* a look may take one part in so many of the time */
#define MISSING_LOOK 2  /* a file that was renamed during a walk can be missed by that walk */

/* --- watching ---------------------------------------------------------------------------------------------------- */

static void poll_remote(struct tail *t, const char *dir)
{
    struct statfs fs;

    if (statfs(dir, &fs) != 0 || !tail_watch_is_remote((uint32_t)fs.f_type))
        return;
    t->polling = true;
    log_info("folder is on a network file system, which reports no changes: looking for changes every second",
             KS("stream", t->env.stream), KS("path", dir));
}

static void watch_folder(struct tail *t, const char *dir)
{
    if (!t->watch)
        return;
    if (tail_watch_add(t->watch, dir)) {
        if (!t->polling)
            poll_remote(t, dir);
        return;
    }
    if (t->polling)
        return;
    t->polling = true;
    log_warn("folder cannot be watched: looking for changes every second", KS("stream", t->env.stream), KS("path", dir),
             KS("cause", strerror(errno)),
             KS("hint", errno == ENOSPC ? "raise the sysctl fs.inotify.max_user_watches" : "nothing is lost by it"));
}

/* --- one file ---------------------------------------------------------------------------------------------------- */

static bool is_old(const struct tail *t, const struct tail_stat *st)
{
    return t->conf->ignore_older > 0 && st->size > 0 && clock_wall() - st->modified > t->conf->ignore_older;
}

/* What is there of compressed files when they are met for the first time. */
static bool is_passed_over(const struct tail *t, const struct tail_stat *st)
{
    bool first = t->looking && t->fresh_packed && t->conf->start == TAIL_START_END && !t->env.once;

    return first || is_old(t, st);
}

static void add_packed(struct tail *t, struct tail_file *f, const struct tail_known *k, const struct tail_stat *st)
{
    f->is_packed = true;
    f->stored = st->size;
    if (k) {
        f->name = k->id;
        f->read = f->safe = k->place;
    }
    f->fresh = f->read.offset == 0;
    f->size =
        f->read.offset + (f->read.packed_bytes == 0); /* there is something to be read, how much is not known yet */
    if (!k && is_passed_over(t, st)) {
        tail_unpack_pass(t, f, st->size, st->modified);
        log_info("compressed file was there before: it is not read", KS("stream", t->env.stream), KS("path", f->path));
        return;
    }
    if (f->read.packed_bytes == 0)
        log_info("compressed file", KS("stream", t->env.stream), KS("path", f->path), KU("offset", f->read.offset));
    tail_wake(t, f);
}

static struct tail_file *add_file(struct tail *t, const struct tail_stat *st, const char *path, const char *where,
                                  bool matched)
{
    struct tail_known *k = tail_known_claim(t, &st->id, matched);
    struct tail_file *f;

    if (!k && !matched)
        return NULL;
    f = tail_files_add(&t->files, &st->id, k && k->path[0] ? k->path : path, where);
    f->size = st->size;
    f->modified = st->modified;
    f->grown = t->now;
    f->flush = t->env.once;
    if (tail_is_packed(t, strrchr(path, '/') + 1) || tail_is_packed(t, strrchr(where, '/') + 1)) {
        add_packed(t, f, k, st);
        return f;
    }
    if (k) {
        f->name = k->id;
        f->read = f->safe = k->place;
        f->fleeting = k->where[0] && strcmp(k->where, where) != 0;
        log_info("file goes on where it was", KS("stream", t->env.stream), KS("path", f->path),
                 KU("offset", f->read.offset));
    } else if (is_old(t, st)) {
        f->read = tail_place_end(t, f, true);
        tail_store_place(t, f);
        f->safe = f->read;
        log_info("file is older than ignore_older: only what is written from now on is read",
                 KS("stream", t->env.stream), KS("path", f->path), KU("offset", f->read.offset));
    } else {
        /* `start` is for what is there when a pattern is looked at for the first time ever. Where reading begins is stored at
         * once: otherwise a crash before the first line would make a file new again, at another end. */
        if (t->looking && t->fresh_glob && t->conf->start == TAIL_START_END && !t->env.once) {
            f->read = tail_place_end(t, f, false);
            tail_store_place(t, f);
        }
        f->safe = f->read;
        f->fresh = f->read.offset == 0;
        log_info("new file", KS("stream", t->env.stream), KS("path", f->path), KU("offset", f->read.offset));
    }
    tail_wake(t, f);
    return f;
}

/* It was to be read, and was not where it had been found: it was renamed in between. */
static bool was_not_found(const struct tail_file *f)
{
    return f->state == TAIL_IDLE && f->fd < 0 && f->read.offset < f->size;
}

/* The first name in a look wins: a file may have several. */
static void sighted(struct tail *t, struct tail_file *f, const struct tail_stat *st, const char *where)
{
    if (f->seen != t->look || !t->looking) {
        f->seen = t->look;
        f->missing = 0;
        tail_set_gone(t, f, false);
        tail_file_moved(f, where);
        if (f->fleeting)
            tail_hurry(t);
    }
    if (st->size != (f->is_packed ? f->stored : f->size) || st->modified != f->modified || f->state == TAIL_FAILED ||
        was_not_found(f))
        tail_wake(t, f);
}

/* What is at dir_fd/name now; `path` is its whole path. */
static void find(struct tail *t, int dir_fd, const char *name, const char *path, bool matched)
{
    char target[PATH_MAX];
    const char *where = path;
    struct tail_file *f;
    struct tail_stat st;
    bool link;

    tail_works(t, "look at", path);
    if ((dir_fd == AT_FDCWD ? tail_stat_path(t, path, &st) : tail_stat_at(dir_fd, name, false, &st)) != 0)
        return; /* gone again */
    link = st.link;
    if (link && (!matched || !t->conf->follow_symlinks || tail_stat_at(dir_fd, name, true, &st) != 0))
        return;
    if (!st.regular)
        return;
    if (link) {
        if (!realpath(path, target))
            return;
        where = target;
    }
    f = tail_files_find(&t->files, &st.id);
    if (!f)
        f = add_file(t, &st, path, where, matched);
    t->matched = t->matched || (f && matched);
    if (f)
        sighted(t, f, &st, where);
    if (link) {
        tail_folder_of(target);
        watch_folder(t, target);
    }
}

/* --- a look ------------------------------------------------------------------------------------------------------ */

static void on_next(void *ctx, const char *path)
{
    tail_works(ctx, "look into", path);
}

static void on_folder(void *ctx, int dir_fd, const char *dir)
{
    (void)dir_fd;
    watch_folder(ctx, dir);
}

static void on_entry(void *ctx, const struct glob_entry *en)
{
    struct tail *t = ctx;
    char path[PATH_MAX];
    bool matched, known;

    if (en->type != DT_REG && en->type != DT_LNK && en->type != DT_UNKNOWN)
        return;
    if (!tail_join(path, en->dir, en->name))
        return;
    matched = en->matched && !tail_is_excluded(t, path);
    known = tail_known_see(t, en->inode);
    if (!matched && !known && !tail_files_has_inode(&t->files, en->inode))
        return;
    find(t, en->dir_fd, en->name, path, matched);
    on_next(t, en->dir); /* it is listed further */
}

static void on_unreadable(void *ctx, const char *dir, int error)
{
    struct tail *t = ctx;
    char words[INPUT_ERROR_MAX];

    snprintf(words, sizeof(words), "folder %s: %s", dir, strerror(error));
    input_health_error(t->env.health, words, tail_advice(error), t->now);
    if (t->env.once) /* there is one look only, and the end of it says that there was something */
        log_warn("folder cannot be read", KS("stream", t->env.stream), KS("path", dir), KS("cause", strerror(error)));
    else if (log_due(&t->folder_log, t->now, 60 * NSEC_PER_SEC))
        log_warn("folder cannot be read, will retry", KS("stream", t->env.stream), KS("path", dir),
                 KS("cause", strerror(error)), KS("hint", tail_advice(error)));
}

/* Where a file that is open is now, from the kernel: also behind a rename to a folder we do not know. */
static void ask_handle(struct tail *t, struct tail_file *f)
{
    char link[64], path[PATH_MAX];
    struct tail_stat st;
    ssize_t n;

    if (tail_stat_fd(f->fd, &st) != 0)
        return;
    if (st.deleted) {
        tail_set_gone(t, f, true);
        tail_wake(t, f);
        return;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n > 0 && path[0] == '/') {
        path[n] = '\0';
        sighted(t, f, &st, path);
    }
}

static void look_for(void *ctx, struct tail_file *f)
{
    struct tail *t = ctx;
    struct tail_stat st;
    int rc;

    if (f->seen == t->look || f->gone)
        return;
    tail_works(t, "look at", f->where);
    if (f->fd >= 0) {
        ask_handle(t, f);
        return;
    }
    rc = t->conf->follow_symlinks ? tail_stat_at(AT_FDCWD, f->where, true, &st) : tail_stat_path(t, f->where, &st);
    if (rc == ELOOP) /* a link is in its place, or in that of its folder */
        rc = ENOENT;
    if (rc == 0 && tail_id_eq(&st.id, &f->id)) {
        sighted(t, f, &st, f->where);
    } else if (rc == 0 || ((rc == ENOENT || rc == ENOTDIR) && tail_device_is_there(f->where, f->id.device))) {
        if (++f->missing >= MISSING_LOOK)
            tail_set_gone(t, f, true);
        else
            tail_look_soon(t);
    }
}

/* A pattern that finds nothing is no mistake, but it mostly is one. */
static void tell_matches(struct tail *t, struct tail_pattern *p, size_t i)
{
    struct err why;

    tail_works(t, "look into", glob_text(p->glob));
    if (t->look == 1 && tail_explain(t, i, &why))
        log_warn(t->matched ? "pattern does not find everything" : "pattern finds no file", KS("stream", t->env.stream),
                 KS("path", glob_text(p->glob)), KE("cause", &why));
    else if (t->look > 1 && t->matched && !p->matches)
        log_info("pattern finds files now", KS("stream", t->env.stream), KS("path", glob_text(p->glob)));
    p->matches = p->matches || t->matched;
}

void tail_look(struct tail *t)
{
    const struct glob_visitor v = {on_folder, on_entry, on_unreadable, !t->conf->follow_symlinks, t, on_next};
    nsec took, period = t->polling ? TAIL_POLL_PERIOD : t->conf->rescan;

    t->look++;
    t->look_wanted = false;
    tail_pasts_expire(t);
    t->looking = true;
    for (size_t i = 0; i < t->pattern_count; i++) {
        t->fresh_glob = !t->patterns[i].known;
        t->fresh_packed = !t->patterns[i].unpacks;
        t->matched = false;
        glob_walk(t->patterns[i].glob, &v);
        tail_known_glob(t, i);
        tell_matches(t, &t->patterns[i], i);
    }
    t->fresh_glob = t->fresh_packed = false;
    if (tail_known_search(t, find)) /* what was renamed during the walk can be missed by it */
        for (size_t i = 0; i < t->pattern_count; i++)
            glob_walk(t->patterns[i].glob, &v);
    t->looking = false;
    tail_known_settle(t);
    took = clock_mono() - t->now;
    t->look_earlier = t->now + (took * LOOK_SHARE > TAIL_LOOK_GAP ? took * LOOK_SHARE : TAIL_LOOK_GAP);
    t->look_at = t->now + (period < t->conf->rescan ? period : t->conf->rescan);
    if (t->look_at < t->look_earlier)
        t->look_at = t->look_earlier;
    tail_files_each(&t->files, look_for, t); /* may ask for another look */
    tail_rests(t);
}

/* --- events ------------------------------------------------------------------------------------------------------ */

static void on_appeared(void *ctx, const char *dir, const char *name)
{
    struct tail *t = ctx;
    char path[PATH_MAX];

    t->now = clock_mono();
    if (tail_join(path, dir, name))
        find(t, AT_FDCWD, path, path, tail_is_wanted(t, path));
    tail_rests(t);
}

static void on_changed(void *ctx, const char *dir, const char *name)
{
    struct tail *t = ctx;
    struct tail_file *f;
    struct tail_stat st;
    char path[PATH_MAX];

    t->now = clock_mono();
    if (!tail_join(path, dir, name))
        return;
    tail_works(t, "look at", path);
    if (tail_stat_path(t, path, &st) == 0) {
        f = tail_files_find(&t->files, &st.id);
        if (f)
            tail_wake(t, f);
        else
            find(t, AT_FDCWD, path, path, tail_is_wanted(t, path));
    }
    tail_rests(t);
}

static void on_look(void *ctx)
{
    tail_look_soon(ctx);
}

const struct tail_watch_events tail_scan_events = {on_changed, on_appeared, on_look, NULL};
