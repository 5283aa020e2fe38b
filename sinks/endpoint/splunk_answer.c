#include "sinks/endpoint/splunk_answer.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "sinks/answer/text.h"
#include "sinks/answer/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct hec_reply {
    bool valid;
    int64_t code, event; /* -1: not there */
    char ack_id[32], text[SINK_SAID_MAX];
    bool acknowledged;
};

static int64_t number_of(struct slice digits)
{
    int64_t v = 0;

    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' || v > INT64_MAX / 100)
            return -1;
        v = v * 10 + (digits.p[i] - '0');
    }
    return digits.n > 0 ? v : -1;
}

/* {"acks":{"7":true}} */
static bool read_acks(struct json_reader *r, const char *token, struct hec_reply *out)
{
    struct json_string key;

    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return false;
    while (json_member(r, &key)) {
        bool ours = token && json_string_is(key, token), yes = json_peek(r) == JSON_TRUE;

        if (!json_skip(r))
            return false;
        out->acknowledged |= ours && yes;
    }
    return !r->error;
}

static bool read_member(struct json_reader *r, struct json_string key, const char *token, struct hec_reply *out)
{
    struct json_string s;
    struct slice digits;

    if (json_string_is(key, "acks"))
        return read_acks(r, token, out);
    if (json_string_is(key, "text") && json_peek(r) == JSON_STRING) {
        if (!json_string(r, &s))
            return false;
        answer_plain_json(s.raw, out->text, sizeof(out->text));
        return true;
    }
    if (json_peek(r) != JSON_NUMBER)
        return json_skip(r);
    if (!json_number(r, &digits))
        return false;
    if (json_string_is(key, "code"))
        out->code = number_of(digits);
    else if (json_string_is(key, "invalid-event-number"))
        out->event = number_of(digits);
    else if (json_string_is(key, "ackId") && number_of(digits) >= 0 && digits.n < sizeof(out->ack_id))
        snprintf(out->ack_id, sizeof(out->ack_id), "%.*s", (int)digits.n, digits.p);
    return true;
}

static void read_reply(const struct http_response *re, const char *token, struct hec_reply *out)
{
    struct json_reader r;
    struct json_string key;

    *out = (struct hec_reply){.code = -1, .event = -1};
    json_open(&r, re->body, 8);
    if (re->body_truncated || json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return;
    while (json_member(&r, &key))
        if (!read_member(&r, key, token, out))
            return;
    out->valid = json_end(&r);
}

static nsec pause_before(unsigned follow_up)
{
    return (nsec)(follow_up < SPLUNK_ACK_PAUSE_MAX ? follow_up : SPLUNK_ACK_PAUSE_MAX) * NSEC_PER_SEC;
}

static nsec waited_until(unsigned follow_up)
{
    nsec sum = 0;

    for (unsigned i = 1; i <= follow_up && i <= SPLUNK_ACK_PAUSE_MAX; i++)
        sum += pause_before(i);
    return follow_up > SPLUNK_ACK_PAUSE_MAX
               ? sum + (nsec)(follow_up - SPLUNK_ACK_PAUSE_MAX) * pause_before(SPLUNK_ACK_PAUSE_MAX)
               : sum;
}

static enum sink_outcome ask_again(const struct splunk_context *c, const char *ack_id, struct sink_verdict *v)
{
    if (waited_until(c->follow_up) >= c->ack_timeout) {
        snprintf(v->code, sizeof(v->code), "Splunk.AckTimeout");
        snprintf(v->message, sizeof(v->message),
                 "the indexers behind %s did not acknowledge the events within %" PRId64
                 " s; they are sent again and may appear twice",
                 c->address, c->ack_timeout / NSEC_PER_SEC);
        snprintf(v->hint, sizeof(v->hint), "are the indexers healthy? Behind a load balancer sessions must be sticky");
        return SINK_RETRY;
    }
    snprintf(v->token, sizeof(v->token), "%s", ack_id);
    v->retry_after = pause_before(c->follow_up + 1);
    return SINK_FOLLOW_UP;
}

/* One event that HEC cannot take. Which of the others it took is not said for sure: they are sent again without it. */
static enum sink_outcome refuse_event(const struct splunk_context *c, const struct hec_reply *reply,
                                      struct sink_verdict *v)
{
    for (uint64_t i = 0; i < v->outcomes->count; i++)
        v->outcomes->outcome[i] = SINK_RETRY;
    v->outcomes->refuse(v->outcomes, (uint64_t)reply->event, "Splunk.InvalidDataFormat", slice_str(reply->text));
    snprintf(v->code, sizeof(v->code), "Splunk.InvalidDataFormat");
    snprintf(v->message, sizeof(v->message), "%s refused event %" PRId64 " of %" PRIu64, c->address, reply->event,
             v->outcomes->count);
    snprintf(v->said, sizeof(v->said), "%s", reply->text);
    v->retry_after = SPLUNK_REFUSED_PAUSE;
    return SINK_PARTIAL;
}

/* The codes of HEC that somebody has to mend, and then for every request. Others lie in the events of one request, or pass by
 * themselves. */
static const struct {
    int64_t code;
    const char *hint;
} HINTS[] = {
    {1, "the token is disabled in Splunk"},
    {2, "set destination.http.access_key to the HEC token"},
    {3, "set destination.http.access_key to the HEC token"},
    {4, "correct destination.http.access_key: Splunk does not know this token"},
    {7, "the token may not write to this index: correct common_attributes.index"},
    {10, "is there a proxy between that takes X-Splunk-Request-Channel away?"},
    {11, "is there a proxy between that changes X-Splunk-Request-Channel?"},
    {14, "allow indexer acknowledgement for the token, or none of it"},
    {16, "set destination.http.access_key to the HEC token"},
};

static const char *hint_for(int64_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(HINTS); i++)
        if (HINTS[i].code == code)
            return HINTS[i].hint;
    return NULL;
}

