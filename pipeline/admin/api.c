#include "pipeline/admin/api.h"

#include "pipeline/base/json.h"
#include "pipeline/base/log.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* --- JSON, member by member ----------------------------------------------------------------------------------------- */

static void comma(struct page *p)
{
    char last = p->out->n > 0 ? p->out->p[p->out->n - 1] : '{';

    if (last != '{' && last != '[' && last != ':')
        page_add(p, ",");
}

/* Names are ours: nothing to escape. */
static void key(struct page *p, const char *name)
{
    comma(p);
    page_printf(p, "\"%s\":", name);
}

static void open_object(struct page *p, const char *name)
{
    if (name)
        key(p, name);
    else
        comma(p);
    page_add(p, "{");
}

static void open_list(struct page *p, const char *name)
{
    key(p, name);
    page_add(p, "[");
}

static void close_object(struct page *p)
{
    page_add(p, "}");
}

static void close_list(struct page *p)
{
    page_add(p, "]");
}

static void text(struct page *p, const char *name, const char *value)
{
    key(p, name);
    if (!value)
        page_add(p, "null");
    else if (!p->overflow && json_quote(slice_str(value), p->out) < 0)
        p->overflow = true;
}

static void count(struct page *p, const char *name, uint64_t n)
{
    key(p, name);
    page_printf(p, "%" PRIu64, n);
}

static void truth(struct page *p, const char *name, bool is)
{
    key(p, name);
    page_add(p, is ? "true" : "false");
}

static void number(struct page *p, const char *name, double value)
{
    key(p, name);
    if (isfinite(value))
        page_printf(p, "%.6g", value);
    else
        page_add(p, "null");
}

static void seconds(struct page *p, const char *name, nsec t)
{
    key(p, name);
    page_printf(p, "%.3f", (double)t / (double)NSEC_PER_SEC);
}

/* 0: never. */
static void at(struct page *p, const char *name, nsec wall)
{
    if (wall) {
        seconds(p, name, wall);
    } else {
        key(p, name);
        page_add(p, "null");
    }
}

/* --- a stream, as in a list ----------------------------------------------------------------------------------------- */

static void books(struct page *p, const struct spool_books *b)
{
    open_object(p, "records");
    count(p, "in", b->incoming);
    count(p, "delivered", b->delivered);
    count(p, "dropped", b->dropped);
    count(p, "unwanted", b->unwanted);
    count(p, "backed_up", b->backed_up);
    count(p, "corrupt", b->corrupt);
    count(p, "returned", b->returned);
    count(p, "spooled", b->spooled);
    close_object(p);
    open_object(p, "bytes");
    count(p, "in", b->incoming_bytes);
    count(p, "delivered", b->delivered_bytes);
    count(p, "wire", b->wire_bytes);
    count(p, "spooled", b->spooled_bytes);
    close_object(p);
    open_object(p, "spool");
    count(p, "bytes", b->disk_bytes);
    count(p, "limit", b->limit);
    count(p, "staged", b->staged_bytes);
    close_object(p);
}

static void rates(struct page *p, const struct history_rates *r)
{
    open_object(p, "rates");
    number(p, "records_in", r->records_in);
    number(p, "bytes_in", r->bytes_in);
    number(p, "records_out", r->records_out);
    number(p, "bytes_out", r->bytes_out);
    close_object(p);
}

static void trouble(struct page *p, const char *what, const char *code, const char *said, const char *hint, nsec since)
{
    open_object(p, NULL);
    text(p, "what", what);
    text(p, "code", code && *code ? code : NULL);
    text(p, "text", said);
    text(p, "hint", hint && *hint ? hint : NULL);
    at(p, "since", since);
    close_object(p);
}

static void rejects(struct page *p, const struct stream_status *s)
{
    struct buf said, hint;
    struct page t = {.out = &said}, h = {.out = &hint};

    buf_init(&said, 4 * KIB);
    buf_init(&hint, 4 * KIB);
    page_rejects(&t, s, page_plain);
    page_rejects_hint(&h, s, page_plain);
    trouble(p, "records", NULL, buf_cstr(&said), buf_cstr(&hint), 0);
    buf_release(&said);
    buf_release(&hint);
}

static void troubles(struct page *p, const struct stream_status *s, nsec wall_now)
{
    const struct stream_words *w = s->words;

    open_list(p, "trouble");
    if (s->paused_since > 0)
        trouble(p, "paused", NULL, "somebody has paused its deliveries", "resume it", s->paused_since);
    if (s->pushed_back)
        trouble(p, "inputs", NULL, w->pushback, w->pushback_hint, wall_now - s->pushed_back_for);
    if (s->waiting_for > 0)
        trouble(p, "input", NULL, w->waiting, w->waiting_hint, wall_now - s->waiting_for);
    if (s->failing_since > 0)
        trouble(p, s->backup_fails ? "backup" : "delivery", w->code, w->error, w->hint, s->failing_since);
    if (rejects_share(&s->rejects) > 0)
        rejects(p, s);
    close_list(p);
}

