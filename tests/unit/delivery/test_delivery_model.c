/* All orders in which things can happen to a delivery: the seal is written, the transform is made, a body is encoded, an attempt ends, a
 * record turns out to be damaged, there is no memory for a moment, the clock goes on, the daemon ends. After each order the books
 * balance, every place and every byte is given back, no record is delivered twice or nowhere, and a next batch gets through.
 *
 * An order is a sequence of choices. The test plays the same scene again and again, each time with the next sequence, until there is none
 * left (as an odometer counts). No thread, no sleep. */
#include "tests/unit/delivery/model_store.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#define DEPTH_MAX      256
#define STEPS_MAX      400
#define TICKS_MAX      3 /* times that the clock goes on, when a delivery can only wait */
#define NEXT           (SEALS_MAX - 1)
#define HOUR           (3600 * NSEC_PER_SEC)
#define FOR_EACH(e, n) for (unsigned e = 0; e < (n); e++)

/* --- choices ---------------------------------------------------------------------------------------------------------- */

static struct {
    unsigned char taken[DEPTH_MAX], options[DEPTH_MAX];
    unsigned depth, at;
    bool frozen; /* always the first: behind the part of the life that is looked at */
} choices;

static unsigned long long orders;
static int errors_fd;

static unsigned choose(unsigned n)
{
    if (n <= 1 || choices.frozen)
        return 0;
    if (choices.at == choices.depth) {
        MODEL_CHECK(choices.depth < DEPTH_MAX);
        choices.taken[choices.depth] = 0;
        choices.options[choices.depth++] = (unsigned char)n;
    }
    MODEL_CHECK(choices.options[choices.at] == n); /* the same choices lead to the same place */
    return choices.taken[choices.at++];
}

/* False: there is none left. */
static bool next_order(void)
{
    while (choices.depth > 0 && choices.taken[choices.depth - 1] + 1U == choices.options[choices.depth - 1])
        choices.depth--;
    if (choices.depth > 0)
        choices.taken[choices.depth - 1]++;
    return choices.depth > 0;
}

/* The scene and the order, so that it can be played again. */
static void tell_where(void)
{
    const struct scene *s = &W.scene;

    dup2(errors_fd, STDERR_FILENO);
    fprintf(
        stderr,
        "scene: %u seals of %u, kinds %d %d %d / %d %d %d, backup %d, transform %d, shaped %d, late %d, "
        "destination %d, backup "
        "first %d, store %d, trouble %d, transform fails %d, diverted %d, pauses %d, refusals %u, life %d; order %llu:",
        s->seals, s->records, (int)s->kind[0][0], (int)s->kind[0][1], (int)s->kind[0][2], (int)s->kind[1][0],
        (int)s->kind[1][1], (int)s->kind[1][2], (int)s->backup, (int)s->transform, s->shaped, s->late,
        (int)s->destination, (int)s->backup_first, (int)s->store, (int)s->trouble, s->transform_fails_once, s->diverted,
        s->pauses, s->refusals, (int)s->life, orders);
    FOR_EACH(i, choices.at)
    fprintf(stderr, " %u/%u", choices.taken[i], choices.options[i]);
    fprintf(stderr, "\n");
    FOR_EACH(i, W.body_count)
    fprintf(stderr, "  life %u %c %s[%s] %s%s\n", W.bodies[i].life, W.bodies[i].target, W.bodies[i].name,
            W.bodies[i].text, W.bodies[i].id.error_type ? W.bodies[i].id.error_type : "",
            W.bodies[i].delivered ? "" : " (not all taken)");
}

static void world_fails(const char *what)
{
    tell_where();
    fail_msg("%s", what);
    abort();
}

