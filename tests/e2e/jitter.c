/* jitter.c -- loaded into the daemon in front of the C library (LD_PRELOAD): a machine with too much to do. Around the calls in which
 * threads meet each other, the disk or a peer, a thread now and then sleeps for a moment, so that orders that are rare elsewhere are
 * ordinary here. $TEST_JITTER is the seed: each thread has random numbers of its own, and moods: it hurries for a while, then it dawdles.
 */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* One in so many calls sleeps; a mood divides it. */
enum { AT_A_LOCK = 2000, AT_A_WAIT = 24, AT_A_PEER = 24, AT_A_FILE = 48, AT_A_SYNC = 3 };
enum { MOOD_CALLS = 200, DAWDLES_ONE_IN = 6, DAWDLING = 12 };

static atomic_uint threads;
static _Thread_local uint64_t state;
static _Thread_local unsigned left_of_mood, hurry;

static uint32_t next_random(void)
{
    if (!state) {
        const char *seed = getenv("TEST_JITTER");
        uint64_t z = (seed ? strtoull(seed, NULL, 10) : 1) * 0x9e3779b97f4a7c15ULL + atomic_fetch_add(&threads, 1) + 1;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        state = (z ^ z >> 27) | 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

/* Up to 0.3 ms mostly, up to 20 ms now and then, and seldom as long as a busy machine keeps a thread from running. */
static long how_long(void)
{
    uint32_t kind = next_random() % 32, most = kind == 0 ? 150000 : kind < 8 ? 20000 : 300;

    return (long)(next_random() % most) * 1000;
}

static void dawdle(unsigned one_in)
{
    int before = errno;

    if (left_of_mood == 0) {
        left_of_mood = next_random() % MOOD_CALLS + 1;
        hurry = next_random() % DAWDLES_ONE_IN ? 1 : DAWDLING;
    }
    left_of_mood--;
    if (next_random() % one_in < hurry)
        nanosleep(&(struct timespec){.tv_nsec = how_long()}, NULL);
    errno = before;
}

static void find(void *function, const char *name, const char *version)
{
    void *found = version ? dlvsym(RTLD_NEXT, name, version) : dlsym(RTLD_NEXT, name);

    if (!found)
        abort();
    *(void **)function = found;
}

/* A function in front of the C library's: sleeps before and behind it. */
#define AROUND(result, name, one_in, version, parameters, arguments)                                                   \
    result name parameters                                                                                             \
    {                                                                                                                  \
        static result(*_Atomic known) parameters;                                                                      \
        result(*real) parameters = atomic_load_explicit(&known, memory_order_relaxed);                                 \
        result got;                                                                                                    \
                                                                                                                       \
        if (!real) {                                                                                                   \
            find(&real, #name, version);                                                                               \
            atomic_store_explicit(&known, real, memory_order_relaxed);                                                 \
        }                                                                                                              \
        dawdle(one_in);                                                                                                \
        got = real arguments;                                                                                          \
        dawdle(one_in);                                                                                                \
        return got;                                                                                                    \
    }

#define LOCKS(name) AROUND(int, name, AT_A_LOCK, NULL, (pthread_mutex_t * m), (m))
LOCKS(pthread_mutex_lock)
LOCKS(pthread_mutex_unlock)

/* There are older ones of these, with another layout. */
#define CONDITION "GLIBC_2.3.2"
AROUND(int, pthread_cond_wait, AT_A_WAIT, CONDITION, (pthread_cond_t *restrict c, pthread_mutex_t *restrict m), (c, m))
AROUND(int, pthread_cond_timedwait, AT_A_WAIT, CONDITION,
       (pthread_cond_t *restrict c, pthread_mutex_t *restrict m, const struct timespec *restrict until), (c, m, until))
AROUND(int, pthread_cond_signal, AT_A_WAIT, CONDITION, (pthread_cond_t * c), (c))
AROUND(int, pthread_cond_broadcast, AT_A_WAIT, CONDITION, (pthread_cond_t * c), (c))
AROUND(int, pthread_cond_clockwait, AT_A_WAIT, NULL,
       (pthread_cond_t *restrict c, pthread_mutex_t *restrict m, clockid_t clock,
        const struct timespec *restrict until),
       (c, m, clock, until))
AROUND(int, sem_wait, AT_A_WAIT, NULL, (sem_t * s), (s))
AROUND(int, sem_post, AT_A_WAIT, NULL, (sem_t * s), (s))
AROUND(int, pthread_create, AT_A_WAIT, NULL,
       (pthread_t *restrict thread, const pthread_attr_t *restrict how, void *(*main)(void *), void *restrict arg),
       (thread, how, main, arg))
AROUND(int, epoll_wait, AT_A_WAIT, NULL, (int fd, struct epoll_event *events, int most, int ms), (fd, events, most, ms))
AROUND(int, epoll_pwait, AT_A_WAIT, NULL, (int fd, struct epoll_event *events, int most, int ms, const sigset_t *mask),
       (fd, events, most, ms, mask))
AROUND(int, poll, AT_A_WAIT, NULL, (struct pollfd * fds, nfds_t count, int ms), (fds, count, ms))
AROUND(int, ppoll, AT_A_WAIT, NULL,
       (struct pollfd * fds, nfds_t count, const struct timespec *wait, const sigset_t *mask), (fds, count, wait, mask))

AROUND(ssize_t, recv, AT_A_PEER, NULL, (int fd, void *to, size_t size, int flags), (fd, to, size, flags))
AROUND(ssize_t, recvmsg, AT_A_PEER, NULL, (int fd, struct msghdr *message, int flags), (fd, message, flags))
AROUND(ssize_t, send, AT_A_PEER, NULL, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
AROUND(ssize_t, sendmsg, AT_A_PEER, NULL, (int fd, const struct msghdr *message, int flags), (fd, message, flags))

AROUND(ssize_t, read, AT_A_FILE, NULL, (int fd, void *to, size_t size), (fd, to, size))
AROUND(ssize_t, write, fd == STDERR_FILENO ? AT_A_SYNC : AT_A_FILE, NULL, (int fd, const void *from, size_t size),
       (fd, from, size))
AROUND(ssize_t, pread, AT_A_FILE, NULL, (int fd, void *to, size_t size, off_t at), (fd, to, size, at))
AROUND(ssize_t, pwrite, AT_A_FILE, NULL, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
AROUND(ssize_t, preadv, AT_A_FILE, NULL, (int fd, const struct iovec *to, int count, off_t at), (fd, to, count, at))
AROUND(ssize_t, pwritev, AT_A_FILE, NULL, (int fd, const struct iovec *from, int count, off_t at),
       (fd, from, count, at))
AROUND(int, close, AT_A_FILE, NULL, (int fd), (fd))

AROUND(int, fsync, AT_A_SYNC, NULL, (int fd), (fd))
AROUND(int, fdatasync, AT_A_SYNC, NULL, (int fd), (fd))
AROUND(int, syncfs, AT_A_SYNC, NULL, (int fd), (fd))
AROUND(int, rename, AT_A_SYNC, NULL, (const char *from, const char *to), (from, to))
AROUND(int, renameat, AT_A_SYNC, NULL, (int folder, const char *from, int other, const char *to),
       (folder, from, other, to))
AROUND(int, renameat2, AT_A_SYNC, NULL, (int folder, const char *from, int other, const char *to, unsigned flags),
       (folder, from, other, to, flags))
AROUND(int, unlink, AT_A_SYNC, NULL, (const char *path), (path))
AROUND(int, unlinkat, AT_A_SYNC, NULL, (int folder, const char *path, int flags), (folder, path, flags))
