/* redrive.c -- `sluice redrive`: puts the records of error objects back, through the Firehose API of a running
 * sluice. Reads its options, prints what redrive/job.c finds, and what came of it. */
#include "config/units.h"
#include "pipeline/base/io.h"
#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/redrive/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define YEAR_END 2262 /* nanoseconds since 1970 in 63 bits end in it */

static const char redrive_help[] =
    "usage: sluice redrive --stream NAME [OPTIONS] FILE|FOLDER|s3://BUCKET/PREFIX...\n"
    "\n"
    "Puts the records of error objects (what a `backup` holds) back into a stream, through the Firehose API of a\n"
    "running sluice. Of a folder it reads every file in it and below, of a bucket every object whose key begins with\n"
    "PREFIX; what is no error object is left alone. Objects may be compressed with gzip or zstd, and have up to 1 "
    "GiB.\n"
    "They stay as they are.\n";

static const char redrive_help_end[] =
    "What was put back is noted: beside a file, in .FILE.redriven-to-STREAM, and for a bucket in the folder of "
    "--state.\n"
    "Interrupt it and run it again as you like, no record is put back twice; two at once take turns, object by "
    "object.\n"
    "Keep the notes until you are done. Only when an answer is lost (a killed server or redrive) the records of that\n"
    "one batch may be there twice.\n"
    "\n"
    "A bucket is read with the options that the stream has for it: those of its `backup: { s3: ... }` when that is\n"
    "the same bucket, else those of its `destination: { s3: ... }`. When neither is, it is AWS or --s3-endpoint, and\n"
    "the keys are those that AWS's tools find: AWS_ACCESS_KEY_ID, AWS_PROFILE, ~/.aws. (AWS_ACCESS_KEY_ID also signs\n"
    "what goes to the stream; use a profile where the two differ.) The key must be allowed s3:ListBucket and\n"
    "s3:GetObject.\n"
    "With --endpoint and without --config no configuration is read, and --state must be given.\n"
    "\n"
    "Records that failed at the destination are as the stream's transforms left them, and pass through them again.\n"
    "\n"
    "exit status: 0 done, 1 something could not be read or put (it says what), 2 usage or configuration\n";

struct args {
    const char *config, *state;
    struct redrive_options job;
    struct progress progress;
};

/* --- options ------------------------------------------------------------------------------------------------------ */

static int read_since(const char *text, void *options)
{
    struct redrive_options *o = &((struct args *)options)->job;
    struct tm tm = {.tm_isdst = 0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    bool is_time = end && !*end && tm.tm_year >= 70 && tm.tm_year < YEAR_END - 1900;
    struct err e;
    nsec ago;

    if (is_time) {
        o->since = (nsec)timegm(&tm) * NSEC_PER_SEC;
        return 0;
    }
    if (end || units_duration(text, &ago, &e) < 0)
        return cli_usage_error(&cli_redrive, "--since wants a time such as 2026-07-13T14:00:00Z or 6h, not `%s`", text);
    o->since = clock_wall() - ago;
    return 0;
}

static int add_code(const char *code, void *options)
{
    struct redrive_options *o = &((struct args *)options)->job;

    if (o->code_count == REDRIVE_CODES_MAX)
        return cli_usage_error(&cli_redrive, "--error-code can be given %d times", REDRIVE_CODES_MAX);
    o->codes[o->code_count++] = code;
    return 0;
}

#define AT(field) .offset = offsetof(struct args, field)

static const struct cli_option redrive_option_table[] = {
    {"stream", 's', CLI_TEXT, "NAME", "the stream; it must have the input `api`", AT(job.stream)},
    {"dry-run", 0, CLI_FLAG, NULL, "only say what would be put back", AT(job.dry_run)},
    {"error-code", 0, CLI_CUSTOM, "CODE", "only records that failed with this code; may be given several times",
     .read = add_code},
    {"since", 0, CLI_CUSTOM, "TIME",
     "only records given up since then: 2026-07-13T14:00:00Z, or 6h (ago); objects in a\n"
     "bucket that were written more than an hour before are not fetched",
     .read = read_since},
    {"endpoint", 0, CLI_TEXT, "URL", "such as http://127.0.0.1:4573; left out: the address in the configuration",
     AT(job.endpoint)},
    CLI_OPTION_CONFIG(struct args, config),
    {"give-up", 0, CLI_DURATION, "DURATION", "stop when the server has taken nothing for this long; 60s",
     AT(job.give_up)},
    {"s3-endpoint", 0, CLI_TEXT, "URL", "http://HOST:PORT of the store that has the bucket; left out: see below",
     AT(job.s3_endpoint)},
    {"s3-region", 0, CLI_TEXT, "NAME", "the region of the bucket; left out: see below", AT(job.s3_region)},
    {"state", 0, CLI_TEXT, "FOLDER",
     "where to note what of a bucket was put back; left out: `redrive` in the data_dir of\n"
     "the configuration",
     AT(state)},
    {.name = NULL},
};

static int check_options(const struct args *a)
{
    const struct redrive_options *o = &a->job;

    if (!o->stream)
        return cli_usage_error(&cli_redrive, "which stream? write --stream NAME");
    if (strchr(o->stream, '/'))
        return cli_usage_error(&cli_redrive, "`%s` is not a stream's name", o->stream);
    if (o->path_count == 0)
        return cli_usage_error(&cli_redrive, "which error objects? name files, folders or s3://BUCKET/PREFIX");
    if (a->state && !*a->state)
        return cli_usage_error(&cli_redrive, "--state wants a folder");
    for (int i = 0; i < o->path_count; i++)
        if (strcmp(o->paths[i], REDRIVE_BUCKET) == 0 || strncmp(o->paths[i], REDRIVE_BUCKET "/", 6) == 0)
            return cli_usage_error(&cli_redrive, "`%s` names no bucket; write s3://BUCKET/PREFIX", o->paths[i]);
    return 0;
}

/* --- what is printed ---------------------------------------------------------------------------------------------- */

static void print_trouble(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "sluice redrive: %s\n", line);
}

