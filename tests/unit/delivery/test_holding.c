/* Scripts that hold records back, between sinks that keep what they get: whatever is held, released, handed over or restarted, in whichever
 * order, each record is delivered once, alone or with those it was joined to, or it is in the backup, or dropped; and the books say so. */
#include "tests/unit/delivery/store_rig.h"

#include "config/bind.h"
#include "config/errors.h"
#include "config/node.h"
#include "transforms/transform.h"

#include <ctype.h>
#include <dirent.h>

enum { NUMBERS_MAX = 2000, OWN = 4, SCRIPTS }; /* OWN: of a test that has one */

/* Records are `kind name number`. h: held; r: released with those of its name; f: those of its name become one that is held; x: those of its
 * name are delivered, it is held; ".": as it is; -: dropped; !: an error, behind a release. */
static const char HOLDS[] = "hold = true\n"
                            "local function all(name, t) return name .. ' ' .. table.concat(t, ',') end\n"
                            "function transform(r, meta)\n"
                            "  local kind, name, n = sluice.text(r):match('^(%S) (%S) ([%d,]+)$')\n"
                            "  if kind == '-' then return nil end\n"
                            "  if kind == 'h' then return meta.hold(name, n) end\n"
                            "  if kind == '.' then return name .. ' ' .. n end\n"
                            "  local t = meta.release(name)\n"
                            "  if kind == '!' then error('told so ' .. n) end\n"
                            "  if kind == 'x' then meta.hold(name, n); return #t > 0 and all(name, t) or nil end\n"
                            "  t[#t + 1] = n\n"
                            "  if kind == 'f' then return meta.hold(name, table.concat(t, ',')) end\n"
                            "  return all(name, t)\n"
                            "end\n";
static const char HANDS_OVER[] = "function finish(name, t, meta) return name .. ' ' .. table.concat(t, ',') end\n";
/* What another script has held comes as numbers. */
static const char HOLDS_NOT[] = "function transform(r, meta)\n"
                                "  local kind, name, n = sluice.text(r):match('^(%S) (%S) ([%d,]+)$')\n"
                                "  if kind == '-' then return nil end\n"
                                "  if kind == '!' then error('told so ' .. n) end\n"
                                "  return (name or '?') .. ' ' .. (n or sluice.text(r))\n"
                                "end\n";

struct script {
    struct transform_settings transform;
    struct cfg_tree *tree;
    void *conf;
};

struct bench {
    struct rig *r;
    struct store *destination, *backup;
    struct script scripts[SCRIPTS];
    struct stream_settings replaced[4];
    uint64_t random;
    char kinds[NUMBERS_MAX];
    unsigned numbers;
};

static unsigned pick(struct bench *b, unsigned n)
{
    b->random = b->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(b->random >> 33) % n;
}

/* `options`: beside the file. */
static void add_script(struct bench *b, unsigned i, const char *first, const char *second, const char *options)
{
    struct script *s = &b->scripts[i];
    char *path = mem_printf("%s/%u.lua", b->r->dir, i), *yaml = mem_printf("{ lua: %s%s }", path, options);
    struct cfg_errors *errs = cfg_errors_new();
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(first, f);
    fputs(second, f);
    fclose(f);
    s->transform.ops = transform_find("lua");
    s->conf = mem_alloc(s->transform.ops->conf_size);
    s->transform.conf = s->conf;
    s->tree = cfg_tree_parse("test.yaml", yaml, strlen(yaml), errs);
    cfg_bind(errs, cfg_tree_root(s->tree), s->transform.ops->fields, s->conf);
    assert_int_equal(cfg_errors_count(errs), 0);
    cfg_errors_free(&errs);
    mem_free(path);
    mem_free(yaml);
}

static void use_script(struct bench *b, struct stream_settings *conf, unsigned i)
{
    conf->transforms = &b->scripts[i].transform;
    conf->partitioned = i != 3;
}

static struct bench *bench_new(uint64_t seed)
{
    struct bench *b = mem_alloc(sizeof(*b));

