/* status.h -- a picture of the running engine, for /metrics, /healthz, /readyz, the console page and the last line at
 * exit.
 *
 * Ownership  the strings live as long as the engine; the snapshot is the caller's. Threads: any.
 */
#ifndef PIPELINE_ENGINE_STATUS_H
#define PIPELINE_ENGINE_STATUS_H

#include "pipeline/base/clock.h"
#include "pipeline/delivery/stream_status.h"
#include "pipeline/encode/named_counters.h"

#include <stdbool.h>
#include <stddef.h>

struct engine;

struct engine_status {
    const char *version;
    nsec started; /* wall */
    bool stopping;
    size_t streams;
    size_t memory_limit, memory_used, memory_peak; /* of the budgets */
    const char *api_address;                       /* NULL when there is none */
    const struct orphans *orphans;                 /* as they were at the start; NULL: none */
};

void engine_status(struct engine *e, struct engine_status *out);
/* The file that the stream's inputs have been at for `least` or longer; lasted is 0 when there is none. */
void engine_inputs_waiting(struct engine *e, size_t index, nsec least, struct waiting_input *out);
/* False behind the last stream. */
bool engine_stream_status(struct engine *e, size_t index, nsec wall_now, struct stream_status *out);
/* Adds what the stream's transforms counted: sluice.counter(name), meta.drop(reason). Nothing behind the last stream. */
void engine_stream_counters(struct engine *e, size_t index, struct named_counters *counters,
                            struct named_counters *drop_reasons);

#endif
