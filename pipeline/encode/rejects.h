/* rejects.h -- records that did not get through in the last minutes: how many of how many, and why for the most part.
 *
 * A record that fails in a transform or is refused by the destination is safe in the backup, and its stream goes on.
 * That looks like health from outside. So each batch that is settled is noted here, in a window of five minutes of ten
 * seconds each; /readyz, the console and a gauge show what is in it.
 *
 * A reason is a code, and the place for scripts, the kind of exception for a search engine: "Lua.FunctionError at
 * mask.lua:3", "400 document_parsing_exception". It never holds what a record holds: the rest of the message is in the
 * backup only.
 *
 * Threads    any. Ownership: embedded in a stream. Time is an argument.
 * Invariant  a fixed size: reasons beyond REJECTS_REASONS_MAX take the place of the rarest one.
 */
#ifndef PIPELINE_ENCODE_REJECTS_H
#define PIPELINE_ENCODE_REJECTS_H

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define REJECTS_WINDOW_WORDS "five minutes"
#define REJECTS_REASON       80 /* bytes, with NUL */

enum reject { REJECT_FAILED /* in a transform */, REJECT_REFUSED /* by the destination, or not delivered in time */ };

struct rejects_bucket;
struct rejects_reasons;

struct rejects {
    pthread_mutex_t lock;
    struct rejects_bucket *buckets;  /* guarded by lock, as is the rest; NULL until the first batch */
    struct rejects_reasons *reasons; /* NULL until the first one: most streams have none */
};

/* A batch whose records have all come to their end. */
struct rejects_batch {
    uint64_t records;               /* in all */
    uint64_t rejected[2];           /* by enum reject */
    char reason[2][REJECTS_REASON]; /* the most frequent one of each */
};

struct rejects_view {
    uint64_t records, rejected[2];
    uint64_t reason_count;
    char reason[REJECTS_REASON]; /* the most frequent one; "" when nothing was rejected */
};

void rejects_init(struct rejects *r);
void rejects_release(struct rejects *r);
void rejects_note(struct rejects *r, const struct rejects_batch *batch, nsec mono_now);
/* Of all: 0 ... 1. */
double rejects_share(const struct rejects_view *v);
struct rejects_view rejects_view(struct rejects *r, nsec mono_now);

/* The reason: the code, and script:line or some_exception when the message begins with it. */
void rejects_reason(const char *code, struct slice message, char out[REJECTS_REASON]);
/* It says that records have no partition key, which is seldom a script's fault. */
bool rejects_lack_a_key(const char *reason);

#endif
