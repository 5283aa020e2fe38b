/* shards.h -- the shards of a stream: which of them may be read, from where, and what the spool has to remember of each.
 *
 * A shard is split in two or merged with another: it is closed then, and its records go on in its children. Nothing is lost and each key
 * stays in order because of four rules:
 *
 *   1. A shard is read when all its parents have been read to their end. One that was closed before the first start is one like any other.
 *   2. A child is read from its oldest record on, whatever `start` says: that holds only for the shards of the first listing.
 *   3. That a shard was read to its end is remembered until all its children have places of their own, and then forgotten.
 *   4. So a shard of which nothing is known, but of whose children something is, was read to its end long ago.
 *   5. An answer that says that there is no more is the end only of a shard that was known to be closed: it names its children, or a
 *      listing before it has some of them or says so. Else the shard is asked again behind the next listing.
 *
 *     HELD --its parents are over--> READY --an iterator--> READING --the last answer--> DRAINED --all is safe--> ENDED --its children
 *       have places--> OVER            ^                       |                            |
 *                                      +--the iterator is old--+--it was not known closed---+
 *
 * A stream that was deleted and made again has the same names for its shards. That is seen in the listing: a shard's first sequence number
 * is larger than that of what was read of it or, where that is forgotten, than it was.
 *
 * No I/O, no clock: what was listed and what came back goes in, what to ask next comes out; what the spool has to note goes to `log`, in the
 * order in which it must become durable. The same places come in again at the next start, or when the spool has refused records.
 *
 * Ownership  shards belong to the set. One that is `busy` (a call is about it) is never removed. Threads: one.
 */
#ifndef PIPELINE_INPUTS_KINESIS_SHARDS_H
#define PIPELINE_INPUTS_KINESIS_SHARDS_H

#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"
#include "pipeline/inputs/kinesis/place.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARD_ID_MAX 128
#define HASH_KEY_MAX 39 /* digits: of 128 bits */

enum shard_state {
    SHARD_HELD,
    SHARD_READY,
    SHARD_READING,
    SHARD_DRAINED,
    SHARD_ENDED,
    SHARD_OVER,
};

struct shard {
    enum shard_state state;
    char id[SHARD_ID_MAX + 1], parents[2][SHARD_ID_MAX + 1]; /* "": none */
    char first[SEQUENCE_MAX + 1];                            /* its first sequence number; "": not known */
    char hashes[2][HASH_KEY_MAX + 1];                        /* its lowest and highest hash key; "": not known */
    struct place place; /* where reading goes on, behind what was taken; PLACE_NONE: nothing is known of it */
    struct place base;  /* the last one that the spool was told without records, or gave back */
    char *iterator;     /* while READING */
    bool busy;
    bool resumes;            /* no record came since it got its iterator */
    uint64_t last;           /* the number of the last record that was taken */
    nsec due;                /* mono; asked not before */
    unsigned failures;       /* in a row */
    bool caught_up;          /* the last answer had nothing, and there was nothing more */
    int64_t behind_ms;       /* as the service says, when it was: */
    nsec asked;              /* wall; 0: never */
    unsigned ask_for;        /* records at once; 0: as many as there may be */
    bool listed;             /* in the last listing */
    bool closed;             /* as a listing, or an answer, has said */
    bool ends;               /* while DRAINED: it was closed before its last answer */
    bool missing;            /* the service does not know it */
    bool suspect;            /* the service does not know its place */
    bool mine;               /* shared: it is ours to read */
    bool revoked;            /* what the call about it brings is not wanted any more */
    struct place mark, safe; /* shared: becomes safe with the record `marked`; all up to it is */
    uint64_t marked;         /* 0: nothing is marked */
    size_t children, placed; /* scratch */
};

struct shards_log {
    void (*remember)(void *ctx, const char *shard, const struct place *p); /* "": the stream was begun */
    void (*forget)(void *ctx, const char *shard);
    void (*gone)(void *ctx, const char *shard); /* it is not there any more, and was not read to its end */
    void (*restarted)(void *ctx,
                      const char *shard); /* its place means nothing to the service: it is read from its start */
    void *ctx;
};

