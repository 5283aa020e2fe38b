/* The stage journal: pieces of the log that went into parcels, and what a start knows of these. Then random work with crashes
 * against a model, beside a second reader that seals. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/spool/inspect.h"
#include "pipeline/spool/spool_impl.h"
#include "pipeline/spool/staged.h"

static const struct seal_result NONE_ENDED;

static struct spool_reader *reader(struct fixture *x)
{
    return spool_reader(x->spool, 0);
}

static struct spool_books books(struct fixture *x)
{
    struct spool_books b;

    spool_check(x);
    spool_books(reader(x), &b);
    return b;
}

static void put_some(struct fixture *x, size_t count)
{
    assert_int_equal(append_some(x, "record ", count, NULL), SPOOL_TAKEN);
    commit(x);
}

/* Stages the next records, as many as the parts and `ended` say behind those of the parcel `replaced`; 0: there is none. */
static void replace(struct fixture *x, uint64_t replaced, uint64_t its_records, const struct staged_part *parts,
                    size_t count, struct seal_result ended, struct answer *a)
{
    struct spool_reader *r = reader(x);
    struct spool_cursor at = spool_cut(r);
    struct staged_piece p = {.first = at.seq,
                             .last = at.seq - 1 - its_records,
                             .parts = parts,
                             .count = count,
                             .ended = ended,
                             .replaced = &replaced,
                             .replaced_count = replaced != 0};
    struct spool_run run;
    struct err e;

    p.last += seal_result_sum(&ended);
    for (size_t i = 0; i < count; i++)
        p.last += parts[i].records;
    while (at.seq < p.last + 1) {
        assert_int_equal(spool_scan_part(r, &at, UINT64_MAX, p.last + 1 - at.seq, true, &run, &at, &e), 1);
        p.bytes += run.bytes;
    }
    if (a)
        a->wait.done = note_answer;
    staged_add(r, &p, &at, a ? &a->wait : NULL);
}

static void stage(struct fixture *x, const struct staged_part *parts, size_t count, struct seal_result ended,
                  struct answer *a)
{
    replace(x, 0, 0, parts, count, ended, a);
}

static struct parcel parcel_at(struct fixture *x, size_t index)
{
    struct parcel p;

    assert_true(staged_parcel(reader(x), index, &p));
    return p;
}

static void no_damage(void *ctx, const struct spool_damage *d)
{
    (void)ctx;
    fail_msg("%s at %llu: %s", d->file, (unsigned long long)d->offset, d->what);
}

static void what_is_staged_leaves_the_log_and_stays_in_the_books(void **state)
{
    struct fixture *x = fixture_new(*state != NULL, 64 * KIB, 1000);
    struct spool_reader *r = reader(x);
    uint64_t a = staged_new_parcel(r), b = staged_new_parcel(r), first, end;
    struct parcel none;

    assert_true(a && b > a);
    for (int i = 0; i < 10; i++) {
        const struct staged_part parts[] = {{a, 100 * (uint64_t)(i + 1), 12, i + 5, slice_str(i ? "" : "key a")},
                                            {b, 50 * (uint64_t)(i + 1), 5, i + 4, slice_str(i ? "" : "key b")}};

        put_some(x, 20);
        stage(x, parts, 2, (struct seal_result){.dropped = 2, .corrupt = 1}, NULL);
        commit(x);
        assert_int_equal(books(x).spooled, 17 * (i + 1));
        assert_int_equal(books(x).dropped, 2 * (i + 1));
        assert_int_equal(books(x).oldest_arrival, 4);
        assert_int_equal(books(x).spooled_bytes, 150 * (i + 1));
    }
    assert_false(spool_waiting(x->spool, 1, &first, &end));
    assert_int_equal(x->spool->segment_count, 1);
    assert_int_equal(spool_unsealed_bytes(x->spool), 0);
    assert_int_equal(parcel_at(x, 0).bytes, 1000);
    assert_int_equal(parcel_at(x, 1).records, 50);
    assert_int_equal(parcel_at(x, 1).first, 1);
    assert_int_equal(parcel_at(x, 1).last, 200);
    staged_seal(r, b, SLICE("how"), NULL);
    commit(x);
    assert_true(parcel_at(x, 1).sealed);
    assert_true(slice_is(parcel_at(x, 0).note, "key a") && slice_is(parcel_at(x, 1).note, "how"));
    staged_settle(r, b, &(struct seal_result){.delivered = 48, .backed_up = 2}, NULL);
    assert_int_equal(books(x).spooled, 120);
    assert_int_equal(books(x).delivered, 48);
    commit(x);
    assert_int_equal(books(x).backed_up, 2);
    assert_false(staged_parcel(r, 1, &none));
    staged_settle(r, a, &(struct seal_result){.delivered = 120}, NULL);
    commit(x);
    assert_int_equal(books(x).spooled, 0);
    assert_int_equal(books(x).spooled_bytes, 0);
    assert_false(staged_parcel(r, 0, &none));
    fixture_free(x);
}

