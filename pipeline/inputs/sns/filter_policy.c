/* A policy is read in one pass, and each mistake is said with the key that it is about. AWS's limits are checked at the end of what they
 * bound. */
#include "pipeline/inputs/sns/filter_impl.h"

#include "pipeline/base/mem.h"

#include <arpa/inet.h>
#include <string.h>

/* --- policies are read ------------------------------------------------------------------------------------------------ */

struct parse {
    struct sns_filter *f;
    struct slice path[SNS_FILTER_DEPTH_MAX];
    size_t depth;
    struct filter_node *leaves[SNS_FILTER_KEYS_MAX]; /* with different paths */
    size_t leaf_count;
    unsigned points; /* of wildcards */
    struct err *e;
};

static const char *const OPERATORS[] = {"anything-but", "cidr",    "equals-ignore-case", "exists", "numeric", "prefix",
                                        "suffix",       "wildcard"};

static bool is_operator(struct json_string key)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++)
        if (json_string_is(key, OPERATORS[i]))
            return true;
    return false;
}

/* Says which key it is about. */
#define refuse(p, ...) refuse_at(p, mem_printf(__VA_ARGS__))
static int refuse_at(struct parse *p, char *what)
{
    struct slice key = p->depth > 0 ? p->path[p->depth - 1] : SLICE("");
    int n = key.n > 64 ? 64 : (int)key.n;

    if (n > 0)
        err_set(p->e, ERR_CONFIG, "filter_policy: `%.*s`: %s", n, key.p, what);
    else
        err_set(p->e, ERR_CONFIG, "filter_policy: %s", what);
    mem_free(what);
    return -1;
}

static struct filter_rule *new_rule(enum filter_rule_kind kind)
{
    struct filter_rule *r = mem_alloc(sizeof(*r));

    r->kind = kind;
    STAILQ_INIT(&r->list);
    return r;
}

static int read_text(struct parse *p, struct json_reader *r, const char *operator, struct filter_value * v)
{
    if (json_peek(r) != JSON_STRING || !sns_filter_value(r, &p->f->text, v))
        return refuse(p, "%s takes a string", operator);
    return 0;
}

/* Cuts at stars; `\*` and `\\` stand for themselves. What is unescaped goes back where it stood. */
static int cut_wildcard(struct parse *p, struct filter_rule *r)
{
    char *to = (char *)(uintptr_t)r->value.text.p, *begin = to;
    const char *from = to, *end = from + r->value.text.n;

    for (; from < end; from++) {
        if (*from == '\\') {
            if (from + 1 == end || (from[1] != '*' && from[1] != '\\'))
                return refuse(p, "in a wildcard `\\` stands before `*` or `\\` only");
            *to++ = *++from;
        } else if (*from != '*') {
            *to++ = *from;
        } else if (r->part_count == SNS_FILTER_STARS_MAX) {
            return refuse(p, "a wildcard has %d `*` at most", SNS_FILTER_STARS_MAX);
        } else {
            r->parts[r->part_count++] = slice_of(begin, (size_t)(to - begin));
            begin = to;
        }
    }
    r->parts[r->part_count++] = slice_of(begin, (size_t)(to - begin));
    return 0;
}

static int read_network(struct parse *p, struct filter_rule *r)
{
    struct slice s = r->value.text;
    const char *slash = s.n > 0 ? memchr(s.p, '/', s.n) : NULL;
    size_t n = slash ? (size_t)(slash - s.p) : s.n;
    unsigned bits = 0, most;

    if (!slash || !sns_filter_address(slice_of(s.p, n), &r->network.family, r->network.bytes) || s.n - n < 2 ||
        s.n - n > 4)
        return refuse(p, "cidr takes a network, such as \"10.0.0.0/24\"");
    for (size_t i = n + 1; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return refuse(p, "cidr takes a network, such as \"10.0.0.0/24\"");
        bits = bits * 10 + (unsigned)(s.p[i] - '0');
    }
    most = r->network.family == AF_INET ? 32 : 128;
    if (bits > most)
        return refuse(p, "cidr: a network of this kind has %u bits at most", most);
    r->network.bits = bits;
    return 0;
}

