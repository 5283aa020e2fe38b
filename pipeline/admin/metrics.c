/* The Prometheus text format, version 0.0.4. One row of a table is one metric family; a family lists all streams. The
 * names mirror Firehose's CloudWatch metrics, which the help text quotes. */
#include "pipeline/admin/admin.h"
#include "pipeline/admin/page.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/orphans.h"

#include <inttypes.h>
#include <stdio.h>

static double seconds(nsec t)
{
    return (double)t / (double)NSEC_PER_SEC;
}

static void family(struct page *p, const char *name, const char *type, const char *help)
{
    page_printf(p, "# HELP %s ", name);
    page_add(p, help);
    page_printf(p, "\n# TYPE %s %s\n", name, type);
}

/* --- of each stream ------------------------------------------------------------------------------------------------
 */

struct books_row {
    const char *name, *type, *help;
    size_t offset; /* of a uint64_t in struct spool_books */
};

static const struct books_row BOOKS[] = {
    {"sluice_incoming_records_total", "counter",
     "IncomingRecords: records made safe in the spool. Always delivered + dropped + unwanted + backed up + corrupt + "
     "returned + spooled.",
     offsetof(struct spool_books, incoming)},
    {"sluice_delivered_records_total", "counter",
     "DeliveryToS3.Records and the like: records the destination acknowledged",
     offsetof(struct spool_books, delivered)},
    {"sluice_dropped_records_total", "counter", "Records a transform dropped", offsetof(struct spool_books, dropped)},
    {"sluice_unwanted_records_total", "counter",
     "Records that are not for this destination, as its `when` says: the others get them",
     offsetof(struct spool_books, unwanted)},
    {"sluice_backed_up_records_total", "counter", "BackupToS3.Records: records written to the stream's backup",
     offsetof(struct spool_books, backed_up)},
    {"sluice_corrupt_records_total", "counter",
     "Records the disk damaged in the spool; what is left of them is kept aside",
     offsetof(struct spool_books, corrupt)},
    {"sluice_returned_records_total", "counter",
     "Records that were given back to their source, to be delivered by another daemon (exactly_once: shared)",
     offsetof(struct spool_books, returned)},
    {"sluice_incoming_bytes_total", "counter", "IncomingBytes: bytes of the incoming records, as they came in",
     offsetof(struct spool_books, incoming_bytes)},
    {"sluice_delivery_bytes_total", "counter",
     "DeliveryToS3.Bytes: bytes of the records the destination acknowledged, as a transform left them, before format "
     "and compression",
     offsetof(struct spool_books, delivered_bytes)},
    {"sluice_delivery_wire_bytes_total", "counter",
     "Bytes of the bodies the destination acknowledged, after compression", offsetof(struct spool_books, wire_bytes)},
    {"sluice_spooled_records", "gauge", "Records safe in the spool and not yet settled",
     offsetof(struct spool_books, spooled)},
    {"sluice_spooled_bytes", "gauge", "Bytes of the records in the spool that are not yet settled",
     offsetof(struct spool_books, spooled_bytes)},
    {"sluice_spool_disk_bytes", "gauge", "Bytes the spool takes on disk (or in memory)",
     offsetof(struct spool_books, disk_bytes)},
    {"sluice_staged_bytes", "gauge",
     "Of these, what a partitioned stream has in the objects that it gathers and that wait",
     offsetof(struct spool_books, staged_bytes)},
    {"sluice_spool_limit_bytes", "gauge", "spool.limit: beyond it inputs are pushed back",
     offsetof(struct spool_books, limit)},
};

static double in_flight(const struct stream_status *s)
{
    return s->in_flight;
}

static double in_flight_limit(const struct stream_status *s)
{
    return s->in_flight_limit;
}

static double waiting_retry(const struct stream_status *s)
{
    return s->waiting_retry;
}

static double paused_since(const struct stream_status *s)
{
    return seconds(s->paused_since);
}

static double failing_since(const struct stream_status *s)
{
    return seconds(s->failing_since);
}

