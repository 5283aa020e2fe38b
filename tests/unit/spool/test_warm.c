#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/format/frame_build.h"
#include "pipeline/spool/warm.h"
#include "tests/unit/spool/spool_fixture.h"

enum {
    SEGMENT = 7,
    RECORDS = 3, /* of a frame */
};

/* --- the store by itself --------------------------------------------------------------------------------------------- */

struct rig {
    struct budget whole;
    struct warm_store *store;
    struct warm warm;
    size_t frame_bytes;
    uint64_t next;
};

/* RECORDS records: the numbers of the next ones. */
static struct frame *make_frame(uint64_t first, struct budget *b)
{
    struct frame *f = frame_new(100, 5, b);

    for (int i = 0; i < RECORDS; i++)
        assert_true(frame_add(f, slice_str("record")));
    frame_finish(f);
    f->header.first = first;
    return f;
}

/* Room for `frames`; others may take as much and as much again. */
static void rig_begin(struct rig *r, size_t frames)
{
    struct frame *f = make_frame(1, NULL);

    r->frame_bytes = f->budgeted;
    frame_free(&f);
    budget_init(&r->whole, 3 * frames * r->frame_bytes);
    r->store = warm_store_new(&r->whole, frames * r->frame_bytes);
    warm_init(&r->warm, r->store, 0);
    r->next = 1;
}

static void rig_end(struct rig *r)
{
    warm_release(&r->warm);
    warm_store_free(&r->store);
    assert_int_equal(r->whole.used, 0);
}

static uint64_t add(struct rig *r, struct warm *w)
{
    uint64_t first = r->next;

    r->next += RECORDS;
    warm_add(w, make_frame(first, NULL), SEGMENT);
    return first;
}

static bool has(struct warm *w, uint64_t seq)
{
    struct frame *f = warm_pin(w, seq);

    if (f) {
        assert_true(f->header.first <= seq && seq < f->header.first + RECORDS);
        assert_int_equal(f->segment, SEGMENT);
        warm_unpin(w, f, 0);
    }
    return f != NULL;
}

static void read_records(struct warm *w, uint64_t seq, uint64_t count)
{
    struct frame *f = warm_pin(w, seq);

    assert_non_null(f);
    warm_unpin(w, f, count);
}

static void a_frame_is_found_by_each_of_its_records_and_by_no_other(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, 4);
    assert_false(has(&r.warm, 1));
    for (int i = 0; i < 4; i++)
        add(&r, &r.warm);
    assert_false(has(&r.warm, 0));
    for (uint64_t seq = 1; seq < r.next; seq++)
        assert_true(has(&r.warm, seq));
    assert_false(has(&r.warm, r.next));
    assert_false(has(&r.warm, UINT64_MAX));
    assert_int_equal(r.whole.used, 4 * r.frame_bytes);
    rig_end(&r);
}

static void a_frame_of_very_large_records_is_not_kept(void **state)
{
    struct budget whole;
    struct warm_store *store;
    struct warm w;

    (void)state;
    budget_init(&whole, 8 * FRAME_MAX_BYTES);
    store = warm_store_new(&whole, 2 * FRAME_MAX_BYTES);
    warm_init(&w, store, 0);
    for (int large = 0; large < 2; large++) {
        struct frame *f = frame_new(large ? WARM_FRAME_MAX : WARM_FRAME_MAX / 2, 1, NULL);

        assert_true(frame_add(f, slice_str("record")));
        frame_finish(f);
        f->header.first = (uint64_t)large + 1;
        warm_add(&w, f, SEGMENT);
    }
    assert_true(warm_pin(&w, 2) == NULL);
    assert_int_equal(w.live, 1);
    warm_release(&w);
    warm_store_free(&store);
}

static void a_spool_keeps_no_more_than_its_own_share(void **state)
{
    struct rig r;
    uint64_t first, last;

    (void)state;
    rig_begin(&r, 4);
    r.warm.most = 2 * r.frame_bytes;
    first = add(&r, &r.warm);
    add(&r, &r.warm);
    last = add(&r, &r.warm);
    assert_true(has(&r.warm, first));
    assert_false(has(&r.warm, last));
    assert_int_equal(r.warm.live, 2);
    read_records(&r.warm, first, RECORDS); /* and goes */
    assert_int_equal(r.warm.bytes, r.frame_bytes);
    add(&r, &r.warm);
    assert_int_equal(r.warm.live, 2);
    rig_end(&r);
}

