/* What was taken is reported in order, once, when it is safe; what was refused is not, and nothing behind it gets through. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/inputs/window.h"

#define QUEUE SLICE("queue")

struct bench {
    struct fixture *x;
    struct window w;
    struct budget budget;
    int news;
};

static bool sync_fails;

static int disk_fdatasync(int fd)
{
    (void)fd;
    errno = EIO;
    return sync_fails ? -1 : 0;
}

static void on_news(void *ctx)
{
    ((struct bench *)ctx)->news++;
}

static void begin_with(struct bench *b, uint64_t limit, uint32_t records, size_t bytes, bool ids)
{
    static struct io_ops ops;
    struct window_conf conf = {.budget = &b->budget,
                               .origin = SLICE("input=test"),
                               .id_source = ids ? QUEUE : SLICE(""),
                               .records = records,
                               .bytes = bytes,
                               .news = on_news,
                               .ctx = b};

    *b = (struct bench){.x = fixture_new(false, limit, 0)};
    sync_fails = false;
    ops = io_ops_real;
    ops.fdatasync = disk_fdatasync;
    close_spool(b->x);
    b->x->conf.files = &ops;
    open_spool(b->x);
    conf.spool = b->x->spool;
    budget_init(&b->budget, 16 * MIB);
    window_init(&b->w, &conf);
}

static void begin(struct bench *b)
{
    begin_with(b, 64 * MIB, 0, 0, true);
}

static void end(struct bench *b)
{
    fixture_free(b->x);
    window_release(&b->w);
    assert_int_equal(b->budget.used, 0);
}

static enum window_answer put(struct bench *b, const char *id, uint64_t number)
{
    return window_put(&b->w, &(struct frame_message){.data = SLICE("record"), .id = slice_str(id)}, number, b->x->now,
                      b->x->now);
}

static uint64_t incoming(struct bench *b)
{
    struct spool_books books;

    spool_books(spool_reader(b->x->spool, 0), &books);
    return books.incoming;
}

static void assert_safe(struct bench *b, uint64_t upto)
{
    struct window_news n = window_look(&b->w, b->x->now);

    assert_true(n.safe && !n.refused);
    assert_int_equal(n.upto, upto);
}

static void assert_nothing(struct bench *b)
{
    struct window_news n = window_look(&b->w, b->x->now);

    assert_false(n.safe || n.refused);
}

static void what_is_safe_is_reported_once_and_in_order(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    assert_true(window_is_idle(&b.w));
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    assert_int_equal(put(&b, "b", 5), WINDOW_TAKEN);
    assert_false(window_is_idle(&b.w));
    window_flush(&b.w, b.x->now);
    assert_int_equal(put(&b, "c", 6), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now); /* waits: a frame is on its way */
    assert_nothing(&b);
    commit(b.x);
    assert_int_equal(b.news, 1);
    assert_int_equal(incoming(&b), 2);
    assert_safe(&b, 5); /* and the next frame follows */
    assert_nothing(&b);
    commit(b.x);
    assert_safe(&b, 6);
    assert_nothing(&b);
    assert_true(window_is_idle(&b.w));
    assert_int_equal(incoming(&b), 3);
    end(&b);
}

static void there_is_only_so_much_without_an_answer(void **state)
{
    struct bench b;

    (void)state;
    begin_with(&b, 64 * MIB, 3, 0, false);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_true(window_has_room(&b.w));
        assert_int_equal(put(&b, "", i), WINDOW_TAKEN);
    }
    assert_false(window_has_room(&b.w));
    assert_int_equal(put(&b, "", 4), WINDOW_FULL);
    window_flush(&b.w, b.x->now);
    assert_int_equal(put(&b, "", 4), WINDOW_FULL);
    commit(b.x);
    assert_safe(&b, 3);
    assert_true(window_has_room(&b.w));
    assert_int_equal(put(&b, "", 4), WINDOW_TAKEN);
    end(&b);

    begin_with(&b, 64 * MIB, 0, 10, false);
    assert_int_equal(put(&b, "", 1), WINDOW_TAKEN);
    assert_int_equal(put(&b, "", 2), WINDOW_FULL);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 1);
    end(&b);

    begin_with(&b, 64 * MIB, 0, 1, false); /* one is always taken */
    assert_int_equal(put(&b, "", 1), WINDOW_TAKEN);
    end(&b);
}

