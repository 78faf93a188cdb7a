/* A wall clock that can be set for one process alone, preloaded into it.
 *
 * The kernel can give a process its own monotonic clock (time namespaces) but not its own wall clock. This
 * puts an offset on what the process reads: nanoseconds, eight bytes of the file that TORTURE_CLOCK names,
 * mapped, so that a write into the file is a jump at once. Without the variable nothing is changed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL

typedef int (*clock_gettime_fn)(clockid_t, struct timespec*);

static clock_gettime_fn real_clock_gettime;
static const volatile int64_t* offset_ns;

__attribute__((constructor)) static void begin(void) {
  real_clock_gettime = (clock_gettime_fn)dlsym(RTLD_NEXT, "clock_gettime");
  const char* path = getenv("TORTURE_CLOCK");
  const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  void* mapped = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) offset_ns = mapped;
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec* out) {
  if (real_clock_gettime == NULL) begin(); /* another constructor reads the time before ours has run */
  const int status = real_clock_gettime(clock, out);
  const int wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (status != 0 || !wall || offset_ns == NULL) return status;
  const int64_t now = out->tv_sec * SECOND_NS + out->tv_nsec + *offset_ns;
  out->tv_sec = now / SECOND_NS;
  out->tv_nsec = now % SECOND_NS;
  return 0;
}

int gettimeofday(struct timeval* restrict out, void* restrict zone) {
  (void)zone;
  struct timespec now;
  const int status = clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return status;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

int fallocate(int file, int mode, off_t offset, off_t size) {
  (void)file, (void)mode, (void)offset, (void)size;
  errno = EOPNOTSUPP;
  return -1;
}

int posix_fallocate(int file, off_t offset, off_t size) {
  (void)file, (void)offset, (void)size;
  return EOPNOTSUPP;
}

int fallocate64(int file, int mode, off64_t offset, off64_t size) {
  return fallocate(file, mode, offset, size);
}

int posix_fallocate64(int file, off64_t offset, off64_t size) {
  return posix_fallocate(file, offset, size);
}
