#include "pipeline/inputs/amqp10/attach.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <proton/codec.h>
#include <proton/connection.h>
#include <proton/link.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <proton/transport.h>
#include <string.h>

/* Registered by Apache for the selectors of JMS. */
#define SELECTOR_NAME "apache.org:selector-filter:string"
#define SELECTOR_CODE 0x0000468C00000004ULL

static pn_bytes_t bytes_of(const char *text)
{
    return pn_bytes(strlen(text), text);
}

static void put_capabilities(const struct amqp10_session_conf *c, pn_data_t *d)
{
    const char *node = c->node == AMQP10_NODE_QUEUE ? "queue" : c->node == AMQP10_NODE_TOPIC ? "topic" : NULL;

    if (!node && !c->shared)
        return;
    pn_data_put_array(d, false, PN_SYMBOL);
    pn_data_enter(d);
    if (node)
        pn_data_put_symbol(d, bytes_of(node));
    if (c->shared)
        pn_data_put_symbol(d, bytes_of("shared"));
    pn_data_exit(d);
}

static void put_selector(const char *selector, pn_data_t *d)
{
    pn_data_put_map(d);
    pn_data_enter(d);
    pn_data_put_symbol(d, bytes_of(SELECTOR_NAME));
    pn_data_put_described(d);
    pn_data_enter(d);
    pn_data_put_ulong(d, SELECTOR_CODE);
    pn_data_put_string(d, bytes_of(selector));
    pn_data_exit(d);
    pn_data_exit(d);
}

bool amqp10_is_durable(const struct amqp10_session_conf *c)
{
    return c->subscription && *c->subscription;
}

pn_link_t *amqp10_attach(const struct amqp10_session_conf *c, pn_connection_t *connection)
{
    pn_session_t *session = pn_session(connection);
    pn_terminus_t *source;
    pn_link_t *link;

    pn_session_set_incoming_capacity(session, AMQP10_INCOMING_BYTES);
    pn_session_open(session);
    link = pn_receiver(session, amqp10_is_durable(c) ? c->subscription : "sluice");
    source = pn_link_source(link);
    pn_terminus_set_address(source, c->address);
    put_capabilities(c, pn_terminus_capabilities(source));
    if (c->selector && *c->selector)
        put_selector(c->selector, pn_terminus_filter(source));
    if (amqp10_is_durable(c)) {
        pn_terminus_set_durability(source, PN_DELIVERIES);
        pn_terminus_set_expiry_policy(source, PN_EXPIRE_NEVER);
    }
    pn_link_set_snd_settle_mode(link, PN_SND_UNSETTLED);
    pn_link_set_rcv_settle_mode(link, PN_RCV_FIRST);
    pn_link_set_max_message_size(link, c->message_max);
    pn_link_open(link);
    return link;
}

static const char *mechanism(const struct amqp10_session_conf *c)
{
    bool named = c->user && *c->user;

    switch (c->sasl) {
    case AMQP10_SASL_PLAIN:
        return "PLAIN";
    case AMQP10_SASL_EXTERNAL:
        return "EXTERNAL";
    case AMQP10_SASL_ANONYMOUS:
        return "ANONYMOUS";
    case AMQP10_SASL_AUTO:
        break;
    }
    return named ? "PLAIN" : "ANONYMOUS";
}

/* Not given: another one each time, so that a server that has not noticed the end of the last connection does not refuse this one. */
static void set_container(const struct amqp10_session_conf *c, pn_connection_t *connection)
{
    unsigned char random[8];
    char name[32] = "sluice-";

    if (c->container && *c->container) {
        pn_connection_set_container(connection, c->container);
        return;
    }
    random_bytes(random, sizeof(random));
    hex_encode(random, sizeof(random), name + 7);
    pn_connection_set_container(connection, name);
}

void amqp10_introduce(const struct amqp10_session_conf *c, pn_connection_driver_t *d)
{
    pn_sasl_t *sasl = pn_sasl(d->transport);

    set_container(c, d->connection);
    if (c->vhost && *c->vhost)
        pn_connection_set_hostname(d->connection, c->vhost);
    if (c->user && *c->user) {
        pn_connection_set_user(d->connection, c->user);
        pn_connection_set_password(d->connection, c->password ? c->password : "");
    }
    pn_sasl_set_allow_insecure_mechs(sasl, true); /* whether there is TLS below, Proton cannot know */
    pn_sasl_allowed_mechs(sasl, mechanism(c));
    pn_transport_set_max_frame(d->transport, AMQP10_FRAME_BYTES);
    if (c->idle > 0)
        pn_transport_set_idle_timeout(d->transport, (pn_millis_t)(c->idle / NSEC_PER_MSEC));
}

static bool has_symbol(pn_data_t *d, const char *name)
{
    bool found = false, array;

    if (!d)
        return false;
    pn_data_rewind(d);
    if (!pn_data_next(d))
        return false;
    array = pn_data_type(d) == PN_ARRAY;
    if (array) {
        pn_data_enter(d);
        pn_data_next(d);
    }
    do {
        if (pn_data_type(d) == PN_SYMBOL) {
            pn_bytes_t s = pn_data_get_symbol(d);

            found |= slice_is(slice_of(s.start, s.size), name);
        }
    } while (array && pn_data_next(d));
    pn_data_rewind(d);
    return found;
}

bool amqp10_is_chance_topic(const struct amqp10_session_conf *c, pn_link_t *link)
{
    return c->node == AMQP10_NODE_ANY && !amqp10_is_durable(c) &&
           has_symbol(pn_terminus_capabilities(pn_link_remote_source(link)), "topic");
}
