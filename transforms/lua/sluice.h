/* sluice.h -- the part of the table `sluice` that talks to the daemon and to JSON text: log, counter, json.
 *
 *     sluice.log([level,] text)     a line of the daemon's log: "error", "warn", "info" (the default) or "debug"; also print(...)
 *     sluice.counter(name [, by])   a counter of the stream on the metrics page
 *     sluice.json.decode(text)      tables; nil and why when the text is no JSON
 *     sluice.json.encode(value)     text
 *
 * While a script loads and in init() there is no record to count or log for: both do nothing there. A state logs at
 * most LUA_SLUICE_LOG_LINES in a batch, so that a line for every record does not fill a disk.
 *
 * Threads    as its state.
 */
#ifndef TRANSFORMS_LUA_SLUICE_H
#define TRANSFORMS_LUA_SLUICE_H

#include "pipeline/base/limits.h"

#include <lua.h>

/* Once per state; the table `sluice` is on top of the stack. */
void lua_sluice_open(lua_State *L);

#endif
