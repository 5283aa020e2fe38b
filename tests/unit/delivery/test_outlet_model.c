/* The destinations of one stream, each with its own place in the spool: real outlets on a real spool, whose disk, time, workers and places are
 * the test's. Records come, the spool is synced, deliveries go on, an attempt arrives or fails, the process dies, destinations come, go and
 * change their names, one does not answer and falls too far behind; all short orders of that, and long random ones.
 *
 * At any time: the books of each balance, and what a destination has still to get is in the spool. At the end: each has each record that it
 * wants, once, and none that it does not want; the rest of its books says so; and nothing waits in the spool for anybody.
 *
 * An object that comes again has the same name and the same content: it takes the place of the one before. So "once" holds over crashes as
 * well, but for what went to the backup just before one: that may be at the destination, too. */
#include "tests/support/cmocka.h"
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/base/limits.h"
#include "pipeline/delivery/outlet.h"
#include "transforms/transform.h"

#include <fcntl.h>
#include <inttypes.h>
#include <semaphore.h>

enum { PLACES = 3, NUMBERS_MAX = 700, WAITING_MAX = 128, OBJECTS_MAX = 700, RECORD_BYTES = 8 };

#define HOUR (3600 * NSEC_PER_SEC)

static const char *const NAMES[PLACES] = {"a", "b", "c"};

/* --- what is outside ----------------------------------------------------------------------------------------------------- */

/* One that is there is there whatever becomes of us. */
struct object_there {
    char name[96];
    unsigned char has[NUMBERS_MAX];
};

struct site {
    int who;
    bool is_backup;
    struct object_there *objects;
    size_t count;
};

/* What is known of a destination; as safe as the log is. */
struct known {
    bool known, configured;
    uint64_t gone_at;
    unsigned char for_it[NUMBERS_MAX];
};

struct model {
    uint64_t next;
    char kind[NUMBERS_MAX]; /* by number: who wants it */
    struct known of[PLACES];
};

static struct {
    struct delivery_loop loop;
    struct fixture *x;
    struct worker_pool *workers;
    struct tap tap;
    struct pace pace;
    struct site places[PLACES], backups[PLACES], *place_conf[PLACES], *backup_conf[PLACES];
    struct stream_settings conf[PLACES];
    struct transform_settings transforms[PLACES];
    struct spool_reader_conf readers[PLACES];
    struct outlet *outlets;
    size_t outlet_count;
    int who[PLACES]; /* of each outlet */
    unsigned configured;
    uint64_t max_behind;
    bool died; /* something may have been given up before it */

    struct loop_event *events[WAITING_MAX];
    struct loop_timer *timers[WAITING_MAX];
    struct sender_job *sends[WAITING_MAX];
    size_t event_count, timer_count, send_count;
    enum sink_outcome answer;

    struct model now, safe;
    uint64_t seed;
    char story[512];
    size_t told;
} W;

static int errors_fd;

static void fails(const char *what, int line)
{
    dup2(errors_fd, STDERR_FILENO);
    fail_msg("line %d: %s; seed %" PRIu64 ", behind %" PRIu64 ", story %s", line, what, W.seed, W.max_behind, W.story);
}

#define MUST(what)                                                                                                     \
    do {                                                                                                               \
        if (!(what))                                                                                                   \
            fails(#what, __LINE__);                                                                                    \
    } while (0)

static unsigned any(unsigned below)
{
    W.seed = W.seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(W.seed >> 33) % below;
}

/* `1` the first only, `2` not the second, `*` all, `0` none: its `when` is what a place wants. */
static bool wants(int who, char kind)
{
    return kind == '*' || (kind == '1' && who == 0) || (kind == '2' && who != 1);
}

/* --- sinks ---------------------------------------------------------------------------------------------------------------- */

static int place_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    (void)env, (void)e;
    *state = *(struct site *const *)conf;
    return 0;
}

static void place_close(void **state)
{
    *state = NULL;
}

static int place_name(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out,
                      struct err *e)
{
    (void)state, (void)extension, (void)e;
    return buf_printf(out, "%" PRIu64 "-%" PRIu64 "-%" PRIu64 "%s", id->first, id->last, id->window,
                      id->error_type ? "!" : "");
}

