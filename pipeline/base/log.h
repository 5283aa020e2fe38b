/* log.h -- one logfmt line per event, to stderr.
 *
 *     log_warn("delivery failed, will retry", KS("stream", name), KU("attempt", n), KE("cause", &e));
 *  -> ts=2026-11-22T15:26:01.123Z level=warn msg="delivery failed, will retry" stream=app attempt=2 cause="..."
 *
 * The function that *decides* logs: base/, config/, transforms/ and sinks/ return errors instead. The text says what
 * happened; a `hint` key says what to do. Record contents and secrets never go into a line.
 *
 * Threads  any; lines never mix. Between log_start() and log_stop() a thread of its own writes them, so that a standard
 * error which nobody reads holds up nobody (log_writer.h); before and behind a line is one write(2).
 */
#ifndef PIPELINE_BASE_LOG_H
#define PIPELINE_BASE_LOG_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum log_kind { LOG_KV_END, LOG_KV_STR, LOG_KV_SLICE, LOG_KV_INT, LOG_KV_UINT, LOG_KV_ERR };

struct log_kv {
    enum log_kind kind;
    const char *key;
    struct slice s;
    int64_t i;
    uint64_t u;
    const struct err *e;
};

#define KS(k, v) ((struct log_kv){.kind = LOG_KV_STR, .key = (k), .s = slice_str(v)})
#define KB(k, v) ((struct log_kv){.kind = LOG_KV_SLICE, .key = (k), .s = (v)})
#define KI(k, v) ((struct log_kv){.kind = LOG_KV_INT, .key = (k), .i = (int64_t)(v)})
#define KU(k, v) ((struct log_kv){.kind = LOG_KV_UINT, .key = (k), .u = (uint64_t)(v)})
#define KE(k, v) ((struct log_kv){.kind = LOG_KV_ERR, .key = (k), .e = (v)})

/* For a process that is to go on whatever becomes of its log. Lines that are not written yet when it crashes are written then. */
MUST_CHECK int log_start(struct err *e);
/* Waits up to `timeout` until all is written. Only when no other thread logs any more. */
void log_stop(nsec timeout);
/* Waits up to `timeout`; then all is written, or will never be. */
void log_flush(nsec timeout);
/* Lines that never reached standard error, because nobody read it or writing failed. */
uint64_t log_dropped(void);
/* Text that is no log line, on the same way: at most LOG_LINE_MAX bytes. */
void log_plain(const char *text);

void log_set_level(enum log_level max);

/* `kvs` ends with a LOG_KV_END element. */
void log_emit(enum log_level level, const char *msg, const struct log_kv *kvs);

#define LOG_AT(level, msg, ...) log_emit((level), (msg), (const struct log_kv[]){__VA_ARGS__, {.kind = LOG_KV_END}})
#define log_error(msg, ...)     LOG_AT(LOG_ERROR, msg, __VA_ARGS__)
#define log_warn(msg, ...)      LOG_AT(LOG_WARN, msg, __VA_ARGS__)
#define log_info(msg, ...)      LOG_AT(LOG_INFO, msg, __VA_ARGS__)
#define log_debug(msg, ...)     LOG_AT(LOG_DEBUG, msg, __VA_ARGS__)

/* Keeps a repeating event from flooding: true at most once per `period`; embedded in the owner of the event. */
struct log_limit {
    nsec next;           /* 0 at start */
    uint64_t left_out;   /* since the last line */
    uint64_t suppressed; /* when a line is due: between the last one and this; put it into this one */
};
bool log_due(struct log_limit *l, nsec now, nsec period);

#endif
