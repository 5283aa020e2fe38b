/* What a piece leaves of a full disk. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/stage_impl.h"

#include <fcntl.h>
#include <unistd.h>

/* What is staged is sealed next, and other destinations seal what they have: on a full disk the spool has given up its reserve for that
 * (spool/reserve.c), and records that took its room would wait in it for ever. */
int stage_leave_room(struct stage *s, struct err *e)
{
    static char zeros[STAGE_LEAVES_PIECE];
    struct iovec v[STAGE_LEAVES_BYTES / STAGE_LEAVES_PIECE];
    bool disk_is_full;
    char *path;
    int fd, rc;

    (void)staged_room(s->reader, &disk_is_full);
    if (!disk_is_full)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(v); i++)
        v[i] = (struct iovec){zeros, sizeof(zeros)};
    path = mem_printf("%s/room", s->dir);
    fd = io_open_disposable(s->files, path, O_RDWR | O_CREAT, 0600, e);
    s->files->unlink(path);
    mem_free(path);
    if (fd < 0)
        return -1;
    rc = io_write_at(s->files, fd, v, ARRAY_LEN(v), 0);
    close(fd);
    return rc < 0 ? err_set(e, ERR_NOSPACE, "the disk is full, and has no room left for what deliveries write") : 0;
}

/* Else what was written of the piece, and space ahead, stay until the next piece for the same parcel. */
void stage_give_back(struct stage *s)
{
    struct err ignored;

    for (size_t i = 0; i < s->touched_count; i++) {
        const struct stage_parcel *p = s->touched[i];
        int fd = p->is_new ? -1 : io_open(s->files, p->path, O_RDWR | O_CLOEXEC, 0, &ignored);

        if (fd < 0)
            continue;
        (void)s->files->ftruncate(fd, (off_t)p->mark.length);
        close(fd);
    }
}
