/* reader.h -- lines that come through a pipe, on their way into the spool: what programs print (exec.c), and what is written into named pipes
 * (fifo.c). Both have a thread of their own (input_thread.h), whose loop it is part of.
 *
 *     pipe_reader_wants()   is there room? Then the descriptor is polled
 *     pipe_reader_read()    it is ready
 *     pipe_reader_last()    nothing follows: what is there without a newline is a line; until pipe_reader_begin()
 *     pipe_reader_turn()    in each turn: lines into the window, the window into the spool
 *     pipe_reader_end()     it is asked to stop
 *
 * A pipe cannot be read again. What was read stays here until the spool calls it safe, also when a disk refuses; with a kill, what was read and not
 * yet safe is lost. Back-pressure is not reading: the pipe fills up, and its writer waits.
 *
 * Threads    the input's own. Ownership: embedded; release behind the committer's end.
 */
#ifndef PIPELINE_INPUTS_PIPE_READER_H
#define PIPELINE_INPUTS_PIPE_READER_H

#include "pipeline/base/buf.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/window.h"

#include <stdbool.h>

struct pipe_reader {
    const struct input_env *env;
    const char *label;
    struct input_thread *thread; /* set by pipe_reader_start() */
    char origin[300];
    struct window window;
    struct buf data;
    size_t used;   /* of data: lines that are in the window */
    size_t looked; /* behind these no newline was found up to here */
    bool mid_line; /* a part of this line is in the window already */
    bool last;     /* nothing follows */
    uint64_t number;
};

/* `origin`: what is known of all its records. What it is given outlives it. */
void pipe_reader_init(struct pipe_reader *r, const struct input_env *env, const char *label, const char *origin);
void pipe_reader_release(struct pipe_reader *r); /* the thread, too, which has ended */

MUST_CHECK int pipe_reader_start(struct pipe_reader *r, void (*run)(struct input_thread *t, void *arg), void *arg,
                                 struct err *e);

bool pipe_reader_wants(const struct pipe_reader *r);

enum pipe_read {
    PIPE_READ_SOME, /* or nothing, for now */
    PIPE_READ_END,
    PIPE_READ_FAILED, /* errno says why */
};
enum pipe_read pipe_reader_read(struct pipe_reader *r, int fd, bool *got); /* got: there was something */

void pipe_reader_last(struct pipe_reader *r);
void pipe_reader_begin(struct pipe_reader *r); /* something new follows, behind all that was there */
/* All lines that were read are in the window, and none is half. */
bool pipe_reader_is_empty(const struct pipe_reader *r);

/* Returns when the next turn is due though nothing happens (mono). */
nsec pipe_reader_turn(struct pipe_reader *r, nsec mono_now);
/* All is safe. */
bool pipe_reader_is_idle(const struct pipe_reader *r);

/* Reads what lies in the pipe at this time, and not what comes behind that, as far as there is room. True: that was all. */
bool pipe_reader_rest(struct pipe_reader *r, int fd, nsec mono_now);

/* The last work, until `until`: reads what lies in the pipe (-1: it is not open), closes it, waits for all to become safe, and says what was lost. */
void pipe_reader_end(struct pipe_reader *r, int *fd, nsec until);

#endif
