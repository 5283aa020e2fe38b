/* The way of a piece is a circle of events: cut, transformed, staged by a worker, in the journal, done. A parcel's is a line: closed, sealed,
 * delivered, settled, and then its file goes. Between the two are the open parcels, which are the worker's while it has a piece: so none is
 * sealed in that time. It is short, because a transform is not part of it. */
#include "pipeline/delivery/staging.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/human.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct restored_parcel {
    struct stage_parcel *parcel;
    char *note, *progress;
    size_t note_bytes, progress_bytes;
};

static void stage_on_worker(struct worker_job *job, struct worker *w);
static void on_worked(struct loop_event *ev);
static void on_in_journal(struct spool_wait *w, bool safe);
static void on_journaled(struct loop_event *ev);
static void on_due(struct loop_timer *t);

static void on_has_settled(struct loop_event *ev);
static void remove_on_worker(struct worker_job *job, struct worker *w);
static void on_removed(struct loop_event *ev);

void staging_init(struct staging *s)
{
    *s = (struct staging){.step = STAGING_IDLE};
    s->job.run = stage_on_worker;
    s->worked.fn = on_worked;
    s->in_journal.done = on_in_journal;
    s->journaled.fn = on_journaled;
    s->has_settled.fn = on_has_settled;
    s->removal.run = remove_on_worker;
    s->removed.fn = on_removed;
    loop_timer_init(&s->due, on_due);
    TAILQ_INIT(&s->unowned);
    TAILQ_INIT(&s->held);
    TAILQ_INIT(&s->settled);
    TAILQ_INIT(&s->going);
    pthread_mutex_init(&s->lock, NULL);
}

/* --- what an earlier run left ---------------------------------------------------------------------------------------- */

/* The build `tight` has room for fewer than may be configured. */
static size_t most_partitions(const struct stream_settings *conf)
{
    size_t most = (size_t)conf->max_partitions;

    return most < STAGE_PARCELS_MAX / 2 ? most : STAGE_PARCELS_MAX / 2; /* as many again may wait for their delivery */
}

static struct stage_rules rules_of(struct delivery_host *h)
{
    const struct stream_settings *conf = h->conf;

    return (struct stage_rules){
        .size = generation_object_bytes(generation_of(h)),
        .interval = conf->buffer_interval,
        .max_partitions = most_partitions(conf),
        .bytes = conf->spool_limit / 2,
        .version = generation_of(h)->version,
        .owner = h,
    };
}

static void keep_restored(struct staging *s, struct stage_parcel *p, const struct parcel *known)
{
    struct restored_parcel *r;

    s->restored = mem_grow(s->restored, s->restored_count + 1, sizeof(*s->restored));
    r = &s->restored[s->restored_count++];
    *r = (struct restored_parcel){.parcel = p, .note_bytes = known->note.n, .progress_bytes = known->progress.n};
    r->note = known->note.n ? mem_strndup(known->note.p, known->note.n) : NULL;
    r->progress = known->progress.n ? mem_strndup(known->progress.p, known->progress.n) : NULL;
}

static int adopt(struct staging *s, const struct stage_rules *rules, const struct parcel *known, struct err *e)
{
    struct stage_parcel *p;

    if (stage_adopt(s->stage, rules, known, clock_wall(), clock_mono(), &p, e) < 0) {
        if (e->code != ERR_FORMAT)
            return -1;
        log_error("staged records are lost: the file they were in is damaged", KS("stream", s->env.stream),
                  KE("cause", e), KU("records", known->records), KU("first", known->first), KU("last", known->last),
                  KS("hint",
                     "what can be read of it is delivered, the rest is counted as corrupt; look for disk errors "
                     "in the kernel's log, and leave the files in data_dir alone"));
    }
    if (p)
        keep_restored(s, p, known);
    s->parcels++;
    return 0;
}

static void log_aside(const struct staging *s)
{
    if (s->stage->left.kept)
        log_error("staged records that the damaged log does not know are kept aside", KS("stream", s->env.stream),
                  KU("files", s->stage->left.kept), KS("folder", s->env.damaged),
                  KS("hint", "they may be the only copy of records that were acknowledged: the files have them one a "
                             "line; the log has the others, which are delivered"));
    if (s->stage->left.not_kept)
        log_error(
            "staged records that the damaged log does not know cannot be kept aside", KS("stream", s->env.stream),
            KU("files", s->stage->left.not_kept), KS("folder", s->env.dir), KE("cause", &s->stage->left.why),
            KS("hint",
               "see to the room and the rights of the spool's folder: the next start tries again. The files stay where "
               "they are as long as the file `damage` is in that folder"));
}

