/* delivery_rig.h -- a stream as the daemon runs it (spool on disk, committer, workers, delivery thread) between fake
 * sinks that play a script and keep what they were sent.
 */
#ifndef TESTS_UNIT_DELIVERY_DELIVERY_RIG_H
#define TESTS_UNIT_DELIVERY_DELIVERY_RIG_H

#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "pipeline/delivery/loop.h"
#include "pipeline/delivery/stream.h"
#include "pipeline/settings/settings.h"
#include "sinks/sink.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARRIVAL      ((nsec)1783951509123 * NSEC_PER_MSEC) /* of every record */
#define STEPS_MAX    8
#define ATTEMPTS_MAX 64
#define WAIT_S       20 /* a test that waits this long has failed */

/* --- the fake sink ------------------------------------------------------------------------------------------------ */

/* One answer. `outcomes` (for SINK_PARTIAL): a letter per record, d delivered, r again, x refused. */
struct step {
    enum sink_outcome outcome;
    const char *code, *outcomes;
    bool misconfigured;
};

struct rig_attempt {
    char name[256], body[4096], error_type[64];
    uint64_t first, last, window, records;
};

struct fake {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct step script[STEPS_MAX]; /* behind its end everything is delivered */
    size_t steps, at;
    bool last_for_ever;  /* the last step again and again */
    size_t splits_above; /* 0; or SINK_SPLIT for a larger body */
    nsec retry_after;
    void (*during)(void *ctx); /* in each attempt; may be NULL */
    void *ctx;
    struct rig_attempt attempts[ATTEMPTS_MAX]; /* the delivered ones among them have a name; guarded by lock */
    size_t attempt_count, delivered_count;     /* guarded by lock */
    size_t delivered[ATTEMPTS_MAX];            /* their indexes; guarded by lock */
};

static inline void fake_init(struct fake *f)
{
    *f = (struct fake){.retry_after = NSEC_PER_MSEC};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
}

static inline int fake_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    (void)env;
    (void)e;
    *state = *(struct fake *const *)conf;
    return 0;
}

static inline void fake_close(void **state)
{
    *state = NULL;
}

static inline int fake_name(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out,
                            struct err *e)
{
    (void)state;
    if (buf_printf(out, "%llu-%llu%s%s%s", (unsigned long long)id->first, (unsigned long long)id->last,
                   id->error_type ? "-" : "", id->error_type ? id->error_type : "", extension) < 0)
        return err_set(e, ERR_LIMIT, "no room");
    return 0;
}

static inline void fake_describe(const void *state, struct buf *out)
{
    (void)state;
    (void)!buf_add_str(out, "a fake");
}

/* Locks: lock held. */
static inline struct rig_attempt *fake_note(struct fake *f, const struct sink_seal *s)
{
    struct rig_attempt *a = &f->attempts[f->attempt_count++];
    struct err e;
    long n = body_read(s->body, 0, a->body, sizeof(a->body) - 1, &e);

    assert(f->attempt_count <= ATTEMPTS_MAX && n >= 0);
    a->body[n] = '\0';
    a->first = s->id.first;
    a->last = s->id.last;
    a->window = s->id.window;
    a->records = s->record_count;
    snprintf(a->name, sizeof(a->name), "%.*s", (int)s->name.n, s->name.p ? s->name.p : "");
    snprintf(a->error_type, sizeof(a->error_type), "%s", s->id.error_type ? s->id.error_type : "");
    return a;
}

/* Locks: lock held. */
static inline struct step fake_step(struct fake *f, const struct rig_attempt *a)
{
    if (f->splits_above && strlen(a->body) > f->splits_above)
        return (struct step){.outcome = SINK_SPLIT, .code = "413"};
    if (f->at < f->steps)
        return f->script[f->at++];
    return f->last_for_ever ? f->script[f->steps - 1] : (struct step){.outcome = SINK_DELIVERED};
}

static inline enum sink_outcome fake_send(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct fake *f = (struct fake *)(uintptr_t)state;
    struct step step;

    if (f->during)
        f->during(f->ctx);
    pthread_mutex_lock(&f->lock);
    step = fake_step(f, fake_note(f, s));
    if (step.outcome == SINK_DELIVERED)
        f->delivered[f->delivered_count++] = f->attempt_count - 1;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    v->retry_after = f->retry_after;
    v->misconfigured = step.misconfigured;
    snprintf(v->code, sizeof(v->code), "%s", step.code ? step.code : "");
    snprintf(v->message, sizeof(v->message), "said the script");
    for (uint64_t i = 0; step.outcomes && i < s->record_count; i++) {
        v->outcomes->outcome[i] = step.outcomes[i] == 'd' ? SINK_DELIVERED : SINK_RETRY;
        if (step.outcomes[i] == 'x')
            v->outcomes->refuse(v->outcomes, i, "400", SLICE("no such field"));
    }
    return step.outcome;
}

