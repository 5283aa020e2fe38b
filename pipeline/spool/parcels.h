/* parcels.h -- the parcels of one reader, as the log knows them: a part of reader_state.h.
 *
 * Threads, ownership as reader_state.h. It owns notes and progress.
 * Invariant  in the order of their numbers; all of these are below `next`.
 */
#ifndef PIPELINE_SPOOL_PARCELS_H
#define PIPELINE_SPOOL_PARCELS_H

#include "pipeline/base/compiler.h"
#include "pipeline/spool/format/wire.h"
#include "pipeline/spool/staged.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pending_parcel {
    struct parcel parcel;
    char *note, *progress; /* own what the parcel shows */
    bool settling;         /* staged_settle() was called, the frame is not safe yet */
};

struct parcels {
    struct pending_parcel *list;
    size_t count;
    struct pending_parcel *all; /* the memory that the list is somewhere in */
    size_t room;
    uint64_t next;           /* number of the next one, less 1: nothing but zeroes is no parcel ever */
    uint64_t bytes, records; /* of all */
};

/* Replaces what an entry owns, and shows, by a copy of `from`; nothing is NULL. */
void parcels_copy(char **own, struct slice *shown, struct slice from);

void parcels_release(struct parcels *p);
struct pending_parcel *parcels_find(const struct parcels *p, uint64_t number);

/* False: it is sealed, or was longer. */
bool parcels_can_add(const struct parcels *p, const struct staged_part *part);
/* A parcel that is not known is made. [first, last]: the piece. It can be added. */
void parcels_add(struct parcels *p, const struct staged_part *part, uint64_t first, uint64_t last);
void parcels_seal(struct pending_parcel *p, struct slice note);
void parcels_set_progress(struct pending_parcel *p, struct slice progress);
void parcels_remove(struct parcels *p, struct pending_parcel *one);
/* Of those that are not being settled. False: there is none. */
bool parcels_oldest(const struct parcels *p, nsec *oldest);

void parcels_put_part(struct wire_out *o, const struct staged_part *part);
struct staged_part parcels_get_part(struct wire_in *in); /* in->failed when it cannot be one */
void parcels_encode(const struct parcels *p, struct wire_out *o);
MUST_CHECK bool parcels_decode(struct parcels *p, struct wire_in *in);

/* Those that are not being settled and have no records in their books: they are something to do, too. */
size_t parcels_without_records(const struct parcels *p);

#endif
