#include "pipeline/admin_page.h"

#include "pipeline/base/mem.h"

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

int page_done(const struct page *p)
{
    return p->overflow ? -1 : 0;
}
