/* Is a new file the copy of one that was read? logrotate's copytruncate copies app.log to app.log.1 and empties
 * app.log. Where the rotated names are in the patterns, the copy is a file nobody has seen, and all of its lines are
 * known but the last: those written between the last read and the truncation, which are nowhere else.
 *
 * So when a file is truncated or deleted, what is known of its past is kept: how far it was read, and the checksum of
 * everything before. A new file whose bytes up to there have that checksum is its copy and is read on from there. The
 * copy mostly comes first, while its original is whole: a new file that has the beginning of a known one, and a name
 * like it, is held back until the original is truncated, or the two differ, or nothing happens for a while: then it is
 * a file of its own. Nothing is skipped on a likeness: only on the checksum over all that was read, and only when the
 * original is gone, so that two files that say the same are both delivered.
 *
 * A program that goes on writing between the copy's end and the truncation leaves a copy that is shorter than what was
 * read. What is missing is in the past, too (past.c): put behind a short copy, it must give the checksum of the whole.
 *
 * Names narrow the search, contents decide. A name is like another when the other's stem (app of app.log) is a part of
 * it: app.log.1, app-20261126.log, old/app.log.1. */
#include "pipeline/inputs/tail/tail.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CLOCK_SLACK (2 * NSEC_PER_SEC) /* between the clocks of a file server and ours */

/* --- names ------------------------------------------------------------------------------------------------------- */

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* The stems a file must have to be the original of the one with this name. */
struct cuts {
    uint32_t stem[TAIL_CUTS_MAX];
    size_t count;
};

static bool is_separator(char c)
{
    return (unsigned char)c < 0x80 && !isalnum((unsigned char)c); /* what is no ASCII is a letter, or a part of one */
}

static bool ends_before(const char *name, size_t i)
{
    return name[i] == '\0' || is_separator(name[i]) ||
           (isdigit((unsigned char)name[i]) && isalpha((unsigned char)name[i - 1]));
}

static struct cuts cuts_of(const char *path)
{
    const char *name = name_of(path);
    struct cuts c = {.count = 0};

    for (size_t i = 0; name[i]; i++) {
        if (i > 0 && !is_separator(name[i - 1]))
            continue;
        for (size_t j = i + 1; c.count < TAIL_CUTS_MAX; j++) {
            if (ends_before(name, j))
                c.stem[c.count++] = crc32c(0, slice_of(name + i, j - i));
            if (name[j] == '\0')
                break;
        }
    }
    return c;
}

static bool has_stem(const struct cuts *c, uint32_t stem)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->stem[i] == stem)
            return true;
    return false;
}

/* A copy's name is made of its original's, so it is no shorter. A file under the very name of another is what came
 * after it, not its copy. */
static bool may_be_copy(const char *path, const char *original)
{
    return strlen(name_of(path)) >= strlen(name_of(original)) && strcmp(path, original) != 0;
}

/* By what is known of both, without opening them. */
static bool begin_alike(const struct tail_heads *a, const struct tail_heads *b)
{
    unsigned both = a->n < b->n ? a->n : b->n;

    return both == 0 || a->crc[both - 1] == b->crc[both - 1];
}

/* --- is it the copy of something that is gone? ------------------------------------------------------------------- */

/* The copy is there before the truncation is. It may lack what was written after it was made, if that is still known, and not most of
 * it. */
static bool fits(const struct tail_past *p, const struct tail_file *f, const struct cuts *c)
{
    nsec born = f->id.born > 0 ? (nsec)f->id.born : f->modified;
    uint64_t end = p->place.offset, least = end - p->recent_n;

    least = least > end / 2 ? least : end / 2;
    least = least > p->place.whole.from ? least : p->place.whole.from;
    if (end == 0) /* what one stream had delivered is all that tells */
        end = least = p->place.ahead;
    return (f->size >= end || f->size >= least) && p->inode != f->id.inode && has_stem(c, p->stem) &&
           may_be_copy(f->path, p->path) && begin_alike(&f->heads, &p->heads) && born <= p->noticed + CLOCK_SLACK;
}

static bool comes_before(const struct tail_past *p, uint64_t offset, uint64_t number)
{
    return p->place.offset < offset || (p->place.offset == offset && p->number < number);
}

