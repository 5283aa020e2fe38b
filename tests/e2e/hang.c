/* hang.c -- loaded into the daemon in front of the C library (LD_PRELOAD): a network disk whose server is dead. While the file
 * $TEST_HANG_FILE exists, opening, syncing and looking at what lies below a folder that $TEST_HANG_FOLDER names (as part of its
 * path; several with colons between) does not return. With $TEST_HANG_CALLS, a list of names, these calls do not and no others do:
 * "preadv,statx". */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int is_meant(const char *call)
{
    const char *calls = getenv("TEST_HANG_CALLS"), *at;
    size_t n = strlen(call);

    if (!calls)
        calls = "open,fopen,opendir,stat,fsync,fdatasync";
    for (at = calls; (at = strstr(at, call)); at += n)
        if ((at == calls || at[-1] == ',') && (at[n] == ',' || at[n] == '\0'))
            return 1;
    return 0;
}

static int is_below(const char *path)
{
    const char *folders = getenv("TEST_HANG_FOLDER");
    char copy[4096], *rest = copy, *folder;

    snprintf(copy, sizeof(copy), "%s", folders ? folders : "");
    while ((folder = strsep(&rest, ":")))
        if (path && *folder && strstr(path, folder))
            return 1;
    return 0;
}

static void hang_if_below(const char *call, const char *path)
{
    const char *while_there = getenv("TEST_HANG_FILE");

    if (!is_meant(call))
        return;
    while (while_there && is_below(path) && access(while_there, F_OK) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void hang_if_open_below(const char *call, int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    hang_if_below(call, path);
}

int fsync(int fd)
{
    int (*real)(int);

    *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    hang_if_open_below("fsync", fd);
    return real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int);

    *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    hang_if_open_below("fdatasync", fd);
    return real(fd);
}

int open(const char *path, int flags, ...)
{
    int (*real)(const char *, int, ...);
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    *(void **)&real = dlsym(RTLD_NEXT, "open");
    hang_if_below("open", path);
    return real(path, flags, mode);
}

int stat(const char *restrict path, struct stat *restrict st)
{
    int (*real)(const char *, struct stat *);

    *(void **)&real = dlsym(RTLD_NEXT, "stat");
    hang_if_below("stat", path);
    return real(path, st);
}

FILE *fopen(const char *restrict path, const char *restrict mode)
{
    FILE *(*real)(const char *, const char *);

    *(void **)&real = dlsym(RTLD_NEXT, "fopen");
    hang_if_below("fopen", path);
    return real(path, mode);
}

FILE *fopen64(const char *restrict path, const char *restrict mode)
{
    return fopen(path, mode);
}

DIR *opendir(const char *path)
{
    DIR *(*real)(const char *);

    *(void **)&real = dlsym(RTLD_NEXT, "opendir");
    hang_if_below("opendir", path);
    return real(path);
}

/* --- what a reader of files calls besides ----------------------------------------------------------------------------- */

int statx(int fd, const char *restrict path, int flags, unsigned mask, struct statx *restrict st)
{
    int (*real)(int, const char *, int, unsigned, struct statx *);

    *(void **)&real = dlsym(RTLD_NEXT, "statx");
    if (path[0] == '/')
        hang_if_below("statx", path);
    else
        hang_if_open_below("statx", fd);
    return real(fd, path, flags, mask, st);
}

ssize_t preadv(int fd, const struct iovec *v, int n, off_t at)
{
    ssize_t (*real)(int, const struct iovec *, int, off_t);

    *(void **)&real = dlsym(RTLD_NEXT, "preadv");
    hang_if_open_below("preadv", fd);
    return real(fd, v, n, at);
}

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
    ssize_t (*real)(int, void *, size_t, off_t);

    *(void **)&real = dlsym(RTLD_NEXT, "pread");
    hang_if_open_below("pread", fd);
    return real(fd, to, n, at);
}

struct dirent *readdir(DIR *d)
{
    struct dirent *(*real)(DIR *);

    *(void **)&real = dlsym(RTLD_NEXT, "readdir");
    hang_if_open_below("readdir", dirfd(d));
    return real(d);
}

char *realpath(const char *restrict path, char *restrict out)
{
    char *(*real)(const char *, char *);

    *(void **)&real = dlsym(RTLD_NEXT, "realpath");
    hang_if_below("realpath", path);
    return real(path, out);
}

ssize_t read(int fd, void *to, size_t n)
{
    ssize_t (*real)(int, void *, size_t);

    *(void **)&real = dlsym(RTLD_NEXT, "read");
    if (fd == STDIN_FILENO)
        hang_if_open_below("read", fd);
    return real(fd, to, n);
}
