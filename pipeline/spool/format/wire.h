/* wire.h -- little-endian integers and counted bytes, as they stand in the spool's files.
 *
 * Both ends are sticky: after the first failure the rest does nothing, so the caller asks once, at the end. A reader
 * never leaves its bytes, whatever they say.
 */
#ifndef PIPELINE_SPOOL_FORMAT_WIRE_H
#define PIPELINE_SPOOL_FORMAT_WIRE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct wire_out {
    struct buf *b;
    bool failed; /* the buffer's maximum was reached */
};

void wire_put_u8(struct wire_out *o, uint8_t v);
void wire_put_u32(struct wire_out *o, uint32_t v);
void wire_put_u64(struct wire_out *o, uint64_t v);
void wire_put_raw(struct wire_out *o, const void *p, size_t n);
void wire_put_bytes(struct wire_out *o, struct slice s); /* length first */

struct wire_in {
    struct slice rest;
    bool failed; /* asked for more than there is */
};

uint8_t wire_u8(struct wire_in *in);
uint32_t wire_u32(struct wire_in *in);
uint64_t wire_u64(struct wire_in *in);
void wire_raw(struct wire_in *in, void *out, size_t n); /* zeroes when it fails */
struct slice wire_bytes(struct wire_in *in);            /* borrowed; empty when it fails */

/* At fixed places in a header. */
void wire_store_u32(unsigned char *p, uint32_t v);
void wire_store_u64(unsigned char *p, uint64_t v);
uint32_t wire_load_u32(const unsigned char *p);
uint64_t wire_load_u64(const unsigned char *p);

#endif
