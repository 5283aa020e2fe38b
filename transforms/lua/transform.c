/* transform.c -- the transform `lua`: a script between the batcher and the destination. Its options, and hot reload.
 *
 * A script is checked once when the configuration is loaded; each state then runs the same text. With `watch`, begin()
 * looks whether the files have changed: the first state that sees it loads the new text, while the others go on with the
 * old one, and when that works, all states take it at their next batch; else the old one stays, and the reason is logged
 * once.
 */
#include "config/bind.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "transforms/lua/vm.h"
#include "transforms/transform.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct lua_conf {
    char *path;
    nsec timeout, batch_timeout;
    uint64_t memory;
    bool single, watch;
    nsec hold_age;
    int64_t hold_records;
    uint64_t hold_bytes;
    struct lua_config *config;
};

struct lua_shared {
    char *path;
    bool single, holds, keeps, watch;
    atomic_bool exchanged; /* `current` is not what all states run */
    struct lua_vm_options options;
    pthread_mutex_t lock;
    bool looking;               /* guarded by lock; a state looks at the files */
    struct lua_script *current; /* guarded by lock */
    struct lua_script *refused; /* guarded by lock; a changed text that does not load */
    char refusal[700];          /* guarded by lock; why */
    uint64_t refusals;          /* guarded by lock; how often that was */
};

struct lua_state {
    struct lua_shared *shared;
    struct lua_vm *worker;
    struct lua_kept *kept; /* NULL: the script keeps no records */
    const struct cancel *cancel;
    uint64_t refusals; /* of these was told */
    char told[800];    /* what is to be logged with the next records */
    int told_level;
};

static const struct cfg_field FIELDS[] = {
    {.name = "lua",
     .type = CFG_STRING,
     .offset = offsetof(struct lua_conf, path),
     .required = true,
     .help = "the script's file; relative to the folder of this configuration"},
    {.name = "timeout",
     .type = CFG_DURATION,
     .offset = offsetof(struct lua_conf, timeout),
     .def = "100ms",
     .min = NSEC_PER_MSEC,
     .max = 60 * NSEC_PER_SEC,
     .help = "how long the script may take for one record; then that record fails"},
    {.name = "batch_timeout",
     .type = CFG_DURATION,
     .offset = offsetof(struct lua_conf, batch_timeout),
     .def = "30s",
     .min = NSEC_PER_MSEC,
     .max = 600 * NSEC_PER_SEC,
     .help = "how long it may take for a batch; then the rest of the batch fails"},
    {.name = "memory",
     .type = CFG_SIZE,
     .offset = offsetof(struct lua_conf, memory),
     .def = "64MiB",
     .min = 16 * (int64_t)MIB,
     .max = 16 * (int64_t)GIB,
     .help = "how much memory the script may have in each of its states (one per worker, or one with `single`)"},
    {.name = "config",
     .type = CFG_CUSTOM,
     .offset = offsetof(struct lua_conf, config),
     .bind = lua_config_bind,
     .release = lua_config_release,
     .syntax = "a mapping",
     .help = "values for the script: the argument of its function init()"},
    {.name = "single",
     .type = CFG_BOOL,
     .offset = offsetof(struct lua_conf, single),
     .def = "false",
     .help = "one state for the whole stream, batches one after the other: for scripts that remember records"},
    {.name = "watch",
     .type = CFG_BOOL,
     .offset = offsetof(struct lua_conf, watch),
     .def = "false",
     .help = "take a changed script with the next batch; one that does not load is refused and the old one stays"},
    {.name = "hold_age",
     .type = CFG_DURATION,
     .offset = offsetof(struct lua_conf, hold_age),
     .def = "60s",
     .min = 100 * NSEC_PER_MSEC,
     .max = 24 * 3600 * NSEC_PER_SEC,
     .help = "of a script that holds records back: how long at most; then it is asked for them by finish()"},
    {.name = "hold_records",
     .type = CFG_INT,
     .offset = offsetof(struct lua_conf, hold_records),
     .def = "10000",
     .min = 1,
     .max = 1000000,
     .help = "how many it may hold; beyond that it is asked for the oldest"},
    {.name = "hold_bytes",
     .type = CFG_SIZE,
     .offset = offsetof(struct lua_conf, hold_bytes),
     .def = "8MiB",
     .min = 1024,
     .max = 64 * (int64_t)MIB,
     .help = "how many bytes of them; likewise"},
    {.name = NULL},
};

