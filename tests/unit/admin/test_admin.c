/* The pages against a fake engine: the functions of status.h, answered from a table. */
#include "tests/support/cmocka.h"

#include "pipeline/admin/admin.h"

#include "config/node.h"
#include "pipeline/admin/api.h"
#include "pipeline/admin/console.h"
#include "pipeline/admin/page.h"
#include "pipeline/admin/records.h"
#include "pipeline/admin/text.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"

#include <stdio.h>
#include <string.h>

static const nsec NOW = 1795000000 * NSEC_PER_SEC;

static struct chronicle chronicle; /* of every stream */
static struct tap tap;             /* likewise */
static struct cfg_node *config;    /* likewise; NULL: there is none */

struct engine {
    struct engine_status status;
    struct orphans orphans;
    struct stream_status streams[4];
    struct stream_words words[4];       /* theirs */
    struct input_health_view inputs[2]; /* of the first stream */
    size_t input_count;
};

void engine_status(struct engine *e, struct engine_status *out)
{
    *out = e->status;
}

void engine_view_take(struct engine *e, struct engine_view *out)
{
    *out = (struct engine_view){.engine = e, .count = e->status.streams};
    orphans_copy(&e->orphans, &out->orphans);
}

void engine_view_release(struct engine_view *v)
{
    orphans_release(&v->orphans);
}

void engine_stream_counters(const struct engine_view *v, size_t index, struct named_counters *counters,
                            struct named_counters *drop_reasons)
{
    (void)v;
    if (index == 0) {
        named_counters_add(counters, SLICE("logins \"x\""), 2.5);
        named_counters_add(drop_reasons, SLICE("health check"), 3);
    }
}

bool engine_stream_status(const struct engine_view *v, size_t index, nsec wall_now, struct stream_status *out)
{
    (void)wall_now;
    if (index >= v->count)
        return false;
    *out = v->engine->streams[index];
    out->stream = out->stream ? out->stream : out->name;
    out->first = index == 0 || !v->engine->streams[index - 1].stream ||
                 strcmp(v->engine->streams[index - 1].stream, out->stream) != 0;
    out->own = NULL; /* the asker's is a copy */
    *stream_status_words(out) = v->engine->words[index];
    return true;
}

bool engine_find_row(const struct engine_view *v, const char *name, size_t *index)
{
    for (*index = 0; *index < v->count; ++*index)
        if (strcmp(v->engine->streams[*index].name, name) == 0)
            return true;
    return false;
}

struct chronicle *engine_stream_chronicle(const struct engine_view *v, size_t index)
{
    return index < v->count ? &chronicle : NULL;
}

struct tap *engine_stream_tap(const struct engine_view *v, size_t index)
{
    return index < v->count ? &tap : NULL;
}

void engine_stream_config(const struct engine_view *v, size_t index,
                          void (*fn)(void *ctx, const struct cfg_node *stream, const struct cfg_node *reads), void *ctx)
{
    (void)v, (void)index;
    fn(ctx, config, NULL);
}

bool engine_input_health(const struct engine_view *v, size_t index, size_t input, nsec wall_now,
                         struct input_health_view *h)
{
    (void)wall_now;
    if (index > 0 || input >= v->engine->input_count)
        return false;
    *h = v->engine->inputs[input];
    if (h->words)
        atomic_fetch_add(&h->words->users, 1);
    return true;
}

static struct engine engine;
static struct listing_query query;
static struct metrics counted;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    memset(&counted, 0, sizeof(counted));
    chronicle_init(&chronicle);
    tap_init(&tap);
    engine = (struct engine){.status = {.version = "9.9",
                                        .started = NOW - 3600 * NSEC_PER_SEC,
                                        .memory_limit = 64 * MIB,
                                        .memory_used = 1 * MIB,
                                        .memory_peak = 2 * MIB}};
    buf_init(&out, MIB);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_release(&out);
    chronicle_release(&chronicle);
    tap_release(&tap);
    return 0;
}

static struct stream_status *add_stream(const char *name)
{
    size_t i = engine.status.streams++;
    struct stream_status *s = &engine.streams[i];

    *s = (struct stream_status){
        .name = name, .sink = "s3", .destination = "s3://logs/", .metrics = &counted, .own = &engine.words[i]};
    s->books =
        (struct spool_books){.incoming = 10, .delivered = 4, .dropped = 1, .backed_up = 2, .corrupt = 0, .spooled = 3};
    s->books.limit = GIB;
    return s;
}

static struct stream_status *add_failing(const char *name)
{
    struct stream_status *s = add_stream(name);

    s->health = STREAM_RETRYING;
    s->failing_since = NOW - 185 * NSEC_PER_SEC;
    snprintf(s->own->code, sizeof(s->own->code), "NoSuchBucket");
    snprintf(s->own->error, sizeof(s->own->error), "bucket `logs` does not exist");
    snprintf(s->own->hint, sizeof(s->own->hint), "create it");
    return s;
}

static struct stream_status *add_blocked(const char *name, const char *cause, const char *to_do)
{
    struct stream_status *s = add_stream(name);

    s->health = STREAM_BLOCKED;
    s->pushed_back = true;
    s->pushed_back_for = 65 * NSEC_PER_SEC;
    snprintf(s->own->pushback, sizeof(s->own->pushback), "%s", cause);
    snprintf(s->own->pushback_hint, sizeof(s->own->pushback_hint), "%s", to_do);
    return s;
}

static const char *metrics_page(void)
{
    buf_clear(&out);
    assert_int_equal(admin_metrics(&engine, NOW, &out), 0);
    return buf_cstr(&out);
}

