/* Hostile scripts. Each is given 50 ms (batches 100 ms) and 16 MiB; each must fail its record, leave the neighbours
 * alone, and end within twice its time on the CPU, or a little later: on a busy virtual machine the time that others
 * take counts as ours. What goes wrong here takes seconds. */
#include "tests/unit/transforms/lua/lua_rig.h"

#include "transforms/lua/lib.h"

#include <time.h>

#define TIMEOUT_MS 50
/* The sanitizers slow the allocator and our own code down. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 6
#else
#define SLOWER 1
#endif
#define TAKEN_BY_OTHERS_MS 200

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* transform() runs `body` for the record "bad"; the records before and after pass. Returns the bad one's outcome. */
static const char *hostile(const char *body, int timeout_ms)
{
    const struct slice data[] = {SLICE("before"), SLICE("bad"), SLICE("after")};
    static char outcome[1200];
    char *script = mem_printf("function transform(r, meta)\nif r.raw ~= 'bad' then return r end\n%s\nend\n", body);
    char *yaml = mem_printf("lua: t.lua, timeout: %dms, memory: 16MiB", timeout_ms);
    struct rig *rig = rig_new(script);
    double began, took;
    const char *outcomes, *end = "";

    mem_free(script);
    rig_open(rig, yaml);
    mem_free(yaml);
    rig_begin(rig);
    began = cpu_ms();
    assert_int_equal(rig_run(rig, data, 3), 0);
    took = cpu_ms() - began;
    outcomes = rig_end(rig);
    if (strncmp(outcomes, "before\n", 7) != 0 || !(end = strstr(outcomes + 7, "\nafter\n")) || end[7])
        fail_msg("%s: the neighbours did not go on: %s", body, outcomes);
    if (took > 2 * timeout_ms * SLOWER + TAKEN_BY_OTHERS_MS)
        fail_msg("%s: took %.0f ms", body, took);
    snprintf(outcome, sizeof(outcome), "%.*s", (int)(end - outcomes - 7), outcomes + 7);
    rig_free(rig);
    return outcome;
}

static void times_out(const char *body)
{
    const char *outcome = hostile(body, TIMEOUT_MS);

    if (!strstr(outcome, "! Lua.FunctionTimedOut: ") || !strstr(outcome, "takes longer than 50 ms"))
        fail_msg("%s: %s", body, outcome);
}

/* Ends by an error of its own, or in time; in any case it ends. */
static void ends(const char *body)
{
    hostile(body, TIMEOUT_MS);
}

/* Fails by what it does, however slow the machine is. */
static void fails_with(const char *body, const char *part)
{
    const char *outcome = hostile(body, 10000);

    if (outcome[0] != '!' || !strstr(outcome, part))
        fail_msg("%s: %s", body, outcome);
}

static void endless_loops_end(void **state)
{
    (void)state;
    times_out("while true do end");
    times_out("repeat until false");
    times_out("goto a ::a:: ::b:: goto b");
    times_out("for i = 1, math.huge do end");
    times_out("local function f() return f() end f()");
    times_out("local t = {} while true do t[1] = {} end");
}

static void an_abort_is_not_swallowed_by_pcall(void **state)
{
    (void)state;
    times_out("while true do pcall(function() while true do end end) end");
    times_out("while true do pcall(pcall, pcall, function() while true do end end) end");
    times_out("while true do xpcall(function() while true do end end, function() while true do end end) end");
    times_out("xpcall(function() while true do end end, function() return 'handled' end) return 'survived'");
    times_out("local ok = pcall(function() while true do end end) return 'survived'");
    times_out("xpcall(error, function() while true do end end)");
    times_out("xpcall(function() while true do end end, error)");
    times_out("while true do pcall(error) end");
    times_out("while true do pcall(string.rep, 'x', 1e9) end");
    times_out("local function f() pcall(f) while true do end end f()");
    times_out("while true do select(2, pcall(load, function() while true do end end)) end");
    times_out("load(function() while true do end end)");
}

static void an_abort_is_not_swallowed_by_coroutines(void **state)
{
    (void)state;
    times_out("while true do coroutine.wrap(function() while true do end end)() end");
    times_out("while true do local co = coroutine.create(function() while true do end end) coroutine.resume(co) end");
    times_out("local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end");
    times_out("local function f() local co = coroutine.create(f) coroutine.resume(co) while true do end end f()");
    times_out("while true do coroutine.close(coroutine.create(function() end)) end");
    times_out(
        "local co = coroutine.create(function() local x <close> = setmetatable({}, {__close=function() while true "
        "do end end}) coroutine.yield() end) coroutine.resume(co) coroutine.close(co) return 'survived'");
    times_out("while true do pcall(coroutine.wrap(function() pcall(function() while true do end end) end)) end");
    ends("coroutine.yield() return 'x'");
    ends("coroutine.resume(coroutine.running()) error('x')");
    ends("coroutine.close(coroutine.running())");
}

