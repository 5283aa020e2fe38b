/* Values of single fields of a record, for templates. One pass over the record finds out whether it is one JSON object and keeps, for
 * each field that some template names, where its value stands; names below the first are looked up in that value alone. */
#include "sinks/elasticsearch/document.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

int document_field(struct document_fields *f, struct slice path, struct err *e)
{
    struct document_path *p = &f->path[f->count];
    const char *from, *dot;

    for (size_t i = 0; i < f->count; i++)
        if (slice_is(path, f->path[i].text))
            return (int)i;
    if (f->count == DOCUMENT_FIELDS_MAX)
        return err_set(e, ERR_CONFIG, "more than %d different fields", DOCUMENT_FIELDS_MAX);
    p->text = mem_strndup(path.p, path.n);
    f->count++;
    from = p->text;
    do {
        dot = strchrnul(from, '.');
        if (dot == from)
            return err_set(e, ERR_CONFIG, "`%s` has an empty name", p->text);
        if (p->depth == DOCUMENT_NAMES_MAX)
            return err_set(e, ERR_CONFIG, "`%s` has more than %d names", p->text, DOCUMENT_NAMES_MAX);
        p->names[p->depth++] = mem_strndup(from, (size_t)(dot - from));
        from = dot + 1;
    } while (*dot);
    return (int)f->count - 1;
}

void document_fields_release(struct document_fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        for (size_t k = 0; k < f->path[i].depth; k++)
            mem_free(f->path[i].names[k]);
        mem_free(f->path[i].text);
    }
    *f = (struct document_fields){0};
}

/* Follows the names from `depth` on into an object that was found valid already. */
static struct slice descend(const struct document_path *p, size_t depth, struct slice raw)
{
    while (depth < p->depth && raw.n > 0) {
        struct json_reader r;
        struct json_string key;
        struct slice value, found = {NULL, 0};

        json_open(&r, raw, JSON_DEPTH_MAX);
        if (json_peek(&r) != JSON_OBJECT)
            return found;
        (void)json_enter(&r);
        while (!found.p && json_member(&r, &key) && json_value(&r, &value))
            if (json_string_is(key, p->names[depth]))
                found = value;
        raw = found;
        depth++;
    }
    return raw;
}

void document_scan(const struct document_fields *f, struct slice record, struct document *d)
{
    struct json_reader r;
    struct json_string key;
    struct slice value;

    d->error = NULL;
    memset(d->value, 0, f->count * sizeof(d->value[0]));
    json_open(&r, record, JSON_DEPTH_MAX);
    if (json_peek(&r) != JSON_OBJECT) {
        d->error = r.error ? r.error : "another kind of value";
        d->error_at = json_offset(&r);
        return;
    }
    if (f->count == 0)
        (void)json_skip(&r);
    else if (json_enter(&r))
        while (json_member(&r, &key) && json_value(&r, &value))
            for (size_t i = 0; i < f->count; i++)
                if (!d->value[i].p && json_string_is(key, f->path[i].names[0]))
                    d->value[i] = descend(&f->path[i], 1, value);
    if (!json_end(&r)) {
        d->error = r.error ? r.error : "something follows the object";
        d->error_at = json_offset(&r);
    }
}

bool document_text(struct slice raw, struct buf *out)
{
    struct json_reader r;
    struct json_string s;

    json_open(&r, raw, 1);
    switch (json_peek(&r)) {
    case JSON_STRING:
        return json_string(&r, &s) && (s.escaped ? json_unescape(s, out) == 0 : buf_add(out, s.raw.p, s.raw.n) == 0);
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        return buf_add_slice(out, raw) == 0;
    default:
        return false;
    }
}
