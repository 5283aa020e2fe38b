/* One table at the bottom, SHAPES: per format how a body begins, how a record is added and how it ends. Ids of requests come from the
 * seal alone: an attempt after a crash has the same one. */
#include "sinks/endpoint/shape.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "sinks/seal_identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Firehose, HTTP endpoint delivery: records in one request. */
#define FIREHOSE_RECORDS_MAX 10000

void shape_request_id(const unsigned char identity[16], const struct sink_seal_id *id, char out[REQUEST_ID_TEXT])
{
    unsigned char in[16 + 4 + 3 * 8] = {0}, sum[SHA256_BYTES];
    const uint64_t numbers[] = {id->first, id->last, id->window};
    char hex[33];

    seal_identity_with_keys(identity, id->epoch, id->keys, in);
    memcpy(in + 16, "http", 4);
    for (size_t i = 0; i < sizeof(numbers); i++)
        in[20 + i] = (unsigned char)(numbers[i / 8] >> (56 - i % 8 * 8));
    sha256_of(slice_of((const char *)in, sizeof(in)), sum);
    sum[6] = (unsigned char)((sum[6] & 0x0f) | 0x80); /* RFC 9562, version 8: made in a way of one's own */
    sum[8] = (unsigned char)((sum[8] & 0x3f) | 0x80);
    hex_encode(sum, 16, hex);
    snprintf(out, REQUEST_ID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static int add_pair(const struct pair *p, bool first, struct buf *out)
{
    if ((!first && buf_add_char(out, ',') < 0) || json_quote(slice_str(p->name), out) < 0 || buf_add_char(out, ':') < 0)
        return -1;
    return json_quote(slice_str(p->value), out);
}

int shape_add_object(const struct pairs *p, struct buf *out)
{
    if (buf_add_char(out, '{') < 0)
        return -1;
    for (size_t i = 0; i < p->n; i++)
        if (add_pair(&p->v[i], i == 0, out) < 0)
            return -1;
    return buf_add_char(out, '}');
}

static int add_nothing(const struct shape_context *c, const struct sink_seal_id *id, struct buf *out)
{
    (void)c, (void)id, (void)out;
    return 0;
}

static int end_nothing(const struct shape_context *c, struct buf *out)
{
    (void)c, (void)out;
    return 0;
}

/* JSON as it is, without line breaks around it; anything else as a JSON string. */
static int add_json(struct slice data, struct buf *out)
{
    while (data.n > 0 && (data.p[data.n - 1] == '\n' || data.p[data.n - 1] == '\r'))
        data.n--;
    return json_valid(data, JSON_DEPTH_MAX) ? buf_add_slice(out, data) : json_quote(data, out);
}

static int add_line(struct slice data, struct buf *out)
{
    while (data.n > 0 && (data.p[data.n - 1] == '\n' || data.p[data.n - 1] == '\r'))
        data.n--;
    return json_quote(data, out);
}

/* --- firehose --------------------------------------------------------------------------------------------------------
 */

static int firehose_head(const struct shape_context *c, const struct sink_seal_id *id, struct buf *out)
{
    char request_id[REQUEST_ID_TEXT];

    shape_request_id(c->identity, id, request_id);
    return buf_printf(out, "{\"requestId\":\"%s\",\"timestamp\":%" PRId64 ",\"records\":[", request_id,
                      id->oldest / NSEC_PER_MSEC);
}

static int firehose_record(const struct shape_context *c, const struct sink_record *r, bool first, struct buf *out)
{
    static const struct slice OPEN = {",{\"data\":\"", 10}, CLOSE = {"\"}", 2};
    struct slice open = first ? slice_of(OPEN.p + 1, OPEN.n - 1) : OPEN;
    size_t n = base64_encoded_length(r->data.n);

    (void)c;
    if (buf_reserve(out, OPEN.n + n + CLOSE.n) < 0)
        return -1;
    memcpy(out->p + out->n, open.p, open.n);
    out->n += open.n;
    base64_encode(r->data, out->p + out->n);
    out->n += n;
    memcpy(out->p + out->n, CLOSE.p, CLOSE.n);
    out->n += CLOSE.n;
    return 0;
}

static int firehose_tail(const struct shape_context *c, struct buf *out)
{
    (void)c;
    return buf_add_str(out, "]}");
}

/* --- plain -----------------------------------------------------------------------------------------------------------
 */

static int lines_record(const struct shape_context *c, const struct sink_record *r, bool first, struct buf *out)
{
    (void)c, (void)first;
    if (buf_reserve(out, r->data.n + 1) < 0 || buf_add_slice(out, r->data) < 0)
        return -1;
    return r->data.n > 0 && r->data.p[r->data.n - 1] == '\n' ? 0 : buf_add_char(out, '\n');
}

static int raw_record(const struct shape_context *c, const struct sink_record *r, bool first, struct buf *out)
{
    (void)c, (void)first;
    return buf_add_slice(out, r->data);
}

static int array_head(const struct shape_context *c, const struct sink_seal_id *id, struct buf *out)
{
    (void)c, (void)id;
    return buf_add_char(out, '[');
}

static int array_record(const struct shape_context *c, const struct sink_record *r, bool first, struct buf *out)
{
    (void)c;
    return !first && buf_add_char(out, ',') < 0 ? -1 : add_json(r->data, out);
}

static int array_tail(const struct shape_context *c, struct buf *out)
{
    (void)c;
    return buf_add_char(out, ']');
}

/* --- Splunk ----------------------------------------------------------------------------------------------------------
 */

/* host, source, sourcetype and index are members of an event; whatever else there is becomes an indexed field. */
static int splunk_prepare(struct shape_context *c, const char *stream, const struct pairs *attributes)
{
    static const char *const MEMBERS[] = {"host", "source", "sourcetype", "index"};
    struct pairs fields = {0};
    struct pair field[64];

    (void)stream;
    for (size_t i = 0; i < attributes->n; i++) {
        const struct pair *p = &attributes->v[i];
        bool member = false;

        for (size_t k = 0; k < ARRAY_LEN(MEMBERS); k++)
            member |= strcmp(p->name, MEMBERS[k]) == 0;
        if (member && (add_pair(p, false, &c->close) < 0))
            return -1;
        if (!member && fields.n < ARRAY_LEN(field))
            field[fields.n++] = *p;
    }
    fields.v = field;
    if (fields.n > 0 && (buf_add_str(&c->close, ",\"fields\":") < 0 || shape_add_object(&fields, &c->close) < 0))
        return -1;
    return buf_add_str(&c->close, "}\n");
}

static int splunk_record(const struct shape_context *c, const struct sink_record *r, bool first, struct buf *out)
{
    int64_t ms = r->arrival / NSEC_PER_MSEC;

    (void)first;
    if (buf_printf(out, "{\"time\":%" PRId64 ".%03d,\"event\":", ms / 1000, (int)(ms % 1000)) < 0)
        return -1;
    return add_json(r->data, out) < 0 ? -1 : buf_add_slice(out, buf_slice(&c->close));
}

/* --- Loki ------------------------------------------------------------------------------------------------------------
 */

static int loki_prepare(struct shape_context *c, const char *stream, const struct pairs *attributes)
{
    struct pair name = {(char[]){"service_name"}, (char *)(uintptr_t)stream};
    struct pairs fallback = {&name, 1}; /* Loki wants a label */

    if (buf_add_str(&c->open, "{\"streams\":[{\"stream\":") < 0)
        return -1;
    if (shape_add_object(attributes->n > 0 ? attributes : &fallback, &c->open) < 0)
        return -1;
    return buf_add_str(&c->open, ",\"values\":[");
}

static int open_head(const struct shape_context *c, const struct sink_seal_id *id, struct buf *out)
{
    (void)id;
    return buf_add_slice(out, buf_slice(&c->open));
}

static int loki_record(const struct shape_context *c, const struct sink_record *r, bool first, struct buf *out)
{
    (void)c;
    if (buf_printf(out, "%s[\"%" PRId64 "\",", first ? "" : ",", r->arrival) < 0 || add_line(r->data, out) < 0)
        return -1;
    return buf_add_char(out, ']');
}

static int loki_tail(const struct shape_context *c, struct buf *out)
{
    (void)c;
    return buf_add_str(out, "]}]}");
}

/* --- OpenTelemetry ---------------------------------------------------------------------------------------------------
 */

static int add_otlp_attribute(const char *name, const char *value, bool first, struct buf *out)
{
    if (buf_printf(out, "%s{\"key\":", first ? "" : ",") < 0 || json_quote(slice_str(name), out) < 0 ||
        buf_add_str(out, ",\"value\":{\"stringValue\":") < 0 || json_quote(slice_str(value), out) < 0)
        return -1;
    return buf_add_str(out, "}}");
}

static int otlp_prepare(struct shape_context *c, const char *stream, const struct pairs *attributes)
{
    bool named = false;

    if (buf_add_str(&c->open, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[") < 0)
        return -1;
    for (size_t i = 0; i < attributes->n; i++) {
        named |= strcmp(attributes->v[i].name, "service.name") == 0;
        if (add_otlp_attribute(attributes->v[i].name, attributes->v[i].value, i == 0, &c->open) < 0)
            return -1;
    }
    if (!named && add_otlp_attribute("service.name", stream, attributes->n == 0, &c->open) < 0)
        return -1;
    return buf_add_str(&c->open, "]},\"scopeLogs\":[{\"scope\":{\"name\":\"sluice\"},\"logRecords\":[");
}

static int otlp_record(const struct shape_context *c, const struct sink_record *r, bool first, struct buf *out)
{
    (void)c;
    if (buf_printf(out, "%s{\"observedTimeUnixNano\":\"%" PRId64 "\",\"body\":{\"stringValue\":", first ? "" : ",",
                   r->arrival) < 0 ||
        add_line(r->data, out) < 0)
        return -1;
    return buf_add_str(out, "}}");
}

static int otlp_tail(const struct shape_context *c, struct buf *out)
{
    (void)c;
    return buf_add_str(out, "]}]}]}");
}

/* --- the rows --------------------------------------------------------------------------------------------------------
 */

#define ANY_ENCODING " gzip zstd "
#define GZIP_ONLY    " gzip "

static const struct shape SHAPES[] = {
    [SHAPE_FIREHOSE] = {"firehose", "application/json", GZIP_ONLY, FIREHOSE_RECORDS_MAX, true, NULL, firehose_head,
                        firehose_record, firehose_tail},
    [SHAPE_LINES] = {"lines", "text/plain; charset=utf-8", ANY_ENCODING, 0, false, NULL, add_nothing, lines_record,
                     end_nothing},
    [SHAPE_JSON_ARRAY] = {"json_array", "application/json", ANY_ENCODING, 0, false, NULL, array_head, array_record,
                          array_tail},
    [SHAPE_RAW] = {"raw", "application/octet-stream", ANY_ENCODING, 0, false, NULL, add_nothing, raw_record,
                   end_nothing},
    [SHAPE_SPLUNK_EVENT] = {NULL, "application/json", GZIP_ONLY, 0, true, splunk_prepare, add_nothing, splunk_record,
                            end_nothing},
    [SHAPE_SPLUNK_RAW] = {NULL, "text/plain; charset=utf-8", GZIP_ONLY, 0, true, NULL, add_nothing, lines_record,
                          end_nothing},
    [SHAPE_LOKI] = {NULL, "application/json", GZIP_ONLY, 0, true, loki_prepare, open_head, loki_record, loki_tail},
    [SHAPE_OTLP] = {NULL, "application/json", ANY_ENCODING, 0, true, otlp_prepare, open_head, otlp_record, otlp_tail},
};

const struct cfg_choice shape_choices[] = {{"firehose", SHAPE_FIREHOSE},
                                           {"lines", SHAPE_LINES},
                                           {"json_array", SHAPE_JSON_ARRAY},
                                           {"raw", SHAPE_RAW},
                                           {NULL, 0}};

const struct shape *shape_of(enum endpoint_shape shape)
{
    return &SHAPES[shape];
}

int shape_context_init(struct shape_context *c, const struct shape *s, const struct sink_env *env,
                       const struct pairs *attributes, struct err *e)
{
    memcpy(c->identity, env->identity, sizeof(c->identity));
    buf_init(&c->open, HTTP_CONTEXT_MAX);
    buf_init(&c->close, HTTP_CONTEXT_MAX);
    if (s->prepare && s->prepare(c, env->stream, attributes) < 0)
        return err_set(e, ERR_CONFIG, "common_attributes: too long");
    return 0;
}

void shape_context_release(struct shape_context *c)
{
    buf_release(&c->open);
    buf_release(&c->close);
}
