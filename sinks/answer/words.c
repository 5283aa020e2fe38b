/* Servers say why in as many ways as there are servers. In JSON two things are looked for, wherever they stand: what kind of
 * trouble it is (`type`, `title`, `error` as a text ...) and the words for people (`message`, `reason`, `detail` ...). The first of
 * each that is met is kept, outer ones before inner ones of later members; members that hold the trouble (`error`, `errors`, `detail`
 * ...) are entered, others are not: a record that is echoed has a `message`, too. */
#include "sinks/answer/words.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/utf8.h"
#include "sinks/answer/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ENTER_MAX 6 /* {"errors":[{"error":{"detail":[{"msg": ... */

/* Behind a kind of trouble there must be room for more than the beginning of a word. */
#define TEXT_MIN 16

/* --- HTTP's own ------------------------------------------------------------------------------------------------------
 */

static const char *phrase_of(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } PHRASES[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
        {511, "Network Authentication Required"},
    };

    for (size_t i = 0; i < ARRAY_LEN(PHRASES); i++)
        if (PHRASES[i].status == status)
            return PHRASES[i].phrase;
    return "";
}

/* --- JSON ------------------------------------------------------------------------------------------------------------
 */

/* What was found, as written between the quotes. */
struct trouble {
    struct slice kind, words;
};

static bool is_one_of(struct json_string key, const char *const *names)
{
    while (*names && !json_string_is(key, *names))
        names++;
    return *names != NULL;
}

static void keep(struct slice *place, struct slice text)
{
    if (place->n == 0)
        *place = text;
}

static bool look_into(struct json_reader *r, unsigned depth, struct trouble *t);

/* In `error` and its kin: a text, an object, or the first of a list. */
static bool enter_trouble(struct json_reader *r, unsigned depth, struct slice *place, struct trouble *t)
{
    enum json_type type = json_peek(r);
    struct json_string s;

    if (type == JSON_STRING) {
        if (!json_string(r, &s))
            return false;
        keep(place, s.raw);
        return true;
    }
    if (depth >= ENTER_MAX || (type != JSON_OBJECT && type != JSON_ARRAY))
        return json_skip(r);
    if (type == JSON_OBJECT)
        return look_into(r, depth + 1, t);
    if (!json_enter(r))
        return false;
    for (bool first = true; json_element(r); first = false)
        if (!(first ? enter_trouble(r, depth + 1, &t->words, t) : json_skip(r)))
            return false;
    return !r->error;
}

static bool look_into(struct json_reader *r, unsigned depth, struct trouble *t)
{
    static const char *const KINDS[] = {"type", "__type", "title", "Code", "errorCode", "error_code", NULL};
    static const char *const WORDS[] = {"message",       "Message",           "reason",      "errorMessage",
                                        "error_message", "error_description", "description", "msg",
                                        "text",          "errorText",         NULL};
    static const char *const TROUBLES[] = {"error", "errors", "Error", "fault", "failure", "exception", NULL};
    static const char *const DETAILS[] = {"detail", "details", NULL};
    struct json_string key;

    if (!json_enter(r))
        return false;
    while (json_member(r, &key)) {
        bool text = json_peek(r) == JSON_STRING;
        bool ok = text && is_one_of(key, KINDS)   ? enter_trouble(r, depth, &t->kind, t)
                  : text && is_one_of(key, WORDS) ? enter_trouble(r, depth, &t->words, t)
                  : is_one_of(key, TROUBLES)      ? enter_trouble(r, depth, &t->kind, t)
                  : is_one_of(key, DETAILS)       ? enter_trouble(r, depth, &t->words, t)
                                                  : json_skip(r);
        if (!ok)
            return false;
    }
    return !r->error;
}

/* Also of an answer that is cut off: what came by then. */
static bool from_json(struct slice body, char *out, size_t size)
{
    struct trouble t = {0};
    struct json_reader r;
    char kind[128];
    size_t n;

    json_open(&r, body, ANSWER_JSON_DEPTH);
    (void)enter_trouble(&r, 0, &t.words, &t);
    answer_plain_json(t.kind, kind, sizeof(kind));
    answer_plain_json(t.words, out, size);
    if (!kind[0] || strncmp(out, kind, strlen(kind)) == 0)
        return out[0] != '\0';
    n = strlen(kind);
    if (!out[0])
        answer_plain_json(t.kind, out, size);
    else if (n + TEXT_MIN < size) {
        snprintf(out, size, "%s: ", kind);
        answer_plain_json(t.words, out + n + 2, size - n - 2);
    }
    return true;
}

/* --- XML and HTML ----------------------------------------------------------------------------------------------------
 */

/* From the name of an element to the text in it: <title>, <Title lang="en">. {NULL, 0} when there is none. */
static struct slice element(struct slice text, const char *tag)
{
    size_t n = strlen(tag);