/* Frames that are full go at once, as many as may be on their way. */
static void large_messages_make_many_frames(void **state)
{
    static char big[API_RECORD_MAX];
    const struct frame_message m = {.data = {big, sizeof(big)}};
    struct bench b;
    uint64_t i = 0;

    (void)state;
    begin_with(&b, 64 * MIB, 0, 64 * MIB, false);
    while (window_put(&b.w, &m, i + 1, b.x->now, b.x->now) == WINDOW_TAKEN)
        i++;
    assert_true(i >= WINDOW_FRAMES && i <= WINDOW_FRAMES + 1);
    commit(b.x);
    assert_safe(&b, WINDOW_FRAMES);
    while (i > WINDOW_FRAMES && !window_is_idle(&b.w)) {
        commit(b.x);
        window_look(&b.w, b.x->now);
    }
    assert_int_equal(incoming(&b), i);
    end(&b);
}

static void the_largest_messages_go_one_by_one(void **state)
{
    static char big[RECORD_MAX_BYTES];
    const struct frame_message m = {.data = {big, sizeof(big)}, .id = SLICE("large")};
    struct bench b;

    (void)state;
    begin(&b);
    b.budget.limit = 4 * MIB; /* less than one of them */
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    assert_int_equal(window_put(&b.w, &m, 2, b.x->now, b.x->now), WINDOW_FULL); /* only alone */
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 1);
    assert_int_equal(window_put(&b.w, &m, 2, b.x->now, b.x->now), WINDOW_TAKEN);
    assert_int_equal(put(&b, "b", 3), WINDOW_FULL);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 2);
    assert_int_equal(window_put(&b.w, &m, 3, b.x->now, b.x->now), WINDOW_TAKEN); /* known */
    assert_int_equal(put(&b, "b", 4), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    window_look(&b.w, b.x->now);
    assert_true(window_is_idle(&b.w));
    assert_int_equal(incoming(&b), 3);
    end(&b);

    begin_with(&b, RECORD_MAX_BYTES, 0, 0, false);
    assert_int_equal(window_put(&b.w, &m, 1, b.x->now, b.x->now), WINDOW_TOO_LARGE);
    assert_int_equal(put(&b, "", 1), WINDOW_TAKEN);
    end(&b);
}

static void a_message_that_is_known_is_not_taken_again(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    assert_int_equal(put(&b, "a", 2), WINDOW_TAKEN); /* in the same frame */
    window_flush(&b.w, b.x->now);
    assert_int_equal(put(&b, "a", 3), WINDOW_TAKEN); /* on its way */
    assert_nothing(&b);
    commit(b.x);
    assert_safe(&b, 3);
    assert_int_equal(put(&b, "a", 4), WINDOW_TAKEN); /* safe, and nothing waits */
    assert_safe(&b, 4);
    assert_int_equal(put(&b, "b", 5), WINDOW_TAKEN);
    assert_int_equal(put(&b, "a", 6), WINDOW_TAKEN); /* safe, but not what is before it */
    assert_nothing(&b);
    commit(b.x);
    assert_safe(&b, 6);
    assert_int_equal(b.w.duplicates, 4);
    assert_int_equal(incoming(&b), 2);
    assert_true(window_is_idle(&b.w));
    end(&b);
}

/* spool.limit is smaller now than it was when the message was taken: it is no message that cannot be taken. */
static void a_large_message_that_is_known_is_not_refused(void **state)
{
    static char data[RECORD_MAX_BYTES];
    const struct frame_message m = {.data = slice_of(data, sizeof(data)), .id = SLICE("l")};
    struct window_conf conf;
    struct bench b;

    (void)state;
    begin(&b);
    assert_int_equal(window_put(&b.w, &m, 1, b.x->now, b.x->now), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 1);
    conf = b.w.conf;
    close_spool(b.x);
    window_release(&b.w);
    b.x->conf.limit = RECORD_MAX_BYTES;
    open_spool(b.x);
    conf.spool = b.x->spool;
    window_init(&b.w, &conf);
    assert_false(spool_holds(b.x->spool, sizeof(data)));
    assert_int_equal(window_put(&b.w, &m, 1, b.x->now, b.x->now), WINDOW_TAKEN);
    assert_safe(&b, 1);
    assert_int_equal(b.w.duplicates, 1);
    end(&b);
}

