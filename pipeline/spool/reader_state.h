/* reader_state.h -- what one reader of a spool has still to get, and what became of the rest: its part of state.h.
 *
 * What waits for a reader is in its seals, and behind its cut; but not what came while it was gone: holes.
 *
 *        settled     seal     settled     seal     cut         hole            next
 *     |-----------|========|-----------|========|===========|         |=========|        ===  waits
 *
 * What is staged waits, too, but not here: in parcels.
 *
 * An open hole is the last one and ends where nobody knows yet: the reader is gone.
 *
 * Threads, ownership as state.h, which it is a part of. It owns the notes and the progress of its seals.
 * Invariant  seals are in order and do not overlap; all of them end before the cut. Holes are in order, none is empty, all
 * begin at the cut or behind it; at the cut only an open one. cut <= the log's next.
 */
#ifndef PIPELINE_SPOOL_READER_STATE_H
#define PIPELINE_SPOOL_READER_STATE_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/spool/format/wire.h"
#include "pipeline/spool/parcels.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLE_OPEN UINT64_MAX

struct pending_seal {
    struct seal seal;
    char *note;     /* owns seal.note */
    char *progress; /* owns seal.progress; NULL: none */
    bool settling;  /* spool_settle() was called, the frame is not safe yet */
};

/* Records that are not for the reader. */
struct hole {
    uint64_t first, end;             /* [first, end) */
    uint64_t bytes_first, bytes_end; /* bytes_in of the log at both */
};

/* How its objects are made, as it was last told, and how often that has changed. */
struct reader_config {
    bool known;
    unsigned char hash[32];
    uint32_t version;
};

struct reader_state {
    char name[SPOOL_READER_NAME_MAX + 1];
    struct spool_cursor cut;
    struct pending_seal *seals;
    size_t seal_count, seal_room;
    struct hole *holes;
    size_t hole_count, hole_room;
    struct parcels parcels;      /* records before the cut that wait elsewhere */
    uint64_t passed;             /* records before the cut that were not for it */
    struct seal_result settled;  /* since it is a reader */
    uint64_t bytes_out;          /* lines form of all records before the cut that do not wait for it */
    struct reader_config config; /* of one with a name; of the other it is the log's (spool_state) */
};

struct reader_state *reader_state_new(const char *name, struct spool_cursor begin, uint64_t bytes_before);
void reader_state_free(struct reader_state **r);

/* --- what waits: next and bytes_in are the log's ------------------------------------------------------------------- */

bool reader_state_is_gone(const struct reader_state *r);
/* Records that were, or would have been, for it. */
uint64_t reader_state_incoming(const struct reader_state *r, uint64_t next);
/* Not settled: in the log, or staged. */
uint64_t reader_state_waiting(const struct reader_state *r, uint64_t next);
/* Lines form of what waits in the log, when `bytes_out` of what came before the cut does not wait. */
uint64_t reader_state_waiting_bytes(const struct reader_state *r, uint64_t bytes_in, uint64_t bytes_out);
/* Every record below it is settled, staged, or not for this reader. */
uint64_t reader_state_low_water(const struct reader_state *r, uint64_t next);
/* The first records at or behind `seq` that wait: [*first, *end). False when there are none. */
bool reader_state_unsettled(const struct reader_state *r, uint64_t next, uint64_t seq, uint64_t *first, uint64_t *end);
/* From this record on all waits, to the end of the log; of one that is gone nothing does. In *bytes the log's bytes before it. */
uint64_t reader_state_tail(const struct reader_state *r, uint64_t next, uint64_t bytes_in, struct spool_cursor *at,
                           uint64_t *bytes);
/* The place behind a closed hole that begins at `at`; `at` itself when there is none. */
struct spool_cursor reader_state_skip(const struct hole *holes, size_t count, struct spool_cursor at);

/* --- changes ------------------------------------------------------------------------------------------------------- */

