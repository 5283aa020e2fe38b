#include "pipeline/data_dir.h"

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

static int make_dir(const char *path, struct err *e)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    return err_errno(e, "cannot create folder %s", path);
}

int data_dir_make_folders(const char *path, struct err *e)
{
    char *p = mem_strdup(path);
    int rc = -1;

    for (char *slash = strchr(p + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (make_dir(p, e) < 0)
            goto out;
        *slash = '/';
    }
    rc = make_dir(p, e);
out:
    mem_free(p);
    return rc;
}

static int make_below(const char *path, const char *name, struct err *e)
{
    char *dir = mem_printf("%s/%s", path, name);
    int rc = make_dir(dir, e);

    mem_free(dir);
    return rc < 0 ? err_wrap(e, "data_dir") : 0;
}

static long read_holder(int fd)
{
    char text[32] = {0};

    return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

static int take_lock(struct data_dir *d, const char *path, struct err *e)
{
    char *file = mem_printf("%s/lock", path);
    int rc = -1;

    d->lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock < 0) {
        err_errno(e, "data_dir: cannot open %s", file);
        goto out;
    }
    if (flock(d->lock, LOCK_EX | LOCK_NB) < 0) {
        err_set(
            e, ERR_IO,
            "data_dir %s is in use by another sluice (process %ld); stop it first, or give this one another data_dir",
            path, read_holder(d->lock));
        goto out;
    }
    if (ftruncate(d->lock, 0) < 0 || dprintf(d->lock, "%ld\n", (long)getpid()) < 0) {
        err_errno(e, "data_dir: cannot write %s", file);
        goto out;
    }
    rc = 0;
out:
    mem_free(file);
    return rc;
}

int data_dir_open(struct data_dir **out, const char *path, struct err *e)
{
    struct data_dir *d = mem_alloc(sizeof(*d));

    d->lock = -1;
    d->tmp = mem_printf("%s/tmp", path);
    if ((data_dir_make_folders(path, e) < 0 && err_wrap(e, "data_dir") < 0) || take_lock(d, path, e) < 0 ||
        make_below(path, "tmp", e) < 0 || make_below(path, "streams", e) < 0) {
        data_dir_close(&d);
        return -1;
    }
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
