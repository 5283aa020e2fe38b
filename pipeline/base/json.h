/* json.h -- strict RFC 8259 JSON as a pull reader over bytes: nothing is allocated, copied or decoded unless asked for.
 *
 *     json_open(&r, text, 32);
 *     if (json_enter(&r))                          // the object
 *         while (json_member(&r, &key))
 *             if (json_string_is(key, "Data")) json_string(&r, &s); else json_skip(&r);
 *     if (!json_end(&r)) -> r.error at json_offset(&r)
 *
 * Errors latch: after the first, everything answers false and r.error says what is wrong. Strings are scanned
 * vectorised (SSE2/AVX2, with a scalar twin chosen at run time); UTF-8 inside strings is checked. A byte order mark is
 * refused; duplicate keys and lone surrogate escapes are not this reader's business. The same scanner serves the API
 * and the transforms' lazy records.
 *
 * Ownership  slices point into the text. Threads: one reader, one thread.
 */
#ifndef PIPELINE_BASE_JSON_H
#define PIPELINE_BASE_JSON_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/json_scan.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type {
    JSON_NONE, /* the end (no error yet: reading a value makes it one), or an error */
    JSON_OBJECT,
    JSON_ARRAY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_reader {
    const char *begin, *p, *end;
    unsigned depth, max_depth;
    bool first;                          /* nothing read yet in the container that was entered last */
    const char *error;                   /* NULL while all is well; static text */
    struct json_marks marks;             /* where strings may end, some way ahead */
    uint64_t kinds[JSON_DEPTH_MAX / 64]; /* one bit per open container: is it an object? Above depth: anything */
};

struct json_string {
    struct slice raw; /* between the quotes, as written */
    bool escaped;     /* has a backslash: json_unescape() before use */
};

void json_open(struct json_reader *r, struct slice text, unsigned max_depth);
enum json_type json_peek(struct json_reader *r); /* what comes next, white space skipped */

/* Enters the object or array that is next; members or elements follow, and asking for the other kind is an error of the
 * document ("expected an object"). False with an error when neither is next. */
bool json_enter(struct json_reader *r);
/* The next member's key (then read or skip its value); false at the object's end, which is then behind us, or on error.
 */
bool json_member(struct json_reader *r, struct json_string *key);
/* True when another element follows (then read or skip it); false at the array's end, which is then behind us, or on
 * error. */
bool json_element(struct json_reader *r);

/* Is the container that was entered last an object? There must be one. */
static inline bool json_in_object(const struct json_reader *r)
{
    unsigned i = r->depth - 1;

    return (r->kinds[i / 64] >> (i % 64) & 1) != 0;
}

struct json_field {
    struct json_string key;
    struct slice value; /* its bytes, as json_value() */
    enum json_type type;
};

/* The next member and its value at once: json_member() and json_value() for who wants an index of an object. */
bool json_field(struct json_reader *r, struct json_field *f);
/* The same for up to `max` members, of which it returns how many there were; fewer at the object's end, or on error. */
size_t json_fields(struct json_reader *r, struct json_field *f, size_t max);
/* The next element's value: json_element() and json_value(); f->key is not touched. */
bool json_item(struct json_reader *r, struct json_field *f);

bool json_string(struct json_reader *r, struct json_string *s);
bool json_number(struct json_reader *r, struct slice *digits); /* as written */
bool json_literal(struct json_reader *r, enum json_type type); /* JSON_TRUE, JSON_FALSE, JSON_NULL */
/* Reads any value, checked to its end; *raw (may be NULL) is its bytes. */
bool json_value(struct json_reader *r, struct slice *raw);
#define json_skip(r) json_value((r), NULL)
/* The caller has read the value that is next by itself, from r->p up to `end`, and found it valid. */
static inline void json_passed(struct json_reader *r, const char *end)
{
    r->p = end;
    r->first = false;
}

/* True when the document was read without error and only white space is left. */
bool json_end(struct json_reader *r);
size_t json_offset(const struct json_reader *r); /* bytes from the beginning: where an error is */

/* Is all of `text` one valid document? */
bool json_valid(struct slice text, unsigned max_depth);

/* Is `raw`, which has escapes, another spelling of `text`? */
bool json_escaped_is(struct slice raw, struct slice text);
static inline bool json_string_is(struct json_string s, const char *text) /* compares unescaped */
{
    return s.escaped ? json_escaped_is(s.raw, slice_str(text)) : slice_is(s.raw, text);
}
/* Appends the decoded string. -1 when out is full. A lone surrogate escape becomes U+FFFD. */
MUST_CHECK int json_unescape(struct json_string s, struct buf *out);
/* Appends bytes as a JSON string with quotes; each byte that is not UTF-8 becomes U+FFFD. -1 when out is full. */
MUST_CHECK int json_quote(struct slice text, struct buf *out);
/* The same for bytes that are text perhaps: what is no UTF-8 is base64. */
MUST_CHECK int json_quote_bytes(struct slice bytes, struct buf *out);
/* Appends `"name":"text",`. -1 when out is full. */
MUST_CHECK int json_quote_member(const char *name, const char *text, struct buf *out);

#endif
