/* Every byte of what was said gets a mark: it stays, or it is cut out. Several passes set marks, each for one reason; in the end each
 * run of marked bytes becomes three dots. So the passes do not know of one another, and none can undo what another did, but for
 * the names that are let through: those are looked for first and protected from all but the credentials' pass. */
#include "sinks/answer/clean.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/utf8.h"
#include "sinks/answer/match.h"
#include "transforms/codecs/unpack.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#define DOTS "..."
/* Shorter credentials would be found everywhere. */
#define SECRET_MIN ((size_t)4)
/* Values of a query are looked for from here on. */
#define QUERY_MIN ((size_t)8)

/* For people: a line, not a page. */
#define TOLD_MAX ((size_t)240)

enum mark { STAYS = 0, NAME, CUT };

struct marks {
    const char *s;
    size_t n;
    size_t quote;                      /* from here on it is a quote to the end; n: nowhere */
    unsigned char of[ANSWER_SAID_MAX]; /* enum mark */
};

static void mark(struct marks *m, size_t from, size_t to, enum mark as)
{
    for (size_t i = from; i < to && i < m->n; i++)
        if (as != CUT || m->of[i] != NAME)
            m->of[i] = (unsigned char)as;
}

/* Character by character: one of which a part is marked is cut out. */
static void write_out(const struct marks *m, char *out, size_t size)
{
    bool cut, was_cut = false;
    size_t n = 0, took;

    for (size_t i = 0; i < m->n; i += took, was_cut = cut) {
        took = utf8_first(slice_of(m->s + i, m->n - i));
        took = took ? took : 1;
        cut = memchr(m->of + i, CUT, took) != NULL;
        if (cut && was_cut)
            continue;
        if (n + (cut ? strlen(DOTS) : took) >= size)
            break;
        memcpy(out + n, cut ? DOTS : m->s + i, cut ? strlen(DOTS) : took);
        n += cut ? strlen(DOTS) : took;
    }
    out[n] = '\0';
}

/* --- quotes ----------------------------------------------------------------------------------------------------------
 */

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static bool ends_with(struct marks *m, size_t at, const char *phrase)
{
    size_t n = strlen(phrase);

    return at >= n && strncasecmp(m->s + at - n, phrase, n) == 0 && (at == n || !is_word_byte(m->s[at - n - 1]));
}

/* What stands in brackets behind these is a name in the destination, which its operator knows. `date field [` has a value. */
static bool leads_to_name(struct marks *m, size_t at)
{
    static const char *const PHRASES[] = {"index ",       "indices ",      "alias ",        "user ",    "username ",
                                          "of type ",     "from type ",    "to type ",      "role ",    "roles ",
                                          "pipeline ",    "with id ",      "blocked by: ",  "policy ",  "action ",
                                          "data stream ", "parse field ",  "limit of ",     "node ",    "cluster ",
                                          "template ",    "total fields ", "for resource ", "setting ", "privileges ",
                                          "mapper ",      "total shards ", "api ",          "shard ",   "repository "};

    for (size_t i = 0; i < ARRAY_LEN(PHRASES); i++)
        if (ends_with(m, at, PHRASES[i]))
            return !ends_with(m, at, "document with id ");
    return false;
}

/* The end of a name in brackets that begins at `at`, behind the bracket; 0: it is none. */
static size_t name_end(const struct marks *m, size_t at)
{
    size_t i = at, depth = 0;

    do {
        depth += m->s[i] == '[';
        depth -= m->s[i] == ']';
        i++;
    } while (depth > 0 && i < m->quote && i - at < 100 &&
             (isalnum((unsigned char)m->s[i]) || strchr("._-:/ ()*,%[]", m->s[i])));
    return depth == 0 && i > at + 2 ? i : 0;
}

/* An apostrophe within a word, as in `field's`, opens and closes nothing. */
static bool opens(const struct marks *m, size_t i)
{
    return i == 0 || !is_word_byte(m->s[i - 1]);
}

static bool closes(const struct marks *m, size_t i)
{
    return i + 1 >= m->n || !is_word_byte(m->s[i + 1]);
}

/* Up to the first quote: what stands in a quote is a record's, whatever it looks like. */
static void protect_names(struct marks *m)
{
    for (size_t i = 0; i < m->quote; i++) {
        size_t end = m->s[i] == '[' && leads_to_name(m, i) ? name_end(m, i) : 0;

        if (end)
            mark(m, i, end, NAME);
        else if (strchr("\"`{[", m->s[i]) || (m->s[i] == '\'' && opens(m, i)))
            return;
        i = end ? end - 1 : i;
    }
}

