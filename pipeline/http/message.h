/* message.h -- a request to make and the answer that came: plain values between a sink and the delivery loop.
 *
 * Ownership  the request owns its strings and keeps what its TLS is made with (http_request_release()); the body bytes are
 * borrowed. A response is borrowed.
 */
#ifndef PIPELINE_HTTP_MESSAGE_H
#define PIPELINE_HTTP_MESSAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct http_tls;    /* how to trust and to be trusted: tls_files.h */
struct authorities; /* whom to trust: base/certificates.h */

struct http_request {
    const char *method; /* static */
    char *url;
    char *headers[HTTP_HEADERS_MAX]; /* "Name: value" */
    size_t header_count;
    char *text; /* to send instead of the seal's body; NULL: the body */
    bool bare;  /* it carries neither */
    bool once;  /* it goes on a connection of its own: on one that was used before curl may send it twice by itself */
    bool late_answer;     /* the far end may be silent for as long as `timeout` before it has answered */
    unsigned endpoint;    /* which of the sink's addresses this goes to; comes back in the response */
    struct http_tls *tls; /* counted; NULL: no options of `tls` */
    /* The system's, for a destination whose `tls` names none, and for a proxy. Counted; NULL: none is asked whether to trust. */
    struct authorities *system;
    const char *proxy;   /* the sink's option `proxy` (proxy.h), borrowed; NULL: as the environment says */
    nsec timeout;        /* for the whole exchange once connected; 0: the loop's default */
    size_t response_max; /* more is cut off and said in the response */
};

void http_request_release(struct http_request *rq);
/* Aborts when HTTP_HEADERS_MAX is passed or the value has a line break: a sink's headers are bounded by its own code
 * and options, and options are checked when they are bound. */
void http_request_header(struct http_request *rq, const char *name, struct slice value);

/* What happened below HTTP; HTTP_OK means that status is an answer. */
enum http_failure {
    HTTP_OK,
    HTTP_DNS,           /* the name does not resolve */
    HTTP_PROXY_DOWN,    /* the proxy on the way is not there, or does not get there; the text names it */
    HTTP_PROXY_REFUSES, /* it lets us not through: 407, 403 */
    HTTP_CONNECT,       /* refused, unreachable */
    HTTP_TLS,           /* handshake, certificate not trusted */
    HTTP_TIMEOUT,       /* connected, but no full answer in time: it may have been processed */
    HTTP_RESET,         /* connection lost in mid-flight: it may have been processed */
    HTTP_MALFORMED,     /* the answer is not HTTP, or breaks off */
    HTTP_LOCAL,         /* our own trouble: a file of the body cannot be read */
};

struct http_response {
    enum http_failure failure;
    const char *failure_text; /* what the transport said; never NULL when failure != HTTP_OK */
    int status;
    unsigned endpoint;    /* of the request */
    struct slice headers; /* raw, "Name: value\r\n" lines of the final answer */
    struct slice body;    /* decoded if it was gzip; at most response_max bytes */
    bool body_truncated;
    bool no_room; /* with HTTP_LOCAL: there was no memory for the answer */
    nsec latency;
    nsec wall_now; /* when it came: for Retry-After dates and clock skew */
};

/* The value of a header (case-insensitive name, white space trimmed); {NULL, 0} when absent. */
struct slice http_response_header(const struct http_response *re, const char *name);

/* A date as HTTP writes it (RFC 9110 section 5.6.7); false when it is none. */
bool http_date(struct slice text, nsec *wall);

/* Retry-After in either form (seconds, HTTP date), RFC 9110 section 10.2.3, at most 24 h; 0 when absent, unreadable or
 * in the past. */
nsec http_retry_after(const struct http_response *re);

#endif