/* ["=", 1], ["<", 2], [">=", 1, "<", 2] */
static int read_numeric(struct parse *p, struct json_reader *r, struct filter_rule *rule)
{
    const int64_t end = (int64_t)(NUMBER_MAX * NUMBER_FIXED);
    bool low = false, high = false;

    rule->range = (struct filter_range){.low = -end, .high = end};
    if (json_peek(r) != JSON_ARRAY || !json_enter(r))
        return refuse(p, "numeric takes a list, such as [\">=\", 0, \"<\", 100]");
    while (json_element(r)) {
        struct filter_range *g = &rule->range;
        struct filter_value op, v;

        if (json_peek(r) != JSON_STRING || !sns_filter_value(r, &p->f->text, &op) || !json_element(r) ||
            json_peek(r) != JSON_NUMBER || !sns_filter_value(r, &p->f->text, &v))
            return refuse(p, "numeric takes comparisons (=, <, <=, >, >=), each with a number from -1e9 to 1e9");
        if (slice_is(op.text, "=") && !low && !high) {
            g->low = g->high = v.number;
            low = high = true;
        } else if ((slice_is(op.text, ">") || slice_is(op.text, ">=")) && !low) {
            g->low = v.number;
            g->above = op.text.n == 1;
            low = true;
        } else if ((slice_is(op.text, "<") || slice_is(op.text, "<=")) && !high) {
            g->high = v.number;
            g->below = op.text.n == 1;
            high = true;
        } else {
            return refuse(p, "numeric takes `=`, or one lower and one upper bound (<, <=, >, >=)");
        }
    }
    if (!low && !high)
        return refuse(p, "numeric takes a list, such as [\">=\", 0, \"<\", 100]");
    if (rule->range.low > rule->range.high)
        return refuse(p, "numeric: no number is within these bounds");
    return 0;
}

static int read_exists(struct parse *p, struct json_reader *r, struct filter_rule *rule)
{
    enum json_type t = json_peek(r);

    if ((t != JSON_TRUE && t != JSON_FALSE) || !json_literal(r, t))
        return refuse(p, "exists takes true or false");
    rule->exists = t == JSON_TRUE;
    return 0;
}

/* The operators that take a string; RULE_EXACT: it is none of them. */
static enum filter_rule_kind text_operator(struct json_string key)
{
    if (json_string_is(key, "prefix"))
        return RULE_PREFIX;
    if (json_string_is(key, "suffix"))
        return RULE_SUFFIX;
    if (json_string_is(key, "wildcard"))
        return RULE_WILDCARD;
    if (json_string_is(key, "equals-ignore-case"))
        return RULE_IGNORE_CASE;
    if (json_string_is(key, "cidr"))
        return RULE_CIDR;
    return RULE_EXACT;
}

static int finish_text_rule(struct parse *p, struct filter_rule *r)
{
    if (r->kind == RULE_WILDCARD)
        return cut_wildcard(p, r);
    return r->kind == RULE_CIDR ? read_network(p, r) : 0;
}

/* One of the values that must not match: plain, or for an operator. */
static int read_unwanted(struct parse *p, struct json_reader *r, enum filter_rule_kind kind, struct filter_rules *list)
{
    struct filter_rule *rule = new_rule(kind);
    enum json_type t = json_peek(r);

    STAILQ_INSERT_TAIL(list, rule, link);
    if (t != JSON_STRING && (kind != RULE_EXACT || t != JSON_NUMBER))
        return refuse(p, "anything-but takes strings%s", kind == RULE_EXACT ? " and numbers" : " for this operator");
    if (!sns_filter_value(r, &p->f->text, &rule->value))
        return refuse(p, "a number is between -1e9 and 1e9");
    return finish_text_rule(p, rule);
}

static int read_unwanted_list(struct parse *p, struct json_reader *r, enum filter_rule_kind kind,
                              struct filter_rules *list)
{
    if (json_peek(r) != JSON_ARRAY)
        return read_unwanted(p, r, kind, list);
    if (!json_enter(r))
        return -1;
    while (json_element(r))
        if (read_unwanted(p, r, kind, list) < 0)
            return -1;
    return STAILQ_EMPTY(list) ? refuse(p, "anything-but has an empty list") : 0;
}

