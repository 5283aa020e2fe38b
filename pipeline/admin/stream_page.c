/* The page of one stream: how it is, what to do about it, the last hour, what was delivered and what failed, and how it is configured. */
#include "pipeline/admin/console.h"

#include "config/shown.h"
#include "pipeline/base/human.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* --- the last hour -------------------------------------------------------------------------------------------------- */

#define VALUE(field)                                                                                                   \
    static float field(const struct history_point *h)                                                                  \
    {                                                                                                                  \
        return h->field;                                                                                               \
    }

VALUE(records_in)
VALUE(bytes_in)
VALUE(records_out)
VALUE(bytes_out)
VALUE(failures)
VALUE(took)
VALUE(freshness)
VALUE(waiting)

/* Of what was delivered in that time; 0: nothing was. */
static float compression(const struct history_point *h)
{
    return h->wire_out > 0 ? h->bytes_out / h->wire_out : 0;
}

static const char *records_words(double v, char *out, size_t size)
{
    char n[HUMAN_MAX];

    snprintf(out, size, "%s/s", v > 0 && v < 1 ? "less than 1" : human_count((uint64_t)(v + 0.5), n, sizeof(n)));
    return out;
}

static const char *rate_words(double v, char *out, size_t size)
{
    char n[HUMAN_MAX];

    snprintf(out, size, "%s/s", human_bytes((uint64_t)(v + 0.5), n, sizeof(n)));
    return out;
}

static const char *ratio_words(double v, char *out, size_t size)
{
    if (v > 0)
        snprintf(out, size, "%.3g to 1", v);
    else
        snprintf(out, size, "none");
    return out;
}

static const char *count_words(double v, char *out, size_t size)
{
    return human_count((uint64_t)(v + 0.5), out, size);
}

static const char *bytes_words(double v, char *out, size_t size)
{
    return human_bytes((uint64_t)(v + 0.5), out, size);
}

static const char *time_words(double v, char *out, size_t size)
{
    if (v > 0)
        return human_duration((nsec)(v * (double)NSEC_PER_SEC), out, size);
    snprintf(out, size, "none");
    return out;
}

static void charts(struct page *p, const struct chronicle_view *v)
{
    static const struct chart_line in = {"in", records_in, true}, out = {"out", records_out, true},
                                   bytes = {"in", bytes_in, true}, delivered = {"out", bytes_out, true},
                                   oldest = {"oldest record", freshness, false}, spooled = {"waiting", waiting, false},
                                   duration = {"mean", took, false}, ratio = {"ratio", compression, false},
                                   failed = {"failed", failures, false};

    page_add(p, "<section aria-labelledby=\"hour\"><h2 id=\"hour\">The last hour</h2>\n<div class=\"charts\">\n");
    console_chart(p, v, "Records", records_words, &in, &out);
    console_chart(p, v, "Bytes", rate_words, &bytes, &delivered);
    console_chart(p, v, "Age of the oldest record", time_words, &oldest, NULL);
    console_chart(p, v, "Waiting in the spool", bytes_words, &spooled, NULL);
    console_chart(p, v, "Time of a delivery", time_words, &duration, NULL);
    console_chart(p, v, "Compression", ratio_words, &ratio, NULL);
    console_chart(p, v, "Attempts that failed, in half a minute", count_words, &failed, NULL);
    page_add(p, "</div></section>\n");
}

/* --- what has happened ---------------------------------------------------------------------------------------------- */

static void when(struct page *p, nsec wall)
{
    time_t t = (time_t)(wall / NSEC_PER_SEC);
    char text[32] = "";
    struct tm tm;

    if (gmtime_r(&t, &tm))
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    page_printf(p, "<time datetime=\"%s\">%.*s</time>", text, text[0] ? 8 : 0, text[0] ? text + 11 : "");
}

