/* transform.h -- what every transform implements: records in, for each an outcome out.
 *
 * The meaning is that of Firehose's Lambda contract: a record comes out changed or not (Ok), as several (one becomes
 * many), not at all (Dropped), or it fails (ProcessingFailed) and goes to the backup alone while its neighbours go on.
 * A transform does no I/O of its own, logs nothing and moves no metrics; the stage that runs it counts. A transform is
 * one file with one const struct transform_ops at its bottom and one row in registry.c; several of them chain.
 *
 * Ownership  `shared` is made once per stream and outlives its states; records are borrowed for the call.
 * Threads    load, unload, describe: the main thread. A state: one worker at a time. `single` transforms have one
 * state, and batches of the stream go through it in order.
 */
#ifndef TRANSFORMS_TRANSFORM_H
#define TRANSFORMS_TRANSFORM_H

#include "config/bind.h"
#include "pipeline/base/cancel.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transform_key {
    struct slice name, value; /* a partition key that a transform set */
};

struct transform_record {
    struct slice data;
    struct slice origin; /* facts of the input: "input=tail path=/var/log/x" */
    struct slice facts;  /* facts of this record: base/facts.h */
    uint64_t seq;
    nsec arrival;  /* wall */
    uint32_t part; /* in a chain: which of the records that one became before; handed back as it came */
    /* In a chain: partition keys that the transforms before have set, and whether the data is known to be one JSON object. */
    const struct transform_key *keys;
    size_t key_count;
    bool is_object;
};

/* A record that a transform holds back beyond its batch, under a name. */
struct transform_kept {
    struct slice name;
    struct transform_record record; /* data: what is held of it */
};

/* Where outcomes go. Implemented by who runs the transform. For each record that goes in: emit() once or more, or drop()
 * or fail() once, or kept(). emit() answers -1 when the body cannot take it (error kept by the implementer): stop and return -1.
 */
struct transform_out {
    int (*emit)(struct transform_out *o, const struct transform_record *from, struct slice data,
                const struct transform_key *keys, size_t key_count);
    void (*drop)(struct transform_out *o, const struct transform_record *from,
                 struct slice reason); /* reason may be empty */
    /* `code` as Firehose's: "Lua.FunctionError". `message` says why, with script:line; it goes with the record, to the
     * backup, and may hold what is in it (error("no host in " .. r.raw)). `shown` is for everybody, log, page and
     * /readyz: where and of which kind, never anything of the record. */
    int (*fail)(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                struct slice shown);
    /* The record is held back (transform_ops.keeps), whatever else comes of it. May be NULL. */
    void (*kept)(struct transform_out *o, const struct transform_record *from);
    /* sluice.counter(name) and the like; both may be NULL. */
    void (*count)(struct transform_out *o, struct slice name, double by);
    void (*log)(struct transform_out *o, int level, struct slice text);
    /* Set before each emit() by a transform that knows, and by no other: the data is one JSON object, found valid, no deeper
     * than a reader follows (JSON_DEPTH_MAX). So that nobody behind looks through it again. */
    bool is_object;
    /* Set before each drop() by `when` (partition/when.h), and by no other: the record is not for this destination. */
    bool unwanted;
    /* Time that emit() has spent in transforms behind this one: not to be counted as this one's. Only grows. */
    nsec elsewhere;
    /* Time that libjq has taken. Only grows. */
    nsec queried;
};

struct transform_env {
    const char *stream;
    const char *base_dir; /* folder of the YAML file */
};

struct transform_ops {
    const char *name; /* what users write: lua, decompress, deaggregate, delimiter */
    const char *help;
    const struct cfg_field *fields;
    size_t conf_size;
    /* A bare scalar stands for this option (`- decompress`, `lua: FILE`); NULL: a mapping is needed. */
    const char *scalar_option;

