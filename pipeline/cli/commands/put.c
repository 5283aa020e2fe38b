/* put.c -- `sluice put`: lines of stdin or files to a stream, through the Firehose API of a running sluice (or of
 * AWS).
 *
 * A batch is sent when it is full, when the input pauses, and at the end. What the server pushes back is sent again
 * after a pause, in its order; nothing behind it is sent before. */
#include "config/units.h"
#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/plural.h"
#include "pipeline/cli/commands/commands.h"
#include "pipeline/put/lines.h"
#include "pipeline/put/sender.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char put_help[] =
    "usage: sluice put --stream NAME [-c FILE | --endpoint URL] [FILE...]\n"
    "\n"
    "Sends each line of the files (of stdin when there are none, or for `-`) to a stream as one record, through the\n"
    "Firehose API of a running sluice. Answers when all of it is on the server's disk.\n"
    "\n"
    "  -s, --stream NAME       the stream; it must have the input `api`\n"
    "      --endpoint URL      such as http://127.0.0.1:4573; left out: the address in the configuration\n"
    "  -c, --config FILE       the configuration; left out: ./sluice.yaml, then /etc/sluice/sluice.yaml\n"
    "      --give-up DURATION  stop when the server has taken nothing for this long; 60s\n"
    "\n"
    "Requests are signed with the first of `api.credentials` in the configuration, else with AWS_ACCESS_KEY_ID,\n"
    "AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) of the environment, else not at all; with --endpoint the\n"
    "environment comes first. Of the configuration only `api` is used.\n"
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

/* All that is under way. */
struct job {
    const struct options *o;
    struct put_sender sender;
    uint64_t too_long; /* lines stepped over */
    bool unread;       /* a file could not be opened or read to its end */
    const char *file;  /* being read; for messages */
    uint64_t line;
};

/* --- options ------------------------------------------------------------------------------------------------------ */

static int parse_duration(const char *text, nsec *out)
{
    struct err e;

    if (units_duration(text, out, &e) == 0)
        return 0;
    return cli_usage_error(&cli_put, "--give-up: %s", e.msg);
}

/* 0, or an exit code with the mistake said. */
static int parse_options(int argc, char **argv, struct options *o)
{
    enum { ENDPOINT = 1, GIVE_UP };
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"stream", required_argument, NULL, 's'},
                                            {"endpoint", required_argument, NULL, ENDPOINT},
                                            {"give-up", required_argument, NULL, GIVE_UP},
                                            {NULL, 0, NULL, 0}};
    int c, rc = 0;

    *o = (struct options){.give_up = 60 * NSEC_PER_SEC};
    opterr = 0;
    optind = 1;
    while (rc == 0 && (c = getopt_long(argc, argv, "c:s:", options, NULL)) != -1) {
        if (c == 'c')
            o->config = optarg;
        else if (c == 's')
            o->stream = optarg;
        else if (c == ENDPOINT)
            o->endpoint = optarg;
        else if (c == GIVE_UP)
            rc = parse_duration(optarg, &o->give_up);
        else
            rc = cli_usage_error(&cli_put, "unknown or incomplete option `%s`", argv[optind - 1]);
    }
    if (rc == 0 && !o->stream)
        rc = cli_usage_error(&cli_put, "which stream? write --stream NAME");
    o->files = argv + optind;
    o->file_count = argc - optind;
    return rc;
}

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
            rc = put_sender_add(&j->sender, line, 0);
            j->line = rc == 0 ? lines.number : lines.number - 1; /* the last that is in a batch */
        } else if (got == PUT_LINE_IDLE) {
            rc = put_sender_flush(&j->sender);
        } else if (got == PUT_LINE_LONG) {
            j->too_long++;
            fprintf(stderr, "sluice put: %s:%" PRIu64 ": a line of over %llu bytes cannot be a record; not put\n",
                    j->file, lines.number, RECORD_MAX_BYTES);
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
    return put_sender_flush(&j->sender);
}

/* What the batch still holds ends with the line j->line; a server that did not answer may have taken some of it. */
static void say_what_is_left(const struct job *j)
{
    char put[HUMAN_MAX], left[HUMAN_MAX];

    fprintf(stderr, "sluice put: put %s line%s; not acknowledged: %s line%s up to %s:%" PRIu64 ", and all behind\n",
            human_count(j->sender.count.records, put, sizeof(put)), noun_s(j->sender.count.records),
            human_count(j->sender.batch.count, left, sizeof(left)), noun_s(j->sender.batch.count), j->file, j->line);
}

static int put_main(int argc, char **argv)
{
    struct options o;
    struct job j = {.o = &o};
    int rc = parse_options(argc, argv, &o);

    if (rc != 0)
        return rc;
    rc = put_sender_open(&j.sender, &(struct put_sender_conf){.command = "put",
                                                              .verb = "put",
                                                              .stream = o.stream,
                                                              .endpoint = o.endpoint,
                                                              .config = o.config,
                                                              .give_up = o.give_up});
    if (rc == 0 && put_all(&j) < 0) {
        say_what_is_left(&j);
        rc = CLI_FAILED;
    } else if (rc == 0) {
        progress_finish(&j.sender.progress, &j.sender.count, clock_mono());
        rc = j.too_long || j.unread ? CLI_FAILED : CLI_DONE;
    }
    put_sender_close(&j.sender);
    return rc;
}

const struct cli_command cli_put = {
    .name = "put",
    .summary = "send lines of files or stdin to a stream",
    .help = put_help,
    .run = put_main,
};