static void without_a_store_nothing_is_kept(void **state)
{
    struct warm w;

    (void)state;
    warm_init(&w, NULL, 0);
    warm_add(&w, make_frame(1, NULL), SEGMENT);
    assert_null(warm_pin(&w, 1));
    warm_drop(&w, UINT64_MAX);
    assert_int_equal(warm_limit(&w), 0);
    warm_release(&w);
}

static void the_bytes_of_a_frame_move_from_the_inputs_budget_to_the_stores(void **state)
{
    struct rig r;
    struct budget input;
    struct frame *f;

    (void)state;
    rig_begin(&r, 1);
    budget_init_part(&input, &r.whole, r.frame_bytes);
    f = make_frame(1, &input);
    assert_int_equal(input.used, r.frame_bytes);
    warm_add(&r.warm, f, SEGMENT);
    assert_true(has(&r.warm, 1));
    assert_int_equal(input.used, 0);
    assert_int_equal(r.whole.used, r.frame_bytes);
    warm_add(&r.warm, make_frame(4, &input), SEGMENT); /* no room: freed */
    assert_int_equal(input.used, 0);
    assert_int_equal(r.whole.used, r.frame_bytes);
    rig_end(&r);
}

static void when_it_is_full_the_oldest_stay_and_none_comes_before_the_readers_are_at_the_gap(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, 2);
    add(&r, &r.warm); /* 1 */
    add(&r, &r.warm); /* 4 */
    add(&r, &r.warm); /* 7: the gap */
    assert_true(has(&r.warm, 1));
    assert_true(has(&r.warm, 4));
    read_records(&r.warm, 1, RECORDS);
    read_records(&r.warm, 4, RECORDS);
    assert_int_equal(r.whole.used, 0);
    add(&r, &r.warm); /* 10: its readers come from the file anyway */
    assert_int_equal(r.whole.used, 0);
    assert_false(has(&r.warm, 7));
    add(&r, &r.warm);
    assert_true(has(&r.warm, 13));
    assert_false(has(&r.warm, 10));
    rig_end(&r);
}

static void a_frame_that_two_batches_share_goes_when_both_have_read_their_part_in_any_order(void **state)
{
    struct rig r;

    (void)state;
    for (int order = 0; order < 2; order++) {
        rig_begin(&r, 1);
        add(&r, &r.warm);
        read_records(&r.warm, order ? 2 : 1, order ? 2 : 1);
        assert_true(has(&r.warm, 1));
        read_records(&r.warm, order ? 1 : 2, order ? 1 : 2);
        assert_false(has(&r.warm, 1));
        assert_int_equal(r.whole.used, 0);
        rig_end(&r);
    }
}

static void a_frame_stays_until_each_reader_has_read_it(void **state)
{
    struct rig r;
    uint64_t a;

    (void)state;
    rig_begin(&r, 4);
    r.warm.readers = 2;
    a = add(&r, &r.warm);
    read_records(&r.warm, a, RECORDS);
    assert_true(has(&r.warm, a));
    read_records(&r.warm, a, 1);
    assert_true(has(&r.warm, a));
    read_records(&r.warm, a, RECORDS - 1);
    assert_false(has(&r.warm, a));
    rig_end(&r);
}

/* The slow one reads from the file what gave way; the fast one never does. */
static void what_one_reader_has_read_gives_way_to_what_is_new(void **state)
{
    struct rig r;
    uint64_t first;

    (void)state;
    rig_begin(&r, 4);
    r.warm.readers = 2;
    first = add(&r, &r.warm);
    for (int i = 0; i < 3; i++)
        add(&r, &r.warm);
    for (int i = 0; i < 2; i++)
        read_records(&r.warm, first + (uint64_t)i * RECORDS, RECORDS);
    add(&r, &r.warm);
    assert_false(has(&r.warm, first));
    assert_true(has(&r.warm, first + RECORDS));
    assert_true(has(&r.warm, first + 4 * RECORDS));
    add(&r, &r.warm);
    assert_false(has(&r.warm, first + RECORDS));
    assert_true(has(&r.warm, first + 5 * RECORDS));
    add(&r, &r.warm); /* nobody has read the oldest */
    assert_true(has(&r.warm, first + 2 * RECORDS));
    assert_false(has(&r.warm, first + 6 * RECORDS));
    rig_end(&r);
}

