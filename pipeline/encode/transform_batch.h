/* transform_batch.h -- the records of an object through the stream's transforms: the first work of a worker on a batch
 * of such a stream.
 *
 * What comes out is kept as a record list until the seal is settled, because a transform is not run again for a retry.
 * Records that fail are written as error lines (error_objects.h) at once: nothing more can happen to them.
 *
 * Of a stream whose script holds records back (transform_ops.keeps) the records held before belong to the batch, too: they are in its books
 * until they are held again. They are in parcels (stage_held.h), and in the one state that the transforms have unless that is `cold`.
 * Without such a script what an earlier one has held comes first, as records.
 *
 * Threads    on a worker; the structs belong to the delivery thread before and after.
 * Ownership  list and failed of the result go to the caller.
 */
#ifndef PIPELINE_ENCODE_TRANSFORM_BATCH_H
#define PIPELINE_ENCODE_TRANSFORM_BATCH_H

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/tap.h"
#include "pipeline/encode/named_counters.h"
#include "pipeline/encode/object_source.h"
#include "pipeline/encode/outcomes.h"
#include "pipeline/encode/partitions.h"
#include "pipeline/encode/transform_instances.h"
#include "pipeline/encode/worker.h"

struct transform_batch {
    /* in */
    const struct object_source *source; /* a range, or a part of it */
    struct source_outcomes *sources;    /* of the whole range: what became of these records is noted here */
    const char *too_large;              /* NULL; or why the only record of the part fails without being tried */
    struct transform_instances *line;
    struct tap *tap; /* somebody looks at what is made; NULL: nobody does */
    const char *by;  /* with `tap`: the name of the destination, "" */
    const char *stream, *tmp_dir;
    bool in_memory;                   /* it is one record, and there is no room for a file */
    nsec now;                         /* wall, for error lines */
    uint32_t lanes;                   /* of the list (record_list.h); 0: 1 */
    size_t keys_max;                  /* bytes of the partition keys that a record may have; 0: KEY_SET_MAX */
    const struct object_source *held; /* what was held back before; parcels of STAGE_HELD */
    size_t held_count;
    uint64_t held_records; /* in their books; damage may have taken some of them from the files */
    bool cold;             /* the transforms' state knows nothing of it */
    bool alone; /* it is sealed: what is held of it is handed over at its end, and nothing else is held meanwhile */
    bool finish_all; /* nothing is to be held any more */

    /* out */
    struct chain_state
        *keeper;          /* has what is held now: chain_kept(). NULL: nothing is, or nothing of that has changed */
    bool holds_as_before; /* what was held is so still, and nothing else */
    nsec held_due;        /* chain_kept_due() */
    struct record_list *list;
    struct body *failed;                 /* error lines; NULL: no record failed */
    uint64_t failed_lines, failed_first; /* how many, and the number of the first in the stream */
    struct named_counters failures;      /* how many for which reason (rejects.h) */
    char failure[256]; /* of the first that failed, without its words: "mask.lua:3: error in the script" */
    struct named_counters counters,
        drop_reasons;             /* what the scripts counted; for the stream when the seal is settled */
    struct partitions partitions; /* of what came out */
    nsec queried;                 /* as in transform_out */
    struct err err;
};

/* 0, or -1 with err: nothing is made, try again. ERR_LIMIT: more would come out than can be held; ERR_NOSPACE: there
 * is no room for a temporary file. With fewer records both may work. */
MUST_CHECK int transform_batch_run(struct transform_batch *t, struct worker *w);
void transform_batch_release(struct transform_batch *t);

#endif
