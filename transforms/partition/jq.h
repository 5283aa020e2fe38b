/* jq.h -- queries that are no plain paths, by libjq: all of them in one program, so that a record is read once for them.
 *
 * Ownership  jq_program_free(). Threads: one at a time. A program takes some 30 ms to make.
 */
#ifndef TRANSFORMS_PARTITION_JQ_H
#define TRANSFORMS_PARTITION_JQ_H

#include "transforms/partition/query.h"

struct jq_program;

/* Of those among `q` that are not plain: some are. -1: libjq does not understand one (the message begins with its text), or there is a
 * file $HOME/.jq, which libjq would read into them. */
MUST_CHECK int jq_program_new(struct jq_program **j, const struct query *const *q, size_t count, struct err *e);
void jq_program_free(struct jq_program **j);

/* What libjq said of one query. */
struct jq_answer {
    enum query_answer answer;
    struct slice text; /* in the program, until the next jq_program_run() */
    const char *why;   /* QUERY_FAILED; quotes nothing of the record */
};

/* One answer for each query, in their order; those of plain ones are not touched. The record is valid JSON. */
void jq_program_run(struct jq_program *j, struct slice record, struct jq_answer *answers);

#endif
