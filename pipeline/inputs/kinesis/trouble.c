/* What is wrong with one shard: it waits, and all others are read meanwhile. */
#include "pipeline/inputs/kinesis/impl.h"

#include "pipeline/base/backoff.h"
#include "pipeline/base/digest.h"

void kinesis_shard_backs_off(struct input *in, struct shard *x, const char *cause, const char *said, const char *hint,
                             nsec now)
{
    input_health_add(in->env.health, INPUT_FAILED_CALLS, 1);
    if (x->failures < KINESIS_FAILURES_MAX)
        x->failures++;
    x->due = now + backoff_wait(x->failures, random_bits());
    if (log_due(&in->throttled, now, KINESIS_SAYS_EVERY))
        log_warn("a shard was not read this time, and is asked again later", KS("stream", in->env.stream),
                 KS("input", in->label), KS("source", in->conf->stream), KS("shard", x->id), KS("cause", cause),
                 KS("said", said), KU("suppressed", in->throttled.suppressed), KS("hint", hint));
}

void kinesis_shard_malformed(struct input *in, struct reader *r, const struct err *e, nsec now)
{
    static const char HINT[] = "the server's answer is wrong: all other shards are read meanwhile";

    input_health_error(in->env.health, e->msg, HINT, now);
    kinesis_shard_backs_off(in, r->shard, e->msg, "", HINT, now);
}
