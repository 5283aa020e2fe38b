#include "pipeline/inputs/splunk_hec/event.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"

#include <stdio.h>

const char *const hec_members[5] = {"time", "host", "source", "sourcetype", "index"};

/* The value of a member that is wanted once. */
static bool take_once(struct json_reader *r, struct slice *into)
{
    return into->n == 0 && json_value(r, into);
}

static bool read_event(struct json_reader *r, struct hec_event *ev)
{
    ev->is_text = json_peek(r) == JSON_STRING;
    if (!ev->is_text)
        return json_value(r, &ev->event);
    if (!json_string(r, &ev->text))
        return false;
    ev->event = ev->text.raw;
    return true;
}

static bool read_members(struct json_reader *r, struct hec_event *ev, bool *found)
{
    struct json_string key;

    while (json_member(r, &key)) {
        bool known = false;

        if (json_string_is(key, "event")) {
            if (*found || !read_event(r, ev))
                return false;
            *found = true;
            continue;
        }
        for (size_t i = 0; i < ARRAY_LEN(hec_members) && !known; i++) {
            known = json_string_is(key, hec_members[i]);
            if (known && !take_once(r, &ev->members[i]))
                return false;
        }
        if (!known && !(json_string_is(key, "fields") ? take_once(r, &ev->fields) : json_skip(r)))
            return false;
    }
    return !r->error;
}

enum hec_read hec_next(struct slice *rest, struct hec_event *ev)
{
    struct json_reader r;
    const char *begin;
    bool found = false;

    *ev = (struct hec_event){.is_text = false};
    json_open(&r, *rest, PUSH_JSON_DEPTH);
    switch (json_peek(&r)) {
    case JSON_NONE:
        return r.error ? HEC_MALFORMED : HEC_END;
    case JSON_OBJECT:
        break;
    default:
        return HEC_MALFORMED;
    }
    begin = r.p;
    if (!json_enter(&r) || !read_members(&r, ev, &found))
        return HEC_MALFORMED;
    ev->whole = slice_of(begin, (size_t)(r.p - begin));
    *rest = slice_of(r.p, (size_t)(rest->p + rest->n - r.p));
    if (!found || (!ev->is_text && slice_is(ev->event, "null")))
        return HEC_NO_EVENT;
    return ev->is_text && ev->event.n == 0 ? HEC_BLANK : HEC_EVENT;
}

/* --- what is said beside it ----------------------------------------------------------------------------------------- */

/* A text without its quotes; anything else as it stands. */
static struct slice value_of(struct slice json, struct buf *room)
{
    struct json_reader r;
    struct json_string s;
    size_t at = room->n;

    if (json.n == 0 || json.p[0] != '"')
        return json;
    json_open(&r, json, 1);
    if (!json_string(&r, &s))
        return SLICE("");
    if (!s.escaped)
        return s.raw;
    return json_unescape(s, room) < 0 ? SLICE("") : slice_of(room->p + at, room->n - at);
}

static void add(struct buf *facts, struct slice name, struct slice value)
{
    if (value.n > 0 && facts_add(facts, name, value) < 0)
        return; /* as much as there is room for */
}

void hec_facts(const struct hec_event *ev, struct buf *room, struct buf *facts)
{
    struct json_field f;
    struct json_reader r;
    char name[PUSH_ATTRIBUTE_NAME_MAX + sizeof("field.")];

    for (size_t i = 0; i < ARRAY_LEN(hec_members); i++) {
        buf_clear(room);
        add(facts, slice_str(hec_members[i]), value_of(ev->members[i], room));
    }
    json_open(&r, ev->fields, PUSH_JSON_DEPTH);
    if (ev->fields.n == 0 || json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return;
    while (json_field(&r, &f)) {
        struct slice key = f.key.raw;
        int n;

        buf_clear(room);
        if (f.key.escaped) {
            if (json_unescape(f.key, room) < 0)
                continue;
            key = buf_slice(room);
        }
        n = snprintf(name, sizeof(name), "field.%.*s", (int)key.n, key.p);
        if (key.n > PUSH_ATTRIBUTE_NAME_MAX || n >= (int)sizeof(name))
            continue;
        buf_clear(room);
        add(facts, slice_of(name, (size_t)n), value_of(f.value, room));
    }
}
