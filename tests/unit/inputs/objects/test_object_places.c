/* Objects are read in parts, frames become safe or not, and the process ends at any moment: what the spool has of an object is its lines up to the
 * place where reading goes on, or all of them. */
#include "tests/unit/spool/spool_fixture.h"

#include "pipeline/inputs/objects/places.h"

#define IDS     SLICE("ids")
#define SOURCE  "sqs q s3"
#define OBJECTS 12
#define READERS 3

struct model {
    struct fixture *x;
    struct window w;
    struct budget budget;
    struct object_places places;
    uint64_t numbers;
    unsigned seed;
    struct {
        size_t object; /* OBJECTS: none */
        struct object_place *place;
    } readers[READERS];
};

static bool sync_fails;

static int disk_fdatasync(int fd)
{
    (void)fd;
    errno = EIO;
    return sync_fails ? -1 : 0;
}

static unsigned draw(struct model *m, unsigned below)
{
    m->seed = m->seed * 1103515245U + 12345U;
    return (m->seed >> 16) % below;
}

static void on_news(void *ctx)
{
    (void)ctx;
}

static void on_closing(void *ctx)
{
    object_places_write(&((struct model *)ctx)->places);
}

/* Some have one line, some more than a frame or a window takes. */
static uint64_t lines_of(size_t object)
{
    return object % 3 == 0 ? 1 : 3 + 5 * object;
}

static const char *identity_of(size_t object, char out[OBJECT_IDENTITY_CHARS + 1])
{
    snprintf(out, OBJECT_IDENTITY_CHARS + 1, "%032zu", object);
    return out;
}

static void open_window(struct model *m)
{
    const struct window_conf conf = {.spool = m->x->spool,
                                     .budget = &m->budget,
                                     .id_source = IDS,
                                     .records = 20,
                                     .news = on_news,
                                     .closing = on_closing,
                                     .ctx = m};

    window_init(&m->w, &conf);
    object_places_init(&m->places, &m->w, SOURCE);
    object_places_restore(&m->places, m->x->spool);
    for (size_t i = 0; i < READERS; i++) {
        m->readers[i].object = OBJECTS;
        m->readers[i].place = NULL;
    }
}

static bool is_known(struct model *m, size_t object)
{
    char identity[OBJECT_IDENTITY_CHARS + 1];

    return window_id_seen(&m->w, slice_str(identity_of(object, identity))) != SPOOL_ID_NEW;
}

/* Nothing is on its way: is what is safe what the places say? */
static void check_safe(struct model *m)
{
    char identity[OBJECT_IDENTITY_CHARS + 1];
    struct spool_books books;
    uint64_t safe = 0;

    for (size_t i = 0; i < OBJECTS; i++) {
        struct object_place *place;

        if (is_known(m, i)) {
            safe += lines_of(i);
            continue;
        }
        place = object_places_find(&m->places, identity_of(i, identity));
        if (!place)
            continue;
        assert_true(place->offset > 0 && place->offset < lines_of(i));
        assert_string_equal(place->tag, "\"t\"");
        safe += place->offset;
        object_place_leave(&m->places, &place, false);
    }
    spool_books(spool_reader(m->x->spool, 0), &books);
    assert_int_equal(books.incoming, safe);
}

static void crash(struct model *m)
{
    sync_fails = false;
    reopen_spool(m->x); /* who waits for it hears so, as long as the window is there */
    window_release(&m->w);
    open_window(m);
    check_safe(m);
}

static void refuse(struct model *m)
{
    for (size_t i = 0; i < READERS; i++) {
        object_place_leave(&m->places, &m->readers[i].place, false);
        m->readers[i].object = OBJECTS;
    }
    window_reset(&m->w);
    object_places_restore(&m->places, m->x->spool);
}

static void choose(struct model *m, size_t reader)
{
    size_t object = draw(m, OBJECTS);
    char identity[OBJECT_IDENTITY_CHARS + 1];

    for (size_t i = 0; i < READERS; i++)
        if (m->readers[i].object == object)
            return;
    if (is_known(m, object))
        return;
    m->readers[reader].object = object;
    m->readers[reader].place = object_places_find(&m->places, identity_of(object, identity));
    if (!m->readers[reader].place)
        m->readers[reader].place = object_places_begin(&m->places, identity);
    snprintf(m->readers[reader].place->tag, OBJECT_TAG_MAX, "\"t\"");
}

static void put_line(struct model *m, size_t reader)
{
    struct object_place **place = &m->readers[reader].place;
    size_t object = m->readers[reader].object;
    bool last = (*place)->offset + 1 == lines_of(object);
    char identity[OBJECT_IDENTITY_CHARS + 1];
    const struct frame_message line = {.data = SLICE("line"),
                                       .id = last ? slice_str(identity_of(object, identity)) : SLICE("")};

    if (!object_places_have_room(&m->places, *place))
        window_cut(&m->w);
    if (window_put(&m->w, &line, m->numbers + last, m->x->now, m->x->now) != WINDOW_TAKEN)
        return;
    m->numbers += last;
    object_place_moves(&m->places, *place, (*place)->offset + 1);
    if (!last)
        return;
    object_place_leave(&m->places, place, true);
    m->readers[reader].object = OBJECTS;
}

