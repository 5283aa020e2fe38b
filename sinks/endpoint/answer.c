#include "sinks/endpoint/answer.h"

#include "pipeline/base/json.h"
#include "sinks/answer/text.h"
#include "sinks/answer/words.h"
#include "sinks/endpoint/splunk_answer.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 200

/* In message and hint: %e address, %m (at the end of a message) the far end's own words, %w why in ours, %l where it redirects to,
 * %s status. Codes are those of Firehose. */
struct meaning {
    int from, to; /* status, or enum http_failure */
    enum sink_outcome outcome;
    bool misconfigured;
    const char *code, *message, *hint;
};

#define DESTINATION "HttpEndpoint.DestinationException"
#define INVALID     "HttpEndpoint.InvalidResponseFromDestination"

/* `misconfigured` is what somebody has to mend and what then holds for every request: credentials, rights, the address, headers and
 * forms that options set. What may lie in the records of one request (400, 406, 409, 411, 412, 417, 422 and whatever else) or passes
 * by itself is not: it runs against retry.duration, and the records go to the backup. */
static const struct meaning STATUSES[] = {
    {200, 200, SINK_RETRY, true, INVALID, "%e answered 200, but not as Firehose's endpoints do: %w",
     "an endpoint answers {\"requestId\": the request's, \"timestamp\": milliseconds}; for others set "
     "destination.http.format or preset"},
    {201, 299, SINK_RETRY, true, INVALID, "%e answered %s; an endpoint of Firehose answers 200",
     "for other endpoints set destination.http.format or preset"},
    {300, 399, SINK_RETRY, true, DESTINATION, "%e redirects to %l (status %s); redirects are not followed",
     "correct destination.http.url"},
    {401, 401, SINK_RETRY, true, DESTINATION, "%e does not accept the credentials (status %s): %m",
     "correct destination.http.access_key or auth"},
    {402, 402, SINK_RETRY, true, DESTINATION, "%e wants to be paid (status %s): %m", "ask whoever owns the account"},
    {403, 403, SINK_RETRY, true, DESTINATION, "%e forbids the request (status %s): %m",
     "correct destination.http.access_key or auth, or allow them to write"},
    {404, 405, SINK_RETRY, true, DESTINATION, "%e takes no records at this address (status %s): %m",
     "correct destination.http.url"},
    {407, 407, SINK_RETRY, true, DESTINATION, "the proxy on the way to %e wants credentials (status %s): %m",
     "put user and password into the proxy's address"},
    {408, 408, SINK_RETRY, false, DESTINATION, "%e waited too long for the request (status %s)", ""},
    {410, 410, SINK_RETRY, true, DESTINATION, "%e takes no records at this address any more (status %s): %m",
     "correct destination.http.url"},
    {413, 413, SINK_SPLIT, false, DESTINATION, "the request is larger than %e takes (status %s)",
     "lower destination.http.body_limit"},
    {414, 414, SINK_RETRY, true, DESTINATION, "the address is longer than %e takes (status %s): %m",
     "shorten destination.http.url or common_attributes"},
    {415, 415, SINK_RETRY, true, DESTINATION, "%e does not take what is sent in this form (status %s): %m",
     "correct destination.http.format, content_type or preset, or the stream's compression"},
    {421, 421, SINK_RETRY, true, DESTINATION, "%e is not who answers for this host (status %s): %m",
     "correct destination.http.url"},
    {426, 426, SINK_RETRY, true, DESTINATION, "%e wants another protocol (status %s): %m",
     "https:// in destination.http.url?"},
    {429, 429, SINK_RETRY, false, DESTINATION, "%e asks to slow down (status %s): %m", ""},
    {431, 431, SINK_RETRY, true, DESTINATION, "the headers are larger than %e takes (status %s): %m",
     "shorten destination.http.headers or common_attributes"},
    {451, 451, SINK_RETRY, true, DESTINATION, "%e may not take the records, by law (status %s): %m",
     "ask whoever owns the endpoint"},
    {495, 496, SINK_RETRY, true, DESTINATION, "%e does not accept the client's certificate (status %s): %m",
     "correct destination.http.tls.cert_file and key_file"},
    {400, 499, SINK_RETRY, false, DESTINATION, "%e refused the request (status %s): %m", ""},
    {502, 504, SINK_RETRY, false, DESTINATION, "%e is not available at the moment (status %s): %m", ""},
    {500, 599, SINK_RETRY, false, DESTINATION, "%e failed (status %s): %m", ""},
    {0, 999, SINK_RETRY, true, DESTINATION, "%e answered %s", "correct destination.http.url"},
};

