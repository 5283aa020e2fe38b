/* slot.h -- one exchange on its way: an easy handle of curl, set up for a request, and what came back so far.
 *
 * Inner part of transport.h; threads and ownership as there.
 */
#ifndef PIPELINE_HTTP_TRANSPORT_SLOT_H
#define PIPELINE_HTTP_TRANSPORT_SLOT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/http/trust/curl_trust.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/transport/transport.h"

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum slot_step {
    SLOT_IDLE,
    SLOT_FAILED,    /* could not even be made */
    SLOT_RESOLVING, /* its host's name */
    SLOT_RUNNING,   /* the multi handle has it */
};

struct exchange_slot {
    enum slot_step step;
    CURL *easy;
    struct curl_slist *headers;
    struct exchange *x;
    struct buf response_headers, response_body;
    bool head_complete; /* the empty line behind the final answer's headers has come */
    bool truncated;
    int heard;          /* the status of an answer that curl did not read (slot_hear); 0: none */
    bool no_room;       /* there was no memory for the rest of the answer */
    size_t granted;     /* bytes that the answer may have, as far as memory goes */
    size_t more_buffer; /* bytes of curl's buffer for the body beyond the usual size */
    uint64_t sent;
    struct err body_error;
    enum http_failure failure; /* of SLOT_FAILED */
    char error[CURL_ERROR_SIZE];
    struct proxy proxy;             /* empty: none */
    struct curl_trust trust;        /* of the request */
    char *host;                     /* whose name is to be resolved first: the proxy's, or the URL's; NULL: nobody's */
    char *port;                     /* and its port */
    struct curl_slist *resolved;    /* host:port:addresses, for curl */
    nsec resolve_until;             /* mono; until when the name may be resolved */
    LIST_ENTRY(exchange_slot) link; /* in one of the transport's lists */
};

/* Never NULL; without `easy` when there is no memory for it. */
struct exchange_slot *slot_new(void);
void slot_free(struct exchange_slot *s);

/* What lay unread in the connection when it broke under the request's body: takes it for the answer, if it is the head of one. */
void slot_hear(struct exchange_slot *s, struct slice unread);

/* Makes it this exchange's. Its s->more_buffer is at most `spare` until slot_clear(). False: no memory, it cannot be sent. */
MUST_CHECK bool slot_set_up(struct exchange_slot *s, struct exchange *x, size_t spare);
/* What s->host resolved to. False: no memory. */
MUST_CHECK bool slot_set_addresses(struct exchange_slot *s, const char *addresses);
/* Back to one that is nobody's, for the next exchange. */
void slot_clear(struct exchange_slot *s);

/* How it ended: what it means, the status that came (0: none), and what to say of a failure. */
enum http_failure slot_ending(struct exchange_slot *s, CURLcode code, int *status, const char **why);
/* Puts the proxy in front of s->error, when there is one: "http://proxy:3128 (from https_proxy): ...". */
void slot_name_proxy(struct exchange_slot *s);

/* Of the request. */
uint64_t slot_body_bytes(const struct exchange_slot *s);

#endif
