#include "pipeline/inputs/kinesis/call.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_FIRST 64
#define BEHIND_MAX    1000000000000 /* ms: as nanoseconds it is still a time */

const struct aws_json_service kinesis_service = {.name = "kinesis", .prefix = "Kinesis_20131202", .version = "1.1"};

const char *kinesis_operation_name(enum kinesis_operation op)
{
    static const char *const NAMES[] = {
        [KINESIS_LIST] = "ListShards", [KINESIS_ITERATOR] = "GetShardIterator", [KINESIS_RECORDS] = "GetRecords"};

    return NAMES[op];
}

const char *kinesis_hint(const char *code)
{
    if (strstr(code, "ResourceNotFound"))
        return "there is no such stream in this region and account, or it was deleted: look at stream and region. When "
               "it is "
               "made again, all of the new one is read";
    if (strstr(code, "KMS"))
        return "the stream is encrypted: the keys need kms:Decrypt for its key, and the key has to be enabled";
    if (strstr(code, "AccessDenied"))
        return "the keys may not do this: allow kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords on "
               "the stream (and kms:Decrypt for an encrypted one)";
    if (strstr(code, "InvalidArgument"))
        return "what the service says tells which argument it is; a `start` in the future is one";
    return NULL;
}

/* --- requests ------------------------------------------------------------------------------------------------------ */

static int add_stream(const char *stream, struct buf *out)
{
    const char *member = strncmp(stream, "arn:", 4) == 0 ? "StreamARN" : "StreamName";

    return buf_printf(out, "\"%s\":", member) < 0 ? -1 : json_quote(slice_str(stream), out);
}

int kinesis_list_text(const char *stream, struct slice next, struct buf *out)
{
    if (buf_add_char(out, '{') < 0)
        return -1;
    if (next.n == 0) {
        if (add_stream(stream, out) < 0)
            return -1;
    } else if (buf_add_str(out, "\"NextToken\":") < 0 || json_quote(next, out) < 0) {
        return -1;
    }
    return buf_add_char(out, '}');
}

static int add_place(const struct place *p, struct buf *out)
{
    switch (p->kind) {
    case PLACE_NONE:
    case PLACE_START:
    case PLACE_END:
        break;
    case PLACE_TIME:
        return buf_printf(out, "\"AT_TIMESTAMP\",\"Timestamp\":%" PRId64 ".%03d", p->ms / 1000, (int)(p->ms % 1000));
    case PLACE_AFTER:
        return buf_printf(out, "\"AFTER_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"%s\"", p->sequence);
    case PLACE_WITHIN:
        return buf_printf(out, "\"AT_SEQUENCE_NUMBER\",\"StartingSequenceNumber\":\"%s\"", p->sequence);
    }
    return buf_add_str(out, "\"TRIM_HORIZON\"");
}

int kinesis_iterator_text(const char *stream, const char *shard, const struct place *p, struct buf *out)
{
    if (buf_add_char(out, '{') < 0 || add_stream(stream, out) < 0 || buf_add_str(out, ",\"ShardId\":") < 0 ||
        json_quote(slice_str(shard), out) < 0 || buf_add_str(out, ",\"ShardIteratorType\":") < 0 ||
        add_place(p, out) < 0)
        return -1;
    return buf_add_char(out, '}');
}

/* Of a stream that is given by name the iterator says enough. */
int kinesis_records_text(const char *stream, const char *iterator, unsigned limit, struct buf *out)
{
    if (buf_add_char(out, '{') < 0)
        return -1;
    if (strncmp(stream, "arn:", 4) == 0 && (add_stream(stream, out) < 0 || buf_add_char(out, ',') < 0))
        return -1;
    if (buf_add_str(out, "\"ShardIterator\":") < 0 || json_quote(slice_str(iterator), out) < 0 ||
        buf_printf(out, ",\"Limit\":%u", limit) < 0)
        return -1;
    return buf_add_char(out, '}');
}

/* --- answers ------------------------------------------------------------------------------------------------------- */

static int refuse(const struct json_reader *r, struct err *e)
{
    if (r->error)
        return err_set(e, ERR_FORMAT, "the answer is no JSON: %s at byte %zu", r->error, json_offset(r));
    return err_set(e, ERR_FORMAT, "the answer is not what Kinesis answers (at byte %zu)", json_offset(r));
}

/* It is sent back as it came: so it is printable, but for the line breaks that some servers' base64 has, and bounded with its escapes. */
static bool is_token(struct slice s)
{
    size_t quoted = s.n;

    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] < ' ' && s.p[i] != '\n') || s.p[i] > '~')
            return false;
        quoted += s.p[i] == '\n' ? 5 : s.p[i] == '"' || s.p[i] == '\\';
    }
    return quoted <= KINESIS_TOKEN_MAX;
}

