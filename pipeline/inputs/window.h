/* window.h -- what an input has taken from its source and may not acknowledge yet: bounded in records and bytes, in order.
 *
 * For sources that hand out messages and wait for an answer, or that are read by positions: queues, brokers, streams. The
 * input offers messages; the window puts them into frames and appends these, and says up to which message all is safe.
 *
 *     window_put()     a message, with a number of the input's own that grows (a delivery tag, an index)
 *     window_flush()   behind each turn of reading: what is in the open frame goes to the spool, unless a frame is still on
 *                      its way there. So a frame is as large as the time of one commit makes it
 *     window_look()    when news() was called, and now and then (a timer): "all up to number n is safe", or "it was refused"
 *
 *     open --the spool refuses what was appended--> broken --window_reset()--> open
 *
 * In order: a number is reported when it and all before it are safe. When the disk refuses, all that is not reported yet
 * is not in the spool, the open frame is thrown away, and nothing more is taken until window_reset(): the input makes
 * its source hand out again what follows the last safe number (seeks back, gives back, connects anew), and then resets.
 * So a position never runs ahead of records that are missing.
 *
 * A message with an id that is known is not taken twice: it is counted, and its number is safe when the first one is.
 *
 * A full spool, a disk that refuses and memory that is in use make the window full: the frame waits here and is offered again
 * by window_flush(), window_put() says WINDOW_FULL, and the input stops reading in its own way. It is all noted (pushback.h). A message that
 * needs a frame of its own gets it when the spool has room for it, so that the memory is not in use meanwhile.
 *
 * Threads    one owner, a loop's or an input_thread.h's, at a time. news(): the committer's thread, short: loop_group_tell()
 *            or input_thread_wake().
 * Memory     frames are the budget's, but for one that the spool does not take now. At most WINDOW_FRAMES of them are on their way.
 * Ownership  embedded in its owner; must live until the committer has stopped, or window_is_idle().
 */
#ifndef PIPELINE_INPUTS_WINDOW_H
#define PIPELINE_INPUTS_WINDOW_H

#include "pipeline/base/budget.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/health.h"
#include "pipeline/inputs/pushback.h"
#include "pipeline/spool/spool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window_conf {
    struct spool *spool;
    struct budget *budget;
    struct pushback *pushback;   /* may be NULL */
    struct input_health *health; /* likewise; records, bytes and duplicates are counted there */
    struct slice origin;         /* of all records: "input=kafka topic=orders"; borrowed */
    struct slice id_source;      /* empty: messages have no ids; borrowed */
    struct id_bounds ids;
    /* What may be without an answer. 0: WINDOW_RECORDS_DEFAULT, WINDOW_BYTES_DEFAULT. One message is always taken. */
    uint32_t records;
    size_t bytes;
    /* Its source cannot hand out the same again: what the disk refuses is kept here and offered again, in order, and the window does not
     * break for it. */
    bool keeps;
    void (*news)(void *ctx);
    /* The open frame takes no more messages: the last moment for window_set_position(). On the owner's thread, in a call of the
     * window's; for a source that does not want to say after each message where it goes on. May be NULL. */
    void (*closing)(void *ctx);
    void *ctx;
};

/* Messages that go the same way. */
struct window_sum {
    uint64_t last; /* the number of the last one */
    uint32_t records;
    size_t bytes; /* with facts and ids */
    size_t data;  /* the records alone */
};

struct window_frame {
    struct spool_wait wait; /* first */
    struct window *owner;
    struct window_sum sum; /* guarded by the window's lock, as `done` */
    struct window_sum all; /* as it was appended */
    bool done, safe;
    bool dropped;       /* nobody wants to hear of it any more */
    struct frame *back; /* what the disk has refused, and is to be offered again; NULL: nothing */
};

struct window {
    struct window_conf conf;
    struct frame *open; /* NULL: none */
    struct window_sum open_sum;
    bool due;         /* the open one takes no more */
    nsec held;        /* since when nothing goes in; 0: it does */
    uint32_t records; /* not reported yet, with those of `open` */
    size_t bytes;
    uint64_t duplicates; /* so far */
    bool any_known;      /* a message that needs no frame is safe, with all before it: */
    uint64_t known;

    pthread_mutex_t lock;
    bool broken, ended;                        /* guarded by lock, as what follows */
    struct window_frame frames[WINDOW_FRAMES]; /* a ring, in the order in which they were appended */
    unsigned first, count;
};

void window_init(struct window *w, const struct window_conf *conf);
void window_release(struct window *w);

enum window_answer {
    WINDOW_TAKEN,  /* its number will be reported */
    WINDOW_FULL,   /* not taken: stop reading, offer it again when window_has_room() */
    WINDOW_BROKEN, /* not taken: see window_look() */
    /* Not taken, and never will be: spool.limit, or the limit on the size of files, is smaller than the message. The input says so
     * and puts it where its source has a place for such. */
    WINDOW_TOO_LARGE,
};

/* m->data.n <= RECORD_MAX_BYTES, m->facts.n <= RECORD_FACTS_MAX. `number`: what may be acknowledged when this record is safe, and all before it;
 * it never gets smaller. Of a message of several records the last one has its id and its number, the others no id and the number
 * of the message before. */
MUST_CHECK enum window_answer window_put(struct window *w, const struct frame_message *m, uint64_t number,
                                         nsec wall_now, nsec mono_now);
/* So many records that are one message, of so many bytes and with so many bytes of facts in all, and an id with the last, go into one frame when they are
 * put next: so they become safe together. False: not now, as WINDOW_FULL. A message of one record needs no such thing. */
MUST_CHECK bool window_fits(struct window *w, uint32_t records, size_t data, size_t facts, nsec wall_now,
                            nsec mono_now);
/* Has a message with this id been taken? Pending: it is here, or on its way. */
enum spool_id window_id_seen(const struct window *w, struct slice id);
/* Where the source goes on behind the message that was taken last; of several sources, FRAME_POSITIONS_MAX in one frame at most. Nothing
 * when the window is broken, or the message was known already and everything before it is safe. */
void window_set_position(struct window *w, struct slice source, struct slice cursor);
/* What was taken last is the last one of its frame: so a source can keep to as many positions as a frame takes. */
void window_cut(struct window *w);
/* What is in the open frame was never taken: a source that can be read again, and is to be read by somebody else. What is on its way to
 * the spool becomes safe or not, and is reported. */
void window_drop_open(struct window *w);
void window_flush(struct window *w, nsec mono_now);
bool window_has_room(const struct window *w);

struct window_news {
    bool safe; /* some more is safe: all up to the number `upto` */
    uint64_t upto;
    bool refused; /* what follows is not in the spool: window_reset() when the source will hand it out again */
};
/* What is new since the last call; flushes as window_flush(). */
struct window_news window_look(struct window *w, nsec mono_now);
/* Nothing is left of what was taken and not reported. The window is broken, or the source's session is over; what is on its way to
 * the spool becomes safe or not, and is not reported. Numbers may begin anew. */
void window_reset(struct window *w);

/* What was taken and is in no frame that the spool has: lost, when nothing comes behind this. */
struct window_sum window_left(struct window *w);

/* Everything that was taken was reported. */
bool window_is_idle(const struct window *w);

/* The owner leaves: nothing is offered to the spool any more. What is on its way there becomes safe, and is reported. */
void window_end(struct window *w);

#endif
