/* The page on /: what is to be looked at first, then all streams in a table. The server searches, sorts and turns the pages, so it is the same
 * without a script, and a thousand streams are a hundred rows. Cards, with all that is known, have those in trouble, the first of them; and
 * all, where there are few. */
#include "pipeline/admin/console.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/human.h"

#include <stdio.h>
#include <string.h>

struct totals {
    uint64_t incoming, delivered, spooled, spooled_bytes;
    struct stream_counts streams;
};

static void add_totals(struct totals *t, const struct snapshot *snap)
{
    snapshot_count_streams(snap, &t->streams);
    for (size_t i = 0; i < snap->count; i++) {
        const struct stream_status *s = &snap->streams[i];

        t->incoming += s->first ? s->books.incoming : 0; /* the same ones come to all destinations */
        t->delivered += s->books.delivered;
        t->spooled += s->books.spooled;
        t->spooled_bytes += s->books.spooled_bytes;
    }
}

static size_t in_trouble(const struct totals *t)
{
    return t->streams.count - t->streams.by_health[STREAM_OK];
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
    const struct stream_counts *n = &t->streams;
    size_t bad = in_trouble(t);
    const char *between = "";

    if (snap->engine.stopping) {
        page_add(p, "<p class=\"verdict warn\">Stopping: inputs are closed, what is left is being delivered.</p>\n");
        return;
    }
    if (bad == 0) {
        page_printf(p, "<p class=\"verdict ok\">%s</p>\n",
                    n->count == 1 ? "The stream takes records and delivers." : "All streams take records and deliver.");
        return;
    }
    page_printf(p, "<p class=\"verdict %s\">%zu of %zu stream%s need%s attention:",
                n->by_health[STREAM_BLOCKED] > 0 ? "blocked" : "warn", bad, n->count, noun_s(n->count), verb_s(bad));
    for (enum stream_health h = STREAM_BLOCKED; h > STREAM_OK; h--) {
        if (n->by_health[h] == 0)
            continue;
        page_printf(p, "%s %zu %s", between, n->by_health[h], stream_health_word(h));
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
    if (engine_listens(&snap->engine, "api")) {
        page_add(p, " &middot; API on ");
        page_html(p, engine_listens(&snap->engine, "api"));
    }
    page_add(p, "</span><span class=\"links soft\"><a href=\"/metrics\">metrics</a> &middot; "
                "<a href=\"/readyz\">readyz</a> &middot; <a href=\"/api/status\">api</a></span></div>\n");
    verdict(p, snap, &t);
    totals_list(p, snap, &t);
}

/* --- the table -----------------------------------------------------------------------------------------------------
 */

/* What a link of the table leads to: the same list, with one thing changed. In a URL, and that in HTML. */
static void parameter(struct page *p, const char **between, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    page_printf(p, "%s%s=", *between, name);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.", c))
            page_printf(p, "%c", c);
        else
            page_printf(p, "%%%02X", c);
    }
    *between = "&amp;";
}

static void link_to(struct page *p, const struct listing_query *q)
{
    const char *between = "/?";

    page_add(p, "href=\"");
    parameter(p, &between, "search", q->search);
    parameter(p, &between, "health", q->health);
    parameter(p, &between, "sort", q->sort);
    parameter(p, &between, "limit", q->limit);
    parameter(p, &between, "page", q->page);
    page_printf(p, "%s\"", between[0] == '/' ? "/" : "");
}

static const struct {
    const char *column, *title; /* column of listing.h */
    bool number;
} COLUMNS[] = {
    {"name", "Stream", false},      {"health", "State", false},   {"in", "In", true},
    {"out", "Out", true},           {"spooled", "Waiting", true}, {"freshness", "Oldest", true},
    {"failures", "Failures", true}, {"last", "Delivered", true},
};

