/* Text is added piece by piece; what does not fit is remembered, and said once at the end. Escaping goes from one character that needs
 * it to the next. */
#include "pipeline/admin/page.h"

#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/utf8.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Stream number `at` of the view as number `i` of the snapshot. */
static void take_stream(struct snapshot *s, size_t i, size_t at)
{
    struct chronicle *c = engine_stream_chronicle(&s->view, at);
    struct input_health_view h;

    (void)engine_stream_status(&s->view, at, s->wall_now, &s->streams[i]);
    if (c)
        s->rates[i] = chronicle_rates(c, clock_mono());
    for (size_t k = 0; engine_input_health(&s->view, at, k, s->wall_now, &h); k++) {
        s->inputs = mem_grow(s->inputs, s->input_count + 1, sizeof(*s->inputs));
        s->inputs[s->input_count++] = (struct snapshot_input){.stream = i, .health = h};
    }
    s->inputs_from[i + 1] = s->input_count;
}

static void begin_snapshot(struct snapshot *s, struct engine *engine, nsec wall_now, size_t room)
{
    *s = (struct snapshot){.wall_now = wall_now};
    engine_status(engine, &s->engine);
    engine_view_take(engine, &s->view);
    if (room > s->view.count)
        room = s->view.count;
    s->streams = mem_array(room, sizeof(s->streams[0]));
    s->rates = mem_array(room, sizeof(s->rates[0]));
    s->inputs_from = mem_array(room + 1, sizeof(s->inputs_from[0]));
}

void snapshot_take(struct snapshot *s, struct engine *engine, nsec wall_now)
{
    begin_snapshot(s, engine, wall_now, SIZE_MAX);
    for (; s->count < s->view.count; s->count++)
        take_stream(s, s->count, s->count);
}

void snapshot_take_one(struct snapshot *s, struct engine *engine, nsec wall_now, const char *name,
                       struct chronicle **chronicle)
{
    size_t i;

    *chronicle = NULL;
    begin_snapshot(s, engine, wall_now, 1);
    if (!engine_find_row(&s->view, name, &i))
        return;
    take_stream(s, 0, i);
    *chronicle = engine_stream_chronicle(&s->view, i);
    s->at = i;
    s->count = 1;
}

void snapshot_count_streams(const struct snapshot *s, struct stream_counts *out)
{
    enum stream_health worst = STREAM_OK;

    *out = (struct stream_counts){.count = 0};
    for (size_t i = 0; i < s->count; i++) {
        bool last = i + 1 == s->count || s->streams[i + 1].first;

        worst = s->streams[i].health > worst ? s->streams[i].health : worst;
        if (!last)
            continue;
        out->count++;
        out->by_health[worst]++;
        worst = STREAM_OK;
    }
}

void snapshot_release(struct snapshot *s)
{
    for (size_t i = 0; i < s->count; i++)
        stream_status_release(&s->streams[i]);
    engine_view_release(&s->view);
    MEM_CLEAR(s->streams);
    MEM_CLEAR(s->rates);
    for (size_t i = 0; i < s->input_count; i++)
        input_health_view_release(&s->inputs[i].health);
    MEM_CLEAR(s->inputs);
    MEM_CLEAR(s->inputs_from);
    s->count = s->input_count = 0;
}

/* --- the process ----------------------------------------------------------------------------------------------------- */

void process_facts(struct process_facts *f)
{
    uint64_t total, pages = 0, entries = 0;
    long page_size = sysconf(_SC_PAGESIZE);
    FILE *statm = fopen("/proc/self/statm", "re");
    DIR *fds = opendir("/proc/self/fd");
    struct rlimit r;
    struct rusage u;

    *f = (struct process_facts){0};
    if (getrusage(RUSAGE_SELF, &u) == 0)
        f->cpu_seconds =
            (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    if (statm && fscanf(statm, "%" SCNu64 " %" SCNu64, &total, &pages) == 2 && page_size > 0)
        f->resident_bytes = pages * (uint64_t)page_size;
    if (statm)
        fclose(statm);
    while (fds && readdir(fds))
        entries++;
    if (fds)
        closedir(fds);
    f->open_fds = entries > 3 ? entries - 3 : 0; /* ".", ".." and the one that reads them */
    if (getrlimit(RLIMIT_NOFILE, &r) == 0)
        f->max_fds = (uint64_t)r.rlim_cur;
}

/* --- text ----------------------------------------------------------------------------------------------------------- */

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

/* A terminal obeys them: those of ASCII, and C1, which have two bytes in UTF-8. */
static bool is_control(struct slice c)
{
    unsigned char first = (unsigned char)c.p[0];

    return first < 0x20 || first == 0x7f || (first == 0xc2 && (unsigned char)c.p[1] < 0xa0);
}

void page_plain(struct page *p, const char *text)
{
    const char *run = text, *end = text + strlen(text);

    while (text < end) {
        size_t n = utf8_first(slice_of(text, (size_t)(end - text))), took = n ? n : 1;
        bool control = n > 0 && is_control(slice_of(text, n));

        if (n == 0 || control) {
            add(p, run, (size_t)(text - run));
            page_add(p, control ? " " : UTF8_REPLACEMENT);
            run = text + took;
        }
        text += took;
    }
    add(p, run, (size_t)(text - run));
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
    const char *hint = "read the reasons in the backup, mend the destination's mapping or what sends the records, then "
                       "sluice redrive --stream ";
    const char *shows = NULL;
    bool transform = s->rejects.rejected[REJECT_FAILED] > s->rejects.rejected[REJECT_REFUSED];

    if (transform && rejects_lack_a_key(s->rejects.reason)) {
        hint = "correct the stream's partition_keys, or give them a default (sluice transform --keys --stream ";
        shows = " shows the keys of a line), then sluice redrive --stream ";
    } else if (transform) {
        hint = "mend the script (sluice transform --stream ";
        shows = " shows what it makes of a line), then sluice redrive --stream ";
    }
    page_add(p, hint);
    text(p, shows ? s->name : s->stream);
    if (!shows)
        return;
    page_add(p, shows);
    text(p, s->stream); /* what is put back comes to all its destinations */
}

void page_input_down(struct page *p, const struct input_health_view *v, void (*text)(struct page *p, const char *text))
{
    char since[HUMAN_MAX];

    page_add(p, "input ");
    text(p, v->label);
    page_add(p, " has no connection to its source");
    if (v->lasted > 0)
        page_printf(p, " for %s", human_duration(v->lasted, since, sizeof(since)));
    page_add(p, " (");
    text(p, v->words->error);
    page_add(p, "), and tries again");
}

const char *page_input_hint(const struct input_health_view *v)
{
    return v->words->hint[0] ? v->words->hint : "look at the source of the input; attempts go on by themselves";
}

int page_done(const struct page *p)
{
    return p->overflow ? -1 : 0;
}
