/* A stream whose journal is not the spool's: one that answers late and in any order, that is lost, and that gives back after a
 * restart what was left. Records are in a real spool. */
#include "tests/unit/delivery/delivery_rig.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/seal_journal.h"

enum { SEALS_MAX = 16 };

static const char *const ABC[] = {"alpha", "beta", "gamma"};
static const char *const DEF[] = {"delta", "epsilon"};

struct kept {
    struct seal seal;
    struct spool_cursor end;
    char note[SEAL_META_MAX];
    struct spool_wait *wait; /* not answered yet */
    bool safe, settled;
    struct seal_result result;
    struct { /* how far it is: what was told last, and what is safe */
        char bytes[SEAL_PROGRESS_MAX];
        size_t n;
    } told, kept;
    struct spool_wait *step; /* of what was told, not answered yet */
};

struct scripted {
    struct seal_journal journal;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct kept seals[SEALS_MAX]; /* guarded by lock, as what follows */
    size_t count, refused;
    struct spool_cursor cut;
    bool late, late_steps, lost, forgets_settlements;
    size_t steps; /* that were told */
    size_t settled;
};

static struct scripted *scripted_of(const struct seal_journal *j)
{
    return (struct scripted *)(uintptr_t)j;
}

static struct spool_cursor j_cut(const struct seal_journal *j)
{
    return scripted_of(j)->cut;
}

static void j_seal(struct seal_journal *j, const struct seal *s, const struct spool_cursor *end, struct spool_wait *w)
{
    struct scripted *x = scripted_of(j);
    bool late, lost;

    pthread_mutex_lock(&x->lock);
    late = x->late;
    lost = x->lost;
    assert(s->first == x->cut.seq && end->seq == s->last + 1);
    x->cut = *end;
    if (lost) {
        x->refused++;
    } else {
        struct kept *k = &x->seals[x->count++];

        assert(x->count <= SEALS_MAX && s->note.n <= sizeof(k->note));
        *k = (struct kept){.seal = *s, .end = *end, .wait = late ? w : NULL, .safe = !late};
        memcpy(k->note, s->note.p, s->note.n);
        k->seal.note.p = k->note;
    }
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    if (lost || !late)
        w->done(w, !lost);
}

static void j_progress(struct seal_journal *j, uint64_t seal_first, struct slice progress, struct spool_wait *w)
{
    struct scripted *x = scripted_of(j);
    struct kept *k = NULL;
    bool late;

    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < x->count; i++)
        if (x->seals[i].seal.first == seal_first)
            k = &x->seals[i];
    assert(k && k->safe && !k->settled && !k->step && progress.n <= sizeof(k->told.bytes));
    k->told.n = progress.n;
    if (progress.n)
        memcpy(k->told.bytes, progress.p, progress.n);
    late = x->late_steps && w;
    if (late)
        k->step = w;
    else
        k->kept = k->told;
    x->steps++;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
    if (!late && w)
        w->done(w, true);
}

static void j_settle(struct seal_journal *j, uint64_t seal_first, const struct seal_result *result)
{
    struct scripted *x = scripted_of(j);
    bool known = false;

    pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < x->count; i++) {
        struct kept *k = &x->seals[i];

        if (k->seal.first != seal_first)
            continue;
        assert(k->safe && !k->settled);
        known = k->settled = true;
        k->result = *result;
    }
    assert(known);
    x->settled++;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);
}

static bool j_pending(const struct seal_journal *j, size_t index, struct seal *out)
{
    const struct scripted *x = scripted_of(j);

    for (size_t i = 0; i < x->count; i++)
        if (!x->seals[i].settled && index-- == 0) {
            *out = x->seals[i].seal;
            out->start = (struct spool_cursor){.seq = out->first}; /* a shared journal knows no more */
            out->progress = slice_of(x->seals[i].kept.bytes, x->seals[i].kept.n);
            return true;
        }
    return false;
}

static uint32_t j_version(struct seal_journal *j, const unsigned char hash[32])
{
    (void)j, (void)hash;
    return 7;
}

