#include "pipeline/inputs/kinesis/store.h"

#include "pipeline/inputs/kinesis/share.h"

#include <string.h>

/* The store cannot be reached, or refuses us: no lease lasts for as long as the usual pauses. */
nsec store_again(struct share *s, nsec now)
{
    nsec latest = now + s->leases.conf.failover / 3;

    if (s->trouble.again > latest)
        s->trouble.again = latest;
    return s->trouble.again;
}

/* One right of several may be missing: what works says nothing of what does not, unless that is not asked for any more. */
void store_works(struct share *s, const char *operation, nsec now)
{
    if (s->trouble.failing && s->failed && strcmp(operation, s->failed) != 0 &&
        now - s->failed_at < s->leases.conf.failover)
        return;
    connection_works(&s->trouble, now);
}

void store_failed(struct share *s, const struct aws_call *c, const struct err *malformed, nsec now)
{
    s->failed = c->operation;
    s->failed_at = now;
    if (malformed)
        aws_call_malformed(c, &s->trouble, malformed, now);
    else
        aws_call_failed(c, &s->trouble, now);
}
