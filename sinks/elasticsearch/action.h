/* action.h -- the action line of a document: which index, which id, which routing.
 *
 * The id is derived from the record's number in the stream, so a redelivery, also one after a crash, replaces the
 * document (index) or finds it there already (create); it never makes a second one. Derived ids are 22 characters of
 * base64url: 6 bytes of the stream's identity, 7 of the record's number, 3 of its part. Within a stream no two are the
 * same, and they share a beginning, which keeps them small and quick to look up in Lucene.
 *
 * Ownership  elasticsearch_action_free(). Threads: immutable once open.
 */
#ifndef SINKS_ELASTICSEARCH_ACTION_H
#define SINKS_ELASTICSEARCH_ACTION_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "sinks/elasticsearch/index.h"
#include "sinks/sink.h"

#include <stdbool.h>

#define DOCUMENT_ID_MAX 512 /* bytes; one more and Elasticsearch refuses the whole request */

enum action_op { OP_AUTO, OP_INDEX, OP_CREATE };

struct elasticsearch_action_conf {
    char *index;
    int rotation; /* enum index_rotation */
    int op;       /* enum action_op */
    bool data_stream;
    char *id, *routing;
};

extern const struct cfg_choice elasticsearch_rotations[], elasticsearch_ops[];

/* The rows for a configuration struct `conf` that embeds a struct elasticsearch_action_conf as `member`. */
/* clang-format off */
#define ELASTICSEARCH_ACTION_FIELDS(conf, member)                                                                      \
    {.name = "index", .type = CFG_STRING, .offset = offsetof(conf, member.index), .required = true, .max = 512,        \
     .help = "index, alias or data stream; may hold !{record:FIELD}, !{timestamp:PATTERN} and partition keys"},                        \
    {.name = "rotation", .type = CFG_ENUM, .offset = offsetof(conf, member.rotation),                                  \
     .choices = elasticsearch_rotations,                                                                               \
     .help = "what is appended to the index, by arrival in UTC: app-2026-11-22-16, app-2026-11-22, app-2026-w47, "     \
             "app-2026-11; left out: day, or none for data streams and where index has a !{timestamp:...}"},           \
    {.name = "op", .type = CFG_ENUM, .offset = offsetof(conf, member.op), .choices = elasticsearch_ops,                \
     .help = "index replaces a document with the same id, create keeps it; left out: index, or create for data "       \
             "streams"},                                                                                               \
    {.name = "data_stream", .type = CFG_BOOL, .offset = offsetof(conf, member.data_stream), .def = "false",            \
     .help = "index names a data stream; every record then needs an @timestamp"},                                      \
    {.name = "id", .type = CFG_STRING, .offset = offsetof(conf, member.id), .def = "derived", .max = 512,              \
     .help = "derived: from the record's number, so that a repeated delivery makes no second document; server: the "   \
             "server's choice, cheaper, but at least once; or a text with !{record:FIELD}"},                           \
    {.name = "routing", .type = CFG_STRING, .offset = offsetof(conf, member.routing), .max = 512,                      \
     .help = "custom routing, such as !{record:customer}"}
/* clang-format on */

struct elasticsearch_action;

/* For sink_ops.template_at. */
bool elasticsearch_action_template(const struct elasticsearch_action_conf *c, size_t index, struct sink_template *out);

/* What is asked for, or what follows from the rest where that is nothing: never ROTATION_AUTO. */
enum index_rotation elasticsearch_action_rotation(const struct elasticsearch_action_conf *c);

/* Reports every mistake. */
void elasticsearch_action_check(const struct elasticsearch_action_conf *conf, const struct cfg_options *o);
MUST_CHECK int elasticsearch_action_open(struct elasticsearch_action **a, const struct elasticsearch_action_conf *conf,
                                         const unsigned char *identity, struct err *e);
void elasticsearch_action_free(struct elasticsearch_action **a);

bool elasticsearch_action_creates(const struct elasticsearch_action *a);

/* Appends the action line. As sink_ops.record(), but may leave a part of a line in `out` when it does not answer 1. */
MUST_CHECK int elasticsearch_action_add(const struct elasticsearch_action *a, const struct sink_record *r,
                                        struct buf *out, struct sink_refusal *why);

/* Appends what is known of ,"esDocumentId":"...","esIndexName":"...", with `vendor` in place of es. */
MUST_CHECK int elasticsearch_action_describe(const struct elasticsearch_action *a, const struct sink_record *r,
                                             const char *vendor, struct buf *out);

#endif
