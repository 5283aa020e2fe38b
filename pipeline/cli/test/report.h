/* report.h -- how tests went: for people or as TAP to standard output, and as JUnit's XML into a file.
 *
 * Ownership  cli_test_report_release(). Threads: the main thread.
 */
#ifndef PIPELINE_CLI_TEST_REPORT_H
#define PIPELINE_CLI_TEST_REPORT_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum test_end { TEST_PASSED, TEST_UPDATED, TEST_FAILED };

struct test_result {
    enum test_end end;
    char *file, *name, *detail; /* detail: lines; "" when it passed */
    unsigned line;
};

struct test_report {
    bool tap;
    struct test_result *results;
    size_t count, of_file; /* results of the file that is being run begin here */
    size_t ends[TEST_FAILED + 1];
};

void cli_test_report_begin(struct test_report *r);
void cli_test_report_add(struct test_report *r, enum test_end end, struct srcpos at, const char *name,
                         const char *detail);
/* A file is through: for people, one line when all of it passed. */
void cli_test_report_file(struct test_report *r, const char *file);
void cli_test_report_end(struct test_report *r, size_t files);
MUST_CHECK int cli_test_report_junit(const struct test_report *r, const char *path, struct err *e);
void cli_test_report_release(struct test_report *r);

#endif
