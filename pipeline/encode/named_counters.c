#include "pipeline/encode/named_counters.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <string.h>

void tally_release(struct tally *t)
{
    mem_free(t->rows);
    *t = (struct tally){.rows = NULL};
}

static void clean_name(struct slice name, char out[TALLY_NAME_MAX])
{
    size_t n = name.n < TALLY_NAME_MAX - 1 ? name.n : TALLY_NAME_MAX - 1;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        out[i] = c < ' ' || c >= 0x7f ? '_' : (char)c;
    }
    out[n] = '\0';
}

static struct tally_row *find(struct tally *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->rows[i].name, name) == 0)
            return &t->rows[i];
    }
    return NULL;
}

static struct tally_row *find_or_add(struct tally *t, const char *name)
{
    struct tally_row *row = find(t, name);

    if (row)
        return row;
    if (t->count >= TALLY_MAX - 1) { /* the last place is for all others */
        name = "other";
        if ((row = find(t, name)))
            return row;
    }
    t->rows = mem_grow(t->rows, t->count + 1, sizeof(*t->rows));
    row = &t->rows[t->count++];
    memset(row, 0, sizeof(*row));
    strncpy(row->name, name, TALLY_NAME_MAX - 1);
    return row;
}

void tally_add(struct tally *t, struct slice name, double by)
{
    char clean[TALLY_NAME_MAX];

    clean_name(name, clean);
    find_or_add(t, clean)->value += by;
}

void tally_merge(struct tally *into, const struct tally *from)
{
    for (size_t i = 0; i < from->count; i++)
        find_or_add(into, from->rows[i].name)->value += from->rows[i].value;
}

const char *tally_most(const struct tally *t)
{
    const struct tally_row *most = t->rows;

    for (size_t i = 1; i < t->count; i++)
        if (t->rows[i].value > most->value)
            most = &t->rows[i];
    return t->count > 0 ? most->name : "";
}
