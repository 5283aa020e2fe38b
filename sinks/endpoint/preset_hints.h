/* preset_hints.h -- which preset an address was meant for, told by what its service is known for.
 *
 * Pure function.
 */
#ifndef SINKS_ENDPOINT_PRESET_HINTS_H
#define SINKS_ENDPOINT_PRESET_HINTS_H

#include <stdbool.h>
#include <stddef.h>

/* What to write for this address, to be pasted; false: it is of no service that is known. `url` may be NULL. */
bool preset_hint(const char *url, char *out, size_t size);

#endif
