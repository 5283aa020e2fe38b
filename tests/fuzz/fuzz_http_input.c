/* fuzz_http_input.c -- what anybody may post to the input http: no crash, and no record that is not in the body.
 *
 *     l n a d BODY     lines, one JSON document a line, a JSON array, any document
 *     f BODY           Firehose's protocol, with the id "r"
 *     c HEADER         its common attributes
 */
#include "pipeline/inputs/http/bodies.h"
#include "pipeline/inputs/http/firehose.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

struct seen {
    struct slice body;
    size_t bytes;
    bool json;
};

static int within(void *ctx, struct slice record)
{
    struct seen *s = ctx;

    check(record.n == 0 || (record.p >= s->body.p && record.p + record.n <= s->body.p + s->body.n));
    check(!s->json || json_valid(record, PUSH_JSON_DEPTH));
    s->bytes += record.n;
    return 0;
}

static int decoded(void *ctx, struct slice record)
{
    struct seen *s = ctx;

    s->bytes += record.n;
    return 0;
}

static void attribute(void *ctx, struct slice name, struct slice value)
{
    struct seen *s = ctx;

    s->bytes += name.n + value.n;
}

static void split(enum http_body how, struct slice body)
{
    struct seen s = {.body = body, .json = how != HTTP_BODY_LINES};
    struct err e = {.msg = ""};

    if (http_body_split(how, body, within, &s, &e) < 0)
        check(e.msg[0] != '\0');
    check(s.bytes <= body.n);
}

static void firehose(struct slice body)
{
    struct seen s = {.bytes = 0};
    char *copy = mem_strndup(body.n ? body.p : "", body.n);
    struct err e = {.msg = ""};

    if (http_firehose_read(slice_of(copy, body.n), "r", decoded, &s, &e) < 0)
        check(e.msg[0] != '\0');
    check(s.bytes <= body.n);
    mem_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = size > 0 ? slice_of((const char *)data + 1, size - 1) : SLICE("");
    struct seen s = {.bytes = 0};
    struct buf scratch;

    switch (size > 0 ? data[0] : 0) {
    case 'l':
        split(HTTP_BODY_LINES, rest);
        break;
    case 'n':
        split(HTTP_BODY_NDJSON, rest);
        break;
    case 'a':
        split(HTTP_BODY_ARRAY, rest);
        break;
    case 'd':
        split(HTTP_BODY_DOCUMENT, rest);
        break;
    case 'f':
        firehose(rest);
        break;
    case 'c':
        buf_init(&scratch, 4096);
        if (http_firehose_attributes(rest, &scratch, attribute, &s) == 0)
            check(s.bytes <= rest.n);
        buf_release(&scratch);
        break;
    default:
        break;
    }
    return 0;
}
