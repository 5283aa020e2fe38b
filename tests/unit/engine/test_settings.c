/* The whole configuration: defaults, registries, checks without starting, the manual's own example, and what mutated
 * files do. tests/bad_config holds the mistakes. */
#include "tests/support/cmocka.h"

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/engine/preflight.h"
#include "pipeline/settings/settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUIET "admin: { listen: none }\n"

/* The settings of good YAML; fails with the messages otherwise. */
static struct settings *parse_in(const char *base_dir, const char *yaml)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s = settings_parse("c.yaml", base_dir, yaml, strlen(yaml), &SETTINGS_ALL, errs);
    struct buf said;

    buf_init(&said, MIB);
    cfg_errors_print(errs, &said);
    if (!s)
        fail_msg("%s", buf_cstr(&said));
    assert_int_equal(cfg_errors_count(errs), 0);
    buf_release(&said);
    cfg_errors_free(&errs);
    return s;
}

static struct settings *parse(const char *yaml)
{
    return parse_in("/usr", yaml);
}

static void the_least_configuration_has_all_defaults(void **state)
{
    struct settings *s = parse("streams:\n  app:\n    destination:\n      file: { path: ./out }\n");
    const struct stream_settings *st = &s->streams[0];

    (void)state;
    assert_string_equal(s->path, "c.yaml");
    assert_string_equal(s->data_dir, "/usr/sluice-data");
    assert_string_equal(s->api.listen, "127.0.0.1:4573");
    assert_string_equal(s->http_listen, "127.0.0.1:9273");
    assert_string_equal(settings_listener(s, 0)->name, "api");
    assert_null(settings_listener(s, 1));
    assert_int_equal(s->memory_limit, 64 * MIB);
    assert_int_equal(s->log_level, LOG_INFO);
    assert_int_equal(s->shutdown_grace, 20 * NSEC_PER_SEC);
    assert_int_equal(s->stream_count, 1);
    assert_string_equal(st->name, "app");
    assert_int_equal(st->at.line, 2);
    assert_int_equal(st->input_count, 1);
    assert_string_equal(st->inputs[0].ops->name, "api");
    assert_false(st->memory);
    assert_int_equal(st->spool_limit, GIB);
    assert_int_equal(st->buffer_size, MIB);
    assert_int_equal(st->buffer_interval, 60 * NSEC_PER_SEC);
    assert_string_equal(st->format->name, "lines");
    assert_string_equal(st->codec->name, "none");
    assert_string_equal(st->sink->name, "file");
    assert_int_equal(st->in_flight_min, 1);
    assert_int_equal(st->in_flight, 4);
    settings_free(&s);
    assert_null(s);
}

static void a_compressed_size_alone_leaves_batches_a_part_of_the_spool(void **state)
{
    struct settings *s =
        parse("streams:\n"
              "  a: { buffer: { compressed_size: 16MiB }, destination: { file: { path: /a } } }\n"
              "  b: { buffer: { compressed_size: 1MiB }, spool: { limit: 1TiB }, destination: { file: { "
              "path: /b } } }\n"
              "  c: { buffer: { compressed_size: 1MiB, size: 1MiB }, destination: { file: { path: /c } } "
              "}\n");

    (void)state;
    assert_int_equal(s->streams[0].compressed_size, 16 * MIB);
    assert_int_equal(s->streams[0].buffer_size, GIB / 4);
    assert_int_equal(s->streams[1].buffer_size, 5 * GIB);
    assert_int_equal(s->streams[2].buffer_size, MIB);
    settings_free(&s);
}

static void everything_said_is_taken(void **state)
{
    struct settings *s = parse("data_dir: /var/lib/sluice\n" QUIET "limits: { memory: 128MiB }\nlog: { level: debug }\n"
                               "shutdown: { grace: 5s }\n"
                               "streams:\n"
                               "  a:\n"
                               "    inputs: [{ tail: { paths: a.log } }]\n"
                               "    durability: memory\n"
                               "    spool: { limit: 8MiB }\n"
                               "    buffer: { size: 2MB, interval: 0 }\n"
                               "    format: json_array\n"
                               "    compression: { gzip: { level: 9 } }\n"
                               "    deliveries_in_flight: { min: 2, max: 3 }\n"
                               "    destination: { file: { path: /out } }\n");
    const struct stream_settings *st = &s->streams[0];

    (void)state;
    assert_string_equal(s->data_dir, "/var/lib/sluice");
    assert_null(s->http_listen);
    assert_null(settings_listener(s, 0));
    assert_int_equal(s->memory_limit, 128 * MIB);
    assert_int_equal(s->log_level, LOG_DEBUG);
    assert_int_equal(s->shutdown_grace, 5 * NSEC_PER_SEC);
    assert_true(st->memory);
    assert_int_equal(st->spool_limit, 8 * MIB);
    assert_int_equal(st->buffer_size, 2000000);
    assert_int_equal(st->buffer_interval, 0);
    assert_string_equal(st->format->name, "json_array");
    assert_int_equal(st->codec_level, 9);
    assert_int_equal(st->in_flight_min, 2);
    assert_int_equal(st->in_flight, 3);
    settings_free(&s);
}

