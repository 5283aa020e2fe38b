/* A large object in parts: each request byte by byte, and what each answer leads to. */
#include "tests/support/cmocka.h"

#include "tests/unit/sinks/aws_environment.h"
#include "tests/unit/sinks/bound_sink.h"

#include "pipeline/base/body.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/digest.h"
#include "sinks/s3/multipart.h"

#include <string.h>

/* 2026-07-13T14:05:09Z */
#define NOW      ((nsec)1783951509 * NSEC_PER_SEC)
#define SIZE     (6 * MIB)
#define URL      "http://h:1/logs/a%20b"
#define OPTIONS  "bucket: logs\nendpoint: http://h:1\naccess_key_id: AK\nsecret_access_key: SK\n"
#define ID       "u+/=1"
#define ID_CODED "u%2B%2F%3D1"

/* Of a store that knows checksums of whole uploads, at CREATE. */
#define WHOLE "x-amz-checksum-type: FULL_OBJECT\r\n"

/* The beginning of the SHA-256 of "http://h:1\nlogs\n". */
#define PLACE "ad3e7668"

/* That an upload is about to begin, as the journal has it. */
#define INTENT  "w-- " PLACE " "
#define CROWDED "wcu " PLACE " "

#define ERROR(code) "<Error><Code>" code "</Code><Message>m</Message></Error>"

/* A body on its way: what the pipeline keeps of it. */
struct play {
    struct bound_sink b;
    struct body *body;
    struct sink_seal seal;
    struct http_request rq;
    struct sink_verdict v;
    struct buf progress, written;
    char token[64];
    struct sink_tag tags[2];
};

static void ask(struct play *p)
{
    struct err e = {0};

    p->seal.progress = buf_slice(&p->progress);
    p->seal.digest.made = p->b.ops->digests_of(p->b.state) | SINK_CRC32C;
    http_request_release(&p->rq);
    if (bound_sink_request(&p->b, &p->seal, &p->rq, &e) < 0)
        fail_msg("%s", e.msg);
}

static void begin(struct play *p, const char *more)
{
    char yaml[512], *bytes = mem_alloc(SIZE);
    struct err e = {0};

    *p = (struct play){.seal = {.name = SLICE("a b"),
                                .content_type = "text/plain",
                                .digest = {.crc32c = 0x353dd8be, .crc64nvme = 1},
                                .wall_now = NOW}};
    buf_init(&p->progress, SINK_PROGRESS_MAX);
    buf_init(&p->written, SINK_PROGRESS_MAX);
    p->body = body_new("/tmp", BODY_MEMORY_MAX);
    assert_int_equal(body_add(p->body, slice_of(bytes, SIZE), &e), 0);
    mem_free(bytes);
    p->seal.body = p->body;
    snprintf(yaml, sizeof(yaml), OPTIONS "multipart: { threshold: 5MiB, part_size: 5MiB }\n%s", more);
    if (bound_sink_open(&p->b, "s3", yaml, "/tmp", &e) < 0)
        fail_msg("%s", e.msg);
    ask(p);
}

static enum sink_outcome answer(struct play *p, int status, const char *headers, const char *body)
{
    const struct http_response re = {.status = status,
                                     .headers = slice_str(headers),
                                     .body = slice_str(body),
                                     .endpoint = p->rq.endpoint,
                                     .wall_now = NOW};
    enum sink_outcome outcome;

    buf_clear(&p->written);
    p->v = (struct sink_verdict){.progress = p->seal.range ? NULL : &p->written};
    outcome = p->b.ops->judge(p->b.state, &p->seal, &re, &p->v);
    p->seal.follow_up = outcome == SINK_FOLLOW_UP ? p->seal.follow_up + 1 : 0;
    memcpy(p->token, p->v.token, sizeof(p->token));
    p->seal.token = outcome == SINK_FOLLOW_UP ? p->token : NULL;
    if (p->v.progressed) {
        buf_clear(&p->progress);
        assert_int_equal(buf_add_slice(&p->progress, buf_slice(&p->written)), 0);
    }
    return outcome;
}

static void end(struct play *p)
{
    http_request_release(&p->rq);
    bound_sink_close(&p->b);
    body_free(&p->body);
    buf_release(&p->progress);
    buf_release(&p->written);
}

static void asked(const struct play *p, const char *method, const char *url)
{
    assert_string_equal(p->rq.method, method);
    assert_string_equal(p->rq.url, url);
}

/* An upload was about to begin when the process ended, or its answer was lost. */
static void intended(struct play *p)
{
    assert_int_equal(buf_add_str(&p->progress, INTENT), 0);
    p->seal.follow_up = 0;
    ask(p);
    assert_string_equal(p->rq.method, "GET");
}

/* As far as an upload that has an id. */
static void begun(struct play *p, const char *more)
{
    begin(p, more);
    assert_int_equal(answer(p, 200, "", "<ListMultipartUploadsResult/>"), SINK_FOLLOW_UP);
    ask(p);
    assert_int_equal(answer(p, 200, WHOLE, "<R><UploadId>" ID "</UploadId></R>"), SINK_FOLLOW_UP);
}

static void ranges_are_there(struct play *p, const char *first, const char *second)
{
    snprintf(p->tags[0].text, sizeof(p->tags[0].text), "%s", first);
    snprintf(p->tags[1].text, sizeof(p->tags[1].text), "%s", second);
    p->seal.tags = p->tags;
    p->seal.tag_count = 2;
    ask(p);
}

