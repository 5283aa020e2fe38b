/* listen.h -- the ground of inputs to which others send by sockets, and not by HTTP: TCP, TLS, UDP and unix sockets, connections in bounds, records
 * in the spool, and a word to the protocol when they are safe.
 *
 *     accepted --> handshake (TLS) --> begin() --> read() read() ... --> ended()
 *                                                    |  listen_put()      a record, for one of the streams that listen there
 *                                                    |  listen_mark()     "tell me when all that I have put is safe": safe()
 *                                                    |  listen_answer()   bytes for the far end
 *                                                    |  listen_end()      it is over, when those are written
 *
 * A protocol is one const struct listen_protocol and one struct input_ops whose functions are the ones below; its options begin with
 * LISTEN_FIELDS. Several inputs of one protocol, each of its own stream, may listen at one address: they share the socket and its
 * connections, each is a route, and the protocol says which record is whose (listen_route()).
 *
 * read() takes whole messages off the front of what has come, as many as there are. What it leaves is there again with what comes next;
 * so it never waits. When listen_put() says LISTEN_LATER (the spool is full, or memory is in use), it returns with what it has used so far
 * and is called again with the rest when there is room; until then nothing is read from this connection, and its sender waits. A
 * datagram is read the same way; what read() leaves of it without LISTEN_LATER is gone.
 *
 * What was put is never lost to a disk that refuses: it is offered again. What was put and is not safe when the process ends is lost, but for
 * protocols that answer only in safe().
 *
 * An address survives that its inputs begin anew (a reload): socket and connections wait for the next input for LISTEN_PARKED.
 *
 * Threads    open, start, stop, stopped, close: the main thread. A protocol's functions: one thread for all that listen so.
 * Ownership  slices are valid during the call.
 */
#ifndef PIPELINE_INPUTS_LISTEN_LISTEN_H
#define PIPELINE_INPUTS_LISTEN_LISTEN_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/server/access.h"
#include "pipeline/http/server/server_tls.h"
#include "pipeline/inputs/input.h"

#include <stdbool.h>
#include <stdint.h>

struct listen_conf {
    struct cfg_strings listen;
    struct server_tls_conf tls;
    bool none; /* `auth: none`, in words */
    int64_t connections;
    nsec idle;
    uint64_t receive_buffer;
    char *unix_mode;
};

/* clang-format off */
/* The first rows of a protocol's options; `owner` has `member`, a struct listen_conf. `at`: where it listens by default. */
#define LISTEN_FIELDS(owner, member, at, schemes)                                                                       \
    {.name = "listen", .type = CFG_STRINGS, .offset = offsetof(owner, member.listen), .def = at, .max = LISTEN_ADDRESSES_MAX, \
     .help = "addresses: " schemes "; inputs of several streams may share one. Others than loopback need "              \
             "`tls.client_ca_file` or `auth: none`"},                                                                  \
    {.name = "tls", .type = CFG_BLOCK, .offset = offsetof(owner, member.tls), .fields = server_tls_fields,              \
     .help = "the certificate, for addresses that speak TLS"},                                                         \
    {.name = "auth", .type = CFG_BOOL, .offset = offsetof(owner, member.none), .choices = http_access_words,            \
     .help = "`none` lets other machines write without client certificates"},                                          \
    {.name = "connections", .type = CFG_INT, .offset = offsetof(owner, member.connections), .def = "256", .min = 1,     \
     .max = LISTEN_CONNECTIONS_MAX, .help = "open at one time at each address; when there are more, the one that is silent for longest is "   \
             "closed for them, or they wait"},                                                                         \
    {.name = "idle_timeout", .type = CFG_DURATION, .offset = offsetof(owner, member.idle), .def = "0s",                 \
     .help = "a connection on which nothing comes for so long is closed; 0s: never"},                                  \
    {.name = "receive_buffer", .type = CFG_SIZE, .offset = offsetof(owner, member.receive_buffer), .def = "4MiB",       \
     .min = 4096, .max = 1024 * MIB,                                                                                   \
     .help = "of a datagram socket in the kernel (net.core.rmem_max bounds it): what comes faster than it is taken waits there"},   \
    {.name = "unix_mode", .type = CFG_STRING, .offset = offsetof(owner, member.unix_mode), .def = "0660", .max = 4,     \
     .help = "who may write to a unix socket: the permissions of its file; 0666: everybody on this machine"}
