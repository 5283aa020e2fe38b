/* object_source.h -- what a delivery delivers: an object, and where its records lie.
 *
 *     range    a run of records as they stand in the spool
 *     parcel   records that are no such run any more: what a transform made of one, or what was staged of several (parcel_file.h)
 *
 * The object says which records these are: its name, its ids, its note and the outcomes of its records hang on that.
 * Who makes bodies (encoder.h, error_objects.h) and who transforms reads both kinds alike, through an object_reader:
 * from the first record to the last, in pieces as they are stored, with where each record comes from. A record's
 * position counts from 0 over the object.
 *
 * Another kind of parcel is one more table of functions in object_source.c.
 *
 * Threads    a source: any number of readers, also at the same time. A reader: one worker.
 * Ownership  a source is a plain value, all of it borrowed. What a reader shows is borrowed from its `raw` buffer,
 *            the spool's memory or the parcel, until the next step.
 */
#ifndef PIPELINE_ENCODE_OBJECT_SOURCE_H
#define PIPELINE_ENCODE_OBJECT_SOURCE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/cancel.h"
#include "pipeline/base/compiler.h"
#include "pipeline/encode/parcel_file.h"
#include "pipeline/encode/record_list.h"
#include "pipeline/spool/spool.h"
#include "sinks/sink.h"

#include <stdbool.h>
#include <stdint.h>

struct object {
    uint64_t first, last; /* numbers of the source records it is made of; of a part of a seal, those of the part */
    nsec oldest;          /* wall arrival of the oldest */
    uint64_t epoch;       /* of the run that sealed it, as in sink_seal_id */
    uint64_t shift;       /* its id counts so much further than its records; modulo 2^64 */
    struct slice keys;    /* key_set.h: the partition keys that all its records share; empty: none, or several */
};

/* The id of a body of it; `window` as in sink_seal_id. */
struct sink_seal_id object_id(const struct object *o, uint64_t window);

struct object_source_ops;

struct object_source {
    const struct object_source_ops *ops;
    struct object object;
    uint64_t count; /* records */
    uint64_t bytes; /* of their lines form; an estimate when not `exact` */
    bool exact;

    struct spool *spool; /* of a range: */
    struct spool_cursor start;
    const struct record_list *list; /* of a parcel, this */
    const char *path;               /* or the file there, ... */
    struct parcel_mark mark;        /* ... up to here */
};

/* The records of the seal, as they came in. */
struct object_source object_source_range(struct spool *spool, const struct seal *seal, uint64_t epoch);
/* These of a range's records; what they have of its bytes is estimated. */
struct object_source object_source_part(const struct object_source *range, uint64_t first, uint64_t last);
/* The records of the list, which were made of `from`. */
struct object_source object_source_parcel(const struct object_source *from, const struct record_list *list);
/* The records in the file of a parcel, up to the mark. `object`: what they are together, with the key they share. Each reader opens
 * the file for itself. */
struct object_source object_source_staged(const struct object *object, const char *path,
                                          const struct parcel_mark *mark);

struct object_reader {
    const struct object_source *source;
    struct buf *raw;
    const struct cancel *cancel;
    struct spool_cursor at;     /* in the spool */
    struct frame *warm;         /* what is shown is in the spool's memory; NULL: in `raw` */
    uint64_t list_at;           /* in the list */
    struct parcel_file *file;   /* of staged records */
    struct parcel_place staged; /* in it */

    /* The piece under the reader: */
    struct record_chunk chunk; /* its records; origins: of a parcel's */
    uint64_t base;             /* number in it of the record at position 0 */
    uint64_t begin, end;       /* positions that lie in this piece */
    bool lost;                 /* they cannot be read: the piece is damaged */
};

/* At the first record. Whoever opens it with a worker's buffer has that buffer until the end. `cancel` may be NULL. */
void object_reader_open(struct object_reader *r, const struct object_source *source, struct buf *raw,
                        const struct cancel *cancel);
/* 1: on a piece with at least one record. 0: the end. -1: the disk failed, or the work is cancelled. */
MUST_CHECK int object_reader_next(struct object_reader *r, struct err *e);
/* Before the first record again. */
void object_reader_rewind(struct object_reader *r);
/* After the last step, also a failed one. */
void object_reader_close(struct object_reader *r);

/* Of the piece under the reader: its records from `position` on. */
struct frame_iter object_reader_records(const struct object_reader *r, uint64_t position);
/* The record at `position`, as a sink sees it, without its data. */
struct sink_record object_reader_record(const struct object_reader *r, uint64_t position);
/* The books of its source record follow it: of a staged one (stage.h). */
bool object_reader_is_counted(const struct object_reader *r, uint64_t position);
/* Its partition keys. */
struct slice object_reader_keys(const struct object_reader *r, uint64_t position);
/* What the input knows of the record that frame_next() returned last (facts.h). */
struct slice object_reader_facts(const struct object_reader *r, const struct frame_iter *it);

#endif
