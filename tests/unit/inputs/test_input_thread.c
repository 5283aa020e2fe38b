/* A thread works until it is asked to end; it is woken, interrupted, and waited for no longer than is allowed. */
#include "tests/support/cmocka.h"

#include "pipeline/base/io.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/window.h"

#include <semaphore.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
    atomic_int turns;
    atomic_bool interrupted;
    sem_t turned, hangs, let_go;
    bool deaf;
};

static void work(struct input_thread *t, void *arg)
{
    struct job *j = arg;

    while (!input_thread_ends(t)) {
        atomic_fetch_add(&j->turns, 1);
        sem_post(&j->turned);
        if (j->deaf) { /* in a call of its library */
            sem_post(&j->hangs);
            while (sem_wait(&j->let_go) < 0)
                ;
        } else {
            input_thread_wait(t, NSEC_NEVER);
        }
    }
}

static void interrupt(void *arg)
{
    struct job *j = arg;

    atomic_store(&j->interrupted, true);
    sem_post(&j->let_go);
}

static struct input_thread *start(struct job *j, bool deaf, bool can_interrupt)
{
    struct input_thread *t = NULL;
    struct err e;

    memset(j, 0, sizeof(*j));
    sem_init(&j->turned, 0, 0);
    sem_init(&j->hangs, 0, 0);
    sem_init(&j->let_go, 0, 0);
    j->deaf = deaf;
    if (input_thread_start(&t,
                           &(struct input_thread_conf){.stream = "s",
                                                       .input = "a name that is too long",
                                                       .run = work,
                                                       .interrupt = can_interrupt ? interrupt : NULL,
                                                       .arg = j},
                           &e) < 0)
        fail_msg("%s", e.msg);
    return t;
}

static void it_turns_when_it_is_woken_and_ends_when_it_is_asked(void **state)
{
    struct input_thread *t;
    struct job j;

    (void)state;
    t = start(&j, false, true);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sem_wait(&j.turned), 0);
        input_thread_wake(t);
    }
    assert_int_equal(sem_wait(&j.turned), 0);
    input_thread_stop(t);
    input_thread_stop(t);
    assert_true(input_thread_ended(t, NSEC_NEVER));
    assert_true(input_thread_ended(t, 0));
    assert_int_equal(atomic_load(&j.turns), 4);
    assert_true(atomic_load(&j.interrupted));
    input_thread_free(&t);
    assert_null(t);
    input_thread_stop(NULL);
    assert_true(input_thread_ended(NULL, 0));
}

static void one_in_a_call_is_interrupted(void **state)
{
    struct input_thread *t;
    struct job j;

    (void)state;
    t = start(&j, true, true);
    assert_int_equal(sem_wait(&j.hangs), 0);
    input_thread_stop(t);
    assert_true(input_thread_ended(t, NSEC_NEVER));
    input_thread_free(&t);
}

static void one_that_hangs_is_not_waited_for_longer_than_allowed(void **state)
{
    struct input_thread *t;
    struct job j;

    (void)state;
    t = start(&j, true, false);
    assert_int_equal(sem_wait(&j.hangs), 0);
    input_thread_stop(t);
    assert_false(input_thread_ended(t, 0));
    assert_false(input_thread_ended(t, clock_mono() + NSEC_PER_MSEC));
    sem_post(&j.let_go);
    assert_true(input_thread_ended(t, NSEC_NEVER));
    input_thread_free(&t);
}

/* --- with descriptors -------------------------------------------------------------------------------------------- */

struct poller {
    int pipe[2];
    sem_t heard;
    atomic_int bytes, turns;
};

static void poll_pipe(struct input_thread *t, void *arg)
{
    struct poller *j = arg;

    while (!input_thread_ends(t)) {
        struct pollfd fds[] = {{.fd = -1, .events = POLLIN}, {.fd = j->pipe[0], .events = POLLIN}};
        char c;

        input_thread_poll(t, fds, 2, NSEC_NEVER, false);
        assert_int_equal(fds[0].revents, 0);
        if (fds[1].revents & POLLIN)
            atomic_fetch_add(&j->bytes, (int)read(j->pipe[0], &c, 1));
        atomic_fetch_add(&j->turns, 1);
        sem_post(&j->heard);
    }
    input_thread_poll(t, NULL, 0, NSEC_NEVER, false); /* it was asked to end: at once */
    input_thread_poll(t, NULL, 0, clock_mono() + NSEC_PER_MSEC, true);
}

static void it_waits_for_descriptors_too(void **state)
{
    struct poller j = {.bytes = 0};
    struct input_thread *t = NULL;
    struct err e;

    (void)state;
    sem_init(&j.heard, 0, 0);
    assert_int_equal(pipe(j.pipe), 0);
    assert_int_equal(
        input_thread_start(
            &t, &(struct input_thread_conf){.stream = "s", .input = "x", .run = poll_pipe, .arg = &j, .polls = true},
            &e),
        0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(write(j.pipe[1], "x", 1), 1);
        sem_wait(&j.heard);
        input_thread_wake(t);
        sem_wait(&j.heard);
    }
    input_thread_stop(t);
    assert_true(input_thread_ended(t, NSEC_NEVER));
    assert_int_equal(atomic_load(&j.bytes), 3);
    assert_true(atomic_load(&j.turns) >= 6); /* and one more, if the stop came while it waited */
    input_thread_free(&t);
    close(j.pipe[0]);
    close(j.pipe[1]);
}

