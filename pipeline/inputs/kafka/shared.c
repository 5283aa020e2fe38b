/* The turns, and how partitions are given back. What happens in between is shared_parts.c's. */
#include "pipeline/inputs/kafka/shared.h"

#include "pipeline/base/digest.h"
#include "pipeline/inputs/kafka/impl.h"

#include <assert.h>
#include <string.h>

/* --- the partition that has the turn ------------------------------------------------------------------------------------------ */

static void pause_part(struct input *in, const struct kafka_part *part, bool pause)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(l, part->topic, part->partition);
    (void)(pause ? rd_kafka_pause_partitions(in->rk, l) : rd_kafka_resume_partitions(in->rk, l));
    rd_kafka_topic_partition_list_destroy(l);
}

/* All that is safe and in no batch is one, which nobody delivers here. */
static void give_back_open(struct input *in)
{
    const struct source_batch none = {.named = 1, .salt = 1};
    uint64_t number = source_journal_add(in->env.seals, &none, NULL);

    if (number)
        source_journal_return(in->env.seals, number);
}

static void end_turn(struct input *in)
{
    if (in->turn.part && in->rk && !in->closing && in->turn.part->state != KAFKA_PART_GONE)
        pause_part(in, in->turn.part, true);
    kafka_drop_held(in); /* whose turn it is next is sought to */
    in->turn = (struct kafka_turn){.step = KAFKA_TURN_NONE};
}

static void begin_batch(struct input *in)
{
    struct kafka_turn *t = &in->turn;
    int64_t end;

    t->owed = kafka_batches_next(&t->part->batches, t->part->seen.next, &end) != NULL;
    t->from = t->part->seen.next;
    t->end = t->owed || end < t->part->high ? end : t->part->high;
    t->bytes = 0;
    t->whole = false;
}

/* Names of all who have this batch begin with the same numbers. */
static struct source_batch batch_of(const struct input *in, const struct kafka_part *part, int64_t from)
{
    char source[POSITION_SOURCE_MAX + 1];
    unsigned char sum[SHA256_BYTES];
    struct source_batch b = {.named = (uint64_t)from + 1};

    sha256_of(kafka_source(slice_str(in->cluster), slice_str(in->conf->group), slice_str(part->topic), part->partition,
                           source),
              sum);
    memcpy(&b.salt, sum, sizeof(b.salt));
    b.salt |= 1;
    return b;
}

static void say_changed(struct input *in, const struct kafka_part *part, const struct kafka_batch *owed,
                        uint64_t records)
{
    log_error("a batch that an earlier owner sealed cannot be made as it was: what is there of it is delivered under a "
              "new name, and "
              "may be there twice",
              KS("stream", in->env.stream), KS("input", in->label), KS("topic", part->topic),
              KI("partition", part->partition), KI("offset", owed->from), KU("records", records),
              KU("records_sealed", owed->records),
              KS("hint", "retention or compaction took records of it, or daemons of the group differ in `tombstones`, "
                         "`isolation` or `spool.limit`"));
}

static void close_owed(struct input *in)
{
    struct kafka_turn *t = &in->turn;
    struct kafka_part *part = t->part;
    uint64_t records = source_journal_open_records(in->env.seals), number = 0;
    int64_t end;
    const struct kafka_batch *owed = kafka_batches_next(&part->batches, t->from, &end);
    bool same = kafka_batch_is_as_it_was(owed, &part->seen, records);
    struct source_batch b = batch_of(in, part, owed->from);

    if (same) {
        b.note = slice_of(owed->note, owed->note_bytes);
        b.oldest = owed->oldest;
    } else {
        say_changed(in, part, owed, records);
        input_health_error(in->env.health, "a sealed batch cannot be made as it was", "see the log", clock_mono());
    }
    if (records > 0)
        number = source_journal_add(in->env.seals, &b, NULL);
    kafka_batches_add_owed(&part->batches, owed, same, &part->seen, records, number);
}

static void close_new(struct input *in)
{
    struct kafka_turn *t = &in->turn;
    struct kafka_part *part = t->part;
    const struct source_batch b = batch_of(in, part, t->from);
    uint64_t records, number = source_journal_add(in->env.seals, &b, &records);

    if (number == 0)
        return;
    kafka_batches_add(&part->batches, t->from, &part->seen, records, number);
    part->record_bytes = t->bytes / records + 1;
}

