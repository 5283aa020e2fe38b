/* A record is read to its end before it goes into a frame, since its partition key may stand behind its data. Its base64 is decoded where it comes
 * to lie. */
#include "pipeline/inputs/api/kinesis.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SHARD        "shardId-000000000000"
#define KEY_TEXT_MAX 256 /* characters */
#define LONE_END     64  /* characters of base64: more than the decoder writes too far */
#define FAILING_TEXT "The server's disk refuses to store records; its log says why."

struct parse {
    struct api_put *put;
    const struct api_put_origin *origin;
    struct json_reader r;
    struct api_put_frame *at; /* the frame being filled; NULL at first */
    struct api_text name, arn;
    struct buf plain, key, facts; /* of one record */
    struct api_error *e;
};

struct one {
    struct json_string data, key, hash;
    bool data_seen, key_seen, hash_seen;
    bool has_data, has_key, has_hash;
};

/* "records.3.member.data" as AWS counts: from 1. */
static const char *path(const struct parse *p, const char *member, char *out, size_t size)
{
    if (p->put->batch)
        snprintf(out, size, "records.%" PRIu32 ".member.%s", p->put->count + 1, member);
    else
        snprintf(out, size, "%s", member);
    return out;
}

/* --- a record into a frame ----------------------------------------------------------------------------------------- */

static int next_frame(struct parse *p, struct frame *f)
{
    struct api_put *put = p->put;

    if (!f)
        return api_error_set(p->e, API_UNAVAILABLE, API_SLOW_DOWN);
    if (put->frame_count == API_PUT_FRAMES_MAX) {
        frame_free(&f);
        return api_error_set(p->e, API_INVALID_ARGUMENT, "the keys of the records are too long in all");
    }
    p->at = &put->frames[put->frame_count++];
    *p->at = (struct api_put_frame){.put = put, .frame = f};
    frame_set_origin(f, p->origin->text);
    return 0;
}

static void count(struct parse *p, size_t n)
{
    p->at->count++;
    p->at->bytes += n;
    p->put->count++;
    p->put->bytes += n;
    if (n > p->put->largest)
        p->put->largest = n;
}

static int not_base64(const struct parse *p)
{
    char where[64];

    return api_error_set(p->e, API_SERIALIZATION, "%s is not base64", path(p, "data", where, sizeof(where)));
}

/* Into a frame of its own, which has no room for what the decoder may write behind its end: so the end is decoded beside it. n: its length. */
static int add_lone(struct parse *p, struct slice text, size_t n)
{
    struct slice head = slice_of(text.p, text.n - LONE_END), end = slice_from(text, head.n);
    char last[LONE_END + BASE64_SLACK], *to;
    long at, more;
    size_t room;
    bool wrote;

    if (next_frame(p, frame_new_lone(n, p->origin->arrival, p->origin->budget)) < 0)
        return -1;
    to = frame_space(p->at->frame, &room);
    at = base64_decode(head, to);
    more = base64_decode(end, last);
    if (at < 0 || more < 0 || (size_t)at + (size_t)more != n)
        return not_base64(p);
    memcpy(to + at, last, (size_t)more);
    wrote = frame_wrote_message(p->at->frame, n, buf_slice(&p->facts));
    assert(wrote); /* the frame was made for it */
    count(p, n);
    return 0;
}

static int add_usual(struct parse *p, struct slice text)
{
    size_t need = base64_decoded_max(text.n) + BASE64_SLACK + 1,
           rest = base64_decoded_max(text.n + (size_t)(p->r.end - p->r.p)); /* its own, and what follows */

    for (bool first = true;; first = false) {
        size_t room;
        char *to = p->at ? frame_space(p->at->frame, &room) : NULL;
        long n;

        if (!to || room < need) {
            if (next_frame(p, frame_new(rest + 2 * BASE64_SLACK, p->origin->arrival, p->origin->budget)) < 0)
                return -1;
            continue;
        }
        n = base64_decode(text, to);
        if (n < 0)
            return not_base64(p);
        if (frame_wrote_message(p->at->frame, (size_t)n, buf_slice(&p->facts))) {
            count(p, (size_t)n);
            return 0;
        }
        assert(first); /* the facts did not fit any more: into the next one */
        p->at = NULL;
    }
}

