/* fuzz_loki.c -- what anybody may push to the input loki, as JSON and as protobuf: no crash, reading ends, and each record is JSON. */
#include "pipeline/inputs/loki/entries.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static int look(void *ctx, const struct loki_entry *x)
{
    struct slice left, name, value;
    struct buf room, facts, out;

    (void)ctx;
    buf_init(&room, PUSH_FACTS_MAX);
    buf_init(&facts, PUSH_FACTS_MAX);
    buf_init(&out, x->labels.n + x->metadata.n + 6 * x->line.raw.n + 128);
    check(loki_record(x, &out) == 0 && json_valid(buf_slice(&out), PUSH_JSON_DEPTH + 1));
    loki_facts(x, &room, &facts);
    left = buf_slice(&facts);
    while (facts_next(&left, &name, &value))
        check(name.n > 0 && value.n > 0);
    check(left.n == 0);
    buf_release(&room);
    buf_release(&facts);
    buf_release(&out);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of((const char *)data, size);
    struct err e = {.msg = ""};

    check(loki_read_json(all, look, NULL, &e) == 0 || e.msg[0]);
    check(loki_read_protobuf(all, look, NULL, &e) == 0 || e.msg[0]);
    return 0;
}