static const struct meaning FAILURES[] = {
    {HTTP_DNS, HTTP_DNS, SINK_RETRY, true, "HttpEndpoint.ConnectionFailed", "the host of %e does not resolve: %w",
     "correct destination.http.url, or look at this machine's DNS"},
    {HTTP_PROXY_DOWN, HTTP_PROXY_DOWN, SINK_RETRY, false, "HttpEndpoint.ConnectionFailed",
     "there is no way to %e through the proxy %w",
     "is the proxy running, and reachable from here? destination.http.proxy: none goes without"},
    {HTTP_PROXY_REFUSES, HTTP_PROXY_REFUSES, SINK_RETRY, true, "HttpEndpoint.ConnectionFailed",
     "no way is given to %e by the proxy %w",
     "put user and password into the proxy's URL, or ask who runs it; destination.http.proxy: none goes without"},
    {HTTP_CONNECT, HTTP_CONNECT, SINK_RETRY, false, "HttpEndpoint.ConnectionFailed", "cannot connect to %e: %w",
     "is the server running, and reachable from here?"},
    {HTTP_TLS, HTTP_TLS, SINK_RETRY, true, "HttpEndpoint.SSLHandshakeFailure", "no TLS connection to %e: %w",
     "if the server's certificate is from a private CA, name it in destination.http.tls.ca_file"},
    {HTTP_TIMEOUT, HTTP_TIMEOUT, SINK_RETRY, false, "HttpEndpoint.RequestTimeout", "%e did not answer in time: %w",
     "if it is slow, raise destination.http.timeout"},
    {HTTP_RESET, HTTP_RESET, SINK_RETRY, false, "HttpEndpoint.ConnectionReset",
     "%e closed the connection in the middle: %w", ""},
    {HTTP_MALFORMED, HTTP_MALFORMED, SINK_RETRY, false, INVALID, "what %e answers is not HTTP: %w",
     "http:// or https:// in destination.http.url?"},
    {0, 999, SINK_RETRY, false, "Local", "the request's bytes cannot be read here: %w",
     "look at disk space and the kernel's log"},
};

static const struct meaning TOO_LARGE = {0,
                                         0,
                                         SINK_RETRY,
                                         true,
                                         "HttpEndpoint.ResponseTooLarge",
                                         "the answer of %e is larger than an answer may be",
                                         "correct destination.http.url, or raise response_max"};
/* 400 where trying again is of no use. */
static const struct meaning FOR_GOOD = {
    400, 400, SINK_REJECTED, false, DESTINATION, "%e refused the records for good (status %s): %m", ""};
static const struct meaning SOME_REJECTED = {
    200,   200,         SINK_REJECTED,
    false, DESTINATION, "%e says it rejected some of the records, but not which, so all of them go to the backup: %m",
    ""};

struct texts {
    const struct endpoint_context *c;
    const struct http_response *re;
    char said[SINK_SAID_MAX]; /* by the far end */
    const char *why;          /* says the transport, or whoever read the answer */
};

static enum sink_outcome say(const struct texts *t, const struct meaning *m, struct sink_verdict *v)
{
    char status[16], location[TEXT_MAX];
    const struct answer_word words[] = {{'e', t->c->address, ""},
                                        {'w', t->why, "no reason given"},
                                        {'l', location, "an address it does not name"},
                                        {'s', status, ""},
                                        {0}};

    snprintf(status, sizeof(status), "%d", t->re->status);
    answer_location(t->re, location, sizeof(location));
    v->misconfigured = m->misconfigured;
    snprintf(v->code, sizeof(v->code), "%s", m->code);
    answer_say(v, m->message, m->hint, words, t->said);
    return m->outcome;
}

static const struct meaning *find_meaning(const struct meaning *rows, int value)
{
    while (value < rows->from || value > rows->to)
        rows++; /* the last row takes everything */
    return rows;
}

/* By the status; http:// to a port for https:// is answered with 400, too, and the same to every request. */
static enum sink_outcome say_status(struct texts *t, const struct meaning *m, struct sink_verdict *v)
{
    static const struct meaning NO_TLS = {
        400, 400, SINK_RETRY, true, DESTINATION, "%e wants https:// (status %s): %m", "correct destination.http.url"};

    if (!t->said[0])
        answer_words(t->re, t->said, sizeof(t->said));
    return say(t, answer_wants_tls(t->re) ? &NO_TLS : m, v);
}

/* --- Firehose --------------------------------------------------------------------------------------------------------
 */

struct reply {
    bool has_id, has_timestamp;
};

