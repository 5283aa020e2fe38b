/* The service manager is a socket here, and what it has heard is read back. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    int fd;
    char folder[32], path[64], heard[2048];
    struct notify n;
} f;

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    strncpy(f.folder, "/tmp/notify-XXXXXX", sizeof(f.folder) - 1);
    if (!mkdtemp(f.folder))
        return -1;
    f.fd = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    notify_close(&f.n);
    if (f.fd >= 0)
        close(f.fd);
    if (f.path[0] == '/')
        unlink(f.path);
    return rmdir(f.folder);
}

/* `name` as NOTIFY_SOCKET has it. */
static void listen_at(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(f.path, sizeof(f.path), "%s", name);
    memcpy(at.sun_path, name, strlen(name));
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    f.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(f.fd >= 0);
    assert_int_equal(
        bind(f.fd, (const struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
        0);
}

static void listen_in_folder(void)
{
    char path[64];

    snprintf(path, sizeof(path), "%s/notify", f.folder);
    listen_at(path);
}

/* The next message; "" when there is none. */
static const char *heard(void)
{
    ssize_t n = recv(f.fd, f.heard, sizeof(f.heard) - 1, 0);

    f.heard[n > 0 ? n : 0] = '\0';
    return f.heard;
}

static int open_with(const char *socket, const char *usec, const char *pid, struct err *e)
{
    return notify_open(&f.n, &(struct notify_env){socket, usec, pid}, e);
}

static void all_messages_arrive(void **state)
{
    struct err e;

    (void)state;
    listen_in_folder();
    assert_int_equal(open_with(f.path, NULL, NULL, &e), 0);
    assert_int_equal(notify_ready(&f.n, &e), 0);
    assert_string_equal(heard(), "READY=1");
    assert_int_equal(notify_reloading(&f.n, 7 * NSEC_PER_SEC, &e), 0);
    assert_string_equal(heard(), "RELOADING=1\nMONOTONIC_USEC=7000000");
    assert_true(notify_alive(&f.n));
    assert_string_equal(heard(), "WATCHDOG=1");
    assert_true(notify_status(&f.n, "2 streams"));
    assert_string_equal(heard(), "STATUS=2 streams");
    assert_int_equal(notify_stopping(&f.n, 35 * NSEC_PER_SEC, &e), 0);
    assert_string_equal(heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000");
}

static void a_name_that_is_in_no_file_system_is_found(void **state)
{
    char name[64];
    struct err e;

    (void)state;
    snprintf(name, sizeof(name), "@sluice/test/%d", (int)getpid());
    listen_at(name);
    assert_int_equal(open_with(name, NULL, NULL, &e), 0);
    assert_int_equal(notify_ready(&f.n, &e), 0);
    assert_string_equal(heard(), "READY=1");
}

static void without_a_manager_nothing_is_said(void **state)
{
    struct err e;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(open_with(i ? "" : NULL, "1000000", NULL, &e), 0);
        assert_false(f.n.open);
        assert_int_equal(f.n.watchdog, 0);
        assert_int_equal(notify_ready(&f.n, &e), 0);
        assert_int_equal(notify_stopping(&f.n, 0, &e), 0);
        assert_true(notify_alive(&f.n));
        assert_true(notify_status(&f.n, "x"));
    }
}

static void a_name_that_is_none_is_refused(void **state)
{
    char name[sizeof(f.n.to.sun_path) + 2];
    struct err e;

    (void)state;
    assert_int_equal(open_with("vsock:2:1", NULL, NULL, &e), -1);
    assert_non_null(strstr(e.msg, "vsock:2:1"));
    assert_int_equal(open_with("@", NULL, NULL, &e), -1);
    assert_int_equal(open_with("/", NULL, NULL, &e), -1);
    memset(name, 'a', sizeof(name));
    name[0] = '/';
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(open_with(name, NULL, NULL, &e), -1);
    assert_false(f.n.open);
    assert_int_equal(notify_ready(&f.n, &e), 0);
}

static void a_manager_that_is_gone_is_an_error_and_found_again(void **state)
{
    char path[64];
    struct err e;

    (void)state;
    listen_in_folder();
    snprintf(path, sizeof(path), "%s", f.path);
    assert_int_equal(open_with(path, NULL, NULL, &e), 0);
    close(f.fd);
    unlink(path);
    assert_int_equal(notify_ready(&f.n, &e), -1);
    assert_non_null(strstr(e.msg, "READY: No such file"));
    assert_false(notify_alive(&f.n));
    listen_at(path);
    assert_int_equal(notify_ready(&f.n, &e), 0);
    assert_string_equal(heard(), "READY=1");
}

static void a_full_queue_holds_up_no_message_that_comes_again(void **state)
{
    struct err e;
    int sent = 0;

    (void)state;
    listen_in_folder();
    assert_int_equal(open_with(f.path, NULL, NULL, &e), 0);
    while (sent < 100000 && notify_alive(&f.n))
        sent++;
    assert_true(sent > 0 && sent < 100000);
    assert_false(notify_status(&f.n, "x"));
    assert_string_equal(heard(), "WATCHDOG=1");
    assert_int_equal(notify_ready(&f.n, &e), 0);
}

static nsec watchdog(const char *usec, const char *pid)
{
    struct err e;
    nsec w;

    assert_int_equal(open_with(f.path, usec, pid, &e), 0);
    w = f.n.watchdog;
    notify_close(&f.n);
    return w;
}

static void the_watchdog_is_that_of_this_process(void **state)
{
    char mine[16];

    (void)state;
    listen_in_folder();
    snprintf(mine, sizeof(mine), "%d", (int)getpid());
    assert_int_equal(watchdog("60000000", NULL), 60 * NSEC_PER_SEC);
    assert_int_equal(watchdog("60000000", mine), 60 * NSEC_PER_SEC);
    assert_int_equal(watchdog("60000000", "1"), 0);
    assert_int_equal(watchdog(NULL, mine), 0);
    assert_int_equal(watchdog("0", mine), 0);
    assert_int_equal(watchdog("-5", mine), 0);
    assert_int_equal(watchdog("soon", mine), 0);
    assert_int_equal(watchdog("99999999999999999999999", mine), 0);
}

static void a_status_is_one_line_and_no_longer_than_a_message(void **state)
{
    char text[2 * NOTIFY_MAX_BYTES];
    struct err e;

    (void)state;
    listen_in_folder();
    assert_int_equal(open_with(f.path, NULL, NULL, &e), 0);
    assert_true(notify_status(&f.n, "one\nREADY=1"));
    assert_string_equal(heard(), "STATUS=one");
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_true(notify_status(&f.n, text));
    assert_int_equal(strlen(heard()), NOTIFY_MAX_BYTES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_messages_arrive, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_in_no_file_system_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_manager_nothing_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_that_is_none_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_manager_that_is_gone_is_an_error_and_found_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_holds_up_no_message_that_comes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(the_watchdog_is_that_of_this_process, setup, teardown),
        cmocka_unit_test_setup_teardown(a_status_is_one_line_and_no_longer_than_a_message, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
