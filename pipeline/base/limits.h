/* limits.h -- every fixed bound of the program, with its unit and its reason.
 *
 * A bound is what limits memory, pieces, queues, counts, depths, threads or times. What stands elsewhere: facts of a format or a
 * protocol (with the code that reads it), the widths of texts for people, and what an operator can set (the option tables).
 *
 * LIMIT(normal, tight): -DTIGHT shrinks what may be shrunk, so that the tests meet every edge with small data. A bound without a
 * tight value is one that others rely on, or one that small data meets anyway.
 */
#ifndef PIPELINE_BASE_LIMITS_H
#define PIPELINE_BASE_LIMITS_H

#include "pipeline/base/clock.h"

#define KIB (1024ULL)
#define MIB (1024ULL * KIB)
#define GIB (1024ULL * MIB)

#ifdef TIGHT
#define LIMIT(normal, tight) (tight)
#else
#define LIMIT(normal, tight) (normal)
#endif

/* --- records ------------------------------------------------------------------------------------------------------- */

/* The largest record there is, wherever it comes from: what Kinesis and managed Kafka hand over. Every part of the way from
 * spool_append() to a sink's body takes one. */
#define RECORD_MAX_BYTES LIMIT(10 * MIB, 1536 * KIB)

/* API reference, PutRecord: 1000 KiB before base64. */
#define API_RECORD_MAX 1024000ULL
/* Files, standard input and `put`: a line has no more than what the API takes, so `redrive` can put back all that came in as lines. */
#define LINE_MAX_BYTES API_RECORD_MAX

/* --- what Firehose takes ------------------------------------------------------------------------------------------- */

/* PutRecordBatch: records per call, and decoded bytes per call. */
#define PUT_BATCH_MAX_RECORDS 500
#define PUT_BATCH_MAX_BYTES   (4 * MIB)
/* A request body; 4 MiB of base64 is 5.6 MiB, the rest is JSON around it. */
#define API_BODY_MAX_BYTES (8 * MIB)
/* What one request takes at most: its body, and the records decoded from it. */
#define API_REQUEST_MEMORY (API_BODY_MAX_BYTES + PUT_BATCH_MAX_BYTES)
/* [a-zA-Z0-9_.-]{1,64} */
#define STREAM_NAME_MAX 64
/* buffer.size and buffer.compressed_size. Where only the latter is given, a batch has at most this part of spool.limit. */
#define BUFFER_SIZE_MAX   (5 * GIB)
#define BUFFER_SPOOL_PART 4

/* A stream whose destinations are others by name is opened anew: how often it is looked whether one that goes has got all, how long that may
 * take for what came last; how long attempts that are under way may take to end by themselves, and how long for workers and senders to bring back what they have. */
#define REOPEN_LOOK    (20 * NSEC_PER_MSEC)
#define REOPEN_LAST    (2 * NSEC_PER_SEC)
#define REOPEN_STOP    (5 * NSEC_PER_SEC)
#define REOPEN_GIVE_UP (20 * NSEC_PER_SEC)

/* --- base ---------------------------------------------------------------------------------------------------------- */

/* A program that has no memory for this much has none for anything; it has so long to say so. */
#define BUF_SMALL_MAX (64 * KIB)
#define MEM_SAY_IT_MS 100
/* A file that is read as a whole is read in pieces of this. */
#define IO_READ_BYTES LIMIT(64 * KIB, 7)
/* First size of what doubles from there: bytes of a buffer, places of a heap. */
#define BUF_FIRST  LIMIT(256, 8)
#define HEAP_FIRST LIMIT(16, 1)

/* Arrays and objects inside one another, where a reader does not ask for less: one bit each. */
#define JSON_DEPTH_MAX 1024
/* Of MessagePack, which costs no memory: what a script's JSON takes. */
#define MSGPACK_DEPTH_MAX 128

/* A body larger than this lives in an unlinked file. */
#define BODY_MEMORY_MAX LIMIT(4 * MIB, 4 * KIB)
/* ... and this is the most that one may hold there. A batch has 5 GiB at most (buffer.size), error lines are base64, JSON of
 * other bytes may be several times as long: what does not fit goes in halves. */
#define BODY_BYTES_MAX LIMIT(8 * GIB, 256 * MIB)
/* A body of a single record that has no room in a file: the largest that the API takes, six times as long in JSON, and what stands
 * around it. One of a larger record gets more while there is plenty: the record in base64, and what stands around it. */
#define LONE_BODY_MEMORY_MAX    (8 * MIB)
#define LONE_BODY_MEMORY_FOR(n) (2 * (n) + 2 * MIB)
/* What is collected before it is written to that file. */
#define BODY_WRITE_BUFFER_MAX LIMIT(256 * KIB, 512)

/* What was read aside is believed for so long: a rotated key is taken up with the next attempt. Reading that takes longer than timeout
 * hangs; what is known already serves meanwhile. */
#define ASIDE_BELIEVED (1 * NSEC_PER_SEC)
#define ASIDE_TIMEOUT  (5 * NSEC_PER_SEC)

/* The longest log line, its newline counted: what a pipe takes in one piece. */
#define LOG_LINE_MAX 4096
/* Log lines that standard error has not taken yet; what does not fit is dropped and counted. Holds the longest line. */
#define LOG_RING_BYTES LIMIT(256 * KIB, 8 * KIB)
/* Milliseconds for the last line of a thread that cannot wait, and until a full descriptor that does not wait is asked again. */
#define LOG_RESCUE_WAIT_MS 100
#define LOG_FULL_WAIT_MS   200

/* A canonical request, and what goes into it. */
#define SIGV4_CANONICAL_MAX    (256 * KIB)
#define SIGV4_QUERY_PARAMS_MAX 256
#define SIGV4_HEADERS_MAX      64

/* Links that lead to one another: as the kernel's. */
#define TRUE_PATH_LINKS_MAX 40

/* A file of zoneinfo; the largest has about 4 KiB. */
#define TIME_ZONE_FILE_MAX (256 * KIB)

/* --- config -------------------------------------------------------------------------------------------------------- */

/* Of one YAML file: bytes, mappings and lists inside one another, keys and values. */
#define CFG_FILE_MAX  10000000
#define CFG_DEPTH_MAX 32
#define CFG_PARTS_MAX 1000 /* files in config.d */
#define CFG_NODES_MAX 500000
/* Mistakes that are told at a time. */
#define CFG_ERRORS_MAX 100
/* The names of the files that a destination would write, to see whether a stream reads them. */
#define LOOPS_NAME_ROOM (16 * KIB)
/* For the same, how long the disk of one input or destination, and those of all, are waited for; and of each after that. */
#define LOOPS_WAIT       (2 * NSEC_PER_SEC)
#define LOOPS_WAIT_ALL   (4 * NSEC_PER_SEC)
#define LOOPS_WAIT_LEAST (20 * NSEC_PER_MSEC)
/* Bytes of one ${file:...}, and of all that is put in for ${...}. */
#define REPLACE_FILE_MAX  (64 * KIB)
#define REPLACE_TOTAL_MAX (4 * MIB)

/* --- spool --------------------------------------------------------------------------------------------------------- */

/* Record bytes in one frame: what a worker holds at once. Larger than a line, or what the API takes. A record that is larger has
 * a frame of its own, with its line break. */
#define FRAME_MAX_BYTES  (1 * MIB)
#define FRAME_LONE_BYTES (RECORD_MAX_BYTES + 1)
/* The longest that is kept in lines form: a line that says why such a record failed is longer than the record. */
#define STORED_MAX_BYTES (PARCEL_RECORD_MAX_BYTES + 1)
/* Header, origin, position, facts and id of a record that is alone in its frame. */
#define FRAME_BESIDE_RECORD (32 * KIB)
/* Facts of one record beside its bytes (facts.h): a message's key and headers. Those of all records of a frame. */
#define RECORD_FACTS_MAX LIMIT(8 * KIB, 256)
#define FRAME_FACTS_MAX  LIMIT(256 * KIB, 16 * KIB)
/* What spool_read() may need of a buffer: payload, table (as long as the payload at most, with empty lines), facts, ids,
 * positions, the rest. */
#define FRAME_READ_MAX (FRAME_LONE_BYTES + 2 * FRAME_MAX_BYTES + 256 * KIB + 64 * KIB + 52 * KIB + 16 * KIB)
/* A checkpoint holds all positions: some 100,000 of the largest. */
#define FRAME_EXTRA_MAX LIMIT(256 * MIB, 8 * MIB)
/* Where a frame's records come from: a path and a little, and what is known of all of them; what is longer is cut. */
#define FRAME_ORIGIN_MAX (5 * KIB)
/* A position's source name and cursor. */
#define POSITION_SOURCE_MAX 512
#define POSITION_CURSOR_MAX 1024
/* Sources whose records one frame may hold, each with its position: partitions of a topic. */
#define FRAME_POSITIONS_MAX LIMIT(32, 2)
/* Buckets of the table of positions at first; doubles. */
#define POSITIONS_BUCKETS_FIRST LIMIT(16, 1)
/* Ids of messages that were taken (spool/ids.h): of one frame; of a source, unless the input says otherwise, and at most; sources. */
#define FRAME_IDS_MAX          LIMIT(4096, 8)
#define IDS_PER_SOURCE_DEFAULT LIMIT(10000U, 16U)
#define IDS_PER_SOURCE_MAX     LIMIT(131072U, 64U)
#define IDS_SOURCES_MAX        LIMIT(16, 3)
/* What the pipeline may store with a seal (object key, codec, format). */
#define SEAL_META_MAX      4096
#define SEAL_META_KEYS_MAX 2048
/* What is noted of a delivery's progress: of all its bodies. All that is pending must fit a checkpoint (FRAME_EXTRA_MAX). */
#define SEAL_PROGRESS_MAX (SEAL_BODIES_MAX * BODY_PROGRESS_MAX + 16)
/* Bodies of one seal that have gone part of their way: one of each kind that is under way, and those that came to nothing. */
#define SEAL_BODIES_MAX LIMIT(6, 4)
/* Of one of them: its name, the sink's note (an upload's id), and a tag for each range that is there. */
#define BODY_PROGRESS_MAX (OBJECT_NAME_MAX + SINK_PROGRESS_MAX + SINK_RANGES_MAX * (SINK_TAG_MAX + 4) + 128)
#define SINK_PROGRESS_MAX LIMIT(1024, 64)
#define SINK_TAG_MAX      128
#define SINK_RANGES_MAX   LIMIT(32, 4)
/* So often it is tried to remove what came to nothing: an outage must not keep in the spool what is safe in the backup. */
#define UNDO_TRIES_MAX 4

/* Readers that a spool knows, those that are gone among them; and their names. */
#define SPOOL_READERS_MAX     LIMIT(16, 4)
#define SPOOL_READER_NAME_MAX 64

/* A stream's limit in so many segments, but none outside these sizes. */
#define SEGMENTS_PER_LIMIT  8
#define SEGMENT_BYTES_MOST  LIMIT(16 * MIB, 2 * MIB)
#define SEGMENT_BYTES_LEAST LIMIT(1 * MIB, 256 * KIB)
/* Settled segments that are kept, to be written again. */
#define RECYCLED_MAX LIMIT(2, 1)
/* More than this of settled records is given back when a stream is idle. */
#define IDLE_ROLL_BYTES LIMIT(1 * MIB, 16 * KIB)
/* What is copied forward in one round (move.c): memory beside the budget, for a moment. At least one frame. */
#define SPOOL_COPY_BYTES LIMIT(1 * MIB, 4 * KIB)
/* Segments that are set aside as damaged in one run: they are for a person to look at, not an archive. */
#define DAMAGED_KEPT_MAX LIMIT(16, 2)

/* How files of the spool are read: from frame to frame (by a reader that is behind, one per stream; by a mover; by recovery and
 * fsck); a frame's header, perhaps with a seal before it; in search of the next frame behind damage; to copy what is torn. */
#define SCAN_WINDOW_BYTES   LIMIT(4 * KIB, 256)
#define MOVE_WINDOW_BYTES   LIMIT(64 * KIB, 256)
#define WALK_WINDOW_BYTES   LIMIT(16 * KIB, 256)
#define READ_AHEAD_BYTES    256
#define SEARCH_STEP_BYTES   LIMIT(64 * KIB, 256)
#define RECOVERY_COPY_BYTES LIMIT(16 * KIB, 256)
/* Pieces of one write: four of each frame. */
#define ROUND_VECTORS_MAX LIMIT(256, 4)

