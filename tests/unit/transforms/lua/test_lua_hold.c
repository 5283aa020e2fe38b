/* meta.hold(), meta.release() and finish(): what a call does counts once it has ended well, and outlives the state of the script. */
#include "tests/unit/transforms/lua/lua_rig.h"

#include "transforms/chain.h"

#define JOINS                                                                                                          \
    "hold = true\n"                                                                                                    \
    "function transform(r, meta)\n"                                                                                    \
    "  local t = sluice.text(r)\n"                                                                                     \
    "  if t:sub(1, 1) == '+' then return meta.hold('a', t:sub(2)) end\n"                                               \
    "  local parts = meta.release('a')\n"                                                                              \
    "  if t == 'fail' then error('told so') end\n"                                                                     \
    "  if t == 'spin' then while true do end end\n"                                                                    \
    "  if t == 'count' then return #parts .. ' ' .. meta.held('a') end\n"                                              \
    "  if t == 'next' then meta.hold('a'); return table.concat(parts) end\n"                                           \
    "  parts[#parts + 1] = t\n"                                                                                        \
    "  return table.concat(parts)\n"                                                                                   \
    "end\n"
#define HANDS_OVER "function finish(name, parts, meta) return name .. ': ' .. table.concat(parts) end\n"

/* Records with a blank between, in one batch; with `all`, the end of the stream comes behind it. */
static const char *run_all(struct rig *rig, const char *records, bool all)
{
    rig_begin(rig);
    while (*records) {
        size_t n = strcspn(records, " ");
        struct slice data = slice_of(records, n);

        assert_int_equal(rig_run(rig, &data, 1), 0);
        records += n + (records[n] == ' ');
    }
    assert_int_equal(rig->ops->finish(rig->state, all, &rig->out, &rig->err), 0);
    return rig_end(rig);
}

static struct rig *open_rig(const char *script, const char *options)
{
    struct rig *rig = rig_new(script);
    char *yaml = mem_printf("lua: t.lua%s", options);

    rig_open(rig, yaml);
    mem_free(yaml);
    assert_true(rig->ops->keeps(rig->shared) && rig->ops->is_single(rig->shared));
    return rig;
}

static void what_is_held_comes_with_who_releases_it(void **state)
{
    struct rig *rig = open_rig(JOINS HANDS_OVER, "");

    (void)state;
    assert_string_equal(run_all(rig, "+1 +2", false), "");
    assert_string_equal(run_all(rig, "+3 4", false), "1234\n- [released]\n- [released]\n- [released]\n");
    assert_string_equal(run_all(rig, "5", false), "5\n");
    assert_string_equal(run_all(rig, "+6 next", false), "6\n");
    assert_string_equal(run_all(rig, "+7", true), "a: next7\n- [released]\n");
    assert_int_equal(rig->ops->kept_due(rig->state), NSEC_NEVER);
    rig_free(rig);
}

static void without_finish_it_is_handed_over_as_it_is(void **state)
{
    struct rig *rig = open_rig(JOINS, "");

    (void)state;
    assert_string_equal(run_all(rig, "+1 +2", true), "1\n2\n");
    assert_string_equal(run_all(rig, "x", true), "x\n");
    rig_free(rig);
}

static void an_error_or_a_time_out_releases_nothing(void **state)
{
    struct rig *rig = open_rig(JOINS HANDS_OVER, ", timeout: 20ms");

    (void)state;
    assert_string_equal(run_all(rig, "+1 fail", false), "! Lua.FunctionError: t.lua:6: told so\n");
    assert_non_null(strstr(run_all(rig, "+2 spin +3", false), "! Lua.FunctionTimedOut"));
    assert_non_null(strstr(run_all(rig, "4", false), "1234\n"));
    rig_free(rig);
}

static void an_error_in_finish_fails_what_it_was_for(void **state)
{
    struct rig *rig = open_rig(
        JOINS "function finish(name, parts, meta) if #parts == 2 then error('two') end meta.hold('b') end", "");

    (void)state;
    assert_string_equal(run_all(rig, "+1 +2", true),
                        "! Lua.FunctionError: t.lua:13: two\n! Lua.FunctionError: t.lua:13: two\n");
    assert_string_equal(run_all(rig, "+1", true),
                        "! Lua.FunctionError: t.lua:13: meta.hold() is for transform(), not for finish()\n");
    assert_string_equal(run_all(rig, "x", true), "x\n");
    rig_free(rig);
}