static void the_steps_of_an_upload(void **state)
{
    struct play p;

    (void)state;
    begin(&p, "storage_class: STANDARD_IA\noverwrite: false\n");
    asked(&p, "GET", "http://h:1/logs/?encoding-type=url&max-uploads=8&prefix=a%20b&uploads=");
    assert_true(p.rq.bare);
    assert_string_equal(request_header(&p.rq, "x-amz-storage-class"), "");
    assert_int_equal(answer(&p, 200, "", "<ListMultipartUploadsResult/>"), SINK_FOLLOW_UP);

    ask(&p);
    asked(&p, "POST", URL "?uploads=");
    assert_string_equal(p.rq.text, "");
    assert_true(p.rq.once);
    assert_string_equal(request_header(&p.rq, "x-amz-storage-class"), "STANDARD_IA");
    assert_string_equal(request_header(&p.rq, "Content-Type"), "text/plain");
    assert_string_equal(request_header(&p.rq, "x-amz-checksum-algorithm"), "CRC32C");
    assert_string_equal(request_header(&p.rq, "x-amz-checksum-type"), "FULL_OBJECT");
    assert_string_equal(request_header(&p.rq, "x-amz-meta-sluice-crc32c"), "353dd8be");
    assert_string_equal(request_header(&p.rq, "If-None-Match"), "");
    assert_int_equal(answer(&p, 200, WHOLE, "<R><UploadId>" ID "</UploadId></R>"), SINK_FOLLOW_UP);
    assert_true(p.v.progressed);
    assert_int_equal(p.v.range_bytes, 5 * MIB);
    assert_string_equal(buf_cstr(&p.progress), "cf- " PLACE " " ID);

    p.seal.range = 2;
    p.seal.range_from = 5 * MIB;
    p.seal.range_bytes = 1 * MIB;
    p.seal.digest.crc32c = 7;
    ask(&p);
    asked(&p, "PUT", URL "?partNumber=2&uploadId=" ID_CODED);
    assert_null(p.rq.text);
    assert_string_equal(request_header(&p.rq, "x-amz-checksum-crc32c"), "AAAABw==");
    assert_string_equal(request_header(&p.rq, "x-amz-storage-class"), "");
    assert_int_equal(answer(&p, 200, "ETag: \"e&2\"\r\n", ""), SINK_DELIVERED);
    assert_string_equal(p.v.tag.text, "\"e&2\" AAAABw==");

    p.seal.range = 0;
    p.seal.digest.crc32c = 0x353dd8be;
    ranges_are_there(&p, "\"e1\" AAAAAQ==", p.v.tag.text);
    asked(&p, "POST", URL "?uploadId=" ID_CODED);
    assert_string_equal(p.rq.text, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                                   "<Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag>"
                                   "<ChecksumCRC32C>AAAAAQ==</ChecksumCRC32C></Part>"
                                   "<Part><PartNumber>2</PartNumber><ETag>&quot;e&amp;2&quot;</ETag>"
                                   "<ChecksumCRC32C>AAAABw==</ChecksumCRC32C></Part></CompleteMultipartUpload>");
    assert_string_equal(request_header(&p.rq, "x-amz-checksum-crc32c"), "NT3Yvg==");
    assert_string_equal(request_header(&p.rq, "x-amz-checksum-type"), "FULL_OBJECT");
    assert_string_equal(request_header(&p.rq, "If-None-Match"), "*");
    assert_true(p.rq.late_answer);
    assert_int_equal(
        answer(&p, 200, "",
               "  \n<?xml?><CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>"),
        SINK_DELIVERED);
    end(&p);
}

static void an_upload_that_was_begun_before_is_gone_on_with(void **state)
{
    static const struct {
        const char *listing, *progress;
    } CASES[] = {
        {"<L><Upload><Key>a b</Key><UploadId>" ID "</UploadId></Upload></L>", "c-l " PLACE " " ID},
        {"<L><Upload><Key>a b</Key><UploadId>" ID
         "</UploadId><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm></Upload></L>",
         "c-l " PLACE " " ID},
        {"<L><Upload><Key>a b</Key><UploadId>" ID "</UploadId><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>"
         "<ChecksumType>FULL_OBJECT</ChecksumType></Upload></L>",
         "cfl " PLACE " " ID},
        {"<L><Upload><Key>a b</Key><UploadId>" ID "</UploadId><ChecksumAlgorithm>CRC32C</ChecksumAlgorithm>"
         "<ChecksumType>COMPOSITE</ChecksumType></Upload></L>",
         "c-l " PLACE " " ID},
        {"<L><Upload><Key>a b</Key><UploadId>" ID
         "</UploadId><ChecksumAlgorithm>SHA256</ChecksumAlgorithm></Upload></L>",
         CROWDED},
        {"<L><Upload><Key>a bc</Key><UploadId>x</UploadId></Upload><Upload><UploadId>" ID
         "</UploadId><Key>a b</Key></Upload></L>",
         "c-l " PLACE " " ID},
        {"<L><Upload><Key>a bc</Key><UploadId>x</UploadId></Upload></L>", "w-u " PLACE " "},
        {"<L><Upload><Key>a b</Key><UploadId></UploadId></Upload></L>", CROWDED},
        {"<L><Upload><Key>a b</Key><UploadId>x y</UploadId></Upload></L>", CROWDED},
        {"<L><Upload><Key>a b</Key><UploadId>x y</UploadId></Upload><Upload><UploadId>" ID
         "</UploadId><Key>a b</Key></Upload></L>",
         "c-l " PLACE " " ID},
        {"<L><Upload><Key>a b</Key><UploadId>x</UploadId>", "w-u " PLACE " "},
        {"", "w-u " PLACE " "},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begin(&p, "");
        intended(&p);
        assert_int_equal(answer(&p, 200, "", CASES[i].listing), SINK_FOLLOW_UP);
        assert_true(p.v.progressed);
        if (strcmp(buf_cstr(&p.progress), CASES[i].progress) != 0)
            fail_msg("%zu: %s", i, buf_cstr(&p.progress));
        end(&p);
    }
}