/* What is needed is said where all of the file is; a command that has no use for it is not held up. */
static void what_cannot_be_known_here_may_be_all_that_an_address_needs(void **state)
{
    static const char YAML[] = "api: { listen: \"0.0.0.0:4573\", users: [\"${env:SLUICE_IS_NOT_SET}\"] }\n"
                               "admin: { listen: \"0.0.0.0:9273\", tokens: [\"${env:SLUICE_IS_NOT_SET}\"] }\n"
                               "streams: { app: { destination: { file: { path: ./out } } } }\n";
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s;

    (void)state;
    s = settings_parse("c.yaml", "/usr", YAML, strlen(YAML), &(struct settings_use){.stream = "app"}, errs);
    assert_non_null(s);
    assert_int_equal(cfg_errors_count(errs), 0);
    settings_free(&s);
    assert_null(settings_parse("c.yaml", "/usr", YAML, strlen(YAML), &SETTINGS_ALL, errs));
    assert_int_equal(cfg_errors_count(errs), 2); /* each that is not set, and nothing that follows from it */
    cfg_errors_free(&errs);
}

static void inputs_are_names_or_one_key_mappings(void **state)
{
    struct settings *s = parse("streams:\n"
                               "  a:\n    inputs: api\n    destination: { file: { path: o } }\n"
                               "  b:\n    inputs: [stdin]\n    destination: { file: { path: o } }\n"
                               "  c:\n    inputs:\n      - api: {}\n      - tail: { paths: [x, y] }\n"
                               "    destination: { file: { path: o } }\n");

    (void)state;
    assert_int_equal(s->streams[0].input_count, 1);
    assert_string_equal(s->streams[0].inputs[0].ops->name, "api");
    assert_int_equal(s->streams[1].input_count, 1);
    assert_string_equal(s->streams[1].inputs[0].ops->name, "stdin");
    assert_int_equal(settings_standing(&s->streams[2]), 1);
    assert_string_equal(s->streams[2].inputs[1].ops->name, "tail");
    assert_int_equal(s->streams[2].inputs[1].from.at.line, 11);
    assert_string_equal(s->streams[2].inputs[1].from.at.file, "c.yaml");
    settings_free(&s);
}

static void opensearch_is_another_name_of_elasticsearch(void **state)
{
    struct settings *s = parse("streams:\n  a:\n    destination:\n"
                               "      opensearch: { url: \"http://127.0.0.1:9200\", index: app }\n");

    (void)state;
    assert_string_equal(s->streams[0].sink->name, "elasticsearch");
    settings_free(&s);
}

static void codec_level(const char *compression, const char *name, int level)
{
    char *yaml = mem_printf("streams: { a: { compression: %s, destination: { file: { path: o } } } }\n", compression);
    struct settings *s = parse(yaml);

    assert_string_equal(s->streams[0].codec->name, name);
    assert_int_equal(s->streams[0].codec_level, level);
    settings_free(&s);
    mem_free(yaml);
}

static void a_codec_has_its_default_level_or_the_one_given(void **state)
{
    int gzip = codec_find("gzip")->level_default;

    (void)state;
    codec_level("gzip", "gzip", gzip);
    codec_level("{ gzip: }", "gzip", gzip);
    codec_level("{ gzip: {} }", "gzip", gzip);
    codec_level("{ gzip: { level: 9 } }", "gzip", 9);
    codec_level("zstd", "zstd", codec_find("zstd")->level_default);
    codec_level("none", "none", 0);
    codec_level("{ none: {} }", "none", 0);
}

/* --- what running would need ---------------------------------------------------------------------------------------
 */

