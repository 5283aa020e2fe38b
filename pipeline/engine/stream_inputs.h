/* stream_inputs.h -- some inputs of one stream and the loop that they run on: opened, started, watched and stopped together. A stream has two sets
 * of them: those that are replaced together, and those that stay meanwhile (input_ops.section).
 *
 *     open     what they need is there, or what is missing is said; nothing runs
 *     start    they are ready, and the loop is held: a thread that a disk keeps holds up no start
 *     go       they work
 *     stop     they are asked to end, and nobody waits
 *     stopped  they have ended: nothing more is appended
 *     close    after that, when the committer has stopped: what they had is given back
 *
 * A disk that does not answer (a network disk whose server is gone) keeps the loop's thread for ever. It is said once in the log, shown
 * by stream_inputs_waiting(), and `stopped` is false then.
 *
 * Threads    stream_inputs_waiting(): any. The rest: one at a time.
 * Ownership  embedded in its owner; settings, spool and the set of loops outlive it.
 */
#ifndef PIPELINE_ENGINE_STREAM_INPUTS_H
#define PIPELINE_ENGINE_STREAM_INPUTS_H

#include "pipeline/base/log.h"
#include "pipeline/delivery/stream_status.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/loop_set.h"
#include "pipeline/settings/settings.h"

struct stream_input {
    const struct input_ops *ops;
    struct input *in;
    struct input_env env;
    struct input_health health;
};

struct stream_inputs {
    const char *stream;
    struct loop_set *loops;
    struct input_loop *loop; /* NULL: none of them wants one */
    struct stream_input *list;
    size_t count, started;
    size_t finite;     /* of them, those that end by themselves with --once */
    nsec said_waiting; /* mono; since when it waits for the file that the log has named; 0: the log has named none */
    struct log_limit log;
};

/* `env`: what all of them get, but for the loop. When it fails, what there is is closed as any other. */
MUST_CHECK int stream_inputs_open(struct stream_inputs *si, const struct input_settings *some, size_t n,
                                  const struct input_env *env, struct loop_set *loops, struct err *e);
bool stream_inputs_want_loop(const struct input_settings *some, size_t n);
MUST_CHECK int stream_inputs_start(struct stream_inputs *si, struct err *e);
void stream_inputs_go(struct stream_inputs *si);
/* `start: end` means the end as it is now: waits for the first looks, but for none that is kept at one file. */
void stream_inputs_await_begin(struct stream_inputs *si);

void stream_inputs_stop(struct stream_inputs *si); /* again: nothing */
MUST_CHECK bool stream_inputs_stopped(struct stream_inputs *si, nsec until);
void stream_inputs_await_stopped(struct stream_inputs *si); /* as long as it takes */
/* Those whose options stand in a section: they have stopped, and go on with `env`. */
void stream_inputs_resume(struct stream_inputs *si, const struct input_env *env);
void stream_inputs_close(struct stream_inputs *si);

/* "api, tail": for people; the caller frees it. */
char *stream_inputs_names(const struct stream_settings *s);

/* To be called from time to time: tells the log when they begin to wait for a file, and when they go on. */
void stream_inputs_watch(struct stream_inputs *si, nsec mono_now);
/* The file that they have been at for `least` or longer; lasted is 0 when there is none. */
void stream_inputs_waiting(const struct stream_inputs *si, nsec mono_now, nsec least, struct waiting_input *out);

#endif
