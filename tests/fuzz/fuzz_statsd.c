/* fuzz_statsd.c -- lines of anybody: each is refused with a reason, or is one JSON document for each of its values.
 */
#include "pipeline/base/json.h"
#include "pipeline/inputs/statsd/line.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_of((const char *)data, size), values, value;
    struct statsd_line l;
    size_t count = 0;
    struct buf out;

    if (statsd_line_parse(&l, all))
        return 0;
    buf_init(&out, 16 * MIB);
    values = l.kind == STATSD_METRIC ? l.values : SLICE("");
    while (statsd_line_next(&values, &value)) {
        buf_clear(&out);
        check(statsd_line_write(&l, value, (nsec)1795817655 * NSEC_PER_SEC, &out) == 0);
        check(json_valid(buf_slice(&out), 4));
        check(++count <= size + 1);
    }
    check(count > 0);
    buf_release(&out);
    return 0;
}
