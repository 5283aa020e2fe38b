/* transform_rig.h -- a transform as the daemon would have it: options as YAML, bound with its own table; what becomes
 * of a record is written down as text, one line per outcome:
 *
 *   emit <data>     drop <reason>     fail <code> <message>
 */
#ifndef TESTS_UNIT_TRANSFORMS_TRANSFORM_RIG_H
#define TESTS_UNIT_TRANSFORMS_TRANSFORM_RIG_H

#include "config/bind.h"
#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/mem.h"
#include "transforms/transform.h"

#include <stdio.h>
#include <stdlib.h>

struct transform_rig {
    struct transform_out out;
    const struct transform_ops *ops;
    void *conf, *shared, *state;
    struct cfg_tree *tree;
    struct buf outcomes;
    size_t emits;
    size_t refuse_after; /* emit() answers -1 for good after so many; SIZE_MAX: never */
};

static inline struct transform_rig *rig_of(struct transform_out *o)
{
    return CONTAINER_OF(o, struct transform_rig, out);
}

static inline void rig_line(struct transform_rig *r, const char *kind, struct slice text)
{
    if (buf_printf(&r->outcomes, "%s %.*s\n", kind, (int)text.n, text.p ? text.p : "") < 0)
        abort();
}

static inline int rig_emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                           const struct transform_key *keys, size_t key_count)
{
    struct transform_rig *r = rig_of(o);

    (void)from, (void)keys, (void)key_count;
    if (r->emits == r->refuse_after)
        return -1;
    r->emits++;
    rig_line(r, "emit", data);
    return 0;
}

static inline void rig_drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    (void)from;
    rig_line(rig_of(o), "drop", reason);
}

static inline int rig_fail(struct transform_out *o, const struct transform_record *from, const char *code,
                           struct slice message, struct slice shown)
{
    (void)shown, (void)from;
    if (buf_printf(&rig_of(o)->outcomes, "fail %s %.*s\n", code, (int)message.n, message.p) < 0)
        abort();
    return 0;
}

static inline void rig_bind(struct transform_rig *r, const char *yaml)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct buf text;

    r->conf = mem_alloc(r->ops->conf_size);
    r->tree = cfg_tree_parse("test.yaml", yaml, strlen(yaml), errs);
    if (r->tree)
        cfg_bind(errs, cfg_tree_root(r->tree), r->ops->fields, r->conf);
    if (cfg_errors_count(errs) > 0) {
        buf_init(&text, 64 * 1024);
        cfg_errors_print(errs, &text);
        fprintf(stderr, "%s", buf_cstr(&text));
        abort();
    }
    cfg_errors_free(&errs);
}

/* -1 with *e when load() or open() refuses; a YAML mistake ends the test. */
static inline int rig_open(struct transform_rig *r, const char *name, const char *yaml, struct err *e)
{
    static const struct transform_env ENV = {"app-logs", "."};

    *r = (struct transform_rig){.ops = transform_find(name), .refuse_after = SIZE_MAX};
    r->out.emit = rig_emit;
    r->out.drop = rig_drop;
    r->out.fail = rig_fail;
    buf_init(&r->outcomes, 64 * 1024 * 1024);
    rig_bind(r, yaml);
    if (r->ops->load(&r->shared, r->conf, &ENV, e) < 0)
        return -1;
    return r->ops->open(&r->state, r->shared, NULL, e);
}

static inline void rig_close(struct transform_rig *r)
{
    if (r->state)
        r->ops->close(&r->state);
    if (r->shared)
        transform_unload(r->ops, &r->shared);
    cfg_release(r->ops->fields, r->conf);
    mem_free(r->conf);
    cfg_tree_free(&r->tree);
    buf_release(&r->outcomes);
}

/* What becomes of one record; borrowed until the next call. */
static inline const char *rig_run(struct transform_rig *r, struct slice data, int *rc)
{
    struct transform_record rec = {.data = data, .seq = 1};
    struct err e = {0};

    buf_clear(&r->outcomes);
    *rc = transform_begin(r->ops, r->state, &e);
    if (*rc == 0)
        *rc = r->ops->run(r->state, &rec, 1, &r->out, &e);
    if (*rc == 0)
        *rc = transform_end(r->ops, r->state, &r->out, &e);
    return buf_cstr(&r->outcomes);
}

static inline const char *rig_outcomes(struct transform_rig *r, struct slice data)
{
    int rc;
    const char *outcomes = rig_run(r, data, &rc);

    if (rc != 0)
        abort();
    return outcomes;
}

#endif