static void both_may_have_it_at_once(void **state)
{
    struct rig r;
    struct frame *a, *b;

    (void)state;
    rig_begin(&r, 1);
    add(&r, &r.warm);
    a = warm_pin(&r.warm, 1);
    b = warm_pin(&r.warm, 3);
    assert_ptr_equal(a, b);
    warm_unpin(&r.warm, a, RECORDS); /* a retry has read more than was left */
    assert_false(has(&r.warm, 1));
    assert_memory_equal(b->payload, "record\nrecord\nrecord\n", b->bytes);
    warm_unpin(&r.warm, b, RECORDS);
    rig_end(&r);
}

static void what_is_pinned_outlives_the_list_but_not_its_place_in_the_budget(void **state)
{
    struct rig r;
    struct frame *f;

    (void)state;
    for (int how = 0; how < 2; how++) {
        rig_begin(&r, 2);
        add(&r, &r.warm);
        f = warm_pin(&r.warm, 2);
        if (how == 0)
            warm_drop(&r.warm, UINT64_MAX);
        else
            warm_give_back(r.store, 1);
        assert_int_equal(r.whole.used, 0);
        assert_false(has(&r.warm, 1));
        assert_memory_equal(f->payload, "record\nrecord\nrecord\n", f->bytes);
        warm_unpin(&r.warm, f, 1);
        rig_end(&r);
    }
}

static void what_is_settled_goes_and_no_more(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, 3);
    for (int i = 0; i < 3; i++)
        add(&r, &r.warm);
    warm_drop(&r.warm, 6); /* in the middle of the second */
    assert_false(has(&r.warm, 3));
    assert_true(has(&r.warm, 4));
    warm_drop(&r.warm, 7);
    assert_false(has(&r.warm, 6));
    assert_true(has(&r.warm, 7));
    rig_end(&r);
}

static void others_get_memory_at_once_and_are_never_refused_for_it(void **state)
{
    struct rig r;
    struct budget input;

    (void)state;
    rig_begin(&r, 2);
    budget_init_part(&input, &r.whole, 6 * r.frame_bytes);
    budget_reclaims(&input, warm_give_back, r.store);
    add(&r, &r.warm);
    add(&r, &r.warm);
    assert_true(budget_take(&input, 4 * r.frame_bytes)); /* fits beside them */
    assert_true(has(&r.warm, 1));
    assert_true(budget_take(&input, r.frame_bytes));
    assert_false(has(&r.warm, 1));
    assert_true(has(&r.warm, 4));
    budget_force(&input, r.frame_bytes);
    assert_false(has(&r.warm, 4));
    assert_int_equal(r.whole.used, 6 * r.frame_bytes);
    add(&r, &r.warm); /* nothing is left for it */
    assert_int_equal(r.whole.used, 6 * r.frame_bytes);
    budget_give(&input, 6 * r.frame_bytes);
    rig_end(&r);
}

static void what_a_smaller_limit_has_no_room_for_goes_at_once(void **state)
{
    struct frame *pinned;
    struct rig r;

    (void)state;
    rig_begin(&r, 4);
    for (int i = 0; i < 4; i++)
        add(&r, &r.warm);
    pinned = warm_pin(&r.warm, 4);
    warm_store_resize(r.store, 2 * r.frame_bytes);
    assert_int_equal(r.whole.used, 2 * r.frame_bytes);
    assert_false(has(&r.warm, 1) || has(&r.warm, 4));
    assert_true(has(&r.warm, 7) && has(&r.warm, 10));
    warm_unpin(&r.warm, pinned, 0);
    warm_store_resize(r.store, 3 * r.frame_bytes);
    add(&r, &r.warm);
    assert_true(has(&r.warm, 7) && has(&r.warm, 10) && has(&r.warm, 13));
    warm_store_resize(r.store, 0);
    assert_int_equal(r.whole.used, 0);
    rig_end(&r);
}

