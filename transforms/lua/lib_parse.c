/* sluice.parse: lines and values in usual forms to tables. What does not have the form gives nil and a message. */
#include "pipeline/base/limits.h"
#include "transforms/lua/lib.h"
#include "transforms/text/apache.h"
#include "transforms/text/csv.h"
#include "transforms/text/pairs.h"
#include "transforms/text/syslog.h"
#include "transforms/text/url.h"
#include "transforms/text/user_agent.h"

#include <lauxlib.h>

static void set_if(lua_State *L, const char *name, struct slice value)
{
    if (value.p)
        lua_lib_set(L, name, value);
}

/* The digits as an integer; they are left as text when they do not fit. */
static void set_number(lua_State *L, const char *name, struct slice digits)
{
    if (!digits.p)
        return;
    lua_lib_push(L, digits);
    if (lua_stringtonumber(L, lua_tostring(L, -1)) > 0)
        lua_remove(L, -2);
    lua_setfield(L, -2, name);
}

static void push_decoded(lua_State *L, struct slice raw, int (*decode)(struct slice raw, struct buf *out))
{
    struct buf *b = lua_lib_scratch(L, raw.n + 1);

    if (decode(raw, b) < 0)
        luaL_error(L, "not enough memory");
    lua_lib_push(L, buf_slice(b));
}

static void push_value(lua_State *L, struct slice value, bool escaped)
{
    if (escaped)
        push_decoded(L, value, pairs_unescape);
    else
        lua_lib_push(L, value);
}

/* --- kv and logfmt -------------------------------------------------------------------------------------------------- */

static int push_pairs(lua_State *L, struct slice text, const struct pairs_style *style, bool words)
{
    struct pairs pairs;
    struct pair pair;

    lua_newtable(L);
    pairs_open(&pairs, text, style);
    while (pairs_next(&pairs, &pair)) {
        lua_guard_step(L, pairs.walked);
        if (pair.key.n == 0 || (!pair.has_value && !words))
            continue;
        lua_lib_push(L, pair.key);
        if (pair.has_value)
            push_value(L, pair.value, pair.escaped);
        else
            lua_pushboolean(L, true);
        lua_rawset(L, -3);
    }
    return 1;
}

static int parse_logfmt(lua_State *L)
{
    return push_pairs(L, lua_lib_text(L, 1), &PAIRS_LOGFMT, true);
}

static int parse_kv(lua_State *L)
{
    struct slice text = lua_lib_text(L, 1);
    struct pairs_style style = PAIRS_LOGFMT;

    if (lua_lib_option(L, 2, "between_pairs", &style.between_pairs))
        luaL_argcheck(L, style.between_pairs.n > 0, 2, "`between_pairs` is empty");
    if (lua_lib_option(L, 2, "between_key_and_value", &style.between_key_and_value))
        luaL_argcheck(L, style.between_key_and_value.n > 0, 2, "`between_key_and_value` is empty");
    luaL_argcheck(L, style.between_pairs.n <= 16 && style.between_key_and_value.n <= 16, 2,
                  "separators have at most 16 bytes");
    return push_pairs(L, text, &style, false);
}

/* --- csv ------------------------------------------------------------------------------------------------------------ */

static void push_csv_field(lua_State *L, const struct csv_field *field)
{
    if (field->doubled)
        push_decoded(L, field->text, csv_undouble);
    else
        lua_lib_push(L, field->text);
}

/* Pushes one row: a list, or a table by the names in the list at `columns` (0: none). */
static void push_row(lua_State *L, struct csv *csv, int columns)
{
    struct csv_field field;

    lua_newtable(L);
    for (lua_Integer i = 1; csv_field(csv, &field); i++) {
        if (!columns || lua_rawgeti(L, columns, i) == LUA_TNIL) {
            if (columns)
                lua_pop(L, 1);
            push_csv_field(L, &field);
            lua_rawseti(L, -2, i);
        } else {
            push_csv_field(L, &field);
            lua_rawset(L, -3);
        }
    }
}

/* The index of the list of names, or 0. */
static int columns_of(lua_State *L)
{
    if (lua_isnoneornil(L, 2))
        return 0;
    lua_getfield(L, 2, "columns");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return 0;
    }
    luaL_argcheck(L, lua_istable(L, -1), 2, "`columns` is a list of names");
    return lua_gettop(L);
}

static int parse_csv(lua_State *L)
{
    struct slice text = lua_lib_text(L, 1), separator = SLICE(",");
    bool rows = lua_lib_flag(L, 2, "rows");
    struct csv csv;
    int columns;

    if (lua_lib_option(L, 2, "separator", &separator))
        luaL_argcheck(L, separator.n == 1 && !memchr("\"\r\n", separator.p[0], 3), 2, "`separator` is one character");
    columns = columns_of(L);
    csv_open(&csv, text, separator.p[0]);
    if (rows)
        lua_newtable(L);
    for (lua_Integer i = 1; csv_row(&csv); i++) {
        push_row(L, &csv, columns);
        if (csv.error)
            break;
        if (!rows)
            return csv.rest.n == 0 ? 1 : lua_lib_nil(L, "csv: more than one row; ask for `rows`");
        lua_rawseti(L, -2, i);
    }
    if (csv.error)
        return lua_lib_nil(L, csv.error);
    if (!rows)
        lua_newtable(L);
    return 1;
}

