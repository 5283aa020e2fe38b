/* codecs.h -- the codecs by name, for registry.c only. Everybody else goes through codec_find() and codec_at(). */
#ifndef TRANSFORMS_CODECS_H
#define TRANSFORMS_CODECS_H

#include "transforms/codec.h"

extern const struct codec_ops codec_none;
extern const struct codec_ops codec_gzip;
extern const struct codec_ops codec_zstd;

#endif
