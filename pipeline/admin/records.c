#include "pipeline/admin/records.h"

#include "pipeline/admin/console.h"
#include "pipeline/base/base64.h"
#include "pipeline/base/human.h"
#include "pipeline/base/json.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/tap.h"
#include "pipeline/base/utf8.h"

#include <inttypes.h>
#include <string.h>

/* What is behind number `after`; before that it waits until `mono` (0: it does not) for something behind `seen`. False: there is no such stream. */
static bool look(const struct records_desk *d, const struct admin_order *o, uint64_t after, uint64_t seen, nsec mono,
                 struct tap_view *v)
{
    struct engine_view streams;
    bool found;
    size_t i;

    engine_view_take(d->engine, &streams);
    found = engine_find_row(&streams, o->name, &i);
    if (found && mono)
        tap_await(engine_stream_tap(&streams, i), seen, mono);
    if (found)
        tap_look(engine_stream_tap(&streams, i), clock_mono(), after, v);
    if (found && strchr(o->name, ':')) /* one of several destinations */
        tap_view_keep(v, strchr(o->name, ':') + 1);
    engine_view_release(&streams);
    if (found && v->opened)
        log_info("records of a stream are looked at", KS("stream", o->name), KS("client", o->from));
    return found;
}

/* The first look, and what forbids it. */
static bool begin(const struct records_desk *d, const struct admin_order *o, uint64_t after, struct tap_view *v,
                  struct admin_answer *a)
{
    if (!d->open) {
        (void)admin_answer_say(a, 403, "records are not shown on this address: see the option admin.records");
        return false;
    }
    if (look(d, o, after, 0, 0, v))
        return true;
    (void)admin_answer_say(a, 404, "there is no stream %s", o->name);
    return false;
}

/* --- JSON ------------------------------------------------------------------------------------------------------------- */

static const char *const FATES[] = {
    [TAP_CAME] = "in", [TAP_MADE] = "out", [TAP_DROPPED] = "dropped", [TAP_FAILED] = "failed"};

static void json_text(struct page *p, const char *name, const struct tap_text *t)
{
    struct slice bytes = slice_of(t->bytes, t->n);
    char *encoded;

    if (!t->bytes) {
        page_printf(p, ",\"%s\":null", name);
        return;
    }
    page_printf(p, ",\"%s\":{\"bytes\":%" PRIu64 ",", name, t->whole);
    if (utf8_is(bytes)) {
        page_add(p, "\"text\":");
        if (!p->overflow && json_quote(bytes, p->out) < 0)
            p->overflow = true;
    } else {
        encoded = mem_alloc(base64_encoded_length(bytes.n) + 1);
        base64_encode(bytes, encoded);
        page_add(p, "\"base64\":\"");
        page_add(p, encoded);
        page_add(p, "\"");
        mem_free(encoded);
    }
    page_add(p, "}");
}

void records_as_json(void *ctx, const struct admin_order *o, struct admin_answer *a)
{
    struct page p = {.out = &a->text};
    struct tap_view v;

    if (!begin(ctx, o, o->after, &v, a))
        return;
    page_printf(&p, "{\"next\":%" PRIu64 ",\"records\":[", v.next);
    for (size_t i = 0; i < v.count; i++) {
        const struct tap_entry *e = &v.entries[i];

        page_printf(&p, "%s\n{\"record\":%" PRIu64 ",\"at\":%.3f,\"what\":\"%s\",\"skipped\":%" PRIu64, i ? "," : "",
                    e->record, (double)e->at / (double)NSEC_PER_SEC, FATES[e->fate], e->unseen);
        if (e->by[0])
            page_printf(&p, ",\"destination\":\"%s\"", e->by);
        json_text(&p, "before", &e->before);
        json_text(&p, "after", &e->after);
        page_add(&p, "}");
    }
    page_add(&p, "]}\n");
    tap_view_release(&v);
    a->as = ADMIN_ANSWER_JSON;
    if (page_done(&p) < 0)
        (void)admin_answer_say(a, 500, "the answer is too large");
}

/* --- the page --------------------------------------------------------------------------------------------------------- */

static void cell(struct page *p, const struct tap_text *t)
{
    struct buf shown;
    char all[HUMAN_MAX];

    page_add(p, "<td class=\"name\">");
    if (t->bytes) {
        buf_init(&shown, 8 * TAP_TEXT);
        if (tap_visible(slice_of(t->bytes, t->n), &shown) < 0)
            p->overflow = true;
        page_add(p, "<code>");
        page_html(p, buf_cstr(&shown));
        page_add(p, "</code>");
        if (t->n < t->whole)
            page_printf(p, " <span class=\"soft\">... of %s</span>", human_bytes(t->whole, all, sizeof(all)));
        buf_release(&shown);
    } else {
        page_add(p, "<span class=\"soft\">&ndash;</span>");
    }
    page_add(p, "</td>");
}

