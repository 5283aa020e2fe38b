/* A template is cut once into parts: literal text, a field of the record, a time. Writing it for a record is then a walk over these
 * parts; a template without fields and times is a constant. */
#include "sinks/elasticsearch/template.h"

#include "pipeline/base/key_set.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "sinks/names/literal.h"
#include "sinks/names/pieces.h"
#include "sinks/names/time_pattern.h"

#include <string.h>

enum part_kind { PART_LITERAL, PART_FIELD, PART_TIMESTAMP, PART_KEY };

struct part {
    enum part_kind kind;
    struct slice text; /* literal, pattern or key's name; points into template.text */
    size_t field;
};

struct template
{
    char *text;
    struct part part[ELASTICSEARCH_TEMPLATE_PARTS_MAX];
    size_t count;
    struct time_zone *utc;
};

static int add_expression(struct template *t, const char *option, struct slice inner, struct document_fields *fields,
                          struct err *e)
{
    static const struct slice RECORD = {"record:", 7}, TIMESTAMP = {"timestamp:", 10};
    struct slice rest = slice_of(inner.p - 2, inner.n + 3); /* with `!{` and `}` */
    struct part *p = &t->part[t->count];
    struct piece x;
    int field;

    if (slice_starts(inner, RECORD)) {
        field = document_field(fields, slice_of(inner.p + RECORD.n, inner.n - RECORD.n), e);
        if (field < 0)
            return err_wrap(e, "%s: !{%.*s}", option, (int)inner.n, inner.p);
        *p = (struct part){.kind = PART_FIELD, .field = (size_t)field};
    } else if (slice_starts(inner, TIMESTAMP)) {
        *p = (struct part){.kind = PART_TIMESTAMP, .text = {inner.p + TIMESTAMP.n, inner.n - TIMESTAMP.n}};
        if (time_pattern_check(p->text, e) < 0)
            return err_wrap(e, "%s: !{%.*s}", option, (int)inner.n, inner.p);
    } else if (piece_next(option, &rest, &x, e) > 0 && piece_key(&x) != KEY_NONE) {
        *p = (struct part){.kind = PART_KEY, .text = x.value};
        if (piece_check_key(option, &x, e) < 0)
            return -1;
    } else {
        return err_set(e, ERR_CONFIG, "%s: !{%.*s} is neither !{record:FIELD} nor !{timestamp:PATTERN}", option,
                       (int)inner.n, inner.p);
    }
    t->count++;
    return 0;
}

static int parse(struct template *t, const char *option, struct document_fields *fields, struct err *e)
{
    char *from = t->text;

    while (*from) {
        char *open = strstr(from, "!{"), *close;
        bool end = !open;

        if (t->count + 2 > ELASTICSEARCH_TEMPLATE_PARTS_MAX)
            return err_set(e, ERR_CONFIG, "%s: more than %d parts", option, ELASTICSEARCH_TEMPLATE_PARTS_MAX);
        if (!open)
            open = from + strlen(from);
        if (open > from) { /* in place: what gets shorter is the template's own copy */
            size_t kept = literal_unescape(from, (size_t)(open - from));

            if (end) /* also for who takes all of the text, when there is nothing else in it */
                from[kept] = '\0';
            t->part[t->count++] = (struct part){.kind = PART_LITERAL, .text = {from, kept}};
            if (end)
                return 0;
        }
        close = strchr(open, '}');
        if (!close)
            return err_set(e, ERR_CONFIG, "%s: `!{` without `}`", option);
        if (add_expression(t, option, slice_of(open + 2, (size_t)(close - open - 2)), fields, e) < 0)
            return -1;
        from = close + 1;
    }
    return 0;
}

int template_open(struct template **out, const char *option, const char *text, struct document_fields *fields,
                  struct err *e)
{
    struct template *t = mem_alloc(sizeof(*t));

    *out = t;
    t->text = mem_strdup(text);
    if (literal_check(option, text, true, e) == 0 && time_zone_open(&t->utc, NULL, e) == 0 &&
        parse(t, option, fields, e) == 0)
        return 0;
    template_free(out);
    return -1;
}

void template_free(struct template **tp)
{
    struct template *t = *tp;

    if (!t)
        return;
    time_zone_free(&t->utc);
    mem_free(t->text);
    mem_free(t);
    *tp = NULL;
}

const char *template_constant(const struct template *t)
{
    return t->count == 0 || (t->count == 1 && t->part[0].kind == PART_LITERAL) ? t->text : NULL;
}

struct slice template_literal_start(const struct template *t)
{
    return t->count > 0 && t->part[0].kind == PART_LITERAL ? t->part[0].text : (struct slice){"", 0};
}

static bool render_part(const struct template *t, const struct part *p, const struct document *d,
                        const struct sink_record *r, struct buf *out)
{
    size_t before = out->n;
    struct slice value;

    switch (p->kind) {
    case PART_LITERAL:
        return buf_add_slice(out, p->text) == 0;
    case PART_TIMESTAMP:
        return time_pattern_render(p->text, template_moment(r), t->utc, out) == 0;
    case PART_KEY:
        return key_set_find(r->keys, p->text, &value) && buf_add_slice(out, value) == 0;
    default:
        return document_text(d->value[p->field], out) && out->n > before;
    }
}

const char *template_render(const struct template *t, const struct document_fields *fields, const struct document *d,
                            const struct sink_record *r, struct buf *out)
{
    for (size_t i = 0; i < t->count; i++)
        if (!render_part(t, &t->part[i], d, r, out))
            return t->part[i].kind == PART_FIELD ? fields->path[t->part[i].field].text
                   : t->part[i].kind == PART_KEY ? "(a partition key)"
                                                 : "timestamp";
    return NULL;
}

nsec template_moment(const struct sink_record *r)
{
    int64_t seconds;

    return partition_time(r->keys, &seconds) ? seconds * NSEC_PER_SEC : r->arrival;
}
