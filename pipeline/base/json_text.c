/* Between JSON's spelling of a string and its bytes. The strings come from the reader, so their escapes are complete.
 */
#include "pipeline/base/json.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json_scan.h"
#include "pipeline/base/utf8.h"

#include <stdint.h>

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;

    for (size_t i = 0; i < 4; i++) {
        char c = p[i];
        int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

        v = v << 4 | (uint32_t)digit;
    }
    return v;
}

static bool is_high_surrogate(uint32_t c)
{
    return c >= 0xd800 && c <= 0xdbff;
}

static bool is_low_surrogate(uint32_t c)
{
    return c >= 0xdc00 && c <= 0xdfff;
}

/* The code point of the \uXXXX at s, or of a pair of them; *used is how long that is. */
static uint32_t unicode_escape(struct slice s, size_t *used)
{
    uint32_t c = hex4(s.p + 2), low = 0;

    *used = 6;
    if (!is_high_surrogate(c) && !is_low_surrogate(c))
        return c;
    if (is_high_surrogate(c) && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u')
        low = hex4(s.p + 8);
    if (!is_low_surrogate(low))
        return 0xfffd;
    *used = 12;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

static char simple_escape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c; /* quote, backslash, slash */
    }
}

/* Decodes the escape that s begins with; *used is how long it is. Returns how many bytes it stands for. */
static size_t unescape_one(struct slice s, char out[UTF8_MAX], size_t *used)
{
    if (s.p[1] == 'u')
        return utf8_put(unicode_escape(s, used), out);
    *used = 2;
    out[0] = simple_escape(s.p[1]);
    return 1;
}

static size_t until_backslash(struct slice s)
{
    const char *at = s.n ? memchr(s.p, '\\', s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

static struct slice behind(struct slice s, size_t n)
{
    return slice_of(s.p + n, s.n - n);
}

int json_unescape(struct json_string s, struct buf *out)
{
    struct slice rest = s.raw;
    size_t before = out->n;

    while (rest.n > 0) {
        size_t plain = until_backslash(rest), used = 0, n = 0;
        char decoded[UTF8_MAX];

        if (plain < rest.n)
            n = unescape_one(behind(rest, plain), decoded, &used);
        if (buf_add(out, rest.p, plain) < 0 || buf_add(out, decoded, n) < 0) {
            out->n = before;
            return -1;
        }
        rest = behind(rest, plain + used);
    }
    return 0;
}

bool json_escaped_is(struct slice raw, struct slice text)
{
    while (raw.n > 0) {
        size_t plain = until_backslash(raw), used = 0, n = 0;
        char decoded[UTF8_MAX];

        if (!slice_starts(text, slice_of(raw.p, plain)))
            return false;
        text = behind(text, plain);
        if (plain < raw.n)
            n = unescape_one(behind(raw, plain), decoded, &used);
        if (!slice_starts(text, slice_of(decoded, n)))
            return false;
        text = behind(text, n);
        raw = behind(raw, plain + used);
    }
    return text.n == 0;
}

static int quote_control(char c, struct buf *out)
{
    static const char letters[] = "btnvfr"; /* from 8 on; JSON has no \v */
    const char unicode[] = {'\\', 'u', '0', '0', c < 16 ? '0' : '1', "0123456789abcdef"[c & 15]};

    if (c >= '\b' && c <= '\r' && c != '\v') {
        const char escape[] = {'\\', letters[c - '\b']};

        return buf_add(out, escape, sizeof(escape));
    }
    return buf_add(out, unicode, sizeof(unicode));
}

/* Appends what s begins with, which is not plain; *used is how long it is. */
static int quote_special(struct slice s, struct buf *out, size_t *used)
{
    const char escape[] = {'\\', s.p[0]};

    *used = 1;
    if (s.p[0] == '"' || s.p[0] == '\\')
        return buf_add(out, escape, sizeof(escape));
    if ((unsigned char)s.p[0] < ' ')
        return quote_control(s.p[0], out);
    *used = utf8_run(s);
    if (*used > 0)
        return buf_add(out, s.p, *used);
    *used = 1;
    return buf_add_str(out, UTF8_REPLACEMENT);
}

static int quote_all(struct slice text, struct buf *out)
{
    enum simd simd = simd_best();

    while (text.n > 0) {
        size_t plain = (size_t)(json_scan_plain(simd, text.p, text.p + text.n) - text.p), used = 0;

        if (buf_add(out, text.p, plain) < 0)
            return -1;
        text = behind(text, plain);
        if (text.n > 0 && quote_special(text, out, &used) < 0)
            return -1;
        text = behind(text, used);
    }
    return 0;
}

int json_quote(struct slice text, struct buf *out)
{
    size_t before = out->n;

    if (buf_add_char(out, '"') == 0 && quote_all(text, out) == 0 && buf_add_char(out, '"') == 0)
        return 0;
    out->n = before;
    return -1;
}

static int quote_base64(struct slice bytes, struct buf *out)
{
    size_t n = base64_encoded_length(bytes.n);

    if (buf_reserve(out, n + 2) < 0)
        return -1;
    out->p[out->n] = out->p[out->n + 1 + n] = '"';
    base64_encode(bytes, out->p + out->n + 1);
    out->n += n + 2;
    return 0;
}

int json_quote_bytes(struct slice bytes, struct buf *out)
{
    return utf8_is(bytes) ? json_quote(bytes, out) : quote_base64(bytes, out);
}

int json_quote_member(const char *name, const char *text, struct buf *out)
{
    if (buf_printf(out, "\"%s\":", name) < 0 || json_quote(slice_str(text), out) < 0)
        return -1;
    return buf_add_char(out, ',');
}
