/* The real thread: several that append, one that delivers, one that watches. For the thread sanitizer above all. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { APPENDERS = 3, FRAMES = 300, READERS_MAX = 2, SPOOLS = 40 };

static const struct spool_reader_conf READERS[READERS_MAX] = {{.name = "first"}, {.name = "second"}};

struct seal_wait {
    struct spool_wait wait;
    _Atomic bool safe;
};

struct counter {
    struct spool_wait wait;
    _Atomic int safe, refused;
};

static struct {
    struct spool *spool;
    struct counter counter;
    _Atomic bool stop;
    _Atomic uint64_t appended, commits;
} g;

static void count(struct spool_wait *w, bool safe)
{
    struct counter *c = (struct counter *)(void *)w;

    atomic_fetch_add(safe ? &c->safe : &c->refused, 1);
}

static void note_seal(struct spool_wait *w, bool safe)
{
    atomic_store(&((struct seal_wait *)(void *)w)->safe, safe);
}

static void note_commit(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&g.commits, 1);
}

static void *append_frames(void *arg)
{
    (void)arg;
    for (int i = 0; i < FRAMES;) {
        struct frame *f = frame_new(1000, 1, NULL);
        enum spool_answer a;

        while (frame_add(f, SLICE("a record")))
            ;
        frame_set_position(f, SLICE("source"), SLICE("cursor"));
        atomic_fetch_add(&g.appended, frame_count(f));
        a = spool_append(g.spool, &f, &g.counter.wait);
        if (a == SPOOL_TAKEN) {
            i++;
        } else { /* full: the deliverer makes room */
            atomic_fetch_sub(&g.appended, frame_count(f));
            frame_free(&f);
            sched_yield();
        }
    }
    return NULL;
}

static void *watch(void *arg)
{
    (void)arg;
    while (!atomic_load(&g.stop)) {
        struct spool_books b;

        spool_books(spool_reader(g.spool, 0), &b);
        if (b.incoming != b.delivered + b.spooled)
            abort();
        sched_yield();
    }
    return NULL;
}

static uint64_t read_seal(const struct seal *seal, struct buf *raw)
{
    struct spool_cursor at = seal->start;
    struct frame_view v;
    uint64_t seen = 0;
    struct err e;

    while (at.seq <= seal->last) {
        struct frame_iter it;
        struct slice rec;

        assert_int_equal(spool_read(g.spool, &at, raw, &v, &e), 1);
        it = frame_records(&v);
        while (frame_next(&it, &rec))
            seen += slice_is(rec, "a record");
    }
    return seen;
}

/* Reads, seals and settles a run of frames. Returns how many records. */
static uint64_t deliver_some(struct spool_reader *r, struct buf *raw)
{
    struct seal_wait sealed = {.wait.done = note_seal};
    struct spool_cursor start = spool_cut(r), end = start;
    struct seal seal = {.first = start.seq, .start = start, .oldest = 1};
    struct spool_run run;
    struct err e;

    for (int i = 0; i < 20 && spool_scan(r, &end, &run, &end, &e) == 1; i++)
        seal.bytes += run.bytes;
    seal.last = end.seq - 1;
    if (end.seq == start.seq)
        return 0;
    assert_int_equal(read_seal(&seal, raw), end.seq - start.seq);
    spool_seal(r, &seal, &end, &sealed.wait);
    while (!atomic_load(&sealed.safe))
        sched_yield();
    spool_settle(r, seal.first, &(struct seal_result){.delivered = end.seq - start.seq});
    return end.seq - start.seq;
}

static bool all_is_delivered(const uint64_t *delivered, size_t readers)
{
    bool all = atomic_load(&g.counter.safe) == APPENDERS * FRAMES;

    for (size_t i = 0; i < readers; i++)
        all &= delivered[i] == atomic_load(&g.appended);
    return all;
}

static void run_with(bool memory, size_t readers)
{
    struct fixture *x = fixture_new(memory, 200 * KIB, 20 * KIB);
    pthread_t appenders[APPENDERS], watcher;
    uint64_t delivered[READERS_MAX] = {0};
    struct committer *c;
    struct buf raw;
    struct err e;

    close_spool(x);
    buf_init(&raw, FRAME_READ_MAX);
    atomic_store(&g.counter.safe, 0);
    atomic_store(&g.stop, false);
    atomic_store(&g.appended, 0);
    atomic_store(&g.commits, 0);
    g.counter.wait.done = count;
    x->conf.committed = note_commit;
    x->conf.readers = READERS;
    x->conf.reader_count = readers > 1 ? readers : 0;
    assert_int_equal(committer_start(&c, &e), 0);
    assert_int_equal(spool_open(&g.spool, &x->conf, c, &x->found, &e), 0);
    for (int i = 0; i < APPENDERS; i++)
        assert_int_equal(pthread_create(&appenders[i], NULL, append_frames, NULL), 0);
    assert_int_equal(pthread_create(&watcher, NULL, watch, NULL), 0);
    while (!all_is_delivered(delivered, readers)) {
        uint64_t some = 0;

        for (size_t i = 0; i < readers; i++) {
            uint64_t taken = deliver_some(spool_reader(g.spool, i), &raw);

            delivered[i] += taken;
            some += taken;
        }
        if (!some)
            sched_yield();
    }
    for (int i = 0; i < APPENDERS; i++)
        pthread_join(appenders[i], NULL);
    atomic_store(&g.stop, true);
    pthread_join(watcher, NULL);
    committer_stop(&c);
    assert_int_equal(g.counter.refused, 0);
    assert_true(g.commits > 0);
    spool_close(&g.spool);
    buf_release(&raw);
    x->conf.committed = NULL;
    open_spool(x);
    assert_int_equal(x->found.records, 0); /* the stop has written the last settlements */
    fixture_free(x);
}

