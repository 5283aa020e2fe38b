#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/delivery/seal_meta.h"

static void a_note_comes_back_as_it_was_written(void **state)
{
    const struct seal_meta in = {.name = SLICE("app/2026/11/22/x y-1.gz"),
                                 .format = "lines",
                                 .codec = "gzip",
                                 .level = 6,
                                 .epoch = 0xfedcba9876543210};
    struct seal_meta out;
    struct buf b;

    (void)state;
    buf_init(&b, SEAL_META_MAX);
    assert_int_equal(seal_meta_write(&in, &b), 0);
    assert_int_equal(seal_meta_read(buf_slice(&b), &out), 0);
    assert_true(slice_eq(in.name, out.name));
    assert_string_equal(out.format, "lines");
    assert_string_equal(out.codec, "gzip");
    assert_int_equal(out.level, 6);
    assert_true(out.epoch == in.epoch);
    assert_int_equal(out.keys.n, 0);
    buf_release(&b);
}

static void a_note_of_version_0_1_0_has_no_epoch(void **state)
{
    static const char OLD[] = "1\0app/k.gz\0lines\0gzip\0006";
    struct seal_meta out;

    (void)state;
    assert_int_equal(seal_meta_read(slice_of(OLD, sizeof(OLD)), &out), 0);
    assert_true(slice_is(out.name, "app/k.gz"));
    assert_int_equal(out.level, 6);
    assert_int_equal(out.epoch, 0);
    assert_int_equal(seal_meta_read(SLICE("no note"), &out), -1);
}

static void partition_keys_go_with_the_note(void **state)
{
    static char many[SEAL_META_KEYS_MAX + 1];
    struct seal_meta in = {.name = SLICE("k"), .format = "lines", .codec = "none", .epoch = 7}, out;
    struct buf b;

    (void)state;
    in.keys = slice_of("service\0web\0tenant\0\0", 20);
    buf_init(&b, SEAL_META_MAX);
    assert_int_equal(seal_meta_write(&in, &b), 0);
    assert_int_equal(seal_meta_read(buf_slice(&b), &out), 0);
    assert_true(slice_eq(in.keys, out.keys) && slice_eq(in.name, out.name) && out.epoch == 7);
    for (size_t n = 0; n < b.n; n++) /* but for what holds one key less */
        assert_int_equal(seal_meta_read(slice_of(b.p, n), &out), n == b.n - 8 ? 0 : -1);
    buf_clear(&b);
    in.keys = slice_of(many, sizeof(many));
    assert_int_equal(seal_meta_write(&in, &b), -1);
    buf_release(&b);
}

static void a_greatest_size_goes_with_the_note(void **state)
{
    struct seal_meta in = {.name = SLICE("k"), .format = "lines", .codec = "gzip", .epoch = 7, .body_max = 0x280000000},
                     out;
    struct buf b;

    (void)state;
    buf_init(&b, SEAL_META_MAX);
    assert_int_equal(seal_meta_write(&in, &b), 0);
    assert_int_equal(seal_meta_read(buf_slice(&b), &out), 0);
    assert_true(out.body_max == in.body_max && out.epoch == 7 && out.keys.n == 0);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(seal_meta_read(slice_of(b.p, n), &out), -1);
    buf_clear(&b);
    in.keys = slice_of("service\0web\0", 12);
    assert_int_equal(seal_meta_write(&in, &b), 0);
    assert_int_equal(seal_meta_read(buf_slice(&b), &out), 0);
    assert_true(out.body_max == in.body_max && slice_eq(in.keys, out.keys));
    for (size_t n = 0; n < b.n; n++) /* but for what holds no key */
        assert_int_equal(seal_meta_read(slice_of(b.p, n), &out), n == b.n - 12 ? 0 : -1);
    buf_release(&b);
}

static void a_name_may_be_empty(void **state)
{
    const struct seal_meta in = {.name = {NULL, 0}, .format = "raw", .codec = "none", .level = 0};
    struct seal_meta out;
    struct buf b;

    (void)state;
    buf_init(&b, SEAL_META_MAX);
    assert_int_equal(seal_meta_write(&in, &b), 0);
    assert_int_equal(seal_meta_read(buf_slice(&b), &out), 0);
    assert_int_equal(out.name.n, 0);
    buf_release(&b);
}

static void every_truncation_and_a_newer_version_are_refused(void **state)
{
    const struct seal_meta in = {.name = SLICE("k"), .format = "lines", .codec = "zstd", .level = 1};
    struct seal_meta out;
    struct buf b;

    (void)state;
    buf_init(&b, SEAL_META_MAX);
    assert_int_equal(seal_meta_write(&in, &b), 0);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(seal_meta_read(slice_of(b.p, n), &out), -1);
    b.p[0] = '3';
    assert_int_equal(seal_meta_read(buf_slice(&b), &out), -1);
    buf_release(&b);
}

static void a_note_that_is_too_long_is_refused_whole(void **state)
{
    static char name[SEAL_META_MAX];
    const struct seal_meta in = {.name = slice_of(memset(name, 'x', sizeof(name)), sizeof(name)),
                                 .format = "lines",
                                 .codec = "none",
                                 .level = 0};
    struct buf b;

    (void)state;
    buf_init(&b, SEAL_META_MAX);
    assert_int_equal(seal_meta_write(&in, &b), -1);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_comes_back_as_it_was_written),
        cmocka_unit_test(a_note_of_version_0_1_0_has_no_epoch),
        cmocka_unit_test(partition_keys_go_with_the_note),
        cmocka_unit_test(a_greatest_size_goes_with_the_note),
        cmocka_unit_test(a_name_may_be_empty),
        cmocka_unit_test(every_truncation_and_a_newer_version_are_refused),
        cmocka_unit_test(a_note_that_is_too_long_is_refused_whole),
    };

    return cmocka_run_group_tests_name("seal_meta", tests, NULL, NULL);
}
