/* A partitioned stream between sinks that keep what they get: whatever was put in, in whichever order things happened, over however many runs,
 * each record is in one object of its own key, in order, or in the backup, or dropped; and the books say so. */
#include "tests/unit/delivery/store_rig.h"

#include "pipeline/spool/inspect.h"
#include "transforms/partition/partition.h"
#include "transforms/transform.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>

/* As an HTTP endpoint: what it gets has no name. */
static const struct sink_ops NAMELESS = {
    .name = "nameless",
    .fields = fake_fields,
    .conf_size = sizeof(struct store *),
    .error_prefix = "nameless-failed",
    .metric = "nameless",
    .open = store_open,
    .close = fake_close,
    .send = store_send,
    .describe = store_describe,
};

/* --- a transform that sets keys -------------------------------------------------------------------------------------- */

/* `ab 17` becomes `a 17` and `b 17`, each with the key that is its letter; `- 17` is dropped, `~ 17` is unwanted, `! 17` fails, `? 17` fails because there is no key;
 * what has no letter has no key, and needs none. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* whoever has it holds the transforms up */
static atomic_uint at_gate;                              /* how many have come there */

static int keys_run(void *state, const struct transform_record *records, size_t count, struct transform_out *out,
                    struct err *e)
{
    (void)state, (void)e;
    atomic_fetch_add(&at_gate, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    for (size_t i = 0; i < count; i++) {
        const struct transform_record *r = &records[i];
        const char *number = memchr(r->data.p, ' ', r->data.n);
        size_t letters = (size_t)(number - r->data.p);

        if (r->data.p[0] == '-' || r->data.p[0] == '~') {
            out->unwanted = r->data.p[0] == '~';
            out->drop(out, r, SLICE("told so"));
        } else if (r->data.p[0] == '!') {
            if ((out->fail)(out, r, "Test.Failed", r->data, SLICE("told so")) < 0)
                return -1;
        } else if (r->data.p[0] == '?') {
            if ((out->fail)(out, r, PARTITION_FAILED_CODE, r->data, SLICE("no key")) < 0)
                return -1;
        } else {
            for (size_t k = 0; k < letters || k == 0; k++) {
                struct transform_key key = {SLICE("k"), slice_of(r->data.p + k, 1)};
                char made[64];
                int n = snprintf(made, sizeof(made), "%.*s%.*s", letters ? 1 : 0, key.value.p,
                                 (int)(r->data.n - letters), number);

                if (out->emit(out, r, slice_of(made, (size_t)n), &key, letters ? 1 : 0) < 0)
                    return -1;
            }
        }
    }
    return 0;
}

static int keys_load(void **shared, const void *conf, const struct transform_env *env, struct err *e)
{
    (void)conf, (void)env, (void)e;
    *shared = mem_alloc(1);
    return 0;
}

static int keys_open(void **state, void *shared, const struct cancel *cancel, struct err *e)
{
    (void)shared, (void)cancel, (void)e;
    *state = mem_alloc(1);
    return 0;
}

static void keys_close(void **state)
{
    mem_free(*state);
    *state = NULL;
}

static nsec time_for_a_batch;

static nsec keys_batch_time(const void *shared)
{
    (void)shared;
    return time_for_a_batch;
}

static const struct transform_ops KEYS = {.name = "keys",
                                          .fields = fake_fields,
                                          .load = keys_load,
                                          .batch_time = keys_batch_time,
                                          .open = keys_open,
                                          .close = keys_close,
                                          .run = keys_run};

/* --- the bench ------------------------------------------------------------------------------------------------------- */

enum { NUMBERS_MAX = 4000 };

struct bench {
    struct rig *r;
    struct store *destination, *backup;
    struct transform_settings transform;
    struct stream_settings replaced[4];
    uint64_t random;
    struct {
        char letters[4];
    } put[NUMBERS_MAX];
    unsigned numbers;
    bool mixes;     /* it is not always partitioned: objects may have records of several keys */
    bool overtakes; /* deliveries may end in another order than they began in */
};

static unsigned pick(struct bench *b, unsigned n)
{
    b->random = b->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(b->random >> 33) % n;
}

static struct bench *bench_new(uint64_t seed)
{
    struct bench *b = mem_alloc(sizeof(*b));

    store_disk_works();
    b->r = rig_new(&STORE, &STORE);
    b->destination = new_store();
    b->backup = new_store();
    b->r->conf.sink_conf = &b->destination;
    b->r->conf.backup_conf = &b->backup;
    b->transform = (struct transform_settings){.ops = &KEYS};
    b->r->conf.transforms = &b->transform;
    b->r->conf.transform_count = 1;
    b->r->files = &files;
    b->r->conf.partitioned = true;
    b->r->conf.max_partitions = 500;
    b->r->conf.buffer_interval = INT64_MAX / 2; /* whatever the clock says */
    b->random = seed * 7919 + 17;
    return b;
}

static void bench_free(struct bench *b)
{
    rig_free(&b->r);
    free_store(b->destination);
    free_store(b->backup);
    mem_free(b);
}

static void put(struct bench *b, const char *letters)
{
    char text[32];
    const char *records[] = {text};

    assert_in_range(b->numbers, 0, NUMBERS_MAX - 1);
    snprintf(b->put[b->numbers].letters, sizeof(b->put[0].letters), "%s", letters);
    snprintf(text, sizeof(text), "%s %u", letters, b->numbers++);
    rig_put(b->r, records, 1);
}

/* --- what must be ---------------------------------------------------------------------------------------------------- */

static bool fails_in_transform(const char *letters)
{
    return letters[0] == '!' || letters[0] == '?';
}

static bool is_for_nobody(const char *letters)
{
    return letters[0] == '-' || letters[0] == '~' || fails_in_transform(letters);
}

static uint64_t count_put(const struct bench *b, const char *first)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < b->numbers; i++)
        n += b->put[i].letters[0] && strchr(first, b->put[i].letters[0]) != NULL;
    return n;
}

