/* Chains of scripts; outcomes are named by the source's data: "source -> emitted", "source -", "source !CODE". */
#include "pipeline/base/limits.h"
#include "tests/unit/transforms/lua/lua_rig.h"

#include "transforms/chain.h"

struct run {
    struct transform_out out;
    struct rig *rigs[CHAIN_MAX]; /* for their folders and options */
    struct chain_part parts[CHAIN_MAX];
    size_t count;
    struct chain *chain;
    struct chain_state *state;
    struct buf outcomes;
    struct cancel cancel;
    int emit_fails;
};

static int emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                const struct transform_key *keys, size_t key_count)
{
    struct run *run = (struct run *)o;

    if (run->emit_fails && --run->emit_fails == 0)
        return -1;
    assert_int_equal(buf_printf(&run->outcomes, "%.*s@%d -> %.*s", (int)from->data.n, from->data.p, (int)from->seq,
                                (int)data.n, data.p),
                     0);
    for (size_t i = 0; i < key_count; i++)
        assert_int_equal(buf_printf(&run->outcomes, " [%.*s=%.*s]", (int)keys[i].name.n, keys[i].name.p,
                                    (int)keys[i].value.n, keys[i].value.p),
                         0);
    assert_int_equal(buf_add_char(&run->outcomes, '\n'), 0);
    return 0;
}

static void drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    struct run *run = (struct run *)o;

    assert_int_equal(buf_printf(&run->outcomes, "%.*s@%d - %.*s\n", (int)from->data.n, from->data.p, (int)from->seq,
                                (int)reason.n, reason.p),
                     0);
}

static int fail_one(struct transform_out *o, const struct transform_record *from, const char *code,
                    struct slice message, struct slice shown)
{
    struct run *run = (struct run *)o;

    (void)shown;
    assert_int_equal(buf_printf(&run->outcomes, "%.*s@%d ! %s: %.*s\n", (int)from->data.n, from->data.p, (int)from->seq,
                                code, (int)message.n, message.p),
                     0);
    return 0;
}

static int ignore_fail(struct transform_out *o, const struct transform_record *from, const char *code,
                       struct slice message, struct slice shown)
{
    (void)shown, (void)o, (void)from, (void)code, (void)message;
    return 0;
}

static struct run *run_new(const char *const *scripts)
{
    struct run *run = mem_alloc(sizeof(*run));
    struct err e = {0};

    run->out = (struct transform_out){.emit = emit, .drop = drop, .fail = fail_one};
    buf_init(&run->outcomes, 16 * MIB);
    for (; scripts[run->count]; run->count++) {
        struct rig *rig = rig_new(scripts[run->count]);
        char *yaml = mem_printf("lua: %s/t.lua", rig->folder);

        assert_int_equal(rig_load(rig, yaml), 0);
        mem_free(yaml);
        run->rigs[run->count] = rig;
        run->parts[run->count] = (struct chain_part){.ops = rig->ops, .conf = rig->conf};
    }
    if (chain_load(&run->chain, run->parts, run->count, &(struct transform_env){.stream = "s"}, &e) < 0 ||
        chain_open(&run->state, run->chain, &run->cancel, &e) < 0)
        fail_msg("%s", e.msg);
    return run;
}

static void run_free(struct run *run)
{
    chain_close(&run->state);
    chain_unload(&run->chain);
    for (size_t i = 0; i < run->count; i++)
        rig_free(run->rigs[i]);
    buf_release(&run->outcomes);
    mem_free(run);
}

static void run_records(struct run *run, const char *const *texts, size_t count, uint64_t seq)
{
    struct transform_record *records = mem_array(count, sizeof(*records));
    struct err e = {0};

    for (size_t i = 0; i < count; i++)
        records[i] = (struct transform_record){.data = slice_str(mem_strdup(texts[i])),
                                               .origin = SLICE("input=x"),
                                               .facts = slice_of(mem_strndup("\1\1\0kv", 5), 5),
                                               .seq = seq + i};
    assert_int_equal(chain_run(run->state, records, count, &run->out, &e), 0);
    for (size_t i = 0; i < count; i++) { /* borrowed for the call only */
        mem_free((void *)(uintptr_t)records[i].data.p);
        mem_free((void *)(uintptr_t)records[i].facts.p);
    }
    mem_free(records);
}

