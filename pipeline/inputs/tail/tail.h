/* tail.h -- the tail input's own header: what its files share. Nobody else includes it.
 *
 *     tail.c        options, start and stop
 *     schedule.c    whose turn it is; timers; the end of a file
 *     discover.c    which files there are: walks, events, rotation, deletion
 *     explain.c     why a pattern finds nothing
 *     read.c        one step of one file: read whole lines into a frame, append it, learn that it is safe
 *     copy.c        whether a new file is the copy of one that was read
 *     resume.c      stored positions, and the files they belong to
 *     hole.c        holes between lines
 *     begin.c       where reading begins: zeros and byte order marks, or the end
 *     unpack.c      compressed files: whose turn it is to be unpacked, and what is known of them
 *     verify.c      whether a file is still the one that was read
 *     past.c        what is known of files that are no more
 *     queues.c      what each file waits for, and what wakes it
 *     patterns.c    which paths are wanted
 *     shape.c       what becomes a record, where that is not simply a line; with multiline.c, container.c, fields.c
 *     files.c, place.c, packed.c, watch.c, glob.c, utf16.c, and reach.c, which only tail.c calls: their headers say it
 *
 * Each calls only what stands below it here.
 *
 * Threads    everything in struct tail belongs to the loop thread, but what is marked `guarded by lock`.
 * Invariant  no record bytes are held between two steps: what the spool does not take is read again later.
 */
#ifndef PIPELINE_INPUTS_TAIL_TAIL_H
#define PIPELINE_INPUTS_TAIL_TAIL_H

#include "pipeline/base/limits.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/loop_group.h"
#include "pipeline/inputs/tail/files.h"
#include "pipeline/inputs/tail/glob.h"
#include "pipeline/inputs/tail/shape.h"
#include "pipeline/inputs/tail/watch.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

enum tail_start { TAIL_START_BEGINNING, TAIL_START_END };
enum tail_compressed { TAIL_COMPRESSED_LEAVE, TAIL_COMPRESSED_READ };

struct tail_multiline_conf {
    int preset; /* enum multiline_preset */
    char *start, *go_on;
    nsec timeout;
};

struct tail_conf {
    struct cfg_strings paths, exclude;
    int start;    /* enum tail_start */
    int encoding; /* enum tail_encoding */
    int format;   /* enum container_format */
    struct tail_multiline_conf multiline;
    struct fields_conf add_fields;
    int compressed; /* enum tail_compressed */
    nsec last_line, rescan, ignore_older;
    int64_t max_open_files;
    bool follow_symlinks;
};

struct tail;

/* A frame on its way to safety. */
struct tail_write {
    struct spool_wait wait;
    struct tail *t;
    struct tail_file *f;
    struct tail_place after;
    bool safe;
    uint64_t records, bytes;
    STAILQ_ENTRY(tail_write) link;
};

struct tail_pattern {
    struct glob *glob;
    size_t item;  /* of `paths`: one with {a,b} makes several patterns */
    bool known;   /* walked before, perhaps in another run */
    bool unpacks; /* likewise, for compressed files, too */
    bool matches; /* a file was found */
};

/* A pattern of paths, or, where it has no slash, of names. */
struct tail_exclude {
    struct glob *path;
    char *name;
};

/* A stored position nobody has claimed yet: input of the first look at the file system. */
struct tail_known {
    struct tail_id id;
    struct tail_place place;
    char *path, *where;
    bool claimed, seen; /* seen: a folder that was walked has something with its inode */
};

/* What a file held before it was truncated or deleted. */
struct tail_past {
    uint64_t number;
    uint64_t inode;
    nsec noticed; /* wall */
    struct tail_place place;
    char *path;
    uint32_t stem;
    struct tail_heads heads; /* of an earlier run: none are known */
    char *recent;            /* what was read last of it, up to the place; may be NULL */
    size_t recent_n;
};

/* The last bytes that were read of a file. */
struct tail_recent {
    const struct tail_file *f;
    uint64_t end, used;
    char *bytes;
    size_t n, room;
};

