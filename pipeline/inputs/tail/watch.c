/* The kernel names a watch by a number, and each number's folder is found in a table. The number belongs to the folder, not to its path:
 * one that was moved is watched on under a path that is wrong, so its watch is taken off, and the look that follows finds the
 * folder under its new path. Between two reports the descriptor is not polled for some milliseconds (the header says why): a
 * timer turns the polling on again. */
#include "pipeline/inputs/tail/watch.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCH_MASK                                                                                                     \
    (IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |     \
     IN_ONLYDIR)

/* A watched folder. The kernel knows folders by inode: two paths of one folder have one descriptor, the last path wins.
 */
struct folder {
    int wd;
    char *path;
    struct folder *next;
};

struct tail_watch {
    struct tail_watch_events on;
    int fd;
    uv_poll_t poll;
    uv_timer_t rest;
    int open_handles;
    struct folder *buckets[TAIL_WATCH_BUCKETS]; /* by wd */
};

static struct folder **find(struct tail_watch *w, int wd)
{
    struct folder **f = &w->buckets[(unsigned)wd % TAIL_WATCH_BUCKETS];

    while (*f && (*f)->wd != wd)
        f = &(*f)->next;
    return f;
}

static void forget(struct tail_watch *w, int wd)
{
    struct folder **at = find(w, wd), *f = *at;

    if (!f)
        return;
    *at = f->next;
    mem_free(f->path);
    mem_free(f);
}

bool tail_watch_add(struct tail_watch *w, const char *dir)
{
    int wd = inotify_add_watch(w->fd, dir, WATCH_MASK);
    struct folder **at, *f;

    if (wd < 0)
        return errno == ENOENT || errno == ENOTDIR; /* gone meanwhile: nothing to poll either */
    at = find(w, wd);
    f = *at;
    if (f && strcmp(f->path, dir) == 0)
        return true;
    if (!f) {
        f = *at = mem_alloc(sizeof(*f));
        f->wd = wd;
    }
    mem_free(f->path);
    f->path = mem_strdup(dir);
    return true;
}

/* FUSE may be anything, also sshfs or a folder that a virtual machine shares with its host. */
bool tail_watch_is_remote(uint32_t type)
{
    static const uint32_t remote[] = {
        0x6969,                             /* NFS */
        0x517b,     0xff534d42, 0xfe534d42, /* SMB, CIFS, SMB2 */
        0x65735546,                         /* FUSE */
        0x01021997,                         /* 9P */
        0x00c36400,                         /* Ceph */
        0x0bd00bd0,                         /* Lustre */
        0x47504653,                         /* GPFS */
        0x5346414f, 0x6b414653,             /* AFS */
        0x7461636f,                         /* OCFS2 */
        0x01161970,                         /* GFS2 */
        0x786f4256,                         /* VirtualBox's shared folders */
    };

    for (size_t i = 0; i < ARRAY_LEN(remote); i++)
        if (remote[i] == type)
            return true;
    return false;
}

static void report(struct tail_watch *w, const struct inotify_event *ev)
{
    struct folder *f = *find(w, ev->wd);
    char dir[PATH_MAX]; /* a copy: what we call may replace the folder's path */

    snprintf(dir, sizeof(dir), "%s", f ? f->path : "");
    if (ev->mask & IN_IGNORED) {
        forget(w, ev->wd);
        return;
    }
    if (ev->mask & IN_MOVE_SELF) /* its path is no longer true; the next look adds it again under the new one */
        inotify_rm_watch(w->fd, ev->wd);
    if (!f || ev->len == 0 || (ev->mask & (IN_ISDIR | IN_DELETE | IN_MOVED_FROM)))
        w->on.look(w->on.ctx);
    else if (ev->mask & (IN_CREATE | IN_MOVED_TO))
        w->on.appeared(w->on.ctx, dir, ev->name);
    else
        w->on.changed(w->on.ctx, dir, ev->name);
}

static void rested(uv_timer_t *timer);

/* One buffer per wake-up: what is left waits for the next one, after the rest. */
static void readable(uv_poll_t *poll, int status, int events)
{
    struct tail_watch *w = poll->data;
    _Alignas(struct inotify_event) char raw[TAIL_WATCH_EVENT_BYTES];
    ssize_t n = read(w->fd, raw, sizeof(raw));

    (void)events;
    (void)status;
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *ev = (const struct inotify_event *)(const void *)(raw + at);

        report(w, ev);
        at += (ssize_t)(sizeof(*ev) + ev->len);
    }
    uv_poll_stop(&w->poll);
    uv_timer_start(&w->rest, rested, TAIL_WATCH_REST_MS, 0);
}

static void rested(uv_timer_t *timer)
{
    struct tail_watch *w = timer->data;

    uv_poll_start(&w->poll, UV_READABLE, readable);
}

static void destroy(struct tail_watch *w)
{
    for (size_t i = 0; i < TAIL_WATCH_BUCKETS; i++)
        while (w->buckets[i])
            forget(w, w->buckets[i]->wd);
    if (w->fd >= 0)
        close(w->fd);
    mem_free(w);
}

static void handle_closed(uv_handle_t *h)
{
    struct tail_watch *w = h->data;

    if (--w->open_handles == 0)
        destroy(w);
}

int tail_watch_open(struct tail_watch **out, uv_loop_t *loop, const struct tail_watch_events *on, struct err *e)
{
    struct tail_watch *w = mem_alloc(sizeof(*w));
    int rc;

    w->on = *on;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        err_errno(e, "inotify");
        destroy(w);
        return -1;
    }
    rc = uv_poll_init(loop, &w->poll, w->fd);
    if (rc < 0) {
        destroy(w);
        return err_set(e, ERR_IO, "inotify: %s", uv_strerror(rc));
    }
    uv_timer_init(loop, &w->rest);
    w->poll.data = w->rest.data = w;
    w->open_handles = 2;
    uv_poll_start(&w->poll, UV_READABLE, readable);
    *out = w;
    return 0;
}

void tail_watch_close(struct tail_watch **w)
{
    if (!*w)
        return;
    uv_close((uv_handle_t *)&(*w)->poll, handle_closed);
    uv_close((uv_handle_t *)&(*w)->rest, handle_closed);
    *w = NULL;
}