/* How often the line `letter number` is there; and that of each letter numbers only grow. */
static void check_objects(struct bench *b)
{
    static unsigned char seen[256][NUMBERS_MAX];
    long last[256];

    memset(seen, 0, sizeof(seen));
    for (size_t i = 0; i < 256; i++)
        last[i] = -1;
    for (size_t i = 0; i < b->destination->count; i++) {
        const struct object_kept *o = &b->destination->objects[i];
        struct slice rest = slice_str(o->body), line;

        for (size_t c = 0; b->overtakes && c < 256; c++)
            last[c] = -1;
        while (slice_take_line(&rest, &line)) {
            unsigned char letter = line.p[0] == ' ' ? 0 : (unsigned char)line.p[0];
            long number = strtol(strchr(line.p, ' '), NULL, 10);

            if (!b->mixes && (letter ? o->key[0] != (char)letter : o->key[0] != '\0'))
                fail_msg("%.*s is in the object of key %s", (int)line.n, line.p, o->key);
            assert_in_range(number, 0, b->numbers - 1);
            if (number < last[letter])
                fail_msg("%.*s is behind %ld", (int)line.n, line.p, last[letter]);
            last[letter] = number;
            seen[letter][number]++;
        }
    }
    for (unsigned i = 0; i < b->numbers; i++) {
        const char *l = b->put[i].letters;
        unsigned found = 0;

        for (size_t c = 0; c < 256; c++)
            found += seen[c][i];
        if (is_for_nobody(l)) {
            assert_int_equal(found, 0);
            continue;
        }
        if (found != (l[0] ? strlen(l) : 1))
            fail_msg("record %u (%s) was delivered %u times", i, l, found);
        for (const char *c = l; *c; c++)
            assert_true(seen[(unsigned char)*c][i] >= 1);
    }
}

static void check_backup(struct bench *b)
{
    static unsigned char failed[NUMBERS_MAX], source[NUMBERS_MAX];

    memset(failed, 0, sizeof(failed));
    memset(source, 0, sizeof(source));
    for (size_t i = 0; i < b->backup->count; i++) {
        const struct object_kept *o = &b->backup->objects[i];
        struct slice rest = slice_str(o->body), line;

        while (slice_take_line(&rest, &line)) {
            const char *said =
                o->error ? strstr(line.p, "\"errorMessage\":\"") + strlen("\"errorMessage\":\"") : line.p;
            const char *digits = strpbrk(said, " ");

            if (o->error && !b->mixes) /* those without a key are apart where it is staged */
                assert_int_equal(strstr(o->name, "-error-unkeyed") != NULL, said[0] == '?');
            (o->error ? failed : source)[strtol(digits, NULL, 10)]++;
        }
    }
    for (unsigned i = 0; i < b->numbers; i++) {
        if (failed[i] != fails_in_transform(b->put[i].letters))
            fail_msg("record %u (%s): %u lines in the backup", i, b->put[i].letters, failed[i]);
        assert_true(source[i] <= 1);
    }
}

static void check_balance(struct rig *r)
{
    struct spool_books k;

    spool_books(spool_reader(r->stream->spool, 0), &k);
    assert_int_equal(k.incoming, k.delivered + k.dropped + k.unwanted + k.backed_up + k.corrupt + k.spooled);
    assert_int_equal(k.corrupt, 0);
}

static void check_books(struct bench *b)
{
    struct spool_books k;

    check_balance(b->r);
    spool_books(spool_reader(b->r->stream->spool, 0), &k);
    assert_int_equal(k.incoming, b->numbers);
    assert_int_equal(k.spooled, 0);
    assert_int_equal(k.dropped, count_put(b, "-"));
    assert_int_equal(k.unwanted, count_put(b, "~"));
    assert_int_equal(k.backed_up, count_put(b, "!?"));
}

/* The files that are there. */
static unsigned staged_files(const struct bench *b, char path[256])
{
    char dir[160];
    DIR *d;
    const struct dirent *entry;
    unsigned n = 0;

    snprintf(dir, sizeof(dir), "%s/streams/app/staging", b->r->data_dir);
    d = opendir(dir);
    while (d && (entry = readdir(d)))
        if (entry->d_name[0] != '.') {
            n++;
            snprintf(path, 256, "%s/%s", dir, entry->d_name);
        }
    if (d)
        closedir(d);
    return n;
}

/* What a crash may leave behind what the journal knows. */
static void litter(struct bench *b)
{
    char path[256], command[400];

    if (staged_files(b, path) == 0)
        return;
    snprintf(command, sizeof(command),
             "cd %s/streams/app/staging && for f in *; do printf 'half a block' >> $f; done; "
             "echo x > 00000000000000999999.parcel; echo y > else",
             b->r->data_dir);
    assert_int_equal(system(command), 0);
}

/* --- the cases ------------------------------------------------------------------------------------------------------- */

