/* Holes between the lines of a file: where the power failed before what was written reached the disk, or where a program without O_APPEND goes on
 * at its old offset behind what another one has written. Nobody wrote those zeros. They are told by the file system alone: zeros that
 * somebody did write are bytes like others.
 *
 * A line in front of a hole has lost its end, and is a record as far as it goes. A hole that nothing stands behind is room that is filled
 * by and by: reading waits in front of it. */
#include "pipeline/base/limits.h"
#include "pipeline/inputs/tail/tail.h"

#include <string.h>
#include <unistd.h>

#define LEAST 512  /* no file system has smaller blocks */
#define BLOCK 4096 /* of the block that follows, what is in front of what was written is zero, too */

/* The first run of zeros that may reach into a hole; false: there is none. */
static bool find_run(struct slice in, size_t *from, size_t *to)
{
    for (size_t i = 0; i < in.n; i += LEAST) {
        if (in.p[i] != '\0')
            continue;
        for (*from = i; *from > 0 && in.p[*from - 1] == '\0';)
            --*from;
        for (*to = i; *to < in.n && in.p[*to] == '\0';)
            ++*to;
        if (*to - *from >= LEAST)
            return true;
    }
    return false;
}

/* Behind the zeros that the block at `at` begins with. */
static uint64_t behind_zeros(const struct tail_file *f, uint64_t at)
{
    char bytes[BLOCK];
    ssize_t n = pread(f->fd, bytes, sizeof(bytes), (off_t)at);
    size_t zeros = 0;

    while (n > 0 && zeros < (size_t)n && bytes[zeros] == '\0')
        zeros++;
    return at + zeros;
}

struct tail_hole tail_find_hole(const struct tail_file *f, struct slice in, bool even)
{
    struct tail_hole h = {.at = in.n};
    size_t from, to;
    off_t hole, data;

    if (f->is_packed || !find_run(in, &from, &to))
        return h;
    hole = lseek(f->fd, (off_t)(f->read.offset + from), SEEK_HOLE);
    if (hole < 0 || (uint64_t)hole > f->read.offset + to || (uint64_t)hole >= f->size)
        return h; /* what stands behind all is a hole, too, for this call */
    data = lseek(f->fd, hole, SEEK_DATA);
    h.found = true;
    h.at = even ? from + from % 2 : from;
    h.ends = data > hole;
    h.to = h.ends ? behind_zeros(f, (uint64_t)data) : f->size;
    if (even)
        h.to -= (h.to - f->read.offset) % 2;
    return h;
}

static const char zeros[TAIL_ZEROS_READ_BYTES];

/* A piece of it was passed by the step before. */
static bool is_inside(struct slice before)
{
    return before.n == TAIL_MARK_BYTES && memcmp(before.p, zeros, TAIL_MARK_BYTES) == 0;
}

/* Its zeros are in the checksum of all that was read: a huge one takes several steps, none of which leaves so little of it that it would not be
 * known as one. */
enum tail_step tail_pass_hole(struct tail *t, struct tail_file *f, struct slice before, const struct tail_hole *h)
{
    uint64_t all = h->to - f->read.offset, to = h->to;

    f->hollow = !h->ends;
    if (f->hollow)
        return TAIL_STEP_END;
    if (all > 2 * TAIL_HOLE_STEP_BYTES)
        to = f->read.offset + TAIL_HOLE_STEP_BYTES;
    if (!is_inside(before) && log_due(&t->zeros_log, t->now, TAIL_LOG_PERIOD))
        log_warn("a hole in a file is left out: nobody wrote its zeros", KS("stream", t->env.stream),
                 KS("path", f->path), KU("offset", f->read.offset), KU("bytes", all),
                 KU("more_since_last", t->zeros_log.suppressed),
                 KS("hint", "the power failed before what was written was on the disk, or two programs write to it"));
    metrics_add(t->env.metrics, METRIC_INPUT_SKIPPED_BYTES, to - f->read.offset);
    while (f->read.offset < to) {
        uint64_t left = to - f->read.offset;

        tail_place_advance(&f->read, before, slice_of(zeros, left < sizeof(zeros) ? (size_t)left : sizeof(zeros)));
        before = slice_of(zeros, TAIL_MARK_BYTES); /* a hole has more than that */
    }
    f->read.mid_line = false;
    return TAIL_STEP_MORE;
}
