/* server.h -- what the server and its requests share; private to this folder.
 *
 * Threads  the fields that change say how they are guarded; the rest is fixed before the first request.
 */
#ifndef PIPELINE_INPUTS_API_SERVER_H
#define PIPELINE_INPUTS_API_SERVER_H

#include "pipeline/base/budget.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/log.h"
#include "pipeline/http/server/server.h"
#include "pipeline/inputs/api/api.h"
#include "pipeline/inputs/api/streams.h"
#include "pipeline/inputs/api/error.h"
#include "pipeline/inputs/api/keys.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/queue.h>

#define API_MAGIC 0x61706953u

enum api_gate {
    API_STARTING,
    API_RUNNING,
    API_LEAVING, /* no new requests; those that have begun may be committed */
    API_STOPPED, /* nothing is committed any more */
};

/* Events that may come as fast as requests do; each gets its own line now and then. */
enum api_event { API_EVENT_AUTH, API_EVENT_FOREIGN, API_EVENT_COUNT };

/* A put that waits for the spool's disk. */
struct api_commit {
    TAILQ_ENTRY(api_commit) link;
    nsec since; /* mono */
    struct pushback *pushback;
};

struct api {
    unsigned magic;
    const struct api_conf *conf;
    struct api_table streams;
    struct budget *budget;
    struct http_server *server;
    struct http_route *route; /* on it */
    const struct http_socket *socket;
    struct pushback memory;  /* of requests refused before it is known which stream they are for */
    struct http_names names; /* for requests without credentials */

    uint64_t seed;             /* random; makes ids differ between processes */
    _Atomic uint64_t next_id;  /* and between requests */
    _Atomic uint64_t sequence; /* of the last reply to a put of Kinesis */

    pthread_mutex_t lock;
    pthread_cond_t quiet;
    enum api_gate gate;               /* guarded by lock, as all that follows */
    struct api_keys *keys;            /* for requests that begin now */
    unsigned begun;                   /* requests from their headers on, until they are over */
    unsigned committing;              /* requests that wait for the spool ... */
    TAILQ_HEAD(, api_commit) commits; /* ... the oldest first */
    unsigned answering;               /* those, until their answer is sent */
    struct log_limit events[API_EVENT_COUNT];
};

/* One request, from its headers to its answer: an owner's part of it (http/server/server.h); the route's `ctx` is the struct api.
 *
 *     headers -> judged -> body collected -> signature, gunzip -> parsed -> appended, suspended -> resumed -> answered
 *
 * A request that is refused by its headers is not answered at once: a client that is still sending would see its
 * connection reset instead of the answer. Its body is read and dropped (up to a bound), which costs no memory, and then
 * it is answered and the connection stays usable. One that waits with "Expect: 100-continue" is answered at once. */
extern const struct http_route_ops api_request_ops;

#endif