/* Numbers and states first the largest, names the first; a second click turns it. */
static void column_head(struct page *p, const struct listing_query *q, size_t i)
{
    const char *sort = q->sort ? q->sort : "-health";
    bool down = *sort == '-', is = strcmp(sort + down, COLUMNS[i].column) == 0, first_down = i != 0;
    char next[32];
    struct listing_query to = *q;

    snprintf(next, sizeof(next), "%s%s", (is ? !down : first_down) ? "-" : "", COLUMNS[i].column);
    to.sort = next;
    to.page = NULL;
    page_printf(p, "<th scope=\"col\"%s%s><a ", COLUMNS[i].number ? " class=\"n\"" : "",
                !is    ? ""
                : down ? " aria-sort=\"descending\""
                       : " aria-sort=\"ascending\"");
    link_to(p, &to);
    page_printf(p, ">%s%s</a></th>", COLUMNS[i].title,
                !is    ? ""
                : down ? " <span aria-hidden=\"true\">&darr;</span>"
                       : " <span aria-hidden=\"true\">&uarr;</span>");
}

static void rate_cell(struct page *p, const char *title, double records, double bytes)
{
    char a[HUMAN_MAX], b[HUMAN_MAX];

    if (records <= 0 && bytes <= 0)
        page_printf(p, "<td class=\"n soft\" data-title=\"%s\">0</td>", title);
    else
        page_printf(p, "<td class=\"n\" data-title=\"%s\">%s/s <small>%s/s</small></td>", title,
                    records >= 1 || records <= 0 ? human_count((uint64_t)(records + 0.5), a, sizeof(a)) : "&lt; 1",
                    human_bytes((uint64_t)(bytes + 0.5), b, sizeof(b)));
}

static void row(struct page *p, const struct snapshot *snap, size_t i)
{
    const struct stream_status *s = &snap->streams[i];
    uint64_t failures = metrics_get(s->metrics, METRIC_DELIVERY_FAILURES);
    char a[HUMAN_MAX], b[HUMAN_MAX];

    page_add(p, "<tr><th scope=\"row\"><a href=\"/streams/");
    page_html(p, s->name);
    page_add(p, "\">");
    page_html(p, s->name);
    page_add(p, "</a><small>");
    page_html(p, s->destination);
    if (s->destination_is[0]) {
        page_add(p, " &middot; ");
        page_html(p, s->destination_is);
    }
    page_printf(p, "</small></th><td><span class=\"badge %s\">%s</span></td>", stream_health_word(s->health),
                s->health == STREAM_OK && s->books.incoming == 0 ? "waiting" : stream_health_word(s->health));
    rate_cell(p, "in", snap->rates[i].records_in, snap->rates[i].bytes_in);
    rate_cell(p, "out", snap->rates[i].records_out, snap->rates[i].bytes_out);
    page_printf(p, "<td class=\"n\" data-title=\"waiting\">%s <small>%s</small></td>",
                human_count(s->books.spooled, a, sizeof(a)), human_bytes(s->books.spooled_bytes, b, sizeof(b)));
    page_printf(p, "<td class=\"n\" data-title=\"oldest\">%s</td>",
                s->freshness > 0 ? human_duration(s->freshness, a, sizeof(a)) : "&ndash;");
    page_printf(p, "<td class=\"n\" data-title=\"failures\">%s</td>", human_count(failures, a, sizeof(a)));
    if (s->last_delivery > 0)
        page_printf(p, "<td class=\"n\" data-title=\"delivered\">%s ago</td></tr>\n",
                    human_duration(snap->wall_now - s->last_delivery, a, sizeof(a)));
    else
        page_add(p, "<td class=\"n soft\" data-title=\"delivered\">&ndash;</td></tr>\n");
}

static void option(struct page *p, const char *value, const char *title, const char *chosen)
{
    page_printf(p, "<option value=\"%s\"%s>%s</option>", value, chosen && strcmp(chosen, value) == 0 ? " selected" : "",
                title);
}

static void search_form(struct page *p, const struct listing_query *q)
{
    page_add(p,
             "<form class=\"search\" method=\"get\" action=\"/\" role=\"search\"><label>Search <input type=\"search\" "
             "name=\"search\" maxlength=\"100\" value=\"");
    page_html(p, q->search ? q->search : "");
    page_add(p, "\"></label><label>State <select name=\"health\">");
    option(p, "", "all", q->health);
    option(p, "trouble", "in trouble", q->health);
    for (enum stream_health h = STREAM_OK; h <= STREAM_BLOCKED; h++)
        option(p, stream_health_word(h), stream_health_word(h), q->health);
    page_add(p, "</select></label>");
    if (q->sort && *q->sort) {
        page_add(p, "<input type=\"hidden\" name=\"sort\" value=\"");
        page_html(p, q->sort);
        page_add(p, "\">");
    }
    page_add(p, "<button>Show</button></form>\n");
}

