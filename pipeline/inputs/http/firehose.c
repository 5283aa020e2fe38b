#include "pipeline/inputs/http/firehose.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define CHUNK 4096 /* characters of base64 that are decoded at a time */

/* Base64 has no need of escapes, but a writer may have some: "\\/", "\\u002b". Undone where they stand; what is decoded is never longer. -1: one
 * that no base64 has. */
static int undo_escapes(struct json_string s, struct slice *out)
{
    char *to = (char *)(uintptr_t)s.raw.p;
    const char *p = s.raw.p, *end = p + s.raw.n;

    *out = s.raw;
    if (!s.escaped)
        return 0;
    while (p < end) {
        if (*p != '\\') {
            *to++ = *p++;
        } else if (end - p >= 2 && p[1] == '/') {
            *to++ = '/';
            p += 2;
        } else if (end - p >= 6 && p[1] == 'u' && p[2] == '0' && p[3] == '0' && hex_digit(p[4]) >= 0 &&
                   hex_digit(p[5]) >= 0) {
            *to++ = (char)(hex_digit(p[4]) * 16 + hex_digit(p[5]));
            p += 6;
        } else {
            return -1;
        }
    }
    out->n = (size_t)(to - s.raw.p);
    return 0;
}

/* Where it stands, so that no more memory is needed: a piece at a time, each of which is shorter than what it was. */
static int decode(struct slice coded, struct slice *record)
{
    char *to = (char *)(uintptr_t)coded.p;
    char piece[CHUNK / 4 * 3 + BASE64_SLACK];

    *record = slice_of(coded.p, 0);
    while (coded.n > 0) {
        struct slice some = slice_of(coded.p, coded.n < CHUNK ? coded.n : CHUNK);
        long n = base64_decode(some, piece);

        coded = slice_from(coded, some.n);
        if (n < 0 || (coded.n > 0 && n != CHUNK / 4 * 3)) /* padding in the middle */
            return -1;
        memcpy(to, piece, (size_t)n);
        to += n;
        record->n += (size_t)n;
    }
    return 0;
}

/* The member `data` of the record that is next. -1: not there, there twice, or no base64. */
static int read_record(struct json_reader *r, struct slice *record)
{
    struct json_string key, s;
    struct slice coded = {NULL, 0};
    bool found = false;

    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return -1;
    while (json_member(r, &key)) {
        if (!json_string_is(key, "data")) {
            json_skip(r);
            continue;
        }
        if (found || json_peek(r) != JSON_STRING || !json_string(r, &s) || undo_escapes(s, &coded) < 0)
            return -1;
        found = true;
    }
    return found && !r->error ? decode(coded, record) : -1;
}

static int read_records(struct json_reader *r, int (*each)(void *ctx, struct slice record), void *ctx, struct err *e)
{
    struct slice record;
    size_t number = 0;

    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return err_set(e, ERR_FORMAT, "`records` is no list");
    while (json_element(r)) {
        number++;
        if (read_record(r, &record) < 0)
            return r->error ? 0 : err_set(e, ERR_FORMAT, "record %zu is no {\"data\": base64}", number);
        if (each(ctx, record) < 0)
            return -1;
    }
    return 0;
}

int http_firehose_read(struct slice body, const char *id, int (*each)(void *ctx, struct slice record), void *ctx,
                       struct err *e)
{
    struct json_reader r;
    struct json_string key, s;
    bool has_records = false, has_id = false;

    json_open(&r, body, PUSH_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return err_set(e, ERR_FORMAT, "the body is no JSON object");
    while (json_member(&r, &key)) {
        if (json_string_is(key, "records")) {
            if (has_records)
                return err_set(e, ERR_FORMAT, "`records` is there twice");
            has_records = true;
            if (read_records(&r, each, ctx, e) < 0)
                return -1;
        } else if (json_string_is(key, "requestId")) {
            if (json_peek(&r) != JSON_STRING || !json_string(&r, &s) || !json_string_is(s, id))
                return err_set(e, ERR_FORMAT, "`requestId` is not what X-Amz-Firehose-Request-Id says");
            has_id = true;
        } else {
            json_skip(&r);
        }
    }
    if (!json_end(&r))
        return err_set(e, ERR_FORMAT, "the body is no JSON: %s at byte %zu", r.error, json_offset(&r));
    if (!has_records || !has_id)
        return err_set(e, ERR_FORMAT, "the body has no `%s`", has_records ? "requestId" : "records");
    return 0;
}

int http_firehose_attributes(struct slice header, struct buf *scratch,
                             void (*each)(void *ctx, struct slice name, struct slice value), void *ctx)
{
    struct json_string key, value;
    struct json_reader r;

    json_open(&r, header, PUSH_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return -1;
    while (json_member(&r, &key)) {
        if (!json_string_is(key, "commonAttributes") || json_peek(&r) != JSON_OBJECT) {
            json_skip(&r);
            continue;
        }
        json_enter(&r);
        while (json_member(&r, &key)) {
            size_t n;

            if (json_peek(&r) != JSON_STRING || !json_string(&r, &value)) {
                json_skip(&r);
                continue;
            }
            buf_clear(scratch);
            if (json_unescape(key, scratch) < 0)
                return -1;
            n = scratch->n;
            if (json_unescape(value, scratch) < 0)
                return -1;
            each(ctx, slice_of(scratch->p, n), slice_of(scratch->p + n, scratch->n - n));
        }
    }
    return json_end(&r) ? 0 : -1;
}

int http_firehose_reply(const char *id, nsec wall_now, const char *error, struct buf *out)
{
    if (buf_add_str(out, "{\"requestId\":") < 0 || json_quote(slice_str(id), out) < 0 ||
        buf_printf(out, ",\"timestamp\":%" PRId64, (int64_t)(wall_now / NSEC_PER_MSEC)) < 0)
        return -1;
    if (error && (buf_add_str(out, ",\"errorMessage\":") < 0 || json_quote(slice_str(error), out) < 0))
        return -1;
    return buf_add_char(out, '}');
}
