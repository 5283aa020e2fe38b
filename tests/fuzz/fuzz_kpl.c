/* fuzz_kpl.c -- the message of a record that the Kinesis Producer Library made of many: whatever it is, it is malformed or all of it can be
 * read, twice the same, and nothing beside it.
 *
 * The input is the message alone. Magic and digest are put around it here: no fuzzer finds a digest. */
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/unpack/kpl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool is_within(struct slice part, struct slice whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void read_all(struct slice record, const struct kpl_reader *opened)
{
    struct kpl_reader plain = *opened, whole = *opened;
    struct kpl_keys keys = {.n = 0};
    struct kpl_record x;
    struct slice part;
    size_t n = 0;

    kpl_keys_read(&keys, opened);
    check(keys.n <= KPL_KEYS_MAX);
    for (; kpl_next_record(&whole, &keys, &x); n++) {
        check(is_within(x.data, record) && (!x.has_key || is_within(x.key, record)));
        check(kpl_next(&plain, &part) && slice_eq(part, x.data));
    }
    check(n > 0 && !kpl_next(&plain, &part));
    kpl_keys_release(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char MAGIC[] = {'\xf3', '\x89', '\x9a', '\xc2'};
    size_t n = sizeof(MAGIC) + size + MD5_BYTES;
    unsigned char md5[MD5_BYTES];
    struct kpl_reader r;
    const char *why = NULL;
    char *record = malloc(n);

    check(record != NULL);
    memcpy(record, MAGIC, sizeof(MAGIC));
    if (size > 0)
        memcpy(record + sizeof(MAGIC), data, size);
    if (md5_of(slice_of(record + sizeof(MAGIC), size), md5)) {
        memcpy(record + sizeof(MAGIC) + size, md5, sizeof(md5));
        switch (kpl_open(&r, slice_of(record, n), &why)) {
        case KPL_AGGREGATED:
            read_all(slice_of(record, n), &r);
            break;
        case KPL_MALFORMED:
            check(why != NULL);
            break;
        case KPL_NOT:
            abort();
        }
    }
    free(record);
    return 0;
}
