/* Leases in a table of DynamoDB, an item each. Some calls at the same time; when one fails, all wait (they have one table), but for no longer than
 * a third of the fail-over time. */
#include "pipeline/inputs/kinesis/impl.h"
#include "pipeline/inputs/kinesis/table.h"

#include <assert.h>
#include <string.h>

/* --- calls --------------------------------------------------------------------------------------------------------- */

static bool ask(struct input *in, struct table_call *c, const char *operation, const struct buf *text, nsec now)
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
static void not_begun(struct input *in, struct table_call *c, nsec now)
{
    struct leases *l = &in->share.leases;

    if (c->act.kind == LEASE_SCAN)
        leases_scan_failed(l, in->share.trouble.again);
    else
        leases_done(l, &c->act, LEASE_UNSURE, in->share.trouble.again, now);
}

static void begin(struct input *in, struct table_call *c, nsec now)
{
    const char *table = in->conf->leases.table, *operation = "Scan";
    struct buf text;
    int rc = -1;

    buf_init(&text, KINESIS_LEASE_MAX);
    switch (c->act.kind) {
    case LEASE_SCAN:
        rc = table_scan_text(table, buf_slice(&in->share.table.from), 0, &text);
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

static bool make_table(struct input *in, struct table_call *c, nsec now)
{
    struct buf text;
    int rc;

    buf_init(&text, KINESIS_LEASE_MAX);
    rc = table_create_text(in->conf->leases.table, &text);
    assert(rc == 0);
    c->makes_table = true;
    in->share.table.missing = false;
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
        in->share.table.too_many = true;
}

static int take_page(struct input *in, const struct table_call *c, nsec now, struct err *e)
{
    struct share *s = &in->share;

    s->table.too_many = false;
    if (table_scan_read(buf_slice(&c->call.answer), on_lease, in, &s->table.from, e) < 0)
        return -1;
    if (s->table.too_many || (s->table.from.n > 0 && ++s->table.paged >= 2 * KINESIS_SHARDS_MAX))
        return err_set(e, ERR_FORMAT, "the table has more than %d leases, or no end", 2 * KINESIS_SHARDS_MAX);
    s->table.pages = s->table.from.n > 0;
    if (!s->table.pages)
        leases_scan_end(&s->leases, now);
    return 0;
}

static int take_look(struct input *in, struct table_call *c, nsec now, struct err *e)
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

static int take_answer(struct input *in, struct table_call *c, nsec now, struct err *e)
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

/* The table is not made, or a lease that nobody needs stays: that holds up nothing else. */
static void failed_beside(struct input *in, const struct table_call *c, nsec now)
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

static void call_failed(struct input *in, struct table_call *c, const struct err *malformed, nsec now)
{
    struct share *s = &in->share;

    if (c->makes_table || c->act.kind == LEASE_DELETE) {
        failed_beside(in, c, now);
        if (!c->makes_table)
            leases_done(&s->leases, &c->act, LEASE_UNSURE, now, now);
        return;
    }
    store_failed(s, &c->call, malformed, now);
    if (c->act.kind == LEASE_SCAN) {
        buf_clear(&s->table.from);
        s->table.pages = false;
        leases_scan_failed(&s->leases, store_again(s, now));
        s->table.missing = in->conf->leases.create && strstr(c->call.error.code, "ResourceNotFound");
    } else {
        leases_done(&s->leases, &c->act, LEASE_UNSURE, store_again(s, now), now);
    }
}

static void came_back(struct input *in, struct table_call *c, nsec now)
{
    const char *code = c->call.error.code;
    struct err e = {.msg = ""};

    if (!c->call.answered) { /* it was cancelled */
        if (!c->makes_table)
            not_begun(in, c, now);
    } else if (strstr(code, "ConditionalCheckFailed")) {
        leases_done(&in->share.leases, &c->act, LEASE_REFUSED, now, now);
        store_works(&in->share, c->call.operation, now);
    } else if (c->makes_table && (c->call.error.trouble == AWS_FINE || strstr(code, "ResourceInUse"))) {
        in->share.leases.scan_due = now + NSEC_PER_SEC; /* it takes some time */
    } else if (c->call.error.trouble != AWS_FINE) {
        call_failed(in, c, NULL, now);
    } else if (take_answer(in, c, now, &e) < 0) {
        call_failed(in, c, &e, now);
    } else {
        store_works(&in->share, c->call.operation, now);
    }
    aws_call_forget(&c->call);
}

/* --- turns ---------------------------------------------------------------------------------------------------------- */

static bool take_answers(struct input *in, nsec now)
{
    bool any = false;

    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        if (aws_call_ended(&in->share.table.calls[i].call)) {
            came_back(in, &in->share.table.calls[i], now);
            any = true;
        }
    return any;
}

static struct table_call *free_call(struct share *s)
{
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        if (!s->table.calls[i].call.under_way)
            return &s->table.calls[i];
    return NULL;
}

static void start_calls(struct input *in, nsec now)
{
    struct share *s = &in->share;
    struct table_call *c;

    while (now >= s->trouble.again && (c = free_call(s))) {
        if (s->table.missing) {
            (void)make_table(in, c, now);
            continue;
        }
        if (s->table.pages) {
            s->table.pages = false;
            c->act = (struct lease_act){.kind = LEASE_SCAN, .began = now};
        } else if (!leases_next(&s->leases, now, &c->act)) {
            return;
        } else if (c->act.kind == LEASE_SCAN) {
            buf_clear(&s->table.from);
            s->table.paged = 0;
        }
        begin(in, c, now);
    }
}

static void cancel(struct share *s)
{
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        aws_call_cancel(&s->table.calls[i].call);
}

static bool is_quiet(const struct share *s)
{
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        if (s->table.calls[i].call.under_way)
            return false;
    return true;
}

/* --- begin and end ------------------------------------------------------------------------------------------------- */

static int open_table(struct share *s, const struct kinesis_conf *c, struct aws_caller_conf *out, struct err *e)
{
    buf_init(&s->table.from, KINESIS_TABLE_KEY_MAX);
    return kinesis_table_conf(c, &s->table.address, out, e);
}

static void begin_calls(struct share *s)
{
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        aws_call_init(&s->table.calls[i].call, &s->caller);
}

static void close_table(struct share *s)
{
    for (size_t i = 0; i < KINESIS_LEASE_CALLS; i++)
        aws_call_release(&s->table.calls[i].call);
    buf_release(&s->table.from);
}

const struct lease_store table_store = {
    .failed_text = "a call to the table of leases failed, and is tried again",
    .works_text = "calls to the table of leases work again",
    .open = open_table,
    .begin = begin_calls,
    .close = close_table,
    .take_answers = take_answers,
    .start_calls = start_calls,
    .cancel = cancel,
    .is_quiet = is_quiet,
};