/* clang-format on */

enum listen_kind {
    LISTEN_TCP,
    LISTEN_UDP,
    LISTEN_UNIX,     /* stream */
    LISTEN_UNIXGRAM, /* datagrams */
};

/* What stands before "://" in an address. The table ends with a NULL name; its first row is meant where nothing stands there. */
struct listen_scheme {
    const char *name;
    enum listen_kind kind;
    bool tls;
    int what; /* the protocol's own: listen_what() */
};

struct listen_conn;  /* a connection, or a socket for datagrams with the sender of the present one */
struct listen_route; /* an input that listens there */

struct listen_protocol {
    const char *name; /* of the input: syslog, statsd, forward */
    const struct listen_scheme *schemes;
    size_t session_bytes; /* of each connection, zero at first: listen_session() */
    size_t message_max;   /* bytes that may wait for the rest of their message */
    /* Acknowledges in safe(): what is not safe at the end comes again. */
    bool acknowledges;
    /* What its messages' ids are remembered under (listen_message.id); NULL: they have none. Fills in how long. */
    const char *id_source;
    struct id_bounds (*bounds)(const void *conf);
    /* May be NULL: nothing is to be said or done at first. */
    void (*begin)(struct listen_conn *c);
    /* Returns how many bytes of `in` were used. `last`: there will be no more behind them. */
    size_t (*read)(struct listen_conn *c, struct slice in, bool last);
    /* read() uses all of `in`, always: what it keeps of it counts by listen_hold(). After LISTEN_LATER it is called again with nothing, or with what
     * comes next. */
    bool holds;
    /* Once a second. May be NULL. */
    void (*look)(struct listen_conn *c);
    /* All that was put before listen_mark(c, mark) is safe; in the order of the marks. NULL: nobody asks. */
    void (*safe)(struct listen_conn *c, uint64_t mark);
    /* It is we who close it, with nothing wrong: a last word to the far end, which gets it if it reads. May be NULL. */
    void (*parting)(struct listen_conn *c);
    /* It is closed behind this; the session is released. May be NULL. */
    void (*ended)(struct listen_conn *c);
    /* Is looked at before others when a record's route is sought: it wants some, not all. NULL: as they come. */
    bool (*is_choosy)(const void *conf);
};

/* --- for input_ops ------------------------------------------------------------------------------------------------- */

MUST_CHECK int listen_open(struct input **in, const struct listen_protocol *protocol, const struct listen_conf *listen,
                           const void *conf, const struct input_env *env, struct err *e);
MUST_CHECK int listen_start(struct input *in, struct err *e);
void listen_stop(struct input *in);
MUST_CHECK bool listen_stopped(struct input *in, nsec until);
void listen_close(struct input **in);
const void *listen_conf_of(const struct input *in); /* as it was given to listen_open() */
/* `guarded`: senders have to show something of the protocol's own (a shared key) on all connections; so no certificate of theirs is needed. */
void listen_check_conf(const struct listen_protocol *protocol, const struct listen_conf *c, bool guarded,
                       const struct cfg_options *o);
/* Have they an address in common? For input_ops.same_client: two that want all that comes to it are refused. */
bool listen_share(const struct listen_protocol *p, const struct listen_conf *a, const struct listen_conf *b);
unsigned listen_threads(const void *conf);
unsigned listen_sockets(const struct listen_conf *c);

/* --- for a protocol ------------------------------------------------------------------------------------------------ */

void *listen_session(struct listen_conn *c);
int listen_what(const struct listen_conn *c); /* of its scheme */
bool listen_is_datagram(const struct listen_conn *c);
/* "192.0.2.7", without the port; "" of a unix socket. Of datagrams: of the present one. */
const char *listen_peer(struct listen_conn *c);

/* How often an input has come to listen there: when it is another number than before, what senders have to show may be something else. */
unsigned listen_changes(const struct listen_conn *c);
/* Those that listen there: 0, 1 ... until NULL, choosy ones first. There is at least one in read(). */
struct listen_route *listen_route(struct listen_conn *c, size_t index);
const void *listen_route_conf(const struct listen_route *r);

