/* elasticsearch_bulk.c -- the bulk API of Elasticsearch and OpenSearch: what Beats, Logstash, Fluent Bit, Vector, Telegraf and the clients' helpers send
 * there goes into a stream instead.
 *
 *     POST /_bulk, /INDEX/_bulk     documents (bulk.h): each is answered for itself, and all behind the sync
 *     everything else               what agents ask before they begin (paths.h)
 *
 * Where the stream is full it is 429, and an agent sends all of it again: nothing of it was stored. */
#include "pipeline/inputs/elasticsearch_bulk/bulk.h"
#include "pipeline/inputs/elasticsearch_bulk/paths.h"
#include "pipeline/inputs/push/push.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { RECORD_DOCUMENT, RECORD_ENVELOPE };

struct bulk_conf {
    struct push_conf push;
    int record;
    char *version;
};

static const struct cfg_choice RECORDS[] = {{"document", RECORD_DOCUMENT}, {"envelope", RECORD_ENVELOPE}, {NULL, 0}};

/* clang-format off */
static const struct cfg_field bulk_fields[] = {
    PUSH_FIELDS(struct bulk_conf, push, "127.0.0.1:9200", "/; what agents ask for is beneath it"),
    {.name = "record", .type = CFG_ENUM, .offset = offsetof(struct bulk_conf, record), .def = "document", .choices = RECORDS,
     .help = "document: as it came, with its index and id in a script's meta; envelope: {\"action\", \"_index\", \"_id\", \"_source\": the document}"},
    {.name = "version", .type = CFG_STRING, .offset = offsetof(struct bulk_conf, version), .def = "8.17.0", .max = 32,
     .help = "the version of Elasticsearch that agents are told; some refuse one that is older than they are"},
    {.name = NULL},
};
/* clang-format on */

/* --- requests ------------------------------------------------------------------------------------------------------- */

static int head(struct push_request *rq, const char *method, const char *beneath)
{
    struct slice index;
    enum bulk_path what = bulk_path_of(method, beneath, &index);

    push_set_what(rq, (int)what);
    if (what == BULK_PATH_BULK)
        return 0;
    if (what != BULK_PATH_NONE)
        return push_conclude(rq, MHD_HTTP_OK, "it is there");
    return push_refuse(rq, MHD_HTTP_NOT_FOUND,
                       "sluice takes documents by /_bulk and keeps none: what %s asks for is not here", method);
}

/* What is there for one request. */
struct bulk_request {
    struct push_request *rq;
    struct slice index; /* of its path; "" */
    bool brief;         /* filter_path wants no more of the items than their fates */
    bool none;          /* nor these */
    bool first, failed;
    nsec now;
    struct buf text, facts;
};

/* How the answer of a request begins; Fluent Bit looks for these very bytes. */
#define BEGIN "{\"took\":0,\"errors\":"
#define GOOD  "false,\"items\":["
#define BAD   "true ,\"items\":["

/* push_what() of a request of which some documents were refused. */
enum { WHAT_FAILED = 100 };

static int note_escaped(struct bulk_request *b, struct slice text)
{
    int rc;

    buf_clear(&b->text);
    rc = json_quote(text, &b->text);
    return push_note(b->rq, rc < 0 ? SLICE("\"\"") : buf_slice(&b->text));
}

static int note_str(struct bulk_request *b, const char *text)
{
    return push_note(b->rq, slice_str(text));
}

static int note_member(struct bulk_request *b, const char *name, struct json_string value)
{
    return note_str(b, name) < 0 || push_note(b->rq, value.raw) < 0 || note_str(b, "\",") < 0 ? -1 : 0;
}

/* One is made where the agent leaves it to Elasticsearch: clients of Java want it. */
static int note_id(struct bulk_request *b, struct json_string id)
{
    char made[64];

    if (id.raw.n == 0) {
        int n = snprintf(made, sizeof(made), "%" PRIx64 "-%" PRIx64, (uint64_t)b->now, push_number(b->rq));

        id.raw = slice_of(made, (size_t)n);
    }
    return note_member(b, "\"_id\":\"", id);
}

