/* Reloads of a running engine, from a file: whatever the file says, behind each reload the engine has those streams, and each delivers where
 * the file says; a mistake changes nothing; and no configuration is kept that nobody uses. */
#include "tests/support/cmocka.h"

#include "config/node.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/engine.h"
#include "pipeline/engine/orders.h"
#include "pipeline/engine/reload.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ftw.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAMS = 6, ROUNDS = 60 };

static char dir[] = "/tmp/reload-test-XXXXXX";
static char path[sizeof(dir) + 16];
static struct settings *started;
static struct engine *engine;
static struct reload *reload;
static struct buf said;
static enum log_level level;
static unsigned begun, ended;

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

#define HEAD "admin: { listen: none }\nshutdown: { grace: 100ms }\napi: { listen: '127.0.0.1:0' }\nstreams:\n"
#define APP  "  app: { destination: { file: { path: ./app } } }\n"

static void on_begin(void *ctx)
{
    (void)ctx;
    begun++;
}

static void at_once(void *ctx, const struct settings *now)
{
    (void)ctx;
    level = now->log_level;
}

static void on_end(void *ctx)
{
    (void)ctx;
    ended++;
}

static int begin(void **state)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct reload_conf conf = {.begins = on_begin, .at_once = at_once, .ends = on_end};
    struct err e;

    (void)state;
    log_set_level(LOG_ERROR);
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/c.yaml", dir);
    write_file(HEAD APP);
    started = settings_load(path, &SETTINGS_ALL, errs);
    assert_non_null(started);
    cfg_errors_free(&errs);
    assert_int_equal(engine_start(&engine, started, false, &e), 0);
    conf.settings = started;
    conf.engine = engine;
    reload = reload_new(&conf);
    buf_init(&said, MIB);
    begun = ended = 0;
    level = LOG_INFO;
    return 0;
}

static int drop_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(name);
}

