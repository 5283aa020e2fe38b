/* Stored positions that no file has claimed yet: read at the start, given to their files by the first look, and
 * searched for when that look did not show them. */
#include "pipeline/inputs/tail/tail.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/mem.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- patterns ---------------------------------------------------------------------------------------------------- */

#define GLOB_PREFIX   "tail-pattern/"
#define PACKED_PREFIX "tail-pattern-packed/"

/* That a pattern was walked is stored like a position: under a hash, as a pattern may be longer than a source. */
static struct slice glob_source(const char *prefix, const struct glob *g, char out[POSITION_SOURCE_MAX])
{
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];

    sha256_of(slice_str(glob_text(g)), digest);
    snprintf(out, POSITION_SOURCE_MAX, "%s%s", prefix, hex_encode(digest, sizeof(digest), hex));
    return slice_str(out);
}

void tail_known_glob(struct tail *t, size_t i)
{
    char source[POSITION_SOURCE_MAX];

    if (!t->patterns[i].known)
        spool_remember(t->env.spool, glob_source(GLOB_PREFIX, t->patterns[i].glob, source), SLICE("1"));
    t->patterns[i].known = true;
    if (t->patterns[i].unpacks == t->reads_packed)
        return;
    t->patterns[i].unpacks = t->reads_packed;
    glob_source(PACKED_PREFIX, t->patterns[i].glob, source);
    if (t->reads_packed)
        spool_remember(t->env.spool, slice_str(source), SLICE("1"));
    else /* what is compressed from now on is met for the first time, should they be read again */
        spool_forget(t->env.spool, slice_str(source));
}

/* --- stored positions -------------------------------------------------------------------------------------------- */

static bool remember(void *ctx, struct slice source, struct slice cursor)
{
    struct tail *t = ctx;
    struct tail_known k = {.claimed = false};
    char own[POSITION_SOURCE_MAX];
    struct tail_cursor c;

    for (size_t i = 0; i < t->pattern_count && slice_starts(source, SLICE(GLOB_PREFIX)); i++)
        if (slice_eq(source, glob_source(GLOB_PREFIX, t->patterns[i].glob, own)))
            t->patterns[i].known = true;
    for (size_t i = 0; i < t->pattern_count && slice_starts(source, SLICE(PACKED_PREFIX)); i++)
        if (slice_eq(source, glob_source(PACKED_PREFIX, t->patterns[i].glob, own)))
            t->patterns[i].unpacks = true;
    if (tail_past_recover(t, source, cursor) || !tail_id_parse(source, &k.id))
        return true;
    if (!tail_cursor_parse(cursor, &c)) {
        if (log_due(&t->stored_log, clock_mono(), TAIL_LOG_PERIOD))
            log_error("stored position cannot be read: its file is treated as new", KS("stream", t->env.stream),
                      KB("source", source));
        return true;
    }
    k.place = c.place;
    k.path = mem_strndup(c.path.p, c.path.n);
    k.where = c.where.n > 0 ? mem_strndup(c.where.p, c.where.n) : mem_strdup(k.path);
    t->known = mem_grow(t->known, t->known_count + 1, sizeof(*t->known));
    t->known[t->known_count++] = k;
    return true;
}

static int by_inode(const void *a, const void *b)
{
    const struct tail_known *x = a, *y = b;

    return x->id.inode < y->id.inode ? -1 : x->id.inode > y->id.inode;
}

void tail_recover(struct tail *t)
{
    spool_positions(t->env.spool, remember, t);
    if (t->known_count > 0)
        qsort(t->known, t->known_count, sizeof(*t->known), by_inode);
}

void tail_store_place(struct tail *t, const struct tail_file *f)
{
    char source[POSITION_SOURCE_MAX], cursor[POSITION_CURSOR_MAX];
    struct tail_cursor c = {f->read, slice_str(f->path), slice_str(f->where)};

    spool_remember(t->env.spool, slice_str(tail_id_source(&f->name, source)), tail_cursor_encode(&c, cursor));
}

void tail_known_release(struct tail *t)
{
    for (size_t i = 0; i < t->known_count; i++) {
        mem_free(t->known[i].path);
        mem_free(t->known[i].where);
    }
    MEM_CLEAR(t->known);
    t->known_count = 0;
}

static struct tail_known *known_with_inode(const struct tail *t, uint64_t inode)
{
    struct tail_known key = {.id = {.inode = inode}}, *k;

    if (t->known_count == 0)
        return NULL;
    k = bsearch(&key, t->known, t->known_count, sizeof(key), by_inode);
    while (k && k > t->known && k[-1].id.inode == inode)
        k--;
    return k;
}

