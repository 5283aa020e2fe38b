/* Leases in one object: what is put in place of what was read, and what is no such object. */
#include "tests/support/cmocka.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/kinesis/rounds.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FAILOVER (10 * NSEC_PER_SEC)
#define NOW      (1000 * NSEC_PER_SEC)

static void hear_granted(void *ctx, const struct leased *x, bool again)
{
    (void)x;
    (void)again;
    ++*(int *)ctx;
}

static void hear_revoked(void *ctx, const struct leased *x, bool lost)
{
    (void)x;
    (void)lost;
    --*(int *)ctx;
}

static struct place begin_at(void *ctx, const char *shard)
{
    (void)ctx;
    (void)shard;
    return (struct place){.kind = PLACE_START};
}

struct rig {
    struct leases l;
    struct rounds r;
    struct buf out;
    struct err e;
    int held;
};

static void begin(struct rig *g)
{
    const struct leases_conf conf = {.me = "me",
                                     .failover = FAILOVER,
                                     .granted = hear_granted,
                                     .revoked = hear_revoked,
                                     .begin_at = begin_at,
                                     .ctx = &g->held};

    memset(g, 0, sizeof(*g));
    leases_init(&g->l, &conf);
    buf_init(&g->out, KINESIS_LEASE_OBJECT_MAX);
    leases_list_begin(&g->l, NOW);
    for (unsigned i = 0; i < 2; i++)
        leases_list(&g->l, &(struct leases_shard){.id = i ? "s-1" : "s-0",
                                                  .parents = {"", ""},
                                                  .first = "1000",
                                                  .hashes = {i ? "6" : "0", i ? "9" : "5"}});
}

static void end(struct rig *g)
{
    leases_release(&g->l);
    rounds_release(&g->r);
    buf_release(&g->out);
}

/* How many writes are left; the object to be is in g->out. */
static size_t take(struct rig *g, const char *object, nsec now)
{
    if (rounds_read(&g->r, &g->l, object != NULL, slice_str(object ? object : ""), now, &g->out, &g->e) < 0)
        fail_msg("%s", g->e.msg);
    return g->r.n;
}

static void assert_has(struct rig *g, const char *text)
{
    assert_true(json_valid(buf_slice(&g->out), 8));
    if (!strstr(buf_cstr(&g->out), text))
        fail_msg("%s is not in %s", text, buf_cstr(&g->out));
}

static void test_the_first_object_has_all_leases_and_then_they_are_taken(void **state)
{
    static char object[8192];
    struct rig g;

    (void)state;
    begin(&g);
    assert_true(rounds_collect(&g.r, &g.l, NOW)); /* it looks */
    assert_int_equal(take(&g, NULL, NOW), 0);
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(take(&g, NULL, NOW), 2);
    assert_has(&g, "{\"leaseKey\":{\"S\":\"s-0\"},\"leaseCounter\":{\"N\":\"0\"}");
    assert_has(&g, "\"startingHashKey\":{\"S\":\"6\"},\"endingHashKey\":{\"S\":\"9\"}");
    assert_int_equal(g.held, 0);
    snprintf(object, sizeof(object), "%s", buf_cstr(&g.out));
    rounds_over(&g.r, &g.l, LEASE_DONE, NOW, NOW);
    assert_true(rounds_collect(&g.r, &g.l, NOW + 1));
    assert_int_equal(take(&g, object, NOW + 1), 0); /* whose are they? */
    assert_true(rounds_collect(&g.r, &g.l, NOW + 2));
    assert_int_equal(take(&g, object, NOW + 2), 2);
    assert_has(&g, "\"leaseKey\":{\"S\":\"s-1\"},\"leaseOwner\":{\"S\":\"me\"},\"leaseCounter\":{\"N\":\"1\"}");
    rounds_over(&g.r, &g.l, LEASE_DONE, NOW, NOW + 2);
    assert_int_equal(g.held, 2);
    end(&g);
}

/* The object to be, put. */
static const char *put(struct rig *g, nsec now)
{
    static char object[8192];

    snprintf(object, sizeof(object), "%s", buf_cstr(&g->out));
    rounds_over(&g->r, &g->l, LEASE_DONE, now, now);
    return object;
}

