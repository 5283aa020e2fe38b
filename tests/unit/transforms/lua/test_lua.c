#include "tests/unit/transforms/lua/lua_rig.h"

#include "pipeline/base/facts.h"

static void what_comes_back_decides_the_outcome(void **state)
{
    (void)state;
    BODY("return r", "{\"a\":1}", "{\"a\":1}\n");
    BODY("return nil", "{\"a\":1}", "-\n");
    BODY("return false", "{\"a\":1}", "-\n");
    BODY("", "{\"a\":1}", "-\n");
    BODY("return 'new'", "{\"a\":1}", "new\n");
    BODY("return {a=1, b={true, sluice.null}}", "x", "{\"a\":1,\"b\":[true,null]}\n");
    BODY("return {r, 'two', {three=3}}", "{\"a\":1}", "{\"a\":1}\ntwo\n{\"three\":3}\n");
    BODY("return {}", "{\"a\":1}", "-\n");
    BODY("return sluice.array{}", "{\"a\":1}", "[]\n");
    BODY("return sluice.array{1, 2}", "{\"a\":1}", "[1,2]\n");
    BODY("return {{1, 2}}", "{\"a\":1}", "[1,2]\n");
    BODY("return r.a", "{\"a\": {\"b\" : 2} }", "{\"b\" : 2}\n");
}

static void what_is_no_record_fails(void **state)
{
    (void)state;
    BODY("return 7", "x",
         "! Lua.FunctionError: t.lua:1: a number is no record: return nil, the record, a string, a table, or a list of "
         "these\n");
    BODY(
        "return true", "x",
        "! Lua.FunctionError: t.lua:1: a boolean is no record: return nil, the record, a string, a table, or a list of "
        "these\n");
    BODY("return {a=nowhere}", "x", "-\n");
    BODY("return {a=pcall}", "x", "! Lua.FunctionError: t.lua:1: a function cannot be written as JSON\n");
    BODY("return {r, 3}", "x",
         "! Lua.FunctionError: t.lua:1: a number is no record: return nil, the record, a string, a table, or a list of "
         "these\n");
}

static void an_error_fails_this_record_alone(void **state)
{
    static const char script[] = "function transform(r)\n"
                                 "  if r.bad then\n"
                                 "    error('no good')\n"
                                 "  end\n"
                                 "  return r\n"
                                 "end\n";
    const struct slice data[] = {SLICE("{\"a\":1}"), SLICE("{\"bad\":true}"), SLICE("{\"c\":1}")};
    struct rig *rig = rig_new(script);

    (void)state;
    rig_open(rig, "lua: t.lua");
    rig_begin(rig);
    assert_int_equal(rig_run(rig, data, 3), 0);
    assert_string_equal(rig_end(rig), "{\"a\":1}\n! Lua.FunctionError: t.lua:3: no good\n{\"c\":1}\n");
    rig_free(rig);
}

static void errors_of_any_kind_become_text_with_a_line(void **state)
{
    (void)state;
    BODY("error('x', 0)", "x", "! Lua.FunctionError: t.lua:2: x\n");
    BODY("error({})", "x", "! Lua.FunctionError: t.lua:2: (error object is a table value)\n");
    BODY("error(setmetatable({}, {__tostring=function() return 'mine' end}))", "x",
         "! Lua.FunctionError: t.lua:2: mine\n");
    BODY("error()", "x", "! Lua.FunctionError: t.lua:2: (error object is a nil value)\n");
    BODY("local x = nil + 1", "x", "! Lua.FunctionError: t.lua:2: attempt to perform arithmetic on a nil value\n");
}

static void a_script_knows_its_records_facts(void **state)
{
    (void)state;
    BODY(
        "return table.concat({meta.stream, meta.input, meta.path, meta.sequence, meta.arrival, tostring(meta.x)}, '|')",
        "x", "s|tail|/var/log/a b.log|1000|1700000000.5|nil\n");
    BODY("return meta.drop('debug')", "x", "- [debug]\n");
    BODY("meta.drop('debug') return r", "x", "x\n");
    BODY("meta.stream = 'y'", "x",
         "! Lua.FunctionError: t.lua:2: meta is read only but for meta.partition_keys.NAME\n");
}

