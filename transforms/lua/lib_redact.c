/* sluice.redact(text [, options]): text without what should not be stored, and how many places were changed.
 *
 *   options.kinds   list out of "email", "card", "token"; all of them when left out
 *   options.with    what stands there instead; "[email]", "[card]", "[token]" when left out
 *
 * A card number is 13 to 19 digits that pass Luhn's check. A token is what well known services hand out (AWS, GitHub,
 * GitLab, Slack, Stripe, Google), a JSON Web Token, or what stands behind "Bearer" and "Basic".
 *
 * Card numbers stand among other digits: an expiry date, a security code, an amount, a date before. So a row of digits
 * is taken apart into its groups ("4111 1111 1111 1111 12 27" are six), and each group may begin a number that ends
 * with any other. As one in ten rows of digits passes the check by chance, the groups must then be as cards have them;
 * a row that is one number from end to end may be grouped in any way. */
#include "transforms/lua/lib.h"

#include <lauxlib.h>
#include <string.h>

/* One space, dash or dot, also those that do not break a line. */
#define SEPARATOR "(?:[ .-]|\\xc2\\xa0|\\xe2\\x80[\\x90\\x91\\x93\\xaf])"

/* One pass for all kinds. Each alternative begins with a character class of its own and is possessive where it can be,
 * so a text without any of it is walked once. Of a card it finds the first digit only: the rest is find_card()'s. "%B"
 * is how a magnetic stripe begins. */
#define PATTERN(email_begins, card_begins, token_begins)                                                               \
    "(?<email>" email_begins "[A-Za-z0-9._%+-]{1,64}+@(?:[A-Za-z0-9-]{1,63}+\\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9]))"   \
    "|(?<card>[0-9](?<=" card_begins "(?<![0-9A-Za-z])[0-9]|%B[0-9])(?=(?:" SEPARATOR "?[0-9]){12}))"                  \
    "|(?<token>" token_begins "(?:"                                                                                    \
    "(?:AKIA|ASIA)[0-9A-Z]{16}\\b"                                                                                     \
    "|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"                                                   \
    "|glpat-[A-Za-z0-9_-]{20,64}"                                                                                      \
    "|xox[abeoprs]-[A-Za-z0-9-]{10,255}"                                                                               \
    "|[srp]k_(?:live|test)_[A-Za-z0-9]{16,255}"                                                                        \
    "|AIza[A-Za-z0-9_-]{35}"                                                                                           \
    "|eyJ[A-Za-z0-9_-]{8,8192}+\\.[A-Za-z0-9_-]{4,16384}+\\.[A-Za-z0-9_-]{0,2048}+"                                    \
    "|(?i:bearer|basic)\\x20+\\K[A-Za-z0-9._~+/-]{8,8192}+={0,2}"                                                      \
    "))"

static const char PLAIN[] = PATTERN("(?<![A-Za-z0-9._%+-])", "", "\\b");
/* For texts with a backslash: in JSON that was not decoded "\\n" may stand in front, and its n is no part of what
 * follows. */
#define BEHIND_ESCAPE "(?<=\\\\[bfnrt])"
static const char ESCAPED[] = PATTERN("(?:(?<![A-Za-z0-9._%+-])(?!(?<=\\\\)[bfnrt])|" BEHIND_ESCAPE ")",
                                      "\\\\[bfnrt][0-9]|", "(?:\\b|" BEHIND_ESCAPE ")");

enum kind {
    KIND_EMAIL,
    KIND_CARD,
    KIND_TOKEN,
    KINDS,
};

static const char *const NAMES[KINDS] = {"email", "card", "token"};
static const char *const MARKS[KINDS] = {"[email]", "[card]", "[token]"};

/* --- cards --- */

#define CARD_MIN   13
#define CARD_MAX   19
#define GROUPS_MAX CARD_MAX

/* The groups of a row of digits from one of them on, as far as one card could reach. */
struct digits {
    struct {
        const char *p;
        size_t n;
        bool dot; /* stands in front of it */
    } group[GROUPS_MAX];
    size_t count;
    bool whole; /* the last of them is the last of the row */
};

/* How the groups of cards are long. */
static const char *const GROUPS[] = {"4444", "44443", "44442", "44441", "4443", "4442",
                                     "4441", "465",   "464",   "4333",  "445",  "88"};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The length of the separator at p when a digit follows it; 0: the row ends here. */
static size_t separator(const char *p, const char *end)
{
    size_t n = 0;

    if (p < end && (*p == ' ' || *p == '-' || *p == '.'))
        n = 1;
    else if (end - p > 2 && memcmp(p, "\xc2\xa0", 2) == 0)
        n = 2;
    else if (end - p > 3 && memcmp(p, "\xe2\x80", 2) == 0 && memchr("\x90\x91\x93\xaf", p[2], 4))
        n = 3;
    return n > 0 && p + n < end && is_digit(p[n]) ? n : 0;
}

