/* The same walk as a start makes (walk.h), with nothing behind it that changes a file: `fsck` walks all segments and every byte of them,
 * a peek only what the state needs. */
#include "pipeline/spool/inspect.h"

#include "pipeline/spool/spool_impl.h"
#include "pipeline/spool/walk.h"

#include <string.h>

struct inspection {
    struct spool_report *out;
    void (*damage)(void *ctx, const struct spool_damage *d);
    void *ctx;
};

static void note_damage(void *ctx, uint64_t number, uint64_t offset, uint64_t records, const char *what)
{
    struct inspection *in = ctx;
    char name[SEGMENT_NAME_BYTES];
    struct spool_damage d = {walk_file_name(number, name), offset, records, what};

    in->out->damages++;
    in->out->lost_records += records;
    in->damage(in->ctx, &d);
}

/* Each segment on top of its own checkpoint, so that a frame's place in the sequence is checked in all of them. What
 * the last one ends with is the state. */
static int walk_all(struct walk *w, struct spool_state *st, struct spool_report *out, struct err *e)
{
    size_t from;

    if (w->count == 0)
        return walk_start(w, st, &from, e);
    for (size_t i = 0; i < w->count; i++) {
        struct walk_end end;

        if (walk_checkpoint(w, i, st, e) < 0 || walk_frames(w, i, true, st, &end, e) < 0)
            return -1;
        out->bytes += w->segments[i].file;
        if (i + 1 == w->count)
            out->torn_bytes = end.torn;
    }
    return 0;
}

static void ignore(void *ctx, uint64_t number, uint64_t offset, uint64_t records, const char *what)
{
    (void)ctx, (void)number, (void)offset, (void)records, (void)what;
}

/* spool_state_release(), also after -1. */
static int load_state(const char *dir, struct spool_state *st, bool *has_log, struct err *e)
{
    struct walk_end end;
    struct walk w;
    int rc;

    walk_init(&w, &io_ops_real, dir);
    w.damage = ignore;
    spool_state_init(st);
    rc = walk_list(&w, e) < 0 || walk_log(&w, st, &end, e) < 0 ? -1 : 0;
    if (rc == 0)
        walk_missing(&w, st);
    *has_log = w.count > 0;
    walk_release(&w);
    return rc;
}

int spool_peek(const char *dir, bool *has_log, uint64_t *waiting, struct err *e)
{
    struct spool_state st;
    int rc = load_state(dir, &st, has_log, e);

    *waiting = rc == 0 ? spool_state_waiting_count(&st) : 0;
    for (size_t i = 0; rc == 0 && i < st.reader_count; i++)
        *waiting += parcels_without_records(&st.readers[i]->parcels);
    spool_state_release(&st);
    return rc;
}

int spool_inspect_parcels(const char *dir, const char *reader, void (*parcel)(void *ctx, const struct parcel *p),
                          void *ctx, struct err *e)
{
    struct spool_state st;
    bool has_log;
    int rc = load_state(dir, &st, &has_log, e);

    for (size_t i = 0; rc == 0 && i < st.reader_count; i++)
        for (size_t k = 0; strcmp(st.readers[i]->name, reader) == 0 && k < st.readers[i]->parcels.count; k++)
            parcel(ctx, &st.readers[i]->parcels.list[k].parcel);
    spool_state_release(&st);
    return rc;
}

static void report_reader(const struct reader_state *r, uint64_t next, struct spool_report *out)
{
    struct spool_reader_report *to = &out->readers[out->reader_count++];

    *to = (struct spool_reader_report){.gone = reader_state_is_gone(r),
                                       .incoming = reader_state_incoming(r, next),
                                       .waiting = reader_state_waiting(r, next),
                                       .delivered = r->settled.delivered,
                                       .dropped = r->settled.dropped,
                                       .unwanted = r->settled.unwanted,
                                       .backed_up = r->settled.backed_up,
                                       .corrupt = r->settled.corrupt,
                                       .pending_seals = r->seal_count,
                                       .parcels = r->parcels.count,
                                       .staged = r->parcels.records};
    memcpy(to->name, r->name, sizeof(to->name));
    for (size_t i = 0; i < r->parcels.count; i++)
        to->sealed_parcels += r->parcels.list[i].parcel.sealed;
    out->pending_seals += r->seal_count;
    out->in_progress += seal_progress_count(r);
}

int spool_inspect(const char *dir, struct spool_report *out, void (*damage)(void *ctx, const struct spool_damage *d),
                  void *ctx, struct err *e)
{
    struct inspection in = {out, damage, ctx};
    struct spool_state st;
    struct walk w;
    int rc = -1;

    *out = (struct spool_report){0};
    walk_init(&w, &io_ops_real, dir);
    w.damage = note_damage;
    w.ctx = &in;
    spool_state_init(&st);
    if (walk_list(&w, e) < 0)
        goto out;
    if (walk_all(&w, &st, out, e) < 0)
        goto out;
    walk_missing(&w, &st);
    out->was_damaged = damage_is_noted(dir);
    out->segments = w.count;
    for (size_t i = 0; i < st.reader_count; i++)
        report_reader(st.readers[i], st.next, out);
    out->positions = st.positions.count;
    out->incoming = st.next - 1;
    out->waiting = spool_state_waiting_count(&st);
    rc = 0;
out:
    spool_state_release(&st);
    walk_release(&w);
    return rc;
}
