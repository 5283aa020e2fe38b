/* /readyz: one line per stream that is not well, written for somebody who has just been woken up: what, where, since
 * when, what is at stake, what to do. */
#include "pipeline/admin/admin.h"
#include "pipeline/admin/page.h"
#include "pipeline/base/human.h"
#include "pipeline/engine/orphans.h"

static void failing_delivery(struct page *p, const struct stream_status *s, nsec wall_now)
{
    char since[HUMAN_MAX];

    page_add(p, "delivery ");
    if (s->stuck)
        page_printf(p, "of %u batch%s ", s->stuck, s->stuck == 1 ? "" : "es");
    page_add(p, s->backup_fails ? "to the backup " : "to ");
    page_plain(p, s->backup_fails ? s->backup : s->destination);
    page_add(p, " fails");
    if (s->failing_since > 0)
        page_printf(p, " for %s", human_duration(wall_now - s->failing_since, since, sizeof(since)));
    if (s->stuck)
        page_add(p, " while others get through");
    page_add(p, " (");
    if (s->words->code[0]) {
        page_plain(p, s->words->code);
        page_add(p, ": ");
    }
    page_plain(p, s->words->error[0] ? s->words->error : "no answer yet");
    page_add(p, "); ");
}

static void what(struct page *p, const struct stream_status *s, nsec wall_now)
{
    char lasted[HUMAN_MAX], records[HUMAN_MAX], held[HUMAN_MAX], limit[HUMAN_MAX];

    if (s->pushed_back) {
        page_printf(p, "inputs are pushed back for %s (", human_duration(s->pushed_back_for, lasted, sizeof(lasted)));
        page_plain(p, s->words->pushback);
        page_add(p, "); ");
    }
    if (s->paused_since > 0)
        page_printf(
            p, "somebody has paused its deliveries, for %s by now; ",
            human_duration(wall_now > s->paused_since ? wall_now - s->paused_since : 0, lasted, sizeof(lasted)));
    if (s->waiting_for > 0) {
        page_plain(p, s->words->waiting);
        page_add(p, "; ");
    }
    if (s->failing_since > 0)
        failing_delivery(p, s, wall_now);
    if (rejects_share(&s->rejects) > 0) {
        page_rejects(p, s, page_plain);
        page_add(p, "; ");
    }
    page_printf(p, "%s record%s in the spool, %s of %s", human_count(s->books.spooled, records, sizeof(records)),
                s->books.spooled == 1 ? " waits" : "s wait", human_bytes(s->books.disk_bytes, held, sizeof(held)),
                human_bytes(s->books.limit, limit, sizeof(limit)));
}

static void hint(struct page *p, const struct stream_status *s)
{
    const char *between = "; to do: ";

    if (s->paused_since > 0) {
        page_add(p, between);
        page_add(p, "sluice resume ");
        page_plain(p, s->name);
        between = "; ";
    }
    if (s->failing_since > 0) {
        page_add(p, between);
        page_plain(p, s->words->hint[0] ? s->words->hint
                      : s->backup_fails ? "look at the backup; attempts go on by themselves"
                                        : "look at the destination; attempts go on by themselves");
        between = "; ";
    }
    if (s->pushed_back) {
        page_add(p, between);
        page_plain(p, s->words->pushback_hint);
        between = "; ";
    }
    if (s->waiting_for > 0) {
        page_add(p, between);
        page_plain(p, s->words->waiting_hint);
        between = "; ";
    }
    if (rejects_share(&s->rejects) > 0) {
        page_add(p, between);
        page_rejects_hint(p, s, page_plain);
    }
    page_add(p, "\n");
}

/* So does one that is paused: no restart of the process, and no other traffic, is what it needs. A stream some of whose records do not get through takes records and delivers; one of which nothing gets through does
 * not. */
static bool is_ready(const struct stream_status *s)
{
    return s->health == STREAM_OK || s->health == STREAM_PAUSED ||
           (s->health == STREAM_FAILING && rejects_share(&s->rejects) < 1);
}

static void tell(struct page *out, const struct snapshot *snap, nsec wall_now)
{
    for (size_t i = 0; i < snap->count; i++) {
        const struct stream_status *s = &snap->streams[i];

        if (s->health == STREAM_OK)
            continue;
        page_add(out, "stream ");
        page_plain(out, s->name);
        page_printf(out, " is %s: ", stream_health_word(s->health));
        what(out, s, wall_now);
        hint(out, s);
    }
    /* Said, and no reason not to be ready: records wait at their source, all else goes on, and no restart would change it. */
    for (size_t i = 0; i < snap->input_count; i++) {
        const struct snapshot_input *in = &snap->inputs[i];

        if (!input_health_is_down(&in->health))
            continue;
        page_add(out, "stream ");
        page_plain(out, snap->streams[in->stream].name);
        page_add(out, ": ");
        page_input_down(out, &in->health, page_plain);
        page_add(out, "; to do: ");
        page_plain(out, page_input_hint(&in->health));
        page_add(out, "\n");
    }
    /* Likewise: the streams there are work, and no restart would change it. */
    for (size_t i = 0; i < snap->view.orphans.count; i++) {
        char text[512];

        orphan_describe(&snap->view.orphans.list[i], text, sizeof(text));
        page_add(out, "stream ");
        page_plain(out, snap->view.orphans.list[i].name);
        page_add(out, " is not in the configuration and ");
        page_plain(out, text);
        page_printf(out, "; to do: %s\n", ORPHAN_HINT);
    }
}

int admin_ready(struct engine *engine, nsec wall_now, bool in_short, struct buf *out, bool *ready)
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
        *ready = *ready && is_ready(&snap.streams[i]);
    if (*ready)
        page_add(&p, "ready\n");
    else if (in_short)
        page_add(&p, "not ready\n");
    if (!in_short)
        tell(&p, &snap, wall_now);

    snapshot_release(&snap);
    return page_done(&p);
}
