/* Records around the size of a frame and up to the largest, in all mixes with small ones: kept, cut short by a crash, refused by
 * the disk, damaged in each of their parts, copied forward, and where there is no room for them. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/budget.h"
#include "pipeline/base/limits.h"
#include "pipeline/spool/format/segment.h"
#include "pipeline/spool/inspect.h"
#include "pipeline/spool/spool_impl.h"

#include <sys/resource.h>

#define LIMIT_BYTES (160 * MIB)
#define ONE_SEGMENT (128 * MIB)

enum { RECORDS_MAX = 256, SMALL = 100 };

/* What was put, and how it is put: as an input does, small ones together. */
struct rig {
    struct fixture *x;
    size_t sizes[RECORDS_MAX]; /* of record i + 1 */
    size_t count;
    struct frame *gathered;
    struct answer answers[RECORDS_MAX]; /* one for each frame */
    size_t frames;
};

static char *expected; /* the largest record */

/* The record's own bytes: of each size, ending in a newline or not. */
static struct slice record(uint64_t seq, size_t n)
{
    char mark[32];
    size_t m = (size_t)snprintf(mark, sizeof(mark), "%llu of %zu ", (unsigned long long)seq, n);

    memset(expected, (int)('a' + seq % 26), n);
    for (size_t at = 0; at < n; at += 256 * KIB)
        memcpy(expected + at, mark, m < n - at ? m : n - at);
    if (n > 0 && seq % 3 == 0)
        expected[n - 1] = '\n';
    return slice_of(expected, n);
}

static enum spool_answer offer(struct rig *r, struct frame **f)
{
    struct answer *a = &r->answers[r->frames];
    enum spool_answer said;

    a->wait.done = note_answer;
    said = spool_append(r->x->spool, f, &a->wait);
    if (said == SPOOL_TAKEN)
        r->frames++;
    return said;
}

static void flush(struct rig *r)
{
    if (r->gathered)
        assert_int_equal(offer(r, &r->gathered), SPOOL_TAKEN);
}

static struct frame *lone(uint64_t seq, size_t n, struct budget *budget)
{
    struct frame *f = frame_new_lone(n, (nsec)seq, budget);

    if (f)
        assert_true(frame_add(f, record(seq, n)));
    return f;
}

static void put(struct rig *r, size_t n)
{
    uint64_t seq = r->count + 1;

    assert_true(r->count < RECORDS_MAX);
    r->sizes[r->count++] = n;
    if (n + 1 > FRAME_MAX_BYTES) {
        struct frame *f = lone(seq, n, NULL);

        flush(r);
        assert_false(frame_add(f, slice_of("", 0)));
        assert_int_equal(offer(r, &f), SPOOL_TAKEN);
        return;
    }
    if (r->gathered && frame_add(r->gathered, record(seq, n)))
        return;
    flush(r);
    r->gathered = frame_new(FRAME_MAX_BYTES, (nsec)seq, NULL);
    assert_true(frame_add(r->gathered, record(seq, n)));
}

static void put_all(struct rig *r, const size_t *sizes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(r, sizes[i]);
    flush(r);
}

/* What was put is there from `from` on, as far as `end`; returns how many were lost. */
static uint64_t check_records(struct rig *r, struct fixture *x, struct spool_cursor at, uint64_t end)
{
    uint64_t lost = 0;
    struct frame_view v;
    struct slice rec;
    struct buf raw;
    struct err e;

    buf_init(&raw, FRAME_READ_MAX);
    while (at.seq < end) {
        uint64_t from = at.seq;
        struct frame_iter it;
        struct frame *f;
        int rc = spool_borrow(x->spool, &at, &f, &v) ? 1 : spool_read(x->spool, &at, &raw, &v, &e);

        if (rc < 0) {
            assert_int_equal(e.code, ERR_FORMAT);
            assert_true(v.first <= from && at.seq > from);
            lost += at.seq - from;
            continue;
        }
        assert_int_equal(rc, 1);
        it = frame_records(&v);
        frame_skip_to(&it, from);
        while (it.seq < at.seq) {
            size_t n = r->sizes[it.seq - 1];
            struct slice want = record(it.seq, n);

            assert_true(frame_next(&it, &rec));
            assert_true(slice_eq(rec, want));
        }
        spool_let_go(x->spool, &f, at.seq - from);
    }
    buf_release(&raw);
    return lost;
}

