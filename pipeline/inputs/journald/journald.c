/* journald.c -- the input that reads systemd's journal.
 *
 * Its position is the cursor of the last entry whose record is in the frame, written with it: so after a crash no entry is missing
 * and none is there twice. When the disk refuses, the journal is opened anew behind the cursor that the spool has.
 *
 * The journal does not wait for us: journald removes what is old when it has its size. So it is read as far as the spool takes it, also while
 * the destination is down; and what was removed before it was read is said. */
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/inputs/connection.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/journald/journal.h"
#include "pipeline/inputs/window.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LABEL "journald"

struct input {
    struct input_env env;
    const struct journald_conf *conf;
    const char *label;
    char source[128];                   /* for people */
    char position[POSITION_SOURCE_MAX]; /* its name in the spool */
    struct slice position_name;
    struct input_thread *thread;
    struct window window;
    struct connection connection;

    /* The thread's. */
    struct journal journal;
    struct entry entry;
    char taken[JOURNALD_CURSOR_MAX]; /* cursor of the last entry that was taken; "": the spool knows it */
    char begun[JOURNALD_CURSOR_MAX]; /* where it began at its first start; the spool may not have it yet */
    nsec wall;                       /* time of the entry in hand */
    uint64_t number, damaged;
    nsec mark_at;        /* mono */
    struct slice record; /* in hand */
    bool held;           /* there is one */
    bool at_end;         /* there was no entry when it was looked for last */
    bool told_finished, gave_up;
    struct log_limit left_out_log, damaged_log, too_large_log;
};

/* --- where it goes on ---------------------------------------------------------------------------------------------- */

struct stored {
    struct slice name;
    char *cursor;
};

static bool find_cursor(void *ctx, struct slice source, struct slice cursor)
{
    struct stored *s = ctx;

    if (!slice_eq(source, s->name) || cursor.n == 0 || cursor.n >= JOURNALD_CURSOR_MAX)
        return true;
    memcpy(s->cursor, cursor.p, cursor.n);
    s->cursor[cursor.n] = '\0';
    return false;
}

static void say_gone(struct input *in, const struct journal_gone *g, nsec now)
{
    char from[32], to[32], entries[24] = "unknown";
    const char *hint = "raise SystemMaxUse= in journald.conf, or look at why this stream stood still";

    if (g->counted)
        snprintf(entries, sizeof(entries), "%" PRIu64, g->entries);
    input_health_error(in->env.health, "entries of the journal were removed before they were read", hint, now);
    log_warn("entries of the journal were removed before they were read", KS("stream", in->env.stream),
             KS("input", in->label), KS("source", in->source),
             KS("read_until", clock_rfc3339(g->from, from, sizeof(from))),
             KS("goes_on_at", clock_rfc3339(g->to, to, sizeof(to))), KS("entries_at_most", entries), KS("hint", hint));
}

#define HINT "look at the folder of the journal and at its rights, and at `journalctl --verify`"

/* With --once nobody waits for it to be there. */
static void give_up(struct input *in, const struct err *e, nsec now)
{
    journal_close(&in->journal);
    input_health_error(in->env.health, e->msg, HINT, now);
    log_warn("the journal cannot be read", KS("stream", in->env.stream), KS("input", in->label),
             KS("source", in->source), KE("cause", e), KS("hint", HINT));
    in->at_end = in->gave_up = true;
}

static void failed(struct input *in, const char *doing, const struct err *e, nsec now)
{
    journal_close(&in->journal);
    connection_failed(&in->connection, &(struct connection_trouble){.doing = doing, .cause = e->msg, .hint = HINT},
                      now);
}

/* As the options say, which is stored, so that it stays so. */
static int begin_first(struct input *in, struct journal_gone *gone, struct err *e)
{
    char first[JOURNALD_CURSOR_MAX];

    if (journal_first(in->conf, in->env.base_dir, clock_wall(), first, e) < 0 ||
        journal_open(&in->journal, in->conf, in->env.base_dir, first, gone, e) < 0)
        return -1;
    snprintf(in->begun, sizeof(in->begun), "%s", first);
    snprintf(in->taken, sizeof(in->taken), "%s", first);
    spool_remember(in->env.spool, in->position_name, slice_str(first));
    return 0;
}