static void on_abort(int sig)
{
    tell_where();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* --- one life --------------------------------------------------------------------------------------------------------- */

static void add_open(struct delivery *d)
{
    d->next_open = W.open;
    W.open = d;
}

static void cut(unsigned seal, unsigned records)
{
    uint64_t first = seal * RECORDS_MAX + 1;
    struct seal s = {.first = first, .last = first + records - 1, .bytes = records};
    struct spool_cursor end = {.seq = s.last + 1};
    struct delivery *d = delivery_new(&W.host, &s, &end);

    if (W.scene.diverted && seal == 0)
        delivery_divert(d);
    add_open(d);
}

static void begin_life(void)
{
    static const struct cfg_field NONE[] = {{.name = NULL}};
    const struct scene *s = &W.scene;

    W.life++;
    W.loop =
        (struct delivery_loop){.ops = &LOOP, .tmp_dir = "/nonexistent", .mono = W.loop.mono + NSEC_PER_SEC, .wall = 1};
    W.destination_ops = (struct sink_ops){.name = "fake",
                                          .fields = NONE,
                                          .error_prefix = "fake-failed",
                                          .send = to_destination,
                                          .name_object = s->shaped ? NULL : world_name,
                                          .record = s->shaped ? no_record : NULL};
    if (s->store != STORE_NONE) {
        W.destination_ops.send = NULL;
        W.destination_ops.request = store_request;
        W.destination_ops.judge = store_judge;
        W.destination_ops.steps = true;
        W.destination_ops.digests = s->late ? SINK_CRC32C : 0;
    }
    W.backup_ops = (struct sink_ops){.name = "fake", .fields = NONE, .send = to_backup, .name_object = world_name};
    target_init(&W.destination, "app", "destination", s->one_place ? 1 : 2, s->one_place ? 1 : 2);
    target_init(&W.backup, "app", "backup", 2, 2);
    W.destination.ops = &W.destination_ops;
    W.backup.ops = &W.backup_ops;
    W.conf = (struct stream_settings){.name = W.name,
                                      .format = format_find("lines"),
                                      .codec = codec_find("none"),
                                      .retry_duration = s->destination == FIRST_GIVES_UP ? 0 : 1000 * HOUR,
                                      .backup_all = s->backup == BACKUP_ALL};
    W.host = (struct delivery_host){.ops = &HOST,
                                    .conf = &W.conf,
                                    .loop = &W.loop,
                                    .destination = &W.destination,
                                    .backup = s->backup == BACKUP_NONE ? NULL : &W.backup,
                                    .line = s->transform == TRANSFORM_NONE ? NULL : (struct transform_instances *)&W,
                                    .single = s->transform == TRANSFORM_SINGLE,
                                    .metrics = &W.metrics};
    W.refusals_left = s->refusals;
    memset(W.outcome, 0, sizeof(W.outcome));
    memset(W.failed_lines, 0, sizeof(W.failed_lines));
    memset(W.source_copies, 0, sizeof(W.source_copies));
}

/* What the engine does: threads end what they began, then all is freed. A crash: nothing ends. */
static void end_life(bool crash)
{
    while (!crash && W.job_count > 0) {
        struct worker_job *job = W.jobs[0];

        TAKE_AT(W.jobs, W.job_count, 0);
        run_quietly(job);
    }
    while (!crash && W.send_count > 0) {
        struct sender_job *send = W.sends[0];

        TAKE_AT(W.sends, W.send_count, 0);
        send->run(send);
    }
    FOR_EACH(i, W.journal_count)
    if (!crash && W.journal[i].wait && !W.journal[i].written) {
        W.journal[i].written = true;
        W.journal[i].wait->done(W.journal[i].wait, true);
    }
    FOR_EACH(i, W.journal_count)
    {
        if (!crash && W.journal[i].progress_wait)
            write_progress(&W.journal[i]);
        W.journal[i].progress_wait = NULL;
    }
    while (W.open) {
        struct delivery *d = W.open;

        W.open = d->next_open;
        delivery_free(&d);
    }
    W.event_count = W.job_count = W.send_count = W.untransformed_count = W.transforming = 0;
    W.hungry = NULL;
    MODEL_CHECK(W.timer_count == 0 && W.answer_count == 0);
    MODEL_CHECK(W.memory_used == 0);
    MODEL_CHECK(W.loop.probes == 0);
    target_release(&W.destination);
    target_release(&W.backup);
}

static void live_again(void)
{
    begin_life();
    FOR_EACH(i, W.journal_count)
    {
        struct journal_entry *e = &W.journal[i];

        e->seal.note = slice_of(e->note, e->note_size);
        e->seal.progress = slice_of(e->progress, e->progress_size);
        if (e->settled)
            continue;
        if (e->written)
            add_open(delivery_restore(&W.host, &e->seal));
        else
            cut(i, W.scene.records);
    }
    host_turn(&W.host);
}

/* --- steps ------------------------------------------------------------------------------------------------------------ */

static unsigned gather(struct option out[], bool timers, bool may_end)
{
    unsigned n = 0;

    FOR_EACH(i, W.event_count)
    out[n++] = (struct option){STEP_EVENT, i};
    FOR_EACH(i, W.job_count)
    out[n++] = (struct option){STEP_JOB, i};
    FOR_EACH(i, W.send_count)
    out[n++] = (struct option){STEP_SEND, i};
    FOR_EACH(i, W.journal_count)
    if (W.journal[i].wait && !W.journal[i].written)
        out[n++] = (struct option){STEP_SEAL, i};
    FOR_EACH(i, W.answer_count)
    out[n++] = (struct option){STEP_ANSWER, i};
    FOR_EACH(i, W.journal_count)
    if (W.journal[i].progress_wait)
        out[n++] = (struct option){STEP_PROGRESS, i};
    if (W.hungry)
        out[n++] = (struct option){STEP_MEMORY, 0};
    FOR_EACH(i, timers ? W.timer_count : 0)
    out[n++] = (struct option){STEP_TIMER, i};
    if (W.scene.pauses && W.pauses < 2 && !choices.frozen)
        out[n++] = (struct option){STEP_PAUSE, 0};
    if (may_end)
        out[n++] = (struct option){STEP_END, 0};
    return n;
}

/* An event that was just posted is handled; of several the last, which is the one of the job that ran. */
static void handle(unsigned at)
{
    struct loop_event *ev = W.events[at];

    TAKE_AT(W.events, W.event_count, at);
    atomic_store(&ev->posted, false);
    ev->fn(ev);
}

/* As outlet_orders_turn() does. */
static void pause_or_resume(void)
{
    bool held = W.pauses++ == 0;

    if (held)
        W.paused_since = W.loop.mono;
    for (struct delivery *d = W.open; d && !held; d = d->next_open)
        delivery_was_held(d, W.paused_since);
    W.destination.held = W.backup.held = held;
    host_turn(&W.host);
}

static void step(struct option o)
{
    W.loop.mono++;
    switch (o.kind) {
    case STEP_EVENT:
        handle(o.at);
        break;
    case STEP_JOB: {
        struct worker_job *job = W.jobs[o.at];

        TAKE_AT(W.jobs, W.job_count, o.at);
        run_quietly(job);
        handle(W.event_count - 1);
        break;
    }
    case STEP_SEND: {
        struct sender_job *job = W.sends[o.at];

        TAKE_AT(W.sends, W.send_count, o.at);
        job->run(job);
        handle(W.event_count - 1);
        break;
    }
    case STEP_SEAL:
        W.journal[o.at].written = true;
        W.journal[o.at].wait->done(W.journal[o.at].wait, true);
        handle(W.event_count - 1);
        break;
    case STEP_ANSWER:
        store_answers(o.at);
        break;
    case STEP_PROGRESS:
        write_progress(&W.journal[o.at]);
        handle(W.event_count - 1);
        break;
    case STEP_MEMORY:
        W.hungry = NULL;
        host_turn(&W.host);
        break;
    case STEP_TIMER: {
        struct loop_timer *t = W.timers[o.at];

        if (t->item.at > W.loop.mono)
            W.loop.mono = t->item.at;
        TAKE_AT(W.timers, W.timer_count, o.at);
        t->item.at = NSEC_NEVER;
        t->fn(t);
        break;
    }
    case STEP_PAUSE:
        pause_or_resume();
        break;
    case STEP_END:
        break;
    }
}

/* Without a backup there are records that can only wait. */
static bool can_only_wait(enum kind k)
{
    const struct scene *s = &W.scene;
    bool made = s->transform != TRANSFORM_NONE;

    if (s->backup != BACKUP_NONE)
        return false;
    return k == REFUSED || k == DECAYING || k == LARGE || (k == SHAPELESS && s->shaped) ||
           (made && (k == FAILING || k == ENDLESS));
}

static bool scene_can_only_wait(void)
{
    FOR_EACH(s, W.scene.seals)
    FOR_EACH(r, W.scene.records)
    if (can_only_wait(W.scene.kind[s][r]))
        return true;
    return false;
}

/* Until all is done, or the rest can only wait. True: the life ended before. */
static bool live(bool may_end)
{
    bool waits = scene_can_only_wait();

    for (unsigned steps = 0, ticks = 0; W.open; steps++) {
        struct option options[4 * WAITING_MAX], chosen;
        unsigned n = gather(options, !waits || ticks < TICKS_MAX, may_end);

        if (waits && n == 0)
            return false;
        MODEL_CHECK(n > 0 && steps < STEPS_MAX); /* something can always happen, and it comes to an end */
        chosen = options[choose(n)];
        if (chosen.kind == STEP_END)
            return true;
        ticks += chosen.kind == STEP_TIMER;
        step(chosen);
    }
    return false;
}

/* --- what must hold at the end ------------------------------------------------------------------------------------------ */

static bool is_lost(uint64_t seq)
{
    return kind_of(seq) == DAMAGED || W.decayed[seq];
}

static unsigned parts_of(uint64_t seq)
{
    enum kind k = kind_of(seq);

    if (W.scene.transform == TRANSFORM_NONE)
        return 1;
    return k == DROPPED || k == FAILING || k == ENDLESS ? 0 : k == DOUBLED ? 2 : 1;
}

/* Counts what this life has seen of the record, and checks that it was seen once. */
static void count_record(uint64_t seq, struct seal_result *r)
{
    unsigned delivered = 0, backed_up = 0, parts = parts_of(seq);

    FOR_EACH(p, PARTS_MAX)
    {
        const struct outcome *o = &W.outcome[seq][p];

        MODEL_CHECK(o->delivered + o->backed_up <= 1);
        delivered += o->delivered;
        backed_up += o->backed_up;
    }
    MODEL_CHECK(W.failed_lines[seq] <= 1);
    MODEL_CHECK(W.source_copies[seq] <= 1);
    if (is_lost(seq)) {
        MODEL_CHECK(delivered + backed_up == 0 || W.decayed[seq]);
        if (delivered + backed_up == 0) {
            r->corrupt++;
            return;
        }
    } else {
        MODEL_CHECK(delivered + backed_up == parts);
        MODEL_CHECK(W.source_copies[seq] == (W.scene.backup == BACKUP_ALL ? 1 : 0));
    }
    if (W.failed_lines[seq] + backed_up > 0)
        r->backed_up++;
    else if (parts == 0)
        r->dropped++;
    else
        r->delivered++;
    MODEL_CHECK(parts > 0 || kind_of(seq) == DROPPED || W.failed_lines[seq] == 1);
}

static void check_books(unsigned life_of_settling)
{
    FOR_EACH(i, W.journal_count)
    {
        const struct journal_entry *e = &W.journal[i];
        struct seal_result r = {0};

        if (!e->settled || e->life != life_of_settling)
            continue;
        for (uint64_t seq = e->seal.first; seq <= e->seal.last; seq++)
            count_record(seq, &r);
        MODEL_CHECK(r.delivered == e->result.delivered);
        MODEL_CHECK(r.dropped == e->result.dropped);
        MODEL_CHECK(r.backed_up == e->result.backed_up);
        MODEL_CHECK(r.corrupt == e->result.corrupt);
    }
}

/* Not by who made it; one that is taken up in another life is a delivery like any other. */
static void check_diverted(void)
{
    FOR_EACH(i, W.body_count)
    MODEL_CHECK(W.bodies[i].life > 1 || W.bodies[i].target != 'd' || W.bodies[i].id.first > RECORDS_MAX);
}

static bool same_type(const struct body_seen *a, const struct body_seen *b)
{
    const char *x = a->id.error_type, *y = b->id.error_type;

    return a->target == b->target && (x && y ? strcmp(x, y) == 0 : x == y);
}

/* The same body is the same on every attempt and in every life; other ones that may both be taken are other ones. */
static void check_identities(void)
{
    FOR_EACH(i, W.body_count)
    FOR_EACH(j, i)
    {
        const struct body_seen *a = &W.bodies[i], *b = &W.bodies[j];
        bool same = a->id.first == b->id.first && a->id.last == b->id.last && a->id.window == b->id.window;

        if (!same_type(a, b))
            continue;
        if (strcmp(a->text, b->text) == 0 && !a->id.error_type)
            MODEL_CHECK(same && strcmp(a->name, b->name) == 0);
        else if (a->life == b->life && a->delivered && b->delivered)
            MODEL_CHECK(!same && (strcmp(a->name, b->name) != 0 || W.scene.shaped));
    }
}

static void check_rest(void)
{
    MODEL_CHECK(W.destination.active == 0 && W.backup.active == 0);
    if (W.open)
        return;
    MODEL_CHECK(W.event_count == 0 && W.timer_count == 0 && W.job_count == 0 && W.send_count == 0);
    MODEL_CHECK(W.memory_used == 0 && W.transforming == 0 && W.untransformed_count == 0 && W.loop.probes == 0);
    MODEL_CHECK(LIST_EMPTY(&W.destination.waiting) && LIST_EMPTY(&W.backup.waiting));
    MODEL_CHECK(TAILQ_EMPTY(&W.destination.ready) && TAILQ_EMPTY(&W.backup.ready));
}

static void a_next_batch_gets_through(void)
{
    struct journal_entry *e;

    if (W.open && W.scene.transform == TRANSFORM_SINGLE)
        return; /* it waits for its turn */
    cut(NEXT, 1);
    e = entry_of(NEXT * RECORDS_MAX + 1);
    host_turn(&W.host);
    for (unsigned steps = 0; !e->settled; steps++) {
        struct option options[4 * WAITING_MAX];

        MODEL_CHECK(gather(options, true, false) > 0 && steps < 60);
        step(options[0]);
    }
}

/* --- scenes ------------------------------------------------------------------------------------------------------------- */

static void play(const struct scene *scene)
{
    bool ended;

    memset(&W, 0, sizeof(W));
    W.scene = *scene;
    W.choose = choose;
    snprintf(W.name, sizeof(W.name), "app");
    choices.at = 0;
    choices.frozen = false;
    begin_life();
    FOR_EACH(s, scene->seals)
    cut(s, scene->records);
    host_turn(&W.host);
    ended = live(scene->life != LIFE_ONE);
    choices.frozen = true;
    if (W.pauses == 1)
        pause_or_resume();
    check_books(1);
    if (scene->diverted)
        check_diverted();
    if (ended) {
        end_life(scene->life == LIFE_CRASH);
        live_again();
        (void)live(false);
        check_books(2);
    }
    check_rest();
    check_identities();
    if (!W.open)
        check_uploads(ended);
    a_next_batch_gets_through();
    check_rest();
    end_life(false);
    orders++;
}

/* AddressSanitizer makes it many times as long: some of the scenes then. */
#if defined(__SANITIZE_ADDRESS__)
#define EVERY 23
#else
#define EVERY 1
#endif

static void play_all_orders(const struct scene *scene)
{
    static unsigned scenes;

    if (scenes++ % EVERY != 0)
        return;
    choices.depth = 0;
    do
        play(scene);
    while (next_order());
}

/* With every setting; `each` of them may be narrowed by the caller's scene. */
static void with_all_settings(struct scene s, unsigned transforms)
{
    static unsigned scenes;

    FOR_EACH(backup, 3)
    FOR_EACH(transform, transforms)
    FOR_EACH(shaped, 2)
    {
        s.backup = (enum backup_mode)backup;
        s.transform = (enum transform_mode)transform;
        s.shaped = shaped;
        s.late = scenes++ % 7 % 2; /* no rhythm of the loops */
        play_all_orders(&s);
    }
}

static void with_each_trouble(struct scene s, unsigned transforms)
{
    FOR_EACH(first, 4)
    {
        s.destination = (enum first)first;
        with_all_settings(s, transforms);
    }
    s.destination = FIRST_WORKS;
    FOR_EACH(trouble, 4)
    {
        s.trouble = (enum body_trouble)trouble;
        with_all_settings(s, transforms);
    }
    s.trouble = BODY_FINE;
    s.backup_first = FIRST_FAILS;
    with_all_settings(s, transforms);
    s.backup_first = FIRST_WORKS;
    s.transform_fails_once = true;
    with_all_settings(s, transforms);
    s.transform_fails_once = false;
    s.refusals = 1;
    with_all_settings(s, transforms);
}

static void one_record_of_each_kind_with_each_trouble(void **state)
{
    struct scene s = {.seals = 1, .records = 1};

    (void)state;
    FOR_EACH(k, KIND_COUNT)
    {
        s.kind[0][0] = (enum kind)k;
        with_each_trouble(s, 3);
    }
}

static void one_record_of_each_kind_and_an_end_at_any_moment(void **state)
{
    struct scene s = {.seals = 1, .records = 1};

    (void)state;
    FOR_EACH(k, KIND_COUNT)
    for (s.life = LIFE_STOP; s.life <= LIFE_CRASH; s.life++) {
        s.kind[0][0] = (enum kind)k;
        with_all_settings(s, 3);
    }
}

static void two_records_of_all_kinds(void **state)
{
    struct scene s = {.seals = 1, .records = 2};

    (void)state;
    FOR_EACH(a, KIND_COUNT)
    FOR_EACH(b, KIND_COUNT)
    {
        s.kind[0][0] = (enum kind)a;
        s.kind[0][1] = (enum kind)b;
        with_all_settings(s, 2);
    }
}

static void three_records_of_the_kinds_that_matter_to_one_another(void **state)
{
    static const enum kind KINDS[] = {PLAIN, REFUSED, LARGE, DAMAGED, FAILING, ENDLESS};
    struct scene s = {.seals = 1, .records = 3};

    (void)state;
    FOR_EACH(a, ARRAY_LEN(KINDS))
    FOR_EACH(b, ARRAY_LEN(KINDS))
    FOR_EACH(c, ARRAY_LEN(KINDS))
    {
        s.kind[0][0] = KINDS[a];
        s.kind[0][1] = KINDS[b];
        s.kind[0][2] = KINDS[c];
        s.backup = (enum backup_mode)((a + 2 * b + c) % 3);
        s.transform = (a + b + c) % 2 ? TRANSFORM_ANY : TRANSFORM_NONE;
        s.shaped = (a + c) % 2;
        s.late = (a + b) % 2;
        play_all_orders(&s);
    }
}

static void two_batches_beside_one_another(void **state)
{
    static const enum kind KINDS[] = {PLAIN, REFUSED, DAMAGED, DROPPED, FAILING};
    struct scene s = {.seals = 2, .records = 1};

    (void)state;
    FOR_EACH(a, ARRAY_LEN(KINDS))
    FOR_EACH(b, ARRAY_LEN(KINDS))
    FOR_EACH(transform, 3)
    {
        s.kind[0][0] = KINDS[a];
        s.kind[1][0] = KINDS[b];
        s.transform = (enum transform_mode)transform;
        s.backup = a % 2 ? BACKUP_FAILED : BACKUP_NONE;
        s.shaped = b % 2;
        play_all_orders(&s);
    }
}

/* A body in several steps: all orders of the answers, and each step fails once. */
static void one_record_in_several_steps(void **state)
{
    static const enum kind KINDS[] = {PLAIN, REFUSED, LARGE, DAMAGED, DECAYING};
    struct scene s = {.seals = 1, .records = 1};

    (void)state;
    FOR_EACH(k, ARRAY_LEN(KINDS))
    FOR_EACH(first, 2)
    for (s.store = STORE_WORKS; s.store < STORE_COUNT; s.store++) {
        s.kind[0][0] = KINDS[k];
        s.destination = first ? FIRST_GIVES_UP : FIRST_WORKS;
        s.backup = first || (k + s.store) % 3 ? BACKUP_FAILED : BACKUP_NONE;
        s.late = (k + first + s.store) % 3 == 0;
        play_all_orders(&s);
    }
}

static void one_record_in_several_steps_and_an_end_at_any_moment(void **state)
{
    static const enum kind KINDS[] = {PLAIN, LARGE};
    struct scene s = {.seals = 1, .records = 1, .backup = BACKUP_FAILED};

    (void)state;
    FOR_EACH(k, ARRAY_LEN(KINDS))
    for (s.store = STORE_WORKS; s.store < STORE_COUNT; s.store++)
        for (s.life = LIFE_STOP; s.life <= LIFE_CRASH; s.life++) {
            s.kind[0][0] = KINDS[k];
            s.one_place = (k + s.store) % 2;
            play_all_orders(&s);
        }
}

static void two_records_in_several_steps(void **state)
{
    static const enum kind KINDS[] = {PLAIN, LARGE, DAMAGED};
    struct scene s = {.seals = 1, .records = 2, .backup = BACKUP_FAILED, .store = STORE_WORKS, .one_place = true};

    (void)state;
    FOR_EACH(a, ARRAY_LEN(KINDS))
    FOR_EACH(b, ARRAY_LEN(KINDS))
    {
        s.kind[0][0] = KINDS[a];
        s.kind[0][1] = KINDS[b];
        play_all_orders(&s);
    }
}

/* Whatever it is doing: it goes on behind the pause, and not before. */
static void a_pause_at_any_moment(void **state)
{
    static const enum kind KINDS[] = {PLAIN, REFUSED, DOUBLED, FAILING, ENDLESS};
    struct scene s = {.seals = 1, .records = 1, .pauses = true};

    (void)state;
    FOR_EACH(k, ARRAY_LEN(KINDS))
    FOR_EACH(transform, 3)
    FOR_EACH(fails, 2)
    FOR_EACH(records, 2)
    {
        s.kind[0][0] = KINDS[k];
        s.kind[0][1] = KINDS[(k + fails) % ARRAY_LEN(KINDS)];
        s.records = records + 1;
        s.transform = (enum transform_mode)transform;
        s.transform_fails_once = fails;
        s.destination = records ? FIRST_WORKS : FIRST_FAILS;
        s.backup = (k + transform) % 2 ? BACKUP_FAILED : BACKUP_NONE;
        s.late = (k + fails) % 2;
        play_all_orders(&s);
    }
}

/* Nothing of it goes to the destination, whatever happens; what is beside it does. */
static void a_batch_that_is_not_to_wait_for_the_destination(void **state)
{
    struct scene s = {.seals = 1, .records = 1, .diverted = true};

    (void)state;
    FOR_EACH(k, KIND_COUNT)
    FOR_EACH(transform, 3)
    for (s.life = LIFE_ONE; s.life <= LIFE_CRASH; s.life++) {
        s.kind[0][0] = (enum kind)k;
        s.kind[0][1] = (enum kind)((k + 3) % KIND_COUNT);
        s.records = s.life == LIFE_ONE ? 2 : 1;
        s.transform = (enum transform_mode)transform;
        s.backup = (k + transform) % 3 ? BACKUP_FAILED : BACKUP_ALL;
        s.shaped = (k + s.life) % 2;
        s.backup_first = transform == TRANSFORM_ANY ? FIRST_FAILS : FIRST_WORKS;
        play_all_orders(&s);
    }
    s = (struct scene){.seals = 2, .records = 1, .diverted = true, .backup = BACKUP_FAILED};
    FOR_EACH(transform, 2)
    {
        s.transform = (enum transform_mode)transform;
        play_all_orders(&s);
    }
}

static int begin(void **state)
{
    (void)state;
    signal(SIGABRT, on_abort);
    errors_fd = dup(STDERR_FILENO);
    return 0;
}

/* What the deliveries log is not looked at here. */
static int quietly(void **state)
{
    int nowhere = open("/dev/null", O_WRONLY);

    (void)state;
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    return 0;
}

static int tell_count(void **state)
{
    static unsigned long long before;

    (void)state;
    dup2(errors_fd, STDERR_FILENO);
    printf("             %llu orders\n", orders - before);
    before = orders;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_record_of_each_kind_with_each_trouble, quietly, tell_count),
        cmocka_unit_test_setup_teardown(one_record_of_each_kind_and_an_end_at_any_moment, quietly, tell_count),
        cmocka_unit_test_setup_teardown(two_records_of_all_kinds, quietly, tell_count),
        cmocka_unit_test_setup_teardown(three_records_of_the_kinds_that_matter_to_one_another, quietly, tell_count),
        cmocka_unit_test_setup_teardown(two_batches_beside_one_another, quietly, tell_count),
        cmocka_unit_test_setup_teardown(one_record_in_several_steps, quietly, tell_count),
        cmocka_unit_test_setup_teardown(one_record_in_several_steps_and_an_end_at_any_moment, quietly, tell_count),
        cmocka_unit_test_setup_teardown(two_records_in_several_steps, quietly, tell_count),
        cmocka_unit_test_setup_teardown(a_pause_at_any_moment, quietly, tell_count),
        cmocka_unit_test_setup_teardown(a_batch_that_is_not_to_wait_for_the_destination, quietly, tell_count),
    };

    return cmocka_run_group_tests_name("delivery_model", tests, begin, NULL);
}
