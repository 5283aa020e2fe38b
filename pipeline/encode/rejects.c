/* A ring of buckets of ten seconds. A bucket whose number is too old counts as empty, so nothing has to be cleared in
 * time: it is written over when its turn comes. A new reason takes the place of the one that was met least in the
 * window.
 */
#include "pipeline/encode/rejects.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/partition/partition.h"

#include <stdio.h>
#include <string.h>

struct rejects_bucket {
    int64_t number; /* of ten seconds since boot */
    uint64_t records;
};

/* Of the buckets of the same index. */
struct rejects_reasons {
    char text[REJECTS_REASONS_MAX][REJECTS_REASON];
    uint64_t times[REJECTS_BUCKETS][REJECTS_REASONS_MAX];
    uint64_t rejected[REJECTS_BUCKETS][2]; /* by enum reject */
};

void rejects_init(struct rejects *r)
{
    memset(r, 0, sizeof(*r));
    pthread_mutex_init(&r->lock, NULL);
}

void rejects_release(struct rejects *r)
{
    MEM_CLEAR(r->buckets);
    MEM_CLEAR(r->reasons);
    pthread_mutex_destroy(&r->lock);
}

/* --- the window -------------------------------------------------------------------------------------------------- */

static bool is_live(const struct rejects_bucket *b, nsec now)
{
    return now / REJECTS_BUCKET - b->number < REJECTS_BUCKETS;
}

static void make_buckets(struct rejects *r)
{
    if (r->buckets)
        return;
    r->buckets = mem_array(REJECTS_BUCKETS, sizeof(*r->buckets));
    for (size_t i = 0; i < REJECTS_BUCKETS; i++)
        r->buckets[i].number = -REJECTS_BUCKETS; /* long ago */
}

/* The index of the bucket that `now` is in, emptied when it was an older one's. */
static size_t bucket_at(struct rejects *r, nsec now)
{
    int64_t number = now / REJECTS_BUCKET;
    size_t i = (size_t)(number % REJECTS_BUCKETS);

    if (r->buckets[i].number == number)
        return i;
    r->buckets[i] = (struct rejects_bucket){.number = number};
    if (r->reasons) {
        memset(r->reasons->times[i], 0, sizeof(r->reasons->times[i]));
        memset(r->reasons->rejected[i], 0, sizeof(r->reasons->rejected[i]));
    }
    return i;
}

static uint64_t times(const struct rejects *r, size_t reason, nsec now)
{
    uint64_t n = 0;

    for (size_t i = 0; i < REJECTS_BUCKETS; i++)
        if (is_live(&r->buckets[i], now))
            n += r->reasons->times[i][reason];
    return n;
}

/* Its place, or that of the one that was met least. */
static size_t place_of(struct rejects *r, const char *reason, nsec now)
{
    size_t rarest = 0;

    for (size_t i = 0; i < REJECTS_REASONS_MAX; i++) {
        if (strcmp(r->reasons->text[i], reason) == 0)
            return i;
        if (times(r, i, now) < times(r, rarest, now))
            rarest = i;
    }
    snprintf(r->reasons->text[rarest], REJECTS_REASON, "%s", reason);
    for (size_t i = 0; i < REJECTS_BUCKETS; i++)
        r->reasons->times[i][rarest] = 0;
    return rarest;
}

void rejects_note(struct rejects *r, const struct rejects_batch *batch, nsec now)
{
    size_t at;

    pthread_mutex_lock(&r->lock);
    make_buckets(r);
    at = bucket_at(r, now);
    r->buckets[at].records += batch->records;
    for (size_t k = 0; k < ARRAY_LEN(batch->rejected); k++) {
        size_t place;

        if (batch->rejected[k] == 0)
            continue;
        if (!r->reasons)
            r->reasons = mem_alloc(sizeof(*r->reasons));
        r->reasons->rejected[at][k] += batch->rejected[k];
        place = place_of(r, batch->reason[k], now);
        r->reasons->times[at][place] += batch->rejected[k];
    }
    pthread_mutex_unlock(&r->lock);
}

struct rejects_view rejects_view(struct rejects *r, nsec now)
{
    struct rejects_view v = {.records = 0};

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; r->buckets && i < REJECTS_BUCKETS; i++) {
        const struct rejects_bucket *b = &r->buckets[i];

        if (!is_live(b, now))
            continue;
        v.records += b->records;
        for (size_t k = 0; r->reasons && k < ARRAY_LEN(v.rejected); k++)
            v.rejected[k] += r->reasons->rejected[i][k];
    }
    for (size_t i = 0; r->reasons && i < REJECTS_REASONS_MAX; i++) {
        uint64_t n = times(r, i, now);

        if (n <= v.reason_count)
            continue;
        v.reason_count = n;
        memcpy(v.reason, r->reasons->text[i], sizeof(v.reason));
    }
    pthread_mutex_unlock(&r->lock);
    return v;
}

double rejects_share(const struct rejects_view *v)
{
    uint64_t rejected = v->rejected[REJECT_FAILED] + v->rejected[REJECT_REFUSED];

    return v->records > 0 ? (double)rejected / (double)v->records : 0;
}

/* --- reasons ----------------------------------------------------------------------------------------------------- */

/* The length of "mask.lua:3" at the beginning of "mask.lua:3: ..."; 0 when there is none. Only what can be nothing
 * else: a script may raise any text, also a record's. */
static size_t place_length(struct slice m)
{
    static const char FILE_CHARS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
    static const char SUFFIX[] = ".lua:";
    size_t n = 0, digits = 0;

    while (n < m.n && strchr(FILE_CHARS, m.p[n]) && m.p[n])
        n++;
    if (n < sizeof(SUFFIX) - 2 || n + 1 > m.n || memcmp(m.p + n + 2 - sizeof(SUFFIX), SUFFIX, sizeof(SUFFIX) - 1) != 0)
        return 0;
    n++;
    while (n + digits < m.n && digits < 7 && m.p[n + digits] >= '0' && m.p[n + digits] <= '9')
        digits++;
    return digits > 0 && n + digits < m.n && m.p[n + digits] == ':' ? n + digits : 0;
}

/* The length of "mapper_parsing_exception" at the beginning of "mapper_parsing_exception: ..."; 0 when there is none. */
static size_t exception_length(struct slice m)
{
    static const char SUFFIX[] = "_exception";
    size_t n = 0;

    while (n < m.n && (m.p[n] == '_' || (m.p[n] >= 'a' && m.p[n] <= 'z')))
        n++;
    if (n < sizeof(SUFFIX) || n == m.n || m.p[n] != ':')
        return 0;
    return memcmp(m.p + n + 1 - sizeof(SUFFIX), SUFFIX, sizeof(SUFFIX) - 1) == 0 ? n : 0;
}

void rejects_reason(const char *code, struct slice message, char out[REJECTS_REASON])
{
    size_t n = place_length(message);
    const char *name = n > 0 ? memrchr(message.p, '/', n) : NULL;
    const char *from = name ? name + 1 : message.p;
    size_t exception = exception_length(message);

    if (n > 0)
        snprintf(out, REJECTS_REASON, "%.40s at %.*s", code, (int)(message.p + n - from), from);
    else if (exception > 0)
        snprintf(out, REJECTS_REASON, "%.20s %.*s", code, (int)exception, message.p);
    else
        snprintf(out, REJECTS_REASON, "%s", code);
}

bool rejects_lack_a_key(const char *reason)
{
    return strcmp(reason, PARTITION_FAILED_CODE) == 0;
}