/* Zeros that are written ahead (ahead.c): after so many rounds in a row of at most this size, so many times the bytes of the last one,
 * but not more than this. */
#define AHEAD_ROUND_MAX LIMIT(32 * KIB, 1 * KIB)
#define AHEAD_ROUNDS    LIMIT(8, 2)
#define AHEAD_TIMES     LIMIT(64, 4)
#define AHEAD_BYTES_MAX LIMIT(256 * KIB, 4 * KIB)

/* Frames that were just written stay in memory for the delivery that takes them next (warm.h): this part of limits.memory at most.
 * One that was not read while so many times as much came in is let go, and one of records so large that few fit is not kept.
 * Entries of a spool's list at first (doubles), and when it is empty. */
#define WARM_SHARE         5
#define WARM_FRAME_MAX     (FRAME_MAX_BYTES / 2)
#define WARM_STALLED       4
#define WARM_ENTRIES_FIRST LIMIT(16, 1)

/* What a spool keeps free on its disk for what delivery must write there, less where segments are small; zeros that are
 * written at once. */
#define SPOOL_RESERVE_BYTES LIMIT(128 * KIB, 16 * KIB)
/* So much of its room stays for seals and the like when records are staged on a full disk. */
#define STAGE_LEAVES_BYTES (SPOOL_RESERVE_BYTES / 2)
#define STAGE_LEAVES_PIECE (4 * KIB)
#define SPOOL_ZEROS_BYTES  LIMIT(16 * KIB, 1 * KIB)

/* Spools that are synced one by one; more of them, on one device, by one syncfs(). */
#define SYNC_EACH_MAX LIMIT(4, 1)
/* How long a settlement may wait for somebody else's sync; a disk that refused is asked again after so long. */
#define COMMITTER_LAZY_MAX    (1 * NSEC_PER_SEC)
#define COMMITTER_RETRY_AFTER (1 * NSEC_PER_SEC)

/* --- transforms ---------------------------------------------------------------------------------------------------- */

/* Transforms in one chain; bytes of a delimiter. */
#define CHAIN_MAX               16
#define TRANSFORM_DELIMITER_MAX 256

/* What one record may become in a transform: so many records (none has to have a byte), of so many bytes together. One
 * that becomes more fails. CloudWatch Logs puts 10,000 events of 1 MiB together into one record at most. */
#define TRANSFORM_RECORD_PIECES_MAX LIMIT(100000, 4000)
#define TRANSFORM_RECORD_MADE_MAX   LIMIT(32 * MIB, 16 * MIB)
/* What a chain of transforms may keep of a batch for a transform in it that gives nothing before the batch's end. */
#define TRANSFORM_HELD_MAX LIMIT(128 * MIB, 4 * MIB)
/* Buffers of a transform that grew larger than this for one record are given back behind it. */
#define TRANSFORM_KEEP_MAX LIMIT(2 * MIB, 4 * KIB)

/* JSON of CloudWatch Logs, objects inside one another. */
#define CLOUDWATCH_LOGS_DEPTH_MAX 64

/* A codec makes one object from what a worker may hold: four buffers of the default size of gzip's, two of zstd's. Larger ones
 * are streamed. */
#define CODEC_GZIP_WHOLE_MAX LIMIT(4 * MIB, 8 * KIB)
#define CODEC_ZSTD_WHOLE_MAX LIMIT(2 * MIB, 8 * KIB)
/* Blocks of Snappy's framings: as snappy-java writes them; and such as Hadoop's readers, which have 256 KiB for one, take. */
#define CODEC_SNAPPY_BLOCK        (32 * KIB)
#define CODEC_HADOOP_SNAPPY_BLOCK (128 * KIB)
/* A block that is read back: of writers with larger ones, too. */
#define UNSNAPPY_BLOCK_MAX LIMIT(16 * MIB, 256 * KIB)
/* LZ4 is fed so much at once, which bounds the room it wants. */
#define CODEC_LZ4_PIECE LIMIT(64 * KIB, 512)
/* The name of what is in an archive; and of what is read back, with what stands beside it. */
#define CODEC_ZIP_NAME_MAX 255
#define UNZIP_HEAD_MAX     (128 * KIB)
#define GZIP_ROOM          LIMIT(16 * KIB, 64)
/* Room for what is decompressed: at least so much more at a time. */
#define GUNZIP_ROOM_MIN LIMIT(4 * KIB, 64)
#define UNZSTD_ROOM     LIMIT(128 * KIB, 64)
/* The window of a zstd frame, as a power of two: what the zstd program takes without being asked; a frame may ask for gigabytes. And in bytes, of
 * what is sent over a network (RFC 9659). */
#define UNZSTD_WINDOW_LOG       27
#define UNZSTD_WINDOW_LOG_LEAST 10
#define UNZSTD_WINDOW_SENT      (8 * MIB)
/* Windows of files and objects that are larger than that have, all together, such a part of limits.memory, beside it. */
#define UNZSTD_WINDOWS_SHARE 4
/* What stands in front of a frame's blocks. */
#define UNZSTD_HEAD_MAX 18
/* What is unpacked in one step, and made by it. */
#define UNPACK_PIECE LIMIT(1 * MIB, 512)
/* What unpacking holds at least: zlib's window and tables. */
#define UNPACK_HOLDS (48 * KIB)

/* A pattern and its groups; per start of a match, some 10 ms of the interpreter (less with machine code), and memory in KiB. */
#define REGEX_PATTERN_MAX (128 * KIB)
#define REGEX_GROUPS_MAX  250
#define REGEX_MATCH_LIMIT 200000
#define REGEX_HEAP_KIB    4096
/* A window of starts may walk over this many bytes in all when each start walks to the end. As a start may also go back
 * and forth until REGEX_MATCH_LIMIT, the first window is small, and the next is larger only when this one was quick. */
#define REGEX_WINDOW_WALK  (16 * MIB)
#define REGEX_WINDOW_FIRST 32
#define REGEX_WINDOW_STEP  8
#define REGEX_WINDOW_TIME  (500 * NSEC_PER_USEC)
/* Windows that were not quick, of one search by who hears of no ticks: some 20 ms of work. */
#define REGEX_WINDOWS_SLOW 8
/* The stack of machine code. */
#define REGEX_JIT_STACK_START LIMIT(32 * KIB, 1 * KIB)
#define REGEX_JIT_STACK_MAX   (512 * KIB)
/* Fields of a grok pattern, and patterns inside one another. */
#define GROK_FIELDS_MAX 200
#define GROK_DEPTH_MAX  20

/* One file of Lua, the files a script may require, and what it may take while it loads, and init(). */
#define LUA_SCRIPT_MAX       ((size_t)1 << 20)
#define LUA_SCRIPT_FILES_MAX 64
#define LUA_VM_LOAD_TIME     (5 * NSEC_PER_SEC)
/* Places on the stack of a state, and of a coroutine, that are there before a script needs them: for functions that call themselves as deep as
 * records may be nested (LUA_DOC_DEPTH), with some thirty variables each; and for one of as many variables as there may be (255), and what
 * joins texts. */
#define LUA_STACK_LEAST    4000
#define LUA_CO_STACK_LEAST 500
/* One Lua string, in bytes: what a single instruction (comparing, converting) may have to walk through. */
#define LUA_GUARD_STRING_MAX (16 * MIB)
/* Strings from this size on make the hook come more often, as single instructions take longer. */
#define LUA_GUARD_STRING_BIG (256 * KIB)
/* From this size on a single comparison may take milliseconds; so many large ones at a time. */
#define LUA_GUARD_STRING_HUGE (2 * MIB)
#define LUA_GUARD_BIG_COUNT   256
/* Allocations from this size on look at the clock. */
#define LUA_GUARD_MUCH (64 * KIB)
/* The strings that one call of Lua's own functions may get; of format and pack, each of whose directives may write 400 bytes in a
 * microsecond or two; of load, as compiling cannot be interrupted (so much takes a few milliseconds); of date, as strftime's longest
 * conversions are slow; of time and of agents (no browser says more of itself). */
#define LUA_ARGUMENTS_MAX   (2 * LUA_GUARD_STRING_MAX)
#define LUA_FORMAT_MAX      (64 * KIB)
#define LUA_LOAD_MAX        (64 * KIB)
#define LUA_DATE_FORMAT_MAX 256
#define LUA_TIME_TEXT_MAX   4096
#define LUA_AGENT_MAX       4096
/* How deep records, tables and patterns may nest. */
#define LUA_JSON_DEPTH      128
#define LUA_DOC_DEPTH       128
#define LUA_MATCH_DEPTH_MAX 200
/* Members of a document: from so many on, keys are found by a hash table; room for so many at first, doubles. */
#define LUA_DOC_WIDE LIMIT(16, 2)
#define LUA_DOC_ROOM LIMIT(16, 1)
/* Members that are read at once. */
#define LUA_DOC_FIELDS LIMIT(16, 2)
/* What sluice.gunzip() makes, unless the script says more. */
#define LUA_GUNZIP_DEFAULT (8 * MIB)
/* Memory of documents comes in pieces of this; a scratch buffer that is larger is not kept. */
#define LUA_ARENA_CHUNK  LIMIT(16 * KIB, 64)
#define LUA_SCRATCH_KEEP LIMIT(64 * KIB, 64)
/* Patterns that are remembered; a script that makes more of them makes them anew. */
#define LUA_POOL_BYTES     LIMIT(256 * KIB, 2 * KIB)
#define LUA_POOL_PIECE_MAX 128
#define LUA_RE_CACHE_MAX   LIMIT(100, 2)
/* Log lines of a script that wait to be written, bytes of each (longer ones are cut), bytes of a counter's name. */
#define LUA_SLUICE_LOG_LINES 100
#define LUA_SLUICE_LOG_TEXT  1000
#define LUA_SLUICE_NAME      64

/* --- sinks --------------------------------------------------------------------------------------------------------- */

/* Headers of a request, and those that the configuration may add. */
#define HTTP_HEADERS_MAX     48
#define HTTP_HEADERS_OWN_MAX 32
/* Bytes of what goes around the records of a request: attributes, context, Authorization. */
#define HTTP_ATTRIBUTES_TEXT_MAX (256 * KIB)
#define HTTP_CONTEXT_MAX         (256 * KIB)
#define HTTP_AUTHORIZATION_MAX   (16 * KIB)
/* Seconds of a Retry-After. Nobody means more; and a nonsense value must not stop a stream for good. */
#define HTTP_RETRY_AFTER_MAX (24 * 60 * 60)
/* Splunk: pauses between questions for an acknowledgement grow by a second each, up to this; without the event that was refused
 * the rest goes at once. */
#define SPLUNK_ACK_PAUSE_MAX 10
#define SPLUNK_REFUSED_PAUSE (10 * NSEC_PER_MSEC)

/* Of an answer that refuses: what is looked at, and JSON and XML in it inside one another. */
#define ANSWER_SAID_MAX   1024
#define ANSWER_JSON_DEPTH 32
#define XML_DEPTH_MAX     16

/* S3: an error document has a few hundred bytes; a path has 3 * OBJECT_KEY_MAX when every byte is encoded, and the bucket; the
 * path and query of a reader, all of it escaped. */
#define S3_ANSWER_MAX (16 * KIB)
/* Unfinished uploads of one object's name that are asked for at a time, and what is read of such a listing. One more is the rule. */
#define S3_UPLOADS_MAX        8
#define S3_UPLOADS_ANSWER_MAX (64 * KIB)
/* Steps in a row that look for such uploads and abort them, two for each. */
#define S3_SWEEP_STEPS_MAX LIMIT(64, 8)
#define S3_PATH_MAX        ((size_t)4096)
#define S3_TARGET_MAX      (64 * KIB)
/* Metadata of an object, names; what the text of a tag or of metadata comes to at most (its expressions replaced), and all tags. */
#define S3_METADATA_MAX 16
#define S3_LABEL_MAX    (64 * KIB)
#define S3_LABELS_MAX   (64 * KIB)
/* A page of a listing. 1000 keys are the most that S3 answers; each of 1024 bytes and escaped, with what stands around them. */
#define S3_LIST_ANSWER_MAX  (8 * MIB)
#define S3_LIST_OBJECTS_MAX (16 * MIB)
#define S3_LIST_TOKEN_MAX   (16 * KIB)

