// A program that does all it can to its device: each command is one kind of attack. What is printed is for people; a command
// that ends with 0 has seen what it wanted to see, and one that attacks its own memory may end in any way.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NODE "/dev/infiniband/uverbs0"
#define VERBS_IOCTL 0xc0181b01u
#define MEGA (1 << 20)

#define NEED(condition)                                                       \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%d: %s: %s\n", __LINE__, #condition, strerror(errno)); \
      exit(1);                                                                \
    }                                                                         \
  } while (0)

// Chance with a seed.
static uint64_t state = 88172645463325252u;

static uint64_t any(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static uint64_t below(uint64_t n) { return any() % n; }

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

// ---- An honest use of the device, to misuse

struct end {
  struct ibv_context *context;
  struct ibv_pd *pd;
  struct ibv_cq *cq;
  struct ibv_qp *qp;
  struct ibv_mr *mr;
  char *memory;
  size_t size;
};

static struct ibv_context *open_context(void) {
  struct ibv_device **list = ibv_get_device_list(NULL);
  NEED(list && list[0]);
  struct ibv_context *context = ibv_open_device(list[0]);
  NEED(context);
  ibv_free_device_list(list);
  return context;
}

static struct end make_end(struct ibv_context *context, size_t size, enum ibv_qp_type type) {
  struct end e = {.context = context, .size = size};
  NEED(e.pd = ibv_alloc_pd(context));
  NEED(e.cq = ibv_create_cq(context, 1000, NULL, NULL, 0));
  struct ibv_qp_init_attr init = {
      .send_cq = e.cq, .recv_cq = e.cq, .qp_type = type, .sq_sig_all = 1,
      .cap = {.max_send_wr = 60, .max_recv_wr = 60, .max_send_sge = 2, .max_recv_sge = 2, .max_inline_data = 64}};
  NEED(e.qp = ibv_create_qp(e.pd, &init));
  e.memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(e.memory != MAP_FAILED);
  memset(e.memory, 7, size);
  NEED(e.mr = ibv_reg_mr(e.pd, e.memory, size, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC));
  return e;
}

// To RTS, whatever state it is in; retries give up soon.
static int aim(struct ibv_qp *qp, uint32_t qpn, uint32_t rq_psn, uint32_t sq_psn) {
  struct ibv_qp_attr a = {.qp_state = IBV_QPS_RESET};
  int uc = qp->qp_type == IBV_QPT_UC;
  if (ibv_modify_qp(qp, &a, IBV_QP_STATE)) return -1;
  a = (struct ibv_qp_attr){.qp_state = IBV_QPS_INIT, .port_num = 1, .qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC};
  if (ibv_modify_qp(qp, &a, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS)) return -1;
  union ibv_gid gid;
  if (ibv_query_gid(qp->context, 1, 0, &gid)) return -1;
  a = (struct ibv_qp_attr){.qp_state = IBV_QPS_RTR, .path_mtu = IBV_MTU_1024, .dest_qp_num = qpn, .rq_psn = rq_psn, .max_dest_rd_atomic = 4, .min_rnr_timer = 1,
                           .ah_attr = {.is_global = 1, .port_num = 1, .grh = {.dgid = gid, .hop_limit = 1}}};
  if (ibv_modify_qp(qp, &a, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | (uc ? 0 : IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))) return -1;
  a = (struct ibv_qp_attr){.qp_state = IBV_QPS_RTS, .timeout = 10, .retry_cnt = 1, .rnr_retry = 1, .sq_psn = sq_psn, .max_rd_atomic = 4};
  return ibv_modify_qp(qp, &a, IBV_QP_STATE | IBV_QP_SQ_PSN | (uc ? 0 : IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC));
}

static int join(struct end *a, struct end *b) {
  return aim(a->qp, b->qp->qp_num, 5, 9) || aim(b->qp, a->qp->qp_num, 9, 5) ? -1 : 0;
}

static int post(struct end *from, struct end *to, enum ibv_wr_opcode opcode, uint32_t length) {
  struct ibv_sge sge = {.addr = (uintptr_t)from->memory, .length = length, .lkey = from->mr->lkey};
  struct ibv_send_wr wr = {.sg_list = &sge, .num_sge = 1, .opcode = opcode}, *bad;
  if (opcode != IBV_WR_SEND) {
    wr.wr.rdma.remote_addr = (uintptr_t)to->memory;
    wr.wr.rdma.rkey = to->mr->rkey;
  }
  return ibv_post_send(from->qp, &wr, &bad);
}

static int take(struct end *to, uint32_t length) {
  struct ibv_sge sge = {.addr = (uintptr_t)to->memory, .length = length, .lkey = to->mr->lkey};
  struct ibv_recv_wr wr = {.sg_list = &sge, .num_sge = 1}, *bad;
  return ibv_post_recv(to->qp, &wr, &bad);
}

// The next completion's status; -1 when there is none in time.
static int wait_status(struct ibv_cq *cq, double time) {
  struct ibv_wc wc;
  for (double end = seconds() + time; seconds() < end; usleep(50))
    if (ibv_poll_cq(cq, 1, &wc) > 0) return wc.status;
  return -1;
}

// ---- ioctls

struct header {
  uint16_t length, object, method, count;
  uint64_t reserved1;
  uint32_t driver, reserved2;
};

struct attr {
  uint16_t id, length, flags, reserved;
  uint64_t data;
};

static int call(int fd, uint16_t object, uint16_t method, struct attr *attrs, int count) {
  struct {
    struct header h;
    struct attr attrs[64];
  } whole = {.h = {.length = sizeof(struct header) + count * sizeof(struct attr), .object = object, .method = method, .count = count, .driver = 14}};
  memcpy(whole.attrs, attrs, count * sizeof *attrs);
  int result = ioctl(fd, VERBS_IOCTL, &whole) == 0 ? 0 : errno;
  memcpy(attrs, whole.attrs, count * sizeof *attrs);
  return result;
}

static uint64_t interesting(uint8_t *room, size_t size) {
  static const uint64_t known[] = {0, 1, 2, 3, 4, 8, 4095, 4096, 0x7fffffff, 0xffffffff, 1ull << 31, 1ull << 47, (1ull << 47) - 4, 1ull << 53, 1ull << 63, ~0ull, ~0ull - 4095, 8};
  switch (below(4)) {
  case 0: return known[below(sizeof known / sizeof *known)];
  case 1: return below(20);
  case 2: return (uintptr_t)room + below(size);
  default: return any() >> below(64);
  }
}

static void random_ioctls(int count) {
  struct end a = make_end(open_context(), 8192, IBV_QPT_RC), b = make_end(a.context, 8192, IBV_QPT_RC);
  NEED(join(&a, &b) == 0);
  int bare = open(NODE, O_RDWR | O_CLOEXEC), fds[] = {a.context->cmd_fd, a.context->cmd_fd, bare, a.context->async_fd, 0};
  size_t size = 1 << 16;
  // All that the device is told to write goes here or nowhere. Behind it is nothing.
  uint8_t *room = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NEED(mprotect(room + size, 4096, PROT_NONE) == 0);
  static const uint16_t real[][2] = {{0, 1}, {0, 2}, {0, 5}, {0, 6}, {1, 0}, {3, 0}, {3, 1}, {4, 0}, {4, 1}, {5, 0}, {7, 3}, {7, 5}};
  int done = 0;
  for (int i = 0; i < count; i++) {
    for (int n = 0; n < 64; n++) ((uint32_t *)room)[below(size / 4)] = interesting(room, size);
    struct header *h = (struct header *)(room + (below(8) ? 8 * below(64) : size - 8 * below(16)));
    int fits = ((int)(room + size - (uint8_t *)h) - (int)sizeof *h) / (int)sizeof(struct attr), attrs = below(12);
    if (attrs > fits) attrs = fits < 0 ? 0 : fits;
    struct header made = {.length = sizeof *h + attrs * sizeof(struct attr), .object = real[below(12)][0], .method = below(6), .count = attrs, .driver = 14};
    if (below(4)) made.method = real[below(12)][1];
    // Others go with what is destroyed.
    if (i % 200 == 0) make_end(a.context, 8192, IBV_QPT_RC);
    // Half of them: INVOKE_WRITE, the older commands, with a request of small numbers and with room for the answer.
    int invoke = below(2);
    if (invoke) made.object = made.method = 0;
    switch (below(40)) {
    case 0: made.length = any(); break;
    case 1: made.count = any(); break;
    case 2: made.reserved1 = any(); break;
    case 3: made.driver = below(30); break;
    case 4: made.object = any(), made.method = any();
    }
    size_t left = room + size - (uint8_t *)h;
    memcpy(h, &made, left < sizeof made ? left : sizeof made);
    struct attr *list = (struct attr *)(h + 1);
    for (int n = 0; n < attrs; n++) {
      int known = below(4) > 0;
      list[n] = (struct attr){.id = known ? n : (int)below(20), .length = below(4) ? 4 * below(40) : any(), .flags = below(4), .reserved = below(20) ? 0 : any(), .data = interesting(room, size)};
      if (known && !invoke) list[n].length = below(2) ? 0 : 4 << below(2), list[n].data = below(2) ? below(30) : list[n].data;
    }
    if (invoke && fits >= 5 && below(8)) {
      if (attrs < 5) h->count = attrs = 5, h->length = sizeof *h + 5 * sizeof(struct attr);
      uint32_t *request = (uint32_t *)(room + 4096);
      for (int n = 0; n < 40; n++) request[n] = below(8) ? n % 2 ? 0 : below(40) : interesting(room, size);
      list[0] = (struct attr){.id = 0, .length = 4 * (1 + below(30)), .flags = 1, .data = (uintptr_t)request};
      for (int n = 2 * below(15); n < 40; n++) request[n] = 0;
      list[1] = (struct attr){.id = 1, .length = 200, .data = (uintptr_t)(room + 8192)};
      list[2] = (struct attr){.id = 2, .length = 8, .flags = 1, .data = below(41) | (below(4) ? 0 : 0x80000000)};
      list[3] = (struct attr){.id = 0x1000, .length = 16, .data = (uintptr_t)request};
      list[4] = (struct attr){.id = 0x1001, .length = 64, .data = (uintptr_t)(room + 8192)};
    }
    done += ioctl(fds[below(5)], VERBS_IOCTL, below(50) ? (void *)h : (void *)any()) == 0;
  }
  printf("%d of %d went through\n", done, count);
}

// A context with nothing in it names each handle there may be.
static void foreign_handles(void) {
  struct ibv_context *owner = open_context(), *stranger = open_context();
  struct end mine = make_end(owner, 4096, IBV_QPT_RC);
  struct ibv_srq_init_attr init = {.attr = {.max_wr = 4, .max_sge = 1}};
  struct ibv_srq *srq = ibv_create_srq(mine.pd, &init);
  NEED(srq);
  struct ibv_mw *mw = ibv_alloc_mw(mine.pd, IBV_MW_TYPE_2);
  NEED(mw);
  // Handles made elsewhere, as if they were its own.
  struct ibv_pd pd = *mine.pd;
  struct ibv_cq cq = *mine.cq;
  struct ibv_qp qp = *mine.qp;
  pd.context = cq.context = qp.context = stranger;
  NEED(ibv_alloc_mw(&pd, IBV_MW_TYPE_1) == NULL);
  NEED(ibv_reg_mr(&pd, mine.memory, 4096, IBV_ACCESS_LOCAL_WRITE) == NULL);
  struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};
  NEED(ibv_modify_qp(&qp, &attr, IBV_QP_STATE) != 0);
  // Destroy methods: object type, method, with the reference as attribute 0.
  static const struct {
    uint16_t object, method, answer;
  } destroy[] = {{1, 0, 0}, {3, 1, 8}, {4, 1, 4}, {5, 1, 4}, {6, 0, 0}, {7, 1, 0}, {8, 0, 0}};
  uint8_t answer[64];
  for (int handle = 0; handle < 300; handle++)
    for (int i = 0; i < 7; i++) {
      struct attr attrs[] = {{.id = 0, .flags = 1, .data = handle}, {.id = 1, .length = destroy[i].answer, .data = (uintptr_t)answer}};
      NEED(call(stranger->cmd_fd, destroy[i].object, destroy[i].method, attrs, destroy[i].answer ? 2 : 1) == ENOENT);
    }
  // The owner's are all there.
  struct end other = make_end(owner, 4096, IBV_QPT_RC);
  NEED(join(&mine, &other) == 0);
  NEED(take(&other, 100) == 0 && post(&mine, &other, IBV_WR_SEND, 100) == 0);
  NEED(wait_status(mine.cq, 5) == IBV_WC_SUCCESS && wait_status(other.cq, 5) == IBV_WC_SUCCESS);
  // Keys of another protection domain.
  struct ibv_mr *its = mine.mr;
  mine.mr = other.mr;
  NEED(take(&other, 100) == 0 && post(&mine, &other, IBV_WR_SEND, 100) == 0);
  NEED(wait_status(mine.cq, 5) == IBV_WC_LOC_PROT_ERR);
  mine.mr = its;
  NEED(join(&mine, &other) == 0);
  struct ibv_mr wrong = *mine.mr, *right = other.mr;
  other.mr = &wrong;
  NEED(post(&mine, &other, IBV_WR_RDMA_WRITE, 100) == 0);
  NEED(wait_status(mine.cq, 5) == IBV_WC_REM_ACCESS_ERR);
  other.mr = right;
  // CAP_NET_RAW is for the device's network: others have it not.
  if (geteuid() != 0) {
    struct ibv_qp_init_attr raw = {.send_cq = mine.cq, .recv_cq = mine.cq, .qp_type = IBV_QPT_RAW_PACKET, .cap = {.max_send_wr = 1}};
    NEED(ibv_create_qp(mine.pd, &raw) == NULL);
  }
}