/* Behind what was taken last, which may not be in the spool yet; else behind what is there. */
static int open_journal(struct input *in, nsec now, struct err *e)
{
    struct stored s = {in->position_name, in->taken};
    struct journal_gone gone;
    int rc;

    if (journal_check(in->conf, in->env.base_dir, e) < 0)
        return -1;
    if (in->taken[0] == '\0')
        spool_positions(in->env.spool, find_cursor, &s);
    if (in->taken[0] == '\0')
        snprintf(in->taken, sizeof(in->taken), "%s", in->begun);
    rc = in->taken[0] == '\0' ? begin_first(in, &gone, e)
                              : journal_open(&in->journal, in->conf, in->env.base_dir, in->taken, &gone, e);
    if (rc < 0)
        return -1;
    if (gone.any)
        say_gone(in, &gone, now);
    in->at_end = in->held = false;
    return 0;
}

static void begin_journal(struct input *in, nsec now)
{
    struct err e = {.msg = ""};

    if (open_journal(in, now, &e) == 0)
        connection_works(&in->connection, now);
    else if (in->env.once)
        give_up(in, &e, now);
    else
        failed(in, "open", &e, now);
}

/* --- entries ------------------------------------------------------------------------------------------------------- */

/* The frame takes no more: what was taken last is where it goes on. */
static void frame_closes(void *ctx)
{
    struct input *in = ctx;

    window_set_position(&in->window, in->position_name, slice_str(in->taken));
}

static void look_at_entry(struct input *in, nsec now)
{
    in->record = entry_write(&in->entry, &in->conf->fields);
    in->held = true;
    if (in->entry.left_out > 0 && log_due(&in->left_out_log, now, JOURNALD_SAYS_EVERY))
        log_warn("an entry of the journal has fields for which a record has no room: they are left out and named in "
                 "its __OMITTED",
                 KS("stream", in->env.stream), KS("input", in->label), KU("fields", in->entry.left_out),
                 KU("record_max_bytes", LINE_MAX_BYTES), KU("suppressed", in->left_out_log.suppressed),
                 KS("hint", "fields: [...] names those that are wanted"));
}

static void too_large(struct input *in, nsec now)
{
    input_health_error(in->env.health, "an entry is larger than the stream's spool may be, and is left out",
                       "raise spool.limit", now);
    if (log_due(&in->too_large_log, now, JOURNALD_SAYS_EVERY))
        log_warn("an entry of the journal is larger than the stream's spool may be, and is left out",
                 KS("stream", in->env.stream), KS("input", in->label), KU("bytes", in->record.n),
                 KU("suppressed", in->too_large_log.suppressed), KS("hint", "raise spool.limit"));
}

/* False: not now. */
static bool put(struct input *in, nsec now)
{
    const struct frame_message m = {.data = in->record};

    switch (window_put(&in->window, &m, in->number + 1, clock_wall(), now)) {
    case WINDOW_TAKEN:
        in->number++;
        break;
    case WINDOW_TOO_LARGE:
        too_large(in, now);
        break;
    default:
        return false;
    }
    in->held = false;
    snprintf(in->taken, sizeof(in->taken), "%s", in->journal.cursor);
    return true;
}

static void say_damaged(struct input *in, uint64_t damaged, nsec now)
{
    const char *hint = "journalctl --verify names the file; journald sets such files aside by itself";

    if (damaged == in->damaged)
        return;
    in->damaged = damaged;
    input_health_error(in->env.health, "an entry of the journal is damaged, and is left out", hint, now);
    if (log_due(&in->damaged_log, now, JOURNALD_SAYS_EVERY))
        log_warn("an entry of the journal is damaged, and is left out", KS("stream", in->env.stream),
                 KS("input", in->label), KS("source", in->source), KU("entries", damaged), KS("hint", hint));
}

