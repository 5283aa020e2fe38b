/* Which shards this daemon reads, when several read one stream: leases.h decides, and here its calls are made and its decisions carried out.
 *
 * Some calls at the same time; when one fails, all wait (they have one table), but for no longer than a third of the fail-over time. */
#include "pipeline/inputs/kinesis/share.h"

#include "pipeline/base/digest.h"
#include "pipeline/inputs/kinesis/impl.h"
#include "pipeline/inputs/kinesis/table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORKER_SOURCE "kinesis-worker"

/* --- who we are ---------------------------------------------------------------------------------------------------- */

static bool find_worker(void *ctx, struct slice source, struct slice cursor)
{
    struct share *s = ctx;

    if (!slice_is(source, WORKER_SOURCE) || cursor.n >= sizeof(s->me))
        return true;
    snprintf(s->me, sizeof(s->me), "%.*s", (int)cursor.n, cursor.p);
    return false;
}

/* A name that belongs to the spool: who has that has what was read under this name. */
static void name_worker(struct input *in)
{
    struct share *s = &in->share;
    char host[64] = "";

    if (in->conf->leases.worker) {
        snprintf(s->me, sizeof(s->me), "%s", in->conf->leases.worker);
        return;
    }
    spool_positions(in->env.spool, find_worker, s);
    if (s->me[0])
        return;
    if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
        snprintf(host, sizeof(host), "sluice");
    snprintf(s->me, sizeof(s->me), "%s-%08" PRIx32 "%08" PRIx32, host, random_bits(), random_bits());
    spool_remember(in->env.spool, SLICE(WORKER_SOURCE), slice_str(s->me));
}

/* --- what leases.h decides ------------------------------------------------------------------------------------------- */

static void on_granted(void *ctx, const struct leased *x, bool again)
{
    struct input *in = ctx;
    struct place p = x->at.place;

    if (x->at.at_start)
        p = kinesis_conf_start(in->conf, clock_wall() / NSEC_PER_MSEC);
    shards_grant(&in->shards, x->at.key, &p, again, clock_mono());
}

static void on_revoked(void *ctx, const struct leased *x, bool lost)
{
    static const char HINT[] =
        "another daemon has it now, or the table could not be reached in time; what was read is "
        "delivered. If it goes on: is the "
        "machine too busy, or leases.failover too short, or has another daemon the same leases.worker?";
    struct input *in = ctx;

    shards_revoke(&in->shards, x->at.key);
    if (lost && log_due(&in->share.lost, clock_mono(), KINESIS_SAYS_EVERY))
        log_warn("a lease was lost: its shard is not read here any more", KS("stream", in->env.stream),
                 KS("input", in->label), KS("source", in->conf->stream), KS("shard", x->at.key),
                 KS("owner", x->at.owner), KU("suppressed", in->share.lost.suppressed), KS("hint", HINT));
}

/* Who read the stream alone until now has its places, and they are the first leases. */
static struct place begin_at(void *ctx, const char *shard)
{
    struct input *in = ctx;
    const struct shard *x = shards_find(&in->shards, shard);

    if (x && x->place.kind != PLACE_NONE)
        return x->place;
    if (in->shards.begun) /* it is over, or a child that waits for its parents */
        return (struct place){.kind = PLACE_NONE};
    return in->start;
}

static void tell_progress(struct input *in)
{
    struct leases *l = &in->share.leases;

    for (size_t i = 0; i < l->n; i++) {
        struct shard *x;
        struct place safe;

        if (l->v[i]->state != LEASE_MINE && l->v[i]->state != LEASE_GIVING)
            continue;
        x = shards_find(&in->shards, l->v[i]->at.key);
        if (!x)
            continue;
        safe = shard_safe_place(&in->shards, x);
        leases_progress(l->v[i], &safe, x->last <= in->shards.safe);
    }
}

/* --- calls --------------------------------------------------------------------------------------------------------- */

static bool ask(struct input *in, struct share_call *c, const char *operation, const struct buf *text, nsec now)
{
    struct share *s = &in->share;
    nsec most = s->leases.conf.failover / 2; /* else there is no time for another try */

    if (most > KINESIS_LEASE_TIMEOUT)
        most = KINESIS_LEASE_TIMEOUT;
    if (aws_call_begin(&c->call, operation, buf_slice(text), most, false, &s->trouble, now))
        return true;
    s->failed = NULL;
    return false;
}

