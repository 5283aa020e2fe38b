/* fuzz_template.c -- prefixes with !{...}, whatever they and the values in them are: what is accepted can be filled in, the same each time,
 * and no value leaves its folder.
 *
 *     p=!{partitionKeyFromQuery:k}/!{timestamp:yyyy}/     the prefix
 *     errors/!{firehose:error-output-type}/               the error prefix of the backup; empty: none
 *     Europe/Berlin                                       the time zone; empty: UTC
 *     17                                                  seconds since 1970
 *     value                                               all the rest: of each key
 */
#include "pipeline/base/key_set.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "sinks/names/object_key.h"
#include "sinks/names/pieces.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char IDENTITY[16] = {1};

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* A line of its own; no NUL can be in a text of the configuration. */
static char *take_line(struct slice *rest)
{
    struct slice line = SLICE("");

    (void)slice_take_line(rest, &line);
    return mem_strndup(line.p, line.n);
}

/* The key's value wherever the text names one. */
static void add_keys(const char *text, struct slice value, struct buf *set)
{
    struct slice rest = slice_str(text);
    struct piece p;
    struct err e;

    while (piece_next("prefix", &rest, &p, &e) > 0)
        if (piece_key(&p) != KEY_NONE && piece_check_key("prefix", &p, &e) == 0)
            check(key_set_add(set, p.value, value) == 0);
}

static int name(const struct object_key *k, struct slice keys, int64_t seconds, const char *error_type, struct buf *out)
{
    struct sink_seal_id id = {
        .first = 1, .last = 9, .oldest = seconds * NSEC_PER_SEC, .keys = keys, .error_type = error_type};
    struct err e;

    buf_clear(out);
    return object_key_render(k, &id, ".gz", out, &e);
}

static size_t slashes(const struct buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += b->p[i] == '/';
    return n;
}

static void check_name(const struct buf *b, const struct buf *plain)
{
    check(b->n > 0 && b->n <= OBJECT_KEY_MAX);
    check(memchr(b->p, '\0', b->n) == NULL && memchr(b->p, '\n', b->n) == NULL);
    check(slashes(b) == slashes(plain)); /* the value is one folder, or a part of one */
}

/* With `value` for each key, and with a harmless one. */
static void fill_in(const struct object_key *k, const char *prefix, struct slice value, int64_t seconds,
                    const char *error_type)
{
    struct buf keys, harmless, got, again, plain;

    buf_init(&keys, 1 << 20);
    buf_init(&harmless, 1 << 20);
    buf_init(&got, OBJECT_KEY_MAX);
    buf_init(&again, OBJECT_KEY_MAX);
    buf_init(&plain, OBJECT_KEY_MAX);
    add_keys(prefix, value, &keys);
    add_keys(prefix, SLICE("v"), &harmless);
    if (name(k, buf_slice(&harmless), seconds, error_type, &plain) == 0 &&
        name(k, buf_slice(&keys), seconds, error_type, &got) == 0) { /* else it would be too long */
        check(name(k, buf_slice(&keys), seconds, error_type, &again) == 0);
        check(slice_eq(buf_slice(&got), buf_slice(&again)));
        check_name(&got, &plain);
    }
    if (keys.n == 0) /* what the configuration alone says has been looked at when it was opened */
        check(plain.n > 0);
    buf_release(&keys);
    buf_release(&harmless);
    buf_release(&got);
    buf_release(&again);
    buf_release(&plain);
}

static void open_and_fill_in(struct object_key_conf *conf, bool backup, struct slice value, int64_t seconds)
{
    const struct sink_env env = {.stream = "app", .identity = IDENTITY, .version = 1, .backup = backup};
    struct object_key *k;
    struct err e = {.msg = ""};

    if (object_key_open(&k, conf, &env, &e) < 0) {
        check(e.msg[0] != '\0');
        return;
    }
    fill_in(k, conf->prefix ? conf->prefix : "", value, seconds, NULL);
    if (backup)
        fill_in(k, conf->prefix ? conf->prefix : "", value, seconds, "processing-failed");
    object_key_free(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of((const char *)data, size);
    char *prefix = take_line(&rest), *errors = take_line(&rest), *zone = take_line(&rest), *time = take_line(&rest);
    long long seconds = strtoll(time, NULL, 10) % 8000000000LL; /* within what nanoseconds can say */
    struct object_key_conf conf = {.prefix = *prefix ? prefix : NULL, .timezone = *zone ? zone : NULL};
    char why[PARTITION_WHY_MAX];

    if (strlen(prefix) <= OBJECT_PREFIX_MAX && strlen(errors) <= OBJECT_PREFIX_MAX) {
        if (partition_value_error(rest, why))
            rest = SLICE("v");
        open_and_fill_in(&conf, false, rest, seconds);
        conf.error_prefix = *errors ? errors : NULL;
        open_and_fill_in(&conf, true, rest, seconds);
    }
    mem_free(prefix);
    mem_free(errors);
    mem_free(zone);
    mem_free(time);
    return 0;
}
