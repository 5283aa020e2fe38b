/* search_bulk -- bodies and requests as the elasticsearch sink makes them, sent to a real server; the answers as the sink
 * judges them.
 *
 *     search_bulk URL
 *
 * Says what it did line by line, in TAP; exits 1 when the server or the sink did otherwise than said. */
#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>

static int number, failures;
static const char *url;

static void check(bool ok, const char *what, const char *got)
{
    printf("%sok %d - %s%s%s\n", ok ? "" : "not ", ++number, what, ok ? "" : "; got: ", ok ? "" : got);
    failures += !ok;
}

static size_t collect(char *p, size_t size, size_t n, void *ctx)
{
    return buf_add(ctx, p, size * n) < 0 ? 0 : size * n;
}

/* One exchange; headers may be NULL. */
static int talk(const char *method, const char *to, const struct http_request *rq, struct slice body,
                struct buf *headers, struct buf *answer)
{
    CURL *c = curl_easy_init();
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    long status = 0;

    for (size_t i = 0; rq && i < rq->header_count; i++)
        list = curl_slist_append(list, rq->headers[i]);
    if (!rq)
        list = curl_slist_append(list, "Content-Type: application/json");
    curl_easy_setopt(c, CURLOPT_URL, to);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)body.n);
    curl_easy_setopt(c, CURLOPT_COPYPOSTFIELDS, body.p ? body.p : "");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, collect);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, headers);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 60L);
    if (curl_easy_perform(c) == CURLE_OK)
        curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(list);
    curl_easy_cleanup(c);
    return (int)status;
}

/* What an operator would do with curl. The answer's text is static. */
static const char *admin(const char *method, const char *path, const char *body)
{
    static char text[4096];
    struct buf headers, answer;
    char *to = mem_printf("%s%s", url, path);

    buf_init(&headers, 1 << 16);
    buf_init(&answer, 1 << 20);
    (void)talk(method, to, NULL, slice_str(body), &headers, &answer);
    snprintf(text, sizeof(text), "%s", buf_cstr(&answer));
    buf_release(&headers);
    buf_release(&answer);
    mem_free(to);
    return text;
}

#define RECORDS_MAX 4

struct outcome {
    enum sink_outcome whole;
    struct sink_outcomes outcomes;
    unsigned char outcome[RECORDS_MAX];
    char reason[RECORDS_MAX][256];
    struct sink_verdict v;
    char answer[4096];
};

static void refuse(struct sink_outcomes *f, uint64_t index, const char *code, struct slice message)
{
    struct outcome *o = CONTAINER_OF(f, struct outcome, outcomes);

    o->outcome[index] = SINK_REJECTED;
    snprintf(o->reason[index], sizeof(o->reason[index]), "%s %.*s", code, (int)message.n, message.p);
}

static void judge(struct bound_sink *b, const struct sink_seal *seal, struct http_response *re, struct outcome *o)
{
    o->outcomes = (struct sink_outcomes){.outcome = o->outcome, .count = seal->record_count, .refuse = refuse};
    o->v.outcomes = &o->outcomes;
    memset(o->outcome, SINK_SPLIT, sizeof(o->outcome));
    o->whole = b->ops->judge(b->state, seal, re, &o->v);
    for (size_t i = 0; i < seal->record_count && o->whole != SINK_PARTIAL; i++)
        o->outcome[i] = (unsigned char)o->whole;
}

