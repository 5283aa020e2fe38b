/* The largest records on their way into bodies: each format with each codec, as a run of the spool and as what a transform made;
 * error lines of them; on a disk that has no room. */
#include "tests/support/cmocka.h"

#include "pipeline/base/base64.h"
#include "pipeline/base/json.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/encoder.h"
#include "pipeline/encode/error_objects.h"
#include "pipeline/encode/worker.h"
#include "transforms/codecs/unpack.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COUNT = 4 };

struct bench {
    char dir[64];
    struct committer *committer;
    struct worker_pool *workers;
    struct spool *spool;
    struct seal seal;
    struct object_source range, parcel;
    struct record_list *list;
    struct outcomes outcomes;
    struct encoder_in in;
    struct encoder_out out;
    struct error_objects_failure failure;
    int rc;
    struct worker_job job;
    sem_t ran;
    struct cancel cancel;
    struct slice records[COUNT];
};

static void add(struct bench *b, struct slice rec)
{
    struct frame *f = rec.n + 1 > FRAME_MAX_BYTES ? frame_new_lone(rec.n, 1, NULL) : frame_new(rec.n + 1, 1, NULL);

    assert_true(frame_add(f, rec));
    assert_int_equal(spool_append(b->spool, &f, NULL), SPOOL_TAKEN);
    committer_barrier(b->committer);
}

/* Two large records among small ones: the largest, which is JSON, and one of which each byte takes six in JSON. */
static struct bench *bench_with(size_t six_fold)
{
    struct bench *b = mem_alloc(sizeof(*b));
    char *json = mem_alloc(RECORD_MAX_BYTES), *bytes = mem_alloc(six_fold);
    struct spool_conf conf = {.stream = "app", .limit = 64 * MIB};
    struct spool_recovery found;
    struct err e;

