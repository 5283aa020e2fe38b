#include "pipeline/inputs/otlp/schema.h"

#include "pipeline/base/compiler.h"

const char *const otlp_signal_names[OTLP_SIGNALS] = {"logs", "metrics", "traces"};

/* clang-format off */
#define MESSAGE(fields_)         {.fields = (fields_), .count = ARRAY_LEN(fields_)}
#define FIELD(json_, name_, ...)        {.json = (json_), .name = (name_), .kind = __VA_ARGS__}
#define INNER(json_, name_, message_)   FIELD(json_, name_, OTLP_MESSAGE, .message = &(message_))
#define ROW(json_, name_, message_)     FIELD(json_, name_, OTLP_MESSAGE, .many = true, .message = &(message_))
#define ATTRIBUTES(json_, name_)        FIELD(json_, name_, OTLP_ATTRIBUTES, .many = true, .message = &otlp_key_value)
/* clang-format on */

/* --- values ---------------------------------------------------------------------------------------------------------- */

static const struct otlp_field ARRAY_FIELDS[] = {
    [OTLP_VALUES] = FIELD("values", NULL, OTLP_ANY, .many = true, .message = &otlp_any),
};
static const struct otlp_field MAP_FIELDS[] = {
    [OTLP_VALUES] = ATTRIBUTES("values", NULL),
};
static const struct otlp_message ARRAY = MESSAGE(ARRAY_FIELDS), MAP = MESSAGE(MAP_FIELDS);

static const struct otlp_field ANY_FIELDS[] = {
    [OTLP_ANY_TEXT] = FIELD("stringValue", NULL, OTLP_TEXT),
    [OTLP_ANY_BOOL] = FIELD("boolValue", NULL, OTLP_BOOL),
    [OTLP_ANY_INT] = FIELD("intValue", NULL, OTLP_INT),
    [OTLP_ANY_DOUBLE] = FIELD("doubleValue", NULL, OTLP_DOUBLE),
    [OTLP_ANY_ARRAY] = INNER("arrayValue", NULL, ARRAY),
    [OTLP_ANY_MAP] = INNER("kvlistValue", NULL, MAP),
    [OTLP_ANY_BYTES] = FIELD("bytesValue", NULL, OTLP_BYTES),
};
static const struct otlp_field KEY_VALUE_FIELDS[] = {
    [OTLP_KEY] = FIELD("key", NULL, OTLP_TEXT),
    [OTLP_VALUE] = FIELD("value", NULL, OTLP_ANY, .message = &otlp_any),
};
const struct otlp_message otlp_any = MESSAGE(ANY_FIELDS), otlp_key_value = MESSAGE(KEY_VALUE_FIELDS);

/* --- what all signals have around them -------------------------------------------------------------------------------- */

static const struct otlp_field RESOURCE_FIELDS[] = {
    [1] = ATTRIBUTES("attributes", "attributes"),
    [2] = FIELD("droppedAttributesCount", "dropped_attributes_count", OTLP_UINT),
};
static const struct otlp_field SCOPE_FIELDS[] = {
    [1] = FIELD("name", "name", OTLP_TEXT),
    [2] = FIELD("version", "version", OTLP_TEXT),
    [3] = ATTRIBUTES("attributes", "attributes"),
    [4] = FIELD("droppedAttributesCount", "dropped_attributes_count", OTLP_UINT),
};
const struct otlp_message otlp_resource = MESSAGE(RESOURCE_FIELDS), otlp_scope = MESSAGE(SCOPE_FIELDS);

/* --- log records ------------------------------------------------------------------------------------------------------ */

static const struct otlp_field LOG_FIELDS[] = {
    [OTLP_LOG_TIME] = FIELD("timeUnixNano", "time", OTLP_TIME),
    [2] = FIELD("severityNumber", "severity_number", OTLP_ENUM),
    [3] = FIELD("severityText", "severity_text", OTLP_TEXT),
    [5] = FIELD("body", "body", OTLP_ANY, .message = &otlp_any),
    [6] = ATTRIBUTES("attributes", "attributes"),
    [7] = FIELD("droppedAttributesCount", "dropped_attributes_count", OTLP_UINT),
    [8] = FIELD("flags", "flags", OTLP_FIXED32),
    [9] = FIELD("traceId", "trace_id", OTLP_ID),
    [10] = FIELD("spanId", "span_id", OTLP_ID),
    [OTLP_LOG_OBSERVED] = FIELD("observedTimeUnixNano", "observed_time", OTLP_TIME),
    [12] = FIELD("eventName", "event_name", OTLP_TEXT),
};

/* --- spans ------------------------------------------------------------------------------------------------------------ */