static void objects(struct page *p, const struct chronicle_view *v)
{
    char a[HUMAN_MAX], b[HUMAN_MAX], c[HUMAN_MAX];

    page_add(p, "<section aria-labelledby=\"objects\"><h2 id=\"objects\">Last objects</h2>\n");
    if (v->object_count == 0) {
        page_add(p, "<p class=\"soft\">None in this run.</p></section>\n");
        return;
    }
    page_add(
        p, "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-labelledby=\"objects\"><table "
           "class=\"rows\"><thead><tr><th scope=\"col\">when</th><th scope=\"col\">object</th><th scope=\"col\" "
           "class=\"n\">records</th><th scope=\"col\" class=\"n\">size</th><th scope=\"col\" class=\"n\">took</th><th "
           "scope=\"col\" class=\"n\">attempts</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < v->object_count; i++) {
        const struct chronicle_object *o = &v->objects[i];

        page_add(p, "<tr><td>");
        when(p, o->at);
        page_add(p, "</td><td class=\"name\">");
        if (o->backup)
            page_add(p, "<span class=\"badge failing\">backup</span> ");
        if (o->name)
            page_html(p, o->name);
        else
            page_add(p, "<span class=\"soft\">not shown</span>");
        page_printf(
            p,
            "</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%u</td></tr>\n",
            human_count(o->records, a, sizeof(a)), human_bytes(o->bytes, b, sizeof(b)),
            human_duration(o->took > 0 ? o->took : NSEC_PER_MSEC, c, sizeof(c)), o->attempts);
    }
    page_add(p, "</tbody></table></div></section>\n");
}

static void errors(struct page *p, const struct chronicle_view *v)
{
    char a[HUMAN_MAX];

    page_add(p, "<section aria-labelledby=\"errors\"><h2 id=\"errors\">Last errors</h2>\n");
    if (v->error_count == 0) {
        page_add(p, "<p class=\"soft\">None in this run.</p></section>\n");
        return;
    }
    page_add(p, "<ul class=\"story\">\n");
    for (size_t i = 0; i < v->error_count; i++) {
        const struct chronicle_error *x = &v->errors[i];

        page_add(p, "<li>");
        when(p, x->last);
        page_add(p, " <b>");
        page_html(p, x->code);
        page_add(p, "</b> ");
        page_html(p, x->text);
        if (x->times > 1) {
            page_printf(p, " <span class=\"soft\">(%s times since ", human_count(x->times, a, sizeof(a)));
            when(p, x->first);
            page_add(p, ")</span>");
        }
        page_add(p, "</li>\n");
    }
    page_add(p, "</ul></section>\n");
}

static void events(struct page *p, const struct chronicle_view *v)
{
    page_add(p, "<section aria-labelledby=\"events\"><h2 id=\"events\">Events</h2>\n<ul class=\"story\">\n");
    for (size_t i = 0; i < v->event_count; i++) {
        page_add(p, "<li>");
        when(p, v->events[i].at);
        page_add(p, " ");
        page_html(p, v->events[i].text);
        page_add(p, "</li>\n");
    }
    page_add(p, "</ul></section>\n");
}

/* --- what can be asked of it ------------------------------------------------------------------------------------------ */

/* The token goes with each: a page that anybody may read knows none. */
static void actions(struct page *p, const struct stream_status *s)
{
    const struct {
        const char *action, *title;
    } list[] = {{s->paused_since ? "resume" : "pause", s->paused_since ? "Resume" : "Pause"},
                {"flush", "Flush now"},
                {"retry", "Retry now"}};

    page_add(p, "<section aria-labelledby=\"actions\"><h2 id=\"actions\">Actions</h2>\n<form class=\"actions\" "
                "method=\"post\"><label>Token <input type=\"password\" name=\"token\" required "
                "autocomplete=\"current-password\" aria-describedby=\"token-is\"></label>\n");
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        page_add(p, "<button formaction=\"/api/streams/");
        page_html(p, s->name);
        page_printf(p, "/%s\">%s</button>\n", list[i].action, list[i].title);
    }
    page_add(p, "<button formaction=\"/streams/");
    page_html(p, s->name);
    page_add(p, "/records\">Show records</button>\n");
    page_add(p,
             "</form><p class=\"soft\" id=\"token-is\">The token is what <code>admin.token</code> says, or else in the "
             "file <code>admin.token</code> of data_dir.</p></section>\n");
}

/* --- its configuration ---------------------------------------------------------------------------------------------- */

struct config_text {
    struct buf text;
    bool cut; /* there is more of it */
};

