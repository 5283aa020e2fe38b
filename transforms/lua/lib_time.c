/* sluice.time: milliseconds since the epoch from text and back.
 *
 *   sluice.time.parse(text [, format [, zone [, reference]]])    a number, or nil and a message
 *   sluice.time.format(ms [, format [, zone]])                   a string
 *
 * A format is "rfc3339" (when left out), "epoch", "epoch_ms", or a pattern with % (time_text.h). Zones are IANA names.
 */
#include "pipeline/base/limits.h"
#include "transforms/lua/lib.h"
#include "transforms/text/time_text.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#define ZONE_TYPE "sluice.time.zone"
#define ZONE_COST 2000

struct holder {
    struct time_zone *zone;
};

static int zone_free(lua_State *L)
{
    struct holder *h = luaL_checkudata(L, 1, ZONE_TYPE);

    time_zone_free(&h->zone);
    return 0;
}

static struct time_zone *open_zone(lua_State *L, int index)
{
    struct holder *h = lua_newuserdatauv(L, sizeof(*h), 0);
    struct err e = {0};

    h->zone = NULL;
    luaL_setmetatable(L, ZONE_TYPE);
    lua_guard_step(L, ZONE_COST);
    if (time_zone_open(&h->zone, lua_tostring(L, index), &e) < 0)
        luaL_error(L, "%s", e.msg);
    return h->zone;
}

/* Each zone's file is read once per state. NULL: UTC. There are some 600 of them, so the table stays small. */
static const struct time_zone *zone_arg(lua_State *L, int index)
{
    struct holder *h;

    if (lua_isnoneornil(L, index) || strcmp(luaL_checkstring(L, index), "UTC") == 0)
        return NULL;
    lua_pushvalue(L, index);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL) {
        lua_pop(L, 1);
        open_zone(L, index);
        lua_pushvalue(L, index);
        lua_pushvalue(L, -2);
        lua_rawset(L, lua_upvalueindex(1));
    }
    h = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return h->zone;
}

/* "1700000000.25" with `scale` 1000, "1700000000250" with 1. */
static int parse_epoch(struct slice text, double scale, int64_t *ms, struct err *e)
{
    char digits[40], *end;
    double v;

    if (text.n == 0 || text.n >= sizeof(digits) || strspn(text.p, "0123456789.-") < text.n)
        return err_set(e, ERR_FORMAT, "time: not a number");
    memcpy(digits, text.p, text.n);
    digits[text.n] = '\0';
    v = strtod(digits, &end) * scale;
    if (end != digits + text.n || !(v >= (double)TIME_TEXT_MIN_MS && v <= (double)TIME_TEXT_MAX_MS))
        return err_set(e, ERR_FORMAT, "time: not a number of this kind");
    *ms = (int64_t)llround(v);
    return 0;
}

static int time_parse(lua_State *L)
{
    struct slice text = lua_lib_text(L, 1), format = slice_str(luaL_optstring(L, 2, "rfc3339"));
    const struct time_zone *zone = zone_arg(L, 3);
    int64_t reference = luaL_optinteger(L, 4, TIME_TEXT_NO_REFERENCE), ms = 0;
    struct err e = {0};
    int rc;

    if (slice_is(format, "rfc3339"))
        rc = time_text_parse_rfc3339(text, zone, &ms, &e);
    else if (slice_is(format, "epoch"))
        rc = parse_epoch(text, 1000, &ms, &e);
    else if (slice_is(format, "epoch_ms"))
        rc = parse_epoch(text, 1, &ms, &e);
    else
        rc = time_text_parse(text, format, zone, reference, &ms, &e);
    if (rc < 0)
        return lua_lib_nil(L, e.msg);
    lua_pushinteger(L, ms);
    return 1;
}

/* UTC ends in Z, other zones in their offset. */
static struct slice pattern_of(struct slice format, const struct time_zone *zone)
{
    if (slice_is(format, "rfc3339"))
        return zone ? SLICE(TIME_TEXT_RFC3339) : SLICE("%Y-%m-%dT%H:%M:%S.%LZ");
    return slice_is(format, "epoch") ? SLICE("%s") : format;
}

static int time_format(lua_State *L)
{
    lua_Number ms = luaL_checknumber(L, 1);
    struct slice format = slice_str(luaL_optstring(L, 2, "rfc3339"));
    const struct time_zone *zone = zone_arg(L, 3);
    struct buf *out = lua_lib_scratch(L, LUA_TIME_TEXT_MAX);
    struct err e = {0};

    if (!(ms >= (lua_Number)TIME_TEXT_MIN_MS && ms <= (lua_Number)TIME_TEXT_MAX_MS))
        return lua_lib_nil(L, "time: outside of the years 1 to 9999");
    if (slice_is(format, "epoch_ms")) {
        lua_pushfstring(L, "%I", (LUAI_UACINT)floor(ms));
        return 1;
    }
    if (time_text_format((int64_t)floor(ms), pattern_of(format, zone), zone, out, &e) < 0)
        return luaL_error(L, "%s", e.msg);
    lua_lib_push(L, buf_slice(out));
    return 1;
}

static const luaL_Reg FUNCTIONS[] = {{"parse", time_parse}, {"format", time_format}, {NULL, NULL}};

void lua_lib_time_open(lua_State *L)
{
    luaL_newmetatable(L, ZONE_TYPE);
    lua_pushcfunction(L, zone_free);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlibtable(L, FUNCTIONS);
    lua_newtable(L);
    luaL_setfuncs(L, FUNCTIONS, 1);
    lua_setfield(L, -2, "time");
}
