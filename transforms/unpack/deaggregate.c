/* One record that holds many becomes the many: first what the Kinesis Producer Library packed, then, if asked for, JSON
 * objects that stand one behind the other, or pieces between delimiters. As Firehose does it: white space between JSON
 * objects and empty pieces between delimiters are left out, and a record of more than `max` pieces goes on whole. */
#include "transforms/transform.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/unpack/kpl.h"

#include <stdio.h>

enum split_by {
    SPLIT_NONE,
    SPLIT_JSON,
    SPLIT_DELIMITER,
};

static const struct cfg_choice SPLITS[] = {
    {"none", SPLIT_NONE}, {"json", SPLIT_JSON}, {"delimiter", SPLIT_DELIMITER}, {NULL, 0}};

struct deaggregate_conf {
    bool kpl;
    int split;
    char *delimiter;
    int64_t max;
};

static const struct cfg_field FIELDS[] = {
    {.name = "split",
     .type = CFG_ENUM,
     .offset = offsetof(struct deaggregate_conf, split),
     .choices = SPLITS,
     .def = "none",
     .help = "what else to split: JSON objects that stand one behind the other, or text at each delimiter"},
    {.name = "delimiter",
     .type = CFG_STRING,
     .offset = offsetof(struct deaggregate_conf, delimiter),
     .max = TRANSFORM_DELIMITER_MAX,
     .help = "for split: delimiter; a newline when left out"},
    {.name = "max",
     .type = CFG_INT,
     .offset = offsetof(struct deaggregate_conf, max),
     .def = "500",
     .min = 1,
     .max = 100000,
     .unit = "pieces",
     .help = "a record that `split` would cut into more than this goes on whole, as in Firehose"},
    {.name = "kpl",
     .type = CFG_BOOL,
     .offset = offsetof(struct deaggregate_conf, kpl),
     .def = "true",
     .help = "unpack what the Kinesis Producer Library packed"},
    {.name = NULL},
};

struct deaggregate {
    bool kpl;
    enum split_by split;
    size_t max;
    size_t delimiter_n;
    char delimiter[TRANSFORM_DELIMITER_MAX];
};

static int deaggregate_load(void **shared, const void *conf, const struct transform_env *env, struct err *e)
{
    const struct deaggregate_conf *c = conf;
    struct slice delimiter = c->delimiter && *c->delimiter ? slice_str(c->delimiter) : SLICE("\n");
    struct deaggregate *d;

    (void)env;
    if (c->split != SPLIT_DELIMITER && c->delimiter)
        return err_set(e, ERR_CONFIG, "`delimiter` means something with `split: delimiter` only");
    d = mem_alloc(sizeof(*d));
    d->kpl = c->kpl;
    d->split = (enum split_by)c->split;
    d->max = (size_t)c->max;
    d->delimiter_n = delimiter.n;
    memcpy(d->delimiter, delimiter.p, delimiter.n);
    *shared = d;
    return 0;
}

/* Nothing is remembered between records: the state is what load() made, only read. */
static int deaggregate_open(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    (void)cancel, (void)e;
    *state = shared;
    return 0;
}

static void deaggregate_close(void **state)
{
    *state = NULL;
}

/* Cuts the next JSON object off *rest. 1: there is one, 0: the end, -1: no object stands there. */
static int next_object(struct slice *rest, struct slice *out)
{
    struct json_reader r;
    size_t used;

    json_open(&r, *rest, JSON_DEPTH_MAX);
    if (json_peek(&r) == JSON_NONE && !r.error)
        return 0;
    if (json_peek(&r) != JSON_OBJECT || !json_value(&r, out))
        return -1;
    used = (size_t)(out->p + out->n - rest->p);
    *rest = slice_of(rest->p + used, rest->n - used);
    return 1;
}

/* Cuts the next piece that is not empty off *rest. 1: there is one, 0: the end. */
static int next_piece(const struct deaggregate *d, struct slice *rest, struct slice *out)
{
    while (rest->n > 0) {
        const char *at = memmem(rest->p, rest->n, d->delimiter, d->delimiter_n);
        size_t used = at ? (size_t)(at - rest->p) + d->delimiter_n : rest->n;

        *out = slice_of(rest->p, at ? (size_t)(at - rest->p) : rest->n);
        *rest = slice_of(rest->p + used, rest->n - used);
        if (out->n > 0)
            return 1;
    }
    return 0;
}

