/* splunk_hec.c -- the endpoints of Splunk's HTTP Event Collector: what agents and libraries send to Splunk goes into a stream instead.
 *
 *     POST /services/collector, …/event[/1.0]   events (event.h)
 *     POST /services/collector/raw[/1.0]        lines
 *     POST /services/collector/ack              were they indexed? Each id was given behind the sync, so all that can be asked for are
 *     GET  /services/collector/health[/1.0]     a balancer asks without a token
 *     OPTIONS on each of them                   so does Docker's driver before its container begins
 *
 * Splunk's answers are small objects with a code, by which its clients know what to do: 9 is "send again later".
 *
 * Facts: "Format events for HTTP Event Collector", "HTTP Event Collector REST API endpoints", "Troubleshoot HTTP Event Collector". */
#include "pipeline/inputs/push/push.h"
#include "pipeline/inputs/splunk_hec/event.h"

#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

enum { WHAT_EVENTS = 1, WHAT_RAW, WHAT_ACK, WHAT_HEALTH };
enum { RECORD_EVENT, RECORD_ENVELOPE };

struct hec_conf {
    struct push_conf push;
    int record;
};

static const struct cfg_choice RECORDS[] = {{"event", RECORD_EVENT}, {"envelope", RECORD_ENVELOPE}, {NULL, 0}};

/* clang-format off */
static const struct cfg_field hec_fields[] = {
    PUSH_FIELDS(struct hec_conf, push, "127.0.0.1:8088", "/services/collector; what agents send is beneath it"),
    {.name = "record", .type = CFG_ENUM, .offset = offsetof(struct hec_conf, record), .def = "event", .choices = RECORDS,
     .help = "event: the member `event`, a text without its quotes, with the others in a script's meta; envelope: the whole object, as it came"},
    {.name = NULL},
};
/* clang-format on */

/* --- requests ------------------------------------------------------------------------------------------------------- */

static int what_of(const char *beneath)
{
    static const struct {
        const char *path;
        int what;
    } paths[] = {
        {"", WHAT_EVENTS},      {"/event", WHAT_EVENTS}, {"/event/1.0", WHAT_EVENTS}, {"/raw", WHAT_RAW},
        {"/raw/1.0", WHAT_RAW}, {"/ack", WHAT_ACK},      {"/health", WHAT_HEALTH},    {"/health/1.0", WHAT_HEALTH},
    };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (strcmp(beneath, paths[i].path) == 0)
            return paths[i].what;
    return 0;
}

static bool has_channel(const struct push_request *rq)
{
    return push_header(rq, "X-Splunk-Request-Channel") || push_argument(rq, "channel");
}

/* Who asks so wants to know whether somebody is here. */
static bool is_open(const char *method, const char *beneath)
{
    int what = what_of(beneath);

    return (what == WHAT_HEALTH && strcmp(method, "GET") == 0) || (what != 0 && strcmp(method, "OPTIONS") == 0);
}

static int head(struct push_request *rq, const char *method, const char *beneath)
{
    int what = is_open(method, beneath) ? WHAT_HEALTH : what_of(beneath);

    push_set_what(rq, what);
    if (what == 0)
        return push_refuse(rq, MHD_HTTP_NOT_FOUND, "the collector has /event, /raw, /ack and /health");
    if (is_open(method, beneath))
        return push_conclude(rq, MHD_HTTP_OK, "HEC is healthy");
    if (strcmp(method, "POST") != 0)
        return push_conclude(rq, MHD_HTTP_METHOD_NOT_ALLOWED, "records are posted here");
    return what == WHAT_HEALTH ? push_conclude(rq, MHD_HTTP_OK, "HEC is healthy") : 0;
}

/* What an event says beside its text is kept with each of its records. */
struct room {
    struct buf text, facts;
};

static int add_event(struct push_request *rq, const struct hec_event *ev, struct room *room)
{
    const struct hec_conf *conf = push_conf_of(rq);
    struct slice record = ev->event;
    struct buf *scratch;

    buf_clear(&room->facts);
    hec_facts(ev, &room->text, &room->facts);
    if (conf->record == RECORD_ENVELOPE) {
        record = ev->whole;
    } else if (ev->is_text && ev->text.escaped) {
        scratch = push_scratch(rq);
        if (!scratch)
            return -1;
        if (json_unescape(ev->text, scratch) < 0)
            return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "Invalid data format");
        record = buf_slice(scratch);
    }
    return push_add(rq, record, buf_slice(&room->facts));
}

static int read_events(struct push_request *rq, struct slice body, struct room *room)
{
    struct hec_event ev;

    for (;;) {
        unsigned long number = push_count(rq); /* from 0, as Splunk counts */

        switch (hec_next(&body, &ev)) {
        case HEC_END:
            return number > 0 ? 0 : push_refuse(rq, MHD_HTTP_BAD_REQUEST, "No data");
        case HEC_MALFORMED:
            return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "Invalid data format: event %lu", number);
        case HEC_NO_EVENT:
            return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "Event field is required: event %lu", number);
        case HEC_BLANK:
            return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "Event field cannot be blank: event %lu", number);
        case HEC_EVENT:
            break;
        }
        if (add_event(rq, &ev, room) < 0)
            return -1;
    }
}