static void what_is_refused_is_handed_out_again(void **state)
{
    struct window_news n;
    struct bench b;

    (void)state;
    begin(&b);
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_int_equal(put(&b, "b", 2), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now); /* waits for the look: the first one is not reported */
    assert_int_equal(put(&b, "c", 3), WINDOW_TAKEN);
    assert_safe(&b, 1);
    assert_int_equal(put(&b, "d", 4), WINDOW_TAKEN);
    sync_fails = true;
    commit(b.x);
    assert_int_equal(put(&b, "e", 5), WINDOW_BROKEN);
    n = window_look(&b.w, b.x->now);
    assert_true(n.refused && !n.safe);
    sync_fails = false;
    commit(b.x);
    n = window_look(&b.w, b.x->now);
    assert_true(n.refused && !n.safe); /* until it is reset, also when the disk takes writes again */
    assert_int_equal(incoming(&b), 1);
    window_reset(&b.w);
    assert_true(window_has_room(&b.w));
    for (int i = 0; i < 4; i++)
        assert_int_equal(put(&b, (const char *[]){"a", "b", "c", "d"}[i], (uint64_t)i + 1), WINDOW_TAKEN);
    window_look(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 4);
    assert_int_equal(incoming(&b), 4);
    assert_int_equal(b.w.duplicates, 1);
    end(&b);
}

