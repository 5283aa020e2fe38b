/* The console page: console.html with its {{marks}} replaced. What it shows comes from a snapshot; every text from
 * outside is escaped. Streams in trouble come first. */
#include "pipeline/admin/admin.h"
#include "pipeline/admin/page.h"
#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct totals {
    uint64_t incoming, delivered, spooled, spooled_bytes;
    size_t failing, retrying, blocked;
};

static void add_totals(struct totals *t, const struct snapshot *snap)
{
    for (size_t i = 0; i < snap->count; i++) {
        const struct stream_status *s = &snap->streams[i];

        t->incoming += s->books.incoming;
        t->delivered += s->books.delivered;
        t->spooled += s->books.spooled;
        t->spooled_bytes += s->books.spooled_bytes;
        t->failing += s->health == STREAM_FAILING;
        t->retrying += s->health == STREAM_RETRYING;
        t->blocked += s->health == STREAM_BLOCKED;
    }
}

static size_t in_trouble(const struct totals *t)
{
    return t->failing + t->retrying + t->blocked;
}

/* --- the title and the overview ------------------------------------------------------------------------------------
 */

/* What a tab among many must tell. */
static void title(struct page *p, const struct snapshot *snap)
{
    struct totals t = {0};

    add_totals(&t, snap);
    if (in_trouble(&t) > 0)
        page_printf(p, "(%zu) sluice: trouble", in_trouble(&t));
    else
        page_add(p, "sluice");
}

static void verdict(struct page *p, const struct snapshot *snap, const struct totals *t)
{
    const struct {
        size_t count;
        const char *word;
    } parts[] = {{t->blocked, "blocked"}, {t->retrying, "retrying"}, {t->failing, "failing"}};
    size_t bad = in_trouble(t);
    const char *between = "";

    if (snap->engine.stopping) {
        page_add(p, "<p class=\"verdict warn\">Stopping: inputs are closed, what is left is being delivered.</p>\n");
        return;
    }
    if (bad == 0) {
        page_printf(p, "<p class=\"verdict ok\">%s</p>\n",
                    snap->count == 1 ? "The stream takes records and delivers."
                                     : "All streams take records and deliver.");
        return;
    }
    page_printf(p, "<p class=\"verdict %s\">%zu of %zu stream%s need%s attention:", t->blocked > 0 ? "blocked" : "warn",
                bad, snap->count, noun_s(snap->count), verb_s(bad));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (parts[i].count == 0)
            continue;
        page_printf(p, "%s %zu %s", between, parts[i].count, parts[i].word);
        between = ",";
    }
    page_add(p, "</p>\n");
}

static void total(struct page *p, const char *name, const char *value, const char *small)
{
    page_printf(p, "<div><dt>%s</dt><dd>%s <small>%s</small></dd></div>\n", name, value, small);
}

static void totals_list(struct page *p, const struct snapshot *snap, const struct totals *t)
{
    char a[HUMAN_MAX], b[HUMAN_MAX], small[HUMAN_MAX + 8];
    struct process_facts f;

    process_facts(&f);
    page_add(p, "<dl class=\"totals\">\n");
    total(p, "Records in", human_count(t->incoming, a, sizeof(a)), "");
    total(p, "Delivered", human_count(t->delivered, a, sizeof(a)), "");
    total(p, "In the spools", human_count(t->spooled, a, sizeof(a)), human_bytes(t->spooled_bytes, b, sizeof(b)));
    snprintf(small, sizeof(small), "of %s", human_bytes(snap->engine.memory_limit, b, sizeof(b)));
    total(p, "Buffers", human_bytes(snap->engine.memory_used, a, sizeof(a)), small);
    total(p, "Process memory", human_bytes(f.resident_bytes, a, sizeof(a)), "");
    total(p, "Open files", human_count(f.open_fds, a, sizeof(a)), "");
    page_add(p, "</dl>\n");
}

static void overview(struct page *p, const struct snapshot *snap)
{
    char up[HUMAN_MAX];
    struct totals t = {0};

    add_totals(&t, snap);
    page_add(p, "<div class=\"top\"><h1>sluice</h1><span class=\"soft\">");
    page_html(p, snap->engine.version);
    page_printf(p, " &middot; up %s", human_duration(snap->wall_now - snap->engine.started, up, sizeof(up)));
    if (snap->engine.api_address) {
        page_add(p, " &middot; API on ");
        page_html(p, snap->engine.api_address);
    }
    page_add(p, "</span><span class=\"links soft\"><a href=\"/metrics\">metrics</a> &middot; "
                "<a href=\"/readyz\">readyz</a></span></div>\n");
    verdict(p, snap, &t);
    totals_list(p, snap, &t);
}

