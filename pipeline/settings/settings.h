/* settings.h -- the whole configuration, bound: what the YAML says, as the engine wants it.
 *
 * The only place where config/ meets the registries of inputs, sinks, formats and codecs. Reads files, starts nothing.
 *
 * Ownership  settings_free(). Everything is immutable after settings_load(). Threads: read by all.
 */
#ifndef PIPELINE_SETTINGS_SETTINGS_H
#define PIPELINE_SETTINGS_SETTINGS_H

#include "config/errors.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/log.h"
#include "pipeline/http/server/server_tls.h"
#include "pipeline/inputs/api/api.h"
#include "pipeline/inputs/input.h"
#include "pipeline/inputs/listener.h"
#include "sinks/sink.h"
#include "transforms/codecs/codec.h"
#include "transforms/codecs/format.h"
#include "transforms/transform.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where options stand in the file: for mistakes and warnings that are found after they were bound. */
struct settings_origin {
    const struct cfg_node *node; /* the options; NULL: none given */
    struct srcpos at;            /* of the name that has them */
    bool bound;                  /* without a mistake */
};

struct input_settings {
    const struct input_ops *ops;
    void *conf;
    struct settings_origin from;
    unsigned char content[32]; /* of the files that it names (input_ops.digest) */
};

struct transform_settings {
    const struct transform_ops *ops;
    void *conf;
    struct settings_origin from;
    void *loaded;              /* its script, as it was checked: streams run this; NULL: they load it themselves */
    unsigned char content[32]; /* of that (transform_ops.digest) */
};

struct partition_query {
    char *name, *query;
    char *default_value; /* NULL: none */
    struct srcpos at;
};

struct stream_settings {
    char *name;
    struct srcpos at;
    const struct cfg_node *node; /* all of it, as it stands in the file */
    /* All options that hold for what is delivered: the same; or of one of `destinations` what it says, and what the stream says for all. */
    const struct cfg_node *options;
    struct input_settings
        *inputs; /* first those whose options stand in a section (input_ops.section): they have no conf */
    size_t input_count;
    bool at_source;                    /* its seals are kept where its records come from (input_ops.shares), */
    unsigned char shared_identity[16]; /* ... and this stands in names, for all who share them */
    bool memory;                       /* durability: memory */
    uint64_t spool_limit;
    uint64_t buffer_size;
    uint64_t compressed_size; /* what an object is to weigh; 0: only buffer_size counts */
    nsec buffer_interval;
    struct transform_settings *transforms; /* in the order they chain */
    size_t transform_count;
    struct partition_query *queries; /* partition_keys, in the order of the file */
    size_t query_count;
    char *time_field, *time_format; /* `time`; field NULL: left out */
    bool time_must;                 /* a record without one fails */
    bool
        routed; /* the last of the transforms, or the one before that of `keyed`, is transform_when: not each record is meant for here */
    bool keyed; /* the last of the transforms is transform_partition: places use partition keys, or the record's time */
    bool partitioned;       /* the records of an object share their partition keys: its place is made of them */
    int64_t max_partitions; /* objects that may be gathered at once, each for other keys */
    const struct format_ops *format;
    void *format_conf; /* NULL: the format has no options */
    struct settings_origin format_from;
    const struct codec_ops *codec;
    int codec_level;
    const struct sink_ops *sink;
    void *sink_conf;
    struct settings_origin sink_from;
    int64_t in_flight_min, in_flight; /* deliveries at once: as few when the destination is in trouble, at most */
    nsec retry_duration;
    const struct sink_ops *backup; /* NULL: none */
    void *backup_conf;
    struct settings_origin backup_from;
    bool backup_all; /* every source record as well */

    /* What is delivered stands in here for one destination. Of a stream with several, in the order of the file: it is the first one, ... */
    struct stream_settings *more; /* ... and these are the others, with the same name, spool and inputs */
    size_t more_count;
    const struct stream_settings *of; /* of one of those: the first; NULL: it is that, or the only one */
    struct cfg_strings give_up;       /* destinations that are gone, and what waits for them with them */
    char *outlet;                     /* the destination's own name; NULL: it has none, because it is the only one */
    const struct cfg_node *element;   /* of `destinations`: what stands there; NULL: it is none */
    uint64_t max_behind;  /* bytes that may wait for it before what fails is given up at once; 0: no such limit */
    nsec max_behind_time; /* the same of the age of the oldest record */
    void *when;           /* of it, until it is a transform */
    struct settings_merged *merged; /* its options; NULL: `destination` */
    char *label;                    /* for people, STREAM:DESTINATION; NULL: the stream's name */
};

struct settings {
    struct cfg_tree *tree;
    char *path;     /* of the YAML file, for messages */
    char *base_dir; /* its folder: relative paths in it start there */
    char *data_dir; /* absolute */
    struct api_conf api;
    struct cfg_strings admin_hosts;
    struct server_tls_conf admin_tls;
    struct http_access_conf admin_access; /* who may read */
    int admin_records;                    /* enum admin_records */
    char *admin_token;                    /* NULL: the one in data_dir (admin/token.h) */
    char *http_listen;                    /* NULL: no admin server (`admin: { listen: none }`) */
    uint64_t memory_limit;
    enum log_level log_level;
    nsec shutdown_grace; /* how long SIGTERM waits for open deliveries */
    struct stream_settings *streams;
    size_t stream_count;
    bool spools_only; /* not in the file: nothing is read, what the spools hold is delivered (`sluice drain`) */
};