    store_disk_works();
    b->r = rig_new(&STORE, &STORE);
    b->destination = new_store();
    b->backup = new_store();
    b->destination->scripts_change = true;
    b->r->conf.sink_conf = &b->destination;
    b->r->conf.backup_conf = &b->backup;
    add_script(b, 0, HOLDS, HANDS_OVER, "");
    add_script(b, 1, HOLDS, HANDS_OVER, ", hold_records: 2, hold_age: 100ms");
    add_script(b, 2, HOLDS, "", "");
    add_script(b, 3, HOLDS_NOT, "", "");
    use_script(b, &b->r->conf, 0);
    b->r->conf.transform_count = 1;
    b->r->conf.max_partitions = 500;
    b->r->conf.buffer_interval = INT64_MAX / 2; /* whatever the clock says */
    b->r->files = &files;
    b->random = seed * 7919 + 17;
    return b;
}

static void bench_free(struct bench *b)
{
    for (unsigned i = 0; i < SCRIPTS; i++) {
        if (b->scripts[i].conf)
            cfg_release(b->scripts[i].transform.ops->fields, b->scripts[i].conf);
        mem_free(b->scripts[i].conf);
        cfg_tree_free(&b->scripts[i].tree);
    }
    rig_free(&b->r);
    free_store(b->destination);
    free_store(b->backup);
    mem_free(b);
}

static void put(struct bench *b, const char *kind_and_name)
{
    char text[32];
    const char *records[] = {text};

    assert_in_range(b->numbers, 0, NUMBERS_MAX - 1);
    b->kinds[b->numbers] = kind_and_name[0];
    snprintf(text, sizeof(text), "%c %c %u", kind_and_name[0], kind_and_name[1], b->numbers++);
    rig_put(b->r, records, 1);
}

static void put_all(struct bench *b, const char *records)
{
    for (; *records; records += 3)
        put(b, records);
}

/* --- what must be ---------------------------------------------------------------------------------------------------- */

static void count_numbers(const struct store *s, bool errors, unsigned char found[NUMBERS_MAX])
{
    memset(found, 0, NUMBERS_MAX);
    for (size_t i = 0; i < s->count; i++) {
        const struct object_kept *o = &s->objects[i];
        struct slice rest = slice_str(o->body), line;

        while (o->error == errors && slice_take_line(&rest, &line)) {
            const char *at = errors ? strstr(line.p, "told so ") : line.p;

            for (; at < line.p + line.n && *at != '"'; at++)
                if (isdigit((unsigned char)*at) && (at == line.p || !isdigit((unsigned char)at[-1])))
                    found[strtol(at, NULL, 10)]++;
        }
    }
}

static void check_objects(const struct bench *b)
{
    static unsigned char delivered[NUMBERS_MAX], failed[NUMBERS_MAX];

    count_numbers(b->destination, false, delivered);
    count_numbers(b->backup, true, failed);
    for (unsigned i = 0; i < b->numbers; i++) {
        bool fails_there = b->kinds[i] == '!', is_dropped = b->kinds[i] == '-';

        if (delivered[i] != !(fails_there || is_dropped) || failed[i] != fails_there)
            fail_msg("record %u (%c) was delivered %u times, and is %u times in the backup", i, b->kinds[i],
                     delivered[i], failed[i]);
    }
}

static struct spool_books books(const struct bench *b)
{
    struct spool_books k;

    spool_books(spool_reader(b->r->stream->spool, 0), &k);
    assert_int_equal(k.incoming, k.delivered + k.dropped + k.backed_up + k.corrupt + k.spooled);
    assert_int_equal(k.corrupt, 0);
    return k;
}

static unsigned staged_files(const struct bench *b)
{
    char *dir = mem_printf("%s/streams/app/staging", b->r->data_dir);
    DIR *d = opendir(dir);
    const struct dirent *entry;
    unsigned n = 0;

    while (d && (entry = readdir(d)))
        n += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    mem_free(dir);
    return n;
}

/* Nothing is left, and all is where it belongs. */
static void end_all(struct bench *b)
{
    rig_drain(b->r);
    assert_int_equal(books(b).incoming, b->numbers);
    assert_int_equal(books(b).spooled, 0);
    rig_stop(b->r);
    check_objects(b);
    assert_int_equal(staged_files(b), 0);
}

static bool has_line(struct store *s, const char *line)
{
    char *whole = mem_printf("%s\n", line);
    bool has = false;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        has = has || strstr(s->objects[i].body, whole) != NULL;
    pthread_mutex_unlock(&s->lock);
    mem_free(whole);
    return has;
}

