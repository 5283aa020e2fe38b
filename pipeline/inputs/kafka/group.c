/* The group gives partitions and takes them back, by a call of librdkafka's in the middle of a poll. It is noted there, and answered in turns: what
 * is given when it is known where each partition begins, what is taken when all that was read of it is safe and committed, or the time for
 * that is over. Meanwhile the heartbeat goes on, so the group waits for us.
 *
 * An offset is committed when the records before it are safe in the spool, a little later, and with the mark of the last record (position.h) as
 * its metadata. When the group says that partitions are lost, they are others' already: nothing is committed, and what is not on its way to
 * the spool is given up. */
#include "pipeline/inputs/kafka/impl.h"

#include <string.h>

static bool is_ours(const struct kafka_part *part)
{
    return part->state == KAFKA_PART_READ || part->state == KAFKA_PART_SEEK || part->state == KAFKA_PART_LEAVING;
}

/* --- what is committed ---------------------------------------------------------------------------------------------------- */

static bool is_due(const struct kafka_part *part)
{
    return is_ours(part) && !part->looking && !part->lost_place && part->safe.next >= 0 &&
           part->safe.next != part->committed;
}

/* Of what was passed over nothing waits for the spool. */
static void settle(struct input *in)
{
    for (size_t i = 0; i < in->parts.n; i++) {
        struct kafka_part *part = in->parts.v[i];

        if (is_ours(part) && !kafka_part_is_busy(part))
            part->safe = part->seen;
    }
}

bool kafka_all_committed(const struct input *in)
{
    if (in->env.seals)
        return kafka_shared_all_committed(in);
    for (size_t i = 0; i < in->parts.n; i++)
        if (is_due(in->parts.v[i]))
            return false;
    return !in->committing;
}

void kafka_commit(struct input *in, nsec now)
{
    rd_kafka_topic_partition_list_t *l;

    if (in->env.seals) {
        kafka_shared_commit(in, now);
        return;
    }
    if (in->committing && now < in->commit_until)
        return;
    in->committing = false;
    settle(in);
    l = rd_kafka_topic_partition_list_new(8);
    for (size_t i = 0; i < in->parts.n; i++) {
        const struct kafka_part *part = in->parts.v[i];
        char text[KAFKA_CURSOR_MAX];
        struct slice mark = kafka_cursor(&part->safe, text);
        rd_kafka_topic_partition_t *x;

        if (!is_due(part))
            continue;
        x = rd_kafka_topic_partition_list_add(l, part->topic, part->partition);
        x->offset = part->safe.next;
        x->metadata = rd_kafka_mem_malloc(in->rk, mark.n);
        memcpy(x->metadata, mark.p, mark.n);
        x->metadata_size = mark.n;
    }
    if (l->cnt > 0 && rd_kafka_commit(in->rk, l, 1) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        in->committing = true;
        in->commit_until = now + KAFKA_COMMIT_TIME;
    }
    in->commit_next = now + KAFKA_COMMIT_EVERY;
    rd_kafka_topic_partition_list_destroy(l);
}

/* These come with every rebalance, and the next commit does it. */
static bool is_usual(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION || err == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           err == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS || err == RD_KAFKA_RESP_ERR__NO_OFFSET ||
           err == RD_KAFKA_RESP_ERR__DESTROY || err == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST;
}

void kafka_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct input *in = opaque;
    rd_kafka_resp_err_t first = err;
    const char *hint;

    (void)rk;
    in->committing = false;
    for (int i = 0; list && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *x = &list->elems[i];
        struct kafka_part *part = kafka_parts_find(&in->parts, x->topic, x->partition);

        if (!first)
            first = x->err;
        if (part && !err && !x->err)
            part->committed = x->offset;
    }
    if (in->env.seals)
        kafka_shared_committed(in, err, list);
    in->commit_refused = first != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!first)
        in->heard = true;
    if (!first || is_usual(first) || !log_due(&in->refused, clock_mono(), KAFKA_SAYS_EVERY))
        return;
    hint = kafka_hint(first);
    log_warn("offsets could not be committed to the group, and are committed again", KS("stream", in->env.stream),
             KS("input", in->label), KS("group", in->conf->group), KS("cause", rd_kafka_err2str(first)),
             KS("hint", hint            ? hint
                        : in->env.seals ? "nothing more is delivered until the group takes them"
                                        : "nothing is lost or doubled by it here: the spool has the positions, too"));
}

