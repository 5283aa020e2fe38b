#include "pipeline/inputs/socket/lookup.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct lookup {
    pthread_mutex_t lock;
    unsigned users;             /* guarded by lock, as what follows: the owner, the thread */
    struct input_thread *woken; /* NULL: the owner is gone */
    bool done;
    struct lookup_result result;
    char port[8]; /* not changed any more, as `host` */
    char host[];
};

/* Locks: held, and given back. */
static void leave(struct lookup *l)
{
    bool last = --l->users == 0;

    pthread_mutex_unlock(&l->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

static void take_addresses(const struct addrinfo *all, struct lookup_result *r)
{
    for (const struct addrinfo *a = all; a && r->count < SOCKET_ADDRESSES_MAX; a = a->ai_next) {
        if (a->ai_addrlen > sizeof(r->at[0]))
            continue;
        memcpy(&r->at[r->count], a->ai_addr, a->ai_addrlen);
        r->length[r->count++] = a->ai_addrlen;
    }
}

static int ask(const struct lookup *l, int flags, struct lookup_result *r)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *all = NULL;
    int rc = getaddrinfo(l->host, l->port, &hints, &all), saved = errno;

    memset(r, 0, sizeof(*r));
    if (rc == 0) {
        take_addresses(all, r);
        freeaddrinfo(all);
    }
    r->failed = r->count == 0;
    if (r->failed)
        snprintf(r->why, sizeof(r->why), "%s", rc == EAI_SYSTEM ? strerror(saved) : gai_strerror(rc ? rc : EAI_NONAME));
    return rc;
}

static void *run(void *arg)
{
    struct lookup *l = arg;
    struct lookup_result r;

    (void)ask(l, 0, &r);
    pthread_mutex_lock(&l->lock);
    l->result = r;
    l->done = true;
    if (l->woken)
        input_thread_wake(l->woken);
    leave(l);
    return NULL;
}

int lookup_begin(struct lookup **out, const char *host, uint16_t port, struct input_thread *woken, struct err *e)
{
    size_t n = strlen(host) + 1;
    struct lookup *l = mem_alloc(sizeof(*l) + n);

    memcpy(l->host, host, n);
    snprintf(l->port, sizeof(l->port), "%u", (unsigned)port);
    pthread_mutex_init(&l->lock, NULL);
    l->users = 2;
    l->woken = woken;
    if (ask(l, AI_NUMERICHOST, &l->result) == 0) {
        l->done = true;
        l->users = 1;
    } else if (!thread_start_detached(run, l, RESOLVER_STACK_BYTES)) {
        pthread_mutex_destroy(&l->lock);
        mem_free(l);
        return err_set(e, ERR_IO, "no thread can be started to look the name up: " THREADS_HINT);
    }
    *out = l;
    return 0;
}

bool lookup_done(struct lookup *l, struct lookup_result *out)
{
    bool done;

    pthread_mutex_lock(&l->lock);
    done = l->done;
    if (done)
        *out = l->result;
    pthread_mutex_unlock(&l->lock);
    return done;
}

void lookup_leave(struct lookup **l)
{
    if (!*l)
        return;
    pthread_mutex_lock(&(*l)->lock);
    (*l)->woken = NULL;
    leave(*l);
    *l = NULL;
}
