/* Room on the disk for what delivery itself must write.
 *
 * A disk that is full of what waits can be emptied by delivery only, and that writes too: seals, settlements, now and then a
 * segment's checkpoint. So each spool keeps a small file, <dir>/reserve, that holds nothing. A round that finds the disk
 * full gives it up, and the next one has its room. From then on no records are taken until the file is back: they would use up
 * what deliveries need. What is written in its room does not use it up either: before it does, a new segment begins with a
 * checkpoint, and the one before, which holds no records, goes (spool/round.c).
 *
 * What a piece of many keys writes (spool/staged.h) is one frame, and must be in its room as well. So the reserve grows to four times the frame
 * that was wanted, where the disk has that, and a larger frame is not written. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    RESERVE_SHARE = 16, /* of a segment */
    RESERVE_PIECE_SHARE =
        4, /* a piece has so much of it: the frame, a checkpoint that has it too, and what is beside these */
    RESERVE_USED_SHARE = 16, /* ... and so much while it is in use */
    RESERVE_LIMIT_SHARE = 16 /* of spool.limit, at most, for pieces */
};

static char *path_of(const struct spool *s)
{
    return mem_printf("%s/reserve", s->dir);
}

int spool_write_zeros(const struct spool *s, int fd, uint64_t from, uint64_t to)
{
    static const char zeros[SPOOL_ZEROS_BYTES];

    for (uint64_t at = from; at < to; at += SPOOL_ZEROS_BYTES) {
        struct iovec v = {(void *)(uintptr_t)zeros, to - at < SPOOL_ZEROS_BYTES ? to - at : SPOOL_ZEROS_BYTES};

        if (io_write_at(s->ops, fd, &v, 1, at) < 0)
            return -1;
    }
    return 0;
}

/* More where checkpoints are large, as with thousands of positions: two of them, and as much again. */
uint64_t spool_reserve_bytes(const struct spool *s)
{
    uint64_t share = s->segment_bytes / RESERVE_SHARE, want = 4 * spool_active(s)->begin;

    want = want > SPOOL_RESERVE_BYTES ? want : SPOOL_RESERVE_BYTES;
    return share < want ? share : want;
}

/* 0: no piece is large. Where pieces are, a checkpoint may be larger than any of them: it has all parcels. */
static uint64_t bytes_for_pieces(struct spool *s)
{
    uint64_t piece = atomic_load(&s->piece_bytes), begin = spool_active(s)->begin,
             most = s->limit / RESERVE_LIMIT_SHARE;
    uint64_t want = piece ? RESERVE_PIECE_SHARE * (piece > begin ? piece : begin) : 0;

    return want < most ? want : most;
}

uint64_t spool_piece_room(struct spool *s, bool *disk_is_full)
{
    uint64_t bytes = atomic_load(&s->reserve_bytes);

    *disk_is_full = !s->memory && bytes == 0;
    if (s->memory)
        return UINT64_MAX;
    return bytes ? bytes / RESERVE_PIECE_SHARE : SPOOL_RESERVE_BYTES / RESERVE_USED_SHARE;
}

/* From what it has already, if anything, which stays when this fails. */
static int make(struct spool *s, uint64_t bytes, struct err *e)
{
    uint64_t from = s->reserved ? atomic_load(&s->reserve_bytes) : 0;
    char *path = path_of(s);
    int fd = io_open_disposable(s->ops, path, O_RDWR | O_CREAT, 0600, e), rc = -1;

    if (fd >= 0)
        rc = spool_write_zeros(s, fd, from, bytes) == 0 ? 0 : err_errno(e, "keep %s for deliveries", path);
    if (fd >= 0 && rc < 0 && from > 0)
        (void)s->ops->ftruncate(fd, (off_t)from); /* else it takes more than it says */
    if (fd >= 0 && rc < 0 && from == 0)
        s->ops->unlink(path);
    if (fd >= 0)
        close(fd);
    s->reserved = rc == 0 || from > 0;
    atomic_store(&s->reserve_bytes, rc == 0 ? bytes : from);
    mem_free(path);
    return rc;
}

/* Made for a small checkpoint it may be smaller than what pieces want, also where a new one would not be. Where the disk does not have as
 * much as pieces want, it is not asked again before one wants it again. */
int spool_make_reserve(struct spool *s, struct err *e)
{
    uint64_t bytes = spool_reserve_bytes(s), pieces = bytes_for_pieces(s);

    if (s->memory || (s->reserved && atomic_load(&s->reserve_bytes) >= pieces))
        return 0;
    if (pieces > 0 && make(s, pieces > bytes ? pieces : bytes, e) == 0)
        return 0;
    atomic_store(&s->piece_bytes, 0);
    return s->reserved ? 0 : make(s, bytes, e);
}

void spool_use_reserve(struct spool *s)
{
    char *path;

    if (!s->reserved)
        return;
    path = path_of(s);
    s->ops->unlink(path);
    mem_free(path);
    s->reserved = false;
    atomic_store(&s->reserve_bytes, 0);
}