struct tail {
    struct input_env env;
    struct loop_group group;
    struct loop_post begin;  /* the first look */
    struct pace_waiter pace; /* in env.pace */
    const struct tail_conf *conf;
    struct multiline *multiline; /* these three: NULL when the configuration asks for nothing of the kind */
    struct fields *fields;
    struct shape *shape;
    uint64_t gave_up; /* of multiline_gave_up(), what was logged */
    struct tail_pattern *patterns;
    struct tail_exclude *excludes;
    size_t pattern_count, exclude_count;
    bool reads_packed; /* compressed files, too */

    struct tail_files files;
    struct tail_queue ready, unfinished, failed, held_back;
    struct tail_file *unpacking; /* one at a time; NULL: none */
    size_t gone_count;           /* files that are gone */
    struct tail_known *known;
    size_t known_count;
    struct tail_past *pasts;
    size_t past_count;
    uint64_t past_number; /* of the last one */
    struct tail_recent recent[TAIL_RECENT_MAX];
    uint64_t recent_uses;

    struct tail_watch *watch; /* NULL: everything is polled */
    uv_idle_t turn;           /* active while files are ready */
    uv_idle_cb take_turn;     /* ... and what it does */
    uv_timer_t again;         /* after the spool or the budget said no */
    uv_timer_t tick;

    uint64_t look;     /* number of the current or last look at the file system */
    bool looking;      /* inside it */
    bool fresh_glob;   /* and the pattern was never walked before, in no run */
    bool fresh_packed; /* likewise, or not for compressed files */
    bool matched;      /* and it has found a file */
    bool polling;      /* a folder cannot be watched, so looks are frequent; said once */
    bool look_wanted;  /* soon, since the last one */
    nsec look_at;      /* mono; when the next look is due */
    nsec look_earlier; /* mono; the earliest next one: looks are kept to a small part of the time */
    nsec now;          /* mono; of the current callback */
    struct log_limit folder_log, cut_log, bare_log, gave_up_log;
    struct log_limit fail_log, rewritten_log, zeros_log, split_log, gone_log, again_log, missed_log, wide_log,
        stored_log, packed_log, window_log; /* of all files: TAIL_LOG_PERIOD */
    bool paused, paced;                     /* no turns for now; because enough is ahead of the deliveries */
    nsec held;                              /* since when nothing goes in; 0: it does */
    bool stopping;                          /* what is open ends now (shape.h) */
    bool stopped;
    bool told_finished;

    struct tail_write writes[TAIL_WRITES];
    STAILQ_HEAD(tail_writes, tail_write) free_writes;
    uint32_t in_flight;
    _Atomic uint32_t
        refused; /* failed writes not settled yet: nothing is appended meanwhile, it could not be in order */

    pthread_mutex_t lock;
    struct tail_writes done; /* guarded by lock: settled, in the order they were written */
};

/* Around what may wait for a disk (loop.h). Between tail_works() and tail_rests() the last one said counts. */
static inline void tail_works(struct tail *t, const char *doing, const char *path)
{
    loop_works(t->env.loop, t->env.stream, "tail", doing, path);
}

static inline void tail_rests(struct tail *t)
{
    loop_rests(t->env.loop);
}

enum tail_step {
    TAIL_STEP_MORE,    /* read on, after the others had their turn */
    TAIL_STEP_END,     /* at its end */
    TAIL_STEP_WAIT,    /* at a last line without '\n' */
    TAIL_STEP_BLOCKED, /* the spool or the budget is full, or too much is on its way: nothing was read */
    TAIL_STEP_HELD,    /* it may be a copy: until `due`, or something becomes known */
    TAIL_STEP_FAILED,  /* tail_fail() was called */
    TAIL_STEP_READ,    /* of unpack.c: it can be read now */
};

/* --- schedule.c --- */

/* On the loop: writes were settled, or the deliveries have moved. */
void tail_news(void *arg);
/* There is room for others, or all is done. */
void tail_settled(struct tail *t);
void tail_turns_start(struct tail *t);
/* Records that wait for lines that may belong to them wait no more. */
void tail_end_records(struct tail *t);

/* --- discover.c --- */

/* Walks all patterns: new files, new names of known ones, files that are gone. */
void tail_look(struct tail *t);
extern const struct tail_watch_events tail_scan_events;

/* --- explain.c --- */

