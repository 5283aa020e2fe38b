/* Every order of what can happen to a partition that several members share: it is read, named, sealed, delivered, its commits are
 * accepted, refused or never answered, members are killed, lose it without knowing, or give it back. The group and the store of objects are played
 * here; the members are the real thing. In the end each record is in one object, under one name. */
#include "tests/support/cmocka.h"

#include "pipeline/inputs/kafka/batches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 12, MEMBERS = 3, NAMES = 400, UPLOADS = 8 };

struct commit {
    bool there;
    int generation;
    int64_t offset;
    char text[KAFKA_METADATA_MAX];
    size_t n;
};

struct upload {
    int name, member, life;
    uint64_t number;
    int64_t from, end;
};

struct member {
    struct kafka_batches b;
    bool has, leaving;
    int generation, life;
    int64_t seen;
    uint64_t next_number;
    struct commit sent;
};

static struct world {
    struct member m[MEMBERS];
    int owner, generation; /* owner < 0: nobody */
    int64_t offset;
    char text[KAFKA_METADATA_MAX];
    size_t n;
    bool committed;
    int names;
    struct {
        int64_t from, end; /* what the object has; end 0: it was never written */
    } objects[NAMES];
    struct upload uploads[UPLOADS];
    size_t upload_count;
} W;

static struct kafka_position at(int64_t next)
{
    struct kafka_position p = {.next = next, .last = {.offset = next - 1, .time = 7, .bytes = 3, .crc = 5}};

    return p;
}

static void nobody(void *ctx, uint64_t number)
{
    (void)ctx;
    (void)number;
}

/* --- what happens. False: not now. ------------------------------------------------------------------------------------- */

static bool join(int i)
{
    struct member *m = &W.m[i];

    if (W.owner >= 0 || m->has)
        return false;
    W.owner = i;
    m->has = true;
    m->leaving = false;
    m->generation = W.generation;
    if (!kafka_batches_restore(&m->b, W.offset, slice_of(W.text, W.n)))
        assert_false(W.committed);
    m->seen = W.offset;
    return true;
}

static bool read_some(int i, int want)
{
    struct member *m = &W.m[i];
    const struct kafka_batch *owed;
    struct kafka_position p;
    int64_t end;

    if (!m->has || m->leaving || m->seen >= RECORDS)
        return false;
    owed = kafka_batches_next(&m->b, m->seen, &end);
    if (!owed && kafka_batches_is_full(&m->b, end < INT64_MAX))
        return false;
    if (!owed) {
        end = m->seen + want < end ? m->seen + want : end;
        end = end < RECORDS ? end : RECORDS;
    }
    p = at(end);
    if (owed)
        kafka_batches_add_owed(&m->b, owed, kafka_batch_is_as_it_was(owed, &p, (uint64_t)(end - owed->from)), &p, 1,
                               ++m->next_number);
    else
        kafka_batches_add(&m->b, m->seen, &p, (uint64_t)(end - m->seen), ++m->next_number);
    m->seen = end;
    kafka_batches_seen(&m->b, &p);
    return true;
}

static bool name_one(int i)
{
    struct member *m = &W.m[i];

    for (size_t k = 0; m->has && k < m->b.n; k++)
        if (m->b.v[k].state == KAFKA_BATCH_READ) {
            char note[32];

            snprintf(note, sizeof(note), "2 %%%d", W.names++);
            note[1] = '\0';
            assert_true(kafka_batches_ask(&m->b, m->b.v[k].number, 9, slice_of(note, 2 + strlen(note + 2))));
            return true;
        }
    return false;
}

static bool commit(int i)
{
    struct member *m = &W.m[i];
    struct slice s;

    if (!m->has || m->sent.there || !kafka_batches_due(&m->b))
        return false;
    s = kafka_batches_offer(&m->b, m->sent.text);
    m->sent.there = true;
    m->sent.n = s.n;
    m->sent.offset = m->b.base.next;
    m->sent.generation = m->generation;
    return true;
}