/* --- as an input would ------------------------------------------------------------------------------------------- */

enum { MESSAGES = 3000 };

/* A source that hands out 1, 2, ... from what was acknowledged on, and is read by a thread. */
struct reader {
    struct input_thread *thread;
    struct window window;
    uint64_t next, acknowledged; /* the thread's */
    unsigned begun_anew, turns;
    bool breaks_off;
    atomic_bool all;
};

static void on_news(void *ctx)
{
    struct reader *r = ctx;

    input_thread_wake(r->thread);
}

static void hear(struct reader *r)
{
    struct window_news n = window_look(&r->window, clock_mono());

    if (n.safe) {
        assert_true(n.upto > r->acknowledged);
        r->acknowledged = n.upto;
    }
    if (n.refused) {
        r->next = r->acknowledged + 1;
        r->begun_anew++;
        window_reset(&r->window);
    }
}

static void read_source(struct input_thread *t, void *arg)
{
    struct reader *r = arg;
    char text[32];

    assert_ptr_equal(r->thread, t);
    while (!input_thread_ends(t) && r->acknowledged < MESSAGES) {
        bool goes_on = true;

        hear(r);
        if (r->breaks_off &&
            ++r->turns % 5 == 0) { /* a session ends, whatever is on its way, and what it brought comes again */
            window_reset(&r->window);
            r->next = r->acknowledged + 1;
        }
        for (int i = 0; i < 7 && goes_on && r->next <= MESSAGES; i++) {
            struct frame_message m = {.data = slice_str(text)};

            snprintf(text, sizeof(text), "%llu", (unsigned long long)r->next);
            m.data = slice_str(text);
            m.id = r->breaks_off ? m.data : slice_of(NULL, 0);
            goes_on = window_put(&r->window, &m, r->next, clock_wall(), clock_mono()) == WINDOW_TAKEN;
            r->next += goes_on;
        }
        window_flush(&r->window, clock_mono());
        if (!goes_on || r->next > MESSAGES)
            input_thread_wait(t, clock_mono() + 10 * NSEC_PER_MSEC);
    }
    atomic_store(&r->all, true);
}

static atomic_int syncs;

static int refuses_now_and_then(int fd)
{
    (void)fd;
    errno = EIO;
    return atomic_fetch_add(&syncs, 1) == 3 ? -1 : 0;
}

/* In order, each once, also when the disk refuses in the middle. */
static void read_by_a_thread(bool breaks_off)
{
    struct io_ops ops = io_ops_real;
    struct reader r = {.next = 1, .breaks_off = breaks_off};
    struct spool_recovery found;
    struct committer *c = NULL;
    struct spool *s = NULL;
    char dir[] = "/tmp/window-test-XXXXXX", command[64];
    struct spool_conf conf = {.stream = "s", .dir = dir, .limit = 64 * MIB, .files = &ops};
    struct spool_cursor at;
    struct frame_view v;
    struct buf raw;
    struct err e;
    uint64_t want = 1;

    log_set_level(LOG_ERROR);
    atomic_store(&syncs, 0);
    ops.fdatasync = refuses_now_and_then;
    assert_non_null(mkdtemp(dir));
    if (committer_start(&c, &e) < 0 || spool_open(&s, &conf, c, &found, &e) < 0)
        fail_msg("%s", e.msg);
    window_init(&r.window, &(struct window_conf){.spool = s,
                                                 .id_source = breaks_off ? slice_str("source") : slice_str(""),
                                                 .records = 100,
                                                 .news = on_news,
                                                 .ctx = &r});
    assert_int_equal(
        input_thread_start(
            &r.thread, &(struct input_thread_conf){.stream = "s", .input = "test", .run = read_source, .arg = &r}, &e),
        0);
    while (!atomic_load(&r.all))
        usleep(1000);
    input_thread_stop(r.thread);
    assert_true(input_thread_ended(r.thread, NSEC_NEVER));
    input_thread_free(&r.thread);
    assert_int_equal(r.acknowledged, MESSAGES);
    assert_true(window_is_idle(&r.window));
    committer_stop(&c);
    buf_init(&raw, FRAME_READ_MAX);
    for (at = spool_cut(spool_reader(s, 0)); spool_read(s, &at, &raw, &v, &e) == 1;) {
        struct frame_iter it = frame_records(&v);
        struct slice rec;
        char text[32];

        for (; frame_next(&it, &rec); want++) {
            snprintf(text, sizeof(text), "%llu", (unsigned long long)want);
            assert_true(slice_is(rec, text));
        }
    }
    assert_int_equal(want - 1, MESSAGES);
    spool_close(&s);
    window_release(&r.window);
    buf_release(&raw);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static void a_window_read_by_a_thread_loses_nothing(void **state)
{
    (void)state;
    read_by_a_thread(false);
}

static void nor_when_sessions_end_in_the_middle(void **state)
{
    (void)state;
    read_by_a_thread(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_waits_for_descriptors_too),
        cmocka_unit_test(it_turns_when_it_is_woken_and_ends_when_it_is_asked),
        cmocka_unit_test(one_in_a_call_is_interrupted),
        cmocka_unit_test(one_that_hangs_is_not_waited_for_longer_than_allowed),
        cmocka_unit_test(a_window_read_by_a_thread_loses_nothing),
        cmocka_unit_test(nor_when_sessions_end_in_the_middle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
