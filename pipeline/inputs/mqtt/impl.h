/* impl.h -- what the files of the mqtt input share: mqtt.c (the input and its thread), client.c (the connection, in turns), keeper.c (how the
 * session keeps records and marks).
 */
#ifndef PIPELINE_INPUTS_MQTT_IMPL_H
#define PIPELINE_INPUTS_MQTT_IMPL_H

#include "pipeline/base/log.h"
#include "pipeline/inputs/connection.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/mqtt/options.h"
#include "pipeline/inputs/mqtt/packet.h"
#include "pipeline/inputs/mqtt/session.h"
#include "pipeline/inputs/mqtt/topics.h"
#include "pipeline/inputs/socket/socket.h"
#include "pipeline/inputs/window.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct input {
    const struct mqtt_conf *conf;
    struct input_env env;
    struct mqtt_address address;
    struct tls_options *tls;
    char source[MQTT_HOST_MAX + 32]; /* for people */
    char origin[MQTT_HOST_MAX + 32];
    char id_source[POSITION_SOURCE_MAX + 1];
    struct input_thread *thread;
    struct spool_wait stored; /* of the session */
    atomic_int stored_news;

    /* The thread's: */
    struct socket socket;
    struct connection connection;
    struct window window;
    struct mqtt_session session;
    struct mqtt_topics topics;
    struct buf facts;
    enum mqtt_version version; /* that is spoken, or is tried */
    bool version_works;        /* it was agreed upon once */
    bool waits;                /* a packet could not be taken */
    bool begun;                /* topics, in this session */
    size_t skip;               /* bytes of a message that is too large, which are still to come */
    nsec keep_alive;           /* as the server wants it */
    nsec ping_at, answer_by;   /* mono; NSEC_NEVER: no answer is waited for */
    bool facts_cut_shown;
    struct log_limit too_large;
};

/* keeper.c */
extern const struct mqtt_keeper mqtt_keeper_ops;
void mqtt_keeper_init(struct input *in); /* its part of `in` */
/* The session knows the texts that are in the spool. */
void mqtt_keeper_resume(struct input *in);
/* Notes whose session it is, and what is subscribed to there; safe some time. */
void mqtt_keeper_mark(struct input *in, bool sure);
/* What was stored for the session has its answer, or not yet. */
void mqtt_keeper_look(struct input *in);
/* A message of so many bytes is lost: counted and said. */
void mqtt_keeper_refuse(struct input *in, size_t bytes);

/* client.c */
void mqtt_client_turn(struct input *in, nsec now);
/* When something is due that neither the socket nor a commit wakes for. */
nsec mqtt_client_next(const struct input *in, nsec now);
/* What is in hand becomes safe and is acknowledged, and the server is told, as far as that goes in a few seconds. What does not get done is
 * sent again. */
void mqtt_client_leave(struct input *in);

static inline const char *mqtt_label(const struct input *in)
{
    return input_health_label(in->env.health, "mqtt");
}

#endif
