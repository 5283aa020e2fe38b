/* Ids of messages: one is remembered if and only if its record is safe, as long as its source's bounds allow, also behind a restart. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/ids.h"

#define QUEUE SLICE("sqs https://queue")

static bool sync_fails;

static int disk_fdatasync(int fd)
{
    (void)fd;
    errno = EIO;
    return sync_fails ? -1 : 0;
}

static int setup(void **state)
{
    static struct io_ops ops;
    struct fixture *x = fixture_new(false, 64 * MIB, 4096);

    sync_fails = false;
    ops = io_ops_real;
    ops.fdatasync = disk_fdatasync;
    close_spool(x);
    x->conf.files = &ops;
    open_spool(x);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* Messages from..end, each with its number as its id, in one frame. */
static void put_bounded(struct fixture *x, struct slice source, int from, int end, struct id_bounds bounds,
                        struct answer *a)
{
    struct frame *f = frame_new(4096, x->now, NULL);
    char id[16];

    frame_set_id_source(f, source, bounds);
    for (int i = from; i < end; i++) {
        snprintf(id, sizeof(id), "%d", i);
        assert_true(frame_add_message(f, &(struct frame_message){.data = SLICE("record"), .id = slice_str(id)}));
    }
    if (a)
        a->wait.done = note_answer;
    assert_int_equal(spool_append(x->spool, &f, a ? &a->wait : NULL), SPOOL_TAKEN);
}

static void put(struct fixture *x, int from, int end)
{
    put_bounded(x, QUEUE, from, end, (struct id_bounds){0, 0}, NULL);
}

static enum spool_id seen_of(struct fixture *x, struct slice source, int i)
{
    char id[16];

    snprintf(id, sizeof(id), "%d", i);
    return spool_id_seen(x->spool, source, slice_str(id));
}

static void assert_seen(struct fixture *x, int from, int end, enum spool_id want)
{
    for (int i = from; i < end; i++)
        assert_int_equal(seen_of(x, QUEUE, i), want);
}

static struct spool_id_books books(struct fixture *x)
{
    struct spool_id_books b;

    spool_id_books(x->spool, &b);
    return b;
}

static void an_id_is_pending_then_safe_and_stays_so(void **state)
{
    struct fixture *x = *state;

    assert_seen(x, 0, 5, SPOOL_ID_NEW);
    put(x, 0, 3);
    put(x, 3, 5);
    assert_seen(x, 0, 5, SPOOL_ID_PENDING);
    commit(x);
    assert_seen(x, 0, 5, SPOOL_ID_SAFE);
    assert_seen(x, 5, 7, SPOOL_ID_NEW);
    assert_int_equal(seen_of(x, SLICE("sqs https://other"), 1), SPOOL_ID_NEW);
    reopen_spool(x);
    assert_seen(x, 0, 5, SPOOL_ID_SAFE);
    assert_seen(x, 5, 7, SPOOL_ID_NEW);
    assert_int_equal(books(x).remembered, 5);
    assert_int_equal(books(x).outdated, 0);
}

/* Also when its record has long been delivered, and its segment is gone. */
static void checkpoints_hold_the_ids(void **state)
{
    struct fixture *x = *state;
    struct spool_books b;

    put(x, 0, 5);
    commit(x);
    for (int i = 0; i < 30; i++) { /* some segments */
        uint64_t first;

        assert_int_equal(append_some(x, "other", 20, NULL), SPOOL_TAKEN);
        commit(x);
        first = seal_up_to(x, 0, "n", NULL);
        commit(x);
        settle(x, first, spool_cut(spool_reader(x->spool, 0)).seq - first);
        commit(x);
    }
    spool_books(spool_reader(x->spool, 0), &b);
    assert_int_equal(b.spooled, 0);
    assert_seen(x, 0, 5, SPOOL_ID_SAFE);
    reopen_spool(x);
    assert_seen(x, 0, 5, SPOOL_ID_SAFE);
    reopen_spool(x);
    assert_seen(x, 0, 5, SPOOL_ID_SAFE);
    assert_int_equal(books(x).remembered, 5);
}

