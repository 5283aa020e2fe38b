/* A request is read once, member by member, with a reader that does not look back. So what a member may be is checked when it comes, by its
 * function here; what must not be missing, when all have come. The texts are those of AWS, because programs look into them. */
#include "pipeline/inputs/api/arguments.h"

#include "pipeline/base/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int broken_json(struct json_reader *r, struct api_error *e)
{
    const char *what = r->error;

    if (!what)
        what = r->p == r->end ? "it ends too early" : "there is more behind the end of the object";
    return api_error_set(e, API_SERIALIZATION, "invalid JSON at byte %zu: %s", json_offset(r), what);
}

int api_shape_open(struct json_reader *r, struct slice body, bool *empty, struct api_error *e)
{
    json_open(r, body, API_SHAPE_DEPTH);
    *empty = body.n == 0;
    if (*empty)
        return 0;
    if (json_peek(r) != JSON_OBJECT)
        return api_shape_wrong_type(r, "the request", "an object", e);
    if (!json_enter(r))
        return broken_json(r, e);
    return 0;
}

int api_shape_end(struct json_reader *r, struct api_error *e)
{
    return json_end(r) ? 0 : broken_json(r, e);
}

int api_shape_wrong_type(struct json_reader *r, const char *name, const char *want, struct api_error *e)
{
    if (r->error || json_peek(r) == JSON_NONE)
        return broken_json(r, e);
    return api_error_set(e, API_SERIALIZATION, "%s: %s is expected (at byte %zu)", name, want, json_offset(r));
}

int api_shape_twice(const char *name, struct api_error *e)
{
    return api_error_set(e, API_SERIALIZATION, "the member %s is there twice", name);
}

int api_shape_broken(const char *value, const char *where, const char *constraint, struct api_error *e)
{
    return api_error_set(e, API_VALIDATION,
                         "1 validation error detected: Value %s at '%s' failed to satisfy constraint: %s", value, where,
                         constraint);
}

bool api_shape_is_null(struct json_reader *r)
{
    return json_peek(r) == JSON_NULL && json_literal(r, JSON_NULL);
}

static void copy_text(struct api_text *t, struct slice s)
{
    t->cut = s.n >= sizeof(t->s);
    if (t->cut)
        s.n = sizeof(t->s) - 1;
    memcpy(t->s, s.p, s.n);
    t->s[s.n] = '\0';
    t->n = s.n;
}

int api_shape_text(struct json_reader *r, const char *name, struct api_text *t, struct api_error *e)
{
    struct json_string s;
    struct buf plain;

    if (t->seen)
        return api_shape_twice(name, e);
    t->seen = true;
    if (api_shape_is_null(r))
        return 0;
    if (json_peek(r) != JSON_STRING)
        return api_shape_wrong_type(r, name, "a string", e);
    if (!json_string(r, &s))
        return broken_json(r, e);
    t->present = true;
    if (!s.escaped) {
        copy_text(t, s.raw);
        return 0;
    }
    buf_init(&plain, sizeof(t->s) * 2);
    if (json_unescape(s, &plain) < 0)
        t->cut = true; /* and empty: too long is all that will be said of it */
    else
        copy_text(t, buf_slice(&plain));
    buf_release(&plain);
    return 0;
}

int api_shape_number(struct json_reader *r, const char *name, struct api_number *n, struct api_error *e)
{
    struct slice digits;
    char text[24], *end;

    if (n->seen)
        return api_shape_twice(name, e);
    n->seen = true;
    if (api_shape_is_null(r))
        return 0;
    if (json_peek(r) != JSON_NUMBER)
        return api_shape_wrong_type(r, name, "a whole number", e);
    if (!json_number(r, &digits))
        return broken_json(r, e);
    if (digits.n >= sizeof(text))
        return api_error_set(e, API_SERIALIZATION, "%s: the number has too many digits", name);
    memcpy(text, digits.p, digits.n);
    text[digits.n] = '\0';
    errno = 0;
    n->v = strtoll(text, &end, 10);
    if (*end || errno)
        return api_error_set(e, API_SERIALIZATION, "%s: a whole number is expected", name);
    n->present = true;
    return 0;
}

int api_shape_check_stream(const struct api_text *t, struct api_error *e)
{
    return api_shape_check_stream_as("deliveryStreamName", t, e);
}

int api_shape_check_stream_as(const char *where, const struct api_text *t, struct api_error *e)
{
    static const char ALPHABET[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    char value[sizeof(t->s) + 8];

    if (!t->present)
        return api_shape_broken("null", where, "Member must not be null", e);
    snprintf(value, sizeof(value), "'%s%s'", t->s, t->cut ? "..." : "");
    if (!t->cut && t->n == 0)
        return api_shape_broken(value, where, "Member must have length greater than or equal to 1", e);
    if (t->cut || t->n > STREAM_NAME_MAX)
        return api_shape_broken(value, where, "Member must have length less than or equal to 64", e);
    if (strspn(t->s, ALPHABET) != t->n)
        return api_shape_broken(value, where, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+", e);
    return 0;
}

int api_shape_check_range(const struct api_number *n, const char *where, int64_t min, int64_t max, struct api_error *e)
{
    char value[32], constraint[64];

    if (!n->present || (n->v >= min && n->v <= max))
        return 0;
    snprintf(value, sizeof(value), "'%" PRId64 "'", n->v);
    snprintf(constraint, sizeof(constraint), "Member must have value %s than or equal to %" PRId64,
             n->v < min ? "greater" : "less", n->v < min ? min : max);
    return api_shape_broken(value, where, constraint, e);
}