/* Answers to _bulk: so much, and so much per document (a refusal with its reason), but no more than that. */
#define ELASTICSEARCH_ANSWER_BASE         (64 * KIB)
#define ELASTICSEARCH_ANSWER_PER_DOCUMENT (1 * KIB)
#define ELASTICSEARCH_ANSWER_MAX          (64 * MIB)
#define ELASTICSEARCH_REASON_MAX          (64 * KIB)
#define ELASTICSEARCH_QUERY_MAX           4096
/* What a node says of itself, objects inside one another in it, and how long it may take. */
#define ELASTICSEARCH_IDENTIFY_ANSWER_MAX (16 * KIB)
#define ELASTICSEARCH_IDENTIFY_DEPTH_MAX  16
#define ELASTICSEARCH_IDENTIFY_TIMEOUT    (30 * NSEC_PER_SEC)
/* Pieces of an index or id with fields in it. */
#define ELASTICSEARCH_TEMPLATE_PARTS_MAX 32
/* A node that did not answer is left alone for so long, as long as there are others. */
#define ELASTICSEARCH_LEFT_ALONE (30 * NSEC_PER_SEC)

/* A body on its way into a file. */
#define FOLDER_COPY_BYTES LIMIT(64 * KIB, 256)
/* A name that is in the way is removed; somebody who puts it back as often as this means it. */
#define FOLDER_CREATE_TRIES 3

/* A file of credentials; and of certificates or a key, where a system's whole bundle of authorities has 220 KiB. */
#define CREDENTIALS_FILE_MAX (1 * MIB)
/* A setting of a profile; profiles that lead to one another, and roles that are assumed one after the other. */
#define PROFILE_VALUE_MAX     (16 * KIB)
#define CREDENTIALS_ROLES_MAX 5
/* An answer with keys in it, elements or members inside one another; a token's file; a form for STS; an address; an instance's token. */
#define AWS_ANSWER_MAX         (64 * KIB)
#define AWS_ANSWER_DEPTH_MAX   16
#define AWS_TOKEN_MAX          (32 * KIB)
#define AWS_FORM_MAX           (128 * KIB)
#define AWS_URL_MAX            2048
#define AWS_INSTANCE_TOKEN_MAX 1024
/* How long those are waited for who have keys. */
#define AWS_STS_TIMEOUT       (10 * NSEC_PER_SEC)
#define AWS_CONTAINER_TIMEOUT (5 * NSEC_PER_SEC)
#define AWS_INSTANCE_TIMEOUT  (2 * NSEC_PER_SEC)
#define AWS_PROCESS_TIMEOUT   (60 * NSEC_PER_SEC)
#define AWS_PROCESS_TICK_MS   20
/* Keys are renewed so long before they expire, or when a third of their time is left if that is later. When they are refused as expired
 * all the same, they are asked for again at once, but not more often than this. */
#define CREDENTIALS_RENEW_BEFORE  (300 * NSEC_PER_SEC)
#define CREDENTIALS_REFUSED_AGAIN (60 * NSEC_PER_SEC)
#define TLS_FILE_MAX              (4 * MIB)
/* The system's authorities: a file and some folders, and how many files of a folder are looked at. */
#define TRUST_PLACES_MAX       8
#define TRUST_FOLDER_FILES_MAX 4096

/* --- inputs -------------------------------------------------------------------------------------------------------- */

/* Connections that an HTTP server accepts before it looks at the clients it has. */
#define LISTENER_BACKLOG 1024                /* connections that wait in the kernel */
#define LISTENERS_MAX    8                   /* kinds of them (inputs/listener.h) */
#define HTTP_SERVERS_MAX 16                  /* addresses on which the program listens */
#define HTTP_ROUTES_MAX  LIMIT(1024, 8)      /* paths on one of them */
#define HTTP_GONE_TIME   (30 * NSEC_PER_SEC) /* so long who asks for one that was somebody's is told to come again */
#define LISTENER_BURST   LIMIT(64, 2)
/* How often a listener looks, how long it waits where there is no descriptor or nobody made room yet; what was taken and not added
 * by then has come to nothing; who is waited for this long may have to make room. */
#define LISTENER_LOOK_EVERY   (1 * NSEC_PER_SEC)
#define LISTENER_SHORT_WAIT   (200 * NSEC_PER_MSEC)
#define LISTENER_ADDED_WITHIN (5 * NSEC_PER_SEC)
#define LISTENER_WAITED_FOR   (1 * NSEC_PER_SEC)
/* A certificate that is valid for less than this is warned of, so often; and clients that do not get through, so often. */
#define SERVER_TLS_EXPIRES_SOON (7 * 24 * 3600 * NSEC_PER_SEC)
#define SERVER_TLS_AGE_EVERY    (24 * 3600 * NSEC_PER_SEC)
#define SERVER_TLS_SAYS_EVERY   (60 * NSEC_PER_SEC)
/* What may be shown to a listener: a token, and a name with its password. */
#define HTTP_TOKEN_MIN 16
#define HTTP_TOKEN_MAX (4 * KIB)
#define HTTP_USER_MAX  512

/* Connections that wait to be accepted. The kernel cuts it to net.core.somaxconn. */
/* Memory of a connection's headers and first bytes, what is asked first for a body without a length, and a reply. */
#define API_CONNECTION_MEMORY (32 * KIB)
#define API_BODY_FIRST        LIMIT(16 * KIB, 64)
#define API_REPLY_MAX         (1 * MIB)
/* JSON objects nested deeper than this are refused, also inside members that nobody reads. */
#define API_SHAPE_DEPTH 32
/* Frames of one put. Two neighbouring frames together hold more than FRAME_MAX_BYTES, or the second would have gone into the first;
 * so 4 MiB (and their newlines) never need more than 12, and 10 MiB of Kinesis' records, with the longest keys, no more than this. */
#define API_PUT_FRAMES_MAX LIMIT(32, 64)
/* PutRecords of Kinesis Data Streams: what its records may have in all; and its body. */
#define KINESIS_PUT_MAX_BYTES  (10 * MIB)
#define KINESIS_BODY_MAX_BYTES (15 * MIB)
/* A refused request may send this much to the bin before the connection is closed on it. */
#define API_DISCARD_MAX (32 * MIB)
/* Puts that wait for a disk that does not answer and are noted at a time; they all wait for the same one. */
#define API_LATE_MAX LIMIT(256, 2)
/* How long api_stop() waits for requests that are under way, and then for the spool and for clients that read slowly. */
#define API_UPLOAD_WAIT (2 * NSEC_PER_SEC)
#define API_STOP_WAIT   (10 * NSEC_PER_SEC)

/* SNS. Of a message (it has 256 KiB, escapes make six of one byte): id, ARN, URL, signature in base64, attributes, an attribute's name; a certificate with its chain. */
#define SNS_ID_MAX             128
#define SNS_ARN_MAX            512
#define SNS_URL_MAX            2048
#define SNS_SIGNATURE_MAX      2048
#define SNS_ATTRIBUTES_MAX     64
#define SNS_ATTRIBUTE_NAME_MAX 245
#define SNS_CERTIFICATE_MAX    (64 * KIB)
#define SIGNER_KEY_BITS_MIN    2048
/* AWS's limits on filter policies; how deep one may be nested is ours. */
#define SNS_FILTER_KEYS_MAX         5
#define SNS_FILTER_COMBINATIONS_MAX 150
#define SNS_FILTER_BYTES_MAX        (256 * 1024)
#define SNS_FILTER_STARS_MAX        3
#define SNS_FILTER_POINTS_MAX       100
#define SNS_FILTER_DEPTH_MAX        16
#define SNS_FILTER_JSON_DEPTH       48
/* Certificates that are known, at most, and what is asked for at once; how long one may take; a certificate that was of no use is not asked
 * for again so soon; clocks may differ by so much. SNS waits 15 s for its answer. */
#define SNS_CERTIFICATES  LIMIT(32, 3)
#define SNS_FETCHES       LIMIT(8, 2)
#define SNS_FETCH_TIMEOUT (8 * NSEC_PER_SEC)
#define SNS_BAD_FOR       (30 * NSEC_PER_SEC)
#define SNS_CLOCK_SKEW    (300 * NSEC_PER_SEC)

/* Inputs to which others push by HTTP. A body, unpacked, is at most what `max_body` says, and that at most the first; what is asked first for one
 * without a length; the frames and the facts of one request; what is read and dropped of one that is refused; a short answer, and one that
 * is made of the body, which counts in the budget. */
#define PUSH_BODY_MAX    LIMIT(64 * MIB, 16 * MIB)
#define PUSH_BODY_FIRST  LIMIT(16 * KIB, 64)
#define PUSH_FRAMES_MAX  LIMIT(4096, 64)
#define PUSH_FRAME_BYTES LIMIT(512 * KIB, 8 * KIB)
#define PUSH_FACTS_MAX   (RECORD_FACTS_MAX / 2)
#define PUSH_DISCARD_MAX (64 * MIB)
#define PUSH_SHORT_MAX   (4 * KIB)
#define PUSH_REPLY_MAX   LIMIT(16 * MIB, 1 * MIB)
#define PUSH_KEY_MAX     256
#define PUSH_HEADERS_MAX 32
#define PUSH_JSON_DEPTH  128
#define PUSH_CONNECTIONS 128
#define PUSH_THREADS     2
#define PUSH_MEMORY      (32 * KIB)
#define PUSH_TIMEOUT     (60 * NSEC_PER_SEC)
#define PUSH_ANSWER_TIME (10 * NSEC_PER_SEC)
#define PUSH_RETRY_AFTER "5"
#define PUSH_SAYS_EVERY  (30 * NSEC_PER_SEC)
#define PUSH_KINDS_MAX   4 /* of refusals that have a log line of their own, of a protocol */
/* The server's listener: the socket, and what its thread waits with. */
#define PUSH_LISTENER_SOCKETS 5
/* Paths beneath one that a protocol has. */
#define PUSH_ENDPOINTS_MAX 4
/* OTLP: messages in one another, in protobuf and in JSON (a value in a value has three at most, and four: what is good JSON is good protobuf); the longest number and id in JSON; a short
 * answer; when to send again what found no room. */
#define OTLP_DEPTH_MAX      128
#define OTLP_JSON_DEPTH_MAX 160
#define OTLP_NUMBER_MAX     400
#define OTLP_ID_MAX         64
#define OTLP_ANSWER_MAX     (4 * KIB)
#define OTLP_RETRY_SECONDS  5
/* Labels and metadata of one entry that is pushed to Loki, as JSON. */
#define LOKI_LABELS_MAX LIMIT(256 * KIB, 16 * KIB)
/* gRPC, of one connection: calls at a time; what may come before it is asked for more; of a head, of all and of what is kept; what an
 * answer says; a call may take so long to come; a request of which some is stored, and the rest finds no room, is given up then; one of which none is, when
 * the stream has had no room for so long. */
#define GRPC_STREAMS           LIMIT(100, 4)
#define GRPC_WINDOW            LIMIT(1 * MIB, 64 * KIB)
#define GRPC_HEADERS_MAX       (16 * KIB)
#define GRPC_AUTHORIZATION_MAX (8 * KIB)
#define GRPC_PATH_MAX          127
#define GRPC_TEXT_MAX          1024
#define GRPC_DETAILS_MAX       2048
#define GRPC_CALL_TIME         (60 * NSEC_PER_SEC)
#define GRPC_ROOM_TIME         (5 * NSEC_PER_SEC)
#define GRPC_BUSY_TIME         (1 * NSEC_PER_SEC)
#define GRPC_TEXT_ROOM         LIMIT(64 * KIB, 1 * KIB)
/* What is kept of the attributes that Firehose sends with each request. */
#define PUSH_ATTRIBUTE_NAME_MAX 240

/* What Fluentd and Fluent Bit send: a message in all, and before its sender has shown a key. The id of a chunk and the tag are so long at most.
 * A chunk is remembered in pieces, of so many bytes of records and facts (one record may have more), each of which goes into one frame. What a
 * chunk may be when it is unpacked. So many pieces are taken, or so many bytes of entries that are none, before others have their turn. How a time is written: "2026-11-22T15:26:01.123456789Z". Facts of one record. And what is kept of the ids
 * whose answer waits, of one connection. */