/* "x", ["x", "y"], {"prefix": "x"}, {"suffix": ["x", "y"]} */
static int read_anything_but(struct parse *p, struct json_reader *r, struct filter_rule *rule)
{
    enum filter_rule_kind kind;
    struct json_string key;

    if (json_peek(r) != JSON_OBJECT)
        return read_unwanted_list(p, r, RULE_EXACT, &rule->list);
    if (!json_enter(r) || !json_member(r, &key))
        return refuse(p, "anything-but has an empty object");
    kind = text_operator(key);
    if (kind == RULE_EXACT || kind == RULE_CIDR)
        return refuse(p, "anything-but knows prefix, suffix, wildcard and equals-ignore-case");
    if (read_unwanted_list(p, r, kind, &rule->list) < 0)
        return -1;
    return json_member(r, &key) ? refuse(p, "an operator stands alone in its object") : 0;
}

/* {"prefix": "x"} and the like */
static int read_operator(struct parse *p, struct json_reader *r, struct filter_rule *rule)
{
    struct json_string key;
    enum filter_rule_kind kind;
    int rc;

    if (!json_enter(r) || !json_member(r, &key))
        return refuse(p, "an object in the list names an operator");
    kind = text_operator(key);
    if (kind != RULE_EXACT) {
        static const char *const NAMES[] = {[RULE_PREFIX] = "prefix",
                                            [RULE_SUFFIX] = "suffix",
                                            [RULE_WILDCARD] = "wildcard",
                                            [RULE_IGNORE_CASE] = "equals-ignore-case",
                                            [RULE_CIDR] = "cidr"};

        rule->kind = kind;
        rc = read_text(p, r, NAMES[kind], &rule->value) < 0 ? -1 : finish_text_rule(p, rule);
    } else if (json_string_is(key, "numeric")) {
        rule->kind = RULE_NUMERIC;
        rc = read_numeric(p, r, rule);
    } else if (json_string_is(key, "exists")) {
        rule->kind = RULE_EXISTS;
        rc = read_exists(p, r, rule);
    } else if (json_string_is(key, "anything-but")) {
        rule->kind = RULE_ANYTHING_BUT;
        rc = read_anything_but(p, r, rule);
    } else {
        return refuse(p,
                      "`%.*s` is no operator (anything-but, cidr, equals-ignore-case, exists, numeric, prefix, "
                      "suffix, wildcard)",
                      (int)(key.raw.n > 64 ? 64 : key.raw.n), key.raw.p);
    }
    if (rc < 0)
        return -1;
    return json_member(r, &key) ? refuse(p, "an operator stands alone in its object") : 0;
}

static int read_rule(struct parse *p, struct json_reader *r, struct filter_rules *list)
{
    struct filter_rule *rule = new_rule(RULE_EXACT);

    STAILQ_INSERT_TAIL(list, rule, link);
    switch (json_peek(r)) {
    case JSON_OBJECT:
        return read_operator(p, r, rule);
    case JSON_ARRAY:
        return refuse(p, "a list within the list");
    default:
        return sns_filter_value(r, &p->f->text, &rule->value) ? 0 : refuse(p, "a number is between -1e9 and 1e9");
    }
}

/* --- wildcards cost points -------------------------------------------------------------------------------------------- */

static unsigned points_of(const struct filter_rule *r, size_t *patterns)
{
    const struct filter_rule *but;
    unsigned points = 0;

    if (r->kind == RULE_WILDCARD) {
        ++*patterns;
        return r->part_count <= 2 ? (unsigned)r->part_count - 1 : 3 * ((unsigned)r->part_count - 1);
    }
    if (r->kind == RULE_ANYTHING_BUT)
        STAILQ_FOREACH(but, &r->list, link)
            if (but->kind == RULE_WILDCARD) {
                ++*patterns;
                points++;
            }
    return points;
}

static int count_points(struct parse *p, const struct filter_node *leaf)
{
    const struct filter_rule *r;
    unsigned points = 0;
    size_t patterns = 0;

    STAILQ_FOREACH(r, &leaf->rules, link)
        points += points_of(r, &patterns);
    p->points += points * (unsigned)patterns;
    if (p->points > SNS_FILTER_POINTS_MAX)
        return refuse(p, "the policy's wildcards have more than %d points", SNS_FILTER_POINTS_MAX);
    return 0;
}

