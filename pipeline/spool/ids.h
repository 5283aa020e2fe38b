/* ids.h -- which messages were taken: a memory of ids, for sources that hand out the same message again when their
 * acknowledgement was lost.
 *
 * An id comes into the memory with the frame that holds its record (frame_add_message()), so it is remembered if and only if the
 * record is safe, whatever the order of a crash. The memory is a part of the state (state.h): built frame by frame, held whole
 * by a checkpoint. What is kept of an id is the first 16 bytes of a SHA-256 of source and id: two ids are never taken for
 * one, also not where somebody chooses them. (A source may have keys of its own making beside them; these begin with a hash, too.)
 *
 * Bounds     of a source what its frames say: so many ids, and so many seconds (by the arrival of its frames), at most
 *            IDS_PER_SOURCE_MAX; the oldest go first. IDS_SOURCES_MAX sources: of more, the one that was quiet for longest goes.
 * Cost       20 bytes an id in a checkpoint, some 40 in memory: with IDS_PER_SOURCE_DEFAULT 200 KB and 400 KB a source,
 *            with the most 2.6 MB and 5 MB. A segment begins with a checkpoint, and is at least four times as long.
 * Threads    one at a time. Ownership: ids_release(); zeros are the empty memory.
 */
#ifndef PIPELINE_SPOOL_IDS_H
#define PIPELINE_SPOOL_IDS_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/spool/format/frame_build.h"
#include "pipeline/spool/format/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ids in the order in which they came; the same one may be in it several times. Zeros: an empty one. */
struct id_list {
    struct id_entry *at;
    uint32_t *buckets;
    uint32_t room, count;
    uint32_t oldest, newest, free;
};

void id_list_release(struct id_list *l);
void id_list_add(struct id_list *l, const struct id_key *key, uint32_t seconds);
bool id_list_has(const struct id_list *l, const struct id_key *key);
void id_list_drop_oldest(struct id_list *l); /* there is one */

struct id_source;

struct ids {
    struct id_source **sources; /* in the order in which they were first heard of */
    size_t count;
    uint64_t outdated; /* went because of the bounds; since this was opened */
};

void ids_release(struct ids *m);

/* What a frame says: the ids that it brings, those that are to be forgotten. Nothing when it says nothing of ids. */
void ids_apply(struct ids *m, struct slice extra, nsec arrival);

bool ids_has(const struct ids *m, struct slice source, const struct id_key *key);
/* From the oldest on. */
void ids_each(const struct ids *m, struct slice source, void (*each)(void *ctx, const struct id_key *key), void *ctx);
uint64_t ids_count(const struct ids *m);

/* In a checkpoint. */
void ids_encode(const struct ids *m, struct wire_out *o);
MUST_CHECK bool ids_decode(struct ids *m, struct wire_in *in);

#endif
