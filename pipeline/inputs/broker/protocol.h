/* protocol.h -- what the loop of an input (broker.h) knows of the protocol of a broker that hands out messages and waits for an answer to each.
 *
 * A session of a protocol is bytes in and bytes out: it has no socket, no clock, no window and writes no log. So its tests cut the bytes where
 * they like. It goes
 *
 *     begin()     a connection is there: the first words are to be written
 *     take()      bytes came: takes them, up to and with a message, and leaves the rest (but see `reads_on`)
 *     message()   the message that stands first, until
 *     keep()      it is in the window under this number, or
 *     refuse()    it is larger than a record or the spool may be, or
 *     pass()      it is dropped, and comes again
 *     safe()      all that was kept up to this number is in the spool: it is acknowledged now, and not before
 *     leave()     nothing more is taken. What is safe is acknowledged, then the session says its last words
 *     has_left()  and hears that the server has read them, or need not hear it
 *
 * A session that failed (-1) does nothing more until begin(), and knows of no message: the server hands out again what it has no answer for.
 *
 * Threads    the input's own.
 */
#ifndef PIPELINE_INPUTS_BROKER_PROTOCOL_H
#define PIPELINE_INPUTS_BROKER_PROTOCOL_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct broker_message {
    struct slice data, facts, id; /* borrowed until it is kept, refused or passed; id "": it has none */
    uint64_t size;                /* of the whole, also when it is too large and data is empty */
    bool too_large;               /* for a record */
    bool unreadable;              /* `why`: no record can be made of it; it is refused */
    const char *why;
    bool again;     /* the server says that it was handed out before */
    bool facts_cut; /* not all that is known of it is in `facts` */
};

struct broker_protocol {
    const char *name; /* of the input: stomp */
    /* take() takes all there is, also behind a message that stands, and keeps it: bounded by what the server may send, and by is_full(). Else
     * nothing is read while a message stands that does not fit into the window. */
    bool reads_on;

    void (*begin)(void *session, nsec mono_now);
    MUST_CHECK int (*take)(void *session, struct slice *bytes, nsec mono_now, struct err *e);
    const struct broker_message *(*message)(void *session); /* NULL: none */
    void (*keep)(void *session, uint64_t number);
    void (*refuse)(void *session);
    void (*pass)(void *session);
    void (*safe)(void *session, uint64_t upto);
    void (*leave)(void *session, nsec mono_now);
    bool (*has_left)(void *session);

    /* The subscription is there: messages may come. */
    bool (*is_open)(void *session);
    /* It takes no message, since too many have no answer yet: nothing is to be read. */
    bool (*is_full)(void *session);
    /* What is to be written, borrowed until the next call; and how much of it was. */
    struct slice (*out)(void *session);
    void (*wrote)(void *session, size_t n, nsec mono_now);
    /* Time passes: heart-beats are to be sent, answers are overdue. `reading`: what the server sends is read, so its silence counts. */
    MUST_CHECK int (*tick)(void *session, bool reading, nsec mono_now, struct err *e);
    nsec (*next)(void *session); /* mono; when tick() has something to do */
    /* What to do about the failure of take() or tick(). */
    const char *(*hint)(void *session);
    /* What an operator should hear once of the session that has opened; NULL: nothing. */
    const char *(*remark)(void *session);
    /* What becomes of messages that are refused. */
    const char *(*refusal)(void *session);
};

#endif
