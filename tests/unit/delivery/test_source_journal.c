/* A stream whose seals are kept at the source: what is not sealed there is not sent, what goes back is delivered by nobody here, and what somebody
 * sealed before goes out under its old name. */
#include "tests/unit/delivery/delivery_rig.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/source_journal.h"

#include <semaphore.h>

static const char *const ABC[] = {"alpha", "beta", "gamma"};
static const char *const DEF[] = {"delta", "epsilon"};

static void no_news(void *ctx)
{
    (void)ctx;
}

static struct rig *begin(void)
{
    struct rig *r = rig_new(&fake_plain, NULL);

    r->conf.memory = r->conf.at_source = true;
    r->conf.in_flight = 4;
    return r;
}

static struct source_journal *start(struct rig *r)
{
    rig_start(r);
    source_journal_attach(&r->stream->outlets[0].source_journal, no_news, NULL);
    return &r->stream->outlets[0].source_journal;
}

static uint64_t put(struct rig *r, const char *const *records, size_t count, uint64_t named)
{
    const struct source_batch b = {.named = named, .salt = 9};
    uint64_t n, number;

    rig_put(r, records, count);
    assert_int_equal(source_journal_open_records(&r->stream->outlets[0].source_journal), count);
    number = source_journal_add(&r->stream->outlets[0].source_journal, &b, &n);
    assert_int_equal(n, count);
    assert_int_equal(source_journal_add(&r->stream->outlets[0].source_journal, &b, NULL), 0);
    return number;
}

static struct source_news await_news(struct source_journal *j)
{
    struct source_news n;
    time_t end = time(NULL) + WAIT_S;

    while (!source_journal_news(j, &n)) {
        usleep(1000);
        if (time(NULL) > end)
            fail_msg("there are no news");
    }
    return n;
}

static struct source_news await_ask(struct source_journal *j, uint64_t batch)
{
    struct source_news n = await_news(j);

    assert_int_equal(n.batch, batch);
    assert_false(n.settled);
    return n;
}

static void await_settled(struct source_journal *j, uint64_t batch)
{
    struct source_news n = await_news(j);

    assert_int_equal(n.batch, batch);
    assert_true(n.settled);
}

static void check_books(struct rig *r, uint64_t delivered, uint64_t returned)
{
    struct spool_books b;

    rig_drain(r);
    spool_books(spool_reader(r->stream->spool, 0), &b);
    assert_int_equal(b.delivered, delivered);
    assert_int_equal(b.returned, returned);
    assert_int_equal(b.spooled, 0);
    assert_int_equal(b.incoming, delivered + returned);
}

