/* Error lines as we and others write them, and the note of what was put back: it survives a run, speaks of one content
 * and one stream only, and is never half a note. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/error_line.h"
#include "pipeline/redrive_line.h"
#include "pipeline/redrive_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[] = "/tmp/redrive-test-XXXXXX";

static char *in_folder(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static void our_own_lines_are_read_back(void **state)
{
    const struct error_line l = {.attempts = 3,
                                 .arrival = 1000 * NSEC_PER_SEC,
                                 .ended = 2000 * NSEC_PER_SEC,
                                 .code = SLICE("4\"00"),
                                 .message = SLICE("rawData: no"),
                                 .more = SLICE(",\"esDocumentId\":\"7\""),
                                 .data = slice_of("a\0b\n\xff", 5)};
    struct redrive_line got;
    struct buf text, scratch;
    struct err e = {0};

    (void)state;
    buf_init(&text, MIB);
    buf_init(&scratch, MIB);
    assert_int_equal(error_line_write(&l, &text), 0);
    assert_int_equal(text.p[text.n - 1], '\n');
    assert_int_equal(redrive_line_read(slice_of(text.p, text.n - 1), &scratch, &got, &e), 0);
    assert_true(slice_eq(got.data, l.data));
    assert_true(slice_eq(got.code, l.code));
    assert_true(got.ended == l.ended);
    buf_release(&text);
    buf_release(&scratch);
}

static void lines_of_others_are_read_and_what_is_none_is_told(void **state)
{
    static const struct {
        const char *line, *data, *code, *why;
    } cases[] = {
        {"{\"rawData\":\"aGk=\",\"errorCode\":\"Lambda.X\",\"attemptsMade\":4}", "hi", "Lambda.X", NULL},
        {"{ \"attemptsMade\" : 1, \"lastErrorCode\":\"D\", \"rawData\" : \"\" , \"x\":{\"rawData\":1}}", "", "D", NULL},
        {"{\"attemptsMade\":1,\"errorCode\":null,\"rawData\":\"aGk=\"}", "hi", "", NULL},
        {"{\"attemptsMade\":1,\"attemptEndingTimestamp\":99999999999999999999999999999,\"rawData\":\"aGk=\"}", "hi", "",
         NULL},
        {"{\"attemptsMade\":1,\"rawData\":\"aGk\"}", NULL, NULL, "not base64"},
        {"{\"attemptsMade\":1,\"rawData\":\"aG\\u006b=\"}", NULL, NULL, "not base64"},
        {"{\"rawData\":\"aGk=\"}", NULL, NULL, "no attemptsMade"},
        {"{\"attemptsMade\":1}", NULL, NULL, "no rawData"},
        {"{\"attemptsMade\":1,\"rawData\":7}", NULL, NULL, "not JSON"},
        {"{\"attemptsMade\":1,\"rawData\":\"aGk=\"", NULL, NULL, "not JSON"},
        {"{\"attemptsMade\":1,\"rawData\":\"aGk=\"} x", NULL, NULL, "not JSON"},
        {"GET / HTTP/1.1", NULL, NULL, "not JSON"},
        {"", NULL, NULL, "not JSON"},
    };
    struct buf scratch;

    (void)state;
    buf_init(&scratch, 4 * MIB);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct redrive_line got;
        struct err e = {0};
        int rc = redrive_line_read(slice_str(cases[i].line), &scratch, &got, &e);

        if ((rc == 0) != !cases[i].why || (rc < 0 && !strstr(e.msg, cases[i].why)))
            fail_msg("%s: %d %s", cases[i].line, rc, e.msg);
        if (rc == 0 && (!slice_is(got.data, cases[i].data) || !slice_is(got.code, cases[i].code)))
            fail_msg("%s: data `%.*s`, code `%.*s`", cases[i].line, (int)got.data.n, got.data.p, (int)got.code.n,
                     got.code.p);
    }
    buf_release(&scratch);
}

static void what_was_put_back_is_known_in_the_next_run(void **state)
{
    const uint64_t done[] = {1, 2, 3, 7, 5000, 5001};
    char *object = in_folder("object");
    struct redrive_state *s;
    struct err e = {0};

    (void)state;
    assert_int_equal(redrive_state_open(&s, object, SLICE("content"), "app", &e), 0);
    assert_false(redrive_state_is_done(s, 1));
    for (size_t i = 0; i < ARRAY_LEN(done); i++)
        redrive_state_done(s, done[i]);
    assert_int_equal(redrive_state_save(s, &e), 0);
    redrive_state_done(s, 4); /* not saved */
    redrive_state_close(&s);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(redrive_state_open(&s, object, SLICE("content"), "app", &e), 0);
        for (uint64_t line = 1; line < 6000; line++) {
            bool want = line <= 3 || line == 7 || line == 5000 || line == 5001;

            if (redrive_state_is_done(s, line) != want)
                fail_msg("line %d", (int)line);
        }
        assert_int_equal(redrive_state_save(s, &e), 0);
        redrive_state_close(&s);
    }
    assert_int_equal(redrive_state_open(&s, object, SLICE("content"), "other", &e), 0);
    assert_false(redrive_state_is_done(s, 1)); /* another stream got none of it */
    redrive_state_close(&s);
    mem_free(object);
}

static void a_note_about_another_content_or_a_damaged_one_is_an_error(void **state)
{
    static const char *const damaged[] = {
        "x",
        "sluice-redrive 1\n",
        "sluice-redrive 1\nobject 1 x\ndone\nend\n",
        "%s\ndone 1-\nend\n",
        "%s\ndone 3-1\nend\n",
        "%s\ndone 0\nend\n",
        "%s\ndone 1-99999999999\nend\n",
        "%s\ndone a\nend\n",
        "%s\ndone 1",
        "%s\ndone 1\n",
        "%s\n",
    };
    /* printf c | sha256sum */
    const char *head = "sluice-redrive 1\nobject 1 2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6";
    char *object = in_folder("damaged"), *note = in_folder(".damaged.redriven-to-app");
    struct redrive_state *s = NULL;
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
        const char *rest = strstr(damaged[i], "%s");
        FILE *f = fopen(note, "w");

        assert_non_null(f);
        fprintf(f, "%s%s", rest ? head : "", rest ? rest + 2 : damaged[i]);
        fclose(f);
        if (redrive_state_open(&s, object, SLICE("c"), "app", &e) == 0)
            fail_msg("taken: %s", damaged[i]);
        assert_non_null(strstr(e.msg, note));
        assert_null(s);
    }
    mem_free(object);
    mem_free(note);
}

static void a_note_that_cannot_be_written_is_an_error(void **state)
{
    char *object = in_folder("no/such/folder/object");
    struct redrive_state *s;
    struct err e = {0};

    (void)state;
    assert_int_equal(redrive_state_open(&s, object, SLICE("c"), "app", &e), 0);
    redrive_state_done(s, 1);
    assert_int_equal(redrive_state_save(s, &e), -1);
    assert_non_null(strstr(e.msg, "no/such/folder"));
    redrive_state_close(&s);
    mem_free(object);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[64];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_lines_are_read_back),
        cmocka_unit_test(lines_of_others_are_read_and_what_is_none_is_told),
        cmocka_unit_test(what_was_put_back_is_known_in_the_next_run),
        cmocka_unit_test(a_note_about_another_content_or_a_damaged_one_is_an_error),
        cmocka_unit_test(a_note_that_cannot_be_written_is_an_error),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