#define FORWARD_MESSAGE_MAX   LIMIT(64 * MIB, 2 * MIB)
#define FORWARD_PING_MAX      (4 * KIB)
#define FORWARD_CHUNK_MAX     256
#define FORWARD_TAG_MAX       1024
#define FORWARD_PIECE_BYTES   (WINDOW_FRAME_BYTES / 4)
#define FORWARD_PIECE_RECORDS LIMIT(1000, 8)
#define FORWARD_PIECE_MADE_OF (4 * FORWARD_PIECE_BYTES)
#define FORWARD_PLAIN_MAX     (RECORD_MAX_BYTES + 1 * MIB)
#define FORWARD_UNPACK_STEP   LIMIT(128 * KIB, 512)
#define FORWARD_UNPACKED_MAX  LIMIT(1 * GIB, 16 * MIB)
#define FORWARD_TURN_PIECES   LIMIT(64, 4)
#define FORWARD_TURN_BYTES    LIMIT(4 * MIB, 1 * MIB)
#define FORWARD_TIME_MAX      40
#define FORWARD_FACTS_MAX     (RECORD_FACTS_MAX / 2)
#define FORWARD_WAITING_MAX   (LISTEN_OUT_MAX / 4)

/* An input that was pushed back counts as held back for so long, for longer when that comes again within so long. A reader that waits
 * this long for memory, or for writes that are under way, is held back. */
#define PUSHBACK_HOLD      (5 * NSEC_PER_SEC)
#define PUSHBACK_HOLD_MOST (80 * NSEC_PER_SEC)
#define PUSHBACK_AGAIN     (300 * NSEC_PER_SEC)
#define PUSHBACK_TIMEOUT   (5 * NSEC_PER_SEC)

/* Threads on which inputs read files: with more streams some share one. Each has this stack. A thread that has been at one file for this
 * long waits for a disk that does not answer. */
#define INPUT_LOOPS_MAX        LIMIT(64, 2)
#define INPUT_LOOP_STACK_BYTES (1 * MIB)
#define INPUT_STANDS_LONG      (5 * NSEC_PER_SEC)

/* What is read of standard input at once: what a pipe holds. Milliseconds until it goes on after "full". */
#define STDIN_READ_BYTES LIMIT(64 * KIB, 16 * KIB)
#define STDIN_AGAIN_MS   50
/* What is read of a pipe at once; what is held of it beside the frames; and when what could not go in is tried again. A named pipe is looked for so
 * often, when nothing comes through it. */
#define PIPE_READ_BYTES LIMIT(64 * KIB, 16 * KIB)
#define PIPE_DATA_MAX   (LINE_MAX_BYTES + 2 * PIPE_READ_BYTES)
#define PIPE_AGAIN      (50 * NSEC_PER_MSEC)
#define PIPE_LOOK       (5 * NSEC_PER_SEC)
/* It is read so often before something else is looked at. */
#define PIPE_TURN 16
/* A program whose lines are read: its words; the environment that it is given; a line of what it says to standard error, and so many of
 * these in so long; how long it has to end when it is asked to, and behind that what it has printed to become safe. Where the system cannot tell of
 * its end, it is looked for. */
/* Where the kernel neither closes descriptors nor lists them. */
#define CHILD_FILES_MAX (1 << 20)
#define EXEC_WORDS_MAX  256
#define EXEC_ENV_MAX    100
#define EXEC_SAYS_BYTES 512
#define EXEC_SAYS_LINES 20U
#define EXEC_SAYS_EVERY (10 * NSEC_PER_SEC)
#define EXEC_STOP_TIME  (2 * NSEC_PER_SEC)
#define EXEC_LINGER     (1500 * NSEC_PER_MSEC)
#define EXEC_TICK       (100 * NSEC_PER_MSEC)
/* Readings of what it said last; how long it runs on without standard output until that is said; and the longest interval. */
#define EXEC_LAST_WORDS 16
#define EXEC_MUTE_AFTER (5 * NSEC_PER_SEC)
#define EXEC_TIME_MAX   (3660LL * 24 * 3600 * NSEC_PER_SEC)
/* The stack of an input's own thread, for the libraries that it calls; and it is named in the log when it does not end so long after it
 * was asked to. */
#define INPUT_THREAD_STACK_BYTES (1 * MIB)
#define INPUT_THREAD_LATE        (3 * NSEC_PER_SEC)
/* Descriptors that it waits for, beside its own. */
#define INPUT_THREAD_POLL_MAX 4
/* Descriptors of an input with one connection: that, what wakes its thread, and what a name is looked up with. */
#define INPUT_CONNECTION_DESCRIPTORS 3U
/* A connection of an input (inputs/socket/). What is read at once, and kept of a buffer behind something larger; the
 * addresses of a name that are tried; while a name is looked up for nobody's thread, or files of certificates are
 * read, it is looked at so often. When nothing came for so long the system asks the far end's system whether it is there, so often and so
 * many times. */
#define SOCKET_READ_BYTES        LIMIT(64 * KIB, 64)
#define SOCKET_ADDRESSES_MAX     8
#define SOCKET_LOOK_AGAIN        (5 * NSEC_PER_MSEC)
#define SOCKET_IDLE_SECONDS      60
#define SOCKET_ASK_AGAIN_SECONDS 15
#define SOCKET_ASKS              4
/* Inputs to which others send by sockets (inputs/listen/). Addresses of one input, and in all; connections at one of them; what is read of a
 * connection at once, and of all that is there before others have their turn; answers that a far end has not read; marks of a connection that are not
 * safe yet. Datagrams are read so many at a time, each of so many bytes at most; those of unix sockets may be larger. */
#define LISTEN_ADDRESSES_MAX   16
#define LISTEN_PORTS_MAX       64
#define LISTEN_CONNECTIONS_MAX 65536
#define LISTEN_READ_BYTES      LIMIT(64 * KIB, 64)
#define LISTEN_TURN_BYTES      LIMIT(512 * KIB, 256)
#define LISTEN_OUT_MAX         (256 * KIB)
#define LISTEN_MARKS_MAX       LIMIT(4096U, 8U)
#define LISTEN_WINDOW_RECORDS  LIMIT(40000U, 50U)
#define LISTEN_DATAGRAMS       LIMIT(32, 2)
#define LISTEN_DATAGRAM_BYTES  (64 * KIB)
#define LISTEN_UNIXGRAMS       LIMIT(8, 2)
#define LISTEN_UNIXGRAM_BYTES  (256 * KIB)
/* What DogStatsD sends in one piece by a stream. */
#define STATSD_PACKET_MAX (1 * MIB)
/* A line of StatsD has values, and each becomes a record with all the rest of the line, its tags above all: so much in all. */
#define STATSD_SPREAD_MAX (4 * MIB)
/* A connection has so long for its handshake, for the rest of a message that has begun, and to read its last answers; one that was silent for so
 * long may have to make room for another. What waits for room is looked at so often, in milliseconds; an address whose inputs have gone waits so
 * long for the next ones; an input that has left and is not closed keeps it for as long at a stop, and for so long in a reload; one that ends reads on for
 * so long at most, or until connections have been quiet for so long, and waits so long for what it has taken to become safe. Behind a record that a full
 * spool did not take, little is read at a time for so long. */
#define LISTEN_HANDSHAKE_TIME (10 * NSEC_PER_SEC)
#define LISTEN_REST_TIME      (60 * NSEC_PER_SEC)
#define LISTEN_END_TIME       (5 * NSEC_PER_SEC)
#define LISTEN_SILENT         (10 * NSEC_PER_SEC)
#define LISTEN_AGAIN_MS       50
#define LISTEN_PARKED         (3 * NSEC_PER_SEC)
#define LISTEN_AWAITED        (12 * NSEC_PER_SEC)
#define LISTEN_DRAIN          (500 * NSEC_PER_MSEC)
#define LISTEN_QUIET          (50 * NSEC_PER_MSEC)
#define LISTEN_LINGER         (2 * NSEC_PER_SEC)
#define LISTEN_OTHERS_WAIT    (1 * NSEC_PER_SEC)
#define LISTEN_LITTLE         (1 * NSEC_PER_SEC)
#define LISTEN_SAYS_EVERY     (1 * NSEC_PER_SEC)
#define LISTEN_LOST_EVERY     (30 * NSEC_PER_SEC)
/* Messages of a queue or broker that are taken and not acknowledged (window.h), unless the input says otherwise; frames of them on their
 * way to the spool, and bytes of one. */
#define WINDOW_RECORDS_DEFAULT LIMIT(10000U, 50U)
#define WINDOW_BYTES_DEFAULT   LIMIT(4 * MIB, 64 * KIB)
#define WINDOW_FRAMES          LIMIT(8, 2)
#define WINDOW_FRAME_BYTES     LIMIT(256 * KIB, 1 * KIB)

/* What is told of an input: its label, where messages are pushed to (an address and a path), its last error. A connection that has worked for so long begins its back-off anew. For `validate`: how long
 * a connection is tried, and how many are at the same time. */
#define INPUT_LABEL_MAX  48
#define INPUT_ROUTE_MAX  1300
#define INPUT_ERROR_MAX  320
#define CONNECTION_HOLDS (10 * NSEC_PER_SEC)
#define PROBE_TIME       (5 * NSEC_PER_SEC)
#define PROBES_MAX       LIMIT(16, 2)

/* A call of an AWS service: memory of an answer that is kept for the next one; what could not begin is tried again so soon. */
#define AWS_CALL_ANSWER_KEEP LIMIT(64 * KIB, 1 * KIB)
#define AWS_CALL_AGAIN       (50 * NSEC_PER_MSEC)

/* SQS. An answer: ten messages of 1 MiB, a good part of them escaped; what is taken of the budget for one, times its size, and of the memory
 * for one what is kept for the next; all that is decoded of it; a receipt's handle (AWS: 1024 characters), the name of an attribute, a
 * request with ten handles. What answers of one input may take together: one of the largest always, so more of usual ones. */
#define SQS_ANSWER_MAX         (16 * MIB)
#define SQS_ANSWER_FACTOR      4
#define SQS_TEXT_KEEP          LIMIT(64 * KIB, 1 * KIB)
#define SQS_TEXT_MAX           (64 * MIB)
#define SQS_HANDLE_MAX         4096
#define SQS_ATTRIBUTE_NAME_MAX 246
#define SQS_REQUEST_MAX        (128 * KIB)
#define SQS_ANSWERS_BYTES      (72 * MIB)
/* Receivers of a queue, calls that delete, put off or give back at the same time. */
#define SQS_RECEIVERS_MAX 32
#define SQS_BATCH_CALLS   4
/* How many messages wait is asked so often; where that is forbidden, or fails, seldom. */
#define SQS_LAG_EVERY (30 * NSEC_PER_SEC)
#define SQS_LAG_LATER (600 * NSEC_PER_SEC)
/* Seconds that a receive waits for the first message (AWS: 20 at most), and with --once; how long a call may take; how long messages that
 * are safe wait for more, to be deleted with them; what could not begin is tried again so soon; how long the end takes at most. */
#define SQS_WAIT            20U
#define SQS_WAIT_ONCE       2U
#define SQS_TIMEOUT         (40 * NSEC_PER_SEC)
#define SQS_DELETE_WAIT     (50 * NSEC_PER_MSEC)
#define SQS_EMPTY_LEAST     (500 * NSEC_PER_MSEC)
#define SQS_EMPTY_PAUSE     (1 * NSEC_PER_SEC)
#define SQS_LEFT_SAYS_EVERY (60 * NSEC_PER_SEC)
#define SQS_LEAVE_TIME      (2 * NSEC_PER_SEC)

/* Objects of S3 that are named by messages (inputs/objects/). What an event may be when it is decoded; an object's name, its ETag; readers of an input;
 * how far so many objects were read is known at once; a piece that is asked for at once; so much of the text before the place where
 * reading goes on is unpacked in one turn; how long a piece may take; records of a window; one that is
 * not there is asked for so often, each time so much later; what lies in one object is told of so often. */