static inline int fake_head(const void *state, const struct sink_seal_id *id, struct buf *out)
{
    (void)state;
    (void)id;
    return buf_add_str(out, "H\n");
}

static inline int fake_record(const void *state, const struct sink_record *r, bool first, struct buf *out,
                              struct sink_refusal *why)
{
    (void)state;
    (void)first;
    if (slice_starts(r->data, SLICE("bad"))) {
        snprintf(why->code, sizeof(why->code), "NotAnEvent");
        snprintf(why->message, sizeof(why->message), "it is no event");
        return 0;
    }
    return buf_add_slice(out, r->data) < 0 || buf_add_char(out, '\n') < 0 ? -1 : 1;
}

static inline int fake_tail(const void *state, struct buf *out)
{
    (void)state;
    return buf_add_str(out, "T\n");
}

static inline int fake_describe_record(const void *state, const struct sink_record *r, struct buf *out)
{
    (void)state;
    return buf_printf(out, ",\"fakeId\":\"%llu\"", (unsigned long long)r->seq);
}

static const struct cfg_field fake_fields[] = {{.name = NULL}};

/* Bodies by the stream's format. */
static const struct sink_ops fake_plain = {
    .name = "plain",
    .fields = fake_fields,
    .conf_size = sizeof(struct fake *),
    .error_prefix = "plain-failed",
    .metric = "plain",
    .open = fake_open,
    .close = fake_close,
    .name_object = fake_name,
    .send = fake_send,
    .describe = fake_describe,
};

/* Bodies of its own: H, a line per record, T. */
static const struct sink_ops fake_shaped = {
    .name = "shaped",
    .fields = fake_fields,
    .conf_size = sizeof(struct fake *),
    .error_prefix = "shaped-failed",
    .metric = "shaped",
    .open = fake_open,
    .close = fake_close,
    .head = fake_head,
    .record = fake_record,
    .tail = fake_tail,
    .describe_record = fake_describe_record,
    .content_type = "text/x-fake",
    .send = fake_send,
    .describe = fake_describe,
};

static inline struct timespec wait_end(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += WAIT_S;
    return t;
}

static inline const struct rig_attempt *fake_got(const struct fake *f, size_t i)
{
    assert_in_range(i, 0, f->delivered_count - 1);
    return &f->attempts[f->delivered[i]];
}

/* --- the stream --------------------------------------------------------------------------------------------------- */

struct rig {
    char dir[64], *data_dir;
    struct fake destination, backup, *destination_conf, *backup_conf;
    struct stream_settings conf;
    struct budget budget;
    struct committer *committer;
    struct worker_pool *workers;
    struct sender_pool *senders;
    struct delivery_loop *loop;
    struct delivery_loop_ops ops; /* the loop's, where `send` is the test's */
    bool (*send)(struct delivery_loop *l, struct sender_job *job);
    struct seal_journal *journal; /* NULL: the spool's */
    const struct io_ops *files;   /* of what is staged; NULL: the real disk */
    struct stream *stream;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned idle; /* guarded by lock */
};

