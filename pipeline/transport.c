/* Each exchange borrows a slot: an easy handle with its response buffers. Slots are kept for reuse (connections live in
 * the multi handle and are shared by all), so a steady stream of objects costs no set-up. Bodies are read through a
 * callback in both cases, memory or file, so that a 128 MiB object needs no more than curl's upload buffer.
 *
 * Names are resolved before curl gets the request, and curl is told the addresses: left to itself it makes a thread for
 * each request, and waits for it when the request ends before it (resolver.h). */
#include "pipeline/transport.h"

#include "pipeline/base/mem.h"
#include "pipeline/resolver.h"
#include "sinks/proxy.h"

#include <curl/curl.h>

#include <arpa/inet.h>

#include <assert.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX          (64 * 1024)
#define RESPONSE_DEFAULT_MAX (64 * 1024)
#define UPLOAD_BUFFER_BYTES  (64L * 1024)
#define CONNECT_TIMEOUT_MS   10000L
#define EXCHANGE_TIMEOUT     (180 * NSEC_PER_SEC)
#define STALL_SECONDS        60L /* fewer than one byte per second for so long: the far end is gone */
#define IDLE_SLOTS_MAX       16
#define POLL_FAILED_MS       100

/* Names change their addresses: a connection is used again for so long, and what a name resolved to is believed for so long. */
#define CONNECTION_LIFE_SECONDS 30L
#define DNS_LIFE_SECONDS        5L
#define PROXY_DEFAULT_PORT      "1080" /* curl's */

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
    uint64_t sent;
    struct err body_error;
    enum http_failure failure; /* of SLOT_FAILED */
    char error[CURL_ERROR_SIZE];
    struct proxy proxy;          /* empty: none */
    char *host;                  /* whose name is to be resolved first: the proxy's, or the URL's; NULL: nobody's */
    char *port;                  /* and its port */
    struct curl_slist *resolved; /* host:port:addresses, for curl */
    nsec patience;               /* mono; until when the name may be resolved */
    struct exchange_slot *next;  /* in one of the transport's lists */
};

struct transport {
    CURLM *multi;
    struct exchange_slot *idle;
    size_t idle_count;
    struct exchange_slot *failed;    /* reported by the next transport_run() */
    struct exchange_slot *resolving; /* in no order */
    struct resolver *resolver;
    atomic_bool names_changed;
};

static long text_read(const char *text, uint64_t at, char *to, size_t n)
{
    size_t left = strlen(text) - at;

    n = n < left ? n : left;
    memcpy(to, text + at, n);
    return (long)n;
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct exchange_slot *s = arg;
    const char *text = s->x->request->text;
    long n = text ? text_read(text, s->sent, to, size * count)
                  : body_read(s->x->body, s->sent, to, size * count, &s->body_error);

    if (n < 0)
        return CURL_READFUNC_ABORT;
    s->sent += (uint64_t)n;
    return (size_t)n;
}

/* curl rewinds when a reused connection turns out to be dead before the answer. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct exchange_slot *s = arg;

    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    s->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static size_t on_header(char *p, size_t size, size_t count, void *arg)
{
    struct exchange_slot *s = arg;
    size_t n = size * count;

    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0) { /* 1xx answers come first; only the final one counts */
        buf_clear(&s->response_headers);
        s->head_complete = false;
    }
    s->head_complete = s->head_complete || p[0] == '\r' || p[0] == '\n'; /* trailers may follow the body */
    return buf_add(&s->response_headers, p, n) < 0 ? 0 : n;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct exchange_slot *s = arg;
    size_t n = size * count, room = s->response_body.max - s->response_body.n;

    if (buf_add(&s->response_body, p, n < room ? n : room) < 0)
        return 0;
    if (n <= room)
        return n;
    s->truncated = true; /* ends the transfer: nobody reads an endless answer */
    return 0;
}

static struct exchange_slot *slot_new(void)
{
    struct exchange_slot *s = mem_alloc(sizeof(*s));

    s->easy = curl_easy_init(); /* NULL: no memory; the exchange fails then */
    buf_init(&s->response_headers, HEADERS_MAX);
    return s;
}

static void slot_free(struct exchange_slot *s)
{
    if (s->easy)
        curl_easy_cleanup(s->easy);
    curl_slist_free_all(s->headers);
    buf_release(&s->response_headers);
    buf_release(&s->response_body);
    mem_free(s);
}

static struct exchange_slot *slot_take(struct transport *t)
{
    struct exchange_slot *s = t->idle;

    if (!s)
        return slot_new();
    t->idle = s->next;
    t->idle_count--;
    return s;
}

