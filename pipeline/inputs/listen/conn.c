/* A connection. What comes is read into the hub's memory, behind what was left of the last message, and handed to the protocol; only what that
 * leaves is kept for the connection, so that one that is silent holds nothing. What is kept counts in the budget; before anything is read there
 * must be room for all that a reading can leave. All connections together have half of the budget for messages that have begun, so that they
 * never wait for one another's ends. */
#include "pipeline/base/mem.h"
#include "pipeline/inputs/listen/impl.h"
#include "pipeline/inputs/socket/socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CROWDED     "messages that have begun and have no end yet take half of the memory there is"
#define MEMORY_HINT "raise limits.memory, or let senders send smaller messages"

static struct listen_hub *hub_of(const struct listen_conn *c)
{
    return c->port->hub;
}

void listen_conn_dirty(struct listen_conn *c)
{
    struct listen_hub *h = hub_of(c);

    if (c->is_dirty)
        return;
    c->is_dirty = true;
    TAILQ_INSERT_TAIL(&h->dirty, c, dirty_link);
    listen_hub_wake(h);
}

void listen_conn_hold(struct listen_conn *c)
{
    if (c->held)
        return;
    c->held = true;
    TAILQ_INSERT_TAIL(&hub_of(c)->held, c, held_link);
    listen_hub_again(hub_of(c));
}

void listen_conn_say(struct listen_conn *c, const char *what, const char *why, const char *hint)
{
    struct listen_port *p = c->port;

    if (log_due(&p->client_log, p->hub->mono, LISTEN_SAYS_EVERY))
        log_warn(what, KS("listener", p->shown), KS("client", listen_peer(c)), KS("cause", why), KS("hint", hint),
                 KU("suppressed", p->client_log.suppressed));
}

static void fail(struct listen_conn *c, const char *why, const char *hint)
{
    if (!c->over && why)
        listen_conn_say(c, "a connection was closed", why, hint);
    c->over = true;
    listen_conn_dirty(c);
}

/* --- what is kept of it ----------------------------------------------------------------------------------------------- */

static void drop_in(struct listen_conn *c)
{
    buf_release(&c->in);
    if (c->budget)
        listen_conn_count(c, 0);
}

/* `rest` may lie in c->in. */
static void keep(struct listen_conn *c, struct slice rest)
{
    if (rest.n == 0) {
        drop_in(c);
        return;
    }
    if (c->in.p && rest.p >= c->in.p && rest.p < c->in.p + c->in.cap) {
        memmove(c->in.p, rest.p, rest.n);
        c->in.n = rest.n;
    } else {
        buf_clear(&c->in);
        if (buf_add_slice(&c->in, rest) < 0) {
            fail(c, "there is no memory for the rest of a message", MEMORY_HINT);
            return;
        }
    }
    listen_conn_count(c, c->in.cap);
}

/* A message that says how long it is does not get the double of that at the end. */
static void set_max(struct listen_conn *c)
{
    size_t most = c->port->protocol->message_max, want = c->expects > 0 && c->expects < most ? c->expects : most;

    c->in.max = want + 2 * LISTEN_READ_BYTES;
    if (c->in.max < c->in.cap)
        c->in.max = c->in.cap;
}

/* By so much the buffer grows for the next reading. */
static size_t growth(const struct listen_conn *c)
{
    size_t left = c->in.max - c->in.cap;

    if (c->in.n <= LISTEN_READ_BYTES)
        return 2 * LISTEN_READ_BYTES;
    if (c->in.cap - c->in.n >= LISTEN_READ_BYTES)
        return 0;
    return c->in.cap < left ? c->in.cap : left;
}

/* For as much as can be left. False: later, or never. */
static bool has_memory(struct listen_conn *c)
{
    struct listen_hub *h = hub_of(c);
    struct listen_place *place = TAILQ_FIRST(&c->port->places);
    size_t need;

    if (c->port->protocol->holds)
        return true;
    set_max(c);
    need = growth(c);
    listen_conn_count(c, c->in.cap);
    c->crowded = h->counted + need > c->budget->limit / 2;
    if (!c->crowded && c->budget->used + need <= c->budget->limit)
        return true;
    if (c->crowded && c->in.n > LISTEN_READ_BYTES) {
        fail(c, CROWDED, MEMORY_HINT);
        return false;
    }
    pushback_note(place->in->env.pushback, PUSHBACK_MEMORY, h->mono);
    listen_conn_hold(c);
    return false;
}

