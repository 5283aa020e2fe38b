/* One function for each state goes on from there, and says whether the next state can be tried at once. What ends the connection is kept in
 * s->why and said by the next turn when the present one has brought something to read. */
#include "pipeline/inputs/socket/socket.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/socket/lookup.h"
#include "pipeline/inputs/socket/secure.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void socket_init(struct socket *s, const struct socket_conf *conf)
{
    *s = (struct socket){.conf = *conf, .fd = -1};
    buf_init(&s->in, conf->in_max > SOCKET_READ_BYTES ? conf->in_max : SOCKET_READ_BYTES);
    buf_init(&s->out, conf->out_max);
}

void socket_release(struct socket *s)
{
    socket_close(s);
    lookup_leave(&s->lookup);
    mem_free(s->addresses);
    s->addresses = NULL;
    buf_release(&s->in);
    buf_release(&s->out);
}

static void close_descriptor(struct socket *s)
{
    secure_free(&s->secure);
    if (s->fd < 0)
        return;
    close(s->fd);
    s->fd = -1;
}

void socket_close(struct socket *s)
{
    if (s->state == SOCKET_OPEN && s->secure && !s->over)
        secure_shut(s->secure);
    close_descriptor(s);
    http_request_release(&s->files);
    s->files = (struct http_request){0};
    s->state = SOCKET_CLOSED;
    buf_clear(&s->in);
    buf_trim(&s->in, SOCKET_READ_BYTES);
    buf_clear(&s->out);
    buf_trim(&s->out, SOCKET_READ_BYTES);
    s->out_at = s->need = s->next = 0;
    s->hold = s->more = s->broken = s->over = s->read_wants_write = s->write_wants_read = false;
}

/* --- what is wrong ------------------------------------------------------------------------------------------------- */

static int over(struct socket *s, enum socket_trouble trouble, const struct err *why)
{
    if (s->over)
        return -1;
    s->over = true;
    s->trouble = trouble;
    s->why = *why;
    (void)err_wrap(&s->why, "%s:%u", s->conf.host, (unsigned)s->conf.port);
    return -1;
}

static int over_words(struct socket *s, enum socket_trouble trouble, const char *words)
{
    struct err e;

    (void)err_set(&e, ERR_IO, "%s", words);
    return over(s, trouble, &e);
}

static enum socket_trouble trouble_of(int error)
{
    switch (error) {
    case ETIMEDOUT:
        return SOCKET_SILENT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return SOCKET_LOCAL;
    default:
        return SOCKET_REFUSED;
    }
}

const char *socket_hint(const struct socket *s)
{
    switch (s->trouble) {
    case SOCKET_FINE:
        break;
    case SOCKET_LOCAL:
        return "look at the limits of this process, and at the files that `tls` names";
    case SOCKET_NO_NAME:
        return "is the name right, and does the resolver of this machine know it?";
    case SOCKET_REFUSED:
        return "is the server up, and are address and port right?";
    case SOCKET_SILENT:
        return "is the server up? A firewall on the way may swallow what is sent";
    case SOCKET_CERTIFICATE:
        return "name the server as its certificate does, and its certificate authority in tls.ca_file";
    case SOCKET_TLS:
        return "is it TLS that is spoken at this port? The server may ask for a certificate (tls.cert_file, "
               "tls.key_file)";
    case SOCKET_ENDED:
        return "what the server's log says tells more";
    }
    return "";
}

/* --- until it is open ---------------------------------------------------------------------------------------------- */

int socket_begin(struct socket *s, nsec now, struct err *e)
{
    assert(s->state == SOCKET_CLOSED);
    s->trouble = SOCKET_LOCAL;
    if (!s->lookup && lookup_begin(&s->lookup, s->conf.host, s->conf.port, s->thread, e) < 0)
        return err_wrap(e, "%s:%u", s->conf.host, (unsigned)s->conf.port);
    s->until = s->conf.timeout < NSEC_NEVER - now ? now + s->conf.timeout : NSEC_NEVER;
    s->state = s->conf.tls ? SOCKET_CERTIFICATES : SOCKET_NAME;
    if (s->conf.tls) {
        s->files.url = mem_printf("https://%s", s->conf.host); /* what is asked for is what serves such a request */
        s->files.proxy = "none";
    }
    return 0;
}

