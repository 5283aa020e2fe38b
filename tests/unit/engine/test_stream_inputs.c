/* The inputs of a stream while a disk keeps one of them: nobody waits for it without a limit, and whoever asks hears of it. */
#include "tests/support/cmocka.h"

#include "pipeline/base/mem.h"
#include "pipeline/engine/stream_inputs.h"
#include "pipeline/inputs/loop_group.h"

#include <semaphore.h>

/* --- an input that reads one file, from a disk that answers when the test lets it ------------------------------------ */

struct input {
    struct input_env env;
    struct loop_group group;
    struct loop_post begin;
    uv_timer_t timer;
};

static bool dead; /* what opens from now on reads from a disk that does not answer */
static sem_t asked, answers;
static unsigned closed;

static void no_news(void *arg)
{
    (void)arg;
}

static void read_file(void *arg)
{
    struct input *in = arg;

    loop_works(in->env.loop, in->env.stream, "fake", "read", "/mnt/a.log");
    sem_post(&asked);
    sem_wait(&answers);
    loop_rests(in->env.loop);
}

static int fake_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    (void)conf, (void)e;
    in->env = *env;
    loop_group_init(&in->group, env->loop, no_news, in);
    *out = in;
    return 0;
}

static void make_handles(void *arg)
{
    struct input *in = arg;

    uv_timer_init(loop_uv(in->env.loop), &in->timer);
    loop_group_add(&in->group, (uv_handle_t *)&in->timer);
}

static int fake_start(struct input *in, struct err *e)
{
    (void)e;
    loop_call(in->env.loop, make_handles, in);
    in->begin = (struct loop_post){.fn = read_file, .arg = in};
    if (dead)
        loop_post(in->env.loop, &in->begin);
    return 0;
}

static void fake_stop(struct input *in)
{
    loop_group_stop(&in->group, no_news);
}

static bool fake_stopped(struct input *in, nsec until)
{
    return loop_group_left(&in->group, until);
}

static void fake_close(struct input **in)
{
    loop_group_release(&(*in)->group);
    MEM_CLEAR(*in);
    closed++;
}

static const struct input_ops fake = {.name = "fake",
                                      .finite = true,
                                      .loop = true,
                                      .open = fake_open,
                                      .start = fake_start,
                                      .stop = fake_stop,
                                      .stopped = fake_stopped,
                                      .close = fake_close};

