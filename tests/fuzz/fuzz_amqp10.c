/* fuzz_amqp10.c -- the bytes of a transferred message, and the bytes of a server: nothing is read beyond their end, what comes out is within the
 * bounds, and a session takes whatever it is.
 */
#include "pipeline/base/facts.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/amqp10/message.h"
#include "pipeline/inputs/amqp10/session.h"
#include "pipeline/inputs/amqp10/value.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static char *copy(struct slice s)
{
    char *p = calloc(s.n ? s.n : 1, 1); /* its end is known to the sanitizer */

    if (s.n)
        memcpy(p, s.p, s.n);
    return p;
}

static void read_values(struct slice rest)
{
    struct amqp10_value v;
    struct buf out;

    buf_init(&out, 1 << 16);
    while (amqp10_next(&rest, &v)) {
        buf_clear(&out);
        if (amqp10_json(&v, &out) == 0)
            check(json_valid(buf_slice(&out), AMQP10_DEPTH_MAX + 2));
        else
            check(out.n == 0);
        if (amqp10_text(&v, &out) < 0)
            check(out.n <= out.max);
    }
    buf_release(&out);
}

static void read_message(struct slice all)
{
    char *bytes = copy(all);
    struct amqp10_message m;
    struct amqp10_work w;

    amqp10_work_init(&w);
    if (amqp10_message_read(&m, bytes, all.n, &w) == AMQP10_FINE) {
        struct slice rest = m.facts, name, value;
        unsigned long sum = 0;

        check(m.facts.n <= RECORD_FACTS_MAX && m.data.n <= RECORD_MAX_BYTES);
        while (facts_next(&rest, &name, &value))
            check(name.n > 0);
        for (size_t i = 0; i < m.data.n; i++)
            sum += (unsigned char)m.data.p[i];
        check(sum <= 255 * (unsigned long)m.data.n && rest.n == 0);
    }
    amqp10_work_release(&w);
    free(bytes);
}

static void run_session(struct slice bytes)
{
    const struct amqp10_session_conf conf = {.address = "q", .credit = 5, .message_max = 1000};
    const struct broker_protocol *p = &amqp10_protocol;
    struct amqp10_session s;
    uint64_t number = 0;
    struct err e;

    amqp10_session_init(&s, &conf);
    p->begin(&s, NSEC_PER_SEC);
    while (p->out(&s).n > 0)
        p->wrote(&s, p->out(&s).n, NSEC_PER_SEC);
    if (p->take(&s, &bytes, NSEC_PER_SEC, &e) == 0) {
        while (p->message(&s))
            if (p->message(&s)->too_large || p->message(&s)->unreadable)
                p->refuse(&s);
            else
                p->keep(&s, ++number);
        p->safe(&s, number);
        p->leave(&s, NSEC_PER_SEC);
    } else {
        check(e.msg[0] && p->hint(&s) && !p->message(&s));
    }
    while (p->out(&s).n > 0)
        p->wrote(&s, p->out(&s).n, NSEC_PER_SEC);
    amqp10_session_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all;
    char *text;

    if (size == 0)
        return 0;
    text = copy(slice_of((const char *)data + 1, size - 1));
    all = slice_of(text, size - 1);
    if (data[0] % 4 == 0) {
        run_session(all);
    } else {
        read_values(all);
        read_message(all);
    }
    free(text);
    return 0;
}
