/* Zeros in front of small writes.
 *
 * When a file has grown, its sync also writes what the file system knows of it, length and blocks: half of the time and of the work
 * of a sync for which there is little else to write. So behind some small rounds in a row zeros are written ahead, many rounds' bytes
 * at once, and the next rounds write over them. What a crash leaves of the zeros is no write that was cut short: the log ends where they
 * begin (walk.c). Nobody depends on them, so it does not matter when they cannot be written. */
#include "pipeline/base/limits.h"
#include "pipeline/spool/spool_impl.h"

static bool has_room(struct spool *s, uint64_t bytes)
{
    bool room;

    pthread_mutex_lock(&s->lock);
    room = s->disk_bytes + bytes <= s->limit;
    pthread_mutex_unlock(&s->lock);
    return room;
}

void spool_write_ahead(struct spool *s)
{
    struct segment *seg = spool_active(s);
    uint64_t from = s->round.write_at, bytes = from - seg->size, end;
    int rc;

    if (bytes > 0)
        s->small_rounds = bytes <= AHEAD_ROUND_MAX ? s->small_rounds + 1 : 0;
    if (s->memory || bytes == 0 || s->small_rounds < AHEAD_ROUNDS || from < spool_file_bytes(seg))
        return;
    end = from + (AHEAD_TIMES * bytes < AHEAD_BYTES_MAX ? AHEAD_TIMES * bytes : AHEAD_BYTES_MAX);
    end = end < s->segment_bytes ? end : s->segment_bytes;
    if (end <= from || !has_room(s, end - seg->size))
        return;
    if (spool_write_zeros(s, seg->fd, from, end) == 0) {
        seg->ahead = end;
        return;
    }
    s->small_rounds = 0;                          /* a full disk, perhaps: not again soon ... */
    rc = s->ops->ftruncate(seg->fd, (off_t)from); /* ... and others may need the room; */
    (void)rc;                                     /* what stays are zeros */
}
