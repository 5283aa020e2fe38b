/* packet.h -- packets of MQTT 3.1.1 and 5: what a server sends is read, what a client says is written.
 *
 * Reading takes the bytes that are there and says how many a packet has, or how many are needed to go on: so what is read may come in
 * pieces of any size. Nothing is copied: the slices of a packet point into the bytes.
 *
 * Texts are taken as they are: a topic that is not UTF-8 is a topic. A server hands out again what is not acknowledged, so who is strict
 * with such a one never gets past it.
 *
 * MQTT 3.1.1 and MQTT 5.0, OASIS, sections 2 and 3. Pure.
 */
#ifndef PIPELINE_INPUTS_MQTT_PACKET_H
#define PIPELINE_INPUTS_MQTT_PACKET_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mqtt_version { MQTT_3 = 4, MQTT_5 = 5 }; /* as CONNECT says it */

enum mqtt_kind {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
};

struct mqtt_packet {
    enum mqtt_kind kind;
    size_t size;    /* all of it, in bytes */
    uint16_t id;    /* of PUBLISH with QoS 1 and 2, PUBREL, SUBACK, UNSUBACK */
    uint8_t reason; /* of CONNACK, PUBREL, DISCONNECT */
    bool session_present;
    bool dup, retain;
    uint8_t qos;
    struct slice topic, payload;
    struct slice properties; /* MQTT 5; checked: mqtt_property_next() */
    struct slice reasons;    /* SUBACK, UNSUBACK: a byte for each topic; of UNSUBACK in MQTT 3.1.1 none */
};

enum mqtt_read {
    MQTT_WHOLE,   /* p is filled; p->size bytes of the input are it */
    MQTT_PARTIAL, /* `need` bytes in all must be there to go on */
    MQTT_LARGE, /* a PUBLISH of more than `max` bytes: p is filled but for payload and properties; p->size may be more than there is */
    MQTT_MALFORMED, /* *e says what is wrong with it */
};

/* `max`: the largest packet that is read whole. More than 7 + 65537 bytes are never needed of a larger one. */
MUST_CHECK enum mqtt_read mqtt_packet_read(struct slice in, enum mqtt_version v, size_t max, struct mqtt_packet *p,
                                           size_t *need, struct err *e);

/* --- properties of MQTT 5 ------------------------------------------------------------------------------------------ */

enum mqtt_property_id {
    MQTT_PAYLOAD_FORMAT = 0x01,
    MQTT_EXPIRY = 0x02,
    MQTT_CONTENT_TYPE = 0x03,
    MQTT_RESPONSE_TOPIC = 0x08,
    MQTT_CORRELATION_DATA = 0x09,
    MQTT_SESSION_EXPIRY = 0x11,
    MQTT_SERVER_KEEP_ALIVE = 0x13,
    MQTT_SHARED_AVAILABLE = 0x2A,
    MQTT_SERVER_REFERENCE = 0x1C,
    MQTT_REASON_STRING = 0x1F,
    MQTT_RECEIVE_MAXIMUM = 0x21,
    MQTT_TOPIC_ALIAS = 0x23,
    MQTT_USER_PROPERTY = 0x26,
    MQTT_MAXIMUM_PACKET = 0x27,
};

struct mqtt_property {
    uint8_t id;
    uint32_t number;          /* of those that are numbers */
    struct slice name, value; /* of texts and bytes the value; of a user property both */
};

/* Takes the first one off `rest` (at first: packet->properties). False: no more. */
bool mqtt_property_next(struct slice *rest, struct mqtt_property *out);
bool mqtt_property_find(struct slice properties, enum mqtt_property_id id, struct mqtt_property *out);

/* --- what a client says -------------------------------------------------------------------------------------------- */

/* All of these: -1 when `out` is full; it stays as it was. */

struct mqtt_connect {
    enum mqtt_version version;
    bool clean; /* no session is resumed, and none stays */
    struct slice client_id;
    const char *username, *password; /* NULL: none */
    uint16_t keep_alive;             /* seconds */
    uint32_t session_expiry;         /* seconds; these three are MQTT 5's */
    uint16_t receive_maximum;
    uint32_t packet_maximum;
};

MUST_CHECK int mqtt_write_connect(struct buf *out, const struct mqtt_connect *c);
/* One topic filter. `new_only` (MQTT 5): retained messages only when there was no such subscription. */
MUST_CHECK int mqtt_write_subscribe(struct buf *out, enum mqtt_version v, uint16_t id, const char *filter, unsigned qos,
                                    bool new_only);
MUST_CHECK int mqtt_write_unsubscribe(struct buf *out, enum mqtt_version v, uint16_t id, struct slice filter);
/* PUBACK, PUBREC, PUBCOMP. A reason only MQTT 5 has. */
MUST_CHECK int mqtt_write_ack(struct buf *out, enum mqtt_version v, enum mqtt_kind kind, uint16_t id, uint8_t reason);
MUST_CHECK int mqtt_write_ping(struct buf *out);
MUST_CHECK int mqtt_write_disconnect(struct buf *out, enum mqtt_version v, uint8_t reason);

#endif
