/* service.h -- `sluice run` as the service of a manager: systemd with Type=notify and WatchdogSec=, or who speaks like it.
 *
 *     service_open() -> service_ready() -> service_tick() ... -> service_stopping() -> service_close()
 *
 * What cannot be said is logged, and the service goes on: nobody loses records because a manager is deaf. Threads: the main thread.
 */
#ifndef PIPELINE_CLI_COMMANDS_SERVICE_H
#define PIPELINE_CLI_COMMANDS_SERVICE_H

#include "pipeline/base/notify.h"
#include "pipeline/engine/engine.h"

struct service {
    struct notify notify;
    nsec beat_at, status_at; /* mono */
    bool silent;             /* at the last beat nothing was said */
    char status[NOTIFY_MAX_BYTES];
};

/* Reads the environment. */
void service_open(struct service *v);
void service_close(struct service *v);

void service_ready(struct service *v);
/* A reload begins; at its end it is ready again. Any thread. */
void service_reloading(struct service *v);
/* Nobody listens: no ticks are needed. */
bool service_wants_ticks(const struct service *v);
/* Now and then while it runs: that it is alive, as long as it is, and how the streams are. */
void service_tick(struct service *v, struct engine *en, nsec mono_now);
/* The end has begun; it takes the grace time, and a little. */
void service_stopping(struct service *v, nsec grace);

/* "2 streams; not well: app (retrying)". */
void service_status_text(struct engine *en, nsec wall_now, char *out, size_t size);

#endif
