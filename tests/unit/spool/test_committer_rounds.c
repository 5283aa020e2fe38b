/* Rounds of many spools, made by hand: who is due when, and with whom. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"

enum { SPOOLS = 8 };

struct many {
    struct fixture *x;
    struct spool *spools[SPOOLS];
};

static struct {
    int syncs, syncfs_calls;
    bool full;
    struct spool *busy; /* gets a record in the middle of the next write */
} disk;

static enum spool_answer append_one(struct spool *s)
{
    struct frame *f = frame_new(16, 1, NULL);
    enum spool_answer a;

    assert_true(frame_add(f, SLICE("a record")));
    a = spool_append(s, &f, NULL);
    frame_free(&f);
    return a;
}

static ssize_t disk_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    struct spool *busy = disk.busy;

    disk.busy = NULL;
    if (busy)
        assert_int_equal(append_one(busy), SPOOL_TAKEN);
    errno = ENOSPC;
    return disk.full ? -1 : pwritev(fd, v, count, offset);
}

static int disk_fdatasync(int fd)
{
    (void)fd;
    disk.syncs++;
    return 0;
}

static int disk_syncfs(int fd)
{
    (void)fd;
    disk.syncfs_calls++;
    return 0;
}

static struct io_ops disk_ops;

static int setup(void **state)
{
    struct many *m = mem_alloc(sizeof(*m));
    struct err e;

    m->x = fixture_new(false, 64 * MIB, 1 * MIB);
    disk_ops = io_ops_real;
    disk_ops.pwritev = disk_pwritev;
    disk_ops.fdatasync = disk_fdatasync;
    disk_ops.syncfs = disk_syncfs;
    for (int i = 0; i < SPOOLS; i++) {
        struct spool_conf conf = m->x->conf;
        struct spool_recovery found;
        char dir[160];

        snprintf(dir, sizeof(dir), "%s/s%d", m->x->root, i);
        conf.dir = dir;
        conf.files = &disk_ops;
        assert_int_equal(spool_open(&m->spools[i], &conf, m->x->committer, &found, &e), 0);
    }
    disk.full = false;
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    struct many *m = *state;

    for (int i = 0; i < SPOOLS; i++)
        spool_close(&m->spools[i]);
    fixture_free(m->x);
    mem_free(m);
    return 0;
}

static nsec round_at(struct many *m, nsec now)
{
    disk.syncs = disk.syncfs_calls = 0;
    return committer_round(m->x->committer, now);
}

/* One record in each spool, in a seal. Returns the time. */
static nsec fill(struct many *m)
{
    for (int i = 0; i < SPOOLS; i++)
        assert_int_equal(append_one(m->spools[i]), SPOOL_TAKEN);
    commit(m->x);
    for (int i = 0; i < SPOOLS; i++) {
        struct spool_cursor start = spool_cut(spool_reader(m->spools[i], 0)), end;
        struct seal seal = {.first = 1, .last = 1, .start = start};
        struct spool_run run;
        struct err e;

        assert_int_equal(spool_scan(spool_reader(m->spools[i], 0), &start, &run, &end, &e), 1);
        seal.bytes = run.bytes;
        spool_seal(spool_reader(m->spools[i], 0), &seal, &end, NULL);
    }
    commit(m->x);
    return m->x->now;
}

static void settle_one(struct spool *s)
{
    spool_settle(spool_reader(s, 0), 1, &(struct seal_result){.delivered = 1});
}

static void settlements_of_many_streams_are_made_safe_together_within_a_second(void **state)
{
    struct many *m = *state;
    nsec start = fill(m);

    for (int i = 0; i < SPOOLS; i++) {
        settle_one(m->spools[i]);
        assert_int_equal(round_at(m, start + i * NSEC_PER_SEC / 10), start + NSEC_PER_SEC);
        assert_int_equal(disk.syncs + disk.syncfs_calls, 0);
    }
    assert_int_equal(round_at(m, start + NSEC_PER_SEC), start + 2 * NSEC_PER_SEC);
    assert_int_equal(disk.syncs, 0);
    assert_int_equal(disk.syncfs_calls, 1);
    /* The marks of many follow a second later, and need no sync. */
    assert_int_equal(round_at(m, start + 2 * NSEC_PER_SEC), NSEC_NEVER);
    assert_int_equal(disk.syncs + disk.syncfs_calls, 0);
}

static void a_settlement_goes_along_with_the_next_record(void **state)
{
    struct many *m = *state;
    nsec start = fill(m);

    settle_one(m->spools[0]);
    settle_one(m->spools[1]);
    assert_int_equal(round_at(m, start), start + NSEC_PER_SEC);
    assert_int_equal(append_one(m->spools[0]), SPOOL_TAKEN);
    assert_int_equal(round_at(m, start + 1), start + NSEC_PER_SEC); /* the other one still waits */
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(round_at(m, start + NSEC_PER_SEC), NSEC_NEVER);
    assert_int_equal(disk.syncs, 1);
}

static void the_second_begins_anew_when_nothing_waits(void **state)
{
    struct many *m = *state;
    nsec start = fill(m), later = start + NSEC_PER_SEC / 2;

    settle_one(m->spools[0]);
    assert_int_equal(round_at(m, start), start + NSEC_PER_SEC);
    assert_int_equal(append_one(m->spools[0]), SPOOL_TAKEN);
    assert_int_equal(round_at(m, start + 1), NSEC_NEVER);
    settle_one(m->spools[1]);
    assert_int_equal(round_at(m, later), later + NSEC_PER_SEC);
}

static void what_comes_in_while_the_disk_refuses_waits_for_the_retry(void **state)
{
    struct many *m = *state;
    nsec start = fill(m);
    struct err why;

    disk.full = true;
    disk.busy = m->spools[0];
    assert_int_equal(append_one(m->spools[0]), SPOOL_TAKEN);
    assert_int_equal(round_at(m, start), start + NSEC_PER_SEC);
    assert_true(spool_failing(m->spools[0], &why));
    settle_one(m->spools[0]);
    assert_int_equal(round_at(m, start + 1), start + NSEC_PER_SEC);
    disk.full = false;
    assert_int_equal(append_one(m->spools[1]), SPOOL_TAKEN); /* nobody else waits for it */
    assert_int_equal(round_at(m, start + 2), start + NSEC_PER_SEC);
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(round_at(m, start + NSEC_PER_SEC), NSEC_NEVER);
    assert_int_equal(disk.syncs, 2); /* cut back, and written */
    assert_false(spool_failing(m->spools[0], &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settlements_of_many_streams_are_made_safe_together_within_a_second, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_settlement_goes_along_with_the_next_record, setup, teardown),
        cmocka_unit_test_setup_teardown(the_second_begins_anew_when_nothing_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(what_comes_in_while_the_disk_refuses_waits_for_the_retry, setup, teardown),
    };

    return cmocka_run_group_tests_name("committer_rounds", tests, NULL, NULL);
}
