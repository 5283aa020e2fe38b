#include "pipeline/inputs/amqp091/reach.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"

struct socket_conf amqp091_socket_conf(const struct amqp091_address *a, struct tls_options *tls)
{
    return (struct socket_conf){.host = a->host,
                                .port = a->port,
                                .tls = a->tls ? tls : NULL,
                                .in_max = AMQP091_FRAME_MAX,
                                .out_max = AMQP091_OUT_BYTES,
                                .timeout = AMQP091_ANSWER_TIME};
}

struct session_conf amqp091_session_conf(const struct amqp091_conf *c, const struct amqp091_address *a,
                                         const char *name)
{
    return (struct session_conf){.vhost = a->vhost,
                                 .username = c->username,
                                 .password = c->password,
                                 .by_certificate = c->by_certificate,
                                 .queue = c->queue,
                                 .name = name,
                                 .prefetch = (uint16_t)c->prefetch,
                                 .heartbeat = (uint16_t)(c->heartbeat / NSEC_PER_SEC)};
}

/* --- validate ------------------------------------------------------------------------------------------------------- */

enum found { FOUND_NOTHING_YET, FOUND_FINE, FOUND_WRONG };

static enum found found(struct session *session, enum session_event event, struct err *e, nsec now)
{
    static const struct session_place ANYWHERE = {.known = false};

    switch (event) {
    case SESSION_LOGGED_IN:
        amqp091_session_consume(session, &ANYWHERE, now);
        return FOUND_NOTHING_YET;
    case SESSION_COUNTED:
        return FOUND_FINE;
    case SESSION_THROWN_OUT:
    case SESSION_OVER:
        (void)err_set(e, ERR_REMOTE, "the server says %s (%u) %s; %s", amqp_constant_name(session->code), session->code,
                      session->text, amqp091_session_hint(session->code, session->text));
        return FOUND_WRONG;
    case SESSION_BAD:
        return FOUND_WRONG;
    default:
        return FOUND_NOTHING_YET;
    }
}

static enum found read_answers(struct socket *socket, struct session *session, nsec now, struct err *e)
{
    enum found result = FOUND_NOTHING_YET;
    size_t took = 1;

    while (socket->in.n > 0 && took > 0 && result == FOUND_NOTHING_YET) {
        result = found(session, amqp091_session_read(session, buf_slice(&socket->in), &took, now, e), e, now);
        socket_took(socket, took);
    }
    socket->need = amqp091_session_needs(session, buf_slice(&socket->in));
    return result;
}

static int look(struct socket *socket, struct session *session, nsec until, struct err *e)
{
    enum found result = FOUND_NOTHING_YET;
    nsec now = clock_mono();

    if (socket_begin(socket, now, e) < 0)
        return err_wrap(e, "%s", socket_hint(socket));
    for (; result == FOUND_NOTHING_YET; now = clock_mono()) {
        if (now >= until)
            return err_set(e, ERR_REMOTE,
                           "the server did not answer in time; look at the server, and at the network to it");
        if (socket_turn(socket, now, e) < 0)
            return err_wrap(e, "%s", socket_hint(socket));
        if (socket->state == SOCKET_OPEN) {
            if (session->state == SESSION_CLOSED)
                amqp091_session_begin(session, now);
            result = read_answers(socket, session, now, e);
            if (session->out.n > 0 && socket_write(socket, buf_slice(&session->out)) == 0)
                buf_clear(&session->out);
        }
        if (result == FOUND_NOTHING_YET)
            socket_wait(socket, until, false);
    }
    return result == FOUND_FINE ? 0 : -1;
}

int amqp091_probe(const void *conf, const struct input_probe *p, struct err *e)
{
    const struct amqp091_conf *c = conf;
    struct session_conf session_conf;
    struct socket_conf socket_conf;
    struct amqp091_address address;
    struct tls_options *tls;
    struct session session;
    struct socket socket;
    int rc;

    if (amqp091_address_parse(&address, c->url, e) < 0)
        return -1;
    tls = tls_options_new(&c->tls, p->base_dir);
    socket_conf = amqp091_socket_conf(&address, tls);
    session_conf = amqp091_session_conf(c, &address, "sluice validate");
    session_conf.looks = true;
    socket_init(&socket, &socket_conf);
    amqp091_session_init(&session, &session_conf);
    rc = look(&socket, &session, p->until, e);
    amqp091_session_release(&session);
    socket_release(&socket);
    tls_options_free(&tls);
    return rc;
}
