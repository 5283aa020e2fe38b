/* Who a cluster says it is: by the root page of each supported version, by headers alone, and by what is neither. */
#include "tests/support/cmocka.h"

#include "sinks/elasticsearch/product.h"

#include <string.h>

#define ADDRESS "http://es:9200"
#define ELASTIC "X-Elastic-Product: Elasticsearch\r\n"
#define ROOT(version)                                                                                                  \
    "{\n  \"name\" : \"n1\",\n  \"cluster_name\" : \"c\",\n  \"version\" : {" version                                  \
    ",\n    \"build_type\" : \"docker\",\n \"lucene_version\" : \"8.0.0\"\n  },\n  \"tagline\" : \"You Know\"\n}"
#define ES(number) ROOT("\"number\" : \"" number "\",\"build_flavor\" : \"default\"")
#define OS(number) ROOT("\"distribution\" : \"opensearch\",\"number\" : \"" number "\"")

struct answer {
    int status;
    const char *headers, *body, *who, *warning;
    bool again;
};

static void check(const struct answer *a)
{
    const struct http_response re = {.status = a->status, .headers = slice_str(a->headers), .body = slice_str(a->body)};
    struct sink_identity g = {.who = ""};

    assert_int_equal(elasticsearch_product_identified(&re, ADDRESS, &g), !a->again);
    assert_string_equal(g.who, a->who);
    if (a->warning) {
        assert_non_null(strstr(g.warning, a->warning));
        assert_true(g.hint[0] != '\0');
    } else {
        assert_string_equal(g.warning, "");
    }
}

static void each_version_says_who_it_is(void **state)
{
    static const struct answer CASES[] = {
        {200, "", ES("7.10.2"), "Elasticsearch 7.10.2", NULL, false},
        {200, ELASTIC, ES("7.17.29"), "Elasticsearch 7.17.29", NULL, false},
        {200, ELASTIC, ES("8.19.9"), "Elasticsearch 8.19.9", NULL, false},
        {200, ELASTIC, ES("9.0.0"), "Elasticsearch 9.0.0", NULL, false},
        {200, "", OS("1.3.20"), "OpenSearch 1.3.20", NULL, false},
        {200, "", OS("2.19.5"), "OpenSearch 2.19.5", NULL, false},
        {200, "", OS("3.0.0"), "OpenSearch 3.0.0", NULL, false},
        {200, "", ES("6.8.23"), "Elasticsearch 6.8.23", "older than what sluice can talk to (7 to 9)", false},
        {200, ELASTIC, ES("10.0.0"), "Elasticsearch 10.0.0", "newer than what", false},
        {200, "", OS("4.1.0-SNAPSHOT"), "OpenSearch 4.1.0-SNAPSHOT", "newer than what", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        check(&CASES[i]);
}

static void an_answer_without_a_version_tells_the_product(void **state)
{
    static const struct answer CASES[] = {
        {401, "WWW-Authenticate: Basic realm=\"security\" charset=\"UTF-8\"\r\n", "{}", "Elasticsearch", NULL, true},
        {401, "WWW-Authenticate: Basic realm=\"OpenSearch Security\"\r\n", "Unauthorized", "OpenSearch", NULL, true},
        {401, "", "", "", NULL, true},
        {403, ELASTIC, "{}", "Elasticsearch", NULL, false},
        {405, ELASTIC, "{\"error\":\"Incorrect HTTP method\"}", "Elasticsearch", NULL, false},
        {404, "", "not here", "", NULL, false},
        {429, ELASTIC, "", "Elasticsearch", NULL, true},
        {503, "", "", "", NULL, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        check(&CASES[i]);
}

static void what_is_no_root_page_says_nothing(void **state)
{
    static const char *const BODIES[] = {
        "",
        "<html>Welcome to nginx!</html>",
        "[]",
        "{}",
        "{\"version\":\"8.0.0\"}",
        "{\"version\":{\"number\":8}}",
        "{\"version\":{\"number\":\"\"}}",
        "{\"version\":{\"number\":\"latest\"}}",
        "{\"version\":{\"number\":\"8.0.0\"}",
        "{\"version\":{\"number\":\"8.0.0\"}} and more",
        "{\"objects\":0,\"bytes\":0}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++)
        check(&(struct answer){200, "", BODIES[i], "", NULL, false});
}

static void every_cut_of_a_root_page_is_safe(void **state)
{
    static const char PAGE[] = OS("2.19.5");

    (void)state;
    for (size_t n = 0; n < sizeof(PAGE) - 1; n++) {
        const struct http_response re = {.status = 200, .headers = slice_str(""), .body = slice_of(PAGE, n)};
        struct sink_identity g = {.who = ""};

        assert_true(elasticsearch_product_identified(&re, ADDRESS, &g));
        assert_string_equal(g.who, "");
    }
}

static void a_version_that_is_too_long_or_not_clean_is_made_fit(void **state)
{
    const struct http_response re = {
        .status = 200,
        .headers = slice_str(""),
        .body =
            slice_str(ES("8.0.0\\n\x1b[31m0123456789012345678901234567890123456789012345678901234567890123456789"))};
    struct sink_identity g = {.who = ""};

    (void)state;
    (void)elasticsearch_product_identified(&re, ADDRESS, &g);
    for (const char *p = g.who; *p; p++)
        assert_true(*p >= ' ' && *p != 0x7f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_says_who_it_is),
        cmocka_unit_test(an_answer_without_a_version_tells_the_product),
        cmocka_unit_test(what_is_no_root_page_says_nothing),
        cmocka_unit_test(every_cut_of_a_root_page_is_safe),
        cmocka_unit_test(a_version_that_is_too_long_or_not_clean_is_made_fit),
    };

    return cmocka_run_group_tests_name("elasticsearch_product", tests, NULL, NULL);
}
