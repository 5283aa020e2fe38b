/* Bodies with a greatest size: whatever the codec, the format and the records are, none but one of a single record is larger; all records come
 * in order; and the same records make the same bodies again. */
#include "tests/support/cmocka.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/encoder.h"
#include "pipeline/encode/worker.h"

#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAMES    4
#define PER_FRAME 40

struct bench {
    char dir[64];
    struct committer *committer;
    struct worker_pool *workers;
    struct spool *spool;
    struct object_source source;
    struct outcomes outcomes;
    struct encoder_in in;
    struct encoder_out out;
    int rc;
    struct worker_job job;
    sem_t ran;
    struct cancel cancel;
    uint64_t random;
};

static uint64_t next_random(struct bench *b)
{
    b->random = b->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return b->random >> 33;
}

enum text { TEXT_REPEATS, TEXT_RANDOM, TEXT_REPEATS_THEN_RANDOM, TEXT_BY_TURNS };

static void make_record(struct bench *b, enum text text, int frame, int record, char out[256])
{
    bool random = text == TEXT_RANDOM || (text == TEXT_REPEATS_THEN_RANDOM && frame >= FRAMES / 2) ||
                  (text == TEXT_BY_TURNS && record % 2);
    size_t n = 20 + next_random(b) % 200;

    for (size_t i = 0; i < n; i++)
        out[i] = random ? (char)(33 + next_random(b) % 94) : "a line of a log "[i % 16];
    out[n] = '\0';
}

static struct bench *bench_new(enum text text)
{
    struct bench *b = mem_alloc(sizeof(*b));
    struct spool_conf conf = {.stream = "app", .limit = 64 * MIB};
    struct spool_recovery found;
    struct seal seal;
    struct err e = {0};

    b->random = 1;
    snprintf(b->dir, sizeof(b->dir), "/tmp/body-max-test-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    conf.dir = b->dir;
    if (committer_start(&b->committer, &e) < 0 || worker_pool_start(&b->workers, 1, &b->cancel, &e) < 0 ||
        spool_open(&b->spool, &conf, b->committer, &found, &e) < 0)
        fail_msg("%s", e.msg);
    seal = (struct seal){.start = spool_cut(spool_reader(b->spool, 0)), .oldest = 1};
    for (int frame = 0; frame < FRAMES; frame++) {
        struct frame *f = frame_new(256 * PER_FRAME, 1, NULL);

        for (int i = 0; i < PER_FRAME; i++) {
            char record[256];

            make_record(b, text, frame, i, record);
            assert_true(frame_add(f, slice_str(record)));
            seal.bytes += strlen(record) + 1;
        }
        assert_int_equal(spool_append(b->spool, &f, NULL), SPOOL_TAKEN);
    }
    committer_barrier(b->committer);
    seal.first = seal.start.seq;
    seal.last = seal.first + FRAMES * PER_FRAME - 1;
    b->source = object_source_range(b->spool, &seal, 0);
    b->in = (struct encoder_in){.records = {.source = &b->source, .outcomes = &b->outcomes, .window = UINT64_MAX},
                                .tmp_dir = b->dir};
    sem_init(&b->ran, 0, 0);
    return b;
}

static void bench_free(struct bench **bp)
{
    struct bench *b = *bp;
    char command[128];

    encoder_out_release(&b->out);
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

    b->rc = encoder_run(&b->in, w, &b->out);
    sem_post(&b->ran);
}

static void run(struct bench *b)
{
    encoder_out_release(&b->out);
    b->job.run = run_encoder;
    worker_submit(b->workers, &b->job);
    sem_wait(&b->ran);
    if (b->rc < 0)
        fail_msg("%s", b->out.err.msg);
}

/* All bodies, one behind the other. How many; *sum says what they are. */
static unsigned deliver_all(struct bench *b, const char *what, uint32_t *sum)
{
    uint64_t at = 0;
    unsigned bodies = 0;

    *sum = 0;
    outcomes_init(&b->outcomes, FRAMES * PER_FRAME);
    while (b->outcomes.pending > 0) {
        run(b);
        if (b->out.taken == 0)
            fail_msg("%s: a body without records", what);
        if (b->in.body_max && b->out.taken > 1 && body_size(b->out.body) > b->in.body_max)
            fail_msg("%s: %llu records in %llu bytes", what, (unsigned long long)b->out.taken,
                     (unsigned long long)body_size(b->out.body));
        assert_int_equal(b->out.id.window, encoder_window(at, at + b->out.taken - 1, FRAMES * PER_FRAME));
        for (uint64_t i = 0; i < b->out.taken; i++)
            outcomes_set(&b->outcomes, at++, OUTCOME_DELIVERED);
        *sum = *sum * 31 + b->out.digests.crc32c;
        bodies++;
    }
    outcomes_release(&b->outcomes);
    return bodies;
}

static void check_codec(struct bench *b, const struct codec_ops *codec, int level)
{
    static const uint64_t sizes[] = {400, 3 * KIB, 10 * KIB, 1 * MIB};
    uint32_t sum, again;
    unsigned bodies, before = UINT_MAX;
    char what[64];

    b->in.codec = codec;
    b->in.level = level;
    b->in.digests = SINK_CRC32C;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        snprintf(what, sizeof(what), "%s %d, at most %llu", codec->name, level, (unsigned long long)sizes[i]);
        b->in.body_max = sizes[i];
        bodies = deliver_all(b, what, &sum);
        if (bodies > before)
            fail_msg("%s: %u bodies, and %u of a smaller size", what, bodies, before);
        before = bodies;
        assert_int_equal(deliver_all(b, what, &again), bodies);
        assert_int_equal(again, sum);
    }
    assert_int_equal(before, 1);
}

