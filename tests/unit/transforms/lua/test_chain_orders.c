/* Chains of every order: whatever the transforms do to a record, it has an outcome, and only its own. */
#include "tests/support/cmocka.h"

#include "config/bind.h"
#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/chain.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS 24
#define LINKS   3

/* What a script does with a record is what the record says. */
static const char BY_RECORD[] = "function transform(r)\n"
                                "  local text = r.raw\n"
                                "  if text:find('drop') then return nil end\n"
                                "  if text:find('fail') then error('fails') end\n"
                                "  if text:find('none') then return {} end\n"
                                "  if text:find('many') then return {r, text .. '1', text .. '2'} end\n"
                                "  return r\n"
                                "end\n";
static const char REVERSED[] = "function batch(rs)\n"
                               "  local out = {}\n"
                               "  for i = #rs, 1, -1 do\n"
                               "    if not rs[i].raw:find('late') then out[#out + 1] = rs[i] end\n"
                               "    if rs[i].raw:find('twice') then out[#out + 1] = rs[i] end\n"
                               "  end\n"
                               "  return out\n"
                               "end\n";

static const struct kind {
    const char *op, *options;
} KINDS[] = {
    {"lua", "{ lua: by_record.lua, timeout: 60s }"},
    {"lua", "{ lua: reversed.lua, timeout: 60s, batch_timeout: 60s }"},
    {"decompress", "{ not_gzip: pass }"},
    {"deaggregate", "{ split: delimiter, delimiter: '|' }"},
    {"delimiter", "{ text: ';' }"},
};

struct outcome {
    unsigned emitted, dropped, failed;
};

struct run {
    struct transform_out out;
    char folder[64];
    struct outcome outcomes[RECORDS];
    const struct transform_ops *ops[LINKS];
    void *conf[LINKS];
    struct chain *chain;
    struct chain_state *state;
};

static struct outcome *outcome_of(struct transform_out *o, const struct transform_record *from)
{
    assert_true(from->seq < RECORDS);
    return &((struct run *)o)->outcomes[from->seq];
}

static int on_emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                   const struct transform_key *keys, size_t key_count)
{
    (void)data, (void)keys, (void)key_count;
    outcome_of(o, from)->emitted++;
    return 0;
}

static void on_drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    (void)reason;
    outcome_of(o, from)->dropped++;
}

