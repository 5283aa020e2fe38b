/* session.h -- one subscription over STOMP as a session of broker/protocol.h: CONNECT, SUBSCRIBE, each MESSAGE acknowledged by itself, heart-beats,
 * DISCONNECT.
 *
 *     IDLE --begin--> CONNECTING --CONNECTED--> SUBSCRIBING --RECEIPT or MESSAGE--> OPEN
 *     any of these --leave--> LEAVING --RECEIPT of DISCONNECT--> LEFT
 *     any --ERROR, bytes that are no STOMP, silence--> FAILED
 *
 * Messages are acknowledged one by one (`ack: client-individual`), in the order in which they came, when they are safe. While it leaves, the
 * subscription stays: a server may take messages back when it ends, and refuse the ACK of those that are safe.
 *
 * A message that is too large is left without an answer, or NACKed, as the option `too_large` says.
 *
 * Ownership  conf is borrowed. Threads: one owner.
 */
#ifndef PIPELINE_INPUTS_STOMP_SESSION_H
#define PIPELINE_INPUTS_STOMP_SESSION_H

#include "pipeline/inputs/broker/protocol.h"
#include "pipeline/inputs/stomp/parser.h"

#include "pipeline/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct stomp_header_option {
    struct slice name, value;
};

struct stomp_session_conf {
    const char *vhost, *user, *password;               /* user "" or NULL: none of both */
    const char *client_id;                             /* NULL: none */
    const char *destination, *selector, *subscription; /* the last two may be NULL */
    const struct stomp_header_option *headers;         /* of SUBSCRIBE, beside those above */
    size_t header_count;
    uint32_t prefetch;
    nsec heart_beat; /* 0: none */
    bool nack_too_large;
    bool connect_only; /* is open when it is connected: nothing is subscribed */
    size_t body_max;   /* 0: RECORD_MAX_BYTES */
};

enum stomp_state {
    STOMP_IDLE,
    STOMP_CONNECTING,
    STOMP_SUBSCRIBING,
    STOMP_OPEN,
    STOMP_LEAVING,
    STOMP_LEFT,
    STOMP_FAILED
};

struct stomp_session {
    struct stomp_session_conf conf;
    enum stomp_state state;
    struct stomp_parser parser;
    struct buf out;
    size_t out_from; /* what is before it is written */
    bool v12;        /* of the protocol: ACK names the message by its header `ack` */
    bool leaving;    /* asked to */
    bool said_bye;

    bool has_message;
    struct broker_message message;
    struct slice ack; /* its id for the server */
    struct buf facts, id;

    /* What was kept and is not acknowledged: the ids, one after the other, each with its length before it (u16). */
    struct buf held;
    size_t held_from;
    uint64_t held_first, held_count; /* the number of the first one; they follow one another */
    uint64_t safe_upto;
    uint64_t left; /* messages without an answer, too large */

    nsec answer_by;     /* mono; NSEC_NEVER: nothing is overdue */
    nsec beat, silence; /* how often we send one; how long the server may be silent. 0: not at all */
    nsec sent, heard;   /* mono; the last time */
    nsec stuck;         /* mono; since when nothing of what is to be written could be; NSEC_NEVER: it could */
    const char *hint;
};

void stomp_session_init(struct stomp_session *s, const struct stomp_session_conf *conf);
void stomp_session_release(struct stomp_session *s);

extern const struct broker_protocol stomp_protocol;

#endif