static uint64_t stored_bytes(const struct rig *r, uint64_t first, uint64_t end)
{
    uint64_t bytes = 0;

    for (uint64_t seq = first; seq < end; seq++)
        bytes += r->sizes[seq - 1] + (r->sizes[seq - 1] == 0 || seq % 3 != 0);
    return bytes;
}

/* Seals so many records and settles them. */
static void deliver(struct rig *r, uint64_t end, uint64_t lost)
{
    struct fixture *x = r->x;
    uint64_t first = spool_cut(spool_reader(x->spool, 0)).seq;

    assert_int_equal(seal_up_to(x, end, "note", NULL), first);
    commit(x);
    spool_settle(spool_reader(x->spool, 0), first,
                 &(struct seal_result){.delivered = end - first - lost, .corrupt = lost});
    commit(x);
    spool_check(x);
}

static struct rig *rig_on(struct fixture *x)
{
    struct rig *r = mem_alloc(sizeof(*r));

    r->x = x;
    return r;
}

static struct rig *rig_new(bool memory, uint64_t limit, uint64_t segment_bytes)
{
    return rig_on(fixture_new(memory, limit, segment_bytes));
}

static void rig_free(struct rig *r)
{
    fixture_free(r->x);
    frame_free(&r->gathered);
    mem_free(r);
}

/* --- they are kept ---------------------------------------------------------------------------------------------------- */

static const size_t EDGES[] = {
    FRAME_MAX_BYTES - 2,
    FRAME_MAX_BYTES - 1,
    FRAME_MAX_BYTES,
    FRAME_MAX_BYTES + 1,
    FRAME_MAX_BYTES + FRAME_MAX_BYTES / 2 - 1,
    RECORD_MAX_BYTES - 1,
    RECORD_MAX_BYTES,
};

static void check_mix(bool memory, uint64_t segment_bytes, const size_t *sizes, size_t n)
{
    struct rig *r = rig_new(memory, LIMIT_BYTES, segment_bytes);
    struct spool_books b;

    put_all(r, sizes, n);
    commit(r->x);
    for (size_t i = 0; i < r->frames; i++)
        assert_true(r->answers[i].calls == 1 && r->answers[i].safe);
    assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), n + 1), 0);
    spool_books(spool_reader(r->x->spool, 0), &b);
    assert_int_equal(b.spooled_bytes, stored_bytes(r, 1, n + 1));
    if (!memory) {
        reopen_spool(r->x);
        assert_false(r->x->found.damaged);
        assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), n + 1), 0);
    }
    deliver(r, n + 1, 0);
    spool_books(spool_reader(r->x->spool, 0), &b);
    assert_true(b.spooled == 0 && b.delivered == n && b.incoming == n);
    assert_true(b.disk_bytes < 64 * KIB); /* what is settled has gone */
    rig_free(r);
}

static void every_size_in_all_mixes_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(EDGES) / sizeof(EDGES[0]); i++) {
        size_t l = EDGES[i];

        check_mix(i % 2, 0, (const size_t[]){l}, 1);
        check_mix(false, 0, (const size_t[]){SMALL, l, SMALL}, 3);
        check_mix(i % 2, 0, (const size_t[]){SMALL, SMALL, l, l, 0, SMALL}, 6);
        check_mix(i % 2, ONE_SEGMENT, (const size_t[]){l, SMALL, l, 0}, 4);
        check_mix(false, 4 * KIB, (const size_t[]){SMALL, l, SMALL, SMALL, l}, 5);
    }
}

