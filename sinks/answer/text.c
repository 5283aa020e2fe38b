/* What a server says becomes one line that may stand in a log and on a page: each run of white space and of what a terminal would obey is one
 * blank, what is not UTF-8 is marked, and it is cut between characters. */
#include "sinks/answer/text.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/utf8.h"

#include <ctype.h>
#include <stdio.h>

/* White space, controls (C0, C1), line separators, and what turns the direction of the text on a terminal. */
static bool is_blank(uint32_t c)
{
    return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static uint32_t code_point(const char *p, size_t n)
{
    static const unsigned char MASK[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (unsigned char)p[0] & MASK[n];

    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)p[i] & 0x3f);
    return c;
}

void answer_plain(struct slice s, char *out, size_t size)
{
    bool blank = false;
    size_t n = 0;

    while (s.n > 0) {
        size_t took = utf8_first(s), put = took ? took : strlen(UTF8_REPLACEMENT);
        const char *text = took ? s.p : UTF8_REPLACEMENT;
        bool skip = took && is_blank(code_point(s.p, took));

        if (!skip && n + (blank && n > 0) + put >= size)
            break;
        if (!skip) {
            if (blank && n > 0)
                out[n++] = ' ';
            memcpy(out + n, text, put);
            n += put;
        }
        blank = skip;
        took = took ? took : 1;
        s = slice_of(s.p + took, s.n - took);
    }
    out[n] = '\0';
}

void answer_plain_json(struct slice raw, char *out, size_t size)
{
    struct buf text;

    buf_init(&text, raw.n + 16);
    (void)!json_unescape((struct json_string){raw, true}, &text);
    answer_plain(buf_slice(&text), out, size);
    buf_release(&text);
}

/* &lt; and so on; anything else stays as it stands. Returns how many characters it took, 0: no entity. */
static size_t entity(struct slice s, char *out)
{
    static const struct {
        const char *text;
        char c;
    } ENTITIES[] = {{"&lt;", '<'},  {"&gt;", '>'},   {"&amp;", '&'},   {"&quot;", '"'}, {"&apos;", '\''},
                    {"&#34;", '"'}, {"&#39;", '\''}, {"&#x27;", '\''}, {"&nbsp;", ' '}};

    for (size_t i = 0; i < ARRAY_LEN(ENTITIES); i++)
        if (slice_starts(s, slice_str(ENTITIES[i].text))) {
            *out = ENTITIES[i].c;
            return strlen(ENTITIES[i].text);
        }
    return 0;
}

void answer_plain_xml(struct slice raw, char *out, size_t size)
{
    struct buf text;
    int rc = 0;

    buf_init(&text, raw.n + 16);
    while (raw.n > 0 && rc == 0) {
        char c = raw.p[0];
        size_t took = c == '&' ? entity(raw, &c) : 0;

        rc = buf_add_char(&text, c);
        took = took ? took : 1;
        raw = slice_of(raw.p + took, raw.n - took);
    }
    answer_plain(buf_slice(&text), out, size);
    buf_release(&text);
}

bool answer_is_name(const char *text)
{
    const char *p = text;

    while (isalnum((unsigned char)*p) || (*p && strchr("._-:", *p)))
        p++;
    return p > text && !*p;
}

void answer_location(const struct http_response *re, char *out, size_t size)
{
    struct slice s = http_response_header(re, "Location");
    const char *query = s.n > 0 ? memchr(s.p, '?', s.n) : NULL;

    answer_plain(query ? slice_of(s.p, (size_t)(query - s.p)) : s, out, size);
}
