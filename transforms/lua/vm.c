/* With transform() each record is a call of its own, and its outcome goes out at once. With batch() the records of
 * all run() calls are copied and the script is called once, in end(): what comes back is matched with the records
 * it stems from, and a record that is not among it was dropped.
 *
 * A call that runs out of time leaves a state that is lost: the record (or the batch) fails, a new state is made,
 * and the next record goes on in it. The batch as a whole has a time, too; time that passes in transforms behind
 * this one does not count. */
#include "transforms/lua/vm.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "transforms/lua/call.h"
#include "transforms/lua/results.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

static int cancelled(struct err *e)
{
    return err_set(e, ERR_CANCELLED, "the program is ending");
}

/* --- outcomes --- */

/* `from`: the record that it counts as. */
static int emit_as(struct lua_vm *w, const struct lua_part *part, const struct lua_record *of,
                   const struct transform_record *from)
{
    struct slice data = part->how.untouched ? of->from.data : slice_of(w->result.p + part->at, part->n);

    w->env.out->is_object = part->how.is_object;
    return w->env.out->emit(w->env.out, from, data, of->keys, of->key_count);
}

static int emit(struct lua_vm *w, const struct lua_part *part, const struct lua_record *of)
{
    return emit_as(w, part, of, &of->from);
}

static int fail_as(struct lua_vm *w, const struct transform_record *from, const struct lua_call_error *error)
{
    return w->env.out->fail(w->env.out, from, error->code, slice_of(error->message, error->n),
                            error->shown ? slice_str(error->shown) : slice_of(error->message, error->n));
}

static int fail(struct lua_vm *w, const struct lua_record *rec, const struct lua_call_error *error)
{
    return fail_as(w, &rec->from, error);
}

/* A state that was aborted is lost. */
static int renew(struct lua_vm *w, struct err *e)
{
    if (w->L && !w->guard.aborted)
        return 0;
    lua_call_unmake(w);
    return lua_call_make(w, e);
}

/* --- time of the batch --- */

static const struct lua_call_error BATCH_OVER = {.code = "Lua.FunctionTimedOut",
                                                 .message = "the batch took longer than batch_timeout",
                                                 .n = sizeof("the batch took longer than batch_timeout") - 1};

/* --- records that are held back --- */

/* What a call gives back while its own record is held counts as the first one that it released. */
static const struct transform_record *counts_as(const struct lua_vm *w)
{
    const struct lua_kept_name *n = w->env.kept ? STAILQ_FIRST(&w->env.kept->released) : NULL;

    return w->one.held && n ? &STAILQ_FIRST(&n->entries)->record : &w->one.from;
}

/* The others of these names are in what came back, or nowhere. */
static void drop_entries(struct lua_vm *w, const struct lua_kept_name *n, const struct transform_record *but)
{
    const struct lua_kept_entry *e;

    STAILQ_FOREACH(e, &n->entries, next)
        if (&e->record != but)
            w->env.out->drop(w->env.out, &e->record, SLICE("released"));
}

static void settle_kept(struct lua_vm *w, const struct transform_record *counted)
{
    struct transform_kept held = {.name = w->one.hold_name, .record = w->one.from};
    const struct lua_kept_name *n;

    if (!w->env.kept)
        return;
    STAILQ_FOREACH(n, &w->env.kept->released, in_call)
        drop_entries(w, n, counted);
    if (w->one.held && w->env.out->kept)
        w->env.out->kept(w->env.out, &w->one.from);
    held.record.data = w->one.hold_text;
    lua_kept_settle(w->env.kept, w->one.held ? &held : NULL, !counted, clock_mono());
}

static bool holds_too_much(const struct lua_vm *w)
{
    const struct lua_kept *k = w->env.kept;

    return k && (k->count > w->options.hold_records || k->bytes > w->options.hold_bytes);
}