static int next(const struct deaggregate *d, struct slice *rest, struct slice *out)
{
    return d->split == SPLIT_JSON ? next_object(rest, out) : next_piece(d, rest, out);
}

/* How many pieces there are, counted to one more than max; -1: not all of it is JSON objects. */
static long count_pieces(const struct deaggregate *d, struct slice rest)
{
    struct slice piece;
    long pieces = 0;
    int rc = 1;

    while ((size_t)pieces <= d->max && (rc = next(d, &rest, &piece)) == 1)
        pieces++;
    return rc < 0 ? -1 : pieces;
}

/* What is to be done with the bytes of one user record, decided before anything is given out. */
enum plan {
    PLAN_WHOLE,
    PLAN_SPLIT,
    PLAN_REFUSE,
};

static enum plan plan_for(const struct deaggregate *d, struct slice data, size_t *pieces)
{
    long found = d->split == SPLIT_NONE ? 0 : count_pieces(d, data);
    bool whole = found == 0 || (found > 0 && (size_t)found > d->max);

    *pieces = whole || found < 0 ? 1 : (size_t)found;
    if (found < 0)
        return PLAN_REFUSE;
    return whole ? PLAN_WHOLE : PLAN_SPLIT;
}

static int emit_data(const struct deaggregate *d, const struct transform_record *rec, struct slice data,
                     struct transform_out *out)
{
    struct slice piece;
    size_t pieces;

    if (plan_for(d, data, &pieces) == PLAN_WHOLE)
        return out->emit(out, rec, data, NULL, 0);
    while (next(d, &data, &piece) == 1)
        if (out->emit(out, rec, piece, NULL, 0) < 0)
            return -1;
    return 0;
}

/* Says nothing of what is in the record. */
static int refuse(struct transform_out *out, const struct transform_record *rec, const char *code, struct slice why)
{
    return out->fail(out, rec, code, why, why);
}

static int refuse_json(const struct transform_record *rec, struct transform_out *out)
{
    return refuse(out, rec, "RecordDeAggregation.InvalidJson",
                  SLICE("deaggregate: not a row of JSON objects (an array of them is not one)"));
}

/* A packed record fails as a whole when one of its records would, or when they are too many: a record has one outcome. */
static int unpack(const struct deaggregate *d, const struct transform_record *rec, struct kpl_reader packed,
                  struct transform_out *out)
{
    struct kpl_reader look = packed;
    size_t total = 0, pieces;
    struct slice data;
    char why[128];

    for (; kpl_next(&look, &data); total += pieces)
        if (plan_for(d, data, &pieces) == PLAN_REFUSE)
            return refuse_json(rec, out);
    if (transform_makes_too_much(total, 0, why, sizeof(why)))
        return refuse(out, rec, TRANSFORM_MADE_CODE, slice_str(why));
    while (kpl_next(&packed, &data))
        if (emit_data(d, rec, data, out) < 0)
            return -1;
    return 0;
}

static int deaggregate_one(const struct deaggregate *d, const struct transform_record *rec, struct transform_out *out)
{
    struct kpl_reader packed;
    const char *why = NULL;
    enum kpl_kind kind = d->kpl ? kpl_open(&packed, rec->data, &why) : KPL_NOT;
    size_t pieces;
    char text[128];

    if (kind == KPL_AGGREGATED)
        return unpack(d, rec, packed, out);
    if (kind == KPL_MALFORMED) {
        snprintf(text, sizeof(text), "deaggregate: KPL record: %s", why);
        return refuse(out, rec, "RecordDeAggregation.InvalidKpl", slice_str(text));
    }
    if (plan_for(d, rec->data, &pieces) == PLAN_REFUSE)
        return refuse_json(rec, out);
    return emit_data(d, rec, rec->data, out);
}

static int deaggregate_run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                           struct err *e)
{
    (void)e;
    for (size_t i = 0; i < count; i++)
        if (deaggregate_one(state, &records[i], out) < 0)
            return -1;
    return 0;
}

const struct transform_ops transform_deaggregate = {
    .name = "deaggregate",
    .help = "records that hold several become several: KPL, JSON objects in a row, text with delimiters",
    .fields = FIELDS,
    .conf_size = sizeof(struct deaggregate_conf),
    .scalar_option = "split",
    .load = deaggregate_load,
    .open = deaggregate_open,
    .close = deaggregate_close,
    .run = deaggregate_run,
};
