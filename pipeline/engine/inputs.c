/* The inputs of a stream: what they get of the engine, and how they begin. Those whose options stand in a section (standing) and the others are
 * opened apart: the first stay while the others are replaced. */
#include "pipeline/base/limits.h"
#include "pipeline/engine/impl.h"

/* Any thread. */
static void on_input_finished(void *ctx)
{
    struct engine_stream *es = ctx;

    atomic_fetch_sub(&es->unfinished, 1);
    if (atomic_fetch_sub(&es->engine->unfinished, 1) == 1)
        engine_tell(es->engine);
}

/* Those that have not finished never will: they have stopped. */
void engine_finish_inputs(struct engine_stream *es)
{
    size_t n = atomic_exchange(&es->unfinished, 0);

    if (n > 0 && atomic_fetch_sub(&es->engine->unfinished, n) == n)
        engine_tell(es->engine);
}

struct input_env engine_input_env(struct engine *en, struct engine_stream *es, const struct stream_settings *reads)
{
    struct stream *st = es->stream;

    return (struct input_env){
        .stream = es->conf->name,
        .spool = st->spool,
        .budget = &en->reading,
        .ahead = engine_share_ahead(en, es, reads),
        .windows = &en->windows,
        .descriptors = &en->descriptors,
        .metrics = &st->outlets[0].metrics,
        .pushback = &st->intake.pushback,
        .pace = &st->pace,
        .tale = engine_tale(es),
        .listeners = &en->listeners,
        .agent = en->agent,
        .base_dir = en->settings->base_dir,
        .seals = es->conf->at_source ? &st->outlets[0].source_journal : NULL,
        .once = en->once,
        .finished = on_input_finished,
        .ctx = es,
    };
}

int engine_open_standing(struct engine *en, struct engine_stream *es, const struct stream_settings *reads,
                         struct stream_inputs *standing, struct err *e)
{
    const struct input_env env = engine_input_env(en, es, reads);

    return stream_inputs_open(standing, reads->inputs, settings_standing(reads), &env, &en->loops, e);
}

/* The others. -1: what there is of them is to be stopped and closed as any others. */
int engine_open_inputs(struct engine *en, struct engine_stream *es, const struct stream_settings *reads,
                       struct stream_inputs *inputs, struct err *e)
{
    const struct input_env env = engine_input_env(en, es, reads);
    const struct input_settings *some = &reads->inputs[settings_standing(reads)];
    size_t n = reads->input_count - settings_standing(reads);
    int rc = stream_inputs_open(inputs, some, n, &env, &en->loops, e);

    if (rc < 0 && listeners_let_go(&en->listeners)) { /* what it wants waits for one that does not come back, perhaps */
        stream_inputs_close(inputs);
        rc = stream_inputs_open(inputs, some, n, &env, &en->loops, e);
    }
    if (rc < 0)
        return -1;
    atomic_store(&es->unfinished, inputs->finite);
    atomic_fetch_add(&en->unfinished, inputs->finite);
    return 0;
}

int engine_begin_inputs(struct engine *en, struct engine_stream *es, const struct stream_settings *reads,
                        struct stream_inputs *fresh, struct err *e)
{
    if (engine_open_inputs(en, es, reads, fresh, e) == 0 && stream_inputs_start(fresh, e) == 0) {
        stream_inputs_go(fresh);
        stream_inputs_await_begin(fresh);
        return 0;
    }
    stream_inputs_stop(fresh);
    stream_inputs_await_stopped(fresh);
    engine_finish_inputs(es);
    committer_barrier(en->committer);
    stream_inputs_close(fresh);
    return -1;
}
