/* Keys are asked for in URL encoding, since XML cannot carry every byte that a key may have. A server that does not know
 * the option answers without <EncodingType>, and then they are taken as they stand. It may come behind the keys, so they
 * are decoded when all has been read; in place, because decoding only shortens. */
#include "sinks/s3/list.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/plural.h"
#include "sinks/s3/xml_scan.h"

#include <stdlib.h>
#include <time.h>

#define SHOWN_MAX 80

void s3_list_page_init(struct s3_list_page *page)
{
    *page = (struct s3_list_page){0};
    buf_init(&page->keys, S3_LIST_ANSWER_MAX);
    buf_init(&page->objects, S3_LIST_OBJECTS_MAX);
    buf_init(&page->next, S3_LIST_TOKEN_MAX);
}

void s3_list_page_release(struct s3_list_page *page)
{
    buf_release(&page->keys);
    buf_release(&page->objects);
    buf_release(&page->next);
}

int s3_list_query(struct slice prefix, struct slice token, struct buf *out)
{
    if (token.n > 0 && (buf_add_str(out, "continuation-token=") < 0 || sigv4_uri_encode(token, false, out) < 0 ||
                        buf_add_char(out, '&') < 0))
        return -1;
    if (buf_add_str(out, "encoding-type=url&list-type=2&prefix=") < 0)
        return -1;
    return sigv4_uri_encode(prefix, false, out);
}

const struct s3_list_object *s3_list_at(const struct s3_list_page *page, size_t i)
{
    return (const struct s3_list_object *)(const void *)page->objects.p + i;
}

struct slice s3_list_key(const struct s3_list_page *page, size_t i)
{
    const struct s3_list_object *o = s3_list_at(page, i);

    return slice_of(page->keys.p + o->at, o->n);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct reader {
    struct s3_list_page *page;
    struct s3_list_object object; /* the <Contents> that is being read */
    bool in_object, has_key;
    bool is_listing, truncated, truncated_told, url;
};

static bool element_is(const struct xml_scan *x, unsigned depth, const char *name)
{
    return x->depth == depth && slice_is(x->name, name);
}

/* "2026-07-13T14:05:09.000Z"; NSEC_NEVER when it is something else. */
static nsec read_time(struct slice text)
{
    struct tm tm = {.tm_isdst = 0};
    char copy[40];
    const char *end;

    if (text.n >= sizeof(copy))
        return NSEC_NEVER;
    memcpy(copy, text.p ? text.p : "", text.n);
    copy[text.n] = '\0';
    end = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (!end || strcmp(end, "Z") != 0 || tm.tm_year < 70 || tm.tm_year > 300)
        return NSEC_NEVER;
    return (nsec)timegm(&tm) * NSEC_PER_SEC;
}

/* Digits only; anything else is 0, which is "not told": the size is not relied upon. */
static uint64_t read_size(struct slice text)
{
    uint64_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || n > UINT64_MAX / 10 - 1)
            return 0;
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    }
    return n;
}

static int read_key(struct reader *r, struct slice text, struct err *e)
{
    struct buf *keys = &r->page->keys;

    if (r->has_key)
        return err_set(e, ERR_FORMAT, "an object in the listing has two keys");
    r->has_key = true;
    r->object.at = keys->n;
    if (xml_decode(text, keys) < 0)
        return err_set(e, ERR_FORMAT, "a key in the listing cannot be read: `%.*s`",
                       (int)(text.n < SHOWN_MAX ? text.n : SHOWN_MAX), text.p);
    r->object.n = keys->n - r->object.at;
    return 0;
}

static int end_object(struct reader *r, struct err *e)
{
    const struct s3_list_object *o = &r->object;

    r->in_object = false;
    if (!r->has_key || o->n == 0)
        return err_set(e, ERR_FORMAT, "an object in the listing has no key");
    if (buf_add(&r->page->objects, o, sizeof(*o)) < 0)
        return err_set(e, ERR_LIMIT, "the listing has more objects than fit");
    r->page->count++;
    return 0;
}

static int read_token(struct reader *r, struct slice text, struct err *e)
{
    buf_clear(&r->page->next);
    return xml_decode(text, &r->page->next) < 0
               ? err_set(e, ERR_FORMAT, "the listing's continuation token is unreadable")
               : 0;
}

