/* The line before each document: {"index":{"_index":"app-2026-11-22","_id":"..."}}. The id is derived from the stream's identity and
 * the record's number, so that a document that is sent twice is there once. Where nothing of the record stands in it but time and
 * number, the beginning of the line is made once, at open. */
#include "sinks/elasticsearch/action.h"

#include "pipeline/base/json.h"
#include "pipeline/base/mem.h"
#include "sinks/elasticsearch/template.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DERIVED_ID  22
#define SUFFIX_ROOM 14 /* -2026-11-22-16 */

enum id_source { ID_DERIVED, ID_SERVER, ID_TEMPLATE };

struct elasticsearch_action {
    enum index_rotation rotation;
    bool creates;
    enum id_source id_source;
    uint64_t identity; /* 48 bits */
    struct document_fields fields;
    struct template *index, *id, *routing; /* id, routing: NULL when not used */
    struct slice open;                     /* {"index":{"_index":" */
    struct buf plain;                      /* open and index, where no record changes the line but by time and number */
};

const struct cfg_choice elasticsearch_rotations[] = {
    {"none", ROTATION_NONE}, {"hour", ROTATION_HOUR},   {"day", ROTATION_DAY},
    {"week", ROTATION_WEEK}, {"month", ROTATION_MONTH}, {NULL, 0},
};

const struct cfg_choice elasticsearch_ops[] = {{"index", OP_INDEX}, {"create", OP_CREATE}, {NULL, 0}};

static int check_op(const struct elasticsearch_action_conf *c, struct err *e)
{
    return c->data_stream && c->op == OP_INDEX ? err_set(e, ERR_CONFIG, "op: a data stream takes `create` only") : 0;
}

static int check_rotation(const struct elasticsearch_action_conf *c, struct err *e)
{
    return c->data_stream && c->rotation != ROTATION_AUTO && c->rotation != ROTATION_NONE
               ? err_set(e, ERR_CONFIG, "rotation: a data stream rotates by itself")
               : 0;
}

/* What can be wrong with the name whatever the records say. */
static int check_index(const struct elasticsearch_action *a, struct err *e)
{
    const char *constant = template_constant(a->index), *wrong = NULL;
    struct slice start = template_literal_start(a->index);

    if (constant)
        wrong = index_name_error(slice_str(constant));
    else if (start.n > 0)
        wrong = index_name_error(start);
    if (wrong)
        return err_set(e, ERR_CONFIG, "index: no index can have this name: %s", wrong);
    if (constant && strlen(constant) + SUFFIX_ROOM > INDEX_NAME_MAX)
        return err_set(e, ERR_CONFIG, "index: the name and what rotation appends may have %d bytes", INDEX_NAME_MAX);
    return 0;
}

static int open_index(struct elasticsearch_action *a, const struct elasticsearch_action_conf *c, struct err *e)
{
    return template_open(&a->index, "index", c->index, &a->fields, e) < 0 ? -1 : check_index(a, e);
}

static int open_id(struct elasticsearch_action *a, const struct elasticsearch_action_conf *c, struct err *e)
{
    if (strcmp(c->id, "server") == 0)
        a->id_source = ID_SERVER;
    else if (strcmp(c->id, "derived") != 0)
        a->id_source = ID_TEMPLATE;
    if (a->id_source == ID_TEMPLATE && template_open(&a->id, "id", c->id, &a->fields, e) < 0)
        return -1;
    if (a->id && template_constant(a->id))
        return err_set(e, ERR_CONFIG,
                       "id: `derived`, `server`, or a text with !{record:FIELD}: with one id for all "
                       "records only the last would be kept");
    return 0;
}

static int open_routing(struct elasticsearch_action *a, const struct elasticsearch_action_conf *c, struct err *e)
{
    return c->routing && *c->routing ? template_open(&a->routing, "routing", c->routing, &a->fields, e) : 0;
}

void elasticsearch_action_check(const struct elasticsearch_action_conf *c, const struct cfg_options *o)
{
    struct elasticsearch_action *a = mem_alloc(sizeof(*a));
    struct err e;

    if (check_op(c, &e) < 0)
        cfg_options_refuse(o, &e);
    if (check_rotation(c, &e) < 0)
        cfg_options_refuse(o, &e);
    if (c->index && open_index(a, c, &e) < 0)
        cfg_options_refuse(o, &e);
    if (c->id && open_id(a, c, &e) < 0)
        cfg_options_refuse(o, &e);
    if (open_routing(a, c, &e) < 0)
        cfg_options_refuse(o, &e);
    elasticsearch_action_free(&a);
}

enum index_rotation elasticsearch_action_rotation(const struct elasticsearch_action_conf *c)
{
    bool dated = c->data_stream || (c->index && strstr(c->index, "!{timestamp:"));

    return c->rotation != ROTATION_AUTO ? (enum index_rotation)c->rotation : dated ? ROTATION_NONE : ROTATION_DAY;
}

