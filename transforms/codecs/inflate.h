/* inflate.h -- a zlib stream (RFC 1950), which HTTP calls deflate, to bytes piece by piece. */
#ifndef TRANSFORMS_CODECS_INFLATE_H
#define TRANSFORMS_CODECS_INFLATE_H

#include "transforms/codecs/codec.h"

extern const struct codec_undo inflate_undo;

#endif