static const char *ready_page(bool *ready)
{
    buf_clear(&out);
    assert_int_equal(admin_ready(&engine, NOW, false, &out, ready), 0);
    return buf_cstr(&out);
}

static const char *console_page(void)
{
    buf_clear(&out);
    assert_int_equal(admin_console(&engine, NOW, &query, &out), 0);
    return buf_cstr(&out);
}

static void assert_has(const char *page, const char *text)
{
    if (!strstr(page, text))
        fail_msg("not on the page: %s", text);
}

static void assert_lacks(const char *page, const char *text)
{
    if (strstr(page, text))
        fail_msg("on the page: %s", text);
}

static void the_books_are_on_the_metrics_page_by_their_names(void **state)
{
    const char *page;

    (void)state;
    add_stream("app")->books.unwanted = 7;
    page = metrics_page();
    assert_has(page, "\nsluice_unwanted_records_total{stream=\"app\"} 7\n");
    assert_has(page, "\nsluice_incoming_records_total{stream=\"app\"} 10\n");
    assert_has(page, "\nsluice_delivered_records_total{stream=\"app\"} 4\n");
    assert_has(page, "\nsluice_dropped_records_total{stream=\"app\"} 1\n");
    assert_has(page, "\nsluice_backed_up_records_total{stream=\"app\"} 2\n");
    assert_has(page, "\nsluice_corrupt_records_total{stream=\"app\"} 0\n");
    assert_has(page, "\nsluice_spooled_records{stream=\"app\"} 3\n");
}

static void every_row_of_metrics_def_is_exported(void **state)
{
    static const char *const NAMES[] = {
#define M(id, name, help) name,
#include "pipeline/base/metrics.def"
#undef M
    };
    char line[200];

    (void)state;
    add_stream("app");
    for (size_t i = 0; i < METRIC_COUNT; i++)
        metrics_add(&counted, (enum metric)i, 1000 + i);
    metrics_page();
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        snprintf(line, sizeof(line), "# TYPE sluice_%s counter\nsluice_%s{stream=\"app\"} %zu\n", NAMES[i], NAMES[i],
                 1000 + i);
        assert_has(buf_cstr(&out), line);
    }
}

static void a_family_has_one_heading_and_all_streams(void **state)
{
    (void)state;
    add_stream("a");
    add_stream("b");
    assert_has(metrics_page(), "# TYPE sluice_spooled_records gauge\n"
                               "sluice_spooled_records{stream=\"a\"} 3\n"
                               "sluice_spooled_records{stream=\"b\"} 3\n"
                               "# HELP ");
}

/* Large counters must not go through a double. */
static void counters_keep_all_their_digits(void **state)
{
    (void)state;
    add_stream("app")->books.incoming = UINT64_MAX;
    assert_has(metrics_page(), "sluice_incoming_records_total{stream=\"app\"} 18446744073709551615\n");
}

static void label_values_are_escaped(void **state)
{
    (void)state;
    add_stream("a\\b\"c\nd");
    assert_has(metrics_page(), "sluice_spooled_records{stream=\"a\\\\b\\\"c\\nd\"} 3\n");
}

static void freshness_carries_the_destination_and_seconds(void **state)
{
    (void)state;
    add_stream("app")->freshness = 1500 * NSEC_PER_MSEC;
    assert_has(metrics_page(), "sluice_delivery_data_freshness_seconds{stream=\"app\",destination=\"s3\"} 1.500\n");
}

static void exactly_one_health_is_1(void **state)
{
    const char *page;

    (void)state;
    add_failing("app");
    page = metrics_page();
    assert_has(page, "sluice_stream_health{stream=\"app\",health=\"ok\"} 0\n");
    assert_has(page, "sluice_stream_health{stream=\"app\",health=\"retrying\"} 1\n");
    assert_has(page, "sluice_stream_health{stream=\"app\",health=\"blocked\"} 0\n");
}

