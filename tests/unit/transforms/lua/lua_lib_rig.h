/* lua_lib_rig.h -- a state under its caps with the library's files open, and Lua's own basics, for tests of the library.
 *
 * run(): a chunk that raises when something is not as it should be.
 */
#ifndef TESTS_UNIT_TRANSFORMS_LUA_LUA_LIB_RIG_H
#define TESTS_UNIT_TRANSFORMS_LUA_LUA_LIB_RIG_H

#include "tests/support/cmocka.h"

#include "transforms/lua/guard.h"
#include "transforms/lua/lib.h"

#include <lauxlib.h>
#include <lualib.h>

struct lua_lib_rig {
    struct lua_guard guard;
    lua_State *L;
};

static inline void lua_lib_rig_open(struct lua_lib_rig *r, size_t memory)
{
    static const luaL_Reg LIBS[] = {
        {LUA_GNAME, luaopen_base}, {LUA_STRLIBNAME, luaopen_string}, {LUA_TABLIBNAME, luaopen_table}};

    r->L = lua_guard_open(&r->guard, memory);
    assert_non_null(r->L);
    for (size_t i = 0; i < ARRAY_LEN(LIBS); i++) {
        luaL_requiref(r->L, LIBS[i].name, LIBS[i].func, 1);
        lua_pop(r->L, 1);
    }
    lua_newtable(r->L);
    lua_lib_re_open(r->L);
    lua_lib_grok_open(r->L);
    lua_lib_hash_open(r->L);
    lua_lib_ip_open(r->L);
    lua_lib_parse_open(r->L);
    lua_lib_redact_open(r->L);
    lua_lib_time_open(r->L);
    lua_setglobal(r->L, "sluice");
}

static inline void lua_lib_rig_close(struct lua_lib_rig *r)
{
    lua_guard_close(&r->guard, &r->L);
}

/* LUA_OK, or the error's text at the top. `limit` as lua_guard_begin() has it. */
static inline int lua_lib_rig_try(struct lua_lib_rig *r, const char *chunk, nsec limit)
{
    int rc = luaL_loadstring(r->L, chunk);

    if (rc == LUA_OK) {
        lua_guard_begin(&r->guard, limit, NSEC_NEVER);
        rc = lua_pcall(r->L, 0, 0, 0);
        lua_guard_end(&r->guard);
    }
    return rc;
}

static inline void lua_lib_rig_run(struct lua_lib_rig *r, const char *chunk)
{
    if (lua_lib_rig_try(r, chunk, NSEC_NEVER) != LUA_OK)
        fail_msg("%s", lua_tostring(r->L, -1));
}

#endif
