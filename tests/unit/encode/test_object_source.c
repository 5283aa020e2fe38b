/* What a delivery delivers reads alike from the spool and from what a transform made of it: which records, in order, with where each
 * comes from; and what the transform says of a record, its partition keys, is still there. */
#include "tests/support/cmocka.h"

#include "pipeline/base/key_set.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/object_source.h"
#include "pipeline/encode/transform_batch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARRIVAL ((nsec)1783951509 * NSEC_PER_SEC)

static const char *const RECORDS[] = {"alpha", "beta", "gamma", "amber", "blue"};

/* What the input knows of every second one. */
static struct slice facts_of(uint64_t i)
{
    static const char *const FACTS[] = {"", "fact 1", "", "fact 3", ""};

    return slice_str(FACTS[i]);
}

struct bench {
    char dir[64];
    struct committer *committer;
    struct spool *spool;
    struct object_source whole;
    struct buf raw;
};

static void append(struct bench *b, size_t from, size_t count, nsec arrival)
{
    struct frame *f = frame_new(4096, arrival, NULL);

    for (size_t i = from; i < from + count; i++)
        assert_true(frame_add_message(f, &(struct frame_message){.data = slice_str(RECORDS[i]), .facts = facts_of(i)}));
    assert_int_equal(spool_append(b->spool, &f, NULL), SPOOL_TAKEN);
    committer_barrier(b->committer);
}

/* Two frames: alpha beta gamma, amber blue. */
static void bench_init(struct bench *b)
{
    struct spool_recovery found;
    struct spool_conf conf = {.stream = "app", .limit = 16 * MIB, .dir = b->dir};
    struct seal seal = {.bytes = 28, .oldest = ARRIVAL};
    struct err e = {0};

    *b = (struct bench){.dir = "/tmp/source-test-XXXXXX"};
    assert_non_null(mkdtemp(b->dir));
    buf_init(&b->raw, WORKER_RAW_MAX);
    if (committer_start(&b->committer, &e) < 0 || spool_open(&b->spool, &conf, b->committer, &found, &e) < 0)
        fail_msg("%s", e.msg);
    seal.start = spool_cut(spool_reader(b->spool, 0));
    seal.first = seal.start.seq;
    seal.last = seal.first + 4;
    append(b, 0, 3, ARRIVAL);
    append(b, 3, 2, ARRIVAL + NSEC_PER_SEC);
    b->whole = object_source_range(b->spool, &seal, 77);
}

static void bench_release(struct bench *b)
{
    char command[128];

    buf_release(&b->raw);
    committer_stop(&b->committer);
    spool_close(&b->spool);
    snprintf(command, sizeof(command), "rm -rf %s", b->dir);
    assert_int_equal(system(command), 0);
}

/* Turns over a bit of `text` on the disk. */
static void damage(const struct bench *b, const char *text)
{
    DIR *d = opendir(b->dir);
    struct dirent *entry;
    char path[512], bytes[65536], *at;
    ssize_t n;
    int fd;

    while ((entry = readdir(d)) && !strstr(entry->d_name, ".seg"))
        ;
    assert_non_null(entry);
    snprintf(path, sizeof(path), "%s/%s", b->dir, entry->d_name);
    closedir(d);
    fd = open(path, O_RDWR);
    n = pread(fd, bytes, sizeof(bytes), 0);
    assert_true(n > 0);
    at = memmem(bytes, (size_t)n, text, strlen(text));
    assert_non_null(at);
    *at ^= 1;
    assert_int_equal(pwrite(fd, at, 1, at - bytes), 1);
    close(fd);
}

/* One word for each record: "seq.part@seconds:data[keys]", '?' for one that is lost. seq and seconds count from the beginning. */
static void describe(struct bench *b, const struct object_source *s, struct object_reader *r, struct buf *out)
{
    struct err e;
    int got;

    buf_clear(out);
    while ((got = object_reader_next(r, &e)) > 0) {
        struct frame_iter it;
        struct slice data, name, value;

        if (!r->lost)
            it = object_reader_records(r, r->begin);
        for (uint64_t at = r->begin; at < r->end; at++) {
            struct sink_record rec;
            struct slice keys;

            assert_true(at < s->count);
            if (r->lost) {
                assert_int_equal(buf_add_str(out, "? "), 0);
                continue;
            }
            rec = object_reader_record(r, at);
            keys = object_reader_keys(r, at);
            assert_true(frame_next(&it, &data) && rec.epoch == 77);
            assert_true(slice_eq(object_reader_facts(r, &it), facts_of(rec.seq - b->whole.object.first)));
            assert_int_equal(buf_printf(out, "%d.%d@%d:%.*s", (int)(rec.seq - b->whole.object.first), (int)rec.part,
                                        (int)((rec.arrival - ARRIVAL) / NSEC_PER_SEC), (int)data.n, data.p),
                             0);
            while (key_set_next(&keys, &name, &value))
                assert_int_equal(buf_printf(out, "[%.*s=%.*s]", (int)name.n, name.p, (int)value.n, value.p), 0);
            assert_int_equal(buf_add_char(out, ' '), 0);
        }
    }
    assert_int_equal(got, 0);
}

