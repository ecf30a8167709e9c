/* Steps the wall clock of the program that it is loaded into, a second after its start. The steady
 * clock stays, as it does when a machine's time is set. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    static long begun;
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    const char *step = getenv("CHAOS_CLOCK_STEP_SECONDS");
    if (result == 0 && clock == CLOCK_REALTIME && step) {
        struct timespec steady;
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &steady);
        if (begun == 0)
            begun = steady.tv_sec;
        if (steady.tv_sec > begun)
            time->tv_sec += atol(step);
    }
    return result;
}