static void place_describe(const void *state, struct buf *out)
{
    (void)state;
    (void)!buf_add_str(out, "a place");
}

/* Records are `<kind> <number>`; an error line has the number for its arrival. */
static void read_body(const struct sink_seal *s, bool errors, unsigned char has[NUMBERS_MAX])
{
    static const char ARRIVAL[] = "\"arrivalTimestamp\":";
    static char text[256 * KIB];
    struct slice rest, line;
    struct err e;
    long n = body_read(s->body, 0, text, sizeof(text) - 1, &e);

    MUST(n > 0 && (size_t)n < sizeof(text) - 1);
    text[n] = '\0';
    rest = slice_of(text, (size_t)n);
    while (slice_take_line(&rest, &line)) {
        unsigned long number = strtoul(errors ? strstr(line.p, ARRIVAL) + strlen(ARRIVAL) : line.p + 2, NULL, 10);

        MUST(number > 0 && number < W.now.next && has[number] == 0);
        has[number]++;
    }
}

static enum sink_outcome place_send(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct site *p = (struct site *)(uintptr_t)state;
    unsigned char has[NUMBERS_MAX] = {0};
    size_t i = 0;
    char name[96];

    if (W.answer != SINK_DELIVERED) {
        snprintf(v->code, sizeof(v->code), "Busy");
        snprintf(v->message, sizeof(v->message), "not now");
        return W.answer;
    }
    snprintf(name, sizeof(name), "%.*s", (int)s->name.n, s->name.p);
    read_body(s, p->is_backup, has);
    while (i < p->count && strcmp(p->objects[i].name, name) != 0)
        i++;
    MUST(i < OBJECTS_MAX);
    if (i < p->count) /* the same again */
        MUST(p->is_backup || memcmp(p->objects[i].has, has, sizeof(has)) == 0);
    else
        p->count++;
    memcpy(p->objects[i].name, name, sizeof(name));
    memcpy(p->objects[i].has, has, sizeof(has));
    return SINK_DELIVERED;
}

static const struct cfg_field NO_FIELDS[] = {{.name = NULL}};

static const struct sink_ops PLACE = {.name = "place",
                                      .fields = NO_FIELDS,
                                      .conf_size = sizeof(struct site *),
                                      .error_prefix = "failed",
                                      .metric = "place",
                                      .open = place_open,
                                      .close = place_close,
                                      .name_object = place_name,
                                      .send = place_send,
                                      .describe = place_describe};

static unsigned count_at(const struct site *p, uint64_t number)
{
    unsigned n = 0;

    for (size_t i = 0; i < p->count; i++)
        n += p->objects[i].has[number];
    return n;
}

/* --- `when` ---------------------------------------------------------------------------------------------------------------- */

static int when_load(void **shared, const void *conf, const struct transform_env *env, struct err *e)
{
    (void)env, (void)e;
    *shared = mem_alloc(sizeof(int));
    **(int **)shared = *(const int *)conf;
    return 0;
}

static int when_open(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    (void)cancel, (void)e;
    *state = shared;
    return 0;
}

static void when_close(void **state)
{
    *state = NULL;
}

static int when_run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                    struct err *e)
{
    (void)e;
    for (size_t i = 0; i < count; i++) {
        const struct transform_record *r = &records[i];

        if (!wants(*(int *)state, r->data.p[0])) {
            out->unwanted = true;
            out->drop(out, r, SLICE("when"));
        } else if (out->emit(out, r, r->data, NULL, 0) < 0) {
            return -1;
        }
    }
    return 0;
}

static const struct transform_ops WHEN = {
    .name = "when", .fields = NO_FIELDS, .load = when_load, .open = when_open, .close = when_close, .run = when_run};

/* --- the loop ------------------------------------------------------------------------------------------------------------------ */

static void post(struct delivery_loop *l, struct loop_event *ev)
{
    (void)l;
    if (atomic_exchange(&ev->posted, true))
        return;
    MUST(W.event_count < WAITING_MAX);
    W.events[W.event_count++] = ev;
}

