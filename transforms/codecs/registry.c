#include "transforms/codecs/codec.h"

#include <string.h>

extern const struct codec_ops codec_none, codec_gzip, codec_zstd;

static const struct codec_ops *const CODECS[] = {
    &codec_gzip,
    &codec_none,
    &codec_zstd,
};

const struct codec_ops *codec_at(size_t index)
{
    return index < ARRAY_LEN(CODECS) ? CODECS[index] : NULL;
}

const struct codec_ops *codec_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(CODECS); i++)
        if (strcmp(CODECS[i]->name, name) == 0)
            return CODECS[i];
    return NULL;
}
