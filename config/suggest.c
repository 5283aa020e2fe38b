/* Distance is the optimal string alignment: insertions, deletions, replacements and swaps of neighbours count one each.
 * A word counts as near when no more than a third of it is wrong. Words longer than WORD_MAX are never near. */
#include "config/suggest.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 64

void suggest_init(struct suggest *w, const char *wanted)
{
    *w = (struct suggest){.wanted = wanted};
}

static unsigned lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == '-' ? '_' : c);
}

static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];

    for (unsigned j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *spare = before;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned differs = lower(a[i - 1]) != lower(b[j - 1]);

            row[j] = last[j - 1] + differs;
            if (row[j] > last[j] + 1)
                row[j] = last[j] + 1;
            if (row[j] > row[j - 1] + 1)
                row[j] = row[j - 1] + 1;
            if (i > 1 && j > 1 && row[j] > before[j - 2] + 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = before[j - 2] + 1;
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[m];
}

void suggest_add(struct suggest *w, const char *known)
{
    size_t n = strlen(w->wanted), m = strlen(known), used = strlen(w->known);

    w->count++;
    snprintf(w->known + used, sizeof(w->known) - used, "%s%s", used ? ", " : "", known);
    if (n > WORD_MAX || m > WORD_MAX || m == 0)
        return;

    unsigned d = distance(w->wanted, n, known, m), allowed = (unsigned)(n > m ? n : m) / 3;

    if (d <= (allowed ? allowed : 1) && (!w->nearest || d < w->distance)) {
        w->nearest = known;
        w->distance = d;
    }
}

const char *suggest_hint(const struct suggest *w, char *out, size_t size)
{
    if (w->nearest)
        snprintf(out, size, "did you mean `%s`?", w->nearest);
    else
        snprintf(out, size, "known here: %s", w->known);
    return out;
}
