#include "pipeline/inputs/api_patience.h"

#include "pipeline/base/mem.h"

#include <pthread.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#define LOOK_EVERY NSEC_PER_SEC

struct api_client {
    int fd;
    _Atomic nsec deadline;
    struct api_client *prev, *next; /* guarded by lock */
};

struct api_patience {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    void (*tick)(void *ctx, nsec mono_now);
    void *ctx;
    bool stopping;            /* guarded by lock */
    struct api_client *first; /* guarded by lock */
};

/* The library watches edges: an end of the stream that came together with the last bytes is one edge with them, and it
 * would not look again. Shutting down a side that the client has already closed changes nothing but makes a new edge.
 */
static void point_at_end(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    if (poll(&p, 1, 0) == 1 && (p.revents & POLLRDHUP))
        shutdown(fd, SHUT_RD);
}

/* Locks: p->lock held, which keeps the sockets open: they are closed behind api_patience_remove(). */
static void look_at_all(struct api_patience *p, nsec now)
{
    for (struct api_client *c = p->first; c; c = c->next) {
        nsec deadline = atomic_load_explicit(&c->deadline, memory_order_relaxed);

        if (deadline > now) {
            if (deadline != NSEC_NEVER)
                point_at_end(c->fd);
            continue;
        }
        shutdown(c->fd, SHUT_RDWR);
        atomic_store_explicit(&c->deadline, NSEC_NEVER, memory_order_relaxed);
    }
}

static void *look(void *arg)
{
    struct api_patience *p = arg;

    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        nsec now = clock_mono();
        struct timespec next = clock_timespec(now + LOOK_EVERY);

        look_at_all(p, now);
        p->tick(p->ctx, now);
        pthread_cond_clockwait(&p->wake, &p->lock, CLOCK_MONOTONIC, &next);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int api_patience_start(struct api_patience **out, void (*tick)(void *ctx, nsec mono_now), void *ctx, struct err *e)
{
    struct api_patience *p = mem_alloc(sizeof(*p));

    p->tick = tick;
    p->ctx = ctx;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    if (pthread_create(&p->thread, NULL, look, p) != 0) {
        pthread_cond_destroy(&p->wake);
        pthread_mutex_destroy(&p->lock);
        mem_free(p);
        return err_set(e, ERR_IO, "start a thread: the system has no room for one");
    }
    *out = p;
    return 0;
}

void api_patience_stop(struct api_patience **pp)
{
    struct api_patience *p = *pp;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    MEM_CLEAR(*pp);
}

struct api_client *api_patience_add(struct api_patience *p, int fd, nsec mono_deadline)
{
    struct api_client *c = mem_alloc(sizeof(*c));

    c->fd = fd;
    atomic_store_explicit(&c->deadline, mono_deadline, memory_order_relaxed);
    pthread_mutex_lock(&p->lock);
    c->next = p->first;
    if (c->next)
        c->next->prev = c;
    p->first = c;
    pthread_mutex_unlock(&p->lock);
    return c;
}

void api_patience_set(struct api_client *c, nsec mono_deadline)
{
    atomic_store_explicit(&c->deadline, mono_deadline, memory_order_relaxed);
}

void api_patience_remove(struct api_patience *p, struct api_client **cc)
{
    struct api_client *c = *cc;

    pthread_mutex_lock(&p->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        p->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    pthread_mutex_unlock(&p->lock);
    MEM_CLEAR(*cc);
}
