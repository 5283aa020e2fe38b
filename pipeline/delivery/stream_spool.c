#include "pipeline/delivery/stream_spool.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/stage_left.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void log_recovery(const struct stream *st, const struct spool_recovery *r)
{
    if (r->damaged)
        log_error(
            r->corrupt_records ? "the spool is damaged, some records are lost" : "the spool is damaged",
            KS("stream", st->conf->name), KU("records", r->corrupt_records), KE("cause", &r->damage),
            KS("hint",
               "the damaged parts are kept in the spool's folder `damaged`; look for disk errors in the kernel's log"));
    if (r->records || r->torn_bytes || r->pending_seals)
        log_info("the spool holds records of an earlier run", KS("stream", st->conf->name), KU("records", r->records),
                 KU("sealed_batches", r->pending_seals), KU("torn_bytes", r->torn_bytes));
}

static bool is_given_up(const struct stream_settings *conf, const char *name)
{
    bool found = false;

    for (size_t i = 0; i < conf->give_up.n; i++)
        found = found || strcmp(settings_given_up(conf->give_up.v[i]), name) == 0;
    return found;
}

/* For people, and by what it is given up. */
static const char *called(const struct spool_gone *gone)
{
    return gone->name[0] ? gone->name : "destination";
}

void stream_give_up_gone(struct stream *st, const struct stream_settings *conf)
{
    struct spool_gone gone[SPOOL_READERS_MAX];
    size_t n = 0;

    while (n < SPOOL_READERS_MAX && spool_gone(st->spool, n, &gone[n]))
        n++;
    for (size_t i = 0; i < n; i++) {
        if (!is_given_up(conf, gone[i].name))
            continue;
        if (gone[i].waiting)
            log_warn("records for a destination that is gone are given up", KS("stream", st->conf->name),
                     KS("destination", called(&gone[i])), KU("records", gone[i].waiting));
        spool_drop_reader(st->spool, gone[i].name);
    }
}

static bool knows(struct stream *st, const char *name)
{
    struct spool_gone gone;
    bool found = false;

    for (size_t i = 0; i < st->outlet_count; i++)
        found = found || strcmp(settings_outlet_name(st->outlets[i].conf), name) == 0;
    for (size_t i = 0; spool_gone(st->spool, i, &gone); i++)
        found = found || strcmp(gone.name, name) == 0;
    return found;
}

/* What was staged for them, once the log has forgotten them: at the next start. */
static void clear_given_up(struct stream *st, const char *data_dir)
{
    const struct cfg_strings *names = &st->conf->give_up;

    for (size_t i = 0; i < names->n; i++) {
        const char *name = settings_given_up(names->v[i]);
        char *dir = stage_dir(data_dir, st->conf->name, name);
        struct stage_left l = {.files = &io_ops_real};
        struct err e;

        if (!knows(st, name) && stage_left_clear(&l, dir, NULL, 0, &e) >= 0)
            (void)rmdir(dir);
        mem_free(dir);
    }
}

/* What waits for a destination that is configured no more fills the spool for as long as it is there. */
static void log_gone(const struct stream *st)
{
    struct spool_gone gone;

    for (size_t i = 0; spool_gone(st->spool, i, &gone); i++)
        if (gone.waiting && !is_given_up(st->conf, gone.name))
            log_warn("the spool keeps records for a destination that is not in the configuration",
                     KS("stream", st->conf->name), KS("destination", called(&gone)), KU("records", gone.waiting),
                     KS("hint", "configure it again to have them delivered, or list it in the stream's `give_up`"));
}

/* Committer thread. */
static void on_disk_refused(void *ctx, const struct err *why)
{
    struct stream *st = ctx;

    intake_disk_refused(&st->intake, why);
}

/* Where one destination becomes several, or several become one, the first one goes on with what there was. */
static const char *formerly(const struct stream_settings *conf, size_t index)
{
    const char *name = settings_outlet_name(settings_outlet(conf, index));

    if (index > 0)
        return NULL;
    return name[0] ? "" : settings_outlet_default_name(conf);
}

/* The log knows what is staged under the new name. An older run may have come to this before the log was safe. */
static void move_staging(struct stream *st, const char *data_dir)
{
    const char *before = formerly(st->conf, 0);
    char *from, *to;

    if (knows(st, before))
        return;
    from = stage_dir(data_dir, st->conf->name, before);
    to = stage_dir(data_dir, st->conf->name, settings_outlet_name(st->outlets[0].conf));
    (void)rename(from, to); /* only onto nothing, or an empty folder; mostly there is none */
    mem_free(from);
    mem_free(to);
}

int stream_open_spool(struct stream *st, const struct stream_env *env, void (*committed)(void *ctx), bool *damaged,
                      struct err *e)
{
    char *dir = mem_printf("%s/streams/%s/spool", env->data_dir, st->conf->name);
    struct spool_reader_conf readers[SPOOL_READERS_MAX];
    struct spool_conf conf = {
        .stream = st->conf->name,
        .dir = dir,
        .memory = st->conf->memory,
        .limit = st->conf->spool_limit,
        .committed = committed,
        .refused = on_disk_refused,
        .ctx = st,
        .tap = &st->tap,
        .readers = readers,
        .reader_count = st->outlet_count,
        .warm = env->warm,
    };
    struct spool_recovery found = {.records = 0};
    int rc;

    for (size_t i = 0; i < st->outlet_count; i++) {
        const struct stream_settings *own = st->outlets[i].conf;

        readers[i] = (struct spool_reader_conf){.name = settings_outlet_name(own), .formerly = formerly(st->conf, i)};
        if (own->partitioned)
            conf.warm_most = STAGE_WARM_MAX;
    }
    rc = spool_open(&st->spool, &conf, env->committer, &found, e);
    mem_free(dir);
    st->intake.spool = st->spool;
    if (rc < 0)
        return -1;
    for (size_t i = 0; i < st->outlet_count; i++) {
        st->outlets[i].env.spool = st->spool;
        outlet_read_from(&st->outlets[i], spool_reader(st->spool, i), i == 0 ? env->journal : NULL);
    }
    move_staging(st, env->data_dir);
    clear_given_up(st, env->data_dir);
    stream_give_up_gone(st, st->conf);
    log_recovery(st, &found);
    *damaged = found.damaged || found.was_damaged || found.is_new;
    log_gone(st);
    return 0;
}