/* XML cannot carry every byte of a name, and what shows it to people changes some more. */
static void names_in_a_listing_are_compared_byte_by_byte(void **state)
{
#define URL_LISTING(key)                                                                                               \
    "<L><EncodingType>url</EncodingType><Upload><Key>" key "</Key><UploadId>" ID "</UploadId></Upload></L>"
    static const struct {
        const char *name, *listing;
        bool found;
    } CASES[] = {
        {"a b", URL_LISTING("a+b"), true},
        {"a b", URL_LISTING("a%20b"), true},
        {"a b", URL_LISTING("a%2Bb"), false},
        {"a+b", URL_LISTING("a%2Bb"), true},
        {"a\x01"
         "b",
         URL_LISTING("a%01b"), true},
        {" a  b ", URL_LISTING("+a++b+"), true},
        {"a b", URL_LISTING("+a++b+"), false},
        {"a/\xc3\xbc&<\xff", URL_LISTING("a/%C3%BC%26%3c%FF"), true},
        {"a&amp;b", URL_LISTING("a%26amp%3Bb"), true},
        {"ab", URL_LISTING("a%0"), false},
        {"a", URL_LISTING("a%00"), false},
        {"a+%20", "<L><Upload><Key>a+%20</Key><UploadId>" ID "</UploadId></Upload></L>", true},
        {"a&b", "<L><Upload><Key>a&amp;b</Key><UploadId>" ID "</UploadId></Upload></L>", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begin(&p, "");
        intended(&p);
        p.seal.name = slice_str(CASES[i].name);
        assert_int_equal(answer(&p, 200, "", CASES[i].listing), SINK_FOLLOW_UP);
        if ((p.v.range_bytes > 0) != CASES[i].found)
            fail_msg("%zu: %s", i, buf_cstr(&p.progress));
        end(&p);
    }
}

static void the_longest_name_is_found_in_a_listing(void **state)
{
    char name[OBJECT_KEY_MAX + 1] = "", coded[3 * OBJECT_KEY_MAX + 1] = "", listing[4 * OBJECT_KEY_MAX + 512];
    struct play p;

    (void)state;
    for (size_t i = 0; i < OBJECT_KEY_MAX; i++) {
        name[i] = '\x7f';
        memcpy(coded + 3 * i, "%7F", 4);
    }
    snprintf(listing, sizeof(listing), URL_LISTING("%s"), coded);
    begin(&p, "");
    intended(&p);
    p.seal.name = slice_of(name, OBJECT_KEY_MAX);
    assert_int_equal(answer(&p, 200, "", listing), SINK_FOLLOW_UP);
    assert_true(p.v.range_bytes > 0);
    end(&p);
}

static void who_may_not_list_uploads_begins_one(void **state)
{
    static const struct {
        int status;
        bool goes_on;
    } CASES[] = {{403, true}, {404, true}, {405, true}, {501, true}, {429, false}, {500, false}, {503, false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begin(&p, "");
        assert_int_equal(answer(&p, CASES[i].status, "", ""), CASES[i].goes_on ? SINK_FOLLOW_UP : SINK_RETRY);
        ask(&p);
        assert_string_equal(request_header(&p.rq, "x-amz-checksum-algorithm"), CASES[i].goes_on ? "CRC32C" : "");
        end(&p);
    }
}

static void the_end_of_an_upload_is_read_to_its_end(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum sink_outcome outcome;
        const char *code;
        bool looks, anew;
    } CASES[] = {
        {200, "   " ERROR("InternalError"), SINK_RETRY, "InternalError", false, false},
        {200, "   ", SINK_RETRY, "NoETag", false, false},
        {200, "<CompleteMultipartUploadResult><ETag>x</ETag>", SINK_RETRY, "NoETag", false, false},
        {200, "<CompleteMultipartUploadResult/>", SINK_RETRY, "NoETag", false, false},
        {404, ERROR("NoSuchUpload"), SINK_FOLLOW_UP, "", true, false},
        {200, ERROR("NoSuchUpload"), SINK_FOLLOW_UP, "", true, false},
        {412, ERROR("PreconditionFailed"), SINK_FOLLOW_UP, "", true, false},
        {409, ERROR("ConditionalRequestConflict"), SINK_FOLLOW_UP, "", true, false},
        {400, ERROR("InvalidPart"), SINK_RETRY, "InvalidPart", false, true},
        {400, ERROR("InvalidPartOrder"), SINK_RETRY, "InvalidPartOrder", false, true},
        {400, ERROR("BadDigest"), SINK_RETRY, "BadDigest", false, true},
        {400, ERROR("XAmzContentChecksumMismatch"), SINK_RETRY, "XAmzContentChecksumMismatch", false, true},
        {200, "  " ERROR("ContentChecksumMismatch"), SINK_RETRY, "ContentChecksumMismatch", false, true},
        {400, ERROR("InvalidRequest"), SINK_RETRY, "InvalidRequest", false, false},
        {403, ERROR("AccessDenied"), SINK_RETRY, "AccessDenied", false, false},
        {503, ERROR("SlowDown"), SINK_RETRY, "SlowDown", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begun(&p, "");
        ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
        if (answer(&p, CASES[i].status, "", CASES[i].body) != CASES[i].outcome ||
            strcmp(p.v.code, CASES[i].code) != 0 || p.v.begin_anew != CASES[i].anew)
            fail_msg("%zu: `%s` `%s`", i, p.v.code, p.v.message);
        if (CASES[i].looks) {
            ask(&p);
            asked(&p, "HEAD", URL);
            assert_int_equal(answer(&p, 200, "Content-Length: 6291456\r\nx-amz-meta-sluice-crc32c: 353dd8be\r\n", ""),
                             SINK_DELIVERED);
        }
        end(&p);
    }
}

static void an_upload_that_is_gone_without_an_object_begins_anew(void **state)
{
    static const struct {
        const char *options;
        int status;
        const char *headers;
        bool anew;
        const char *message;
    } CASES[] = {
        {"", 404, "", true, "and has no such object"},
        {"", 403, "", true, "may not look"},
        {"", 503, "", false, "not available"},
        {"", 200, "Content-Length: 1\r\n", true, "another object of this name"},
        {"overwrite: false\n", 404, "", true, "and has no such object"},
        {"overwrite: false\n", 403, "", true, "may not look"},
        {"overwrite: false\n", 200, "Content-Length: 1\r\n", false, "that is not this one"},
    };
    static const struct {
        int status;
        const char *body;
    } ENDS[] = {{404, ERROR("NoSuchUpload")}, {409, ERROR("ConditionalRequestConflict")}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ENDS) * ARRAY_LEN(CASES); i++) {
        size_t n = i / ARRAY_LEN(ENDS), k = i % ARRAY_LEN(ENDS);
        struct play p;

        begun(&p, CASES[n].options);
        ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
        assert_int_equal(answer(&p, ENDS[k].status, "", ENDS[k].body), SINK_FOLLOW_UP);
        ask(&p);
        asked(&p, "HEAD", URL);
        assert_int_equal(answer(&p, CASES[n].status, CASES[n].headers, ""), SINK_RETRY);
        if (p.v.begin_anew != CASES[n].anew || !strstr(p.v.message, CASES[n].message) ||
            (CASES[n].anew && strcmp(p.v.code, "NoSuchUpload") != 0))
            fail_msg("%zu: `%s`", n, p.v.message);
        end(&p);
    }
}

/* It may be ours: to send it again is of no use while it is there. */
static void what_is_in_the_way_of_an_upload_is_looked_at(void **state)
{
    static const struct {
        int status;
        const char *headers, *message;
    } CASES[] = {{403, "", "may not look whether it is this one"},
                 {404, "", "gone now"},
                 {200, "Content-Length: 1\r\n", "that is not this one"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begun(&p, "overwrite: false\n");
        ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
        assert_int_equal(answer(&p, 412, "", ERROR("PreconditionFailed")), SINK_FOLLOW_UP);
        ask(&p);
        assert_int_equal(answer(&p, CASES[i].status, CASES[i].headers, ""), SINK_RETRY);
        if (p.v.begin_anew != (CASES[i].status == 404) || !strstr(p.v.message, CASES[i].message))
            fail_msg("%zu: `%s`", i, p.v.message);
        end(&p);
    }
}

static void parts_that_fail(void **state)
{
    static const struct {
        int status;
        const char *headers, *body, *code;
        bool anew;
    } CASES[] = {
        {404, "", ERROR("NoSuchUpload"), "NoSuchUpload", true}, {503, "", ERROR("SlowDown"), "SlowDown", false},
        {400, "", ERROR("BadDigest"), "BadDigest", false},      {200, "", "", "NoETag", false},
        {200, "ETag: a b\r\n", "", "HTTP 200", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begun(&p, "");
        p.seal.range = 1;
        p.seal.range_bytes = 5 * MIB;
        ask(&p);
        assert_int_equal(answer(&p, CASES[i].status, CASES[i].headers, CASES[i].body), SINK_RETRY);
        if (p.v.begin_anew != CASES[i].anew || (CASES[i].body[0] && strcmp(p.v.code, CASES[i].code) != 0))
            fail_msg("%zu: `%s` `%s`", i, p.v.code, p.v.message);
        end(&p);
    }
}

static void what_nobody_completes_is_aborted(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum sink_outcome outcome;
    } CASES[] = {{204, "", SINK_DELIVERED},
                 {200, "", SINK_DELIVERED},
                 {404, ERROR("NoSuchUpload"), SINK_DELIVERED},
                 {404, ERROR("NoSuchBucket"), SINK_RETRY},
                 {503, "", SINK_RETRY}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begun(&p, "");
        p.seal.undo = true;
        ask(&p);
        asked(&p, "DELETE", URL "?uploadId=" ID_CODED);
        assert_int_equal(answer(&p, CASES[i].status, "", CASES[i].body), CASES[i].outcome);
        end(&p);
    }
}

static void checksums_of_parts(void **state)
{
    static const struct {
        const char *option, *algorithm, *type, *progress;
    } CASES[] = {{"checksum: sha256\n", "SHA256", "COMPOSITE", "s-- " PLACE " " ID},
                 {"checksum: crc64nvme\n", "CRC64NVME", "FULL_OBJECT", "v-- " PLACE " " ID},
                 {"checksum: md5\n", "", "", "m-- " PLACE " " ID},
                 {"checksum: none\n", "", "", "n-- " PLACE " " ID}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begin(&p, CASES[i].option);
        assert_int_equal(answer(&p, 403, "", ""), SINK_FOLLOW_UP);
        ask(&p);
        assert_string_equal(request_header(&p.rq, "x-amz-checksum-algorithm"), CASES[i].algorithm);
        assert_string_equal(request_header(&p.rq, "x-amz-checksum-type"), CASES[i].type);
        assert_int_equal(answer(&p, 200, "", "<R><UploadId>" ID "</UploadId></R>"), SINK_FOLLOW_UP);
        assert_string_equal(buf_cstr(&p.progress), CASES[i].progress);
        end(&p);
    }
}

/* The configuration has another checksum since: parts without one are refused, and the upload begins anew with it. */
static void a_changed_checksum_begins_anew(void **state)
{
    struct play p;

    (void)state;
    begin(&p, "checksum: sha256\n");
    assert_int_equal(buf_add_str(&p.progress, "n-- " PLACE " " ID), 0);
    p.seal.range = 1;
    p.seal.range_bytes = 5 * MIB;
    ask(&p);
    assert_string_equal(request_header(&p.rq, "x-amz-checksum-sha256"), "");
    assert_int_equal(answer(&p, 503, "", ERROR("SlowDown")), SINK_RETRY);
    assert_false(p.v.begin_anew);
    assert_int_equal(answer(&p, 400, "", ERROR("InvalidRequest")), SINK_RETRY);
    assert_true(p.v.begin_anew);
    p.seal.range = 0;
    ranges_are_there(&p, "e1 ", "e2 ");
    assert_int_equal(answer(&p, 503, "", ERROR("SlowDown")), SINK_RETRY);
    assert_false(p.v.begin_anew);
    assert_int_equal(answer(&p, 400, "", ERROR("InvalidRequest")), SINK_RETRY);
    assert_true(p.v.begin_anew);
    end(&p);
}

static int try_to_ask(struct play *p, struct err *e)
{
    p->seal.progress = buf_slice(&p->progress);
    p->seal.digest.made = p->b.ops->digests_of(p->b.state);
    http_request_release(&p->rq);
    return bound_sink_request(&p->b, &p->seal, &p->rq, e);
}

/* Its parts must have a checksum that nobody makes any more: none is made up. */
static void a_part_without_its_checksum_begins_anew(void **state)
{
    const struct http_response re = {.status = 200, .headers = SLICE("ETag: e\r\n")};
    struct sink_tag tag;
    struct play p;
    struct err e;

    (void)state;
    begin(&p, "checksum: sha256\n");
    assert_int_equal(buf_add_str(&p.progress, "cf- " PLACE " " ID), 0);
    p.seal.range = 1;
    p.seal.range_bytes = 5 * MIB;
    assert_int_equal(try_to_ask(&p, &e), SINK_ANEW);
    assert_non_null(strstr(e.msg, "another checksum"));
    assert_false(s3_part_tag(CHECKSUM_CRC32C, &p.seal, &re, &tag));
    assert_true(s3_part_tag(CHECKSUM_MD5, &p.seal, &re, &tag));
    end(&p);
}

/* Of an earlier version, or of no one at all. */
static void progress_that_cannot_be_read_begins_anew(void **state)
{
    struct play p;
    struct err e;

    (void)state;
    begin(&p, "");
    assert_int_equal(buf_add_str(&p.progress, "c " ID), 0);
    assert_int_equal(try_to_ask(&p, &e), SINK_ANEW);
    p.seal.range = 1;
    assert_int_equal(try_to_ask(&p, &e), SINK_ANEW);
    p.seal.range = 0;
    p.seal.undo = true;
    assert_int_equal(try_to_ask(&p, &e), SINK_ANEW);
    end(&p);
}

/* As a version before wrote it of an upload that it had given up. */
static void an_upload_of_whose_parts_nothing_is_known_begins_anew(void **state)
{
    struct play p;
    struct err e;

    (void)state;
    begun(&p, "");
    assert_int_equal(try_to_ask(&p, &e), SINK_ANEW);
    p.seal.tags = p.tags;
    p.seal.tag_count = 1;
    assert_int_equal(try_to_ask(&p, &e), SINK_ANEW);
    end(&p);
}

/* The upload is not there, or is with a key that nobody has any more: nor can it be removed. */
static void an_upload_of_another_place_begins_anew(void **state)
{
#define OTHER_KEY "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    static const struct {
        const char *options;
        int rc;
    } CASES[] = {
        {"bucket: logs\nendpoint: http://h:1\n", 0},
        {"bucket: logs\nendpoint: http://h:2\n", SINK_ANEW},
        {"bucket: logs2\nendpoint: http://h:1\n", SINK_ANEW},
        {"bucket: logs\nendpoint: http://h:1\ncustomer_key_over_http: true\ncustomer_key: " OTHER_KEY "\n", SINK_ANEW},
    };
    char yaml[512];

    (void)state;
    for (size_t i = 0; i < 3 * ARRAY_LEN(CASES); i++) {
        struct play p;
        struct err e;

        begun(&p, "");
        bound_sink_close(&p.b);
        snprintf(yaml, sizeof(yaml), "%saccess_key_id: AK\nsecret_access_key: SK\nmultipart: { threshold: 5MiB }\n",
                 CASES[i / 3].options);
        assert_int_equal(bound_sink_open(&p.b, "s3", yaml, "/tmp", &e), 0);
        p.seal.tags = p.tags;
        p.seal.tag_count = 1;
        snprintf(p.tags[0].text, sizeof(p.tags[0].text), "e1 AAAAAQ==");
        p.seal.range = i % 3 == 0;
        p.seal.undo = i % 3 == 2;
        assert_int_equal(try_to_ask(&p, &e), CASES[i / 3].rc);
        if (CASES[i / 3].rc)
            assert_non_null(strstr(e.msg, "begun with another endpoint, bucket or customer key; remove it there"));
        end(&p);
    }
}

/* One that is just being aborted, say. It goes when the object is complete, as everything under its name does. */
static void without_an_intent_no_upload_is_gone_on_with(void **state)
{
    static const struct {
        const char *progress; /* at LIST; "": no intent */
        int status;
        const char *listing, *intent, *begun;
        bool leaves;
    } CASES[] = {
        {"", 200, "<L/>", INTENT, "cf- " PLACE " " ID, false},
        {"", 403, "", "wc- " PLACE " ", "cf- " PLACE " " ID, false},
        {"", 200, "<L><Upload><Key>a b</Key><UploadId>x</UploadId></Upload></L>", CROWDED, "cfu " PLACE " " ID, true},
        {CROWDED, 200, "<L><Upload><Key>a b</Key><UploadId>x</UploadId></Upload></L>", CROWDED, "cfu " PLACE " " ID,
         true},
        {CROWDED, 200, "<L/>", "w-u " PLACE " ", "cfu " PLACE " " ID, true},
        {INTENT, 200, "<L/>", "w-u " PLACE " ", "cfu " PLACE " " ID, true},
        {INTENT, 403, "", CROWDED, "cfu " PLACE " " ID, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begin(&p, "");
        assert_int_equal(buf_add_str(&p.progress, CASES[i].progress), 0);
        ask(&p);
        assert_int_equal(answer(&p, CASES[i].status, "", CASES[i].listing), SINK_FOLLOW_UP);
        assert_string_equal(buf_cstr(&p.progress), CASES[i].intent);
        assert_int_equal(p.v.range_bytes, 0);
        ask(&p);
        asked(&p, "POST", URL "?uploads=");
        assert_int_equal(answer(&p, 200, WHOLE, "<R><UploadId>" ID "</UploadId></R>"), SINK_FOLLOW_UP);
        assert_string_equal(buf_cstr(&p.progress), CASES[i].begun);
        ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
        assert_int_equal(
            answer(&p, 200, "", "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"),
            SINK_DELIVERED);
        assert_int_equal(p.v.leaves, CASES[i].leaves);
        end(&p);
    }
}

/* Nor does the intent say that there may be others. What a store that knows no such listing says is no reason to wait. */
static void a_list_that_a_later_attempt_may_get_is_waited_for(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool waits;
    } CASES[] = {{400, ERROR("ExpiredToken"), true},
                 {403, ERROR("ExpiredToken"), true},
                 {403, ERROR("TokenRefreshRequired"), true},
                 {400, ERROR("RequestTimeout"), true},
                 {408, "", true},
                 {409, ERROR("OperationAborted"), true},
                 {429, "", true},
                 {503, ERROR("SlowDown"), true},
                 {400, ERROR("InvalidArgument"), false},
                 {403, ERROR("AccessDenied"), false},
                 {404, "", false},
                 {405, ERROR("MethodNotAllowed"), false},
                 {501, ERROR("NotImplemented"), false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begin(&p, "");
        assert_int_equal(answer(&p, CASES[i].status, "", CASES[i].body), CASES[i].waits ? SINK_RETRY : SINK_FOLLOW_UP);
        assert_int_equal(p.v.progressed, !CASES[i].waits);
        assert_false(p.v.begin_anew);
        assert_string_equal(buf_cstr(&p.progress), CASES[i].waits ? "" : "wc- " PLACE " ");
        end(&p);
    }
}

/* It was begun in parts, so it ends in parts, also where smaller objects go in parts no more. */
static void an_intent_is_gone_on_with_whatever_the_threshold_is(void **state)
{
    struct play p;

    (void)state;
    begin(&p, "");
    bound_sink_close(&p.b);
    assert_int_equal(bound_sink_open(&p.b, "s3", OPTIONS "multipart: { threshold: 64MiB }\n", "/tmp", &(struct err){0}),
                     0);
    ask(&p);
    asked(&p, "PUT", URL);
    intended(&p);
    end(&p);
}

/* The object is there because an answer was lost, so this upload of it is to go. */
static void what_a_412_keeps_from_its_end_is_aborted(void **state)
{
    struct play p;

    (void)state;
    begun(&p, "overwrite: false\n");
    ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
    assert_int_equal(answer(&p, 412, "", ERROR("PreconditionFailed")), SINK_FOLLOW_UP);
    ask(&p);
    assert_int_equal(answer(&p, 200, "Content-Length: 6291456\r\nx-amz-meta-sluice-crc32c: 353dd8be\r\n", ""),
                     SINK_DELIVERED);
    assert_true(p.v.leaves);
    end(&p);
}

#define LISTED                                                                                                         \
    "<L><Upload><Key>a bc</Key><UploadId>y</UploadId></Upload>"                                                        \
    "<Upload><Key>a b</Key><UploadId>x</UploadId><ChecksumAlgorithm>SHA1</ChecksumAlgorithm></Upload></L>"

/* Of an intent, and of an upload beside which another one may have been begun. */
static void what_is_left_under_a_name_is_found_and_aborted(void **state)
{
    static const char *const BEGUN[] = {INTENT, CROWDED, "c-l " PLACE " " ID, "cfu " PLACE " " ID};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BEGUN); i++) {
        struct play p;

        begin(&p, "");
        assert_int_equal(buf_add_str(&p.progress, BEGUN[i]), 0);
        p.seal.undo = p.seal.alone = true;
        ask(&p);
        if (i >= 2) {
            asked(&p, "DELETE", URL "?uploadId=" ID_CODED);
            assert_int_equal(answer(&p, 204, "", ""), SINK_FOLLOW_UP);
            ask(&p);
        }
        asked(&p, "GET", "http://h:1/logs/?encoding-type=url&max-uploads=8&prefix=a%20b&uploads=");
        assert_int_equal(answer(&p, 200, "", LISTED), SINK_FOLLOW_UP);
        ask(&p);
        asked(&p, "DELETE", URL "?uploadId=x");
        assert_int_equal(answer(&p, 204, "", ""), SINK_FOLLOW_UP);
        ask(&p);
        assert_string_equal(p.rq.method, "GET");
        assert_int_equal(answer(&p, 200, "", "<L/>"), SINK_DELIVERED);
        end(&p);
    }
}

