/* s3_put -- requests as the S3 sink makes them, sent to a real server; the answers as the sink judges them.
 *
 *     s3_put ENVFILE     the file that `s3_NAME.sh start` wrote
 *
 * Says what it did line by line, in TAP; exits 1 when the server or the sink did otherwise than said. */
#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/body.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <string.h>

#define ENV_MAX  32
#define UNSIGNED "payload_hash: unsigned\n"

static int number, failures;

static void check(bool ok, const char *what, const char *got)
{
    printf("%sok %d - %s%s%s\n", ok ? "" : "not ", ++number, what, ok ? "" : "; got: ", ok ? "" : got);
    failures += !ok;
}

/* NAME=value lines into the environment. */
static bool load_env(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[512];

    if (!f)
        return false;
    while (fgets(line, sizeof(line), f)) {
        char *eq = strchr(line, '=');

        line[strcspn(line, "\n")] = '\0';
        if (eq) {
            *eq = '\0';
            setenv(line, eq + 1, 1);
        }
    }
    fclose(f);
    return true;
}

/* One attempt: what the sink would be given, and what is done to it on the way. */
struct attempt {
    const char *extra; /* YAML lines that come last */
    const char *bucket, *region, *id, *secret;
    const char *key;
    struct slice content;
    nsec clock_error;
    bool corrupt_hash, corrupt_crc;
};

static size_t collect(char *p, size_t size, size_t n, void *ctx)
{
    struct buf *b = ctx;

    return buf_add(b, p, size * n) < 0 ? 0 : size * n;
}

struct upload {
    struct slice rest;
};

static size_t give(char *p, size_t size, size_t n, void *ctx)
{
    struct upload *u = ctx;
    size_t k = size * n < u->rest.n ? size * n : u->rest.n;

    if (k)
        memcpy(p, u->rest.p, k);
    u->rest = slice_of(u->rest.p + k, u->rest.n - k);
    return k;
}

static void put(const struct http_request *rq, struct slice content, struct http_response *re, struct buf *headers,
                struct buf *body)
{
    CURL *c = curl_easy_init();
    struct curl_slist *list = NULL;
    struct upload u = {content};
    long status = 0;
    CURLcode rc;

    for (size_t i = 0; i < rq->header_count; i++)
        list = curl_slist_append(list, rq->headers[i]);
    curl_easy_setopt(c, CURLOPT_URL, rq->url);
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)content.n);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(c, CURLOPT_READDATA, &u);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, collect);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 30L);
    rc = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    re->failure = rc == CURLE_OK ? HTTP_OK : HTTP_CONNECT;
    re->failure_text = curl_easy_strerror(rc);
    re->status = (int)status;
    re->headers = buf_slice(headers);
    re->body = buf_slice(body);
    re->wall_now = clock_wall();
    curl_slist_free_all(list);
    curl_easy_cleanup(c);
}

static const char *either(const char *given, const char *env)
{
    return given ? given : getenv(env);
}

static enum sink_outcome attempt(const struct attempt *a, struct sink_verdict *v)
{
    struct bound_sink b;
    struct http_request rq;
    struct http_response re = {0};
    struct buf headers, body_text;
    struct sink_seal seal = {
        .id = {.first = 1, .last = 2}, .content_type = "application/octet-stream", .record_count = 2};
    struct err e = {0};
    struct body *body = body_new("/tmp", BODY_MEMORY_MAX);
    enum sink_outcome outcome = SINK_RETRY;
    char *yaml = mem_printf("endpoint: %s\nbucket: %s\nregion: %s\naccess_key_id: %s\nsecret_access_key: %s\n%s",
                            getenv("S3_ENDPOINT"), either(a->bucket, "S3_BUCKET"), either(a->region, "S3_REGION"),
                            either(a->id, "S3_ACCESS_KEY_ID"), either(a->secret, "S3_SECRET_ACCESS_KEY"),
                            a->extra ? a->extra : "");

    buf_init(&headers, 64 * 1024);
    buf_init(&body_text, 64 * 1024);
    seal.name = slice_str(a->key);
    seal.body = body;
    seal.wall_now = clock_wall() + a->clock_error;
    seal.digest.crc32c = crc32c(0, a->content) ^ (a->corrupt_crc ? 1 : 0);
    sha256_of(a->content, seal.digest.sha256);
    seal.digest.sha256[0] = (unsigned char)(seal.digest.sha256[0] ^ (a->corrupt_hash ? 1 : 0));
    seal.digest.crc64nvme = crc64nvme(0, a->content);
    *v = (struct sink_verdict){0};
    if (!md5_of(a->content, seal.digest.md5))
        return SINK_RETRY;
    if (body_add(body, a->content, &e) < 0 || bound_sink_open(&b, "s3", yaml, "/tmp", &e) < 0 ||
        !(seal.digest.made = b.ops->digests_of(b.state)) || b.ops->request(b.state, &seal, &rq, &e) < 0) {
        snprintf(v->message, sizeof(v->message), "%s", e.msg);
    } else {
        put(&rq, a->content, &re, &headers, &body_text);
        re.wall_now += a->clock_error; /* as a machine whose clock is wrong would see it */
        outcome = b.ops->judge(b.state, &seal, &re, v);
        http_request_release(&rq);
        bound_sink_close(&b);
    }
    mem_free(yaml);
    buf_release(&headers);
    buf_release(&body_text);
    body_free(&body);
    return outcome;
}