bool staging_has_kept_all(const struct staging *s)
{
    return s->kept_all;
}

/* A stream without partition keys has none, unless an earlier run left something. */
static struct stage *the_stage(struct staging *s)
{
    if (!s->stage)
        s->stage = stage_new(s->env.files, s->dir, s->env.memory, s->env.reader);
    return s->stage;
}

int staging_open(struct staging *s, const struct staging_env *env, struct delivery_host *h, struct err *e)
{
    struct stage_rules rules = rules_of(h);
    uint64_t *numbers = NULL;
    size_t count = 0;
    struct parcel known;
    int cleared = -1;

    s->env = *env;
    s->dir = mem_strdup(env->dir);
    stage_keep_aside(the_stage(s), env->damaged);
    rules.owner = NULL;
    for (; staged_parcel(env->reader, count, &known); count++) {
        numbers = mem_grow(numbers, count + 1, sizeof(*numbers));
        numbers[count] = known.number;
        if (adopt(s, &rules, &known, e) < 0)
            goto out;
    }
    cleared = stage_clear(s->stage, numbers, count, e);
    stage_keep_aside(s->stage, NULL);
    if (count > 0)
        log_info("records of an earlier run are staged", KS("stream", env->stream), KU("parcels", count),
                 KU("sealed", s->restored_count));
out:
    log_aside(s); /* also when the start is refused: what was kept by now is kept */
    s->kept_all = s->stage->left.not_kept == 0;
    if (count == 0)
        stage_free(&s->stage);
    mem_free(numbers);
    return cleared < 0 ? err_wrap(e, "stream `%s`: staged records", env->stream) : 0;
}

static void free_restored(struct staging *s)
{
    for (size_t i = 0; i < s->restored_count; i++) {
        stage_parcel_free(&s->restored[i].parcel);
        mem_free(s->restored[i].note);
        mem_free(s->restored[i].progress);
    }
    MEM_CLEAR(s->restored);
    s->restored_count = 0;
}

void staging_give_up(struct staging *s)
{
    s->leaves = true;
}

void staging_let_go(struct staging *s)
{
    if (!s->env.loop) /* it was never opened */
        return;
    delivery_loop_at(s->env.loop, &s->due, NSEC_NEVER);
    delivery_loop_forget(s->env.loop, &s->worked);
    delivery_loop_forget(s->env.loop, &s->journaled);
    delivery_loop_forget(s->env.loop, &s->has_settled);
    delivery_loop_forget(s->env.loop, &s->removed);
}

void staging_close(struct staging *s)
{
    free_restored(s);
    stage_parcels_free(&s->unowned);
    stage_parcels_free(&s->held);
    stage_parcels_free(&s->settled);
    stage_parcels_free(&s->going);
    stage_free(&s->stage);
    MEM_CLEAR(s->work);
    MEM_CLEAR(s->kept);
    MEM_CLEAR(s->dir);
    pthread_mutex_destroy(&s->lock);
}

static void turn(struct staging *s)
{
    delivery_loop_post(s->env.loop, s->env.turn);
}

/* --- pieces ---------------------------------------------------------------------------------------------------------- */

/* Those of one generation leave room: the next one can stage, though nothing takes what was staged for this one. */
static bool is_full(const struct staging *s, size_t own)
{
    return own >= STAGE_PARCELS_MAX / 4 * 3 || s->parcels >= STAGE_PARCELS_MAX;
}

/* It is over when there is clearly room again: not with each parcel that is delivered. */
static void note_full(struct staging *s, size_t own)
{
    if (own < STAGE_PARCELS_MAX / 2 && s->parcels < STAGE_PARCELS_MAX / 8 * 7)
        s->full_since = 0;
    if (!is_full(s, own) || s->full_since)
        return;
    s->full_since = s->env.loop->mono;
    log_warn("as many objects wait for their delivery as there may be, records wait in the spool",
             KS("stream", s->env.stream), KU("objects", s->parcels), KS("hint", STAGING_FULL_HINT));
}

bool staging_takes(struct staging *s, size_t own)
{
    note_full(s, own);
    return s->step == STAGING_IDLE && !is_full(s, own);
}

