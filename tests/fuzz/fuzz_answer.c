/* fuzz_answer.c -- what servers answer, whatever it is: no crash, no success that was not said, no text that could not stand in a
 * log line.
 *
 *     b200                        the reader (see KINDS) and the status
 *     Header: value               any number of them
 *                                 an empty line
 *     the body
 */
#include "pipeline/base/mem.h"
#include "pipeline/base/utf8.h"
#include "sinks/answer/clean.h"
#include "sinks/elasticsearch/answer.h"
#include "sinks/elasticsearch/product.h"
#include "sinks/endpoint/answer.h"
#include "sinks/s3/answer.h"
#include "sinks/s3/list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SENT       3
#define UNTOUCHED  0xee
#define REQUEST_ID "11111111-2222-4333-8444-555555555555"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_text(const char *text, size_t size)
{
    check(memchr(text, '\0', size) != NULL);
    for (; *text; text++)
        check((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void check_utf8(const char *text)
{
    struct slice s = slice_str(text);

    while (s.n > 0) {
        size_t took = utf8_first(s);

        check(took > 0);
        s = slice_of(s.p + took, s.n - took);
    }
}

/* The far end repeats what was sent: nothing of it in one piece may be left for people. */
static void check_finished(struct sink_verdict v, struct slice body)
{
    const struct answer_sent sent = {.body = body};
    char said[SINK_SAID_MAX], told[SINK_SAID_MAX];

    memcpy(said, v.said, sizeof(said));
    answer_clean(said, &sent, told, sizeof(told));
    check_text(told, sizeof(told));
    check_utf8(told);
    answer_finish(&v, &sent);
    check_text(v.message, sizeof(v.message));
    check_text(v.detail, sizeof(v.detail));
    check(!said[0] || strstr(v.detail, said));
}

static void check_verdict(const struct sink_verdict *v, const struct http_response *re)
{
    check_text(v->code, sizeof(v->code));
    check_text(v->message, sizeof(v->message));
    check_text(v->hint, sizeof(v->hint));
    check_text(v->said, sizeof(v->said));
    check_utf8(v->said);
    check(v->retry_after >= 0 && v->retry_after <= 24 * 3600 * NSEC_PER_SEC);
    check_finished(*v, re->body);
}

static void refuse(struct sink_outcomes *f, uint64_t index, const char *code, struct slice message)
{
    (void)code, (void)message;
    check(index < f->count);
    f->outcome[index] = SINK_REJECTED;
}

static void bulk(const struct http_response *re, bool create)
{
    const struct elasticsearch_context c = {.address = "http://es:9200", .sent = SENT, .create = create};
    unsigned char outcome[SENT];
    struct sink_outcomes outcomes = {.outcome = outcome, .count = SENT, .refuse = refuse};
    struct sink_verdict v = {.outcomes = &outcomes};
    enum sink_outcome got;

    memset(outcome, UNTOUCHED, sizeof(outcome));
    got = elasticsearch_answer_judge(&c, re, &v);
    check(got != SINK_DELIVERED || re->status == 200);
    for (size_t i = 0; i < SENT && got == SINK_PARTIAL; i++)
        check(outcome[i] == SINK_DELIVERED || outcome[i] == SINK_RETRY || outcome[i] == SINK_REJECTED);
    check_verdict(&v, re);
}

static void endpoint(const struct http_response *re, enum endpoint_shape shape, unsigned follow_up)
{
    const struct endpoint_context c = {.address = "http://h",
                                       .request_id = REQUEST_ID,
                                       .shape = shape,
                                       .ack_timeout = 180 * NSEC_PER_SEC,
                                       .follow_up = follow_up,
                                       .token = "7"};
    struct sink_verdict v = {.outcomes = NULL};
    enum sink_outcome got = endpoint_answer_judge(&c, re, &v);

    check(got != SINK_DELIVERED || (re->status >= 200 && re->status <= 299));
    check(got != SINK_DELIVERED || shape != SHAPE_FIREHOSE || re->status == 200);
    check_verdict(&v, re);
}

static void object(const struct http_response *re, bool reads)
{
    static const struct sink_seal SEAL = {.digest = {.made = SINK_CRC32C, .crc32c = 7}};
    const struct s3_context c = {.place = "destination.s3.",
                                 .bucket = "logs",
                                 .endpoint = "http://s3",
                                 .region = "us-east-1",
                                 .access_key_id = "AK",
                                 .key_source = "the configuration",
                                 .key = SLICE("k"),
                                 .checksum = CHECKSUM_CRC32C,
                                 .seal = &SEAL,
                                 .advice = "set destination.s3.checksum: none"};
    struct sink_verdict v = {.outcomes = NULL};
    struct s3_lesson lesson;
    enum sink_outcome got = reads ? s3_answer_judge_read(&c, re, &v) : s3_answer_judge(&c, re, &v);

    check(got != SINK_DELIVERED || re->status == 200);
    check(got != SINK_REJECTED);
    check_verdict(&v, re);
    s3_answer_lesson(&c, re, &lesson);
    check(memchr(lesson.region, '\0', sizeof(lesson.region)) != NULL);
    for (int gone = 0; gone < 2; gone++) {
        got = s3_answer_judge_look(&c, re, gone, &v);
        check(got == SINK_RETRY || (got == SINK_DELIVERED && re->status == 200));
        check_verdict(&v, re);
    }
}

static void listing(const struct http_response *re)
{
    struct s3_list_page page;
    struct err e;

    s3_list_page_init(&page);
    if (s3_list_read(re->body, SLICE("app/"), &page, &e) == 0)
        for (size_t i = 0; i < page.count; i++)
            check(slice_starts(s3_list_key(&page, i), SLICE("app/")) && s3_list_key(&page, i).n <= S3_KEY_MAX);
    s3_list_page_release(&page);
}

static void identify(const struct http_response *re)
{
    struct sink_identity g = {.who = ""};

    (void)elasticsearch_product_identified(re, "http://es:9200", &g);
    check_text(g.who, sizeof(g.who));
    check_text(g.warning, sizeof(g.warning));
    check_text(g.hint, sizeof(g.hint));
}

static void read_as(char kind, const struct http_response *re)
{
    switch (kind) {
    case 'b':
        bulk(re, false);
        break;
    case 'c':
        bulk(re, true);
        break;
    case 'f':
        endpoint(re, SHAPE_FIREHOSE, 0);
        break;
    case 'l':
        endpoint(re, SHAPE_LINES, 0);
        break;
    case 'o':
        endpoint(re, SHAPE_OTLP, 0);
        break;
    case 's':
        endpoint(re, SHAPE_SPLUNK_EVENT, 0);
        break;
    case 'a':
        endpoint(re, SHAPE_SPLUNK_EVENT, 1);
        break;
    case 'p':
        object(re, false);
        break;
    case 'g':
        object(re, true);
        break;
    case 'i':
        listing(re);
        break;
    case 'w':
        identify(re);
        break;
    default:
        break;
    }
}

static int status_of(const uint8_t *digits)
{
    int status = 0;

    for (size_t i = 0; i < 3; i++)
        status = status * 10 + (digits[i] >= '0' && digits[i] <= '9' ? digits[i] - '0' : 0);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_response re = {.headers = slice_of("", 0), .body = slice_of("", 0)};
    const char *end;
    char *text;
    size_t n;

    if (size < 5)
        return 0;
    n = size - 5;
    text = mem_alloc(n ? n : 1); /* its end is known to the sanitizer */
    memcpy(text, data + 5, n);
    re.status = status_of(data + 1);
    end = n >= 2 ? memmem(text, n, "\n\n", 2) : NULL;
    if (end) {
        re.headers = slice_of(text, (size_t)(end - text) + 1);
        re.body = slice_of(end + 2, n - (size_t)(end - text) - 2);
    } else {
        re.body = slice_of(text, n);
    }
    read_as((char)data[0], &re);
    mem_free(text);
    return 0;
}