/* From the first that opens to the last that closes: what is quoted may hold any of them itself. Without an end, to the end. */
static void cut_between(struct marks *m, char first, char last, bool word_bound)
{
    size_t from = 0, to = m->quote;

    while (from < to && (m->s[from] != first || m->of[from] == NAME || (word_bound && !opens(m, from))))
        from++;
    if (from >= to)
        return;
    while (to > from + 1 && (m->s[to - 1] != last || m->of[to - 1] == NAME || (word_bound && !closes(m, to - 1))))
        to--;
    if (to <= from + 1)
        to = m->quote + 1; /* it is not closed: it was cut off */
    mark(m, from + 1, to - 1, CUT);
}

/* What follows is a quote, marked as one or not. */
static void cut_behind_phrases(struct marks *m)
{
    static const char *const PHRASES[] = {"preview of field's value:",
                                          "for input string:",
                                          "for value:",
                                          "with value:",
                                          "invalid value:",
                                          "value was:",
                                          "got value:",
                                          "record:",
                                          "payload:",
                                          "document:",
                                          "input was:",
                                          "body:",
                                          "received:",
                                          "event:",
                                          "log line:",
                                          "source: ("};

    for (size_t i = 0; i < m->quote; i++)
        for (size_t k = 0; k < ARRAY_LEN(PHRASES); k++)
            if (ends_with(m, i, PHRASES[k]))
                m->quote = i + (m->s[i] == ' ');
    mark(m, m->quote, m->n, CUT);
}

static void cut_quotes(struct marks *m)
{
    cut_behind_phrases(m);
    protect_names(m);
    cut_between(m, '"', '"', false);
    cut_between(m, '\'', '\'', true);
    cut_between(m, '`', '`', false);
    cut_between(m, '[', ']', false);
    cut_between(m, '{', '}', false);
}

/* --- what is in the body ---------------------------------------------------------------------------------------------
 */

static void cut_what_was_sent(struct marks *m, const struct answer_sent *sent)
{
    bool found[ANSWER_SAID_MAX + 1] = {false};

    answer_match(slice_of(m->s, m->n), sent->body, found);
    if (sent->unseen)
        answer_match_unseen(slice_of(m->s, m->n), found);
    for (size_t i = 0; i < m->n; i++)
        if (found[i])
            mark(m, i, i + 1, CUT);
}

/* --- credentials -----------------------------------------------------------------------------------------------------
 */

static void cut_each(struct marks *m, struct slice secret)
{
    const char *p = m->s, *end = m->s + m->n;

    if (secret.n < SECRET_MIN)
        return;
    while ((p = memmem(p, (size_t)(end - p), secret.p, secret.n))) {
        memset(m->of + (p - m->s), CUT, secret.n);
        p += secret.n;
    }
}

/* user:password, and the password alone. */
static void cut_decoded(struct marks *m, struct slice text)
{
    char plain[512 + BASE64_SLACK], *colon;
    long n = base64_decoded_max(text.n) <= 512 ? base64_decode(text, plain) : -1;

    if (n <= 0)
        return;
    cut_each(m, slice_of(plain, (size_t)n));
    colon = memchr(plain, ':', (size_t)n);
    if (colon)
        cut_each(m, slice_of(colon + 1, (size_t)n - (size_t)(colon + 1 - plain)));
    explicit_bzero(plain, sizeof(plain));
}

static bool is_secret_header(struct slice name)
{
    static const char *const PARTS[] = {"auth", "key", "token", "secret", "password", "cookie", "credential"};
    char lower[64];
    size_t n = name.n < sizeof(lower) - 1 ? name.n : sizeof(lower) - 1;

    for (size_t i = 0; i < n; i++)
        lower[i] = (char)tolower((unsigned char)name.p[i]);
    lower[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(PARTS); i++)
        if (strstr(lower, PARTS[i]))
            return true;
    return false;
}

/* `Basic dXNlcjpwYXNz`, `Bearer abc`, `abc`, `AWS4-HMAC-SHA256 Credential=..., Signature=abc`. */
static void cut_value(struct marks *m, struct slice value)
{
    const char *blank = memchr(value.p, ' ', value.n), *sign = memmem(value.p, value.n, "Signature=", 10);
    struct slice rest = value;

    cut_each(m, value);
    if (blank)
        rest = slice_of(blank + 1, value.n - (size_t)(blank + 1 - value.p));
    if (sign) {
        cut_each(m, slice_of(sign + 10, value.n - (size_t)(sign + 10 - value.p)));
        return;
    }
    cut_each(m, rest);
    cut_decoded(m, rest);
}