static void describe(struct rig *rig, struct buf *facts)
{
    buf_init(facts, RECORD_FACTS_MAX);
    assert_int_equal(facts_add(facts, SLICE("key"), SLICE("a\0 input=b")), 0);
    assert_int_equal(facts_add(facts, SLICE("header.trace"), SLICE("x")), 0);
    assert_int_equal(facts_add(facts, SLICE("input"), SLICE("another")), 0);
    assert_int_equal(facts_add(facts, SLICE("sequence"), SLICE("another")), 0);
    rig->facts = buf_slice(facts);
}

/* By record and by batch; nobody who wrote a message passes for another source. */
static void a_script_knows_the_facts_of_each_record(void **state)
{
    static const char *const SCRIPTS[] = {
        "function transform(r, meta) return table.concat({#meta.key, meta.key, meta['header.trace'], meta.input, "
        "meta.sequence, tostring(meta.x)}, '|') end",
        "function batch(records, meta) local m = meta[2] return {table.concat({#m.key, m.key, m['header.trace'], "
        "m.input, m.sequence - 1, tostring(m.x)}, '|')} end"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SCRIPTS); i++) {
        struct rig *rig = rig_new(SCRIPTS[i]);
        struct slice data[] = {SLICE("one"), SLICE("two")};
        struct buf facts;

        describe(rig, &facts);
        rig_open(rig, "lua: t.lua");
        rig_begin(rig);
        assert_int_equal(rig_run(rig, data, i + 1), 0);
        rig_end(rig);
        assert_true(slice_starts(buf_slice(&rig->outcomes), SLICE("10|a\0 input=b|x|tail|1000|nil\n")));
        buf_release(&facts);
        rig_free(rig);
    }
}

static void partition_keys_are_texts_within_the_limits(void **state)
{
    (void)state;
    BODY("meta.partition_keys.service = r.s return r", "{\"s\":\"web\"}", "{\"s\":\"web\"} [service=web]\n");
    BODY("meta.partition_keys.a = 'x' meta.partition_keys.a = nil return r", "x", "x\n");
    BODY("meta.partition_keys.a = 'x' return meta.partition_keys.a .. tostring(meta.partition_keys.b)", "x",
         "xnil [a=x]\n");
    BODY("meta.partition_keys.a = 7 return r", "x",
         "! Lua.FunctionError: t.lua:2: partition key a must be a string, not a number\n");
    BODY("meta.partition_keys.a = '' return r", "x",
         "! Lua.FunctionError: t.lua:2: partition key a: a value has 1 to 1024 bytes, not 0\n");
    BODY("meta.partition_keys['a/b'] = 'x' return r", "x",
         "! Lua.FunctionError: t.lua:2: a partition key's name has letters, digits and _-. only\n");
    BODY("meta.partition_keys.a = 'a\\n' return r", "x",
         "! Lua.FunctionError: t.lua:2: partition key a: a value is UTF-8 text without control characters\n");
    BODY("for i = 1, 51 do meta.partition_keys['k' .. i] = 'x' end return r", "x",
         "! Lua.FunctionError: t.lua:2: a record has at most 50 partition keys\n");
}

static void init_gets_the_configs_values(void **state)
{
    struct rig *rig = rig_new("local c\n"
                              "function init(config) c = config end\n"
                              "function transform(r) return sluice.copy(c) end\n");

    (void)state;
    rig_open(rig, "lua: t.lua, config: {n: 5, f: 1.5, t: true, s: word, q: \"7\", l: [1, b], m: {x: no}}");
    assert_string_equal(
        rig_one(rig, "x"),
        "{\"f\":1.5,\"l\":[1,\"b\"],\"m\":{\"x\":\"no\"},\"n\":5,\"q\":\"7\",\"s\":\"word\",\"t\":true}\n");
    rig_free(rig);
}