static double rejected_ratio(const struct stream_status *s)
{
    return rejects_share(&s->rejects);
}

static double last_delivery(const struct stream_status *s)
{
    return seconds(s->last_delivery);
}

static double partitions(const struct stream_status *s)
{
    return (double)s->partitions;
}

static double partitions_limit(const struct stream_status *s)
{
    return (double)s->partitions_limit;
}

static double partition_rate(const struct stream_status *s)
{
    return (double)s->partition_rate;
}

static double parcels_waiting(const struct stream_status *s)
{
    return (double)s->parcels_waiting;
}

struct gauge_row {
    const char *name, *help;
    double (*value)(const struct stream_status *s);
};

static const struct gauge_row GAUGES[] = {
    {"sluice_delivery_in_flight", "Deliveries being attempted", in_flight},
    {"sluice_delivery_in_flight_limit",
     "Deliveries that may be attempted at once, between deliveries_in_flight.min and max, by how the destination does",
     in_flight_limit},
    {"sluice_rejected_records_ratio",
     "Of the last five minutes' records, the share that failed in the transform or that the destination refused: they "
     "are in the backup",
     rejected_ratio},
    {"sluice_partition_count",
     "PartitionCount: objects that gather records, each for a set of partition keys; of a stream that is not "
     "partitioned, "
     "different sets in the last batch that was settled (4096: that many or more)",
     partitions},
    {"sluice_active_partitions_limit", "ActivePartitionsLimit: max_partitions; 0: the stream is not partitioned",
     partitions_limit},
    {"sluice_per_partition_throughput_bytes",
     "PerPartitionThroughput: bytes per second of the partition that gets most, of those with an object that was "
     "closed in the "
     "last minute or the one before",
     partition_rate},
    {"sluice_partition_objects_waiting",
     "Of a partitioned stream: objects that have gathered, and are not delivered yet", parcels_waiting},
    {"sluice_delivery_waiting_retry", "Deliveries that failed and wait for their next attempt", waiting_retry},
    {"sluice_delivery_failing_since_timestamp_seconds",
     "When the attempts began to fail, since the epoch; 0 while the last one succeeded", failing_since},
    {"sluice_stream_paused_since_timestamp_seconds", "When somebody paused it, since the epoch; 0 while it is not",
     paused_since},
    {"sluice_delivery_last_success_timestamp_seconds",
     "When the destination last acknowledged, since the epoch; 0 when not yet in this run", last_delivery},
};

struct metric_row {
    enum metric id;
    const char *name, *help;
};

static const struct metric_row COUNTERS[] = {
#define M(id, name, help) {METRIC_##id, "sluice_" name, help},
#include "pipeline/base/metrics.def"
#undef M
};

/* Of one of several destinations of a stream, its name beside the stream's. Without the end. */
static void labels(struct page *p, const char *name, const struct stream_status *s)
{
    page_printf(p, "%s{stream=\"", name);
    page_label(p, s->stream);
    if (s->outlet) {
        page_add(p, "\",destination=\"");
        page_label(p, s->outlet);
    }
}

/* What tells of a place has its name in any case. */
static void labels_of_place(struct page *p, const char *name, const struct stream_status *s)
{
    labels(p, name, s);
    if (s->outlet)
        return;
    page_add(p, "\",destination=\"");
    page_label(p, s->sink);
}

static void series(struct page *p, const char *name, const struct stream_status *s)
{
    labels(p, name, s);
    page_add(p, "\"} ");
}

static void books(struct page *p, const struct snapshot *snap)
{
    for (size_t r = 0; r < ARRAY_LEN(BOOKS); r++) {
        family(p, BOOKS[r].name, BOOKS[r].type, BOOKS[r].help);
        for (size_t i = 0; i < snap->count; i++) {
            const char *at = (const char *)&snap->streams[i].books + BOOKS[r].offset;

            series(p, BOOKS[r].name, &snap->streams[i]);
            page_printf(p, "%" PRIu64 "\n", *(const uint64_t *)(const void *)at);
        }
    }
}

