/* Every call into a script is made by a C function under lua_pcall() that does all that may raise: making the arguments,
 * calling, and turning what came back into bytes (lua/vm.c). Here is what stands around that: which error it was, in
 * which words, and where; how a state is made, and how it ends. */
#include "transforms/lua/call.h"

#include "pipeline/base/limits.h"

#include "transforms/lua/json.h"
#include "transforms/lua/lib.h"
#include "transforms/lua/sandbox.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where things stand on the stack of a state between calls. */
enum { STACK_HANDLER = 1, STACK_CALL };

static const char FUNCTION_TAG; /* its address is the registry's key of the script's function */

/* --- errors --- */

/* "mask.lua:3: ", which error() and luaL_error() put in front. */
static bool has_position(const char *s)
{
    const char *colon = strchr(s, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

    return digits > 0 && strncmp(colon + 1 + digits, ": ", 2) == 0;
}

/* Pushes where we are in the script; where its function begins, when that has returned already. */
static void push_where(lua_State *L)
{
    lua_Debug d;

    lua_guard_where(L);
    if (lua_rawlen(L, -1) > 0)
        return;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &FUNCTION_TAG) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        return;
    }
    lua_getinfo(L, ">S", &d);
    lua_pop(L, 1);
    lua_pushfstring(L, "%s:%d: ", d.short_src, d.linedefined);
}

static struct lua_place place_of(const struct lua_vm *w, const lua_Debug *d, int line)
{
    return (struct lua_place){d->source[0] == '@' ? lua_script_file(w->script, d->source + 1) : NULL, line};
}

/* Remembers where we are in the script's own files. The message may say so too, but whoever raises it may write there what
 * he likes; and load() calls its chunks as it is told. */
static void note_where(lua_State *L)
{
    struct lua_vm *w = lua_vm_of(L);
    lua_Debug d;

    for (int level = 0; lua_getstack(L, level, &d); level++) {
        lua_getinfo(L, "Sl", &d);
        if (d.currentline > 0 && (w->where = place_of(w, &d, d.currentline)).file)
            return;
    }
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &FUNCTION_TAG) == LUA_TFUNCTION) {
        lua_getinfo(L, ">S", &d);
        w->where = place_of(w, &d, d.linedefined);
    } else {
        lua_pop(L, 1);
    }
}

/* The message handler: a text, with script:line. Its own errors end the call like any other. */
static int handle(lua_State *L)
{
    note_where(L);
    if (lua_guard_of(L)->aborted)
        return 1;
    if (!lua_isstring(L, 1)) {
        if (luaL_getmetafield(L, 1, "__tostring") != LUA_TNIL)
            luaL_tolstring(L, 1, NULL);
        else
            lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
        lua_replace(L, 1);
    }
    lua_settop(L, 1);
    if (lua_isstring(L, 1) && has_position(lua_tostring(L, 1)))
        return 1;
    push_where(L);
    lua_insert(L, 1);
    lua_concat(L, 2);
    return 1;
}

/* "mask.lua:3: " and the text, or the text alone. */
static void write_shown(struct lua_vm *w, const char *text)
{
    if (w->where.file)
        snprintf(w->shown, sizeof(w->shown), "%s:%d: %s", w->where.file, w->where.line, text);
    else
        snprintf(w->shown, sizeof(w->shown), "%s", text);
}

/* In our words, and at a place that is no word of the script's either. */
static const char *show_error(struct lua_vm *w, int status)
{
    bool same = w->where.file && w->where.file == w->shown_place.file && w->where.line == w->shown_place.line;
    char over[64];

    if (w->guard.aborted) {
        snprintf(over, sizeof(over), "takes longer than %lld ms", (long long)(w->guard.limit / NSEC_PER_MSEC));
        write_shown(w, over);
        w->shown_place.file = NULL;
        return w->shown;
    }
    if (status == LUA_ERRMEM)
        return NULL; /* the message is ours */
    if (!same)
        write_shown(w, "error in the script");
    w->shown_place = w->where;
    return w->shown;
}