/* These answer: true, the state is another; false, not yet, or it is over. */

static bool get_certificates(struct socket *s, nsec now)
{
    struct err e;
    int rc = tls_options_poll(s->conf.tls, now, &s->files, &e);

    if (rc < 0)
        (void)over(s, SOCKET_LOCAL, &e);
    else if (rc == 0)
        s->state = SOCKET_NAME;
    return rc == 0;
}

static bool get_addresses(struct socket *s)
{
    struct err e;

    if (!s->addresses)
        s->addresses = mem_alloc(sizeof(*s->addresses));
    if (!lookup_done(s->lookup, s->addresses))
        return false;
    lookup_leave(&s->lookup);
    if (s->addresses->failed) {
        (void)err_set(&e, ERR_IO, "the name has no address: %s", s->addresses->why);
        (void)over(s, SOCKET_NO_NAME, &e);
        return false;
    }
    s->next = 0;
    s->state = SOCKET_CONNECTING;
    return true;
}

void socket_set_up(int fd)
{
    static const struct {
        int level, name, value;
    } OPTIONS[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, SOCKET_IDLE_SECONDS},
        {IPPROTO_TCP, TCP_KEEPINTVL, SOCKET_ASK_AGAIN_SECONDS},
        {IPPROTO_TCP, TCP_KEEPCNT, SOCKET_ASKS},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++)
        (void)setsockopt(fd, OPTIONS[i].level, OPTIONS[i].name, &OPTIONS[i].value, sizeof(OPTIONS[i].value));
}

/* 0 and EINPROGRESS are fine. */
static int try_address(struct socket *s, nsec now)
{
    size_t i = s->next++, left = s->addresses->count - i;
    int family = s->addresses->at[i].ss_family;

    s->address_until = s->until == NSEC_NEVER ? NSEC_NEVER : now + (s->until - now) / (nsec)left;
    s->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return errno;
    socket_set_up(s->fd);
    if (connect(s->fd, (const struct sockaddr *)&s->addresses->at[i], s->addresses->length[i]) < 0)
        return errno;
    return 0;
}

/* Of the connect that is under way. */
static int outcome(const struct socket *s, nsec now)
{
    struct pollfd p = {.fd = s->fd, .events = POLLOUT};
    int error = 0;
    socklen_t n = sizeof(error);

    if (poll(&p, 1, 0) <= 0)
        return now >= s->address_until ? ETIMEDOUT : EINPROGRESS;
    return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 ? errno : error;
}

/* The addresses one after the other, each with its part of the time. */
static bool connect_one(struct socket *s, nsec now)
{
    int error = s->fd < 0 ? EHOSTUNREACH : outcome(s, now);
    struct err e;

    while (error != 0 && error != EINPROGRESS && (s->fd < 0 || s->next < s->addresses->count)) {
        close_descriptor(s);
        if (s->next == s->addresses->count)
            break;
        error = try_address(s, now);
    }
    if (error == EINPROGRESS)
        return false;
    if (error != 0) {
        (void)err_set(&e, ERR_IO, "no connection: %s",
                      error == EMFILE ? "no descriptor is free for it" : strerror(error));
        (void)over(s, trouble_of(error), &e);
        return false;
    }
    if (!s->conf.tls) {
        s->state = SOCKET_OPEN;
        return true;
    }
    s->state = SOCKET_HANDSHAKE;
    if (secure_new(&s->secure, &s->files, s->conf.host, s->fd, &e) < 0) {
        (void)over(s, SOCKET_LOCAL, &e);
        return false;
    }
    return true;
}

static bool shake_hands(struct socket *s)
{
    bool certificate;
    struct err e;
    enum secure_answer a = secure_handshake(s->secure, &certificate, &e);

    s->read_wants_write = a == SECURE_WANTS_WRITE;
    if (a == SECURE_DONE)
        s->state = SOCKET_OPEN;
    else if (a == SECURE_ENDED)
        (void)over_words(s, SOCKET_TLS, "the far end closed the connection during the TLS handshake");
    else if (a == SECURE_FAILED)
        (void)over(s, certificate ? SOCKET_CERTIFICATE : SOCKET_TLS, &e);
    return a == SECURE_DONE;
}

