/* The guarded string and table functions against Lua's own: the same arguments give the same answers, errors included. */
#include "tests/support/cmocka.h"

#include "transforms/lua/guard.h"
#include "transforms/lua/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* Runs `code` with `own`, the guarded libraries, and `lua`, Lua's. */
static void compare(const char *code)
{
    struct lua_guard g;
    lua_State *L = lua_guard_open(&g, (size_t)64 << 20);

    lua_sandbox_open(L);
    lua_createtable(L, 0, 3);
    lua_getglobal(L, "string");
    lua_setfield(L, -2, "string");
    lua_getglobal(L, "table");
    lua_setfield(L, -2, "table");
    lua_setglobal(L, "own");
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, "string");
    lua_pushcfunction(L, luaopen_table);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, "table");
    lua_setglobal(L, "lua");
    if (luaL_dostring(L, code) != LUA_OK)
        fail_msg("%s", lua_tostring(L, -1));
    lua_guard_close(&g, &L);
}

static const char PRELUDE[] =
    "local state = 7\n"
    "local function random(n) state = (state * 6364136223846793005 + 1442695040888963407) return (state >> 33) % n + 1 "
    "end\n"
    "local function pick(list) return list[random(#list)] end\n"
    "local function show(ok, ...)\n"
    "  local t = {tostring(ok)}\n"
    "  for i = 1, select('#', ...) do t[#t + 1] = tostring((select(i, ...))) end\n"
    "  return table.concat(t, '|')\n"
    "end\n"
    "local function same(f, g, what, ...)\n"
    "  local a, b = show(pcall(f, ...)), show(pcall(g, ...))\n"
    "  if a ~= b then error(('%s(%q)\\nown: %q\\nlua: %q'):format(what, show(...), a, b), 0) end\n"
    "end\n";

static void with_prelude(const char *code)
{
    char text[8000];

    assert_true(snprintf(text, sizeof(text), "%s%s", PRELUDE, code) < (int)sizeof(text));
    compare(text);
}

static void patterns_match_as_in_lua(void **state)
{
    (void)state;
    with_prelude(
        "local items = {'a', 'b', '.', '%a', '%d', '%S', '%w', '%%', '[ab]', '[^a]', '[a-c%d]', '[]a]', '[^]]',"
        " '%1', '(', ')', '()', '%b()', '%f[%w]', '$', '^', '*', '+', '-', '?', '%', '[', ']', '\\0', '[%a-]',"
        " '[a-', '%f', '%bx', '[%', '1', ' '}\n"
        "local bytes = {'a', 'b', 'c', '1', '2', ' ', '(', ')', '-', ']', '\\0', '$', '^', '%', '\\255'}\n"
        "for i = 1, 30000 do\n"
        "  local p, s = {}, {}\n"
        "  for k = 1, random(7) do p[k] = pick(items) end\n"
        "  for k = 1, random(12) - 1 do s[k] = pick(bytes) end\n"
        "  p, s = table.concat(p), table.concat(s)\n"
        "  local init = random(20) - 8\n"
        "  same(own.string.find, lua.string.find, 'find', s, p, init)\n"
        "  same(own.string.match, lua.string.match, 'match', s, p)\n"
        "  same(own.string.gsub, lua.string.gsub, 'gsub', s, p, pick{'<%0>', 'x', '%1', '%2', '%%', '%', '%x'})\n"
        "  same(own.string.gsub, lua.string.gsub, 'gsub', s, p, {a = 'A', b = false, ['1'] = 7}, random(4) - 1)\n"
        "  local function all(lib) local t = {} for a, b in lib.gmatch(s, p) do\n"
        "    t[#t + 1] = tostring(a) .. '/' .. tostring(b) end return table.concat(t, ',') end\n"
        "  same(function() return all(own.string) end, function() return all(lua.string) end, 'gmatch', s, p)\n"
        "end\n");
}

static void strings_repeat_and_format_as_in_lua(void **state)
{
    (void)state;
    with_prelude(
        "for i = 1, 3000 do\n"
        "  same(own.string.rep, lua.string.rep, 'rep', pick{'', 'x', 'ab', 'abc'}, random(50) - 3,\n"
        "       pick{'', ',', '::'})\n"
        "  same(own.string.find, lua.string.find, 'find', pick{'abcabc', '', 'x'}, pick{'bc', '', 'q', '%'},\n"
        "       random(12) - 6, true)\n"
        "  same(own.string.format, lua.string.format, 'format', pick{'%d', '%5.2f', '%s', '%q', '%x', '%z', '%'},\n"
        "       pick{1, 2.5, 'x', true})\n"
        "end\n"
        "same(own.string.gsub, lua.string.gsub, 'gsub', 'hello world', '%w+', function(w) return w:upper() end)\n"
        "same(own.string.gsub, lua.string.gsub, 'gsub', 'hello', '', '-')\n"
        "same(own.string.gsub, lua.string.gsub, 'gsub', 'abc', '()', '%1')\n"
        "same(own.string.gsub, lua.string.gsub, 'gsub', 'abc', 'b', function() return {} end)\n");
}

static void tables_work_as_in_lua(void **state)
{
    (void)state;
    with_prelude(
        "local function list(n) local t = {} for i = 1, n do t[i] = random(9) end return t end\n"
        "local function with(f, t, ...) local u = {table.unpack(t)}\n"
        "  local r = show(pcall(f, u, ...)) for i = 1, 20 do r = r .. ',' .. tostring(u[i]) end return r end\n"
        "for i = 1, 3000 do\n"
        "  local t, a, b, c = list(random(9) - 1), random(12) - 3, random(12) - 3, random(12) - 3\n"
        "  for name, args in pairs{insert = {a, 5}, remove = {a}, concat = {',', a, b}, unpack = {a, b},\n"
        "      move = {a, b, c}} do\n"
        "    if name ~= 'move' or c > 0 then\n"
        "      local x, y = with(own.table[name], t, table.unpack(args)), with(lua.table[name], t, "
        "table.unpack(args))\n"
        "      x, y = x:gsub('table: %S+', ''):gsub('#%d', '#'), y:gsub('table: %S+', ''):gsub('#%d', '#')\n"
        "      if x ~= y then error(name .. ' ' .. table.concat(t, ',') .. ' with ' .. show(a, b, c) .. '\\n' .. x .. "
        "'\\n' .. y, 0) end\n"
        "    end\n"
        "  end\n"
        "  local u, v = list(random(40)), nil\n"
        "  v = {table.unpack(u)}\n"
        "  own.table.sort(u) lua.table.sort(v)\n"
        "  assert(table.concat(u, ',') == table.concat(v, ','))\n"
        "  own.table.sort(u, function(x, y) return x > y end) lua.table.sort(v, function(x, y) return x > y end)\n"
        "  assert(table.concat(u, ',') == table.concat(v, ','))\n"
        "end\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_in_lua),
        cmocka_unit_test(strings_repeat_and_format_as_in_lua),
        cmocka_unit_test(tables_work_as_in_lua),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
