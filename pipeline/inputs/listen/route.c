/* Records have a number in their input. A mark waits for the number that its connection had put last, in each input; what an input's window
 * calls safe is looked for at the front of its list, which is in the order in which marks were made. */
#include "pipeline/base/mem.h"
#include "pipeline/inputs/listen/impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct listen_hub *hub_of(const struct input *in)
{
    return in->hub;
}

/* --- marks ------------------------------------------------------------------------------------------------------------- */

static void touch(struct listen_conn *c, struct listen_route *r)
{
    for (size_t i = 0; i < c->touched_count; i++)
        if (c->touched[i].route == r) {
            c->touched[i].number = r->number;
            return;
        }
    if (c->touched_count == c->touched_room) {
        c->touched_room += 4;
        c->touched = mem_grow(c->touched, c->touched_room, sizeof(*c->touched));
    }
    c->touched[c->touched_count++] = (struct listen_touched){r, r->number};
}

bool listen_wait(struct listen_conn *c)
{
    assert(c->mark_count > 0);
    c->refused = &TAILQ_FIRST(&c->port->places)->in->route;
    return false;
}

/* The client waits for answers, and so do we: what has no room now has some when one of the marks is safe. One that lacks something would never be. */
bool listen_can_mark(struct listen_conn *c)
{
    if (c->lacks) {
        c->over = true;
        listen_conn_dirty(c);
        return false;
    }
    return c->mark_count < LISTEN_MARKS_MAX || listen_wait(c);
}

unsigned listen_marks(const struct listen_conn *c)
{
    return c->mark_count;
}

bool listen_mark(struct listen_conn *c, uint64_t mark)
{
    struct listen_mark *m;

    if (!listen_can_mark(c))
        return false;
    m = mem_alloc(sizeof(*m));
    m->conn = c;
    m->mark = mark;
    for (size_t i = 0; i < c->touched_count; i++) {
        struct listen_route *r = c->touched[i].route;
        struct listen_due *due;

        if (c->touched[i].number <= r->safe)
            continue;
        due = mem_alloc(sizeof(*due));
        due->number = c->touched[i].number;
        due->mark = m;
        STAILQ_INSERT_TAIL(&r->due, due, link);
        m->waits++;
    }
    c->touched_count = 0;
    TAILQ_INSERT_TAIL(&c->marks, m, link);
    c->mark_count++;
    if (m->waits == 0)
        listen_conn_dirty(c);
    return true;
}

void listen_marks_ready(struct listen_conn *c)
{
    struct listen_mark *m;

    while (!c->over && (m = TAILQ_FIRST(&c->marks)) && m->waits == 0 && !m->lost) {
        uint64_t mark = m->mark;

        TAILQ_REMOVE(&c->marks, m, link);
        c->mark_count--;
        mem_free(m);
        c->port->hub->resume |= c->held; /* it may wait for this */
        if (c->port->protocol->safe)
            c->port->protocol->safe(c, mark);
    }
}

void listen_marks_release(struct listen_conn *c)
{
    struct listen_mark *m;

    while ((m = TAILQ_FIRST(&c->marks))) {
        TAILQ_REMOVE(&c->marks, m, link);
        m->conn = NULL;
        if (m->waits == 0)
            mem_free(m);
    }
    c->mark_count = 0;
}

/* `given_up`: what it waits for will not come; so it never becomes safe, and neither does what is behind it. */
static void pop_due(struct listen_route *r, bool given_up)
{
    struct listen_due *due = STAILQ_FIRST(&r->due);
    struct listen_mark *m = due->mark;

    STAILQ_REMOVE_HEAD(&r->due, link);
    mem_free(due);
    m->waits--;
    if (m->conn && given_up) {
        m->conn->over = true;
        m->lost = true; /* it stays in front */
        listen_conn_dirty(m->conn);
    } else if (m->conn && m->waits == 0) {
        listen_conn_dirty(m->conn);
    } else if (!m->conn && m->waits == 0) {
        mem_free(m);
    }
}

/* --- the window ---------------------------------------------------------------------------------------------------------- */

static void told(void *arg)
{
    struct input *in = arg;

    pthread_mutex_lock(&in->lock);
    in->posted = false;
    pthread_mutex_unlock(&in->lock);
    listen_hub_time(hub_of(in));
    listen_route_look(in);
}

