/* Datagrams are taken out of the socket some at a time. When one of them has no room in its stream's spool it waits here with those behind it, and
 * the rest waits in the kernel, whose count of what it dropped meanwhile is asked for. Where several streams share the address, one that stands
 * still for longer loses its own instead. */
#include "pipeline/base/mem.h"
#include "pipeline/inputs/listen/impl.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>

struct listen_grams {
    unsigned room, next, count;
    size_t at, bytes; /* of the next one so much was used; of each at most */
    struct mmsghdr *headers;
    struct iovec *parts;
    struct sockaddr_storage *from;
    char *memory; /* what nobody fills costs nothing */
};

static struct listen_grams *new_grams(const struct listen_port *p)
{
    struct listen_grams *g = mem_alloc(sizeof(*g));
    bool udp = p->scheme->kind == LISTEN_UDP;

    g->room = udp ? LISTEN_DATAGRAMS : LISTEN_UNIXGRAMS;
    g->bytes = udp ? LISTEN_DATAGRAM_BYTES : LISTEN_UNIXGRAM_BYTES;
    g->headers = mem_array(g->room, sizeof(*g->headers));
    g->parts = mem_array(g->room, sizeof(*g->parts));
    g->from = mem_array(g->room, sizeof(*g->from));
    g->memory = mem_array(g->room, g->bytes);
    return g;
}

void listen_grams_free(struct listen_port *p)
{
    struct listen_grams *g = p->grams;

    if (!g)
        return;
    mem_free(g->headers);
    mem_free(g->parts);
    mem_free(g->from);
    mem_free(g->memory);
    MEM_CLEAR(p->grams);
}

/* False: there are none. */
static bool receive(struct listen_port *p)
{
    struct listen_grams *g = p->grams;
    int n;

    for (unsigned i = 0; i < g->room; i++) {
        g->parts[i] = (struct iovec){g->memory + i * g->bytes, g->bytes};
        g->headers[i] = (struct mmsghdr){
            .msg_hdr = {
                .msg_name = &g->from[i], .msg_namelen = sizeof(g->from[i]), .msg_iov = &g->parts[i], .msg_iovlen = 1}};
    }
    n = recvmmsg(p->fd, g->headers, g->room, MSG_DONTWAIT, NULL);
    g->next = 0;
    g->at = 0;
    g->count = n > 0 ? (unsigned)n : 0;
    return n > 0;
}

static void set_sender(struct listen_conn *c, const struct msghdr *h)
{
    if (h->msg_namelen == c->from_length && memcmp(h->msg_name, &c->from, h->msg_namelen) == 0)
        return;
    memcpy(&c->from, h->msg_name, h->msg_namelen);
    c->from_length = h->msg_namelen;
    if (h->msg_namelen == 0)
        c->from.ss_family = AF_UNSPEC;
    c->peer[0] = '\0';
}

/* False: it has no room for now. */
static bool take(struct listen_port *p)
{
    struct listen_grams *g = p->grams;
    struct listen_conn *c = p->all;
    const struct mmsghdr *m = &g->headers[g->next];
    struct slice all = slice_of(g->memory + g->next * g->bytes, m->msg_len);
    struct listen_route *r;

    set_sender(c, &m->msg_hdr);
    if (g->at == 0 && (m->msg_hdr.msg_flags & MSG_TRUNC))
        listen_bad(c, listen_route(c, 0), "a datagram was longer than is read of one, and was cut",
                   "let its sender send less at a time, or by a stream");
    c->refused = NULL;
    g->at += p->protocol->read(c, slice_from(all, g->at), true);
    r = c->refused;
    if (!r)
        return true;
    if (!TAILQ_NEXT(TAILQ_FIRST(&p->places), link) || p->hub->mono - r->blocked < LISTEN_OTHERS_WAIT)
        return false;
    listen_lost(r, 1);
    return true;
}

static bool take_all(struct listen_port *p)
{
    struct listen_grams *g = p->grams;

    for (; g->next < g->count; g->next++, g->at = 0)
        if (!take(p)) {
            listen_conn_hold(p->all);
            return false;
        }
    return true;
}

bool listen_grams_read(struct listen_port *p)
{
    if (!listen_port_works(p)) {
        if (p->grams && p->grams->next < p->grams->count)
            listen_conn_hold(p->all);
        return false;
    }
    if (!p->grams)
        p->grams = new_grams(p);
    if (!take_all(p))
        return false;
    for (unsigned i = 0; i < LISTENER_BURST; i++) {
        if (!receive(p))
            return true;
        if (!take_all(p))
            return false;
    }
    return false;
}

/* By the kernel, since this was asked last. */
static uint32_t dropped_since(struct listen_port *p)
{
    uint32_t info[SK_MEMINFO_VARS] = {0}, more;
    socklen_t n = sizeof(info);

    if (p->scheme->kind != LISTEN_UDP || getsockopt(p->fd, SOL_SOCKET, SO_MEMINFO, info, &n) < 0)
        return 0;
    more = info[SK_MEMINFO_DROPS] - p->dropped; /* it begins anew behind 2^32 */
    p->dropped = info[SK_MEMINFO_DROPS];
    return more;
}

void listen_grams_give_up(struct listen_port *p)
{
    nsec until = clock_mono() + LISTEN_DRAIN;
    uint64_t n = dropped_since(p);

    if (p->grams)
        n += p->grams->count - p->grams->next;
    while (recv(p->fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) >= 0 && clock_mono() < until)
        n++;
    if (n > 0)
        log_warn("an address is closed: datagrams that had come there and were not taken are lost",
                 KS("listener", p->shown), KU("datagrams", n),
                 KS("hint", "what comes while nobody listens is lost, too; senders that speak RELP send it again"));
}

/* What nobody else takes is the last one's. */
static struct listen_route *of_the_rest(struct listen_port *p)
{
    struct listen_place *place = TAILQ_LAST(&p->places, listen_places);

    return place ? &place->in->route : NULL;
}

void listen_grams_count(struct listen_port *p)
{
    struct listen_route *r = of_the_rest(p);
    uint32_t more = r ? dropped_since(p) : 0;

    if (more)
        listen_lost(r, more);
}