/* Each line is a comment, or name{labels} number; the last one ends with a newline. */
static void every_line_of_metrics_is_well_formed(void **state)
{
    char *line, *rest;

    (void)state;
    add_stream("app");
    add_failing("other");
    metrics_page();
    assert_int_equal(out.p[out.n - 1], '\n');
    for (line = strtok_r(out.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char name[128], *space = strrchr(line, ' ');
        double value;

        if (strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0)
            continue;
        assert_non_null(space);
        assert_int_equal(sscanf(line, "%127[a-z_]", name), 1);
        assert_int_equal(sscanf(space, " %lf", &value), 1);
    }
}

static void a_page_that_does_not_fit_is_an_answer(void **state)
{
    struct buf small;
    bool ready;

    (void)state;
    add_failing("app");
    buf_init(&small, 100);
    assert_int_equal(admin_metrics(&engine, NOW, &small), -1);
    buf_clear(&small);
    assert_int_equal(admin_console(&engine, NOW, &query, &small), -1);
    buf_clear(&small);
    assert_int_equal(admin_ready(&engine, NOW, false, &small, &ready), -1);
    buf_release(&small);
}

static void ready_when_all_streams_are_well(void **state)
{
    bool ready = false;

    (void)state;
    add_stream("a");
    add_stream("b");
    assert_string_equal(ready_page(&ready), "ready\n");
    assert_true(ready);
}

static void not_ready_says_what_where_since_when_and_what_to_do(void **state)
{
    bool ready = true;
    const char *page;

    (void)state;
    add_stream("well");
    add_failing("sick");
    page = ready_page(&ready);
    assert_false(ready);
    assert_string_equal(page,
                        "stream sick is retrying: delivery to s3://logs/ fails for 3 min 5 s (NoSuchBucket: bucket "
                        "`logs` does not exist); 3 records wait in the spool, 0 B of 1.0 GiB; to do: create it\n");
}

static void a_blocked_stream_says_for_how_long_by_what_and_what_to_do(void **state)
{
    bool ready = true;

    (void)state;
    add_blocked("app", "spool.limit: the spool holds 1.0 GiB of 1.0 GiB", "raise spool.limit");
    assert_string_equal(ready_page(&ready),
                        "stream app is blocked: inputs are pushed back for 1 min 5 s (spool.limit: the spool holds "
                        "1.0 GiB of 1.0 GiB); 3 records wait in the spool, 0 B of 1.0 GiB; to do: raise spool.limit\n");
    assert_false(ready);
    assert_has(console_page(), "<p>Inputs are pushed back for 1 min 5 s: spool.limit: the spool holds 1.0 GiB of 1.0 "
                               "GiB</p><p><b>To do:</b> raise spool.limit</p>");
}

/* Both have their cause and their remedy. */
static void a_stream_that_is_blocked_because_delivery_fails_says_both(void **state)
{
    struct stream_status *s = add_blocked("app", "spool.limit: full", "raise spool.limit");
    bool ready = true;

    (void)state;
    s->failing_since = NOW - 185 * NSEC_PER_SEC;
    snprintf(s->own->code, sizeof(s->own->code), "NoSuchBucket");
    snprintf(s->own->error, sizeof(s->own->error), "bucket `logs` does not exist");
    snprintf(s->own->hint, sizeof(s->own->hint), "create it");
    assert_string_equal(ready_page(&ready),
                        "stream app is blocked: inputs are pushed back for 1 min 5 s (spool.limit: full); delivery to "
                        "s3://logs/ fails for 3 min 5 s (NoSuchBucket: bucket `logs` does not exist); 3 records wait "
                        "in the spool, 0 B of 1.0 GiB; to do: create it; raise spool.limit\n");
    assert_has(console_page(), "raise spool.limit</p><p>Delivery fails: <b>NoSuchBucket</b> for 3 min 5 s");
}

/* The destination is not to blame when the spool's own disk refuses. */
static void a_failing_spool_disk_does_not_accuse_the_destination(void **state)
{
    bool ready = true;

    (void)state;
    add_blocked("app", "disk: write /data/1.seg: No space left on device", "free space");
    assert_has(ready_page(&ready), "(disk: write /data/1.seg: No space left on device); ");
    assert_lacks(buf_cstr(&out), "delivery to");
}

/* Nor is it when only the backup fails. */
static void a_failing_backup_does_not_accuse_the_destination(void **state)
{
    struct stream_status *s = add_stream("app");
    bool ready = true;

    (void)state;
    s->health = STREAM_RETRYING;
    s->backup = "s3://spare/";
    s->backup_fails = true;
    s->failing_since = NOW - 185 * NSEC_PER_SEC;
    snprintf(s->own->code, sizeof(s->own->code), "Connect");
    assert_has(ready_page(&ready), "delivery to the backup s3://spare/ fails for 3 min 5 s (Connect: ");
    assert_lacks(buf_cstr(&out), "s3://logs/");
    assert_has(buf_cstr(&out), "look at the backup");
    assert_has(console_page(), "Delivery to the backup fails: <b>Connect</b>");
}

static struct stream_status *add_rejecting(const char *name, uint64_t failed, uint64_t refused, uint64_t records)
{
    struct stream_status *s = add_stream(name);

    s->backup = "/var/backup/";
    s->rejects = (struct rejects_view){.records = records, .rejected = {failed, refused}};
    snprintf(s->rejects.reason, REJECTS_REASON, "%s", failed > refused ? "Code at <mask>.lua:3" : "mapping");
    s->health = rejects_share(&s->rejects) >= STREAM_FAILING_SHARE ? STREAM_FAILING : STREAM_OK;
    return s;
}

static void records_that_do_not_get_through_are_a_health_of_their_own(void **state)
{
    bool ready = false;

    (void)state;
    add_rejecting("app", 0, 6, 7);
    assert_string_equal(
        ready_page(&ready),
        "ready\nstream app is failing: 6 of the last five minutes' 7 records (86 %) were not taken by the "
        "destination, most of them for mapping; they are in the backup /var/backup/; 3 records wait in "
        "the spool, 0 B of 1.0 GiB; to do: read the reasons in the backup, mend the destination's "
        "mapping or what sends the records, then sluice redrive --stream app\n");
    assert_true(ready);
    assert_has(metrics_page(), "sluice_stream_health{stream=\"app\",health=\"failing\"} 1\n");
    assert_has(buf_cstr(&out), "sluice_rejected_records_ratio{stream=\"app\"} 0.857142857142857\n");
    assert_has(console_page(), "<span class=\"badge failing\">records do not get through</span>");
}

static void a_stream_through_which_nothing_gets_is_not_ready(void **state)
{
    bool ready = true;

    (void)state;
    add_rejecting("app", 4, 3, 7);
    assert_has(ready_page(&ready), "stream app is failing: 7 of the last five minutes' 7 records (100 %) failed in the "
                                   "transform or were not taken by the destination, most of them for Code at");
    assert_has(buf_cstr(&out), "to do: mend the script (sluice transform --stream app shows");
    assert_false(ready);
    assert_has(console_page(), "Code at &lt;mask&gt;.lua:3");
}

static void a_few_records_are_told_of_without_alarm(void **state)
{
    bool ready = false;

    (void)state;
    add_rejecting("app", 1, 0, 101);
    assert_string_equal(ready_page(&ready), "ready\n");
    assert_has(console_page(), "1 of the last five minutes' 101 records (0.99 %) failed in the transform");
    assert_has(buf_cstr(&out), "<p class=\"verdict ok\">");
}

static void a_stopping_engine_is_not_ready(void **state)
{
    bool ready = true;

    (void)state;
    engine.status.stopping = true;
    assert_has(ready_page(&ready), "stopping");
    assert_false(ready);
}

static void an_error_stays_on_its_line(void **state)
{
    struct stream_status *s = add_failing("app");
    bool ready;

    (void)state;
    snprintf(s->own->error, sizeof(s->own->error), "one\ntwo\x1b[31m");
    assert_has(ready_page(&ready), "one two [31m");
    snprintf(s->own->error, sizeof(s->own->error),
             "caf\xc3\xa9 \xc2\x9b"
             "31m \x9b"
             "31m \xe2\x82\xac");
    assert_has(ready_page(&ready), "caf\xc3\xa9  31m \xef\xbf\xbd"
                                   "31m \xe2\x82\xac");
}

static void whatever_comes_from_outside_is_escaped_on_the_console(void **state)
{
    struct stream_status *s = add_failing("<script>n</script>");
    const char *page;

    (void)state;
    s->destination = "<script>d</script>";
    s->inputs = "<script>i</script>";
    snprintf(s->own->error, sizeof(s->own->error), "<script>e</script>&\"'");
    snprintf(s->own->code, sizeof(s->own->code), "<script>c</script>");
    snprintf(s->own->hint, sizeof(s->own->hint), "<script>h</script>");
    engine.status.listening[0] = (struct engine_listening){"api", "<script>a</script>"};
    page = console_page();
    for (const char *what = "ndiecha"; *what; what++) {
        char raw[32], escaped[48];

        snprintf(raw, sizeof(raw), "<script>%c", *what);
        snprintf(escaped, sizeof(escaped), "&lt;script&gt;%c&lt;/script&gt;", *what);
        assert_lacks(page, raw);
        assert_has(page, escaped);
    }
    assert_has(page, "&amp;&quot;&#39;");
}

static const char *stream_page(const char *name)
{
    bool found;

    buf_clear(&out);
    assert_int_equal(admin_stream_page(&engine, NOW, name, &out, &found), 0);
    assert_true(found == (out.n > 0));
    return buf_cstr(&out);
}

static void the_page_of_a_stream_escapes_all_there_is(void **state)
{
    static const char EVIL[] = "<script>\"'&";
    struct stream_status *s = add_failing(EVIL);
    const char *page;

    (void)state;
    s->destination = s->inputs = s->backup = EVIL;
    snprintf(s->destination_is, sizeof(s->destination_is), "%s", EVIL);
    snprintf(s->own->error, sizeof(s->own->error), "%s", EVIL);
    chronicle_event(&chronicle, NOW, "%s", EVIL);
    chronicle_failed(&chronicle, NOW, EVIL, EVIL);
    chronicle_failed(&chronicle, NOW, EVIL, EVIL);
    chronicle_delivered(&chronicle, &(struct chronicle_object){.at = NOW}, slice_str(EVIL));
    page = stream_page(EVIL);
    assert_lacks(page, EVIL);
    assert_has(page, "<h1>&lt;script&gt;&quot;&#39;&amp;</h1>");
    assert_has(page, "(2 times since ");
    assert_lacks(page, "{{");
    assert_lacks(page, " style=\"");
    assert_has(page, "</html>\n");
}

static void the_page_of_nobody_is_none(void **state)
{
    (void)state;
    add_stream("app");
    assert_string_equal(stream_page("ap"), "");
    assert_has(stream_page("app"), "Last objects");
}

static void the_table_leads_on_with_what_was_asked_for(void **state)
{
    const char *page;

    (void)state;
    add_stream("a");
    add_stream("b");
    query = (struct listing_query){.search = "\"s3://&", .limit = "1", .sort = "-in"};
    assert_has(console_page(), "No stream is like that.");
    assert_has(console_page(), "value=\"&quot;s3://&amp;\"");
    query.search = "s3://";
    page = console_page();
    assert_has(page, "href=\"/?search=s3%3A%2F%2F&amp;sort=-in&amp;limit=1&amp;page=2\"");
    assert_has(page, "<span>1 to 1 of 2</span>");
    assert_has(page, "aria-sort=\"descending\"");
    assert_has(page, "href=\"/?search=s3%3A%2F%2F&amp;sort=in&amp;limit=1\"");
    query = (struct listing_query){0};
}

static void the_console_shows_trouble_first(void **state)
{
    const char *page;

    (void)state;
    add_stream("well");
    add_failing("sick");
    add_blocked("stuck", "spool.limit: full", "raise it");
    page = console_page();
    assert_true(strstr(page, "/streams/stuck\"") < strstr(page, "/streams/sick\""));
    assert_true(strstr(page, "/streams/sick\"") < strstr(page, "/streams/well\""));
    assert_has(page, "2 of 3 streams need attention: 1 blocked, 1 retrying");
    assert_has(page, "<title>(2) sluice: trouble</title>");
}

static void a_stream_with_several_destinations_is_counted_once(void **state)
{
    struct stream_status *s = add_stream("multi:a");

    (void)state;
    s->stream = "multi";
    s->outlet = "a";
    s = add_failing("multi:dead");
    s->stream = "multi";
    s->outlet = "dead";
    add_stream("well");
    assert_has(console_page(), "1 of 2 streams needs attention: 1 retrying<");
    assert_has(console_page(), "<title>(1) sluice: trouble</title>");
    buf_clear(&out);
    assert_int_equal(admin_api_status(&engine, NOW, &out), 0);
    assert_has(buf_cstr(&out), "\"streams\":2,\"health\":{\"ok\":1,\"failing\":0,\"paused\":0,\"retrying\":1,");
    buf_clear(&out);
    assert_int_equal(admin_text(&engine, NOW, &query, &out), 0);
    assert_has(buf_cstr(&out), "  2 streams: 1 ok, 1 retrying");
}

/* Its transforms are tried by its name; what is put back comes through the stream. */
static void what_is_to_be_done_about_one_of_several_destinations_names_what_there_is(void **state)
{
    struct stream_status *s = add_rejecting("multi:a", 6, 0, 7);
    bool ready;

    (void)state;
    s->stream = "multi";
    s->outlet = "a";
    assert_has(ready_page(&ready),
               "sluice transform --stream multi:a shows what it makes of a line), then sluice redrive "
               "--stream multi\n");
}

static void the_console_leaves_no_mark_unreplaced_and_loads_nothing(void **state)
{
    const char *page;

    (void)state;
    add_stream("app");
    page = console_page();
    assert_lacks(page, "{{");
    assert_lacks(page, "src=");
    assert_has(page, "The stream takes records and delivers.");
    assert_has(page, "</html>\n");
}

static void the_policy_names_the_pages_own_script_and_style_only(void **state)
{
    struct page p = {.out = &out};
    const char *policy;

    (void)state;
    admin_console_policy(&p);
    assert_int_equal(page_done(&p), 0);
    policy = buf_cstr(&out);
    assert_has(policy, "default-src 'none'");
    assert_has(policy, "style-src 'sha256-");
    assert_has(policy, "script-src 'sha256-");
    assert_lacks(policy, "unsafe");
}

/* An inline style or handler would be dead under that policy. */
static void the_page_needs_nothing_the_policy_forbids(void **state)
{
    const char *page;

    (void)state;
    add_failing("app");
    page = console_page();
    assert_lacks(page, " style=\"");
    assert_lacks(page, " onclick");
    assert_lacks(page, " onload");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void what_scripts_count_has_families_of_its_own(void **state)
{
    const char *page;

    (void)state;
    add_stream("app");
    page = metrics_page();
    assert_has(page, "# TYPE sluice_transform_counter_total counter\n"
                     "sluice_transform_counter_total{stream=\"app\",name=\"logins \\\"x\\\"\"} 2.5\n");
    assert_has(page, "sluice_dropped_records_by_reason_total{stream=\"app\",reason=\"health check\"} 3\n");
}

static struct input_health_view *add_input(const char *label)
{
    struct input_health_view *v = &engine.inputs[engine.input_count++];

    *v = (struct input_health_view){.label = label, .error_ago = -1};
    return v;
}

static struct input_words refused = {.users = 1, .error = "connect: <refused>", .hint = "start the broker"};

static struct input_health_view *add_input_down(const char *label)
{
    struct input_health_view *v = add_input(label);

    v->has_connection = true;
    v->lasted = 185 * NSEC_PER_SEC;
    v->error_ago = 5 * NSEC_PER_SEC;
    v->words = &refused;
    return v;
}

static void each_input_has_its_own_series(void **state)
{
    struct input_health_view *v;
    const char *page;

    (void)state;
    add_stream("app");
    add_input("tail")->counts[INPUT_ERRORS] = 2;
    v = add_input_down("sqs-2");
    v->counts[INPUT_RECORDS] = 7;
    v->lag_known = true;
    v->lag = 12;
    page = metrics_page();
    assert_has(page, "sluice_input_records_total{stream=\"app\",input=\"tail\"} 0\n"
                     "sluice_input_records_total{stream=\"app\",input=\"sqs-2\"} 7\n");
    assert_has(page, "sluice_input_errors_total{stream=\"app\",input=\"tail\"} 2\n");
    assert_has(page, "# TYPE sluice_input_connected gauge\n"
                     "sluice_input_connected{stream=\"app\",input=\"sqs-2\"} 0\n# HELP"); /* a file has no connection */
    assert_has(page, "sluice_input_lag{stream=\"app\",input=\"sqs-2\"} 12\n");
    assert_has(page, "sluice_input_last_error_timestamp_seconds{stream=\"app\",input=\"sqs-2\"} 1794999995\n");
    assert_lacks(page, "sluice_input_oldest_age_seconds{");
    assert_lacks(page, "connect: ");
}

static void an_input_without_its_source_is_told_of_and_no_reason_not_to_be_ready(void **state)
{
    bool ready;

    (void)state;
    add_stream("app");
    add_input_down("kafka");
    assert_int_equal(admin_ready(&engine, NOW, false, &out, &ready), 0);
    assert_true(ready);
    assert_string_equal(
        buf_cstr(&out),
        "ready\nstream app: input kafka has no connection to its source for 3 min 5 s (connect: <refused>), "
        "and tries again; to do: start the broker\n");
}

static void the_console_shows_inputs_where_there_is_something_to_tell(void **state)
{
    const char *page;

    (void)state;
    add_stream("app");
    add_input("api");
    buf_clear(&out);
    assert_int_equal(admin_console(&engine, NOW, &query, &out), 0);
    assert_lacks(buf_cstr(&out), "class=\"inputs\"");
    add_input_down("kafka");
    buf_clear(&out);
    assert_int_equal(admin_console(&engine, NOW, &query, &out), 0);
    page = buf_cstr(&out);
    assert_has(page, "<th>kafka</th><td>down</td>");
    assert_has(page,
               "input kafka has no connection to its source for 3 min 5 s (connect: &lt;refused&gt;), and tries again");
    assert_has(page, "start the broker");
}

static void histograms_are_cumulative_and_only_of_who_delivered(void **state)
{
    const struct chronicle_object small = {.at = NOW, .took = 7 * NSEC_PER_MSEC, .bytes = 1024, .records = 1};
    const struct chronicle_object huge = {.at = NOW, .took = 500 * NSEC_PER_SEC, .bytes = 1024, .records = 1};
    const char *page;

    (void)state;
    add_stream("app");
    assert_lacks(metrics_page(), "sluice_delivery_duration_seconds_bucket");
    chronicle_delivered(&chronicle, &small, SLICE("a"));
    chronicle_delivered(&chronicle, &huge, SLICE("b"));
    chronicle_count(&chronicle, "Slow\"Down");
    page = metrics_page();
    assert_has(page, "sluice_delivery_duration_seconds_bucket{stream=\"app\",destination=\"s3\",le=\"0.005\"} 0\n");
    assert_has(page, "sluice_delivery_duration_seconds_bucket{stream=\"app\",destination=\"s3\",le=\"0.01\"} 1\n");
    assert_has(page, "sluice_delivery_duration_seconds_bucket{stream=\"app\",destination=\"s3\",le=\"120\"} 1\n");
    assert_has(page, "sluice_delivery_duration_seconds_bucket{stream=\"app\",destination=\"s3\",le=\"+Inf\"} 2\n");
    assert_has(page, "sluice_delivery_duration_seconds_sum{stream=\"app\",destination=\"s3\"} 500.007\n");
    assert_has(page, "sluice_delivery_duration_seconds_count{stream=\"app\",destination=\"s3\"} 2\n");
    assert_has(page, "sluice_delivery_object_bytes_bucket{stream=\"app\",destination=\"s3\",le=\"1024\"} 2\n");
    assert_has(page, "sluice_delivery_results_total{stream=\"app\",destination=\"s3\",code=\"Slow\\\"Down\"} 1\n");
}

/* --- JSON ------------------------------------------------------------------------------------------------------------ */

static const char *api_streams(struct listing_query q)
{
    buf_clear(&out);
    assert_int_equal(admin_api_streams(&engine, NOW, &q, &out), 0);
    assert_true(json_valid(buf_slice(&out), 16));
    return buf_cstr(&out);
}

static void what_is_asked_for_as_json_is_json_whatever_the_names(void **state)
{
    bool found;

    (void)state;
    add_failing("a\"\\\n<b>\xff");
    add_blocked("b", "spool.limit", "raise");
    engine.streams[0].rejects = (struct rejects_view){.records = 7, .rejected = {7, 0}, .reason = "Code at \"x\""};
    chronicle_event(&chronicle, NOW, "an \"event\"\x01");
    chronicle_failed(&chronicle, NOW, "C\"ode", "te\\xt");
    chronicle_delivered(&chronicle, &(struct chronicle_object){.at = NOW}, SLICE("na\"me"));
    chronicle_note(&chronicle, clock_mono(), &(struct history_totals){.records_in = 1});
    engine.streams[0].books.returned = 5;
    assert_has(api_streams((struct listing_query){0}), "\"code\":\"NoSuchBucket\"");
    assert_has(buf_cstr(&out), "\"corrupt\":0,\"returned\":5,\"spooled\":3");
    buf_clear(&out);
    assert_int_equal(admin_api_status(&engine, NOW, &out), 0);
    assert_true(json_valid(buf_slice(&out), 16));
    assert_has(buf_cstr(&out), "\"health\":{\"ok\":0,\"failing\":0,\"paused\":0,\"retrying\":1,\"blocked\":1}");
    buf_clear(&out);
    assert_int_equal(admin_api_stream(&engine, NOW, engine.streams[0].name, &out, &found), 0);
    assert_true(found && json_valid(buf_slice(&out), 16));
    assert_has(buf_cstr(&out), "\"name\":\"na\\\"me\"");
    buf_clear(&out);
    assert_int_equal(admin_api_history(&engine, NOW, "b", &out, &found), 0);
    assert_true(found && json_valid(buf_slice(&out), 16));
    assert_int_equal(admin_api_history(&engine, NOW, "c", &out, &found), 0);
    assert_false(found);
}

static void a_paused_stream_is_shown_as_one_and_is_ready(void **state)
{
    struct stream_status *s = add_stream("app");
    bool ready, found;

    (void)state;
    s->health = STREAM_PAUSED;
    s->paused_since = NOW - 305 * NSEC_PER_SEC;
    assert_int_equal(admin_ready(&engine, NOW, false, &out, &ready), 0);
    assert_true(ready);
    assert_has(buf_cstr(&out),
               "stream app is paused: somebody has paused its deliveries, for 5 min 5 s by now; 3 records "
               "wait in the spool");
    assert_has(buf_cstr(&out), "to do: sluice resume app\n");
    assert_has(console_page(), "1 of 1 stream needs attention: 1 paused");
    buf_clear(&out);
    assert_int_equal(admin_stream_page(&engine, NOW, "app", &out, &found), 0);
    assert_has(buf_cstr(&out), "<button formaction=\"/api/streams/app/resume\">Resume</button>");
    assert_lacks(buf_cstr(&out), "/pause\"");
    assert_has(api_streams((struct listing_query){.health = "paused"}), "\"matches\":1,");
    assert_has(buf_cstr(&out), "\"paused_since\":1794999695");
    assert_has(buf_cstr(&out), "\"what\":\"paused\"");
    s->health = STREAM_BLOCKED; /* by the pause, perhaps */
    s->pushed_back = true;
    buf_clear(&out);
    assert_int_equal(admin_ready(&engine, NOW, false, &out, &ready), 0);
    assert_false(ready);
    assert_has(buf_cstr(&out), "stream app is blocked: inputs are pushed back");
    assert_has(buf_cstr(&out), "to do: sluice resume app; ");
    buf_clear(&out);
    assert_int_equal(admin_ready(&engine, NOW, true, &out, &ready), 0);
    assert_false(ready);
    assert_string_equal(buf_cstr(&out), "not ready\n");
    s->health = STREAM_PAUSED;
    buf_clear(&out);
    assert_int_equal(admin_ready(&engine, NOW, true, &out, &ready), 0);
    assert_true(ready);
    assert_string_equal(buf_cstr(&out), "ready\n");
}

static struct admin_answer asked(void (*action)(void *ctx, const struct admin_order *o, struct admin_answer *a),
                                 bool open, const char *stream, uint64_t after)
{
    struct records_desk desk = {.engine = &engine, .open = open};
    const struct admin_order o = {.path = "/", .name = stream, .from = "127.0.0.1", .after = after};
    struct admin_answer a = {.status = 200};

    buf_init(&a.text, ADMIN_ANSWER_MAX);
    action(&desk, &o, &a);
    return a;
}

static void records_are_shown_to_who_may_see_them_and_escaped(void **state)
{
    struct admin_answer a;
    uint64_t next;

    (void)state;
    add_stream("app");
    a = asked(records_as_json, false, "app", 0);
    assert_int_equal(a.status, 403);
    assert_false(tap_is_wanted(&tap));
    buf_release(&a.text);
    a = asked(records_as_json, true, "nobody", 0);
    assert_int_equal(a.status, 404);
    buf_release(&a.text);
    a = asked(records_as_json, true, "app", 0);
    assert_int_equal(a.as, ADMIN_ANSWER_JSON);
    assert_int_equal(sscanf(buf_cstr(&a.text), "{\"next\":%lu,\"records\":[]}", &next), 1);
    buf_release(&a.text);
    assert_true(tap_show_in(&tap, clock_mono(), 5, SLICE("<b>\"\x1b[2J")));
    tap_show_out(&tap, clock_mono(), TAP_MADE, "", 5, SLICE("\xff\xfe"), SLICE("a\0b"));
    a = asked(records_as_json, true, "app", next);
    assert_true(json_valid(buf_slice(&a.text), 8));
    assert_has(buf_cstr(&a.text),
               "\"what\":\"in\",\"skipped\":0,\"before\":{\"bytes\":8,\"text\":\"<b>\\\"\\u001b[2J\"},\"after\":null}");
    assert_has(buf_cstr(&a.text),
               "\"before\":{\"bytes\":2,\"base64\":\"//4=\"},\"after\":{\"bytes\":3,\"text\":\"a\\u0000b\"}}");
    buf_release(&a.text);
    engine.status.stopping = true; /* it does not wait for more */
    a = asked(records_as_page, true, "app", 0);
    assert_int_equal(a.as, ADMIN_ANSWER_PAGE);
    assert_has(buf_cstr(&a.text), "<code>&lt;b&gt;&quot;\\x1b[2J</code>");
    assert_has(buf_cstr(&a.text), "<code>\\xff\\xfe</code>");
    assert_lacks(buf_cstr(&a.text), "{{");
    buf_release(&a.text);
}

static void a_configuration_that_is_cut_says_so(void **state)
{
    static char words[CONSOLE_CONFIG_MAX + 1];
    static char name[] = "note";
    struct cfg_node key = {.text = name}, note = {.kind = CFG_NODE_SCALAR, .key = &key, .text = words};
    struct cfg_node *items = &note, all = {.kind = CFG_NODE_MAP, .items = &items, .count = 1};
    bool found;

    (void)state;
    add_stream("app");
    config = &all;
    memset(words, 'x', CONSOLE_CONFIG_MAX);
    assert_int_equal(admin_stream_page(&engine, NOW, "app", &out, &found), 0);
    assert_has(buf_cstr(&out), "Cut here: it is longer than 64.0 KiB.");
    words[100] = '\0';
    buf_clear(&out);
    assert_int_equal(admin_stream_page(&engine, NOW, "app", &out, &found), 0);
    assert_lacks(buf_cstr(&out), "Cut here");
    config = NULL;
}

static void the_hour_has_the_ratio_of_what_was_delivered_in_it(void **state)
{
    struct history_totals t = {.records_in = 1};
    nsec before = clock_mono() - HISTORY_SLOT;
    bool found;

    (void)state;
    add_stream("app");
    chronicle_note(&chronicle, before, &t);
    t.bytes_out = 900;
    t.wire_out = 200;
    chronicle_note(&chronicle, before, &t);
    assert_int_equal(admin_api_history(&engine, NOW, "app", &out, &found), 0);
    assert_has(buf_cstr(&out), "\"bytes_out\":900,\"wire_bytes_out\":200,");
    buf_clear(&out);
    assert_int_equal(admin_stream_page(&engine, NOW, "app", &out, &found), 0);
    assert_has(buf_cstr(&out), "Compression <span class=\"soft\">at most ");
}

static void the_books_of_the_api_balance(void **state)
{
    struct stream_status *s = add_stream("app");

    (void)state;
    s->books.incoming += 12;
    s->books.unwanted = 7;
    s->books.returned = 5;
    assert_has(api_streams((struct listing_query){0}),
               "\"records\":{\"in\":22,\"delivered\":4,\"dropped\":1,\"unwanted\":7,\"backed_up\":2,"
               "\"corrupt\":0,\"returned\":5,\"spooled\":3}");
}

static void the_terminal_has_a_line_for_each_and_what_is_wrong(void **state)
{
    const char *text;

    (void)state;
    add_stream("well");
    add_failing("sick")->freshness = 90 * NSEC_PER_SEC;
    buf_clear(&out);
    assert_int_equal(admin_text(&engine, NOW, &query, &out), 0);
    text = buf_cstr(&out);
    assert_has(text, "2 streams: 1 ok, 1 retrying\n");
    assert_has(text, "\nsick    retrying           0           0             3  1 min 30 s         0  -\nwell ");
    assert_has(text, "\nstream sick is retrying: delivery to s3://logs/ fails for 3 min 5 s (NoSuchBucket: ");
    assert_lacks(text, "\033");
}

static void nobody_has_no_streams(void **state)
{
    (void)state;
    assert_string_equal(api_streams((struct listing_query){0}),
                        "{\"total\":0,\"matches\":0,\"page\":1,\"pages\":1,\"streams\":[]}\n");
}

static void assert_listed(struct listing_query q, const char *names)
{
    char listed[64] = "";
    struct snapshot snap;
    struct listing l;

    snapshot_take(&snap, &engine, NOW);
    listing_make(&l, &snap, &q, 100);
    for (size_t i = 0; i < l.count; i++)
        strcat(strcat(listed, i ? " " : ""), snap.streams[l.at[i]].name);
    assert_string_equal(listed, names);
    listing_release(&l);
    snapshot_release(&snap);
}

static void a_list_can_be_searched_sorted_and_turned(void **state)
{
    (void)state;
    add_stream("web-b")->books.spooled_bytes = 5;
    add_failing("Web-a")->books.spooled_bytes = 7;
    add_blocked("app", "x", "y")->books.spooled_bytes = 6;
    add_stream("db");
    assert_listed((struct listing_query){0}, "app Web-a db web-b");
    assert_listed((struct listing_query){.sort = ""}, "app Web-a db web-b");
    assert_listed((struct listing_query){.sort = "name"}, "Web-a app db web-b");
    assert_listed((struct listing_query){.sort = "-name"}, "web-b db app Web-a");
    assert_listed((struct listing_query){.sort = "spooled"}, "db web-b app Web-a");
    assert_listed((struct listing_query){.sort = "-spooled"}, "Web-a app web-b db");
    assert_listed((struct listing_query){.sort = "nonsense"}, "app Web-a db web-b");
    assert_listed((struct listing_query){.search = "WEB"}, "Web-a web-b");
    assert_listed((struct listing_query){.search = "s3://"}, "app Web-a db web-b");
    assert_listed((struct listing_query){.search = "nobody"}, "");
    assert_listed((struct listing_query){.health = "ok"}, "db web-b");
    assert_listed((struct listing_query){.health = "trouble"}, "app Web-a");
    assert_listed((struct listing_query){.health = "retrying", .search = "web"}, "Web-a");
    assert_listed((struct listing_query){.limit = "3"}, "app Web-a db");
    assert_listed((struct listing_query){.limit = "3", .page = "2"}, "web-b");
    assert_listed((struct listing_query){.limit = "3", .page = "99999999999999999999"}, "web-b");
    assert_listed((struct listing_query){.limit = "-3", .page = "x"}, "app Web-a db web-b");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(the_books_are_on_the_metrics_page_by_their_names),
        CASE(every_row_of_metrics_def_is_exported),
        CASE(a_family_has_one_heading_and_all_streams),
        CASE(counters_keep_all_their_digits),
        CASE(label_values_are_escaped),
        CASE(what_scripts_count_has_families_of_its_own),
        CASE(each_input_has_its_own_series),
        CASE(an_input_without_its_source_is_told_of_and_no_reason_not_to_be_ready),
        CASE(the_console_shows_inputs_where_there_is_something_to_tell),
        CASE(freshness_carries_the_destination_and_seconds),
        CASE(exactly_one_health_is_1),
        CASE(every_line_of_metrics_is_well_formed),
        CASE(a_page_that_does_not_fit_is_an_answer),
        CASE(ready_when_all_streams_are_well),
        CASE(not_ready_says_what_where_since_when_and_what_to_do),
        CASE(a_blocked_stream_says_for_how_long_by_what_and_what_to_do),
        CASE(a_stream_that_is_blocked_because_delivery_fails_says_both),
        CASE(records_that_do_not_get_through_are_a_health_of_their_own),
        CASE(a_stream_through_which_nothing_gets_is_not_ready),
        CASE(a_few_records_are_told_of_without_alarm),
        CASE(a_failing_spool_disk_does_not_accuse_the_destination),
        CASE(a_failing_backup_does_not_accuse_the_destination),
        CASE(a_stopping_engine_is_not_ready),
        CASE(an_error_stays_on_its_line),
        CASE(whatever_comes_from_outside_is_escaped_on_the_console),
        CASE(the_page_of_a_stream_escapes_all_there_is),
        CASE(the_page_of_nobody_is_none),
        CASE(the_table_leads_on_with_what_was_asked_for),
        CASE(the_console_shows_trouble_first),
        CASE(a_stream_with_several_destinations_is_counted_once),
        CASE(what_is_to_be_done_about_one_of_several_destinations_names_what_there_is),
        CASE(the_console_leaves_no_mark_unreplaced_and_loads_nothing),
        CASE(the_policy_names_the_pages_own_script_and_style_only),
        CASE(the_page_needs_nothing_the_policy_forbids),
        cmocka_unit_test_setup_teardown(histograms_are_cumulative_and_only_of_who_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_asked_for_as_json_is_json_whatever_the_names, setup, teardown),
        cmocka_unit_test_setup_teardown(a_paused_stream_is_shown_as_one_and_is_ready, setup, teardown),
        cmocka_unit_test_setup_teardown(records_are_shown_to_who_may_see_them_and_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(a_configuration_that_is_cut_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(the_hour_has_the_ratio_of_what_was_delivered_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_books_of_the_api_balance, setup, teardown),
        cmocka_unit_test_setup_teardown(the_terminal_has_a_line_for_each_and_what_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_has_no_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_can_be_searched_sorted_and_turned, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
