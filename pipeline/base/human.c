#include "pipeline/base/human.h"

#include "pipeline/base/compiler.h"

#include <inttypes.h>
#include <stdio.h>

char *human_count(uint64_t n, char *out, size_t size)
{
    char digits[24], grouped[HUMAN_MAX];
    size_t count = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n);
    size_t k = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0)
            grouped[k++] = ',';
        grouped[k++] = digits[i];
    }
    grouped[k] = '\0';
    snprintf(out, size, "%s", grouped);
    return out;
}

char *human_bytes(uint64_t bytes, char *out, size_t size)
{
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    size_t unit = 0;

    /* 1023.95 would print as 1024.0: the next unit reads better. */
    while (v >= 1023.95 && unit + 1 < ARRAY_LEN(UNITS)) {
        v /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(out, size, "%" PRIu64 " B", bytes);
    else
        snprintf(out, size, "%.1f %s", v, UNITS[unit]);
    return out;
}

char *human_duration(nsec d, char *out, size_t size)
{
    int64_t s = d / NSEC_PER_SEC;

    if (d <= 0)
        snprintf(out, size, "0 s");
    else if (s < 1)
        snprintf(out, size, "%d ms", (int)(d / NSEC_PER_MSEC));
    else if (s < 10)
        snprintf(out, size, "%" PRId64 ".%d s", s, (int)(d % NSEC_PER_SEC / (100 * NSEC_PER_MSEC)));
    else if (s < 60)
        snprintf(out, size, "%" PRId64 " s", s);
    else if (s < 3600)
        snprintf(out, size, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, size, "%" PRId64 " h %" PRId64 " min", s / 3600, s % 3600 / 60);
    else
        snprintf(out, size, "%" PRId64 " d %" PRId64 " h", s / 86400, s % 86400 / 3600);
    return out;
}

/* 100 % means all, and 0 % none. */
char *human_share(double share, char *out, size_t size)
{
    double percent = share * 100;

    if (share > 0 && percent < 0.01)
        snprintf(out, size, "less than 0.01 %%");
    else if (share > 0 && percent < 1)
        snprintf(out, size, "%.2f %%", percent);
    else if (share < 1 && percent > 99)
        snprintf(out, size, "over 99 %%");
    else
        snprintf(out, size, "%.0f %%", percent);
    return out;
}
