/* fuzz_lua.c -- through Lua and back: what a script reads and returns is what the reference reads.
 *
 * Each document goes three ways: copied to plain tables and encoded, field by field into a new record, and as a record
 * that is changed and changed back. Numbers become Lua's, so they are compared as such.
 */
#include "pipeline/base/mem.h"
#include "tests/fuzz/reference.h"
#include "transforms/lua/vm.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char SCRIPT[] = "local function walk(x) if type(x) ~= 'userdata' or x == sluice.null then return x end\n"
                             "  local t = sluice.text(x):find('^%s*%[') and sluice.array() or {}\n"
                             "  for k, v in pairs(x) do t[k] = walk(v) end return t end\n"
                             "function transform(r)\n"
                             "  local first = sluice.text(r):match('^%s*(.)')\n"
                             "  if first == '[' then\n"
                             "    local n = #r r[n + 1] = 'more' r[n + 1] = nil\n"
                             "    return {sluice.array{sluice.copy(r)}, sluice.array{walk(r)}, r} end\n"
                             "  local n = 0 for k in pairs(r) do n = n + 1 end\n"
                             "  r['no such key'] = {1} r['no such key'] = nil\n"
                             "  return {sluice.array{sluice.copy(r)}, sluice.array{walk(r)}, r}\n"
                             "end\n";

static struct {
    struct transform_out out;
    const struct ref *want;
    size_t emitted, failed;
} sink;

static void check(bool holds)
{
    if (!holds)
        abort();
}

static double number(const struct ref *v)
{
    char *text = malloc(v->n + 1);
    double d;

    memcpy(text, v->text, v->n);
    text[v->n] = '\0';
    d = strtod(text, NULL);
    free(text);
    return d;
}

/* As Lua sees it: of duplicates the last, numbers by value, any order. */
static bool alike(const struct ref *a, const struct ref *b)
{
    size_t live = 0;

    if (a->kind != b->kind)
        return false;
    if (a->kind == '0')
        return number(a) == number(b);
    if (a->kind == '"')
        return ref_equal(a, b);
    for (size_t i = 0; i < a->count; i++) {
        size_t k = i;

        if (a->kind == '{') {
            if (ref_find(a, a->keys[i]->text, a->keys[i]->n) != i)
                continue;
            k = ref_find(b, a->keys[i]->text, a->keys[i]->n);
        }
        live++;
        if (k >= b->count || !alike(a->items[i], b->items[k]))
            return false;
    }
    return a->kind != '[' ? live == b->count : a->count == b->count;
}

/* What Lua cannot write: numbers beyond its floats. */
static bool has_infinity(const struct ref *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (has_infinity(v->items[i]))
            return true;
    return v->kind == '0' && isinf(number(v));
}

static int emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                const struct transform_key *keys, size_t key_count)
{
    struct ref *got = ref_parse(data.p, data.n, 1000);

    (void)o;
    (void)from;
    (void)keys;
    (void)key_count;
    check(got != NULL);
    check(sink.emitted < 2 ? got->count == 1 && alike(sink.want, got->items[0]) : ref_equal(sink.want, got));
    sink.emitted++;
    ref_free(got);
    return 0;
}

static void drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    (void)o;
    (void)from;
    (void)reason;
    abort();
}

static int fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                struct slice shown)
{
    (void)shown, (void)o;
    (void)from;
    (void)code;
    (void)message;
    sink.failed++;
    return 0;
}

static struct lua_vm *make_worker(void)
{
    struct lua_vm_options o = {
        .stream = "fuzz", .timeout = 10 * NSEC_PER_SEC, .batch_timeout = 10 * NSEC_PER_SEC, .memory = 64 << 20};
    char path[] = "/tmp/sluice-fuzz-XXXXXX";
    int fd = mkstemp(path);
    struct lua_vm *w = NULL;
    struct lua_script *s;
    struct err e;

    check(fd >= 0 && write(fd, SCRIPT, sizeof(SCRIPT) - 1) == sizeof(SCRIPT) - 1 && close(fd) == 0);
    s = lua_script_load(path, "fuzz.lua", &e);
    check(s && lua_vm_open(&w, s, &o, true, &e) == 0);
    unlink(path);
    lua_script_drop(&s);
    return w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lua_vm *w;
    char *text = malloc(size ? size : 1);
    struct transform_record record = {.data = {text, size}};
    struct ref *want;
    struct err e;

    if (!w)
        w = make_worker();
    if (size)
        memcpy(text, data, size);
    want = ref_parse(text, size, 126); /* two less than the limit: the copies are wrapped */
    sink.out = (struct transform_out){.emit = emit, .drop = drop, .fail = fail};
    sink.want = want;
    sink.emitted = sink.failed = 0;
    check(lua_vm_begin(w, &e) == 0 && lua_vm_run(w, &record, 1, &sink.out, &e) == 0);
    check(sink.emitted == 3 || sink.failed == 1);
    if (want && (want->kind == '{' || want->kind == '[') && !has_infinity(want))
        check(sink.emitted == 3);
    ref_free(want);
    free(text);
    return 0;
}
