/* A script is a main file and those that require() names. The first state reads them one after the other as they
 * are asked for; then the snapshot is frozen, and every later state gets the same text. Whether a file is another
 * one now is told by its device, inode, size and time of the last write. */
#include "transforms/lua/script.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/io.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "transforms/lua/guard.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    char *name; /* "mask.lua": what chunks are called */
    char *text;
    size_t n;
    struct stat st;
};

struct lua_script {
    atomic_uint refs;
    char *path, *shown;
    int folder; /* -1: it is not open any more */
    bool frozen;
    struct file *files; /* the first is the script */
    size_t count;
};

/* --- files --- */

static int read_all(int fd, struct file *f, struct err *e)
{
    if (fstat(fd, &f->st) < 0)
        return err_errno(e, "cannot read %s", f->name);
    if (!S_ISREG(f->st.st_mode))
        return err_set(e, ERR_CONFIG, "the script %s is not a regular file", f->name);
    if ((size_t)f->st.st_size > LUA_SCRIPT_MAX)
        return err_set(e, ERR_CONFIG, "%s has more than %zu bytes", f->name, LUA_SCRIPT_MAX);
    if (f->st.st_size == 0) /* also what a file is for a moment while an editor writes it */
        return err_set(e, ERR_CONFIG, "%s is empty", f->name);
    f->text = mem_alloc((size_t)f->st.st_size + 1);
    if (io_read_at(&io_ops_real, fd, f->text, (size_t)f->st.st_size, 0, &f->n) < 0)
        return err_errno(e, "cannot read %s", f->name);
    if (f->n < (size_t)f->st.st_size)
        return err_set(e, ERR_CONFIG, "%s became shorter while it was read", f->name);
    return 0;
}

static void release_file(struct file *f)
{
    mem_free(f->name);
    mem_free(f->text);
}

/* Reads what `fd` is (closed in any case) as one more file. */
static int add_file(struct lua_script *s, int fd, const char *name, struct err *e)
{
    struct file f = {.name = mem_strdup(name)};
    int rc;

    rc = read_all(fd, &f, e);
    close(fd);
    if (rc < 0) {
        release_file(&f);
        return -1;
    }
    s->files = mem_grow(s->files, s->count + 1, sizeof(*s->files));
    s->files[s->count++] = f;
    return 0;
}

static const struct file *find_file(const struct lua_script *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->files[i].name, name) == 0)
            return &s->files[i];
    return NULL;
}

const char *lua_script_file(const struct lua_script *s, const char *name)
{
    const struct file *f = find_file(s, name);

    return f ? f->name : NULL;
}

static int open_file(const struct lua_script *s, const char *name, struct err *e)
{
    int fd;

    if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(e, ERR_CONFIG, "'%s' is not the name of a file beside the script", name);
    fd = openat(s->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, "cannot open '%s' beside the script", name);
    return fd;
}

/* --- the snapshot --- */

/* "scripts/"; "": it is the current one. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup("");
}

static int open_folder(const char *path)
{
    char *folder = folder_of(path);
    int fd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    mem_free(folder);
    return fd;
}

struct lua_script *lua_script_load(const char *path, const char *shown, struct err *e)
{
    const char *slash = strrchr(path, '/');
    struct lua_script *s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        err_errno(e, "cannot open the script %s", shown);
        return NULL;
    }
    s = mem_alloc(sizeof(*s));
    atomic_store(&s->refs, 1);
    s->path = mem_strdup(path);
    s->shown = mem_strdup(shown);
    s->folder = open_folder(path);
    if (add_file(s, fd, slash ? slash + 1 : path, e) < 0)
        lua_script_drop(&s);
    return s;
}

struct lua_script *lua_script_take(struct lua_script *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

static void close_folder(struct lua_script *s)
{
    if (s->folder >= 0)
        close(s->folder);
    s->folder = -1;
}

void lua_script_drop(struct lua_script **script)
{
    struct lua_script *s = *script;

    *script = NULL;
    if (!s || atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    for (size_t i = 0; i < s->count; i++)
        release_file(&s->files[i]);
    mem_free(s->files);
    mem_free(s->path);
    mem_free(s->shown);
    close_folder(s);
    mem_free(s);
}

void lua_script_freeze(struct lua_script *s)
{
    s->frozen = true;
    close_folder(s);
}

const char *lua_script_shown(const struct lua_script *s)
{
    return s->shown;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A file that is gone is no news: it may be about to be replaced. */
bool lua_script_is_stale(const struct lua_script *s)
{
    char *folder = folder_of(s->path);
    struct stat st;
    bool stale = stat(s->path, &st) == 0 && !is_same(&st, &s->files[0].st);

    for (size_t i = 1; i < s->count && !stale; i++) {
        char *file = mem_printf("%s%s", folder, s->files[i].name);

        stale = lstat(file, &st) == 0 && !is_same(&st, &s->files[i].st);
        mem_free(file);
    }
    mem_free(folder);
    return stale;
}

void lua_script_digest(const struct lua_script *s, unsigned char out[32])
{
    struct sha256 *sum = sha256_new();

    sha256_begin(sum);
    for (size_t i = 0; i < s->count; i++) {
        const struct file *f = &s->files[i];

        sha256_add(sum, slice_of(f->name, strlen(f->name) + 1));
        sha256_add(sum, slice_of((const char *)&f->n, sizeof(f->n)));
        sha256_add(sum, slice_of(f->text, f->n));
    }
    sha256_end(sum, out);
    sha256_free(&sum);
}

/* --- in a state --- */

static int compile(lua_State *L, const struct file *f)
{
    lua_pushfstring(L, "@%s", f->name);
    return luaL_loadbufferx(L, f->text, f->n, lua_tostring(L, -1), "t");
}

int lua_script_compile(lua_State *L, const struct lua_script *s)
{
    return compile(L, &s->files[0]);
}

/* The file of the module; raises when there is none. */
static const struct file *need_file(lua_State *L, struct lua_script *s, const char *file, const char *module)
{
    const struct file *f = find_file(s, file);
    struct err e = {0};
    int fd;

    if (f)
        return f;
    if (s->frozen)
        luaL_error(L, "require '%s': files are read only while the script loads", module);
    if (s->count > LUA_SCRIPT_FILES_MAX)
        luaL_error(L, "require '%s': a script may have at most %d files", module, LUA_SCRIPT_FILES_MAX);
    fd = open_file(s, file, &e);
    if (fd < 0 || add_file(s, fd, file, &e) < 0)
        luaL_error(L, "require '%s': %s", module, e.msg);
    return &s->files[s->count - 1];
}

/* Upvalues: the snapshot, the table of what is loaded. */
static int require(lua_State *L)
{
    struct lua_script *s = lua_touserdata(L, lua_upvalueindex(1));
    const char *module = luaL_checkstring(L, 1), *file;
    const struct file *f;

    lua_settop(L, 1);
    lua_pushvalue(L, 1);
    if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL)
        return 1;
    if (!*module || module[strspn(module, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")])
        return luaL_error(L, "require: a module is the name of a file beside the script, without .lua");
    file = lua_pushfstring(L, "%s.lua", module);
    f = need_file(L, s, file, module);
    lua_guard_step(L, f->n * 100);
    if (compile(L, f) != LUA_OK)
        return lua_error(L);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1))
        lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(2));
    return 1;
}

void lua_script_open_require(lua_State *L, struct lua_script *s)
{
    lua_pushlightuserdata(L, s);
    lua_newtable(L);
    lua_pushcclosure(L, require, 2);
    lua_setglobal(L, "require");
}
