/* slow_sync.c -- loaded into the daemon in front of the C library (LD_PRELOAD): every sync takes $TEST_SYNC_MS longer, as on an
 * ordinary disk. */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int sync_fn(int fd);

static int sync_slowly(const char *name, int fd)
{
    const char *ms = getenv("TEST_SYNC_MS");
    long wait = ms ? strtol(ms, NULL, 10) : 0;
    const struct timespec t = {.tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000};
    sync_fn *real;

    nanosleep(&t, NULL);
    *(void **)&real = dlsym(RTLD_NEXT, name);
    return real(fd);
}

int fdatasync(int fd)
{
    return sync_slowly("fdatasync", fd);
}

int syncfs(int fd)
{
    return sync_slowly("syncfs", fd);
}
