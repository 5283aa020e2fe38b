/* fuzz_splunk_hec.c -- what anybody may post to the input splunk_hec: no crash, each event is within the body, and reading ends. */
#include "pipeline/inputs/splunk_hec/event.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of((const char *)data, size), rest = all, name, value;
    struct buf room, facts;
    struct hec_event ev;

    buf_init(&room, PUSH_FACTS_MAX);
    buf_init(&facts, PUSH_FACTS_MAX);
    while (hec_next(&rest, &ev) == HEC_EVENT) {
        struct slice left;

        check(ev.whole.p >= all.p && ev.whole.p + ev.whole.n == rest.p && ev.whole.n > 0);
        check(rest.p + rest.n == all.p + all.n);
        check(ev.event.p >= ev.whole.p && ev.event.p + ev.event.n <= rest.p && ev.event.n > 0);
        buf_clear(&facts);
        hec_facts(&ev, &room, &facts);
        left = buf_slice(&facts);
        while (facts_next(&left, &name, &value))
            check(name.n > 0 && value.n > 0);
        check(left.n == 0);
    }
    buf_release(&room);
    buf_release(&facts);
    return 0;
}
