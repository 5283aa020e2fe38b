/* stage_note.h -- what is noted of a parcel in the journal.
 *
 *     kind u8 | version u32 | the rest: its keys; once it is sealed, what the delivery notes of a seal (seal_meta.h)
 *
 * Pure functions.
 */
#ifndef PIPELINE_ENCODE_STAGE_NOTE_H
#define PIPELINE_ENCODE_STAGE_NOTE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define STAGE_NOTE_HEAD 5 /* bytes in front of the rest */

/* The numbers stand on disk. UNKEYED: lines of records that failed because they have no partition key. HELD: records
 * that a transform holds back (stage_held.h). */
enum stage_kind { STAGE_RECORDS, STAGE_FAILED, STAGE_SOURCES, STAGE_UNKEYED, STAGE_HELD, STAGE_KINDS };

/* Lines of records that failed, for the backup. */
static inline bool stage_is_of_failed(enum stage_kind kind)
{
    return kind == STAGE_FAILED || kind == STAGE_UNKEYED;
}

struct stage_note {
    enum stage_kind kind;
    uint32_t version; /* of the configuration that its first record was staged under */
    struct slice rest;
};

/* There is room in `out`. */
void stage_note_write(const struct stage_note *n, struct buf *out);
/* Of what is none, because damage took it: records, of version 0, without a rest. */
struct stage_note stage_note_read(struct slice note);

#endif
