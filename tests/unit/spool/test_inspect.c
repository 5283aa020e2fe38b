/* What fsck says of a folder, and that it leaves the folder as it was. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/inspect.h"

enum { PER_FRAME = 5, FRAMES = 6 };

struct seen {
    struct spool_damage damage[8];
    char file[8][SEGMENT_NAME_BYTES];
    size_t count;
};

static void note_damage(void *ctx, const struct spool_damage *d)
{
    struct seen *seen = ctx;

    assert_true(seen->count < sizeof(seen->damage) / sizeof(seen->damage[0]));
    seen->damage[seen->count] = *d;
    snprintf(seen->file[seen->count++], sizeof(seen->file[0]), "%s", d->file);
}

static struct spool_report inspect(struct fixture *x, struct seen *seen)
{
    struct spool_report r;
    struct err e;

    *seen = (struct seen){0};
    if (spool_inspect(x->dir, &r, note_damage, seen, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(r.damages, seen->count);
    return r;
}

/* Six frames, the first two sealed and settled, the third one sealed, a position. */
static void fill(struct fixture *x)
{
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(append_some(x, "r", PER_FRAME, NULL), SPOOL_TAKEN);
        commit(x);
    }
    assert_int_equal(seal_up_to(x, 2 * PER_FRAME + 1, "n", NULL), 1);
    assert_int_equal(seal_up_to(x, 3 * PER_FRAME + 1, "n", NULL), 2 * PER_FRAME + 1);
    spool_remember(x->spool, SLICE("a source"), SLICE("a cursor"));
    commit(x);
    settle(x, 1, 2 * PER_FRAME);
    commit(x);
}

static off_t log_end; /* behind it there may be zeros */

static int setup_with(void **state, uint64_t segment_bytes)
{
    struct fixture *x = fixture_new(false, 64 * MIB, segment_bytes);

    fill(x);
    log_end = (off_t)spool_active(x->spool)->size;
    close_spool(x);
    *state = x;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 0);
}

static int setup_small(void **state)
{
    return setup_with(state, 500);
}

static int teardown(void **state)
{
    struct fixture *x = *state;

    remove_tree(x->dir);
    open_spool(x);
    fixture_free(x);
    return 0;
}

static int open_segment(struct fixture *x, int number)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%020d.seg", x->dir, number);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static off_t length(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size;
}

static void flip(int fd, off_t at)
{
    unsigned char c;

    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 1;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

static void it_counts_what_is_there(void **state)
{
    struct seen seen;
    struct spool_report r = inspect(*state, &seen);

    assert_int_equal(r.incoming, FRAMES * PER_FRAME);
    assert_int_equal(r.waiting, (FRAMES - 2) * PER_FRAME);
    assert_int_equal(r.pending_seals, 1);
    assert_int_equal(r.positions, 1);
    assert_int_equal(r.segments, 1);
    assert_int_equal(r.torn_bytes, 0);
    assert_int_equal(r.damages, 0);
    assert_true(r.bytes > 0);
}

static void it_counts_over_many_segments(void **state)
{
    struct seen seen;
    struct spool_report r = inspect(*state, &seen);

    assert_int_equal(r.incoming, FRAMES * PER_FRAME);
    assert_int_equal(r.waiting, (FRAMES - 2) * PER_FRAME);
    assert_int_equal(r.pending_seals, 1);
    assert_true(r.segments > 1);
    assert_int_equal(r.damages, 0);
}

static void no_folder_is_an_empty_report(void **state)
{
    struct fixture *x = *state;
    struct spool_report r;
    struct seen seen;

    remove_tree(x->dir);
    r = inspect(x, &seen);
    assert_int_equal(r.segments, 0);
    assert_int_equal(r.incoming, 0);
    assert_int_equal(r.damages, 0);
}

static void a_write_that_was_cut_short_is_no_damage(void **state)
{
    struct fixture *x = *state;
    struct spool_report r;
    struct seen seen;
    int fd = open_segment(x, 1);
    off_t size = length(fd), end;
    char torn[FRAME_HEADER_BYTES];

    memset(torn, 'x', sizeof(torn));
    memcpy(torn, "SLFR", 4);
    assert_int_equal(pwrite(fd, torn, sizeof(torn), log_end), sizeof(torn));
    r = inspect(x, &seen);
    assert_int_equal(r.torn_bytes, sizeof(torn));
    assert_int_equal(r.damages, 0);
    end = log_end + (off_t)sizeof(torn);
    assert_int_equal(length(fd), size > end ? size : end); /* it changes nothing */
    close(fd);
}

static void a_damaged_frame_is_said_with_its_place_and_its_records(void **state)
{
    struct fixture *x = *state;
    struct spool_report r;
    struct seen seen;
    unsigned char head[FRAME_HEADER_BYTES];
    struct frame_header h;
    off_t at = SEGMENT_HEADER_BYTES;
    int fd = open_segment(x, 1);

    do { /* the first frame of records */
        assert_int_equal(pread(fd, head, sizeof(head), at), sizeof(head));
        assert_true(frame_header_decode(head, 1, (uint64_t)at, &h));
        at += (off_t)frame_header_total(&h);
    } while (h.type != FRAME_DATA);
    flip(fd, at - 1); /* its last payload byte */
    close(fd);
    r = inspect(x, &seen);
    assert_int_equal(r.damages, 1);
    assert_int_equal(r.lost_records, PER_FRAME);
    assert_string_equal(seen.file[0], "00000000000000000001.seg");
    assert_int_equal(seen.damage[0].offset, (uint64_t)at - frame_header_total(&h));
    assert_int_equal(seen.damage[0].records, PER_FRAME);
    assert_int_equal(r.incoming, FRAMES * PER_FRAME);
}

static void a_newer_format_cannot_be_looked_through(void **state)
{
    struct segment_header h = {.format = SEGMENT_FORMAT + 1, .number = 1, .first = 1};
    unsigned char head[SEGMENT_HEADER_BYTES];
    struct fixture *x = *state;
    struct spool_report r;
    struct seen seen;
    struct err e;
    int fd = open_segment(x, 1);

    segment_header_encode(&h, head);
    assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
    close(fd);
    assert_int_equal(spool_inspect(x->dir, &r, note_damage, &seen, &e), -1);
    assert_non_null(strstr(e.msg, "newer sluice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_counts_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(it_counts_over_many_segments, setup_small, teardown),
        cmocka_unit_test_setup_teardown(no_folder_is_an_empty_report, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_was_cut_short_is_no_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_frame_is_said_with_its_place_and_its_records, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_format_cannot_be_looked_through, setup, teardown),
    };

    return cmocka_run_group_tests_name("inspect", tests, NULL, NULL);
}