static void a_start_finds_parcels_as_they_were_in_the_log(void **state)
{
    struct fixture *x = fixture_new(false, 64 * KIB, 1000);
    uint64_t a = staged_new_parcel(reader(x)), b = staged_new_parcel(reader(x));
    struct answer safe = {0}, lost = {0};
    struct spool_report report;
    struct parcel none;
    struct err e;

    (void)state;
    put_some(x, 20);
    stage(x, (struct staged_part[]){{a, 70, 6, 3, SLICE("key a")}, {b, 30, 4, 2, SLICE("key b")}}, 2, NONE_ENDED,
          &safe);
    commit(x);
    assert_true(safe.calls == 1 && safe.safe);
    staged_seal(reader(x), b, SLICE("how"), NULL);
    commit(x);
    staged_progress(reader(x), b, SLICE("half"), NULL);
    commit(x);
    stage(x, (struct staged_part[]){{a, 90, 5, 3, SLICE("")}}, 1, NONE_ENDED, &lost);
    for (int again = 0; again < 3; again++) { /* from frames, then from a checkpoint */
        reopen_spool(x);
        assert_true(lost.calls == 1 && !lost.safe);
        assert_int_equal(x->found.parcels, 2);
        assert_int_equal(x->found.records, 20 + again);
        assert_int_equal(spool_cut(reader(x)).seq, 11); /* the last piece is repeated */
        assert_int_equal(parcel_at(x, 0).bytes, 70);
        assert_int_equal(parcel_at(x, 0).records, 6);
        assert_false(parcel_at(x, 0).sealed);
        assert_true(slice_is(parcel_at(x, 0).note, "key a"));
        assert_int_equal(parcel_at(x, 1).number, b);
        assert_int_equal(parcel_at(x, 1).oldest, 2);
        assert_true(parcel_at(x, 1).sealed && slice_is(parcel_at(x, 1).note, "how"));
        assert_true(slice_is(parcel_at(x, 1).progress, "half"));
        assert_false(staged_parcel(reader(x), 2, &none));
        assert_int_equal(staged_new_parcel(reader(x)), b + 1);
        assert_int_equal(spool_inspect(x->dir, &report, no_damage, NULL, &e), 0);
        assert_int_equal(report.waiting, 20 + again);
        assert_int_equal(report.readers[0].parcels, 2);
        assert_int_equal(report.readers[0].sealed_parcels, 1);
        assert_int_equal(report.readers[0].staged, 10);
        x->conf.segment_bytes = 100; /* each record begins a segment, so that nothing is left of the first frames */
        put_some(x, 1);
    }
    fixture_free(x);
}

static void a_number_is_not_given_out_again_when_its_parcel_is_settled(void **state)
{
    struct fixture *x = fixture_new(false, MIB, 0);
    uint64_t a = staged_new_parcel(reader(x));

    (void)state;
    put_some(x, 3);
    stage(x, (struct staged_part[]){{a, 70, 3, 3, SLICE("key")}}, 1, NONE_ENDED, NULL);
    commit(x);
    staged_settle(reader(x), a, &(struct seal_result){.delivered = 3}, NULL);
    commit(x);
    for (int again = 0; again < 2; again++) {
        reopen_spool(x);
        assert_int_equal(staged_new_parcel(reader(x)), a + 1);
        put_some(x, 1);
    }
    fixture_free(x);
}

