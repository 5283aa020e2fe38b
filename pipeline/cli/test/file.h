/* file.h -- a file of tests for scripts, NAME_test.yaml beside NAME.lua, read and checked; nothing is run yet.
 *
 *     transform: { lua: mask.lua }     # as in a stream; left out: the script of the same name
 *     config: { keep: 4 }              # for init(), in all tests; left out: what `transform` says
 *     tests:
 *       - name: cards are masked
 *         config: { keep: 0 }          # for this test
 *         input:
 *           - '{"card":"4111"}'        # a record; or, with facts:
 *           - { data: x, arrival: "2025-06-01T12:00:00Z", facts: { input: tail, path: /var/log/a.log } }
 *         expect:                      # test/outcome.h
 *           - '{"card":"****"}'
 *
 * Ownership  test_file_free(). Threads: the main thread.
 */
#ifndef PIPELINE_CLI_TEST_FILE_H
#define PIPELINE_CLI_TEST_FILE_H

#include "config/node.h"
#include "pipeline/cli/test/outcome.h"
#include "pipeline/settings/settings.h"

struct test_input {
    char *data, *origin;
    size_t n; /* of data, which may hold anything */
    nsec arrival;
};

struct test_case {
    char *name;
    struct srcpos at;        /* its name */
    struct srcpos expect_at; /* the key `expect`; line 0: there is none */
    struct test_input *inputs;
    size_t input_count;
    struct test_outcomes expect;
    const struct cfg_node *config;
    struct stream_settings stream; /* its transforms and nothing else */
};

struct test_file {
    char *path, *base_dir;
    struct cfg_tree *tree, *fallback; /* the file; `transform` as it is when left out */
    const struct cfg_node *transform, *config;
    struct test_case *cases;
    size_t count;
};

#define TEST_FILE_SUFFIX "_test.yaml"

/* NULL: the mistakes are in errs. */
struct test_file *test_file_load(const char *path, struct cfg_errors *errs);
void test_file_free(struct test_file **f);

/* `sluice test --update`: what stands below `expect` is replaced by what came, the rest of the file stays as it is, comments included. */
struct test_update {
    const struct test_case *of;
    const struct test_outcomes *outcomes;
};

/* `updates` in the order of the file. The new file takes the old one's place only when it says what it should. */
MUST_CHECK int cli_test_update(const struct test_file *f, const struct test_update *updates, size_t count,
                               struct err *e);

#endif