    for (size_t i = 0; i + n + 1 < text.n; i++) {
        const char *begin, *end;

        if (text.p[i] != '<' || strncasecmp(text.p + i + 1, tag, n) != 0 || !strchr("> \t\r\n", text.p[i + 1 + n]))
            continue;
        begin = memchr(text.p + i, '>', text.n - i);
        end = begin ? memchr(begin, '<', text.n - (size_t)(begin - text.p)) : NULL;
        if (!begin)
            break;
        return slice_of(begin + 1, end ? (size_t)(end - begin) - 1 : text.n - (size_t)(begin + 1 - text.p));
    }
    return (struct slice){NULL, 0};
}

void answer_xml(struct slice xml, const char *tag, char *out, size_t size)
{
    struct slice s = element(xml, tag);
    size_t n = strlen(tag);

    out[0] = '\0';
    /* Only what is closed again: half a name is no name. */
    if (s.p && (size_t)(s.p + s.n - xml.p) + n + 2 < xml.n && strncmp(s.p + s.n, "</", 2) == 0 &&
        strncmp(s.p + s.n + 2, tag, n) == 0)
        answer_plain_xml(s, out, size);
}

/* Markup out, text in: for pages without a title. */
static void strip(struct slice page, char *out, size_t size)
{
    char text[1024];
    size_t n = 0;
    bool inside = false;

    for (size_t i = 0; i < page.n && n + 1 < sizeof(text); i++) {
        if (page.p[i] == '<')
            text[n++] = ' ';
        inside = page.p[i] == '<' || (inside && page.p[i] != '>');
        if (!inside && page.p[i] != '>')
            text[n++] = page.p[i];
    }
    answer_plain_xml(slice_of(text, n), out, size);
}

static void from_markup(struct slice body, char *out, size_t size)
{
    static const char *const TAGS[] = {"Message", "faultstring", "reason", "detail", "title", "h1", "error", NULL};
    char code[64];
    size_t n = 0;

    answer_xml(body, "Code", code, sizeof(code));
    if (answer_is_name(code))
        n = (size_t)snprintf(out, size, "%s: ", code);
    if (n + TEXT_MIN >= size)
        n = 0;
    for (const char *const *tag = TAGS; *tag; tag++) {
        answer_plain_xml(element(body, *tag), out + n, size - n);
        if (out[n])
            return;
    }
    if (n > 0)
        out[n - 2] = '\0';
    else
        strip(body, out, size);
}

/* --- text ------------------------------------------------------------------------------------------------------------
 */

static bool is_text(struct slice s)
{
    size_t odd = 0, all = s.n;

    while (s.n > 0) {
        size_t took = utf8_first(s);

        odd += took == 0 || ((unsigned char)s.p[0] < 0x20 && !isspace((unsigned char)s.p[0]));
        took = took ? took : 1;
        s = slice_of(s.p + took, s.n - took);
    }
    return odd * 3 <= all;
}

static void from_text(struct slice body, char *out, size_t size)
{
    struct slice rest = body, line;
    char none[48];

    out[0] = '\0';
    if (!is_text(slice_of(body.p, body.n < 1024 ? body.n : 1024))) {
        snprintf(none, sizeof(none), "%zu bytes that are no text", body.n);
        answer_plain(slice_str(none), out, size);
        return;
    }
    while (!out[0] && slice_take_line(&rest, &line))
        answer_plain(line, out, size);
}

/* --- all together ----------------------------------------------------------------------------------------------------
 */

static struct slice without_blanks(struct slice s)
{
    if (slice_starts(s, SLICE("\xef\xbb\xbf")))
        s = slice_of(s.p + 3, s.n - 3);
    while (s.n > 0 && isspace((unsigned char)s.p[0]))
        s = slice_of(s.p + 1, s.n - 1);
    return s;
}

void answer_words(const struct http_response *re, char *out, size_t size)
{
    struct slice body = without_blanks(re->body);
    char first = body.n > 0 ? body.p[0] : '\0';

    out[0] = '\0';
    if ((first == '{' || first == '[' || first == '"') && from_json(body, out, size))
        return;
    if (first == '<')
        from_markup(body, out, size);
    else
        from_text(body, out, size);
    if (!out[0])
        snprintf(out, size, "%s", phrase_of(re->status));
}

bool answer_wants_tls(const struct http_response *re)
{
    static const char *const WORDS[] = {"plain HTTP request was sent to HTTPS port",         /* nginx */
                                        "HTTP request to an HTTPS server",                   /* Go */
                                        "speaking plain HTTP to an SSL-enabled server port", /* Apache */
                                        "This combination of host and port requires TLS",    /* Tomcat, Spring */
                                        "HTTP request was sent to HTTPS port"};

    for (size_t i = 0; re->status == 400 && re->body.n > 0 && i < ARRAY_LEN(WORDS); i++)
        if (memmem(re->body.p, re->body.n, WORDS[i], strlen(WORDS[i])))
            return true;
    return false;
}