/* The pending seal that begins with this record; NULL when there is none. */
struct pending_seal *reader_state_find(const struct reader_state *r, uint64_t first);
/* Behind all others. Copies the note; not the progress. */
void reader_state_push(struct reader_state *r, const struct seal *seal);
/* Moves the cut to `end`. What lies between it and `first`, and is in no seal because that was lost, becomes one without a
 * note. False, and nothing is changed: [first, end) cannot be a seal of this reader. */
MUST_CHECK bool reader_state_cut(struct reader_state *r, uint64_t first, const struct spool_cursor *end);
void reader_state_remove(struct reader_state *r, struct pending_seal *p);
/* What comes from now on is not for it. */
void reader_state_leave(struct reader_state *r, uint64_t next, uint64_t bytes_in);
/* What comes from `at` on is for it again; `bytes`: before it. Nothing when it is not gone. */
void reader_state_return(struct reader_state *r, const struct spool_cursor *at, uint64_t bytes);

uint64_t seal_result_sum(const struct seal_result *r);
void seal_result_add(struct seal_result *sum, const struct seal_result *r);

/* --- in bytes ------------------------------------------------------------------------------------------------------ */

void wire_put_cursor(struct wire_out *o, const struct spool_cursor *c);
struct spool_cursor wire_cursor(struct wire_in *in);
void wire_put_seal(struct wire_out *o, const struct seal *s);
struct seal wire_seal(struct wire_in *in); /* in->failed when it cannot be one */
/* Four numbers that add up. What is unwanted is among the dropped, as for who does not know of it; how many of them stands at the end of
 * what this is a part of. */
void wire_put_result(struct wire_out *o, const struct seal_result *r);
void wire_result(struct wire_in *in, struct seal_result *r);
void wire_put_result_bytes(struct wire_out *o, const struct seal_result *r); /* the others */
void wire_result_bytes(struct wire_in *in, struct seal_result *r);
void wire_unwanted(struct wire_in *in, struct seal_result *r);

/* in->failed when it cannot be one. */
void wire_reader_name(struct wire_in *in, char name[SPOOL_READER_NAME_MAX + 1]);

/* --- how far the deliveries of pending seals are -----------------------------------------------------------------------
 *
 * The bytes are the sink's (spool_progress()). A frame has the first record of the seal and the bytes, and replaces what was there; a
 * checkpoint has those of all seals of a reader. */

/* The content of a frame, but for the name of the reader. */
void seal_progress_put(struct wire_out *o, uint64_t seal_first, struct slice progress);

struct seal_progress {
    uint64_t first;
    struct slice bytes;
};

/* in->failed when it cannot be one. */
struct seal_progress seal_progress_get(struct wire_in *in);
/* False: there is no such seal. */
MUST_CHECK bool seal_progress_set(struct reader_state *r, const struct seal_progress *p);

/* In a checkpoint; its seals are there when it is read. */
void seal_progress_encode(const struct reader_state *r, struct wire_out *o);
MUST_CHECK bool seal_progress_decode(struct reader_state *r, struct wire_in *in);

/* Seals of which an earlier attempt has got part of the way. */
size_t seal_progress_count(const struct reader_state *r);

/* --- in a checkpoint --------------------------------------------------------------------------------------------------- */

/* All of it but the name. `next`: of the log. */
void reader_state_encode(const struct reader_state *r, struct wire_out *o);
MUST_CHECK bool reader_state_decode(struct reader_state *r, uint64_t next, struct wire_in *in);
void reader_state_encode_seals(const struct reader_state *r, struct wire_out *o);
MUST_CHECK bool reader_state_decode_seals(struct reader_state *r, struct wire_in *in);
/* What the middle of a checkpoint has no place for: holes and parcels. */
void reader_state_encode_rest(const struct reader_state *r, struct wire_out *o);
MUST_CHECK bool reader_state_decode_rest(struct reader_state *r, uint64_t next, struct wire_in *in);

#endif
