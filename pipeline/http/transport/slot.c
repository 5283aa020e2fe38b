/* Bodies are read through a callback in both cases, memory or file, so that a 128 MiB object needs no more than curl's upload
 * buffer. */
#include "pipeline/http/transport/slot.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/tls_files.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define PROXY_DEFAULT_PORT "1080" /* curl's */

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
    struct exchange_slot *s = arg;
    const struct exchange *x = s->x;
    const char *text = x->request->text;
    uint64_t left = slot_body_bytes(s) - s->sent;
    size_t most = left < size * count ? (size_t)left : size * count;
    long n;

    if (text) {
        memcpy(to, text + s->sent, most);
        n = (long)most;
    } else {
        n = body_read(x->body, x->from + s->sent, to, most, &s->body_error);
    }
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

/* Doubled each time, as the buffer is. */
static bool has_room(struct exchange_slot *s, size_t n)
{
    while (s->x->room && s->response_body.n + n > s->granted) {
        if (!s->x->room(s->x, s->granted))
            return false;
        s->granted *= 2;
    }
    return true;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct exchange_slot *s = arg;
    size_t n = size * count, room = s->response_body.max - s->response_body.n;

    s->no_room = !has_room(s, n < room ? n : room) || buf_add(&s->response_body, p, n < room ? n : room) < 0;
    if (s->no_room)
        return 0;
    if (n <= room)
        return n;
    s->truncated = true; /* ends the transfer: nobody reads an endless answer */
    return 0;
}

/* "HTTP/1.1 413 ..."; 0: no status line. */
static int status_of(struct slice line)
{
    int status = 0;

    if (line.n < 12 || !slice_starts(line, SLICE("HTTP/1.")) || line.p[8] != ' ')
        return 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.p[i] < '0' || line.p[i] > '9')
            return 0;
        status = status * 10 + (line.p[i] - '0');
    }
    return status;
}

void slot_hear(struct exchange_slot *s, struct slice unread)
{
    int status = status_of(unread);

    while (status && !(s->head_complete && status >= 200)) {
        const char *end = memchr(unread.p, '\n', unread.n);
        size_t n = end ? (size_t)(end - unread.p) + 1 : 0;

        if (n == 0)
            return;
        if (status_of(unread))
            status = status_of(unread);
        if (on_header((char *)(uintptr_t)unread.p, 1, n, s) != n)
            return;
        unread = slice_of(unread.p + n, unread.n - n);
    }
    if (!status)
        return;
    s->heard = status;
    (void)on_body((char *)(uintptr_t)unread.p, 1, unread.n, s);
}

struct exchange_slot *slot_new(void)
{
    struct exchange_slot *s = mem_alloc(sizeof(*s));

    s->easy = curl_easy_init(); /* NULL: no memory; the exchange fails then */
    buf_init(&s->response_headers, TRANSPORT_HEADERS_MAX);
    return s;
}

void slot_free(struct exchange_slot *s)
{
    if (s->easy)
        curl_easy_cleanup(s->easy);
    curl_slist_free_all(s->headers);
    buf_release(&s->response_headers);
    buf_release(&s->response_body);
    mem_free(s);
}

/* Not copied: the request keeps it until the exchange has ended, and curl has forgotten it then (slot_clear). */
static bool set_blob(CURL *c, CURLoption option, const struct buf *text)
{
    struct curl_blob blob = {.data = text->p, .len = text->n, .flags = CURL_BLOB_NOCOPY};

    return text->n == 0 || curl_easy_setopt(c, option, &blob) == CURLE_OK;
}