bool tail_known_see(struct tail *t, uint64_t inode)
{
    struct tail_known *first = known_with_inode(t, inode);

    for (struct tail_known *k = first; k && k < t->known + t->known_count && k->id.inode == inode; k++)
        k->seen = true;
    return first != NULL;
}

/* A device may get another number when the system starts again; then the time of birth must tell. */
struct tail_known *tail_known_claim(struct tail *t, const struct tail_id *id, bool matched)
{
    struct tail_known *k = known_with_inode(t, id->inode), *end = t->known + t->known_count;

    for (; k && k < end && k->id.inode == id->inode; k++) {
        bool same = k->id.born == id->born && (k->id.device == id->device || id->born != 0);

        if (same && !k->claimed && (matched || k->path[0] == '\0' || tail_is_wanted(t, k->path))) {
            k->claimed = true;
            return k;
        }
    }
    return NULL;
}

/* --- positions whose file the walk did not show --------------------------------------------------------------------
 */

/* Searches a folder that the walk did not visit. */
static void search_folder(struct tail *t, const struct tail_known *k, tail_find_fn find)
{
    char dir[PATH_MAX], path[PATH_MAX];
    struct dirent *d;
    DIR *stream;

    snprintf(dir, sizeof(dir), "%s", k->where);
    tail_folder_of(dir);
    tail_works(t, "look into", dir);
    stream = opendir(dir);
    if (!stream)
        return;
    while (!k->claimed && (d = readdir(stream)))
        if (d->d_ino == k->id.inode && tail_join(path, dir, d->d_name))
            find(t, AT_FDCWD, path, path, false);
    closedir(stream);
}

static void give_up(struct tail *t, const struct tail_known *k)
{
    char source[POSITION_SOURCE_MAX];

    if (t->conf->compressed == TAIL_COMPRESSED_READ)
        log_info("file is gone: should it have been compressed, it is read on there", KS("stream", t->env.stream),
                 KS("path", k->path), KU("offset", k->place.offset));
    else if (log_due(&t->missed_log, t->now, TAIL_LOG_PERIOD))
        log_warn(
            "file was deleted or compressed while sluice was not running: what was written to it since is not read",
            KS("stream", t->env.stream), KS("path", k->path), KU("offset", k->place.offset),
            KU("more_since_last", t->missed_log.suppressed),
            KS("hint",
               "keep at least one rotated file uncompressed (logrotate: delaycompress), or say `compressed: read`"));
    tail_past_known(t, k);
    spool_forget(t->env.spool, slice_str(tail_id_source(&k->id, source)));
}

/* Only positions of this input: another one of the same stream has its own patterns. */
static bool is_sought(const struct tail *t, const struct tail_known *k)
{
    return !k->claimed && k->path[0] == '/' && tail_is_wanted(t, k->path);
}

/* Should it be wanted again, it is not read twice; for one that is gone there is nothing to remember. */
static void forget_if_gone(struct tail *t, const struct tail_known *k)
{
    char source[POSITION_SOURCE_MAX];
    struct tail_stat st;
    int rc = tail_stat_at(AT_FDCWD, k->where, true, &st);

    if (rc == 0 ? st.id.inode != k->id.inode : tail_is_elsewhere(t, rc))
        spool_forget(t->env.spool, slice_str(tail_id_source(&k->id, source)));
}

/* Excluded since, or compressed ones that are not read any more. */
static bool is_left_alone(const struct tail *t, const struct tail_known *k)
{
    return !k->claimed && !k->seen && k->path[0] == '/' && tail_is_found(t, k->path) && !tail_is_wanted(t, k->path);
}

bool tail_known_search(struct tail *t, tail_find_fn find)
{
    bool missing = false;

    for (size_t i = 0; i < t->known_count; i++) {
        if (is_sought(t, &t->known[i]))
            search_folder(t, &t->known[i], find);
        missing |= is_sought(t, &t->known[i]);
    }
    return missing;
}

void tail_known_settle(struct tail *t)
{
    for (size_t i = 0; i < t->known_count; i++) {
        const struct tail_known *k = &t->known[i];

        tail_works(t, "look at", k->where);
        if (is_sought(t, k) && tail_device_is_there(k->where, k->id.device))
            give_up(t, k);
        else if (is_left_alone(t, k) && tail_device_is_there(k->where, k->id.device))
            forget_if_gone(t, k);
    }
    tail_known_release(t);
}

bool tail_device_is_there(const char *where, uint64_t device)
{
    char path[PATH_MAX];
    struct tail_stat st;

    snprintf(path, sizeof(path), "%s", where);
    for (char *slash; (slash = strrchr(path, '/')); *slash = '\0') {
        slash[slash == path] = '\0';
        if (tail_stat_at(AT_FDCWD, path, true, &st) == 0)
            return st.id.device == device;
        if (slash == path)
            break;
    }
    return false;
}