bool splunk_answer_judge(const struct splunk_context *c, const struct http_response *re, struct sink_verdict *v,
                         enum sink_outcome *outcome)
{
    struct hec_reply reply;
    const char *hint;

    read_reply(re, c->token, &reply);
    if (c->follow_up > 0) {
        *outcome = re->status == 200 && reply.valid && reply.acknowledged ? SINK_DELIVERED
                                                                          : ask_again(c, c->token ? c->token : "", v);
        return true;
    }
    if (re->status == 200) {
        /* An answer that is no HEC reply comes from something else. */
        bool taken = reply.valid && reply.code == 0;

        *outcome = !taken ? SINK_RETRY : reply.ack_id[0] ? ask_again(c, reply.ack_id, v) : SINK_DELIVERED;
        if (taken)
            return true;
        v->misconfigured = true;
        snprintf(v->code, sizeof(v->code), "Splunk.InvalidAnswer");
        snprintf(v->message, sizeof(v->message), "%s answered 200, but not as Splunk's HTTP Event Collector does",
                 c->address);
        answer_words(re, v->said, sizeof(v->said));
        snprintf(v->hint, sizeof(v->hint), "correct destination.http.url");
        return true;
    }
    if (!reply.valid || reply.code < 0)
        return false;
    if (re->status == 400 && reply.event >= 0 && v->outcomes && (uint64_t)reply.event < v->outcomes->count &&
        reply.code != 7) {
        *outcome = refuse_event(c, &reply, v);
        return true;
    }
    *outcome = re->status == 413 ? SINK_SPLIT : SINK_RETRY;
    hint = hint_for(reply.code);
    v->misconfigured = hint || re->status == 401 || re->status == 403 || re->status == 404;
    snprintf(v->code, sizeof(v->code), "Splunk.%" PRId64, reply.code);
    snprintf(v->message, sizeof(v->message), "%s answered %d", c->address, re->status);
    answer_words(re, v->said, sizeof(v->said));
    snprintf(v->hint, sizeof(v->hint), "%s", hint ? hint : "");
    return true;
}