static const char *read_member(struct texts *t, struct json_reader *r, struct json_string key, struct reply *found)
{
    struct json_string s;
    struct slice number;

    if (json_string_is(key, "requestId")) {
        found->has_id = json_peek(r) == JSON_STRING && json_string(r, &s) && json_string_is(s, t->c->request_id);
        return found->has_id ? NULL : "its requestId is not the request's";
    }
    if (json_string_is(key, "timestamp")) {
        found->has_timestamp = json_peek(r) == JSON_NUMBER && json_number(r, &number);
        return found->has_timestamp ? NULL : "its timestamp is not a number";
    }
    if (!json_string_is(key, "errorMessage"))
        return "it has members other than requestId, timestamp and errorMessage";
    if (json_peek(r) == JSON_STRING && json_string(r, &s))
        answer_plain_json(s.raw, t->said, sizeof(t->said));
    else if (!json_literal(r, JSON_NULL))
        return "its errorMessage is not a text";
    return NULL;
}

/* NULL when it is what an endpoint of Firehose answers; an errorMessage is kept in t->said in any case. */
static const char *reply_error(struct texts *t)
{
    struct json_reader r;
    struct json_string key;
    struct reply found = {false, false};
    const char *wrong = NULL;

    json_open(&r, t->re->body, 8);
    if (json_peek(&r) != JSON_OBJECT)
        return "it is not a JSON object";
    (void)json_enter(&r);
    while (!wrong && json_member(&r, &key))
        wrong = read_member(t, &r, key, &found);
    if (wrong)
        return wrong;
    if (!json_end(&r))
        return "it is not JSON";
    return !found.has_id ? "it has no requestId" : !found.has_timestamp ? "it has no timestamp" : NULL;
}

static enum sink_outcome judge_firehose(struct texts *t, struct sink_verdict *v)
{
    const char *wrong;

    if (t->re->body_truncated && t->re->status == 200)
        return say(t, &TOO_LARGE, v);
    wrong = reply_error(t);
    if (t->re->status == 200 && !wrong)
        return SINK_DELIVERED;
    t->why = wrong;
    return say_status(t, find_meaning(STATUSES, t->re->status), v);
}

/* --- the others ------------------------------------------------------------------------------------------------------
 */

/* {"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"..."}}: is there a number other than 0? */
static bool otlp_rejected(struct texts *t)
{
    struct json_reader r;
    struct json_string key, s;
    struct slice raw = {"0", 1};

    json_open(&r, t->re->body, 16);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return false;
    while (json_member(&r, &key) && !json_string_is(key, "partialSuccess"))
        (void)json_skip(&r);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return false;
    while (json_member(&r, &key)) {
        if (json_string_is(key, "errorMessage") && json_peek(&r) == JSON_STRING && json_string(&r, &s))
            answer_plain_json(s.raw, t->said, sizeof(t->said));
        else if (json_string_is(key, "rejectedLogRecords"))
            (void)json_value(&r, &raw);
        else
            (void)json_skip(&r);
    }
    return !slice_is(raw, "0") && !slice_is(raw, "\"0\"") && !slice_is(raw, "null");
}

static enum sink_outcome judge_plain(struct texts *t, struct sink_verdict *v)
{
    bool strict = t->c->shape == SHAPE_OTLP || t->c->shape == SHAPE_LOKI;

    if (t->re->status >= 200 && t->re->status <= 299) {
        if (t->c->shape == SHAPE_OTLP && otlp_rejected(t))
            return say(t, &SOME_REJECTED, v);
        return SINK_DELIVERED;
    }
    return say_status(t, strict && t->re->status == 400 ? &FOR_GOOD : find_meaning(STATUSES, t->re->status), v);
}

static enum sink_outcome judge_splunk(struct texts *t, struct sink_verdict *v)
{
    const struct splunk_context sc = {t->c->address, t->c->ack_timeout, t->c->follow_up, t->c->token};
    enum sink_outcome outcome;

    if (splunk_answer_judge(&sc, t->re, v, &outcome))
        return outcome;
    return say_status(t, find_meaning(STATUSES, t->re->status), v);
}

enum sink_outcome endpoint_answer_judge(const struct endpoint_context *c, const struct http_response *re,
                                        struct sink_verdict *v)
{
    struct texts t = {.c = c, .re = re};

    *v = (struct sink_verdict){.outcomes = v->outcomes};
    if (c->follow_up > 0) /* whatever happens: the events are there, only the acknowledgement is not */
        return judge_splunk(&t, v);
    if (re->failure != HTTP_OK) {
        enum sink_outcome outcome;

        t.why = re->failure_text;
        outcome = say(&t, find_meaning(FAILURES, (int)re->failure), v);
        if (re->failure == HTTP_TLS)
            answer_tls_hint(v, t.why, "destination.http.", "url");
        return outcome;
    }
    v->retry_after = http_retry_after(re);
    switch (c->shape) {
    case SHAPE_FIREHOSE:
        return judge_firehose(&t, v);
    case SHAPE_SPLUNK_EVENT:
    case SHAPE_SPLUNK_RAW:
        return judge_splunk(&t, v);
    default:
        return judge_plain(&t, v);
    }
}
