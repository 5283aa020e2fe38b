/* What a stream's outlets have in common. They are asked one after the other on the delivery thread, which none of them keeps. */
#include "pipeline/delivery/stream.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/delivery/stream_spool.h"

#include <assert.h>

/* Committer thread. */
static void on_committed(void *ctx)
{
    struct stream *st = ctx;

    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_wake(&st->outlets[i]);
}

/* --- open and close ------------------------------------------------------------------------------------------------- */

static void init_outlets(struct stream *st, const struct stream_env *env)
{
    st->outlet_count = settings_outlet_count(st->conf);
    st->outlets = mem_array(st->outlet_count, sizeof(*st->outlets));
    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_init(&st->outlets[i], settings_outlet(st->conf, i),
                    &(struct outlet_env){.data_dir = env->data_dir,
                                         .base_dir = env->base_dir,
                                         .files = env->files,
                                         .loop = env->loop,
                                         .pace = &st->pace,
                                         .tap = &st->tap,
                                         .outlets = st->outlets,
                                         .outlet_count = st->outlet_count,
                                         .became_idle = env->became_idle,
                                         .ctx = env->ctx});
}

/* In the names of its objects. */
static uint32_t version_of(struct outlet *o, const struct stream_settings *conf)
{
    unsigned char hash[32];

    settings_delivery_hash(conf, hash);
    return o->journal->ops->version(o->journal, hash);
}

static uint64_t ahead_of(const struct stream *st)
{
    uint64_t most = 0;

    for (size_t i = 0; i < st->outlet_count; i++) {
        const struct stream_settings *conf = st->outlets[i].conf;
        uint64_t bytes = conf->partitioned ? 2 * STAGE_PIECE_BYTES : (uint64_t)conf->buffer_size;

        most = bytes > most ? bytes : most;
    }
    return most;
}

static int open_staging(struct stream *st, const char *data_dir, bool log_is_damaged, struct err *e)
{
    char *damaged = mem_printf("%s/streams/%s/spool/damaged", data_dir, st->conf->name);
    bool all = true;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < st->outlet_count; i++) {
        bool kept;

        rc = outlet_open_staging(&st->outlets[i], log_is_damaged ? damaged : NULL, &kept, e);
        all = all && kept;
    }
    if (rc == 0 && log_is_damaged && all)
        spool_forget_damage(st->spool);
    mem_free(damaged);
    return rc;
}

/* Any thread. Its name; NULL: none is. */
static const char *paused_outlet(void *ctx)
{
    const struct stream *st = ctx;

    for (size_t i = 0; i < st->outlet_count; i++)
        if (outlet_is_paused(&st->outlets[i]))
            return settings_label(st->outlets[i].conf);
    return NULL;
}

void stream_event(struct stream *st, nsec wall, const char *text)
{
    for (size_t i = 0; i < st->outlet_count; i++)
        chronicle_event(&st->outlets[i].chronicle, wall, "%s", text);
}

static void note_event(void *ctx, nsec wall, const char *text)
{
    stream_event(ctx, wall, text);
}

int stream_open(struct stream **out, const struct stream_settings *conf, const struct stream_env *env, struct err *e)
{
    struct stream *st = mem_alloc(sizeof(*st));
    bool log_is_damaged;

    *out = st;
    st->conf = conf;
    st->loop = env->loop;
    st->created = clock_wall();
    tap_init(&st->tap);
    init_outlets(st, env);
    intake_init(&st->intake, conf->name, env->data_dir, env->loop);
    st->intake.event = note_event;
    st->intake.paused = paused_outlet;
    st->intake.ctx = st;
    if (stream_open_spool(st, env, on_committed, &log_is_damaged, e) < 0)
        return -1;
    pace_init(&st->pace, st->spool, ahead_of(st), clock_mono());
    for (size_t i = 0; i < st->outlet_count; i++)
        if (outlet_open(&st->outlets[i], version_of(&st->outlets[i], st->outlets[i].conf), e) < 0)
            return -1;
    return open_staging(st, env->data_dir, log_is_damaged, e);
}

/* All that is the delivery thread's. */
static void let_go(void *arg)
{
    struct stream *st = arg;

    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_let_go(&st->outlets[i]);
    intake_end(&st->intake);
}

void stream_leave(struct stream *st)
{
    if (st->spool)
        spool_retire(st->spool);
    delivery_loop_call(st->loop, let_go, st);
}

