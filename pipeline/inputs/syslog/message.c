/* The forms of RFC 3164 have no grammar, only customs. They are tried from the front: a number of Cisco's, a time, a host, a tag. Each is taken
 * when it looks like one, and otherwise left to what comes behind it, the text at last. */
#include "pipeline/inputs/syslog/message.h"

#include "pipeline/base/json.h"
#include "pipeline/base/utf8.h"
#include "pipeline/inputs/syslog/time.h"
#include "transforms/text/syslog.h"

#include <inttypes.h>
#include <string.h>

#define TAG_MAX  64
#define HOST_MAX 255
/* So many parameters of one element are compared with one another. */
#define PARAMS_MAX 64

/* --- small pieces ---------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool skip(struct slice *in, char c)
{
    if (in->n == 0 || in->p[0] != c)
        return false;
    *in = slice_from(*in, 1);
    return true;
}

static void skip_blanks(struct slice *in)
{
    while (skip(in, ' '))
        ;
}

/* Up to the next blank, which is taken, too. Empty: there is none. */
static struct slice word(struct slice *in)
{
    const char *end = in->n ? memchr(in->p, ' ', in->n) : NULL;
    struct slice w = slice_of(in->p, end ? (size_t)(end - in->p) : in->n);

    *in = slice_from(*in, end ? w.n + 1 : w.n);
    return w;
}

static bool priority(struct slice *in, struct syslog_message *m)
{
    unsigned v = 0;
    size_t n = 1;

    if (in->n < 3 || in->p[0] != '<')
        return false;
    while (n < in->n && n <= 3 && is_digit(in->p[n]))
        v = v * 10 + (unsigned)(in->p[n++] - '0');
    if (n == 1 || n == in->n || in->p[n] != '>' || v > 191)
        return false;
    m->priority = (int)v;
    *in = slice_from(*in, n + 1);
    return true;
}

static void set_time(struct syslog_message *m, const struct syslog_time *t)
{
    m->has_time = true;
    m->time = t->wall;
    m->digits = t->digits;
}

static struct slice without_mark(struct slice s)
{
    return slice_starts(s, SLICE("\xef\xbb\xbf")) ? slice_from(s, 3) : s;
}

/* --- RFC 5424 ----------------------------------------------------------------------------------------------------------- */

static struct slice word_or_nil(struct slice *in)
{
    struct slice w = word(in);

    return slice_is(w, "-") ? SLICE("") : w;
}

/* Where there should be some and is none, it is text. */
static struct slice structured(struct slice *in)
{
    struct slice rest = *in, data = {0};

    if (!syslog_take_data(&rest, &data) || (rest.n > 0 && rest.p[0] != ' '))
        return SLICE("");
    (void)skip(&rest, ' ');
    *in = rest;
    return data;
}

static bool parse_5424(struct slice in, struct syslog_message *m, const struct syslog_reading *r)
{
    struct syslog_time t;

    if (!slice_starts(in, SLICE("1 ")))
        return false;
    in = slice_from(in, 2);
    if (slice_starts(in, SLICE("- ")))
        in = slice_from(in, 2);
    else if (syslog_time_iso(&in, r->zone, &t) && skip(&in, ' '))
        set_time(m, &t);
    else
        return false;
    m->host = word_or_nil(&in);
    m->app = word_or_nil(&in);
    m->procid = word_or_nil(&in);
    m->msgid = word_or_nil(&in);
    m->structured = structured(&in);
    m->text = without_mark(in);
    return true;
}

/* --- and all the others ------------------------------------------------------------------------------------------------- */

/* Cisco: "29: ", "000029: name: ", ": ". */
static void cisco_number(struct slice *in, struct syslog_message *m)
{
    struct slice rest = *in;
    size_t n = 0;

    while (n < rest.n && n < 12 && is_digit(rest.p[n]))
        n++;
    if (n < rest.n && rest.p[n] == ':' && n + 1 < rest.n && rest.p[n + 1] == ' ') {
        m->sequence = slice_of(rest.p, n);
        *in = slice_from(rest, n + 2);
    }
}

/* `*` and `.`: its clock was not set, or is not any more. */
static bool any_time(struct slice *in, struct syslog_message *m, const struct syslog_reading *r)
{
    struct slice rest = *in;
    struct syslog_time t;

    skip_blanks(&rest);
    if (rest.n > 1 && (rest.p[0] == '*' || rest.p[0] == '.'))
        rest = slice_from(rest, 1);
    if (!syslog_time_bsd(&rest, r->zone, r->now, &t) && !syslog_time_iso(&rest, r->zone, &t))
        return false;
    if (rest.n > 0 && rest.p[0] != ' ' && rest.p[0] != ':')
        return false;
    set_time(m, &t);
    *in = rest;
    return true;
}

/* A name and a colon in front of the time. */
static bool cisco_host(struct slice *in, struct syslog_message *m, const struct syslog_reading *r)
{
    struct slice rest = *in, w = word(&rest);

    if (w.n < 2 || w.n > HOST_MAX || w.p[w.n - 1] != ':' || !any_time(&rest, m, r))
        return false;
    m->host = slice_of(w.p, w.n - 1);
    *in = rest;
    return true;
}

