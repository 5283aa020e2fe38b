/* Integers are made little-endian and copied, so that alignment plays no part. On most processors both together are one move. */
#include "pipeline/spool/format/wire.h"

#include <endian.h>
#include <string.h>

void wire_store_u32(unsigned char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

void wire_store_u64(unsigned char *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

uint32_t wire_load_u32(const unsigned char *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

uint64_t wire_load_u64(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

void wire_put_raw(struct wire_out *o, const void *p, size_t n)
{
    if (o->failed || buf_add(o->b, p, n) < 0)
        o->failed = true;
}

void wire_put_u8(struct wire_out *o, uint8_t v)
{
    wire_put_raw(o, &v, 1);
}

void wire_put_u32(struct wire_out *o, uint32_t v)
{
    unsigned char p[4];

    wire_store_u32(p, v);
    wire_put_raw(o, p, sizeof(p));
}

void wire_put_u64(struct wire_out *o, uint64_t v)
{
    unsigned char p[8];

    wire_store_u64(p, v);
    wire_put_raw(o, p, sizeof(p));
}

void wire_put_bytes(struct wire_out *o, struct slice s)
{
    wire_put_u32(o, (uint32_t)s.n);
    wire_put_raw(o, s.p, s.n);
}

void wire_raw(struct wire_in *in, void *out, size_t n)
{
    if (in->failed || in->rest.n < n) {
        in->failed = true;
        memset(out, 0, n);
        return;
    }
    memcpy(out, in->rest.p, n);
    in->rest = slice_of(in->rest.p + n, in->rest.n - n);
}

uint8_t wire_u8(struct wire_in *in)
{
    uint8_t v;

    wire_raw(in, &v, 1);
    return v;
}

uint32_t wire_u32(struct wire_in *in)
{
    unsigned char p[4];

    wire_raw(in, p, sizeof(p));
    return wire_load_u32(p);
}

uint64_t wire_u64(struct wire_in *in)
{
    unsigned char p[8];

    wire_raw(in, p, sizeof(p));
    return wire_load_u64(p);
}

struct slice wire_bytes(struct wire_in *in)
{
    size_t n = wire_u32(in);
    struct slice s;

    if (in->failed || in->rest.n < n) {
        in->failed = true;
        return slice_of(NULL, 0);
    }
    s = slice_of(in->rest.p, n);
    in->rest = slice_of(in->rest.p + n, in->rest.n - n);
    return s;
}