/* Whom it trusts. An https proxy is verified by the system's alone. */
static bool set_trust(struct exchange_slot *s, const struct http_request *rq)
{
    bool insecure = rq->tls && rq->tls->insecure;

    s->trust = (struct curl_trust){.destination = insecure                          ? NULL
                                                  : rq->tls && rq->tls->authorities ? rq->tls->authorities
                                                                                    : rq->system,
                                   .proxy = proxy_is_https(&s->proxy) ? rq->system : NULL};
    curl_easy_setopt(s->easy, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
    curl_easy_setopt(s->easy, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
    return curl_trust_set(s->easy, &s->trust);
}

/* False: no memory. Without one of them it would be somebody else. */
static bool set_identity(CURL *c, struct http_tls *tls)
{
    if (!tls)
        return true;
    if (tls->key_password && curl_easy_setopt(c, CURLOPT_KEYPASSWD, tls->key_password) != CURLE_OK)
        return false;
    return set_blob(c, CURLOPT_SSLCERT_BLOB, &tls->text[TLS_CERT_FILE]) &&
           set_blob(c, CURLOPT_SSLKEY_BLOB, &tls->text[TLS_KEY_FILE]);
}

uint64_t slot_body_bytes(const struct exchange_slot *s)
{
    const struct exchange *x = s->x;

    if (x->request->bare)
        return 0;
    if (x->request->text)
        return strlen(x->request->text);
    return x->bytes ? x->bytes : x->body ? body_size(x->body) : 0;
}

/* A PUT is an upload, anything else with a body a POST under its own name: both read through on_read. HEAD has no body on either way. */
static void set_method(const struct exchange_slot *s)
{
    const struct http_request *rq = s->x->request;
    curl_off_t size = (curl_off_t)slot_body_bytes(s);
    CURL *c = s->easy;

    if (strcmp(rq->method, "HEAD") == 0) {
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    } else if (rq->bare || (!rq->text && !s->x->body)) {
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
    nsec timeout = rq->timeout ? rq->timeout : TRANSPORT_EXCHANGE_TIMEOUT;

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
    curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, TRANSPORT_CONNECTION_LIFE_SECONDS);
    curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, TRANSPORT_DNS_LIFE_SECONDS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(timeout / NSEC_PER_MSEC));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
                     rq->late_answer ? (long)(timeout / NSEC_PER_SEC) : TRANSPORT_STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, (long)rq->once);
    curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, TRANSPORT_UPLOAD_BUFFER_BYTES + (long)s->more_buffer);
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

bool slot_set_up(struct exchange_slot *s, struct exchange *x, size_t spare)
{
    const struct http_request *rq = x->request;
    uint64_t most;

    s->x = x;
    s->sent = 0;
    most = slot_body_bytes(s) < TRANSPORT_UPLOAD_BUFFER_MAX ? slot_body_bytes(s) : TRANSPORT_UPLOAD_BUFFER_MAX;
    /* Each fill of the buffer costs a send and two polls: beyond the usual size. */
    s->more_buffer = most > TRANSPORT_UPLOAD_BUFFER_BYTES ? (size_t)most - TRANSPORT_UPLOAD_BUFFER_BYTES : 0;
    s->more_buffer = s->more_buffer < spare ? s->more_buffer : spare;

    s->truncated = s->head_complete = s->no_room = false;
    s->granted = ANSWER_SMALL_MAX;
    s->heard = 0;
    s->error[0] = '\0';
    s->body_error = (struct err){.code = ERR_NONE};
    buf_init(&s->response_body, rq->response_max ? rq->response_max : TRANSPORT_RESPONSE_DEFAULT_MAX);
    if (!s->easy)
        return false;
    (void)proxy_find(rq->proxy, rq->url, &s->proxy);
    set_options(s, rq);
    set_method(s);
    find_host(s, s->proxy.url[0] ? s->proxy.url : rq->url);
    return set_trust(s, rq) && set_identity(s->easy, rq->tls) && set_headers(s, rq);
}

bool slot_set_addresses(struct exchange_slot *s, const char *addresses)
{
    char *entry = mem_printf("+%s:%s:%s", s->host, s->port, addresses); /* +: it grows old as others do */

    s->resolved = curl_slist_append(NULL, entry);
    mem_free(entry);
    return s->resolved && curl_easy_setopt(s->easy, CURLOPT_RESOLVE, s->resolved) == CURLE_OK;
}

void slot_clear(struct exchange_slot *s)
{
    curl_slist_free_all(s->headers);
    curl_slist_free_all(s->resolved);
    s->headers = s->resolved = NULL;
    MEM_CLEAR(s->host);
    MEM_CLEAR(s->port);
    explicit_bzero(&s->proxy, sizeof(s->proxy));
    if (s->easy) {
        curl_easy_reset(s->easy);
        curl_easy_setopt(s->easy, CURLOPT_UPLOAD_BUFFERSIZE, TRANSPORT_UPLOAD_BUFFER_BYTES); /* gives the buffer back */
    }
    s->more_buffer = 0;
    s->step = SLOT_IDLE;
    s->x = NULL;
    buf_clear(&s->response_headers);
    buf_release(&s->response_body);
}
