/* Single streams come and go while the engine runs: each safe record arrives once, whatever happens in between, and nothing is left of a
 * stream that is gone. */
#include "tests/unit/engine/engine_rig.h"

#include "pipeline/engine/impl.h"
#include "pipeline/engine/orders.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct rig rig;
static struct lane a, b;

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    lane_init(&a, "a");
    lane_init(&b, "b");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

static void put(struct lane *l, unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(source_put(&l->source, from + i));
}

/* --------------------------------------------------------------------------------------------------------------- */

static void another_limit_of_memory_is_shared_anew(void **state)
{
    struct input_ahead ahead;
    struct engine_status es;

    (void)state;
    rig_open(&rig, &a);
    engine_set_memory(rig.engine, 200 * MIB);
    engine_status(rig.engine, &es);
    assert_int_equal(es.memory_limit, 200 * MIB);
    assert_int_equal(rig.engine->intake.limit + rig.engine->outgo.limit, 200 * MIB);
    ahead = engine_share_ahead(rig.engine, NULL, &a.conf); /* of inputs that come now */
    assert_int_equal(ahead.most, 200 * MIB / READ_AHEAD_SHARE);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
}

static void a_stream_comes_and_goes_while_others_deliver(void **state)
{
    struct stream_status s;

    (void)state;
    rig_open(&rig, &a);
    rig_open(&rig, &b);
    put(&a, 1, 500);
    put(&b, 1, 500);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    assert_false(source_put(&a.source, 501));
    lane_check(&a); /* with the batch that was open */
    assert_true(rig_status(&rig, "a", &s));
    assert_int_equal(s.books.delivered, 500);
    rig_remove(&rig, "a");
    assert_false(rig_status(&rig, "a", &s));
    assert_int_equal(a.peer->opened, a.peer->closed);
    put(&b, 501, 500);
    assert_int_equal(rig_drain(&rig, "b", LONG_ENOUGH), 0);
    lane_check(&b);
    assert_int_equal(rig_orphaned(&rig, "a"), 0);
}

static void what_cannot_be_delivered_stays_and_is_named_until_the_name_is_back(void **state)
{
    struct stream_status s;

    (void)state;
    peer_is(a.peer, REFUSES);
    rig_open(&rig, &a);
    put(&a, 1, 100);
    assert_int_equal(rig_drain(&rig, "a", 50 * NSEC_PER_MSEC), 100);
    assert_true(rig_status(&rig, "a", &s)); /* and is tried again meanwhile */
    assert_int_equal(rig_drain(&rig, "a", NSEC_PER_MSEC), 100);
    rig_remove(&rig, "a");
    assert_int_equal(rig_orphaned(&rig, "a"), 100);
    peer_is(a.peer, TAKES);
    rig_open(&rig, &a);
    assert_int_equal(rig_orphaned(&rig, "a"), 0);
    put(&a, 101, 100);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    lane_check(&a);
}

static void a_stream_that_was_never_drained_keeps_what_it_has(void **state)
{
    (void)state;
    rig_open(&rig, &a);
    put(&a, 1, 3); /* fewer than a batch */
    source_wait_safe(&a.source);
    rig_remove(&rig, "a");
    assert_int_equal(rig_orphaned(&rig, "a"), 3);
    rig_open(&rig, &a);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    lane_check(&a);
}

static void a_send_that_hangs_keeps_the_stream_until_it_ends(void **state)
{
    struct stream_status s;
    struct err e;

    (void)state;
    peer_is(a.peer, HANGS);
    rig_open(&rig, &a);
    put(&a, 1, 100);
    peer_wait_sends(a.peer, 1);
    assert_int_equal(engine_remove_stream(rig.engine, "a", NSEC_PER_MSEC, &e), -1);
    assert_non_null(strstr(e.msg, "does not end"));
    assert_true(rig_status(&rig, "a", &s));
    assert_int_equal(engine_open_stream(rig.engine, &a.conf, &e), -1);
    assert_non_null(strstr(e.msg, "already"));
    rig_open(&rig, &b); /* others are not held up */
    put(&b, 1, 100);
    assert_int_equal(rig_drain(&rig, "b", LONG_ENOUGH), 0);
    peer_is(a.peer, TAKES);
    rig_remove(&rig, "a");
    rig_open(&rig, &a); /* what has arrived at last is settled, the rest is delivered now */
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    lane_check(&a);
    lane_check(&b);
}

