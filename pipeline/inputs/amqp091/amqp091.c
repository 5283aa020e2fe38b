/* amqp091.c -- the input that consumes a queue, or a stream, of RabbitMQ (AMQP 0-9-1), and acknowledges what the spool has called safe.
 *
 * One thread does it all, in turns: bytes go from the socket (inputs/socket/) to the session (session.h), messages from there to the consumer
 * (consumer.h), which puts them into the window and says what is acknowledged. A stream is not held back for deliveries (pace.h): the server
 * deletes what is older than its retention. */
#include "pipeline/inputs/amqp091/consumer.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/amqp091/reach.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/socket/socket.h"

#include <stdio.h>
#include <string.h>

struct input {
    struct amqp091_address address;
    struct tls_options *tls;
    char name[160]; /* of the connection */

    /* The thread's: */
    struct socket socket;
    struct consumer consumer;
};

/* --- the connection ------------------------------------------------------------------------------------------------- */

static void lost(struct input *in, const struct connection_trouble *t, nsec now)
{
    socket_close(&in->socket);
    amqp091_session_reset(&in->consumer.session);
    consumer_failed(&in->consumer, t, now);
}

static void connect_again(struct input *in, nsec now)
{
    struct err e = {.msg = ""};

    if (in->consumer.flow != FLOW_AWAY || !connection_is_due(&in->consumer.connection, now) || in->consumer.finished)
        return;
    if (socket_begin(&in->socket, now, &e) < 0)
        lost(in, &(struct connection_trouble){.doing = "connect", .cause = e.msg, .hint = socket_hint(&in->socket)},
             now);
}

static void thrown_out(struct input *in, const char *doing, nsec now)
{
    struct session *s = &in->consumer.session;
    char cause[64];

    if (in->consumer.check && s->code == AMQP_NOT_IMPLEMENTED) {
        lost(in, &consumer_unasked_stream, now);
        return;
    }
    if (in->consumer.check && s->code == AMQP_RESOURCE_LOCKED && s->state != SESSION_ENDED) {
        consumer_is_queue(&in->consumer); /* one consumer has it for himself, which no stream knows */
        return;
    }
    snprintf(cause, sizeof(cause), "the server says %s (%u)", amqp_constant_name(s->code), s->code);
    const struct connection_trouble t = {
        .doing = doing, .cause = cause, .said = s->text, .hint = amqp091_session_hint(s->code, s->text)};
    if (s->state == SESSION_ENDED)
        lost(in, &t, now);
    else
        consumer_failed(&in->consumer, &t, now);
}

static void happened(struct input *in, enum session_event event, const struct err *e, nsec now)
{
    switch (event) {
    case SESSION_MESSAGE:
        consumer_offer(&in->consumer, now);
        break;
    case SESSION_CONSUMES:
        consumer_consumes(&in->consumer, now);
        break;
    case SESSION_COUNTED:
        consumer_counted(&in->consumer, now);
        break;
    case SESSION_IS_QUEUE:
        consumer_is_queue(&in->consumer);
        break;
    case SESSION_END:
        consumer_end_seen(&in->consumer);
        break;
    case SESSION_CANCELLED:
        consumer_failed(
            &in->consumer,
            &(struct connection_trouble){
                .doing = "consume",
                .cause = "the server has ended the consumer",
                .hint = "the queue was deleted, or moves to another node of its cluster; then it comes back by itself"},
            now);
        break;
    case SESSION_THROWN_OUT:
        thrown_out(in, "consume", now);
        break;
    case SESSION_OVER:
        if (in->consumer.session.code > 0) /* else as asked for */
            thrown_out(in, "stay connected", now);
        break;
    case SESSION_BAD:
        lost(in,
             &(struct connection_trouble){.doing = "talk to the server",
                                          .cause = e->msg,
                                          .hint = "look whether a server of AMQP 0-9-1 is behind the address: RabbitMQ "
                                                  "listens on 5672, and with TLS on 5671"},
             now);
        break;
    default:
        break;
    }
}