static const char *run_batch(struct run *run, const char *const *texts, size_t count)
{
    struct err e = {0};

    buf_clear(&run->outcomes);
    assert_int_equal(chain_begin(run->state, &e), 0);
    run_records(run, texts, count, 1);
    assert_int_equal(chain_end(run->state, &run->out, &e), 0);
    return buf_cstr(&run->outcomes);
}

#define SCRIPTS(...)                                                                                                   \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }
#define TRANSFORM(body) "function transform(r, meta) " body " end"

static void what_comes_out_of_one_goes_into_the_next(void **state)
{
    struct run *run = run_new(SCRIPTS(TRANSFORM("return r.raw .. 'a'"), TRANSFORM("return r.raw .. 'b'"),
                                      TRANSFORM("return r.raw .. meta.sequence .. meta.input .. meta.k")));

    (void)state;
    assert_string_equal(run_batch(run, (const char *const[]){"x", "y"}, 2), "x@1 -> xab1xv\ny@2 -> yab2xv\n");
    run_free(run);
}

static void facts_are_those_of_the_source_also_behind_a_batch(void **state)
{
    struct run *run =
        run_new(SCRIPTS("function batch(rs, meta) return {rs[2], rs[1]} end", TRANSFORM("return r.raw .. meta.k")));

    (void)state;
    assert_string_equal(run_batch(run, (const char *const[]){"x", "y"}, 2), "y@2 -> yv\nx@1 -> xv\n");
    run_free(run);
}

static void outcomes_end_where_they_happen_and_name_the_source(void **state)
{
    struct run *run =
        run_new(SCRIPTS(TRANSFORM("if r.raw == 'one' then return meta.drop('first') end return r.raw .. '!'"),
                        TRANSFORM("if r.raw == 'two!' then error('second') end "
                                  "if r.raw == 'three!' then return meta.drop('late') end return r")));

    (void)state;
    assert_string_equal(run_batch(run, (const char *const[]){"one", "two", "three", "four"}, 4),
                        "one@1 - first\n"
                        "two@2 ! Lua.FunctionError: t.lua:1: second\n"
                        "three@3 - late\n"
                        "four@4 -> four!\n");
    run_free(run);
}

static void keys_add_up_and_the_later_one_counts(void **state)
{
    struct run *run =
        run_new(SCRIPTS(TRANSFORM("local k = meta.partition_keys k.a = '1' k.b = '1' return r"), TRANSFORM("return r"),
                        TRANSFORM("local k = meta.partition_keys k.b = '3' k.c = '3' return r")));

    (void)state;
    assert_string_equal(run_batch(run, (const char *const[]){"x"}, 1), "x@1 -> x [a=1] [b=3] [c=3]\n");
    run_free(run);
}

static void one_that_became_many_is_dropped_when_none_arrives(void **state)
{
    struct run *run =
        run_new(SCRIPTS(TRANSFORM("return {r.raw .. 1, r.raw .. 2, r.raw .. 3}"),
                        TRANSFORM("if r.raw:find('a') then return meta.drop(r.raw) end "
                                  "if r.raw == 'b2' then return nil end "
                                  "if r.raw == 'c1' or r.raw == 'c2' then error(r.raw) end return {r, r.raw .. '+'}")));

    (void)state;
    assert_string_equal(run_batch(run, (const char *const[]){"a", "b", "c"}, 3),
                        "a@1 - a3\n"
                        "b@2 -> b1\nb@2 -> b1+\nb@2 -> b3\nb@2 -> b3+\n"
                        "c@3 ! Lua.FunctionError: t.lua:1: c1\nc@3 -> c3\nc@3 -> c3+\n");
    run_free(run);
}

static void what_is_held_back_comes_with_its_source_at_the_end(void **state)
{
    static const char reverse[] = "function batch(rs) local out = {} for i = #rs, 1, -1 do if rs[i].raw ~= 'c!' then "
                                  "out[#out + 1] = rs[i] end end return out end";
    struct run *run = run_new(SCRIPTS(TRANSFORM("if r.raw == 'a' then return end return r.raw .. '!'"), reverse,
                                      TRANSFORM("if r.raw == 'd!' then error('no') end return r.raw .. '?'"), reverse));
    struct err e = {0};

    (void)state;
    assert_true(chain_holds(run->chain));
    for (int turn = 0; turn < 2; turn++) {
        buf_clear(&run->outcomes);
        assert_int_equal(chain_begin(run->state, &e), 0);
        run_records(run, (const char *const[]){"a", "b", "c"}, 3, 1);
        run_records(run, (const char *const[]){"d", "e"}, 2, 4);
        assert_int_equal(chain_end(run->state, &run->out, &e), 0);
        assert_string_equal(buf_cstr(&run->outcomes), "a@1 - \n"
                                                      "d@4 ! Lua.FunctionError: t.lua:1: no\n"
                                                      "c@3 - \n"
                                                      "b@2 -> b!?\ne@5 -> e!?\n");
    }
    run_free(run);
}