/* A folder of its own for each test. */
static int setup(void **state)
{
    *state = mem_strdup("/tmp/sluice-test-XXXXXX");
    return mkdtemp(*state) ? 0 : -1;
}

static int teardown(void **state)
{
    char *command = mem_printf("chmod -R u+w '%s' && rm -rf '%s'", (char *)*state, (char *)*state);
    int rc = system(command);

    mem_free(command);
    mem_free(*state);
    return rc;
}

static size_t check(const char *dir, const char *yaml, struct buf *out)
{
    struct settings *s = parse_in(dir, yaml);
    struct cfg_errors *found = cfg_errors_new();
    size_t n;

    buf_init(out, MIB);
    preflight_check(s, NULL, found);
    cfg_errors_print(found, out);
    n = cfg_errors_count(found);
    cfg_errors_free(&found);
    settings_free(&s);
    return n;
}

static void assert_finding(const char *dir, const char *yaml, const char *words)
{
    struct buf out;

    if (check(dir, yaml, &out) == 0 || !strstr(buf_cstr(&out), words))
        fail_msg("wanted a finding with `%s`, not: %s", words, buf_cstr(&out));
    buf_release(&out);
}

#define STDIN_TO_FILE "streams: { a: { inputs: [stdin], destination: { file: { path: ./out } } } }\n"

static void a_check_of_what_is_fine_finds_nothing_and_makes_nothing(void **state)
{
    char *made = mem_printf("%s/deep", (char *)*state);
    struct buf out;

    assert_int_equal(check(*state, "data_dir: deep/er/data\n" QUIET STDIN_TO_FILE, &out), 0);
    assert_int_equal(out.n, 0);
    assert_int_equal(access(made, F_OK), -1);
    buf_release(&out);
    mem_free(made);
}

static void a_data_dir_that_cannot_be_is_found(void **state)
{
    char *file = mem_printf("%s/file", (char *)*state);
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    fclose(f);
    assert_finding(*state, "data_dir: file\n" QUIET STDIN_TO_FILE, "data_dir: ");
    assert_finding(*state, "data_dir: file/below\n" QUIET STDIN_TO_FILE, "data_dir: ");
    mem_free(file);
}

/* As root everything can be written to: then this test is somebody else for a while. */
static void a_data_dir_without_permission_is_found(void **state)
{
    char *closed = mem_printf("%s/closed", (char *)*state);
    bool root = geteuid() == 0;

    assert_int_equal(chmod(*state, 0755), 0);
    assert_int_equal(mkdir(closed, 0555), 0);
    assert_int_equal(root ? seteuid(65534) : 0, 0);
    assert_finding(*state, "data_dir: closed/data\n" QUIET STDIN_TO_FILE, "data_dir: cannot write to ");
    assert_int_equal(root ? seteuid(0) : 0, 0);
    mem_free(closed);
}

static void a_data_dir_in_use_is_found(void **state)
{
    char *lock = mem_printf("%s/data/lock", (char *)*state), *dir = mem_printf("%s/data", (char *)*state);
    FILE *f;

    assert_int_equal(mkdir(dir, 0700), 0);
    f = fopen(lock, "w");
    assert_non_null(f);
    assert_int_equal(flock(fileno(f), LOCK_EX), 0);
    assert_finding(*state, "data_dir: data\n" QUIET STDIN_TO_FILE, "in use by another sluice");
    fclose(f);
    mem_free(lock);
    mem_free(dir);
}

