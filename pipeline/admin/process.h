/* process.h -- what the kernel says about this process; zero where it does not say. Threads: any. */
#ifndef PIPELINE_ADMIN_PROCESS_H
#define PIPELINE_ADMIN_PROCESS_H

#include <stdint.h>

struct process_facts {
    double cpu_seconds; /* user and system */
    uint64_t resident_bytes;
    uint64_t open_fds, max_fds;
};

void process_facts(struct process_facts *f);

#endif