/* False: the journal is closed. */
static bool read_one(struct input *in, nsec now)
{
    uint64_t damaged = in->damaged;
    struct err e = {.msg = ""};
    int rc = journal_next(&in->journal, &in->entry, &in->wall, &damaged, &e);

    say_damaged(in, damaged, now);
    in->at_end = rc == 0;
    if (rc > 0)
        look_at_entry(in, now);
    if (rc < 0)
        failed(in, "read", &e, now);
    return rc >= 0;
}

static void read_entries(struct input *in, nsec now)
{
    for (unsigned i = 0; i < JOURNALD_TURN_ENTRIES; i++) {
        if (!in->held && !read_one(in, now))
            return;
        if (!in->held || !put(in, now))
            break;
    }
    window_flush(&in->window, now);
    input_health_oldest(in->env.health, in->at_end ? 0 : in->wall);
}

/* Files came or went while it was behind, perhaps because the spool is full: did those have what comes next? */
static void look_at_changes(struct input *in, nsec now)
{
    struct journal_gone g;
    struct err ignored;

    if (!journal_changed(&in->journal) || in->at_end || in->journal.cursor[0] == '\0')
        return;
    if (journal_look_back(in->conf, in->env.base_dir, in->journal.cursor, &g, &ignored) == 0 && g.any)
        say_gone(in, &g, now);
}

/* What the filters leave out moves the position, too, now and then: else the entry that was taken last would be gone one day, and it would look
 * as if others had been lost. Whatever was there when the end was looked for has been read if there is nothing more behind it. */
static void mark_end(struct input *in, nsec now)
{
    const struct journald_conf *c = in->conf;
    bool filters = c->units.n > 0 || c->identifiers.n > 0 || c->match.n > 0 || c->priority < JOURNALD_PRIORITY_ALL;
    char end[JOURNALD_CURSOR_MAX];
    struct err ignored;

    if (!filters || !in->journal.j || !in->at_end || in->held || !window_is_idle(&in->window))
        return;
    in->mark_at = now + JOURNALD_MARK_EVERY;
    if (journal_end(c, in->env.base_dir, end, &ignored) < 0 || *end == '^')
        return;
    (void)journal_changed(&in->journal);
    if (!read_one(in, now) || in->held)
        return;
    snprintf(in->taken, sizeof(in->taken), "%s", end);
    spool_remember(in->env.spool, in->position_name, slice_str(end));
}

/* --- turns --------------------------------------------------------------------------------------------------------- */

/* What was refused is not in the spool: it is read again. */
static void look_at_window(struct input *in, nsec now)
{
    struct window_news news = window_look(&in->window, now);

    if (!news.refused)
        return;
    journal_close(&in->journal);
    in->held = false;
    in->taken[0] = '\0';
    window_reset(&in->window);
}

static void tell_finished(struct input *in)
{
    if (!in->env.once || in->told_finished || !in->at_end || in->held || !window_is_idle(&in->window))
        return;
    in->told_finished = true;
    if (!in->gave_up)
        log_info("the journal is read to its end", KS("stream", in->env.stream), KS("input", in->label),
                 KS("source", in->source));
    if (in->env.finished)
        in->env.finished(in->env.ctx);
}

static void wait_for_more(struct input *in)
{
    nsec until = NSEC_NEVER;
    struct pollfd fd;

    if (!in->journal.j) {
        input_thread_wait(in->thread,
                          in->connection.failing ? in->connection.again : clock_mono() + JOURNALD_ROOM_AGAIN);
        return;
    }
    if (in->held) { /* there is room again when something became safe, or by and by */
        input_thread_poll(in->thread, NULL, 0, clock_mono() + JOURNALD_ROOM_AGAIN, false);
        return;
    }
    if (!in->at_end)
        return;
    if (!window_is_idle(&in->window)) /* likewise for what was read */
        until = clock_mono() + JOURNALD_ROOM_AGAIN;
    fd = journal_pollfd(&in->journal, &until);
    input_thread_poll(in->thread, &fd, fd.fd >= 0, until, false);
}