/* --- one stream ----------------------------------------------------------------------------------------------------
 */

static const char *health_words(const struct stream_status *s)
{
    if (s->health == STREAM_BLOCKED)
        return s->pushed_back ? "blocked: inputs pushed back" : "blocked: an input waits for a disk";
    if (s->health == STREAM_RETRYING)
        return "retrying";
    if (s->health == STREAM_FAILING)
        return "records do not get through";
    return s->books.incoming == 0 ? "waiting for records" : "delivering";
}

static void heading(struct page *p, const struct stream_status *s)
{
    page_add(p, "<header><h2>");
    page_html(p, s->name);
    page_printf(p, "</h2><span class=\"badge %s\">%s</span></header>\n<p class=\"way\">", stream_health_word(s->health),
                health_words(s));
    if (s->inputs) {
        page_html(p, s->inputs);
        page_add(p, " &rarr; ");
    }
    page_add(p, "<b>");
    page_html(p, s->destination);
    if (s->destination_is[0]) {
        page_add(p, " &middot; ");
        page_html(p, s->destination_is);
    }
    page_printf(p, "</b>%s</p>\n", s->memory ? " &middot; in memory only: lost when the process dies" : "");
}

static void number(struct page *p, const struct stream_status *s, const char *name, const char *key, uint64_t n)
{
    char text[HUMAN_MAX];

    page_printf(p, "<div><dt>%s</dt><dd>%s", name, human_count(n, text, sizeof(text)));
    if (key) {
        page_add(p, "<small data-rate=\"");
        page_html(p, s->name);
        page_printf(p, "/%s\" data-n=\"%" PRIu64 "\"></small>", key, n);
    }
    page_add(p, "</dd></div>\n");
}

/* The books; dropped, backed up and corrupt only where there is something to tell. */
static void numbers(struct page *p, const struct stream_status *s)
{
    page_add(p, "<dl class=\"numbers\">\n");
    number(p, s, "Records in", "in", s->books.incoming);
    number(p, s, "Delivered", "out", s->books.delivered);
    number(p, s, "In the spool", NULL, s->books.spooled);
    if (s->books.dropped + s->books.backed_up + s->books.corrupt > 0) {
        number(p, s, "Dropped by transform", NULL, s->books.dropped);
        number(p, s, "In the backup", NULL, s->books.backed_up);
        number(p, s, "Corrupt on disk", NULL, s->books.corrupt);
    }
    page_add(p, "</dl>\n");
}

static void spool_bar(struct page *p, const struct spool_books *b)
{
    char held[HUMAN_MAX], limit[HUMAN_MAX];
    double percent = b->limit ? 100.0 * (double)b->disk_bytes / (double)b->limit : 0;

    page_printf(p, "<div class=\"spool\"><p><span class=\"soft\">Spool</span><span>%s of %s</span></p>\n",
                human_bytes(b->disk_bytes, held, sizeof(held)), human_bytes(b->limit, limit, sizeof(limit)));
    page_printf(p,
                "<svg class=\"bar%s\" role=\"img\" aria-label=\"%.0f %% full\" viewBox=\"0 0 100 8\" "
                "preserveAspectRatio=\"none\"><rect width=\"%.1f\" height=\"8\"/></svg></div>\n",
                percent >= 90 ? " full" : "", percent, percent > 100 ? 100 : percent);
}

static void fact(struct page *p, const char *name, const char *value)
{
    page_printf(p, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, value);
}

static void facts(struct page *p, const struct stream_status *s, nsec wall_now)
{
    char text[HUMAN_MAX + 8], ago[HUMAN_MAX];

    page_add(p, "<dl class=\"facts\">\n");
    fact(p, "oldest record", s->freshness > 0 ? human_duration(s->freshness, text, sizeof(text)) : "none waiting");
    snprintf(text, sizeof(text), "%u of %u", s->in_flight, s->in_flight_limit);
    fact(p, "in flight", text);
    if (s->waiting_retry > 0)
        fact(p, "waiting to retry", human_count(s->waiting_retry, text, sizeof(text)));
    if (s->last_delivery > 0) {
        human_duration(wall_now - s->last_delivery, ago, sizeof(ago));
        snprintf(text, sizeof(text), "%s ago", ago);
    }
    fact(p, "last delivery", s->last_delivery > 0 ? text : "none yet");
    page_add(p, "</dl>\n");
}