static size_t attempts_of(struct fake *f)
{
    size_t n;

    pthread_mutex_lock(&f->lock);
    n = f->attempt_count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

static void nothing_is_sent_before_the_source_has_its_seal(void **state)
{
    struct rig *r = begin();
    struct source_journal *j;
    uint64_t first, second;

    (void)state;
    r->conf.in_flight_min = 4;
    j = start(r);
    rig_put(r, ABC, 3); /* in no batch: nobody delivers it */
    stream_flush(r->stream);
    assert_int_equal(source_journal_open_records(j), 3);
    rig_stop(r);
    assert_int_equal(r->destination.attempt_count, 0);
    j = start(r); /* a spool in memory is empty again */
    first = put(r, ABC, 3, 100);
    (void)await_ask(j, first);
    second = put(r, DEF, 2, 200);
    (void)await_ask(j, second);
    assert_false(source_journal_is_empty(j));
    assert_int_equal(attempts_of(&r->destination), 0);
    source_journal_sealed(j, second);
    await_settled(j, second);
    assert_string_equal(fake_got(&r->destination, 0)->body, "delta\nepsilon\n");
    assert_string_equal(fake_got(&r->destination, 0)->name, "200-201"); /* as the source counts */
    source_journal_sealed(j, first);
    await_settled(j, first);
    assert_string_equal(fake_got(&r->destination, 1)->name, "100-102");
    assert_true(source_journal_is_empty(j));
    check_books(r, 5, 0);
    rig_stop(r);
    rig_free(&r);
}

/* Before it has a place, before its seal is kept, and while it is tried. */
static void what_goes_back_is_delivered_by_nobody(void **state)
{
    struct rig *r = begin();
    struct source_journal *j;
    uint64_t tried, asked, waits, after;

    (void)state;
    r->conf.in_flight = 2;
    r->destination.script[0] = (struct step){.outcome = SINK_RETRY, .code = "503"};
    r->destination.steps = 1;
    r->destination.last_for_ever = true;
    j = start(r);
    tried = put(r, ABC, 3, 1);
    (void)await_ask(j, tried);
    source_journal_sealed(j, tried);
    while (attempts_of(&r->destination) == 0)
        usleep(1000);
    asked = put(r, DEF, 2, 4);
    (void)await_ask(j, asked);
    waits = put(r, ABC, 1, 6);
    source_journal_return(j, waits);
    source_journal_return(j, asked);
    source_journal_sealed(j, asked); /* its answer comes too late */
    source_journal_return(j, tried);
    check_books(r, 0, 6);
    pthread_mutex_lock(&r->destination.lock);
    r->destination.steps = 0;
    r->destination.last_for_ever = false;
    pthread_mutex_unlock(&r->destination.lock);
    after = put(r, DEF, 1, 1);
    (void)await_ask(j, after);
    source_journal_sealed(j, after);
    await_settled(j, after);
    source_journal_return(j, after); /* it is gone */
    check_books(r, 1, 6);
    assert_int_equal(r->destination.delivered_count, 1);
    assert_string_equal(fake_got(&r->destination, 0)->body, "delta\n");
    rig_stop(r);
    rig_free(&r);
}

static sem_t is_tried, may_end;

static void stay(void *ctx)
{
    (void)ctx;
    sem_post(&is_tried);
    while (sem_wait(&may_end) != 0)
        ;
}

/* Who asks whether something is there that will make room must not hear "nothing" while a returned batch still takes it. */
static void what_goes_back_is_there_until_its_attempt_has_ended(void **state)
{
    struct rig *r = begin();
    struct source_journal *j;
    struct spool_books b;
    uint64_t batch;

    (void)state;
    sem_init(&is_tried, 0, 0);
    sem_init(&may_end, 0, 0);
    r->destination.during = stay;
    j = start(r);
    batch = put(r, ABC, 3, 1);
    (void)await_ask(j, batch);
    source_journal_sealed(j, batch);
    while (sem_wait(&is_tried) != 0)
        ;
    source_journal_return(j, batch);
    assert_false(source_journal_is_empty(j));
    sem_post(&may_end);
    rig_drain(r);
    assert_true(source_journal_is_empty(j));
    spool_books(spool_reader(r->stream->spool, 0), &b);
    assert_int_equal(b.delivered + b.returned, 3); /* whether the answer was heard first */
    assert_int_equal(b.spooled, 0);
    rig_stop(r);
    rig_free(&r);
    sem_destroy(&is_tried);
    sem_destroy(&may_end);
}

/* Its seal is kept by nobody any more, and it was never tried. */
static void a_stream_gives_up_when_what_has_no_seal_goes_back(void **state)
{
    struct rig *r = begin();
    struct source_journal *j = start(r);
    time_t end = time(NULL) + WAIT_S;
    uint64_t batch = put(r, ABC, 3, 1);

    (void)state;
    (void)await_ask(j, batch);
    stream_give_up(r->stream);
    assert_false(stream_has_given_up(r->stream));
    source_journal_return(j, batch);
    while (!stream_has_given_up(r->stream)) {
        usleep(1000);
        if (time(NULL) > end)
            fail_msg("the stream does not give up");
    }
    assert_true(source_journal_is_empty(j));
    rig_stop(r);
    rig_free(&r);
}

static void what_was_sealed_before_has_its_name(void **state)
{
    struct rig *r = begin();
    struct source_journal *j = start(r);
    struct source_batch before = {.named = 77, .salt = 9};
    char note[SEAL_META_MAX];
    struct source_news n;
    uint64_t number;

    (void)state;
    number = put(r, ABC, 3, 70);
    n = await_ask(j, number);
    memcpy(note, n.note.p, n.note.n);
    before.note = slice_of(note, n.note.n);
    before.oldest = n.oldest;
    rig_stop(r); /* nobody knows whether it was tried */
    r->conf.codec = codec_find("gzip");
    r->conf.codec_level = r->conf.codec->level_default;
    j = start(r);
    rig_put(r, DEF, 2); /* numbers in the spool are others here */
    assert_int_equal(source_journal_add(j, &(struct source_batch){.named = 1, .salt = 1}, NULL), 1);
    source_journal_return(j, 1);
    rig_put(r, ABC, 3);
    number = source_journal_add(j, &before, NULL);
    await_settled(j, number); /* it is not asked for */
    assert_string_equal(fake_got(&r->destination, 0)->name, "70-72");
    assert_string_equal(fake_got(&r->destination, 0)->body, "alpha\nbeta\ngamma\n");
    check_books(r, 3, 2);
    rig_stop(r);
    rig_free(&r);
}

static void the_source_hears_how_large_a_batch_may_be(void **state)
{
    struct rig *r = begin();
    struct source_journal *j = start(r);
    time_t end = time(NULL) + WAIT_S;

    (void)state;
    while (source_journal_limits(j).bytes != r->conf.buffer_size && time(NULL) < end)
        usleep(1000);
    assert_int_equal(source_journal_limits(j).bytes, r->conf.buffer_size);
    assert_int_equal(source_journal_limits(j).interval, r->conf.buffer_interval);
    rig_stop(r);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_sent_before_the_source_has_its_seal),
        cmocka_unit_test(what_goes_back_is_delivered_by_nobody),
        cmocka_unit_test(what_goes_back_is_there_until_its_attempt_has_ended),
        cmocka_unit_test(a_stream_gives_up_when_what_has_no_seal_goes_back),
        cmocka_unit_test(what_was_sealed_before_has_its_name),
        cmocka_unit_test(the_source_hears_how_large_a_batch_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
