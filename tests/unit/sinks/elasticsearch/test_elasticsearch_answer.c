/* Answers of clusters and of whatever stands where a cluster should: by table, and broken at every byte. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/mem.h"
#include "sinks/answer/clean.h"
#include "sinks/elasticsearch/answer.h"

#include <stdio.h>
#include <string.h>

#define OK1      "{\"index\":{\"status\":201}}"
#define OK2      "{\"create\":{\"status\":201}}"
#define OK3      "{\"index\":{\"status\":200}}"
#define ITEMS(s) "{\"errors\":false,\"items\":[" s "]}"
#define MIXED(s) "{\"took\":3,\"errors\":true,\"items\":[" s "]}"
#define ERR(status, type, reason)                                                                                      \
    "{\"index\":{\"_id\":\"1\",\"status\":" #status ",\"error\":{\"type\":\"" type "\",\"reason\":\"" reason "\"}}}"

struct outcome_rig {
    struct sink_outcomes outcomes;
    unsigned char outcome[8];
    char code[8][16], message[8][256];
};

static void refuse(struct sink_outcomes *f, uint64_t index, const char *code, struct slice message)
{
    struct outcome_rig *rig = CONTAINER_OF(f, struct outcome_rig, outcomes);

    assert_true(index < f->count);
    f->outcome[index] = SINK_REJECTED;
    snprintf(rig->code[index], sizeof(rig->code[index]), "%s", code);
    snprintf(rig->message[index], sizeof(rig->message[index]), "%.*s", (int)message.n, message.p);
}

static void rig_init(struct outcome_rig *rig, uint64_t count)
{
    *rig = (struct outcome_rig){.outcomes = {.count = count, .refuse = refuse}};
    rig->outcomes.outcome = rig->outcome;
    memset(rig->outcome, 0xee, sizeof(rig->outcome));
}

static enum sink_outcome judge(struct slice body, int status, uint64_t sent, bool create, struct outcome_rig *rig,
                               struct sink_verdict *v)
{
    const struct elasticsearch_context c = {.address = "http://es:9200", .sent = sent, .create = create};
    const struct http_response re = {.status = status, .body = body};
    enum sink_outcome got;

    rig_init(rig, sent);
    *v = (struct sink_verdict){.outcomes = &rig->outcomes};
    got = elasticsearch_answer_judge(&c, &re, v);
    answer_finish(v, &(struct answer_sent){.request = NULL});
    return got;
}

static void each_item_has_its_outcome(void **state)
{
    static const struct {
        const char *item;
        bool create;
        enum sink_outcome want;
        bool misconfigured;
    } CASES[] = {
        {OK1, false, SINK_DELIVERED, false},
        {OK2, true, SINK_DELIVERED, false},
        {OK3, false, SINK_DELIVERED, false},
        {"{\"index\":{\"_index\":\"a\",\"status\":201,\"_shards\":{\"failed\":0}}}", false, SINK_DELIVERED, false},
        {ERR(400, "mapper_parsing_exception", "r"), false, SINK_REJECTED, false},
        {ERR(400, "document_parsing_exception", "r"), false, SINK_REJECTED, false},
        {ERR(400, "strict_dynamic_mapping_exception", "r"), false, SINK_REJECTED, false},
        {ERR(400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"), false, SINK_REJECTED,
         false},
        {ERR(400, "illegal_argument_exception", "pipeline with id [x] does not exist"), false, SINK_RETRY, true},
        {ERR(400, "index_closed_exception", "closed"), false, SINK_RETRY, true},
        {ERR(429, "es_rejected_execution_exception", "r"), false, SINK_RETRY, false},
        {ERR(429, "cluster_block_exception", "r"), false, SINK_RETRY, true},
        {ERR(503, "unavailable_shards_exception", "r"), false, SINK_RETRY, false},
        {ERR(500, "x", "r"), false, SINK_RETRY, false},
        {ERR(403, "security_exception", "r"), false, SINK_RETRY, true},
        {ERR(403, "cluster_block_exception", "r"), false, SINK_RETRY, true},
        {ERR(404, "index_not_found_exception", "r"), false, SINK_RETRY, true},
        {ERR(409, "version_conflict_engine_exception", "r"), true, SINK_DELIVERED, false},
        {ERR(409, "version_conflict_engine_exception", "r"), false, SINK_RETRY, false},
        {ERR(409, "another", "r"), true, SINK_RETRY, false},
        {ERR(413, "too_large", "r"), false, SINK_REJECTED, false},
        {ERR(302, "odd", "r"), false, SINK_RETRY, false},
    };
    char body[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct outcome_rig rig;
        struct sink_verdict v;
        enum sink_outcome got;

        /* Next to one that is refused, so that the answer is mixed whatever this one's outcome. */
        snprintf(body, sizeof(body), MIXED("%s,%s"), CASES[i].item, ERR(400, "other", "why"));
        got = judge(slice_str(body), 200, 2, CASES[i].create, &rig, &v);
        if (got != SINK_PARTIAL || rig.outcome[0] != CASES[i].want || rig.outcome[1] != SINK_REJECTED)
            fail_msg("%s: %d, item %d", CASES[i].item, (int)got, rig.outcome[0]);
        if (v.misconfigured != CASES[i].misconfigured)
            fail_msg("%s: misconfigured %d", CASES[i].item, v.misconfigured);
        assert_string_equal(rig.code[1], "400");
        assert_string_equal(rig.message[1], "other: why");
    }
}

