/* Which paths were somebody's until lately, and for how long that is known. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/http/server/gone.h"

static void the_longest_one_counts_and_each_has_its_time(void **state)
{
    struct http_gone g = {.count = 0};

    (void)state;
    assert_int_equal(http_gone_find(&g, "/a", 1), 0);
    http_gone_add(&g, "/a", 1);
    http_gone_add(&g, "/a/", 2);
    assert_int_equal(http_gone_find(&g, "/a", 3), 2);
    assert_int_equal(http_gone_find(&g, "/a/b", 3), 3);
    assert_int_equal(http_gone_find(&g, "/ab", 3), 0);
    assert_int_equal(http_gone_find(&g, "/a", 1 + HTTP_GONE_TIME), 0);
    assert_int_equal(http_gone_find(&g, "/a/b", 1 + HTTP_GONE_TIME), 3);
    http_gone_add(&g, "/a/", 5); /* its time begins again */
    assert_int_equal(g.count, 2);
    assert_int_equal(http_gone_find(&g, "/a/", 4 + HTTP_GONE_TIME), 3);
    http_gone_add(&g, "/c", 5 + HTTP_GONE_TIME); /* nothing is kept for longer than that */
    assert_int_equal(g.count, 1);
    http_gone_release(&g);
    assert_int_equal(http_gone_find(&g, "/c", 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_one_counts_and_each_has_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