// ---- Rings

#define MOST_RINGS 64

struct ring {
  uint8_t *at;
  size_t size;
  uint8_t *good;
};

static struct ring rings[MOST_RINGS];
static int ring_count;

// What is mapped of the device, with what it looks like when all is well.
static void find_rings(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  ring_count = 0;
  while (ring_count < MOST_RINGS && fgets(line, sizeof line, maps)) {
    unsigned long from, to;
    if (!strstr(line, "memfd:uverbs") || sscanf(line, "%lx-%lx", &from, &to) != 2) continue;
    struct ring *r = &rings[ring_count++];
    *r = (struct ring){(uint8_t *)from, to - from, malloc(to - from)};
    memcpy(r->good, r->at, r->size);
  }
  fclose(maps);
  NEED(ring_count > 0);
}

static void ring_doorbell(int fd, uint32_t handle) {
  uint32_t record[8] = {28, 8 | 1 << 16, 0, 0, handle, 0, 0, 128};
  if (write(fd, record, sizeof record) < 0) return;
}

static void scribble_word(struct ring *r) {
  static const uint32_t known[] = {0, 1, 2, 8, 63, 64, 255, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0, 4096};
  volatile uint32_t *words = (uint32_t *)r->at;
  size_t word = below(3) ? (below(2) ? 96 + below(r->size / 4 - 96) : 32 * (1 + below(2))) : below(r->size / 4);
  words[word] = below(2) ? known[below(12)] : below(2) ? below(128) : any();
}