static bool take_token(struct json_reader *r, struct buf *out)
{
    struct json_string s;

    buf_clear(out);
    if (json_peek(r) == JSON_NULL)
        return json_skip(r);
    return json_string(r, &s) && json_unescape(s, out) == 0 && is_token(buf_slice(out));
}

/* Ids and sequence numbers are made of letters that need no escape. */
static bool take_word(struct json_reader *r, struct slice *out)
{
    struct json_string s;

    if (json_peek(r) == JSON_NULL) {
        json_skip(r);
        return true;
    }
    if (!json_string(r, &s) || s.escaped)
        return false;
    *out = s.raw;
    return true;
}

static bool is_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n <= SHARD_ID_MAX;
}

static bool take_range(struct json_reader *r, struct shard_description *d)
{
    struct slice last = SLICE("");
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "StartingSequenceNumber"))
            fine = take_word(r, &d->first);
        else if (json_string_is(key, "EndingSequenceNumber"))
            fine = take_word(r, &last);
        else
            json_skip(r);
    }
    d->closed = last.n > 0;
    return fine && !r->error && (d->first.n == 0 || is_sequence(d->first));
}

static bool is_hash_key(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n <= HASH_KEY_MAX;
}

/* Nothing here depends on them: others read them out of the leases. So what is no range is none. */
static bool take_hashes(struct json_reader *r, struct shard_description *d)
{
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "StartingHashKey"))
            fine = take_word(r, &d->hashes[0]);
        else if (json_string_is(key, "EndingHashKey"))
            fine = take_word(r, &d->hashes[1]);
        else
            json_skip(r);
    }
    if (!is_hash_key(d->hashes[0]) || !is_hash_key(d->hashes[1]))
        d->hashes[0] = d->hashes[1] = SLICE("");
    return fine && !r->error;
}

static bool take_shard(struct json_reader *r, struct shard_description *d)
{
    struct json_string key;
    bool fine = json_peek(r) == JSON_OBJECT && json_enter(r);

    *d = (struct shard_description){.id = SLICE("")};
    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "ShardId"))
            fine = take_word(r, &d->id);
        else if (json_string_is(key, "ParentShardId"))
            fine = take_word(r, &d->parents[0]);
        else if (json_string_is(key, "AdjacentParentShardId"))
            fine = take_word(r, &d->parents[1]);
        else if (json_string_is(key, "SequenceNumberRange") && json_peek(r) == JSON_OBJECT)
            fine = take_range(r, d);
        else if (json_string_is(key, "HashKeyRange") && json_peek(r) == JSON_OBJECT)
            fine = take_hashes(r, d);
        else
            json_skip(r);
    }
    return fine && !r->error && d->id.n > 0 && is_id(d->id) && is_id(d->parents[0]) && is_id(d->parents[1]);
}

static bool take_shards(struct json_reader *r, void (*each)(void *ctx, const struct shard_description *d), void *ctx)
{
    struct shard_description d;

    if (json_peek(r) == JSON_NULL)
        return json_skip(r);
    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return false;
    while (json_element(r)) {
        if (!take_shard(r, &d))
            return false;
        each(ctx, &d);
    }
    return !r->error;
}

static bool open_object(struct json_reader *r, struct slice answer)
{
    json_open(r, answer, ANSWER_JSON_DEPTH);
    return json_peek(r) == JSON_OBJECT && json_enter(r);
}

int kinesis_list_read(struct slice answer, void (*each)(void *ctx, const struct shard_description *d), void *ctx,
                      struct buf *token, struct err *e)
{
    struct json_string key;
    struct json_reader r;
    bool fine = open_object(&r, answer), seen = false;

    buf_clear(token);
    while (fine && json_member(&r, &key)) {
        if (json_string_is(key, "Shards"))
            fine = seen = take_shards(&r, each, ctx);
        else if (json_string_is(key, "NextToken"))
            fine = take_token(&r, token);
        else
            json_skip(&r);
    }
    return fine && seen && json_end(&r) ? 0 : refuse(&r, e);
}

int kinesis_iterator_read(struct slice answer, struct buf *iterator, struct err *e)
{
    struct json_string key;
    struct json_reader r;
    bool fine = open_object(&r, answer);

    buf_clear(iterator);
    while (fine && json_member(&r, &key)) {
        if (json_string_is(key, "ShardIterator"))
            fine = take_token(&r, iterator);
        else
            json_skip(&r);
    }
    return fine && iterator->n > 0 && json_end(&r) ? 0 : refuse(&r, e);
}

/* --- records ------------------------------------------------------------------------------------------------------- */