/* An object that is full takes no new lease, and those that are in it are renewed. */
static void test_new_leases_leave_room_for_those_that_are_there(void **state)
{
    const nsec later = NOW + FAILOVER / 3 + 2;
    const char *object;
    struct rig g;

    (void)state;
    begin(&g);
    buf_release(&g.out);
    buf_init(&g.out, 2 * KINESIS_LEASE_BYTES - 1);
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(take(&g, NULL, NOW), 0);
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(take(&g, NULL, NOW), 1);
    assert_int_equal(g.r.no_room, 1);
    assert_has(&g, "{\"Items\":[{\"leaseKey\":{\"S\":\"s-0\"},\"leaseCounter\":{\"N\":\"0\"}");
    object = put(&g, NOW);
    assert_true(rounds_collect(&g.r, &g.l, NOW + 1));
    assert_int_equal(take(&g, object, NOW + 1), 0);
    assert_true(rounds_collect(&g.r, &g.l, NOW + 1));
    assert_int_equal(take(&g, object, NOW + 1), 1);
    object = put(&g, NOW + 1);
    assert_int_equal(g.held, 1);
    assert_false(rounds_collect(&g.r, &g.l, NOW + 2)); /* the one without room waits, too */
    assert_true(rounds_collect(&g.r, &g.l, later));
    assert_int_equal(take(&g, object, later), 1);
    assert_has(&g, "\"leaseOwner\":{\"S\":\"me\"},\"leaseCounter\":{\"N\":\"2\"}");
    object = put(&g, later);
    assert_true(rounds_collect(&g.r, &g.l, later)); /* is there room now? */
    assert_int_equal(take(&g, object, later), 0);
    assert_int_equal(g.r.no_room, 1);
    assert_int_equal(g.held, 1);
    end(&g);
}

#define LEASE(key, counter, more)                                                                                      \
    "{\"leaseKey\":{\"S\":\"" key "\"},\"leaseCounter\":{\"N\":\"" counter                                             \
    "\"},\"checkpoint\":{\"S\":\"TRIM_HORIZON\"}" more "}"
#define METRICS "{\"leaseKey\":{\"S\":\"m\"},\"entityType\":{\"S\":\"WORKER_METRICS\"},\"wmt\":{\"N\":\"1\"}}"
#define OTHERS  LEASE("s-1", "7", ",\"leaseOwner\":{\"S\":\"you\"},\"throughputKBps\":{\"N\":\"1.5\"}")

/* A parent that was read waits for its children's leases, and keeps its own: they get what others may only have later. */
static void test_children_have_room_where_no_other_has(void **state)
{
    static const char OBJECT[] = "{\"Items\":[{\"leaseKey\":{\"S\":\"s-0\"},\"leaseCounter\":{\"N\":\"3\"},"
                                 "\"checkpoint\":{\"S\":\"SHARD_END\"}}," OTHERS "]}";
    const nsec later = NOW + FAILOVER + 1; /* s-3 would have been made by somebody else */
    const char *object;
    struct rig g;

    (void)state;
    begin(&g);
    leases_list(&g.l,
                &(struct leases_shard){.id = "s-2", .parents = {"s-0", ""}, .first = "2000", .hashes = {"0", "5"}});
    leases_list(&g.l, &(struct leases_shard){.id = "s-3", .parents = {"", ""}, .first = "1", .hashes = {"7", "8"}});
    buf_release(&g.out);
    buf_init(&g.out, 3 * KINESIS_LEASE_TIGHT);
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(take(&g, OBJECT, NOW), 0);
    assert_true(rounds_collect(&g.r, &g.l, later));
    assert_true(take(&g, OBJECT, later) > 0);
    assert_int_equal(g.r.no_room, 0);
    assert_has(&g, "{\"leaseKey\":{\"S\":\"s-2\"},\"leaseCounter\":{\"N\":\"0\"}");
    object = put(&g, later);
    assert_true(rounds_collect(&g.r, &g.l, later));
    (void)take(&g, object, later);
    assert_int_equal(g.r.no_room, 1);
    assert_null(strstr(buf_cstr(&g.out), "\"leaseKey\":{\"S\":\"s-3\"}"));
    rounds_over(&g.r, &g.l, LEASE_UNSURE, later, later);
    end(&g);
}