static void a_header_says_no_more_than_a_frame_may_hold(void **state)
{
    static const struct {
        uint32_t count;
        uint64_t payload;
        bool true_header;
    } cases[] = {
        {1, FRAME_MAX_BYTES, true},      {1, FRAME_MAX_BYTES + 1, true}, {2, FRAME_MAX_BYTES, true},
        {2, FRAME_MAX_BYTES + 1, false}, {1, FRAME_LONE_BYTES, true},    {1, FRAME_LONE_BYTES + 1, false},
        {2, FRAME_LONE_BYTES, false},    {1, UINT32_MAX, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (enum frame_type type = FRAME_DATA; type < FRAME_TYPE_END; type++) {
            struct frame_header h = {
                .type = type, .count = cases[i].count, .payload = (uint32_t)cases[i].payload, .first = 1};
            unsigned char bytes[FRAME_HEADER_BYTES];

            h.table = h.count;
            frame_header_encode(&h, 1, 64, bytes);
            assert_int_equal(frame_header_decode(bytes, 1, 64, &h),
                             cases[i].true_header && frame_type_has_records(type));
        }
}

/* As many bytes as may go, or the record that is larger, alone. */
static void a_scan_gives_a_large_record_alone_or_not_at_all(void **state)
{
    const size_t sizes[] = {SMALL, RECORD_MAX_BYTES, SMALL};

    struct rig *r = rig_new(false, LIMIT_BYTES, 0);
    struct spool_cursor at, next;
    struct spool_run run;
    struct err e;

    (void)state;
    put_all(r, sizes, 3);
    commit(r->x);
    at = spool_cut(spool_reader(r->x->spool, 0));
    assert_int_equal(spool_scan_part(spool_reader(r->x->spool, 0), &at, 1 * MIB, 500, true, &run, &next, &e), 1);
    assert_true(run.count == 1 && run.bytes == SMALL + 1);
    at = next;
    assert_int_equal(
        spool_scan_part(spool_reader(r->x->spool, 0), &at, 1 * MIB - run.bytes, 500, false, &run, &next, &e), 1);
    assert_true(run.count == 0 && next.seq == 2);
    assert_int_equal(spool_scan_part(spool_reader(r->x->spool, 0), &at, 1 * MIB, 500, true, &run, &next, &e), 1);
    assert_true(run.count == 1 && run.bytes == RECORD_MAX_BYTES + 1 && next.seq == 3);
    assert_int_equal(spool_scan_part(spool_reader(r->x->spool, 0), &next, 1, 1, true, &run, &next, &e), 1);
    assert_true(run.count == 1 && next.seq == 4);
    rig_free(r);
}

static void frames_in_memory_and_large_ones_in_the_file_are_read_in_order(void **state)
{
    struct budget whole;
    struct warm_store *store;
    struct rig *r;

    (void)state;
    budget_init(&whole, 64 * MIB);
    store = warm_store_new(&whole, 16 * MIB);
    r = rig_new(false, LIMIT_BYTES, 0);
    close_spool(r->x);
    r->x->conf.warm = store;
    open_spool(r->x);
    for (int i = 0; i < 4; i++) {
        put_all(r, (const size_t[]){SMALL, SMALL, i % 2 ? RECORD_MAX_BYTES : FRAME_MAX_BYTES, SMALL}, 4);
        commit(r->x);
        if (i == 1)
            assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), r->count + 1), 0);
    }
    assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), r->count + 1), 0);
    deliver(r, r->count + 1, 0);
    rig_free(r);
    warm_store_free(&store);
    assert_int_equal(whole.used, 0);
}

/* --- a crash, and a disk that refuses ----------------------------------------------------------------------------------- */

static void newest_file(const struct fixture *x, const char *dir, char path[512])
{
    snprintf(path, 512, "%s/%020llu.seg", dir, (unsigned long long)spool_active(x->spool)->number);
}

/* Whatever the crash left, what was safe is there and nothing is half there. */
static void check_after_crash(struct rig *r, struct fixture *y, uint64_t safe)
{
    struct spool_books b;

    open_spool(y);
    if (y->found.damaged)
        fail_msg("a crash was taken for damage: %s", y->found.damage.msg);
    spool_check(y);
    spool_books(spool_reader(y->spool, 0), &b);
    assert_true(b.incoming >= safe && b.incoming <= r->count);
    assert_int_equal(check_records(r, y, spool_cut(spool_reader(y->spool, 0)), b.incoming + 1), 0);
    assert_int_equal(append_some(y, "r", 1, NULL), SPOOL_TAKEN);
    commit(y);
    spool_books(spool_reader(y->spool, 0), &b);
    assert_true(b.incoming > safe);
    close_spool(y);
}