/* Another body goes there under the same name, or who looks is not let, or it never ends. */
static void what_is_left_under_a_name_may_have_to_stay(void **state)
{
    static const struct {
        bool alone;
        int status;
        const char *body;
        enum sink_outcome outcome;
        bool for_good;
    } CASES[] = {{false, 200, LISTED, SINK_DELIVERED, false},
                 {true, 403, ERROR("AccessDenied"), SINK_RETRY, true},
                 {true, 501, ERROR("NotImplemented"), SINK_RETRY, true},
                 {true, 404, "", SINK_RETRY, true},
                 {true, 405, ERROR("MethodNotAllowed"), SINK_RETRY, true},
                 {true, 503, ERROR("SlowDown"), SINK_RETRY, false},
                 {true, 400, ERROR("ExpiredToken"), SINK_RETRY, false},
                 {true, 403, ERROR("ExpiredToken"), SINK_RETRY, false},
                 {true, 403, ERROR("TokenRefreshRequired"), SINK_RETRY, false},
                 {true, 400, ERROR("RequestTimeout"), SINK_RETRY, false},
                 {true, 400, "", SINK_RETRY, false},
                 {true, 408, "", SINK_RETRY, false},
                 {true, 409, ERROR("OperationAborted"), SINK_RETRY, false},
                 {true, 200, "<L><Upload><Key>a b</Key><UploadId>x y</UploadId></Upload></L>", SINK_RETRY, false}};
    struct play p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        begin(&p, "");
        assert_int_equal(buf_add_str(&p.progress, INTENT), 0);
        p.seal.undo = true;
        p.seal.alone = CASES[i].alone;
        ask(&p);
        assert_int_equal(answer(&p, CASES[i].status, "", CASES[i].body), CASES[i].outcome);
        assert_int_equal(p.v.begin_anew, CASES[i].for_good);
        end(&p);
    }
    begin(&p, "");
    assert_int_equal(buf_add_str(&p.progress, "cfu " PLACE " " ID), 0);
    p.seal.undo = true;
    ask(&p);
    assert_int_equal(answer(&p, 204, "", ""), SINK_DELIVERED);
    p.seal.alone = true;
    ask(&p);
    assert_int_equal(answer(&p, 204, "", ""), SINK_FOLLOW_UP);
    p.seal.follow_up = S3_SWEEP_STEPS_MAX;
    ask(&p);
    assert_int_equal(answer(&p, 200, "", LISTED), SINK_RETRY);
    assert_non_null(strstr(p.v.message, "still lists"));
    end(&p);
}

