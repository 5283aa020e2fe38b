/* cli_redrive.c -- `sluice redrive`: puts the records of error objects back, through the Firehose API of a running
 * sluice. What the server acknowledged is noted beside each object (redrive_state.h) before the next batch goes. */
#include "config/units.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/cli.h"
#include "pipeline/human.h"
#include "pipeline/put_sender.h"
#include "pipeline/redrive_files.h"
#include "pipeline/redrive_line.h"
#include "pipeline/redrive_state.h"

#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CODES_MAX   16
#define YEAR_END    2262      /* nanoseconds since 1970 in 63 bits end in it */
#define SCRATCH_MAX (4 * MIB) /* a decoded record, and its error code */

static const char redrive_help[] =
    "usage: sluice redrive --stream NAME [OPTIONS] FILE|FOLDER...\n"
    "\n"
    "Puts the records of error objects (what a `backup` holds) back into a stream, through the Firehose API of a\n"
    "running sluice. Of a folder it reads every file in it and below; files that are no error objects are left alone.\n"
    "They may be compressed with gzip. The objects stay as they are.\n"
    "\n"
    "  -s, --stream NAME       the stream; it must have the input `api`\n"
    "      --dry-run           only say what would be put back\n"
    "      --error-code CODE   only records that failed with this code; may be given several times\n"
    "      --since TIME        only records given up since then: 2026-07-13T14:00:00Z, or 6h (ago)\n"
    "      --endpoint URL      such as http://127.0.0.1:4573; left out: the address in the configuration\n"
    "  -c, --config FILE       the configuration; left out: ./sluice.yaml, then /etc/sluice/sluice.yaml\n"
    "      --give-up DURATION  stop when the server has taken nothing for this long; 60s\n"
    "\n"
    "What was put back is noted beside each object, in .OBJECT.redriven-to-STREAM: interrupt it and run it again as "
    "you\n"
    "like, no record is put back twice. Only when an answer is lost (a killed server or redrive) the records of that\n"
    "one batch may be there twice.\n"
    "\n"
    "Records that failed at the destination are as the stream's transforms left them, and pass through them again.\n"
    "Objects in a bucket: copy them to a folder first (aws s3 sync), and keep that folder until you are done.\n"
    "\n"
    "exit status: 0 done, 1 something could not be read or put (it says what), 2 usage or configuration\n";

struct options {
    const char *stream, *endpoint, *config;
    const char *codes[CODES_MAX];
    size_t code_count;
    nsec since, give_up;
    bool dry_run;
    char **paths;
    int path_count;
};

/* All that is under way. */
struct job {
    const struct options *o;
    struct put_sender sender;
    struct buf scratch;
    struct redrive_state *state;              /* of the object that is being read */
    uint64_t in_batch[PUT_BATCH_MAX_RECORDS]; /* its lines in the sender's batch, ascending */
    size_t in_batch_count;

    uint64_t objects, chosen, chosen_bytes, before, left_out, others, unread;
};

/* --- options ------------------------------------------------------------------------------------------------------ */

static int parse_give_up(const char *text, nsec *out)
{
    struct err e;

    return units_duration(text, out, &e) == 0 ? 0 : cli_usage_error(&cli_redrive, "--give-up: %s", e.msg);
}

