/* Zeros in front of small writes: where they are, and that nobody takes them for anything. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/inspect.h"

enum { PER_FRAME = 2, SEGMENT = 64 * 1024, MORE = 20 };

static struct {
    bool refuses_zeros;
    bool allocates_late; /* it has no room for zeros, and says so when it is synced */
    bool holds_zeros;
} disk;

static bool is_zeros(const struct iovec *v)
{
    const char *p = v->iov_base;

    for (size_t i = 0; i < v->iov_len; i++)
        if (p[i])
            return false;
    return v->iov_len > 0;
}

static ssize_t disk_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    ssize_t half;

    disk.holds_zeros |= count == 1 && is_zeros(v);
    if (!disk.refuses_zeros || count != 1 || !is_zeros(v))
        return pwritev(fd, v, count, offset);
    half = pwrite(fd, v->iov_base, v->iov_len / 2, offset);
    assert_int_equal(half, v->iov_len / 2);
    errno = ENOSPC;
    return -1;
}

static int disk_ftruncate(int fd, off_t size)
{
    disk.holds_zeros = false;
    return ftruncate(fd, size);
}

static int disk_fdatasync(int fd)
{
    if (!disk.allocates_late || !disk.holds_zeros)
        return fdatasync(fd);
    errno = ENOSPC;
    return -1;
}

static struct io_ops disk_ops;