/* What it could not do now it does later. */
static void not_begun(struct input *in, struct share_call *c, nsec now)
{
    struct leases *l = &in->share.leases;

    if (c->act.kind == LEASE_SCAN)
        leases_scan_failed(l, in->share.trouble.again);
    else
        leases_done(l, &c->act, LEASE_UNSURE, in->share.trouble.again, now);
}

static void begin(struct input *in, struct share_call *c, nsec now)
{
    const char *table = in->conf->leases.table, *operation = "Scan";
    struct buf text;
    int rc = -1;

    buf_init(&text, KINESIS_LEASE_MAX);
    switch (c->act.kind) {
    case LEASE_SCAN:
        rc = table_scan_text(table, buf_slice(&in->share.from), 0, &text);
        break;
    case LEASE_LOOK:
        operation = "GetItem";
        rc = table_look_text(table, c->act.of->at.key, &text);
        break;
    case LEASE_PUT:
    case LEASE_DELETE:
        operation = c->act.kind == LEASE_PUT ? "UpdateItem" : "DeleteItem";
        rc = table_write_text(table, &c->act, &text);
        break;
    }
    assert(rc == 0); /* all that stands in it is bounded */
    c->makes_table = false;
    if (!ask(in, c, operation, &text, now))
        not_begun(in, c, now);
    buf_release(&text);
}

static bool make_table(struct input *in, struct share_call *c, nsec now)
{
    struct buf text;
    int rc;

    buf_init(&text, KINESIS_LEASE_MAX);
    rc = table_create_text(in->conf->leases.table, &text);
    assert(rc == 0);
    c->makes_table = true;
    in->share.table_missing = false;
    if (ask(in, c, "CreateTable", &text, now))
        log_info("there is no table of leases: it is made", KS("stream", in->env.stream), KS("input", in->label),
                 KS("table", in->conf->leases.table));
    buf_release(&text);
    return c->call.under_way;
}

/* --- what came back ------------------------------------------------------------------------------------------------ */

static void on_lease(void *ctx, const struct lease *x)
{
    struct input *in = ctx;
    struct leases *l = &in->share.leases;

    if (l->n < 2 * KINESIS_SHARDS_MAX || leases_find(l, x->key))
        leases_saw(l, x, l->scan_asked, clock_mono());
    else
        in->share.too_many = true;
}

static int take_page(struct input *in, const struct share_call *c, nsec now, struct err *e)
{
    struct share *s = &in->share;

    s->too_many = false;
    if (table_scan_read(buf_slice(&c->call.answer), on_lease, in, &s->from, e) < 0)
        return -1;
    if (s->too_many || (s->from.n > 0 && ++s->paged >= 2 * KINESIS_SHARDS_MAX))
        return err_set(e, ERR_FORMAT, "the table has more than %d leases, or no end", 2 * KINESIS_SHARDS_MAX);
    s->pages = s->from.n > 0;
    if (!s->pages)
        leases_scan_end(&s->leases, now);
    return 0;
}

static int take_look(struct input *in, struct share_call *c, nsec now, struct err *e)
{
    struct leases *l = &in->share.leases;
    struct lease x;
    bool there;

    if (table_look_read(buf_slice(&c->call.answer), &x, &there, e) < 0)
        return -1;
    if (there && strcmp(x.key, c->act.of->at.key) != 0)
        return err_set(e, ERR_FORMAT, "the answer has the lease of another shard");
    if (there)
        leases_saw(l, &x, c->act.began, now);
    else
        leases_missed(l, c->act.of->at.key, c->act.began, now);
    leases_done(l, &c->act, LEASE_DONE, now, now);
    return 0;
}

static int take_answer(struct input *in, struct share_call *c, nsec now, struct err *e)
{
    switch (c->act.kind) {
    case LEASE_SCAN:
        return take_page(in, c, now, e);
    case LEASE_LOOK:
        return take_look(in, c, now, e);
    case LEASE_PUT:
    case LEASE_DELETE:
        leases_done(&in->share.leases, &c->act, LEASE_DONE, now, now);
        break;
    }
    return 0;
}

/* The table cannot be reached, or refuses us: no lease lasts for as long as the usual pauses. */
static nsec again(struct share *s, nsec now)
{
    nsec latest = now + s->leases.conf.failover / 3;

    if (s->trouble.again > latest)
        s->trouble.again = latest;
    return s->trouble.again;
}

/* One right of several may be missing: what works says nothing of what does not, unless that is not asked for any more. */
static void works(struct share *s, const struct share_call *c, nsec now)
{
    if (s->trouble.failing && s->failed && strcmp(c->call.operation, s->failed) != 0 &&
        now - s->failed_at < s->leases.conf.failover)
        return;
    connection_works(&s->trouble, now);
}

