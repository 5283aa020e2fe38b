/* Two kinds of answers: that to events, with a code of HEC's own and perhaps an ackId, and those to the questions whether the indexers
 * have acknowledged it. The questions go on with growing pauses until they have, or ack_timeout is over. */
#include "sinks/endpoint/splunk_answer.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "sinks/answer/explain.h"
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

#define SAYS      "%e answered %s: %m"
#define WANTS_KEY "set destination.http.access_key to the HEC token"

/* The codes of HEC for which somebody must act, and then for every request. Others lie in the events of one request, or pass by
 * themselves. */
static const struct answer_row CODES[] = {
    {"1", ANSWER_ACT, SAYS, "the token is disabled in Splunk"},
    {"2|3|16", ANSWER_ACT, SAYS, WANTS_KEY},
    {"4", ANSWER_ACT, SAYS, "correct destination.http.access_key: Splunk does not know this token"},
    {"7", ANSWER_ACT, SAYS, "the token may not write to this index: correct common_attributes.index"},
    {"10", ANSWER_ACT, SAYS, "is there a proxy between that takes X-Splunk-Request-Channel away?"},
    {"11", ANSWER_ACT, SAYS, "is there a proxy between that changes X-Splunk-Request-Channel?"},
    {"14", ANSWER_ACT, SAYS, "allow indexer acknowledgement for the token, or none of it"},
    {0},
};

static const struct answer_row STATUSES[] = {
    {"401|403|404", ANSWER_ACT, SAYS, ""},
    {"413", ANSWER_SPLIT, SAYS, ""},
    {"*", ANSWER_PASSES, SAYS, ""},
    {0},
};

static const struct answer_row NO_HEC = {"", ANSWER_ACT,
                                         "%e answered %s, but not as Splunk's HTTP Event Collector does: %m",
                                         "correct destination.http.url"};

static enum sink_outcome explain(const struct splunk_context *c, const struct http_response *re,
                                 const struct answer_row *row, const char *code, struct sink_verdict *v)
{
    char status[16], said[SINK_SAID_MAX], name[32];
    const struct answer_word words[] = {{'e', c->address, ""}, {'s', status, ""}, {0}};

    snprintf(status, sizeof(status), "%d", re->status);
    snprintf(name, sizeof(name), "Splunk.%s", code);
    answer_words(re, said, sizeof(said));
    return answer_explain(row, words, name, said, v);
}

bool splunk_answer_judge(const struct splunk_context *c, const struct http_response *re, struct sink_verdict *v,
                         enum sink_outcome *outcome)
{
    char code[24], status[ANSWER_STATUS_MAX];
    const struct answer_row *row;
    struct hec_reply reply;

    read_reply(re, c->token, &reply);
    if (c->follow_up > 0) {
        *outcome = re->status == 200 && reply.valid && reply.acknowledged ? SINK_DELIVERED
                                                                          : ask_again(c, c->token ? c->token : "", v);
        return true;
    }
    if (re->status == 200) {
        if (!reply.valid || reply.code != 0) /* it comes from something else */
            *outcome = explain(c, re, &NO_HEC, "InvalidAnswer", v);
        else
            *outcome = reply.ack_id[0] ? ask_again(c, reply.ack_id, v) : SINK_DELIVERED;
        return true;
    }
    if (!reply.valid || reply.code < 0)
        return false;
    if (re->status == 400 && reply.event >= 0 && v->outcomes && (uint64_t)reply.event < v->outcomes->count &&
        reply.code != 7) {
        *outcome = refuse_event(c, &reply, v);
        return true;
    }
    snprintf(code, sizeof(code), "%" PRId64, reply.code);
    row = re->status == 413 ? NULL : answer_find(CODES, code);
    *outcome = explain(c, re, row ? row : answer_find(STATUSES, answer_status(re, status)), code, v);
    return true;
}