/* Takes the error from the top of the stack. */
static void take_error(struct lua_vm *w, int status, struct lua_call_error *error)
{
    const char *text = lua_type(w->L, -1) == LUA_TSTRING ? lua_tostring(w->L, -1) : "(no message)";
    int n;

    if (w->guard.aborted)
        error->code = "Lua.FunctionTimedOut";
    else if (status == LUA_ERRMEM)
        error->code = "Lua.OutOfMemory";
    else
        error->code = "Lua.FunctionError";
    if (status == LUA_ERRMEM && w->guard.aborted)
        n = snprintf(error->message, sizeof(error->message), "takes longer than %lld ms",
                     (long long)(w->guard.limit / NSEC_PER_MSEC));
    else if (status == LUA_ERRMEM)
        n = snprintf(error->message, sizeof(error->message), "not enough memory: the script may have %llu MiB",
                     (unsigned long long)(w->options.memory >> 20));
    else
        n = snprintf(error->message, sizeof(error->message), "%s", text);
    error->shown = show_error(w, status);
    error->n = n < (int)sizeof(error->message) ? (size_t)n : sizeof(error->message) - 1;
    lua_pop(w->L, 1);
}

/* Calls the C function on top, which begins the worker's guard. */
static enum lua_call_status call(struct lua_vm *w, struct lua_call_error *error)
{
    int status;

    w->where.file = NULL;
    status = lua_pcall(w->L, 0, 0, STACK_HANDLER);
    lua_guard_end(&w->guard);
    if (status == LUA_OK && w->guard.aborted)
        lua_pushliteral(w->L, "takes too long");
    if (status != LUA_OK || w->guard.aborted)
        take_error(w, status, error);
    /* What filled the memory may still stand in the slots of the stack where the next call will have its variables, and
     * a collection during that call would take it for one of them: so it is collected now. */
    if (w->guard.out_of_memory && !w->guard.aborted) {
        w->guard.out_of_memory = false;
        lua_gc(w->L, LUA_GCCOLLECT, 0);
    }
    buf_trim(&w->guard.text, TRANSFORM_KEEP_MAX);
    buf_trim(&w->guard.word, TRANSFORM_KEEP_MAX);
    if (w->guard.cancelled)
        return LUA_CALL_CANCELLED;
    return status == LUA_OK && !w->guard.aborted ? LUA_CALL_OK : LUA_CALL_FAILED;
}

enum lua_call_status lua_call_script(struct lua_vm *w, struct lua_call_error *error)
{
    lua_pushvalue(w->L, STACK_CALL);
    return call(w, error);
}

enum lua_call_status lua_call_other(struct lua_vm *w, lua_CFunction function, struct lua_call_error *error)
{
    lua_pushcfunction(w->L, function);
    return call(w, error);
}

/* --- making a state --- */

/* Pushes the function with this name, or nothing. */
static bool push_function(lua_State *L, const char *name)
{
    if (lua_getglobal(L, name) == LUA_TFUNCTION)
        return true;
    lua_pop(L, 1);
    return false;
}

/* Leaves the function that calls the script for records. */
static void push_call(lua_State *L, struct lua_vm *w)
{
    bool transform = push_function(L, "transform");

    w->by_batch = !transform && push_function(L, "batch");
    if (!transform && !w->by_batch)
        luaL_error(L, "%s:1: the script defines neither transform(r, meta) nor batch(records, meta)",
                   lua_script_shown(w->script));
    if (transform && push_function(L, "batch"))
        luaL_error(L, "%s:1: the script defines both transform() and batch(): one of them is too much",
                   lua_script_shown(w->script));
    lua_getglobal(L, "single");
    lua_getglobal(L, "hold");
    w->keeps = lua_isboolean(L, -1) && lua_toboolean(L, -1);
    w->single = w->keeps || lua_toboolean(L, -2) != 0;
    lua_pop(L, 2);
    if (w->keeps && w->by_batch)
        luaL_error(L, "%s:1: `hold = true` is for a script with transform(), and this one has batch()",
                   lua_script_shown(w->script));
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &FUNCTION_TAG);
    if (transform) {
        lua_meta_push(L, &w->records);
        lua_pushcclosure(L, w->call_transform, 2);
    } else {
        lua_pushcclosure(L, w->call_batch, 1);
    }
}

