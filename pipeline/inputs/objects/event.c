/* Everything that is decoded goes into one buffer that has room for all of it before the first byte, so slices into it stay where they are. What
 * a member means is known when all of its object have been seen, so each object of JSON is read into what it might be. */
#include "pipeline/inputs/objects/event.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

/* An event in an envelope in an envelope, and no more. */
#define ENVELOPES_MAX 3

void object_list_init(struct object_list *l)
{
    *l = (struct object_list){.n = 0};
    buf_init(&l->text, OBJECTS_EVENT_TEXT_MAX);
}

void object_list_release(struct object_list *l)
{
    buf_release(&l->text);
    MEM_CLEAR(l->at);
    l->n = l->room = 0;
}

/* --- values -------------------------------------------------------------------------------------------------------- */

/* A string that is next, decoded; anything else is none. */
static bool take_text(struct json_reader *r, struct buf *text, struct slice *out)
{
    size_t from = text->n;
    struct json_string s;

    if (json_peek(r) != JSON_STRING)
        return json_skip(r);
    if (!json_string(r, &s) || json_unescape(s, text) < 0)
        return false;
    *out = slice_from(buf_slice(text), from);
    return true;
}

/* In place: it only becomes shorter. */
static struct slice url_decoded(struct slice s)
{
    char *p = (char *)(uintptr_t)s.p;
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        int high = i + 2 < s.n ? hex_digit(p[i + 1]) : -1, low = i + 2 < s.n ? hex_digit(p[i + 2]) : -1;

        if (p[i] == '%' && high >= 0 && low >= 0) {
            p[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            p[n++] = p[i];
            if (p[i] == '+')
                p[n - 1] = ' ';
        }
    }
    return slice_of(p, n);
}

static struct object *add(struct object_list *l)
{
    if (l->n == l->room) {
        l->room = l->room ? 2 * l->room : 1;
        l->at = mem_grow(l->at, l->room, sizeof(*l->at));
    }
    l->at[l->n] = (struct object){.bucket = SLICE("")};
    return &l->at[l->n++];
}

static bool take_bucket(struct json_reader *r, struct buf *text, struct object *o)
{
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key))
        fine = json_string_is(key, "name") ? take_text(r, text, &o->bucket) : json_skip(r);
    return fine && !r->error;
}

static bool take_object(struct json_reader *r, struct buf *text, struct object *o)
{
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "key"))
            fine = take_text(r, text, &o->key);
        else if (json_string_is(key, "versionId") || json_string_is(key, "version-id"))
            fine = take_text(r, text, &o->version);
        else if (json_string_is(key, "eTag") || json_string_is(key, "etag"))
            fine = take_text(r, text, &o->tag);
        else if (json_string_is(key, "sequencer"))
            fine = take_text(r, text, &o->sequencer);
        else
            fine = json_skip(r);
    }
    return fine && !r->error;
}

/* {"bucket": {"name": ...}, "object": {"key": ...}}, which both forms have. */
static bool take_place(struct json_reader *r, struct buf *text, struct object *o)
{
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "bucket") && json_peek(r) == JSON_OBJECT)
            fine = take_bucket(r, text, o);
        else if (json_string_is(key, "object") && json_peek(r) == JSON_OBJECT)
            fine = take_object(r, text, o);
        else
            fine = json_skip(r);
    }
    return fine && !r->error;
}

/* --- forms --------------------------------------------------------------------------------------------------------- */

/* It is read, or it is not, or (false) it is no event. */
static bool judge(struct object_list *l, struct object o, bool created)
{
    if (o.bucket.n == 0 || o.key.n == 0)
        return false;
    if (created)
        *add(l) = o;
    else
        l->others++;
    return true;
}

static bool is_creation(struct slice name)
{
    if (slice_starts(name, SLICE("s3:"))) /* as some stores say it */
        name = slice_from(name, 3);
    return slice_starts(name, SLICE("ObjectCreated:"));
}

static bool take_record(struct json_reader *r, struct object_list *l)
{
    struct object o = {.bucket = SLICE("")};
    struct slice name = SLICE("");
    struct json_string key;
    bool fine = json_peek(r) == JSON_OBJECT && json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "eventName"))
            fine = take_text(r, &l->text, &name);
        else if (json_string_is(key, "awsRegion"))
            fine = take_text(r, &l->text, &o.region);
        else if (json_string_is(key, "s3") && json_peek(r) == JSON_OBJECT)
            fine = take_place(r, &l->text, &o);
        else
            fine = json_skip(r);
    }
    if (!fine || r->error || name.n == 0)
        return false;
    o.key = url_decoded(o.key);
    return judge(l, o, is_creation(name));
}

static bool take_records(struct json_reader *r, struct object_list *l, bool *found)
{
    bool fine = json_enter(r);

    while (fine && json_element(r)) {
        fine = take_record(r, l);
        *found = true;
    }
    return fine && !r->error;
}

/* What an object of JSON may be: one of the forms, or an envelope. */
struct form {
    bool records;
    struct slice event, type, message; /* of S3's test; of SNS */
    struct slice kind, detail, region; /* of EventBridge */
};

static bool take_form(struct json_reader *r, struct object_list *l, struct form *f)
{
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "Records") && json_peek(r) == JSON_ARRAY)
            fine = take_records(r, l, &f->records);
        else if (json_string_is(key, "Event"))
            fine = take_text(r, &l->text, &f->event);
        else if (json_string_is(key, "Type"))
            fine = take_text(r, &l->text, &f->type);
        else if (json_string_is(key, "Message"))
            fine = take_text(r, &l->text, &f->message);
        else if (json_string_is(key, "detail-type"))
            fine = take_text(r, &l->text, &f->kind);
        else if (json_string_is(key, "region"))
            fine = take_text(r, &l->text, &f->region);
        else if (json_string_is(key, "detail") && json_peek(r) == JSON_OBJECT)
            fine = json_value(r, &f->detail);
        else
            fine = json_skip(r);
    }
    return fine && json_end(r);
}

static bool take_detail(struct object_list *l, const struct form *f)
{
    struct object o = {.region = f->region};
    struct json_reader r;

    json_open(&r, f->detail, ANSWER_JSON_DEPTH);
    return take_place(&r, &l->text, &o) && judge(l, o, slice_is(f->kind, "Object Created"));
}

static bool read_form(struct object_list *l, struct slice message)
{
    for (unsigned i = 0; i < ENVELOPES_MAX; i++) {
        struct form f = {.records = false};
        struct json_reader r;

        json_open(&r, message, ANSWER_JSON_DEPTH);
        if (json_peek(&r) != JSON_OBJECT || !take_form(&r, l, &f))
            return false;
        if (f.records)
            return true;
        if (slice_is(f.event, "s3:TestEvent")) {
            l->others++;
            return true;
        }
        if (f.kind.n > 0 && f.detail.n > 0)
            return take_detail(l, &f);
        if (!slice_is(f.type, "Notification"))
            return false;
        message = f.message;
    }
    return false;
}

bool object_list_read(struct object_list *l, struct slice message)
{
    l->n = l->others = 0;
    buf_clear(&l->text);
    buf_trim(&l->text, SQS_TEXT_KEEP);
    if (buf_reserve(&l->text, 3 * message.n) == 0 && read_form(l, message))
        return true;
    l->n = 0;
    return false;
}