static void step(struct model *m)
{
    size_t reader = draw(m, READERS);

    switch (draw(m, 40)) {
    case 0:
        crash(m);
        break;
    case 1: /* its message goes back, and comes again */
        object_place_leave(&m->places, &m->readers[reader].place, false);
        m->readers[reader].object = OBJECTS;
        break;
    case 2:
        sync_fails = draw(m, 2);
        break;
    case 3:
    case 4:
    case 5:
        commit(m->x);
        break;
    case 6:
    case 7:
        window_flush(&m->w, m->x->now);
        break;
    default:
        if (m->readers[reader].object == OBJECTS)
            choose(m, reader);
        else
            put_line(m, reader);
    }
    if (window_look(&m->w, m->x->now).refused)
        refuse(m);
}

static bool all_are_read(struct model *m)
{
    for (size_t i = 0; i < OBJECTS; i++)
        if (!is_known(m, i))
            return false;
    return true;
}

static void nothing_is_lost_or_doubled(void **state)
{
    static struct io_ops ops;

    (void)state;
    ops = io_ops_real;
    ops.fdatasync = disk_fdatasync;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct model m = {.x = fixture_new(false, 64 * MIB, 0), .seed = seed};

        sync_fails = false;
        close_spool(m.x);
        m.x->conf.files = &ops;
        open_spool(m.x);
        budget_init(&m.budget, 64 * MIB);
        open_window(&m);
        for (unsigned i = 0; i < 4000 && !all_are_read(&m); i++)
            step(&m);
        sync_fails = false;
        for (unsigned i = 0; i < 100; i++) { /* what is on its way gets there */
            commit(m.x);
            if (window_look(&m.w, m.x->now).refused)
                refuse(&m);
        }
        refuse(&m);
        check_safe(&m);
        fixture_free(m.x);
        window_release(&m.w);
    }
}

/* Of more than there are places for the oldest goes; of two places of one object the later counts. */
static void places_are_bounded(void **state)
{
    struct model m = {.x = fixture_new(false, 64 * MIB, 0)};
    char identity[OBJECT_IDENTITY_CHARS + 1];

    (void)state;
    budget_init(&m.budget, 64 * MIB);
    open_window(&m);
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < OBJECTS_PLACES + 5; i++) {
            struct object_place *place = object_places_find(&m.places, identity_of(i, identity));
            const struct frame_message line = {.data = SLICE("line")};

            assert_true(round > 0 || !place);
            if (!place)
                place = object_places_begin(&m.places, identity);
            assert_int_equal(window_put(&m.w, &line, 0, m.x->now, m.x->now), WINDOW_TAKEN);
            object_place_moves(&m.places, place, 10 * (round + 1));
            object_place_leave(&m.places, &place, false);
            window_cut(&m.w);
            window_flush(&m.w, m.x->now);
            commit(m.x);
            assert_true(window_look(&m.w, m.x->now).safe);
        }
    reopen_spool(m.x);
    window_release(&m.w);
    open_window(&m);
    for (size_t i = 0; i < OBJECTS_PLACES + 5; i++) {
        struct object_place *place = object_places_find(&m.places, identity_of(i, identity));

        if (i >= 5)
            assert_true(place && place->offset == 20);
        object_place_leave(&m.places, &place, false);
    }
    fixture_free(m.x);
    window_release(&m.w);
}

/* What somebody else wrote there, or an older version, is no place. */
static void texts_that_are_no_places_are_none(void **state)
{
    static const char *const TEXTS[] = {
        "",
        "2 1 00000000000000000000000000000001 5 plain \"t\"",
        "1 1 0001 5 plain \"t\"",
        "1 1 00000000000000000000000000000001 5 odd \"t\"",
        "1 1 00000000000000000000000000000001 x plain \"t\"",
        "1 1 00000000000000000000000000000001 5",
    };
    static const char *const NAMES[] = {SOURCE, SOURCE " 64", SOURCE " 1x", SOURCE "1 1", SOURCE " 00000000001"};
    struct model m = {.x = fixture_new(false, 64 * MIB, 0)};
    char identity[OBJECT_IDENTITY_CHARS + 1], name[64];
    struct object_place *place;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        snprintf(name, sizeof(name), "%s %zu", SOURCE, i);
        spool_remember(m.x->spool, slice_str(name), slice_str(TEXTS[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        spool_remember(m.x->spool, slice_str(NAMES[i]), SLICE("1 1 00000000000000000000000000000001 5 plain \"t\""));
    spool_remember(m.x->spool, SLICE(SOURCE " 63"), SLICE("1 7 00000000000000000000000000000002 6 packed "));
    commit(m.x);
    budget_init(&m.budget, 64 * MIB);
    open_window(&m);
    assert_null(object_places_find(&m.places, identity_of(1, identity)));
    place = object_places_find(&m.places, identity_of(2, identity));
    assert_non_null(place);
    assert_true(place->packed && place->offset == 6 && place->order == 7 && !place->tag[0]);
    object_place_leave(&m.places, &place, false);
    fixture_free(m.x);
    window_release(&m.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_doubled),
        cmocka_unit_test(places_are_bounded),
        cmocka_unit_test(texts_that_are_no_places_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