static atomic_int stop;

static void *scribbler(void *unused) {
  (void)unused;
  for (int n = 0; !stop; n++) {
    struct ring *r = &rings[below(ring_count)];
    if (below(4) == 0) {
      size_t at = 4 * below(r->size / 4), length = 4 * below(40);
      if (at + length > r->size) length = r->size - at;
      memcpy(r->at + at, r->good + at, length);
    } else scribble_word(r);
    if (n % 64 == 0) usleep(1);
  }
  return NULL;
}

// Sends, WRITEs, READs, atomics, inline data and receives under way, then all of memory that is shared with the device is
// written over while it works.
static void scribble_rings(double time, enum ibv_qp_type type) {
  struct end a = make_end(open_context(), MEGA, type), b = make_end(a.context, MEGA, type);
  struct end ends[] = {a, b};
  NEED(join(&a, &b) == 0);
  for (int i = 0; i < 40; i++) {
    static const enum ibv_wr_opcode ops[] = {IBV_WR_SEND, IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_SEND, IBV_WR_ATOMIC_FETCH_AND_ADD};
    NEED(take(&a, 5000) == 0 && take(&b, 5000) == 0);
    enum ibv_wr_opcode op = ops[i % (type == IBV_QPT_RC ? 5 : 2)];
    if (i % 7 == 6) {
      struct ibv_sge sge = {.addr = (uintptr_t)a.memory, .length = 60};
      struct ibv_send_wr wr = {.sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND, .send_flags = IBV_SEND_INLINE}, *bad;
      NEED(ibv_post_send(a.qp, &wr, &bad) == 0);
    } else NEED(post(&a, &b, op, op == IBV_WR_ATOMIC_FETCH_AND_ADD ? 8 : 3000) == 0);
    NEED(post(&b, &a, op, op == IBV_WR_ATOMIC_FETCH_AND_ADD ? 8 : 3000) == 0);
  }
  usleep(20000);
  find_rings();
  pthread_t thread;
  NEED(pthread_create(&thread, NULL, scribbler, NULL) == 0);
  int rounds = 0;
  for (double end = seconds() + time; seconds() < end; rounds++) {
    struct end *e = &ends[below(2)];
    for (int n = below(30); n > 0; n--) scribble_word(&rings[below(ring_count)]);
    for (int n = 0; n < 2; n++) {
      // A batch of requests, most of them in order.
      struct ring *r = &rings[below(ring_count)];
      if (below(3) == 0) memcpy(r->at + 384, r->good + 384, r->size - 384);
      *(volatile uint32_t *)(r->at + 128) = below(64);
      ring_doorbell(a.context->cmd_fd, ends[n].qp->handle);
    }
    usleep(below(200));
    if (below(8) == 0) {
      if (below(2)) join(&ends[0], &ends[1]);
      else aim(e->qp, ends[below(2)].qp->qp_num, below(4) ? 5 : any() & 0xffffff, below(4) ? 9 : any() & 0xffffff);
    }
  }
  stop = 1;
  pthread_join(thread, NULL);
  printf("%d rounds\n", rounds);
}