void staging_cut(struct staging *s)
{
    assert(s->step == STAGING_IDLE);
    s->step = STAGING_PIECE;
    s->since = s->env.loop->mono;
}

/* Worker. */
static void stage_on_worker(struct worker_job *job, struct worker *w)
{
    struct staging *s = CONTAINER_OF(job, struct staging, job);

    if (stage_piece_run(s->work, w) < 0)
        assert(s->work->err.code != ERR_NONE);
    delivery_loop_post(s->env.loop, &s->worked);
}

void staging_stage(struct staging *s, struct delivery *piece)
{
    struct delivery_host *h = piece->host;

    s->piece = piece;
    s->step = STAGING_WORK;
    if (!s->work)
        s->work = mem_alloc(sizeof(*s->work));
    *s->work = (struct stage_piece){
        .stage = the_stage(s),
        .rules = rules_of(h),
        .source = &piece->piece,
        .made = piece->transform.list ? &piece->transform : NULL,
        .held = piece->transform.held,
        .held_count = piece->transform.held_count,
        .sources = h->conf->backup_all,
        .wall = s->env.loop->wall,
        .mono = s->env.loop->mono,
    };
    s->env.loop->ops->work(s->env.loop, &s->job);
}

/* A generation stays as long as there is a parcel of it. */
static void count_new(struct staging *s)
{
    for (size_t i = 0; i < s->stage->touched_count; i++) {
        const struct stage_parcel *p = s->stage->touched[i];

        s->parcels += p->is_new;
        if (p->is_new && p->owner)
            generation_of(p->owner)->staged++;
    }
}

static void write_down(struct staging *s)
{
    const struct delivery *d = s->piece;
    const struct object *o = &d->piece.object;
    bool is_last = o->last == d->seal.last;
    struct spool_cursor end = is_last ? d->end : (struct spool_cursor){.seq = o->last + 1};
    struct staged_piece piece = {
        .first = o->first,
        .last = o->last,
        .bytes = is_last ? d->seal.bytes - d->staged_bytes : d->piece.bytes,
        .parts = s->stage->parts,
        .count = s->stage->part_count,
        .ended = s->work->ended,
        .replaced = s->stage->gone,
        .replaced_count = s->stage->gone_count,
    };

    if (s->work->ended.corrupt)
        log_error("records were lost to damage in the spool", KS("stream", s->env.stream),
                  KU("records", s->work->ended.corrupt), KU("first", o->first), KU("last", o->last),
                  KS("hint", "run `sluice fsck`, and look for disk errors in the kernel's log"));
    s->step = STAGING_JOURNAL;
    if (d->piece.count > 0 || piece.replaced_count > 0)
        staged_add(s->env.reader, &piece, &end, &s->in_journal);
    else
        delivery_loop_post(s->env.loop, &s->journaled); /* there is nothing to write down */
    count_new(s);
    stage_took(s->stage);
    metrics_add(d->host->metrics, METRIC_PARTITION_COUNT_EXCEEDED, s->stage->exceeded - s->exceeded);
    s->exceeded = s->stage->exceeded;
}

static void on_worked(struct loop_event *ev)
{
    struct staging *s = CONTAINER_OF(ev, struct staging, worked);

    if (s->work->err.code == ERR_NONE) {
        write_down(s);
        return;
    }
    s->step = STAGING_PIECE;
    if (s->work->err.code == ERR_NOSPACE) { /* what is delivered makes room */
        stage_close_due(s->stage, s->env.loop->mono, true);
        staged_lacks_disk(s->env.reader);
    }
    delivery_not_staged(s->piece, &s->work->err);
}

/* Committer. What it refuses for good stays as it is until the stream is closed, and the next start finds the cut before it. */
static void on_in_journal(struct spool_wait *w, bool safe)
{
    struct staging *s = CONTAINER_OF(w, struct staging, in_journal);

    if (safe)
        delivery_loop_post(s->env.loop, &s->journaled);
}

/* A script may take its time, and what it has made of a piece is made again after a crash. What came and went within one turn of the loop has no
 * time: nothing is learnt from it. */
static void note_time(struct staging *s)
{
    nsec now = s->env.loop->mono, took = now - s->since;

    s->since = now;
    if (took <= 0)
        return;
    s->timely = (uint64_t)((double)s->piece->piece.bytes * (double)s->piece->host->piece_time / (double)took);
    s->timely_for = s->piece->host;
}

