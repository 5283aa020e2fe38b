/* The failure policy, on a whole stream between fake sinks: what arrives where, what the error lines say, and that the
 * books balance after each case. */
#include "tests/unit/delivery/delivery_rig.h"

#include "pipeline/base/base64.h"
#include "pipeline/encode/encoder.h"

#include <inttypes.h>

static const char *const ABC[] = {"alpha", "beta", "gamma"};

/* `"name":VALUE` of an error line, VALUE without quotes. */
static void field_of(const char *line, const char *name, char *out, size_t size)
{
    char key[64];
    const char *at, *end;

    snprintf(key, sizeof(key), "\"%s\":", name);
    at = strstr(line, key);
    if (!at)
        fail_msg("no %s in %s", name, line);
    at += strlen(key);
    end = at + strcspn(*at == '"' ? at + 1 : at, *at == '"' ? "\"" : ",}") + (*at == '"');
    at += *at == '"';
    snprintf(out, size, "%.*s", (int)(end - at), at);
}

static void assert_field(const char *line, const char *name, const char *want)
{
    char got[512];

    field_of(line, name, got, sizeof(got));
    if (strcmp(got, want) != 0)
        fail_msg("%s is `%s`, not `%s`, in %s", name, got, want, line);
}

/* The line at *at, which is moved behind it. */
static void assert_error_line(const char **at, unsigned attempts, const char *code, const char *message,
                              const char *data)
{
    char line[1024], number[32], encoded[256] = "", ended[32];
    size_t n = strcspn(*at, "\n");

    assert_int_equal((*at)[n], '\n');
    snprintf(line, sizeof(line), "%.*s", (int)n, *at);
    *at += n + 1;
    assert_int_equal(line[0], '{');
    assert_int_equal(line[n - 1], '}');
    snprintf(number, sizeof(number), "%u", attempts);
    assert_field(line, "attemptsMade", number);
    snprintf(number, sizeof(number), "%" PRId64, (int64_t)(ARRIVAL / NSEC_PER_MSEC));
    assert_field(line, "arrivalTimestamp", number);
    assert_field(line, "errorCode", code);
    assert_field(line, "errorMessage", message);
    field_of(line, "attemptEndingTimestamp", ended, sizeof(ended));
    assert_true(strtoll(ended, NULL, 10) > 1700000000000);
    base64_encode(slice_str(data), encoded);
    encoded[base64_encoded_length(strlen(data))] = '\0';
    assert_field(line, "rawData", encoded);
}

static void script(struct fake *f, const struct step *steps, size_t count)
{
    memcpy(f->script, steps, count * sizeof(*steps));
    f->steps = count;
}

#define SCRIPT(fake, ...)                                                                                              \
    script(fake, (const struct step[]){__VA_ARGS__}, sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void what_is_acknowledged_is_delivered_once(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);

    (void)state;
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 1);
    assert_string_equal(fake_got(&r->destination, 0)->body, "alpha\nbeta\ngamma\n");
    assert_string_equal(fake_got(&r->destination, 0)->error_type, "");
    assert_int_equal(r->backup.attempt_count, 0);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static void a_failed_attempt_is_made_again_with_the_same_object(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);

    (void)state;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "503"}, {.outcome = SINK_RETRY, .code = "503"});
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 3);
    assert_int_equal(r->destination.delivered_count, 1);
    for (size_t i = 1; i < 3; i++) {
        assert_string_equal(r->destination.attempts[i].name, r->destination.attempts[0].name);
        assert_string_equal(r->destination.attempts[i].body, r->destination.attempts[0].body);
    }
    assert_int_equal(r->backup.attempt_count, 0);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static void what_fails_longer_than_retry_duration_goes_to_the_backup(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    const struct rig_attempt *errors;
    const char *at;

    (void)state;
    r->conf.retry_duration = 5 * NSEC_PER_MSEC;
    r->destination.last_for_ever = true;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "503"});
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_true(r->destination.attempt_count >= 2);
    errors = fake_got(&r->backup, 0);
    at = errors->body;
    assert_string_equal(errors->error_type, "plain-failed");
    assert_int_equal(errors->records, 3);
    for (int i = 0; i < 3; i++)
        assert_error_line(&at, (unsigned)r->destination.attempt_count, "503", "said the script", ABC[i]);
    assert_string_equal(at, "");
    assert_int_equal(r->backup.attempt_count, 1);
    rig_check_books(r, 0, 3, 0);
    rig_stop(r);
    rig_free(&r);
}

