/* The window, the socket and the session know nothing of one another; this is what goes between them.
 *
 * Numbers grow over all connections. A session holds those of its own messages only, so what becomes safe of an older connection is nobody's any
 * more: its messages come again, and are known by their ids. The window is emptied only when the disk has refused something. */
#include "pipeline/inputs/broker/broker.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"

#include <stdio.h>
#include <string.h>

static const struct broker_protocol *protocol(const struct broker *b)
{
    return b->conf.protocol;
}

static const char *label(const struct broker *b)
{
    return input_health_label(b->env.health, b->conf.protocol->name);
}

/* --- the connection -------------------------------------------------------------------------------------------------- */

static const char *doing(const struct broker *b)
{
    return !b->talks ? "connect" : !b->opened ? "subscribe" : "receive";
}

static void hang_up(struct broker *b)
{
    socket_close(&b->socket);
    b->talks = b->opened = false;
}

static void failed(struct broker *b, const struct err *e, const char *hint, nsec now)
{
    bool said = e->code == ERR_REMOTE;
    const struct connection_trouble trouble = {
        .doing = doing(b), .cause = said ? "the server refuses" : e->msg, .said = said ? e->msg : NULL, .hint = hint};

    connection_failed(&b->connection, &trouble, now);
    hang_up(b);
}

static void session_failed(struct broker *b, const struct err *e, nsec now)
{
    failed(b, e, protocol(b)->hint(b->conf.session), now);
}

/* What a server does that wants TLS, or speaks something else: it says nothing and hangs up. */
static void socket_failed(struct broker *b, const struct err *e, nsec now)
{
    const char *hint = socket_hint(&b->socket);

    if (b->talks && !b->opened && b->socket.trouble == SOCKET_ENDED)
        hint = "look at `url`: is it the port of this protocol, with or without TLS as it wants it? Else the server's "
               "log says "
               "more";
    failed(b, e, hint, now);
}

static void note_open(struct broker *b, nsec now)
{
    const char *remark;

    if (b->opened || !b->talks || !protocol(b)->is_open(b->conf.session))
        return;
    b->opened = true;
    connection_works(&b->connection, now);
    remark = protocol(b)->remark(b->conf.session);
    if (remark && !b->remarked)
        log_warn(remark, KS("stream", b->env.stream), KS("input", label(b)), KS("source", b->shown));
    b->remarked |= remark != NULL;
}

/* --- messages -------------------------------------------------------------------------------------------------------- */

static void refuse(struct broker *b, const struct broker_message *m, const char *why, nsec now)
{
    struct slice id = m->id;
    uint64_t size = m->size;
    const char *hint;
    char shown[120];

    snprintf(shown, sizeof(shown), "%.*s", (int)(id.n < sizeof(shown) ? id.n : sizeof(shown) - 1), id.n ? id.p : "");
    protocol(b)->refuse(b->conf.session);
    hint = protocol(b)->refusal(b->conf.session);
    input_health_error(b->env.health, why, hint, now);
    if (log_due(&b->refused, now, BROKER_REFUSED_SAYS_EVERY))
        log_warn(why, KS("stream", b->env.stream), KS("input", label(b)), KS("source", b->shown),
                 KS("message_id", shown), KU("bytes", size), KU("bytes_max", RECORD_MAX_BYTES),
                 KU("before", b->refused.suppressed), KS("hint", hint));
}

static void note_facts_cut(struct broker *b)
{
    if (b->facts_cut_shown)
        return;
    b->facts_cut_shown = true;
    log_warn(
        "a message has more headers or properties than can be kept beside its record: some are left out, here and of "
        "others like it",
        KS("stream", b->env.stream), KS("input", label(b)), KS("source", b->shown), KU("bytes_max", RECORD_FACTS_MAX));
}

