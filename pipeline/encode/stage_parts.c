#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/stage_impl.h"

/* --- what is held back ------------------------------------------------------------------------------------------------ */

void stage_hold_anew(struct stage *s)
{
    s->replaces = true;
}

int stage_hold(struct stage *s, struct slice entry, const struct record_origin *from, struct err *e)
{
    struct stage_parcel *p = s->holding;

    if (!p) {
        p = s->holding = stage_make_parcel(s, STAGE_HELD, slice_of(NULL, 0), e);
        if (!p)
            return -1;
        p->is_closed = true; /* it has no time, and no place in a line */
        if (stage_touch(s, p, e) < 0)
            return -1;
    }
    if (parcel_file_add(stage_file_of(s, p), entry, from, e) < 0)
        return -1;
    p->written = parcel_file_mark(p->file);
    p->count++;
    p->counted++;
    p->oldest = from->arrival < p->oldest ? from->arrival : p->oldest;
    if (stage_note_use(s, p, e) < 0)
        return -1;
    s->buffered += entry.n + 1 + STAGE_BESIDE_RECORD;
    return s->buffered < STAGE_BUFFERED_MAX ? 0 : stage_flush(s, e);
}

uint64_t stage_held_records(const struct stage *s)
{
    const struct stage_parcel *p;
    uint64_t records = 0;

    TAILQ_FOREACH(p, &s->held, line)
        records += p->known.records;
    return records;
}

/* --- for the journal ---------------------------------------------------------------------------------------------------- */

static void make_parts(struct stage *s)
{
    size_t at = 0;

    s->parts = mem_grow(s->parts, s->touched_count ? s->touched_count : 1, sizeof(*s->parts));
    buf_clear(&s->notes);
    for (size_t i = 0; i < s->touched_count; i++)
        if (s->touched[i]->is_new)
            stage_note_write(&(struct stage_note){s->touched[i]->kind, s->touched[i]->version, s->touched[i]->keys},
                             &s->notes);
    for (size_t i = 0; i < s->touched_count; i++) {
        const struct stage_parcel *p = s->touched[i];
        size_t note = p->is_new ? STAGE_NOTE_HEAD + p->keys.n : 0;

        s->parts[i] = (struct staged_part){.parcel = p->known.number,
                                           .bytes = p->written.length,
                                           .records = p->counted,
                                           .oldest = p->oldest,
                                           .note = slice_of(note ? s->notes.p + at : NULL, note)};
        at += note;
    }
    s->part_count = s->touched_count;
}

/* The records of these belong to the piece, so it begins with the first of them. */
static void note_gone(struct stage *s)
{
    const struct stage_parcel *p;

    s->gone_count = 0;
    if (!s->replaces)
        return;
    TAILQ_FOREACH(p, &s->held, line) {
        s->gone = mem_grow(s->gone, s->gone_count + 1, sizeof(*s->gone));
        s->gone[s->gone_count++] = p->known.number;
        s->first = p->known.first < s->first ? p->known.first : s->first;
    }
}

/* The next piece may fill each of these parcels and begin another one for its key: a piece that finds no room is transformed again. */
static void want_room(const struct stage *s)
{
    bool disk_is_full;

    if (s->next_noted > staged_room(s->reader, &disk_is_full) && !disk_is_full)
        staged_want_room(s->reader, s->next_noted);
}

void stage_make_parts(struct stage *s)
{
    make_parts(s);
    note_gone(s);
    want_room(s);
}
