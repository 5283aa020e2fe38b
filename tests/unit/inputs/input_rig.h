/* input_rig.h -- a real spool, committer and loop around one input, for tests of whole inputs.
 *
 * Nothing sleeps: a test waits on the condition that the spool signals after each commit, for a minute at most. Records are waited for
 * as long as more of them come: a disk that is slow is no failure.
 */
#ifndef TESTS_UNIT_INPUTS_INPUT_RIG_H
#define TESTS_UNIT_INPUTS_INPUT_RIG_H

#include "tests/support/cmocka.h"

#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/listener.h"
#include "pipeline/inputs/loop.h"
#include "pipeline/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RIG_TIMEOUT (60 * NSEC_PER_SEC)

struct rig {
    char dir[64];
    struct committer *committer;
    struct spool *spool;
    struct spool_cursor at; /* what the test has read of the spool */
    struct input_loop *loop;
    struct listeners listeners;
    struct budget budget;
    struct input_health *health;          /* the test's; NULL: none */
    struct budget *windows, *descriptors; /* NULL: no limit */
    struct metrics metrics;
    const struct input_ops *ops;
    struct input *in;
    void *conf;
    bool once;
    uint64_t limit;             /* of the spool */
    const struct io_ops *files; /* its disk; NULL: the real one */
    bool paced;                 /* it waits for deliveries, which get on: */
    nsec moved;                 /* mono */
    struct pace pace;

    pthread_mutex_t lock;
    pthread_cond_t news;
    unsigned commits;
    bool finished;
};

UNUSED static const char *rig_path(struct rig *r, const char *name)
{
    static char paths[4][256];
    static unsigned turn;
    char *p = paths[turn++ % 4];

    snprintf(p, sizeof(paths[0]), "%s/%s", r->dir, name);
    return p;
}

