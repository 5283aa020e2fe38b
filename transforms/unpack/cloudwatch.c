/* The envelope is walked twice: first as a whole, where every event must be an object with a text `message`; then
 * event by event, where nothing can fail any more. Values are kept as JSON text, so an event is put together again
 * by copying. */
#include "transforms/unpack/cloudwatch.h"

#include "pipeline/base/limits.h"

struct member {
    const char *name;
    struct slice *value; /* JSON as written */
};

/* The object that the reader stands before: the members that are asked for, up to one without a name. The others are skipped. */
static bool read_object(struct json_reader *r, const struct member *members)
{
    struct json_string key;

    if (!json_enter(r))
        return false;
    while (json_member(r, &key)) {
        const struct member *m = members;

        while (m->name && !json_string_is(key, m->name))
            m++;
        if (m->name ? !json_value(r, m->value) : !json_skip(r))
            return false;
    }
    return !r->error;
}

static bool read_event(struct json_reader *r, struct cloudwatch_event *out)
{
    const struct member members[] = {{"id", &out->id},
                                     {"timestamp", &out->timestamp},
                                     {"message", &out->message},
                                     {"extractedFields", &out->extracted},
                                     {NULL, NULL}};

    *out = (struct cloudwatch_event){0};
    return json_peek(r) == JSON_OBJECT && read_object(r, members) && out->message.n >= 2 && out->message.p[0] == '"';
}

void cloudwatch_events_open(struct cloudwatch_events *it, const struct cloudwatch_envelope *from)
{
    json_open(&it->reader, from->events, CLOUDWATCH_LOGS_DEPTH_MAX);
    json_enter(&it->reader);
}

bool cloudwatch_event_next(struct cloudwatch_events *it, struct cloudwatch_event *out)
{
    return json_element(&it->reader) && read_event(&it->reader, out);
}

static int count_events(struct cloudwatch_envelope *env, struct err *e)
{
    struct json_reader r;
    struct cloudwatch_event event;

    json_open(&r, env->events, CLOUDWATCH_LOGS_DEPTH_MAX);
    if (json_peek(&r) != JSON_ARRAY || !json_enter(&r))
        return err_set(e, ERR_FORMAT, "CloudWatch Logs envelope: `logEvents` is not an array");
    for (env->event_count = 0; json_element(&r); env->event_count++)
        if (!read_event(&r, &event))
            return err_set(e, ERR_FORMAT, "CloudWatch Logs envelope: event %zu has no text `message`",
                           env->event_count + 1);
    return 0;
}

int cloudwatch_read(struct slice text, struct cloudwatch_envelope *out, struct err *e)
{
    struct slice type = {0}, events = {0};
    const struct member members[] = {{"messageType", &type},          {"logEvents", &events},
                                     {"owner", &out->owner},          {"logGroup", &out->log_group},
                                     {"logStream", &out->log_stream}, {NULL, NULL}};
    struct json_reader r;

    *out = (struct cloudwatch_envelope){0};
    json_open(&r, text, CLOUDWATCH_LOGS_DEPTH_MAX);
    if (!read_object(&r, members) || !json_end(&r))
        return err_set(e, ERR_FORMAT, "CloudWatch Logs envelope: byte %zu: %s", json_offset(&r),
                       r.error ? r.error : "more behind the object");
    if (slice_is(type, "\"CONTROL_MESSAGE\"")) {
        out->is_control = true;
        return 0;
    }
    if (!slice_is(type, "\"DATA_MESSAGE\""))
        return err_set(e, ERR_FORMAT, "CloudWatch Logs envelope: `messageType` is not DATA_MESSAGE or CONTROL_MESSAGE");
    out->events = events;
    return count_events(out, e);
}

int cloudwatch_message(const struct cloudwatch_event *event, struct buf *out)
{
    struct slice inside = slice_of(event->message.p + 1, event->message.n - 2);

    return json_unescape((struct json_string){inside, memchr(inside.p, '\\', inside.n) != NULL}, out);
}

int cloudwatch_event_object(const struct cloudwatch_envelope *from, const struct cloudwatch_event *event,
                            struct buf *out)
{
    const struct {
        const char *name;
        struct slice value;
    } members[] = {
        {"\"owner\":", from->owner},          {"\"logGroup\":", from->log_group},
        {"\"logStream\":", from->log_stream}, {"\"id\":", event->id},
        {"\"timestamp\":", event->timestamp}, {"\"extractedFields\":", event->extracted},
        {"\"message\":", event->message},
    };
    char before = '{';

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (members[i].value.n == 0)
            continue;
        if (buf_add_char(out, before) < 0 || buf_add_str(out, members[i].name) < 0 ||
            buf_add_slice(out, members[i].value) < 0)
            return -1;
        before = ',';
    }
    return buf_add_char(out, '}');
}
