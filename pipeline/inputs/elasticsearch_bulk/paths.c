#include "pipeline/inputs/elasticsearch_bulk/paths.h"

#include <stdbool.h>
#include <string.h>

/* The next segment of a path, without its slash. */
static bool take_segment(struct slice *rest, struct slice *segment)
{
    const char *slash;

    while (rest->n > 0 && rest->p[0] == '/')
        *rest = slice_from(*rest, 1);
    if (rest->n == 0)
        return false;
    slash = memchr(rest->p, '/', rest->n);
    *segment = slice_of(rest->p, slash ? (size_t)(slash - rest->p) : rest->n);
    *rest = slice_from(*rest, segment->n);
    return true;
}

/* What agents set up, wherever it stands in the path: /_index_template/logs, /logs/_alias/app. */
static bool is_setup(struct slice segment)
{
    static const char *const WORDS[] = {
        "_index_template", "_template", "_component_template", "_ilm",     "_ism",     "_data_stream", "_alias",
        "_aliases",        "_ingest",   "_settings",           "_mapping", "_cluster", "_rollover",    "_refresh",
        "_plugins",        "_lifecycle"};

    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++)
        if (slice_is(segment, WORDS[i]))
            return true;
    return false;
}

static bool reads(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

static bool writes(const char *method)
{
    return strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0 || strcmp(method, "DELETE") == 0;
}

static enum bulk_path setup_of(const char *method)
{
    return reads(method) ? BULK_PATH_THERE : writes(method) ? BULK_PATH_TAKEN : BULK_PATH_NONE;
}

static enum bulk_path known(struct slice first, struct slice second)
{
    if (slice_is(first, "_license") || (slice_is(first, "_xpack") && slice_is(second, "license")))
        return BULK_PATH_LICENSE;
    if (slice_is(first, "_xpack"))
        return BULK_PATH_XPACK;
    if (slice_is(first, "_cluster") && slice_is(second, "health"))
        return BULK_PATH_HEALTH;
    return slice_is(first, "_nodes") ? BULK_PATH_NODES : BULK_PATH_NONE;
}

enum bulk_path bulk_path_of(const char *method, const char *path, struct slice *index)
{
    struct slice rest = slice_str(path), segments[4] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};
    enum bulk_path what = BULK_PATH_NONE;
    bool setup = false;
    size_t n = 0;

    *index = SLICE("");
    while (n < ARRAY_LEN(segments) && take_segment(&rest, &segments[n]))
        setup |= is_setup(segments[n++]);
    if (n == 0)
        return reads(method) ? BULK_PATH_ROOT : BULK_PATH_NONE;
    if (n <= 3 && rest.n <= 1 && slice_is(segments[n - 1], "_bulk")) { /* the second of three is a type, of old */
        *index = n > 1 ? segments[0] : SLICE("");
        return writes(method) ? BULK_PATH_BULK : BULK_PATH_NONE;
    }
    if (reads(method))
        what = known(segments[0], segments[1]);
    if (what != BULK_PATH_NONE)
        return what;
    if (!setup && strcmp(method, "POST") != 0) /* or an index itself; one with a date in its name has a slash in it */
        setup = segments[0].p[0] == '<' || (n == 1 && segments[0].p[0] != '_');
    return setup ? setup_of(method) : BULK_PATH_NONE;
}

/* --- what is answered ----------------------------------------------------------------------------------------------- */

#define LICENSE                                                                                                        \
    "\"license\":{\"status\":\"active\",\"mode\":\"basic\",\"type\":\"basic\",\"uid\":\"00000000-0000-4000-8000-"      \
    "000000000000\"}"

/* Clients look at the flavour and the tagline, too. */
static int add_root(const char *version, struct buf *out)
{
    return buf_printf(out,
                      "{\"name\":\"sluice\",\"cluster_name\":\"sluice\",\"cluster_uuid\":\"sluicesluicesluicesluice\","
                      "\"version\":{\"number\":\"%s\",\"build_flavor\":\"default\",\"build_type\":\"tar\","
                      "\"build_hash\":\"0\",\"build_date\":\"2026-01-01T00:00:00.000Z\",\"build_snapshot\":false,"
                      "\"lucene_version\":\"9.12.0\",\"minimum_wire_compatibility_version\":\"6.8.0\","
                      "\"minimum_index_compatibility_version\":\"6.0.0\"},\"tagline\":\"You Know, for Search\"}",
                      version);
}

int bulk_path_reply(enum bulk_path path, const char *version, struct buf *out)
{
    switch (path) {
    case BULK_PATH_ROOT:
        return add_root(version, out);
    case BULK_PATH_LICENSE:
        return buf_add_str(out, "{" LICENSE "}");
    case BULK_PATH_XPACK:
        return buf_add_str(out,
                           "{\"build\":{}," LICENSE ",\"features\":{\"ilm\":{\"available\":true,\"enabled\":true}}}");
    case BULK_PATH_HEALTH:
        return buf_add_str(out, "{\"cluster_name\":\"sluice\",\"status\":\"green\",\"timed_out\":false,"
                                "\"number_of_nodes\":1,\"number_of_data_nodes\":1}");
    case BULK_PATH_NODES:
        return buf_add_str(out, "{\"_nodes\":{\"total\":0,\"successful\":0,\"failed\":0},\"cluster_name\":\"sluice\","
                                "\"nodes\":{}}");
    case BULK_PATH_TAKEN:
        return buf_add_str(out, "{\"acknowledged\":true,\"shards_acknowledged\":true}");
    case BULK_PATH_NONE:
    case BULK_PATH_BULK:
    case BULK_PATH_THERE:
        break;
    }
    return buf_add_str(out, "{}");
}
