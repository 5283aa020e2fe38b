/* fsck.c -- `sluice fsck`: what the spools on disk hold, and what of it is damaged. Changes nothing. */
#include "pipeline/base/mem.h"
#include "pipeline/base/human.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/encode/parcel_file.h"
#include "pipeline/encode/stage_left.h"
#include "pipeline/encode/stage_parcel.h"
#include "pipeline/engine/data_dir.h"
#include "pipeline/engine/orphans.h"
#include "pipeline/spool/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char fsck_help[] =
    "usage: sluice fsck [-c FILE] [--stream NAME]\n"
    "\n"
    "Reads every byte of the spools in data_dir, and of what is staged, and checks it. Prints per stream what waits "
    "to\n"
    "be delivered and each damaged or missing place with its file and offset, and how many records are lost by it.\n"
    "Changes nothing. Stop `sluice run` first. Streams that hold records and are not in FILE are checked, too.\n";

static const char fsck_help_end[] =
    "exit status: 0 all is well, 1 something is damaged or cannot be read, 2 usage or configuration\n";

struct fsck {
    const char *config, *stream;
    const char *dir; /* of the spool that is looked through */
    bool in_memory;  /* `durability: memory`: it has no log on disk */
    bool damaged;
};

static const struct cli_option fsck_options[] = {
    CLI_OPTION_CONFIG(struct fsck, config),
    {"stream", 's', CLI_TEXT, "NAME", "only this stream", .offset = offsetof(struct fsck, stream)},
    {.name = NULL},
};

static void print_damage(void *ctx, const struct spool_damage *d)
{
    struct fsck *f = ctx;

    f->damaged = true;
    printf("  damaged: %s/%s at offset %" PRIu64 ": %s", f->dir, d->file, d->offset, d->what);
    if (d->records)
        printf(", %" PRIu64 " record%s lost", d->records, noun_s(d->records));
    putchar('\n');
}

static void print_reader(const struct spool_reader_report *r)
{
    printf("  destination %s%s: %" PRIu64 " record%s waiting of %" PRIu64 ", %zu sealed and not settled; %" PRIu64
           " delivered, %" PRIu64 " dropped, %" PRIu64 " unwanted, %" PRIu64 " backed up, %" PRIu64 " lost\n",
           r->name[0] ? r->name : "(without a name)", r->gone ? " (not configured when last run)" : "", r->waiting,
           noun_s(r->waiting), r->incoming, r->pending_seals, r->delivered, r->dropped, r->unwanted, r->backed_up,
           r->corrupt);
}

static void print_report(const struct spool_report *r)
{
    printf("  %" PRIu64 " record%s waiting of %" PRIu64 " ever taken in\n", r->waiting, noun_s(r->waiting),
           r->incoming);
    printf("  %zu segment%s, %" PRIu64 " bytes; %zu sealed and not settled; %zu source position%s\n", r->segments,
           noun_s(r->segments), r->bytes, r->pending_seals, r->positions, noun_s(r->positions));
    for (size_t i = 0; i < r->reader_count; i++) {
        const struct spool_reader_report *reader = &r->readers[i];

        if (r->reader_count > 1)
            print_reader(reader);
        if (reader->parcels)
            printf("  %" PRIu64 " of them staged in %zu parcel%s, %zu sealed\n", reader->staged, reader->parcels,
                   noun_s(reader->parcels), reader->sealed_parcels);
    }
    if (r->in_progress)
        printf("  %zu of what is sealed %s half delivered: the next start goes on where it was\n", r->in_progress,
               is_are(r->in_progress));
    if (r->torn_bytes)
        printf("  the last %" PRIu64
               " bytes are a write that was cut short; as far as is known it was never acknowledged. "
               "The next start removes it, and keeps a copy in `damaged` when there are whole records in it\n",
               r->torn_bytes);
}

/* --- what is staged ---------------------------------------------------------------------------------------------------- */

struct staged_check {
    struct fsck *fsck;
    const char *dir, *path; /* of the stream's files; of the one that is looked at */
    uint64_t *numbers;      /* of those that the log knows */
    size_t count;
    bool damaged; /* the one that is looked at */
};

static void print_staged_damage(void *ctx, uint64_t offset, const char *what)
{
    struct staged_check *c = ctx;

    c->damaged = c->fsck->damaged = true;
    printf("  damaged: %s at offset %" PRIu64 ": %s\n", c->path, offset, what);
}

static void check_parcel(void *ctx, const struct parcel *p)
{
    struct staged_check *c = ctx;
    char *path = stage_path(c->dir, p->number);
    uint64_t left;
    struct err e;

    c->numbers = mem_grow(c->numbers, c->count + 1, sizeof(*c->numbers));
    c->numbers[c->count++] = p->number;
    c->path = path;
    c->damaged = false;
    if (parcel_file_check(path, p->bytes, print_staged_damage, c, &left, &e) < 0) {
        c->fsck->damaged = true;
        printf("  cannot be checked: %s\n", e.msg);
    } else if (c->damaged) {
        printf("    %" PRIu64 " of its %" PRIu64 " record%s are lost. The next start delivers the others and counts "
               "these as corrupt; look for disk errors in the "
               "kernel's log\n",
               left < p->records ? p->records - left : 0, p->records, noun_s(p->records));
    }
    mem_free(path);
}

