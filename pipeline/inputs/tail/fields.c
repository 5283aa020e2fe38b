/* Most of what is added is the same for all records of a file, so it is written as JSON once: a record costs a walk over its members,
 * which finds out whether it is an object and what it has, and two copies. */
#include "pipeline/inputs/tail/fields.h"

#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdint.h>

#define MESSAGE      "message"
#define MEMBERS_ONCE 16

struct fields_item {
    char *name;
    char *text; /* NULL: what is known by this name */
};

/* --- configuration ----------------------------------------------------------------------------------------------- */

static const char *const KNOWN[] = {"host", "file", "stream", "time", "namespace", "pod", "container", "container_id"};

static bool is_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++)
        if (strcmp(KNOWN[i], name) == 0)
            return true;
    return false;
}

const char *fields_of_container(const struct fields_conf *c, size_t item)
{
    const struct fields_item *f = &c->v[item];
    bool everywhere = strcmp(f->name, "host") == 0 || strcmp(f->name, "file") == 0;

    return f->text || everywhere ? NULL : f->name;
}

static bool has_item(const struct fields_conf *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->v[i].name, name) == 0)
            return true;
    return false;
}

/* `text` NULL: the name stands alone. */
static void add_item(struct cfg_errors *errs, struct fields_conf *c, const struct cfg_node *name,
                     const struct cfg_node *text)
{
    if (name->kind != CFG_NODE_SCALAR || (text && text->kind != CFG_NODE_SCALAR))
        cfg_error(errs, (text ? text : name)->at, "a field is a name, or a name and a text");
    else if (!*name->text)
        cfg_error(errs, name->at, "a field without a name");
    else if (strcmp(name->text, MESSAGE) == 0)
        cfg_error(errs, name->at, "the field `message` is the text of a line that is no JSON object");
    else if (!text && !is_known(name->text))
        cfg_error(errs, name->at,
                  "nothing is known by this name: host, file, stream, time, namespace, pod, container, container_id; a "
                  "field of another name has a text behind it (`name: text`)");
    else if (has_item(c, name->text))
        cfg_error(errs, name->at, "the field `%s` is listed twice", name->text);
    else if (c->n == TAIL_FIELDS_MAX)
        cfg_error(errs, name->at, "more than %d fields", TAIL_FIELDS_MAX);
    else {
        c->v = mem_grow(c->v, c->n + 1, sizeof(*c->v));
        c->v[c->n++] = (struct fields_item){mem_strdup(name->text), text ? mem_strdup(text->text) : NULL};
    }
}

void fields_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out)
{
    struct fields_conf *c = out;

    if (!node || node->bad)
        return;
    if (node->kind == CFG_NODE_SCALAR)
        add_item(errs, c, node, NULL);
    for (size_t i = 0; i < node->count; i++) {
        const struct cfg_node *item = node->items[i];

        if (item->bad)
            continue;
        if (node->kind == CFG_NODE_LIST)
            add_item(errs, c, item, NULL);
        else
            add_item(errs, c, item->key, cfg_node_is_null(item) ? NULL : item);
    }
}

void fields_unbind(void *out)
{
    struct fields_conf *c = out;

    for (size_t i = 0; i < c->n; i++) {
        mem_free(c->v[i].name);
        mem_free(c->v[i].text);
    }
    MEM_CLEAR(c->v);
    c->n = 0;
}

/* --- records ----------------------------------------------------------------------------------------------------- */

struct field {
    struct slice name;
    struct buf json; /* "name": and, if it is the same for all, the value */
    bool is_file, is_fact;
};

struct fields {
    struct field v[TAIL_FIELDS_MAX];
    size_t n;
    struct buf all; /* all of them with commas, when the facts of records are not among them; else empty */
};

static void write_field(struct field *f, struct slice value)
{
    int rc = json_quote(f->name, &f->json) + buf_add_char(&f->json, ':');

    if (!f->is_fact)
        rc += json_quote(value, &f->json);
    if (rc < 0)
        buf_clear(&f->json); /* no memory: it is left out */
}

static void join_all(struct fields *fs)
{
    buf_clear(&fs->all);
    for (size_t i = 0; i < fs->n; i++) {
        const struct field *f = &fs->v[i];

        if (f->is_fact || f->json.n == 0 || (i > 0 && buf_add_char(&fs->all, ',') < 0) ||
            buf_add_slice(&fs->all, buf_slice(&f->json)) < 0) {
            buf_clear(&fs->all);
            return;
        }
    }
}

