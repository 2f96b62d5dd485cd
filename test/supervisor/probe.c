// What a program sees of its device without libibverbs: each command prints what it found, in one line or a few.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE "/dev/infiniband/uverbs0"
#define VERBS "/sys/class/infiniband_verbs"
#define VERBS_IOCTL 0xc0181b01u

struct header {
  uint16_t length, object, method, count;
  uint64_t reserved1;
  uint32_t driver, reserved2;
};

// A method that there is not: 93 from a device, 25 from any other file.
static int verbs(int fd) {
  struct header h = {.length = sizeof h, .object = 0x0fff, .method = 1, .driver = 14};
  return ioctl(fd, VERBS_IOCTL, &h) == 0 ? 0 : errno;
}

static const char *kind(int fd) {
  struct stat s;
  static char text[64];
  if (fstat(fd, &s) != 0) return strerror(errno);
  snprintf(text, sizeof text, "%s %u:%u", S_ISCHR(s.st_mode) ? "chr" : S_ISREG(s.st_mode) ? "reg" : "other",
           major(s.st_rdev), minor(s.st_rdev));
  return text;
}

static int node(void) {
  int fd = open(NODE, O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    printf("open: %s\n", strerror(errno));
    exit(1);
  }
  return fd;
}

static void show(void) {
  struct stat s;
  struct statx x;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  int fd = node();
  printf("range %d\n", fd < 1024 && (rlim_t)fd < limit.rlim_cur);
  printf("fstat %s\n", kind(fd));
  stat(NODE, &s);
  printf("stat %d %u:%u\n", S_ISCHR(s.st_mode), major(s.st_rdev), minor(s.st_rdev));
  printf("lstat %d\n", lstat(NODE, &s) == 0 && S_ISCHR(s.st_mode));
  statx(AT_FDCWD, NODE, 0, STATX_BASIC_STATS, &x);
  printf("statx %d %u:%u\n", S_ISCHR(x.stx_mode), x.stx_rdev_major, x.stx_rdev_minor);
  memset(&x, 0, sizeof x);
  statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x);
  printf("statx fd %d %u:%u\n", S_ISCHR(x.stx_mode), x.stx_rdev_major, x.stx_rdev_minor);
  printf("ioctl %d\n", verbs(fd));
  printf("access %d %d %d\n", access(NODE, R_OK | W_OK), access(NODE, X_OK) == 0 ? 0 : errno, access(NODE "9", F_OK) == 0 ? 0 : errno);
  printf("cloexec %d\n", fcntl(fd, F_GETFD) & FD_CLOEXEC);
  printf("bad address %d\n", ioctl(fd, VERBS_IOCTL, (void *)8) == 0 ? 0 : errno);
  printf("bad stat %d\n", (int)syscall(SYS_newfstatat, AT_FDCWD, NODE, (void *)8, 0) == 0 ? 0 : errno);
}

static void files(void) {
  char text[64];
  int fd = open(VERBS "/abi_version", O_RDONLY), n = read(fd, text, sizeof text);
  printf("read %.*s", n, text);
  printf("write %d %d %d\n", open(VERBS "/abi_version", O_WRONLY) < 0 ? errno : 0,
         open(VERBS "/new", O_CREAT | O_RDWR, 0644) < 0 ? errno : 0, open(VERBS, O_RDWR) < 0 ? errno : 0);
  printf("missing %d %d\n", open(VERBS "/missing", O_RDONLY) < 0 ? errno : 0, open("/sys/class/infiniband_verbs/abi_version/x", O_RDONLY) < 0 ? errno : 0);
  int dir = open("/sys//class/./infiniband_verbs", O_RDONLY | O_DIRECTORY);
  int relative = openat(dir, "uverbs0/ibdev", O_RDONLY);
  n = read(relative, text, sizeof text);
  printf("relative %.*s", n, text);
  printf("fchdir %d ", fchdir(dir));
  n = read(open("uverbs0/dev", O_RDONLY), text, sizeof text);
  printf("%.*s", n, text);
  printf("directory %d\n", open(NODE, O_RDWR | O_DIRECTORY) < 0 ? errno : 0);
  printf("link %d\n", readlink(VERBS "/abi_version", text, sizeof text) < 0 ? errno : 0);
  DIR *d = opendir("/dev/infiniband");
  for (struct dirent *e; d && (e = readdir(d));)
    if (!strcmp(e->d_name, "uverbs0")) printf("entry %s\n", e->d_name);
}