/* What is there. */
static void read_frames(struct input *in, nsec now)
{
    struct slice rest = buf_slice(&in->socket.in);
    struct err e = {.msg = ""};
    size_t took = 1, used = 0;

    while (rest.n > 0 && took > 0 && in->socket.state == SOCKET_OPEN) {
        enum session_event event = amqp091_session_read(&in->consumer.session, rest, &took, now, &e);

        used += took;
        rest = slice_from(rest, took);
        happened(in, event, &e, now);
    }
    if (in->socket.state != SOCKET_OPEN)
        return;
    socket_took(&in->socket, used);
    in->socket.need = amqp091_session_needs(&in->consumer.session, buf_slice(&in->socket.in));
}

static void write_out(struct input *in)
{
    struct session *s = &in->consumer.session;

    if (in->socket.state == SOCKET_OPEN && s->out.n > 0 && socket_write(&in->socket, buf_slice(&s->out)) == 0)
        buf_clear(&s->out);
}

/* The socket and the session go on with what can be done now. */
static void move(struct input *in, nsec now)
{
    struct err e = {.msg = ""};

    in->socket.hold = in->consumer.hold;
    if (socket_turn(&in->socket, now, &e) < 0) {
        lost(in, &(struct connection_trouble){.doing = "connect", .cause = e.msg, .hint = socket_hint(&in->socket)},
             now);
        return;
    }
    if (in->socket.state != SOCKET_OPEN)
        return;
    if (in->consumer.session.state == SESSION_CLOSED)
        amqp091_session_begin(&in->consumer.session, now);
    if (in->socket.hold)
        in->consumer.session.heard = now; /* nobody listens */
    else
        read_frames(in, now);
    if (in->socket.state == SOCKET_OPEN && amqp091_session_tick(&in->consumer.session, now, &e) < 0)
        lost(in,
             &(struct connection_trouble){
                 .doing = "stay connected", .cause = e.msg, .hint = "look at the server, and at the network to it"},
             now);
    write_out(in);
}

/* --- turns ---------------------------------------------------------------------------------------------------------- */

static void turn(struct input *in, nsec now)
{
    consumer_look(&in->consumer, now);
    consumer_held(&in->consumer, now);
    if (in->socket.state == SOCKET_CLOSED)
        connect_again(in, now);
    if (in->socket.state != SOCKET_CLOSED)
        move(in, now);
    consumer_returning(&in->consumer, now);
    consumer_begin(&in->consumer, now);
    window_flush(&in->consumer.window, now);
    consumer_count(&in->consumer, now);
    consumer_finish(&in->consumer, now);
    write_out(in);
}

static nsec next_turn(const struct input *in, nsec now)
{
    nsec next = now + NSEC_PER_SEC;

    if (in->socket.state == SOCKET_CLOSED && in->consumer.connection.again > now)
        next = nsec_earlier(next, in->consumer.connection.again);
    if (in->consumer.flow == FLOW_HELD || in->consumer.env.once)
        next = nsec_earlier(next, now + AMQP091_QUIET / 6);
    return nsec_earlier(next, amqp091_session_next_tick(&in->consumer.session));
}

/* What is in the window becomes safe and is acknowledged, the rest goes back, as far as that goes in a few seconds. */
static void leave(struct input *in)
{
    nsec now = clock_mono(), until = now + AMQP091_LEAVE_TIME;

    amqp091_session_discard(&in->consumer.session);
    in->consumer.hold = false;
    for (; now < until; now = clock_mono()) {
        consumer_look(&in->consumer, now);
        if (in->socket.state != SOCKET_CLOSED)
            move(in, now);
        if (window_is_idle(&in->consumer.window) || in->consumer.refused || now > until - AMQP091_LEAVE_TIME / 2)
            amqp091_session_close(&in->consumer.session, now);
        write_out(in);
        if (in->socket.state != SOCKET_OPEN || in->consumer.session.state == SESSION_CLOSED ||
            (in->consumer.session.state == SESSION_ENDED && socket_is_written(&in->socket)))
            break;
        socket_wait(&in->socket, now + 50 * NSEC_PER_MSEC, true);
    }
    socket_close(&in->socket);
    amqp091_session_reset(&in->consumer.session);
    window_reset(&in->consumer.window);
}

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;

    in->socket.thread = t;
    while (!input_thread_ends(t)) {
        nsec now = clock_mono();

        turn(in, now);
        socket_wait(&in->socket, next_turn(in, now), false);
    }
    leave(in);
}

