/* books.h -- which partitions' records are in which frame, so that "all up to number n is safe" (window.h) becomes a position of each.
 *
 *     kafka_books_took()    a record of this partition is in the open frame
 *     kafka_books_closed()  that frame takes no more: one span for each partition in it, from where to where
 *     kafka_books_safe()    all up to this number is safe: the spans up to there are, too
 *     kafka_books_drop_open(), kafka_books_drop()   what was taken was not: partitions are back where they were
 *
 * A frame has records of FRAME_POSITIONS_MAX partitions at most; kafka_books_is_full() says that one of another needs a new frame.
 *
 * Threads    one owner. Bounded: frames on their way, and partitions in each.
 */
#ifndef PIPELINE_INPUTS_KAFKA_BOOKS_H
#define PIPELINE_INPUTS_KAFKA_BOOKS_H

#include "pipeline/base/limits.h"
#include "pipeline/inputs/kafka/parts.h"

struct kafka_span {
    uint64_t number; /* of the last record of its frame */
    struct kafka_part *part;
    struct kafka_position from, to;
};

/* Those on their way, the one that is closed and not there yet, and the open one. */
#define KAFKA_SPANS_MAX ((WINDOW_FRAMES + 1) * FRAME_POSITIONS_MAX)

struct kafka_books {
    struct kafka_part *open[FRAME_POSITIONS_MAX];
    size_t open_count;
    struct kafka_span spans[KAFKA_SPANS_MAX]; /* a ring, in order */
    size_t first, count;
};

bool kafka_books_is_full(const struct kafka_books *b, const struct kafka_part *part);
/* `part->seen` is what it was before. */
void kafka_books_took(struct kafka_books *b, struct kafka_part *part, const struct kafka_position *seen);
void kafka_books_closed(struct kafka_books *b, uint64_t number);
void kafka_books_safe(struct kafka_books *b, uint64_t upto);
/* The records of the frame that the window gave up, open or closed: all behind number `upto`. */
void kafka_books_drop_open(struct kafka_books *b, uint64_t upto);
/* All that is not safe. */
void kafka_books_drop(struct kafka_books *b);

#endif
