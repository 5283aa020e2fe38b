/* Several words stand for one thing: x-gzip is HTTP's old one, and OpenTelemetry's Collector says zlib for what HTTP calls deflate. */
#include "transforms/codecs/coding.h"

#include "transforms/codecs/inflate.h"
#include "transforms/codecs/snappy_frames.h"

#include <strings.h>

/* A codec's name, or what undoes what no codec of ours makes. */
static const struct {
    const char *word, *codec;
    const struct codec_undo *undo;
} WORDS[] = {
    {"gzip", "gzip", NULL},
    {"x-gzip", "gzip", NULL},
    {"zstd", "zstd", NULL},
    {"lz4", "lz4", NULL},
    {"deflate", NULL, &inflate_undo},
    {"zlib", NULL, &inflate_undo},
    {"x-snappy-framed", NULL, &snappy_frames_undo},
};

bool coding_find(const char *name, struct coding *c)
{
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (strcasecmp(WORDS[i].word, name) == 0) {
            c->name = WORDS[i].word;
            c->undo = WORDS[i].codec ? codec_find(WORDS[i].codec)->undo : WORDS[i].undo;
            return true;
        }
    return false;
}
