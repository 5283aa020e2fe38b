/* What an operator reads when a stream's inputs are pushed back. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/delivery/intake.h"

#include <errno.h>

static int disk_error; /* 0: the disk is well */

static ssize_t disk_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    if (disk_error != 0) {
        errno = disk_error;
        return -1;
    }
    return pwritev(fd, v, count, offset);
}

static struct io_ops disk_ops;

/* A loop on which nothing runs. */
static void post(struct delivery_loop *l, struct loop_event *ev)
{
    (void)l;
    (void)ev;
}

static const struct delivery_loop_ops loop_ops = {.post = post, .forget = post};
static struct delivery_loop loop = {.ops = &loop_ops};

struct scene {
    struct fixture *x;
    struct intake intake;
};

static int setup(void **state)
{
    struct scene *s = mem_alloc(sizeof(*s));

    disk_error = 0;
    disk_ops = io_ops_real;
    disk_ops.pwritev = disk_pwritev;
    s->x = fixture_new(false, 64 * MIB, 0);
    close_spool(s->x);
    s->x->conf.files = &disk_ops;
    open_spool(s->x);
    intake_init(&s->intake, "app", "/var/lib/data", &loop);
    s->intake.spool = s->x->spool;
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct scene *s = *state;

    intake_release(&s->intake);
    fixture_free(s->x);
    mem_free(s);
    return 0;
}

/* The disk refuses a frame; intake_disk_refused() is not called. */
static struct intake_status refused_with(struct scene *s, int error)
{
    struct intake_status status;
    struct answer a = {0};

    disk_error = error;
    assert_int_equal(append_some(s->x, "r", 1, &a), SPOOL_TAKEN);
    committer_round(s->x->committer, ++s->x->now);
    assert_false(a.safe);
    pushback_note(&s->intake.pushback, PUSHBACK_DISK, clock_mono());
    intake_status(&s->intake, clock_mono(), &status);
    assert_true(status.blocked);
    return status;
}

static void the_reason_is_known_when_an_input_is_the_first_to_hear(void **state)
{
    struct intake_status status = refused_with(*state, EFBIG);

    assert_non_null(strstr(status.cause, "File too large"));
    assert_non_null(strstr(status.hint, "LimitFSIZE="));
    assert_null(strstr(status.hint, "free space"));
}

static void a_full_disk_says_so(void **state)
{
    struct intake_status status = refused_with(*state, ENOSPC);

    assert_non_null(strstr(status.cause, "No space left on device"));
    assert_non_null(strstr(status.hint, "free space on the disk of /var/lib/data"));
}

/* It is tried again by itself; until the inputs have come back the last reason stands. */
static void the_reason_stays_when_the_disk_takes_writes_again(void **state)
{
    struct scene *s = *state;
    struct intake_status status = refused_with(s, EFBIG);
    struct err why;

    assert_true(spool_failing(s->x->spool, &why));
    intake_disk_refused(&s->intake, &why);
    disk_error = 0;
    commit(s->x);
    assert_false(spool_failing(s->x->spool, &why));
    intake_status(&s->intake, clock_mono(), &status);
    assert_true(status.blocked);
    assert_non_null(strstr(status.cause, "File too large"));
}

static void a_write_that_does_not_end_has_no_reason(void **state)
{
    struct scene *s = *state;
    struct intake_status status;

    pushback_note(&s->intake.pushback, PUSHBACK_DISK, clock_mono());
    intake_status(&s->intake, clock_mono(), &status);
    assert_non_null(strstr(status.cause, "writes to /var/lib/data have not ended for some time"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_reason_is_known_when_an_input_is_the_first_to_hear, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(the_reason_stays_when_the_disk_takes_writes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_does_not_end_has_no_reason, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
