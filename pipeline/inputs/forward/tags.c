/* The pattern is gone through once; `at` says, for each place in the tag, whether what has been looked at of the pattern can end there. */
#include "pipeline/inputs/forward/tags.h"

#include "pipeline/base/limits.h"

#include <string.h>

/* The places that are reached with any characters, or with any but dots, from those that are. */
static void spread(bool *at, struct slice tag, bool dots)
{
    for (size_t i = 0; i < tag.n; i++)
        at[i + 1] |= at[i] && (dots || tag.p[i] != '.');
}

static void step(bool *at, struct slice tag, char c)
{
    for (size_t i = tag.n; i > 0; i--)
        at[i] = at[i - 1] && tag.p[i - 1] == c;
    at[0] = false;
}

bool forward_tag_is(struct slice tag, const char *pattern)
{
    bool at[FORWARD_TAG_MAX + 1] = {true};

    if (tag.n > FORWARD_TAG_MAX)
        return false;
    while (*pattern) {
        if (pattern[0] == '*') {
            bool both = pattern[1] == '*';

            spread(at, tag, both);
            pattern += both ? 2 : 1;
        } else {
            if (at[tag.n] && strcmp(pattern, ".**") == 0)
                return true;
            step(at, tag, *pattern++);
        }
    }
    return at[tag.n];
}
