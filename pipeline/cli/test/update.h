/* update.h -- `sluice test --update`: what stands below `expect` is replaced by what came, the rest of the file
 * stays as it is, comments included.
 *
 * Threads: the main thread.
 */
#ifndef PIPELINE_CLI_TEST_UPDATE_H
#define PIPELINE_CLI_TEST_UPDATE_H

#include "pipeline/cli/test/file.h"

struct test_update {
    const struct test_case *of;
    const struct test_outcomes *outcomes;
};

/* `updates` in the order of the file. The new file takes the old one's place only when it says what it should. */
MUST_CHECK int cli_test_update(const struct test_file *f, const struct test_update *updates, size_t count,
                               struct err *e);

#endif
