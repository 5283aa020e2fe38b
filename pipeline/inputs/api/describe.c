/* Replies are written as AWS writes them, member by member, because clients look into them. */
#include "pipeline/inputs/api/describe.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/api/arguments.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 10
#define LIMIT_MIN    1
#define LIMIT_MAX    10000
#define TAGS_MAX     50

static int compare(const void *name, const void *stream)
{
    return strcmp(name, (*(struct api_stream *const *)stream)->name);
}

const struct api_stream *api_streams_find(const struct api_streams *streams, const char *name)
{
    struct api_stream **found = streams->n ? bsearch(name, streams->v, streams->n, sizeof(*streams->v), compare) : NULL;

    return found ? *found : NULL;
}

int api_streams_missing(const struct api_streams *streams, const char *name, struct api_error *e)
{
    return api_error_set(e, API_NOT_FOUND, "Firehose %s under account %s not found.", name, streams->account);
}

static int no_memory(struct api_error *e)
{
    return api_error_set(e, API_INTERNAL, "no memory for the reply");
}

static int add_description(struct buf *out, const struct api_streams *streams, const struct api_stream *s)
{
    const struct input_tale *t = &s->tale;

    if (buf_add_str(out, "{\"DeliveryStreamDescription\":{") < 0 ||
        json_quote_member("DeliveryStreamName", s->name, out) < 0 ||
        buf_printf(out, "\"DeliveryStreamARN\":\"arn:aws:firehose:%s:%s:deliverystream/%s\"", streams->region,
                   streams->account, s->name) < 0)
        return -1;
    if (buf_printf(out,
                   ",\"DeliveryStreamStatus\":\"%s\",\"DeliveryStreamType\":\"DirectPut\",\"VersionId\":\"%" PRIu32
                   "\",\"CreateTimestamp\":%" PRId64 ".%03" PRId64,
                   s->deleting ? "DELETING" : "ACTIVE", t->version(t->ctx), t->created / NSEC_PER_SEC,
                   t->created / NSEC_PER_MSEC % 1000) < 0)
        return -1;
    if (buf_add_str(out, ",\"DeliveryStreamEncryptionConfiguration\":{\"Status\":\"DISABLED\"},\"Destinations\":[") < 0)
        return -1;
    for (size_t i = 0; i < t->destinations(t->ctx); i++)
        if (buf_printf(out, "%s{\"DestinationId\":\"destinationId-%012zu\"", i > 0 ? "," : "", i + 1) < 0 ||
            t->add_destination(t->ctx, i, streams->region, streams->account, out) < 0 || buf_add_char(out, '}') < 0)
            return -1;
    return buf_add_str(out, "],\"HasMoreDestinations\":false}}");
}

struct question {
    struct api_text name, type;
    struct api_number limit;
};

/* They ask with a stream's name, a limit and little else. */
static int read_question(struct slice body, const char *name_member, int64_t limit_max, struct question *q,
                         struct api_error *e)
{
    struct json_reader r;
    struct json_string key;
    bool empty;
    int rc;

    if (api_shape_open(&r, body, &empty, e) < 0)
        return -1;
    if (empty)
        return 0;
    while (json_member(&r, &key)) {
        rc = 0;
        if (json_string_is(key, name_member))
            rc = api_shape_text(&r, name_member, &q->name, e);
        else if (json_string_is(key, "DeliveryStreamType"))
            rc = api_shape_text(&r, "DeliveryStreamType", &q->type, e);
        else if (json_string_is(key, "Limit"))
            rc = api_shape_number(&r, "Limit", &q->limit, e);
        else
            json_skip(&r);
        if (rc < 0)
            return -1;
    }
    if (api_shape_end(&r, e) < 0)
        return -1;
    return api_shape_check_range(&q->limit, "limit", LIMIT_MIN, limit_max, e);
}

int api_describe(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e)
{
    struct question q = {0};
    const struct api_stream *s;

    if (read_question(body, "DeliveryStreamName", LIMIT_MAX, &q, e) < 0 || api_shape_check_stream(&q.name, e) < 0)
        return -1;
    s = api_streams_find(streams, q.name.s);
    if (!s)
        return api_streams_missing(streams, q.name.s, e);
    return add_description(out, streams, s) < 0 ? no_memory(e) : 0;
}

/* Streams that YAML makes have none. */
int api_tags(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e)
{
    struct question q = {0};

    if (read_question(body, "DeliveryStreamName", TAGS_MAX, &q, e) < 0 || api_shape_check_stream(&q.name, e) < 0)
        return -1;
    if (!api_streams_find(streams, q.name.s))
        return api_streams_missing(streams, q.name.s, e);
    return buf_add_str(out, "{\"Tags\":[],\"HasMoreTags\":false}") < 0 ? no_memory(e) : 0;
}

int api_list(const struct api_streams *streams, struct slice body, struct buf *out, struct api_error *e)
{
    struct question q = {0};
    size_t at = 0, end, limit;

    if (read_question(body, "ExclusiveStartDeliveryStreamName", LIMIT_MAX, &q, e) < 0 ||
        (q.name.present && api_shape_check_stream(&q.name, e) < 0))
        return -1;
    limit = q.limit.present ? (size_t)q.limit.v : LIST_DEFAULT;
    while (q.name.present && at < streams->n && strcmp(streams->v[at]->name, q.name.s) <= 0)
        at++;
    if (q.type.present && strcmp(q.type.s, "DirectPut") != 0)
        at = streams->n; /* there are no others */
    end = streams->n - at > limit ? at + limit : streams->n;
    if (buf_add_str(out, "{\"DeliveryStreamNames\":[") < 0)
        return no_memory(e);
    for (size_t i = at; i < end; i++)
        if ((i > at && buf_add_char(out, ',') < 0) || json_quote(slice_str(streams->v[i]->name), out) < 0)
            return no_memory(e);
    if (buf_printf(out, "],\"HasMoreDeliveryStreams\":%s}", end < streams->n ? "true" : "false") < 0)
        return no_memory(e);
    return 0;
}
