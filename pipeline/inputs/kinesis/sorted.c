#include "pipeline/inputs/kinesis/sorted.h"

#include <string.h>

static int order(const char *a, struct slice b)
{
    size_t n = strlen(a);
    int first = memcmp(a, b.p, n < b.n ? n : b.n);

    return first != 0 ? first : (n > b.n) - (n < b.n);
}

bool sorted_find(const void *array, size_t n, const char *(*id_of)(const void *array, size_t i), struct slice id,
                 size_t *at)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int o = order(id_of(array, mid), id);

        if (o == 0) {
            *at = mid;
            return true;
        }
        if (o < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *at = low;
    return false;
}