/* Lines; what is known of them stands in the query. */
static int read_raw(struct push_request *rq, struct slice rest)
{
    for (size_t i = 0; i < ARRAY_LEN(hec_members); i++) {
        const char *value = push_argument(rq, hec_members[i]);

        push_fact(rq, hec_members[i], slice_str(value ? value : ""));
    }
    while (rest.n > 0) {
        const char *newline = memchr(rest.p, '\n', rest.n);
        size_t n = newline ? (size_t)(newline - rest.p) : rest.n;

        if (n > 0 && push_add(rq, slice_of(rest.p, n), SLICE("")) < 0)
            return -1;
        rest = slice_from(rest, n + (newline != NULL));
    }
    return push_count(rq) > 0 ? 0 : push_refuse(rq, MHD_HTTP_BAD_REQUEST, "No data");
}

/* {"acks": [0, 1]}: the answer is made at once, from the very text. */
static int read_acks(struct push_request *rq, struct slice body)
{
    struct json_reader r;
    struct json_string key;
    struct slice number;
    bool found = false, first = true;

    if (push_note(rq, SLICE("{\"acks\":{")) < 0)
        return -1;
    json_open(&r, body, PUSH_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "Invalid data format");
    while (json_member(&r, &key)) {
        if (!json_string_is(key, "acks") || found || json_peek(&r) != JSON_ARRAY) {
            json_skip(&r);
            continue;
        }
        found = json_enter(&r);
        while (json_element(&r)) {
            if (json_peek(&r) != JSON_NUMBER || !json_number(&r, &number))
                return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "Invalid data format");
            if (push_note(rq, first ? SLICE("\"") : SLICE(",\"")) < 0 || push_note(rq, number) < 0 ||
                push_note(rq, SLICE("\":true")) < 0)
                return -1;
            first = false;
        }
    }
    if (!json_end(&r) || !found)
        return push_refuse(rq, MHD_HTTP_BAD_REQUEST, "Invalid data format");
    return push_conclude(rq, MHD_HTTP_OK, "Success");
}

static int read_body(struct push_request *rq, struct slice body)
{
    struct room room;
    int rc;

    if (push_what(rq) == WHAT_ACK)
        return read_acks(rq, body);
    if (push_what(rq) == WHAT_RAW)
        return read_raw(rq, body);
    buf_init(&room.text, PUSH_FACTS_MAX);
    buf_init(&room.facts, PUSH_FACTS_MAX);
    rc = read_events(rq, body, &room);
    buf_release(&room.text);
    buf_release(&room.facts);
    return rc;
}

/* --- answers -------------------------------------------------------------------------------------------------------- */

/* Splunk's numbers for what went wrong. */
static int code_of(unsigned status, const char *why)
{
    static const struct {
        const char *begins;
        int code;
    } texts[] = {
        {"No data", 5}, {"Invalid data format", 6}, {"Event field is required", 12}, {"Event field cannot", 13}};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        if (strncmp(why, texts[i].begins, strlen(texts[i].begins)) == 0)
            return texts[i].code;
    return status == MHD_HTTP_UNAUTHORIZED ? 3 : status == MHD_HTTP_SERVICE_UNAVAILABLE ? 9 : 6;
}

static int write_reply(struct push_request *rq, struct buf *out)
{
    unsigned status = push_status(rq);

    if (status != MHD_HTTP_OK) {
        if (buf_add_str(out, "{\"text\":") < 0 || json_quote(slice_str(push_why(rq)), out) < 0)
            return -1;
        return buf_printf(out, ",\"code\":%d}", code_of(status, push_why(rq)));
    }
    switch (push_what(rq)) {
    case WHAT_HEALTH:
        return buf_add_str(out, "{\"text\":\"HEC is healthy\",\"code\":17}");
    case WHAT_ACK:
        push_take_note(rq, out);
        return buf_add_str(out, "}}");
    default:
        break;
    }
    if (has_channel(rq))
        return buf_printf(out, "{\"text\":\"Success\",\"code\":0,\"ackId\":%" PRIu64 "}", push_number(rq));
    return buf_add_str(out, "{\"text\":\"Success\",\"code\":0}");
}

static const char *reply(struct push_request *rq, struct buf *out)
{
    if (write_reply(rq, out) < 0)
        buf_clear(out);
    return "application/json; charset=utf-8";
}

static const struct push_protocol protocol = {
    .name = "splunk_hec",
    .otherwise = "/services/collector",
    .beneath = true,
    .is_open = is_open,
    .head = head,
    .read = read_body,
    .reply = reply,
};

/* --- the input ------------------------------------------------------------------------------------------------------ */

static int hec_open(struct input **in, const void *conf, const struct input_env *env, struct err *e)
{
    return push_open(in, &protocol, &((const struct hec_conf *)conf)->push, conf, env, e);
}

static void hec_check_conf(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    (void)base_dir;
    push_check_conf(&((const struct hec_conf *)conf)->push, o);
}

static void hec_route(const void *conf, const char *stream, char *out, size_t size)
{
    push_route(&((const struct hec_conf *)conf)->push, protocol.otherwise, stream, out, size);
}

const struct input_ops splunk_hec_ops = {
    .name = "splunk_hec",
    .help =
        "takes what agents send to Splunk's HTTP Event Collector: events and raw lines, answered when they are safe "
        "(docs/splunk-hec.md)",
    .fields = hec_fields,
    .conf_size = sizeof(struct hec_conf),
    .threads = push_threads,
    .sockets = push_sockets,
    .open = hec_open,
    .start = push_start,
    .stop = push_stop,
    .stopped = push_stopped,
    .close = push_close,
    .check_conf = hec_check_conf,
    .route = hec_route,
};
