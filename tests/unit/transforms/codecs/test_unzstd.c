#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "transforms/codecs/unzstd.h"

#include <string.h>
#include <zstd.h>

#define BYTES 700000

static char text[BYTES];

static void fill(void)
{
    for (size_t i = 0; i < BYTES; i++)
        text[i] = (char)(i * 7 + i / 300);
}

/* The text in `frames` frames, to be freed. */
static struct slice packed(size_t frames)
{
    size_t each = BYTES / frames, n = 0, max = frames * ZSTD_compressBound(each);
    char *p = mem_alloc(max);

    for (size_t i = 0; i < frames; i++)
        n += ZSTD_compress(p + n, max - n, text + i * each, each, 1);
    return slice_of(p, n);
}

static void check(struct slice in, size_t max, enum err_code want, const char *says)
{
    struct err e = {.code = ERR_NONE};
    struct buf out;

    buf_init(&out, max);
    assert_int_equal(unzstd_all(in, &out, &e), want == ERR_NONE ? 0 : -1);
    assert_int_equal(e.code, want);
    if (want == ERR_NONE) {
        assert_int_equal(out.n, BYTES);
        assert_memory_equal(out.p, text, BYTES);
    } else {
        assert_non_null(strstr(e.msg, says));
        assert_true(out.n <= max);
    }
    buf_release(&out);
}

static void frames_come_back_as_they_were(void **state)
{
    const size_t counts[] = {1, 2, 7};

    (void)state;
    fill();
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct slice z = packed(counts[i]);

        check(z, 10 * BYTES, ERR_NONE, NULL);
        check(z, BYTES, ERR_NONE, NULL);
        check(z, BYTES - 1, ERR_LIMIT, "more than the limit of 699999 bytes");
        check(z, 0, ERR_LIMIT, "limit");
        mem_free((void *)(uintptr_t)z.p);
    }
}

static void what_is_cut_off_or_damaged_is_told(void **state)
{
    struct slice z;

    (void)state;
    fill();
    z = packed(1);
    for (size_t n = 4; n < z.n; n += z.n / 50 + 1)
        check(slice_of(z.p, n), 10 * BYTES, ERR_FORMAT, "zstd: ");
    memset((char *)(uintptr_t)z.p + z.n / 2, 0xff, 8);
    check(z, 10 * BYTES, ERR_FORMAT, "zstd: ");
    mem_free((void *)(uintptr_t)z.p);
    check(SLICE("\x1f\x8b\x08"), BYTES, ERR_FORMAT, "does not begin");
    check(SLICE(""), BYTES, ERR_FORMAT, "does not begin");
    check(SLICE("\x28\xb5\x2f\xfd"), BYTES, ERR_FORMAT, "cut off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back_as_they_were),
        cmocka_unit_test(what_is_cut_off_or_damaged_is_told),
    };

    return cmocka_run_group_tests_name("unzstd", tests, NULL, NULL);
}
