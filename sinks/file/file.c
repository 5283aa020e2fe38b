/* Objects as files: S3's key layout under a folder. */
#include "sinks/sink.h"

#include "config/path.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/json.h"
#include "pipeline/base/key_set.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/partition_key.h"
#include "sinks/file/folder.h"
#include "sinks/names/literal.h"
#include "sinks/names/object_key.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct file_conf {
    char *path;
    struct object_key_conf key;
};

/* Each part of an object's name is one of a file or a folder. */
static struct object_key_conf key_of(const struct file_conf *c)
{
    struct object_key_conf key = c->key;

    key.name_max = NAME_MAX;
    return key;
}

struct file_sink {
    bool backup; /* not the destination */
    struct folder *folder;
    struct object_key *key;
    char identity[33]; /* in hex: tells two streams in one folder apart */
};

static const struct cfg_field FIELDS[] = {
    {.name = "path",
     .type = CFG_STRING,
     .offset = offsetof(struct file_conf, path),
     .required = true,
     .min = 1,
     .max = 4000,
     .help = "folder that objects are written into; made when it is not there. Times in it: see prefix"},
    OBJECT_KEY_FIELDS(struct file_conf, key),
    {.name = NULL},
};

static void file_close(void **state)
{
    struct file_sink *s = *state;

    if (!s)
        return;
    folder_free(&s->folder);
    object_key_free(&s->key);
    MEM_CLEAR(s);
    *state = NULL;
}

/* A path is one folder. What changes with time goes into the prefix: below `./out/%Y/` everything would be in a folder of
 * that name. */
static int check_path(const char *path, struct err *e)
{
    const char *expression = strstr(path, "!{");
    struct err wrong;

    if (!expression && literal_check("path", path, false, &wrong) == 0)
        return 0;
    return err_set(e, ERR_CONFIG,
                   "path: a folder's name cannot hold times or other expressions; put them into `prefix`, such as "
                   "`{ path: ./out, prefix: \"!{timestamp:yyyy/MM/dd}/\" }`%s",
                   expression ? "" : " (a literal % is `\\%`, in double quotes `\\\\%`)");
}

static int file_open(void **state, const void *conf, const struct sink_env *env, struct err *e)
{
    const struct file_conf *c = conf;
    const struct object_key_conf key = key_of(c);
    struct file_sink *s = mem_alloc(sizeof(*s));
    char *plain = mem_strdup(c->path), *path; /* as it is meant */

    plain[literal_unescape(plain, strlen(plain))] = '\0';
    path = path_below(env->base_dir, plain);
    s->backup = env->backup;
    s->folder = folder_new(path);
    mem_free(path);
    mem_free(plain);
    hex_encode(env->identity, 16, s->identity);
    *state = s;
    if (check_path(c->path, e) == 0 && object_key_open(&s->key, &key, env, e) == 0)
        return 0;
    file_close(state);
    return -1;
}

static void file_check_conf(const void *conf, const struct sink_env *env, const struct cfg_options *o)
{
    const struct file_conf *c = conf;
    const struct object_key_conf key = key_of(c);
    struct err e;

    if (c->path && check_path(c->path, &e) < 0)
        cfg_options_refuse(o, &e);
    object_key_check(&key, env, o);
}

static bool file_template_at(const void *conf, size_t index, struct sink_template *out)
{
    const struct object_key_conf key = key_of(conf);

    return object_key_template(&key, index, out);
}

static int file_name_object(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out,
                            struct err *e)
{
    const struct file_sink *s = state;

    return object_key_render(s->key, id, extension, out, e);
}

static int file_local_file(const void *state, const struct sink_seal_id *id, const char *extension, struct buf *out)
{
    const struct file_sink *s = state;
    struct err e;

    if (buf_printf(out, "%s/", folder_path(s->folder)) < 0)
        return -1;
    return object_key_render(s->key, id, extension, out, &e);
}

/* `%s` is where the options stand in the configuration. */
static const char *hint_for(int cause)
{
    switch (cause) {
    case ENOSPC:
    case EDQUOT:
        return "free disk space; delivery goes on by itself";
    case EFBIG:
        return "raise the limit on file sizes (ulimit -f, LimitFSIZE=), or lower buffer.size";
    case EACCES:
    case EPERM:
        return "let this process's user write into %s.file.path";
    case EROFS:
        return "mount the file system writable, or correct %s.file.path";
    case ELOOP:
        return "a folder in %s.file.path is a link, and no link is followed there; let path name the place itself";
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
    case EEXIST:
        return "something else has a name that an object or its folder needs; move it away";
    case ENAMETOOLONG:
        return "shorten %s.file.prefix or the stream's name, or the values of partition keys";
    case EBUSY:
        return "do two processes write into %s.file.path with copies of one data_dir?";
    case EMFILE:
    case ENFILE:
        return "raise the limit on open files (ulimit -n, LimitNOFILE=)";
    case EIO:
        return "look at the kernel's log: the disk may be failing";
    default:
        return "";
    }
}

