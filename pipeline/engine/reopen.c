/* reopen.c -- a stream whose destinations are others, by name: a reader of the log comes or goes, and that is done where the log is opened.
 *
 * So the stream ends and begins again within the program, as it would with it: inputs end, what they appended is safe, deliveries are given
 * up where they are, and go on from the log. Meanwhile a listener with a section (the API) says that it should be tried again, and nobody sees the
 * stream. Before that, a destination that goes gets what waits for it, as long as there is time; what is left stays in the spool.
 * When it cannot begin as it is to be, it begins again as it was.
 */
#include "pipeline/engine/reopen.h"

#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/pauses.h"

#include <stdio.h>
#include <string.h>

bool engine_needs_reopening(const struct engine_stream *es, const struct stream_settings *conf)
{
    const struct stream *st = es->stream;
    bool same = !es->ended && st->outlet_count == settings_outlet_count(conf);

    for (size_t i = 0; same && i < st->outlet_count; i++)
        same = settings_outlet_named(conf, settings_outlet_name(st->outlets[i].conf)) != NULL;
    return !same;
}

/* --- what goes -------------------------------------------------------------------------------------------------------- */

static bool goes(const struct stream *st, size_t index, const struct stream_settings *conf)
{
    return !pauses_name_in(conf, settings_outlet_name(st->outlets[index].conf));
}

static bool never(const struct stream *st)
{
    (void)st;
    return false;
}

/* All that had come in when it was asked is settled. */
static bool has_settled(const struct outlet *o, uint64_t incoming)
{
    struct spool_books b;

    spool_books(o->reader, &b);
    return b.left == 0 || b.incoming - b.spooled >= incoming;
}

/* Until `mono`, or the end of the program. False: one of them has not got all. */
static bool deliver_rest(struct engine *en, struct stream *st, const struct stream_settings *conf, nsec mono)
{
    bool all = true;

    for (size_t i = 0; i < st->outlet_count; i++) /* all of them before any is waited for: one may be dead */
        if (goes(st, i, conf))
            outlet_flush_now(&st->outlets[i]);
    for (size_t i = 0; i < st->outlet_count; i++) {
        struct outlet *o = &st->outlets[i];
        struct spool_books b;

        if (!goes(st, i, conf))
            continue;
        spool_books(o->reader, &b);
        while (!has_settled(o, b.incoming) && !outlet_is_paused(o) && clock_mono() < mono &&
               !atomic_load(&en->stopping))
            (void)engine_await(en, st, never, clock_mono() + REOPEN_LOOK);
        all = all && has_settled(o, b.incoming);
    }
    return all;
}

static void say_what_is_left(const struct stream *st, const struct stream_settings *conf)
{
    for (size_t i = 0; i < st->outlet_count; i++) {
        const struct outlet *o = &st->outlets[i];
        struct spool_books b;

        spool_books(o->reader, &b);
        if (goes(st, i, conf) && b.left > 0)
            log_warn("a destination is removed, and records for it stay in the spool", KS("stream", st->conf->name),
                     KS("destination", settings_outlet_name(o->conf)), KU("records", b.left),
                     KS("hint", "configure it again to have them delivered, or list it in the stream's `give_up`"));
    }
}

/* --- the end and the beginning ---------------------------------------------------------------------------------------- */

/* Nobody sees it any more, and nothing of it is left but its place in the list. A pause that somebody was told of is noted. */
static void close_all(struct engine *en, struct engine_stream *es, struct engine_pauses *p)
{
    pthread_mutex_lock(&en->lock);
    es->state = STATE_CLOSING;
    while (es->users > 0)
        pthread_cond_wait(&en->changed, &en->lock);
    pthread_mutex_unlock(&en->lock);
    pauses_note(es->stream, p);
    stream_inputs_close(&es->inputs);
    es->inputs = (struct stream_inputs){.stream = es->conf->name};
    if (es->stream)
        stream_leave(es->stream);
    stream_close(&es->stream);
}

