/* drain.c -- `sluice drain`: what a stream that is not in the configuration any more still holds.
 *
 * --to runs the stream once more, under its old name and with its own spool, but as another stream of the file delivers: so
 * whatever was fixed keeps its names, what fails is retried, backed up and resumed as always, and an interrupted drain is
 * a stopped run. --print only reads. */
#include "config/suggest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/encode/stage.h"
#include "pipeline/encode/stage_held.h"
#include "pipeline/encode/stage_left.h"
#include "pipeline/engine/data_dir.h"
#include "pipeline/engine/orphans.h"
#include "pipeline/spool/inspect.h"
#include "pipeline/spool/spool.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char drain_help[] =
    "usage: sluice drain NAME --to STREAM [--timeout DURATION] [-c FILE]\n"
    "       sluice drain NAME --print [-c FILE]\n"
    "\n"
    "For a stream that is not in the configuration any more and still holds records that were acknowledged: `sluice "
    "run`,\n"
    "`validate`, `fsck` and /readyz name them. Stop `sluice run` first.\n";

static const char drain_help_end[] =
    "When a stream was only renamed there is nothing to drain: stop sluice and rename its folder in data_dir/streams.\n"
    "\n"
    "exit status: 0 nothing is left (--print: all was written), 1 something is left or failed, 2 usage or "
    "configuration\n";

struct drain {
    const char *config, *name, *to;
    bool print;
    nsec timeout; /* 0: none */
};

static const struct cli_option drain_options[] = {
    {"to", 't', CLI_TEXT, "STREAM",
     "deliver them as STREAM of the configuration would: its transform, format, destination, retries\n"
     "and backup. The stream keeps its own name and spool, so batches that were begun before keep\n"
     "their object names and ids, and nothing is doubled where STREAM's destination can tell. It\n"
     "may be interrupted at any time: what is left stays in the spool, the next drain goes on",
     .offset = offsetof(struct drain, to)},
    {"print", 'p', CLI_FLAG, NULL, "write them to standard output, one record a line; the spool keeps them",
     .offset = offsetof(struct drain, print)},
    {"timeout", 0, CLI_TIMEOUT, "DURATION",
     "with --to: stop after this long, such as 10m, whether everything is delivered or not; left\n"
     "out: a destination that takes nothing is tried without end",
     .offset = offsetof(struct drain, timeout)},
    CLI_OPTION_CONFIG(struct drain, config),
    {.name = NULL},
};

/* --- which -------------------------------------------------------------------------------------------------------- */