static bool is_made(const struct tap_entry *e)
{
    return e->fate != TAP_CAME;
}

static size_t count_made(const struct tap_view *v)
{
    size_t made = 0;

    for (size_t i = 0; i < v->count; i++)
        made += is_made(&v->entries[i]);
    return made;
}

/* What a transform made of records says the most; of others that came in a few are enough beside them. */
static void rows(struct page *p, const struct tap_view *v)
{
    static const char *const words[] = {
        [TAP_CAME] = "came in", [TAP_MADE] = "made", [TAP_DROPPED] = "dropped", [TAP_FAILED] = "failed"};
    size_t most = count_made(v) > 0 ? TAP_PAGE_LOOK : v->count, came = 0;
    char n[HUMAN_MAX];

    page_add(
        p, "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"records\"><table class=\"rows\"><thead><tr>"
           "<th scope=\"col\" class=\"n\">record</th><th scope=\"col\">what</th><th scope=\"col\">as it came</th>"
           "<th scope=\"col\">what became of it</th></tr></thead><tbody>\n");
    for (size_t k = 0; k < 2 * v->count; k++) {
        const struct tap_entry *e = &v->entries[k % v->count];

        if (is_made(e) != (k < v->count) || (!is_made(e) && came++ >= most))
            continue;
        if (e->unseen > 0)
            page_printf(p, "<tr><td></td><td colspan=\"3\" class=\"soft\">%s more passed by</td></tr>\n",
                        human_count(e->unseen, n, sizeof(n)));
        page_printf(p, "<tr><td class=\"n\">%" PRIu64 "</td><td>%s%s%s</td>", e->record, words[e->fate],
                    e->by[0] ? " for " : "", e->by);
        cell(p, &e->before);
        cell(p, &e->after);
        page_add(p, "</tr>\n");
    }
    page_add(p, "</tbody></table></div>\n");
}

static void page(struct page *p, const char *stream, const struct tap_view *v)
{
    const char *rest = admin_console_template;

    console_until(p, &rest, "{{title}}");
    page_add(p, "Records of ");
    page_html(p, stream);
    console_until(p, &rest, "{{refresh}}");
    page_add(p, "86400"); /* it is the answer to a form: nothing to be asked again by itself */
    console_until(p, &rest, "{{main}}");
    page_add(p, "<nav class=\"top\"><a href=\"/streams/");
    page_html(p, stream);
    page_add(p, "\">&larr; ");
    page_html(p, stream);
    page_add(p, "</a></nav>\n<div class=\"top\" data-still><h1>Records that passed by</h1></div>\n");
    if (v->count > 0)
        rows(p, v);
    else
        page_add(p, "<p class=\"soft\">None did while this page waited. Go back and ask again.</p>\n");
    page_add(p, rest);
}

static bool is_stopping(const struct records_desk *d)
{
    struct engine_status s;

    engine_status(d->engine, &s);
    return s.stopping;
}

void records_as_page(void *ctx, const struct admin_order *o, struct admin_answer *a)
{
    const struct records_desk *d = ctx;
    struct page p = {.out = &a->text};
    nsec end = clock_mono() + TAP_PAGE_WAIT;
    uint64_t from, seen;
    struct tap_view v;
    nsec now;

    if (!begin(d, o, 0, &v, a))
        return;
    from = v.opened ? v.next : 1;
    seen = from;
    do { /* in short waits: the program may end, and the stream go */
        tap_view_release(&v);
        now = clock_mono();
        if (!look(d, o, from, seen, now + TAP_EVERY_MS * NSEC_PER_MSEC, &v)) {
            (void)admin_answer_say(a, 404, "there is no stream %s; a reload may have removed it", o->name);
            return;
        }
        seen = v.next;
        if (v.count == TAP_LOOK && count_made(&v) == 0)
            from = v.entries[TAP_LOOK / 2].number; /* the next ones: something may be made of them */
    } while (count_made(&v) < TAP_PAGE_LOOK && now < end && !is_stopping(d));
    page(&p, o->name, &v);
    tap_view_release(&v);
    a->as = ADMIN_ANSWER_PAGE;
    if (page_done(&p) < 0)
        (void)admin_answer_say(a, 500, "the page is too large");
}
