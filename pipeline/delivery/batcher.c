/* An open batch is two cursors, [start, end), and sums over what lies between. batcher_advance() moves the end over
 * what was committed since; it stops within a frame where the size is reached. The deadline is fixed by the first
 * record that comes in, from its age, and is kept as monotonic time: a wall clock that is set cannot hold a batch
 * back.
 */
#include "pipeline/delivery/batcher.h"

#include <assert.h>

static void open_next(struct batcher *b, struct spool_cursor at)
{
    b->start = b->end = at;
    b->count = b->bytes = b->corrupt = 0;
    b->oldest = b->deadline = NSEC_NEVER;
    b->full = false;
}

void batcher_init(struct batcher *b, const struct batch_limits *limits, struct spool_reader *reader,
                  struct spool_cursor at)
{
    assert(limits->size > 0 && limits->records > 0 && limits->interval >= 0);
    b->limits = *limits;
    b->reader = reader;
    open_next(b, at);
}

void batcher_resize(struct batcher *b, uint64_t size)
{
    assert(size > 0);
    if (size == b->limits.size)
        return;
    b->limits.size = size;
    b->full = b->bytes >= size || b->count >= b->limits.records; /* a record that did not fit is looked at again */
}

void batcher_expect(struct batcher *b, uint64_t records)
{
    assert(b->start.seq == b->end.seq && records > 0);
    b->limits = (struct batch_limits){.size = UINT64_MAX, .records = records};
}

/* The interval less the age it has already, which a wall clock that was set may make anything at all. */
static nsec deadline_for(const struct batcher *b, nsec oldest, nsec wall_now, nsec mono_now)
{
    nsec interval = b->limits.interval;
    nsec age = wall_now > oldest ? wall_now - oldest : 0;

    return mono_now + (age < interval ? interval - age : 0);
}

static void take_in(struct batcher *b, const struct spool_run *run, nsec wall_now, nsec mono_now)
{
    if (b->deadline == NSEC_NEVER)
        b->deadline = deadline_for(b, run->arrival, wall_now, mono_now);
    b->count += run->count;
    b->bytes += run->bytes;
    b->oldest = run->arrival < b->oldest ? run->arrival : b->oldest;
    b->full = b->bytes >= b->limits.size || b->count >= b->limits.records;
}

/* Lost records belong to the batch, so that somebody accounts for them. They have no arrival: the wait begins now. */
static void take_in_lost(struct batcher *b, const struct spool_run *run, nsec mono_now)
{
    if (b->deadline == NSEC_NEVER)
        b->deadline = mono_now + b->limits.interval;
    b->corrupt += run->count;
}

int batcher_advance(struct batcher *b, nsec wall_now, nsec mono_now, struct err *e)
{
    while (!b->full) {
        struct spool_run run;
        struct spool_cursor next;
        int rc = spool_scan_part(b->reader, &b->end, b->limits.size - b->bytes, b->limits.records - b->count,
                                 b->count == 0, &run, &next, e);

        if (rc == 0)
            return 0;
        if (rc < 0 && e->code != ERR_FORMAT)
            return -1;
        if (rc < 0)
            take_in_lost(b, &run, mono_now);
        else if (run.count > 0)
            take_in(b, &run, wall_now, mono_now);
        else
            b->full = true;
        b->end = next;
    }
    return 0;
}

bool batcher_due(const struct batcher *b, nsec mono_now)
{
    return b->full || b->deadline <= mono_now;
}

bool batcher_take(struct batcher *b, struct seal *out, struct spool_cursor *end)
{
    if (b->start.seq == b->end.seq)
        return false;
    *out = (struct seal){.first = b->start.seq,
                         .last = b->end.seq - 1,
                         .bytes = b->bytes,
                         .oldest = b->oldest,
                         .start = b->start,
                         .note = slice_of(NULL, 0)};
    *end = b->end;
    open_next(b, spool_skip(b->reader, b->end));
    return true;
}