static void nothing_is_taken_in_while_others_use_half_of_the_memory(void **state)
{
    struct rig r;
    struct budget input;

    (void)state;
    rig_begin(&r, 2);
    budget_init_part(&input, &r.whole, 6 * r.frame_bytes);
    assert_true(budget_take(&input, 3 * r.frame_bytes));
    add(&r, &r.warm); /* 1: the gap */
    assert_false(has(&r.warm, 1));
    budget_give(&input, 1);
    add(&r, &r.warm);
    assert_true(has(&r.warm, 4));
    add(&r, &r.warm);
    assert_false(has(&r.warm, 7));
    budget_give(&input, 3 * r.frame_bytes - 1);
    rig_end(&r);
}

static void a_stalled_destination_gives_way_to_others(void **state)
{
    struct rig r;
    struct warm other;

    (void)state;
    rig_begin(&r, 2);
    warm_init(&other, r.store, 0);
    add(&r, &r.warm);
    add(&r, &r.warm);
    for (int i = 0; i <= 2 * WARM_STALLED; i++) {
        uint64_t first = add(&r, &other);

        if (has(&other, first))
            read_records(&other, first, RECORDS);
    }
    assert_false(has(&r.warm, 1));
    assert_true(has(&other, add(&r, &other)));
    warm_release(&other);
    rig_end(&r);
}

/* Frames in the middle are read first, again and again: what they leave behind does not grow. */
static void the_list_does_not_grow_with_what_has_gone(void **state)
{
    struct rig r;
    uint64_t held, last = 0;

    (void)state;
    rig_begin(&r, 400);
    held = add(&r, &r.warm);
    for (int i = 0; i < 1000; i++) {
        last = add(&r, &r.warm);
        read_records(&r.warm, last, RECORDS);
    }
    assert_true(has(&r.warm, held));
    assert_false(has(&r.warm, last));
    assert_true(r.warm.room <= 2 * WARM_ENTRIES_FIRST);
    rig_end(&r);
}

/* --- every order of what may happen, against a list of what should be there ------------------------------------------- */

enum { STEPS = 6, FRAMES_MAX = STEPS, ROOM = 2 };

enum op { OP_ADD, OP_READ_OLDEST, OP_READ_NEWEST, OP_PIN, OP_UNPIN, OP_SETTLE, OP_TAKE_MEMORY, OPS };

struct model {
    bool in[FRAMES_MAX];
    int count; /* added so far */
    int gap;   /* -1: none */
    struct frame *pinned;
    int pinned_at;
};

static int model_oldest(const struct model *m)
{
    for (int i = 0; i < m->count; i++)
        if (m->in[i])
            return i;
    return -1;
}

static int model_newest(const struct model *m)
{
    for (int i = m->count - 1; i >= 0; i--)
        if (m->in[i])
            return i;
    return -1;
}

static int model_size(const struct model *m)
{
    int n = 0;

    for (int i = 0; i < m->count; i++)
        n += m->in[i];
    return n;
}

static uint64_t first_of(int frame)
{
    return 1 + (uint64_t)frame * RECORDS;
}

static void model_add(struct rig *r, struct model *m)
{
    add(r, &r->warm);
    m->in[m->count] = m->gap < 0 && model_size(m) < ROOM;
    if (!m->in[m->count] && m->gap < 0)
        m->gap = m->count;
    m->count++;
}

static void model_read(struct rig *r, struct model *m, int at)
{
    if (at < 0)
        return;
    read_records(&r->warm, first_of(at), RECORDS);
    m->in[at] = false;
}

