/* Segments that come and go while somebody reads. */
#include "tests/unit/spool/spool_fixture.h"

/* The disk on which everything that waits is committed between a reader's decision to open a file and its opening. */
static struct {
    struct fixture *x;
    const char *suffix; /* of the path whose opening is the moment; NULL: none */
    unsigned met;
} moment;

static int open_at_the_moment(const char *path, int flags, mode_t mode)
{
    size_t n = strlen(path), m = moment.suffix ? strlen(moment.suffix) : SIZE_MAX;

    if (n >= m && strcmp(path + n - m, moment.suffix) == 0) {
        moment.suffix = NULL;
        moment.met++;
        commit(moment.x);
    }
    return io_ops_real.open(path, flags, mode);
}

static void read_one(struct fixture *x, struct spool_cursor *at, struct frame_view *v)
{
    struct buf raw;
    struct err e = {0};
    int rc;

    buf_init(&raw, MIB);
    rc = spool_read(x->spool, at, &raw, v, &e);
    if (rc != 1)
        fail_msg("%d: %s", rc, e.msg);
    buf_release(&raw);
}

static void a_segment_that_is_settled_while_it_is_being_opened_is_passed_over(void **state)
{
    static struct io_ops ops;
    struct fixture *x = fixture_new(false, MIB, 1024);
    struct spool_cursor at;
    struct frame_view v;
    uint64_t first;

    (void)state;
    ops = io_ops_real;
    ops.open = open_at_the_moment;
    x->conf.files = &ops;
    reopen_spool(x);
    append_some(x, "in the first segment ", 50, NULL);
    commit(x);
    first = seal_up_to(x, 0, "", NULL);
    append_some(x, "in the second segment ", 50, NULL);
    commit(x);
    at = spool_cut(spool_reader(x->spool, 0));
    assert_int_equal(at.segment, 1);
    settle(x, first, 50);
    moment.x = x;
    moment.suffix = "00001.seg";
    read_one(x, &at, &v);
    assert_int_equal(moment.met, 1);
    assert_int_equal(v.first, 51);
    assert_int_equal(v.count, 50);
    spool_check(x);
    fixture_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_that_is_settled_while_it_is_being_opened_is_passed_over),
    };

    return cmocka_run_group_tests_name("segments", tests, NULL, NULL);
}
