/* From JSON: text that was checked before is walked with a json_reader, and values are pushed without another
 * check. To JSON: a table is looked through once to see what kinds of keys it has; 1 to n is an array, texts are an
 * object, anything else is an error. The keys of an object are sorted, so that the same table gives the same bytes:
 * a retried batch makes the same object.
 *
 * The text grows in a buffer of the guard, which survives an error that jumps over the C frames. */
#include "transforms/lua/json.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a value costs in the guard's units, beside its bytes. */
#define VALUE_COST 30
/* A byte of a string that is quoted: most cost less, control characters more. */
#define QUOTE_COST 8
/* Numbers longer than this go the slow way. */
#define NUMBER_MAX 40

/* Their addresses are null, the registry's key of arrays' metatable, and the key of a writer in a metatable. */
static const char NULL_TAG, ARRAY_TAG, WRITER_TAG;

/* --- null and arrays --- */

void lua_json_push_null(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&NULL_TAG);
}

bool lua_json_is_null(lua_State *L, int index)
{
    return lua_touserdata(L, index) == &NULL_TAG;
}

static int null_text(lua_State *L)
{
    lua_pushstring(L, lua_json_is_null(L, 1) ? "null" : "userdata");
    return 1;
}

void lua_json_open(lua_State *L)
{
    lua_json_push_null(L);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, null_text);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &ARRAY_TAG);
}

void lua_json_mark_array(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &ARRAY_TAG);
    lua_setmetatable(L, index);
}

bool lua_json_is_array(lua_State *L, int index)
{
    bool is;

    if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &ARRAY_TAG);
    is = lua_rawequal(L, -1, -2) != 0;
    lua_pop(L, 2);
    return is;
}

/* --- from JSON --- */