    memset(json, '7', RECORD_MAX_BYTES);
    memcpy(json, "{\"a\":\"", 6);
    memcpy(json + RECORD_MAX_BYTES - 2, "\"}", 2);
    memset(bytes, 1, six_fold);
    b->records[0] = SLICE("{\"first\":1}");
    b->records[1] = slice_of(json, RECORD_MAX_BYTES);
    b->records[2] = slice_of(bytes, six_fold);
    b->records[3] = SLICE("last\n");
    snprintf(b->dir, sizeof(b->dir), "%s/encode-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(b->dir));
    conf.dir = b->dir;
    if (committer_start(&b->committer, &e) < 0 || worker_pool_start(&b->workers, 1, &b->cancel, &e) < 0 ||
        spool_open(&b->spool, &conf, b->committer, &found, &e) < 0)
        fail_msg("%s", e.msg);
    b->seal = (struct seal){.first = 1, .last = COUNT, .start = spool_cut(spool_reader(b->spool, 0)), .oldest = 1};
    b->list = record_list_new(b->dir, 1, COUNT, 0, 64 * MIB, BODY_MEMORY_MAX);
    for (size_t i = 0; i < COUNT; i++) {
        bool newline = b->records[i].p[b->records[i].n - 1] == '\n';

        add(b, b->records[i]);
        b->seal.bytes += b->records[i].n + (newline ? 0 : 1);
        assert_int_equal(record_list_add(b->list, b->records[i], &(struct record_from){.seq = i + 1, .arrival = 1}, &e),
                         0);
    }
    assert_int_equal(record_list_finish(b->list, &e), 0);
    b->range = object_source_range(b->spool, &b->seal, 0);
    b->parcel = object_source_parcel(&b->range, b->list);
    outcomes_init(&b->outcomes, COUNT);
    b->in = (struct encoder_in){
        .records = {.source = &b->range, .outcomes = &b->outcomes, .window = UINT64_MAX},
        .format = format_find("lines"),
        .codec = codec_find("none"),
        .digests = SINK_SHA256 | SINK_CRC32C,
        .tmp_dir = b->dir,
    };
    sem_init(&b->ran, 0, 0);
    return b;
}

static struct bench *bench_new(void)
{
    return bench_with(FRAME_MAX_BYTES + 7);
}

static void bench_free(struct bench *b)
{
    char command[128];

    encoder_out_release(&b->out);
    record_list_free(&b->list);
    outcomes_release(&b->outcomes);
    worker_pool_stop(&b->workers);
    committer_stop(&b->committer);
    spool_close(&b->spool);
    snprintf(command, sizeof(command), "rm -rf %s", b->dir);
    assert_int_equal(system(command), 0);
    mem_free((void *)(uintptr_t)b->records[1].p);
    mem_free((void *)(uintptr_t)b->records[2].p);
    sem_destroy(&b->ran);
    mem_free(b);
}

static void run_job(struct worker_job *job, struct worker *w)
{
    struct bench *b = CONTAINER_OF(job, struct bench, job);

    b->rc = b->failure.attempts ? error_objects_run(&b->in, &b->failure, w, &b->out) : encoder_run(&b->in, w, &b->out);
    sem_post(&b->ran);
}

static int try(struct bench *b)
{
    encoder_out_release(&b->out);
    b->job.run = run_job;
    worker_submit(b->workers, &b->job);
    sem_wait(&b->ran);
    return b->rc;
}

/* The body, not packed any more; to mem_free(). */
static char *text_of(const struct bench *b, size_t *n)
{
    struct slice rest = {.n = (size_t)body_size(b->out.body)};
    char *body = mem_alloc(rest.n + 1);
    struct unpack *u;
    struct buf out;
    struct err e;

    assert_int_equal(body_read(b->out.body, 0, body, rest.n, &e), (long)rest.n);
    *n = rest.n;
    rest.p = body;
    if (!b->in.codec->undo)
        return body;
    buf_init(&out, 160 * MIB);
    u = unpack_new(rest);
    for (size_t before = SIZE_MAX; rest.n > 0 || before != out.n;) {
        before = out.n;
        assert_int_equal(unpack_step(u, &rest, &out, &e), 0);
    }
    assert_int_equal(unpack_end(u, &e), 0);
    unpack_free(&u);
    mem_free(body);
    *n = out.n;
    return out.p;
}

static void add_in_format(const struct bench *b, const char *format, size_t i, struct buf *want)
{
    struct slice r = b->records[i];
    bool newline = r.p[r.n - 1] == '\n';

    if (strcmp(format, "json_array") == 0) {
        assert_int_equal(buf_add_str(want, i == 0 ? "[" : ","), 0);
        assert_int_equal(i < 2 ? buf_add_slice(want, r) : json_quote(r, want), 0);
        assert_int_equal(i + 1 == COUNT ? buf_add_str(want, "]") : 0, 0);
        return;
    }
    assert_int_equal(buf_add_slice(want, r), 0);
    if (strcmp(format, "lines") == 0 && !newline)
        assert_int_equal(buf_add_char(want, '\n'), 0);
}

static void each_format_and_codec_carries_the_largest_record(void **state)
{
    struct bench *b = bench_new();
    const struct format_ops *format;
    const struct codec_ops *codec;
    struct buf want;

    (void)state;
    buf_init(&want, 160 * MIB);
    for (size_t f = 0; (format = format_at(f)); f++) {
        buf_clear(&want);
        for (size_t i = 0; i < COUNT; i++)
            add_in_format(b, format->name, i, &want);
        for (size_t c = 0; (codec = codec_at(c)); c++)
            for (int made = 0; made < 2; made++) {
                size_t n;
                char *text;

                if (!format_takes_codec(format, codec) ||
                    (made && codec->undo)) /* a codec does not see where they come from */
                    continue;
                b->in.format = format;
                b->in.codec = codec;
                b->in.level = codec->level_min;
                b->in.records.source = made ? &b->parcel : &b->range;
                if (try(b) < 0)
                    fail_msg("%s, %s: %s", format->name, codec->name, b->out.err.msg);
                assert_int_equal(b->out.taken, COUNT);
                text = text_of(b, &n);
                if ((codec->undo || codec->copies) && !slice_eq(slice_of(text, n), buf_slice(&want)))
                    fail_msg("%s, %s: other bytes", format->name, codec->name);
                mem_free(text);
            }
    }
    buf_release(&want);
    bench_free(b);
}

static void control_characters_alone_fill_the_largest_record(void **state)
{
    struct bench *b = bench_with(RECORD_MAX_BYTES);

    (void)state;
    b->in.format = format_find("json_array");
    if (try(b) < 0)
        fail_msg("%s", b->out.err.msg);
    assert_int_equal(b->out.taken, COUNT);
    assert_true(body_size(b->out.body) > 7 * RECORD_MAX_BYTES);
    bench_free(b);
}

static void an_error_line_has_all_of_the_largest_record(void **state)
{
    struct bench *b = bench_new();
    char *data = mem_alloc(base64_encoded_length(RECORD_MAX_BYTES) + BASE64_SLACK), *text;
    size_t n;

    (void)state;
    for (uint64_t i = 0; i < COUNT; i++)
        outcomes_refuse(&b->outcomes, i, &(struct sink_refusal){.code = "413", .message = "too large"});
    b->failure = (struct error_objects_failure){.error_type = "x-failed", .attempts = 1, .ended = 1};
    for (int made = 0; made < 2; made++) {
        b->in.records.source = made ? &b->parcel : &b->range;
        if (try(b) < 0)
            fail_msg("%s", b->out.err.msg);
        assert_int_equal(b->out.taken, COUNT);
        text = text_of(b, &n);
        for (size_t i = 1; i < 3; i++) {
            base64_encode(b->records[i], data);
            assert_non_null(memmem(text, n, data, base64_encoded_length(b->records[i].n)));
        }
        mem_free(text);
    }
    mem_free(data);
    bench_free(b);
}

/* One record at a time, with the memory that an attempt takes for it. */
static void the_largest_record_needs_no_room_on_the_disk(void **state)
{
    struct bench *b = bench_new();

    (void)state;
    b->in.in_memory = true;
    b->in.memory = LONE_BODY_MEMORY_FOR(RECORD_MAX_BYTES);
    b->in.tmp_dir = "/nonexistent";
    b->in.records.window = 1;
    outcomes_set(&b->outcomes, 0, OUTCOME_DELIVERED);
    assert_int_equal(try(b), 0);
    assert_int_equal(body_size(b->out.body), RECORD_MAX_BYTES + 1);
    outcomes_refuse(&b->outcomes, 1, &(struct sink_refusal){.code = "413", .message = "too large"});
    b->failure = (struct error_objects_failure){.error_type = "x-failed", .attempts = 1, .ended = 1};
    assert_int_equal(try(b), 0);
    assert_true(body_size(b->out.body) > base64_encoded_length(RECORD_MAX_BYTES));
    b->in.memory = LONE_BODY_MEMORY_MAX / 8; /* less than it takes: the disk is asked, and has no room */
    assert_int_equal(try(b), -1);
    assert_int_equal(b->out.err.code, ERR_NOSPACE);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_and_codec_carries_the_largest_record),
        cmocka_unit_test(control_characters_alone_fill_the_largest_record),
        cmocka_unit_test(an_error_line_has_all_of_the_largest_record),
        cmocka_unit_test(the_largest_record_needs_no_room_on_the_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
