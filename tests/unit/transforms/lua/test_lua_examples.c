/* The examples of transforms/README.md, section "Library": in each block of Lua, an expression before `-->` must give
 * what stands behind it. */
#include "tests/unit/transforms/lua/lua_lib_rig.h"

#include "pipeline/base/buf.h"

#include <stdio.h>
#include <string.h>

/* Values as one would write them, keys in order. */
static const char SHOW[] =
    "local function show(v)\n"
    "  if type(v) == 'string' then return '\"' .. v:gsub('\\\\', '\\\\\\\\'):gsub('\"', '\\\\\"') .. '\"' end\n"
    "  if type(v) ~= 'table' then return tostring(v) end\n"
    "  local keys, out = {}, {}\n"
    "  for k in pairs(v) do if not (math_type(k) and k >= 1 and k <= #v) then keys[#keys + 1] = k end end\n"
    "  table.sort(keys)\n"
    "  for _, x in ipairs(v) do out[#out + 1] = show(x) end\n"
    "  for _, k in ipairs(keys) do out[#out + 1] = k .. ' = ' .. show(v[k]) end\n"
    "  return '{' .. table.concat(out, ', ') .. '}'\n"
    "end\n"
    "function CHECK(line, want, ...)\n"
    "  local got = {}\n"
    "  for i = 1, select('#', ...) do got[i] = show((select(i, ...))) end\n"
    "  got = #got == 0 and 'nil' or table.concat(got, ', ')\n"
    "  if got ~= want then error('README.md:' .. line .. ': gives ' .. got .. ', not ' .. want, 0) end\n"
    "  CHECKED = (CHECKED or 0) + 1\n"
    "end\n";

static void add_line(struct buf *chunk, char *line, unsigned number)
{
    char *arrow = strstr(line, "-->");

    line[strcspn(line, "\n")] = '\0';
    if (!arrow) {
        assert_int_equal(buf_printf(chunk, "%s\n", line), 0);
        return;
    }
    *arrow = '\0';
    arrow += 3 + strspn(arrow + 3, " ");
    assert_int_equal(buf_printf(chunk, "CHECK(%u, [==[%s]==], %s)\n", number, arrow, line), 0);
}

static void run_block(struct lua_lib_rig *r, struct buf *chunk, unsigned from)
{
    if (lua_lib_rig_try(r, buf_cstr(chunk), NSEC_NEVER) != LUA_OK)
        fail_msg("block from line %u: %s", from, lua_tostring(r->L, -1));
    buf_clear(chunk);
}

static int math_type(lua_State *L)
{
    lua_pushboolean(L, lua_isinteger(L, 1) && lua_type(L, 1) == LUA_TNUMBER);
    return 1;
}

static void every_example_gives_what_it_says(void **state)
{
    FILE *f = fopen("transforms/README.md", "re");
    bool library = false, inside = false;
    char line[2048];
    struct lua_lib_rig r;
    struct buf chunk;
    unsigned number = 0, from = 0;

    (void)state;
    assert_non_null(f);
    buf_init(&chunk, 1 << 20);
    lua_lib_rig_open(&r, 64 << 20);
    lua_register(r.L, "math_type", math_type);
    lua_lib_rig_run(&r, SHOW);
    while (fgets(line, sizeof(line), f)) {
        number++;
        if (strncmp(line, "## ", 3) == 0)
            library = strncmp(line, "## Library", 10) == 0;
        if (!library)
            continue;
        if (!inside && strncmp(line, "```lua", 6) == 0) {
            inside = true;
            from = number;
        } else if (inside && strncmp(line, "```", 3) == 0) {
            inside = false;
            run_block(&r, &chunk, from);
        } else if (inside) {
            add_line(&chunk, line, number);
        }
    }
    lua_getglobal(r.L, "CHECKED");
    assert_true(lua_tointeger(r.L, -1) >= 50);
    lua_lib_rig_close(&r);
    buf_release(&chunk);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_example_gives_what_it_says)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
