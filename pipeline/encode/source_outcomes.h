/* source_outcomes.h -- what a transform made of each source record of a seal: the books count source records, whatever one became.
 *
 * Ownership  embedded in a delivery. Threads: as outcomes.h: the worker of the job, otherwise the delivery thread.
 */
#ifndef PIPELINE_ENCODE_SOURCE_OUTCOMES_H
#define PIPELINE_ENCODE_SOURCE_OUTCOMES_H

#include <stdint.h>

/* In the order of precedence: a record of which one part failed is in the backup, whatever became of the other parts. */
enum source_status { SOURCE_DROPPED, SOURCE_EMITTED, SOURCE_LOST, SOURCE_BACKED_UP };

struct source_outcomes {
    uint64_t first, count;
    unsigned char *status; /* enum source_status per record; NULL: no transform */
};

struct source_counts {
    uint64_t dropped, emitted, lost, backed_up;
};

void source_outcomes_init(struct source_outcomes *s, uint64_t first,
                          uint64_t count); /* all dropped until they are seen */
void source_outcomes_release(struct source_outcomes *s);
/* The records first..last are dropped again, until they are seen. */
void source_outcomes_reset(struct source_outcomes *s, uint64_t first, uint64_t last);
/* Raises the record's status; never lowers it. */
void source_outcomes_note(struct source_outcomes *s, uint64_t seq, enum source_status status);
struct source_counts source_outcomes_count(const struct source_outcomes *s);

#endif
