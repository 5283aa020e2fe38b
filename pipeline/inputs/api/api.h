/* api.h -- the Firehose API over HTTP: PutRecord, PutRecordBatch, DescribeDeliveryStream, ListDeliveryStreams,
 * ListTagsForDeliveryStream.
 *
 * A listener (inputs/listener.h): one server for all streams that have the input `api`, which is input.c. AWS JSON 1.1 on POST /, SigV4 when credentials are configured.
 * A 200 means: on disk (requests wait suspended, not on a thread, for the commit). Facts: Firehose API reference.
 *
 * Threads    its server's (libmicrohttpd's epoll pool). Streams come and go from any thread, as do the limit and the keys. The rest: one at a time.
 * Ownership  conf and budget outlive it, but for the keys, which are copied; the server is closed behind it. What a stream points to stays until it was removed, or the API
 *            closed.
 */
#ifndef PIPELINE_INPUTS_API_API_H
#define PIPELINE_INPUTS_API_API_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/budget.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/err.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/server/access.h"
#include "pipeline/http/server/server_tls.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/listener.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_credential {
    char *access_key_id, *secret_access_key;
};

struct api_conf {
    char *listen; /* "127.0.0.1:4573" */
    struct api_credential *credentials;
    size_t credential_count;
    struct http_access_conf access;
    struct server_tls_conf tls; /* none of it set: plain HTTP */
    struct cfg_strings hosts;   /* names it answers to without credentials, tokens and users, besides its own */
    char *region;               /* in ARNs; us-east-1 */
    char *account;              /* twelve digits in ARNs */
    int64_t connections;        /* at most */
    int64_t connections_per_ip; /* 0: no limit */
    nsec timeout;               /* a slow client is cut off */
    int64_t threads;            /* 0: one per core */
};
extern const struct cfg_field api_fields[]; /* describes struct api_conf, the section `api` */
extern const struct listener_ops api_listener_ops;

/* A stream that the API serves, and what it tells of it. */
struct api_stream {
    const char *name;
    struct spool *spool;
    struct metrics *metrics;
    struct input_health *health;
    struct pushback *pushback;
    struct input_tale tale; /* for DescribeDeliveryStream */
    bool deleting;          /* it takes no records any more */
};

struct api;
struct http_servers;

/* Opens the socket, or takes its place on the server that is there; requests are answered with ServiceUnavailableException until
 * api_start(). */
MUST_CHECK int api_open(struct api **a, const struct api_conf *conf, const char *base_dir, struct http_servers *servers,
                        struct budget *budget, struct err *e);

/* A name that is not there. It takes records from now on. */
void api_add_stream(struct api *a, const struct api_stream *stream);
/* Puts are answered with ServiceUnavailableException, and its state is DELETING. Waits until those that had begun are answered, at most
 * until `mono`. True: nothing is appended to its spool any more. Also for a name that is not there. */
MUST_CHECK bool api_close_stream(struct api *a, const char *name, nsec mono);
/* One that was closed takes records again: it has another spool now. */
void api_reopen_stream(struct api *a, const struct api_stream *stream);
/* Closes it, and waits as long as that takes; then ResourceNotFoundException. */
void api_remove_stream(struct api *a, const char *name);

/* Requests that begin from now on are let in by the keys, tokens and users of `conf`; those under way by those of before. */
void api_set_keys(struct api *a, const struct api_conf *conf);

void api_start(struct api *a);
/* While its server runs: as many connections at most, or as conf says where that is fewer. */
void api_limit_connections(struct api *a, size_t connections);
/* No new requests; waits a little for those that have begun, and until those that wait for a commit have been answered.
 * Nothing is appended any more when it returns. The committer must still run. */
void api_stop(struct api *a);
/* Nothing of it waits for the spool any more: its server can be stopped. The committer must still run. */
void api_end(struct api *a);
/* It answers nobody any more, and its server is closed unless somebody else has a place there, too. Before api_start(). */
void api_leave(struct api *a, struct http_servers *servers);
void api_close(struct api **a); /* its server has stopped, or it has left */

/* Requests refused for memory, before it is known which stream they are for. */
struct pushback_view api_memory_pushback(struct api *a, nsec mono_now);

unsigned api_threads(const struct api_conf *conf); /* of its server */

/* "127.0.0.1:4573", with the real port when 0 was configured. */
const char *api_address(const struct api *a);

/* Reports every mistake in the options: the loopback-only rule, keys listed twice, what is no address. Options that could not
 * be bound may be zero. */
void api_check_conf(const struct api_conf *conf, const struct cfg_options *o);

#endif