/* Digits without fraction or exponent that fit; "-0" does not: it has a sign that an integer would lose. */
static bool read_integer(struct slice s, lua_Integer *out)
{
    bool negative = s.n > 0 && s.p[0] == '-';
    uint64_t v = 0;

    if (s.n - negative > 19 || (negative && s.n == 2 && s.p[1] == '0'))
        return false;
    for (size_t i = negative; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

        if (digit > 9)
            return false;
        v = v * 10 + digit; /* 19 digits fit */
    }
    if (v > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (lua_Integer)(0 - v) : (lua_Integer)v;
    return true;
}

void lua_json_push_number(lua_State *L, struct slice raw)
{
    char digits[NUMBER_MAX + 1];
    lua_Integer i;

    if (read_integer(raw, &i)) {
        lua_pushinteger(L, i);
    } else if (raw.n <= NUMBER_MAX) {
        memcpy(digits, raw.p, raw.n);
        digits[raw.n] = '\0';
        lua_pushnumber(L, strtod(digits, NULL));
    } else {
        lua_guard_step(L, raw.n * 10);
        lua_pushlstring(L, raw.p, raw.n); /* ends with a NUL there */
        lua_pushnumber(L, strtod(lua_tostring(L, -1), NULL));
        lua_remove(L, -2);
    }
}

static void push_unescaped(lua_State *L, struct json_string s)
{
    struct buf *word = &lua_guard_of(L)->word;

    buf_clear(word);
    if (json_unescape(s, word) < 0)
        luaL_error(L, "not enough memory");
    lua_pushlstring(L, word->p ? word->p : "", word->n);
}

void lua_json_push_string(lua_State *L, struct slice raw)
{
    struct json_string s = {.raw = slice_of(raw.p + 1, raw.n - 2)};

    lua_guard_step(L, raw.n);
    s.escaped = s.raw.n && memchr(s.raw.p, '\\', s.raw.n);
    if (s.escaped)
        push_unescaped(L, s);
    else
        lua_pushlstring(L, s.raw.p, s.raw.n);
}

static void push_value(lua_State *L, struct json_reader *r);

static void push_container(lua_State *L, struct json_reader *r, bool object)
{
    struct json_string key;

    luaL_checkstack(L, 4, NULL);
    lua_newtable(L);
    if (!object)
        lua_json_mark_array(L, -1);
    json_enter(r);
    if (object) {
        while (json_member(r, &key)) {
            if (key.escaped)
                push_unescaped(L, key);
            else
                lua_pushlstring(L, key.raw.p, key.raw.n);
            push_value(L, r);
            lua_rawset(L, -3);
        }
    } else {
        for (lua_Integer i = 1; json_element(r); i++) {
            push_value(L, r);
            lua_rawseti(L, -2, i);
        }
    }
}

static void push_scalar(lua_State *L, struct slice raw)
{
    switch (raw.n ? raw.p[0] : 'n') {
    case '"':
        lua_json_push_string(L, raw);
        break;
    case 't':
        lua_pushboolean(L, 1);
        break;
    case 'f':
        lua_pushboolean(L, 0);
        break;
    case 'n':
        lua_json_push_null(L);
        break;
    default:
        lua_json_push_number(L, raw);
    }
}

/* Pushes something even after an error of the text, so that the callers need not look: the last one does. */
static void push_value(lua_State *L, struct json_reader *r)
{
    enum json_type type = json_peek(r);
    struct slice raw = {0};

    lua_guard_step(L, VALUE_COST);
    if (type == JSON_OBJECT || type == JSON_ARRAY) {
        push_container(L, r, type == JSON_OBJECT);
    } else {
        json_value(r, &raw);
        push_scalar(L, raw);
    }
}

void lua_json_decode(lua_State *L, struct slice text)
{
    struct json_reader r;

    json_open(&r, text, LUA_JSON_DEPTH);
    push_value(L, &r);
    if (!json_end(&r))
        luaL_error(L, "invalid JSON: %s at byte %I", r.error, (LUAI_UACINT)json_offset(&r));
}

void lua_json_push(lua_State *L, struct slice raw)
{
    struct json_reader r;

    json_open(&r, raw, JSON_DEPTH_MAX);
    push_value(L, &r);
}

/* --- to JSON --- */

static void add(lua_State *L, struct buf *out, const char *p, size_t n)
{
    if (buf_add(out, p, n) < 0)
        luaL_error(L, "the JSON text grows too large");
}

static void add_float(lua_State *L, struct buf *out, double v)
{
    char text[40];
    int n = 0;

    if (!isfinite(v))
        luaL_error(L, "JSON has no way to write %s", isnan(v) ? "nan" : "inf");
    if (v == floor(v) && fabs(v) < 1e15) {
        n = snprintf(text, sizeof(text), "%.1f", v);
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            n = snprintf(text, sizeof(text), "%.*g", digits, v);
            if (strtod(text, NULL) == v)
                break;
        }
        if (strspn(text, "-0123456789") == (size_t)n)
            n += snprintf(text + n, sizeof(text) - (size_t)n, ".0"); /* read back, it is a float again */
    }
    add(L, out, text, (size_t)n);
}

static void add_string(lua_State *L, struct buf *out, int index)
{
    size_t n;
    const char *p = lua_tolstring(L, index, &n);

    lua_guard_step(L, n * QUOTE_COST);
    if (json_quote(slice_of(p, n), out) < 0)
        luaL_error(L, "the JSON text grows too large");
}

static void add_value(lua_State *L, struct buf *out, int index, int depth);

static void add_array(lua_State *L, struct buf *out, int table, lua_Integer n, int depth)
{
    add(L, out, "[", 1);
    for (lua_Integer i = 1; i <= n; i++) {
        if (i > 1)
            add(L, out, ",", 1);
        lua_rawgeti(L, table, i);
        if (lua_isnil(L, -1))
            lua_json_push_null(L);
        add_value(L, out, lua_gettop(L), depth);
        lua_settop(L, table);
    }
    add(L, out, "]", 1);
}

static int compare_keys(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = n ? memcmp(x->p, y->p, n) : 0;

    return c ? c : (x->n > y->n) - (x->n < y->n);
}

/* Pushes an array of the table's keys, sorted, whose strings the table holds. */
static struct slice *push_keys(lua_State *L, int table, size_t n)
{
    struct slice *keys = lua_newuserdatauv(L, n * sizeof(*keys), 0);
    size_t i = 0, bytes = 0;

    lua_pushnil(L);
    while (i < n && lua_next(L, table)) {
        lua_pop(L, 1);
        keys[i].p = lua_tolstring(L, -1, &keys[i].n);
        bytes += keys[i].n;
        i++;
    }
    lua_settop(L, table + 1);
    lua_guard_step(L, n * 200 + bytes);
    qsort(keys, n, sizeof(*keys), compare_keys);
    return keys;
}

