#include "pipeline/inputs/tail/container.h"

#include "pipeline/base/json.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

/* --- lines ------------------------------------------------------------------------------------------------------- */

/* The word before the next blank, which is taken too. */
static bool take_word(struct slice *rest, struct slice *word)
{
    const char *blank = rest->n > 0 ? memchr(rest->p, ' ', rest->n) : NULL;

    if (!blank)
        return false;
    *word = slice_of(rest->p, (size_t)(blank - rest->p));
    *rest = slice_from(*rest, word->n + 1);
    return true;
}

static bool set_stream(struct container_line *out)
{
    out->is_error = slice_is(out->stream, "stderr");
    return out->is_error || slice_is(out->stream, "stdout");
}

/* The tags may be several, with colons between them; the first says whether the line goes on. A line without text may end behind them. */
static bool read_cri(struct slice line, struct container_line *out)
{
    struct slice rest = line, tags;

    if (!take_word(&rest, &out->time) || out->time.n < 20 || out->time.p[10] != 'T' ||
        !take_word(&rest, &out->stream) || !set_stream(out))
        return false;
    if (!take_word(&rest, &tags)) {
        tags = rest;
        rest = slice_of("", 0);
    }
    if (tags.n == 0 || (tags.p[0] != 'F' && tags.p[0] != 'P') || (tags.n > 1 && tags.p[1] != ':'))
        return false;
    out->partial = tags.p[0] == 'P';
    out->text = rest;
    return true;
}

/* Its values need no escapes, but for `log`. */
static bool read_docker(struct slice line, struct container_line *out, struct buf *unescaped)
{
    struct json_string key, log = {{0}, false}, stream = {{0}, false}, time = {{0}, false};
    struct json_reader r;
    bool found = false, ok = true;

    if (line.n == 0 || line.p[0] != '{')
        return false;
    json_open(&r, line, JSON_DEPTH_MAX);
    if (!json_enter(&r))
        return false;
    while (ok && json_member(&r, &key)) {
        if (json_string_is(key, "log"))
            ok = found = json_string(&r, &log);
        else if (json_string_is(key, "stream"))
            ok = json_string(&r, &stream);
        else if (json_string_is(key, "time"))
            ok = json_string(&r, &time);
        else
            ok = json_skip(&r);
    }
    out->stream = stream.raw;
    out->time = time.raw;
    if (!ok || !found || !json_end(&r) || !set_stream(out))
        return false;
    out->text = log.raw;
    if (log.escaped) {
        buf_clear(unescaped);
        if (json_unescape(log, unescaped) < 0)
            return false;
        out->text = buf_slice(unescaped);
    }
    out->partial = out->text.n == 0 || out->text.p[out->text.n - 1] != '\n';
    if (!out->partial)
        out->text.n--;
    return true;
}

bool container_read(enum container_format format, struct slice line, struct container_line *out, struct buf *unescaped)
{
    *out = (struct container_line){.partial = false};
    if (format != CONTAINER_CRI && read_docker(line, out, unescaped))
        return true;
    *out = (struct container_line){.partial = false};
    return format != CONTAINER_DOCKER && read_cri(line, out);
}

/* --- time -------------------------------------------------------------------------------------------------------- */

#define YEAR_LAST 2250 /* what comes later is no nsec */

/* n digits at *p; -1: there are not so many. */
static int take_digits(const char **p, const char *end, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (*p == end || !isdigit((unsigned char)**p))
            return -1;
        v = v * 10 + (**p - '0');
    }
    return v;
}

static bool take(const char **p, const char *end, char c)
{
    if (*p == end || **p != c)
        return false;
    (*p)++;
    return true;
}

static nsec take_fraction(const char **p, const char *end)
{
    nsec v = 0, unit = NSEC_PER_SEC / 10;

    for (; *p < end && isdigit((unsigned char)**p); (*p)++, unit /= 10)
        v += (**p - '0') * unit;
    return v;
}