/* An owed batch that was not read to its end is read again, all of it. */
static void read_again_later(struct input *in)
{
    struct kafka_part *part = in->turn.part;

    give_back_open(in);
    part->seen = part->safe = part->turn_from;
    in->turn.over = true;
}

/* No more batches of it; one that is owed has its place. */
static bool cannot_take(const struct kafka_part *part)
{
    int64_t end;

    return !kafka_batches_next(&part->batches, part->seen.next, &end) &&
           kafka_batches_is_full(&part->batches, end < INT64_MAX);
}

/* All of the batch is safe in the spool. */
static void close_batch(struct input *in, nsec now)
{
    struct kafka_turn *t = &in->turn;
    struct kafka_part *part = t->part;

    if (!part || part->state == KAFKA_PART_LEAVING) {
        give_back_open(in);
        end_turn(in);
        return;
    }
    if (t->owed && !t->whole)
        read_again_later(in);
    else if (t->owed)
        close_owed(in);
    else
        close_new(in);
    kafka_batches_seen(&part->batches, &part->seen);
    part->turn_from = part->seen;
    part->waiting_since = 0;
    t->over |= ++t->batches >= KAFKA_TURN_BATCHES || part->seen.next >= part->high || cannot_take(part) ||
               part->state != KAFKA_PART_READ ||
               !spool_has_room(in->env.spool, source_journal_limits(in->env.seals).bytes);
    if (t->over) {
        end_turn(in);
        return;
    }
    begin_batch(in);
    t->heard = now;
    t->step = KAFKA_TURN_READ;
}

/* --- whose turn it is -------------------------------------------------------------------------------------------------------- */

static bool has_waited(const struct input *in, const struct kafka_part *part, const struct source_limits *l, nsec now)
{
    uint64_t waiting;

    if (part->high <= part->seen.next)
        return false;
    waiting = (uint64_t)(part->high - part->seen.next);
    return in->env.once || waiting >= l->bytes / (part->record_bytes ? part->record_bytes : KAFKA_RECORD_GUESS) + 1 ||
           (part->waiting_since && now - part->waiting_since >= l->interval);
}

/* Those that owe something first; of several the one that has waited longest for a turn. */
static struct kafka_part *choose(struct input *in, nsec now)
{
    const struct source_limits l = source_journal_limits(in->env.seals);
    struct kafka_part *best = NULL;
    bool best_owes = false;

    for (size_t i = 0; i < in->parts.n; i++) {
        struct kafka_part *part = in->parts.v[i];
        int64_t end;
        bool owes;

        if (part->state != KAFKA_PART_READ || now < part->turn_next)
            continue;
        (void)kafka_batches_next(&part->batches, part->seen.next, &end);
        owes = end < INT64_MAX;
        if ((!owes && (!has_waited(in, part, &l, now) || best_owes)) || cannot_take(part))
            continue;
        if (!best || (owes && !best_owes) || part->turn_at < best->turn_at) {
            best = part;
            best_owes = owes;
        }
    }
    return best;
}

/* One batch, and what the spool adds, has room; or nothing is there that would make room. */
static bool has_room(struct input *in)
{
    return source_journal_is_empty(in->env.seals) ||
           spool_has_room(in->env.spool, source_journal_limits(in->env.seals).bytes);
}

static void begin_turn(struct input *in, struct kafka_part *part, nsec now)
{
    give_back_open(in); /* nothing, unless an input that was here before could not end its turn in time */
    in->turn = (struct kafka_turn){.step = KAFKA_TURN_SEEK, .part = part, .heard = now};
    part->turn_at = ++in->turns;
    part->turn_from = part->seen;
    begin_batch(in);
}

static void seek(struct input *in, nsec now)
{
    struct kafka_part *part = in->turn.part;
    rd_kafka_topic_partition_list_t *l;
    rd_kafka_error_t *error;

    if (now < in->ask_again || input_thread_ends(in->thread))
        return;
    pause_part(in, part, false); /* one that is resumed begins where it was paused: before it is sought */
    in->paused = false;
    l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(l, part->topic, part->partition)->offset =
        part->looking ? part->seen.last.offset : part->seen.next;
    error = rd_kafka_seek_partitions(in->rk, l, KAFKA_ASK_MS);
    if (error || l->elems[0].err) {
        part->turn_next = now + KAFKA_ASK_AGAIN;
        end_turn(in);
    } else {
        in->turn.step = KAFKA_TURN_READ;
        in->turn.heard = now;
    }
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(l);
}