    /* Reads and checks what the options name (compiles the script): errors at script:line. */
    MUST_CHECK int (*load)(void **shared, const void *conf, const struct transform_env *env, struct err *e);
    void (*unload)(void **shared); /* NULL: it is one block of memory (mem.h) */
    /* Of all that load() has read from files: another one when any of it is another. NULL: it reads none. */
    void (*digest)(void *shared, unsigned char out[32]);
    /* Of two that were loaded with the same options: what was read from files for the one is the other's from now on, also while it runs, with
     * the next batch. False: it cannot change while it runs, and did not. NULL: never. */
    bool (*exchange)(void *runs, void *other);
    bool (*is_single)(const void *shared); /* NULL: never */
    bool all_keys; /* what it emits with a record are all its partition keys: those of before are gone */
    /* Does it hold records back until end()? NULL: no. */
    bool (*holds)(const void *shared);
    /* May it hold records back beyond end()? Then no outcome of one comes before it hands it over: in some run() or finish(), of this batch or a
     * later one. What it holds is in kept() and in nothing else, so another state goes on with it behind restore(). NULL: no. */
    bool (*keeps)(const void *shared);
    /* How long it may take for a batch, of which it fails the rest then. NULL: as long as it takes. */
    nsec (*batch_time)(const void *shared);

    /* `cancel` (NULL: never asked) outlives the state. Whoever works for long looks at it between two pieces, and answers -1
     * with ERR_CANCELLED; runs of a few milliseconds need not, the chain looks between them. */
    MUST_CHECK int (*open)(void **state, void *shared, const struct cancel *cancel, struct err *e);
    void (*close)(void **state);

    /* The records of one batch come in one or more calls to run(), in order, between begin() and end(); end() may emit
     * what the transform held back within the batch. Both may be NULL. -1: the batch cannot be worked on now (err says why), it will be
     * tried again whole. What `from` points to in an outcome is valid during that outcome; its
     * bytes (data, origin, facts) until the next call. It need not be the pointer that came in: seq tells which it is. */
    MUST_CHECK int (*begin)(void *state, struct err *e);
    MUST_CHECK int (*run)(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                          struct err *e);
    MUST_CHECK int (*end)(void *state, struct transform_out *out, struct err *e);

    /* Of one that keeps records. Before begin(): it forgets what it holds; from then on it holds these, of which it is told in order. */
    void (*forget)(void *state);
    void (*restore)(void *state, const struct transform_kept *kept);
    /* Behind the last run(), before end(): hands over what it has held for too long; with `all`, what it can of all. -1: as run(). */
    MUST_CHECK int (*finish)(void *state, bool all, struct transform_out *out, struct err *e);
    /* Behind end(): what it holds, in the order that restore() wants. `each` answers -1 to stop, which is the answer then. */
    MUST_CHECK int (*kept)(const void *state, int (*each)(void *ctx, const struct transform_kept *kept), void *ctx);
    /* mono; when the first of it will be handed over by finish(). NSEC_NEVER: it holds nothing. */
    nsec (*kept_due)(const void *state);
};

/* The entries that may be NULL, called or done without. */
void transform_unload(const struct transform_ops *ops, void **shared);
void transform_digest(const struct transform_ops *ops, void *shared, unsigned char out[32]); /* zeroes: it reads none */
MUST_CHECK int transform_begin(const struct transform_ops *ops, void *state, struct err *e);
MUST_CHECK int transform_end(const struct transform_ops *ops, void *state, struct transform_out *out, struct err *e);

/* Is this too much for one record to become? Then `why` says how much, and what the most is, and the record fails with the
 * code below. A transform that knows beforehand how much it will be asks before it emits anything; the chain asks once more
 * for what several transforms make together. */
#define TRANSFORM_MADE_CODE "Transform.LimitExceeded"
bool transform_makes_too_much(uint64_t pieces, uint64_t bytes, char *why, size_t size);

const struct transform_ops *transform_find(const char *name);
const struct transform_ops *transform_at(size_t index);

#endif