/* They stand behind what a checkpoint says of readers, and of how far their deliveries are. */
static void checkpoints_hold_the_ids_beside_all_else(void **state)
{
    static const struct spool_reader_conf READERS[] = {{.name = "a"}, {.name = "b"}};
    struct fixture *x = *state;

    put(x, 0, 5);
    assert_int_equal(append_some(x, "r", 5, NULL), SPOOL_TAKEN);
    commit(x);
    for (int with = 0; with < 4; with++) {
        close_spool(x);
        x->conf.readers = with & 1 ? READERS : NULL;
        x->conf.reader_count = with & 1 ? 2 : 0;
        open_spool(x);
        if (with & 2 && spool_cut(spool_reader(x->spool, 0)).seq <= 10) {
            uint64_t first = seal_up_to(x, 0, "n", NULL);

            commit(x);
            spool_progress(spool_reader(x->spool, 0), first, SLICE("half of it"), NULL);
            commit(x);
        }
        for (int i = 0; i < 10; i++) { /* some segments */
            assert_int_equal(append_some(x, "fills", 40, NULL), SPOOL_TAKEN);
            commit(x);
        }
        assert_seen(x, 0, 5, SPOOL_ID_SAFE);
        reopen_spool(x);
        assert_seen(x, 0, 5, SPOOL_ID_SAFE);
        assert_int_equal(books(x).remembered, 5);
        assert_false(x->found.damaged);
    }
}

static void what_the_disk_refuses_is_not_remembered(void **state)
{
    struct fixture *x = *state;
    struct answer a = {.calls = 0}, b = {.calls = 0};

    put(x, 0, 2);
    commit(x);
    put_bounded(x, QUEUE, 2, 4, (struct id_bounds){0, 0}, &a);
    sync_fails = true;
    commit(x);
    assert_true(a.calls == 1 && !a.safe);
    assert_seen(x, 0, 2, SPOOL_ID_SAFE);
    assert_seen(x, 2, 4, SPOOL_ID_NEW);
    sync_fails = false;
    commit(x);
    assert_seen(x, 2, 4, SPOOL_ID_NEW);
    put_bounded(x, QUEUE, 2, 4, (struct id_bounds){0, 0}, &b);
    assert_seen(x, 2, 4, SPOOL_ID_PENDING);
    commit(x);
    assert_true(b.calls == 1 && b.safe);
    assert_seen(x, 0, 4, SPOOL_ID_SAFE);
    reopen_spool(x);
    assert_seen(x, 0, 4, SPOOL_ID_SAFE);
}

/* The newest segment, cut off anywhere: what is there of the records is there of the ids, and no more. */
static void a_crash_takes_records_and_ids_together(void **state)
{
    struct fixture *x = *state, copy = *x;
    char name[SEGMENT_NAME_BYTES], path[512];
    struct stat st;

    snprintf(copy.dir, sizeof(copy.dir), "%s/copy", x->root);
    copy.conf.dir = copy.dir;
    for (int i = 0; i < 4; i++) {
        put(x, i, i + 1);
        if (i == 2)
            spool_forget_ids(x->spool, QUEUE, (struct id_key[]){frame_id_key(QUEUE, SLICE("9"))}, 1, NULL);
        commit(x);
    }
    snprintf(path, sizeof(path), "%s/%s", x->dir, segment_name(1, name));
    while (stat(path, &st) < 0) /* the only one */
        snprintf(path, sizeof(path), "%s/%s", x->dir, segment_name(2, name));
    for (off_t n = st.st_size; n > SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 200; n -= 3) {
        struct spool_books b;

        copy_folder(x->dir, copy.dir);
        snprintf(path, sizeof(path), "%s/%s", copy.dir, name);
        assert_int_equal(truncate(path, n), 0);
        snprintf(path, sizeof(path), "%s/mark", copy.dir);
        unlink(path);
        open_spool(&copy);
        spool_books(spool_reader(copy.spool, 0), &b);
        assert_true(b.incoming <= 4);
        assert_seen(&copy, 0, (int)b.incoming, SPOOL_ID_SAFE);
        assert_seen(&copy, (int)b.incoming, 4, SPOOL_ID_NEW);
        close_spool(&copy);
    }
    remove_tree(copy.dir);
}