static void each_key_has_an_object_of_its_own(void **state)
{
    struct bench *b = bench_new(1);
    char path[256];

    (void)state;
    rig_start(b->r);
    for (int i = 0; i < 5; i++) {
        put(b, "a");
        put(b, "b");
        put(b, "ab");
        put(b, "aa");
        put(b, "");
        put(b, "-");
        put(b, "!");
    }
    rig_drain(b->r);
    check_objects(b);
    check_backup(b);
    check_books(b);
    assert_int_equal(b->destination->count, 3);
    assert_int_equal(b->backup->count, 1);
    assert_string_equal(b->backup->objects[0].error ? "error" : "", "error");
    assert_int_equal(staged_files(b, path), 0);
    rig_stop(b->r);
    bench_free(b);
}

/* All of them gather in one object that is delivered by the second run. */
static void a_restart_goes_on_with_open_parcels(void **state)
{
    struct bench *b = bench_new(2);
    struct spool_books k;
    char path[256];

    (void)state;
    for (int run = 0; run < 3; run++) {
        time_t end = time(NULL) + WAIT_S;

        rig_start(b->r);
        stream_flush(b->r->stream); /* pieces do not wait */
        for (int i = 0; i < 5; i++)
            put(b, "a");
        do {
            usleep(1000);
            spool_books(spool_reader(b->r->stream->spool, 0), &k);
            assert_true(time(NULL) < end);
        } while (k.delivered < (uint64_t)(run + 1) * 5);
        if (run == 2)
            rig_drain(b->r);
        rig_stop(b->r);
    }
    assert_int_equal(staged_files(b, path), 0);
    bench_free(b);
}

static struct parcel wait_for_parcel(const struct bench *b, size_t index)
{
    time_t end = time(NULL) + WAIT_S;
    struct parcel p;

    while (!staged_parcel(b->r->stream->outlets[0].reader, index, &p)) {
        usleep(1000);
        assert_true(time(NULL) < end);
    }
    return p;
}

static uint64_t partition_rate(const struct bench *b)
{
    struct stream_status status;

    stream_status(b->r->stream, 0, clock_wall(), &status);
    stream_status_release(&status);
    return status.partition_rate;
}

/* How long it gathered before is not known: what it has would count as if all of it had come since the start. */
static void what_an_earlier_run_gathered_is_no_throughput_of_this_one(void **state)
{
    struct bench *b = bench_new(19);

    (void)state;
    rig_start(b->r);
    put(b, "a");
    (void)wait_for_parcel(b, 0);
    rig_stop(b->r);
    rig_start(b->r);
    rig_drain(b->r);
    assert_int_equal(b->destination->count, 1);
    assert_int_equal(partition_rate(b), 0);
    put(b, "a");
    rig_drain(b->r);
    assert_int_equal(b->destination->count, 2);
    assert_true(partition_rate(b) > 0);
    rig_stop(b->r);
    bench_free(b);
}

static void more_keys_than_there_may_be_are_delivered_early(void **state)
{
    struct bench *b = bench_new(3);

    (void)state;
    b->r->conf.max_partitions = 3;
    rig_start(b->r);
    for (int i = 0; i < 40; i++) {
        char letters[2] = {(char)('a' + i % 8), '\0'};

        put(b, letters);
    }
    rig_drain(b->r);
    check_objects(b);
    check_books(b);
    assert_true(metrics_get(&b->r->stream->outlets[0].metrics, METRIC_PARTITION_COUNT_EXCEEDED) > 0);
    assert_true(b->destination->count > 8);
    rig_stop(b->r);
    bench_free(b);
}

/* What it costs for each key is shared by more records, but not for the price of a long wait, or of a full spool. */
static void a_piece_grows_with_its_keys(void **state)
{
    enum { MANY_KEYS = STAGE_PIECE_BYTES_MAX / STAGE_PIECE_KEY_BYTES };
    struct stream_settings conf = {.partitioned = true, .spool_limit = 64 * STAGE_PIECE_BYTES_MAX};
    struct generation g = {.conf = &conf};
    struct stage stage = {.open = {0}};
    struct staging s = {.stage = &stage, .timely = UINT64_MAX, .timely_for = &g.host};

    (void)state;
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES);
    stage.open[STAGE_RECORDS] = MANY_KEYS - 1;
    assert_int_equal(staging_batch_bytes(&s, &g), (MANY_KEYS - 1) * STAGE_PIECE_KEY_BYTES);
    stage.open[STAGE_RECORDS] = 10 * MANY_KEYS;
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES_MAX);
    s.timely = STAGE_PIECE_BYTES_MAX - 1;
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES_MAX - 1);
    s.timely = 1;
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES);
    s.timely = UINT64_MAX;
    conf.spool_limit = (uint64_t)STAGE_PIECE_OF_SPOOL / 4 * 3 * STAGE_PIECE_BYTES_MAX;
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES_MAX / 4 * 3);
    conf.spool_limit = 1;
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES);
    conf.spool_limit = 64 * STAGE_PIECE_BYTES_MAX;
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES_MAX);
    g.host.holds = true;
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES);
    g.host.holds = false;
    s.timely_for = NULL; /* nobody knows how long it takes: at the start, or with other scripts */
    assert_int_equal(staging_batch_bytes(&s, &g), STAGE_PIECE_BYTES);
}

/* Behind it the rest of the batch would fail. */
static void no_piece_comes_near_the_time_for_a_batch(void **state)
{
    struct bench *b = bench_new(19);
    const struct staging *s;

    (void)state;
    time_for_a_batch = STAGE_PIECE_TIME_PART; /* so there is a nanosecond for a piece */
    rig_start(b->r);
    s = &b->r->stream->outlets[0].staging;
    assert_null(s->timely_for);
    do { /* one that was done within a turn of the loop says nothing */
        put(b, "a");
        rig_drain(b->r);
    } while (!s->timely_for);
    assert_ptr_equal(s->timely_for, &b->r->stream->outlets[0].generations.newest->host);
    assert_int_equal(s->timely, 0);
    rig_stop(b->r);
    time_for_a_batch = 0;
    bench_free(b);
}

