#include "pipeline/admin/page.h"

#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/plural.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void snapshot_take(struct snapshot *s, struct engine *engine, nsec wall_now)
{
    *s = (struct snapshot){.wall_now = wall_now};
    engine_status(engine, &s->engine);
    s->streams = mem_array(s->engine.streams + 1, sizeof(s->streams[0]));
    while (s->count < s->engine.streams && engine_stream_status(engine, s->count, wall_now, &s->streams[s->count]))
        s->count++;
}

void snapshot_release(struct snapshot *s)
{
    MEM_CLEAR(s->streams);
    s->count = 0;
}

const char *stream_health_word(enum stream_health h)
{
    static const char *const WORDS[] = {
        [STREAM_OK] = "ok", [STREAM_FAILING] = "failing", [STREAM_RETRYING] = "retrying", [STREAM_BLOCKED] = "blocked"};

    return WORDS[h];
}

static void add(struct page *p, const char *bytes, size_t n)
{
    if (!p->overflow && buf_add(p->out, bytes, n) < 0)
        p->overflow = true;
}

void page_add(struct page *p, const char *literal)
{
    add(p, literal, strlen(literal));
}

void page_printf(struct page *p, const char *fmt, ...)
{
    char piece[PAGE_PIECE_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(piece, sizeof(piece), fmt, ap);
    va_end(ap);
    assert(n >= 0 && (size_t)n < sizeof(piece));
    add(p, piece, (size_t)n);
}

static const char *html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static const char *label_escape(char c)
{
    switch (c) {
    case '\\':
        return "\\\\";
    case '"':
        return "\\\"";
    case '\n':
        return "\\n";
    default:
        return NULL;
    }
}

static const char *control_to_space(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f ? " " : NULL;
}

static void add_escaped(struct page *p, const char *text, const char *(*escape)(char c))
{
    const char *run = text;

    for (; *text; text++) {
        const char *instead = escape(*text);

        if (!instead)
            continue;
        add(p, run, (size_t)(text - run));
        page_add(p, instead);
        run = text + 1;
    }
    add(p, run, (size_t)(text - run));
}

void page_html(struct page *p, const char *text)
{
    add_escaped(p, text, html_entity);
}

void page_label(struct page *p, const char *text)
{
    add_escaped(p, text, label_escape);
}

void page_plain(struct page *p, const char *text)
{
    add_escaped(p, text, control_to_space);
}

void page_rejects(struct page *p, const struct stream_status *s, void (*text)(struct page *p, const char *text))
{
    const struct rejects_view *v = &s->rejects;
    uint64_t rejected = v->rejected[REJECT_FAILED] + v->rejected[REJECT_REFUSED];
    char some[HUMAN_MAX], all[HUMAN_MAX], share[HUMAN_MAX];

    if (rejected == 0)
        return;
    page_printf(p, "%s of the last " REJECTS_WINDOW_WORDS "' %s record%s (%s) %s, most of them for ",
                human_count(rejected, some, sizeof(some)), human_count(v->records, all, sizeof(all)),
                noun_s(v->records), human_share(rejects_share(v), share, sizeof(share)),
                v->rejected[REJECT_REFUSED] == 0  ? "failed in the transform"
                : v->rejected[REJECT_FAILED] == 0 ? "were not taken by the destination"
                                                  : "failed in the transform or were not taken by the destination");
    text(p, v->reason[0] ? v->reason : "no reason given");
    page_add(p, "; they are in the backup");
    if (!s->backup)
        return;
    page_add(p, " ");
    text(p, s->backup);
}

void page_rejects_hint(struct page *p, const struct stream_status *s, void (*text)(struct page *p, const char *text))
{
    bool script = s->rejects.rejected[REJECT_FAILED] > s->rejects.rejected[REJECT_REFUSED];

    page_add(p, script
                    ? "mend the script (sluice transform --stream "
                    : "read the reasons in the backup, mend the destination's mapping or what sends the records, then "
                      "sluice redrive --stream ");
    text(p, s->name);
    if (!script)
        return;
    page_add(p, " shows what it makes of a line), then sluice redrive --stream ");
    text(p, s->name);
}

int page_done(const struct page *p)
{
    return p->overflow ? -1 : 0;
}
