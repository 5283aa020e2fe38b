#include "pipeline/inputs/sqs/call.h"

#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct aws_json_service sqs_service = {.name = "sqs", .prefix = "AmazonSQS", .version = "1.0"};

const char *sqs_operation_name(enum sqs_operation op)
{
    static const char *const NAMES[] = {[SQS_RECEIVE] = "ReceiveMessage",
                                        [SQS_DELETE] = "DeleteMessageBatch",
                                        [SQS_EXTEND] = "ChangeMessageVisibilityBatch",
                                        [SQS_GIVE_BACK] = "ChangeMessageVisibilityBatch",
                                        [SQS_COUNT] = "GetQueueAttributes"};

    return NAMES[op];
}

const char *sqs_hint(const char *code)
{
    if (strstr(code, "QueueDoesNotExist") || strstr(code, "NonExistentQueue"))
        return "there is no such queue in this region and account: look at queue_url and region";
    if (strstr(code, "AccessDenied"))
        return "the keys may not do this: allow sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility "
               "on the queue "
               "(and kms:Decrypt for an encrypted one)";
    return NULL;
}

static int add_queue(const char *queue_url, struct buf *out)
{
    return buf_add_str(out, "{\"QueueUrl\":") < 0 ? -1 : json_quote(slice_str(queue_url), out);
}

/* AttributeNames is the older name of MessageSystemAttributeNames, which older servers alone know. */
int sqs_receive_text(const struct sqs_receive *c, struct buf *out)
{
    if (add_queue(c->queue_url, out) < 0 ||
        buf_printf(out, ",\"MaxNumberOfMessages\":%u,\"WaitTimeSeconds\":%u,\"VisibilityTimeout\":%u", c->count,
                   c->wait, c->visibility) < 0 ||
        buf_add_str(out, ",\"AttributeNames\":[\"All\"],\"MessageSystemAttributeNames\":[\"All\"]"
                         ",\"MessageAttributeNames\":[\"All\"]") < 0)
        return -1;
    if (c->attempt_id && buf_printf(out, ",\"ReceiveRequestAttemptId\":\"%s\"", c->attempt_id) < 0)
        return -1;
    return buf_add_char(out, '}');
}

static int add_entry(enum sqs_operation op, size_t i, const char *handle, unsigned visibility, struct buf *out)
{
    if (buf_printf(out, "%s{\"Id\":\"%zu\",\"ReceiptHandle\":", i > 0 ? "," : "", i) < 0 ||
        json_quote(slice_str(handle), out) < 0)
        return -1;
    if (op != SQS_DELETE && buf_printf(out, ",\"VisibilityTimeout\":%u", op == SQS_EXTEND ? visibility : 0) < 0)
        return -1;
    return buf_add_char(out, '}');
}

int sqs_entries_text(enum sqs_operation op, const char *queue_url, const char *const *handles, size_t n,
                     unsigned visibility, struct buf *out)
{
    if (add_queue(queue_url, out) < 0 || buf_add_str(out, ",\"Entries\":[") < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (add_entry(op, i, handles[i], visibility, out) < 0)
            return -1;
    return buf_add_str(out, "]}");
}

int sqs_count_text(const char *queue_url, struct buf *out)
{
    return add_queue(queue_url, out) < 0 ? -1
                                         : buf_add_str(out, ",\"AttributeNames\":[\"ApproximateNumberOfMessages\"]}");
}

/* --- answers ------------------------------------------------------------------------------------------------------- */

static bool take_text(struct json_reader *r, char *out, size_t size)
{
    struct json_string s;
    struct buf text;
    bool fine;

    buf_init(&text, ANSWER_SAID_MAX);
    fine = json_string(r, &s) && json_unescape(s, &text) == 0;
    if (fine)
        snprintf(out, size, "%s", buf_cstr(&text));
    buf_release(&text);
    return fine;
}

/* Nothing can be done with a handle that the queue does not know any more. */
static bool is_gone(const char *code)
{
    return strstr(code, "ReceiptHandle") || strstr(code, "MessageNotInflight") || strstr(code, "InvalidParameterValue");
}

static bool take_fate(struct json_reader *r, bool failed, size_t n, struct sqs_fates *out)
{
    char id[8] = "", code[sizeof(out->code)] = "";
    struct json_string key;
    bool fine = json_enter(r);

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "Id") && json_peek(r) == JSON_STRING)
            fine = take_text(r, id, sizeof(id));
        else if (json_string_is(key, "Code") && json_peek(r) == JSON_STRING)
            fine = take_text(r, code, sizeof(code));
        else
            json_skip(r);
    }
    if (!fine || r->error || id[0] < '0' || id[0] > '9' || id[1] || (size_t)(id[0] - '0') >= n)
        return false;
    out->fate[id[0] - '0'] = !failed ? SQS_DONE : is_gone(code) ? SQS_GONE : SQS_FAILED;
    if (failed)
        snprintf(out->code, sizeof(out->code), "%s", code);
    return true;
}

_Static_assert(SQS_BATCH_MAX <= 10, "an entry's id is one digit");

int sqs_entries_read(struct slice answer, size_t n, struct sqs_fates *out, struct err *e)
{
    struct json_string key;
    struct json_reader r;
    bool fine;

    *out = (struct sqs_fates){.code = ""};
    json_open(&r, answer, ANSWER_JSON_DEPTH);
    fine = json_peek(&r) == JSON_OBJECT && json_enter(&r);
    while (fine && json_member(&r, &key)) {
        bool failed = json_string_is(key, "Failed");

        if (!(failed || json_string_is(key, "Successful")) || json_peek(&r) != JSON_ARRAY) {
            json_skip(&r);
            continue;
        }
        fine = json_enter(&r);
        while (fine && json_element(&r))
            fine = take_fate(&r, failed, n, out);
    }
    return fine && json_end(&r) ? 0 : err_set(e, ERR_FORMAT, "the answer is not what SQS answers");
}

static bool take_count(struct json_reader *r, uint64_t *waiting)
{
    char text[24] = "";
    struct json_string key;
    bool fine = json_enter(r);
    int end = 0;

    while (fine && json_member(r, &key)) {
        if (json_string_is(key, "ApproximateNumberOfMessages") && json_peek(r) == JSON_STRING)
            fine = take_text(r, text, sizeof(text));
        else
            json_skip(r);
    }
    return fine && !r->error && text[0] >= '0' && text[0] <= '9' &&
           sscanf(text, "%19" SCNu64 "%n", waiting, &end) == 1 && !text[end];
}

int sqs_count_read(struct slice answer, uint64_t *waiting)
{
    struct json_string key;
    struct json_reader r;
    bool fine, found = false;

    json_open(&r, answer, ANSWER_JSON_DEPTH);
    fine = json_peek(&r) == JSON_OBJECT && json_enter(&r);
    while (fine && json_member(&r, &key)) {
        if (json_string_is(key, "Attributes") && json_peek(&r) == JSON_OBJECT)
            fine = found = take_count(&r, waiting);
        else
            json_skip(&r);
    }
    return fine && found && json_end(&r) ? 0 : -1;
}
