/* What agents ask for before they send, and where they send it. */
#include "tests/support/cmocka.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/elasticsearch_bulk/paths.h"

#include <string.h>

static void a_path_is_what_agents_mean_by_it(void **state)
{
    static const struct {
        const char *method, *path;
        enum bulk_path is;
        const char *index;
    } cases[] = {
        {"POST", "/_bulk", BULK_PATH_BULK, ""},
        {"PUT", "/_bulk", BULK_PATH_BULK, ""},
        {"POST", "/_bulk/", BULK_PATH_BULK, ""}, /* Fluent Bit */
        {"POST", "/logs/_bulk", BULK_PATH_BULK, "logs"},
        {"POST", "/logs/_doc/_bulk", BULK_PATH_BULK, "logs"},
        {"POST", "/a/b/c/_bulk", BULK_PATH_NONE, ""},
        {"POST", "/_bulk/x", BULK_PATH_NONE, ""},
        {"GET", "/_bulk", BULK_PATH_NONE, ""},
        {"GET", "", BULK_PATH_ROOT, ""},
        {"GET", "/", BULK_PATH_ROOT, ""},
        {"HEAD", "/", BULK_PATH_ROOT, ""},
        {"POST", "/", BULK_PATH_NONE, ""},
        {"GET", "/_license", BULK_PATH_LICENSE, ""},
        {"GET", "/_xpack/license", BULK_PATH_LICENSE, ""},
        {"GET", "/_xpack", BULK_PATH_XPACK, ""},
        {"GET", "/_cluster/health", BULK_PATH_HEALTH, ""},
        {"GET", "/_cluster/health/logs", BULK_PATH_HEALTH, ""},
        {"GET", "/_cluster/settings", BULK_PATH_THERE, ""},
        {"GET", "/_nodes/_all/http", BULK_PATH_NODES, ""},
        {"HEAD", "/_index_template/filebeat-8.17.0", BULK_PATH_THERE, ""},
        {"PUT", "/_index_template/filebeat-8.17.0", BULK_PATH_TAKEN, ""},
        {"PUT", "/_template/telegraf", BULK_PATH_TAKEN, ""},
        {"GET", "/_ilm/policy/filebeat", BULK_PATH_THERE, ""},
        {"PUT", "/_ilm/policy/filebeat", BULK_PATH_TAKEN, ""},
        {"PUT", "/_plugins/_ism/policies/p", BULK_PATH_TAKEN, ""},
        {"PUT", "/_data_stream/filebeat-8.17.0", BULK_PATH_TAKEN, ""},
        {"HEAD", "/_alias/filebeat", BULK_PATH_THERE, ""},
        {"PUT", "/_ingest/pipeline/p", BULK_PATH_TAKEN, ""},
        {"POST", "/_aliases", BULK_PATH_TAKEN, ""},
        {"POST", "/logs/_refresh", BULK_PATH_TAKEN, ""},
        {"PUT", "/<logs-{now/d}-000001>", BULK_PATH_TAKEN, ""}, /* one with a date in it; %2F is undone */
        {"PUT", "/logs-000001", BULK_PATH_TAKEN, ""},
        {"HEAD", "/logs", BULK_PATH_THERE, ""},
        {"POST", "/logs", BULK_PATH_NONE, ""},
        {"POST", "/logs/_doc", BULK_PATH_NONE, ""},
        {"POST", "/logs/_search", BULK_PATH_NONE, ""},
        {"GET", "/_search", BULK_PATH_NONE, ""},
        {"PATCH", "/_template/x", BULK_PATH_NONE, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice index;
        enum bulk_path is = bulk_path_of(cases[i].method, cases[i].path, &index);

        if (is != cases[i].is || !slice_is(index, cases[i].index))
            fail_msg("%s %s: %d, index %.*s", cases[i].method, cases[i].path, (int)is, (int)index.n, index.p);
    }
}

static void each_answer_is_json(void **state)
{
    (void)state;
    for (int what = BULK_PATH_ROOT; what <= BULK_PATH_TAKEN; what++) {
        struct buf out;

        buf_init(&out, PUSH_SHORT_MAX);
        assert_int_equal(bulk_path_reply((enum bulk_path)what, "8.17.0", &out), 0);
        assert_true(json_valid(buf_slice(&out), PUSH_JSON_DEPTH));
        assert_int_equal(what == BULK_PATH_ROOT, strstr(buf_cstr(&out), "\"number\":\"8.17.0\"") != NULL);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_what_agents_mean_by_it),
        cmocka_unit_test(each_answer_is_json),
    };

    return cmocka_run_group_tests_name("bulk_paths", tests, NULL, NULL);
}
