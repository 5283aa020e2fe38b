/* stomp.c -- the input that takes messages of a queue or topic over STOMP and acknowledges them when the spool has called them safe.
 *
 * Its parts: the parser of frames (parser.h), the session (session.h), and what goes between it, a socket and the window (broker/broker.h). */
#include "pipeline/inputs/stomp/options.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/broker/broker.h"

struct input {
    struct stomp_session session;
    struct broker_url url; /* borrowed by the session, as the headers */
    struct stomp_header_option headers[STOMP_OPTION_HEADERS_MAX];
    struct broker broker;
};

static struct broker_conf broker_conf(const struct stomp_conf *c, struct stomp_session *s)
{
    return (struct broker_conf){.protocol = &stomp_protocol,
                                .session = s,
                                .url = stomp_conf_url(c),
                                .tls = &c->tls,
                                .source = c->destination,
                                .in_flight = (uint32_t)c->prefetch,
                                .remember = c->remember,
                                .remember_for = c->remember_for};
}

static int open_input(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    const struct stomp_conf *c = conf;
    struct input *in = mem_alloc(sizeof(*in));
    struct broker_conf bc = broker_conf(c, &in->session);
    struct stomp_session_conf sc;

    in->url = bc.url;
    sc = stomp_conf_session(c, &in->url, in->headers);
    stomp_session_init(&in->session, &sc);
    if (broker_open(&in->broker, &bc, env, e) < 0) {
        stomp_session_release(&in->session);
        mem_free(in);
        return err_wrap(e, "stomp");
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
    stomp_session_release(&in->session);
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

/* Without a subscription, which would take messages, and without the client's id, which may be in use. */
static int probe(const void *conf, const struct input_probe *p, struct err *e)
{
    const struct stomp_conf *c = conf;
    struct stomp_header_option headers[STOMP_OPTION_HEADERS_MAX];
    struct stomp_session s;
    struct broker_conf bc = broker_conf(c, &s);
    struct stomp_session_conf sc = stomp_conf_session(c, &bc.url, headers);
    int rc;

    sc.connect_only = true;
    sc.client_id = NULL;
    stomp_session_init(&s, &sc);
    rc = broker_probe(&bc, p->base_dir, p->until, e);
    stomp_session_release(&s);
    return rc;
}

const struct input_ops stomp_ops = {
    .name = "stomp",
    .help = "takes messages of a queue or topic of ActiveMQ, or another server that speaks STOMP 1.1 or 1.2, and "
            "acknowledges them when they "
            "are safe in the spool (docs/stomp.md)",
    .fields = stomp_fields,
    .conf_size = sizeof(struct stomp_conf),
    .threads = threads,
    .sockets = sockets,
    .open = open_input,
    .start = start,
    .stop = stop,
    .stopped = stopped,
    .close = close_input,
    .check_conf = stomp_conf_check_all,
    .same_client = stomp_conf_same_client,
    .probe = probe,
};
