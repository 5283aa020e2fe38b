/* For each limit of the system: what the configuration needs at the least, what there is, and a message with both and with how to raise
 * it. Soft limits are raised to the hard ones first, where that costs nothing. */
#include "pipeline/engine/process_limits.h"

#include "pipeline/base/child.h"
#include "pipeline/base/limits.h"
#include "pipeline/engine/stream_inputs.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

size_t process_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (size_t)n : 1;
}

/* --- descriptors ------------------------------------------------------------------------------------------------- */

struct descriptor_needs process_descriptors(void)
{
    struct descriptor_needs n = {.limit = SIZE_MAX};
    DIR *d = opendir("/proc/self/fd");
    struct rlimit files;

    while (d && readdir(d))
        n.open++;
    if (d)
        closedir(d);
    n.open -= n.open > 3 ? 3 : n.open; /* "." and ".." and the folder's own */
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return n;
    if (files.rlim_cur < files.rlim_max) {
        struct rlimit more = {.rlim_cur = files.rlim_max, .rlim_max = files.rlim_max};

        child_files(files.rlim_cur);
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            files = more;
    }
    if (files.rlim_cur < SIZE_MAX)
        n.limit = (size_t)files.rlim_cur;
    return n;
}

struct descriptor_needs process_needs_of(const struct stream_settings *st, const struct stream_settings *in)
{
    size_t sockets = 0, deliveries = 0, partitioned = 0;

    for (size_t i = 0; i < settings_outlet_count(st); i++) {
        deliveries += (size_t)settings_outlet(st, i)->in_flight;
        partitioned += settings_outlet(st, i)->partitioned;
    }
    for (size_t i = 0; i < in->input_count; i++)
        sockets += in->inputs[i].ops->sockets ? in->inputs[i].ops->sockets(in->inputs[i].conf) : 0;
    return (struct descriptor_needs){.streams =
                                         settings_outlet_count(st), /* each delivers at least one batch at a time */
                                     .sockets = sockets,
                                     .reading = stream_inputs_want_loop(in->inputs, in->input_count),
                                     .inputs = in->input_count - settings_standing(in),
                                     .deliveries = deliveries,
                                     .partitioned = partitioned};
}

struct descriptor_needs process_needs_of_listener(const struct settings *s, const struct listener_ops *l)
{
    const struct listener_needs n = l->section->needs(settings_section(s, l));

    return (struct descriptor_needs){.connections = n.connections, .threads = n.threads};
}

int process_check_descriptors(const struct settings *s, bool once, struct err *e)
{
    struct descriptor_needs n = process_descriptors(), one;
    const struct listener_ops *l;
    size_t least;

    for (size_t i = 0; i < s->stream_count; i++) {
        one = process_needs_of(&s->streams[i], &s->streams[i]);
        descriptors_add(&n, &one);
    }
    for (size_t i = 0; !once && (l = settings_listener(s, i)); i++) {
        one = process_needs_of_listener(s, l);
        descriptors_add(&n, &one);
    }
    least = descriptors_least(&n);
    if (n.limit >= least)
        return 0;
    return err_set(
        e, ERR_LIMIT,
        "the limit of open files is too low: it is %zu, and this configuration needs %zu; raise it (`ulimit -n`, "
        "in a systemd unit LimitNOFILE=, in a container --ulimit nofile=), or have fewer streams and inputs",
        n.limit, least);
}

/* --- address space ----------------------------------------------------------------------------------------------- */

/* What the C library gives a thread that does not ask. */
static uint64_t stack_bytes(void)
{
    struct rlimit stack;

    if (getrlimit(RLIMIT_STACK, &stack) < 0 || stack.rlim_cur == RLIM_INFINITY)
        return PROCESS_STACK_BYTES;
    return stack.rlim_cur;
}

static uint64_t memory_needed(const struct settings *s)
{
    uint64_t threads = PROCESS_THREADS + process_cores(), loops = 0, of_inputs = 0;
    const struct listener_ops *l;

    for (size_t i = 0; (l = settings_listener(s, i)); i++)
        threads += l->section->needs(settings_section(s, l)).threads;
    for (size_t i = 0; i < s->stream_count; i++) {
        const struct stream_settings *st = &s->streams[i];

        loops += stream_inputs_want_loop(st->inputs, st->input_count);
        for (size_t j = 0; j < st->input_count; j++)
            of_inputs += st->inputs[j].ops->threads ? st->inputs[j].ops->threads(st->inputs[j].conf) : 0;
    }
    if (loops > INPUT_LOOPS_MAX)
        loops = INPUT_LOOPS_MAX;
    return PROCESS_PROGRAM_BYTES + threads * stack_bytes() + loops * INPUT_LOOP_STACK_BYTES +
           of_inputs * INPUT_THREAD_STACK_BYTES + s->memory_limit;
}

static int check_limit(int which, const char *what, const char *how, uint64_t need, struct err *e)
{
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t)which, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need)
        return 0;
    return err_set(e, ERR_LIMIT,
                   "the limit of %s is too low: it is %" PRIu64 " MiB, and the program, the stacks of its threads and "
                   "limits.memory need %" PRIu64 " MiB; raise it (%s), or lower limits.memory",
                   what, (uint64_t)(limit.rlim_cur / MIB), (uint64_t)((need + MIB - 1) / MIB), how);
}

int process_check_memory(const struct settings *s, struct err *e)
{
    uint64_t need = memory_needed(s);

    if (check_limit(RLIMIT_AS, "address space", "`ulimit -v`, in a systemd unit LimitAS=", need, e) < 0)
        return -1;
    return check_limit(RLIMIT_DATA, "data", "`ulimit -d`, in a systemd unit LimitDATA=", need, e);
}

/* --- stacks ------------------------------------------------------------------------------------------------------ */

int process_check_stack(struct err *e)
{
    if (stack_bytes() >= PROCESS_STACK_LEAST)
        return 0;
    return err_set(e, ERR_LIMIT,
                   "the limit of the stack is too low: it is %" PRIu64 " KiB, and a thread needs %" PRIu64
                   " KiB; raise it (`ulimit -s`, in a systemd unit LimitSTACK=)",
                   (uint64_t)(stack_bytes() / KIB), (uint64_t)(PROCESS_STACK_LEAST / KIB));
}

/* --- files ------------------------------------------------------------------------------------------------------- */

/* The largest frame with its head, and room for what a round writes with it. What destinations of the kind `file` write is their own matter. */
int process_check_files(const struct settings *s, struct err *e)
{
    uint64_t need = 2 * FRAME_MAX_BYTES;
    struct rlimit limit;
    bool disk = false;

    for (size_t i = 0; i < s->stream_count; i++)
        disk = disk || !s->streams[i].memory;
    if (!disk || getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= need)
        return 0;
    return err_set(e, ERR_LIMIT,
                   "the limit on the size of files is too low: it is %" PRIu64 " KiB, and the spool needs %" PRIu64
                   " KiB; raise it (`ulimit -f`, in a systemd unit LimitFSIZE=)",
                   (uint64_t)(limit.rlim_cur / KIB), (uint64_t)((need + KIB - 1) / KIB));
}

int process_check(const struct settings *s, bool once, struct err *e)
{
    if (process_check_descriptors(s, once, e) < 0 || process_check_stack(e) < 0 || process_check_memory(s, e) < 0)
        return -1;
    return process_check_files(s, e);
}