static void model_step(struct rig *r, struct model *m, enum op op)
{
    int oldest = model_oldest(m);

    if (op == OP_ADD) {
        model_add(r, m);
    } else if (op == OP_READ_OLDEST) {
        model_read(r, m, oldest);
    } else if (op == OP_READ_NEWEST) {
        model_read(r, m, model_newest(m));
    } else if (op == OP_PIN && !m->pinned && oldest >= 0) {
        m->pinned = warm_pin(&r->warm, first_of(oldest));
        m->pinned_at = oldest;
        assert_non_null(m->pinned);
    } else if (op == OP_UNPIN && m->pinned) {
        assert_memory_equal(m->pinned->payload, "record\nrecord\nrecord\n", m->pinned->bytes);
        warm_unpin(&r->warm, m->pinned, RECORDS);
        m->pinned = NULL;
        m->in[m->pinned_at] = false;
    } else if (op == OP_SETTLE && oldest >= 0) {
        warm_drop(&r->warm, first_of(oldest + 1));
        m->in[oldest] = false;
    } else if (op == OP_TAKE_MEMORY && oldest >= 0) {
        warm_give_back(r->store, 1);
        m->in[oldest] = false;
    }
}

/* Looking for a frame at the gap or behind it ends the gap, so the newest is looked for only when there is none. */
static void model_check(struct rig *r, const struct model *m)
{
    for (int i = 0; i < m->count && (m->gap < 0 || i < m->gap); i++)
        assert_int_equal(has(&r->warm, first_of(i) + 1), m->in[i]);
    assert_int_equal(r->whole.used, (size_t)model_size(m) * r->frame_bytes);
}

static void every_order_of_what_may_happen(void **state)
{
    long orders = 1;

    (void)state;
    for (int i = 0; i < STEPS; i++)
        orders *= OPS;
    for (long order = 0; order < orders; order++) {
        struct model m = {.gap = -1};
        struct rig r;
        long rest = order;

        rig_begin(&r, ROOM);
        for (int i = 0; i < STEPS; i++, rest /= OPS) {
            model_step(&r, &m, (enum op)(rest % OPS));
            model_check(&r, &m);
        }
        if (m.pinned)
            warm_unpin(&r.warm, m.pinned, 0);
        rig_end(&r);
    }
}

/* --- a spool with one ------------------------------------------------------------------------------------------------- */

struct spool_rig {
    struct fixture *x;
    struct budget whole;
    struct warm_store *store;
};

static bool disk_refuses;
static int preads;

static ssize_t refusing_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    if (!disk_refuses)
        return pwritev(fd, v, count, offset);
    errno = EIO;
    return -1;
}

static ssize_t counted_pread(int fd, void *p, size_t n, off_t offset)
{
    preads++;
    return pread(fd, p, n, offset);
}

static struct io_ops ops;

static struct spool_rig spool_rig_begin(void)
{
    struct spool_rig r = {.x = fixture_new(false, 16 * MIB, 0)};

    ops = io_ops_real;
    ops.pwritev = refusing_pwritev;
    ops.pread = counted_pread;
    disk_refuses = false;
    r.store = warm_store_new(NULL, 1 * MIB);
    r.x->conf.warm = r.store;
    r.x->conf.files = &ops;
    reopen_spool(r.x);
    return r;
}

static void spool_rig_end(struct spool_rig *r)
{
    fixture_free(r->x);
    warm_store_free(&r->store);
}

static bool is_warm(struct spool_rig *r, uint64_t seq)
{
    struct spool_cursor at = {.seq = seq};
    struct frame_view v;
    struct frame *f;

    if (!spool_borrow(r->x->spool, &at, &f, &v))
        return false;
    spool_let_go(r->x->spool, &f, 0);
    assert_null(f);
    return true;
}

/* Frames with control frames between them, in two rounds. */
static void fill(struct spool_rig *r)
{
    struct frame *f = frame_new(100, 9, NULL);

    assert_int_equal(append_some(r->x, "a", 5, NULL), SPOOL_TAKEN);
    assert_int_equal(append_some(r->x, "b", 1, NULL), SPOOL_TAKEN);
    spool_remember(r->x->spool, slice_str("source"), slice_str("1"));
    commit(r->x);
    assert_true(frame_add(f, slice_str("")));
    assert_true(frame_add_message(
        f, &(struct frame_message){.data = slice_str("ends in a line break\n"), .facts = slice_str("facts")}));
    frame_set_position(f, slice_str("source"), slice_str("2"));
    frame_set_origin(f, slice_str("input=test"));
    assert_int_equal(spool_append(r->x->spool, &f, NULL), SPOOL_TAKEN);
    spool_remember(r->x->spool, slice_str("source"), slice_str("3"));
    assert_int_equal(append_some(r->x, "c", 3, NULL), SPOOL_TAKEN);
    commit(r->x);
}

