/*
 * The jump out of a failed Lua call, as ThreadSanitizer can see it.
 *
 * ThreadSanitizer keeps a call stack of its own and cuts it back when a program jumps. It watches longjmp, but (GCC 12)
 * not __longjmp_chk, which libraries call that Debian built with _FORTIFY_SOURCE. Each error of a script left its frames
 * on that stack, and every allocation copied the stack: 24 GB after 100,000 failed records. So the programs of this
 * build bring a __longjmp_chk of their own that calls the watched one. Only for -fsanitize=thread; see CMakeLists.txt.
 */
#include <setjmp.h>

_Noreturn void __longjmp_chk(jmp_buf env, int value);

__attribute__((no_sanitize("thread"))) _Noreturn void __longjmp_chk(jmp_buf env, int value)
{
    longjmp(env, value);
}
