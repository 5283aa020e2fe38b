/* limits.h -- every fixed bound of the program, with its unit and its reason.
 *
 * -DTIGHT shrinks what may be shrunk, so that the tests meet every edge with small data.
 */
#ifndef PIPELINE_BASE_LIMITS_H
#define PIPELINE_BASE_LIMITS_H

#define KIB (1024ULL)
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)

/* A program that has no memory for this much has none for anything. */
#define BUF_SMALL_MAX (64 * KIB)

/* Firehose, API reference PutRecord: 1000 KiB before base64. */
#define RECORD_MAX_BYTES 1024000ULL
/* Firehose, PutRecordBatch: records per call, and decoded bytes per call. */
#define PUT_BATCH_MAX_RECORDS 500
#define PUT_BATCH_MAX_BYTES   (4 * MIB)
/* A request body; 4 MiB of base64 is 5.6 MiB, the rest is JSON around it. */
#define API_BODY_MAX_BYTES (8 * MIB)
/* What one request takes at most: its body, and the records decoded from it. */
#define API_REQUEST_MEMORY (API_BODY_MAX_BYTES + PUT_BATCH_MAX_BYTES)
/* Firehose: [a-zA-Z0-9_.-]{1,64} */
#define STREAM_NAME_MAX 64

/* Record bytes in one frame of the spool: what a worker holds at once. Larger than the largest record. */
#define FRAME_MAX_BYTES (1 * MIB)
/* A position's source name and cursor. */
#define POSITION_SOURCE_MAX 512
#define POSITION_CURSOR_MAX 1024
/* What the pipeline may store with a seal (object key, codec, format). */
#define SEAL_NOTE_MAX 2048

/* An answer up to this is part of what an exchange holds anyway, and read on the delivery thread; a larger one takes its memory
 * from the budget, and is read by a worker. */
#ifdef TIGHT
#define ANSWER_SMALL_MAX (1 * KIB)
#else
#define ANSWER_SMALL_MAX (64 * KIB)
#endif

/* Names that are being resolved at once; each costs a thread, for as long as the resolver does not answer. */
#ifdef TIGHT
#define RESOLVER_THREADS_MAX 2
#else
#define RESOLVER_THREADS_MAX 64
#endif
/* All addresses of a name, as text; more are left out. */
#define RESOLVER_TEXT_MAX 512

/* Log lines that standard error has not taken yet; what does not fit is dropped and counted. Holds the longest line. */
#ifdef TIGHT
#define LOG_RING_BYTES (8 * KIB)
#else
#define LOG_RING_BYTES (256 * KIB)
#endif

/* Connections that an HTTP server accepts before it looks at the clients it has. */
#ifdef TIGHT
#define LISTENER_BURST 2
#else
#define LISTENER_BURST 64
#endif

/* Puts that wait for a disk that does not answer and are noted at a time; they all wait for the same one. */
#ifdef TIGHT
#define API_LATE_MAX 2
#else
#define API_LATE_MAX 256
#endif

/* Connections to the admin server. */
#define ADMIN_CONNECTIONS 64

/* Different reasons why records did not get through that are counted apart (rejects.h). */
#ifdef TIGHT
#define REJECTS_REASONS_MAX 2
#else
#define REJECTS_REASONS_MAX 8
#endif

/* What one record may become in a transform: so many records (none has to have a byte), of so many bytes together. One
 * that becomes more fails. CloudWatch Logs puts 10,000 events of 1 MiB together into one record at most. */
#ifdef TIGHT
#define TRANSFORM_RECORD_PIECES_MAX 4000
#define TRANSFORM_RECORD_MADE_MAX   (16 * MIB)
#else
#define TRANSFORM_RECORD_PIECES_MAX 100000
#define TRANSFORM_RECORD_MADE_MAX   (32 * MIB)
#endif
/* What a chain of transforms may keep of a batch for a transform in it that gives nothing before the batch's end. */
#ifdef TIGHT
#define TRANSFORM_HELD_MAX (4 * MIB)
#else
#define TRANSFORM_HELD_MAX (128 * MIB)
#endif
/* Buffers of a transform that grew larger than this for one record are given back behind it. */
#define TRANSFORM_KEEP_MAX (2 * MIB)

