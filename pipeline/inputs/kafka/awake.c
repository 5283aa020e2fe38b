/* awake.c -- messages out of librdkafka's queue, which is filled again when it is empty.
 *
 * librdkafka asks a broker for more as long as less is queued than it may hold. When an answer fills the queue it stops asking, and the thread
 * that would ask sleeps until something comes from its broker, a second at most: nobody wakes it when the queue runs empty, and so an input
 * that is slower than the brokers for a moment reads no more than one queue a second. (Versions from 2.2 on have an option for how
 * long they sleep, which client.c sets.)
 *
 * So when nothing comes although the log goes on, the brokers are asked where it ends. Nobody wants to know: the question goes out by
 * the thread that sleeps, and awake it looks at the queue, too. When that does not help, it is asked less and less often: there may be
 * a transaction that is not over, and nothing to be had. */
#include "pipeline/inputs/kafka/impl.h"

typedef rd_kafka_topic_partition_list_t parts_list;

/* Of what is read, the partitions whose log goes on behind what was taken. NULL: of none. One that waits for its turn (shared.h) is paused. */
static parts_list *behind(const struct input *in)
{
    parts_list *l = NULL;

    for (size_t i = 0; i < in->parts.n; i++) {
        const struct kafka_part *part = in->parts.v[i];
        int64_t low, high;

        if (part->state != KAFKA_PART_READ || (in->env.seals && part != in->turn.part) ||
            rd_kafka_get_watermark_offsets(in->rk, part->topic, part->partition, &low, &high) !=
                RD_KAFKA_RESP_ERR_NO_ERROR ||
            high <= part->seen.next)
            continue;
        if (!l)
            l = rd_kafka_topic_partition_list_new((int)in->parts.n);
        rd_kafka_topic_partition_list_add(l, part->topic, part->partition)->offset = KAFKA_START_LATEST;
    }
    return l;
}

static nsec longer(nsec pause)
{
    if (pause == 0)
        return KAFKA_NUDGE_FIRST;
    return 2 * pause < KAFKA_NUDGE_MOST ? 2 * pause : KAFKA_NUDGE_MOST;
}

/* What they answer, and whether they do, is of no interest: that is said where questions are meant. */
static void nudge(struct input *in, parts_list *l)
{
    (void)rd_kafka_offsets_for_times(in->rk, l, KAFKA_NUDGE_MS);
    in->nudge_pause = longer(in->nudge_pause);
    in->nudge_next = clock_mono() + in->nudge_pause;
}

static rd_kafka_message_t *when_empty(struct input *in, int wait_ms)
{
    rd_kafka_message_t *m = NULL;
    parts_list *l;

    if (in->paused || clock_mono() < in->nudge_next)
        return rd_kafka_consumer_poll(in->rk, in->nudge_pause > 0 ? KAFKA_SOON_MS : wait_ms);
    l = behind(in);
    if (l) {
        m = rd_kafka_consumer_poll(in->rk, KAFKA_ON_ITS_WAY_MS);
        if (!m)
            nudge(in, l);
        rd_kafka_topic_partition_list_destroy(l);
        return m ? m : rd_kafka_consumer_poll(in->rk, KAFKA_SOON_MS);
    }
    in->nudge_pause = 0;
    in->nudge_next = clock_mono() + KAFKA_NUDGE_FIRST;
    return rd_kafka_consumer_poll(in->rk, wait_ms);
}

rd_kafka_message_t *kafka_next_message(struct input *in, int wait_ms)
{
    rd_kafka_message_t *m = rd_kafka_consumer_poll(in->rk, 0);

    if (!m && wait_ms > 0)
        m = when_empty(in, wait_ms);
    if (m && !m->err && in->nudge_pause > 0) {
        in->nudge_pause = 0;
        in->nudge_next = 0;
    }
    return m;
}
