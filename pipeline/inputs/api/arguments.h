/* arguments.h -- the members of a request, read as AWS reads them: types, constraints, and the words of its errors.
 *
 * A wrong type or invalid JSON is a SerializationException, a broken constraint a ValidationException with AWS's
 * sentence. null counts as left out, unknown members are the caller's to skip, a member that comes twice is refused:
 * which of the two was meant cannot be known.
 *
 * Threads: pure functions. All that can fail return -1 with *e.
 */
#ifndef PIPELINE_INPUTS_API_ARGUMENTS_H
#define PIPELINE_INPUTS_API_ARGUMENTS_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/inputs/api/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A short string member, unescaped. */
struct api_text {
    bool seen, present; /* the member was there; and was not null */
    bool cut;           /* longer than fits: longer than any text that could be valid */
    size_t n;
    char s[128]; /* NUL-terminated; may hold a NUL before its end, as any byte */
};

struct api_number {
    bool seen, present;
    int64_t v;
};

/* Enters the request's object. An empty body counts as {}; then *empty is true and there is nothing to read. */
MUST_CHECK int api_shape_open(struct json_reader *r, struct slice body, bool *empty, struct api_error *e);
/* The document has ended, and well. */
MUST_CHECK int api_shape_end(struct json_reader *r, struct api_error *e);

MUST_CHECK int api_shape_text(struct json_reader *r, const char *name, struct api_text *t, struct api_error *e);
MUST_CHECK int api_shape_number(struct json_reader *r, const char *name, struct api_number *n, struct api_error *e);
/* Steps over a null and says so. */
bool api_shape_is_null(struct json_reader *r);

/* "<name>: a string is expected" */
int api_shape_wrong_type(struct json_reader *r, const char *name, const char *want, struct api_error *e);
int api_shape_twice(const char *name, struct api_error *e);
/* "1 validation error detected: Value <value> at '<where>' failed to satisfy constraint: <constraint>" */
int api_shape_broken(const char *value, const char *where, const char *constraint, struct api_error *e);

/* Present, 1..64 of [a-zA-Z0-9_.-]. */
MUST_CHECK int api_shape_check_stream(const struct api_text *t, struct api_error *e);
/* The same of a member that is called otherwise. */
MUST_CHECK int api_shape_check_stream_as(const char *where, const struct api_text *t, struct api_error *e);
/* Absent, or within min..max. */
MUST_CHECK int api_shape_check_range(const struct api_number *n, const char *where, int64_t min, int64_t max,
                                     struct api_error *e);

#endif
