/* fuzz_mqtt.c -- what a server of MQTT sends, in pieces: nothing is read outside, what is whole is within its size, and how the bytes were cut makes
 * no difference. The first byte chooses the version and the limit. */
#include "pipeline/base/buf.h"
#include "pipeline/inputs/mqtt/message.h"
#include "pipeline/inputs/mqtt/packet.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool inside(struct slice part, struct slice whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* The same of exactly n bytes, the end of which is known to the sanitizer. */
static enum mqtt_read read_exactly(struct slice in, size_t n, enum mqtt_version v, size_t max, struct mqtt_packet *p,
                                   size_t *need)
{
    char *copy = malloc(n ? n : 1);
    enum mqtt_read what;
    struct err e;

    if (n > 0)
        memcpy(copy, in.p, n);
    what = mqtt_packet_read(slice_of(copy, n), v, max, p, need, &e);
    if (what == MQTT_WHOLE && p->kind == MQTT_PUBLISH) {
        struct buf facts;

        buf_init(&facts, 512);
        (void)!mqtt_facts(&facts, p);
        buf_release(&facts);
    }
    free(copy);
    return what;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum mqtt_version v;
    struct slice in;
    size_t max;

    if (size < 2)
        return 0;
    v = data[0] & 1 ? MQTT_5 : MQTT_3;
    max = data[0] & 2 ? 40 : 100000;
    in = slice_of((const char *)data + 1, size - 1);
    while (in.n > 0) {
        struct mqtt_packet p, q;
        struct err e;
        size_t need, step = 0;
        enum mqtt_read what = mqtt_packet_read(in, v, max, &p, &need, &e), cut;

        /* As a reader would: with as many bytes as are said to be needed. */
        while ((cut = read_exactly(in, step, v, max, &q, &need)) == MQTT_PARTIAL && need <= in.n) {
            check(need > step);
            step = need;
        }
        check(cut == what);
        if (what == MQTT_PARTIAL || what == MQTT_MALFORMED || what == MQTT_LARGE)
            return 0;
        check(p.size > 0 && p.size <= in.n && p.size == q.size && p.kind == q.kind && p.id == q.id);
        check(inside(p.topic, slice_of(in.p, p.size)) && inside(p.payload, slice_of(in.p, p.size)) &&
              inside(p.properties, slice_of(in.p, p.size)) && inside(p.reasons, slice_of(in.p, p.size)));
        in = slice_from(in, p.size);
    }
    return 0;
}