static int setup(void **state)
{
    struct fixture *x = fixture_new(false, 64 * MIB, SEGMENT);

    disk.refuses_zeros = disk.allocates_late = disk.holds_zeros = false;
    disk_ops = io_ops_real;
    disk_ops.pwritev = disk_pwritev;
    disk_ops.ftruncate = disk_ftruncate;
    disk_ops.fdatasync = disk_fdatasync;
    close_spool(x);
    x->conf.files = &disk_ops;
    open_spool(x);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void put(struct fixture *x, int frames)
{
    for (int i = 0; i < frames; i++) {
        assert_int_equal(append_some(x, "r and some text", PER_FRAME, NULL), SPOOL_TAKEN);
        commit(x);
    }
}

static uint64_t log_end(const struct fixture *x)
{
    return spool_active(x->spool)->size;
}

static uint64_t file_end(const struct fixture *x)
{
    struct stat st;

    assert_int_equal(fstat(spool_active(x->spool)->fd, &st), 0);
    return (uint64_t)st.st_size;
}

static uint64_t incoming(struct fixture *x)
{
    struct spool_books b;

    spool_books(spool_reader(x->spool, 0), &b);
    return b.incoming;
}

static void ignore_damage(void *ctx, const struct spool_damage *d)
{
    (void)ctx;
    (void)d;
}

static struct spool_report inspect(const char *dir)
{
    struct spool_report r;
    struct err e;

    assert_int_equal(spool_inspect(dir, &r, ignore_damage, NULL, &e), 0);
    return r;
}

/* A second spool on what a crash of the first would leave; closed. */
static struct fixture *crashed(struct fixture *x)
{
    struct fixture *y = fixture_new(false, 64 * MIB, SEGMENT);

    close_spool(y);
    copy_folder(x->dir, y->dir);
    return y;
}

static void flip(const char *dir, uint64_t segment, uint64_t at)
{
    char *path = segment_path(dir, segment), c;
    int fd = open(path, O_RDWR);

    assert_int_equal(pread(fd, &c, 1, (off_t)at), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
    close(fd);
    mem_free(path);
}

static void small_rounds_seldom_change_the_length_of_the_file(void **state)
{
    struct fixture *x = *state;
    int changed = 0;

    put(x, AHEAD_ROUNDS + 1);
    assert_true(file_end(x) > log_end(x));
    for (int i = 0; i < MORE; i++) {
        uint64_t before = file_end(x);

        put(x, 1);
        assert_true(file_end(x) >= log_end(x));
        changed += file_end(x) != before;
    }
    assert_true(changed <= MORE / 2);
}

static void it_begins_with_some_small_rounds_in_a_row(void **state)
{
    struct fixture *x = *state;

    for (int i = 0; i < 3; i++) {
        put(x, AHEAD_ROUNDS - 2);
        assert_int_equal(append_some(x, "r and some text", AHEAD_ROUND_MAX / 10, NULL), SPOOL_TAKEN);
        commit(x);
    }
    assert_int_equal(file_end(x), log_end(x));
}

static void no_file_is_longer_than_a_segment(void **state)
{
    struct fixture *x = *state;
    uint64_t number = spool_active(x->spool)->number;

    while (spool_active(x->spool)->number == number) {
        put(x, 1);
        assert_true(file_end(x) <= SEGMENT);
    }
}

static void a_crash_finds_nothing_torn_and_nothing_damaged(void **state)
{
    struct fixture *x = *state, *y;

    put(x, AHEAD_ROUNDS + 3);
    y = crashed(x);
    assert_int_equal(inspect(y->dir).torn_bytes, 0);
    assert_int_equal(inspect(y->dir).damages, 0);
    open_spool(y);
    assert_false(y->found.damaged);
    assert_int_equal(y->found.torn_bytes, 0);
    assert_int_equal(incoming(y), incoming(x));
    put(y, 1);
    assert_int_equal(incoming(y), incoming(x) + PER_FRAME);
    fixture_free(y);
}

static void a_write_that_was_cut_short_among_them_is_told_as_long_as_it_is(void **state)
{
    struct fixture *x = *state, *y;
    char mark[512];
    uint64_t before;

    put(x, AHEAD_ROUNDS + 1);
    before = log_end(x);
    put(x, 1);
    y = crashed(x);
    flip(y->dir, spool_active(x->spool)->number, log_end(x) - 1);
    assert_int_equal(inspect(y->dir).damages, 1); /* the mark knows that it was safe */
    snprintf(mark, sizeof(mark), "%s/mark", y->dir);
    assert_int_equal(unlink(mark), 0);
    assert_int_equal(inspect(y->dir).damages, 0);
    assert_int_equal(inspect(y->dir).torn_bytes, log_end(x) - before);
    open_spool(y);
    assert_int_equal(y->found.torn_bytes, log_end(x) - before);
    assert_int_equal(incoming(y), incoming(x) - PER_FRAME);
    fixture_free(y);
}

static void they_are_no_damage_when_the_next_checkpoint_is(void **state)
{
    struct fixture *x = *state, *y;
    uint64_t number = spool_active(x->spool)->number;

    put(x, AHEAD_ROUNDS + 1);
    assert_true(file_end(x) > log_end(x));
    for (int i = 0; spool_active(x->spool)->number == number; i++) {
        assert_true(i < 100);
        assert_int_equal(append_some(x, "r and some text", 100, NULL), SPOOL_TAKEN);
        commit(x);
    }
    y = crashed(x);
    flip(y->dir, number + 1, SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 3);
    assert_int_equal(inspect(y->dir).damages, 1); /* the checkpoint, and nothing else */
    open_spool(y);
    fixture_free(y);
}

static void a_disk_that_has_no_room_for_them_takes_records_as_before(void **state)
{
    struct answer a = {.calls = 0};
    struct fixture *x = *state;

    disk.refuses_zeros = true;
    put(x, AHEAD_ROUNDS - 1);
    assert_int_equal(append_some(x, "r", PER_FRAME, &a), SPOOL_TAKEN);
    commit(x);
    assert_true(a.calls == 1 && a.safe);
    assert_int_equal(file_end(x), log_end(x)); /* what had room is given back */
    put(x, 1);
    disk.refuses_zeros = false;
    put(x, AHEAD_ROUNDS);
    assert_true(file_end(x) > log_end(x));
    reopen_spool(x);
    assert_int_equal(x->found.torn_bytes, 0);
    assert_int_equal(incoming(x), (2 * AHEAD_ROUNDS + 1) * PER_FRAME);
}

/* A round that fails because of them is tried again without. */
static void a_disk_that_misses_room_only_at_the_sync_takes_records_again(void **state)
{
    struct fixture *x = *state;

    put(x, AHEAD_ROUNDS - 1);
    assert_int_equal(file_end(x), log_end(x));
    disk.allocates_late = true;
    assert_int_equal(append_some(x, "r and some text", PER_FRAME, NULL), SPOOL_TAKEN);
    commit(x);
    assert_int_equal(incoming(x), (AHEAD_ROUNDS - 1) * PER_FRAME);
    commit(x);
    disk.allocates_late = false; /* where few rounds are some, the next one has zeros again */
    assert_int_equal(append_some(x, "r and some text", PER_FRAME, NULL), SPOOL_TAKEN);
    commit(x);
    assert_int_equal(incoming(x), AHEAD_ROUNDS * PER_FRAME);
    spool_check(x);
}

static void a_stream_in_memory_has_none(void **state)
{
    struct fixture *x = fixture_new(true, 64 * MIB, SEGMENT);

    (void)state;
    put(x, AHEAD_ROUNDS + 1);
    assert_int_equal(file_end(x), log_end(x));
    fixture_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_rounds_seldom_change_the_length_of_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(it_begins_with_some_small_rounds_in_a_row, setup, teardown),
        cmocka_unit_test_setup_teardown(no_file_is_longer_than_a_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(a_crash_finds_nothing_torn_and_nothing_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_was_cut_short_among_them_is_told_as_long_as_it_is, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(they_are_no_damage_when_the_next_checkpoint_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_has_no_room_for_them_takes_records_as_before, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_misses_room_only_at_the_sync_takes_records_again, setup, teardown),
        cmocka_unit_test(a_stream_in_memory_has_none),
    };

    return cmocka_run_group_tests_name("ahead", tests, NULL, NULL);
}