/* --- the cases ------------------------------------------------------------------------------------------------------- */

struct look {
    struct stream *stream;
    uint64_t held;
    bool at_rest;
};

static void look(void *arg)
{
    struct look *l = arg;
    const struct outlet *o = &l->stream->outlets[0];

    l->at_rest = o->staging.step == STAGING_IDLE && o->batcher.start.seq == spool_next(l->stream->spool);
    l->held = o->staging.stage ? stage_held_records(o->staging.stage) : 0;
}

/* All that came in is through the script: so many records are held. */
static uint64_t held(const struct bench *b)
{
    struct look l = {.stream = b->r->stream};
    time_t end = time(NULL) + WAIT_S;

    do {
        usleep(1000);
        assert_true(time(NULL) < end);
        outlet_flush_now(&b->r->stream->outlets[0]);
        committer_barrier(b->r->committer);
        delivery_loop_call(b->r->loop, look, &l);
    } while (!l.at_rest);
    return l.held;
}

static void what_is_held_is_in_the_spool_until_it_is_released(void **state)
{
    struct bench *b = bench_new(1);

    (void)state;
    rig_start(b->r);
    put_all(b, "ha hb ha .c ");
    assert_int_equal(held(b), 3);
    assert_in_range(books(b).spooled, 3, 4);
    assert_int_equal(books(b).dropped, 0);
    put_all(b, "ra ");
    assert_int_equal(held(b), 1);
    assert_int_equal(books(b).dropped, 2);
    rig_drain(b->r);
    assert_true(has_line(b->destination, "a 0,2,4") && has_line(b->destination, "b 1"));
    assert_int_equal(books(b).delivered, 3);
    end_all(b);
    bench_free(b);
}

/* A start goes on with it, with another script, or with none. */
static void what_is_held_outlives_runs_and_scripts(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 6; way++) {
        struct bench *b = bench_new(2);

        rig_start(b->r);
        put_all(b, "ha fb fb xc ");
        assert_int_equal(held(b), 3);
        rig_stop(b->r);
        assert_int_equal(b->destination->count, 0);
        if (way < OWN)
            use_script(b, &b->r->conf, way);
        else
            b->r->conf.transform_count = 0;
        b->r->conf.partitioned = way != 3 && way != 5;
        rig_start(b->r);
        if (way == 0)
            assert_int_equal(held(b), 3);
        if (way < 3)
            put_all(b, "ra rb rc ");
        end_all(b);
        if (way == 0)
            assert_true(has_line(b->destination, "a 0,4") && has_line(b->destination, "b 1,2,5") &&
                        has_line(b->destination, "c 3,6"));
        if (way == 3)
            assert_true(has_line(b->destination, "? 0") && has_line(b->destination, "? 1,2"));
        if (way > 3)
            assert_true(has_line(b->destination, "0") && has_line(b->destination, "1,2"));
        bench_free(b);
    }
}

static void wait_for_line(struct bench *b, const char *line)
{
    for (time_t end = time(NULL) + WAIT_S; !has_line(b->destination, line); usleep(1000))
        assert_true(time(NULL) < end);
}

/* Nothing else comes in. */
static void what_is_held_for_too_long_is_handed_over(void **state)
{
    struct bench *b = bench_new(3);

    (void)state;
    use_script(b, &b->r->conf, 1);
    b->r->conf.buffer_interval = 10 * NSEC_PER_MSEC;
    rig_start(b->r);
    put_all(b, "ha ha ");
    wait_for_line(b, "a 0,1");
    put_all(b, "hb hc hb hd hd ");
    wait_for_line(b, "b 2,4"); /* more than there may be: the oldest */
    end_all(b);
    bench_free(b);
}

/* What it would have been for is mended; then all goes on as if nothing had been. */
static void an_error_in_finish_loses_nothing(void **state)
{
    struct bench *b = bench_new(4);
    struct stream_status status;
    struct err e;

    (void)state;
    add_script(b, OWN, HOLDS, "function finish() error('told so 0 1') end\n", ", hold_age: 100ms");
    use_script(b, &b->r->conf, OWN);
    b->r->conf.backup = NULL;
    rig_start(b->r);
    put_all(b, "ha ha ");
    rig_wait_failing(b->r, "ProcessingFailed", &status);
    stream_status_release(&status);
    assert_int_equal(books(b).spooled, 2);
    b->replaced[0] = b->r->conf;
    use_script(b, &b->replaced[0], 0);
    committer_barrier(b->r->committer);
    assert_int_equal(stream_replace_sinks(b->r->stream, &b->replaced[0], b->r->dir, &e), 0);
    put_all(b, "ra ");
    end_all(b);
    assert_true(has_line(b->destination, "a 0,1,2"));
    bench_free(b);
}

