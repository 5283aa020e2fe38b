/* levels.c -- what each level of each codec does with a file: sluice's own codecs, without anything around them.
 *
 *     bench_levels FILE OBJECT_BYTES
 *  -> gzip 1 477.1 2.61          (codec, level, MB per CPU second, ratio)
 *
 * The file is cut into objects of OBJECT_BYTES. The first 64 MiB are used; levels that are slow get less of them.
 */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILE_MAX  (64 * MIB)
#define PIECE     (256 * KIB) /* as the daemon feeds them */
#define ENOUGH    0.7         /* CPU seconds of one level */
#define LEVEL_MAX 22

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compress_object(const struct codec_ops *ops, void *codec, struct slice in, uint64_t *size)
{
    struct body *out = body_new("/tmp", 128 * MIB);
    struct err e = {0};
    int rc = ops->begin(codec, in.n, &e);

    while (rc == 0 && in.n > 0) {
        struct slice piece = slice_of(in.p, in.n < PIECE ? in.n : PIECE);

        rc = ops->add(codec, piece, out, &e);
        in = slice_of(in.p + piece.n, in.n - piece.n);
    }
    if (rc == 0)
        rc = ops->finish(codec, out, &e);
    if (rc < 0)
        fprintf(stderr, "bench_levels: %s: %s\n", ops->name, e.msg);
    *size = body_size(out);
    body_free(&out);
    return rc;
}

static int measure(const struct codec_ops *ops, int level, struct slice all, size_t object)
{
    void *codec = ops->open(level);
    double began = cpu_now();
    uint64_t in = 0, out = 0, size;
    int rc = 0;

    while (rc == 0 && in < all.n && (in == 0 || cpu_now() - began < ENOUGH)) {
        size_t n = all.n - in < object ? all.n - in : object;

        rc = compress_object(ops, codec, slice_of(all.p + in, n), &size);
        in += n;
        out += size;
    }
    if (rc == 0)
        printf("%s %d %.1f %.3f\n", ops->name, level, (double)in / 1e6 / (cpu_now() - began), (double)in / (double)out);
    ops->close(codec);
    return rc;
}

int main(int argc, char **argv)
{
    const struct codec_ops *codec;
    size_t object = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    FILE *f = object ? fopen(argv[1], "re") : NULL;
    char *text = mem_alloc(FILE_MAX);
    struct slice all;

    if (!f) {
        fputs("usage: bench_levels FILE OBJECT_BYTES\n", stderr);
        return 2;
    }
    all = slice_of(text, fread(text, 1, FILE_MAX, f));
    fclose(f);
    for (size_t i = 0; (codec = codec_at(i)); i++)
        for (int level = codec->level_min; level <= codec->level_max && level <= LEVEL_MAX && codec->encoding; level++)
            if (measure(codec, level, all, object) < 0)
                return 1;
    mem_free(text);
    return 0;
}