/* NULL: it is fine. */
static const char *check_key(struct slice key)
{
    size_t n = 0;

    for (size_t i = 0; i < key.n; i++)
        n += ((unsigned char)key.p[i] & 0xc0) != 0x80;
    if (n == 0)
        return "Member must have length greater than or equal to 1";
    return n > KEY_TEXT_MAX ? "Member must have length less than or equal to 256" : NULL;
}

static int take_fact(struct parse *p, const char *member, const char *fact, struct json_string s)
{
    const char *why;
    char where[64];

    buf_clear(&p->key);
    if (json_unescape(s, &p->key) < 0)
        return api_shape_broken("'...'", path(p, member, where, sizeof(where)),
                                "Member must have length less than or equal to 256", p->e);
    why = check_key(buf_slice(&p->key));
    if (why)
        return api_shape_broken("'...'", path(p, member, where, sizeof(where)), why, p->e);
    (void)!facts_add(&p->facts, slice_str(fact), buf_slice(&p->key)); /* always room, but where limits are made small */
    return 0;
}

static int refuse_size(const struct parse *p, size_t n)
{
    char where[64], value[64], text[96];

    if (n <= RECORD_MAX_BYTES)
        return api_error_set(p->e, API_INVALID_ARGUMENT, "Records size exceeds 10 MB limit");
    snprintf(value, sizeof(value), "'(%zu bytes)'", n);
    snprintf(text, sizeof(text), "Member must have length less than or equal to %llu",
             (unsigned long long)RECORD_MAX_BYTES);
    return api_shape_broken(value, path(p, "data", where, sizeof(where)), text, p->e);
}

static int add_record(struct parse *p, const struct one *x)
{
    struct slice text = x->data.raw;
    long n;

    buf_clear(&p->facts);
    if ((x->has_key && take_fact(p, "partitionKey", "partition_key", x->key) < 0) ||
        (x->has_hash && take_fact(p, "explicitHashKey", "explicit_hash_key", x->hash) < 0))
        return -1;
    if (x->data.escaped) {
        buf_clear(&p->plain);
        if (json_unescape(x->data, &p->plain) < 0)
            return api_error_set(p->e, API_UNAVAILABLE, API_SLOW_DOWN);
        text = buf_slice(&p->plain);
    }
    n = base64_decoded_length(text);
    if (n < 0)
        return not_base64(p);
    if ((size_t)n > RECORD_MAX_BYTES || p->put->bytes + (size_t)n > KINESIS_PUT_MAX_BYTES)
        return refuse_size(p, (size_t)n);
    if (base64_decoded_max(text.n) + BASE64_SLACK + 1 > FRAME_MAX_BYTES)
        return add_lone(p, text, (size_t)n);
    return add_usual(p, text);
}

/* --- the request --------------------------------------------------------------------------------------------------- */

static int take_string(struct parse *p, const char *name, struct json_string *s, bool *seen, bool *present)
{
    if (*seen)
        return api_shape_twice(name, p->e);
    *seen = true;
    if (api_shape_is_null(&p->r))
        return 0;
    if (json_peek(&p->r) != JSON_STRING || !json_string(&p->r, s))
        return api_shape_wrong_type(&p->r, name, "a string", p->e);
    *present = true;
    return 0;
}