static int parse_since(const char *text, nsec *out)
{
    struct tm tm = {.tm_isdst = 0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    bool is_time = end && !*end && tm.tm_year >= 70 && tm.tm_year < YEAR_END - 1900;
    struct err e;
    nsec ago;

    if (is_time) {
        *out = (nsec)timegm(&tm) * NSEC_PER_SEC;
        return 0;
    }
    if (end || units_duration(text, &ago, &e) < 0)
        return cli_usage_error(&cli_redrive, "--since wants a time such as 2026-07-13T14:00:00Z or 6h, not `%s`", text);
    *out = clock_wall() - ago;
    return 0;
}

static int add_code(struct options *o, const char *code)
{
    if (o->code_count == CODES_MAX)
        return cli_usage_error(&cli_redrive, "--error-code can be given %d times", CODES_MAX);
    o->codes[o->code_count++] = code;
    return 0;
}

enum { ENDPOINT = 1, GIVE_UP, DRY_RUN, SINCE, ERROR_CODE };

/* 0, or an exit code with the mistake said. */
static int parse_option(int c, char **argv, struct options *o)
{
    switch (c) {
    case 'c':
        o->config = optarg;
        return 0;
    case 's':
        o->stream = optarg;
        return 0;
    case ENDPOINT:
        o->endpoint = optarg;
        return 0;
    case GIVE_UP:
        return parse_give_up(optarg, &o->give_up);
    case DRY_RUN:
        o->dry_run = true;
        return 0;
    case SINCE:
        return parse_since(optarg, &o->since);
    case ERROR_CODE:
        return add_code(o, optarg);
    default:
        return cli_usage_error(&cli_redrive, "unknown or incomplete option `%s`", argv[optind - 1]);
    }
}

static int check_options(const struct options *o)
{
    if (!o->stream)
        return cli_usage_error(&cli_redrive, "which stream? write --stream NAME");
    if (strchr(o->stream, '/'))
        return cli_usage_error(&cli_redrive, "`%s` is not a stream's name", o->stream);
    if (o->path_count == 0)
        return cli_usage_error(&cli_redrive, "which error objects? name files or folders");
    for (int i = 0; i < o->path_count; i++)
        if (strncmp(o->paths[i], "s3://", 5) == 0)
            return cli_usage_error(
                &cli_redrive, "%s: buckets are not read directly; copy the objects to a folder first (aws s3 sync)",
                o->paths[i]);
    return 0;
}

static int parse_options(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"stream", required_argument, NULL, 's'},
                                            {"endpoint", required_argument, NULL, ENDPOINT},
                                            {"give-up", required_argument, NULL, GIVE_UP},
                                            {"dry-run", no_argument, NULL, DRY_RUN},
                                            {"since", required_argument, NULL, SINCE},
                                            {"error-code", required_argument, NULL, ERROR_CODE},
                                            {NULL, 0, NULL, 0}};
    int c, rc = 0;

    *o = (struct options){.give_up = 60 * NSEC_PER_SEC};
    opterr = 0;
    optind = 1;
    while (rc == 0 && (c = getopt_long(argc, argv, "c:s:", options, NULL)) != -1)
        rc = parse_option(c, argv, o);
    o->paths = argv + optind;
    o->path_count = argc - optind;
    return rc ? rc : check_options(o);
}

/* --- one object --------------------------------------------------------------------------------------------------- */

/* The lines that are not in the batch any more were taken. */
static int note_taken(void *ctx)
{
    struct job *j = ctx;
    const struct put_batch *b = &j->sender.batch;
    size_t left = 0;
    struct err e;

    for (size_t i = 0; i < j->in_batch_count; i++) {
        if (left < b->count && b->tags[left] == j->in_batch[i])
            j->in_batch[left++] = j->in_batch[i];
        else
            redrive_state_done(j->state, j->in_batch[i]);
    }
    assert(left == b->count);
    j->in_batch_count = left;
    if (redrive_state_save(j->state, &e) == 0)
        return 0;
    fprintf(stderr, "sluice redrive: %s; stopped, because a second run would not know what was put back\n", e.msg);
    return -1;
}

static bool is_chosen(const struct options *o, const struct redrive_line *l)
{
    bool code_fits = o->code_count == 0;

    for (size_t i = 0; i < o->code_count; i++)
        code_fits |= slice_is(l->code, o->codes[i]);
    return code_fits && l->ended >= o->since;
}

static int put_back(struct job *j, const struct redrive_line *l, uint64_t line)
{
    j->chosen++;
    j->chosen_bytes += l->data.n;
    if (j->o->dry_run)
        return 0;
    if (put_sender_add(&j->sender, l->data, line) < 0)
        return -1;
    j->in_batch[j->in_batch_count++] = line;
    return 0;
}

/* -1: sending has failed. */
static int do_line(struct job *j, const struct redrive_file *f, struct slice text, uint64_t line)
{
    struct redrive_line l;
    struct err e;

    if (redrive_state_is_done(j->state, line)) {
        j->before++;
        return 0;
    }
    if (redrive_line_read(text, &j->scratch, &l, &e) < 0) {
        j->unread++;
        fprintf(stderr, "sluice redrive: %s:%" PRIu64 ": %s\n", f->path, line, e.msg);
        return 0;
    }
    if (is_chosen(j->o, &l))
        return put_back(j, &l, line);
    j->left_out++;
    return 0;
}

static struct slice first_line(struct slice text)
{
    const char *end = text.n ? memchr(text.p, '\n', text.n) : NULL;

    return slice_of(text.p, end ? (size_t)(end - text.p) : text.n);
}

