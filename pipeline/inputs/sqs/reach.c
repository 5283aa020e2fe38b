#include "pipeline/inputs/sqs/reach.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/aws/probe.h"
#include "pipeline/inputs/sqs/call.h"

#include <assert.h>

struct aws_caller_conf sqs_caller_conf(const struct sqs_conf *c, char address[ENDPOINT_URL_MAX + 1],
                                       char region[SQS_REGION_MAX])
{
    sqs_conf_address(c, address);
    sqs_conf_region(c, region);
    return (struct aws_caller_conf){.service = &sqs_service,
                                    .input = "sqs",
                                    .source = c->queue_url,
                                    .address = address,
                                    .keys = &c->aws.keys,
                                    .region = region,
                                    .tls = &c->aws.tls,
                                    .proxy = c->aws.proxy,
                                    .answer_max = SQS_ANSWER_MAX,
                                    .answer_factor = SQS_ANSWER_FACTOR,
                                    .hint = sqs_hint};
}

/* A message that is not there is put off: of what may be asked of a queue this alone changes nothing and needs no more rights than the input
 * has anyway. */
int sqs_probe(const void *conf, const struct input_probe *p, struct err *e)
{
    const struct sqs_conf *c = conf;
    const char *handle = "sluice-validate";
    char address[ENDPOINT_URL_MAX + 1], region[SQS_REGION_MAX];
    struct aws_caller_conf caller = sqs_caller_conf(c, address, region);
    struct buf text;
    int rc;

    buf_init(&text, SQS_REQUEST_MAX);
    rc = sqs_entries_text(SQS_EXTEND, c->queue_url, &handle, 1, 0, &text);
    assert(rc == 0);
    rc = aws_probe(&caller, sqs_operation_name(SQS_EXTEND), buf_slice(&text), p, e);
    buf_release(&text);
    return rc;
}