static void cut_secrets(struct marks *m, const struct http_request *rq)
{
    for (size_t i = 0; rq && i < rq->header_count; i++) {
        const char *colon = strchr(rq->headers[i], ':');

        if (colon && is_secret_header(slice_of(rq->headers[i], (size_t)(colon - rq->headers[i]))))
            cut_value(m, slice_trim(slice_str(colon + 1)));
    }
    /* Values of a query are options of the user's: as likely a key as not. */
    for (const char *p = rq && rq->url ? strchr(rq->url, '?') : NULL; p && (p = strchr(p, '='));) {
        size_t n = strcspn(++p, "&#");

        if (n >= QUERY_MIN)
            cut_each(m, slice_of(p, n));
    }
}

/* --- all together ----------------------------------------------------------------------------------------------------
 */

void answer_clean(const char *said, const struct answer_sent *sent, char *out, size_t size)
{
    size_t n = strnlen(said, ANSWER_SAID_MAX);
    struct marks m = {.s = said, .n = n, .quote = n};

    cut_quotes(&m);
    cut_what_was_sent(&m, sent);
    cut_secrets(&m, sent->request);
    write_out(&m, out, size);
}

void answer_hide_secrets(char *text, const struct answer_sent *sent)
{
    char copy[ANSWER_SAID_MAX];
    struct marks m = {.s = copy};

    snprintf(copy, sizeof(copy), "%s", text);
    m.n = m.quote = strlen(copy);
    cut_secrets(&m, sent->request);
    write_out(&m, text, strlen(text) + 1);
}

void answer_finish(struct sink_verdict *v, const struct answer_sent *sent)
{
    char told[SINK_SAID_MAX];
    size_t n = strlen(v->message);

    answer_hide_secrets(v->said, sent);
    v->own = n;
    snprintf(v->detail, sizeof(v->detail), "%s%s%s", v->message, v->said[0] ? ": " : "", v->said);
    if (!v->said[0])
        return;
    answer_clean(v->said, sent, told, TOLD_MAX);
    snprintf(v->message + n, sizeof(v->message) - n, ": %s", told);
    v->said[0] = '\0';
}

/* --- beside what was sent -------------------------------------------------------------------------------------------- */

/* As much as fits: a body of any size must not cost more. */
static int unpack(struct slice packed, struct buf *out)
{
    struct unpack *u = unpack_new(packed);
    int rc = unpack_is_packed(u) ? 0 : -1;
    size_t left = SIZE_MAX, made = 0;
    struct err e;

    while (rc == 0 && (packed.n < left || out->n > made)) {
        left = packed.n;
        made = out->n;
        rc = unpack_step(u, &packed, out, &e);
    }
    if (rc == 0)
        rc = packed.n > 0 ? -1 : unpack_end(u, &e);
    unpack_free(&u);
    return rc;
}

/* A body is looked into only when something was said that may quote it; unpacked, if need be, as far as there is room. */
static struct answer_sent look_into(const struct verdict_sent *sent, struct buf *unpacked)
{
    struct answer_sent out = {.request = sent->request};

    buf_init(unpacked, BODY_MEMORY_MAX);
    if (sent->body) {
        out.body = body_memory_slice(sent->body);
        out.unseen = out.body.n < body_size(sent->body);
    }
    if (sent->encoding && out.body.n > 0) {
        out.unseen = unpack(out.body, unpacked) != 0;
        out.body = buf_slice(unpacked);
    }
    return out;
}

void verdict_finish(struct sink_verdict *v, const struct verdict_sent *sent)
{
    const struct verdict_sent nothing = {0};
    struct answer_sent known;
    struct buf unpacked;

    known = look_into(v->said[0] ? sent : &nothing, &unpacked);
    answer_finish(v, &known);
    buf_release(&unpacked);
}

void verdict_clean(const struct sink_refusal *why, const struct verdict_sent *sent, char *out, size_t size)
{
    size_t n = why->own < size ? why->own : size - 1;
    struct buf unpacked;
    struct answer_sent known = look_into(sent, &unpacked);

    memcpy(out, why->message, n);
    answer_clean(why->message + why->own, &known, out + n, size - n);
    buf_release(&unpacked);
}