static const struct seal_journal_ops SCRIPTED = {j_cut, j_seal, j_progress, j_settle, j_pending, j_version};

static void journal_init(struct scripted *x)
{
    *x = (struct scripted){.journal.ops = &SCRIPTED, .cut = {.seq = 1}};
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
}

static void journal_wait_steps(struct scripted *x, size_t steps)
{
    struct timespec end = wait_end();

    pthread_mutex_lock(&x->lock);
    while (x->steps < steps)
        if (pthread_cond_timedwait(&x->changed, &x->lock, &end) != 0)
            fail_msg("%zu steps", x->steps);
    pthread_mutex_unlock(&x->lock);
}

static void journal_wait(struct scripted *x, size_t seals, size_t refused)
{
    struct timespec end = wait_end();

    pthread_mutex_lock(&x->lock);
    while (x->count < seals || x->refused < refused)
        if (pthread_cond_timedwait(&x->changed, &x->lock, &end) != 0)
            fail_msg("%zu seals and %zu refusals", x->count, x->refused);
    pthread_mutex_unlock(&x->lock);
}

/* What is delivered is settled a moment later; who stops before that sends it again. */
static void journal_wait_settled(struct scripted *x, size_t settled)
{
    struct timespec end = wait_end();

    pthread_mutex_lock(&x->lock);
    while (x->settled < settled)
        if (pthread_cond_timedwait(&x->changed, &x->lock, &end) != 0)
            fail_msg("%zu are settled", x->settled);
    pthread_mutex_unlock(&x->lock);
}

static void journal_answer(struct scripted *x, size_t i)
{
    struct spool_wait *w;

    pthread_mutex_lock(&x->lock);
    w = x->seals[i].wait;
    x->seals[i].wait = NULL;
    x->seals[i].safe = true;
    pthread_mutex_unlock(&x->lock);
    w->done(w, true);
}

static void journal_answer_step(struct scripted *x, size_t i)
{
    struct spool_wait *w;

    pthread_mutex_lock(&x->lock);
    w = x->seals[i].step;
    x->seals[i].step = NULL;
    x->seals[i].kept = x->seals[i].told;
    pthread_mutex_unlock(&x->lock);
    w->done(w, true);
}

/* What the next process finds: what was safe. */
static void journal_restart(struct scripted *x)
{
    size_t n = 0;

    while (n < x->count && x->seals[n].safe)
        n++;
    x->count = n;
    for (size_t i = 0; i < n; i++) {
        x->seals[i].settled &= !x->forgets_settlements;
        x->seals[i].step = NULL;
    }
    x->cut = n ? x->seals[n - 1].end : (struct spool_cursor){.seq = 1};
    x->cut.segment = x->cut.offset = 0;
    x->late = x->late_steps = x->lost = x->forgets_settlements = false;
}

static void wait_delivered(struct fake *f, size_t n)
{
    struct timespec end = wait_end();

    pthread_mutex_lock(&f->lock);
    while (f->delivered_count < n)
        if (pthread_cond_timedwait(&f->changed, &f->lock, &end) != 0)
            fail_msg("%zu were delivered, not %zu", f->delivered_count, n);
    pthread_mutex_unlock(&f->lock);
}

static size_t attempts_of(struct fake *f)
{
    size_t n;

    pthread_mutex_lock(&f->lock);
    n = f->attempt_count;
    pthread_mutex_unlock(&f->lock);
    return n;
}

static struct rig *begin(struct scripted *x)
{
    struct rig *r = rig_new(&fake_plain, NULL);

    journal_init(x);
    r->journal = &x->journal;
    r->conf.buffer_interval = 0;
    r->conf.in_flight = 4;
    return r;
}

