/* zlib_write.h -- deflate() straight into a body's own memory, as both codecs do it that use zlib. */
#ifndef TRANSFORMS_CODECS_ZLIB_WRITE_H
#define TRANSFORMS_CODECS_ZLIB_WRITE_H

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <zlib.h>

/* Takes all of `in`; at the `last` writes what there still is. `codec`: who says so when it fails. */
MUST_CHECK int zlib_write(z_stream *z, struct slice in, bool last, const char *codec, struct body *out, struct err *e);

#endif
