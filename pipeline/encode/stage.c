/* The parcel of a key is found in a table. A piece collects what it adds in the blocks of the parcels' files, in memory; when that is
 * enough, and at the end, each block is written behind the last one of its file. Before the piece is written into the journal all files are
 * synced: a handful one by one, more of them by one syncfs().
 *
 * Until the journal has the piece, nothing of it counts. `mark` is how long a file is as far as the journal goes, `written` how far the piece has
 * come: to undo it, `written` goes back to the mark and new parcels are forgotten. What lies behind a mark is cut off when the file is
 * opened the next time. */
#include "pipeline/encode/stage.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/encode/stage_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct stage *stage_new(const struct io_ops *files, const char *dir, bool in_memory, struct spool_reader *reader)
{
    struct stage *s = mem_alloc(sizeof(*s));

    s->files = files ? files : &io_ops_real;
    s->left.files = s->files;
    s->dir = mem_strdup(dir);
    s->in_memory = in_memory;
    s->folder = -1;
    s->reader = reader;
    s->buckets = STAGE_BUCKETS_FIRST;
    s->table = mem_array(s->buckets, sizeof(*s->table));
    TAILQ_INIT(&s->closed);
    TAILQ_INIT(&s->files_open);
    TAILQ_INIT(&s->held);
    TAILQ_INIT(&s->replaced);
    buf_init(&s->notes, STAGE_PARTS_MAX * (SEAL_META_KEYS_MAX + STAGE_NOTE_HEAD));
    return s;
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static void close_file(struct stage *s, struct stage_parcel *p)
{
    if (p->is_open) {
        TAILQ_REMOVE(&s->files_open, p, open);
        s->files_open_count--;
    }
    p->is_open = false;
    parcel_file_close(&p->file);
}

struct parcel_file *stage_file_of(struct stage *s, struct stage_parcel *p)
{
    if (p->file)
        return p->file;
    s->buffered += STAGE_FILE_MEMORY;
    return p->file = parcel_file_at(s->files, p->path, &p->written);
}

static int flush(struct stage_parcel *p, struct err *e)
{
    if (parcel_file_flush(p->file, e) < 0)
        return -1;
    p->written = parcel_file_mark(p->file);
    return 0;
}

int stage_note_use(struct stage *s, struct stage_parcel *p, struct err *e)
{
    if (!parcel_file_is_open(p->file))
        return 0;
    if (p->is_open) {
        TAILQ_REMOVE(&s->files_open, p, open);
        s->files_open_count--;
    }
    p->is_open = true;
    TAILQ_INSERT_TAIL(&s->files_open, p, open);
    s->files_open_count++;
    while (s->files_open_count > STAGE_FILES_MAX) {
        struct stage_parcel *oldest = TAILQ_FIRST(&s->files_open);

        if (flush(oldest, e) < 0)
            return -1;
        close_file(s, oldest);
    }
    return 0;
}

/* --- the table ------------------------------------------------------------------------------------------------------ */

/* FNV-1a */
static struct stage_parcel **bucket(struct stage *s, enum stage_kind kind, struct slice keys)
{
    uint64_t h = 14695981039346656037ULL ^ (unsigned)kind;

    for (size_t i = 0; i < keys.n; i++)
        h = (h ^ (unsigned char)keys.p[i]) * 1099511628211ULL;
    return &s->table[(h ^ h >> 32) & (s->buckets - 1)];
}

static struct stage_parcel *find(struct stage *s, enum stage_kind kind, struct slice keys)
{
    struct stage_parcel *p = *bucket(s, kind, keys);

    while (p && (p->kind != kind || !slice_eq(p->keys, keys)))
        p = p->next_of_key;
    return p;
}

static void grow(struct stage *s)
{
    struct stage_parcel **old = s->table;
    size_t count = s->buckets;

    s->buckets *= 2;
    s->table = mem_array(s->buckets, sizeof(*s->table));
    for (size_t i = 0; i < count; i++)
        while (old[i]) {
            struct stage_parcel *p = old[i], **to;

            old[i] = p->next_of_key;
            to = bucket(s, p->kind, p->keys);
            p->next_of_key = *to;
            *to = p;
        }
    mem_free(old);
}

size_t stage_open_count(const struct stage *s)
{
    size_t n = 0;

    for (size_t k = 0; k < STAGE_KINDS; k++)
        n += s->open[k];
    return n;
}

/* The interval less the age it has already, which a wall clock that was set may make anything at all. A backlog, all of which is older than
 * that, has a moment to gather: else each piece would become an object of each key. */
static nsec deadline_for(const struct stage *s, nsec oldest, nsec wall, nsec mono)
{
    nsec age = wall > oldest ? wall - oldest : 0, interval = s->rules.interval;
    nsec left = age < interval ? interval - age : 0,
         least = interval < STAGE_PIECE_AGE_MAX ? interval : STAGE_PIECE_AGE_MAX;

    return mono + (left > least ? left : least);
}

static void put_in(struct stage *s, struct stage_parcel *p, nsec due)
{
    struct stage_parcel **at;

    if (stage_open_count(s) >= s->buckets)
        grow(s);
    at = bucket(s, p->kind, p->keys);
    p->next_of_key = *at;
    *at = p;
    s->open[p->kind]++;
    s->open_bytes += p->mark.length;
    heap_set(&s->due, &p->due, due);
}

static void take_out(struct stage *s, struct stage_parcel *p)
{
    struct stage_parcel **at = bucket(s, p->kind, p->keys);

    while (*at != p)
        at = &(*at)->next_of_key;
    *at = p->next_of_key;
    s->open[p->kind]--;
    s->open_bytes -= p->mark.length;
    heap_set(&s->due, &p->due, NSEC_NEVER);
}

static void close_parcel(struct stage *s, struct stage_parcel *p)
{
    take_out(s, p);
    p->is_closed = true;
    TAILQ_INSERT_TAIL(&s->closed, p, line);
    if (!p->is_touched)
        close_file(s, p);
}

static struct stage_parcel *first_due(const struct stage *s)
{
    struct heap_item *i = heap_first(&s->due);

    return i ? CONTAINER_OF(i, struct stage_parcel, due) : NULL;
}

/* --- parcels -------------------------------------------------------------------------------------------------------- */

static struct stage_parcel *new_parcel(const struct stage *s, uint64_t number, enum stage_kind kind, struct slice keys)
{
    struct stage_parcel *p = mem_alloc(sizeof(*p));

    p->known = (struct parcel){.number = number, .oldest = NSEC_NEVER};
    p->kind = kind;
    p->keys = slice_of(keys.n ? mem_strndup(keys.p, keys.n) : NULL, keys.n);
    p->path = stage_path(s->dir, number);
    heap_item_init(&p->due);
    return p;
}

static void close_early(struct stage *s)
{
    while (s->open[STAGE_RECORDS] > 0 && s->open[STAGE_RECORDS] >= s->rules.max_partitions) {
        struct stage_parcel *p = first_due(s);

        s->exceeded += p->kind == STAGE_RECORDS;
        close_parcel(s, p);
    }
}

struct stage_parcel *stage_make_parcel(struct stage *s, enum stage_kind kind, struct slice keys, struct err *e)
{
    struct stage_parcel *p;

    if (!s->dir_is_made && io_make_folder(s->files, s->dir, e) < 0)
        return NULL;
    s->dir_is_made = true;
    p = new_parcel(s, staged_new_parcel(s->reader), kind, keys);
    p->version = s->rules.version;
    p->begun = s->mono;
    p->is_new = true;
    return p;
}

static struct stage_parcel *begin_parcel(struct stage *s, enum stage_kind kind, struct slice keys, nsec arrival,
                                         struct err *e)
{
    struct stage_parcel *p;

    if (kind == STAGE_RECORDS)
        close_early(s);
    p = stage_make_parcel(s, kind, keys, e);
    if (!p)
        return NULL;
    p->owner = s->rules.owner;
    put_in(s, p, deadline_for(s, arrival, s->wall, s->mono));
    return p;
}

/* --- a piece -------------------------------------------------------------------------------------------------------- */

void stage_begin(struct stage *s, const struct stage_rules *rules, uint64_t first, uint64_t last, nsec wall, nsec mono)
{
    if (s->rules.owner && s->rules.owner != rules->owner)
        stage_close_due(s, mono, true);
    s->rules = *rules;
    s->first = first;
    s->last = last;
    s->wall = wall;
    s->mono = mono;
    s->touched_count = s->part_count = s->gone_count = 0;
    s->buffered = s->expected = s->noted = s->next_noted = 0;
    s->replaces = false;
}

/* syncfs() tells of the errors since its descriptor was opened, so that is done before anything is written. Without it each file is synced. */
static void open_folder(struct stage *s)
{
    if (!s->in_memory)
        s->folder = s->files->open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

static void close_folder(struct stage *s)
{
    if (s->folder >= 0)
        close(s->folder);
    s->folder = -1;
}

/* The journal has to take it, whatever becomes of the disk meanwhile. One record cannot be made smaller. */
static int note_one(struct stage *s, const struct stage_parcel *p, struct err *e)
{
    bool disk_is_full;

    s->noted += STAGED_PART_BYTES + (p->is_new ? STAGE_NOTE_HEAD + p->keys.n : 0);
    s->next_noted += 2 * STAGED_PART_BYTES + STAGE_NOTE_HEAD + p->keys.n;
    if (s->first == s->last || s->noted <= staged_room(s->reader, &disk_is_full))
        return 0;
    if (disk_is_full)
        return err_set(e, ERR_NOSPACE, "the disk is full, and has no room to write down where its records are");
    staged_want_room(s->reader, 2 * s->noted);
    return err_set(e, ERR_LIMIT, "its records go to more objects than can be written down on a full disk");
}

/* A little more: else half of the blocks would be moved to a larger place once more. A small piece behind large ones may have part in as many
 * parcels and brings little to each, so what is expected has a bound of its own. */
static void expect_as_before(struct stage *s, struct stage_parcel *p)
{
    uint64_t bytes = p->mark.bytes - p->before.bytes, records = p->mark.count - p->before.count;

    if (!p->is_new && s->expected < STAGE_BUFFERED_MAX)
        s->expected += parcel_file_expect(stage_file_of(s, p), bytes + bytes / 4, records + records / 4);
}

int stage_touch(struct stage *s, struct stage_parcel *p, struct err *e)
{
    if (p->is_touched)
        return 0;
    if (s->touched_count == s->touched_room) {
        s->touched_room = s->touched_room ? 2 * s->touched_room : 64;
        s->touched = mem_grow(s->touched, s->touched_room, sizeof(*s->touched));
    }
    if (s->touched_count == 0)
        open_folder(s);
    s->touched[s->touched_count++] = p;
    p->is_touched = true;
    p->counted = 0;
    p->oldest = NSEC_NEVER;
    expect_as_before(s, p);
    if (s->touched_count > STAGE_PARTS_MAX)
        return err_set(e, ERR_LIMIT, "its records have more than %llu different keys",
                       (unsigned long long)STAGE_PARTS_MAX);
    return note_one(s, p, e);
}

/* A file that damage took is not appended to. */
static int failed(struct stage *s, struct stage_parcel *p, const struct err *e)
{
    if (e->code == ERR_FORMAT && !p->is_closed && !p->is_new)
        close_parcel(s, p);
    return -1;
}

int stage_flush(struct stage *s, struct err *e)
{
    s->buffered = s->expected = 0;
    for (size_t i = 0; i < s->touched_count; i++) {
        struct stage_parcel *p = s->touched[i];

        if (p->file && parcel_file_has_more(p->file) && (flush(p, e) < 0 || stage_note_use(s, p, e) < 0))
            return failed(s, p, e);
    }
    return 0;
}

int stage_add(struct stage *s, enum stage_kind kind, struct slice keys, struct slice data,
              const struct record_origin *from, struct err *e)
{
    size_t stored = data.n + (data.n == 0 || data.p[data.n - 1] != '\n' ? 1 : 0);
    struct stage_parcel *p = find(s, kind, keys);

    assert(keys.n <= SEAL_META_KEYS_MAX);
    if (p && p->count > 0 && p->size + stored > s->rules.size) {
        close_parcel(s, p);
        p = NULL;
    }
    if (!p && !(p = begin_parcel(s, kind, keys, from->arrival, e)))
        return -1;
    if (stage_touch(s, p, e) < 0)
        return -1;
    if (parcel_file_add(stage_file_of(s, p), data, from, e) < 0)
        return failed(s, p, e);
    p->written = parcel_file_mark(p->file);
    p->size += stored;
    p->count++;
    p->counted += from->is_counted;
    p->oldest = from->arrival < p->oldest ? from->arrival : p->oldest;
    if (stage_note_use(s, p, e) < 0)
        return -1;
    s->buffered += stored + STAGE_BESIDE_RECORD;
    return s->buffered < STAGE_BUFFERED_MAX ? 0 : stage_flush(s, e);
}

static int sync_each(struct stage *s, struct err *e)
{
    bool any_new = false;

    for (size_t i = 0; i < s->touched_count; i++) {
        struct stage_parcel *p = s->touched[i];

        if (parcel_file_sync(stage_file_of(s, p), e) < 0 || stage_note_use(s, p, e) < 0)
            return failed(s, p, e);
        any_new = any_new || p->is_new;
    }
    return any_new ? io_sync_folder(s->files, s->dir, e) : 0;
}

/* When syncfs() fails somebody's data is in trouble, perhaps not ours: then it is asked file by file. */
static int sync_all(struct stage *s, struct err *e)
{
    if (s->in_memory || s->touched_count == 0)
        return 0;
    if (s->touched_count <= SYNC_EACH_MAX || s->folder < 0 || s->files->syncfs(s->folder) < 0)
        return sync_each(s, e);
    return 0;
}

int stage_finish(struct stage *s, struct err *e)
{
    if (stage_flush(s, e) < 0 || sync_all(s, e) < 0 || stage_leave_room(s, e) < 0)
        return -1;
    stage_make_parts(s);
    return 0;
}

/* As the journal does (spool/parcels.c): of a parcel the names of its bodies hang on this, also after a restart. */
static void note_part(struct stage *s, struct stage_parcel *p)
{
    struct parcel *k = &p->known;
    nsec due;

    k->first = p->is_new || s->first < k->first ? s->first : k->first;
    k->last = s->last;
    k->bytes = p->written.length;
    k->records += p->counted;
    if (p->oldest < k->oldest) {
        k->oldest = p->oldest;
        due = deadline_for(s, k->oldest, s->wall, s->mono);
        if (!p->is_closed && due < p->due.at)
            heap_set(&s->due, &p->due, due);
    }
}

void stage_took(struct stage *s)
{
    for (size_t i = 0; i < s->touched_count; i++) {
        struct stage_parcel *p = s->touched[i];

        note_part(s, p);
        if (!p->is_closed)
            s->open_bytes += p->written.length - p->mark.length;
        p->before = p->mark;
        p->mark = p->written;
        p->is_new = p->is_touched = false;
        if (p->is_closed || !p->is_open)
            close_file(s, p);
    }
    close_folder(s);
    s->touched_count = s->part_count = s->gone_count = 0;
    if (s->replaces)
        TAILQ_CONCAT(&s->replaced, &s->held, line);
    if (s->holding)
        TAILQ_INSERT_TAIL(&s->held, s->holding, line);
    s->holding = NULL;
    s->replaces = false;
    while (s->rules.bytes && s->open_bytes > s->rules.bytes) /* what waits for its time must not keep others out */
        close_parcel(s, first_due(s));
}

/* The journal never heard of it, and its number may come again. */
static void forget(struct stage *s, struct stage_parcel *p)
{
    if (p->kind == STAGE_HELD)
        s->holding = NULL;
    else if (p->is_closed)
        TAILQ_REMOVE(&s->closed, p, line);
    else
        take_out(s, p);
    (void)s->files->unlink(p->path); /* else it gives way to the next one of its name, or to a start */
    stage_parcel_free(&p);
}

void stage_undo(struct stage *s)
{
    for (size_t i = 0; i < s->touched_count; i++) {
        struct stage_parcel *p = s->touched[i];

        close_file(s, p);
        p->written = p->mark;
        p->size = p->mark.bytes;
        p->count = p->mark.count;
        p->is_touched = false;
        if (p->is_new)
            forget(s, p);
    }
    s->touched_count = s->part_count = s->gone_count = 0;
    s->replaces = false;
    close_folder(s);
    s->dir_is_made = false; /* somebody may have removed it */
}

/* --- those that are closed ------------------------------------------------------------------------------------------- */

void stage_close_due(struct stage *s, nsec mono, bool all)
{
    struct stage_parcel *p;

    while ((p = first_due(s)) && (all || p->due.at <= mono))
        close_parcel(s, p);
}

nsec stage_deadline(const struct stage *s)
{
    const struct stage_parcel *p = first_due(s);

    return p ? p->due.at : NSEC_NEVER;
}

struct stage_parcel *stage_next(struct stage *s)
{
    struct stage_parcel *p = TAILQ_FIRST(&s->closed);

    if (p)
        TAILQ_REMOVE(&s->closed, p, line);
    return p;
}

/* --- after a start --------------------------------------------------------------------------------------------------- */

/* Of one whose note damage took nothing is known: it is delivered without keys. */
static struct stage_parcel *known_parcel(const struct stage *s, const struct parcel *known)
{
    struct stage_note note = stage_note_read(known->note);
    struct slice keys = known->sealed ? slice_of(NULL, 0) : note.rest;
    struct stage_parcel *p = new_parcel(s, known->number, note.kind, keys);

    p->known = *known;
    p->known.note = p->known.progress = slice_of(NULL, 0);
    p->version = note.version;
    return p;
}

void stage_keep_aside(struct stage *s, const char *folder)
{
    s->left.aside = folder;
}

int stage_adopt(struct stage *s, const struct stage_rules *rules, const struct parcel *known, nsec wall, nsec mono,
                struct stage_parcel **out, struct err *e)
{
    struct stage_parcel *p = known_parcel(s, known);
    int rc;

    *out = NULL;
    if (stage_left_keep_end(&s->left, p->path, known->bytes, e) < 0) {
        stage_parcel_free(&p);
        return -1;
    }
    rc = parcel_file_look(s->files, p->path, known->bytes, &p->mark, e);
    if (rc < 0 && e->code != ERR_FORMAT) {
        stage_parcel_free(&p);
        return -1;
    }
    s->rules = *rules;
    p->written = p->before = p->mark;
    p->size = p->mark.bytes;
    p->count = p->mark.count;
    if (known->sealed) {
        p->is_closed = true;
        *out = p;
        return rc;
    }
    if (p->kind == STAGE_HELD) {
        p->is_closed = true;
        TAILQ_INSERT_TAIL(&s->held, p, line);
        return rc;
    }
    if (find(s, p->kind, p->keys)) /* damage took the note of both */
        close_parcel(s, find(s, p->kind, p->keys));
    put_in(s, p, deadline_for(s, known->oldest, wall, mono));
    if (rc < 0 || p->version != rules->version)
        close_parcel(s, p);
    return rc;
}

int stage_clear(struct stage *s, const uint64_t *numbers, size_t count, struct err *e)
{
    int cleared = stage_left_clear(&s->left, s->dir, numbers, count, e);

    staged_skip_parcels(s->reader, s->left.highest);
    return cleared;
}

void stage_free(struct stage **sp)
{
    struct stage *s = *sp;
    struct stage_parcel *p;

    if (!s)
        return;
    stage_undo(s);
    stage_close_due(s, 0, true);
    while ((p = stage_next(s))) {
        close_file(s, p);
        stage_parcel_free(&p);
    }
    stage_parcels_free(&s->held);
    stage_parcels_free(&s->replaced);
    heap_release(&s->due);
    buf_release(&s->notes);
    mem_free(s->gone);
    mem_free(s->parts);
    mem_free(s->touched);
    mem_free(s->table);
    mem_free(s->dir);
    mem_free(s);
    *sp = NULL;
}