/* The places where a write may end: at each edge of each part, and here and there within. */
static size_t places(uint64_t begin, uint64_t end, uint64_t out[RECORDS_MAX])
{
    uint64_t step = (end - begin) / 3;
    size_t n = 0;

    for (uint64_t at = begin; at <= end && n + 8 < RECORDS_MAX; at += step ? step : 1)
        for (int beside = -1; beside <= 1; beside++)
            if (at + (uint64_t)beside >= begin && at + (uint64_t)beside <= end)
                out[n++] = at + (uint64_t)beside;
    out[n++] = begin + FRAME_HEADER_BYTES - 1;
    out[n++] = begin + FRAME_HEADER_BYTES;
    out[n++] = begin + FRAME_HEADER_BYTES + 1;
    return n;
}

static void crash_in_last_frame(size_t before, size_t large, size_t behind, uint64_t segment_bytes)
{
    struct rig *r = rig_new(false, LIMIT_BYTES, segment_bytes);
    struct fixture y = {.now = NSEC_PER_SEC, .conf = r->x->conf};
    uint64_t cuts[RECORDS_MAX], begin, number;
    char path[512], saved[160];
    size_t n;

    snprintf(y.dir, sizeof(y.dir), "%s/crashed", r->x->root);
    y.conf.dir = y.dir;
    put_all(r, (const size_t[]){SMALL, large, before}, 3);
    commit(r->x);
    number = spool_active(r->x->spool)->number;
    begin = spool_active(r->x->spool)->size;
    snprintf(saved, sizeof(saved), "%s/saved-mark", r->x->root);
    snprintf(path, sizeof(path), "%s/mark", r->x->dir);
    copy_file(path, saved);
    put_all(r, (const size_t[]){large, behind}, 2);
    commit(r->x);
    if (spool_active(r->x->spool)->number != number)
        begin = spool_active(r->x->spool)->begin;
    n = places(begin, spool_active(r->x->spool)->size, cuts);
    for (size_t i = 0; i < n; i++)
        for (int zeros = 0; zeros < 2; zeros++) {
            copy_folder(r->x->dir, y.dir);
            newest_file(r->x, y.dir, path);
            assert_int_equal(truncate(path, (off_t)cuts[i]), 0);
            if (zeros)
                assert_int_equal(truncate(path, (off_t)spool_active(r->x->spool)->size), 0);
            snprintf(path, sizeof(path), "%s/mark", y.dir);
            copy_file(saved, path);
            check_after_crash(r, &y, 3);
        }
    rig_free(r);
}

static void a_crash_in_a_large_record_leaves_what_was_safe(void **state)
{
    (void)state;
    crash_in_last_frame(SMALL, FRAME_MAX_BYTES, SMALL, ONE_SEGMENT);
    crash_in_last_frame(FRAME_MAX_BYTES, FRAME_MAX_BYTES + 1, FRAME_MAX_BYTES, ONE_SEGMENT);
    crash_in_last_frame(SMALL, FRAME_MAX_BYTES, SMALL, 4 * KIB); /* a segment for each */
    crash_in_last_frame(SMALL, RECORD_MAX_BYTES, 0, ONE_SEGMENT);
}

static long disk_room; /* bytes that are still taken; -1: all */

static ssize_t disk_pwritev(int fd, const struct iovec *v, int count, off_t offset)
{
    size_t n = v->iov_len;

    (void)count;
    if (disk_room == 0) {
        errno = ENOSPC;
        return -1;
    }
    n = disk_room > 0 && n > (size_t)disk_room ? (size_t)disk_room : n;
    disk_room -= disk_room > 0 ? (long)n : 0;
    return pwrite(fd, v->iov_base, n, offset);
}

static void a_disk_that_ends_within_a_large_record_refuses_all_of_it(void **state)
{
    static const long rooms[] = {0,
                                 1,
                                 FRAME_HEADER_BYTES - 1,
                                 FRAME_HEADER_BYTES,
                                 FRAME_HEADER_BYTES + 3,
                                 200,
                                 FRAME_MAX_BYTES,
                                 FRAME_MAX_BYTES + FRAME_HEADER_BYTES + 3,
                                 FRAME_MAX_BYTES + 300};
    struct io_ops ops = io_ops_real;

    (void)state;
    ops.pwritev = disk_pwritev;
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        struct rig *r = rig_new(false, LIMIT_BYTES, i % 2 ? 0 : ONE_SEGMENT);
        struct frame *f;

        close_spool(r->x);
        r->x->conf.files = &ops;
        disk_room = -1;
        open_spool(r->x);
        put_all(r, (const size_t[]){SMALL, FRAME_MAX_BYTES}, 2);
        commit(r->x);
        disk_room = rooms[i];
        f = lone(3, FRAME_MAX_BYTES + FRAME_MAX_BYTES / 2, NULL);
        assert_int_equal(offer(r, &f), SPOOL_TAKEN);
        committer_round(r->x->committer, r->x->now += NSEC_PER_SEC);
        assert_true(r->answers[2].calls == 1 && !r->answers[2].safe);
        disk_room = -1;
        commit(r->x);
        put_all(r, (const size_t[]){RECORD_MAX_BYTES, SMALL}, 2);
        commit(r->x);
        reopen_spool(r->x);
        assert_false(r->x->found.damaged);
        assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), 5), 0);
        deliver(r, 5, 0);
        rig_free(r);
    }
}

