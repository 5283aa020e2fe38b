/* fail_nth.c -- loaded into the daemon by torture.py: the n-th call of one kind fails, as a full memory, disk or table of
 * descriptors would let it fail. Every call is counted, whether one is to fail or not.
 *
 * In: TORTURE_KIND (a name of kinds[]) and TORTURE_AT (1 is the first; 0 or left out: none fails). Out: the file that
 * TORTURE_REPORT names, mapped, so that it is right however the process ends: one count for each kind, in the order of
 * kinds[], then 1 when the call that was to fail was reached.
 *
 * Reading and writing fail on files, sending and receiving (`peer`) on connections to others: an eventfd or a pipe between two threads
 * does not.
 * pipe2() does not fail: libuv aborts without its first one, which pipeline/inputs/loop.c has tried before.
 * What glibc calls inside itself (the open() of fopen()) cannot be seen from here.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { KIND_MEMORY, KIND_WRITE, KIND_SYNC, KIND_OPEN, KIND_READ, KIND_NAME, KIND_PEER, KIND_THREAD, KIND_COUNT };

static const char *const kinds[KIND_COUNT] = {"memory", "write", "sync", "open", "read", "name", "peer", "thread"};

static _Atomic uint64_t *counts; /* KIND_COUNT of them and the mark; NULL until main() is about to begin */
static int chosen = -1;
static uint64_t at;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* True: this call is the one. */
static bool is_the_one(enum kind k)
{
    uint64_t n;

    if (!counts)
        return false;
    n = atomic_fetch_add(&counts[k], 1) + 1;
    if ((int)k != chosen || n != at)
        return false;
    atomic_store(&counts[KIND_COUNT], 1);
    return true;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("TORTURE_REPORT"), *kind = getenv("TORTURE_KIND"), *nth = getenv("TORTURE_AT");
    size_t size = (KIND_COUNT + 1) * sizeof(*counts);
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    void *map;

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        abort();
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        abort();
    for (int i = 0; kind && i < KIND_COUNT; i++) {
        if (strcmp(kind, kinds[i]) == 0)
            chosen = i;
    }
    at = nth ? strtoull(nth, NULL, 10) : 0;
    counts = map;
}

/* The function behind this one. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define FAILS(kind, error, answer)                                                                                     \
    if (is_the_one(kind)) {                                                                                            \
        errno = (error);                                                                                               \
        return answer;                                                                                                 \
    }

/* --- memory ------------------------------------------------------------------------------------------------------ */

void *malloc(size_t size)
{
    FAILS(KIND_MEMORY, ENOMEM, NULL)
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    FAILS(KIND_MEMORY, ENOMEM, NULL)
    return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    if (size > 0)
        FAILS(KIND_MEMORY, ENOMEM, NULL)
    return __libc_realloc(p, size);
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
    void *got;

    if (is_the_one(KIND_MEMORY))
        return ENOMEM;
    got = __libc_memalign(alignment, size);
    if (!got)
        return ENOMEM;
    *p = got;
    return 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    FAILS(KIND_MEMORY, ENOMEM, NULL)
    return __libc_memalign(alignment, size);
}

/* --- writing and syncing ----------------------------------------------------------------------------------------- */

#define WRAP(kind, error, answer, type, name, declared, passed)                                                        \
    type name declared                                                                                                 \
    {                                                                                                                  \
        FAILS(kind, error, answer)                                                                                     \
        return REAL(name) passed;                                                                                      \
    }

static bool is_file(int fd)
{
    struct stat st;
    int before = errno;
    bool is = syscall(SYS_fstat, fd, &st) == 0 && S_ISREG(st.st_mode);

    errno = before;
    return is;
}

static bool is_connection(int fd)
{
    int before = errno, domain = 0;
    socklen_t size = sizeof(domain);
    bool is = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && (domain == AF_INET || domain == AF_INET6);

    errno = before;
    return is;
}

#define WRAP_IF(check, kind, error, type, name, declared, passed)                                                      \
    type name declared                                                                                                 \
    {                                                                                                                  \
        if (check(fd))                                                                                                 \
            FAILS(kind, error, -1)                                                                                     \
        return REAL(name) passed;                                                                                      \
    }

WRAP_IF(is_file, KIND_WRITE, ENOSPC, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP_IF(is_file, KIND_WRITE, ENOSPC, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t o), (fd, p, n, o))
WRAP_IF(is_file, KIND_WRITE, ENOSPC, ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t o), (fd, p, n, o))
WRAP_IF(is_file, KIND_WRITE, ENOSPC, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
WRAP_IF(is_file, KIND_WRITE, ENOSPC, ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o))
WRAP(KIND_WRITE, ENOSPC, -1, int, ftruncate, (int fd, off_t size), (fd, size))
WRAP(KIND_WRITE, ENOSPC, -1, int, fallocate, (int fd, int mode, off_t o, off_t n), (fd, mode, o, n))

