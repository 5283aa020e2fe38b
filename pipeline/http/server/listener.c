/* One thread: it waits for a connection, for somebody who wakes it (a client has gone, or it shall stop), and once a
 * second looks at all clients. When accept() fails for want of descriptors, or all places are taken, it does not ask
 * again at once: it leaves the listening socket out of its poll until there may be room. */
#include "pipeline/http/server/listener.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#define LOG_EVERY (60 * NSEC_PER_SEC)

struct http_client {
    int fd;
    _Atomic nsec since, deadline; /* of its step */
    LIST_ENTRY(http_client) link; /* guarded by lock */
};

struct http_listener {
    struct http_listener_conf conf; /* connections: guarded by lock */
    pthread_t thread;
    bool running; /* the main thread's */
    int wake;     /* eventfd: stopping, or a client has gone */
    pthread_mutex_t lock;
    pthread_cond_t shut;           /* the socket was closed */
    bool stopping, shuts;          /* guarded by lock */
    LIST_HEAD(, http_client) list; /* guarded by lock */
    unsigned clients, taken;       /* guarded by lock; taken: and not yet added */

    /* Its own thread's. */
    nsec next_look, accept_at, last_taken;
    struct log_limit short_log;
};

static void wake(struct http_listener *l)
{
    uint64_t one = 1;
    ssize_t done = write(l->wake, &one, sizeof(one));

    (void)done; /* a full counter says the same */
}

/* --- clients that take too long ---------------------------------------------------------------------------------- */

static void cut_off(struct http_client *c)
{
    shutdown(c->fd, SHUT_RDWR);
    atomic_store_explicit(&c->deadline, NSEC_NEVER, memory_order_relaxed);
}

static void look(struct http_listener *l, nsec now)
{
    struct http_client *c;

    if (now < l->next_look)
        return;
    l->next_look = now + LISTENER_LOOK_EVERY;
    pthread_mutex_lock(&l->lock); /* keeps the sockets open: they are closed behind http_listener_remove() */
    LIST_FOREACH(c, &l->list, link) {
        nsec deadline = atomic_load_explicit(&c->deadline, memory_order_relaxed);
        struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};

        /* The library watches edges: an end of the stream that came together with the last bytes is one edge with them, and it
         * would not look again. Shutting down a side that the client has already closed changes nothing but makes a new edge. */
        if (deadline <= now)
            cut_off(c);
        else if (deadline != NSEC_NEVER && poll(&p, 1, 0) == 1 && (p.revents & POLLRDHUP))
            shutdown(c->fd, SHUT_RD);
    }
    if (l->taken > 0 && now - l->last_taken > LISTENER_ADDED_WITHIN)
        l->taken = 0;
    pthread_mutex_unlock(&l->lock);
    if (l->conf.tick)
        l->conf.tick(l->conf.ctx, now);
}

/* Somebody waits outside: whoever has been waited for longest goes. */
static void make_room(struct http_listener *l, nsec now)
{
    struct http_client *oldest = NULL, *c;

    pthread_mutex_lock(&l->lock);
    LIST_FOREACH(c, &l->list, link) {
        nsec since = atomic_load_explicit(&c->since, memory_order_relaxed);

        if (atomic_load_explicit(&c->deadline, memory_order_relaxed) == NSEC_NEVER || now - since < LISTENER_WAITED_FOR)
            continue;
        if (!oldest || since < atomic_load_explicit(&oldest->since, memory_order_relaxed))
            oldest = c;
    }
    if (oldest)
        cut_off(oldest);
    pthread_mutex_unlock(&l->lock);
    l->accept_at = now + LISTENER_SHORT_WAIT; /* until it has gone: that wakes us earlier */
}

/* --- accepting --------------------------------------------------------------------------------------------------- */

static bool is_full(struct http_listener *l)
{
    bool full;

    pthread_mutex_lock(&l->lock);
    full = l->clients + l->taken >= l->conf.connections;
    pthread_mutex_unlock(&l->lock);
    return full;
}

/* Mostly for a descriptor, but whatever it is: asked again at once it would be the same. */
static void wait_a_little(struct http_listener *l, int error, nsec now)
{
    l->accept_at = now + LISTENER_SHORT_WAIT;
    if (log_due(&l->short_log, now, LOG_EVERY))
        log_warn(
            "connections wait: they cannot be accepted now", KS("listener", l->conf.name), KS("cause", strerror(error)),
            KS("hint", "raise the limit of open files (ulimit -n, LimitNOFILE), or let fewer clients and files in"));
}

static void change_taken(struct http_listener *l, int change)
{
    pthread_mutex_lock(&l->lock);
    l->taken += (unsigned)change;
    pthread_mutex_unlock(&l->lock);
}

static void accept_some(struct http_listener *l, nsec now)
{
    for (unsigned i = 0; i < LISTENER_BURST; i++) {
        struct sockaddr_storage from;
        socklen_t n = sizeof(from);
        int fd;

        if (is_full(l)) {
            if (l->conf.make_room)
                make_room(l, now);
            return;
        }
        fd = accept4(l->conf.fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0 && errno != EAGAIN)
            wait_a_little(l, errno, now);
        if (fd < 0)
            return;
        l->last_taken = now;
        change_taken(l, 1);
        if (!l->conf.take(l->conf.ctx, fd, (struct sockaddr *)&from, n))
            change_taken(l, -1);
    }
}

