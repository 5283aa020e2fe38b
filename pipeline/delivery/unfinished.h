/* unfinished.h -- the bodies of a seal that have gone part of their way to a target (an upload and its ranges), as the journal keeps
 * them.
 *
 * A body is known by what it is (which kind of body, which records, its size and its CRC-32C), by its name and by the sink
 * that takes it. One that is made again, also after a restart, goes on where it was if all of that is the same. With
 * other bytes (another script, another version of a compressor) it begins anew, and the old one is to be removed; but as long as none
 * of its bytes went there (no ranges were asked for), whatever body has its records and its name goes on.
 *
 *     UNMET  an earlier run left it, and its body has not been made in this one
 *     LIVE   an attempt goes on with it
 *     STALE  nobody will complete it: what is there is to be removed
 *
 * Threads    the delivery thread. While an attempt has a request under way that reads an entry, nobody changes it but the
 *            attempt, and that not before its last request has ended (attempt.c).
 * Ownership  entries are the list's, and stay where they are until unfinished_forget().
 * Invariant  at most SEAL_BODIES_MAX; written in at most SEAL_PROGRESS_MAX bytes.
 */
#ifndef PIPELINE_DELIVERY_UNFINISHED_H
#define PIPELINE_DELIVERY_UNFINISHED_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "sinks/sink.h"

#include <stdbool.h>
#include <stdint.h>

enum unfinished_state { UNFINISHED_UNMET, UNFINISHED_LIVE, UNFINISHED_STALE };

struct unfinished_key {
    uint8_t kind; /* enum delivery_part */
    uint64_t first, last, window;
    uint64_t bytes; /* of the body, as it is sent */
    uint32_t crc32c;
};

struct unfinished_body {
    enum unfinished_state state;
    struct unfinished_key key;
    struct buf name, sink; /* of its object; sink_ops.name */
    struct buf progress;   /* the sink's; empty: nothing has begun, and the journal has nothing of it */
    uint64_t range_bytes;  /* 0: it goes in no ranges */
    uint32_t range_count;
    uint64_t there; /* bit n - 1: range n is */
    struct sink_tag tags[SINK_RANGES_MAX];
    unsigned undo_tries;
    bool given_up; /* UNMET, but STALE in the run before: no body goes on with it */
};

struct unfinished {
    struct unfinished_body *bodies[SEAL_BODIES_MAX];
    size_t count;
};

void unfinished_release(struct unfinished *u);

/* The body is made. The entry to go on with, or an empty one; NULL: there is no place. What was LIVE of this kind and is
 * another body is so no more. */
struct unfinished_body *unfinished_meet(struct unfinished *u, const struct unfinished_key *key, struct slice name,
                                        const char *sink);
/* The body does not come again, and has not arrived: what has begun is STALE, else the entry is gone. */
void unfinished_abandon(struct unfinished *u, struct unfinished_body *b);
/* The body comes again, and begins anew. `leaves`: what has begun is STALE, as far as there is place for it. */
void unfinished_begin_anew(struct unfinished *u, struct unfinished_body *b, bool leaves);
/* No attempt is left that could go on with any. */
void unfinished_abandon_all(struct unfinished *u);
void unfinished_forget(struct unfinished *u, struct unfinished_body *b);

struct unfinished_body *unfinished_stale(const struct unfinished *u); /* one of them; NULL: there is none */
bool unfinished_is_any(const struct unfinished *u);                   /* that has begun */
/* No other body has this one's name at the same sink, and is UNMET or LIVE. */
bool unfinished_is_alone(const struct unfinished *u, const struct unfinished_body *b);

/* For the journal; empty when nothing has begun. Never fails. */
void unfinished_write(const struct unfinished *u, struct buf *out);
/* Replaces what is there; all UNMET. False: it is nothing that we wrote, and *u is empty. */
MUST_CHECK bool unfinished_read(struct unfinished *u, struct slice bytes);

/* --- one of them --------------------------------------------------------------------------------------------------- */

/* The sink has got as far as `progress` says, and with range_bytes > 0 wants ranges from now on. */
void unfinished_progress(struct unfinished_body *b, struct slice progress, uint64_t range_bytes);
void unfinished_range_is_there(struct unfinished_body *b, uint32_t range, const struct sink_tag *tag);
/* The first range behind number `after` that is not there; 0: none. */
uint32_t unfinished_missing(const struct unfinished_body *b, uint32_t after);
/* Fills range_from and range_bytes of seal->range. */
void unfinished_locate(const struct unfinished_body *b, struct sink_seal *seal);

#endif
