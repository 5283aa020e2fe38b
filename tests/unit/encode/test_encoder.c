/* Bodies from a real spool: all records or a window of them, only those still pending, without damaged frames, the same
 * bytes each time; and the lines of those that were refused. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/encoder.h"
#include "pipeline/encode/error_objects.h"
#include "pipeline/encode/worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRIVAL ((nsec)1783951509 * NSEC_PER_SEC)

struct bench {
    char dir[64];
    struct committer *committer;
    struct worker_pool *workers;
    struct spool *spool;
    struct seal seal;
    struct object_source source;
    struct outcomes outcomes;
    struct encoder_in in;
    struct encoder_out out;
    struct error_objects_failure failure;
    int rc;
    struct worker_job job;
    sem_t ran;
    struct cancel cancel;
};

static void append(struct bench *b, const char *const *records, size_t count, nsec arrival)
{
    struct frame *f = frame_new(4096, arrival, NULL);

    for (size_t i = 0; i < count; i++)
        assert_true(frame_add(f, slice_str(records[i])));
    assert_int_equal(spool_append(b->spool, &f, NULL), SPOOL_TAKEN);
    committer_barrier(b->committer);
}

/* Two frames: one two three, four five. */
static struct bench *bench_new(void)
{
    static const char *const records[] = {"one", "two", "three", "four", "five"};
    struct bench *b = mem_alloc(sizeof(*b));
    struct spool_recovery found;
    struct spool_conf conf = {.stream = "app", .limit = 16 * MIB};
    struct err e = {0};

    snprintf(b->dir, sizeof(b->dir), "/tmp/stage-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    conf.dir = b->dir;
    if (committer_start(&b->committer, &e) < 0 || worker_pool_start(&b->workers, 1, &b->cancel, &e) < 0 ||
        spool_open(&b->spool, &conf, b->committer, &found, &e) < 0)
        fail_msg("%s", e.msg);
    b->seal = (struct seal){.start = spool_cut(spool_reader(b->spool, 0)), .bytes = 24, .oldest = ARRIVAL};
    b->seal.first = b->seal.start.seq;
    b->seal.last = b->seal.first + 4;
    append(b, records, 3, ARRIVAL);
    append(b, records + 3, 2, ARRIVAL + NSEC_PER_SEC);
    b->source = object_source_range(b->spool, &b->seal, 0);
    outcomes_init(&b->outcomes, 5);
    b->in = (struct encoder_in){
        .records = {.source = &b->source, .outcomes = &b->outcomes, .window = UINT64_MAX},
        .format = format_find("lines"),
        .codec = codec_find("none"),
        .digests = SINK_SHA256 | SINK_CRC32C,
        .tmp_dir = b->dir,
    };
    sem_init(&b->ran, 0, 0);
    return b;
}

static void bench_free(struct bench **bp)
{
    struct bench *b = *bp;
    char command[128];

    body_free(&b->out.body);
    outcomes_release(&b->outcomes);
    worker_pool_stop(&b->workers);
    committer_stop(&b->committer);
    spool_close(&b->spool);
    snprintf(command, sizeof(command), "rm -rf %s", b->dir);
    assert_int_equal(system(command), 0);
    sem_destroy(&b->ran);
    mem_free(b);
    *bp = NULL;
}

static void run_encoder(struct worker_job *job, struct worker *w)
{
    struct bench *b = CONTAINER_OF(job, struct bench, job);

    b->rc = b->failure.attempts ? error_objects_run(&b->in, &b->failure, w, &b->out) : encoder_run(&b->in, w, &b->out);
    sem_post(&b->ran);
}

static void run_any(struct bench *b)
{
    body_free(&b->out.body);
    b->job.run = run_encoder;
    worker_submit(b->workers, &b->job);
    sem_wait(&b->ran);
}

static void run(struct bench *b)
{
    run_any(b);
    if (b->rc < 0)
        fail_msg("%s", b->out.err.msg);
}

static void assert_body(const struct bench *b, const char *want)
{
    struct slice got = body_memory_slice(b->out.body);
    unsigned char hash[SHA256_BYTES];

    if (!slice_is(got, want))
        fail_msg("got `%.*s`, want `%s`", (int)got.n, got.p, want);
    sha256_of(got, hash);
    assert_memory_equal(b->out.digests.sha256, hash, SHA256_BYTES);
    assert_int_equal(b->out.digests.crc32c, crc32c(0, got));
}

/* Turns over a bit of `text` on the disk. */
static void damage(const struct bench *b, const char *text)
{
    DIR *d = opendir(b->dir);
    struct dirent *entry;
    char path[512], bytes[65536], *at;

    while ((entry = readdir(d)) && !strstr(entry->d_name, ".seg"))
        ;
    assert_non_null(entry);
    snprintf(path, sizeof(path), "%s/%s", b->dir, entry->d_name);
    closedir(d);
    int fd = open(path, O_RDWR);
    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);

