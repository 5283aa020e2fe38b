/* Who answers is told by headers, which every answer has (for messages), and by `GET /` (for the log and the console). Nothing depends on
 * it: requests are the same for all. */
#include "sinks/elasticsearch/product.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "sinks/answer/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_MAX 40

enum elasticsearch_product elasticsearch_product_of(const struct http_response *re)
{
    struct slice realm = http_response_header(re, "WWW-Authenticate");

    if (http_response_header(re, "X-Elastic-Product").n > 0)
        return PRODUCT_ELASTICSEARCH;
    if (realm.n > 0 && memmem(realm.p, realm.n, "OpenSearch", 10))
        return PRODUCT_OPENSEARCH;
    if (realm.n > 0 && memmem(realm.p, realm.n, "realm=\"security\"", 16))
        return PRODUCT_ELASTICSEARCH; /* whose 401 lacks the header */
    /* Every answer of Elasticsearch since 7.14 has it. */
    return re->status == 200 ? PRODUCT_OPENSEARCH : PRODUCT_UNKNOWN;
}

const char *elasticsearch_product_name(enum elasticsearch_product p)
{
    static const char *const NAMES[] = {[PRODUCT_UNKNOWN] = "the server",
                                        [PRODUCT_ELASTICSEARCH] = "Elasticsearch",
                                        [PRODUCT_OPENSEARCH] = "OpenSearch"};

    return NAMES[p];
}

/* {"version":{"number":"2.19.5","distribution":"opensearch",...},...}; Elasticsearch names no distribution. */
struct version {
    char number[VERSION_MAX];
    bool opensearch;
};

static void read_members(struct json_reader *r, struct version *v)
{
    struct json_string key, s;

    while (json_member(r, &key)) {
        bool is_number = json_string_is(key, "number"), is_distribution = json_string_is(key, "distribution");

        if ((!is_number && !is_distribution) || json_peek(r) != JSON_STRING) {
            (void)json_skip(r);
        } else if (json_string(r, &s)) {
            if (is_number)
                answer_plain(s.raw, v->number, sizeof(v->number));
            else
                v->opensearch = json_string_is(s, "opensearch");
        }
    }
}

static bool read_version(struct slice body, struct version *v)
{
    struct json_reader r;
    struct json_string key;

    *v = (struct version){.opensearch = false};
    json_open(&r, body, ELASTICSEARCH_IDENTIFY_DEPTH_MAX);
    if (json_peek(&r) != JSON_OBJECT || !json_enter(&r))
        return false;
    while (json_member(&r, &key)) {
        if (json_string_is(key, "version") && json_peek(&r) == JSON_OBJECT && json_enter(&r))
            read_members(&r, v);
        else
            (void)json_skip(&r);
    }
    return json_end(&r) && isdigit((unsigned char)v->number[0]);
}

/* What this sink was made for and is tried with. */
static const struct {
    int oldest, newest;
} SUPPORTED[] = {[PRODUCT_ELASTICSEARCH] = {7, 9}, [PRODUCT_OPENSEARCH] = {1, 3}};

bool elasticsearch_product_identified(const struct http_response *re, const char *address, struct sink_identity *g)
{
    enum elasticsearch_product p = elasticsearch_product_of(re);
    struct version v;
    bool older, newer;

    if (re->status == 200 && read_version(re->body, &v)) {
        p = v.opensearch ? PRODUCT_OPENSEARCH : PRODUCT_ELASTICSEARCH;
        snprintf(g->who, sizeof(g->who), "%s %s", elasticsearch_product_name(p), v.number);
        older = strtol(v.number, NULL, 10) < SUPPORTED[p].oldest;
        newer = strtol(v.number, NULL, 10) > SUPPORTED[p].newest;
        if (older || newer) {
            snprintf(g->warning, sizeof(g->warning), "%s at %s is %s (%d to %d)", g->who, address,
                     older ? "older than what sluice can talk to" : "newer than what this sluice was made for",
                     SUPPORTED[p].oldest, SUPPORTED[p].newest);
            snprintf(g->hint, sizeof(g->hint), "%s",
                     older ? "upgrade the cluster" : "look for a newer sluice should documents be refused");
        }
        return true;
    }
    if (re->status != 200 && p != PRODUCT_UNKNOWN)
        snprintf(g->who, sizeof(g->who), "%s", elasticsearch_product_name(p));
    return re->status != 401 && re->status != 429 && re->status < 500;
}
