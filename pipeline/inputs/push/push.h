/* push.h -- the ground of inputs to which others push records by HTTP: a path on a server, who is let in, a request's body in bounds, its
 * records in the spool, and the answer behind the sync. What a body means, and what the answer says, is the protocol's.
 *
 *     head -> judged -> body collected -> unpacked -> read -> stored -> answered
 *      head()                                         read()  (suspended)  reply()
 *                                                 (suspended)
 *
 * A protocol is one const struct push_protocol and one struct input_ops whose functions are the ones below; its options begin with
 * PUSH_FIELDS. head() decides by the head of a request what it is, and may answer by itself. read() takes the body apart with push_add().
 * Nothing of a request is stored before all of it was read: one that is refused has left nothing. Its frames then go to the spool in
 * order, and when all are safe it is 200. When one is not, it is 503, and the sender repeats all of it. read() may wait for somebody else (a
 * certificate that is fetched): the request is suspended, and read() is called again.
 *
 * A request that has a key (push_set_key()) is remembered, frame by frame, in the write that makes the frame safe. One that comes again
 * stores what of it is not there yet. The id of a frame is the key with the numbers of its records: so it is never taken for another, also where a
 * later version cuts the same body into other frames.
 *
 * Threads    open, start, stop, stopped, close: the main thread. A protocol's functions: one of the server's threads, one request at a time each.
 * Ownership  the request's slices are valid during the call.
 */
#ifndef PIPELINE_INPUTS_PUSH_PUSH_H
#define PIPELINE_INPUTS_PUSH_PUSH_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/slice.h"
#include "pipeline/http/server/access.h"
#include "pipeline/http/server/answer.h"
#include "pipeline/inputs/input.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct push_conf {
    char *listen, *path;
    struct server_tls_conf tls;
    struct http_access_conf access;
    struct cfg_strings hosts, headers;
    uint64_t max_body;
};

/* clang-format off */
/* The first rows of a protocol's options; `owner` has `member`, a struct push_conf. `at`: where it listens by default. `beneath`: how the manual
 * speaks of its default path. `help`: of `listen`. */
#define PUSH_FIELDS_PLACE(owner, member, at, beneath, help_listen)                                                      \
    {.name = "listen", .type = CFG_STRING, .offset = offsetof(owner, member.listen), .def = at, .help = help_listen},  \
    {.name = "path", .type = CFG_STRING, .offset = offsetof(owner, member.path), .max = 200,                            \
     .help = "the path to which is posted; left out: " beneath},                                                       \
    {.name = "tls", .type = CFG_BLOCK, .offset = offsetof(owner, member.tls), .fields = server_tls_fields,              \
     .help = "it speaks https:// and not http://; for all who listen at this address"},                                \
    HTTP_ACCESS_FIELDS(owner, member.access)
#define PUSH_FIELDS_BODY(owner, member)                                                                                 \
    {.name = "headers", .type = CFG_STRINGS, .offset = offsetof(owner, member.headers), .max = PUSH_HEADERS_MAX,        \
     .help = "headers of a request that go with each of its records, as `header.NAME` (lower case) in a script's meta"}, \
    {.name = "max_body", .type = CFG_SIZE, .offset = offsetof(owner, member.max_body), .def = "16MiB", .min = 1024,     \
     .max = (int64_t)PUSH_BODY_MAX, .help = "a request's body may have so many bytes, unpacked"}
#define PUSH_FIELDS(owner, member, at, beneath)                                                                         \
    PUSH_FIELDS_PLACE(owner, member, at, beneath,                                                                       \
                      "the address; several inputs may share one, each with a path of its own. Others than loopback need `tokens`, " \
                      "`users`, `tls.client_ca_file` or `auth: none`"),                                                 \
    {.name = "hosts", .type = CFG_STRINGS, .offset = offsetof(owner, member.hosts),                                     \
     .help = "without tokens and users: names in the Host header that are answered to besides localhost and addresses; `*`: any"}, \
    PUSH_FIELDS_BODY(owner, member)
/* clang-format on */

/* Rules between them. `ready`: may be wrong by other options as well. */
void push_check_conf(const struct push_conf *c, const struct cfg_options *o);
/* The same but for who is let in, of a protocol that judges that by itself. */
void push_check_place(const struct push_conf *c, const struct cfg_options *o);
/* input_ops.route. `otherwise`: the path without `path`; with %s for the stream's name where it has one. */
void push_route(const struct push_conf *c, const char *otherwise, const char *stream, char *out, size_t size);

struct push_request;

struct push_protocol {
    const char *name;      /* of the input: http, splunk_hec */
    const char *otherwise; /* as in push_route() */
    bool beneath;          /* it has what is beneath its path as well */
    /* What it has instead, beneath its path: "/v1/logs"; PUSH_ENDPOINTS_MAX at most, then NULL. So inputs of several streams may share one path. NULL:
     * as said above. */
    const char *(*endpoint)(const void *conf, size_t index);
    const char *token;  /* a header in which a token may be shown; NULL: none */
    bool token_beneath; /* one may be shown as the last step of the path, too */
    /* Each record says by itself who it is from: names in Host and pages of other sites are of no concern. */
    bool proves;
    const char *access_hint; /* where nothing, or something wrong, is shown; NULL: the usual one */
    const char *id_source;   /* what its keys are remembered under; NULL: it has none */
    /* The statuses of what is stored (0: 200), and of what may be later because the stream is full or memory is short (0: 503). */
    unsigned stored, busy;
    unsigned
        part; /* of what is stored, but for records that were left out; 0: as `stored`, and the protocol's answer says it otherwise */
    struct http_answer_header header; /* of each answer; none without a name */
    /* May anybody ask this, also who shows nothing? Nothing of it is stored. NULL: no. */
    bool (*is_open)(const char *method, const char *beneath);
    /* 0: the body is wanted. -1: push_conclude() or push_refuse() was called. `beneath`: what the URL has behind the path, "" or "/x". */
    int (*head)(struct push_request *rq, const char *method, const char *beneath);
    /* -1: push_add() said so, or push_refuse() was called. 1: it waits (push_wait()), and is called again. */
    int (*read)(struct push_request *rq, struct slice body);
    size_t session_bytes; /* of each request, zero at first: push_session() */
    /* The answer's body, for the status that it has. The type of it. `out` is empty, and as large as PUSH_SHORT_MAX. */
    const char *(*reply)(struct push_request *rq, struct buf *out);
    /* Fills in what is remembered; NULL: nothing is. */
    struct id_bounds (*bounds)(const void *conf);
};

