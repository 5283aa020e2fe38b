/* Room on the disk for what delivery itself must write.
 *
 * A disk that is full of what waits can be emptied by delivery only, and that writes too: seals, settlements, now and then a
 * segment's checkpoint. So each spool keeps a small file, <dir>/reserve, that holds nothing. A round that finds the disk
 * full gives it up, and the next one has its room. From then on no records are taken until the file is back: they would use up
 * what deliveries need. What is written in its room does not use it up either: before it does, a new segment begins with a
 * checkpoint, and the one before, which holds no records, goes (spool/round.c). */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    RESERVE_SHARE = 16, /* of a segment */
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

int spool_make_reserve(struct spool *s, struct err *e)
{
    uint64_t bytes = spool_reserve_bytes(s);
    char *path;
    int fd, rc = -1;

    if (s->memory || s->reserved)
        return 0;
    path = path_of(s);
    fd = io_open_disposable(s->ops, path, O_RDWR | O_CREAT, 0600, e);
    if (fd >= 0)
        rc = spool_write_zeros(s, fd, 0, bytes) == 0 ? 0 : err_errno(e, "keep %s for deliveries", path);
    if (fd >= 0)
        close(fd);
    s->reserved = rc == 0;
    if (fd >= 0 && rc < 0)
        s->ops->unlink(path);
    mem_free(path);
    return rc;
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
}
