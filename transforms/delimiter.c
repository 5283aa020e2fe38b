/* Appends a delimiter to each record, so that records which a destination puts together can be told apart again. */
#include "transforms/transform.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

struct delimiter_conf {
    char *text;
    bool if_missing;
};

static const struct cfg_field FIELDS[] = {
    {.name = "text",
     .type = CFG_STRING,
     .offset = offsetof(struct delimiter_conf, text),
     .max = TRANSFORM_DELIMITER_MAX,
     .help = "what is appended to each record; a newline when left out"},
    {.name = "if_missing",
     .type = CFG_BOOL,
     .offset = offsetof(struct delimiter_conf, if_missing),
     .def = "false",
     .help = "true: only to records that do not end with it already"},
    {.name = NULL},
};

struct delimiter {
    bool if_missing;
    size_t n;
    char text[TRANSFORM_DELIMITER_MAX];
};

struct delimiter_state {
    const struct delimiter *delimiter;
    struct buf joined;
};

static int delimiter_load(void **shared, const void *conf, const struct transform_env *env, struct err *e)
{
    const struct delimiter_conf *c = conf;
    struct slice text = c->text && *c->text ? slice_str(c->text) : SLICE("\n");
    struct delimiter *d = mem_alloc(sizeof(*d));

    (void)env, (void)e;
    d->if_missing = c->if_missing;
    d->n = text.n;
    memcpy(d->text, text.p, text.n);
    *shared = d;
    return 0;
}

static int delimiter_open(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    struct delimiter_state *s = mem_alloc(sizeof(*s));

    (void)cancel, (void)e;
    s->delimiter = shared;
    buf_init(&s->joined, SIZE_MAX); /* a record and at most TRANSFORM_DELIMITER_MAX bytes */
    *state = s;
    return 0;
}

static void delimiter_close(void **state)
{
    struct delimiter_state *s = *state;

    if (!s)
        return;
    buf_release(&s->joined);
    MEM_CLEAR(*state);
}

static bool ends_so(struct slice data, struct slice end)
{
    return data.n >= end.n && memcmp(data.p + data.n - end.n, end.p, end.n) == 0;
}

static int delimiter_one(struct delimiter_state *s, const struct transform_record *rec, struct transform_out *out,
                         struct err *e)
{
    struct slice text = slice_of(s->delimiter->text, s->delimiter->n);

    if (s->delimiter->if_missing && ends_so(rec->data, text))
        return out->emit(out, rec, rec->data, NULL, 0);
    buf_clear(&s->joined);
    if (buf_add_slice(&s->joined, rec->data) < 0 || buf_add_slice(&s->joined, text) < 0)
        return err_set(e, ERR_NOMEM, "delimiter: no memory for a record of %zu bytes", rec->data.n);
    return out->emit(out, rec, buf_slice(&s->joined), NULL, 0);
}

static int delimiter_run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                         struct err *e)
{
    struct delimiter_state *s = state;

    for (size_t i = 0; i < count; i++) {
        if (delimiter_one(s, &records[i], out, e) < 0)
            return -1;
        buf_trim(&s->joined, TRANSFORM_KEEP_MAX);
    }
    return 0;
}

const struct transform_ops transform_delimiter = {
    .name = "delimiter",
    .help = "appends a delimiter to each record",
    .fields = FIELDS,
    .conf_size = sizeof(struct delimiter_conf),
    .scalar_option = "text",
    .load = delimiter_load,
    .open = delimiter_open,
    .close = delimiter_close,
    .run = delimiter_run,
};