UNUSED static void rig_write_n(struct rig *r, const char *name, const char *p, size_t n, int flags)
{
    int fd = open(rig_path(r, name), O_WRONLY | O_CREAT | flags, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

UNUSED static void rig_append(struct rig *r, const char *name, const char *text)
{
    rig_write_n(r, name, text, strlen(text), O_APPEND);
}

UNUSED static void rig_rename(struct rig *r, const char *from, const char *to)
{
    assert_int_equal(rename(rig_path(r, from), rig_path(r, to)), 0);
}

static void rig_committed(void *ctx)
{
    struct rig *r = ctx;

    pthread_mutex_lock(&r->lock);
    r->commits++;
    pthread_cond_signal(&r->news);
    pthread_mutex_unlock(&r->lock);
}

static void rig_finished(void *ctx)
{
    struct rig *r = ctx;

    pthread_mutex_lock(&r->lock);
    assert_false(r->finished);
    r->finished = true;
    pthread_cond_signal(&r->news);
    pthread_mutex_unlock(&r->lock);
}

/* Waits for the next commit or the end of the input. */
UNUSED static void rig_wait_news(struct rig *r, nsec deadline, const char *what)
{
    struct timespec until = clock_timespec(deadline);
    int rc = 0;

    pthread_mutex_lock(&r->lock);
    while (r->commits == 0 && !r->finished && rc == 0)
        rc = pthread_cond_timedwait(&r->news, &r->lock, &until);
    r->commits = 0;
    pthread_mutex_unlock(&r->lock);
    if (rc != 0)
        fail_msg("not in time: %s", what);
}

static void rig_init(struct rig *r, const char *input)
{
    pthread_condattr_t mono;

    memset(r, 0, sizeof(*r));
    log_set_level(getenv("RIG_LOG") ? LOG_DEBUG : LOG_ERROR);
    snprintf(r->dir, sizeof(r->dir), "/tmp/input-rig-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(&r->news, &mono);
    pthread_condattr_destroy(&mono);
    r->limit = 256 * MIB;
    budget_init(&r->budget, 32 * MIB);
    listeners_init(&r->listeners, &(struct listener_env){.base_dir = r->dir, .budget = &r->budget});
    r->ops = input_find(input);
    assert_non_null(r->ops);
}

static void rig_start(struct rig *r)
{
    char dir[128];
    struct spool_conf conf = {
        .stream = "test", .limit = r->limit, .files = r->files, .committed = rig_committed, .ctx = r};
    struct spool_recovery found;
    struct err e = {.msg = ""};

    snprintf(dir, sizeof(dir), "%s/.spool", r->dir);
    conf.dir = dir;
    r->finished = false;
    if (committer_start(&r->committer, &e) < 0 || spool_open(&r->spool, &conf, r->committer, &found, &e) < 0 ||
        loop_start(&r->loop, &e) < 0)
        fail_msg("%s", e.msg);
    if (r->at.seq == 0)
        r->at = spool_cut(spool_reader(r->spool, 0));
    if (r->paced)
        pace_init(&r->pace, r->spool, 0, r->moved);
    struct input_env env = {.stream = "test",
                            .spool = r->spool,
                            .budget = &r->budget,
                            .health = r->health,
                            .windows = r->windows,
                            .descriptors = r->descriptors,
                            .metrics = &r->metrics,
                            .pace = r->paced ? &r->pace : NULL,
                            .loop = r->loop,
                            .listeners = &r->listeners,
                            .base_dir = r->dir,
                            .once = r->once,
                            .finished = rig_finished,
                            .ctx = r};

    if (r->ops->open(&r->in, r->conf, &env, &e) < 0 || r->ops->start(r->in, &e) < 0)
        fail_msg("%s", e.msg);
    loop_go(r->loop);
    assert_true(loop_begun(r->loop, NSEC_NEVER));
}

static void rig_stop(struct rig *r)
{
    if (!r->in)
        return;
    r->ops->stop(r->in);
    assert_true(r->ops->stopped(r->in, NSEC_NEVER));
    committer_stop(&r->committer);
    r->ops->close(&r->in);
    if (r->paced)
        pace_release(&r->pace);
    loop_stop(&r->loop);
    spool_close(&r->spool);
    assert_int_equal(r->budget.used, 0);
}

static int rig_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void rig_release(struct rig *r)
{
    rig_stop(r);
    listeners_release(&r->listeners);
    nftw(r->dir, rig_unlink, 16, FTW_DEPTH | FTW_PHYS);
    pthread_cond_destroy(&r->news);
    pthread_mutex_destroy(&r->lock);
}

UNUSED static uint64_t rig_incoming_bytes(struct rig *r)
{
    struct spool_books b;

    spool_books(spool_reader(r->spool, 0), &b);
    return b.incoming_bytes;
}

UNUSED static uint64_t rig_incoming(struct rig *r)
{
    struct spool_books b;

    spool_books(spool_reader(r->spool, 0), &b);
    return b.incoming;
}

UNUSED static void rig_wait_incoming(struct rig *r, uint64_t n)
{
    nsec deadline = clock_mono() + RIG_TIMEOUT;

    for (uint64_t before = 0, now; (now = rig_incoming(r)) < n; before = now) {
        if (now != before)
            deadline = clock_mono() + RIG_TIMEOUT;
        rig_wait_news(r, deadline, "records");
    }
}

UNUSED static void rig_wait_finished(struct rig *r)
{
    nsec deadline = clock_mono() + RIG_TIMEOUT;
    bool finished = false;

    while (!finished) {
        pthread_mutex_lock(&r->lock);
        finished = r->finished;
        pthread_mutex_unlock(&r->lock);
        if (!finished)
            rig_wait_news(r, deadline, "the end of the input");
    }
}

static void rig_no_work(void *arg)
{
    (void)arg;
}

/* The input has done what it could do at once: a turn of its loop has begun since, and is over. */
UNUSED static void rig_turn(struct rig *r)
{
    loop_call(r->loop, rig_no_work, NULL);
    loop_call(r->loop, rig_no_work, NULL);
}

/* Everything that came since the last call, each record followed by '|'. */
UNUSED static void rig_take(struct rig *r, struct buf *out)
{
    struct frame_view v;
    struct buf raw;
    struct err e;

    buf_clear(out);
    buf_init(&raw, 4 * MIB);
    while (spool_read(r->spool, &r->at, &raw, &v, &e) > 0) {
        struct frame_iter it = frame_records(&v);
        struct slice rec;

        while (frame_next(&it, &rec))
            assert_int_equal(buf_add_slice(out, rec) + buf_add_char(out, '|'), 0);
    }
    buf_release(&raw);
}

/* Waits until the records of `want` ("a|b|") have come, and nothing else. */
#define rig_expect(r, want) rig_expect_at(r, want, __LINE__)
UNUSED static void rig_expect_at(struct rig *r, const char *want, int line)
{
    uint64_t n = r->at.seq - 1;
    struct buf got;

    for (const char *p = want; (p = strchr(p, '|')); p++)
        n++;
    rig_wait_incoming(r, n);
    buf_init(&got, 64 * MIB);
    rig_take(r, &got);
    if (!slice_is(buf_slice(&got), want))
        fail_msg("line %d: want %s, got %s", line, want, buf_cstr(&got));
    buf_release(&got);
}

#endif