/* They compare it with a checksum of the parts' checksums. */
static void a_store_that_does_not_say_whole_gets_no_checksum_of_the_whole(void **state)
{
    struct play p;

    (void)state;
    begin(&p, "");
    assert_int_equal(answer(&p, 403, "", ""), SINK_FOLLOW_UP);
    ask(&p);
    assert_int_equal(answer(&p, 200, "", "<R><UploadId>" ID "</UploadId></R>"), SINK_FOLLOW_UP);
    assert_string_equal(buf_cstr(&p.progress), "c-- " PLACE " " ID);
    ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
    assert_non_null(strstr(p.rq.text, "<ChecksumCRC32C>AAAAAQ==</ChecksumCRC32C>"));
    assert_string_equal(request_header(&p.rq, "x-amz-checksum-crc32c"), "");
    assert_string_equal(request_header(&p.rq, "x-amz-checksum-type"), "");
    end(&p);
}

static void a_checksum_of_the_whole_that_is_refused_is_left_out(void **state)
{
    static const struct {
        const char *options;
        bool left_out;
    } CASES[] = {
        {"", true}, {"checksum: crc64nvme\n", true}, {"object_lock: { mode: governance, retain: 1d }\n", false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct play p;

        begun(&p, CASES[i].options);
        ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
        assert_int_equal(answer(&p, 400, "", ERROR("BadDigest")), SINK_RETRY);
        assert_true(p.v.begin_anew);
        if (!strstr(p.v.message, "it begins anew, and from now on") == CASES[i].left_out)
            fail_msg("%zu: %s", i, p.v.message);
        buf_clear(&p.progress);
        ask(&p);
        assert_int_equal(answer(&p, 200, "", "<L/>"), SINK_FOLLOW_UP);
        ask(&p);
        asked(&p, "POST", URL "?uploads=");
        assert_string_equal(request_header(&p.rq, "x-amz-checksum-algorithm"), CASES[i].left_out ? "" : "CRC32C");
        assert_int_equal(answer(&p, 200, "", "<R><UploadId>" ID "</UploadId></R>"), SINK_FOLLOW_UP);
        assert_string_equal(buf_cstr(&p.progress), CASES[i].left_out ? "n-- " PLACE " " ID : "c-- " PLACE " " ID);
        end(&p);
    }
}

/* Nobody knows what it was begun with, so it is given up where it refuses: but not for what passes. */
static void an_upload_that_was_found_and_refuses_begins_anew(void **state)
{
    static const struct {
        int status;
        const char *body;
        bool anew;
    } CASES[] = {{400, ERROR("InvalidRequest"), true},
                 {501, ERROR("NotImplemented"), true},
                 {403, ERROR("AccessDenied"), false},
                 {429, "", false},
                 {503, "", false}};

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(CASES); i++) {
        struct play p;

        begin(&p, "");
        intended(&p);
        assert_int_equal(answer(&p, 200, "", "<L><Upload><Key>a b</Key><UploadId>" ID "</UploadId></Upload></L>"),
                         SINK_FOLLOW_UP);
        p.seal.range = i % 2;
        p.seal.range_bytes = 5 * MIB;
        ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
        assert_int_equal(answer(&p, CASES[i / 2].status, "", CASES[i / 2].body), SINK_RETRY);
        if (p.v.begin_anew != CASES[i / 2].anew)
            fail_msg("%zu: %s", i, p.v.message);
        end(&p);
    }
}