static int on_fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                   struct slice shown)
{
    (void)shown, (void)code, (void)message;
    outcome_of(o, from)->failed++;
    return 0;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static void *bind(const struct transform_ops *ops, const char *options)
{
    struct cfg_errors *errs = cfg_errors_new();
    char *text = mem_printf("%s\n", options);
    struct cfg_tree *tree = cfg_tree_parse("t.yaml", text, strlen(text), errs);
    void *conf = mem_alloc(ops->conf_size);

    assert_non_null(tree);
    cfg_bind(errs, cfg_tree_root(tree), ops->fields, conf);
    assert_int_equal(cfg_errors_count(errs), 0);
    cfg_tree_free(&tree);
    cfg_errors_free(&errs);
    mem_free(text);
    return conf;
}

static void run_open(struct run *run, const char *folder, const struct kind *const *kinds, size_t count)
{
    struct transform_env env = {.stream = "s", .base_dir = folder};
    struct chain_part parts[LINKS];
    struct err e = {0};

    *run = (struct run){.out = {.emit = on_emit, .drop = on_drop, .fail = on_fail}};
    for (size_t i = 0; i < count; i++) {
        run->ops[i] = transform_find(kinds[i]->op);
        run->conf[i] = bind(run->ops[i], kinds[i]->options);
        parts[i] = (struct chain_part){.ops = run->ops[i], .conf = run->conf[i]};
    }
    if (chain_load(&run->chain, parts, count, &env, &e) < 0 || chain_open(&run->state, run->chain, NULL, &e) < 0)
        fail_msg("%s: %s", kinds[0]->options, e.msg);
}

static void run_close(struct run *run)
{
    chain_close(&run->state);
    chain_unload(&run->chain);
    for (size_t i = 0; i < LINKS && run->ops[i]; i++) {
        cfg_release(run->ops[i]->fields, run->conf[i]);
        mem_free(run->conf[i]);
    }
}

/* One batch, in two calls, whose bytes are gone behind each; twice, so that nothing is left of the first. */
static void run_batch(struct run *run, const char *const *texts, size_t count)
{
    struct err e = {0};

    memset(run->outcomes, 0, sizeof(run->outcomes));
    if (chain_begin(run->state, &e) < 0)
        fail_msg("%s", e.msg);
    for (size_t from = 0; from < RECORDS; from += RECORDS / 2) {
        struct transform_record records[RECORDS / 2];

        for (size_t i = 0; i < RECORDS / 2; i++)
            records[i] = (struct transform_record){.data = slice_str(mem_strdup(texts[(from + i) % count])),
                                                   .origin = SLICE("input=x"),
                                                   .seq = from + i,
                                                   .arrival = NSEC_PER_SEC};
        if (chain_run(run->state, records, RECORDS / 2, &run->out, &e) < 0)
            fail_msg("%s", e.msg);
        for (size_t i = 0; i < RECORDS / 2; i++)
            mem_free((void *)(uintptr_t)records[i].data.p);
    }
    if (chain_end(run->state, &run->out, &e) < 0 || chain_finish(run->state, true, &run->out, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(chain_memory(run->state) < 64 * KIB, 1);
}

static const struct texts {
    const char *at[8];
    size_t count;
} BATCHES[] = {
    {{"keep"}, 1},           {{"drop"}, 1},
    {{"fail"}, 1},           {{"none"}, 1},
    {{"many"}, 1},           {{"late"}, 1},
    {{"twice"}, 1},          {{"a|b|c"}, 1},
    {{"many|drop|many"}, 1}, {{"keep", "drop", "fail", "many", "none", "late", "twice", "fail|keep|drop"}, 8},
    {{"drop", "fail"}, 2},   {{"", "|", "\xf3\x89\x9a\xc2", "\x1f\x8b\x08", "{\"a\":1}", "[]"}, 6},
};

static void check_outcomes(const struct run *run, const char *const *texts, size_t count, const char *what)
{
    for (size_t i = 0; i < RECORDS; i++) {
        const struct outcome *f = &run->outcomes[i];

        if (f->dropped > 1 || f->failed > 1 || (f->dropped && (f->emitted || f->failed)) ||
            (!f->dropped && !f->failed && !f->emitted))
            fail_msg("%s: `%s` is emitted %u times, dropped %u, failed %u", what, texts[i % count], f->emitted,
                     f->dropped, f->failed);
    }
}

static void try_chain(const char *folder, const struct kind *const *kinds, size_t count)
{
    char what[400] = "";
    struct run run;

    for (size_t i = 0; i < count; i++)
        snprintf(what + strlen(what), sizeof(what) - strlen(what), "%s %s, ", kinds[i]->op, kinds[i]->options);
    run_open(&run, folder, kinds, count);
    for (size_t i = 0; i < ARRAY_LEN(BATCHES); i++)
        for (int turn = 0; turn < 2; turn++) {
            run_batch(&run, BATCHES[i].at, BATCHES[i].count);
            check_outcomes(&run, BATCHES[i].at, BATCHES[i].count, what);
        }
    run_close(&run);
}

static void any_record_has_one_outcome_in_any_chain(void **state)
{
    char folder[] = "/tmp/sluice-chain-XXXXXX", command[64];
    size_t n = ARRAY_LEN(KINDS), total = n + n * n + n * n * n;

    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file(folder, "by_record.lua", BY_RECORD);
    write_file(folder, "reversed.lua", REVERSED);
    for (size_t i = 0; i < total; i++) {
        size_t count = i < n ? 1 : i < n + n * n ? 2 : 3, rest = count == 1 ? i : count == 2 ? i - n : i - n - n * n;
        const struct kind *kinds[LINKS];

        for (size_t k = 0; k < count; k++, rest /= n)
            kinds[k] = &KINDS[rest % n];
        try_chain(folder, kinds, count);
    }
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

/* The options of the example that NAME_test.yaml tests: it may begin with a `config`. */
static bool example_options(const char *test, char *options, size_t size)
{
    char path[300], line[256] = "";
    const char *end = strstr(test, "_test.yaml");
    FILE *f;

    if (!end)
        return false;
    snprintf(path, sizeof(path), "config/examples/scripts/%s", test);
    f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof(line), f));
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    snprintf(options, size, "{ lua: %.*s.lua, timeout: 60s, batch_timeout: 60s%s%s }", (int)(end - test), test,
             strncmp(line, "config:", 7) == 0 ? ", " : "", strncmp(line, "config:", 7) == 0 ? line : "");
    return true;
}

static void any_record_has_one_outcome_in_the_examples(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"message\":\"GET /healthz HTTP/1.1\",\"path\":\"/healthz\",\"status\":200}",
        "{\"message\":\"ann@example.com 4111 1111 1111 1111\"}",
        "127.0.0.1 - - [10/Oct/2025:13:55:36 +0000] \"GET / HTTP/1.1\" 200 2",
        "<165>1 2025-10-11T22:14:15Z host app 1 ID1 - text",
        "java.lang.Exception: x",
        "\tat a.b.C(D.java:1)",
        "{\"kubernetes\":{\"labels\":{\"a.b/c\":\"d\"}},\"log\":\"x\"}",
        "app.requests:1|c|#a:b",
        "not anything",
        "",
        "\xff\xfe",
    };
    DIR *d = opendir("config/examples/scripts");
    struct dirent *entry;
    unsigned tried = 0;

    (void)state;
    assert_non_null(d);
    while ((entry = readdir(d))) {
        char options[600];
        struct kind script = {"lua", options};
        struct run run;

        if (!example_options(entry->d_name, options, sizeof(options)))
            continue;
        for (size_t count = 1; count <= 2; count++) {
            run_open(&run, "config/examples/scripts", (const struct kind *const[]){&script, &KINDS[4]}, count);
            run_batch(&run, texts, ARRAY_LEN(texts));
            check_outcomes(&run, texts, ARRAY_LEN(texts), entry->d_name);
            run_close(&run);
        }
        tried++;
    }
    closedir(d);
    assert_true(tried > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_record_has_one_outcome_in_any_chain),
        cmocka_unit_test(any_record_has_one_outcome_in_the_examples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
