/* What states of one script share: its text, also while it changes. For the thread sanitizer. */
#include "tests/unit/transforms/lua/lua_rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

enum { THREADS = 3, BATCHES = 60 };

struct job {
    struct transform_out out;
    struct rig *rig;
    size_t emitted, failed;
    pthread_t thread;
};

static int emit_one(struct transform_out *o, const struct transform_record *from, struct slice data,
                    const struct transform_key *keys, size_t key_count)
{
    struct job *job = (struct job *)o;

    (void)from;
    (void)keys;
    (void)key_count;
    job->emitted += slice_is(data, "one") || slice_is(data, "second");
    return 0;
}

static int fail_one(struct transform_out *o, const struct transform_record *from, const char *code,
                    struct slice message, struct slice shown)
{
    struct job *job = (struct job *)o;

    (void)shown, (void)from;
    (void)code;
    (void)message;
    job->failed++;
    return 0;
}

static void *work(void *arg)
{
    struct job *job = arg;
    const struct transform_ops *ops = job->rig->ops;
    struct transform_record r = {.data = SLICE("{\"a\":1}")};
    void *state = NULL;
    struct err e;

    job->out = (struct transform_out){.emit = emit_one, .fail = fail_one};
    if (ops->open(&state, job->rig->shared, NULL, &e) < 0)
        return NULL;
    for (int i = 0; i < BATCHES; i++)
        if (ops->begin(state, &e) < 0 || ops->run(state, &r, 1, &job->out, &e) < 0 ||
            ops->end(state, &job->out, &e) < 0)
            break;
    ops->close(&state);
    return NULL;
}

static void states_on_threads_follow_a_script_that_changes(void **state)
{
    struct rig *rig = rig_new("local m = require 'm' function transform(r) return m.text end");
    struct job jobs[THREADS] = {{.rig = rig}, {.rig = rig}, {.rig = rig}};

    (void)state;
    rig_file(rig, "m.lua", "return {text = 'one'}");
    if (rig_load(rig, "lua: t.lua, watch: true") < 0)
        fail_msg("%s", rig->err.msg);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
    for (int i = 0; i < 10; i++) { /* whole, half and broken files are read at any moment */
        rig_file(rig, "m.lua",
                 i % 3 == 0   ? "return {text = 'second'}"
                 : i % 3 == 1 ? "return {"
                              : "return {text = 'one'}");
        rig_file(rig, "t.lua", "local m = require 'm'   function transform(r) return m.text end");
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(jobs[i].thread, NULL), 0);
        assert_int_equal(jobs[i].emitted, BATCHES);
        assert_int_equal(jobs[i].failed, 0);
    }
    rig_free(rig);
}

struct loader {
    struct rig *rig;
    void *state;
    pthread_t thread;
    int rc;
    struct err e;
    atomic_bool ended;
};

static void *load_changed(void *arg)
{
    struct loader *l = arg;

    l->rc = l->rig->ops->begin(l->state, &l->e);
    atomic_store(&l->ended, true);
    return NULL;
}

/* It is at work on the endless chunk once it has taken some time of the processor. */
static void wait_until_it_loads(const struct loader *l)
{
    struct timespec used = {0};
    clockid_t clock;

    assert_int_equal(pthread_getcpuclockid(l->thread, &clock), 0);
    while (used.tv_sec == 0 && used.tv_nsec < 100 * NSEC_PER_MSEC && !atomic_load(&l->ended)) {
        assert_int_equal(clock_gettime(clock, &used), 0);
        sched_yield();
    }
}

static void a_script_that_takes_long_to_load_holds_up_no_other_state(void **state)
{
    struct rig *rig = rig_new("function transform(r) return r end");
    struct loader l = {.rig = rig};
    struct cancel cancel = {0};
    struct err e = {0};

    (void)state;
    rig_open(rig, "lua: t.lua, watch: true");
    assert_int_equal(rig->ops->open(&l.state, rig->shared, &cancel, &e), 0);
    rig_file(rig, "t.lua", "while true do end -- until its time is over, which is long");
    assert_int_equal(pthread_create(&l.thread, NULL, load_changed, &l), 0);
    wait_until_it_loads(&l);
    for (int i = 0; i < 3; i++)
        assert_string_equal(rig_one(rig, "x"), "x\n"); /* with the script of before */
    assert_false(atomic_load(&l.ended));
    cancel_ask(&cancel);
    assert_int_equal(pthread_join(l.thread, NULL), 0);
    assert_int_equal(l.rc, -1);
    assert_int_equal(l.e.code, ERR_CANCELLED);
    assert_int_equal(rig->log.n, 0); /* that is no refusal */
    rig->ops->close(&l.state);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_on_threads_follow_a_script_that_changes),
        cmocka_unit_test(a_script_that_takes_long_to_load_holds_up_no_other_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
