/* The tables of what stands at the top of the file, and what is asked of the whole. load.c reads the file by them. */
#include "pipeline/settings/settings.h"

#include "config/node.h"
#include "config/reference.h"
#include "pipeline/base/digest.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/settings/fields.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* --- the top of the file -------------------------------------------------------------------------------------------
 */

static const struct cfg_choice records_choices[] = {{"loopback", 0}, {"always", 1}, {"never", 2}, {.name = NULL}};

static const struct cfg_field admin_fields[] = {
    {.name = "listen",
     .type = CFG_STRING,
     .offset = offsetof(struct settings, http_listen),
     .def = "127.0.0.1:9273",
     .min = 1,
     .max = 255,
     .help =
         "address of /metrics, /healthz, /readyz and the console page; others than loopback need `tokens`, `users`, "
         "`tls.client_ca_file` or `auth: none`; `none` switches it off"},
    HTTP_ACCESS_FIELDS(struct settings, admin_access),
    {.name = "token",
     .type = CFG_STRING,
     .offset = offsetof(struct settings, admin_token),
     .secret = true,
     .min = 16,
     .max = 256,
     .help = "whoever changes something by POST shows it, or the one that is made, in the file admin.token of "
             "data_dir; either "
             "lets read as well, and `tokens` and `users` let nobody change anything"},
    {.name = "records",
     .type = CFG_ENUM,
     .offset = offsetof(struct settings, admin_records),
     .def = "loopback",
     .choices = records_choices,
     .help = "where some of the records that pass by are shown (sluice tap, the page of a stream), always to who shows "
             "the token "
             "only: while listen is a loopback address, on every address, or never"},
    {.name = "tls",
     .type = CFG_BLOCK,
     .offset = offsetof(struct settings, admin_tls),
     .fields = server_tls_fields,
     .help = "the pages are at https:// and not at http://"},
    {.name = "hosts",
     .type = CFG_STRINGS,
     .offset = offsetof(struct settings, admin_hosts),
     .help = "names in the Host header that are answered to besides localhost, addresses and, on other addresses than "
             "loopback, "
             "names without a dot and this machine's own; `*`: any. A web page may be given another name that leads "
             "here (DNS "
             "rebinding)"},
    {.name = NULL},
};

static const struct cfg_field limits_fields[] = {
    {.name = "memory",
     .type = CFG_SIZE,
     .offset = offsetof(struct settings, memory_limit),
     .def = "64MiB",
     .effect = CFG_EFFECT_AT_ONCE,
     .min = 16 * MIB,
     .max = 1024 * GIB,
     .help =
         "most bytes of records and bodies held in memory, all streams together; connections, codecs and streams with "
         "`durability: memory` come on top"},
    {.name = NULL},
};

