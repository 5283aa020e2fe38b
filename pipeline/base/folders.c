#include "pipeline/base/folders.h"

#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int folders_sync(const struct io_ops *ops, const char *path, struct err *e)
{
    int fd = ops->open(path, O_RDONLY | O_DIRECTORY, 0), rc = 0;

    if (fd < 0)
        return err_errno(e, "cannot open folder %s", path);
    if (ops->fsync(fd) < 0 && errno != EINVAL)
        rc = err_errno(e, "cannot sync folder %s", path);
    close(fd);
    return rc;
}

/* To mem_free(). */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash != path ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(slash ? "/" : ".");
}

/* The folder itself first: most often it is there, and what is above it may not be ours to look at. */
int folders_make(const struct io_ops *ops, const char *path, struct err *e)
{
    char *name = mem_strdup(path), *parent;
    size_t n = strlen(name);
    int rc;

    while (n > 1 && name[n - 1] == '/') /* a/b/ lies in a, not in a/b */
        name[--n] = '\0';
    parent = parent_of(name);
    rc = mkdir(name, 0700);
    if (rc < 0 && errno == ENOENT && strchr(name, '/')) {
        if (folders_make(ops, parent, e) < 0)
            goto out;
        rc = mkdir(name, 0700);
    }
    if (rc == 0)
        rc = folders_sync(ops, parent, e);
    else
        rc = errno == EEXIST ? 0 : err_errno(e, "cannot create folder %s", path);
out:
    mem_free(parent);
    mem_free(name);
    return rc;
}

static int folder_check(const char *path, struct err *e)
{
    struct stat st;

    if (lstat(path, &st) < 0 || S_ISDIR(st.st_mode))
        return 0; /* what else is wrong with it is found by whoever opens it */
    if (S_ISLNK(st.st_mode))
        return err_set(
            e, ERR_IO,
            "%s is a link: only data_dir itself may be one, no folder in it; put a folder in its place, or mount "
            "the other disk there",
            path);
    return err_set(e, ERR_IO, "%s is not a folder: look who put it there, and move it away", path);
}

int folders_check(const char *path, unsigned levels, struct err *e)
{
    char *p = mem_strdup(path), *slash = p;
    int rc = 0;

    while (rc == 0 && levels-- > 0 && slash) {
        rc = folder_check(p, e);
        slash = strrchr(p, '/');
        if (slash)
            *slash = '\0';
    }
    mem_free(p);
    return rc;
}
