/* A query is a plain path, or it is checked word by word against a list of what may stand in one: it is not parsed here, libjq does
 * that. A plain path is followed through the record's bytes: the first step of all paths in one pass, which also checks the whole
 * record, the others in what that pass found. */
#include "transforms/partition/query.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- plain paths --- */

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static size_t name_length(const char *p)
{
    size_t n = 0;

    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return n;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t\n");
}

/* A string without escapes; NULL: it is none. */
static const char *take_string(const char *p, char **out)
{
    size_t n;

    if (*p != '"')
        return NULL;
    n = strcspn(p + 1, "\"\\");
    if (p[1 + n] != '"')
        return NULL;
    *out = mem_printf("%.*s", (int)n, p + 1);
    return p + n + 2;
}

static const char *take_index(const char *p, int64_t *out)
{
    char *end;
    size_t digits = strspn(p + (*p == '-'), "0123456789");

    if (digits < 1 || digits > 9)
        return NULL;
    *out = strtoll(p, &end, 10);
    return end;
}

/* `.a`, `."a b"`, `[0]`, `.["a b"]`; NULL: it is none of them. */
static const char *take_step(const char *p, bool first, struct query_step *s)
{
    const char *end = NULL;

    if (*p == '.') {
        p++;
        if (is_name_start(*p)) {
            size_t n = name_length(p);

            s->name = mem_printf("%.*s", (int)n, p);
            return p + n;
        }
        if (*p == '"')
            return take_string(p, &s->name);
        if (!first) /* `.a.["b"]` is of a later jq */
            return NULL;
    } else if (first) {
        return NULL;
    }
    if (*p != '[')
        return NULL;
    p = skip_blanks(p + 1);
    end = *p == '"' ? take_string(p, &s->name) : take_index(p, &s->index);
    end = end ? skip_blanks(end) : NULL;
    return end && *end == ']' ? end + 1 : NULL;
}

/* Behind `//`: a text, or an integer that is printed as it is written. */
static const char *take_alternative(const char *p, char **out)
{
    int64_t number;
    const char *end;

    if (*p == '"')
        return take_string(p, out);
    end = *p == '0' && isdigit((unsigned char)p[1]) ? NULL : take_index(p, &number);
    if (end && *p != '-')
        *out = mem_printf("%.*s", (int)(end - p), p);
    return end && *p != '-' ? end : NULL;
}

static bool parse_plain(struct query *q)
{
    const char *p = skip_blanks(q->text);

    while (q->depth < QUERY_STEPS_MAX && (*p == '.' || *p == '[')) {
        struct query_step *s = &q->step[q->depth];

        p = take_step(p, q->depth == 0, s);
        if (p || s->name)
            q->depth++;
        if (!p)
            return false;
    }
    p = skip_blanks(p);
    if (q->depth > 0 && p[0] == '/' && p[1] == '/') {
        p = take_alternative(skip_blanks(p + 2), &q->alternative);
        p = p ? skip_blanks(p) : NULL;
    }
    return q->depth > 0 && p && *p == '\0';
}

static void forget_path(struct query *q)
{
    for (size_t i = 0; i < q->depth; i++)
        mem_free(q->step[i].name);
    q->depth = 0;
    memset(q->step, 0, sizeof(q->step));
    MEM_CLEAR(q->alternative);
}

/* --- all other queries: which words may stand in them --- */

/* What a word costs: an iteration, and how often it may double a text. */
struct word {
    const char *name;
    unsigned char lists, copies;
};

static const struct word WORDS[] = {
    {"if", 0, 0},
    {"then", 0, 0},
    {"elif", 0, 0},
    {"else", 0, 0},
    {"end", 0, 0},
    {"and", 0, 0},
    {"or", 0, 0},
    {"not", 0, 0},
    {"try", 0, 0},
    {"catch", 0, 0},
    {"null", 0, 0},
    {"true", 0, 0},
    {"false", 0, 0},
    {"empty", 0, 0},
    {"select", 0, 0},
    {"first", 0, 0},
    {"last", 0, 0},
    {"has", 0, 0},
    {"type", 0, 0},
    {"length", 0, 0},
    {"keys", 1, 0},
    {"map", 1, 0},
    {"any", 1, 0},
    {"all", 1, 0},
    {"add", 1, 1},
    {"join", 1, 1},
    {"min", 1, 0},
    {"max", 1, 0},
    {"to_entries", 1, 0},
    {"split", 0, 0},
    {"startswith", 0, 0},
    {"endswith", 0, 0},
    {"ltrimstr", 0, 0},
    {"rtrimstr", 0, 0},
    {"ascii_downcase", 0, 0},
    {"ascii_upcase", 0, 0},
    {"tostring", 0, 1},
    {"tojson", 0, 1},
    {"fromjson", 0, 0},
    {"tonumber", 0, 0},
    {"floor", 0, 0},
    {"strftime", 0, 0},
    {"strptime", 0, 0},
    {"mktime", 0, 0},
    {"gmtime", 0, 0},
    {"todate", 0, 0},
    {"fromdate", 0, 0},
    {"todateiso8601", 0, 0},
    {"fromdateiso8601", 0, 0},
};

