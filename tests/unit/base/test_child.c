/* What a program gets of us, also where the kernel does not help. */
#include "tests/support/cmocka.h"

#include "pipeline/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HIGH 700

/* As an older kernel, or one that does not let us; and with no /proc, or no list of what is in it. For ever. */
static bool refuse(long call, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* 0: it has none of ours. */
static int start_and_look(void)
{
    char look[] = "for n in 3 4 5 6 7 8 9 700; do { true <&$n; } 2> /dev/null && echo $n; done; echo none",
         sh[] = "/bin/bash", c[] = "-c";
    char *const argv[] = {sh, c, look, NULL};
    char said[100] = "";
    int out[2];
    pid_t pid;
    size_t n = 0;
    ssize_t got;

    if (pipe(out) < 0 || dup2(out[0], HIGH) < 0 || dup(out[0]) < 0)
        return 2;
    if (child_start(&(struct child_conf){.argv = argv, .out = out[1], .err = -1}, &pid) != 0)
        return 3;
    close(out[1]);
    while ((got = read(out[0], said + n, sizeof(said) - 1 - n)) > 0)
        n += (size_t)got;
    if (child_reap(pid) != 0)
        return 4;
    return strcmp(said, "none\n") == 0 ? 0 : 5;
}

static int in_another_process(bool no_close_range, unsigned error, bool no_list)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (no_close_range && !refuse(436, error))
            _exit(77);
        if (no_list && !refuse(SYS_getdents64, EPERM))
            _exit(77);
        _exit(start_and_look());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void a_program_has_no_descriptor_of_ours(void **state)
{
    int with_help = in_another_process(false, 0, false);
    int old = in_another_process(true, ENOSYS, false);
    int refused = in_another_process(true, EPERM, false);
    int no_list = in_another_process(true, ENOSYS, true);

    (void)state;
    assert_int_equal(with_help, 0);
    if (old == 77)
        skip(); /* nothing may be refused here */
    assert_int_equal(old, 0);
    assert_int_equal(refused, 0);
    assert_int_equal(no_list, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_has_no_descriptor_of_ours),
    };

    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
