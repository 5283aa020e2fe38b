/* json.c -- what reading JSON lines and running scripts on them costs, in MB per CPU second.
 *
 *     bench_json FILE [SCRIPT...]
 *  -> walk 1480.2              every line checked whole
 *     field 1502.9             one field of every line found (which checks the line)
 *     script.lua 610.0         transform() on every line, what it emits copied once
 *
 * The file is in memory before; each figure is the best of several passes, as the machine may be busy.
 */
#include "pipeline/base/buf.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/lua/doc.h"
#include "transforms/lua/vm.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PASSES = 7, GROUP = 3000 };

struct lines {
    struct slice *v;
    size_t count, bytes;
};

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_lines(const char *path, struct lines *l)
{
    FILE *f = fopen(path, "r");
    char *text, *p, *end;
    long size;

    if (!f || fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) < 0) {
        perror(path);
        return -1;
    }
    text = mem_alloc((size_t)size + 1);
    if (fread(text, 1, (size_t)size, f) != (size_t)size) {
        perror(path);
        return -1;
    }
    fclose(f);
    for (p = text; (end = strchr(p, '\n')); p = end + 1) {
        if (l->count % 4096 == 0)
            l->v = mem_grow(l->v, l->count + 4096, sizeof(*l->v));
        l->v[l->count++] = slice_of(p, (size_t)(end - p));
    }
    l->bytes = (size_t)(p - text);
    return 0;
}

static int walk(const struct lines *l, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < l->count; i++)
        if (!json_valid(l->v[i], 32))
            return -1;
    return 0;
}

static void *memory(void *ctx, void *p, size_t old_size, size_t size)
{
    (void)ctx;
    (void)old_size;
    if (size)
        return mem_grow(p, size, 1);
    mem_free(p);
    return NULL;
}

static int field(const struct lines *l, void *ctx)
{
    struct arena *a = ctx;
    struct lua_doc_error error;
    size_t found = 0;

    for (size_t i = 0; i < l->count; i++) {
        struct lua_doc_node *node = lua_doc_open(a, l->v[i], &error);

        found += node && lua_doc_find(a, node, SLICE("level"));
        arena_reset(a);
    }
    return found == l->count ? 0 : -1;
}

/* --- scripts --- */

struct sink {
    struct transform_out out;
    char copy[2 * API_RECORD_MAX];
    size_t failed;
};

static int emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                const struct transform_key *keys, size_t key_count)
{
    struct sink *s = (struct sink *)o;

    (void)from;
    (void)keys;
    (void)key_count;
    memcpy(s->copy, data.p, data.n < sizeof(s->copy) ? data.n : sizeof(s->copy));
    return 0;
}

static void drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    (void)o;
    (void)from;
    (void)reason;
}

static int fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                struct slice shown)
{
    struct sink *s = (struct sink *)o;

    (void)shown, (void)from;
    if (s->failed++ == 0)
        fprintf(stderr, "%s: %.*s\n", code, (int)message.n, message.p);
    return 0;
}

static int script(const struct lines *l, void *ctx)
{
    static struct sink sink;
    static struct transform_record records[GROUP];
    struct lua_vm *w = ctx;
    struct err e;

    sink.out = (struct transform_out){.emit = emit, .drop = drop, .fail = fail};
    for (size_t i = 0; i < l->count;) {
        size_t n = 0;

        for (; n < GROUP && i < l->count; n++, i++)
            records[n] = (struct transform_record){.data = l->v[i], .seq = i};
        if (lua_vm_begin(w, &e) < 0 || lua_vm_run(w, records, n, &sink.out, &e) < 0 || lua_vm_end(w, &sink.out, &e) < 0)
            return -1;
    }
    return sink.failed ? -1 : 0;
}

static int measure(const char *name, const struct lines *l, int (*run)(const struct lines *, void *), void *ctx)
{
    double best = 0;

    for (int pass = 0; pass < PASSES; pass++) {
        double began = cpu_now(), rate;

        if (run(l, ctx) < 0) {
            fprintf(stderr, "bench_json: %s failed\n", name);
            return -1;
        }
        rate = (double)l->bytes / 1e6 / (cpu_now() - began);
        best = rate > best ? rate : best;
    }
    printf("%s %.1f\n", name, best);
    fflush(stdout);
    return 0;
}

static int measure_script(const char *path, const struct lines *l)
{
    struct lua_vm_options o = {
        .stream = "bench", .timeout = NSEC_PER_SEC, .batch_timeout = 60 * NSEC_PER_SEC, .memory = 64 * MIB};
    struct lua_vm *w = NULL;
    struct err e = {0};
    struct lua_script *s = lua_script_load(path, path, &e);
    char text[800];
    int rc;

    if (!s || lua_vm_open(&w, s, &o, true, &e) < 0) {
        fprintf(stderr, "bench_json: %s\n", err_text(&e, text, sizeof(text)));
        return -1;
    }
    rc = measure(path, l, script, w);
    lua_vm_close(&w);
    lua_script_drop(&s);
    return rc;
}

int main(int argc, char **argv)
{
    struct lines l = {0};
    struct arena a;
    int rc;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_json FILE [SCRIPT...]\n");
        return 2;
    }
    if (read_lines(argv[1], &l) < 0)
        return 1;
    arena_init(&a, memory, NULL);
    rc = measure("walk", &l, walk, NULL) | measure("field", &l, field, &a);
    for (int i = 2; i < argc; i++)
        rc |= measure_script(argv[i], &l);
    arena_release(&a);
    return rc < 0 ? 1 : 0;
}
