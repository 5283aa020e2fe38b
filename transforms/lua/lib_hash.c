/* sluice.hash, sluice.base64, sluice.gunzip and sluice.sample: bytes in, bytes or a verdict out.
 *
 * Hashes are lower-case hex, except CRC-32C, which is an integer as everywhere: a 64-bit number would lose digits in
 * many a JSON reader. */
#include "transforms/lua/lib.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "transforms/codecs/gunzip.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <stdio.h>
#include <xxhash.h>

#define GUNZIP_TYPE "sluice.gunzip"

static int push_hex(lua_State *L, const unsigned char *bytes)
{
    char hex[SHA256_HEX];

    lua_pushstring(L, hex_encode(bytes, SHA256_BYTES, hex));
    return 1;
}

static int hash_sha256(lua_State *L)
{
    unsigned char out[SHA256_BYTES];
    struct slice in = lua_lib_text(L, 1);

    lua_guard_step(L, in.n);
    sha256_of(in, out);
    return push_hex(L, out);
}

static int hash_hmac(lua_State *L)
{
    unsigned char out[SHA256_BYTES];
    struct slice key = lua_lib_text(L, 1), in = lua_lib_text(L, 2);

    lua_guard_step(L, in.n);
    hmac_sha256(key, in, out);
    return push_hex(L, out);
}

static int hash_crc32c(lua_State *L)
{
    lua_pushinteger(L, crc32c(0, lua_lib_text(L, 1)));
    return 1;
}

static uint64_t xxh64(struct slice in, uint64_t seed)
{
    return XXH64(in.n ? in.p : NULL, in.n, seed);
}

static int hash_xxh64(lua_State *L)
{
    struct slice in = lua_lib_text(L, 1);
    char hex[17];

    snprintf(hex, sizeof(hex), "%016" PRIx64, xxh64(in, (uint64_t)luaL_optinteger(L, 2, 0)));
    lua_pushstring(L, hex);
    return 1;
}

/* sluice.sample(rate, key): the same key has the same answer, in every process and for every rate above. */
static int sample(lua_State *L)
{
    lua_Number rate = luaL_checknumber(L, 1);
    struct slice key = lua_lib_text(L, 2);

    luaL_argcheck(L, rate >= 0 && rate <= 1, 1, "a rate is between 0 and 1");
    lua_pushboolean(L, rate >= 1 || (double)(xxh64(key, 0) >> 11) < rate * (double)(1ULL << 53));
    return 1;
}

static int encode(lua_State *L)
{
    struct slice in = lua_lib_text(L, 1);
    size_t n = base64_encoded_length(in.n);
    luaL_Buffer b;

    lua_guard_step(L, n);
    base64_encode(in, luaL_buffinitsize(L, &b, n));
    luaL_pushresultsize(&b, n);
    return 1;
}

static int decode(lua_State *L)
{
    struct slice in = lua_lib_text(L, 1);
    luaL_Buffer b;
    long n = base64_decode(in, luaL_buffinitsize(L, &b, base64_decoded_max(in.n) + BASE64_SLACK));

    if (n < 0)
        return lua_lib_nil(L, "base64: not valid (padding is required, no white space, no other alphabet)");
    luaL_pushresultsize(&b, (size_t)n);
    return 1;
}

struct inflater {
    struct gunzip *gunzip;
};

static int inflater_free(lua_State *L)
{
    struct inflater *i = luaL_checkudata(L, 1, GUNZIP_TYPE);

    gunzip_free(&i->gunzip);
    return 0;
}

/* sluice.gunzip(text [, limit]) */
static int gunzip_text(lua_State *L)
{
    struct inflater *i = lua_touserdata(L, lua_upvalueindex(1));
    struct slice in = lua_lib_text(L, 1);
    lua_Integer limit = luaL_optinteger(L, 2, LUA_GUNZIP_DEFAULT);
    struct err e = {0};
    struct buf *out;

    luaL_argcheck(L, limit > 0 && limit <= (lua_Integer)LUA_GUARD_STRING_MAX, 2, "the limit is 1 to 16777216 bytes");
    out = lua_lib_scratch(L, (size_t)limit);
    if (!i->gunzip)
        i->gunzip = gunzip_new();
    lua_guard_step(L, in.n);
    if (gunzip_all(i->gunzip, in, out, &e) < 0) {
        lua_guard_step(L, out->n);
        return lua_lib_nil(L, e.msg);
    }
    lua_guard_step(L, out->n);
    lua_lib_push(L, buf_slice(out));
    buf_trim(out, TRANSFORM_KEEP_MAX);
    return 1;
}

static void open_gunzip(lua_State *L)
{
    struct inflater *i = lua_newuserdatauv(L, sizeof(*i), 0);

    i->gunzip = NULL;
    luaL_newmetatable(L, GUNZIP_TYPE);
    lua_pushcfunction(L, inflater_free);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushcclosure(L, gunzip_text, 1);
    lua_setfield(L, -2, "gunzip");
}

static const luaL_Reg HASH[] = {
    {"sha256", hash_sha256}, {"hmac_sha256", hash_hmac}, {"crc32c", hash_crc32c}, {"xxh64", hash_xxh64}, {NULL, NULL}};

static const luaL_Reg BASE64[] = {{"encode", encode}, {"decode", decode}, {NULL, NULL}};

void lua_lib_hash_open(lua_State *L)
{
    luaL_newlib(L, HASH);
    lua_setfield(L, -2, "hash");
    luaL_newlib(L, BASE64);
    lua_setfield(L, -2, "base64");
    lua_pushcfunction(L, sample);
    lua_setfield(L, -2, "sample");
    open_gunzip(L);
}