/* --- loading --- */

/* Reads the script and runs it in a state of its own, which reads the files it requires. NULL: e says why. */
static struct lua_script *load_checked(struct lua_shared *s, const char *shown, struct err *e)
{
    struct lua_script *script = lua_script_load(s->path, shown, e);
    struct lua_vm *w = NULL;

    if (!script)
        return NULL;
    if (lua_vm_open(&w, script, &s->options, false, e) < 0) {
        lua_script_drop(&script);
        return NULL;
    }
    lua_script_freeze(script);
    s->single = s->single || lua_vm_is_single(w);
    s->holds = lua_vm_holds(w);
    s->keeps = lua_vm_keeps(w);
    lua_vm_close(&w);
    return script;
}

static void unload(void **shared)
{
    struct lua_shared *s = *shared;

    *shared = NULL;
    if (!s)
        return;
    lua_script_drop(&s->current);
    lua_script_drop(&s->refused);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->path);
    mem_free(s);
}

static int load(void **shared, const void *config, const struct transform_env *env, struct err *e)
{
    const struct lua_conf *conf = config;
    struct lua_shared *s = mem_alloc(sizeof(*s));
    bool as_it_is = *conf->path == '/' || !env->base_dir || !*env->base_dir;

    s->path = as_it_is ? mem_strdup(conf->path) : mem_printf("%s/%s", env->base_dir, conf->path);
    s->single = conf->single;
    s->watch = conf->watch;
    s->options = (struct lua_vm_options){.stream = env->stream,
                                         .config = conf->config,
                                         .timeout = conf->timeout,
                                         .batch_timeout = conf->batch_timeout,
                                         .memory = conf->memory,
                                         .hold_age = conf->hold_age,
                                         .hold_records = (uint64_t)conf->hold_records,
                                         .hold_bytes = conf->hold_bytes};
    pthread_mutex_init(&s->lock, NULL);
    *shared = s;
    s->current = load_checked(s, conf->path, e);
    if (s->current)
        return 0;
    unload(shared);
    return -1;
}

static void digest(void *shared, unsigned char out[32])
{
    struct lua_shared *s = shared;

    pthread_mutex_lock(&s->lock);
    lua_script_digest(s->current, out);
    pthread_mutex_unlock(&s->lock);
}

static bool exchange(void *runs, void *other)
{
    struct lua_shared *s = runs, *o = other;
    struct lua_script *script;

    if (s->single != o->single || s->holds != o->holds || s->keeps != o->keeps)
        return false;
    pthread_mutex_lock(&s->lock);
    script = s->current;
    s->current = o->current;
    o->current = script;
    lua_script_drop(&s->refused);
    pthread_mutex_unlock(&s->lock);
    atomic_store(&s->exchanged, true);
    return true;
}

static bool is_single(const void *shared)
{
    const struct lua_shared *s = shared;

    return s->single;
}

static bool holds(const void *shared)
{
    const struct lua_shared *s = shared;

    return s->holds;
}

static bool keeps(const void *shared)
{
    const struct lua_shared *s = shared;

    return s->keeps;
}

static nsec batch_time(const void *shared)
{
    const struct lua_shared *s = shared;

    return s->options.batch_timeout;
}

/* --- a state --- */