static const struct word FORMATS[] = {{"text", 0, 1}, {"json", 0, 1}, {"uri", 0, 2}, {"base64", 0, 1}, {"html", 0, 3}};

struct check {
    const char *text, *p;
    unsigned lists, copies, depth;
};

static const struct word *find_word(const struct word *words, size_t count, const char *p, size_t n)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i].name) == n && memcmp(words[i].name, p, n) == 0)
            return &words[i];
    return NULL;
}

static int refuse(const struct check *c, size_t n, const char *why, struct err *e)
{
    return err_set(e, ERR_CONFIG, "`%.*s` cannot stand in a query: %s", (int)n, c->p, why);
}

static int check_word(struct check *c, struct err *e)
{
    bool format = *c->p == '@';
    size_t n = name_length(c->p + format);
    const struct word *w =
        format ? find_word(FORMATS, ARRAY_LEN(FORMATS), c->p + 1, n) : find_word(WORDS, ARRAY_LEN(WORDS), c->p, n);

    if (!w)
        return refuse(
            c, n + format,
            "only what reads the record and ends soon; what needs more is a script's work (`transform: { lua: "
            "FILE }`, meta.partition_keys)",
            e);
    c->lists += w->lists;
    c->copies += w->copies;
    c->p += n + format;
    return 0;
}

static int check_until(struct check *c, char close, struct err *e);

/* From the opening quote to behind the closing one. */
static int check_string(struct check *c, struct err *e)
{
    for (c->p++; *c->p != '"'; c->p++) {
        if (*c->p == '\0')
            return err_set(e, ERR_CONFIG, "a text in the query has no closing quote");
        if (*c->p != '\\')
            continue;
        c->p++;
        if (*c->p == '\0')
            return err_set(e, ERR_CONFIG, "a text in the query has no closing quote");
        if (*c->p != '(')
            continue;
        c->p++;
        c->copies++;
        if (check_until(c, ')', e) < 0)
            return -1;
        c->p--; /* at the bracket */
    }
    c->p++;
    return 0;
}

static int check_operator(struct check *c, struct err *e)
{
    char next = c->p[1];

    if (strchr("*%", *c->p))
        return refuse(c, 1, "on texts, or on odd numbers, jq 1.6 does not end with it", e);
    if (*c->p == '.' && next == '.')
        return refuse(c, 2, "it goes through all of the record", e);
    if (next == '=' && strchr("|+-/", *c->p))
        return refuse(c, 2, "it changes the record", e);
    if (*c->p == '=' && next != '=')
        return refuse(c, 1, "it changes the record; `==` compares", e);
    if (strchr("=!<>", *c->p) && next == '=')
        c->p++;
    else if (*c->p == '/' && next == '/' && c->p[2] == '=')
        return refuse(c, 3, "it changes the record", e);
    else if (*c->p == '/' && next == '/')
        c->p++;
    c->copies += *c->p == '+' || *c->p == ',';
    /* Of two lists it compares each element with each. Whether it is a sign, or between numbers, only a number behind it says. */
    c->lists += *c->p == '-' && !isdigit((unsigned char)*skip_blanks(c->p + 1));
    c->p++;
    return 0;
}

/* Does the bracket at `c` index what is before it? Else an array is made. */
static bool is_index(const struct check *c)
{
    static const char *const WORDS_BEFORE_VALUES[] = {"then", "else", "elif", "if", "and", "or", "try", "catch"};
    const char *end = c->p, *begin;

    while (end > c->text && strchr(" \t\n", end[-1]))
        end--;
    for (begin = end; begin > c->text && (isalnum((unsigned char)begin[-1]) || begin[-1] == '_'); begin--)
        ;
    if (begin == end)
        return end > c->text && strchr(".])\"?", end[-1]);
    for (size_t i = 0; i < ARRAY_LEN(WORDS_BEFORE_VALUES) && (begin == c->text || begin[-1] != '.'); i++)
        if (slice_is(slice_of(begin, (size_t)(end - begin)), WORDS_BEFORE_VALUES[i]))
            return false;
    return true;
}

/* From behind the opening bracket to the closing one. An array as an index of an array leaves memory behind: what is computed here
 * must be a text. */
