/* codec.c -- what the bare codecs do with a file, in pieces of 1 MiB: the yardstick of the benchmark.
 *
 *     bench_codec FILE
 *  -> gzip 477.1 2.61          (name, MB per CPU second, ratio)
 *     zstd 377.0 3.05
 *
 * Only the compression is timed: the file is in memory before. Every piece is an object of its own, as in sluice.
 */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <fcntl.h>
#ifdef HAVE_LIBISAL
#include <isa-l/igzip_lib.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { PIECE = 1 << 20, ROOM = 2 << 20 };

struct codec {
    const char *name;
    void (*open)(void);
    size_t (*run)(const unsigned char *in, size_t n, unsigned char *out);
};

#ifdef HAVE_LIBISAL
static struct isal_zstream stream;

static void gzip_open(void)
{
    isal_deflate_init(&stream);
    stream.level = 1;
    stream.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    stream.level_buf = mem_alloc(ISAL_DEF_LVL1_DEFAULT);
    stream.gzip_flag = IGZIP_GZIP;
}

static size_t gzip_run(const unsigned char *in, size_t n, unsigned char *out)
{
    isal_deflate_reset(&stream);
    stream.gzip_flag = IGZIP_GZIP; /* which the library changes once a header is written */
    stream.next_in = (uint8_t *)(uintptr_t)in;
    stream.avail_in = (uint32_t)n;
    stream.end_of_stream = 1;
    stream.next_out = out;
    stream.avail_out = ROOM;
    if (isal_deflate(&stream) != COMP_OK)
        return 0;
    return stream.total_out;
}
#else
static z_stream stream;

static void gzip_open(void)
{
    if (deflateInit2(&stream, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        stream.state = NULL;
}

static size_t gzip_run(const unsigned char *in, size_t n, unsigned char *out)
{
    deflateReset(&stream);
    stream.next_in = (unsigned char *)(uintptr_t)in;
    stream.avail_in = (unsigned)n;
    stream.next_out = out;
    stream.avail_out = ROOM;
    return deflate(&stream, Z_FINISH) == Z_STREAM_END ? stream.total_out : 0;
}
#endif

static ZSTD_CCtx *zstd;

static void zstd_open(void)
{
    zstd = ZSTD_createCCtx();
}

static size_t zstd_run(const unsigned char *in, size_t n, unsigned char *out)
{
    size_t got = ZSTD_compressCCtx(zstd, out, ROOM, in, n, 1);

    return ZSTD_isError(got) ? 0 : got;
}

static const struct codec CODECS[] = {{"gzip", gzip_open, gzip_run}, {"zstd", zstd_open, zstd_run}};

static double cpu_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int measure(const struct codec *c, const unsigned char *data, size_t size)
{
    unsigned char *out = mem_alloc(ROOM);
    double began;
    size_t total = 0;

    c->open();
    c->run(data, size < PIECE ? size : PIECE, out); /* warms caches and tables */
    began = cpu_now();
    for (size_t at = 0; at < size; at += PIECE) {
        size_t got = c->run(data + at, size - at < PIECE ? size - at : PIECE, out);

        if (got == 0) {
            fprintf(stderr, "bench_codec: %s failed\n", c->name);
            return -1;
        }
        total += got;
    }
    printf("%s %.1f %.3f\n", c->name, (double)size / 1e6 / (cpu_now() - began), (double)size / (double)total);
    mem_free(out);
    return 0;
}

static unsigned char *map_file(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *p;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0) {
        perror(path);
        return NULL;
    }
    *size = (size_t)st.st_size;
    p = mmap(NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED) {
        perror(path);
        return NULL;
    }
    return p;
}

int main(int argc, char **argv)
{
    size_t size = 0;
    unsigned char *data;

    if (argc != 2) {
        fputs("usage: bench_codec FILE\n", stderr);
        return 2;
    }
    data = map_file(argv[1], &size);
    if (!data)
        return 1;
    for (size_t i = 0; i < sizeof(CODECS) / sizeof(CODECS[0]); i++)
        if (measure(&CODECS[i], data, size) < 0)
            return 1;
    return 0;
}