static void after_a_batch_was_given_up_the_next_is_delivered(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    const char *const more[] = {"delta"};

    (void)state;
    r->conf.retry_duration = 0;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "503"});
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    rig_put(r, more, 1);
    rig_drain(r);
    assert_string_equal(fake_got(&r->destination, 0)->body, "delta\n");
    assert_int_equal(r->backup.delivered_count, 1);
    rig_check_books(r, 1, 3, 0);
    rig_stop(r);
    rig_free(&r);
}

static void what_is_rejected_goes_to_the_backup_at_once(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    const char *at;

    (void)state;
    SCRIPT(&r->destination, {.outcome = SINK_REJECTED, .code = "422"});
    rig_start(r);
    rig_put(r, ABC, 2);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 1);
    at = fake_got(&r->backup, 0)->body;
    assert_error_line(&at, 1, "422", "said the script", "alpha");
    assert_error_line(&at, 1, "422", "said the script", "beta");
    assert_string_equal(at, "");
    rig_check_books(r, 0, 2, 0);
    rig_stop(r);
    rig_free(&r);
}

static void records_of_one_body_go_their_own_ways(void **state)
{
    struct rig *r = rig_new(&fake_shaped, &fake_plain);
    const struct rig_attempt *again;
    const char *at;

    (void)state;
    SCRIPT(&r->destination, {.outcome = SINK_PARTIAL, .outcomes = "dxr"});
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 2);
    assert_string_equal(r->destination.attempts[0].body, "H\nalpha\nbeta\ngamma\nT\n");
    assert_int_equal(r->destination.attempts[0].window, 0);
    again = &r->destination.attempts[1];
    assert_string_equal(again->body, "H\ngamma\nT\n");
    assert_int_equal(again->window, encoder_window(2, 2, 3)); /* named by its first and its last record */
    at = fake_got(&r->backup, 0)->body;
    assert_field(at, "fakeId", "2"); /* what the sink says of a record: it is the second one */
    assert_error_line(&at, 2, "400", "no such field", "beta");
    assert_string_equal(at, "");
    rig_check_books(r, 2, 1, 0);
    rig_stop(r);
    rig_free(&r);
}

/* The destination takes others all the time, so it never fails as a whole. */
static void a_record_that_is_put_off_again_and_again_expires(void **state)
{
    struct rig *r = rig_new(&fake_shaped, &fake_plain);
    const char *at;

    (void)state;
    r->conf.retry_duration = 5 * NSEC_PER_MSEC;
    r->destination.last_for_ever = true;
    SCRIPT(&r->destination,
           {.outcome = SINK_PARTIAL,
            .code = "429",
            "dd"
            "r"},
           {.outcome = SINK_PARTIAL, .code = "429", .outcomes = "r"});
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    at = fake_got(&r->backup, 0)->body;
    assert_error_line(&at, (unsigned)r->destination.attempt_count, "429", "said the script", "gamma");
    assert_string_equal(at, "");
    rig_check_books(r, 2, 1, 0);
    rig_stop(r);
    rig_free(&r);
}

static void a_body_that_is_too_large_is_split_down_to_single_records(void **state)
{
    static const char *const records[] = {"1", "2", "3", "a record that is too large alone", "5"};
    struct rig *r = rig_new(&fake_shaped, &fake_plain);
    char arrived[64] = "";
    const char *at;

    (void)state;
    r->destination.splits_above = strlen("H\n1\n2\nT\n");
    rig_start(r);
    rig_put(r, records, 5);
    rig_drain(r);
    for (size_t i = 0; i < r->destination.delivered_count; i++)
        strncat(arrived, fake_got(&r->destination, i)->body, sizeof(arrived) - strlen(arrived) - 1);
    for (size_t i = 0; i < 5; i++) {
        const char *first = strstr(arrived, records[i]);

        assert_true(i == 3 ? !first : first && !strstr(first + 1, records[i])); /* once each */
    }
    at = fake_got(&r->backup, 0)->body;
    assert_error_line(&at, (unsigned)r->destination.attempt_count, "413", "said the script", records[3]);
    assert_string_equal(at, "");
    rig_check_books(r, 4, 1, 0);
    rig_stop(r);
    rig_free(&r);
}