static void all_well_is_delivered(void **state)
{
    static const char *const BODIES[] = {
        ITEMS(OK1 "," OK1 "," OK1),
        ITEMS(OK1 "," OK2 "," OK3),
        "{\"took\":5,\"errors\":false,\"items\":[" OK1 "," OK1 "," OK1 "]}",
        " { \"items\" : [ " OK1 " , " OK1 "," OK1 " ] , \"errors\" : false } ",
    };
    struct outcome_rig rig;
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++)
        assert_int_equal(judge(slice_str(BODIES[i]), 200, 3, false, &rig, &v), SINK_DELIVERED);
}

static void the_reason_and_its_cause_are_kept_for_the_backup(void **state)
{
    const char *body =
        MIXED(OK1 ",{\"index\":{\"status\":400,\"error\":{\"type\":\"mapper_parsing_exception\",\"reason\":"
                  "\"failed to \\\"parse\\\"\",\"caused_by\":{\"reason\":\"no number\"}}}}");
    struct outcome_rig rig;
    struct sink_verdict v;

    (void)state;
    assert_int_equal(judge(slice_str(body), 200, 2, false, &rig, &v), SINK_PARTIAL);
    assert_int_equal(rig.outcome[0], SINK_DELIVERED);
    assert_string_equal(rig.message[1], "mapper_parsing_exception: failed to \"parse\" (no number)");
    /* What an operator reads has no piece of a record. */
    assert_string_equal(
        v.message, "2 documents sent to http://es:9200, 1 refused (400 mapper_parsing_exception): failed to \"...\"");
    assert_string_equal(v.code, "400");
}

/* Of several reasons to send again, the one that somebody has to mend; in the server's words, which name the index, but quote no
 * record. */