    assert_true(n > 0);
    at = memmem(bytes, (size_t)n, text, strlen(text));
    assert_non_null(at);
    *at ^= 1;
    assert_int_equal(pwrite(fd, at, 1, at - bytes), 1);
    close(fd);
}

static void all_records_make_one_body_the_same_each_time(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    for (int i = 0; i < 2; i++) {
        run(b);
        assert_body(b, "one\ntwo\nthree\nfour\nfive\n");
        assert_int_equal(b->out.taken, 5);
        assert_int_equal(b->out.bytes, 19); /* without the line breaks */
        assert_int_equal(b->out.id.first, b->seal.first);
        assert_int_equal(b->out.id.last, b->seal.last);
        assert_int_equal(b->out.id.window, 0);
        assert_true(b->out.id.oldest == ARRIVAL);
        assert_null(b->out.id.error_type);
    }
    bench_free(&b);
}

static void a_window_takes_the_first_pending_records(void **state)
{
    struct bench *b = bench_new();
    struct sink_seal_id whole;

    (void)state;
    b->in.records.window = 2;
    run(b);
    assert_body(b, "one\ntwo\n");
    assert_int_equal(b->out.taken, 2);
    assert_int_not_equal(b->out.id.window, 0);
    whole = b->out.id;
    for (uint64_t i = 0; i < 2; i++)
        outcomes_set(&b->outcomes, i, OUTCOME_DELIVERED);
    run(b);
    assert_body(b, "three\nfour\n"); /* across the edge of a frame */
    assert_int_not_equal(b->out.id.window, whole.window);
    for (uint64_t i = 2; i < 4; i++)
        outcomes_set(&b->outcomes, i, OUTCOME_DELIVERED);
    run(b);
    assert_body(b, "five\n");
    assert_int_equal(b->out.taken, 1);
    bench_free(&b);
}

static void only_pending_records_are_sent(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    outcomes_set(&b->outcomes, 0, OUTCOME_DELIVERED);
    outcomes_refuse(&b->outcomes, 2, &(struct sink_refusal){.code = "400", .message = "no"});
    outcomes_set(&b->outcomes, 4, OUTCOME_DELIVERED);
    run(b);
    assert_body(b, "two\nfour\n");
    assert_int_equal(b->out.taken, 2);
    assert_int_equal(b->outcomes.pending, 2); /* encoding settles nothing */
    bench_free(&b);
}

static void a_damaged_frame_is_left_out_and_noted(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    damage(b, "four");
    b->in.codec = codec_find("gzip"); /* is told the size in advance, and has to begin anew */
    b->in.level = 1;
    run(b);
    assert_int_equal(b->out.taken, 3);
    assert_int_equal(b->outcomes.lost, 2);
    assert_int_equal(outcomes_at(&b->outcomes, 3), OUTCOME_LOST);
    b->in.codec = codec_find("none");
    run(b);
    assert_body(b, "one\ntwo\nthree\n");
    bench_free(&b);
}

static void refused_records_become_error_lines(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    outcomes_set(&b->outcomes, 0, OUTCOME_DELIVERED);
    outcomes_refuse(&b->outcomes, 1, &(struct sink_refusal){.code = "400", .message = "no \"such\" field"});
    outcomes_refuse(&b->outcomes, 4, &(struct sink_refusal){.code = "413", .message = "too large"});
    b->failure =
        (struct error_objects_failure){.error_type = "x-failed", .attempts = 3, .ended = ARRIVAL + 60 * NSEC_PER_SEC};
    run(b);
    assert_body(b, "{\"attemptsMade\":3,\"arrivalTimestamp\":1783951509000,\"errorCode\":\"400\",\"errorMessage\":"
                   "\"no \\\"such\\\" field\",\"attemptEndingTimestamp\":1783951569000,\"rawData\":\"dHdv\"}\n"
                   "{\"attemptsMade\":3,\"arrivalTimestamp\":1783951510000,\"errorCode\":\"413\",\"errorMessage\":"
                   "\"too large\",\"attemptEndingTimestamp\":1783951569000,\"rawData\":\"Zml2ZQ==\"}\n");
    assert_int_equal(b->out.taken, 2);
    assert_string_equal(b->out.id.error_type, "x-failed");
    bench_free(&b);
}

