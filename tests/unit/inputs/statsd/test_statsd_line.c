/* Lines of StatsD and DogStatsD, and the records that they are. */
#include "tests/support/cmocka.h"

#include "pipeline/base/json.h"
#include "pipeline/inputs/statsd/line.h"

#include <stdio.h>
#include <string.h>

#define NOW  ((nsec)1795817655 * NSEC_PER_SEC)
#define CAME "{\"timestamp\":\"2026-11-27T22:14:15.000Z\","

static void write_all(const char *line, struct buf *out)
{
    struct slice values, value;
    struct statsd_line l;
    const char *wrong = statsd_line_parse(&l, slice_str(line));

    if (wrong)
        fail_msg("%s: %s", line, wrong);
    values = l.kind == STATSD_METRIC ? l.values : SLICE("");
    while (statsd_line_next(&values, &value)) {
        size_t from = out->n;

        assert_int_equal(statsd_line_write(&l, value, NOW, out), 0);
        assert_true(json_valid(slice_from(buf_slice(out), from), 4));
        assert_int_equal(buf_add_char(out, '\n'), 0);
    }
}

static void lines_are_records(void **state)
{
    static const struct {
        const char *line, *want;
    } CASES[] = {
        {"gorets:1|c", CAME "\"type\":\"counter\",\"name\":\"gorets\",\"value\":1}\n"},
        {"gorets:1|c|@0.1", CAME "\"type\":\"counter\",\"name\":\"gorets\",\"value\":1,\"sample_rate\":0.1}\n"},
        {"glork:320.5|ms|@.5", CAME "\"type\":\"timer\",\"name\":\"glork\",\"value\":320.5,\"sample_rate\":0.5}\n"},
        {"gaugor:333|g", CAME "\"type\":\"gauge\",\"name\":\"gaugor\",\"value\":333}\n"},
        {"gaugor:-10|g", CAME "\"type\":\"gauge\",\"name\":\"gaugor\",\"value\":-10,\"delta\":true}\n"},
        {"gaugor:+04|g", CAME "\"type\":\"gauge\",\"name\":\"gaugor\",\"value\":4,\"delta\":true}\n"},
        {"uniques:user 765|s", CAME "\"type\":\"set\",\"name\":\"uniques\",\"value\":\"user 765\"}\n"},
        {"users.online:1|c|#country:china,env:prod,canary",
         CAME "\"type\":\"counter\",\"name\":\"users.online\",\"value\":1,\"tags\":{\"country\":\"china\",\"env\":"
              "\"prod\",\"canary\":\"\"}}\n"},
        {"x:1|c|#a:1,b:u:v,a:2,,",
         CAME "\"type\":\"counter\",\"name\":\"x\",\"value\":1,\"tags\":{\"a\":[\"1\",\"2\"],\"b\":\"u:v\"}}\n"},
        {"song.length:240:5e2|h|@0.5|#|c:ci-83|e:it-false|card:low|x:later", CAME
         "\"type\":\"histogram\",\"name\":\"song.length\",\"value\":240,\"sample_rate\":0.5,\"container\":\"ci-83\","
         "\"external_data\":"
         "\"it-false\",\"cardinality\":\"low\"}\n" CAME
         "\"type\":\"histogram\",\"name\":\"song.length\",\"value\":5e2,\"sample_rate\":0.5,\"container\":\"ci-83\","
         "\"external_data\":\"it-false\",\"cardinality\":\"low\"}\n"},
        {"page.views:15|c|T1656581400",
         "{\"timestamp\":\"2022-06-30T09:30:00.000Z\",\"type\":\"counter\",\"name\":\"page.views\",\"value\":15}\n"},
        {"d:1|d", CAME "\"type\":\"distribution\",\"name\":\"d\",\"value\":1}\n"},
        {"_e{5,11}:title|text\\nagain|d:1656581400|h:web|k:key|p:low|s:cron|t:error|#a:b",
         "{\"timestamp\":\"2022-06-30T09:30:00.000Z\",\"type\":\"event\",\"title\":\"title\",\"text\":\"text\\nagain\","
         "\"host\":\"web\","
         "\"aggregation_key\":\"key\",\"priority\":\"low\",\"source\":\"cron\",\"alert_type\":\"error\",\"tags\":{"
         "\"a\":\"b\"}}\n"},
        {"_e{1,0}:t|", CAME "\"type\":\"event\",\"title\":\"t\",\"text\":\"\"}\n"},
        {"_sc|Redis connection|2|#env:dev|h:web|m:timed | out",
         CAME "\"type\":\"service_check\",\"name\":\"Redis "
              "connection\",\"status\":\"critical\",\"host\":\"web\",\"message\":\"timed | out\","
              "\"tags\":{\"env\":\"dev\"}}\n"},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 64 * 1024);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        buf_clear(&out);
        write_all(CASES[i].line, &out);
        if (!slice_is(buf_slice(&out), CASES[i].want))
            fail_msg("%s\n  is   %s\n  want %s", CASES[i].line, buf_cstr(&out), CASES[i].want);
    }
    buf_release(&out);
}