/* It was learnt at the end of an upload, or at a part: those that begin from now on have MD5 with each part. */
static void an_upload_of_a_store_that_lacks_checksums_begins_anew(void **state)
{
    (void)state;
    for (uint32_t range = 0; range < 2; range++) {
        struct play p;

        begun(&p, "");
        p.seal.range = range;
        p.seal.range_bytes = 5 * MIB;
        ranges_are_there(&p, "e1 AAAAAQ==", "e2 AAAABw==");
        assert_int_equal(answer(&p, 501, "", ERROR("NotImplemented")), SINK_RETRY);
        assert_true(p.v.begin_anew);
        buf_clear(&p.progress);
        p.seal.range = 0;
        ask(&p);
        assert_int_equal(answer(&p, 200, "", "<L/>"), SINK_FOLLOW_UP);
        ask(&p);
        assert_int_equal(answer(&p, 200, "", "<R><UploadId>" ID "</UploadId></R>"), SINK_FOLLOW_UP);
        assert_string_equal(buf_cstr(&p.progress), "m-- " PLACE " " ID);
        end(&p);
    }
}

static void where_nothing_can_be_kept_it_goes_in_one_piece(void **state)
{
    struct play p;

    (void)state;
    begin(&p, "");
    p.seal.one_step = true;
    ask(&p);
    asked(&p, "PUT", URL);
    end(&p);
}

