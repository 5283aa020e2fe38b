/* seal_journal.h -- where it is written down what a destination's deliveries are: which batch was fixed, how far it is, that it is
 * settled; and which version of the configuration names them.
 *
 * Records are one thing, what becomes of them another. Who delivers must find after a crash which batches were fixed, under
 * which names, and which are done: a few small facts, in order. Today they stand in the spool's own log, beside the records
 * (spool_journal_init()). Or they are kept where several machines see them, beside the position in a partition, so
 * that another one can go on; then the spool is no more than a cache of what the source could hand out again (source_journal.h). So delivery
 * (pipeline/delivery/) knows this interface only; for reading records it has the spool's reader.
 *
 *     cut --seal()--> on its way --done(true)--> pending --progress(), any number of times--> pending --settle()--> gone
 *
 * Two things stay with the spool, whoever keeps the journal, because they are about this machine's disk. Its books say what became of the
 * records that came into it: they must balance with what is still in it, and settle() brings it every result anyway; the books of several
 * machines are their sum. And parcels (staged.h) are files beside the log, which nobody else can read: what is staged and not delivered
 * when a machine is lost is, like what is in its log, for the source to hand out again.
 *
 * What each implementation promises:
 *
 *   - A seal begins at the cut; the cut moves to its end at once. Seals are kept in this order and do not overlap.
 *   - `w` is called once, on any thread, as late as it takes, also before the call returns. safe = true: from now on pending() of
 *     every later start has it, until it is settled; the first attempt is made then and not before. Of progress: likewise, a step
 *     that cannot be taken back is made then.
 *   - safe = false: it is not there and will not be. This process has lost its journal (the disk refuses to the end; somebody else
 *     has taken over), and everything behind it is refused, too. The implementation says so to the operator. Of the seal
 *     nothing is sent; it keeps its place until the stream is closed, and whoever opens the journal next finds the cut before it.
 *   - Progress replaces what was there; the last one counts. It and settle() are called for a seal that is pending.
 *   - settle() may be kept lazily. A crash may forget it: then the seal is pending again, and delivered once more under the same names.
 *     No other seal's is forgotten by that, but later ones of this process.
 *   - pending() is what the run before left, oldest first, with the notes byte by byte as they were; borrowed until it is settled, or
 *     the next progress. A start cursor may have no more than the number in it: the frame is searched for then.
 *   - version() goes up by one each time the hash is not the last one's, for whoever delivers: so names that were made by other settings
 *     are told apart. It is asked when all that was asked before is safe.
 *   - Nothing waits, and nothing is refused for want of room.
 *   - Records of a settled seal are needed no more: one that is kept elsewhere tells the spool's reader, too, so that it frees them.
 *
 * Threads    the delivery thread; pending() before the loop starts, from the main thread. One journal for each destination.
 * Ownership  what is passed is copied. The journal outlives the stream's deliveries.
 */
#ifndef PIPELINE_SPOOL_SEAL_JOURNAL_H
#define PIPELINE_SPOOL_SEAL_JOURNAL_H

#include "pipeline/base/compiler.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seal_journal;

struct seal_journal_ops {
    /* The first record that belongs to no seal. */
    struct spool_cursor (*cut)(const struct seal_journal *j);
    /* The seal, up to `end`; its note is <= SEAL_META_MAX. */
    void (*seal)(struct seal_journal *j, const struct seal *seal, const struct spool_cursor *end, struct spool_wait *w);
    /* <= SEAL_PROGRESS_MAX; empty: it begins anew. `w` may be NULL. */
    void (*progress)(struct seal_journal *j, uint64_t seal_first, struct slice progress, struct spool_wait *w);
    void (*settle)(struct seal_journal *j, uint64_t seal_first, const struct seal_result *result);
    /* Index 0, 1, ... until false. An empty note: the seal was lost, but not its records; they are delivered under a new one. */
    bool (*pending)(const struct seal_journal *j, size_t index, struct seal *out);
    /* The version in names; `hash` is of the configuration of deliveries. 1 at first. */
    uint32_t (*version)(struct seal_journal *j, const unsigned char hash[32]);
};

/* The head of an implementation. */
struct seal_journal {
    const struct seal_journal_ops *ops;
};

/* The reader's own log. */
struct spool_journal {
    struct seal_journal journal;
    struct spool *spool;
    struct spool_reader *reader;
};

void spool_journal_init(struct spool_journal *j, struct spool *spool, struct spool_reader *reader);

#endif