static bool arrive(int i)
{
    const struct commit *c = &W.m[i].sent;
    bool known = c->there && c->generation == W.generation && W.owner == i;

    if (known) {
        W.offset = c->offset;
        memcpy(W.text, c->text, c->n);
        W.n = c->n;
        W.committed = true;
    }
    return known;
}

static bool answer(int i)
{
    struct member *m = &W.m[i];

    if (!m->sent.there)
        return false;
    kafka_batches_answered(&m->b, arrive(i), nobody, NULL);
    m->sent.there = false;
    return true;
}

static void forget(int i)
{
    struct member *m = &W.m[i];

    kafka_batches_drop(&m->b, nobody, NULL);
    m->has = m->sent.there = false;
    m->life++; /* what is under way still arrives, but nobody hears of it */
    if (W.owner == i && m->generation == W.generation) {
        W.owner = -1;
        W.generation++;
    }
}

/* The client is thrown away, and with it what it knows: as a kill. */
static bool lose_answer(int i)
{
    if (!W.m[i].sent.there)
        return false;
    (void)arrive(i);
    forget(i);
    return true;
}

static bool lose_request(int i)
{
    if (!W.m[i].sent.there)
        return false;
    forget(i);
    return true;
}

static bool kill_one(int i)
{
    if (!W.m[i].has)
        return false;
    forget(i);
    return true;
}

/* The group takes it away, and the member does not know. */
static bool take_away(int i)
{
    if (W.owner != i)
        return false;
    W.owner = -1;
    W.generation++;
    return true;
}

static bool hear_of_it(int i)
{
    if (!W.m[i].has || W.owner == i)
        return false;
    forget(i);
    return true;
}

static bool revoke(int i)
{
    struct member *m = &W.m[i];

    if (!m->has || W.owner != i || m->leaving)
        return false;
    m->leaving = true;
    kafka_batches_return(&m->b, nobody, NULL);
    return true;
}

static bool give_back(int i)
{
    struct member *m = &W.m[i];

    if (!m->has || !m->leaving || m->sent.there)
        return false;
    forget(i);
    return true;
}

static bool begin_upload(int i)
{
    struct member *m = &W.m[i];

    for (size_t k = 0; m->has && W.upload_count < UPLOADS && k < m->b.n; k++) {
        const struct kafka_batch *x = &m->b.v[k];
        bool under_way = false;

        for (size_t u = 0; u < W.upload_count; u++)
            under_way |= W.uploads[u].member == i && W.uploads[u].life == m->life && W.uploads[u].number == x->number;
        if (x->state != KAFKA_BATCH_SEALED || under_way)
            continue;
        W.uploads[W.upload_count++] = (struct upload){.member = i,
                                                      .life = m->life,
                                                      .number = x->number,
                                                      .name = atoi(x->note + 3),
                                                      .from = x->from,
                                                      .end = x->end.next};
        return true;
    }
    return false;
}

static bool end_upload(size_t n)
{
    struct upload u;
    struct member *m;

    if (n >= W.upload_count)
        return false;
    u = W.uploads[n];
    m = &W.m[u.member];
    memmove(&W.uploads[n], &W.uploads[n + 1], (W.upload_count - n - 1) * sizeof(u));
    W.upload_count--;
    assert_true(W.objects[u.name].end == 0 || (W.objects[u.name].from == u.from && W.objects[u.name].end == u.end));
    W.objects[u.name].from = u.from;
    W.objects[u.name].end = u.end;
    if (m->has && m->life == u.life)
        assert_true(kafka_batches_settle(&m->b, u.number));
    return true;
}

static bool all_of(int i)
{
    (void)(read_some(i, 2) && name_one(i) && commit(i) && answer(i) && begin_upload(i));
    return true;
}

static bool do_one(unsigned what, int i, unsigned dice)
{
    switch (what % 16) {
    case 0:
        return join(i);
    case 1:
    case 2:
        return read_some(i, 1 + (int)(dice % 3));
    case 3:
        return name_one(i);
    case 4:
        return commit(i);
    case 5:
    case 6:
        return answer(i);
    case 7:
        return begin_upload(i);
    case 8:
        return W.upload_count > 0 && end_upload(dice % W.upload_count);
    case 9:
        return lose_answer(i);
    case 10:
        return lose_request(i);
    case 11:
        return kill_one(i);
    case 12:
        return take_away(i);
    case 13:
        return hear_of_it(i);
    case 14:
        return revoke(i);
    default:
        return give_back(i);
    }
}

