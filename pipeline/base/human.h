/* human.h -- numbers as people read them: 1,234,567 and 1.2 MiB and 3 min 5 s. For the console page, progress lines and
 * messages; machines get plain numbers.
 *
 * Pure functions; each writes into `out` (cut when short, always terminated) and returns it. 32 bytes are enough.
 */
#ifndef PIPELINE_BASE_HUMAN_H
#define PIPELINE_BASE_HUMAN_H

#include "pipeline/base/clock.h"

#include <stddef.h>
#include <stdint.h>

#define HUMAN_MAX 32

char *human_count(uint64_t n, char *out, size_t size);     /* "1,234,567" */
char *human_bytes(uint64_t bytes, char *out, size_t size); /* "999 B", "1.0 KiB", "12.5 MiB" */
char *human_duration(nsec d, char *out,
                     size_t size); /* "450 ms", "1.5 s", "12 s", "3 min 5 s", "2 h 4 min", "5 d 3 h" */
char *human_share(double share, char *out, size_t size); /* "86 %", "0.02 %", "less than 0.01 %" */

/* "1 record is lost", "2 records are lost": "%zu record%s %s lost", n, noun_s(n), is_are(n). */
static inline const char *noun_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static inline const char *verb_s(uint64_t n)
{
    return n == 1 ? "s" : "";
}

static inline const char *is_are(uint64_t n)
{
    return n == 1 ? "is" : "are";
}

#endif