static const char *const SPAN_KINDS[] = {"UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER", NULL};
static const char *const STATUS_CODES[] = {"UNSET", "OK", "ERROR", NULL};

static const struct otlp_field EVENT_FIELDS[] = {
    [1] = FIELD("timeUnixNano", "time", OTLP_TIME),
    [2] = FIELD("name", "name", OTLP_TEXT),
    [3] = ATTRIBUTES("attributes", "attributes"),
    [4] = FIELD("droppedAttributesCount", "dropped_attributes_count", OTLP_UINT),
};
static const struct otlp_field LINK_FIELDS[] = {
    [1] = FIELD("traceId", "trace_id", OTLP_ID),
    [2] = FIELD("spanId", "span_id", OTLP_ID),
    [3] = FIELD("traceState", "trace_state", OTLP_TEXT),
    [4] = ATTRIBUTES("attributes", "attributes"),
    [5] = FIELD("droppedAttributesCount", "dropped_attributes_count", OTLP_UINT),
    [6] = FIELD("flags", "flags", OTLP_FIXED32),
};
static const struct otlp_field STATUS_FIELDS[] = {
    [2] = FIELD("message", "message", OTLP_TEXT),
    [3] = FIELD("code", "code", OTLP_ENUM, .words = STATUS_CODES, .always = true),
};
static const struct otlp_message EVENT = MESSAGE(EVENT_FIELDS), LINK = MESSAGE(LINK_FIELDS),
                                 STATUS = MESSAGE(STATUS_FIELDS);

static const struct otlp_field SPAN_FIELDS[] = {
    [1] = FIELD("traceId", "trace_id", OTLP_ID),
    [2] = FIELD("spanId", "span_id", OTLP_ID),
    [3] = FIELD("traceState", "trace_state", OTLP_TEXT),
    [4] = FIELD("parentSpanId", "parent_span_id", OTLP_ID),
    [5] = FIELD("name", "name", OTLP_TEXT, .always = true),
    [6] = FIELD("kind", "kind", OTLP_ENUM, .words = SPAN_KINDS),
    [7] = FIELD("startTimeUnixNano", "start_time", OTLP_TIME),
    [8] = FIELD("endTimeUnixNano", "end_time", OTLP_TIME),
    [9] = ATTRIBUTES("attributes", "attributes"),
    [10] = FIELD("droppedAttributesCount", "dropped_attributes_count", OTLP_UINT),
    [11] = ROW("events", "events", EVENT),
    [12] = FIELD("droppedEventsCount", "dropped_events_count", OTLP_UINT),
    [13] = ROW("links", "links", LINK),
    [14] = FIELD("droppedLinksCount", "dropped_links_count", OTLP_UINT),
    [15] = INNER("status", "status", STATUS),
    [16] = FIELD("flags", "flags", OTLP_FIXED32),
};

/* --- metrics ---------------------------------------------------------------------------------------------------------- */

static const char *const TEMPORALITIES[] = {"UNSPECIFIED", "DELTA", "CUMULATIVE", NULL};

static const struct otlp_field EXEMPLAR_FIELDS[] = {
    [2] = FIELD("timeUnixNano", "time", OTLP_TIME),
    [3] = FIELD("asDouble", "value", OTLP_DOUBLE, .shown = true),
    [4] = FIELD("spanId", "span_id", OTLP_ID),
    [5] = FIELD("traceId", "trace_id", OTLP_ID),
    [6] = FIELD("asInt", "value", OTLP_SFIXED64, .shown = true),
    [7] = ATTRIBUTES("filteredAttributes", "attributes"),
};
static const struct otlp_message EXEMPLAR = MESSAGE(EXEMPLAR_FIELDS);

static const struct otlp_field NUMBER_FIELDS[] = {
    [2] = FIELD("startTimeUnixNano", "start_time", OTLP_TIME),
    [3] = FIELD("timeUnixNano", "time", OTLP_TIME),
    [4] = FIELD("asDouble", "value", OTLP_DOUBLE, .shown = true),
    [5] = ROW("exemplars", "exemplars", EXEMPLAR),
    [6] = FIELD("asInt", "value", OTLP_SFIXED64, .shown = true),
    [7] = ATTRIBUTES("attributes", "attributes"),
    [8] = FIELD("flags", "flags", OTLP_UINT),
};
static const struct otlp_field HISTOGRAM_FIELDS[] = {
    [2] = FIELD("startTimeUnixNano", "start_time", OTLP_TIME),
    [3] = FIELD("timeUnixNano", "time", OTLP_TIME),
    [4] = FIELD("count", "count", OTLP_FIXED64, .always = true),
    [5] = FIELD("sum", "sum", OTLP_DOUBLE, .shown = true),
    [6] = FIELD("bucketCounts", "bucket_counts", OTLP_FIXED64, .many = true),
    [7] = FIELD("explicitBounds", "explicit_bounds", OTLP_DOUBLE, .many = true),
    [8] = ROW("exemplars", "exemplars", EXEMPLAR),
    [9] = ATTRIBUTES("attributes", "attributes"),
    [10] = FIELD("flags", "flags", OTLP_UINT),
    [11] = FIELD("min", "min", OTLP_DOUBLE, .shown = true),
    [12] = FIELD("max", "max", OTLP_DOUBLE, .shown = true),
};
static const struct otlp_field BUCKETS_FIELDS[] = {
    [1] = FIELD("offset", "offset", OTLP_SINT, .always = true),
    [2] = FIELD("bucketCounts", "bucket_counts", OTLP_UINT, .many = true),
};
static const struct otlp_message BUCKETS = MESSAGE(BUCKETS_FIELDS);