/* --- to the protocol -------------------------------------------------------------------------------------------------- */

static void feed(struct listen_conn *c, struct slice all, bool last)
{
    bool again = c->refused && c->port->protocol->holds;
    nsec now = hub_of(c)->mono;
    size_t used;

    c->refused = NULL;
    c->expects = 0;
    used = all.n > 0 || last || again ? c->port->protocol->read(c, all, last) : 0;
    if (c->over || c->ending) {
        drop_in(c);
        return;
    }
    if (used > 0 || c->part_since == 0 || c->refused)
        c->part_since = now;
    all = slice_from(all, used);
    if (c->refused) {
        listen_conn_hold(c);
        keep(c, all);
        return;
    }
    if (last)
        all.n = 0;
    if (all.n == 0)
        c->part_since = 0;
    if (all.n > c->port->protocol->message_max)
        fail(c, "a message is longer than may be", "the sender's settings, or another protocol that is spoken there");
    else
        keep(c, all);
}

/* --- reading ----------------------------------------------------------------------------------------------------------- */

static enum secure_answer from_errno(struct err *e)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return SECURE_WANTS_READ;
    (void)err_errno(e, "the connection broke off");
    return SECURE_FAILED;
}

static enum secure_answer receive(struct listen_conn *c, char *p, size_t room, size_t *n)
{
    enum secure_answer a = SECURE_DONE;
    struct err e;
    ssize_t got;

    if (c->secure) {
        a = secure_read(c->secure, p, room, n, &e);
    } else {
        got = recv(c->fd, p, room, 0);
        if (got < 0)
            a = from_errno(&e);
        else if (got == 0)
            a = SECURE_ENDED;
        *n = got > 0 ? (size_t)got : 0;
    }
    c->read_wants_write = a == SECURE_WANTS_WRITE;
    return a;
}

static bool reads(const struct listen_conn *c)
{
    return !c->shakes && !c->over && !c->ending && !c->eof && !c->held && c->out.n < LISTEN_OUT_MAX / 2 &&
           listen_port_works(c->port);
}

/* Behind what was left. Where that is much, into the same memory; else into the hub's. While some stream takes no more little is read at a time (and
 * never less than what TLS has at once): all of it may have to wait, of each connection, in memory that other streams need. */
static char *room_of(struct listen_conn *c, size_t *had, size_t *room)
{
    struct listen_hub *h = hub_of(c);

    *had = c->in.n;
    if (c->in.n > LISTEN_READ_BYTES) {
        if (buf_reserve(&c->in, LISTEN_READ_BYTES) < 0) {
            fail(c, "there is no memory for a message", MEMORY_HINT);
            return NULL;
        }
        listen_conn_count(c, c->in.cap);
        *room = c->in.cap - c->in.n;
        return c->in.p;
    }
    if (c->in.n > 0)
        memcpy(h->scratch, c->in.p, c->in.n);
    *room = h->mono < h->little_until ? LISTEN_READ_BYTES / 4 : sizeof(h->scratch) - c->in.n;
    return h->scratch;
}

static void read_some(struct listen_conn *c, size_t most)
{
    size_t total = 0, had, room, n;
    enum secure_answer a = SECURE_DONE;
    char *p;

    c->more = false;
    while (a == SECURE_DONE && reads(c) && has_memory(c)) {
        if (total >= most) {
            c->more = true;
            listen_conn_dirty(c);
            break;
        }
        p = room_of(c, &had, &room);
        if (!p)
            return;
        a = receive(c, p + had, room, &n);
        if (a == SECURE_DONE) {
            c->heard = hub_of(c)->mono;
            total += n;
            feed(c, slice_of(p, had + n), false);
            if (!c->secure && n < room)
                break; /* there is no more for now, or its event comes */
        } else if (a == SECURE_ENDED) {
            c->eof = true;
            feed(c, slice_of(p, had), true);
            listen_conn_dirty(c);
        } else if (a == SECURE_FAILED) {
            fail(c, NULL, NULL); /* whoever sends hears of it, too */
        }
    }
}