/* --- keys ------------------------------------------------------------------------------------------------------------- */

static bool same_path(const struct filter_node *a, const struct filter_node *b)
{
    for (size_t i = 0; a->depth == b->depth && i < a->depth; i++)
        if (!slice_eq(a->path[i], b->path[i]))
            return false;
    return a->depth == b->depth;
}

static int note_leaf(struct parse *p, struct filter_node *leaf)
{
    for (size_t i = 0; i < p->leaf_count; i++)
        if (same_path(p->leaves[i], leaf))
            return 0;
    if (p->leaf_count == SNS_FILTER_KEYS_MAX)
        return refuse(p, "a policy has %d keys at most", SNS_FILTER_KEYS_MAX);
    p->leaves[p->leaf_count++] = leaf;
    return 0;
}

static bool has_leaf(const struct filter_group *g, const struct filter_node *leaf)
{
    const struct filter_node *n;

    STAILQ_FOREACH(n, &g->nodes, link)
        if (n != leaf && !n->is_or && same_path(n, leaf))
            return true;
    return false;
}

static struct filter_node *new_node(struct filter_group *g, bool is_or)
{
    struct filter_node *n = mem_alloc(sizeof(*n));

    n->is_or = is_or;
    STAILQ_INIT(&n->rules);
    STAILQ_INIT(&n->groups);
    STAILQ_INSERT_TAIL(&g->nodes, n, link);
    return n;
}

static int read_leaf(struct parse *p, struct json_reader *r, struct filter_group *g)
{
    struct filter_node *leaf = new_node(g, false);

    memcpy(leaf->path, p->path, sizeof(leaf->path));
    leaf->depth = p->depth;
    if (has_leaf(g, leaf))
        return refuse(p, "the key is there twice");
    if (!json_enter(r))
        return -1;
    while (json_element(r))
        if (read_rule(p, r, &leaf->rules) < 0)
            return -1;
    if (r->error)
        return -1;
    if (STAILQ_EMPTY(&leaf->rules))
        return refuse(p, "the list is empty");
    return note_leaf(p, leaf) < 0 ? -1 : count_points(p, leaf);
}

/* An array of two objects or more, none of which has an operator's name for a key. Anything else is an ordinary key. */
static bool is_or(struct json_reader r)
{
    struct json_string key;
    size_t count = 0;

    if (json_peek(&r) != JSON_ARRAY || !json_enter(&r))
        return false;
    for (; json_element(&r); count++) {
        if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
            return false;
        while (json_member(&r, &key)) {
            if (is_operator(key))
                return false;
            json_skip(&r);
        }
    }
    return !r.error && count >= 2;
}

static int read_group(struct parse *p, struct json_reader *r, struct filter_group *g);

static int read_or(struct parse *p, struct json_reader *r, struct filter_group *g)
{
    struct filter_node *n = new_node(g, true);

    if (!json_enter(r))
        return -1;
    while (json_element(r)) {
        struct filter_group *branch = mem_alloc(sizeof(*branch));

        STAILQ_INIT(&branch->nodes);
        STAILQ_INSERT_TAIL(&n->groups, branch, link);
        if (read_group(p, r, branch) < 0)
            return -1;
    }
    return r->error ? -1 : 0;
}

static int read_key(struct parse *p, struct json_reader *r, struct json_string key, struct filter_group *g)
{
    size_t from = p->f->text.n;
    int rc;

    if (json_string_is(key, "$or") && is_or(*r))
        return read_or(p, r, g);
    if (p->depth == SNS_FILTER_DEPTH_MAX)
        return refuse(p, "a policy is nested %d deep at most", SNS_FILTER_DEPTH_MAX);
    if (json_unescape(key, &p->f->text) < 0)
        return -1;
    p->path[p->depth++] = slice_from(buf_slice(&p->f->text), from);
    switch (json_peek(r)) {
    case JSON_ARRAY:
        rc = read_leaf(p, r, g);
        break;
    case JSON_OBJECT:
        rc = p->f->scope == SNS_SCOPE_BODY ? read_group(p, r, g)
                                           : refuse(p, "only filter_policy_scope: MessageBody has nested keys");
        break;
    default:
        rc = refuse(p, "a key has a list of values: [...]");
    }
    p->depth--;
    return rc;
}