static int open_worker(const struct lua_state *st, struct lua_vm **w, struct lua_script *script, struct err *e)
{
    struct lua_vm_options o = st->shared->options;

    o.cancel = st->cancel;
    if (lua_vm_open(w, script, &o, true, e) < 0)
        return -1;
    lua_vm_keep(*w, st->kept);
    return 0;
}

static int open_state(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    struct lua_state *st = mem_alloc(sizeof(*st));
    struct lua_script *script;
    int rc;

    st->shared = shared;
    pthread_mutex_lock(&st->shared->lock);
    script = lua_script_take(st->shared->current);
    pthread_mutex_unlock(&st->shared->lock);
    st->cancel = cancel;
    st->kept = st->shared->keeps ? lua_kept_new() : NULL;
    rc = open_worker(st, &st->worker, script, e);
    lua_script_drop(&script);
    if (rc < 0) {
        lua_kept_free(&st->kept);
        mem_free(st);
        return -1;
    }
    *state = st;
    return 0;
}

static void close_state(void **state)
{
    struct lua_state *st = *state;

    *state = NULL;
    if (!st)
        return;
    lua_vm_close(&st->worker);
    lua_kept_free(&st->kept);
    mem_free(st);
}

/* --- hot reload --- */

static void tell(struct lua_state *st, int level, const char *what, const char *why)
{
    st->told_level = level;
    snprintf(st->told, sizeof(st->told), "%s%s%s", what, *why ? ": " : "", why);
}

/* What looking at the files has brought. */
struct news {
    struct lua_script *loaded, *refused; /* at most one of them */
    char refusal[700];
};

/* Reads changed files and runs what is in them. What decides how batches go through (single, batch()) may not change while
 * they do. */
static void look(const struct lua_state *st, const struct lua_script *seen, struct news *n)
{
    const struct lua_shared *s = st->shared;
    struct lua_shared fresh = {.path = s->path, .single = s->single, .options = s->options};
    struct err e = {0};

    if (!lua_script_is_stale(seen))
        return;
    fresh.options.cancel = st->cancel;
    n->loaded = load_checked(&fresh, lua_script_shown(seen), &e);
    if (n->loaded && fresh.single == s->single && fresh.holds == s->holds && fresh.keeps == s->keeps)
        return;
    if (n->loaded)
        err_set(&e, ERR_SCRIPT, "`single`, `hold` or batch() cannot change while the stream runs: restart it");
    if (e.code == ERR_CANCELLED)
        return;
    err_text(&e, n->refusal, sizeof(n->refusal));
    n->refused = n->loaded ? n->loaded : lua_script_load(s->path, lua_script_shown(seen), &e);
    n->loaded = NULL;
}

/* Locks: s->lock held. From here on all states know. */
static void publish(struct lua_shared *s, struct news *n)
{
    if (n->loaded) {
        lua_script_drop(&s->current);
        s->current = n->loaded;
    }
    if (n->loaded || n->refusal[0])
        lua_script_drop(&s->refused);
    if (n->refusal[0]) {
        s->refused = n->refused;
        snprintf(s->refusal, sizeof(s->refusal), "%s", n->refusal);
        s->refusals++;
    }
}

/* One state looks at the files, without the lock: a disk may not answer, and a script may take its time to load. The
 * others go on with what there is meanwhile. */
static void refresh(const struct lua_state *st)
{
    struct lua_shared *s = st->shared;
    struct lua_script *seen;
    struct news n = {0};

    if (s->looking)
        return;
    s->looking = true;
    seen = lua_script_take(s->refused ? s->refused : s->current);
    pthread_mutex_unlock(&s->lock);
    look(st, seen, &n);
    lua_script_drop(&seen);
    pthread_mutex_lock(&s->lock);
    publish(s, &n);
    s->looking = false;
}

