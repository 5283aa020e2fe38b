#include "transforms/codecs/codec.h"

#include <string.h>

extern const struct codec_ops codec_none, codec_gzip, codec_zstd, codec_snappy, codec_hadoop_snappy, codec_zip,
    codec_lz4;

static const struct codec_ops *const CODECS[] = {
    &codec_gzip, &codec_hadoop_snappy, &codec_lz4, &codec_none, &codec_snappy, &codec_zip, &codec_zstd,
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
