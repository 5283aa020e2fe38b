/* console.h -- the pages for people: the table of streams on /, and a page for each stream.
 *
 * Both are console.html with its {{marks}} replaced. Every text from outside is escaped. They need no script: with it they refresh themselves
 * in place. Nothing is loaded from anywhere.
 *
 * Threads    any. -1: it did not fit.
 */
#ifndef PIPELINE_ADMIN_CONSOLE_H
#define PIPELINE_ADMIN_CONSOLE_H

#include "pipeline/admin/listing.h"
#include "pipeline/admin/page.h"

MUST_CHECK int admin_console(struct engine *engine, nsec wall_now, const struct listing_query *q, struct buf *out);
/* *found: there is such a stream; else nothing was written. */
MUST_CHECK int admin_stream_page(struct engine *engine, nsec wall_now, const char *name, struct buf *out, bool *found);

/* What a browser may run and load of these pages, as a Content-Security-Policy. */
void admin_console_policy(struct page *p);

/* --- between the files of the console ------------------------------------------------------------------------------- */

/* The template, up to its next mark, and behind it: *rest moves. */
void console_until(struct page *p, const char **rest, const char *mark);
/* The page as written by hand; made from console.html when building. */
extern const char admin_console_template[];

/* stream_parts.c: what both pages show of stream number i. */
const char *console_health_words(const struct stream_status *s);
void console_way(struct page *p, const struct stream_status *s); /* inputs -> destination */
void console_numbers(struct page *p, const struct snapshot *snap, size_t i);
void console_trouble(struct page *p, const struct snapshot *snap, size_t i);
void console_card(struct page *p, const struct snapshot *snap, size_t i); /* all of it, as an <article> */

/* chart.c: one value of the last hour, or two of one kind. The second one may be NULL. */
struct chart_line {
    const char *name;
    float (*value)(const struct history_point *h);
    bool by_second; /* it is a sum over the slot */
};
void console_chart(struct page *p, const struct chronicle_view *v, const char *title,
                   const char *(*words)(double value, char *out, size_t size), const struct chart_line *a,
                   const struct chart_line *b);

#endif