static void an_abort_is_not_swallowed_by_metamethods(void **state)
{
    (void)state;
    times_out("local t = setmetatable({}, {__index=function(t, k) return t[k + 1] end}) while true do pcall(function() "
              "return t[1] end) end");
    times_out("local t = setmetatable({}, {__eq=function() while true do end end}) return t == setmetatable({}, "
              "getmetatable(t))");
    times_out("local t = setmetatable({}, {__tostring=function() while true do end end}) tostring(t)");
    times_out("error(setmetatable({}, {__tostring=function() while true do end end}))");
    times_out("local x <close> = setmetatable({}, {__close=function() while true do end end}) return 'x'");
    times_out("while true do local x <close> = setmetatable({}, {__close=function() while true do end end}) end");
    times_out("while true do pcall(function() local x <close> = setmetatable({}, {__close=function() error('x') end}) "
              "while true do end end) end");
    times_out("table.sort({3, 2, 1, 5}, function() while true do end end)");
    times_out("('x'):gsub('.', function() while true do end end)");
    times_out("for k in pairs(setmetatable({}, {__pairs=function() return function() return 1 end end})) do end");
    times_out("table.concat(setmetatable({}, {__index=rawlen, __len=function() return 2^53|0 end}), '')");
}

static void finalisers_are_refused(void **state)
{
    (void)state;
    fails_with("setmetatable({}, {__gc=function() while true do end end})", "t.lua:3: __gc is not available");
    fails_with("local m = {} setmetatable({}, m) m.__gc = function() while true do end end for i = 1, 1e4 do local t = "
               "setmetatable({}, {}) end error('no harm')",
               "no harm");
}

static void long_work_inside_of_c_functions_ends(void **state)
{
    (void)state;
    times_out("local s = ('a'):rep(1e5) return s:find(('a*'):rep(20) .. 'b')");
    times_out("local s = ('a'):rep(40) while true do s:match(('.-'):rep(30) .. 'b') end");
    times_out("local s = ('a'):rep(1e6) .. 'b' while true do s:gsub('a', 'a') end");
    times_out("local s = ('('):rep(1e5) for i = 1, 1e6 do s:find('%b()') end");
    times_out("local s = ('x'):rep(1e6) while true do s:find('xxxxxxxxy', 1, true) end");
    times_out("local s = ('x'):rep(4e6) while true do s:upper() end");
    times_out("local s = ('x'):rep(4e6) while true do s:reverse() end");
    times_out("local s = ('x'):rep(4e6) while true do s:byte(-1) s:len() s:sub(2) end");
    times_out("local s = ('x'):rep(3e6) while true do local t = s .. 'y' end");
    times_out("local a, b = ('x'):rep(3e6) .. 'a', ('x'):rep(3e6) .. 'b' while a < b do end");
    times_out("local a, b = ('x'):rep(3e6) .. 'a', ('x'):rep(3e6) .. 'b' while a ~= b do end");
    times_out("local s = (' '):rep(4e6) .. '1' while true do local n = s + 1 end");
    times_out("local s = (' '):rep(4e6) .. '1' while true do tonumber(s) end");
    times_out("while true do ('x'):rep(1e6) end");
    times_out(
        "local t = {} for i = 1, 1e4 do t[i] = 1e300 end while true do ('%.99f'):rep(1e4):format(table.unpack(t)) "
        "end");
    times_out("local t = {} for i = 1, 3e5 do t[i] = i end while true do table.sort(t) end");
    times_out("local s, t = ('a'):rep(3e6), {} local a, b = s .. 'a', s .. 'b' for i = 1, 4000 do t[i] = i % 2 == 0 "
              "and a or b "
              "end table.sort(t)");
    times_out("local t = {} for i = 1, 3e5 do t[i] = 'x' end while true do table.concat(t) end");
    times_out("local t = {} for i = 1, 1e5 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end");
    times_out("table.insert(setmetatable({}, {__len=function() return 1 << 60 end}), 1, 0)");
    times_out("table.remove(setmetatable({}, {__len=function() return 1 << 60 end}), 1)");
    times_out("table.move({}, 1, 1 << 60, 2)");
    times_out("table.move({}, 1, 1 << 60, 2, {})");
    times_out("local t = {} for i = 1, 1e5 do t[i] = i end while true do table.unpack(t) end");
    times_out(
        "local t = {} for i = 1, 2e5 do t['k' .. i] = 1 end for i = 1, 2e5 do t['k' .. i] = nil end while true do "
        "next(t) end");
    times_out("local t, n = {}, 1 << 17 for i = 1, n do t['k' .. i] = 1 end while true do n = n + 1 t['k' .. n] = 1 "
              "t['k' .. (n - 100000)] = nil end");
    times_out("while true do utf8.len(('\\u{100}'):rep(1e6)) end");
    times_out("while true do string.pack('c1000000', '') end");
    times_out("while true do os.date(('%c'):rep(100)) end");
    times_out("while true do load('return ' .. ('1+'):rep(1e4) .. '1') end");
    times_out("while true do collectgarbage() collectgarbage('collect') end");
}