static void what_is_to_be_mended_is_told_in_the_servers_words(void **state)
{
    static const struct {
        const char *item, *code, *says;
    } CASES[] = {
        {ERR(403, "cluster_block_exception", "index [logs] blocked\\n"), "403",
         "2 to be sent again (403 cluster_block_exception): index [logs] blocked"},
        {ERR(404, "index_not_found_exception", "no such index [logs]"), "404", "no such index [logs]"},
        {ERR(403, "security_exception", "user [u]"), "403", "(403 security_exception): user [u]"},
        {ERR(400, "index_closed_exception", "closed, 'SECRET'"), "400", "(400 index_closed_exception): closed, '...'"},
        {ERR(503, "unavailable_shards_exception", "[SECRET]"), "429",
         "(429 es_rejected_execution_exception): queue full, \"...\""},
    };
    char body[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct outcome_rig rig;
        struct sink_verdict v;

        snprintf(body, sizeof(body), MIXED("%s,%s"),
                 ERR(429, "es_rejected_execution_exception", "queue full, \\\"SECRET\\\""), CASES[i].item);
        assert_int_equal(judge(slice_str(body), 200, 2, false, &rig, &v), SINK_RETRY);
        if (!strstr(v.message, CASES[i].says) || strcmp(v.code, CASES[i].code) != 0 || strstr(v.message, "SECRET"))
            fail_msg("%s: says `%s`, %s", CASES[i].item, v.message, v.code);
        assert_int_equal(v.hint[0] != '\0', v.misconfigured);
    }
}

static void answers_that_cannot_be_trusted_are_tried_again(void **state)
{
    static const char *const BODIES[] = {
        "",
        "x",
        "{}",
        "[]",
        "null",
        "{\"errors\":false}",
        "{\"errors\":false,\"items\":{}}",
        ITEMS(""),
        ITEMS(OK1),
        ITEMS(OK1 "," OK1 "," OK1),
        ITEMS(OK1 "," OK1) "x",
        ITEMS(OK1 "," OK1 ","),
        ITEMS(OK1 ",{}"),
        ITEMS(OK1 ",{\"index\":{}}"),
        ITEMS(OK1 ",{\"index\":{\"status\":\"201\"}}"),
        ITEMS(OK1 ",{\"index\":{\"status\":2010}}"),
        ITEMS(OK1 ",{\"index\":{\"status\":20.1}}"),
        ITEMS(OK1 ",{\"index\":{\"status\":-20}}"),
        ITEMS(OK1 ",{\"index\":{\"status\":201,\"status\":201}}"),
        ITEMS(OK1 ",{\"index\":{\"status\":201},\"index\":{\"status\":201}}"),
        ITEMS(OK1 ",null"),
        ITEMS(OK1 "," OK1 "]"),
        "{\"items\":[" OK1 "," OK1 "],\"items\":[]}",
        "{\"items\":[" OK1 "," ERR(400, "a", "b") "],\"x\":tru}",
    };
    struct outcome_rig rig;
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++) {
        if (judge(slice_str(BODIES[i]), 200, 2, false, &rig, &v) != SINK_RETRY)
            fail_msg("believed: %s", BODIES[i]);
        assert_string_equal(v.code, "InvalidAnswer");
        assert_int_equal(rig.code[1][0], 0); /* and no outcome was written */
    }
}

/* A copy without a byte behind it, so that reading beyond is noticed. */
static enum sink_outcome judge_exact(const char *body, size_t n, struct outcome_rig *rig, struct sink_verdict *v)
{
    char *copy = mem_strndup(body, n), *exact = n ? memcpy(mem_array(n, 1), copy, n) : NULL;
    enum sink_outcome got = judge(slice_of(exact, n), 200, 2, true, rig, v);

    mem_free(copy);
    mem_free(exact);
    return got;
}

static void answers_cut_off_at_any_byte_are_tried_again(void **state)
{
    static const char *const BODIES[] = {ITEMS(OK2 "," OK2), MIXED(OK1 "," ERR(400, "a", "b\\u0041")),
                                         MIXED(ERR(409, "version_conflict_engine_exception", "b") "," OK2)};
    struct outcome_rig rig;
    struct sink_verdict v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BODIES); i++) {
        assert_int_not_equal(judge_exact(BODIES[i], strlen(BODIES[i]), &rig, &v), SINK_RETRY);
        for (size_t n = 0; n < strlen(BODIES[i]); n++)
            assert_int_equal(judge_exact(BODIES[i], n, &rig, &v), SINK_RETRY);
    }
}