/* As a listing has it. */
struct shard_description {
    struct slice id, parents[2]; /* empty: none */
    struct slice first;          /* its first sequence number; empty: not known */
    struct slice hashes[2];      /* its lowest and highest hash key; empty: not known */
    bool closed;                 /* it has a last one */
};

struct shard_listed;

struct shards {
    struct shard **v; /* by id */
    size_t n, room;
    struct shard_listed *listing; /* what was listed so far: it counts when it is complete */
    size_t listed, listing_room;
    bool begun; /* the first listing is known to the spool */
    bool list_due;
    bool shared;   /* others read the stream, too: see below */
    uint64_t safe; /* all up to this number */
    struct shards_log log;
};

void shards_init(struct shards *s, const struct shards_log *log);
void shards_release(struct shards *s);

/* What the spool has: shards_rewind() first, if there was anything before. Then a listing is due. */
void shards_restore(struct shards *s, const char *id, const struct place *p);
/* The spool has refused what followed the last safe record: reading goes on from the places that are restored next. No shard is busy. */
void shards_rewind(struct shards *s);

/* Of a stream that several daemons read (`shared`, set behind shards_init()) leases.h decides which shards are ready, where each begins, and
 * what is remembered when it was read to its end. HELD is one that is not ours; it stays ENDED until it is not listed any more.
 *
 * Ours, from `p` on; `again`: it was ours before, and goes on at its own place if that is further. */
void shards_grant(struct shards *s, const char *id, const struct place *p, bool again, nsec now);
/* Not ours any more: nothing more is taken of it. Its place stays. */
void shards_revoke(struct shards *s, const char *id);
/* The place up to which all is safe. */
struct place shard_safe_place(const struct shards *s, struct shard *x);
struct shard *shards_find(const struct shards *s, const char *id); /* NULL: not known */

/* Children that an answer names without a listing do not count: of a merge the other parent, or where that came from, might not be known
 * yet, and would be taken for one that is long over. */
void shards_list_begin(struct shards *s);
void shards_list(struct shards *s, const struct shard_description *d);
enum shards_verdict {
    SHARDS_FINE,
    SHARDS_OF_ANOTHER, /* the stream was deleted and made again: nothing was changed; see shards_forget_all() */
};
/* Behind the last page. `start`: where the shards of the first listing are read from. */
MUST_CHECK enum shards_verdict shards_list_end(struct shards *s, const struct place *start, nsec now);
/* Nothing is known of the stream's shards any more; all that will be listed are read from their start. No shard is busy, and no record of
 * theirs is on its way to the spool. */
void shards_forget_all(struct shards *s);

/* The one that has waited longest, READY or READING. NULL: none is due; *next (mono) is when one will be, unless a call ends before. */
struct shard *shards_due(const struct shards *s, nsec now, nsec *next);

void shard_got_iterator(struct shard *x, struct slice iterator);
/* The record was taken as `number`; reading goes on at `place`. */
void shard_took(struct shard *x, const struct place *place, uint64_t number);
/* The answer names its children; before shard_was_read(). */
void shard_is_closed(struct shard *x);
/* All records of an answer were taken. `next`: the iterator for more; empty: there is no more. The shard is asked again at `due`. */
void shard_was_read(struct shards *s, struct shard *x, struct slice next, bool caught_up, nsec due, nsec now);
/* It has to be asked for another iterator, not before `due`. */
void shard_lost_iterator(struct shard *x, nsec due);
void shard_is_missing(struct shards *s, struct shard *x);
void shard_place_refused(struct shards *s, struct shard *x);

void shards_safe(struct shards *s, uint64_t upto, nsec now);

/* All is read, as far as it goes, and safe. */
bool shards_are_read(const struct shards *s);
/* One was read to its end, and its children are not listed yet. */
bool shards_miss_children(const struct shards *s);
/* Since when the oldest record waits that was not read (wall), as far as one knows; 0: none does. `held`: nothing is read at the moment, so that
 * some may have come to each shard since it was asked. */
nsec shards_wait_since(const struct shards *s, bool held);

#endif