static void *toggler(void *unused) {
  (void)unused;
  for (uint32_t n = 0; !stop; n++)
    for (int i = 0; i < ring_count; i++) *(volatile uint32_t *)(rings[i].at + 128) = n % 2 ? 0xffffffff : 0;
  return NULL;
}

// A queue pair in error whose long queues are full again at once, whatever the device flushes; and all its doorbells.
static void flushes(double time) {
  struct end e = make_end(open_context(), 4096, IBV_QPT_RC);
  pthread_t thread;
  struct ibv_qp_init_attr init = {.send_cq = e.cq, .recv_cq = e.cq, .qp_type = IBV_QPT_RC, .cap = {.max_send_wr = 1 << 15, .max_recv_wr = 1 << 15, .max_send_sge = 1, .max_recv_sge = 1}};
  NEED(e.qp = ibv_create_qp(e.pd, &init));
  struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};
  NEED(ibv_modify_qp(e.qp, &attr, IBV_QP_STATE) == 0);
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  while (ring_count < 2 && fgets(line, sizeof line, maps)) {
    unsigned long from, to;
    if (!strstr(line, "memfd:uverbs") || sscanf(line, "%lx-%lx", &from, &to) != 2 || to - from < MEGA) continue;
    rings[ring_count++] = (struct ring){.at = (uint8_t *)from, .size = to - from};
  }
  fclose(maps);
  NEED(ring_count > 0 && pthread_create(&thread, NULL, toggler, NULL) == 0);
  uint32_t records[1024][8];
  for (int i = 0; i < 1024; i++) memcpy(records[i], (uint32_t[]){28, 8 | 1 << 16, 0, 0, e.qp->handle, 0, 0, 128}, 32);
  double slowest = 0, sum = 0;
  int calls = 0;
  for (double end = seconds() + time; seconds() < end; usleep(1000), calls++) {
    NEED(write(e.context->cmd_fd, records, sizeof records) == sizeof records);
    double before = seconds();
    struct attr none;
    NEED(call(e.context->cmd_fd, 0x0fff, 1, &none, 0) == EPROTONOSUPPORT);
    double took = seconds() - before;
    sum += took;
    if (took > slowest) slowest = took;
  }
  stop = 1;
  pthread_join(thread, NULL);
  printf("%d rings, %d calls took %.4f s, up to %.3f s\n", ring_count, calls, sum / calls, slowest);
}

