/* ThreadSanitizer watches who uses a descriptor's number, and must see it closed to know that the next one of the same number is another.
 * libuv closes those of its loops by a system call of its own, unseen; so whatever accepts or opens next on any thread and gets
 * the number looks like a race with the loop that is gone.
 *
 * librdkafka counts who uses a message by atomic instructions, unseen as well: its own thread frees what ours has read and given back,
 * which looks like a race of free() with our reading. What it calls itself is not looked at; our own reads and writes are.
 *
 * Linked in where libuv is, in builds for it only. */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
    return "race:libuv.so\n"
           "called_from_lib:librdkafka.so\n";
}