/* "tag:text" behind a time, which a word with a port or a scheme is not. */
static bool is_tight_tag(const struct syslog_message *m, struct slice name, struct slice behind)
{
    return m->has_time && !is_digit(name.p[0]) && !is_digit(behind.p[0]) && behind.p[0] != '/' && behind.p[0] != ':';
}

/* tag: text, tag[pid]: text, tag[pid] text, %FAC-SEV-NAME: text. */
static bool tag(struct slice *in, struct syslog_message *m)
{
    struct slice rest = *in, name, pid = SLICE("");
    size_t n = 0;

    while (n < rest.n && n <= TAG_MAX && (unsigned char)rest.p[n] > ' ' && rest.p[n] != ':' && rest.p[n] != '[')
        n++;
    if (n == 0 || n >= rest.n || n > TAG_MAX || (unsigned char)rest.p[n] <= ' ')
        return false;
    name = slice_of(rest.p, n);
    rest = slice_from(rest, n);
    if (skip(&rest, '[')) {
        const char *end = rest.n ? memchr(rest.p, ']', rest.n < TAG_MAX ? rest.n : TAG_MAX) : NULL;

        if (!end || memchr(rest.p, ' ', (size_t)(end - rest.p)))
            return false;
        pid = slice_of(rest.p, (size_t)(end - rest.p));
        rest = slice_from(rest, pid.n + 1);
        (void)skip(&rest, ':');
        if (rest.n > 0 && rest.p[0] != ' ')
            return false;
    } else {
        (void)skip(&rest, ':');
        if (rest.n > 0 && rest.p[0] != ' ' && name.p[0] != '%' && !is_tight_tag(m, name, rest))
            return false;
    }
    (void)skip(&rest, ' ');
    m->app = name;
    m->procid = pid;
    *in = rest;
    return true;
}

static bool looks_like_host(struct slice w, struct slice behind)
{
    return w.n > 0 && w.n <= HOST_MAX && behind.n > 0 && w.p[w.n - 1] != ':' && !memchr(w.p, '[', w.n) &&
           !memchr(w.p, '%', w.n);
}

/* An address of IPv6 may end a word with a colon inside, but no tag has two of them. */
static void host_and_tag(struct slice *in, struct syslog_message *m, const struct syslog_reading *r)
{
    struct slice rest = *in, w;

    if (!r->local && m->host.n == 0) {
        w = word(&rest);
        if (looks_like_host(w, rest)) {
            m->host = w;
            *in = rest;
        }
    }
    if (slice_starts(*in, SLICE(": "))) /* "host : %ASA-6-...: " */
        *in = slice_from(*in, 2);
    (void)tag(in, m);
}

static void parse_3164(struct slice in, struct syslog_message *m, const struct syslog_reading *r)
{
    struct slice all = in;

    cisco_number(&in, m);
    if (any_time(&in, m, r) || cisco_host(&in, m, r)) {
        if (skip(&in, ':')) { /* no host behind it */
            skip_blanks(&in);
            (void)tag(&in, m);
        } else {
            skip_blanks(&in);
            host_and_tag(&in, m, r);
        }
    } else {
        if (m->sequence.n > 0 && (in.n == 0 || in.p[0] != '%')) { /* it was none */
            m->sequence = SLICE("");
            in = all;
        }
        if (m->priority >= 0)
            (void)tag(&in, m);
    }
    m->text = in;
}

/* What only ends it: a line break, or zeros. */
static struct slice without_end(struct slice raw)
{
    while (raw.n > 0 && (raw.p[raw.n - 1] == '\n' || raw.p[raw.n - 1] == '\r' || raw.p[raw.n - 1] == '\0'))
        raw.n--;
    return raw;
}

void syslog_message_parse(struct syslog_message *m, struct slice raw, const struct syslog_reading *r)
{
    struct slice in;

    *m = (struct syslog_message){.raw = without_end(raw), .priority = -1};
    in = without_mark(m->raw);
    if (priority(&in, m) && parse_5424(in, m, r))
        return;
    parse_3164(in, m, r);
}

/* --- as JSON ------------------------------------------------------------------------------------------------------------ */

static int add_text(const char *name, struct slice value, struct buf *out)
{
    if (value.n == 0)
        return 0;
    return buf_printf(out, "\"%s\":", name) < 0 || json_quote(value, out) < 0 || buf_add_char(out, ',') < 0 ? -1 : 0;
}

/* With as many digits as it came with, three at least. */
static int add_time(nsec wall, unsigned digits, struct buf *out)
{
    char text[32];

    clock_rfc3339(wall, text, sizeof(text));
    if (digits <= 3)
        return buf_printf(out, "{\"timestamp\":\"%s\",", text);
    text[strlen("2026-11-22T15:26:01")] = '\0';
    return digits <= 6
               ? buf_printf(out, "{\"timestamp\":\"%s.%06" PRId64 "Z\",", text, wall % NSEC_PER_SEC / NSEC_PER_USEC)
               : buf_printf(out, "{\"timestamp\":\"%s.%09" PRId64 "Z\",", text, wall % NSEC_PER_SEC);
}

