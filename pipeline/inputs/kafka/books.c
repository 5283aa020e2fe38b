#include "pipeline/inputs/kafka/books.h"

#include <assert.h>

static struct kafka_span *nth(struct kafka_books *b, size_t i)
{
    return &b->spans[(b->first + i) % KAFKA_SPANS_MAX];
}

bool kafka_books_is_full(const struct kafka_books *b, const struct kafka_part *part)
{
    return b->open_count == FRAME_POSITIONS_MAX && !part->open;
}

void kafka_books_took(struct kafka_books *b, struct kafka_part *part, const struct kafka_position *seen)
{
    if (!part->open) {
        assert(b->open_count < FRAME_POSITIONS_MAX);
        b->open[b->open_count++] = part;
        part->open = true;
        part->before = part->seen;
    }
    part->seen = *seen;
}

void kafka_books_closed(struct kafka_books *b, uint64_t number)
{
    for (size_t i = 0; i < b->open_count; i++) {
        struct kafka_part *part = b->open[i];

        assert(b->count < KAFKA_SPANS_MAX);
        *nth(b, b->count++) =
            (struct kafka_span){.number = number, .part = part, .from = part->before, .to = part->seen};
        part->open = false;
        part->spans++;
    }
    b->open_count = 0;
}

void kafka_books_safe(struct kafka_books *b, uint64_t upto)
{
    while (b->count > 0 && nth(b, 0)->number <= upto) {
        const struct kafka_span *s = nth(b, 0);

        s->part->safe = s->to;
        s->part->spans--;
        b->first = (b->first + 1) % KAFKA_SPANS_MAX;
        b->count--;
    }
}

void kafka_books_drop_open(struct kafka_books *b, uint64_t upto)
{
    for (size_t i = 0; i < b->open_count; i++) {
        b->open[i]->seen = b->open[i]->before;
        b->open[i]->open = false;
    }
    b->open_count = 0;
    while (b->count > 0 && nth(b, b->count - 1)->number > upto) {
        const struct kafka_span *s = nth(b, --b->count);

        s->part->seen = s->from;
        s->part->spans--;
    }
}

void kafka_books_drop(struct kafka_books *b)
{
    kafka_books_drop_open(b, 0);
}