/* The table is not made, or a lease that nobody needs stays: that holds up nothing else. */
static void failed_beside(struct input *in, const struct share_call *c, nsec now)
{
    const struct aws_json_error *x = &c->call.error;
    const char *cause = x->code[0] ? x->code : x->said, *hint = aws_caller_hint(&in->share.caller.conf, x);

    input_health_refused(in->env.health, cause, hint, now);
    if (log_due(&in->share.beside, now, KINESIS_SAYS_EVERY))
        log_warn("a table of leases cannot be made, or a lease not be deleted; it is tried again",
                 KS("stream", in->env.stream), KS("input", in->label), KS("source", in->conf->leases.table),
                 KS("call", c->call.operation), KS("cause", cause), KS("said", x->code[0] ? x->said : ""),
                 KU("suppressed", in->share.beside.suppressed), KS("hint", hint));
}

static void call_failed(struct input *in, struct share_call *c, const struct err *malformed, nsec now)
{
    struct share *s = &in->share;

    if (c->makes_table || c->act.kind == LEASE_DELETE) {
        failed_beside(in, c, now);
        if (!c->makes_table)
            leases_done(&s->leases, &c->act, LEASE_UNSURE, now, now);
        return;
    }
    s->failed = c->call.operation;
    s->failed_at = now;
    if (malformed)
        aws_call_malformed(&c->call, &s->trouble, malformed, now);
    else
        aws_call_failed(&c->call, &s->trouble, now);
    if (c->act.kind == LEASE_SCAN) {
        buf_clear(&s->from);
        s->pages = false;
        leases_scan_failed(&s->leases, again(s, now));
        s->table_missing = in->conf->leases.create && strstr(c->call.error.code, "ResourceNotFound");
    } else {
        leases_done(&s->leases, &c->act, LEASE_UNSURE, again(s, now), now);
    }
}

static void came_back(struct input *in, struct share_call *c, nsec now)
{
    const char *code = c->call.error.code;
    struct err e = {.msg = ""};

    if (!c->call.answered) { /* it was cancelled */
        if (!c->makes_table)
            not_begun(in, c, now);
    } else if (strstr(code, "ConditionalCheckFailed")) {
        leases_done(&in->share.leases, &c->act, LEASE_REFUSED, now, now);
        works(&in->share, c, now);
    } else if (c->makes_table && (c->call.error.trouble == AWS_FINE || strstr(code, "ResourceInUse"))) {
        in->share.leases.scan_due = now + NSEC_PER_SEC; /* it takes some time */
    } else if (c->call.error.trouble != AWS_FINE) {
        call_failed(in, c, NULL, now);
    } else if (take_answer(in, c, now, &e) < 0) {
        call_failed(in, c, &e, now);
    } else {
        works(&in->share, c, now);
    }
    aws_call_forget(&c->call);
}

/* --- turns ---------------------------------------------------------------------------------------------------------- */

static bool take_answers(struct input *in, nsec now)
{
    bool any = false;

    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        if (aws_call_ended(&in->share.calls[i].call)) {
            came_back(in, &in->share.calls[i], now);
            any = true;
        }
    return any;
}

static struct share_call *free_call(struct share *s)
{
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        if (!s->calls[i].call.under_way)
            return &s->calls[i];
    return NULL;
}

static void start_calls(struct input *in, nsec now)
{
    struct share *s = &in->share;
    struct share_call *c;

    while (now >= s->trouble.again && (c = free_call(s))) {
        if (s->table_missing) {
            (void)make_table(in, c, now);
            continue;
        }
        if (s->pages) {
            s->pages = false;
            c->act = (struct lease_act){.kind = LEASE_SCAN, .began = now};
        } else if (!leases_next(&s->leases, now, &c->act)) {
            return;
        } else if (c->act.kind == LEASE_SCAN) {
            buf_clear(&s->from);
            s->paged = 0;
        }
        begin(in, c, now);
    }
}

static void tell(struct input *in, nsec now)
{
    struct share *s = &in->share;
    size_t held = leases_held(&s->leases);

    input_health_leases(in->env.health, held, s->leases.taken, s->leases.lost);
    if (s->told == s->leases.taken + s->leases.lost || !log_due(&s->changes, now, KINESIS_SAYS_EVERY))
        return;
    s->told = s->leases.taken + s->leases.lost;
    log_info("leases have changed hands", KS("stream", in->env.stream), KS("input", in->label),
             KS("source", in->conf->stream), KS("worker", s->me), KU("held", held), KU("taken", s->leases.taken),
             KU("lost", s->leases.lost));
}