static void with_a_backup_it_has_what_finish_failed_with(void **state)
{
    struct bench *b = bench_new(5);

    (void)state;
    add_script(b, OWN, HOLDS, "function finish(name, t) error('told so ' .. table.concat(t, ' ')) end\n", "");
    use_script(b, &b->r->conf, OWN);
    rig_start(b->r);
    put_all(b, "ha hb .c ");
    rig_drain(b->r);
    assert_int_equal(books(b).backed_up, 2);
    assert_int_equal(books(b).delivered, 1);
    assert_int_equal(books(b).spooled, 0);
    rig_stop(b->r);
    bench_free(b);
}

/* --- anything -------------------------------------------------------------------------------------------------------- */

static void configure(struct bench *b, struct stream_settings *conf)
{
    static const uint64_t sizes[] = {1, 30, 200, MIB};
    static const nsec intervals[] = {0, 5 * NSEC_PER_MSEC, INT64_MAX / 2};

    use_script(b, conf, pick(b, 3) ? pick(b, 2) : pick(b, OWN));
    conf->buffer_size = sizes[pick(b, 4)];
    conf->buffer_interval = intervals[pick(b, 3)];
    conf->backup_all = pick(b, 3) == 0;
    conf->memory = false;
    conf->in_flight = 1 + pick(b, 2);
}

static void one_run(struct bench *b)
{
    static const char *const RECORDS[] = {"ha", "hb", "hc", "fa", "fb", "xa", "xb", "ra", "rb", "rc", ".a", "-a", "!a"};
    unsigned steps = pick(b, 30), replaced = 0;
    struct err e;

    configure(b, &b->r->conf);
    b->destination->refuse_every = pick(b, 3) ? 0 : 2 + pick(b, 3);
    atomic_store(&calls_left, -1); /* a start that cannot read its files is refused */
    rig_start(b->r);
    while (steps--)
        switch (pick(b, 12)) {
        case 0:
            usleep(pick(b, 4000));
            break;
        case 1:
            (void)books(b);
            if (pick(b, 4) == 0)
                atomic_store(&calls_left, (int)pick(b, 12));
            break;
        case 2:
            if (replaced == 4)
                break;
            b->replaced[replaced] = b->r->conf;
            configure(b, &b->replaced[replaced]);
            committer_barrier(b->r->committer);
            assert_int_equal(stream_replace_sinks(b->r->stream, &b->replaced[replaced++], b->r->dir, &e), 0);
            break;
        default:
            put(b, RECORDS[pick(b, sizeof(RECORDS) / sizeof(RECORDS[0]))]);
        }
    if (pick(b, 4) == 0) {
        rig_drain(b->r);
        assert_int_equal(books(b).spooled, 0);
    }
    if (pick(b, 2))
        leave(b->r);
    rig_stop(b->r);
}

static void one_order(uint64_t seed)
{
    struct bench *b = bench_new(seed);

    for (unsigned runs = 1 + pick(b, 6); runs; runs--)
        one_run(b);
    use_script(b, &b->r->conf, pick(b, OWN));
    b->destination->refuse_every = 0;
    atomic_store(&calls_left, -1);
    rig_start(b->r);
    end_all(b);
    bench_free(b);
}

static void whatever_happens_each_record_is_once_where_it_belongs(void **state)
{
    (void)state;
    run_seeds(24, one_order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_held_is_in_the_spool_until_it_is_released),
        cmocka_unit_test(what_is_held_outlives_runs_and_scripts),
        cmocka_unit_test(what_is_held_for_too_long_is_handed_over),
        cmocka_unit_test(an_error_in_finish_loses_nothing),
        cmocka_unit_test(with_a_backup_it_has_what_finish_failed_with),
        cmocka_unit_test(whatever_happens_each_record_is_once_where_it_belongs),
    };

    return cmocka_run_group_tests_name("holding", tests, NULL, NULL);
}