static void beyond_its_bounds_the_oldest_is_handed_over(void **state)
{
    struct rig *rig = open_rig("hold = true\n"
                               "function transform(r, meta) return meta.hold(sluice.text(r)) end\n" HANDS_OVER,
                               ", hold_records: 2");

    (void)state;
    assert_string_equal(run_all(rig, "x y z y", false), "x: x\ny: yy\n- [released]\n");
    assert_string_equal(buf_cstr(&rig->log),
                        "1 more is held than hold_records and hold_bytes allow: the oldest is handed over\n");
    assert_string_equal(run_all(rig, "", true), "z: z\n");
    rig_free(rig);
}

/* A sum is as old as its first record; the line that waits for what follows it is not as old as the one before. */
static void what_is_held_behind_what_came_back_is_new(void **state)
{
    struct rig *rig = open_rig("hold = true\n"
                               "function transform(r, meta)\n"
                               "  local kind, name = sluice.text(r):match('^(.)(.)$')\n"
                               "  local t = table.concat(meta.release(name))\n"
                               "  if kind == '+' then return meta.hold(name, t .. '+') end\n"
                               "  meta.hold(name, kind)\n"
                               "  return #t > 0 and t or nil\n"
                               "end\n" HANDS_OVER,
                               "");

    (void)state;
    assert_string_equal(run_all(rig, "+a +b +a", false), "- [released]\n");
    assert_string_equal(run_all(rig, "", true), "a: ++\nb: +\n");
    assert_string_equal(run_all(rig, "1a 1b 2a", false), "1\n");
    assert_string_equal(run_all(rig, "", true), "b: 1\na: 2\n");
    rig_free(rig);
}

static const char *behind(const char *outcomes, const char *begin_of_line)
{
    size_t n = strlen(begin_of_line);

    if (strncmp(outcomes, begin_of_line, n) != 0)
        fail_msg("%s does not begin with %s", outcomes, begin_of_line);
    return strchr(outcomes + n, '\n') + 1;
}

/* It is in no other record, so none may be too large for those behind: the call releases nothing. */
static void what_is_too_large_for_a_record_releases_nothing(void **state)
{
    struct rig *rig = open_rig("hold = true\n"
                               "local large = ('x'):rep(11 << 20)\n"
                               "function transform(r, meta)\n"
                               "  local t = sluice.text(r)\n"
                               "  if t == '+' then return meta.hold('a') end\n"
                               "  if t == 'text' then return meta.hold('b', large) end\n"
                               "  t = table.concat(meta.release('a')) .. t\n"
                               "  return t == '+list' and { 'x', large } or t == '+large' and large or t\n"
                               "end\n"
                               "function finish() return large end\n",
                               "");
    const char *got;

    (void)state;
    got = behind(run_all(rig, "+ text large list 1", false),
                 "! Lua.FunctionError: t.lua:6: a text that is held has at most ");
    for (int i = 0; i < 2; i++)
        got = behind(got, "! Lua.FunctionError: t.lua:3: what comes back is too much: a record has at most ");
    assert_string_equal(got, "+1\n- [released]\n");
    assert_non_null(strstr(run_all(rig, "+", true), "! Lua.FunctionError: "));
    rig_free(rig);
}

struct copy {
    struct rig *to;
    size_t count;
};

static int copy_one(void *ctx, const struct transform_kept *kept)
{
    struct copy *c = ctx;

    c->count++;
    c->to->ops->restore(c->to->state, kept);
    return 0;
}

static void another_state_goes_on_with_it(void **state)
{
    struct rig *rig = open_rig(JOINS HANDS_OVER, ""), *other = open_rig(JOINS, "");
    struct copy c = {.to = other};

    (void)state;
    assert_string_equal(run_all(rig, "+1 +2", false), "");
    assert_string_equal(run_all(other, "+lost", false), "");
    other->ops->forget(other->state);
    assert_int_equal(rig->ops->kept(rig->state, copy_one, &c), 0);
    assert_int_equal(c.count, 2);
    assert_string_equal(run_all(other, "3", false), "123\n- [released]\n- [released]\n");
    assert_int_equal(rig->ops->kept(rig->state, copy_one, &c), 0);
    assert_int_equal(c.count, 4);
    rig_free(rig);
    rig_free(other);
}

/* A batch that ends meanwhile leaves the others to the next one. */
static void finish_has_its_time_however_little_the_batch_has(void **state)
{
    struct rig *rig = open_rig("hold = true\n"
                               "function transform(r, meta) return meta.hold(sluice.text(r)) end\n",
                               ""),
               *other = open_rig("hold = true\n"
                                 "function transform(r, meta) return r end\n"
                                 "function finish(name) for i = 1, 3000000 do end return name end\n",
                                 ", timeout: 60s, batch_timeout: 1ms");
    struct copy c = {.to = other};
    struct buf all;

    (void)state;
    buf_init(&all, MIB);
    assert_string_equal(run_all(rig, "a b", false), "");
    assert_int_equal(rig->ops->kept(rig->state, copy_one, &c), 0);
    while (other->ops->kept_due(other->state) != NSEC_NEVER)
        assert_int_equal(buf_add_str(&all, run_all(other, "", true)), 0);
    assert_string_equal(buf_cstr(&all), "a\nb\n");
    buf_release(&all);
    rig_free(rig);
    rig_free(other);
}