/* 1: it is a member of a record. */
static int take_member(struct parse *p, struct json_string name, struct one *x)
{
    int rc;

    if (json_string_is(name, "Data"))
        rc = take_string(p, "Data", &x->data, &x->data_seen, &x->has_data);
    else if (json_string_is(name, "PartitionKey"))
        rc = take_string(p, "PartitionKey", &x->key, &x->key_seen, &x->has_key);
    else if (json_string_is(name, "ExplicitHashKey"))
        rc = take_string(p, "ExplicitHashKey", &x->hash, &x->hash_seen, &x->has_hash);
    else
        return 0;
    return rc < 0 ? -1 : 1;
}

static int finish_record(struct parse *p, const struct one *x)
{
    char where[64];

    if (!x->has_data)
        return api_shape_broken("null", path(p, "data", where, sizeof(where)), "Member must not be null", p->e);
    return add_record(p, x);
}

static int read_record(struct parse *p)
{
    struct one x = {.has_data = false};
    struct json_string name;

    if (json_peek(&p->r) != JSON_OBJECT || !json_enter(&p->r))
        return api_shape_wrong_type(&p->r, "a record", "an object", p->e);
    while (json_member(&p->r, &name)) {
        int rc = take_member(p, name, &x);

        if (rc < 0)
            return -1;
        if (rc == 0)
            json_skip(&p->r);
    }
    if (p->r.error)
        return api_shape_end(&p->r, p->e);
    return finish_record(p, &x);
}

static int read_records(struct parse *p)
{
    if (json_peek(&p->r) != JSON_ARRAY || !json_enter(&p->r))
        return api_shape_wrong_type(&p->r, "Records", "a list", p->e);
    while (json_element(&p->r)) {
        if (p->put->count == PUT_BATCH_MAX_RECORDS)
            return api_shape_broken("'[...]'", "records", "Member must have length less than or equal to 500", p->e);
        if (read_record(p) < 0)
            return -1;
    }
    if (p->r.error)
        return api_shape_end(&p->r, p->e);
    if (p->put->count == 0)
        return api_shape_broken("'[]'", "records", "Member must have length greater than or equal to 1", p->e);
    return 0;
}

static int read_members(struct parse *p)
{
    struct one x = {.has_data = false};
    struct json_string name;
    bool records = false;
    int rc;

    while (json_member(&p->r, &name)) {
        if (json_string_is(name, "StreamName")) {
            rc = api_shape_text(&p->r, "StreamName", &p->name, p->e);
        } else if (json_string_is(name, "StreamARN")) {
            rc = api_shape_text(&p->r, "StreamARN", &p->arn, p->e);
        } else if (p->put->batch && json_string_is(name, "Records")) {
            if (records)
                return api_shape_twice("Records", p->e);
            records = true;
            rc = api_shape_is_null(&p->r) ? 0 : read_records(p);
        } else {
            rc = p->put->batch ? 0 : take_member(p, name, &x);
            if (rc == 0)
                json_skip(&p->r);
        }
        if (rc < 0)
            return -1;
    }
    if (api_shape_end(&p->r, p->e) < 0)
        return -1;
    return p->put->batch ? 0 : finish_record(p, &x);
}

/* The name, or what stands behind the last slash of the ARN. */
static int find_stream(const struct api_text *name, const struct api_text *arn, struct api_text *out,
                       struct api_error *e)
{
    const char *slash = strrchr(arn->s, '/');

    *out = *name;
    if (!name->present && arn->present) {
        if (arn->cut || !slash || strncmp(arn->s, "arn:", 4) != 0)
            return api_shape_broken("'...'", "streamARN",
                                    "Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:.*:stream/.+",
                                    e);
        out->n = strlen(slash + 1);
        memcpy(out->s, slash + 1, out->n + 1);
        out->present = true;
    }
    return api_shape_check_stream_as("streamName", out, e);
}

int api_kinesis_parse(struct api_put *put, bool batch, char *body, size_t n, const struct api_put_origin *origin,
                      struct api_error *e)
{
    struct parse p = {.put = put, .origin = origin, .e = e};
    bool empty;
    int rc = -1;

