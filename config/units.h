/* units.h -- sizes and durations as people write them: 1MiB = 1,048,576, 1MB = 1,000,000, 250ms, 60s, 5m, 24h, 7d.
 *
 * Pure functions. 0 on success; -1 with ERR_CONFIG and the accepted forms, or ERR_LIMIT: too large. No fractions, no
 * negative values, no overflow.
 */
#ifndef CONFIG_UNITS_H
#define CONFIG_UNITS_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdint.h>

MUST_CHECK int units_size(const char *text, uint64_t *out, struct err *e);
MUST_CHECK int units_duration(const char *text, nsec *out, struct err *e);

/* The shortest exact form, for messages and the manual: "1MiB", "60s". Return out. */
const char *units_size_text(uint64_t bytes, char *out, size_t size);
const char *units_duration_text(nsec d, char *out, size_t size);

#endif