static int note_names(struct bulk_request *b, const struct bulk_item *item)
{
    struct json_string index = item->members[BULK_INDEX];

    if (index.raw.n > 0) {
        if (note_member(b, "\"_index\":\"", index) < 0)
            return -1;
    } else if (note_str(b, "\"_index\":") < 0 || note_escaped(b, b->index) < 0 || note_str(b, ",") < 0) {
        return -1;
    }
    return note_id(b, item->members[BULK_ID]);
}

static int note_fate(struct bulk_request *b, const struct bulk_item *item)
{
    if (!item->wrong)
        return note_str(b, b->brief ? "\"status\":201}}"
                                    : "\"_version\":1,\"result\":\"created\",\"_shards\":{\"total\":1,\"successful\":1,"
                                      "\"failed\":0},\"_seq_no\":0,\"_primary_term\":1,\"status\":201}}");
    return note_str(b, "\"status\":400,\"error\":{\"type\":\"document_parsing_exception\",\"reason\":") < 0 ||
                   note_escaped(b, slice_str(item->wrong)) < 0 || note_str(b, "}}}") < 0
               ? -1
               : 0;
}

static int note_item(struct bulk_request *b, const struct bulk_item *item)
{
    if (b->none)
        return 0;
    if (note_str(b, b->first ? "{\"" : ",{\"") < 0 || note_str(b, item->action) < 0 || note_str(b, "\":{") < 0)
        return -1;
    b->first = false;
    if (!b->brief && note_names(b, item) < 0)
        return -1;
    return note_fate(b, item);
}

static int store_item(struct bulk_request *b, struct bulk_item *item)
{
    const struct bulk_conf *conf = push_conf_of(b->rq);
    struct slice record = item->document;
    struct buf *scratch;

    buf_clear(&b->facts);
    bulk_facts(item, b->index, &b->text, &b->facts);
    if (conf->record == RECORD_ENVELOPE) {
        scratch = push_scratch(b->rq);
        if (!scratch)
            return -1;
        if (bulk_envelope(item, b->index, scratch) < 0)
            return push_refuse(b->rq, MHD_HTTP_BAD_REQUEST, "the name of the index in the URL is too long");
        if (item->wrong)
            return 0;
        record = buf_slice(scratch);
    }
    return push_add(b->rq, record, buf_slice(&b->facts));
}

static int read_items(struct bulk_request *b, struct slice body)
{
    struct bulk_reader r = {.rest = body};
    struct bulk_item item;
    enum bulk_read is;

    if (note_str(b, BEGIN GOOD) < 0)
        return -1;
    while ((is = bulk_next(&r, &item)) == BULK_ITEM) {
        if (!item.wrong && store_item(b, &item) < 0)
            return -1;
        if (item.wrong) {
            b->failed = true;
            push_left_out(b->rq, "line %lu of a _bulk request: %s", r.line, item.wrong);
        }
        if (note_item(b, &item) < 0)
            return -1;
    }
    if (is == BULK_MALFORMED)
        return push_refuse(b->rq, MHD_HTTP_BAD_REQUEST,
                           "Malformed action/metadata line [%lu]: it is no {\"create\": {}}", r.line);
    return r.line > 0 ? 0 : push_refuse(b->rq, MHD_HTTP_BAD_REQUEST, "request body is required");
}

static int read_body(struct push_request *rq, struct slice body)
{
    const char *filter = push_argument(rq, "filter_path"), *pipeline = push_argument(rq, "pipeline");
    struct bulk_request b = {.rq = rq, .first = true, .now = clock_wall()};
    int rc;

    (void)bulk_path_of("POST", push_beneath(rq), &b.index);
    b.brief = filter != NULL;
    b.none = filter && !strstr(filter, "items");
    push_fact(rq, "pipeline", slice_str(pipeline ? pipeline : ""));
    buf_init(&b.text, PUSH_FACTS_MAX);
    buf_init(&b.facts, PUSH_FACTS_MAX);
    rc = read_items(&b, body);
    if (rc == 0 && b.failed)
        push_set_what(rq, WHAT_FAILED);
    buf_release(&b.text);
    buf_release(&b.facts);
    return rc;
}