/* Any thread. */
static void on_news(void *ctx)
{
    struct input *in = ctx;

    pthread_mutex_lock(&in->lock);
    if (!in->posted) {
        in->posted = true;
        loop_post(hub_of(in)->loop, &in->post);
    }
    pthread_mutex_unlock(&in->lock);
}

void listen_route_init(struct input *in)
{
    const struct listen_protocol *p = in->protocol;
    const struct window_conf conf = {
        .spool = in->env.spool,
        .budget = in->env.budget,
        .pushback = in->env.pushback,
        .health = in->env.health,
        .origin = slice_str(in->origin),
        .id_source = p->id_source ? slice_str(p->id_source) : SLICE(""),
        .ids = p->bounds ? p->bounds(in->conf) : (struct id_bounds){0},
        .records = LISTEN_WINDOW_RECORDS,
        .keeps = true,
        .news = on_news,
        .ctx = in,
    };

    in->post = (struct loop_post){.fn = told, .arg = in};
    in->route.in = in;
    STAILQ_INIT(&in->route.due);
    window_init(&in->route.window, &conf);
}

void listen_route_release(struct input *in)
{
    window_release(&in->route.window);
}

static void leave_route(struct listen_conn *c, const struct listen_route *r)
{
    for (size_t k = 0; k < c->touched_count; k++)
        if (c->touched[k].route == r) {
            c->lacks |= c->touched[k].number > r->safe;
            c->touched[k--] = c->touched[--c->touched_count];
        }
}

/* What is not safe by now will not be: neither is what waits for it, or will. */
void listen_route_end(struct input *in)
{
    struct listen_conn *c;

    while (!STAILQ_EMPTY(&in->route.due))
        pop_due(&in->route, true);
    for (size_t i = 0; i < in->place_count; i++) {
        TAILQ_FOREACH(c, &in->places[i].port->conns, link)
            leave_route(c, &in->route);
        if (in->places[i].port->all)
            leave_route(in->places[i].port->all, &in->route);
    }
}

/* What was taken and was in no frame that the spool has. */
static void say_left(struct input *in)
{
    uint64_t n = window_left(&in->route.window).records;

    if (n == 0 || in->protocol->acknowledges)
        return;
    input_health_add(in->env.health, INPUT_LOST, n);
    log_warn("stopped: what was received and not yet taken by the spool is lost", KS("stream", in->env.stream),
             KS("input", in->label), KU("records", n),
             KS("hint", "a sender that waits for acknowledgements (RELP, forward) would send it again"));
}

/* True: it has read what had come, or as much of it as there was time for, and reads no more. */
static bool has_read(struct input *in)
{
    struct listen_hub *h = hub_of(in);
    bool dry = true;

    if (!in->read_until)
        return true;
    for (size_t i = 0; i < in->place_count; i++)
        dry &= listen_port_drain(in->places[i].port);
    if (!dry && h->mono < in->read_until)
        return false;
    in->read_until = 0;
    for (size_t i = 0; i < in->place_count; i++) {
        struct listen_port *p = in->places[i].port;

        listen_grams_count(p);
        in->places[i].on = false;
        p->wait_until = h->mono + LISTEN_PARKED;
        listen_port_look(p);
    }
    return true;
}

static void leave_when_safe(struct input *in)
{
    struct listen_hub *h = hub_of(in);

    if (in->leave_until && !has_read(in)) {
        listen_hub_again(h);
        return;
    }
    if (!in->leave_until || (!window_is_idle(&in->route.window) && h->mono < in->leave_until)) {
        if (in->leave_until)
            listen_hub_again(h);
        return;
    }
    in->leave_until = 0;
    in->left_at = h->mono;
    window_end(&in->route.window); /* who waits for us counts on it that nothing comes to the spool behind this */
    say_left(in);
    pthread_mutex_lock(&in->lock);
    in->gate = LISTEN_LEFT;
    pthread_cond_broadcast(&in->moved);
    pthread_mutex_unlock(&in->lock);
}

void listen_route_look(struct input *in)
{
    struct listen_route *r = &in->route;
    struct window_news n = window_look(&r->window, hub_of(in)->mono);
    struct listen_due *due;

    r->touched = false;
    if (n.safe) {
        r->safe = n.upto;
        while ((due = STAILQ_FIRST(&r->due)) && due->number <= r->safe)
            pop_due(r, false);
    }
    if (n.refused) { /* only what the spool would not take however empty it were */
        uint64_t lost = r->window.records;

        window_reset(&r->window);
        listen_route_end(in);
        listen_lost(r, lost);
    }
    if (!window_is_idle(&r->window))
        listen_hub_again(hub_of(in));
    hub_of(in)->resume |= n.safe || n.refused;
    leave_when_safe(in);
}

