/* The reader is a pointer into the text and a stack of one bit per open container. What reads a piece takes the place
 * where it begins and returns the place behind it (NULL: r->error), so that a whole value is walked with the place in
 * a register. A value is read where the grammar
 * wants one: at the top, behind a member's colon, or after json_element(); who reads elsewhere meets the error that a
 * comma is missing. json_value() walks nested containers with the same calls, in a loop, so depth costs no C stack. */
#include "pipeline/base/json.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/utf8.h"

static bool fail(struct json_reader *r, const char *at, const char *why)
{
    if (!r->error) {
        r->error = why;
        r->p = at;
    }
    return false;
}

void json_open(struct json_reader *r, struct slice text, unsigned max_depth)
{
    r->begin = r->p = text.p ? text.p : "";
    r->end = r->begin + text.n;
    r->depth = 0;
    r->max_depth = max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
    r->first = false;
    r->error = NULL;
    json_marks_init(&r->marks, r->begin);
}

static const char *pass_spaces(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* Machines write JSON without white space: that is looked at first. */
static ALWAYS_INLINE const char *pass_space(const char *p, const char *end)
{
    return p<end && * p> ' ' ? p : pass_spaces(p, end);
}

/* NUL at the end, where no character that we look for is. */
static ALWAYS_INLINE char char_at(const char *p, const char *end)
{
    return p < end ? *p : '\0';
}

/* The next character that is not white space, not consumed. */
static inline char next(struct json_reader *r)
{
    r->p = pass_space(r->p, r->end);
    return char_at(r->p, r->end);
}

static bool fail_expected(struct json_reader *r, const char *at, const char *why)
{
    return fail(r, at, at == r->end ? "unexpected end" : why);
}

/* The same two for who returns a place. */
static const char *stop(struct json_reader *r, const char *at, const char *why)
{
    fail(r, at, why);
    return NULL;
}

static const char *stop_expected(struct json_reader *r, const char *at, const char *why)
{
    fail_expected(r, at, why);
    return NULL;
}

static void set_kind(struct json_reader *r, bool object)
{
    unsigned i = r->depth - 1;
    uint64_t bit = (uint64_t)1 << (i % 64);

    r->kinds[i / 64] = object ? r->kinds[i / 64] | bit : r->kinds[i / 64] & ~bit;
}

bool json_enter(struct json_reader *r)
{
    char c;

    if (r->error)
        return false;
    c = next(r);
    if (c != '{' && c != '[')
        return fail_expected(r, r->p, "expected an object or an array");
    if (r->depth == r->max_depth)
        return fail(r, r->p, "nested too deeply");
    r->p++;
    r->depth++;
    set_kind(r, c == '{');
    r->first = true;
    return true;
}

/* Consumes `close`, which ends the container that was entered last. Always false: nothing follows. */
static bool leave(struct json_reader *r)
{
    r->p++;
    r->depth--;
    r->first = false;
    return false;
}

/* --- strings --- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The length of the escape at p, which is a backslash; 0 when it is none. */
static size_t escape_length(const char *p, const char *end)
{
    if (end - p < 2)
        return 0;
    if (p[1] != 'u')
        return p[1] && strchr("\"\\/bfnrt", p[1]) ? 2 : 0;
    if (end - p < 6 || !is_hex(p[2]) || !is_hex(p[3]) || !is_hex(p[4]) || !is_hex(p[5]))
        return 0;
    return 6;
}

/* Goes behind whatever stopped the scan at p. NULL with an error when a string may not have it. */
static const char *pass_special(struct json_reader *r, const char *p, struct json_string *s)
{
    size_t n;

    if (*p == '\\') {
        s->escaped = true;
        n = escape_length(p, r->end);
        return n ? p + n : stop(r, p, "invalid escape in a string");
    }
    if ((unsigned char)*p < ' ')
        return stop(r, p, "control character in a string");
    n = utf8_run(slice_of(p, (size_t)(r->end - p)));
    return n ? p + n : stop(r, p, "invalid UTF-8 in a string");
}

/* The string begins at `begin`, behind its quote; up to p it is known to be plain. */
static const char *read_long_string(struct json_reader *r, const char *begin, const char *p, struct json_string *s)
{
    enum simd simd = simd_best();

    if (p == r->marks.begin + r->marks.n)
        r->marks.ahead = JSON_WINDOW_LEAST; /* what was found in a long string is of no use for what follows */
    for (;;) {
        p = json_scan_plain(simd, p, r->end);
        if (p == r->end)
            return stop(r, p, "unterminated string");
        if (*p == '"')
            break;
        p = pass_special(r, p, s);
        if (!p)
            return NULL;
    }
    s->raw = slice_of(begin, (size_t)(p - begin));
    return p + 1;
}

/* `begin` is behind the opening quote. Most strings are short and plain: they end here. */
static ALWAYS_INLINE const char *read_string(struct json_reader *r, const char *begin, struct json_string *s)
{
    const char *p = json_marks_next(&r->marks, begin, r->end);

    s->escaped = false;
    if (p == r->end || *p != '"')
        return read_long_string(r, begin, p, s);
    s->raw = slice_of(begin, (size_t)(p - begin));
    return p + 1;
}

/* Takes over where reading has come to. */
static inline bool at(struct json_reader *r, const char *p)
{
    if (p)
        r->p = p;
    return p != NULL;
}

bool json_string(struct json_reader *r, struct json_string *s)
{
    if (r->error)
        return false;
    if (next(r) != '"')
        return fail_expected(r, r->p, "expected a string");
    return at(r, read_string(r, r->p + 1, s));
}

/* --- containers --- */

/* A member's key and colon; p is where the name should begin. */
static ALWAYS_INLINE const char *read_key(struct json_reader *r, const char *p, struct json_string *key)
{
    p = pass_space(p, r->end);
    if (char_at(p, r->end) != '"')
        return stop_expected(r, p, "expected a member's name in quotes");
    p = read_string(r, p + 1, key);
    if (!p)
        return NULL;
    p = pass_space(p, r->end);
    if (char_at(p, r->end) != ':')
        return stop_expected(r, p, "expected ':'");
    return p + 1;
}

bool json_member(struct json_reader *r, struct json_string *key)
{
    char c;

    if (r->error)
        return false;
    if (r->depth == 0 || !json_in_object(r))
        return fail(r, r->p, "expected an object");
    c = next(r);
    if (c == '}')
        return leave(r);
    if (!r->first) {
        if (c != ',')
            return fail_expected(r, r->p, "expected ',' or '}'");
        r->p++;
    }
    r->first = false;
    return at(r, read_key(r, r->p, key));
}

bool json_element(struct json_reader *r)
{
    char c;

    if (r->error)
        return false;
    if (r->depth == 0 || json_in_object(r))
        return fail(r, r->p, "expected an array");
    c = next(r);
    if (c == ']')
        return leave(r);
    if (!r->first) {
        if (c != ',')
            return fail_expected(r, r->p, "expected ',' or ']'");
        r->p++;
        if (next(r) == ']')
            return fail(r, r->p, "expected a value after ','");
    }
    r->first = false;
    return true;
}

/* --- scalars --- */

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Goes behind the digits at *p; there must be one at least. */
static bool some_digits(const char **p, const char *end)
{
    const char *begin = *p;

    while (*p < end && is_digit(**p))
        (*p)++;
    return *p > begin;
}

static const char *read_number(struct json_reader *r, const char *p)
{
    const char *end = r->end;

    if (char_at(p, end) == '-')
        p++;
    if (char_at(p, end) == '0')
        p++;
    else if (!some_digits(&p, end))
        return stop(r, p, "expected a digit");
    if (is_digit(char_at(p, end)))
        return stop(r, p, "a number may not begin with 0");
    if (char_at(p, end) == '.') {
        p++;
        if (!some_digits(&p, end))
            return stop(r, p, "expected a digit after '.'");
    }
    if (char_at(p, end) == 'e' || char_at(p, end) == 'E') {
        p++;
        if (char_at(p, end) == '+' || char_at(p, end) == '-')
            p++;
        if (!some_digits(&p, end))
            return stop(r, p, "expected a digit in the exponent");
    }
    return p;
}

bool json_number(struct json_reader *r, struct slice *number)
{
    const char *begin, *p;
    char c;

    if (r->error)
        return false;
    c = next(r);
    if (c != '-' && !is_digit(c))
        return fail_expected(r, r->p, "expected a number");
    begin = r->p;
    p = read_number(r, begin);
    if (p)
        *number = slice_of(begin, (size_t)(p - begin));
    return at(r, p);
}

static inline const char *read_literal(struct json_reader *r, const char *p, const char *text, size_t n)
{
    if ((size_t)(r->end - p) < n || memcmp(p, text, n) != 0)
        return stop_expected(r, p, "expected a value");
    return p + n;
}

bool json_literal(struct json_reader *r, enum json_type type)
{
    if (r->error)
        return false;
    next(r);
    if (type == JSON_TRUE)
        return at(r, read_literal(r, r->p, "true", 4));
    if (type == JSON_FALSE)
        return at(r, read_literal(r, r->p, "false", 5));
    return at(r, read_literal(r, r->p, "null", 4));
}

static enum json_type type_of(char c)
{
    switch (c) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return c == '-' || is_digit(c) ? JSON_NUMBER : JSON_NONE;
    }
}

