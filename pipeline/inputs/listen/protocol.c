/* What a protocol may ask of a connection and of those who listen there, and what it has to say. */
#include "pipeline/base/facts.h"
#include "pipeline/inputs/listen/impl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* --- a connection ------------------------------------------------------------------------------------------------------- */

void *listen_session(struct listen_conn *c)
{
    return c->session;
}

int listen_what(const struct listen_conn *c)
{
    return c->port->scheme->what;
}

bool listen_is_datagram(const struct listen_conn *c)
{
    return c->fd < 0;
}

/* One of IPv4 that came by a socket of both ("[::]:514") is shown as it is everywhere else. */
const char *listen_peer(struct listen_conn *c)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&c->from;
    const struct sockaddr *sa = (const struct sockaddr *)&c->from;

    if (!c->peer[0] && sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], c->peer, sizeof(c->peer));
    else if (!c->peer[0] && (sa->sa_family == AF_INET || sa->sa_family == AF_INET6))
        http_address_text(sa, false, c->peer);
    return c->peer;
}

nsec listen_now(const struct listen_conn *c)
{
    return c->port->hub->wall;
}

struct buf *listen_scratch(struct listen_conn *c)
{
    buf_clear(&c->port->hub->text);
    return &c->port->hub->text;
}

struct slice listen_facts(struct listen_conn *c, const char *transport)
{
    struct buf *facts = &c->port->hub->facts;
    const char *peer = listen_peer(c);

    buf_clear(facts);
    if ((*peer && facts_add(facts, SLICE("address"), slice_str(peer)) < 0) ||
        facts_add(facts, SLICE("transport"), slice_str(transport ? transport : c->port->scheme->name)) < 0 ||
        (c->name[0] && facts_add(facts, SLICE("client"), slice_str(c->name)) < 0))
        buf_clear(facts);
    return buf_slice(facts);
}

/* --- those who listen --------------------------------------------------------------------------------------------------- */

struct listen_route *listen_route(struct listen_conn *c, size_t index)
{
    struct listen_place *place;

    TAILQ_FOREACH(place, &c->port->places, link)
        if (index-- == 0)
            return &place->in->route;
    return NULL;
}

unsigned listen_changes(const struct listen_conn *c)
{
    return c->port->changes;
}

const void *listen_route_conf(const struct listen_route *r)
{
    return r->in->conf;
}

void listen_expect(struct listen_conn *c, size_t bytes)
{
    c->expects = bytes;
}

void listen_bad(struct listen_conn *c, struct listen_route *r, const char *why, const char *hint)
{
    struct input *in = r->in;
    nsec now = in->hub->mono;

    input_health_error(in->env.health, why, hint, now);
    if (log_due(&r->bad, now, LISTEN_SAYS_EVERY))
        log_warn("something that was received is not as it should be", KS("stream", in->env.stream),
                 KS("input", in->label), KS("client", listen_peer(c)), KS("cause", why), KS("hint", hint),
                 KU("suppressed", r->bad.suppressed));
}

void listen_lost(struct listen_route *r, uint64_t n)
{
    struct input *in = r->in;

    input_health_add(in->env.health, INPUT_LOST, n);
    r->lost_since += n;
    if (n == 0 || !log_due(&r->lost, in->hub->mono, LISTEN_LOST_EVERY))
        return;
    log_warn("messages were lost: there was no room for them", KS("stream", in->env.stream), KS("input", in->label),
             KU("messages", r->lost_since),
             KS("hint", "raise receive_buffer and net.core.rmem_max; is the spool full, or the machine too busy?"));
    r->lost_since = 0;
}

void listen_duplicates(struct listen_route *r, uint64_t n)
{
    input_health_add(r->in->env.health, INPUT_DUPLICATES, n);
}

void listen_throttled(struct listen_route *r, uint64_t n)
{
    metrics_add(r->in->env.metrics, METRIC_THROTTLED_RECORDS, n);
}

void listen_filtered(struct listen_route *r, uint64_t n)
{
    input_health_add(r->in->env.health, INPUT_FILTERED, n);
}