/* --- records ------------------------------------------------------------------------------------------------------------ */

static enum listen_answer later(struct listen_conn *c, struct listen_route *r)
{
    c->refused = r;
    if (r->blocked == 0)
        r->blocked = hub_of(r->in)->mono;
    return LISTEN_LATER;
}

nsec listen_blocked(const struct listen_route *r)
{
    return r->blocked ? hub_of(r->in)->mono - r->blocked : 0;
}

static enum listen_answer too_large(struct listen_conn *c, struct listen_route *r, size_t n, const char *most,
                                    const char *hint)
{
    char why[160];

    snprintf(why, sizeof(why), "a record has %zu bytes: more than %s", n, most);
    listen_bad(c, r, why, hint);
    return LISTEN_TOO_LARGE;
}

static size_t frame_of(size_t n)
{
    return n > WINDOW_FRAME_BYTES ? n : WINDOW_FRAME_BYTES;
}

/* That the stream's inputs here have begun, and the spool does not know of yet. */
static size_t open_frames(const struct listen_route *r)
{
    const struct input *in;
    size_t n = 0;

    TAILQ_FOREACH(in, &hub_of(r->in)->inputs, link)
        if (in->env.spool == r->in->env.spool && in->route.window.open)
            n += frame_of(in->route.window.open_sum.bytes);
    return n;
}

/* What is taken finds room when its frame is full: so nothing that was read waits here when the process ends, or its input begins anew. */
static bool spool_takes(struct listen_route *r, uint32_t records, size_t n, size_t facts)
{
    const struct window *w = &r->window;
    struct spool *s = r->in->env.spool;
    struct err why;

    if ((w->open && !w->due && frame_has_room(w->open, records, n, facts)) ||
        spool_has_room(s, frame_of(n) + open_frames(r)))
        return true;
    hub_of(r->in)->little_until = hub_of(r->in)->mono + LISTEN_LITTLE;
    pushback_note(r->in->env.pushback, spool_failing(s, &why) ? PUSHBACK_DISK : PUSHBACK_LIMIT, hub_of(r->in)->mono);
    return false;
}

enum listen_answer listen_put(struct listen_conn *c, struct listen_route *r, const struct listen_message *m)
{
    const struct frame_message message = {.data = m->data, .facts = m->facts, .id = m->id};
    struct listen_hub *h = hub_of(r->in);

    if (m->data.n > RECORD_MAX_BYTES) {
        char most[48];

        snprintf(most, sizeof(most), "the %llu that a record may have", (unsigned long long)RECORD_MAX_BYTES);
        return too_large(c, r, m->data.n, most, "let its sender send less at a time");
    }
    if (!spool_takes(r, 1, m->data.n, m->facts.n + m->id.n))
        return later(c, r);
    switch (window_put(&r->window, &message, r->number + 1, h->wall, h->mono)) {
    case WINDOW_TAKEN:
        break;
    case WINDOW_TOO_LARGE:
        return too_large(c, r, m->data.n, "the stream's spool may hold", "raise spool.limit");
    default:
        r->touched = true;
        return later(c, r);
    }
    r->number++;
    r->blocked = 0;
    r->touched = true;
    touch(c, r);
    return LISTEN_TAKEN;
}

enum listen_answer listen_fits(struct listen_conn *c, struct listen_route *r, uint32_t records, size_t data,
                               size_t facts)
{
    struct listen_hub *h = hub_of(r->in);

    if (spool_takes(r, records, data, facts) && window_fits(&r->window, records, data, facts, h->wall, h->mono))
        return LISTEN_TAKEN;
    r->touched = true;
    return later(c, r);
}

bool listen_has_room(struct listen_conn *c, struct listen_route *r)
{
    if (window_has_room(&r->window) && spool_takes(r, 0, 0, 0))
        return true;
    r->touched = true;
    (void)later(c, r);
    return false;
}

void listen_yield(struct listen_conn *c)
{
    struct listen_hub *h = c->port->hub;

    c->refused = &TAILQ_FIRST(&c->port->places)->in->route;
    h->yielded = true;
    listen_hub_wake(h);
}

enum spool_id listen_id_seen(const struct listen_route *r, struct slice id)
{
    return window_id_seen(&r->window, id);
}
