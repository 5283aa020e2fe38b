/* test.c -- `sluice test`: scripts and their tests, without a daemon, a spool or a destination. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/test/diff.h"
#include "pipeline/cli/test/file.h"
#include "pipeline/cli/test/find.h"
#include "pipeline/cli/test/report.h"
#include "pipeline/cli/test/run.h"
#include "pipeline/cli/test/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct cli_command cli_test;

static const char test_help[] =
    "usage: sluice test [--update] [--tap] [--junit FILE] [FILE|FOLDER ...]\n"
    "\n"
    "Runs the tests that stand beside scripts: NAME_test.yaml for NAME.lua. A folder means all *_test.yaml in and\n"
    "below it; without an argument it is the current one. Nothing else is read or written, nothing is sent.\n";

static const char test_help_end[] =
    "A file of tests:\n"
    "\n"
    "    transform: { lua: mask.lua }      # as in a stream; left out: the script of the same name\n"
    "    config: { keep: 4 }               # the argument of init(), for all tests or below one of them\n"
    "    tests:\n"
    "      - name: cards are masked\n"
    "        input:\n"
    "          - '{\"card\":\"4111\"}'\n"
    "          - { data: 'x', arrival: '2025-06-01T12:00:00Z', facts: { input: tail, path: /var/log/a.log } }\n"
    "        expect:                       # in the order in which it comes\n"
    "          - '{\"card\":\"****\"}'\n"
    "          - { record: 'x', partition_keys: { tenant: acme } }\n"
    "          - dropped: true             # or the reason\n"
    "          - error: no amount          # a part of the message\n"
    "\n"
    "The records of a test are one batch. Bytes that are no text are written as `base64: ...`.\n"
    "\n"
    "exit status: 0 all passed, 1 a test failed, 2 usage, or a file of tests has mistakes\n";

struct test_options {
    bool update;
    const char *junit;
    struct test_report report;
    size_t unreadable; /* files with mistakes */
};

static const struct cli_option test_option_table[] = {
    {"update", 0, CLI_FLAG, NULL,
     "write what came below `expect:` of the tests that failed; look at the changes before you\n"
     "keep them",
     .offset = offsetof(struct test_options, update)},
    {"tap", 0, CLI_FLAG, NULL, "print TAP version 13", .offset = offsetof(struct test_options, report.tap)},
    {"junit", 0, CLI_TEXT, "FILE", "also write JUnit's XML to FILE", .offset = offsetof(struct test_options, junit)},
    {.name = NULL},
};

/* --- one test --- */

static void report_failure(struct test_options *o, const struct test_case *c, const struct test_outcomes *got)
{
    struct buf diff;

    buf_init(&diff, 64 * MIB);
    if (cli_test_diff(&c->expect, got, &diff) < 0) {
        buf_clear(&diff);
        if (buf_add_str(&diff, "    the difference is too long to show\n") < 0)
            abort();
    }
    cli_test_report_add(&o->report, TEST_FAILED, c->at, c->name, buf_cstr(&diff));
    buf_release(&diff);
}

static void report_error(struct test_options *o, const struct test_case *c, const struct err *e)
{
    char text[sizeof(e->msg) + sizeof(e->file) + 32], *detail;

    detail = mem_printf("    %s\n", err_text(e, text, sizeof(text)));
    cli_test_report_add(&o->report, TEST_FAILED, c->at, c->name, detail);
    mem_free(detail);
}

/* True when what came is to be written down. */
static bool run_case(struct test_options *o, const struct test_file *f, const struct test_case *c,
                     struct test_outcomes *got)
{
    struct err e;

    if (cli_test_run(f, c, got, &e) < 0)
        report_error(o, c, &e);
    else if (test_outcomes_fit(&c->expect, got))
        cli_test_report_add(&o->report, TEST_PASSED, c->at, c->name, "");
    else if (o->update)
        return true;
    else
        report_failure(o, c, got);
    return false;
}

/* --- one file --- */

static void write_updates(struct test_options *o, const struct test_file *f, const struct test_update *updates,
                          size_t count)
{
    struct err e;
    bool written = count > 0 && cli_test_update(f, updates, count, &e) == 0;

    for (size_t i = 0; i < count; i++) {
        if (written)
            cli_test_report_add(&o->report, TEST_UPDATED, updates[i].of->at, updates[i].of->name, "");
        else
            report_error(o, updates[i].of, &e);
    }
}

static void run_cases(struct test_options *o, const struct test_file *f)
{
    struct test_update *updates = mem_array(f->count, sizeof(*updates));
    struct test_outcomes *got = mem_array(f->count, sizeof(*got));
    size_t count = 0;

    for (size_t i = 0; i < f->count; i++)
        if (run_case(o, f, &f->cases[i], &got[i]))
            updates[count++] = (struct test_update){&f->cases[i], &got[i]};
    write_updates(o, f, updates, count);
    for (size_t i = 0; i < f->count; i++)
        test_outcomes_release(&got[i]);
    mem_free(got);
    mem_free(updates);
    cli_test_report_file(&o->report, f->path);
}

static void run_file(struct test_options *o, const char *path)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct test_file *f = test_file_load(path, errs);
    struct buf text;

    if (f) {
        run_cases(o, f);
    } else {
        buf_init(&text, MIB);
        cfg_errors_print(errs, &text);
        fflush(stdout);
        fputs(buf_cstr(&text), stderr);
        buf_release(&text);
        o->unreadable++;
    }
    test_file_free(&f);
    cfg_errors_free(&errs);
}

/* --- all of them --- */

static int find_files(char **args, struct test_paths *paths)
{
    static const char *const here[] = {".", NULL};
    const char *const *at = *args ? (const char *const *)args : here;
    struct err e;

    for (; *at; at++) {
        size_t before = paths->count;

        if (cli_test_find(*at, paths, &e) < 0) {
            fprintf(stderr, "sluice test: %s\n", e.msg);
            return CLI_USAGE;
        }
        if (paths->count == before) {
            fprintf(stderr, "sluice test: no files *" TEST_FILE_SUFFIX " in %s\n", *at);
            return CLI_USAGE;
        }
    }
    return 0;
}

static int run_files(struct test_options *o, const struct test_paths *paths)
{
    int rc;
    struct err e;

    cli_test_report_begin(&o->report);
    for (size_t i = 0; i < paths->count; i++)
        run_file(o, paths->at[i]);
    cli_test_report_end(&o->report, paths->count);
    rc = o->unreadable ? CLI_USAGE : o->report.ends[TEST_FAILED] ? CLI_FAILED : CLI_DONE;
    if (o->junit && cli_test_report_junit(&o->report, o->junit, &e) < 0) {
        fprintf(stderr, "sluice test: --junit: %s\n", e.msg);
        rc = rc == CLI_DONE ? CLI_FAILED : rc;
    }
    return rc;
}

static int test_main(int argc, char **argv)
{
    struct test_options o = {0};
    struct test_paths paths = {0};
    int first, rc = cli_read_options(&cli_test, argc, argv, &o, &first);

    if (rc == 0)
        rc = find_files(argv + first, &paths);
    if (rc == 0)
        rc = run_files(&o, &paths);
    cli_test_report_release(&o.report);
    cli_test_paths_free(&paths);
    return rc;
}

const struct cli_command cli_test = {
    .name = "test",
    .summary = "run the tests that stand beside scripts",
    .help = test_help,
    .help_end = test_help_end,
    .options = test_option_table,
    .column = 20,
    .run = test_main,
};
