/* Files that are written over: in which order, when not, and what is made of the bytes that an earlier life left. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/inspect.h"
#include "pipeline/spool/spool_impl.h"
#include "pipeline/spool/staged.h"

enum { SEGMENT = 2000, PER_FRAME = 5, CALLS_MAX = 4000 };

/* --- a disk that remembers what it was asked ------------------------------------------------------------------------
 */

struct call {
    char what; /* w(rite), s(ync), f(older), r(ename) */
    ino_t inode;
    char to[64];
};

static struct {
    struct call calls[CALLS_MAX];
    size_t count;
    bool full;
} disk;

static struct call *note(char what, ino_t inode)
{
    assert_true(disk.count < CALLS_MAX);
    disk.calls[disk.count] = (struct call){.what = what, .inode = inode};
    return &disk.calls[disk.count++];
}

static ino_t inode_of(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

static ssize_t disk_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    if (disk.full) {
        errno = ENOSPC;
        return -1;
    }
    note('w', inode_of(fd));
    return pwritev(fd, v, count, offset);
}

static int disk_fdatasync(int fd)
{
    note('s', inode_of(fd));
    return 0;
}

static int disk_fsync(int fd)
{
    note('f', inode_of(fd));
    return 0;
}

static int disk_rename(const char *from, const char *to)
{
    struct stat st;

    assert_int_equal(stat(from, &st), 0);
    snprintf(note('r', st.st_ino)->to, sizeof(disk.calls[0].to), "%.63s", strrchr(to, '/') + 1);
    return rename(from, to);
}

static struct io_ops disk_ops;

static int setup_with(void **state, bool memory)
{
    struct fixture *x = fixture_new(memory, 64 * MIB, SEGMENT);

    disk.count = 0;
    disk.full = false;
    disk_ops = io_ops_real;
    disk_ops.pwritev = disk_pwritev;
    disk_ops.fdatasync = disk_fdatasync;
    disk_ops.fsync = disk_fsync;
    disk_ops.rename = disk_rename;
    close_spool(x);
    x->conf.files = &disk_ops;
    open_spool(x);
    *state = x;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, false);
}