/* A sender whose window was full needs a moment for what it has at hand. */
bool listen_conn_drain(struct listen_conn *c)
{
    read_some(c, LISTEN_TURN_BYTES);
    return c->over || c->shakes || c->ending || (!c->more && !c->held && hub_of(c)->mono - c->heard >= LISTEN_QUIET);
}

void listen_conn_resume(struct listen_conn *c)
{
    if (c->fd < 0) {
        listen_grams_read(c->port);
        listen_port_look(c->port);
        return;
    }
    c->crowded = false;
    if (c->over || c->ending)
        return;
    if (!listen_port_works(c->port) || c->out.n >= LISTEN_OUT_MAX / 2) {
        listen_conn_hold(c);
        return;
    }
    if (c->in.n > 0 || c->eof || c->refused)
        feed(c, buf_slice(&c->in), c->eof);
    read_some(c, LISTEN_TURN_BYTES);
    listen_conn_poll(c);
    listen_conn_dirty(c);
}

/* --- writing ----------------------------------------------------------------------------------------------------------- */

static enum secure_answer send_some(struct listen_conn *c, struct slice bytes, size_t *n, struct err *e)
{
    ssize_t sent;

    if (c->secure)
        return secure_write(c->secure, bytes.p, bytes.n, n, e);
    sent = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    if (sent < 0)
        return from_errno(e);
    *n = (size_t)sent;
    return SECURE_DONE;
}

void listen_conn_write(struct listen_conn *c)
{
    struct err e;
    size_t n = 0;

    c->write_wants_read = false;
    while (!c->over && !c->shakes && c->out_at < c->out.n) {
        enum secure_answer a = send_some(c, slice_from(buf_slice(&c->out), c->out_at), &n, &e);

        c->write_wants_read = a == SECURE_WANTS_READ && c->secure;
        if (a == SECURE_ENDED || a == SECURE_FAILED)
            fail(c, NULL, NULL);
        if (a != SECURE_DONE)
            return;
        c->out_at += n;
    }
    buf_release(&c->out);
    c->out_at = 0;
    hub_of(c)->resume |= c->held; /* it may wait for this */
}

int listen_answer(struct listen_conn *c, struct slice bytes)
{
    if (c->fd < 0) {
        (void)sendto(c->port->fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&c->from,
                     c->from_length);
        return 0;
    }
    if (c->over)
        return -1;
    listen_conn_dirty(c);
    if (c->out_at > 0 && c->out.n + bytes.n > c->out.cap) {
        memmove(c->out.p, c->out.p + c->out_at, c->out.n - c->out_at);
        c->out.n -= c->out_at;
        c->out_at = 0;
    }
    if (buf_add_slice(&c->out, bytes) == 0)
        return 0;
    fail(c, "it does not read what it is answered", "is the sender well?");
    return -1;
}

void listen_end(struct listen_conn *c, const char *why, const char *hint)
{
    if (c->fd < 0 || c->ending || c->over)
        return;
    if (why)
        listen_conn_say(c, "a connection is closed", why, hint);
    c->ending = true;
    c->end_by = hub_of(c)->mono + LISTEN_END_TIME;
    listen_conn_dirty(c);
}

/* --- turns ------------------------------------------------------------------------------------------------------------- */

