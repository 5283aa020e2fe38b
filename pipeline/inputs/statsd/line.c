#include "pipeline/inputs/statsd/line.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX    64
#define TAGS_COMPARED 64

/* --- small pieces ---------------------------------------------------------------------------------------------------- */

/* Up to `end`, which is taken, too; all of it where there is none. */
static struct slice until(struct slice *in, char end)
{
    const char *at = in->n ? memchr(in->p, end, in->n) : NULL;
    struct slice s = slice_of(in->p, at ? (size_t)(at - in->p) : in->n);

    *in = slice_from(*in, at ? s.n + 1 : s.n);
    return s;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "-1.5e3", "+2", ".5" */
static bool is_number(struct slice s)
{
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'), digits = 0;

    if (s.n > NUMBER_MAX)
        return false;
    for (; i < s.n && is_digit(s.p[i]); i++)
        digits++;
    if (i < s.n && s.p[i] == '.')
        for (i++; i < s.n && is_digit(s.p[i]); i++)
            digits++;
    if (digits == 0)
        return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i += i + 1 < s.n && (s.p[i + 1] == '-' || s.p[i + 1] == '+') ? 2 : 1;
        if (i == s.n)
            return false;
        while (i < s.n && is_digit(s.p[i]))
            i++;
    }
    return i == s.n;
}

static bool seconds_of(struct slice s, nsec *time)
{
    int64_t v = 0;

    if (s.n == 0 || s.n > 10)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    if (v > INT64_MAX / NSEC_PER_SEC)
        return false;
    *time = v * NSEC_PER_SEC;
    return true;
}

/* --- taking it apart ---------------------------------------------------------------------------------------------------- */

static const char *type_of(struct slice s)
{
    static const struct {
        const char *sign, *type;
    } TYPES[] = {{"c", "counter"},      {"g", "gauge"}, {"ms", "timer"}, {"h", "histogram"},
                 {"d", "distribution"}, {"s", "set"},   {"m", "meter"}};

    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++)
        if (slice_is(s, TYPES[i].sign))
            return TYPES[i].type;
    return NULL;
}

static bool prefixed(struct slice s, const char *prefix, struct slice *rest)
{
    if (!slice_starts(s, slice_str(prefix)))
        return false;
    *rest = slice_from(s, strlen(prefix));
    return true;
}

/* What all kinds have. False: it is none of these. */
static bool common(struct statsd_line *l, struct slice s)
{
    return prefixed(s, "#", &l->tags) || prefixed(s, "c:", &l->container) || prefixed(s, "e:", &l->external) ||
           prefixed(s, "card:", &l->cardinality);
}

/* Sections that are not known are those of a later version. */
static const char *metric_sections(struct statsd_line *l, struct slice rest)
{
    while (rest.n > 0) {
        struct slice s = until(&rest, '|'), v;

        if (common(l, s))
            continue;
        if (prefixed(s, "@", &l->rate)) {
            if (!is_number(l->rate))
                return "the sample rate is no number";
        } else if (prefixed(s, "T", &v) && !seconds_of(v, &l->time)) {
            return "the timestamp is no number of seconds";
        }
    }
    return NULL;
}

/* A few bytes for each value, and a long list of tags to repeat for it: 64 KiB would be records of 500 MiB. */
static bool is_too_much(const struct statsd_line *l, size_t line)
{
    size_t values = 1;

    for (size_t i = 0; i < l->values.n; i++)
        values += l->values.p[i] == ':';
    return values > 1 && values * (line - l->values.n) > STATSD_SPREAD_MAX;
}

static const char *metric(struct statsd_line *l, struct slice rest)
{
    size_t all = rest.n;
    const char *colon = rest.n ? memchr(rest.p, ':', rest.n) : NULL;
    struct slice values, value;

    if (!colon || colon == rest.p)
        return "it has no name with a colon behind it";
    l->name = until(&rest, ':');
    if (memchr(l->name.p, '|', l->name.n))
        return "it has no value";
    l->values = until(&rest, '|');
    l->type = type_of(until(&rest, '|'));
    if (!l->type)
        return "its type is none of c, g, ms, h, d, s and m";
    if (l->values.n == 0)
        return "it has no value";
    if (is_too_much(l, all))
        return "its values, each with all its tags, would be records of more than 4 MiB";
    if (strcmp(l->type, "set") == 0)
        return metric_sections(l, rest);
    for (values = l->values; statsd_line_next(&values, &value);)
        if (!is_number(value))
            return "its value is no number";
    return metric_sections(l, rest);
}

