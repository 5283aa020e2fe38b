/* sluice.redact(text [, options]): text without what should not be stored, and how many places were changed.
 *
 *   options.kinds   list out of "email", "card", "token"; all of them when left out
 *   options.with    what stands there instead; "[email]", "[card]", "[token]" when left out
 *
 * A card number is 13 to 19 digits, grouped with spaces or dashes or not, that pass Luhn's check. A token is what well
 * known services hand out (AWS, GitHub, GitLab, Slack, Stripe, Google), a JSON Web Token, or what stands behind
 * "Bearer" and "Basic". */
#include "transforms/lua_lib.h"
#include "transforms/lua_lib_util.h"
#include "transforms/lua_regex.h"

#include <lauxlib.h>

/* One pass for all kinds. Each alternative begins with a character class of its own and is possessive where it can be,
 * so a text without any of it is walked once. */
static const char PATTERN[] = "(?<email>(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}+@(?:[A-Za-z0-9-]{1,63}+\\.){1,8}[A-"
                              "Za-z]{2,24}(?![A-Za-z0-9]))"
                              "|(?<card>(?<![0-9A-Za-z.])[0-9](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z]))"
                              "|(?<token>\\b(?:"
                              "(?:AKIA|ASIA)[0-9A-Z]{16}\\b"
                              "|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"
                              "|glpat-[A-Za-z0-9_-]{20,64}"
                              "|xox[abeoprs]-[A-Za-z0-9-]{10,255}"
                              "|[srp]k_(?:live|test)_[A-Za-z0-9]{16,255}"
                              "|AIza[A-Za-z0-9_-]{35}"
                              "|eyJ[A-Za-z0-9_-]{8,8192}+\\.[A-Za-z0-9_-]{4,16384}+\\.[A-Za-z0-9_-]{0,2048}+"
                              "|(?i:bearer|basic)\\x20+\\K[A-Za-z0-9._~+/-]{8,8192}+={0,2}"
                              "))";

enum kind {
    KIND_EMAIL,
    KIND_CARD,
    KIND_TOKEN,
    KINDS,
};

static const char *const NAMES[KINDS] = {"email", "card", "token"};
static const char *const MARKS[KINDS] = {"[email]", "[card]", "[token]"};

static bool luhn(struct slice text)
{
    unsigned sum = 0, digits = 0;

    for (size_t i = text.n; i > 0; i--) {
        unsigned d = (unsigned)(text.p[i - 1] - '0');

        if (d > 9)
            continue;
        if (digits++ % 2 == 1)
            d = d * 2 > 9 ? d * 2 - 9 : d * 2;
        sum += d;
    }
    return sum % 10 == 0;
}

static unsigned kind_named(lua_State *L, const char *name)
{
    for (unsigned k = 0; k < KINDS; k++)
        if (name && strcmp(name, NAMES[k]) == 0)
            return 1U << k;
    return (unsigned)luaL_error(L, "redact: kinds are email, card and token");
}

/* One bit per kind. */
static unsigned kinds_of(lua_State *L)
{
    unsigned kinds = 0;

    if (lua_isnoneornil(L, 2))
        return ~0U;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_pushliteral(L, "kinds");
    if (lua_rawget(L, 2) == LUA_TNIL) {
        lua_pop(L, 1);
        return ~0U;
    }
    luaL_argcheck(L, lua_istable(L, -1), 2, "`kinds` is a list");
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
        lua_guard_step(L, 50);
        kinds |= kind_named(L, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    return kinds;
}

static enum kind kind_of_match(const struct regex *re)
{
    struct slice s;
    const char *name;
    size_t group;

    for (size_t i = 0; regex_name(re, i, &name, &group); i++)
        if (regex_group(re, group, &s))
            for (unsigned k = 0; k < KINDS; k++)
                if (strcmp(name, NAMES[k]) == 0)
                    return (enum kind)k;
    return KINDS;
}

static bool wanted(enum kind kind, unsigned kinds, struct slice found)
{
    return kind < KINDS && kinds >> kind & 1 && (kind != KIND_CARD || luhn(found));
}

static void add(lua_State *L, luaL_Buffer *b, struct slice s)
{
    lua_guard_step(L, s.n + 1);
    luaL_addlstring(b, s.p, s.n);
}

static int redact(lua_State *L)
{
    struct regex *re = lua_regex_at(L, lua_upvalueindex(1));
    struct slice text = lua_lib_text(L, 1), with, found;
    unsigned kinds = kinds_of(L);
    bool own_mark = lua_lib_option(L, 2, "with", &with);
    size_t done = 0, at = 0;
    enum regex_result result;
    lua_Integer count = 0;
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    while ((result = regex_match(re, text, at)) == REGEX_MATCH && regex_group(re, 0, &found)) {
        enum kind kind = kind_of_match(re);
        size_t from = (size_t)(found.p - text.p);

        if (!wanted(kind, kinds, found)) {
            at = from + 1; /* what begins inside may be of another kind */
            continue;
        }
        add(L, &b, slice_of(text.p + done, from - done));
        add(L, &b, own_mark ? with : slice_str(MARKS[kind]));
        at = done = from + found.n;
        count++;
    }
    if (result == REGEX_GAVE_UP)
        return luaL_error(L, "redact: gave up on this text");
    add(L, &b, slice_of(text.p + done, text.n - done));
    luaL_pushresult(&b);
    lua_pushinteger(L, count);
    return 2;
}

void lua_lib_redact_open(lua_State *L)
{
    lua_regex_push(L, SLICE(PATTERN), 0);
    lua_pushcclosure(L, redact, 1);
    lua_setfield(L, -2, "redact");
}