struct look {
    struct stream *stream;
    struct stream_status *status;
};

/* Delivery thread: nothing is published meanwhile. */
static void look_while_full(void *arg)
{
    struct look *l = arg;

    pthread_mutex_lock(&l->stream->outlets[0].named_counters_lock);
    l->stream->outlets[0].staged = 17;
    l->stream->outlets[0].full_since = clock_mono() - 3600 * NSEC_PER_SEC;
    pthread_mutex_unlock(&l->stream->outlets[0].named_counters_lock);
    stream_status(l->stream, 0, clock_wall(), l->status);
}

/* Each may be delivered, and yet the stream stands still: somebody has to know. */
static void as_many_objects_as_there_may_be_are_seen(void **state)
{
    struct bench *b = bench_new(5);
    struct delivery_loop loop = {.mono = 7};
    struct staging s;
    struct stream_status status;

    (void)state;
    staging_init(&s);
    s.env = (struct staging_env){.stream = "app", .loop = &loop};
    s.parcels = STAGE_PARCELS_MAX - 1;
    assert_true(staging_takes(&s, 0));
    assert_int_equal(s.full_since, 0);
    s.parcels++;
    assert_false(staging_takes(&s, 0));
    assert_int_equal(s.full_since, 7);
    loop.mono = 9;
    s.parcels--;
    assert_true(staging_takes(&s, 0)); /* and as it was a moment later */
    assert_int_equal(s.full_since, 7);
    s.parcels = STAGE_PARCELS_MAX / 4 * 3;
    assert_true(staging_takes(&s, 0)); /* all of them of another generation */
    assert_int_equal(s.full_since, 0);
    assert_false(staging_takes(&s, s.parcels));
    assert_int_equal(s.full_since, 9);
    s.parcels--;
    assert_true(staging_takes(&s, s.parcels));
    assert_int_equal(s.full_since, 9);
    s.parcels = STAGE_PARCELS_MAX / 2 - 1;
    assert_true(staging_takes(&s, s.parcels));
    assert_int_equal(s.full_since, 0);
    pthread_mutex_destroy(&s.lock);

    rig_start(b->r);
    rig_drain(b->r);
    delivery_loop_call(b->r->stream->loop, look_while_full, &(struct look){b->r->stream, &status});
    assert_string_equal(status.words->code, "TooManyObjects");
    assert_non_null(strstr(status.words->error, "17 objects wait"));
    assert_non_null(strstr(status.words->hint, "buffer.interval"));
    stream_status_release(&status);
    rig_stop(b->r);
    bench_free(b);
}

/* Whatever damage took is in the books as corrupt, the rest is delivered. */
static void a_parcel_whose_file_is_gone_is_corrupt(void **state)
{
    struct bench *b = bench_new(4);
    struct spool_books k;
    char path[256];
    time_t end = time(NULL) + WAIT_S;

    (void)state;
    rig_start(b->r);
    for (int i = 0; i < 4; i++)
        put(b, "a");
    put(b, "b");
    stream_flush(b->r->stream);
    pthread_mutex_lock(&b->destination->lock); /* nothing is delivered meanwhile */
    while (staged_files(b, path) < 2 && time(NULL) < end)
        usleep(1000);
    do {
        struct parcel p;

        usleep(1000);
        assert_true(time(NULL) < end);
        if (staged_parcel(b->r->stream->outlets[0].reader, 1, &p))
            break;
    } while (true);
    b->destination->refuse_every = 1;
    pthread_mutex_unlock(&b->destination->lock);
    rig_stop(b->r);
    snprintf(path, sizeof(path), "%s/streams/app/staging/00000000000000000001.parcel", b->r->data_dir);
    if (b->destination->count > 0 || unlink(path) < 0) { /* it came before that */
        bench_free(b);
        skip();
    }
    b->destination->refuse_every = 0;
    rig_start(b->r);
    rig_drain(b->r);
    spool_books(spool_reader(b->r->stream->spool, 0), &k);
    assert_int_equal(k.corrupt, 4);
    assert_int_equal(k.delivered, 1);
    assert_int_equal(k.spooled, 0);
    rig_stop(b->r);
    bench_free(b);
}

/* The log lost a piece between two others: the file has more records than the books. */
static void a_parcel_has_as_many_results_as_records_in_the_books(void **state)
{
    struct stage_parcel p = {.kind = STAGE_RECORDS, .known = {.records = 6}};
    struct delivery d = {.parcel_of = &p, .outcomes = {.delivered = 7, .backed_up = 2}};
    struct seal_result r = delivery_result(&d);

    (void)state;
    assert_int_equal(r.delivered, 6);
    assert_int_equal(r.backed_up + r.corrupt, 0);
    d.outcomes.delivered = 5;
    r = delivery_result(&d);
    assert_int_equal(r.delivered, 5);
    assert_int_equal(r.backed_up, 1);
    assert_int_equal(r.corrupt, 0);
    d.outcomes.backed_up = 0;
    assert_int_equal(delivery_result(&d).corrupt, 1);
}

static void wait_for_objects(struct store *at, size_t count)
{
    time_t end = time(NULL) + WAIT_S;

    for (size_t delivered = 0; delivered < count;) {
        usleep(1000);
        assert_true(time(NULL) < end);
        pthread_mutex_lock(&at->lock);
        delivered = at->count;
        pthread_mutex_unlock(&at->lock);
    }
}

