/* store.h -- where the leases stand that daemons share (leases.h): a table of DynamoDB (store_table.c) or an object of S3 (store_object.c). What
 * leases_next() wants is asked there, and what comes back goes to the leases.
 *
 * Each makes its calls through share->caller, and tells of those that fail by share->trouble: when they fail, all wait.
 *
 * Threads    the input's own, but for open and close.
 */
#ifndef PIPELINE_INPUTS_KINESIS_STORE_H
#define PIPELINE_INPUTS_KINESIS_STORE_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/kinesis/leases.h"
#include "pipeline/inputs/kinesis/options.h"
#include "pipeline/inputs/kinesis/reach.h"
#include "pipeline/inputs/kinesis/rounds.h"

#include <stdbool.h>
#include <stddef.h>

struct input;
struct share;

struct lease_store {
    const char *failed_text, *works_text; /* of its connection */
    /* Says in `out` how its calls are made; whatever comes of it, close() follows. */
    int (*open)(struct share *s, const struct kinesis_conf *c, struct aws_caller_conf *out, struct err *e);
    void (*begin)(struct share *s); /* s->caller is there */
    void (*close)(struct share *s); /* no call is under way */
    /* What has come back goes to the leases; false: nothing has. */
    bool (*take_answers)(struct input *in, nsec now);
    void (*start_calls)(struct input *in, nsec now);
    void (*cancel)(struct share *s);
    bool (*is_quiet)(const struct share *s); /* no call is under way */
};

extern const struct lease_store table_store, object_store;

struct table_call {
    struct aws_call call;
    struct lease_act act;
    bool makes_table; /* and no lease */
};

struct table_share {
    struct kinesis_address address;
    struct table_call calls[KINESIS_LEASE_CALLS];
    struct buf from; /* of the scan: the page that is next */
    bool pages;      /* there is one */
    unsigned paged;  /* so many have come */
    bool missing, too_many;
};

enum object_step {
    OBJECT_IDLE,
    OBJECT_CHECKS, /* whether the store keeps to conditions */
    OBJECT_READS,
    OBJECT_WRITES,
};

/* In this order, of an object beside that of the leases. */
enum object_check {
    CHECK_MAKE, /* it is there then */
    CHECK_NEW,  /* written only if it is not there: that must be refused */
    CHECK_TAG,  /* written only if it is another one: likewise */
    CHECK_OVER,
};

struct object_share {
    struct kinesis_object where;
    struct aws_call call;
    enum object_step step;
    enum object_check check;
    struct rounds rounds;
    struct buf text;       /* to be written */
    nsec next;             /* mono; no call before */
    unsigned conflicts;    /* in a row: another one was there first */
    struct log_limit full; /* no room for a new one */
};

/* --- what both do (store.c) */

/* A call has failed: its connection is not tried again so late that leases run out. Returns when. */
nsec store_again(struct share *s, nsec now);
/* `operation` works. */
void store_works(struct share *s, const char *operation, nsec now);
/* One has failed; `malformed`: its answer was refused by its reader; NULL: as the call says. */
void store_failed(struct share *s, const struct aws_call *c, const struct err *malformed, nsec now);

#endif
