#include "pipeline/encode/stage_held.h"

#include "pipeline/spool/format/wire.h"

int stage_held_write(const struct transform_kept *held, struct buf *out)
{
    const struct transform_record *r = &held->record;
    unsigned char head[12];

    wire_store_u32(head, (uint32_t)held->name.n);
    wire_store_u32(head + 4, (uint32_t)r->origin.n);
    wire_store_u32(head + 8, (uint32_t)r->facts.n);
    if (buf_add(out, (const char *)head, sizeof(head)) < 0 || buf_add_slice(out, held->name) < 0 ||
        buf_add_slice(out, r->origin) < 0 || buf_add_slice(out, r->facts) < 0)
        return -1;
    return buf_add_slice(out, r->data);
}

bool stage_held_read(struct slice bytes, const struct record_origin *from, struct transform_kept *out)
{
    struct wire_in in = {.rest = bytes};
    uint32_t name = wire_u32(&in), origin = wire_u32(&in), facts = wire_u32(&in);
    uint64_t beside = (uint64_t)name + origin + facts;
    const char *p = in.rest.p;

    if (in.failed || beside > in.rest.n)
        return false;
    *out = (struct transform_kept){.name = slice_of(p, name),
                                   .record = {.data = slice_of(p + beside, in.rest.n - (size_t)beside),
                                              .origin = slice_of(p + name, origin),
                                              .facts = slice_of(p + name + origin, facts),
                                              .seq = from->seq,
                                              .arrival = from->arrival}};
    return true;
}