/* What a spool keeps free on its disk for what delivery must write there; less where segments are small. */
#ifdef TIGHT
#define SPOOL_RESERVE_BYTES (4 * KIB)
#else
#define SPOOL_RESERVE_BYTES (64 * KIB)
#endif

/* What is copied forward in one round of a spool (move.c): memory beside the budget, for a moment. At least one frame. */
#ifdef TIGHT
#define SPOOL_COPY_BYTES (4 * KIB)
#else
#define SPOOL_COPY_BYTES (1 * MIB)
#endif

/* A body larger than this lives in an unlinked file. */
#ifdef TIGHT
#define BODY_MEMORY_MAX (4 * KIB)
#else
#define BODY_MEMORY_MAX (4 * MIB)
#endif
/* ... and this is the most that one may hold there. A batch has 128 MiB at most (buffer.size), error lines are base64, JSON of other
 * bytes may be several times as long. */
#ifdef TIGHT
#define BODY_BYTES_MAX (256 * MIB)
#else
#define BODY_BYTES_MAX (1 * GIB)
#endif
/* A body of a single record that has no room in a file: the largest record, six times as long in JSON, and what stands around it. */
#define LONE_BODY_MEMORY_MAX (8 * MIB)

/* What a transform may make of a batch: twice what went in, or this if it is more. A batch that makes more is worked on in halves, down to
 * the record that makes so much alone, which fails. */
#ifdef TIGHT
#define TRANSFORM_MADE_MAX (2 * MIB)
#else
#define TRANSFORM_MADE_MAX (64 * MIB)
#endif

/* Batches of one stream that are sealed and not yet settled. Those that wait for their retry hold no place of deliveries_in_flight once
 * others get through, and no memory: a range in the spool, a seal in the journal, what was last seen (some KiB). */
#ifdef TIGHT
#define OPEN_DELIVERIES_MAX 24
#else
#define OPEN_DELIVERIES_MAX 128
#endif

/* Patterns that one with {a,b} may stand for. */
#define GLOB_ALTERNATIVES_MAX 1000

/* Truncated or deleted files that a tail remembers, to recognise their copies. */
#ifdef TIGHT
#define TAIL_PASTS_MAX 3
#else
#define TAIL_PASTS_MAX 256
#endif
/* Files of a tail whose last bytes are kept for the same reason; and how many of each, at least, if they came in one go (at
 * most twice as many). */
#ifdef TIGHT
#define TAIL_RECENT_MAX   2
#define TAIL_RECENT_BYTES (4 * KIB)
#else
#define TAIL_RECENT_MAX   16
#define TAIL_RECENT_BYTES (64 * KIB)
#endif
/* Of a possible copy, what is compared in one step of the input's loop. */
#ifdef TIGHT
#define TAIL_COMPARE_BYTES (1 * KIB)
#else
#define TAIL_COMPARE_BYTES (1 * MIB)
#endif
/* Files with a name like a new one's that it is compared with; and of these, those that must be opened for it, in its own
 * folder and in others. */
#ifdef TIGHT
#define TAIL_KIN_MAX   64
#define TAIL_OPEN_NEAR 16
#define TAIL_OPEN_FAR  2
#else
#define TAIL_KIN_MAX   4096
#define TAIL_OPEN_NEAR 64
#define TAIL_OPEN_FAR  4
#endif

/* `redrive` reads error objects in pieces of this size, */
#ifdef TIGHT
#define REDRIVE_PIECE (16 * KIB)
#else
#define REDRIVE_PIECE (256 * KIB)
#endif
/* asks a bucket for so much at once, */
#ifdef TIGHT
#define REDRIVE_FETCH (1 * MIB)
#else
#define REDRIVE_FETCH (8 * MIB)
#endif
/* and takes a line of more for none: a record in base64 with what stands around it is much shorter. */
#define REDRIVE_LINE_MAX (4 * MIB)

#endif
