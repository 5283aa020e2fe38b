/* One thread for all spools, so that many streams do not mean many syncs: everything that came in while the last sync
 * ran goes into the next one (group commit). With a handful of files each is synced; with more, one syncfs() costs less
 * than all of them. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/spool/spool_impl.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct committer {
    pthread_mutex_t lock;
    pthread_cond_t wake, passed;
    /* Guarded by lock, as is the rest. Thousands of spools may wait lazily while one is urgent, so nobody walks through
     * them: the first one's second is the second of all. */
    LIST_HEAD(listed_spools, spool) urgent, lazy, refused;
    STAILQ_HEAD(, spool) leaving; /* to be retired */
    nsec lazy_due;                /* 0: not known yet */
    bool stop;
    uint64_t barriers, barriers_passed; /* asked for; behind us */
    pthread_t thread;
};

struct committer *committer_new(void)
{
    struct committer *c = mem_alloc(sizeof(*c));

    pthread_mutex_init(&c->lock, NULL);
    thread_cond_init(&c->wake);
    pthread_cond_init(&c->passed, NULL);
    STAILQ_INIT(&c->leaving);
    return c;
}

void committer_free(struct committer **c)
{
    if (!*c)
        return;
    pthread_cond_destroy(&(*c)->wake);
    pthread_cond_destroy(&(*c)->passed);
    pthread_mutex_destroy(&(*c)->lock);
    MEM_CLEAR(*c);
}

/* --- lists --------------------------------------------------------------------------------------------------------
 * Locks: c->lock held. */

static void unlist(struct spool *s)
{
    LIST_REMOVE(s, listed);
    s->is_listed = s->urgent = false;
}

static void relist(struct committer *c, struct spool *s, bool urgent)
{
    if (s->is_listed)
        unlist(s);
    s->urgent = urgent;
    s->is_listed = true;
    LIST_INSERT_HEAD(s->retry_at ? &c->refused : urgent ? &c->urgent : &c->lazy, s, listed);
}

void committer_wake(struct committer *c, struct spool *s, bool urgent)
{
    bool news;

    pthread_mutex_lock(&c->lock);
    news = !s->is_listed || (urgent && !s->urgent);
    if (news) {
        relist(c, s, urgent);
        pthread_cond_signal(&c->wake);
    }
    pthread_mutex_unlock(&c->lock);
}

/* When the first listed spool is due. Locks: c->lock held. */
static nsec earliest(struct committer *c, nsec now)
{
    nsec first = NSEC_NEVER;
    const struct spool *s;

    if (LIST_EMPTY(&c->lazy))
        c->lazy_due = 0;
    else if (!c->lazy_due)
        c->lazy_due = now + COMMITTER_LAZY_MAX;
    if (!LIST_EMPTY(&c->urgent))
        return now;
    if (!LIST_EMPTY(&c->lazy))
        first = c->lazy_due;
    LIST_FOREACH(s, &c->refused, listed)
        first = s->retry_at < first ? s->retry_at : first;
    return first > now ? first : now;
}

STAILQ_HEAD(round_spools, spool);

/* Moves what is due (or all) from one list to `taken`. */
static void take(struct listed_spools *list, nsec now, bool all, struct round_spools *taken)
{
    struct spool *s = LIST_FIRST(list), *next;

    for (; s; s = next) {
        next = LIST_NEXT(s, listed);
        if (!all && s->retry_at > now)
            continue;
        unlist(s);
        STAILQ_INSERT_HEAD(taken, s, round.link);
    }
}