static void read_groups(struct digits *d, const char *p, const char *end)
{
    size_t total = 0, gap = 0;

    d->count = 0;
    do {
        size_t n = 0;

        while (p + gap + n < end && is_digit(p[gap + n]))
            n++;
        d->group[d->count].p = p + gap;
        d->group[d->count].n = n;
        d->group[d->count].dot = gap == 1 && *p == '.';
        d->count++;
        total += n;
        p += gap + n;
        gap = separator(p, end);
    } while (gap > 0 && total < CARD_MAX && d->count < GROUPS_MAX);
    d->whole = gap == 0;
}

/* Of the first `count` groups. */
static bool passes_luhn(const struct digits *d, size_t count)
{
    unsigned sum = 0, digits = 0;

    for (size_t g = count; g > 0; g--)
        for (size_t i = d->group[g - 1].n; i > 0; i--) {
            unsigned v = (unsigned)(d->group[g - 1].p[i - 1] - '0');

            if (digits++ % 2 == 1)
                v = v * 2 > 9 ? v * 2 - 9 : v * 2;
            sum += v;
        }
    return sum % 10 == 0;
}

/* Dots stand between all of the groups or none: else they are those of amounts and versions. */
static bool grouped_as_cards_are(const struct digits *d, size_t count)
{
    if (count == 1)
        return true;
    for (size_t g = 2; g < count; g++)
        if (d->group[g].dot != d->group[1].dot)
            return false;
    for (size_t k = 0; k < sizeof(GROUPS) / sizeof(GROUPS[0]); k++) {
        size_t g = 0;

        while (g < count && GROUPS[k][g] && d->group[g].n == (size_t)(GROUPS[k][g] - '0'))
            g++;
        if (g == count && !GROUPS[k][g])
            return true;
    }
    return count == 2 && d->group[0].n == 6 && d->group[1].n == 13;
}

/* How many groups, from the first of `d` on, are a card: the most that are; 0: none. */
static size_t card_groups(const struct digits *d, bool first_of_row, const char *end)
{
    size_t found = 0, total = 0;
    bool dots = false;

    for (size_t count = 1; count <= d->count; count++) {
        const char *behind = d->group[count - 1].p + d->group[count - 1].n;
        bool all;

        dots = dots || (count > 1 && d->group[count - 1].dot);
        all = first_of_row && d->whole && count == d->count && !dots;
        total += d->group[count - 1].n;
        if (total < CARD_MIN || total > CARD_MAX || (behind < end && is_letter(*behind)))
            continue;
        if ((all || grouped_as_cards_are(d, count)) && passes_luhn(d, count))
            found = count;
    }
    return found;
}

/* Finds the first card in the row of digits that begins at `p`. Without one, *behind is where to look for other kinds:
 * an address may begin with the row's last digits. */
static bool find_card(lua_State *L, const char *begin, const char *p, const char *end, struct slice *card,
                      const char **behind)
{
    const char *row = p;
    bool fraction = p - begin >= 2 && p[-1] == '.' && is_digit(p[-2]);
    struct digits d;
    size_t gap;

    *behind = p;
    do {
        size_t count;

        lua_guard_step(L, 100);
        read_groups(&d, p, end);
        count = fraction ? 0 : card_groups(&d, p == row, end);
        if (count > 0) {
            *card = slice_of(p, (size_t)(d.group[count - 1].p + d.group[count - 1].n - p));
            return true;
        }
        p += d.group[0].n;
        gap = separator(p, end);
        fraction = gap == 1 && *p == '.';
        if (gap > 0 && *p != '-' && *p != '.')
            *behind = p + gap;
        p += gap;
    } while (gap > 0);
    if (*behind == row)
        *behind = p;
    return false;
}

/* --- options --- */

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

static void add(lua_State *L, luaL_Buffer *b, struct slice s)
{
    lua_guard_step(L, s.n + 1);
    luaL_addlstring(b, s.p, s.n);
}

static int redact(lua_State *L)
{
    struct slice text = lua_lib_text(L, 1), with, found;
    bool escaped = text.n && memchr(text.p, '\\', text.n);
    struct regex *re = lua_regex_at(L, lua_upvalueindex(escaped ? 2 : 1));
    unsigned kinds = kinds_of(L);
    bool own_mark = lua_lib_option(L, 2, "with", &with);
    size_t done = 0, at = 0;
    enum regex_result result;
    lua_Integer count = 0;
    luaL_Buffer b;

    luaL_buffinit(L, &b);
    while ((result = regex_match(re, text, at)) == REGEX_MATCH && regex_group(re, 0, &found)) {
        enum kind kind = kind_of_match(re);
        const char *behind = found.p + 1; /* what begins inside may be of another kind */
        bool wanted = kind < KINDS && kinds >> kind & 1;
        size_t from;

        if (wanted && kind == KIND_CARD)
            wanted = find_card(L, text.p, found.p, text.p + text.n, &found, &behind);
        if (!wanted) {
            at = (size_t)(behind - text.p);
            continue;
        }
        from = (size_t)(found.p - text.p);
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
    lua_regex_push(L, SLICE(PLAIN), 0);
    lua_regex_push(L, SLICE(ESCAPED), 0);
    lua_pushcclosure(L, redact, 2);
    lua_setfield(L, -2, "redact");
}