enum { FILLED = 11 };

static void assert_same_slice(struct slice a, struct slice b)
{
    assert_int_equal(a.n, b.n);
    if (a.n)
        assert_memory_equal(a.p, b.p, a.n);
}

static void what_is_borrowed_is_what_the_file_says(void **state)
{
    struct spool_rig r = spool_rig_begin();
    struct spool_cursor warm, cold;
    struct buf raw;
    struct err e;
    int frames = 0;

    (void)state;
    fill(&r);
    buf_init(&raw, FRAME_READ_MAX);
    warm = cold = spool_cut(spool_reader(r.x->spool, 0));
    while (warm.seq <= FILLED) {
        struct frame_view a, b;
        struct frame *f;

        assert_true(spool_borrow(r.x->spool, &warm, &f, &a));
        assert_int_equal(spool_read(r.x->spool, &cold, &raw, &b, &e), 1);
        assert_int_equal(a.first, b.first);
        assert_int_equal(a.count, b.count);
        assert_int_equal(a.arrival, b.arrival);
        assert_same_slice(a.payload, b.payload);
        assert_same_slice(a.table, b.table);
        assert_same_slice(a.origin, b.origin);
        assert_same_slice(a.facts, b.facts);
        assert_true((a.facts.n > 0) == (a.origin.n > 0));
        assert_memory_equal(&warm, &cold, sizeof(warm));
        spool_let_go(r.x->spool, &f, 0);
        frames++;
    }
    assert_int_equal(frames, 4);
    assert_false(is_warm(&r, FILLED + 1));
    buf_release(&raw);
    spool_rig_end(&r);
}

struct scanned {
    int rc;
    struct spool_run run;
    struct spool_cursor next;
};

/* From every record with every bound; `at` is where the frame of each record stands. */
static size_t scan_all(struct spool_rig *r, const struct spool_cursor *at, struct scanned *out)
{
    size_t n = 0;
    struct err e;

    for (uint64_t seq = 1; seq <= FILLED; seq++)
        for (uint64_t bytes = 0; bytes < 40; bytes++)
            for (uint64_t records = 1; records < 7; records++)
                for (int at_least = 0; at_least < 2; at_least++, n++)
                    out[n].rc = spool_scan_part(spool_reader(r->x->spool, 0), &at[seq], bytes, records, at_least,
                                                &out[n].run, &out[n].next, &e);
    return n;
}

static void a_scan_says_the_same_with_and_without_the_file(void **state)
{
    struct spool_rig r = spool_rig_begin();
    struct spool_cursor at[FILLED + 1];
    size_t n = FILLED * 40 * 6 * 2;
    struct scanned *warm = mem_array(n, sizeof(*warm)), *cold = mem_array(n, sizeof(*cold));
    struct spool_cursor next;
    struct err e;

    (void)state;
    fill(&r);
    at[1] = spool_cut(spool_reader(r.x->spool, 0));
    for (uint64_t seq = 1; seq < FILLED; seq++) {
        struct spool_run run;

        assert_int_equal(spool_scan_part(spool_reader(r.x->spool, 0), &at[seq], UINT64_MAX, 1, true, &run, &next, &e),
                         1);
        at[seq + 1] = next;
    }
    preads = 0;
    assert_int_equal(scan_all(&r, at, warm), n);
    assert_int_equal(preads, 0);
    warm_give_back(r.store, SIZE_MAX);
    assert_int_equal(scan_all(&r, at, cold), n);
    assert_true(preads > 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(warm[i].rc, cold[i].rc);
        assert_int_equal(warm[i].run.first, cold[i].run.first);
        assert_int_equal(warm[i].run.count, cold[i].run.count);
        assert_int_equal(warm[i].run.bytes, cold[i].run.bytes);
        assert_int_equal(warm[i].run.arrival, cold[i].run.arrival);
        assert_memory_equal(&warm[i].next, &cold[i].next, sizeof(warm[i].next));
    }
    mem_free(warm);
    mem_free(cold);
    spool_rig_end(&r);
}

