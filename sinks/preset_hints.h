/* preset_hints.h -- which preset an address was meant for, told by what its service is known for.
 *
 * Pure function.
 */
#ifndef SINKS_PRESET_HINTS_H
#define SINKS_PRESET_HINTS_H

/* What to write for this address, to be pasted; NULL: it is of no service that is known. `url` may be NULL. */
const char *preset_hint(const char *url);

#endif