static void counters(struct page *p, const struct snapshot *snap)
{
    for (size_t r = 0; r < ARRAY_LEN(COUNTERS); r++) {
        family(p, COUNTERS[r].name, "counter", COUNTERS[r].help);
        for (size_t i = 0; i < snap->count; i++) {
            series(p, COUNTERS[r].name, &snap->streams[i]);
            page_printf(p, "%" PRIu64 "\n", metrics_get(snap->streams[i].metrics, COUNTERS[r].id));
        }
    }
}

static void gauges(struct page *p, const struct snapshot *snap)
{
    for (size_t r = 0; r < ARRAY_LEN(GAUGES); r++) {
        family(p, GAUGES[r].name, "gauge", GAUGES[r].help);
        for (size_t i = 0; i < snap->count; i++) {
            series(p, GAUGES[r].name, &snap->streams[i]);
            page_printf(p, "%.15g\n", GAUGES[r].value(&snap->streams[i]));
        }
    }
}

static void freshness(struct page *p, const struct snapshot *snap)
{
    static const char NAME[] = "sluice_delivery_data_freshness_seconds";

    family(p, NAME, "gauge", "DataFreshness: age of the oldest record not yet delivered; 0 when there is none");
    for (size_t i = 0; i < snap->count; i++) {
        labels_of_place(p, NAME, &snap->streams[i]);
        page_printf(p, "\"} %.3f\n", seconds(snap->streams[i].freshness));
    }
}

static void health(struct page *p, const struct snapshot *snap)
{
    static const char NAME[] = "sluice_stream_health";

    family(
        p, NAME, "gauge",
        "1 for the state the stream is in. ok: it takes records and delivers; failing: 1 % of the last five minutes' "
        "records or more failed in the transform or were refused; retrying: the last attempt failed; "
        "paused: it takes records, and somebody wants it to deliver none; "
        "blocked: inputs were pushed back in the last seconds, by spool.limit, the disk or limits.memory");
    for (size_t i = 0; i < snap->count; i++)
        for (enum stream_health h = STREAM_OK; h <= STREAM_BLOCKED; h++) {
            labels(p, NAME, &snap->streams[i]);
            page_printf(p, "\",health=\"%s\"} %d\n", stream_health_word(h), snap->streams[i].health == h);
        }
}

/* --- how long deliveries take, and how large they are ---------------------------------------------------------------- */

static void of_histogram(struct page *p, const char *name, const char *part, const struct stream_status *s)
{
    char whole[128];

    snprintf(whole, sizeof(whole), "%s_%s", name, part);
    labels_of_place(p, whole, s);
}

static void histogram(struct page *p, const char *name, const struct stream_status *s, const struct histogram *h,
                      const struct histogram_bounds *b, double unit)
{
    uint64_t so_far = 0, all = histogram_count(h);

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        so_far += histogram_in(h, i);
        of_histogram(p, name, "bucket", s);
        page_printf(p, "\",le=\"%.10g\"} %" PRIu64 "\n", (double)b->most[i] / unit, so_far);
    }
    if (all < so_far) /* one was added in between */
        all = so_far;
    of_histogram(p, name, "bucket", s);
    page_printf(p, "\",le=\"+Inf\"} %" PRIu64 "\n", all);
    of_histogram(p, name, "sum", s);
    page_printf(p, "\"} %.15g\n", (double)histogram_sum(h) / unit);
    of_histogram(p, name, "count", s);
    page_printf(p, "\"} %" PRIu64 "\n", all);
}

