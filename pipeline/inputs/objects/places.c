#include "pipeline/inputs/objects/places.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PLACE_TEXT_MAX (OBJECT_IDENTITY_CHARS + OBJECT_TAG_MAX + 64)

/* Readers hold some, and frames so many at most; the rest is what is kept for later. */
_Static_assert(OBJECTS_PLACES > OBJECTS_READERS_MAX + FRAME_POSITIONS_MAX, "there is always one to begin with");
_Static_assert(PLACE_TEXT_MAX <= POSITION_CURSOR_MAX, "a place is a position");

void object_places_init(struct object_places *p, struct window *w, const char *source)
{
    *p = (struct object_places){.window = w, .source = source};
}

static struct slice encode(const struct object_place *x, char out[PLACE_TEXT_MAX])
{
    int n = snprintf(out, PLACE_TEXT_MAX, "1 %" PRIu64 " %s %" PRIu64 " %s %s", x->order, x->identity, x->offset,
                     x->packed ? "packed" : "plain", x->tag);

    assert(n > 0 && n < PLACE_TEXT_MAX);
    return slice_of(out, (size_t)n);
}

static bool decode(struct slice text, struct object_place *x)
{
    char copy[PLACE_TEXT_MAX], identity[OBJECT_IDENTITY_CHARS + 1], form[8];
    int tag = 0;

    *x = (struct object_place){.written = true};
    if (text.n == 0 || text.n >= sizeof(copy))
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (sscanf(copy, "1 %" SCNu64 " %32s %" SCNu64 " %7s %n", &x->order, identity, &x->offset, form, &tag) != 4 ||
        tag == 0 || strlen(identity) != OBJECT_IDENTITY_CHARS || strlen(copy + tag) >= sizeof(x->tag))
        return false;
    memcpy(x->identity, identity, sizeof(x->identity));
    snprintf(x->tag, sizeof(x->tag), "%s", copy + tag);
    x->packed = strcmp(form, "packed") == 0;
    return x->packed || strcmp(form, "plain") == 0;
}

static bool restore(void *ctx, struct slice source, struct slice cursor)
{
    struct object_places *p = ctx;
    struct object_place x;
    char number[8];
    unsigned i;
    int end = 0;

    if (!slice_starts(source, slice_str(p->source)))
        return true;
    source = slice_from(source, strlen(p->source));
    if (source.n == 0 || source.n >= sizeof(number))
        return true;
    snprintf(number, sizeof(number), "%.*s", (int)source.n, source.p);
    if (sscanf(number, " %u%n", &i, &end) != 1 || number[end] || i >= OBJECTS_PLACES || !decode(cursor, &x))
        return true;
    p->at[i] = x;
    if (x.order > p->order)
        p->order = x.order;
    return true;
}

void object_places_restore(struct object_places *p, struct spool *spool)
{
    memset(p->at, 0, sizeof(p->at));
    p->dirty = 0;
    spool_positions(spool, restore, p);
}

struct object_place *object_places_find(struct object_places *p, const char *identity)
{
    struct object_place *best = NULL;

    /* Of one that had to go, and was begun anew, the spool may have two. */
    for (size_t i = 0; i < OBJECTS_PLACES; i++)
        if (strcmp(p->at[i].identity, identity) == 0 && (!best || p->at[i].order > best->order))
            best = &p->at[i];
    if (best) {
        assert(!best->in_use);
        best->in_use = true;
    }
    return best;
}

/* A free one, else one that is not needed any more, else the oldest. */
static struct object_place *choose(struct object_places *p)
{
    struct object_place *best = NULL;

    for (size_t i = 0; i < OBJECTS_PLACES; i++) {
        struct object_place *x = &p->at[i];

        if (x->in_use || x->dirty)
            continue;
        if (!x->identity[0])
            return x;
        if (!best || (x->over && !best->over) || (x->over == best->over && x->order < best->order))
            best = x;
    }
    assert(best);
    return best;
}

struct object_place *object_places_begin(struct object_places *p, const char *identity)
{
    struct object_place *x = choose(p);

    *x = (struct object_place){.in_use = true};
    snprintf(x->identity, sizeof(x->identity), "%s", identity);
    return x;
}

bool object_places_have_room(const struct object_places *p, const struct object_place *x)
{
    return x->dirty || p->dirty < FRAME_POSITIONS_MAX;
}

void object_place_moves(struct object_places *p, struct object_place *x, uint64_t offset)
{
    x->offset = offset;
    if (!x->dirty)
        p->dirty++;
    x->dirty = true;
}

void object_places_write(struct object_places *p)
{
    char source[POSITION_SOURCE_MAX + 1], text[PLACE_TEXT_MAX];

    for (size_t i = 0; p->dirty > 0 && i < OBJECTS_PLACES; i++) {
        struct object_place *x = &p->at[i];
        int n;

        if (!x->dirty)
            continue;
        x->order = ++p->order;
        n = snprintf(source, sizeof(source), "%s %zu", p->source, i);
        assert(n > 0 && n <= POSITION_SOURCE_MAX);
        window_set_position(p->window, slice_of(source, (size_t)n), encode(x, text));
        x->dirty = false;
        x->written = true;
        p->dirty--;
    }
}

void object_place_leave(struct object_places *p, struct object_place **xp, bool over)
{
    struct object_place *x = *xp;

    *xp = NULL;
    if (!x)
        return;
    x->in_use = false;
    x->over |= over;
    if (x->written || (x->dirty && !over))
        return;
    if (x->dirty)
        p->dirty--;
    *x = (struct object_place){.identity = ""};
}
