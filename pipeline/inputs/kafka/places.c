/* Where a partition begins is asked of the spool, the group and the log, and decided by kafka_decide(); the same when a place is lost while it is
 * read, because the log has no such offset any more or turned out to be another one.
 *
 * The questions go to the brokers and are waited for, each for a short time. One that is not answered is asked again with all others in a
 * later turn: until then nothing is assigned, the group's heartbeat goes on, and nothing is lost. */
#include "pipeline/inputs/kafka/impl.h"

#include "pipeline/base/mem.h"

#include <string.h>

typedef rd_kafka_topic_partition_list_t parts_list;

static parts_list *list_of(const struct input *in, bool (*wanted)(const struct kafka_part *part))
{
    parts_list *l = rd_kafka_topic_partition_list_new((int)in->parts.n);

    for (size_t i = 0; i < in->parts.n; i++)
        if (wanted(in->parts.v[i]))
            rd_kafka_topic_partition_list_add(l, in->parts.v[i]->topic, in->parts.v[i]->partition);
    return l;
}

static bool is_asked(const struct kafka_part *part)
{
    return part->state == KAFKA_PART_ASKED;
}

static bool is_read(const struct kafka_part *part)
{
    return part->state == KAFKA_PART_READ;
}

static bool is_lost(const struct kafka_part *part)
{
    return part->state == KAFKA_PART_SEEK && part->lost_place;
}

static bool is_seeking(const struct kafka_part *part)
{
    return part->state == KAFKA_PART_SEEK && !part->lost_place;
}

static struct kafka_part *part_of(struct input *in, const rd_kafka_topic_partition_t *x)
{
    return kafka_parts_find(&in->parts, x->topic, x->partition);
}

/* --- questions ------------------------------------------------------------------------------------------------------ */

/* Whose positions are these? Offsets of one cluster mean nothing in another. */
static bool know_cluster(struct input *in, nsec now)
{
    const struct rd_kafka_metadata *md;
    rd_kafka_resp_err_t err;
    char *id;

    if (in->cluster[0])
        return true;
    err = rd_kafka_metadata(in->rk, 0, NULL, &md, KAFKA_ASK_MS);
    if (err) {
        kafka_ask_failed(in, "Metadata", err, now);
        return false;
    }
    rd_kafka_metadata_destroy(md);
    id = rd_kafka_clusterid(in->rk, 0);
    snprintf(in->cluster, sizeof(in->cluster), "%s", id && *id ? id : "-"); /* very old brokers have none */
    if (id)
        rd_kafka_mem_free(in->rk, id);
    for (char *p = in->cluster; *p; p++)
        if (*p == ' ')
            *p = '_';
    return true;
}

