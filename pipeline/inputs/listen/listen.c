/* What is around it: options, open, start and stop. */
#include "pipeline/inputs/listen/listen.h"

#include "config/address.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/thread.h"
#include "pipeline/inputs/listen/impl.h"

#include <stdio.h>
#include <string.h>

/* --- options ------------------------------------------------------------------------------------------------------- */

static void refuse_item(const struct cfg_options *o, size_t item, const struct err *e)
{
    cfg_options_refuse_item(o, "listen", item, e);
}

static void refuse(const struct cfg_options *o, const char *what)
{
    struct err e;

    (void)err_set(&e, ERR_CONFIG, "%s", what);
    cfg_options_refuse(o, &e);
}

static bool is_open_to_others(const struct listen_address *a)
{
    struct address at;
    struct err e;

    if (a->scheme->kind == LISTEN_UNIX || a->scheme->kind == LISTEN_UNIXGRAM)
        return false;
    return address_parse(a->rest, &at, &e) == 0 && !at.loopback;
}

static void check_address(const struct listen_protocol *p, const struct listen_conf *c, bool guarded, size_t i,
                          const struct cfg_options *o)
{
    struct listen_address a;
    char *at;
    struct err e;

    if (listen_address_parse(p, c->listen.v[i], &a, &e) < 0) {
        refuse_item(o, i, &e);
        return;
    }
    if (a.scheme->tls && !(c->tls.cert_file && c->tls.key_file)) {
        (void)err_set(&e, ERR_CONFIG, "`%s`: it speaks TLS: set tls.cert_file and tls.key_file", c->listen.v[i]);
        refuse_item(o, i, &e);
    }
    if (c->none || !is_open_to_others(&a) ||
        (a.scheme->kind == LISTEN_TCP && (guarded || (a.scheme->tls && c->tls.client_ca_file))))
        return;
    at = mem_printf("`%s`", c->listen.v[i]);
    (void)http_access_too_open(&e, at, a.scheme->tls ? "set `tls.client_ca_file`, or " : "", "write");
    mem_free(at);
    refuse_item(o, i, &e);
}

/* Who writes `tls` wants nothing to cross the network as it is. */
static void check_tls(const struct listen_protocol *p, const struct listen_conf *c, const struct cfg_options *o)
{
    struct listen_address a;
    struct err e;

    if (!server_tls_set(&c->tls))
        return;
    for (size_t i = 0; i < c->listen.n; i++)
        if (listen_address_parse(p, c->listen.v[i], &a, &e) < 0 || a.scheme->tls)
            return;
    for (const struct listen_scheme *s = p->schemes; s->name; s++)
        if (s->tls) {
            (void)err_set(&e, ERR_CONFIG,
                          "tls: none of the addresses in `listen` speaks TLS: write %s://HOST:PORT there", s->name);
            cfg_options_refuse(o, &e);
            return;
        }
    refuse(o, "tls: none of its addresses can speak TLS: take it away");
}

static void check_mode(const char *mode, const struct cfg_options *o)
{
    if (mode && (strlen(mode) < 3 || mode[strspn(mode, "01234567")]))
        refuse(o, "unix_mode: three or four octal digits, as chmod has them: 0660");
}

void listen_check_conf(const struct listen_protocol *p, const struct listen_conf *c, bool guarded,
                       const struct cfg_options *o)
{
    server_tls_check_conf(&c->tls, o);
    for (size_t i = 0; i < c->listen.n; i++)
        check_address(p, c, guarded, i, o);
    check_tls(p, c, o);
    check_mode(c->unix_mode, o);
}

/* However they are written: `127.0.0.1:8125` is `udp://127.0.0.1:8125`, where that is meant by it. */
static bool is_same_address(const struct listen_protocol *p, const char *a, const char *b)
{
    char mine[LISTEN_WRITTEN], theirs[LISTEN_WRITTEN];
    struct listen_address x, y;
    struct err e;

    return listen_address_parse(p, a, &x, &e) == 0 && listen_address_parse(p, b, &y, &e) == 0 &&
           x.scheme->kind == y.scheme->kind &&
           strcmp(listen_address_written(&x, mine), listen_address_written(&y, theirs)) == 0;
}