enum json_type json_peek(struct json_reader *r)
{
    enum json_type type;

    if (r->error)
        return JSON_NONE;
    type = type_of(next(r));
    if (type == JSON_NONE && r->p < r->end)
        fail(r, r->p, "expected a value");
    return type;
}

/* A scalar whole; *type is its kind. */
static ALWAYS_INLINE const char *read_scalar(struct json_reader *r, const char *p, enum json_type *type)
{
    struct json_string s;

    switch (char_at(p, r->end)) {
    case '"':
        *type = JSON_STRING;
        return read_string(r, p + 1, &s);
    case 't':
        *type = JSON_TRUE;
        return read_literal(r, p, "true", 4);
    case 'f':
        *type = JSON_FALSE;
        return read_literal(r, p, "false", 5);
    case 'n':
        *type = JSON_NULL;
        return read_literal(r, p, "null", 4);
    default:
        *type = JSON_NUMBER;
        if (p < r->end && (*p == '-' || is_digit(*p)))
            return read_number(r, p);
        return stop_expected(r, p, "expected a value");
    }
}

/* Enters the container at p. */
static const char *push(struct json_reader *r, const char *p)
{
    if (r->depth == r->max_depth)
        return stop(r, p, "nested too deeply");
    r->depth++;
    set_kind(r, *p == '{');
    return p + 1;
}

