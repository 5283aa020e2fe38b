#include "pipeline/encode/stage_note.h"

#include "pipeline/spool/format/wire.h"

#include <assert.h>

void stage_note_write(const struct stage_note *n, struct buf *out)
{
    unsigned char head[STAGE_NOTE_HEAD] = {(unsigned char)n->kind};

    wire_store_u32(head + 1, n->version);
    if (buf_add(out, (const char *)head, sizeof(head)) < 0 || buf_add_slice(out, n->rest) < 0)
        assert(!"a note fits");
}

struct stage_note stage_note_read(struct slice note)
{
    const unsigned char *head = (const unsigned char *)note.p;

    if (note.n < STAGE_NOTE_HEAD || head[0] >= STAGE_KINDS)
        return (struct stage_note){.kind = STAGE_RECORDS};
    return (struct stage_note){.kind = (enum stage_kind)head[0],
                               .version = wire_load_u32(head + 1),
                               .rest = slice_of(note.p + STAGE_NOTE_HEAD, note.n - STAGE_NOTE_HEAD)};
}
