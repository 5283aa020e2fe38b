/* input.h -- what every input implements: something that turns the outside world into frames in a stream's spool.
 *
 * An input acknowledges to its source only what the spool has called safe (spool_wait.done with safe = true), and
 * pushes back in its own way when the spool or the budget is full, and says so (pushback.h); it never drops. It asks the spool at start where to
 * go on (spool_positions). Two streams with the same input section have two instances, each with its own spool.
 *
 * How to write one that reads files or descriptors: read stdin.c, the smallest. It is one file with one const struct input_ops at its bottom, and one row in
 * registry.c. (An input of several files is a folder with a layer() line in CMakeLists.txt, as tail/.) Then
 *
 *   - `fields` are its options. The manual, the hints for misspelt keys and `validate` know them from there.
 *   - open() takes what it needs or says what is missing. Memory that stays for as long as the input lives does not come from env->budget:
 *     a record that is larger than that waits until nobody holds any of it. What it is at most stands in limits.h and on the input's page, and
 *     when it is more than a little it is `read_ahead`, of which env->ahead has a share for it.
 *   - `loop` says that it works on the loop of its stream. start() runs in the main thread, on a loop that is held mostly: loop_call() initialises the handles, loop_group_add()
 *     notes them. What may wait for a disk is posted, so that it holds up nobody's start.
 *   - Around what may wait for a disk: loop_works() before, loop_rests() behind. So whoever asks hears which file it waits for.
 *   - Records go into a frame (frame.h): frame_new(), frame_add() or frame_wrote_lines(), frame_set_origin(); where a
 *     crash should go on, frame_set_position(). What is known of one record alone goes with it: frame_add_message().
 *     Then spool_append() with a spool_wait. A record that does not fit into FRAME_MAX_BYTES has a frame of its own,
 *     frame_new_lone(), up to RECORD_MAX_BYTES; for such a frame the spool may answer SPOOL_TOO_LARGE, which stays so.
 *   - A source that can be read again has a position. One that hands messages out until they are acknowledged hands them out once
 *     more when the acknowledgement is lost: it has ids, frame_set_id_source() and frame_message.id, and asks spool_id_seen() first.
 *   - SPOOL_FULL, SPOOL_FAILING and a frame_new() without memory mean: keep the records, stop reading, try again by a timer. Say so
 *     with pushback_note(), or pushback_wait() for memory.
 *   - spool_wait.done comes on the committer's thread. It notes the outcome and calls loop_group_tell(), nothing else. With
 *     safe = false the records are not in the spool: they are offered again, or read again. Only safe = true is acknowledged.
 *   - An input that can read the same again asks pace_waits() before it reads, and joins the pace (pace.h) to be woken. One that cannot
 *     takes what comes, and so does one whose source forgets what is old (topics and streams have a retention).
 *   - With env->once it ends when there is no more and all is safe, and calls env->finished. One that cannot know its end is not `finite`.
 *   - Each frame that is safe is counted: input_health_add(). What cannot be read is input_health_error().
 *   - stop() is loop_group_stop(), stopped() is loop_group_left(); close() releases all. What was appended may become safe
 *     before that.
 *
 * A queue, a broker or a stream, by contrast, is six parts that are there, and its own protocol:
 *
 *   input_thread.h  a thread of its own, for a library that blocks, its number in `threads`; then start() is input_thread_start(), stop() is
 *                   input_thread_stop(), stopped() is input_thread_ended(). run() is one loop of turns:
 *                       connection_is_due()? connect      connection_failed(), connection_works()
 *                       window_has_room()? read messages  window_put() each with a number that grows; else pause the source in its way
 *                       window_flush()                    what was read goes to the spool
 *                       window_look()                     safe up to number n: acknowledge. Refused: give back or seek, window_reset()
 *                       input_thread_wait()               for the source, the spool (`news`) or the end
 *                   and behind it the last work: what the window has becomes safe and is acknowledged, the rest is given back, all within
 *                   two seconds (input_thread_linger())
 *   window.h        takes messages in, bounds what has no answer yet, makes frames, drops what is known, pushes back, and says up to
 *                   which message all is safe
 *   connection.h    when to try again, and what the log says of it
 *   health.h        at env->health: what /metrics, the console and /readyz show. The window counts records, bytes and duplicates; the
 *                   connection says whether the source is reached; the input adds lag, age and what the source says was handed out before
 *   probe()         for `sluice validate`: connects, logs in, and looks whether what is to be read is there
 *   optional_input() in CMakeLists.txt, when it needs a library of its own: then sluice can be built without it
 *
 * sqs/ is one of these. Its page in docs/ says what is promised, what a script sees, and what to do when something is wrong; docs/inputs.md
 * says what is the same for all. A message that is larger than RECORD_MAX_BYTES, or than the spool takes (WINDOW_TOO_LARGE), is no record:
 * it stays at its source or goes where that puts such messages, with input_health_error() and a line in the log that names the limit.
 *
 * What several streams share at one place (an address, its threads and clients) is a listener (listener.h); an input asks for its own in
 * env->listeners, takes its place there in open() or start(), and gives it up in stop() and close(). There are three:
 *
 *   HTTP servers    servers.h: an input to which messages are pushed has a path on one. It is a protocol on the ground of push/push.h, or answers by
 *                   itself (http/server/server.h) when the spool has called the records safe; stop() is http_route_shut(), stopped() is
 *                   http_route_idle()
 *   sockets         listen/hub.h: one to which others send by TCP, UDP or unix sockets is a protocol on the ground of listen/listen.h
 *   the API         api/: its options stand in a section at the top of the file (`section`), so each stream has it the same way. A listener with
 *                   a section is one more struct listener_section, a block in settings_fields and the input of its name
 *
 * One that makes HTTP requests has env->agent (http/agent/agent.h), by a call from its thread or with an answer that comes to its loop. The
 * requests it makes itself, as a sink does: TLS (http/tls.h), proxy, time limits, AWS's signature (aws/sign.h) with credentials that may
 * say "not yet" (aws/credentials/credentials.h).
 *
 * Tests: tests/unit/inputs/input_rig.h is a loop, a spool and a disk that fails; a row in tests/e2e/test_binary_records.py shows that any bytes
 * pass; a scripted peer of its protocol (tests/e2e/sqs_peer.py) misbehaves on request; tests/servers has real ones.
 *
 * Threads    open, start, stop, close: the main thread. What an input does between start and stop is its own affair:
 *            the loop thread (loop.h) for files, sockets and timers, or the HTTP server's pool (api.h).
 * Ownership  env and conf outlive the input.
 */
