/* filter_impl.h -- a filter policy as it is kept: what filter_policy.c reads, and filter.c matches. Private to these two.
 *
 * A policy becomes a tree of two kinds of nodes: a leaf has a path (keys from the top, one alone for attributes) and rules, an $or has groups
 * of nodes. Nested objects leave no node: they only make paths longer. A group matches when each of its nodes does; a leaf when one of its
 * rules matches one of the values under its path; an $or when one of its groups does.
 */
#ifndef PIPELINE_INPUTS_SNS_FILTER_IMPL_H
#define PIPELINE_INPUTS_SNS_FILTER_IMPL_H

#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/sns/filter.h"

#include <stdint.h>
#include <sys/queue.h>

#define NUMBER_MAX   1e9
#define NUMBER_FIXED 1e5 /* five decimals */

enum filter_value_kind {
    VALUE_STRING,
    VALUE_NUMBER,
    VALUE_TRUE,
    VALUE_FALSE,
    VALUE_NULL,
    VALUE_LARGE, /* a message's number beyond what policies compare: it is there, and is none of a policy's values */
};

struct filter_value {
    enum filter_value_kind kind;
    struct slice text; /* of a string, decoded */
    int64_t number;    /* times NUMBER_FIXED */
};

enum filter_rule_kind {
    RULE_EXACT,
    RULE_PREFIX,
    RULE_SUFFIX,
    RULE_WILDCARD,
    RULE_IGNORE_CASE,
    RULE_CIDR,
    RULE_NUMERIC,
    RULE_EXISTS,
    RULE_ANYTHING_BUT, /* none of `list` matches */
};

struct filter_range {
    int64_t low, high;
    bool above, below; /* the ends do not belong to it */
};

struct filter_network {
    int family;
    unsigned char bytes[16];
    unsigned bits;
};

struct filter_rule {
    enum filter_rule_kind kind;
    struct filter_value value;                    /* what is compared with */
    struct slice parts[SNS_FILTER_STARS_MAX + 1]; /* of a wildcard: what stands between the stars */
    size_t part_count;
    struct filter_range range;
    struct filter_network network;
    bool exists;
    STAILQ_HEAD(filter_rules, filter_rule) list;
    STAILQ_ENTRY(filter_rule) link;
};

struct filter_group {
    STAILQ_HEAD(, filter_node) nodes;
    STAILQ_ENTRY(filter_group) link;
};

struct filter_node {
    bool is_or;
    struct slice path[SNS_FILTER_DEPTH_MAX]; /* of a leaf */
    size_t depth;
    struct filter_rules rules;
    STAILQ_HEAD(, filter_group) groups; /* of an $or */
    STAILQ_ENTRY(filter_node) link;
};

struct sns_filter {
    enum sns_scope scope;
    struct buf text; /* keys and strings, decoded; never moved */
    struct filter_group top;
};

/* False: it is no number, or beyond what policies compare. */
bool sns_filter_number(struct slice digits, int64_t *out);
/* The scalar that is next; strings go to `text`. False: it is none, without an error of the reader; or a number beyond what policies compare
 * (VALUE_LARGE). */
bool sns_filter_value(struct json_reader *r, struct buf *text, struct filter_value *v);
/* "10.0.0.1", "2001:db8::1" */
bool sns_filter_address(struct slice s, int *family, unsigned char bytes[16]);

#endif
