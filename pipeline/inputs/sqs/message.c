/* Everything that is decoded goes into one buffer that has room for the whole answer before the first byte: decoded text is never longer than
 * its JSON, so slices into it stay where they are. Facts go there, too; each has a name and a length around its value, for which there is
 * extra room, so many for each message.
 *
 * The order of members is the sender's: what a member means is known when all have been seen. So a message is read into a list of its
 * members first, and put together behind it. */
#include "pipeline/inputs/sqs/message.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AWS allows 10; others may not count. */
enum { ATTRIBUTES_MAX = 32 };

struct attribute {
    struct slice name, type, value;
    bool binary;
};

struct draft {
    struct slice body, body_md5, attributes_md5;
    struct slice sent, received, count, group, sequence, deduplication;
    struct attribute attributes[ATTRIBUTES_MAX];
    size_t attribute_count;
    bool too_many; /* attributes */
};

void sqs_batch_init(struct sqs_batch *b)
{
    *b = (struct sqs_batch){.n = 0};
    buf_init(&b->text, SQS_TEXT_MAX);
}

void sqs_batch_release(struct sqs_batch *b)
{
    buf_release(&b->text);
    b->n = 0;
}

/* --- members ------------------------------------------------------------------------------------------------------- */

/* The string that is next, decoded into the batch. Anything else is an error of the document. */
static bool take_string(struct json_reader *r, struct buf *text, struct slice *out)
{
    size_t from = text->n;
    struct json_string s;

    if (!json_string(r, &s) || json_unescape(s, text) < 0)
        return false;
    *out = slice_from(buf_slice(text), from);
    return true;
}

static bool take_binary(struct json_reader *r, struct buf *text, struct slice *out)
{
    struct slice coded;
    long n;

    if (!take_string(r, text, &coded) || buf_reserve(text, base64_decoded_max(coded.n) + BASE64_SLACK) < 0)
        return false;
    n = base64_decode(coded, text->p + text->n);
    if (n < 0)
        return false;
    *out = slice_of(text->p + text->n, (size_t)n);
    text->n += (size_t)n;
    return true;
}

static bool take_attribute(struct json_reader *r, struct buf *text, struct attribute *a)
{
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "DataType"))
            fine = take_string(r, text, &a->type);
        else if (json_string_is(key, "StringValue") && json_peek(r) == JSON_STRING)
            fine = take_string(r, text, &a->value);
        else if (json_string_is(key, "BinaryValue") && json_peek(r) == JSON_STRING)
            fine = a->binary = take_binary(r, text, &a->value);
        else
            json_skip(r);
    }
    return fine && !r->error;
}

static bool take_attributes(struct json_reader *r, struct buf *text, struct draft *d)
{
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        struct attribute *a = &d->attributes[d->attribute_count];
        size_t from = text->n;

        if (d->attribute_count == ATTRIBUTES_MAX) {
            d->too_many = true;
            json_skip(r);
            continue;
        }
        *a = (struct attribute){.binary = false};
        if (json_unescape(key, text) < 0)
            return false;
        a->name = slice_from(buf_slice(text), from);
        fine = take_attribute(r, text, a);
        d->attribute_count++;
    }
    return fine && !r->error;
}

/* What the queue says of it. */
static bool take_system(struct json_reader *r, struct buf *text, struct draft *d)
{
    const struct {
        const char *name;
        struct slice *out;
    } wanted[] = {
        {"SentTimestamp", &d->sent},
        {"ApproximateFirstReceiveTimestamp", &d->received},
        {"ApproximateReceiveCount", &d->count},
        {"MessageGroupId", &d->group},
        {"SequenceNumber", &d->sequence},
        {"MessageDeduplicationId", &d->deduplication},
    };
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        struct slice *out = NULL;

        for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
            if (json_string_is(key, wanted[i].name))
                out = wanted[i].out;
        if (out && json_peek(r) == JSON_STRING)
            fine = take_string(r, text, out);
        else
            json_skip(r);
    }
    return fine && !r->error;
}

/* It goes back as it came, as a text. */
static bool is_handle(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return s.n > 0 && s.n <= SQS_HANDLE_MAX;
}

