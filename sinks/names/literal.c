/* The text is walked once. Times that stand together, with nothing but separators between them, become one
 * !{timestamp:...}: `%Y/%m/%d` is !{timestamp:yyyy/MM/dd}. */
#include "sinks/names/literal.h"

#include "sinks/names/time_pattern.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define CORRECTED_MAX 1024
#define SHOWN_MAX     220
#define PIECE_MAX     40

struct foreign {
    struct slice text; /* as it stands there */
    char pattern[64];  /* of !{timestamp:...}; "": it is no time, or there is no pattern for it */
    char field[128];   /* of !{record:...}; "": it is none */
};

/* strftime's letters, and how Java's patterns write the same. "": they cannot. `bare` is the form after %-. */
static const struct {
    char letter;
    const char *pattern, *bare;
} TIMES[] = {
    {'Y', "yyyy", "yyyy"},
    {'y', "yy", "yy"},
    {'G', "yyyy", "yyyy"},
    {'m', "MM", "M"},
    {'d', "dd", "d"},
    {'e', "d", "d"},
    {'j', "DDD", "D"},
    {'H', "HH", "H"},
    {'k', "H", "H"},
    {'I', "hh", "h"},
    {'l', "h", "h"},
    {'M', "mm", "m"},
    {'S', "ss", "s"},
    {'f', "SSSSSS", "SSSSSS"},
    {'L', "SSS", "SSS"},
    {'N', "SSSSSSSSS", "SSSSSSSSS"},
    {'p', "a", "a"},
    {'B', "MMMM", "MMMM"},
    {'b', "MMM", "MMM"},
    {'h', "MMM", "MMM"},
    {'A', "EEEE", "EEEE"},
    {'a', "EEE", "EEE"},
    {'F', "yyyy-MM-dd", "yyyy-MM-dd"},
    {'T', "HH:mm:ss", "HH:mm:ss"},
    {'R', "HH:mm", "HH:mm"},
    {'D', "MM/dd/yy", "MM/dd/yy"},
    {'z', "Z", "Z"},
    {'Z', "z", "z"},
    {'s', "", ""},
    {'U', "", ""},
    {'V', "", ""},
    {'W', "", ""},
    {'u', "", ""},
    {'w', "", ""},
    {'C', "", ""},
    {'g', "", ""},
    {'c', "", ""},
    {'x', "", ""},
    {'X', "", ""},
};

/* %Y, %-d, %EY */
static bool take_strftime(struct slice s, struct foreign *out)
{
    size_t i = 1;
    bool bare = false;

    if (s.p[0] != '%')
        return false;
    if (i < s.n && strchr("-_0^#", s.p[i]))
        bare = s.p[i++] == '-';
    if (i + 1 < s.n && (s.p[i] == 'E' || s.p[i] == 'O'))
        i++;
    for (size_t t = 0; i < s.n && t < ARRAY_LEN(TIMES); t++)
        if (TIMES[t].letter == s.p[i]) {
            *out = (struct foreign){.text = slice_of(s.p, i + 1)};
            snprintf(out->pattern, sizeof(out->pattern), "%s", bare ? TIMES[t].bare : TIMES[t].pattern);
            return true;
        }
    return false;
}

/* A pattern that is good here as well, but for the Y of a week's year, which is meant to be the year. */
static void keep_pattern(struct slice pattern, struct foreign *f)
{
    struct err e;

    if (pattern.n >= sizeof(f->pattern))
        return;
    snprintf(f->pattern, sizeof(f->pattern), "%.*s", (int)pattern.n, pattern.p);
    for (char *p = f->pattern; *p; p++)
        if (*p == 'Y')
            *p = 'y';
    if (time_pattern_check(slice_str(f->pattern), &e) < 0)
        f->pattern[0] = '\0';
}

/* `host`, `.host.name`, `[host][name]` */
static void keep_field(struct slice name, struct foreign *f)
{
    size_t n = 0;

    for (size_t i = 0; i < name.n && n + 1 < sizeof(f->field); i++) {
        char c = name.p[i];

        if (c == ' ' || c == ']' || c == '"')
            continue;
        if ((c == '.' || c == '[') && (n == 0 || f->field[n - 1] == '.'))
            continue;
        f->field[n++] = c == '[' ? '.' : c;
    }
    f->field[n] = '\0';
}

/* %{+yyyy.MM}, %{host}, {{ host }} */
static bool take_braces(struct slice s, struct foreign *out)
{
    bool percent = slice_starts(s, SLICE("%{"));
    const char *end = percent ? memchr(s.p, '}', s.n) : slice_starts(s, SLICE("{{")) ? memmem(s.p, s.n, "}}", 2) : NULL;
    struct slice inner;

    if (!end)
        return false;
    inner = slice_of(s.p + 2, (size_t)(end - s.p) - 2);
    *out = (struct foreign){.text = slice_of(s.p, (size_t)(end - s.p) + (percent ? 1 : 2))};
    if (percent && inner.n > 1 && inner.p[0] == '+')
        keep_pattern(slice_of(inner.p + 1, inner.n - 1), out);
    else
        keep_field(inner, out);
    return true;
}

static bool take_foreign(struct slice s, struct foreign *out)
{
    return take_strftime(s, out) || take_braces(s, out);
}

static bool is_escaped(struct slice s)
{
    return s.n >= 2 && s.p[0] == '\\' && (s.p[1] == '%' || s.p[1] == '{');
}