/* The first error of a list; what was asked for all is known or nothing is. */
static rd_kafka_resp_err_t first_error(const parts_list *l)
{
    for (int i = 0; i < l->cnt; i++)
        if (l->elems[i].err)
            return l->elems[i].err;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool ask_group(struct input *in, parts_list *l, nsec now)
{
    rd_kafka_resp_err_t err;

    if (input_thread_ends(in->thread))
        return false;
    err = rd_kafka_committed(in->rk, l, KAFKA_ASK_MS);
    if (!err)
        err = first_error(l);
    if (err)
        kafka_ask_failed(in, "OffsetFetch", err, now);
    return !err;
}

/* `time`: milliseconds, or one of KAFKA_START_*. The offsets come in its place; behind the end: -1. */
static bool ask_log(struct input *in, parts_list *l, int64_t time, nsec now)
{
    rd_kafka_resp_err_t err;

    if (input_thread_ends(in->thread))
        return false;
    for (int i = 0; i < l->cnt; i++) {
        l->elems[i].offset = time;
        l->elems[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    err = rd_kafka_offsets_for_times(in->rk, l, KAFKA_ASK_MS);
    if (!err)
        err = first_error(l);
    if (err)
        kafka_ask_failed(in, "ListOffsets", err, now);
    return !err;
}

bool kafka_ask_ends(struct input *in, nsec now)
{
    parts_list *l = list_of(in, is_read);
    bool fine = l->cnt == 0 || ask_log(in, l, KAFKA_START_LATEST, now);

    for (int i = 0; fine && i < l->cnt; i++)
        part_of(in, &l->elems[i])->high = l->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(l);
    return fine;
}

static bool ask_bounds(struct input *in, parts_list *l, nsec now)
{
    if (!ask_log(in, l, KAFKA_START_EARLIEST, now))
        return false;
    for (int i = 0; i < l->cnt; i++)
        part_of(in, &l->elems[i])->known.low = l->elems[i].offset;
    if (!ask_log(in, l, KAFKA_START_LATEST, now))
        return false;
    for (int i = 0; i < l->cnt; i++)
        part_of(in, &l->elems[i])->known.high = l->elems[i].offset;
    return true;
}

/* --- what the spool says --------------------------------------------------------------------------------------------- */

struct finding {
    struct input *in;
    struct slice source; /* one of these, or */
    const char *topic;   /* any of this topic */
    bool found;
    struct kafka_position position;
};

static bool each_position(void *ctx, struct slice source, struct slice cursor)
{
    struct finding *f = ctx;
    struct slice topic;

    if (f->topic)
        f->found = kafka_source_is_of(source, slice_str(f->in->cluster), slice_str(f->in->conf->group), &topic) &&
                   slice_is(topic, f->topic);
    else
        f->found = slice_eq(source, f->source) && kafka_cursor_parse(cursor, &f->position);
    return !f->found;
}

static struct kafka_position of_spool(struct input *in, const struct kafka_part *part)
{
    char text[POSITION_SOURCE_MAX + 1];
    struct finding f = {.in = in,
                        .source = kafka_source(slice_str(in->cluster), slice_str(in->conf->group),
                                               slice_str(part->topic), part->partition, text)};

    spool_positions(in->env.spool, each_position, &f);
    return f.found ? f.position : KAFKA_NOWHERE;
}

/* Seals (batches.h) stand behind it. */
static struct slice first_line(struct slice s)
{
    const char *nl = s.n > 0 ? memchr(s.p, '\n', s.n) : NULL;

    return nl ? slice_of(s.p, (size_t)(nl - s.p)) : s;
}

static struct kafka_position of_group(const rd_kafka_topic_partition_t *x)
{
    struct kafka_position p;

    if (x->offset < 0)
        return KAFKA_NOWHERE;
    if (!kafka_cursor_parse(first_line(slice_of(x->metadata, x->metadata ? x->metadata_size : 0)), &p) ||
        p.next != x->offset)
        p = (struct kafka_position){.next = x->offset, .last = {.offset = -1}}; /* somebody else committed it */
    return p;
}

/* --- a partition that nobody knows ------------------------------------------------------------------------------------- */

/* Was something of this topic read before, by this group? Then a partition that is not known is a new one of it, and `latest` would lose what
 * was written into it until now. Members that begin at the same time must not take one another for that "before": so what begins by the
 * option is committed a little later. */
static bool topic_is_known(struct input *in, const char *topic, const struct rd_kafka_metadata *md, bool *known,
                           nsec now)
{
    struct finding f = {.in = in, .topic = topic};
    parts_list *all = rd_kafka_topic_partition_list_new(16);
    bool fine = true;

    spool_positions(in->env.spool, each_position, &f);
    *known = f.found;
    for (int i = 0; i < md->topic_cnt && !*known; i++)
        for (int j = 0; strcmp(md->topics[i].topic, topic) == 0 && j < md->topics[i].partition_cnt; j++)
            rd_kafka_topic_partition_list_add(all, topic, md->topics[i].partitions[j].id);
    if (all->cnt > 0) {
        fine = ask_group(in, all, now);
        for (int i = 0; i < all->cnt; i++)
            *known |= all->elems[i].offset >= 0;
    }
    rd_kafka_topic_partition_list_destroy(all);
    return fine;
}

static bool is_unknown(const struct kafka_part *part)
{
    return is_asked(part) && part->known.spool.next < 0 && part->known.group.next < 0;
}

static bool ask_start(struct input *in, nsec now)
{
    parts_list *l = list_of(in, is_unknown);
    const struct rd_kafka_metadata *md = NULL;
    const char *topic = NULL;
    bool fine = true, known = false;
    int64_t time;

    if (!kafka_conf_start(in->conf, &time)) /* it was checked */
        time = KAFKA_START_EARLIEST;
    if (l->cnt > 0 && time != KAFKA_START_EARLIEST) {
        rd_kafka_resp_err_t err = rd_kafka_metadata(in->rk, 0, NULL, &md, KAFKA_ASK_MS);

        if (err)
            kafka_ask_failed(in, "Metadata", err, now);
        fine = !err && ask_log(in, l, time, now);
    }
    for (int i = 0; fine && i < l->cnt; i++) {
        struct kafka_part *part = part_of(in, &l->elems[i]);

        part->known.start = time == KAFKA_START_EARLIEST ? part->known.low : l->elems[i].offset;
        if (part->known.start < 0)
            part->known.start = part->known.high;
        if (time == KAFKA_START_EARLIEST)
            continue;
        if (!topic || strcmp(topic, part->topic) != 0)
            fine = topic_is_known(in, part->topic, md, &known, now);
        topic = part->topic;
        if (known)
            part->known.start = part->known.low;
    }
    if (md)
        rd_kafka_metadata_destroy(md);
    rd_kafka_topic_partition_list_destroy(l);
    return fine;
}

/* --- a place ---------------------------------------------------------------------------------------------------------- */

/* A new leader may know less for a moment. */
static bool is_short(struct kafka_part *part, nsec now)
{
    const struct kafka_known *k = &part->known;

    if (k->again || (k->spool.next <= k->high && k->group.next <= k->high)) {
        part->short_since = 0;
        return false;
    }
    if (part->short_since == 0)
        part->short_since = now;
    return now - part->short_since < KAFKA_SHORTER_TIME;
}

static void say_place(struct input *in, const struct kafka_part *part, const struct kafka_begin *b, nsec now)
{
    if (b->from == KAFKA_FROM_AGAIN && log_due(&in->again, now, NSEC_PER_SEC))
        log_warn(
            "a topic is not the one that was read before: it was deleted and made again, or has lost its end. It is "
            "read from its beginning",
            KS("stream", in->env.stream), KS("input", in->label), KS("topic", part->topic),
            KI("partition", part->partition), KI("offset", b->next),
            KS("hint", "nothing to do if it was made again; if brokers lost a part of it, records that are "
                       "delivered already come once more"));
    if (b->missed == 0)
        return;
    input_health_error(in->env.health, "records were deleted from a topic before they were read",
                       "let the topic keep its records longer (retention.ms, retention.bytes)", now);
    if (log_due(&in->missed, now, NSEC_PER_SEC))
        log_error("records were deleted from a topic before they were read", KS("stream", in->env.stream),
                  KS("input", in->label), KS("topic", part->topic), KI("partition", part->partition),
                  KU("offsets_missed", b->missed), KI("offset", b->next),
                  KS("hint", "let the topic keep its records longer (retention.ms, retention.bytes), and see why this "
                             "stream fell behind"));
}

/* Returns where to read from. What is known only by the option, or by a rule, is written down: after a crash it would be another place. */
static int64_t set_place(struct input *in, struct kafka_part *part, nsec now)
{
    const struct kafka_begin b = kafka_decide(&part->known);
    const struct kafka_position *p = b.from == KAFKA_FROM_SPOOL ? &part->known.spool : &part->known.group;
    char source[POSITION_SOURCE_MAX + 1], cursor[KAFKA_CURSOR_MAX];
    bool kept = (b.from == KAFKA_FROM_SPOOL || b.from == KAFKA_FROM_GROUP) && b.missed == 0;

    say_place(in, part, &b, now);
    part->from = b.from;
    part->seen = kept ? *p : (struct kafka_position){.next = b.next, .last = {.offset = -1}};
    part->safe = part->seen;
    part->looking = b.read < b.next;
    part->end = part->known.high;
    part->ended = b.next >= part->end;
    part->short_since = 0;
    if (in->env.seals)
        kafka_shared_begins(in, part, b.from == KAFKA_FROM_AGAIN || b.from == KAFKA_FROM_START);
    else if (!kept)
        spool_remember(in->env.spool,
                       kafka_source(slice_str(in->cluster), slice_str(in->conf->group), slice_str(part->topic),
                                    part->partition, source),
                       kafka_cursor(&part->seen, cursor));
    return b.read;
}

/* What the group knows is all there is. */
static void restore_batches(struct input *in, struct kafka_part *part, const rd_kafka_topic_partition_t *x)
{
    struct slice metadata = slice_of(x->metadata, x->metadata ? x->metadata_size : 0);

    part->known.spool = KAFKA_NOWHERE;
    if (!kafka_batches_restore(&part->batches, x->offset < 0 ? -1 : x->offset, metadata) && x->offset >= 0 &&
        metadata.n > 0)
        log_warn("the group's offset was committed by another program, or another version: its metadata says nothing "
                 "of batches",
                 KS("stream", in->env.stream), KS("input", in->label), KS("topic", part->topic),
                 KI("partition", part->partition), KI("offset", x->offset),
                 KS("hint", "what that one had begun to deliver may come twice"));
}

bool kafka_find_begin(struct input *in, nsec now)
{
    parts_list *l = list_of(in, is_asked);
    rd_kafka_error_t *error = NULL;
    bool fine = true, known;

    /* What is on its way to the spool since it was ours the last time is part of its position there. */
    for (int i = 0; i < l->cnt; i++)
        fine &= !kafka_part_is_busy(part_of(in, &l->elems[i]));
    if (l->cnt > 0)
        fine = fine && know_cluster(in, now) && ask_group(in, l, now);
    for (int i = 0; fine && i < l->cnt; i++) {
        struct kafka_part *part = part_of(in, &l->elems[i]);

        part->known = (struct kafka_known){.spool = of_spool(in, part), .group = of_group(&l->elems[i])};
        if (in->env.seals)
            restore_batches(in, part, &l->elems[i]);
        part->committed = part->known.group.next;
    }
    if (l->cnt > 0)
        fine = fine && ask_bounds(in, l, now) && ask_start(in, now);
    known = fine;
    for (int i = 0; known && i < l->cnt; i++) /* of each, so that all wait at the same time */
        if (is_short(part_of(in, &l->elems[i]), now)) {
            fine = false;
            in->ask_again = now + KAFKA_ASK_AGAIN;
        }
    for (int i = 0; fine && i < l->cnt; i++)
        l->elems[i].offset = set_place(in, part_of(in, &l->elems[i]), now);
    if (fine) {
        if (strcmp(rd_kafka_rebalance_protocol(in->rk), "COOPERATIVE") == 0) {
            error = rd_kafka_incremental_assign(in->rk, l);
        } else {
            rd_kafka_resp_err_t err = rd_kafka_assign(in->rk, l);

            error = err ? rd_kafka_error_new(err, "%s", rd_kafka_err2str(err)) : NULL;
        }
    }
    if (error) {
        kafka_ask_failed(in, "assign", rd_kafka_error_code(error), now);
        rd_kafka_error_destroy(error);
        in->dead = true;
    } else if (fine) {
        for (int i = 0; i < l->cnt; i++) {
            struct kafka_part *part = part_of(in, &l->elems[i]);

            part->state = KAFKA_PART_READ;
            if (part->from == KAFKA_FROM_START && part->seen.next > part->known.low) /* see topic_is_known() */
                in->commit_next = in->commit_not_before = now + KAFKA_START_TIME;
        }
        if (in->env.seals) /* each waits for its turn */
            (void)rd_kafka_pause_partitions(in->rk, l);
        in->heard = true;
        log_info("partitions are read", KS("stream", in->env.stream), KS("input", in->label),
                 KS("group", in->conf->group), KI("more", l->cnt));
    }
    rd_kafka_topic_partition_list_destroy(l);
    return fine;
}

/* --- while it is read ----------------------------------------------------------------------------------------------------- */

static void seek(struct input *in, parts_list *l, nsec now)
{
    rd_kafka_error_t *error = rd_kafka_seek_partitions(in->rk, l, KAFKA_ASK_MS);

    if (error) {
        kafka_ask_failed(in, "seek", rd_kafka_error_code(error), now);
        rd_kafka_error_destroy(error);
        return;
    }
    for (int i = 0; i < l->cnt; i++) {
        if (l->elems[i].err)
            in->ask_again = now + KAFKA_ASK_AGAIN;
        else
            part_of(in, &l->elems[i])->state = KAFKA_PART_READ;
    }
}

void kafka_find_places(struct input *in, nsec now)
{
    parts_list *lost, *l;

    if (now < in->ask_again ||
        in->paused) /* one that is resumed begins where it was paused, wherever it was sought to */
        return;
    lost = list_of(in, is_lost);
    l = list_of(in, is_seeking);
    for (int i = 0; i < l->cnt; i++) {
        const struct kafka_part *part = part_of(in, &l->elems[i]);

        l->elems[i].offset = part->looking ? part->seen.last.offset : part->seen.next;
    }
    if (lost->cnt > 0 && ask_bounds(in, lost, now))
        for (int i = 0; i < lost->cnt; i++) {
            struct kafka_part *part = part_of(in, &lost->elems[i]);

            if (!part->known.again) /* what was on its way then was refused, perhaps */
                part->known.spool = part->seen;
            /* What is on its way is of the log that was read, and its position would come behind the one of this log. */
            if (kafka_part_is_busy(part) || in->turn.part == part || kafka_batches_holds(&part->batches) ||
                is_short(part, now)) {
                in->ask_again = now + KAFKA_ASK_AGAIN;
                continue;
            }
            rd_kafka_topic_partition_list_add(l, part->topic, part->partition)->offset = set_place(in, part, now);
            part->lost_place = false;
        }
    if (l->cnt > 0)
        seek(in, l, now);
    rd_kafka_topic_partition_list_destroy(lost);
    rd_kafka_topic_partition_list_destroy(l);
}