/* Waits for a connection, if one may be accepted, for somebody who wakes it, and for the next look. */
static bool wait_for_connection(struct http_listener *l, nsec now)
{
    struct pollfd fds[] = {{.fd = l->wake, .events = POLLIN}, {.fd = l->conf.fd, .events = POLLIN}};
    bool wanted = l->conf.fd >= 0 && now >= l->accept_at && (l->conf.make_room || !is_full(l));
    nsec until = l->next_look < l->accept_at || now >= l->accept_at ? l->next_look : l->accept_at;
    uint64_t count;

    if (poll(fds, wanted ? 2 : 1, (int)((until - now) / NSEC_PER_MSEC) + 1) <= 0)
        return false;
    if (fds[0].revents && read(l->wake, &count, sizeof(count)) == sizeof(count))
        l->accept_at = 0;
    return wanted && fds[1].revents;
}

static bool is_stopping(struct http_listener *l)
{
    bool stopping;

    pthread_mutex_lock(&l->lock);
    stopping = l->stopping;
    if (l->shuts && l->conf.fd >= 0) { /* here, where nobody polls it */
        close(l->conf.fd);
        l->conf.fd = -1;
        pthread_cond_broadcast(&l->shut);
    }
    pthread_mutex_unlock(&l->lock);
    return stopping;
}

static void *run(void *arg)
{
    struct http_listener *l = arg;

    while (!is_stopping(l)) {
        nsec now = clock_mono();

        look(l, now);
        if (wait_for_connection(l, now))
            accept_some(l, clock_mono());
    }
    return NULL;
}

/* --- start and stop ---------------------------------------------------------------------------------------------- */

int http_listener_start(struct http_listener **out, const struct http_listener_conf *conf, struct err *e)
{
    struct http_listener *l;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return err_errno(e, "an eventfd cannot be made");
    l = mem_alloc(sizeof(*l));
    l->conf = *conf;
    l->wake = fd;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->shut, NULL);
    *out = l; /* connections may be added before this function returns */
    l->running = thread_start(&l->thread, run, l, "the thread of a listener", e) == 0;
    if (l->running)
        return 0;
    l->conf.fd = -1; /* the caller's */
    http_listener_free(out);
    return -1;
}

void http_listener_limit(struct http_listener *l, unsigned connections)
{
    pthread_mutex_lock(&l->lock);
    l->conf.connections = connections;
    pthread_mutex_unlock(&l->lock);
    wake(l);
}

int http_listener_socket(const struct http_listener *l)
{
    return l->conf.fd;
}

void http_listener_shut(struct http_listener *l)
{
    pthread_mutex_lock(&l->lock);
    l->shuts = true;
    pthread_mutex_unlock(&l->lock);
    wake(l);
    pthread_mutex_lock(&l->lock);
    while (l->running && l->conf.fd >= 0)
        pthread_cond_wait(&l->shut, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

void http_listener_stop(struct http_listener *l)
{
    if (l->running) {
        pthread_mutex_lock(&l->lock);
        l->stopping = true;
        pthread_mutex_unlock(&l->lock);
        wake(l);
        pthread_join(l->thread, NULL);
        l->running = false;
    }
    if (l->conf.fd >= 0)
        close(l->conf.fd);
    l->conf.fd = -1;
}

void http_listener_free(struct http_listener **ll)
{
    struct http_listener *l = *ll;

    if (!l)
        return;
    http_listener_stop(l);
    close(l->wake);
    pthread_cond_destroy(&l->shut);
    pthread_mutex_destroy(&l->lock);
    MEM_CLEAR(*ll);
}

/* --- clients ----------------------------------------------------------------------------------------------------- */

struct http_client *http_listener_add(struct http_listener *l, int fd)
{
    struct http_client *c = mem_alloc(sizeof(*c));
    nsec now = clock_mono();

    c->fd = fd;
    http_client_deadline(c, now, now + l->conf.timeout);
    pthread_mutex_lock(&l->lock);
    l->clients++;
    l->taken -= l->taken > 0;
    LIST_INSERT_HEAD(&l->list, c, link);
    pthread_mutex_unlock(&l->lock);
    return c;
}

void http_client_deadline(struct http_client *c, nsec now, nsec deadline)
{
    if (!c)
        return;
    atomic_store_explicit(&c->since, now, memory_order_relaxed);
    atomic_store_explicit(&c->deadline, deadline, memory_order_relaxed);
}

void http_listener_remove(struct http_listener *l, struct http_client **cc)
{
    struct http_client *c = *cc;

    pthread_mutex_lock(&l->lock);
    l->clients--;
    LIST_REMOVE(c, link);
    pthread_mutex_unlock(&l->lock);
    wake(l);
    MEM_CLEAR(*cc);
}
