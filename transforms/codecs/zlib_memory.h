/* zlib_memory.h -- zlib's memory comes from mem.h: it is counted, and never fails. */
#ifndef TRANSFORMS_CODECS_ZLIB_MEMORY_H
#define TRANSFORMS_CODECS_ZLIB_MEMORY_H

#include "pipeline/base/mem.h"

#include <zlib.h>

static inline void *zlib_memory_alloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return mem_array(items, size);
}

static inline void zlib_memory_free(void *opaque, void *p)
{
    (void)opaque;
    mem_free(p);
}

/* Before deflateInit2() or inflateInit2(). */
static inline void zlib_memory_use(z_stream *z)
{
    z->zalloc = zlib_memory_alloc;
    z->zfree = zlib_memory_free;
}

#endif