static void strange_progress_is_refused(void **state)
{
    static const char *const TEXTS[] = {"",
                                        "c",
                                        "c id",
                                        "cf- 01234567 ",
                                        "cf- 01234567",
                                        "cf- 0123456 id",
                                        "x-- 01234567 id",
                                        "w-- 01234567 id",
                                        "w-- 01234567",
                                        "wf- 01234567 ",
                                        "cc- 01234567 id",
                                        "cx- 01234567 id",
                                        "cfx 01234567 id",
                                        "cf-x01234567 id",
                                        "cf- 01234567xid",
                                        "cf- 01234567 i d",
                                        "cf- 01234567 i\n"};
    struct s3_upload u;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        assert_false(s3_upload_read(slice_str(TEXTS[i]), &u));
    assert_true(s3_upload_read(SLICE("cf- 01234567 id"), &u));
    buf_init(&b, 14);
    assert_int_equal(s3_upload_write(&u, &b), -1);
    buf_release(&b);
}

static int clean_environment(void **state)
{
    (void)state;
    aws_environment_clear();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_steps_of_an_upload),
        cmocka_unit_test(an_upload_that_was_begun_before_is_gone_on_with),
        cmocka_unit_test(names_in_a_listing_are_compared_byte_by_byte),
        cmocka_unit_test(the_longest_name_is_found_in_a_listing),
        cmocka_unit_test(who_may_not_list_uploads_begins_one),
        cmocka_unit_test(the_end_of_an_upload_is_read_to_its_end),
        cmocka_unit_test(an_upload_that_is_gone_without_an_object_begins_anew),
        cmocka_unit_test(what_is_in_the_way_of_an_upload_is_looked_at),
        cmocka_unit_test(parts_that_fail),
        cmocka_unit_test(what_nobody_completes_is_aborted),
        cmocka_unit_test(checksums_of_parts),
        cmocka_unit_test(a_changed_checksum_begins_anew),
        cmocka_unit_test(a_part_without_its_checksum_begins_anew),
        cmocka_unit_test(progress_that_cannot_be_read_begins_anew),
        cmocka_unit_test(an_upload_of_whose_parts_nothing_is_known_begins_anew),
        cmocka_unit_test(an_upload_of_another_place_begins_anew),
        cmocka_unit_test(without_an_intent_no_upload_is_gone_on_with),
        cmocka_unit_test(a_list_that_a_later_attempt_may_get_is_waited_for),
        cmocka_unit_test(an_intent_is_gone_on_with_whatever_the_threshold_is),
        cmocka_unit_test(what_a_412_keeps_from_its_end_is_aborted),
        cmocka_unit_test(what_is_left_under_a_name_is_found_and_aborted),
        cmocka_unit_test(what_is_left_under_a_name_may_have_to_stay),
        cmocka_unit_test(a_store_that_does_not_say_whole_gets_no_checksum_of_the_whole),
        cmocka_unit_test(a_checksum_of_the_whole_that_is_refused_is_left_out),
        cmocka_unit_test(an_upload_that_was_found_and_refuses_begins_anew),
        cmocka_unit_test(an_upload_of_a_store_that_lacks_checksums_begins_anew),
        cmocka_unit_test(where_nothing_can_be_kept_it_goes_in_one_piece),
        cmocka_unit_test(strange_progress_is_refused),
    };

    return cmocka_run_group_tests_name("s3_multipart", tests, clean_environment, NULL);
}
