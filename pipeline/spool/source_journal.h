/* source_journal.h -- the journal of a stream whose seals are kept at the source of its records, where several machines see them. The
 * stream's spool is in memory then, and no more than a cache of what the source can hand out again.
 *
 * There are two sides. The source (an input, the only one of its stream) knows what one batch may hold, keeps its seal, and may
 * have to give it back. Delivery gives the batch its name, and delivers it when the seal is kept. Between them a batch is in one state:
 *
 *     WAITS --delivery takes it--> TAKEN --its seal is in the spool--> ASKED --source_journal_sealed()--> SEALED --settled--> gone
 *                                                                       |
 *                                     it was sealed before, elsewhere --+--> SEALED
 *
 *   - source_journal_add() makes a batch of all that is safe in the spool and in no batch yet. What is not in a batch is delivered by nobody.
 *   - source_journal_news() says what the source has to do: keep this seal (ASKED), forget that one (settled).
 *   - source_journal_return() at any time: it is not ours any more, or never was. It is not begun; what is under way of it is
 *     given up as soon as workers and senders have brought back what they have. Its records are counted as returned, unless the
 *     destination had them all before delivery heard of it. The source hears no more of it.
 *   - A batch that somebody sealed before is delivered as its note says, under the same name.
 *
 * As a seal_journal it promises the same as any other (seal_journal.h), but that nothing is pending at a start, and that no seal is
 * refused: one that cannot be kept is returned. Progress (the parts of a large upload) is this process's own; a new owner begins anew.
 *
 * Threads    source_journal_limit(), source_journal_next(), source_journal_returned() and the journal's functions: delivery. add, news, sealed, return: the source, one
 *            thread. The rest: any.
 * Ownership  embedded in its stream; an input is attached from its start to its end.
 */
#ifndef PIPELINE_SPOOL_SOURCE_JOURNAL_H
#define PIPELINE_SPOOL_SOURCE_JOURNAL_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/spool/seal_journal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* What the source knows of a batch, besides its records. */
struct source_batch {
    uint64_t named, salt; /* as in struct seal: the same for whoever has this batch, another for each other one */
    struct slice note;    /* it was sealed before; empty: it was not */
    nsec oldest;          /* likewise: the arrival of its oldest record, as it was then */
};

enum source_batch_state { SOURCE_WAITS, SOURCE_TAKEN, SOURCE_ASKED, SOURCE_SEALED };

struct source_batch_entry;

/* How large a batch may become, and how long its records may wait: as the stream's `buffer` says now. */
struct source_limits {
    uint64_t bytes;
    nsec interval;
};

struct source_journal {
    struct seal_journal journal; /* first */
    struct spool *spool;
    struct spool_reader *reader;
    void (*turn)(void *ctx); /* delivery has something to look at; any thread, short */
    void *turn_ctx;

    pthread_mutex_t lock;                     /* guards the rest */
    TAILQ_HEAD(, source_batch_entry) batches; /* in the order of the spool */
    uint64_t end;                             /* the first record that is in no batch */
    void (*news)(void *ctx);                  /* the source has something to look at; NULL: nobody is there */
    void *news_ctx;
    struct source_limits limits;
};

/* Behind the spool's opening; nothing is in it. */
void source_journal_init(struct source_journal *j, struct spool *spool, struct spool_reader *reader,
                         void (*turn)(void *ctx), void *ctx);
void source_journal_release(struct source_journal *j);

/* --- the source ----------------------------------------------------------------------------------------------------------- */

/* `news`: on any thread, also within a call of this journal's; short, and does not call it. NULL: the source has gone, and has returned all. */
void source_journal_attach(struct source_journal *j, void (*news)(void *ctx), void *ctx);
struct source_limits source_journal_limits(struct source_journal *j);
/* Returns its number, > 0; 0: there is no record that is in no batch. *records: how many it has; may be NULL. */
uint64_t source_journal_add(struct source_journal *j, const struct source_batch *b, uint64_t *records);
/* So many records are safe, and in no batch yet. */
uint64_t source_journal_open_records(struct source_journal *j);
/* Nothing is on its way; what was returned is until nobody has anything of it any more, and takes room until then. */
bool source_journal_is_empty(struct source_journal *j);

struct source_news {
    uint64_t batch;
    bool settled;      /* else it is to be sealed: */
    struct slice note; /* borrowed until the batch is settled or returned */
    nsec oldest;
};
/* What is new, each once; false: nothing. */
MUST_CHECK bool source_journal_news(struct source_journal *j, struct source_news *out);
/* Its seal is kept. Nothing when it was returned. */
void source_journal_sealed(struct source_journal *j, uint64_t batch);
/* Nothing when it is settled. */
void source_journal_return(struct source_journal *j, uint64_t batch);

/* --- delivery ------------------------------------------------------------------------------------------------------------- */

void source_journal_limit(struct source_journal *j, const struct source_limits *limits);
/* The first batch that waits: its first and last record, note, oldest, named and salt. `returned`: it needs no place. It is taken by the
 * journal's seal(). */
MUST_CHECK bool source_journal_next(struct source_journal *j, struct seal *out, bool *returned);
/* It is to be given up, and then settled as returned. */
bool source_journal_returned(struct source_journal *j, uint64_t batch);

#endif