static int do_lines(struct job *j, const struct redrive_file *f)
{
    struct slice rest = f->text;
    uint64_t line = 0;

    while (rest.n > 0) {
        struct slice text = first_line(rest);
        size_t n = text.n < rest.n ? text.n + 1 : text.n;

        rest = slice_of(rest.p + n, rest.n - n);
        if (do_line(j, f, text, ++line) < 0)
            return -1;
    }
    return j->o->dry_run ? 0 : put_sender_flush(&j->sender);
}

/* In a folder there may be other things, such as the source records of `backup: { mode: all }`. */
static bool is_error_object(struct job *j, const struct redrive_file *f)
{
    struct redrive_line l;
    struct err e;

    return redrive_line_read(first_line(f->text), &j->scratch, &l, &e) == 0;
}

static int do_object(void *ctx, const struct redrive_file *f)
{
    struct job *j = ctx;
    uint64_t before = j->chosen;
    struct err e;
    int rc;

    if (!f->named && !is_error_object(j, f)) {
        j->others++;
        return 0;
    }
    if (redrive_state_open(&j->state, f->path, f->content, j->o->stream, &e) < 0) {
        j->unread++;
        fprintf(stderr, "sluice redrive: %s: %s\n", f->path, e.msg);
        return 0;
    }
    j->in_batch_count = 0;
    rc = do_lines(j, f);
    j->objects += j->chosen > before;
    if (j->o->dry_run && j->chosen > before)
        printf("%s: %" PRIu64 "\n", f->path, j->chosen - before);
    if (rc < 0)
        fprintf(stderr, "sluice redrive: stopped in %s; run the same command again to go on from there\n", f->path);
    redrive_state_close(&j->state);
    return rc;
}

static void note_unread(void *ctx, const char *path, const struct err *e)
{
    struct job *j = ctx;

    j->unread++;
    fprintf(stderr, "sluice redrive: %s: %s\n", path, e->msg);
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static void say_rest(uint64_t count, const char *what)
{
    char text[HUMAN_MAX];

    if (count)
        printf("; %s %s", human_count(count, text, sizeof(text)), what);
}

/* What was chosen but not acknowledged is not counted as put back. */
static void say_counts(const struct job *j)
{
    uint64_t records = j->o->dry_run ? j->chosen : j->sender.count.records;
    char count[HUMAN_MAX], objects[HUMAN_MAX], bytes[HUMAN_MAX];

    printf("%s %s record%s (%s) of %s object%s", j->o->dry_run ? "would put back" : "put back",
           human_count(records, count, sizeof(count)), records == 1 ? "" : "s",
           human_bytes(j->o->dry_run ? j->chosen_bytes : j->sender.count.bytes, bytes, sizeof(bytes)),
           human_count(j->objects, objects, sizeof(objects)), j->objects == 1 ? "" : "s");
    say_rest(j->before, "were put back before");
    say_rest(j->left_out, "left out by --error-code or --since");
    say_rest(j->others, "other files left alone");
    say_rest(j->unread, "could not be read");
    printf("\n");
}

static int redrive_all(struct job *j)
{
    const struct redrive_visitor v = {.object = do_object, .unread = note_unread, .ctx = j};

    for (int i = 0; i < j->o->path_count; i++)
        if (redrive_files(j->o->paths[i], &v) < 0)
            return -1;
    return 0;
}

static int open_sender(struct job *j)
{
    const struct options *o = j->o;

    return put_sender_open(&j->sender, &(struct put_sender_conf){.command = "redrive",
                                                                 .verb = "put back",
                                                                 .stream = o->stream,
                                                                 .endpoint = o->endpoint,
                                                                 .config = o->config,
                                                                 .give_up = o->give_up,
                                                                 .taken = note_taken,
                                                                 .ctx = j});
}

static int redrive_main(int argc, char **argv)
{
    struct options o;
    struct job *j;
    int rc = parse_options(argc, argv, &o);

    if (rc != 0)
        return rc;
    j = mem_alloc(sizeof(*j));
    j->o = &o;
    buf_init(&j->scratch, SCRATCH_MAX);
    rc = o.dry_run ? 0 : open_sender(j);
    if (rc == 0) {
        rc = redrive_all(j) < 0 || j->unread ? CLI_FAILED : CLI_DONE;
        if (!o.dry_run)
            progress_finish(&j->sender.progress, &j->sender.count, clock_mono());
        say_counts(j);
    }
    if (!o.dry_run)
        put_sender_close(&j->sender);
    buf_release(&j->scratch);
    mem_free(j);
    return rc;
}

const struct cli_command cli_redrive = {
    .name = "redrive",
    .summary = "put the records of error objects back into a stream",
    .help = redrive_help,
    .run = redrive_main,
};