/* Each time all that is held is written anew. */
static void those_whose_time_comes_go_together(void **state)
{
    struct rig *rig = open_rig(JOINS, ", hold_age: 100ms");
    nsec due, end = clock_mono() + 60 * NSEC_PER_SEC;

    (void)state;
    assert_string_equal(rig_one(rig, "+1"), "");
    due = rig->ops->kept_due(rig->state);
    assert_in_range(due, 1, clock_mono() + 100 * NSEC_PER_MSEC);
    while (rig->ops->kept_due(rig->state) == due && clock_mono() < end)
        usleep(1000);
    end = clock_mono();
    assert_true(rig->ops->kept_due(rig->state) > end);
    rig_free(rig);
}

static void a_changed_script_has_what_the_old_one_held(void **state)
{
    struct rig *rig = open_rig(JOINS, ", watch: true");

    (void)state;
    assert_string_equal(run_all(rig, "+1 +2", false), "");
    rig_file(rig, "t.lua", JOINS HANDS_OVER "-- and it is longer");
    assert_string_equal(run_all(rig, "+3", true), "a: 123\n- [released]\n- [released]\n");
    rig_file(rig, "t.lua", "function transform(r) return r end -- which holds nothing");
    assert_string_equal(run_all(rig, "+4 5", false), "45\n- [released]\n"); /* it is refused */
    assert_non_null(strstr(buf_cstr(&rig->log), "`hold`"));
    rig_free(rig);
}

static void what_is_wrong_is_said(void **state)
{
    struct rig *rig = rig_new("hold = true\nfunction batch(r) return r end");
    char text[800];

    (void)state;
    EXPECT("function transform(r, meta) return meta.hold('a') end", "x",
           "! Lua.FunctionError: t.lua:1: meta.hold() is for a script that says `hold = true`\n");
    EXPECT("hold = true function transform(r, meta) return meta.hold('') end", "x",
           "! Lua.FunctionError: t.lua:1: records are held under a name of 1 to 1024 bytes\n");
    EXPECT("hold = true function transform(r, meta) meta.hold('a') return r end", "x",
           "! Lua.FunctionError: t.lua:1: a call that holds its record returns what it has released, or nothing\n");
    EXPECT("hold = true function transform(r, meta) meta.hold('a') return 'x' end", "x",
           "! Lua.FunctionError: t.lua:1: a call that holds its record returns what it has released, or nothing\n");
    assert_int_equal(rig_load(rig, "lua: t.lua"), -1);
    assert_non_null(strstr(err_text(&rig->err, text, sizeof(text)), "this one has batch()"));
    rig_free(rig);
}

/* --- in a chain ------------------------------------------------------------------------------------------------------ */