/* Delivers records, numbered from `seq` on. */
static void deliver(const char *options, uint64_t seq, const char *const *records, struct outcome *o)
{
    char *yaml = mem_printf("url: %s\n%s", url, options);
    struct sink_seal seal = {.id = {.first = seq}, .wall_now = clock_wall()};
    struct buf body, headers, answer;
    struct http_response re = {0};
    struct http_request rq;
    struct sink_refusal why;
    struct bound_sink b;
    struct err e = {0};

    *o = (struct outcome){0};
    buf_init(&body, 1 << 20);
    buf_init(&headers, 1 << 16);
    buf_init(&answer, 1 << 20);
    if (bound_sink_open(&b, "elasticsearch", yaml, "/", &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        exit(1);
    }
    for (; records[seal.record_count]; seal.record_count++) {
        const struct sink_record r = {.data = slice_str(records[seal.record_count]),
                                      .seq = seq + seal.record_count,
                                      .arrival = (nsec)1783951509 * NSEC_PER_SEC};

        if (b.ops->record(b.state, &r, seal.record_count == 0, &body, &why) != 1)
            exit(1);
    }
    if (b.ops->request(b.state, &seal, &rq, &e) < 0)
        exit(1);
    re.status = talk(rq.method, rq.url, &rq, buf_slice(&body), &headers, &answer);
    re.headers = buf_slice(&headers);
    re.body = buf_slice(&answer);
    judge(&b, &seal, &re, o);
    snprintf(o->answer, sizeof(o->answer), "%d %s [%s]", re.status, buf_cstr(&answer), o->v.message);
    http_request_release(&rq);
    bound_sink_close(&b);
    buf_release(&body);
    buf_release(&headers);
    buf_release(&answer);
    mem_free(yaml);
}

static bool outcomes_are(const struct outcome *o, const char *want)
{
    static const char LETTERS[] = {
        [SINK_DELIVERED] = 'd', [SINK_PARTIAL] = '?', [SINK_RETRY] = 'r', [SINK_REJECTED] = 'x', [SINK_SPLIT] = 's'};

    for (size_t i = 0; want[i]; i++)
        if (LETTERS[o->outcome[i]] != want[i])
            return false;
    return true;
}

static bool count_is(const char *index, const char *count)
{
    char *path = mem_printf("/%s/_refresh", index), *want = mem_printf("{\"count\":%s,", count);
    bool same;

    (void)admin("POST", path, "");
    mem_free(path);
    path = mem_printf("/%s/_count", index);
    same = strstr(admin("GET", path, ""), want) != NULL;
    mem_free(path);
    mem_free(want);
    return same;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void documents_arrive_once(void)
{
    struct outcome o;

    deliver("index: plain\n", 1, LIST("{\"a\":1}", "{\"a\":\n2}\n"), &o);
    check(outcomes_are(&o, "dd"), "two records are two documents", o.answer);
    deliver("index: plain\n", 1, LIST("{\"a\":1}", "{\"a\":\n2}\n"), &o);
    check(outcomes_are(&o, "dd") && count_is("plain-2026-07-13", "2"), "delivered again they are still two", o.answer);
    deliver("index: plain\nop: create\n", 1, LIST("{\"a\":1}", "{\"a\":2}", "{\"a\":3}"), &o);
    check(outcomes_are(&o, "ddd") && count_is("plain-2026-07-13", "3"),
          "create: what is there already counts as delivered", o.answer);
    deliver("index: plain\nid: server\n", 1, LIST("{\"a\":1}"), &o);
    check(outcomes_are(&o, "d") && count_is("plain-2026-07-13", "4"), "ids of the server's make another document",
          o.answer);
    deliver("index: named\nrotation: none\nid: \"!{record:k}\"\nrouting: \"!{record:k}\"\n", 1,
            LIST("{\"k\":\"a\\\"}}\\n\"}", "{\"k\":7}"), &o);
    check(outcomes_are(&o, "dd") && count_is("named", "2"), "ids out of records", o.answer);
}

static void items_have_their_own_outcomes(void)
{
    struct outcome o;

    (void)admin("PUT", "/typed", "{\"mappings\":{\"properties\":{\"n\":{\"type\":\"long\"}}}}");
    deliver("index: typed\nrotation: none\n", 1, LIST("{\"n\":1}", "{\"n\":\"x\"}", "{\"n\":3}"), &o);
    check(outcomes_are(&o, "dxd"), "a mapping failure does not hold up the others", o.answer);
    check(strstr(o.reason[1], "400 ") && strstr(o.reason[1], "parsing_exception: "), "with the server's reason",
          o.reason[1]);
    (void)admin("PUT", "/strict", "{\"mappings\":{\"dynamic\":\"strict\"}}");
    deliver("index: strict\nrotation: none\n", 1, LIST("{\"n\":1}"), &o);
    check(outcomes_are(&o, "x"), "a field that the mapping forbids", o.answer);
    (void)admin("PUT", "/blocked", "{\"settings\":{\"index.blocks.read_only_allow_delete\":true}}");
    deliver("index: \"!{record:i}\"\nrotation: none\n", 1, LIST("{\"i\":\"typed\"}", "{\"i\":\"blocked\"}"), &o);
    check(outcomes_are(&o, "dr"), "an index of a full disk is tried again, alone", o.answer);
    (void)admin("PUT", "/closed", "{}");
    (void)admin("POST", "/closed/_close", "");
    deliver("index: \"!{record:i}\"\nrotation: none\n", 1, LIST("{\"i\":\"typed\"}", "{\"i\":\"closed\"}"), &o);
    check(outcomes_are(&o, "dr") && o.v.misconfigured && o.v.hint[0], "a closed index is told, not dropped", o.answer);
    deliver("index: typed\nrotation: none\npipeline: nosuch\n", 1, LIST("{\"n\":1}"), &o);
    check(outcomes_are(&o, "r") && o.v.misconfigured, "an ingest pipeline that is not there", o.answer);
}

static void whole_requests(void)
{
    struct outcome o;

    /* Elasticsearch 9 reads bodies bit by bit, which the breaker does not count; others do not know the setting. */
    (void)admin("PUT", "/_cluster/settings", "{\"transient\":{\"rest.incremental_bulk\":false}}");
    (void)admin("PUT", "/_cluster/settings", "{\"transient\":{\"network.breaker.inflight_requests.limit\":\"1b\"}}");
    deliver("index: plain\n", 1, LIST("{\"a\":1}"), &o);
    check(outcomes_are(&o, "r") && strncmp(o.answer, "429", 3) == 0, "429 for the whole request", o.answer);
    (void)admin("PUT", "/_cluster/settings", "{\"transient\":{\"network.breaker.inflight_requests.limit\":null}}");
    (void)admin("PUT", "/_cluster/settings", "{\"transient\":{\"rest.incremental_bulk\":null}}");
    deliver("index: plain\nauth: { basic: { username: u, password: p } }\n", 1, LIST("{\"a\":1}"), &o);
    check(outcomes_are(&o, "d"), "a password nobody asked for does no harm", o.answer);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: search_bulk URL\n");
        return 2;
    }
    url = argv[1];
    curl_global_init(CURL_GLOBAL_DEFAULT);
    documents_arrive_once();
    items_have_their_own_outcomes();
    whole_requests();
    curl_global_cleanup();
    printf("1..%d\n", number);
    return failures > 0;
}
