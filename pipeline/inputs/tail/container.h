/* container.h -- lines as container runtimes write them, and what the files are called. Pure; no I/O.
 *
 *     CRI (containerd, CRI-O)    2016-10-06T00:17:09.669794202Z stdout F text
 *     Docker (json-file)         {"log":"text\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}
 *
 * A long line of the program is several of these: all but the last have P instead of F, or a `log` that does not end with \n. Standard
 * output and standard error are mixed in one file, each with its own parts.
 *
 * Ownership  slices point into what was given, or into `unescaped`. Threads: pure functions.
 */
#ifndef PIPELINE_INPUTS_TAIL_CONTAINER_H
#define PIPELINE_INPUTS_TAIL_CONTAINER_H

#include "pipeline/base/buf.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

enum container_format { CONTAINER_NONE, CONTAINER_AUTO, CONTAINER_CRI, CONTAINER_DOCKER };

struct container_line {
    struct slice text;   /* what the program wrote, without the end of its line */
    struct slice stream; /* "stdout" or "stderr" */
    struct slice time;
    bool is_error; /* stderr */
    bool partial;  /* its line goes on */
};

/* False: it is none of this format (AUTO: of neither). `unescaped` is cleared and used for Docker's text. */
MUST_CHECK bool container_read(enum container_format format, struct slice line, struct container_line *out,
                               struct buf *unescaped);

/* RFC 3339, as in these lines; -1: it is not. */
nsec container_time(struct slice time);

/* What a path says: /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log, /var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log, or Docker's
 * .../containers/ID/ID-json.log. What it does not say is empty. */
struct container_names {
    struct slice namespace, pod, container, id;
};
struct container_names container_names_of(const char *path);

#endif