void stream_close(struct stream **stp)
{
    struct stream *st = *stp;

    if (!st)
        return;
    if (st->outlets[0].life != LIFE_LEFT)
        let_go(st);
    if (st->pace.spool)
        pace_release(&st->pace);
    spool_close(&st->spool);
    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_close(&st->outlets[i]);
    intake_release(&st->intake);
    tap_release(&st->tap);
    mem_free(st->outlets);
    mem_free(st);
    *stp = NULL;
}

/* --- its life --------------------------------------------------------------------------------------------------------- */

static void start(void *arg)
{
    struct stream *st = arg;

    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_start(&st->outlets[i]);
}

void stream_start(struct stream *st)
{
    delivery_loop_call(st->loop, start, st);
}

struct replacing {
    struct stream *stream;
    struct generation **by; /* as many as there are outlets, in their order */
};

static void replace(void *arg)
{
    const struct replacing *r = arg;

    for (size_t i = 0; i < r->stream->outlet_count; i++)
        outlet_replace(&r->stream->outlets[i], r->by[i]);
}

/* Nothing was done with it yet. */
static void discard(struct generation *g)
{
    struct generations alone;

    generations_init(&alone);
    g->of = &alone;
    generations_add(&alone, g);
    generations_close(&alone);
    generations_release(&alone);
}

int stream_replace_sinks(struct stream *st, const struct stream_settings *conf, const char *base_dir, struct err *e)
{
    struct replacing r = {.stream = st, .by = mem_array(st->outlet_count, sizeof(struct generation *))};
    size_t n = 0;
    bool all;

    for (; n < st->outlet_count; n++) {
        struct outlet *o = &st->outlets[n];
        const struct stream_settings *own = settings_outlet_named(conf, settings_outlet_name(o->conf));

        assert(own);
        r.by[n] = generation_open(&o->generations, own, &o->host, version_of(o, own), base_dir, e);
        if (!r.by[n])
            break;
    }
    all = n == st->outlet_count;
    if (all) {
        spool_set_limit(st->spool, conf->spool_limit);
        stream_give_up_gone(st, conf);
        delivery_loop_call(st->loop, replace, &r);
    }
    while (!all && n > 0)
        discard(r.by[--n]);
    mem_free(r.by);
    return all ? 0 : -1;
}

bool stream_uses(struct stream *st, const struct stream_settings *conf)
{
    bool uses = st->conf == conf;

    for (size_t i = 0; i < st->outlet_count; i++)
        for (size_t k = 0; k < settings_outlet_count(conf); k++)
            uses = uses || generations_use(&st->outlets[i].generations, settings_outlet(conf, k));
    return uses;
}

const struct stream_settings *stream_delivers(struct stream *st)
{
    return settings_whole(st->outlets[0].generations.newest->conf);
}

static void begin_to_give_up(void *arg)
{
    struct stream *st = arg;

    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_give_up(&st->outlets[i]);
}

void stream_give_up(struct stream *st)
{
    delivery_loop_call(st->loop, begin_to_give_up, st);
}

bool stream_has_given_up(const struct stream *st)
{
    bool all = true;

    for (size_t i = 0; i < st->outlet_count; i++)
        all = all && atomic_load(&st->outlets[i].given_up);
    return all;
}

void stream_stop(struct stream *st)
{
    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_stop(&st->outlets[i]);
}

bool stream_has_stopped(const struct stream *st)
{
    bool all = true;

    for (size_t i = 0; i < st->outlet_count; i++)
        all = all && outlet_has_stopped(&st->outlets[i]);
    return all;
}

void stream_flush(struct stream *st)
{
    for (size_t i = 0; i < st->outlet_count; i++)
        outlet_flush(&st->outlets[i]);
}

bool stream_is_idle(const struct stream *st)
{
    bool all = true;

    for (size_t i = 0; i < st->outlet_count; i++)
        all = all && outlet_is_idle(&st->outlets[i]);
    return all;
}

bool stream_is_at_rest(const struct stream *st)
{
    bool all = true;

    for (size_t i = 0; i < st->outlet_count; i++)
        all = all && (outlet_is_idle(&st->outlets[i]) || outlet_is_quiet(&st->outlets[i]));
    return all;
}

void stream_books(const struct stream *st, struct spool_books *b)
{
    spool_books(st->outlets[0].reader, b);
    for (size_t i = 1; i < st->outlet_count; i++) {
        struct spool_books other;

        spool_books(st->outlets[i].reader, &other);
        if (other.left > b->left)
            *b = other;
    }
}
