/* query.h -- what a partition key is asked from a record with: jq 1.6, in the parts of it that end.
 *
 *     .customer_id      .a.b      .a[0]      .["x y"]      .a // "unknown"        plain: read from the record's bytes
 *     .ts | strftime("%d")                                                        everything else: libjq (jq.h)
 *
 * Both give the same texts. Numbers are doubles, as in jq 1.6: 1.0 becomes 1, and an integer above 2^53 loses digits
 * (9007199254740993 becomes 9007199254740992). Of a name that stands twice in an object the later counts. null is missing; objects
 * and arrays are no keys.
 *
 * libjq has no limit of time, so a query must be one that ends soon whatever the record says: there are no variables, definitions,
 * loops, recursion, regular expressions, repeated texts and reads of anything but the record. What is left costs at most
 * (bytes of the record) ^ (1 + lists) * 2 ^ copies, where lists are the iterations in the query (the `-` of two lists is one) and
 * copies what may double a text. query.record_max is how long a record may be for that to stay below QUERY_WORK_MAX, for what is made
 * of it below QUERY_MADE_MAX, and for its tree (QUERY_TREE_MAX). Functions that end the process on odd values (jq 1.6 has some) are
 * left out or guarded.
 *
 * Ownership  query_release(). Threads: immutable once parsed.
 */
#ifndef TRANSFORMS_PARTITION_QUERY_H
#define TRANSFORMS_PARTITION_QUERY_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUERY_STEPS_MAX 16
#define QUERY_TEXT_MAX  1024

struct query_step {
    char *name; /* NULL: the element `index`, which may be negative */
    int64_t index;
};

struct query {
    char *text;
    bool plain; /* then: */
    struct query_step step[QUERY_STEPS_MAX];
    size_t depth;
    char *alternative;   /* text behind `//`; NULL: none */
    uint64_t record_max; /* else: a longer record is not asked */
};

/* The message does not begin with the option. Zeroed on -1. */
MUST_CHECK int query_parse(struct query *q, const char *text, struct err *e);
/* `a.b` as the query .a.b: for options that name a field. */
MUST_CHECK int query_field(struct query *q, const char *field, struct err *e);
void query_release(struct query *q);

enum query_answer {
    QUERY_TEXT,    /* appended */
    QUERY_MISSING, /* null, or nothing */
    QUERY_FAILED,  /* why says so, in words that quote nothing of the record */
};

/* What plain queries found: the value's bytes, still to be made a text. */
struct query_found {
    struct slice value; /* raw JSON; {NULL, 0}: not there */
    const char *wrong;  /* NULL, or: the path leads into what has no members */
};

/* Looks for all plain queries among `q` in one pass over the record, which is checked to its end. NULL, or why it is no JSON;
 * *is_object (may be NULL): it is a JSON object. */
const char *query_find(const struct query *const *q, size_t count, struct slice record, struct query_found *found,
                       bool *is_object);
/* The text of what a plain query found. */
enum query_answer query_text(const struct query *q, const struct query_found *found, struct buf *out, const char **why);

/* Appends a number, as written in JSON, the way jq 1.6 prints it. */
MUST_CHECK int query_number(struct slice raw, struct buf *out);

#endif
