/* journal.h -- what this input asks of libsystemd: a journal that is open, filtered, and stands somewhere.
 *
 * Where it begins (journal_open):
 *
 *     a cursor is stored, and its entry is there     behind it
 *     its entry is gone (rotated, vacuumed)          at the next one; what lay between is said: `gone`
 *     "^": the journal was empty at the first start  at its first entry
 *     "@TIME" (microseconds)                         at the first entry that is not older
 *
 * A cursor is looked for without the filters: what they let pass may be another entry than it was then.
 *
 * Threads    one: libsystemd's objects belong to the thread that opened them.
 * Ownership  journal_close(). Files of the journal are mapped, not read: they count as memory of the process, which the system takes back at
 *            any time.
 */
#ifndef PIPELINE_INPUTS_JOURNALD_JOURNAL_H
#define PIPELINE_INPUTS_JOURNALD_JOURNAL_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/journald/entry.h"
#include "pipeline/inputs/journald/options.h"

#include <poll.h>
#include <stdbool.h>

struct sd_journal;

struct journal_gone {
    bool any;
    bool counted; /* `entries` is known: that many at most, whatever the filters say of them */
    uint64_t entries;
    nsec from, to; /* wall: of the entry that was read last, and of the first that is there */
};

struct journal {
    struct sd_journal *j; /* NULL: not open */
    bool passes;          /* the entry of the cursor comes next, and was read */
    char cursor[JOURNALD_CURSOR_MAX];
};

/* Is there a journal that can be read? -1: why not, and what to do. */
MUST_CHECK int journal_check(const struct journald_conf *c, const char *base_dir, struct err *e);

/* What stands for the first start, as the options have it: the cursor to begin behind, "^" or "@TIME". */
MUST_CHECK int journal_first(const struct journald_conf *c, const char *base_dir, nsec wall_now,
                             char cursor[JOURNALD_CURSOR_MAX], struct err *e);
/* The cursor of the last entry, whatever the filters say of it; "^": there is none. */
MUST_CHECK int journal_end(const struct journald_conf *c, const char *base_dir, char cursor[JOURNALD_CURSOR_MAX],
                           struct err *e);
MUST_CHECK int journal_open(struct journal *jl, const struct journald_conf *c, const char *base_dir, const char *cursor,
                            struct journal_gone *gone, struct err *e);
void journal_close(struct journal *jl);

/* 1: *e holds the next entry, jl->cursor its cursor, *wall its time. 0: there is none now. -1: what is wrong; then it is opened anew. An entry
 * that is damaged is passed over, and counted. */
MUST_CHECK int journal_next(struct journal *jl, struct entry *entry, nsec *wall, uint64_t *damaged, struct err *e);

/* What to wait for: a descriptor, and until when at most (mono). */
struct pollfd journal_pollfd(const struct journal *jl, nsec *until);
/* Looks at what has changed: files that came and went. True: some have gone or come. */
bool journal_changed(struct journal *jl);
/* What is gone behind the entry with this cursor, if that is gone. */
MUST_CHECK int journal_look_back(const struct journald_conf *c, const char *base_dir, const char *cursor,
                                 struct journal_gone *gone, struct err *e);

#endif
