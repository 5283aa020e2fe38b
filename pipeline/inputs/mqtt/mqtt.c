/* mqtt.c -- the input that subscribes to topics of an MQTT server, and acknowledges a message when the spool has called it safe.
 *
 * One thread does it all, in turns: what the server sent is taken, what has become safe is acknowledged, what is due is sent.
 *
 *   client     the turns (impl.h)
 *   socket     the connection (inputs/socket/): bytes in, bytes out
 *   packet     what they mean (packet.h)
 *   session    in which order what is acknowledged, and which packet identifiers are known (session.h)
 *   window     records on their way to the spool (inputs/window.h)
 *   topics     what is subscribed to (topics.h)
 *
 * The server sends again what has no acknowledgement, but only when there is a new connection. So whatever goes wrong here, a refusing disk
 * or a packet that makes no sense, ends the connection, and a new one is made after a while.
 *
 * Who cannot take a message now reads on no more: the bytes stay in the socket's buffer, and then in the network. A server of MQTT 5 stops by
 * itself at receive_maximum. */
#include "pipeline/inputs/mqtt/impl.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/mqtt/reach.h"

#include <stdio.h>

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;

    in->socket.thread = t;
    while (!input_thread_ends(t)) {
        nsec now = clock_mono();

        mqtt_client_turn(in, now);
        socket_wait(&in->socket, mqtt_client_next(in, now), false);
    }
    mqtt_client_leave(in);
}

/* --- the input ------------------------------------------------------------------------------------------------------ */

static void on_news(void *ctx)
{
    struct input *in = ctx;

    input_thread_wake(in->thread);
}

static void mqtt_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    socket_release(&in->socket);
    input_thread_free(&in->thread);
    connection_release(&in->connection);
    window_release(&in->window);
    mqtt_session_release(&in->session);
    mqtt_topics_release(&in->topics);
    buf_release(&in->facts);
    tls_options_free(&in->tls);
    MEM_CLEAR(*inp);
}

struct marked {
    struct slice source;
    struct buf cursor;
};

static bool find_mark(void *ctx, struct slice source, struct slice cursor)
{
    struct marked *m = ctx;

    if (!slice_eq(source, m->source))
        return true;
    return buf_add_slice(&m->cursor, cursor) < 0; /* as large as a cursor may be: it fits */
}

/* As the spool has it: which session, and what is subscribed to there. */
static void resume(struct input *in)
{
    struct marked m = {.source = slice_str(in->id_source)};
    struct slice noted, first = {NULL, 0};

    buf_init(&m.cursor, POSITION_CURSOR_MAX);
    spool_positions(in->env.spool, find_mark, &m);
    noted = buf_slice(&m.cursor);
    (void)slice_take_line(&noted, &first);
    mqtt_session_init(&in->session, &mqtt_keeper_ops, in, mqtt_conf_receive_maximum(in->conf), slice_is(first, "sure"));
    mqtt_keeper_resume(in);
    mqtt_topics_init(&in->topics, in->conf, noted);
    buf_release(&m.cursor);
}

static void prepare(struct input *in)
{
    const struct socket_conf conn = {.host = in->address.host,
                                     .port = in->address.port,
                                     .tls = in->tls,
                                     .in_max = MQTT_PACKET_MAX,
                                     .out_max = MQTT_OUT_MAX,
                                     .timeout = MQTT_CONNECT_TIMEOUT};
    const struct window_conf window = {.spool = in->env.spool,
                                       .budget = in->env.budget,
                                       .pushback = in->env.pushback,
                                       .health = in->env.health,
                                       .origin = slice_str(in->origin),
                                       .id_source = slice_str(in->id_source),
                                       .ids = {.count = 2 * UINT16_MAX}, /* identifiers, and texts */
                                       .news = on_news,
                                       .ctx = in};

    socket_init(&in->socket, &conn);
    window_init(&in->window, &window);
    connection_init(&in->connection, &(struct connection_conf){.stream = in->env.stream,
                                                               .input = mqtt_label(in),
                                                               .source = in->source,
                                                               .health = in->env.health,
                                                               .holds = CONNECTION_HOLDS});
    mqtt_keeper_init(in);
    resume(in);
    in->version = in->conf->version == MQTT_3 ? MQTT_3 : MQTT_5;
    in->answer_by = NSEC_NEVER;
}

static int mqtt_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    in->conf = conf;
    in->env = *env;
    if (mqtt_address_parse(&in->address, in->conf->url, e) < 0) {
        mem_free(in);
        return -1;
    }
    if (in->address.tls)
        in->tls = tls_options_new(&in->conf->tls, env->base_dir);
    snprintf(in->source, sizeof(in->source), "%s:%u", in->address.host, (unsigned)in->address.port);
    snprintf(in->origin, sizeof(in->origin), "input=mqtt server=%s", in->source);
    snprintf(in->id_source, sizeof(in->id_source), "mqtt %s %.*s", in->source,
             (int)(sizeof(in->id_source) - sizeof(in->source) - 8), in->conf->client_id);
    prepare(in);
    *out = in;
    return 0;
}

static int mqtt_start(struct input *in, struct err *e)
{
    const struct input_thread_conf conf = {
        .stream = in->env.stream, .input = mqtt_label(in), .run = run, .arg = in, .polls = true};

    return input_thread_start(&in->thread, &conf, e);
}

static void mqtt_stop(struct input *in)
{
    input_thread_stop(in->thread);
}

static bool mqtt_stopped(struct input *in, nsec until)
{
    return input_thread_ended(in->thread, until);
}

static unsigned mqtt_threads(const void *conf)
{
    (void)conf;
    return 2; /* with one that looks a name up */
}

static unsigned mqtt_sockets(const void *conf)
{
    (void)conf;
    return INPUT_CONNECTION_DESCRIPTORS;
}

const struct input_ops mqtt_ops = {
    .name = "mqtt",
    .help = "subscribes to topics of an MQTT server (3.1.1 and 5), and acknowledges messages when they are safe in the "
            "spool (docs/mqtt.md)",
    .fields = mqtt_fields,
    .conf_size = sizeof(struct mqtt_conf),
    .threads = mqtt_threads,
    .sockets = mqtt_sockets,
    .open = mqtt_open,
    .start = mqtt_start,
    .stop = mqtt_stop,
    .stopped = mqtt_stopped,
    .close = mqtt_close,
    .check_conf = mqtt_conf_check_all,
    .same_client = mqtt_conf_same_client,
    .probe = mqtt_probe,
};
