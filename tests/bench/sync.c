/* sync.c -- what the disk takes for one record: fdatasync() after each append of some bytes, nothing else.
 *
 *     bench_sync FOLDER BYTES COUNT
 *  -> p50_ms 0.171 p99_ms 0.402
 *
 * The yardstick of the latencies in the benchmark, measured beside them. The file has no name.
 */
#include "pipeline/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    size_t bytes = argc == 4 ? strtoull(argv[2], NULL, 10) : 0, count = argc == 4 ? strtoull(argv[3], NULL, 10) : 0;
    double *took;
    char *record;
    int fd;

    if (bytes == 0 || count == 0) {
        fputs("usage: bench_sync FOLDER BYTES COUNT\n", stderr);
        return 2;
    }
    fd = open(argv[1], O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(argv[1]);
        return 1;
    }
    took = mem_array(count, sizeof(*took));
    record = mem_alloc(bytes);
    for (size_t i = 0; i < count; i++) {
        double began = now_ms();

        if (write(fd, record, bytes) != (ssize_t)bytes || fdatasync(fd) != 0) {
            perror("bench_sync");
            return 1;
        }
        took[i] = now_ms() - began;
    }
    qsort(took, count, sizeof(*took), by_size);
    printf("p50_ms %.3f p99_ms %.3f\n", took[count / 2], took[count / 100 * 99]);
    mem_free(took);
    mem_free(record);
    close(fd);
    return 0;
}
