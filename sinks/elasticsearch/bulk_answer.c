/* Nearly every answer says that all is well, in the same 28 bytes per document: these are compared, not parsed.
 * Anything else, a space in the wrong place even, takes the slow way: a JSON reader, twice. The first pass believes
 * nothing and only counts; outcomes are written in the second, once the whole answer is known to be sound. */
#include "sinks/elasticsearch/bulk_answer.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "sinks/answer/explain.h"
#include "sinks/answer/text.h"

#include <stdio.h>
#include <string.h>

#define TYPE_MAX sizeof(((struct bulk_kind *)NULL)->type)

struct item {
    int status;
    struct json_string type, reason, cause; /* raw.p NULL: not there */
};

/* By "status type: reason". */
static const struct answer_row MEANINGS[] = {
    {"400 index_closed_exception:*", ANSWER_ACT, NULL, "open the index, or correct destination.elasticsearch.index"},
    {"400 illegal_argument_exception:*pipeline with id*", ANSWER_ACT, NULL,
     "create the ingest pipeline, or correct destination.elasticsearch.pipeline"},
    {"400 illegal_argument_exception:*only write ops with an op_type of create*", ANSWER_ACT, NULL,
     "the index is a data stream: set destination.elasticsearch.data_stream: true"},
    {"400 illegal_argument_exception:*no write index is defined for alias*", ANSWER_ACT, NULL,
     "give the alias a write index"},
    {"400 validation_exception:*maximum*", ANSWER_ACT, NULL,
     "the cluster has as many shards as it may: delete indices, or raise cluster.max_shards_per_node"},
    {"401 *", ANSWER_ACT, NULL, "correct destination.elasticsearch.auth"},
    {"403 security_exception:*", ANSWER_ACT, NULL, "allow the user create_doc, index and auto_configure on the index"},
    {"403 *", ANSWER_ACT, NULL, "the index is closed to writing: lift its block"},
    {"404 index_not_found_exception:*", ANSWER_ACT, NULL, "create the index, or allow action.auto_create_index"},
    {"404 *", ANSWER_ACT, NULL, ""},
    {"408 *|409 *", ANSWER_PASSES, NULL, ""}, /* a conflict of `create` does not come here: see row_of() */
    {"429 cluster_block_exception:*", ANSWER_ACT, NULL,
     "the disk is nearly full: give the cluster room; it lifts the block by itself"},
    {"429 *", ANSWER_PASSES, NULL, ""},
    {"4*", ANSWER_REFUSED, NULL, ""},
    {"*", ANSWER_PASSES, NULL, ""},
    {0},
};

static const struct answer_row *row_of(const struct item *it, bool create)
{
    static const struct answer_row DELIVERED = {"", ANSWER_DELIVERED, NULL, ""};
    char type[TYPE_MAX], reason[SINK_SAID_MAX], key[16 + TYPE_MAX + SINK_SAID_MAX];

    if (it->status >= 200 && it->status <= 299)
        return &DELIVERED;
    /* Only an earlier attempt can have made a document with this id. */
    if (create && it->status == 409 && it->type.raw.p && json_string_is(it->type, "version_conflict_engine_exception"))
        return &DELIVERED;
    answer_plain_json(it->type.raw, type, sizeof(type));
    answer_plain_json(it->reason.raw, reason, sizeof(reason));
    snprintf(key, sizeof(key), "%d %s: %s", it->status, type, reason);
    return answer_find(MEANINGS, key);
}

/* --- reading ---------------------------------------------------------------------------------------------------------
 */

static bool read_status(struct json_reader *r, int *status)
{
    struct slice digits;

    if (!json_number(r, &digits) || digits.n != 3)
        return false;
    *status = 0;
    for (size_t i = 0; i < 3; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
        *status = *status * 10 + (digits.p[i] - '0');
    }
    return *status >= 100;
}

static bool read_text(struct json_reader *r, struct json_string *s)
{
    return json_peek(r) == JSON_STRING ? json_string(r, s) : json_skip(r);
}

static bool read_cause(struct json_reader *r, struct item *it)
{
    struct json_string key;

    if (json_peek(r) != JSON_OBJECT)
        return json_skip(r);
    if (!json_enter(r))
        return false;
    while (json_member(r, &key))
        if (!(json_string_is(key, "reason") ? read_text(r, &it->cause) : json_skip(r)))
            return false;
    return !r->error;
}

static bool read_error(struct json_reader *r, struct item *it)
{
    struct json_string key;

    if (json_peek(r) != JSON_OBJECT)
        return read_text(r, &it->reason);
    if (!json_enter(r))
        return false;
    while (json_member(r, &key)) {
        bool ok = json_string_is(key, "type")        ? read_text(r, &it->type)
                  : json_string_is(key, "reason")    ? read_text(r, &it->reason)
                  : json_string_is(key, "caused_by") ? read_cause(r, it)
                                                     : json_skip(r);
        if (!ok)
            return false;
    }
    return !r->error;
}

