#include "pipeline/encode/transform_instances.h"

#include "pipeline/base/mem.h"

struct transform_instances {
    struct chain *chain;
    struct chain_state *single; /* made on first use */
};

static int load(struct transform_instances *l, const struct stream_settings *conf, const char *base_dir, struct err *e)
{
    const struct transform_env env = {.stream = conf->name, .base_dir = base_dir};
    struct chain_part *parts = mem_array(conf->transform_count, sizeof(*parts));
    int rc;

    for (size_t i = 0; i < conf->transform_count; i++)
        parts[i] = (struct chain_part){.ops = conf->transforms[i].ops, .conf = conf->transforms[i].conf};
    rc = chain_load(&l->chain, parts, conf->transform_count, &env, e);
    mem_free(parts);
    return rc;
}

int transform_instances_open(struct transform_instances **out, const struct stream_settings *conf, const char *base_dir,
                             struct err *e)
{
    struct transform_instances *l;

    *out = NULL;
    if (conf->transform_count == 0)
        return 0;
    l = mem_alloc(sizeof(*l));
    if (load(l, conf, base_dir, e) < 0) {
        mem_free(l);
        return -1;
    }
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
    chain_unload(&l->chain);
    mem_free(l);
    *lp = NULL;
}

bool transform_instances_is_single(const struct transform_instances *l)
{
    return chain_is_single(l->chain);
}

/* The worker closes what it keeps when it ends. */
static void close_kept(const void *owner, void *value)
{
    struct chain_state *s = value;

    (void)owner;
    chain_close(&s);
}

struct chain_state *transform_instances_only_state(struct transform_instances *l, const struct cancel *cancel,
                                                   struct err *e)
{
    return l->single || chain_open(&l->single, l->chain, cancel, e) == 0 ? l->single : NULL;
}

struct chain_state *transform_instances_state(struct transform_instances *l, struct worker *w, struct err *e)
{
    struct chain_state *s = NULL;
    void **kept;

    if (chain_is_single(l->chain))
        return transform_instances_only_state(l, w->cancel, e);
    kept = worker_keep(w, l, close_kept);
    if (!*kept && chain_open(&s, l->chain, w->cancel, e) == 0)
        *kept = s;
    return *kept;
}
