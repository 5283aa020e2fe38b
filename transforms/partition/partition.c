/* For each record: what scripts have set is looked up, plain queries look into the record's bytes, libjq is asked for the others, all
 * of it at most once. Then each key is checked and the record goes on with these keys alone, unchanged. */
#include "transforms/partition/partition.h"

#include "pipeline/base/key_set.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/partition/jq.h"
#include "transforms/partition/query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Queries of the keys, and one more for the time. */
#define QUERIES_MAX (PARTITION_KEYS_MAX + 1)

struct partition {
    const struct partition_conf *conf;
    struct query query[QUERIES_MAX];
    const struct query *asked[QUERIES_MAX]; /* into query */
    size_t query_count, time_query;
    bool needs_jq;
    struct time_zone *zone, *utc;
};

struct partition_state {
    const struct partition *partition;
    struct jq_program *jq; /* NULL: all queries are plain */
    struct query_found found[QUERIES_MAX];
    struct jq_answer answer[QUERIES_MAX];
    struct buf text[PARTITION_KEYS_MAX]; /* values of plain queries */
    struct buf time;
    struct transform_key key[QUERIES_MAX];
    size_t key_count;
    char why[256]; /* the record fails */
};

/* --- loading --- */

static int add_query(struct partition *p, const char *text, bool field, struct err *e)
{
    struct query *q = &p->query[p->query_count];

    if ((field ? query_field(q, text, e) : query_parse(q, text, e)) < 0)
        return -1;
    p->asked[p->query_count++] = q;
    p->needs_jq = p->needs_jq || !q->plain;
    return 0;
}

static int open_queries(struct partition *p, struct err *e)
{
    const struct partition_conf *c = p->conf;

    for (size_t i = 0; i < c->count; i++)
        if (c->key[i].query && add_query(p, c->key[i].query, false, e) < 0)
            return err_wrap(e, "partition_keys: `%s`", c->key[i].name);
    p->time_query = p->query_count;
    if (c->time_field && add_query(p, c->time_field, true, e) < 0)
        return err_wrap(e, "time: field");
    return 0;
}

static void partition_unload(void **shared)
{
    struct partition *p = *shared;

    if (!p)
        return;
    for (size_t i = 0; i < p->query_count; i++)
        query_release(&p->query[i]);
    time_zone_free(&p->zone);
    time_zone_free(&p->utc);
    MEM_CLEAR(p);
    *shared = NULL;
}

static int partition_load(void **shared, const void *conf, const struct transform_env *env, struct err *e)
{
    struct partition *p = mem_alloc(sizeof(*p));
    struct jq_program *jq = NULL;

    (void)env;
    p->conf = conf;
    *shared = p;
    if (open_queries(p, e) < 0 || time_zone_open(&p->utc, NULL, e) < 0 ||
        time_zone_open(&p->zone, p->conf->timezone, e) < 0)
        goto fail;
    /* What libjq says of a query is to be known before the first record comes. */
    if (p->needs_jq && jq_program_new(&jq, p->asked, p->query_count, e) < 0) {
        err_wrap(e, "partition_keys");
        goto fail;
    }
    jq_program_free(&jq);
    return 0;
fail:
    partition_unload(shared);
    return -1;
}

static void partition_close(void **state)
{
    struct partition_state *s = *state;

    if (!s)
        return;
    jq_program_free(&s->jq);
    for (size_t i = 0; i < PARTITION_KEYS_MAX; i++)
        buf_release(&s->text[i]);
    buf_release(&s->time);
    MEM_CLEAR(s);
    *state = NULL;
}

static int partition_open(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    struct partition_state *s = mem_alloc(sizeof(*s));
    const struct partition *p = shared;

    (void)cancel;
    s->partition = p;
    for (size_t i = 0; i < PARTITION_KEYS_MAX; i++)
        buf_init(&s->text[i], PARTITION_VALUE_MAX + 1);
    buf_init(&s->time, 256);
    *state = s;
    if (!p->needs_jq || jq_program_new(&s->jq, p->asked, p->query_count, e) == 0)
        return 0;
    partition_close(state);
    return -1;
}

/* --- a record --- */

/* Why the record fails; the first reason stays. Always false. */
PRINTF_LIKE(2, 3) static bool fail(struct partition_state *s, const char *fmt, ...)
{
    va_list args;

    if (s->why[0])
        return false;
    va_start(args, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, args);
    va_end(args);
    return false;
}

static bool fail_key(struct partition_state *s, const struct partition_conf_key *k, const char *why)
{
    return fail(s, "partition key %s: %s", k->name, why);
}

/* `why_not`: NULL, or why the record cannot be asked at all. */
static bool ask(struct partition_state *s, const struct partition_conf_key *k, size_t query, const char *why_not,
                struct slice *value)
{
    const struct query *q = s->partition->asked[query];
    struct jq_answer a = s->answer[query];
    const char *why = "the record has none";
    char wrong[PARTITION_WHY_MAX];
    bool a_value = false;

    if (q->plain && !why_not) {
        struct buf *text = &s->text[query];

        buf_clear(text);
        a.answer = query_text(q, &s->found[query], text, &a.why);
        a.text = buf_slice(text);
    }
    if (why_not)
        why = why_not;
    else if (a.answer == QUERY_FAILED)
        why = a.why;
    else if ((a_value = a.answer == QUERY_TEXT))
        why = partition_value_error(a.text, wrong);
    *value = a.text;
    if (!why)
        return true;
    *value = slice_str(k->default_value);
    return k->default_value || fail(s, "partition key %s: %s%s", k->name, a_value ? "a value " : "", why);
}

