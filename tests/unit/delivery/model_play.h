/* model_play.h -- what workers make and what the places answer, as the scene says.
 */
#ifndef TESTS_UNIT_DELIVERY_MODEL_PLAY_H
#define TESTS_UNIT_DELIVERY_MODEL_PLAY_H

#include "tests/unit/delivery/model_world.h"

#include <inttypes.h>

/* --- workers ---------------------------------------------------------------------------------------------------------- */

static inline void add_text(struct encoder_out *out, uint64_t seq, uint32_t part)
{
    char text[16];
    struct err e;
    int n = snprintf(text, sizeof(text), "%d.%d ", (int)seq, (int)part);

    if (body_add(out->body, slice_of(text, (size_t)n), &e) < 0)
        assert(!"a body in memory");
}

/* Every record there is for a body, in order. -1: the list is bad. */
static inline void each_record(const struct encoder_in *in,
                               void (*each)(const struct encoder_in *in, struct encoder_out *out, uint64_t position,
                                            uint64_t seq, uint32_t part),
                               struct encoder_out *out)
{
    const struct encoder_records *r = &in->records;
    const struct object_source *from = r->source;
    struct record_chunk c;
    struct buf raw;
    struct err e;
    uint64_t at = 0, position = 0;

    if (!from->list) {
        for (; position < r->outcomes->count; position++)
            each(in, out, position, from->object.first + position, 0);
        return;
    }
    buf_init(&raw, MIB);
    while (record_list_read(from->list, &at, &raw, &c, &e) == 1)
        for (uint32_t i = 0; i < c.v.count; i++)
            each(in, out, position++, c.origins[i].seq, c.origins[i].part);
    buf_release(&raw);
}

static inline void encode_one(const struct encoder_in *in, struct encoder_out *out, uint64_t position, uint64_t seq,
                              uint32_t part)
{
    struct outcomes *f = in->records.outcomes;

    if (outcomes_at(f, position) != OUTCOME_PENDING || out->taken >= in->records.window)
        return;
    if (!in->records.source->list && (kind_of(seq) == DAMAGED || W.decayed[seq])) {
        outcomes_lose(f, position);
    } else if (in->shaper && kind_of(seq) == SHAPELESS) {
        outcomes_refuse(f, position, &(struct sink_refusal){.code = "NoShape", .message = "it has no shape"});
    } else {
        uint64_t *last = &out->id.last;

        if (out->taken == 0)
            out->id.first = position;
        *last = position;
        out->taken++;
        add_text(out, seq, part);
    }
}

static inline int trouble(const struct encoder_out *out, struct err *e)
{
    W.encodings++;
    if (W.scene.trouble == BODY_FAILS_ONCE && W.encodings == 1)
        return err_set(e, ERR_IO, "the disk does not answer");
    if (W.scene.trouble == BODY_NO_ROOM && out->taken > 1)
        return err_set(e, ERR_NOSPACE, "the disk is full");
    if (W.scene.trouble == BODY_LIMIT && out->taken > 1)
        return err_set(e, ERR_LIMIT, "too large");
    return 0;
}

static inline int world_encode(const struct encoder_in *in, struct worker *w, struct encoder_out *out)
{
    const struct object *object = &in->records.source->object;

    (void)w;
    *out = (struct encoder_out){.body = body_new("/nonexistent", BODY_MEMORY_MAX)};
    each_record(in, encode_one, out);
    out->id = (struct sink_seal_id){
        .first = object->first,
        .last = object->last,
        .window = out->taken ? encoder_window(out->id.first, out->id.last, in->records.outcomes->count) : 0};
    out->sizes = in->sizes && out->taken ? mem_array(out->taken, sizeof(*out->sizes)) : NULL;
    if (trouble(out, &out->err) == 0)
        return 0;
    encoder_out_release(out);
    return -1;
}

static inline void error_one(const struct encoder_in *in, struct encoder_out *out, uint64_t position, uint64_t seq,
                             uint32_t part)
{
    struct outcomes *f = in->records.outcomes;

    if (outcomes_at(f, position) != OUTCOME_REFUSED || out->taken >= in->records.window)
        return;
    if (!in->records.source->list && (kind_of(seq) == DECAYING || kind_of(seq) == DAMAGED)) {
        W.decayed[seq] = kind_of(seq) == DECAYING;
        outcomes_lose(f, position);
        return;
    }
    if (in->records.sources)
        outcomes_source_note(in->records.sources, seq, SOURCE_BACKED_UP);
    if (out->taken == 0)
        out->id.first = position;
    out->id.last = position;
    out->taken++;
    add_text(out, seq, part);
}

static inline int world_errors(const struct encoder_in *in, const struct error_objects_failure *f, struct worker *w,
                               struct encoder_out *out)
{
    const struct outcomes *outcomes = in->records.outcomes;
    const struct object *object = &in->records.source->object;
    uint64_t window;

