/* A TZif file holds two tables: the moments at which the offset changed, in order, and the kinds of local time they
 * changed to; behind them, as text, the rule for all that comes later (posix_tz.h). A lookup searches the moments by
 * halves, and asks the rule behind the last. The file is not trusted: every count is bounded before anything is read
 * by it. */
#include "pipeline/base/time_zone.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/posix_tz.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZONEINFO     "/usr/share/zoneinfo"
#define HEADER_BYTES 44

struct transition {
    int64_t at;
    unsigned type;
};

struct time_zone {
    char name[TIME_ZONE_NAME_MAX + 1];
    struct transition *transitions; /* ascending */
    size_t transition_count;
    struct time_zone_local *types; /* types[0] holds before the first transition */
    size_t type_count;
    bool has_rule;
    struct posix_tz rule; /* holds behind the last transition */
};

/* The counts of one TZif data block, RFC 8536 section 3.1. */
struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static uint64_t be(const unsigned char *p, size_t bytes)
{
    uint64_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static bool read_header(const unsigned char *p, size_t n, char *version, struct counts *c)
{
    if (n < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return false;
    *version = (char)p[4];
    c->isut = (uint32_t)be(p + 20, 4);
    c->isstd = (uint32_t)be(p + 24, 4);
    c->leap = (uint32_t)be(p + 28, 4);
    c->time = (uint32_t)be(p + 32, 4);
    c->type = (uint32_t)be(p + 36, 4);
    c->chars = (uint32_t)be(p + 40, 4);
    return c->isut <= TIME_ZONE_FILE_MAX && c->isstd <= TIME_ZONE_FILE_MAX && c->leap <= TIME_ZONE_FILE_MAX &&
           c->time <= TIME_ZONE_FILE_MAX && c->type <= TIME_ZONE_FILE_MAX && c->chars <= TIME_ZONE_FILE_MAX;
}

/* Of the data block behind a header whose times have `width` bytes. */
static size_t block_bytes(const struct counts *c, size_t width)
{
    return (size_t)c->time * (width + 1) + (size_t)c->type * 6 + c->chars + (size_t)c->leap * (width + 4) + c->isstd +
           c->isut;
}

static bool read_types(struct time_zone *z, const unsigned char *p, const unsigned char *names, const struct counts *c)
{
    z->types = mem_array(c->type, sizeof(*z->types));
    z->type_count = c->type;
    for (size_t i = 0; i < c->type; i++) {
        const unsigned char *t = p + i * 6;
        size_t at = t[5];

        z->types[i].offset = (int32_t)(uint32_t)be(t, 4);
        for (size_t k = 0; at + k < c->chars && names[at + k] && k < TIME_ZONE_ABBR_MAX - 1; k++)
            z->types[i].abbr[k] = (char)names[at + k];
        if (at >= c->chars)
            return false;
    }
    return c->type > 0;
}

static bool read_block(struct time_zone *z, const unsigned char *p, const struct counts *c, size_t width)
{
    const unsigned char *times = p, *indices = times + c->time * width, *types = indices + c->time;

    if (!read_types(z, types, types + (size_t)c->type * 6, c))
        return false;
    z->transitions = mem_array(c->time, sizeof(*z->transitions));
    z->transition_count = c->time;
    for (size_t i = 0; i < c->time; i++) {
        uint64_t at = be(times + i * width, width);

        z->transitions[i].at = width == 8 ? (int64_t)at : (int32_t)(uint32_t)at;
        z->transitions[i].type = indices[i];
        if (indices[i] >= c->type || (i > 0 && z->transitions[i].at <= z->transitions[i - 1].at))
            return false;
    }
    return true;
}

/* "\n<rule>\n"; an empty rule is allowed: then the last transition holds for ever. */
static bool read_footer(struct time_zone *z, const unsigned char *p, size_t n)
{
    const unsigned char *nl;

    if (n < 2 || p[0] != '\n')
        return false;
    nl = memchr(p + 1, '\n', n - 1);
    if (!nl)
        return false;
    z->has_rule = nl > p + 1;
    return !z->has_rule || posix_tz_parse(&z->rule, slice_of((const char *)p + 1, (size_t)(nl - p - 1)));
}

static bool parse(struct time_zone *z, const unsigned char *p, size_t n)
{
    struct counts c;
    char version;
    size_t skip;

    if (!read_header(p, n, &version, &c))
        return false;
    if (version < '2')
        return n - HEADER_BYTES >= block_bytes(&c, 4) && read_block(z, p + HEADER_BYTES, &c, 4);
    skip = HEADER_BYTES + block_bytes(&c, 4);
    if (skip > n || !read_header(p + skip, n - skip, &version, &c))
        return false;
    p += skip + HEADER_BYTES;
    n -= skip + HEADER_BYTES;
    if (block_bytes(&c, 8) > n)
        return false;
    return read_block(z, p, &c, 8) && read_footer(z, p + block_bytes(&c, 8), n - block_bytes(&c, 8));
}

int time_zone_parse(struct time_zone **z, const char *name, const void *bytes, size_t n, struct err *e)
{
    *z = mem_alloc(sizeof(**z));
    snprintf((*z)->name, sizeof((*z)->name), "%s", name);
    if (parse(*z, bytes, n))
        return 0;
    time_zone_free(z);
    return err_set(e, ERR_CONFIG, "time zone `%s`: its file is not a readable TZif file", name);
}

void time_zone_free(struct time_zone **z)
{
    if (!*z)
        return;
    mem_free((*z)->transitions);
    mem_free((*z)->types);
    MEM_CLEAR(*z);
}

static bool plausible(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > TIME_ZONE_NAME_MAX || name[0] == '/' || strstr(name, ".."))
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-") == n;
}

static int load(struct time_zone **z, const char *name, const char *path, struct err *e)
{
    unsigned char *bytes = NULL;
    ssize_t n;
    int rc = -1, fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_set(e, ERR_CONFIG, "time zone `%s` is not known here (%s: %s); is tzdata installed?", name, path,
                       strerror(errno));
    bytes = mem_alloc(TIME_ZONE_FILE_MAX);
    n = read(fd, bytes, TIME_ZONE_FILE_MAX);
    if (n < 0) {
        err_errno(e, "time zone `%s`: read %s", name, path);
        goto out;
    }
    rc = time_zone_parse(z, name, bytes, (size_t)n, e);
out:
    close(fd);
    mem_free(bytes);
    return rc;
}

static struct time_zone *utc(void)
{
    struct time_zone *z = mem_alloc(sizeof(*z));

    snprintf(z->name, sizeof(z->name), "UTC");
    z->types = mem_array(1, sizeof(*z->types));
    z->type_count = 1;
    snprintf(z->types[0].abbr, sizeof(z->types[0].abbr), "UTC");
    return z;
}

int time_zone_open(struct time_zone **z, const char *name, struct err *e)
{
    const char *dir = getenv("TZDIR");
    char path[PATH_MAX];

    if (!name || !*name || strcmp(name, "UTC") == 0) {
        *z = utc();
        return 0;
    }
    if (!plausible(name))
        return err_set(e, ERR_CONFIG, "`%s` is not an IANA time zone name, such as Europe/Berlin or UTC", name);
    if (strlen(name) == 3)
        return err_set(e, ERR_CONFIG,
                       "time zone `%s`: three-letter names are ambiguous; write UTC or a name such as Europe/Berlin",
                       name);
    snprintf(path, sizeof(path), "%s/%s", dir && *dir ? dir : ZONEINFO, name);
    return load(z, name, path, e);
}

const char *time_zone_name(const struct time_zone *z)
{
    return z->name;
}

void time_zone_at(const struct time_zone *z, int64_t unix_seconds, struct time_zone_local *out)
{
    size_t n = 0, hi = z->transition_count; /* n becomes the number of transitions at or before the time */

    while (n < hi) {
        size_t mid = n + (hi - n) / 2;

        if (z->transitions[mid].at <= unix_seconds)
            n = mid + 1;
        else
            hi = mid;
    }
    if (n == z->transition_count && z->has_rule)
        *out = *posix_tz_at(&z->rule, unix_seconds);
    else
        *out = z->types[n ? z->transitions[n - 1].type : 0];
}
