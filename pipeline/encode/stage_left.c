#include "pipeline/encode/stage_left.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *stage_dir(const char *data_dir, const char *stream, const char *reader)
{
    return mem_printf("%s/streams/%s/staging%s%s", data_dir, stream, reader[0] ? "-" : "", reader);
}

/* A place of this name in the folder; an earlier start may have left something there. */
static char *place_aside(const struct stage_left *l, const char *name, struct err *e)
{
    char *to;

    if (io_make_folder(l->files, l->aside, e) < 0)
        return NULL;
    to = mem_printf("%s/%s", l->aside, name);
    for (unsigned n = 2; access(to, F_OK) == 0; n++) {
        mem_free(to);
        to = mem_printf("%s/%s.%u", l->aside, name, n);
    }
    return to;
}

static void move_aside(struct stage_left *l, const char *dir, const char *name)
{
    char *from = mem_printf("%s/%s", dir, name), *to = place_aside(l, name, &l->why);
    int rc = to ? l->files->rename(from, to) : -1;

    if (to && rc < 0)
        err_errno(&l->why, "move %s to %s", from, to);
    l->kept += rc == 0;
    l->not_kept += rc != 0;
    mem_free(from);
    mem_free(to);
}

static int copy_from(const struct stage_left *l, int from, uint64_t at, int to)
{
    char chunk[RECOVERY_COPY_BYTES];
    size_t got = sizeof(chunk);

    for (; got == sizeof(chunk); at += got)
        if (io_read_at(l->files, from, chunk, sizeof(chunk), at, &got) < 0 ||
            io_write_all(to, slice_of(chunk, got)) < 0)
            return -1;
    return l->files->fdatasync(to);
}

static int copy_end(const struct stage_left *l, int from, const char *path, uint64_t length, struct err *e)
{
    char *name = mem_printf("%s.from-%" PRIu64, strrchr(path, '/') + 1, length), *to = place_aside(l, name, e);
    int fd = to ? io_open(l->files, to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600, e) : -1, rc = -1;

    if (fd >= 0) {
        rc = copy_from(l, from, length, fd) < 0 ? err_errno(e, "copy the end of %s to %s", path, to)
                                                : io_sync_folder(l->files, l->aside, e);
        close(fd);
        if (rc < 0)
            unlink(to);
    }
    mem_free(name);
    mem_free(to);
    return rc;
}

int stage_left_keep_end(struct stage_left *l, const char *path, uint64_t length, struct err *e)
{
    int from, rc = 0;
    off_t end;

    if (!l->aside)
        return 0;
    from = io_open(l->files, path, O_RDONLY | O_CLOEXEC, 0, e);
    if (from < 0)
        return errno == ENOENT ? 0 : -1;
    end = lseek(from, 0, SEEK_END);
    if (end < 0) {
        rc = err_errno(e, "look for the end of %s", path);
    } else if (end > (off_t)length) {
        rc = copy_end(l, from, path, length, e);
        l->kept += rc == 0;
    }
    close(from);
    return rc < 0 ? err_wrap(e,
                             "%s ends with records that the damaged log does not know, and they cannot be kept aside "
                             "(make room on the disk, or move the file elsewhere)",
                             strrchr(path, '/') + 1)
                  : 0;
}

/* 0: it is no name of a parcel. */
static uint64_t number_of(const char *name)
{
    char *end;
    uint64_t number = strtoull(name, &end, 10);

    return strcmp(end, ".parcel") == 0 && number < UINT64_MAX / 2 ? number : 0;
}

static bool is_known(uint64_t number, const uint64_t *numbers, size_t many)
{
    for (size_t low = 0; many > 0;) {
        size_t half = many / 2;

        if (numbers[low + half] == number)
            return true;
        if (numbers[low + half] < number) {
            low += half + 1;
            many -= half + 1;
        } else {
            many = half;
        }
    }
    return false;
}

static bool is_left(const struct dirent *entry, const uint64_t *numbers, size_t many)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
           !is_known(number_of(entry->d_name), numbers, many);
}

size_t stage_left_count(const char *dir, const uint64_t *numbers, size_t many)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    size_t count = 0;

    while (d && (entry = readdir(d)))
        count += is_left(entry, numbers, many);
    if (d)
        closedir(d);
    return count;
}

int stage_left_clear(struct stage_left *l, const char *dir, const uint64_t *numbers, size_t many, struct err *e)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    int cleared = 0;

    if (!d)
        return errno == ENOENT ? 0 : err_errno(e, "look into %s", dir);
    while ((entry = readdir(d))) {
        uint64_t number = number_of(entry->d_name);

        if (!is_left(entry, numbers, many))
            continue;
        if (!l->aside) {
            cleared += unlinkat(dirfd(d), entry->d_name, 0) == 0;
            continue;
        }
        l->highest = l->highest > number ? l->highest : number;
        move_aside(l, dir, entry->d_name);
        cleared++;
    }
    closedir(d);
    return cleared;
}