/* Runs the main chunk and init(); returns the function that calls the script. */
static int load_script(lua_State *L)
{
    struct lua_vm *w = lua_vm_of(L);

    lua_sandbox_open(L);
    lua_newtable(L);
    lua_json_open(L);
    lua_record_open(L);
    lua_meta_open(L);
#define X(name) lua_lib_##name##_open(L);
    LUA_LIBS(X)
#undef X
    lua_setglobal(L, "sluice");
    lua_script_open_require(L, w->script);
    if (lua_script_compile(L, w->script) != LUA_OK)
        lua_error(L);
    lua_call(L, 0, 0);
    push_call(L, w);
    if (w->init && push_function(L, "init")) {
        lua_config_push(L, w->options.config);
        lua_call(L, 1, 0);
    }
    return 1;
}

/* The position that a message begins with becomes the error's; the rest its text. */
static int set_error(const struct lua_vm *w, const struct lua_call_error *error, struct err *e)
{
    const char *colon = strchr(error->message, ':');
    struct srcpos at = {.file = lua_script_shown(w->script)};

    if (w->guard.cancelled)
        return err_set(e, ERR_CANCELLED, "the program is ending");
    if (!has_position(error->message))
        return err_set(e, ERR_SCRIPT, "%s: %s", at.file, error->message);
    at.line = (unsigned)strtoul(colon + 1, NULL, 10);
    return err_at(e, ERR_SCRIPT, at, "%s", strstr(colon + 1, ": ") + 2);
}

static void *counted_memory(void *ctx, void *p, size_t old_size, size_t size)
{
    return lua_guard_memory(ctx, p, old_size, size);
}

static int run_script(struct lua_vm *w, struct err *e)
{
    struct lua_call_error error;
    int status;

    lua_pushcfunction(w->L, handle);
    lua_pushcfunction(w->L, load_script);
    lua_guard_begin(&w->guard, LUA_VM_LOAD_TIME, NSEC_NEVER);
    status = lua_pcall(w->L, 0, 1, STACK_HANDLER);
    lua_guard_end(&w->guard);
    if (status == LUA_OK && !w->guard.aborted)
        return 0;
    take_error(w, status, &error);
    return set_error(w, &error, e);
}

int lua_call_make(struct lua_vm *w, struct err *e)
{
    w->L = lua_guard_open(&w->guard, w->options.memory);
    if (!w->L)
        return err_set(e, ERR_NOMEM, "%s: no memory for a Lua state", lua_script_shown(w->script));
    w->guard.context = &w->env;
    w->guard.cancel = w->options.cancel;
    arena_init(&w->arena, counted_memory, &w->guard);
    lua_gc(w->L, LUA_GCINC, 300, 0, 0);
    if (run_script(w, e) == 0) {
        lua_guard_start_pool(&w->guard);
        return 0;
    }
    lua_call_unmake(w);
    return -1;
}

void lua_call_unmake(struct lua_vm *w)
{
    if (w->L)
        arena_release(&w->arena);
    lua_guard_close(&w->guard, &w->L);
}

/* --- the end --- */

static int call_finish(lua_State *L)
{
    struct lua_vm *w = lua_vm_of(L);

    lua_guard_begin(&w->guard, w->options.timeout, NSEC_NEVER);
    if (push_function(L, "finish"))
        lua_call(L, 0, 0);
    return 0;
}

/* Nobody is left to hear of its errors. A program that ends has cancelled all work by now; this is short and runs all the
 * same, but in a state that was interrupted. */
void lua_call_finish(struct lua_vm *w)
{
    struct lua_call_error error;

    if (!w->L || !w->init || w->guard.aborted || w->keeps) /* of one that keeps records it is about these */
        return;
    w->guard.cancel = NULL;
    if (lua_call_other(w, call_finish, &error) != LUA_CALL_OK)
        return;
}