static void check(enum text text, const char *format)
{
    struct bench *b = bench_new(text);
    const struct codec_ops *codec;

    b->in.format = format_find(format);
    for (size_t i = 0; (codec = codec_at(i)); i++) {
        check_codec(b, codec, codec->level_default);
        if (codec->level_max >= 6)
            check_codec(b, codec, 6);
    }
    bench_free(&b);
}

static void of_records_that_repeat(void **state)
{
    (void)state;
    check(TEXT_REPEATS, "lines");
}

static void of_records_that_cannot_be_compressed(void **state)
{
    (void)state;
    check(TEXT_RANDOM, "lines");
}

static void of_records_that_suddenly_weigh_more(void **state)
{
    (void)state;
    check(TEXT_REPEATS_THEN_RANDOM, "lines");
}

static void of_both_kinds_by_turns_as_json(void **state)
{
    (void)state;
    check(TEXT_BY_TURNS, "json_array");
}

/* A body ends where it is nearly full, not by trial: it is no smaller than half of the size, but for the last one. */
static void bodies_are_not_smaller_than_they_need_be(void **state)
{
    struct bench *b = bench_new(TEXT_RANDOM);
    uint64_t at = 0;

    (void)state;
    b->in.format = format_find("lines");
    b->in.codec = codec_find("none");
    b->in.body_max = 6 * KIB;
    outcomes_init(&b->outcomes, FRAMES * PER_FRAME);
    for (run(b); b->out.taken < b->outcomes.pending; run(b)) {
        assert_in_range(body_size(b->out.body), 3 * KIB, 6 * KIB);
        for (uint64_t i = 0; i < b->out.taken; i++)
            outcomes_set(&b->outcomes, at++, OUTCOME_DELIVERED);
    }
    outcomes_release(&b->outcomes);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_records_that_repeat),
        cmocka_unit_test(of_records_that_cannot_be_compressed),
        cmocka_unit_test(of_records_that_suddenly_weigh_more),
        cmocka_unit_test(of_both_kinds_by_turns_as_json),
        cmocka_unit_test(bodies_are_not_smaller_than_they_need_be),
    };

    return cmocka_run_group_tests_name("body_max", tests, NULL, NULL);
}
