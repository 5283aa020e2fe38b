/* fields.h -- what the files of pipeline/settings share: the tables of options (parsing, the manual and the hints for mistakes
 * use the same rows), what binds the parts that no row can, and what is asked when all is bound.
 *
 * Inside of pipeline/settings; everybody else uses settings.h. (`sluice test` binds transforms, as a stream does.)
 */
#ifndef PIPELINE_SETTINGS_FIELDS_H
#define PIPELINE_SETTINGS_FIELDS_H

#include "config/bind.h"
#include "config/errors.h"
#include "config/node.h"
#include "pipeline/base/compiler.h"
#include "pipeline/settings/settings.h"

/* The top of the file: describes struct settings. */
extern const struct cfg_field settings_fields[];

/* One stream, and its sections `retry` and `backup`: describe struct stream_settings. */
extern const struct cfg_field settings_stream_fields[], settings_retry_fields[], settings_backup_fields[];

/* Of one of `destinations`, beside what a stream can say of its only one: describes struct stream_settings. */
extern const struct cfg_field settings_outlet_fields[];
/* CFG_CUSTOM of `when`; `out` is a struct stream_settings. */
void settings_when_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void settings_when_release(void *out);
/* Behind the other transforms, before settings_partition(). */
void settings_when(struct stream_settings *st);
extern const struct cfg_field settings_when_fields[]; /* of one condition */
/* Is said of a stream as a whole, whatever it delivers to. */
bool settings_is_of_stream(const char *option);
/* Binds st->options. */
typedef void settings_bind_outlet(struct cfg_errors *errs, struct stream_settings *st);
/* The stream's list, when it has one: `st` is bound as the first, st->more as the others. False: it has none. */
bool settings_destinations_bind(struct cfg_errors *errs, const struct cfg_node *stream, struct stream_settings *st,
                                settings_bind_outlet *bind);
/* What that has made; st's own options are released by the stream's table. */
void settings_destinations_release(struct stream_settings *st);

/* CFG_CUSTOM of `streams`; `out` is the struct settings, whose path is set. */
void settings_streams_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void settings_streams_release(void *out);

/* CFG_CUSTOM of `transform`: one transform, or a list of them that chain; `out` is a struct stream_settings.
 *
 *     transform: { lua: mask.lua, timeout: 100ms }
 *     transform: [ decompress, { deaggregate: { split: json } }, { lua: mask.lua } ]
 */
void settings_transform_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void settings_transform_release(void *out);

/* CFG_CUSTOM of `partition_keys`; and the block `time`: describe struct stream_settings. */
void settings_queries_bind(struct cfg_errors *errs, const struct cfg_node *node, void *out);
void settings_queries_release(void *out);
extern const struct cfg_field settings_time_fields[];
/* After the stream was bound: where places use partition keys or the record's time, what finds them becomes its last transform. */
void settings_partition(struct stream_settings *st);
/* What places ask for that nothing gives, and what is given that no place asks for. */
void settings_partition_check(struct cfg_errors *errs, const struct stream_settings *st);

/* What people write who know other programs, and how the same is written here, to be pasted. Whoever reports a mistake asks for
 * them through cfg_errors_hints(), so that what binds options need not know those of all others. */
extern const struct cfg_hints settings_hints;

/* Reports mistakes that only show when all of the file is bound: what sinks, inputs and scripts find in their options, and rules
 * between options that stand far apart; of the parts in `use`. Some options may be zero, because they could not be bound. */
void settings_rules(struct cfg_errors *errs, struct settings *s, const struct settings_use *use);

/* Reports each place of a loop: what is read, and what is written. A stream may read what another one writes, as long as nothing
 * of it comes back. */
void settings_loops(struct cfg_errors *errs, const struct settings *s);

/* "line 4", or "line 4 of app.yaml" where that is another file than `here`: for messages that name a second place. */
struct settings_line {
    char text[160];
};
struct settings_line settings_line(struct srcpos there, struct srcpos here);

/* One name out of a registry, alone or with options: `gzip`, or `{ gzip: { level: 6 } }`. Borrowed from the tree of nodes. */
struct settings_choice {
    const struct cfg_node *name;    /* its text is the name */
    const struct cfg_node *options; /* NULL: none given */
};

/* The names that may be chosen; NULL behind the last. */
typedef const char *settings_names(size_t index);

/* -1 when `node` is neither a name nor a mapping with one key (reported). `what` is the option's name. */
MUST_CHECK int settings_choice_read(struct cfg_errors *errs, const char *what, const struct cfg_node *node,
                                    struct settings_choice *out);

/* "unknown input `tial`; did you mean `tail`?" */
void settings_choice_unknown(struct cfg_errors *errs, const char *what, const struct settings_choice *c,
                             settings_names *names);

/* Binds options (NULL: none given) that belong to the name at `at`: the struct of `size` bytes that `fields` describe. */
void *settings_options_bind(struct cfg_errors *errs, const struct cfg_node *options, struct srcpos at,
                            const struct cfg_field *fields, size_t size, struct settings_origin *from);
void settings_options_free(const struct cfg_field *fields, void **conf);

/* Reports options where none are possible. */
void settings_choice_no_options(struct cfg_errors *errs, const struct settings_choice *c, const char *instead);

#endif
