#include "sinks/elasticsearch_answer.h"

#include "pipeline/base/json.h"
#include "sinks/answer_text.h"
#include "sinks/bulk_answer.h"
#include "sinks/elasticsearch_product.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_MAX 200

/* In message and hint: %e address, %p product, %m the server's own words, %l where it redirects to, %s status. */
struct meaning {
    int from, to; /* status, or enum http_failure */
    enum sink_outcome outcome;
    bool misconfigured;
    const char *code; /* NULL: the status */
    const char *message, *hint;
};

/* `misconfigured` is what somebody has to mend and what then holds for every request: credentials, rights, the address. What may lie
 * in the documents of one request (400, 409, 411, 422 and whatever else) or passes by itself is not: it runs against
 * retry.duration, and the records go to the backup. */
static const struct meaning STATUSES[] = {
    {300, 399, SINK_RETRY, true, NULL, "%e redirects to %l (status %s); redirects are not followed",
     "correct destination.elasticsearch.url"},
    {401, 401, SINK_RETRY, true, NULL, "%p at %e does not accept the credentials (status %s): %m",
     "correct destination.elasticsearch.auth"},
    {402, 402, SINK_RETRY, true, NULL, "%p at %e wants to be paid (status %s): %m", "ask whoever owns the account"},
    {403, 403, SINK_RETRY, true, NULL, "%p at %e forbids the request (status %s): %m",
     "allow the user to write to the index, or correct destination.elasticsearch.auth"},
    {404, 404, SINK_RETRY, true, NULL, "%e has no _bulk at this address (status %s): %m",
     "correct destination.elasticsearch.url"},
    {405, 405, SINK_RETRY, true, NULL, "%e takes no _bulk at this address (status %s): %m",
     "correct destination.elasticsearch.url"},
    {406, 406, SINK_RETRY, true, NULL,
     "%e does not take application/x-ndjson (status %s): is it Elasticsearch or OpenSearch? %m",
     "correct destination.elasticsearch.url"},
    {407, 407, SINK_RETRY, true, NULL, "the proxy on the way to %e wants credentials (status %s): %m",
     "put user and password into the proxy's address"},
    {408, 408, SINK_RETRY, false, NULL, "%e waited too long for the request (status %s)", ""},
    {410, 410, SINK_RETRY, true, NULL, "%e has no _bulk at this address any more (status %s): %m",
     "correct destination.elasticsearch.url"},
    {413, 413, SINK_SPLIT, false, NULL, "the request is larger than %e takes (status %s)",
     "lower destination.elasticsearch.body_limit, or raise http.max_content_length or the proxy's limit"},
    {414, 414, SINK_RETRY, true, NULL, "the address is longer than %e takes (status %s): %m",
     "shorten destination.elasticsearch.url"},
    {415, 415, SINK_RETRY, true, NULL,
     "%e does not take application/x-ndjson, or not with this compression (status %s): %m",
     "correct destination.elasticsearch.url, or set the stream's compression to none"},
    {421, 421, SINK_RETRY, true, NULL, "%e is not who answers for this host (status %s): %m",
     "correct destination.elasticsearch.url"},
    {426, 426, SINK_RETRY, true, NULL, "%e wants another protocol (status %s): %m",
     "https:// in destination.elasticsearch.url?"},
    {429, 429, SINK_RETRY, false, NULL, "%p at %e is overloaded and asks to slow down (status %s): %m", ""},
    {431, 431, SINK_RETRY, true, NULL, "the headers are larger than %e takes (status %s): %m",
     "is the token in destination.elasticsearch.auth as long as it should be?"},
    {451, 451, SINK_RETRY, true, NULL, "%e may not take the documents, by law (status %s): %m",
     "ask whoever owns the cluster"},
    {495, 496, SINK_RETRY, true, NULL, "%e does not accept the client's certificate (status %s): %m",
     "correct destination.elasticsearch.tls.cert_file and key_file"},
    {400, 499, SINK_RETRY, false, NULL, "%p at %e refused the whole request (status %s): %m", ""},
    {502, 504, SINK_RETRY, false, NULL, "%e is not available at the moment (status %s): %m", ""},
    {500, 599, SINK_RETRY, false, NULL, "%p at %e failed (status %s): %m", ""},
    {0, 999, SINK_RETRY, true, NULL, "%e answered %s to a _bulk request: is it Elasticsearch or OpenSearch?",
     "correct destination.elasticsearch.url"},
};

static const struct meaning FAILURES[] = {
    {HTTP_DNS, HTTP_DNS, SINK_RETRY, true, "DNS", "the host of %e does not resolve: %m",
     "correct destination.elasticsearch.url, or look at this machine's DNS"},
    {HTTP_CONNECT, HTTP_CONNECT, SINK_RETRY, false, "Connect", "cannot connect to %e: %m",
     "is the server running, and reachable from here?"},
    {HTTP_TLS, HTTP_TLS, SINK_RETRY, true, "TLS", "no TLS connection to %e: %m",
     "if the server's certificate is from a private CA, name it in destination.elasticsearch.tls.ca_file"},
    {HTTP_TIMEOUT, HTTP_TIMEOUT, SINK_RETRY, false, "Timeout", "%e did not answer in time: %m",
     "if the cluster is slow, raise destination.elasticsearch.timeout"},
    {HTTP_RESET, HTTP_RESET, SINK_RETRY, false, "ConnectionLost", "%e closed the connection in the middle: %m", ""},
    {HTTP_MALFORMED, HTTP_MALFORMED, SINK_RETRY, false, "NotHTTP", "what %e answers is not HTTP: %m",
     "http:// or https:// in destination.elasticsearch.url?"},
    {0, 999, SINK_RETRY, false, "Local", "the request's bytes cannot be read here: %m",
     "look at disk space and the kernel's log"},
};

