#include "pipeline/spool/format/segment.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/spool/format/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char SEGMENT_MAGIC[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'S', 'G'};
static const char FRAME_MAGIC[4] = {'S', 'L', 'F', 'R'};

enum {
    CRC_AT = 60, /* in both headers */
    EARLIER_MAX = 1 << 16,
};

static uint32_t crc_of(uint32_t crc, const unsigned char *p, size_t n)
{
    return crc32c(crc, slice_of((const char *)p, n));
}

void segment_header_encode(const struct segment_header *h, unsigned char out[SEGMENT_HEADER_BYTES])
{
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out, SEGMENT_MAGIC, sizeof(SEGMENT_MAGIC));
    wire_store_u32(out + 8, h->format);
    memcpy(out + 16, h->identity, SEGMENT_IDENTITY_BYTES);
    wire_store_u64(out + 32, h->number);
    wire_store_u64(out + 40, h->first);
    wire_store_u64(out + 48, h->reused);
    wire_store_u32(out + CRC_AT, crc_of(0, out, CRC_AT));
}

bool segment_header_decode(const unsigned char in[SEGMENT_HEADER_BYTES], struct segment_header *h)
{
    if (memcmp(in, SEGMENT_MAGIC, sizeof(SEGMENT_MAGIC)) != 0 || wire_load_u32(in + CRC_AT) != crc_of(0, in, CRC_AT))
        return false;
    h->format = wire_load_u32(in + 8);
    memcpy(h->identity, in + 16, SEGMENT_IDENTITY_BYTES);
    h->number = wire_load_u64(in + 32);
    h->first = wire_load_u64(in + 40);
    h->reused = wire_load_u64(in + 48);
    return true;
}

char *segment_name(uint64_t number, char out[SEGMENT_NAME_BYTES])
{
    snprintf(out, SEGMENT_NAME_BYTES, "%020" PRIu64 ".seg", number);
    return out;
}

char *segment_path(const char *dir, uint64_t number)
{
    char name[SEGMENT_NAME_BYTES];

    return mem_printf("%s/%s", dir, segment_name(number, name));
}

bool segment_name_parse(const char *name, uint64_t *number)
{
    uint64_t v = 0;
    size_t i;

    for (i = 0; i < 20; i++) {
        unsigned digit = (unsigned char)name[i] - (unsigned)'0';

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *number = v;
    return v > 0 && strcmp(name + i, ".seg") == 0;
}

static uint32_t frame_header_crc(const unsigned char *in, uint64_t number, uint64_t offset)
{
    unsigned char place[16];

    wire_store_u64(place, number);
    wire_store_u64(place + 8, offset);
    return crc_of(crc_of(0, place, sizeof(place)), in, CRC_AT);
}

void frame_header_encode(const struct frame_header *h, uint64_t number, uint64_t offset,
                         unsigned char out[FRAME_HEADER_BYTES])
{
    memset(out, 0, FRAME_HEADER_BYTES);
    memcpy(out, FRAME_MAGIC, sizeof(FRAME_MAGIC));
    out[4] = (unsigned char)h->type;
    wire_store_u32(out + 8, h->extra);
    wire_store_u32(out + 12, h->table);
    wire_store_u32(out + 16, h->payload);
    wire_store_u32(out + 20, h->count);
    wire_store_u64(out + 24, h->first);
    wire_store_u64(out + 32, (uint64_t)h->arrival);
    wire_store_u64(out + 40, h->synced);
    wire_store_u32(out + 48, h->meta_crc);
    wire_store_u32(out + 52, h->payload_crc);
    wire_store_u32(out + 56, h->added);
    wire_store_u32(out + CRC_AT, frame_header_crc(out, number, offset));
}

bool frame_type_has_records(enum frame_type type)
{
    return type == FRAME_DATA || type == FRAME_MOVED;
}

static bool lengths_are_sane(const struct frame_header *h)
{
    if (h->extra > FRAME_EXTRA_MAX)
        return false;
    if (!frame_type_has_records(h->type))
        return h->type > 0 && h->type < FRAME_TYPE_END && !h->count && !h->table && !h->payload;
    if (h->payload > FRAME_MAX_BYTES &&
        (h->count != 1 || h->payload > FRAME_LONE_BYTES)) /* many records, or a large one */
        return false;
    return h->count > 0 && h->count <= h->payload && h->table >= h->count && h->table <= 5 * (uint64_t)h->count &&
           h->first > 0 && h->first < UINT64_MAX - h->count;
}

bool frame_header_decode(const unsigned char in[FRAME_HEADER_BYTES], uint64_t number, uint64_t offset,
                         struct frame_header *h)
{
    if (memcmp(in, FRAME_MAGIC, sizeof(FRAME_MAGIC)) != 0 ||
        wire_load_u32(in + CRC_AT) != frame_header_crc(in, number, offset))
        return false;
    h->type = (enum frame_type)in[4];
    h->extra = wire_load_u32(in + 8);
    h->table = wire_load_u32(in + 12);
    h->payload = wire_load_u32(in + 16);
    h->count = wire_load_u32(in + 20);
    h->first = wire_load_u64(in + 24);
    h->arrival = (nsec)wire_load_u64(in + 32);
    h->synced = wire_load_u64(in + 40);
    h->meta_crc = wire_load_u32(in + 48);
    h->payload_crc = wire_load_u32(in + 52);
    h->added = wire_load_u32(in + 56);
    return lengths_are_sane(h);
}

bool frame_header_is_earlier(const unsigned char in[FRAME_HEADER_BYTES], uint64_t number, uint64_t offset)
{
    uint64_t least = number > EARLIER_MAX ? number - EARLIER_MAX : 1;

    while (number-- > least)
        if (wire_load_u32(in + CRC_AT) == frame_header_crc(in, number, offset))
            return true;
    return false;
}

uint64_t frame_header_total(const struct frame_header *h)
{
    return (uint64_t)FRAME_HEADER_BYTES + h->extra + h->table + h->payload;
}

const unsigned char *frame_header_search(const unsigned char *p, size_t n)
{
    return memmem(p, n, FRAME_MAGIC, sizeof(FRAME_MAGIC));
}
