/* session.h -- one connection to a server of AMQP 0-9-1 as bytes in and bytes out: logs in, consumes one queue on one channel, acknowledges, leaves.
 *
 *     CLOSED --begin--> GREETED --> TUNED --> OPENING --> IDLE --consume--> CHANNEL --> QOS --> CONSUME --> RUNNING   (or --> CHECK --> RUNNING)
 *                                                          ^                                                 |
 *                                                          +--close-ok-- LEAVING <--------leave--------------+
 *     any --amqp091_session_close()--> CLOSING --> ENDED;   any --the server ends it, or breaks the rules--> ENDED
 *
 * It opens no socket and has no clock. Its owner moves bytes: from the socket to amqp091_session_read(), from `out` to the socket; and calls
 * amqp091_session_tick().
 *
 * In LEAVING and CLOSING what still comes is thrown away: it was not acknowledged, so the server hands it out again.
 *
 * Threads    one. Ownership: embedded; amqp091_session_release(). What `conf` points to outlives it.
 */
#ifndef PIPELINE_INPUTS_AMQP091_SESSION_H
#define PIPELINE_INPUTS_AMQP091_SESSION_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/amqp091/message.h"
#include "pipeline/inputs/amqp091/options.h"

#include <stdbool.h>
#include <stdint.h>

struct session_conf {
    const char *vhost, *username, *password, *queue;
    bool by_certificate;          /* instead of name and password */
    const char *name;             /* of the connection, as the server's administrator sees it */
    uint16_t prefetch, heartbeat; /* heartbeat: seconds */
    bool looks; /* amqp091_session_consume() takes nothing, but asks whether the queue is there: SESSION_COUNTED */
};

enum session_state {
    SESSION_CLOSED,
    SESSION_GREETED, /* the server's word is awaited, as in all that follow but for IDLE and RUNNING */
    SESSION_TUNED,
    SESSION_OPENING,
    SESSION_IDLE,
    SESSION_CHANNEL,
    SESSION_CHECK,
    SESSION_QOS,
    SESSION_CONSUME,
    SESSION_RUNNING,
    SESSION_LEAVING,
    SESSION_CLOSING,
    SESSION_ENDED, /* the connection is of no more use */
    SESSION_STATES,
};

enum session_event {
    SESSION_MORE,      /* nothing: bytes are missing, amqp091_session_needs() in one piece */
    SESSION_GOES_ON,   /* a frame was read that matters to nobody else */
    SESSION_LOGGED_IN, /* IDLE */
    SESSION_CONSUMES,  /* RUNNING */
    SESSION_MESSAGE, /* s->message is whole; amqp091_message_clear() when it has gone its way. Until then nothing is read */
    SESSION_COUNTED,  /* s->waiting */
    SESSION_IS_QUEUE, /* what was asked for with place->check. RUNNING, and nothing comes: leave */
    SESSION_END,      /* s->end: a number near the end of the stream */
    SESSION_LEFT,     /* IDLE, as asked for */
    SESSION_CANCELLED, /* the server has ended the consumer: the queue is gone, or moves. RUNNING, and nothing comes any more */
    SESSION_THROWN_OUT, /* the server has closed the channel; s->code, s->text say why. IDLE */
    SESSION_OVER,       /* ENDED: as asked for, or s->code, s->text */
    SESSION_BAD,        /* ENDED: what the server sent breaks the rules */
};

/* Where to begin. */
struct session_place {
    struct amqp091_begin begin;
    bool known; /* a stream's: the next message has this number */
    uint64_t next;
    bool
        check; /* nothing is consumed: is it a queue? A stream's server ends the connection with AMQP_NOT_IMPLEMENTED */
};

struct session {
    struct session_conf conf;
    struct session_place place;
    enum session_state state;
    nsec since; /* mono; in this state */
    struct buf out;
    bool no_room; /* out was full: the server takes nothing */
    size_t frame_max;
    unsigned heartbeat; /* seconds, as agreed; 0: none */
    nsec heard, said;   /* mono */
    bool counting;
    bool ending, of_end; /* the end of the stream is asked for; the message is that answer */
    uint64_t end;
    uint64_t waiting; /* messages that the queue has, without those that are handed out */
    uint16_t code;
    char text[256];
    bool discards; /* messages that come are thrown away */
    struct message message;
    amqp_pool_t pool;
};

void amqp091_session_init(struct session *s, const struct session_conf *conf);
void amqp091_session_release(struct session *s);
void amqp091_session_reset(struct session *s); /* CLOSED; whatever it was */

void amqp091_session_begin(struct session *s, nsec now);

/* Reads one frame at most: *took bytes of `bytes` (which are not empty) are used. */
enum session_event amqp091_session_read(struct session *s, struct slice bytes, size_t *took, nsec now, struct err *e);
size_t amqp091_session_needs(const struct session *s, struct slice bytes);

void amqp091_session_consume(struct session *s, const struct session_place *place, nsec now); /* IDLE */
void amqp091_session_count(struct session *s);                                                /* RUNNING */
/* RUNNING, of a stream: where does it end? The first message of its last chunk is asked for, and thrown away. */
void amqp091_session_ask_end(struct session *s);
/* RUNNING, with a number of a message that is neither acknowledged nor refused; acknowledges all before it as well. */
void amqp091_session_ack(struct session *s, uint64_t upto);
void amqp091_session_reject(struct session *s, uint64_t tag); /* not to be handed out again */
/* From now on what comes is thrown away, also what is there in part. */
void amqp091_session_discard(struct session *s);
void amqp091_session_leave(
    struct session *s, nsec now); /* not in IDLE and before it: the channel, and with it all that is not acknowledged */
void amqp091_session_close(struct session *s, nsec now); /* again: nothing */

/* Is there a channel on which messages may be acknowledged? */
bool amqp091_session_has_channel(const struct session *s);

/* Sends a heartbeat when it is time. -1: the server has not been heard for too long, or owes an answer for too long. */
MUST_CHECK int amqp091_session_tick(struct session *s, nsec now, struct err *e);
nsec amqp091_session_next_tick(const struct session *s);

/* What to do about a code of the server's. */
const char *amqp091_session_hint(uint16_t code, const char *text);

#endif