static void pager(struct page *p, const struct listing *l, const struct listing_query *q)
{
    struct listing_query to = *q;
    char number[24];

    if (l->pages < 2)
        return;
    to.page = number;
    page_add(p, "<nav class=\"pager\" aria-label=\"pages\">");
    if (l->page > 1) {
        snprintf(number, sizeof(number), "%zu", l->page - 1);
        page_add(p, "<a rel=\"prev\" ");
        link_to(p, &to);
        page_add(p, ">&larr; before</a> ");
    }
    page_printf(p, "<span>%zu to %zu of %zu</span>", l->first + 1, l->first + l->count, l->matches);
    if (l->page < l->pages) {
        snprintf(number, sizeof(number), "%zu", l->page + 1);
        page_add(p, " <a rel=\"next\" ");
        link_to(p, &to);
        page_add(p, ">next &rarr;</a>");
    }
    page_add(p, "</nav>\n");
}

static void table(struct page *p, const struct snapshot *snap, const struct listing_query *q)
{
    struct listing l;

    if (snap->count == 0) {
        page_add(p, "<p class=\"soft\">No stream is running.</p>\n");
        return;
    }
    listing_make(&l, snap, q, ADMIN_LIST_PAGE);
    page_add(p, "<section aria-label=\"all streams\">\n");
    search_form(p, q);
    if (l.count == 0) {
        page_add(p, "<p class=\"soft\">No stream is like that. <a href=\"/\">Show all</a></p>\n");
    } else {
        page_add(p, "<table class=\"list\"><thead><tr>");
        for (size_t i = 0; i < ARRAY_LEN(COLUMNS); i++)
            column_head(p, q, i);
        page_add(p, "</tr></thead><tbody>\n");
        for (size_t i = 0; i < l.count; i++)
            row(p, snap, l.at[i]);
        page_add(p, "</tbody></table>\n");
    }
    pager(p, &l, q);
    page_add(p, "</section>\n");
    listing_release(&l);
}

/* --- cards --------------------------------------------------------------------------------------------------------- */

static void cards(struct page *p, const struct snapshot *snap)
{
    static const enum stream_health ORDER[] = {STREAM_BLOCKED, STREAM_RETRYING, STREAM_PAUSED, STREAM_FAILING,
                                               STREAM_OK};
    bool few = snap->count <= CONSOLE_FEW;
    size_t shown = 0;
    struct totals t = {0};

    add_totals(&t, snap);
    if (!few && in_trouble(&t) == 0)
        return;
    page_printf(p, "<section class=\"streams\" aria-label=\"%s\">\n", few ? "streams" : "streams in trouble");
    for (size_t k = 0; k < ARRAY_LEN(ORDER); k++)
        for (size_t i = 0; i < snap->count && shown < CONSOLE_CARDS; i++) {
            if (snap->streams[i].health != ORDER[k] || (!few && ORDER[k] == STREAM_OK))
                continue;
            console_card(p, snap, i);
            shown++;
        }
    page_add(p, "</section>\n");
}

/* --- the page ------------------------------------------------------------------------------------------------------
 */

void console_until(struct page *p, const char **rest, const char *mark)
{
    const char *at = strstr(*rest, mark);

    if (!at)
        return;
    if (!p->overflow && buf_add(p->out, *rest, (size_t)(at - *rest)) < 0)
        p->overflow = true;
    *rest = at + strlen(mark);
}

int admin_console(struct engine *engine, nsec wall_now, const struct listing_query *q, struct buf *out)
{
    const char *rest = admin_console_template;
    struct page p = {.out = out};
    struct snapshot snap;

    snapshot_take(&snap, engine, wall_now);
    console_until(&p, &rest, "{{title}}");
    title(&p, &snap);
    console_until(&p, &rest, "{{refresh}}");
    page_add(&p, "5");
    console_until(&p, &rest, "{{main}}");
    overview(&p, &snap);
    cards(&p, &snap);
    table(&p, &snap, q);
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
    page_add(p, "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; "
                "frame-ancestors 'none'; style-src");
    policy_hash(p, "<style>", "</style>");
    page_add(p, "; script-src");
    policy_hash(p, "<script>", "</script>");
}