bool elasticsearch_action_template(const struct elasticsearch_action_conf *c, size_t index, struct sink_template *out)
{
    static const char *const SHOWN[ROTATION_MONTH + 1] = {[ROTATION_HOUR] = "yyyy-MM-dd-HH",
                                                          [ROTATION_DAY] = "yyyy-MM-dd",
                                                          [ROTATION_WEEK] = "yyyy-MM-dd",
                                                          [ROTATION_MONTH] = "yyyy-MM"};
    const struct sink_template all[] = {
        {.option = "index", .text = c->index, .implied = SHOWN[elasticsearch_action_rotation(c)]},
        {.option = "id", .text = c->id},
        {.option = "routing", .text = c->routing},
    };

    if (index >= ARRAY_LEN(all))
        return false;
    *out = all[index];
    return true;
}

int elasticsearch_action_open(struct elasticsearch_action **out, const struct elasticsearch_action_conf *conf,
                              const unsigned char *identity, struct err *e)
{
    struct elasticsearch_action *a = mem_alloc(sizeof(*a));
    const char *index;

    *out = a;
    for (int i = 0; i < 6; i++)
        a->identity = a->identity << 8 | identity[i];
    buf_init(&a->plain, 2 * INDEX_NAME_MAX);
    a->creates = conf->data_stream || conf->op == OP_CREATE;
    a->open = a->creates ? SLICE("{\"create\":{\"_index\":\"") : SLICE("{\"index\":{\"_index\":\"");
    a->rotation = elasticsearch_action_rotation(conf);
    if (check_op(conf, e) < 0 || check_rotation(conf, e) < 0 || open_index(a, conf, e) < 0 || open_id(a, conf, e) < 0 ||
        open_routing(a, conf, e) < 0)
        goto fail;
    index = template_constant(a->index);
    if (!index || a->id_source != ID_DERIVED || a->routing ||
        (buf_add_slice(&a->plain, a->open) == 0 && buf_add_str(&a->plain, index) == 0))
        return 0;
fail:
    elasticsearch_action_free(out);
    return -1;
}

void elasticsearch_action_free(struct elasticsearch_action **ap)
{
    struct elasticsearch_action *a = *ap;

    if (!a)
        return;
    template_free(&a->index);
    template_free(&a->id);
    template_free(&a->routing);
    document_fields_release(&a->fields);
    buf_release(&a->plain);
    mem_free(a);
    *ap = NULL;
}

bool elasticsearch_action_creates(const struct elasticsearch_action *a)
{
    return a->creates;
}

/* --- names -----------------------------------------------------------------------------------------------------------
 */

static char *put64(uint64_t v, int letters, char *out)
{
    static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (int i = letters - 1; i >= 0; i--, v >>= 6)
        out[i] = LETTERS[v & 63];
    return out + letters;
}

/* The 16 bytes as bits: identity (as in seal_identity.h) 48, number 56, part 24, and 4 that fill the last letter. Numbers beyond these, which
 * nobody will see, change the identity's bits: ids stay different. */
static void derived_id(const struct elasticsearch_action *a, const struct sink_record *r, char out[DERIVED_ID])
{
    uint64_t identity = a->identity ^ (r->epoch >> 16) ^ (r->seq >> 56 << 8) ^ (r->part >> 24);

    out = put64(identity, 8, out);
    out = put64(r->seq >> 8 & 0xffffffffffff, 8, out);
    put64(((r->seq & 0xff) << 24 | (r->part & 0xffffff)) << 4, 6, out);
}

/* Always 0: the record cannot go. */
PRINTF_LIKE(3, 4) static int refuse(struct sink_refusal *why, const char *code, const char *fmt, ...)
{
    va_list args;

    snprintf(why->code, sizeof(why->code), "%s", code);
    va_start(args, fmt);
    vsnprintf(why->message, sizeof(why->message), fmt, args);
    va_end(args);
    return 0;
}

static int refuse_field(struct sink_refusal *why, const char *option, const char *field)
{
    return refuse(why, "MissingField", "%s: the record's field %s is missing, empty, too long, or not a text or number",
                  option, field);
}

/* Appends the index's name. */
static int add_index(const struct elasticsearch_action *a, const struct document *d, const struct sink_record *r,
                     struct buf *out, struct sink_refusal *why)
{
    const char *constant = template_constant(a->index), *field, *wrong;
    char suffix[INDEX_SUFFIX_MAX];
    size_t n = index_suffix(a->rotation, template_moment(r), suffix);
    struct buf name;
    int rc = 1;

