#include "sinks/elasticsearch/answer.h"

#include "pipeline/base/plural.h"
#include "sinks/answer/text.h"
#include "sinks/answer/words.h"
#include "sinks/elasticsearch/bulk_answer.h"
#include "sinks/elasticsearch/product.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 200

/* In message and hint: %e address, %p product, %m (at the end of a message) the server's own words, %w the
 * transport's, %l where it redirects to, %s status. */
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
     "%e does not take application/x-ndjson; is it Elasticsearch or OpenSearch? (status %s): %m",
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
    {HTTP_DNS, HTTP_DNS, SINK_RETRY, true, "DNS", "the host of %e does not resolve: %w",
     "correct destination.elasticsearch.url, or look at this machine's DNS"},
    {HTTP_PROXY_DOWN, HTTP_PROXY_DOWN, SINK_RETRY, false, "Proxy", "there is no way to %e through the proxy %w",
     "is the proxy running, and reachable from here? destination.elasticsearch.proxy: none goes without"},
    {HTTP_PROXY_REFUSES, HTTP_PROXY_REFUSES, SINK_RETRY, true, "Proxy", "no way is given to %e by the proxy %w",
     "put user and password into the proxy's URL, or ask who runs it; destination.elasticsearch.proxy: none goes "
     "without"},
    {HTTP_CONNECT, HTTP_CONNECT, SINK_RETRY, false, "Connect", "cannot connect to %e: %w",
     "is the server running, and reachable from here?"},
    {HTTP_TLS, HTTP_TLS, SINK_RETRY, true, "TLS", "no TLS connection to %e: %w",
     "if the server's certificate is from a private CA, name it in destination.elasticsearch.tls.ca_file"},
    {HTTP_TIMEOUT, HTTP_TIMEOUT, SINK_RETRY, false, "Timeout", "%e did not answer in time: %w",
     "if the cluster is slow, raise destination.elasticsearch.timeout"},
    {HTTP_RESET, HTTP_RESET, SINK_RETRY, false, "ConnectionLost", "%e closed the connection in the middle: %w", ""},
    {HTTP_MALFORMED, HTTP_MALFORMED, SINK_RETRY, false, "NotHTTP", "what %e answers is not HTTP: %w",
     "http:// or https:// in destination.elasticsearch.url?"},
    {0, 999, SINK_RETRY, false, "Local", "the request's bytes cannot be read here: %w",
     "look at disk space and the kernel's log"},
};

struct texts {
    const struct elasticsearch_context *c;
    const struct http_response *re;
    char said[SINK_SAID_MAX], location[TEXT_MAX];
};

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
                                        {'w', t->re->failure_text, "no reason given"},
                                        {'l', t->location, "an address it does not name"},
                                        {'s', status, ""},
                                        {0}};

    snprintf(status, sizeof(status), "%d", t->re->status);
    v->misconfigured = m->misconfigured;
    snprintf(v->code, sizeof(v->code), "%s", m->code ? m->code : status);
    answer_say(v, m->message, m->hint, words, t->said);
    return m->outcome;
}

static enum sink_outcome not_trusted(const struct texts *t, const char *why, struct sink_verdict *v)
{
    snprintf(v->code, sizeof(v->code), "InvalidAnswer");
    snprintf(v->message, sizeof(v->message), "the answer of %s to %" PRIu64 " document%s cannot be trusted: %s",
             t->c->address, t->c->sent, noun_s(t->c->sent), why);
    snprintf(v->hint, sizeof(v->hint), "is there a proxy between that changes answers or cuts them off?");
    return SINK_RETRY;
}

/* "500 documents sent to http://es:9200, 12 refused (400 document_parsing_exception), 3 to be sent again (429 ...)". */
static void say_items(const struct texts *t, const struct bulk_summary *s, struct sink_verdict *v)
{
    const struct bulk_kind *worst = s->retry.count > 0 ? &s->retry : &s->refused;
    size_t n = (size_t)snprintf(v->message, sizeof(v->message), "%" PRIu64 " document%s sent to %s", s->items,
                                noun_s(s->items), t->c->address);

    if (s->refused.count > 0)
        n += (size_t)snprintf(v->message + n, sizeof(v->message) - n, ", %" PRIu64 " refused (%d %s)", s->refused.count,
                              s->refused.status, s->refused.type);
    if (s->retry.count > 0 && n < sizeof(v->message))
        snprintf(v->message + n, sizeof(v->message) - n, ", %" PRIu64 " to be sent again (%d %s)", s->retry.count,
                 s->retry.status, s->retry.type);
    snprintf(v->said, sizeof(v->said), "%s", worst->reason);
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
    if (s.retry.count == s.items || !v->outcomes || v->outcomes->count != s.items)
        return SINK_RETRY;
    bulk_answer_outcomes(t->re->body, t->c->create, v->outcomes);
    return SINK_PARTIAL;
}

/* 400 lies in the documents, mostly: but for these, which are answered to every request. */
static const struct meaning *refusal_of(const struct http_response *re, const char *said)
{
    static const struct meaning NO_TLS = {
        400, 400, SINK_RETRY, true, NULL, "%e wants https:// (status %s): %m", "correct destination.elasticsearch.url"};
    static const struct meaning NO_SUCH_NAME = {400,
                                                400,
                                                SINK_RETRY,
                                                true,
                                                NULL,
                                                "%p at %e does not take this name (status %s): %m",
                                                "correct destination.elasticsearch.index"};
    static const struct meaning TOO_OLD = {400,
                                           400,
                                           SINK_RETRY,
                                           true,
                                           NULL,
                                           "%p at %e does not know this kind of request (status %s): %m",
                                           "is it Elasticsearch 7 or later, or OpenSearch?"};

    if (answer_wants_tls(re))
        return &NO_TLS;
    if (re->status == 400 && strncmp(said, "invalid_index_name_exception", 28) == 0)
        return &NO_SUCH_NAME;
    if (re->status == 400 && strstr(said, "contains unrecognized parameter"))
        return &TOO_OLD;
    return find_meaning(STATUSES, re->status);
}

enum sink_outcome elasticsearch_answer_judge(const struct elasticsearch_context *c, const struct http_response *re,
                                             struct sink_verdict *v)
{
    struct texts t = {.c = c, .re = re};

    *v = (struct sink_verdict){.outcomes = v->outcomes};
    if (re->failure != HTTP_OK) {
        enum sink_outcome outcome = say(&t, find_meaning(FAILURES, (int)re->failure), v);

        if (re->failure == HTTP_TLS)
            answer_tls_hint(v, re->failure_text, "destination.elasticsearch.", "url");
        return outcome;
    }
    v->retry_after = http_retry_after(re);
    if (re->status == 200)
        return judge_items(&t, v);
    answer_words(re, t.said, sizeof(t.said));
    answer_location(re, t.location, sizeof(t.location));
    return say(&t, refusal_of(re, t.said), v);
}

bool elasticsearch_answer_node_failed(const struct http_response *re)
{
    if (re->failure != HTTP_OK)
        return re->failure != HTTP_LOCAL;
    return re->status >= 502 && re->status <= 504;
}