    (void)w;
    *out = (struct encoder_out){.body = body_new("/nonexistent", BODY_MEMORY_MAX)};
    each_record(in, error_one, out);
    window = out->taken == outcomes->refused + outcomes->backed_up
                 ? 0
                 : encoder_window(out->id.first, out->id.last, UINT64_MAX);
    out->id = (struct sink_seal_id){
        .first = object->first, .last = object->last, .window = window, .error_type = f->error_type};
    if (trouble(out, &out->err) == 0)
        return 0;
    encoder_out_release(out);
    return -1;
}

static inline int world_lines(const struct encoder_in *in, struct body *lines, struct worker *w,
                              struct encoder_out *out)
{
    const struct object *object = &in->records.source->object;

    (void)w;
    *out = (struct encoder_out){.body = lines, .borrowed = true, .id = {.first = object->first, .last = object->last}};
    return 0;
}

static inline void fail_line(struct transform_batch *t, uint64_t seq)
{
    struct encoder_out lines;

    if (!t->failed)
        t->failed = body_new("/nonexistent", BODY_MEMORY_MAX);
    lines.body = t->failed;
    add_text(&lines, seq, 0);
    t->failed_lines++;
    outcomes_source_note(t->sources, seq, SOURCE_BACKED_UP);
}

static inline int transform_one(struct transform_batch *t, uint64_t seq)
{
    enum kind kind = kind_of(seq);
    int parts = kind == DROPPED ? 0 : kind == DOUBLED ? 2 : 1;

    if (kind == DAMAGED) {
        outcomes_source_note(t->sources, seq, SOURCE_LOST);
        return 0;
    }
    if (kind == ENDLESS && !t->too_large)
        return err_set(&t->err, ERR_LIMIT, "there is no end of it");
    if (kind == FAILING || t->too_large) {
        fail_line(t, seq);
        return 0;
    }
    for (; parts > 0; parts--) {
        if (record_list_add(t->list, SLICE("x"), &(struct record_from){.seq = seq}, &t->err) < 0)
            return -1;
        outcomes_source_note(t->sources, seq, SOURCE_EMITTED);
    }
    return 0;
}

static inline int world_transform(struct transform_batch *t, struct worker *w)
{
    const struct object *from = &t->source->object;
    int rc = 0;

    (void)w;
    transform_batch_release(t);
    t->err = (struct err){.code = ERR_NONE};
    t->list = record_list_new("/nonexistent", 1, 1, 1, MIB, MIB);
    outcomes_source_reset(t->sources, from->first, from->last);
    if (W.scene.transform_fails_once && W.transforms++ == 0)
        rc = err_set(&t->err, ERR_IO, "the disk does not answer");
    for (uint64_t seq = from->first; rc == 0 && seq <= from->last; seq++)
        rc = transform_one(t, seq);
    if (rc == 0 && record_list_finish(t->list, &t->err) == 0)
        return 0;
    transform_batch_release(t);
    return -1;
}

/* --- the places -------------------------------------------------------------------------------------------------------- */

static inline enum sink_outcome first_attempt(enum first first, struct sink_verdict *v)
{
    v->misconfigured = first == FIRST_IS_MISCONFIGURED;
    return SINK_RETRY;
}

static inline struct body_seen *note_body(char target, const struct sink_seal *s)
{
    struct body_seen *b = &W.bodies[W.body_count++];
    struct slice text = body_memory_slice(s->body);

    MODEL_CHECK(W.body_count < BODIES_MAX && text.n < sizeof(b->text));
    *b = (struct body_seen){.target = target, .id = s->id, .life = W.life};
    memcpy(b->text, text.p, text.n);
    snprintf(b->name, sizeof(b->name), "%.*s", (int)s->name.n, s->name.p ? s->name.p : "");
    return b;
}

/* Calls for each "seq.part " of the body. */
static inline unsigned parse(const struct body_seen *b, uint64_t seq[RECORDS_MAX * PARTS_MAX],
                             unsigned part[RECORDS_MAX * PARTS_MAX])
{
    unsigned n = 0;
    int used;

    for (const char *at = b->text; *at; at += used, n++) {
        unsigned s;

        if (sscanf(at, "%u.%u %n", &s, &part[n], &used) != 2)
            assert(!"a body of records");
        seq[n] = s;
    }
    return n;
}

static inline enum sink_outcome answer_each(const struct sink_seal *s, struct sink_verdict *v, const uint64_t *seq,
                                            const unsigned *part, unsigned n)
{
    bool partial = false;

    for (unsigned i = 0; i < n; i++) {
        enum kind k = kind_of(seq[i]);

        v->outcomes->outcome[i] = SINK_DELIVERED;
        if (k == PUT_OFF && !W.put_off[seq[i]][part[i]]) {
            W.put_off[seq[i]][part[i]] = partial = true;
            v->outcomes->outcome[i] = SINK_RETRY;
        } else if (k == REFUSED || k == DECAYING) {
            v->outcomes->refuse(v->outcomes, i, "400", SLICE("no such field"));
            partial = true;
        }
    }
    MODEL_CHECK(s->record_count == n);
    return partial ? SINK_PARTIAL : SINK_DELIVERED;
}

