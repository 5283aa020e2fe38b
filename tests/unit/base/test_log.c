/* Lines are caught by putting a pipe in the place of stderr for the length of one call. */
#include "tests/support/cmocka.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct capture {
    int saved, ends[2];
};

static void capture_begin(struct capture *c)
{
    assert_int_equal(pipe2(c->ends, O_NONBLOCK), 0);
    c->saved = dup(STDERR_FILENO);
    dup2(c->ends[1], STDERR_FILENO);
}

/* What was written, without the time stamp, whose form is checked. */
static const char *capture_end(struct capture *c)
{
    static char text[8192];
    static const char form[] = "ts=dddd-dd-ddTdd:dd:dd.dddZ ";
    ssize_t n = read(c->ends[0], text, sizeof(text) - 1);

    dup2(c->saved, STDERR_FILENO);
    close(c->saved);
    close(c->ends[0]);
    close(c->ends[1]);
    if (n <= 0)
        return "";
    text[n] = '\0';
    for (size_t i = 0; form[i]; i++)
        assert_true(form[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == form[i]);
    return text + strlen(form);
}

static void a_line_has_time_level_message_and_pairs(void **state)
{
    struct capture c;
    struct err e;

    (void)state;
    err_at(&e, ERR_CONFIG, (struct srcpos){"a.yaml", 1, 2}, "odd");
    capture_begin(&c);
    log_warn("will retry", KS("stream", "app"), KI("in", -2), KU("attempt", UINT64_MAX), KB("key", SLICE("a b")),
             KE("cause", &e));
    assert_string_equal(capture_end(&c), "level=warn msg=\"will retry\" stream=app in=-2 attempt=18446744073709551615 "
                                         "key=\"a b\" cause=\"a.yaml:1:2: odd\"\n");
}

static void values_are_quoted_when_logfmt_needs_it(void **state)
{
    const struct {
        struct slice value;
        const char *want;
    } cases[] = {
        {SLICE("plain"), "plain"},
        {SLICE(""), "\"\""},
        {{NULL, 0}, "\"\""},
        {SLICE("a b"), "\"a b\""},
        {SLICE("a=b"), "\"a=b\""},
        {SLICE("say \"hi\""), "\"say \\\"hi\\\"\""},
        {SLICE("c:\\x"), "\"c:\\\\x\""},
        {SLICE("two\nlines"), "\"two\\nlines\""},
        {SLICE("nul\0cr\resc\x1b[1m\x7f"), "\"nul\\x00cr\\x0desc\\x1b[1m\\x7f\""},
        {SLICE("caf\xc3\xa9"), "caf\xc3\xa9"},
        {SLICE("csi\xc2\x9b"
               "31m"),
         "\"csi\\xc2\\x9b31m\""},
        {SLICE("bad\xff"), "\"bad\\xff\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct capture c;
        char want[200];

        snprintf(want, sizeof(want), "level=info msg=m k=%s\n", cases[i].want);
        capture_begin(&c);
        log_info("m", KB("k", cases[i].value));
        assert_string_equal(capture_end(&c), want);
    }
}

static void a_line_that_is_too_long_is_cut_and_still_ends(void **state)
{
    static char value[10000];
    struct capture c;
    const char *line;

    (void)state;
    memset(value, 'v', sizeof(value));
    capture_begin(&c);
    log_error("m", KB("k", slice_of(value, sizeof(value))), KS("behind", "x"));
    line = capture_end(&c);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_true(strlen(line) > 4000 && strlen(line) < 4100);
}

static void only_levels_up_to_the_set_one_are_written(void **state)
{
    (void)state;
    for (enum log_level max = LOG_ERROR; max <= LOG_DEBUG; max++)
        for (enum log_level level = LOG_ERROR; level <= LOG_DEBUG; level++) {
            struct capture c;

            log_set_level(max);
            capture_begin(&c);
            LOG_AT(level, "m", KI("k", 1));
            assert_int_equal(strlen(capture_end(&c)) > 0, level <= max);
        }
    log_set_level(LOG_INFO);
}

static void a_repeating_event_is_due_once_a_period_and_counts_the_rest(void **state)
{
    struct log_limit l = {0};

    (void)state;
    assert_true(log_due(&l, 100, 10));
    assert_false(log_due(&l, 100, 10));
    assert_false(log_due(&l, 109, 10));
    assert_true(log_due(&l, 110, 10));
    assert_int_equal(l.suppressed, 2);
    assert_false(log_due(&l, 119, 10));
    assert_true(log_due(&l, 120, 10));
    assert_int_equal(l.suppressed, 1); /* of those before this line only */
    assert_true(log_due(&l, 130, 10));
    assert_int_equal(l.suppressed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_message_and_pairs),
        cmocka_unit_test(values_are_quoted_when_logfmt_needs_it),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_still_ends),
        cmocka_unit_test(only_levels_up_to_the_set_one_are_written),
        cmocka_unit_test(a_repeating_event_is_due_once_a_period_and_counts_the_rest),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
