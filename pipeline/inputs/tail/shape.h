/* shape.h -- bytes of a file made records, where a record is not simply a line: lines of another encoding, a container runtime's lines, records
 * of several lines, fields that are added. In this order, and any of them. Pure; no I/O.
 *
 * Nothing is kept from one call to the next: what is not a whole record yet is given again, with more behind it. So a crash in the middle
 * of a record begins it anew.
 *
 * A container's standard output and standard error stand in one file and have their own records, so a record of the one may be open
 * while many of the other come. Where it goes on is therefore a place for each: what of a stream begins before its place was delivered.
 *
 * Ownership  shape_free(). Threads: one at a time.
 */
#ifndef PIPELINE_INPUTS_TAIL_SHAPE_H
#define PIPELINE_INPUTS_TAIL_SHAPE_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/tail/container.h"
#include "pipeline/inputs/tail/fields.h"
#include "pipeline/inputs/tail/multiline.h"
#include "pipeline/inputs/tail/place.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shape;

struct shape_conf {
    struct multiline *multiline; /* borrowed, as all here; NULL: each line is a record */
    struct fields *fields;       /* NULL: none are added */
    enum container_format container;
    nsec timeout; /* a record of one stream ends when the other has written so much later */
};

struct shape *shape_new(const struct shape_conf *c);
void shape_free(struct shape **s);

/* Whose lines come from now on. The path says what a container is called. */
void shape_set_file(struct shape *s, const char *path);

enum shape_end {
    SHAPE_GOES_ON, /* more may come */
    SHAPE_PAUSES,  /* we stop: whole lines end their record; a line without end stays, and so do parts of one */
    SHAPE_RESTS,   /* none came for a while: a line without end is one, but half a character waits for its other half */
    SHAPE_ENDS,    /* none will come: it is U+FFFD */
};

struct shape_in {
    struct slice bytes;
    enum tail_encoding encoding;
    enum shape_end end;
    bool most;                  /* more bytes will not be given at once: something must be taken */
    size_t ahead[TAIL_STREAMS]; /* what of a stream begins before this was delivered */
};

struct shape_out {
    size_t next[TAIL_STREAMS]; /* where each goes on; the same for both but in a container's file */
    size_t records;
    bool mid_line;  /* the last bytes were taken without the end of their line */
    bool full;      /* the sink took no more */
    unsigned split; /* lines that were longer than a record may be, and cut */
    unsigned cut;   /* records of several lines, or of parts, likewise */
    unsigned bare;  /* records that did not get their fields: they would have been longer than a record may be */
};

/* Records are written where the sink wants them. */
struct shape_sink {
    char *(*space)(void *ctx, size_t *room);
    /* n bytes of it (n < *room at that time) are a record. False: its facts do not fit, and it is not taken. */
    bool (*wrote)(void *ctx, size_t n, struct slice facts);
    void *ctx;
};

struct shape_out shape_run(struct shape *s, const struct shape_in *in, const struct shape_sink *sink);

#endif
