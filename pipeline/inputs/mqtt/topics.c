#include "pipeline/inputs/mqtt/topics.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <assert.h>
#include <string.h>

/* The packet identifier of a SUBSCRIBE is the topic's place; of an UNSUBSCRIBE it is this. */
#define UNSUBSCRIBE_ID 0xffff

void mqtt_topics_init(struct mqtt_topics *t, const struct mqtt_conf *conf, struct slice noted)
{
    *t = (struct mqtt_topics){.n = conf->topics.n, .qos = (unsigned)conf->qos};
    t->all = mem_array(t->n ? t->n : 1, sizeof(*t->all));
    for (size_t i = 0; i < t->n; i++)
        t->all[i].filter = conf->topics.v[i];
    buf_init(&t->noted, MQTT_NOTED_MAX);
    if (buf_add_slice(&t->noted, noted) < 0)
        buf_clear(&t->noted); /* it is not ours: everything is asked for */
}

void mqtt_topics_release(struct mqtt_topics *t)
{
    mem_free(t->all);
    t->all = NULL;
    buf_release(&t->noted);
}

/* Takes "1 logs/#" apart. */
static bool read_line(struct slice line, unsigned *qos, struct slice *filter)
{
    if (line.n < 3 || line.p[0] < '0' || line.p[0] > '2' || line.p[1] != ' ')
        return false;
    *qos = (unsigned)(line.p[0] - '0');
    *filter = slice_from(line, 2);
    return true;
}

static struct mqtt_topic *find(struct mqtt_topics *t, struct slice filter)
{
    for (size_t i = 0; i < t->n; i++)
        if (slice_is(filter, t->all[i].filter))
            return &t->all[i];
    return NULL;
}

void mqtt_topics_begin(struct mqtt_topics *t, bool fresh)
{
    struct slice rest, line, filter;
    struct mqtt_topic *topic;
    unsigned qos;

    t->giving_up = false;
    if (fresh)
        buf_clear(&t->noted);
    for (size_t i = 0; i < t->n; i++)
        t->all[i].state = MQTT_WANTED;
    rest = buf_slice(&t->noted);
    while (slice_take_line(&rest, &line))
        if (read_line(line, &qos, &filter) && (topic = find(t, filter)) && qos == t->qos)
            topic->state = MQTT_GRANTED;
}

/* The first line about a filter that is configured no more. */
static bool find_stale(struct mqtt_topics *t, struct slice *line, struct slice *filter)
{
    struct slice rest = buf_slice(&t->noted);
    unsigned qos;

    while (slice_take_line(&rest, line)) {
        *filter = slice_of(NULL, 0);
        if (!read_line(*line, &qos, filter) || !find(t, *filter))
            return true;
    }
    return false;
}

/* With the '\n' behind it. */
static void drop_line(struct mqtt_topics *t, struct slice line)
{
    size_t at = (size_t)(line.p - t->noted.p), n = line.n + (at + line.n < t->noted.n);

    memmove(t->noted.p + at, t->noted.p + at + n, t->noted.n - at - n);
    t->noted.n -= n;
}

bool mqtt_topics_turn(struct mqtt_topics *t, enum mqtt_version v, struct buf *out, nsec now)
{
    struct slice line, filter;
    bool changed = false;

    while (!t->giving_up && find_stale(t, &line, &filter)) {
        if (filter.n == 0) { /* nonsense */
            drop_line(t, line);
            changed = true;
        } else if (mqtt_write_unsubscribe(out, v, UNSUBSCRIBE_ID, filter) == 0) {
            t->giving_up = true;
        } else {
            return changed;
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        struct mqtt_topic *topic = &t->all[i];

        if (topic->state == MQTT_NOT_GRANTED && now >= topic->again)
            topic->state = MQTT_WANTED;
        if (topic->state != MQTT_WANTED)
            continue;
        if (mqtt_write_subscribe(out, v, (uint16_t)(i + 1), topic->filter, t->qos,
                                 strncmp(topic->filter, "$share/", 7) != 0) < 0)
            return changed;
        topic->state = MQTT_ASKED;
    }
    return changed;
}

static void note(struct mqtt_topics *t, const struct mqtt_topic *topic)
{
    struct slice rest = buf_slice(&t->noted), line, filter;
    unsigned qos;

    while (slice_take_line(&rest, &line))
        if (read_line(line, &qos, &filter) && slice_is(filter, topic->filter)) {
            drop_line(t, line); /* with another QoS */
            break;
        }
    if (buf_printf(&t->noted, "%u %s\n", t->qos, topic->filter) < 0)
        return; /* more than can be noted: it is asked for with each connection */
}

struct mqtt_topic *mqtt_topics_take(struct mqtt_topics *t, const struct mqtt_packet *p, uint8_t *reason, nsec now)
{
    struct mqtt_topic *topic = p->id > 0 && p->id <= t->n ? &t->all[p->id - 1] : NULL;

    if (!topic || topic->state != MQTT_ASKED || p->reasons.n != 1)
        return NULL;
    *reason = (uint8_t)p->reasons.p[0];
    topic->state = *reason < 0x80 ? MQTT_GRANTED : MQTT_NOT_GRANTED;
    topic->again = now + MQTT_SUBSCRIBE_AGAIN;
    if (topic->state == MQTT_GRANTED)
        note(t, topic);
    return topic;
}

/* Whatever the answer is: one that says no says so each time. */
bool mqtt_topics_gave_up(struct mqtt_topics *t, const struct mqtt_packet *p)
{
    struct slice line, filter;

    if (!t->giving_up || p->id != UNSUBSCRIBE_ID || !find_stale(t, &line, &filter))
        return false;
    t->giving_up = false;
    drop_line(t, line);
    return true;
}

nsec mqtt_topics_next(const struct mqtt_topics *t)
{
    nsec next = NSEC_NEVER;

    for (size_t i = 0; i < t->n; i++)
        if (t->all[i].state == MQTT_NOT_GRANTED && t->all[i].again < next)
            next = t->all[i].again;
    return next;
}