/* --- damage --------------------------------------------------------------------------------------------------------------- */

static void flip(const char *path, uint64_t at)
{
    int fd = open(path, O_RDWR);
    unsigned char c;

    assert_int_equal(pread(fd, &c, 1, (off_t)at), 1);
    c ^= 0x10;
    assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
    close(fd);
}

static void count_damage(void *ctx, const struct spool_damage *d)
{
    *(uint64_t *)ctx += d->records;
}

/* Where the frame of record 2 is, and how long its parts are. */
static void find_second(struct rig *r, uint64_t *number, uint64_t *offset, struct frame_header *h)
{
    struct spool_cursor at = spool_cut(spool_reader(r->x->spool, 0));
    unsigned char ahead[READ_AHEAD_BYTES];
    struct log_window w = {.p = ahead, .room = sizeof(ahead)};
    struct place p;
    struct err e;

    at.seq = 2;
    assert_int_equal(spool_locate(r->x->spool, &at, &w, &p, &e), 1);
    *number = p.segment->number;
    *offset = p.offset;
    *h = p.header;
    spool_leave(r->x->spool, p.segment);
}

/* One byte of the large record's frame; `part` from its beginning, or, negative, from its end. */
static void damage_one(size_t large, bool newest, long part)
{
    struct rig *r = rig_new(false, LIMIT_BYTES, newest ? ONE_SEGMENT : 4 * KIB);
    const size_t sizes[] = {SMALL, large, SMALL, large, SMALL};
    uint64_t number, offset, total, reported = 0;
    struct spool_report report;
    struct spool_books b;
    struct frame_header h;
    char path[512];
    struct err e;

    put_all(r, sizes, 5);
    commit(r->x);
    find_second(r, &number, &offset, &h);
    total = frame_header_total(&h);
    close_spool(r->x);
    snprintf(path, sizeof(path), "%s/%020llu.seg", r->x->dir, (unsigned long long)number);
    flip(path, part >= 0 ? offset + (uint64_t)part : offset + total - (uint64_t)-part);
    assert_int_equal(spool_inspect(r->x->dir, &report, count_damage, &reported, &e), 0);
    assert_true(reported == 1 && report.lost_records == 1 && report.incoming == 5);
    open_spool(r->x);
    assert_true(!newest || r->x->found.corrupt_records == 1);
    assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), 6), 1);
    deliver(r, 6, 1);
    spool_books(spool_reader(r->x->spool, 0), &b);
    assert_true(b.incoming == 5 && b.delivered == 4 && b.corrupt == 1 && b.spooled == 0);
    rig_free(r);
}

static void damage_of_any_part_of_a_large_record_loses_that_record(void **state)
{
    static const size_t large[] = {FRAME_MAX_BYTES, RECORD_MAX_BYTES};
    static const long parts[] = {0,
                                 4,
                                 20,
                                 60,
                                 FRAME_HEADER_BYTES,
                                 FRAME_HEADER_BYTES + 2,
                                 FRAME_HEADER_BYTES + 4,
                                 FRAME_MAX_BYTES / 2,
                                 FRAME_MAX_BYTES,
                                 -1};

    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        for (int newest = 0; newest < 2; newest++)
            damage_one(large[i % 3 == 2], newest, parts[i]);
}

