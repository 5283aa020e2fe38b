/* object_key.h -- the names of objects, by Firehose's rules, from a seal alone.
 *
 *     <evaluated prefix><stream>-<version>-<yyyy-MM-dd-HH-mm-ss>-<uuid><extension>
 *
 * Time is the arrival of the oldest record, in !{timestamp:...} the records' own where they have one; uuid and random strings are derived from the stream's identity and the
 * seal's records. So the same seal has the same name on every attempt and after a crash, and a redelivery overwrites.
 *
 *   no prefix                        yyyy/MM/dd/HH/
 *   prefix without expressions       yyyy/MM/dd/HH/ is appended, as it is: `logs` becomes `logs2026/...`
 *   !{timestamp:PATTERN}             see time_pattern.h
 *   !{firehose:random-string}        11 characters, another for each occurrence
 *   !{partitionKeyFromQuery:NAME}    the value of a partition key, as a part of a folder's name: pieces.h, partition_key.h
 *
 * `\%` and `\{` stand for % and {; what other programs write for times (%Y) is a mistake, see literal.h.
 *
 * A prefix with any expression is taken as written: nothing is appended (Firehose's documents contradict one another
 * here; this is what was observed).
 *
 * An error object (id.error_type) has an evaluated error prefix instead, and no extension:
 *
 *   no error prefix                  <prefix><error type>/yyyy/MM/dd/HH/
 *   error prefix without expressions <error type>/yyyy/MM/dd/HH/ is appended
 *   !{firehose:error-output-type}    the error type; an error prefix with any expression must have it
 *
 * A seal's object at the destination, its copy in the backup and its error objects (one per error type) have different
 * names, also when all of them go to one place.
 *
 * Ownership  object_key_free(). Threads: immutable once open.
 */
#ifndef SINKS_NAMES_OBJECT_KEY_H
#define SINKS_NAMES_OBJECT_KEY_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "sinks/sink.h"

/* Firehose: before and after evaluation. */
#define OBJECT_PREFIX_MAX           1024
#define OBJECT_PREFIX_EVALUATED_MAX 512
/* S3: a key in UTF-8. */
#define OBJECT_KEY_MAX 1024

struct object_key_conf {
    char *prefix;
    char *error_prefix;
    char *timezone;
    char *extension;
    size_t name_max; /* bytes that a name between two slashes may have; 0: no bound. Not an option: the sink's */
};

/* The rows for a configuration struct `conf` that embeds a struct object_key_conf as `key`. */
/* clang-format off */
#define OBJECT_KEY_FIELDS(conf, key)                                                                                   \
    {.name = "prefix", .type = CFG_STRING, .offset = offsetof(conf, key.prefix), .max = OBJECT_PREFIX_MAX,             \
     .help = "what object names begin with; may hold !{timestamp:PATTERN} and !{firehose:random-string}, times as " \
             "!{timestamp:yyyy/MM/dd} (not %Y/%m/%d; a literal % is \\%); left out: yyyy/MM/dd/HH/"},                                                                                        \
    {.name = "error_prefix", .type = CFG_STRING, .offset = offsetof(conf, key.error_prefix), .max = OBJECT_PREFIX_MAX, \
     .help = "in a `backup`: what the names of error objects begin with; with expressions it must hold "               \
             "!{firehose:error-output-type}; left out: PREFIX"                  \
             "!{firehose:error-output-type}/yyyy/MM/dd/HH/"},           \
    {.name = "timezone", .type = CFG_STRING, .offset = offsetof(conf, key.timezone), .def = "UTC",                     \
     .help = "IANA time zone of the times in object names, such as Europe/Berlin"},                                    \
    {.name = "extension", .type = CFG_STRING, .offset = offsetof(conf, key.extension),                                 \
     .help = "replaces the extension of format and compression, such as .json.gz"}
/* clang-format on */

struct object_key;

/* For sink_ops.firehose: Prefix, ErrorOutputPrefix and, extended, FileExtension and CustomTimeZone. */
MUST_CHECK int object_key_firehose(const struct object_key_conf *conf, bool extended, struct buf *out);

/* Checks everything that can be wrong with a name, so that rendering cannot fail for a reason the operator could have
 * been told at start. */
void object_key_check(const struct object_key_conf *conf, const struct sink_env *env, const struct cfg_options *o);
/* Stops at the first mistake. */
MUST_CHECK int object_key_open(struct object_key **k, const struct object_key_conf *conf, const struct sink_env *env,
                               struct err *e);
void object_key_free(struct object_key **k);

/* For sink_ops.template_at. */
bool object_key_template(const struct object_key_conf *conf, size_t index, struct sink_template *out);

/* Appends the name. `extension`: what format and codec say, "" for none. */
MUST_CHECK int object_key_render(const struct object_key *k, const struct sink_seal_id *id, const char *extension,
                                 struct buf *out, struct err *e);

/* Texts beside the name that may hold the same expressions (a tag, metadata): -1 with a mistake that begins with `option`. */
MUST_CHECK int object_key_check_text(const char *option, const char *text, struct err *e);
/* Appends such a text with its expressions replaced; it was checked. -1: out is full. */
MUST_CHECK int object_key_render_text(const struct object_key *k, const struct sink_seal_id *id, const char *text,
                                      struct buf *out);

#endif