static void copies(void) {
  int fd = node(), a = dup(fd), b = fcntl(fd, F_DUPFD_CLOEXEC, 3), c = dup2(fd, 90), d = dup2(fd, a + 100);
  printf("dup %s %d\n", kind(a), verbs(a));
  printf("cloexec %d %d\n", fcntl(a, F_GETFD), fcntl(b, F_GETFD));
  printf("fcntl %s %d\n", kind(b), verbs(b));
  printf("low %s %d\n", kind(c), verbs(c));
  printf("high %s %d\n", kind(d), verbs(d));
  close(fd), close(a), close(b), close(c);
  printf("last %d\n", verbs(d));
  int plain = open("/dev/null", O_RDWR), high = fcntl(plain, F_DUPFD, 700);
  printf("other %d %s %d\n", high, kind(high), verbs(high));
  int forged = memfd_create("uverbs0.1", 0), up = dup2(forged, 701);
  printf("forged %s %d\n", kind(up), verbs(up));
}

// Odd while the number is being replaced; what it means follows from how often it was.
static int turns, stop_turns;

static int meaning(int turn) { return turn / 2 % 2 ? ENOTTY : 93; }

static void *other_user(void *arg) {
  int fd = *(int *)arg;
  intptr_t wrong = 0;
  while (!__atomic_load_n(&stop_turns, __ATOMIC_SEQ_CST)) {
    int before = __atomic_load_n(&turns, __ATOMIC_SEQ_CST);
    int result = verbs(fd);
    int after = __atomic_load_n(&turns, __ATOMIC_SEQ_CST);
    if (before == after && before % 2 == 0 && result != meaning(before)) wrong++;
  }
  return (void *)wrong;
}

// A number that means something else from one call to the next, while the device stays open by another.
static void replaced(void) {
  int fd = node(), kept = dup2(fd, 90), null = open("/dev/null", O_RDWR);
  int counts[4] = {0};
  for (int i = 0; i < 100; i++) {
    counts[0] += verbs(fd) == 93;
    dup2(null, fd);
    counts[1] += verbs(fd) == ENOTTY;
    dup3(kept, fd, O_CLOEXEC);
    counts[2] += verbs(fd) == 93;
    dup3(null, fd, O_CLOEXEC);
    counts[3] += verbs(fd) == ENOTTY;
    dup2(kept, fd);
  }
  for (int i = 0; i < 4; i++) printf("%d%c", counts[i], i < 3 ? ' ' : '\n');
  // Another thread makes verbs all the time: what it is told while nothing changes is what the number means.
  pthread_t thread;
  pthread_create(&thread, NULL, other_user, &fd);
  for (int i = 0; i < 400; i++) {
    __atomic_fetch_add(&turns, 1, __ATOMIC_SEQ_CST);
    dup2(meaning(turns + 1) == 93 ? kept : null, fd);
    __atomic_fetch_add(&turns, 1, __ATOMIC_SEQ_CST);
    usleep(300);
  }
  __atomic_store_n(&stop_turns, 1, __ATOMIC_SEQ_CST);
  void *wrong;
  pthread_join(thread, &wrong);
  printf("wrong %d\n", (int)(intptr_t)wrong);
}

// GET_CONTEXT by INVOKE_WRITE, which an opened device takes only once: 0 or an error.
static int get_context(int fd) {
  uint64_t request = 0;
  uint32_t answer[2];
  struct {
    struct header h;
    struct {
      uint16_t id, length, flags, reserved;
      uint64_t data;
    } attrs[3];
  } whole = {
      {.length = sizeof whole, .count = 3, .driver = 14},
      {{0, sizeof request, 1, 0, (uintptr_t)&request}, {1, sizeof answer, 0, 0, (uintptr_t)answer}, {2, 8, 1, 0, 0}},
  };
  return ioctl(fd, VERBS_IOCTL, &whole) == 0 ? 0 : errno;
}

// A child makes a verb and executes a program, which opens the device anew, under the number that the child had it by.
static void anew(void) {
  int fd = node(), good = 0, first = get_context(fd);
  printf("context %d %d\n", first, get_context(fd));
  for (int i = 0; i < 50; i++) {
    pid_t child = fork();
    if (child == 0) {
      verbs(fd);
      execl("/proc/self/exe", "probe", "fresh", NULL);
      _exit(1);
    }
    int status;
    good += waitpid(child, &status, 0) == child && status == 0;
  }
  printf("anew %d\n", good);
}