static void slot_give(struct transport *t, struct exchange_slot *s)
{
    curl_slist_free_all(s->headers);
    curl_slist_free_all(s->resolved);
    s->headers = s->resolved = NULL;
    MEM_CLEAR(s->host);
    MEM_CLEAR(s->port);
    explicit_bzero(&s->proxy, sizeof(s->proxy));
    s->step = SLOT_IDLE;
    s->x = NULL;
    buf_clear(&s->response_headers);
    buf_release(&s->response_body);
    if (!s->easy || t->idle_count >= IDLE_SLOTS_MAX) {
        slot_free(s);
        return;
    }
    s->next = t->idle;
    t->idle = s;
    t->idle_count++;
}

/* The resolver's thread. */
static void on_names_changed(void *ctx)
{
    struct transport *t = ctx;

    atomic_store(&t->names_changed, true);
    transport_wake(t);
}

int transport_new(struct transport **out, struct err *e)
{
    struct resolver_conf names = {.look_up = resolver_look_up, .changed = on_names_changed};
    struct transport *t;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_IO, "libcurl cannot be initialised");
    t = mem_alloc(sizeof(*t));
    t->multi = curl_multi_init();
    if (!t->multi) {
        mem_free(t);
        return err_set(e, ERR_NOMEM, "libcurl cannot make a multi handle");
    }
    names.ctx = t;
    t->resolver = resolver_new(&names);
    *out = t;
    if (curl_multi_wakeup(t->multi) ==
        CURLM_OK) /* it has no descriptors for it otherwise, and nobody could wake it later */
        return 0;
    transport_free(out);
    return err_set(e, ERR_IO, "libcurl gets no descriptors: too many files are open");
}

void transport_free(struct transport **tp)
{
    struct transport *t = *tp;

    if (!t)
        return;
    while (t->idle) {
        struct exchange_slot *s = t->idle;

        t->idle = s->next;
        slot_free(s);
    }
    resolver_free(&t->resolver); /* its threads call nobody any more */
    curl_multi_cleanup(t->multi);
    mem_free(t);
    *tp = NULL;
}

static void set_tls(CURL *c, const struct http_tls *tls)
{
    if (!tls)
        return;
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
    if (tls->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, tls->ca_file);
    if (tls->cert_file)
        curl_easy_setopt(c, CURLOPT_SSLCERT, tls->cert_file);
    if (tls->key_file)
        curl_easy_setopt(c, CURLOPT_SSLKEY, tls->key_file);
    if (tls->key_password)
        curl_easy_setopt(c, CURLOPT_KEYPASSWD, tls->key_password);
}

static uint64_t body_bytes(const struct http_request *rq, const struct body *body)
{
    return rq->text ? strlen(rq->text) : body ? body_size(body) : 0;
}

/* A PUT is an upload, anything else with a body a POST under its own name: both read through on_read. */
static void set_method(CURL *c, const struct http_request *rq, const struct body *body)
{
    curl_off_t size = (curl_off_t)body_bytes(rq, body);

    if (!rq->text && !body) {
        curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method);
    } else if (strcmp(rq->method, "PUT") == 0) {
        curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, size);
    } else {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, size);
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method);
    }
}

static bool add_header(struct exchange_slot *s, const char *line)
{
    struct curl_slist *longer = curl_slist_append(s->headers, line);

    if (!longer)
        return false;
    s->headers = longer;
    return true;
}

/* False: no memory. A request without one of them is another request. */
static bool set_headers(struct exchange_slot *s, const struct http_request *rq)
{
    /* Without this curl waits a second for a "100 Continue" that many servers never send. */
    if (!add_header(s, "Expect:"))
        return false;
    for (size_t i = 0; i < rq->header_count; i++)
        if (!add_header(s, rq->headers[i]))
            return false;
    return curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, s->headers) == CURLE_OK;
}

static void set_options(struct exchange_slot *s, const struct http_request *rq)
{
    CURL *c = s->easy;
    nsec timeout = rq->timeout ? rq->timeout : EXCHANGE_TIMEOUT;

    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_PRIVATE, s);
    curl_easy_setopt(c, CURLOPT_URL, rq->url);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L); /* it is signed as it stands, and an object's name may have `..` */
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT,
                     1L); /* where curl resolves a name all the same, nobody waits for its thread */
    curl_easy_setopt(c, CURLOPT_PROXY, s->proxy.url); /* "": none, whatever the environment says */
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
    curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* of the proxy's answer */
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->error);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, CONNECTION_LIFE_SECONDS);
    curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, DNS_LIFE_SECONDS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(timeout / NSEC_PER_MSEC));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c, CURLOPT_READDATA, s);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(c, CURLOPT_SEEKDATA, s);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, s);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
}

