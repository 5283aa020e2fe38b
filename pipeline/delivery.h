/* delivery.h -- a seal on its way: what its outcomes mean, until every record of it is delivered, dropped or in the backup.
 *
 * A delivery has up to four shipments: its records to the destination; with a transform the records that failed in it, to the backup; the
 * records that the destination refused, or that could not be delivered in time, to the backup; with `backup: all` the source records, to the
 * backup. When all of them have arrived the seal is settled in the spool. The first attempt begins only after the seal is safe in
 * the journal.
 *
 * Policy, for every sink alike:
 *   retry      again after the back-off; when that has gone on for retry.duration, all that is left goes to the backup. A wrong
 *              configuration (password, bucket, certificate) does not count: it is retried slowly until somebody mends it
 *   partial    each record has its own fate: delivered, again, or to the backup
 *   split      the next body holds half as many records; a single one that is too large goes to the backup
 *   rejected   to the backup at once
 * Without a backup nothing is given up: delivery pauses, the spool holds, log and /readyz say so.
 *
 * Threads    the delivery thread; its shipments' encoding on workers.
 * Ownership  made by its stream; ends through stream_delivery_ended(), which frees it.
 */
#ifndef PIPELINE_DELIVERY_H
#define PIPELINE_DELIVERY_H

#include "pipeline/base/compiler.h"
#include "pipeline/fates.h"
#include "pipeline/record_list.h"
#include "pipeline/seal_note.h"
#include "pipeline/shipment.h"
#include "pipeline/stage_transform.h"
#include "pipeline/stream.h"

struct delivery {
    struct stream *st;
    struct delivery *next_open;

    struct seal seal; /* its note points into note_bytes */
    struct buf note_bytes;
    struct slice name;
    const struct format_ops *format;
    const struct codec_ops *codec;
    int level;

    struct spool_wait sealed;
    struct loop_event sealed_event;
    bool safe; /* the seal is in the journal */

    /* With a transform: its work comes first. */
    struct delivery *next_untransformed; /* the stream's */
    bool untransformed;
    struct stage_transform transform;
    struct worker_job transform_job;
    struct loop_event transformed_event;
    struct loop_timer transform_retry;
    unsigned transform_failures;
    uint64_t budgeted; /* bytes taken for what the transform made */

    struct fates fates;           /* of the records that go to the destination */
    struct sink_fates sink_fates; /* one body's answer, for judge() */
    unsigned char *outcomes;      /* ... its array */
    struct fates answer;          /* ... and the reasons of those it refused */
    unsigned attempts;            /* at the destination, for error lines */
    nsec attempts_ended;          /* ... and when (wall) the last one was over */

    struct shipment *records, *errors, *failed, *source; /* NULL: not under way */
    struct fates source_fates;
    struct buf error_name, failed_name, source_name;
    unsigned partial_answers; /* so far */
    nsec partial_since;       /* mono; 0: no partial answer since somebody had to mend something, if at all */
    bool errors_shipped, failed_shipped, source_shipped;
    bool paused;       /* nothing to do but wait: refused, and no backup */
    bool regrow;       /* bodies were cut for a record that went to the backup: they may become longer again */
    bool refusal_told; /* the log has a line on its refused records */
};

/* A new seal: names it and writes it to the journal; it then wants its first attempt. */
struct delivery *delivery_new(struct stream *st, const struct seal *seal, const struct spool_cursor *end);
/* A seal that an earlier run left unsettled. */
struct delivery *delivery_restore(struct stream *st, const struct seal *seal);
void delivery_free(struct delivery **d);

/* Starts the transform. False: no memory for it now; nothing was started. */
MUST_CHECK bool delivery_transform(struct delivery *d);

/* The seal is in the journal, nothing is under way, and every record has its end: it only waits to be settled. Asked after
 * every event. */
bool delivery_is_done(const struct delivery *d);
struct seal_result delivery_result(const struct delivery *d);

#endif