void share_turn(struct input *in, nsec now)
{
    struct share *s = &in->share;

    if (!s->on)
        return;
    leases_tick(&s->leases, now);
    if (!take_answers(in, now) && now < s->next)
        return;
    s->next = now + KINESIS_LEASE_TURN;
    tell_progress(in);
    start_calls(in, now);
    tell(in, now);
}

/* What is due every third of the fail-over time is not to come late. */
nsec share_turn_every(const struct input *in)
{
    nsec often = in->share.on ? in->share.leases.conf.failover / 12 : NSEC_PER_SEC;

    return often < NSEC_PER_SEC ? often : NSEC_PER_SEC;
}

void share_listed(struct input *in, nsec at)
{
    struct leases *l = &in->share.leases;

    if (!in->share.on)
        return;
    leases_list_begin(l, at);
    for (size_t i = 0; i < in->shards.n; i++) {
        const struct shard *x = in->shards.v[i];

        if (x->listed)
            leases_list(l, x->id, x->parents[0], x->parents[1], x->first);
    }
    l->scan_due = at; /* what is new may be made at once */
}

void share_gone(struct input *in, const char *shard)
{
    if (in->share.on)
        leases_gone(&in->share.leases, shard);
}

void share_recreated(struct input *in)
{
    if (in->share.on)
        leases_drop(&in->share.leases);
}

bool share_misses_children(const struct input *in)
{
    return in->share.on && leases_miss_children(&in->share.leases);
}

bool share_is_settled(const struct input *in)
{
    return !in->share.on || leases_settled(&in->share.leases);
}

static bool calls_are_over(const struct share *s)
{
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        if (s->calls[i].call.under_way)
            return false;
    return true;
}

void share_part(struct input *in)
{
    struct share *s = &in->share;
    nsec now = clock_mono(), until = now + KINESIS_PART_TIME;

    if (!s->on)
        return;
    leases_part(&s->leases);
    for (bool refused = false; now < until && !refused && !leases_parted(&s->leases); now = clock_mono()) {
        struct window_news news = window_look(&in->window, now);

        if (news.safe)
            shards_safe(&in->shards, news.upto, now);
        refused = news.refused; /* then others begin where the leases say */
        s->next = now;
        share_turn(in, now);
        input_thread_linger(in->caller.thread, now + KINESIS_LEASE_TURN);
    }
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        aws_call_cancel(&s->calls[i].call);
    for (; !calls_are_over(s); now = clock_mono()) {
        (void)take_answers(in, now);
        input_thread_linger(in->caller.thread, now + AWS_CALL_AGAIN);
    }
}

/* --- begin and end -------------------------------------------------------------------------------------------------- */

void share_begin(struct input *in)
{
    struct share *s = &in->share;
    const struct leases_conf conf = {.me = s->me,
                                     .failover = kinesis_conf_failover(in->conf),
                                     .granted = on_granted,
                                     .revoked = on_revoked,
                                     .begin_at = begin_at,
                                     .ctx = in};

    if (!s->on)
        return;
    in->shards.shared = true;
    s->caller.thread = in->caller.thread;
    name_worker(in);
    leases_init(&s->leases, &conf);
}

int share_open(struct input *in, struct err *e)
{
    struct share *s = &in->share;
    struct aws_caller_conf conf;

    if (!kinesis_conf_shares(in->conf))
        return 0;
    if (kinesis_table_conf(in->conf, &s->address, &conf, e) < 0)
        return -1;
    conf.stream = in->env.stream;
    conf.input = in->label;
    conf.base_dir = in->env.base_dir;
    conf.agent = in->env.agent;
    conf.health = in->env.health;
    if (aws_caller_open(&s->caller, &conf, e) < 0)
        return -1;
    aws_caller_connection(&s->caller, &s->trouble);
    s->trouble.conf.failed_text = "a call to the table of leases failed, and is tried again";
    s->trouble.conf.works_text = "calls to the table of leases work again";
    buf_init(&s->from, KINESIS_TABLE_KEY_MAX);
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        aws_call_init(&s->calls[i].call, &s->caller);
    s->on = true;
    return 0;
}

void share_close(struct input *in)
{
    struct share *s = &in->share;

    if (!s->on)
        return;
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        aws_call_release(&s->calls[i].call);
    buf_release(&s->from);
    leases_release(&s->leases);
    connection_release(&s->trouble);
    aws_caller_close(&s->caller);
    s->on = false;
}