/* A refused record that can no longer be read is not in the backup: the books must not say so. */
static void a_refused_record_that_is_damaged_meanwhile_is_lost(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    for (uint64_t i = 0; i < 5; i++)
        outcomes_refuse(&b->outcomes, i, &(struct sink_refusal){.code = "400", .message = "no"});
    damage(b, "four");
    b->failure = (struct error_objects_failure){.error_type = "x-failed", .attempts = 1, .ended = ARRIVAL};
    run(b);
    assert_int_equal(b->out.taken, 3);
    assert_int_equal(b->outcomes.refused, 3);
    assert_int_equal(b->outcomes.lost, 2);
    bench_free(&b);
}

/* A codec during whose first piece the program is told to end. */
static struct cancel *to_ask;
static size_t pieces;

/* --- bodies that a sink shapes --- */

static size_t repeats[5]; /* how often the sink writes each of the records */
static uint64_t body_bytes;
static const char *head;

static int shape_head(const void *sink, const struct sink_seal_id *id, struct buf *out)
{
    (void)sink, (void)id;
    return buf_add_str(out, head);
}

static int shape_record(const void *sink, const struct sink_record *r, bool first, struct buf *out,
                        struct sink_refusal *why)
{
    const struct bench *b = sink;

    (void)first, (void)why;
    if (slice_is(r->data, "five")) /* the last: so the body is not the one that was expected */
        return 0;
    for (size_t i = 0; i < repeats[r->seq - b->seal.first]; i++)
        if (buf_add_slice(out, r->data) < 0)
            return -1;
    return buf_add_char(out, ',') < 0 ? -1 : 1;
}

static int shape_tail(const void *sink, struct buf *out)
{
    (void)sink;
    return *head ? buf_add_char(out, ']') : 0; /* both or none: as Firehose's format, as _bulk */
}

static void shape_limits(const void *sink, struct sink_limits *out)
{
    (void)sink;
    out->body_bytes = body_bytes;
}

static const struct sink_ops SHAPER = {
    .head = shape_head, .record = shape_record, .tail = shape_tail, .limits = shape_limits};

static char *read_body(const struct bench *b)
{
    uint64_t n = body_size(b->out.body);
    char *text = mem_alloc((size_t)n + 1);
    struct err e;

    assert_int_equal(body_read(b->out.body, 0, text, (size_t)n, &e), (long)n);
    return text;
}

/* Shaped in the body or in front of a codec: small records, records that do not fit what is free there, and both
 * in turn; with a bound that ends the body in the middle. */
static void a_shaped_body_is_the_same_wherever_it_was_shaped(void **state)
{
    static const struct {
        size_t repeats[5];
        uint64_t body_bytes;
        const char *head;
    } cases[] = {
        {{1, 1, 1, 1, 1}, 0, "["},
        {{1, ENCODER_SHAPED_PIECE, 1, 1, 2}, 0, "["},
        {{ENCODER_SHAPED_PIECE, 1, ENCODER_SHAPED_PIECE / 6, 1, ENCODER_SHAPED_PIECE / 4}, 0, "["},
        {{ENCODER_SHAPED_PIECE / 3 - 1, 1, 1, 1, 1}, 0, "["},
        {{1, 1, ENCODER_SHAPED_PIECE, 1, 1}, 12, "["},
        {{0, 0, 0, 0, 0}, 2, "["},
        {{1, 1, 1, 1, 1}, 0, ""},
        {{1, ENCODER_SHAPED_PIECE, 1, 1, 1}, 0, ""},
    };
    struct codec_ops elsewhere = *codec_find("none");

    (void)state;
    elsewhere.copies = false;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct codec_ops *codecs[] = {codec_find("none"), &elsewhere};
        char *text[2];
        uint64_t taken[2];

        memcpy(repeats, cases[i].repeats, sizeof(repeats));
        body_bytes = cases[i].body_bytes;
        head = cases[i].head;
        for (size_t k = 0; k < 2; k++) {
            struct bench *b = bench_new();

            b->in.shaper = &SHAPER;
            b->in.sink = b;
            b->in.codec = codecs[k];
            run(b);
            text[k] = read_body(b);
            taken[k] = b->out.taken;
            bench_free(&b);
        }
        assert_int_equal(taken[0], taken[1]);
        assert_true(!*head || (text[0][0] == '[' && text[0][strlen(text[0]) - 1] == ']'));
        if (strcmp(text[0], text[1]) != 0)
            fail_msg("case %zu differs", i);
        mem_free(text[0]);
        mem_free(text[1]);
    }
}

static void *ending_open(int level)
{
    return codec_find("none")->open(level);
}

static int ending_begin(void *ctx, uint64_t size, struct err *e)
{
    return codec_find("none")->begin(ctx, size, e);
}

static int ending_add(void *ctx, struct slice in, struct body *out, struct err *e)
{
    pieces++;
    cancel_ask(to_ask);
    return codec_find("none")->add(ctx, in, out, e);
}