struct listen_message {
    struct slice data;
    struct slice facts; /* of this record alone (base/facts.h); may be empty */
    struct slice
        id; /* as frame_message.id: of several records that are one message the last one has it; may be empty */
};
enum listen_answer {
    LISTEN_TAKEN,
    LISTEN_LATER,     /* not taken: return from read() with what was used so far */
    LISTEN_TOO_LARGE, /* not taken, and never will be: more than limits.record, or than the stream's spool may hold. It was counted and said */
};
MUST_CHECK enum listen_answer listen_put(struct listen_conn *c, struct listen_route *r, const struct listen_message *m);
/* Is there room for something? False: it is as LISTEN_LATER. For who has work to do before it knows what it puts. */
MUST_CHECK bool listen_has_room(struct listen_conn *c, struct listen_route *r);
/* As LISTEN_LATER, but it goes on as soon as others have had their turn. */
void listen_yield(struct listen_conn *c);
/* As window_fits(): so many records that are put next for this route become safe together. Or LISTEN_LATER. */
MUST_CHECK enum listen_answer listen_fits(struct listen_conn *c, struct listen_route *r, uint32_t records, size_t data,
                                          size_t facts);
/* For how long nothing could be put for it; 0: it could. */
nsec listen_blocked(const struct listen_route *r);
/* In read(): what it leaves is the beginning of a message of so many bytes, at least. So its memory is no larger than need be. */
void listen_expect(struct listen_conn *c, size_t bytes);
/* Is the message with this id in the spool, or on its way there? */
enum spool_id listen_id_seen(const struct listen_route *r, struct slice id);
/* safe(c, mark) comes soon, also when there is nothing to wait for. Marks on their way are bounded: false: no more now, as LISTEN_LATER. */
MUST_CHECK bool listen_mark(struct listen_conn *c, uint64_t mark);
/* The session has so many bytes of memory from here on, all together. False: there is no room for them now, and nothing has changed; never where
 * they are fewer than before. */
MUST_CHECK bool listen_hold(struct listen_conn *c, size_t bytes);
/* What listen_hold() gives at most, if nobody else holds anything. Somebody stands there. */
size_t listen_hold_most(const struct listen_conn *c);
/* Would there be room for one? False: it is as LISTEN_LATER. For who puts first. */
MUST_CHECK bool listen_can_mark(struct listen_conn *c);
unsigned listen_marks(const struct listen_conn *c); /* that were not called safe yet */
/* For who waits for a mark that is on its way, for a reason of its own: false, which is LISTEN_LATER. */
bool listen_wait(struct listen_conn *c);
/* To the far end; of a datagram: to its sender, or lost. -1: it does not read what it is sent, and is cut off. */
int listen_answer(struct listen_conn *c, struct slice bytes);
/* Ends the connection when what was answered is written. `why` (NULL: nothing is wrong) and `hint` are for the log, now and then. What of `in` is
 * not used is gone. */
void listen_end(struct listen_conn *c, const char *why, const char *hint);

/* Something that came is not as it should be, or was cut: counted as one of INPUT_ERRORS, in the log once a second at most. */
void listen_bad(struct listen_conn *c, struct listen_route *r, const char *why, const char *hint);
/* n messages that nobody gets: counted as INPUT_LOST. */
void listen_lost(struct listen_route *r, uint64_t n);
/* n messages that no stream wants: counted as INPUT_FILTERED. */
void listen_filtered(struct listen_route *r, uint64_t n);
/* n messages that had come before: counted as INPUT_DUPLICATES. */
void listen_duplicates(struct listen_route *r, uint64_t n);
/* n records whose sender is told to send them again: counted as METRIC_THROTTLED_RECORDS. */
void listen_throttled(struct listen_route *r, uint64_t n);
nsec listen_now(const struct listen_conn *c); /* wall; of this turn */
/* Empty, and as large as a record may be; until the next call. */
struct buf *listen_scratch(struct listen_conn *c);
/* What is known of the sender, for listen_message.facts: `address`, `transport` (the scheme), `client` (the name in its certificate). `transport`: the
 * protocol's own word for it; NULL: the scheme's. */
struct slice listen_facts(struct listen_conn *c, const char *transport);

#endif
