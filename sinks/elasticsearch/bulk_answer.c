/* Nearly every answer says that all is well, in the same 28 bytes per document: these are compared, not parsed.
 * Anything else, a space in the wrong place even, takes the slow way: a JSON reader, twice. The first pass believes
 * nothing and only counts; outcomes are written in the second, once the whole answer is known to be sound. */
#include "sinks/elasticsearch/bulk_answer.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "sinks/answer/text.h"

#include <stdio.h>
#include <string.h>

struct item {
    int status;
    struct json_string type, reason, cause; /* raw.p NULL: not there */
};

/* Rows are tried in order; 0 stands for any status, NULL for any type. A type that ends in '*' stands for all that
 * begin so; `reason` is a part of the server's words. */
struct meaning {
    int from, to;
    const char *type, *reason;
    enum sink_outcome outcome;
    bool misconfigured;
    const char *hint;
};

static const struct meaning MEANINGS[] = {
    {200, 299, NULL, NULL, SINK_DELIVERED, false, NULL},
    {400, 400, "index_closed_exception", NULL, SINK_RETRY, true,
     "open the index, or correct destination.elasticsearch.index"},
    {400, 400, "illegal_argument_exception", "pipeline with id", SINK_RETRY, true,
     "create the ingest pipeline, or correct destination.elasticsearch.pipeline"},
    {400, 400, "illegal_argument_exception", "only write ops with an op_type of create", SINK_RETRY, true,
     "the index is a data stream: set destination.elasticsearch.data_stream: true"},
    {400, 400, "illegal_argument_exception", "no write index is defined for alias", SINK_RETRY, true,
     "give the alias a write index"},
    {400, 400, "validation_exception", "maximum", SINK_RETRY, true,
     "the cluster has as many shards as it may: delete indices, or raise cluster.max_shards_per_node"},
    {401, 401, NULL, NULL, SINK_RETRY, true, "correct destination.elasticsearch.auth"},
    {403, 403, "security_exception", NULL, SINK_RETRY, true,
     "allow the user create_doc, index and auto_configure on the index"},
    {403, 403, NULL, NULL, SINK_RETRY, true, "the index is closed to writing: lift its block"},
    {404, 404, "index_not_found_exception", NULL, SINK_RETRY, true,
     "create the index, or allow action.auto_create_index"},
    {404, 404, NULL, NULL, SINK_RETRY, true, NULL},
    {408, 408, NULL, NULL, SINK_RETRY, false, NULL},
    {409, 409, NULL, NULL, SINK_RETRY, false, NULL}, /* `create` does not come here: see find_meaning() */
    {429, 429, "cluster_block_exception", NULL, SINK_RETRY, true,
     "the disk is nearly full: give the cluster room; it lifts the block by itself"},
    {429, 429, NULL, NULL, SINK_RETRY, false, NULL},
    {400, 499, NULL, NULL, SINK_REJECTED, false, NULL},
    {0, 0, NULL, NULL, SINK_RETRY, false, NULL},
};

static bool type_is(struct json_string type, const char *want)
{
    return !want || (type.raw.p && json_string_is(type, want));
}

static bool says(struct json_string reason, const char *part)
{
    return !part || (reason.raw.n > 0 && memmem(reason.raw.p, reason.raw.n, part, strlen(part)));
}

static const struct meaning *find_meaning(const struct item *it, bool create)
{
    static const struct meaning THERE_ALREADY = {409, 409, NULL, NULL, SINK_DELIVERED, false, NULL};
    const struct meaning *m = MEANINGS;

    /* Only an earlier attempt can have made a document with this id. */
    if (create && it->status == 409 && type_is(it->type, "version_conflict_engine_exception"))
        return &THERE_ALREADY;
    while (m->from != 0 &&
           !(it->status >= m->from && it->status <= m->to && type_is(it->type, m->type) && says(it->reason, m->reason)))
        m++;
    return m;
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

static void describe_kind(struct bulk_kind *k, const struct item *it, const struct meaning *m)
{
    if (k->count++ > 0 && (k->misconfigured || !m->misconfigured))
        return;
    k->status = it->status;
    k->misconfigured = m->misconfigured;
    k->hint = m->hint;
    answer_plain_json(it->type.raw, k->type, sizeof(k->type));
    if (!answer_is_name(k->type))
        snprintf(k->type, sizeof(k->type), "error");
    answer_plain_json(it->reason.raw, k->reason, sizeof(k->reason));
}

static void count_item(struct bulk_summary *s, const struct item *it, bool create)
{
    const struct meaning *m = find_meaning(it, create);

    s->items++;
    s->misconfigured |= m->misconfigured;
    describe_kind(m->outcome == SINK_DELIVERED  ? &s->delivered
                  : m->outcome == SINK_REJECTED ? &s->refused
                                                : &s->retry,
                  it, m);
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
        count_item(s, &it, create);
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
        const struct meaning *m = find_meaning(&it, create);

        outcomes->outcome[i] = (unsigned char)m->outcome;
        if (m->outcome == SINK_REJECTED)
            refuse(outcomes, i, &it);
    }
}