static bool go_on(struct socket *s, nsec now)
{
    switch (s->state) {
    case SOCKET_CERTIFICATES:
        return get_certificates(s, now);
    case SOCKET_NAME:
        return get_addresses(s);
    case SOCKET_CONNECTING:
        return connect_one(s, now);
    case SOCKET_HANDSHAKE:
        return shake_hands(s);
    case SOCKET_CLOSED:
    case SOCKET_OPEN:
        break;
    }
    return false;
}

static void say_too_late(struct socket *s)
{
    static const char *const WAITED_FOR[] = {
        [SOCKET_CERTIFICATES] = "the files that `tls` names could not be read in time",
        [SOCKET_NAME] = "the name has no address: the resolver does not answer",
        [SOCKET_CONNECTING] = "no connection: nobody answers in time",
        [SOCKET_HANDSHAKE] = "connected, but the TLS handshake did not come to its end in time",
    };
    enum socket_trouble trouble = s->state == SOCKET_CERTIFICATES ? SOCKET_LOCAL
                                  : s->state == SOCKET_NAME       ? SOCKET_NO_NAME
                                                                  : SOCKET_SILENT;

    (void)over_words(s, trouble, WAITED_FOR[s->state]);
}

/* --- open ---------------------------------------------------------------------------------------------------------- */

static enum secure_answer from_errno(const char *doing, struct err *e)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return SECURE_WANTS_READ;
    (void)err_errno(e, "%s", doing);
    return SECURE_FAILED;
}

static enum secure_answer receive(struct socket *s, void *p, size_t room, size_t *n, struct err *e)
{
    ssize_t got;

    if (s->secure)
        return secure_read(s->secure, p, room, n, e);
    got = recv(s->fd, p, room, 0);
    if (got < 0)
        return from_errno("the connection broke off", e);
    *n = (size_t)got;
    return got == 0 ? SECURE_ENDED : SECURE_DONE;
}

static enum secure_answer send_some(struct socket *s, struct slice bytes, size_t *n, struct err *e)
{
    ssize_t sent;

