/* What a script is (its text, compiled, checked) is loaded once for a stream; what it does has a state for each worker, made when that worker
 * first gets a batch of the stream. A chain that must see every record in order has one state, and whoever runs it sees to it that
 * only one worker does. */
#include "pipeline/encode/transform_instances.h"

#include "pipeline/base/mem.h"

#include <pthread.h>

struct transform_instances {
    struct chain *chain;
    struct chain_state *single; /* made on first use */
    pthread_mutex_t lock;
    struct chain_state **states; /* guarded by lock: by the number of the worker, made on first use */
    size_t count;                /* guarded by lock */
};

int transform_instances_open(struct transform_instances **out, const struct stream_settings *conf, const char *base_dir,
                             struct err *e)
{
    const struct transform_env env = {.stream = conf->name, .base_dir = base_dir};
    struct transform_instances *l;
    struct chain_part *parts;
    int rc;

    *out = NULL;
    if (conf->transform_count == 0)
        return 0;
    l = mem_alloc(sizeof(*l));
    parts = mem_array(conf->transform_count, sizeof(*parts));
    for (size_t i = 0; i < conf->transform_count; i++)
        parts[i] = (struct chain_part){
            .ops = conf->transforms[i].ops, .conf = conf->transforms[i].conf, .loaded = conf->transforms[i].loaded};
    rc = chain_load(&l->chain, parts, conf->transform_count, &env, e);
    mem_free(parts);
    if (rc < 0) {
        mem_free(l);
        return -1;
    }
    pthread_mutex_init(&l->lock, NULL);
    *out = l;
    return 0;
}

void transform_instances_close(struct transform_instances **lp)
{
    struct transform_instances *l = *lp;

    if (!l)
        return;
    if (l->single)
        chain_close(&l->single);
    for (size_t i = 0; i < l->count; i++)
        if (l->states[i])
            chain_close(&l->states[i]);
    mem_free(l->states);
    pthread_mutex_destroy(&l->lock);
    chain_unload(&l->chain);
    mem_free(l);
    *lp = NULL;
}

bool transform_instances_is_single(const struct transform_instances *l)
{
    return chain_is_single(l->chain);
}

bool transform_instances_hold(const struct transform_instances *l)
{
    return chain_holds(l->chain);
}

bool transform_instances_keep(const struct transform_instances *l)
{
    return chain_keeps(l->chain);
}

nsec transform_instances_batch_time(const struct transform_instances *l)
{
    return chain_batch_time(l->chain);
}

struct chain_state *transform_instances_only_state(struct transform_instances *l, const struct cancel *cancel,
                                                   struct err *e)
{
    return l->single || chain_open(&l->single, l->chain, cancel, e) == 0 ? l->single : NULL;
}

struct chain_state *transform_instances_state(struct transform_instances *l, struct worker *w, struct err *e)
{
    struct chain_state *s;

    if (chain_is_single(l->chain))
        return transform_instances_only_state(l, w->cancel, e);
    pthread_mutex_lock(&l->lock);
    s = w->index < l->count ? l->states[w->index] : NULL;
    pthread_mutex_unlock(&l->lock);
    if (s)
        return s;
    if (chain_open(&s, l->chain, w->cancel, e) < 0)
        return NULL;
    pthread_mutex_lock(&l->lock);
    if (w->index >= l->count) {
        l->states = mem_grow(l->states, w->index + 1, sizeof(*l->states));
        while (l->count <= w->index)
            l->states[l->count++] = NULL;
    }
    l->states[w->index] = s;
    pthread_mutex_unlock(&l->lock);
    return s;
}