/* Only of streams that have delivered something: most of a thousand may be idle. */
static void histograms(struct page *p, const struct snapshot *snap)
{
    static const char TOOK[] = "sluice_delivery_duration_seconds", SIZE[] = "sluice_delivery_object_bytes";

    family(p, TOOK, "histogram", "How long the attempts that the destination acknowledged took");
    for (size_t i = 0; i < snap->count; i++) {
        const struct chronicle *c = engine_stream_chronicle(&snap->view, i);

        if (histogram_count(&c->took) > 0)
            histogram(p, TOOK, &snap->streams[i], &c->took, &HISTOGRAM_MICROSECONDS, 1e6);
    }
    family(p, SIZE, "histogram", "How large the bodies were that the destination acknowledged, after compression");
    for (size_t i = 0; i < snap->count; i++) {
        const struct chronicle *c = engine_stream_chronicle(&snap->view, i);

        if (histogram_count(&c->size) > 0)
            histogram(p, SIZE, &snap->streams[i], &c->size, &HISTOGRAM_BYTES, 1);
    }
}

static void results(struct page *p, const struct snapshot *snap)
{
    static const char NAME[] = "sluice_delivery_results_total";

    family(p, NAME, "counter",
           "How attempts at the destination ended: ok, or its code; at most 100 different ones, the rest is `other`");
    for (size_t i = 0; i < snap->count; i++) {
        struct named_counters codes = {.count = 0};

        chronicle_codes(engine_stream_chronicle(&snap->view, i), &codes);
        for (size_t r = 0; r < codes.count; r++) {
            labels_of_place(p, NAME, &snap->streams[i]);
            page_add(p, "\",code=\"");
            page_label(p, codes.rows[r].name);
            page_printf(p, "\"} %.15g\n", codes.rows[r].value);
        }
        named_counters_release(&codes);
    }
}

static void orphaned(struct page *p, const struct orphans *o)
{
    static const char NAME[] = "sluice_orphaned_spool_records";

    family(p, NAME, "gauge",
           "Records in data_dir of streams that are not in the configuration, as found at the start: nobody delivers "
           "them");
    for (size_t i = 0; i < o->count; i++) {
        page_printf(p, "%s{stream=\"", NAME);
        page_label(p, o->list[i].name);
        page_printf(p, "\"} %llu\n", (unsigned long long)o->list[i].records);
    }
}

/* --- of each input ----------------------------------------------------------------------------------------------------
 */

static void input_series(struct page *p, const char *name, const struct snapshot *snap, const struct snapshot_input *in)
{
    page_printf(p, "%s{stream=\"", name);
    page_label(p, snap->streams[in->stream].stream);
    page_add(p, "\",input=\"");
    page_label(p, in->health.label);
    page_add(p, "\"} ");
}

static const struct {
    enum input_count what;
    const char *name, *help;
} INPUT_COUNTERS[] = {
    {INPUT_RECORDS, "sluice_input_records_total", "records of this input that are safe in the spool"},
    {INPUT_BYTES, "sluice_input_bytes_total", "bytes of these records"},
    {INPUT_RECONNECTS, "sluice_input_reconnects_total", "connections to the source that work again after a failure"},
    {INPUT_REDELIVERED, "sluice_input_redelivered_total",
     "messages that the source handed out before, to us or to others"},
    {INPUT_DUPLICATES, "sluice_input_duplicates_total",
     "messages that were handed out again and dropped, because their record is in the spool already"},
    {INPUT_FILTERED, "sluice_input_filtered_total",
     "messages that were answered and dropped, because they do not match the filter policy of the input"},
    {INPUT_FAILED_CALLS, "sluice_input_failed_calls_total",
     "calls and connections to the source that failed and are tried again"},
    {INPUT_LOST, "sluice_input_lost_total",
     "messages that were sent to this input and lost: datagrams for which the system's buffer had no room"},
    {INPUT_ERRORS, "sluice_input_errors_total",
     "errors of the input itself (a file that cannot be read, a message that cannot be taken, a refused request)"},
};

static bool connected(const struct input_health_view *v, nsec wall_now, double *value)
{
    (void)wall_now;
    *value = v->connected;
    return v->has_connection;
}

static bool lag(const struct input_health_view *v, nsec wall_now, double *value)
{
    (void)wall_now;
    *value = (double)v->lag;
    return v->lag_known;
}