/* A hanging send of a stream that somebody wanted to remove is no delivery that the end waits for. */
static void *let_it_go(void *arg)
{
    struct lane *l = arg;
    struct stream_status s;

    while (rig_status(&rig, "b", &s)) /* until b is gone: the end has not waited for a so far */
        usleep(1000);
    peer_is(l->peer, TAKES);
    return NULL;
}

static void the_program_ends_while_a_stream_gives_up(void **state)
{
    pthread_t later;
    struct err e;

    (void)state;
    peer_is(a.peer, HANGS);
    rig_open(&rig, &a);
    rig_open(&rig, &b);
    put(&a, 1, 100);
    peer_wait_sends(a.peer, 1);
    assert_int_equal(engine_remove_stream(rig.engine, "a", NSEC_PER_MSEC, &e), -1);
    assert_int_equal(pthread_create(&later, NULL, let_it_go, &a), 0);
    rig_remove(&rig, "b");
    pthread_join(later, NULL);
    rig_stop(&rig);
    rig_start(&rig);
    rig_open(&rig, &a);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    lane_check_at_most(&a, 2); /* what arrived just as the program ended is sent again, under the same name */
}

/* Not just while its inputs are to be replaced. */
static void *remove_until_the_end(void *arg)
{
    struct err e = {.code = ERR_NONE};

    do
        assert(engine_remove_stream(rig.engine, "a", LONG_ENOUGH, &e) < 0);
    while (strstr(e.msg, "just being"));
    peer_is(((struct lane *)arg)->peer, TAKES);
    return e.code == ERR_CANCELLED ? arg : NULL;
}

/* It is not the destination's fault then. */
static void the_end_of_the_program_is_why_a_stream_is_not_removed(void **state)
{
    struct stream_settings never = a.conf; /* it is refused in any case */
    struct err e = {.msg = ""};
    pthread_t remover;
    void *cancelled;

    (void)state;
    never.at_source = true;
    peer_is(a.peer, HANGS);
    rig_open(&rig, &a);
    put(&a, 1, 100);
    peer_wait_sends(a.peer, 1);
    assert_int_equal(pthread_create(&remover, NULL, remove_until_the_end, &a), 0);
    while (!strstr(e.msg, "just being removed")) {
        assert_int_equal(engine_replace_inputs(rig.engine, &never, &e), -1);
        usleep(1000);
    }
    rig_stop(&rig);
    pthread_join(remover, &cancelled);
    assert_non_null(cancelled);
    rig_start(&rig);
    rig_open(&rig, &a);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    lane_check_at_most(&a, 2);
}

static void memory_is_not_forgotten(void **state)
{
    struct err e;

    (void)state;
    a.conf.memory = true;
    peer_is(a.peer, REFUSES);
    rig_open(&rig, &a);
    put(&a, 1, 10);
    assert_int_equal(engine_remove_stream(rig.engine, "a", NSEC_PER_MSEC, &e), -1);
    assert_non_null(strstr(e.msg, "would be lost"));
    peer_is(a.peer, TAKES);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    rig_remove(&rig, "a");
    lane_check(&a);
}

/* As it stands in a file, but with the source of the test. */
static struct settings *parse(const char *yaml, struct lane *l)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s = settings_parse("more.yaml", rig.dir, yaml, strlen(yaml), &SETTINGS_ALL, errs);
    struct buf said;

    buf_init(&said, MIB);
    cfg_errors_print(errs, &said);
    if (!s)
        fail_msg("%s", buf_cstr(&said));
    buf_release(&said);
    cfg_errors_free(&errs);
    l->conf = s->streams[0];
    l->conf.inputs = &l->inputs[1];
    l->conf.input_count = 1;
    return s;
}

/* What workers have made of its script goes with it: a script that comes later, perhaps to the same place in memory, is another one. */
static void scripts_go_with_their_stream(void **state)
{
    char script[128];

    (void)state;
    snprintf(script, sizeof(script), "%s/s.lua", rig.dir);
    for (unsigned i = 0; i < 20; i++) {
        struct settings *s;
        struct stream_status st;
        FILE *f = fopen(script, "w");

        fprintf(f, "function transform(r)\n if %u == %u then return r end\nend\n", i % 2, 1u);
        fclose(f);
        s = parse("data_dir: ./data\nadmin: { listen: none }\nstreams:\n  a:\n    transform: { lua: s.lua }\n"
                  "    destination: { file: { path: ./a } }\n",
                  &a);
        rig_open(&rig, &a);
        put(&a, 1, 50);
        assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
        assert_true(rig_status(&rig, "a", &st));
        assert_int_equal(st.books.dropped, 50 * ((i + 2) / 2));
        assert_int_equal(st.books.delivered, 50 * ((i + 1) / 2));
        rig_remove(&rig, "a");
        settings_free(&s);
    }
}

