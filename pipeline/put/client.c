/* One easy handle that is kept, so its connection is. The body is in memory, so it is signed at once. What was not sent whole is no success,
 * whatever was answered. */
#include "pipeline/put/client.h"

#include "config/address.h"
#include "pipeline/aws/sigv4.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/http/trust/curl_trust.h"
#include "pipeline/http/trust/pem_file.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/trust/system_trust.h"
#include "pipeline/http/url.h"

#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TARGET       "Firehose_20150804.PutRecordBatch"
#define CONTENT_TYPE "application/x-amz-json-1.1"

/* A server that listens everywhere is reached on loopback. */
char *put_endpoint_of(const char *listen, bool tls)
{
    struct address at;
    struct err e;
    const char *host;

    if (address_parse(listen, &at, &e) < 0)
        return NULL;
    host = strcmp(at.host, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(at.host, "::") == 0 ? "::1" : at.host;
    return mem_printf(strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u", tls ? "https" : "http", host, at.port);
}

bool put_endpoint_is_loopback(const char *endpoint)
{
    struct http_url url;
    struct address at;
    struct buf place;
    struct err e;
    bool is;

    if (http_url_parse(&url, "the endpoint", endpoint, &e) < 0)
        return false;
    buf_init(&place, ENDPOINT_URL_MAX + 64);
    is =
        !*url.path && http_url_place(&url, &place) == 0 && address_parse(buf_cstr(&place), &at, &e) == 0 && at.loopback;
    buf_release(&place);
    http_url_release(&url);
    return is;
}

struct put_client {
    CURL *easy;
    char *endpoint;
    struct http_url url;
    char *region, *key, *secret, *token;
    bool admin; /* it is asked; else what is sent is PutRecordBatch */
    bool reads; /* a page of it, by GET */
    int stop_fd;
    char *authorization;        /* NULL: none, or a signature */
    struct authorities *system; /* NULL: nobody is to be verified */
    struct authorities *pinned; /* NULL: the system's vouch for the endpoint */
    struct curl_trust trust;
    char error[CURL_ERROR_SIZE];
};

static char *copy(const char *s)
{
    return s && *s ? mem_strdup(s) : NULL;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct buf *reply = ctx;

    return buf_add(reply, p, size * n) < 0 ? 0 : size * n;
}

/* libcurl calls this once a second or more often. Not 0: the request is given up. */
static int on_progress(void *ctx, curl_off_t down, curl_off_t has_down, curl_off_t up, curl_off_t has_up)
{
    struct pollfd stop = {.fd = *(const int *)ctx, .events = POLLIN};

    (void)down, (void)has_down, (void)up, (void)has_up;
    return poll(&stop, 1, 0) > 0;
}

/* Not those behind it: whoever has one of the same authority would be trusted as well. */
static int pin(struct put_client *c, const char *cert_file, struct err *e)
{
    const char *option = c->admin ? "admin.tls.cert_file" : "api.tls.cert_file";
    struct buf text;
    int rc;

    buf_init(&text, TLS_FILE_MAX);
    c->pinned = authorities_new();
    rc = pem_file_read(option, cert_file, &text, e);
    if (rc == 0 &&
        (authorities_add(c->pinned, certificate_first(buf_slice(&text)), e) < 0 || authorities_end(c->pinned, e) < 0))
        rc = err_wrap(e, "%s: `%s`", option, cert_file);
    if (text.p)
        explicit_bzero(text.p, text.cap); /* the key may be in the same file */
    buf_release(&text);
    return rc;
}

/* Read here first: what is wrong with the file is said in words. */
static int show_own(struct put_client *c, const struct put_client_conf *conf, struct err *e)
{
    struct buf key;
    int rc;

    buf_init(&key, TLS_FILE_MAX);
    rc = pem_file_read(c->admin ? "admin.tls.key_file" : "api.tls.key_file", conf->key_file, &key, e);
    if (key.p)
        explicit_bzero(key.p, key.cap);
    buf_release(&key);
    if (rc == 0 && (curl_easy_setopt(c->easy, CURLOPT_SSLCERT, conf->cert_file) != CURLE_OK ||
                    curl_easy_setopt(c->easy, CURLOPT_SSLKEY, conf->key_file) != CURLE_OK))
        rc = err_set(e, ERR_NOMEM, "libcurl cannot be set up");
    return rc;
}

/* The proxy and the server are verified as the daemon verifies them. */
static int set_way(struct put_client *c, const char *cert_file, struct err *e)
{
    struct proxy p;
    int rc = 0;

    (void)proxy_find(NULL, c->endpoint, &p);
    if ((!cert_file && strncasecmp(c->endpoint, "https:", strlen("https:")) == 0) || proxy_is_https(&p)) {
        struct system_trust *t = system_trust_keep();

        rc = system_trust_get(t, &c->system, e);
        system_trust_leave(&t);
    }
    /* Not as libcurl reads the environment: its messages quote a password. */
    curl_easy_setopt(c->easy, CURLOPT_PROXY, p.url); /* "": none */
    curl_easy_setopt(c->easy, CURLOPT_NOPROXY, "");
    if (rc == 0 && cert_file) {
        rc = pin(c, cert_file, e);
        curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 0L); /* it is the very certificate */
    }
    c->trust = (struct curl_trust){.destination = c->pinned ? c->pinned : c->system,
                                   .proxy = proxy_is_https(&p) ? c->system : NULL};
    explicit_bzero(&p, sizeof(p));
    if (rc == 0 && !curl_trust_set(c->easy, &c->trust))
        rc = err_set(e, ERR_NOMEM, "libcurl cannot be set up");
    return rc;
}

int put_client_open(struct put_client **out, const struct put_client_conf *conf, struct err *e)
{
    struct put_client *c = mem_alloc(sizeof(*c));

    c->endpoint = mem_strdup(conf->endpoint);
    c->region = copy(conf->region);
    c->authorization = copy(conf->authorization);
    c->admin = conf->path != NULL;
    c->reads = conf->reads;
    c->stop_fd = conf->stop_fd;
    c->key = copy(conf->access_key_id);
    c->secret = copy(conf->secret_access_key);
    c->token = copy(conf->session_token);
    c->easy = curl_easy_init();
    if (!c->easy) {
        err_set(e, ERR_NOMEM, "libcurl cannot be set up");
        goto fail;
    }
    if (http_url_parse(&c->url, "the endpoint", c->endpoint, e) < 0)
        goto fail;
    if (*c->url.path || *c->url.query) {
        err_set(e, ERR_CONFIG, "`%s` is not an endpoint; write http://HOST:PORT or https://HOST:PORT", c->endpoint);
        goto fail;
    }
    if (proxy_check_found(NULL, c->endpoint, e) < 0)
        goto fail;
    if (conf->path) {
        char *url = mem_printf("%s%s", c->endpoint, conf->path);

        curl_easy_setopt(c->easy, CURLOPT_URL, url); /* copied */
        mem_free(url);
    } else {
        curl_easy_setopt(c->easy, CURLOPT_URL, c->endpoint);
    }
    curl_easy_setopt(c->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error);
    curl_easy_setopt(c->easy, CURLOPT_CONNECTTIMEOUT_MS, PUT_CONNECT_MS);
    curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS,
                     conf->path && !conf->reads ? 0L : PUT_ANSWER_MS); /* an action ends by itself */
    curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
    if (c->stop_fd > 0) {
        curl_easy_setopt(c->easy, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(c->easy, CURLOPT_XFERINFODATA, &c->stop_fd);
        curl_easy_setopt(c->easy, CURLOPT_NOPROGRESS, 0L);
    }
    if (set_way(c, conf->cert_file, e) < 0 || (conf->key_file && show_own(c, conf, e) < 0))
        goto fail;
    *out = c;
    return 0;
fail:
    put_client_close(&c);
    return -1;
}

void put_client_close(struct put_client **cc)
{
    struct put_client *c = *cc;

    if (!c)
        return;
    if (c->easy)
        curl_easy_cleanup(c->easy);
    authorities_leave(c->system);
    authorities_leave(c->pinned);
    mem_wipe(c->secret);
    mem_wipe(c->token);
    mem_wipe(c->authorization);
    mem_free(c->key);
    mem_free(c->region);
    http_url_release(&c->url);
    mem_free(c->endpoint);
    MEM_CLEAR(*cc);
}

/* --- one request -------------------------------------------------------------------------------------------------- */

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    char *line = mem_printf("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(*list, line);

    mem_wipe(line);
    if (!longer)
        return -1;
    *list = longer;
    return 0;
}

static int add_authorization(const struct put_client *c, struct slice body, const char *timestamp,
                             const struct sigv4_header *signed_headers, size_t count, struct curl_slist **list)
{
    struct sigv4_scope scope = {.region = slice_str(c->region), .service = SLICE("firehose")};
    struct sigv4_request rq = {
        .method = SLICE("POST"), .path = SLICE("/"), .headers = signed_headers, .header_count = count};
    unsigned char hash[SHA256_BYTES];
    char hex[SHA256_HEX];
    struct buf value;
    int rc = -1;

    snprintf(scope.date, sizeof(scope.date), "%.8s", timestamp);
    sha256_of(body, hash);
    rq.payload_hash = slice_str(hex_encode(hash, sizeof(hash), hex));
    buf_init(&value, 4 * KIB);
    if (sigv4_authorization(&rq, timestamp, &scope, slice_str(c->key), slice_str(c->secret), &value) == 0)
        rc = add_header(list, "Authorization", buf_cstr(&value));
    buf_release(&value);
    return rc;
}

static int make_headers(const struct put_client *c, struct slice body, nsec wall_now, struct curl_slist **list)
{
    char timestamp[17];
    struct {
        const char *name, *value;
    } headers[] = {{"Host", c->url.host},
                   {"Content-Type", CONTENT_TYPE},
                   {"X-Amz-Target", TARGET},
                   {"X-Amz-Date", timestamp},
                   {"X-Amz-Security-Token", c->token}};
    struct sigv4_header signed_headers[ARRAY_LEN(headers)];
    size_t count = c->token ? ARRAY_LEN(headers) : ARRAY_LEN(headers) - 1;

    if (c->authorization && add_header(list, "Authorization", c->authorization) < 0)
        return -1;
    if (c->admin)
        return c->reads ? 0 : add_header(list, "Content-Type", "text/plain");
    sigv4_timestamp(wall_now, timestamp);
    for (size_t i = 0; i < count; i++) {
        signed_headers[i] = (struct sigv4_header){slice_str(headers[i].name), slice_str(headers[i].value)};
        if (add_header(list, headers[i].name, headers[i].value) < 0)
            return -1;
    }
    if (add_header(list, "Expect", "") < 0) /* the answer comes soon enough without asking first */
        return -1;
    return c->key ? add_authorization(c, body, timestamp, signed_headers, count, list) : 0;
}

int put_client_send(struct put_client *c, struct slice body, nsec wall_now, long *status, struct buf *reply,
                    struct err *e)
{
    struct curl_slist *headers = NULL;
    curl_off_t sent = 0;
    CURLcode code;
    int rc = -1;

    buf_clear(reply);
    if (make_headers(c, body, wall_now, &headers) < 0) {
        err_set(e, ERR_NOMEM, "no memory for the request");
        goto out;
    }
    c->error[0] = '\0';
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, headers);
    if (c->reads) {
        curl_easy_setopt(c->easy, CURLOPT_HTTPGET, 1L);
    } else {
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body.p);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    }
    curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, reply);
    code = curl_easy_perform(c->easy);
    if (code != CURLE_OK) {
        err_set(e, ERR_REMOTE, "%s: %s", c->endpoint, c->error[0] ? c->error : curl_easy_strerror(code));
        goto out;
    }
    curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, status);
    curl_easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (*status < 400 && (uint64_t)sent < body.n) /* nobody can have taken what was not sent */
        err_set(e, ERR_REMOTE, "%s: it answered %ld when %lld of %zu bytes were sent", c->endpoint, *status,
                (long long)sent, body.n);
    else
        rc = 0;
out:
    curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return rc;
}