/* Takes the current script when it is another one than this state's. */
static void follow(struct lua_state *st)
{
    struct lua_shared *s = st->shared;
    struct lua_script *script;
    struct lua_vm *w = NULL;
    struct err e = {0};
    char why[700];

    pthread_mutex_lock(&s->lock);
    if (s->watch)
        refresh(st);
    script = lua_script_take(s->current);
    if (s->refusals > st->refusals)
        tell(st, LOG_WARN, "the changed script is refused, the old one stays", s->refusal);
    st->refusals = s->refusals;
    pthread_mutex_unlock(&s->lock);
    if (script != lua_vm_script(st->worker)) {
        if (open_worker(st, &w, script, &e) == 0) {
            lua_vm_close(&st->worker);
            st->worker = w;
            tell(st, LOG_INFO, "the changed script is loaded", "");
        } else if (e.code != ERR_CANCELLED) {
            tell(st, LOG_WARN, "the changed script is refused, the old one stays", err_text(&e, why, sizeof(why)));
        }
    }
    lua_script_drop(&script);
}

/* --- records --- */

static int begin(void *state, struct err *e)
{
    struct lua_state *st = state;

    if (st->shared->watch || atomic_load(&st->shared->exchanged))
        follow(st);
    return lua_vm_begin(st->worker, e);
}

static int run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
               struct err *e)
{
    struct lua_state *st = state;

    if (*st->told && out->log)
        out->log(out, st->told_level, slice_str(st->told));
    *st->told = '\0';
    return lua_vm_run(st->worker, records, count, out, e);
}

static int end(void *state, struct transform_out *out, struct err *e)
{
    struct lua_state *st = state;

    return lua_vm_end(st->worker, out, e);
}

/* --- what is held back --- */

static void forget(void *state)
{
    lua_kept_clear(((struct lua_state *)state)->kept);
}

/* Its age is counted anew: how long nobody could hand it over says nothing. */
static void restore(void *state, const struct transform_kept *kept)
{
    lua_kept_add(((struct lua_state *)state)->kept, kept, clock_mono());
}

static int finish(void *state, bool all, struct transform_out *out, struct err *e)
{
    return lua_vm_finish(((struct lua_state *)state)->worker, all, out, e);
}

static int kept(const void *state, int (*each)(void *ctx, const struct transform_kept *kept), void *ctx)
{
    const struct lua_kept *k = ((const struct lua_state *)state)->kept;
    const struct lua_kept_name *n;
    const struct lua_kept_entry *e;

    TAILQ_FOREACH(n, &k->names, order)
        STAILQ_FOREACH(e, &n->entries, next)
            if (each(ctx, &(struct transform_kept){n->name, e->record}) < 0)
                return -1;
    return 0;
}

/* Names whose time comes one after the other go together: for each piece all that is held is written anew. */
#define KEPT_GATHER_PART 16 /* of hold_age */
#define KEPT_GATHER_MAX  (1 * NSEC_PER_SEC)

static nsec kept_due(const void *state)
{
    const struct lua_state *st = state;
    const struct lua_kept_name *n = TAILQ_FIRST(&st->kept->names);
    nsec age = st->shared->options.hold_age, soon = age / KEPT_GATHER_PART;

    if (!n)
        return NSEC_NEVER;
    soon = clock_mono() + (soon < KEPT_GATHER_MAX ? soon : KEPT_GATHER_MAX);
    return n->since + age > soon ? n->since + age : soon;
}

const struct transform_ops transform_lua = {
    .name = "lua",
    .help = "runs a Lua script on every record",
    .fields = FIELDS,
    .conf_size = sizeof(struct lua_conf),
    .scalar_option = "lua",
    .load = load,
    .unload = unload,
    .digest = digest,
    .exchange = exchange,
    .is_single = is_single,
    .holds = holds,
    .keeps = keeps,
    .batch_time = batch_time,
    .open = open_state,
    .close = close_state,
    .begin = begin,
    .run = run,
    .end = end,
    .forget = forget,
    .restore = restore,
    .finish = finish,
    .kept = kept,
    .kept_due = kept_due,
};