#define OBJECTS_EVENT_TEXT_MAX (64 * MIB)
#define OBJECTS_KEY_MAX        4096
#define OBJECT_TAG_MAX         256
#define OBJECTS_READERS_MAX    16
#define OBJECTS_PLACES         64
#define OBJECTS_PIECE          LIMIT(1 * MIB, 16 * KIB)
#define OBJECTS_PASS_OVER      LIMIT(8 * MIB, 4 * KIB)
#define OBJECTS_TIMEOUT        (60 * NSEC_PER_SEC)
#define OBJECTS_WINDOW_RECORDS LIMIT(40000U, 50U)
#define OBJECTS_GONE_TRIES     3
#define OBJECTS_GONE_PAUSE     (200 * NSEC_PER_MSEC)
#define OBJECTS_MEMORY_PAUSE   (1 * NSEC_PER_SEC)
#define OBJECTS_SAYS_EVERY     (60 * NSEC_PER_SEC)

/* An input with one connection to a broker (inputs/broker/): its source in words; what waits to be sent, and is given to the socket at once; how long
 * a connection may take to be made; what could not be taken is tried again so soon; how long the end takes at most; lines in the log about
 * messages that are refused. */
#define BROKER_SHOWN_MAX          460
#define BROKER_OUT_BYTES          LIMIT(64 * KIB, 1 * KIB)
#define BROKER_WRITE_BYTES        LIMIT(16 * KIB, 256)
#define BROKER_CONNECT_TIMEOUT    (30 * NSEC_PER_SEC)
#define BROKER_AGAIN              (50 * NSEC_PER_MSEC)
#define BROKER_LEAVE_TIME         (2 * NSEC_PER_SEC)
#define BROKER_REFUSED_SAYS_EVERY (60 * NSEC_PER_SEC)

/* STOMP. One header of a frame; headers of it that are kept, in number and in bytes, and all that come with it; its command. Memory of a body that is
 * kept for the next one. */
#define STOMP_LINE_MAX    LIMIT(8 * KIB, 256)
#define STOMP_HEADERS_MAX LIMIT(128, 24)
#define STOMP_HEAD_KEEP   LIMIT(16 * KIB, 512)
#define STOMP_HEAD_MAX    LIMIT(1 * MIB, 4 * KIB)
#define STOMP_COMMAND_MAX 32
#define STOMP_BODY_KEEP   LIMIT(64 * KIB, 1 * KIB)
/* What waits to be written to the server, at most, before nothing more is read; the frame that opens a subscription. The id by which a message is
 * acknowledged. Messages that the server may hand out before the first is acknowledged. */
#define STOMP_OUT_MAX      LIMIT(256 * KIB, 2 * KIB)
#define STOMP_OPEN_MAX     (96 * KIB)
#define STOMP_ACK_ID_MAX   1024
#define STOMP_PREFETCH_MAX 20000
#define STOMP_ID_MAX       (STOMP_LINE_MAX + 512)
/* Headers of SUBSCRIBE that the options may name. */
#define STOMP_OPTION_HEADERS_MAX 30
/* A server that has not answered, or has read nothing, in so long does not any more. */
#define STOMP_ANSWER_WAIT (30 * NSEC_PER_SEC)

/* The input kafka: names (the source of a position holds all of them); memory for what is read ahead, of one partition in one answer; messages
 * that wait in librdkafka, each of which costs beside its bytes; an answer with one batch that is larger than all bounds. */
#define KAFKA_TOPICS_MAX          100
#define KAFKA_GROUP_MAX           150
#define KAFKA_CLUSTER_MAX         64
#define KAFKA_PREFETCH_MIN        LIMIT(1 * MIB, 64 * KIB)
#define KAFKA_PARTITION_FETCH_MAX LIMIT(1 * MIB, 4 * KIB)
#define KAFKA_PREFETCH_RECORDS    LIMIT(30000, 10)
#define KAFKA_ANSWER_MAX          (100 * MIB)
/* Records in the window; messages between two looks at what else is to be done. */
#define KAFKA_WINDOW_RECORDS LIMIT(40000U, 50U)
#define KAFKA_TURN_MESSAGES  LIMIT(1000, 3)
/* New topics and partitions are looked for so often; the group waits so long for a member that does not ask for messages. */
#define KAFKA_TOPICS_REFRESH_MS "10000"
#define KAFKA_POLL_INTERVAL     (300 * NSEC_PER_SEC)
/* A question to the brokers, before it is asked again; the pause before that. */
#define KAFKA_ASK_MS    2000
#define KAFKA_ASK_AGAIN (500 * NSEC_PER_MSEC)
/* How often offsets are committed, and when one that is not answered is given up; how long a partition that goes to another member waits for
 * what is in hand; a window that was full for so long has partitions paused; a log that is shorter than what was read is another one
 * when it stays so for so long; how often a connection that failed is looked at; the same trouble in the log; the end, twice; where a topic
 * that is new to the group begins is kept from the other members for so long. */
#define KAFKA_COMMIT_EVERY (500 * NSEC_PER_MSEC)
#define KAFKA_COMMIT_TIME  (30 * NSEC_PER_SEC)
#define KAFKA_REVOKE_TIME  (5 * NSEC_PER_SEC)
#define KAFKA_FULL_TIME    (500 * NSEC_PER_MSEC)
#define KAFKA_SHORTER_TIME (2 * NSEC_PER_SEC)
#define KAFKA_LOOK_EVERY   (2 * NSEC_PER_SEC)
#define KAFKA_SAYS_EVERY   (60 * NSEC_PER_SEC)
#define KAFKA_LEAVE_TIME   (1 * NSEC_PER_SEC)
#define KAFKA_START_TIME   (2 * NSEC_PER_SEC)
/* exactly_once: shared: seals of a partition in the group. The brokers' offset.metadata.max.bytes is that by default; one seal takes as much
 * when an object has the longest name. */
#define KAFKA_METADATA_MAX 4096
#define KAFKA_BATCHES_MAX  LIMIT(16, 3)
/* Likewise: batches of one partition, before it is another one's turn; a turn that hears nothing; how often it is asked how far partitions
 * reach; bytes of a record before one was seen; deliveries of a partition that goes to another member, and of all at the end. */
#define KAFKA_TURN_BATCHES  8
#define KAFKA_TURN_QUIET    (5 * NSEC_PER_SEC)
#define KAFKA_ENDS_LEAST    (50 * NSEC_PER_MSEC)
#define KAFKA_ENDS_MOST     NSEC_PER_SEC
#define KAFKA_RECORD_GUESS  64U
#define KAFKA_UPLOADS_TIME  (10 * NSEC_PER_SEC)
#define KAFKA_LAST_UPLOADS  (1500 * NSEC_PER_MSEC)
#define KAFKA_FETCH_WAIT_MS "10"
/* Milliseconds that a turn waits for messages when nothing is to be done, and when something is. */
#define KAFKA_WAIT_MS 200
#define KAFKA_SOON_MS 10
/* Messages that are there and do not come (kafka/awake.c): they may be on their way for so long; the brokers are asked, and their answer is waited for;
 * when that does not help, again after so long, twice that, and so on. How long newer versions of librdkafka sleep. */
#define KAFKA_ON_ITS_WAY_MS    2
#define KAFKA_NUDGE_MS         100
#define KAFKA_NUDGE_FIRST      (10 * NSEC_PER_MSEC)
#define KAFKA_NUDGE_MOST       (1 * NSEC_PER_SEC)
#define KAFKA_FETCH_BACKOFF_MS "10"
/* librdkafka's threads: its own, one for each broker that it speaks to. */
#define KAFKA_THREADS 8U
/* Each has a connection, and a pipe that wakes it. */
#define KAFKA_DESCRIPTORS (3 * KAFKA_THREADS)
/* A token for the brokers: texts of the options, as a form; what is sent beside it; the answer, what is in it, and a token; how long the server may
 * take; one without a lifetime, and the longest, in seconds; how long its certificates are waited for; one that was asked for so lately is not
 * doubted. */
#define KAFKA_OAUTH_TEXT_MAX         2000
#define KAFKA_OAUTH_FORM_MAX         (32 * KIB)
#define KAFKA_OAUTH_EXTENSIONS_MAX   16
#define KAFKA_OAUTH_ANSWER_MAX       (64 * KIB)
#define KAFKA_OAUTH_DEPTH_MAX        8
#define KAFKA_OAUTH_TOKEN_MAX        (32 * KIB)
#define KAFKA_OAUTH_TIMEOUT          (10 * NSEC_PER_SEC)
#define KAFKA_OAUTH_LIFETIME_DEFAULT 300
#define KAFKA_OAUTH_LIFETIME_MAX     (30 * 86400)
#define KAFKA_OAUTH_FILES_WAIT       (20 * NSEC_PER_MSEC)
#define KAFKA_OAUTH_DOUBT_AFTER      (30 * NSEC_PER_SEC)
/* Connections that the brokers have ended, perhaps only because a token has expired, are there again in so long. */
#define KAFKA_CUT_TIME (10 * NSEC_PER_SEC)

/* Kinesis Data Streams. An answer: 10 MiB of records as base64, 10,000 of them with some 250 bytes around each; what is taken for one, times
 * its size; what answers of one input may take together: one of the largest always, so more of usual ones; a record (10 MiB and what
 * its base64 needs), and the memory that is kept for the next one; iterators and tokens; a request with one of them; a stream's name or ARN. */
#define KINESIS_ANSWER_MAX    (20 * MIB)
#define KINESIS_ANSWER_FACTOR 2
#define KINESIS_ANSWERS_BYTES (48 * MIB)
#define KINESIS_RECORD_MAX    (16 * MIB)
#define KINESIS_TEXT_KEEP     LIMIT(64 * KIB, 1 * KIB)
#define KINESIS_TOKEN_MAX     (1 * MIB)
#define KINESIS_REQUEST_MAX   (2 * MIB)
#define KINESIS_STREAM_MAX    300
/* Records of an answer (AWS: 10,000); calls at the same time; failures in a row that a shard counts. */
#define KINESIS_RECORDS_MAX 10000
#define KINESIS_READERS     LIMIT(16, 3)
/* Shards that are listed, with those that were closed and still have records: some 2 KiB each. AWS grants an account 20,000 open ones. */
#define KINESIS_SHARDS_MAX   LIMIT(50000, 200)
#define KINESIS_FAILURES_MAX 6U
/* A shard takes five calls a second; a listing without need, and when children are missing in the last one; how long a call may take; between two turns. */
#define KINESIS_CALL_LEAST (200 * NSEC_PER_MSEC)
#define KINESIS_LIST_EVERY (60 * NSEC_PER_SEC)
#define KINESIS_LIST_SOON  (500 * NSEC_PER_MSEC)
#define KINESIS_TIMEOUT    (60 * NSEC_PER_SEC)
#define KINESIS_TURN_LEAST (5 * NSEC_PER_MSEC)
#define KINESIS_SAYS_EVERY (60 * NSEC_PER_SEC)
#define KINESIS_TELL_EVERY NSEC_PER_SEC /* the health */
/* Leases. Calls to their table at the same time, and how long each may take; a request, what of it is the key of a page (DynamoDB's is 3 KiB), an
 * answer (a page is 1 MiB of items, written as JSON); an object of leases, and what one of them may need there (some 500 bytes), or is left with
 * where a shard's children would have no room else; how long two rounds of it are apart at most; how many writes in a row are refused before it is
 * said; between two looks at what is due; how long the end may wait for what was read to be safe and written. */
#define KINESIS_LEASE_CALLS      LIMIT(8U, 2U)
#define KINESIS_LEASE_TIMEOUT    (5 * NSEC_PER_SEC)
#define KINESIS_LEASE_MAX        (64 * KIB)
#define KINESIS_TABLE_KEY_MAX    (16 * KIB)
#define KINESIS_TABLE_ANSWER_MAX (8 * MIB)
#define KINESIS_LEASE_OBJECT_MAX LIMIT(3 * MIB, 32 * KIB)
#define KINESIS_LEASE_BYTES      768
#define KINESIS_LEASE_TIGHT      640
#define KINESIS_LEASE_PAUSE      (500 * NSEC_PER_MSEC)
#define KINESIS_LEASE_CONFLICTS  10U
#define KINESIS_LEASE_TURN       (20 * NSEC_PER_MSEC)
#define KINESIS_PART_TIME        (5 * NSEC_PER_SEC)
/* Partition keys of a record of many that are kept at hand. */
#define KPL_KEYS_MAX LIMIT(65536U, 16U)
/* MQTT. Beside its payload a packet has a topic and properties; of them, and of what is written, no more than so much; identifiers that
 * are being forgotten. Topics of an input, and a text of them. Answers to CONNECT and PING may take so long; a subscription that was refused is
 * tried again so soon; a full window likewise; the end takes so long at most; what is refused is said so often. */
