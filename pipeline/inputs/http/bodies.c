#include "pipeline/inputs/http/bodies.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <string.h>
#include <strings.h>

enum http_body http_body_of_type(const char *type)
{
    static const char *const lines[] = {"application/x-ndjson", "application/ndjson", "application/jsonl",
                                        "application/x-jsonlines", "application/json-lines"};
    size_t n = type ? strcspn(type, "; \t") : 0; /* without its parameters */

    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (n == strlen(lines[i]) && strncasecmp(type, lines[i], n) == 0)
            return HTTP_BODY_NDJSON;
    if (n == 16 && strncasecmp(type, "application/json", n) == 0)
        return HTTP_BODY_DOCUMENT;
    return n > 5 && strncasecmp(type, "text/", 5) == 0 ? HTTP_BODY_LINES : HTTP_BODY_RECORD;
}

/* Takes the next line off `rest`. False: there is none. */
static bool next_line(struct slice *rest, struct slice *line)
{
    const char *newline;

    if (rest->n == 0)
        return false;
    newline = memchr(rest->p, '\n', rest->n);
    *line = slice_of(rest->p, newline ? (size_t)(newline - rest->p) : rest->n);
    *rest = slice_from(*rest, line->n + (newline != NULL));
    return true;
}

static int split_lines(struct slice rest, int (*each)(void *ctx, struct slice record), void *ctx)
{
    struct slice line;

    while (next_line(&rest, &line))
        if (each(ctx, line) < 0)
            return -1;
    return 0;
}

static int split_ndjson(struct slice rest, int (*each)(void *ctx, struct slice record), void *ctx, struct err *e)
{
    struct json_reader r;
    struct slice line;
    size_t number = 0;

    while (next_line(&rest, &line)) {
        number++;
        line = slice_trim(line);
        if (line.n == 0)
            continue;
        json_open(&r, line, PUSH_JSON_DEPTH);
        json_skip(&r);
        if (!json_end(&r))
            return err_set(e, ERR_FORMAT, "line %zu is no JSON: %s at byte %zu", number, r.error, json_offset(&r));
        if (each(ctx, line) < 0)
            return -1;
    }
    return 0;
}

static int split_document(struct slice body, bool array, int (*each)(void *ctx, struct slice record), void *ctx,
                          struct err *e)
{
    struct json_reader r;
    struct slice value;
    bool is_array;

    json_open(&r, body, PUSH_JSON_DEPTH);
    is_array = json_peek(&r) == JSON_ARRAY;
    if (array && !is_array && !r.error)
        return err_set(e, ERR_FORMAT, "the body is no JSON array");
    if (!is_array && json_value(&r, &value) && json_end(&r))
        return each(ctx, value);
    if (is_array && json_enter(&r))
        while (json_element(&r))
            if (json_value(&r, &value) && each(ctx, value) < 0)
                return -1;
    return json_end(&r) ? 0 : err_set(e, ERR_FORMAT, "the body is no JSON: %s at byte %zu", r.error, json_offset(&r));
}

int http_body_split(enum http_body how, struct slice body, int (*each)(void *ctx, struct slice record), void *ctx,
                    struct err *e)
{
    switch (how) {
    case HTTP_BODY_LINES:
        return split_lines(body, each, ctx);
    case HTTP_BODY_NDJSON:
        return split_ndjson(body, each, ctx, e);
    case HTTP_BODY_ARRAY:
    case HTTP_BODY_DOCUMENT:
        return split_document(body, how == HTTP_BODY_ARRAY, each, ctx, e);
    case HTTP_BODY_AUTO:
    case HTTP_BODY_RECORD:
    case HTTP_BODY_FIREHOSE:
        break;
    }
    return each(ctx, body);
}
