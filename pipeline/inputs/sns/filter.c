/* A message is not made into a tree. Each leaf of the policy walks through the text along its path, and policies have few leaves. */
#include "pipeline/inputs/sns/filter_impl.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- values --------------------------------------------------------------------------------------------------------- */

/* False: it is no number, or beyond what policies compare. */
bool sns_filter_number(struct slice digits, int64_t *out)
{
    char text[64], *end;
    double v;

    if (digits.n == 0 || digits.n >= sizeof(text))
        return false;
    memcpy(text, digits.p, digits.n);
    text[digits.n] = '\0';
    if (text[strspn(text, "+-.0123456789eE")])
        return false; /* strtod() knows words as well */
    v = strtod(text, &end);
    if (*end || !(fabs(v) <= NUMBER_MAX))
        return false;
    *out = llround(v * NUMBER_FIXED);
    return true;
}

bool sns_filter_value(struct json_reader *r, struct buf *text, struct filter_value *v)
{
    size_t from = text->n;
    struct json_string s;
    struct slice digits;

    *v = (struct filter_value){.kind = VALUE_NULL};
    switch (json_peek(r)) {
    case JSON_STRING:
        v->kind = VALUE_STRING;
        if (!json_string(r, &s) || json_unescape(s, text) < 0)
            return false;
        v->text = slice_from(buf_slice(text), from);
        return true;
    case JSON_NUMBER:
        v->kind = VALUE_NUMBER;
        if (!json_number(r, &digits) || sns_filter_number(digits, &v->number))
            return !r->error;
        v->kind = VALUE_LARGE;
        return false;
    case JSON_TRUE:
        v->kind = VALUE_TRUE;
        return json_literal(r, JSON_TRUE);
    case JSON_FALSE:
        v->kind = VALUE_FALSE;
        return json_literal(r, JSON_FALSE);
    case JSON_NULL:
        return json_literal(r, JSON_NULL);
    case JSON_NONE:
    case JSON_OBJECT:
    case JSON_ARRAY:
        break;
    }
    json_skip(r);
    return false;
}

bool sns_filter_address(struct slice s, int *family, unsigned char bytes[16])
{
    char text[INET6_ADDRSTRLEN];

    if (s.n == 0 || s.n >= sizeof(text) || memchr(s.p, '\0', s.n))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(*family, text, bytes) == 1;
}

static bool value_eq(const struct filter_value *a, const struct filter_value *b)
{
    return a->kind == b->kind && (a->kind != VALUE_STRING || slice_eq(a->text, b->text)) &&
           (a->kind != VALUE_NUMBER || a->number == b->number);
}

/* --- rules that match ------------------------------------------------------------------------------------------------- */

static bool ends_with(struct slice s, struct slice end)
{
    return s.n >= end.n && slice_eq(slice_from(s, s.n - end.n), end);
}

/* The first part is at the beginning, the last one at the end, and those between follow one another; each as early as it can. */
static bool wildcard_matches(const struct filter_rule *r, struct slice s)
{
    const struct slice last = r->parts[r->part_count - 1];

    if (r->part_count == 1)
        return slice_eq(s, last);
    if (!slice_starts(s, r->parts[0]))
        return false;
    s = slice_from(s, r->parts[0].n);
    for (size_t i = 1; i + 1 < r->part_count; i++) {
        const struct slice part = r->parts[i];
        const char *at = part.n == 0 ? s.p : s.n == 0 ? NULL : memmem(s.p, s.n, part.p, part.n);

        if (!at && part.n > 0)
            return false;
        s = part.n == 0 ? s : slice_from(s, (size_t)(at - s.p) + part.n);
    }
    return ends_with(s, last);
}

static bool network_has(const struct filter_network *n, struct slice s)
{
    unsigned char bytes[16];
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    int family;

    if (!sns_filter_address(s, &family, bytes) || family != n->family || memcmp(bytes, n->bytes, whole) != 0)
        return false;
    return rest == 0 || (bytes[whole] ^ n->bytes[whole]) >> (8 - rest) == 0;
}

static bool range_has(const struct filter_range *r, int64_t v)
{
    return (r->above ? v > r->low : v >= r->low) && (r->below ? v < r->high : v <= r->high);
}

/* Not RULE_EXISTS, which asks for no value. */
static bool rule_matches(const struct filter_rule *r, const struct filter_value *v)
{
    const struct filter_rule *but;
    bool is_text = v->kind == VALUE_STRING;

    switch (r->kind) {
    case RULE_EXACT:
        return value_eq(&r->value, v);
    case RULE_PREFIX:
        return is_text && slice_starts(v->text, r->value.text);
    case RULE_SUFFIX:
        return is_text && ends_with(v->text, r->value.text);
    case RULE_WILDCARD:
        return is_text && wildcard_matches(r, v->text);
    case RULE_IGNORE_CASE:
        return is_text && v->text.n == r->value.text.n &&
               (v->text.n == 0 || strncasecmp(v->text.p, r->value.text.p, v->text.n) == 0);
    case RULE_CIDR:
        return is_text && network_has(&r->network, v->text);
    case RULE_NUMERIC:
        return v->kind == VALUE_NUMBER && range_has(&r->range, v->number);
    case RULE_ANYTHING_BUT:
        STAILQ_FOREACH(but, &r->list, link)
            if (rule_matches(but, v))
                return false;
        return true;
    case RULE_EXISTS:
        break;
    }
    return false;
}

