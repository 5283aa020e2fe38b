#include "pipeline/admin/listing.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* --- what matches --------------------------------------------------------------------------------------------------- */

static bool has(const char *text, const char *part)
{
    return text && strcasestr(text, part);
}

static bool health_fits(const struct stream_status *s, const char *health)
{
    if (!health || !*health)
        return true;
    if (strcmp(health, "trouble") == 0)
        return s->health != STREAM_OK;
    for (enum stream_health h = STREAM_OK; h <= STREAM_BLOCKED; h++)
        if (strcmp(stream_health_word(h), health) == 0)
            return s->health == h;
    return true;
}

static bool fits(const struct stream_status *s, const struct listing_query *q)
{
    if (!health_fits(s, q->health))
        return false;
    return !q->search || !*q->search || has(s->name, q->search) || has(s->destination, q->search) ||
           has(s->inputs, q->search);
}

/* --- order ---------------------------------------------------------------------------------------------------------- */

struct entry {
    const struct snapshot *snap;
    size_t at;
    double key;
    bool down;
};

static double by_health(const struct snapshot *snap, size_t i)
{
    return snap->streams[i].health;
}

static double by_in(const struct snapshot *snap, size_t i)
{
    return snap->rates[i].bytes_in;
}

static double by_out(const struct snapshot *snap, size_t i)
{
    return snap->rates[i].bytes_out;
}

static double by_spooled(const struct snapshot *snap, size_t i)
{
    return (double)snap->streams[i].books.spooled_bytes;
}

static double by_freshness(const struct snapshot *snap, size_t i)
{
    return (double)snap->streams[i].freshness;
}

static double by_failures(const struct snapshot *snap, size_t i)
{
    return (double)metrics_get(snap->streams[i].metrics, METRIC_DELIVERY_FAILURES);
}

static double by_last(const struct snapshot *snap, size_t i)
{
    return (double)snap->streams[i].last_delivery;
}

static const struct {
    const char *name;
    double (*key)(const struct snapshot *snap, size_t i); /* NULL: the name itself */
} COLUMNS[] = {
    {"name", NULL},
    {"health", by_health},
    {"in", by_in},
    {"out", by_out},
    {"spooled", by_spooled},
    {"freshness", by_freshness},
    {"failures", by_failures},
    {"last", by_last},
};

const char *listing_column(size_t i)
{
    return i < ARRAY_LEN(COLUMNS) ? COLUMNS[i].name : NULL;
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int names = strcmp(x->snap->streams[x->at].name, y->snap->streams[y->at].name);

    if (x->key != y->key)
        return (x->key < y->key) == x->down ? 1 : -1;
    return x->down && x->key < 0 ? -names : names; /* a key below 0: the names are the order */
}

static void sort(struct entry *all, size_t n, const struct snapshot *snap, const char *by)
{
    bool down = by && *by == '-';
    size_t column = 0;

    while (by && column < ARRAY_LEN(COLUMNS) && strcmp(COLUMNS[column].name, by + down) != 0)
        column++;
    if (!by || column == ARRAY_LEN(COLUMNS)) { /* trouble first */
        column = 1;
        down = true;
    }
    for (size_t i = 0; i < n; i++) {
        all[i].snap = snap;
        all[i].down = down;
        all[i].key = COLUMNS[column].key ? COLUMNS[column].key(snap, all[i].at) : -1;
    }
    qsort(all, n, sizeof(*all), compare);
}

/* --- pages ---------------------------------------------------------------------------------------------------------- */

/* `otherwise`, where it is no number from 1 on. */
static size_t number(const char *text, size_t otherwise, size_t most)
{
    char *end;
    unsigned long n;

    if (!text || *text < '0' || *text > '9')
        return otherwise;
    n = strtoul(text, &end, 10);
    if (*end || n == 0)
        return otherwise;
    return n < most ? (size_t)n : most;
}

void listing_make(struct listing *l, const struct snapshot *snap, const struct listing_query *q, size_t limit)
{
    struct entry *all = mem_array(snap->count, sizeof(*all));
    size_t n = 0;

    limit = number(q->limit, limit, ADMIN_LIST_MAX);
    for (size_t i = 0; i < snap->count; i++)
        if (fits(&snap->streams[i], q))
            all[n++].at = i;
    sort(all, n, snap, q->sort);
    *l = (struct listing){.matches = n, .pages = n > 0 ? (n + limit - 1) / limit : 1};
    l->page = number(q->page, 1, l->pages);
    l->first = (l->page - 1) * limit;
    l->count = n - l->first < limit ? n - l->first : limit;
    l->at = mem_array(l->count, sizeof(*l->at));
    for (size_t i = 0; i < l->count; i++)
        l->at[i] = all[l->first + i].at;
    mem_free(all);
}

void listing_release(struct listing *l)
{
    MEM_CLEAR(l->at);
    l->count = 0;
}
