/* session.h -- what a client keeps of its session with a server of MQTT, so that of QoS 2 each message is one record, whatever breaks when.
 *
 *     none --open--> marking --the mark is safe, CONNECT--> connecting --session present--> on
 *                                                              |  |                          ^
 *                                        a new session: clearing  +--which one? probing------+
 *
 * Acknowledgements  go out in the order in which the PUBLISHes came, each when its record and all before it are safe: PUBACK of QoS 1,
 *                   PUBREC of QoS 2.
 * QoS 2             the packet identifier is remembered in the write that holds the record. A PUBLISH of an identifier that is known is the
 *                   same message again. PUBREL says that it will not come again: the identifier is forgotten, and when that is safe
 *                   PUBCOMP goes out. Only then the server may give it to another message. But one that gives a message up while we are away,
 *                   because its time is over, says nothing, and uses the identifier anew. What it sends again is marked so (DUP), or comes
 *                   before the answer to the first PING of the connection: what is neither is a new message, and the identifier is forgotten
 *                   before that is taken. So is what is not the text that came with this identifier, whatever its marks: a server that was
 *                   restarted, and keeps messages but not their identifiers (Artemis), gives these out anew and says DUP. A sum of the text is
 *                   remembered in the same write as the identifier; where an older version wrote there is none, and the marks decide.
 * A new session     begins with other meanings of all identifiers. They are forgotten before anything is subscribed to.
 *
 * Which session it is must be known after a crash, too. CONNACK says whether there was one; but one that was made by an attempt whose
 * CONNACK nobody has read is "present" the next time, and is not the one whose identifiers are known. So before CONNECT the log has the
 * mark "unsure", and gets "sure" when the answer was dealt with. Who finds "unsure" asks with a PING: the session that is known has
 * something to send again for each identifier, and messages; one that was made anew has no subscription, and nothing comes before the
 * answer. Whatever the server does: a wrong guess doubles a message, and loses none.
 *
 * It sends and stores through a keeper, has no clock and no connection.
 *
 * Threads    one. Ownership: mqtt_session_release(); the keeper outlives it.
 * Bounds     `most` messages without an answer, as many identifiers that are being forgotten as there are; who does not fit is taken later. 14 bytes
 *            for each identifier of QoS 2 that the server has not released.
 */
#ifndef PIPELINE_INPUTS_MQTT_SESSION_H
#define PIPELINE_INPUTS_MQTT_SESSION_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/mqtt/packet.h"
#include "pipeline/inputs/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MQTT_SUM_BYTES 10

/* What is to be safe before the session goes on; one at a time, answered by mqtt_session_stored(). In order with records and marks. */
enum mqtt_store {
    MQTT_STORE_NOTHING,
    MQTT_STORE_UNSURE, /* the mark */
    MQTT_STORE_CLEAR,  /* all identifiers are forgotten */
    MQTT_STORE_FORGET, /* these are */
};

/* Which message of QoS 2 an identifier means. */
struct mqtt_text {
    uint16_t id;
    bool known;                        /* the sum */
    unsigned char sum[MQTT_SUM_BYTES]; /* of identifier, topic and payload: the first bytes of a SHA-256 */
};

struct mqtt_keeper {
    /* A record; `number` is reported by mqtt_session_safe(). Of QoS 2 with its identifier, and the sum beside it: known, it is not taken twice.
     * `text`: NULL of the others. */
    enum window_answer (*take)(void *ctx, const struct mqtt_packet *p, const struct mqtt_text *text, uint64_t number);
    bool (*knows)(void *ctx, uint16_t id);
    /* Of what is to be forgotten FRAME_IDS_MAX / 2 at most: an identifier and its sum are two keys. */
    void (*store)(void *ctx, enum mqtt_store what, const struct mqtt_text *texts, size_t n);
    void (*mark_sure)(void *ctx); /* safe some time; behind all that was stored before */
    /* CONNECT, PINGREQ, PUBACK, PUBREC, PUBCOMP. -1: not now. */
    int (*send)(void *ctx, enum mqtt_kind kind, uint16_t id, uint8_t reason);
};

enum mqtt_session_state {
    MQTT_NONE,
    MQTT_MARKING,
    MQTT_CONNECTING,
    MQTT_PROBING,
    MQTT_CLEARING,
    MQTT_ON,
};

struct mqtt_ack {
    uint64_t number; /* goes out when this is safe */
    enum mqtt_kind kind;
    uint16_t id;
    uint8_t reason;
};

struct mqtt_session {
    const struct mqtt_keeper *keeper;
    void *ctx;
    enum mqtt_session_state state;
    bool sure;    /* the log says so */
    bool trusted; /* the identifiers that are known are those of the server's session */
    bool fresh;   /* the session was made anew: nothing is subscribed to */
    enum mqtt_store storing;
    bool failed; /* what was to be stored is not safe: the connection is to be given up */

    uint64_t numbers, safe;
    struct mqtt_ack *acks; /* a ring of `most` */
    size_t most, first, count;
    uint16_t *releases; /* identifiers of PUBREL in order; the first `forgetting` are being forgotten */
    size_t release_count, release_room, forgetting, completed;
    struct mqtt_text *texts; /* of identifiers that are not forgotten; as many as there are identifiers, at most */
    size_t text_count, text_room;
    struct mqtt_text offered; /* of a message that is to be offered again, so that its sum is made once */
    bool trusted_before;      /* CONNECT */
    bool probed;              /* PINGREQ is sent */
    bool answered;            /* a PINGRESP came over this connection */
};

/* `sure`: as the mark in the log says; no mark: false. */
void mqtt_session_init(struct mqtt_session *s, const struct mqtt_keeper *keeper, void *ctx, size_t most, bool sure);
void mqtt_session_release(struct mqtt_session *s);
/* As the log has it; from the oldest on, before the first connection. */
void mqtt_session_knows(struct mqtt_session *s, const struct mqtt_text *text);

/* There is a connection. Not while something is being stored. */
void mqtt_session_open(struct mqtt_session *s);
/* It is gone. */
void mqtt_session_lost(struct mqtt_session *s);

enum mqtt_took {
    MQTT_TOOK,
    MQTT_LATER,    /* offer it again */
    MQTT_REFUSED,  /* the CONNACK says no: p->reason */
    MQTT_BREAKING, /* the protocol is broken: *e says how */
};

/* CONNACK, PUBLISH, PUBREL, PINGRESP; others are not its own, and taken. `large`: a PUBLISH of which only the head is there. */
MUST_CHECK enum mqtt_took mqtt_session_take(struct mqtt_session *s, const struct mqtt_packet *p, bool large,
                                            struct err *e);
void mqtt_session_safe(struct mqtt_session *s, uint64_t upto);
void mqtt_session_stored(struct mqtt_session *s, bool safe);
/* Sends and stores what is due. */
void mqtt_session_turn(struct mqtt_session *s);

/* Nothing is in hand: all that came has its answer. */
bool mqtt_session_is_idle(const struct mqtt_session *s);

#endif
