/* The ring holds whole lines. `put` and `taken` only grow; their difference is what is in it, and their remainders are the
 * places. The thread copies a few whole lines out (never more than a pipe takes in one piece), writes them without the lock,
 * and only then moves `taken` on, so that a crash in between finds them still there. */
#include "pipeline/base/log_writer.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Longer than a busy machine keeps a thread that is ready waiting; spent once, when a descriptor begins to hang. */
#define MOMENT (100 * NSEC_PER_MSEC)

struct log_writer {
    int fd;
    size_t (*say_dropped)(uint64_t lines, char out[LOG_LINE_MAX]);
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more, written;
    atomic_size_t put, taken;  /* written with the lock held */
    uint64_t dropped, told;    /* guarded by lock; lines, and how many of them have been told */
    bool writing, ended, stop; /* guarded by lock */
    bool hangs;                /* nothing was written for a moment; guarded by lock */
    char ring[LOG_RING_BYTES];
};

static size_t held(const struct log_writer *w)
{
    return atomic_load(&w->put) - atomic_load(&w->taken);
}

/* Copies whole lines from the place `from`, as many as are there and fit. */
static size_t copy_lines(const struct log_writer *w, size_t from, char out[LOG_LINE_MAX])
{
    size_t there = atomic_load(&w->put) - from, n = there < LOG_LINE_MAX ? there : LOG_LINE_MAX,
           at = from % LOG_RING_BYTES;
    size_t first = n < LOG_RING_BYTES - at ? n : LOG_RING_BYTES - at;
    const char *end;

    memcpy(out, w->ring + at, first);
    memcpy(out + first, w->ring, n - first);
    end = memrchr(out, '\n', n);
    return end ? (size_t)(end - out) + 1 : n;
}

static bool wait_for_room(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, ms) == 1 && !(p.revents & POLLNVAL);
}

/* The lines that were not written: none, or those of the rest. A closed pipe, a full disk and a lost terminal end nothing
 * but these lines. */
