/* fuzz_record_time.c -- the time that a record says of itself, in whatever format: it is one of the years that count, and cut to a unit it is the
 * same for all moments of that unit.
 *
 *     Europe/Berlin     a time zone
 *     %d/%b/%Y          the format
 *     27/Nov/2026       all the rest: the text
 */
#include "pipeline/base/mem.h"
#include "transforms/partition/record_time.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static char *take_line(struct slice *rest)
{
    struct slice line = SLICE("");

    (void)slice_take_line(rest, &line);
    return mem_strndup(line.p, line.n);
}

static void cut(int64_t seconds, const struct time_zone *zone)
{
    for (int unit = TIME_YEAR; unit <= TIME_SECOND; unit++)
        for (int offset = 0; offset < 2; offset++) {
            int64_t floor = record_time_floor(seconds, (enum time_unit)unit, offset, zone);

            check(floor <= seconds && seconds - floor < 370 * 86400);
            check(record_time_floor(floor, (enum time_unit)unit, offset, zone) == floor);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of((const char *)data, size);
    char *zone_name = take_line(&rest), *format = take_line(&rest);
    struct time_zone *utc = NULL, *zone = NULL;
    int64_t seconds = -1;
    struct err e = {.msg = ""};

    if (record_time_check(format, &e) < 0) {
        check(e.msg[0] != '\0');
    } else if (time_zone_open(&utc, NULL, &e) == 0 && time_zone_open(&zone, zone_name, &e) == 0) {
        if (record_time_read(rest, format, utc, &seconds) == 0) {
            check(seconds >= RECORD_TIME_MIN && seconds <= RECORD_TIME_MAX);
            cut(seconds, zone);
        } else {
            check(seconds == -1);
        }
    }
    time_zone_free(&zone);
    time_zone_free(&utc);
    mem_free(zone_name);
    mem_free(format);
    return 0;
}