static void take_event(size_t i)
{
    struct loop_event *ev = W.events[i];

    memmove(W.events + i, W.events + i + 1, (--W.event_count - i) * sizeof(ev));
    atomic_store(&ev->posted, false);
    ev->fn(ev);
}

static void forget(struct delivery_loop *l, struct loop_event *ev)
{
    (void)l;
    for (size_t i = 0; i < W.event_count; i++)
        if (W.events[i] == ev) {
            memmove(W.events + i, W.events + i + 1, (--W.event_count - i) * sizeof(ev));
            break;
        }
    atomic_store(&ev->posted, false);
}

static void at(struct delivery_loop *l, struct loop_timer *t, nsec mono)
{
    size_t i = 0;

    (void)l;
    while (i < W.timer_count && W.timers[i] != t)
        i++;
    t->item.at = mono;
    MUST(i < WAITING_MAX);
    if (mono == NSEC_NEVER && i < W.timer_count)
        memmove(W.timers + i, W.timers + i + 1, (--W.timer_count - i) * sizeof(struct loop_timer *));
    else if (mono != NSEC_NEVER && i == W.timer_count)
        W.timers[W.timer_count++] = t;
}

/* One that is done at once. */
struct at_once {
    struct worker_job job, *what;
    sem_t done;
};

static void run_at_once(struct worker_job *job, struct worker *w)
{
    struct at_once *a = CONTAINER_OF(job, struct at_once, job);

    a->what->run(a->what, w);
    sem_post(&a->done);
}

static void work(struct delivery_loop *l, struct worker_job *job)
{
    struct at_once a = {.job = {.run = run_at_once}, .what = job};

    (void)l;
    sem_init(&a.done, 0, 0);
    worker_submit(W.workers, &a.job);
    sem_wait(&a.done);
    sem_destroy(&a.done);
}

static void cancel_nothing(struct delivery_loop *l, struct exchange *x)
{
    (void)l, (void)x;
}

static bool send_later(struct delivery_loop *l, struct sender_job *job)
{
    (void)l;
    MUST(W.send_count < WAITING_MAX);
    W.sends[W.send_count++] = job;
    return true;
}

static void no_exchange(struct delivery_loop *l, struct exchange *x)
{
    (void)l, (void)x;
    fails("nothing is exchanged", __LINE__);
}

static bool take_memory(struct delivery_loop *l, size_t bytes)
{
    (void)l, (void)bytes;
    return true;
}

static void give_memory(struct delivery_loop *l, size_t bytes)
{
    (void)l, (void)bytes;
}

static void await(struct delivery_loop *l, struct loop_waiter *w)
{
    (void)l, (void)w;
}

static bool has_plenty(struct delivery_loop *l, size_t bytes)
{
    (void)l, (void)bytes;
    return true;
}

static bool has_senders(struct delivery_loop *l)
{
    (void)l;
    return true;
}

static const struct delivery_loop_ops LOOP = {.post = post,
                                              .forget = forget,
                                              .at = at,
                                              .work = work,
                                              .send = send_later,
                                              .exchange = no_exchange,
                                              .cancel = cancel_nothing,
                                              .take_memory = take_memory,
                                              .give_memory = give_memory,
                                              .force_memory = give_memory,
                                              .await_memory = await,
                                              .await_no_memory = await,
                                              .has_plenty = has_plenty,
                                              .has_plenty_of_senders = has_senders};

/* --- its lives ------------------------------------------------------------------------------------------------------------------ */

static void on_committed(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < W.outlet_count; i++)
        outlet_wake(&W.outlets[i]);
}

static void nobody_waits(void *ctx)
{
    (void)ctx;
}

/* From which record on it gets all. */
static uint64_t gets_from(const struct known *k, const struct reader_state *r)
{
    if (!k->known || r->cut.seq > k->gone_at)
        return r->cut.seq;
    return r->hole_count > 0 && r->holes[0].first == k->gone_at ? r->holes[0].end : k->gone_at;
}

