/* One stream, from its opening to its end. The start of the program opens each of its streams with the functions of this file, and its end
 * drains them; while it runs, single streams come and go by the same steps:
 *
 *     open     name and descriptors are taken, the spool is read, destinations and inputs are opened; then the inputs start, and the
 *              deliveries. Until they do nothing has moved, so whatever fails before is taken back without a trace.
 *     drain    inputs stop, what they appended becomes safe. Then open batches are due
 *              at once, and deliveries are waited for. What they cannot get rid of stays in the spool.
 *     replace  sinks: what was sealed goes on as it was begun, what comes is sealed for the new ones. Inputs: the old ones end, and what
 *              they appended is safe, with their positions, before the new ones look where to begin.
 *     remove   as drain, without waiting for the deliveries: they are given up. Workers and senders bring back what they have; where one
 *              does not, the stream stays, and may be removed later. Behind that nothing can fail: API, views, committer and loop
 *              forget the stream one after the other, and it is freed.
 */
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/engine/impl.h"
#include "pipeline/engine/pauses.h"
#include "pipeline/engine/reopen.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* --- it comes -------------------------------------------------------------------------------------------------------- */

/* Delivery thread. */
static void on_stream_news(void *ctx)
{
    engine_tell(ctx);
}

/* The name is taken from here on. NULL: it is taken. */
static struct engine_stream *enlist(struct engine *en, const struct stream_settings *conf, struct err *e)
{
    struct engine_stream *es = NULL;

    pthread_mutex_lock(&en->lock);
    if (engine_find(en, conf->name)) {
        err_set(e, ERR_CONFIG, "there is a stream `%s` already", conf->name);
    } else {
        es = mem_alloc(sizeof(*es));
        es->conf = es->reads = conf;
        es->engine = en;
        TAILQ_INSERT_TAIL(&en->streams, es, link);
    }
    pthread_mutex_unlock(&en->lock);
    return es;
}

/* Nothing of it was started, or its deliveries have given up. */
static void take_away(struct engine *en, struct engine_stream *es)
{
    pthread_mutex_lock(&en->lock);
    es->state = STATE_CLOSING; /* from here on nobody looks at it */
    while (es->users > 0)
        pthread_cond_wait(&en->changed, &en->lock);
    pthread_mutex_unlock(&en->lock);
    stream_inputs_close(&es->standing);
    stream_inputs_close(&es->inputs);
    if (es->stream)
        stream_leave(es->stream);
    engine_close_stream(en, es);
    pthread_mutex_lock(&en->lock); /* its name is free, and with it its folder in data_dir */
    TAILQ_REMOVE(&en->streams, es, link);
    pthread_mutex_unlock(&en->lock);
    mem_free(es);
}

/* What could not be opened, or started, goes as it came: none of it has worked. */
static void take_back(struct engine *en, struct engine_stream *es)
{
    stream_inputs_stop(&es->inputs);
    stream_inputs_await_stopped(&es->inputs);
    stream_inputs_stop(&es->standing);
    stream_inputs_await_stopped(&es->standing);
    engine_finish_inputs(es);
    committer_barrier(en->committer);
    take_away(en, es);
}

struct stream_env engine_stream_env(struct engine *en)
{
    return (struct stream_env){
        .data_dir = en->settings->data_dir,
        .base_dir = en->settings->base_dir,
        .committer = en->committer,
        .warm = en->warm,
        .loop = en->loop,
        .became_idle = on_stream_news,
        .ctx = en,
    };
}

int engine_add(struct engine *en, const struct stream_settings *conf, struct engine_stream **out, struct err *e)
{
    const struct stream_env env = engine_stream_env(en);
    struct engine_stream *es = enlist(en, conf, e);

    if (!es)
        return -1;
    es->input_names = stream_inputs_names(conf);
    if (engine_take_descriptors(en, es, conf, conf, e) < 0 || stream_open(&es->stream, conf, &env, e) < 0 ||
        engine_open_standing(en, es, conf, &es->standing, e) < 0 ||
        engine_open_inputs(en, es, conf, &es->inputs, e) < 0) {
        take_back(en, es);
        return -1;
    }
    *out = es;
    return 0;
}