/* The one that it is being compared with, or the next one: those that were read furthest come first. */
static const struct tail_past *next_past(const struct tail *t, const struct tail_file *f, const struct cuts *c)
{
    const struct tail_past *best = NULL;

    for (size_t i = 0; i < t->past_count; i++) {
        const struct tail_past *p = &t->pasts[i];

        if (p->number == f->compare.number)
            return p;
        if (comes_before(p, f->compare.below, f->compare.below_number) && fits(p, f, c) &&
            (!best || comes_before(best, p->place.offset, p->number)))
            best = p;
    }
    return best;
}

static bool ends_alike(const struct tail_file *f, const struct tail_mark *m, uint64_t offset)
{
    char bytes[TAIL_MARK_BYTES];
    ssize_t n = tail_file_read(f, bytes, m->length, offset - m->length);

    return n == (ssize_t)m->length && tail_mark_is(*m, slice_of(bytes, m->length));
}

static void pass_over(struct tail_file *f, const struct tail_past *p)
{
    f->compare = (struct tail_compare){.begun = true, .below = p->place.offset, .below_number = p->number};
}

/* The place at the end of a copy that ends earlier than what was read. */
static struct tail_place short_place(const struct tail_file *f, const struct tail_past *p, uint64_t end, uint32_t crc)
{
    struct tail_place place = p->place;
    char bytes[TAIL_MARK_BYTES];
    size_t want = end < sizeof(bytes) ? (size_t)end : sizeof(bytes);
    ssize_t n = tail_file_read(f, bytes, want, end - want);

    place.offset = end;
    place.mark = tail_mark_of(slice_of(bytes, n > 0 ? (size_t)n : 0));
    place.whole.crc = crc;
    place.ahead = 0;
    place.mid_line = tail_whole_lines(slice_of(bytes, n > 0 ? (size_t)n : 0), place.encoding) != (size_t)n;
    return place;
}

/* A copy may end in the bytes by which one stream was ahead: then it is ahead by what there is. False: they are others. */
static bool fit_ahead(const struct tail_file *f, struct tail_place *place)
{
    uint64_t left = f->size - place->offset, ahead = place->ahead < left ? place->ahead : left;
    size_t want = ahead < TAIL_MARK_BYTES ? (size_t)ahead : TAIL_MARK_BYTES;
    char bytes[TAIL_MARK_BYTES];
    ssize_t n = tail_file_read(f, bytes, want, place->offset + ahead - want);
    uint32_t crc = tail_mark_of(slice_of(bytes, n > 0 ? (size_t)n : 0)).crc;

    if (place->ahead == 0 || (ahead == place->ahead && crc == place->ahead_crc))
        return true;
    if (ahead == place->ahead)
        return false;
    place->ahead = (uint32_t)ahead;
    place->ahead_crc = crc;
    return true;
}

/* Its bytes up to `end`, and behind them what it lacks, give `crc`. */
static void conclude(struct tail *t, struct tail_file *f, const struct tail_past *p, uint64_t end)
{
    size_t lacks = (size_t)(p->place.offset - end);
    uint32_t crc = crc32c(f->compare.crc, slice_of(p->recent + (p->recent_n - lacks), lacks));
    struct tail_place place = p->place;

    if (crc != p->place.whole.crc || (lacks == 0 && !fit_ahead(f, &place))) {
        pass_over(f, p);
        return;
    }
    if (lacks > 0)
        place = short_place(f, p, end, f->compare.crc);
    log_info("file is a copy of one that was read: going on where that ended", KS("stream", t->env.stream),
             KS("path", f->path), KS("original", p->path), KU("offset", place.offset), KU("size", f->size));
    f->read = f->safe = place;
    f->fresh = false;
    f->compare = (struct tail_compare){.begun = false};
    tail_store_place(t, f);
}

/* A piece of the comparison. */
static void compare(struct tail *t, struct tail_file *f, const struct tail_past *p)
{
    const struct tail_place *to = &p->place;
    uint64_t end = f->size < to->offset ? f->size : to->offset;
    char bytes[TAIL_COMPARE_READ_BYTES];

    if (f->compare.number != p->number) {
        /* What is compressed would be unpacked up to there for that, and from its beginning again. */
        if (!f->is_packed && end == to->offset && !ends_alike(f, &to->mark, end)) {
            pass_over(f, p);
            return;
        }
        f->compare.number = p->number;
        f->compare.at = to->whole.from;
        f->compare.crc = 0;
    }
    if (!tail_unpack_seek(f, f->compare.at > TAIL_MARK_BYTES ? f->compare.at - TAIL_MARK_BYTES : 0))
        return;
    for (uint64_t done = 0; done < TAIL_COMPARE_BYTES && f->compare.at < end;) {
        uint64_t left = end - f->compare.at;
        ssize_t n = tail_file_read(f, bytes, left < sizeof(bytes) ? (size_t)left : sizeof(bytes), f->compare.at);

        if (n < 0 && errno == ENOMEM)
            return; /* it waits, and has lost nothing */
        if (n <= 0) {
            pass_over(f, p);
            return;
        }
        f->compare.crc = crc32c(f->compare.crc, slice_of(bytes, (size_t)n));
        f->compare.at += (uint64_t)n;
        done += (uint64_t)n;
    }
    if (f->compare.at >= end)
        conclude(t, f, p, end);
}