static void note_readers(unsigned configured)
{
    struct spool_gone gone;

    for (size_t i = 0; i < W.outlet_count; i++) {
        struct known *k = &W.now.of[W.who[i]];

        if (k->configured)
            continue;
        for (uint64_t n = gets_from(k, W.x->spool->readers[i].state); n < W.now.next; n++)
            k->for_it[n] = 1;
        k->known = k->configured = true;
    }
    for (int who = 0; who < PLACES; who++) {
        struct known *k = &W.now.of[who];

        if (configured >> who & 1 || !k->configured)
            continue;
        k->configured = k->known = false;
        k->gone_at = W.now.next;
        for (size_t i = 0; spool_gone(W.x->spool, i, &gone); i++)
            k->known |= strcmp(gone.name, NAMES[who]) == 0;
    }
}

static void open_outlets(void)
{
    struct outlet_env env = {.data_dir = W.x->root,
                             .base_dir = W.x->root,
                             .loop = &W.loop,
                             .spool = W.x->spool,
                             .pace = &W.pace,
                             .tap = &W.tap,
                             .became_idle = nobody_waits};
    struct err e;
    bool kept;

    W.outlets = mem_array(W.outlet_count, sizeof(*W.outlets));
    env.outlets = W.outlets;
    env.outlet_count = W.outlet_count;
    for (size_t i = 0; i < W.outlet_count; i++) {
        outlet_init(&W.outlets[i], &W.conf[W.who[i]], &env);
        outlet_read_from(&W.outlets[i], spool_reader(W.x->spool, i), NULL);
    }
    pace_init(&W.pace, W.x->spool, MIB, W.loop.mono);
    for (size_t i = 0; i < W.outlet_count; i++)
        if (outlet_open(&W.outlets[i], 1, &e) < 0 || outlet_open_staging(&W.outlets[i], NULL, &kept, &e) < 0)
            fails(e.msg, __LINE__);
    for (size_t i = 0; i < W.outlet_count; i++)
        outlet_start(&W.outlets[i]);
}

static void live(unsigned configured)
{
    W.configured = configured;
    W.outlet_count = 0;
    for (int who = 0; who < PLACES; who++)
        if (configured >> who & 1) {
            W.readers[W.outlet_count].name = NAMES[who];
            W.who[W.outlet_count++] = who;
        }
    W.x->conf.readers = W.readers;
    W.x->conf.reader_count = W.outlet_count;
    W.x->conf.committed = on_committed;
    open_spool(W.x);
    MUST(!W.x->found.damaged);
    W.now = W.safe;
    note_readers(configured);
    open_outlets();
}

/* Nothing that is under way ends, and what was not synced is not there. */
static void die(void)
{
    W.send_count = 0;
    round_abandon(W.x->spool);
    for (size_t i = 0; i < W.outlet_count; i++)
        outlet_let_go(&W.outlets[i]);
    pace_release(&W.pace);
    close_spool(W.x);
    for (size_t i = 0; i < W.outlet_count; i++)
        outlet_close(&W.outlets[i]);
    MEM_CLEAR(W.outlets);
    MUST(W.event_count == 0);
    MUST(W.timer_count == 0);
    W.died = true;
}

/* --- what happens --------------------------------------------------------------------------------------------------------------- */

static void put(char kind)
{
    struct frame *f = frame_new(64, (nsec)W.now.next * NSEC_PER_MSEC, NULL);
    char record[32];

    if (W.now.next + 1 < NUMBERS_MAX) {
        snprintf(record, sizeof(record), "%c %05" PRIu64, kind, W.now.next);
        assert_true(frame_add(f, slice_str(record)));
        assert_int_equal(spool_append(W.x->spool, &f, NULL), SPOOL_TAKEN);
        for (int who = 0; who < PLACES; who++)
            W.now.of[who].for_it[W.now.next] = W.now.of[who].configured;
        W.now.kind[W.now.next++] = kind;
    }
    frame_free(&f);
}

static void synced(void)
{
    commit(W.x);
    W.safe = W.now;
}

/* The oldest attempt at one of them ends. */
static bool ends(const struct site *at_site, enum sink_outcome how)
{
    for (size_t i = 0; i < W.send_count; i++) {
        struct sender_job *job = W.sends[i];

        if (CONTAINER_OF(job, struct request, send)->target->state != at_site)
            continue;
        memmove(W.sends + i, W.sends + i + 1, (--W.send_count - i) * sizeof(job));
        W.answer = how;
        job->run(job);
        return true;
    }
    return false;
}