static void shake_hands(struct listen_conn *c)
{
    bool certificate;
    struct err e;
    enum secure_answer a = secure_handshake(c->secure, &certificate, &e);

    c->read_wants_write = a == SECURE_WANTS_WRITE;
    if (a == SECURE_WANTS_READ || a == SECURE_WANTS_WRITE)
        return;
    if (a == SECURE_ENDED) {
        fail(c, NULL, NULL); /* who only looks whether the port is open says nothing, and nothing is said of it */
        return;
    }
    if (a == SECURE_FAILED) {
        listen_conn_say(
            c, "a client did not get through the TLS handshake", e.msg,
            c->identity->asks
                ? "does it speak TLS, trust our certificate, and have one of an authority in client_ca_file?"
                : "does it speak TLS, and trust our certificate? Its own log says more");
        fail(c, NULL, NULL);
        return;
    }
    c->shakes = false;
    secure_peer_name(c->secure, c->name, sizeof(c->name));
    c->began = true;
    if (c->port->protocol->begin)
        c->port->protocol->begin(c);
    listen_conn_dirty(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listen_conn *c = poll->data;

    listen_hub_time(hub_of(c));
    if (status < 0) {
        c->events = 0;                       /* the library waits for nothing any more */
        events |= UV_READABLE | UV_WRITABLE; /* one of which says what it is */
    }
    if (c->shakes)
        shake_hands(c);
    if (!c->shakes && ((events & UV_READABLE) || c->read_wants_write))
        read_some(c, LISTEN_TURN_BYTES);
    if (!c->shakes && ((events & UV_WRITABLE) || c->write_wants_read))
        listen_conn_write(c);
    if (c->eof || c->ending)
        listen_conn_dirty(c);
    listen_conn_poll(c);
}

void listen_conn_poll(struct listen_conn *c)
{
    bool in, out;
    int events;

    if (c->over)
        return;
    if (c->shakes && !listen_port_works(c->port)) { /* nobody could say whom to let in */
        in = out = false;
    } else if (c->shakes) {
        in = !c->read_wants_write;
        out = c->read_wants_write;
    } else {
        in = reads(c) || c->write_wants_read;
        out = (c->out_at < c->out.n && !c->write_wants_read) || (c->read_wants_write && reads(c));
    }
    events = (in ? UV_READABLE : 0) | (out ? UV_WRITABLE : 0);
    if (events == c->events)
        return;
    c->events = events;
    if (events)
        uv_poll_start(&c->poll, events, on_poll);
    else
        uv_poll_stop(&c->poll);
}

static bool is_done(const struct listen_conn *c)
{
    if (c->over)
        return true;
    if (c->out_at < c->out.n)
        return false;
    return c->ending || (c->eof && !c->held && TAILQ_EMPTY(&c->marks));
}

void listen_conn_turn(struct listen_conn *c)
{
    if (c->fd < 0) {
        listen_marks_ready(c);
        return;
    }
    if (c->more)
        read_some(c, LISTEN_TURN_BYTES);
    listen_marks_ready(c);
    listen_conn_write(c);
    if (is_done(c))
        listen_conn_end(c);
    else
        listen_conn_poll(c);
}

/* A sender has a minute for the rest of its message, which begins anew while nothing is read for reasons of our own. Those whose messages have begun
 * may all wait for memory that they have themselves: then those that began long ago must go. */
static bool is_part_late(struct listen_conn *c)
{
    struct listen_hub *h = hub_of(c);
    bool waits = c->held && (c->refused || !c->crowded || h->full);

    if (c->in.n == 0)
        return false;
    if (waits || !listen_port_works(c->port))
        c->part_since = h->mono;
    return h->mono - c->part_since > (c->held ? LISTEN_SILENT : LISTEN_REST_TIME);
}

static void too_late(struct listen_conn *c)
{
    struct listen_port *p = c->port;
    nsec now = p->hub->mono;

    if (c->shakes && now - c->heard > LISTEN_HANDSHAKE_TIME)
        fail(c, "the TLS handshake did not come to its end in time", "is it TLS that it speaks?");
    else if (c->shakes)
        return;
    else if ((c->ending && now > c->end_by) || (c->eof && now - c->heard > LISTEN_REST_TIME && !c->held))
        fail(c, NULL, NULL);
    else if (is_part_late(c) && c->held) {
        fail(c, CROWDED, MEMORY_HINT);
    } else if (is_part_late(c)) {
        c->eof = true; /* what is there may be a message as it is */
        feed(c, buf_slice(&c->in), true);
        listen_conn_say(c, "a connection was closed", "a message had no end for a minute",
                        "the sender hangs, or speaks another protocol");
        listen_conn_dirty(c);
    } else if (p->idle > 0 && !c->held && TAILQ_EMPTY(&c->marks) && now - c->heard > p->idle) {
        fail(c, "nothing came for as long as idle_timeout says",
             "raise idle_timeout, if its sender may be silent longer");
    }
}

void listen_conn_look(struct listen_conn *c)
{
    if (!c->over)
        too_late(c);
    if (!c->over && !c->ending && c->began && c->port->protocol->look)
        c->port->protocol->look(c);
}