static void wait_for_delivery(struct bench *b)
{
    wait_for_objects(b->destination, 1);
}

static int refused_rename(const char *from, const char *to)
{
    (void)from, (void)to;
    errno = EIO;
    return -1;
}

static void run_in_stream(const struct bench *b, const char *what)
{
    char *command = mem_printf("cd %s/streams/app && %s", b->r->data_dir, what);

    assert_int_equal(system(command), 0);
    mem_free(command);
}

/* What the log does not know any more may be nowhere else. */
static void when_the_log_is_damaged_files_are_kept(void **state)
{
    struct bench *b = bench_new(5);

    (void)state;
    rig_start(b->r);
    put(b, "a");
    put(b, "b");
    (void)wait_for_parcel(b, 1);
    rig_stop(b->r);
    assert_int_equal(b->destination->count, 0);
    run_in_stream(b, "for f in spool/*.seg; do head -c 1M /dev/zero | "
                     "dd of=$f bs=1 count=$(($(stat -c %s $f) - 64)) seek=64 conv=notrunc status=none; done");
    files.rename =
        refused_rename; /* this start cannot put them aside; and does not remove them, nor does another one */
    for (int run = 0; run < 2; run++) {
        rig_start(b->r);
        run_in_stream(b, "test $(ls staging/*.parcel | wc -l) = 2 && test -e spool/damage");
        rig_stop(b->r);
    }
    files.rename = io_ops_real.rename;
    rig_start(b->r);
    run_in_stream(b, "test $(ls spool/damaged/*.parcel | wc -l) = 2 && test ! -e spool/damage");
    put(b, "a");
    (void)wait_for_parcel(b, 0);
    rig_stop(b->r);
    litter(b);
    rig_start(b->r); /* the log is whole again: what it does not know is worth nothing */
    run_in_stream(b, "test $(ls spool/damaged/*.parcel | wc -l) = 2 && test $(ls staging | wc -l) = 1");
    rig_stop(b->r);
    bench_free(b);
}

/* A start that is killed before it comes to what is staged. */
static void start_and_kill(const struct bench *b)
{
    char *dir = mem_printf("%s/streams/app/spool", b->r->data_dir);
    struct spool_conf conf = {.stream = "app", .dir = dir, .limit = 64 * MIB};
    struct spool_recovery found;
    struct spool *s = NULL;
    struct committer *c;
    struct err e;

    assert_int_equal(committer_start(&c, &e), 0);
    assert_int_equal(spool_open(&s, &conf, c, &found, &e), 0);
    committer_stop(&c);
    spool_close(&s);
    mem_free(dir);
}

static void without_its_log_what_is_staged_is_kept(void **state)
{
    (void)state;
    for (int killed = 0; killed < 3; killed++) {
        struct bench *b = bench_new(13);

        rig_start(b->r);
        run_in_stream(b, "test ! -e spool/damage");
        put(b, "a");
        (void)wait_for_parcel(b, 0);
        rig_stop(b->r);
        run_in_stream(b, "rm -r spool");
        if (killed == 1)
            start_and_kill(b);
        if (killed == 2) { /* it lived, and could not put them aside */
            files.rename = refused_rename;
            rig_start(b->r);
            rig_stop(b->r);
            files.rename = io_ops_real.rename;
        }
        rig_start(b->r);
        run_in_stream(b, "test $(ls spool/damaged/*.parcel | wc -l) = 1 && test ! -e spool/damage");
        rig_stop(b->r);
        bench_free(b);
    }
}

/* Half as many records may fit, and what is open makes room when it is delivered. */
static void check_on_a_full_disk(bool memory)
{
    struct bench *b = bench_new(6);

    b->r->conf.memory = memory;
    rig_start(b->r);
    put(b, "b");
    (void)wait_for_parcel(b, 0);
    atomic_store(&room, 100); /* two records and what is beside them */
    for (int i = 0; i < 40; i++)
        put(b, "a");
    wait_for_delivery(b);
    rig_drain(b->r);
    atomic_store(&room, SIZE_MAX);
    check_objects(b);
    check_books(b);
    rig_stop(b->r);
    bench_free(b);
}

static void on_a_full_disk_pieces_get_smaller(void **state)
{
    (void)state;
    check_on_a_full_disk(false);
    check_on_a_full_disk(true); /* `durability: memory`: the log needs no disk, what is staged does */
}

/* At the end what is staged is delivered, also when a piece waits for somebody to do something. */
static void a_piece_that_waits_holds_up_no_parcel_at_the_end(void **state)
{
    struct bench *b = bench_new(7);

    (void)state;
    b->r->conf.backup = NULL;
    rig_start(b->r);
    put(b, "a");
    (void)wait_for_parcel(b, 0);
    put(b, "!"); /* there is no backup */
    stream_flush(b->r->stream);
    wait_for_delivery(b);
    assert_false(stream_is_idle(b->r->stream));
    rig_stop(b->r);
    bench_free(b);
}

struct looks {
    const struct stream *at;
    bool at_rest;
};

static void look_for_rest(void *arg)
{
    struct looks *l = arg;

    l->at_rest = l->at->outlets[0].staging.step == STAGING_IDLE;
}