/* Mostly they get on. */
static bool do_one_mostly_good(unsigned what, int i, unsigned dice)
{
    static const unsigned GOOD[] = {0, 1, 1, 3, 3, 4, 4, 5, 5, 5, 7, 7, 8, 8};
    static const unsigned BAD[] = {9, 10, 11, 12, 13, 14, 15};

    if (what % 8 == 0)
        return do_one(BAD[what / 8 % ARRAY_LEN(BAD)], i, dice);
    return do_one(GOOD[what / 8 % ARRAY_LEN(GOOD)], i, dice);
}

/* --- the whole ----------------------------------------------------------------------------------------------------------- */

static void begin(void)
{
    for (int i = 0; i < MEMBERS; i++)
        kafka_batches_release(&W.m[i].b);
    memset(&W, 0, sizeof(W));
    W.owner = -1;
}

static void finish(void)
{
    for (int i = 0; i < MEMBERS; i++)
        forget(i);
    W.owner = -1;
    assert_true(join(0));
    while (W.m[0].seen < RECORDS || W.m[0].b.n > 0) {
        (void)read_some(0, 2);
        (void)name_one(0);
        (void)(commit(0) && answer(0));
        (void)begin_upload(0);
        while (W.upload_count > 0)
            (void)end_upload(0);
    }
    (void)(commit(0) && answer(0));
    assert_int_equal(W.offset, RECORDS);
    for (int64_t record = 0; record < RECORDS; record++) {
        int copies = 0;

        for (int n = 0; n < W.names; n++)
            copies += W.objects[n].end > 0 && W.objects[n].from <= record && record < W.objects[n].end;
        if (copies != 1)
            fail_msg("record %d is in %d objects", (int)record, copies);
    }
}

/* Every order of so many events, behind a batch that is being delivered. */
static void every_order(size_t depth)
{
    enum { DEPTH_MAX = 8, CHOICES = 16 * 2 };
    unsigned order[DEPTH_MAX] = {0};
    size_t i;

    do {
        begin();
        (void)join(0);
        (void)all_of(0);
        for (i = 0; i < depth && do_one(order[i] % 16, (int)(order[i] / 16), 0); i++)
            ;
        if (i == depth)
            finish();
        else
            i++; /* it cannot be: nor can any that goes on like this */
        memset(order + i, 0, (DEPTH_MAX - i) * sizeof(order[0]));
        while (i > 0 && ++order[i - 1] == CHOICES)
            order[--i] = 0;
    } while (i > 0);
}

static void each_order_delivers_once(void **state)
{
    (void)state;
    for (size_t depth = 1; depth <= 5; depth++)
        every_order(depth);
    begin();
}

static unsigned draw(uint32_t *seed, unsigned below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 12) % below;
}

static void long_walks_deliver_once(void **state)
{
    uint32_t seed = 12345;

    (void)state;
    for (int walk = 0; walk < 5000; walk++) {
        begin();
        for (int step = 0; step < 80 && W.names < NAMES - 2 * RECORDS; step++) {
            unsigned what = draw(&seed, 1024), dice = draw(&seed, 1024);

            int i = (int)draw(&seed, 2 * MEMBERS);

            (void)do_one_mostly_good(what, i < MEMBERS ? i : W.owner < 0 ? 0 : W.owner, dice);
        }
        finish();
    }
    begin();
}

/* --- what stands in the group --------------------------------------------------------------------------------------------- */