static inline enum sink_outcome answer_all(const uint64_t *seq, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (kind_of(seq[i]) == REFUSED || kind_of(seq[i]) == DECAYING)
            return SINK_REJECTED;
    return SINK_DELIVERED;
}

/* A whole body of a store. A name that is there already is written over: that is no second delivery. */
static inline enum sink_outcome take_body(const char *text, const char *name)
{
    struct body_seen *b = &W.bodies[W.body_count++], *before = NULL;
    uint64_t seq[RECORDS_MAX * PARTS_MAX];
    unsigned part[RECORDS_MAX * PARTS_MAX], n;
    enum sink_outcome outcome;

    MODEL_CHECK(W.body_count < BODIES_MAX);
    *b = (struct body_seen){.target = 'd', .life = W.life};
    memcpy(b->text, text, strlen(text));
    memcpy(b->name, name, strlen(name));
    for (unsigned i = 0; i + 1 < W.body_count; i++)
        if (W.bodies[i].delivered && W.bodies[i].life == W.life && strcmp(W.bodies[i].name, name) == 0)
            before = &W.bodies[i];
    MODEL_CHECK(sscanf(name, "%" SCNu64 "-%" SCNu64 "-%" SCNx64, &b->id.first, &b->id.last, &b->id.window) == 3);
    n = parse(b, seq, part);
    for (unsigned i = 0; i < n; i++)
        if (kind_of(seq[i]) == LARGE)
            return SINK_SPLIT;
    outcome = answer_all(seq, n);
    MODEL_CHECK(!before || strcmp(before->text, text) == 0);
    for (unsigned i = 0; i < n && outcome == SINK_DELIVERED; i++)
        W.outcome[seq[i]][part[i]].delivered = 1;
    b->delivered = outcome == SINK_DELIVERED && !before;
    return outcome;
}

static inline enum sink_outcome to_destination(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct body_seen *b = note_body('d', s);
    uint64_t seq[RECORDS_MAX * PARTS_MAX];
    unsigned part[RECORDS_MAX * PARTS_MAX], n = parse(b, seq, part);
    enum sink_outcome outcome;

    (void)state;
    snprintf(v->code, sizeof(v->code), "said");
    if (W.scene.destination != FIRST_WORKS && W.attempts[0]++ == 0)
        return first_attempt(W.scene.destination, v);
    for (unsigned i = 0; i < n; i++)
        if (kind_of(seq[i]) == LARGE)
            return SINK_SPLIT;
    outcome = v->outcomes ? answer_each(s, v, seq, part, n) : answer_all(seq, n);
    for (unsigned i = 0; i < n; i++)
        if (outcome == SINK_DELIVERED || (outcome == SINK_PARTIAL && v->outcomes->outcome[i] == SINK_DELIVERED))
            W.outcome[seq[i]][part[i]].delivered++;
    b->delivered = outcome == SINK_DELIVERED;
    return outcome;
}

static inline enum sink_outcome to_backup(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct body_seen *b = note_body('b', s);
    uint64_t seq[RECORDS_MAX * PARTS_MAX];
    unsigned part[RECORDS_MAX * PARTS_MAX], n = parse(b, seq, part);

    (void)state;
    if (W.scene.backup_first != FIRST_WORKS && W.attempts[1]++ == 0)
        return first_attempt(W.scene.backup_first, v);
    b->delivered = true;
    for (unsigned i = 0; i < n; i++) {
        if (!s->id.error_type)
            W.source_copies[seq[i]]++;
        else if (strcmp(s->id.error_type, "processing-failed") == 0)
            W.failed_lines[seq[i]]++;
        else
            W.outcome[seq[i]][part[i]].backed_up++;
    }
    return SINK_DELIVERED;
}

static inline int world_name(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out,
                             struct err *e)
{
    (void)state, (void)e;
    return buf_printf(out, "%llu-%llu-%llx%s%s", (unsigned long long)id->first, (unsigned long long)id->last,
                      (unsigned long long)id->window, id->error_type ? id->error_type : "", extension);
}

static inline int no_record(const void *state, const struct sink_record *r, bool first, struct buf *out,
                            struct sink_refusal *why)
{
    (void)state, (void)r, (void)first, (void)out, (void)why;
    return 0;
}

static const struct delivery_host_ops HOST = {
    .seal = host_seal,
    .progress = host_progress,
    .wants_transform = host_wants_transform,
    .transform_ended = host_transform_ended,
    .done = host_done,
    .turn = host_turn,
    .encode = world_encode,
    .errors = world_errors,
    .lines = world_lines,
    .transform = world_transform,
};

#endif
