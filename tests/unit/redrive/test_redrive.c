/* Error lines as we and others write them, and the note of what was put back: it survives a run, speaks of one content
 * and one stream only, and is never half a note. */
#include "tests/support/cmocka.h"

#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/error_objects.h"
#include "pipeline/engine/data_dir.h"
#include "pipeline/redrive/line.h"
#include "pipeline/redrive/progress_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/redrive-test-XXXXXX";

static int open_state(struct redrive_state **s, const char *note, const char *content, bool writes, struct err *e)
{
    struct redrive_content c = {.size = strlen(content)};

    sha256_of(slice_str(content), c.sha256);
    return redrive_state_open(s, note, &c, writes, e);
}

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
    assert_int_equal(error_objects_line(&l, &text), 0);
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
    char *object = in_folder("object"), *note = redrive_note_beside(object, "app");
    char *others = redrive_note_beside(object, "other");
    struct redrive_state *s;
    struct err e = {0};

    (void)state;
    assert_int_equal(open_state(&s, note, "content", true, &e), 0);
    assert_false(redrive_state_is_done(s, 1));
    for (size_t i = 0; i < ARRAY_LEN(done); i++)
        redrive_state_done(s, done[i]);
    assert_int_equal(redrive_state_save(s, &e), 0);
    redrive_state_done(s, 4); /* not saved */
    redrive_state_close(&s);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(open_state(&s, note, "content", true, &e), 0);
        for (uint64_t line = 1; line < 6000; line++) {
            bool want = line <= 3 || line == 7 || line == 5000 || line == 5001;

            if (redrive_state_is_done(s, line) != want)
                fail_msg("line %d", (int)line);
        }
        assert_int_equal(redrive_state_save(s, &e), 0);
        redrive_state_close(&s);
    }
    assert_int_equal(open_state(&s, others, "content", true, &e), 0);
    assert_false(redrive_state_is_done(s, 1)); /* another stream got none of it */
    redrive_state_close(&s);
    mem_free(object);
    mem_free(note);
    mem_free(others);
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
    char *note = in_folder(".damaged.redriven-to-app");
    struct redrive_state *s = NULL;
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
        const char *rest = strstr(damaged[i], "%s");
        FILE *f = fopen(note, "w");

        assert_non_null(f);
        fprintf(f, "%s%s", rest ? head : "", rest ? rest + 2 : damaged[i]);
        fclose(f);
        if (open_state(&s, note, "c", true, &e) == 0)
            fail_msg("taken: %s", damaged[i]);
        assert_non_null(strstr(e.msg, note));
        assert_null(s);
    }
    mem_free(note);
}

static void a_note_that_cannot_be_written_is_an_error(void **state)
{
    char *note = in_folder("no/such/folder/note");
    struct redrive_state *s;
    struct err e = {0};

    (void)state;
    assert_int_equal(open_state(&s, note, "c", true, &e), 0);
    redrive_state_done(s, 1);
    assert_int_equal(redrive_state_save(s, &e), -1);
    assert_non_null(strstr(e.msg, "no/such/folder"));
    redrive_state_close(&s);
    mem_free(note);
}

