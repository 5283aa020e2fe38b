/* write_objects -- objects as the codecs make them, next to what is in them, for other programs' readers.
 *
 *     write_objects DIR     writes DIR/NAME and DIR/NAME.gz or DIR/NAME.zst, one for each codec, level and size */
#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/codecs/codec.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LARGEST ((size_t)(5 * MIB + 17))
#define PIECE   ((size_t)(MIB - 3))

/* Lines of a log, no two alike, the same every time. */
static struct slice text(void)
{
    char *p = mem_alloc(LARGEST + 128);
    uint32_t x = 7;

    for (size_t at = 0; at < LARGEST;) {
        x = x * 1664525u + 1013904223u;
        at += (size_t)snprintf(p + at, 100, "2026-11-22T15:26:%02uZ level=info request=%08x took=%ums\n", x % 60, x,
                               (x >> 8) % 1000);
    }
    return slice_of(p, LARGEST);
}

static int write_file(const char *path, const struct body *b, struct slice plain, struct err *e)
{
    FILE *f = fopen(path, "wb");
    char piece[65536];
    uint64_t at = 0;
    long n = 0;

    if (!f)
        return err_errno(e, "%s", path);
    if (!b && plain.n > 0 && fwrite(plain.p, 1, plain.n, f) != plain.n)
        n = -1;
    while (b && (n = body_read(b, at, piece, sizeof(piece), e)) > 0) {
        at += (uint64_t)n;
        if (fwrite(piece, 1, (size_t)n, f) != (size_t)n)
            break;
    }
    if (fclose(f) != 0 || n != 0)
        return err_errno(e, "write %s", path);
    return 0;
}

static int encode(const struct codec_ops *c, int level, struct slice in, struct body *out, struct err *e)
{
    void *ctx = c->open(level);
    int rc = c->begin(ctx, in.n, e);

    for (size_t at = 0; rc == 0 && at < in.n; at += PIECE)
        rc = c->add(ctx, slice_of(in.p + at, in.n - at < PIECE ? in.n - at : PIECE), out, e);
    if (rc == 0)
        rc = c->finish(ctx, out, e);
    c->close(ctx);
    return rc;
}

static int write_pair(const char *dir, const struct codec_ops *c, int level, struct slice in, struct err *e)
{
    struct body *b = body_new(dir, BODY_MEMORY_MAX);
    char *plain = mem_printf("%s/%s-%d-%zu", dir, c->name, level, in.n);
    char *packed = mem_printf("%s%s", plain, c->extension);
    int rc = encode(c, level, in, b, e);

    if (rc == 0)
        rc = write_file(plain, NULL, in, e);
    if (rc == 0)
        rc = write_file(packed, b, in, e);
    mem_free(plain);
    mem_free(packed);
    body_free(&b);
    return rc;
}

int main(int argc, char **argv)
{
    static const size_t SIZES[] = {0, 1, 1000, 65536, 1 << 20, LARGEST};
    const struct codec_ops *c;
    struct slice all = text();
    struct err e = {0};
    int rc = argc == 2 ? 0 : 2;

    for (size_t i = 0; rc == 0 && (c = codec_at(i)); i++)
        for (int level = c->level_min; rc == 0 && c->encoding && level <= c->level_max; level++)
            for (size_t k = 0; rc == 0 && k < ARRAY_LEN(SIZES); k++)
                if (level <= 6 || SIZES[k] < LARGEST) /* the highest levels are slow */
                    rc = write_pair(argv[1], c, level, slice_of(all.p, SIZES[k]), &e) < 0 ? 1 : 0;
    if (rc)
        fprintf(stderr, "write_objects DIR: %s\n", e.msg);
    mem_free((void *)(uintptr_t)all.p);
    return rc;
}
