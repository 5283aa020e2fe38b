/* cli_redrive.c -- `sluice redrive`: puts the records of error objects back, through the Firehose API of a running
 * sluice. What the server acknowledged of an object is noted (redrive_state.h, redrive_note.h) before the next batch goes. */
#include "config/units.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/bucket_options.h"
#include "pipeline/cli.h"
#include "pipeline/human.h"
#include "pipeline/put_sender.h"
#include "pipeline/redrive_bucket.h"
#include "pipeline/redrive_files.h"
#include "pipeline/redrive_line.h"
#include "pipeline/redrive_note.h"
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
    "usage: sluice redrive --stream NAME [OPTIONS] FILE|FOLDER|s3://BUCKET/PREFIX...\n"
    "\n"
    "Puts the records of error objects (what a `backup` holds) back into a stream, through the Firehose API of a\n"
    "running sluice. Of a folder it reads every file in it and below, of a bucket every object whose key begins with\n"
    "PREFIX; what is no error object is left alone. Objects may be compressed with gzip, and may have 1 GiB. They "
    "stay\n"
    "as they are.\n"
    "\n"
    "  -s, --stream NAME       the stream; it must have the input `api`\n"
    "      --dry-run           only say what would be put back\n"
    "      --error-code CODE   only records that failed with this code; may be given several times\n"
    "      --since TIME        only records given up since then: 2026-07-13T14:00:00Z, or 6h (ago)\n"
    "      --endpoint URL      such as http://127.0.0.1:4573; left out: the address in the configuration\n"
    "  -c, --config FILE       the configuration; left out: ./sluice.yaml, then /etc/sluice/sluice.yaml\n"
    "      --give-up DURATION  stop when the server has taken nothing for this long; 60s\n"
    "      --s3-endpoint URL   the store of s3://: http://HOST:PORT; left out: see below\n"
    "      --s3-region NAME    the region of s3://; left out: see below\n"
    "      --state FOLDER      where to note what was put back of s3://; left out: `redrive` in the configuration's\n"
    "                          data_dir\n"
    "\n"
    "What was put back is noted, beside a file in .FILE.redriven-to-STREAM, for an object in a bucket in the folder "
    "of\n"
    "--state: interrupt it and run it again as you like, no record is put back twice. So keep those notes until you "
    "are\n"
    "done, and do not run two at once over the same objects. Only when an answer is lost (a killed server or redrive)\n"
    "the records of that one batch may be there twice.\n"
    "\n"
    "A bucket is read with the options that the stream's configuration has for it: its `backup: { s3: ... }` when it "
    "is\n"
    "the same bucket, else its `destination: { s3: ... }`. When neither is, it is AWS or --s3-endpoint, with the keys\n"
    "that AWS's tools find: AWS_ACCESS_KEY_ID, AWS_PROFILE, ~/.aws. (The first also signs what goes to the stream; "
    "use\n"
    "a profile where the two differ.) The key needs s3:ListBucket and s3:GetObject. Without a configuration "
    "(--endpoint\n"
    "and no --config) --state is needed. With --since, objects that were written more than an hour before it are not\n"
    "fetched.\n"
    "\n"
    "Records that failed at the destination are as the stream's transforms left them, and pass through them again.\n"
    "\n"
    "exit status: 0 done, 1 something could not be read or put (it says what), 2 usage or configuration\n";

#define SCHEME "s3://"

struct options {
    const char *stream, *endpoint, *config, *state;
    char *s3_endpoint, *s3_region;
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
    struct settings *settings; /* where buckets are to be read, and there is a configuration; else NULL */
    char *state_folder;        /* where buckets are to be read; else NULL */
    struct put_sender sender;
    struct buf scratch;
    struct redrive_state *state;              /* of the object that is being read */
    uint64_t in_batch[PUT_BATCH_MAX_RECORDS]; /* its lines in the sender's batch, ascending */
    size_t in_batch_count;

    uint64_t objects, chosen, chosen_bytes, before, left_out, others, older, unread;
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

enum { ENDPOINT = 1, GIVE_UP, DRY_RUN, SINCE, ERROR_CODE, S3_ENDPOINT, S3_REGION, STATE };

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
    case S3_ENDPOINT:
        o->s3_endpoint = optarg;
        return 0;
    case S3_REGION:
        o->s3_region = optarg;
        return 0;
    case STATE:
        o->state = optarg;
        return 0;
    default:
        return cli_usage_error(&cli_redrive, "unknown or incomplete option `%s`", argv[optind - 1]);
    }
}

static bool is_bucket(const char *path)
{
    return strncmp(path, SCHEME, strlen(SCHEME)) == 0;
}

