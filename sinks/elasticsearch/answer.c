/* A 200 says nothing yet: each document has its own outcome (bulk_answer.c). Any other answer is for the whole request and is looked
 * up in tables (sinks/answer/explain.h). */
#include "sinks/elasticsearch/answer.h"

#include "pipeline/base/human.h"
#include "sinks/answer/explain.h"
#include "sinks/answer/text.h"
#include "sinks/answer/words.h"
#include "sinks/elasticsearch/bulk_answer.h"
#include "sinks/elasticsearch/product.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 200

#define PLACE "destination.elasticsearch."

/* In message and hint: %e address, %P product, %m (at the end of a message) the server's own words, %w the transport's, %l where it
 * redirects to, %s status, %p what the names of options begin with, %A the option `url`.
 *
 * Somebody must act where it then holds for every request: credentials, rights, the address. What may lie in the documents of one
 * request (400, 409, 411, 422 and whatever else) or passes by itself runs against retry.duration, and the records go to the backup. */
static const struct answer_row STATUSES[] = {
    {"401", ANSWER_ACT, "%P at %e does not accept the credentials (status %s): %m", "correct %pauth"},
    {"403", ANSWER_ACT, "%P at %e forbids the request (status %s): %m",
     "allow the user to write to the index, or correct %pauth"},
    {"404", ANSWER_ACT, "%e has no _bulk at this address (status %s): %m", "correct %A"},
    {"405", ANSWER_ACT, "%e takes no _bulk at this address (status %s): %m", "correct %A"},
    {"406", ANSWER_ACT, "%e does not take application/x-ndjson; is it Elasticsearch or OpenSearch? (status %s): %m",
     "correct %A"},
    {"410", ANSWER_ACT, "%e has no _bulk at this address any more (status %s): %m", "correct %A"},
    {"413", ANSWER_SPLIT, "the request is larger than %e takes (status %s)",
     "lower %pbody_limit, or raise http.max_content_length or the proxy's limit"},
    {"414", ANSWER_ACT, "the address is longer than %e takes (status %s): %m", "shorten %A"},
    {"415", ANSWER_ACT, "%e does not take application/x-ndjson, or not with this compression (status %s): %m",
     "correct %A, or set the stream's compression to none"},
    {"429", ANSWER_PASSES, "%P at %e is overloaded and asks to slow down (status %s): %m", ""},
    {"431", ANSWER_ACT, "the headers are larger than %e takes (status %s): %m",
     "is the token in %pauth as long as it should be?"},
    {"451", ANSWER_ACT, "%e may not take the documents, by law (status %s): %m", "ask whoever owns the cluster"},
    ANSWER_STATUSES,
    {"4*", ANSWER_PASSES, "%P at %e refused the whole request (status %s): %m", ""},
    {"5*", ANSWER_PASSES, "%P at %e failed (status %s): %m", ""},
    {"*", ANSWER_ACT, "%e answered %s to a _bulk request: is it Elasticsearch or OpenSearch?", "correct %A"},
    {0},
};

/* 400 lies in the documents, mostly: but for these, which are answered to every request. By the server's own words. */
static const struct answer_row REFUSALS[] = {
    {"invalid_index_name_exception*", ANSWER_ACT, "%P at %e does not take this name (status %s): %m",
     "correct %pindex"},
    {"*contains unrecognized parameter*", ANSWER_ACT, "%P at %e does not know this kind of request (status %s): %m",
     "is it Elasticsearch 7 or later, or OpenSearch?"},
    {0},
};

/* AWS says it of temporary keys, with 403 and without a code that is always there. */
static const struct answer_row EXPIRED[] = {
    {"*security token included in the request is expired*", ANSWER_ACT,
     "the keys that requests are signed with have expired, says %e (status %s): %m",
     "renew them where %pauth.sigv4 has them from"},
    {0},
};

static const struct answer_row FAILURES[] = {ANSWER_FAILURES, {0}};

struct texts {
    const struct elasticsearch_context *c;
    const struct http_response *re;
    char said[SINK_SAID_MAX], location[TEXT_MAX];
};

static enum sink_outcome explain(const struct texts *t, const struct answer_row *row, const char *code,
                                 struct sink_verdict *v)
{
    char status[16];
    const struct answer_word words[] = {{'e', t->c->address, ""},
                                        {'P', elasticsearch_product_name(elasticsearch_product_of(t->re)), ""},
                                        {'p', PLACE, ""},
                                        {'A', PLACE "url", ""},
                                        {'w', t->re->failure_text, "no reason given"},
                                        {'l', t->location, "an address it does not name"},
                                        {'s', status, ""},
                                        {0}};

    snprintf(status, sizeof(status), "%d", t->re->status);
    return answer_explain(row, words, code ? code : status, t->said, v);
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

enum sink_outcome elasticsearch_answer_judge(const struct elasticsearch_context *c, const struct http_response *re,
                                             struct sink_verdict *v)
{
    struct texts t = {.c = c, .re = re};
    const struct answer_row *row;
    char status[ANSWER_STATUS_MAX];

    *v = (struct sink_verdict){.outcomes = v->outcomes};
    if (re->failure != HTTP_OK) {
        const char *name = answer_failure(re->failure);
        bool proxy = re->failure == HTTP_PROXY_DOWN || re->failure == HTTP_PROXY_REFUSES;
        enum sink_outcome outcome = explain(&t, answer_find(FAILURES, name), proxy ? "Proxy" : name, v);

        if (re->failure == HTTP_TLS)
            answer_tls_hint(v, re->failure_text, PLACE, "url");
        return outcome;
    }
    v->retry_after = http_retry_after(re);
    if (re->status == 200)
        return judge_items(&t, v);
    answer_words(re, t.said, sizeof(t.said));
    answer_location(re, t.location, sizeof(t.location));
    row = re->status == 400 || re->status == 401 || re->status == 403 ? answer_find(EXPIRED, t.said) : NULL;
    if (row)
        return explain(&t, row, ELASTICSEARCH_EXPIRED, v);
    row = re->status == 400 ? answer_find(REFUSALS, t.said) : NULL;
    return explain(&t, row ? row : answer_find(STATUSES, answer_status(re, status)), NULL, v);
}

bool elasticsearch_answer_node_failed(const struct http_response *re)
{
    if (re->failure != HTTP_OK)
        return re->failure != HTTP_LOCAL;
    return re->status >= 502 && re->status <= 504;
}