/* What a leaf has seen of a message so far. */
struct sight {
    const struct filter_node *leaf;
    struct buf scratch;
    bool matched; /* a rule and a value */
    bool exists;  /* a value that is neither null nor empty */
};

static void see(struct sight *s, const struct filter_value *v)
{
    const struct filter_rule *r;

    s->exists |= v->kind != VALUE_NULL && (v->kind != VALUE_STRING || v->text.n > 0);
    STAILQ_FOREACH(r, &s->leaf->rules, link)
        s->matched |= rule_matches(r, v);
}

/* A value, or each one in an array. Objects are no leaves. */
static void see_next(struct sight *s, struct json_reader *r)
{
    struct filter_value v;

    if (json_peek(r) == JSON_ARRAY && json_enter(r)) {
        while (json_element(r))
            see_next(s, r);
        return;
    }
    buf_clear(&s->scratch);
    if (sns_filter_value(r, &s->scratch, &v) || v.kind == VALUE_LARGE)
        see(s, &v);
}

/* `any`: the message has something that could be matched at all. */
static bool leaf_matches(const struct sight *s, bool any)
{
    const struct filter_rule *r;

    if (s->matched)
        return true;
    STAILQ_FOREACH(r, &s->leaf->rules, link)
        if (r->kind == RULE_EXISTS && (r->exists ? s->exists : any && !s->exists))
            return true;
    return false;
}

/* --- messages --------------------------------------------------------------------------------------------------------- */

struct message {
    const struct sns_attribute *attributes;
    size_t count;
    struct slice body;
    enum sns_scope scope;
    bool any;
};

static bool is_type(struct slice type, const char *name)
{
    size_t n = strlen(name);

    return type.n >= n && memcmp(type.p, name, n) == 0 && (type.n == n || type.p[n] == '.');
}

static void look_at_attribute(struct sight *s, const struct sns_attribute *a)
{
    struct filter_value v = {.kind = VALUE_STRING, .text = a->value};
    struct json_reader r;

    if (slice_is(a->type, "String.Array")) {
        if (!json_valid(a->value, JSON_DEPTH_MAX))
            return;
        json_open(&r, a->value, JSON_DEPTH_MAX);
        if (json_peek(&r) == JSON_ARRAY)
            see_next(s, &r);
    } else if (is_type(a->type, "String")) {
        see(s, &v);
    } else if (is_type(a->type, "Number") && a->value.n > 0) {
        v.kind = sns_filter_number(slice_trim(a->value), &v.number) ? VALUE_NUMBER : VALUE_LARGE;
        see(s, &v);
    }
}

/* Along the path, through arrays of objects as well. */
static void walk(struct sight *s, struct json_reader *r, size_t depth)
{
    struct json_string key;

    if (depth == s->leaf->depth) {
        see_next(s, r);
        return;
    }
    switch (json_peek(r)) {
    case JSON_ARRAY:
        if (json_enter(r))
            while (json_element(r))
                walk(s, r, depth);
        return;
    case JSON_OBJECT:
        if (!json_enter(r))
            return;
        while (json_member(r, &key))
            if (key.escaped ? json_escaped_is(key.raw, s->leaf->path[depth]) : slice_eq(key.raw, s->leaf->path[depth]))
                walk(s, r, depth + 1);
            else
                json_skip(r);
        return;
    default:
        json_skip(r);
    }
}

static bool node_matches(const struct filter_node *n, const struct message *m);

static bool group_matches(const struct filter_group *g, const struct message *m)
{
    const struct filter_node *n;

    STAILQ_FOREACH(n, &g->nodes, link)
        if (!node_matches(n, m))
            return false;
    return true;
}

static bool node_matches(const struct filter_node *n, const struct message *m)
{
    struct sight s = {.leaf = n};
    const struct filter_group *g;
    struct json_reader r;

    if (n->is_or) {
        STAILQ_FOREACH(g, &n->groups, link)
            if (group_matches(g, m))
                return true;
        return false;
    }
    buf_init(&s.scratch, m->scope == SNS_SCOPE_BODY ? m->body.n : RECORD_MAX_BYTES);
    if (m->scope == SNS_SCOPE_BODY) {
        json_open(&r, m->body, JSON_DEPTH_MAX);
        walk(&s, &r, 0);
    }
    for (size_t i = 0; i < m->count; i++)
        if (slice_eq(m->attributes[i].name, n->path[0]))
            look_at_attribute(&s, &m->attributes[i]);
    buf_release(&s.scratch);
    return leaf_matches(&s, m->any);
}

bool sns_filter_attributes(const struct sns_filter *f, const struct sns_attribute *a, size_t n)
{
    const struct message m = {.attributes = a, .count = n, .scope = SNS_SCOPE_ATTRIBUTES, .any = n > 0};

    return group_matches(&f->top, &m);
}

bool sns_filter_body(const struct sns_filter *f, struct slice body)
{
    struct message m = {.body = body, .scope = SNS_SCOPE_BODY};
    struct json_string key;
    struct json_reader r;

    if (!json_valid(body, JSON_DEPTH_MAX))
        return false;
    json_open(&r, body, JSON_DEPTH_MAX);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return false;
    m.any = json_member(&r, &key);
    return group_matches(&f->top, &m);
}