static void turn(struct input *in)
{
    nsec now = clock_mono();

    look_at_window(in, now);
    if (!in->journal.j && !in->gave_up && connection_is_due(&in->connection, now))
        begin_journal(in, now);
    if (in->journal.j) {
        look_at_changes(in, now);
        read_entries(in, now);
        if (now >= in->mark_at)
            mark_end(in, now);
    }
    tell_finished(in);
    wait_for_more(in);
}

/* What was taken becomes safe, as far as that goes in a moment; the rest is read again. */
static void leave(struct input *in)
{
    nsec now = clock_mono(), until = now + JOURNALD_LEAVE_TIME;

    for (; now < until && !window_is_idle(&in->window); now = clock_mono()) {
        if (window_look(&in->window, now).refused)
            break;
        if (!window_is_idle(&in->window))
            input_thread_poll(in->thread, NULL, 0, clock_mono() + JOURNALD_ROOM_AGAIN, true);
    }
    mark_end(in, now);
    journal_close(&in->journal);
}

static void run(struct input_thread *t, void *arg)
{
    struct input *in = arg;

    while (!input_thread_ends(t))
        turn(in);
    leave(in);
}

/* --- the input ----------------------------------------------------------------------------------------------------- */

static void wake(void *ctx)
{
    struct input *in = ctx;

    if (in->thread)
        input_thread_wake(in->thread);
}

static void journald_close(struct input **inp)
{
    struct input *in = *inp;

    if (!in)
        return;
    input_thread_free(&in->thread);
    window_release(&in->window);
    connection_release(&in->connection);
    entry_release(&in->entry);
    MEM_CLEAR(*inp);
}

static int journald_open(struct input **out, const void *conf, const struct input_env *env, struct err *e)
{
    struct input *in = mem_alloc(sizeof(*in));

    (void)e;
    in->conf = conf;
    in->env = *env;
    in->label = input_health_label(env->health, LABEL);
    snprintf(in->source, sizeof(in->source), "%s", in->conf->path ? in->conf->path : "the journal of this machine");
    in->position_name = journald_source(in->conf, in->position);
    entry_init(&in->entry);
    window_init(&in->window, &(struct window_conf){.spool = env->spool,
                                                   .budget = env->budget,
                                                   .pushback = env->pushback,
                                                   .health = env->health,
                                                   .origin = SLICE("input=journald"),
                                                   .news = wake,
                                                   .closing = frame_closes,
                                                   .ctx = in});
    connection_init(&in->connection, &(struct connection_conf){.stream = env->stream,
                                                               .input = in->label,
                                                               .source = in->source,
                                                               .health = env->health,
                                                               .holds = CONNECTION_HOLDS,
                                                               .failed_text = "the journal cannot be read, and is "
                                                                              "tried again",
                                                               .works_text = "the journal can be read again"});
    *out = in;
    return 0;
}

static int journald_start(struct input *in, struct err *e)
{
    return input_thread_start(
        &in->thread,
        &(struct input_thread_conf){.stream = in->env.stream, .input = in->label, .run = run, .polls = true, .arg = in},
        e);
}

static void journald_stop(struct input *in)
{
    input_thread_stop(in->thread);
}

static bool journald_stopped(struct input *in, nsec until)
{
    return input_thread_ended(in->thread, until);
}

static unsigned journald_threads(const void *conf)
{
    (void)conf;
    return 1;
}

static unsigned journald_sockets(const void *conf)
{
    (void)conf;
    return JOURNALD_DESCRIPTORS;
}

static int journald_probe(const void *conf, const struct input_probe *p, struct err *e)
{
    return journal_check(conf, p->base_dir, e);
}

const struct input_ops journald_ops = {
    .name = LABEL,
    .help =
        "reads the journal of systemd, each entry as a JSON object; its place is kept in the spool, so each comes once "
        "(docs/journald.md)",
    .fields = journald_fields,
    .conf_size = sizeof(struct journald_conf),
    .finite = true,
    .threads = journald_threads,
    .sockets = journald_sockets,
    .open = journald_open,
    .start = journald_start,
    .stop = journald_stop,
    .stopped = journald_stopped,
    .close = journald_close,
    .check_conf = journald_conf_check_all,
    .same_positions = journald_conf_same_positions,
    .probe = journald_probe,
};