/* False: the window takes nothing now. */
static bool put(struct broker *b, const struct broker_message *m, nsec now)
{
    const struct frame_message fm = {
        .data = m->data, .facts = m->facts, .id = b->conf.remember > 0 ? m->id : SLICE("")};

    if (m->unreadable) {
        refuse(b, m, m->why, now);
        return true;
    }
    switch (m->too_large ? WINDOW_TOO_LARGE : window_put(&b->window, &fm, b->numbers + 1, clock_wall(), now)) {
    case WINDOW_TAKEN:
        if (m->again)
            input_health_add(b->env.health, INPUT_REDELIVERED, 1);
        if (m->facts_cut)
            note_facts_cut(b);
        protocol(b)->keep(b->conf.session, ++b->numbers);
        return true;
    case WINDOW_TOO_LARGE:
        refuse(b, m, "a message is larger than a record, or the stream's spool, may be", now);
        return true;
    case WINDOW_FULL:
    case WINDOW_BROKEN:
        break;
    }
    return false;
}

/* Messages that stand. False: one does not fit now. */
static bool put_all(struct broker *b, nsec now)
{
    const struct broker_message *m;

    while ((m = protocol(b)->message(b->conf.session)))
        if (!put(b, m, now))
            return false;
    return true;
}

/* What was read. False: the session failed. */
static bool take(struct broker *b, nsec now)
{
    struct slice bytes = buf_slice(&b->socket.in);
    size_t all = bytes.n, before;
    struct err e = {.msg = ""};

    do {
        before = bytes.n;
        if ((!put_all(b, now) && !protocol(b)->reads_on) || before == 0 || protocol(b)->is_full(b->conf.session))
            break;
        if (protocol(b)->take(b->conf.session, &bytes, now, &e) < 0) {
            session_failed(b, &e, now);
            return false;
        }
    } while (bytes.n < before);
    socket_took(&b->socket, all - bytes.n); /* once: what is left is moved to the beginning */
    return true;
}

static void say(struct broker *b, nsec now)
{
    struct slice out;

    while ((out = protocol(b)->out(b->conf.session)).n > 0) {
        if (out.n > BROKER_WRITE_BYTES)
            out.n = BROKER_WRITE_BYTES;
        if (socket_write(&b->socket, out) < 0)
            return;
        protocol(b)->wrote(b->conf.session, out.n, now);
    }
}

/* --- turns ----------------------------------------------------------------------------------------------------------- */

static void look(struct broker *b, nsec now)
{
    struct window_news news = window_look(&b->window, now);

    if (news.safe && b->talks)
        protocol(b)->safe(b->conf.session, news.upto);
    if (news.refused) {
        hang_up(b);
        window_reset(&b->window);
        b->connection.again = now + NSEC_PER_SEC; /* the disk refuses: not at once again */
    }
}

static bool reads(const struct broker *b)
{
    return !b->socket.hold;
}

/* Nothing is to be read. Until the subscription is there the server's answers are: the window may be full with what an older connection
 * brought, and stay so for as long as the spool is. */
static bool holds(struct broker *b)
{
    if (protocol(b)->is_full(b->conf.session))
        return true;
    if (protocol(b)->reads_on)
        return false;
    return protocol(b)->message(b->conf.session) || (b->opened && !window_has_room(&b->window));
}

/* What can be done without waiting. */
static void talk(struct broker *b, nsec now)
{
    struct err e = {.msg = ""};

    b->socket.hold = b->talks && holds(b);
    if (socket_turn(&b->socket, now, &e) < 0) {
        socket_failed(b, &e, now);
        return;
    }
    if (b->socket.state != SOCKET_OPEN)
        return;
    if (!b->talks) {
        protocol(b)->begin(b->conf.session, now);
        b->talks = true;
    }
    if (!take(b, now))
        return;
    note_open(b, now);
    if (protocol(b)->tick(b->conf.session, reads(b), now, &e) < 0) {
        session_failed(b, &e, now);
        return;
    }
    say(b, now);
}

