/* What is known of files that are no more: truncated, deleted, or gone when sluice was not running. Each past says how far the file was
 * read and the checksum of all of it, which is what its copy is recognised by (copy.c). It is stored like a position, so that it
 * outlives a restart. The last bytes that were read of the busiest files are kept besides, in memory only: a copy that
 * was made before the last lines were written lacks them. */
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/tail/tail.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAST_PREFIX "tail-past/"

/* --- the last bytes that were read ------------------------------------------------------------------------------- */

/* The slot of f; or else the one that was not used for the longest time. */
static struct tail_recent *recent_of(struct tail *t, const struct tail_file *f)
{
    struct tail_recent *oldest = &t->recent[0];

    for (size_t i = 0; i < TAIL_RECENT_MAX; i++) {
        struct tail_recent *r = &t->recent[i];

        if (r->f == f)
            return r;
        if (r->used < oldest->used)
            oldest = r;
    }
    return oldest;
}

/* What was read, and then refused by the spool, is read again. */
static void take_back(struct tail_recent *r, uint64_t end)
{
    uint64_t n = r->end - end;

    r->n = r->end >= end && n <= r->n ? r->n - (size_t)n : 0;
    r->end = end;
}

void tail_recent_note(struct tail *t, const struct tail_file *f, struct slice taken)
{
    struct tail_recent *r = recent_of(t, f);
    size_t n = taken.n < TAIL_RECENT_BYTES ? taken.n : TAIL_RECENT_BYTES;

    if (r->f != f)
        r->n = 0;
    r->f = f;
    r->used = ++t->recent_uses;
    take_back(r, f->read.offset);
    if (n < taken.n)
        r->n = 0;
    if (r->n + n > 2 * TAIL_RECENT_BYTES) { /* not with every call: what is moved is as much as came since */
        memmove(r->bytes, r->bytes + (r->n - TAIL_RECENT_BYTES), TAIL_RECENT_BYTES);
        r->n = TAIL_RECENT_BYTES;
    }
    if (r->n + n > r->room) {
        r->room = r->n + n <= 4 * KIB ? 4 * KIB : 2 * TAIL_RECENT_BYTES;
        r->bytes = mem_grow(r->bytes, r->room, 1);
    }
    memcpy(r->bytes + r->n, taken.p + (taken.n - n), n);
    r->n += n;
    r->end += taken.n;
}

void tail_recent_forget(struct tail *t, const struct tail_file *f)
{
    struct tail_recent *r = recent_of(t, f);

    if (r->f == f) {
        r->f = NULL;
        r->n = 0;
        r->used = 0;
    }
}

/* Gives the bytes before the offset to the past that begins now. */
static void take_recent(struct tail *t, const struct tail_file *f, struct tail_past *p)
{
    struct tail_recent *r = recent_of(t, f);

    if (r->f != f)
        return;
    take_back(r, p->place.offset);
    p->recent = r->bytes;
    p->recent_n = r->n;
    r->bytes = NULL;
    r->room = 0;
    tail_recent_forget(t, f);
}

/* --- the past ---------------------------------------------------------------------------------------------------- */

static struct slice past_source(const struct tail_past *p, char out[POSITION_SOURCE_MAX])
{
    snprintf(out, POSITION_SOURCE_MAX, PAST_PREFIX "%" PRIx64 "/%" PRIx64, (uint64_t)p->noticed, p->inode);
    return slice_str(out);
}

static void forget_past(struct tail *t, size_t i)
{
    char source[POSITION_SOURCE_MAX];

    spool_forget(t->env.spool, past_source(&t->pasts[i], source));
    mem_free(t->pasts[i].path);
    mem_free(t->pasts[i].recent);
    t->pasts[i] = t->pasts[--t->past_count];
}

static void keep_past(struct tail *t, const struct tail_past *p)
{
    size_t oldest = 0;

    for (size_t i = 1; i < t->past_count; i++)
        if (t->pasts[i].noticed < t->pasts[oldest].noticed)
            oldest = i;
    if (t->past_count == TAIL_PASTS_MAX)
        forget_past(t, oldest);
    t->pasts = mem_grow(t->pasts, t->past_count + 1, sizeof(*t->pasts));
    t->pasts[t->past_count] = *p;
    t->pasts[t->past_count].number = ++t->past_number;
    t->past_count++;
    for (size_t i = 0; i < t->past_count; i++) { /* they are many, and old ones need no more than the checksum */
        if (t->pasts[i].number + TAIL_RECENT_MAX > t->past_number)
            continue;
        MEM_CLEAR(t->pasts[i].recent);
        t->pasts[i].recent_n = 0;
    }
}

static void past_add(struct tail *t, struct tail_past *p, const char *path)
{
    char source[POSITION_SOURCE_MAX], cursor[POSITION_CURSOR_MAX];
    struct tail_cursor c = {p->place, slice_str(path), SLICE("")};

    p->noticed = clock_wall();
    p->path = mem_strdup(path);
    p->stem = tail_stem(path);
    keep_past(t, p);
    spool_remember(t->env.spool, past_source(p, source), tail_cursor_encode(&c, cursor));
    tail_wake_held(t);
}

void tail_past_known(struct tail *t, const struct tail_known *k)
{
    struct tail_past p = {.inode = k->id.inode, .place = k->place};

    if (tail_place_is_any(&k->place) && k->path[0] == '/')
        past_add(t, &p, k->path);
}

void tail_past_keep(struct tail *t, struct tail_file *f)
{
    struct tail_past p = {.inode = f->id.inode, .place = f->read, .heads = f->heads};

    if (f->past_kept || !tail_place_is_any(&f->read))
        return;
    f->past_kept = true;
    take_recent(t, f, &p);
    past_add(t, &p, f->path);
}

bool tail_past_recover(struct tail *t, struct slice source, struct slice cursor)
{
    char text[POSITION_SOURCE_MAX];
    struct tail_past p = {.noticed = 0};
    struct tail_cursor c;
    uint64_t noticed;

    if (!slice_starts(source, SLICE(PAST_PREFIX)))
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)source.n, source.p);
    if (sscanf(text, PAST_PREFIX "%" SCNx64 "/%" SCNx64, &noticed, &p.inode) != 2 || !tail_cursor_parse(cursor, &c) ||
        c.path.n == 0)
        return true;
    p.path = mem_strndup(c.path.p, c.path.n);
    p.noticed = (nsec)noticed;
    p.place = c.place;
    p.stem = tail_stem(p.path);
    keep_past(t, &p);
    return true;
}

void tail_pasts_expire(struct tail *t)
{
    nsec now = t->past_count > 0 ? clock_wall() : 0;

    for (size_t i = t->past_count; i-- > 0;)
        if (now - t->pasts[i].noticed > TAIL_PAST_KEEP)
            forget_past(t, i);
}

void tail_pasts_release(struct tail *t)
{
    for (size_t i = 0; i < TAIL_RECENT_MAX; i++)
        MEM_CLEAR(t->recent[i].bytes);
    for (size_t i = 0; i < t->past_count; i++) {
        mem_free(t->pasts[i].path);
        mem_free(t->pasts[i].recent);
    }
    MEM_CLEAR(t->pasts);
    t->past_count = 0;
}