/* No other byte anywhere makes the reader stumble, or a refused document a delivered one. */
static void answers_with_any_byte_changed_do_no_harm(void **state)
{
    const char *body = MIXED(OK1 "," ERR(400, "a", "b"));
    size_t n = strlen(body);
    char *copy = mem_strndup(body, n);

    (void)state;
    for (size_t at = 0; at < n; at++)
        for (int c = 0; c < 256; c += 1) {
            struct outcome_rig rig;
            struct sink_verdict v;
            char was = copy[at];

            copy[at] = (char)c;
            if (judge_exact(copy, n, &rig, &v) == SINK_DELIVERED && copy[at] >= '0' && copy[at] <= '9')
                assert_true(was == '4'); /* 200: says so in so many words */
            copy[at] = was;
        }
    mem_free(copy);
}

static void an_answer_larger_than_sense_is_not_read(void **state)
{
    const struct elasticsearch_context c = {.address = "http://es:9200", .sent = 1};
    const struct http_response re = {.status = 200, .body = slice_str(ITEMS(OK1)), .body_truncated = true};
    struct sink_verdict v = {0};

    (void)state;
    assert_int_equal(elasticsearch_answer_judge(&c, &re, &v), SINK_RETRY);
    assert_string_equal(v.code, "InvalidAnswer");
}

static void without_outcomes_a_mixed_answer_is_tried_again_whole(void **state)
{
    const struct elasticsearch_context c = {.address = "http://es:9200", .sent = 2};
    const struct http_response re = {.status = 200, .body = slice_str(MIXED(OK1 "," ERR(400, "a", "b")))};
    struct sink_verdict v = {0};

    (void)state;
    assert_int_equal(elasticsearch_answer_judge(&c, &re, &v), SINK_RETRY);
}

