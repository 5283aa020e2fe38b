#include "tests/support/cmocka.h"

/* Reads and writes that come short, are interrupted or fail; folders that are made and synced. */
#include "pipeline/base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- a disk that takes three bytes at a time and is interrupted before each ---------------------------------------- */

static struct {
    char bytes[64];
    size_t n;
    unsigned calls;
    int fails_with; /* at the third call */
} disk;

static bool interrupted(void)
{
    disk.calls++;
    errno = disk.calls % 2 ? EINTR : disk.fails_with;
    return disk.calls % 2 || (disk.calls > 3 && disk.fails_with);
}

static ssize_t read_three(int fd, void *p, size_t n, off_t offset)
{
    size_t left = disk.n - (size_t)offset, take = n < 3 ? n : 3;

    (void)fd;
    if (interrupted())
        return -1;
    take = take < left ? take : left;
    memcpy(p, disk.bytes + offset, take);
    return (ssize_t)take;
}

static ssize_t write_three(int fd, const struct iovec *v, int count, off_t offset)
{
    size_t done = 0;

    (void)fd;
    if (interrupted())
        return -1;
    for (int i = 0; i < count; i++)
        for (size_t at = 0; at < v[i].iov_len && done < 3; at++)
            disk.bytes[(size_t)offset + done++] = ((const char *)v[i].iov_base)[at];
    disk.n = (size_t)offset + done;
    return (ssize_t)done;
}

static ssize_t write_nothing(int fd, const struct iovec *v, int count, off_t offset)
{
    (void)fd;
    (void)v;
    (void)count;
    (void)offset;
    return 0;
}

static const struct io_ops slow = {.pread = read_three, .pwritev = write_three};
static const struct io_ops stuck = {.pwritev = write_nothing};

static int fresh(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof(disk));
    return 0;
}

static void all_is_written_in_spite_of_short_counts(void **state)
{
    char a[] = "abcd", b[] = "", c[] = "efgh";
    struct iovec v[] = {{b, 0}, {a, 4}, {b, 0}, {c, 4}, {b, 0}};

    (void)state;
    assert_int_equal(io_write_at(&slow, 0, v, 5, 2), 0);
    assert_int_equal(disk.n, 10);
    assert_memory_equal(disk.bytes + 2, "abcdefgh", 8);
}

static void a_write_that_fails_says_why(void **state)
{
    char a[] = "abcdefgh";
    struct iovec v = {a, 8};

    (void)state;
    disk.fails_with = ENOSPC;
    assert_int_equal(io_write_at(&slow, 0, &v, 1, 0), -1);
    assert_int_equal(errno, ENOSPC);
    v = (struct iovec){a, 8};
    assert_int_equal(io_write_at(&stuck, 0, &v, 1, 0), -1);
    assert_int_equal(errno, EIO);
}

static void a_read_is_short_only_at_the_end(void **state)
{
    char out[16];
    size_t got;

    (void)state;
    memcpy(disk.bytes, "0123456789", 10);
    disk.n = 10;
    assert_int_equal(io_read_at(&slow, 0, out, 5, 1, &got), 0);
    assert_int_equal(got, 5);
    assert_memory_equal(out, "12345", 5);
    assert_int_equal(io_read_at(&slow, 0, out, sizeof(out), 4, &got), 0);
    assert_int_equal(got, 6);
    disk.calls = 0;
    disk.fails_with = EIO;
    assert_int_equal(io_read_at(&slow, 0, out, 10, 0, &got), -1);
    assert_int_equal(errno, EIO);
}

/* --- real files ------------------------------------------------------------------------------------------------------ */

static void a_file_is_read_to_its_end_or_to_the_maximum(void **state)
{
    char name[] = "/tmp/sluice-io-XXXXXX";
    int fd = mkstemp(name);
    struct buf all, part;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(io_write_all(fd, SLICE("one two three")), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    buf_init(&all, 100);
    assert_int_equal(io_read_all(fd, &all), 0);
    assert_true(slice_eq(buf_slice(&all), SLICE("one two three")));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    buf_init(&part, 7);
    assert_int_equal(io_read_all(fd, &part), 0);
    assert_true(slice_eq(buf_slice(&part), SLICE("one two")));
    buf_clear(&all);
    close(fd);
    assert_int_equal(io_read_all(fd, &all), -1);
    assert_int_equal(errno, EBADF);
    buf_release(&all);
    buf_release(&part);
    unlink(name);
}

static unsigned synced;
static int sync_fails_with;
static char last_synced[64]; /* below the top */

/* Only folders in order to be synced: the top, and below it. */
static int open_real(const char *path, int flags, mode_t mode)
{
    size_t top = sizeof("/tmp/sluice-folders-XXXXXX") - 1;

    snprintf(last_synced, sizeof(last_synced), "%s", path[top] == '/' ? path + top + 1 : "");
    return open(path, flags | O_CLOEXEC, mode);
}

static int count_sync(int fd)
{
    (void)fd;
    synced++;
    errno = sync_fails_with;
    return sync_fails_with ? -1 : 0;
}

static const struct io_ops counting = {.open = open_real, .fsync = count_sync};

static void each_folder_that_is_made_is_synced_into_its_parent(void **state)
{
    char top[] = "/tmp/sluice-folders-XXXXXX", path[64];
    struct stat st;
    struct err e = {0};

    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(path, sizeof(path), "%s/a/b", top);
    synced = 0;
    for (int again = 0; again < 2; again++)
        assert_int_equal(io_make_folder(&counting, path, &e), 0);
    assert_int_equal(synced, 2);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/a//b//", top);
    last_synced[0] = '\0';
    assert_int_equal(io_make_folder(&counting, path, &e), 0);
    assert_true(strcmp(last_synced, "a") == 0 || strcmp(last_synced, "a/") == 0);
    snprintf(path, sizeof(path), "%s/a/b", top);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    rmdir(path);
    sync_fails_with = EINVAL; /* nothing to sync there */
    assert_int_equal(io_make_folder(&counting, path, &e), 0);
    rmdir(path);
    sync_fails_with = EIO;
    assert_int_equal(io_make_folder(&counting, path, &e), -1);
    assert_non_null(strstr(e.msg, "/a: "));
    sync_fails_with = 0;
    rmdir(path);
    snprintf(path, sizeof(path), "%s/a", top);
    rmdir(path);
    rmdir(top);
}

static void a_file_in_the_way_of_a_folder_is_named(void **state)
{
    char name[] = "/tmp/sluice-io-XXXXXX", path[64];
    int fd = mkstemp(name);
    struct err e = {0};

    (void)state;
    snprintf(path, sizeof(path), "%s/below/it", name);
    assert_int_equal(io_make_folder(&io_ops_real, path, &e), -1);
    assert_non_null(strstr(e.msg, path));
    close(fd);
    unlink(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_is_written_in_spite_of_short_counts, fresh),
        cmocka_unit_test_setup(a_write_that_fails_says_why, fresh),
        cmocka_unit_test_setup(a_read_is_short_only_at_the_end, fresh),
        cmocka_unit_test(a_file_is_read_to_its_end_or_to_the_maximum),
        cmocka_unit_test(each_folder_that_is_made_is_synced_into_its_parent),
        cmocka_unit_test(a_file_in_the_way_of_a_folder_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