struct fields *fields_new(const struct fields_conf *c, const char *host)
{
    struct fields *fs = mem_alloc(sizeof(*fs));

    for (fs->n = 0; fs->n < c->n; fs->n++) {
        const struct fields_item *item = &c->v[fs->n];
        struct field *f = &fs->v[fs->n];
        bool is_host = !item->text && strcmp(item->name, "host") == 0;

        buf_init(&f->json, SIZE_MAX);
        f->name = slice_str(item->name);
        f->is_file = !item->text && strcmp(item->name, "file") == 0;
        f->is_fact = !item->text && !is_host && !f->is_file;
        write_field(f, slice_str(is_host ? host : item->text));
    }
    buf_init(&fs->all, SIZE_MAX);
    join_all(fs);
    return fs;
}

void fields_free(struct fields **f)
{
    if (!*f)
        return;
    for (size_t i = 0; i < (*f)->n; i++)
        buf_release(&(*f)->v[i].json);
    buf_release(&(*f)->all);
    MEM_CLEAR(*f);
}

void fields_set_file(struct fields *fs, const char *path)
{
    for (size_t i = 0; i < fs->n; i++) {
        if (!fs->v[i].is_file)
            continue;
        buf_clear(&fs->v[i].json);
        write_field(&fs->v[i], slice_str(path));
        join_all(fs);
    }
}

/* Which of the fields it has already: one bit each. */
static uint64_t seen_of(const struct fields *fs, struct json_string key)
{
    for (size_t i = 0; i < fs->n; i++)
        if (key.escaped ? json_escaped_is(key.raw, fs->v[i].name) : slice_eq(key.raw, fs->v[i].name))
            return UINT64_C(1) << i;
    return 0;
}

/* Most lines do not begin like one. */
static bool may_be_object(struct slice record)
{
    while (record.n > 0 && (record.p[0] == ' ' || record.p[0] == '\t'))
        record = slice_from(record, 1);
    return record.n > 0 && (record.p[0] == '{' || record.p[0] == '\r' || record.p[0] == '\n');
}

/* Is it one JSON object? Then `end` is where its last brace stands. */
static bool read_object(const struct fields *fs, struct slice record, size_t *end, bool *empty, uint64_t *seen)
{
    struct json_field members[MEMBERS_ONCE];
    struct json_reader r;
    size_t n;

    json_open(&r, record, JSON_DEPTH_MAX);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return false;
    *empty = true;
    do {
        n = json_fields(&r, members, MEMBERS_ONCE);
        for (size_t i = 0; i < n; i++)
            *seen |= seen_of(fs, members[i].key);
        *empty = *empty && n == 0;
    } while (n == MEMBERS_ONCE);
    if (r.error)
        return false;
    *end = json_offset(&r) - 1;
    return json_end(&r);
}

static int add_field(const struct field *f, const struct fields_facts *facts, bool first, struct buf *out)
{
    struct slice value = {0};

    if (f->json.n == 0 || (f->is_fact && !facts->find(facts->ctx, f->name, &value)))
        return 0;
    if ((!first && buf_add_char(out, ',') < 0) || buf_add_slice(out, buf_slice(&f->json)) < 0)
        return -1;
    return f->is_fact ? json_quote(value, out) : 0;
}

static int add_each(const struct fields *fs, const struct fields_facts *facts, bool first, uint64_t seen,
                    struct buf *out)
{
    for (size_t i = 0; i < fs->n; i++) {
        size_t begin = out->n;

        if (seen >> i & 1)
            continue;
        if (add_field(&fs->v[i], facts, first, out) < 0)
            return -1;
        first = first && out->n == begin;
    }
    return 0;
}

int fields_add(struct fields *fs, struct slice record, const struct fields_facts *facts, struct buf *out)
{
    uint64_t seen = 0;
    size_t end = 0;
    bool empty, is_object = may_be_object(record) && read_object(fs, record, &end, &empty, &seen);

    buf_clear(out);
    if (is_object) {
        if (buf_add(out, record.p, end) < 0)
            return -1;
    } else {
        empty = false;
        if (buf_add_str(out, "{\"" MESSAGE "\":") < 0 || json_quote(record, out) < 0)
            return -1;
    }
    if (seen == 0 && fs->all.n > 0) {
        if ((!empty && buf_add_char(out, ',') < 0) || buf_add_slice(out, buf_slice(&fs->all)) < 0)
            return -1;
    } else if (add_each(fs, facts, empty, seen, out) < 0) {
        return -1;
    }
    return is_object ? buf_add(out, record.p + end, record.n - end) : buf_add_char(out, '}');
}