// ---- The doorbell log

static void *log_writer(void *arg) {
  int fd = *(int *)arg;
  while (!stop) {
    uint32_t garbage[64];
    for (int i = 0; i < 64; i++) garbage[i] = below(3) ? below(64) : any();
    if (write(fd, garbage, 4 * below(65)) < 0) usleep(10);
    if (below(30) == 0) usleep(100);
  }
  return NULL;
}

static void doorbell_log(double time) {
  struct end a = make_end(open_context(), 8192, IBV_QPT_RC), b = make_end(a.context, 8192, IBV_QPT_RC);
  NEED(join(&a, &b) == 0);
  int fd = a.context->cmd_fd;
  NEED(ftruncate(fd, 0) < 0 && ftruncate(fd, 4096) < 0);
  NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0);
  size_t size = 2 * MEGA;
  uint8_t *log = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  NEED(log != MAP_FAILED);
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) NEED(pthread_create(&threads[i], NULL, log_writer, &fd) == 0);
  static const off_t places[] = {0, 32, 4096, 256 * 1024 - 16, 256 * 1024, MEGA, 1ll << 46, (1ll << 46) - 4096, (1ll << 52) - 4096, INT64_MAX - 8, INT64_MAX};
  int rounds = 0;
  for (double end = seconds() + time; seconds() < end; rounds++) {
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = any();
    off_t place = places[below(11)] + (below(2) ? 0 : below(8192));
    switch (below(9)) {
    case 0: lseek(fd, place, SEEK_SET); break;
    case 1: if (pwrite(fd, bytes, below(300), place < 0 ? 0 : place) < 0) usleep(1); break;
    case 2: if (ftruncate(fd, below(2) ? (1ll << 53) + below(4096) : below(1 << 20)) < 0) usleep(1); break;
    case 3: fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, below(MEGA), 1 + below(MEGA)); break;
    case 4: fallocate(fd, 0, below(MEGA), 1 + below(8192)); break;
    case 5: memcpy(log + below(size - 300), bytes, sizeof bytes); break;
    case 6: ((volatile uint32_t *)log)[below(size / 4)] = below(2) ? 28 : below(64); break;
    case 7: memset(log + 4096 * below(size / 4096), 0, 4096); break;
    case 8: for (int n = 0; n < 50; n++) ring_doorbell(fd, below(12));
    }
    if (below(50) == 0) usleep(1000);
  }
  stop = 1;
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  // What takes most work: as many doorbells as there can be, of a queue pair with nothing to do.
  uint32_t record[8] = {28, 8 | 1 << 16, 0, 0, a.qp->handle, 0, 0, 128};
  for (size_t at = 0; at + 32 <= size; at += 32) memcpy(log + at, record, 32);
  usleep(20000);
  // It ends with half a record, which nobody will ever write the rest of.
  memset(log, 0, size);
  for (size_t at = 0; at + 32 <= size; at += 32) ((uint32_t *)(log + at))[1] = 8;
  usleep(100000);
  printf("%d rounds\n", rounds);
}

// ---- Memory that goes away

static void unmap_in_transfer(int count) {
  struct ibv_context *context = open_context();
  static const enum ibv_wr_opcode ops[] = {IBV_WR_SEND, IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ};
  int seen[32] = {0};
  for (int i = 0; i < count; i++) {
    struct end a = make_end(context, 4 * MEGA, IBV_QPT_RC), b = make_end(context, 4 * MEGA, IBV_QPT_RC);
    NEED(join(&a, &b) == 0);
    enum ibv_wr_opcode op = ops[i % 3];
    struct end *loser = (i / 3) % 2 ? &a : &b;
    NEED(take(&b, 4 * MEGA) == 0 && post(&a, &b, op, 4 * MEGA) == 0);
    usleep(below(1500));
    switch (below(3)) {
    case 0: NEED(munmap(loser->memory + MEGA, 3 * MEGA) == 0); break;
    case 1: NEED(mprotect(loser->memory + MEGA, MEGA, PROT_NONE) == 0); break;
    case 2: NEED(munmap(loser->memory, 4 * MEGA) == 0);
    }
    int status = wait_status(a.cq, 20);
    NEED(status >= 0 && status < 32);
    seen[status]++;
    // The queue pairs can be used again, with memory that is there.
    struct end c = make_end(context, 4096, IBV_QPT_RC), d = make_end(context, 4096, IBV_QPT_RC);
    NEED(join(&c, &d) == 0 && post(&c, &d, IBV_WR_RDMA_WRITE, 4096) == 0);
    NEED(wait_status(c.cq, 20) == IBV_WC_SUCCESS);
  }
  for (int i = 0; i < 32; i++)
    if (seen[i]) printf("%s %d, ", ibv_wc_status_str(i), seen[i]);
  printf("\n");
}

