/* /readyz: one line per stream that is not well, written for somebody who has just been woken up: what, where, since
 * when, what is at stake, what to do. */
#include "pipeline/admin.h"
#include "pipeline/admin_page.h"
#include "pipeline/human.h"

static void waiting_records(struct page *p, const struct stream_status *s)
{
    char records[HUMAN_MAX], held[HUMAN_MAX], limit[HUMAN_MAX];

    page_printf(p, "%s record%s in the spool, %s of %s", human_count(s->books.spooled, records, sizeof(records)),
                s->books.spooled == 1 ? " waits" : "s wait", human_bytes(s->books.disk_bytes, held, sizeof(held)),
                human_bytes(s->books.limit, limit, sizeof(limit)));
}

static void cause(struct page *p, const struct stream_status *s)
{
    if (s->error_code[0]) {
        page_plain(p, s->error_code);
        page_add(p, ": ");
    }
    page_plain(p, s->error[0] ? s->error : "no answer yet");
}

static void failing_delivery(struct page *p, const struct stream_status *s, nsec wall_now)
{
    char since[HUMAN_MAX];

    page_add(p, "delivery to ");
    page_plain(p, s->destination);
    page_add(p, " fails");
    if (s->failing_since > 0)
        page_printf(p, " for %s", human_duration(wall_now - s->failing_since, since, sizeof(since)));
    page_add(p, " (");
    cause(p, s);
    page_add(p, "); ");
}

static void what(struct page *p, const struct stream_status *s, nsec wall_now)
{
    char lasted[HUMAN_MAX];

    if (s->intake.blocked) {
        page_printf(p, "inputs are pushed back for %s (", human_duration(s->intake.lasted, lasted, sizeof(lasted)));
        page_plain(p, s->intake.cause);
        page_add(p, "); ");
    }
    if (s->failing_since > 0)
        failing_delivery(p, s, wall_now);
    waiting_records(p, s);
}

static void hint(struct page *p, const struct stream_status *s)
{
    bool failing = s->failing_since > 0;

    page_add(p, "; to do: ");
    if (failing)
        page_plain(p, s->hint[0] ? s->hint : "look at the destination; attempts go on by themselves");
    if (failing && s->intake.blocked)
        page_add(p, "; ");
    if (s->intake.blocked)
        page_plain(p, s->intake.hint);
    page_add(p, "\n");
}

static bool stream_line(struct page *p, const struct stream_status *s, nsec wall_now)
{
    if (s->health == STREAM_OK)
        return true;
    page_add(p, "stream ");
    page_plain(p, s->name);
    page_printf(p, " is %s: ", s->health == STREAM_BLOCKED ? "blocked" : "retrying");
    what(p, s, wall_now);
    hint(p, s);
    return false;
}

int admin_ready(struct engine *engine, nsec wall_now, struct buf *out, bool *ready)
{
    struct page p = {.out = out};
    struct snapshot snap;

    *ready = true;
    snapshot_take(&snap, engine, wall_now);
    if (snap.engine.stopping) {
        page_add(&p, "sluice is stopping: what is in the spools is delivered now or at the next start\n");
        *ready = false;
    }
    for (size_t i = 0; i < snap.count; i++)
        if (!stream_line(&p, &snap.streams[i], wall_now))
            *ready = false;
    if (*ready)
        page_add(&p, "ready\n");
    snapshot_release(&snap);
    return page_done(&p);
}
