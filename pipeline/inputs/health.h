/* health.h -- what is known of one input of one stream: what it has counted, how far behind its source it is, whether it has a connection, and
 * its last error in words.
 *
 * Each input of a stream has one, at env->health: the metrics sluice_input_*{stream,input}, the console and /readyz show it. The label
 * `input` is the input's name; the second of the same name in a stream is `sqs-2`, the third `sqs-3`, in the order of the configuration.
 *
 *     input_health_add()      what was counted. A window (window.h) that has the health counts records, bytes and duplicates itself
 *     input_health_lag()      records, or messages, that wait at the source (of several partitions: in all)
 *     input_health_oldest()   since when the oldest of these waits
 *     input_health_error()    something that is no matter of the connection: a message that cannot be taken, a file that cannot be read
 *     input_health_refused()  the source refuses something that is tried again, which is no reason for `run --once` to say that it has not read all
 *     connection.h            says whether the source is reached. An input may have several connections: it is connected when one has
 *                             worked, and none fails
 *
 * Words are for people. No record, key, password or address with a password is in them.
 *
 * Threads    any. All functions accept NULL: then nobody wants to know.
 * Ownership  embedded in its owner, who outlives the input. Bounded.
 */
#ifndef PIPELINE_INPUTS_HEALTH_H
#define PIPELINE_INPUTS_HEALTH_H

#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum input_count {
    INPUT_RECORDS, /* safe in the spool */
    INPUT_BYTES,   /* theirs */
    INPUT_RECONNECTS,
    INPUT_REDELIVERED, /* the source says that it handed them out before */
    INPUT_DUPLICATES,  /* dropped, because their record is in the spool already */
    INPUT_FILTERED,    /* answered and dropped: the input's filter does not want them */
    INPUT_FAILED_CALLS,
    INPUT_LOST, /* sent to it, and nobody has them: the system had no room for them, or the source gave them up */
    INPUT_ERRORS,
    INPUT_COUNTS,
};

/* An error in words. Does not change; the last one who has it frees it. Most inputs never have one. */
struct input_words {
    atomic_uint users;
    char error[INPUT_ERROR_MAX], hint[INPUT_ERROR_MAX];
};

struct input_leases {
    bool known;
    uint64_t held, taken, lost;
};

struct input_health {
    char label[INPUT_LABEL_MAX];
    _Atomic uint64_t counts[INPUT_COUNTS];

    pthread_mutex_t lock;
    unsigned connections, failing; /* guarded by lock, as what follows */
    bool worked;                   /* one of them, ever */
    nsec since;                    /* mono; connected, or not */
    bool lag_known, oldest_known;
    uint64_t lag;
    nsec oldest; /* wall; 0: nothing waits */
    struct input_leases leases;
    nsec error_at;             /* mono; 0: never */
    struct input_words *words; /* of the last error; NULL: there was none */
};

/* `nth`: how many of this name stand before it in the stream. */
void input_health_init(struct input_health *h, const char *name, unsigned nth);
void input_health_release(struct input_health *h);

/* For the log and for threads' names: the label, or `otherwise` when there is no health. */
const char *input_health_label(const struct input_health *h, const char *otherwise);

void input_health_add(struct input_health *h, enum input_count what, uint64_t n);
void input_health_lag(struct input_health *h, uint64_t n);
void input_health_oldest(struct input_health *h, nsec wall_since); /* 0: nothing waits */
/* Of an input that shares its source with other daemons: the parts of it that it reads now; so far: taken; lost to others. */
void input_health_leases(struct input_health *h, uint64_t held, uint64_t taken, uint64_t lost);
/* Counts as one of INPUT_ERRORS. */
void input_health_error(struct input_health *h, const char *cause, const char *hint, nsec mono_now);

/* The source refused something, and it is tried again: one of INPUT_FAILED_CALLS. */
void input_health_refused(struct input_health *h, const char *cause, const char *hint, nsec mono_now);

/* connection.h's: there is one more; it fails (`begins`: it did not before); it works (`ends`: it failed before). */
void input_health_connects(struct input_health *h);
void input_health_fails(struct input_health *h, bool begins, const char *cause, const char *hint, nsec mono_now);
void input_health_works(struct input_health *h, bool ends, nsec mono_now);
/* One less. */
void input_health_disconnects(struct input_health *h, bool failing);

struct input_health_view {
    const char *label; /* lives as long as the health */
    uint64_t counts[INPUT_COUNTS];
    bool has_connection, connected;
    nsec lasted; /* so; 0: it was never tried to its end */
    bool lag_known, oldest_known;
    uint64_t lag;
    nsec oldest_age; /* 0: nothing waits */
    struct input_leases leases;
    nsec error_ago;            /* < 0: there was none */
    struct input_words *words; /* of the last error; NULL: there was none */
};

/* *out: input_health_view_release(). */
void input_health_view(struct input_health *h, nsec wall_now, nsec mono_now, struct input_health_view *out);
void input_health_view_release(struct input_health_view *v);
/* It has a connection, and that has failed: something for people to look at. */
bool input_health_is_down(const struct input_health_view *v);

#endif
