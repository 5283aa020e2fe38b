/* The table has a row for each name that was ever asked: as many as the configuration has. A row waits, is asked, or has an
 * answer; threads take waiting rows, the oldest first, and end when there are none. With the resolver gone, each thread hangs
 * for as long as the C library's timeout lasts, so there are at most as many as names, and never more than a fixed number. */
#include "pipeline/http/transport/resolver.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct name {
    SLIST_ENTRY(name) link;
    STAILQ_ENTRY(name) waiting;
    char *host;
    bool under_way;       /* waiting or asked */
    bool has, failed;     /* `addresses` is an answer; the last one was none, see `why` */
    nsec answered, since; /* mono; of `addresses`; of the last answer of any kind */
    char addresses[RESOLVER_TEXT_MAX], why[RESOLVER_TEXT_MAX];
    char shown[RESOLVER_TEXT_MAX]; /* the caller's copy */
};

struct resolver {
    struct resolver_conf conf;
    pthread_mutex_t lock;
    unsigned users; /* the owner and the threads; all guarded by lock */
    unsigned threads;
    bool closed;
    SLIST_HEAD(, name) names;
    STAILQ_HEAD(, name) waiting;
};

struct resolver *resolver_new(const struct resolver_conf *conf)
{
    struct resolver *r = mem_alloc(sizeof(*r));

    r->conf = *conf;
    r->users = 1;
    STAILQ_INIT(&r->waiting);
    pthread_mutex_init(&r->lock, NULL);
    return r;
}

/* Locks: r->lock held, and given back. */
static void leave(struct resolver *r)
{
    bool last = --r->users == 0;

    pthread_mutex_unlock(&r->lock);
    if (!last)
        return;
    while (!SLIST_EMPTY(&r->names)) {
        struct name *n = SLIST_FIRST(&r->names);

        SLIST_REMOVE_HEAD(&r->names, link);
        mem_free(n->host);
        mem_free(n);
    }
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

void resolver_free(struct resolver **r)
{
    if (!*r)
        return;
    pthread_mutex_lock(&(*r)->lock);
    (*r)->closed = true;
    leave(*r);
    *r = NULL;
}

/* Locks: r->lock held. */
static void answer(struct name *n, int rc, const char *text, nsec now)
{
    n->under_way = false;
    n->failed = rc < 0;
    n->since = now;
    snprintf(n->failed ? n->why : n->addresses, RESOLVER_TEXT_MAX, "%s", text);
    if (n->failed)
        return;
    n->has = true;
    n->answered = now;
}

static void *resolver_main(void *arg)
{
    struct resolver *r = arg;
    struct name *n;

    pthread_setname_np(pthread_self(), "resolver");
    pthread_mutex_lock(&r->lock);
    while (!r->closed && (n = STAILQ_FIRST(&r->waiting))) {
        char text[RESOLVER_TEXT_MAX] = "";
        int rc;

        STAILQ_REMOVE_HEAD(&r->waiting, waiting);
        pthread_mutex_unlock(&r->lock);
        rc = r->conf.look_up(n->host, text, sizeof(text)); /* the name lives as long as the resolver has users */
        pthread_mutex_lock(&r->lock);
        answer(n, rc, text, clock_mono());
        if (!r->closed)
            r->conf.changed(r->conf.ctx);
    }
    r->threads--;
    leave(r);
    return NULL;
}

/* Locks: r->lock held. A thread that cannot be made is no loss while there is another: the name waits for it. */
static void ask(struct resolver *r, struct name *n, nsec now)
{
    bool started = r->threads < RESOLVER_THREADS_MAX && thread_start_detached(resolver_main, r, RESOLVER_STACK_BYTES);

    r->threads += started;
    r->users += started;
    if (r->threads == 0) {
        answer(n, -1, "no thread can be started to resolve it", now);
        return;
    }
    n->under_way = true;
    STAILQ_INSERT_TAIL(&r->waiting, n, waiting);
}

/* Locks: r->lock held. */
static struct name *row(struct resolver *r, const char *host)
{
    struct name *n;

    SLIST_FOREACH(n, &r->names, link)
    if (strcmp(n->host, host) == 0)
        return n;
    n = mem_alloc(sizeof(*n));
    n->host = mem_strdup(host);
    SLIST_INSERT_HEAD(&r->names, n, link);
    return n;
}

enum resolver_state resolver_find(struct resolver *r, const char *host, nsec mono_now, const char **text)
{
    enum resolver_state state = RESOLVER_ASKING;
    struct name *n;
    bool fresh;

    pthread_mutex_lock(&r->lock);
    n = row(r, host);
    fresh = (n->has || n->failed) && mono_now - n->since < (n->failed ? RESOLVER_FAILED_TIME : RESOLVER_BELIEVED_TIME);
    if (!n->under_way && !fresh)
        ask(r, n, mono_now);
    if (n->has && mono_now - n->answered < RESOLVER_SERVES_TIME)
        state = RESOLVER_KNOWN;
    else if (!n->under_way && n->failed)
        state = RESOLVER_FAILED;
    snprintf(n->shown, sizeof(n->shown), "%s", state == RESOLVER_KNOWN ? n->addresses : n->why);
    *text = n->shown;
    pthread_mutex_unlock(&r->lock);
    return state;
}

void resolver_doubt(struct resolver *r, const char *host)
{
    struct name *n;

    pthread_mutex_lock(&r->lock);
    n = row(r, host);
    n->has = n->failed = false;
    pthread_mutex_unlock(&r->lock);
}

/* "127.0.0.1", "[::1]"; false when it is of another kind. */
static bool address_text(const struct addrinfo *a, char *out, size_t size)
{
    char text[INET6_ADDRSTRLEN];
    const void *address;

    if (a->ai_family == AF_INET)
        address = &((const struct sockaddr_in *)(const void *)a->ai_addr)->sin_addr;
    else if (a->ai_family == AF_INET6)
        address = &((const struct sockaddr_in6 *)(const void *)a->ai_addr)->sin6_addr;
    else
        return false;
    if (!inet_ntop(a->ai_family, address, text, sizeof(text)))
        return false;
    snprintf(out, size, a->ai_family == AF_INET6 ? "[%s]" : "%s", text);
    return true;
}

int resolver_look_up(const char *host, char *out, size_t size)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int rc = getaddrinfo(host, NULL, &hints, &found);
    char one[INET6_ADDRSTRLEN + 3];
    size_t n = 0;

    if (rc != 0) {
        snprintf(out, size, "%s", gai_strerror(rc));
        return -1;
    }
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        if (!address_text(a, one, sizeof(one)) || n + strlen(one) + 2 > size)
            continue;
        n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "," : "", one);
    }
    freeaddrinfo(found);
    if (n > 0)
        return 0;
    snprintf(out, size, "it has no address of a kind that is known here");
    return -1;
}
