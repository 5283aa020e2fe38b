/* One loop for all that listens so. Each callback does its work on one connection; what follows from it for others (records that are flushed,
 * answers, connections that are over and freed) is done behind each turn of the loop, so that nothing is freed while somebody works on it. */
#include "pipeline/inputs/listen/hub.h"

#include "pipeline/base/mem.h"
#include "pipeline/inputs/listen/impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct listener {
    struct listen_hub hub;
};

void listen_hub_time(struct listen_hub *h)
{
    h->mono = clock_mono();
    h->wall = clock_wall();
}

static int hub_open(struct listener **l, const void *conf, struct listeners *all, struct err *e)
{
    struct listen_hub *h;

    (void)conf, (void)all, (void)e;
    *l = mem_alloc(sizeof(**l));
    h = &(*l)->hub;
    TAILQ_INIT(&h->ports);
    TAILQ_INIT(&h->inputs);
    TAILQ_INIT(&h->held);
    TAILQ_INIT(&h->dirty);
    buf_init(&h->text, RECORD_MAX_BYTES);
    buf_init(&h->facts, RECORD_FACTS_MAX / 2);
    return 0;
}

/* --- ports ----------------------------------------------------------------------------------------------------------- */

static bool takes_datagrams(const struct listen_port *p)
{
    return p->scheme->kind == LISTEN_UDP || p->scheme->kind == LISTEN_UNIXGRAM;
}

bool listen_port_works(const struct listen_port *p)
{
    const struct listen_place *place;

    if (TAILQ_EMPTY(&p->places) || p->hub->mono < p->wait_until)
        return false;
    TAILQ_FOREACH(place, &p->places, link)
        if (!place->on)
            return false;
    return true;
}

/* Mostly for a descriptor, but whatever it is: asked again at once it would be the same. */
static void wait_a_little(struct listen_port *p, int error)
{
    p->accept_at = p->hub->mono + LISTENER_SHORT_WAIT;
    if (log_due(&p->short_log, p->hub->mono, LISTEN_LOST_EVERY))
        log_warn(
            "connections wait: they cannot be accepted now", KS("listener", p->shown), KS("cause", strerror(error)),
            KS("hint", "raise the limit of open files (ulimit -n, LimitNOFILE), or let fewer clients and files in"));
}

/* The one that has been silent for longest, if that is long. */
static bool make_room(struct listen_port *p)
{
    struct listen_conn *c, *oldest = NULL;

    TAILQ_FOREACH(c, &p->conns, link)
        if (!c->over && TAILQ_EMPTY(&c->marks) && !c->held && (!oldest || c->heard < oldest->heard))
            oldest = c;
    if (!oldest || p->hub->mono - oldest->heard < LISTEN_SILENT)
        return false;
    listen_conn_say(oldest, "a silent connection was closed, to make room for another",
                    "there are as many connections as `connections` allows",
                    "raise `connections`, if so many clients are meant to be there");
    oldest->over = true;
    listen_conn_dirty(oldest);
    return true;
}