/* --- or of something that is still there? ------------------------------------------------------------------------ */

static bool same_bytes(const struct tail_file *a, const struct tail_file *b, uint64_t at, size_t n)
{
    char x[TAIL_LIKENESS_BYTES], y[TAIL_LIKENESS_BYTES];

    return tail_file_read(a, x, n, at) == (ssize_t)n && tail_file_read(b, y, n, at) == (ssize_t)n &&
           memcmp(x, y, n) == 0;
}

/* All of f, as far as it goes, is at the beginning of a: both ends are compared; of what is compressed the beginning, as it is held back for
 * a moment only. */
static bool is_beginning_of(const struct tail_file *f, const struct tail_file *a)
{
    size_t n = f->size < TAIL_LIKENESS_BYTES ? (size_t)f->size : TAIL_LIKENESS_BYTES;

    return f->size <= a->size && same_bytes(f, a, 0, n) && (f->is_packed || same_bytes(f, a, f->size - n, n));
}

void tail_note_head(struct tail_file *f, struct slice first)
{
    uint32_t crc = 0;
    size_t done = 0;

    f->heads.n = 0; /* of what was in it before, nothing is left to tell */
    for (size_t n; f->heads.n < TAIL_HEADS && (n = (size_t)TAIL_HEAD_BYTES << f->heads.n) <= first.n; done = n) {
        crc = crc32c(crc, slice_of(first.p + done, n - done));
        f->heads.crc[f->heads.n++] = crc;
    }
}

static struct slice head_of(const struct tail_file *f, char bytes[TAIL_HEADS_BYTES])
{
    ssize_t n = tail_file_read(f, bytes, TAIL_HEADS_BYTES, 0);

    return slice_of(bytes, n > 0 ? (size_t)n : 0);
}

/* Between now and the first read it may become another one: that read finds out (tail_read_at). */
static void learn_fresh(struct tail_file *f)
{
    char bytes[TAIL_HEADS_BYTES];
    struct slice head = head_of(f, bytes);

    tail_note_head(f, head);
    f->judged = (struct tail_mark){(uint32_t)head.n, crc32c(0, head)};
}

static void learn_head(struct tail_file *f)
{
    char bytes[TAIL_HEADS_BYTES];

    if (f->heads.n < TAIL_HEADS && f->fd >= 0)
        tail_note_head(f, head_of(f, bytes));
}

/* Whether `a` was renamed or deleted a look finds out, unless its file system is not there. */
static enum tail_likeness wait_for_look(struct tail *t, const struct tail_file *a)
{
    if (t->env.once || (!a->gone && !tail_device_is_there(a->where, a->id.device)))
        return TAIL_UNLIKE;
    tail_look_soon(t);
    return TAIL_UNDECIDED;
}

/* Two new files must not wait for one another: the longer name waits. */
static bool may_wait_for(const struct tail_file *f, const struct tail_file *a)
{
    return a != f && may_be_copy(f->path, a->path) &&
           (!a->fresh || strlen(name_of(f->path)) > strlen(name_of(a->path)));
}