static void a_record_that_cannot_be_shaped_goes_to_the_backup(void **state)
{
    static const char *const records[] = {"good", "bad one", "better", "bad too"};
    struct rig *r = rig_new(&fake_shaped, &fake_plain);
    const char *at;

    (void)state;
    rig_start(r);
    rig_put(r, records, 4);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 1);
    assert_string_equal(fake_got(&r->destination, 0)->body, "H\ngood\nbetter\nT\n");
    at = fake_got(&r->backup, 0)->body;
    assert_error_line(&at, 1, "NotAnEvent", "it is no event", "bad one");
    assert_error_line(&at, 1, "NotAnEvent", "it is no event", "bad too");
    assert_string_equal(at, "");
    rig_check_books(r, 2, 2, 0);
    rig_stop(r);
    rig_free(&r);
}

static void a_batch_of_which_no_record_can_be_shaped_is_not_sent(void **state)
{
    static const char *const records[] = {"bad one", "bad too"};
    struct rig *r = rig_new(&fake_shaped, &fake_plain);
    const char *at;

    (void)state;
    rig_start(r);
    rig_put(r, records, 2);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 0);
    at = fake_got(&r->backup, 0)->body;
    assert_error_line(&at, 0, "NotAnEvent", "it is no event", "bad one");
    rig_check_books(r, 0, 2, 0);
    rig_stop(r);
    rig_free(&r);
}

/* What cannot go anywhere waits, and the status says why and what to do. */
static void assert_pauses(const struct sink_ops *sink, const char *const *records, size_t count, struct step step,
                          const char *code, uint64_t delivered)
{
    struct rig *r = rig_new(sink, NULL);
    struct stream_status s;

    r->conf.retry_duration = 0;
    r->destination.last_for_ever = true;
    SCRIPT(&r->destination, step);
    rig_start(r);
    rig_put(r, records, count);
    stream_flush(r->stream);
    rig_wait_failing(r, code, &s);
    assert_int_equal(s.health, STREAM_RETRYING);
    assert_true(s.failing_since > 0);
    assert_non_null(strstr(s.words->error, "has no backup"));
    assert_non_null(strstr(s.words->hint, "`backup`"));
    stream_status_release(&s);
    assert_int_equal(r->destination.delivered_count, delivered ? 1 : 0);
    rig_check_books(r, 0, 0, count);
    rig_stop(r);
    rig_free(&r);
}

static void without_a_backup_what_is_refused_waits_in_the_spool(void **state)
{
    static const char *const records[] = {"good", "bad one"};

    (void)state;
    assert_pauses(&fake_plain, ABC, 3, (struct step){.outcome = SINK_REJECTED, .code = "422"}, "422", 0);
    assert_pauses(&fake_shaped, ABC, 3, (struct step){.outcome = SINK_PARTIAL, .outcomes = "dxr"}, "400", 0);
    assert_pauses(&fake_shaped, ABC, 1, (struct step){.outcome = SINK_SPLIT, .code = "413"}, "413", 0);
    assert_pauses(&fake_shaped, records, 2, (struct step){.outcome = SINK_DELIVERED}, "NotAnEvent", 1);
}

static void without_a_backup_nothing_expires(void **state)
{
    struct rig *r = rig_new(&fake_plain, NULL);

    (void)state;
    r->conf.retry_duration = 0;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "503"}, {.outcome = SINK_RETRY, .code = "503"},
           {.outcome = SINK_RETRY, .code = "503"});
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 4);
    assert_string_equal(fake_got(&r->destination, 0)->body, "alpha\nbeta\ngamma\n");
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static bool no_thread(struct delivery_loop *l, struct sender_job *job)
{
    (void)l;
    (void)job;
    return false;
}

static void an_attempt_that_gets_no_thread_is_made_again(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    struct stream_status s;

    (void)state;
    r->conf.retry_duration = 0;
    r->send = no_thread;
    rig_start(r);
    rig_put(r, ABC, 3);
    stream_flush(r->stream);
    rig_wait_failing(r, "NoThread", &s);
    stream_status_release(&s);
    assert_int_equal(r->destination.attempt_count + r->backup.attempt_count, 0);
    rig_check_books(r, 0, 0, 3);
    rig_stop(r);
    rig_free(&r);
}

static void a_wrong_configuration_does_not_send_records_to_the_backup(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    struct stream_status s;

    (void)state;
    r->conf.retry_duration = 0;
    r->destination.last_for_ever = true;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "NoSuchBucket", .misconfigured = true});
    rig_start(r);
    rig_put(r, ABC, 3);
    stream_flush(r->stream);
    rig_wait_failing(r, "NoSuchBucket", &s);
    stream_status_release(&s);
    assert_int_equal(r->backup.attempt_count, 0);
    rig_check_books(r, 0, 0, 3);
    rig_stop(r);
    rig_free(&r);
}