static int check_options(const struct options *o)
{
    if (!o->stream)
        return cli_usage_error(&cli_redrive, "which stream? write --stream NAME");
    if (strchr(o->stream, '/'))
        return cli_usage_error(&cli_redrive, "`%s` is not a stream's name", o->stream);
    if (o->path_count == 0)
        return cli_usage_error(&cli_redrive, "which error objects? name files, folders or s3://BUCKET/PREFIX");
    if (o->state && !*o->state)
        return cli_usage_error(&cli_redrive, "--state wants a folder");
    for (int i = 0; i < o->path_count; i++)
        if (is_bucket(o->paths[i]) && strspn(o->paths[i] + strlen(SCHEME), "/") + strlen(SCHEME) == strlen(o->paths[i]))
            return cli_usage_error(&cli_redrive, "`%s` names no bucket; write s3://BUCKET/PREFIX", o->paths[i]);
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
                                            {"s3-endpoint", required_argument, NULL, S3_ENDPOINT},
                                            {"s3-region", required_argument, NULL, S3_REGION},
                                            {"state", required_argument, NULL, STATE},
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

static int open_state(struct job *j, const struct redrive_file *f, struct err *e)
{
    char *note = f->bucket ? redrive_note_in(j->state_folder, f->bucket, f->key, j->o->stream)
                           : redrive_note_beside(f->path, j->o->stream);
    int rc = redrive_state_open(&j->state, note, f->content, e);

    mem_free(note);
    return rc;
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
    if (open_state(j, f, &e) < 0) {
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
    say_rest(j->older, "objects are older than --since");
    say_rest(j->unread, "could not be read");
    printf("\n");
}

/* What a mistake may come from: where the bucket was looked for, and who said so. */
static void say_used(const char *address, const struct s3_reader *r, const struct bucket_options *o)
{
    fprintf(stderr, "sluice redrive: %s was read at %s, region %s, with ", address, s3_reader_endpoint(r),
            s3_reader_region(r));
    if (o->section)
        fprintf(stderr, "the options of the stream's `%s`\n", o->section);
    else
        fprintf(stderr, "no options of the stream: it has none for this bucket\n");
}

static int redrive_address(struct job *j, const char *address, const struct redrive_visitor *v)
{
    const char *at = address + strlen(SCHEME), *slash = strchr(at, '/');
    char *bucket = mem_strndup(at, slash ? (size_t)(slash - at) : strlen(at));
    const struct bucket_question q = {j->settings, j->o->stream, bucket, j->o->s3_endpoint, j->o->s3_region};
    struct redrive_bucket r = {.address = address, .bucket = bucket, .since = j->o->since};
    struct s3_reader *reader = NULL;
    struct bucket_options options;
    uint64_t unread = j->unread;
    struct err e;
    int rc = 0;

    bucket_options_choose(&q, &options);
    if (s3_reader_open(&reader, &options.conf, options.place, options.base_dir, &e) < 0) {
        note_unread(j, address, &e);
        goto out;
    }
    r.prefix = slice_str(slash ? slash + 1 : "");
    r.reader = reader;
    rc = redrive_bucket(&r, v);
    j->older += r.older;
    if (j->unread > unread)
        say_used(address, reader, &options);
out:
    s3_reader_free(&reader);
    mem_free(bucket);
    return rc;
}

static int redrive_all(struct job *j)
{
    const struct redrive_visitor v = {.object = do_object, .unread = note_unread, .ctx = j};
    int rc = 0;

    for (int i = 0; rc == 0 && i < j->o->path_count; i++)
        rc = is_bucket(j->o->paths[i]) ? redrive_address(j, j->o->paths[i], &v) : redrive_files(j->o->paths[i], &v);
    return rc;
}

static bool reads_buckets(const struct options *o)
{
    for (int i = 0; i < o->path_count; i++)
        if (is_bucket(o->paths[i]))
            return true;
    return false;
}

/* What only buckets need. An exit code; 0 when they can be read. */
static int prepare_buckets(struct job *j)
{
    const struct options *o = j->o;
    struct err e;

    if (o->config || !o->endpoint) {
        j->settings = cli_load_settings(o->config);
        if (!j->settings)
            return CLI_USAGE;
    }
    if (!o->state && !j->settings)
        return cli_usage_error(&cli_redrive, "where to note what was put back? write --state FOLDER");
    j->state_folder = o->state ? mem_strdup(o->state) : mem_printf("%s/redrive", j->settings->data_dir);
    if (o->dry_run || redrive_note_make_folder(j->state_folder, &e) == 0)
        return CLI_DONE;
    fprintf(stderr, "sluice redrive: %s; name another one with --state\n", e.msg);
    return CLI_FAILED;
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

static int work(struct job *j)
{
    int rc = redrive_all(j) < 0 || j->unread ? CLI_FAILED : CLI_DONE;

    if (!j->o->dry_run)
        progress_finish(&j->sender.progress, &j->sender.count, clock_mono());
    say_counts(j);
    return rc;
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
    rc = reads_buckets(&o) ? prepare_buckets(j) : 0;
    if (rc == 0 && o.dry_run) {
        rc = work(j);
    } else if (rc == 0) {
        rc = open_sender(j);
        rc = rc == 0 ? work(j) : rc;
        put_sender_close(&j->sender);
    }
    settings_free(&j->settings);
    mem_free(j->state_folder);
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