static void what_is_settled_is_no_longer_in_memory(void **state)
{
    struct spool_rig r = spool_rig_begin();
    uint64_t first;

    (void)state;
    fill(&r);
    first = seal_up_to(r.x, 7, "", NULL);
    commit(r.x);
    assert_true(is_warm(&r, 1));
    settle(r.x, first, 6);
    commit(r.x);
    assert_false(is_warm(&r, 6));
    assert_true(is_warm(&r, 7));
    spool_check(r.x);
    spool_rig_end(&r);
}

static void a_disk_that_refuses_leaves_nothing_in_memory_and_the_file_is_read(void **state)
{
    struct spool_rig r = spool_rig_begin();
    struct spool_cursor at;
    struct frame_view v;
    struct buf raw;
    struct err e;

    (void)state;
    fill(&r);
    buf_init(&raw, FRAME_READ_MAX);
    at = spool_cut(spool_reader(r.x->spool, 0));
    disk_refuses = true;
    assert_int_equal(append_some(r.x, "d", 1, NULL), SPOOL_TAKEN);
    commit(r.x);
    assert_false(is_warm(&r, 1));
    assert_false(is_warm(&r, FILLED + 1));
    assert_int_equal(spool_read(r.x->spool, &at, &raw, &v, &e), 1);
    disk_refuses = false;
    commit(r.x);
    assert_int_equal(append_some(r.x, "e", 1, NULL), SPOOL_TAKEN);
    commit(r.x);
    assert_true(is_warm(&r, FILLED + 1));
    spool_check(r.x);
    buf_release(&raw);
    spool_rig_end(&r);
}

static void after_a_start_all_comes_from_the_file(void **state)
{
    struct spool_rig r = spool_rig_begin();

    (void)state;
    fill(&r);
    reopen_spool(r.x);
    for (uint64_t seq = 1; seq <= FILLED; seq++)
        assert_false(is_warm(&r, seq));
    spool_check(r.x);
    spool_rig_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_found_by_each_of_its_records_and_by_no_other),
        cmocka_unit_test(a_frame_of_very_large_records_is_not_kept),
        cmocka_unit_test(a_spool_keeps_no_more_than_its_own_share),
        cmocka_unit_test(without_a_store_nothing_is_kept),
        cmocka_unit_test(the_bytes_of_a_frame_move_from_the_inputs_budget_to_the_stores),
        cmocka_unit_test(when_it_is_full_the_oldest_stay_and_none_comes_before_the_readers_are_at_the_gap),
        cmocka_unit_test(a_frame_that_two_batches_share_goes_when_both_have_read_their_part_in_any_order),
        cmocka_unit_test(a_frame_stays_until_each_reader_has_read_it),
        cmocka_unit_test(what_one_reader_has_read_gives_way_to_what_is_new),
        cmocka_unit_test(both_may_have_it_at_once),
        cmocka_unit_test(what_is_pinned_outlives_the_list_but_not_its_place_in_the_budget),
        cmocka_unit_test(what_is_settled_goes_and_no_more),
        cmocka_unit_test(others_get_memory_at_once_and_are_never_refused_for_it),
        cmocka_unit_test(what_a_smaller_limit_has_no_room_for_goes_at_once),
        cmocka_unit_test(nothing_is_taken_in_while_others_use_half_of_the_memory),
        cmocka_unit_test(a_stalled_destination_gives_way_to_others),
        cmocka_unit_test(the_list_does_not_grow_with_what_has_gone),
        cmocka_unit_test(every_order_of_what_may_happen),
        cmocka_unit_test(what_is_borrowed_is_what_the_file_says),
        cmocka_unit_test(a_scan_says_the_same_with_and_without_the_file),
        cmocka_unit_test(what_is_settled_is_no_longer_in_memory),
        cmocka_unit_test(a_disk_that_refuses_leaves_nothing_in_memory_and_the_file_is_read),
        cmocka_unit_test(after_a_start_all_comes_from_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