/* All of it is staged, and nothing else happens. */
static void what_gathers_is_delivered_when_a_flush_is_asked_for(void **state)
{
    struct bench *b = bench_new(23);
    struct looks l = {.at_rest = false};
    time_t end = time(NULL) + WAIT_S;

    (void)state;
    rig_start(b->r);
    l.at = b->r->stream;
    put(b, "a");
    put(b, "b");
    (void)wait_for_parcel(b, 1);
    while (!l.at_rest) {
        usleep(1000);
        assert_true(time(NULL) < end);
        delivery_loop_call(b->r->loop, look_for_rest, &l);
    }
    outlet_flush_now(&b->r->stream->outlets[0]);
    wait_for_objects(b->destination, 2);
    rig_drain(b->r);
    check_books(b);
    rig_stop(b->r);
    bench_free(b);
}

/* The source records are in the books of the other parcel. */
static void a_parcel_without_records_in_the_books_is_left(void **state)
{
    struct bench *b = bench_new(8);
    struct spool_books k;
    struct parcel p;
    char dir[256];
    uint64_t left;
    bool has_log;
    struct err e;

    (void)state;
    b->r->conf.backup_all = true;
    rig_start(b->r);
    put(b, "a");
    p = wait_for_parcel(b, 1);
    assert_int_equal(p.records, 0);
    spool_books(b->r->stream->outlets[0].reader, &k);
    assert_int_equal(k.spooled, 1);
    assert_int_equal(k.left, 2);
    snprintf(dir, sizeof(dir), "%s/streams/app/spool", b->r->data_dir);
    rig_stop(b->r);
    assert_int_equal(spool_peek(dir, &has_log, &left, &e), 0);
    assert_true(has_log);
    assert_int_equal(left, 2);
    rig_start(b->r);
    rig_drain(b->r);
    spool_books(b->r->stream->outlets[0].reader, &k);
    assert_int_equal(k.left, 0);
    rig_stop(b->r);
    bench_free(b);
}

/* --- settings that are replaced --------------------------------------------------------------------------------------- */

/* From now on to `to`. */
static void replace(struct bench *b, unsigned n, struct store **to)
{
    struct stream_settings *conf = &b->replaced[n];
    struct err e;

    *conf = b->r->conf;
    conf->sink_conf = to;
    committer_barrier(b->r->committer);
    if (stream_replace_sinks(b->r->stream, conf, b->r->dir, &e) < 0)
        fail_msg("%s", e.msg);
}

static bool has_line(const struct store *s, const char *line)
{
    bool has = false;

    for (size_t i = 0; i < s->count; i++)
        has = has || strstr(s->objects[i].body, line) != NULL;
    return has;
}

/* What is staged for it waits; what came later goes elsewhere. */
static void a_destination_of_before_holds_up_no_parcel_of_the_new_one(void **state)
{
    struct bench *b = bench_new(9);
    struct store *second = new_store(), *third = new_store();

    (void)state;
    b->destination->refuse_every = 1;
    rig_start(b->r);
    put(b, "a");
    put(b, "b");
    put(b, "c");
    (void)wait_for_parcel(b, 2);
    second->refuse_every = 1;
    replace(b, 0, &second);
    put(b, "a");
    put(b, "b");
    (void)wait_for_parcel(b, 4);
    replace(b, 1, &third);
    put(b, "a");
    put(b, "c");
    stream_flush(b->r->stream);
    wait_for_objects(third, 2);
    pthread_mutex_lock(&b->destination->lock);
    b->destination->refuse_every = 0;
    pthread_mutex_unlock(&b->destination->lock);
    pthread_mutex_lock(&second->lock);
    second->refuse_every = 0;
    pthread_mutex_unlock(&second->lock);
    rig_drain(b->r);
    check_books(b);
    assert_int_equal(b->destination->count, 3);
    assert_int_equal(second->count, 2);
    assert_int_equal(third->count, 2);
    rig_stop(b->r);
    bench_free(b);
    free_store(second);
    free_store(third);
}

static uint64_t ahead_of_a_batch(const struct bench *b)
{
    const struct pace *p = &b->r->stream->pace;

    return atomic_load(&p->ahead) - p->more;
}

/* With keys, without, and with them again. */
static void how_far_inputs_read_ahead_follows_the_settings(void **state)
{
    struct bench *b = bench_new(18);
    struct err e;

    (void)state;
    rig_start(b->r);
    assert_int_equal(ahead_of_a_batch(b), 2 * STAGE_PIECE_BYTES);
    for (unsigned i = 0; i < 2; i++) {
        struct stream_settings *conf = &b->replaced[i];

        *conf = b->r->conf;
        conf->partitioned = i == 1;
        conf->buffer_size = STAGE_PIECE_BYTES * 100;
        committer_barrier(b->r->committer);
        if (stream_replace_sinks(b->r->stream, conf, b->r->dir, &e) < 0)
            fail_msg("%s", e.msg);
        assert_int_equal(ahead_of_a_batch(b), STAGE_PIECE_BYTES * (conf->partitioned ? 2 : 100));
    }
    rig_drain(b->r);
    rig_stop(b->r);
    bench_free(b);
}

/* Nothing of it is anywhere but in the spool: it begins anew. */
static void a_piece_that_waits_is_made_with_the_new_settings(void **state)
{
    struct bench *b = bench_new(10);
    struct stream_status s;

    (void)state;
    b->r->conf.backup = NULL;
    rig_start(b->r);
    put(b, "a");
    put(b, "!");
    put(b, "b");
    stream_flush(b->r->stream);
    rig_wait_failing(b->r, "ProcessingFailed", &s);
    stream_status_release(&s);
    b->r->conf.backup = &STORE;
    replace(b, 0, &b->destination);
    put(b, "c");
    rig_drain(b->r);
    check_books(b);
    check_objects(b);
    check_backup(b);
    rig_stop(b->r);
    bench_free(b);
}

