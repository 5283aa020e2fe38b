/* An outcome is kept as the YAML that stands for it: two outcomes are the same when their texts are, and what
 * --update writes is what was compared. So each text must have one form only: the first of quotes, block, escapes
 * and base64 that can hold it, and of an escape the one spelling. */
#include "pipeline/cli/test/outcome.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/utf8.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* --- text as YAML --- */

enum style {
    STYLE_SINGLE, /* 'it''s' */
    STYLE_BLOCK,  /* |- and its lines */
    STYLE_DOUBLE, /* "\x1b[0m" */
    STYLE_BASE64, /* no text */
};

/* Some code points count as line breaks, as marks or as nothing at all in YAML. */
static bool is_odd(struct slice s, size_t n)
{
    if (n == 2)
        return (unsigned char)s.p[0] == 0xc2 && (unsigned char)s.p[1] < 0xa0;
    if (n != 3)
        return false;
    return memcmp(s.p, "\xe2\x80\xa8", 3) == 0 || memcmp(s.p, "\xe2\x80\xa9", 3) == 0 ||
           memcmp(s.p, "\xef\xbb\xbf", 3) == 0 || memcmp(s.p, "\xef\xbf\xbe", 3) == 0 ||
           memcmp(s.p, "\xef\xbf\xbf", 3) == 0;
}

static enum style style_of(struct slice s)
{
    bool control = false, lines = false;

    for (struct slice rest = s; rest.n;) {
        unsigned char c = (unsigned char)rest.p[0];
        size_t n = utf8_first(rest);

        if (n == 0 || c == '\0' || is_odd(rest, n))
            return STYLE_BASE64;
        lines = lines || c == '\n';
        control = control || (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
        rest = slice_of(rest.p + n, rest.n - n);
    }
    /* A block keeps its lines as they are when neither its first nor its last could be taken for indentation. */
    if (control || (lines && (strchr(" \t\n", s.p[0]) || s.p[s.n - 1] == '\n')))
        return STYLE_DOUBLE;
    return lines ? STYLE_BLOCK : STYLE_SINGLE;
}

/* All that is written here is bounded by what was read: there is room. */
static void add(struct buf *out, const char *p, size_t n)
{
    if (buf_add(out, p, n) < 0)
        abort();
}

static void add_str(struct buf *out, const char *s)
{
    add(out, s, strlen(s));
}

/* `${` would be replaced when the file is read. */
static bool add_dollar(struct buf *out, struct slice s, size_t i)
{
    if (s.p[i] != '$' || i + 1 == s.n || s.p[i + 1] != '{')
        return false;
    add_str(out, "$$");
    return true;
}

static void add_single(struct buf *out, struct slice s)
{
    add_str(out, "'");
    for (size_t i = 0; i < s.n; i++) {
        if (add_dollar(out, s, i))
            continue;
        add(out, s.p + i, 1);
        if (s.p[i] == '\'')
            add_str(out, "'");
    }
    add_str(out, "'\n");
}

static void add_double(struct buf *out, struct slice s)
{
    static const char hex[] = "0123456789abcdef";

    add_str(out, "\"");
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (add_dollar(out, s, i))
            continue;
        if (c == '\n')
            add_str(out, "\\n");
        else if (c == '"' || c == '\\')
            add(out, (char[]){'\\', (char)c}, 2);
        else if (c < ' ' || c == 0x7f)
            add(out, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
        else
            add(out, s.p + i, 1);
    }
    add_str(out, "\"\n");
}

static void add_block(struct buf *out, struct slice s)
{
    add_str(out, "|-\n");
    for (size_t i = 0; i < s.n; i++) {
        if ((i == 0 || s.p[i - 1] == '\n') && s.p[i] != '\n')
            add_str(out, "    ");
        if (!add_dollar(out, s, i))
            add(out, s.p + i, 1);
    }
    add_str(out, "\n");
}

/* The rest of the line, and more lines where it needs them. */
static void add_text(struct buf *out, struct slice s)
{
    size_t n = base64_encoded_length(s.n);

    switch (style_of(s)) {
    case STYLE_SINGLE:
        add_single(out, s);
        break;
    case STYLE_BLOCK:
        add_block(out, s);
        break;
    case STYLE_DOUBLE:
        add_double(out, s);
        break;
    case STYLE_BASE64:
        add_str(out, "'");
        if (buf_reserve(out, n) < 0)
            abort();
        base64_encode(s, out->p + out->n);
        out->n += n;
        add_str(out, "'\n");
        break;
    }
}

/* --- outcomes --- */

void test_outcomes_release(struct test_outcomes *f)
{
    for (size_t i = 0; i < f->count; i++) {
        mem_free(f->at[i].yaml);
        mem_free(f->at[i].message);
    }
    MEM_CLEAR(f->at);
    f->count = 0;
}

static struct test_outcome *add_outcome(struct test_outcomes *f, struct buf *yaml)
{
    struct test_outcome *outcome;