static void the_oldest_go_when_there_are_too_many(void **state)
{
    struct fixture *x = *state;

    for (int i = 0; i < 20; i += 2) {
        put_bounded(x, QUEUE, i, i + 2, (struct id_bounds){7, 0}, NULL);
        commit(x);
    }
    assert_seen(x, 0, 13, SPOOL_ID_NEW);
    assert_seen(x, 13, 20, SPOOL_ID_SAFE);
    assert_int_equal(books(x).remembered, 7);
    assert_int_equal(books(x).outdated, 13);
    put_bounded(x, QUEUE, 14, 15, (struct id_bounds){7, 0}, NULL); /* it is new again */
    put_bounded(x, QUEUE, 20, 26, (struct id_bounds){7, 0}, NULL);
    commit(x);
    assert_int_equal(seen_of(x, QUEUE, 14), SPOOL_ID_SAFE);
    assert_seen(x, 15, 20, SPOOL_ID_NEW);
    reopen_spool(x);
    assert_int_equal(seen_of(x, QUEUE, 14), SPOOL_ID_SAFE);
    assert_seen(x, 15, 20, SPOOL_ID_NEW);
    assert_seen(x, 20, 26, SPOOL_ID_SAFE);
    put_bounded(x, QUEUE, 30, 31, (struct id_bounds){2, 0}, NULL); /* narrower from now on */
    commit(x);
    assert_int_equal(books(x).remembered, 2);
    put_bounded(x, QUEUE, 31, 32, (struct id_bounds){UINT32_MAX, 0}, NULL);
    commit(x);
    assert_int_equal(books(x).remembered, 3);
}

static void the_oldest_go_when_they_are_too_old(void **state)
{
    struct fixture *x = *state;

    x->now = 1000 * NSEC_PER_SEC;
    put_bounded(x, QUEUE, 0, 2, (struct id_bounds){0, 60}, NULL);
    commit(x);
    x->now = 1050 * NSEC_PER_SEC;
    put_bounded(x, QUEUE, 2, 3, (struct id_bounds){0, 60}, NULL);
    commit(x);
    assert_seen(x, 0, 3, SPOOL_ID_SAFE);
    reopen_spool(x);
    x->now = 1061 * NSEC_PER_SEC;
    put_bounded(x, QUEUE, 3, 4, (struct id_bounds){0, 60}, NULL);
    commit(x);
    assert_seen(x, 0, 2, SPOOL_ID_NEW);
    assert_seen(x, 2, 4, SPOOL_ID_SAFE);
    assert_int_equal(books(x).outdated, 2);
}

static void what_is_to_be_forgotten_is(void **state)
{
    static const char *const named[] = {"1", "3", "77"};
    struct fixture *x = *state;
    struct answer a = {.wait.done = note_answer};
    struct id_key gone[3];

    put(x, 0, 5);
    commit(x);
    for (int i = 0; i < 3; i++)
        gone[i] = frame_id_key(QUEUE, slice_str(named[i]));
    spool_forget_ids(x->spool, QUEUE, gone, 3, &a.wait);
    assert_seen(x, 0, 5, SPOOL_ID_SAFE); /* not before it is safe */
    commit(x);
    assert_true(a.calls == 1 && a.safe);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(seen_of(x, QUEUE, 0), SPOOL_ID_SAFE);
        assert_int_equal(seen_of(x, QUEUE, 1), SPOOL_ID_NEW);
        assert_int_equal(seen_of(x, QUEUE, 2), SPOOL_ID_SAFE);
        assert_int_equal(seen_of(x, QUEUE, 3), SPOOL_ID_NEW);
        assert_int_equal(books(x).remembered, 3);
        reopen_spool(x);
    }
    put(x, 1, 2); /* means another message now */
    commit(x);
    assert_int_equal(seen_of(x, QUEUE, 1), SPOOL_ID_SAFE);
    spool_forget_ids(x->spool, SLICE("nobody"), NULL, 0, NULL);
    spool_forget_ids(x->spool, QUEUE, NULL, 0, NULL);
    commit(x);
    for (int i = 0; i < 2; i++) {
        assert_seen(x, 0, 5, SPOOL_ID_NEW);
        assert_int_equal(books(x).remembered, 0);
        reopen_spool(x);
    }
}

