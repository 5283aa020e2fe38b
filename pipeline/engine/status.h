/* status.h -- a picture of the running engine, for /metrics, /healthz, /readyz, the console page and the last line at
 * exit.
 *
 * Streams come and go. Who looks at them takes a view first: the streams that are there then stay, with all that is told of them, until he
 * gives it back. Soon: whoever removes a stream waits for that.
 *
 * Ownership  the strings live as long as the view; the pictures are the caller's. Threads: any, also while others hang.
 */
#ifndef PIPELINE_ENGINE_STATUS_H
#define PIPELINE_ENGINE_STATUS_H

#include "pipeline/base/clock.h"
#include "pipeline/base/tap.h"
#include "pipeline/delivery/chronicle.h"
#include "pipeline/delivery/stream_status.h"
#include "pipeline/encode/named_counters.h"
#include "pipeline/engine/orphans.h"
#include "pipeline/inputs/health.h"

#include "pipeline/base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cfg_node;
struct engine;
struct engine_stream;

/* How the reloads have ended. */
enum engine_reload { ENGINE_RELOAD_DONE, ENGINE_RELOAD_REFUSED, ENGINE_RELOAD_FAILED, ENGINE_RELOADS };

struct engine_status {
    const char *version;
    nsec started; /* wall */
    bool stopping;
    size_t streams;
    size_t memory_limit, memory_used, memory_peak; /* of the budgets */
    struct engine_listening {
        const char *name, *address;
    } listening[LISTENERS_MAX]; /* of the listeners with a section those that are open; name NULL: none */
    uint64_t reloads[ENGINE_RELOADS];
    bool last_reload_failed; /* or was refused */
    nsec configured; /* wall; since when the configuration is in effect: the start, or the last reload that was done */
};

/* A stream; one of its destinations where it has several. */
struct engine_view_row {
    struct engine_stream *stream;
    size_t outlet;
};

struct engine_view {
    struct engine *engine;
    struct engine_view_row *rows; /* in the order of the configuration; those opened later behind them */
    size_t count;
    struct orphans orphans; /* a copy: those of the start, and those that were removed since */
};

void engine_status(struct engine *e, struct engine_status *out);
/* Where the listener of this name listens: "127.0.0.1:4573". NULL: it is not open. */
static inline const char *engine_listens(const struct engine_status *s, const char *name)
{
    for (size_t i = 0; i < LISTENERS_MAX && s->listening[i].name; i++)
        if (strcmp(s->listening[i].name, name) == 0)
            return s->listening[i].address;
    return NULL;
}
void engine_note_reload(struct engine *e, enum engine_reload how, nsec wall_now);
void engine_view_take(struct engine *e, struct engine_view *out);
void engine_view_release(struct engine_view *v);
/* The file that the stream's inputs have been at for `least` or longer; lasted is 0 when there is none. */
void engine_inputs_waiting(const struct engine_view *v, size_t index, nsec least, struct waiting_input *out);
/* False behind the last stream. *out: stream_status_release(). */
bool engine_stream_status(const struct engine_view *v, size_t index, nsec wall_now, struct stream_status *out);
/* What is known of its input number `input`, `api` first; false behind the last one, and of all destinations of a stream but the first. *out: input_health_view_release(). */
bool engine_input_health(const struct engine_view *v, size_t index, size_t input, nsec wall_now,
                         struct input_health_view *out);
/* Which row it is that people call so; that of a stream's first destination, when the stream as a whole is. False: none. */
bool engine_find_row(const struct engine_view *v, const char *name, size_t *index);
/* Calls fn with what the configuration says of the stream, its inputs apart: they may have been replaced apart from the rest. The nodes live
 * for the call. */
void engine_stream_config(const struct engine_view *v, size_t index,
                          void (*fn)(void *ctx, const struct cfg_node *stream, const struct cfg_node *reads),
                          void *ctx);
/* What has happened to it lately; NULL behind the last stream. Lives as long as the view. */
struct chronicle *engine_stream_chronicle(const struct engine_view *v, size_t index);
/* Some of the records that pass by; likewise. */
struct tap *engine_stream_tap(const struct engine_view *v, size_t index);
/* Adds what the stream's transforms counted: sluice.counter(name), meta.drop(reason). Nothing behind the last stream. */
void engine_stream_counters(const struct engine_view *v, size_t index, struct named_counters *counters,
                            struct named_counters *drop_reasons);

#endif
