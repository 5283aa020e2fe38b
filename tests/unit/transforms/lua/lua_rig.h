/* lua_rig.h -- a script in a folder of its own, records through it, and the outcomes as text that tests compare.
 *
 *     {"a":1}            emitted; with keys behind it: {"a":1} [service=web]
 *     -                  dropped; with a reason: - [debug]
 *     ! CODE: message    failed
 */
#ifndef TESTS_UNIT_TRANSFORMS_LUA_LUA_RIG_H
#define TESTS_UNIT_TRANSFORMS_LUA_LUA_RIG_H

#include "tests/support/cmocka.h"

#include "config/bind.h"
#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/transform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rig {
    struct transform_out out;
    char folder[64];
    void *conf, *shared, *state;
    const struct transform_ops *ops;
    struct buf outcomes, log, counts, shown; /* of what failed */
    size_t objects;                          /* records that were said to be one JSON object */
    uint64_t seq;
    struct slice origin, facts;
    struct err err;
    struct cancel cancel;
};

static inline int rig_emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                           const struct transform_key *keys, size_t key_count)
{
    struct rig *rig = (struct rig *)o;

    (void)from;
    rig->objects += o->is_object;
    if (o->is_object) { /* then nobody will look again */
        struct json_reader r;

        json_open(&r, data, JSON_DEPTH_MAX);
        assert_int_equal(json_peek(&r), JSON_OBJECT);
        assert_true(json_skip(&r) && json_end(&r));
    }
    assert_int_equal(buf_add_slice(&rig->outcomes, data), 0);
    for (size_t i = 0; i < key_count; i++)
        assert_int_equal(buf_printf(&rig->outcomes, " [%.*s=%.*s]", (int)keys[i].name.n, keys[i].name.p,
                                    (int)keys[i].value.n, keys[i].value.p),
                         0);
    assert_int_equal(buf_add_char(&rig->outcomes, '\n'), 0);
    return 0;
}

static inline void rig_drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    struct rig *rig = (struct rig *)o;

    (void)from;
    if (reason.n)
        assert_int_equal(buf_printf(&rig->outcomes, "- [%.*s]\n", (int)reason.n, reason.p), 0);
    else
        assert_int_equal(buf_add_str(&rig->outcomes, "-\n"), 0);
}

static inline int rig_fail(struct transform_out *o, const struct transform_record *from, const char *code,
                           struct slice message, struct slice shown)
{
    struct rig *rig = (struct rig *)o;

    (void)from;
    assert_int_equal(buf_printf(&rig->shown, "%.*s\n", (int)shown.n, shown.p), 0);
    assert_int_equal(buf_printf(&rig->outcomes, "! %s: %.*s\n", code, (int)message.n, message.p), 0);
    return 0;
}

static inline void rig_log(struct transform_out *o, int level, struct slice text)
{
    struct rig *rig = (struct rig *)o;

    assert_int_equal(buf_printf(&rig->log, "%d %.*s\n", level, (int)text.n, text.p), 0);
}

static inline void rig_count(struct transform_out *o, struct slice name, double by)
{
    struct rig *rig = (struct rig *)o;

    assert_int_equal(buf_printf(&rig->counts, "%.*s %g\n", (int)name.n, name.p, by), 0);
}

static inline void rig_file(struct rig *rig, const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", rig->folder, name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    mem_free(path);
}