static void delivered(const char *what, const struct attempt *a)
{
    struct sink_verdict v;
    bool ok = attempt(a, &v) == SINK_DELIVERED;

    check(ok, what, v.message);
}

static void refused(const char *what, const struct attempt *a, const char *code, bool misconfigured)
{
    struct sink_verdict v;
    bool ok = attempt(a, &v) == SINK_RETRY && (!code || strcmp(v.code, code) == 0) && v.misconfigured == misconfigured;

    check(ok, what, v.code);
    printf("#   %s%s%s\n", v.message, v.hint[0] ? " -> " : "", v.hint);
}

static void good_puts(void)
{
    char *large = mem_alloc(3 * 1024 * 1024);

    memset(large, 'x', 3 * 1024 * 1024);
    delivered("an object is stored", &(struct attempt){.key = "put/plain", .content = SLICE("hello\n")});
    delivered("an empty object is stored", &(struct attempt){.key = "put/empty", .content = SLICE("")});
    delivered("3 MiB are stored", &(struct attempt){.key = "put/large", .content = slice_of(large, 3 * 1024 * 1024)});
    delivered("a key with every kind of special character",
              &(struct attempt){.key = "put/ a+b&c=d%20e?f#g;h,i:j@k$l!m'n(o)*p~q_r-s.t[u]{v}|w^x`y\"z<1>2/\xc3\xbc/"
                                       "\xe6\x97\xa5\xe6\x9c\xac",
                                .content = SLICE("special\n")});
    delivered("storage class, tags and encryption",
              &(struct attempt){.key = "put/options",
                                .content = SLICE("o\n"),
                                .extra = "storage_class: STANDARD\ntagging: team=logs&env=test\n"});
    delivered("the same object again", &(struct attempt){.key = "put/plain", .content = SLICE("hello\n")});
    delivered("an object whose bytes the signature does not cover",
              &(struct attempt){.key = "put/unsigned", .content = SLICE("hello\n"), .extra = UNSIGNED});
    mem_free(large);
}

static void refused_puts(void)
{
    const struct slice text = SLICE("hello\n");

    refused("wrong secret", &(struct attempt){.key = "x", .content = text, .secret = "wrong"}, "SignatureDoesNotMatch",
            true);
    refused("unknown key", &(struct attempt){.key = "x", .content = text, .id = "NOBODY"}, NULL, true);
    refused("missing bucket", &(struct attempt){.key = "x", .content = text, .bucket = "no-such-bucket"},
            "NoSuchBucket", true);
    /* The next attempt is signed with the time there, or for the region there. */
    refused("clock an hour ahead", &(struct attempt){.key = "x", .content = text, .clock_error = 3600 * NSEC_PER_SEC},
            "RequestTimeTooSkewed", false);
    refused("clock an hour behind", &(struct attempt){.key = "x", .content = text, .clock_error = -3600 * NSEC_PER_SEC},
            "RequestTimeTooSkewed", false);
    refused("bytes that are not those of the CRC-32C",
            &(struct attempt){.key = "x", .content = text, .corrupt_crc = true}, "BadDigest", false);
    refused("without a payload hash, bytes that are not those of the CRC-32C",
            &(struct attempt){.key = "x", .content = text, .corrupt_crc = true, .extra = UNSIGNED}, "BadDigest", false);
    if (getenv("S3_RO_ACCESS_KEY_ID"))
        refused("a key that may only read",
                &(struct attempt){.key = "x",
                                  .content = text,
                                  .id = getenv("S3_RO_ACCESS_KEY_ID"),
                                  .secret = getenv("S3_RO_SECRET_ACCESS_KEY")},
                "AccessDenied", true);
}

static void refused_by_strict_servers(void)
{
    const struct slice text = SLICE("hello\n");

    refused("wrong region", &(struct attempt){.key = "x", .content = text, .region = "eu-central-1"},
            "AuthorizationHeaderMalformed", false);
    refused("bytes that are not those of the payload hash",
            &(struct attempt){.key = "x", .content = text, .corrupt_hash = true}, "XAmzContentSHA256Mismatch", false);
    refused("another bucket owner than expected",
            &(struct attempt){.key = "x", .content = text, .extra = "expected_bucket_owner: \"123456789012\"\n"},
            "AccessDenied", true);
}

int main(int argc, char **argv)
{
    if (argc != 2 || !load_env(argv[1])) {
        fprintf(stderr, "usage: s3_put ENVFILE\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_ALL);
    good_puts();
    refused_puts();
    if (strcmp(getenv("S3_STRICT"), "1") == 0)
        refused_by_strict_servers();
    printf("1..%d\n", number);
    curl_global_cleanup();
    return failures > 0;
}
