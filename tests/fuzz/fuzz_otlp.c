/* fuzz_otlp.c -- what anybody may post to the inputs of OTLP, in protobuf and in JSON: no crash, and what is found good becomes records that are
 * JSON, as many each time.
 *
 * The first byte says which signal it is (two bits), whether it is JSON, and what a record looks like. */
#include "pipeline/inputs/otlp/from_json.h"
#include "pipeline/inputs/otlp/records.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static size_t read_all(enum otlp_signal signal, struct otlp_shape shape, struct slice body, size_t room)
{
    struct otlp_reader r;
    struct slice record;
    struct buf text;
    size_t n = 0;

    buf_init(&text, room);
    otlp_open(&r, signal, shape, body);
    for (;;) {
        enum otlp_next got = otlp_next(&r, &text, &record);

        if (got == OTLP_END)
            break;
        n++;
        if (got == OTLP_FULL)
            otlp_pass(&r);
        else if (got == OTLP_RECORD)
            check(json_valid(record, JSON_DEPTH_MAX));
    }
    buf_release(&text);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned how = size ? data[0] : 0;
    enum otlp_signal signal = (enum otlp_signal)(how & 3);
    struct otlp_shape shape = {.nested = (how & 8) != 0, .nanoseconds = (how & 16) != 0};
    struct slice body = slice_of((const char *)data + 1, size ? size - 1 : 0);
    struct buf made;
    struct err e;

    if (size == 0 || signal == OTLP_SIGNALS)
        return 0;
    buf_init(&made, 4 * size + 1024);
    if (how & 4) {
        switch (otlp_from_json(signal, body, &made, &e)) {
        case OTLP_JSON_GOOD:
            body = buf_slice(&made);
            check(otlp_check(signal, body) == NULL);
            break;
        case OTLP_JSON_FULL: /* that is room for all */
            abort();
        case OTLP_JSON_BAD:
            body = SLICE("");
            break;
        }
    }
    if (otlp_check(signal, body) == NULL)
        check(read_all(signal, shape, body, 1 << 20) == read_all(signal, shape, body, 256));
    buf_release(&made);
    return 0;
}