static bool time_goes_on(void)
{
    size_t first = 0;
    struct loop_timer *t;

    if (W.timer_count == 0)
        return false;
    for (size_t i = 1; i < W.timer_count; i++)
        if (W.timers[i]->item.at < W.timers[first]->item.at)
            first = i;
    t = W.timers[first];
    if (t->item.at > W.loop.mono)
        W.loop.mono = t->item.at;
    memmove(W.timers + first, W.timers + first + 1, (--W.timer_count - first) * sizeof(t));
    t->item.at = NSEC_NEVER;
    t->fn(t);
    return true;
}

/* Somebody lists it in `give_up`; safe at once. */
static void give_up_gone(void)
{
    struct spool_gone gone;

    while (spool_gone(W.x->spool, 0, &gone)) {
        int who = gone.name[0] - 'a';

        spool_drop_reader(W.x->spool, gone.name);
        W.now.of[who] = (struct known){.known = false};
        W.places[who].count = W.backups[who].count = 0; /* what it gets if it comes back may be what it had */
        synced();
    }
}

/* --- what must be ----------------------------------------------------------------------------------------------------------------- */

static bool waits(uint64_t number)
{
    uint64_t first, end;

    return spool_waiting(W.x->spool, number, &first, &end) && first <= number;
}

static void check(void)
{
    for (size_t i = 0; i < W.outlet_count; i++) {
        struct spool_books b;
        uint64_t count = 0;

        spool_books(W.outlets[i].reader, &b);
        MUST(b.incoming == b.delivered + b.dropped + b.unwanted + b.backed_up + b.corrupt + b.spooled);
        MUST(b.corrupt == 0 && b.dropped == 0);
        for (uint64_t n = 1; n < W.now.next; n++)
            count += W.now.of[W.who[i]].for_it[n];
        MUST(W.now.next != W.safe.next || b.incoming == count);
    }
    for (int who = 0; who < PLACES; who++)
        for (uint64_t n = 1; n < W.safe.next && W.now.of[who].known; n++)
            if (W.now.of[who].for_it[n] && wants(who, W.now.kind[n]) && !count_at(&W.places[who], n) &&
                !count_at(&W.backups[who], n))
                MUST(waits(n));
}

static void check_end(void)
{
    uint64_t first, end;
    bool gone = false;

    for (int who = 0; who < PLACES; who++) {
        const struct known *k = &W.now.of[who];
        uint64_t wanted = 0, unwanted = 0;
        struct spool_books b;

        gone |= k->known && !k->configured;
        if (!k->configured)
            continue;
        for (uint64_t n = 1; n < W.now.next; n++) {
            unsigned there = count_at(&W.places[who], n), spare = count_at(&W.backups[who], n);
            bool wanted_here = k->for_it[n] && wants(who, W.now.kind[n]);

            wanted += wanted_here;
            unwanted += k->for_it[n] && !wanted_here;
            MUST(there <= 1 && spare <= 1);
            MUST(there + spare == wanted_here || (W.died && spare && there));
        }
        for (size_t i = 0; i < W.outlet_count; i++) {
            if (W.who[i] != who)
                continue;
            spool_books(W.outlets[i].reader, &b);
            MUST(b.spooled == 0 && b.unwanted == unwanted && b.delivered + b.backed_up == wanted);
        }
    }
    MUST(gone || !spool_waiting(W.x->spool, 0, &first, &end));
    if (!gone)
        MUST(W.x->spool->segment_count == 1);
}

/* --- a story ----------------------------------------------------------------------------------------------------------------------- */