static void begin_element(struct reader *r, const struct xml_scan *x)
{
    if (element_is(x, 1, "ListBucketResult"))
        r->is_listing = true;
    if (!element_is(x, 2, "Contents"))
        return;
    r->in_object = true;
    r->has_key = false;
    r->object = (struct s3_list_object){.modified = NSEC_NEVER};
}

/* x->depth is that of what is around. */
static int end_element(struct reader *r, const struct xml_scan *x, struct err *e)
{
    if (r->in_object && element_is(x, 2, "Key"))
        return read_key(r, x->text, e);
    if (r->in_object && element_is(x, 2, "LastModified"))
        r->object.modified = read_time(x->text);
    if (r->in_object && element_is(x, 2, "Size"))
        r->object.size = read_size(x->text);
    if (element_is(x, 1, "Contents"))
        return end_object(r, e);
    if (element_is(x, 1, "EncodingType"))
        r->url = slice_is(x->text, "url");
    if (element_is(x, 1, "IsTruncated")) {
        r->truncated_told = slice_is(x->text, "true") || slice_is(x->text, "false");
        r->truncated = slice_is(x->text, "true");
    }
    return element_is(x, 1, "NextContinuationToken") ? read_token(r, x->text, e) : 0;
}

static int no_listing(struct err *e)
{
    return err_set(e, ERR_FORMAT, "the answer is no listing of a bucket; is this an S3 server's port?");
}

static int broken(const struct reader *r, struct err *e)
{
    return r->is_listing ? err_set(e, ERR_FORMAT, "the listing breaks off or is not XML, behind %zu object%s",
                                   r->page->count, noun_s(r->page->count))
                         : no_listing(e);
}

static int read_elements(struct reader *r, struct slice xml, struct err *e)
{
    struct xml_scan x;
    enum xml_event event;

    xml_scan_init(&x, xml);
    while ((event = xml_scan_next(&x)) == XML_OPEN || event == XML_CLOSE) {
        if (event == XML_OPEN)
            begin_element(r, &x);
        if (!r->is_listing)
            return no_listing(e);
        if (event == XML_CLOSE && end_element(r, &x, e) < 0)
            return -1;
    }
    return event == XML_END ? 0 : broken(r, e);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

/* In place. Like a form's field: a blank is a plus. */
static int decode_url(char *p, size_t *n)
{
    size_t to = 0;

    for (size_t i = 0; i < *n; i++) {
        int high, low;

        if (p[i] != '%') {
            p[to++] = (char)(p[i] == '+' ? ' ' : p[i]);
            continue;
        }
        high = i + 2 < *n ? hex_digit(p[i + 1]) : -1;
        low = i + 2 < *n ? hex_digit(p[i + 2]) : -1;
        if (high < 0 || low < 0)
            return -1;
        p[to++] = (char)(high << 4 | low);
        i += 2;
    }
    *n = to;
    return 0;
}

static int check_keys(struct s3_list_page *page, bool url, struct slice prefix, struct err *e)
{
    struct s3_list_object *o = (struct s3_list_object *)(void *)page->objects.p;

    for (size_t i = 0; i < page->count; i++, o++) {
        int shown = (int)(o->n < SHOWN_MAX ? o->n : SHOWN_MAX);
        char *key = page->keys.p + o->at;

        if (url && decode_url(key, &o->n) < 0)
            return err_set(e, ERR_FORMAT, "a key in the listing is not in URL encoding: `%.*s`", shown, key);
        if (o->n > S3_KEY_MAX)
            return err_set(e, ERR_LIMIT, "a key in the listing has more than %d bytes: `%.*s...`", S3_KEY_MAX, shown,
                           key);
        if (!slice_starts(slice_of(key, o->n), prefix))
            return err_set(e, ERR_FORMAT, "the listing has a key that was not asked for: `%.*s`", shown, key);
    }
    return 0;
}

int s3_list_read(struct slice xml, struct slice prefix, struct s3_list_page *page, struct err *e)
{
    struct reader r = {.page = page};

    page->count = 0;
    buf_clear(&page->keys);
    buf_clear(&page->objects);
    buf_clear(&page->next);
    if (read_elements(&r, xml, e) < 0)
        return -1;
    if (!r.truncated_told)
        return err_set(e, ERR_FORMAT, "the listing does not say whether there is more (IsTruncated)");
    if (r.truncated && page->next.n == 0)
        return err_set(e, ERR_FORMAT,
                       "the listing has more objects and no continuation token; does the server know ListObjectsV2?");
    if (!r.truncated)
        buf_clear(&page->next);
    return check_keys(page, r.url, prefix, e);
}