/* What is handed over goes through the transforms behind it, as a source of its own. */
static void what_is_handed_over_goes_through_the_rest_of_the_chain(void **state)
{
    struct rig *first = rig_new(JOINS HANDS_OVER),
               *second = rig_new("function transform(r, meta)\n"
                                 "  local t = sluice.text(r)\n"
                                 "  if t:find('0') then return meta.drop('zero') end\n"
                                 "  if t:find('9') then error('nine') end\n"
                                 "  return { t .. '!', t .. '?' }\n"
                                 "end");
    struct chain_part parts[2];
    struct chain_state *s = NULL;
    struct chain *c = NULL;
    const char *records[] = {"+1", "next", "+2", "3", "+0", "next", "+9", "next"};
    struct err e;

    (void)state;
    assert_int_equal(rig_load(first, "lua: t.lua") + rig_load(second, "lua: t.lua"), 0);
    parts[0] = (struct chain_part){first->ops, first->conf, first->shared};
    parts[1] = (struct chain_part){second->ops, second->conf, second->shared};
    assert_int_equal(chain_load(&c, (struct chain_part[]){parts[1], parts[0]}, 2, NULL, &e), -1);
    assert_non_null(strstr(e.msg, "must be the stream's first"));
    assert_int_equal(chain_load(&c, parts, 2, NULL, &e), 0);
    assert_true(chain_keeps(c) && chain_is_single(c));
    assert_int_equal(chain_open(&s, c, NULL, &e), 0);
    assert_int_equal(chain_begin(s, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        const struct transform_record r = {.data = slice_str(records[i]), .seq = 10 + i};

        assert_int_equal(chain_run(s, &r, 1, &first->out, &e), 0);
    }
    assert_string_equal(buf_cstr(&first->outcomes), "1!\n1?\n"
                                                    "next23!\nnext23?\n- [released]\n- [released]\n"
                                                    "- [zero]\n"
                                                    "! Lua.FunctionError: t.lua:4: nine\n- [released]\n");
    buf_clear(&first->outcomes);
    assert_int_equal(chain_finish(s, true, &first->out, &e), 0);
    assert_int_equal(chain_end(s, &first->out, &e), 0);
    assert_string_equal(buf_cstr(&first->outcomes), "a: next!\na: next?\n");
    chain_close(&s);
    chain_unload(&c);
    rig_free(first);
    rig_free(second);
}

/* Of `outcomes`, what would be in the backup. */
static int show_data(struct transform_out *o, const struct transform_record *from, const char *code,
                     struct slice message, struct slice shown)
{
    struct rig *rig = (struct rig *)o;

    (void)code, (void)message, (void)shown;
    assert_int_equal(buf_printf(&rig->outcomes, "! %.*s\n", (int)from->data.n, from->data.p), 0);
    return 0;
}

/* The others that it was made of are nowhere else. */
static void what_fails_behind_fails_with_all_that_was_joined(void **state)
{
    static const char *const SECOND[] = {"function transform(r) error('no') end", "function batch(r) error('no') end"};
    const char *records[] = {"+1", "+2", "3", "+4", "next", "5"};

    (void)state;
    for (size_t way = 0; way < ARRAY_LEN(SECOND); way++) {
        struct rig *first = rig_new(JOINS HANDS_OVER), *second = rig_new(SECOND[way]);
        struct chain_part parts[2];
        struct chain_state *s = NULL;
        struct chain *c = NULL;
        struct err e;

        assert_int_equal(rig_load(first, "lua: t.lua") + rig_load(second, "lua: t.lua"), 0);
        parts[0] = (struct chain_part){first->ops, first->conf, first->shared};
        parts[1] = (struct chain_part){second->ops, second->conf, second->shared};
        assert_int_equal(chain_load(&c, parts, 2, NULL, &e), 0);
        assert_int_equal(chain_open(&s, c, NULL, &e), 0);
        assert_int_equal(chain_begin(s, &e), 0);
        first->out.fail = show_data;
        for (size_t i = 0; i < ARRAY_LEN(records); i++) {
            const struct transform_record r = {.data = slice_str(records[i]), .seq = 10 + i};

            assert_int_equal(chain_run(s, &r, 1, &first->out, &e), 0);
            if (i == 2) /* behind them another batch */
                assert_int_equal(chain_end(s, &first->out, &e) + chain_begin(s, &e), 0);
        }
        assert_int_equal(chain_run(s, &(struct transform_record){.data = SLICE("+6"), .seq = 20}, 1, &first->out, &e),
                         0);
        assert_int_equal(chain_finish(s, true, &first->out, &e), 0);
        assert_int_equal(chain_end(s, &first->out, &e), 0);
        for (size_t i = 0; i < 4; i++) {
            static const char *const FAILED[] = {"! 123\n", "! 4\n", "! next5\n", "! a: 6\n"};

            if (!strstr(buf_cstr(&first->outcomes), FAILED[i]))
                fail_msg("%s is not in %s", FAILED[i], buf_cstr(&first->outcomes));
        }
        chain_close(&s);
        chain_unload(&c);
        rig_free(first);
        rig_free(second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_held_comes_with_who_releases_it),
        cmocka_unit_test(without_finish_it_is_handed_over_as_it_is),
        cmocka_unit_test(an_error_or_a_time_out_releases_nothing),
        cmocka_unit_test(an_error_in_finish_fails_what_it_was_for),
        cmocka_unit_test(beyond_its_bounds_the_oldest_is_handed_over),
        cmocka_unit_test(what_is_held_behind_what_came_back_is_new),
        cmocka_unit_test(what_is_too_large_for_a_record_releases_nothing),
        cmocka_unit_test(another_state_goes_on_with_it),
        cmocka_unit_test(finish_has_its_time_however_little_the_batch_has),
        cmocka_unit_test(those_whose_time_comes_go_together),
        cmocka_unit_test(a_changed_script_has_what_the_old_one_held),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(what_is_handed_over_goes_through_the_rest_of_the_chain),
        cmocka_unit_test(what_fails_behind_fails_with_all_that_was_joined),
    };

    return cmocka_run_group_tests_name("lua_hold", tests, NULL, NULL);
}
