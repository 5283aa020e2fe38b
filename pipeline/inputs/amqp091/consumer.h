/* consumer.h -- what becomes of messages: into the window with their delivery tags as numbers, acknowledged when they are safe, or back to the
 * server; and when the queue is consumed at all.
 *
 *     AWAY --logged in, it is time, the spool has room--> ON <--room again--> HELD
 *      ^                                                  |                    |  for seconds
 *      |                                                  | trouble            v
 *      +--nothing is on its way to the spool any more-- RETURNING <------------+
 *
 * A message that finds no room is held, and nothing is read meanwhile. A server does not like that for long, nor what is not acknowledged for long
 * (consumer_timeout): so after some seconds all that is not appended goes back to the queue, by closing the channel, and the queue is left alone until
 * the spool has room. Before the channel closes, what is on its way to the spool is acknowledged: nothing of it comes again.
 *
 * A stream can be read again: each message has a number, and the number of the last one stands in the spool, in the write that holds the
 * records. Whenever a channel is opened, after a start and after a trouble, it is read on behind that. While none stands there, a channel that is
 * opened again begins where the first one did, also where that was the end of the stream.
 *
 * It moves no bytes: the session (session.h) is its owner's to feed.
 *
 * Threads    the input's own. Ownership: embedded; consumer_release(). What it points to outlives it.
 */
#ifndef PIPELINE_INPUTS_AMQP091_CONSUMER_H
#define PIPELINE_INPUTS_AMQP091_CONSUMER_H

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/amqp091/options.h"
#include "pipeline/inputs/amqp091/session.h"
#include "pipeline/inputs/connection.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/window.h"

enum consumer_flow { FLOW_AWAY, FLOW_ON, FLOW_HELD, FLOW_RETURNING };

struct consumer {
    const struct amqp091_conf *conf;
    struct input_env env;
    struct input_thread *thread; /* woken by what has become safe */
    const char *label;
    struct amqp091_begin begin;
    char source[AMQP091_URL_MAX + 300]; /* for people */
    char origin[AMQP091_URL_MAX + 300];
    char place_name[POSITION_SOURCE_MAX + 1]; /* of the position, and of ids */

    struct session session;
    struct window window;
    struct connection connection;
    enum consumer_flow flow;
    bool hold;       /* nothing is to be read now */
    nsec held_since; /* mono */
    bool counted;    /* the message that is held was counted as redelivered */
    bool refused;    /* the disk refuses: the window is broken */
    nsec room_again; /* mono; not before */
    nsec away;       /* how long it was put off last */
    size_t wanted;   /* bytes of the message that found no room */
    bool facts_cut_shown, resumed;

    bool is_queue, check;   /* it is none of a stream; it is to be found out, since a message has a number */
    bool next_known, first; /* of a stream: what comes next; nothing has come in this channel */
    uint64_t next;
    bool seen; /* of a stream: a message has come since the start, the first one with this number */
    uint64_t seen_first;
    nsec asked_at, consumed_at; /* wall; the channel was asked for; that of the first one that worked, 0: none did */

    nsec came; /* mono; a message, or the beginning of consuming */
    nsec count_at;
    bool finished; /* with --once */
    struct log_limit too_large;
};

/* conf, env, label, begin and the names are set. */
void consumer_init(struct consumer *c, const struct session_conf *session);
void consumer_release(struct consumer *c);

/* Consumes, if nothing speaks against it. */
void consumer_begin(struct consumer *c, nsec now);
/* What is not appended goes back, and nothing more is taken in this channel. */
void consumer_return(struct consumer *c);
/* The same because of a trouble, which is noted; the owner has reset the session when its connection is lost. */
void consumer_failed(struct consumer *c, const struct connection_trouble *t, nsec now);
/* RETURNING goes on. */
void consumer_returning(struct consumer *c, nsec now);

/* SESSION_CONSUMES */
void consumer_consumes(struct consumer *c, nsec now);
/* SESSION_IS_QUEUE, or the server would not answer it otherwise. */
void consumer_is_queue(struct consumer *c);
/* SESSION_MESSAGE: it goes its way, or is held. */
void consumer_offer(struct consumer *c, nsec now);
/* One that is held is offered again. */
void consumer_held(struct consumer *c, nsec now);
/* What is safe is acknowledged. */
void consumer_look(struct consumer *c, nsec now);

/* The queue is asked how many messages it has: for people, and with --once for its end. */
void consumer_count(struct consumer *c, nsec now);
void consumer_counted(struct consumer *c, nsec now); /* SESSION_COUNTED */
void consumer_end_seen(struct consumer *c);          /* SESSION_END */
/* The server has refused the check: it is a stream, which has no stream_start. */
extern const struct connection_trouble consumer_unasked_stream;
/* With --once: nothing came out of a stream for a while. Of a queue consumer_counted() finds the end. */
void consumer_finish(struct consumer *c, nsec now);

#endif
