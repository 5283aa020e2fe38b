/* impl.h -- what an address on which inputs listen, its connections and its routes share; private to this folder.
 *
 *     hub ──has──▶ port (an address) ──has──▶ conn (a connection, or the one for all datagrams)
 *                   ▲
 *     input ──has──▶ places (itself at a port): which records are its own, the protocol says
 *
 * All of it belongs to the hub's thread; the main thread comes there by loop_call(). An input's window tells of what is safe by a post.
 *
 * A port works while all inputs that have it have started. When one leaves, it waits: for that input to come back (a reload), LISTEN_PARKED at most
 * from when it was closed, so that meanwhile nobody else gets what is its own. A port that nobody has then is closed.
 */
#ifndef PIPELINE_INPUTS_LISTEN_IMPL_H
#define PIPELINE_INPUTS_LISTEN_IMPL_H

#include "pipeline/base/log.h"
#include "pipeline/http/server/identity.h"
#include "pipeline/http/server/listen.h"
#include "pipeline/inputs/listen/hub.h"
#include "pipeline/inputs/listen/listen.h"
#include "pipeline/inputs/loop.h"
#include "pipeline/inputs/socket/secure.h"
#include "pipeline/inputs/window.h"

#include <pthread.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <uv.h>

/* --- an input -------------------------------------------------------------------------------------------------------- */

/* When the record of this number is safe, and all before it, the mark has one less to wait for. */
struct listen_due {
    uint64_t number;
    struct listen_mark *mark;
    STAILQ_ENTRY(listen_due) link;
};

struct listen_route {
    struct input *in;
    struct window window;
    bool touched;          /* in this turn: it is to be flushed behind it */
    uint64_t number, safe; /* of the last record; of the last that is safe */
    STAILQ_HEAD(, listen_due) due;
    nsec blocked; /* mono; since when nothing can be put; 0: it can */
    struct log_limit bad, lost;
    uint64_t lost_since; /* not in the log yet */
};

/* It at one address. */
struct listen_place {
    struct input *in;
    struct listen_port *port;
    bool on;
    TAILQ_ENTRY(listen_place) link; /* the port's */
};

enum listen_gate { LISTEN_CLOSED, LISTEN_OPEN, LISTEN_LEAVES, LISTEN_LEFT };

struct input {
    const struct listen_protocol *protocol;
    const struct listen_conf *listen;
    const void *conf;
    struct input_env env;
    struct listen_hub *hub;
    const char *label;
    char origin[64];
    struct listen_route route;
    struct listen_place places[LISTEN_ADDRESSES_MAX];
    size_t place_count;
    struct loop_post post, leave;
    nsec read_until, leave_until; /* mono; it leaves: it reads on, and waits for what it has read; 0: not */
    nsec left_at;                 /* mono; 0: not yet */
    TAILQ_ENTRY(input) link;      /* the hub's, while it stands at any port */

    pthread_mutex_t lock;
    pthread_cond_t moved;
    enum listen_gate gate; /* guarded by lock, as what follows */
    bool posted;           /* `post` is on its way */
};

/* --- an address -------------------------------------------------------------------------------------------------------- */

struct listen_address {
    const struct listen_scheme *scheme;
    const char *rest; /* "127.0.0.1:514", or a path */
};

struct listen_grams; /* datagrams.c */

struct listen_port {
    struct listen_hub *hub;
    const struct listen_protocol *protocol;
    const struct listen_scheme *scheme;
    char *address; /* behind the scheme, as configured; of a unix socket the whole path */
    char *files[IDENTITY_FILES];
    struct identity_files *tls; /* NULL: none */
    char shown[HTTP_ADDRESS_TEXT + 128];
    int64_t connections;
    nsec idle;
    int fd;
    dev_t dev; /* of a unix socket's file */
    ino_t ino;
    unsigned mode;           /* likewise; the main thread's, as what follows */
    uint64_t receive_buffer; /* 0: it has none */

    uv_poll_t poll;
    bool polls, worked;
    nsec accept_at;  /* mono; not before */
    nsec wait_until; /* mono; somebody who was here may come back */
    unsigned changes;
    TAILQ_HEAD(listen_places, listen_place) places;
    TAILQ_HEAD(, listen_conn) conns;
    unsigned conn_count;
    struct listen_conn *all; /* of datagrams */
    struct listen_grams *grams;
    uint32_t dropped; /* by the kernel, so far */
    struct log_limit short_log, client_log;
    TAILQ_ENTRY(listen_port) link;
};

struct listen_hub {
    struct input_loop *loop; /* NULL: not yet */
    nsec mono, wall;         /* of this turn */
    TAILQ_HEAD(, listen_port) ports;
    size_t port_count;
    TAILQ_HEAD(listen_inputs, input) inputs;
    TAILQ_HEAD(listen_held, listen_conn) held;   /* they wait for room */
    TAILQ_HEAD(listen_dirty, listen_conn) dirty; /* they have answers to write, or more to read, or are over */
    bool resume;                                 /* there may be room */
    bool full;                                   /* some wait for a spool, not for one another */
    nsec little_until;                           /* mono; a spool is full: little is read at a time */
    bool yielded;                                /* one of them waits for others only */
    bool stops;                                  /* the program: nobody comes any more */
    size_t counted;                              /* bytes that connections hold of budgets */
    uv_timer_t tick, again;
    uv_check_t behind;      /* each turn */
    uv_idle_t more;         /* while some are dirty: the loop does not wait */
    struct buf text, facts; /* protocols' */
    char scratch[2 * LISTEN_READ_BYTES];
};

/* --- a connection -------------------------------------------------------------------------------------------------------- */

