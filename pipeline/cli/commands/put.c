/* put.c -- `sluice put`: lines of stdin or files to a stream, through the Firehose API of a running sluice (or of
 * AWS).
 *
 * A batch is sent when it is full, when the input pauses, and at the end. What the server pushes back is sent again
 * after a pause, in its order; nothing behind it is sent before. */
#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/put/lines.h"
#include "pipeline/put/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char put_help[] =
    "usage: sluice put --stream NAME [-c FILE | --endpoint URL] [FILE...]\n"
    "\n"
    "Sends each line of the files (of stdin when there are none, or for `-`) to a stream as one record, through the\n"
    "Firehose API of a running sluice. Answers when all of it is on the server's disk.\n";

static const char put_help_end[] =
    "Requests are signed with the first of `api.credentials` in the configuration, or show the first of its\n"
    "`api.tokens` or `api.users`; else they are signed with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and\n"
    "AWS_SESSION_TOKEN) of the environment, else not at all. With --endpoint the environment comes first, and\n"
    "tokens and users are not shown. Of the configuration only `api` is used.\n"
    "\n"
    "When an answer is lost, its records are sent again and may then be there twice.\n"
    "\n"
    "exit status: 0 all lines were put, 1 some were not (it says which), 2 usage or configuration\n";

struct options {
    const char *stream, *endpoint, *config;
    nsec give_up;
    char **files;
    int file_count;
};

static const struct cli_option put_options[] = {
    {"stream", 's', CLI_TEXT, "NAME", "the stream; it must have the input `api`",
     .offset = offsetof(struct options, stream)},
    {"endpoint", 0, CLI_TEXT, "URL", "such as http://127.0.0.1:4573; left out: the address in the configuration",
     .offset = offsetof(struct options, endpoint)},
    CLI_OPTION_CONFIG(struct options, config),
    {"give-up", 0, CLI_DURATION, "DURATION", "stop when the server has taken nothing for this long; 60s",
     .offset = offsetof(struct options, give_up)},
    {.name = NULL},
};

/* All that is under way. */
struct job {
    const struct options *o;
    struct put_sender sender;
    struct progress progress;
    struct err failed; /* why sending ended */
    uint64_t too_long; /* lines stepped over */
    bool unread;       /* a file could not be opened or read to its end */
    const char *file;  /* being read; for messages */
    uint64_t line;
};

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* -1: sending has failed. What cannot be read is said and noted in j. */
static int put_lines_of(struct job *j, int fd)
{
    struct put_lines lines;
    enum put_line got;
    struct slice line;
    struct err e;
    int rc = 0;

    put_lines_init(&lines, fd);
    do {
        got = put_lines_next(&lines, j->sender.batch.count ? PUT_IDLE_MS : -1, &line, &e);
        if (got == PUT_LINE) {
            rc = put_sender_add(&j->sender, line, 0, &j->failed);
            j->line = rc == 0 ? lines.number : lines.number - 1; /* the last that is in a batch */
        } else if (got == PUT_LINE_IDLE) {
            rc = put_sender_flush(&j->sender, &j->failed);
        } else if (got == PUT_LINE_LONG) {
            j->too_long++;
            fprintf(stderr, "sluice put: %s:%" PRIu64 ": a line of over %llu bytes cannot be a record; not put\n",
                    j->file, lines.number, LINE_MAX_BYTES);
        } else if (got == PUT_LINE_FAILED) {
            j->unread = true;
            fprintf(stderr, "sluice put: %s: %s\n", j->file, e.msg);
        }
    } while (rc == 0 && got != PUT_LINE_END && got != PUT_LINE_FAILED);
    put_lines_release(&lines);
    return rc;
}

static int put_file(struct job *j, const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), rc;

    j->file = is_stdin ? "stdin" : path;
    if (fd < 0) {
        j->unread = true;
        fprintf(stderr, "sluice put: %s: %s\n", path, strerror(errno));
        return 0;
    }
    rc = put_lines_of(j, fd);
    if (!is_stdin)
        close(fd);
    return rc;
}

static int put_all(struct job *j)
{
    static char *stdin_only[] = {(char *)"-"};
    char **files = j->o->file_count ? j->o->files : stdin_only;
    int count = j->o->file_count ? j->o->file_count : 1;

    for (int i = 0; i < count; i++)
        if (put_file(j, files[i]) < 0)
            return -1;
    return put_sender_flush(&j->sender, &j->failed);
}

/* What the batch still holds ends with the line j->line; a server that did not answer may have taken some of it. */
static void say_what_is_left(const struct job *j)
{
    char put[HUMAN_MAX], left[HUMAN_MAX];

    fprintf(stderr, "sluice put: %s\n", j->failed.msg);
    fprintf(stderr, "sluice put: put %s line%s; not acknowledged: %s line%s up to %s:%" PRIu64 ", and all behind\n",
            human_count(j->sender.count.records, put, sizeof(put)), noun_s(j->sender.count.records),
            human_count(j->sender.batch.count, left, sizeof(left)), noun_s(j->sender.batch.count), j->file, j->line);
}

static void show_progress(void *ctx, const struct progress_count *taken)
{
    struct job *j = ctx;

    progress_update(&j->progress, taken, clock_mono());
}

static int run_job(struct job *j, const struct settings *s)
{
    const struct options *o = j->o;
    int rc;

    progress_init(&j->progress, "put", STDERR_FILENO, clock_mono());
    if (put_sender_open(&j->sender,
                        &(struct put_sender_conf){.stream = o->stream,
                                                  .endpoint = o->endpoint,
                                                  .settings = s,
                                                  .give_up = o->give_up,
                                                  .progress = show_progress,
                                                  .ctx = j},
                        &j->failed) < 0) {
        fprintf(stderr, "sluice put: %s\n", j->failed.msg);
        rc = CLI_USAGE;
    } else if (put_all(j) < 0) {
        say_what_is_left(j);
        rc = CLI_FAILED;
    } else {
        progress_finish(&j->progress, &j->sender.count, clock_mono());
        rc = j->too_long || j->unread ? CLI_FAILED : CLI_DONE;
    }
    put_sender_close(&j->sender);
    return rc;
}

static int put_main(int argc, char **argv)
{
    struct options o = {.give_up = 60 * NSEC_PER_SEC};
    struct job j = {.o = &o};
    struct settings *s = NULL;
    int first, rc = cli_read_options(&cli_put, argc, argv, &o, &first);

    if (rc != 0)
        return rc;
    if (!o.stream)
        return cli_usage_error(&cli_put, "which stream? write --stream NAME");
    o.files = argv + first;
    o.file_count = argc - first;
    if (!o.endpoint || o.config) {
        s = cli_load_settings(o.config, &(struct settings_use){.api = true});
        if (!s)
            return CLI_USAGE;
    }
    rc = run_job(&j, s);
    settings_free(&s);
    return rc;
}

const struct cli_command cli_put = {
    .name = "put",
    .summary = "send lines of files or stdin to a stream",
    .help = put_help,
    .help_end = put_help_end,
    .options = put_options,
    .column = 26,
    .run = put_main,
};