/* {"index":{"status":201,"error":{...}}}: one action, one status. */
static bool read_item(struct json_reader *r, struct item *it)
{
    struct json_string key;

    *it = (struct item){0};
    if (json_peek(r) != JSON_OBJECT || !json_enter(r) || !json_member(r, &key))
        return false;
    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return false;
    while (json_member(r, &key)) {
        bool ok = json_string_is(key, "status")  ? it->status == 0 && read_status(r, &it->status)
                  : json_string_is(key, "error") ? read_error(r, it)
                                                 : json_skip(r);
        if (!ok)
            return false;
    }
    return !r->error && it->status > 0 && !json_member(r, &key) && !r->error;
}

/* Goes to the first of the items. False: the answer has none. */
static bool enter_items(struct json_reader *r)
{
    struct json_string key;

    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return false;
    while (json_member(r, &key)) {
        if (json_string_is(key, "items"))
            return json_peek(r) == JSON_ARRAY && json_enter(r);
        if (!json_skip(r))
            return false;
    }
    return false;
}

/* What follows the items, to the end of the answer. */
static bool leave_items(struct json_reader *r)
{
    struct json_string key;

    while (json_member(r, &key))
        if (json_string_is(key, "items") || !json_skip(r))
            return false;
    return json_end(r);
}

static void describe_kind(struct bulk_kind *k, const struct item *it, const struct answer_row *row)
{
    if (k->count++ > 0 && (k->misconfigured || row->means != ANSWER_ACT))
        return;
    k->status = it->status;
    k->misconfigured = row->means == ANSWER_ACT;
    k->hint = row->hint;
    answer_plain_json(it->type.raw, k->type, sizeof(k->type));
    if (!answer_is_name(k->type))
        snprintf(k->type, sizeof(k->type), "error");
    answer_plain_json(it->reason.raw, k->reason, sizeof(k->reason));
}

/* --- the usual answer ------------------------------------------------------------------------------------------------
 */

static bool pass(struct slice *rest, struct slice word)
{
    if (!slice_starts(*rest, word))
        return false;
    *rest = slice_of(rest->p + word.n, rest->n - word.n);
    return true;
}

static bool all_well(struct slice answer, uint64_t sent)
{
    static const struct slice ITEMS[] = {{"{\"index\":{\"status\":201}}", 24},
                                         {"{\"create\":{\"status\":201}}", 25},
                                         {"{\"index\":{\"status\":200}}", 24}};
    static const struct slice HEAD = {"{\"errors\":false,\"items\":[", 25}, COMMA = {",", 1}, TAIL = {"]}", 2};

    if (!pass(&answer, HEAD))
        return false;
    for (uint64_t i = 0; i < sent; i++)
        if ((i > 0 && !pass(&answer, COMMA)) ||
            (!pass(&answer, ITEMS[0]) && !pass(&answer, ITEMS[1]) && !pass(&answer, ITEMS[2])))
            return false;
    return slice_eq(answer, TAIL);
}

void bulk_answer_read(struct slice answer, uint64_t sent, bool create, struct bulk_summary *s)
{
    const struct answer_row *row;
    struct json_reader r;
    struct item it;

    *s = (struct bulk_summary){0};
    if (all_well(answer, sent)) {
        s->items = s->delivered.count = sent;
        return;
    }
    json_open(&r, answer, JSON_DEPTH_MAX);
    if (!enter_items(&r)) {
        s->broken = r.error ? "it is not JSON" : "it has no items";
        return;
    }
    while (json_element(&r)) {
        if (!read_item(&r, &it)) {
            s->broken = r.error ? "it is not JSON" : "an item has no status";
            return;
        }
        row = row_of(&it, create);
        s->items++;
        s->misconfigured |= row->means == ANSWER_ACT;
        describe_kind(row->means == ANSWER_DELIVERED ? &s->delivered
                      : row->means == ANSWER_REFUSED ? &s->refused
                                                     : &s->retry,
                      &it, row);
    }
    if (r.error || !leave_items(&r))
        s->broken = "it is not JSON, or breaks off";
    else if (s->items != sent)
        s->broken = "it has another number of items than documents were sent";
}

static void add_text(struct buf *out, const char *before, struct json_string s, const char *after)
{
    size_t n = out->n;

    if (s.raw.p && (buf_add_str(out, before) < 0 || json_unescape(s, out) < 0 || buf_add_str(out, after) < 0))
        out->n = n;
}

static void refuse(struct sink_outcomes *outcomes, uint64_t index, const struct item *it)
{
    struct buf text;
    char code[16];

    snprintf(code, sizeof(code), "%d", it->status);
    buf_init(&text, ELASTICSEARCH_REASON_MAX);
    add_text(&text, "", it->type, it->reason.raw.p ? ": " : "");
    add_text(&text, "", it->reason, "");
    add_text(&text, " (", it->cause, ")");
    outcomes->refuse(outcomes, index, code, buf_slice(&text));
    buf_release(&text);
}

void bulk_answer_outcomes(struct slice answer, bool create, struct sink_outcomes *outcomes)
{
    struct json_reader r;
    struct item it;

    json_open(&r, answer, JSON_DEPTH_MAX);
    if (!enter_items(&r))
        return;
    for (uint64_t i = 0; i < outcomes->count && json_element(&r) && read_item(&r, &it); i++) {
        outcomes->outcome[i] = (unsigned char)answer_outcome(row_of(&it, create));
        if (outcomes->outcome[i] == SINK_REJECTED)
            refuse(outcomes, i, &it);
    }
}
