/* find.h -- which files of tests are meant: files as they are, folders for all *_test.yaml in and below them.
 *
 * Ownership  cli_test_paths_free(). Threads: the main thread.
 */
#ifndef PIPELINE_CLI_TEST_FIND_H
#define PIPELINE_CLI_TEST_FIND_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stddef.h>

struct test_paths {
    char **at;
    size_t count;
};

/* Adds what `path` means, in order of name. Hidden folders and symbolic links inside a folder are passed over. */
MUST_CHECK int cli_test_find(const char *path, struct test_paths *out, struct err *e);
void cli_test_paths_free(struct test_paths *p);

#endif