nsec container_time(struct slice time)
{
    const char *p = time.n > 0 ? time.p : "", *end = p + time.n;
    struct tm tm = {0};
    nsec fraction = 0, offset = 0;
    int hours, minutes;

    tm.tm_year = take_digits(&p, end, 4) - 1900;
    if (tm.tm_year < 0 || tm.tm_year > YEAR_LAST - 1900 || !take(&p, end, '-') ||
        (tm.tm_mon = take_digits(&p, end, 2) - 1) < 0 || !take(&p, end, '-') ||
        (tm.tm_mday = take_digits(&p, end, 2)) < 0 || !take(&p, end, 'T') ||
        (tm.tm_hour = take_digits(&p, end, 2)) < 0 || !take(&p, end, ':') ||
        (tm.tm_min = take_digits(&p, end, 2)) < 0 || !take(&p, end, ':') || (tm.tm_sec = take_digits(&p, end, 2)) < 0)
        return -1;
    if (take(&p, end, '.'))
        fraction = take_fraction(&p, end);
    if (p < end && (*p == '+' || *p == '-')) {
        bool west = *p++ == '-';

        hours = take_digits(&p, end, 2);
        if (hours < 0 || !take(&p, end, ':') || (minutes = take_digits(&p, end, 2)) < 0)
            return -1;
        offset = (hours * 3600 + minutes * 60) * (west ? -NSEC_PER_SEC : NSEC_PER_SEC);
    } else if (!take(&p, end, 'Z')) {
        return -1;
    }
    return p == end ? (nsec)timegm(&tm) * NSEC_PER_SEC + fraction - offset : -1;
}

/* --- names ------------------------------------------------------------------------------------------------------- */

/* Cuts what stands before the first `c` off; false: there is none. */
static bool cut(struct slice *rest, char c, struct slice *before)
{
    const char *at = rest->n > 0 ? memchr(rest->p, c, rest->n) : NULL;

    if (!at)
        return false;
    *before = slice_of(rest->p, (size_t)(at - rest->p));
    *rest = slice_from(*rest, before->n + 1);
    return true;
}

/* The last component of *path, which is cut off. */
static struct slice cut_last(struct slice *path)
{
    const char *slash = path->n > 0 ? memrchr(path->p, '/', path->n) : NULL;
    size_t from = slash ? (size_t)(slash - path->p) + 1 : 0;
    struct slice last = slice_from(*path, from);

    path->n = slash ? from - 1 : 0;
    return last;
}

static bool is_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isxdigit((unsigned char)s.p[i]))
            return false;
    return s.n == 64;
}

/* POD_NAMESPACE_CONTAINER-ID */
static bool of_links(struct slice name, struct container_names *n)
{
    const char *dash;

    if (!cut(&name, '_', &n->pod) || !cut(&name, '_', &n->namespace))
        return false;
    dash = name.n > 0 ? memrchr(name.p, '-', name.n) : NULL;
    if (!dash)
        return false;
    n->container = slice_of(name.p, (size_t)(dash - name.p));
    n->id = slice_from(name, n->container.n + 1);
    return is_id(n->id);
}

/* NAMESPACE_POD_UID/CONTAINER/N.log */
static bool of_pods(struct slice rest, struct container_names *n)
{
    struct slice file = cut_last(&rest), container = cut_last(&rest), folder = cut_last(&rest), above = cut_last(&rest);

    if (!slice_is(above, "pods") || file.n == 0 || !isdigit((unsigned char)file.p[0]) ||
        !cut(&folder, '_', &n->namespace) || !cut(&folder, '_', &n->pod))
        return false;
    n->container = container;
    return true;
}

/* containers/ID/ID-json.log */
static bool of_docker(struct slice rest, struct container_names *n)
{
    struct slice file = cut_last(&rest), id = cut_last(&rest);

    if (!is_id(id) || !slice_starts(file, id))
        return false;
    n->id = id;
    return true;
}

struct container_names container_names_of(const char *path)
{
    struct slice whole = slice_str(path), rest = whole, name = cut_last(&rest);
    struct container_names n = {0};

    if (name.n > 4 && memcmp(name.p + name.n - 4, ".log", 4) == 0 && of_links(slice_of(name.p, name.n - 4), &n))
        return n;
    n = (struct container_names){0};
    if (of_pods(whole, &n))
        return n;
    n = (struct container_names){0};
    (void)of_docker(whole, &n);
    return n;
}