static void the_length_of_a_pattern_counts(void **state)
{
    (void)state;
    times_out("return ('a'):rep(400000):find('[' .. ('b'):rep(400000) .. ']')");
    times_out("return ('a'):rep(400000):find('[^' .. ('b'):rep(400000) .. ']*x')");
    times_out("return ('a'):rep(400000):find('[' .. ('b-c'):rep(100000) .. ']-x')");
    times_out("return ('a'):rep(400000):find('[' .. ('%d'):rep(200000) .. ']')");
    times_out("return ('a'):rep(400000):match('%f[' .. ('b'):rep(400000) .. ']')");
    times_out("return ('a'):rep(400000):gsub('[' .. ('b'):rep(400000) .. ']', '')");
    times_out("for x in ('a'):rep(400000):gmatch('[' .. ('b'):rep(400000) .. ']') do end");
    times_out("while true do ('x'):find(('b'):rep(4e6)) end");
    times_out("while true do ('x'):rep(1000):gsub('()', ('%1'):rep(1e6)) end");
    ends("return ('x'):find('[' .. ('b'):rep(4000000) .. ']')");
}

/* One long string is many arguments, and takes the memory of one. */
static void the_same_argument_many_times_counts_each_time(void **state)
{
    (void)state;
    fails_with("local s, t = ('x'):rep(5e6), {} for i = 1, 1e4 do t[i] = s end return ('%.1s'):rep(1e4):format(table."
               "unpack(t))",
               "the arguments have more than 32 MiB together");
    fails_with("local s, t = (' '):rep(5e6) .. '1', {} for i = 1, 1e4 do t[i] = s end return math.max(table.unpack(t))",
               "the arguments have more than 32 MiB together");
    fails_with("return string.unpack(('<'):rep(1e6), 'x')", "a format may have at most");
    fails_with("return string.packsize(('b'):rep(1e6))", "a format may have at most");
    fails_with("return string.pack('c2147483647', '')", "resulting string too large");
    fails_with("return string.pack(('c9999999'):rep(10), '')", "resulting string too large");
    fails_with("return math.random(1, 0)", "interval is empty");
}

static void long_strings_are_watched_at_each_instruction(void **state)
{
    (void)state;
    times_out("local a, b = ('\\0'):rep(4e6) .. 'a', ('\\0'):rep(4e6) .. 'b' while true do local w, x, y, z = a < b, a "
              "< b, a < b, a < b end");
    times_out("local t = {} for i = 1, 20 do t[i] = ('x'):rep(3e5) .. i end while true do local x = t[1] < t[2] end");
}

static void weak_keys_are_refused(void **state)
{
    (void)state;
    fails_with("setmetatable({}, {__mode = 'k'})", "weak keys (__mode = \"k\") are not available");
    fails_with("setmetatable({}, {__mode = 'v'}) setmetatable({}, {__mode = 'kv'}) error('no harm')", "no harm");
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = mem_alloc(64 * KIB);

    assert_non_null(f);
    assert_true(fread(text, 1, 64 * KIB - 1, f) > 0);
    fclose(f);
    return text;
}

static void any_function_ends_with_any_arguments(void **state)
{
    char *script = read_file("tests/unit/transforms/lua/any_function.lua");
    struct rig *rig = rig_new(script);

    (void)state;
    mem_free(script);
    rig_open(rig, "lua: t.lua, timeout: 50ms, memory: 64MiB");
    for (unsigned seed = 1; seed <= 40; seed++) {
        double began = cpu_ms(), took;
        char text[16];

        buf_clear(&rig->log);
        buf_clear(&rig->counts);
        snprintf(text, sizeof(text), "%u", seed * 7919);
        rig_one(rig, text);
        took = cpu_ms() - began;
        if (took > 2 * 50 * SLOWER + TAKEN_BY_OTHERS_MS)
            fail_msg("seed %s: took %.0f ms", text, took);
    }
    rig_free(rig);
}

