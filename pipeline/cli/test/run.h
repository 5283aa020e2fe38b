/* run.h -- one test, run: its records through its transforms as one batch, in states of its own.
 *
 * Threads: the main thread.
 */
#ifndef PIPELINE_CLI_TEST_RUN_H
#define PIPELINE_CLI_TEST_RUN_H

#include "pipeline/cli/test/file.h"

/* Fills `got` (zeroed; the caller's to release) with the outcomes in the order in which they came. -1: the transforms do
 * not load, or the batch as a whole failed; e says where. */
MUST_CHECK int cli_test_run(const struct test_file *f, const struct test_case *c, struct test_outcomes *got,
                            struct err *e);

#endif