static void a_state_remembers_and_a_record_does_not_stay(void **state)
{
    struct rig *rig = rig_new("local n, old = 0\n"
                              "function transform(r)\n"
                              "  n = n + 1\n"
                              "  if n == 1 then old = r return r end\n"
                              "  return old.a\n"
                              "end\n");

    (void)state;
    rig_open(rig, "lua: t.lua");
    assert_string_equal(rig_one(rig, "{\"a\":\"first\"}"), "{\"a\":\"first\"}\n");
    assert_string_equal(rig_one(rig, "{\"a\":\"second\"}"),
                        "! Lua.FunctionError: t.lua:5: this record is gone: it ends with the call that got it; keep "
                        "sluice.copy(...) of what you need\n");
    rig_free(rig);
}

static void batch_gets_all_records_at_once(void **state)
{
    struct rig *rig = rig_new("function batch(records, meta)\n"
                              "  table.sort(records, function(a, b) return a.n < b.n end)\n"
                              "  local out, sum = {}, 0\n"
                              "  for i, r in ipairs(records) do\n"
                              "    sum = sum + r.n\n"
                              "    if r.n > 1 then out[#out + 1] = r end\n"
                              "  end\n"
                              "  out[#out + 1] = {sum = sum, of = #meta}\n"
                              "  return out\n"
                              "end\n");
    const struct slice a[] = {SLICE("{\"n\":3}"), SLICE("{\"n\":1}")}, b[] = {SLICE("{\"n\":2}")};

    (void)state;
    rig_open(rig, "lua: t.lua");
    for (int turn = 0; turn < 2; turn++) {
        rig_begin(rig);
        assert_int_equal(rig_run(rig, a, 2), 0);
        assert_int_equal(rig_run(rig, b, 1), 0);
        assert_string_equal(rig_end(rig), "{\"n\":2}\n{\"n\":3}\n{\"of\":3,\"sum\":6}\n-\n");
    }
    rig_free(rig);
}

static void an_error_in_batch_fails_all_of_it(void **state)
{
    struct rig *rig = rig_new("function batch(records) error('all of it') end");
    const struct slice a[] = {SLICE("1"), SLICE("2")};

    (void)state;
    rig_open(rig, "lua: t.lua");
    rig_begin(rig);
    assert_int_equal(rig_run(rig, a, 2), 0);
    assert_string_equal(rig_end(rig),
                        "! Lua.FunctionError: t.lua:1: all of it\n! Lua.FunctionError: t.lua:1: all of it\n");
    rig_free(rig);
}

static void load_error(const char *script, unsigned line, const char *want)
{
    struct rig *rig = rig_new(script);

    assert_int_equal(rig_load(rig, "lua: t.lua"), -1);
    assert_string_equal(rig->err.msg, want);
    assert_int_equal(rig->err.line, line);
    if (line)
        assert_string_equal(rig->err.file, "t.lua");
    rig_free(rig);
}

static void a_script_that_does_not_load_is_a_mistake_at_its_line(void **state)
{
    (void)state;
    load_error("function transform(r)\n  return r +\nend\n", 3, "unexpected symbol near 'end'");
    load_error("x = 1\n", 1, "the script defines neither transform(r, meta) nor batch(records, meta)");
    load_error("function transform() end\nfunction batch() end\n", 1,
               "the script defines both transform() and batch(): one of them is too much");
    load_error("\nerror('at start')\n", 2, "at start");
    load_error("\033Lua", 0, "t.lua: attempt to load a binary chunk (mode is 't')");
}

static void require_takes_files_beside_the_script_only(void **state)
{
    struct rig *rig = rig_new("local m = require 'util'\nassert(m == require 'util')\n"
                              "function transform(r) return m.f() end\n");
    char *outside;

    (void)state;
    rig_file(rig, "util.lua", "return {f = function() return 'from util' end}");
    rig_open(rig, "lua: t.lua");
    assert_string_equal(rig_one(rig, "x"), "from util\n");
    rig_free(rig);
    load_error("require '../t'\n", 1, "require: a module is the name of a file beside the script, without .lua");
    load_error("require '/etc/passwd'\n", 1, "require: a module is the name of a file beside the script, without .lua");
    load_error("require 'sub.x'\n", 1, "require: a module is the name of a file beside the script, without .lua");
    rig = rig_new("require 'link'\n");
    outside = mem_printf("%s/link.lua", rig->folder);
    assert_int_equal(symlink("/etc/passwd", outside), 0);
    assert_int_equal(rig_load(rig, "lua: t.lua"), -1);
    assert_non_null(strstr(rig->err.msg, "cannot open 'link.lua' beside the script"));
    mem_free(outside);
    rig_free(rig);
}

