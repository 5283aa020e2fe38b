/* What is shown of one stream, on its own page and as a card among others. */
#include "pipeline/admin/console.h"

#include "pipeline/base/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *console_health_words(const struct stream_status *s)
{
    if (s->health == STREAM_BLOCKED)
        return s->pushed_back ? "blocked: inputs pushed back" : "blocked: an input waits for a disk";
    if (s->health == STREAM_PAUSED)
        return "paused";
    if (s->health == STREAM_RETRYING)
        return "retrying";
    if (s->health == STREAM_FAILING)
        return "records do not get through";
    return s->books.incoming == 0 ? "waiting for records" : "delivering";
}

void console_way(struct page *p, const struct stream_status *s)
{
    page_add(p, "<p class=\"way\">");
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
    page_printf(p, "</b>%s</p>\n",
                s->memory && !s->at_source ? " &middot; in memory only: lost when the process dies" : "");
}

static void heading(struct page *p, const struct stream_status *s)
{
    page_add(p, "<header><h2><a href=\"/streams/");
    page_html(p, s->name);
    page_add(p, "\">");
    page_html(p, s->name);
    page_printf(p, "</a></h2><span class=\"badge %s\">%s</span></header>\n", stream_health_word(s->health),
                console_health_words(s));
    console_way(p, s);
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
    if (s->books.unwanted > 0)
        number(p, s, "Not for it (when)", NULL, s->books.unwanted);
    if (s->books.returned > 0)
        number(p, s, "Given back", NULL, s->books.returned);
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
void console_trouble(struct page *p, const struct snapshot *snap, size_t i)
{
    const struct stream_status *s = &snap->streams[i];
    nsec wall_now = snap->wall_now;
    char lasted[HUMAN_MAX];

    if (s->health == STREAM_OK && rejects_share(&s->rejects) == 0)
        return;
    page_printf(p, "<div class=\"trouble %s\">", s->health == STREAM_OK ? "failing" : stream_health_word(s->health));
    if (s->paused_since > 0) {
        page_printf(
            p, "<p>Somebody has paused its deliveries, for %s by now. It takes records until its spool is full.</p>",
            human_duration(wall_now > s->paused_since ? wall_now - s->paused_since : 0, lasted, sizeof(lasted)));
        hint(p, "resume it");
    }
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
    page_add(p, "<table class=\"inputs\"><tr><th>input</th><th>source</th><th>taken</th><th>waits</th><th>last "
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

void console_numbers(struct page *p, const struct snapshot *snap, size_t i)
{
    const struct stream_status *s = &snap->streams[i];

    numbers(p, s);
    spool_bar(p, &s->books);
    facts(p, s, snap->wall_now);
    partitions(p, s);
    inputs(p, snap, i);
}

void console_card(struct page *p, const struct snapshot *snap, size_t i)
{
    page_add(p, "<article>\n");
    heading(p, &snap->streams[i]);
    console_numbers(p, snap, i);
    console_trouble(p, snap, i);
    page_add(p, "</article>\n");
}
