#include "pipeline/aws/json_call.h"

#include "pipeline/aws/sign.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

int aws_json_request(struct http_request *rq, const struct aws_json_service *s, const char *operation,
                     const struct http_url *where, const char *region, struct slice text, const struct aws_keys *keys,
                     nsec wall_now, struct err *e)
{
    const char *path = *where->path ? where->path : "/";
    char target[128], type[64];
    unsigned char sha256[SHA256_BYTES];
    const struct aws_sign sign = {.region = region,
                                  .service = s->name,
                                  .host = slice_str(where->host),
                                  .path = slice_str(path),
                                  .sha256 = sha256,
                                  .wall_now = wall_now};

    rq->method = "POST";
    rq->url = mem_printf("%s://%s%s", where->scheme, where->host, path);
    rq->text = mem_strndup(text.p, text.n);
    snprintf(type, sizeof(type), "application/x-amz-json-%s", s->version);
    snprintf(target, sizeof(target), "%s.%s", s->prefix, operation);
    http_request_header(rq, "Content-Type", slice_str(type));
    http_request_header(rq, "X-Amz-Target", slice_str(target));
    sha256_of(text, sha256);
    return aws_sign(rq, &sign, keys, e);
}

/* --- errors -------------------------------------------------------------------------------------------------------- */

/* com.amazonaws.sqs#QueueDoesNotExist, QueueDoesNotExist:http://..., AWS.SimpleQueueService.NonExistentQueue;Sender */
static void set_code(struct slice text, struct aws_json_error *out)
{
    const char *hash = text.n > 0 ? memrchr(text.p, '#', text.n) : NULL;
    size_t n = 0;

    if (hash)
        text = slice_from(text, (size_t)(hash - text.p) + 1);
    while (n < text.n && n < sizeof(out->code) - 1 && !strchr(":;", text.p[n]))
        n++;
    snprintf(out->code, sizeof(out->code), "%.*s", (int)n, n > 0 ? text.p : "");
}

static struct slice decoded(struct json_string s, struct buf *into)
{
    buf_clear(into);
    return json_unescape(s, into) < 0 ? SLICE("") : buf_slice(into);
}

static void show(struct slice said, struct aws_json_error *out)
{
    snprintf(out->said, sizeof(out->said), "%.*s", (int)said.n, said.n > 0 ? said.p : "");
}

static void read_error(struct slice body, struct aws_json_error *out)
{
    struct json_reader r;
    struct json_string key, s;
    struct buf text;

    buf_init(&text, ANSWER_SAID_MAX);
    json_open(&r, body, ANSWER_JSON_DEPTH);
    if (json_peek(&r) == JSON_OBJECT && json_enter(&r))
        while (json_member(&r, &key)) {
            bool code = json_string_is(key, "__type");
            bool said = json_string_is(key, "message") || json_string_is(key, "Message");

            if (!(code || said) || json_peek(&r) != JSON_STRING)
                json_skip(&r);
            else if (json_string(&r, &s) && code)
                set_code(decoded(s, &text), out);
            else
                show(decoded(s, &text), out);
        }
    buf_release(&text);
}

/* They show the request as it was signed, its session token among them. */
static bool shows_what_was_signed(const char *code)
{
    return strcasestr(code, "Signature") != NULL;
}

static bool code_has(const char *code, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(code, *words))
            return true;
    return false;
}

static enum aws_trouble trouble_of(int status, const struct aws_json_error *x)
{
    static const char *const BUSY[] = {"Throttl",
                                       "ThroughputExceeded",
                                       "LimitExceeded",
                                       "OverLimit",
                                       "ServiceUnavailable",
                                       "InternalFailure",
                                       "SlowDown",
                                       "TooManyRequests",
                                       "InternalServerError",
                                       "InternalError",
                                       NULL};
    static const char *const EXPIRED[] = {"ExpiredToken", "TokenRefreshRequired", NULL};
    static const char *const CLOCK[] = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture", NULL};

    if (code_has(x->code, EXPIRED))
        return AWS_KEYS_EXPIRED;
    if (code_has(x->code, CLOCK) || (shows_what_was_signed(x->code) && (strstr(x->said, "Signature expired") ||
                                                                        strstr(x->said, "Signature not yet current"))))
        return AWS_CLOCK;
    return status >= 500 || status == 429 || code_has(x->code, BUSY) ? AWS_BUSY : AWS_REFUSED;
}

void aws_error_settle(struct aws_json_error *x, int status)
{
    x->trouble = trouble_of(status, x);
    if (!x->code[0])
        snprintf(x->code, sizeof(x->code), "status %d", status);
    if (shows_what_was_signed(x->code))
        x->said[0] = '\0';
}

void aws_json_judge(const struct http_response *re, struct aws_json_error *out)
{
    struct slice type;

    *out = (struct aws_json_error){.trouble = AWS_FINE};
    if (re->failure != HTTP_OK) {
        out->trouble = AWS_UNREACHED;
        snprintf(out->said, sizeof(out->said), "%s", re->failure_text);
        return;
    }
    if (re->status >= 200 && re->status < 300)
        return;
    read_error(re->body, out);
    type = http_response_header(re, "x-amzn-ErrorType");
    if (type.n == 0)
        type = http_response_header(re, "x-amzn-query-error");
    if (!out->code[0])
        set_code(type, out);
    aws_error_settle(out, re->status);
}