void engine_start_stream(struct engine *en, struct engine_stream *es)
{
    stream_start(es->stream);
    stream_event(es->stream, clock_wall(), "started");
    pthread_mutex_lock(&en->lock);
    orphans_remove(&en->orphans, es->conf->name);
    es->state = STATE_OPEN;
    pthread_mutex_unlock(&en->lock);
}

/* Those that it wants run. */
static int want_listeners(struct engine *en, const struct stream_settings *conf, struct err *e)
{
    if (engine_want_listeners(en, conf, e) < 0)
        return -1;
    listeners_start(&en->listeners);
    return 0;
}

static int open_stream(struct engine *en, const struct stream_settings *conf, const struct engine_pauses *paused,
                       struct err *e)
{
    struct engine_stream *es;

    if (want_listeners(en, conf, e) < 0)
        return err_wrap(e, "stream `%s`", conf->name);
    if (engine_add(en, conf, &es, e) < 0)
        return -1;
    if (stream_inputs_start(&es->standing, e) < 0 || stream_inputs_start(&es->inputs, e) < 0) {
        take_back(en, es);
        return -1;
    }
    stream_inputs_go(&es->inputs);
    stream_inputs_await_begin(&es->inputs);
    pauses_again(es->stream, paused);
    engine_start_stream(en, es);
    return 0;
}

int engine_open_again(struct engine *en, const struct stream_settings *conf, const struct engine_pauses *paused,
                      struct err *e)
{
    int rc;

    if (engine_begin_change(en, e) < 0)
        return -1;
    rc = open_stream(en, conf, paused, e);
    engine_end_change(en);
    return rc;
}

int engine_open_stream(struct engine *en, const struct stream_settings *conf, struct err *e)
{
    return engine_open_again(en, conf, &(struct engine_pauses){.count = 0}, e);
}

/* --- it changes ------------------------------------------------------------------------------------------------------ */

/* NULL: there is none, or it cannot change now. */
static struct engine_stream *begin_stream_change(struct engine *en, const char *name, enum engine_stream_state *before,
                                                 struct err *e)
{
    struct engine_stream *es;

    if (engine_begin_change(en, e) < 0)
        return NULL;
    es = engine_claim(en, name, STATE_CHANGING, before, e);
    if (!es)
        engine_end_change(en);
    return es;
}

static void end_stream_change(struct engine *en, struct engine_stream *es, enum engine_stream_state before)
{
    engine_set_state(en, es, before);
    engine_end_change(en);
}

static int reopen(struct engine *en, struct engine_stream *es, const struct stream_settings *conf,
                  enum engine_stream_state before, struct err *e)
{
    if (before != STATE_DRAINED)
        return engine_reopen(en, es, conf, engine_grace(en), before, e);
    engine_set_state(en, es, before);
    return err_set(e, ERR_CONFIG, "stream `%s` is drained: it takes nothing in any more", conf->name);
}

int engine_replace_sinks(struct engine *en, const struct stream_settings *conf, struct err *e)
{
    enum engine_stream_state before;
    struct engine_stream *es = begin_stream_change(en, conf->name, &before, e);
    const struct stream_settings *delivers;
    int rc;

    if (!es)
        return -1;
    if (engine_needs_reopening(es, conf)) {
        rc = reopen(en, es, conf, before, e);
        engine_end_change(en);
        return rc;
    }
    delivers = stream_delivers(es->stream);
    committer_barrier(en->committer); /* the version of what was before is safe */
    rc = engine_take_descriptors(en, es, conf, es->reads, e);
    if (rc == 0 && stream_replace_sinks(es->stream, conf, en->settings->base_dir, e) < 0) {
        engine_give_descriptors(en, es, delivers, es->reads);
        rc = -1;
    }
    if (rc == 0)
        stream_event(es->stream, clock_wall(), "reloaded: destination, transforms or buffer are new");
    end_stream_change(en, es, before);
    return rc;
}

