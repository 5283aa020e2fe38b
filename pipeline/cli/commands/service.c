/* A manager restarts a service that is silent for too long, so what is said must be true: only a process whose main thread and delivery thread
 * come round says that it lives (engine_turns()). It is asked several times within the manager's time, so that one late answer ends nothing. */
#include "pipeline/cli/commands/service.h"

#include "pipeline/base/human.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void service_open(struct service *v)
{
    const struct notify_env env = {getenv("NOTIFY_SOCKET"), getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID")};
    struct err e;

    *v = (struct service){.beat_at = 0};
    if (notify_open(&v->notify, &env, &e) < 0)
        log_warn("the service manager hears nothing of this process", KE("cause", &e),
                 KS("hint", "unset NOTIFY_SOCKET where nobody listens; with Type=notify the manager will end it"));
}

void service_close(struct service *v)
{
    notify_close(&v->notify);
}

static void log_deaf(const struct err *e)
{
    log_warn("the service manager is not reached", KE("cause", e),
             KS("hint", "it goes on all the same; whoever waits for the message may end it"));
}

void service_ready(struct service *v)
{
    struct err e;

    if (notify_ready(&v->notify, &e) < 0)
        log_deaf(&e);
}

void service_reloading(struct service *v)
{
    struct err e;

    if (notify_reloading(&v->notify, clock_mono(), &e) < 0)
        log_deaf(&e);
}

bool service_wants_ticks(const struct service *v)
{
    return v->notify.open;
}

void service_status_text(struct engine *en, nsec wall_now, char *out, size_t size)
{
    struct engine_view view;
    struct stream_status s;
    size_t used = 0;
    struct engine_status all;

    engine_status(en, &all);
    engine_view_take(en, &view);
    used += (size_t)snprintf(out, size, "%zu stream%s", (size_t)all.streams, noun_s(all.streams));
    for (size_t i = 0, unwell = 0; engine_stream_status(&view, i, wall_now, &s); i++) {
        if (s.health != STREAM_OK && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s (%s)", unwell++ ? ", " : "; not well: ", s.name,
                                     stream_health_word(s.health));
        stream_status_release(&s);
    }
    engine_view_release(&view);
}

static void say_status(struct service *v, struct engine *en)
{
    char text[NOTIFY_MAX_BYTES - sizeof("STATUS=")];

    service_status_text(en, clock_wall(), text, sizeof(text));
    if (strcmp(text, v->status) != 0 && notify_status(&v->notify, text))
        snprintf(v->status, sizeof(v->status), "%s", text);
}

/* The manager ends a process that is silent, and knows no reason; ours is in the log before. */
static void beat(struct service *v, struct engine *en)
{
    bool turns = engine_turns(en);

    if (turns)
        (void)notify_alive(&v->notify);
    else if (!v->silent)
        log_warn("the delivery thread does not come round: the service manager is not told that this process lives",
                 KI("for_ms", v->notify.watchdog / SERVICE_BEATS / NSEC_PER_MSEC),
                 KI("watchdog_ms", v->notify.watchdog / NSEC_PER_MSEC),
                 KS("hint", "is the machine out of memory, or of CPU time? If it stays like this the manager ends it; "
                            "what was acknowledged is safe"));
    v->silent = !turns;
}

void service_tick(struct service *v, struct engine *en, nsec mono_now)
{
    if (!v->notify.open)
        return;
    if (v->notify.watchdog && mono_now >= v->beat_at) {
        beat(v, en);
        v->beat_at = mono_now + v->notify.watchdog / SERVICE_BEATS;
    }
    if (mono_now >= v->status_at) {
        say_status(v, en);
        v->status_at = mono_now + SERVICE_STATUS_EVERY;
    }
}

void service_stopping(struct service *v, nsec grace)
{
    struct err e;

    /* What hangs then is left behind at the end of the first of these; the last words come after that. */
    if (notify_stopping(&v->notify, grace + 2 * RUN_STOP_TIMEOUT, &e) < 0)
        log_deaf(&e);
}
