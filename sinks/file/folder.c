/* The sync of a rename is the sync of the folder it happened in; and a folder that was just made is in turn an entry of
 * its parent. So the first object in a folder syncs every folder on its way down, also those it found: an attempt that
 * crashed may have made them and not come to its sync. The folder used last is remembered, so that this is done once
 * per folder (normally once an hour) and not once per object. */
#include "sinks/file/folder.h"

#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char *path;
    pthread_mutex_t lock;
    char *synced; /* the folder used last, below path; guarded by lock */
};

struct folder *folder_new(const char *path)
{
    struct folder *f = mem_alloc(sizeof(*f));

    f->path = mem_strdup(path);
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void folder_free(struct folder **f)
{
    if (!*f)
        return;
    pthread_mutex_destroy(&(*f)->lock);
    mem_free((*f)->path);
    mem_free((*f)->synced);
    MEM_CLEAR(*f);
}

const char *folder_path(const struct folder *f)
{
    return f->path;
}

/* The folder and what is above it (`outer`) are where the operator says, through links or not. Below it no link is followed: whoever
 * can make one there would choose where objects go. */
static int open_dir(int at, const char *name, bool outer)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (outer ? 0 : O_NOFOLLOW));
    struct stat st;

    if (fd < 0 && errno == ENOTDIR && !outer)
        errno = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
    return fd;
}

/* The folder `path` below `at`, step by step. `makes`: each folder is made if it is not there, and the one it is in synced. -1 with
 * errno. `path` is changed and restored. */
static int descend(int at, char *path, bool outer, bool makes)
{
    int fd = fcntl(at, F_DUPFD_CLOEXEC, 0);

    while (fd >= 0 && *path) {
        size_t n = strcspn(path, "/");
        char after = path[n];

        path[n] = '\0';
        if (n > 0) {
            int next = -1, saved;

            if (!makes || ((mkdirat(fd, path, 0755) == 0 || errno == EEXIST) && fsync(fd) == 0))
                next = open_dir(fd, path, outer);
            saved = errno;
            close(fd);
            errno = saved;
            fd = next;
        }
        path[n] = after;
        path += after ? n + 1 : n;
    }
    return fd;
}

/* The root itself; made with its parents when it is not there. */
static int open_root(const struct folder *f)
{
    int fd = open_dir(AT_FDCWD, f->path, true), top;
    char *copy;

    if (fd >= 0 || errno != ENOENT)
        return fd;
    top = open_dir(AT_FDCWD, f->path[0] == '/' ? "/" : ".", true);
    if (top < 0)
        return -1;
    copy = mem_strdup(f->path);
    fd = descend(top, copy, true, true);
    mem_free(copy);
    close(top);
    return fd;
}

/* Opens the folder `sub` below the root for an object. -1 with errno. */
static int open_sub(struct folder *f, char *sub)
{
    int root = open_root(f), fd = -1, saved;
    bool synced;

    if (root < 0)
        return -1;
    pthread_mutex_lock(&f->lock);
    synced = f->synced && strcmp(f->synced, sub) == 0;
    pthread_mutex_unlock(&f->lock);
    /* Every step of the folder used last was made and synced by then; opened step by step all the same, as a link may have taken the
     * place of any. */
    if (synced)
        fd = descend(root, sub, false, false);
    if (fd < 0) {
        fd = descend(root, sub, false, true);
        saved = errno;
        if (fd >= 0) {
            pthread_mutex_lock(&f->lock);
            mem_free(f->synced);
            f->synced = mem_strdup(sub);
            pthread_mutex_unlock(&f->lock);
        }
        errno = saved;
    }

    saved = errno;
    close(root);
    errno = saved;
    return fd;
}

static int write_body(int fd, const struct body *body, struct err *e)
{
    struct slice all = body_memory_slice(body);
    char piece[FOLDER_COPY_BYTES];
    uint64_t at = 0;

    if (all.p || body_size(body) == 0)
        return io_write_all(fd, all) < 0 ? err_errno(e, "write") : 0;
    while (at < body_size(body)) {
        long n = body_read(body, at, piece, sizeof(piece), e);

        if (n < 0)
            return -1;
        if (n == 0) {
            errno = EIO;
            return err_errno(e, "the object's bytes end early");
        }
        if (io_write_all(fd, slice_of(piece, (size_t)n)) < 0)
            return err_errno(e, "write");
        at += (uint64_t)n;
    }
    return 0;
}