/* Those that were there, which nobody looks at any more. */
static struct stream_inputs exchange_inputs(struct engine *en, struct engine_stream *es,
                                            const struct stream_settings *reads, const struct stream_inputs *fresh)
{
    char *names = stream_inputs_names(reads), *old_names;
    struct stream_inputs old;

    pthread_mutex_lock(&en->lock);
    while (es->users > 0)
        pthread_cond_wait(&en->changed, &en->lock);
    old = es->inputs;
    old_names = es->input_names;
    es->inputs = *fresh;
    es->input_names = names;
    es->reads = reads;
    pthread_mutex_unlock(&en->lock);
    mem_free(old_names);
    return old;
}

static struct stream_inputs exchange_standing(struct engine *en, struct engine_stream *es,
                                              const struct stream_inputs *fresh)
{
    struct stream_inputs old;

    pthread_mutex_lock(&en->lock);
    while (es->users > 0)
        pthread_cond_wait(&en->changed, &en->lock);
    old = es->standing;
    es->standing = *fresh;
    pthread_mutex_unlock(&en->lock);
    return old;
}

static bool same_standing(const struct stream_settings *a, const struct stream_settings *b)
{
    size_t n = settings_standing(a), i = 0;

    while (i < n && i < settings_standing(b) && a->inputs[i].ops == b->inputs[i].ops)
        i++;
    return i == n && n == settings_standing(b);
}

/* They stay as long as they are the same: nothing of theirs stands in the stream. Else those that go end first, however long that takes. */
static int replace_standing(struct engine *en, struct engine_stream *es, const struct stream_settings *before,
                            const struct stream_settings *now, struct err *e)
{
    struct stream_inputs fresh = {.stream = es->conf->name}, old;
    int rc;

    if (same_standing(before, now))
        return 0;
    stream_inputs_stop(&es->standing);
    stream_inputs_await_stopped(&es->standing);
    committer_barrier(en->committer);
    old = exchange_standing(en, es, &fresh);
    stream_inputs_close(&old);
    rc = engine_open_standing(en, es, now, &fresh, e) < 0 ? -1 : stream_inputs_start(&fresh, e);
    (void)exchange_standing(en, es, &fresh); /* what there is of them */
    return rc;
}

/* What they had in hand is safe, and what they had (an address, a place at a queue) is anybody's. */
static int end_inputs(struct engine *en, struct engine_stream *es, struct err *e)
{
    const struct stream_inputs none = {.stream = es->conf->name};
    struct stream_inputs old;

    stream_inputs_stop(&es->inputs);
    if (!stream_inputs_stopped(&es->inputs, clock_mono() + ENGINE_INPUTS_LEAVE_TIME))
        return err_set(e, ERR_LIMIT,
                       "stream `%s`: an input does not stop, because a disk, or its source, keeps it; the stream reads "
                       "nothing until "
                       "that answers and its inputs are replaced again",
                       es->conf->name);
    committer_barrier(en->committer);
    old = exchange_inputs(en, es, es->reads, &none);
    stream_inputs_close(&old);
    return 0;
}

/* What ends is safe, and gone, before what begins looks where to begin. */
static int replace_inputs(struct engine *en, struct engine_stream *es, const struct stream_settings *conf,
                          struct err *e)
{
    const struct stream_settings *before = es->reads, *now = conf;
    struct stream_inputs fresh = {.stream = es->conf->name};
    size_t unfinished;
    struct err worse;
    int rc;

    if (end_inputs(en, es, e) < 0)
        return -1;
    unfinished = atomic_exchange(&es->unfinished, 0); /* they count until others do */
    rc = engine_begin_inputs(en, es, conf, &fresh, e);
    es->reads_nothing = es->reads_nothing && rc < 0;
    if (rc < 0) {
        now = before;
        if (!es->reads_nothing && engine_begin_inputs(en, es, before, &fresh, &worse) < 0)
            err_wrap(e, "stream `%s` reads nothing any more, because its old inputs cannot begin again either (%s)",
                     es->conf->name, worse.msg);
    }
    (void)exchange_inputs(en, es, now, &fresh);
    if (rc == 0)
        rc = replace_standing(en, es, before, now, e);
    if (unfinished > 0 && atomic_fetch_sub(&en->unfinished, unfinished) == unfinished)
        engine_tell(en);
    return rc;
}