    if (constant)
        return buf_add_str(out, constant) < 0 || buf_add(out, suffix, n) < 0 ? -1 : 1;
    buf_init(&name, INDEX_NAME_MAX);
    field = template_render(a->index, &a->fields, d, r, &name);
    if (field || buf_add(&name, suffix, n) < 0)
        rc = refuse_field(why, "index", field ? field : "name");
    else if ((wrong = index_name_error(buf_slice(&name))))
        rc = refuse(why, "InvalidIndexName", "no index can have the name that the record asks for: %s", wrong);
    else if (buf_add_slice(out, buf_slice(&name)) < 0)
        rc = -1;
    buf_release(&name);
    return rc;
}

/* Appends a member whose value is a template's text, as a JSON string. */
static int add_member(const struct elasticsearch_action *a, const struct template *t, const char *option,
                      const char *member, const struct sink_record *r, const struct document *d, struct buf *out,
                      struct sink_refusal *why)
{
    struct buf text;
    const char *field;
    int rc = 1;

    buf_init(&text, DOCUMENT_ID_MAX);
    field = template_render(t, &a->fields, d, r, &text);
    if (field)
        rc = refuse_field(why, option, field);
    else if (buf_add_str(out, member) < 0 || json_quote(buf_slice(&text), out) < 0)
        rc = -1;
    buf_release(&text);
    return rc;
}

static int add_id(const struct elasticsearch_action *a, const char *member, const struct sink_record *r,
                  const struct document *d, struct buf *out, struct sink_refusal *why)
{
    char id[DERIVED_ID + 2] = "\"";

    if (a->id_source == ID_TEMPLATE)
        return add_member(a, a->id, "id", member, r, d, out, why);
    if (a->id_source == ID_SERVER)
        return 1;
    derived_id(a, r, id + 1);
    id[DERIVED_ID + 1] = '"';
    return buf_add_str(out, member) < 0 || buf_add(out, id, sizeof(id)) < 0 ? -1 : 1;
}

/* The usual line, in one go. */
static int add_plain(const struct elasticsearch_action *a, const struct sink_record *r, struct buf *out)
{
    static const struct slice ID = {"\",\"_id\":\"", 9}, END = {"\"}}\n", 4};
    char *p;

    if (buf_reserve(out, a->plain.n + INDEX_SUFFIX_MAX + ID.n + DERIVED_ID + END.n) < 0)
        return -1;
    p = out->p + out->n;
    memcpy(p, a->plain.p, a->plain.n);
    p += a->plain.n;
    p += index_suffix(a->rotation, template_moment(r), p);
    memcpy(p, ID.p, ID.n);
    derived_id(a, r, p + ID.n);
    memcpy(p + ID.n + DERIVED_ID, END.p, END.n);
    out->n = (size_t)(p - out->p) + ID.n + DERIVED_ID + END.n;
    return 1;
}

/* What was found to be an object before is looked through only for the fields. */
static void read_document(const struct elasticsearch_action *a, const struct sink_record *r, struct document *d)
{
    if (r->is_object && a->fields.count == 0)
        d->error = NULL;
    else
        document_scan(&a->fields, r->data, d);
}

int elasticsearch_action_add(const struct elasticsearch_action *a, const struct sink_record *r, struct buf *out,
                             struct sink_refusal *why)
{
    struct document d;
    int rc;

    read_document(a, r, &d);
    if (d.error)
        return refuse(why, "NotJsonObject", "the record is not a JSON object: %s at byte %zu", d.error, d.error_at);
    if (a->plain.n > 0)
        return add_plain(a, r, out);
    if (buf_add_slice(out, a->open) < 0)
        return -1;
    rc = add_index(a, &d, r, out, why);
    if (rc == 1 && buf_add_char(out, '"') < 0)
        rc = -1;
    if (rc == 1)
        rc = add_id(a, ",\"_id\":", r, &d, out, why);
    if (rc == 1 && a->routing)
        rc = add_member(a, a->routing, "routing", ",\"routing\":", r, &d, out, why);
    return rc == 1 && buf_add_str(out, "}}\n") < 0 ? -1 : rc;
}

/* One member, taken back when the record does not say what it would be. */
static int settle(struct buf *out, size_t before, int rc)
{
    if (rc == 0)
        out->n = before;
    return rc < 0 ? -1 : 0;
}

int elasticsearch_action_describe(const struct elasticsearch_action *a, const struct sink_record *r, const char *vendor,
                                  struct buf *out)
{
    struct document d;
    struct sink_refusal why;
    char member[32];
    size_t before = out->n;
    int rc;

    read_document(a, r, &d);
    if (d.error && a->fields.count > 0)
        return 0;
    snprintf(member, sizeof(member), ",\"%sDocumentId\":", vendor);
    if (settle(out, before, add_id(a, member, r, &d, out, &why)) < 0)
        return -1;
    before = out->n;
    if (buf_printf(out, ",\"%sIndexName\":\"", vendor) < 0)
        return -1;
    rc = add_index(a, &d, r, out, &why);
    return settle(out, before, rc == 1 && buf_add_char(out, '"') < 0 ? -1 : rc);
}
