/* record_list.h -- the records that a transform made of a batch, kept until the batch is settled: a transform is not
 * run again for a retry.
 *
 * Stored like the spool stores them (chunks of payload in lines form and table, see format/frame.h), so formats read
 * both alike; with where each came from, and its partition keys, beside them. Numbers count from 0 in the order of
 * addition. Lives in a body: in memory while small, in an unlinked file beyond.
 *
 * Ownership  record_list_free(). Threads: one at a time.
 */
#ifndef PIPELINE_ENCODE_RECORD_LIST_H
#define PIPELINE_ENCODE_RECORD_LIST_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/spool/format/frame.h"

#include <stdbool.h>
#include <stdint.h>

struct record_list;

/* With `lanes` > 1 those with the same keys come out together: a lane has all records of some keys, in the order of their addition, and is
 * read before the next one. Numbers count in the order of reading. Such a list lies in the file from the beginning, but for a
 * chunk of each lane. `count` records of `bytes` in all is a hint for what it will come to hold; it holds `max` bytes at most, with all
 * that stands beside them, of these `memory` bytes before it needs a file. */
struct record_list *record_list_new(const char *tmp_dir, uint32_t lanes, uint64_t count, uint64_t bytes, uint64_t max,
                                    size_t memory);
void record_list_free(struct record_list **l);

/* Where a record comes from, and what the transform says of it. */
struct record_from {
    uint64_t seq; /* of the source record; several records in a row may share it */
    nsec arrival;
    struct slice keys;  /* partition keys: key_set.h; copied */
    struct slice facts; /* of the source record: facts.h; copied */
    bool is_object;     /* as in transform_out */
};

/* data.n <= RECORD_MAX_BYTES. ERR_LIMIT: it is full; ERR_NOSPACE: as body.h. */
MUST_CHECK int record_list_add(struct record_list *l, struct slice data, const struct record_from *from, struct err *e);
/* After the last one. */
MUST_CHECK int record_list_finish(struct record_list *l, struct err *e);

uint64_t record_list_count(const struct record_list *l);
uint64_t record_list_bytes(const struct record_list *l); /* lines form */
size_t record_list_memory(const struct record_list *l);
/* The partition keys that all of its records share; empty when they have none, or differ. The list's. */
struct slice record_list_keys(const struct record_list *l);

/* What stands beside the records of a chunk: where each came from. */
struct record_origin {
    uint64_t seq;
    nsec arrival;
    uint32_t part : 30;      /* 0, 1, ... for the records that one source record became */
    uint32_t is_counted : 1; /* of a staged one: the books of the source record follow it (stage.h) */
    uint32_t is_object : 1;  /* as in transform_out */
    uint32_t said; /* where the chunk has its partition keys and facts, see record_chunk_keys(); 0: it has none */
};

/* Some records of the list, of one lane, in order; v.first is the number of the first, origins has one for each. */
struct record_chunk {
    struct frame_view v;
    const struct record_origin *origins;
    struct slice said; /* all partition keys and facts that they have */
    uint32_t lane;     /* from 0; only grows from chunk to chunk */
};

/* After finish: moves what is in memory to the file. When it fails, all is as before. */
MUST_CHECK int record_list_stash(struct record_list *l, struct err *e);

/* After finish: the records are needed no more, only how many they were. Its file and memory are gone. */
void record_list_forget(struct record_list *l);

/* After finish: the chunk at *at (0 at first); moves *at behind it. It is borrowed from the list as long as that is
 * not stashed, or from raw, where the chunk is read when it is in the file. 1; 0 at the end; -1 on an I/O error. */
MUST_CHECK int record_list_read(const struct record_list *l, uint64_t *at, struct buf *raw, struct record_chunk *c,
                                struct err *e);
/* The partition keys of the chunk's record number i. */
struct slice record_chunk_keys(const struct record_chunk *c, uint32_t i);
/* The facts that the input knows of the record from which it was made. */
struct slice record_chunk_facts(const struct record_chunk *c, uint32_t i);

#endif
