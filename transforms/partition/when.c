/* Fields are looked up in one pass over the record, for all conditions together; then each is asked in turn, and the first that does not hold
 * decides. */
#include "transforms/partition/when.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/partition/query.h"
#include "transforms/text/regex.h"

#include <string.h>

struct when {
    const struct when_conf *conf;
    struct query query[WHEN_TESTS_MAX];
    const struct query *asked[WHEN_TESTS_MAX]; /* into query */
    size_t query_count;
};

struct when_state {
    const struct when *when;
    struct regex *pattern[WHEN_TESTS_MAX]; /* of the test of this number; NULL: it has none */
    struct query_found found[WHEN_TESTS_MAX];
    struct buf text;
};

/* --- loading --- */

static void when_unload(void **shared)
{
    struct when *w = *shared;

    if (!w)
        return;
    for (size_t i = 0; i < w->query_count; i++)
        query_release(&w->query[i]);
    MEM_CLEAR(w);
    *shared = NULL;
}

static int check_pattern(const struct when_test *t, struct err *e)
{
    struct regex *re = NULL;
    int rc = t->pattern ? regex_new(&re, slice_str(t->pattern), REGEX_UTF, NULL, e) : 0;

    regex_free(&re);
    return rc < 0 ? err_wrap(e, "when: matches") : 0;
}

static int when_load(void **shared, const void *conf, const struct transform_env *env, struct err *e)
{
    struct when *w = mem_alloc(sizeof(*w));

    (void)env;
    w->conf = conf;
    *shared = w;
    for (size_t i = 0; i < w->conf->count; i++) {
        const struct when_test *t = &w->conf->test[i];
        struct query *q = &w->query[w->query_count];

        if (check_pattern(t, e) < 0)
            goto fail;
        if (!t->field)
            continue;
        if (query_field(q, t->field, e) < 0) {
            err_wrap(e, "when: field");
            goto fail;
        }
        w->asked[w->query_count++] = q;
    }
    return 0;
fail:
    when_unload(shared);
    return -1;
}

static void when_close(void **state)
{
    struct when_state *s = *state;

    if (!s)
        return;
    for (size_t i = 0; i < WHEN_TESTS_MAX; i++)
        regex_free(&s->pattern[i]);
    buf_release(&s->text);
    MEM_CLEAR(s);
    *state = NULL;
}

static int when_open(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    struct when_state *s = mem_alloc(sizeof(*s));
    const struct when_conf *c;

    (void)cancel;
    s->when = shared;
    c = s->when->conf;
    buf_init(&s->text, RECORD_MAX_BYTES + 1);
    *state = s;
    for (size_t i = 0; i < c->count; i++)
        if (c->test[i].pattern && regex_new(&s->pattern[i], slice_str(c->test[i].pattern), REGEX_UTF, NULL, e) < 0) {
            when_close(state);
            return -1;
        }
    return 0;
}

/* --- a record --- */

/* What is asked for: it is there; has a text. */
struct asked {
    bool there, has_text;
    struct slice text;
};

static struct asked look_up_key(const struct transform_record *r, const char *name)
{
    for (size_t i = 0; i < r->key_count; i++)
        if (slice_is(r->keys[i].name, name))
            return (struct asked){true, true, r->keys[i].value};
    return (struct asked){.there = false};
}

static struct asked look_up_field(struct when_state *s, size_t query, bool is_object)
{
    struct asked a = {.there = false};
    const char *why;

    if (!is_object)
        return a;
    buf_clear(&s->text);
    switch (query_text(s->when->asked[query], &s->found[query], &s->text, &why)) {
    case QUERY_TEXT:
        return (struct asked){true, true, buf_slice(&s->text)};
    case QUERY_FAILED:
        a.there = s->found[query].value.p != NULL;
        break;
    case QUERY_MISSING:
        break;
    }
    return a;
}

static bool is_one_of(const struct cfg_strings *values, struct slice text)
{
    for (size_t i = 0; i < values->n; i++)
        if (slice_is(text, values->v[i]))
            return true;
    return false;
}

/* *gave_up: there is no answer. */
static bool holds(struct when_state *s, size_t test, const struct asked *a, bool *gave_up)
{
    const struct when_test *t = &s->when->conf->test[test];
    enum regex_result found;
    bool yes = false;

    switch (t->kind) {
    case WHEN_EXISTS:
        yes = a->there;
        break;
    case WHEN_IN:
        yes = a->has_text && is_one_of(&t->values, a->text);
        break;
    case WHEN_MATCHES:
        found = a->has_text ? regex_match(s->pattern[test], a->text, 0) : REGEX_NO_MATCH;
        *gave_up = found == REGEX_GAVE_UP;
        yes = found == REGEX_MATCH;
        break;
    }
    return yes != t->negated;
}

static int run_one(struct when_state *s, const struct transform_record *r, struct transform_out *out)
{
    static const char GAVE_UP[] = "when: matches: the pattern ran into its limits on this record";
    const struct when *w = s->when;
    bool is_object = r->is_object, gave_up = false, all = true;
    size_t query = 0;

    if (w->query_count > 0 && query_find(w->asked, w->query_count, r->data, s->found, &is_object))
        is_object = false; /* it is no JSON */
    for (size_t i = 0; all && !gave_up && i < w->conf->count; i++) {
        const struct when_test *t = &w->conf->test[i];
        struct asked a = t->key ? look_up_key(r, t->key) : look_up_field(s, query++, is_object);

        all = holds(s, i, &a, &gave_up);
    }
    if (gave_up)
        return out->fail(out, r, WHEN_FAILED_CODE, slice_str(GAVE_UP), slice_str(GAVE_UP));
    out->is_object = is_object;
    if (all)
        return out->emit(out, r, r->data, NULL, 0);
    out->unwanted = true;
    out->drop(out, r, SLICE(WHEN_REASON));
    return 0;
}

static int when_run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                    struct err *e)
{
    struct when_state *s = state;

    (void)e;
    for (size_t i = 0; i < count; i++)
        if (run_one(s, &records[i], out) < 0)
            return -1;
    return 0;
}

static void release_conf(void *conf)
{
    struct when_conf *c = conf;

    for (size_t i = 0; i < c->count; i++) {
        struct when_test *t = &c->test[i];

        mem_free(t->field);
        mem_free(t->key);
        mem_free(t->pattern);
        for (size_t k = 0; k < t->values.n; k++)
            mem_free(t->values.v[k]);
        mem_free(t->values.v);
    }
    c->count = 0;
}

static const struct cfg_field fields[] = {
    {.name = WHEN_REASON, .type = CFG_CUSTOM, .release = release_conf},
    {.name = NULL},
};

const struct transform_ops transform_when = {
    .name = WHEN_REASON,
    .help = "which records a destination gets",
    .fields = fields,
    .conf_size = sizeof(struct when_conf),
    .load = when_load,
    .unload = when_unload,
    .open = when_open,
    .close = when_close,
    .run = when_run,
};