static void sizes_have_limits(void **state)
{
    (void)state;
    fails_with("return ('x'):rep(1e10)", "resulting string too large");
    fails_with("return ('x'):rep(1 << 62)", "resulting string too large");
    fails_with("return ('x'):rep(1 << 60, ('y'):rep(100))", "resulting string too large");
    fails_with("return ('%99999d'):format(1)", "invalid conversion");
    fails_with("return ('%d'):rep(1e5):format(1)", "a format may have at most");
    fails_with("return os.date(('%c'):rep(1000))", "a date format may have at most");
    fails_with("return load(('x'):rep(1e5))()", "load takes at most");
    fails_with("return table.unpack({}, 1, 1e8)", "too many results to unpack");
    fails_with("return string.rep", "a function is no record");
    fails_with("local s = ('x'):rep(15e6) return s .. s", "Lua.OutOfMemory");
}

static void memory_has_a_limit(void **state)
{
    (void)state;
    fails_with("local t = {} for i = 1, 100 do t[i] = ('x'):rep(1e6) .. i end",
               "Lua.OutOfMemory: not enough memory: the script may have 16 MiB");
    fails_with("local t = {} for i = 1, 1e9 do t[i] = i end", "");
    fails_with("local s = 'x' while true do s = s .. s end", "not enough memory");
    fails_with("local t = {} while true do t = {t, {}, {}, {}} end", "");
    fails_with("local t = {} while true do t[#t + 1] = coroutine.create(print or error) end", "");
    fails_with("local t = {} for i = 1, 1e7 do t[i] = r end return t", "");
    ends("local ok, why = pcall(function() local t = {} while true do t[#t + 1] = {} end end) return why");
    ends("pcall(string.rep, 'x', 15e6) return 'survived'");
}

static void deep_recursion_is_an_error(void **state)
{
    (void)state;
    fails_with("local function f() return 1 + f() end f()", "");
    fails_with("local function f() return pcall(f) end error(select(2, f()))", "");
    fails_with("local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x", "loop");
    fails_with("local s = 'x' for i = 1, 300 do s = '(' .. s .. ')' end return load(s)()", "");
    fails_with("return ('x'):find(('('):rep(40))", "too many captures");
    fails_with("local t = {} t.t = t return t", "nested too deeply");
    fails_with("local t = {} for i = 1, 200 do t = {t} end return {t}", "nested too deeply");
    fails_with("local f = 'x' for i = 1, 250 do f = coroutine.wrap(function(g) g() end) end local function deep() "
               "return coroutine.wrap(deep)() end deep()",
               "C stack overflow");
    fails_with("return ('a'):rep(1000):match(('a?'):rep(1000) .. '$')", "too complex");
}

static void nothing_reaches_outside(void **state)
{
    static const char *const missing[] = {
        "io",      "debug",     "package",   "dofile",     "loadfile",    "os.execute",   "os.getenv",
        "os.exit", "os.remove", "os.rename", "os.tmpname", "string.dump", "os.setlocale", "warn",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        char *body = mem_printf("if %s == nil then error('it is not there') end", missing[i]);

        fails_with(body, "it is not there");
        mem_free(body);
    }
    fails_with("local f, why = load('\\27Lua') error(why)", "attempt to load a binary chunk");
    fails_with("local f, why = load('\\27Lua', 'x', 'b') error(why)", "attempt to load a binary chunk");
    fails_with("error(tostring(getmetatable('').__index))", "index a boolean value");
    fails_with("getmetatable(r).__index = nil", "index a boolean value");
    fails_with("getmetatable(sluice.null).__index = nil", "index a boolean value");
    fails_with("setmetatable('', {})", "table expected");
    fails_with("require 'os'", "files are read only while the script loads");
}

static void what_a_script_does_to_its_libraries_is_its_own(void **state)
{
    struct rig *other = rig_new("function transform(r) return ('ab'):upper() end");
    struct rig *rig = rig_new("function transform(r) string.upper = nil pcall = nil table = nil error = nil\n"
                              "_G.tostring = nil return r end");

    (void)state;
    rig_open(rig, "lua: t.lua");
    rig_open(other, "lua: t.lua");
    assert_string_equal(rig_one(rig, "x"), "x\n");
    assert_string_equal(rig_one(rig, "x"), "x\n");
    assert_string_equal(rig_one(other, "x"), "AB\n");
    rig_free(rig);
    rig_free(other);
}