/* Without the braces. */
static void stream_members(struct page *p, const struct snapshot *snap, size_t i)
{
    const struct stream_status *s = &snap->streams[i];

    text(p, "name", s->name);
    if (s->outlet) {
        text(p, "stream", s->stream);
        text(p, "destination_name", s->outlet);
    }
    text(p, "health", stream_health_word(s->health));
    text(p, "inputs", s->inputs);
    text(p, "sink", s->sink);
    text(p, "destination", s->destination);
    text(p, "destination_is", s->destination_is[0] ? s->destination_is : NULL);
    text(p, "backup", s->backup);
    truth(p, "in_memory", s->memory);
    at(p, "paused_since", s->paused_since);
    books(p, &s->books);
    rates(p, &snap->rates[i]);
    key(p, "compression_ratio");
    if (s->books.wire_bytes > 0)
        page_printf(p, "%.4g", (double)s->books.delivered_bytes / (double)s->books.wire_bytes);
    else
        page_add(p, "null");
    seconds(p, "freshness_seconds", s->freshness);
    count(p, "in_flight", s->in_flight);
    count(p, "in_flight_limit", s->in_flight_limit);
    count(p, "waiting_retry", s->waiting_retry);
    count(p, "attempts", metrics_get(s->metrics, METRIC_DELIVERY_ATTEMPTS));
    count(p, "failures", metrics_get(s->metrics, METRIC_DELIVERY_FAILURES));
    count(p, "delivered_objects", metrics_get(s->metrics, METRIC_DELIVERED_OBJECTS));
    number(p, "rejected_ratio", rejects_share(&s->rejects));
    at(p, "last_delivery_at", s->last_delivery);
    troubles(p, s, snap->wall_now);
}

/* --- a stream as a whole -------------------------------------------------------------------------------------------- */

static void input(struct page *p, const struct input_health_view *v, nsec wall_now)
{
    open_object(p, NULL);
    text(p, "name", v->label);
    text(p, "state", !v->has_connection ? NULL : v->connected ? "connected" : v->error_ago < 0 ? "connecting" : "down");
    count(p, "records", v->counts[INPUT_RECORDS]);
    count(p, "bytes", v->counts[INPUT_BYTES]);
    count(p, "errors", v->counts[INPUT_ERRORS]);
    count(p, "failed_calls", v->counts[INPUT_FAILED_CALLS]);
    if (v->lag_known)
        count(p, "lag", v->lag);
    if (v->oldest_known)
        seconds(p, "oldest_age_seconds", v->oldest_age);
    if (v->error_ago >= 0) {
        open_object(p, "last_error");
        at(p, "at", wall_now - v->error_ago);
        text(p, "text", v->words->error);
        text(p, "hint", v->words->hint[0] ? v->words->hint : NULL);
        close_object(p);
    }
    close_object(p);
}

static void objects(struct page *p, const struct chronicle_view *v)
{
    open_list(p, "objects");
    for (size_t i = 0; i < v->object_count; i++) {
        const struct chronicle_object *o = &v->objects[i];

        open_object(p, NULL);
        at(p, "at", o->at);
        text(p, "to", o->backup ? "backup" : "destination");
        text(p, "name", o->name);
        count(p, "records", o->records);
        count(p, "bytes", o->bytes);
        seconds(p, "seconds", o->took);
        count(p, "attempts", o->attempts);
        close_object(p);
    }
    close_list(p);
}

static void happened(struct page *p, const struct chronicle_view *v)
{
    open_list(p, "errors");
    for (size_t i = 0; i < v->error_count; i++) {
        const struct chronicle_error *x = &v->errors[i];

        open_object(p, NULL);
        at(p, "first_at", x->first);
        at(p, "last_at", x->last);
        count(p, "times", x->times);
        text(p, "code", x->code);
        text(p, "text", x->text);
        close_object(p);
    }
    close_list(p);
    open_list(p, "events");
    for (size_t i = 0; i < v->event_count; i++) {
        open_object(p, NULL);
        at(p, "at", v->events[i].at);
        text(p, "text", v->events[i].text);
        close_object(p);
    }
    close_list(p);
}

/* What is told of one stream: its status, and what has happened to it lately. */
typedef void stream_answer(struct page *p, const struct snapshot *snap, const struct chronicle_view *v, nsec wall_now);

static int answer_of_stream(struct engine *engine, nsec wall_now, const char *name, stream_answer *members,
                            struct buf *out, bool *found)
{
    struct page p = {.out = out};
    struct chronicle *c;
    struct snapshot snap;

    snapshot_take_one(&snap, engine, wall_now, name, &c);
    *found = snap.count > 0;
    if (*found) {
        struct chronicle_view v;

        chronicle_view(c, clock_mono(), &v);
        page_add(&p, "{");
        members(&p, &snap, &v, wall_now);
        page_add(&p, "}\n");
        chronicle_view_release(&v);
    }
    snapshot_release(&snap);
    return page_done(&p);
}