#define MQTT_HEAD_MAX     (256 * KIB)
#define MQTT_PACKET_MAX   (RECORD_MAX_BYTES + MQTT_HEAD_MAX)
#define MQTT_OUT_MAX      (256 * KIB)
#define MQTT_RELEASES_MAX LIMIT(65535, 16)
#define MQTT_NOTED_MAX    900 /* beside a mark, in POSITION_CURSOR_MAX */
#define MQTT_TOPICS_MAX   64
#define MQTT_TOPIC_MAX    1024
/* Messages in hand, unless the option says otherwise. */
#define MQTT_RECEIVE_QOS2    20
#define MQTT_RECEIVE_USUAL   1000
#define MQTT_CONNECT_TIMEOUT (30 * NSEC_PER_SEC)
#define MQTT_SUBSCRIBE_AGAIN (60 * NSEC_PER_SEC)
#define MQTT_ROOM_AGAIN      (50 * NSEC_PER_MSEC)
#define MQTT_LEAVE_TIME      (2 * NSEC_PER_SEC)
#define MQTT_SAYS_EVERY      (60 * NSEC_PER_SEC)
/* AMQP 0-9-1. The longest frame that is agreed on (the specification: 4096 at least), and what waits to be written; memory for a body that is
 * kept for the next one. */
#define AMQP091_FRAME_MAX LIMIT(128 * KIB, 4 * KIB)
#define AMQP091_OUT_BYTES (64 * KIB)
#define AMQP091_BODY_KEEP LIMIT(256 * KIB, 1 * KIB)
/* How long a server may take for an answer; how long a message waits for room before all that was not appended goes back to the server, how much
 * room there is before it is asked for again, and how long at most when that does not help; how often the queue's depth is asked for; with --once a
 * queue is looked at when nothing came for so long, and a stream has ended; how long the end takes at most. */
#define AMQP091_ANSWER_TIME  (20 * NSEC_PER_SEC)
#define AMQP091_HELD_MOST    (2 * NSEC_PER_SEC)
#define AMQP091_ROOM_BYTES   LIMIT(1 * MIB, 4 * KIB)
#define AMQP091_AWAY_FIRST   (1 * NSEC_PER_SEC)
#define AMQP091_AWAY_MOST    (120 * NSEC_PER_SEC)
#define AMQP091_COUNT_EVERY  (10 * NSEC_PER_SEC)
#define AMQP091_QUIET        (300 * NSEC_PER_MSEC)
#define AMQP091_STREAM_QUIET (3 * NSEC_PER_SEC)
#define AMQP091_SAYS_EVERY   (60 * NSEC_PER_SEC)
#define AMQP091_LEAVE_TIME   (2 * NSEC_PER_SEC)

/* AMQP 1.0. Nesting of a value; a scalar as text; what is made of a body that is a value, and its memory that is kept for the next one; sections beside
 * a record's bytes; an id. A frame; what the server may send ahead of what is taken; what is received at once; memory of a message that is kept for
 * the next one. Credit. What a server says that is shown. */
#define AMQP10_DEPTH_MAX      32
#define AMQP10_SCALAR_MAX     512
#define AMQP10_TEXT_MAX       (RECORD_MAX_BYTES + 64 * KIB)
#define AMQP10_TEXT_KEEP      LIMIT(64 * KIB, 1 * KIB)
#define AMQP10_BESIDE_RECORD  (64 * KIB)
#define AMQP10_ID_MAX         (64 * KIB)
#define AMQP10_FRAME_BYTES    LIMIT(32 * KIB, 1 * KIB)
#define AMQP10_INCOMING_BYTES LIMIT(8 * MIB, 16 * KIB)
#define AMQP10_CHUNK_BYTES    LIMIT(16 * KIB, 256)
#define AMQP10_BYTES_KEEP     LIMIT(64 * KIB, 1 * KIB)
#define AMQP10_CREDIT_MAX     20000
#define AMQP10_SAID_MAX       200
/* A server that has not attached in so long does not any more. */
#define AMQP10_ANSWER_WAIT (30 * NSEC_PER_SEC)

/* The journal. Fields of an entry (journald takes 1,024 itself), and their names that are told when there is no room for them; a cursor; options.
 * Descriptors: one for each file of the journal, and a few. Entries of one turn; how soon a full window is looked at again; how often what
 * goes wrong is said; how long the end takes at most. */
#define JOURNALD_FIELDS_MAX    LIMIT(1100, 40)
#define JOURNALD_OMITTED_BYTES 1024
#define JOURNALD_CURSOR_MAX    512
#define JOURNALD_NAMES_MAX     100
#define JOURNALD_NAME_MAX      256
#define JOURNALD_DESCRIPTORS   128
#define JOURNALD_TURN_ENTRIES  LIMIT(1000, 3)
#define JOURNALD_ROOM_AGAIN    (100 * NSEC_PER_MSEC)
#define JOURNALD_SAYS_EVERY    (60 * NSEC_PER_SEC)
#define JOURNALD_LEAVE_TIME    (2 * NSEC_PER_SEC)
#define JOURNALD_MARK_EVERY    (3600 * NSEC_PER_SEC) /* what the filters leave out is behind the position */

/* What a tail reads at once, where lines are not longer. A batch mostly begins and ends within a frame, which is then read
 * twice from the spool: smaller frames make that cheaper, larger ones have less around them. */
#define TAIL_READ_BYTES LIMIT(256 * KIB, 2 * KIB)
/* Frames on their way at the same time, and of one turn of the loop. */
#define TAIL_WRITES      LIMIT(256, 4)
#define TAIL_TURN_FRAMES LIMIT(8, 1)
/* Of each kind of trouble with files one line of the log, and how many others there were. */
#define TAIL_LOG_PERIOD (1 * NSEC_PER_SEC)
/* Of a compressed file: what is unpacked in one step; what is kept of the text in front of what is read; when one that is not whole is looked at
 * again, at first, and when it is given up until it changes; the text of one, and above a size how many times as large as the file it may be. */
#define TAIL_PACKED_STEP_BYTES LIMIT(4 * MIB, 4 * KIB)
#define TAIL_PACKED_READ_BYTES LIMIT(64 * KIB, 64)
#define TAIL_PACKED_KEEP_BYTES LIMIT(64 * KIB, 1 * KIB)
#define TAIL_PACKED_AGAIN      (1 * NSEC_PER_SEC)
#define TAIL_PACKED_GIVE_UP    (60 * NSEC_PER_SEC)
#define TAIL_PACKED_MOST       (64 * GIB)
#define TAIL_PACKED_FREE       LIMIT(1 * GIB, 1 * MIB)
#define TAIL_PACKED_TIMES      1000
/* A line is looked at so far for whether it belongs to the lines before. */
#define MULTILINE_LOOK_BYTES LIMIT(4 * KIB, 256)
#define MULTILINE_TIMEOUT    (2 * NSEC_PER_SEC)
/* What a tail that shapes its records (shape.h) keeps of each of its six buffers between two reads; at most one read's bytes are in
 * each of them, and fields that are added. */
#define TAIL_SHAPE_KEEP_BYTES LIMIT(64 * KIB, 1 * KIB)
/* Fields that a tail adds. */
#define TAIL_FIELDS_MAX 32
/* Zeros that are passed over in one step; a whole block of them is no text, whoever wrote them. */
#define TAIL_ZEROS_STEP_BYTES LIMIT(4 * MIB, 4 * KIB)
#define TAIL_ZEROS_READ_BYTES LIMIT(64 * KIB, 512)
/* Of a hole between lines that is larger than twice that. */
#define TAIL_HOLE_STEP_BYTES LIMIT(64 * MIB, 8 * KIB)
/* A file that is read from its end on is so from its last line, which is looked for in this much. */
#define TAIL_LAST_LINE_BYTES LIMIT(64 * KIB, 8 * KIB)
/* Bytes before the offset that are fingerprinted, in every position that is stored; and the first bytes of a file: seven powers
 * of two of this. */
#define TAIL_MARK_BYTES  256
#define TAIL_HEAD_BYTES  64
#define TAIL_HEADS       7
#define TAIL_HEADS_BYTES (TAIL_HEAD_BYTES << (TAIL_HEADS - 1))
/* Buckets of a tail's tables: of its files (at first; doubles), and of watched folders. */
#define TAIL_BUCKETS_FIRST LIMIT(256, 2)
#define TAIL_WATCH_BUCKETS LIMIT(1024, 1)
/* Events of inotify that are read at once: one at least. */
#define TAIL_WATCH_EVENT_BYTES LIMIT(64 * 1024, 512)

/* A tail that may wait (pace.h) keeps ahead of deliveries a batch and so many segments, or this share of what stays in memory
 * for them, if that is less: batches in flight need the rest. As long as one ended within this time; whether one did is asked
 * every so many milliseconds. */
#define PACE_SEGMENTS     2
#define PACE_WARM_SHARE   3
#define PACE_MOVING       (5 * NSEC_PER_SEC)
#define TAIL_PACE_LOOK_MS 1000

/* Milliseconds until a tail goes on after "full", between two turns, and until it looks at a folder that has just changed. */
#define TAIL_AGAIN_MS      50
#define TAIL_TICK_MS       250
#define TAIL_WATCH_REST_MS 20
/* A file that cannot be read is tried again after so long, doubled so often. */
#define TAIL_RETRY_FIRST    (1 * NSEC_PER_SEC)
#define TAIL_RETRY_DOUBLING 6
/* A deleted file is kept open for what its writer may still write. */
#define TAIL_LINGER (30 * NSEC_PER_SEC)
/* Between two looks through the folders, and where inotify cannot be believed. */
#define TAIL_LOOK_GAP    (100 * NSEC_PER_MSEC)
#define TAIL_POLL_PERIOD (1 * NSEC_PER_SEC)
/* With --once: looks in all, such a gap apart, for files that were renamed before they could be opened. */
#define TAIL_ONCE_LOOKS 10

/* Truncated or deleted files that a tail remembers, to recognise their copies; and for how long. */
#define TAIL_PASTS_MAX LIMIT(4096, 64)
#define TAIL_PAST_KEEP (24 * 3600 * NSEC_PER_SEC)
/* Files of a tail whose last bytes are kept for the same reason; and how many of each, at least, if they came in one go (at
 * most twice as many). */
#define TAIL_RECENT_MAX   LIMIT(16, 2)
#define TAIL_RECENT_BYTES LIMIT(64 * KIB, 4 * KIB)
/* Places where a name may be cut to find others like it. */
#define TAIL_CUTS_MAX 64
/* A possible copy waits so long for its original to be truncated, more if it is large, as it is synced before that. */
#define TAIL_COPY_HOLD         (10 * NSEC_PER_SEC)
#define TAIL_COPY_HOLD_PER_MIB (50 * NSEC_PER_MSEC)
/* Of a possible copy, what is compared in one step of the input's loop, and read at once for it; bytes at both ends that two
 * files are compared by. */
#define TAIL_COMPARE_BYTES      LIMIT(1 * MIB, 1 * KIB)
#define TAIL_COMPARE_READ_BYTES LIMIT(64 * KIB, 512)
#define TAIL_LIKENESS_BYTES     4096
/* Files with a name like a new one's that it is compared with; and of these, those that must be opened for it, in its own
 * folder and in others. */
#define TAIL_KIN_MAX   LIMIT(4096, 64)
#define TAIL_OPEN_NEAR LIMIT(64, 16)
#define TAIL_OPEN_FAR  LIMIT(4, 2)

/* Patterns that one with {a,b} may stand for; folders below each other that `**` enters. */
#define GLOB_ALTERNATIVES_MAX 1000
#define GLOB_DEPTH_MAX        64
/* To tell why a pattern matches nothing: links that lead to one another, names in a folder among which one is looked for, warnings
 * for one pattern. */