static void connect_again(struct broker *b, nsec now)
{
    struct err e = {.msg = ""};

    if (!connection_is_due(&b->connection, now))
        return;
    if (socket_begin(&b->socket, now, &e) < 0)
        failed(b, &e, socket_hint(&b->socket), now);
}

static nsec next_turn(const struct broker *b, nsec now)
{
    nsec next = now + NSEC_PER_SEC, at;

    if (b->socket.state == SOCKET_CLOSED && b->connection.again > now && b->connection.again < next)
        next = b->connection.again;
    if (!b->talks)
        return next;
    at = protocol(b)->next(b->conf.session);
    if (at < next)
        next = at;
    if (protocol(b)->message(b->conf.session) && now + BROKER_AGAIN < next)
        next = now + BROKER_AGAIN; /* for memory nobody wakes this thread */
    return next > now ? next : now;
}

static void turn(struct broker *b, nsec now)
{
    look(b, now);
    if (b->socket.state == SOCKET_CLOSED)
        connect_again(b, now);
    if (b->socket.state != SOCKET_CLOSED)
        talk(b, now);
    window_flush(&b->window, now);
}

static bool has_left(const struct broker *b)
{
    if (!window_is_idle(&b->window))
        return false;
    return !b->talks || (protocol(b)->has_left(b->conf.session) && socket_is_written(&b->socket));
}

static void leave(struct broker *b)
{
    nsec now = clock_mono(), until = now + BROKER_LEAVE_TIME;

    if (b->talks)
        protocol(b)->leave(b->conf.session, now);
    else
        hang_up(b);
    for (; now < until && !has_left(b); now = clock_mono()) {
        look(b, now);
        if (b->socket.state != SOCKET_CLOSED)
            talk(b, now);
        window_flush(&b->window, now);
        socket_wait(&b->socket, now + BROKER_AGAIN, true);
    }
    hang_up(b);
}

static void run(struct input_thread *t, void *arg)
{
    struct broker *b = arg;

    b->socket.thread = t;
    while (!input_thread_ends(t)) {
        turn(b, clock_mono());
        socket_wait(&b->socket, next_turn(b, clock_mono()), false);
    }
    leave(b);
}

/* --- the input ------------------------------------------------------------------------------------------------------- */

static void on_news(void *ctx)
{
    struct broker *b = ctx;

    input_thread_wake(b->thread);
}

static void init_socket(struct broker *b, nsec timeout)
{
    const struct socket_conf conf = {.host = b->conf.url.host,
                                     .port = b->conf.url.port,
                                     .tls = b->tls,
                                     .in_max = SOCKET_READ_BYTES,
                                     .out_max = BROKER_OUT_BYTES,
                                     .timeout = timeout};

    socket_init(&b->socket, &conf);
}

int broker_open(struct broker *b, const struct broker_conf *conf, const struct input_env *env, struct err *e)
{
    (void)e;
    *b = (struct broker){.conf = *conf, .env = *env};
    snprintf(b->shown, sizeof(b->shown), "%s %s", conf->url.shown, conf->source);
    snprintf(b->origin, sizeof(b->origin), "input=%s source=%s", conf->protocol->name, conf->source);
    snprintf(b->id_source, sizeof(b->id_source), "%s %s", conf->protocol->name, b->shown);
    if (conf->url.tls)
        b->tls = tls_options_new(conf->tls, env->base_dir);
    init_socket(b, BROKER_CONNECT_TIMEOUT);
    connection_init(&b->connection, &(struct connection_conf){.stream = env->stream,
                                                              .input = label(b),
                                                              .source = b->shown,
                                                              .health = env->health,
                                                              .holds = CONNECTION_HOLDS});
    window_init(&b->window, &(struct window_conf){.spool = env->spool,
                                                  .budget = env->budget,
                                                  .pushback = env->pushback,
                                                  .health = env->health,
                                                  .origin = slice_str(b->origin),
                                                  .id_source = conf->remember > 0 ? slice_str(b->id_source) : SLICE(""),
                                                  .ids = {.count = (uint32_t)conf->remember,
                                                          .seconds = (uint32_t)(conf->remember_for / NSEC_PER_SEC)},
                                                  .records = conf->in_flight,
                                                  .news = on_news,
                                                  .ctx = b});
    return 0;
}

