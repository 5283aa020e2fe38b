/* The envelope is walked twice: first as a whole, where every event must be an object with a text `message`; then
 * event by event, where nothing can fail any more. Values are kept as JSON text, so an event is put together again
 * by copying. */
#include "transforms/unpack/cloudwatch.h"

#include "pipeline/base/limits.h"

static bool is_string(struct slice raw)
{
    return raw.n >= 2 && raw.p[0] == '"';
}

static struct json_string string_of(struct slice raw)
{
    struct slice inside = slice_of(raw.p + 1, raw.n - 2);

    return (struct json_string){inside, memchr(inside.p, '\\', inside.n) != NULL};
}

/* Where a member of this name goes; NULL: nobody asks for it. */
static struct slice *event_place(struct cloudwatch_event *event, struct json_string key)
{
    if (json_string_is(key, "id"))
        return &event->id;
    if (json_string_is(key, "timestamp"))
        return &event->timestamp;
    if (json_string_is(key, "message"))
        return &event->message;
    return json_string_is(key, "extractedFields") ? &event->extracted : NULL;
}

static bool read_event(struct json_reader *r, struct cloudwatch_event *out)
{
    struct json_string key;

    *out = (struct cloudwatch_event){0};
    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return false;
    while (json_member(r, &key)) {
        struct slice *place = event_place(out, key);

        if (place ? !json_value(r, place) : !json_skip(r))
            return false;
    }
    return !r->error && is_string(out->message);
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

struct members {
    struct slice type, events;
};

static struct slice *envelope_place(struct cloudwatch_envelope *env, struct members *m, struct json_string key)
{
    if (json_string_is(key, "messageType"))
        return &m->type;
    if (json_string_is(key, "logEvents"))
        return &m->events;
    if (json_string_is(key, "owner"))
        return &env->owner;
    if (json_string_is(key, "logGroup"))
        return &env->log_group;
    return json_string_is(key, "logStream") ? &env->log_stream : NULL;
}

static bool read_members(struct slice text, struct cloudwatch_envelope *env, struct members *m, struct json_reader *r)
{
    struct json_string key;

    json_open(r, text, CLOUDWATCH_LOGS_DEPTH_MAX);
    if (!json_enter(r))
        return false;
    while (json_member(r, &key)) {
        struct slice *place = envelope_place(env, m, key);

        if (place ? !json_value(r, place) : !json_skip(r))
            return false;
    }
    return json_end(r);
}

int cloudwatch_read(struct slice text, struct cloudwatch_envelope *out, struct err *e)
{
    struct members m = {{0}, {0}};
    struct json_reader r;

    *out = (struct cloudwatch_envelope){0};
    if (!read_members(text, out, &m, &r))
        return err_set(e, ERR_FORMAT, "CloudWatch Logs envelope: byte %zu: %s", json_offset(&r),
                       r.error ? r.error : "more behind the object");
    if (slice_is(m.type, "\"CONTROL_MESSAGE\"")) {
        out->is_control = true;
        return 0;
    }
    if (!slice_is(m.type, "\"DATA_MESSAGE\""))
        return err_set(e, ERR_FORMAT, "CloudWatch Logs envelope: `messageType` is not DATA_MESSAGE or CONTROL_MESSAGE");
    out->events = m.events;
    return count_events(out, e);
}

int cloudwatch_message(const struct cloudwatch_event *event, struct buf *out)
{
    return json_unescape(string_of(event->message), out);
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