#define TAIL_EXPLAIN_LINKS_MAX    16
#define TAIL_EXPLAIN_NAMES_MAX    LIMIT(2000, 20)
#define TAIL_EXPLAIN_WARNINGS_MAX 5

/* --- pipeline: from batches to bodies ------------------------------------------------------------------------------- */

/* Of what is for records on their way in, room for one large request belongs to the API where there is one: files that
 * are read as fast as the disk allows would take all of it, and producers would be turned away meanwhile. Files and
 * standard input never get less than what they need to go on. */
#define READ_LEAST (4 * MIB)
/* What libraries of inputs read ahead, beside limits.memory: this part of it, all together; and the least that each has. */
#define READ_AHEAD_SHARE 8
#define READ_AHEAD_LEAST LIMIT(256 * KIB, 32 * KIB)

/* Batches of one stream that are sealed and not yet settled. Those that wait for their retry hold no place of deliveries_in_flight once
 * others get through, and no memory: a range in the spool, a seal in the journal, what was last seen (some KiB). */
#define OPEN_DELIVERIES_MAX LIMIT(128, 24)

/* What a worker holds at most. A frame: payload, its table (up to five bytes for a record of one byte), and what stands around them;
 * or a chunk that a transform made, whose last record may be of any size. */
#define WORKER_RAW_MAX (FRAME_LONE_BYTES + FRAME_MAX_BYTES * 6 + 64 * KIB)
/* JSON strings of control characters grow six-fold. */
#define WORKER_SCRATCH_MAX (RECORD_MAX_BYTES * 7 + FRAME_MAX_BYTES * 8)
/* What it keeps between jobs; a batch of unusual records must not pin its buffers for good. */
#define WORKER_KEEP_MAX LIMIT(2 * MIB, 4 * KIB)

/* What a transform may make of a batch: twice what went in, or this if it is more. A batch that makes more is worked on in halves,
 * down to the record that makes so much alone, which fails. */
#define TRANSFORM_MADE_MAX LIMIT(64 * MIB, 2 * MIB)
/* Different sets of partition keys in a batch that are counted. */
#define PARTITIONS_COUNTED_MAX LIMIT(4096, 64)
/* What a transform made of a single record lies in memory when the disk has no room for it: as much as one transform makes of a record,
 * and what stands beside it. */
#define TRANSFORM_LONE_MEMORY (40 * MIB)
/* Records that go through a chain of transforms in one call, and an error line: the largest record in base64, and what stands around
 * it. */
#define TRANSFORM_RECORDS_PER_RUN LIMIT(256, 2)
#define TRANSFORM_LINE_MAX_BYTES  (RECORD_MAX_BYTES / 3 * 4 + 2 * MIB)
/* What transforms made is kept in chunks. One is closed when its payload is this large, or it holds so many records: who reads it
 * holds all of it, and what stands beside a record is longer than a short one. */
#define RECORD_LIST_CHUNK_BYTES   LIMIT(256 * KIB, 512)
#define RECORD_LIST_CHUNK_RECORDS LIMIT(4096, 4)
/* ... and in a list with lanes, each of which has one open. */
#define RECORD_LIST_LANE_BYTES LIMIT(128 * KIB, 256)
/* A block of a parcel's file: its payload, and its records. One is read at once. */
#define PARCEL_BLOCK_BYTES   LIMIT(256 * KIB, 512)
#define PARCEL_BLOCK_RECORDS LIMIT(4096, 4)
/* A parcel's file that grows in small parts takes its space ahead: from the first of these lengths on four times as much, from the second
 * on twice as much, from the third on this much more at a time. And who reads one reads so much at once, when its blocks are smaller. */
#define PARCEL_AHEAD_FIRST  (16 * KIB)
#define PARCEL_AHEAD_DOUBLE (256 * KIB)
#define PARCEL_AHEAD_MAX    (4 * MIB)
#define PARCEL_READ_AHEAD   LIMIT(64 * KIB, 256)
/* A query for a partition key (transforms/partition/query.h): steps that one may take, and the shortest record that must be within
 * them, or the query is refused. */
#define QUERY_WORK_MAX   (1ULL << 30)
#define QUERY_RECORD_MIN 256
/* The longest record of which libjq makes a tree, which may take 140 times as much memory (`[{},{},...]`), and what a query may make of
 * a record by copying. */
#define QUERY_TREE_MAX LIMIT(1 * MIB, 64 * KIB)
#define QUERY_MADE_MAX (64 * MIB)
/* An address, or a header's value, with its partition keys filled in. */
#define HTTP_FILLED_MAX (64 * KIB)
/* Most that a stream's max_partitions can be. */
#define PARTITIONS_OPEN_MAX 20000
/* A record in it: of what a transform made, or a line that says why one failed. */
#define PARCEL_RECORD_MAX_BYTES TRANSFORM_LINE_MAX_BYTES
/* Staging (encode/stage.h): a piece that is staged at once, a larger one when many keys are to have something of it (so much for each); which
 * part of spool.limit that may be; how much of what it is made of stays in memory; how long it may take, and which part of the time that a
 * script has for a batch; how long one gathers at most; bytes of a lane of it, and how many lanes it has at most; what it may hold in memory
 * of its parcels' blocks, and what a file takes of that however little is added to it; their files that stay open between two pieces;
 * parcels that one piece may go to; and parcels of a stream that are not settled, above which no further piece is staged: all of them stand
 * in each checkpoint (FRAME_EXTRA_MAX). */
#define STAGE_PIECE_BYTES     LIMIT(4 * MIB, 8 * KIB)
#define STAGE_PIECE_BYTES_MAX LIMIT(64 * MIB, 16 * KIB)
#define STAGE_PIECE_KEY_BYTES LIMIT(128 * KIB, 256)
#define STAGE_PIECE_OF_SPOOL  16
#define STAGE_WARM_MAX        LIMIT(8 * MIB, 64 * KIB)
#define STAGE_PIECE_TIME      (4 * NSEC_PER_SEC)
#define STAGE_PIECE_TIME_PART 8
#define STAGE_PIECE_AGE_PART  8 /* of the stream's buffer.interval */
#define STAGE_PIECE_AGE_MAX   (2 * NSEC_PER_SEC)
#define STAGE_LANE_BYTES      LIMIT(4 * MIB, 2 * KIB)
#define STAGE_LANES_MAX       16
#define STAGE_BUFFERED_MAX    LIMIT(8 * MIB, 4 * KIB)
#define STAGE_FILE_MEMORY     LIMIT(1 * KIB, 64)
#define STAGE_FILES_MAX       LIMIT(32, 2)
#define STAGE_PARTS_MAX       LIMIT(40960, 32)
#define STAGE_PARCELS_MAX     LIMIT(49152, 1024)
#define STAGE_BUCKETS_FIRST   LIMIT(64, 1)
/* Bytes of the partition keys of one record: as many as a script may set, with their names. */
#define KEY_SET_MAX (64 * KIB)

/* Encoding a body takes this much beside it. */
#define ENCODER_BODY_SLACK (64 * KIB)
/* What a codec gets at once; records that a sink shaped, and error lines, are collected to so many bytes. */
#define ENCODER_CODEC_PIECE  LIMIT(256 * KIB, 512)
#define ENCODER_SHAPED_PIECE LIMIT(256 * KIB, 512)
#define ENCODER_ERRORS_PIECE LIMIT(256 * KIB, 512)
/* Near its greatest size a body gets records in pieces of this part of it. */
#define ENCODER_BODY_STEPS 8
/* What an error line says beside the record. */
#define ENCODER_ERRORS_MORE_MAX (16 * KIB)
/* An object is read back in pieces of this, for its digest. */
#define ENCODER_DIGEST_PIECE LIMIT(64 * KIB, 512)

/* --- pipeline: delivering ------------------------------------------------------------------------------------------ */

/* What a connection and its buffers hold beside the body: many small bodies must not add up to much outside the budget. */
#define ATTEMPT_EXCHANGE_MEMORY (96 * KIB)
/* A sink that is not ready (SINK_NOT_YET) is asked again after so long. */
#define ATTEMPT_NOT_YET_WAIT (5 * NSEC_PER_MSEC)
/* Object name: S3 allows 1024 bytes; the rest of SEAL_META_MAX is for format and codec. */
#define OBJECT_NAME_MAX 1536
/* An answer up to this is part of what an exchange holds anyway, and read on the delivery thread; a larger one takes its memory
 * from the budget, and is read by a worker. */
#define ANSWER_SMALL_MAX LIMIT(64 * KIB, 1 * KIB)
/* Of an answer of an endpoint: its headers, and its body where the sink asks for no other size. */
#define TRANSPORT_HEADERS_MAX          (64 * KIB)
#define TRANSPORT_RESPONSE_DEFAULT_MAX (64 * KIB)
/* curl's buffer for what is sent: the least it takes is 16 KiB. */
#define TRANSPORT_UPLOAD_BUFFER_BYTES LIMIT(64L * 1024, 16L * 1024)
/* What a larger body has as long as all of them have no more beyond the usual size than this. curl takes at most 2 MiB. */
#define TRANSPORT_UPLOAD_BUFFER_MAX    LIMIT(256 * KIB, 32 * KIB)
#define TRANSPORT_UPLOAD_BUFFERS_BYTES LIMIT(1 * MIB, 24 * KIB)
/* Connections that are kept for another exchange. */
#define TRANSPORT_IDLE_SLOTS_MAX LIMIT(16, 1)
#define TRANSPORT_POLL_FAILED_MS 100
/* What a far end said before it broke off: connections it is looked for on, and bytes of it. */
#define TRANSPORT_LAST_WORDS_KEPT  LIMIT(8, 2)
#define TRANSPORT_LAST_WORDS_BYTES 4096
/* To resolve the name, and again to connect; for a whole exchange; fewer than one byte per second for so long: the far end is gone. */
#define CONNECT_TIMEOUT_MS         10000L
#define TRANSPORT_EXCHANGE_TIMEOUT (180 * NSEC_PER_SEC)
#define TRANSPORT_STALL_SECONDS    60L
/* Names change their addresses: a connection is used again for so long, and what a name resolved to is believed for so long. */
#define TRANSPORT_CONNECTION_LIFE_SECONDS 30L
#define TRANSPORT_DNS_LIFE_SECONDS        5L

/* Names that are being resolved at once; each costs a thread, for as long as the resolver does not answer. */
#define RESOLVER_THREADS_MAX LIMIT(64, 2)
/* What libraries behind the C library's resolver may need. */
#define RESOLVER_STACK_BYTES (512 * KIB)
/* All addresses of a name, as text; more are left out. */
#define RESOLVER_TEXT_MAX 512
/* What a name resolved to is believed for so long, a failure for less; and where the resolver does not answer, it serves no longer than
 * connections are used again without asking. */
#define RESOLVER_BELIEVED_TIME (5 * NSEC_PER_SEC)
#define RESOLVER_FAILED_TIME   (1 * NSEC_PER_SEC)
#define RESOLVER_SERVES_TIME   (30 * NSEC_PER_SEC)

/* Threads for sinks that block, and how long an idle one waits for work. */
#define SENDER_THREADS_MAX LIMIT(256, 8)
#define SENDER_IDLE_END    (10 * NSEC_PER_SEC)

/* Pauses between attempts: the first, doubled up to the longest. A wrong password is not cured by asking every second. */
#define BACKOFF_FIRST             (1 * NSEC_PER_SEC)
#define BACKOFF_MAX               (120 * NSEC_PER_SEC)
#define BACKOFF_MISCONFIGURED_MIN (5 * NSEC_PER_SEC)
/* Where many batches wait for one destination, one goes ahead: so long at least, so long for the next one's turn. */
#define BACKOFF_PROBE_MIN  (8 * NSEC_PER_SEC)
#define BACKOFF_PROBE_TURN (1 * NSEC_PER_SEC)
/* A batch that waits so long gives its place to another. */
#define PLACES_FIRST_EXTRA (8 * NSEC_PER_SEC)
/* An attempt is called one that hangs when it takes so long, and so many times as long as they usually do. */
#define TARGET_ATTEMPT_LONG (10 * NSEC_PER_SEC)
#define TARGET_USUAL_TIMES  4
/* The transform of one batch, or of a piece of it, is called slow when it takes so long. */
#define TRANSFORM_LONG (10 * NSEC_PER_SEC)
/* A destination's description, for people. */
#define TARGET_DESCRIPTION_MAX 2048
/* A destination that did not say what it is, is asked again. */
#define IDENTIFY_ASK_AGAIN (60 * NSEC_PER_SEC)
/* A spool that cannot be read or written is tried again. */
#define STREAM_SPOOL_RETRY (1 * NSEC_PER_SEC)