/* Why pattern i finds nothing, or not all that it seems to: in one line. False: nothing is to be said. */
bool tail_explain(const struct tail *t, size_t i, struct err *e);
/* For `validate`: that, and what cannot be read. */
void tail_warn(struct tail *t, const struct cfg_options *o);

/* --- read.c --- */

enum tail_step tail_read(struct tail *t, struct tail_file *f);
void tail_writes_init(struct tail *t);
/* Everything that was settled since the last time, in the order it was written. */
void tail_writes_settle(struct tail *t);

/* --- copy.c --- */

/* Finds out whether a fresh file is a copy, and where it is read from. */
enum tail_step tail_judge(struct tail *t, struct tail_file *f);
/* The bytes at the file's beginning, and no others: most files are told apart by these. */
void tail_note_head(struct tail_file *f, struct slice first);

/* --- resume.c --- */

/* What is at dir_fd/name now; `path` is its whole path. */
typedef void (*tail_find_fn)(struct tail *t, int dir_fd, const char *name, const char *path, bool matched);

/* Reads the stored positions; then the first tail_look() gives them to their files. */
void tail_recover(struct tail *t);
/* Makes the place where a file is read next durable without a record. */
void tail_store_place(struct tail *t, const struct tail_file *f);
void tail_known_release(struct tail *t);
/* Is there one? A folder that is walked has something with this inode. */
bool tail_known_see(struct tail *t, uint64_t inode);
/* The stored position of this file, once; NULL when there is none. A file that is not `matched` under the name it has now is claimed only if the
 * one it had first is still wanted: another input of the stream has positions, too. */
struct tail_known *tail_known_claim(struct tail *t, const struct tail_id *id, bool matched);
/* After the first walk: searches for the files of the others. True: some were not found. */
MUST_CHECK bool tail_known_search(struct tail *t, tail_find_fn find);
/* Forgets what is gone. */
void tail_known_settle(struct tail *t);
/* Pattern i was walked: what it finds from now on is new. */
void tail_known_glob(struct tail *t, size_t i);
/* False while a file system may just not be mounted: then nothing can be said about a file that is missing. */
bool tail_device_is_there(const char *where, uint64_t device);

/* --- begin.c --- */

/* Nothing was read of the file yet: passes over what is no part of its first line. False: read on. */
MUST_CHECK bool tail_begin(struct tail *t, struct tail_file *f, enum tail_step *step);
enum tail_encoding tail_encoding_of(const struct tail *t, const struct tail_file *f);
/* What the mark at its beginning says; it is open. */
enum tail_encoding tail_learn_encoding(const struct tail *t, const struct tail_file *f);
/* Where reading begins for `start: end`: behind the last '\n'. `all`: behind all there is. */
struct tail_place tail_place_end(struct tail *t, struct tail_file *f, bool all);
/* How many of the bytes are whole lines. */
size_t tail_whole_lines(struct slice in, enum tail_encoding e);

/* --- unpack.c --- */

/* A compressed file is looked at; what is to be done says *step. 0, or errno. */
MUST_CHECK int tail_unpack_begin(struct tail *t, struct tail_file *f, enum tail_step *step);
/* It is its turn: goes on to where it is read next. False: once more. What is not compressed is there. */
MUST_CHECK bool tail_unpack_seek(const struct tail_file *f, uint64_t at);
/* Others have the memory that it wants. */
MUST_CHECK enum tail_step tail_unpack_wait(struct tail *t, struct tail_file *f);
/* It waits for something: another one has its turn. */
void tail_unpack_rest(struct tail *t, struct tail_file *f);
/* It is as if it had been read to its end. */
void tail_unpack_pass(struct tail *t, struct tail_file *f, uint64_t bytes, nsec modified);

/* --- hole.c --- */

struct tail_hole {
    bool found;
    size_t at; /* in the bytes that were looked at: its zeros begin there; else all of them */
    bool ends; /* something stands behind it, at the offset `to`: what is in front of it will not go on */
    uint64_t to;
};

/* In what was read of the file, at its place. `even`: of two bytes a character. */
struct tail_hole tail_find_hole(const struct tail_file *f, struct slice in, bool even);
/* It is what comes next. `before`: the bytes of the place's mark. */
enum tail_step tail_pass_hole(struct tail *t, struct tail_file *f, struct slice before, const struct tail_hole *h);

