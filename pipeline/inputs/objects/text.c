#include "pipeline/inputs/objects/text.h"

#include "pipeline/base/limits.h"

#include <string.h>

void object_text_init(struct object_text *t, struct budget *windows)
{
    *t = (struct object_text){.windows = windows};
    buf_init(&t->text, LINE_MAX_BYTES + 2 + UNPACK_PIECE);
}

void object_text_release(struct object_text *t)
{
    unpack_free(&t->unpack);
    buf_release(&t->text);
    t->rest = SLICE("");
}

void object_text_begin(struct object_text *t, uint64_t at, bool skips)
{
    unpack_free(&t->unpack);
    buf_clear(&t->text);
    t->rest = SLICE("");
    t->shown = t->looked = t->taking = 0;
    t->plain = at > 0 && !skips;
    t->at = at;
    t->skip = skips ? at : 0;
}

void object_text_feed(struct object_text *t, struct slice piece)
{
    if (!t->unpack) {
        t->unpack = unpack_new(t->plain ? SLICE("") : piece);
        unpack_share(t->unpack, t->windows);
    }
    t->rest = piece;
}

bool object_text_is_packed(const struct object_text *t)
{
    return t->unpack && unpack_is_packed(t->unpack);
}

/* What was taken goes, and the rest moves to the beginning. */
static void make_room(struct object_text *t)
{
    if (t->shown == 0)
        return;
    t->text.n -= t->shown;
    if (t->text.n > 0)
        memmove(t->text.p, t->text.p + t->shown, t->text.n);
    t->looked -= t->shown;
    t->shown = 0;
}

static void pass_over(struct object_text *t)
{
    size_t n = t->text.n < t->skip ? t->text.n : (size_t)t->skip;

    t->skip -= n;
    t->text.n -= n;
    if (n > 0 && t->text.n > 0)
        memmove(t->text.p, t->text.p + n, t->text.n);
}

enum more {
    MORE_TEXT,
    MORE_NOTHING, /* the piece has no more */
    MORE_AGAIN,   /* much was passed over */
    MORE_LATER,   /* there is no memory now */
    MORE_DAMAGED,
};

static enum more read_on(struct object_text *t, struct err *e)
{
    uint64_t skip = t->skip;
    size_t before, left;
    bool moved;

    make_room(t);
    before = t->text.n;
    do {
        left = t->rest.n;
        if (t->unpack && unpack_step(t->unpack, &t->rest, &t->text, e) < 0)
            return e->code == ERR_NOMEM ? MORE_LATER : MORE_DAMAGED;
        moved = t->rest.n < left || t->text.n > before;
        if (t->skip > 0)
            pass_over(t);
        if (t->text.n > before)
            return MORE_TEXT;
        if (skip - t->skip >= OBJECTS_PASS_OVER)
            return MORE_AGAIN;
    } while (moved); /* a header, or what is passed over */
    return MORE_NOTHING;
}

/* How long the line is that is next, with its '\n'; 0: there is no end of it yet. */
static size_t find_end(struct object_text *t)
{
    size_t n = t->text.n - t->looked;
    const char *end = n > 0 ? memchr(t->text.p + t->looked, '\n', n) : NULL;
    size_t waiting = t->text.n - t->shown;

    t->looked = end ? (size_t)(end - t->text.p) : t->text.n;
    if (end && t->looked - t->shown <= LINE_MAX_BYTES)
        return t->looked - t->shown + 1;
    return waiting > LINE_MAX_BYTES ? LINE_MAX_BYTES : 0;
}

static struct slice show(struct object_text *t, size_t n)
{
    const char *p = t->text.p + t->shown;

    t->taking = n;
    return slice_of(p, p[n - 1] == '\n' ? n - 1 : n);
}

enum object_text_answer object_text_line(struct object_text *t, bool ended, struct slice *line, struct err *e)
{
    for (;;) {
        size_t n = find_end(t), waiting = t->text.n - t->shown;
        if (n > 0 && n < waiting) {
            *line = show(t, n);
            return OBJECT_TEXT_LINE;
        }
        switch (read_on(t, e)) {
        case MORE_DAMAGED:
            return OBJECT_TEXT_DAMAGED;
        case MORE_LATER:
            return OBJECT_TEXT_LATER;
        case MORE_AGAIN:
            return OBJECT_TEXT_AGAIN;
        case MORE_TEXT:
            continue;
        case MORE_NOTHING:
            break;
        }
        if (!ended)
            return OBJECT_TEXT_MORE;
        if (t->unpack && unpack_end(t->unpack, e) < 0)
            return OBJECT_TEXT_DAMAGED;
        if (waiting == 0)
            return OBJECT_TEXT_END;
        *line = show(t, waiting);
        return OBJECT_TEXT_LAST_LINE;
    }
}

void object_text_took(struct object_text *t)
{
    t->shown += t->taking;
    t->at += t->taking;
    t->taking = 0;
    if (t->looked < t->shown)
        t->looked = t->shown;
}