bool listen_share(const struct listen_protocol *p, const struct listen_conf *a, const struct listen_conf *b)
{
    for (size_t i = 0; i < a->listen.n; i++)
        for (size_t k = 0; k < b->listen.n; k++)
            if (is_same_address(p, a->listen.v[i], b->listen.v[k]))
                return true;
    return false;
}

unsigned listen_threads(const void *conf)
{
    (void)conf;
    return 1;
}

/* Of each address, and what the thread waits with. */
unsigned listen_sockets(const struct listen_conf *c)
{
    return (unsigned)c->listen.n * ((unsigned)c->connections + 1) + 8;
}

/* --- open and close ------------------------------------------------------------------------------------------------- */

static int stand_everywhere(struct input *in, struct err *e)
{
    if (listen_hub_begin(in->hub, e) < 0)
        return -1;
    for (size_t i = 0; i < in->listen->listen.n; i++)
        if (listen_attach(in, in->listen->listen.v[i], e) < 0)
            return -1;
    return 0;
}

int listen_open(struct input **out, const struct listen_protocol *protocol, const struct listen_conf *listen,
                const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    in->protocol = protocol;
    in->listen = listen;
    in->conf = conf;
    in->env = *env;
    in->hub = env->listeners ? listen_hub_of(env->listeners) : NULL;
    in->label = input_health_label(env->health, protocol->name);
    snprintf(in->origin, sizeof(in->origin), "input=%s", protocol->name);
    pthread_mutex_init(&in->lock, NULL);
    thread_cond_init(&in->moved);
    listen_route_init(in);
    *out = in;
    if (env->once || stand_everywhere(in, e) == 0) /* it has no end, so with --once it does not begin */
        return 0;
    listen_close(out);
    return -1;
}

void listen_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    listen_detach_all(in);
    listen_route_release(in);
    pthread_cond_destroy(&in->moved);
    pthread_mutex_destroy(&in->lock);
    MEM_CLEAR(*inp);
}

const void *listen_conf_of(const struct input *in)
{
    return in->conf;
}

/* --- start and stop -------------------------------------------------------------------------------------------------- */

static void set_gate(struct input *in, enum listen_gate gate)
{
    pthread_mutex_lock(&in->lock);
    in->gate = gate;
    pthread_cond_broadcast(&in->moved);
    pthread_mutex_unlock(&in->lock);
}

static void go_on(void *arg)
{
    struct input *in = arg;

    listen_hub_time(in->hub);
    for (size_t i = 0; i < in->place_count; i++) {
        in->places[i].on = true;
        listen_port_look(in->places[i].port);
        log_info("listening", KS("stream", in->env.stream), KS("input", in->label),
                 KS("address", in->places[i].port->shown));
    }
}

int listen_start(struct input *in, struct err *e)
{
    (void)e;
    if (in->env.once)
        return 0;
    loop_go(in->hub->loop);
    loop_call(in->hub->loop, go_on, in);
    set_gate(in, LISTEN_OPEN);
    return 0;
}

/* On the hub's thread. */
static void begin_to_leave(void *arg)
{
    struct input *in = arg;
    struct listen_hub *h = in->hub;

    listen_hub_time(h);
    in->read_until = h->mono + LISTEN_DRAIN;
    in->leave_until = h->mono + LISTEN_LINGER;
    listen_route_look(in);
    listen_hub_again(h);
}

void listen_stop(struct input *in)
{
    bool opened;

    pthread_mutex_lock(&in->lock);
    opened = in->gate == LISTEN_OPEN;
    if (in->gate != LISTEN_LEFT)
        in->gate = opened ? LISTEN_LEAVES : in->gate == LISTEN_CLOSED ? LISTEN_LEFT : in->gate;
    pthread_mutex_unlock(&in->lock);
    if (!opened)
        return;
    in->leave = (struct loop_post){.fn = begin_to_leave, .arg = in};
    loop_post(in->hub->loop, &in->leave);
}

bool listen_stopped(struct input *in, nsec until)
{
    struct timespec time = clock_timespec(until);
    bool left;
    int rc = 0;

    pthread_mutex_lock(&in->lock);
    while (in->gate != LISTEN_LEFT && rc == 0)
        rc = pthread_cond_timedwait(&in->moved, &in->lock, &time);
    left = in->gate == LISTEN_LEFT;
    pthread_mutex_unlock(&in->lock);
    return left;
}
