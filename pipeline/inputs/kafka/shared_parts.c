/* What happens to partitions of their own accord, with `exactly_once: shared`: they come and go, messages of them arrive, what was committed is
 * answered. Turns are shared.c's, which is built on this. */
#include "pipeline/inputs/kafka/impl.h"

#include <string.h>

static void give_back_one(void *ctx, uint64_t number)
{
    const struct input *in = ctx;

    source_journal_return(in->env.seals, number);
}

static void sealed_one(void *ctx, uint64_t number)
{
    const struct input *in = ctx;

    source_journal_sealed(in->env.seals, number);
}

/* --- partitions come and go -------------------------------------------------------------------------------------------------- */

void kafka_shared_begins(struct input *in, struct kafka_part *part, bool again)
{
    if (again) {
        if (part->batches.n > 0)
            log_error(
                "batches that were sealed cannot be delivered once more: their records are not in the topic any more",
                KS("stream", in->env.stream), KS("input", in->label), KS("topic", part->topic),
                KI("partition", part->partition), KU("batches", part->batches.n),
                KS("hint", "the daemon that had the partition before may have delivered them; look at its log"));
        kafka_batches_begin(&part->batches, &part->seen);
    }
    kafka_batches_seen(&part->batches, &part->seen);
    part->high = part->known.high;
    part->waiting_since = 0;
}

void kafka_shared_returns(struct input *in, struct kafka_part *part)
{
    kafka_batches_return(&part->batches, give_back_one, in);
}

void kafka_shared_goes(struct input *in, struct kafka_part *part)
{
    kafka_batches_drop(&part->batches, give_back_one, in);
    if (in->turn.part != part || in->turn.step == KAFKA_TURN_NONE)
        return;
    in->turn.part = NULL;
    in->turn.step = KAFKA_TURN_CLOSE;
}

/* --- messages ------------------------------------------------------------------------------------------------------------------ */

void kafka_turn_end_batch(struct input *in, bool whole, bool over)
{
    in->turn.whole |= whole;
    in->turn.over |= over;
    in->turn.step = KAFKA_TURN_CLOSE;
}

enum kafka_take kafka_shared_wants(struct input *in, struct kafka_part *part, const rd_kafka_message_t *m, nsec now)
{
    struct kafka_turn *t = &in->turn;

    if (t->part != part || (t->step != KAFKA_TURN_READ && t->step != KAFKA_TURN_CLOSE))
        return KAFKA_TAKE_NOT;
    t->heard = now;
    if (t->step == KAFKA_TURN_CLOSE)
        return KAFKA_TAKE_LATER;
    if (m->offset < t->end &&
        (t->owed || t->bytes == 0 || t->bytes + m->len + 1 <= source_journal_limits(in->env.seals).bytes))
        return KAFKA_TAKE;
    kafka_turn_end_batch(in, true, false);
    return KAFKA_TAKE_LATER;
}

void kafka_shared_took(struct input *in, struct kafka_part *part, const rd_kafka_message_t *m)
{
    struct kafka_turn *t = &in->turn;

    if (t->part != part || t->step != KAFKA_TURN_READ)
        return;
    t->bytes += m->len + 1;
    if (part->seen.next >= t->end || (!t->owed && t->bytes >= source_journal_limits(in->env.seals).bytes))
        kafka_turn_end_batch(in, part->seen.next >= t->end, false);
}

void kafka_shared_at_end(struct input *in, struct kafka_part *part)
{
    part->high = part->seen.next;
    if (in->turn.part == part && in->turn.step == KAFKA_TURN_READ)
        kafka_turn_end_batch(in, true, true);
}

/* --- commits ------------------------------------------------------------------------------------------------------------------- */

static bool is_ours(const struct kafka_part *part)
{
    return part->state == KAFKA_PART_READ || part->state == KAFKA_PART_SEEK || part->state == KAFKA_PART_LEAVING;
}

bool kafka_shared_is_due(const struct kafka_part *part)
{
    return is_ours(part) && !part->looking && part->batches.base.next >= 0 && kafka_batches_due(&part->batches);
}

bool kafka_shared_all_committed(const struct input *in)
{
    for (size_t i = 0; i < in->parts.n; i++)
        if (kafka_shared_is_due(in->parts.v[i]))
            return false;
    return !in->committing;
}

bool kafka_shared_is_done(const struct input *in)
{
    for (size_t i = 0; i < in->parts.n; i++)
        if (in->parts.v[i]->batches.n > 0)
            return false;
    return in->turn.step == KAFKA_TURN_NONE;
}

/* The broker has answered, and has not done it; or it was never asked. */
static bool is_refusal(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_UNKNOWN:
        return false;
    case RD_KAFKA_RESP_ERR__NO_OFFSET:
    case RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST:
        return true;
    default:
        return err > 0;
    }
}

void kafka_shared_nobody_knows(struct input *in, const char *cause)
{
    in->dead = true;
    log_warn(
        "whether the group has taken what was committed is not known: this member leaves the group and joins it anew",
        KS("stream", in->env.stream), KS("input", in->label), KS("group", in->conf->group), KS("cause", cause),
        KS("hint", "nothing is lost or doubled by it; look at the group's coordinator if it comes again"));
}

void kafka_shared_committed(struct input *in, rd_kafka_resp_err_t err, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *x = &list->elems[i];
        struct kafka_part *part = kafka_parts_find(&in->parts, x->topic, x->partition);
        rd_kafka_resp_err_t one = err ? err : x->err;

        if (one && !is_refusal(one) && !in->dead && !in->closing)
            kafka_shared_nobody_knows(in, rd_kafka_err2str(one));
        if (part)
            kafka_batches_answered(&part->batches, !one, sealed_one, in);
    }
}

void kafka_shared_commit(struct input *in, nsec now)
{
    rd_kafka_topic_partition_list_t *l;
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (in->committing && now >= in->commit_until)
        kafka_shared_nobody_knows(in, "no answer");
    if (in->committing)
        return;
    l = rd_kafka_topic_partition_list_new(8);
    for (size_t i = 0; i < in->parts.n; i++) {
        struct kafka_part *part = in->parts.v[i];
        char text[KAFKA_METADATA_MAX];
        rd_kafka_topic_partition_t *x;
        struct slice seals;

        if (!kafka_shared_is_due(part))
            continue;
        seals = kafka_batches_offer(&part->batches, text);
        x = rd_kafka_topic_partition_list_add(l, part->topic, part->partition);
        x->offset = part->batches.base.next;
        x->metadata = rd_kafka_mem_malloc(in->rk, seals.n);
        memcpy(x->metadata, seals.p, seals.n);
        x->metadata_size = seals.n;
    }
    in->seal_waits = false;
    in->commit_next = now + KAFKA_COMMIT_EVERY;
    if (l->cnt > 0) {
        in->committing = true;
        in->commit_until = now + KAFKA_COMMIT_TIME;
        err = rd_kafka_commit(in->rk, l, 1);
        if (err) { /* it was not sent */
            in->committing = false;
            kafka_shared_committed(in, RD_KAFKA_RESP_ERR__NO_OFFSET, l);
        }
    }
    rd_kafka_topic_partition_list_destroy(l);
}
