#include "pipeline/delivery/generation.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

static int open_all(struct generation *g, const char *base_dir, struct err *e)
{
    const struct stream_settings *conf = g->conf;
    struct sink_env env = {
        .stream = conf->name,
        .identity = g->host.identity,
        .version = g->version,
        .base_dir = base_dir,
        .tmp_dir = g->host.loop->tmp_dir,
    };

    if (target_open(&g->destination, conf->sink, conf->sink_conf, &env, e) < 0)
        return -1;
    if (conf->codec->encoding && conf->sink->takes_encoding &&
        !conf->sink->takes_encoding(g->destination.state, conf->codec->encoding))
        return err_set(e, ERR_CONFIG, "stream `%s`: %s cannot take `compression: %s`", settings_label(conf),
                       g->destination.description, conf->codec->name);
    if (transform_instances_open(&g->line, conf, base_dir, e) < 0)
        return err_wrap(e, "stream `%s`: transform", settings_label(conf));
    if (!conf->backup)
        return 0;
    g->backup = mem_alloc(sizeof(*g->backup));
    target_init(g->backup, settings_label(conf), "backup", (unsigned)conf->in_flight_min, (unsigned)conf->in_flight);
    env.backup = true;
    return target_open(g->backup, conf->backup, conf->backup_conf, &env, e);
}

static void close_one(struct generation *g)
{
    stage_parcels_free(&g->closed);
    transform_instances_close(&g->line);
    target_release(&g->destination);
    if (g->backup)
        target_release(g->backup);
    mem_free(g->backup);
    mem_free(g);
}

/* A script may have a limit of time for a batch, behind which records fail: no piece comes near that. */
static nsec piece_time(const struct transform_instances *line)
{
    nsec most = line ? transform_instances_batch_time(line) : 0, part = most / STAGE_PIECE_TIME_PART;

    return most && part < STAGE_PIECE_TIME ? part : STAGE_PIECE_TIME;
}

struct generation *generation_open(struct generations *all, const struct stream_settings *conf,
                                   const struct delivery_host *host, uint32_t version, const char *base_dir,
                                   struct err *e)
{
    struct generation *g = mem_alloc(sizeof(*g));

    g->of = all;
    g->conf = conf;
    g->version = version;
    g->host = *host;
    g->untransformed_last = &g->untransformed;
    TAILQ_INIT(&g->closed);
    target_init(&g->destination, settings_label(conf), "destination", (unsigned)conf->in_flight_min,
                (unsigned)conf->in_flight);
    if (open_all(g, base_dir, e) < 0) {
        close_one(g);
        return NULL;
    }
    g->host.conf = conf;
    g->host.destination = &g->destination;
    g->host.backup = g->backup;
    g->host.line = g->line;
    g->host.single = g->line && transform_instances_is_single(g->line);
    g->host.holds = g->line && transform_instances_hold(g->line);
    g->host.keeps = g->line && transform_instances_keep(g->line);
    g->host.piece_time = piece_time(g->line);
    return g;
}

/* --- those of a stream ----------------------------------------------------------------------------------------------- */

void generations_init(struct generations *all)
{
    *all = (struct generations){.newest = NULL};
    pthread_mutex_init(&all->lock, NULL);
}

/* Who looks at the list sees it no more; its settings are used until all of it is closed. */
static void close_at(struct generations *all, struct generation **at)
{
    struct generation *g = *at;

    pthread_mutex_lock(&all->lock);
    *at = g->older;
    all->closing = g->conf;
    pthread_mutex_unlock(&all->lock);
    close_one(g);
    pthread_mutex_lock(&all->lock);
    all->closing = NULL;
    pthread_mutex_unlock(&all->lock);
}

void generations_close(struct generations *all)
{
    while (all->newest)
        close_at(all, &all->newest);
}

void generations_release(struct generations *all)
{
    pthread_mutex_destroy(&all->lock);
}

void generations_add(struct generations *all, struct generation *g)
{
    pthread_mutex_lock(&all->lock);
    g->older = all->newest;
    all->newest = g;
    pthread_mutex_unlock(&all->lock);
}

void generations_close_settled(struct generations *all)
{
    struct generation **at = &all->newest->older;

    while (*at)
        if ((*at)->open == 0 && (*at)->staged == 0)
            close_at(all, at);
        else
            at = &(*at)->older;
}

bool generations_use(struct generations *all, const struct stream_settings *conf)
{
    bool used;

    pthread_mutex_lock(&all->lock);
    used = all->closing == conf;
    for (const struct generation *g = all->newest; g; g = g->older)
        used = used || g->conf == conf;
    pthread_mutex_unlock(&all->lock);
    return used;
}

/* --- how large its objects are ---------------------------------------------------------------------------------------- */

uint64_t generation_object_bytes(const struct generation *g)
{
    const struct stream_settings *conf = g->conf;

    if (!conf->compressed_size)
        return conf->buffer_size;
    return object_weight_bytes(&g->weight, conf->compressed_size, conf->buffer_size);
}

void generation_note_weight(struct generation *g, uint64_t came, uint64_t weighed)
{
    if (g->conf->compressed_size)
        object_weight_note(&g->weight, g->conf->compressed_size, came, weighed);
}
