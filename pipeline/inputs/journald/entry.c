#include "pipeline/inputs/journald/entry.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"
#include "pipeline/base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OMITTED      ",\"__OMITTED\":["
#define OMITTED_ROOM (JOURNALD_OMITTED_BYTES + sizeof(OMITTED) + 2)

void entry_init(struct entry *e)
{
    buf_init(&e->bytes, LINE_MAX_BYTES);
    buf_init(&e->out, LINE_MAX_BYTES);
    entry_begin(e);
}

void entry_release(struct entry *e)
{
    buf_release(&e->bytes);
    buf_release(&e->out);
}

/* As many names as there is room for: each is bytes of somebody else's. */
static void leave_out(struct entry *e, struct slice name)
{
    struct buf quoted;

    e->left_out++;
    buf_init(&quoted, JOURNALD_OMITTED_BYTES);
    if (json_quote(name, &quoted) == 0 && e->omitted_n + quoted.n + 1 <= sizeof(e->omitted)) {
        if (e->omitted_n > 0)
            e->omitted[e->omitted_n++] = ',';
        memcpy(e->omitted + e->omitted_n, quoted.p, quoted.n);
        e->omitted_n += quoted.n;
    }
    buf_release(&quoted);
}

void entry_begin(struct entry *e)
{
    buf_clear(&e->bytes);
    e->n = e->omitted_n = 0;
    e->left_out = 0;
}

void entry_add(struct entry *e, struct slice field, bool cut)
{
    const char *equals = field.n > 0 ? memchr(field.p, '=', field.n) : NULL;
    size_t name_n = equals ? (size_t)(equals - field.p) : 0;

    if (name_n == 0)
        return;
    if (cut || e->n == JOURNALD_FIELDS_MAX || buf_add_slice(&e->bytes, field) < 0) {
        leave_out(e, slice_of(field.p, name_n));
        return;
    }
    e->v[e->n++] = (struct entry_field){.at = e->bytes.n - field.n, .name_n = name_n, .value_n = field.n - name_n - 1};
}

/* --- as JSON ------------------------------------------------------------------------------------------------------- */

static struct slice name_of(const struct entry *e, const struct entry_field *f)
{
    return slice_of(e->bytes.p + f->at, f->name_n);
}

static struct slice value_of(const struct entry *e, const struct entry_field *f)
{
    return slice_of(e->bytes.p + f->at + f->name_n + 1, f->value_n);
}

static bool is_wanted(const struct cfg_strings *only, struct slice name)
{
    for (size_t i = 0; i < only->n; i++)
        if (slice_is(name, only->v[i]))
            return true;
    return only->n == 0;
}

static int add_base64(struct slice value, struct buf *out)
{
    size_t n = base64_encoded_length(value.n);

    if (buf_add_char(out, '"') < 0 || buf_reserve(out, n + 1) < 0)
        return -1;
    base64_encode(value, out->p + out->n);
    out->n += n;
    return buf_add_char(out, '"');
}

/* The values of the field at `first`, which stands there for all of its name: one, or an array. */
static int add_values(struct entry *e, size_t first, bool several, int (*add)(struct slice value, struct buf *out))
{
    struct slice name = name_of(e, &e->v[first]);

    if (several && buf_add_char(&e->out, '[') < 0)
        return -1;
    for (size_t i = first; i < e->n; i++) {
        if (i != first && (!several || !slice_eq(name_of(e, &e->v[i]), name)))
            continue;
        if ((i != first && buf_add_char(&e->out, ',') < 0) || add(value_of(e, &e->v[i]), &e->out) < 0)
            return -1;
    }
    return several ? buf_add_char(&e->out, ']') : 0;
}

static int add_name(struct entry *e, struct slice name, const char *more)
{
    if (e->out.n > 1 && buf_add_char(&e->out, ',') < 0)
        return -1;
    if (json_quote(name, &e->out) < 0)
        return -1;
    e->out.n--; /* the quote */
    return buf_add_str(&e->out, more);
}

static bool is_text(struct slice s)
{
    while (s.n > 0) {
        size_t ascii = 0, more;

        while (ascii < s.n && (signed char)s.p[ascii] >= 0)
            ascii++;
        s = slice_from(s, ascii);
        more = utf8_run(s);
        if (s.n > 0 && more == 0)
            return false;
        s = slice_from(s, more);
    }
    return true;
}

static int add_member(struct entry *e, size_t first)
{
    struct slice name = name_of(e, &e->v[first]);
    bool several = false, binary = false;

    for (size_t i = first; i < e->n; i++) {
        struct slice value = value_of(e, &e->v[i]);

        if (!slice_eq(name_of(e, &e->v[i]), name))
            continue;
        several |= i != first;
        binary |= !is_text(value);
    }
    if (add_name(e, name, "\":") < 0 || add_values(e, first, several, json_quote) < 0)
        return -1;
    return binary && (add_name(e, name, "_base64\":") < 0 || add_values(e, first, several, add_base64) < 0) ? -1 : 0;
}

static bool is_first_of_its_name(const struct entry *e, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (slice_eq(name_of(e, &e->v[k]), name_of(e, &e->v[i])))
            return false;
    return true;
}

struct slice entry_write(struct entry *e, const struct cfg_strings *only)
{
    int rc = 0;

    buf_clear(&e->out);
    rc |= buf_add_char(&e->out, '{');
    for (size_t i = 0; i < e->n; i++) {
        size_t before = e->out.n;

        if (!is_wanted(only, name_of(e, &e->v[i])) || !is_first_of_its_name(e, i))
            continue;
        if (add_member(e, i) == 0 && e->out.n + OMITTED_ROOM <= LINE_MAX_BYTES)
            continue;
        e->out.n = before;
        leave_out(e, name_of(e, &e->v[i]));
    }
    if (e->omitted_n > 0) {
        rc |= buf_add_str(&e->out, &OMITTED[e->out.n > 1 ? 0 : 1]);
        rc |= buf_add(&e->out, e->omitted, e->omitted_n);
        rc |= buf_add_char(&e->out, ']');
    }
    rc |= buf_add_char(&e->out, '}');
    assert(rc == 0); /* there is room for it */
    return buf_slice(&e->out);
}

/* --- cursors ------------------------------------------------------------------------------------------------------- */

bool entry_cursor_parse(const char *cursor, struct entry_cursor *out)
{
    bool has_number = false, has_time = false;

    *out = (struct entry_cursor){.number = 0};
    for (const char *p = cursor; *p; p += strcspn(p, ";"), p += *p == ';') {
        if (strncmp(p, "s=", 2) == 0)
            snprintf(out->log, sizeof(out->log), "%.*s", (int)strcspn(p + 2, ";"), p + 2);
        else if (strncmp(p, "i=", 2) == 0)
            has_number = sscanf(p + 2, "%" SCNx64, &out->number) == 1;
        else if (strncmp(p, "t=", 2) == 0)
            has_time = sscanf(p + 2, "%" SCNx64, &out->time) == 1;
    }
    return has_number && has_time && out->log[0] != '\0';
}

bool entry_cursor_same(const char *cursor, const char *other)
{
    const char *a = strstr(cursor, ";b="), *b = strstr(other, ";b=");

    return a && b && strcmp(a, b) == 0;
}

bool entry_cursor_gap(const struct entry_cursor *last, const struct entry_cursor *next, uint64_t *gap)
{
    if (strcmp(last->log, next->log) != 0 || next->number <= last->number)
        return false;
    *gap = next->number - last->number - 1;
    return true;
}
