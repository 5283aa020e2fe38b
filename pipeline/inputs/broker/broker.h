/* broker.h -- an input that holds one connection to a broker and takes its messages: what the inputs stomp and amqp10 have in common.
 *
 * One thread. In each turn: what the spool has called safe is acknowledged; what came is taken, message by message, into the window; what is to be
 * said is written. A connection that fails is tried again (connection.h), and what had no answer comes again from the broker.
 *
 * Back-pressure: who does not fit into the window waits at the front, and nothing more is read; the broker stops by itself, since it hands out only so
 * many messages without an answer. Heart-beats go on.
 *
 * The end: nothing more is taken, what is in the window becomes safe and is acknowledged, and the session says its last words; in a few seconds
 * (BROKER_LEAVE_TIME). What does not get done comes again.
 *
 * When the spool's disk refuses, the connection is closed and made anew: so the broker hands out again what is not safe.
 *
 * Threads    open, start, stop, stopped, close: the main thread, as the functions of an input of the same names.
 * Ownership  embedded in its owner, whose session, protocol and strings in `conf` outlive it.
 */
#ifndef PIPELINE_INPUTS_BROKER_BROKER_H
#define PIPELINE_INPUTS_BROKER_BROKER_H

#include "pipeline/base/log.h"
#include "pipeline/http/tls.h"
#include "pipeline/inputs/broker/protocol.h"
#include "pipeline/inputs/broker/url.h"
#include "pipeline/inputs/connection.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/socket/socket.h"
#include "pipeline/inputs/window.h"

#include <stdbool.h>

struct broker_conf {
    const struct broker_protocol *protocol;
    void *session;
    struct broker_url url;
    const struct tls_conf *tls;
    const char *source; /* what is read: the address of a queue; for people and for the ids */
    uint32_t in_flight; /* messages that are taken and not acknowledged */
    int64_t remember;
    nsec remember_for;
};

struct broker {
    struct broker_conf conf;
    struct input_env env;
    struct input_thread *thread;
    struct tls_options *tls;
    char shown[BROKER_SHOWN_MAX], origin[BROKER_SHOWN_MAX + 32], id_source[POSITION_SOURCE_MAX + 1];

    /* The thread's: */
    struct socket socket;
    struct connection connection;
    struct window window;
    uint64_t numbers;
    bool talks; /* the session has begun */
    bool opened;
    bool remarked, facts_cut_shown;
    struct log_limit refused;
};

MUST_CHECK int broker_open(struct broker *b, const struct broker_conf *conf, const struct input_env *env,
                           struct err *e);
MUST_CHECK int broker_start(struct broker *b, struct err *e);
void broker_stop(struct broker *b);
MUST_CHECK bool broker_stopped(struct broker *b, nsec until);
void broker_close(struct broker *b);

/* For input_ops.probe: connects, has the session opened, and leaves; nothing is taken. */
MUST_CHECK int broker_probe(const struct broker_conf *conf, const char *base_dir, nsec until, struct err *e);

#endif
