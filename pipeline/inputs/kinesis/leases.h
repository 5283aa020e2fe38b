/* leases.h -- several daemons read one stream: each shard has one reader at a time, whoever dies, stalls or comes late.
 *
 * They agree by a table of leases (lease.h), one for each shard, that none of them trusts the others' clocks for. The rules:
 *
 *   1. Every write says what the lease was (its counter and owner, or that it was not there) and is refused when that is not so any more.
 *   2. The reader of a shard, its owner, writes its lease every third of the fail-over time, its counter one higher. It reads only until the
 *      fail-over time has passed since it began the last write that was taken. So when the table is away it stops by itself.
 *   3. A lease whose counter somebody has seen unchanged for the fail-over time, by his own clock, has no owner any more: he may take it. So no
 *      two read a shard at the same time.
 *   4. Each takes so many that all have the same, but for one. When there is nothing to take and another has at least two more, one is asked
 *      for: the taker becomes the owner, and the one before it is `giver`. The giver stops, waits until all that it read is safe, writes the
 *      checkpoint and that it is no giver any more; only then the owner begins. If that takes longer than the fail-over time, it begins
 *      without it. A daemon that is stopped gives its leases back in the same way, and renews them until it can.
 *   5. The checkpoint is the place up to which all is safe in the spool of the owner. It goes with the writes of rule 2, so it may lag.
 *   6. A new owner begins at the checkpoint. One that was the owner already (it was started again, or the table was away) begins at the place
 *      that its own spool has if that is further: nobody else has read in between. So nothing is ever left out, and a record is read twice only
 *      when an owner died or stalled: what it had read since its last checkpoint.
 *   7. The lease of a child is made when all its parents' are at SHARD_END. That of a parent is deleted when its children are being read. So
 *      a shard without a lease, one of whose descendants has one, was read to its end.
 *   8. When there is no lease at all, the first to see that makes them, where `start` says (or where its own spool is). One that is missing
 *      later, without a reason that rule 7 knows, is made after the fail-over time (whoever began may be at it), from the shard's oldest record.
 *
 *     FREE --taken--> MINE --another has asked--> GIVING --all is safe, written--> FREE
 *       |              ^ |
 *       asked for      | +--refused, or not written in time--> FREE
 *       +--> AWAITED --+ given, or the fail-over time is over
 *
 * No I/O, no clock: what was read and what came of writes goes in, the next call comes out (leases_next()). `granted` and `revoked` say which
 * shards are to be read.
 *
 * A write that nobody answered may have been done: its lease is read before anything else is done with it, and one that has our name and
 * the counter that we wrote is our write.
 *
 * Ownership  leases belong to the set. One that is `busy` (a call is about it) is never removed. Threads: one.
 */
#ifndef PIPELINE_INPUTS_KINESIS_LEASES_H
#define PIPELINE_INPUTS_KINESIS_LEASES_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/inputs/kinesis/lease.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lease_state {
    LEASE_FREE, /* not ours */
    LEASE_MINE,
    LEASE_AWAITED,
    LEASE_GIVING,
};

enum lease_want {
    WANT_NOTHING,
    WANT_CREATE,
    WANT_TAKE,
    WANT_STEAL,
    WANT_RESET, /* it is of a stream that was deleted and made again */
    WANT_NAME,  /* it was read to its end before its children were listed: they are named */
    WANT_DELETE,
};

struct leased {
    struct lease at; /* as it is in the table, as far as we know; its key always */
    bool exists;
    enum lease_state state;
    enum lease_want want;
    bool busy;         /* a call is about it */
    bool unsure;       /* it has to be read before it is written */
    uint64_t tried;    /* the counter that an unanswered write had; 0: none */
    nsec tried_at;     /* mono; when that began */
    nsec moved;        /* mono; since when it is seen as it is */
    nsec since;        /* mono; since when it is seen, or since when it is missing */
    nsec changed;      /* mono; an answer that was asked for before this says nothing new */
    nsec valid;        /* mono; MINE: it may be read until then */
    nsec due;          /* mono; MINE, and GIVING that nobody has asked for: it is written then */
    nsec look_at;      /* mono; it is not read before */
    bool writes;       /* the call that is under way changes it */
    bool begins;       /* no lease was there: it begins at `safe` */
    bool again;        /* nobody else has had it since we had it */
    struct place safe; /* MINE, GIVING: the checkpoint that may be written */
    bool drained;      /* GIVING, and at the end: all that was read is safe */

