/* What stands beside the records of a frame, as it is read back: tags, each with its length, so that what is unknown is stepped over. It
 * comes from a disk: whatever lengths say, nothing here leaves the extra. */
#include "pipeline/base/limits.h"
#include "pipeline/spool/format/frame_build.h"
#include "pipeline/spool/format/wire.h"

#include <string.h>

bool frame_extra_find(struct slice extra, enum frame_tag tag, struct slice *out)
{
    struct wire_in in = {.rest = extra};

    while (in.rest.n && !in.failed) {
        enum frame_tag found = (enum frame_tag)wire_u8(&in);

        *out = wire_bytes(&in);
        if (found == tag && !in.failed)
            return true;
    }
    *out = slice_of(NULL, 0);
    return false;
}

bool frame_extra_next_position(struct slice *rest, struct slice *source, struct slice *cursor)
{
    struct wire_in in = {.rest = *rest};
    bool found = false;

    while (!found && in.rest.n && !in.failed) {
        enum frame_tag tag = (enum frame_tag)wire_u8(&in);
        struct slice content = wire_bytes(&in);

        found = tag == FRAME_TAG_POSITION && !in.failed && frame_position_parse(content, source, cursor);
    }
    *rest = in.rest;
    return found;
}

bool frame_position_parse(struct slice position, struct slice *source, struct slice *cursor)
{
    struct wire_in in = {.rest = position};

    *source = wire_bytes(&in);
    *cursor = in.rest;
    return !in.failed && source->n > 0 && source->n <= POSITION_SOURCE_MAX && cursor->n <= POSITION_CURSOR_MAX;
}

bool frame_ids_find(struct slice extra, enum frame_tag tag, struct frame_ids *out)
{
    struct slice content;
    struct wire_in in;

    if (!frame_extra_find(extra, tag, &content))
        return false;
    in = (struct wire_in){.rest = content};
    out->source = wire_bytes(&in);
    out->bounds.count = wire_u32(&in);
    out->bounds.seconds = wire_u32(&in);
    out->keys = in.rest;
    out->count = in.rest.n / sizeof(struct id_key);
    return !in.failed && out->source.n > 0 && out->source.n <= POSITION_SOURCE_MAX &&
           in.rest.n % sizeof(struct id_key) == 0;
}

struct id_key frame_ids_at(const struct frame_ids *ids, size_t i)
{
    struct id_key key;

    memcpy(key.bytes, ids->keys.p + i * sizeof(key.bytes), sizeof(key.bytes));
    return key;
}
