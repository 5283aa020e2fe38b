/* The lock is flock's: the kernel gives it back however the process ends, so there is no stale lock to remove. The
 * process id in the file is for people only. `machine` says where the folder was used last, so that a start on a
 * copy of it can warn: both would deliver what both hold. */
#include "pipeline/engine/data_dir.h"

#include "pipeline/base/io.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct data_dir {
    char *tmp;
    int lock;
};

static int make_below(const char *path, const char *name, struct err *e)
{
    char *dir = mem_printf("%s/%s", path, name);
    int rc = io_check_folders(dir, 1, e) < 0 ? -1 : io_make_folder(&io_ops_real, dir, e);

    mem_free(dir);
    return rc < 0 ? err_wrap(e, "data_dir") : 0;
}

/* Never through a link, and nothing but a file of our own: what is behind another name is not ours to write to. */
static int open_lock(const char *file, int flags, struct err *e)
{
    int fd = io_open(&io_ops_real, file, flags, 0600, e);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && st.st_nlink <= 1)
        return fd;
    close(fd);
    errno = EMLINK;
    return err_set(e, ERR_IO, "%s has a second name elsewhere: look who put it there, and move it away", file);
}

static int in_use(const char *path, int fd, struct err *e)
{
    char holder[32] = {0};

    (void)!pread(fd, holder, sizeof(holder) - 1, 0);
    return err_set(
        e, ERR_IO,
        "data_dir %s is in use by another sluice (process %ld); stop it first, or give this one another data_dir", path,
        strtol(holder, NULL, 10));
}

static int take_lock(struct data_dir *d, const char *path, struct err *e)
{
    char *file = mem_printf("%s/lock", path);
    int rc = -1;

    d->lock = open_lock(file, O_RDWR | O_CREAT, e);
    if (d->lock < 0)
        err_wrap(e, "data_dir");
    else if (flock(d->lock, LOCK_EX | LOCK_NB) < 0)
        in_use(path, d->lock, e);
    else
        rc = 0;
    if (rc == 0 && (ftruncate(d->lock, 0) < 0 || dprintf(d->lock, "%ld\n", (long)getpid()) < 0))
        log_warn("the process id cannot be written into data_dir's lock; the lock itself holds", KS("file", file),
                 KS("cause", strerror(errno))); /* a full disk, perhaps: it is for people only */
    mem_free(file);
    return rc;
}

int data_dir_lock(const char *path, bool exclusive, int *fd, struct err *e)
{
    char *file = mem_printf("%s/lock", path);
    int rc = 0;

    *fd = open_lock(file, exclusive ? O_RDWR : O_RDONLY, e);
    if (*fd < 0 && errno != ENOENT && errno != ENOTDIR)
        rc = err_wrap(e, "data_dir");
    if (*fd >= 0 && flock(*fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
        rc = in_use(path, *fd, e);
        close(*fd);
        *fd = -1;
        errno = EWOULDBLOCK;
    }
    mem_free(file);
    return rc;
}

/* Not refused: volumes of containers are often like that, and nothing here is opened through a link. But whoever may
 * write to the folder may take away what was acknowledged, or read it. */
static void warn_of_others(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return;
    if (st.st_uid != geteuid())
        log_warn("data_dir belongs to another user, who can read, change and remove what was acknowledged",
                 KS("data_dir", path), KU("owner", st.st_uid), KU("running_as", geteuid()),
                 KS("hint", "run sluice as the owner, or chown the folder"));
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        log_warn("data_dir can be written to by other users, who can remove what was acknowledged",
                 KS("data_dir", path), KS("hint", "chmod 700 it"));
}

/* --- copies ------------------------------------------------------------------------------------------------------- */

/* What this folder is, as far as the system tells: which machine, which folder on it. */
static void describe_place(const char *path, char *out, size_t size)
{
    char machine[64] = "";
    int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, machine, sizeof(machine) - 1) : 0;
    struct stat st = {.st_ino = 0};

    if (fd >= 0)
        close(fd);
    machine[n > 0 ? n : 0] = '\0';
    machine[strcspn(machine, "\n")] = '\0';
    stat(path, &st);
    snprintf(out, size, "machine %s\nfolder %llu\n", machine[0] ? machine : "unknown", (unsigned long long)st.st_ino);
}

/* Reads where the folder was used last, says when that is elsewhere, and writes down where it is now. */
static void note_place(const char *path)
{
    char *file = mem_printf("%s/machine", path), was[160] = "", is[160];
    struct err e;
    int fd = io_open_disposable(&io_ops_real, file, O_RDWR | O_CREAT, 0600, &e);
    ssize_t n = fd >= 0 ? pread(fd, was, sizeof(was) - 1, 0) : 0;

    was[n > 0 ? n : 0] = '\0';
    describe_place(path, is, sizeof(is));
    if (was[0] && strcmp(was, is) != 0)
        log_warn("data_dir was last used in another place: it is a copy, was put back from a backup, or was moved",
                 KS("data_dir", path),
                 KS("hint", "if the other one goes on too, both deliver what both hold; new batches get names and ids "
                            "of their own"));
    if (fd < 0 || (strcmp(was, is) != 0 && (ftruncate(fd, 0) < 0 || pwrite(fd, is, strlen(is), 0) < 0)))
        log_warn("a copy of data_dir will not be noticed: its place cannot be written down", KS("file", file),
                 KS("cause", fd < 0 ? e.msg : strerror(errno)));
    if (fd >= 0)
        close(fd);
    mem_free(file);
}

int data_dir_open(struct data_dir **out, const char *path, struct err *e)
{
    struct data_dir *d = mem_alloc(sizeof(*d));

    d->lock = -1;
    d->tmp = mem_printf("%s/tmp", path);
    if ((io_make_folder(&io_ops_real, path, e) < 0 && err_wrap(e, "data_dir") < 0) || take_lock(d, path, e) < 0 ||
        make_below(path, "tmp", e) < 0 || make_below(path, "streams", e) < 0) {
        data_dir_close(&d);
        return -1;
    }
    warn_of_others(path);
    note_place(path);
    *out = d;
    return 0;
}

void data_dir_close(struct data_dir **dp)
{
    struct data_dir *d = *dp;

    if (!d)
        return;
    if (d->lock >= 0)
        close(d->lock);
    mem_free(d->tmp);
    mem_free(d);
    *dp = NULL;
}

const char *data_dir_tmp(const struct data_dir *d)
{
    return d->tmp;
}