static void on_journaled(struct loop_event *ev)
{
    struct staging *s = CONTAINER_OF(ev, struct staging, journaled);

    if (s->piece->piece.count > 0)
        note_time(s);
    staging_note_held(s);
    s->step = STAGING_PIECE;
    delivery_staged(s->piece);
}

void staging_done(struct staging *s)
{
    MEM_CLEAR(s->work);
    s->piece = NULL;
    s->step = STAGING_IDLE;
}

/* --- parcels --------------------------------------------------------------------------------------------------------- */

static void on_due(struct loop_timer *t)
{
    turn(CONTAINER_OF(t, struct staging, due));
}

/* What is closed, into the line of whoever delivers it: one that gets rid of nothing holds up no other. */
static void line_up(struct staging *s)
{
    struct stage_parcel *p;

    while ((p = stage_next(s->stage)))
        TAILQ_INSERT_TAIL(p->owner ? &generation_of(p->owner)->closed : &s->unowned, p, line);
}

void staging_turn(struct staging *s, const struct delivery_host *newest, bool all)
{
    nsec next = NSEC_NEVER;

    if (s->stage && staging_has_parcels(s)) {
        bool others = s->step == STAGING_IDLE && s->stage->rules.owner && s->stage->rules.owner != newest;

        stage_close_due(s->stage, s->env.loop->mono, all || others || !newest->conf->partitioned);
        next = stage_deadline(s->stage);
        line_up(s);
    }
    delivery_loop_at(s->env.loop, &s->due, next);
}

static void note_held(struct staging *s, const struct stage_parcel *p)
{
    if (s->held_since)
        return;
    s->held_since = s->env.loop->mono;
    snprintf(s->held_message, sizeof(s->held_message),
             "%" PRIu64 " record%s failed in the transform, and the stream has no backup any more", p->known.records,
             noun_s(p->known.records));
    log_error("records that failed in the transform wait for a backup", KS("stream", s->env.stream),
              KU("records", p->known.records), KU("first", p->known.first), KU("last", p->known.last),
              KS("hint", "give the stream a `backup`"));
}

static bool is_for_backup(const struct stage_parcel *p)
{
    return p->kind != STAGE_RECORDS;
}

/* Nothing can be read of it, or it is for a backup and there is none. */
static bool cannot_be_delivered(const struct stage_parcel *p, const struct delivery_host *h)
{
    return p->mark.count == 0 || (is_for_backup(p) && !h->backup);
}

static bool must_be_held(const struct stage_parcel *p)
{
    return p->mark.count > 0 && stage_is_of_failed(p->kind);
}

/* Lost; or copies that nobody wants any more, of which no record is in the books. */
static void settle_undelivered(struct staging *s, struct stage_parcel *p)
{
    staging_settle(s, p, &(struct seal_result){.corrupt = p->known.records});
}

static struct stage_parcel *take(struct staging *s, struct delivery_host *h, bool is_newest)
{
    struct stage_parcels *line = is_newest && !TAILQ_EMPTY(&s->unowned) ? &s->unowned : &generation_of(h)->closed;
    struct stage_parcel *p = TAILQ_FIRST(line);

    if (p)
        TAILQ_REMOVE(line, p, line);
    return p;
}

struct stage_parcel *staging_next(struct staging *s, struct delivery_host *h, bool is_newest)
{
    struct stage_parcel *p;

    while ((p = take(s, h, is_newest)) && cannot_be_delivered(p, h)) {
        if (must_be_held(p)) {
            note_held(s, p);
            TAILQ_INSERT_TAIL(&s->held, p, line);
        } else {
            settle_undelivered(s, p);
        }
    }
    if (p && !is_for_backup(p) && p->begun) /* how long one of an earlier run has gathered is not known */
        throughput_note(&s->throughput, p->mark.bytes, s->env.loop->mono - p->begun, s->env.loop->mono);
    return p;
}

struct delivery *staging_restore(struct staging *s, struct delivery_host *h)
{
    bool holds = false;