    *put = (struct api_put){.batch = batch};
    buf_init(&p.plain, n);
    buf_init(&p.key, 4 * KEY_TEXT_MAX + 4);
    buf_init(&p.facts, RECORD_FACTS_MAX);
    if (api_shape_open(&p.r, slice_of(body, n), &empty, e) < 0 || (!empty && read_members(&p) < 0) ||
        find_stream(&p.name, &p.arn, &put->stream, e) < 0)
        goto out;
    if (put->count == 0) {
        api_shape_broken("null", batch ? "records" : "data", "Member must not be null", e);
        goto out;
    }
    rc = 0;
out:
    buf_release(&p.plain);
    buf_release(&p.key);
    buf_release(&p.facts);
    if (rc < 0)
        api_put_release(put);
    return rc;
}

/* --- replies ------------------------------------------------------------------------------------------------------- */

uint64_t api_kinesis_sequence(_Atomic uint64_t *last, nsec wall_now)
{
    uint64_t was = atomic_load_explicit(last, memory_order_relaxed), next;

    do
        next = (uint64_t)wall_now > was ? (uint64_t)wall_now : was + 1;
    while (!atomic_compare_exchange_weak_explicit(last, &was, next, memory_order_relaxed, memory_order_relaxed));
    return next;
}

static int add_place(uint64_t sequence, uint32_t nth, struct buf *out)
{
    return buf_printf(out, "\"SequenceNumber\":\"49%020" PRIu64 "%03" PRIu32 "\",\"ShardId\":\"" SHARD "\"", sequence,
                      nth);
}

static int add_entry(const struct api_put_frame *f, uint64_t sequence, uint32_t nth, struct buf *out)
{
    enum api_code code = f->outcome == API_OUTCOME_FULL ? API_THROTTLED : API_INTERNAL;

    if (buf_add_str(out, nth > 0 ? ",{" : "{") < 0)
        return -1;
    if (f->outcome == API_OUTCOME_SAFE
            ? add_place(sequence, nth, out) < 0
            : buf_printf(out, "\"ErrorCode\":\"%s\",\"ErrorMessage\":\"%s\"", api_error_name(code),
                         code == API_THROTTLED ? API_SLOW_DOWN : FAILING_TEXT) < 0)
        return -1;
    return buf_add_char(out, '}');
}

static int add_batch(const struct api_put *put, uint64_t sequence, uint32_t refused, struct buf *out)
{
    uint32_t nth = 0;

    if (buf_printf(out, "{\"FailedRecordCount\":%" PRIu32 ",\"Records\":[", refused) < 0)
        return -1;
    for (size_t i = 0; i < put->frame_count; i++)
        for (uint32_t k = 0; k < put->frames[i].count; k++, nth++)
            if (add_entry(&put->frames[i], sequence, nth, out) < 0)
                return -1;
    return buf_add_str(out, "],\"EncryptionType\":\"NONE\"}");
}

int api_kinesis_reply(const struct api_put *put, uint64_t sequence, struct buf *out, struct api_error *e)
{
    struct api_put_sum sum = api_put_sum(put);
    int rc;

    if (put->batch)
        rc = add_batch(put, sequence, sum.refused, out);
    else if (sum.refused)
        return sum.why == API_OUTCOME_FULL ? api_error_set(e, API_THROTTLED, API_SLOW_DOWN)
                                           : api_error_set(e, API_INTERNAL, FAILING_TEXT);
    else if ((rc = buf_add_char(out, '{')) == 0 && (rc = add_place(sequence, 0, out)) == 0)
        rc = buf_add_str(out, ",\"EncryptionType\":\"NONE\"}");
    return rc < 0 ? api_error_set(e, API_INTERNAL, "no memory for the reply") : 0;
}

void api_kinesis_error(struct api_error *e)
{
    if (e->code == API_UNAVAILABLE && strcmp(e->message, API_SLOW_DOWN) == 0)
        e->code = API_THROTTLED;
}