    /* Its shard: */
    bool listed;
    char parents[2][SHARD_ID_MAX + 1], first[SEQUENCE_MAX + 1], hashes[2][HASH_KEY_MAX + 1];
    bool over, seen, has_children, children_read; /* scratch */
};

/* As a listing has it. "": there is none, or it is not known. */
struct leases_shard {
    const char *id, *parents[2], *first, *hashes[2];
};

struct leases_conf {
    const char *me; /* borrowed */
    nsec failover;
    /* It is ours to read, from x->at.place; `again`: it was ours before, and nobody else's since. */
    void (*granted)(void *ctx, const struct leased *x, bool again);
    /* It must not be read any more. `lost`: not because we gave it up. */
    void (*revoked)(void *ctx, const struct leased *x, bool lost);
    /* Of the first leases of all: where to begin. PLACE_NONE: not yet. */
    struct place (*begin_at)(void *ctx, const char *shard);
    void *ctx;
};

struct leases {
    struct leases_conf conf;
    struct leased **v; /* by key */
    size_t n, room;
    bool listed, scanned; /* at least once */
    bool scanning;
    bool parting;                       /* all are given up, and none is taken */
    nsec scan_due, scan_asked, list_at; /* mono */
    size_t cursor;
    uint64_t taken, lost; /* so far */
};

void leases_init(struct leases *l, const struct leases_conf *conf);
void leases_release(struct leases *l);

/* The shards of a listing that was complete; begun at `at` (mono). */
void leases_list_begin(struct leases *l, nsec at);
void leases_list(struct leases *l, const struct leases_shard *d);

/* What the table has, all of it: begin, one call each, end. Or one lease alone, which is there or is not. `asked`: when that began. */
void leases_scan_begin(struct leases *l, nsec asked);
void leases_saw(struct leases *l, const struct lease *x, nsec asked, nsec now);
void leases_missed(struct leases *l, const char *key, nsec asked, nsec now);
void leases_scan_end(struct leases *l, nsec now);
void leases_scan_failed(struct leases *l, nsec again);

/* How far its reading is safe; `drained`: all that was read is. */
void leases_progress(struct leased *x, const struct place *safe, bool drained);
/* Its shard is not there any more: nobody needs it. */
void leases_gone(struct leases *l, const char *key);
/* None is ours any more, whatever the table says, until it was read again. */
void leases_drop(struct leases *l);
/* All are given up as soon as what was read is safe. */
void leases_part(struct leases *l);
bool leases_parted(const struct leases *l);
/* Takes away what is not valid any more. Before anything is read. */
void leases_tick(struct leases *l, nsec now);

enum lease_act_kind {
    LEASE_SCAN,
    LEASE_LOOK, /* at one */
    LEASE_PUT,
    LEASE_DELETE,
};

struct lease_act {
    enum lease_act_kind kind;
    struct leased *of;    /* NULL: LEASE_SCAN */
    enum lease_want want; /* LEASE_PUT: what for; WANT_NOTHING: it is renewed, or given up */
    bool existed;         /* the condition: it is `of->at`, or it is not there */
    struct lease lease;   /* LEASE_PUT: as it is to be */
    nsec began;
};

/* False: nothing is to be done now. Else it is under way until leases_done(), or of a scan until leases_scan_end(). */
bool leases_next(struct leases *l, nsec now, struct lease_act *act);

enum lease_outcome {
    LEASE_DONE,
    LEASE_REFUSED, /* the condition does not hold */
    LEASE_UNSURE,  /* no answer: it may have been done */
};
/* Of LEASE_LOOK: behind leases_saw() or leases_missed(), LEASE_DONE; else LEASE_UNSURE. `again`: not before. */
void leases_done(struct leases *l, struct lease_act *act, enum lease_outcome outcome, nsec again, nsec now);

struct leased *leases_find(const struct leases *l, const char *key);
/* One was read to its end, and none of its children is listed yet. */
bool leases_miss_children(const struct leases *l);
size_t leases_held(const struct leases *l);
/* Nothing is left for us to take or to make, and nothing to wait for but others. */
bool leases_settled(const struct leases *l);

#endif