int engine_replace_inputs(struct engine *en, const struct stream_settings *conf, struct err *e)
{
    enum engine_stream_state before;
    struct engine_stream *es = begin_stream_change(en, conf->name, &before, e);
    const struct stream_settings *delivers;
    int rc = -1;

    if (!es)
        return -1;
    delivers = stream_delivers(es->stream);
    if (conf->at_source != es->conf->at_source)
        err_set(e, ERR_CONFIG,
                "stream `%s`: `exactly_once` cannot change while it runs: remove the stream, and open it anew",
                conf->name);
    else if (before == STATE_DRAINED)
        err_set(e, ERR_CONFIG, "stream `%s` is drained: it takes nothing in any more", conf->name);
    else if (want_listeners(en, conf, e) == 0 && engine_take_descriptors(en, es, delivers, conf, e) == 0)
        rc = replace_inputs(en, es, conf, e);
    if (rc == 0)
        stream_event(es->stream, clock_wall(), "reloaded: its inputs are new");
    if (rc < 0)
        engine_give_descriptors(en, es, delivers, es->reads);
    end_stream_change(en, es, before);
    return rc;
}

int engine_end_inputs(struct engine *en, const char *name, struct err *e)
{
    enum engine_stream_state before;
    struct engine_stream *es = begin_stream_change(en, name, &before, e);
    int rc;

    if (!es)
        return -1;
    rc = end_inputs(en, es, e);
    if (rc == 0)
        engine_finish_inputs(es);
    es->reads_nothing = rc == 0;
    end_stream_change(en, es, before);
    return rc;
}

/* --- it goes --------------------------------------------------------------------------------------------------------- */

void engine_close_stream(struct engine *en, struct engine_stream *es)
{
    stream_inputs_close(&es->standing);
    stream_inputs_close(&es->inputs);
    stream_close(&es->stream);
    engine_give_descriptors(en, es, NULL, NULL);
    mem_free(es->input_names);
}

struct engine_late engine_end_intake(struct engine *en, struct engine_stream *es, nsec mono)
{
    nsec soon = clock_mono() + ENGINE_INPUTS_LEAVE_TIME;
    struct engine_late late;

    stream_inputs_stop(&es->inputs);
    stream_inputs_stop(&es->standing);
    late.puts = !stream_inputs_stopped(&es->standing, mono);
    late.inputs = !stream_inputs_stopped(&es->inputs, soon < mono ? soon : mono);
    if (!late.inputs)
        engine_finish_inputs(es);
    committer_barrier(en->committer);
    return late;
}

uint64_t engine_records_of(const struct engine_stream *es)
{
    struct spool_books b;

    stream_books(es->stream, &b);
    return b.left;
}

/* The deliveries go on behind it with what is left. */
static uint64_t drain_stream(struct engine *en, struct engine_stream *es, nsec mono)
{
    struct engine_late late = engine_end_intake(en, es, mono);
    struct spool_books b;
    bool idle;

    stream_flush(es->stream);
    idle = engine_await(en, es->stream, stream_is_at_rest, mono);
    stream_books(es->stream, &b);
    if (late.inputs || late.puts)
        log_warn("the stream is drained, but a disk keeps some of what comes in", KS("stream", es->conf->name),
                 KS("waits_for", late.inputs ? "an input" : "puts"),
                 KS("hint", "look at the disk; then drain it again"));
    if (!idle || b.left > 0)
        log_warn("the stream is drained, but not all of it could be delivered in time: the rest stays in the spool",
                 KS("stream", es->conf->name), KU("records", b.left), KU("bytes", b.spooled_bytes),
                 KS("data_dir", en->settings->data_dir),
                 KS("hint",
                    "/readyz and the warnings before say why the destination does not take it, or that it is paused"));
    return b.left;
}