static int is_shown(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Nothing waits under this name: a stream that has delivered everything, or none at all. */
static int nothing_to_drain(const struct drain *d, const struct settings *s, const struct orphans *found)
{
    char *folder = mem_printf("%s/streams", s->data_dir), hint[600], text[512];
    struct dirent **spools = NULL;
    int count = scandir(folder, &spools, is_shown, alphasort);
    struct suggest w;
    bool known = false;

    suggest_init(&w, d->name);
    for (int i = 0; i < count; i++) {
        known |= strcmp(spools[i]->d_name, d->name) == 0;
        if (!settings_stream(s, spools[i]->d_name))
            suggest_add(&w, spools[i]->d_name);
    }
    if (known)
        fprintf(d->print ? stderr : stdout, "stream %s: nothing waits in %s\n", d->name, s->data_dir);
    else
        fprintf(stderr, "sluice drain: %s has no stream `%s`%s%s\n", s->data_dir, d->name, w.count ? "; " : "",
                w.count ? suggest_hint(&w, hint, sizeof(hint)) : "");
    if (found->count)
        fprintf(stderr, "not in %s, with records in data_dir:\n", s->path);
    for (size_t i = 0; i < found->count; i++) {
        orphan_describe(&found->list[i], text, sizeof(text));
        fprintf(stderr, "  %s %s\n", found->list[i].name, text);
    }
    for (int i = 0; i < count; i++)
        mem_free(spools[i]);
    mem_free(spools);
    mem_free(folder);
    return known ? CLI_DONE : CLI_USAGE;
}

/* 0 when there is something to drain, or *nothing; else an exit code with the reason said. */
static int check_name(const struct drain *d, const struct settings *s, bool *nothing)
{
    struct orphans found;
    char text[512];
    int rc = 0;

    *nothing = false;
    if (settings_stream(s, d->name)) {
        fprintf(stderr, "sluice drain: stream `%s` is in %s: `sluice run` delivers what it holds\n", d->name, s->path);
        return CLI_USAGE;
    }
    if (d->to && !settings_stream(s, d->to))
        return cli_no_stream(&cli_drain, s, d->to);
    orphans_find(s, &found);
    if (!orphans_named(&found, d->name)) {
        rc = nothing_to_drain(d, s, &found);
        *nothing = true;
    } else if (orphans_named(&found, d->name)->trouble) {
        orphan_describe(orphans_named(&found, d->name), text, sizeof(text));
        fprintf(stderr, "sluice drain: stream %s %s\n", d->name, text);
        rc = CLI_FAILED;
    }
    orphans_release(&found);
    return rc;
}

/* --- to another stream's destination -------------------------------------------------------------------------------- */

/* All that STREAM delivers is delivered. What the spool keeps for destinations that STREAM has not is nobody's. */
static int say_what_is_left(const struct drain *d, const struct settings *s)
{
    char *dir = mem_printf("%s/streams/%s/spool", s->data_dir, d->name);
    uint64_t waiting;
    bool has_log;
    struct err e;
    int rc = CLI_FAILED;

    if (spool_peek(dir, &has_log, &waiting, &e) < 0) {
        fprintf(stderr, "sluice drain: %s\n", e.msg);
    } else if (waiting > 0) {
        fprintf(stderr,
                "sluice drain: stream %s: its destinations in `%s` have all of it; %" PRIu64
                " record%s %s left that the spool keeps for others (`sluice fsck` names them): drain it to a stream "
                "that has these, too, or remove %s/streams/%s when nobody wants them there\n",
                d->name, d->to, waiting, noun_s(waiting), is_are(waiting), s->data_dir, d->name);
    } else {
        printf("stream %s: nothing is left of it; %s/streams/%s can be removed\n", d->name, s->data_dir, d->name);
        rc = CLI_DONE;
    }
    mem_free(dir);
    return rc;
}

static int deliver(const struct drain *d, const struct settings *s)
{
    struct stream_settings one = *settings_stream(s, d->to), *more = one.more;
    struct settings alone = *s;
    int rc;

    one.name = mem_strdup(d->name);
    one.memory = one.at_source = false;
    one.input_count = 0;
    one.give_up = (struct cfg_strings){.n = 0}; /* of that stream's spool; here nobody has given up anything */
    one.label = NULL;
    one.more = mem_array(one.more_count, sizeof(*one.more));
    for (size_t i = 0; i < one.more_count; i++) {
        one.more[i] = more[i];
        one.more[i].name = one.name;
        one.more[i].label = NULL;
        one.more[i].memory = false;
        one.more[i].of = &one;
    }
    alone.streams = &one;
    alone.stream_count = 1;
    alone.http_listen = NULL;
    alone.spools_only = true;
    rc = cli_run_once(&alone, d->timeout);
    if (rc == CLI_DONE)
        rc = say_what_is_left(d, s);
    mem_free(one.more);
    mem_free(one.name);
    return rc;
}

/* --- to standard output --------------------------------------------------------------------------------------------- */

struct printing {
    struct spool *spool;
    struct buf raw;
    uint64_t written, lost;
    char gone[SPOOL_READERS_MAX]
             [SPOOL_READER_NAME_MAX + 1]; /* destinations that were configured no more when it last ran */
    size_t gone_count;
    const char *dir; /* of what is staged for one of them, while it is printed */
    int rc;
    struct err *e;
};

/* The records [at->seq, end). */
static int print_range(struct printing *p, struct spool_cursor at, uint64_t end, struct err *e)
{
    while (at.seq < end) {
        uint64_t from = at.seq;
        struct frame_view v;
        int rc = spool_read(p->spool, &at, &p->raw, &v, e);
        uint64_t upto = at.seq < end ? at.seq : end;
        struct slice lines;

        if (rc < 0 && e->code != ERR_FORMAT)
            return -1;
        if (rc == 0)
            break;
        if (rc < 0) {
            p->lost += upto - from;
            continue;
        }
        lines = frame_lines(&v, from, upto - 1);
        if (fwrite(lines.p, 1, lines.n, stdout) != lines.n)
            return err_errno(e, "write to standard output");
        p->written += upto - from;
    }
    return 0;
}

/* Of records that a script holds back, what is held of them. */
static int print_held(const struct record_chunk *c, struct err *e)
{
    struct frame_iter it = frame_records(&c->v);
    struct transform_kept held;
    struct slice data;

    for (uint32_t i = 0; i < c->v.count && frame_next(&it, &data); i++) {
        struct slice text;

        if (!stage_held_read(data, &c->origins[i], &held))
            continue;
        text = held.record.data;
        if (fwrite(text.p, 1, text.n, stdout) != text.n ||
            ((text.n == 0 || text.p[text.n - 1] != '\n') && putchar('\n') == EOF))
            return err_errno(e, "write to standard output");
    }
    return 0;
}

static int print_chunk(const struct record_chunk *c, struct err *e)
{
    struct slice lines = frame_lines(&c->v, c->v.first, c->v.first + c->v.count - 1);

    return fwrite(lines.p, 1, lines.n, stdout) != lines.n ? err_errno(e, "write to standard output") : 0;
}

/* As the transform has left them: what was staged is not in the log any more. */
static int print_parcel(struct printing *p, const char *dir, const struct parcel *known, struct err *e)
{
    bool is_held = stage_note_read(known->note).kind == STAGE_HELD;
    char *path = stage_path(dir, known->number);
    struct parcel_file *f =
        parcel_file_at(NULL, path, &(struct parcel_mark){.length = known->bytes, .count = UINT64_MAX});
    struct parcel_place at = {0, 0};
    struct record_chunk c;
    uint64_t printed = 0;
    int rc;

    while ((rc = parcel_file_read(f, &at, &p->raw, &c, e)) > 0) {
        rc = is_held ? print_held(&c, e) : print_chunk(&c, e);
        if (rc < 0)
            break;
        printed += c.v.count;
    }
    if (rc < 0 && e->code == ERR_FORMAT) {
        p->lost += known->records > printed ? known->records - printed : 0;
        rc = 0;
    }
    p->written += printed;
    parcel_file_close(&f);
    mem_free(path);
    return rc;
}

/* Source records that are there for the backup are copies. */
static int print_staged(struct printing *p, const char *data_dir, const char *stream, struct err *e)
{
    const struct spool_reader *r;
    struct parcel known;
    int rc = 0;

    for (size_t i = 0; rc == 0 && (r = spool_reader(p->spool, i)); i++) {
        char *dir = stage_dir(data_dir, stream, spool_reader_name(r));

        for (size_t k = 0; rc == 0 && staged_parcel(r, k, &known); k++)
            if (stage_note_read(known.note).kind != STAGE_SOURCES)
                rc = print_parcel(p, dir, &known, e);
        mem_free(dir);
    }
    return rc;
}

static void note_gone(struct printing *p)
{
    struct spool_gone gone;

    while (p->gone_count < SPOOL_READERS_MAX && spool_gone(p->spool, p->gone_count, &gone))
        memcpy(p->gone[p->gone_count++], gone.name, sizeof(gone.name));
}

static void print_gone(void *ctx, const struct parcel *known)
{
    struct printing *p = ctx;

    if (p->rc == 0 && stage_note_read(known->note).kind != STAGE_SOURCES)
        p->rc = print_parcel(p, p->dir, known, p->e);
}

/* Who is gone has no reader, so the log is asked, once the spool is closed. */
static int print_staged_for_gone(struct printing *p, const char *spool, const char *data_dir, const char *stream)
{
    for (size_t i = 0; p->rc == 0 && i < p->gone_count; i++) {
        char *dir = stage_dir(data_dir, stream, p->gone[i]);

        p->dir = dir;
        if (spool_inspect_parcels(spool, p->gone[i], print_gone, p, p->e) < 0)
            p->rc = -1;
        mem_free(dir);
    }
    return p->rc;
}

static int print_spool(const struct drain *d, const struct settings *s, struct err *e)
{
    char *dir = mem_printf("%s/streams/%s/spool", s->data_dir, d->name);
    struct spool_conf conf = {.stream = d->name, .dir = dir, .limit = UINT64_MAX};
    struct committer *committer = NULL;
    struct spool_recovery found;
    struct printing p = {.e = e};
    uint64_t first, end;
    int rc = -1;

    buf_init(&p.raw, FRAME_READ_MAX);
    if (committer_start(&committer, e) == 0 && spool_open(&p.spool, &conf, committer, &found, e) == 0)
        rc = print_staged(&p, s->data_dir, d->name, e);
    for (uint64_t seq = 1; rc == 0 && spool_waiting(p.spool, seq, &first, &end); seq = end)
        rc = print_range(&p, (struct spool_cursor){.seq = first}, end, e);
    if (rc == 0)
        note_gone(&p);

    committer_stop(&committer);
    spool_close(&p.spool);
    if (rc == 0)
        rc = print_staged_for_gone(&p, dir, s->data_dir, d->name);
    buf_release(&p.raw);
    mem_free(dir);
    if (rc == 0)
        fprintf(stderr, "stream %s: %" PRIu64 " record%s written, the spool keeps %s\n", d->name, p.written,
                noun_s(p.written), p.written == 1 ? "it" : "them");
    if (rc == 0 && p.lost)
        rc = err_set(e, ERR_FORMAT, "%" PRIu64 " record%s %s lost to damage; `sluice fsck` says where", p.lost,
                     noun_s(p.lost), is_are(p.lost));
    return rc;
}

static int print(const struct drain *d, const struct settings *s)
{
    struct err e;
    int lock, rc = data_dir_lock(s->data_dir, true, &lock, &e);

    if (rc == 0)
        rc = print_spool(d, s, &e);
    if (rc < 0)
        fprintf(stderr, "sluice drain: %s\n", e.msg);
    if (lock >= 0)
        close(lock);
    return rc < 0 ? CLI_FAILED : CLI_DONE;
}

static int drain_main(int argc, char **argv)
{
    struct drain d = {0};
    struct settings *s;
    bool nothing;
    int first, rc = cli_read_options(&cli_drain, argc, argv, &d, &first);

    if (rc != 0)
        return rc;
    if (first + 1 != argc)
        return cli_usage_error(&cli_drain, "it takes the name of one stream");
    d.name = argv[first];
    if (d.print == (d.to != NULL))
        return cli_usage_error(&cli_drain, "say `--to STREAM` or `--print`");
    if (d.timeout && !d.to)
        return cli_usage_error(&cli_drain, "--timeout goes with --to");

    s = cli_load_settings(d.config,
                          &(struct settings_use){.transforms = d.to, .destinations = d.to, .stream = d.to ? d.to : ""});
    if (!s)
        return CLI_USAGE;
    rc = check_name(&d, s, &nothing);
    if (rc == 0 && !nothing)
        rc = d.to ? deliver(&d, s) : print(&d, s);
    settings_free(&s);
    return rc;
}

const struct cli_command cli_drain = {
    .name = "drain",
    .summary = "deliver or show what a stream that is configured no more still holds",
    .help = drain_help,
    .help_end = drain_help_end,
    .options = drain_options,
    .column = 22,
    .run = drain_main,
};