static int check_index(struct check *c, struct err *e)
{
    const struct check at_bracket = {.p = c->p - 1};

    c->p = skip_blanks(c->p);
    if (*c->p == '"') {
        if (check_string(c, e) < 0)
            return -1;
        c->p = skip_blanks(c->p);
    } else {
        c->p += strspn(c->p, " \t\n0123456789-:");
    }
    return *c->p == ']' || *c->p == '\0' ? 0 : refuse(&at_bracket, 1, "an index is a number, a text, or `from:to`", e);
}

static int check_bracket(struct check *c, struct err *e)
{
    char close = *c->p == '(' ? ')' : ']';
    bool index = close == ']' && is_index(c);

    if (++c->depth > QUERY_STEPS_MAX)
        return err_set(e, ERR_CONFIG, "the query has more than %d brackets in one another", QUERY_STEPS_MAX);
    c->p++;
    c->lists += close == ']' && *skip_blanks(c->p) == ']';
    if ((index && check_index(c, e) < 0) || check_until(c, close, e) < 0)
        return -1;
    c->depth--;
    return 0;
}

/* To behind `close`; '\0': to the end. */
static int check_until(struct check *c, char close, struct err *e)
{
    while (*c->p && *c->p != close) {
        int rc = 0;

        if (strchr(" \t\n:?", *c->p) || isdigit((unsigned char)*c->p))
            c->p++;
        else if (*c->p == '.' && is_name_start(c->p[1]))
            c->p += 1 + name_length(c->p + 1);
        else if (is_name_start(*c->p) || *c->p == '@')
            rc = check_word(c, e);
        else if (*c->p == '"')
            rc = check_string(c, e);
        else if (*c->p == '(' || *c->p == '[')
            rc = check_bracket(c, e);
        else if (strchr("|,+-/=!<>.*%", *c->p))
            rc = check_operator(c, e);
        else if (*c->p == '{')
            rc = refuse(c, 1, "each key has a query of its own, such as `customer: .customer_id`", e);
        else
            rc = refuse(c, 1, "nothing but paths, texts, numbers, comparisons and functions", e);
        if (rc < 0)
            return -1;
    }
    if (*c->p != close)
        return err_set(e, ERR_CONFIG, "a bracket of the query has no `%c`", close);
    c->p += close != '\0';
    return 0;
}

#ifdef HAVE_LIBJQ
/* The longest record that libjq reads, for which bytes ^ (1 + lists) * 2 ^ copies is no more than QUERY_WORK_MAX and bytes * 2 ^ copies
 * no more than QUERY_MADE_MAX. 0: there is none worth it. */
static uint64_t longest_record(unsigned lists, unsigned copies)
{
    double most = QUERY_TREE_MAX;

    if (lists > 2 || copies >= 16)
        return 0;
    most = fmin(most, pow((double)(QUERY_WORK_MAX >> copies), 1.0 / (1 + lists)));
    most = fmin(most, (double)(QUERY_MADE_MAX >> copies));
    return most < QUERY_RECORD_MIN ? 0 : (uint64_t)most;
}
#endif

static int parse_other(struct query *q, struct err *e)
{
    struct check c = {.text = q->text, .p = q->text};

    if (check_until(&c, '\0', e) < 0)
        return -1;
#ifndef HAVE_LIBJQ
    return err_set(e, ERR_CONFIG,
                   "this program was built without libjq, so a query is a path, such as .customer.id or .a // \"x\"");
#else
    q->record_max = longest_record(c.lists, c.copies);
    return q->record_max > 0 ? 0
                             : err_set(e, ERR_CONFIG,
                                       "the query may take too long: it has %u iterations (`[]`, map, join ...) and "
                                       "%u places that may double a text (+ , \\( ) tostring ...)",
                                       c.lists, c.copies);
#endif
}

int query_parse(struct query *q, const char *text, struct err *e)
{
    *q = (struct query){.text = mem_strdup(text)};
    if (strlen(text) > QUERY_TEXT_MAX) {
        err_set(e, ERR_CONFIG, "the query has %zu bytes, at most %d are allowed", strlen(text), QUERY_TEXT_MAX);
        goto fail;
    }
    if (*skip_blanks(text) == '\0') {
        err_set(e, ERR_CONFIG, "the query is empty");
        goto fail;
    }
    q->plain = parse_plain(q);
    if (q->plain)
        return 0;
    forget_path(q);
    if (parse_other(q, e) == 0)
        return 0;
fail:
    query_release(q);
    return -1;
}

int query_field(struct query *q, const char *field, struct err *e)
{
    *q = (struct query){.text = mem_strdup(field), .plain = true};
    for (const char *p = field; p;) {
        const char *dot = strchr(p, '.');
        size_t n = dot ? (size_t)(dot - p) : strlen(p);

        if (n == 0 || q->depth == QUERY_STEPS_MAX) {
            query_release(q);
            return err_set(e, ERR_CONFIG, "`%s` is not a field, such as ts or event.time", field);
        }
        q->step[q->depth++].name = mem_printf("%.*s", (int)n, p);
        p = dot ? dot + 1 : NULL;
    }
    return 0;
}