// ---- Processes

static pid_t transfer_for_ever(void) {
  pid_t child = fork();
  if (child != 0) return child;
  struct end a = make_end(open_context(), 4 * MEGA, IBV_QPT_RC), b = make_end(a.context, 4 * MEGA, IBV_QPT_RC);
  NEED(join(&a, &b) == 0);
  for (;;) {
    for (int i = 0; i < 8; i++) {
      post(&a, &b, i % 2 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, 2 * MEGA);
      post(&b, &a, i % 2 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, 2 * MEGA);
    }
    struct ibv_wc wc[8];
    while (ibv_poll_cq(a.cq, 8, wc) > 0 || ibv_poll_cq(b.cq, 8, wc) > 0) {}
  }
}

static void killed(int count) {
  for (int i = 0; i < count; i++) {
    pid_t child = transfer_for_ever();
    usleep(60000 + below(60000));
    kill(child, SIGKILL);
    NEED(waitpid(child, NULL, 0) == child);
  }
}

// The device stays with a child when who opened it is gone; the memory that was registered does not.
static void parent_dies(void) {
  int done[2];
  NEED(pipe(done) == 0);
  if (fork() == 0) {
    struct end a = make_end(open_context(), MEGA, IBV_QPT_RC), b = make_end(a.context, MEGA, IBV_QPT_RC);
    NEED(join(&a, &b) == 0);
    // Nor does a fork in mid-transfer harm.
    for (int i = 0; i < 20; i++) NEED(post(&a, &b, IBV_WR_RDMA_WRITE, MEGA) == 0);
    if (fork() != 0) _exit(0);
    usleep(50000);
    join(&a, &b);
    NEED(ibv_alloc_pd(a.context) != NULL);
    struct end c = make_end(a.context, 4096, IBV_QPT_RC), d = make_end(a.context, 4096, IBV_QPT_RC);
    NEED(join(&c, &d) == 0 && post(&c, &d, IBV_WR_RDMA_WRITE, 4096) == 0);
    int status = wait_status(c.cq, 5);
    NEED(join(&c, &d) == 0);
    // The parent's memory is gone.
    c.mr = a.mr, c.memory = a.memory;
    NEED(post(&c, &d, IBV_WR_RDMA_WRITE, 4096) == 0);
    int gone = wait_status(c.cq, 5);
    char answer = status == IBV_WC_SUCCESS && gone > 0;
    if (write(done[1], &answer, 1) != 1) _exit(1);
    _exit(0);
  }
  char answer = 0;
  close(done[1]);
  NEED(read(done[0], &answer, 1) == 1 && answer == 1);
}

static void *dup_racer(void *arg) {
  int fd = *(int *)arg;
  struct header h = {.length = sizeof h, .object = 0x0fff, .method = 1, .driver = 14};
  while (!stop) {
    int copy;
    switch (below(6)) {
    case 0: copy = dup(fd); break;
    case 1: copy = fcntl(fd, F_DUPFD_CLOEXEC, 500 + below(500)); break;
    case 2: copy = dup2(fd, 100 + below(40)); break;
    case 3: copy = open(NODE, O_RDWR | O_CLOEXEC); break;
    case 4: copy = open("/proc/self/fd/0", O_RDONLY); break;
    default: copy = 100 + below(40);
    }
    ioctl(copy, VERBS_IOCTL, &h);
    ring_doorbell(copy, below(8));
    close(below(2) ? copy : 100 + (int)below(40));
  }
  return NULL;
}

static void dups(double time) {
  struct ibv_context *context = open_context();
  int fd = context->cmd_fd;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) NEED(pthread_create(&threads[i], NULL, dup_racer, &fd) == 0);
  usleep(time * 1e6);
  stop = 1;
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  NEED(ibv_alloc_pd(context) != NULL);
  // Closed while others are in calls with it.
  stop = 0;
  for (int i = 0; i < 4; i++) NEED(pthread_create(&threads[i], NULL, dup_racer, &fd) == 0);
  usleep(time * 3e5);
  close(fd);
  usleep(time * 3e5);
  stop = 1;
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

// An executed program has the descriptor, and other memory than was registered.
static void executes(void) {
  struct end a = make_end(open_context(), MEGA, IBV_QPT_RC), b = make_end(a.context, MEGA, IBV_QPT_RC);
  NEED(join(&a, &b) == 0);
  NEED(fcntl(a.context->cmd_fd, F_SETFD, 0) == 0);
  for (int i = 0; i < 40; i++) NEED(post(&a, &b, IBV_WR_RDMA_WRITE, MEGA) == 0);
  char fd[16];
  snprintf(fd, sizeof fd, "%d", a.context->cmd_fd);
  execl("/proc/self/exe", "hostile", "executed", fd, NULL);
  NEED(0);
}