static void parcels_count_towards_the_limit(void **state)
{
    struct fixture *x = fixture_new(false, 10 * KIB, 1000);
    uint64_t a = staged_new_parcel(reader(x));

    (void)state;
    put_some(x, 3);
    stage(x, (struct staged_part[]){{a, 10 * KIB, 3, 3, SLICE("key")}}, 1, NONE_ENDED, NULL);
    commit(x);
    assert_true(books(x).disk_bytes > 10 * KIB);
    assert_int_equal(append_some(x, "record ", 1, NULL), SPOOL_FULL);
    staged_settle(reader(x), a, &(struct seal_result){.delivered = 3}, NULL);
    commit(x);
    put_some(x, 1);
    fixture_free(x);
}

/* What is held back: a parcel that gives way to another one, whose records are in the books of those that come after it. */
static void a_parcel_is_replaced_in_one_step_or_not_at_all(void **state)
{
    for (int again = 0; again < 4; again++) { /* each time a start finds it: in frames, or in a checkpoint */
        struct fixture *x = fixture_new(*state != NULL, MIB, again == 3 ? 100 : 0);
        uint64_t held = staged_new_parcel(reader(x)), next = staged_new_parcel(reader(x)),
                 made = staged_new_parcel(reader(x));
        struct answer safe = {0}, lost = {0};
        struct parcel none;

        put_some(x, 10);
        stage(x, (struct staged_part[]){{held, 30, 3, 3, SLICE("held")}}, 1, NONE_ENDED, NULL);
        commit(x);
        replace(x, held, 3, (struct staged_part[]){{next, 70, 2, 5, SLICE("held")}, {made, 20, 4, 3, SLICE("made")}}, 2,
                (struct seal_result){.dropped = 1}, again == 0 ? &lost : &safe);
        if (again == 0 && !*state) {
            reopen_spool(x);
            assert_true(lost.calls == 1 && !lost.safe);
            assert_int_equal(spool_cut(reader(x)).seq, 4);
            assert_int_equal(parcel_at(x, 0).number, held);
            assert_int_equal(books(x).spooled, 10);
            fixture_free(x);
            continue;
        }
        commit(x);
        for (int starts = 0; starts < 2; starts++) {
            assert_int_equal(books(x).spooled, 9);
            assert_int_equal(books(x).dropped, 1);
            assert_int_equal(spool_cut(reader(x)).seq, 8);
            assert_int_equal(parcel_at(x, 0).number, next);
            assert_int_equal(parcel_at(x, 1).records, 4);
            assert_true(parcel_at(x, 0).first == 1 && parcel_at(x, 1).first == 1);
            assert_false(staged_parcel(reader(x), 2, &none));
            if (again > 0 && !*state)
                reopen_spool(x);
        }
        replace(x, next, 2, (struct staged_part[]){{made, 40, 2, 5, SLICE("")}}, 1, NONE_ENDED, NULL); /* no new ones */
        commit(x);
        for (int starts = 0; starts < 2; starts++) {
            assert_int_equal(parcel_at(x, 0).number, made);
            assert_int_equal(parcel_at(x, 0).records, 6);
            assert_false(staged_parcel(reader(x), 1, &none));
            assert_int_equal(spool_cut(reader(x)).seq, 8);
            assert_int_equal(books(x).spooled, 9);
            if (!*state)
                reopen_spool(x);
        }
        fixture_free(x);
    }
}

/* The last byte of the n-th frame of this kind. */
static void damage_frame(struct fixture *x, enum frame_type type, int n)
{
    char path[256], name[SEGMENT_NAME_BYTES];
    struct log_window w = {.p = mem_alloc(4096), .room = 4096};
    struct log_file f = {.ops = &io_ops_real, .window = &w, .dir = x->dir, .number = 1};
    uint64_t at = SEGMENT_HEADER_BYTES;
    struct frame_header h;
    unsigned char byte;
    struct stat st;
    struct err e;

    snprintf(path, sizeof(path), "%s/%s", x->dir, segment_name(1, name));
    f.fd = open(path, O_RDWR);
    assert_true(f.fd >= 0 && fstat(f.fd, &st) == 0);
    f.end = (uint64_t)st.st_size;
    while (n > 0) {
        assert_int_equal(log_file_frame(&f, at, &h, &e), 1);
        at += frame_header_total(&h);
        n -= h.type == type;
    }
    assert_int_equal(pread(f.fd, &byte, 1, (off_t)at - 1), 1);
    byte ^= 1;
    assert_int_equal(pwrite(f.fd, &byte, 1, (off_t)at - 1), 1);
    close(f.fd);
    mem_free(w.p);
}

