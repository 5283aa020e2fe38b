/* A sorted array of pointers under one lock. What they point to stays where it is from add to remove, so a request keeps its pointer while
 * the array changes; whoever removes a stream waits for those who have it. */
#include "pipeline/inputs/api/streams.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"

#include <assert.h>
#include <string.h>

struct served {
    struct api_stream stream;
    unsigned users; /* guarded by lock */
};

static struct served *served_of(const struct api_stream *stream)
{
    return CONTAINER_OF(stream, struct served, stream);
}

void api_table_init(struct api_table *t, const char *region, const char *account)
{
    *t = (struct api_table){.streams = {.region = region, .account = account}};
    pthread_mutex_init(&t->lock, NULL);
    thread_cond_init(&t->unused);
}

void api_table_release(struct api_table *t)
{
    for (size_t i = 0; i < t->streams.n; i++)
        mem_free(served_of(t->streams.v[i]));
    mem_free(t->streams.v);
    pthread_cond_destroy(&t->unused);
    pthread_mutex_destroy(&t->lock);
}

void api_table_add(struct api_table *t, const struct api_stream *stream)
{
    struct served *made = mem_alloc(sizeof(*made));
    struct api_streams *all = &t->streams;
    size_t at;

    made->stream = *stream;
    pthread_mutex_lock(&t->lock);
    assert(!api_streams_find(all, stream->name));
    all->v = mem_grow(all->v, all->n + 1, sizeof(*all->v));
    for (at = all->n++; at > 0 && strcmp(all->v[at - 1]->name, stream->name) > 0; at--)
        all->v[at] = all->v[at - 1];
    all->v[at] = &made->stream;
    pthread_mutex_unlock(&t->lock);
}

void api_table_reopen(struct api_table *t, const struct api_stream *stream)
{
    const struct api_stream *found;

    pthread_mutex_lock(&t->lock);
    found = api_streams_find(&t->streams, stream->name);
    if (found) {
        assert(found->deleting && served_of(found)->users == 0);
        served_of(found)->stream = *stream;
    }
    pthread_mutex_unlock(&t->lock);
    if (!found)
        api_table_add(t, stream);
}

/* Locks: held. */
static struct served *close_locked(struct api_table *t, const char *name, nsec mono)
{
    const struct api_stream *found = api_streams_find(&t->streams, name);
    struct timespec until = clock_timespec(mono);
    struct served *s = found ? served_of(found) : NULL;
    int rc = 0;

    if (!s)
        return NULL;
    s->stream.deleting = true;
    while (s->users > 0 && rc == 0)
        rc = mono == NSEC_NEVER ? pthread_cond_wait(&t->unused, &t->lock)
                                : pthread_cond_timedwait(&t->unused, &t->lock, &until);
    return s;
}

bool api_table_close(struct api_table *t, const char *name, nsec mono)
{
    const struct served *s;
    bool unused;

    pthread_mutex_lock(&t->lock);
    s = close_locked(t, name, mono);
    unused = !s || s->users == 0;
    pthread_mutex_unlock(&t->lock);
    return unused;
}

void api_table_remove(struct api_table *t, const char *name)
{
    struct api_streams *all = &t->streams;
    struct served *s;
    size_t at = 0;

    pthread_mutex_lock(&t->lock);
    s = close_locked(t, name, NSEC_NEVER);
    if (s) {
        while (all->v[at] != &s->stream)
            at++;
        all->n--;
        memmove(&all->v[at], &all->v[at + 1], (all->n - at) * sizeof(*all->v));
    }
    pthread_mutex_unlock(&t->lock);
    mem_free(s);
}

const struct api_stream *api_table_use(struct api_table *t, const char *name, struct api_error *e)
{
    const struct api_stream *found;

    pthread_mutex_lock(&t->lock);
    found = api_streams_find(&t->streams, name);
    if (!found) {
        api_streams_missing(&t->streams, name, e);
    } else if (found->deleting) {
        /* It may come back under its name in a moment; and where it does not, the next attempt says so. Clients keep their records
         * until then. */
        api_error_set(e, API_UNAVAILABLE, "Firehose %s under account %s is being deleted.", name, t->streams.account);

        found = NULL;
    } else {
        served_of(found)->users++;
    }
    pthread_mutex_unlock(&t->lock);
    return found;
}

void api_table_give_back(struct api_table *t, const struct api_stream *stream)
{
    struct served *s = served_of(stream);

    pthread_mutex_lock(&t->lock);
    assert(s->users > 0);
    if (--s->users == 0)
        pthread_cond_broadcast(&t->unused);
    pthread_mutex_unlock(&t->lock);
}

int api_table_ask(struct api_table *t, api_question *ask, struct slice body, struct buf *out, struct api_error *e)
{
    int rc;

    pthread_mutex_lock(&t->lock);
    rc = ask(&t->streams, body, out, e);
    pthread_mutex_unlock(&t->lock);
    return rc;
}