void kinesis_answer_init(struct kinesis_answer *a)
{
    *a = (struct kinesis_answer){.n = 0};
    buf_init(&a->text, 2 * KINESIS_TOKEN_MAX);
}

void kinesis_answer_release(struct kinesis_answer *a)
{
    MEM_CLEAR(a->records);
    a->n = a->room = 0;
    buf_release(&a->text);
}

/* Seconds since 1970, as 1.7E9 or 1700000000.123. What is no time is none. */
static int64_t to_ms(struct slice digits)
{
    char text[40];
    double seconds;

    if (digits.n == 0 || digits.n >= sizeof(text))
        return -1;
    memcpy(text, digits.p, digits.n);
    text[digits.n] = '\0';
    seconds = strtod(text, NULL);
    return seconds >= 0 && seconds < 1e12 ? (int64_t)llround(seconds * 1000) : -1;
}

static bool take_record(struct json_reader *r, struct kinesis_record *x)
{
    bool fine = json_peek(r) == JSON_OBJECT && json_enter(r), has_data = false;
    struct json_string key;
    struct slice digits;

    *x = (struct kinesis_record){.arrived_ms = -1};
    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "Data")) {
            fine = has_data = json_string(r, &x->data);
        } else if (json_string_is(key, "PartitionKey") && json_peek(r) == JSON_STRING) {
            fine = x->has_key = json_string(r, &x->key);
        } else if (json_string_is(key, "SequenceNumber")) {
            fine = take_word(r, &x->sequence);
        } else if (json_string_is(key, "ApproximateArrivalTimestamp") && json_peek(r) == JSON_NUMBER) {
            fine = json_number(r, &digits);
            x->arrived_ms = to_ms(digits);
        } else {
            json_skip(r);
        }
    }
    return fine && !r->error && has_data && is_sequence(x->sequence);
}

static bool take_records(struct json_reader *r, struct kinesis_answer *a)
{
    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return false;
    while (json_element(r)) {
        if (a->n == KINESIS_RECORDS_MAX)
            return false;
        if (a->n == a->room) {
            a->room = a->room ? 2 * a->room : RECORDS_FIRST;
            a->records = mem_grow(a->records, a->room, sizeof(*a->records));
        }
        if (!take_record(r, &a->records[a->n]))
            return false;
        a->n++;
    }
    return !r->error;
}

static bool take_behind(struct json_reader *r, struct kinesis_answer *a)
{
    struct slice digits;
    int64_t v = 0;

    if (!json_number(r, &digits))
        return false;
    for (size_t i = 0; i < digits.n && digits.p[i] >= '0' && digits.p[i] <= '9' && v < BEHIND_MAX; i++)
        v = v * 10 + (digits.p[i] - '0');
    a->behind_ms = v < BEHIND_MAX ? v : BEHIND_MAX;
    return true;
}

/* They are named at the end of a shard; which they are a listing says. */
static bool take_children(struct json_reader *r, struct kinesis_answer *a)
{
    if (json_peek(r) != JSON_ARRAY)
        return json_skip(r);
    if (!json_enter(r))
        return false;
    for (; json_element(r); json_skip(r))
        a->has_children = true;
    return !r->error;
}

int kinesis_answer_read(struct kinesis_answer *a, struct slice answer, struct err *e)
{
    struct json_string key;
    struct json_reader r;
    bool fine = open_object(&r, answer), seen = false;

    a->n = 0;
    a->behind_ms = 0;
    a->has_children = false;
    buf_clear(&a->text);
    while (fine && json_member(&r, &key)) {
        if (json_string_is(key, "Records"))
            fine = seen = take_records(&r, a);
        else if (json_string_is(key, "NextShardIterator"))
            fine = take_token(&r, &a->text);
        else if (json_string_is(key, "ChildShards"))
            fine = take_children(&r, a);
        else if (json_string_is(key, "MillisBehindLatest") && json_peek(&r) == JSON_NUMBER)
            fine = take_behind(&r, a);
        else
            json_skip(&r);
    }
    a->next = buf_slice(&a->text);
    if (fine && seen && json_end(&r))
        return 0;
    a->n = 0;
    return refuse(&r, e);
}

int kinesis_data(const struct kinesis_record *x, struct buf *scratch, struct buf *out)
{
    struct slice coded = x->data.raw;
    long n;

    if (x->data.escaped) {
        buf_clear(scratch);
        if (json_unescape(x->data, scratch) < 0)
            return -1;
        coded = buf_slice(scratch);
    }
    if (buf_reserve(out, base64_decoded_max(coded.n) + BASE64_SLACK) < 0)
        return -1;
    n = base64_decode(coded, out->p + out->n);
    if (n < 0)
        return -1;
    out->n += (size_t)n;
    return 0;
}
