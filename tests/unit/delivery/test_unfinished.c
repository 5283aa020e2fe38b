/* How far the bodies of a seal are: which one is gone on with, which is not, and what the journal has of them. */
#include "tests/support/cmocka.h"

#include "pipeline/delivery/unfinished.h"

#include <stdio.h>
#include <string.h>

static const struct unfinished_key A = {.kind = 1, .first = 1, .last = 9, .bytes = 100, .crc32c = 7};

static struct unfinished_body *begun(struct unfinished *u, const struct unfinished_key *key, const char *progress)
{
    struct unfinished_body *b = unfinished_meet(u, key, SLICE("name"), "s3");

    assert_non_null(b);
    unfinished_progress(b, slice_str(progress), 0);
    return b;
}

static void write_and_read(struct unfinished *u)
{
    struct buf note;

    buf_init(&note, SEAL_PROGRESS_MAX);
    unfinished_write(u, &note);
    assert_true(unfinished_read(u, buf_slice(&note)));
    buf_release(&note);
}

static void the_same_body_goes_on_after_a_restart(void **state)
{
    struct unfinished u = {.count = 0};
    struct unfinished_body *b = begun(&u, &A, "upload 1");

    (void)state;
    unfinished_progress(b, SLICE("upload 1"), 40);
    assert_int_equal(b->range_count, SINK_RANGES_MAX < 3 ? SINK_RANGES_MAX : 3);
    unfinished_range_is_there(b, 2, &(struct sink_tag){"tag"});
    write_and_read(&u);
    assert_true(unfinished_is_any(&u));
    assert_null(unfinished_stale(&u));
    b = unfinished_meet(&u, &A, SLICE("name"), "s3");
    assert_true(slice_is(buf_slice(&b->progress), "upload 1"));
    assert_int_equal(unfinished_missing(b, 0), 1);
    assert_int_equal(unfinished_missing(b, 1), 3);
    assert_int_equal(unfinished_missing(b, 3), 0);
    assert_string_equal(b->tags[1].text, "tag");
    unfinished_release(&u);
}

static void another_body_begins_anew_and_the_old_one_is_to_be_removed(void **state)
{
    const struct unfinished_key others[] = {
        {.kind = 1, .first = 1, .last = 9, .bytes = 101, .crc32c = 7},
        {.kind = 1, .first = 1, .last = 9, .bytes = 100, .crc32c = 8},
        {.kind = 1, .first = 1, .last = 9, .bytes = 100, .crc32c = 7}, /* under another name, ... */
        {.kind = 1, .first = 1, .last = 9, .bytes = 100, .crc32c = 7}, /* ... for another sink */
    };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct unfinished u = {.count = 0};
        struct unfinished_body *b;

        unfinished_progress(begun(&u, &A, "upload 1"), SLICE("upload 1"), 40);
        write_and_read(&u);
        b = unfinished_meet(&u, &others[i], i == 2 ? SLICE("other") : SLICE("name"), i == 3 ? "http" : "s3");
        assert_int_equal(b->progress.n, 0);
        assert_true(slice_is(buf_slice(&unfinished_stale(&u)->progress), "upload 1"));
        unfinished_release(&u);
    }
}

/* The run that gave it up ended before it was removed. Which of the two is the later one does not follow from their order. */
static void what_was_given_up_stays_so_after_a_restart(void **state)
{
    (void)state;
    for (int begun_again = 0; begun_again < 2; begun_again++) {
        struct unfinished u = {.count = 0};
        struct unfinished_body *b = begun(&u, &A, "upload 1");

        unfinished_begin_anew(&u, b, true);
        unfinished_progress(b, SLICE("upload 2"), begun_again ? 40 : 0);
        if (!begun_again)
            unfinished_forget(&u, b);
        write_and_read(&u);
        write_and_read(&u);
        assert_null(unfinished_stale(&u)); /* not before its records are met, or nobody will come for them */
        b = unfinished_meet(&u, &A, SLICE("name"), "s3");
        assert_true(slice_is(buf_slice(&b->progress), begun_again ? "upload 2" : ""));
        assert_true(slice_is(buf_slice(&unfinished_stale(&u)->progress), "upload 1"));
        unfinished_release(&u);
    }
}