/* Its records wait again, rather twice than never, and the books balance whatever the parcel is settled with. */
static void a_piece_that_damage_took_is_repeated(void **state)
{
    for (int lost = 1; lost <= 2; lost++) {
        struct fixture *x = fixture_new(false, MIB, 0);
        uint64_t a = staged_new_parcel(reader(x));
        struct spool_books b;
        struct seal s;

        (void)state;
        put_some(x, 10);
        stage(x, (struct staged_part[]){{a, 30, 3, 3, SLICE("key")}}, 1, NONE_ENDED, NULL);
        stage(x, (struct staged_part[]){{a, 70, 4, 3, SLICE("")}}, 1, NONE_ENDED, NULL);
        commit(x);
        staged_settle(reader(x), a, &(struct seal_result){.delivered = 7}, NULL);
        put_some(x, 1);
        close_spool(x);
        damage_frame(x, FRAME_STAGED, lost);
        open_spool(x);
        assert_true(x->found.damaged);
        spool_books(reader(x), &b);
        assert_int_equal(b.incoming, 11);
        assert_int_equal(b.delivered, lost == 1 ? 4 : 3);
        assert_int_equal(b.spooled, 11 - b.delivered);
        if (lost == 1) {
            assert_true(spool_pending_seal(reader(x), 0, &s));
            assert_true(s.first == 1 && s.last == 3 && s.note.n == 0);
        } else {
            assert_int_equal(spool_cut(reader(x)).seq, 4);
        }
        reopen_spool(x);
        assert_false(x->found.damaged);
        spool_books(reader(x), &b);
        assert_int_equal(b.spooled, lost == 1 ? 7 : 8);
        fixture_free(x);
    }
}

/* --- random work, and crashes ---------------------------------------------------------------------------------------- */

enum { PARCELS_MAX = 400, SEALS_MAX = 400 };

struct model_parcel {
    uint64_t bytes, records;
    bool sealed, settled;
};

struct model {
    uint64_t next, cut, ended, delivered;
    struct model_parcel parcels[PARCELS_MAX]; /* by number */
    uint64_t numbers;
};

static uint64_t seed;

static unsigned any(unsigned below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(seed >> 33) % below;
}

static void stage_any(struct fixture *x, struct model *m, const struct model *safe)
{
    struct staged_part parts[3];
    size_t count = 0;
    uint64_t left = safe->next > m->cut ? 1 + any((unsigned)(safe->next - m->cut)) : 0, all = left;
    uint64_t replaced = any(3) == 0 && m->numbers ? 1 + any((unsigned)m->numbers) : 0, its = 0;
    struct model_parcel *old = &m->parcels[replaced];

    if (replaced && (!old->records || old->sealed || old->settled || safe->parcels[replaced].records != old->records))
        replaced = 0;
    if (left == 0 && (!replaced || any(2)))
        return;
    if (replaced) {
        old->settled = true;
        left += its = old->records;
    }
    for (unsigned i = 0; i < 3 && left; i++) {
        uint64_t number = 1 + any((unsigned)m->numbers + 1), records = 1 + any((unsigned)left);
        struct model_parcel *p;
        bool twice = false;

        if (number > m->numbers)
            number = staged_new_parcel(reader(x));
        assert_true(number < PARCELS_MAX);
        p = &m->parcels[number];
        for (size_t k = 0; k < count; k++)
            twice |= parts[k].parcel == number;
        if (p->sealed || p->settled || twice)
            continue;
        p->bytes += 10 * records;
        parts[count++] = (struct staged_part){number, p->bytes, records, 5, slice_str(p->records ? "" : "key")};
        p->records += records;
        m->numbers = number > m->numbers ? number : m->numbers;
        left -= records;
    }
    replace(x, replaced, its, parts, count, (struct seal_result){.dropped = left}, NULL);
    m->ended += left;
    m->cut += all;
}

