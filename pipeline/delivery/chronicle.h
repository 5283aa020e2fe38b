/* chronicle.h -- what has happened to a stream lately, for people: its last objects, errors and events, the last hour, and how long
 * deliveries take.
 *
 * It is bounded, has memory only for what has happened, and begins with the stream: nothing of it is kept over a restart. It
 * shows no records: texts come from where the log's come from, and an object whose name is made of records (partition keys) has none here.
 *
 * Threads    any. Ownership: embedded in a stream, gone with it; views are the caller's. Functions that note accept NULL: nobody wants to
 *            know.
 */
#ifndef PIPELINE_DELIVERY_CHRONICLE_H
#define PIPELINE_DELIVERY_CHRONICLE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/histogram.h"
#include "pipeline/base/slice.h"
#include "pipeline/delivery/history.h"
#include "pipeline/encode/named_counters.h"

#include <pthread.h>

struct chronicle_object {
    nsec at; /* wall; when it was acknowledged */
    nsec took;
    uint64_t records, bytes; /* on the wire */
    unsigned attempts;
    bool backup; /* it went there, and not to the destination */
    char *name;  /* NULL: it has none */
};

/* One that repeats is one. */
struct chronicle_error {
    nsec first, last; /* wall */
    uint64_t times;
    char code[64];
    char *text;
};

struct chronicle_event {
    nsec at; /* wall */
    char *text;
};

struct chronicle {
    pthread_mutex_t lock;             /* guards all but the histograms */
    struct chronicle_object *objects; /* rings, as long as what has happened, up to CHRONICLE_OBJECTS ... */
    struct chronicle_error *errors;
    struct chronicle_event *events;
    uint64_t object_count, error_count, event_count; /* ever: the newest is in the place of count - 1 */
    struct history history;
    struct named_counters codes; /* how attempts at the destination ended */
    struct histogram took, size; /* of its objects: seconds, bytes */
};

void chronicle_init(struct chronicle *c);
void chronicle_release(struct chronicle *c);

/* The name is copied, and cut when it is long. */
void chronicle_delivered(struct chronicle *c, const struct chronicle_object *o, struct slice name);
/* An attempt at the destination or the backup did not deliver, or records were refused. */
void chronicle_failed(struct chronicle *c, nsec wall, const char *code, const char *text);
/* How an attempt at the destination ended, for metrics: a code of the destination's, or "ok". Of more than NAMED_COUNTERS_MAX codes the
 * later ones are counted together; "ok" never is. */
void chronicle_count(struct chronicle *c, const char *code);
void chronicle_event(struct chronicle *c, nsec wall, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* How it stands now; deliveries, failures and took of `t` are the chronicle's own to fill in. */
void chronicle_note(struct chronicle *c, nsec mono, const struct history_totals *t);

/* The newest first. */
struct chronicle_view {
    struct chronicle_object objects[CHRONICLE_OBJECTS];
    struct chronicle_error errors[CHRONICLE_ERRORS];
    struct chronicle_event events[CHRONICLE_EVENTS];
    size_t object_count, error_count, event_count;
    struct history_point points[HISTORY_SLOTS];
    size_t point_count;
    nsec last_point; /* how long the last of them has lasted so far */
};

void chronicle_view(struct chronicle *c, nsec mono_now, struct chronicle_view *v);
void chronicle_view_release(struct chronicle_view *v);

struct history_rates chronicle_rates(struct chronicle *c, nsec mono_now);
/* Adds how attempts ended to the caller's. */
void chronicle_codes(struct chronicle *c, struct named_counters *codes);

#endif