static bool is_number(const char *host)
{
    unsigned char address[16];

    return host[0] == '[' || inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Names that curl knows itself, and those that it writes in another way before it looks for them. */
static bool is_left_to_curl(const char *host)
{
    size_t n = strlen(host), local = strlen("localhost");

    if (n >= local && strcasecmp(host + n - local, "localhost") == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)host[i] >= 0x80)
            return true;
    return n == 0 || host[n - 1] == '.';
}

/* Whose name is to be resolved: s->host and s->port, or nobody's. */
static void find_host(struct exchange_slot *s, const char *url)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL;

    if (u &&
        curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME | CURLU_PATH_AS_IS) ==
            CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && !is_number(host) && !is_left_to_curl(host)) {
        bool has_port = curl_url_get(u, CURLUPART_PORT, &port, s->proxy.url[0] ? 0 : CURLU_DEFAULT_PORT) == CURLUE_OK;

        s->host = mem_strdup(host);
        s->port = mem_strdup(has_port ? port : PROXY_DEFAULT_PORT);
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

static bool set_up(struct exchange_slot *s, const struct exchange *x)
{
    const struct http_request *rq = x->request;

    if (!s->easy)
        return false;
    (void)proxy_find(rq->proxy, rq->url, &s->proxy);
    set_options(s, rq);
    set_method(s->easy, rq, x->body);
    set_tls(s->easy, rq->tls);
    find_host(s, s->proxy.url[0] ? s->proxy.url : rq->url);
    return set_headers(s, rq);
}

static void put_in(struct exchange_slot **list, struct exchange_slot *s, enum slot_step step)
{
    s->step = step;
    s->next = *list;
    *list = s;
}

static void take_out(struct exchange_slot **list, const struct exchange_slot *s)
{
    while (*list != s)
        list = &(*list)->next;
    *list = s->next;
}

static void fail(struct transport *t, struct exchange_slot *s, enum http_failure failure)
{
    s->failure = failure;
    put_in(&t->failed, s, SLOT_FAILED);
}

static void fail_for_memory(struct transport *t, struct exchange_slot *s)
{
    snprintf(s->error, sizeof(s->error), "there is no memory or no descriptor for another request");
    fail(t, s, HTTP_LOCAL);
}

static void hand_to_curl(struct transport *t, struct exchange_slot *s)
{
    if (curl_multi_add_handle(t->multi, s->easy) == CURLM_OK)
        s->step = SLOT_RUNNING;
    else
        fail_for_memory(t, s);
}

static bool set_addresses(struct exchange_slot *s, const char *addresses)
{
    char *entry = mem_printf("+%s:%s:%s", s->host, s->port, addresses); /* +: it grows old as others do */

    s->resolved = curl_slist_append(NULL, entry);
    mem_free(entry);
    return s->resolved && curl_easy_setopt(s->easy, CURLOPT_RESOLVE, s->resolved) == CURLE_OK;
}

void transport_start(struct transport *t, struct exchange *x)
{
    struct exchange_slot *s = slot_take(t);

    assert(!x->slot);
    x->slot = s;
    s->x = x;
    s->sent = 0;
    s->truncated = s->head_complete = false;
    s->error[0] = '\0';
    s->body_error = (struct err){.code = ERR_NONE};
    buf_init(&s->response_body, x->request->response_max ? x->request->response_max : RESPONSE_DEFAULT_MAX);
    if (!set_up(s, x)) {
        fail_for_memory(t, s);
    } else if (s->host) {
        s->patience = clock_mono() + CONNECT_TIMEOUT_MS * NSEC_PER_MSEC;
        put_in(&t->resolving, s, SLOT_RESOLVING);
        atomic_store(&t->names_changed, true); /* the name may be known */
    } else {
        hand_to_curl(t, s);
    }
}

void transport_cancel(struct transport *t, struct exchange *x)
{
    struct exchange_slot *s = x->slot;

    if (!s)
        return;
    if (s->step == SLOT_RUNNING)
        curl_multi_remove_handle(t->multi, s->easy);
    else
        take_out(s->step == SLOT_FAILED ? &t->failed : &t->resolving, s);
    x->slot = NULL;
    slot_give(t, s);
}

static enum http_failure failure_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return HTTP_OK;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return HTTP_PROXY_DOWN;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_URL_MALFORMAT:
        return HTTP_DNS;
    case CURLE_COULDNT_CONNECT:
        return HTTP_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
        return HTTP_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMEOUT;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
        return HTTP_RESET;
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_READ_ERROR:
        return HTTP_LOCAL;
    default:
        return HTTP_MALFORMED;
    }
}