static void many_records_pass_in_order(void **state)
{
    struct run *run = run_new(SCRIPTS(TRANSFORM("return {r, r}"), TRANSFORM("return r"), TRANSFORM("return r")));
    const char *texts[200];
    const char *p;

    (void)state;
    for (size_t i = 0; i < 200; i++)
        texts[i] = "x";
    p = run_batch(run, texts, 200);
    for (int i = 1; i <= 200; i++) {
        char want[64];

        snprintf(want, sizeof(want), "x@%d -> x\nx@%d -> x\n", i, i);
        assert_memory_equal(p, want, strlen(want));
        p += strlen(want);
    }
    assert_int_equal(*p, '\0');
    run_free(run);
}

/* Each of the two makes less than is allowed; together they do not. */
static void a_record_that_becomes_too_many_along_the_way_fails_alone(void **state)
{
    struct run *run =
        run_new(SCRIPTS(TRANSFORM("if r.raw ~= 'bad' then return r end local t = {} for i = 1, 1000 do t[i] "
                                  "= 'x' end return t"),
                        TRANSFORM("if r.raw ~= 'x' then return r end local t = {} for i = 1, 1000 do t[i] "
                                  "= 'y' end return t"),
                        TRANSFORM("if r.raw ~= 'y' then return r end")));
    char want[200];

    (void)state;
    snprintf(want, sizeof(want),
             "a@1 -> a\n"
             "bad@2 ! Transform.LimitExceeded: transform 2 (lua): one record becomes %d records, and %d is the most\n"
             "c@3 -> c\n",
             TRANSFORM_RECORD_PIECES_MAX + 1, TRANSFORM_RECORD_PIECES_MAX);
    assert_string_equal(run_batch(run, (const char *const[]){"a", "bad", "c"}, 3), want);
    run_free(run);
}

static void a_record_that_grows_too_large_along_the_way_fails_alone(void **state)
{
    struct run *run = run_new(
        SCRIPTS(TRANSFORM("if r.raw ~= 'bad' then return r end local t = {} for i = 1, 40 do t[i] = 'x' end return t"),
                TRANSFORM("if r.raw ~= 'x' then return r end return ('y'):rep(1 << 20)"),
                TRANSFORM("if r.raw:sub(1, 1) ~= 'y' then return r end")));
    char want[200];

    (void)state;
    snprintf(want, sizeof(want),
             "bad@1 ! Transform.LimitExceeded: transform 2 (lua): one record becomes %llu bytes, and %llu is the most\n"
             "b@2 -> b\n",
             TRANSFORM_RECORD_MADE_MAX + MIB, TRANSFORM_RECORD_MADE_MAX);
    assert_string_equal(run_batch(run, (const char *const[]){"bad", "b"}, 2), want);
    run_free(run);
}

/* Large in the middle, small at the end: nothing of it is kept, however many there are. */
static void what_records_become_in_the_middle_is_not_kept(void **state)
{
    struct run *run = run_new(SCRIPTS(TRANSFORM("return (r.raw):rep(1 << 20)"), TRANSFORM("return tostring(#r.raw)")));
    struct err e = {0};

    (void)state;
    assert_int_equal(chain_begin(run->state, &e), 0);
    for (int i = 0; i < 300; i++) {
        buf_clear(&run->outcomes);
        run_records(run, (const char *const[]){"x"}, 1, 1);
        assert_string_equal(buf_cstr(&run->outcomes), "x@1 -> 1048576\n");
        assert_true(chain_memory(run->state) < 64 * KIB);
    }
    assert_int_equal(chain_end(run->state, &run->out, &e), 0);
    run_free(run);
}