/* What a command needs of the file. The rest must be well-formed too, but its ${...} need not be there, and nothing that it
 * names is looked at. data_dir and the names of the streams are always needed. */
struct settings_use {
    bool all;           /* to run it */
    bool api;           /* the section `api` */
    bool admin;         /* the section `admin` */
    bool transforms;    /* of `stream`: their scripts are loaded */
    bool destinations;  /* of `stream`, its backup too */
    const char *stream; /* NULL: of all streams */
};

extern const struct settings_use SETTINGS_ALL;

/* Of limits.memory, what is for records on their way in; the rest is for bodies on their way out, so that a flood of input can
 * never starve the deliveries that would make room. A quarter; but room for one large request as far as half allows. */
uint64_t settings_intake(uint64_t memory_limit, uint64_t request);
/* The largest request to its listeners, in bytes of memory, and which of them takes it; 0: it has none with a section. */
uint64_t settings_request(const struct settings *s, const struct listener_ops **who);
/* The options in the section of a listener that has one. */
const void *settings_section(const struct settings *s, const struct listener_ops *l);
/* Those that have a section and that inputs of some stream want; NULL behind the last. */
const struct listener_ops *settings_listener(const struct settings *s, size_t index);
bool settings_wants(const struct stream_settings *st, const struct listener_ops *l);
bool settings_reads(const struct stream_settings *st, const struct input_ops *ops);
/* So many of its inputs, the first ones, have their options in a section. */
size_t settings_standing(const struct stream_settings *st);
/* An upper estimate of the memory a body of `bytes` will hold: what to take from the budget before the job. */
uint64_t settings_body_memory(uint64_t bytes);

/* All mistakes at once in errs; NULL when there are any. `path` NULL: ./sluice.yaml, then /etc/sluice/sluice.yaml. */
struct settings *settings_load(const char *path, const struct settings_use *use, struct cfg_errors *errs);
/* As settings_load() from text; `name` is what messages call it, `base_dir` where relative paths start. */
struct settings *settings_parse(const char *name, const char *base_dir, const char *text, size_t size,
                                const struct settings_use *use, struct cfg_errors *errs);
void settings_free(struct settings **s);
/* Its scripts, once nobody runs them. */
void settings_unload(struct stream_settings *st);
/* Frees what there is of streams[index], whose name is NULL then; the others stay where they are. Of settings that have done their work, but
 * for some streams. */
void settings_drop_stream(struct settings *s, size_t index);
/* By its name; NULL: there is none. */
/* May a stream be called so? */
bool settings_is_stream_name(const char *name);
/* STREAM, or STREAM:DESTINATION (settings_label()). */
bool settings_is_label(const char *text);
const struct stream_settings *settings_stream(const struct settings *s, const char *name);

/* The first stream with an input that would read a file of this name (absolute); NULL: none. */
const struct stream_settings *settings_reader_of(const struct settings *s, const char *path);

/* The destinations of a stream, in the order of the file, each with all that is said of it: at least one. `st` is the whole. */
size_t settings_outlet_count(const struct stream_settings *st);
const struct stream_settings *settings_outlet(const struct stream_settings *st, size_t index);
/* NULL: there is none of this name. */
const struct stream_settings *settings_outlet_named(const struct stream_settings *st, const char *name);
/* Of one of them. "": it has none. */
const char *settings_outlet_name(const struct stream_settings *outlet);
/* Whom a name of `give_up` means: `destination` the one that had none. */
const char *settings_given_up(const char *name);
/* What it is called in a list that gives it no name. */
const char *settings_outlet_default_name(const struct stream_settings *outlet);
const struct stream_settings *settings_whole(const struct stream_settings *outlet);
/* What messages and pages call it, and what it is asked for by: STREAM:DESTINATION of one of several; no stream is called so. */
const char *settings_label(const struct stream_settings *outlet);

/* A place that a stream delivers to: its destination, its backup. */
struct settings_sink {
    const struct sink_ops *ops; /* NULL: there is none */
    const void *conf;
    struct settings_origin from;
    bool backup;
};

struct settings_sink settings_destination(const struct stream_settings *st);
struct settings_sink settings_backup(const struct stream_settings *st);

/* As when running, but as nobody: no spool gives it an identity. `env` must outlive what is opened with it. */
struct sink_env settings_sink_env(const struct settings *s, const struct stream_settings *st,
                                  const struct settings_sink *sink);
MUST_CHECK int settings_sink_open(const struct settings *s, const struct stream_settings *st,
                                  const struct settings_sink *sink, void **state, struct err *e);

/* The place of section.option, or of what stands for it when it was left out. `option` may be NULL. */
struct srcpos settings_place(const struct settings *s, const char *section, const char *option);

/* Prints the manual of every option from the tables that parse them (Markdown). */
void settings_reference(struct buf *out);

/* Is the same written for the inputs of both? */
bool settings_same_inputs(const struct stream_settings *a, const struct stream_settings *b);

/* A hash of everything that shapes a stream's objects (destination, format, codec, prefix): when it changes, the
 * version in object keys goes up. No secrets in it. */
void settings_delivery_hash(const struct stream_settings *s, unsigned char out[32]);

#endif