/* What comes after a wrong configuration, such as a connection that the server has closed meanwhile, has all of
 * retry.duration before it. */
static void assert_clock_starts_anew(const struct sink_ops *ops, struct step failure, const char *left)
{
    struct rig *r = rig_new(ops, &fake_plain);

    r->conf.retry_duration = 20 * NSEC_PER_MSEC;
    r->destination.retry_after = 30 * NSEC_PER_MSEC;
    SCRIPT(&r->destination, failure, {.outcome = SINK_RETRY, .code = "401", .misconfigured = true}, failure);
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 4);
    assert_int_equal(r->backup.attempt_count, 0);
    assert_string_equal(fake_got(&r->destination, 0)->body, left);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static void a_wrong_configuration_sets_the_clock_of_retry_duration_back(void **state)
{
    (void)state;
    assert_clock_starts_anew(&fake_plain, (struct step){.outcome = SINK_RETRY, .code = "503"}, "alpha\nbeta\ngamma\n");
    assert_clock_starts_anew(&fake_shaped, (struct step){.outcome = SINK_PARTIAL, .code = "429", .outcomes = "rrr"},
                             "H\nalpha\nbeta\ngamma\nT\n");
}

static void a_backup_that_fails_is_tried_until_it_works(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    const char *at;

    (void)state;
    r->conf.retry_duration = 0;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "503"});
    SCRIPT(&r->backup, {.outcome = SINK_RETRY, .code = "500"}, {.outcome = SINK_REJECTED, .code = "403"},
           {.outcome = SINK_RETRY, .code = "500"});
    rig_start(r);
    rig_put(r, ABC, 1);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 1);
    assert_int_equal(r->backup.attempt_count, 4);
    for (size_t i = 1; i < 4; i++) {
        assert_string_equal(r->backup.attempts[i].name, r->backup.attempts[0].name);
        assert_string_equal(r->backup.attempts[i].body, r->backup.attempts[0].body);
    }
    at = fake_got(&r->backup, 0)->body;
    assert_error_line(&at, 1, "503", "said the script", "alpha");
    rig_check_books(r, 0, 1, 0);
    rig_stop(r);
    rig_free(&r);
}

static void with_mode_all_every_source_record_goes_to_the_backup_once(void **state)
{
    struct rig *r = rig_new(&fake_shaped, &fake_plain);
    size_t sources = 0, errors = 0;

    (void)state;
    r->conf.backup_all = true;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "503"}, {.outcome = SINK_PARTIAL, .outcomes = "dxr"});
    SCRIPT(&r->backup, {.outcome = SINK_RETRY, .code = "500"});
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    for (size_t i = 0; i < r->backup.delivered_count; i++) {
        const struct rig_attempt *a = fake_got(&r->backup, i);

        if (a->error_type[0]) {
            assert_non_null(strstr(a->body, "\"errorCode\":\"400\""));
            errors++;
        } else {
            assert_string_equal(a->body, "alpha\nbeta\ngamma\n");
            sources++;
        }
    }
    assert_int_equal(sources, 1);
    assert_int_equal(errors, 1);
    rig_check_books(r, 2, 1, 0);
    rig_stop(r);
    rig_free(&r);
}

static void a_retry_that_is_asked_for_does_not_wait(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    struct stream_status s;

    (void)state;
    r->destination.retry_after = 3600 * NSEC_PER_SEC;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "503"});
    rig_start(r);
    rig_put(r, ABC, 3);
    outlet_flush_now(&r->stream->outlets[0]); /* it would be an hour, too */
    rig_wait_failing(r, "503", &s);
    stream_status_release(&s);
    outlet_retry_now(&r->stream->outlets[0]);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 2);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

/* As if it had failed, and been paused, two hours ago. */
static void be_paused_for_two_hours(void *arg)
{
    const nsec hours = 2 * 3600 * NSEC_PER_SEC;
    struct outlet *st = &((struct stream *)arg)->outlets[0];
    struct target_slot *s = &st->open->parts[PART_RECORDS]->slot;

    s->ran_at -= s->ran_at ? hours : 0;
    st->open->partial_since -= st->open->partial_since ? hours : 0;
    st->orders.held_since -= hours;
}

