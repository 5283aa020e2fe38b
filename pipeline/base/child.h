/* child.h -- programs that are started: without a shell, with nothing of ours but what they are given.
 *
 * A program gets nothing on standard input and no descriptor of ours, signals and limits as usual, and a process group of its own, so that what it starts ends
 * with it. When we are killed the kernel ends it (but not what it has started).
 *
 * Threads    the thread that starts it must outlive it: with that thread the kernel ends it.
 */
#ifndef PIPELINE_BASE_CHILD_H
#define PIPELINE_BASE_CHILD_H

#include "pipeline/base/compiler.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct child_conf {
    char *const *argv;        /* words; argv[0] is looked for in PATH when it has no slash */
    char *const *environment; /* NULL: ours */
    int out, err;             /* -1: nobody reads it */
};

/* Our soft limit of open files was this before we raised it: programs get it back, since some (select()) do not bear a large one. Before any is
 * started. */
void child_files(rlim_t soft);

/* 0: it is the program now. Else why not, as errno has it. */
MUST_CHECK int child_start(const struct child_conf *c, pid_t *pid);

/* It is not waited for here: its number stays its own until child_reap(). */
MUST_CHECK bool child_has_ended(pid_t pid);
/* To it and what it has started. */
void child_signal(pid_t pid, int signal);
/* It has ended, or was killed: what is left of its group is killed, and its number is free. How it ended, as waitpid() says it. */
int child_reap(pid_t pid);

#endif
