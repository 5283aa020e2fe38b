/* fuzz_partition.c -- the keys of a record, whatever it is: it goes on with all of them, each as a key may be, or it fails with Firehose's code and
 * a reason; a plain path and the same query by libjq agree. The input is the record.
 */
#include "pipeline/base/key_set.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/partition/partition.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* A program of libjq stays open from one input to the next, and holds its stack by a pointer behind it. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libjq";
}

#ifdef HAVE_LIBJQ
#define QUERY ".a | ."
#else
#define QUERY ".a"
#endif

static char text[][32] = {"plain",  ".a", "jq",      QUERY, "deep",   ".b.c[-1] // 7",
                          "either", ".d", "unknown", "e.f", "rfc3339"};

enum { STRICT, LENIENT, CONFS };

/* STRICT fails where something is missing; LENIENT has a default for each key. */
static struct partition_conf conf[CONFS] = {
    [STRICT] = {.key = {{.name = text[0], .query = text[1], .uses = 1}, {.name = text[2], .query = text[3], .uses = 2}},
                .count = 2,
                .room = 400,
                .form = PARTITION_FOLDER,
                .time_field = text[9],
                .time_format = text[10],
                .time_must = true,
                .unit = TIME_HOUR},
    [LENIENT] = {.key = {{.name = text[4], .query = text[5], .default_value = text[8]},
                         {.name = text[6], .query = text[7], .default_value = text[8]}},
                 .count = 2,
                 .time_field = text[9],
                 .time_format = text[10],
                 .unit = TIME_DAY},
};
static void *shared[CONFS], *state[CONFS];

struct outcome {
    struct transform_out out;
    const struct partition_conf *conf;
    struct slice data;
    unsigned emitted, failed;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_time(const struct transform_key *k)
{
    char digits[32] = {0};
    long long seconds;

    check(slice_is(k->name, PARTITION_TIME_NAME) && k->value.n < sizeof(digits));
    memcpy(digits, k->value.p, k->value.n);
    seconds = strtoll(digits, NULL, 10);
    check(seconds >= RECORD_TIME_MIN - 366 * 86400 && seconds <= RECORD_TIME_MAX);
}

static int emit(struct transform_out *o, const struct transform_record *from, struct slice data,
                const struct transform_key *keys, size_t key_count)
{
    struct outcome *out = (struct outcome *)o;
    char why[PARTITION_WHY_MAX];

    (void)from;
    out->emitted++;
    check(slice_eq(data, out->data));
    check(key_count == out->conf->count + 1);
    for (size_t i = 0; i < out->conf->count; i++) {
        check(slice_is(keys[i].name, out->conf->key[i].name));
        check(!partition_value_error(keys[i].value, why));
    }
    check_time(&keys[key_count - 1]);
    if (out->conf == &conf[STRICT])
        check(slice_eq(keys[0].value, keys[1].value));
    return 0;
}

static int fail(struct transform_out *o, const struct transform_record *from, const char *code, struct slice message,
                struct slice shown)
{
    struct outcome *out = (struct outcome *)o;

    (void)from;
    out->failed++;
    check(strcmp(code, PARTITION_FAILED_CODE) == 0 && message.n > 0 && shown.n > 0);
    for (size_t i = 0; i < shown.n; i++)
        check(shown.p[i] >= ' ' && shown.p[i] < 0x7f);
    return 0;
}

static void run(unsigned which, struct slice record)
{
    struct outcome out = {.out = {.emit = emit, .fail = fail}, .conf = &conf[which], .data = record};
    const struct transform_record r = {.data = record, .arrival = 17 * NSEC_PER_SEC};
    struct err e;

    check(transform_partition.run(state[which], &r, 1, &out.out, &e) == 0);
    check(out.emitted + out.failed == 1);
    check(which == STRICT || out.emitted == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct transform_env env = {.stream = "app", .base_dir = "/"};
    struct err e;

    for (unsigned i = 0; i < CONFS; i++) {
        if (!state[i])
            check(transform_partition.load(&shared[i], &conf[i], &env, &e) == 0 &&
                  transform_partition.open(&state[i], shared[i], NULL, &e) == 0);
        run(i, slice_of((const char *)data, size));
    }
    return 0;
}
