/* simd.h -- which vector instructions this processor has; asked at run time, so that one binary runs on any x86-64.
 *
 * Each vectorised function has a scalar twin with the same answers, and takes the level as an argument: the caller
 * passes simd_best(), a test compares all levels up to it. Threads: any.
 */
#ifndef PIPELINE_BASE_SIMD_H
#define PIPELINE_BASE_SIMD_H

enum simd {
    SIMD_NONE,
    SIMD_SSE2,   /* every x86-64 */
    SIMD_AVX2,   /* and the instructions for single bits that came with it */
    SIMD_AVX512, /* with what moves single bytes together: VBMI2 */
};

static inline enum simd simd_best(void)
{
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("popcnt"))
        return SIMD_SSE2;
    return __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") ? SIMD_AVX512 : SIMD_AVX2;
#else
    return SIMD_NONE;
#endif
}

/* To be called after code that leaves values in the upper halves of AVX's registers, as all of ISA-L does (it has no vzeroupper): from
 * then on each change between SSE, which the compiler uses, and AVX, which memcpy() uses, takes this thread a hundred
 * nanoseconds. */
static inline void simd_end_avx(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vzeroupper");
#endif
}

#endif
