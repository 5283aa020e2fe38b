/* What nobody tells while it lasts, looked for once a second: that requests are pushed back no longer, and that puts wait for a disk which
 * does not answer. */
#include "pipeline/inputs/api/server.h"

#include "pipeline/base/limits.h"
#include "pipeline/base/log.h"

static void look_at_memory(struct api *a, nsec mono_now)
{
    struct pushback_view v;

    if (pushback_look(&a->memory, mono_now, false, &v))
        log_info("requests are no longer pushed back for memory", KS("input", "api"),
                 KI("blocked_for_s", v.lasted / NSEC_PER_SEC), KU("pushed_back", v.count));
}

/* Clients whose records wait for a disk that does not answer are held back, though nobody has told them so. Under the lock, because a
 * stream stays for as long as its puts are listed, and no longer. */
static void look_at_commits(struct api *a, nsec mono_now)
{
    const struct api_commit *c;
    size_t n = 0;

    pthread_mutex_lock(&a->lock);
    c = TAILQ_FIRST(&a->commits);
    for (; c && n < API_LATE_MAX && mono_now - c->since >= PUSHBACK_TIMEOUT; c = TAILQ_NEXT(c, link), n++)
        pushback_note(c->pushback, PUSHBACK_DISK, mono_now);
    pthread_mutex_unlock(&a->lock);
}

void api_look(struct api *a, nsec mono_now)
{
    look_at_memory(a, mono_now);
    look_at_commits(a, mono_now);
}