static const struct cfg_choice levels[] = {
    {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {NULL, 0}};

static const struct cfg_field log_fields[] = {
    {.name = "level",
     .type = CFG_ENUM,
     .offset = offsetof(struct settings, log_level),
     .def = "info",
     .effect = CFG_EFFECT_AT_ONCE,
     .choices = levels,
     .help = "how much is written to standard error"},
    {.name = NULL},
};

static const struct cfg_field shutdown_fields[] = {
    {.name = "grace",
     .type = CFG_DURATION,
     .offset = offsetof(struct settings, shutdown_grace),
     .def = "20s",
     .effect = CFG_EFFECT_AT_ONCE,
     .min = 0,
     .max = 3600 * NSEC_PER_SEC,
     .help = "how long SIGTERM waits for deliveries; what is left stays in the spool"},
    {.name = NULL},
};

const struct cfg_field settings_fields[] = {
    {.name = "data_dir",
     .type = CFG_STRING,
     .offset = offsetof(struct settings, data_dir),
     .def = "./sluice-data",
     .min = 1,
     .max = 1024,
     .help = "folder of spools, journals and temporary files; made with mode 0700, used by one process"},
    {.name = "api",
     .type = CFG_BLOCK,
     .offset = offsetof(struct settings, api),
     .fields = api_fields,
     .help = "the Firehose API"},
    {.name = "admin",
     .type = CFG_BLOCK,
     .fields = admin_fields,
     .effect = CFG_EFFECT_ADMIN,
     .help = "the operators' HTTP server"},
    {.name = "limits", .type = CFG_BLOCK, .fields = limits_fields, .help = "bounds of the whole process"},
    {.name = "log", .type = CFG_BLOCK, .fields = log_fields, .help = "log lines"},
    {.name = "shutdown", .type = CFG_BLOCK, .fields = shutdown_fields, .help = "how it stops"},
    {.name = "streams",
     .type = CFG_CUSTOM,
     .bind = settings_streams_bind,
     .release = settings_streams_release,
     .required = true,
     .syntax = "mapping of names to streams",
     .help = "what is read, and where it goes"},
    {.name = NULL},
};

/* --- what all ask ---------------------------------------------------------------------------------------------------
 */

struct srcpos settings_place(const struct settings *s, const char *section, const char *option)
{
    const struct cfg_node *root = cfg_tree_root(s->tree), *of = cfg_node_get(root, section);
    const struct cfg_node *o = option ? cfg_node_get(of, option) : of;

    return o ? o->at : of ? cfg_node_place(of) : root->at;
}

uint64_t settings_body_memory(uint64_t bytes)
{
    return (bytes < BODY_MEMORY_MAX ? bytes : BODY_MEMORY_MAX) + ENCODER_BODY_SLACK;
}

uint64_t settings_intake(uint64_t memory_limit, uint64_t request)
{
    uint64_t quarter = memory_limit / 4, half = memory_limit / 2;

    if (quarter >= request)
        return quarter;
    return half < request ? half : request;
}

const void *settings_section(const struct settings *s, const struct listener_ops *l)
{
    return (const char *)s + cfg_find(settings_fields, l->name)->offset;
}

bool settings_reads(const struct stream_settings *st, const struct input_ops *ops)
{
    for (size_t i = 0; i < st->input_count; i++)
        if (st->inputs[i].ops == ops)
            return true;
    return false;
}

size_t settings_standing(const struct stream_settings *st)
{
    size_t n = 0;

    while (n < st->input_count && st->inputs[n].ops->section)
        n++;
    return n;
}

const struct listener_ops *settings_listener(const struct settings *s, size_t index)
{
    const struct listener_ops *l;

    for (size_t i = 0; (l = listener_at(i)); i++) {
        bool used = false;

        for (size_t k = 0; l->section && !used && k < s->stream_count; k++)
            used = settings_wants(&s->streams[k], l);
        if (used && index-- == 0)
            return l;
    }
    return NULL;
}

bool settings_wants(const struct stream_settings *st, const struct listener_ops *l)
{
    for (size_t i = 0; i < settings_standing(st); i++)
        if (st->inputs[i].ops->section == l)
            return true;
    return false;
}

uint64_t settings_request(const struct settings *s, const struct listener_ops **who)
{
    const struct listener_ops *l;
    uint64_t most = 0;

    *who = NULL;
    for (size_t i = 0; (l = settings_listener(s, i)); i++) {
        uint64_t request = l->section->needs(settings_section(s, l)).request;

        if (request > most) {
            most = request;
            *who = l;
        }
    }
    return most;
}

const struct stream_settings *settings_stream(const struct settings *s, const char *name)
{
    for (size_t i = 0; i < s->stream_count; i++)
        if (strcmp(s->streams[i].name, name) == 0)
            return &s->streams[i];
    return NULL;
}

size_t settings_outlet_count(const struct stream_settings *st)
{
    return 1 + st->more_count;
}

const struct stream_settings *settings_outlet(const struct stream_settings *st, size_t index)
{
    return index == 0 ? st : &st->more[index - 1];
}

const struct stream_settings *settings_outlet_named(const struct stream_settings *st, const char *name)
{
    for (size_t i = 0; i < settings_outlet_count(st); i++)
        if (strcmp(settings_outlet_name(settings_outlet(st, i)), name) == 0)
            return settings_outlet(st, i);
    return NULL;
}

const char *settings_outlet_name(const struct stream_settings *outlet)
{
    return outlet->outlet ? outlet->outlet : "";
}

const char *settings_given_up(const char *name)
{
    return strcmp(name, "destination") == 0 ? "" : name;
}

const char *settings_outlet_default_name(const struct stream_settings *outlet)
{
    return outlet->sink->name;
}

const struct stream_settings *settings_whole(const struct stream_settings *outlet)
{
    return outlet->of ? outlet->of : outlet;
}

const char *settings_label(const struct stream_settings *outlet)
{
    return outlet->label ? outlet->label : outlet->name;
}

bool settings_same_inputs(const struct stream_settings *a, const struct stream_settings *b)
{
    bool same = a->input_count == b->input_count;

    for (size_t i = 0; same && i < a->input_count; i++)
        same = a->inputs[i].ops == b->inputs[i].ops && cfg_node_same(a->inputs[i].from.node, b->inputs[i].from.node);
    return same;
}

void settings_delivery_hash(const struct stream_settings *s, unsigned char out[32])
{
    struct buf text;
    int rc;

    /* Much larger than a file of CFG_FILE_MAX can make it. */
    buf_init(&text, 64 * MIB);
    rc = buf_printf(&text, "%s\n%s\n%s %d\n", s->sink->name, s->format->name, s->codec->name, s->codec_level);
    assert(rc == 0);
    rc = dump_fields(&text, "", s->sink->fields, s->sink_conf);
    assert(rc == 0);
    if (s->format->fields) {
        rc = dump_fields(&text, "format.", s->format->fields, s->format_conf);
        assert(rc == 0);
    }
    sha256_of(buf_slice(&text), out);
    buf_release(&text);
}

void settings_free(struct settings **s)
{
    if (!*s)
        return;
    cfg_release(settings_fields, *s);
    mem_free((*s)->path);
    mem_free((*s)->base_dir);
    cfg_tree_free(&(*s)->tree);
    MEM_CLEAR(*s);
}