static void add_object(lua_State *L, struct buf *out, int table, size_t n, int depth)
{
    struct slice *keys = push_keys(L, table, n);

    add(L, out, "{", 1);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            add(L, out, ",", 1);
        lua_pushlstring(L, keys[i].p, keys[i].n);
        add_string(L, out, -1);
        add(L, out, ":", 1);
        lua_rawget(L, table);
        add_value(L, out, lua_gettop(L), depth);
        lua_settop(L, table + 1);
    }
    add(L, out, "}", 1);
}

void lua_json_set_writer(lua_State *L, const struct lua_json_writer *writer)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)writer);
    lua_rawsetp(L, -2, &WRITER_TAG);
}

/* A userdata whose metatable has a writer. False: it has none. */
static bool add_userdata(lua_State *L, struct buf *out, int index)
{
    const struct lua_json_writer *writer = NULL;

    if (lua_type(L, index) == LUA_TUSERDATA && lua_getmetatable(L, index)) {
        lua_rawgetp(L, -1, &WRITER_TAG);
        writer = lua_touserdata(L, -1);
        lua_pop(L, 2);
    }
    if (writer)
        writer->write(L, index, out);
    return writer != NULL;
}

/* What kinds of keys a table has. */
struct keys {
    size_t all, strings;
    lua_Integer largest; /* of whole numbers from 1 on */
    size_t numbers;
};

static struct keys count_keys(lua_State *L, int table)
{
    struct keys k = {0};

    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_guard_step(L, VALUE_COST);
        lua_pop(L, 1);
        k.all++;
        if (lua_type(L, -1) == LUA_TSTRING) {
            k.strings++;
        } else if (lua_isinteger(L, -1) && lua_tointeger(L, -1) > 0) {
            k.numbers++;
            k.largest = lua_tointeger(L, -1) > k.largest ? lua_tointeger(L, -1) : k.largest;
        }
    }
    return k;
}

static void add_table(lua_State *L, struct buf *out, int table, int depth)
{
    bool array = lua_json_is_array(L, table);
    struct keys k;

    if (depth >= LUA_JSON_DEPTH)
        luaL_error(L, "a table is nested too deeply for JSON (or holds itself)");
    luaL_checkstack(L, 8, NULL);
    k = count_keys(L, table);
    if (k.numbers == k.all && (array || k.all > 0) && (size_t)k.largest == k.numbers)
        add_array(L, out, table, k.largest, depth);
    else if (k.strings == k.all && !array)
        add_object(L, out, table, k.all, depth);
    else
        luaL_error(L, "a table with these keys is neither a JSON array (1 to n) nor a JSON object (texts)");
}

/* `index` is the top of the stack and stays there. */
static void add_value(lua_State *L, struct buf *out, int index, int depth)
{
    lua_guard_step(L, VALUE_COST);
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        if (lua_isinteger(L, index) && buf_add_int(out, lua_tointeger(L, index)) < 0)
            luaL_error(L, "the JSON text grows too large");
        else if (!lua_isinteger(L, index))
            add_float(L, out, lua_tonumber(L, index));
        break;
    case LUA_TSTRING:
        add_string(L, out, index);
        break;
    case LUA_TBOOLEAN:
        if (lua_toboolean(L, index))
            add(L, out, "true", 4);
        else
            add(L, out, "false", 5);
        break;
    case LUA_TTABLE:
        add_table(L, out, index, depth + 1);
        break;
    default:
        if (lua_json_is_null(L, index))
            add(L, out, "null", 4);
        else if (!add_userdata(L, out, index))
            luaL_error(L, "a %s cannot be written as JSON", luaL_typename(L, index));
    }
}

void lua_json_write(lua_State *L, int index, struct buf *out)
{
    int top = lua_gettop(L);

    lua_pushvalue(L, index);
    add_value(L, out, top + 1, 0);
    lua_settop(L, top);
}

void lua_json_encode(lua_State *L, int index)
{
    struct buf *text = &lua_guard_of(L)->text;

    buf_clear(text);
    lua_json_write(L, index, text);
    lua_pushlstring(L, text->p, text->n);
}
