/* frame.h -- a run of records from one source: what inputs hand to the spool and what workers read back.
 *
 * Records are stored in their "lines" form: the record's bytes, and a '\n' behind it unless it already ends in one. So
 * the most common format is the payload as it stands, copied by nobody; the table says per record whether the '\n' is
 * ours.
 *
 *     payload  record[\n] record[\n] ...
 *     table    varint(stored length << 1 | newline is ours) ...
 *     facts    varint(length) facts ...      beside them, when there are any: the first n records' (facts.h); see frame_build.h
 *
 * A record that is larger than such a frame has one of its own, as long as it needs. It is not cut into frames that
 * continue one another: whoever wants a record needs it in one piece anyway (a script, a codec, a request), and so it has one
 * number, one checksum and one place, is whole or lost, and all that reads, copies and repairs frames knows one kind of them.
 *
 * A struct frame is being built (by an input); a struct frame_view is one that was read (borrowed from the read
 * buffer).
 *
 * Ownership  frame_new() to frame_free(), or spool_append() takes it over.
 * Threads    one at a time.
 * Invariant  payload <= FRAME_MAX_BYTES, or count == 1 and payload <= FRAME_LONE_BYTES; facts <= FRAME_FACTS_MAX; 1 <= count
 *            for a frame that is appended; every stored length >= 1.
 */
#ifndef PIPELINE_SPOOL_FORMAT_FRAME_H
#define PIPELINE_SPOOL_FORMAT_FRAME_H

#include "pipeline/base/budget.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame;

/* Room for `bytes` of payload (clamped to FRAME_MAX_BYTES), taken from the budget until the frame is freed; NULL when
 * the budget has none. `budget` may be NULL. `arrival` is wall time and is given to all records of the frame. */
struct frame *frame_new(size_t bytes, nsec arrival, struct budget *budget);
/* Room for one record of n bytes (n <= RECORD_MAX_BYTES), and no other: what a record that does not fit into FRAME_MAX_BYTES
 * with its '\n' needs. Where nobody else holds any of the budget it is given, whatever the limit is: so NULL is always "later". */
struct frame *frame_new_lone(size_t n, nsec arrival, struct budget *budget);
void frame_free(struct frame **f);
/* What frame_new() or frame_new_lone() of so many bytes takes of a budget at most; and what a frame holds of it now, which grows
 * with its table, facts and ids, whatever the limit is. */
size_t frame_needs(size_t bytes);
size_t frame_held(const struct frame *f);
/* It waits for something that may take long: what it holds counts no more in the budget, which others need. */
void frame_leave_budget(struct frame *f);

/* What is kept of an id of a source: two hashes, so whoever needs it several times keeps it. source.n <= POSITION_SOURCE_MAX. */
struct id_key {
    unsigned char bytes[16];
};
struct id_key frame_id_key(struct slice source, struct slice id);

/* False when the record does not fit any more: append this frame and begin another. rec.n <= RECORD_MAX_BYTES. */
MUST_CHECK bool frame_add(struct frame *f, struct slice rec);
/* The same for a record of which more is known than its bytes. A frame of records of which nothing is known holds nothing
 * for it. All is copied. */
struct frame_message {
    struct slice data;
    struct slice facts; /* of this record alone (base/facts.h), <= RECORD_FACTS_MAX; may be empty */
    /* By which the source knows it, when it hands it out again; may be empty. Remembered if and only if the frame becomes safe
     * (spool_id_seen()); after frame_set_id_source() only. Of several records that are one message the last one has it. */
    struct slice id;
    const struct id_key *key; /* of the id, with the frame's source of ids; NULL: is made */
    /* A key that says more of the message than its id: remembered with it, right behind it (spool_ids_each()). NULL: there is none. */
    const struct id_key *beside;
};
MUST_CHECK bool frame_add_message(struct frame *f, const struct frame_message *m);
/* Would it take so many records, of so many bytes and with so many bytes of facts in all, and an id where it has ids? */
bool frame_has_room(const struct frame *f, uint32_t records, size_t data, size_t facts);

/* How long the ids of a source are remembered: so many (0: as many as may be), for so many seconds (0: for ever). What is
 * beyond either goes, the oldest first. */
struct id_bounds {
    uint32_t count, seconds;
};
/* An id of all that is in it so far, for who knows only then what it is: remembered if and only if the frame becomes safe. After
 * frame_set_id_source() only. False: there is no memory. */
MUST_CHECK bool frame_add_id(struct frame *f, struct slice id);
/* Where the ids of its records are from, for all records of the frame; before the first one. source.n <= POSITION_SOURCE_MAX. */
void frame_set_id_source(struct frame *f, struct slice source, struct id_bounds bounds);

/* Without a copy: write at frame_space() (up to *room bytes), then say what was written: */
char *frame_space(struct frame *f, size_t *room);
/*   one record of n bytes (n + 1 <= *room: a '\n' may have to go behind it), or */
MUST_CHECK bool frame_wrote_record(struct frame *f, size_t n);
/*   the same, of which more is known (struct frame_message; false, and not written: there is no room for that), or */
MUST_CHECK bool frame_wrote_message(struct frame *f, size_t n, struct slice facts);
/*   n bytes that are whole lines, each ending in '\n'. Each line without its '\n' is a record. Not in a lone frame. */
void frame_wrote_lines(struct frame *f, size_t n);

/* Which source this came from and how far it was read, made durable with the records. Copied. `cursor` replaces the one
 * stored for `source` before. A frame may hold records of several sources, FRAME_POSITIONS_MAX at most; of each the last call counts. */
void frame_set_position(struct frame *f, struct slice source, struct slice cursor);
/* Facts about the origin of all its records, for transforms: "input=tail path=/var/log/x", and behind a NUL, where there is one, those of
 * which the values may be anything (facts.h). Copied, up to FRAME_ORIGIN_MAX. */
void frame_set_origin(struct frame *f, struct slice origin);

/* Is this of the id of one of its records? Looks through all of them. */
bool frame_has_key(const struct frame *f, const struct id_key *key);

uint32_t frame_count(const struct frame *f);
size_t frame_bytes(const struct frame *f); /* payload so far */

/* A frame as read from the spool. Everything is borrowed from the buffer it was read into. */
struct frame_view {
    uint64_t first; /* sequence number of the first record */
    uint32_t count;
    nsec arrival;
    struct slice payload, table, origin;
    struct slice facts; /* of the records, for the iterator */
};

struct frame_iter {
    const struct frame_view *v;
    uint64_t seq; /* of the record that frame_next() will return */
    size_t payload_at, table_at, facts_at;
    struct slice facts; /* of the record that it returned last; empty: there are none */
};

struct frame_iter frame_records(const struct frame_view *v);
/* The next record, as it was put (without a newline of ours). False at the end. */
bool frame_next(struct frame_iter *it, struct slice *rec);
/* How many bytes the records first..last have, as they were put. */
uint64_t frame_record_bytes(const struct frame_view *v, uint64_t first, uint64_t last);
/* Skips to `seq` (within the frame). */
void frame_skip_to(struct frame_iter *it, uint64_t seq);

/* The lines form of the records [first, last] (both within the frame): one contiguous slice. */
struct slice frame_lines(const struct frame_view *v, uint64_t first, uint64_t last);

#endif