    f->at = mem_grow(f->at, f->count + 1, sizeof(*f->at));
    outcome = &f->at[f->count++];
    *outcome = (struct test_outcome){.yaml = mem_strndup(yaml->p, yaml->n)};
    buf_release(yaml);
    return outcome;
}

static int by_name(const void *a, const void *b)
{
    const struct transform_key *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = memcmp(x->name.p, y->name.p, n);

    return order ? order : x->name.n < y->name.n ? -1 : x->name.n > y->name.n;
}

/* Names are words by their rules; only what could be something else in YAML is quoted. */
static void add_name(struct buf *out, struct slice name)
{
    bool plain = name.n > 0 && isalpha((unsigned char)name.p[0]);

    for (size_t i = 0; i < name.n; i++)
        plain = plain && (isalnum((unsigned char)name.p[i]) || strchr("_.-", name.p[i]));
    if (plain) {
        add(out, name.p, name.n);
        return;
    }
    add_single(out, name);
    out->n--; /* the newline */
}

void test_outcomes_add_record(struct test_outcomes *f, struct slice data, struct transform_key *keys, size_t key_count)
{
    struct buf out;

    buf_init(&out, TEST_YAML_MAX);
    if (style_of(data) == STYLE_BASE64)
        add_str(&out, "- base64: ");
    else
        add_str(&out, key_count ? "- record: " : "- ");
    add_text(&out, data);
    if (key_count) {
        qsort(keys, key_count, sizeof(*keys), by_name);
        add_str(&out, "  partition_keys: {");
        for (size_t i = 0; i < key_count; i++) {
            add_str(&out, i ? ", " : " ");
            add_name(&out, keys[i].name);
            add_str(&out, ": ");
            add_single(&out, keys[i].value);
            out.n--; /* the newline */
        }
        add_str(&out, " }\n");
    }
    add_outcome(f, &out);
}

void test_outcomes_add_dropped(struct test_outcomes *f, struct slice reason)
{
    struct buf out;

    buf_init(&out, TEST_YAML_MAX);
    add_str(&out, "- dropped: ");
    if (reason.n)
        add_text(&out, reason);
    else
        add_str(&out, "true\n");
    add_outcome(f, &out);
}

void test_outcomes_add_error(struct test_outcomes *f, struct slice message)
{
    struct buf out;

    buf_init(&out, TEST_YAML_MAX);
    add_str(&out, "- error: ");
    add_text(&out, message);
    add_outcome(f, &out)->message = mem_strndup(message.p, message.n);
}

static bool fits(const struct test_outcome *expected, const struct test_outcome *got)
{
    if (expected->message && got->message)
        return strstr(got->message, expected->message) != NULL;
    return strcmp(expected->yaml, got->yaml) == 0;
}

bool test_outcomes_fit(const struct test_outcomes *expected, const struct test_outcomes *got)
{
    if (expected->count != got->count)
        return false;
    for (size_t i = 0; i < got->count; i++)
        if (!fits(&expected->at[i], &got->at[i]))
            return false;
    return true;
}

/* --- the difference ---
 *
 * The longest common subsequence of outcomes, by the usual table: tests have tens of records. Beyond TEST_DIFF_TABLE_MAX cells
 * nothing is looked for, and all is shown. */

struct diff {
    const struct test_outcomes *expected, *got;
    struct buf *out;
    uint32_t *table; /* [e * width + g]: length of what is common behind e and g; NULL: too large */
    size_t width;
    int rc;
};

static void fill_table(struct diff *d)
{
    size_t rows = d->expected->count + 1;

    d->width = d->got->count + 1;
    if (d->width > TEST_DIFF_TABLE_MAX / rows)
        return;
    d->table = mem_array(rows * d->width, sizeof(*d->table));
    for (size_t e = d->expected->count; e-- > 0;) {
        for (size_t g = d->got->count; g-- > 0;) {
            uint32_t *cell = &d->table[e * d->width + g], down = cell[d->width], right = cell[1];

            if (fits(&d->expected->at[e], &d->got->at[g]))
                *cell = cell[d->width + 1] + 1;
            else
                *cell = down >= right ? down : right;
        }
    }
}

/* All lines of an outcome with the mark in front. */
static void show(struct diff *d, char mark, const struct test_outcome *outcome)
{
    for (const char *line = outcome->yaml; *line && d->rc == 0;) {
        size_t n = strcspn(line, "\n");

        d->rc = buf_printf(d->out, "    %c %.*s\n", mark, (int)n, line);
        line += n + (line[n] == '\n');
    }
}

/* Columns count characters, so that the mark stands below the one that differs. */
static void point(struct diff *d, const char *a, const char *b)
{
    size_t columns = 0;

    for (; *a == *b && *a; a++, b++)
        columns += ((unsigned char)*a & 0xc0) != 0x80;
    if (((unsigned char)*a & 0xc0) == 0x80)
        columns--;
    if (d->rc == 0 && columns > 2)
        d->rc = buf_printf(d->out, "    ? %*s^\n", (int)columns, "");
}

static bool is_one_line(const struct test_outcome *f)
{
    const char *newline = strchr(f->yaml, '\n');

    return newline && newline[1] == '\0';
}

/* The ones between two that are common. */
static void show_hunk(struct diff *d, size_t e, size_t e_end, size_t g, size_t g_end)
{
    while ((e < e_end || g < g_end) && d->rc == 0) {
        const struct test_outcome *want = e < e_end ? &d->expected->at[e++] : NULL;
        const struct test_outcome *came = g < g_end ? &d->got->at[g++] : NULL;

        if (want)
            show(d, '-', want);
        if (came)
            show(d, '+', came);
        if (want && came && is_one_line(want) && is_one_line(came))
            point(d, want->yaml, came->yaml);
    }
}

/* The next pair that belongs together, from (e, g) on; the ends when there is none. */
static void find_pair(const struct diff *d, size_t *e, size_t *g)
{
    while (d->table && *e < d->expected->count && *g < d->got->count) {
        const uint32_t *cell = &d->table[*e * d->width + *g];

        if (fits(&d->expected->at[*e], &d->got->at[*g]))
            return;
        if (cell[d->width] >= cell[1])
            ++*e;
        else
            ++*g;
    }
    *e = d->expected->count;
    *g = d->got->count;
}

int test_outcomes_diff(const struct test_outcomes *expected, const struct test_outcomes *got, struct buf *out)
{
    struct diff d = {.expected = expected, .got = got, .out = out};
    size_t e = 0, g = 0;

    fill_table(&d);
    while (d.rc == 0 && (e < expected->count || g < got->count)) {
        size_t e_end = e, g_end = g;

        find_pair(&d, &e_end, &g_end);
        show_hunk(&d, e, e_end, g, g_end);
        if (e_end < expected->count)
            show(&d, ' ', &got->at[g_end]);
        e = e_end + 1;
        g = g_end + 1;
    }
    mem_free(d.table);
    return d.rc;
}
