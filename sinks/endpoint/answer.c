/* Each format has its own idea of success (answer.h); whatever is no success is looked up in tables (sinks/answer/explain.h). */
#include "sinks/endpoint/answer.h"

#include "pipeline/base/json.h"
#include "sinks/answer/explain.h"
#include "sinks/answer/text.h"
#include "sinks/answer/words.h"
#include "sinks/endpoint/splunk_answer.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 200

#define PLACE "destination.http."

/* In message and hint: %e address, %m (at the end of a message) the far end's own words, %w why in ours, %l where it redirects to,
 * %s status, %p what the names of options begin with, %A the option `url`.
 *
 * Somebody must act where it then holds for every request: credentials, rights, the address, headers and forms that options set. What
 * may lie in the records of one request (400, 406, 409, 411, 412, 417, 422 and whatever else) or passes by itself runs against
 * retry.duration, and the records go to the backup. */
static const struct answer_row STATUSES[] = {
    {"200", ANSWER_ACT, "%e answered 200, but not as Firehose's endpoints do: %w",
     "an endpoint answers {\"requestId\": the request's, \"timestamp\": milliseconds}; for others set %pformat or "
     "preset"},
    {"2*", ANSWER_ACT, "%e answered %s; an endpoint of Firehose answers 200",
     "for other endpoints set %pformat or preset"},
    {"401", ANSWER_ACT, "%e does not accept the credentials (status %s): %m", "correct %paccess_key or auth"},
    {"403", ANSWER_ACT, "%e forbids the request (status %s): %m",
     "correct %paccess_key or auth, or allow them to write"},
    {"404|405", ANSWER_ACT, "%e takes no records at this address (status %s): %m", "correct %A"},
    {"410", ANSWER_ACT, "%e takes no records at this address any more (status %s): %m", "correct %A"},
    {"413", ANSWER_SPLIT, "the request is larger than %e takes (status %s)", "lower %pbody_limit"},
    {"414", ANSWER_ACT, "the address is longer than %e takes (status %s): %m", "shorten %A or common_attributes"},
    {"415", ANSWER_ACT, "%e does not take what is sent in this form (status %s): %m",
     "correct %pformat, content_type or preset, or the stream's compression"},
    {"429", ANSWER_PASSES, "%e asks to slow down (status %s): %m", ""},
    {"431", ANSWER_ACT, "the headers are larger than %e takes (status %s): %m",
     "shorten %pheaders or common_attributes"},
    {"451", ANSWER_ACT, "%e may not take the records, by law (status %s): %m", "ask whoever owns the endpoint"},
    ANSWER_STATUSES,
    {"4*", ANSWER_PASSES, "%e refused the request (status %s): %m", ""},
    {"5*", ANSWER_PASSES, "%e failed (status %s): %m", ""},
    {"*", ANSWER_ACT, "%e answered %s", "correct %A"},
    {0},
};

static const struct answer_row FAILURES[] = {ANSWER_FAILURES, {0}};

static const struct answer_row TOO_LARGE = {"", ANSWER_ACT, "the answer of %e is larger than an answer may be",
                                            "correct %A, or raise response_max"};
/* 400 where trying again is of no use. */
static const struct answer_row FOR_GOOD = {"", ANSWER_REFUSED, "%e refused the records for good (status %s): %m", ""};
static const struct answer_row SOME_REJECTED = {
    "", ANSWER_REFUSED, "%e says it rejected some of the records, but not which, so all of them go to the backup: %m",
    ""};

/* Codes are those of Firehose. */
#define DESTINATION "HttpEndpoint.DestinationException"
#define INVALID     "HttpEndpoint.InvalidResponseFromDestination"

static const char *const FAILURE_CODES[] = {
    [HTTP_DNS] = "HttpEndpoint.ConnectionFailed",
    [HTTP_PROXY_DOWN] = "HttpEndpoint.ConnectionFailed",
    [HTTP_PROXY_REFUSES] = "HttpEndpoint.ConnectionFailed",
    [HTTP_CONNECT] = "HttpEndpoint.ConnectionFailed",
    [HTTP_TLS] = "HttpEndpoint.SSLHandshakeFailure",
    [HTTP_TIMEOUT] = "HttpEndpoint.RequestTimeout",
    [HTTP_RESET] = "HttpEndpoint.ConnectionReset",
    [HTTP_MALFORMED] = INVALID,
    [HTTP_LOCAL] = "Local",
};

struct texts {
    const struct endpoint_context *c;
    const struct http_response *re;
    char said[SINK_SAID_MAX]; /* by the far end */
    const char *why;          /* says the transport, or whoever read the answer */
};

static enum sink_outcome explain(const struct texts *t, const struct answer_row *row, const char *code,
                                 struct sink_verdict *v)
{
    char status[16], location[TEXT_MAX];
    const struct answer_word words[] = {{'e', t->c->address, ""},
                                        {'p', PLACE, ""},
                                        {'A', PLACE "url", ""},
                                        {'w', t->why, "no reason given"},
                                        {'l', location, "an address it does not name"},
                                        {'s', status, ""},
                                        {0}};

    snprintf(status, sizeof(status), "%d", t->re->status);
    answer_location(t->re, location, sizeof(location));
    return answer_explain(row, words, code, t->said, v);
}

static enum sink_outcome explain_status(struct texts *t, const struct answer_row *row, struct sink_verdict *v)
{
    char status[ANSWER_STATUS_MAX];

    if (!t->said[0])
        answer_words(t->re, t->said, sizeof(t->said));
    if (!row || answer_wants_tls(t->re))
        row = answer_find(STATUSES, answer_status(t->re, status));
    return explain(t, row, t->re->status >= 200 && t->re->status <= 299 ? INVALID : DESTINATION, v);
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
        return explain(t, &TOO_LARGE, "HttpEndpoint.ResponseTooLarge", v);
    wrong = reply_error(t);
    if (t->re->status == 200 && !wrong)
        return SINK_DELIVERED;
    t->why = wrong;
    return explain_status(t, NULL, v);
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
            return explain(t, &SOME_REJECTED, DESTINATION, v);
        return SINK_DELIVERED;
    }
    return explain_status(t, strict && t->re->status == 400 ? &FOR_GOOD : NULL, v);
}

static enum sink_outcome judge_splunk(struct texts *t, struct sink_verdict *v)
{
    const struct splunk_context sc = {t->c->address, t->c->ack_timeout, t->c->follow_up, t->c->token};
    enum sink_outcome outcome;

    if (splunk_answer_judge(&sc, t->re, v, &outcome))
        return outcome;
    return explain_status(t, NULL, v);
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
        outcome = explain(&t, answer_find(FAILURES, answer_failure(re->failure)), FAILURE_CODES[re->failure], v);
        if (re->failure == HTTP_TLS)
            answer_tls_hint(v, t.why, PLACE, "url");
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
