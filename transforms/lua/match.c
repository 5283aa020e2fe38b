/* A backtracking matcher over the pattern's text. An item of the pattern is a class for one byte ("a", ".", "%d",
 * "[a-z]") and what stands behind it (* + - ?), or one of the marks that match no single byte. Only what must come back
 * after a failure recurses; the depth is bounded, as the C stack is. */
#include "transforms/lua/match.h"

#include "pipeline/base/limits.h"

#include "transforms/lua/guard.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#define CAPTURE_OPEN     (-1)
#define CAPTURE_POSITION (-2)
/* Steps between two charges, and what one costs in the guard's units. A byte of a set that is looked through is a step. */
#define STEPS     256
#define STEP_COST 4

static const char *match(struct lua_match *m, const char *s, const char *p);

void lua_match_init(struct lua_match *m, lua_State *L, const char *subject, size_t n, const char *pattern_end)
{
    m->L = L;
    m->begin = subject;
    m->end = subject + n;
    m->pattern_end = pattern_end;
    m->depth = LUA_MATCH_DEPTH_MAX;
    m->captures = 0;
    m->cost = 0;
}

static inline void step(struct lua_match *m)
{
    if (++m->cost >= STEPS) {
        size_t cost = m->cost;

        m->cost = 0;
        lua_guard_step(m->L, cost * STEP_COST);
    }
}

/* --- one byte against one class --- */

/* Behind the class that begins at p. */
static const char *class_end(struct lua_match *m, const char *p)
{
    const char *set;
    char c = *p++;

    if (c == '%') {
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (c != '[')
        return p;
    set = p;
    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* the first ']' stands for itself */
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        c = *p++;
        if (c == '%') {
            if (p == m->pattern_end)
                luaL_error(m->L, "malformed pattern (missing ']')");
            p++;
        }
    } while (p == m->pattern_end || *p != ']');
    m->cost += (size_t)(p - set);
    return p + 1;
}

static bool is_letter_class(int c, int letter)
{
    bool is;

    switch (tolower(letter)) {
    case 'a':
        is = isalpha(c) != 0;
        break;
    case 'c':
        is = iscntrl(c) != 0;
        break;
    case 'd':
        is = isdigit(c) != 0;
        break;
    case 'g':
        is = isgraph(c) != 0;
        break;
    case 'l':
        is = islower(c) != 0;
        break;
    case 'p':
        is = ispunct(c) != 0;
        break;
    case 's':
        is = isspace(c) != 0;
        break;
    case 'u':
        is = isupper(c) != 0;
        break;
    case 'w':
        is = isalnum(c) != 0;
        break;
    case 'x':
        is = isxdigit(c) != 0;
        break;
    default:
        return letter == c;
    }
    return isupper(letter) ? !is : is;
}

/* p is the '[' and `last` its ']'. */
static bool is_in_set(struct lua_match *m, int c, const char *p, const char *last)
{
    bool negated = p[1] == '^', found = false;
    const char *first = p;

    for (p += negated ? 2 : 1; p < last && !found; p++) {
        if (*p == '%') {
            p++;
            found = is_letter_class(c, (unsigned char)*p);
        } else if (p[1] == '-' && p + 2 < last) {
            found = (unsigned char)p[0] <= c && c <= (unsigned char)p[2];
            p += 2;
        } else {
            found = (unsigned char)*p == c;
        }
    }
    m->cost += (size_t)(p - first);
    return found != negated;
}

