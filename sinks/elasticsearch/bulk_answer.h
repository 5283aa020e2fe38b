/* bulk_answer.h -- what `_bulk` answered, item by item, read without trust.
 *
 * An answer counts only when it is whole, is JSON, and has one item with one status for each document that was sent.
 * What every item's status and error type means stands in one table.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ELASTICSEARCH_BULK_ANSWER_H
#define SINKS_ELASTICSEARCH_BULK_ANSWER_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "sinks/sink.h"

#include <stdbool.h>
#include <stdint.h>

/* One item of each kind speaks for its kind in messages: the first that somebody must act upon, else the first. */
struct bulk_kind {
    uint64_t count;
    int status;
    bool misconfigured;
    char type[96];              /* document_parsing_exception */
    char reason[SINK_SAID_MAX]; /* the server's words, which may quote records */
    const char *hint;           /* what to do; NULL when there is none of this kind */
};

struct bulk_summary {
    uint64_t items;
    struct bulk_kind delivered, retry, refused;
    bool misconfigured;
    const char *broken; /* NULL; or why the answer cannot be trusted: nothing else is filled then */
};

/* `sent` documents, as `create` or not. */
void bulk_answer_read(struct slice answer, uint64_t sent, bool create, struct bulk_summary *s);

/* The outcomes of an answer that bulk_answer_read() found in order. outcomes->count == s->items. */
void bulk_answer_outcomes(struct slice answer, bool create, struct sink_outcomes *outcomes);

#endif
