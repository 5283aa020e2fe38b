/* test.c -- `sluice test`: scripts and their tests, without a daemon, a spool or a destination. */
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/cli/cli.h"
#include "pipeline/cli/test/file.h"
#include "pipeline/cli/test/report.h"
#include "pipeline/encode/transform_instances.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
    "The records of a test are one batch, at whose end a script hands over what it holds back; a record that was held "
    "is\n"
    "in what it came to, or `dropped: released`. Bytes that are no text are written as `base64: ...`.\n"
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

struct watcher {
    struct transform_out out;
    struct test_outcomes *got;
};

static struct test_outcomes *got_of(struct transform_out *o)
{
    return CONTAINER_OF(o, struct watcher, out)->got;
}

static int on_emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                   const struct transform_key *keys, size_t key_count)
{
    struct transform_key *sorted = mem_array(key_count, sizeof(*sorted));

    (void)from;
    if (key_count)
        memcpy(sorted, keys, key_count * sizeof(*sorted));
    test_outcomes_add_record(got_of(o), data, sorted, key_count);
    mem_free(sorted);
    return 0;
}

static void on_drop(struct transform_out *o, const struct transform_record *from, struct slice reason)
{
    (void)from;
    test_outcomes_add_dropped(got_of(o), reason);
}

static int on_fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                   struct slice shown)
{
    (void)shown, (void)from, (void)code;
    test_outcomes_add_error(got_of(o), message);
    return 0;
}

/* What a script prints while it is being written is for its author. */
static void on_log(struct transform_out *o, int level, struct slice text)
{
    (void)o, (void)level;
    fprintf(stderr, "log: %.*s\n", (int)text.n, text.p);
}

/* One test's records through its transforms as one batch, in states of its own. Fills `got` with the outcomes in the order in which they
 * came. -1: the transforms do not load, or the batch as a whole failed; e says where. */
static int run_transforms(const struct test_file *f, const struct test_case *c, struct test_outcomes *got,
                          struct err *e)
{
    struct watcher w = {.out = {.emit = on_emit, .drop = on_drop, .fail = on_fail, .log = on_log}, .got = got};
    struct transform_record *records;
    struct transform_instances *line = NULL;
    struct chain_state *state;
    int rc = -1;

    if (transform_instances_open(&line, &c->stream, f->base_dir, e) < 0)
        return -1;
    records = mem_array(c->input_count, sizeof(*records));
    for (size_t i = 0; i < c->input_count; i++) {
        const struct test_input *in = &c->inputs[i];

        records[i] = (struct transform_record){
            .data = slice_of(in->data, in->n), .origin = slice_str(in->origin), .seq = i + 1, .arrival = in->arrival};
    }
    state = transform_instances_only_state(line, NULL, e);
    if (state && chain_begin(state, e) == 0 && chain_run(state, records, c->input_count, &w.out, e) == 0 &&
        chain_finish(state, true, &w.out, e) == 0)
        rc = chain_end(state, &w.out, e);
    mem_free(records);
    transform_instances_close(&line);
    return rc;
}

static void report_failure(struct test_options *o, const struct test_case *c, const struct test_outcomes *got)
{
    struct buf diff;

    buf_init(&diff, 64 * MIB);
    if (test_outcomes_diff(&c->expect, got, &diff) < 0) {
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

    if (run_transforms(f, c, got, &e) < 0)
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

static void run_cases(struct test_options *o, const struct test_file *f)
{
    struct test_update *updates = mem_array(f->count, sizeof(*updates));
    struct test_outcomes *got = mem_array(f->count, sizeof(*got));
    size_t count = 0;
    struct err e;
    bool written;

    for (size_t i = 0; i < f->count; i++)
        if (run_case(o, f, &f->cases[i], &got[i]))
            updates[count++] = (struct test_update){&f->cases[i], &got[i]};
    written = count > 0 && cli_test_update(f, updates, count, &e) == 0;
    for (size_t i = 0; i < count; i++) {
        if (written)
            cli_test_report_add(&o->report, TEST_UPDATED, updates[i].of->at, updates[i].of->name, "");
        else
            report_error(o, updates[i].of, &e);
    }

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

    if (f) {
        run_cases(o, f);
    } else {
        cli_print_found(errs);
        o->unreadable++;
    }
    test_file_free(&f);
    cfg_errors_free(&errs);
}

/* --- which files --- */

struct test_paths {
    char **at;
    size_t count;
};

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void add_path(struct test_paths *out, const char *path)
{
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    out->at = mem_grow(out->at, out->count + 1, sizeof(*out->at));
    out->at[out->count++] = mem_strdup(path);
}

static int walk(FTS *tree, struct test_paths *out, struct err *e)
{
    const size_t suffix = sizeof(TEST_FILE_SUFFIX) - 1;
    FTSENT *f;

    while ((f = fts_read(tree))) {
        if (f->fts_info == FTS_DNR || f->fts_info == FTS_ERR) {
            errno = f->fts_errno;
            return err_errno(e, "cannot read %s", f->fts_path);
        }
        if (f->fts_info == FTS_D && f->fts_level > 0 && f->fts_name[0] == '.')
            fts_set(tree, f, FTS_SKIP);
        else if (f->fts_info == FTS_F && f->fts_namelen > suffix &&
                 strcmp(f->fts_name + f->fts_namelen - suffix, TEST_FILE_SUFFIX) == 0)
            add_path(out, f->fts_path);
    }
    return errno ? err_errno(e, "cannot look for tests") : 0;
}

/* Adds what `path` means, in order of name: a file as it is, a folder for all *_test.yaml in and below it. Hidden folders and
 * symbolic links inside a folder are passed over. */
static int find_below(const char *path, struct test_paths *out, struct err *e)
{
    char *copy, *roots[2] = {NULL, NULL};
    struct stat st;
    FTS *tree;
    int rc;

    if (stat(path, &st) < 0)
        return err_errno(e, "cannot look at %s", path);
    if (!S_ISDIR(st.st_mode)) {
        add_path(out, path);
        return 0;
    }
    roots[0] = copy = mem_strdup(path);
    tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    rc = tree ? walk(tree, out, e) : err_errno(e, "cannot read %s", path);
    if (tree)
        fts_close(tree);
    mem_free(copy);
    return rc;
}

static int find_files(char **args, struct test_paths *paths)
{
    static const char *const here[] = {".", NULL};
    const char *const *at = *args ? (const char *const *)args : here;
    struct err e;

    for (; *at; at++) {
        size_t before = paths->count;

        if (find_below(*at, paths, &e) < 0) {
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

/* --- all of them --- */

static int test_main(int argc, char **argv)
{
    struct test_options o = {0};
    struct test_paths paths = {0};
    struct err e;
    int first, rc = cli_read_options(&cli_test, argc, argv, &o, &first);

    if (rc == 0)
        rc = find_files(argv + first, &paths);
    if (rc == 0) {
        cli_test_report_begin(&o.report);
        for (size_t i = 0; i < paths.count; i++)
            run_file(&o, paths.at[i]);
        cli_test_report_end(&o.report, paths.count);
        rc = o.unreadable ? CLI_USAGE : o.report.ends[TEST_FAILED] ? CLI_FAILED : CLI_DONE;
        if (o.junit && cli_test_report_junit(&o.report, o.junit, &e) < 0) {
            fprintf(stderr, "sluice test: --junit: %s\n", e.msg);
            rc = rc == CLI_DONE ? CLI_FAILED : rc;
        }
    }
    cli_test_report_release(&o.report);
    for (size_t i = 0; i < paths.count; i++)
        mem_free(paths.at[i]);
    mem_free(paths.at);
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
