/* The streams as plain text, for a terminal: `sluice status` prints it, `sluice top` again and again. */
#include "pipeline/admin/admin.h"
#include "pipeline/admin/listing.h"
#include "pipeline/admin/text.h"
#include "pipeline/base/human.h"

#include <stdio.h>
#include <string.h>

#define NAME_WIDTH_MAX 40

static void head(struct page *p, const struct snapshot *snap)
{
    char up[HUMAN_MAX], n[HUMAN_MAX], b[HUMAN_MAX];
    struct stream_counts streams;
    uint64_t records = 0, bytes = 0;
    const char *between = ": ";
    struct process_facts f;

    process_facts(&f);
    snapshot_count_streams(snap, &streams);
    for (size_t i = 0; i < snap->count; i++) {
        records += snap->streams[i].books.spooled;
        bytes += snap->streams[i].books.spooled_bytes;
    }
    page_add(p, "sluice ");
    page_plain(p, snap->engine.version);
    page_printf(p, "  up %s  %zu stream%s", human_duration(snap->wall_now - snap->engine.started, up, sizeof(up)),
                streams.count, noun_s(streams.count));
    for (enum stream_health h = STREAM_OK; h <= STREAM_BLOCKED; h++) {
        if (streams.by_health[h] == 0)
            continue;
        page_printf(p, "%s%zu %s", between, streams.by_health[h], stream_health_word(h));
        between = ", ";
    }
    page_printf(p, "\nmemory %s", human_bytes(f.resident_bytes, b, sizeof(b)));
    page_printf(p, "  in the spools %s record%s, %s%s\n\n", human_count(records, n, sizeof(n)), noun_s(records),
                human_bytes(bytes, b, sizeof(b)), snap->engine.stopping ? "  stopping" : "");
}

static int name_width(const struct snapshot *snap, const struct listing *l)
{
    size_t width = strlen("STREAM");

    for (size_t i = 0; i < l->count; i++) {
        size_t n = strlen(snap->streams[l->at[i]].name);

        width = n > width ? n : width;
    }
    return width < NAME_WIDTH_MAX ? (int)width : NAME_WIDTH_MAX;
}

static const char *rate(double records, char *out, size_t size)
{
    char n[HUMAN_MAX];

    snprintf(out, size, "%s", records > 0 && records < 1 ? "<1" : human_count((uint64_t)(records + 0.5), n, sizeof(n)));
    return out;
}

static void row(struct page *p, const struct snapshot *snap, size_t i, int width)
{
    const struct stream_status *s = &snap->streams[i];
    char in[HUMAN_MAX], out[HUMAN_MAX], waits[HUMAN_MAX], oldest[HUMAN_MAX], failed[HUMAN_MAX], last[HUMAN_MAX];

    page_printf(p, "%-*.*s  %-8s  %10s  %10s  %12s  %10s  %8s  %s\n", width, width, s->name,
                stream_health_word(s->health), rate(snap->rates[i].records_in, in, sizeof(in)),
                rate(snap->rates[i].records_out, out, sizeof(out)), human_count(s->books.spooled, waits, sizeof(waits)),
                s->freshness > 0 ? human_duration(s->freshness, oldest, sizeof(oldest)) : "-",
                human_count(metrics_get(s->metrics, METRIC_DELIVERY_FAILURES), failed, sizeof(failed)),
                s->last_delivery > 0 ? human_duration(snap->wall_now - s->last_delivery, last, sizeof(last)) : "-");
}

int admin_text(struct engine *engine, nsec wall_now, const struct listing_query *q, struct buf *out)
{
    struct page p = {.out = out};
    struct snapshot snap;
    struct listing l;
    bool ready;
    int width;

    snapshot_take(&snap, engine, wall_now);
    listing_make(&l, &snap, q, ADMIN_LIST_MAX);
    head(&p, &snap);
    width = name_width(&snap, &l);
    page_printf(&p, "%-*s  %-8s  %10s  %10s  %12s  %10s  %8s  %s\n", width, "STREAM", "STATE", "IN/S", "OUT/S",
                "WAITING", "OLDEST", "FAILURES", "DELIVERED AGO");
    for (size_t i = 0; i < l.count; i++)
        row(&p, &snap, l.at[i], width);
    if (l.count < l.matches)
        page_printf(&p, "and %zu more\n", l.matches - l.count);
    listing_release(&l);
    snapshot_release(&snap);
    page_add(&p, "\n");
    if (page_done(&p) < 0 || admin_ready(engine, wall_now, false, out, &ready) < 0)
        return -1;
    return 0;
}
