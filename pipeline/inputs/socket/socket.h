/* socket.h -- a TCP or TLS connection of an input, used from the input's own thread (input_thread.h, with `polls`); it never blocks.
 *
 *     closed --begin--> certificates --> name --> connecting --> handshake --> open
 *        ^                   |            |           |              |          |
 *        +-------------------+------------+-----------+--------------+----------+--- it fails, or socket_close()
 *
 *     socket_begin()    a connection is wanted
 *     socket_turn()     in each turn of the thread: goes on with what can be done without waiting. Connects, reads what is there into
 *                       s->in, writes what is in s->out. -1: it is over, and closed; *e says why in words, socket_hint() what to do
 *     socket_write()    puts something into s->out; -1: that is full, and stays as it was. What writes into a buf may write behind s->out
 *     socket_took()     so many bytes at the beginning of s->in were used
 *     socket_wait()     until there is something to do for socket_turn(), the thread is woken or asked to end, or `until`
 *
 * What was read before the far end closed the connection is there before that is said: a turn in which something came is never the
 * one that fails.
 *
 * Reading pauses while s->in is full, and while `s->hold`; a connection that breaks off meanwhile is noticed. s->in holds SOCKET_READ_BYTES,
 * or as much as s->need says when what comes must be in one piece; s->out holds out_max.
 *
 * An owner whose protocol has its own handshake keeps the time for that itself: `timeout` is for all up to `open`.
 *
 * Threads    one; with `thread` NULL any one, for who tries whether it works (validate).
 * Ownership  embedded; socket_release(). What `conf` points to outlives it.
 */
#ifndef PIPELINE_INPUTS_SOCKET_SOCKET_H
#define PIPELINE_INPUTS_SOCKET_SOCKET_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/tls.h"
#include "pipeline/inputs/input_thread.h"

#include <stdbool.h>
#include <stdint.h>

struct socket_conf {
    const char *host; /* a name, an IPv4 or an IPv6 address (without brackets) */
    uint16_t port;
    struct tls_options *tls; /* NULL: plain TCP */
    size_t in_max, out_max;  /* bytes; the most that `need` may say */
    nsec timeout;            /* until it is open */
};

enum socket_state {
    SOCKET_CLOSED,
    SOCKET_CERTIFICATES, /* files are read */
    SOCKET_NAME,         /* looked up */
    SOCKET_CONNECTING,
    SOCKET_HANDSHAKE,
    SOCKET_OPEN,
};

/* Why it ended last. */
enum socket_trouble {
    SOCKET_FINE,
    SOCKET_LOCAL,       /* descriptors, threads, files of certificates */
    SOCKET_NO_NAME,     /* the name has no address */
    SOCKET_REFUSED,     /* nobody there, or no way there */
    SOCKET_SILENT,      /* no answer in time */
    SOCKET_CERTIFICATE, /* that of the far end is not trusted, or another's */
    SOCKET_TLS,         /* the handshake failed otherwise */
    SOCKET_ENDED,       /* the far end closed it, or it broke off */
};

struct lookup;
struct secure;

struct socket {
    struct socket_conf conf;
    struct input_thread *thread; /* NULL: none; set before socket_begin() */
    enum socket_state state;
    enum socket_trouble trouble;
    struct buf in, out;
    size_t need; /* bytes that must have room in s->in; 0: nothing in particular */
    bool hold;   /* nothing is read now */

    /* Its own: */
    int fd;
    nsec until, address_until; /* mono; the end of `timeout`; of this address's part of it */
    struct lookup *lookup;
    struct lookup_result *addresses;
    size_t next;
    struct http_request files; /* what the TLS is made with */
    struct secure *secure;
    size_t out_at;                           /* what is written of it */
    bool more;                               /* there may be something to read that poll() does not show */
    bool read_wants_write, write_wants_read; /* TLS */
    bool broken;                             /* poll() says so */
    bool over;                               /* said with the next turn: */
    struct err why;
};

void socket_init(struct socket *s, const struct socket_conf *conf);
void socket_release(struct socket *s);

/* It is closed. -1: it cannot begin, and stays so. */
MUST_CHECK int socket_begin(struct socket *s, nsec now, struct err *e);
MUST_CHECK int socket_turn(struct socket *s, nsec now, struct err *e);
void socket_close(struct socket *s); /* at once; what is in s->in and s->out is gone. Closed: nothing */

MUST_CHECK int socket_write(struct socket *s, struct slice bytes);
void socket_took(struct socket *s, size_t n);
bool socket_is_written(const struct socket *s); /* all of s->out */

/* `last`: the last work of a thread that was asked to end (input_thread_linger()). */
void socket_wait(struct socket *s, nsec until, bool last);

/* For any connection by TCP, also one that came to us (listen/): a machine that is gone says nothing, and not each protocol asks, so the system
 * does. What it does by itself takes two hours. */
void socket_set_up(int fd);

/* What to do about the trouble it had last. */
const char *socket_hint(const struct socket *s);

#endif