    if (s->secure)
        return secure_write(s->secure, bytes.p, bytes.n, n, e);
    sent = send(s->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    if (sent < 0)
        return from_errno("the connection broke off", e);
    *n = (size_t)sent;
    return SECURE_DONE;
}

static size_t room_of(const struct socket *s)
{
    size_t most = s->need > SOCKET_READ_BYTES ? s->need : SOCKET_READ_BYTES;

    if (most > s->in.max)
        most = s->in.max;
    return s->hold || s->in.n >= most ? 0 : most - s->in.n;
}

static void read_some(struct socket *s)
{
    size_t room, n = 0;
    enum secure_answer a;
    struct err e;

    s->read_wants_write = false;
    s->more = false;
    while ((room = room_of(s)) > 0) {
        if (buf_reserve(&s->in, room) < 0) {
            (void)over_words(s, SOCKET_LOCAL, "there is no memory for what comes");
            return;
        }
        a = receive(s, s->in.p + s->in.n, room, &n, &e);
        s->read_wants_write = a == SECURE_WANTS_WRITE;
        if (a == SECURE_ENDED)
            (void)over_words(s, SOCKET_ENDED, "the far end closed the connection");
        else if (a == SECURE_FAILED)
            (void)over(s, SOCKET_ENDED, &e);
        if (a != SECURE_DONE)
            return;
        s->in.n += n;
        if (!s->secure)
            return; /* poll() shows what else there is */
    }
    s->more = s->secure != NULL;
}

static void write_some(struct socket *s)
{
    size_t n = 0;
    struct err e;

    s->write_wants_read = false;
    while (s->out_at < s->out.n) {
        enum secure_answer a = send_some(s, slice_from(buf_slice(&s->out), s->out_at), &n, &e);

        s->write_wants_read = a == SECURE_WANTS_READ && s->secure;
        if (a == SECURE_ENDED)
            (void)over_words(s, SOCKET_ENDED, "the far end closed the connection");
        else if (a == SECURE_FAILED)
            (void)over(s, SOCKET_ENDED, &e);
        if (a != SECURE_DONE)
            return;
        s->out_at += n;
    }
    buf_clear(&s->out);
    buf_trim(&s->out, SOCKET_READ_BYTES);
    s->out_at = 0;
}

int socket_turn(struct socket *s, nsec now, struct err *e)
{
    size_t before = s->in.n;

    assert(s->state != SOCKET_CLOSED);
    while (!s->over && go_on(s, now))
        ;
    if (!s->over && s->state != SOCKET_OPEN && now >= s->until)
        say_too_late(s);
    if (!s->over && s->state == SOCKET_OPEN) {
        s->trouble = SOCKET_FINE;
        read_some(s);
        write_some(s);
        if (s->broken && s->in.n == before)
            (void)over_words(s, SOCKET_ENDED, "the connection broke off");
    }
    if (!s->over || s->in.n > before)
        return 0;
    *e = s->why;
    socket_close(s);
    return -1;
}

int socket_write(struct socket *s, struct slice bytes)
{
    if (s->out_at > 0 && s->out.n + bytes.n > s->out.cap) {
        memmove(s->out.p, s->out.p + s->out_at, s->out.n - s->out_at);
        s->out.n -= s->out_at;
        s->out_at = 0;
    }
    return buf_add_slice(&s->out, bytes);
}

void socket_took(struct socket *s, size_t n)
{
    assert(n <= s->in.n);
    s->in.n -= n;
    if (n > 0 && s->in.n > 0)
        memmove(s->in.p, s->in.p + n, s->in.n);
    if (s->in.n == 0)
        buf_trim(&s->in, SOCKET_READ_BYTES);
}

bool socket_is_written(const struct socket *s)
{
    return s->out_at == s->out.n;
}

/* --- waiting ------------------------------------------------------------------------------------------------------- */

static short events_of(const struct socket *s)
{
    bool in = false, out = false;

    switch (s->state) {
    case SOCKET_CONNECTING:
        out = true;
        break;
    case SOCKET_HANDSHAKE:
        in = !s->read_wants_write;
        out = s->read_wants_write;
        break;
    case SOCKET_OPEN:
        in = room_of(s) > 0 || s->write_wants_read;
        out = (!socket_is_written(s) && !s->write_wants_read) || s->read_wants_write;
        break;
    case SOCKET_CLOSED:
    case SOCKET_CERTIFICATES:
    case SOCKET_NAME:
        break;
    }
    return (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));
}

/* When there is something to do that no descriptor shows and nobody wakes for. */
static nsec next_look(const struct socket *s, nsec now)
{
    if (s->state == SOCKET_CLOSED)
        return NSEC_NEVER;
    if (s->over || (s->state == SOCKET_OPEN && s->more && room_of(s) > 0))
        return now;
    if (s->state == SOCKET_CERTIFICATES || (s->state == SOCKET_NAME && !s->thread))
        return nsec_earlier(s->until, now + SOCKET_LOOK_AGAIN);
    if (s->state == SOCKET_CONNECTING)
        return nsec_earlier(s->until, s->address_until);
    return s->state == SOCKET_OPEN ? NSEC_NEVER : s->until;
}

static void wait_alone(struct pollfd *p, nsec until)
{
    struct timespec ts = clock_timespec(until - clock_mono());

    if (ppoll(p, 1, until == NSEC_NEVER ? NULL : &ts, NULL) < 0)
        p->revents = 0;
}

void socket_wait(struct socket *s, nsec until, bool last)
{
    struct pollfd p = {.fd = s->fd, .events = events_of(s)}; /* -1: poll() passes it over */
    nsec at = nsec_earlier(until, next_look(s, clock_mono()));

    if (s->thread)
        input_thread_poll(s->thread, &p, 1, at, last);
    else
        wait_alone(&p, at);
    if (s->state == SOCKET_OPEN && (p.revents & (POLLERR | POLLHUP | POLLNVAL)))
        s->broken = true;
}