static void show_config(void *ctx, const struct cfg_node *stream, const struct cfg_node *reads)
{
    struct config_text *c = ctx;

    for (size_t i = 0; stream && stream->kind == CFG_NODE_MAP && i < stream->count; i++) {
        const struct cfg_node *n = stream->items[i], *newer = NULL;

        if (strcmp(n->key->text, "inputs") == 0)
            newer = cfg_node_get(reads, "inputs");
        c->cut = cfg_show_item(newer ? newer : n, 0, &c->text) < 0;
        if (c->cut)
            return;
    }
}

static void configuration(struct page *p, const struct snapshot *snap)
{
    struct config_text c = {.cut = false};
    char size[HUMAN_MAX];

    buf_init(&c.text, CONSOLE_CONFIG_MAX);
    engine_stream_config(&snap->view, snap->at, show_config, &c);
    page_add(p, "<section aria-labelledby=\"conf\"><h2 id=\"conf\">Configuration</h2>\n<p class=\"soft\">As it is in "
                "the file; what "
                "may be a secret is left out.</p>\n<pre tabindex=\"0\" aria-labelledby=\"conf\" role=\"group\">");
    page_html(p, buf_cstr(&c.text));
    page_add(p, "</pre>");
    if (c.cut)
        page_printf(p, "<p class=\"soft\">Cut here: it is longer than %s.</p>",
                    human_bytes(CONSOLE_CONFIG_MAX, size, sizeof(size)));
    page_add(p, "</section>\n");
    buf_release(&c.text);
}

/* --- the page ------------------------------------------------------------------------------------------------------- */

static void head(struct page *p, const struct snapshot *snap)
{
    const struct stream_status *s = &snap->streams[0];

    page_add(
        p, "<nav class=\"top\"><a href=\"/\">&larr; all streams</a><span class=\"links soft\"><a href=\"/api/streams/");
    page_html(p, s->name);
    page_add(p, "\">JSON</a></span></nav>\n<div class=\"top\"><h1>");
    page_html(p, s->name);
    page_printf(p, "</h1><span class=\"badge %s\">%s</span></div>\n", stream_health_word(s->health),
                console_health_words(s));
    console_way(p, s);
}

static void ratio(struct page *p, const struct spool_books *b)
{
    char a[HUMAN_MAX], c[HUMAN_MAX];

    if (b->wire_bytes == 0)
        return;
    page_printf(p, "<p class=\"soft\">%s delivered as %s on the wire: %.2g to 1.</p>\n",
                human_bytes(b->delivered_bytes, a, sizeof(a)), human_bytes(b->wire_bytes, c, sizeof(c)),
                (double)b->delivered_bytes / (double)b->wire_bytes);
}

int admin_stream_page(struct engine *engine, nsec wall_now, const char *name, struct buf *out, bool *found)
{
    const char *rest = admin_console_template;
    struct page p = {.out = out};
    struct chronicle_view v;
    struct chronicle *c;
    struct snapshot snap;

    snapshot_take_one(&snap, engine, wall_now, name, &c);
    *found = snap.count > 0;
    if (*found) {
        chronicle_view(c, clock_mono(), &v);
        console_until(&p, &rest, "{{title}}");
        page_html(&p, name);
        page_add(&p, snap.streams[0].health == STREAM_OK ? " &middot; sluice" : ": trouble &middot; sluice");
        console_until(&p, &rest, "{{refresh}}");
        page_add(&p, "60"); /* without a script what is typed into the form would be gone */
        console_until(&p, &rest, "{{main}}");
        head(&p, &snap);
        console_trouble(&p, &snap, 0);
        page_add(&p, "<div class=\"one\">\n");
        console_numbers(&p, &snap, 0);
        ratio(&p, &snap.streams[0].books);
        page_add(&p, "</div>\n");
        actions(&p, &snap.streams[0]);
        charts(&p, &v);
        objects(&p, &v);
        errors(&p, &v);
        events(&p, &v);
        configuration(&p, &snap);
        page_add(&p, rest);
        chronicle_view_release(&v);
    }
    snapshot_release(&snap);
    return page_done(&p);
}
