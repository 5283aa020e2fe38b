#include "pipeline/redrive/line.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#define MILLISECONDS_MAX (INT64_MAX / NSEC_PER_MSEC)

/* What was found, undecoded. */
struct found {
    struct json_string data, code;
    bool has_data, has_code, has_attempts;
    nsec ended;
};

/* A number that is no time says nothing. */
static bool read_milliseconds(struct json_reader *r, nsec *out)
{
    struct slice digits;
    int64_t ms = 0;

    if (!json_number(r, &digits))
        return false;
    for (size_t i = 0; i < digits.n && digits.p[i] >= '0' && digits.p[i] <= '9' && ms < MILLISECONDS_MAX / 10; i++)
        ms = ms * 10 + (digits.p[i] - '0');
    *out = ms * NSEC_PER_MSEC;
    return true;
}

static int decode(const struct found *f, struct buf *scratch, struct redrive_line *out, struct err *e)
{
    size_t code;
    long n;

    buf_clear(scratch);
    if ((f->has_code && json_unescape(f->code, scratch) < 0) ||
        buf_reserve(scratch, base64_decoded_max(f->data.raw.n) + BASE64_SLACK) < 0)
        return err_set(e, ERR_LIMIT, "the line is too long");
    code = scratch->n;
    n = f->data.escaped ? -1 : base64_decode(f->data.raw, scratch->p + code);
    if (n < 0)
        return err_set(e, ERR_FORMAT, "rawData is not base64");
    if ((uint64_t)n > API_RECORD_MAX)
        return err_set(
            e, ERR_FORMAT,
            "rawData has %ld bytes, and the API takes no record of over %llu: it can be put back only by what "
            "it came from",
            n, API_RECORD_MAX);
    scratch->n += (size_t)n;
    out->code = slice_of(scratch->p, code);
    out->data = slice_of(scratch->p + code, (size_t)n);
    out->ended = f->ended;
    return 0;
}

int redrive_line_read(struct slice line, struct buf *scratch, struct redrive_line *out, struct err *e)
{
    struct found f = {.ended = 0};
    struct json_string key;
    struct json_reader r;

    json_open(&r, line, REDRIVE_LINE_DEPTH);
    if (json_enter(&r))
        while (json_member(&r, &key)) {
            bool code = json_string_is(key, "errorCode") || json_string_is(key, "ErrorCode") ||
                        json_string_is(key, "lastErrorCode");

            f.has_attempts |= json_string_is(key, "attemptsMade");
            if (json_string_is(key, "rawData"))
                f.has_data = json_string(&r, &f.data);
            else if (code && json_peek(&r) == JSON_STRING)
                f.has_code = json_string(&r, &f.code);
            else if (json_string_is(key, "attemptEndingTimestamp") && json_peek(&r) == JSON_NUMBER)
                (void)!read_milliseconds(&r, &f.ended);
            else
                json_skip(&r);
        }

    if (!json_end(&r))
        return err_set(e, ERR_FORMAT, "not JSON: %s at byte %zu", r.error ? r.error : "something behind its end",
                       json_offset(&r) + 1);
    if (!f.has_data || !f.has_attempts)
        return err_set(e, ERR_FORMAT, "no error line: it has no %s", f.has_data ? "attemptsMade" : "rawData");
    return decode(&f, scratch, out, e);
}