static int end(void **state)
{
    (void)state;
    engine_stop(&engine);
    reload_free(&reload);
    settings_free(&started);
    buf_release(&said);
    return nftw(dir, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum reload_result load(const char *text)
{
    if (text)
        write_file(text);
    buf_clear(&said);
    return reload_now(reload, "test", false, &said);
}

static void has_said(const char *text)
{
    if (!strstr(buf_cstr(&said), text))
        fail_msg("\"%s\" is not in: %s", text, buf_cstr(&said));
}

/* The streams, sorted, as "app>app b>b ", with the last step of their folders. */
static void look(char *out, size_t size)
{
    struct engine_view v;
    struct stream_status s;
    char *lines[STREAMS + 2];
    size_t n = 0;

    engine_view_take(engine, &v);
    for (size_t i = 0; engine_stream_status(&v, i, clock_wall(), &s); i++) {
        assert_true(n < ARRAY_LEN(lines));
        lines[n++] = mem_printf("%s>%s ", s.name, strrchr(s.destination, '/') + 1);
        stream_status_release(&s);
    }
    engine_view_release(&v);
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t least = i;

        for (size_t k = i; k < n; k++)
            if (strcmp(lines[k], lines[least]) < 0)
                least = k;
        strncat(out, lines[least], size - strlen(out) - 1);
        mem_free(lines[least]);
        lines[least] = lines[i];
    }
}

/* spool.limit */
static uint64_t limit_of(const char *name)
{
    struct engine_view v;
    struct stream_status s;
    uint64_t limit = 0;

    engine_view_take(engine, &v);
    for (size_t i = 0; engine_stream_status(&v, i, clock_wall(), &s); i++) {
        if (strcmp(s.name, name) == 0)
            limit = s.books.limit;
        stream_status_release(&s);
    }
    engine_view_release(&v);
    return limit;
}

static void looks_like(const char *expected)
{
    char have[400];

    look(have, sizeof(have));
    assert_string_equal(have, expected);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void what_differs_takes_effect(void **state)
{
    (void)state;
    looks_like("app>app ");
    assert_int_equal(load(NULL), RELOAD_DONE);
    has_said("0 added, 0 removed, 0 changed, 1 as they were");
    assert_int_equal(load(HEAD APP "  b: { destination: { file: { path: ./b } } }\n"), RELOAD_DONE);
    has_said("stream b: added\n");
    looks_like("app>app b>b ");
    assert_int_equal(load("log: { level: debug }\n" HEAD "  app: { destination: { file: { path: ./c } } }\n"),
                     RELOAD_DONE);
    has_said("stream app: deliveries begin anew (destination)\nstream b: removed\nset at once: log.level\n");
    looks_like("app>c ");
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(begun, 3);
    assert_int_equal(ended, 3);
}

static void what_it_would_do_is_said_and_not_done(void **state)
{
    (void)state;
    write_file(HEAD "  b: { destination: { file: { path: ./b } } }\n");
    assert_int_equal(reload_now(reload, "test", true, &said), RELOAD_DONE);
    has_said("stream b: added\nstream app: removed\n");
    looks_like("app>app ");
    write_file("what: is this\n");
    buf_clear(&said);
    assert_int_equal(reload_now(reload, "test", true, &said), RELOAD_MISTAKES);
    has_said("c.yaml:1:1: ");
    assert_int_equal(begun, 0);
}

static void a_mistake_changes_nothing(void **state)
{
    static const char *const BAD[] = {
        "",
        "streams:",
        HEAD,
        HEAD APP "  b: { destination: { file: { paht: ./b } } }\n",
        HEAD "  b: { destination: { file: { path: ./b } }, transform: { lua: missing.lua } }\n",
        "limits: { memory: 1MiB }\n" HEAD "  b: { destination: { file: { path: ./b } } }\n",
        "data_dir: ./another\n" HEAD APP,
        HEAD "  app: { destination: { file: { path: ./b } }, durability: memory }\n",
        HEAD APP "  b: { destination: { file: { path: /dev/null/b } } }\n",
        HEAD "  app: { destination: { file: { path: ./b } }, inp",
    };
    struct engine_status es;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        enum reload_result r = load(BAD[i]);

        if (r != RELOAD_MISTAKES && r != RELOAD_FAILED)
            fail_msg("%s: %s", BAD[i], buf_cstr(&said));
        has_said("c.yaml");
        has_said("not reloaded: ");
        looks_like("app>app ");
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(load(NULL), RELOAD_MISTAKES);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(load(NULL), RELOAD_MISTAKES);
    assert_int_equal(rmdir(path), 0);
    engine_status(engine, &es);
    assert_int_equal(es.reloads[ENGINE_RELOAD_REFUSED] + es.reloads[ENGINE_RELOAD_FAILED], ARRAY_LEN(BAD) + 2);
    assert_true(es.last_reload_failed);
    assert_int_equal(load(HEAD APP), RELOAD_DONE);
    looks_like("app>app ");
    engine_status(engine, &es);
    assert_false(es.last_reload_failed);
}

/* What a stream needs is there when it is checked, and is not when it is opened: those before it are as they were again. */
static void a_step_that_fails_takes_back_those_before_it(void **state)
{
    struct engine_status es;

    (void)state;
    assert_int_equal(load(HEAD APP
                          "  b: { destination: { file: { path: ./b } } }\n"
                          "  x: { destination: { file: { path: ./x } }, inputs: [{ sns: { listen: '127.0.0.1:0', "
                          "topics: ['arn:aws:sns:us-east-1:123456789012:t'], path: /x } }] }\n"),
                     RELOAD_DONE);
    assert_int_equal(load("limits: { memory: 100MiB }\n" HEAD
                          "  app: { destination: { file: { path: ./app2 } }, spool: { limit: 8MiB } }\n"
                          "  c: { destination: { file: { path: ./c } } }\n"
                          "  y: { destination: { file: { path: ./y } }, inputs: [{ sns: { listen: '192.0.2.1:1', "
                          "topics: ['arn:aws:sns:us-east-1:123456789012:t'], path: /x } }] }\n"),
                     RELOAD_FAILED);
    has_said("192.0.2.1");
    looks_like("app>app b>b x>x ");
    engine_status(engine, &es);
    assert_int_equal(es.memory_limit, 64 * MIB);
    assert_int_equal(limit_of("app"), 1 * GIB);
    assert_int_equal(load("limits: { memory: 100MiB }\n" HEAD
                          "  app: { destination: { file: { path: ./app } }, spool: { limit: 8MiB } }\n"),
                     RELOAD_DONE);
    has_said("0 added, 2 removed, 1 changed, 0 as they were");
    looks_like("app>app ");
    engine_status(engine, &es);
    assert_int_equal(es.memory_limit, 100 * MIB);
    assert_int_equal(limit_of("app"), 8 * MIB);
}

/* Where nobody listens. */
static void find_address(char *out, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    close(fd);
    snprintf(out, size, "127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
}

/* A stream that only one can be of: it has the path /x at that address. */
static void add_single(char *yaml, size_t size, const char *name, const char *listen)
{
    size_t n = strlen(yaml);

    snprintf(yaml + n, size - n,
             "  %s: { destination: { file: { path: ./%s } }, inputs: [{ sns: { listen: '%s', topics: "
             "['arn:aws:sns:us-east-1:123456789012:t'], path: /x } }] }\n",
             name, name, listen);
}

static void what_went_for_another_is_there_again_when_that_fails(void **state)
{
    char listen[32], text[200], before[1000] = HEAD APP, now[1000] = HEAD APP;

    (void)state;
    find_address(listen, sizeof(listen));
    add_single(before, sizeof(before), "x", listen);
    add_single(now, sizeof(now), "y", listen);
    add_single(now, sizeof(now), "z", "192.0.2.1:1");
    assert_int_equal(load(before), RELOAD_DONE);
    assert_int_equal(engine_give_order(engine, "x", ORDER_PAUSE, clock_wall(), text, sizeof(text)), ORDER_DONE);
    assert_int_equal(load(now), RELOAD_FAILED);
    has_said("192.0.2.1");
    if (strstr(buf_cstr(&said), "is not what it was before"))
        fail_msg("%s", buf_cstr(&said));
    looks_like("app>app x>x ");
    assert_int_equal(engine_give_order(engine, "x", ORDER_PAUSE, clock_wall(), text, sizeof(text)), ORDER_DONE);
    assert_string_equal(text, "stream x was paused before");
    assert_int_equal(load(before), RELOAD_DONE);
    has_said("0 added, 0 removed, 0 changed, 2 as they were");
}

#define TWO(second)                                                                                                    \
    HEAD APP "  x: { destinations: [{ file: { path: ./a }, name: a }, { file: { path: ./" second " }, name: " second   \
             " }] }\n"

/* It was closed to be opened with other destinations, and its spool cannot be opened at that moment; also not behind the end of another. */
static void why_a_stream_is_closed_is_said_when_it_is_tried_again(void **state)
{
    char segment[100], away[100];

    (void)state;
    snprintf(segment, sizeof(segment), "%s/sluice-data/streams/x/spool/00000000000000000001.seg", dir);
    snprintf(away, sizeof(away), "%s/sluice-data/away", dir);
    assert_int_equal(load(TWO("b") "  y: { destination: { file: { path: ./y } } }\n"), RELOAD_DONE);
    assert_int_equal(rename(segment, away), 0);
    assert_int_equal(mkdir(segment, 0700), 0);
    assert_int_equal(load(TWO("c")), RELOAD_FAILED);
    has_said("is not a regular file");
    looks_like("app>app y>y ");
    assert_int_equal(rmdir(segment), 0);
    assert_int_equal(rename(away, segment), 0);
    assert_int_equal(load(TWO("c")), RELOAD_DONE);
    looks_like("app>app x:a>a x:c>c ");
}

/* The file says so, and somebody does. */
static void listens_at(const char *name, const char *listen)
{
    const struct stream_settings *delivers, *reads;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(engine_settings_of(engine, name, &delivers, &reads), 0);
    assert_string_equal(cfg_node_get(reads->inputs[0].from.node, "listen")->text, listen);
    at.sin_port = htons((uint16_t)atoi(strchr(listen, ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
}

/* A round of three, and a chain from its end; and back, as one more cannot begin. */
static void addresses_are_exchanged(void **state)
{
    char at[4][32], before[2000] = HEAD APP, now[2000] = HEAD APP, bad[2000] = HEAD APP;
    static const char *const names[] = {"x", "y", "z"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        find_address(at[i], sizeof(at[i]));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        add_single(before, sizeof(before), names[i], at[i]);
        add_single(now, sizeof(now), names[i], at[(i + 1) % 3]);
        add_single(bad, sizeof(bad), names[i], at[(i + 2) % 3]);
    }
    add_single(bad, sizeof(bad), "w", "192.0.2.1:1");
    assert_int_equal(load(before), RELOAD_DONE);
    assert_int_equal(load(now), RELOAD_DONE);
    has_said("0 added, 0 removed, 3 changed, 1 as they were");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        listens_at(names[i], at[(i + 1) % 3]);
    assert_int_equal(load(bad), RELOAD_FAILED);
    if (strstr(buf_cstr(&said), "is not what it was before") || strstr(buf_cstr(&said), "reads nothing"))
        fail_msg("%s", buf_cstr(&said));
    has_said("192.0.2.1");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        listens_at(names[i], at[(i + 1) % 3]);
    strcpy(now, HEAD APP);
    add_single(now, sizeof(now), "v", at[0]);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        add_single(now, sizeof(now), names[i], at[(i + 2) % 3 == 0 ? 3 : (i + 2) % 3]);
    assert_int_equal(load(now), RELOAD_DONE);
    has_said("1 added, 0 removed, 3 changed, 1 as they were");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        listens_at(names[i], at[(i + 2) % 3 == 0 ? 3 : (i + 2) % 3]);
    looks_like("app>app v>v x>x y>y z>z ");
    assert_int_equal(load(now), RELOAD_DONE);
    has_said("0 added, 0 removed, 0 changed, 5 as they were");
}

/* Its folder cannot be opened at that moment. */
static void what_could_not_begin_again_does_with_the_next_reload(void **state)
{
    static const char BEFORE[] = HEAD APP "  x: { destination: { file: { path: ./x } } }\n";
    char now[1000] = HEAD APP, folder[100], away[100];
    FILE *f;

    (void)state;
    add_single(now, sizeof(now), "z", "192.0.2.1:1");
    snprintf(folder, sizeof(folder), "%s/sluice-data/streams/x", dir);
    snprintf(away, sizeof(away), "%s/sluice-data/away", dir);
    assert_int_equal(load(BEFORE), RELOAD_DONE);
    assert_int_equal(rename(folder, away), 0);
    f = fopen(folder, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(load(now), RELOAD_FAILED);
    has_said("stream x: is not what it was before");
    looks_like("app>app ");
    assert_int_equal(load(now), RELOAD_FAILED); /* and again */
    assert_int_equal(unlink(folder), 0);
    assert_int_equal(rename(away, folder), 0);
    assert_int_equal(load(BEFORE), RELOAD_DONE);
    has_said("after the reload that failed");
    looks_like("app>app x>x ");
    assert_int_equal(load(BEFORE), RELOAD_DONE);
    has_said("0 added, 0 removed, 0 changed, 2 as they were");
}

/* With other destinations it would be opened anew, and its folder is refused at that moment: as it is to be, and as it was. */
static void what_could_not_be_opened_anew_begins_with_the_file_of_before(void **state)
{
    static const char BEFORE[] = HEAD APP "  x: { destination: { file: { path: ./x } } }\n";
    static const char NOW[] =
        HEAD APP "  x: { destinations: [{ file: { path: ./x } }, { name: y, file: { path: ./y } }] }\n";
    char link[100];

    (void)state;
    snprintf(link, sizeof(link), "%s/sluice-data/streams/x/spool/damaged", dir);
    assert_int_equal(load(BEFORE), RELOAD_DONE);
    assert_int_equal(symlink("/", link), 0);
    assert_int_equal(load(NOW), RELOAD_FAILED);
    looks_like("app>app ");
    assert_int_equal(unlink(link), 0);
    assert_int_equal(load(BEFORE), RELOAD_DONE);
    has_said("after the reload that failed");
    looks_like("app>app x>x ");
    assert_int_equal(load(NOW), RELOAD_DONE);
    looks_like("app>app x:file>x x:y>y ");
    assert_int_equal(load(BEFORE), RELOAD_DONE);
    assert_int_equal(load(BEFORE), RELOAD_DONE);
    has_said("0 added, 0 removed, 0 changed, 2 as they were");
}

static unsigned draw(unsigned *seed, unsigned below)
{
    return (unsigned)rand_r(seed) % below;
}

/* A configuration, and what the engine looks like with it. */
static void make(unsigned *seed, char *yaml, size_t yaml_size, char *look_is, size_t look_size)
{
    size_t n = (size_t)snprintf(yaml, yaml_size, "%s", HEAD), m = 0;

    look_is[0] = '\0';
    for (unsigned i = 0; i < STREAMS; i++) {
        unsigned to = draw(seed, 3);

        if (i > 0 && draw(seed, 3) == 0)
            continue;
        n += (size_t)snprintf(
            yaml + n, yaml_size - n,
            "  s%u: { destination: { file: { path: ./d%u-%u } }, buffer: { size: %uKiB }, inputs: [%s] }\n", i, i, to,
            1 + draw(seed, 4),
            draw(seed, 2)   ? "api"
            : draw(seed, 2) ? "{ tail: { paths: [./in] } }"
                            : "api, { tail: { paths: [./in] } }");
        m += (size_t)snprintf(look_is + m, look_size - m, "s%u>d%u-%u ", i, i, to);
    }
}

static void any_configuration_follows_any_other(void **state)
{
    unsigned seed = 7;
    char yaml[4000], expected[400] = "app>app ";
    size_t held = 0;

    (void)state;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char next[400];

        make(&seed, yaml, sizeof(yaml), next, sizeof(next));
        if (draw(&seed, 4) == 0) {
            yaml[strlen(yaml) - 5] = '\0'; /* half written */
            assert_int_equal(load(yaml), RELOAD_MISTAKES);
        } else {
            if (load(yaml) != RELOAD_DONE)
                fail_msg("%s\n%s", yaml, buf_cstr(&said));
            memcpy(expected, next, sizeof(expected));
        }
        looks_like(expected);
        if (i == ROUNDS / 3)
            held = mallinfo2().uordblks;
    }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(mallinfo2().uordblks < held + MIB);
#endif
    (void)held;
}

static void *reload_often(void *arg)
{
    atomic_uint *busy = arg;
    struct buf out;

    buf_init(&out, MIB);
    for (unsigned i = 0; i < 50; i++) {
        enum reload_result r = reload_now(reload, "a thread", i % 3 == 0, &out);

        assert(r != RELOAD_FAILED); /* a file that is half written has mistakes */
        if (r == RELOAD_BUSY)
            atomic_fetch_add(busy, 1);
        buf_clear(&out);
    }
    buf_release(&out);
    return NULL;
}

static void one_at_a_time_and_none_when_it_stops(void **state)
{
    atomic_uint busy = 0;
    pthread_t threads[3];
    unsigned done = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reload_often, &busy), 0);
    while (done < 20) {
        enum reload_result r = load(done % 2 ? HEAD APP : HEAD "  b: { destination: { file: { path: ./b } } }\n");

        assert_true(r == RELOAD_DONE || r == RELOAD_BUSY || r == RELOAD_MISTAKES);
        done += r == RELOAD_DONE;
    }
    (void)engine_drain(engine, 0, -1); /* in the middle of whatever they do */
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(load(HEAD "  c: { destination: { file: { path: ./c } } }\n"), RELOAD_STOPPED);
    has_said("the next start reads the file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_differs_takes_effect, begin, end),
        cmocka_unit_test_setup_teardown(what_it_would_do_is_said_and_not_done, begin, end),
        cmocka_unit_test_setup_teardown(a_mistake_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(a_step_that_fails_takes_back_those_before_it, begin, end),
        cmocka_unit_test_setup_teardown(why_a_stream_is_closed_is_said_when_it_is_tried_again, begin, end),
        cmocka_unit_test_setup_teardown(what_went_for_another_is_there_again_when_that_fails, begin, end),
        cmocka_unit_test_setup_teardown(addresses_are_exchanged, begin, end),
        cmocka_unit_test_setup_teardown(what_could_not_begin_again_does_with_the_next_reload, begin, end),
        cmocka_unit_test_setup_teardown(what_could_not_be_opened_anew_begins_with_the_file_of_before, begin, end),
        cmocka_unit_test_setup_teardown(any_configuration_follows_any_other, begin, end),
        cmocka_unit_test_setup_teardown(one_at_a_time_and_none_when_it_stops, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