static void threads_append_deliver_and_watch_at_once(void **state)
{
    (void)state;
    run_with(false, 1);
}

static void threads_append_deliver_and_watch_at_once_in_memory(void **state)
{
    (void)state;
    run_with(true, 1);
}

static void each_of_two_readers_has_all(void **state)
{
    (void)state;
    run_with(false, 2);
}

/* The committer is at work meanwhile: with what the spools before have to say. */
static void readers_begin_while_it_runs(void **state)
{
    struct fixture *x = fixture_new(true, MIB, 0);
    struct spool *spools[SPOOLS];
    struct committer *c;
    struct err e;

    (void)state;
    close_spool(x);
    x->conf.readers = READERS;
    x->conf.reader_count = 2;
    assert_int_equal(committer_start(&c, &e), 0);
    for (int i = 0; i < SPOOLS; i++) {
        struct spool_books b;

        assert_int_equal(spool_open(&spools[i], &x->conf, c, &x->found, &e), 0);
        spool_remember(spools[i], SLICE("source"), SLICE("cursor")); /* wakes it */
        spool_books(spool_reader(spools[i], 1), &b);
        assert_int_equal(b.incoming, 0);
    }
    committer_stop(&c);
    for (int i = 0; i < SPOOLS; i++)
        spool_close(&spools[i]);
    open_spool(x);
    fixture_free(x);
}

/* --- barriers, and a disk that refuses for a while ------------------------------------------------------------------
 */

static _Atomic bool disk_is_full;

static ssize_t refuse_or_write(int fd, const struct iovec *v, int count, off_t offset)
{
    if (atomic_load(&disk_is_full)) {
        errno = ENOSPC;
        return -1;
    }
    return pwritev(fd, v, count, offset);
}

struct running {
    struct fixture *x;
    struct committer *committer;
    struct spool *spool;
    struct counter counter;
    struct io_ops ops;
};

static int setup_running(void **state)
{
    struct running *r = mem_alloc(sizeof(*r));
    struct err e;

    atomic_store(&disk_is_full, false);
    r->x = fixture_new(false, 64 * MIB, 20 * KIB);
    close_spool(r->x);
    r->ops = io_ops_real;
    r->ops.pwritev = refuse_or_write;
    r->x->conf.files = &r->ops;
    r->counter.wait.done = count;
    assert_int_equal(committer_start(&r->committer, &e), 0);
    assert_int_equal(spool_open(&r->spool, &r->x->conf, r->committer, &r->x->found, &e), 0);
    *state = r;
    return 0;
}

static int teardown_running(void **state)
{
    struct running *r = *state;

    committer_stop(&r->committer);
    spool_close(&r->spool);
    open_spool(r->x);
    fixture_free(r->x);
    mem_free(r);
    return 0;
}

static enum spool_answer append_one(struct running *r)
{
    struct frame *f = frame_new(16, 1, NULL);
    enum spool_answer a;

    assert_true(frame_add(f, SLICE("a record")));
    a = spool_append(r->spool, &f, &r->counter.wait);
    frame_free(&f);
    return a;
}

static void a_barrier_returns_when_what_came_before_is_answered(void **state)
{
    struct running *r = *state;
    struct spool_books b;

    for (int i = 1; i <= 100; i++) {
        assert_int_equal(append_one(r), SPOOL_TAKEN);
        committer_barrier(r->committer);
        assert_int_equal(atomic_load(&r->counter.safe), i);
    }
    spool_books(spool_reader(r->spool, 0), &b);
    assert_int_equal(b.incoming, 100);
}

static void *pass_barriers(void *arg)
{
    struct running *r = arg;

    for (int i = 0; i < 200; i++)
        committer_barrier(r->committer);
    return NULL;
}

static void barriers_of_several_threads_all_end(void **state)
{
    struct running *r = *state;
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pass_barriers, r), 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(append_one(r), SPOOL_TAKEN);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    committer_barrier(r->committer);
    assert_int_equal(atomic_load(&r->counter.safe), 200);
}