/* How an exchange ended, as curl saw it. */
struct ending {
    CURLcode code;
    int status;          /* of the answer, 0: none */
    int tunnel;          /* of the proxy's answer to CONNECT, 0: none */
    bool connected;      /* to the destination or the proxy */
    uint64_t body, sent; /* bytes of the request's body, and how many of them went out */
};

/* Time-outs share a code in curl, also those while connecting; the times tell them apart. On a connection that was used
 * before, nothing was connected, but sending began. */
static bool was_connected(CURL *c)
{
    curl_off_t connected = 0, sending = 0;

    curl_easy_getinfo(c, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(c, CURLINFO_PRETRANSFER_TIME_T, &sending);
    return connected > 0 || sending > 0;
}

/* What was read for curl may still lie in its buffer; what it counts has been given to the system. */
static struct ending ending_of(const struct exchange_slot *s, CURLcode code)
{
    struct ending end = {.code = code, .body = body_bytes(s->x->request, s->x->body)};
    curl_off_t sent = 0;
    long status = 0, tunnel = 0;

    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(s->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
    curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    end.status = (int)status;
    end.tunnel = (int)tunnel;
    end.connected = was_connected(s->easy);
    end.sent = s->sent < (uint64_t)sent ? s->sent : (uint64_t)sent;
    return end;
}

static bool is_refusal(const struct exchange_slot *s, const struct ending *end)
{
    return s->head_complete && end->status >= 400;
}

/* Is the connection's end the answer's end as well? */
static bool lost_connection(CURLcode code)
{
    return failure_of(code) == HTTP_RESET;
}

/* A server may answer before it has read all: to refuse a body that is too large, or a client it does not know. That is an
 * answer, also when the connection then breaks off under what is still being sent. But nobody can have stored what was
 * not sent, whatever he says of it.
 *
 * A transfer that we cut ourselves because the answer was endless is an answer all the same: its status was read. One whose head
 * breaks off is none, though curl takes it for one (RFC 9112 section 8). */
static enum http_failure judge_direct(const struct exchange_slot *s, const struct ending *end)
{
    if (end->code == CURLE_OK && !s->head_complete)
        return HTTP_MALFORMED;
    if (is_refusal(s, end) && lost_connection(end->code))
        return HTTP_OK;
    if (end->code != CURLE_OK && !(end->code == CURLE_WRITE_ERROR && s->truncated))
        return end->code == CURLE_OPERATION_TIMEDOUT && !end->connected ? HTTP_CONNECT : failure_of(end->code);
    return end->sent < end->body && !is_refusal(s, end) ? HTTP_RESET : HTTP_OK;
}

/* The proxy's own failures: it is not reached, refuses to connect further, or wants to know who asks. */
static enum http_failure judge_transfer(const struct exchange_slot *s, const struct ending *end)
{
    enum http_failure direct = judge_direct(s, end);

    if (!s->proxy.url[0])
        return direct;
    if (end->tunnel >= 300 || (direct == HTTP_OK && end->status == 407))
        return end->tunnel >= 500 ? HTTP_PROXY_DOWN : HTTP_PROXY_REFUSES;
    return direct == HTTP_CONNECT ? HTTP_PROXY_DOWN : direct;
}

/* "http://proxy:3128 (from https_proxy): ...": whatever fails behind a proxy may be its doing. */
static void name_proxy(struct exchange_slot *s)
{
    char text[CURL_ERROR_SIZE];

    if (!s->proxy.url[0])
        return;
    snprintf(text, sizeof(text), "%.120s (from %s): %s", s->proxy.shown, s->proxy.from, s->error);
    memcpy(s->error, text, sizeof(text));
}

static const char *failure_text(struct exchange_slot *s, const struct ending *end)
{
    if (s->body_error.code != ERR_NONE)
        return s->body_error.msg;
    if (end->code == CURLE_OK && !s->head_complete)
        return "the head of the answer breaks off";
    if (end->code == CURLE_OK || end->code == CURLE_WRITE_ERROR)
        snprintf(s->error, sizeof(s->error), "it answered %d when %" PRIu64 " of %" PRIu64 " bytes were sent",
                 end->status, end->sent, end->body);
    if (end->status == 407)
        snprintf(s->error, sizeof(s->error), "it wants a user and a password (status 407)");
    if (!s->error[0])
        snprintf(s->error, sizeof(s->error), "%s", curl_easy_strerror(end->code));
    name_proxy(s);
    return s->error;
}

/* With TLS 1.3 a client is refused after its handshake, in place of the answer: for curl a connection that broke. */
static bool refuses_our_certificate(const struct exchange_slot *s)
{
    return strstr(s->error, "alert") &&
           (strstr(s->error, "certificate") || strstr(s->error, "unknown ca") || strstr(s->error, "access denied"));
}

static void finish(struct transport *t, struct exchange_slot *s, CURLcode code)
{
    struct exchange *x = s->x;
    struct ending end = ending_of(s, code);
    struct http_response re = {.failure = judge_transfer(s, &end), .status = end.status, .wall_now = clock_wall()};
    curl_off_t took = 0;

    if (re.failure == HTTP_RESET && refuses_our_certificate(s))
        re.failure = HTTP_TLS;
    if (s->host && (re.failure == HTTP_CONNECT || re.failure == HTTP_PROXY_DOWN))
        resolver_doubt(t->resolver, s->host);
    curl_easy_getinfo(s->easy, CURLINFO_TOTAL_TIME_T, &took);
    re.endpoint = x->request->endpoint;
    re.latency = took * NSEC_PER_USEC;
    re.failure_text = re.failure == HTTP_OK ? NULL : failure_text(s, &end);
    re.headers = buf_slice(&s->response_headers);
    re.body = buf_slice(&s->response_body);
    re.body_truncated = s->truncated;
    x->slot = NULL;
    x->done(x, &re);
    slot_give(t, s);
}

/* done() may start others and cancel those that have failed: the list is begun anew each time. */
static bool finish_failed(struct transport *t)
{
    bool any = t->failed != NULL;

    while (t->failed) {
        struct exchange_slot *s = t->failed;
        struct exchange *x = s->x;
        struct http_response re = {.failure = s->failure,
                                   .failure_text = s->error,
                                   .endpoint = x->request->endpoint,
                                   .wall_now = clock_wall()};

        t->failed = s->next;
        x->slot = NULL;
        x->done(x, &re);
        slot_give(t, s);
    }
    return any;
}

static void fail_unresolved(struct transport *t, struct exchange_slot *s, const char *why)
{
    bool proxy = s->proxy.url[0] != '\0';

    snprintf(s->error, sizeof(s->error), "Could not resolve host: %s (%s)", s->host, why);
    name_proxy(s);
    fail(t, s, proxy ? HTTP_PROXY_DOWN : HTTP_DNS);
}

/* One that has its addresses now goes on; one that gets none, or waits too long, has failed. False: it waits. */
static bool go_on(struct transport *t, struct exchange_slot *s, nsec now)
{
    const char *text;
    enum resolver_state state = resolver_find(t->resolver, s->host, now, &text);

    if (state == RESOLVER_ASKING && now < s->patience)
        return false;
    if (state == RESOLVER_ASKING)
        fail_unresolved(t, s, "the resolver does not answer");
    else if (state == RESOLVER_FAILED)
        fail_unresolved(t, s, text);
    else if (set_addresses(s, text))
        hand_to_curl(t, s);
    else
        fail_for_memory(t, s);
    return true;
}

/* Returns when the first of those that wait has waited enough. */
static nsec run_resolving(struct transport *t)
{
    bool changed = atomic_exchange(&t->names_changed, false);
    struct exchange_slot **p = &t->resolving;
    nsec now = clock_mono(), next = NSEC_NEVER;

    while (*p) {
        struct exchange_slot *s = *p, *behind = s->next;

        if ((changed || now >= s->patience) && go_on(t, s, now)) {
            *p = behind;
            continue;
        }
        next = s->patience < next ? s->patience : next;
        p = &s->next;
    }
    return next;
}

void transport_run(struct transport *t, nsec mono_until)
{
    CURLMsg *m;
    bool finished;
    int left, running;
    nsec patience = run_resolving(t), wait;

    curl_multi_perform(t->multi, &running);
    finished = finish_failed(t);
    while ((m = curl_multi_info_read(t->multi, &left))) {
        struct exchange_slot *s;
        CURLcode code = m->data.result;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&s);
        curl_multi_remove_handle(t->multi, s->easy);
        finish(t, s, code);
        finished = true;
    }
    if (finished) /* a done() may have set a timer before mono_until, or started another */
        return;
    mono_until = mono_until < patience ? mono_until : patience;
    wait = mono_until == NSEC_NEVER ? 60 * NSEC_PER_SEC : mono_until - clock_mono();
    wait = (wait + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
    if (wait > 0 && curl_multi_poll(t->multi, NULL, 0, (int)wait, NULL) != CURLM_OK)
        poll(NULL, 0, POLL_FAILED_MS); /* no memory for it: not in circles, either */
}

void transport_wake(struct transport *t)
{
    curl_multi_wakeup(t->multi);
}