static const struct otlp_field EXPONENTIAL_FIELDS[] = {
    [1] = ATTRIBUTES("attributes", "attributes"),
    [2] = FIELD("startTimeUnixNano", "start_time", OTLP_TIME),
    [3] = FIELD("timeUnixNano", "time", OTLP_TIME),
    [4] = FIELD("count", "count", OTLP_FIXED64, .always = true),
    [5] = FIELD("sum", "sum", OTLP_DOUBLE, .shown = true),
    [6] = FIELD("scale", "scale", OTLP_SINT, .always = true),
    [7] = FIELD("zeroCount", "zero_count", OTLP_FIXED64, .always = true),
    [8] = INNER("positive", "positive", BUCKETS),
    [9] = INNER("negative", "negative", BUCKETS),
    [10] = FIELD("flags", "flags", OTLP_UINT),
    [11] = ROW("exemplars", "exemplars", EXEMPLAR),
    [12] = FIELD("min", "min", OTLP_DOUBLE, .shown = true),
    [13] = FIELD("max", "max", OTLP_DOUBLE, .shown = true),
    [14] = FIELD("zeroThreshold", "zero_threshold", OTLP_DOUBLE),
};
static const struct otlp_field QUANTILE_FIELDS[] = {
    [1] = FIELD("quantile", "quantile", OTLP_DOUBLE, .always = true),
    [2] = FIELD("value", "value", OTLP_DOUBLE, .always = true),
};
static const struct otlp_message QUANTILE = MESSAGE(QUANTILE_FIELDS);

static const struct otlp_field SUMMARY_FIELDS[] = {
    [2] = FIELD("startTimeUnixNano", "start_time", OTLP_TIME),
    [3] = FIELD("timeUnixNano", "time", OTLP_TIME),
    [4] = FIELD("count", "count", OTLP_FIXED64, .always = true),
    [5] = FIELD("sum", "sum", OTLP_DOUBLE, .always = true),
    [6] = ROW("quantileValues", "quantile_values", QUANTILE),
    [7] = ATTRIBUTES("attributes", "attributes"),
    [8] = FIELD("flags", "flags", OTLP_UINT),
};
static const struct otlp_message NUMBER = MESSAGE(NUMBER_FIELDS), HISTOGRAM = MESSAGE(HISTOGRAM_FIELDS),
                                 EXPONENTIAL = MESSAGE(EXPONENTIAL_FIELDS), SUMMARY = MESSAGE(SUMMARY_FIELDS);

/* The rows of data points have no name: each point is a record, with what stands beside the row. */
static const struct otlp_field GAUGE_ROW_FIELDS[] = {
    [OTLP_POINTS] = ROW("dataPoints", NULL, NUMBER),
};
static const struct otlp_field SUM_ROW_FIELDS[] = {
    [OTLP_POINTS] = ROW("dataPoints", NULL, NUMBER),
    [2] = FIELD("aggregationTemporality", "aggregation_temporality", OTLP_ENUM, .words = TEMPORALITIES),
    [3] = FIELD("isMonotonic", "is_monotonic", OTLP_BOOL, .always = true),
};
static const struct otlp_field HISTOGRAM_ROW_FIELDS[] = {
    [OTLP_POINTS] = ROW("dataPoints", NULL, HISTOGRAM),
    [2] = FIELD("aggregationTemporality", "aggregation_temporality", OTLP_ENUM, .words = TEMPORALITIES),
};
static const struct otlp_field EXPONENTIAL_ROW_FIELDS[] = {
    [OTLP_POINTS] = ROW("dataPoints", NULL, EXPONENTIAL),
    [2] = FIELD("aggregationTemporality", "aggregation_temporality", OTLP_ENUM, .words = TEMPORALITIES),
};
static const struct otlp_field SUMMARY_ROW_FIELDS[] = {
    [OTLP_POINTS] = ROW("dataPoints", NULL, SUMMARY),
};
static const struct otlp_message GAUGE_ROW = MESSAGE(GAUGE_ROW_FIELDS), SUM_ROW = MESSAGE(SUM_ROW_FIELDS),
                                 HISTOGRAM_ROW = MESSAGE(HISTOGRAM_ROW_FIELDS),
                                 EXPONENTIAL_ROW = MESSAGE(EXPONENTIAL_ROW_FIELDS),
                                 SUMMARY_ROW = MESSAGE(SUMMARY_ROW_FIELDS);

