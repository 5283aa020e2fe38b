/* An input and its addresses. Names are looked up, files are read and sockets are opened on the main thread; what is there then comes to the hub's,
 * which never waits for any of it. */
#include "pipeline/base/mem.h"
#include "pipeline/inputs/listen/impl.h"

#include <stdio.h>
#include <string.h>

static void *credentials(const struct buf text[IDENTITY_FILES], struct err *e)
{
    return secure_context(buf_slice(&text[IDENTITY_CERT]), buf_slice(&text[IDENTITY_KEY]),
                          buf_slice(&text[IDENTITY_CLIENT_CA]), e);
}

static const struct identity_ops CREDENTIALS = {.make = credentials, .release = secure_context_free};

static void say(void *ctx, const char *cause, const char *hint)
{
    struct listen_port *p = ctx;

    log_warn("the listener's certificate", KS("listener", p->protocol->name), KS("cause", cause), KS("hint", hint));
}

/* --- ports ------------------------------------------------------------------------------------------------------------- */

void listen_port_free(struct listen_port **pp)
{
    struct listen_port *p = *pp;

    if (!p)
        return;
    listen_address_close(p);
    identity_files_free(&p->tls);
    for (size_t i = 0; i < IDENTITY_FILES; i++)
        mem_free(p->files[i]);
    mem_free(p->address);
    MEM_CLEAR(*pp);
}

static bool same_files(const struct listen_port *a, const struct listen_port *b)
{
    for (size_t i = 0; i < IDENTITY_FILES; i++)
        if ((a->files[i] != NULL) != (b->files[i] != NULL) || (a->files[i] && strcmp(a->files[i], b->files[i]) != 0))
            return false;
    return true;
}

static struct listen_port *new_port(const struct input *in, const struct listen_address *a)
{
    const char *const file[IDENTITY_FILES] = {in->listen->tls.cert_file, in->listen->tls.key_file,
                                              in->listen->tls.client_ca_file};
    struct listen_port *p = mem_alloc(sizeof(*p));
    char written[LISTEN_WRITTEN];

    p->hub = in->hub;
    p->protocol = in->protocol;
    p->scheme = a->scheme;
    p->fd = -1;
    TAILQ_INIT(&p->places);
    TAILQ_INIT(&p->conns);
    for (size_t i = 0; a->scheme->tls && i < IDENTITY_FILES; i++)
        p->files[i] = file[i] ? server_tls_path(file[i], in->env.base_dir) : NULL;
    p->address = a->scheme->kind == LISTEN_UNIX || a->scheme->kind == LISTEN_UNIXGRAM
                     ? server_tls_path(a->rest, in->env.base_dir)
                     : mem_strdup(listen_address_written(a, written));
    return p;
}

static int open_port(struct listen_port *p, const struct listen_conf *conf, struct err *e)
{
    if (p->scheme->tls) {
        p->tls = identity_files_new(&CREDENTIALS, p->protocol->name, (const char *const *)p->files);
        if (identity_files_read(p->tls, e) < 0)
            return -1;
        identity_files_warn(p->tls, clock_wall(), say, p);
    }
    return listen_address_open(p, conf, e);
}

/* --- to the hub's thread ------------------------------------------------------------------------------------------------ */

struct asked {
    struct input *in;
    struct listen_port *like; /* what is wanted */
    struct listen_port *found;
    bool other;              /* somebody has the address, with other options */
    bool full;               /* there are as many as may be */
    uint64_t receive_buffer; /* that those who stand at `found` want */
};

static bool has_port_zero(const char *address)
{
    size_t n = strlen(address);

    return n > 2 && strcmp(address + n - 2, ":0") == 0;
}

/* Where several stand they have the most that one of them wants. */
static void settle(struct listen_port *p)
{
    const struct listen_place *place;
    bool for_ever = false;

    p->connections = 0;
    p->idle = 0;
    TAILQ_FOREACH(place, &p->places, link) {
        const struct listen_conf *c = place->in->listen;

        p->connections = c->connections > p->connections ? c->connections : p->connections;
        p->idle = c->idle > p->idle ? c->idle : p->idle;
        for_ever |= c->idle == 0;
    }
    if (for_ever)
        p->idle = 0;
}

static uint64_t receive_buffer_of(const struct listen_port *p)
{
    const struct listen_place *place;
    uint64_t most = 0;

    TAILQ_FOREACH(place, &p->places, link)
        if (place->in->listen->receive_buffer > most)
            most = place->in->listen->receive_buffer;
    return most;
}