static void a_file_has_its_note_beside_it(void **state)
{
    static const struct {
        const char *object, *note;
    } cases[] = {
        {"a", ".a.redriven-to-s"},
        {"./a", "./.a.redriven-to-s"},
        {"/x/y/a.gz", "/x/y/.a.gz.redriven-to-s"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *note = redrive_note_beside(cases[i].object, "s");

        assert_string_equal(note, cases[i].note);
        mem_free(note);
    }
}

/* A name that is a plain file's in the folder, and can be written. */
static void check_note(const char *note)
{
    size_t n = strlen(folder);
    const char *name = note + n + 1;
    FILE *f;

    assert_true(strncmp(note, folder, n) == 0 && note[n] == '/');
    assert_null(strchr(name, '/'));
    assert_true(name[0] != '.' && strlen(name) + strlen(".tmp") <= 255);
    for (const char *p = name; *p; p++)
        assert_true(*p > ' ' && *p <= '~');
    f = fopen(note, "wx");
    if (!f)
        fail_msg("%s is there already, or cannot be made", note);
    fclose(f);
}

static void every_key_of_a_bucket_has_a_note_of_its_own(void **state)
{
    static char longest[1024], other[1024];
    const struct slice keys[] = {
        SLICE("a"),
        SLICE("b/a"),
        SLICE("/a"),
        SLICE("a/"),
        SLICE("."),
        SLICE(".."),
        SLICE("../../etc/passwd"),
        SLICE("x/../a"),
        SLICE("\xff\n\t%2F"),
        SLICE("a\0b"),
        SLICE("a b"),
        SLICE("a_b"),
        SLICE("\xc3\xa9"),
        slice_of(longest, sizeof(longest)),
        slice_of(other, sizeof(other)),
    };
    char stream[STREAM_NAME_MAX + 1] = {0};

    (void)state;
    memset(longest, 'k', sizeof(longest));
    memset(other, 'k', sizeof(other));
    other[0] = 'o';
    memset(stream, 's', STREAM_NAME_MAX);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char *note = redrive_note_in(folder, "logs", keys[i], stream);
        char *again = redrive_note_in(folder, "logs", keys[i], stream);

        assert_string_equal(note, again);
        check_note(note);
        mem_free(note);
        mem_free(again);
    }
    for (const char *bucket = "log"; *bucket; bucket++) { /* "log" + "sa" is not "logs" + "a" */
        char *note = redrive_note_in(folder, bucket, SLICE("sa"), stream);

        check_note(note);
        mem_free(note);
    }
}

static void the_folder_for_notes_is_for_its_owner_only(void **state)
{
    char *deep = in_folder("data/redrive"), *file = in_folder("a-file"), *below = in_folder("a-file/redrive");
    struct stat st;
    struct err e = {0};

    (void)state;
    for (int again = 0; again < 2; again++)
        assert_int_equal(io_make_folder(&io_ops_real, deep, &e), 0);
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    fclose(fopen(file, "w"));
    assert_int_equal(io_make_folder(&io_ops_real, below, &e), -1);
    assert_non_null(strstr(e.msg, below));
    mem_free(deep);
    mem_free(file);
    mem_free(below);
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

static bool is_locked(void)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    bool locked = flock(fd, LOCK_EX | LOCK_NB) < 0;

    assert_true(fd >= 0);
    close(fd);
    return locked;
}

static void who_writes_has_the_folder_for_itself(void **state)
{
    char *object = in_folder("object"), *note = redrive_note_beside(object, "locked");
    struct redrive_state *s;
    struct err e = {0};

    (void)state;
    assert_int_equal(open_state(&s, note, "c", true, &e), 0);
    assert_true(is_locked());
    redrive_state_close(&s);
    assert_false(is_locked());
    assert_int_equal(open_state(&s, note, "c", false, &e), 0);
    assert_false(is_locked());
    redrive_state_close(&s);
    mem_free(object);
    mem_free(note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_lines_are_read_back),
        cmocka_unit_test(lines_of_others_are_read_and_what_is_none_is_told),
        cmocka_unit_test(what_was_put_back_is_known_in_the_next_run),
        cmocka_unit_test(who_writes_has_the_folder_for_itself),
        cmocka_unit_test(a_note_about_another_content_or_a_damaged_one_is_an_error),
        cmocka_unit_test(a_note_that_cannot_be_written_is_an_error),
        cmocka_unit_test(a_file_has_its_note_beside_it),
        cmocka_unit_test(every_key_of_a_bucket_has_a_note_of_its_own),
        cmocka_unit_test(the_folder_for_notes_is_for_its_owner_only),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