/* Sums and the largest of all: what partitions are called is what records say, and is not for a page. */
static void partitions(struct page *p, const struct stream_status *s)
{
    uint64_t early = metrics_get(s->metrics, METRIC_PARTITION_COUNT_EXCEEDED);
    uint64_t without = metrics_get(s->metrics, METRIC_METADATA_EXTRACTION_FAILED);
    char a[HUMAN_MAX], b[HUMAN_MAX], text[2 * HUMAN_MAX + 8];

    if (!s->partitions_limit && !without)
        return;
    page_add(p, "<dl class=\"facts partitions\">\n");
    if (s->partitions_limit) {
        snprintf(text, sizeof(text), "%s of %s", human_count(s->partitions, a, sizeof(a)),
                 human_count(s->partitions_limit, b, sizeof(b)));
        fact(p, "partitions", text);
        fact(p, "objects waiting", human_count(s->parcels_waiting, a, sizeof(a)));
        fact(p, "staged", human_bytes(s->books.staged_bytes, a, sizeof(a)));
        snprintf(text, sizeof(text), "%s/s", human_bytes(s->partition_rate, a, sizeof(a)));
        fact(p, "busiest", s->partition_rate ? text : "none lately");
        fact(p, "delivered early", human_count(early, a, sizeof(a)));
    }
    fact(p, "without a key", human_count(without, a, sizeof(a)));
    page_add(p, "</dl>\n");
}

static void hint(struct page *p, const char *text)
{
    page_add(p, "<p><b>To do:</b> ");
    page_html(p, text);
    page_add(p, "</p>");
}

static void cause(struct page *p, const struct stream_status *s, nsec wall_now)
{
    char since[HUMAN_MAX];

    if (s->stuck)
        page_printf(p, "<p>Delivery of %u batch%s%s fails while others get through: <b>", s->stuck,
                    s->stuck == 1 ? "" : "es", s->backup_fails ? " to the backup" : "");
    else
        page_add(p, s->backup_fails ? "<p>Delivery to the backup fails: <b>" : "<p>Delivery fails: <b>");
    page_html(p, s->words->code[0] ? s->words->code : "no answer yet");
    page_add(p, "</b>");
    if (s->failing_since > 0)
        page_printf(p, " for %s", human_duration(wall_now - s->failing_since, since, sizeof(since)));
    page_add(p, ": ");
    page_html(p, s->words->error);
    page_add(p, "</p>");
}

/* A few records that do not get through are told of, but make no trouble of the stream. */
static void trouble(struct page *p, const struct stream_status *s, nsec wall_now)
{
    char lasted[HUMAN_MAX];

    if (s->health == STREAM_OK && rejects_share(&s->rejects) == 0)
        return;
    page_printf(p, "<div class=\"trouble %s\">", s->health == STREAM_OK ? "failing" : stream_health_word(s->health));
    if (s->pushed_back) {
        page_printf(p,
                    "<p>Inputs are pushed back for %s: ", human_duration(s->pushed_back_for, lasted, sizeof(lasted)));
        page_html(p, s->words->pushback);
        page_add(p, "</p>");
        hint(p, s->words->pushback_hint);
    }
    if (s->waiting_for > 0) {
        page_add(p, "<p>An input waits for a disk. ");
        page_html(p, s->words->waiting);
        page_add(p, "</p>");
        hint(p, s->words->waiting_hint);
    }
    if (s->failing_since > 0) {
        cause(p, s, wall_now);
        if (s->words->hint[0])
            hint(p, s->words->hint);
    }
    if (rejects_share(&s->rejects) > 0) {
        page_add(p, "<p>");
        page_rejects(p, s, page_html);
        page_add(p, "</p><p><b>To do:</b> ");
        page_rejects_hint(p, s, page_html);
        page_add(p, "</p>");
    }
    page_add(p, "</div>\n");
}

