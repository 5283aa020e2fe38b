/* schema.h -- the messages of OTLP as tables: what each field is on the wire, in OTLP's JSON, and in a record.
 *
 *     request > resource > scope > log record, span, or metric > data point
 *
 * Fields stand at their numbers. Both readers and the writer of records go by these tables, so a field that OTLP gets later is one row.
 *
 * Facts: opentelemetry-proto 1.x; "OTLP/JSON" of the specification.
 */
#ifndef PIPELINE_INPUTS_OTLP_SCHEMA_H
#define PIPELINE_INPUTS_OTLP_SCHEMA_H

#include "pipeline/base/protobuf.h"

#include <stdbool.h>
#include <stddef.h>

enum otlp_kind {
    OTLP_NONE, /* a number that means nothing here */
    OTLP_TEXT,
    OTLP_ID,    /* bytes, in hex */
    OTLP_BYTES, /* in base64 */
    OTLP_BOOL,
    OTLP_UINT,     /* varint */
    OTLP_INT,      /* varint, signed */
    OTLP_SINT,     /* varint, zigzag */
    OTLP_ENUM,     /* varint; `words` by number in records, numbers in JSON */
    OTLP_FIXED32,  /* unsigned */
    OTLP_FIXED64,  /* unsigned */
    OTLP_SFIXED64, /* signed */
    OTLP_TIME,     /* fixed64: nanoseconds since the epoch; 0: not known */
    OTLP_DOUBLE,
    OTLP_MESSAGE,
    OTLP_ATTRIBUTES, /* a row of KeyValue: an object in records */
    OTLP_ANY,        /* AnyValue: any JSON in records */
};

struct otlp_message;

struct otlp_field {
    const char *json; /* in OTLP's JSON; NULL: none */
    const char *name; /* in records; NULL: it is not there */
    enum otlp_kind kind;
    bool many;   /* a row of them; numbers are packed */
    bool always; /* in records also when it is not there, or zero */
    bool shown;  /* in records also when it is zero: whether it is there means something */
    const struct otlp_message *message;
    const char *const *words; /* ends with NULL */
};

struct otlp_message {
    const struct otlp_field *fields;
    unsigned count; /* one more than the highest number; OTLP_FIELDS_MAX at most */
};

enum { OTLP_FIELDS_MAX = 17 };

enum otlp_signal { OTLP_LOGS, OTLP_METRICS, OTLP_TRACES, OTLP_SIGNALS };

extern const char *const otlp_signal_names[OTLP_SIGNALS]; /* logs, metrics, traces */

/* Fields of a resource's message and of a scope's, the same for all signals. */
enum { OTLP_REQUEST_RESOURCES = 1, OTLP_HEAD = 1, OTLP_ROW = 2, OTLP_SCHEMA_URL = 3 };

/* An AnyValue. */
enum {
    OTLP_ANY_TEXT = 1,
    OTLP_ANY_BOOL,
    OTLP_ANY_INT,
    OTLP_ANY_DOUBLE,
    OTLP_ANY_ARRAY,
    OTLP_ANY_MAP,
    OTLP_ANY_BYTES,
};

enum { OTLP_KEY = 1, OTLP_VALUE = 2, OTLP_VALUES = 1 };

/* A metric, which holds one of five kinds of rows of data points. */
enum {
    OTLP_METRIC_GAUGE = 5,
    OTLP_METRIC_SUM = 7,
    OTLP_METRIC_HISTOGRAM = 9,
    OTLP_METRIC_EXPONENTIAL = 10,
    OTLP_METRIC_SUMMARY = 11,
    OTLP_POINTS = 1,
};

enum { OTLP_LOG_TIME = 1, OTLP_LOG_OBSERVED = 11 };

extern const struct otlp_message otlp_request[OTLP_SIGNALS]; /* Export…ServiceRequest */
extern const struct otlp_message otlp_resource, otlp_scope;
extern const struct otlp_message otlp_item[OTLP_SIGNALS]; /* LogRecord, Metric, Span */
extern const struct otlp_message otlp_any, otlp_key_value;

/* NULL: there is none, or it means nothing here. */
static inline const struct otlp_field *otlp_field(const struct otlp_message *m, uint64_t number)
{
    return number < m->count && m->fields[number].kind != OTLP_NONE ? &m->fields[number] : NULL;
}

/* How it stands on the wire, one by one. */
enum protobuf_wire otlp_wire(enum otlp_kind kind);
/* Is it a number, so that a row of them is packed? */
bool otlp_is_number(enum otlp_kind kind);

#endif
