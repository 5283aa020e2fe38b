/* match.h -- Lua's patterns ("%a+", "(%d+)-%1", "%b()", "%f[%w]") with the time cap inside.
 *
 * The language of patterns and the answers are those of Lua 5.4's string library. Matching can take time exponential
 * in the pattern; here every step is charged to the guard, so a hostile pattern ends when the script's time does.
 *
 * Ownership  subject and pattern are borrowed for the life of the struct. Threads: as its state.
 */
#ifndef TRANSFORMS_LUA_MATCH_H
#define TRANSFORMS_LUA_MATCH_H

#include <lua.h>
#include <stddef.h>

#define LUA_MATCH_CAPTURES_MAX 32

struct lua_match {
    lua_State *L;
    const char *begin, *end; /* of the subject */
    const char *pattern_end;
    int depth;    /* how deep the matcher may still recurse */
    int captures; /* how many there are, open or closed */
    size_t cost;  /* steps that are not charged yet */
    struct {
        const char *begin;
        ptrdiff_t n; /* length, or CAPTURE_OPEN, CAPTURE_POSITION */
    } capture[LUA_MATCH_CAPTURES_MAX];
};

void lua_match_init(struct lua_match *m, lua_State *L, const char *subject, size_t n, const char *pattern_end);

/* Does `pattern` (without its anchor) match at `at`? The end of the match, or NULL. Raises for a broken pattern. */
const char *lua_match_at(struct lua_match *m, const char *at, const char *pattern);

/* Pushes the captures of the match from `begin` to `end`; the whole match when there are none and begin is not NULL.
 * Returns how many. */
int lua_match_push(struct lua_match *m, const char *begin, const char *end);
/* Pushes capture `i` (0-based); the whole match for 0 when there are none. */
void lua_match_push_one(struct lua_match *m, int i, const char *begin, const char *end);

#endif