/* The counts hold whatever the committer's thread does in between: taken is answered, refused is not. */
static void a_disk_that_refuses_for_a_while_costs_only_what_was_refused(void **state)
{
    struct running *r = *state;
    struct spool_books b;
    int taken = 0;

    for (int round = 0; round < 40; round++) {
        struct err why;

        atomic_store(&disk_is_full, round % 2 == 0);
        for (int i = 0; i < 20; i++)
            taken += append_one(r) == SPOOL_TAKEN;
        committer_barrier(r->committer); /* also a retry that is not due yet */
        assert_int_equal(atomic_load(&r->counter.safe) + atomic_load(&r->counter.refused), taken);
        assert_true(spool_failing(r->spool, &why) == (round % 2 == 0));
    }
    assert_true(r->counter.refused > 0);
    spool_books(spool_reader(r->spool, 0), &b);
    assert_int_equal(b.incoming, r->counter.safe);
    atomic_store(&disk_is_full, false);
    committer_barrier(r->committer);
    assert_int_equal(append_one(r), SPOOL_TAKEN);
    committer_barrier(r->committer);
    spool_books(spool_reader(r->spool, 0), &b);
    assert_int_equal(b.incoming, r->counter.safe);
}

/* --- a spool that leaves while the thread runs ----------------------------------------------------------------------- */

static void *append_till_told(void *arg)
{
    struct running *r = arg;

    while (!atomic_load(&g.stop)) {
        (void)append_one(r);
        sched_yield();
    }
    return NULL;
}

/* Lazily written settlements too: the next life begins where this one has ended. */
static void a_spool_that_leaves_is_whole_and_others_go_on(void **state)
{
    struct running *r = *state;
    struct fixture *other = fixture_new(false, 64 * MIB, 20 * KIB);
    struct buf raw;
    pthread_t thread;
    struct err e;

    close_spool(other);
    buf_init(&raw, FRAME_READ_MAX);
    atomic_store(&g.stop, false);
    assert_int_equal(pthread_create(&thread, NULL, append_till_told, r), 0);
    for (int i = 0; i < 100; i++) {
        struct frame *f = frame_new(64, 1, NULL);

        assert_int_equal(spool_open(&g.spool, &other->conf, r->committer, &other->found, &e), 0);
        assert_int_equal(other->found.records, i > 0);
        assert_int_equal(other->found.pending_seals, 0);
        if (i > 0)
            assert_int_equal(deliver_some(spool_reader(g.spool, 0), &raw), 1);
        assert_true(frame_add(f, SLICE("a record")));
        assert_int_equal(spool_append(g.spool, &f, NULL), SPOOL_TAKEN);
        spool_retire(g.spool);
        spool_close(&g.spool);
    }
    atomic_store(&g.stop, true);
    pthread_join(thread, NULL);
    committer_barrier(r->committer);
    assert_int_equal(atomic_load(&r->counter.refused), 0);
    buf_release(&raw);
    open_spool(other);
    fixture_free(other);
}

static void a_spool_that_leaves_a_full_disk_answers_for_all_and_keeps_what_was_safe(void **state)
{
    struct running *r = *state;
    struct seal_wait sealed = {.wait.done = note_seal};
    struct spool_cursor start, end;
    struct seal seal = {.oldest = 1};
    struct spool_run run;
    struct err e;
    int taken;

    assert_int_equal(append_one(r), SPOOL_TAKEN);
    committer_barrier(r->committer);
    atomic_store(&disk_is_full, true);
    start = end = seal.start = spool_cut(spool_reader(r->spool, 0));
    assert_int_equal(spool_scan(spool_reader(r->spool, 0), &end, &run, &end, &e), 1);
    seal.first = seal.last = start.seq;
    seal.bytes = run.bytes;
    taken = append_one(r) == SPOOL_TAKEN;
    spool_seal(spool_reader(r->spool, 0), &seal, &end, &sealed.wait);
    taken += append_one(r) == SPOOL_TAKEN; /* if the disk has not refused before */
    spool_retire(r->spool);
    assert_int_equal(atomic_load(&r->counter.safe), 1);
    assert_int_equal(atomic_load(&r->counter.refused), taken);
    assert_false(atomic_load(&sealed.safe));
    spool_close(&r->spool);
    atomic_store(&disk_is_full, false);
    assert_int_equal(spool_open(&r->spool, &r->x->conf, r->committer, &r->x->found, &e), 0);
    assert_int_equal(r->x->found.records, 1);
    assert_int_equal(r->x->found.pending_seals, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_append_deliver_and_watch_at_once),
        cmocka_unit_test(threads_append_deliver_and_watch_at_once_in_memory),
        cmocka_unit_test(each_of_two_readers_has_all),
        cmocka_unit_test(readers_begin_while_it_runs),
        cmocka_unit_test_setup_teardown(a_barrier_returns_when_what_came_before_is_answered, setup_running,
                                        teardown_running),
        cmocka_unit_test_setup_teardown(barriers_of_several_threads_all_end, setup_running, teardown_running),
        cmocka_unit_test_setup_teardown(a_disk_that_refuses_for_a_while_costs_only_what_was_refused, setup_running,
                                        teardown_running),
        cmocka_unit_test_setup_teardown(a_spool_that_leaves_is_whole_and_others_go_on, setup_running, teardown_running),
        cmocka_unit_test_setup_teardown(a_spool_that_leaves_a_full_disk_answers_for_all_and_keeps_what_was_safe,
                                        setup_running, teardown_running),
    };

    return cmocka_run_group_tests_name("committer", tests, NULL, NULL);
}
