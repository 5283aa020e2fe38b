/* grok.h -- Logstash's grok: regular expressions put together from named ones.
 *
 *   %{IP}            the pattern IP, no field
 *   %{IP:client}     its text as the field `client`
 *   %{INT:bytes:int} as an integer; :float as a float
 *
 * Expanding only makes the text of one PCRE2 expression, in which field i is the group named _i. Groups that the
 * pattern names itself, (?<name>...), are fields of that name.
 *
 * Ownership  names are borrowed from the pattern. Threads: plain values; pure functions.
 */
#ifndef TRANSFORMS_TEXT_GROK_H
#define TRANSFORMS_TEXT_GROK_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stddef.h>

enum grok_type {
    GROK_TEXT,
    GROK_INT,
    GROK_FLOAT,
};

struct grok_field {
    struct slice name;
    enum grok_type type;
};

struct grok {
    struct grok_field fields[GROK_FIELDS_MAX];
    size_t count;
    /* The user's own patterns, asked before the built-in ones; .p NULL: not one of them. `find` may be NULL. */
    struct slice (*find)(void *ctx, struct slice name);
    void *ctx;
};

/* Appends the expression. -1 with ERR_CONFIG: an unknown name (with its place), a circle, too many fields; with
 * ERR_LIMIT: longer than out->max. */
MUST_CHECK int grok_expand(struct grok *g, struct slice pattern, struct buf *out, struct err *e);

/* The built-in pattern of that name; NULL: there is none. */
const char *grok_pattern(struct slice name);

#endif