static void accept_some(struct listen_port *p)
{
    for (unsigned i = 0; i < LISTENER_BURST; i++) {
        struct sockaddr_storage from = {0};
        socklen_t n = sizeof(from);
        int fd;

        if (p->conn_count >= p->connections) {
            p->accept_at = p->hub->mono + (make_room(p) ? 0 : LISTENER_SHORT_WAIT);
            return;
        }
        fd = accept4(p->fd, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0 && errno != EAGAIN)
            wait_a_little(p, errno);
        if (fd < 0)
            return;
        (void)listen_conn_new(p, fd, (struct sockaddr *)&from, n);
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct listen_port *p = poll->data;

    (void)events;
    if (status < 0) /* the library waits for nothing any more; the error shows in what follows */
        p->polls = false;
    listen_hub_time(p->hub);
    if (takes_datagrams(p))
        listen_grams_read(p);
    else
        accept_some(p);
    listen_port_look(p);
}

static bool wants_more(const struct listen_port *p)
{
    return takes_datagrams(p) ? !p->all || !p->all->held : p->hub->mono >= p->accept_at;
}

void listen_port_look(struct listen_port *p)
{
    bool works = listen_port_works(p), polls = works && wants_more(p);
    struct listen_conn *c;

    if (polls && !p->polls)
        uv_poll_start(&p->poll, UV_READABLE, on_ready);
    else if (!polls && p->polls)
        uv_poll_stop(&p->poll);
    p->polls = polls;
    if (works && !polls)
        listen_hub_again(p->hub);
    if (works == p->worked)
        return;
    p->worked = works;
    p->hub->resume |= works;
    TAILQ_FOREACH(c, &p->conns, link)
        listen_conn_poll(c);
}

bool listen_port_drain(struct listen_port *p)
{
    struct listen_conn *c;
    bool dry = true;

    if (!listen_port_works(p) || p->protocol->acknowledges)
        return true;
    if (takes_datagrams(p))
        return listen_grams_read(p);
    accept_some(p);
    TAILQ_FOREACH(c, &p->conns, link)
        dry &= listen_conn_drain(c);
    return dry;
}

void listen_hub_add(struct listen_hub *h, struct listen_port *p)
{
    int rc = uv_poll_init(loop_uv(h->loop), &p->poll, p->fd);

    if (rc < 0) { /* no memory in the kernel: it is as if nobody came */
        log_error("an address cannot be listened on", KS("listener", p->shown), KS("cause", uv_strerror(rc)));
        mem_exhausted();
    }
    p->poll.data = p;
    TAILQ_INSERT_TAIL(&h->ports, p, link);
    h->port_count++;
    if (takes_datagrams(p))
        p->all = listen_conn_new(p, -1, NULL, 0);
}

static void on_port_closed(uv_handle_t *handle)
{
    struct listen_port *p = handle->data;

    listen_grams_free(p);
    listen_port_free(&p);
}

void listen_hub_drop(struct listen_port *p)
{
    struct listen_hub *h = p->hub;
    struct listen_conn *c;

    TAILQ_REMOVE(&h->ports, p, link);
    h->port_count--;
    if (takes_datagrams(p))
        listen_grams_give_up(p);
    while ((c = TAILQ_FIRST(&p->conns)))
        listen_conn_end(c);
    if (p->all)
        listen_conn_end(p->all);
    p->all = NULL;
    uv_close((uv_handle_t *)&p->poll, on_port_closed);
    listen_address_close(p);
}

struct letting_go {
    struct listen_hub *hub;
    bool any;
};

static void let_go(void *arg)
{
    struct letting_go *l = arg;
    struct listen_port *p, *next;

    for (p = TAILQ_FIRST(&l->hub->ports); p; p = next) {
        next = TAILQ_NEXT(p, link);
        if (!TAILQ_EMPTY(&p->places))
            continue;
        listen_hub_drop(p);
        l->any = true;
    }
}

static bool hub_let_go(struct listener *l)
{
    struct letting_go g = {.hub = &l->hub};

    if (g.hub->loop)
        loop_call(g.hub->loop, let_go, &g);
    return g.any;
}

/* --- turns ----------------------------------------------------------------------------------------------------------- */

static void resume_held(struct listen_hub *h)
{
    struct listen_held all = TAILQ_HEAD_INITIALIZER(all);
    struct listen_conn *c;

    h->resume = h->yielded = false;
    TAILQ_CONCAT(&all, &h->held, held_link);
    while ((c = TAILQ_FIRST(&all))) {
        TAILQ_REMOVE(&all, c, held_link);
        c->held = false;
        listen_conn_resume(c); /* it may be held again */
    }
}

static void turn_dirty(struct listen_hub *h)
{
    struct listen_dirty all = TAILQ_HEAD_INITIALIZER(all);
    struct listen_conn *c;

    TAILQ_CONCAT(&all, &h->dirty, dirty_link);
    while ((c = TAILQ_FIRST(&all))) {
        TAILQ_REMOVE(&all, c, dirty_link);
        c->is_dirty = false;
        listen_conn_turn(c);
    }
}

static void nothing(uv_idle_t *idle)
{
    (void)idle;
}

void listen_hub_wake(struct listen_hub *h)
{
    uv_idle_start(&h->more, nothing);
}

static void look_at_inputs(struct listen_hub *h, bool all)
{
    struct input *in;

    TAILQ_FOREACH(in, &h->inputs, link)
        if (all || in->route.touched || in->leave_until)
            listen_route_look(in);
}

static void on_behind(uv_check_t *check)
{
    struct listen_hub *h = check->data;

    look_at_inputs(h, false);
    if (h->resume || h->yielded)
        resume_held(h);
    turn_dirty(h);
    look_at_inputs(h, false);
    buf_trim(&h->text, LISTEN_READ_BYTES);
    if (TAILQ_EMPTY(&h->dirty) && !h->yielded)
        uv_idle_stop(&h->more);
    else
        uv_idle_start(&h->more, nothing);
}

static void on_again(uv_timer_t *timer)
{
    struct listen_hub *h = timer->data;
    struct listen_port *p;
    struct input *in;

    listen_hub_time(h);
    look_at_inputs(h, true);
    resume_held(h);
    TAILQ_FOREACH(p, &h->ports, link)
        listen_port_look(p);
    listen_hub_wake(h);
    if (!TAILQ_EMPTY(&h->held))
        listen_hub_again(h);
    TAILQ_FOREACH(in, &h->inputs, link)
        if (!window_is_idle(&in->route.window) || in->leave_until)
            listen_hub_again(h);
}

void listen_hub_again(struct listen_hub *h)
{
    if (!uv_is_active((uv_handle_t *)&h->again))
        uv_timer_start(&h->again, on_again, LISTEN_AGAIN_MS, 0);
}

static bool somebody_waits_for_a_spool(const struct listen_hub *h)
{
    const struct listen_conn *c;

    TAILQ_FOREACH(c, &h->held, held_link)
        if (c->refused)
            return true;
    return false;
}

/* One that has left stays open for as long as deliveries take at a stop. Its senders need not wait for that: they find another, or go on without. A
 * reload waits, too, for attempts that hang; but then somebody comes. */
static void let_late_ones_go(struct listen_hub *h)
{
    nsec most = h->stops ? LISTEN_PARKED : LISTEN_AWAITED;
    struct input *in, *next;

    for (in = TAILQ_FIRST(&h->inputs); in; in = next) {
        next = TAILQ_NEXT(in, link);
        if (in->left_at && h->mono - in->left_at >= most)
            listen_leave(in, h->mono);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct listen_hub *h = timer->data;
    struct listen_port *p, *next;
    struct listen_conn *c;

    listen_hub_time(h);
    let_late_ones_go(h);
    h->full = somebody_waits_for_a_spool(h);
    for (p = TAILQ_FIRST(&h->ports); p; p = next) {
        next = TAILQ_NEXT(p, link);
        if (TAILQ_EMPTY(&p->places) && h->mono >= p->wait_until) {
            listen_hub_drop(p);
            continue;
        }
        if (p->tls)
            identity_files_look(p->tls, h->mono, h->wall);
        TAILQ_FOREACH(c, &p->conns, link)
            listen_conn_look(c);
        if (p->scheme->kind == LISTEN_UDP)
            listen_grams_count(p);
        listen_port_look(p);
    }
}

/* --- begin and end --------------------------------------------------------------------------------------------------- */

static void begin(void *arg)
{
    struct listen_hub *h = arg;
    uv_loop_t *uv = loop_uv(h->loop);

    listen_hub_time(h);
    uv_timer_init(uv, &h->tick);
    uv_timer_init(uv, &h->again);
    uv_check_init(uv, &h->behind);
    uv_idle_init(uv, &h->more);
    h->tick.data = h->again.data = h->behind.data = h->more.data = h;
    uv_timer_start(&h->tick, on_tick, 1000, 1000);
    uv_check_start(&h->behind, on_behind);
}

int listen_hub_begin(struct listen_hub *h, struct err *e)
{
    if (h->loop)
        return 0;
    if (loop_start(&h->loop, e) < 0)
        return -1;
    loop_call(h->loop, begin, h);
    return 0;
}

static void nobody_comes(void *arg)
{
    struct listen_hub *h = arg;

    h->stops = true;
}

static void hub_stop(struct listener *l)
{
    if (l->hub.loop)
        loop_call(l->hub.loop, nobody_comes, &l->hub);
}

static void end(void *arg)
{
    struct listen_hub *h = arg;
    struct listen_port *p;

    listen_hub_time(h);
    while ((p = TAILQ_FIRST(&h->ports)))
        listen_hub_drop(p);
    uv_close((uv_handle_t *)&h->tick, NULL);
    uv_close((uv_handle_t *)&h->again, NULL);
    uv_close((uv_handle_t *)&h->behind, NULL);
    uv_close((uv_handle_t *)&h->more, NULL);
}

static void hub_close(struct listener **l)
{
    struct listen_hub *h = &(*l)->hub;

    if (h->loop) {
        loop_call(h->loop, end, h);
        loop_stop(&h->loop);
    }
    buf_release(&h->text);
    buf_release(&h->facts);
    MEM_CLEAR(*l);
}

struct listen_hub *listen_hub_of(struct listeners *all)
{
    return &listeners_find(all, &listen_listener_ops)->hub;
}

const struct listener_ops listen_listener_ops = {.name = "sockets",
                                                 .called = "a socket",
                                                 .open = hub_open,
                                                 .stop = hub_stop,
                                                 .close = hub_close,
                                                 .let_go = hub_let_go};
