/* The message is walked once to count the keys, once to check every record against them, and then
 * record by record for whoever reads. */
#include "transforms/unpack/kpl.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/protobuf.h"

#include <stdint.h>

#define MAGIC SLICE("\xf3\x89\x9a\xc2")

#define KEYS_FIRST 8

/* Field numbers that matter here. */
enum {
    AGGREGATED_PARTITION_KEY = 1,
    AGGREGATED_RECORD = 3,
    RECORD_PARTITION_KEY_INDEX = 1,
    RECORD_DATA = 3,
};

/* NULL when the record is whole: it has data and names a partition key that is in the table. */
static const char *read_record(struct slice rest, uint64_t keys, struct slice *data, uint64_t *key)
{
    bool has_data = false, has_key = false;
    struct protobuf_field f;

    while (rest.n > 0) {
        if (!protobuf_next(&rest, &f))
            return "a record is cut off or not protobuf";
        if (f.number == RECORD_DATA && f.wire == PROTOBUF_BYTES) {
            *data = f.bytes;
            has_data = true;
        }
        if (f.number == RECORD_PARTITION_KEY_INDEX && f.wire == PROTOBUF_VARINT) {
            if (f.value >= keys)
                return "a record's partition key is not in the table";
            *key = f.value;
            has_key = true;
        }
    }
    if (!has_data)
        return "a record has no data";
    return has_key ? NULL : "a record has no partition key";
}

static const char *check(struct slice rest)
{
    struct slice data, look = rest;
    struct protobuf_field f;
    uint64_t keys = 0, records = 0, key;

    for (; look.n > 0;
         keys += f.number == AGGREGATED_PARTITION_KEY && f.wire == PROTOBUF_BYTES) /* the table may stand behind */
        if (!protobuf_next(&look, &f))
            return "the message is cut off or not protobuf";
    while (rest.n > 0 && protobuf_next(&rest, &f)) {
        const char *why = NULL;

        if (f.number != AGGREGATED_RECORD || f.wire != PROTOBUF_BYTES)
            continue;
        why = read_record(f.bytes, keys, &data, &key);
        if (why)
            return why;
        records++;
    }
    return records ? NULL : "the message holds no records";
}

enum kpl_kind kpl_open(struct kpl_reader *r, struct slice record, const char **why)
{
    unsigned char md5[MD5_BYTES];
    struct slice message;

    if (!slice_starts(record, MAGIC) || record.n < MAGIC.n + MD5_BYTES)
        return KPL_NOT;
    message = slice_of(record.p + MAGIC.n, record.n - MAGIC.n - MD5_BYTES);
    if (!md5_of(message, md5) || memcmp(md5, message.p + message.n, MD5_BYTES) != 0)
        return KPL_NOT;
    *why = check(message);
    r->rest = message;
    return *why ? KPL_MALFORMED : KPL_AGGREGATED;
}

bool kpl_next(struct kpl_reader *r, struct slice *data)
{
    struct kpl_record record;

    if (!kpl_next_record(r, NULL, &record))
        return false;
    *data = record.data;
    return true;
}

void kpl_keys_read(struct kpl_keys *keys, const struct kpl_reader *r)
{
    struct slice rest = r->rest;
    size_t room = 0;
    struct protobuf_field f;

    keys->n = 0;
    while (keys->n < KPL_KEYS_MAX && rest.n > 0 && protobuf_next(&rest, &f)) {
        if (f.number != AGGREGATED_PARTITION_KEY || f.wire != PROTOBUF_BYTES)
            continue;
        if (keys->n == room) {
            room = room ? 2 * room : KEYS_FIRST;
            keys->v = mem_grow(keys->v, room, sizeof(*keys->v));
        }
        keys->v[keys->n++] = f.bytes;
    }
}

void kpl_keys_release(struct kpl_keys *keys)
{
    MEM_CLEAR(keys->v);
    keys->n = 0;
}

bool kpl_next_record(struct kpl_reader *r, const struct kpl_keys *keys, struct kpl_record *out)
{
    uint64_t key = 0;
    struct protobuf_field f;

    *out = (struct kpl_record){.has_key = false};
    while (r->rest.n > 0 && protobuf_next(&r->rest, &f)) {
        if (f.number != AGGREGATED_RECORD || f.wire != PROTOBUF_BYTES)
            continue;
        if (read_record(f.bytes, UINT64_MAX, &out->data, &key) != NULL)
            return false;
        out->has_key = keys && key < keys->n;
        if (out->has_key)
            out->key = keys->v[key];
        return true;
    }
    return false;
}