/* --- for input_ops ------------------------------------------------------------------------------------------------- */

MUST_CHECK int push_open(struct input **in, const struct push_protocol *protocol, const struct push_conf *push,
                         const void *conf, const struct input_env *env, struct err *e);
/* What a protocol has beside its options. */
struct push_opening {
    const struct push_protocol *protocol;
    const struct push_conf *push;
    const void *conf;
    void *own;         /* of the input, as push_own() and push_own_of() have it; outlives it */
    const char *token; /* one more of the tokens; NULL: none */
};
MUST_CHECK int push_open_with(struct input **in, const struct push_opening *with, const struct input_env *env,
                              struct err *e);
void *push_own(const struct input *in);
MUST_CHECK int push_start(struct input *in, struct err *e);
void push_stop(struct input *in);
MUST_CHECK bool push_stopped(struct input *in, nsec until);
void push_close(struct input **in);
unsigned push_threads(const void *conf);
unsigned push_sockets(const void *conf);

/* --- for a protocol ------------------------------------------------------------------------------------------------ */

const void *push_conf_of(const struct push_request *rq);
void *push_own_of(const struct push_request *rq);
void *push_session(struct push_request *rq);
const char *push_header(const struct push_request *rq, const char *name);   /* NULL: not there */
const char *push_argument(const struct push_request *rq, const char *name); /* of the query; NULL: not there */
const char *push_beneath(const struct push_request *rq);                    /* as head() had it */
/* A number that the protocol notes of the request; 0 at first. */
int push_what(const struct push_request *rq);
void push_set_what(struct push_request *rq, int what);

/* The answer. -1. */
int push_conclude(struct push_request *rq, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same for what an operator should know of: the log has it, now and then. */
int push_refuse(struct push_request *rq, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Likewise, of a kind that has its own line there: 0 to PUSH_KINDS_MAX - 1. What is to be done is the hint. */
int push_refuse_as(struct push_request *rq, unsigned kind, unsigned status, const char *hint, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* There is no memory for it now: the sender is to send it again. -1. */
int push_no_memory(struct push_request *rq);
unsigned push_status(const struct push_request *rq); /* 0: it goes well so far */
const char *push_why(const struct push_request *rq);
/* Of a body that is too large, instead of 413. */
void push_set_too_large(struct push_request *rq, unsigned status);

/* In head(): how the body is packed, whatever the header Content-Encoding says: "snappy", one raw block, as well. */
void push_set_encoding(struct push_request *rq, const char *encoding);
/* In head(), or in read() before the first record: the request's key; false: it is too long, or no word. */
MUST_CHECK bool push_set_key(struct push_request *rq, const char *key);

/* In read(), before that begins which is waited for. -1: concluded, as the input starts or stops. Else one of these follows: */
MUST_CHECK int push_wait(struct push_request *rq);
void push_do_not_wait(struct push_request *rq); /* there is nothing to wait for */
void push_suspend(struct push_request *rq);     /* first; then it may begin, and read() returns 1 ... */
/* ... and once, from any thread, this: the request may be gone behind it. */
void push_resume(struct push_request *rq);

/* In read(): empty, with room for as much as the body has and some more; until the next call. NULL: refused, there is no memory now. */
struct buf *push_scratch(struct push_request *rq);
/* In read(): it may become twice as large, up to `most`. What it has stays. 1: it is that large already. -1: refused. */
MUST_CHECK int push_scratch_more(struct push_request *rq, size_t most);
/* In read(): what the scratch has is the body from here on, and there is no scratch. */
struct slice push_take_scratch(struct push_request *rq);
/* In read(): its records will have about so many bytes, not as many as the body. */
void push_expect(struct push_request *rq, size_t bytes);
/* What read() notes for reply(), when the body is gone: the beginning of the answer. -1: refused. */
MUST_CHECK int push_note(struct push_request *rq, struct slice text);
/* In reply(): what was noted goes into `out`, which is empty. There is some room behind it. */
void push_take_note(struct push_request *rq, struct buf *out);
/* In read(): a record that is left out, while others of its request are stored; the answer says so. The log has it, now and then. */
void push_left_out(struct push_request *rq, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The next number of the input's: 0, 1, 2 ... since its start. */
uint64_t push_number(struct push_request *rq);
/* Some are left out, as there is no room: the log has it, now and then. */
void push_facts_cut(struct push_request *rq);
/* Facts of all its records, beside the headers. Before the first record. */
void push_fact(struct push_request *rq, const char *name, struct slice value);

/* A record, in read(). `facts`: of it alone, at most PUSH_FACTS_MAX, may be empty. -1: refused. */
MUST_CHECK int push_add(struct push_request *rq, struct slice record, struct slice facts);
uint32_t push_count(const struct push_request *rq); /* so far */

#endif
