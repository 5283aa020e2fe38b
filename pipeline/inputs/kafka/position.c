#include "pipeline/inputs/kafka/position.h"

#include "pipeline/base/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a record that its mark looks at. */
enum { MARK_BYTES = 512 };

/* A group may have blanks in its name, a topic has none: so the group stands last. */
struct slice kafka_source(struct slice cluster, struct slice group, struct slice topic, int32_t partition,
                          char out[POSITION_SOURCE_MAX + 1])
{
    int n = snprintf(out, POSITION_SOURCE_MAX + 1, "kafka %.*s %.*s %" PRId32 " %.*s", (int)cluster.n, cluster.p,
                     (int)topic.n, topic.p, partition, (int)group.n, group.p);

    return slice_of(out, n > POSITION_SOURCE_MAX ? POSITION_SOURCE_MAX : (size_t)n);
}

static bool take_word(struct slice *rest, struct slice *word)
{
    const char *blank = rest->n > 0 ? memchr(rest->p, ' ', rest->n) : NULL;

    if (!blank)
        return false;
    *word = slice_of(rest->p, (size_t)(blank - rest->p));
    *rest = slice_from(*rest, word->n + 1);
    return true;
}

bool kafka_source_is_of(struct slice source, struct slice cluster, struct slice group, struct slice *topic)
{
    struct slice kind, from, partition;

    return take_word(&source, &kind) && slice_is(kind, "kafka") && take_word(&source, &from) &&
           slice_eq(from, cluster) && take_word(&source, topic) && take_word(&source, &partition) &&
           slice_eq(source, group);
}

struct slice kafka_cursor(const struct kafka_position *p, char out[KAFKA_CURSOR_MAX])
{
    int n;

    if (p->last.offset < 0)
        n = snprintf(out, KAFKA_CURSOR_MAX, "sluice next=%" PRId64, p->next);
    else
        n = snprintf(out, KAFKA_CURSOR_MAX,
                     "sluice next=%" PRId64 " last=%" PRId64 " time=%" PRId64 " bytes=%" PRIu32 " crc=%08" PRIx32,
                     p->next, p->last.offset, p->last.time, p->last.bytes, p->last.crc);
    return slice_of(out, (size_t)n);
}

bool kafka_cursor_parse(struct slice cursor, struct kafka_position *out)
{
    char text[KAFKA_CURSOR_MAX];
    struct kafka_position p = KAFKA_NOWHERE;
    int end = 0, all = 0;

    if (cursor.n >= sizeof(text) || (cursor.n > 0 && memchr(cursor.p, '\0', cursor.n)))
        return false;
    memcpy(text, cursor.p ? cursor.p : "", cursor.n);
    text[cursor.n] = '\0';
    if (sscanf(text, "sluice next=%" SCNd64 "%n", &p.next, &end) != 1 || p.next < 0)
        return false;
    if (text[end] != '\0' &&
        (sscanf(text + end, " last=%" SCNd64 " time=%" SCNd64 " bytes=%" SCNu32 " crc=%" SCNx32 "%n", &p.last.offset,
                &p.last.time, &p.last.bytes, &p.last.crc, &all) != 4 ||
         text[end + all] != '\0' || p.last.offset < 0 || p.last.offset >= p.next))
        return false;
    *out = p;
    return true;
}

struct kafka_mark kafka_mark(int64_t offset, int64_t time, struct slice data)
{
    return (struct kafka_mark){
        .offset = offset,
        .time = time,
        .bytes = (uint32_t)data.n,
        .crc = crc32c(0, slice_of(data.p, data.n < MARK_BYTES ? data.n : MARK_BYTES)),
    };
}

/* In a log that may be another one only a position with a mark can show that it is of this log. */
static bool may_serve(const struct kafka_position *p, const struct kafka_known *k, bool again)
{
    return p->next >= 0 && p->next <= k->high && !(again && p->last.offset < k->low);
}

static int64_t within(int64_t offset, const struct kafka_known *k)
{
    return offset < k->low ? k->low : offset > k->high ? k->high : offset;
}

struct kafka_begin kafka_decide(const struct kafka_known *k)
{
    bool again = k->again || k->spool.next > k->high || k->group.next > k->high;
    bool spool = may_serve(&k->spool, k, again), group = may_serve(&k->group, k, again);
    const struct kafka_position *p = spool && (!group || k->spool.next >= k->group.next) ? &k->spool : &k->group;
    struct kafka_begin b = {.from = p == &k->spool ? KAFKA_FROM_SPOOL : KAFKA_FROM_GROUP, .next = p->next};

    if (!spool && !group) {
        b.from = again ? KAFKA_FROM_AGAIN : KAFKA_FROM_START;
        b.next = again ? k->low : within(k->start, k);
    } else if (b.next < k->low) {
        b.missed = (uint64_t)(k->low - b.next);
        b.next = k->low;
    }
    b.read = b.next;
    if ((spool || group) && p->last.offset >= k->low)
        b.read = p->last.offset;
    return b;
}

enum kafka_look kafka_look(const struct kafka_position *p, const struct kafka_mark *m)
{
    if (m->offset == p->last.offset && memcmp(m, &p->last, sizeof(*m)) != 0)
        return KAFKA_LOOK_ANOTHER;
    return m->offset < p->next ? KAFKA_LOOK_PASS : KAFKA_LOOK_TAKE;
}
