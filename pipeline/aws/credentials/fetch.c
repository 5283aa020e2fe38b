#include "pipeline/aws/credentials/fetch.h"

#include "pipeline/base/mem.h"

#include <stdio.h>

static int ask_base(struct aws_ask *a, const struct aws_plan *p, const struct sts_place *sts, struct aws_keys *out,
                    struct err *e)
{
    switch (p->base) {
    case AWS_BASE_KEYS:
        *out = *p->keys;
        return 0;
    case AWS_BASE_PROCESS:
        return aws_process_keys(a, p->process, AWS_PROCESS_TIMEOUT, out, e);
    case AWS_BASE_WEB_IDENTITY:
        return aws_sts_web_identity(a, sts, &p->web, p->token_file, out, e);
    case AWS_BASE_CONTAINER:
        return aws_container_keys(a, out, e);
    case AWS_BASE_INSTANCE:
        return aws_instance_keys(a, out, e);
    }
    return err_set(e, ERR_CONFIG, "no AWS credentials"); /* not reached */
}

int aws_fetch(struct aws_ask *a, const struct aws_plan *plan, struct aws_keys *out, struct err *e)
{
    const struct sts_place sts = {.endpoint = plan->sts_endpoint, .region = plan->region};
    struct aws_keys *base = mem_alloc(sizeof(*base));
    int rc = ask_base(a, plan, &sts, out, e);

    for (size_t i = 0; rc == 0 && i < plan->role_count; i++) {
        *base = *out;
        rc = aws_sts_assume(a, &sts, &plan->roles[i], base, out, e);
    }
    if (rc == 0 && out->expires != 0 && out->expires <= clock_wall())
        rc = err_set(e, ERR_REMOTE, "the keys that came have expired already");
    if (rc == 0)
        aws_plan_describe(plan, out->source, sizeof(out->source));
    aws_keys_wipe(base);
    mem_free(base);
    return rc;
}