static void executed(int fd) {
  struct attr attrs[1];
  NEED(call(fd, 0x0fff, 1, attrs, 0) == EPROTONOSUPPORT);
  for (int handle = 0; handle < 20; handle++) ring_doorbell(fd, handle);
  // Its own, anew, beside it.
  struct end a = make_end(open_context(), 4096, IBV_QPT_RC), b = make_end(a.context, 4096, IBV_QPT_RC);
  NEED(join(&a, &b) == 0 && post(&a, &b, IBV_WR_RDMA_WRITE, 4096) == 0);
  NEED(wait_status(a.cq, 10) == IBV_WC_SUCCESS);
}

// ---- Very many objects

static void objects(int most) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  struct ibv_context *context = open_context();
  struct end e = make_end(context, 4096, IBV_QPT_RC);
  union ibv_gid gid;
  NEED(ibv_query_gid(context, 1, 0, &gid) == 0);
  struct ibv_ah_attr ah = {.is_global = 1, .port_num = 1, .grh = {.dgid = gid}};
  struct ibv_qp_init_attr init = {.send_cq = e.cq, .recv_cq = e.cq, .qp_type = IBV_QPT_RC, .cap = {.max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1}};
  struct ibv_srq_init_attr srq = {.attr = {.max_wr = 1, .max_sge = 1}};
  int counts[8] = {0}, errors[8] = {0};
  for (int kind = 0; kind < 8; kind++)
    for (int i = 0; i < most; i++) {
      void *made = NULL;
      switch (kind) {
      case 0: made = ibv_alloc_pd(context); break;
      case 1: made = ibv_reg_mr(e.pd, e.memory, 4096, IBV_ACCESS_LOCAL_WRITE); break;
      case 2: made = ibv_alloc_mw(e.pd, IBV_MW_TYPE_1); break;
      case 3: made = ibv_create_ah(e.pd, &ah); break;
      case 4: made = ibv_create_comp_channel(context); break;
      case 5: made = ibv_create_cq(context, 1, NULL, NULL, 0); break;
      case 6: made = ibv_create_srq(e.pd, &srq); break;
      case 7: made = ibv_create_qp(e.pd, &init);
      }
      if (made == NULL) {
        errors[kind] = errno;
        break;
      }
      counts[kind]++;
    }
  static const char *names[] = {"pd", "mr", "mw", "ah", "channel", "cq", "srq", "qp"};
  for (int kind = 0; kind < 8; kind++) {
    printf("%s %d%s%s ", names[kind], counts[kind], errors[kind] ? " " : "", errors[kind] ? strerrorname_np(errors[kind]) : "");
    NEED(counts[kind] == most || kind == 4);
  }
  NEED(counts[4] == most || errors[4] == ENOMEM);
  // Sizes beyond all bounds.
  init.cap = (struct ibv_qp_cap){.max_send_wr = 1 << 20, .max_recv_wr = 1 << 20, .max_send_sge = 32, .max_recv_sge = 32, .max_inline_data = 512};
  int huge = 0;
  while (huge < 50 && ibv_create_qp(e.pd, &init)) huge++;
  init.cap = (struct ibv_qp_cap){.max_send_wr = ~0u, .max_recv_wr = ~0u, .max_send_sge = ~0u, .max_recv_sge = ~0u, .max_inline_data = ~0u};
  NEED(ibv_create_qp(e.pd, &init) == NULL);
  NEED(ibv_create_cq(context, 0x7fffffff, NULL, NULL, 0) == NULL);
  printf("huge %d\n", huge);
  // While it has all that.
  sleep(1);
}

// ---- Event files

static void *pipe_writer(void *arg) {
  char path[64], bytes[4096] = {0};
  snprintf(path, sizeof path, "/proc/self/fd/%d", *(int *)arg);
  int fd = open(path, O_WRONLY | O_NONBLOCK);
  while (!stop && fd >= 0)
    if (write(fd, bytes, 1 + below(sizeof bytes)) < 0) usleep(1);
  return NULL;
}