static void the_end_of_a_large_record_is_missing(void **state)
{
    for (size_t gone = 1; gone < FRAME_MAX_BYTES; gone = gone * 7 + 1) {
        struct rig *r = rig_new(false, LIMIT_BYTES, 4 * KIB);
        uint64_t number, offset;
        struct frame_header h;
        struct spool_books b;
        char path[512];
        struct stat st;

        (void)state;
        put_all(r, (const size_t[]){SMALL, FRAME_MAX_BYTES + 7, SMALL}, 3);
        commit(r->x);
        find_second(r, &number, &offset, &h);
        close_spool(r->x);
        snprintf(path, sizeof(path), "%s/%020llu.seg", r->x->dir, (unsigned long long)number);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(truncate(path, st.st_size - (off_t)gone), 0);
        open_spool(r->x);
        assert_true(r->x->found.damaged);
        assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), 4), 1);
        deliver(r, 4, 1);
        spool_books(spool_reader(r->x->spool, 0), &b);
        assert_true(b.delivered == 2 && b.corrupt == 1);
        rig_free(r);
    }
}

/* --- copied forward ------------------------------------------------------------------------------------------------------- */

static void a_large_record_is_copied_forward(void **state)
{
    struct rig *r = rig_new(false, 16 * RECORD_MAX_BYTES, 6 * RECORD_MAX_BYTES);
    uint64_t large_number, number, offset;
    struct frame_header h;

    (void)state;
    put_all(r, (const size_t[]){SMALL, RECORD_MAX_BYTES, SMALL}, 3);
    commit(r->x);
    find_second(r, &large_number, &offset, &h);
    assert_int_equal(seal_up_to(r->x, 4, "stuck", NULL), 1);
    commit(r->x);
    while (r->count + 2 < RECORDS_MAX && spool_active(r->x->spool)->number < large_number + 3) {
        uint64_t first = r->count + 1;

        put_all(r, (const size_t[]){FRAME_MAX_BYTES - 1, FRAME_MAX_BYTES}, 2);
        commit(r->x);
        assert_int_equal(seal_up_to(r->x, 0, "note", NULL), first);
        commit(r->x);
        if (spool_active(r->x->spool)->number < large_number + 2)
            settle(r->x, first, 2);
    }
    commit(r->x);
    assert_int_equal(r->x->spool->state.moved_count, 3);
    for (size_t i = 0; i < r->x->spool->segment_count; i++)
        assert_true(r->x->spool->segments[i]->number != large_number);
    number = r->x->spool->state.moved[1].segment;
    assert_true(number > large_number);
    reopen_spool(r->x);
    assert_false(r->x->found.damaged);
    assert_int_equal(check_records(r, r->x, (struct spool_cursor){.seq = 1}, 4), 0);
    settle(r->x, 1, 3);
    commit(r->x);
    spool_check(r->x);
    rig_free(r);
}

/* --- where there is no room ------------------------------------------------------------------------------------------------ */

static void what_never_fits_is_told_from_what_does_not_fit_yet(void **state)
{
    struct rig *r = rig_new(false, FRAME_MAX_BYTES + 300 * KIB, 0);
    struct frame *f = lone(1, FRAME_MAX_BYTES + 300 * KIB, NULL);
    struct spool_books b;

    (void)state;
    assert_int_equal(offer(r, &f), SPOOL_TOO_LARGE);
    assert_non_null(f); /* still the caller's */
    frame_free(&f);
    put_all(r, (const size_t[]){FRAME_MAX_BYTES}, 1);
    f = lone(2, FRAME_MAX_BYTES, NULL);
    assert_int_equal(offer(r, &f), SPOOL_FULL);
    commit(r->x);
    assert_int_equal(offer(r, &f), SPOOL_FULL);
    deliver(r, 2, 0);
    assert_int_equal(offer(r, &f), SPOOL_TAKEN);
    commit(r->x);
    r->sizes[r->count++] = FRAME_MAX_BYTES;
    spool_books(spool_reader(r->x->spool, 0), &b);
    assert_int_equal(b.incoming_bytes, 2 * FRAME_MAX_BYTES); /* however often it was offered */
    assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), 3), 0);
    rig_free(r);
}