int posix_fallocate(int fd, off_t o, off_t n)
{
    if (is_the_one(KIND_WRITE))
        return ENOSPC;
    return REAL(posix_fallocate)(fd, o, n);
}

WRAP(KIND_SYNC, EIO, -1, int, fsync, (int fd), (fd))
WRAP(KIND_SYNC, EIO, -1, int, fdatasync, (int fd), (fd))
WRAP(KIND_SYNC, EIO, -1, int, syncfs, (int fd), (fd))

/* --- opening ----------------------------------------------------------------------------------------------------- */

static mode_t mode_of(int flags, va_list *ap)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(*ap, mode_t) : 0;
}

#define WRAP_OPEN(name, declared, ...)                                                                                 \
    int name declared                                                                                                  \
    {                                                                                                                  \
        va_list ap;                                                                                                    \
        mode_t mode;                                                                                                   \
        FAILS(KIND_OPEN, EMFILE, -1)                                                                                   \
        va_start(ap, flags);                                                                                           \
        mode = mode_of(flags, &ap);                                                                                    \
        va_end(ap);                                                                                                    \
        return REAL(name)(__VA_ARGS__, mode);                                                                          \
    }

WRAP_OPEN(open, (const char *path, int flags, ...), path, flags)
WRAP_OPEN(open64, (const char *path, int flags, ...), path, flags)
WRAP_OPEN(openat, (int folder, const char *path, int flags, ...), folder, path, flags)
WRAP_OPEN(openat64, (int folder, const char *path, int flags, ...), folder, path, flags)

WRAP(KIND_OPEN, EMFILE, NULL, DIR *, opendir, (const char *path), (path))
WRAP(KIND_OPEN, EMFILE, NULL, DIR *, fdopendir, (int fd), (fd))
WRAP(KIND_OPEN, EMFILE, -1, int, memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP(KIND_OPEN, EMFILE, -1, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(KIND_OPEN, EMFILE, -1, int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
WRAP(KIND_OPEN, EMFILE, -1, int, accept4, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
WRAP(KIND_OPEN, EMFILE, -1, int, eventfd, (unsigned count, int flags), (count, flags))
WRAP(KIND_OPEN, EMFILE, -1, int, epoll_create1, (int flags), (flags))
WRAP(KIND_OPEN, EMFILE, -1, int, inotify_init1, (int flags), (flags))
WRAP(KIND_OPEN, EMFILE, -1, int, dup, (int fd), (fd))

/* --- reading ----------------------------------------------------------------------------------------------------- */

WRAP_IF(is_file, KIND_READ, EIO, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
WRAP_IF(is_file, KIND_READ, EIO, ssize_t, pread, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))
WRAP_IF(is_file, KIND_READ, EIO, ssize_t, pread64, (int fd, void *p, size_t n, off_t o), (fd, p, n, o))
WRAP_IF(is_file, KIND_READ, EIO, ssize_t, preadv, (int fd, const struct iovec *v, int n, off_t o), (fd, v, n, o))

/* --- connections -------------------------------------------------------------------------------------------------- */

WRAP_IF(is_connection, KIND_PEER, ECONNRESET, ssize_t, send, (int fd, const void *p, size_t n, int flags),
        (fd, p, n, flags))
WRAP_IF(is_connection, KIND_PEER, ECONNRESET, ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
        (fd, m, flags))
WRAP_IF(is_connection, KIND_PEER, ECONNRESET, ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
WRAP_IF(is_connection, KIND_PEER, ECONNREFUSED, int, connect, (int fd, const struct sockaddr *a, socklen_t n),
        (fd, a, n))

/* --- names ------------------------------------------------------------------------------------------------------- */

WRAP(KIND_NAME, EIO, -1, int, rename, (const char *from, const char *to), (from, to))
WRAP(KIND_NAME, EIO, -1, int, link, (const char *from, const char *to), (from, to))
WRAP(KIND_NAME, EIO, -1, int, unlink, (const char *path), (path))
WRAP(KIND_NAME, EIO, -1, int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
WRAP(KIND_NAME, EIO, -1, int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(KIND_NAME, EIO, -1, int, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
WRAP(KIND_NAME, EIO, -1, int, fstat, (int fd, struct stat *st), (fd, st))
WRAP(KIND_NAME, EIO, -1, int, stat, (const char *path, struct stat *st), (path, st))
WRAP(KIND_NAME, EIO, -1, int, lstat, (const char *path, struct stat *st), (path, st))

int renameat(int from, const char *old, int to, const char *new)
{
    FAILS(KIND_NAME, EIO, -1)
    return REAL(renameat)(from, old, to, new);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags)
{
    FAILS(KIND_NAME, EIO, -1)
    return REAL(renameat2)(from, old, to, new, flags);
}

/* --- threads ----------------------------------------------------------------------------------------------------- */

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    if (is_the_one(KIND_THREAD))
        return EAGAIN;
    return REAL(pthread_create)(t, attr, run, arg);
}