static void channels(void) {
  struct ibv_context *context = open_context();
  struct end a = make_end(context, 8192, IBV_QPT_RC);
  for (int i = 0; i < 200; i++) {
    struct ibv_comp_channel *channel = ibv_create_comp_channel(context);
    NEED(channel);
    struct ibv_cq *cq = ibv_create_cq(context, 64, NULL, channel, 0);
    NEED(cq && ibv_req_notify_cq(cq, 0) == 0);
    struct ibv_qp_init_attr init = {.send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC, .cap = {.max_send_wr = 8, .max_recv_wr = 8, .max_send_sge = 1, .max_recv_sge = 1}, .sq_sig_all = 1};
    struct end b = a;
    NEED(b.qp = ibv_create_qp(a.pd, &init));
    b.cq = cq;
    // The reader is gone before, while or after there is an event.
    if (i % 3 == 0) close(channel->fd);
    NEED(join(&a, &b) == 0 && post(&b, &a, IBV_WR_RDMA_WRITE, 8) == 0);
    if (i % 3 == 1) close(channel->fd);
    NEED(wait_status(cq, 10) == IBV_WC_SUCCESS);
    if (i % 2) NEED(ibv_destroy_qp(b.qp) == 0);
  }
  // One that is never read, and one that its program writes to as well.
  struct ibv_comp_channel *channel = ibv_create_comp_channel(context);
  struct ibv_cq *cq = ibv_create_cq(context, 64, NULL, channel, 0);
  NEED(channel && cq);
  struct ibv_qp_init_attr init = {.send_cq = cq, .recv_cq = cq, .qp_type = IBV_QPT_RC, .cap = {.max_send_wr = 8, .max_recv_wr = 8, .max_send_sge = 1, .max_recv_sge = 1}, .sq_sig_all = 1};
  struct end b = a;
  NEED(b.qp = ibv_create_qp(a.pd, &init));
  b.cq = cq;
  NEED(join(&a, &b) == 0);
  for (int i = 0; i < 2000; i++) {
    NEED(ibv_req_notify_cq(cq, 0) == 0 && post(&b, &a, IBV_WR_RDMA_WRITE, 8) == 0);
    struct ibv_wc wc;
    for (double end = seconds() + 10; ibv_poll_cq(cq, 1, &wc) == 0;) NEED(seconds() < end);
  }
  pthread_t threads[2];
  fcntl(channel->fd, F_SETPIPE_SZ, MEGA);
  for (int i = 0; i < 2; i++) NEED(pthread_create(&threads[i], NULL, pipe_writer, &channel->fd) == 0);
  usleep(20000);
  // libibverbs would wait for its acknowledgements: the command itself, DESTROY of a CQ.
  uint8_t answer[8];
  struct attr attrs[] = {{.id = 0, .flags = 1, .data = b.qp->handle}, {.id = 1, .length = 4, .data = (uintptr_t)answer}};
  NEED(call(context->cmd_fd, 4, 1, attrs, 2) == 0);
  attrs[0].data = cq->handle;
  attrs[1].length = 8;
  double before = seconds();
  NEED(call(context->cmd_fd, 3, 1, attrs, 2) == 0);
  printf("the CQ was gone in %.3f s\n", seconds() - before);
  NEED(seconds() - before < 1);
  stop = 1;
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  close(context->async_fd);
  struct ibv_qp_attr attr = {.qp_state = IBV_QPS_ERR};
  ibv_modify_qp(a.qp, &attr, IBV_QP_STATE);
}

// ---- Packets to queue pairs of others

static void strangers(int count) {
  struct end a = make_end(open_context(), 8192, IBV_QPT_RC), u = make_end(a.context, 8192, IBV_QPT_UC);
  for (int i = 0; i < count; i++) {
    struct end *e = i % 4 ? &a : &u, target = *e;
    struct ibv_mr mr = *a.mr;
    mr.rkey = below(2) ? any() : below(4096) << 8;
    target.mr = &mr;
    NEED(aim(e->qp, below(8) ? 1 + below(200) : any() & 0xffffff, any() & 0xffffff, any() & 0xffffff) == 0);
    for (int n = 0; n < 4; n++) post(e, &target, n % 2 ? IBV_WR_SEND : e == &a && below(2) ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, 1 + below(4000));
    usleep(1000);
    struct ibv_wc wc;
    while (ibv_poll_cq(e->cq, 1, &wc) > 0) {}
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char *what = argc > 1 ? argv[1] : "";
  long amount = argc > 2 ? atol(argv[2]) : 0;
  if (argc > 3) state ^= strtoul(argv[3], NULL, 0) * 0x9e3779b97f4a7c15u;
  for (int i = 0; i < 20; i++) any();
  if (!strcmp(what, "ioctls")) random_ioctls(amount);
  else if (!strcmp(what, "foreign")) foreign_handles();
  else if (!strcmp(what, "rings")) scribble_rings(amount / 1e3, IBV_QPT_RC);
  else if (!strcmp(what, "rings-uc")) scribble_rings(amount / 1e3, IBV_QPT_UC);
  else if (!strcmp(what, "flushes")) flushes(amount / 1e3);
  else if (!strcmp(what, "log")) doorbell_log(amount / 1e3);
  else if (!strcmp(what, "unmap")) unmap_in_transfer(amount);
  else if (!strcmp(what, "killed")) killed(amount);
  else if (!strcmp(what, "orphan")) parent_dies();
  else if (!strcmp(what, "dups")) dups(amount / 1e3);
  else if (!strcmp(what, "exec")) executes();
  else if (!strcmp(what, "executed")) executed(amount);
  else if (!strcmp(what, "objects")) objects(amount);
  else if (!strcmp(what, "channels")) channels();
  else if (!strcmp(what, "strangers")) strangers(amount);
  else return 2;
  return 0;
}