/* --- partitions come and go ------------------------------------------------------------------------------------------------ */

static void forget_wish(struct input *in)
{
    if (in->leaving)
        rd_kafka_topic_partition_list_destroy(in->leaving);
    in->leaving = NULL;
    in->lost = false;
    in->wish = KAFKA_WISH_NONE;
}

static void goes(struct input *in, struct kafka_part *part)
{
    part->state = KAFKA_PART_GONE;
    if (in->env.seals)
        kafka_shared_goes(in, part);
}

void kafka_leave_parts(struct input *in)
{
    forget_wish(in);
    kafka_give_up_open(in);
    kafka_drop_held(in);
    for (size_t i = 0; i < in->parts.n; i++)
        goes(in, in->parts.v[i]);
    in->committing = in->committing && in->env.seals; /* its answer comes, or the client goes */
    in->paused = false;
    in->full_since = 0;
    kafka_parts_prune(&in->parts);
}

static void unassign(struct input *in, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error = NULL;

    if (strcmp(rd_kafka_rebalance_protocol(in->rk), "COOPERATIVE") == 0)
        error = rd_kafka_incremental_unassign(in->rk, list);
    else
        (void)rd_kafka_assign(in->rk, NULL);
    if (!error)
        return;
    log_debug("partitions could not be given back", KS("stream", in->env.stream), KS("input", in->label),
              KS("cause", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
}

void kafka_answer_wish(struct input *in)
{
    rd_kafka_topic_partition_list_t *none;
    rd_kafka_error_t *error = NULL;

    if (in->wish == KAFKA_WISH_TAKES)
        unassign(in, in->leaving);
    if (in->wish == KAFKA_WISH_GIVES) {
        none = rd_kafka_topic_partition_list_new(1);
        if (strcmp(rd_kafka_rebalance_protocol(in->rk), "COOPERATIVE") == 0)
            error = rd_kafka_incremental_assign(in->rk, none);
        else
            (void)rd_kafka_assign(in->rk, NULL);
        rd_kafka_topic_partition_list_destroy(none);
    }
    if (error)
        rd_kafka_error_destroy(error);
}

static void note_given(struct input *in, const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct kafka_part *part = kafka_parts_get(&in->parts, list->elems[i].topic, list->elems[i].partition);

        part->state = KAFKA_PART_ASKED;
        part->looking = part->lost_place = false;
        part->short_since = 0;
        part->committed = -1;
    }
    in->wish = KAFKA_WISH_GIVES;
    in->ask_again = 0;
}

static void note_taken(struct input *in, const rd_kafka_topic_partition_list_t *list, nsec now)
{
    in->wish = KAFKA_WISH_TAKES;
    in->leaving = rd_kafka_topic_partition_list_copy(list);
    in->lost = rd_kafka_assignment_lost(in->rk);
    in->wish_until = now + (in->env.seals ? KAFKA_UPLOADS_TIME : KAFKA_REVOKE_TIME);
    for (int i = 0; i < list->cnt; i++) {
        struct kafka_part *part = kafka_parts_find(&in->parts, list->elems[i].topic, list->elems[i].partition);

        if (part)
            part->state = KAFKA_PART_LEAVING;
    }
}

void kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct input *in = opaque;

    in->joined |= err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    forget_wish(in);
    for (size_t i = 0; i < in->parts.n; i++) /* of a wish that is over without an answer */
        if (in->parts.v[i]->state == KAFKA_PART_LEAVING && !in->closing)
            goes(in, in->parts.v[i]);
    if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !in->closing) {
        note_given(in, list);
    } else if (err == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS && !in->closing) {
        note_taken(in, list, clock_mono());
    } else if (err == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        unassign(in, list);
    } else {
        kafka_leave_parts(in);
        (void)rd_kafka_assign(rk, NULL);
    }
}