#ifndef PIPELINE_INPUTS_INPUT_H
#define PIPELINE_INPUTS_INPUT_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/budget.h"
#include "pipeline/base/err.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/metrics.h"
#include "pipeline/inputs/health.h"
#include "pipeline/inputs/pace.h"
#include "pipeline/inputs/pushback.h"
#include "pipeline/spool/source_journal.h"
#include "pipeline/spool/spool.h"

#include <stdbool.h>

struct input;
struct input_loop;
struct http_agent;
struct listener_ops;
struct listeners;

/* What lies in libraries, where no budget counts it. All inputs of a process together have `most` of it, a part of limits.memory. When they want
 * more, each gets less, in proportion. */
struct input_ahead {
    uint64_t most, wanted; /* zero: no limit */
};

/* Of one that wants so much: what it may have. */
static inline uint64_t input_ahead_share(const struct input_ahead *a, uint64_t want)
{
    uint64_t share = want;

    if (a->wanted > a->most)
        share = (uint64_t)((double)want / (double)a->wanted * (double)a->most);
    if (share < READ_AHEAD_LEAST)
        share = READ_AHEAD_LEAST;
    return share < want ? share : want;
}

/* What an input may tell of its stream to clients that ask (DescribeDeliveryStream). Any thread, as long as the input is not closed. */
struct input_tale {
    nsec created;
    uint32_t (*version)(void *ctx);    /* how often its destination has been another one */
    size_t (*destinations)(void *ctx); /* > 0; it may change at any time */
    /* Appends the members of one of them, each with a comma before it; of one that is gone nothing. -1: out is full. */
    int (*add_destination)(void *ctx, size_t index, const char *region, const char *account, struct buf *out);
    void *ctx;
};

struct input_env {
    const char *stream;
    struct spool *spool;
    struct budget *budget;       /* for frames */
    struct input_ahead ahead;    /* what is read ahead beside that */
    struct budget *windows;      /* for what is unpacked (unpack_share()); NULL: no limit */
    struct budget *descriptors;  /* for files held open, each counts 1; NULL: no limit */
    struct metrics *metrics;     /* of the stream */
    struct input_health *health; /* of this input (health.h); may be NULL */
    struct pushback *pushback;   /* noted whenever something cannot be taken now; may be NULL */
    struct pace *pace;           /* for inputs that can read the same again; NULL: never wait */
    struct input_tale tale;
    struct listeners *listeners; /* what it shares with other inputs is asked for there (listener.h) */
    /* For an input that makes HTTP requests: http_agent_use() in open (http/agent/agent.h). */
    struct http_agent *agent;
    struct source_journal *seals; /* for one that shares its source (input_ops.shares); else NULL */
    struct input_loop *loop;      /* the stream's (loop_set.h), for one that says so (input_ops.loop) */
    const char *base_dir;         /* folder of the YAML file: relative paths start there */
    bool once;                    /* run --once: read what is there to its end, then call finished */
    /* once: everything there was has been read and is safe. From any thread, at most once per input. May be NULL. */
    void (*finished)(void *ctx);
    void *ctx;
};

