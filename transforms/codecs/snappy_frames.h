/* snappy_frames.h -- Snappy's own framing (framing_format.txt) to bytes piece by piece. What gRPC calls snappy, and OpenTelemetry's Collector
 * x-snappy-framed. */
#ifndef TRANSFORMS_CODECS_SNAPPY_FRAMES_H
#define TRANSFORMS_CODECS_SNAPPY_FRAMES_H

#include "transforms/codecs/codec.h"

extern const struct codec_undo snappy_frames_undo;

#endif