/* finish(name, texts, meta), if the script has one, for the first name. */
static int call_kept_finish(lua_State *L)
{
    struct lua_vm *w = lua_vm_of(L);
    const struct lua_kept_name *n = TAILQ_FIRST(&w->env.kept->names);

    lua_guard_begin(&w->guard, w->options.timeout, w->run.end + w->env.out->elsewhere);
    lua_results_forget(w);
    if (lua_getglobal(L, "finish") != LUA_TFUNCTION)
        return 0;
    lua_pushlstring(L, n->name.p, n->name.n);
    lua_meta_push_texts(L, n);
    lua_meta_push(L, &w->records);
    lua_call(L, 3, 1);
    w->finished = true;
    lua_results_add(L, w);
    return 0;
}

static int emit_entries(struct lua_vm *w, const struct lua_kept_name *n)
{
    const struct lua_kept_entry *e;
    int rc = 0;

    w->env.out->is_object = false;
    STAILQ_FOREACH(e, &n->entries, next)
        rc = rc < 0 ? rc : w->env.out->emit(w->env.out, &e->record, e->record.data, NULL, 0);
    return rc;
}

/* What finish() gave back for the name; without it, what is held. */
static int hand_over(struct lua_vm *w, const struct lua_kept_name *n)
{
    const struct transform_record *first = &STAILQ_FIRST(&n->entries)->record;
    const struct lua_part *parts;
    size_t count;
    int rc = 0;

    if (!w->finished)
        return emit_entries(w, n);
    parts = lua_results(w, &count);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = emit_as(w, &parts[i], &w->one, first);
    if (count == 0)
        w->env.out->drop(w->env.out, first, w->one.drop_reason);
    drop_entries(w, n, first);
    return rc;
}

static int fail_entries(struct lua_vm *w, const struct lua_kept_name *n, const struct lua_call_error *error)
{
    const struct lua_kept_entry *e;
    int rc = 0;

    STAILQ_FOREACH(e, &n->entries, next)
        rc = rc < 0 ? rc : fail_as(w, &e->record, error);
    return rc;
}

/* The first name is held no more. */
static int finish_first(struct lua_vm *w, struct err *e)
{
    struct lua_kept_name *n = TAILQ_FIRST(&w->env.kept->names);
    struct lua_call_error error;
    enum lua_call_status status;
    int rc;

    lua_record_begin(&w->one, &w->arena, &STAILQ_FIRST(&n->entries)->record);
    w->finished = false;
    w->env.finishing = true;
    status = lua_call_other(w, call_kept_finish, &error);
    w->env.finishing = false;
    if (status == LUA_CALL_CANCELLED)
        rc = cancelled(e);
    else
        rc = status == LUA_CALL_OK ? hand_over(w, n) : fail_entries(w, n, &error);
    lua_record_end(&w->one);
    arena_reset(&w->arena);
    if (rc == 0)
        lua_kept_remove(w->env.kept, n);
    return rc == 0 && w->guard.aborted ? renew(w, e) : rc;
}

static int make_room(struct lua_vm *w, struct err *e)
{
    int rc = 0;

    if (holds_too_much(w) && !w->full_told && w->env.out->log)
        w->env.out->log(w->env.out, LOG_WARN,
                        SLICE("more is held than hold_records and hold_bytes allow: the oldest is handed over"));
    w->full_told = w->full_told || holds_too_much(w);
    while (rc == 0 && holds_too_much(w))
        rc = finish_first(w, e);
    return rc;
}

/* --- transform() --- */

/* What comes back counts as a record that was released: of one that is held still nothing else may count. */
static void check_held(lua_State *L, const struct lua_vm *w, const struct lua_part *parts, size_t count)
{
    bool released = !STAILQ_EMPTY(&w->env.kept->released);

    for (size_t i = 0; i < count; i++)
        if (!released || parts[i].of == &w->one)
            luaL_error(L, "a call that holds its record returns what it has released, or nothing");
}

/* Calls it with w->one, and says what became of it: what it gave back is known as a whole before any of it goes out. On
 * the stack, for all records: transform, meta, the metatable of records. */
