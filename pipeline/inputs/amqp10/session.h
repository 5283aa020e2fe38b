/* session.h -- one receiving link over AMQP 1.0 as a session of broker/protocol.h, on the engine of Qpid Proton: bytes in, bytes out; the socket is not
 * Proton's.
 *
 *     IDLE --begin--> OPENING --the server attaches the link--> OPEN --leave--> LEAVING --its close--> LEFT
 *     any --closed, detached or refused by the server, bytes that are no AMQP, silence--> FAILED
 *
 * Transfers are unsettled. When a message is safe its delivery is accepted and settled; Proton sends runs of them as one disposition. Credit is the
 * window: `credit` messages may be here or on their way without an answer, so a full stream stops the server, while what it says otherwise (idle
 * frames) is read on.
 *
 *     accepted    it is safe in the spool
 *     rejected    too large, or no message at all: the server puts it where it puts such (dead letters)
 *     released    it came while the session leaves: it goes to somebody else, or comes again
 *     (nothing)   the connection ended: it comes again
 *
 * Ownership  conf is borrowed. Threads: one owner.
 */
#ifndef PIPELINE_INPUTS_AMQP10_SESSION_H
#define PIPELINE_INPUTS_AMQP10_SESSION_H

#include "pipeline/base/buf.h"
#include "pipeline/inputs/amqp10/attach.h"
#include "pipeline/inputs/amqp10/message.h"
#include "pipeline/inputs/broker/protocol.h"

#include <proton/connection_driver.h>
#include <proton/types.h>
#include <stdbool.h>
#include <stdint.h>

enum amqp10_state { AMQP10_IDLE, AMQP10_OPENING, AMQP10_OPEN, AMQP10_LEAVING, AMQP10_LEFT, AMQP10_FAILED };

struct amqp10_session {
    struct amqp10_session_conf conf;
    enum amqp10_state state;
    pn_connection_driver_t driver; /* while it is not IDLE */
    bool has_driver;
    pn_session_t *session;
    pn_link_t *link;
    bool leaving;
    bool topic; /* the server says that it is one, and it was not asked for */

    /* The delivery that stands first. */
    pn_delivery_t *current; /* NULL: none that is whole */
    struct buf bytes;       /* of it, so far */
    uint64_t size;
    struct amqp10_work work;
    struct broker_message message;

    /* Kept and not acknowledged, in order; a ring. */
    pn_delivery_t **held;
    size_t held_first, held_count, held_room;
    uint64_t held_number; /* of the first one; they follow one another */
    uint64_t safe_upto;
    uint64_t left; /* messages without an answer, too large */

    nsec answer_by; /* mono; NSEC_NEVER: nothing is overdue */
    nsec tick_at;   /* mono; as Proton wants it */
    const char *hint;
    struct err why; /* FAILED in message(), which cannot say it: take() or tick() does */
};

void amqp10_session_init(struct amqp10_session *s, const struct amqp10_session_conf *conf);
void amqp10_session_release(struct amqp10_session *s);

extern const struct broker_protocol amqp10_protocol;

#endif
