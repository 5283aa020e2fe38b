/* Nothing here waits for the loop's thread without a limit, because a disk may keep it: starting happens on a held loop, stopping is
 * asked for and waited for apart, and what the thread is at is read from its note (inputs/loop.h). */
#include "pipeline/engine/stream_inputs.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>

#define WAITING_LOG_PERIOD (60 * NSEC_PER_SEC)
#define WAITING_HINT                                                                                                   \
    "look at the disk, or at the server that it is mounted from; the input goes on by itself as soon as it answers, "  \
    "and what is in the file is read then"

/* --- begin --------------------------------------------------------------------------------------------------------- */

static int open_one(struct stream_inputs *si, const struct input_settings *is, const struct input_env *env,
                    struct err *e)
{
    struct stream_input *in = &si->list[si->count];
    unsigned before = 0;

    in->ops = is->ops;
    in->env = *env;
    in->env.loop = si->loop;
    in->env.health = &in->health;
    for (size_t i = 0; i < si->count; i++)
        before += si->list[i].ops == is->ops;
    input_health_init(&in->health, is->ops->name, before);
    if (is->ops->open(&in->in, is->conf, &in->env, e) < 0) {
        input_health_release(&in->health);
        return err_wrap(e, "stream `%s`: input %s", si->stream, is->ops->name);
    }
    si->count++;
    si->finite += is->ops->finite;
    return 0;
}

int stream_inputs_open(struct stream_inputs *si, const struct input_settings *some, size_t n,
                       const struct input_env *env, struct loop_set *loops, struct err *e)
{
    *si = (struct stream_inputs){.stream = env->stream, .loops = loops};
    if (n == 0)
        return 0;
    if (stream_inputs_want_loop(some, n) && loop_set_take(loops, &si->loop, clock_mono(), e) < 0)
        return err_wrap(e, "stream `%s`: inputs", si->stream);
    si->list = mem_array(n, sizeof(*si->list));
    for (size_t i = 0; i < n; i++)
        if (open_one(si, &some[i], env, e) < 0)
            return -1;
    return 0;
}

bool stream_inputs_want_loop(const struct input_settings *some, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++)
        any = any || some[i].ops->loop;
    return any;
}

int stream_inputs_start(struct stream_inputs *si, struct err *e)
{
    for (; si->started < si->count; si->started++) {
        struct stream_input *in = &si->list[si->started];

        if (in->ops->start(in->in, e) < 0)
            return err_wrap(e, "stream `%s`: input %s", si->stream, in->ops->name);
    }
    return 0;
}

void stream_inputs_go(struct stream_inputs *si)
{
    if (si->loop)
        loop_go(si->loop);
}

void stream_inputs_await_begin(struct stream_inputs *si)
{
    struct loop_work w;

    while (si->loop && !loop_begun(si->loop, clock_mono() + ENGINE_TICK_MS * NSEC_PER_MSEC))
        if (loop_stands(si->loop, clock_mono(), ENGINE_START_WAIT, &w))
            return;
}

/* --- end ----------------------------------------------------------------------------------------------------------- */

void stream_inputs_stop(struct stream_inputs *si)
{
    stream_inputs_go(si); /* a held loop answers nobody */
    for (size_t i = 0; i < si->started; i++)
        si->list[i].ops->stop(si->list[i].in);
}

bool stream_inputs_stopped(struct stream_inputs *si, nsec until)
{
    for (; si->started > 0; si->started--) {
        struct stream_input *in = &si->list[si->started - 1];

        if (!in->ops->stopped(in->in, until))
            return false;
    }
    return true;
}

void stream_inputs_await_stopped(struct stream_inputs *si)
{
    while (!stream_inputs_stopped(si, NSEC_NEVER))
        ;
}

void stream_inputs_resume(struct stream_inputs *si, const struct input_env *env)
{
    for (; si->started < si->count; si->started++) {
        struct stream_input *in = &si->list[si->started];

        in->env = *env;
        in->env.health = &in->health;
        in->ops->resume(in->in, &in->env);
    }
}

void stream_inputs_close(struct stream_inputs *si)
{
    while (si->count > 0) {
        struct stream_input *in = &si->list[--si->count];

        in->ops->close(&in->in);
        input_health_release(&in->health);
    }
    MEM_CLEAR(si->list);
    if (si->loop)
        loop_set_give(si->loops, &si->loop);
}

char *stream_inputs_names(const struct stream_settings *s)
{
    char *names = mem_strdup("");

    for (size_t i = 0; i < s->input_count; i++) {
        char *longer = mem_printf("%s%s%s", names, *names ? ", " : "", s->inputs[i].ops->name);

        mem_free(names);
        names = longer;
    }
    return names;
}

/* --- disks that do not answer -------------------------------------------------------------------------------------- */

/* Where streams share a loop, the one whose file it is tells of it. */
void stream_inputs_watch(struct stream_inputs *si, nsec mono_now)
{
    struct loop_work w;
    bool waits =
        si->loop && loop_stands(si->loop, mono_now, INPUT_STANDS_LONG, &w) && strcmp(w.stream, si->stream) == 0;

    if (!waits && si->said_waiting) {
        log_info("the input goes on", KS("stream", si->stream),
                 KI("waited_s", (mono_now - si->said_waiting) / NSEC_PER_SEC));
        si->said_waiting = 0;
    }
    if (!waits || si->said_waiting || !log_due(&si->log, mono_now, WAITING_LOG_PERIOD))
        return;
    si->said_waiting = w.since;
    log_warn("an input waits for a file, and that does not end", KS("stream", si->stream), KS("input", w.input),
             KS("doing", w.doing), KS("path", w.path), KI("waited_s", (mono_now - w.since) / NSEC_PER_SEC),
             KS("hint", WAITING_HINT));
}

void stream_inputs_waiting(const struct stream_inputs *si, nsec mono_now, nsec least, struct waiting_input *out)
{
    struct loop_work w;
    bool own;

    *out = (struct waiting_input){.lasted = 0};
    if (!si->loop || !loop_stands(si->loop, mono_now, least, &w))
        return;
    own = strcmp(w.stream, si->stream) == 0;
    out->lasted = mono_now - w.since;
    snprintf(out->cause, sizeof(out->cause),
             "%s%s%s: the attempt to %s %s has been under way for %lld s and does not end%s", w.input,
             own ? "" : " of stream ", own ? "" : w.stream, w.doing, w.path, (long long)(out->lasted / NSEC_PER_SEC),
             own ? "" : ", and this stream's inputs share a thread with it");
    snprintf(out->hint, sizeof(out->hint), "%s", WAITING_HINT);
}