static void nothing_is_sent_before_the_journal_has_it(void **state)
{
    struct scripted x;
    struct rig *r = begin(&x);

    (void)state;
    x.late = true;
    r->conf.in_flight_min = 4;
    rig_start(r);
    assert_int_equal(r->stream->outlets[0].generations.newest->version, 7); /* as the journal says */
    rig_put(r, ABC, 3);
    journal_wait(&x, 1, 0);
    rig_put(r, DEF, 2);
    journal_wait(&x, 2, 0); /* the stream has gone on, and more than once */
    assert_int_equal(attempts_of(&r->destination), 0);
    journal_answer(&x, 1); /* in any order */
    wait_delivered(&r->destination, 1);
    assert_string_equal(fake_got(&r->destination, 0)->body, "delta\nepsilon\n");
    assert_int_equal(attempts_of(&r->destination), 1);
    journal_answer(&x, 0);
    wait_delivered(&r->destination, 2);
    assert_string_equal(fake_got(&r->destination, 1)->body, "alpha\nbeta\ngamma\n");
    rig_drain(r);
    assert_true(x.seals[0].settled && x.seals[0].result.delivered == 3);
    assert_true(x.seals[1].settled && x.seals[1].result.delivered == 2);
    rig_stop(r);
    rig_free(&r);
}

static void of_what_a_lost_journal_refused_nothing_is_sent(void **state)
{
    struct scripted x;
    struct rig *r = begin(&x);

    (void)state;
    x.lost = true;
    rig_start(r);
    rig_put(r, ABC, 3);
    journal_wait(&x, 0, 1);
    rig_put(r, DEF, 2);
    journal_wait(&x, 0, 2);
    rig_stop(r);
    assert_int_equal(r->destination.attempt_count, 0);
    journal_restart(&x);
    rig_start(r); /* who has the journal next begins where it ends */
    rig_drain(r);
    rig_stop(r);
    assert_int_equal(r->destination.delivered_count, 1);
    assert_string_equal(fake_got(&r->destination, 0)->body, "alpha\nbeta\ngamma\ndelta\nepsilon\n");
    rig_free(&r);
}

static void some_are_safe_when_the_journal_is_lost(void **state)
{
    struct scripted x;
    struct rig *r = begin(&x);

    (void)state;
    rig_start(r);
    rig_put(r, ABC, 3);
    journal_wait_settled(&x, 1);
    pthread_mutex_lock(&x.lock);
    x.lost = true;
    pthread_mutex_unlock(&x.lock);
    rig_put(r, DEF, 2);
    journal_wait(&x, 1, 1);
    rig_stop(r);
    assert_int_equal(r->destination.attempt_count, 1);
    journal_restart(&x);
    rig_start(r);
    rig_drain(r);
    rig_stop(r);
    assert_int_equal(r->destination.delivered_count, 2);
    assert_string_equal(fake_got(&r->destination, 1)->body, "delta\nepsilon\n");
    rig_free(&r);
}

static void what_was_pending_comes_back_as_it_was(void **state)
{
    struct scripted x;
    struct rig *r = begin(&x);
    const struct rig_attempt *before, *after;
    char note[SEAL_META_MAX];
    size_t note_bytes, i;

    (void)state;
    r->destination.script[0] = (struct step){.outcome = SINK_RETRY, .code = "503"};
    r->destination.steps = 1;
    r->destination.last_for_ever = true;
    rig_start(r);
    rig_put(r, ABC, 3);
    journal_wait(&x, 1, 0);
    while (attempts_of(&r->destination) == 0)
        usleep(1000);
    rig_stop(r);
    i = r->destination.attempt_count - 1;
    before = &r->destination.attempts[0];
    note_bytes = x.seals[0].seal.note.n;
    memcpy(note, x.seals[0].note, note_bytes);
    journal_restart(&x);
    r->destination.steps = 0;
    r->destination.last_for_ever = false;
    r->conf.codec = codec_find("gzip");
    r->conf.codec_level = r->conf.codec->level_default; /* of another configuration: what is fixed stays */
    rig_start(r);
    rig_drain(r);
    assert_int_equal(r->destination.delivered_count, 1);
    after = fake_got(&r->destination, 0);
    assert_true(after > &r->destination.attempts[i]);
    assert_string_equal(after->name, before->name);
    assert_string_equal(after->body, before->body);
    assert_int_equal(x.seals[0].seal.note.n, note_bytes);
    assert_memory_equal(x.seals[0].note, note, note_bytes);
    rig_put(r, DEF, 2);
    wait_delivered(&r->destination, 2);
    assert_true(fake_got(&r->destination, 1)->first == 4 && fake_got(&r->destination, 1)->last == 5);
    rig_drain(r);
    rig_stop(r);
    assert_true(x.count == 2 && x.seals[0].settled && x.seals[1].settled);
    rig_free(&r);
}

