/* objects.h -- messages that name objects of S3 (event.h): the objects are read line by line into an input's window, some at a time, and the message
 * is done when all of its objects are read.
 *
 *     objects_take()     a message: is there a reader for it?
 *     objects_turn()     in each turn of the input: answers are looked at, lines put, pieces asked for
 *     objects_ended()    behind it, until false: what has become of a message
 *     objects_closing()  the window's `closing`
 *     objects_drop()     at the end, or when the spool refuses: the source hands all messages out again
 *
 * A reader has one message, and reads its objects one behind the other:
 *
 *     IDLE --objects_take()--> NEXT --not known yet--> ASK --sent--> ASKED --a piece--> LINES --no more of it--> ASK
 *                               ^                      ^   \                              |
 *                               +---the object ends----+    +--failed: later again        +--the object ends--> NEXT
 *     NEXT, no object is left, or one is refused --> ENDED --objects_ended()--> IDLE
 *
 * Of each object the last line has its id, so one that is named again, by another message or by the same, is not read again while the id is
 * remembered. The other lines have a place (places.h), so that one that was read in part goes on behind what is safe: from the
 * same version, or ETag.
 *
 * Ownership  conf is copied, what it points to outlives it. Threads: the input's own.
 * Memory     for each reader a piece as it is stored, a line and a piece of text (some 3 MiB), three times the message, and a window of zstd: up to 8 MiB, and larger ones from `windows`.
 */
#ifndef PIPELINE_INPUTS_OBJECTS_OBJECTS_H
#define PIPELINE_INPUTS_OBJECTS_OBJECTS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/connection.h"
#include "pipeline/inputs/health.h"
#include "pipeline/inputs/objects/get.h"
#include "pipeline/inputs/objects/places.h"
#include "pipeline/inputs/objects/text.h"
#include "pipeline/inputs/window.h"

#include <stdbool.h>
#include <stdint.h>

struct objects_conf {
    const char *stream, *input; /* for the log: the input's label */
    const char *source;         /* what names the objects, for people: a queue's address */
    struct object_store_conf store;
    unsigned readers;
    struct budget *windows; /* see input_env */
    struct spool *spool;
    struct window *window;
    uint64_t *numbers;           /* of the window: the last one that was given */
    struct slice id_source;      /* the window's; empty: nothing is remembered */
    const char *place_source;    /* what places are called in the spool */
    struct input_health *health; /* may be NULL */
};

enum objects_fate {
    OBJECTS_READ,    /* it is done when the window has called safe what it has taken so far */
    OBJECTS_REFUSED, /* it stays at its source, and has been told of */
};

enum object_reader_step {
    READER_IDLE,
    READER_NEXT,
    READER_ASK,
    READER_ASKED,
    READER_LINES,
    READER_ENDED,
};

struct object_reader {
    enum object_reader_step step;
    void *message; /* the caller's; NULL: it was dropped, and its call has not ended yet */
    char message_id[129];
    enum objects_fate fate;
    struct object_list list;
    size_t nth; /* of the list: the object that is read */
    char identity[OBJECT_IDENTITY_CHARS + 1];
    struct object_place *place;
    struct object_text text;
    struct object_get get;
    uint64_t from;    /* of the object as it is stored: what is asked for next */
    bool ended;       /* nothing is behind `from` */
    bool works_on;    /* what is before the next line is not all unpacked */
    unsigned tries;   /* for one that is gone */
    unsigned away;    /* how often in a row it could not be had */
    uint64_t answers; /* that there were then */
    nsec again;       /* mono; not before */
    struct buf facts;
    size_t facts_same; /* of them: what is the same of each line */
};

struct objects {
    struct objects_conf conf;
    struct object_store store;
    struct object_places places;
    struct object_reader *readers;
    struct connection trouble;
    uint64_t answers; /* of the store, but for those that say "later" */
    struct log_limit refused, alone, gone, changed, odd;
};

MUST_CHECK int objects_open(struct objects *o, const struct objects_conf *conf, struct err *e);
void objects_close(struct objects *o); /* nothing is under way */
/* Before the first turn. */
void objects_begin(struct objects *o, struct input_thread *thread);

enum objects_answer {
    OBJECTS_TAKEN,
    OBJECTS_FULL,     /* later: all readers are busy */
    OBJECTS_NOTHING,  /* it is an event, and names nothing to read */
    OBJECTS_NO_EVENT, /* or one with a bucket that cannot be */
};
/* `message`: whatever the caller knows it by. `id`: the source's, for stores that do not tell the versions of an object apart. The text is copied
 * as far as it is needed. */
MUST_CHECK enum objects_answer objects_take(struct objects *o, void *message, struct slice id, struct slice text);

void objects_turn(struct objects *o, nsec mono_now);
MUST_CHECK bool objects_ended(struct objects *o, void **message, enum objects_fate *fate);
void objects_closing(struct objects *o);
/* A reader has more to do at once, and has left off so that others get their turn. */
bool objects_work_on(const struct objects *o);
/* When something is due that nobody wakes the thread for; at most `latest`. */
nsec objects_next(const struct objects *o, nsec mono_now, nsec latest);

/* Messages that have not ended are forgotten, and their calls end soon. What the window has taken of them stays. */
void objects_drop(struct objects *o);
/* The window was reset: objects go on where the spool says. Nothing is read. */
void objects_restore(struct objects *o);
bool objects_are_idle(const struct objects *o);

#endif
