/* A record is  { signal, metric, row, item, folded }  where `folded` is what resource and scope say: it stands at the front of the text, and is copied
 * behind each of their records. */
#include "pipeline/inputs/otlp/records.h"

#include "pipeline/base/limits.h"
#include "pipeline/inputs/otlp/text.h"

#include <string.h>

void otlp_open(struct otlp_reader *r, enum otlp_signal signal, struct otlp_shape shape, struct slice body)
{
    *r = (struct otlp_reader){.signal = signal, .shape = shape, .rest = body};
}

const char *otlp_check(enum otlp_signal signal, struct slice body)
{
    return otlp_check_message(&otlp_request[signal], body, 0);
}

/* --- the one that is next ----------------------------------------------------------------------------------------------- */

static bool take(struct slice *rest, uint64_t number, struct slice *message)
{
    struct protobuf_field f;

    while (protobuf_next(rest, &f))
        if (f.number == number && f.wire == PROTOBUF_BYTES) {
            *message = f.bytes;
            return true;
        }
    *rest = SLICE("");
    return false;
}

static void enter(struct otlp_level *level, struct slice message)
{
    level->head = otlp_part(message, OTLP_HEAD);
    level->url = otlp_part(message, OTLP_SCHEMA_URL);
    level->rest = message;
}

/* The row of data points that the metric has; of several the last one counts. */
static void enter_metric(struct otlp_reader *r, struct slice metric)
{
    struct protobuf_field f;

    r->metric = metric;
    r->row = SLICE("");
    while (protobuf_next(&metric, &f)) {
        const struct otlp_field *row = otlp_field(&otlp_item[OTLP_METRICS], f.number);

        if (!row || row->kind != OTLP_MESSAGE || f.wire != PROTOBUF_BYTES)
            continue;
        r->row = f.bytes;
        r->row_number = (unsigned)f.number;
    }
    r->points = r->row;
}

static bool find_item(struct otlp_reader *r)
{
    struct slice message;

    for (;;) {
        if (r->signal == OTLP_METRICS && take(&r->points, OTLP_POINTS, &r->item))
            return true;
        if (take(&r->scope.rest, OTLP_ROW, &message)) {
            r->item = message;
            if (r->signal != OTLP_METRICS)
                return true;
            enter_metric(r, message);
        } else if (take(&r->resource.rest, OTLP_ROW, &message)) {
            enter(&r->scope, message);
            r->folded = r->scope_large = false;
        } else if (take(&r->rest, OTLP_REQUEST_RESOURCES, &message)) {
            enter(&r->resource, message);
            r->resource_large = false;
        } else {
            return false;
        }
    }
}

/* --- its text ----------------------------------------------------------------------------------------------------------- */

/* One of resource and scope: flat its members are "resource.NAME", nested they are those of an object. */
static int fold_level(struct otlp_writer *w, const struct otlp_level *level, const struct otlp_message *m,
                      const char *name, const char *dotted)
{
    bool nested = w->shape.nested;
    const char *prefix = nested ? "" : dotted;

    if (nested && (otlp_write_name(w, "", name) < 0 || buf_add_char(w->out, '{') < 0))
        return -1;
    if (otlp_write_members(w, m, level->head, prefix, !nested) < 0)
        return -1;
    if (level->url.n > 0 && otlp_write_text(w, prefix, "schema_url", level->url) < 0)
        return -1;
    return nested ? buf_add_char(w->out, '}') : 0;
}

static bool is_hopeless(const struct otlp_reader *r)
{
    return r->resource_large || r->scope_large;
}

/* 0: see is_hopeless(). */
static int fold(struct otlp_reader *r, struct otlp_writer *w)
{
    if (r->folded || is_hopeless(r))
        return 0;
    buf_clear(w->out);
    r->resource_fits = false;
    if (fold_level(w, &r->resource, &otlp_resource, "resource", "resource.") < 0)
        return -1;
    r->resource_large = w->out->n > RECORD_MAX_BYTES;
    if (r->resource_large)
        return 0;
    r->resource_fits = true;
    if (fold_level(w, &r->scope, &otlp_scope, "scope", "scope.") < 0)
        return -1;
    r->scope_large = w->out->n > RECORD_MAX_BYTES;
    r->folded = true;
    r->folded_n = w->out->n;
    return 0;
}