static void assert_pause_counts_for_nothing(const struct sink_ops *ops, struct step failure)
{
    struct rig *r = rig_new(ops, &fake_plain);
    struct stream_status s;

    r->destination.retry_after = 100 * NSEC_PER_MSEC;
    r->destination.last_for_ever = true;
    SCRIPT(&r->destination, failure);
    rig_start(r);
    rig_put(r, ABC, 3);
    outlet_flush_now(&r->stream->outlets[0]);
    rig_wait_failing(r, "503", &s);
    stream_status_release(&s);
    assert_true(outlet_pause(&r->stream->outlets[0], clock_wall()));
    while (!outlet_is_quiet(&r->stream->outlets[0]))
        usleep(1000);
    delivery_loop_call(r->loop, be_paused_for_two_hours, r->stream);
    pthread_mutex_lock(&r->destination.lock);
    r->destination.last_for_ever = false;
    r->destination.at = 0; /* once more, and then it works */
    pthread_mutex_unlock(&r->destination.lock);
    assert_true(outlet_resume(&r->stream->outlets[0], clock_wall()));
    rig_drain(r);
    assert_int_equal(r->backup.attempt_count, 0);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static void a_pause_is_no_time_of_retry_duration(void **state)
{
    (void)state;
    assert_pause_counts_for_nothing(&fake_plain, (struct step){.outcome = SINK_RETRY, .code = "503"});
    assert_pause_counts_for_nothing(&fake_shaped,
                                    (struct step){.outcome = SINK_PARTIAL, .code = "503", .outcomes = "rrr"});
}

/* Also where the pause is asked for in the moment in which the flush begins. */
static void no_pause_holds_what_would_be_lost_with_the_process(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);

    (void)state;
    r->conf.memory = true;
    rig_start(r);
    assert_true(outlet_pause(&r->stream->outlets[0], clock_wall()));
    rig_put(r, ABC, 3);
    stream_flush(r->stream);
    assert_false(outlet_pause(&r->stream->outlets[0], clock_wall()));
    atomic_store(&r->stream->outlets[0].orders.paused_since, clock_wall());
    assert_false(outlet_is_quiet(&r->stream->outlets[0]));
    rig_drain(r);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static void what_is_not_settled_at_a_stop_is_delivered_under_the_same_name(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    struct stream_status s;

    (void)state;
    r->destination.retry_after = 3600 * NSEC_PER_SEC;
    SCRIPT(&r->destination, {.outcome = SINK_RETRY, .code = "503"});
    rig_start(r);
    rig_put(r, ABC, 3);
    stream_flush(r->stream);
    rig_wait_failing(r, "503", &s);
    stream_status_release(&s);
    rig_check_books(r, 0, 0, 3);
    rig_stop(r);
    rig_start(r);
    rig_drain(r);
    assert_int_equal(r->destination.attempt_count, 2);
    assert_string_equal(r->destination.attempts[1].name, r->destination.attempts[0].name);
    assert_string_equal(r->destination.attempts[1].body, r->destination.attempts[0].body);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

/* What the disk holds while an attempt is under way: what a power cut would leave. */
static void copy_disk(void *ctx)
{
    struct rig *r = ctx;
    char command[256];

    snprintf(command, sizeof(command), "rm -rf %s/cut && cp -r %s %s/cut", r->dir, r->data_dir, r->dir);
    assert(system(command) == 0);
}

static void after_a_power_cut_every_object_has_the_name_it_had(void **state)
{
    struct rig *r = rig_new(&fake_shaped, &fake_plain);

    (void)state;
    SCRIPT(&r->destination, {.outcome = SINK_PARTIAL, .outcomes = "dxr"}, {.outcome = SINK_DELIVERED},
           {.outcome = SINK_PARTIAL, .outcomes = "dxd"});
    r->backup.during = copy_disk;
    r->backup.ctx = r;
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    rig_stop(r);
    mem_free(r->data_dir);
    r->data_dir = mem_printf("%s/cut", r->dir);
    r->backup.during = NULL;
    rig_start(r); /* the cut came before anything was settled */
    rig_drain(r);
    assert_int_equal(r->backup.delivered_count, 2);
    assert_string_equal(fake_got(&r->backup, 1)->name, fake_got(&r->backup, 0)->name); /* overwritten, not doubled */
    rig_check_books(r, 2, 1, 0);
    rig_stop(r);
    rig_free(&r);
}

/* Bytes are those of the records that arrived, without line breaks, and survive a restart as the records' count does. */
static void bytes_are_counted_with_the_records_and_for_as_long(void **state)
{
    struct rig *r = rig_new(&fake_shaped, &fake_plain);
    struct spool_books b;

    (void)state;
    SCRIPT(&r->destination, {.outcome = SINK_PARTIAL, .outcomes = "dxr"});
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    for (int i = 0; i < 2; i++) {
        spool_books(spool_reader(r->stream->spool, 0), &b);
        assert_int_equal(b.incoming_bytes, strlen("alphabetagamma"));
        assert_int_equal(b.delivered_bytes, strlen("alphagamma"));
        assert_int_equal(b.wire_bytes, strlen("H\nalpha\nbeta\ngamma\nT\n") + strlen("H\ngamma\nT\n"));
        rig_check_books(r, 2, 1, 0);
        rig_stop(r);
        rig_start(r);
    }
    rig_stop(r);
    rig_free(&r);
}

/* --- several steps ------------------------------------------------------------------------------------------------ */

/* What the sink saw at each step: how far it was; '-' when it may not take several. Guarded by the fake's lock. */
static char steps_seen[64];
static int steps_fail_at; /* the step that fails; -1: none */

/* An object takes three steps. */
static enum sink_outcome steps_send(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct fake *f = (struct fake *)(uintptr_t)state;
    char at = s->progress.n ? s->progress.p[0] : '0', seen[] = {v->progress ? at : '-', '\0'};
    enum sink_outcome outcome = SINK_DELIVERED;

    v->retry_after = NSEC_PER_MSEC;
    pthread_mutex_lock(&f->lock);
    strncat(steps_seen, seen, sizeof(steps_seen) - strlen(steps_seen) - 1);
    if (f->splits_above && s->record_count > f->splits_above) {
        outcome = SINK_SPLIT;
    } else if (v->progress && steps_fail_at == at - '0') {
        outcome = SINK_RETRY;
        v->misconfigured = true;
        snprintf(v->code, sizeof(v->code), "Step%c", at);
    } else if (v->progress && at < '3') {
        outcome = SINK_FOLLOW_UP;
        buf_clear(v->progress);
        assert(buf_add_char(v->progress, (char)(at + 1)) == 0);
        v->progressed = true;
    } else {
        fake_note(f, s);
        f->delivered[f->delivered_count++] = f->attempt_count - 1;
    }
    pthread_mutex_unlock(&f->lock);
    return outcome;
}

static struct sink_ops steps_ops(void)
{
    struct sink_ops ops = fake_plain;

    ops.send = steps_send;
    ops.steps = true;
    steps_seen[0] = '\0';
    steps_fail_at = -1;
    return ops;
}

static void a_delivery_of_several_steps_is_one_attempt(void **state)
{
    struct sink_ops ops = steps_ops();
    struct rig *r = rig_new(&ops, NULL);

    (void)state;
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_string_equal(steps_seen, "0123");
    assert_string_equal(fake_got(&r->destination, 0)->body, "alpha\nbeta\ngamma\n");
    assert_int_equal(metrics_get(&r->stream->outlets[0].metrics, METRIC_DELIVERY_ATTEMPTS), 1);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static void it_goes_on_where_it_was_after_a_restart(void **state)
{
    struct sink_ops ops = steps_ops();
    struct rig *r = rig_new(&ops, NULL);
    struct stream_status s;

    (void)state;
    steps_fail_at = 2;
    rig_start(r);
    rig_put(r, ABC, 3);
    stream_flush(r->stream);
    rig_wait_failing(r, "Step2", &s);
    stream_status_release(&s);
    rig_stop(r);
    assert_int_equal(strspn(steps_seen, "012"), strlen(steps_seen));
    assert_true(strstr(steps_seen, "0123") == NULL && strncmp(steps_seen, "012", 3) == 0);
    steps_seen[0] = '\0';
    steps_fail_at = -1;
    rig_start(r);
    rig_drain(r);
    assert_string_equal(steps_seen, "23");
    assert_int_equal(r->destination.delivered_count, 1);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static void each_body_of_a_seal_has_its_own_steps(void **state)
{
    struct sink_ops ops = steps_ops();
    struct rig *r = rig_new(&ops, NULL);

    (void)state;
    r->destination.splits_above = 2;
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_string_equal(steps_seen, "0012301230123"); /* of all of them, which is split; of each of them */
    assert_int_equal(r->destination.delivered_count, 3);
    rig_check_books(r, 3, 0, 0);
    rig_stop(r);
    rig_free(&r);
}

/* --- ranges: a sink that blocks ------------------------------------------------------------------------------------ */

/* Guarded by the fake's lock. */
static struct {
    char body[64];
    unsigned begun, removed, sent, range_fails, at_once, at_once_most;
    bool refuses;
} upload;

static enum sink_outcome ranges_send(const void *state, const struct sink_seal *s, struct sink_verdict *v)
{
    struct fake *f = (struct fake *)(uintptr_t)state;
    enum sink_outcome outcome = SINK_DELIVERED;
    struct err e;

    v->retry_after = NSEC_PER_MSEC;
    pthread_mutex_lock(&f->lock);
    if (s->undo) {
        assert(slice_is(s->progress, "upload 1"));
        upload.removed++;
    } else if (s->range > 0) {
        if (++upload.at_once > upload.at_once_most)
            upload.at_once_most = upload.at_once;
        while (upload.at_once_most < 2) /* another one comes: there is a place for it */
            pthread_cond_wait(&f->changed, &f->lock);
        pthread_cond_broadcast(&f->changed);
        upload.at_once--;
        upload.sent++;
        if (s->range == upload.range_fails) {
            upload.range_fails = 0;
            outcome = SINK_RETRY;
            snprintf(v->code, sizeof(v->code), "Slow");
        } else {
            assert(body_read(s->body, s->range_from, upload.body + s->range_from, s->range_bytes, &e) ==
                   (long)s->range_bytes);
            snprintf(v->tag.text, sizeof(v->tag.text), "tag %u", s->range);
        }
    } else if (s->progress.n == 0) {
        upload.begun++;
        assert(buf_add_str(v->progress, "upload 1") == 0);
        v->progressed = true;
        v->range_bytes = 6;
        outcome = SINK_FOLLOW_UP;
    } else {
        assert(s->tag_count == 3 && strcmp(s->tags[0].text, "tag 1") == 0 && strcmp(s->tags[2].text, "tag 3") == 0);
        fake_note(f, s);
        outcome = upload.refuses ? SINK_REJECTED : SINK_DELIVERED;
        if (!upload.refuses)
            f->delivered[f->delivered_count++] = f->attempt_count - 1;
    }
    pthread_mutex_unlock(&f->lock);
    return outcome;
}

static void play_ranges(unsigned range_fails, bool refuses)
{
    struct sink_ops ops = steps_ops();
    struct rig *r;

    ops.send = ranges_send;
    memset(&upload, 0, sizeof(upload));
    upload.range_fails = range_fails;
    upload.refuses = refuses;
    r = rig_new(&ops, refuses ? &fake_plain : NULL);
    r->conf.in_flight = r->conf.in_flight_min = 2;
    rig_start(r);
    rig_put(r, ABC, 3);
    rig_drain(r);
    assert_string_equal(upload.body, "alpha\nbeta\ngamma\n");
    assert_int_equal(upload.begun, 1);
    assert_int_equal(upload.sent, range_fails ? 4 : 3); /* what was there is not sent again */
    assert_int_equal(upload.at_once_most, 2);
    assert_int_equal(upload.removed, refuses);
    rig_check_books(r, refuses ? 0 : 3, refuses ? 3 : 0, 0);
    rig_stop(r);
    rig_free(&r);
}

static void a_body_goes_in_ranges_several_at_once(void **state)
{
    (void)state;
    play_ranges(0, false);
}

static void a_range_that_fails_is_sent_again_alone(void **state)
{
    (void)state;
    for (unsigned range = 1; range <= 3; range++)
        play_ranges(range, false);
}

static void what_is_given_up_is_removed_from_the_destination(void **state)
{
    (void)state;
    play_ranges(0, true);
}

/* --- far behind ------------------------------------------------------------------------------------------------------- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void wait_at_gate(void *ctx)
{
    (void)ctx;
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
}

enum { FAR_RECORDS = 40, FAR_BYTES = 64 };

static void put_of(struct rig *r, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char record[FAR_BYTES];

        memset(record, 'x', sizeof(record));
        record[sizeof(record) - 1] = '\0';
        rig_put(r, (const char *const[]){record}, 1);
    }
}

static uint64_t waiting_bytes(struct rig *r)
{
    struct spool_books b;

    spool_books(spool_reader(r->stream->spool, 0), &b);
    return b.spooled_bytes;
}

static void note_numbers(const struct fake *f, unsigned seen[FAR_RECORDS + 1])
{
    for (size_t i = 0; i < f->delivered_count; i++)
        for (uint64_t n = fake_got(f, i)->first; n <= fake_got(f, i)->last; n++)
            seen[n]++;
}

/* The destination fails nothing: it does not answer. What is more than may wait goes to the backup, and as soon as it answers it gets what is
 * within the limit. */
static void one_that_does_not_answer_keeps_no_more_than_its_limit(void **state)
{
    struct rig *r = rig_new(&fake_plain, &fake_plain);
    time_t end = time(NULL) + WAIT_S;
    unsigned seen[FAR_RECORDS + 1] = {0};
    struct spool_books b;

    (void)state;
    r->conf.buffer_size = FAR_BYTES;
    r->conf.in_flight = 2;
    r->conf.max_behind = FAR_RECORDS / 2 * FAR_BYTES;
    r->destination.during = wait_at_gate;
    pthread_mutex_lock(&gate);
    rig_start(r);
    put_of(r, 0, FAR_RECORDS / 2);
    spool_books(spool_reader(r->stream->spool, 0), &b);
    assert_int_equal(b.spooled, FAR_RECORDS / 2); /* all of it is within the limit */
    put_of(r, FAR_RECORDS / 2, FAR_RECORDS);
    while (waiting_bytes(r) > r->conf.max_behind) {
        usleep(1000);
        assert_true(time(NULL) < end);
    }
    pthread_mutex_unlock(&gate);
    rig_drain(r);
    spool_books(spool_reader(r->stream->spool, 0), &b);
    assert_in_range(b.delivered, 1, FAR_RECORDS - 1);
    rig_check_books(r, b.delivered, FAR_RECORDS - b.delivered, 0);
    note_numbers(&r->destination, seen);
    note_numbers(&r->backup, seen);
    for (unsigned n = 1; n <= FAR_RECORDS; n++)
        assert_int_equal(seen[n], 1);
    assert_non_null(strstr(fake_got(&r->backup, 0)->body, "\"errorCode\":\"Delivery.TooFarBehind\""));
    rig_stop(r);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_acknowledged_is_delivered_once),
        cmocka_unit_test(a_failed_attempt_is_made_again_with_the_same_object),
        cmocka_unit_test(what_fails_longer_than_retry_duration_goes_to_the_backup),
        cmocka_unit_test(after_a_batch_was_given_up_the_next_is_delivered),
        cmocka_unit_test(what_is_rejected_goes_to_the_backup_at_once),
        cmocka_unit_test(records_of_one_body_go_their_own_ways),
        cmocka_unit_test(a_record_that_is_put_off_again_and_again_expires),
        cmocka_unit_test(a_body_that_is_too_large_is_split_down_to_single_records),
        cmocka_unit_test(a_record_that_cannot_be_shaped_goes_to_the_backup),
        cmocka_unit_test(a_batch_of_which_no_record_can_be_shaped_is_not_sent),
        cmocka_unit_test(without_a_backup_what_is_refused_waits_in_the_spool),
        cmocka_unit_test(without_a_backup_nothing_expires),
        cmocka_unit_test(an_attempt_that_gets_no_thread_is_made_again),
        cmocka_unit_test(a_wrong_configuration_does_not_send_records_to_the_backup),
        cmocka_unit_test(a_wrong_configuration_sets_the_clock_of_retry_duration_back),
        cmocka_unit_test(a_backup_that_fails_is_tried_until_it_works),
        cmocka_unit_test(with_mode_all_every_source_record_goes_to_the_backup_once),
        cmocka_unit_test(a_retry_that_is_asked_for_does_not_wait),
        cmocka_unit_test(a_pause_is_no_time_of_retry_duration),
        cmocka_unit_test(no_pause_holds_what_would_be_lost_with_the_process),
        cmocka_unit_test(what_is_not_settled_at_a_stop_is_delivered_under_the_same_name),
        cmocka_unit_test(after_a_power_cut_every_object_has_the_name_it_had),
        cmocka_unit_test(bytes_are_counted_with_the_records_and_for_as_long),
        cmocka_unit_test(a_delivery_of_several_steps_is_one_attempt),
        cmocka_unit_test(it_goes_on_where_it_was_after_a_restart),
        cmocka_unit_test(each_body_of_a_seal_has_its_own_steps),
        cmocka_unit_test(a_body_goes_in_ranges_several_at_once),
        cmocka_unit_test(a_range_that_fails_is_sent_again_alone),
        cmocka_unit_test(what_is_given_up_is_removed_from_the_destination),
        cmocka_unit_test(one_that_does_not_answer_keeps_no_more_than_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