static void stand_at(struct input *in, struct listen_port *p)
{
    struct listen_place *place = &in->places[in->place_count++];

    if (in->place_count == 1)
        TAILQ_INSERT_TAIL(&in->hub->inputs, in, link);
    *place = (struct listen_place){.in = in, .port = p};
    if (in->protocol->is_choosy && in->protocol->is_choosy(in->conf))
        TAILQ_INSERT_HEAD(&p->places, place, link);
    else
        TAILQ_INSERT_TAIL(&p->places, place, link);
    p->wait_until = 0;
    p->changes++;
    settle(p);
    listen_port_look(p);
}

/* One that is there and has nobody, and is not what is wanted, gives way. */
static void find_port(void *arg)
{
    struct asked *a = arg;
    struct listen_port *p, *next;

    for (p = TAILQ_FIRST(&a->in->hub->ports); p; p = next) {
        next = TAILQ_NEXT(p, link);
        if (p->scheme->kind != a->like->scheme->kind || strcmp(p->address, a->like->address) != 0 ||
            has_port_zero(p->address))
            continue;
        if (p->protocol == a->like->protocol && p->scheme == a->like->scheme && same_files(p, a->like)) {
            a->found = p;
            stand_at(a->in, p);
            a->receive_buffer = receive_buffer_of(p);
            return;
        }
        a->other = !TAILQ_EMPTY(&p->places);
        if (!a->other)
            listen_hub_drop(p);
    }
    a->full = a->in->hub->port_count >= LISTEN_PORTS_MAX;
}

static void add_port(void *arg)
{
    struct asked *a = arg;

    listen_hub_add(a->in->hub, a->like);
    stand_at(a->in, a->like);
}

int listen_attach(struct input *in, const char *text, struct err *e)
{
    struct listen_hub *h = in->hub;
    struct asked a = {.in = in};
    struct listen_address at;

    if (listen_address_parse(in->protocol, text, &at, e) < 0)
        return err_wrap(e, "%s: listen", in->protocol->name);
    a.like = new_port(in, &at);
    loop_call(h->loop, find_port, &a);
    if (a.found) {
        listen_port_free(&a.like);
        listen_address_set_buffer(a.found, a.receive_buffer); /* it may be another than before */
        return listen_address_set_mode(a.found, in->listen->unix_mode, e);
    }
    if (a.other) {
        (void)err_set(e, ERR_CONFIG,
                      "%s: listen: `%s`: another input listens there, with another protocol or another `tls`: write "
                      "the same there, or "
                      "choose another address",
                      in->protocol->name, text);
        listen_port_free(&a.like);
        return -1;
    }
    if (a.full) {
        (void)err_set(e, ERR_CONFIG, "%s: listen: `%s`: inputs listen on %d addresses already", in->protocol->name,
                      text, LISTEN_PORTS_MAX);
        listen_port_free(&a.like);
        return -1;
    }
    if (open_port(a.like, in->listen, e) < 0) {
        listen_port_free(&a.like);
        return -1;
    }
    loop_call(h->loop, add_port, &a);
    return 0;
}

void listen_leave(struct input *in, nsec wait_until)
{
    struct listen_conn *c;

    listen_route_end(in);
    for (size_t i = 0; i < in->place_count; i++) {
        struct listen_place *place = &in->places[i];
        struct listen_port *p = place->port;

        TAILQ_REMOVE(&p->places, place, link);
        TAILQ_FOREACH(c, &p->conns, link)
            listen_conn_leave_budget(c);
        if (TAILQ_EMPTY(&p->places) || in->left_at)
            p->wait_until = wait_until;
        if (!TAILQ_EMPTY(&p->places))
            settle(p);
        listen_port_look(p);
    }
    if (in->place_count > 0)
        TAILQ_REMOVE(&in->hub->inputs, in, link);
    in->place_count = 0;
}

/* Others may come from now on, though it may have stopped long ago, or never begun. */
static void leave_all(void *arg)
{
    struct input *in = arg;

    listen_hub_time(in->hub);
    listen_leave(in, in->hub->mono + LISTEN_PARKED);
}

void listen_detach_all(struct input *in)
{
    if (in->hub && in->hub->loop)
        loop_call(in->hub->loop, leave_all, in);
}