static void extra_sections(struct statsd_line *l, struct slice rest)
{
    while (rest.n > 0) {
        struct slice s, v;

        if (l->kind == STATSD_CHECK && prefixed(rest, "m:", &l->text)) /* to the end */
            return;
        s = until(&rest, '|');
        if (common(l, s) || prefixed(s, "h:", &l->host) || prefixed(s, "k:", &l->key) ||
            prefixed(s, "p:", &l->priority) || prefixed(s, "s:", &l->source) || prefixed(s, "t:", &l->alert))
            continue;
        if (prefixed(s, "d:", &v))
            (void)seconds_of(v, &l->time);
    }
}

static bool length_of(struct slice *in, char end, size_t *n)
{
    struct slice s = until(in, end);

    *n = 0;
    if (s.n == 0 || s.n > 7)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_digit(s.p[i]))
            return false;
        *n = *n * 10 + (size_t)(s.p[i] - '0');
    }
    return true;
}

static const char *event(struct statsd_line *l, struct slice rest)
{
    size_t title, text;

    l->kind = STATSD_EVENT;
    if (!length_of(&rest, ',', &title) || !length_of(&rest, '}', &text) || rest.n < 1 || rest.p[0] != ':')
        return "an event begins with _e{LENGTH,LENGTH}:";
    rest = slice_from(rest, 1);
    if (rest.n < title + 1 + text || rest.p[title] != '|' || title == 0)
        return "an event's title or text is not as long as it says";
    l->name = slice_of(rest.p, title);
    l->text = slice_of(rest.p + title + 1, text);
    rest = slice_from(rest, title + 1 + text);
    if (rest.n > 0 && rest.p[0] != '|')
        return "an event's title or text is not as long as it says";
    extra_sections(l, rest.n ? slice_from(rest, 1) : rest);
    return NULL;
}

static const char *check(struct statsd_line *l, struct slice rest)
{
    l->kind = STATSD_CHECK;
    l->name = until(&rest, '|');
    l->values = until(&rest, '|');
    if (l->name.n == 0 || l->values.n != 1 || l->values.p[0] < '0' || l->values.p[0] > '3')
        return "a service check has a name and a status from 0 to 3";
    extra_sections(l, rest);
    return NULL;
}

const char *statsd_line_parse(struct statsd_line *l, struct slice line)
{
    struct slice rest;

    *l = (struct statsd_line){.kind = STATSD_METRIC};
    if (prefixed(line, "_e{", &rest))
        return event(l, rest);
    if (prefixed(line, "_sc|", &rest))
        return check(l, rest);
    return metric(l, line);
}

bool statsd_line_next(struct slice *values, struct slice *value)
{
    if (!values->p)
        return false;
    *value = until(values, ':');
    if (values->n == 0 && !(values->p > value->p + value->n)) /* no colon behind it */
        values->p = NULL;
    return true;
}

/* --- as JSON ------------------------------------------------------------------------------------------------------------ */

static int add_text(const char *name, struct slice value, struct buf *out)
{
    if (value.n == 0)
        return 0;
    return buf_printf(out, ",\"%s\":", name) < 0 ? -1 : json_quote(value, out);
}

/* As it is written, where JSON has it so; else the same number. */
static int add_number(const char *name, struct slice value, struct buf *out)
{
    char text[NUMBER_MAX + 1];

    if (value.n > 0 && value.p[0] == '+')
        value = slice_from(value, 1);
    if (buf_printf(out, ",\"%s\":", name) < 0)
        return -1;
    if (json_valid(value, 1))
        return buf_add_slice(out, value);
    snprintf(text, sizeof(text), "%.*s", (int)value.n, value.p);
    snprintf(text, sizeof(text), "%.17g", strtod(text, NULL));
    return buf_add_str(out, json_valid(slice_str(text), 1) ? text : "null"); /* infinite */
}

static struct slice tag_value(struct slice tag, struct slice *name)
{
    *name = until(&tag, ':');
    return tag;
}

/* Of those behind it. */
static unsigned count_same(struct slice tags, struct slice name)
{
    struct slice other;
    unsigned n = 0;

    for (unsigned i = 0; i < TAGS_COMPARED && tags.n > 0; i++) {
        (void)tag_value(until(&tags, ','), &other);
        n += slice_eq(other, name);
    }
    return n;
}