static void what_does_not_fit_waits(void **state)
{
    struct kafka_batches b = {.n = 0};
    const struct kafka_position zero = {.next = 0, .last = {.offset = -1}};
    char note[1500], out[KAFKA_METADATA_MAX];

    (void)state;
    memset(note, 'x', sizeof(note));
    kafka_batches_begin(&b, &zero);
    for (int i = 0; i < 3; i++) {
        struct kafka_position p = at(i + 1);

        kafka_batches_add(&b, i, &p, 1, (uint64_t)i + 1);
        assert_true(kafka_batches_ask(&b, (uint64_t)i + 1, 5, slice_of(note, sizeof(note))));
    }
    assert_true(kafka_batches_offer(&b, out).n <= KAFKA_METADATA_MAX);
    kafka_batches_answered(&b, true, nobody, NULL);
    assert_int_equal(b.v[0].state, KAFKA_BATCH_SEALED);
    assert_int_equal(b.v[1].state, KAFKA_BATCH_SEALED);
    assert_int_equal(b.v[2].state, KAFKA_BATCH_ASKED);
    assert_false(kafka_batches_due(&b)); /* nothing changes before one of them is delivered */
    assert_true(kafka_batches_settle(&b, 1));
    assert_true(kafka_batches_due(&b));
    (void)kafka_batches_offer(&b, out);
    kafka_batches_answered(&b, true, nobody, NULL);
    assert_int_equal(b.v[1].state, KAFKA_BATCH_SEALED);
    kafka_batches_release(&b);
}

static void what_is_owed_and_changed_is_a_new_batch(void **state)
{
    struct kafka_batches b = {.n = 0};
    const char *meta =
        "sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=00000005 records=9 oldest=4 note=a%00%20b\n"
        "seal from=25 next=30 last=29 time=7 bytes=3 crc=00000005 records=5 oldest=4 note=c";
    struct kafka_position p = at(20);
    const struct kafka_batch *owed;
    const struct kafka_position gone = at(30);
    int64_t end;

    (void)state;
    assert_true(kafka_batches_restore(&b, 10, slice_str(meta)));
    owed = kafka_batches_next(&b, 10, &end);
    assert_non_null(owed);
    assert_int_equal(end, 20);
    assert_int_equal(owed->note_bytes, 4);
    assert_memory_equal(owed->note, "a\0 b", 4);
    assert_true(kafka_batch_is_as_it_was(owed, &p, 9));
    assert_false(kafka_batch_is_as_it_was(owed, &p, 8));
    p.last.crc++;
    assert_false(kafka_batch_is_as_it_was(owed, &p, 9));
    assert_false(kafka_batches_due(&b));
    kafka_batches_add_owed(&b, owed, false, &p, 8, 1);
    assert_true(kafka_batches_due(&b)); /* the seal that cannot be kept goes */
    assert_null(kafka_batches_next(&b, 20, &end));
    assert_int_equal(end, 25);               /* a new batch ends where the next sealed one begins */
    owed = kafka_batches_next(&b, 26, &end); /* its first record is gone */
    assert_non_null(owed);
    kafka_batches_add_owed(&b, owed, false, &gone, 0, 0); /* and then the others */
    assert_null(kafka_batches_next(&b, 30, &end));
    assert_int_equal(end, INT64_MAX);
    assert_int_equal(b.base.next, 10);
    assert_true(kafka_batches_settle(&b, 1));
    assert_int_equal(b.base.next, 30);
    kafka_batches_release(&b);
}

/* The spool does not hold all of it: what is delivered is what was read, and the offset moves no farther. */
static void what_is_owed_and_too_large_is_several_batches(void **state)
{
    struct kafka_batches b = {.n = 0};
    const char *meta =
        "sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=00000005 records=10 oldest=4 note=a";
    const struct kafka_position part = at(14), rest = at(20);
    int64_t end;

    (void)state;
    assert_true(kafka_batches_restore(&b, 10, slice_str(meta)));
    kafka_batches_add_owed(&b, kafka_batches_next(&b, 10, &end), false, &part, 4, 1);
    assert_null(kafka_batches_next(&b, 14, &end));
    kafka_batches_add(&b, 14, &rest, 6, 2);
    assert_true(kafka_batches_settle(&b, 1));
    assert_int_equal(b.base.next, 14);
    assert_true(kafka_batches_settle(&b, 2));
    assert_int_equal(b.base.next, 20);
    kafka_batches_release(&b);
}