static void of_too_many_sources_the_quietest_goes(void **state)
{
    struct fixture *x = *state;
    char source[32];

    for (int i = 0; i <= IDS_SOURCES_MAX; i++) {
        x->now += NSEC_PER_SEC;
        snprintf(source, sizeof(source), "source %d", i);
        put_bounded(x, slice_str(source), 0, 2, (struct id_bounds){0, 0}, NULL);
        if (i == 2)
            put_bounded(x, SLICE("source 0"), 2, 3, (struct id_bounds){0, 0}, NULL);
        commit(x);
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i <= IDS_SOURCES_MAX; i++) {
            snprintf(source, sizeof(source), "source %d", i);
            assert_int_equal(seen_of(x, slice_str(source), 1), i == 1 ? SPOOL_ID_NEW : SPOOL_ID_SAFE);
        }
        assert_int_equal(books(x).outdated, round == 0 ? 2 : 0);
        if (round == 0) { /* read from a checkpoint, not counted again */
            spool_forget_ids(x->spool, SLICE("nobody"), NULL, 0, NULL);
            for (int i = 0; i < 100; i++)
                assert_int_equal(append_some(x, "fills segments", 20, NULL), SPOOL_TAKEN), commit(x);
            reopen_spool(x);
        }
    }
}

static void a_frame_takes_only_so_many(void **state)
{
    struct frame *f = frame_new(FRAME_MAX_BYTES, 0, NULL);
    struct frame_ids ids;
    char id[16];
    int n = 0;

    (void)state;
    frame_set_id_source(f, QUEUE, (struct id_bounds){5, 6});
    assert_true(frame_add(f, SLICE("without an id")));
    do
        snprintf(id, sizeof(id), "%d", n++);
    while (frame_add_message(f, &(struct frame_message){.data = SLICE("r"), .id = slice_str(id)}));
    assert_int_equal(n - 1, FRAME_IDS_MAX);
    assert_int_equal(frame_count(f), FRAME_IDS_MAX + 1);
    frame_finish(f);
    assert_true(frame_ids_find(buf_slice(&f->extra), FRAME_TAG_IDS, &ids));
    assert_true(slice_eq(ids.source, QUEUE) && ids.count == FRAME_IDS_MAX);
    assert_true(ids.bounds.count == 5 && ids.bounds.seconds == 6);
    for (size_t i = 0; i < f->extra.n; i++) /* cut short anywhere */
        frame_ids_find(slice_of(f->extra.p, i), FRAME_TAG_IDS, &ids);
    frame_free(&f);
}

static void an_id_of_all_that_is_in_a_frame(void **state)
{
    struct fixture *x = *state;
    struct frame *f = frame_new(4096, x->now, NULL);

    frame_set_id_source(f, QUEUE, (struct id_bounds){0, 0});
    assert_true(frame_add(f, SLICE("one")) && frame_add(f, SLICE("two")));
    assert_true(frame_add_id(f, SLICE("0")));
    assert_seen(x, 0, 1, SPOOL_ID_NEW);
    assert_int_equal(spool_append(x->spool, &f, NULL), SPOOL_TAKEN);
    assert_seen(x, 0, 1, SPOOL_ID_PENDING);
    commit(x);
    assert_seen(x, 0, 1, SPOOL_ID_SAFE);
    reopen_spool(x);
    assert_seen(x, 0, 1, SPOOL_ID_SAFE);
    assert_seen(x, 1, 2, SPOOL_ID_NEW);
}

struct shown_keys {
    struct id_key keys[8];
    size_t n;
};

static void show_key(void *ctx, const struct id_key *key)
{
    struct shown_keys *k = ctx;

    assert_true(k->n < 8);
    k->keys[k->n++] = *key;
}