/* --- log lines ------------------------------------------------------------------------------------------------------ */

static int parse_apache(lua_State *L)
{
    struct apache_line l;

    if (!apache_parse(&l, lua_lib_text(L, 1)))
        return lua_lib_nil(L, "not a line in common or combined log format");
    lua_newtable(L);
    set_if(L, "host", l.host);
    set_if(L, "ident", l.ident);
    set_if(L, "user", l.user);
    set_if(L, "time", l.time);
    set_if(L, "request", l.request);
    set_if(L, "method", l.method);
    set_if(L, "path", l.path);
    set_if(L, "protocol", l.protocol);
    set_number(L, "status", l.status);
    set_number(L, "bytes", l.bytes);
    set_if(L, "referrer", l.referrer);
    set_if(L, "agent", l.agent);
    return 1;
}

/* Pushes the table of the element, made when it is not there yet, on top of the table of all. */
static void push_element(lua_State *L, struct slice id)
{
    lua_lib_push(L, id);
    if (lua_rawget(L, -2) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_lib_push(L, id);
    lua_pushvalue(L, -2);
    lua_rawset(L, -4);
}

static void set_data(lua_State *L, struct slice data)
{
    struct syslog_parameter p;
    struct syslog_data it;

    lua_newtable(L);
    syslog_data_open(&it, data);
    while (syslog_data_next(&it, &p)) {
        push_element(L, p.element);
        if (p.name.n > 0) {
            lua_lib_push(L, p.name);
            push_value(L, p.value, p.escaped);
            lua_rawset(L, -3);
        }
        lua_pop(L, 1);
    }
    lua_setfield(L, -2, "data");
}

static int parse_syslog(lua_State *L)
{
    struct syslog_line l;

    if (!syslog_parse(&l, lua_lib_text(L, 1)))
        return lua_lib_nil(L, "not a syslog line (RFC 5424 or RFC 3164)");
    lua_newtable(L);
    if (l.priority >= 0) {
        lua_pushinteger(L, l.priority);
        lua_setfield(L, -2, "priority");
        lua_lib_set(L, "facility", slice_str(syslog_facility(l.priority)));
        lua_lib_set(L, "severity", slice_str(syslog_severity(l.priority)));
    }
    set_if(L, "time", l.time);
    set_if(L, "host", l.host);
    set_if(L, "app", l.app);
    set_if(L, "proc_id", l.proc_id);
    set_if(L, "msg_id", l.msg_id);
    set_if(L, "message", l.message);
    if (l.data.p)
        set_data(L, l.data);
    return 1;
}

/* --- addresses ------------------------------------------------------------------------------------------------------ */

/* The last one wins when a name comes twice. */
static void set_params(lua_State *L, struct slice query)
{
    struct slice key, value;

    lua_newtable(L);
    while (url_query_next(&query, &key, &value)) {
        push_decoded(L, key, url_decode_query);
        push_decoded(L, value, url_decode_query);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "params");
}

static int parse_url(lua_State *L)
{
    struct url u;

    if (!url_parse(&u, lua_lib_text(L, 1)))
        return lua_lib_nil(L, "not a URL");
    lua_newtable(L);
    set_if(L, "scheme", u.scheme);
    set_if(L, "user", u.user);
    set_if(L, "password", u.password);
    set_if(L, "host", u.host);
    set_if(L, "path", u.path);
    set_if(L, "query", u.query);
    set_if(L, "fragment", u.fragment);
    if (u.port >= 0) {
        lua_pushinteger(L, u.port);
        lua_setfield(L, -2, "port");
    }
    if (u.query.p)
        set_params(L, u.query);
    return 1;
}

static int parse_user_agent(lua_State *L)
{
    struct user_agent a;
    struct slice text = lua_lib_text(L, 1);

    if (text.n > LUA_AGENT_MAX)
        text.n = LUA_AGENT_MAX;
    lua_guard_step(L, text.n * 8 + 1000); /* some sixty searches */
    user_agent_parse(&a, text);
    lua_newtable(L);
    lua_lib_set(L, "browser", slice_str(a.browser));
    lua_lib_set(L, "os", slice_str(a.os));
    lua_lib_set(L, "device", slice_str(a.device));
    if (a.version.n)
        lua_lib_set(L, "version", a.version);
    if (a.os_version.n)
        lua_lib_set(L, "os_version", a.os_version);
    return 1;
}

static const luaL_Reg FUNCTIONS[] = {{"kv", parse_kv},
                                     {"logfmt", parse_logfmt},
                                     {"csv", parse_csv},
                                     {"apache", parse_apache},
                                     {"syslog", parse_syslog},
                                     {"url", parse_url},
                                     {"user_agent", parse_user_agent},
                                     {NULL, NULL}};

void lua_lib_parse_open(lua_State *L)
{
    luaL_newlib(L, FUNCTIONS);
    lua_setfield(L, -2, "parse");
}