static int add_values(struct slice first, struct slice tags, struct slice name, unsigned more, struct buf *out)
{
    struct slice other, value;

    if (buf_add_char(out, '[') < 0 || json_quote(first, out) < 0)
        return -1;
    while (more > 0 && tags.n > 0) {
        value = tag_value(until(&tags, ','), &other);
        if (!slice_eq(other, name))
            continue;
        if (buf_add_char(out, ',') < 0 || json_quote(value, out) < 0)
            return -1;
        more--;
    }
    return buf_add_char(out, ']');
}

/* {"env":"prod","ip":["a","b"],"canary":""} */
static int add_tags(struct slice tags, struct buf *out)
{
    struct slice rest = tags, name, value;
    char before = '{';

    if (tags.n == 0)
        return 0;
    if (buf_add_str(out, ",\"tags\":") < 0)
        return -1;
    while (rest.n > 0) {
        struct slice tag = until(&rest, ',');
        unsigned more;

        value = tag_value(tag, &name);
        if (name.n == 0 || count_same(slice_of(tags.p, (size_t)(tag.p - tags.p)), name) > 0)
            continue;
        more = count_same(rest, name);
        if (buf_add_char(out, before) < 0 || json_quote(name, out) < 0 || buf_add_char(out, ':') < 0 ||
            (more ? add_values(value, rest, name, more, out) : json_quote(value, out)) < 0)
            return -1;
        before = ',';
    }
    return before == '{' ? buf_add_str(out, "{}") : buf_add_char(out, '}');
}

/* "\n" stands for a line break in events, and JSON has made "\\n" of it. */
static int add_event_text(struct slice text, struct buf *out)
{
    size_t from, to;

    if (buf_add_str(out, ",\"text\":") < 0)
        return -1;
    from = to = out->n;
    if (json_quote(text, out) < 0)
        return -1;
    while (from < out->n) {
        bool escape = out->p[from] == '\\' && from + 2 < out->n;

        out->p[to++] = out->p[from++];
        if (!escape)
            continue;
        if (out->p[from] == '\\' && out->p[from + 1] == 'n')
            from++;
        out->p[to++] = out->p[from++];
    }
    out->n = to;
    return 0;
}

static int add_metric(const struct statsd_line *l, struct slice value, struct buf *out)
{
    bool set = strcmp(l->type, "set") == 0, gauge = strcmp(l->type, "gauge") == 0;

    if (buf_printf(out, ",\"type\":\"%s\"", l->type) < 0 || add_text("name", l->name, out) < 0 ||
        (set ? add_text("value", value, out) : add_number("value", value, out)) < 0)
        return -1;
    if (gauge && (value.p[0] == '+' || value.p[0] == '-') && buf_add_str(out, ",\"delta\":true") < 0)
        return -1;
    return l->rate.n > 0 ? add_number("sample_rate", l->rate, out) : 0;
}

static int add_event(const struct statsd_line *l, struct buf *out)
{
    return buf_add_str(out, ",\"type\":\"event\"") < 0 || add_text("title", l->name, out) < 0 ||
                   add_event_text(l->text, out) < 0 || add_text("host", l->host, out) < 0 ||
                   add_text("aggregation_key", l->key, out) < 0 || add_text("priority", l->priority, out) < 0 ||
                   add_text("source", l->source, out) < 0 || add_text("alert_type", l->alert, out) < 0
               ? -1
               : 0;
}

static int add_check(const struct statsd_line *l, struct buf *out)
{
    static const char *const STATUS[] = {"ok", "warning", "critical", "unknown"};

    return buf_add_str(out, ",\"type\":\"service_check\"") < 0 || add_text("name", l->name, out) < 0 ||
                   add_text("status", slice_str(STATUS[l->values.p[0] - '0']), out) < 0 ||
                   add_text("host", l->host, out) < 0 || add_text("message", l->text, out) < 0
               ? -1
               : 0;
}

int statsd_line_write(const struct statsd_line *l, struct slice value, nsec now, struct buf *out)
{
    char text[32];
    int rc = buf_printf(out, "{\"timestamp\":\"%s\"", clock_rfc3339(l->time ? l->time : now, text, sizeof(text)));

    if (rc == 0)
        rc = l->kind == STATSD_METRIC  ? add_metric(l, value, out)
             : l->kind == STATSD_EVENT ? add_event(l, out)
                                       : add_check(l, out);
    return rc < 0 || add_tags(l->tags, out) < 0 || add_text("container", l->container, out) < 0 ||
                   add_text("external_data", l->external, out) < 0 ||
                   add_text("cardinality", l->cardinality, out) < 0 || buf_add_char(out, '}') < 0
               ? -1
               : 0;
}