/* One lease has changed since it was seen: it alone is refused, and what nobody writes stays, to the byte. */
static void test_what_is_not_what_it_was_stays_as_it_is(void **state)
{
    struct rig g;

    (void)state;
    begin(&g);
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(take(&g, "{\"Items\":[" LEASE("s-0", "3", "") "," LEASE("s-1", "3", "") "]}", NOW), 0);
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(g.r.n, 2);
    assert_int_equal(
        take(&g, "{\"Items\":[" METRICS ", " LEASE("s-0", "3", "") "," OTHERS "],\"Count\":3,\"ScannedCount\":3}", NOW),
        1);
    assert_has(&g, METRICS);
    assert_has(&g, OTHERS);
    assert_has(&g, "\"leaseKey\":{\"S\":\"s-0\"},\"leaseOwner\":{\"S\":\"me\"},\"leaseCounter\":{\"N\":\"4\"}");
    rounds_over(&g.r, &g.l, LEASE_DONE, NOW, NOW);
    assert_int_equal(g.held, 1);
    assert_string_equal(leases_find(&g.l, "s-1")->at.owner, "you");
    end(&g);
}

/* An object that could not be put says nothing of its leases. */
static void test_what_was_refused_is_read_again_and_taken_then(void **state)
{
    static const char OBJECT[] = "{\"Items\":[" LEASE("s-0", "3", "") "," OTHERS "]}";
    struct rig g;

    (void)state;
    begin(&g);
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(take(&g, OBJECT, NOW), 0);
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(take(&g, OBJECT, NOW), 1);
    rounds_over(&g.r, &g.l, LEASE_UNSURE, NOW + 1, NOW);
    assert_int_equal(g.held, 0);
    assert_false(rounds_collect(&g.r, &g.l, NOW));
    assert_true(rounds_collect(&g.r, &g.l, NOW + 1));
    assert_int_equal(take(&g, OBJECT, NOW + 1), 0);
    assert_true(rounds_collect(&g.r, &g.l, NOW + 1));
    assert_int_equal(take(&g, OBJECT, NOW + 1), 1);
    rounds_over(&g.r, &g.l, LEASE_DONE, NOW + 1, NOW + 1);
    assert_int_equal(g.held, 1);
    end(&g);
}

static void test_what_is_no_object_of_leases_is_refused(void **state)
{
    static const char *const BAD[] = {
        "",
        "[]",
        "{}",
        "{\"Items\":{}}",
        "{\"Items\":[",
        "{\"Items\":[]",
        "{\"Items\":[]}x",
        "{\"Items\":[3]}",
        "{\"Items\":[{}]}",
        "{\"Items\":[" LEASE("s-0", "-1", "") "]}",
        "{\"Items\":[" LEASE("s-0", "3", "") "," LEASE("s-0", "3", "") "]}",
    };
    struct rig g;

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) {
        begin(&g);
        assert_true(rounds_collect(&g.r, &g.l, NOW));
        assert_int_equal(take(&g, "{\"Items\":[" LEASE("s-0", "3", "") "]}", NOW), 0);
        assert_true(rounds_collect(&g.r, &g.l, NOW));
        if (rounds_read(&g.r, &g.l, true, slice_str(BAD[i]), NOW, &g.out, &g.e) == 0)
            fail_msg("taken: %s", BAD[i]);
        assert_non_null(strstr(g.e.msg, "object of leases"));
        rounds_over(&g.r, &g.l, LEASE_UNSURE, NOW + 1, NOW);
        assert_true(rounds_collect(&g.r, &g.l, NOW + 1)); /* a good one is taken again */
        assert_int_equal(take(&g, "{\"Items\":[" LEASE("s-0", "3", "") "]}", NOW + 1), 0);
        end(&g);
    }
}

static void test_an_object_has_an_end(void **state)
{
    static const char OBJECT[] = "{\"Items\":[" METRICS "," LEASE("s-0", "3", "") "," OTHERS "]}";
    struct rig g;

    (void)state;
    begin(&g);
    g.out.max = 300;
    assert_true(rounds_collect(&g.r, &g.l, NOW));
    assert_int_equal(rounds_read(&g.r, &g.l, true, SLICE(OBJECT), NOW, &g.out, &g.e), -1);
    assert_non_null(strstr(g.e.msg, "300 bytes"));
    rounds_over(&g.r, &g.l, LEASE_UNSURE, NOW + 1, NOW);
    end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_object_has_all_leases_and_then_they_are_taken),
        cmocka_unit_test(test_new_leases_leave_room_for_those_that_are_there),
        cmocka_unit_test(test_children_have_room_where_no_other_has),
        cmocka_unit_test(test_what_is_not_what_it_was_stays_as_it_is),
        cmocka_unit_test(test_what_was_refused_is_read_again_and_taken_then),
        cmocka_unit_test(test_what_is_no_object_of_leases_is_refused),
        cmocka_unit_test(test_an_object_has_an_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
