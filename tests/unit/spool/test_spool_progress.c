/* What a sink notes of a delivery of several steps is there again after a crash, and in every new segment; the last note
 * counts, and it goes with the settlement. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/spool/inspect.h"
#include "pipeline/spool/state.h"

static void note(struct fixture *x, uint64_t first, const char *progress, struct answer *a)
{
    a->wait.done = note_answer;
    spool_progress(spool_reader(x->spool, 0), first, slice_str(progress), &a->wait);
    commit(x);
    assert_int_equal(a->calls, 1);
    assert_true(a->safe);
    a->calls = 0;
}

static void settle_and_commit(struct fixture *x, uint64_t first, uint64_t count)
{
    spool_settle(spool_reader(x->spool, 0), first, &(struct seal_result){.delivered = count});
    commit(x);
}

static void assert_pending(struct fixture *x, size_t index, uint64_t first, const char *progress)
{
    struct seal s;

    assert_true(spool_pending_seal(spool_reader(x->spool, 0), index, &s));
    assert_int_equal(s.first, first);
    assert_true(slice_is(s.note, "note"));
    assert_true(slice_is(s.progress, progress));
}

static size_t in_progress(struct fixture *x)
{
    struct spool_report r;
    struct err e;

    if (spool_inspect(x->dir, &r, NULL, NULL, &e) < 0)
        fail_msg("%s", e.msg);
    assert_int_equal(r.damages, 0);
    return r.in_progress;
}

static uint64_t sealed(struct fixture *x, size_t records)
{
    struct answer a = {.calls = 0};
    uint64_t first;

    assert_int_equal(append_some(x, "r", records, NULL), SPOOL_TAKEN);
    commit(x);
    first = seal_up_to(x, 0, "note", &a);
    commit(x);
    assert_true(a.safe);
    return first;
}

static void the_last_note_is_there_after_a_restart(void **state)
{
    struct fixture *x = fixture_new(false, 16 * MIB, 0);
    struct answer a = {.calls = 0};
    uint64_t one = sealed(x, 3), two = sealed(x, 2);

    (void)state;
    assert_int_equal(in_progress(x), 0);
    note(x, one, "upload 7", &a);
    note(x, one, "upload 7, part 1", &a);
    assert_int_equal(in_progress(x), 1);
    reopen_spool(x);
    assert_false(x->found.damaged);
    assert_pending(x, 0, one, "upload 7, part 1");
    assert_pending(x, 1, two, "");
    note(x, two, "upload 8", &a);
    note(x, one, "", &a); /* the upload is gone, it begins anew */
    reopen_spool(x);
    assert_pending(x, 0, one, "");
    assert_pending(x, 1, two, "upload 8");
    fixture_free(x);
}

static void it_goes_with_the_settlement(void **state)
{
    struct fixture *x = fixture_new(false, 16 * MIB, 0);
    struct answer a = {.calls = 0};
    uint64_t one = sealed(x, 3), two = sealed(x, 2);
    struct seal s;

    (void)state;
    note(x, one, "a", &a);
    note(x, two, "b", &a);
    settle_and_commit(x, one, 3);
    assert_int_equal(in_progress(x), 1);
    reopen_spool(x);
    assert_pending(x, 0, two, "b");
    settle_and_commit(x, two, 2);
    reopen_spool(x);
    assert_false(spool_pending_seal(spool_reader(x->spool, 0), 0, &s));
    assert_int_equal(in_progress(x), 0);
    fixture_free(x);
}

static void it_is_carried_on_into_new_segments(void **state)
{
    enum { SEGMENT = 4 * KIB };
    struct fixture *x = fixture_new(false, 16 * MIB, SEGMENT);
    char longest[SEAL_PROGRESS_MAX + 1];
    struct answer a = {.calls = 0};
    uint64_t one = sealed(x, 3);

    (void)state;
    memset(longest, 'p', SEAL_PROGRESS_MAX);
    longest[SEAL_PROGRESS_MAX] = '\0';
    note(x, one, longest, &a);
    for (int i = 0; i < 20; i++) /* each in a segment of its own, sooner or later */
        settle_and_commit(x, sealed(x, 200), 200);
    assert_pending(x, 0, one, longest);
    reopen_spool(x);
    assert_pending(x, 0, one, longest);
    assert_int_equal(in_progress(x), 1);
    fixture_free(x);
}

static void a_checkpoint_without_any_is_what_it_was(void **state)
{
    struct spool_state st, back;
    struct buf plain, with;

    (void)state;
    spool_state_init(&st);
    buf_init(&plain, 64 * KIB);
    buf_init(&with, 64 * KIB);
    st.next = 10;
    assert_int_equal(spool_state_encode(&st, &plain), 0);
    spool_state_init(&back);
    assert_true(spool_state_decode(&back, buf_slice(&plain)));
    assert_int_equal(seal_progress_count(back.readers[0]), 0);
    assert_int_equal(buf_add(&plain, "\1\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0p", 17), 0); /* of a seal that is not there */
    assert_false(spool_state_decode(&back, buf_slice(&plain)));
    spool_state_release(&st);
    spool_state_release(&back);
    buf_release(&plain);
    buf_release(&with);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_note_is_there_after_a_restart),
        cmocka_unit_test(it_goes_with_the_settlement),
        cmocka_unit_test(it_is_carried_on_into_new_segments),
        cmocka_unit_test(a_checkpoint_without_any_is_what_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