/* A port that is taken for as long as the socket is open. */
static int take_port(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void addresses_in_use_are_found(void **state)
{
    unsigned port;
    int fd = take_port(&port);
    char *address = mem_printf("127.0.0.1:%u", port);
    char *admin = mem_printf("admin: { listen: \"%s\" }\n" STDIN_TO_FILE, address);
    char *api = mem_printf("api: { listen: \"%s\" }\n" QUIET "streams: { a: { destination: { file: { path: o } } } }\n",
                           address);
    char *unused = mem_printf("api: { listen: \"%s\" }\n" QUIET STDIN_TO_FILE, address);
    struct buf out;

    assert_finding(*state, admin, address);
    assert_finding(*state, api, address);
    assert_int_equal(check(*state, unused, &out), 0); /* no stream has the input api */
    buf_release(&out);
    close(fd);
    mem_free(address);
    mem_free(admin);
    mem_free(api);
    mem_free(unused);
}

static void findings_of_a_stream_name_it_and_its_line(void **state)
{
    assert_finding(*state,
                   QUIET "streams:\n  a:\n    inputs: [stdin]\n    destination: { file: { path: /dev/null/no } }\n",
                   "c.yaml:5:20: stream `a`: file: ");
}

static void descriptions_show_inputs_and_destination(void **state)
{
    struct settings *s = parse_in(*state, "streams:\n  a:\n    durability: memory\n    inputs: [api, stdin]\n"
                                          "    destination: { file: { path: ./out } }\n");
    char *want = mem_printf("-> folder %s/", (char *)*state);
    struct buf out;

    buf_init(&out, MIB);
    assert_int_equal(preflight_describe(s, &s->streams[0], &out), 0);
    assert_non_null(strstr(buf_cstr(&out), "a: api, stdin -> (in memory) -> "));
    assert_non_null(strstr(buf_cstr(&out), want));
    buf_release(&out);
    mem_free(want);
    settings_free(&s);
}

static void a_file_is_loaded_with_paths_relative_to_it(void **state)
{
    char *path = mem_printf("%s/c.yaml", (char *)*state), *data = mem_printf("%s/data", (char *)*state);
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s;
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs("data_dir: ./data\n" STDIN_TO_FILE, f);
    fclose(f);
    s = settings_load(path, &SETTINGS_ALL, errs);
    assert_non_null(s);
    assert_string_equal(s->data_dir, data);
    assert_string_equal(s->base_dir, *state);
    settings_free(&s);
    cfg_errors_free(&errs);
    mem_free(path);
    mem_free(data);
}

/* --- the hash ------------------------------------------------------------------------------------------------------
 */

static void hash_of(const char *more, const char *destination, unsigned char out[32])
{
    char *yaml = mem_printf("streams: { a: { %s destination: { %s } } }\n", more, destination);
    struct settings *s = parse(yaml);

    settings_delivery_hash(&s->streams[0], out);
    settings_free(&s);
    mem_free(yaml);
}

static void the_hash_follows_what_shapes_objects_and_nothing_else(void **state)
{
    static const char S3[] = "s3: { bucket: b, access_key_id: k, secret_access_key: one }";
    unsigned char base[32], other[32];

    (void)state;
    hash_of("", S3, base);
    hash_of("buffer: { size: 2MiB }, deliveries_in_flight: { max: 1 }, format: lines,", S3, other);
    assert_memory_equal(base, other, 32);
    hash_of("", "s3: { bucket: b, access_key_id: k, secret_access_key: two }", other);
    assert_memory_equal(base, other, 32);
    hash_of("format: raw,", S3, other);
    assert_memory_not_equal(base, other, 32);
    hash_of("compression: gzip,", S3, other);
    assert_memory_not_equal(base, other, 32);
    hash_of("", "s3: { bucket: c, access_key_id: k, secret_access_key: one }", other);
    assert_memory_not_equal(base, other, 32);
    hash_of("", "file: { path: b }", other);
    assert_memory_not_equal(base, other, 32);
}

/* --- the manual ----------------------------------------------------------------------------------------------------
 */

static void manual(struct buf *out)
{
    buf_init(out, MIB);
    settings_reference(out);
}

/* The first ```yaml block. */
static char *example(void)
{
    const char *from, *to;
    struct buf text;
    char *yaml;

    manual(&text);
    from = strstr(buf_cstr(&text), "```yaml\n");
    assert_non_null(from);
    from += strlen("```yaml\n");
    to = strstr(from, "```\n");
    assert_non_null(to);
    yaml = mem_strndup(from, (size_t)(to - from));
    buf_release(&text);
    return yaml;
}

static void the_example_of_the_manual_is_accepted(void **state)
{
    char *yaml = example();
    struct settings *s = parse(yaml);

    (void)state;
    assert_int_equal(s->stream_count, 2);
    settings_free(&s);
    mem_free(yaml);
}

static void assert_in_manual(const char *manual_text, const char *name)
{
    char *cell = mem_printf("`%s`", name);

    if (!strstr(manual_text, cell))
        fail_msg("the manual does not know %s", name);
    mem_free(cell);
}

static void the_manual_knows_every_row_of_every_registry(void **state)
{
    struct buf text;
    const char *t;

    (void)state;
    manual(&text);
    t = buf_cstr(&text);
    for (size_t i = 0; sink_at(i); i++) {
        assert_in_manual(t, sink_at(i)->name);
        for (const struct cfg_field *f = sink_at(i)->fields; f->name; f++)
            if (f->type != CFG_BLOCK)
                assert_in_manual(t, f->name);
    }
    for (size_t i = 0; input_at(i); i++)
        assert_in_manual(t, input_at(i)->name);
    for (size_t i = 0; codec_at(i); i++)
        assert_in_manual(t, codec_at(i)->name);
    for (size_t i = 0; format_at(i); i++)
        assert_in_manual(t, format_at(i)->name);
    assert_in_manual(t, "api.credentials");
    assert_in_manual(t, "shutdown.grace");
    assert_in_manual(t, "buffer.interval");
    buf_release(&text);
}

/* What connects to somewhere does not hope that tailed files leave something for it. */
static void inputs_that_connect_say_what_is_to_be_set_aside_for_them(void **state)
{
    (void)state;
    for (size_t i = 0; input_at(i); i++)
        if (input_at(i)->probe && !input_at(i)->sockets)
            fail_msg("%s", input_at(i)->name);
}

/* --- mutated files -------------------------------------------------------------------------------------------------
 */

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Either settings or at least one mistake; the sanitizers watch the rest. */
static void parse_anything(const char *text, size_t n)
{
    struct cfg_errors *errs = cfg_errors_new();
    struct settings *s = settings_parse("c.yaml", "/usr", text, n, &SETTINGS_ALL, errs);
    struct buf said;

    buf_init(&said, MIB);
    cfg_errors_print(errs, &said);
    if (s ? cfg_errors_count(errs) != 0 : said.n == 0)
        fail_msg("neither accepted nor refused: %.*s", (int)n, text);
    buf_release(&said);
    settings_free(&s);
    cfg_errors_free(&errs);
}

static void every_beginning_of_a_file_is_accepted_or_refused(void **state)
{
    char *yaml = example();
    size_t n = strlen(yaml);

    (void)state;
    for (size_t i = 0; i <= n; i += 3) {
        char *exact = mem_alloc(i);

        memcpy(exact, yaml, i);
        parse_anything(exact, i);
        mem_free(exact);
    }
    mem_free(yaml);
}

static void every_mutation_of_a_file_is_accepted_or_refused(void **state)
{
    static const char special[] = "{}[]:,-&*!|>'\"%@`#?~ \t\n$\\\xff\x01"
                                  "0z";
    char *yaml = example();
    size_t n = strlen(yaml);
    uint64_t x = 88172645463325252ULL;
    nsec end = clock_mono() + NSEC_PER_SEC;

    (void)state;
    for (int i = 0; i < 2000 && clock_mono() < end; i++) {
        char *mutant = mem_strndup(yaml, n);
        size_t changes = 1 + next_random(&x) % 4;

        for (size_t j = 0; j < changes; j++)
            mutant[next_random(&x) % n] = special[next_random(&x) % (sizeof(special) - 1)];
        parse_anything(mutant, n);
        mem_free(mutant);
    }
    mem_free(yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opensearch_is_another_name_of_elasticsearch),
        cmocka_unit_test(the_least_configuration_has_all_defaults),
        cmocka_unit_test(a_compressed_size_alone_leaves_batches_a_part_of_the_spool),
        cmocka_unit_test(everything_said_is_taken),
        cmocka_unit_test(what_cannot_be_known_here_may_be_all_that_an_address_needs),
        cmocka_unit_test(inputs_are_names_or_one_key_mappings),
        cmocka_unit_test(a_codec_has_its_default_level_or_the_one_given),
        cmocka_unit_test_setup_teardown(a_check_of_what_is_fine_finds_nothing_and_makes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_data_dir_that_cannot_be_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_data_dir_without_permission_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_data_dir_in_use_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(addresses_in_use_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(findings_of_a_stream_name_it_and_its_line, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptions_show_inputs_and_destination, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_loaded_with_paths_relative_to_it, setup, teardown),
        cmocka_unit_test(the_hash_follows_what_shapes_objects_and_nothing_else),
        cmocka_unit_test(the_example_of_the_manual_is_accepted),
        cmocka_unit_test(the_manual_knows_every_row_of_every_registry),
        cmocka_unit_test(inputs_that_connect_say_what_is_to_be_set_aside_for_them),
        cmocka_unit_test(every_beginning_of_a_file_is_accepted_or_refused),
        cmocka_unit_test(every_mutation_of_a_file_is_accepted_or_refused),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