static bool oldest_age(const struct input_health_view *v, nsec wall_now, double *value)
{
    (void)wall_now;
    *value = seconds(v->oldest_age);
    return v->oldest_known;
}

static bool last_error(const struct input_health_view *v, nsec wall_now, double *value)
{
    *value = seconds(wall_now - v->error_ago);
    return v->error_ago >= 0;
}

static bool leases_held(const struct input_health_view *v, nsec wall_now, double *value)
{
    (void)wall_now;
    *value = (double)v->leases.held;
    return v->leases.known;
}

static bool leases_taken(const struct input_health_view *v, nsec wall_now, double *value)
{
    (void)wall_now;
    *value = (double)v->leases.taken;
    return v->leases.known;
}

static bool leases_lost(const struct input_health_view *v, nsec wall_now, double *value)
{
    (void)wall_now;
    *value = (double)v->leases.lost;
    return v->leases.known;
}

/* Those that not every input has. */
static const struct {
    const char *name, *type, *help;
    bool (*value)(const struct input_health_view *v, nsec wall_now, double *value);
} INPUT_GAUGES[] = {
    {"sluice_input_connected", "gauge",
     "1: the source is reached; 0: not yet, or not any more. Of inputs with a connection", connected},
    {"sluice_input_lag", "gauge",
     "Records (or messages) that wait at the source, where it tells: see the page of the input", lag},
    {"sluice_input_oldest_age_seconds", "gauge", "Age of the oldest of them; 0 when none waits", oldest_age},
    {"sluice_input_last_error_timestamp_seconds", "gauge",
     "When the last error was, since the epoch, of inputs that had one", last_error},
    {"sluice_input_leases", "gauge", "Shards that this daemon reads, of a stream that several daemons share",
     leases_held},
    {"sluice_input_leases_taken_total", "counter", "Leases of shards that were taken", leases_taken},
    {"sluice_input_leases_lost_total", "counter", "Leases of shards that others took, or that were not written in time",
     leases_lost},
};

static void inputs(struct page *p, const struct snapshot *snap)
{
    for (size_t r = 0; r < ARRAY_LEN(INPUT_COUNTERS); r++) {
        family(p, INPUT_COUNTERS[r].name, "counter", INPUT_COUNTERS[r].help);
        for (size_t i = 0; i < snap->input_count; i++) {
            input_series(p, INPUT_COUNTERS[r].name, snap, &snap->inputs[i]);
            page_printf(p, "%" PRIu64 "\n", snap->inputs[i].health.counts[INPUT_COUNTERS[r].what]);
        }
    }
    for (size_t r = 0; r < ARRAY_LEN(INPUT_GAUGES); r++) {
        double value;

        family(p, INPUT_GAUGES[r].name, INPUT_GAUGES[r].type, INPUT_GAUGES[r].help);
        for (size_t i = 0; i < snap->input_count; i++) {
            if (!INPUT_GAUGES[r].value(&snap->inputs[i].health, snap->wall_now, &value))
                continue;
            input_series(p, INPUT_GAUGES[r].name, snap, &snap->inputs[i]);
            page_printf(p, "%.15g\n", value);
        }
    }
}

/* --- of the process ------------------------------------------------------------------------------------------------
 */

static void one(struct page *p, const char *name, const char *type, const char *help, double value)
{
    family(p, name, type, help);
    page_printf(p, "%s %.15g\n", name, value);
}

static void reloads(struct page *p, const struct engine_status *e)
{
    static const char *const how[ENGINE_RELOADS] = {
        [ENGINE_RELOAD_DONE] = "done", [ENGINE_RELOAD_REFUSED] = "refused", [ENGINE_RELOAD_FAILED] = "failed"};

    family(p, "sluice_reloads_total", "counter",
           "Reloads of the configuration: done; refused, because of a mistake; failed, and taken back");
    for (size_t i = 0; i < ENGINE_RELOADS; i++)
        page_printf(p, "sluice_reloads_total{result=\"%s\"} %" PRIu64 "\n", how[i], e->reloads[i]);
    one(p, "sluice_config_last_reload_successful", "gauge",
        "0 when the last reload was refused or failed: the file is not what sluice runs with", !e->last_reload_failed);
    one(p, "sluice_config_last_reload_success_timestamp_seconds", "gauge",
        "Since when the configuration is in effect: the start, or the last reload that was done",
        seconds(e->configured));
}