int engine_drain_stream(struct engine *en, const char *name, nsec limit, uint64_t *left, struct err *e)
{
    enum engine_stream_state before;
    struct engine_stream *es;

    if (engine_begin_change(en, e) < 0)
        return -1;
    es = engine_claim(en, name, STATE_DRAINING, &before, e);
    if (es) {
        *left = drain_stream(en, es, clock_mono() + limit);
        engine_set_state(en, es, STATE_DRAINED);
    }
    engine_end_change(en);
    return es ? 0 : -1;
}

static void let_go_of_inputs(struct engine *en, struct engine_stream *es)
{
    const struct stream_inputs none = {.stream = es->conf->name};
    struct stream_inputs old = exchange_inputs(en, es, es->reads, &none);

    stream_inputs_close(&old);
}

int engine_begin_drain(struct engine *en, const char *name, nsec limit, struct err *e)
{
    enum engine_stream_state before;
    struct engine_stream *es;

    if (engine_begin_change(en, e) < 0)
        return -1;
    es = engine_claim(en, name, STATE_DRAINING, &before, e);
    if (es) {
        if (!engine_end_intake(en, es, clock_mono() + limit).inputs) /* who waits for its end sees what is late */
            let_go_of_inputs(en, es);
        stream_flush(es->stream);
        engine_set_state(en, es, STATE_DRAINED);
    }
    engine_end_change(en);
    return es ? 0 : -1;
}

static int remove_stream(struct engine *en, struct engine_stream *es, nsec mono, struct err *e)
{
    const char *name = es->conf->name;
    struct engine_late late = engine_end_intake(en, es, mono);
    uint64_t left;

    if (late.inputs)
        return err_set(e, ERR_LIMIT, "stream `%s`: an input does not stop, because a disk keeps it", name);
    if (late.puts)
        return err_set(e, ERR_LIMIT, "stream `%s`: puts still wait for the disk of %s", name, en->settings->data_dir);
    if (es->conf->at_source) { /* what its input gave back is settled by deliveries */
        stream_flush(es->stream);
        (void)engine_await(en, es->stream, stream_is_idle, mono);
    }
    left = engine_records_of(es);
    if (left > 0 && es->conf->memory && !es->conf->at_source)
        return err_set(e, ERR_LIMIT,
                       "stream `%s` keeps %" PRIu64 " record%s in memory, which would be lost: drain it for longer",
                       name, left, noun_s(left));
    es->gives_up = true;
    stream_give_up(es->stream);
    if (!engine_await(en, es->stream, stream_has_given_up, mono))
        return err_set(e, atomic_load(&en->stopping) ? ERR_CANCELLED : ERR_LIMIT,
                       "stream `%s`: a write to its destination or to its spool, or a transform does not end; it "
                       "delivers nothing any "
                       "more, and can be removed when that has ended",
                       name);
    left = engine_records_of(es);
    if (left > 0) {
        log_warn("the stream is removed, and records of it stay in the spool", KS("stream", name), KU("records", left),
                 KS("data_dir", en->settings->data_dir), KS("hint", ORPHAN_HINT));
        pthread_mutex_lock(&en->lock);
        orphans_add(&en->orphans, name, left);
        pthread_mutex_unlock(&en->lock);
    }
    take_away(en, es);
    return 0;
}

int engine_remove_stream(struct engine *en, const char *name, nsec limit, struct err *e)
{
    enum engine_stream_state before;
    struct engine_stream *es;
    int rc = -1;

    if (engine_begin_change(en, e) < 0)
        return -1;
    es = engine_claim(en, name, STATE_LEAVING, &before, e);
    if (es) {
        rc = remove_stream(en, es, clock_mono() + limit, e);
        if (rc < 0)
            engine_set_state(en, es, STATE_DRAINED);
    }
    engine_end_change(en);
    return rc;
}
