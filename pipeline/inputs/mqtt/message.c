#include "pipeline/inputs/mqtt/message.h"

#include "pipeline/base/facts.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "property."

/* A name may have any bytes; what does not fit is cut off. */
static bool add_user_property(struct buf *facts, const struct mqtt_property *p)
{
    char name[255] = PREFIX;
    size_t n = sizeof(PREFIX) - 1, room = sizeof(name) - n, take = p->name.n < room ? p->name.n : room;

    if (take > 0)
        memcpy(name + n, p->name.p, take);
    return facts_add(facts, slice_of(name, n + take), p->value) == 0 && take == p->name.n;
}

static bool add_property(struct buf *facts, const struct mqtt_property *p)
{
    char number[16];

    switch (p->id) {
    case MQTT_CONTENT_TYPE:
        return facts_add(facts, SLICE("content_type"), p->value) == 0;
    case MQTT_RESPONSE_TOPIC:
        return facts_add(facts, SLICE("response_topic"), p->value) == 0;
    case MQTT_CORRELATION_DATA:
        return facts_add(facts, SLICE("correlation_data"), p->value) == 0;
    case MQTT_EXPIRY:
        snprintf(number, sizeof(number), "%u", (unsigned)p->number);
        return facts_add(facts, SLICE("expires_in"), slice_str(number)) == 0;
    case MQTT_USER_PROPERTY:
        return add_user_property(facts, p);
    default:
        return true;
    }
}

bool mqtt_facts(struct buf *facts, const struct mqtt_packet *p)
{
    static const char *const QOS[] = {"0", "1", "2"};
    struct slice rest = p->properties;
    struct mqtt_property one;
    bool all;

    buf_clear(facts);
    all = facts_add(facts, SLICE("qos"), slice_str(QOS[p->qos])) == 0;
    if (p->retain)
        all &= facts_add(facts, SLICE("retained"), SLICE("1")) == 0;
    all &= facts_add(facts, SLICE("topic"), p->topic) == 0;
    while (mqtt_property_next(&rest, &one))
        all &= add_property(facts, &one);
    return all;
}