static void bad_lines_are_told_why(void **state)
{
    static const char *const LINES[][2] = {
        {"nothing", "it has no name with a colon behind it"},
        {":1|c", "it has no name with a colon behind it"},
        {"a|b:1", "it has no value"},
        {"a:|c", "it has no value"},
        {"a:1", "its type is none of c, g, ms, h, d, s and m"},
        {"a:1|q", "its type is none of c, g, ms, h, d, s and m"},
        {"a:one|c", "its value is no number"},
        {"a:1:|c", "its value is no number"},
        {"a:1e|c", "its value is no number"},
        {"a:-|g", "its value is no number"},
        {"a:1|c|@x", "the sample rate is no number"},
        {"a:1|c|Tx", "the timestamp is no number of seconds"},
        {"_e{5,4}:titl|text", "an event's title or text is not as long as it says"},
        {"_e{5,4}:title|textx", "an event's title or text is not as long as it says"},
        {"_e{9999999,4}:title|text", "an event's title or text is not as long as it says"},
        {"_e{x,4}:title|text", "an event begins with _e{LENGTH,LENGTH}:"},
        {"_sc|name|4", "a service check has a name and a status from 0 to 3"},
        {"_sc||1", "a service check has a name and a status from 0 to 3"},
    };
    struct statsd_line l;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++) {
        const char *wrong = statsd_line_parse(&l, slice_str(LINES[i][0]));

        if (!wrong || strcmp(wrong, LINES[i][1]) != 0)
            fail_msg("%s: %s", LINES[i][0], wrong ? wrong : "was taken");
    }
}

/* Each value would be a record with all of the tags. */
static void many_values_have_no_long_tags(void **state)
{
    struct statsd_line l;
    struct buf line;

    (void)state;
    buf_init(&line, 64 * 1024);
    assert_int_equal(buf_add_str(&line, "a:1"), 0);
    for (int i = 0; i < 15000; i++)
        assert_int_equal(buf_add_str(&line, ":1"), 0);
    assert_int_equal(buf_add_str(&line, "|c|#env:prod"), 0);
    assert_null(statsd_line_parse(&l, buf_slice(&line)));
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_add_str(&line, ",tag:value"), 0);
    assert_string_equal(statsd_line_parse(&l, buf_slice(&line)),
                        "its values, each with all its tags, would be records of more than 4 MiB");
    buf_clear(&line); /* one has as long ones as it likes */
    assert_int_equal(buf_add_str(&line, "a:1|c|#env:prod"), 0);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(buf_add_str(&line, ",tag:value"), 0);
    assert_null(statsd_line_parse(&l, buf_slice(&line)));
    buf_release(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_values_have_no_long_tags),
        cmocka_unit_test(lines_are_records),
        cmocka_unit_test(bad_lines_are_told_why),
    };

    return cmocka_run_group_tests_name("statsd line", tests, NULL, NULL);
}