static void begin_story(uint64_t max_behind)
{
    W.seed = W.seed ? W.seed : 1;
    W.x = fixture_new(false, 64 * MIB, 1 * KIB);
    close_spool(W.x);
    remove_tree(W.x->root);
    assert_int_equal(mkdir(W.x->root, 0700), 0);
    W.loop = (struct delivery_loop){.ops = &LOOP, .tmp_dir = W.x->root, .mono = HOUR, .wall = HOUR};
    W.max_behind = max_behind;
    W.now = W.safe = (struct model){.next = 1};
    W.told = 0;
    W.died = false;
    tap_init(&W.tap);
    for (int who = 0; who < PLACES; who++) {
        static int whos[PLACES] = {0, 1, 2};

        W.places[who].who = W.backups[who].who = who;
        W.places[who].count = W.backups[who].count = 0;
        W.backups[who].is_backup = true;
        W.place_conf[who] = &W.places[who];
        W.backup_conf[who] = &W.backups[who];
        W.transforms[who] = (struct transform_settings){.ops = &WHEN, .conf = &whos[who]};
        W.conf[who] = (struct stream_settings){.name = (char *)(uintptr_t) "app",
                                               .outlet = (char *)(uintptr_t)NAMES[who],
                                               .label = (char *)(uintptr_t)NAMES[who],
                                               .spool_limit = 64 * MIB,
                                               .buffer_size = (uint64_t)(1 + who) * RECORD_BYTES,
                                               .buffer_interval = NSEC_PER_SEC,
                                               .format = format_find("lines"),
                                               .codec = codec_find("none"),
                                               .transforms = who == 2 ? NULL : &W.transforms[who],
                                               .transform_count = who == 2 ? 0 : 1,
                                               .sink = &PLACE,
                                               .sink_conf = &W.place_conf[who],
                                               .in_flight_min = 1,
                                               .in_flight = 1 + who / 2,
                                               .retry_duration = 1000 * HOUR,
                                               .backup = &PLACE,
                                               .backup_conf = &W.backup_conf[who],
                                               .max_behind = who == 1 ? max_behind : 0};
    }
}

/* The third has no `when`. */
static char kind_of(unsigned i)
{
    return "*21"[i];
}

static void tell(char what)
{
    W.story[W.told < sizeof(W.story) - 1 ? W.told++ : W.told] = what;
    W.story[W.told] = '\0';
}

enum { STEPS = 17 };

static void step(unsigned which)
{
    tell((char)('A' + which));
    W.loop.mono += NSEC_PER_MSEC;
    switch (which) {
    case 0:
    case 1:
        put(kind_of(which));
        break;
    case 2:
        synced();
        break;
    case 3:
    case 4:
        if (W.event_count > 0)
            take_event(which == 3 ? 0 : W.event_count - 1);
        break;
    case 5:
    case 6:
    case 7:
        (void)ends(&W.places[which - 5], SINK_DELIVERED);
        break;
    case 8:
    case 9:
        (void)ends(&W.places[which - 8], SINK_RETRY);
        break;
    case 10:
        (void)time_goes_on();
        break;
    case 11:
        die();
        live(W.configured);
        break;
    case 12: /* one goes, or comes, or has another name */
        die();
        live(W.configured == 7 ? 5 : W.configured == 5 ? 3 : 7);
        break;
    case 13:
        give_up_gone();
        break;
    case 14:
        for (size_t i = 0; i < W.outlet_count; i++)
            outlet_flush_now(&W.outlets[i]);
        break;
    case 15:
    case 16:
        (void)ends(&W.backups[1], which == 15 ? SINK_DELIVERED : SINK_RETRY);
        break;
    default:
        break;
    }
    check();
}

static bool has_all(void)
{
    struct spool_books b;
    bool all = true;

    for (size_t i = 0; i < W.outlet_count; i++) {
        spool_books(W.outlets[i].reader, &b);
        all = all && b.spooled == 0;
    }
    return all;
}

static void end_story(void)
{
    unsigned turns = 0;

    synced();
    for (; !has_all() || W.event_count > 0; turns++) {
        bool went_on = false;

        MUST(turns < 10000);
        while (W.event_count > 0)
            take_event(0);
        for (int who = 0; who < PLACES; who++) {
            went_on = ends(&W.places[who], SINK_DELIVERED) || went_on;
            went_on = ends(&W.backups[who], SINK_DELIVERED) || went_on;
        }
        if (!went_on && W.event_count == 0)
            (void)time_goes_on();
        synced();
    }
    synced();
    check();
    check_end();
    die();
    tap_release(&W.tap);
    remove_tree(W.x->root);
    mem_free(W.x);
}

