/* outcome.h -- what became of a record, as the elements of a test's `expect` say it:
 *
 *     - 'text of a record'
 *     - record: '{"a":1}'
 *       partition_keys: { tenant: 'acme' }
 *     - base64: 'AAH/'                         bytes that YAML cannot hold
 *     - dropped: true                          or the reason
 *     - error: 'mask.lua:3: no amount'         expected: a part of the message
 *
 * Ownership  test_outcomes_release() frees everything. Threads: the main thread.
 * Invariant  equal outcomes have equal YAML, whichever way they were written in the file.
 */
#ifndef PIPELINE_CLI_TEST_OUTCOME_H
#define PIPELINE_CLI_TEST_OUTCOME_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "transforms/transform.h"

#include <stdbool.h>
#include <stddef.h>

struct test_outcome {
    char *yaml;    /* the element, as `--update` writes it; its lines end with a newline */
    char *message; /* of an error; else NULL */
};

struct test_outcomes {
    struct test_outcome *at;
    size_t count;
};

void test_outcomes_release(struct test_outcomes *f);

/* Sorts `keys` by name. */
void test_outcomes_add_record(struct test_outcomes *f, struct slice data, struct transform_key *keys, size_t key_count);
void test_outcomes_add_dropped(struct test_outcomes *f, struct slice reason); /* which may be empty */
void test_outcomes_add_error(struct test_outcomes *f, struct slice message);

/* Is `got` what was expected? */
bool test_outcomes_fit(const struct test_outcomes *expected, const struct test_outcomes *got);

/* What was expected and what came, line by line: "-" is missing, "+" came instead, "?" points at the first difference of two
 * such lines. -1: out is full. */
MUST_CHECK int test_outcomes_diff(const struct test_outcomes *expected, const struct test_outcomes *got,
                                  struct buf *out);

#endif
