/* Is a file still the one that was read, up to the place where it is read next? Each read begins up to 256 bytes before the place, by
 * preadv into two buffers, and compares those bytes with the place's mark. So a file that was truncated and grew again past the
 * place (copytruncate) is noticed by the very read that would have gone wrong, at the price of a checksum over 256 bytes
 * for up to 1 MB. What is found out about a copy's original goes the same way. */
#include "pipeline/base/limits.h"
#include "pipeline/inputs/tail/tail.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#define ZEROS_MOST 4096 /* a block */

/* What was read of it is not in the file any more. What is on its way must be settled first: how far the file was read
 * for good is all that tells its copy apart. */
enum tail_step tail_start_over(struct tail *t, struct tail_file *f)
{
    if (f->in_flight > 0) {
        f->rewritten = true;
        return TAIL_STEP_END;
    }
    if (tail_place_is_any(&f->read) && log_due(&t->rewritten_log, t->now, TAIL_LOG_PERIOD))
        log_warn("file was truncated or rewritten: reading it from its start", KS("stream", t->env.stream),
                 KS("path", f->path), KU("offset", f->read.offset), KU("size", f->size),
                 KU("more_since_last", t->rewritten_log.suppressed),
                 KS("hint",
                    "lines written between the last read and the truncation are in the copy that was made, if its "
                    "name is in `paths`, else nowhere; rotation by renaming loses nothing"));
    tail_past_keep(t, f);
    if (f->read.offset > 0)
        f->zeros_least = f->read.offset < ZEROS_MOST ? f->read.offset : ZEROS_MOST;
    f->zeros_to = 0;
    f->read = f->safe = (struct tail_place){.encoding = f->read.encoding};
    f->fresh = f->fleeting = true;
    f->past_kept = false;
    f->heads.n = 0;
    f->judged = (struct tail_mark){.length = 0};
    f->compare = (struct tail_compare){.begun = false};
    return f->size > 0 ? TAIL_STEP_MORE : TAIL_STEP_END;
}

/* What was found out of a file, before anything was read of it, is true of what was in it then. */
static bool begins_as_judged(const struct tail_file *f, struct slice first)
{
    size_t n = first.n < f->judged.length ? first.n : f->judged.length;

    return tail_mark_is(f->judged, slice_of(first.p, n));
}

/* Before and behind where it is read next, at once. */
static ssize_t read_both(const struct tail_file *f, char *before, size_t skip, char *to, size_t n)
{
    struct iovec v[2] = {{before, skip}, {to, n}};
    ssize_t first, second;

    if (!f->is_packed)
        return preadv(f->fd, v, 2, (off_t)(f->read.offset - skip));
    first = tail_file_read(f, before, skip, f->read.offset - skip);
    second = first == (ssize_t)skip ? tail_file_read(f, to, n, f->read.offset) : 0;
    return first < 0 || second < 0 ? -1 : first + second;
}

ssize_t tail_read_at(const struct tail_file *f, char before[TAIL_MARK_BYTES], char *to, size_t n, int *error)
{
    size_t skip = f->read.mark.length;
    ssize_t got = read_both(f, before, skip, to, n);

    if (got < 0) {
        *error = errno;
        return 0;
    }
    if ((size_t)got < skip || !tail_mark_is(f->read.mark, slice_of(before, skip)))
        return -1;
    if (f->read.offset == 0 && n >= f->judged.length && !begins_as_judged(f, slice_of(to, (size_t)got)))
        return -1;
    return got - (ssize_t)skip;
}

int tail_refresh(struct tail *t, struct tail_file *f, bool *rewritten)
{
    struct tail_stat st;
    int rc = tail_files_open(&t->files, f);

    if (f->is_packed)
        return rc; /* what there is to know of it is known (unpack.c) */
    if (rc == 0)
        rc = tail_stat_fd(f->fd, &st);
    if (rc != 0)
        return rc;
    *rewritten = st.modified != f->modified;
    if (st.size != f->size || *rewritten) {
        f->grown = t->now;
        f->flush = f->flush && t->env.once;
    }
    if (st.size < f->size)
        tail_wake_held(t); /* for what may be a copy of it */
    f->size = st.size;
    f->modified = st.modified;
    if (st.deleted)
        tail_set_gone(t, f, true);
    return 0;
}

bool tail_is_elsewhere(const struct tail *t, int error)
{
    return error == ENOENT || error == ENOTDIR || error == ESTALE || (error == ELOOP && !t->conf->follow_symlinks);
}

enum tail_step tail_verify_end(struct tail *t, struct tail_file *f, bool rewritten)
{
    char before[TAIL_MARK_BYTES], c;
    int error = 0;

    if (f->read.ahead == 0 && (!rewritten || tail_read_at(f, before, &c, 1, &error) >= 0))
        return TAIL_STEP_END;
    return tail_start_over(t, f);
}

/* What one stream was ahead by; of that the end is known. */
static bool has_ahead(const struct tail_file *f)
{
    size_t n = f->read.ahead < TAIL_MARK_BYTES ? f->read.ahead : TAIL_MARK_BYTES;
    char bytes[TAIL_MARK_BYTES];

    return n == 0 || (tail_file_read(f, bytes, n, f->read.offset + f->read.ahead - n) == (ssize_t)n &&
                      tail_mark_of(slice_of(bytes, n)).crc == f->read.ahead_crc);
}

enum tail_whole_answer tail_is_whole(struct tail *t, struct tail_file *f)
{
    char before[TAIL_MARK_BYTES], c;
    bool rewritten;
    int error = 0, rc;

    if (f->refused || f->rewritten)
        return TAIL_REWRITTEN;
    rc = tail_refresh(t, f, &rewritten);
    if (rc != 0)
        return tail_is_elsewhere(t, rc) ? TAIL_ELSEWHERE : TAIL_UNKNOWN;
    if (rewritten || f->size > f->read.offset)
        tail_wake(t, f); /* what is new to us is new to whoever reads it */
    if (f->size >= f->read.offset + f->read.ahead && tail_read_at(f, before, &c, 1, &error) >= 0 && has_ahead(f))
        return TAIL_WHOLE;
    (void)tail_start_over(t, f);
    tail_wake(t, f);
    return TAIL_REWRITTEN;
}
