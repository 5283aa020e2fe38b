#include "pipeline/delivery/stream_spool.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"

#define SPOOL_LOG_PERIOD (30 * NSEC_PER_SEC)

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

/* What waits for a destination that is configured no more fills the spool for as long as it is there. */
static void log_gone(const struct stream *st)
{
    struct spool_gone gone;

    for (size_t i = 0; spool_gone(st->spool, i, &gone); i++)
        if (gone.waiting)
            log_warn("the spool keeps records for a destination that is not in the configuration",
                     KS("stream", st->conf->name), KS("destination", gone.name), KU("records", gone.waiting),
                     KS("hint", "configure it again to have them delivered"));
}

/* Committer thread. */
static void on_disk_refused(void *ctx, const struct err *why)
{
    struct stream *st = ctx;

    intake_disk_refused(&st->intake, why);
}

int stream_open_spool(struct stream *st, const struct stream_env *env, void (*committed)(void *ctx), bool *damaged,
                      struct err *e)
{
    char *dir = mem_printf("%s/streams/%s/spool", env->data_dir, st->conf->name);
    const struct spool_reader_conf reader = {.name = ""};
    struct spool_conf conf = {
        .stream = st->conf->name,
        .dir = dir,
        .memory = st->conf->memory,
        .limit = st->conf->spool_limit,
        .committed = committed,
        .refused = on_disk_refused,
        .ctx = st,
        .tap = &st->tap,
        .readers = &reader,
        .reader_count = 1,
        .warm = env->warm,
        .warm_most = st->conf->partitioned ? STAGE_WARM_MAX : 0,
    };
    struct spool_recovery found = {.records = 0};
    int rc = spool_open(&st->spool, &conf, env->committer, &found, e);

    mem_free(dir);
    st->intake.spool = st->spool;
    if (rc < 0)
        return -1;
    st->reader = spool_reader(st->spool, 0);
    spool_journal_init(&st->spool_journal, st->spool, st->reader);
    st->journal = env->journal ? env->journal : &st->spool_journal.journal;
    if (st->conf->at_source) {
        source_journal_init(&st->source_journal, st->spool, st->reader, committed, st);
        source_journal_limit(&st->source_journal,
                             &(struct source_limits){st->conf->buffer_size, st->conf->buffer_interval});
        st->journal = &st->source_journal.journal;
    }
    log_recovery(st, &found);
    *damaged = found.damaged || found.was_damaged || found.is_new;
    log_gone(st);
    return 0;
}

void stream_spool_failed(struct stream *st, const struct err *e)
{
    nsec now = st->loop->mono;

    if (log_due(&st->spool_log, now, SPOOL_LOG_PERIOD))
        log_error("the spool cannot be read, delivery waits", KS("stream", st->conf->name), KE("cause", e));
    delivery_loop_at(st->loop, &st->due, now + STREAM_SPOOL_RETRY);
}