static void process(struct page *p, const struct engine_status *e)
{
    struct process_facts f;

    one(p, "sluice_memory_budget_used_bytes", "gauge", "Memory held by record data now", (double)e->memory_used);
    one(p, "sluice_memory_budget_peak_bytes", "gauge", "The most memory record data has held", (double)e->memory_peak);
    one(p, "sluice_memory_budget_limit_bytes", "gauge", "limits.memory", (double)e->memory_limit);
    family(p, "sluice_build_info", "gauge", "Always 1; the version is in the label");
    page_add(p, "sluice_build_info{version=\"");
    page_label(p, e->version);
    page_add(p, "\"} 1\n");
    one(p, "sluice_stopping", "gauge", "1 while it drains before it ends", e->stopping);
    one(p, "sluice_log_lines_dropped_total", "counter", "Log lines that standard error did not take",
        (double)log_dropped());
    process_facts(&f);
    one(p, "process_start_time_seconds", "gauge", "When the process started, since the epoch", seconds(e->started));
    one(p, "process_cpu_seconds_total", "counter", "User and system CPU time", f.cpu_seconds);
    one(p, "process_resident_memory_bytes", "gauge", "Resident memory", (double)f.resident_bytes);
    one(p, "process_open_fds", "gauge", "Open file descriptors", (double)f.open_fds);
    one(p, "process_max_fds", "gauge", "Limit of open file descriptors", (double)f.max_fds);
}

/* One family of counters whose names scripts chose. */
static void named_counter_rows(struct page *p, const struct snapshot *snap, const struct named_counters *counters,
                               const char *name, const char *label)
{
    for (size_t i = 0; i < snap->count; i++) {
        for (size_t r = 0; r < counters[i].count; r++) {
            labels(p, name, &snap->streams[i]);
            page_printf(p, "\",%s=\"", label);
            page_label(p, counters[i].rows[r].name);
            page_printf(p, "\"} %.15g\n", counters[i].rows[r].value);
        }
    }
}

static void script_counters(struct page *p, const struct snapshot *snap)
{
    struct named_counters *counters = mem_array(snap->count, sizeof(*counters)),
                          *drops = mem_array(snap->count, sizeof(*drops));

    for (size_t i = 0; i < snap->count; i++)
        engine_stream_counters(&snap->view, i, &counters[i], &drops[i]);
    family(p, "sluice_transform_counter_total", "counter", "What scripts counted with sluice.counter(name)");
    named_counter_rows(p, snap, counters, "sluice_transform_counter_total", "name");
    family(p, "sluice_dropped_records_by_reason_total", "counter",
           "Records that scripts dropped with meta.drop(reason)");
    named_counter_rows(p, snap, drops, "sluice_dropped_records_by_reason_total", "reason");
    for (size_t i = 0; i < snap->count; i++) {
        named_counters_release(&counters[i]);
        named_counters_release(&drops[i]);
    }
    mem_free(counters);
    mem_free(drops);
}

int admin_metrics(struct engine *engine, nsec wall_now, struct buf *out)
{
    struct page p = {.out = out};
    struct snapshot snap;

    snapshot_take(&snap, engine, wall_now);
    books(&p, &snap);
    counters(&p, &snap);
    script_counters(&p, &snap);
    freshness(&p, &snap);
    gauges(&p, &snap);
    histograms(&p, &snap);
    results(&p, &snap);
    health(&p, &snap);
    inputs(&p, &snap);
    orphaned(&p, &snap.view.orphans);

    reloads(&p, &snap.engine);
    process(&p, &snap.engine);
    snapshot_release(&snap);
    return page_done(&p);
}