    for (size_t index = 0; index < s->restored_count; index++) {
        struct restored_parcel *r = &s->restored[index];
        struct stage_parcel *p = r->parcel;

        if (!p)
            continue;
        if (cannot_be_delivered(p, h) && must_be_held(p)) {
            note_held(s, p);
            holds = true;
            continue;
        }
        r->parcel = NULL;
        if (!cannot_be_delivered(p, h))
            return delivery_restore_parcel(h, p, slice_of(r->note, r->note_bytes),
                                           slice_of(r->progress, r->progress_bytes));
        settle_undelivered(s, p);
    }
    if (!holds)
        free_restored(s);
    return NULL;
}

void staging_replaced(struct staging *s)
{
    TAILQ_CONCAT(&s->unowned, &s->held, line);
    s->held_since = 0;
    s->timely_for = NULL;
    s->warm = NULL;
}

/* Committer. */
static void on_settled(struct spool_wait *w, bool safe)
{
    struct stage_parcel *p = CONTAINER_OF(w, struct stage_parcel, settled);
    struct staging *s = p->home;

    p->keeps_file = !safe;
    pthread_mutex_lock(&s->lock);
    TAILQ_INSERT_TAIL(&s->settled, p, line);
    pthread_mutex_unlock(&s->lock);
    delivery_loop_post(s->env.loop, &s->has_settled);
}

void staging_settle(struct staging *s, struct stage_parcel *p, const struct seal_result *r)
{
    if (p->owner)
        generation_of(p->owner)->staged--;
    p->home = s;
    p->settled.done = on_settled;
    staged_settle(s->env.reader, p->known.number, r, &p->settled);
}

/* --- files of what is settled ---------------------------------------------------------------------------------------- */

static void on_has_settled(struct loop_event *ev)
{
    struct staging *s = CONTAINER_OF(ev, struct staging, has_settled);

    if (s->removes || s->leaves)
        return;
    pthread_mutex_lock(&s->lock);
    TAILQ_CONCAT(&s->going, &s->settled, line);
    pthread_mutex_unlock(&s->lock);
    if (TAILQ_EMPTY(&s->going))
        return;
    s->removes = true;
    s->env.loop->ops->work(s->env.loop, &s->removal);
}

/* Worker. Where a file system takes its time for each, nobody waits for them at the end: the next start removes what is left. */
static void remove_on_worker(struct worker_job *job, struct worker *w)
{
    struct staging *s = CONTAINER_OF(job, struct staging, removal);
    const struct stage_parcel *p;
    struct err e;

    TAILQ_FOREACH(p, &s->going, line) {
        if (cancel_is_asked(w->cancel))
            break;
        if (!p->keeps_file && stage_parcel_remove(s->stage->files, p, &e) < 0)
            log_warn("the file of a delivered parcel cannot be removed, the next start does it",
                     KS("stream", s->env.stream), KE("cause", &e));
    }
    delivery_loop_post(s->env.loop, &s->removed);
}

static void on_removed(struct loop_event *ev)
{
    struct staging *s = CONTAINER_OF(ev, struct staging, removed);
    const struct stage_parcel *p;

    TAILQ_FOREACH(p, &s->going, line)
        s->parcels--;
    stage_parcels_free(&s->going);
    s->removes = false;
    on_has_settled(&s->has_settled);
    turn(s);
}

/* --- what others ask ------------------------------------------------------------------------------------------------- */

/* What a piece costs for each of its keys is shared by more records, as long as it does not take long, and no script has all of it in its memory.
 * Two of them, and what inputs read ahead of these, are in the spool beside the open parcels, which may have half of it. */
static uint64_t piece_bytes(const struct staging *s, const struct generation *g)
{
    uint64_t wanted = staging_partitions(s) * STAGE_PIECE_KEY_BYTES, part = g->conf->spool_limit / STAGE_PIECE_OF_SPOOL;

    if (g->host.holds || s->timely_for != &g->host)
        return STAGE_PIECE_BYTES;
    part = part < s->timely ? part : s->timely;
    wanted = wanted < part ? wanted : part;
    wanted = wanted < STAGE_PIECE_BYTES_MAX ? wanted : STAGE_PIECE_BYTES_MAX;
    return wanted > STAGE_PIECE_BYTES ? wanted : STAGE_PIECE_BYTES;
}

uint64_t staging_batch_bytes(const struct staging *s, const struct generation *g)
{
    return g->conf->partitioned ? piece_bytes(s, g) : generation_object_bytes(g);
}

size_t staging_limit(const struct stream_settings *conf)
{
    return conf->partitioned ? most_partitions(conf) : 0;
}
