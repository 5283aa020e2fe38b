/* page.h -- what the admin pages are made of: one snapshot of the engine and the process, and text written into a buf.
 *
 * A page latches the first "does not fit" instead of reporting it call by call, so that rendering code reads like the
 * page it makes; page_done() tells. Whatever comes from outside goes through page_html(), page_label() or page_plain().
 *
 * Ownership  a snapshot holds the streams it shows (engine/status.h) until snapshot_release(). Threads: any.
 */
#ifndef PIPELINE_ADMIN_PAGE_H
#define PIPELINE_ADMIN_PAGE_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/engine/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshot_input {
    size_t stream;
    struct input_health_view health;
};

/* All streams as of one moment: a metric family lists every stream before the next one begins. */
struct snapshot {
    nsec wall_now;
    struct engine_status engine;
    struct engine_view view;
    struct stream_status *streams;
    struct history_rates *rates; /* of each stream */
    size_t count;
    size_t at;                     /* of snapshot_take_one(): which of the view it is */
    struct snapshot_input *inputs; /* of all streams, one stream after the other */
    size_t input_count;
    size_t *inputs_from; /* of each stream, and behind the last one: where in `inputs` its own begin */
};

void snapshot_take(struct snapshot *s, struct engine *engine, nsec wall_now);
/* Of the stream of this name alone; none: count is 0. `chronicle` is its, and lives as long as the snapshot. */
void snapshot_take_one(struct snapshot *s, struct engine *engine, nsec wall_now, const char *name,
                       struct chronicle **chronicle);
void snapshot_release(struct snapshot *s);

/* Streams, where a row is one of a stream's destinations: it is as well as the worst of them. */
struct stream_counts {
    size_t count, by_health[STREAM_BLOCKED + 1];
};

void snapshot_count_streams(const struct snapshot *s, struct stream_counts *out);

/* What the kernel says about this process; zero where it does not say. */
struct process_facts {
    double cpu_seconds; /* user and system */
    uint64_t resident_bytes;
    uint64_t open_fds, max_fds;
};

void process_facts(struct process_facts *f);

struct page {
    struct buf *out;
    bool overflow;
};

void page_add(struct page *p, const char *literal);
/* One short piece: at most PAGE_PIECE_MAX bytes, so no text of unknown length. */
void page_printf(struct page *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

void page_html(struct page *p, const char *text);  /* & < > " ' escaped */
void page_label(struct page *p, const char *text); /* a Prometheus label value: \ " and newline escaped */
void page_plain(struct page *p, const char *text); /* one line for a terminal: control characters become spaces */

/* Records of the last minutes that did not get through, in a sentence without its full stop; and what to do about them.
 * `text` is page_html or page_plain. Nothing to say when there are none. */
void page_rejects(struct page *p, const struct stream_status *s, void (*text)(struct page *p, const char *text));
void page_rejects_hint(struct page *p, const struct stream_status *s, void (*text)(struct page *p, const char *text));

/* An input that has no connection: what it fails of, since when, and what to do; in a sentence without its full stop. */
void page_input_down(struct page *p, const struct input_health_view *v, void (*text)(struct page *p, const char *text));
/* What to do when nobody knows better. */
const char *page_input_hint(const struct input_health_view *v);

MUST_CHECK int page_done(const struct page *p); /* 0, or -1 when it did not fit */

#endif