static int begin(void **state)
{
    int nowhere = open("/dev/null", O_WRONLY);
    struct err e;

    (void)state;
    errors_fd = dup(STDERR_FILENO);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    assert_int_equal(worker_pool_start(&W.workers, 1, NULL, &e), 0);
    for (int who = 0; who < PLACES; who++) {
        W.places[who].objects = mem_array(OBJECTS_MAX, sizeof(struct object_there));
        W.backups[who].objects = mem_array(OBJECTS_MAX, sizeof(struct object_there));
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int who = 0; who < PLACES; who++) {
        mem_free(W.places[who].objects);
        mem_free(W.backups[who].objects);
    }
    worker_pool_stop(&W.workers);
    dup2(errors_fd, STDERR_FILENO);
    close(errors_fd);
    return 0;
}

/* Behind a beginning, so that something is under way. */
static void all_orders_of_three_steps(void **state)
{
    static const char *const BEGINNINGS[] = {"AC", "ABCDDD", "AACDDDFCDD"};

    (void)state;
    for (unsigned i = 0; i < STEPS * STEPS * STEPS; i++) {
        begin_story(i % 2 ? 2 * RECORD_BYTES : 0);
        live(i % 5 ? 7 : 3);
        for (const char *c = BEGINNINGS[i % 3]; *c; c++)
            step((unsigned)(*c - 'A'));
        step(i % STEPS);
        step(i / STEPS % STEPS);
        step(i / STEPS / STEPS);
        end_story();
    }
}

static void long_random_ones(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        unsigned steps;

        W.seed = i + 1;
        begin_story(i % 2 ? 3 * RECORD_BYTES : 0);
        live(1 + any(7));
        for (steps = any(120); steps > 0; steps--) {
            unsigned which = any(STEPS + 12); /* what goes on more often than what ends */

            step(which < STEPS ? which : which % 3 ? 3 : which % 2);
        }
        end_story();
    }
}

/* Its attempts have no end. What waits for it stays within its limit, and the others have all. */
static void one_that_does_not_answer_holds_up_nobody(void **state)
{
    struct spool_books b;

    (void)state;
    begin_story(10 * RECORD_BYTES);
    live(7);
    for (unsigned i = 0; i < 300; i++) {
        put(kind_of(i % 2));
        synced();
        for (unsigned turns = 0; turns < 10; turns++) {
            while (W.event_count > 0)
                take_event(0);
            (void)(ends(&W.places[0], SINK_DELIVERED) || ends(&W.places[2], SINK_DELIVERED) ||
                   ends(&W.backups[1], SINK_DELIVERED));
        }
        check();
        for (size_t k = 0; k < W.outlet_count; k++) {
            spool_books(W.outlets[k].reader, &b);
            MUST(b.spooled_bytes <= (k == 1 ? 12 : 4) * RECORD_BYTES);
        }
    }
    end_story();
}

/* Few records, and nothing comes any more: it is their age that counts. */
static void what_waits_for_too_long_goes_to_the_backup(void **state)
{
    struct spool_books b;

    (void)state;
    begin_story(0);
    W.conf[1].max_behind_time = 2 * HOUR; /* they are an hour old when they come */
    live(2);
    for (unsigned i = 0; i < 12; i++)
        put('*');
    synced();
    for (unsigned hour = 0; hour < 2; hour++) {
        for (unsigned turns = 0; turns < 20; turns++) {
            while (W.event_count > 0)
                take_event(0);
            synced();
            (void)ends(&W.backups[1], SINK_DELIVERED);
        }
        spool_books(W.outlets[0].reader, &b);
        MUST(hour == 0 ? b.spooled == 12 && b.backed_up == 0 : b.spooled == 2 && b.backed_up == 10);
        W.loop.wall += 2 * HOUR;
        MUST(hour > 0 || time_goes_on());
    }
    W.conf[1].max_behind_time = 0;
    end_story();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_orders_of_three_steps),
        cmocka_unit_test(long_random_ones),
        cmocka_unit_test(one_that_does_not_answer_holds_up_nobody),
        cmocka_unit_test(what_waits_for_too_long_goes_to_the_backup),
    };

    return cmocka_run_group_tests_name("outlet_model", tests, begin, end);
}
