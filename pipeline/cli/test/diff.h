/* diff.h -- what was expected and what came, line by line: "-" is missing, "+" came instead, "?" points at the
 * first difference of two such lines.
 *
 * Threads: pure function.
 */
#ifndef PIPELINE_CLI_TEST_DIFF_H
#define PIPELINE_CLI_TEST_DIFF_H

#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/cli/test/outcome.h"

/* -1: out is full. */
MUST_CHECK int cli_test_diff(const struct test_outcomes *expected, const struct test_outcomes *got, struct buf *out);

#endif
