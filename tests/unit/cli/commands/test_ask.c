/* To whom a command shows the token that the daemon keeps in data_dir: to whoever answers on this machine, and not to anybody whose address was
 * named. The server here answers 401 to everything, and notes what it is shown. */
#include "tests/support/cmocka.h"

#include "pipeline/cli/commands/ask.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OURS    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define WRITTEN "of the file: 16 or more"

static char dir[] = "/tmp/sluice-ask-XXXXXX", file[64];
static struct settings settings;
static int door;
static unsigned port;
static pthread_t server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char heard[16384]; /* guarded by lock */

static void turn_away(int fd)
{
    static const char NO[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char text[4096] = "";
    size_t n = 0;
    ssize_t got;

    while (!strstr(text, "\r\n\r\n") && (got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
        text[n += (size_t)got] = '\0';
    pthread_mutex_lock(&lock);
    strncat(heard, text, sizeof(heard) - strlen(heard) - 1);
    pthread_mutex_unlock(&lock);
    (void)!write(fd, NO, sizeof(NO) - 1);
    close(fd);
}

static void *serve(void *arg)
{
    int fd;

    (void)arg;
    while ((fd = accept(door, NULL, NULL)) >= 0)
        turn_away(fd);
    return NULL;
}

static int setup(void **state)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t n = sizeof(any);
    FILE *f;

    (void)state;
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    snprintf(file, sizeof(file), "%s/admin.token", mkdtemp(dir));
    f = fopen(file, "w");
    assert_non_null(f);
    assert_true(fputs(OURS "\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    settings = (struct settings){.path = dir, .base_dir = dir, .data_dir = dir};
    door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(door, (struct sockaddr *)&any, sizeof(any)) | listen(door, 8), 0);
    assert_int_equal(getsockname(door, (struct sockaddr *)&any, &n), 0);
    port = ntohs(any.sin_port);
    return pthread_create(&server, NULL, serve, NULL);
}

static int teardown(void **state)
{
    (void)state;
    shutdown(door, SHUT_RDWR);
    pthread_join(server, NULL);
    close(door);
    unlink(file);
    return rmdir(dir);
}

/* By --url; a page, or an action. What was shown is in `heard`. */
static int ask(const char *host, bool page, struct err *e)
{
    const char *path = page ? CLI_STATUS_PATH : "/api/streams/app/pause";
    long status = 0;
    struct buf reply;
    char url[128];
    int rc;

    pthread_mutex_lock(&lock);
    heard[0] = '\0';
    pthread_mutex_unlock(&lock);
    buf_init(&reply, 4096);
    snprintf(url, sizeof(url), "http://%s:%u", host, port);
    rc = page ? cli_ask_page(&(struct ask_whom){&settings, url}, path, 0, &status, &reply, e)
              : cli_ask(&(struct ask_whom){&settings, url}, path, &status, &reply, e);
    buf_release(&reply);
    if (rc == 0)
        assert_int_equal(status, 401);
    return rc;
}

static bool has_heard(const char *what)
{
    bool has;

    pthread_mutex_lock(&lock);
    has = strstr(heard, what) != NULL;
    pthread_mutex_unlock(&lock);
    return has;
}

static void who_is_on_this_machine_is_shown_our_token(void **state)
{
    struct err e;

    (void)state;
    for (int page = 0; page <= 1; page++) {
        assert_int_equal(ask("127.0.0.1", page, &e), 0);
        assert_true(has_heard("Authorization: Bearer " OURS "\r\n"));
    }
}

/* 0.0.0.0 stands for any other address: it is reached, and is no loopback address. */
static void who_was_named_is_shown_what_the_file_says_alone(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(ask("0.0.0.0", true, &e), 0);
    assert_true(has_heard("GET /api/status.txt") && !has_heard("Authorization"));
    assert_int_equal(ask("0.0.0.0", false, &e), -1);
    assert_true(!has_heard("POST") && strstr(e.msg, "not shown the token in data_dir"));
    settings.admin_token = (char *)(uintptr_t)WRITTEN;
    for (int page = 0; page <= 1; page++) {
        assert_int_equal(ask("0.0.0.0", page, &e), 0);
        assert_true(has_heard("Authorization: Bearer " WRITTEN "\r\n") && !has_heard(OURS));
    }
    settings.admin_token = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_on_this_machine_is_shown_our_token),
        cmocka_unit_test(who_was_named_is_shown_what_the_file_says_alone),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