static void require_at_run_time_reads_no_files(void **state)
{
    (void)state;
    BODY("require 'late'", "x",
         "! Lua.FunctionError: t.lua:2: require 'late': files are read only while the script loads\n");
}

static void single_is_an_option_or_a_global(void **state)
{
    struct rig *rig = rig_new("single = true function transform(r) return r end");

    (void)state;
    rig_open(rig, "lua: t.lua");
    assert_true(rig->ops->is_single(rig->shared));
    rig_free(rig);
    rig = rig_new("function transform(r) return r end");
    rig_open(rig, "lua: t.lua, single: true");
    assert_true(rig->ops->is_single(rig->shared));
    rig_free(rig);
    rig = rig_new("function transform(r) return r end");
    rig_open(rig, "lua: t.lua");
    assert_false(rig->ops->is_single(rig->shared));
    rig_free(rig);
}

static void it_says_how_long_a_batch_may_take(void **state)
{
    struct rig *rig = rig_new("function transform(r) return r end");

    (void)state;
    rig_open(rig, "lua: t.lua, batch_timeout: 7s");
    assert_int_equal(rig->ops->batch_time(rig->shared), 7 * NSEC_PER_SEC);
    rig_free(rig);
}

static void a_changed_script_is_taken_at_the_next_batch(void **state)
{
    struct rig *rig = rig_new("function transform(r) return 'one' end");

    (void)state;
    rig_open(rig, "lua: t.lua, watch: true");
    assert_string_equal(rig_one(rig, "x"), "one\n");
    rig_file(rig, "t.lua", "function transform(r) return 'second' end");
    assert_string_equal(rig_one(rig, "x"), "second\n");
    assert_non_null(strstr(buf_cstr(&rig->log), "the changed script is loaded"));
    rig_file(rig, "t.lua", "function transform(r) return broken broken end");
    assert_string_equal(rig_one(rig, "x"), "second\n");
    assert_string_equal(rig_one(rig, "x"), "second\n");
    assert_non_null(strstr(buf_cstr(&rig->log), "refused, the old one stays: t.lua:1: "));
    rig_file(rig, "t.lua", "function transform(r) return 'the third' end");
    assert_string_equal(rig_one(rig, "x"), "the third\n");
    rig_free(rig);
}

/* A thousand streams with scripts need no descriptor for them. */
static void nothing_stays_open_of_a_script(void **state)
{
    struct rig *rig = rig_new("local m = require 'util'\nfunction transform(r) return m.f() end\n");
    int free_fd = dup(STDERR_FILENO);

    (void)state;
    close(free_fd);
    rig_file(rig, "util.lua", "return {f = function() return 'one' end}");
    rig_open(rig, "lua: t.lua, watch: true");
    assert_string_equal(rig_one(rig, "x"), "one\n");
    assert_int_equal(dup(STDERR_FILENO), free_fd);
    close(free_fd);
    rig_file(rig, "util.lua", "return {f = function() return 'another' end}");
    assert_string_equal(rig_one(rig, "x"), "another\n");
    assert_int_equal(dup(STDERR_FILENO), free_fd);
    close(free_fd);
    rig_free(rig);
}

static void without_watch_a_changed_script_changes_nothing(void **state)
{
    struct rig *rig = rig_new("function transform(r) return 'one' end");

    (void)state;
    rig_open(rig, "lua: t.lua");
    rig_file(rig, "t.lua", "function transform(r) return 'second' end");
    assert_string_equal(rig_one(rig, "x"), "one\n");
    rig_free(rig);
}