/* Without a log, too: then it knows none. */
static void print_unknown(const struct staged_check *c, const struct spool_report *r, size_t unknown)
{
    if (r->damages || r->was_damaged || (r->segments == 0 && !c->fsck->in_memory)) {
        c->fsck->damaged = true;
        printf("  %zu file%s in %s that the %s log does not know: the next start puts %s into %s/damaged. They "
               "may be the "
               "only copy of records that were acknowledged, one a line\n",
               unknown, noun_s(unknown), c->dir, r->segments ? "damaged" : "missing", unknown == 1 ? "it" : "them",
               c->fsck->dir);
    } else if (r->segments == 0) {
        printf("  %zu file%s in %s of records that were kept in memory: the next start removes %s\n", unknown,
               noun_s(unknown), c->dir, unknown == 1 ? "it" : "them");
    } else {
        printf("  %zu file%s in %s that the log does not know, of a write that was cut short: their records are in the "
               "log, and "
               "the next start removes %s\n",
               unknown, noun_s(unknown), c->dir, unknown == 1 ? "it" : "them");
    }
}

/* Of one reader. */
static void check_staged(struct fsck *f, const struct settings *s, const char *name, const char *reader,
                         const struct spool_report *r)
{
    char *dir = stage_dir(s->data_dir, name, reader);
    struct staged_check c = {.fsck = f, .dir = dir};
    size_t unknown;
    struct err e;

    if (spool_inspect_parcels(f->dir, reader, check_parcel, &c, &e) < 0) {
        f->damaged = true;
        printf("  what is staged cannot be checked: %s\n", e.msg);
    } else if ((unknown = stage_left_count(c.dir, c.numbers, c.count)) > 0) {
        print_unknown(&c, r, unknown);
    } else if (r->segments == 0) {
        printf("  nothing on disk\n");
    }
    mem_free(c.numbers);
    mem_free(dir);
}

/* ----------------------------------------------------------------------------------------------------------------------- */

static void check_stream(struct fsck *f, const struct settings *s, const char *name, bool in_memory)
{
    char *dir = mem_printf("%s/streams/%s/spool", s->data_dir, name);
    struct spool_report r;
    struct err e;

    f->dir = dir;
    f->in_memory = in_memory;
    printf("stream %s:\n", name);
    if (spool_inspect(dir, &r, print_damage, f, &e) < 0) {
        printf("  cannot be checked: %s\n", e.msg);
        f->damaged = true;
    } else {
        if (r.segments > 0)
            print_report(&r);
        if (r.reader_count == 0)
            check_staged(f, s, name, "", &r);
        for (size_t i = 0; i < r.reader_count; i++)
            check_staged(f, s, name, r.readers[i].name, &r);
    }
    mem_free(dir);
}

/* Those of the configuration, then those that hold records and are not in it. */
static int check_streams(struct fsck *f, const struct settings *s)
{
    struct orphans found;
    size_t checked = 0;

    for (size_t i = 0; i < s->stream_count; i++) {
        if (f->stream && strcmp(f->stream, s->streams[i].name) != 0)
            continue;
        check_stream(f, s, s->streams[i].name, s->streams[i].memory);
        checked++;
    }
    orphans_find(s, &found);
    for (size_t i = 0; i < found.count; i++) {
        char text[512];

        if (f->stream && strcmp(f->stream, found.list[i].name) != 0)
            continue;
        check_stream(f, s, found.list[i].name, false);
        orphan_describe(&found.list[i], text, sizeof(text));
        printf("  it is not in %s and %s; %s\n", s->path, text, ORPHAN_HINT);
        checked++;
    }
    orphans_release(&found);
    if (checked == 0 && f->stream)
        return cli_no_stream(&cli_fsck, s, f->stream);
    return f->damaged ? CLI_FAILED : CLI_DONE;
}

static int fsck_main(int argc, char **argv)
{
    const struct settings_use names_only = {0};
    struct fsck f = {0};
    struct settings *s;
    struct err e;
    int lock = -1, first, rc = cli_read_options(&cli_fsck, argc, argv, &f, &first);

    if (rc != 0)
        return rc;
    if (first < argc)
        return cli_usage_error(&cli_fsck, "unexpected argument `%s`; write -c FILE or --stream NAME", argv[first]);
    s = cli_load_settings(f.config, &names_only);
    if (!s)
        return CLI_USAGE;
    /* A shared lock keeps `sluice run` out while we read. -1: there is no data_dir yet. */
    if (data_dir_lock(s->data_dir, false, &lock, &e) == 0) {
        rc = check_streams(&f, s);
    } else {
        fprintf(stderr, "sluice fsck: %s\n", e.msg);
        rc = CLI_FAILED;
    }
    if (lock >= 0)
        close(lock);
    settings_free(&s);
    return rc;
}

const struct cli_command cli_fsck = {
    .name = "fsck",
    .summary = "check the spools on disk, change nothing",
    .help = fsck_help,
    .help_end = fsck_help_end,
    .options = fsck_options,
    .column = 22,
    .run = fsck_main,
};
