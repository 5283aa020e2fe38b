/* Streams are the nodes of a graph: an edge leads from a stream that writes files to one that reads them, and from one that posts to one that listens
 * there. What is read is asked by an example of what is written: the name of an object that the stream would make now. An edge is a mistake when
 * its end leads back to its beginning. data_dir is written for every stream, so nobody may read there. */
#include "pipeline/settings/fields.h"

#include "config/node.h"
#include "config/options.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/true_path.h"
#include "pipeline/settings/settings.h"

#include <string.h>

/* An input that reads files, or one that has a route, to which others post. */
struct reader {
    const struct stream_settings *stream;
    const struct input_settings *input;
    void *reach;     /* NULL: it has a route */
    char route[256]; /* "" */
};

struct edge {
    const struct stream_settings *from;
    struct settings_sink sink; /* of `from` */
    const struct reader *to;
    size_t item; /* which of its paths, of one that reads files */
};

struct loops {
    struct cfg_errors *errs;
    const struct settings *s;
    nsec began; /* mono */
    struct reader *readers;
    size_t reader_count;
    bool has_routes; /* one of them has */
    struct edge *edges;
    size_t edge_count;
};

/* Disks that do not answer must not add up: one may take some time, all together not much more. */
static nsec time_left(const struct loops *l)
{
    nsec left = l->began + LOOPS_WAIT_ALL - clock_mono();

    return left > LOOPS_WAIT ? LOOPS_WAIT : left < LOOPS_WAIT_LEAST ? LOOPS_WAIT_LEAST : left;
}

/* As it is written, where its disk does not answer. */
static char *true_name_of(const struct loops *l, const char *path)
{
    char *name = true_path_within(path, time_left(l));

    if (name)
        return name;
    log_warn(
        "a folder does not answer, so where its links lead is not known", KS("path", path),
        KS("hint",
           "look at the disk, or at the server that it is mounted from; that no stream reads what is written there "
           "is checked by names only"));
    return mem_strdup(path);
}

/* --- who reads -----------------------------------------------------------------------------------------------------
 */

static void open_readers(struct loops *l)
{
    for (size_t i = 0; i < l->s->stream_count; i++)
        for (size_t j = 0; j < l->s->streams[i].input_count; j++) {
            const struct input_settings *in = &l->s->streams[i].inputs[j];
            struct reader *r;

            if (!in->ops->reach_open && !in->ops->route)
                continue;
            l->readers = mem_grow(l->readers, l->reader_count + 1, sizeof(*l->readers));
            r = &l->readers[l->reader_count++];
            *r = (struct reader){.stream = &l->s->streams[i], .input = in};
            if (in->ops->reach_open)
                r->reach = in->ops->reach_open(in->conf, l->s->base_dir, time_left(l));
            else
                in->ops->route(in->conf, r->stream->name, r->route, sizeof(r->route));
            l->has_routes |= r->route[0] != '\0';
        }
}

static void release(struct loops *l)
{
    for (size_t i = 0; i < l->reader_count; i++)
        if (l->readers[i].reach)
            l->readers[i].input->ops->reach_close(&l->readers[i].reach);
    mem_free(l->readers);
    mem_free(l->edges);
}

/* --- what is written -----------------------------------------------------------------------------------------------
 */

static void add_edge(struct loops *l, const struct edge *x)
{
    l->edges = mem_grow(l->edges, l->edge_count + 1, sizeof(*l->edges));
    l->edges[l->edge_count++] = *x;
}

static void add_edges(struct loops *l, const struct stream_settings *st, const struct settings_sink *sink,
                      const char *path)
{
    size_t item;

    for (size_t i = 0; i < l->reader_count; i++) {
        const struct edge *last = l->edge_count ? &l->edges[l->edge_count - 1] : NULL;

        if (!l->readers[i].reach || !l->readers[i].input->ops->reach_has(l->readers[i].reach, path, &item) ||
            (last && last->from == st && last->to == &l->readers[i]))
            continue;
        add_edge(l, &(struct edge){st, *sink, &l->readers[i], item});
    }
}

/* Does who listens at `host` get what is posted to `to`? Other names of this machine are not looked up. */
static bool is_reached(struct slice host, struct slice to)
{
    bool loopback = slice_is(to, "localhost") || slice_is(to, "[::1]") || slice_starts(to, SLICE("127."));

    if (slice_is(host, "0.0.0.0") || slice_is(host, "[::]"))
        return loopback || slice_eq(host, to);
    return slice_eq(host, to) ||
           (slice_is(to, "localhost") && (slice_is(host, "127.0.0.1") || slice_is(host, "[::1]")));
}