/* --- questions ----------------------------------------------------------------------------------------------------- */

/* NULL: *e says why. */
static const struct api_stream *asked_for(const struct api_streams *streams, struct slice body, struct api_error *e)
{
    struct api_text name = {.seen = false}, arn = {.seen = false}, stream;
    const struct api_stream *s;
    struct json_string member;
    struct json_reader r;
    bool empty;
    int rc = 0;

    if (api_shape_open(&r, body, &empty, e) < 0)
        return NULL;
    while (!empty && json_member(&r, &member)) {
        if (json_string_is(member, "StreamName"))
            rc = api_shape_text(&r, "StreamName", &name, e);
        else if (json_string_is(member, "StreamARN"))
            rc = api_shape_text(&r, "StreamARN", &arn, e);
        else
            json_skip(&r);
        if (rc < 0)
            return NULL;
    }
    if ((!empty && api_shape_end(&r, e) < 0) || find_stream(&name, &arn, &stream, e) < 0)
        return NULL;
    s = api_streams_find(streams, stream.s);
    if (!s)
        api_error_set(e, API_NOT_FOUND, "Stream %s under account %s not found.", stream.s, streams->account);
    return s;
}

static int add_shards(struct buf *out)
{
    return buf_add_str(out, "\"Shards\":[{\"ShardId\":\"" SHARD "\",\"HashKeyRange\":{\"StartingHashKey\":\"0\","
                            "\"EndingHashKey\":\"340282366920938463463374607431768211455\"},"
                            "\"SequenceNumberRange\":{\"StartingSequenceNumber\":\"0\"}}]");
}

static int add_summary(const struct api_streams *streams, const struct api_stream *s, struct buf *out)
{
    return buf_printf(out,
                      "\"StreamName\":\"%s\",\"StreamARN\":\"arn:aws:kinesis:%s:%s:stream/%s\",\"StreamStatus\":\"%s\","
                      "\"StreamModeDetails\":{\"StreamMode\":\"PROVISIONED\"},\"RetentionPeriodHours\":24,"
                      "\"StreamCreationTimestamp\":%" PRId64
                      ".%03d,\"EnhancedMonitoring\":[{\"ShardLevelMetrics\":[]}],"
                      "\"EncryptionType\":\"NONE\"",
                      s->name, streams->region, streams->account, s->name, s->deleting ? "DELETING" : "ACTIVE",
                      s->tale.created / NSEC_PER_SEC, (int)(s->tale.created / NSEC_PER_MSEC % 1000));
}

static int no_memory(struct api_error *e)
{
    return api_error_set(e, API_INTERNAL, "no memory for the reply");
}

int api_kinesis_shards(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e)
{
    if (!asked_for(streams, body, e))
        return -1;
    return buf_add_char(out, '{') < 0 || add_shards(out) < 0 || buf_add_char(out, '}') < 0 ? no_memory(e) : 0;
}

int api_kinesis_summary(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e)
{
    const struct api_stream *s = asked_for(streams, body, e);

    if (!s)
        return -1;
    if (buf_add_str(out, "{\"StreamDescriptionSummary\":{") < 0 || add_summary(streams, s, out) < 0 ||
        buf_add_str(out, ",\"OpenShardCount\":1,\"ConsumerCount\":0}}") < 0)
        return no_memory(e);
    return 0;
}

int api_kinesis_describe(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e)
{
    const struct api_stream *s = asked_for(streams, body, e);

    if (!s)
        return -1;
    if (buf_add_str(out, "{\"StreamDescription\":{") < 0 || add_summary(streams, s, out) < 0 ||
        buf_add_char(out, ',') < 0 || add_shards(out) < 0 || buf_add_str(out, ",\"HasMoreShards\":false}}") < 0)
        return no_memory(e);
    return 0;
}