static void finish_runs_when_a_state_ends(void **state)
{
    struct rig *rig = rig_new("function transform(r) return r end\nfunction finish() error('heard by nobody') end");

    (void)state;
    rig_open(rig, "lua: t.lua");
    rig_free(rig);
}

static void scripts_log_and_count_within_bounds(void **state)
{
    struct rig *rig = rig_new("sluice.log('while it loads')\n"
                              "function transform(r)\n"
                              "  sluice.log('warn', 'one') sluice.log('two') print('three', 4, nil)\n"
                              "  sluice.counter('seen') sluice.counter('bytes', 2.5)\n"
                              "  if r.raw == 'many' then for i = 1, 1000 do sluice.log(i) end end\n"
                              "  return r\n"
                              "end\n");
    size_t lines = 0;

    (void)state;
    rig_open(rig, "lua: t.lua");
    assert_string_equal(rig_one(rig, "x"), "x\n");
    assert_string_equal(buf_cstr(&rig->log), "1 one\n2 two\n2 three 4 nil\n");
    assert_string_equal(buf_cstr(&rig->counts), "seen 1\nbytes 2.5\n");
    buf_clear(&rig->log);
    assert_string_equal(rig_one(rig, "many"), "many\n");
    for (const char *p = buf_cstr(&rig->log); (p = strchr(p, '\n')); p++)
        lines++;
    assert_int_equal(lines, 101);
    assert_non_null(strstr(buf_cstr(&rig->log), "the script logs too much"));
    rig_free(rig);
    BODY("sluice.counter('')", "x",
         "! Lua.FunctionError: t.lua:2: bad argument #1 to 'counter' (a counter's name has 1 to 64 bytes)\n");
    BODY("sluice.counter('a', -1)", "x",
         "! Lua.FunctionError: t.lua:2: bad argument #2 to 'counter' (a counter only grows)\n");
}

static void json_text_is_read_and_written(void **state)
{
    (void)state;
    BODY("local t = sluice.json.decode(r.m) t.b[2] = nil return {x = sluice.json.encode(t), y = "
         "sluice.json.encode(r.n)}",
         "{\"m\":\"{\\\"a\\\":[],\\\"b\\\":[1,2]}\",\"n\":{\"k\": 1.50}}",
         "{\"x\":\"{\\\"a\\\":[],\\\"b\\\":[1]}\",\"y\":\"{\\\"k\\\": 1.50}\"}\n");
    BODY("local t, why = sluice.json.decode('[1,') return tostring(t) .. ' ' .. why", "x",
         "nil invalid JSON: unexpected end at byte 3\n");
    BODY("return sluice.json.encode(sluice.null) .. sluice.json.encode('x') .. sluice.json.encode(1)", "x",
         "null\"x\"1\n");
}

static void what_is_shown_of_an_error_holds_nothing_of_the_record(void **state)
{
    static const struct {
        const char *body, *shown;
    } cases[] = {
        {"error(r.raw)", "t.lua:1: error in the script\n"},
        {"error(r.raw, 0)", "t.lua:1: error in the script\n"},
        {"\nerror('secret.lua:7: ' .. r.raw, 0)", "t.lua:2: error in the script\n"},
        {"error({r.raw})", "t.lua:1: error in the script\n"},
        {"error(setmetatable({}, {__tostring = function() return r.raw end}))", "t.lua:1: error in the script\n"},
        {"return r.raw + 1", "t.lua:1: error in the script\n"},
        {"\nlocal t = {} return t[r.raw].x", "t.lua:2: error in the script\n"},
        {"return print", "t.lua:1: error in the script\n"},
        {"local ok, why = pcall(error, r.raw) error(why, 0)", "t.lua:1: error in the script\n"},
        {"load('error(1)', r.raw)()", "t.lua:1: error in the script\n"},
        {"load('error(1)', '@' .. r.raw .. '.lua')()", "t.lua:1: error in the script\n"},
        {"coroutine.wrap(function() error(r.raw) end)()", "t.lua:1: error in the script\n"},
        {"return string.rep(r.raw, 1e9)", "t.lua:1: error in the script\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *script = mem_printf("function transform(r) %s end", cases[i].body);
        struct rig *rig = rig_new(script);

        mem_free(script);
        rig_open(rig, "lua: t.lua");
        rig_one(rig, "secret");
        if (strcmp(buf_cstr(&rig->shown), cases[i].shown) != 0)
            fail_msg("%s: %s", cases[i].body, buf_cstr(&rig->shown));
        rig_free(rig);
    }
}

static void each_error_is_shown_at_its_own_place(void **state)
{
    struct rig *rig = rig_new("function transform(r)\n if r.raw == 'a' then error('1') end\n"
                              " if r.raw == 't' then while true do end end\n error('2')\nend");
    static const struct {
        const char *record, *shown;
    } cases[] = {
        {"a", "t.lua:2: error in the script\n"},     {"a", "t.lua:2: error in the script\n"},
        {"b", "t.lua:4: error in the script\n"},     {"a", "t.lua:2: error in the script\n"},
        {"t", "t.lua:3: takes longer than 20 ms\n"}, {"a", "t.lua:2: error in the script\n"},
        {"b", "t.lua:4: error in the script\n"},
    };

    (void)state;
    rig_open(rig, "lua: t.lua, timeout: 20ms");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_one(rig, cases[i].record);
        assert_string_equal(buf_cstr(&rig->shown), cases[i].shown);
    }
    rig_free(rig);
}