int broker_start(struct broker *b, struct err *e)
{
    const struct input_thread_conf conf = {
        .stream = b->env.stream, .input = label(b), .run = run, .polls = true, .arg = b};

    return input_thread_start(&b->thread, &conf, e);
}

void broker_stop(struct broker *b)
{
    input_thread_stop(b->thread);
}

bool broker_stopped(struct broker *b, nsec until)
{
    return input_thread_ended(b->thread, until);
}

void broker_close(struct broker *b)
{
    socket_release(&b->socket);
    input_thread_free(&b->thread);
    connection_release(&b->connection);
    window_release(&b->window);
    tls_options_free(&b->tls);
}

/* True: the session is open. */
static int probe_turn(struct broker *b, nsec now, bool *open, struct err *e)
{
    const struct broker_protocol *p = protocol(b);
    struct slice bytes;
    struct err why;

    if (socket_turn(&b->socket, now, e) < 0)
        return b->talks && b->socket.trouble == SOCKET_ENDED
                   ? err_set(e, ERR_REMOTE,
                             "%s closed the connection: is it the port of this protocol, with or without "
                             "TLS as it wants it?",
                             b->conf.url.shown)
                   : -1;
    if (b->socket.state != SOCKET_OPEN)
        return 0;
    if (!b->talks)
        p->begin(b->conf.session, now);
    b->talks = true;
    bytes = buf_slice(&b->socket.in);
    if (p->take(b->conf.session, &bytes, now, &why) < 0)
        return err_set(e, why.code, "%s: %s; %s", b->conf.url.shown, why.msg, p->hint(b->conf.session));
    socket_took(&b->socket, b->socket.in.n - bytes.n);
    *open = p->is_open(b->conf.session);
    if (*open)
        p->leave(b->conf.session, now);
    say(b, now);
    return 0;
}

/* Its last words are answered before the connection is closed: what is closed with answers unread breaks off for the server, which may take the next
 * connection for a second one then. */
static void say_goodbye(struct broker *b, nsec until)
{
    const struct broker_protocol *p = protocol(b);
    nsec now = clock_mono();
    struct slice bytes;
    struct err e;

    for (; now < until && socket_turn(&b->socket, now, &e) == 0; now = clock_mono()) {
        bytes = buf_slice(&b->socket.in);
        if (p->take(b->conf.session, &bytes, now, &e) < 0)
            return;
        socket_took(&b->socket, b->socket.in.n - bytes.n);
        say(b, now);
        if (p->has_left(b->conf.session) && socket_is_written(&b->socket))
            return;
        socket_wait(&b->socket, until, false);
    }
}

int broker_probe(const struct broker_conf *conf, const char *base_dir, nsec until, struct err *e)
{
    struct broker b = {.conf = *conf};
    nsec now = clock_mono();
    bool open = false;
    int rc;

    if (conf->url.tls)
        b.tls = tls_options_new(conf->tls, base_dir);
    init_socket(&b, until > now ? until - now : 1);
    rc = socket_begin(&b.socket, now, e);
    for (; rc == 0 && !open; now = clock_mono()) {
        rc = now < until ? probe_turn(&b, now, &open, e)
                         : err_set(e, ERR_REMOTE, "%s: no answer in time", conf->url.shown);
        if (rc == 0 && !open)
            socket_wait(&b.socket, until, false);
    }
    if (open)
        say_goodbye(&b, nsec_earlier(until, now + BROKER_LEAVE_TIME));
    socket_release(&b.socket);
    tls_options_free(&b.tls);
    return rc;
}
