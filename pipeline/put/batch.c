/* Records lie end to end in one buffer, with the end of each in a table. A reply has one entry for each record, in
 * their order: those that were taken are cut out of the buffer and the table, and what is left is the next request.
 * A reply that does not fit the request takes nothing out. */
#include "pipeline/put/batch.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void put_batch_init(struct put_batch *b)
{
    b->count = 0;
    buf_init(&b->data, PUT_BATCH_MAX_BYTES);
}

void put_batch_release(struct put_batch *b)
{
    buf_release(&b->data);
    b->count = 0;
}

bool put_batch_add(struct put_batch *b, struct slice rec, uint64_t tag)
{
    assert(rec.n <= API_RECORD_MAX);
    if (b->count == PUT_BATCH_MAX_RECORDS || buf_add_slice(&b->data, rec) < 0)
        return false;
    b->tags[b->count] = tag;
    b->ends[b->count++] = b->data.n;
    return true;
}

int put_batch_body(const struct put_batch *b, const char *stream, struct buf *out)
{
    if (buf_add_str(out, "{\"DeliveryStreamName\":") < 0 || json_quote(slice_str(stream), out) < 0 ||
        buf_add_str(out, ",\"Records\":[") < 0)
        return -1;
    for (size_t i = 0; i < b->count; i++) {
        size_t begin = i ? b->ends[i - 1] : 0;
        struct slice rec = slice_of(b->data.p + begin, b->ends[i] - begin);
        size_t n = base64_encoded_length(rec.n);

        if (buf_add_str(out, i ? ",{\"Data\":\"" : "{\"Data\":\"") < 0 || buf_reserve(out, n) < 0)
            return -1;
        base64_encode(rec, out->p + out->n);
        out->n += n;
        if (buf_add_str(out, "\"}") < 0)
            return -1;
    }
    return buf_add_str(out, "]}");
}

/* --- replies ------------------------------------------------------------------------------------------------------ */

/* A code and a message of AWS's, cut to what a line of text can hold. */
struct fault {
    char code[96], message[256];
};

static void copy_text(struct json_reader *r, char *out, size_t size)
{
    struct json_string s = {0};
    struct buf plain;

    if (json_peek(r) != JSON_STRING) {
        json_skip(r);
        return;
    }
    if (!json_string(r, &s))
        return;
    buf_init(&plain, 6 * KIB);
    if (json_unescape(s, &plain) == 0)
        snprintf(out, size, "%.*s", (int)plain.n, plain.n ? plain.p : "");
    buf_release(&plain);
}

/* An error's body, or an entry of RequestResponses; both are flat objects. False when it is none. */
static bool read_fault(struct json_reader *r, struct fault *f)
{
    struct json_string key;

    *f = (struct fault){.code = ""};
    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return false;
    while (json_member(r, &key)) {
        if (json_string_is(key, "__type") || json_string_is(key, "ErrorCode"))
            copy_text(r, f->code, sizeof(f->code));
        else if (json_string_is(key, "message") || json_string_is(key, "Message") ||
                 json_string_is(key, "ErrorMessage"))
            copy_text(r, f->message, sizeof(f->message));
        else
            json_skip(r);
    }
    return !r->error;
}

/* Some servers write "com.amazonaws.firehose#Code". */
static void say(struct put_result *result, const struct fault *f)
{
    const char *hash = strrchr(f->code, '#');

    snprintf(result->why, sizeof(result->why), "%s: %s", hash ? hash + 1 : f->code, f->message);
}

static enum put_verdict judge_error(long status, struct slice reply, struct put_result *result)
{
    struct json_reader r;
    struct fault f;
    bool later = status >= 500 || status == 429 || status == 408;

    json_open(&r, reply, PUT_JSON_DEPTH);
    if (!read_fault(&r, &f) || !f.code[0]) {
        snprintf(result->why, sizeof(result->why), "the answer is HTTP %ld and not one of the Firehose API", status);
    } else {
        say(result, &f);
        later = later || strstr(f.code, "Throttling");
    }
    return later ? PUT_AGAIN : PUT_REFUSED;
}

/* The entries stand in the order of the records. `failed` has one flag for each. */
static bool read_entries(struct json_reader *r, size_t count, bool *failed, struct put_result *result)
{
    struct fault f;
    size_t n = 0;

    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return false;
    while (json_element(r)) {
        if (n == count || !read_fault(r, &f))
            return false;
        failed[n] = f.code[0] != '\0';
        if (failed[n++])
            say(result, &f);
    }
    return !r->error && n == count;
}

static bool read_reply(struct slice reply, size_t count, bool *failed, struct put_result *result)
{
    struct json_reader r;
    struct json_string key;
    bool seen = false;

    json_open(&r, reply, PUT_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return false;
    while (json_member(&r, &key)) {
        if (!json_string_is(key, "RequestResponses"))
            json_skip(&r);
        else if (seen || !read_entries(&r, count, failed, result))
            return false;
        else
            seen = true;
    }
    return json_end(&r) && seen;
}

static void take_out(struct put_batch *b, const bool *failed, struct put_result *result)
{
    size_t kept = 0, bytes = 0, begin = 0;

    for (size_t i = 0; i < b->count; i++) {
        size_t n = b->ends[i] - begin;

        if (failed[i]) {
            memmove(b->data.p + bytes, b->data.p + begin, n);
            begin = b->ends[i]; /* before it may be written over */
            bytes += n;
            b->tags[kept] = b->tags[i];
            b->ends[kept++] = bytes;
        } else {
            begin = b->ends[i];
            result->taken++;
            result->taken_bytes += n;
        }
    }
    b->count = kept;
    b->data.n = bytes;
}

enum put_verdict put_batch_judge(struct put_batch *b, long status, struct slice reply, struct put_result *result)
{
    bool failed[PUT_BATCH_MAX_RECORDS];

    *result = (struct put_result){.taken = 0};
    if (status != 200)
        return judge_error(status, reply, result);
    if (!read_reply(reply, b->count, failed, result)) {
        snprintf(result->why, sizeof(result->why), "the answer to PutRecordBatch is not one of the Firehose API");
        return PUT_REFUSED;
    }
    take_out(b, failed, result);
    return b->count ? PUT_AGAIN : PUT_DONE;
}