static void inherited(void) {
  int fd = node();
  pid_t child = fork();
  if (child == 0) {
    printf("child %s %d\n", kind(fd), verbs(fd));
    exit(0);
  }
  waitpid(child, NULL, 0);
  printf("parent %d\n", verbs(fd));
}

static void *thread(void *unused) {
  (void)unused;
  for (int i = 0; i < 50; i++) {
    int fd = open(NODE, O_RDWR | O_CLOEXEC);
    if (fd < 0 || verbs(fd) != 93) return (void *)1;
    struct stat s;
    if (stat("/etc", &s) != 0 || fstat(fd, &s) != 0 || !S_ISCHR(s.st_mode)) return (void *)1;
    close(fd);
  }
  return NULL;
}

static void threads(void) {
  pthread_t all[16];
  int failed = 0;
  for (int i = 0; i < 16; i++) pthread_create(&all[i], NULL, thread, NULL);
  for (int i = 0; i < 16; i++) {
    void *result;
    pthread_join(all[i], &result);
    failed += result != NULL;
  }
  printf("failed %d\n", failed);
}

// The main thread ends first: the process's id is that of a zombie while others call.
static void *late(void *unused) {
  (void)unused;
  usleep(100000);
  printf("late %d\n", verbs(node()));
  exit(0);
}

static void leader(void) {
  pthread_t one;
  pthread_create(&one, NULL, late, NULL);
  pthread_exit(NULL);
}

static void nothing(int signal) { (void)signal; }

static int descriptors(void) {
  int n = 0;
  for (int i = 0; i < 1024; i++) n += fcntl(i, F_GETFD) >= 0;
  return n;
}

// As Go's runtime does: system calls without the C library, and signals all the time.
static void interrupted(void) {
  int before = descriptors();
  struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
  sigaction(SIGURG, &action, NULL);
  pid_t self = getpid();
  pid_t pest = fork();
  if (pest == 0)
    for (;;) kill(self, SIGURG), usleep(50);
  int wrong = 0;
  for (int i = 0; i < 300; i++) {
    long fd = syscall(SYS_openat, AT_FDCWD, NODE, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0 || verbs(fd) != 93) wrong++;
    syscall(SYS_close, fd);
  }
  kill(pest, SIGKILL);
  int left = descriptors() - before;
  printf("wrong %d left %d\n", wrong, left);
}

static void orphan(const char *file) {
  if (fork() > 0) {
    // The program goes on until the orphan has shown that it works.
    for (int i = 0; i < 500 && access(file, F_OK) != 0; i++) usleep(10000);
    printf("orphan %d\n", access(file, F_OK) == 0);
    return;
  }
  setsid();
  if (fork() > 0) _exit(0);
  usleep(50000);
  int fd = node();
  if (verbs(fd) == 93) close(open(file, O_CREAT | O_WRONLY, 0644));
  pause();
}

static void *killer(void *unused) {
  (void)unused;
  usleep(rand() % 3000);
  kill(getpid(), SIGKILL);
  return NULL;
}

// Many processes die in the middle of calls.
static void killed(void) {
  for (int i = 0; i < 60; i++) {
    pid_t child = fork();
    if (child == 0) {
      pthread_t one;
      srand(getpid());
      pthread_create(&one, NULL, killer, NULL);
      for (;;) {
        int fd = open(NODE, O_RDWR);
        verbs(fd);
        close(fd);
      }
    }
    waitpid(child, NULL, 0);
  }
  printf("then %d\n", verbs(node()));
}

static void many(void) {
  int n = 0;
  while (open(NODE, O_RDWR) >= 0) n++;
  printf("%d\n", n > 100 && n <= 512 && errno == EMFILE);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char *what = argc > 1 ? argv[1] : "";
  if (!strcmp(what, "show")) show();
  else if (!strcmp(what, "files")) files();
  else if (!strcmp(what, "copies")) copies();
  else if (!strcmp(what, "replaced")) replaced();
  else if (!strcmp(what, "anew")) anew();
  else if (!strcmp(what, "fresh")) return get_context(node());
  else if (!strcmp(what, "inherited")) inherited();
  else if (!strcmp(what, "threads")) threads();
  else if (!strcmp(what, "leader")) leader();
  else if (!strcmp(what, "interrupted")) interrupted();
  else if (!strcmp(what, "orphan")) orphan(argv[2]);
  else if (!strcmp(what, "killed")) killed();
  else if (!strcmp(what, "many")) many();
  else return 2;
  return 0;
}
