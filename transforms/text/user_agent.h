/* user_agent.h -- what a User-Agent header says: browser, its version, the system, the kind of device.
 *
 * A short ordered list of what is common, not a database of devices: "Other" is an answer.
 *
 * Ownership  `version` and `os_version` point into the text; the rest is static. Threads: pure functions.
 */
#ifndef TRANSFORMS_TEXT_USER_AGENT_H
#define TRANSFORMS_TEXT_USER_AGENT_H

#include "pipeline/base/slice.h"

struct user_agent {
    const char *browser, *os;
    const char *device;               /* "desktop", "mobile", "tablet", "bot", "program", "other" */
    struct slice version, os_version; /* may be empty */
};

void user_agent_parse(struct user_agent *out, struct slice text);

#endif