/* \" \\ \] stand for what is behind the backslash; before anything else it is itself. */
static int add_value(const struct syslog_parameter *p, struct buf *out)
{
    char text[256];
    size_t n = 0;

    if (!p->escaped || p->value.n > sizeof(text)) /* a long one stands as it is: its backslashes show what was meant */
        return json_quote(p->value, out);
    for (size_t i = 0; i < p->value.n; i++) {
        char next = i + 1 < p->value.n ? p->value.p[i + 1] : '\0';

        if (p->value.p[i] == '\\' && (next == '"' || next == '\\' || next == ']'))
            i++;
        text[n++] = p->value.p[i];
    }
    return json_quote(slice_of(text, n), out);
}

/* How many of the next ones, up to PARAMS_MAX, are of the same element and have the same name. */
static unsigned count_more(struct syslog_data d, const struct syslog_parameter *like)
{
    struct syslog_parameter p;
    unsigned n = 0;

    for (unsigned i = 0; i < PARAMS_MAX && syslog_data_next(&d, &p) && p.element.p == like->element.p; i++)
        n += slice_eq(p.name, like->name);
    return n;
}

/* It, and those behind it that have its name: ["a","b"]. */
static int add_values(struct syslog_data d, const struct syslog_parameter *first, unsigned more, struct buf *out)
{
    struct syslog_parameter p;

    if (buf_add_char(out, '[') < 0 || add_value(first, out) < 0)
        return -1;
    while (more > 0 && syslog_data_next(&d, &p)) {
        if (!slice_eq(p.name, first->name))
            continue;
        if (buf_add_char(out, ',') < 0 || add_value(&p, out) < 0)
            return -1;
        more--;
    }
    return buf_add_char(out, ']');
}

/* Has one of this name stood before it in its element? Then it is there already. */
static bool is_there(struct syslog_data d, const struct syslog_parameter *like)
{
    struct syslog_parameter p;

    for (unsigned i = 0; i < PARAMS_MAX && syslog_data_next(&d, &p) && p.name.p != like->name.p; i++)
        if (slice_eq(p.name, like->name))
            return true;
    return false;
}

static int add_parameter(const struct syslog_data *d, const struct syslog_parameter *p, struct buf *out)
{
    unsigned more = count_more(*d, p);

    if (json_quote(p->name, out) < 0 || buf_add_char(out, ':') < 0)
        return -1;
    return more > 0 ? add_values(*d, p, more, out) : add_value(p, out);
}

static int add_structured(struct slice data, struct buf *out)
{
    struct syslog_data d, before, element;
    struct slice last = {0};
    struct syslog_parameter p;

    if (data.n == 0)
        return 0;
    if (buf_add_str(out, "\"structured_data\":{") < 0)
        return -1;
    syslog_data_open(&d, data);
    for (before = element = d; syslog_data_next(&d, &p); before = d) {
        bool begins = p.element.p != last.p, there;

        if (begins)
            element = before;
        there = !begins && is_there(element, &p);
        if (begins &&
            ((last.p && buf_add_str(out, "},") < 0) || json_quote(p.element, out) < 0 || buf_add_str(out, ":{") < 0))
            return -1;
        if (p.name.n > 0 && !there && ((!begins && buf_add_char(out, ',') < 0) || add_parameter(&d, &p, out) < 0))
            return -1;
        last = p.element;
    }
    return buf_add_str(out, "}},");
}

static int add_priority(const struct syslog_message *m, struct buf *out)
{
    if (m->priority < 0)
        return 0;
    return buf_printf(out, "\"facility\":\"%s\",\"severity\":\"%s\",", syslog_facility(m->priority),
                      syslog_severity(m->priority));
}

static int add_raw(const struct syslog_message *m, bool wanted, struct buf *out)
{
    if (!wanted && utf8_is(m->raw))
        return 0;
    return buf_add_str(out, ",\"raw\":") < 0 ? -1 : json_quote_bytes(m->raw, out);
}

int syslog_message_write(const struct syslog_message *m, const struct syslog_reading *r, struct slice otherwise,
                         bool raw, struct buf *out)
{
    return add_time(m->has_time ? m->time : r->now, m->has_time ? m->digits : 3, out) < 0 ||
                   add_text("host", m->host.n ? m->host : otherwise, out) < 0 || add_text("app", m->app, out) < 0 ||
                   add_text("procid", m->procid, out) < 0 || add_text("msgid", m->msgid, out) < 0 ||
                   add_priority(m, out) < 0 || add_text("sequence", m->sequence, out) < 0 ||
                   add_structured(m->structured, out) < 0 || buf_add_str(out, "\"message\":") < 0 ||
                   json_quote(m->text, out) < 0 || add_raw(m, raw, out) < 0 || buf_add_char(out, '}') < 0
               ? -1
               : 0;
}