/* How far partitions reach; one that is shorter than what was read is another one. */
static void look_at_ends(struct input *in, nsec now)
{
    const nsec interval = source_journal_limits(in->env.seals).interval / 4;

    if (now < in->ends_next || in->wish != KAFKA_WISH_NONE || !kafka_ask_ends(in, now))
        return;
    now = clock_mono();
    in->ends_next = now + (interval < KAFKA_ENDS_LEAST  ? KAFKA_ENDS_LEAST
                           : interval < KAFKA_ENDS_MOST ? interval
                                                        : KAFKA_ENDS_MOST);
    for (size_t i = 0; i < in->parts.n; i++) {
        struct kafka_part *part = in->parts.v[i];

        if (part->state != KAFKA_PART_READ)
            continue;
        if (part->high > part->seen.next && part->waiting_since == 0)
            part->waiting_since = now;
        if (part->high < part->seen.next && in->turn.part != part)
            kafka_lost_its_place(in, part, now);
    }
}

static void hear_news(struct input *in)
{
    struct source_news news;

    while (source_journal_news(in->env.seals, &news)) {
        bool known = false;

        for (size_t i = 0; i < in->parts.n && !known; i++) {
            struct kafka_batches *b = &in->parts.v[i]->batches;

            known = news.settled ? kafka_batches_settle(b, news.batch)
                                 : kafka_batches_ask(b, news.batch, news.oldest, news.note);
        }
        in->seal_waits |= known && !news.settled;
    }
}

/* The spool is full of this batch alone, or of what nobody delivers just now. */
static bool is_stuck(const struct input *in, nsec now)
{
    return in->full_since && now - in->full_since >= KAFKA_FULL_TIME && in->turn.bytes > 0 &&
           source_journal_is_empty(in->env.seals);
}

void kafka_shared_turn(struct input *in, nsec now)
{
    struct kafka_turn *t = &in->turn;

    hear_news(in);
    look_at_ends(in, now);
    now = clock_mono();
    if (t->step == KAFKA_TURN_READ || t->step == KAFKA_TURN_SEEK) {
        const struct kafka_part *part = t->part;
        bool lost = part->state == KAFKA_PART_SEEK && part->lost_place, stuck = is_stuck(in, now);

        if (stuck) /* what waits for room that this batch itself has would wait for ever */
            kafka_give_up_open(in);
        if (lost || part->state == KAFKA_PART_LEAVING || stuck || now - t->heard >= KAFKA_TURN_QUIET)
            kafka_turn_end_batch(in, stuck && t->owed, true);
    }
    if (t->step == KAFKA_TURN_CLOSE) {
        window_cut(&in->window);
        window_flush(&in->window, now);
        kafka_look_at_window(in, now);
        if (window_is_idle(&in->window) && !(t->part && t->part->state == KAFKA_PART_SEEK && !t->part->lost_place))
            close_batch(in, now);
    }
    if (t->step == KAFKA_TURN_NONE && in->wish != KAFKA_WISH_TAKES && !in->leaving_all && has_room(in)) {
        struct kafka_part *part = choose(in, now);

        if (part)
            begin_turn(in, part, now);
    }
    if (t->step == KAFKA_TURN_SEEK)
        seek(in, now);
}

/* --- back to the group ---------------------------------------------------------------------------------------------------------- */

bool kafka_shared_gives_back(struct input *in, bool late, nsec now)
{
    bool busy = false;

    if (in->turn.part && in->turn.part->state == KAFKA_PART_LEAVING) {
        kafka_give_up_open(in);
        kafka_drop_held(in);
        kafka_shared_turn(in, now);
        busy = in->turn.part && in->turn.part->state == KAFKA_PART_LEAVING;
    }
    hear_news(in);
    for (size_t i = 0; i < in->parts.n; i++) {
        struct kafka_part *part = in->parts.v[i];

        if (part->state != KAFKA_PART_LEAVING)
            continue;
        kafka_shared_returns(in, part);
        busy |= kafka_batches_under_way(&part->batches) || kafka_part_is_busy(part) || kafka_shared_is_due(part);
    }
    if (in->lost)
        return true;
    if (!in->commit_refused || now >= in->commit_next)
        kafka_shared_commit(in, now);
    busy |= in->committing;
    if (late && in->committing) /* it could reach the group when others have these partitions */
        kafka_shared_nobody_knows(in, "no answer");
    return !busy || late;
}
