/* The token of a data_dir: made once, private, whole. */
#include "tests/support/cmocka.h"

#include "pipeline/admin/token.h"
#include "pipeline/base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char *file;
static struct admin_token token;
static struct err e;

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test-token-XXXXXX");
    assert_non_null(mkdtemp(dir));
    file = mem_printf("%s/admin.token", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(file);
    mem_free(file);
    return rmdir(dir);
}

static void put(const char *text, mode_t mode)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void assert_is_kept(void)
{
    char text[ADMIN_TOKEN_TEXT];
    struct stat st;
    bool fresh;

    assert_int_equal(admin_token_keep(dir, &token, &fresh, &e), 0);
    assert_true(!fresh || admin_token_place(dir, &e) == 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(admin_token_read(dir, text, &e), 0);
    assert_int_equal(strlen(text), ADMIN_TOKEN_TEXT - 1);
    assert_true(admin_token_is(&token, slice_str(text)));
}

static void one_is_made_that_only_its_owner_can_read(void **state)
{
    char text[ADMIN_TOKEN_TEXT];

    (void)state;
    assert_int_equal(admin_token_read(dir, text, &e), -1);
    assert_is_kept();
}

static void it_stays_the_same_over_restarts(void **state)
{
    struct admin_token first;

    (void)state;
    assert_is_kept();
    first = token;
    assert_is_kept();
    assert_memory_equal(&first, &token, sizeof(token));
}

static void what_is_none_or_was_not_private_is_replaced(void **state)
{
    static const char GOOD[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    char text[ADMIN_TOKEN_TEXT];

    (void)state;
    put("", 0600);
    assert_is_kept();
    put("half of one", 0600);
    assert_int_equal(admin_token_read(dir, text, &e), -1);
    assert_is_kept();
    put(GOOD, 0644);
    assert_is_kept();
    assert_false(admin_token_is(&token, slice_of(GOOD, sizeof(GOOD) - 2)));
    put(GOOD, 0600);
    assert_is_kept();
    assert_true(admin_token_is(&token, slice_of(GOOD, sizeof(GOOD) - 2)));
}

static void a_link_in_its_place_is_not_followed(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(symlink("/etc/hostname", file), 0);
    assert_is_kept();
    assert_int_equal(lstat(file, &st), 0);
    assert_true(S_ISREG(st.st_mode));
}

static void whoever_has_the_file_beside_it_open_reads_nothing(void **state)
{
    char *beside = mem_printf("%s.new", file), text[ADMIN_TOKEN_TEXT];
    int fd = open(beside, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);

    (void)state;
    assert_true(fd >= 0);
    assert_is_kept();
    assert_int_equal(read(fd, text, sizeof(text)), 0);
    assert_int_equal(access(beside, F_OK), -1);
    close(fd);
    mem_free(beside);
}

static void what_cannot_be_put_in_place_leaves_nothing(void **state)
{
    char *beside = mem_printf("%s.new", file);
    bool fresh;

    (void)state;
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(admin_token_keep(dir, &token, &fresh, &e), 0);
    assert_true(fresh);
    assert_int_equal(admin_token_place(dir, &e), -1);
    assert_int_equal(access(beside, F_OK), -1);
    assert_int_equal(rmdir(file), 0);
    mem_free(beside);
}

/* A reload that comes to nothing: who reads the file has what the daemon knows, or nothing. */
static void what_is_dropped_was_never_there(void **state)
{
    static const char OPEN[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
    char *beside = mem_printf("%s.new", file), text[ADMIN_TOKEN_TEXT];
    bool fresh = false;

    (void)state;
    assert_int_equal(admin_token_keep(dir, &token, &fresh, &e), 0);
    assert_true(fresh);
    assert_int_equal(admin_token_read(dir, text, &e), -1);
    admin_token_drop(dir);
    assert_int_equal(access(beside, F_OK), -1);
    put(OPEN, 0644);
    assert_int_equal(admin_token_keep(dir, &token, &fresh, &e), 0);
    assert_true(fresh);
    admin_token_drop(dir);
    assert_int_equal(admin_token_read(dir, text, &e), 0);
    assert_memory_equal(text, OPEN, ADMIN_TOKEN_TEXT - 1);
    mem_free(beside);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    bool fresh;

    (void)state;
    assert_int_equal(admin_token_keep("/nonexistent", &token, &fresh, &e), -1);
}

static void only_the_whole_text_is_the_token(void **state)
{
    (void)state;
    token = admin_token_of(SLICE("correct horse"));
    assert_true(admin_token_is(&token, SLICE("correct horse")));
    assert_false(admin_token_is(&token, SLICE("correct hors")));
    assert_false(admin_token_is(&token, SLICE("correct horse ")));
    assert_false(admin_token_is(&token, SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_made_that_only_its_owner_can_read, setup, teardown),
        cmocka_unit_test_setup_teardown(it_stays_the_same_over_restarts, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_none_or_was_not_private_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_in_its_place_is_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(whoever_has_the_file_beside_it_open_reads_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_put_in_place_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_dropped_was_never_there, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_there_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_whole_text_is_the_token, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