static void whole_stream(struct page *p, const struct snapshot *snap, const struct chronicle_view *v, nsec wall_now)
{
    stream_members(p, snap, 0);
    open_list(p, "input_list");
    for (size_t i = 0; i < snap->input_count; i++)
        input(p, &snap->inputs[i].health, wall_now);
    close_list(p);
    objects(p, v);
    happened(p, v);
}

int admin_api_stream(struct engine *engine, nsec wall_now, const char *name, struct buf *out, bool *found)
{
    return answer_of_stream(engine, wall_now, name, whole_stream, out, found);
}

/* --- the last hour -------------------------------------------------------------------------------------------------- */

static void point(struct page *p, const struct history_point *h, nsec from, nsec lasts)
{
    open_object(p, NULL);
    seconds(p, "at", from);
    seconds(p, "seconds", lasts);
    number(p, "records_in", (double)h->records_in);
    number(p, "bytes_in", (double)h->bytes_in);
    number(p, "records_out", (double)h->records_out);
    number(p, "bytes_out", (double)h->bytes_out);
    number(p, "wire_bytes_out", (double)h->wire_out);
    number(p, "failures", (double)h->failures);
    number(p, "delivery_seconds", (double)h->took);
    number(p, "freshness_seconds", (double)h->freshness);
    number(p, "spooled_bytes", (double)h->waiting);
    close_object(p);
}

static void last_hour(struct page *p, const struct snapshot *snap, const struct chronicle_view *v, nsec wall_now)
{
    text(p, "name", snap->streams[0].name);
    open_list(p, "points");
    for (size_t i = 0; i < v->point_count; i++) {
        nsec behind = (nsec)(v->point_count - 1 - i) * HISTORY_SLOT;

        point(p, &v->points[i], wall_now - v->last_point - behind,
              i + 1 == v->point_count ? v->last_point : HISTORY_SLOT);
    }
    close_list(p);
}

int admin_api_history(struct engine *engine, nsec wall_now, const char *name, struct buf *out, bool *found)
{
    return answer_of_stream(engine, wall_now, name, last_hour, out, found);
}

/* --- all of them ---------------------------------------------------------------------------------------------------- */

int admin_api_streams(struct engine *engine, nsec wall_now, const struct listing_query *q, struct buf *out)
{
    struct page p = {.out = out};
    struct snapshot snap;
    struct listing l;

    snapshot_take(&snap, engine, wall_now);
    listing_make(&l, &snap, q, ADMIN_LIST_PAGE);
    page_add(&p, "{");
    count(&p, "total", snap.count);
    count(&p, "matches", l.matches);
    count(&p, "page", l.page);
    count(&p, "pages", l.pages);
    open_list(&p, "streams");
    for (size_t i = 0; i < l.count; i++) {
        open_object(&p, NULL);
        stream_members(&p, &snap, l.at[i]);
        close_object(&p);
    }
    close_list(&p);
    page_add(&p, "}\n");
    listing_release(&l);
    snapshot_release(&snap);
    return page_done(&p);
}

int admin_api_status(struct engine *engine, nsec wall_now, struct buf *out)
{
    struct page p = {.out = out};
    struct stream_counts streams;
    struct process_facts f;
    struct snapshot snap;

    snapshot_take(&snap, engine, wall_now);
    process_facts(&f);
    snapshot_count_streams(&snap, &streams);
    page_add(&p, "{");
    text(&p, "version", snap.engine.version);
    at(&p, "started_at", snap.engine.started);
    seconds(&p, "uptime_seconds", wall_now - snap.engine.started);
    truth(&p, "stopping", snap.engine.stopping);
    text(&p, "api", engine_listens(&snap.engine, "api"));
    count(&p, "streams", streams.count);
    open_object(&p, "health");
    for (enum stream_health h = STREAM_OK; h <= STREAM_BLOCKED; h++)
        count(&p, stream_health_word(h), streams.by_health[h]);
    close_object(&p);
    open_object(&p, "memory");
    count(&p, "used", snap.engine.memory_used);
    count(&p, "peak", snap.engine.memory_peak);
    count(&p, "limit", snap.engine.memory_limit);
    count(&p, "resident", f.resident_bytes);
    close_object(&p);
    number(&p, "cpu_seconds", f.cpu_seconds);
    count(&p, "open_files", f.open_fds);
    count(&p, "log_lines_dropped", log_dropped());
    open_list(&p, "orphans");
    for (size_t i = 0; i < snap.view.orphans.count; i++) {
        open_object(&p, NULL);
        text(&p, "name", snap.view.orphans.list[i].name);
        count(&p, "records", snap.view.orphans.list[i].records);
        close_object(&p);
    }
    close_list(&p);
    page_add(&p, "}\n");
    snapshot_release(&snap);
    return page_done(&p);
}
