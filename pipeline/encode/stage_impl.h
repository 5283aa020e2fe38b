/* stage_impl.h -- between the files of a stage; nobody else includes it.
 *
 *     stage.c        parcels that gather records, until they are closed
 *     stage_parts.c  what a piece leaves for the journal: its parts, and what is held back
 *     stage_room.c   what it leaves of a full disk
 *
 * Threads    as stage.h.
 */
#ifndef PIPELINE_ENCODE_STAGE_IMPL_H
#define PIPELINE_ENCODE_STAGE_IMPL_H

#include "pipeline/encode/stage.h"

/* Beside a record in a block: its length, and where it is from. */
#define STAGE_BESIDE_RECORD 24

/* A new one that stands in no table yet. NULL: there is no folder for it. */
struct stage_parcel *stage_make_parcel(struct stage *s, enum stage_kind kind, struct slice keys, struct err *e);
/* It has part in the piece. */
MUST_CHECK int stage_touch(struct stage *s, struct stage_parcel *p, struct err *e);
struct parcel_file *stage_file_of(struct stage *s, struct stage_parcel *p);
/* Its file was used just now. Of those that are open, the one that was not used for longest is closed. */
MUST_CHECK int stage_note_use(struct stage *s, struct stage_parcel *p, struct err *e);

/* Of a piece that is in the files. */
void stage_make_parts(struct stage *s);

/* Behind what the piece wrote: seals have room. */
MUST_CHECK int stage_leave_room(struct stage *s, struct err *e);

#endif