static uint64_t write_lines(int fd, const char *p, size_t n)
{
    uint64_t lost = 0;

    while (n > 0) {
        ssize_t done = write(fd, p, n);

        if (done < 0 && errno == EAGAIN)
            (void)wait_for_room(fd, LOG_FULL_WAIT_MS);
        else if (done < 0 && errno != EINTR)
            break;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    for (size_t i = 0; i < n; i++)
        lost += p[i] == '\n';
    return lost;
}

/* What is to be written next: lines of the ring, or, when there are none, how many were dropped. Returns its length; *from_ring is
 * how much of it the ring holds. Locks: w->lock held. */
static size_t next_piece(struct log_writer *w, char out[LOG_LINE_MAX], size_t *from_ring)
{
    *from_ring = 0;
    if (held(w) > 0)
        return *from_ring = copy_lines(w, atomic_load(&w->taken), out);
    if (w->dropped == w->told)
        return 0;
    return w->say_dropped(w->dropped - w->told, out);
}

/* Locks: w->lock held, and given back while it writes. */
static void write_piece(struct log_writer *w, const char *p, size_t n, size_t from_ring)
{
    uint64_t dropped = w->dropped, lost;

    w->writing = true;
    pthread_mutex_unlock(&w->lock);
    lost = write_lines(w->fd, p, n);
    pthread_mutex_lock(&w->lock);
    w->writing = w->hangs = false;
    atomic_fetch_add(&w->taken, from_ring);
    if (from_ring == 0)
        w->told = lost ? w->told : dropped;
    else
        w->dropped += lost;
    pthread_cond_broadcast(&w->written);
}

/* A descriptor that refuses everything is not asked in vain to take the news of it: that waits for the next line. */
static bool has_work(const struct log_writer *w, bool refused)
{
    return held(w) > 0 || (w->dropped != w->told && !refused);
}

static void *writer_main(void *arg)
{
    struct log_writer *w = arg;
    char piece[LOG_LINE_MAX];
    bool refused = false;
    size_t n, from_ring;

    pthread_setname_np(pthread_self(), "log");
    pthread_mutex_lock(&w->lock);
    for (;;) {
        uint64_t before;

        while (!has_work(w, refused) && !w->stop)
            pthread_cond_wait(&w->more, &w->lock);
        n = has_work(w, refused) ? next_piece(w, piece, &from_ring) : 0;
        if (n == 0)
            break;
        before = from_ring ? w->dropped : w->told;
        write_piece(w, piece, n, from_ring);
        refused = from_ring ? w->dropped != before : w->told == before;
    }
    w->ended = true;
    pthread_cond_broadcast(&w->written);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int log_writer_start(struct log_writer **out, int fd, size_t (*say_dropped)(uint64_t lines, char out[LOG_LINE_MAX]),
                     struct err *e)
{
    struct log_writer *w = mem_alloc(sizeof(*w));

    w->fd = fd;
    w->say_dropped = say_dropped;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    thread_cond_init(&w->written);
    if (thread_start(&w->thread, writer_main, w, "the thread that writes the log", e) < 0) {
        mem_free(w);
        return -1;
    }
    *out = w;
    return 0;
}

/* Locks: w->lock held. */
static bool fits(const struct log_writer *w, size_t n)
{
    return n <= LOG_RING_BYTES - held(w);
}

void log_writer_put(struct log_writer *w, struct slice line)
{
    struct timespec until = clock_timespec(clock_mono() + MOMENT);

    pthread_mutex_lock(&w->lock);
    while (!fits(w, line.n) && !w->hangs && !w->ended)
        w->hangs = pthread_cond_timedwait(&w->written, &w->lock, &until) != 0;
    if (!fits(w, line.n)) {
        w->dropped++;
    } else {
        size_t at = atomic_load(&w->put) % LOG_RING_BYTES, room = LOG_RING_BYTES - at;
        size_t first = line.n < room ? line.n : room;

        memcpy(w->ring + at, line.p, first);
        memcpy(w->ring, line.p + first, line.n - first);
        atomic_fetch_add(&w->put, line.n);
    }
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
}

uint64_t log_writer_dropped(struct log_writer *w)
{
    uint64_t n;

    pthread_mutex_lock(&w->lock);
    n = w->dropped;
    pthread_mutex_unlock(&w->lock);
    return n;
}

bool log_writer_flush(struct log_writer *w, nsec timeout)
{
    struct timespec until = clock_timespec(clock_mono() + timeout);
    bool done;

    pthread_mutex_lock(&w->lock);
    while ((held(w) > 0 || w->writing) && !w->ended)
        if (pthread_cond_timedwait(&w->written, &w->lock, &until) != 0)
            break;
    done = held(w) == 0 && !w->writing;
    pthread_mutex_unlock(&w->lock);
    return done;
}

bool log_writer_stop(struct log_writer **wp, nsec timeout)
{
    struct log_writer *w = *wp;
    struct timespec until = clock_timespec(clock_mono() + timeout);
    bool ended;

    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->more);
    while (!w->ended && pthread_cond_timedwait(&w->written, &w->lock, &until) == 0)
        continue;
    ended = w->ended;
    pthread_mutex_unlock(&w->lock);
    if (!ended)
        return false;
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->more);
    pthread_cond_destroy(&w->written);
    pthread_mutex_destroy(&w->lock);
    mem_free(w);
    *wp = NULL;
    return true;
}

void log_writer_rescue(struct log_writer *w)
{
    size_t from = atomic_load(&w->taken);
    char piece[LOG_LINE_MAX];

    while (from != atomic_load(&w->put) && wait_for_room(w->fd, LOG_RESCUE_WAIT_MS)) {
        size_t n = copy_lines(w, from, piece);

        if (write(w->fd, piece, n) != (ssize_t)n)
            return;
        from += n;
    }
}