/* "HOST:PORT/PATH" in its parts; the path without its slash. */
static bool take_apart(struct slice place, struct slice *host, struct slice *port, struct slice *path)
{
    const char *slash = memchr(place.p, '/', place.n);
    size_t end = slash ? (size_t)(slash - place.p) : place.n, colon = end;

    while (colon > 0 && place.p[colon - 1] != ':')
        colon--;
    *path = slash ? slice_from(place, end + 1) : SLICE("");
    *port = slice_of(place.p + colon, end - colon);
    *host = slice_of(place.p, colon ? colon - 1 : 0);
    return colon > 0;
}

/* Would what is posted there come to who listens at the route, or beneath its path? */
static bool comes_to(struct slice route, struct slice place)
{
    struct slice host, port, path, to_host, to_port, to_path;

    if (!take_apart(route, &host, &port, &path) || !take_apart(place, &to_host, &to_port, &to_path) ||
        !slice_eq(port, to_port) || !is_reached(host, to_host))
        return false;
    return path.n == 0 || (slice_starts(to_path, path) && (to_path.n == path.n || to_path.p[path.n] == '/'));
}

static void add_posts(struct loops *l, const struct stream_settings *st, const struct settings_sink *sink)
{
    void *state = NULL;
    struct buf place;
    struct err e;

    if (!l->has_routes || !sink->ops || !sink->ops->posts_to || !sink->from.bound ||
        settings_sink_open(l->s, st, sink, &state, &e) < 0)
        return;
    buf_init(&place, LOOPS_NAME_ROOM);
    if (sink->ops->posts_to(state, &place) == 0)
        for (size_t i = 0; i < l->reader_count; i++)
            if (l->readers[i].route[0] && comes_to(slice_str(l->readers[i].route), buf_slice(&place)))
                add_edge(l, &(struct edge){settings_whole(st), *sink, &l->readers[i], 0});
    buf_release(&place);
    sink->ops->close(&state);
}

/* Asks with an object of now, and in a backup with an error object. */
static void add_sink(struct loops *l, const struct stream_settings *st, const struct settings_sink *sink)
{
    const char *const types[] = {NULL, "processing-failed", "metadata-extraction-failed"};
    void *state = NULL;
    struct buf path;
    struct err e;

    if (!sink->ops || !sink->ops->local_file || !sink->from.bound || settings_sink_open(l->s, st, sink, &state, &e) < 0)
        return;
    buf_init(&path, LOOPS_NAME_ROOM);
    for (size_t i = 0; i < (sink->backup ? sizeof(types) / sizeof(types[0]) : 1); i++) {
        const struct sink_seal_id id = {.first = 1, .last = 1, .oldest = clock_wall(), .error_type = types[i]};

        buf_clear(&path);
        if (sink->ops->local_file(state, &id, st->codec ? st->codec->extension : "", &path) == 0) {
            char *true_name = true_name_of(l, buf_cstr(&path));

            add_edges(l, settings_whole(st), sink, true_name);
            mem_free(true_name);
        }
    }
    buf_release(&path);
    sink->ops->close(&state);
}

/* --- what comes back -----------------------------------------------------------------------------------------------
 */

/* Does anything of stream `from` come to stream `to`? `seen` has a place for each edge. */
static bool leads(const struct loops *l, const struct stream_settings *from, const struct stream_settings *to,
                  bool *seen)
{
    if (from == to)
        return true;
    for (size_t i = 0; i < l->edge_count; i++) {
        if (seen[i] || l->edges[i].from != from)
            continue;
        seen[i] = true;
        if (leads(l, l->edges[i].to->stream, to, seen))
            return true;
    }
    return false;
}

static void report_route(const struct loops *l, const struct edge *x)
{
    const struct settings_origin *in = &x->to->input->from;
    const struct cfg_options writer = {.errs = l->errs, .node = x->sink.from.node, .at = x->sink.from.at};
    struct err e;

    err_set(
        &e, ERR_CONFIG,
        "url: this is where the `%s` of stream `%s` (%s) listens, so records of stream `%s` would come round again and "
        "again; post them elsewhere",
        x->to->input->ops->name, x->to->stream->name, settings_line(in->at, x->sink.from.at).text, x->from->name);
    cfg_options_refuse(&writer, &e);
}