/* A new file, whatever has its name: what a crash left there, or what somebody put there (a link, a pipe). Only the name is taken
 * away; what it leads to stays as it is. */
static int create(int dir, const char *name)
{
    int fd = -1;

    for (unsigned i = 0; i < FOLDER_CREATE_TRIES; i++) {
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd >= 0 || errno != EEXIST || unlinkat(dir, name, 0) < 0)
            break;
    }
    return fd;
}

/* Does the name still lead to the open file? Another process that writes the same object would have taken it away. */
static bool is_ours(int dir, const char *name, int fd)
{
    struct stat named, open;

    return fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &open) == 0 &&
           named.st_ino == open.st_ino && named.st_dev == open.st_dev;
}

static int put_in(int dir, const char *name, const char *tmp_name, const struct body *body, struct err *e)
{
    int rc = -1, saved, fd = create(dir, tmp_name);
    bool named = true; /* the temporary name is still there and ours */

    if (fd < 0)
        return err_errno(e, "create %s", tmp_name);
    if (write_body(fd, body, e) < 0)
        goto out;
    if (fsync(fd) < 0) {
        err_errno(e, "sync");
        goto out;
    }
    named = is_ours(dir, tmp_name, fd);
    if (!named) {
        errno = EBUSY;
        err_set(e, ERR_IO, "another process took %s away while it was written", tmp_name);
        goto out;
    }
    if (renameat(dir, tmp_name, dir, name) < 0) {
        err_errno(e, "rename");
        goto out;
    }
    named = false;
    if (fsync(dir) < 0) {
        err_errno(e, "sync the folder");
        goto out;
    }
    rc = 0;
out:
    saved = errno;
    close(fd);
    if (named)
        unlinkat(dir, tmp_name, 0);
    errno = saved;
    return rc;
}

/* No empty name, no `.` and `..` on the way: the object stays below the folder. */
static bool stays_inside(struct slice name)
{
    size_t from = 0;

    for (size_t i = 0; i <= name.n; i++) {
        struct slice part;

        if (i < name.n && name.p[i] == '\0')
            return false;
        if (i < name.n && name.p[i] != '/')
            continue;
        part = slice_of(name.p + from, i - from);
        if (slice_is(part, ".") || slice_is(part, "..") || (i == name.n && part.n == 0))
            return false;
        from = i + 1;
    }
    return true;
}

int folder_put(struct folder *f, struct slice name, const char *tmp_name, const struct body *body, int *errno_out,
               struct err *e)
{
    char *copy = mem_strndup(name.p, name.n), *slash = strrchr(copy, '/'), *base = slash ? slash + 1 : copy;
    char nothing[1] = "";
    int dir = -1, rc = -1;

    *errno_out = EINVAL;
    if (!stays_inside(name)) {
        err_set(e, ERR_FORMAT, "object name `%s` would lie outside of %s", copy, f->path);
        goto out;
    }
    if (slash)
        *slash = '\0';
    errno = 0;
    dir = open_sub(f, slash ? copy : nothing);
    if (dir < 0)
        err_errno(e, "open folder");
    else
        rc = put_in(dir, base, tmp_name, body, e);
    *errno_out = errno;
    if (rc < 0)
        err_wrap(e, "%s/%.*s", f->path, (int)name.n, name.p);
out:
    if (dir >= 0)
        close(dir);
    mem_free(copy);
    return rc;
}

/* Opens the folder, or when it is not there yet the nearest one above it that is: there it would be made. */
static int open_nearest(const char *path)
{
    char *part = mem_strdup(path), *slash;
    int fd;

    while ((fd = open_dir(AT_FDCWD, part, true)) < 0 && errno == ENOENT && (slash = strrchr(part, '/')))
        slash[slash == part ? 1 : 0] = '\0';
    mem_free(part);
    return fd;
}

int folder_check(const struct folder *f, struct err *e)
{
    int fd = -1, rc = -1, there = open_nearest(f->path);

    if (there < 0)
        return err_errno(e, "folder %s", f->path);
    fd = openat(there, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) /* a file system without unnamed files */
        rc = faccessat(there, ".", W_OK | X_OK, AT_EACCESS);
    else
        rc = fd < 0 ? -1 : 0;
    if (rc < 0)
        err_errno(e, "folder %s: cannot write there", f->path);
    if (fd >= 0)
        close(fd);
    close(there);
    return rc;
}