/* The connection is gone, and what was on its way becomes safe all the same: it comes again, and is known. */
static void a_session_that_is_over_reports_nothing(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    assert_int_equal(put(&b, "a", 101), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    window_reset(&b.w);
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    assert_nothing(&b);
    commit(b.x);
    assert_safe(&b, 1);
    assert_int_equal(put(&b, "b", 2), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    window_reset(&b.w);
    commit(b.x);
    assert_nothing(&b);
    assert_true(window_is_idle(&b.w));
    assert_int_equal(incoming(&b), 2);
    end(&b);
}

static void a_full_spool_makes_a_full_window(void **state)
{
    struct pushback p;
    struct bench b;
    uint64_t i = 0, first;

    (void)state;
    begin_with(&b, 64 * KIB, 0, 0, false);
    pushback_init(&p, NULL, NULL);
    b.w.conf.pushback = &p;
    while (!pushback_view(&p, b.x->now).blocked) {
        const struct frame_message m = {.data = SLICE("012345678901234567890123456789012345678901234567890123456")};
        bool taken = window_put(&b.w, &m, i + 1, b.x->now, b.x->now) == WINDOW_TAKEN;

        i += taken;
        if (!taken || i % 50 == 0) {
            window_flush(&b.w, b.x->now);
            commit(b.x);
            window_look(&b.w, b.x->now);
        }
    }
    assert_false(window_has_room(&b.w));
    assert_int_equal(b.budget.used, 0); /* others need it */
    first = seal_up_to(b.x, 0, "n", NULL);
    commit(b.x);
    settle(b.x, first, incoming(&b));
    commit(b.x);
    commit(b.x);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    window_look(&b.w, b.x->now);
    assert_true(window_has_room(&b.w));
    assert_int_equal(incoming(&b), i);
    end(&b);
    pushback_release(&p);
}

/* Its frame was offered and is still here. */
static void what_waits_for_the_spool_is_known(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    sync_fails = true;
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_true(window_look(&b.w, b.x->now).refused);
    window_reset(&b.w);
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now); /* the disk still refuses */
    assert_int_equal(window_id_seen(&b.w, SLICE("a")), SPOOL_ID_PENDING);
    assert_int_equal(window_id_seen(&b.w, SLICE("b")), SPOOL_ID_NEW);
    sync_fails = false;
    commit(b.x);
    assert_int_equal(put(&b, "a", 2), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 2);
    assert_int_equal(incoming(&b), 1);
    assert_int_equal(window_id_seen(&b.w, SLICE("a")), SPOOL_ID_SAFE);
    end(&b);
}

/* Memory for records is that of all streams, and a large message may take all of it. */
static void a_large_message_holds_no_memory_while_the_spool_is_full(void **state)
{
    static char big[RECORD_MAX_BYTES];
    const struct frame_message m = {.data = {big, sizeof(big)}};
    struct bench b;
    uint64_t first;

    (void)state;
    begin_with(&b, 2 * RECORD_MAX_BYTES - 1, 0, 0, false);
    assert_int_equal(window_put(&b.w, &m, 1, b.x->now, b.x->now), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 1);
    assert_int_equal(window_put(&b.w, &m, 2, b.x->now, b.x->now), WINDOW_FULL);
    assert_int_equal(b.budget.used, 0);
    assert_int_equal(put(&b, "", 2), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    first = seal_up_to(b.x, 0, "n", NULL);
    commit(b.x);
    assert_safe(&b, 2);
    settle(b.x, first, 1);
    commit(b.x);
    commit(b.x);
    assert_int_equal(window_put(&b.w, &m, 3, b.x->now, b.x->now), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 3);
    assert_int_equal(incoming(&b), 3);
    end(&b);
}

/* With its line break. Else it would be taken, and wait for ever. */
static void the_largest_that_a_limit_has_room_for_is_taken_and_no_larger_one(void **state)
{
    static char big[RECORD_MAX_BYTES];
    struct frame_message m = {.data = {big, sizeof(big) - FRAME_BESIDE_RECORD}};
    struct bench b;

    (void)state;
    begin_with(&b, RECORD_MAX_BYTES, 0, 0, false);
    assert_int_equal(window_put(&b.w, &m, 1, b.x->now, b.x->now), WINDOW_TOO_LARGE);
    m.data.n--;
    assert_int_equal(window_put(&b.w, &m, 1, b.x->now, b.x->now), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 1);
    end(&b);
}

/* It waits in the window, and the stream's spool.limit is lowered: it would wait for ever. */
static void a_message_for_which_a_lower_limit_has_no_room_is_handed_out_again(void **state)
{
    static char big[RECORD_MAX_BYTES];
    const struct frame_message m = {.data = {big, sizeof(big)}};
    struct bench b;

    (void)state;
    begin_with(&b, 64 * MIB, 0, 0, false);
    assert_int_equal(window_put(&b.w, &m, 1, b.x->now, b.x->now), WINDOW_TAKEN);
    spool_set_limit(b.x->spool, RECORD_MAX_BYTES);
    window_flush(&b.w, b.x->now);
    assert_int_equal(b.news, 1);
    assert_true(window_look(&b.w, b.x->now).refused);
    assert_int_equal(put(&b, "", 2), WINDOW_BROKEN);
    window_reset(&b.w);
    assert_int_equal(b.budget.used, 0);
    assert_int_equal(window_put(&b.w, &m, 1, b.x->now, b.x->now), WINDOW_TOO_LARGE);
    assert_int_equal(put(&b, "", 2), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    assert_safe(&b, 2);
    assert_int_equal(incoming(&b), 1);
    end(&b);
}

static void without_memory_nothing_is_taken(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    assert_true(budget_take(&b.budget, 16 * MIB - 100));
    assert_int_equal(put(&b, "a", 1), WINDOW_FULL);
    assert_true(window_is_idle(&b.w));
    budget_give(&b.budget, 16 * MIB - 100);
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    end(&b);
}

static bool note_position(void *ctx, struct slice source, struct slice cursor)
{
    struct buf *b = ctx;

    return buf_printf(b, "%.*s=%.*s ", (int)source.n, source.p, (int)cursor.n, cursor.p) == 0;
}

static void positions_go_with_their_records(void **state)
{
    struct buf text;
    struct bench b;

    (void)state;
    begin_with(&b, 64 * MIB, 0, 0, false);
    buf_init(&text, 1000);
    window_set_position(&b.w, SLICE("p"), SLICE("0")); /* of nothing */
    for (uint64_t i = 1; i <= 3; i++) {
        char at[8];

        assert_int_equal(put(&b, "", i), WINDOW_TAKEN);
        snprintf(at, sizeof(at), "%d", (int)i);
        window_set_position(&b.w, SLICE("p"), slice_str(at));
        if (i == 2)
            window_flush(&b.w, b.x->now);
    }
    commit(b.x);
    spool_positions(b.x->spool, note_position, &text);
    assert_true(slice_is(buf_slice(&text), "p=2 "));
    buf_release(&text);
    end(&b);
}

struct marked {
    struct bench b;
    uint64_t taken;
    int closed;
};

static void mark_open(void *ctx)
{
    struct marked *m = ctx;
    char at[24];

    snprintf(at, sizeof(at), "%llu", (unsigned long long)m->taken);
    window_set_position(&m->b.w, SLICE("p"), slice_str(at));
    window_set_position(&m->b.w, SLICE("q"), slice_str(at));
    m->closed++;
}

/* Its owner is asked once for each frame, before it goes. */
static void a_frame_that_closes_asks_where_its_sources_go_on(void **state)
{
    struct marked m = {.taken = 0};
    struct buf text;

    (void)state;
    begin_with(&m.b, 64 * MIB, 0, 0, false);
    m.b.w.conf.closing = mark_open;
    m.b.w.conf.ctx = &m.b; /* news(), too, takes it: the first member */
    buf_init(&text, 1000);
    window_cut(&m.b.w);
    assert_int_equal(m.closed, 0);
    for (m.taken = 0; m.taken < 3; m.taken++)
        assert_int_equal(put(&m.b, "", m.taken + 1), WINDOW_TAKEN);
    window_cut(&m.b.w);
    window_cut(&m.b.w);
    assert_int_equal(m.closed, 1);
    assert_int_equal(put(&m.b, "", ++m.taken), WINDOW_TAKEN); /* a frame of its own */
    assert_int_equal(m.b.w.count, 1);
    commit(m.b.x);
    spool_positions(m.b.x->spool, note_position, &text);
    assert_true(slice_is(buf_slice(&text), "p=3 q=3 ") || slice_is(buf_slice(&text), "q=3 p=3 "));
    assert_safe(&m.b, 3);
    assert_int_equal(m.closed, 2); /* it went when the first one was safe */
    commit(m.b.x);
    assert_safe(&m.b, 4);
    buf_release(&text);
    end(&m.b);
}

static void what_is_not_on_its_way_can_be_given_up(void **state)
{
    struct bench b;

    (void)state;
    begin_with(&b, 64 * MIB, 0, 0, false);
    window_drop_open(&b.w); /* there is none */
    assert_int_equal(put(&b, "", 1), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    assert_int_equal(put(&b, "", 2), WINDOW_TAKEN);
    window_cut(&b.w);
    window_drop_open(&b.w);
    assert_int_equal(put(&b, "", 2), WINDOW_TAKEN);
    window_drop_open(&b.w);
    assert_int_equal(b.w.records, 1);
    commit(b.x);
    assert_safe(&b, 1);
    assert_true(window_is_idle(&b.w));
    assert_int_equal(b.w.records, 0);
    assert_int_equal(b.w.bytes, 0);
    assert_int_equal(incoming(&b), 1);
    end(&b);
}

/* Of a source that cannot hand out the same again nothing is lost to a disk that refuses, and the order stays. */
static void what_the_disk_refused_is_offered_again_where_it_must_be_kept(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    b.w.conf.keeps = true;
    sync_fails = true;
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    assert_int_equal(put(&b, "b", 2), WINDOW_TAKEN);
    commit(b.x);
    assert_nothing(&b);
    assert_int_equal(incoming(&b), 0);
    assert_int_equal(put(&b, "c", 3), WINDOW_TAKEN); /* it has room, for as long as that lasts */
    window_flush(&b.w, b.x->now);
    assert_false(window_is_idle(&b.w));
    sync_fails = false;
    commit(b.x); /* the spool finds out that the disk is well again */
    assert_nothing(&b);
    commit(b.x);
    assert_safe(&b, 1);
    commit(b.x);
    assert_safe(&b, 3);
    assert_true(window_is_idle(&b.w));
    assert_int_equal(incoming(&b), 3);

    sync_fails = true; /* and what is dropped while it waits is nobody's */
    assert_int_equal(put(&b, "d", 4), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    window_reset(&b.w);
    assert_true(window_is_idle(&b.w));
    end(&b);
}

/* Whoever waits for it to be away counts on it that its spool, and the committer, hear nothing more of it. */
static void who_leaves_offers_nothing_more(void **state)
{
    struct bench b;

    (void)state;
    begin(&b);
    b.w.conf.keeps = true;
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now); /* it is on its way */
    assert_int_equal(put(&b, "b", 2), WINDOW_TAKEN);
    assert_int_equal(put(&b, "c", 3), WINDOW_TAKEN);
    window_end(&b.w);
    assert_int_equal(window_left(&b.w).records, 2);
    commit(b.x);
    assert_safe(&b, 1);
    commit(b.x);
    assert_nothing(&b);
    assert_int_equal(incoming(&b), 1);
    end(&b);

    begin(&b); /* nor what the disk refused */
    b.w.conf.keeps = true;
    sync_fails = true;
    assert_int_equal(put(&b, "a", 1), WINDOW_TAKEN);
    window_flush(&b.w, b.x->now);
    commit(b.x);
    window_end(&b.w);
    assert_int_equal(window_left(&b.w).records, 1);
    sync_fails = false;
    commit(b.x);
    commit(b.x);
    assert_nothing(&b);
    assert_int_equal(incoming(&b), 0);
    end(&b);
}

/* A kill between two frames would leave a half of it, without its id. */
static void a_message_of_several_records_goes_into_one_frame(void **state)
{
    static char text[WINDOW_FRAME_BYTES];
    struct frame_message m = {.data = slice_of(text, WINDOW_FRAME_BYTES / 8)};
    struct bench b;
    uint64_t n = 0;

    (void)state;
    begin(&b);
    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 3; i++) { /* seven of the records have room in a frame */
        assert_true(window_fits(&b.w, 3, 3 * m.data.n, 0, b.x->now, b.x->now));
        for (int k = 0; k < 3; k++)
            assert_int_equal(window_put(&b.w, &m, ++n, b.x->now, b.x->now), WINDOW_TAKEN);
    }
    commit(b.x); /* the first frame: two messages, not seven records */
    assert_safe(&b, 6);
    assert_int_equal(incoming(&b), 6);
    commit(b.x);
    assert_safe(&b, 9);
    end(&b);

    begin_with(&b, 64 * MIB, 4, 0, false);
    assert_true(window_fits(&b.w, 3, 30, 0, b.x->now, b.x->now));
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(put(&b, "", i), WINDOW_TAKEN);
    assert_false(window_fits(&b.w, 2, 20, 0, b.x->now, b.x->now)); /* there would be five without an answer */
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_safe_is_reported_once_and_in_order),
        cmocka_unit_test(there_is_only_so_much_without_an_answer),
        cmocka_unit_test(large_messages_make_many_frames),
        cmocka_unit_test(the_largest_messages_go_one_by_one),
        cmocka_unit_test(a_message_that_is_known_is_not_taken_again),
        cmocka_unit_test(a_large_message_that_is_known_is_not_refused),
        cmocka_unit_test(what_is_refused_is_handed_out_again),
        cmocka_unit_test(a_session_that_is_over_reports_nothing),
        cmocka_unit_test(a_full_spool_makes_a_full_window),
        cmocka_unit_test(what_waits_for_the_spool_is_known),
        cmocka_unit_test(a_large_message_holds_no_memory_while_the_spool_is_full),
        cmocka_unit_test(the_largest_that_a_limit_has_room_for_is_taken_and_no_larger_one),
        cmocka_unit_test(a_message_for_which_a_lower_limit_has_no_room_is_handed_out_again),
        cmocka_unit_test(without_memory_nothing_is_taken),
        cmocka_unit_test(positions_go_with_their_records),
        cmocka_unit_test(a_frame_that_closes_asks_where_its_sources_go_on),
        cmocka_unit_test(what_the_disk_refused_is_offered_again_where_it_must_be_kept),
        cmocka_unit_test(who_leaves_offers_nothing_more),
        cmocka_unit_test(a_message_of_several_records_goes_into_one_frame),
        cmocka_unit_test(what_is_not_on_its_way_can_be_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
