/* hang.c -- loaded into the daemon in front of the C library (LD_PRELOAD): a network disk whose server is dead. While the file
 * $TEST_HANG_FILE exists, opening, syncing and looking at what lies below a folder that $TEST_HANG_FOLDER names (as part of its
 * path) does not return. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void hang_if_below(const char *path)
{
    const char *folder = getenv("TEST_HANG_FOLDER"), *while_there = getenv("TEST_HANG_FILE");

    while (folder && while_there && path && strstr(path, folder) && access(while_there, F_OK) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void hang_if_open_below(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    hang_if_below(path);
}

int fsync(int fd)
{
    int (*real)(int);

    *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    hang_if_open_below(fd);
    return real(fd);
}

int fdatasync(int fd)
{
    int (*real)(int);

    *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    hang_if_open_below(fd);
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
    hang_if_below(path);
    return real(path, flags, mode);
}

int stat(const char *restrict path, struct stat *restrict st)
{
    int (*real)(const char *, struct stat *);

    *(void **)&real = dlsym(RTLD_NEXT, "stat");
    hang_if_below(path);
    return real(path, st);
}
