/* A message is one record. It goes into the window, and its partition's `seen` moves on; when its frame is safe, `safe` does (books.h). What
 * the window gives up again, because the disk refused it or because another member is to have it, moves `seen` back, and the partition
 * is read again from there: until that seek is done, nothing of it is taken, or there would be a gap. */
#include "pipeline/inputs/kafka/impl.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- facts ---------------------------------------------------------------------------------------------------------- */

static void add_fact(struct buf *facts, struct slice name, struct slice value, bool *cut)
{
    if (value.n > UINT16_MAX || facts_add(facts, name, value) < 0)
        *cut = true;
}

/* Of each message there are two or three: printf would take a tenth of what a short one costs. */
static void add_number(struct buf *facts, struct slice name, int64_t n, bool *cut)
{
    static const char PAIRS[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
        "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
        "9899";
    char text[24], *end = text + sizeof(text), *p = end;
    uint64_t left = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

    for (; left >= 100; left /= 100) {
        p -= 2;
        memcpy(p, PAIRS + 2 * (left % 100), 2);
    }
    if (left >= 10)
        *--p = (char)('0' + left % 10);
    *--p = (char)('0' + (left >= 10 ? left / 10 : left));
    if (n < 0)
        *--p = '-';
    add_fact(facts, name, slice_of(p, (size_t)(end - p)), cut);
}

/* Of several headers of one name the last one counts in Kafka, and the first one in facts: they go in from behind. */
static void add_headers(struct buf *facts, const rd_kafka_message_t *m, bool *cut)
{
    rd_kafka_headers_t *headers;
    size_t n = 0;

    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    n = rd_kafka_header_cnt(headers);
    while (n-- > 0) {
        const char *name;
        const void *value;
        size_t size;
        char key[256];
        int rc;

        if (rd_kafka_header_get_all(headers, n, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        rc = snprintf(key, sizeof(key), "header.%s", name);
        if (rc < 0 || (size_t)rc >= sizeof(key))
            *cut = true;
        else
            add_fact(facts, slice_str(key), slice_of(value, value ? size : 0), cut);
    }
}

/* True: some had to be left out. */
static bool make_facts(struct buf *facts, struct kafka_part *part, const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t kind;
    int64_t time = rd_kafka_message_timestamp(m, &kind);
    bool cut = false;

    if (part->facts.n == 0) {
        add_fact(&part->facts, SLICE("topic"), slice_str(part->topic), &cut);
        add_number(&part->facts, SLICE("partition"), part->partition, &cut);
    }
    buf_clear(facts);
    cut |= buf_add_slice(facts, buf_slice(&part->facts)) < 0;
    add_number(facts, SLICE("offset"), m->offset, &cut);
    if (kind != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE)
        add_number(facts, SLICE("timestamp"), time, &cut);
    if (m->key)
        add_fact(facts, SLICE("key"), slice_of(m->key, m->key_len), &cut);
    add_headers(facts, m, &cut);
    return cut;
}

static void say_facts_cut(struct input *in, const struct kafka_part *part, int64_t offset)
{
    if (in->facts_cut_shown)
        return;
    in->facts_cut_shown = true;
    log_warn("a message has a longer key and more headers than can be kept beside its record: some are left out, here "
             "and of others like it",
             KS("stream", in->env.stream), KS("input", in->label), KS("topic", part->topic),
             KI("partition", part->partition), KI("offset", offset), KU("bytes_max", RECORD_FACTS_MAX));
}

/* --- into the window ------------------------------------------------------------------------------------------------ */

static struct slice value_of(const rd_kafka_message_t *m)
{
    return m->payload ? slice_of(m->payload, m->len) : SLICE("");
}

static struct kafka_mark mark_of(const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t kind;

    return kafka_mark(m->offset, rd_kafka_message_timestamp(m, &kind), value_of(m));
}

void kafka_frame_closes(void *ctx)
{
    struct input *in = ctx;

    for (size_t i = 0; i < in->books.open_count; i++) {
        const struct kafka_part *part = in->books.open[i];
        char source[POSITION_SOURCE_MAX + 1], cursor[KAFKA_CURSOR_MAX];

        if (in->env.seals) /* the group has the positions */
            break;
        window_set_position(&in->window,
                            kafka_source(slice_str(in->cluster), slice_str(in->conf->group), slice_str(part->topic),
                                         part->partition, source),
                            kafka_cursor(&part->seen, cursor));
    }
    kafka_books_closed(&in->books, in->numbers);
}

static void pass_too_large(struct input *in, const struct kafka_part *part, const rd_kafka_message_t *m, nsec now)
{
    const char *hint =
        "it stays in the topic; raise spool.limit if that is smaller than the message, or have it sent in parts";

    input_health_error(in->env.health, "a message is larger than a record, or the stream's spool, may be", hint, now);
    if (log_due(&in->too_large, now, KAFKA_SAYS_EVERY))
        log_error("a message is larger than a record, or the stream's spool, may be, and is left out",
                  KS("stream", in->env.stream), KS("input", in->label), KS("topic", part->topic),
                  KI("partition", part->partition), KI("offset", m->offset), KU("bytes", m->len),
                  KU("bytes_max", RECORD_MAX_BYTES), KS("hint", hint));
}

static enum window_answer put_in_window(struct input *in, const struct frame_message *fm, nsec now)
{
    return fm->data.n > RECORD_MAX_BYTES ? WINDOW_TOO_LARGE
                                         : window_put(&in->window, fm, in->numbers + 1, in->wall, now);
}

/* False: the window does not take it now. */
static bool put(struct input *in, struct kafka_part *part, const rd_kafka_message_t *m, nsec now)
{
    struct frame_message fm = {.data = value_of(m)};
    const struct kafka_position seen = {.next = m->offset + 1, .last = mark_of(m)};
    bool cut = false;

    if (!m->payload && !in->conf->empty_tombstones) {
        in->passed++;
        part->seen = seen;
        return true;
    }
    if (in->conf->meta) {
        cut = make_facts(&in->facts, part, m);
        fm.facts = buf_slice(&in->facts);
    }
    if (kafka_books_is_full(&in->books, part))
        window_cut(&in->window);
    switch (put_in_window(in, &fm, now)) {
    case WINDOW_TAKEN:
        in->numbers++;
        kafka_books_took(&in->books, part, &seen);
        if (cut)
            say_facts_cut(in, part, m->offset);
        return true;
    case WINDOW_TOO_LARGE:
        pass_too_large(in, part, m, now);
        part->seen = seen;
        return true;
    case WINDOW_FULL:
    case WINDOW_BROKEN:
        break;
    }
    return false;
}

/* The log is not the one that our position is of. */
static void log_is_another(struct input *in, struct kafka_part *part, nsec now)
{
    if (part->from == KAFKA_FROM_SPOOL)
        part->known.spool = KAFKA_NOWHERE;
    else
        part->known.group = KAFKA_NOWHERE;
    part->known.again = true;
    part->state = KAFKA_PART_SEEK;
    part->lost_place = true;
    in->ask_again = now;
}

/* False: it waits. */
static bool take(struct input *in, struct kafka_part *part, const rd_kafka_message_t *m, nsec now)
{
    if (part->looking) {
        struct kafka_mark mark = mark_of(m);

        if (kafka_look(&part->seen, &mark) == KAFKA_LOOK_ANOTHER) {
            log_is_another(in, part, now);
            return true;
        }
        part->looking = false;
    }
    if (m->offset < part->seen.next)
        return true;
    if (in->env.seals) {
        enum kafka_take wants = kafka_shared_wants(in, part, m, now);

        if (wants != KAFKA_TAKE)
            return wants == KAFKA_TAKE_NOT;
    }
    if (!put(in, part, m, now))
        return false;
    if (in->env.seals)
        kafka_shared_took(in, part, m);
    part->ended |= part->seen.next >= part->end;
    return true;
}

/* --- messages ------------------------------------------------------------------------------------------------------- */

static void end_of_partition(struct input *in, struct kafka_part *part, int64_t offset)
{
    part->ended = true;
    if (part->looking)
        part->looking = false;
    /* Behind the last record may be the marks of a transaction. */
    if (!kafka_part_is_busy(part) && offset > part->seen.next)
        part->seen.next = offset;
    if (in->env.seals)
        kafka_shared_at_end(in, part);
}

void kafka_lost_its_place(struct input *in, struct kafka_part *part, nsec now)
{
    part->known = (struct kafka_known){.spool = part->seen, .group = KAFKA_NOWHERE};
    part->state = KAFKA_PART_SEEK;
    part->lost_place = true;
    in->ask_again = now;
}

void kafka_say_refused(struct input *in, rd_kafka_resp_err_t err, const char *said, nsec now)
{
    const char *hint = kafka_hint(err);

    in->any_refused = true;
    input_health_refused(in->env.health, rd_kafka_err2str(err), hint ? hint : "", now);
    if (log_due(&in->topics, now, KAFKA_SAYS_EVERY))
        log_warn("the brokers refuse something, and it is tried again", KS("stream", in->env.stream),
                 KS("input", in->label), KS("cause", rd_kafka_err2str(err)), KS("said", said),
                 KS("hint", hint ? hint : "look at the brokers' log"));
}

/* librdkafka would go on at the same offset when a topic of that name is there again: what it is then is looked at first. */
void kafka_topic_went(struct input *in, const char *said, nsec now)
{
    for (size_t i = 0; i < in->parts.n; i++) {
        struct kafka_part *part = in->parts.v[i];
        size_t n = strlen(part->topic);

        if (part->state == KAFKA_PART_READ && strncmp(said, part->topic, n) == 0 && said[n] == ' ')
            kafka_lost_its_place(in, part, now);
    }
}

static void take_error(struct input *in, struct kafka_part *part, const rd_kafka_message_t *m, nsec now)
{
    bool reads = part && part->state == KAFKA_PART_READ;

    switch (m->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        in->heard = true;
        if (reads)
            end_of_partition(in, part, m->offset);
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        if (reads)
            kafka_lost_its_place(in, part, now);
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        kafka_fatal(in, now);
        break;
    default:
        kafka_say_refused(in, m->err, rd_kafka_message_errstr(m), now);
    }
}

static bool take_one(struct input *in, const rd_kafka_message_t *m, nsec now)
{
    struct kafka_part *part = m->rkt ? kafka_parts_find(&in->parts, rd_kafka_topic_name(m->rkt), m->partition) : NULL;

    if (m->err) {
        take_error(in, part, m, now);
        return true;
    }
    in->heard = true;
    return !part || part->state != KAFKA_PART_READ || take(in, part, m, now);
}

void kafka_take(struct input *in, rd_kafka_message_t *m, nsec now)
{
    if (in->held && !m->err) {
        /* It came although partitions are paused. What does not fit is read again. */
        struct kafka_part *part = kafka_parts_find(&in->parts, rd_kafka_topic_name(m->rkt), m->partition);

        if (part && part->state == KAFKA_PART_READ)
            part->state = KAFKA_PART_SEEK;
        rd_kafka_message_destroy(m);
        return;
    }
    if (take_one(in, m, now))
        rd_kafka_message_destroy(m);
    else
        in->held = m;
}

void kafka_take_held(struct input *in, nsec now)
{
    rd_kafka_message_t *m = in->held;

    if (!m)
        return;
    in->held = NULL;
    kafka_take(in, m, now);
}

void kafka_drop_held(struct input *in)
{
    if (in->held)
        rd_kafka_message_destroy(in->held);
    in->held = NULL;
}

/* --- back ----------------------------------------------------------------------------------------------------------- */

/* Each one that reads is read again from where it is now. */
static void read_again(struct input *in, const int64_t *was)
{
    for (size_t i = 0; i < in->parts.n; i++) {
        struct kafka_part *part = in->parts.v[i];

        if (part->state == KAFKA_PART_READ && part->seen.next != was[i])
            part->state = KAFKA_PART_SEEK;
    }
}

static void back_to(struct input *in, uint64_t upto)
{
    int64_t *was = mem_array(in->parts.n + 1, sizeof(*was));

    if (in->held) {
        struct kafka_part *part = kafka_parts_find(&in->parts, rd_kafka_topic_name(in->held->rkt), in->held->partition);

        if (part && part->state == KAFKA_PART_READ)
            part->state = KAFKA_PART_SEEK;
        kafka_drop_held(in);
    }
    for (size_t i = 0; i < in->parts.n; i++)
        was[i] = in->parts.v[i]->seen.next;
    kafka_books_drop_open(&in->books, upto);
    read_again(in, was);
    mem_free(was);
}

void kafka_give_up_open(struct input *in)
{
    if (!in->window.open)
        return;
    /* Each record has a number, and they are in order. */
    back_to(in, in->window.open_sum.last - in->window.open_sum.records);
    window_drop_open(&in->window);
}

void kafka_look_at_window(struct input *in, nsec now)
{
    struct window_news news = window_look(&in->window, now);

    if (news.safe)
        kafka_books_safe(&in->books, news.upto);
    if (news.refused) {
        back_to(in, 0);
        window_reset(&in->window);
        in->turn.whole = false;             /* what it was read to its end with is gone again */
        in->ask_again = now + NSEC_PER_SEC; /* the disk refuses: not at once again */
    }
}