static inline struct rig *rig_new(const char *script)
{
    struct rig *rig = mem_alloc(sizeof(*rig));

    rig->out = (struct transform_out){
        .emit = rig_emit, .drop = rig_drop, .fail = rig_fail, .count = rig_count, .log = rig_log};
    snprintf(rig->folder, sizeof(rig->folder), "/tmp/sluice-lua-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    buf_init(&rig->outcomes, 64 * MIB);
    buf_init(&rig->log, MIB);
    buf_init(&rig->counts, MIB);
    buf_init(&rig->shown, MIB);
    rig->ops = transform_find("lua");
    assert_non_null(rig->ops);
    rig->origin = SLICE("input=tail path=/var/log/a b.log");
    rig->seq = 1000;
    rig_file(rig, "t.lua", script);
    return rig;
}

/* `yaml` is the transform's mapping: "lua: t.lua, timeout: 50ms". Where it says nothing of time there is plenty, so that
 * no sanitizer on a busy machine runs out of it. */
static inline int rig_load(struct rig *rig, const char *yaml)
{
    struct cfg_errors *errs = cfg_errors_new();
    char *text = mem_printf("{%s%s}\n", yaml, strstr(yaml, "timeout") ? "" : ", timeout: 60s");
    struct cfg_tree *t = cfg_tree_parse("t.yaml", text, strlen(text), errs);
    struct buf printed;

    buf_init(&printed, MIB);
    assert_non_null(t);
    rig->conf = mem_alloc(rig->ops->conf_size);
    cfg_bind(errs, cfg_tree_root(t), rig->ops->fields, rig->conf);
    if (cfg_errors_count(errs)) {
        cfg_errors_print(errs, &printed);
        fail_msg("%s", buf_cstr(&printed));
    }
    buf_release(&printed);
    cfg_tree_free(&t);
    cfg_errors_free(&errs);
    mem_free(text);
    return rig->ops->load(&rig->shared, rig->conf, &(struct transform_env){.stream = "s", .base_dir = rig->folder},
                          &rig->err);
}

static inline void rig_open(struct rig *rig, const char *yaml)
{
    char text[800];

    if (rig_load(rig, yaml) < 0 || rig->ops->open(&rig->state, rig->shared, &rig->cancel, &rig->err) < 0)
        fail_msg("%s", err_text(&rig->err, text, sizeof(text)));
}

static inline void rig_begin(struct rig *rig)
{
    buf_clear(&rig->outcomes);
    buf_clear(&rig->shown);
    if (rig->ops->begin(rig->state, &rig->err) < 0)
        fail_msg("%s", rig->err.msg);
}

static inline int rig_run(struct rig *rig, const struct slice *data, size_t count)
{
    struct transform_record *records = mem_array(count, sizeof(*records));
    int rc;

    for (size_t i = 0; i < count; i++) /* a copy whose end the sanitizer knows */
        records[i] = (struct transform_record){
            .data = slice_of(mem_strndup(data[i].p, data[i].n), data[i].n),
            .origin = rig->origin,
            .facts = slice_of(mem_strndup(rig->facts.n ? rig->facts.p : "", rig->facts.n), rig->facts.n),
            .seq = rig->seq++,
            .arrival = 1700000000500 * NSEC_PER_MSEC};
    rc = rig->ops->run(rig->state, records, count, &rig->out, &rig->err);
    for (size_t i = 0; i < count; i++) {
        mem_free((void *)(uintptr_t)records[i].data.p);
        mem_free((void *)(uintptr_t)records[i].facts.p);
    }
    mem_free(records);
    return rc;
}

static inline const char *rig_end(struct rig *rig)
{
    if (rig->ops->end(rig->state, &rig->out, &rig->err) < 0)
        fail_msg("%s", rig->err.msg);
    return buf_cstr(&rig->outcomes);
}

/* One batch of one record. */
static inline const char *rig_one(struct rig *rig, const char *record)
{
    struct slice data = slice_str(record);

    rig_begin(rig);
    assert_int_equal(rig_run(rig, &data, 1), 0);
    return rig_end(rig);
}

static inline void rig_free(struct rig *rig)
{
    char *command = mem_printf("rm -rf %s", rig->folder);

    if (rig->state)
        rig->ops->close(&rig->state);
    if (rig->shared)
        rig->ops->unload(&rig->shared);
    if (rig->conf)
        cfg_release(rig->ops->fields, rig->conf);
    mem_free(rig->conf);
    buf_release(&rig->outcomes);
    buf_release(&rig->log);
    buf_release(&rig->counts);
    buf_release(&rig->shown);
    assert_int_equal(system(command), 0);
    mem_free(command);
    mem_free(rig);
}

/* A script, one record, what becomes of it. */
#define EXPECT(script, record, want)                                                                                   \
    do {                                                                                                               \
        struct rig *rig_ = rig_new(script);                                                                            \
        rig_open(rig_, "lua: t.lua");                                                                                  \
        assert_string_equal(rig_one(rig_, record), want);                                                              \
        rig_free(rig_);                                                                                                \
    } while (0)

/* The same for the body of transform(r, meta). */
#define BODY(body, record, want) EXPECT("function transform(r, meta)\n" body "\nend\n", record, want)

#endif