/* --- the cases ----------------------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    dead = false;
    closed = 0;
    return sem_init(&asked, 0, 0) + sem_init(&answers, 0, 0);
}

static void start(struct stream_inputs *si, struct loop_set *loops, const char *name, size_t count, bool on_dead_disk)
{
    static struct input_settings inputs[2] = {{.ops = &fake}, {.ops = &fake}};
    const struct input_env env = {.stream = name};
    struct err e;

    dead = on_dead_disk;
    assert_int_equal(stream_inputs_open(si, inputs, count, &env, loops, &e), 0);
    assert_int_equal(si->finite, count);
    assert_int_equal(stream_inputs_start(si, &e), 0);
    stream_inputs_go(si);
}

static void stop(struct stream_inputs *si)
{
    stream_inputs_stop(si);
    assert_true(stream_inputs_stopped(si, NSEC_NEVER));
    stream_inputs_close(si);
}

static void inputs_read_ahead_within_what_there_is(void **state)
{
    const struct input_ahead none = {0}, enough = {.most = 8 * MIB, .wanted = 8 * MIB},
                             scarce = {.most = 8 * MIB, .wanted = 32 * MIB},
                             many = {.most = 8 * MIB, .wanted = 1024 * GIB},
                             large = {.most = 128 * GIB, .wanted = 256 * GIB};

    (void)state;
    assert_int_equal(input_ahead_share(&none, 8 * MIB), 8 * MIB);
    assert_int_equal(input_ahead_share(&enough, 8 * MIB), 8 * MIB);
    assert_int_equal(input_ahead_share(&scarce, 8 * MIB), 2 * MIB);
    assert_int_equal(input_ahead_share(&scarce, 24 * MIB), 6 * MIB);
    assert_int_equal(input_ahead_share(&many, 8 * MIB), READ_AHEAD_LEAST);
    assert_int_equal(input_ahead_share(&many, READ_AHEAD_LEAST / 2), READ_AHEAD_LEAST / 2);
    assert_int_equal(input_ahead_share(&large, 1 * GIB), 512 * MIB);
    assert_int_equal(input_ahead_share(&scarce, 0), 0);
}

static void a_stream_without_inputs_needs_no_loop(void **state)
{
    struct stream_inputs si;
    struct waiting_input w;
    struct loop_set loops;

    (void)state;
    loop_set_init(&loops);
    start(&si, &loops, "none", 0, false);
    stream_inputs_await_begin(&si);
    stream_inputs_watch(&si, clock_mono());
    stream_inputs_waiting(&si, clock_mono(), 0, &w);
    assert_int_equal(w.lasted, 0);
    assert_null(si.loop);
    stop(&si);
    loop_set_release(&loops);
}

static void an_input_that_a_disk_keeps_is_named_and_not_waited_for(void **state)
{
    struct stream_inputs bad, good;
    struct waiting_input w;
    struct loop_set loops;
    nsec later;

    (void)state;
    loop_set_init(&loops);
    start(&bad, &loops, "bad", 2, true);
    start(&good, &loops, "good", 1, false);
    sem_wait(&asked);
    later = clock_mono() + INPUT_STANDS_LONG;
    stream_inputs_await_begin(&bad); /* returns */
    stream_inputs_await_begin(&good);
    stream_inputs_waiting(&bad, 0, INPUT_STANDS_LONG, &w);
    assert_int_equal(w.lasted, 0); /* not yet */
    stream_inputs_waiting(&bad, later, INPUT_STANDS_LONG, &w);
    assert_true(w.lasted >= INPUT_STANDS_LONG);
    assert_non_null(strstr(w.cause, "fake: the attempt to read /mnt/a.log has been under way for "));
    stream_inputs_waiting(&good, later, 0, &w);
    assert_int_equal(w.lasted, 0);
    stream_inputs_stop(&bad);
    stream_inputs_stop(&bad);
    assert_false(stream_inputs_stopped(&bad, clock_mono() + NSEC_PER_MSEC));
    stop(&good);
    sem_post(&answers);
    sem_post(&answers);
    stop(&bad);
    assert_int_equal(closed, 3);
    loop_set_release(&loops);
}

static void who_shares_a_thread_says_whose_file_it_is(void **state)
{
    struct stream_inputs all[INPUT_LOOPS_MAX + 1], *last = &all[INPUT_LOOPS_MAX];
    struct waiting_input w;
    struct loop_set loops;
    nsec later;

    (void)state;
    loop_set_init(&loops);
    for (size_t i = 0; i < INPUT_LOOPS_MAX; i++)
        start(&all[i], &loops, "other", 1, false);
    start(last, &loops, "last", 1, true);
    assert_ptr_equal(last->loop, all[0].loop);
    sem_wait(&asked);
    later = clock_mono() + INPUT_STANDS_LONG;
    stream_inputs_waiting(&all[0], later, INPUT_STANDS_LONG, &w);
    assert_non_null(strstr(w.cause, "fake of stream last: the attempt to read /mnt/a.log"));
    assert_non_null(strstr(w.cause, "share a thread"));
    stream_inputs_waiting(&all[1], later, INPUT_STANDS_LONG, &w);
    assert_int_equal(w.lasted, 0);
    sem_post(&answers);
    for (size_t i = 0; i <= INPUT_LOOPS_MAX; i++)
        stop(&all[i]);
    loop_set_release(&loops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_read_ahead_within_what_there_is),
        cmocka_unit_test_setup(a_stream_without_inputs_needs_no_loop, set_up),
        cmocka_unit_test_setup(an_input_that_a_disk_keeps_is_named_and_not_waited_for, set_up),
        cmocka_unit_test_setup(who_shares_a_thread_says_whose_file_it_is, set_up),
    };

    return cmocka_run_group_tests_name("stream_inputs", tests, NULL, NULL);
}
