/* A session of its own, which begins and ends with the connection: with the input's client_id it would end the connection of the sluice that
 * runs. A server that takes certain names only refuses this one; it has answered then, and that is all that can be known. */
#include "pipeline/inputs/mqtt/reach.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/mqtt/options.h"
#include "pipeline/inputs/mqtt/packet.h"
#include "pipeline/inputs/mqtt/words.h"
#include "pipeline/inputs/socket/socket.h"

#include <stdio.h>
#include <string.h>

struct
try {
    const struct mqtt_conf *conf;
    struct socket socket;
    enum mqtt_version version;
    bool asked;
};

static int ask(struct try *t)
{
    char id[MQTT_CLIENT_ID_MAX + 16];

    snprintf(id, sizeof(id), "%s-validate", t->conf->client_id);
    t->asked = true;
    return mqtt_write_connect(&t->socket.out, &(struct mqtt_connect){.version = t->version,
                                                                     .clean = true,
                                                                     .client_id = slice_str(id),
                                                                     .username = t->conf->username,
                                                                     .password = t->conf->password,
                                                                     .keep_alive = 60,
                                                                     .receive_maximum = 1,
                                                                     .packet_maximum = MQTT_PACKET_MAX});
}

/* 1: it is known. */
static int read_answer(struct try *t, struct err *e)
{
    struct mqtt_packet p;
    struct mqtt_words w;
    size_t need;

    switch (mqtt_packet_read(buf_slice(&t->socket.in), t->version, MQTT_PACKET_MAX, &p, &need, e)) {
    case MQTT_PARTIAL:
        return 0;
    case MQTT_MALFORMED:
        return err_wrap(e, "is it an MQTT server that listens there?");
    default:
        break;
    }
    if (p.kind != MQTT_CONNACK)
        return err_set(e, ERR_FORMAT, "the server does not answer as MQTT has it");
    if (p.reason == 0 || p.reason == 0x85 || (t->version == MQTT_3 && p.reason == 2))
        return 1;
    w = mqtt_words_of(t->version, p.reason);
    return err_set(e, ERR_REMOTE, "%s; %s", w.cause, w.hint);
}

static int go_on(struct try *t, nsec now, struct err *e)
{
    if (socket_turn(&t->socket, now, e) < 0) {
        char cause[400];

        snprintf(cause, sizeof(cause), "%s", e->msg);
        return err_set(e, ERR_IO, "%s; %s", cause, socket_hint(&t->socket));
    }
    if (t->socket.state != SOCKET_OPEN)
        return 0;
    if (!t->asked && ask(t) < 0)
        return err_set(e, ERR_LIMIT, "what is to be sent is too large");
    return read_answer(t, e);
}

static int try_version(struct try *t, nsec until, struct err *e)
{
    int rc = socket_begin(&t->socket, clock_mono(), e);

    t->asked = false;
    while (rc == 0) {
        nsec now = clock_mono();

        if (now >= until)
            rc = err_set(e, ERR_IO, "the server does not answer; is it up, and does it speak MQTT at this port?");
        else
            rc = go_on(t, now, e);
        if (rc == 0)
            socket_wait(&t->socket, until, false);
    }
    socket_close(&t->socket);
    return rc < 0 ? -1 : 0;
}

int mqtt_probe(const void *conf, const struct input_probe *p, struct err *e)
{
    struct try t = {.conf = conf};
    struct tls_options *tls = NULL;
    struct mqtt_address a;
    nsec now = clock_mono();
    bool both = t.conf->version == MQTT_VERSION_AUTO;
    int rc;

    if (mqtt_address_parse(&a, t.conf->url, e) < 0)
        return -1;
    if (a.tls)
        tls = tls_options_new(&t.conf->tls, p->base_dir);
    socket_init(&t.socket, &(struct socket_conf){.host = a.host,
                                                 .port = a.port,
                                                 .tls = tls,
                                                 .in_max = SOCKET_READ_BYTES,
                                                 .out_max = MQTT_OUT_MAX,
                                                 .timeout = p->until - now});
    t.version = t.conf->version == MQTT_3 ? MQTT_3 : MQTT_5;
    rc = try_version(&t, both ? now + (p->until - now) / 2 : p->until, e);
    if (rc < 0 && both && t.asked) {
        t.version = MQTT_3;
        rc = try_version(&t, p->until, e);
    }
    socket_release(&t.socket);
    tls_options_free(&tls);
    return rc;
}
