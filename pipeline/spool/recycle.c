/* Settled segments whose files are kept to be written over.
 *
 * A file that is overwritten has its pages in memory and its blocks on disk already: a new one pays for both with every
 * megabyte, and with a journal entry for each sync. So up to two files of a stream wait under another name,
 * <number>.spare, and the next segment is made from one. They hold nothing that anybody needs: a start removes them, an
 * idle stream gives them back, and so does one whose disk refuses.
 *
 * A crash must never bring back the segment's name for a file that has been written over. So the folder is synced between
 * the renaming and the first write; mostly that was done in passing, when another segment was made. */
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/spool_impl.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char SUFFIX[] = ".spare";

/* Of about the size of a segment, and together with what is held not more than the spool may have. */
static bool is_wanted(struct spool *s, uint64_t bytes)
{
    uint64_t together = bytes;

    if (s->recycled_count == RECYCLED_MAX || bytes < s->segment_bytes / 2 || bytes > 2 * s->segment_bytes)
        return false;
    for (size_t i = 0; i < s->recycled_count; i++)
        together += s->recycled[i].bytes;
    pthread_mutex_lock(&s->lock);
    together += s->disk_bytes;
    pthread_mutex_unlock(&s->lock);
    return together <= s->limit;
}

bool recycle_keep(struct spool *s, uint64_t number, uint64_t bytes, int fd)
{
    struct recycled file = {.fd = fd, .bytes = bytes, .named = s->memory};

    if (!is_wanted(s, bytes))
        return false;
    if (!s->memory) {
        char *from = segment_path(s->dir, number);
        int rc;

        file.path = mem_printf("%s/%020" PRIu64 "%s", s->dir, number, SUFFIX);
        rc = s->ops->rename(from, file.path);
        mem_free(from);
        if (rc < 0) {
            mem_free(file.path);
            return false;
        }
    }
    s->recycled[s->recycled_count++] = file;
    return true;
}

void recycle_release(struct recycled *file)
{
    MEM_CLEAR(file->path);
}

static struct recycled take_oldest(struct spool *s)
{
    struct recycled oldest = s->recycled[0];

    s->recycled_count--;
    memmove(s->recycled, s->recycled + 1, s->recycled_count * sizeof(struct recycled));
    return oldest;
}

static void drop(struct spool *s, struct recycled *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->path)
        s->ops->unlink(file->path); /* what stays is removed at the next start */
    recycle_release(file);
}

void recycle_drop_all(struct spool *s)
{
    while (s->recycled_count) {
        struct recycled file = take_oldest(s);

        drop(s, &file);
    }
}

void recycle_names_are_safe(struct spool *s)
{
    for (size_t i = 0; i < s->recycled_count; i++)
        s->recycled[i].named = true;
}

bool recycle_take(struct spool *s, struct recycled *out, int *fd)
{
    struct err ignored;

    if (s->recycled_count == 0)
        return false;
    if (!s->recycled[0].named && io_sync_folder(s->ops, s->dir, &ignored) < 0)
        return false;
    recycle_names_are_safe(s);
    *out = take_oldest(s);
    *fd = s->memory ? out->fd : io_open(s->ops, out->path, O_RDWR, 0, &ignored);
    if (*fd < 0)
        drop(s, out);
    return *fd >= 0;
}

bool recycle_is_name(const char *name)
{
    size_t n = strlen(name), suffix = sizeof(SUFFIX) - 1;

    return n == 20 + suffix && strspn(name, "0123456789") == 20 && strcmp(name + n - suffix, SUFFIX) == 0;
}