static void report(const struct loops *l, const struct edge *x)
{
    const struct settings_origin *in = &x->to->input->from;
    const struct cfg_options reader = {.errs = l->errs, .node = in->node, .at = in->at};
    const struct cfg_options writer = {.errs = l->errs, .node = x->sink.from.node, .at = x->sink.from.at};
    const char *role = x->sink.backup ? "backup" : "destination";
    struct err e;

    err_set(&e, ERR_CONFIG,
            "paths: the %s of stream `%s` (%s) writes files that match this, so its records would come round "
            "again and "
            "again; write them elsewhere, or leave them out with `exclude`",
            role, x->from->name, settings_line(x->sink.from.at, in->at).text);
    cfg_options_refuse_item(&reader, "paths", x->item, &e);
    err_set(&e, ERR_CONFIG,
            "path: the `%s` of stream `%s` (%s) reads what is written here, so records would come round again and "
            "again; write them elsewhere, or leave them out with its `exclude`",
            x->to->input->ops->name, x->to->stream->name, settings_line(in->at, x->sink.from.at).text);
    cfg_options_refuse(&writer, &e);
}

/* --- data_dir ------------------------------------------------------------------------------------------------------
 */

static void check_data_dir(const struct loops *l, const struct reader *r)
{
    static const char *const FILES[] = {"lock", "streams/%s/spool/00000000000000000001.seg", "streams/%s/spool/mark"};
    const struct cfg_options reader = {.errs = l->errs, .node = r->input->from.node, .at = r->input->from.at};
    struct srcpos place = settings_place(l->s, "data_dir", NULL);
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        const char *name = strstr(FILES[i], "%s");
        char *path = name ? mem_printf("%s/%.*s%s%s", l->s->data_dir, (int)(name - FILES[i]), FILES[i], r->stream->name,
                                       name + 2)
                          : mem_printf("%s/%s", l->s->data_dir, FILES[i]);
        char *true_name = true_path(path);
        size_t item = 0;
        bool found = r->input->ops->reach_has(r->reach, true_name, &item);

        mem_free(true_name);
        mem_free(path);
        if (!found)
            continue;
        err_set(
            &e, ERR_CONFIG,
            "paths: the files of data_dir match this, and every record that is read is written there: choose another "
            "data_dir, or leave it out with `exclude`");
        cfg_options_refuse_item(&reader, "paths", item, &e);
        if (!cfg_errors_at(l->errs, place))
            cfg_error(
                l->errs, place,
                "`data_dir`: the `%s` of stream `%s` (%s) reads what is written here, so records would come round "
                "again and again; choose another one",
                r->input->ops->name, r->stream->name, settings_line(r->input->from.at, place).text);
        return;
    }
}

void settings_loops(struct cfg_errors *errs, const struct settings *s)
{
    struct loops l = {.errs = errs, .s = s, .began = clock_mono()};

    open_readers(&l);
    for (size_t i = 0; l.reader_count && i < s->stream_count; i++)
        for (size_t k = 0; k < settings_outlet_count(&s->streams[i]); k++) {
            const struct stream_settings *st = settings_outlet(&s->streams[i], k);
            const struct settings_sink destination = settings_destination(st), backup = settings_backup(st);

            add_sink(&l, st, &destination);
            add_sink(&l, st, &backup);
            add_posts(&l, st, &destination);
        }
    for (size_t i = 0; i < l.edge_count; i++) {
        bool *seen = mem_array(l.edge_count, sizeof(*seen));

        if (leads(&l, l.edges[i].to->stream, l.edges[i].from, seen))
            (l.edges[i].to->reach ? report : report_route)(&l, &l.edges[i]);
        mem_free(seen);
    }

    for (size_t i = 0; s->data_dir && i < l.reader_count; i++)
        if (l.readers[i].reach)
            check_data_dir(&l, &l.readers[i]);
    release(&l);
}

const struct stream_settings *settings_reader_of(const struct settings *s, const char *path)
{
    const struct stream_settings *found = NULL;
    struct loops l = {.s = s, .began = clock_mono()};
    char *true_name = true_name_of(&l, path);
    size_t item;

    open_readers(&l);
    for (size_t i = 0; i < l.reader_count && !found; i++)
        if (l.readers[i].reach && l.readers[i].input->ops->reach_has(l.readers[i].reach, true_name, &item))
            found = l.readers[i].stream;
    release(&l);
    mem_free(true_name);
    return found;
}
