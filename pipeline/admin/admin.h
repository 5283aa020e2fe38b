/* admin.h -- the operators' HTTP server: /metrics (Prometheus text), /healthz, /readyz, and the console page on /.
 *
 * Read-only. Answers from engine_status() snapshots; shows no secrets and no record contents.
 *
 * /healthz  200 while the process works. /readyz  200 when every stream takes records and delivers, otherwise 503; with
 * one line per stream that is not well: what, where, what to do. A stream of which some records fail in the transform or are
 * refused has its line, too, but is ready; one of which no record got through in the last minutes is not.
 *
 * Threads    its own (libmicrohttpd). Ownership: the engine outlives it.
 */
#ifndef PIPELINE_ADMIN_ADMIN_H
#define PIPELINE_ADMIN_ADMIN_H

#include "config/bind.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/engine/status.h"

struct admin;

struct admin_conf {
    const char *listen;
    const struct cfg_strings *hosts;   /* names it answers to besides its own (server/guard.h); may be NULL */
    const struct server_tls_conf *tls; /* NULL, or none of it set: plain HTTP */
    const char *base_dir;              /* where its relative paths start */
};

/* What conf points to outlives it. */
MUST_CHECK int admin_start(struct admin **a, const struct admin_conf *conf, struct engine *engine, struct err *e);
void admin_stop(struct admin **a);
const char *admin_address(const struct admin *a); /* with the real port when 0 was configured */

/* The pages, without the server. */
MUST_CHECK int admin_metrics(struct engine *engine, nsec wall_now, struct buf *out);
MUST_CHECK int admin_ready(struct engine *engine, nsec wall_now, struct buf *out, bool *ready);
MUST_CHECK int admin_console(struct engine *engine, nsec wall_now, struct buf *out);

#endif