static int read_group(struct parse *p, struct json_reader *r, struct filter_group *g)
{
    struct json_string key;
    size_t count = 0;

    if (!json_enter(r))
        return -1;
    for (; json_member(r, &key); count++)
        if (read_key(p, r, key, g) < 0)
            return -1;
    if (r->error)
        return -1;
    return count == 0 ? refuse(p, "there is no key in it") : 0;
}

/* Of a group: over its keys, how many values times how deep; of an $or the sum of its groups. No more than the bound and one. */
static size_t combinations(const struct filter_group *g)
{
    const size_t most = SNS_FILTER_COMBINATIONS_MAX + 1;
    const struct filter_node *n;
    size_t product = 1;

    STAILQ_FOREACH(n, &g->nodes, link) {
        const struct filter_group *branch;
        const struct filter_rule *r;
        size_t own = 0;

        STAILQ_FOREACH(r, &n->rules, link)
            own += n->depth;
        STAILQ_FOREACH(branch, &n->groups, link)
            own += combinations(branch);
        product *= own < most ? own : most;
        product = product < most ? product : most;
    }
    return product;
}

static int read_policy(struct parse *p, struct slice policy)
{
    struct json_reader r;

    if (policy.n > SNS_FILTER_BYTES_MAX)
        return refuse(p, "a policy has %d bytes at most", SNS_FILTER_BYTES_MAX);
    json_open(&r, policy, SNS_FILTER_JSON_DEPTH);
    if (!json_valid(policy, SNS_FILTER_JSON_DEPTH)) {
        while (json_skip(&r) && json_peek(&r) != JSON_NONE)
            ;
        return refuse(p, "it is no JSON: %s at byte %zu", r.error ? r.error : "something follows", json_offset(&r));
    }
    if (json_peek(&r) != JSON_OBJECT)
        return refuse(p, "it is no JSON object");
    /* All that is decoded is shorter than the policy, so nothing moves. */
    if (buf_reserve(&p->f->text, policy.n) < 0)
        return refuse(p, "there is no memory for it");
    if (read_group(p, &r, &p->f->top) < 0)
        return -1;
    if (combinations(&p->f->top) > SNS_FILTER_COMBINATIONS_MAX)
        return refuse(p, "its values have more than %d combinations", SNS_FILTER_COMBINATIONS_MAX);
    return 0;
}

int sns_filter_new(struct sns_filter **out, struct slice policy, enum sns_scope scope, struct err *e)
{
    struct sns_filter *f = mem_alloc(sizeof(*f));
    struct err why = {.msg = ""};
    struct parse p = {.f = f, .e = &why};

    f->scope = scope;
    buf_init(&f->text, policy.n + 1);
    STAILQ_INIT(&f->top.nodes);
    (void)err_set(&why, ERR_CONFIG, "filter_policy: it is no policy");
    if (read_policy(&p, policy) < 0) {
        *e = why;
        sns_filter_free(&f);
        return -1;
    }
    *out = f;
    return 0;
}

static void free_rules(struct filter_rules *list)
{
    struct filter_rule *r;

    while ((r = STAILQ_FIRST(list))) {
        STAILQ_REMOVE_HEAD(list, link);
        free_rules(&r->list);
        mem_free(r);
    }
}

static void free_nodes(struct filter_group *g)
{
    struct filter_group *branch;
    struct filter_node *n;

    while ((n = STAILQ_FIRST(&g->nodes))) {
        STAILQ_REMOVE_HEAD(&g->nodes, link);
        free_rules(&n->rules);
        while ((branch = STAILQ_FIRST(&n->groups))) {
            STAILQ_REMOVE_HEAD(&n->groups, link);
            free_nodes(branch);
            mem_free(branch);
        }
        mem_free(n);
    }
}

void sns_filter_free(struct sns_filter **fp)
{
    struct sns_filter *f = *fp;

    if (!f)
        return;
    free_nodes(&f->top);
    buf_release(&f->text);
    MEM_CLEAR(*fp);
}