static void a_limit_on_the_size_of_files_holds_back_what_is_larger(void **state)
{
    struct rlimit was, small = {.rlim_cur = 2 * FRAME_MAX_BYTES + 512 * KIB};
    struct rig *r;
    struct frame *f;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small.rlim_max = was.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    r = rig_new(false, LIMIT_BYTES, 0);
    f = lone(1, FRAME_MAX_BYTES + 300 * KIB, NULL);
    assert_int_equal(offer(r, &f), SPOOL_TOO_LARGE);
    frame_free(&f);
    for (int i = 0; i < 3; i++)
        put_all(r, (const size_t[]){FRAME_MAX_BYTES + 100 * KIB, FRAME_MAX_BYTES - 1, SMALL}, 3);
    commit(r->x);
    for (size_t i = 0; i < r->frames; i++)
        assert_true(r->answers[i].calls == 1 && r->answers[i].safe);
    assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), r->count + 1), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    rig_free(r);
}

/* A budget that is smaller than the record lets one through at a time, and never says "never". */
static void memory_for_a_large_record_is_always_only_a_question_of_time(void **state)
{
    struct budget whole, part;
    struct frame *small, *first, *second;

    (void)state;
    budget_init(&whole, FRAME_MAX_BYTES);
    budget_init_part(&part, &whole, FRAME_MAX_BYTES / 2);
    small = frame_new(SMALL, 1, &part);
    assert_null(frame_new_lone(RECORD_MAX_BYTES, 1, &part));
    frame_free(&small);
    first = lone(1, RECORD_MAX_BYTES, &part);
    assert_non_null(first);
    assert_null(frame_new_lone(RECORD_MAX_BYTES, 1, &part));
    assert_null(frame_new(SMALL, 1, &part));
    frame_free(&first);
    second = lone(2, RECORD_MAX_BYTES, &part);
    assert_non_null(second);
    frame_free(&second);
    assert_true(part.used == 0 && whole.used == 0);
}

/* --- what was written before ------------------------------------------------------------------------------------------------- */

static void format_2_is_read_and_goes_on_in_a_new_segment(void **state)
{
    struct rig *r = rig_new(false, LIMIT_BYTES, 0);
    unsigned char head[SEGMENT_HEADER_BYTES];
    struct segment_header h;
    char path[512];
    int fd;

    (void)state;
    put_all(r, (const size_t[]){SMALL, FRAME_MAX_BYTES - 1, SMALL}, 3);
    commit(r->x);
    newest_file(r->x, r->x->dir, path);
    close_spool(r->x);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
    assert_true(segment_header_decode(head, &h));
    assert_int_equal(h.format, SEGMENT_FORMAT);
    h.format = 2;
    segment_header_encode(&h, head);
    assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
    close(fd);
    open_spool(r->x);
    assert_false(r->x->found.damaged);
    assert_int_equal(spool_active(r->x->spool)->number, h.number + 1);
    put_all(r, (const size_t[]){RECORD_MAX_BYTES, SMALL}, 2);
    commit(r->x);
    reopen_spool(r->x);
    assert_false(r->x->found.damaged);
    assert_int_equal(check_records(r, r->x, spool_cut(spool_reader(r->x->spool, 0)), 6), 0);
    deliver(r, 6, 0);
    rig_free(r);
}

static int make_expected(void **state)
{
    (void)state;
    expected = mem_alloc(RECORD_MAX_BYTES + 1);
    return 0;
}

static int free_expected(void **state)
{
    (void)state;
    mem_free(expected);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_in_all_mixes_is_kept),
        cmocka_unit_test(a_header_says_no_more_than_a_frame_may_hold),
        cmocka_unit_test(a_scan_gives_a_large_record_alone_or_not_at_all),
        cmocka_unit_test(frames_in_memory_and_large_ones_in_the_file_are_read_in_order),
        cmocka_unit_test(a_crash_in_a_large_record_leaves_what_was_safe),
        cmocka_unit_test(a_disk_that_ends_within_a_large_record_refuses_all_of_it),
        cmocka_unit_test(damage_of_any_part_of_a_large_record_loses_that_record),
        cmocka_unit_test(the_end_of_a_large_record_is_missing),
        cmocka_unit_test(a_large_record_is_copied_forward),
        cmocka_unit_test(what_never_fits_is_told_from_what_does_not_fit_yet),
        cmocka_unit_test(a_limit_on_the_size_of_files_holds_back_what_is_larger),
        cmocka_unit_test(memory_for_a_large_record_is_always_only_a_question_of_time),
        cmocka_unit_test(format_2_is_read_and_goes_on_in_a_new_segment),
    };

    return cmocka_run_group_tests(tests, make_expected, free_expected);
}
