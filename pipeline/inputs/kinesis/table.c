#include "pipeline/inputs/kinesis/table.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct aws_json_service dynamodb_service = {.name = "dynamodb", .prefix = "DynamoDB_20120810", .version = "1.0"};

const char *table_hint(const char *code)
{
    if (strstr(code, "ResourceNotFound"))
        return "there is no such table in this region and account: look at leases.dynamodb, or let it be made with "
               "`create: true`. "
               "Its key is leaseKey, a text";
    if (strstr(code, "AccessDenied"))
        return "the keys may not do this: allow dynamodb:Scan, dynamodb:GetItem, dynamodb:UpdateItem and "
               "dynamodb:DeleteItem on the "
               "table (and dynamodb:CreateTable for `create: true`)";
    if (strstr(code, "Validation"))
        return "is this a table of leases? Its key is leaseKey, a text, and no other";
    return NULL;
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

static int add_table(const char *table, struct buf *out)
{
    return buf_add_str(out, "{\"TableName\":") < 0 ? -1 : json_quote(slice_str(table), out);
}

static int add_key(const char *key, struct buf *out)
{
    if (buf_add_str(out, ",\"Key\":{\"leaseKey\":{\"S\":") < 0 || json_quote(slice_str(key), out) < 0)
        return -1;
    return buf_add_str(out, "}}");
}

int table_scan_text(const char *table, struct slice from, unsigned limit, struct buf *out)
{
    if (add_table(table, out) < 0 || buf_add_str(out, ",\"ConsistentRead\":true") < 0 ||
        (limit > 0 && buf_printf(out, ",\"Limit\":%u", limit) < 0))
        return -1;
    if (from.n > 0 && (buf_add_str(out, ",\"ExclusiveStartKey\":") < 0 || buf_add_slice(out, from) < 0))
        return -1;
    return buf_add_char(out, '}');
}

int table_look_text(const char *table, const char *key, struct buf *out)
{
    if (add_table(table, out) < 0 || add_key(key, out) < 0)
        return -1;
    return buf_add_str(out, ",\"ConsistentRead\":true}");
}

int table_create_text(const char *table, struct buf *out)
{
    if (add_table(table, out) < 0)
        return -1;
    return buf_add_str(out, ",\"KeySchema\":[{\"AttributeName\":\"leaseKey\",\"KeyType\":\"HASH\"}],"
                            "\"AttributeDefinitions\":[{\"AttributeName\":\"leaseKey\",\"AttributeType\":\"S\"}],"
                            "\"BillingMode\":\"PAY_PER_REQUEST\"}");
}

/* An update is written in three places: what is set, the attributes' names (which may be words of the language) and the values. */
struct update {
    struct buf set, remove, names, values;
    unsigned n;
};

static int set(struct update *u, const char *name, const char *type, struct slice value)
{
    u->n++;
    if (buf_printf(&u->set, "%s#a%u=:a%u", u->set.n > 0 ? "," : "SET ", u->n, u->n) < 0 ||
        buf_printf(&u->names, ",\"#a%u\":\"%s\"", u->n, name) < 0 ||
        buf_printf(&u->values, ",\":a%u\":{\"%s\":", u->n, type) < 0)
        return -1;
    if ((type[1] ? buf_add_slice(&u->values, value) : json_quote(value, &u->values)) < 0) /* a set comes as JSON */
        return -1;
    return buf_add_char(&u->values, '}');
}

static int set_number(struct update *u, const char *name, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%" PRId64, value);

    return set(u, name, "N", slice_of(text, (size_t)n));
}

/* An empty one is taken away. */
static int set_or_remove(struct update *u, const char *name, const char *value)
{
    if (*value)
        return set(u, name, "S", slice_str(value));
    u->n++;
    if (buf_printf(&u->remove, "%s#a%u", u->remove.n > 0 ? "," : " REMOVE ", u->n) < 0)
        return -1;
    return buf_printf(&u->names, ",\"#a%u\":\"%s\"", u->n, name);
}

static int set_ids(struct update *u, const char *name, const char ids[2][SHARD_ID_MAX + 1])
{
    struct buf list;
    int rc = -1;

    if (!ids[0][0])
        return 0;
    buf_init(&list, 2 * (6 * SHARD_ID_MAX + 8));
    if (lease_write_ids(ids, &list) == 0)
        rc = set(u, name, "SS", buf_slice(&list));
    buf_release(&list);
    return rc;
}

static int set_checkpoint(struct update *u, const struct lease *x)
{
    if (x->at_start) /* as somebody else wrote it */
        return 0;
    if (set(u, "checkpoint", "S", slice_str(lease_checkpoint(&x->place))) < 0 ||
        set_number(u, "checkpointSubSequenceNumber", lease_sub(&x->place)) < 0)
        return -1;
    return x->place.kind == PLACE_TIME ? set_number(u, "checkpointTimestamp", x->place.ms)
                                       : set_or_remove(u, "checkpointTimestamp", "");
}

static int set_all(struct update *u, const struct lease *x)
{
    if (set_number(u, "leaseCounter", (int64_t)x->counter) < 0 || set_or_remove(u, "leaseOwner", x->owner) < 0 ||
        set_or_remove(u, "checkpointOwner", x->giver) < 0 || set_checkpoint(u, x) < 0 ||
        set_number(u, "ownerSwitchesSinceCheckpoint", (int64_t)x->switches) < 0)
        return -1;
    if (x->first[0] && set(u, "startingSequenceNumber", "S", slice_str(x->first)) < 0)
        return -1;
    if (x->hashes[0][0] && (set(u, "startingHashKey", "S", slice_str(x->hashes[0])) < 0 ||
                            set(u, "endingHashKey", "S", slice_str(x->hashes[1])) < 0))
        return -1;
    return set_ids(u, "parentShardId", x->parents) < 0 ? -1 : set_ids(u, "childShardIds", x->children);
}

/* That the lease is what it was. */
static int add_condition(const struct lease_act *act, struct update *u, struct buf *out)
{
    const struct lease *was = &act->of->at;

    if (!act->existed) {
        if (buf_add_str(&u->names, ",\"#k\":\"leaseKey\"") < 0)
            return -1;
        return buf_add_str(out, ",\"ConditionExpression\":\"attribute_not_exists(#k)\"");
    }
    if (buf_add_str(&u->names, ",\"#c\":\"leaseCounter\",\"#o\":\"leaseOwner\"") < 0 ||
        buf_printf(&u->values, ",\":c\":{\"N\":\"%" PRIu64 "\"}", was->counter) < 0)
        return -1;
    if (!was->owner[0])
        return buf_add_str(out, ",\"ConditionExpression\":\"#c=:c AND attribute_not_exists(#o)\"");
    if (buf_add_str(&u->values, ",\":o\":{\"S\":") < 0 || json_quote(slice_str(was->owner), &u->values) < 0 ||
        buf_add_char(&u->values, '}') < 0)
        return -1;
    return buf_add_str(out, ",\"ConditionExpression\":\"#c=:c AND #o=:o\"");
}

/* Names or values: without the comma that each begins with. */
static int add_members(const char *name, const struct buf *members, struct buf *out)
{
    if (members->n == 0)
        return 0;
    return buf_printf(out, ",\"%s\":{%.*s}", name, (int)members->n - 1, members->p + 1);
}

int table_write_text(const char *table, const struct lease_act *act, struct buf *out)
{
    struct update u = {.n = 0};
    int rc = -1;

    buf_init(&u.set, KINESIS_LEASE_MAX);
    buf_init(&u.remove, KINESIS_LEASE_MAX);
    buf_init(&u.names, KINESIS_LEASE_MAX);
    buf_init(&u.values, KINESIS_LEASE_MAX);
    if (add_table(table, out) < 0 || add_key(act->of->at.key, out) < 0)
        goto out;
    if (act->kind == LEASE_PUT && (set_all(&u, &act->lease) < 0 || buf_add_str(out, ",\"UpdateExpression\":\"") < 0 ||
                                   buf_add_slice(out, buf_slice(&u.set)) < 0 ||
                                   buf_add_slice(out, buf_slice(&u.remove)) < 0 || buf_add_char(out, '"') < 0))
        goto out;
    if (add_condition(act, &u, out) < 0 || add_members("ExpressionAttributeNames", &u.names, out) < 0 ||
        add_members("ExpressionAttributeValues", &u.values, out) < 0)
        goto out;
    rc = buf_add_char(out, '}');
out:
    buf_release(&u.set);
    buf_release(&u.remove);
    buf_release(&u.names);
    buf_release(&u.values);
    return rc;
}

/* --- answers ------------------------------------------------------------------------------------------------------- */

static int refuse(const struct json_reader *r, struct err *e)
{
    if (r->error)
        return err_set(e, ERR_FORMAT, "the answer is no JSON: %s at byte %zu", r->error, json_offset(r));
    return err_set(e, ERR_FORMAT, "the answer is not what DynamoDB answers, or the item no lease (at byte %zu)",
                   json_offset(r));
}

static bool open_object(struct json_reader *r, struct slice answer)
{
    json_open(r, answer, ANSWER_JSON_DEPTH);
    return json_peek(r) == JSON_OBJECT && json_enter(r);
}

static bool take_items(struct json_reader *r, void (*each)(void *ctx, const struct lease *x), void *ctx)
{
    struct lease x;

    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return false;
    while (json_element(r))
        switch (lease_read(r, &x)) {
        case LEASE_READ:
            each(ctx, &x);
            break;
        case LEASE_OTHER:
            break;
        case LEASE_BAD:
            return false;
        }
    return !r->error;
}

static bool take_raw(struct json_reader *r, struct buf *out)
{
    struct slice raw;

    return json_value(r, &raw) && buf_add_slice(out, raw) == 0;
}

int table_scan_read(struct slice answer, void (*each)(void *ctx, const struct lease *x), void *ctx, struct buf *from,
                    struct err *e)
{
    struct json_string key;
    struct json_reader r;
    bool fine = open_object(&r, answer), seen = false;

    buf_clear(from);
    while (fine && json_member(&r, &key)) {
        if (json_string_is(key, "Items"))
            fine = seen = take_items(&r, each, ctx);
        else if (json_string_is(key, "LastEvaluatedKey") && json_peek(&r) == JSON_OBJECT)
            fine = take_raw(&r, from);
        else
            json_skip(&r);
    }
    return fine && seen && json_end(&r) ? 0 : refuse(&r, e);
}

int table_look_read(struct slice answer, struct lease *x, bool *there, struct err *e)
{
    struct json_string key;
    struct json_reader r;
    bool fine = open_object(&r, answer);

    *there = false;
    while (fine && json_member(&r, &key)) {
        if (json_string_is(key, "Item") && json_peek(&r) == JSON_OBJECT)
            fine = *there = lease_read(&r, x) == LEASE_READ;
        else
            json_skip(&r);
    }
    return fine && json_end(&r) ? 0 : refuse(&r, e);
}