static const struct otlp_field METRIC_FIELDS[] = {
    [1] = FIELD("name", "name", OTLP_TEXT, .always = true),
    [2] = FIELD("description", "description", OTLP_TEXT),
    [3] = FIELD("unit", "unit", OTLP_TEXT),
    [OTLP_METRIC_GAUGE] = INNER("gauge", NULL, GAUGE_ROW),
    [OTLP_METRIC_SUM] = INNER("sum", NULL, SUM_ROW),
    [OTLP_METRIC_HISTOGRAM] = INNER("histogram", NULL, HISTOGRAM_ROW),
    [OTLP_METRIC_EXPONENTIAL] = INNER("exponentialHistogram", NULL, EXPONENTIAL_ROW),
    [OTLP_METRIC_SUMMARY] = INNER("summary", NULL, SUMMARY_ROW),
    [12] = ATTRIBUTES("metadata", "metadata"),
};

/* --- requests --------------------------------------------------------------------------------------------------------- */

const struct otlp_message otlp_item[OTLP_SIGNALS] = {
    [OTLP_LOGS] = MESSAGE(LOG_FIELDS),
    [OTLP_METRICS] = MESSAGE(METRIC_FIELDS),
    [OTLP_TRACES] = MESSAGE(SPAN_FIELDS),
};

#define AROUND(signal, SIGNAL, items, scopes, resources)                                                               \
    static const struct otlp_field signal##_SCOPE_FIELDS[] = {                                                         \
        [OTLP_HEAD] = INNER("scope", NULL, otlp_scope),                                                                \
        [OTLP_ROW] = ROW(items, NULL, otlp_item[SIGNAL]),                                                              \
        [OTLP_SCHEMA_URL] = FIELD("schemaUrl", "schema_url", OTLP_TEXT),                                               \
    };                                                                                                                 \
    static const struct otlp_message signal##_SCOPE = MESSAGE(signal##_SCOPE_FIELDS);                                  \
    static const struct otlp_field signal##_RESOURCE_FIELDS[] = {                                                      \
        [OTLP_HEAD] = INNER("resource", NULL, otlp_resource),                                                          \
        [OTLP_ROW] = ROW(scopes, NULL, signal##_SCOPE),                                                                \
        [OTLP_SCHEMA_URL] = FIELD("schemaUrl", "schema_url", OTLP_TEXT),                                               \
    };                                                                                                                 \
    static const struct otlp_message signal##_RESOURCE = MESSAGE(signal##_RESOURCE_FIELDS);                            \
    static const struct otlp_field signal##_REQUEST_FIELDS[] = {                                                       \
        [OTLP_REQUEST_RESOURCES] = ROW(resources, NULL, signal##_RESOURCE),                                            \
    }

AROUND(LOGS, OTLP_LOGS, "logRecords", "scopeLogs", "resourceLogs");
AROUND(METRICS, OTLP_METRICS, "metrics", "scopeMetrics", "resourceMetrics");
AROUND(TRACES, OTLP_TRACES, "spans", "scopeSpans", "resourceSpans");

const struct otlp_message otlp_request[OTLP_SIGNALS] = {
    [OTLP_LOGS] = MESSAGE(LOGS_REQUEST_FIELDS),
    [OTLP_METRICS] = MESSAGE(METRICS_REQUEST_FIELDS),
    [OTLP_TRACES] = MESSAGE(TRACES_REQUEST_FIELDS),
};

/* --- the wire --------------------------------------------------------------------------------------------------------- */

enum protobuf_wire otlp_wire(enum otlp_kind kind)
{
    switch (kind) {
    case OTLP_BOOL:
    case OTLP_UINT:
    case OTLP_INT:
    case OTLP_SINT:
    case OTLP_ENUM:
        return PROTOBUF_VARINT;
    case OTLP_FIXED32:
        return PROTOBUF_FIXED32;
    case OTLP_FIXED64:
    case OTLP_SFIXED64:
    case OTLP_TIME:
    case OTLP_DOUBLE:
        return PROTOBUF_FIXED64;
    default:
        return PROTOBUF_BYTES;
    }
}

bool otlp_is_number(enum otlp_kind kind)
{
    return otlp_wire(kind) != PROTOBUF_BYTES;
}
