/* engine_rig.h -- the engine in one process, with streams whose inputs and destinations the test plays.
 *
 * A record is a number. A source knows which of them the spool has called safe, a peer counts how often each has arrived: in the end
 * each safe one has arrived once.
 */
#ifndef TESTS_UNIT_ENGINE_ENGINE_RIG_H
#define TESTS_UNIT_ENGINE_ENGINE_RIG_H

#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/engine.h"

#include <assert.h>
#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS_MAX = 100000 };

#define LONG_ENOUGH (120 * NSEC_PER_SEC) /* a test that waits this long has failed */

/* --- a destination -------------------------------------------------------------------------------------------------- */

enum mood { TAKES, REFUSES, HANGS };

struct peer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum mood mood;                     /* guarded by lock, as what follows */
    unsigned char arrived[RECORDS_MAX]; /* how often */
    unsigned sends, opened, closed;
    bool opens_not;
    void (*closes)(void *ctx); /* called when it is closed; NULL: nothing */
    void *ctx;
};

UNUSED static void peer_init(struct peer *p)
{
    memset(p, 0, sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
}

UNUSED static void peer_is(struct peer *p, enum mood mood)
{
    pthread_mutex_lock(&p->lock);
    p->mood = mood;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

UNUSED static void peer_wait_sends(struct peer *p, unsigned n)
{
    pthread_mutex_lock(&p->lock);
    while (p->sends < n)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static int peer_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    struct peer *p = *(struct peer *const *)conf;
    bool opens;

    (void)env;
    pthread_mutex_lock(&p->lock);
    opens = !p->opens_not;
    p->opened += opens;
    pthread_mutex_unlock(&p->lock);
    if (!opens)
        return err_set(e, ERR_IO, "the peer does not open");
    *state = p;
    return 0;
}

static void peer_close(void **state)
{
    struct peer *p = *state;

    if (p->closes)
        p->closes(p->ctx);
    pthread_mutex_lock(&p->lock);
    p->closed++;
    pthread_mutex_unlock(&p->lock);
    *state = NULL;
}

static void peer_describe(const void *state, struct buf *out)
{
    (void)state;
    (void)!buf_add_str(out, "a peer");
}

/* Locks: held. */
static void peer_count(struct peer *p, const struct body *body)
{
    char text[64 * 1024], *line, *rest = text;
    struct err e;
    long n = body_read(body, 0, text, sizeof(text) - 1, &e);

    assert(n >= 0 && n < (long)sizeof(text) - 1);
    text[n] = '\0';
    while ((line = strsep(&rest, "\n")))
        if (*line)
            p->arrived[strtoul(line, NULL, 10)]++;
}

static enum sink_outcome peer_send(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct peer *p = (struct peer *)(uintptr_t)state;
    bool takes;

    pthread_mutex_lock(&p->lock);
    p->sends++;
    pthread_cond_broadcast(&p->changed);
    while (p->mood == HANGS)
        pthread_cond_wait(&p->changed, &p->lock);
    takes = p->mood == TAKES;
    if (takes)
        peer_count(p, s->body);
    pthread_mutex_unlock(&p->lock);
    if (takes)
        return SINK_DELIVERED;
    v->retry_after = NSEC_PER_MSEC;
    snprintf(v->code, sizeof(v->code), "Refused");
    snprintf(v->message, sizeof(v->message), "the peer refuses");
    return SINK_RETRY;
}

static const struct cfg_field no_fields[] = {{.name = NULL}};

static int peer_firehose(const void *conf, struct sink_firehose *f, struct buf *out)
{
    (void)conf;
    f->kind = SINK_FIREHOSE_HTTP;
    return buf_add_str(out, "\"EndpointConfiguration\":{},");
}

static const struct sink_ops peer_sink = {
    .name = "peer",
    .fields = no_fields,
    .conf_size = sizeof(struct peer *),
    .error_prefix = "peer-failed",
    .metric = "peer",
    .open = peer_open,
    .close = peer_close,
    .send = peer_send,
    .describe = peer_describe,
    .firehose = peer_firehose,
};

/* --- an input ------------------------------------------------------------------------------------------------------- */

struct source {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const struct input_env *env; /* guarded by lock, as what follows; NULL: not open */
    bool running, opens_not, starts_not;
    unsigned waiting; /* for the spool's answer */
    bool safe[RECORDS_MAX];
};

struct offer {
    struct spool_wait wait;
    struct source *source;
    unsigned number;
};

UNUSED static void source_init(struct source *s)
{
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
}

/* Committer thread. */
static void source_answered(struct spool_wait *w, bool safe)
{
    struct offer *o = CONTAINER_OF(w, struct offer, wait);
    struct source *s = o->source;

    pthread_mutex_lock(&s->lock);
    s->safe[o->number] |= safe;
    s->waiting--;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    mem_free(o);
}

/* False: it does not run, or the spool is full. */
UNUSED static bool source_put(struct source *s, unsigned number)
{
    struct offer *o = mem_alloc(sizeof(*o));
    bool taken = false;

    *o = (struct offer){.wait.done = source_answered, .source = s, .number = number};
    pthread_mutex_lock(&s->lock);
    if (s->running) {
        struct frame *f = frame_new(64, clock_wall(), NULL);
        char text[16];

        snprintf(text, sizeof(text), "%u", number);
        assert(f && frame_add(f, slice_str(text)));
        s->waiting++;
        taken = spool_append(s->env->spool, &f, &o->wait) == SPOOL_TAKEN;
        s->waiting -= !taken;
        if (!taken)
            frame_free(&f);
    }
    pthread_mutex_unlock(&s->lock);
    if (!taken)
        mem_free(o);
    return taken;
}

UNUSED static void source_wait_safe(struct source *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->waiting > 0)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static int source_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    struct source *s = *(struct source *const *)conf;

    if (s->opens_not)
        return err_set(e, ERR_IO, "the source does not open");
    pthread_mutex_lock(&s->lock);
    assert(!s->env);
    s->env = env;
    pthread_mutex_unlock(&s->lock);
    *in = (struct input *)s;
    return 0;
}

static int source_start(struct input *in, struct err *e)
{
    struct source *s = (struct source *)in;

    if (s->starts_not)
        return err_set(e, ERR_IO, "the source does not start");
    pthread_mutex_lock(&s->lock);
    s->running = true;
    pthread_mutex_unlock(&s->lock);
    return 0;
}

static void source_stop(struct input *in)
{
    struct source *s = (struct source *)in;

    pthread_mutex_lock(&s->lock);
    s->running = false;
    pthread_mutex_unlock(&s->lock);
}

static bool source_stopped(struct input *in, nsec until)
{
    (void)in, (void)until;
    return true;
}

/* What input.h promises: no answer comes behind this. */
static void source_close(struct input **in)
{
    struct source *s = (struct source *)*in;

    pthread_mutex_lock(&s->lock);
    assert(!s->running && s->waiting == 0);
    s->env = NULL;
    pthread_mutex_unlock(&s->lock);
    *in = NULL;
}

static const struct input_ops source_input = {
    .name = "source",
    .fields = no_fields,
    .conf_size = sizeof(struct source *),
    .open = source_open,
    .start = source_start,
    .stop = source_stop,
    .stopped = source_stopped,
    .close = source_close,
};

/* --- a stream, and the engine ---------------------------------------------------------------------------------------- */

struct lane {
    char name[32];
    struct peer *peer, peer_of_its_own;
    struct peer *next_peer, next_peer_of_its_own; /* where it goes with next_conf */
    struct source source, *source_conf;
    struct source next_source, *next_source_conf;    /* what it reads with next_reads */
    struct input_settings inputs[2], next_inputs[2]; /* the API and a source; it reads the source alone */
    struct stream_settings conf, next_conf, next_reads;
};

UNUSED static void lane_init(struct lane *l, const char *name)
{
    memset(l, 0, sizeof(*l));
    snprintf(l->name, sizeof(l->name), "%s", name);
    peer_init(&l->peer_of_its_own);
    peer_init(&l->next_peer_of_its_own);
    l->next_peer = &l->next_peer_of_its_own;
    source_init(&l->source);
    source_init(&l->next_source);
    l->peer = &l->peer_of_its_own;
    l->source_conf = &l->source;
    l->inputs[0] = l->next_inputs[0] = (struct input_settings){.ops = input_find("api")};
    l->inputs[1] = (struct input_settings){.ops = &source_input, .conf = &l->source_conf};
    l->next_source_conf = &l->next_source;
    l->next_inputs[1] = (struct input_settings){.ops = &source_input, .conf = &l->next_source_conf};
    l->conf = (struct stream_settings){
        .name = l->name,
        .inputs = &l->inputs[1],
        .input_count = 1,
        .spool_limit = 64 * MIB,
        .buffer_size = 100,
        .buffer_interval = 3600 * NSEC_PER_SEC,
        .format = format_find("lines"),
        .codec = codec_find("none"),
        .sink = &peer_sink,
        .sink_conf = &l->peer,
        .in_flight_min = 1,
        .in_flight = 2,
        .retry_duration = 3600 * NSEC_PER_SEC,
    };
    l->next_conf = l->conf;
    l->next_conf.sink_conf = &l->next_peer;
    l->next_conf.buffer_size = 60;
    l->next_reads = l->conf;
    l->next_reads.inputs = &l->next_inputs[1];
}

/* As well: one that reads the source alone. */
UNUSED static void lane_reads_api(struct stream_settings *conf)
{
    conf->inputs--;
    conf->input_count++;
}

static void lane_check_at_most(const struct lane *l, unsigned most)
{
    for (unsigned i = 0; i < RECORDS_MAX; i++) {
        unsigned arrived = l->peer_of_its_own.arrived[i] + l->next_peer_of_its_own.arrived[i];

        if (l->source.safe[i] || l->next_source.safe[i] ? arrived < 1 || arrived > most : arrived > 0)
            fail_msg("%s: record %u was %ssafe, and has arrived %u times", l->name, i, l->source.safe[i] ? "" : "not ",
                     arrived);
    }
}

/* Each record that was safe has arrived once, and no other. */
UNUSED static void lane_check(const struct lane *l)
{
    lane_check_at_most(l, 1);
}

struct rig {
    char dir[64];
    struct settings *settings;
    struct engine *engine;
};

UNUSED static int rig_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

UNUSED static void rig_start(struct rig *r)
{
    struct err e = {.msg = ""};

    if (engine_start(&r->engine, r->settings, false, &e) < 0)
        fail_msg("%s", e.msg);
}

UNUSED static void rig_init_from(struct rig *r, const char *yaml)
{
    struct cfg_errors *errs = cfg_errors_new();

    log_set_level(getenv("RIG_LOG") ? LOG_DEBUG : LOG_ERROR);
    memset(r, 0, sizeof(*r));
    snprintf(r->dir, sizeof(r->dir), "/tmp/engine-test-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->settings = settings_parse("c.yaml", r->dir, yaml, strlen(yaml), &SETTINGS_ALL, errs);
    assert_non_null(r->settings);
    cfg_errors_free(&errs);
    rig_start(r);
}

/* One stream, `first`, is in the configuration. */
UNUSED static void rig_init(struct rig *r)
{
    static const char YAML[] = "data_dir: ./data\n"
                               "admin: { listen: none }\n"
                               "api: { listen: '127.0.0.1:0' }\n"
                               "streams:\n"
                               "  first: { inputs: [api], destination: { file: { path: ./out } } }\n";

    rig_init_from(r, YAML);
}

UNUSED static void rig_stop(struct rig *r)
{
    (void)engine_drain(r->engine, LONG_ENOUGH, -1);
    engine_stop(&r->engine);
}

UNUSED static void rig_free(struct rig *r)
{
    if (r->engine)
        rig_stop(r);
    settings_free(&r->settings);
    nftw(r->dir, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

UNUSED static void rig_open(struct rig *r, struct lane *l)
{
    struct err e = {.msg = ""};

    if (engine_open_stream(r->engine, &l->conf, &e) < 0)
        fail_msg("%s", e.msg);
}

UNUSED static uint64_t rig_drain(struct rig *r, const char *name, nsec limit)
{
    struct err e = {.msg = ""};
    uint64_t left = 0;

    if (engine_drain_stream(r->engine, name, limit, &left, &e) < 0)
        fail_msg("%s", e.msg);
    return left;
}

UNUSED static void rig_remove(struct rig *r, const char *name)
{
    struct err e = {.msg = ""};

    if (engine_remove_stream(r->engine, name, LONG_ENOUGH, &e) < 0)
        fail_msg("%s", e.msg);
}

/* False: there is none of this name. */
UNUSED static bool rig_status(struct rig *r, const char *name, struct stream_status *out)
{
    struct engine_view v;
    bool found = false;

    engine_view_take(r->engine, &v);
    for (size_t i = 0; !found && engine_stream_status(&v, i, clock_wall(), out); i++) {
        found = strcmp(out->name, name) == 0;
        stream_status_release(out);
    }
    engine_view_release(&v);
    return found;
}

UNUSED static uint64_t rig_orphaned(struct rig *r, const char *name)
{
    struct engine_view v;
    const struct orphan *o;
    uint64_t records;

    engine_view_take(r->engine, &v);
    o = orphans_named(&v.orphans, name);
    records = o ? o->records : 0;
    engine_view_release(&v);
    return records;
}

UNUSED static size_t entries_of(const char *folder)
{
    DIR *d = opendir(folder);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

#endif