/* --- answers -------------------------------------------------------------------------------------------------------- */

static const char *type_of(unsigned status)
{
    switch (status) {
    case MHD_HTTP_UNAUTHORIZED:
    case MHD_HTTP_FORBIDDEN:
        return "security_exception";
    case MHD_HTTP_NOT_FOUND:
        return "resource_not_found_exception";
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return "content_too_long_exception";
    case MHD_HTTP_TOO_MANY_REQUESTS:
        return "es_rejected_execution_exception";
    case MHD_HTTP_SERVICE_UNAVAILABLE:
        return "unavailable_exception";
    default:
        return "illegal_argument_exception";
    }
}

static int write_error(struct push_request *rq, struct buf *out)
{
    unsigned status = push_status(rq);

    return buf_printf(out, "{\"error\":{\"root_cause\":[],\"type\":\"%s\",\"reason\":", type_of(status)) < 0 ||
                   json_quote(slice_str(push_why(rq)), out) < 0 || buf_printf(out, "},\"status\":%u}", status) < 0
               ? -1
               : 0;
}

static int write_reply(struct push_request *rq, struct buf *out)
{
    const struct bulk_conf *conf = push_conf_of(rq);
    int what = push_what(rq);

    if (push_status(rq) != MHD_HTTP_OK)
        return write_error(rq, out);
    if (what != BULK_PATH_BULK && what != WHAT_FAILED)
        return bulk_path_reply((enum bulk_path)what, conf->version, out);
    push_take_note(rq, out);
    if (what == WHAT_FAILED)
        memcpy(out->p + sizeof(BEGIN) - 1, BAD, sizeof(BAD) - 1);
    return buf_add_str(out, "]}");
}

static const char *reply(struct push_request *rq, struct buf *out)
{
    if (write_reply(rq, out) < 0)
        buf_clear(out);
    return "application/json";
}

static const struct push_protocol protocol = {
    .name = "elasticsearch_bulk",
    .otherwise = "/",
    .beneath = true,
    .busy = MHD_HTTP_TOO_MANY_REQUESTS,
    .header = {"X-Elastic-Product", "Elasticsearch"},
    .head = head,
    .read = read_body,
    .reply = reply,
};

/* --- the input ------------------------------------------------------------------------------------------------------ */

static int bulk_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return push_open(in, &protocol, &((const struct bulk_conf *)conf)->push, conf, env, e);
}

/* Three numbers, as agents take it apart. */
static bool is_version(const char *text)
{
    for (int i = 0; i < 3; i++) {
        size_t n = strspn(text, "0123456789");

        if (n == 0 || n > 3 || text[n] != (i < 2 ? '.' : '\0'))
            return false;
        text += n + (i < 2);
    }
    return true;
}

static void bulk_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct bulk_conf *c = conf;
    struct err e;

    (void)base_dir;
    push_check_conf(&c->push, o);
    if (!c->version || is_version(c->version))
        return;
    (void)err_set(&e, ERR_CONFIG, "version: three numbers, such as 8.17.0");
    cfg_options_refuse(o, &e);
}

static void bulk_route(const void *conf, const char *stream, char *out, size_t size)
{
    push_route(&((const struct bulk_conf *)conf)->push, protocol.otherwise, stream, out, size);
}

const struct input_ops elasticsearch_bulk_ops = {
    .name = "elasticsearch_bulk",
    .help = "takes what agents send to Elasticsearch's bulk API, each document answered when it is safe "
            "(docs/elasticsearch-bulk.md)",
    .fields = bulk_fields,
    .conf_size = sizeof(struct bulk_conf),
    .threads = push_threads,
    .sockets = push_sockets,
    .open = bulk_open,
    .start = push_start,
    .stop = push_stop,
    .stopped = push_stopped,
    .close = push_close,
    .check_conf = bulk_check_conf,
    .route = bulk_route,
};