/* p is behind a value in a container above `floor`, or behind a bracket that opened one (`first`). Goes to where the
 * next value begins; *done when all containers above `floor` are closed instead. */
static const char *find_next(struct json_reader *r, const char *p, unsigned floor, bool first, bool *done)
{
    struct json_string key;

    while (r->depth > floor) {
        bool object = json_in_object(r);
        char c;

        p = pass_space(p, r->end);
        c = char_at(p, r->end);
        if (c == (object ? '}' : ']')) {
            r->depth--;
            first = false;
            p++;
            continue;
        }
        if (!first && c != ',')
            return stop_expected(r, p, object ? "expected ',' or '}'" : "expected ',' or ']'");
        p += !first;
        if (object)
            return read_key(r, p, &key);
        p = pass_space(p, r->end);
        if (char_at(p, r->end) != ']')
            return p;
        return stop(r, p, "expected a value after ','");
    }
    *done = true;
    return p;
}

/* The container at p, walked to its end. */
static const char *walk(struct json_reader *r, const char *p)
{
    unsigned floor = r->depth;
    enum json_type type;
    bool done = false;

    for (;;) {
        bool enters;

        p = pass_space(p, r->end);
        enters = p < r->end && (*p == '{' || *p == '[');
        p = enters ? push(r, p) : read_scalar(r, p, &type);
        if (p)
            p = find_next(r, p, floor, enters, &done);
        if (!p || done)
            return p;
    }
}

/* Any value; p is behind white space. */
static ALWAYS_INLINE const char *read_value(struct json_reader *r, const char *p, enum json_type *type)
{
    char c = char_at(p, r->end);

    if (c != '{' && c != '[')
        return read_scalar(r, p, type);
    *type = c == '{' ? JSON_OBJECT : JSON_ARRAY;
    return walk(r, p);
}

bool json_value(struct json_reader *r, struct slice *raw)
{
    enum json_type type;
    const char *p;

    if (r->error)
        return false;
    next(r);
    p = read_value(r, r->p, &type);
    if (!p)
        return false;
    r->first = false;
    if (raw)
        *raw = slice_of(r->p, (size_t)(p - r->p));
    return at(r, p);
}

/* A value whose kind is wanted too; p is where it should begin. */
static ALWAYS_INLINE bool typed_value(struct json_reader *r, const char *p, struct json_field *f)
{
    const char *begin = pass_space(p, r->end);

    p = read_value(r, begin, &f->type);
    if (!p)
        return false;
    f->value = slice_of(begin, (size_t)(p - begin));
    r->first = false;
    r->p = p;
    return true;
}

bool json_field(struct json_reader *r, struct json_field *f)
{
    const char *p = r->p;

    if (r->error || r->first || r->depth == 0 || !json_in_object(r) || char_at(p, r->end) != ',')
        return json_member(r, &f->key) && typed_value(r, r->p, f); /* the first, the last, or a mistake */
    p = read_key(r, p + 1, &f->key);
    return p && typed_value(r, p, f);
}

bool json_item(struct json_reader *r, struct json_field *f)
{
    return json_element(r) && typed_value(r, r->p, f);
}

bool json_end(struct json_reader *r)
{
    if (r->error)
        return false;
    if (r->depth > 0)
        return fail(r, r->p, "not read to its end");
    next(r);
    return r->p == r->end || fail(r, r->p, "something follows the document");
}

size_t json_offset(const struct json_reader *r)
{
    return (size_t)(r->p - r->begin);
}

bool json_valid(struct slice text, unsigned max_depth)
{
    struct json_reader r;

    json_open(&r, text, max_depth);
    return json_skip(&r) && json_end(&r);
}