struct listen_mark {
    struct listen_conn *conn; /* NULL: it is gone */
    uint64_t mark;
    unsigned waits; /* for so many routes */
    bool lost;      /* what it waits for will not come */
    TAILQ_ENTRY(listen_mark) link;
};

struct listen_touched {
    struct listen_route *route;
    uint64_t number;
};

struct listen_conn {
    struct listen_port *port;
    int fd; /* -1: it is the port's, of datagrams */
    uv_poll_t poll;
    int events;
    struct identity *identity;
    struct secure *secure; /* NULL: none */
    bool shakes, read_wants_write, write_wants_read;
    char peer[HTTP_ADDRESS_TEXT], name[64];
    struct sockaddr_storage from; /* of a datagram */
    socklen_t from_length;

    struct buf in, out;
    size_t out_at;         /* what is written of it */
    size_t expects;        /* bytes that the message has which comes; 0: nobody knows */
    struct budget *budget; /* that `in` is counted in: `counted` bytes of it */
    size_t counted;
    size_t own;                   /* that its session holds: counted, too */
    struct listen_route *refused; /* read() was told "later" by it; NULL: it was not */
    bool held;                    /* it waits for room: */
    bool crowded;                 /* messages that have begun, its own among them, leave none */
    bool more;                    /* there may be more to read that nobody tells of */
    bool eof, ending, over;
    bool began; /* begin() was called */
    bool is_dirty;
    nsec heard, part_since, end_by; /* mono; 0: not */

    bool lacks;                     /* something that was put since the last mark will not become safe */
    struct listen_touched *touched; /* since the last mark */
    size_t touched_count, touched_room;
    TAILQ_HEAD(, listen_mark) marks;
    unsigned mark_count;

    TAILQ_ENTRY(listen_conn) link, held_link, dirty_link;
    max_align_t session[];
};

/* address.c: its parts. -1: *e says what is wrong, behind "listen: ". */
MUST_CHECK int listen_address_parse(const struct listen_protocol *p, const char *text, struct listen_address *a,
                                    struct err *e);
#define LISTEN_WRITTEN 280
/* "127.0.0.1:514", however it is written (config/address.h); of a unix socket its path. */
const char *listen_address_written(const struct listen_address *a, char out[LISTEN_WRITTEN]);
/* The port's socket. -1: there is none. */
MUST_CHECK int listen_address_open(struct listen_port *p, const struct listen_conf *conf, struct err *e);
/* It is open, and these are wanted now. */
void listen_address_set_buffer(struct listen_port *p, uint64_t bytes);
MUST_CHECK int listen_address_set_mode(struct listen_port *p, const char *mode, struct err *e);
void listen_address_close(struct listen_port *p);

void listen_port_free(struct listen_port **p);

/* hub.c */
MUST_CHECK int listen_hub_begin(struct listen_hub *h, struct err *e); /* the main thread; again: nothing */
void listen_hub_time(struct listen_hub *h);                           /* something has come: what time is it? */
void listen_hub_again(struct listen_hub *h);                          /* what waits is looked at soon */
void listen_hub_wake(struct listen_hub *h);                           /* the turn has an end at once */
void listen_hub_add(struct listen_hub *h, struct listen_port *p);
void listen_hub_drop(struct listen_port *p); /* closes it, with its connections */
bool listen_port_works(const struct listen_port *p);
void listen_port_look(struct listen_port *p);             /* it may have begun to work, or stopped */
MUST_CHECK bool listen_port_drain(struct listen_port *p); /* takes what has come already. False: there may be more */

/* attach.c, on the main thread */
MUST_CHECK int listen_attach(struct input *in, const char *text, struct err *e);
void listen_detach_all(struct input *in);
void listen_leave(struct input *in,
                  nsec wait_until); /* the same on the hub's thread; its addresses wait so long for others */

/* life.c. -1 fd: the one for datagrams. NULL: there is none, and the descriptor is closed. */
struct listen_conn *listen_conn_new(struct listen_port *p, int fd, const struct sockaddr *from, socklen_t n);
void listen_conn_end(struct listen_conn *c); /* at once; it is gone behind this */

/* conn.c */
MUST_CHECK bool listen_conn_drain(
    struct listen_conn *c); /* reads what is there, before its input goes. False: there may be more */
void listen_conn_resume(struct listen_conn *c); /* there may be room again */
void listen_conn_dirty(struct listen_conn *c);
void listen_conn_turn(struct listen_conn *c); /* it is dirty */
void listen_conn_look(struct listen_conn *c); /* once a second */
void listen_conn_poll(struct listen_conn *c); /* waits for what it needs now */
void listen_conn_hold(struct listen_conn *c);
void listen_conn_write(struct listen_conn *c); /* as much of its answers as goes */
/* hold.c: so many bytes are kept of it, beside what its protocol holds. Somebody stands there, or it has a budget. */
void listen_conn_count(struct listen_conn *c, size_t now);
void listen_conn_leave_budget(struct listen_conn *c); /* whose it was goes, until another comes */
void listen_conn_say(struct listen_conn *c, const char *what, const char *why, const char *hint);

/* datagrams.c */
bool listen_grams_read(struct listen_port *p);    /* false: there may be more, or there is no room for it */
void listen_grams_count(struct listen_port *p);   /* what the kernel dropped */
void listen_grams_give_up(struct listen_port *p); /* it is closed: what lies in it still? */
void listen_grams_free(struct listen_port *p);

/* route.c */
void listen_route_init(struct input *in);
void listen_route_release(struct input *in);
void listen_route_look(struct input *in); /* what is safe now? */
void listen_route_end(struct input *in);  /* what is not safe by now will not be; no mark waits for it any more */
void listen_marks_ready(struct listen_conn *c);
void listen_marks_release(struct listen_conn *c);

#endif
