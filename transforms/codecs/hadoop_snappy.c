/* Hadoop's block framing, which its SnappyCodec reads: the length of a block's text, the length of its one chunk, the raw chunk. It has no
 * head and no magic bytes, so nobody can tell it from its first bytes: `sluice redrive` does not read it. */
#include "transforms/codecs/codec.h"

#include "pipeline/base/limits.h"
#include "transforms/codecs/snappy_blocks.h"

static void *hadoop_open(int level)
{
    (void)level;
    return snappy_blocks_open(CODEC_HADOOP_SNAPPY_BLOCK, SLICE(""), true);
}

static void hadoop_close(void *ctx)
{
    struct snappy_blocks *b = ctx;

    snappy_blocks_close(&b);
}

static int hadoop_begin(void *ctx, uint64_t size, struct err *e)
{
    (void)size, (void)e;
    snappy_blocks_begin(ctx);
    return 0;
}

static int hadoop_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    return snappy_blocks_add(ctx, in, out, e);
}

static int hadoop_finish(void *ctx, struct body *out, struct err *e)
{
    return snappy_blocks_finish(ctx, out, e);
}

const struct codec_ops codec_hadoop_snappy = {
    .name = "hadoop_snappy",
    .extension = ".hsnappy",
    .encoding = "hadoop-snappy",
    .open = hadoop_open,
    .begin = hadoop_begin,
    .add = hadoop_add,
    .finish = hadoop_finish,
    .close = hadoop_close,
};