static bool is_single(struct lua_match *m, const char *s, const char *p, const char *p_end)
{
    int c;

    if (s >= m->end)
        return false;
    c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return is_letter_class(c, (unsigned char)p[1]);
    case '[':
        return is_in_set(m, c, p, p_end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* --- repetition --- */

static const char *match_most(struct lua_match *m, const char *s, const char *p, const char *p_end)
{
    ptrdiff_t n = 0;

    while (is_single(m, s + n, p, p_end)) {
        n++;
        step(m);
    }
    for (; n >= 0; n--) {
        const char *end = match(m, s + n, p_end + 1);

        if (end)
            return end;
    }
    return NULL;
}

static const char *match_least(struct lua_match *m, const char *s, const char *p, const char *p_end)
{
    for (;;) {
        const char *end = match(m, s, p_end + 1);

        if (end)
            return end;
        if (!is_single(m, s, p, p_end))
            return NULL;
        s++;
    }
}

/* --- marks --- */

static const char *match_balance(struct lua_match *m, const char *s, const char *p)
{
    int open = 1;

    if (m->pattern_end - p < 2)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s == m->end || *s != p[0])
        return NULL;
    while (++s < m->end) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* "%f[set]" between a byte that is not in the set and one that is; beyond both ends is a NUL. */
static bool is_frontier(struct lua_match *m, const char *s, const char *p, const char *p_end)
{
    int before = s == m->begin ? '\0' : (unsigned char)s[-1];
    int here = s == m->end ? '\0' : (unsigned char)*s;

    return !is_in_set(m, before, p, p_end - 1) && is_in_set(m, here, p, p_end - 1);
}

static const char *match_back(struct lua_match *m, const char *s, char digit)
{
    int i = digit - '1';
    size_t n;

    if (i < 0 || i >= m->captures || m->capture[i].n == CAPTURE_OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    n = (size_t)m->capture[i].n;
    if (m->capture[i].n < 0 || (size_t)(m->end - s) < n)
        return NULL;
    lua_guard_step(m->L, n / 16);
    return memcmp(m->capture[i].begin, s, n) == 0 ? s + n : NULL;
}

static const char *open_capture(struct lua_match *m, const char *s, const char *p, ptrdiff_t kind)
{
    const char *end;

    if (m->captures >= LUA_MATCH_CAPTURES_MAX)
        luaL_error(m->L, "too many captures");
    m->capture[m->captures].begin = s;
    m->capture[m->captures].n = kind;
    m->captures++;
    end = match(m, s, p);
    if (!end)
        m->captures--;
    return end;
}

static const char *close_capture(struct lua_match *m, const char *s, const char *p)
{
    const char *end;
    int i = m->captures - 1;

    while (i >= 0 && m->capture[i].n != CAPTURE_OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[i].n = s - m->capture[i].begin;
    end = match(m, s, p);
    if (!end)
        m->capture[i].n = CAPTURE_OPEN;
    return end;
}

/* --- the walk --- */

/* One class and what stands behind it. True: go on at *s, *p. False: *end is the answer. */
static bool match_class(struct lua_match *m, const char **s, const char **p, const char **end)
{
    const char *p_end = class_end(m, *p);
    char suffix = p_end < m->pattern_end ? *p_end : '\0';
    bool is = is_single(m, *s, *p, p_end);

    *end = NULL;
    if (suffix == '*' || (suffix == '+' && is)) {
        *end = match_most(m, suffix == '+' ? *s + 1 : *s, *p, p_end);
        return false;
    }
    if (suffix == '-') {
        *end = match_least(m, *s, *p, p_end);
        return false;
    }
    if (suffix == '?') {
        if (is && (*end = match(m, *s + 1, p_end + 1)))
            return false;
        *p = p_end + 1;
        return true;
    }
    *s += 1;
    *p = p_end;
    return is;
}

/* "%b", "%f" and "%1": true when p is one; then *s is where it ends, NULL when it does not match. */
static bool match_percent(struct lua_match *m, const char **s, const char **p)
{
    const char *set = *p + 2, *set_end;
    char c = *p + 1 < m->pattern_end ? (*p)[1] : '\0';

    if (c == 'b') {
        *s = match_balance(m, *s, set);
        *p += 4;
        return true;
    }
    if (c == 'f') {
        if (set == m->pattern_end || *set != '[')
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        set_end = class_end(m, set);
        *s = is_frontier(m, *s, set, set_end) ? *s : NULL;
        *p = set_end;
        return true;
    }
    if (isdigit((unsigned char)c)) {
        *s = match_back(m, *s, c);
        *p += 2;
        return true;
    }
    return false;
}

static const char *walk(struct lua_match *m, const char *s, const char *p)
{
    const char *end;

    while (p < m->pattern_end) {
        step(m);
        if (*p == '(') {
            bool position = p + 1 < m->pattern_end && p[1] == ')';

            return position ? open_capture(m, s, p + 2, CAPTURE_POSITION) : open_capture(m, s, p + 1, CAPTURE_OPEN);
        }
        if (*p == ')')
            return close_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->pattern_end)
            return s == m->end ? s : NULL;
        if (*p == '%' && match_percent(m, &s, &p)) {
            if (!s)
                return NULL;
        } else if (!match_class(m, &s, &p, &end)) {
            return end;
        }
    }
    return s;
}

static const char *match(struct lua_match *m, const char *s, const char *p)
{
    const char *end;

    if (m->depth-- == 0)
        luaL_error(m->L, "pattern too complex");
    end = walk(m, s, p);
    m->depth++;
    return end;
}

const char *lua_match_at(struct lua_match *m, const char *at, const char *pattern)
{
    m->captures = 0;
    m->depth = LUA_MATCH_DEPTH_MAX;
    return match(m, at, pattern);
}

void lua_match_push_one(struct lua_match *m, int i, const char *begin, const char *end)
{
    if (i >= m->captures) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, begin, (size_t)(end - begin));
        return;
    }
    if (m->capture[i].n == CAPTURE_OPEN)
        luaL_error(m->L, "unfinished capture");
    if (m->capture[i].n == CAPTURE_POSITION)
        lua_pushinteger(m->L, m->capture[i].begin - m->begin + 1);
    else
        lua_pushlstring(m->L, m->capture[i].begin, (size_t)m->capture[i].n);
}

int lua_match_push(struct lua_match *m, const char *begin, const char *end)
{
    int n = m->captures == 0 && begin ? 1 : m->captures;

    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        lua_match_push_one(m, i, begin, end);
    return n;
}
