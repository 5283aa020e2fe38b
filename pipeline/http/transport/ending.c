/* What curl's end of a transfer means for a delivery: is there an answer, and was all sent? */
#include "pipeline/http/transport/slot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

/* What was read for curl may still lie in its buffer; what it counts has been given to the system. */
static struct ending ending_of(const struct exchange_slot *s, CURLcode code)
{
    struct ending end = {.code = code, .body = slot_body_bytes(s)};
    curl_off_t sent = 0, connected = 0, sending = 0;
    long status = 0, tunnel = 0;

    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(s->easy, CURLINFO_HTTP_CONNECTCODE, &tunnel);
    curl_easy_getinfo(s->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    end.status = s->heard ? s->heard : (int)status;
    end.tunnel = (int)tunnel;
    /* Time-outs share a code in curl, also those while connecting; the times tell them apart. On a connection that was used before,
     * nothing was connected, but sending began. */
    curl_easy_getinfo(s->easy, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(s->easy, CURLINFO_PRETRANSFER_TIME_T, &sending);
    end.connected = connected > 0 || sending > 0;

    end.sent = s->sent < (uint64_t)sent ? s->sent : (uint64_t)sent;
    return end;
}

static bool is_refusal(const struct exchange_slot *s, const struct ending *end)
{
    return s->head_complete && end->status >= 400;
}

/* A server may answer before it has read all: to refuse a body that is too large, or a client it does not know. That is an
 * answer, also when the connection then breaks off under what is still being sent. But nobody can have stored what was
 * not sent, whatever he says of it.
 *
 * A transfer that we cut ourselves because the answer was endless is an answer all the same: its status was read. One whose head
 * breaks off is none, though curl takes it for one (RFC 9112 section 8). */
static enum http_failure judge_direct(const struct exchange_slot *s, const struct ending *end)
{
    if (s->no_room)
        return HTTP_LOCAL;
    if (end->code == CURLE_OK && !s->head_complete)
        return HTTP_MALFORMED;
    if (is_refusal(s, end) &&
        failure_of(end->code) == HTTP_RESET) /* the connection's end is the answer's end as well */
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
void slot_name_proxy(struct exchange_slot *s)
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
    if (s->no_room)
        return "there is no memory for the answer now";
    if (end->code == CURLE_OK && !s->head_complete)
        return "the head of the answer breaks off";
    if (end->code == CURLE_OK || end->code == CURLE_WRITE_ERROR)
        snprintf(s->error, sizeof(s->error), "it answered %d when %" PRIu64 " of %" PRIu64 " bytes were sent",
                 end->status, end->sent, end->body);
    if (end->status == 407)
        snprintf(s->error, sizeof(s->error), "it wants a user and a password (status 407)");
    if (!s->error[0])
        snprintf(s->error, sizeof(s->error), "%s", curl_easy_strerror(end->code));
    slot_name_proxy(s);
    return s->error;
}

/* With TLS 1.3 a client is refused after its handshake, in place of the answer: for curl a connection that broke. */
static bool refuses_our_certificate(const struct exchange_slot *s)
{
    return strstr(s->error, "alert") &&
           (strstr(s->error, "certificate") || strstr(s->error, "unknown ca") || strstr(s->error, "access denied"));
}

enum http_failure slot_ending(struct exchange_slot *s, CURLcode code, int *status, const char **why)
{
    struct ending end = ending_of(s, code);
    enum http_failure failure = judge_transfer(s, &end);

    if (failure == HTTP_RESET && refuses_our_certificate(s))
        failure = HTTP_TLS;
    *status = end.status;
    *why = failure == HTTP_OK ? NULL : failure_text(s, &end);
    return failure;
}