/* None of its bytes is there. */
static void before_the_first_range_any_bytes_of_this_name_go_on(void **state)
{
    const struct unfinished_key other = {.kind = 1, .first = 1, .last = 9, .bytes = 200, .crc32c = 8},
                                records = {.kind = 1, .first = 1, .last = 8, .bytes = 100, .crc32c = 7};
    struct unfinished u = {.count = 0};
    struct unfinished_body *b;

    (void)state;
    (void)begun(&u, &A, "upload 1");
    write_and_read(&u);
    b = unfinished_meet(&u, &other, SLICE("name"), "s3");
    assert_true(slice_is(buf_slice(&b->progress), "upload 1"));
    assert_null(unfinished_stale(&u));
    unfinished_progress(b, SLICE("upload 1"), 10);
    assert_int_equal(b->key.bytes, 200);
    assert_int_equal(unfinished_meet(&u, &records, SLICE("name"), "s3")->progress.n, 0);
    assert_ptr_equal(unfinished_stale(&u), b);
    unfinished_release(&u);
}

static void who_is_alone_under_a_name(void **state)
{
    const struct unfinished_key half = {.kind = 1, .first = 1, .last = 9, .window = 5, .bytes = 50, .crc32c = 1};
    struct unfinished u = {.count = 0};
    struct unfinished_body *a = begun(&u, &A, "1"), *b;

    (void)state;
    a->state = UNFINISHED_STALE;
    assert_true(unfinished_is_alone(&u, a));
    b = unfinished_meet(&u, &half, SLICE("name"), "s3");
    assert_false(unfinished_is_alone(&u, a));
    assert_true(unfinished_is_alone(&u, b));
    unfinished_progress(b, SLICE("2"), 0);
    b->state = UNFINISHED_UNMET;
    assert_false(unfinished_is_alone(&u, a));
    b->state = UNFINISHED_STALE;
    assert_true(unfinished_is_alone(&u, a));
    (void)unfinished_meet(&u, &A, SLICE("other"), "s3");
    (void)unfinished_meet(&u, &half, SLICE("name"), "http");
    assert_true(unfinished_is_alone(&u, a));
    unfinished_release(&u);
}

static void a_part_of_the_body_waits_until_it_is_made_again(void **state)
{
    const struct unfinished_key half = {.kind = 1, .first = 1, .last = 9, .window = 5, .bytes = 50, .crc32c = 1};
    struct unfinished u = {.count = 0};

    (void)state;
    (void)begun(&u, &half, "upload 2");
    write_and_read(&u);
    (void)begun(&u, &A, "upload 3"); /* first all of it, as in the run before */
    assert_null(unfinished_stale(&u));
    assert_int_equal(unfinished_meet(&u, &half, SLICE("name"), "s3")->progress.n, strlen("upload 2"));
    assert_true(slice_is(buf_slice(&unfinished_stale(&u)->progress), "upload 3")); /* which is cut smaller */
    unfinished_release(&u);
}

static void what_begins_anew_leaves_what_is_to_be_removed(void **state)
{
    (void)state;
    for (int leaves = 0; leaves < 2; leaves++) {
        struct unfinished u = {.count = 0};
        struct unfinished_body *b = begun(&u, &A, "upload 1"), *stale;

        unfinished_begin_anew(&u, b, leaves);
        assert_int_equal(b->progress.n, 0);
        stale = unfinished_stale(&u);
        assert_int_equal(stale != NULL, leaves);
        if (stale)
            assert_true(slice_is(buf_slice(&stale->progress), "upload 1"));
        assert_ptr_equal(begun(&u, &A, "upload 2"), b);
        write_and_read(&u);
        assert_non_null(unfinished_meet(&u, &A, SLICE("name"), "s3"));
        assert_int_equal(unfinished_stale(&u) != NULL, leaves); /* one of the two */
        unfinished_release(&u);
    }
}

static void where_there_is_no_place_it_stays(void **state)
{
    struct unfinished u = {.count = 0};
    struct unfinished_key key = A;

    (void)state;
    for (key.window = 0; key.window < SEAL_BODIES_MAX; key.window++)
        begun(&u, &key, "upload")->state = UNFINISHED_UNMET;
    unfinished_begin_anew(&u, u.bodies[0], true);
    assert_int_equal(u.count, SEAL_BODIES_MAX);
    assert_null(unfinished_stale(&u));
    unfinished_release(&u);
}

static void what_has_not_begun_leaves_nothing(void **state)
{
    struct unfinished u = {.count = 0};
    struct unfinished_body *b = unfinished_meet(&u, &A, SLICE("name"), "s3");
    struct buf note;

    (void)state;
    buf_init(&note, SEAL_PROGRESS_MAX);
    unfinished_write(&u, &note);
    assert_int_equal(note.n, 0);
    assert_false(unfinished_is_any(&u));
    unfinished_abandon(&u, b);
    assert_int_equal(u.count, 0);
    buf_release(&note);
}