/* A server that never answers. What is under way to it is cancelled. */
static void requests_under_way_are_cancelled(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t n = sizeof(at);
    char yaml[512];

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    snprintf(yaml, sizeof(yaml),
             "data_dir: ./data\nadmin: { listen: none }\nstreams:\n  a:\n    destination: { http: { url: "
             "'http://127.0.0.1:%u/', format: lines } }\n    buffer: { interval: 0s }\n",
             ntohs(at.sin_port));
    for (unsigned i = 0; i < 5; i++) {
        struct settings *s = parse(yaml, &a);
        struct stream_status st;
        int client;

        rig_open(&rig, &a);
        put(&a, 1, 5);
        client = accept(fd, NULL, NULL); /* a request is on its way */
        assert_true(client >= 0);
        rig_remove(&rig, "a");
        close(client);
        assert_false(rig_status(&rig, "a", &st));
        assert_int_equal(rig_orphaned(&rig, "a"), 5 * (i + 1));
        settings_free(&s);
    }
    close(fd);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void replace(struct lane *l, const struct stream_settings *by)
{
    struct err e = {.msg = ""};

    (void)l;
    if (engine_replace_sinks(rig.engine, by, &e) < 0)
        fail_msg("%s", e.msg);
}

static unsigned arrived(const struct peer *p)
{
    unsigned n = 0;

    for (unsigned i = 0; i < RECORDS_MAX; i++)
        n += p->arrived[i];
    return n;
}

static void what_is_sealed_goes_where_it_was_to_go_and_the_rest_to_the_new_place(void **state)
{
    struct stream_status s;
    uint64_t left;

    (void)state;
    peer_is(a.peer, REFUSES);
    rig_open(&rig, &a);
    put(&a, 1, 200);
    peer_wait_sends(a.peer, 1);
    replace(&a, &a.next_conf);
    assert_true(engine_uses(rig.engine, &a.conf)); /* the inputs do, and what was sealed */
    assert_true(engine_uses(rig.engine, &a.next_conf));
    put(&a, 201, 200);
    left = rig_drain(&rig, "a", 200 * NSEC_PER_MSEC);
    assert_in_range(left, 1, 399); /* the old place still refuses, and holds up nobody */
    assert_int_equal(arrived(a.peer), 0);
    assert_true(rig_status(&rig, "a", &s));
    assert_int_equal(s.books.delivered + s.books.spooled, 400);
    assert_true(s.failing_since > 0);
    assert_int_equal(a.peer->closed, 0);
    peer_is(a.peer, TAKES);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    assert_true(arrived(a.peer) > 0 && arrived(a.next_peer) > 0);
    lane_check(&a);
    assert_true(rig_status(&rig, "a", &s)); /* when it has settled the last, it is closed */
    assert_int_equal(s.failing_since, 0);
    assert_int_equal(a.peer->closed, 1);
    rig_remove(&rig, "a");
    assert_int_equal(a.next_peer->opened, a.next_peer->closed);
    assert_false(engine_uses(rig.engine, &a.conf));
    assert_false(engine_uses(rig.engine, &a.next_conf));
}

static bool used_when_closed;

static void look_whether_used(void *ctx)
{
    used_when_closed = engine_uses(rig.engine, ctx);
}

static void settings_are_used_until_all_is_closed_that_was_opened_with_them(void **state)
{
    (void)state;
    rig_open(&rig, &a);
    replace(&a, &a.next_conf);
    a.next_peer->closes = look_whether_used;
    a.next_peer->ctx = &a.next_conf;
    put(&a, 1, 100);
    replace(&a, &a.conf);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    assert_int_equal(a.next_peer->closed, 1);
    assert_true(used_when_closed);
    assert_false(engine_uses(rig.engine, &a.next_conf));
    lane_check(&a);
}

static void a_place_that_cannot_be_opened_changes_nothing(void **state)
{
    struct err e;

    (void)state;
    rig_open(&rig, &a);
    a.next_peer->opens_not = true;
    assert_int_equal(engine_replace_sinks(rig.engine, &a.next_conf, &e), -1);
    assert_non_null(strstr(e.msg, "the peer does not open"));
    assert_false(engine_uses(rig.engine, &a.next_conf));
    assert_int_equal(engine_replace_sinks(rig.engine, &b.conf, &e), -1);
    assert_string_equal(e.msg, "there is no stream `b`");
    put(&a, 1, 100);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    assert_int_equal(arrived(a.peer), 100);
    lane_check(&a);
}

/* What was begun is taken up after a restart by what is configured then. */
static void old_seals_meet_the_new_place_after_a_restart(void **state)
{
    (void)state;
    peer_is(a.peer, REFUSES);
    rig_open(&rig, &a);
    put(&a, 1, 200);
    peer_wait_sends(a.peer, 1);
    replace(&a, &a.next_conf);
    rig_remove(&rig, "a");
    a.next_conf.inputs = a.conf.inputs;
    a.conf = a.next_conf;
    rig_open(&rig, &a);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    assert_int_equal(arrived(a.peer), 0);
    lane_check(&a);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void replace_inputs(const struct stream_settings *by)
{
    struct err e = {.msg = ""};

    if (engine_replace_inputs(rig.engine, by, &e) < 0)
        fail_msg("%s", e.msg);
}

static void a_stream_reads_something_else_and_delivers_all_of_it(void **state)
{
    struct stream_status s;
    struct err e;

    (void)state;
    rig_open(&rig, &a);
    put(&a, 1, 150);
    replace_inputs(&a.next_reads);
    assert_false(source_put(&a.source, 151));
    assert_null(a.source.env);
    assert_true(source_put(&a.next_source, 151));
    assert_true(engine_uses(rig.engine, &a.next_reads));
    replace(&a, &a.next_conf); /* beside it */
    assert_true(source_put(&a.next_source, 152));
    replace_inputs(&a.conf);
    assert_false(engine_uses(rig.engine, &a.next_reads));
    assert_true(rig_status(&rig, "a", &s));
    assert_string_equal(s.inputs, "source");
    put(&a, 153, 1);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    lane_check(&a);
    assert_int_equal(engine_replace_inputs(rig.engine, &a.next_reads, &e), -1);
    assert_non_null(strstr(e.msg, "is drained"));
    assert_int_equal(engine_replace_inputs(rig.engine, &b.conf, &e), -1);
    assert_string_equal(e.msg, "there is no stream `b`");
}

static void inputs_that_cannot_begin_leave_the_old_ones(void **state)
{
    struct err e;

    (void)state;
    rig_open(&rig, &a);
    a.next_source.opens_not = true;
    assert_int_equal(engine_replace_inputs(rig.engine, &a.next_reads, &e), -1);
    assert_non_null(strstr(e.msg, "the source does not open"));
    put(&a, 1, 10);
    a.next_source.opens_not = false;
    a.next_source.starts_not = true;
    assert_int_equal(engine_replace_inputs(rig.engine, &a.next_reads, &e), -1);
    assert_non_null(strstr(e.msg, "the source does not start"));
    assert_false(engine_uses(rig.engine, &a.next_reads));
    put(&a, 11, 10);
    a.source.opens_not = true; /* neither */
    assert_int_equal(engine_replace_inputs(rig.engine, &a.next_reads, &e), -1);
    assert_non_null(strstr(e.msg, "reads nothing any more"));
    assert_false(source_put(&a.source, 21));
    a.next_source.starts_not = false;
    replace_inputs(&a.next_reads);
    assert_true(source_put(&a.next_source, 21));
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    lane_check(&a);
}

static void append_numbers(const char *name, unsigned from, unsigned count)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", rig.dir, name);
    f = fopen(path, "a");
    assert_non_null(f);
    for (unsigned i = 0; i < count; i++)
        fprintf(f, "%u\n", from + i);
    assert_int_equal(fclose(f), 0);
}

static void wait_incoming(uint64_t records)
{
    struct stream_status s;

    do
        usleep(1000);
    while (rig_status(&rig, "a", &s) && s.books.incoming < records);
    assert_int_equal(s.books.incoming, records);
}

/* A file that both read goes on where it was, and so does one that comes back; one that was added begins. */
static void files_go_on_where_they_were(void **state)
{
    static const char FIRST[] = "data_dir: ./data\nadmin: { listen: none }\nstreams:\n  a:\n"
                                "    inputs: [{ tail: { paths: [one.log, two.log], start: beginning } }]\n"
                                "    destination: { file: { path: ./a } }\n",
                      NEXT[] = "data_dir: ./data\nadmin: { listen: none }\nstreams:\n  a:\n"
                               "    inputs: [{ tail: { paths: [three.log, one.log], start: beginning } }]\n"
                               "    destination: { file: { path: ./a } }\n";
    struct settings *first, *again, *next;
    struct lane parsed = {0};

    (void)state;
    append_numbers("one.log", 1, 100);
    append_numbers("two.log", 101, 100);
    append_numbers("three.log", 201, 100);
    first = parse(FIRST, &parsed);
    next = parse(NEXT, &parsed);
    again = parse(FIRST, &parsed);
    assert_true(settings_same_inputs(&first->streams[0], &again->streams[0]));
    settings_free(&again);
    assert_false(settings_same_inputs(&first->streams[0], &next->streams[0]));
    a.conf.inputs = first->streams[0].inputs;
    a.next_reads.inputs = next->streams[0].inputs;
    rig_open(&rig, &a);
    wait_incoming(200);
    for (unsigned i = 0; i < 6; i++) {
        replace_inputs(i % 2 ? &a.conf : &a.next_reads);
        append_numbers("one.log", 301 + 10 * i, 10);
        wait_incoming(300 + 10 * i + 10);
    }
    append_numbers("two.log", 361, 1);
    wait_incoming(361);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    for (unsigned i = 1; i <= 361; i++)
        assert_int_equal(a.peer->arrived[i], 1);
    rig_remove(&rig, "a");
    settings_free(&first);
    settings_free(&next);
}

static void what_there_is_is_divided_anew(void **state)
{
    struct engine *en = rig.engine;
    size_t tail = en->descriptors.limit, limit = en->needs.limit, with_a;
    struct descriptor_needs before = en->needs;
    struct err e;

    (void)state;
    rig_open(&rig, &a);
    with_a = en->descriptors.limit;
    assert_true(with_a < tail || limit == SIZE_MAX);
    a.next_conf.in_flight = 4;
    replace(&a, &a.next_conf);
    assert_true(en->descriptors.limit < with_a || limit == SIZE_MAX);
    a.next_reads.input_count = 0;
    replace_inputs(&a.next_reads);
    assert_int_equal(en->needs.inputs, before.inputs);
    en->needs.limit = descriptors_least(&en->needs);
    assert_int_equal(engine_replace_inputs(en, &a.conf, &e), -1);
    assert_non_null(strstr(e.msg, "open files are needed"));
    assert_int_equal(engine_open_stream(en, &b.conf, &e), -1);
    assert_non_null(strstr(e.msg, "open files are needed"));
    en->needs.limit = limit;
    rig_remove(&rig, "a");
    assert_memory_equal(&en->needs, &before, sizeof(before));
    assert_int_equal(en->descriptors.limit, tail);
}

static void hundreds_of_generations_leave_nothing_behind(void **state)
{
    struct stream_status s;
    size_t fds = 0;

    (void)state;
    rig_open(&rig, &a);
    for (unsigned i = 0; i < 300; i++) {
        peer_is(a.peer, i % 5 == 1 ? REFUSES : TAKES);
        put(&a, 1 + 10 * i, 10);
        replace(&a, i % 2 ? &a.conf : &a.next_conf);
        fds = i == 10 ? entries_of("/proc/self/fd") : fds;
    }
    peer_is(a.peer, TAKES);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    assert_true(rig_status(&rig, "a", &s));
    assert_int_equal(s.books.delivered, 3000);
    lane_check(&a);
    assert_int_equal(a.peer->opened + a.next_peer->opened, a.peer->closed + a.next_peer->closed + 1);
    assert_in_range(entries_of("/proc/self/fd"), 0, fds + 1);
    rig_remove(&rig, "a");
    assert_int_equal(a.peer->opened + a.next_peer->opened, a.peer->closed + a.next_peer->closed);
}

static void the_last_stream_may_go_and_another_come(void **state)
{
    struct engine_view v;

    (void)state;
    assert_int_equal(rig_drain(&rig, "first", LONG_ENOUGH), 0);
    rig_remove(&rig, "first");
    engine_view_take(rig.engine, &v);
    assert_int_equal(v.count, 0);
    engine_view_release(&v);
    rig_open(&rig, &a);
    put(&a, 1, 10);
    rig_stop(&rig);
    lane_check(&a);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void expect_not_opened(struct lane *l, const char *why)
{
    size_t fds = entries_of("/proc/self/fd");
    struct stream_status s;
    struct err e;

    if (engine_open_stream(rig.engine, &l->conf, &e) == 0)
        fail_msg("it opened, where it says: %s", why);
    if (!strstr(e.msg, why))
        fail_msg("wanted: %s; said: %s", why, e.msg);
    assert_false(rig_status(&rig, l->name, &s));
    assert_int_equal(entries_of("/proc/self/fd"), fds);
    assert_int_equal(l->peer->opened, l->peer->closed);
    assert_null(l->source.env);
}

static void what_cannot_be_opened_leaves_nothing_behind(void **state)
{
    struct rlimit before, few;
    char path[128];

    (void)state;
    rig_open(&rig, &b);
    a.peer->opens_not = true;
    expect_not_opened(&a, "the peer does not open");
    a.peer->opens_not = false;
    a.source.opens_not = true;
    expect_not_opened(&a, "the source does not open");
    a.source.opens_not = false;
    a.source.starts_not = true;
    expect_not_opened(&a, "the source does not start");
    a.source.starts_not = false;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 0; /* those that are there stay */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    {
        struct err e;

        assert_int_equal(engine_open_stream(rig.engine, &a.conf, &e), -1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_non_null(strstr(e.msg, "open files"));
    }
    snprintf(path, sizeof(path), "%s/data/streams/bad", rig.dir);
    assert_int_equal(fclose(fopen(path, "w")), 0); /* a file where its folder should be */
    snprintf(a.name, sizeof(a.name), "bad");
    expect_not_opened(&a, "bad");
    snprintf(a.name, sizeof(a.name), "a");
    rig_open(&rig, &a);
    put(&a, 1, 100);
    put(&b, 1, 100);
    rig_stop(&rig);
    lane_check(&a);
    lane_check(&b);
}

static void wrong_calls_are_refused_in_words(void **state)
{
    struct err e;
    uint64_t left;

    (void)state;
    assert_int_equal(engine_drain_stream(rig.engine, "nobody", 0, &left, &e), -1);
    assert_string_equal(e.msg, "there is no stream `nobody`");
    assert_int_equal(engine_remove_stream(rig.engine, "nobody", 0, &e), -1);
    assert_string_equal(e.msg, "there is no stream `nobody`");
    (void)engine_drain(rig.engine, LONG_ENOUGH, -1);
    assert_int_equal(engine_open_stream(rig.engine, &a.conf, &e), -1);
    assert_string_equal(e.msg, "sluice is stopping");
    assert_int_equal(engine_drain_stream(rig.engine, "first", 0, &left, &e), -1);
    assert_int_equal(engine_remove_stream(rig.engine, "first", 0, &e), -1);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void *drain_for_ever(void *arg)
{
    uint64_t *left = arg;
    struct err e;

    assert(engine_drain_stream(rig.engine, "a", 24 * 3600 * NSEC_PER_SEC, left, &e) == 0);
    return NULL;
}

static void the_program_ends_in_the_middle_of_a_drain(void **state)
{
    struct stream_status s;
    uint64_t left = 0;
    pthread_t thread;
    struct err e;

    (void)state;
    peer_is(a.peer, REFUSES);
    rig_open(&rig, &a);
    put(&a, 1, 100);
    assert_int_equal(pthread_create(&thread, NULL, drain_for_ever, &left), 0);
    while (source_put(&a.source, 200)) /* it has not begun */
        usleep(1000);
    assert_int_equal(engine_remove_stream(rig.engine, "a", 0, &e), -1);
    assert_non_null(strstr(e.msg, "just being drained"));
    assert_true(rig_status(&rig, "a", &s));
    assert_in_range(engine_drain(rig.engine, NSEC_PER_MSEC, -1), 100, 100 + RECORDS_MAX);
    pthread_join(thread, NULL);
    assert_in_range(left, 100, 100 + RECORDS_MAX);
    engine_stop(&rig.engine);
}

/* --------------------------------------------------------------------------------------------------------------- */

static uint64_t memory_used(void)
{
    struct engine_status s;

    engine_status(rig.engine, &s);
    return s.memory_used;
}

static void a_thousand_lives_leave_nothing_behind(void **state)
{
    size_t fds = 0, threads = 0;

    (void)state;
    b.conf.memory = true; /* quick */
    for (unsigned i = 0; i < 1000; i++) {
        struct lane *l = i % 4 == 0 ? &a : &b;

        rig_open(&rig, l);
        put(l, 1 + 10 * i, 10);
        if (i % 3 != 0 || l == &b)
            assert_int_equal(rig_drain(&rig, l->name, LONG_ENOUGH), 0);
        rig_remove(&rig, l->name);
        if (i == 10) {
            fds = entries_of("/proc/self/fd");
            threads = entries_of("/proc/self/task");
        }
    }
    rig_open(&rig, &a);
    assert_int_equal(rig_drain(&rig, "a", LONG_ENOUGH), 0);
    rig_remove(&rig, "a");
    assert_in_range(entries_of("/proc/self/fd"), 0, fds);
    assert_in_range(entries_of("/proc/self/task"), 0, threads + 4); /* senders come and go */
    assert_int_equal(memory_used(), 0);
    assert_int_equal(a.peer->opened, a.peer->closed);
    assert_int_equal(b.peer->opened, b.peer->closed);
    lane_check(&a);
    lane_check(&b);
}

/* --------------------------------------------------------------------------------------------------------------- */

enum { LANES = 4 };

struct model {
    struct lane lanes[LANES];
    bool open[LANES], drained[LANES], second[LANES]; /* ...: it reads its other source */
    unsigned next[LANES];
    unsigned seed;
};

static unsigned choose(struct model *m, unsigned n)
{
    m->seed = m->seed * 1103515245u + 12345u;
    return (m->seed >> 16) % n;
}

/* To the other source or the same one anew; now and then it cannot. */
static void change_inputs(struct model *m, unsigned i)
{
    struct lane *l = &m->lanes[i];
    bool second = choose(m, 2), fails = second != m->second[i] && choose(m, 4) == 0;
    struct source *to = second ? &l->next_source : &l->source;
    struct err e;
    int rc;

    to->opens_not = fails;
    rc = engine_replace_inputs(rig.engine, second ? &l->next_reads : &l->conf, &e);
    to->opens_not = false;
    assert_int_equal(rc, m->open[i] && !m->drained[i] && !fails ? 0 : -1);
    if (rc == 0)
        m->second[i] = second;
}

/* Also of one that is not there. */
static void give_order(struct model *m, unsigned i)
{
    enum engine_order order = choose(m, 4);
    char said[512];
    enum engine_obeyed obeyed =
        engine_give_order(rig.engine, m->lanes[i].name, order, clock_wall(), said, sizeof(said));

    assert_int_equal(obeyed, !m->open[i]                             ? ORDER_NO_STREAM
                             : m->drained[i] && order == ORDER_PAUSE ? ORDER_REFUSED
                                                                     : ORDER_DONE);
}

static void one_step(struct model *m)
{
    unsigned i = choose(m, LANES), n;
    struct lane *l = &m->lanes[i];
    struct err e;
    uint64_t left;

    switch (choose(m, 12)) {
    case 0:
        if (engine_open_stream(rig.engine, &l->conf, &e) == 0) {
            assert_false(m->open[i]);
            m->open[i] = true;
            m->drained[i] = m->second[i] = false;
        } else {
            assert_true(m->open[i]);
        }
        break;
    case 1:
        if (engine_drain_stream(rig.engine, l->name, choose(m, 3) * NSEC_PER_MSEC, &left, &e) == 0) {
            assert_true(m->open[i]);
            m->drained[i] = true;
        } else {
            assert_false(m->open[i]);
        }
        break;
    case 2:
        if (engine_remove_stream(rig.engine, l->name, LONG_ENOUGH, &e) == 0) {
            assert_true(m->open[i]);
            m->open[i] = false;
        } else {
            assert_false(m->open[i]);
        }
        break;
    case 3:
        peer_is(choose(m, 2) ? l->peer : l->next_peer, choose(m, 2) ? TAKES : REFUSES);
        break;
    case 4:
        assert_int_equal(engine_replace_sinks(rig.engine, choose(m, 2) ? &l->conf : &l->next_conf, &e),
                         m->open[i] ? 0 : -1);
        break;
    case 5:
        change_inputs(m, i);
        break;
    case 6:
    case 7:
        give_order(m, i);
        break;
    default:
        for (n = choose(m, 40); n > 0 && m->next[i] < RECORDS_MAX; n--) {
            bool taken = source_put(m->second[i] ? &l->next_source : &l->source, m->next[i]);

            assert_int_equal(taken, m->open[i] && !m->drained[i]);
            assert_false(source_put(m->second[i] ? &l->source : &l->next_source, m->next[i] - 1));
            m->next[i] += taken;
        }
        break;
    }
}

static void play(struct model *m, unsigned seed, unsigned steps)
{
    rig_init(&rig);
    memset(m, 0, sizeof(*m));
    m->seed = seed;
    for (unsigned i = 0; i < LANES; i++) {
        char name[8];

        snprintf(name, sizeof(name), "lane-%u", i);
        lane_init(&m->lanes[i], name);
        m->next[i] = 1;
    }
    while (steps-- > 0)
        one_step(m);
    for (unsigned i = 0; i < LANES; i++) {
        struct stream_status s;
        char said[512];

        peer_is(m->lanes[i].peer, TAKES);
        peer_is(m->lanes[i].next_peer, TAKES);
        if (!m->open[i])
            rig_open(&rig, &m->lanes[i]);
        (void)engine_give_order(rig.engine, m->lanes[i].name, ORDER_RESUME, clock_wall(), said, sizeof(said));
        assert_int_equal(rig_drain(&rig, m->lanes[i].name, LONG_ENOUGH), 0);
        assert_true(rig_status(&rig, m->lanes[i].name, &s));
        assert_int_equal(s.books.incoming, s.books.delivered);
        assert_int_equal(s.books.incoming, m->next[i] - 1);
        lane_check(&m->lanes[i]);
    }
    rig_free(&rig);
}

static void any_order_of_changes_loses_and_doubles_nothing(void **state)
{
    struct model *m = mem_alloc(sizeof(*m));
    unsigned seed = getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : 0;

    (void)state;
    for (unsigned i = 1; i <= 12; i++)
        play(m, seed ? seed : i * 7919, 150);
    mem_free(m);
}

/* --- a watchdog ------------------------------------------------------------------------------------------------- */

struct standstill {
    struct loop_event ev;
    pthread_mutex_t gate; /* held: the delivery thread stands */
};

static void stand(struct loop_event *ev)
{
    struct standstill *s = CONTAINER_OF(ev, struct standstill, ev);

    pthread_mutex_lock(&s->gate);
    pthread_mutex_unlock(&s->gate);
}

static void no_wait(void *arg)
{
    (void)arg;
}

static void a_delivery_thread_that_stands_is_seen(void **state)
{
    struct standstill s = {.ev.fn = stand, .gate = PTHREAD_MUTEX_INITIALIZER};

    (void)state;
    assert_true(engine_turns(rig.engine));
    delivery_loop_call(rig.engine->loop, no_wait, NULL); /* it has come round, also with nothing to do */
    assert_true(engine_turns(rig.engine));
    delivery_loop_call(rig.engine->loop, no_wait, NULL);
    pthread_mutex_lock(&s.gate);
    delivery_loop_post(rig.engine->loop, &s.ev);
    (void)engine_turns(rig.engine); /* whether it ran before is a race; this one waits behind the gate */
    assert_false(engine_turns(rig.engine));
    assert_false(engine_turns(rig.engine));
    pthread_mutex_unlock(&s.gate);
    delivery_loop_call(rig.engine->loop, no_wait, NULL);
    assert_true(engine_turns(rig.engine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_limit_of_memory_is_shared_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_comes_and_goes_while_others_deliver, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_delivered_stays_and_is_named_until_the_name_is_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_was_never_drained_keeps_what_it_has, setup, teardown),
        cmocka_unit_test_setup_teardown(a_send_that_hangs_keeps_the_stream_until_it_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(the_program_ends_while_a_stream_gives_up, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_the_program_is_why_a_stream_is_not_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_not_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(scripts_go_with_their_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_under_way_are_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_sealed_goes_where_it_was_to_go_and_the_rest_to_the_new_place, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(settings_are_used_until_all_is_closed_that_was_opened_with_them, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_opened_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(old_seals_meet_the_new_place_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_reads_something_else_and_delivers_all_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(inputs_that_cannot_begin_leave_the_old_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(files_go_on_where_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(what_there_is_is_divided_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(hundreds_of_generations_leave_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_stream_may_go_and_another_come, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_leaves_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_calls_are_refused_in_words, setup, teardown),
        cmocka_unit_test_setup_teardown(the_program_ends_in_the_middle_of_a_drain, setup, teardown),
        cmocka_unit_test_setup_teardown(a_thousand_lives_leave_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_delivery_thread_that_stands_is_seen, setup, teardown),
        cmocka_unit_test(any_order_of_changes_loses_and_doubles_nothing),
    };

    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