static inline void rig_became_idle(void *ctx)
{
    struct rig *r = ctx;

    pthread_mutex_lock(&r->lock);
    r->idle++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* Fakes and settings, nothing runs yet. `backup` NULL: the stream has none. */
static inline struct rig *rig_new(const struct sink_ops *sink, const struct sink_ops *backup)
{
    struct rig *r = mem_alloc(sizeof(*r));

    /* In memory when there is such a place: each run syncs some ten times. */
    snprintf(r->dir, sizeof(r->dir), "%s/delivery-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(r->dir));
    r->data_dir = mem_printf("%s/data", r->dir);
    fake_init(&r->destination);
    fake_init(&r->backup);
    r->destination_conf = &r->destination;
    r->backup_conf = &r->backup;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->conf = (struct stream_settings){
        .name = mem_strdup("app"),
        .spool_limit = 64 * MIB,
        .buffer_size = MIB,
        .buffer_interval = 3600 * NSEC_PER_SEC,
        .format = format_find("lines"),
        .codec = codec_find("none"),
        .sink = sink,
        .sink_conf = &r->destination_conf,
        .in_flight_min = 1,
        .in_flight = 1,
        .retry_duration = 3600 * NSEC_PER_SEC,
        .backup = backup,
        .backup_conf = backup ? &r->backup_conf : NULL,
    };
    return r;
}

static inline void rig_start(struct rig *r)
{
    struct stream_env env = {.data_dir = r->data_dir, .base_dir = r->dir, .became_idle = rig_became_idle, .ctx = r};
    struct delivery_tools tools = {.budget = &r->budget, .tmp_dir = r->dir};
    struct err e = {0};

    budget_init(&r->budget, 64 * MIB);
    r->idle = 0;
    r->senders = sender_pool_new();
    if (committer_start(&r->committer, &e) < 0 || worker_pool_start(&r->workers, 2, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    tools.workers = r->workers;
    tools.senders = r->senders;
    if (delivery_loop_new(&r->loop, &tools, &e) < 0)
        fail_msg("%s", e.msg);
    if (r->send) {
        r->ops = *r->loop->ops;
        r->ops.send = r->send;
        r->loop->ops = &r->ops;
    }
    env.committer = r->committer;
    env.journal = r->journal;
    env.files = r->files;
    env.loop = r->loop;
    if (stream_open(&r->stream, &r->conf, &env, &e) < 0)
        fail_msg("%s", e.msg);
    stream_start(r->stream);
    if (delivery_loop_start(r->loop, &e) < 0)
        fail_msg("%s", e.msg);
}

/* As the engine shuts down; what is not settled stays in the spool. */
static inline void rig_stop(struct rig *r)
{
    delivery_loop_stop(r->loop);
    worker_pool_stop(&r->workers);
    sender_pool_free(&r->senders);
    committer_stop(&r->committer);
    stream_close(&r->stream);
    delivery_loop_free(&r->loop);
    assert_int_equal(atomic_load(&r->budget.used), 0);
}

static inline void rig_free(struct rig **rp)
{
    struct rig *r = *rp;
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", r->dir);
    assert_int_equal(system(command), 0);
    mem_free(r->data_dir);
    mem_free(r->conf.name);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    mem_free(r);
    *rp = NULL;
}

static inline void rig_put(struct rig *r, const char *const *records, size_t count)
{
    struct frame *f = frame_new(64 * 1024, ARRIVAL, NULL);

    for (size_t i = 0; i < count; i++)
        assert_true(frame_add(f, slice_str(records[i])));
    assert_int_equal(spool_append(r->stream->spool, &f, NULL), SPOOL_TAKEN);
    committer_barrier(r->committer);
}

/* incoming = delivered + dropped + backed_up + corrupt + spooled, and these are `delivered` and `backed_up`. */
static inline void rig_check_books(struct rig *r, uint64_t delivered, uint64_t backed_up, uint64_t spooled)
{
    struct spool_books b;

    spool_books(spool_reader(r->stream->spool, 0), &b);
    assert_int_equal(b.incoming, b.delivered + b.dropped + b.backed_up + b.corrupt + b.spooled);
    assert_int_equal(b.delivered, delivered);
    assert_int_equal(b.backed_up, backed_up);
    assert_int_equal(b.spooled, spooled);
    assert_int_equal(b.dropped + b.corrupt, 0);
}

/* Until everything that was put has been settled. */
static inline void rig_drain(struct rig *r)
{
    struct timespec end = wait_end();

    stream_flush(r->stream);
    pthread_mutex_lock(&r->lock);
    while (!stream_is_idle(r->stream))
        if (pthread_cond_timedwait(&r->changed, &r->lock, &end) != 0)
            fail_msg("the stream does not become idle");
    pthread_mutex_unlock(&r->lock);
}

/* Until the failure that the status shows has this code; stream_status_release(). */
static inline void rig_wait_failing(struct rig *r, const char *code, struct stream_status *s)
{
    time_t end = time(NULL) + WAIT_S;

    for (;;) {
        usleep(1000);
        stream_status(r->stream, 0, clock_wall(), s);
        if (strcmp(s->words->code, code) == 0)
            return;
        if (time(NULL) > end)
            fail_msg("the status says `%s`, not `%s`", s->words->code, code);
        stream_status_release(s);
    }
}

#endif