/* Read twice, the second time after going back in the middle. */
static void assert_reads(struct bench *b, const struct object_source *s, const char *want)
{
    struct object_reader r;
    struct buf text;
    struct err e;

    buf_init(&text, 4096);
    object_reader_open(&r, s, &b->raw, NULL);
    describe(b, s, &r, &text);
    assert_string_equal(buf_cstr(&text), want);
    object_reader_rewind(&r);
    assert_int_equal(object_reader_next(&r, &e), s->count > 0);
    object_reader_rewind(&r);
    describe(b, s, &r, &text);
    assert_string_equal(buf_cstr(&text), want);
    object_reader_close(&r);
    buf_release(&text);
}

static void a_range_is_what_stands_in_the_spool(void **state)
{
    struct object_source part;
    struct sink_seal_id id;
    struct bench b;

    (void)state;
    bench_init(&b);
    assert_int_equal(b.whole.count, 5);
    assert_true(b.whole.exact && b.whole.bytes == 28);
    assert_reads(&b, &b.whole, "0.0@0:alpha 1.0@0:beta 2.0@0:gamma 3.0@1:amber 4.0@1:blue ");
    id = object_id(&b.whole.object, 9);
    assert_true(id.first == b.whole.object.first && id.last == b.whole.object.last && id.oldest == ARRIVAL);
    assert_true(id.epoch == 77 && id.window == 9 && id.keys.n == 0 && !id.error_type);

    part = object_source_part(&b.whole, b.whole.object.first + 2, b.whole.object.first + 3);
    assert_true(part.count == 2 && !part.exact && part.bytes == 28 / 5 * 2);
    assert_reads(&b, &part, "2.0@0:gamma 3.0@1:amber ");
    part = object_source_part(&b.whole, b.whole.object.first + 4, b.whole.object.first + 4);
    assert_reads(&b, &part, "4.0@1:blue ");
    part = object_source_part(&b.whole, b.whole.object.first, b.whole.object.last);
    assert_true(part.exact && part.bytes == 28);
    bench_release(&b);
}

static void what_is_damaged_is_shown_as_lost(void **state)
{
    struct object_source part;
    struct bench b;

    (void)state;
    bench_init(&b);
    damage(&b, "beta");
    assert_reads(&b, &b.whole, "? ? ? 3.0@1:amber 4.0@1:blue ");
    part = object_source_part(&b.whole, b.whole.object.first + 1, b.whole.object.first + 3);
    assert_reads(&b, &part, "? ? 3.0@1:amber ");
    bench_release(&b);
}

static void a_reader_stops_when_it_is_cancelled(void **state)
{
    struct cancel cancel = {.asked = true};
    struct object_reader r;
    struct bench b;
    struct err e;

    (void)state;
    bench_init(&b);
    object_reader_open(&r, &b.whole, &b.raw, &cancel);
    assert_int_equal(object_reader_next(&r, &e), -1);
    assert_int_equal(e.code, ERR_CANCELLED);
    object_reader_close(&r);
    bench_release(&b);
}

/* --- a transform -------------------------------------------------------------------------------------------------- */

static int fake_load(void **shared, const void *conf, const struct transform_env *env, struct err *e)
{
    (void)env, (void)e;
    *shared = (void *)(uintptr_t)conf;
    return 0;
}

static void fake_unload(void **shared)
{
    *shared = NULL;
}

static bool fake_is_single(const void *shared)
{
    (void)shared;
    return false;
}

static int fake_open(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    (void)cancel, (void)e;
    *state = shared;
    return 0;
}

static void fake_close(void **state)
{
    *state = NULL;
}

static int fake_begin(void *state, struct err *e)
{
    (void)state, (void)e;
    return 0;
}