static void after_an_abort_the_state_is_new(void **state)
{
    struct rig *rig = rig_new("local n = 0\n"
                              "function init() n = 100 end\n"
                              "function transform(r)\n"
                              "  n = n + 1\n"
                              "  if r.raw == 'bad' then while true do end end\n"
                              "  return tostring(n)\n"
                              "end\n");
    const struct slice data[] = {SLICE("a"), SLICE("b"), SLICE("bad"), SLICE("c")};

    (void)state;
    rig_open(rig, "lua: t.lua, timeout: 20ms");
    rig_begin(rig);
    assert_int_equal(rig_run(rig, data, 4), 0);
    assert_string_equal(rig_end(rig), "101\n102\n! Lua.FunctionTimedOut: t.lua:5: takes longer than 20 ms\n101\n");
    rig_free(rig);
}

static void a_batch_has_a_time_of_its_own(void **state)
{
    struct rig *rig = rig_new("function transform(r)\n"
                              "  local t = os.clock()\n"
                              "  while r.raw ~= 'quick' and os.clock() < t + 0.01 do end\n"
                              "  return r\n"
                              "end");
    struct slice data[100];
    const char *outcomes;
    double began = cpu_ms();
    size_t failed = 0;

    (void)state;
    for (size_t i = 0; i < 100; i++)
        data[i] = SLICE("x");
    data[0] = SLICE("quick"); /* gets through on the busiest machine */
    rig_open(rig, "lua: t.lua, timeout: 50ms, batch_timeout: 100ms");
    rig_begin(rig);
    assert_int_equal(rig_run(rig, data, 50), 0);
    assert_int_equal(rig_run(rig, data + 50, 50), 0);
    outcomes = rig_end(rig);
    assert_true(cpu_ms() - began < 300 * SLOWER);
    for (const char *p = outcomes; (p = strstr(p, "! Lua.FunctionTimedOut")); p++)
        failed++;
    assert_true(failed >= 80);
    assert_true(failed <= 99);
    rig_free(rig);
}

/* Lua gives up a finalizer that it has no C stack or no memory to call; here there is none. What it would have freed goes with the state: a leak is
 * seen by AddressSanitizer. */
static void what_finalizers_did_not_free_goes_with_the_state(void **state)
{
    static const luaL_Reg none[] = {{NULL, NULL}};
    struct lua_guard guard;
    lua_State *L = lua_guard_open(&guard, MIB);

    (void)state;
    assert_non_null(L);
    lua_regex_methods(L, none);
    for (int i = 0; i < 3; i++) {
        assert_non_null(lua_regex_push(L, SLICE("a(b)+"), 0));
        lua_pushnil(L);
        lua_setmetatable(L, -2);
        if (i == 1)
            lua_settop(L, 0); /* the first two are garbage, the last is not */
        lua_gc(L, LUA_GCCOLLECT);
    }
    lua_guard_close(&guard, &L);
    assert_null(guard.held);
}

static void a_script_that_loads_for_ever_is_refused(void **state)
{
    struct rig *rig = rig_new("while true do end");

    (void)state;
    assert_int_equal(rig_load(rig, "lua: t.lua"), -1);
    assert_non_null(strstr(rig->err.msg, "takes longer than 5000 ms"));
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endless_loops_end),
        cmocka_unit_test(an_abort_is_not_swallowed_by_pcall),
        cmocka_unit_test(an_abort_is_not_swallowed_by_coroutines),
        cmocka_unit_test(an_abort_is_not_swallowed_by_metamethods),
        cmocka_unit_test(finalisers_are_refused),
        cmocka_unit_test(long_work_inside_of_c_functions_ends),
        cmocka_unit_test(the_length_of_a_pattern_counts),
        cmocka_unit_test(the_same_argument_many_times_counts_each_time),
        cmocka_unit_test(long_strings_are_watched_at_each_instruction),
        cmocka_unit_test(weak_keys_are_refused),
        cmocka_unit_test(any_function_ends_with_any_arguments),
        cmocka_unit_test(sizes_have_limits),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(deep_recursion_is_an_error),
        cmocka_unit_test(nothing_reaches_outside),
        cmocka_unit_test(what_a_script_does_to_its_libraries_is_its_own),
        cmocka_unit_test(after_an_abort_the_state_is_new),
        cmocka_unit_test(a_batch_has_a_time_of_its_own),
        cmocka_unit_test(what_finalizers_did_not_free_goes_with_the_state),
        cmocka_unit_test(a_script_that_loads_for_ever_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
