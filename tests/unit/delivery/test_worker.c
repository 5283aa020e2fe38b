/* Jobs run on the pool's threads; stopping runs what was submitted first. Counting is all that is observed: no timing.
 */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/delivery/sender.h"
#include "pipeline/encode/worker.h"
#include "transforms/codecs/codec.h"

#include <semaphore.h>
#include <stdatomic.h>

#define JOBS 200

struct counted {
    struct worker_job job;
    atomic_int *ran;
};

static void count_job(struct worker_job *job, struct worker *w)
{
    const struct codec_ops *none = codec_find("none");

    assert_ptr_equal(worker_codec(w, none, 0), worker_codec(w, none, 0));
    atomic_fetch_add(CONTAINER_OF(job, struct counted, job)->ran, 1);
}

static void stopping_the_pool_runs_every_submitted_job_once(void **state)
{
    static struct counted jobs[JOBS];
    atomic_int ran = 0;
    struct worker_pool *p = NULL;
    struct err e;

    (void)state;
    assert_int_equal(worker_pool_start(&p, 3, NULL, &e), 0);
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = (struct counted){.job.run = count_job, .ran = &ran};
        worker_submit(p, &jobs[i].job);
    }
    worker_pool_stop(&p);
    assert_null(p);
    assert_int_equal(atomic_load(&ran), JOBS);
}

struct stuck {
    struct sender_job job;
    sem_t *started, *release;
};

static void wait_for_release(struct sender_job *job)
{
    struct stuck *s = CONTAINER_OF(job, struct stuck, job);

    sem_post(s->started);
    sem_wait(s->release);
}

/* Were there fewer threads than stuck jobs, the last sem_wait(started) would never return. */
static void a_send_that_hangs_does_not_hold_up_the_others(void **state)
{
    struct stuck jobs[8];
    sem_t started, release;
    struct sender_pool *p = sender_pool_new();

    (void)state;
    sem_init(&started, 0, 0);
    sem_init(&release, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct stuck){.job.run = wait_for_release, .started = &started, .release = &release};
        assert_true(sender_submit(p, &jobs[i].job));
    }
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        sem_wait(&started);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        sem_post(&release);
    sender_pool_free(&p);
    assert_null(p);
    sem_destroy(&started);
    sem_destroy(&release);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stopping_the_pool_runs_every_submitted_job_once),
        cmocka_unit_test(a_send_that_hangs_does_not_hold_up_the_others),
    };

    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