/* Is something of those that leave still in hand? */
static bool any_leaving_busy(const struct input *in)
{
    for (size_t i = 0; i < in->parts.n; i++)
        if (in->parts.v[i]->state == KAFKA_PART_LEAVING &&
            (kafka_part_is_busy(in->parts.v[i]) || is_due(in->parts.v[i])))
            return true;
    return false;
}

static bool any_leaving_in_open(const struct input *in)
{
    if (!in->window.open)
        return false;
    for (size_t i = 0; i < in->parts.n; i++)
        if (in->parts.v[i]->state == KAFKA_PART_LEAVING && kafka_part_is_busy(in->parts.v[i]))
            return true;
    return false;
}

/* Of a partition that leaves nothing is read any more: a message of it that waits is the next owner's. */
static void drop_held_of_leaving(struct input *in)
{
    const struct kafka_part *part =
        in->held ? kafka_parts_find(&in->parts, rd_kafka_topic_name(in->held->rkt), in->held->partition) : NULL;

    if (part && part->state == KAFKA_PART_LEAVING)
        kafka_drop_held(in);
}

static void give_back(struct input *in, nsec now)
{
    bool late = now >= in->wish_until, shared = in->env.seals;

    if (shared && !kafka_shared_gives_back(in, late, now))
        return;
    drop_held_of_leaving(in);
    if (!shared && (in->lost || now >= in->wish_until - KAFKA_REVOKE_TIME / 2) && any_leaving_in_open(in))
        kafka_give_up_open(in);
    if (!shared && !in->lost && !late) {
        if (!in->commit_refused || now >= in->commit_next)
            kafka_commit(in, now);
        if (in->committing || any_leaving_busy(in))
            return;
    }
    if (late && !in->lost && shared)
        log_warn("partitions go to another member of the group before all deliveries of them have ended: that member "
                 "makes these "
                 "anew, under the same names",
                 KS("stream", in->env.stream), KS("input", in->label), KS("group", in->conf->group),
                 KS("hint", "look at the destination, and at the group's coordinator"));
    else if (late && !in->lost)
        log_warn(
            "partitions go to another member of the group before all that was read of them is safe here: some records "
            "may come twice",
            KS("stream", in->env.stream), KS("input", in->label), KS("group", in->conf->group),
            KS("hint", "look at the disk of the spool, and at the group's coordinator"));
    if (in->lost)
        log_warn("the group has given this member's partitions to others, because it was not heard of in time",
                 KS("stream", in->env.stream), KS("input", in->label), KS("group", in->conf->group),
                 KS("hint", "look at the network to the brokers, and whether this machine is too busy"));
    unassign(in, in->leaving);
    for (size_t i = 0; i < in->parts.n; i++)
        if (in->parts.v[i]->state == KAFKA_PART_LEAVING)
            goes(in, in->parts.v[i]);
    log_info("partitions were given back", KS("stream", in->env.stream), KS("input", in->label),
             KS("group", in->conf->group), KI("fewer", in->leaving->cnt));
    forget_wish(in);
    kafka_parts_prune(&in->parts);
}

void kafka_pause(struct input *in, bool pause)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)in->parts.n);

    for (size_t i = 0; i < in->parts.n; i++)
        if (is_ours(in->parts.v[i]) && (!in->env.seals || in->turn.part == in->parts.v[i]))
            rd_kafka_topic_partition_list_add(l, in->parts.v[i]->topic, in->parts.v[i]->partition);
    if (l->cnt > 0)
        (void)(pause ? rd_kafka_pause_partitions(in->rk, l) : rd_kafka_resume_partitions(in->rk, l));
    in->paused = pause;
    rd_kafka_topic_partition_list_destroy(l);
}

void kafka_group_turn(struct input *in, nsec now)
{
    switch (in->wish) {
    case KAFKA_WISH_GIVES:
        if (now < in->ask_again || !kafka_find_begin(in, now))
            break;
        forget_wish(in);
        in->assigned = true;
        if (in->paused)
            kafka_pause(in, true);
        break;
    case KAFKA_WISH_TAKES:
        give_back(in, now);
        break;
    case KAFKA_WISH_NONE:
        break;
    }
    if (now >= in->commit_next || (in->seal_waits && now >= in->commit_not_before))
        kafka_commit(in, now);
    kafka_parts_prune(&in->parts);
}
