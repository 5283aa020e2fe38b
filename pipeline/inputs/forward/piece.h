/* piece.h -- the entries of a message as records, a piece of them at a time, whether they are packed or not.
 *
 *     while (forward_fill(&r, &m, ..., &p, &why) && p.count > 0) {
 *         put the piece into the spool; when there is no room: fill it again later, it is the same
 *         forward_passed(&r, &p)
 *     }
 *
 * Where a piece ends follows from the message alone, so a message that comes again has the same pieces, which are remembered by their numbers. A
 * message may be somewhere else in memory at each call.
 *
 * A packed one is unpacked as far as a piece needs it: in memory is one piece of it, whatever it holds.
 *
 * Ownership  forward_reader_release(), forward_piece_release(); zeros are a reader at the beginning. Threads: one at a time.
 */
#ifndef PIPELINE_INPUTS_FORWARD_PIECE_H
#define PIPELINE_INPUTS_FORWARD_PIECE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/forward/message.h"
#include "pipeline/inputs/forward/record.h"

#include <stdbool.h>
#include <stdint.h>

struct unpack;

struct forward_reader {
    size_t used;     /* of the entries, when they are not packed; else of `plain` */
    uint32_t number; /* of the piece that is next */
    struct unpack *unpack;
    struct buf plain;
    size_t packed; /* bytes of the entries that were unpacked */
    uint64_t unpacked;
    bool ended; /* all was unpacked */
};

void forward_reader_release(struct forward_reader *r); /* and is at the beginning */
/* So much memory it has, which stays until it is released. */
size_t forward_reader_holds(const struct forward_reader *r);

struct forward_piece {
    struct buf data, facts, one; /* of its records, behind one another; of one of them */
    struct {
        size_t data, facts;
    } ends[FORWARD_PIECE_RECORDS];
    unsigned count;
    bool more;   /* no record was found yet, and there is more to look at: fill it again */
    size_t used; /* what it was made of */
};

void forward_piece_init(struct forward_piece *p);
void forward_piece_release(struct forward_piece *p);
struct slice forward_piece_record(const struct forward_piece *p, unsigned i);
struct slice forward_piece_facts(const struct forward_piece *p, unsigned i);

/* No records, and not `more`: there are no more. False: the rest is malformed, or something in it is too large; *why says what. */
MUST_CHECK bool forward_fill(struct forward_reader *r, const struct forward_message *m,
                             const struct forward_shape *shape, nsec arrival, struct forward_piece *p,
                             const char **why);
void forward_passed(struct forward_reader *r, const struct forward_piece *p);

#endif
