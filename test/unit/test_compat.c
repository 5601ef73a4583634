/* SPDX-License-Identifier: MIT */
/* What stands in for functions that musl and old C libraries lack: config/compat/compat.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"

T_TEST(compat, a_signal_has_the_name_that_the_c_library_gives_it)
{
    CU_ASSERT_STRING_EQUAL(compat_sigabbrev(SIGTERM), "TERM");
    for (int number = -1; number < 70; number++) {
        const char *ours = compat_sigabbrev(number), *theirs = sigabbrev_np(number);

        CU_ASSERT_EQUAL_FATAL(ours == NULL, theirs == NULL);
        CU_ASSERT(ours == NULL || strcmp(ours, theirs) == 0);
    }
}

T_TEST(compat, descriptors_from_a_number_on_are_closed_and_none_below)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        int low = fcntl(0, F_DUPFD, 10), high = fcntl(0, F_DUPFD, 20);

        compat_closefrom(high);
        _exit(low >= 0 && high >= 20 && fcntl(low, F_GETFD) == 0 && fcntl(high, F_GETFD) < 0 &&
                      errno == EBADF
                  ? 0
                  : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT_EQUAL(status, 0);
}

static void *until_told(void *argument)
{
    uint64_t count;
    ssize_t n = read(*(int *)argument, &count, sizeof count);

    return n == sizeof count ? argument : NULL;
}

T_TEST(compat, a_join_ends_by_the_clock_it_was_given)
{
    int told = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;
    pthread_t thread;
    void *result = NULL;
    struct timespec end;
    int64_t before = sb_now_ns(), due = before + 5000000;

    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, until_told, &told), 0);
    end = (struct timespec){.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
    CU_ASSERT_EQUAL(compat_clockjoin(thread, &result, CLOCK_MONOTONIC, &end), ETIMEDOUT);
    CU_ASSERT(sb_now_ns() >= due - 1000000); /* the two clocks are read one after the other */
    CU_ASSERT_EQUAL(write(told, &one, sizeof one), sizeof one);
    end.tv_sec += 60;
    CU_ASSERT_EQUAL(compat_clockjoin(thread, &result, CLOCK_MONOTONIC, &end), 0);
    CU_ASSERT_PTR_EQUAL(result, &told);
    close(told);
}

T_TEST(compat, a_pidfd_tells_and_is_told)
{
    pid_t child = fork();
    int pidfd, status = 0;

    if (child == 0) {
        pause();
        _exit(1);
    }
    pidfd = pidfd_open(child, 0);
    if (pidfd < 0 && (errno == ENOSYS || errno == EINVAL)) { /* old kernel, valgrind */
        kill(child, SIGKILL);
    } else {
        CU_ASSERT(pidfd >= 0);
        CU_ASSERT_EQUAL(pidfd_send_signal(pidfd, SIGKILL, NULL, 0), 0);
        close(pidfd);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