static bool take_message(struct json_reader *r, struct buf *text, struct draft *d, struct sqs_message *m)
{
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "MessageId"))
            fine = take_string(r, text, &m->id);
        else if (json_string_is(key, "ReceiptHandle"))
            fine = take_string(r, text, &m->handle);
        else if (json_string_is(key, "Body"))
            fine = take_string(r, text, &d->body);
        else if (json_string_is(key, "MD5OfBody"))
            fine = take_string(r, text, &d->body_md5);
        else if (json_string_is(key, "MD5OfMessageAttributes") && json_peek(r) == JSON_STRING)
            fine = take_string(r, text, &d->attributes_md5);
        else if (json_string_is(key, "Attributes") && json_peek(r) == JSON_OBJECT)
            fine = take_system(r, text, d);
        else if (json_string_is(key, "MessageAttributes") && json_peek(r) == JSON_OBJECT)
            fine = take_attributes(r, text, d);
        else
            json_skip(r);
    }
    return fine && !r->error && is_handle(m->handle);
}

/* --- checksums ----------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    const struct attribute *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = n > 0 ? memcmp(x->name.p, y->name.p, n) : 0;

    return order != 0 ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static void add_sized(struct md5 *m, struct slice s)
{
    const unsigned char size[4] = {(unsigned char)(s.n >> 24), (unsigned char)(s.n >> 16), (unsigned char)(s.n >> 8),
                                   (unsigned char)s.n};

    md5_add(m, slice_of((const char *)size, sizeof(size)));
    md5_add(m, s);
}

static bool is_sum(struct slice said, const unsigned char sum[MD5_BYTES])
{
    char hex[2 * MD5_BYTES + 1];

    return said.n == 0 || slice_is(said, hex_encode(sum, MD5_BYTES, hex)); /* none is said: none is checked */
}

/* Where the system forbids MD5, nothing is wrong. */
static bool checksums_are_right(struct draft *d)
{
    unsigned char sum[MD5_BYTES];
    struct md5 *m = md5_new();
    bool right;

    if (!m)
        return true;
    md5_begin(m);
    md5_add(m, d->body);
    md5_end(m, sum);
    right = is_sum(d->body_md5, sum);
    qsort(d->attributes, d->attribute_count, sizeof(d->attributes[0]), by_name);
    md5_begin(m);
    for (size_t i = 0; i < d->attribute_count; i++) {
        const struct attribute *a = &d->attributes[i];

        add_sized(m, a->name);
        add_sized(m, a->type);
        md5_add(m, a->binary ? SLICE("\2") : SLICE("\1"));
        add_sized(m, a->value);
    }
    md5_end(m, sum);
    md5_free(&m);
    return right && (d->too_many || is_sum(d->attributes_md5, sum));
}

/* --- envelopes ----------------------------------------------------------------------------------------------------- */

struct envelope {
    struct slice record; /* a value's bytes, or a string's, decoded */
    struct slice topic, source, kind;
    bool found;
};

static bool open_sns(struct json_reader *r, struct buf *text, struct envelope *x)
{
    struct json_string key;
    struct slice type = SLICE("");
    bool fine = true, message = false;

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "Type") && json_peek(r) == JSON_STRING)
            fine = take_string(r, text, &type);
        else if (json_string_is(key, "TopicArn") && json_peek(r) == JSON_STRING)
            fine = take_string(r, text, &x->topic);
        else if (json_string_is(key, "Message") && json_peek(r) == JSON_STRING)
            fine = message = take_string(r, text, &x->record);
        else
            json_skip(r);
    }
    return fine && message && slice_is(type, "Notification");
}

static bool open_eventbridge(struct json_reader *r, struct buf *text, struct envelope *x)
{
    struct json_string key;
    bool fine = true, detail = false;

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "detail-type") && json_peek(r) == JSON_STRING)
            fine = take_string(r, text, &x->kind);
        else if (json_string_is(key, "source") && json_peek(r) == JSON_STRING)
            fine = take_string(r, text, &x->source);
        else if (json_string_is(key, "detail"))
            fine = detail = json_value(r, &x->record);
        else
            json_skip(r);
    }
    return fine && detail && x->kind.n > 0;
}