struct texts {
    const struct elasticsearch_context *c;
    const struct http_response *re;
    char reason[TEXT_MAX], location[TEXT_MAX];
};

/* The members `type` and `reason` of the answer's `error`. The reason of a 400 may quote the request's bytes, which are
 * records: only its type is told. */
static void find_reason(const struct http_response *re, char *out, size_t size)
{
    struct json_reader r;
    struct json_string key, type = {{"", 0}, false}, reason = {{"", 0}, false};
    struct buf text;

    json_open(&r, re->body, JSON_DEPTH_MAX);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return;
    while (json_member(&r, &key) && !json_string_is(key, "error"))
        (void)json_skip(&r);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return;
    while (json_member(&r, &key)) {
        bool is_type = json_string_is(key, "type"), is_reason = json_string_is(key, "reason");

        if ((is_type || is_reason) && json_peek(&r) == JSON_STRING)
            (void)json_string(&r, is_type ? &type : &reason);
        else
            (void)json_skip(&r);
    }
    buf_init(&text, re->body.n + 16);
    if (json_unescape(type, &text) == 0 && re->status != 400 && reason.raw.n > 0 && buf_add_str(&text, ": ") == 0)
        (void)!json_unescape(reason, &text);
    answer_plain(buf_slice(&text), out, size);
    buf_release(&text);
}

static const struct meaning *find_meaning(const struct meaning *rows, int value)
{
    while (value < rows->from || value > rows->to)
        rows++; /* the last row takes everything */
    return rows;
}

static enum sink_outcome say(const struct texts *t, const struct meaning *m, struct sink_verdict *v)
{
    char status[16];
    const struct answer_word words[] = {{'e', t->c->address, ""},
                                        {'p', search_product_name(search_product_of(t->re)), ""},
                                        {'m', t->reason, "no reason given"},
                                        {'l', t->location, "an address it does not name"},
                                        {'s', status, ""},
                                        {0}};

    snprintf(status, sizeof(status), "%d", t->re->status);
    v->misconfigured = m->misconfigured;
    snprintf(v->code, sizeof(v->code), "%s", m->code ? m->code : status);
    answer_expand(m->message, words, v->message, sizeof(v->message));
    answer_expand(m->hint, words, v->hint, sizeof(v->hint));
    return m->outcome;
}

static enum sink_outcome not_trusted(const struct texts *t, const char *why, struct sink_verdict *v)
{
    snprintf(v->code, sizeof(v->code), "InvalidAnswer");
    snprintf(v->message, sizeof(v->message), "the answer of %s to %" PRIu64 " documents cannot be trusted: %s",
             t->c->address, t->c->sent, why);
    snprintf(v->hint, sizeof(v->hint), "is there a proxy between that changes answers or cuts them off?");
    return SINK_RETRY;
}

/* "500 documents sent to http://es:9200, 12 refused (400 document_parsing_exception), 3 to be sent again (429 ...)". */
static void say_items(const struct texts *t, const struct bulk_summary *s, struct sink_verdict *v)
{
    const struct bulk_kind *worst = s->retry.count > 0 ? &s->retry : &s->refused;
    size_t n =
        (size_t)snprintf(v->message, sizeof(v->message), "%" PRIu64 " documents sent to %s", s->items, t->c->address);

    if (s->refused.count > 0)
        n += (size_t)snprintf(v->message + n, sizeof(v->message) - n, ", %" PRIu64 " refused (%d %s)", s->refused.count,
                              s->refused.status, s->refused.type);
    if (s->retry.count > 0 && n < sizeof(v->message))
        snprintf(v->message + n, sizeof(v->message) - n, ", %" PRIu64 " to be sent again (%d %s%s%s)", s->retry.count,
                 s->retry.status, s->retry.type, s->retry.reason[0] ? ": " : "", s->retry.reason);
    v->misconfigured = s->misconfigured;
    snprintf(v->code, sizeof(v->code), "%d", worst->status);
    snprintf(v->hint, sizeof(v->hint), "%s", worst->hint ? worst->hint : "");
}

static enum sink_outcome judge_items(const struct texts *t, struct sink_verdict *v)
{
    struct bulk_summary s;

    if (t->re->body_truncated)
        return not_trusted(t, "it is larger than any answer to them", v);
    bulk_answer_read(t->re->body, t->c->sent, t->c->create, &s);
    if (s.broken)
        return not_trusted(t, s.broken, v);
    if (s.delivered.count == s.items)
        return SINK_DELIVERED;
    say_items(t, &s, v);
    if (s.retry.count == s.items || !v->fates || v->fates->count != s.items)
        return SINK_RETRY;
    bulk_answer_fates(t->re->body, t->c->create, v->fates);
    return SINK_PARTIAL;
}

enum sink_outcome elasticsearch_answer_judge(const struct elasticsearch_context *c, const struct http_response *re,
                                             struct sink_verdict *v)
{
    struct texts t = {.c = c, .re = re};

    *v = (struct sink_verdict){.fates = v->fates};
    if (re->failure != HTTP_OK) {
        answer_plain(slice_str(re->failure_text), t.reason, sizeof(t.reason));
        return say(&t, find_meaning(FAILURES, (int)re->failure), v);
    }
    v->retry_after = http_retry_after(re);
    if (re->status == 200)
        return judge_items(&t, v);
    find_reason(re, t.reason, sizeof(t.reason));
    answer_plain(http_response_header(re, "Location"), t.location, sizeof(t.location));
    return say(&t, find_meaning(STATUSES, re->status), v);
}

bool elasticsearch_answer_node_failed(const struct http_response *re)
{
    if (re->failure != HTTP_OK)
        return re->failure != HTTP_LOCAL;
    return re->status >= 502 && re->status <= 504;
}
