#include "pipeline/inputs/elasticsearch_bulk/bulk.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"

/* --- actions -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool has_document;
    const char *wrong;
} ACTIONS[] = {
    {"create", true, NULL},
    {"index", true, NULL},
    {"update", true, "a stream takes documents, and changes none: only index and create are taken"},
    {"delete", false, "a stream takes documents, and deletes none: only index and create are taken"},
};

/* Older agents write them without the line. */
static const struct {
    const char *name;
    enum bulk_member member;
} MEMBERS[] = {
    {"_index", BULK_INDEX},      {"_id", BULK_ID}, {"routing", BULK_ROUTING}, {"_routing", BULK_ROUTING},
    {"pipeline", BULK_PIPELINE},
};

static struct json_string *member_of(struct bulk_item *item, struct json_string key)
{
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS); i++)
        if (json_string_is(key, MEMBERS[i].name))
            return &item->members[MEMBERS[i].member];
    return NULL;
}

/* A text or a number; null, which some agents write for what they do not know, is nothing. */
static bool read_member(struct json_reader *r, struct json_string *into)
{
    *into = (struct json_string){.escaped = false};
    switch (json_peek(r)) {
    case JSON_STRING:
        return json_string(r, into);
    case JSON_NUMBER:
        return json_number(r, &into->raw);
    default:
        return json_skip(r);
    }
}

/* Behind the action's name. */
static bool read_members(struct json_reader *r, struct bulk_item *item)
{
    struct json_string key;

    if (json_peek(r) != JSON_OBJECT || !json_enter(r))
        return false;
    while (json_member(r, &key)) {
        struct json_string *into = member_of(item, key);

        if (!(into ? read_member(r, into) : json_skip(r)))
            return false;
    }
    return !r->error;
}

/* *has_document: a line of it follows. */
static bool read_action(struct slice line, struct bulk_item *item, bool *has_document)
{
    struct json_reader r;
    struct json_string key;

    *item = (struct bulk_item){.action = NULL};
    json_open(&r, line, PUSH_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r) || !json_member(&r, &key))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(ACTIONS) && !item->action; i++)
        if (json_string_is(key, ACTIONS[i].name)) {
            item->action = ACTIONS[i].name;
            item->wrong = ACTIONS[i].wrong;
            *has_document = ACTIONS[i].has_document;
        }
    return item->action && read_members(&r, item) && !json_member(&r, &key) && json_end(&r);
}

/* --- documents ------------------------------------------------------------------------------------------------------ */

static void read_document(struct slice line, struct bulk_item *item)
{
    struct json_reader r;

    json_open(&r, line, PUSH_JSON_DEPTH);
    if (json_peek(&r) != JSON_OBJECT)
        item->wrong = "the document is no JSON object";
    else if (!json_value(&r, &item->document) || !json_end(&r))
        item->wrong = "the document is no JSON";
    else if (item->document.n > RECORD_MAX_BYTES)
        item->wrong = "the document is larger than a record may be, which is 10 MiB";
    if (item->wrong)
        item->document = SLICE("");
}

enum bulk_read bulk_next(struct bulk_reader *r, struct bulk_item *item)
{
    bool has_document;
    struct slice line;

    do {
        if (!slice_take_line(&r->rest, &line))
            return BULK_END;
        r->line++;
        line = slice_trim(line);
    } while (line.n == 0);
    if (!read_action(line, item, &has_document))
        return BULK_MALFORMED;
    if (!has_document)
        return BULK_ITEM;
    if (!slice_take_line(&r->rest, &line)) {
        item->wrong = "the body ends where its document should be";
        return BULK_ITEM;
    }
    r->line++;
    if (!item->wrong)
        read_document(line, item);
    return BULK_ITEM;
}

/* --- what is said beside a document --------------------------------------------------------------------------------- */

static struct slice text_of(struct json_string s, struct buf *room)
{
    buf_clear(room);
    if (!s.escaped)
        return s.raw;
    return json_unescape(s, room) < 0 ? SLICE("") : buf_slice(room);
}

static void add(struct buf *facts, const char *name, struct slice value)
{
    if (value.n > 0 && facts_add(facts, slice_str(name), value) < 0)
        return; /* as much as there is room for */
}

void bulk_facts(const struct bulk_item *item, struct slice index, struct buf *room, struct buf *facts)
{
    const struct json_string *m = item->members;

    add(facts, "index", m[BULK_INDEX].raw.n > 0 ? text_of(m[BULK_INDEX], room) : index);
    add(facts, "id", text_of(m[BULK_ID], room));
    add(facts, "routing", text_of(m[BULK_ROUTING], room));
    add(facts, "pipeline", text_of(m[BULK_PIPELINE], room));
    add(facts, "action", slice_str(item->action));
}

static int add_member(struct buf *out, const char *name, struct json_string value)
{
    if (value.raw.n == 0)
        return 0;
    return buf_add_str(out, ",\"") < 0 || buf_add_str(out, name) < 0 || buf_add_str(out, "\":\"") < 0 ||
                   buf_add_slice(out, value.raw) < 0 || buf_add_char(out, '"') < 0
               ? -1
               : 0;
}

int bulk_envelope(struct bulk_item *item, struct slice index, struct buf *out)
{
    const struct json_string *m = item->members;

    if (buf_add_str(out, "{\"action\":\"") < 0 || buf_add_str(out, item->action) < 0 || buf_add_char(out, '"') < 0)
        return -1;
    if (m[BULK_INDEX].raw.n == 0 && index.n > 0 && (buf_add_str(out, ",\"_index\":") < 0 || json_quote(index, out) < 0))
        return -1;
    if (add_member(out, "_index", m[BULK_INDEX]) < 0 || add_member(out, "_id", m[BULK_ID]) < 0 ||
        add_member(out, "routing", m[BULK_ROUTING]) < 0 || add_member(out, "pipeline", m[BULK_PIPELINE]) < 0)
        return -1;
    if (buf_add_str(out, ",\"_source\":") < 0 || buf_add_slice(out, item->document) < 0 || buf_add_char(out, '}') < 0)
        return -1;
    if (out->n > RECORD_MAX_BYTES)
        item->wrong = "the document is larger than a record may be, with its action and index around it";
    return 0;
}