static int ending_finish(void *ctx, struct body *out, struct err *e)
{
    return codec_find("none")->finish(ctx, out, e);
}

static void ending_close(void *ctx)
{
    codec_find("none")->close(ctx);
}

static void a_cancelled_body_is_not_made_any_further(void **state)
{
    static const struct codec_ops ending = {.name = "ending",
                                            .open = ending_open,
                                            .begin = ending_begin,
                                            .add = ending_add,
                                            .finish = ending_finish,
                                            .close = ending_close};
    struct bench *b = bench_new();

    (void)state;
    to_ask = &b->cancel;
    pieces = 0;
    b->in.codec = &ending;
    run_any(b);
    assert_int_equal(b->rc, -1);
    assert_int_equal(b->out.err.code, ERR_CANCELLED);
    assert_null(b->out.body);
    assert_int_equal(pieces, 1); /* there is one for each frame */
    assert_int_equal(b->outcomes.pending, 5);
    run_any(b); /* and nothing begins any more */
    assert_int_equal(b->out.err.code, ERR_CANCELLED);
    assert_int_equal(pieces, 1);
    b->failure.attempts = 1;
    run_any(b);
    assert_int_equal(b->out.err.code, ERR_CANCELLED);
    bench_free(&b);
}

/* --- a format with a state ---------------------------------------------------------------------------------------- */

/* It has nothing to say before the end: then how many records there were, and what. */
struct columns {
    struct buf kept;
    int count;
    const char *between; /* its option */
};

static int columns_open;

static int columns_begin(void **state, const struct format_begin *b, struct err *e)
{
    struct columns *c = mem_alloc(sizeof(*c));

    (void)e;
    c->between = b->options;
    buf_init(&c->kept, (size_t)b->memory);
    *state = c;
    columns_open++;
    return 0;
}

static void columns_close(void **state)
{
    struct columns *c = *state;

    buf_release(&c->kept);
    MEM_CLEAR(*state);
    columns_open--;
}

static int columns_add(void *state, struct slice record, struct buf *out, struct format_refusal *why)
{
    struct columns *c = state;

    (void)out;
    if (slice_is(record, "three")) {
        why->code = "Format.NoColumn";
        snprintf(why->message, sizeof(why->message), "`%.*s` has no column", (int)record.n, record.p);
        return 0;
    }
    assert_int_equal(buf_add_slice(&c->kept, record), 0);
    c->count++;
    return 1;
}

static int columns_finish(void *state, struct buf *out)
{
    struct columns *c = state;

    return buf_printf(out, "%d%s%.*s", c->count, c->between, (int)c->kept.n, c->kept.p);
}

static const struct format_ops COLUMNS = {.name = "columns",
                                          .extension = "",
                                          .content_type = "application/x-columns",
                                          .no_codec = "it compresses its columns itself",
                                          .begin = columns_begin,
                                          .close = columns_close,
                                          .add = columns_add,
                                          .finish = columns_finish};

static void a_format_collects_refuses_and_finishes(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    b->in.format = &COLUMNS;
    b->in.format_options = " of ";
    b->in.format_memory = 64;
    for (int i = 0; i < 2; i++) { /* the second time it is known who has no place */
        run(b);
        assert_body(b, "4 of onetwofourfive");
        assert_int_equal(b->out.taken, 4);
        assert_int_equal(outcomes_at(&b->outcomes, 2), OUTCOME_REFUSED);
        assert_string_equal(outcomes_reason(&b->outcomes, 2)->code, "Format.NoColumn");
        assert_string_equal(outcomes_reason(&b->outcomes, 2)->message, "`three` has no column");
        assert_int_equal(columns_open, 0);
    }
    b->in.records.window = 1;
    run(b);
    assert_body(b, "1 of one");
    bench_free(&b);
}

static void the_state_of_a_format_that_is_given_up_is_closed(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    b->in.format = &COLUMNS;
    b->cancel.asked = true;
    run_any(b);
    assert_int_equal(b->out.err.code, ERR_CANCELLED);
    assert_int_equal(columns_open, 0);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_records_make_one_body_the_same_each_time),
        cmocka_unit_test(a_window_takes_the_first_pending_records),
        cmocka_unit_test(only_pending_records_are_sent),
        cmocka_unit_test(a_damaged_frame_is_left_out_and_noted),
        cmocka_unit_test(refused_records_become_error_lines),
        cmocka_unit_test(a_refused_record_that_is_damaged_meanwhile_is_lost),
        cmocka_unit_test(a_shaped_body_is_the_same_wherever_it_was_shaped),
        cmocka_unit_test(a_cancelled_body_is_not_made_any_further),
        cmocka_unit_test(a_format_collects_refuses_and_finishes),
        cmocka_unit_test(the_state_of_a_format_that_is_given_up_is_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
