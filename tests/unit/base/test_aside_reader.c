/* A reading that takes as long as the test wants: who is told what, and who frees the owner. */
#include "tests/support/cmocka.h"

#include "pipeline/base/aside_reader.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdbool.h>
#include <unistd.h>

/* The disk, and what happened to the owner that is read for. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool dead;
    unsigned readings, freed;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct owner {
    struct aside_reader reader;
    char kept[64]; /* a thread that hangs keeps it: the sanitizers look */
};

static void set_dead(bool dead)
{
    pthread_mutex_lock(&disk.lock);
    disk.dead = dead;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
}

static void read_disk(struct aside_reader *r)
{
    struct owner *o = CONTAINER_OF(r, struct owner, reader);

    pthread_mutex_lock(&disk.lock);
    disk.readings++;
    while (disk.dead)
        pthread_cond_wait(&disk.changed, &disk.lock);
    o->kept[0]++;
    pthread_mutex_unlock(&disk.lock);
}

static void end(struct aside_reader *r)
{
    mem_free(CONTAINER_OF(r, struct owner, reader));
    pthread_mutex_lock(&disk.lock);
    disk.freed++;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
}

static const struct aside_reader_ops OPS = {.thread = "test", .read = read_disk, .end = end};

static struct owner *made(void)
{
    struct owner *o = mem_alloc(sizeof(*o));

    disk.readings = disk.freed = 0;
    aside_reader_init(&o->reader, &OPS);
    return o;
}

static enum aside_state poll_once(struct owner *o, nsec now)
{
    enum aside_state state;

    pthread_mutex_lock(&o->reader.lock);
    state = aside_reader_poll(&o->reader, now);
    pthread_mutex_unlock(&o->reader.lock);
    return state;
}

static void wait_until_ended(struct owner *o)
{
    enum aside_step step;

    do {
        usleep(1000);
        pthread_mutex_lock(&o->reader.lock);
        step = o->reader.step;
        pthread_mutex_unlock(&o->reader.lock);
    } while (step == ASIDE_READING);
}

static void leave(struct owner *o)
{
    aside_reader_leave(&o->reader);
    pthread_mutex_lock(&disk.lock);
    while (!disk.freed)
        pthread_cond_wait(&disk.changed, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
}

#define T (1000 * NSEC_PER_SEC)

static void what_was_read_is_believed_for_a_while(void **state)
{
    struct owner *o = made();

    (void)state;
    assert_int_equal(poll_once(o, T), ASIDE_NOT_YET);
    wait_until_ended(o);
    assert_int_equal(poll_once(o, T), ASIDE_READ);
    assert_int_equal(poll_once(o, T + ASIDE_BELIEVED - 1), ASIDE_READ);
    assert_int_equal(disk.readings, 1);
    assert_int_equal(poll_once(o, T + ASIDE_BELIEVED), ASIDE_NOT_YET);
    wait_until_ended(o);
    assert_int_equal(poll_once(o, T + ASIDE_BELIEVED), ASIDE_READ);
    assert_int_equal(poll_once(o, T - 1), ASIDE_NOT_YET); /* the clock was set back */
    wait_until_ended(o);
    assert_int_equal(disk.readings, 3);
    leave(o);
}

/* It would be read for ever otherwise: what takes longer than it is believed is old when it ends. */
static void a_slow_disk_is_done_once_it_has_answered(void **state)
{
    const nsec answered = T + ASIDE_TIMEOUT - 1;
    struct owner *o = made();

    (void)state;
    assert_true(ASIDE_TIMEOUT - 1 > ASIDE_BELIEVED);
    set_dead(true);
    assert_int_equal(poll_once(o, T), ASIDE_NOT_YET);
    assert_int_equal(poll_once(o, answered), ASIDE_NOT_YET);
    set_dead(false);
    wait_until_ended(o);
    assert_int_equal(poll_once(o, answered), ASIDE_READ);
    assert_int_equal(poll_once(o, answered + ASIDE_BELIEVED - 1), ASIDE_READ);
    assert_int_equal(disk.readings, 1);
    leave(o);
}

/* It reads the clock, and another thread, which reads it later, begins the reading. */
static void who_polls_with_a_time_before_the_reading_waits_for_it(void **state)
{
    struct owner *o = made();

    (void)state;
    set_dead(true);
    assert_int_equal(poll_once(o, T), ASIDE_NOT_YET);
    assert_int_equal(poll_once(o, T - 1), ASIDE_NOT_YET);
    assert_int_equal(poll_once(o, T - 1 + ASIDE_TIMEOUT), ASIDE_HANGS);
    set_dead(false);
    wait_until_ended(o);
    leave(o);
}

static void a_dead_disk_is_not_waited_for_and_recovers(void **state)
{
    struct owner *o = made();

    (void)state;
    set_dead(true);
    assert_int_equal(poll_once(o, T), ASIDE_NOT_YET);
    assert_int_equal(poll_once(o, T + ASIDE_TIMEOUT), ASIDE_HANGS);
    assert_int_equal(poll_once(o, T + 100 * ASIDE_TIMEOUT), ASIDE_HANGS); /* by one thread, as long as it takes */
    set_dead(false);
    wait_until_ended(o);
    assert_int_equal(disk.readings, 1);
    assert_int_equal(poll_once(o, T + 101 * ASIDE_TIMEOUT), ASIDE_NOT_YET); /* what it saw may be old */
    wait_until_ended(o);
    assert_int_equal(poll_once(o, T + 101 * ASIDE_TIMEOUT), ASIDE_READ);
    leave(o);
}

static void who_leaves_a_dead_disk_does_not_wait(void **state)
{
    struct owner *o = made();

    (void)state;
    set_dead(true);
    assert_int_equal(poll_once(o, T), ASIDE_NOT_YET);
    aside_reader_leave(&o->reader);
    assert_int_equal(disk.freed, 0);
    set_dead(false);
    pthread_mutex_lock(&disk.lock);
    while (!disk.freed)
        pthread_cond_wait(&disk.changed, &disk.lock);
    pthread_mutex_unlock(&disk.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_read_is_believed_for_a_while),
        cmocka_unit_test(a_slow_disk_is_done_once_it_has_answered),
        cmocka_unit_test(who_polls_with_a_time_before_the_reading_waits_for_it),
        cmocka_unit_test(a_dead_disk_is_not_waited_for_and_recovers),
        cmocka_unit_test(who_leaves_a_dead_disk_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