void query_release(struct query *q)
{
    forget_path(q);
    mem_free(q->text);
    *q = (struct query){0};
}

/* --- looking into a record --- */

static bool key_is(struct json_string key, const char *name)
{
    return key.escaped ? json_escaped_is(key.raw, slice_str(name)) : slice_is(key.raw, name);
}

/* One step into a value that is known to be valid. */
static void take_value(const struct query_step *s, struct query_found *f)
{
    struct json_reader r;
    struct json_field field;
    enum json_type type;
    struct slice in = f->value;
    int64_t at = 0, wanted = s->index;

    f->value = (struct slice){NULL, 0};
    json_open(&r, in, JSON_DEPTH_MAX);
    type = json_peek(&r);
    if (type == JSON_NULL)
        return;
    if (type != (s->name ? JSON_OBJECT : JSON_ARRAY)) {
        f->wrong = s->name ? "the path asks for a member of what is no object"
                           : "the path asks for an element of what is no array";
        return;
    }
    if (wanted < 0) {
        struct json_reader counted = r;

        (void)json_enter(&counted);
        while (json_item(&counted, &field))
            wanted++;
        if (wanted < 0)
            return;
    }
    (void)json_enter(&r);
    if (s->name)
        while (json_field(&r, &field))
            f->value = key_is(field.key, s->name) ? field.value : f->value;
    else
        while (!f->value.p && json_item(&r, &field))
            f->value = at++ == wanted ? field.value : f->value;
}

/* The record is an object: the first step of all paths at once. */
static void find_members(const struct query *const *q, size_t count, struct json_reader *r, struct query_found *found)
{
    struct json_field field;

    (void)json_enter(r);
    while (json_field(r, &field))
        for (size_t i = 0; i < count; i++)
            if (q[i]->plain && q[i]->step[0].name && key_is(field.key, q[i]->step[0].name))
                found[i].value = field.value;
}

const char *query_find(const struct query *const *q, size_t count, struct slice record, struct query_found *found,
                       bool *is_object)
{
    struct json_reader r;
    enum json_type type;

    memset(found, 0, count * sizeof(*found));
    json_open(&r, record, JSON_DEPTH_MAX);
    type = json_peek(&r);
    if (type == JSON_OBJECT)
        find_members(q, count, &r, found);
    else
        (void)json_skip(&r);
    if (!json_end(&r))
        return r.error ? r.error : "there is something behind the JSON value";
    if (is_object)
        *is_object = type == JSON_OBJECT;
    for (size_t i = 0; i < count; i++) {
        size_t at = type == JSON_OBJECT && q[i]->plain && q[i]->step[0].name;

        if (!q[i]->plain)
            continue;
        if (at == 0)
            found[i].value = record;
        for (; at < q[i]->depth && found[i].value.p && !found[i].wrong; at++)
            take_value(&q[i]->step[at], &found[i]);
    }
    return NULL;
}

/* --- values as texts --- */

static enum query_answer text_of(struct slice raw, struct buf *out, const char **why)
{
    struct json_reader r;
    struct json_string s;
    struct slice digits;
    int rc = 0;

    json_open(&r, raw, JSON_DEPTH_MAX);
    switch (json_peek(&r)) {
    case JSON_STRING:
        rc = json_string(&r, &s) ? json_unescape(s, out) : -1;
        break;
    case JSON_NUMBER:
        rc = json_number(&r, &digits) ? query_number(digits, out) : -1;
        break;
    case JSON_TRUE:
        rc = buf_add_str(out, "true");
        break;
    case JSON_FALSE:
        rc = buf_add_str(out, "false");
        break;
    case JSON_NULL:
        return QUERY_MISSING;
    default:
        *why = "it is an object or an array";
        return QUERY_FAILED;
    }
    *why = "it is too long";
    return rc < 0 ? QUERY_FAILED : QUERY_TEXT;
}

enum query_answer query_text(const struct query *q, const struct query_found *found, struct buf *out, const char **why)
{
    if (q->alternative && !found->wrong &&
        (!found->value.p || slice_is(found->value, "null") || slice_is(found->value, "false"))) {
        *why = "it is too long";
        return buf_add_str(out, q->alternative) < 0 ? QUERY_FAILED : QUERY_TEXT;
    }
    *why = found->wrong;
    if (found->wrong)
        return QUERY_FAILED;
    return found->value.p ? text_of(found->value, out, why) : QUERY_MISSING;
}
