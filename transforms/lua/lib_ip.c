/* sluice.ip: addresses and networks.
 *
 *   sluice.ip.parse(text)             {version, text, scope}, or nil and a message
 *   sluice.ip.within(ip, networks)    is it in the network, or in one of a list?
 *   sluice.ip.mask(ip, prefix)        the address with the bits behind the prefix cleared
 */
#include "transforms/lua/lib.h"
#include "transforms/text/ip.h"

#include <lauxlib.h>

#define STEP_COST 100

static int not_an_address(lua_State *L)
{
    return lua_lib_nil(L, "not an IP address");
}

static int ip_parse_text(lua_State *L)
{
    struct ip_address a;
    char text[IP_TEXT_MAX];

    if (!ip_parse(&a, lua_lib_text(L, 1)))
        return not_an_address(L);
    lua_guard_step(L, STEP_COST * 20);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, a.bits == 32 ? 4 : 6);
    lua_setfield(L, -2, "version");
    lua_lib_set(L, "text", slice_str(ip_text(&a, text)));
    lua_lib_set(L, "scope", slice_str(ip_scope(&a)));
    return 1;
}

static bool within(lua_State *L, const struct ip_address *a, int index)
{
    struct ip_network n;

    lua_guard_step(L, STEP_COST);
    if (lua_type(L, index) != LUA_TSTRING || !ip_network_parse(&n, lua_lib_text(L, index)))
        luaL_error(L, "not a network such as 10.0.0.0/8: %s", luaL_tolstring(L, index, NULL));
    return ip_in(a, &n);
}

static int ip_within(lua_State *L)
{
    struct ip_address a;
    bool found = false;

    if (!ip_parse(&a, lua_lib_text(L, 1)))
        return not_an_address(L);
    if (!lua_istable(L, 2))
        found = within(L, &a, 2);
    for (lua_Integer i = 1; lua_istable(L, 2) && !found && lua_rawgeti(L, 2, i) != LUA_TNIL; i++) {
        found = within(L, &a, lua_gettop(L));
        lua_pop(L, 1);
    }
    lua_pushboolean(L, found);
    return 1;
}

static int ip_mask_text(lua_State *L)
{
    struct ip_address a;
    struct slice in = lua_lib_text(L, 1);
    lua_Integer prefix = luaL_checkinteger(L, 2);
    char text[IP_TEXT_MAX];

    luaL_argcheck(L, prefix >= 0 && prefix <= 128, 2, "a prefix is between 0 and 128 (32 for IPv4)");
    if (!ip_parse(&a, in))
        return not_an_address(L);
    ip_mask(&a, (unsigned)prefix);
    lua_pushstring(L, ip_text(&a, text));
    return 1;
}

static const luaL_Reg FUNCTIONS[] = {
    {"parse", ip_parse_text}, {"within", ip_within}, {"mask", ip_mask_text}, {NULL, NULL}};

void lua_lib_ip_open(lua_State *L)
{
    luaL_newlib(L, FUNCTIONS);
    lua_setfield(L, -2, "ip");
}