/* The settings of a start have no backup for what failed before; later ones have, whether it was sealed or not. */
static void what_is_held_goes_to_a_backup_that_comes_later(void **state)
{
    struct bench *b = bench_new(12);
    struct parcel p;

    (void)state;
    for (int sealed = 0; sealed < 2; sealed++) {
        b->backup->refuse_every = 1;
        b->r->conf.backup = &STORE;
        rig_start(b->r);
        put(b, "!");
        p = wait_for_parcel(b, 0);
        if (sealed)
            stream_flush(b->r->stream);
        for (time_t end = time(NULL) + WAIT_S; sealed && !p.sealed; p = wait_for_parcel(b, 0))
            assert_true(time(NULL) < end);
        rig_stop(b->r);
        b->backup->refuse_every = 0;
        b->r->conf.backup = NULL;
        rig_start(b->r);
        put(b, "a");
        stream_flush(b->r->stream);
        wait_for_objects(b->destination, 1 + (size_t)sealed);
        b->r->conf.backup = &STORE;
        replace(b, (unsigned)sealed, &b->destination);
        rig_drain(b->r);
        check_books(b);
        check_backup(b);
        rig_stop(b->r);
    }
    bench_free(b);
}

/* Sealed for a destination that has no object names; the next start has one that names them by their keys. */
static void what_was_sealed_without_a_name_keeps_its_keys(void **state)
{
    struct bench *b = bench_new(14);
    time_t end = time(NULL) + WAIT_S;

    (void)state;
    b->r->conf.sink = &NAMELESS;
    b->destination->refuse_every = 1;
    rig_start(b->r);
    put(b, "a");
    put(b, "b");
    (void)wait_for_parcel(b, 1);
    stream_flush(b->r->stream);
    while (!wait_for_parcel(b, 0).sealed || !wait_for_parcel(b, 1).sealed) {
        usleep(1000);
        committer_barrier(b->r->committer);
        assert_true(time(NULL) < end);
    }
    rig_stop(b->r);
    b->r->conf.sink = &STORE;
    b->destination->refuse_every = 0;
    rig_start(b->r);
    rig_drain(b->r);
    check_books(b);
    check_objects(b);
    assert_int_equal(b->destination->count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct object_kept *o = &b->destination->objects[i];

        assert_int_equal(o->name[0], o->key[0]);
    }
    rig_stop(b->r);
    bench_free(b);
}

/* Also when the next piece is cut at once, behind one that was under way. */
static void a_new_destination_gets_no_record_into_a_parcel_of_before(void **state)
{
    struct bench *b = bench_new(11);
    struct store *second = new_store();
    time_t end = time(NULL) + WAIT_S;
    unsigned before;

    (void)state;
    rig_start(b->r);
    put(b, "a"); /* 0 */
    (void)wait_for_parcel(b, 0);
    pthread_mutex_lock(&gate);
    before = atomic_load(&at_gate);
    put(b, "a"); /* 1 */
    stream_flush(b->r->stream);
    while (atomic_load(&at_gate) == before) {
        usleep(1000);
        assert_true(time(NULL) < end);
    }
    put(b, "a"); /* 2 */
    replace(b, 0, &second);
    pthread_mutex_unlock(&gate);
    rig_drain(b->r);
    check_books(b);
    assert_true(has_line(b->destination, "a 0\na 1\n"));
    assert_true(has_line(second, "a 2\n"));
    assert_false(has_line(b->destination, "a 2\n"));
    rig_stop(b->r);
    bench_free(b);
    free_store(second);
}

/* --- all of short sequences ------------------------------------------------------------------------------------------ */

/* As rig_drain(); what is settled is not written as late as it may be. */
static void drain_now(struct bench *b)
{
    time_t end = time(NULL) + WAIT_S;

    for (stream_flush(b->r->stream); !stream_is_idle(b->r->stream); usleep(500)) {
        committer_barrier(b->r->committer);
        assert_true(time(NULL) < end);
    }
}

static void restart(struct bench *b)
{
    rig_stop(b->r);
    rig_start(b->r);
}

/* `way`: bits, whether there is a restart behind the first, behind the second, and whether source records are kept; then there may be one object. */
static void two_records(unsigned way, const char *first, const char *second)
{
    struct bench *b = bench_new(way);
    char path[256];

    b->r->conf.backup_all = way & 4;
    b->r->conf.max_partitions = way & 4 ? 1 : 500;
    b->overtakes = true;
    rig_start(b->r);
    put(b, first);
    if ((first[0] != '-' && first[0] != '~') || b->r->conf.backup_all)
        (void)wait_for_parcel(b, 0);
    if (way & 1)
        restart(b);
    put(b, second);
    if (way & 2)
        restart(b);
    drain_now(b);
    check_books(b);
    check_objects(b);
    check_backup(b);
    assert_int_equal(staged_files(b, path), 0);
    rig_stop(b->r);
    bench_free(b);
}

/* Of a piece all, none, the first or the last fails, has no key, is dropped or unwanted, or becomes several. */
static void whatever_two_records_become_and_whenever_it_restarts(void **state)
{
    static const char *const KINDS[] = {"a", "ab", "-", "~", "!", "?"};
    enum { COUNT = sizeof(KINDS) / sizeof(KINDS[0]) };

    (void)state;
    for (unsigned i = 0; i < COUNT * COUNT; i++) {
        two_records(i % 4, KINDS[i / COUNT], KINDS[i % COUNT]);
        two_records(4 + (i + 1) % 4, KINDS[i / COUNT], KINDS[i % COUNT]);
    }
}

