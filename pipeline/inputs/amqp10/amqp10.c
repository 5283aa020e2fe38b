/* amqp10.c -- the input that takes messages over AMQP 1.0 and accepts them when the spool has called them safe.
 *
 * Its parts: values and messages (value.h, message.h), the session on Proton's engine (session.h), and what goes between it, a socket and the
 * window (broker/broker.h). */
#include "pipeline/inputs/amqp10/options.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/broker/broker.h"

struct input {
    struct amqp10_session session;
    struct broker_url url; /* borrowed by the session */
    struct broker broker;
};

static struct broker_conf broker_conf(const struct amqp10_conf *c, struct amqp10_session *s)
{
    return (struct broker_conf){.protocol = &amqp10_protocol,
                                .session = s,
                                .url = amqp10_conf_url(c),
                                .tls = &c->tls,
                                .source = c->address,
                                .in_flight = (uint32_t)c->credit,
                                .remember = c->remember,
                                .remember_for = c->remember_for};
}

static int open_input(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    const struct amqp10_conf *c = conf;
    struct input *in = mem_alloc(sizeof(*in));
    struct broker_conf bc = broker_conf(c, &in->session);
    struct amqp10_session_conf sc;

    in->url = bc.url;
    sc = amqp10_conf_session(c, &in->url);
    amqp10_session_init(&in->session, &sc);
    if (broker_open(&in->broker, &bc, env, e) < 0) {
        amqp10_session_release(&in->session);
        mem_free(in);
        return err_wrap(e, "amqp10");
    }
    *out = in;
    return 0;
}

static int start(struct input *in, struct err *e)
{
    return broker_start(&in->broker, e);
}

static void stop(struct input *in)
{
    broker_stop(&in->broker);
}

static bool stopped(struct input *in, nsec until)
{
    return broker_stopped(&in->broker, until);
}

static void close_input(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    broker_close(&in->broker);
    amqp10_session_release(&in->session);
    MEM_CLEAR(*inp);
}

static unsigned threads(const void *conf)
{
    (void)conf;
    return 2; /* with one that looks a name up */
}

static unsigned sockets(const void *conf)
{
    (void)conf;
    return INPUT_CONNECTION_DESCRIPTORS;
}

/* Attaches without credit, so nothing is taken, and without the names of a durable subscription, which may be in use. */
static int probe(const void *conf, const struct input_probe *p, struct err *e)
{
    const struct amqp10_conf *c = conf;
    struct amqp10_session s;
    struct broker_conf bc = broker_conf(c, &s);
    struct amqp10_session_conf sc = amqp10_conf_session(c, &bc.url);
    int rc;

    sc.credit = 0;
    sc.container = sc.subscription = NULL;
    amqp10_session_init(&s, &sc);
    rc = broker_probe(&bc, p->base_dir, p->until, e);
    amqp10_session_release(&s);
    return rc;
}

const struct input_ops amqp10_ops = {
    .name = "amqp10",
    .help = "takes messages of a queue or topic over AMQP 1.0 (ActiveMQ Classic and Artemis, RabbitMQ 4, Azure Service "
            "Bus) and accepts them "
            "when they are safe in the spool (docs/amqp10.md)",
    .fields = amqp10_fields,
    .conf_size = sizeof(struct amqp10_conf),
    .threads = threads,
    .sockets = sockets,
    .open = open_input,
    .start = start,
    .stop = stop,
    .stopped = stopped,
    .close = close_input,
    .check_conf = amqp10_conf_check_all,
    .same_client = amqp10_conf_same_client,
    .probe = probe,
};
