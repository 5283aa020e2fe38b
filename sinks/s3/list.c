/* A page of a listing is XML, and an object that it does not name is not delivered by a redrive. So it is read strictly, by expat:
 * whatever is not well formed, is cut off or does not look like a listing is an error and never a shorter page.
 *
 * expat calls back for each element that opens and closes. Of the flat document a few elements matter (ELEMENTS); their text is
 * collected between the two calls and used when the element closes. An element with others in it has no text of its own. Document
 * types are refused, and with them entity declarations, which no store needs and which make XML dangerous; the depth is bounded, and
 * the size by what is taken of an answer.
 *
 * Keys are asked for in URL encoding, since XML cannot carry every byte that a key may have. A server that does not know
 * the option answers without <EncodingType>, and then they are taken as they stand. It may come behind the keys, so they
 * are decoded when all has been read; in place, because decoding only shortens. */
#include "sinks/s3/list.h"

#include "pipeline/aws/sigv4.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"

#include <expat.h>
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

enum element { NOT_WANTED, KEY, MODIFIED, SIZE, ENCODING, TRUNCATED, TOKEN };

static const struct {
    unsigned depth; /* how many elements are around it */
    const char *name;
    enum element element;
} ELEMENTS[] = {
    {2, "Key", KEY},
    {2, "LastModified", MODIFIED},
    {2, "Size", SIZE},
    {1, "EncodingType", ENCODING},
    {1, "IsTruncated", TRUNCATED},
    {1, "NextContinuationToken", TOKEN},
};

struct reader {
    XML_Parser parser;
    struct s3_list_page *page;
    unsigned depth;               /* elements that are open */
    enum element element;         /* the innermost one, while nothing but text has come in it */
    struct buf text;              /* of it */
    struct s3_list_object object; /* the <Contents> that is being read */
    bool in_object, has_key;
    bool is_listing, truncated, truncated_told, url;
    struct err *e;
    bool failed; /* e says why; expat may call back a little longer */
};

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

/* `rc` is that of the err_set() that says why. */
static void stop(struct reader *r, int rc)
{
    r->failed = rc < 0;
    (void)XML_StopParser(r->parser, XML_FALSE);
}

/* What expat or we stopped at. */
static int unreadable(const struct reader *r)
{
    const struct buf *text = &r->text;
    int shown = (int)(text->n < SHOWN_MAX ? text->n : SHOWN_MAX);

    if (r->element == KEY)
        return err_set(r->e, ERR_FORMAT, "a key in the listing cannot be read: `%.*s...`", shown,
                       text->n ? text->p : "");
    if (r->element == TOKEN)
        return err_set(r->e, ERR_FORMAT, "the listing's continuation token is unreadable");
    if (r->is_listing)
        return err_set(r->e, ERR_FORMAT, "the listing breaks off or is not XML, behind %zu object%s", r->page->count,
                       noun_s(r->page->count));
    return err_set(r->e, ERR_FORMAT, "the answer is no listing of a bucket; is this an S3 server's port?");
}

static void begin_element(void *arg, const char *name, const char **attributes)
{
    struct reader *r = arg;

    (void)attributes;
    r->element = NOT_WANTED;
    buf_clear(&r->text);
    r->is_listing |= r->depth == 0 && strcmp(name, "ListBucketResult") == 0;
    if (!r->is_listing || r->depth == XML_DEPTH_MAX) {
        stop(r, unreadable(r));
        return;
    }
    if (r->depth == 1 && strcmp(name, "Contents") == 0) {
        r->in_object = true;
        r->has_key = false;
        r->object = (struct s3_list_object){.modified = NSEC_NEVER};
    }
    for (size_t i = 0; i < ARRAY_LEN(ELEMENTS); i++)
        if (r->depth == ELEMENTS[i].depth && (r->depth == 1 || r->in_object) && strcmp(name, ELEMENTS[i].name) == 0)
            r->element = ELEMENTS[i].element;
    r->depth++;
}

static void add_text(void *arg, const char *text, int n)
{
    struct reader *r = arg;

    if (r->element != NOT_WANTED && !r->failed && buf_add(&r->text, text, (size_t)n) < 0)
        stop(r, unreadable(r));
}