static int write_metric(const struct otlp_reader *r, struct otlp_writer *w, bool flat)
{
    static const char *const types[] = {
        [OTLP_METRIC_GAUGE] = "gauge",         [OTLP_METRIC_SUM] = "sum",
        [OTLP_METRIC_HISTOGRAM] = "histogram", [OTLP_METRIC_EXPONENTIAL] = "exponential_histogram",
        [OTLP_METRIC_SUMMARY] = "summary",
    };
    const struct otlp_message *row = otlp_item[OTLP_METRICS].fields[r->row_number].message;

    if (otlp_write_members(w, &otlp_item[OTLP_METRICS], r->metric, "", flat) < 0 ||
        otlp_write_text(w, "", "type", slice_str(types[r->row_number])) < 0 ||
        otlp_write_members(w, row, r->row, "", flat) < 0)
        return -1;
    return otlp_write_members(w, row->fields[OTLP_POINTS].message, r->item, "", flat);
}

/* A log record has always a time where one is known: that at which it was seen, if its own is not. */
static int write_log(const struct otlp_reader *r, struct otlp_writer *w, bool flat)
{
    struct protobuf_field f;
    struct slice rest = r->item;
    uint64_t own = 0, observed = 0;

    while (protobuf_next(&rest, &f)) {
        if (f.number == OTLP_LOG_TIME && f.wire == PROTOBUF_FIXED64)
            own = f.value;
        if (f.number == OTLP_LOG_OBSERVED && f.wire == PROTOBUF_FIXED64)
            observed = f.value;
    }
    if (own == 0 && observed != 0) {
        if (otlp_write_name(w, "", "time") < 0)
            return -1;
        if (w->shape.nanoseconds ? buf_printf(w->out, "%llu", (unsigned long long)observed) < 0
                                 : otlp_write_time(w->out, observed) < 0)
            return -1;
    }
    return otlp_write_members(w, &otlp_item[OTLP_LOGS], r->item, "", flat);
}

static int write_item(struct otlp_reader *r, struct otlp_writer *w)
{
    static const char *const begins[] = {"{\"signal\":\"log\"", "{\"signal\":\"metric\"", "{\"signal\":\"span\""};
    bool flat = !w->shape.nested;

    if (buf_add_str(w->out, begins[r->signal]) < 0)
        return -1;
    switch (r->signal) {
    case OTLP_LOGS:
        return write_log(r, w, flat);
    case OTLP_METRICS:
        return write_metric(r, w, flat);
    default:
        return otlp_write_members(w, &otlp_item[r->signal], r->item, "", flat);
    }
}

/* Behind itself, so room is made first: it may move. */
static int write_folded(const struct otlp_reader *r, struct buf *text)
{
    if (buf_reserve(text, r->folded_n + 1) < 0)
        return -1;
    return buf_add(text, text->p, r->folded_n) < 0 ? -1 : buf_add_char(text, '}');
}

static enum otlp_next too_large(struct otlp_reader *r)
{
    r->has_item = false;
    return OTLP_TOO_LARGE;
}

enum otlp_next otlp_next(struct otlp_reader *r, struct buf *text, struct slice *record)
{
    struct otlp_writer w = {.out = text, .shape = r->shape};

    if (!r->has_item) {
        r->has_item = find_item(r);
        if (!r->has_item)
            return OTLP_END;
    }
    if (fold(r, &w) < 0)
        return OTLP_FULL;
    if (is_hopeless(r))
        return too_large(r);
    text->n = r->folded_n;
    if (write_item(r, &w) < 0)
        return OTLP_FULL;
    if (text->n + 1 > RECORD_MAX_BYTES) /* what is folded stands in front now, and comes behind it */
        return too_large(r);
    if (write_folded(r, text) < 0)
        return OTLP_FULL;
    *record = slice_of(text->p + r->folded_n, text->n - r->folded_n);
    r->has_item = false;
    return OTLP_RECORD;
}

/* What found no room for its resource or its scope finds none for the others of these. */
void otlp_pass(struct otlp_reader *r)
{
    r->resource_large |= !r->folded && !r->resource_fits;
    r->scope_large |= !r->folded && r->resource_fits;
    r->has_item = false;
}

uint64_t otlp_rest(struct otlp_reader *r)
{
    uint64_t n = r->has_item;

    while (find_item(r))
        n++;
    r->has_item = false;
    return n;
}