/* --- verify.c --- */

/* What was read of it is not in the file any more: it is read from its start. */
enum tail_step tail_start_over(struct tail *t, struct tail_file *f);
/* Reads the mark's bytes and, into `to`, what follows. -1: the file is not what it was. Else the bytes read into `to`;
 * on an I/O error *error is set. */
ssize_t tail_read_at(const struct tail_file *f, char before[TAIL_MARK_BYTES], char *to, size_t n, int *error);
/* Opens the file and learns its size. 0, or errno. */
MUST_CHECK int tail_refresh(struct tail *t, struct tail_file *f, bool *rewritten);
/* Nothing new, but it was written to: is it still the same? */
enum tail_step tail_verify_end(struct tail *t, struct tail_file *f, bool rewritten);

/* An error of tail_refresh(): it is not where it was found last, so it was renamed or deleted. A look finds out. */
bool tail_is_elsewhere(const struct tail *t, int error);

enum tail_whole_answer { TAIL_WHOLE, TAIL_REWRITTEN, TAIL_ELSEWHERE, TAIL_UNKNOWN /* it cannot be opened */ };
/* Is what was read of it still in it? If not it starts over, or will soon. */
enum tail_whole_answer tail_is_whole(struct tail *t, struct tail_file *f);

/* --- past.c --- */

/* What was read of this file is no more. Once for each life. */
void tail_past_keep(struct tail *t, struct tail_file *f);
void tail_past_known(struct tail *t, const struct tail_known *k); /* likewise, of one that was never found again */
/* `taken` is read of f, at its place. */
void tail_recent_note(struct tail *t, const struct tail_file *f, struct slice taken);
void tail_recent_forget(struct tail *t, const struct tail_file *f);
/* False: not the source of a past. */
MUST_CHECK bool tail_past_recover(struct tail *t, struct slice source, struct slice cursor);
void tail_pasts_expire(struct tail *t);
void tail_pasts_release(struct tail *t);

/* --- queues.c --- */

void tail_set_state(struct tail *t, struct tail_file *f, enum tail_state s);
/* It is worth looking into f: it becomes ready, whatever it waited for. */
void tail_wake(struct tail *t, struct tail_file *f);
/* What held them back may be over. */
void tail_wake_held(struct tail *t);
/* Turns are taken again, if files are ready. */
void tail_turn_on(struct tail *t);
/* A file that will be gone, or is, does not wait for the deliveries. */
void tail_hurry(struct tail *t);
/* No name of it is left; or one was found after all. */
void tail_set_gone(struct tail *t, struct tail_file *f, bool gone);
/* Something changed: a look soon; not at once, as changes come in bursts. */
void tail_look_soon(struct tail *t);
/* f must be opened or read again later; `error` says why. Logged, counted, retried less and less often. */
void tail_fail(struct tail *t, struct tail_file *f, const char *doing, int error);
/* What helps against an error of open or read. */
const char *tail_advice(int error);

/* --- patterns.c --- */

/* On mistakes in a pattern, what was parsed stays for tail_patterns_release(). */
MUST_CHECK int tail_patterns_parse(struct tail *t, const char *base_dir, struct err *e);
void tail_patterns_release(struct tail *t);
bool tail_is_excluded(const struct tail *t, const char *path); /* also when it is compressed */
bool tail_is_compressed(const char *name);
bool tail_is_packed(const struct tail *t, const char *name); /* compressed, and read all the same */
/* One of the patterns finds it, be it left alone or not. */
bool tail_is_found(const struct tail *t, const char *path);
bool tail_is_wanted(const struct tail *t, const char *path);
/* Every mistake in them. */
void tail_patterns_check(const struct tail_conf *c, const char *base_dir, const struct cfg_options *o);
/* As follow_symlinks says. -1: errno. */
MUST_CHECK int tail_open_path(const struct tail *t, const char *path, int flags);
/* Of the path itself, should it be a link. 0 or errno. */
MUST_CHECK int tail_stat_path(const struct tail *t, const char *path, struct tail_stat *st);

/* False when it would be too long. */
MUST_CHECK bool tail_join(char path[PATH_MAX], const char *dir, const char *name);
void tail_folder_of(char *path); /* cuts the name off */

#endif