/* For `validate`. */
struct input_probe {
    const char *base_dir;
    struct http_agent *agent; /* it runs */
    nsec until;               /* mono; it has ended by then, or soon behind it */
};

struct input_ops {
    const char *name; /* what users write in YAML: tail, stdin */
    const char *help;
    const struct cfg_field *fields; /* options; ends with a NULL name */
    size_t conf_size;
    bool finite; /* ends by itself with --once */
    bool single; /* there is one source in all, read once: one stream may have it */
    bool loop;   /* it works on the loop of its stream (env->loop) */
    /* Its options stand in the section of this listener (listener.h), which is open before it starts; a stream has it once, and it stays while others
     * are replaced. NULL: it has its own. */
    const struct listener_ops *section;
    /* How many threads of its own an instance has at most (input_thread.h). NULL: none. */
    unsigned (*threads)(const void *conf);
    /* How many descriptors its connections need at most: they are set aside, and are none of env->descriptors. NULL: none. */
    unsigned (*sockets)(const void *conf);
    /* How many bytes it would like to hold in a library, beside env->budget, for as long as it lives; it holds input_ahead_share() of
     * it at most. NULL: none. */
    uint64_t (*read_ahead)(const void *conf);

    MUST_CHECK int (*open)(struct input **in, const void *conf, const struct input_env *env, struct err *e);
    MUST_CHECK int (*start)(struct input *in, struct err *e);
    /* Asks it to stop, and does not wait: a disk may keep its thread. Again: nothing. */
    void (*stop)(struct input *in);
    /* After a stop. True: nothing more is appended; what was appended may still be on its way to safety. False: not by `until` (mono). */
    MUST_CHECK bool (*stopped)(struct input *in, nsec until);
    void (*close)(struct input **in); /* it has stopped, and after it the committer: no more `done` calls */
    /* For one whose options stand in a section: it has stopped, its stream was opened anew, and it goes on with what is in `env`. */
    void (*resume)(struct input *in, const struct input_env *env);

    /* Reports every mistake in the options (config/options.h), also when some of them could not be bound and are zero. May
     * be NULL. */
    void (*check_conf)(const void *conf, const char *base_dir, const struct cfg_options *o);
    /* Would two of it in one stream have the same positions in its spool, so that each goes on where the other was? That is refused. Some
     * options may be zero, as above. NULL: they never would. */
    bool (*same_positions)(const void *conf, const void *other);
    /* Would two of it, of one stream or of two, be one client for their server, which lets in one at a time? That is refused. Some options may be
     * zero, as above. NULL: they never would. */
    bool (*same_client)(const void *conf, const void *other);
    const char *same_client_text; /* said then, behind "line 7 "; NULL: that they have one name for the server */
    /* For inputs to which messages are pushed: where, as "ADDRESS/PATH", several of them with blanks between; cut to `size`. Two of one route
     * are refused. Some options may be zero; then "". NULL: nothing is pushed to it. */
    void (*route)(const void *conf, const char *stream, char *out, size_t size);
    /* For inputs that read files: would it read a local file of this name (as true_path() gives it), if there were one? *item is which of its
     * `paths`. All three, or NULL. */
    void *(*reach_open)(const void *conf, const char *base_dir, nsec wait); /* for its disks, at most */
    bool (*reach_has)(const void *reach, const char *path, size_t *item);
    void (*reach_close)(void **reach);
    /* Do daemons share this source so that each record is delivered once, by any of them? Then its stream's seals are kept at the source
     * (spool/source_journal.h): it is the only input of its stream, and env->seals is there. `identity` (16 bytes): the same for all who share
     * it. Options may be zero, as above. NULL: no. */
    bool (*shares)(const void *conf, unsigned char *identity);
    /* Of the files that it reads once, when it begins: another one when any of them is another, and then a reload begins it anew. NULL: it
     * reads none, or sees by itself that they have changed. */
    void (*digest)(const void *conf, const char *base_dir, unsigned char out[32]);
    /* For `validate` and a reload: would it begin with what these hold? -1: what is wrong with them. NULL with digest. */
    int (*check)(const void *conf, const char *base_dir, struct err *e);
    /* For `validate`: warns of what it would stumble over now (files that cannot be read). May be NULL. */
    void (*look)(const void *conf, const char *base_dir, const struct cfg_options *o);
    /* Likewise: reaches the source and asks whether it would let us in and has what is to be read, without taking or changing anything. -1: what
     * is wrong, and what to do. Runs on a thread of its own beside others. NULL: there is no source to reach. */
    int (*probe)(const void *conf, const struct input_probe *p, struct err *e);
};

const struct input_ops *input_find(const char *name); /* NULL: there is none, or it was left out */
const struct input_ops *input_at(size_t index);
/* The names of those that this program was built without. */
const char *input_left_out(size_t index);

#endif