/* Whether it is whole is found out first; if it is not, its past tells the rest, unless it was filled anew: f may be the copy of that. */
static enum tail_likeness liken(struct tail *t, struct tail_file *f, struct tail_file *a)
{
    if (a->is_packed)
        return TAIL_UNLIKE; /* nobody writes to it, and empties it */
    switch (tail_is_whole(t, a)) {
    case TAIL_WHOLE:
        break;
    case TAIL_REWRITTEN:
        if (!a->fresh)
            return TAIL_UNDECIDED;
        if (!may_wait_for(f, a)) /* it has started over, and its past is kept */
            return TAIL_UNLIKE;
        break;
    case TAIL_ELSEWHERE:
        return wait_for_look(t, a);
    case TAIL_UNKNOWN:
        return a->gone && !t->env.once ? TAIL_UNDECIDED : TAIL_UNLIKE; /* its past is kept when it is dropped */
    }
    if (a->gone && !a->past_kept) { /* f may lack what was written to it after f was made */
        if (!t->env.once && (a->in_flight > 0 || a->read.offset < a->size))
            return TAIL_UNDECIDED;
        tail_past_keep(t, a);
        return TAIL_UNLIKE;
    }
    learn_head(a);
    if (a->gone || tail_files_open(&t->files, f) != 0 || a->fd < 0)
        return TAIL_UNLIKE;
    if (is_beginning_of(f, a)) {
        a->fleeting = true; /* it is about to be truncated */
        return TAIL_LIKE;
    }
    return tail_is_whole(t, a) == TAIL_REWRITTEN ? TAIL_UNDECIDED : TAIL_UNLIKE; /* just now? */
}

static bool is_near(const struct tail_file *f, const struct tail_file *a)
{
    size_t n = (size_t)(name_of(f->path) - f->path);

    return n == (size_t)(name_of(a->path) - a->path) && memcmp(f->path, a->path, n) == 0;
}

static enum tail_likeness liken_to_kin(struct tail *t, struct tail_file *f, uint32_t stem)
{
    unsigned seen = 0, near = TAIL_OPEN_NEAR, far = TAIL_OPEN_FAR;
    enum tail_likeness found = TAIL_UNLIKE;

    for (struct tail_file *a = LIST_FIRST(tail_files_kin(&t->files, stem)); a && seen < TAIL_KIN_MAX;
         a = LIST_NEXT(a, kin)) {
        unsigned *left;

        if (a->stem != stem)
            continue;
        seen++;
        /* What `a` was read as counts here, whatever became of it. */
        if (!begin_alike(&f->heads, &a->heads) || !may_wait_for(f, a))
            continue;
        left = is_near(f, a) ? &near : &far;
        if (*left == 0)
            continue;
        (*left)--;
        tail_works(t, "read", a->where);
        found = liken(t, f, a);
        tail_works(t, "read", f->where);
        if (found != TAIL_UNLIKE)
            break;
    }
    return found;
}

/* --- what is to be done with it ---------------------------------------------------------------------------------- */

/* Until then it is held back, should it not change. */
static nsec hold_end(const struct tail_file *f)
{
    return f->grown + TAIL_COPY_HOLD + (nsec)(f->size / MIB) * TAIL_COPY_HOLD_PER_MIB;
}

enum tail_step tail_judge(struct tail *t, struct tail_file *f)
{
    struct cuts c = cuts_of(f->path);
    const struct tail_past *p;
    struct tail_stat st;

    if (!f->compare.begun) {
        f->compare = (struct tail_compare){.begun = true, .below = UINT64_MAX};
        f->like = TAIL_UNLIKE;
        if (tail_files_open(&t->files, f) == 0)
            learn_fresh(f);
        for (size_t i = 0; i < c.count && f->like == TAIL_UNLIKE; i++)
            f->like = liken_to_kin(t, f, c.stem[i]);
        /* What was found out of its original may be younger than what is known of f: the copy is whole before the original is
         * truncated, so its size is asked for once more. */
        if (!f->is_packed && tail_files_open(&t->files, f) == 0 && tail_stat_fd(f->fd, &st) == 0 &&
            st.size != f->size) {
            f->size = st.size;
            f->grown = t->now;
        }
    }
    /* Without a decision it waits whatever the pasts say, and asks again soon: they can be long. */
    p = f->like != TAIL_UNDECIDED && tail_files_open(&t->files, f) == 0 ? next_past(t, f, &c) : NULL;
    if (p) {
        compare(t, f, p);
        return TAIL_STEP_MORE;
    }
    f->compare.begun = false;
    if (f->like == TAIL_UNDECIDED || (f->like == TAIL_LIKE && !t->env.once && t->now < hold_end(f))) {
        f->due = f->like == TAIL_LIKE ? hold_end(f) : t->now;
        return TAIL_STEP_HELD;
    }
    if (f->like == TAIL_LIKE && !t->env.once)
        log_info("file begins like another one, which was not truncated: it is read as a file of its own",
                 KS("stream", t->env.stream), KS("path", f->path));
    f->fresh = false;
    return TAIL_STEP_MORE;
}