static int call_with_one(lua_State *L, struct lua_vm *w)
{
    enum { TRANSFORM = 1, META, METATABLE, RECORD, RESULT };
    struct lua_part whole = {.of = &w->one};
    const struct lua_part *parts = &whole;
    const struct transform_record *from;
    size_t count = 1;
    int rc = 0;

    lua_record_push(L, &w->one, METATABLE);
    lua_pushvalue(L, TRANSFORM);
    lua_pushvalue(L, RECORD);
    lua_pushvalue(L, META);
    lua_call(L, 2, 1);
    lua_results_forget(w);
    if (lua_touserdata(L, RESULT) ==
        lua_touserdata(L, RECORD)) { /* as most do; then it is no list, nor another record */
        whole.how = lua_record_write(L, &w->one, &w->result);
        whole.n = w->given = w->result.n;
        if (!whole.how.untouched)
            lua_results_check(L, w, whole.n);
    } else {
        lua_results_add(L, w);
        parts = lua_results(w, &count);
    }
    if (w->one.held)
        check_held(L, w, parts, count);
    lua_settop(L, METATABLE);
    lua_guard_rethrow(L);
    lua_guard_end(&w->guard);
    from = counts_as(w);
    if (count == 0 && !w->one.held)
        w->env.out->drop(w->env.out, from, w->one.drop_reason);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = emit_as(w, &parts[i], &w->one, from);
    if (rc == 0)
        settle_kept(w, count > 0 ? from : NULL);
    return rc;
}

static void end_record(struct lua_vm *w)
{
    lua_record_end(&w->one);
    arena_reset(&w->arena);
    w->run.at++;
}

/* Entering Lua protected costs more than a short script: so it is done once for many records, until one fails. */
static int call_transform(lua_State *L)
{
    struct lua_vm *w = lua_vm_of(L);
    struct lua_run *run = &w->run;

    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_record_push_metatable(L);
    while (run->at < run->count && run->rc == 0 && !w->guard.out_of_memory && !cancel_is_asked(w->options.cancel) &&
           !holds_too_much(w)) {
        lua_record_begin(&w->one, &w->arena, &run->records[run->at]);
        lua_guard_begin(&w->guard, w->options.timeout, run->end + w->env.out->elsewhere);
        run->rc = call_with_one(L, w);
        end_record(w);
    }
    return 0;
}

/* The record under way failed; a state that was interrupted is made anew. */
static int fail_one(struct lua_vm *w, const struct lua_call_error *error, struct err *e)
{
    int rc = fail(w, &w->one, error);

    if (w->env.kept)
        lua_kept_undo(w->env.kept);
    end_record(w);
    if (rc < 0 || !w->guard.aborted)
        return rc;
    w->batch_over = clock_mono() >= w->run.end + w->env.out->elsewhere;
    return renew(w, e);
}

static int run_records(struct lua_vm *w, const struct transform_record *records, size_t count, struct err *e)
{
    nsec end = clock_mono() + w->batch_left - w->env.out->elsewhere; /* and later by what passes elsewhere */
    struct lua_call_error error;
    int rc = 0;

    w->run = (struct lua_run){.records = records, .count = count, .end = end};
    while (w->run.at < count && rc == 0) {
        if (cancel_is_asked(w->options.cancel)) /* the guard looks only at calls that take a while */
            return cancelled(e);
        if (w->batch_over) {
            lua_record_begin(&w->one, &w->arena, &records[w->run.at]);
            rc = fail_one(w, &BATCH_OVER, e);
            continue;
        }
        switch (lua_call_script(w, &error)) {
        case LUA_CALL_OK:
            rc = w->run.rc < 0 ? -1 : make_room(w, e);
            break;
        case LUA_CALL_FAILED:
            rc = fail_one(w, &error, e);
            break;
        case LUA_CALL_CANCELLED:
            return cancelled(e);
        }
    }
    w->batch_left = end + w->env.out->elsewhere - clock_mono();
    return rc;
}

/* --- batch() --- */

static int hold(struct lua_vm *w, const struct transform_record *r)
{
    struct lua_held h = {.data_n = r->data.n,
                         .origin_n = r->origin.n,
                         .facts_n = r->facts.n,
                         .seq = r->seq,
                         .arrival = r->arrival,
                         .part = r->part};

    h.data = w->held.n;
    if (buf_add_slice(&w->held, r->data) < 0)
        return -1;
    h.origin = w->held.n;
    if (buf_add_slice(&w->held, r->origin) < 0)
        return -1;
    h.facts = w->held.n;
    if (buf_add_slice(&w->held, r->facts) < 0)
        return -1;
    return buf_add(&w->held_at, &h, sizeof(h));
}