static void a_settlement_that_was_forgotten_is_the_same_delivery_once_more(void **state)
{
    struct scripted x;
    struct rig *r = begin(&x);

    (void)state;
    x.forgets_settlements = true;
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    rig_stop(r);
    journal_restart(&x);
    rig_start(r);
    rig_drain(r);
    rig_stop(r);
    assert_int_equal(r->destination.delivered_count, 2);
    assert_string_equal(fake_got(&r->destination, 0)->name, fake_got(&r->destination, 1)->name);
    assert_string_equal(fake_got(&r->destination, 0)->body, fake_got(&r->destination, 1)->body);
    assert_true(x.count == 1 && x.seals[0].settled);
    rig_free(&r);
}

/* A sink of three steps, and at which of them it was asked. */
static char asked[16];

static enum sink_outcome steps_send(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct fake *f = (struct fake *)(uintptr_t)state;
    char at[2] = {s->progress.n ? s->progress.p[0] : '0'};
    bool last = at[0] == '2';

    v->retry_after = NSEC_PER_MSEC;
    pthread_mutex_lock(&f->lock);
    strncat(asked, at, sizeof(asked) - strlen(asked) - 1);
    if (last) {
        fake_note(f, s);
        f->delivered[f->delivered_count++] = f->attempt_count - 1;
    } else {
        buf_clear(v->progress);
        assert(buf_add_char(v->progress, (char)(at[0] + 1)) == 0);
        v->progressed = true;
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return last ? SINK_DELIVERED : SINK_FOLLOW_UP;
}

static void the_next_step_waits_for_the_journal_and_goes_on_after_a_restart(void **state)
{
    struct sink_ops ops = fake_plain;
    struct scripted x;
    struct rig *r = begin(&x);

    (void)state;
    ops.send = steps_send;
    ops.steps = true;
    r->conf.sink = &ops;
    asked[0] = '\0';
    x.late_steps = true;
    rig_start(r);
    rig_put(r, ABC, 3);
    journal_wait_steps(&x, 1);
    pthread_mutex_lock(&r->destination.lock);
    assert_string_equal(asked, "0");
    pthread_mutex_unlock(&r->destination.lock);
    journal_answer_step(&x, 0);
    journal_wait_steps(&x, 2);
    rig_stop(r); /* the second step was told and is not safe */
    assert_string_equal(asked, "01");
    journal_restart(&x);
    rig_start(r);
    rig_drain(r);
    rig_stop(r);
    assert_string_equal(asked, "0112");
    assert_int_equal(r->destination.delivered_count, 1);
    assert_string_equal(fake_got(&r->destination, 0)->body, "alpha\nbeta\ngamma\n");
    assert_true(x.count == 1 && x.seals[0].settled && x.seals[0].result.delivered == 3);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_sent_before_the_journal_has_it),
        cmocka_unit_test(of_what_a_lost_journal_refused_nothing_is_sent),
        cmocka_unit_test(some_are_safe_when_the_journal_is_lost),
        cmocka_unit_test(what_was_pending_comes_back_as_it_was),
        cmocka_unit_test(the_next_step_waits_for_the_journal_and_goes_on_after_a_restart),
        cmocka_unit_test(a_settlement_that_was_forgotten_is_the_same_delivery_once_more),
    };

    return cmocka_run_group_tests_name("seal journal", tests, NULL, NULL);
}