/* The batch before it is not delivered yet, so the offset stays before both. */
static void what_is_owed_and_gone_has_no_seal_any_more(void **state)
{
    struct kafka_batches b = {.n = 0}, next = {.n = 0};
    const char *meta =
        "sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=00000005 records=9 oldest=4 note=a\n"
        "seal from=20 next=30 last=29 time=7 bytes=3 crc=00000005 records=5 oldest=4 note=b";
    char out[KAFKA_METADATA_MAX];
    const struct kafka_position p = at(30);
    int64_t end;

    (void)state;
    assert_true(kafka_batches_restore(&b, 10, slice_str(meta)));
    kafka_batches_add_owed(&b, kafka_batches_next(&b, 10, &end), true, &p, 9, 1);
    kafka_batches_add_owed(&b, kafka_batches_next(&b, 20, &end), false, &p, 0, 0);
    assert_true(kafka_batches_restore(&next, 10, kafka_batches_offer(&b, out)));
    assert_int_equal(next.n, 1);
    assert_int_equal(next.v[0].end.next, 20);
    kafka_batches_release(&b);
    kafka_batches_release(&next);
}

/* Where some had to be made anew there are more than a member begins by itself. */
static void as_many_seals_as_there_are_places_are_taken(void **state)
{
    struct kafka_batches b = {.n = 0};
    char meta[KAFKA_METADATA_MAX];
    size_t n = (size_t)snprintf(meta, sizeof(meta), "sluice next=0"), count = KAFKA_BATCHES_MAX + 1;

    (void)state;
    for (size_t i = 0; i < count; i++)
        n += (size_t)snprintf(meta + n, sizeof(meta) - n,
                              "\nseal from=%zu next=%zu last=%zu time=7 bytes=3 crc=5 records=1 oldest=4 note=a", i,
                              i + 1, i);
    assert_true(n < sizeof(meta));
    assert_true(kafka_batches_restore(&b, 0, slice_of(meta, n)));
    assert_int_equal(b.n, count);
    kafka_batches_release(&b);
}

static void what_others_wrote_is_not_taken(void **state)
{
    static const char *const THESE[] = {
        "",
        "checkpoint",
        "sluice next=11",
        "sluice next=10\n",
        "sluice next=10\nseal",
        "sluice next=10\nseal from=9 next=20 last=19 time=7 bytes=3 crc=5 records=9 oldest=4 note=a",
        "sluice next=10\nseal from=10 next=10 last=9 time=7 bytes=3 crc=5 records=9 oldest=4 note=a",
        "sluice next=10\nseal from=10 next=20 last=20 time=7 bytes=3 crc=5 records=9 oldest=4 note=a",
        "sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=5 records=0 oldest=4 note=a",
        "sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=5 records=9 oldest=4 note=",
        "sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=5 records=9 oldest=4 note=a%",
        "sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=5 records=9 oldest=4 note=a%0",
        "sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=5 records=9 oldest=4 note=a%0g",
        ("sluice next=10\nseal from=10 next=20 last=19 time=7 bytes=3 crc=5 records=9 oldest=4 note=a\n"
         "seal from=15 next=25 last=19 time=7 bytes=3 crc=5 records=9 oldest=4 note=a"),
    };
    struct kafka_batches b = {.n = 0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(THESE); i++) {
        bool fine = kafka_batches_restore(&b, 10, slice_str(THESE[i]));

        assert_int_equal(b.n, 0);
        assert_int_equal(b.base.next, 10);
        if (fine)
            assert_string_equal(THESE[i], "sluice next=10\n");
    }
    kafka_batches_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_order_delivers_once),
        cmocka_unit_test(long_walks_deliver_once),
        cmocka_unit_test(what_does_not_fit_waits),
        cmocka_unit_test(what_is_owed_and_changed_is_a_new_batch),
        cmocka_unit_test(what_is_owed_and_too_large_is_several_batches),
        cmocka_unit_test(what_is_owed_and_gone_has_no_seal_any_more),
        cmocka_unit_test(as_many_seals_as_there_are_places_are_taken),
        cmocka_unit_test(what_others_wrote_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
