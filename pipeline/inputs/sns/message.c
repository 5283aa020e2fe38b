/* All that is decoded goes into one buffer that has room for it before the first byte: decoded text is never longer than its JSON, so slices
 * into it stay where they are. */
#include "pipeline/inputs/sns/message.h"

#include "pipeline/base/json.h"

#include <string.h>
#include <time.h>

size_t sns_text_room(size_t n)
{
    return n + 1;
}

/* --- members ---------------------------------------------------------------------------------------------------------- */

struct member {
    const char *name;
    struct slice *out;
    bool *seen; /* NULL: `out` says it */
};

static int take_text(struct json_reader *r, struct buf *text, struct slice *out)
{
    size_t from = text->n;
    struct json_string s;

    if (json_peek(r) != JSON_STRING || !json_string(r, &s) || json_unescape(s, text) < 0)
        return -1;
    *out = slice_of(text->p + from, text->n - from);
    return 0;
}

/* {"Type": "String", "Value": "x"} */
static int take_attribute(struct json_reader *r, struct buf *text, struct sns_attribute *a)
{
    struct json_string key;

    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return -1;
    while (json_member(r, &key)) {
        int rc = 0;

        if (json_string_is(key, "Type"))
            rc = take_text(r, text, &a->type);
        else if (json_string_is(key, "Value"))
            rc = take_text(r, text, &a->value);
        else
            json_skip(r);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int take_attributes(struct json_reader *r, struct buf *text, struct sns_message *m)
{
    struct json_string key;

    if (json_peek(r) == JSON_NULL)
        return json_skip(r) ? 0 : -1;
    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return -1;
    while (json_member(r, &key)) {
        struct sns_attribute a = {.type = SLICE("")};
        size_t from = text->n;

        if (json_unescape(key, text) < 0)
            return -1;
        a.name = slice_of(text->p + from, text->n - from);
        if (take_attribute(r, text, &a) < 0)
            return -1;
        if (m->attribute_count < SNS_ATTRIBUTES_MAX)
            m->attributes[m->attribute_count++] = a;
        else
            m->too_many_attributes = true;
    }
    return 0;
}

static int read_members(struct sns_message *m, struct json_reader *r, struct buf *text, struct err *e)
{
    const struct member known[] = {{"Type", &m->type_name, NULL},
                                   {"MessageId", &m->id, NULL},
                                   {"TopicArn", &m->topic, NULL},
                                   {"Subject", &m->subject, &m->has_subject},
                                   {"Message", &m->message, NULL},
                                   {"Timestamp", &m->timestamp, NULL},
                                   {"Token", &m->token, NULL},
                                   {"SubscribeURL", &m->subscribe_url, NULL},
                                   {"SignatureVersion", &m->version, NULL},
                                   {"Signature", &m->signature, NULL},
                                   {"SigningCertURL", &m->certificate_url, NULL}};
    bool attributes = false;
    struct json_string key;

    while (json_member(r, &key)) {
        const struct member *found = NULL;

        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            if (json_string_is(key, known[i].name))
                found = &known[i];
        if (found) {
            if (found->out->p)
                return err_set(e, ERR_FORMAT, "%s is there twice", found->name);
            if (found->seen && json_peek(r) == JSON_NULL) { /* as good as left out */
                json_skip(r);
                continue;
            }
            if (take_text(r, text, found->out) < 0)
                return r->error ? -1 : err_set(e, ERR_FORMAT, "%s is no string", found->name);
            if (found->seen)
                *found->seen = true;
        } else if (json_string_is(key, "MessageAttributes")) {
            if (attributes)
                return err_set(e, ERR_FORMAT, "MessageAttributes is there twice");
            attributes = true;
            if (take_attributes(r, text, m) < 0)
                return r->error ? -1 : err_set(e, ERR_FORMAT, "MessageAttributes is not what SNS sends");
        } else {
            json_skip(r);
        }
    }
    return r->error ? -1 : 0;
}

/* --- what its kind needs ---------------------------------------------------------------------------------------------- */

static int check_type(struct sns_message *m, struct err *e)
{
    if (slice_is(m->type_name, "Notification"))
        m->type = SNS_NOTIFICATION;
    else if (slice_is(m->type_name, "SubscriptionConfirmation"))
        m->type = SNS_SUBSCRIPTION;
    else if (slice_is(m->type_name, "UnsubscribeConfirmation"))
        m->type = SNS_UNSUBSCRIPTION;
    else
        return err_set(e, ERR_FORMAT, "Type is none that SNS sends");
    return 0;
}

/* An id goes into the spool's memory, and an ARN into log lines: they are what AWS makes of them. */
static bool is_plain(struct slice s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= max;
}

static int check_members(struct sns_message *m, struct err *e)
{
    bool confirms = m->type != SNS_NOTIFICATION;

    if (!m->message.p)
        return err_set(e, ERR_FORMAT, "Message is missing");
    if (!is_plain(m->id, SNS_ID_MAX))
        return err_set(e, ERR_FORMAT, "MessageId is missing, or no id");
    if (!is_plain(m->topic, SNS_ARN_MAX))
        return err_set(e, ERR_FORMAT, "TopicArn is missing, or no ARN");
    if (!sns_time(m->timestamp, &m->sent))
        return err_set(e, ERR_FORMAT, "Timestamp is missing, or no time");
    if (!m->version.n || !m->signature.n || !m->certificate_url.n)
        return err_set(e, ERR_FORMAT, "it is not signed (SignatureVersion, Signature, SigningCertURL)");
    if (confirms && (!m->token.n || !m->subscribe_url.n))
        return err_set(e, ERR_FORMAT, "Token or SubscribeURL is missing");
    return 0;
}

int sns_message_read(struct sns_message *m, struct slice body, struct buf *text, struct err *e)
{
    struct json_reader r;

    *m = (struct sns_message){.type = SNS_NOTIFICATION};
    buf_clear(text);
    if (buf_reserve(text, sns_text_room(body.n)) < 0)
        return err_set(e, ERR_FORMAT, "it has %zu bytes, more than there is room for", body.n);
    json_open(&r, body, ANSWER_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return err_set(e, ERR_FORMAT, "the body is no JSON object");
    if (read_members(m, &r, text, e) < 0 || !json_end(&r)) {
        if (r.error)
            return err_set(e, ERR_FORMAT, "the body is no JSON: %s at byte %zu", r.error, json_offset(&r));
        return -1;
    }
    return check_type(m, e) < 0 ? -1 : check_members(m, e);
}

/* --- what is signed --------------------------------------------------------------------------------------------------- */

size_t sns_message_signed(const struct sns_message *m, struct slice parts[SNS_PARTS_MAX])
{
    const struct {
        struct slice name, value;
        bool there;
    } keys[] = {
        {SLICE("Message"), m->message, true},
        {SLICE("MessageId"), m->id, true},
        {SLICE("Subject"), m->subject, m->type == SNS_NOTIFICATION && m->has_subject},
        {SLICE("SubscribeURL"), m->subscribe_url, m->type != SNS_NOTIFICATION},
        {SLICE("Timestamp"), m->timestamp, true},
        {SLICE("Token"), m->token, m->type != SNS_NOTIFICATION},
        {SLICE("TopicArn"), m->topic, true},
        {SLICE("Type"), m->type_name, true},
    };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!keys[i].there)
            continue;
        parts[n++] = keys[i].name;
        parts[n++] = SLICE("\n");
        parts[n++] = keys[i].value;
        parts[n++] = SLICE("\n");
    }
    return n;
}

/* --- times ------------------------------------------------------------------------------------------------------------ */

/* "dddd-dd-ddTdd:dd:dd", where d is a digit. */
static bool has_shape(struct slice s, const char *shape)
{
    for (size_t i = 0; shape[i]; i++)
        if (i >= s.n || (shape[i] == 'd' ? s.p[i] < '0' || s.p[i] > '9' : s.p[i] != shape[i]))
            return false;
    return true;
}

static int digits(struct slice s, size_t at, size_t n)
{
    int v = 0;

    for (size_t i = at; i < at + n; i++)
        v = v * 10 + (s.p[i] - '0');
    return v;
}

bool sns_time(struct slice text, nsec *wall)
{
    static const char SHAPE[] = "dddd-dd-ddTdd:dd:dd";
    size_t n = sizeof(SHAPE) - 1, i = n;
    nsec fraction = 0, unit = NSEC_PER_SEC;
    struct tm tm, again;
    time_t t;

    if (!has_shape(text, SHAPE))
        return false;
    if (i < text.n && text.p[i] == '.')
        for (i++; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
            unit /= 10;
            fraction += (text.p[i] - '0') * unit;
        }
    if (i + 1 != text.n || text.p[i] != 'Z' || digits(text, 0, 4) < 1970 || digits(text, 0, 4) > 2200)
        return false;
    tm = (struct tm){.tm_year = digits(text, 0, 4) - 1900,
                     .tm_mon = digits(text, 5, 2) - 1,
                     .tm_mday = digits(text, 8, 2),
                     .tm_hour = digits(text, 11, 2),
                     .tm_min = digits(text, 14, 2),
                     .tm_sec = digits(text, 17, 2)};
    again = tm;
    t = timegm(&again); /* carries over what is too large, such as 31 June: then the way back differs */
    if (again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday || again.tm_hour != tm.tm_hour ||
        again.tm_min != tm.tm_min)
        return false;
    *wall = (nsec)t * NSEC_PER_SEC + fraction;
    return true;
}
