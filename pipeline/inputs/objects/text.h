/* text.h -- the lines of an object that comes in pieces, gzip or zstd undone by its first bytes: as much memory for a gigabyte as for a kilobyte.
 *
 *     object_text_begin()   `at`: where in the text (unpacked) the first line begins, when reading goes on behind others
 *     object_text_feed()    a piece of the object as it is stored; borrowed until it is used up
 *     object_text_line()    the line that is next; the same again until object_text_took()
 *
 * A line is a record by the rule of files (inputs/lines.h): one over LINE_MAX_BYTES is cut into pieces of that size, every byte but '\n' belongs
 * to it, and the last one may lack its '\n'. A line is shown when it is known whether it is the last one: that there is more behind it, or that
 * the object ends. A piece of some hundred kilobytes may stand for gigabytes that are passed over before the first line, so one call passes over
 * OBJECTS_PASS_OVER bytes and then says OBJECT_TEXT_AGAIN: whoever reads looks after other things in between.
 *
 * Ownership  object_text_release(). Pure; one thread at a time.
 */
#ifndef PIPELINE_INPUTS_OBJECTS_TEXT_H
#define PIPELINE_INPUTS_OBJECTS_TEXT_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"
#include "transforms/codecs/unpack.h"

#include <stdbool.h>
#include <stdint.h>

struct object_text {
    struct budget *windows;
    struct unpack *unpack; /* NULL: no piece came yet */
    bool plain;            /* what comes first is not the object's beginning, and says nothing of how it is packed */
    struct slice rest;     /* of the piece */
    struct buf text;
    size_t shown, looked; /* of it: taken; looked through for an end of line */
    size_t taking;        /* what the line that was shown takes, with its '\n' */
    uint64_t at;          /* in the text: where the next line begins */
    uint64_t skip;        /* so much of what comes is before it */
};

/* `windows`: as unpack_share() takes them; NULL: no limit. */
void object_text_init(struct object_text *t, struct budget *windows);
void object_text_release(struct object_text *t);

/* `skips`: the object is fed from its beginning, and what is before `at` is passed over; else it is fed from there on. */
void object_text_begin(struct object_text *t, uint64_t at, bool skips);
void object_text_feed(struct object_text *t, struct slice piece);
/* Known with the first piece. */
bool object_text_is_packed(const struct object_text *t);

enum object_text_answer {
    OBJECT_TEXT_LINE,
    OBJECT_TEXT_LAST_LINE,
    OBJECT_TEXT_MORE,    /* it wants the next piece */
    OBJECT_TEXT_AGAIN,   /* much was passed over, and the line is not there yet: the same call once more */
    OBJECT_TEXT_END,     /* there is nothing more */
    OBJECT_TEXT_LATER,   /* there is no memory now: the same call later */
    OBJECT_TEXT_DAMAGED, /* or can never be unpacked with what there is */
};

/* `ended`: what was fed last is the end of the object. The line is valid until the next call. */
MUST_CHECK enum object_text_answer object_text_line(struct object_text *t, bool ended, struct slice *line,
                                                    struct err *e);
void object_text_took(struct object_text *t);

#endif
