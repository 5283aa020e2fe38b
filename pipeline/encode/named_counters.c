/* Names come from scripts, so they are made fit for a label, and their number is bounded: when all places but one are taken, the last one
 * is for all others together. */
#include "pipeline/encode/named_counters.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

void named_counters_release(struct named_counters *t)
{
    mem_free(t->rows);
    *t = (struct named_counters){.rows = NULL};
}

static void clean_name(struct slice name, char out[NAMED_COUNTERS_NAME_MAX])
{
    size_t n = name.n < NAMED_COUNTERS_NAME_MAX - 1 ? name.n : NAMED_COUNTERS_NAME_MAX - 1;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        out[i] = c < ' ' || c >= 0x7f ? '_' : (char)c;
    }
    out[n] = '\0';
}

static struct named_counter *find(struct named_counters *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    }
    return NULL;
}

static struct named_counter *find_or_add(struct named_counters *t, const char *name)
{
    struct named_counter *row = find(t, name);

    if (row)
        return row;
    if (t->count >= NAMED_COUNTERS_MAX - 1) { /* the last place is for all others */
        name = "other";
        if ((row = find(t, name)))
            return row;
    }
    t->rows = mem_grow(t->rows, t->count + 1, sizeof(*t->rows));
    row = &t->rows[t->count++];
    memset(row, 0, sizeof(*row));
    strncpy(row->name, name, NAMED_COUNTERS_NAME_MAX - 1);
    return row;
}

void named_counters_add(struct named_counters *t, struct slice name, double by)
{
    char clean[NAMED_COUNTERS_NAME_MAX];

    clean_name(name, clean);
    find_or_add(t, clean)->value += by;
}

void named_counters_merge(struct named_counters *into, const struct named_counters *from)
{
    for (size_t i = 0; i < from->count; i++)
        find_or_add(into, from->rows[i].name)->value += from->rows[i].value;
}

const char *named_counters_most(const struct named_counters *t)
{
    const struct named_counter *most = t->rows;

    for (size_t i = 1; i < t->count; i++)
        if (t->rows[i].value > most->value)
            most = &t->rows[i];
    return t->count > 0 ? most->name : "";
}