/* Records that do not fit any more are not worked on: they fail at once, and the rest is a batch all the same. */
static int hold_records(struct lua_vm *w, const struct transform_record *records, size_t count)
{
    static const struct lua_call_error full = {.code = "Lua.OutOfMemory",
                                               .message = "the batch does not fit the script's memory",
                                               .n = sizeof("the batch does not fit the script's memory") - 1};
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        w->held_full = w->held_full || hold(w, &records[i]) < 0;
        if (w->held_full) {
            lua_record_begin(&w->one, &w->arena, &records[i]);
            rc = fail(w, &w->one, &full);
        }
    }
    return rc;
}

/* Upvalue: batch. */
static int call_batch(lua_State *L)
{
    struct lua_vm *w = lua_vm_of(L);

    lua_guard_begin(&w->guard, w->options.batch_timeout, w->run.end);
    lua_results_forget(w);
    lua_record_push_metatable(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_createtable(L, (int)w->records.count, 0);
    for (size_t i = 0; i < w->records.count; i++) {
        lua_guard_step(L, 50);
        lua_record_push(L, &w->records.at[i], 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_meta_push_batch(L, &w->records);
    lua_call(L, 2, 1);
    if (lua_toboolean(L, -1) && !lua_results_are_list(L, lua_gettop(L)))
        luaL_error(L, "batch() returns a list of records, or nil");
    lua_results_add(L, w);
    return 0;
}

static void begin_held(struct lua_vm *w)
{
    const struct lua_held *h = (const struct lua_held *)(const void *)w->held_at.p;

    w->records.count = w->held_at.n / sizeof(*h);
    w->records.at = mem_array(w->records.count, sizeof(*w->records.at));
    for (size_t i = 0; i < w->records.count; i++) {
        struct transform_record from = {.data = slice_of(w->held.p + h[i].data, h[i].data_n),
                                        .origin = slice_of(w->held.p + h[i].origin, h[i].origin_n),
                                        .facts = slice_of(w->held.p + h[i].facts, h[i].facts_n),
                                        .seq = h[i].seq,
                                        .arrival = h[i].arrival,
                                        .part = h[i].part};

        w->records.at[i].generation = ++w->one.generation; /* never one that a dead reference has */
        lua_record_begin(&w->records.at[i], &w->arena, &from);
        w->one.generation = w->records.at[i].generation;
    }
}

/* Emits what came back; a record that is not among it was dropped. What the script made itself counts as the first
 * record's. */
static int emit_batch(struct lua_vm *w)
{
    size_t count;
    const struct lua_part *parts = lua_results(w, &count);
    bool *seen = mem_array(w->records.count, sizeof(*seen));
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct lua_record *of = parts[i].of ? parts[i].of : &w->records.at[0];

        seen[of - w->records.at] = true;
        rc = emit(w, &parts[i], of);
    }
    for (size_t i = 0; i < w->records.count && rc == 0; i++)
        if (!seen[i])
            w->env.out->drop(w->env.out, &w->records.at[i].from, w->records.at[i].drop_reason);
    mem_free(seen);
    return rc;
}

static int run_batch(struct lua_vm *w, struct err *e)
{
    struct lua_call_error error;
    int rc = 0;

    w->run = (struct lua_run){.end = clock_mono() + w->batch_left};
    switch (lua_call_script(w, &error)) {
    case LUA_CALL_OK:
        return emit_batch(w);
    case LUA_CALL_FAILED:
        break;
    case LUA_CALL_CANCELLED:
        return cancelled(e);
    }
    for (size_t i = 0; i < w->records.count && rc == 0; i++)
        rc = fail(w, &w->records.at[i], &error);
    return rc;
}

static void drop_held(struct lua_vm *w)
{
    if (w->records.at != &w->one)
        mem_free(w->records.at);
    w->records = (struct lua_meta_records){&w->one, 1};
    arena_reset(&w->arena);
    buf_trim(&w->held, TRANSFORM_KEEP_MAX);
    buf_trim(&w->held_at, TRANSFORM_KEEP_MAX);
    buf_trim(&w->result, TRANSFORM_KEEP_MAX);
    buf_trim(&w->parts, TRANSFORM_KEEP_MAX);
    buf_clear(&w->held);
    buf_clear(&w->held_at);
    w->held_full = false;
}

/* --- the contract --- */

int lua_vm_open(struct lua_vm **out, struct lua_script *script, const struct lua_vm_options *o, bool init,
                struct err *e)
{
    struct lua_vm *w = mem_alloc(sizeof(*w));

    w->options = *o;
    w->script = lua_script_take(script);
    w->env = (struct lua_lib_env){.stream = o->stream, .script = w->script};
    w->init = init;
    w->records = (struct lua_meta_records){&w->one, 1};
    buf_init(&w->result, o->memory);
    buf_init(&w->parts, o->memory);
    buf_init(&w->held, o->memory);
    buf_init(&w->held_at, o->memory);
    w->call_transform = call_transform;
    w->call_batch = call_batch;
    *out = w;
    if (lua_call_make(w, e) == 0)
        return 0;
    lua_vm_close(out);
    return -1;
}

void lua_vm_close(struct lua_vm **worker)
{
    struct lua_vm *w = *worker;

    *worker = NULL;
    if (!w)
        return;
    lua_call_finish(w);
    drop_held(w);
    lua_call_unmake(w);
    buf_release(&w->result);
    buf_release(&w->parts);
    buf_release(&w->held);
    buf_release(&w->held_at);
    lua_script_drop(&w->script);
    mem_free(w);
}

bool lua_vm_is_single(const struct lua_vm *w)
{
    return w->single;
}

bool lua_vm_holds(const struct lua_vm *w)
{
    return w->by_batch;
}

bool lua_vm_keeps(const struct lua_vm *w)
{
    return w->keeps;
}

void lua_vm_keep(struct lua_vm *w, struct lua_kept *kept)
{
    w->env.kept = kept;
}

const struct lua_script *lua_vm_script(const struct lua_vm *w)
{
    return w->script;
}

int lua_vm_begin(struct lua_vm *w, struct err *e)
{
    w->batch_left = w->options.batch_timeout;
    w->batch_over = w->full_told = false;
    w->env.log_lines = 0;
    if (w->env.kept)
        lua_kept_undo(w->env.kept);
    if (cancel_is_asked(w->options.cancel))
        return cancelled(e);
    if (renew(w, e) < 0)
        return -1;
    drop_held(w);
    return 0;
}

int lua_vm_run(struct lua_vm *w, const struct transform_record *records, size_t count, struct transform_out *out,
               struct err *e)
{
    int rc;

    w->env.out = out;
    rc = w->by_batch ? hold_records(w, records, count) : run_records(w, records, count, e);
    w->env.out = NULL;
    return rc < 0 ? -1 : 0;
}

int lua_vm_finish(struct lua_vm *w, bool all, struct transform_out *out, struct err *e)
{
    struct lua_kept *k = w->env.kept;
    const struct lua_kept_name *n;
    nsec now = clock_mono(), end = now + w->batch_left - out->elsewhere;
    int rc = 0;

    w->run = (struct lua_run){.end = end + w->options.timeout}; /* the last has all of its time, too */
    w->env.out = out;
    while (rc == 0 && (n = TAILQ_FIRST(&k->names)) && (all || now - n->since >= w->options.hold_age) &&
           clock_mono() < end + out->elsewhere) { /* or with the next batch */
        if (cancel_is_asked(w->options.cancel))
            rc = cancelled(e);
        else
            rc = finish_first(w, e);
    }
    w->env.out = NULL;
    return rc;
}

int lua_vm_end(struct lua_vm *w, struct transform_out *out, struct err *e)
{
    int rc;

    if (!w->by_batch || w->held_at.n == 0)
        return 0;
    w->env.out = out;
    begin_held(w);
    rc = run_batch(w, e);
    w->env.out = NULL;
    for (size_t i = 0; i < w->records.count; i++)
        lua_record_end(&w->records.at[i]);
    drop_held(w);
    if (rc < 0)
        return -1;
    return renew(w, e);
}