static void a_time_out_is_shown_with_its_place_but_no_words(void **state)
{
    struct rig *rig = rig_new("function transform(r)\n load('while true do end', '@' .. r.raw)()\nend");

    (void)state;
    rig_open(rig, "lua: t.lua, timeout: 20ms");
    rig_one(rig, "secret");
    assert_string_equal(buf_cstr(&rig->shown), "t.lua:2: takes longer than 20 ms\n");
    rig_free(rig);
}

/* --- one record becomes too much --- */

static void one_record_becomes_no_more_than_the_limit(void **state)
{
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"local t = {} for i = 1, LIMIT + 1 do t[i] = '' end return t", "records, and"},
        {"local t = {} for i = 1, LIMIT + 1 do t[i] = r end return t", "records, and"},
        {"local t, s = {}, ('x'):rep(1 << 20) for i = 1, 40 do t[i] = s end return t", "bytes, and"},
        {"local t = {} for i = 1, LIMIT do t[i] = '1' end t[#t + 1] = {a = r} return t", "records, and"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *script = mem_printf("local LIMIT = %d function transform(r) if r.raw ~= 'bad' then return r end %s end",
                                  TRANSFORM_RECORD_PIECES_MAX, cases[i].body);
        struct rig *rig = rig_new(script);
        const struct slice data[] = {SLICE("a"), SLICE("bad"), SLICE("c")};
        const char *outcomes;

        mem_free(script);
        rig_open(rig, "lua: t.lua, memory: 128MiB");
        rig_begin(rig);
        assert_int_equal(rig_run(rig, data, 3), 0);
        outcomes = rig_end(rig);
        if (strncmp(outcomes, "a\n! Lua.FunctionError: t.lua:1: what comes back is too much: one record becomes ",
                    77) != 0 ||
            !strstr(outcomes, cases[i].why) || !strstr(outcomes, "is the most\nc\n"))
            fail_msg("%s: %.300s", cases[i].body, outcomes);
        rig_free(rig);
    }
}

static void as_many_as_the_limit_come_back(void **state)
{
    char *script = mem_printf("function transform(r) local t = {} for i = 1, %d do t[i] = '' end return t end",
                              TRANSFORM_RECORD_PIECES_MAX);
    struct rig *rig = rig_new(script);

    (void)state;
    mem_free(script);
    rig_open(rig, "lua: t.lua");
    assert_int_equal(strlen(rig_one(rig, "x")), TRANSFORM_RECORD_PIECES_MAX);
    rig_free(rig);
}

/* --- cancelled --- */

/* The script says that it is at work. */
static void cancel_on_log(struct transform_out *o, int level, struct slice text)
{
    rig_log(o, level, text);
    cancel_ask(&((struct rig *)o)->cancel);
}