static void what_is_remembered_beside_an_id_stands_behind_it(void **state)
{
    static const struct id_key more[2] = {{.bytes = "what is more..1"}, {.bytes = "what is more..2"}};
    struct fixture *x = *state;
    struct id_key ids[2] = {frame_id_key(QUEUE, SLICE("0")), frame_id_key(QUEUE, SLICE("1"))};
    struct shown_keys k = {.n = 0};

    for (int i = 0; i < 2; i++) {
        const char *id = i ? "1" : "0";
        struct frame *f = frame_new(4096, x->now, NULL);

        frame_set_id_source(f, QUEUE, (struct id_bounds){0, 0});
        assert_true(frame_add_message(
            f, &(struct frame_message){.data = SLICE("record"), .id = slice_str(id), .beside = &more[i]}));
        assert_int_equal(spool_append(x->spool, &f, NULL), SPOOL_TAKEN);
    }
    spool_ids_each(x->spool, QUEUE, show_key, &k);
    assert_int_equal(k.n, 0); /* not before it is safe */
    commit(x);
    for (int round = 0; round < 2; round++) {
        k.n = 0;
        spool_ids_each(x->spool, QUEUE, show_key, &k);
        spool_ids_each(x->spool, SLICE("nobody"), show_key, &k);
        assert_int_equal(k.n, 4);
        for (int i = 0; i < 2; i++) {
            assert_memory_equal(&k.keys[2 * i], &ids[i], sizeof(ids[i]));
            assert_memory_equal(&k.keys[2 * i + 1], &more[i], sizeof(more[i]));
        }
        reopen_spool(x);
    }
    spool_forget_ids(x->spool, QUEUE, (struct id_key[]){ids[0], more[0]}, 2, NULL);
    commit(x);
    k.n = 0;
    spool_ids_each(x->spool, QUEUE, show_key, &k);
    assert_int_equal(k.n, 2);
    assert_memory_equal(&k.keys[1], &more[1], sizeof(more[1]));
}

/* Against a plain array: adding, dropping the oldest, looking. */
static void a_list_is_a_list(void **state)
{
    enum { KINDS = 40, MOST = 3000 };

    struct id_list l = {0};
    static unsigned char model[MOST + 1];
    size_t begin = 0, end = 0;
    uint64_t seed = 9;

    (void)state;
    while (end < MOST) {
        struct id_key key = {{0}};
        bool there = false;

        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        key.bytes[seed >> 63 ? 15 : 0] = key.bytes[1] = (unsigned char)((seed >> 40) % KINDS);
        if ((seed >> 33) % 3 > 0 || begin == end) {
            model[end] = (unsigned char)(key.bytes[1] + (key.bytes[0] ? 100 : 0));
            if (key.bytes[1] == 0)
                model[end] = 0;
            id_list_add(&l, &key, 0);
            end++;
        } else {
            id_list_drop_oldest(&l);
            begin++;
        }
        for (size_t i = begin; i < end; i++)
            there = there || model[i] == (key.bytes[1] == 0 ? 0 : key.bytes[1] + (key.bytes[0] ? 100 : 0));
        assert_int_equal(id_list_has(&l, &key), there);
        assert_int_equal(l.count, end - begin);
    }
    id_list_release(&l);
}

int main(void)
{
#define WITH_SPOOL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SPOOL(an_id_is_pending_then_safe_and_stays_so),
        WITH_SPOOL(checkpoints_hold_the_ids),
        WITH_SPOOL(checkpoints_hold_the_ids_beside_all_else),
        WITH_SPOOL(what_the_disk_refuses_is_not_remembered),
        WITH_SPOOL(a_crash_takes_records_and_ids_together),
        WITH_SPOOL(the_oldest_go_when_there_are_too_many),
        WITH_SPOOL(the_oldest_go_when_they_are_too_old),
        WITH_SPOOL(what_is_to_be_forgotten_is),
        WITH_SPOOL(of_too_many_sources_the_quietest_goes),
        WITH_SPOOL(an_id_of_all_that_is_in_a_frame),
        WITH_SPOOL(what_is_remembered_beside_an_id_stands_behind_it),
        cmocka_unit_test(a_frame_takes_only_so_many),
        cmocka_unit_test(a_list_is_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
