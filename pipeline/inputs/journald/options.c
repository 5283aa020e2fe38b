#include "pipeline/inputs/journald/options.h"

#include "pipeline/base/digest.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct cfg_choice STARTS[] = {{"beginning", JOURNALD_BEGINNING}, {"end", JOURNALD_END}, {NULL, 0}};
static const struct cfg_choice PRIORITIES[] = {
    {"emerg", 0},   {"alert", 1},  {"crit", 2}, {"err", 3},
    {"warning", 4}, {"notice", 5}, {"info", 6}, {"debug", JOURNALD_PRIORITY_ALL},
    {NULL, 0}};

/* clang-format off */
#define AT(member) .offset = offsetof(struct journald_conf, member)

const struct cfg_field journald_fields[] = {
    {.name = "path", .type = CFG_STRING, AT(path), .max = 1024,
     .help = "a folder with journal files, or one file: of another machine, or of the host when sluice runs in a container. "
             "Left out: this machine's journal"},
    {.name = "units", .type = CFG_STRINGS, AT(units), .max = JOURNALD_NAMES_MAX,
     .help = "entries of these units, and what systemd says of them, as `journalctl -u`; nginx is nginx.service. Left out: all"},
    {.name = "identifiers", .type = CFG_STRINGS, AT(identifiers), .max = JOURNALD_NAMES_MAX,
     .help = "entries of these SYSLOG_IDENTIFIERs, as `journalctl -t`. Left out: all"},
    {.name = "priority", .type = CFG_ENUM, AT(priority), .def = "debug", .choices = PRIORITIES,
     .help = "entries of this priority and of all that are more urgent, as `journalctl -p`"},
    {.name = "match", .type = CFG_STRINGS, AT(match), .max = JOURNALD_NAMES_MAX,
     .help = "FIELD=value, as journalctl takes them: one of those with the same field, and one of each field. Part of what the position is of"},
    {.name = "fields", .type = CFG_STRINGS, AT(fields), .max = JOURNALD_NAMES_MAX,
     .help = "what records have: MESSAGE, _SYSTEMD_UNIT, __REALTIME_TIMESTAMP ... Left out: all fields of an entry"},
    {.name = "start", .type = CFG_ENUM, AT(start), .def = "end", .choices = STARTS,
     .help = "where a journal begins that was never read before"},
    {.name = "since", .type = CFG_DURATION, AT(since), .min = 0, .max = INT64_MAX,
     .help = "with start: beginning, what is older than that at the first start is not read. 0: all is"},
    {.name = NULL},
};
/* clang-format on */

/* journald's rule for names: capitals, digits and underscores. */
static bool is_field_name(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isupper((unsigned char)p[i]) && !isdigit((unsigned char)p[i]) && p[i] != '_')
            return false;
    return n > 0 && n <= 64 && !isdigit((unsigned char)p[0]);
}

static void check_match(const struct journald_conf *c, const struct cfg_options *o)
{
    struct err e;

    for (size_t i = 0; i < c->match.n; i++) {
        const char *m = c->match.v[i];
        size_t n = strcspn(m, "=");

        if (m[n] == '=' && is_field_name(m, n) && strncmp(m, "__", 2) != 0 && strlen(m) <= JOURNALD_NAME_MAX)
            continue;
        (void)err_set(&e, ERR_CONFIG, "match: `%.64s` is not FIELD=value, as in _TRANSPORT=kernel", m);
        cfg_options_refuse_item(o, "match", i, &e);
    }
}

static void check_fields(const struct journald_conf *c, const struct cfg_options *o)
{
    struct err e;

    for (size_t i = 0; i < c->fields.n; i++) {
        if (is_field_name(c->fields.v[i], strlen(c->fields.v[i])))
            continue;
        (void)err_set(&e, ERR_CONFIG,
                      "fields: `%.64s` is no field of the journal: those have capitals, as in MESSAGE or _SYSTEMD_UNIT",
                      c->fields.v[i]);
        cfg_options_refuse_item(o, "fields", i, &e);
    }
}

static void check_names(const char *option, const struct cfg_strings *names, const struct cfg_options *o)
{
    struct err e;

    for (size_t i = 0; i < names->n; i++) {
        size_t n = strlen(names->v[i]);

        if (n > 0 && n <= JOURNALD_NAME_MAX && (strcmp(option, "units") != 0 || !strpbrk(names->v[i], "*?[/ ")))
            continue;
        (void)err_set(&e, ERR_CONFIG, "%s: `%.64s` %s", option, names->v[i],
                      n > 0 && n <= JOURNALD_NAME_MAX ? "is no name of a unit; each is written out, as in nginx.service"
                                                      : "is empty or too long");
        cfg_options_refuse_item(o, option, i, &e);
    }
}

void journald_conf_check_all(const void *conf, const char *base_dir, const struct cfg_options *o)
{
    const struct journald_conf *c = conf;
    struct err e;

    (void)base_dir;
    check_names("units", &c->units, o);
    check_names("identifiers", &c->identifiers, o);
    check_match(c, o);
    check_fields(c, o);
    if (c->since > 0 && c->start == JOURNALD_END) {
        (void)err_set(&e, ERR_CONFIG, "since: goes together with start: beginning");
        cfg_options_refuse(o, &e);
    }
}

struct slice journald_unit(const char *name, char out[JOURNALD_NAME_MAX + 16])
{
    static const char *const KINDS[] = {".service", ".socket", ".device", ".mount", ".automount", ".swap",
                                        ".target",  ".path",   ".timer",  ".slice", ".scope"};
    const char *dot = strrchr(name, '.');
    bool known = false;
    int n;

    for (size_t i = 0; dot && i < ARRAY_LEN(KINDS); i++)
        known |= strcmp(dot, KINDS[i]) == 0;
    n = snprintf(out, JOURNALD_NAME_MAX + 16, "%.*s%s", JOURNALD_NAME_MAX, name, known ? "" : ".service");
    return slice_of(out, (size_t)n);
}

/* --- the position -------------------------------------------------------------------------------------------------- */

/* Any path and any number of matches: one name. */
struct slice journald_source(const struct journald_conf *c, char out[POSITION_SOURCE_MAX])
{
    const char *path = c->path ? c->path : "";
    struct sha256 *sum = sha256_new();
    unsigned char digest[SHA256_BYTES];
    char hex[SHA256_HEX];

    sha256_begin(sum);
    sha256_add(sum, slice_of(path, strlen(path) + 1));
    for (size_t i = 0; i < c->match.n; i++)
        sha256_add(sum, slice_of(c->match.v[i], strlen(c->match.v[i]) + 1));
    sha256_end(sum, digest);
    sha256_free(&sum);
    return slice_of(
        out, (size_t)snprintf(out, POSITION_SOURCE_MAX, "journald %.32s", hex_encode(digest, SHA256_BYTES, hex)));
}

bool journald_conf_same_positions(const void *conf, const void *other)
{
    char a[POSITION_SOURCE_MAX], b[POSITION_SOURCE_MAX];

    return slice_eq(journald_source(conf, a), journald_source(other, b));
}