/* A seal's object, its copy in the backup and its error objects may be written to one folder at the same time. */
static void tmp_name_of(const struct file_sink *s, const struct sink_seal_id *id, char *out, size_t size)
{
    char part[24] = "";

    if (id->window)
        snprintf(part, sizeof(part), "-%" PRIx64, id->window);
    snprintf(out, size, ".sluice-%s-%" PRIx64 "-%" PRIu64 "-%" PRIu64 "%s%s%s%s.tmp", s->identity, id->epoch, id->first,
             id->last, part, s->backup ? "-backup" : "", id->error_type ? "-" : "",
             id->error_type ? id->error_type : "");
}

/* Of the records: then no other prefix makes the name short enough. Their time alone is no such value. */
static bool has_values(struct slice keys)
{
    struct slice name, value;
    bool has = false;

    while (key_set_next(&keys, &name, &value))
        has = has || !slice_is(name, PARTITION_TIME_NAME);
    return has;
}

static enum sink_outcome file_send(const void *state, const struct sink_seal *seal, struct sink_verdict *v)
{
    const struct file_sink *s = state;
    const char *hint, *role;
    char tmp_name[192];
    struct err e = {0};
    int cause;

    *v = (struct sink_verdict){0};
    tmp_name_of(s, &seal->id, tmp_name, sizeof(tmp_name));
    if (folder_put(s->folder, seal->name, tmp_name, seal->body, &cause, &e) == 0)
        return SINK_DELIVERED;
    hint = hint_for(cause);
    role = strstr(hint, "%s");
    v->misconfigured = *hint != '\0';

    snprintf(v->code, sizeof(v->code), "%s", strerrorname_np(cause) ? strerrorname_np(cause) : "IO");
    snprintf(v->message, sizeof(v->message), "%s", e.msg);
    snprintf(v->hint, sizeof(v->hint), "%.*s%s%s", (int)(role ? (size_t)(role - hint) : strlen(hint)), hint,
             !role       ? ""
             : s->backup ? "backup"
                         : "destination",
             role ? role + 2 : "");

    return cause == ENAMETOOLONG && !s->backup && has_values(seal->id.keys) ? SINK_REJECTED : SINK_RETRY;
}

static int file_check(const void *state, struct err *e)
{
    const struct file_sink *s = state;

    return folder_check(s->folder, e);
}

static void file_describe(const void *state, struct buf *out)
{
    const struct file_sink *s = state;

    (void)!buf_printf(out, "folder %s", folder_path(s->folder));
}

/* The API knows no folders: a bucket that has the name of the folder stands for it. */
static int file_firehose(const void *conf, struct sink_firehose *f, struct buf *out)
{
    const struct file_conf *c = conf;
    char arn[128];
    size_t end = strlen(c->path), from;

    f->kind = SINK_FIREHOSE_S3;
    while (end > 0 && c->path[end - 1] == '/')
        end--;
    for (from = end; from > 0 && c->path[from - 1] != '/';)
        from--;
    snprintf(arn, sizeof(arn), "arn:aws:s3:::%.*s", (int)(end - from < 63 ? end - from : 63), c->path + from);
    for (char *p = arn + strlen("arn:aws:s3:::"); *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
            *p = '-';
    if (json_quote_member("BucketARN", end == from ? "arn:aws:s3:::folder" : arn, out) < 0 ||
        object_key_firehose(&c->key, f->extended, out) < 0)
        return -1;
    return buf_add_str(out, "\"EncryptionConfiguration\":{\"NoEncryptionConfig\":\"NoEncryption\"},");
}

const struct sink_ops sink_file = {
    .name = "file",
    .help = "files in a folder, in S3's key layout; each appears whole",
    .fields = FIELDS,
    .conf_size = sizeof(struct file_conf),
    .retry_duration = 24 * 3600 * NSEC_PER_SEC,
    .error_prefix = "file-failed",
    .metric = "file",
    .check_conf = file_check_conf,
    .template_at = file_template_at,
    .open = file_open,
    .close = file_close,
    .name_object = file_name_object,
    .send = file_send,
    .local_file = file_local_file,
    .check = file_check,
    .describe = file_describe,
    .firehose = file_firehose,
};