/* --- pipeline: counting and showing -------------------------------------------------------------------------------- */

/* Different reasons kept per delivery; later ones are told in general words. */
#define OUTCOMES_REASONS_MAX LIMIT(200, 4)
/* Different reasons why records did not get through that are counted apart (rejects.h); and the buckets of time they are in. */
#define REJECTS_REASONS_MAX LIMIT(8, 2)
#define REJECTS_BUCKET      (10 * NSEC_PER_SEC)
#define REJECTS_BUCKETS     30
/* Counters of a stream's scripts, and bytes of a name. */
#define NAMED_COUNTERS_MAX      LIMIT(100, 4)
#define NAMED_COUNTERS_NAME_MAX 64

/* What is kept of a stream for people (chronicle.h): an hour in slots, and those that
 * there is memory for at first; the last objects, errors and events; bytes of a name, and of a text.
 * And how often the streams are asked how they stand. */
#define HISTORY_SLOT        (30 * NSEC_PER_SEC)
#define HISTORY_SLOTS       LIMIT(120, 4)
#define HISTORY_FIRST_SLOTS LIMIT(8, 2)
#define HISTORY_TICK        (5 * NSEC_PER_SEC)
#define CHRONICLE_OBJECTS   LIMIT(10, 2)
#define CHRONICLE_ERRORS    LIMIT(8, 2)
#define CHRONICLE_EVENTS    LIMIT(12, 2)
#define CHRONICLE_NAME      200
#define CHRONICLE_TEXT      255

/* Connections to the admin server, and those that wait to be accepted. */
#define ADMIN_CONNECTIONS 64
/* Seconds for a whole request; and for a whole answer: a page of some MiB may go over a slow line. */
#define ADMIN_ASK_SECONDS  10U
#define ADMIN_READ_TIMEOUT (60 * NSEC_PER_SEC)
/* A thousand streams make about 5 MiB of metrics. */
#define ADMIN_PAGE_MAX_BYTES (64 * MIB)
/* Streams on one page of a listing: at most, and when nobody says how many. */
#define ADMIN_LIST_MAX  LIMIT(1000, 8)
#define ADMIN_LIST_PAGE LIMIT(100, 4)
/* Streams that are shown as cards on / as a whole; cards there are at most; and bytes of a stream's configuration as it is shown. */
#define CONSOLE_FEW        4
#define CONSOLE_CARDS      8
#define CONSOLE_CONFIG_MAX (64 * KIB)
/* Milliseconds between two pictures of `sluice top`. */
#define TOP_EVERY_MS 2000
/* Records that pass by are shown (base/tap.h): so many of each side in a second, so much of each; so many are kept, so many are in one answer; and
 * how long after the last look. All of them together are within ADMIN_ANSWER_MAX as JSON, where a byte may take six. */
#define TAP_PER_SECOND LIMIT(50, 5)
#define TAP_TEXT       1024
#define TAP_ENTRIES    LIMIT(128, 8)
#define TAP_LOOK       LIMIT(64, 4)
#define TAP_LEASE      (10 * NSEC_PER_SEC)
/* `sluice tap` asks so often; the page waits so long for records, and for no more than so many. */
#define TAP_EVERY_MS  250
#define TAP_PAGE_WAIT (2 * NSEC_PER_SEC)
#define TAP_PAGE_LOOK 20
/* What is asked for by POST: its body, the answer, and how many wait for their turn behind the one that runs. */
#define ADMIN_BODY_MAX        (4 * KIB)
#define ADMIN_ANSWER_MAX      (1 * MIB)
#define ADMIN_ACTIONS_WAITING LIMIT(8, 2)
/* Addresses of before, at which something that was asked is still being answered; and how often that is looked at. */
#define ADMIN_LEAVING_MAX 4
#define ADMIN_LEAVE_TICK  (NSEC_PER_SEC / 2)
/* Between two log lines of requests with a wrong token. */
#define ADMIN_REFUSED_EVERY (60 * NSEC_PER_SEC)
/* One short piece of a page. */
#define PAGE_PIECE_MAX 512

/* --- pipeline: the process ----------------------------------------------------------------------------------------- */

/* Milliseconds between two looks of the engine: when somebody watches or it ends, and else; how long an input is at one file before the
 * start does not wait for it any more; how long what is there waits for inputs to stop before it is delivered; what malloc keeps (the largest glibc takes). */
#define ENGINE_TICK_MS          200
#define ENGINE_WATCH_MS         1000
#define ENGINE_START_WAIT       (1 * NSEC_PER_SEC)
#define ENGINE_INPUTS_STOP_TIME (500 * NSEC_PER_MSEC)
/* Of a stream that goes or changes while the others run: an input may have something to give back first (SQS_LEAVE_TIME). */
#define ENGINE_INPUTS_LEAVE_TIME (4 * NSEC_PER_SEC)
/* A reload: how long all streams that are removed may take to let go, once their deliveries have been waited for, and each at least; how many
 * of its streams the log names; and how much it says to whoever asked for it. */
#define RELOAD_LEAVE_TIME  (5 * NSEC_PER_SEC)
#define RELOAD_LEAVE_LEAST (200 * NSEC_PER_MSEC)
#define RELOAD_NAMED_MAX   20
#define RELOAD_REPORT_MAX  MIB
/* How often a signal asks again while somebody else's reload is under way, in milliseconds. */
#define HANGUP_RETRY_MS     200
#define ENGINE_MALLOC_KEEPS (32 * (int)MIB)
/* Descriptors that are kept from the inputs: for locks, event loops, pipes to wake them (a walk through folders has one open for each
 * level); per thread of the API; per thread on which inputs read, for events and two pipes; per stream, for the segment that is written, its spare, a checkpoint's new one; for the files of its parcels, where it is partitioned; per delivery, for a connection
 * and what its resolver is woken by, a segment, a temporary body; for the admin server. And the fewest that a tail (a file and a
 * folder at a time) and the admin server can do with. */
#define DESCRIPTORS_ENGINE       20
#define DESCRIPTORS_PER_THREAD   3
#define DESCRIPTORS_PER_LOOP     4
#define DESCRIPTORS_PER_STREAM   3
#define DESCRIPTORS_PER_DELIVERY 5
#define DESCRIPTORS_ADMIN        16
#define DESCRIPTORS_PER_STAGE    (STAGE_FILES_MAX + 2)
#define DESCRIPTORS_PER_INPUT    2
#define DESCRIPTORS_ADMIN_LEAST  2

/* Address space: of the program with its libraries and small things; threads besides workers and loops of the API: its own few, for
 * names, for writes to files; a stack where the system sets no limit to it. */
#define PROCESS_PROGRAM_BYTES (64 * MIB)
#define PROCESS_THREADS       12U
#define PROCESS_STACK_BYTES   (8 * MIB)
/* The least of a stack: Lua's own functions that call back into a script as deep as Lua lets them need half of it. */
#define PROCESS_STACK_LEAST (1 * MIB)

/* `validate` and SIGHUP: when looking at the files of one input takes longer, it is said. */
#define PREFLIGHT_LOOK_LONG (3 * NSEC_PER_SEC)

/* Behind the grace time, for threads to end in order. */
#define WAY_OUT_STOP_TIME (1 * NSEC_PER_SEC)
/* A second signal: an orderly end within so long, or none. With what the last words may take it is less than a second. */
#define WAY_OUT_HURRY_TIME (400 * NSEC_PER_MSEC)
/* The last words: the lines, in microseconds, and their way to standard error. */
#define WAY_OUT_WORDS_TIME_US 300000
#define WAY_OUT_FLUSH_TIME    (200 * NSEC_PER_MSEC)
/* timeout(1) and some supervisors signal a process and then its group, so one wish to stop arrives twice. Only a signal
 * that comes later is a second wish. */
#define WAY_OUT_SAME_WISH (100 * NSEC_PER_MSEC)
/* `run`, at its end. All is delivered, and the threads have nothing to do any more: one that hangs all the same is not waited for
 * longer. Or something is left because it hangs, most likely. And for the last lines of the log, when nobody reads them at the moment. */
#define RUN_STOP_TIMEOUT (10 * NSEC_PER_SEC)
#define RUN_LEFT_TIMEOUT (1 * NSEC_PER_SEC)
#define RUN_LOG_TIMEOUT  (500 * NSEC_PER_MSEC)

/* What a service manager is told: the longest message; how many seconds one that it waits for may wait for room at its end; how often it
 * hears how the streams are, where that has changed; and how often within the time of its watchdog it hears that we live. */
#define NOTIFY_MAX_BYTES     512
#define NOTIFY_WAIT_SECONDS  2
#define SERVICE_STATUS_EVERY (10 * NSEC_PER_SEC)
#define SERVICE_BEATS        4

/* --- pipeline: the commands ---------------------------------------------------------------------------------------- */

/* put: what is read at once, more than the longest line and its newline, so that a full buffer without a newline is a line too long.
 * An input that pauses so many milliseconds has its lines sent, full batch or not. */
#define PUT_WINDOW_BYTES (2 * MIB)
#define PUT_IDLE_MS      200
/* A request and its answer, JSON in it inside one another, the time for connecting and for the answer in milliseconds. */
#define PUT_BODY_MAX   (16 * MIB)
#define PUT_REPLY_MAX  (1 * MIB)
#define PUT_JSON_DEPTH 16
#define PUT_CONNECT_MS 10000L
#define PUT_ANSWER_MS  120000L
/* Pauses between attempts: the first, doubled up to the longest. */
#define PUT_PAUSE_FIRST (100 * NSEC_PER_MSEC)
#define PUT_PAUSE_MAX   (5 * NSEC_PER_SEC)

/* redrive: an object as large as the largest buffer of a stream, its records in base64 with what stands around them. */
#define REDRIVE_OBJECT_MAX (1 * GIB)
/* It is read in pieces of this size, and asked of a bucket for so much at once. */
#define REDRIVE_PIECE LIMIT(256 * KIB, 16 * KIB)
#define REDRIVE_FETCH LIMIT(8 * MIB, 1 * MIB)
/* A line of more is none: the largest record in base64 with what stands around it is shorter. A decoded record and its error code. */
#define REDRIVE_LINE_MAX    (RECORD_MAX_BYTES / 3 * 4 + 2 * MIB)
#define REDRIVE_SCRATCH_MAX (RECORD_MAX_BYTES + 3 * MIB)
/* Folders below each other; JSON in a line inside one another; --error-code, how often. */
#define REDRIVE_FOLDERS_MAX 64
#define REDRIVE_LINE_DEPTH  16
#define REDRIVE_CODES_MAX   16
/* The file that says what was sent. */
#define REDRIVE_STATE_FILE_MAX  (64 * MIB)
#define REDRIVE_STATE_LINES_MAX ((uint64_t)1 << 32)
/* Pages of a listing without an object, in a row; what S3 wants to hear for the next page. */
#define REDRIVE_EMPTY_PAGES_MAX 1000
#define REDRIVE_TOKEN_MAX       (64 * KIB)
/* A record that was given up at a time is in an object that was written later, by the clock of the store. It may differ
 * from ours, but S3 refuses who differs by more than 15 minutes; others are given more. */
#define REDRIVE_CLOCKS_DIFFER_MAX (3600 * NSEC_PER_SEC)
/* Reading a bucket: attempts, the longest pause that a store may ask for (somebody sits and waits), and the time for one (as the
 * sink's default). */
#define BUCKET_ATTEMPTS_MAX    5
#define BUCKET_RETRY_AFTER_MAX (30 * NSEC_PER_SEC)
#define BUCKET_TIMEOUT         (300 * NSEC_PER_SEC)

/* test: ten times what a record can hold is more than any way of writing it takes; a test file; cells of the table by which two
 * texts are compared. */
#define TEST_YAML_MAX       (64 * MIB)
#define TEST_TEXT_MAX       (16 * MIB)
#define TEST_DIFF_TABLE_MAX 4000000

#endif