/* --- the input ------------------------------------------------------------------------------------------------------ */

static void amqp091_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    input_thread_free(&in->consumer.thread);
    consumer_release(&in->consumer);
    socket_release(&in->socket);
    tls_options_free(&in->tls);
    MEM_CLEAR(*inp);
}

static void make_names(struct input *in)
{
    const struct amqp091_address *a = &in->address;
    struct consumer *c = &in->consumer;

    snprintf(c->source, sizeof(c->source), "%s://%s:%u vhost %s queue %s", a->tls ? "amqps" : "amqp", a->host, a->port,
             a->vhost, c->conf->queue);
    snprintf(c->origin, sizeof(c->origin), "input=amqp091 queue=%s", c->conf->queue);
    amqp091_place_name(a, c->conf->queue, c->place_name);
    snprintf(in->name, sizeof(in->name), "sluice %s", c->env.stream);
}

static int amqp091_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));
    const struct amqp091_conf *c = conf;
    struct socket_conf socket;
    struct session_conf session;

    if (amqp091_address_parse(&in->address, c->url, e) < 0 ||
        amqp091_begin_parse(&in->consumer.begin, c->stream_start, e) < 0) {
        mem_free(in);
        return -1;
    }
    in->consumer.conf = c;
    in->consumer.env = *env;
    in->consumer.label = input_health_label(env->health, "amqp091");
    in->tls = tls_options_new(&c->tls, env->base_dir);
    make_names(in);
    socket = amqp091_socket_conf(&in->address, in->tls);
    socket_init(&in->socket, &socket);
    session = amqp091_session_conf(c, &in->address, in->name);
    consumer_init(&in->consumer, &session);
    *out = in;
    return 0;
}

static int amqp091_start(struct input *in, struct err *e)
{
    const struct input_thread_conf conf = {
        .stream = in->consumer.env.stream, .input = in->consumer.label, .run = run, .polls = true, .arg = in};

    return input_thread_start(&in->consumer.thread, &conf, e);
}

static void amqp091_stop(struct input *in)
{
    input_thread_stop(in->consumer.thread);
}

static bool amqp091_stopped(struct input *in, nsec until)
{
    return input_thread_ended(in->consumer.thread, until);
}

static unsigned amqp091_threads(const void *conf)
{
    (void)conf;
    return 2; /* with one that looks a name up */
}

static unsigned amqp091_sockets(const void *conf)
{
    (void)conf;
    return INPUT_CONNECTION_DESCRIPTORS;
}

const struct input_ops amqp091_ops = {
    .name = "amqp091",
    .help = "consumes a queue or a stream of RabbitMQ, or of another server of AMQP 0-9-1, and acknowledges messages "
            "when they are safe in the spool (docs/amqp091.md)",
    .fields = amqp091_fields,
    .conf_size = sizeof(struct amqp091_conf),
    .finite = true,
    .threads = amqp091_threads,
    .sockets = amqp091_sockets,
    .open = amqp091_open,
    .start = amqp091_start,
    .stop = amqp091_stop,
    .stopped = amqp091_stopped,
    .close = amqp091_close,
    .check_conf = amqp091_conf_check_all,
    .same_positions = amqp091_conf_same_positions,
    .probe = amqp091_probe,
};
