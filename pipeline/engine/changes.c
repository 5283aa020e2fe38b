/* Who may change a stream: one at a time has it, by its state, and none any more when the program ends. */
#include "pipeline/engine/impl.h"

#include <string.h>
#include <unistd.h>

void engine_tell(struct engine *en)
{
    uint64_t one = 1;
    ssize_t done = write(en->news, &one, sizeof(one));

    (void)done; /* a full counter says the same */
    pthread_mutex_lock(&en->lock);
    pthread_cond_broadcast(&en->changed);
    pthread_mutex_unlock(&en->lock);
}

int engine_begin_change(struct engine *en, struct err *e)
{
    bool stopping;

    pthread_mutex_lock(&en->lock);
    stopping = atomic_load(&en->stopping);
    en->changes += !stopping;
    pthread_mutex_unlock(&en->lock);
    return stopping ? err_set(e, ERR_CANCELLED, "sluice is stopping") : 0;
}

void engine_end_change(struct engine *en)
{
    pthread_mutex_lock(&en->lock);
    en->changes--;
    pthread_cond_broadcast(&en->changed);
    pthread_mutex_unlock(&en->lock);
}

void engine_end_changes(struct engine *en)
{
    pthread_mutex_lock(&en->lock);
    atomic_store(&en->stopping, true);
    pthread_cond_broadcast(&en->changed);
    while (en->changes > 0)
        pthread_cond_wait(&en->changed, &en->lock);
    pthread_mutex_unlock(&en->lock);
}

struct engine_stream *engine_find(struct engine *en, const char *name)
{
    struct engine_stream *es;

    TAILQ_FOREACH(es, &en->streams, link)
        if (strcmp(es->conf->name, name) == 0)
            return es;
    return NULL;
}

struct engine_stream *engine_claim(struct engine *en, const char *name, enum engine_stream_state state,
                                   enum engine_stream_state *before, struct err *e)
{
    struct engine_stream *es;

    pthread_mutex_lock(&en->lock);
    es = engine_find(en, name);
    if (!es) {
        err_set(e, ERR_CONFIG, "there is no stream `%s`", name);
    } else if (es->state != STATE_OPEN && es->state != STATE_DRAINED) {
        err_set(e, ERR_LIMIT, "stream `%s` is just being %s", name,
                es->state == STATE_OPENING    ? "opened"
                : es->state == STATE_DRAINING ? "drained"
                : es->state == STATE_CHANGING ? "changed"
                                              : "removed");
        es = NULL;
    } else {
        *before = es->state;
        es->state = state;
    }
    pthread_mutex_unlock(&en->lock);
    return es;
}

void engine_set_state(struct engine *en, struct engine_stream *es, enum engine_stream_state state)
{
    pthread_mutex_lock(&en->lock);
    es->state = state;
    pthread_mutex_unlock(&en->lock);
}

bool engine_await(struct engine *en, const struct stream *st, bool (*is)(const struct stream *st), nsec mono)
{
    struct timespec until = clock_timespec(mono);
    int rc = 0;

    pthread_mutex_lock(&en->lock);
    while (!is(st) && !atomic_load(&en->stopping) && rc == 0)
        rc = pthread_cond_timedwait(&en->changed, &en->lock, &until);
    pthread_mutex_unlock(&en->lock);
    return is(st);
}