static void take_text(struct reader *r, struct slice text)
{
    struct s3_list_page *page = r->page;

    switch (r->element) {
    case KEY:
        if (r->has_key) {
            stop(r, err_set(r->e, ERR_FORMAT, "an object in the listing has two keys"));
            return;
        }
        r->has_key = true;
        r->object.at = page->keys.n;
        r->object.n = text.n;
        if (buf_add_slice(&page->keys, text) < 0)
            stop(r, unreadable(r));
        break;
    case MODIFIED:
        r->object.modified = read_time(text);
        break;
    case SIZE:
        r->object.size = read_size(text);
        break;
    case ENCODING:
        r->url = slice_is(text, "url");
        break;
    case TRUNCATED:
        r->truncated = slice_is(text, "true");
        r->truncated_told = r->truncated || slice_is(text, "false");
        break;
    case TOKEN:
        buf_clear(&page->next);
        if (buf_add_slice(&page->next, text) < 0)
            stop(r, unreadable(r));
        break;
    case NOT_WANTED:
        break;
    }
}

static void end_object(struct reader *r)
{
    const struct s3_list_object *o = &r->object;

    r->in_object = false;
    if (!r->has_key || o->n == 0)
        stop(r, err_set(r->e, ERR_FORMAT, "an object in the listing has no key"));
    else if (buf_add(&r->page->objects, o, sizeof(*o)) < 0)
        stop(r, err_set(r->e, ERR_FORMAT, "the listing has more objects than fit"));
    else
        r->page->count++;
}

static void end_element(void *arg, const char *name)
{
    struct reader *r = arg;

    if (r->failed)
        return;
    r->depth--;
    take_text(r, buf_slice(&r->text));
    r->element = NOT_WANTED; /* what is around has an element in it: this one */
    if (r->depth == 1 && strcmp(name, "Contents") == 0 && !r->failed)
        end_object(r);
}

static void refuse_cdata(void *arg)
{
    struct reader *r = arg;

    r->element = NOT_WANTED;
    stop(r, unreadable(r));
}

static void refuse_doctype(void *arg, const char *name, const char *system_id, const char *public_id, int has_internal)
{
    (void)name, (void)system_id, (void)public_id, (void)has_internal;
    stop(arg, unreadable(arg));
}

/* Between elements it is nothing; in the middle of a key, who knows what is meant. */
static void skip_comment(void *arg, const char *text)
{
    struct reader *r = arg;

    (void)text;
    if (r->element != NOT_WANTED)
        stop(r, unreadable(r));
}

static int read_elements(struct reader *r, struct slice xml)
{
    enum XML_Status status;

    while (xml.n > 0 && strchr(" \t\r\n", xml.p[0]) && xml.p[0]) /* before the prolog expat wants nothing */
        xml = slice_of(xml.p + 1, xml.n - 1);
    r->parser = XML_ParserCreate(NULL);
    if (!r->parser)
        mem_exhausted();
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, begin_element, end_element);
    XML_SetCharacterDataHandler(r->parser, add_text);
    XML_SetStartDoctypeDeclHandler(r->parser, refuse_doctype);
    XML_SetStartCdataSectionHandler(r->parser, refuse_cdata);
    XML_SetCommentHandler(r->parser, skip_comment);
    buf_init(&r->text, S3_LIST_TOKEN_MAX);
    status = XML_Parse(r->parser, xml.n > 0 ? xml.p : "", (int)xml.n, XML_TRUE);
    if (status != XML_STATUS_OK) {
        enum XML_Error error = XML_GetErrorCode(r->parser);

        if (error == XML_ERROR_NO_MEMORY)
            mem_exhausted();
        /* What the text of an element may have wrong; anything else is wrong with the document. */
        if (error != XML_ERROR_UNDEFINED_ENTITY && error != XML_ERROR_BAD_CHAR_REF && error != XML_ERROR_INVALID_TOKEN)
            r->element = NOT_WANTED;
        if (!r->failed)
            stop(r, unreadable(r));
    }
    buf_release(&r->text);
    XML_ParserFree(r->parser);
    return r->failed ? -1 : 0;
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

int s3_list_decode_url(char *p, size_t *n)
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

        if (url && s3_list_decode_url(key, &o->n) < 0)
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
    struct reader r = {.page = page, .e = e};

    if (xml.n > S3_LIST_ANSWER_MAX)
        return err_set(e, ERR_LIMIT, "the listing has more than %zu bytes", (size_t)S3_LIST_ANSWER_MAX);
    page->count = 0;
    buf_clear(&page->keys);
    buf_clear(&page->objects);
    buf_clear(&page->next);
    if (read_elements(&r, xml) < 0)
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