static void take_due(struct committer *c, nsec now, bool all, struct round_spools *taken)
{
    STAILQ_INIT(taken);
    pthread_mutex_lock(&c->lock);
    take(&c->refused, now, all, taken);
    take(&c->urgent, now, all, taken);
    if (all || (c->lazy_due && c->lazy_due <= now)) {
        take(&c->lazy, now, all, taken);
        c->lazy_due = 0;
    }
    pthread_mutex_unlock(&c->lock);
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

static void sync_each(struct round_spools *list)
{
    struct spool *s;

    STAILQ_FOREACH(s, list, round.link)
        if (round_needs_sync(s))
            round_sync(s);
}

/* One syncfs() when it pays. When that fails, somebody's data is in trouble, perhaps not ours: ask file by file. */
static void sync_all(struct round_spools *list)
{
    struct spool *one = NULL, *s;
    size_t dirty = 0;
    bool same_device = true;

    STAILQ_FOREACH(s, list, round.link) {
        if (!round_needs_sync(s))
            continue;
        same_device &= !one || one->device == s->device;
        one = s;
        dirty++;
    }
    if (dirty <= SYNC_EACH_MAX || !same_device || one->ops->syncfs(spool_active(one)->fd) < 0)
        sync_each(list);
}

/* Work that came in during the round has listed the spool again, by what was known then. */
static void note_outcome(struct committer *c, struct spool *s, nsec now)
{
    pthread_mutex_lock(&c->lock);
    s->retry_at = s->round.failed ? now + COMMITTER_RETRY_AFTER : 0;
    if (s->is_listed || s->round.failed)
        relist(c, s, s->urgent);
    pthread_mutex_unlock(&c->lock);
}

/* At once where few are written to. Many marks would be many pages more for the next syncfs(): they wait until their spool
 * had nothing to write for a second. */
static void mark_later(struct committer *c, struct spool *s)
{
    if (!s->round.wrote)
        round_mark(s);
    else if (s->mark_due)
        committer_wake(c, s, false);
}

static void round_with(struct committer *c, nsec now, struct round_spools *list)
{
    struct spool *s;
    size_t count = 0;

    STAILQ_FOREACH(s, list, round.link)
        count++;
    STAILQ_FOREACH(s, list, round.link) {
        s->round.mark_now = count <= SYNC_EACH_MAX;
        round_write(s);
    }
    sync_all(list);
    while ((s = STAILQ_FIRST(list))) { /* when it has ended, its spool may be in the next one */
        STAILQ_REMOVE_HEAD(list, round.link);
        round_finish(s);
        if (s->round.more)
            committer_wake(c, s, true);
        mark_later(c, s);
        note_outcome(c, s, now);
    }
}

static void round_of(struct committer *c, nsec now, bool all)
{
    struct round_spools list;

    take_due(c, now, all, &list);
    round_with(c, now, &list);
}

/* False: nothing waited to be written. */
static bool take_off(struct committer *c, struct spool *s)
{
    bool listed;

    pthread_mutex_lock(&c->lock);
    listed = s->is_listed;
    if (listed)
        unlist(s);
    pthread_mutex_unlock(&c->lock);
    return listed;
}

/* One more round, which may list it again: to give back room, to be marked, because the disk refuses. None of these is worth waiting for. */
static void retire(struct committer *c, struct spool *s, nsec now)
{
    struct round_spools alone = STAILQ_HEAD_INITIALIZER(alone);

    if (take_off(c, s)) {
        STAILQ_INSERT_HEAD(&alone, s, round.link);
        round_with(c, now, &alone);
        (void)take_off(c, s);
    }
    round_mark(s);
    round_abandon(s);
}

static void retire_leaving(struct committer *c)
{
    struct spool *s;

    pthread_mutex_lock(&c->lock);
    while ((s = STAILQ_FIRST(&c->leaving))) {
        STAILQ_REMOVE_HEAD(&c->leaving, leaving);
        pthread_mutex_unlock(&c->lock);
        retire(c, s, clock_mono());
        pthread_mutex_lock(&c->lock);
        s->retired = true;
        pthread_cond_broadcast(&c->passed);
    }
    pthread_mutex_unlock(&c->lock);
}

void spool_retire(struct spool *s)
{
    struct committer *c = s->committer;

    pthread_mutex_lock(&c->lock);
    STAILQ_INSERT_TAIL(&c->leaving, s, leaving);
    pthread_cond_signal(&c->wake);
    while (!s->retired)
        pthread_cond_wait(&c->passed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

nsec committer_round(struct committer *c, nsec now)
{
    nsec next;

    round_of(c, now, false);
    pthread_mutex_lock(&c->lock);
    next = earliest(c, now);
    pthread_mutex_unlock(&c->lock);
    return next;
}

static void wait_for_work(struct committer *c)
{
    nsec now = clock_mono(), due;
    struct timespec at;

    pthread_mutex_lock(&c->lock);
    due = c->barriers > c->barriers_passed || !STAILQ_EMPTY(&c->leaving) ? now : earliest(c, now);
    at = clock_timespec(due);
    if (!c->stop && due == NSEC_NEVER)
        pthread_cond_wait(&c->wake, &c->lock);
    else if (!c->stop && due > now)
        pthread_cond_timedwait(&c->wake, &c->lock, &at);
    pthread_mutex_unlock(&c->lock);
}

static bool stopping(struct committer *c)
{
    bool stop;

    pthread_mutex_lock(&c->lock);
    stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    return stop;
}

static uint64_t barriers_asked(struct committer *c)
{
    uint64_t asked;

    pthread_mutex_lock(&c->lock);
    asked = c->barriers;
    pthread_mutex_unlock(&c->lock);
    return asked;
}

static void pass_barriers(struct committer *c, uint64_t upto)
{
    pthread_mutex_lock(&c->lock);
    c->barriers_passed = upto;
    pthread_cond_broadcast(&c->passed);
    pthread_mutex_unlock(&c->lock);
}

static void *run(void *arg)
{
    struct committer *c = arg;
    uint64_t passed = 0;

    while (!stopping(c)) {
        uint64_t asked = barriers_asked(c);

        round_of(c, clock_mono(), asked > passed);
        if (asked > passed)
            pass_barriers(c, passed = asked);
        retire_leaving(c);
        wait_for_work(c);
    }
    return NULL;
}

void committer_barrier(struct committer *c)
{
    uint64_t mine;

    pthread_mutex_lock(&c->lock);
    mine = ++c->barriers;
    pthread_cond_signal(&c->wake);
    while (c->barriers_passed < mine)
        pthread_cond_wait(&c->passed, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

int committer_start(struct committer **c, struct err *e)
{
    struct committer *made = committer_new();

    if (thread_start(&made->thread, run, made, "the committer's thread", e) < 0) {
        committer_free(&made);
        return -1;
    }
    *c = made;
    return 0;
}

/* What is still listed after a last round is on a disk that refuses. */
static void finish(struct committer *c)
{
    nsec now = clock_mono();
    struct round_spools left;
    struct spool *s;

    round_of(c, now, true);
    take_due(c, now, true, &left);
    STAILQ_FOREACH(s, &left, round.link)
        round_abandon(s);
}

void committer_stop(struct committer **c)
{
    if (!*c)
        return;
    pthread_mutex_lock(&(*c)->lock);
    (*c)->stop = true;
    pthread_cond_signal(&(*c)->wake);
    pthread_mutex_unlock(&(*c)->lock);
    pthread_join((*c)->thread, NULL);
    finish(*c);
    committer_free(c);
}