/* What an input has taken, and how it stands with its source. */
static void input_row(struct page *p, const struct input_health_view *v)
{
    char a[HUMAN_MAX], b[HUMAN_MAX];
    const char *state = !v->has_connection ? "" : v->connected ? "connected" : v->error_ago < 0 ? "connecting" : "down";

    page_add(p, "<tr><th>");
    page_html(p, v->label);
    page_printf(p, "</th><td>%s</td><td>%s, %s</td><td>", state, human_count(v->counts[INPUT_RECORDS], a, sizeof(a)),
                human_bytes(v->counts[INPUT_BYTES], b, sizeof(b)));
    if (v->lag_known)
        page_printf(p, "%s behind", human_count(v->lag, a, sizeof(a)));
    if (v->oldest_known && v->oldest_age > 0)
        page_printf(p, "%s%s old", v->lag_known ? ", " : "", human_duration(v->oldest_age, a, sizeof(a)));
    page_add(p, "</td><td>");
    if (v->error_ago >= 0) {
        page_printf(p, "%s ago: ", human_duration(v->error_ago, a, sizeof(a)));
        page_html(p, v->words->error);
    }
    page_add(p, "</td></tr>\n");
}

static void inputs(struct page *p, const struct snapshot *snap, size_t stream)
{
    const size_t begin = snap->inputs_from[stream], end = snap->inputs_from[stream + 1];
    bool tells = false;

    for (size_t i = begin; i < end; i++)
        tells |= snap->inputs[i].health.has_connection || snap->inputs[i].health.error_ago >= 0;
    if (end - begin < 2 && !tells)
        return; /* the numbers of the stream say it all */
    page_add(p, "<table class=\"inputs\"><tr><th>input</th><th></th><th>taken</th><th>waits</th><th>last "
                "error</th></tr>\n");
    for (size_t i = begin; i < end; i++)
        input_row(p, &snap->inputs[i].health);
    page_add(p, "</table>\n");
    for (size_t i = begin; i < end; i++) {
        const struct input_health_view *v = &snap->inputs[i].health;

        if (!input_health_is_down(v))
            continue;
        page_add(p, "<div class=\"trouble failing\"><p>");
        page_input_down(p, v, page_html);
        page_add(p, "</p>");
        hint(p, page_input_hint(v));
        page_add(p, "</div>\n");
    }
}

static void streams(struct page *p, const struct snapshot *snap)
{
    static const enum stream_health ORDER[] = {STREAM_BLOCKED, STREAM_RETRYING, STREAM_FAILING, STREAM_OK};

    for (size_t k = 0; k < ARRAY_LEN(ORDER); k++)
        for (size_t i = 0; i < snap->count; i++) {
            const struct stream_status *s = &snap->streams[i];

            if (s->health != ORDER[k])
                continue;
            page_add(p, "<article>\n");
            heading(p, s);
            numbers(p, s);
            spool_bar(p, &s->books);
            facts(p, s, snap->wall_now);
            partitions(p, s);
            inputs(p, snap, i);
            trouble(p, s, snap->wall_now);
            page_add(p, "</article>\n");
        }
}

/* --- the page ------------------------------------------------------------------------------------------------------
 */

static const struct {
    const char *mark;
    void (*render)(struct page *p, const struct snapshot *snap);
} MARKS[] = {
    {"{{title}}", title},
    {"{{overview}}", overview},
    {"{{streams}}", streams},
};

int admin_console(struct engine *engine, nsec wall_now, struct buf *out)
{
    const char *rest = admin_console_template;
    struct page p = {.out = out};
    struct snapshot snap;

    snapshot_take(&snap, engine, wall_now);
    for (size_t i = 0; i < ARRAY_LEN(MARKS); i++) { /* each stands once, in this order */
        const char *at = strstr(rest, MARKS[i].mark);

        if (!at)
            continue;
        if (buf_add(out, rest, (size_t)(at - rest)) < 0)
            p.overflow = true;
        MARKS[i].render(&p, &snap);
        rest = at + strlen(MARKS[i].mark);
    }
    page_add(&p, rest);
    snapshot_release(&snap);
    return page_done(&p);
}

/* 'sha256-...' of what stands between two tags: the browser runs exactly this and nothing that was slipped in. */
static void policy_hash(struct page *p, const char *open, const char *close)
{
    const char *from = strstr(admin_console_template, open);
    const char *to = from ? strstr(from, close) : NULL;
    unsigned char sum[SHA256_BYTES];
    char text[64] = {0};

    if (!to)
        return;
    from += strlen(open);
    sha256_of(slice_of(from, (size_t)(to - from)), sum);
    base64_encode(slice_of((const char *)sum, sizeof(sum)), text);
    page_printf(p, " 'sha256-%s'", text);
}

void admin_console_policy(struct page *p)
{
    page_add(p, "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'; style-src");
    policy_hash(p, "<style>", "</style>");
    page_add(p, "; script-src");
    policy_hash(p, "<script>", "</script>");
}