/* Everything as long as it may be, in every place. */
static void the_journal_has_room_for_all(void **state)
{
    struct unfinished u = {.count = 0};
    char name[OBJECT_NAME_MAX], progress[SINK_PROGRESS_MAX];
    struct sink_tag tag;

    (void)state;
    memset(name, 'n', sizeof(name));
    memset(progress, 'p', sizeof(progress));
    memset(tag.text, 't', sizeof(tag.text));
    tag.text[sizeof(tag.text) - 1] = '\0';
    for (uint8_t i = 0; i < SEAL_BODIES_MAX; i++) {
        struct unfinished_key key = A;
        struct unfinished_body *b;

        key.kind = i;
        b = unfinished_meet(&u, &key, slice_of(name, sizeof(name)), "elasticsearch");
        unfinished_progress(b, slice_of(progress, sizeof(progress)), 1);
        assert_in_range(b->range_count, 1, SINK_RANGES_MAX);
        for (uint32_t n = 1; n <= b->range_count; n++)
            unfinished_range_is_there(b, n, &tag);
    }
    assert_null(unfinished_meet(&u, &(struct unfinished_key){.kind = 77}, SLICE("name"), "s3"));
    write_and_read(&u);
    assert_int_equal(u.count, SEAL_BODIES_MAX);
    assert_int_equal(unfinished_missing(u.bodies[0], 0), 0);
    unfinished_release(&u);
}

static void ranges_cover_the_body(void **state)
{
    (void)state;
    for (uint64_t bytes = 1; bytes < 200; bytes += 7)
        for (uint64_t range_bytes = 1; range_bytes < 220; range_bytes += 3) {
            struct unfinished u = {.count = 0};
            struct unfinished_key key = A;
            struct unfinished_body *b;
            uint64_t at = 0;

            key.bytes = bytes;
            b = begun(&u, &key, "upload");
            unfinished_progress(b, SLICE("upload"), range_bytes);
            for (uint32_t n = unfinished_missing(b, 0); n; n = unfinished_missing(b, n)) {
                struct sink_seal seal = {.range = n};

                unfinished_locate(b, &seal);
                assert_int_equal(seal.range_from, at);
                assert_true(seal.range_bytes > 0);
                at += seal.range_bytes;
            }
            assert_int_equal(at, bytes);
            unfinished_release(&u);
        }
}

/* Whatever stands there: nothing is read beyond its end, and what is no note of ours leaves nothing. */
static void damage_leaves_nothing(void **state)
{
    struct unfinished u = {.count = 0};
    struct buf note;

    (void)state;
    unfinished_progress(begun(&u, &A, "upload"), SLICE("upload"), 40);
    unfinished_range_is_there(u.bodies[0], 1, &(struct sink_tag){"tag"});
    buf_init(&note, SEAL_PROGRESS_MAX);
    unfinished_write(&u, &note);
    for (size_t n = 1; n < note.n; n++) {
        assert_false(unfinished_read(&u, slice_of(note.p, n)));
        assert_int_equal(u.count, 0);
    }
    for (size_t i = 0; i < note.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            note.p[i] = (char)(note.p[i] ^ (1 << bit));
            if (!unfinished_read(&u, buf_slice(&note)))
                assert_int_equal(u.count, 0);
            note.p[i] = (char)(note.p[i] ^ (1 << bit));
        }
    unfinished_release(&u);
    buf_release(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_body_goes_on_after_a_restart),
        cmocka_unit_test(another_body_begins_anew_and_the_old_one_is_to_be_removed),
        cmocka_unit_test(a_part_of_the_body_waits_until_it_is_made_again),
        cmocka_unit_test(what_was_given_up_stays_so_after_a_restart),
        cmocka_unit_test(before_the_first_range_any_bytes_of_this_name_go_on),
        cmocka_unit_test(who_is_alone_under_a_name),
        cmocka_unit_test(what_begins_anew_leaves_what_is_to_be_removed),
        cmocka_unit_test(where_there_is_no_place_it_stays),
        cmocka_unit_test(what_has_not_begun_leaves_nothing),
        cmocka_unit_test(the_journal_has_room_for_all),
        cmocka_unit_test(ranges_cover_the_body),
        cmocka_unit_test(damage_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