/* --- anything -------------------------------------------------------------------------------------------------------- */

static const char *const LETTERS[] = {"a", "b", "c", "d", "e", "ab", "aa", "bca", "", "-", "~", "!", "?", "a", "b"};

static void configure(struct bench *b, struct stream_settings *conf)
{
    static const uint64_t sizes[] = {1, 30, 200, MIB};
    static const nsec intervals[] = {0, 5 * NSEC_PER_MSEC, INT64_MAX / 2};
    static const int64_t most[] = {1, 2, 3, 500};

    conf->buffer_size = sizes[pick(b, 4)];
    conf->buffer_interval = intervals[pick(b, 3)];
    conf->max_partitions = most[pick(b, 4)];
    conf->backup_all = pick(b, 3) == 0;
    conf->in_flight = 1;
}

static void one_run(struct bench *b)
{
    unsigned steps = pick(b, 40), replaced = 0;

    configure(b, &b->r->conf);
    b->r->conf.partitioned = !b->mixes || pick(b, 3) != 0;
    b->destination->refuse_every = pick(b, 3) ? 0 : 2 + pick(b, 3);
    b->backup->refuse_every = pick(b, 3) ? 0 : 2;
    b->overtakes = b->overtakes || b->destination->refuse_every;
    atomic_store(&calls_left, -1); /* a start that cannot read its files is refused */
    rig_start(b->r);
    while (steps--)
        switch (pick(b, 12)) {
        case 0:
            usleep(pick(b, 4000));
            break;
        case 1:
            check_balance(b->r);
            if (pick(b, 4) == 0)
                atomic_store(&calls_left, (int)pick(b, 12));
            break;
        case 2: {
            struct stream_settings *conf = &b->replaced[replaced];
            struct err e;

            if (replaced == 4)
                break;
            replaced++;
            *conf = b->r->conf;
            configure(b, conf);
            conf->partitioned = !b->mixes || pick(b, 3) != 0;
            b->overtakes = true;
            committer_barrier(b->r->committer);
            if (stream_replace_sinks(b->r->stream, conf, b->r->dir, &e) < 0)
                fail_msg("%s", e.msg);
            break;
        }
        default:
            put(b, LETTERS[pick(b, sizeof(LETTERS) / sizeof(LETTERS[0]))]);
        }
    if (pick(b, 4) == 0) {
        rig_drain(b->r);
        check_books(b);
    }
    check_balance(b->r);
    if (pick(b, 2))
        leave(b->r);
    rig_stop(b->r);
    if (pick(b, 2))
        litter(b);
}

static void one_order(uint64_t seed)
{
    struct bench *b = bench_new(seed);
    char path[256];

    b->mixes = b->overtakes = seed % 3 == 0;
    for (unsigned runs = 1 + pick(b, 6); runs; runs--)
        one_run(b);
    b->r->conf.partitioned = !b->mixes || pick(b, 2);
    b->destination->refuse_every = b->backup->refuse_every = 0;
    atomic_store(&calls_left, -1);
    rig_start(b->r);
    rig_drain(b->r);
    check_books(b);
    rig_stop(b->r);
    check_objects(b);
    check_backup(b);
    if (staged_files(b, path) != 0)
        fail_msg("seed %llu: %s is left", (unsigned long long)seed, path);
    bench_free(b);
}

static void whatever_happens_each_record_is_once_where_it_belongs(void **state)
{
    (void)state;
    run_seeds(25, one_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_key_has_an_object_of_its_own),
        cmocka_unit_test(a_restart_goes_on_with_open_parcels),
        cmocka_unit_test(what_an_earlier_run_gathered_is_no_throughput_of_this_one),
        cmocka_unit_test(more_keys_than_there_may_be_are_delivered_early),
        cmocka_unit_test(a_piece_grows_with_its_keys),
        cmocka_unit_test(no_piece_comes_near_the_time_for_a_batch),
        cmocka_unit_test(as_many_objects_as_there_may_be_are_seen),
        cmocka_unit_test(a_parcel_whose_file_is_gone_is_corrupt),
        cmocka_unit_test(a_parcel_has_as_many_results_as_records_in_the_books),
        cmocka_unit_test(on_a_full_disk_pieces_get_smaller),
        cmocka_unit_test(a_piece_that_waits_holds_up_no_parcel_at_the_end),
        cmocka_unit_test(what_gathers_is_delivered_when_a_flush_is_asked_for),
        cmocka_unit_test(a_parcel_without_records_in_the_books_is_left),
        cmocka_unit_test(when_the_log_is_damaged_files_are_kept),
        cmocka_unit_test(without_its_log_what_is_staged_is_kept),
        cmocka_unit_test(a_destination_of_before_holds_up_no_parcel_of_the_new_one),
        cmocka_unit_test(how_far_inputs_read_ahead_follows_the_settings),
        cmocka_unit_test(a_piece_that_waits_is_made_with_the_new_settings),
        cmocka_unit_test(what_is_held_goes_to_a_backup_that_comes_later),
        cmocka_unit_test(what_was_sealed_without_a_name_keeps_its_keys),
        cmocka_unit_test(a_new_destination_gets_no_record_into_a_parcel_of_before),
        cmocka_unit_test(whatever_two_records_become_and_whenever_it_restarts),
        cmocka_unit_test(whatever_happens_each_record_is_once_where_it_belongs),
    };

    return cmocka_run_group_tests_name("staging", tests, NULL, NULL);
}