static int setup_memory(void **state)
{
    return setup_with(state, true);
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* --- work -----------------------------------------------------------------------------------------------------------
 */

/* A frame, sealed, and the seal before it settled: segments pass, and something always waits. */
static void pass_one(struct fixture *x, uint64_t *unsettled)
{
    uint64_t first;

    assert_int_equal(append_some(x, "r and some text", PER_FRAME, NULL), SPOOL_TAKEN);
    commit(x);
    first = seal_up_to(x, 0, "n", NULL);
    commit(x);
    if (*unsettled)
        settle(x, *unsettled, first - *unsettled);
    *unsettled = first;
    commit(x);
    spool_check(x);
}

/* Until the segment that is written to had an earlier life and stands in the middle of it. */
static uint64_t pass_until_reused(struct fixture *x)
{
    uint64_t unsettled = 0;

    for (int i = 0; i < 200; i++) {
        const struct segment *seg;

        pass_one(x, &unsettled);
        seg = spool_active(x->spool);
        if (seg->reused > seg->size && seg->size > seg->begin + 600 && seg->reused > seg->size + 300)
            return unsettled;
    }
    fail_msg("no file was written over");
    return 0;
}

static size_t spares_on_disk(struct fixture *x)
{
    DIR *d = opendir(x->dir);
    struct dirent *entry;
    size_t n = 0;

    assert_non_null(d);
    while ((entry = readdir(d)))
        n += recycle_is_name(entry->d_name);
    closedir(d);
    return n;
}

static uint64_t pass_until_spare(struct fixture *x)
{
    uint64_t unsettled = 0;

    for (int i = 0; i < 200 && spares_on_disk(x) == 0; i++)
        pass_one(x, &unsettled);
    assert_true(spares_on_disk(x) > 0);
    return unsettled;
}

/* --- order ----------------------------------------------------------------------------------------------------------
 */

static bool is_there(size_t from, size_t to, char what, ino_t inode)
{
    for (size_t i = from; i < to; i++)
        if (disk.calls[i].what == what && (!inode || disk.calls[i].inode == inode))
            return true;
    return false;
}

static void a_file_is_written_over_in_an_order_that_no_crash_can_break(void **state)
{
    size_t spare, segment, reused = 0;
    struct fixture *x = *state;

    pass_until_reused(x);
    for (segment = 0; segment < disk.count; segment++) {
        const struct call *c = &disk.calls[segment];
        size_t written;

        if (c->what != 'r' || recycle_is_name(c->to))
            continue;
        for (spare = segment - 1; disk.calls[spare].what != 'r' || disk.calls[spare].inode != c->inode; spare--)
            ;
        assert_true(recycle_is_name(disk.calls[spare].to));
        for (written = spare; !is_there(spare, written, 'w', c->inode); written++)
            ;
        assert_true(is_there(spare, written, 'f', 0));          /* the old name is gone for good, then */
        assert_true(is_there(written, segment, 's', c->inode)); /* the new head is safe, then */
        assert_true(is_there(segment, disk.count, 'f', 0));     /* the new name, */
        for (written = segment; !is_there(segment, written, 'f', 0); written++)
            assert_false(is_there(segment, written, 'w', c->inode)); /* then the first frame */
        reused++;
    }
    assert_true(reused > 0);
}

/* --- when not -------------------------------------------------------------------------------------------------------
 */

static void there_are_never_more_than_two(void **state)
{
    struct fixture *x = *state;
    uint64_t unsettled = 0, first;

    pass_one(x, &unsettled);
    for (int i = 0; i < 100; i++)
        assert_int_equal(append_some(x, "r", PER_FRAME, NULL), SPOOL_TAKEN);
    commit(x);
    first = seal_up_to(x, 0, "n", NULL);
    commit(x);
    assert_int_equal(append_some(x, "r", PER_FRAME, NULL), SPOOL_TAKEN);
    settle(x, unsettled, first - unsettled);
    settle(x, first, spool_cut(spool_reader(x->spool, 0)).seq - first);
    commit(x);
    assert_int_equal(spares_on_disk(x), RECYCLED_MAX);
}

static void an_idle_stream_keeps_none(void **state)
{
    struct fixture *x = *state;
    uint64_t unsettled = pass_until_spare(x);

    settle(x, unsettled, spool_cut(spool_reader(x->spool, 0)).seq - unsettled);
    commit(x);
    assert_int_equal(spares_on_disk(x), 0);
}

/* What is staged for partitions shares the disk. */
static void where_others_lack_the_disk_it_keeps_none(void **state)
{
    struct fixture *x = *state;

    pass_until_spare(x);
    staged_lacks_disk(spool_reader(x->spool, 0));
    commit(x);
    assert_int_equal(spares_on_disk(x), 0);
}

static void a_stream_that_is_closed_keeps_none(void **state)
{
    struct fixture *x = *state;

    pass_until_spare(x);
    close_spool(x);
    assert_int_equal(spares_on_disk(x), 0);
    open_spool(x);
}

static void a_start_removes_what_a_crash_left(void **state)
{
    struct fixture *x = *state;
    char aside[160];

    pass_until_spare(x);
    snprintf(aside, sizeof(aside), "%s/aside", x->root);
    copy_folder(x->dir, aside);
    close_spool(x);
    copy_folder(aside, x->dir);
    assert_true(spares_on_disk(x) > 0);
    open_spool(x);
    assert_int_equal(spares_on_disk(x), 0);
    assert_false(x->found.damaged);
}

static void a_disk_that_is_full_gets_them_back(void **state)
{
    struct answer a = {0};
    struct fixture *x = *state;

    pass_until_spare(x);
    disk.full = true;
    assert_int_equal(append_some(x, "r", 1, &a), SPOOL_TAKEN);
    commit(x);
    assert_true(a.calls == 1 && !a.safe);
    assert_int_equal(spares_on_disk(x), 0);
    disk.full = false;
    commit(x);
    assert_int_equal(append_some(x, "r", 1, &a), SPOOL_TAKEN);
    commit(x);
    assert_true(a.calls == 2 && a.safe);
}

static void a_refused_write_leaves_nothing_behind_what_is_safe(void **state)
{
    struct fixture *x = *state;
    struct answer a = {0};
    struct stat st;

    pass_until_reused(x);
    disk.full = true;
    assert_int_equal(append_some(x, "r", 1, &a), SPOOL_TAKEN);
    commit(x);
    assert_int_equal(fstat(spool_active(x->spool)->fd, &st), 0);
    assert_int_equal(st.st_size, spool_active(x->spool)->size);
    disk.full = false;
}

static void memory_is_written_over_too(void **state)
{
    struct fixture *x = *state;
    uint64_t unsettled = pass_until_reused(x);
    struct spool_cursor at = {.seq = unsettled};
    struct frame_view v;
    struct buf raw;
    struct err e;

    buf_init(&raw, FRAME_READ_MAX);
    assert_int_equal(spool_read(x->spool, &at, &raw, &v, &e), 1);
    assert_int_equal(v.first, unsettled);
    assert_int_equal(v.count, PER_FRAME);
    buf_release(&raw);
    settle(x, unsettled, PER_FRAME);
    commit(x);
    assert_int_equal(x->spool->recycled_count, 0);
}

/* --- what an earlier life left --------------------------------------------------------------------------------------
 */

static void count_damage(void *ctx, const struct spool_damage *d)
{
    (void)d;
    ++*(unsigned *)ctx;
}

static struct spool_report inspect(const char *dir, unsigned *damages)
{
    struct spool_report r;
    struct err e;

    *damages = 0;
    assert_int_equal(spool_inspect(dir, &r, count_damage, damages, &e), 0);
    assert_int_equal(r.damages, *damages);
    return r;
}

static void flip(const char *dir, uint64_t number, off_t at)
{
    char path[512];
    unsigned char c;
    int fd;

    snprintf(path, sizeof(path), "%s/%020llu.seg", dir, (unsigned long long)number);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= (unsigned char)(1 << at % 8);
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void remove_mark(const char *dir)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/mark", dir);
    assert_int_equal(unlink(path), 0);
}

/* A second spool on what a crash of the first would leave. */
static struct fixture *crashed(struct fixture *x)
{
    struct fixture *y = fixture_new(false, 64 * MIB, SEGMENT);

    close_spool(y);
    copy_folder(x->dir, y->dir);
    return y;
}

static void it_is_neither_damage_nor_torn(void **state)
{
    struct fixture *x = *state, *y;
    struct spool_books want, got;
    unsigned damages;

    pass_until_reused(x);
    y = crashed(x);
    assert_int_equal(inspect(y->dir, &damages).torn_bytes, 0);
    assert_int_equal(damages, 0);
    open_spool(y);
    assert_false(y->found.damaged);
    assert_int_equal(y->found.torn_bytes, 0);
    spool_books(spool_reader(x->spool, 0), &want);
    spool_books(spool_reader(y->spool, 0), &got);
    assert_int_equal(got.incoming, want.incoming);
    fixture_free(y);
}

static void a_torn_write_on_top_of_it_is_told_as_long_as_it_is(void **state)
{
    struct fixture *x = *state, *y;
    struct segment *seg;
    uint64_t before;
    unsigned damages;

    pass_until_reused(x);
    seg = spool_active(x->spool);
    before = seg->size;
    assert_int_equal(append_some(x, "r", PER_FRAME, NULL), SPOOL_TAKEN);
    commit(x);
    assert_ptr_equal(spool_active(x->spool), seg);
    y = crashed(x);
    flip(y->dir, seg->number, (off_t)seg->size - 1);
    inspect(y->dir, &damages);
    assert_int_equal(damages, 1); /* the mark knows that it was safe */
    remove_mark(y->dir);
    assert_int_equal(inspect(y->dir, &damages).torn_bytes, seg->size - before);
    assert_int_equal(damages, 0);
    open_spool(y);
    assert_int_equal(y->found.torn_bytes, seg->size - before);
    fixture_free(y);
}

static void it_is_no_damage_either_when_the_next_checkpoint_is(void **state)
{
    struct fixture *x = *state, *y;
    uint64_t unsettled, number;
    unsigned damages;

    unsettled = pass_until_reused(x);
    number = spool_active(x->spool)->number;
    /* The next one, while this one is still there; a frame of a size that leaves room. */
    while (spool_active(x->spool)->number == number) {
        assert_int_equal(append_some(x, "r and some text", PER_FRAME + 7, NULL), SPOOL_TAKEN);
        commit(x);
    }
    assert_true(x->spool->segment_count > 1 && unsettled > 0);
    y = crashed(x);
    flip(y->dir, number + 1, SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 3);
    inspect(y->dir, &damages);
    assert_int_equal(damages, 1); /* the checkpoint, and nothing else */
    open_spool(y);
    fixture_free(y);
}

static void any_flipped_bit_in_such_a_file_is_said_or_costs_nothing(void **state)
{
    struct fixture *x = *state, *y;
    struct segment *seg;
    struct spool_books had;
    unsigned unsaid = 0;

    pass_until_reused(x);
    spool_books(spool_reader(x->spool, 0), &had);
    seg = spool_active(x->spool);
    y = crashed(x);
    for (off_t at = 0; at < (off_t)seg->reused; at++) {
        struct spool_books b;

        copy_folder(x->dir, y->dir);
        flip(y->dir, seg->number, at);
        open_spool(y);
        spool_books(spool_reader(y->spool, 0), &b);
        assert_true(b.incoming + PER_FRAME >= had.incoming && b.incoming <= had.incoming);
        /* Where the last frame begins, one that is not known for a frame looks like what the earlier life left. */
        unsaid += !y->found.damaged && !y->found.torn_bytes;
        if (unsaid > 4 && at < (off_t)seg->size)
            fail_msg("nothing was said about the byte at %lld", (long long)at);
        if (at >= (off_t)seg->size)
            assert_true(!y->found.damaged && !y->found.torn_bytes && b.incoming == had.incoming);
        close_spool(y);
    }
    open_spool(y);
    fixture_free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_written_over_in_an_order_that_no_crash_can_break, setup, teardown),
        cmocka_unit_test_setup_teardown(there_are_never_more_than_two, setup, teardown),
        cmocka_unit_test_setup_teardown(an_idle_stream_keeps_none, setup, teardown),
        cmocka_unit_test_setup_teardown(where_others_lack_the_disk_it_keeps_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_is_closed_keeps_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_start_removes_what_a_crash_left, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_is_full_gets_them_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_write_leaves_nothing_behind_what_is_safe, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_written_over_too, setup_memory, teardown),
        cmocka_unit_test_setup_teardown(it_is_neither_damage_nor_torn, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_write_on_top_of_it_is_told_as_long_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_no_damage_either_when_the_next_checkpoint_is, setup, teardown),
        cmocka_unit_test_setup_teardown(any_flipped_bit_in_such_a_file_is_said_or_costs_nothing, setup, teardown),
    };

    return cmocka_run_group_tests_name("spare", tests, NULL, NULL);
}