static void print_object(void *ctx, const char *path, uint64_t records)
{
    (void)ctx;
    printf("%s: %" PRIu64 "\n", path, records);
}

static void show_progress(void *ctx, const struct progress_count *taken)
{
    struct args *a = ctx;

    progress_update(&a->progress, taken, clock_mono());
}

static void print_rest(uint64_t count, const char *what)
{
    char text[HUMAN_MAX];

    if (count)
        printf("; %s %s", human_count(count, text, sizeof(text)), what);
}

/* What was chosen but not acknowledged is not counted as put back. */
static void print_counts(const struct redrive_counts *c, bool dry_run)
{
    uint64_t records = dry_run ? c->chosen : c->put_back.records;
    char count[HUMAN_MAX], objects[HUMAN_MAX], bytes[HUMAN_MAX];

    printf("%s %s record%s (%s) of %s object%s", dry_run ? "would put back" : "put back",
           human_count(records, count, sizeof(count)), noun_s(records),
           human_bytes(dry_run ? c->chosen_bytes : c->put_back.bytes, bytes, sizeof(bytes)),
           human_count(c->objects, objects, sizeof(objects)), noun_s(c->objects));
    print_rest(c->before, c->before == 1 ? "was put back before" : "were put back before");
    print_rest(c->left_out, "left out by --error-code or --since");
    print_rest(c->others, c->others == 1 ? "other file left alone" : "other files left alone");
    print_rest(c->older, c->older == 1 ? "object is older than --since" : "objects are older than --since");
    print_rest(c->unread, "could not be read");
    printf("\n");
}

/* --- the run ------------------------------------------------------------------------------------------------------ */

/* The folder for the notes about what of a bucket was put back. An exit code; *folder is the caller's to free. */
static int choose_state(const struct args *a, const struct settings *s, char **folder)
{
    struct err e;

    if (!a->state && !s)
        return cli_usage_error(&cli_redrive, "where to note what was put back? write --state FOLDER");
    *folder = a->state ? mem_strdup(a->state) : mem_printf("%s/redrive", s->data_dir);
    if (a->job.dry_run || io_make_folder(&io_ops_real, *folder, &e) == 0)
        return CLI_DONE;
    fprintf(stderr, "sluice redrive: no place to note what is put back: %s; name another one with --state\n", e.msg);
    return CLI_FAILED;
}

static int run_job(struct args *a)
{
    struct redrive_counts counts;
    struct err e;

    progress_init(&a->progress, "put back", STDERR_FILENO, clock_mono());
    if (redrive_job(&a->job, &counts, &e) < 0) {
        fprintf(stderr, "sluice redrive: %s\n", e.msg);
        return CLI_USAGE;
    }
    if (!a->job.dry_run)
        progress_finish(&a->progress, &counts.put_back, clock_mono());
    print_counts(&counts, a->job.dry_run);
    return counts.stopped || counts.unread ? CLI_FAILED : CLI_DONE;
}

static int redrive_main(int argc, char **argv)
{
    struct args a = {.job.give_up = 60 * NSEC_PER_SEC};
    const struct redrive_listener listener = {
        .trouble = print_trouble, .object = print_object, .progress = show_progress, .ctx = &a};
    struct settings *s = NULL;
    char *folder = NULL;
    bool buckets = false;
    int first, rc = cli_read_options(&cli_redrive, argc, argv, &a, &first);

    a.job.paths = argv + first;
    a.job.path_count = argc - first;
    if (rc == 0)
        rc = check_options(&a);
    if (rc != 0)
        return rc;
    for (int i = 0; i < a.job.path_count; i++)
        buckets |= redrive_is_bucket(a.job.paths[i]);

    if ((buckets || !a.job.dry_run) && (a.config || !a.job.endpoint)) {
        s = cli_load_settings(
            a.config, &(struct settings_use){.api = !a.job.dry_run, .destinations = buckets, .stream = a.job.stream});
        if (!s)
            return CLI_USAGE;
    }
    if (buckets)
        rc = choose_state(&a, s, &folder);
    if (rc == CLI_DONE) {
        a.job.listener = &listener;
        a.job.settings = s;
        a.job.state_folder = folder;
        rc = run_job(&a);
    }
    settings_free(&s);
    mem_free(folder);
    return rc;
}

const struct cli_command cli_redrive = {
    .name = "redrive",
    .summary = "put the records of error objects back into a stream",
    .help = redrive_help,
    .help_end = redrive_help_end,
    .options = redrive_option_table,
    .column = 26,
    .run = redrive_main,
};
