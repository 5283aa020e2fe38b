/* impl.h -- one input kinesis, as its files see it: kinesis.c (turns, beginning and end), ask.c (what is asked and what comes back),
 * feed.c (records on their way into the window) and trouble.c (a shard that waits).
 *
 * Threads    the input's own, but for open and close.
 */
#ifndef PIPELINE_INPUTS_KINESIS_IMPL_H
#define PIPELINE_INPUTS_KINESIS_IMPL_H

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/inputs/aws/caller.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/input_thread.h"
#include "pipeline/inputs/kinesis/call.h"
#include "pipeline/inputs/kinesis/options.h"
#include "pipeline/inputs/kinesis/reach.h"
#include "pipeline/inputs/kinesis/share.h"
#include "pipeline/inputs/kinesis/shards.h"
#include "pipeline/inputs/window.h"
#include "transforms/unpack/kpl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    struct aws_call call;
    enum kinesis_operation op;
    struct shard *shard; /* busy; NULL: of a listing */
    unsigned asked;      /* records */
    nsec began;          /* mono */
    struct kinesis_answer answer;
    bool holds;    /* records of `answer` are not in the window yet */
    size_t next;   /* the first of them */
    uint64_t came; /* which of the answers it was: they are taken in this order */
};

/* The record that goes into the window now. */
struct opened {
    const struct reader *reader; /* NULL: none */
    size_t index;
    struct buf data, scratch;
    bool aggregated;
    struct kpl_reader rest; /* behind `sub` */
    uint64_t sub;           /* the record in it that is next, from 0 */
    struct kpl_keys keys;
    bool more; /* `part` is it */
    struct kpl_record part;
};

enum phase {
    READING,
    REWINDING,  /* the spool has refused records: what is under way ends first */
    RECREATING, /* the stream is another one: likewise, and what was read of the old one becomes safe */
};

struct input {
    const struct kinesis_conf *conf;
    struct input_env env;
    const char *label; /* for the log */
    struct input_thread *thread;
    struct pace_waiter pace;
    struct aws_caller caller;
    struct kinesis_address address;
    char origin[KINESIS_STREAM_MAX + 32];
    char source[POSITION_SOURCE_MAX]; /* of positions: the shard's id follows */
    struct budget room;               /* of answers */

    /* The thread's: */
    bool begun;
    enum phase phase;
    struct window window;
    unsigned frame_sources; /* that the open frame has places of, at most */
    struct shard *putting;  /* its records go into the window now */
    struct shards shards;
    struct share share;
    struct place start; /* of the first listing */
    nsec list_began;    /* mono */
    struct reader readers[KINESIS_READERS];
    struct opened opened;
    struct buf facts, token;
    uint64_t numbers, answers;
    bool listing, list_too_long;
    unsigned pages;                          /* of the listing, so far */
    nsec list_at;                            /* mono */
    nsec list_wait;                          /* the pause before that, while children are missing */
    struct connection trouble, list_trouble; /* of reading; of ListShards: each stands by itself */
    size_t largest;                          /* of the answers lately, bytes */
    bool told_finished, facts_cut_shown;
    struct log_limit throttled, too_large;
    nsec told_oldest; /* mono */
};

/* --- feed.c */

/* What shards.h wants noted goes to the spool. */
struct shards_log kinesis_log(struct input *in);
/* The places that the spool has. */
void kinesis_restore(struct input *in);
/* The window's (window_conf.closing); `ctx`: the input. */
void kinesis_on_closing(void *ctx);
/* Answers that have come go into the window, in the order in which they came, as far as it takes them. */
void kinesis_put_arrived(struct input *in, nsec now);
struct reader *kinesis_oldest_answer(struct input *in); /* that is not in the window; NULL: none */
void kinesis_reader_over(struct input *in, struct reader *r);
void kinesis_close_record(struct opened *o);
/* The health hears how long the oldest record waits that is not read, now and then. */
void kinesis_tell_oldest(struct input *in, nsec now);

/* --- trouble.c */

/* It is asked again later, and that is said now and then. */
void kinesis_shard_backs_off(struct input *in, struct shard *x, const char *cause, const char *said, const char *hint,
                             nsec now);
/* A record of its answer, or the whole of it, is not what Kinesis says. */
void kinesis_shard_malformed(struct input *in, struct reader *r, const struct err *e, nsec now);

/* --- ask.c */

void kinesis_take_answers(struct input *in, nsec now);
void kinesis_start_calls(struct input *in, nsec now);
unsigned kinesis_under_way(const struct input *in);
void kinesis_cancel_calls(struct input *in);
void kinesis_drop_answers(struct input *in);

#endif