/* Each record twice, with its first letter as a key, or always the same key; but gamma is dropped. */
static int fake_run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                    struct err *e)
{
    const bool *same = state;

    (void)e;
    for (size_t i = 0; i < count; i++) {
        struct slice first = slice_of(records[i].data.p, 1);
        const struct transform_key keys[] = {{SLICE("k"), *same ? SLICE("x") : first}, {SLICE("a"), SLICE("1")}};

        if (slice_is(records[i].data, "gamma"))
            out->drop(out, &records[i], slice_of(NULL, 0));
        else if (out->emit(out, &records[i], records[i].data, keys, 2) < 0 ||
                 out->emit(out, &records[i], SLICE("+"), *same ? keys : NULL, *same ? 2 : 0) < 0)
            return -1;
    }
    return 0;
}

static int fake_end(void *state, struct transform_out *out, struct err *e)
{
    (void)state, (void)out, (void)e;
    return 0;
}

static const struct transform_ops FAKE = {.name = "fake",
                                          .load = fake_load,
                                          .unload = fake_unload,
                                          .is_single = fake_is_single,
                                          .open = fake_open,
                                          .close = fake_close,
                                          .begin = fake_begin,
                                          .run = fake_run,
                                          .end = fake_end};

struct job {
    struct worker_job job;
    struct transform_batch batch;
    int rc;
};

static void run_batch(struct worker_job *j, struct worker *w)
{
    struct job *job = CONTAINER_OF(j, struct job, job);

    job->rc = transform_batch_run(&job->batch, w);
}

static void transform_and_check(bool same, const char *want, struct slice want_keys)
{
    char name[] = "app";
    struct transform_settings one = {.ops = &FAKE, .conf = &same};
    struct stream_settings conf = {.name = name, .transforms = &one, .transform_count = 1};
    struct source_outcomes outcomes;
    struct job job = {.job.run = run_batch};
    struct object_source parcel;
    struct worker_pool *workers;
    struct bench b;
    struct err e = {0};

    bench_init(&b);
    outcomes_source_init(&outcomes, b.whole.object.first, b.whole.count);
    assert_int_equal(worker_pool_start(&workers, 1, NULL, &e), 0);
    assert_int_equal(transform_instances_open(&job.batch.line, &conf, ".", &e), 0);
    job.batch.source = &b.whole;
    job.batch.sources = &outcomes;
    job.batch.stream = "app";
    job.batch.tmp_dir = b.dir;
    worker_submit(workers, &job.job);
    worker_pool_stop(&workers);
    assert_int_equal(job.rc, 0);
    parcel = object_source_parcel(&b.whole, job.batch.list);
    assert_int_equal(parcel.count, 8);
    assert_true(parcel.object.first == b.whole.object.first && parcel.object.last == b.whole.object.last);
    assert_true(slice_eq(parcel.object.keys, want_keys) && slice_eq(object_id(&parcel.object, 0).keys, want_keys));
    assert_reads(&b, &parcel, want);
    transform_batch_release(&job.batch);
    transform_instances_close(&job.batch.line);
    outcomes_source_release(&outcomes);
    bench_release(&b);
}

static void a_parcel_keeps_what_the_transform_says_of_each_record(void **state)
{
    (void)state;
    transform_and_check(false,
                        "0.0@0:alpha[a=1][k=a] 0.1@0:+ 1.0@0:beta[a=1][k=b] 1.1@0:+ 3.0@1:amber[a=1][k=a] 3.1@1:+ "
                        "4.0@1:blue[a=1][k=b] 4.1@1:+ ",
                        slice_of(NULL, 0));
}

static void keys_that_all_records_share_are_the_objects(void **state)
{
    (void)state;
    transform_and_check(true,
                        "0.0@0:alpha[a=1][k=x] 0.1@0:+[a=1][k=x] 1.0@0:beta[a=1][k=x] 1.1@0:+[a=1][k=x] "
                        "3.0@1:amber[a=1][k=x] 3.1@1:+[a=1][k=x] 4.0@1:blue[a=1][k=x] 4.1@1:+[a=1][k=x] ",
                        slice_of("a\0001\0k\0x\0", 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_what_stands_in_the_spool),
        cmocka_unit_test(what_is_damaged_is_shown_as_lost),
        cmocka_unit_test(a_reader_stops_when_it_is_cancelled),
        cmocka_unit_test(a_parcel_keeps_what_the_transform_says_of_each_record),
        cmocka_unit_test(keys_that_all_records_share_are_the_objects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