static void what_is_held_back_has_a_limit(void **state)
{
    struct run *run = run_new(SCRIPTS("function batch(rs) return rs end", TRANSFORM("return r")));
    size_t n = TRANSFORM_HELD_MAX / 8, taken = 0;
    struct transform_record r = {.data = slice_of(mem_alloc(n), n), .seq = 1};
    struct err e = {0};

    (void)state;
    memset((void *)(uintptr_t)r.data.p, 'x', n);
    run->out.fail = ignore_fail; /* those that do not fit the script's own memory */
    assert_int_equal(chain_begin(run->state, &e), 0);
    while (chain_run(run->state, &r, 1, &run->out, &e) == 0 && taken < 100)
        taken++;
    assert_int_equal(taken, 7);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_non_null(strstr(e.msg, "of a batch are held back between transforms"));
    assert_string_equal(run_batch(run, (const char *const[]){"x"}, 1), "x@1 -> x\n");
    mem_free((void *)(uintptr_t)r.data.p);
    run_free(run);
}

static void a_chain_that_is_cancelled_begins_no_other_record(void **state)
{
    struct run *run = run_new(SCRIPTS(TRANSFORM("return r"), TRANSFORM("return r")));
    struct transform_record records[] = {{.data = SLICE("x"), .seq = 1}, {.data = SLICE("y"), .seq = 2}};
    struct err e = {0};

    (void)state;
    assert_int_equal(chain_begin(run->state, &e), 0);
    cancel_ask(&run->cancel);
    assert_int_equal(chain_run(run->state, records, 2, &run->out, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_int_equal(run->outcomes.n, 0);
    run_free(run);
}

static void a_full_body_stops_the_run(void **state)
{
    struct run *run = run_new(SCRIPTS(TRANSFORM("return r"), TRANSFORM("return r")));
    struct transform_record records[] = {{.data = SLICE("x"), .seq = 1}, {.data = SLICE("y"), .seq = 2}};
    struct err e = {0};

    (void)state;
    run->emit_fails = 2;
    assert_int_equal(chain_begin(run->state, &e), 0);
    assert_int_equal(chain_run(run->state, records, 2, &run->out, &e), -1);
    assert_string_equal(buf_cstr(&run->outcomes), "x@1 -> x\n");
    assert_string_equal(run_batch(run, (const char *const[]){"x"}, 1), "x@1 -> x\n"); /* tried again whole */
    run_free(run);
}

static void a_mistake_in_one_of_several_names_which(void **state)
{
    struct rig *good = rig_new(TRANSFORM("return r")), *bad = rig_new("x = ");
    struct chain *chain = NULL;
    struct chain_part parts[2];
    struct err e = {0};

    (void)state;
    assert_int_equal(rig_load(good, "lua: t.lua"), 0);
    assert_int_equal(rig_load(bad, "lua: t.lua"), -1);
    parts[0] = (struct chain_part){.ops = good->ops, .conf = good->conf};
    parts[1] = (struct chain_part){.ops = bad->ops, .conf = bad->conf};
    assert_int_equal(chain_load(&chain, parts, 2, &(struct transform_env){.base_dir = good->folder}, &e), 0);
    chain_unload(&chain);
    assert_int_equal(chain_load(&chain, parts, 2, &(struct transform_env){.base_dir = bad->folder}, &e), -1);
    assert_null(chain);
    assert_string_equal(e.msg, "transform 1 (lua): unexpected symbol near <eof>");
    assert_int_equal(e.line, 1);
    rig_free(good);
    rig_free(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_out_of_one_goes_into_the_next),
        cmocka_unit_test(facts_are_those_of_the_source_also_behind_a_batch),
        cmocka_unit_test(outcomes_end_where_they_happen_and_name_the_source),
        cmocka_unit_test(keys_add_up_and_the_later_one_counts),
        cmocka_unit_test(one_that_became_many_is_dropped_when_none_arrives),
        cmocka_unit_test(what_is_held_back_comes_with_its_source_at_the_end),
        cmocka_unit_test(many_records_pass_in_order),
        cmocka_unit_test(a_record_that_becomes_too_many_along_the_way_fails_alone),
        cmocka_unit_test(a_record_that_grows_too_large_along_the_way_fails_alone),
        cmocka_unit_test(what_records_become_in_the_middle_is_not_kept),
        cmocka_unit_test(what_is_held_back_has_a_limit),
        cmocka_unit_test(a_chain_that_is_cancelled_begins_no_other_record),
        cmocka_unit_test(a_full_body_stops_the_run),
        cmocka_unit_test(a_mistake_in_one_of_several_names_which),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