static void whole_requests_by_status(void **state)
{
    static const struct {
        int status;
        const char *headers, *body;
        enum sink_outcome want;
        bool misconfigured;
        const char *says;
    } CASES[] = {
        {401, "WWW-Authenticate: Basic realm=\"security\" charset=\"UTF-8\"\r\n",
         "{\"error\":{\"type\":\"security_exception\",\"reason\":\"missing credentials\"},\"status\":401}", SINK_RETRY,
         true,
         "Elasticsearch at http://es:9200 does not accept the credentials (status 401): security_exception: missing "
         "credentials"},
        {401, "WWW-Authenticate: Basic realm=\"OpenSearch Security\"\r\n", "Unauthorized", SINK_RETRY, true,
         "OpenSearch at"},
        {401, "", "", SINK_RETRY, true, "the server at"},
        {403, "X-Elastic-Product: Elasticsearch\r\n", "", SINK_RETRY, true, "Elasticsearch at"},
        {403, "", "{\"message\":\"The security token included in the request is expired\"}", SINK_RETRY, true,
         "the keys that requests are signed with have expired, says http://es:9200 (status 403): The security token"},
        {429, "Retry-After: 7\r\n", "{\"message\":\"The security token included in the request is expired\"}",
         SINK_RETRY, false, "slow down"},
        {400, "", "{\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"line [SECRET]\"}}", SINK_RETRY,
         false, "illegal_argument_exception: line [...]"},
        {400, "", "{\"error\":{\"type\":\"invalid_index_name_exception\",\"reason\":\"must be lowercase\"}}",
         SINK_RETRY, true, "does not take this name (status 400): invalid_index_name_exception: must be lowercase"},
        {400, "", "<html><title>400 The plain HTTP request was sent to HTTPS port</title>", SINK_RETRY, true,
         "wants https://"},
        {400, "", "", SINK_RETRY, false, "refused the whole request"},
        {402, "", "", SINK_RETRY, true, "paid"},
        {405, "", "", SINK_RETRY, true, "no _bulk"},
        {407, "", "", SINK_RETRY, true, "proxy"},
        {409, "", "", SINK_RETRY, false, "refused"},
        {410, "", "", SINK_RETRY, true, "any more"},
        {411, "", "", SINK_RETRY, false, "refused"},
        {414, "", "", SINK_RETRY, true, "address"},
        {415, "", "", SINK_RETRY, true, "x-ndjson"},
        {422, "", "", SINK_RETRY, false, "refused"},
        {431, "", "", SINK_RETRY, true, "headers"},
        {451, "", "", SINK_RETRY, true, "law"},
        {404, "", "", SINK_RETRY, true, "no _bulk"},
        {406, "", "", SINK_RETRY, true, "x-ndjson"},
        {413, "", "", SINK_SPLIT, false, "larger than"},
        {429, "Retry-After: 7\r\n", "", SINK_RETRY, false, "slow down"},
        {500, "", "", SINK_RETRY, false, "failed"},
        {502, "", "<html>", SINK_RETRY, false, "not available"},
        {503, "", "", SINK_RETRY, false, "not available"},
        {302, "Location: http://x/\r\n", "", SINK_RETRY, true, "redirects to http://x/"},
        {201, "", "", SINK_RETRY, true, "answered 201"},
        {0, "", "", SINK_RETRY, true, "answered 0"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct elasticsearch_context c = {.address = "http://es:9200", .sent = 1};
        const struct http_response re = {
            .status = CASES[i].status, .headers = slice_str(CASES[i].headers), .body = slice_str(CASES[i].body)};
        struct sink_verdict v = {0};

        assert_int_equal(elasticsearch_answer_judge(&c, &re, &v), CASES[i].want);
        answer_finish(&v, &(struct answer_sent){.request = NULL});
        if (v.misconfigured != CASES[i].misconfigured || !strstr(v.message, CASES[i].says))
            fail_msg("%d: says `%s`", CASES[i].status, v.message);
        assert_null(strstr(v.message, "SECRET"));
        assert_int_equal(v.retry_after, CASES[i].status == 429 ? 7 * NSEC_PER_SEC : 0);
    }
}

static void failures_below_http_are_tried_again(void **state)
{
    (void)state;
    for (int f = HTTP_DNS; f <= HTTP_LOCAL; f++) {
        const struct elasticsearch_context c = {.address = "http://es:9200", .sent = 1};
        const struct http_response re = {.failure = (enum http_failure)f, .failure_text = "text"};
        struct sink_verdict v = {0};

        assert_int_equal(elasticsearch_answer_judge(&c, &re, &v), SINK_RETRY);
        assert_non_null(strstr(v.message, "text"));
        assert_int_equal(v.misconfigured, f == HTTP_DNS || f == HTTP_TLS || f == HTTP_PROXY_REFUSES);
        assert_int_equal(elasticsearch_answer_node_failed(&re), f != HTTP_LOCAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_has_its_outcome),
        cmocka_unit_test(all_well_is_delivered),
        cmocka_unit_test(the_reason_and_its_cause_are_kept_for_the_backup),
        cmocka_unit_test(what_is_to_be_mended_is_told_in_the_servers_words),
        cmocka_unit_test(answers_that_cannot_be_trusted_are_tried_again),
        cmocka_unit_test(answers_cut_off_at_any_byte_are_tried_again),
        cmocka_unit_test(answers_with_any_byte_changed_do_no_harm),
        cmocka_unit_test(an_answer_larger_than_sense_is_not_read),
        cmocka_unit_test(without_outcomes_a_mixed_answer_is_tried_again_whole),
        cmocka_unit_test(whole_requests_by_status),
        cmocka_unit_test(failures_below_http_are_tried_again),
    };

    return cmocka_run_group_tests_name("elasticsearch_answer", tests, NULL, NULL);
}