static struct slice skip(struct slice s, size_t n)
{
    return slice_of(s.p + n, s.n - n);
}

/* What is no foreign thing: an expression, an escape, a character. */
static size_t plain_length(struct slice s)
{
    const char *end = slice_starts(s, SLICE("!{")) ? memchr(s.p, '}', s.n) : NULL;

    return end ? (size_t)(end - s.p) + 1 : is_escaped(s) ? 2 : 1;
}

static bool is_separator(char c)
{
    return strchr("/-_.: ", c) != NULL;
}

/* The times that follow `first`, and the separators between them, as further parts of its pattern. Returns what is left. */
static struct slice add_times(const struct foreign *first, struct slice rest, struct buf *out)
{
    struct foreign next;
    size_t n;

    if (buf_printf(out, "!{timestamp:%s", first->pattern) < 0)
        return rest;
    for (;;) {
        for (n = 0; n < rest.n && is_separator(rest.p[n]); n++)
            ;
        if (n == 0 && rest.n > 1 && rest.p[0] == 'T')
            n = 1;
        if (n == rest.n || !take_foreign(skip(rest, n), &next) || !*next.pattern)
            break;
        if (n == 0 && next.pattern[0] == out->p[out->n - 1]) /* one run of letters would be another thing than two */
            break;
        if (buf_printf(out, n == 1 && *rest.p == 'T' ? "'%.*s'%s" : "%.*s%s", (int)n, rest.p, next.pattern) < 0)
            break;
        rest = skip(rest, n + next.text.n);
    }
    (void)!buf_add_char(out, '}');
    return rest;
}

/* The whole text as it should be. False: some of it cannot be written here, or it is too long to be shown. */
static bool correct(struct slice rest, bool fields, struct buf *out)
{
    struct foreign f;

    while (rest.n > 0) {
        if (!take_foreign(rest, &f)) {
            size_t n = plain_length(rest);

            if (buf_add(out, rest.p, n) < 0)
                return false;
            rest = skip(rest, n);
        } else if (*f.pattern) {
            rest = add_times(&f, skip(rest, f.text.n), out);
        } else if (fields && *f.field) {
            if (buf_printf(out, "!{record:%s}", f.field) < 0)
                return false;
            rest = skip(rest, f.text.n);
        } else {
            return false;
        }
    }
    return out->n <= SHOWN_MAX;
}

/* An error prefix with expressions must have this one as well. */
static bool add_error_type(const char *option, struct buf *corrected)
{
    static const char ERROR_TYPE[] = "!{firehose:error-output-type}";

    if (strcmp(option, "error_prefix") != 0 || strstr(buf_cstr(corrected), ERROR_TYPE))
        return true;
    return buf_add_str(corrected, ERROR_TYPE) == 0 && buf_add_char(corrected, '/') == 0;
}

static int refuse(const char *option, struct slice text, const struct foreign *f, bool fields, struct err *e)
{
    char c = f->text.p[0];
    struct buf corrected;

    buf_init(&corrected, CORRECTED_MAX);
    if (correct(text, fields, &corrected) && add_error_type(option, &corrected))
        err_set(e, ERR_CONFIG,
                "%s: `%.*s` is taken literally here; write `%s` (a literal %c is `\\%c`, in double quotes "
                "`\\\\%c`)",
                option, (int)f->text.n, f->text.p, buf_cstr(&corrected), c, c, c);
    else
        err_set(
            e, ERR_CONFIG,
            "%s: `%.*s` is taken literally here; times are written as !{timestamp:yyyy/MM/dd/HH}%s (a literal %c is "
            "`\\%c`, in double quotes `\\\\%c`)",
            option, (int)(f->text.n < PIECE_MAX ? f->text.n : PIECE_MAX), f->text.p,
            fields ? ", fields as !{record:FIELD}" : "; fields of records cannot be used", c, c, c);
    buf_release(&corrected);
    return -1;
}

int literal_check(const char *option, const char *text, bool fields, struct err *e)
{
    struct slice all = slice_str(text), rest = all;
    struct foreign f;

    while (rest.n > 0) {
        if (take_foreign(rest, &f))
            return refuse(option, all, &f, fields, e);
        rest = skip(rest, plain_length(rest));
    }
    return 0;
}

/* %C3, %20: a character of an address, or a time. */
static bool is_encoded(struct slice s)
{
    return s.n >= 3 && s.p[0] == '%' && isxdigit((unsigned char)s.p[1]) && isxdigit((unsigned char)s.p[2]);
}

int literal_check_plain(const char *text, struct err *e)
{
    struct slice rest = slice_str(text);
    struct foreign f;

    while (rest.n > 0) {
        if (!is_encoded(rest) && take_foreign(rest, &f))
            return err_set(e, ERR_CONFIG,
                           "`%.*s` is taken literally here: times and fields of records cannot be put in (a literal %c "
                           "is `\\%c`, in "
                           "double quotes `\\\\%c`)",
                           f.text.n > 3 ? 2 : (int)f.text.n, f.text.p, *f.text.p, *f.text.p, *f.text.p);
        rest = skip(rest, plain_length(rest));
    }
    return 0;
}

size_t literal_unescape(char *part, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (is_escaped(slice_of(part + i, n - i)))
            i++;
        part[kept++] = part[i];
    }
    return kept;
}

int literal_add(struct slice part, struct buf *out)
{
    if (buf_add_slice(out, part) < 0)
        return -1;
    out->n -= part.n - literal_unescape(out->p + out->n - part.n, part.n);
    return 0;
}