static int begin(struct engine *en, struct engine_stream *es, const struct stream_settings *conf, struct err *e)
{
    const struct stream_env env = engine_stream_env(en);

    pthread_mutex_lock(&en->lock);
    es->conf = conf;
    pthread_mutex_unlock(&en->lock);
    if (engine_take_descriptors(en, es, conf, es->reads, e) == 0 && stream_open(&es->stream, conf, &env, e) == 0 &&
        (es->reads_nothing || engine_begin_inputs(en, es, es->reads, &es->inputs, e) == 0))
        return 0;
    es->inputs = (struct stream_inputs){.stream = es->conf->name}; /* what there was of them is closed */
    if (es->stream)
        stream_leave(es->stream);
    stream_close(&es->stream);
    return -1;
}

/* Nothing can begin: the stream is gone, as one that was removed, and what it holds is in its spool. */
static void give_away(struct engine *en, struct engine_stream *es)
{
    engine_close_stream(en, es);
    pthread_mutex_lock(&en->lock);
    TAILQ_REMOVE(&en->streams, es, link);
    pthread_mutex_unlock(&en->lock);
    mem_free(es);
}

/* Everybody may see it again. */
static void show(struct engine *en, struct engine_stream *es, const struct engine_pauses *p,
                 enum engine_stream_state state)
{
    const struct input_env env = engine_input_env(en, es, es->reads);

    es->ended = es->gives_up = false;
    pauses_again(es->stream, p);
    stream_start(es->stream);
    stream_event(es->stream, clock_wall(), "reloaded: its destinations are others");
    engine_set_state(en, es, state);
    stream_inputs_resume(&es->standing, &env);
}

/* -1: it takes nothing in, or delivers nothing, until it is asked to change again. */
static int end(struct engine *en, struct engine_stream *es, struct err *e)
{
    nsec mono = clock_mono() + ENGINE_INPUTS_LEAVE_TIME;
    struct engine_late late = engine_end_intake(en, es, mono);

    es->ended = true;
    if (late.inputs || late.puts)
        return err_set(
            e, ERR_LIMIT,
            "stream `%s`: %s not end, because a disk or a source keeps %s; the stream takes nothing in until "
            "that answers, and it is changed again",
            es->conf->name, late.inputs ? "an input does" : "puts do", late.inputs ? "it" : "them");
    es->gives_up = true;
    stream_stop(es->stream);
    (void)engine_await(en, es->stream, stream_has_stopped, clock_mono() + REOPEN_STOP);
    stream_give_up(es->stream);
    if (!engine_await(en, es->stream, stream_has_given_up, clock_mono() + REOPEN_GIVE_UP))
        return err_set(e, atomic_load(&en->stopping) ? ERR_CANCELLED : ERR_LIMIT,
                       "stream `%s`: a write to a destination or to its spool, or a transform does not end; it "
                       "delivers nothing any more until that has ended, and it is changed again",
                       es->conf->name);
    return 0;
}

static int end_and_begin(struct engine *en, struct engine_stream *es, const struct stream_settings *conf,
                         enum engine_stream_state state, struct err *e)
{
    const struct stream_settings *before = stream_delivers(es->stream);
    struct engine_pauses pauses;
    struct err worse;

    if (end(en, es, e) < 0) {
        engine_set_state(en, es, state);
        return -1;
    }
    say_what_is_left(es->stream, conf);
    close_all(en, es, &pauses);
    if (begin(en, es, conf, e) == 0) {
        show(en, es, &pauses, state);
        return 0;
    }
    if (begin(en, es, before, &worse) == 0) {
        show(en, es, &pauses, state);
        return -1;
    }
    err_wrap(e, "stream `%s` is closed, because it cannot begin as it was either (%s)", conf->name, worse.msg);
    give_away(en, es);
    return -1;
}

int engine_reopen(struct engine *en, struct engine_stream *es, const struct stream_settings *conf, nsec grace,
                  enum engine_stream_state state, struct err *e)
{
    bool all = deliver_rest(en, es->stream, conf, clock_mono() + grace);

    if (atomic_load(&en->stopping)) {
        engine_set_state(en, es, state);
        return err_set(e, ERR_CANCELLED, "sluice is stopping");
    }
    stream_inputs_stop(&es->inputs);
    if (all && stream_inputs_stopped(&es->inputs, clock_mono() + ENGINE_INPUTS_LEAVE_TIME))
        (void)deliver_rest(en, es->stream, conf, clock_mono() + REOPEN_LAST); /* what came in meanwhile */
    return end_and_begin(en, es, conf, state, e);
}