static void unwrap(struct slice body, enum sqs_unwrap how, struct buf *text, struct envelope *x)
{
    struct json_reader r;

    *x = (struct envelope){.found = false};
    if (how == SQS_UNWRAP_NONE || how == SQS_UNWRAP_S3)
        return;
    json_open(&r, body, ANSWER_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return;
    x->found = (how == SQS_UNWRAP_SNS ? open_sns(&r, text, x) : open_eventbridge(&r, text, x)) && json_end(&r);
}

/* --- facts --------------------------------------------------------------------------------------------------------- */

static void add_fact(struct buf *facts, const char *name, struct slice value, struct sqs_message *m)
{
    if (value.n > 0 && facts_add(facts, slice_str(name), value) < 0)
        m->facts_cut = true;
}

static void add_facts(struct buf *facts, const struct draft *d, const struct envelope *x, struct sqs_message *m)
{
    char name[SQS_ATTRIBUTE_NAME_MAX + sizeof("attribute.")];

    add_fact(facts, "message_id", m->id, m);
    add_fact(facts, "sent", d->sent, m);
    add_fact(facts, "received", d->received, m);
    add_fact(facts, "receive_count", d->count, m);
    add_fact(facts, "group", d->group, m);
    add_fact(facts, "sequence_number", d->sequence, m); /* `sequence` is the number in the spool, to a script */
    add_fact(facts, "deduplication_id", d->deduplication, m);
    add_fact(facts, "topic", x->topic, m);
    add_fact(facts, "source", x->source, m);
    add_fact(facts, "detail_type", x->kind, m);
    m->facts_cut |= d->too_many;
    for (size_t i = 0; i < d->attribute_count; i++) {
        const struct attribute *a = &d->attributes[i];

        if (a->name.n > SQS_ATTRIBUTE_NAME_MAX) {
            m->facts_cut = true;
            continue;
        }
        snprintf(name, sizeof(name), "attribute.%.*s", (int)a->name.n, a->name.p);
        add_fact(facts, name, a->value, m);
    }
}

/* --- the whole ----------------------------------------------------------------------------------------------------- */

/* Milliseconds since 1970. */
static nsec time_of(struct slice text)
{
    nsec ms = 0;

    if (text.n == 0 || text.n > 15)
        return 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return 0;
        ms = 10 * ms + (text.p[i] - '0');
    }
    return ms > NSEC_NEVER / NSEC_PER_MSEC ? 0 : ms * NSEC_PER_MSEC;
}

static bool read_one(struct json_reader *r, struct sqs_batch *b, enum sqs_unwrap how, bool check_md5)
{
    struct sqs_message *m = &b->messages[b->n];
    struct draft d = {.too_many = false};
    struct envelope x;
    struct buf facts;

    *m = (struct sqs_message){.again = false};
    if (!take_message(r, &b->text, &d, m))
        return false;
    m->broken = check_md5 && !checksums_are_right(&d);
    m->sent = time_of(d.sent);
    m->again = d.count.n > 0 && !slice_is(d.count, "1");
    unwrap(d.body, how, &b->text, &x);
    if (!x.found)
        x = (struct envelope){.record = d.body};
    m->record = x.record;
    buf_init(&facts, RECORD_FACTS_MAX);
    add_facts(&facts, &d, &x, m);
    m->facts = slice_of(b->text.p + b->text.n, facts.n);
    if (buf_add_slice(&b->text, buf_slice(&facts)) < 0)
        m->facts = SLICE("");
    buf_release(&facts);
    b->n++;
    return true;
}

static int refuse(const struct json_reader *r, struct err *e)
{
    if (r->error)
        return err_set(e, ERR_FORMAT, "the answer is no JSON: %s at byte %zu", r->error, json_offset(r));
    return err_set(e, ERR_FORMAT, "the answer is not what SQS answers (at byte %zu)", json_offset(r));
}

int sqs_batch_read(struct sqs_batch *b, struct slice answer, enum sqs_unwrap how, bool check_md5, struct err *e)
{
    struct json_reader r;
    struct json_string key;

    b->n = 0;
    buf_clear(&b->text);
    /* An envelope is decoded a second time, base64 once more beside its text, and facts come on top. */
    if (buf_reserve(&b->text, 3 * answer.n + SQS_BATCH_MAX * (RECORD_FACTS_MAX + BASE64_SLACK * ATTRIBUTES_MAX)) < 0)
        return err_set(e, ERR_LIMIT, "the answer has %zu bytes, more than can be read", answer.n);
    json_open(&r, answer, ANSWER_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return refuse(&r, e);
    while (json_member(&r, &key)) {
        if (!json_string_is(key, "Messages") || json_peek(&r) != JSON_ARRAY) {
            json_skip(&r);
            continue;
        }
        if (!json_enter(&r))
            break;
        while (json_element(&r))
            if (b->n == SQS_BATCH_MAX || !read_one(&r, b, how, check_md5)) {
                b->n = 0;
                return refuse(&r, e);
            }
    }
    if (!json_end(&r)) {
        b->n = 0;
        return refuse(&r, e);
    }
    return 0;
}

nsec sqs_batch_oldest(const struct sqs_batch *b)
{
    nsec oldest = 0;

    for (size_t i = 0; i < b->n; i++)
        if (b->messages[i].sent > 0 && (oldest == 0 || b->messages[i].sent < oldest))
            oldest = b->messages[i].sent;
    return oldest;
}