static bool find_set(const struct transform_record *r, const char *name, struct slice *value)
{
    for (size_t i = 0; i < r->key_count; i++)
        if (slice_is(r->keys[i].name, name)) {
            *value = r->keys[i].value;
            return true;
        }
    return false;
}

/* `length`: of the values, as they stand there. */
static bool names_have_room(struct partition_state *s, const size_t length[PARTITION_KEYS_MAX])
{
    const struct partition_conf *c = s->partition->conf;
    size_t room = 0, longest = 0;

    for (size_t i = 0; i < c->place_count; i++) {
        const struct partition_place *p = &c->place[i];

        if (p->begins_name)
            room = p->room;
        if (p->begins_name || length[p->key] > length[longest])
            longest = p->key;
        if (length[p->key] > room)
            return fail_key(s, &c->key[longest],
                            "the value is too long: no folder or file can have the name that it would be in");
        room -= length[p->key];
    }
    return true;
}

static bool add_keys(struct partition_state *s, const struct transform_record *r, const char *no_json)
{
    const struct partition_conf *c = s->partition->conf;
    size_t query = 0, room = c->room, all = 0, length[PARTITION_KEYS_MAX];

    for (size_t i = 0; i < c->count; i++) {
        const struct partition_conf_key *k = &c->key[i];
        struct transform_key *key = &s->key[i];
        size_t n;

        key->name = slice_str(k->name);
        if (k->query) {
            if (!ask(s, k, query++, no_json, &key->value))
                return false;
        } else if (!find_set(r, k->name, &key->value)) {
            return fail_key(s, k, "no script has set it");
        }
        length[i] = partition_value_length(key->value, c->form);
        n = k->uses * length[i];
        if (c->room > 0 && n > room)
            return fail_key(s, k, "the value is too long for the place it is put in");
        room -= c->room > 0 ? n : 0;
        all += key->name.n + key->value.n + 2;
    }
    s->key_count = c->count;
    if (!names_have_room(s, length))
        return false;
    return all + PARTITION_TIME_ROOM <= SEAL_META_KEYS_MAX ||
           fail(s, "partition keys: together they have more than %d bytes", SEAL_META_KEYS_MAX);
}

static bool add_time(struct partition_state *s, const struct transform_record *r, const char *no_json)
{
    const struct partition *p = s->partition;
    const struct partition_conf *c = p->conf;
    int64_t seconds = r->arrival / NSEC_PER_SEC;
    const char *why = no_json;

    if (!why) {
        const struct query_found *f = &s->found[p->time_query];
        bool number = f->value.n > 0 && strchr("-0123456789", f->value.p[0]); /* with all its digits */

        buf_clear(&s->time);
        switch (number && buf_add_slice(&s->time, f->value) == 0
                    ? QUERY_TEXT
                    : query_text(p->asked[p->time_query], f, &s->time, &why)) {
        case QUERY_TEXT:
            why = record_time_read(buf_slice(&s->time), c->time_format, p->utc, &seconds) < 0
                      ? "it is no time of this format, of the years 1700 to 2199"
                      : NULL;
            break;
        case QUERY_MISSING:
            why = "the record has none";
            break;
        default:
            break;
        }
    }
    if (why && c->time_must)
        return fail(s, "time: field %s: %s", c->time_field, why);
    seconds = record_time_floor(seconds, c->unit, c->offset, p->zone);
    buf_clear(&s->time);
    if (buf_add_int(&s->time, seconds) < 0)
        return false;
    s->key[s->key_count++] = (struct transform_key){slice_str(PARTITION_TIME_NAME), buf_slice(&s->time)};
    return true;
}

static int run_one(struct partition_state *s, const struct transform_record *r, struct transform_out *out)
{
    const struct partition *p = s->partition;
    const char *no_json = NULL;
    char message[320];

    s->why[0] = '\0';
    s->key_count = 0;
    out->is_object = r->is_object;
    if (p->query_count > 0) {
        const char *wrong = query_find(p->asked, p->query_count, r->data, s->found, &out->is_object);

        no_json = wrong ? "the record is not JSON" : NULL;
        if (s->jq && !wrong) {
            nsec began = clock_mono();

            jq_program_run(s->jq, r->data, s->answer);
            out->queried += clock_mono() - began;
        }
    }
    if (add_keys(s, r, no_json) && (!p->conf->time_field || add_time(s, r, no_json)))
        return out->emit(out, r, r->data, s->key, s->key_count);
    snprintf(message, sizeof(message), "%s", s->why);
    return out->fail(out, r, PARTITION_FAILED_CODE, slice_str(message), slice_str(message));
}

static int partition_run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                         struct err *e)
{
    struct partition_state *s = state;

    (void)e;
    for (size_t i = 0; i < count; i++)
        if (run_one(s, &records[i], out) < 0)
            return -1;
    return 0;
}

static void release_conf(void *conf)
{
    struct partition_conf *c = conf;

    for (size_t i = 0; i < c->count; i++) {
        mem_free(c->key[i].name);
        mem_free(c->key[i].query);
        mem_free(c->key[i].default_value);
    }
    mem_free(c->time_field);
    mem_free(c->time_format);
    mem_free(c->timezone);
}

/* Nothing is bound by it. */
static const struct cfg_field FIELDS[] = {{.name = "", .type = CFG_CUSTOM, .release = release_conf}, {.name = NULL}};

const struct transform_ops transform_partition = {
    .name = "partition_keys",
    .help = "the keys that the destination's places use",
    .fields = FIELDS,
    .conf_size = sizeof(struct partition_conf),
    .all_keys = true,
    .load = partition_load,
    .unload = partition_unload,
    .open = partition_open,
    .close = partition_close,
    .run = partition_run,
};