static struct rig *open_cancelled(const char *script)
{
    struct rig *rig = rig_new(script);

    rig->out.log = cancel_on_log;
    rig_open(rig, "lua: t.lua");
    rig_begin(rig);
    return rig;
}

static void a_cancelled_record_does_not_fail(void **state)
{
    static const char *const scripts[] = {
        "function transform(r) if r.raw == 'go' then sluice.log('x') while true do end end return r end",
        "function transform(r) if r.raw == 'go' then sluice.log('x') while true do pcall(function() while true do end "
        "end) end end return r end",
        "function transform(r) if r.raw == 'go' then sluice.log('x') return ('a'):rep(100):find(('a*'):rep(30) .. 'b') "
        "end "
        "return r end",
        "function batch(rs) sluice.log('x') while true do end end",
    };
    const struct slice data[] = {SLICE("before"), SLICE("go"), SLICE("after")};

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct rig *rig = open_cancelled(scripts[i]);
        int rc = rig_run(rig, data, 3);

        if (rc == 0)
            rc = rig->ops->end(rig->state, &rig->out, &rig->err);
        if (rc == 0)
            fail_msg("%s: %s", scripts[i], buf_cstr(&rig->outcomes));
        assert_int_equal(rig->err.code, ERR_CANCELLED);
        assert_string_equal(rig->err.msg, "the program is ending");
        assert_null(strstr(buf_cstr(&rig->outcomes), "!"));
        assert_null(strstr(buf_cstr(&rig->outcomes), "after"));
        rig_free(rig);
    }
}

static void nothing_begins_when_cancelled_and_finish_has_its_time(void **state)
{
    struct rig *rig = rig_new("function transform(r) return r end function finish() while true do end end");

    (void)state;
    rig_open(rig, "lua: t.lua, timeout: 50ms");
    cancel_ask(&rig->cancel);
    assert_int_equal(rig->ops->begin(rig->state, &rig->err), -1);
    assert_int_equal(rig->err.code, ERR_CANCELLED);
    rig->ops->close(&rig->state);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_back_decides_the_outcome),
        cmocka_unit_test(what_is_no_record_fails),
        cmocka_unit_test(an_error_fails_this_record_alone),
        cmocka_unit_test(errors_of_any_kind_become_text_with_a_line),
        cmocka_unit_test(a_script_knows_its_records_facts),
        cmocka_unit_test(a_script_knows_the_facts_of_each_record),
        cmocka_unit_test(partition_keys_are_texts_within_the_limits),
        cmocka_unit_test(init_gets_the_configs_values),
        cmocka_unit_test(a_state_remembers_and_a_record_does_not_stay),
        cmocka_unit_test(batch_gets_all_records_at_once),
        cmocka_unit_test(an_error_in_batch_fails_all_of_it),
        cmocka_unit_test(a_script_that_does_not_load_is_a_mistake_at_its_line),
        cmocka_unit_test(require_takes_files_beside_the_script_only),
        cmocka_unit_test(require_at_run_time_reads_no_files),
        cmocka_unit_test(single_is_an_option_or_a_global),
        cmocka_unit_test(it_says_how_long_a_batch_may_take),
        cmocka_unit_test(a_changed_script_is_taken_at_the_next_batch),
        cmocka_unit_test(nothing_stays_open_of_a_script),
        cmocka_unit_test(without_watch_a_changed_script_changes_nothing),
        cmocka_unit_test(finish_runs_when_a_state_ends),
        cmocka_unit_test(scripts_log_and_count_within_bounds),
        cmocka_unit_test(json_text_is_read_and_written),
        cmocka_unit_test(what_is_shown_of_an_error_holds_nothing_of_the_record),
        cmocka_unit_test(each_error_is_shown_at_its_own_place),
        cmocka_unit_test(a_time_out_is_shown_with_its_place_but_no_words),
        cmocka_unit_test(one_record_becomes_no_more_than_the_limit),
        cmocka_unit_test(as_many_as_the_limit_come_back),
        cmocka_unit_test(a_cancelled_record_does_not_fail),
        cmocka_unit_test(nothing_begins_when_cancelled_and_finish_has_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