static void seal_or_settle_any(struct fixture *x, struct model *m, const struct model *safe)
{
    uint64_t number = m->numbers ? 1 + any((unsigned)m->numbers) : 0;
    struct model_parcel *p = &m->parcels[number];
    const struct model_parcel *known = &safe->parcels[number];

    /* Only what is safe; and not both at once. */
    if (!number || !known->records || known->records != p->records || known->sealed != p->sealed || p->settled)
        return;
    if (!p->sealed) {
        staged_seal(reader(x), number, SLICE("sealed"), NULL);
        p->sealed = true;
    } else {
        staged_settle(reader(x), number, &(struct seal_result){.delivered = p->records}, NULL);
        p->settled = true;
        m->delivered += p->records;
    }
}

static void check_model(struct fixture *x, const struct model *m)
{
    struct spool_books b = books(x);
    struct parcel p;
    size_t index = 0;

    assert_int_equal(b.incoming, m->next - 1);
    assert_int_equal(b.dropped, m->ended);
    assert_int_equal(b.delivered, m->delivered);
    assert_int_equal(spool_cut(reader(x)).seq, m->cut);
    for (uint64_t number = 1; number <= m->numbers; number++) {
        const struct model_parcel *want = &m->parcels[number];

        if (!want->records || want->settled)
            continue;
        assert_true(staged_parcel(reader(x), index++, &p));
        assert_int_equal(p.number, number);
        assert_int_equal(p.bytes, want->bytes);
        assert_int_equal(p.records, want->records);
        assert_int_equal(p.sealed, want->sealed);
        assert_true(slice_is(p.note, want->sealed ? "sealed" : "key"));
    }
    assert_false(staged_parcel(reader(x), index, &p));
}

/* Seals and settles what there is. */
static void other_reader(struct fixture *x)
{
    struct spool_reader *r = spool_reader(x->spool, 1);
    struct seal s;

    if (any(2) == 0)
        seal_for(r, 0, "note", NULL);
    else if (spool_pending_seal(r, 0, &s) && !r->state->seals[0].settling)
        spool_settle(r, s.first, &(struct seal_result){.delivered = s.last - s.first + 1});
}

static void random_work_and_crashes(void **state)
{
    static const struct spool_reader_conf TWO[] = {{.name = "staging"}, {.name = "sealing"}};

    (void)state;
    for (seed = 1; seed < 8; seed += 1) {
        struct fixture *x = fixture_new(false, MIB, 800);
        struct model m = {.next = 1, .cut = 1}, safe = m;
        uint64_t random = seed;

        if (seed % 2) {
            x->conf.readers = TWO;
            x->conf.reader_count = 2;
            reopen_spool(x);
            commit(x);
        }
        seed *= 77;
        for (int i = 0; i < 400; i++) {
            unsigned what = any(10);

            if (what < 3) {
                size_t count = 1 + any(5);

                assert_int_equal(append_some(x, "record ", count, NULL), SPOOL_TAKEN);
                m.next += count;
            } else if (what < 5) {
                stage_any(x, &m, &safe);
            } else if (what < 7) {
                seal_or_settle_any(x, &m, &safe);
            } else if (what < 9) {
                commit(x);
                safe = m;
                check_model(x, &m);
                if (x->conf.reader_count)
                    other_reader(x);
            } else {
                reopen_spool(x);
                m = safe;
                assert_false(x->found.damaged);
                check_model(x, &m);
            }
        }
        fixture_free(x);
        seed = random;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_staged_leaves_the_log_and_stays_in_the_books),
        cmocka_unit_test_prestate(what_is_staged_leaves_the_log_and_stays_in_the_books, (void *)&NONE_ENDED),
        cmocka_unit_test(a_start_finds_parcels_as_they_were_in_the_log),
        cmocka_unit_test(a_number_is_not_given_out_again_when_its_parcel_is_settled),
        cmocka_unit_test(parcels_count_towards_the_limit),
        cmocka_unit_test(a_parcel_is_replaced_in_one_step_or_not_at_all),
        cmocka_unit_test_prestate(a_parcel_is_replaced_in_one_step_or_not_at_all, (void *)&NONE_ENDED),
        cmocka_unit_test(a_piece_that_damage_took_is_repeated),
        cmocka_unit_test(random_work_and_crashes),
    };

    return cmocka_run_group_tests_name("staged", tests, NULL, NULL);
}
