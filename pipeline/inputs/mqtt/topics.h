/* topics.h -- what is subscribed to in a session, and what is still to be.
 *
 *     WANTED --SUBSCRIBE--> ASKED --SUBACK--> GRANTED
 *        ^                        \--------> REFUSED, until its time has come
 *        +------------------------------------+
 *
 * A session keeps its subscriptions over connections, and a server sends retained messages with each SUBSCRIBE. So what was granted is
 * noted in the log, beside the mark of the session (session.h), and asked for again only when that changes. What was granted and
 * is configured no more is unsubscribed, one after the other, and noted until the server has said that it is.
 *
 * Threads    one. Ownership: mqtt_topics_release(); the configuration outlives it.
 */
#ifndef PIPELINE_INPUTS_MQTT_TOPICS_H
#define PIPELINE_INPUTS_MQTT_TOPICS_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/mqtt/options.h"
#include "pipeline/inputs/mqtt/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mqtt_topic_state { MQTT_WANTED, MQTT_ASKED, MQTT_GRANTED, MQTT_NOT_GRANTED };

struct mqtt_topic {
    const char *filter;
    enum mqtt_topic_state state;
    nsec again; /* mono; of one that was refused */
    bool shown; /* what is wrong with it stands in the log */
};

struct mqtt_topics {
    struct mqtt_topic *all;
    size_t n;
    unsigned qos;
    struct buf noted; /* "1 logs/#\n" for each that was granted in this session, with its QoS */
    bool giving_up;   /* UNSUBSCRIBE of the first of these that is configured no more is sent */
};

/* `noted`: as the log has it; empty: nothing. */
void mqtt_topics_init(struct mqtt_topics *t, const struct mqtt_conf *conf, struct slice noted);
void mqtt_topics_release(struct mqtt_topics *t);

/* A session goes on, or begins anew (`fresh`). */
void mqtt_topics_begin(struct mqtt_topics *t, bool fresh);
/* Writes what is due: at most what there is room for. True: `noted` has changed. */
bool mqtt_topics_turn(struct mqtt_topics *t, enum mqtt_version v, struct buf *out, nsec now);

/* The topic that a SUBACK is about; NULL: none that was asked for. *reason: below 0x80 the QoS that is granted, and `noted` has
 * changed. */
struct mqtt_topic *mqtt_topics_take(struct mqtt_topics *t, const struct mqtt_packet *suback, uint8_t *reason, nsec now);
/* UNSUBACK. True: `noted` has changed. */
bool mqtt_topics_gave_up(struct mqtt_topics *t, const struct mqtt_packet *unsuback);
/* When something is due that nobody wakes for. */
nsec mqtt_topics_next(const struct mqtt_topics *t);

#endif
