// A verbs program that does what it is told: one command a line on standard input, one answer in JSON a line on standard
// output. interop/peer/commands.md lists the commands; interop/peer/session.ts is its sister for the TypeScript API.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEPTH 256
#define SGES 2
#define INLINE 128
#define NAMES 64

// ---- Objects by name -------------------------------------------------------------------------------------------------

struct named {
  char name[16];
  void *object;
};
static struct named mrs[NAMES], qps[NAMES], srqs[NAMES], mws[NAMES], ahs[NAMES];

static struct ibv_context *context;
static struct ibv_pd *pd;
static struct ibv_cq *cq;

// ---- Answers ---------------------------------------------------------------------------------------------------------

static void fail(const char *what, int error) {
  printf("{\"error\":\"%s\",\"errno\":%d,\"text\":\"%s\"}\n", what, error, strerror(error));
}

__attribute__((format(printf, 1, 2))) static void ok(const char *format, ...) {
  va_list arguments;
  printf("{");
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("}\n");
}

static bool keep(struct named *table, const char *name, void *object, const char *verb) {
  if (object == NULL) {
    fail(verb, errno);
    return false;
  }
  for (int i = 0; i < NAMES; i++) {
    if (table[i].object != NULL) continue;
    snprintf(table[i].name, sizeof table[i].name, "%s", name);
    table[i].object = object;
    return true;
  }
  fail("too many objects", ENOSPC);
  return false;
}

static struct named *entry(struct named *table, const char *name) {
  for (int i = 0; i < NAMES; i++)
    if (table[i].object != NULL && strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

// ---- Arguments: key=value --------------------------------------------------------------------------------------------

#define WORDS 48
static char *words[WORDS];
static int count;

static const char *text(const char *key, const char *otherwise) {
  size_t length = strlen(key);
  for (int i = 1; i < count; i++)
    if (strncmp(words[i], key, length) == 0 && words[i][length] == '=') return words[i] + length + 1;
  return otherwise;
}

static uint64_t number(const char *key, uint64_t otherwise) {
  const char *value = text(key, NULL);
  return value == NULL ? otherwise : strtoull(value, NULL, 0);
}

/** The object that `key` names; NULL, and an answer given, when there is none. */
static void *object(struct named *table, const char *key) {
  struct named *found = entry(table, text(key, ""));
  if (found == NULL) {
    fail(key, ENOENT);
    return NULL;
  }
  return found->object;
}

static int choice(const char *key, const char *const *names, int otherwise) {
  const char *value = text(key, NULL);
  if (value == NULL) return otherwise;
  for (int i = 0; names[i] != NULL; i++)
    if (strcmp(names[i], value) == 0) return i;
  return -1;
}

// ---- Commands --------------------------------------------------------------------------------------------------------

static void do_gids(void) {
  printf("{\"gids\":[");
  for (int i = 0;; i++) {
    union ibv_gid gid;
    char name[INET6_ADDRSTRLEN];
    static const union ibv_gid none;
    if (ibv_query_gid(context, 1, i, &gid) != 0 || memcmp(&gid, &none, sizeof gid) == 0) break;
    printf("%s\"%s\"", i == 0 ? "" : ",", inet_ntop(AF_INET6, gid.raw, name, sizeof name));
  }
  printf("]}\n");
}

static void do_mr(void) {
  size_t length = number("len", 4096);
  // Pages of its own, and room so that a region of 0 bytes has an address.
  void *memory = aligned_alloc(4096, (length + 8192) & ~4095ul);
  if (memory == NULL) return fail("malloc", ENOMEM);
  memset(memory, 0, length);
  struct ibv_mr *mr = ibv_reg_mr(pd, memory, length, number("access", IBV_ACCESS_LOCAL_WRITE));
  if (!keep(mrs, text("name", ""), mr, "ibv_reg_mr")) return;
  ok("\"addr\":%" PRIuPTR ",\"rkey\":%u", (uintptr_t)memory, mr->rkey);
}

static void do_srq(void) {
  struct ibv_srq_init_attr attr = {.attr = {.max_wr = DEPTH, .max_sge = SGES}};
  struct ibv_srq *srq = ibv_create_srq(pd, &attr);
  if (keep(srqs, text("name", ""), srq, "ibv_create_srq")) ok("\"done\":true");
}

static void do_arm(void) {
  struct ibv_srq *srq = object(srqs, "srq");
  if (srq == NULL) return;
  struct ibv_srq_attr attr = {.srq_limit = number("limit", 1)};
  int error = ibv_modify_srq(srq, &attr, IBV_SRQ_LIMIT);
  if (error != 0) return fail("ibv_modify_srq", error);
  ok("\"done\":true");
}

static void do_qp(void) {
  static const char *const types[] = {"", "", "RC", "UC", "UD", NULL};
  // So that sequence numbers wrap soon; two QPs after one another do not begin with the same.
  static uint32_t psn = 0xffffef;
  psn = psn == 0xffffff ? 0xfffff0 : psn + 1;
  struct ibv_qp_init_attr attr = {
      .qp_context = (void *)(uintptr_t)psn,
      .send_cq = cq,
      .recv_cq = cq,
      .qp_type = choice("type", types, IBV_QPT_RC),
      .sq_sig_all = 0,
      .cap = {.max_send_wr = DEPTH, .max_recv_wr = DEPTH, .max_send_sge = SGES, .max_recv_sge = SGES, .max_inline_data = INLINE},
  };
  if (text("srq", NULL) != NULL && (attr.srq = object(srqs, "srq")) == NULL) return;
  struct ibv_qp *qp = ibv_create_qp(pd, &attr);
  if (keep(qps, text("name", ""), qp, "ibv_create_qp")) ok("\"qpn\":%u,\"psn\":%u", qp->qp_num, psn);
}

static void do_init(void) {
  struct ibv_qp *qp = object(qps, "qp");
  if (qp == NULL) return;
  struct ibv_qp_attr attr = {
      .qp_state = IBV_QPS_INIT,
      .port_num = 1,
      .qp_access_flags = number("access", IBV_ACCESS_REMOTE_WRITE),
      .qkey = number("qkey", 0x11111111),
  };
  int last = qp->qp_type == IBV_QPT_UD ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS;
  int error = ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | last);
  if (error != 0) return fail("ibv_modify_qp INIT", error);
  ok("\"done\":true");
}

static struct ibv_ah_attr path(void) {
  struct ibv_ah_attr attr = {.is_global = 1, .port_num = 1};
  inet_pton(AF_INET6, text("gid", "::"), &attr.grh.dgid);
  attr.grh.sgid_index = number("sgid", 0);
  attr.grh.hop_limit = 64;
  return attr;
}

static void do_connect(void) {
  struct ibv_qp *qp = object(qps, "qp");
  if (qp == NULL) return;
  bool rc = qp->qp_type == IBV_QPT_RC, ud = qp->qp_type == IBV_QPT_UD;
  int mtu = IBV_MTU_256;
  while (mtu < IBV_MTU_4096 && 128u << mtu < number("mtu", 1024)) mtu++;
  struct ibv_qp_attr attr = {
      .qp_state = IBV_QPS_RTR,
      .ah_attr = path(),
      .path_mtu = mtu,
      .dest_qp_num = number("qpn", 0),
      .rq_psn = number("rqpsn", 0),
      .max_dest_rd_atomic = number("dest_rd", 16),
      .min_rnr_timer = number("min_rnr", 12),
      .sq_psn = (uintptr_t)qp->qp_context,
      .timeout = number("timeout", 14),
      .retry_cnt = number("retry", 7),
      .rnr_retry = number("rnr", 7),
      .max_rd_atomic = number("rd", 16),
  };
  int rtr = ud ? IBV_QP_STATE : IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN;
  if (rc) rtr |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
  int error = ibv_modify_qp(qp, &attr, rtr);
  if (error != 0) return fail("ibv_modify_qp RTR", error);
  attr.qp_state = IBV_QPS_RTS;
  int rts = IBV_QP_STATE | IBV_QP_SQ_PSN;
  if (rc) rts |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_MAX_QP_RD_ATOMIC;
  error = ibv_modify_qp(qp, &attr, rts);
  if (error != 0) return fail("ibv_modify_qp RTS", error);
  ok("\"done\":true");
}

static void do_state(void) {
  static const char *const states[] = {"RESET", "INIT", "RTR", "RTS", "SQD", "SQE", "ERR", NULL};
  struct ibv_qp *qp = object(qps, "qp");
  if (qp == NULL) return;
  if (text("to", NULL) != NULL) {
    struct ibv_qp_attr attr = {.qp_state = choice("to", states, IBV_QPS_ERR)};
    int error = ibv_modify_qp(qp, &attr, IBV_QP_STATE);
    if (error != 0) return fail("ibv_modify_qp", error);
  }
  struct ibv_qp_attr attr;
  struct ibv_qp_init_attr init;
  int error = ibv_query_qp(qp, &attr, IBV_QP_STATE, &init);
  if (error != 0) return fail("ibv_query_qp", error);
  ok("\"state\":\"%s\"", states[attr.qp_state]);
}

static void do_destroy(void) {
  struct named *found;
  int error = ENOENT;
  if ((found = entry(qps, text("qp", ""))) != NULL) error = ibv_destroy_qp(found->object);
  else if ((found = entry(mws, text("mw", ""))) != NULL) error = ibv_dealloc_mw(found->object);
  else if ((found = entry(mrs, text("mr", ""))) != NULL) error = ibv_dereg_mr(found->object);
  if (error != 0) return fail("destroy", error);
  found->object = NULL;
  ok("\"done\":true");
}

/** The scatter/gather list that mr, off, len and mr2, off2, len2 make; its length, or -1 with the answer given. */
static int gather(struct ibv_sge *sge) {
  int n = 0;
  static const char *const keys[][3] = {{"mr", "off", "len"}, {"mr2", "off2", "len2"}};
  for (int i = 0; i < SGES; i++) {
    if (text(keys[i][0], NULL) == NULL) continue;
    struct ibv_mr *mr = object(mrs, keys[i][0]);
    if (mr == NULL) return -1;
    sge[n].addr = (uintptr_t)mr->addr + number(keys[i][1], 0);
    sge[n].length = number(keys[i][2], mr->length - number(keys[i][1], 0));
    sge[n++].lkey = number("lkey", mr->lkey);
  }
  return n;
}

static void do_recv(void) {
  struct ibv_sge sge[SGES];
  struct ibv_recv_wr wr = {.wr_id = number("wr", 0), .sg_list = sge}, *bad;
  if ((wr.num_sge = gather(sge)) < 0) return;
  int error = 0;
  for (uint64_t n = number("count", 1); n > 0 && error == 0; n--, wr.wr_id++) {
    if (text("srq", NULL) != NULL) {
      struct ibv_srq *srq = object(srqs, "srq");
      if (srq == NULL) return;
      error = ibv_post_srq_recv(srq, &wr, &bad);
    } else {
      struct ibv_qp *qp = object(qps, "qp");
      if (qp == NULL) return;
      error = ibv_post_recv(qp, &wr, &bad);
    }
  }
  if (error != 0) return fail("ibv_post_recv", error);
  ok("\"done\":true");
}

static void do_send(void) {
  static const char *const opcodes[] = {"RDMA_WRITE", "RDMA_WRITE_WITH_IMM", "SEND", "SEND_WITH_IMM", "RDMA_READ",
                                        "ATOMIC_CMP_AND_SWP", "ATOMIC_FETCH_AND_ADD", "LOCAL_INV", "BIND_MW",
                                        "SEND_WITH_INV", NULL};
  struct ibv_qp *qp = object(qps, "qp");
  if (qp == NULL) return;
  struct ibv_sge sge[SGES];
  struct ibv_send_wr wr = {
      .wr_id = number("wr", 0),
      .sg_list = sge,
      .opcode = choice("op", opcodes, IBV_WR_SEND),
      .send_flags = (number("signaled", 1) ? IBV_SEND_SIGNALED : 0) | (number("inline", 0) ? IBV_SEND_INLINE : 0) |
                    (number("fence", 0) ? IBV_SEND_FENCE : 0) | (number("solicited", 0) ? IBV_SEND_SOLICITED : 0),
  };
  struct ibv_send_wr *bad;
  if ((wr.num_sge = gather(sge)) < 0) return;
  if (wr.opcode == IBV_WR_SEND_WITH_INV || wr.opcode == IBV_WR_LOCAL_INV) wr.invalidate_rkey = number("inv", 0);
  else wr.imm_data = htonl(number("imm", 0));
  if (qp->qp_type == IBV_QPT_UD) {
    if ((wr.wr.ud.ah = object(ahs, "ah")) == NULL) return;
    wr.wr.ud.remote_qpn = number("rqpn", 0);
    wr.wr.ud.remote_qkey = number("rqkey", 0x11111111);
  } else if (wr.opcode == IBV_WR_ATOMIC_CMP_AND_SWP || wr.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
    wr.wr.atomic.remote_addr = number("raddr", 0);
    wr.wr.atomic.rkey = number("rkey", 0);
    wr.wr.atomic.compare_add = number("compare", 0);
    wr.wr.atomic.swap = number("swap", 0);
  } else {
    wr.wr.rdma.remote_addr = number("raddr", 0);
    wr.wr.rdma.rkey = number("rkey", 0);
  }
  // One call for all: `count` requests with successive wr_ids, and buffers `step` bytes apart.
  int error = 0;
  uint64_t step = number("step", 0);
  for (uint64_t n = number("count", 1); n > 0 && error == 0; n--, wr.wr_id++) {
    error = ibv_post_send(qp, &wr, &bad);
    sge[0].addr += step;
    if (step != 0 && qp->qp_type != IBV_QPT_UD) wr.wr.rdma.remote_addr += step;
  }
  if (error != 0) return fail("ibv_post_send", error);
  ok("\"done\":true");
}

static void do_mw(void) {
  struct ibv_mw *mw = ibv_alloc_mw(pd, number("type", 2) == 1 ? IBV_MW_TYPE_1 : IBV_MW_TYPE_2);
  if (keep(mws, text("name", ""), mw, "ibv_alloc_mw")) ok("\"rkey\":%u", mw->rkey);
}

static void do_bind(void) {
  struct ibv_qp *qp = object(qps, "qp");
  struct ibv_mw *mw = qp == NULL ? NULL : object(mws, "mw");
  struct ibv_mr *mr = mw == NULL ? NULL : object(mrs, "mr");
  if (mr == NULL) return;
  struct ibv_mw_bind_info info = {
      .mr = mr,
      .addr = (uintptr_t)mr->addr + number("off", 0),
      .length = number("len", mr->length),
      .mw_access_flags = number("access", IBV_ACCESS_REMOTE_WRITE),
  };
  int error;
  uint32_t rkey;
  if (mw->type == IBV_MW_TYPE_1) {
    struct ibv_mw_bind bind = {.wr_id = number("wr", 0), .send_flags = IBV_SEND_SIGNALED, .bind_info = info};
    error = ibv_bind_mw(qp, mw, &bind);
    rkey = mw->rkey;
  } else {
    rkey = ibv_inc_rkey(mw->rkey);
    struct ibv_send_wr wr = {.wr_id = number("wr", 0), .opcode = IBV_WR_BIND_MW, .send_flags = IBV_SEND_SIGNALED}, *bad;
    wr.bind_mw.mw = mw;
    wr.bind_mw.rkey = rkey;
    wr.bind_mw.bind_info = info;
    error = ibv_post_send(qp, &wr, &bad);
    // The next bind must have another key.
    if (error == 0) mw->rkey = rkey;
  }
  if (error != 0) return fail("bind", error);
  ok("\"rkey\":%u", rkey);
}

static void do_ah(void) {
  struct ibv_ah_attr attr = path();
  struct ibv_ah *ah = ibv_create_ah(pd, &attr);
  if (keep(ahs, text("name", ""), ah, "ibv_create_ah")) ok("\"done\":true");
}

/** The host's own membership: rxe asks for none, and what is sent to a group the host is not in goes no further than IP. */
static int join(const union ibv_gid *gid) {
  static int sockets[2] = {-1, -1};
  bool v4 = IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)gid->raw);
  int *fd = &sockets[v4];
  unsigned interface = if_nametoindex("eth0");
  // Not in the guest, but under `infinitive run`: its device sees to that itself.
  if (interface == 0) return 0;
  if (*fd < 0 && (*fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0) return errno;
  if (v4) {
    struct ip_mreqn request = {.imr_ifindex = interface};
    memcpy(&request.imr_multiaddr, gid->raw + 12, 4);
    return setsockopt(*fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == 0 ? 0 : errno;
  }
  struct ipv6_mreq request = {.ipv6mr_interface = interface};
  memcpy(&request.ipv6mr_multiaddr, gid->raw, 16);
  return setsockopt(*fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request) == 0 ? 0 : errno;
}

static void do_mcast(void) {
  struct ibv_qp *qp = object(qps, "qp");
  union ibv_gid gid;
  if (qp == NULL) return;
  inet_pton(AF_INET6, text("gid", "::"), &gid);
  bool leave = number("leave", 0);
  int error = leave ? ibv_detach_mcast(qp, &gid, 0) : ibv_attach_mcast(qp, &gid, 0);
  if (error == 0 && !leave) error = join(&gid);
  if (error != 0) return fail("ibv_attach_mcast", error);
  ok("\"done\":true");
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static enum ibv_qp_type qp_type(uint32_t qpn) {
  for (int i = 0; i < NAMES; i++)
    if (qps[i].object != NULL && ((struct ibv_qp *)qps[i].object)->qp_num == qpn) return ((struct ibv_qp *)qps[i].object)->qp_type;
  return 0;
}

static void do_poll(void) {
  int wanted = number("n", 1), got = 0;
  double end = now() + number("ms", 5000), idle = number("idle", 0);
  printf("{\"wc\":[");
  for (;;) {
    struct ibv_wc wc;
    int n = ibv_poll_cq(cq, 1, &wc);
    if (n == 0) {
      if (got >= wanted || now() > end) break;
      // The guest has one CPU, and the kernel's work is to be done on it.
      usleep(100);
      continue;
    }
    if (n < 0) break;
    if (idle > 0) end = now() + idle;
    printf("%s{\"wr\":%" PRIu64 ",\"status\":%d,\"qpn\":%u", got++ == 0 ? "" : ",", wc.wr_id, wc.status, wc.qp_num);
    if (wc.status == IBV_WC_SUCCESS) {
      printf(",\"opcode\":%d,\"len\":%u", wc.opcode, wc.byte_len);
      if (wc.wc_flags & IBV_WC_WITH_IMM) printf(",\"imm\":%u", ntohl(wc.imm_data));
      // rxe hands the kernel's flag (1 << 2) out, which is IBV_WC_IP_CSUM_OK to a program (6.1: do_complete).
      bool inv = wc.wc_flags & IBV_WC_WITH_INV || (wc.wc_flags & IBV_WC_IP_CSUM_OK && qp_type(wc.qp_num) == IBV_QPT_RC);
      if (inv) printf(",\"inv\":%u", wc.invalidated_rkey);
      if (wc.wc_flags & IBV_WC_GRH) printf(",\"srcQp\":%u", wc.src_qp);
    }
    printf("}");
  }
  printf("]}\n");
}

static void do_events(void) {
  struct pollfd fd = {.fd = context->async_fd, .events = POLLIN};
  printf("{\"events\":[");
  for (int n = 0; poll(&fd, 1, number("ms", 0)) > 0; n++) {
    struct ibv_async_event event;
    if (ibv_get_async_event(context, &event) != 0) break;
    printf("%s%d", n == 0 ? "" : ",", event.event_type);
    ibv_ack_async_event(&event);
  }
  printf("]}\n");
}

// The test pattern: byte i of seed s. pattern.ts makes the same.
static uint8_t pattern(uint32_t seed, uint32_t i) {
  uint32_t x = (i + 1) * 2654435761u ^ seed * 2246822519u;
  x ^= x >> 15;
  x *= 2654435761u;
  return x >> 24;
}

static void do_fill(void) {
  struct ibv_mr *mr = object(mrs, "mr");
  if (mr == NULL) return;
  uint8_t *at = (uint8_t *)mr->addr + number("off", 0);
  size_t length = number("len", mr->length);
  if (text("byte", NULL) != NULL) memset(at, number("byte", 0), length);
  else
    for (size_t i = 0; i < length; i++) at[i] = pattern(number("seed", 0), i);
  ok("\"done\":true");
}

static void do_check(void) {
  struct ibv_mr *mr = object(mrs, "mr");
  if (mr == NULL) return;
  uint8_t *at = (uint8_t *)mr->addr + number("off", 0);
  size_t length = number("len", mr->length);
  bool same = text("byte", NULL) != NULL;
  uint8_t byte = number("byte", 0);
  uint32_t seed = number("seed", 0);
  long bad = -1;
  for (size_t i = 0; i < length && bad < 0; i++)
    if (at[i] != (same ? byte : pattern(seed, i))) bad = i;
  ok("\"bad\":%ld", bad);
}

static void do_word(void) {
  struct ibv_mr *mr = object(mrs, "mr");
  if (mr == NULL) return;
  uint64_t value;
  uint8_t *at = (uint8_t *)mr->addr + number("off", 0);
  if (text("set", NULL) != NULL) {
    value = number("set", 0);
    memcpy(at, &value, 8);
  }
  memcpy(&value, at, 8);
  ok("\"value\":\"%" PRIu64 "\"", value);
}

static const struct {
  const char *name;
  void (*run)(void);
} commands[] = {
    {"gids", do_gids}, {"mr", do_mr},         {"srq", do_srq},         {"arm", do_arm},     {"qp", do_qp},
    {"init", do_init}, {"connect", do_connect}, {"state", do_state},   {"destroy", do_destroy}, {"recv", do_recv},
    {"send", do_send}, {"mw", do_mw},         {"bind", do_bind},       {"ah", do_ah},       {"mcast", do_mcast},
    {"poll", do_poll}, {"events", do_events}, {"fill", do_fill},       {"check", do_check}, {"word", do_word},
};

int main(int argc, char **argv) {
  int n;
  struct ibv_device **devices = ibv_get_device_list(&n), *device = NULL;
  for (int i = 0; devices != NULL && i < n; i++)
    if (argc < 2 || strcmp(ibv_get_device_name(devices[i]), argv[1]) == 0) device = devices[i];
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  if (device == NULL || (context = ibv_open_device(device)) == NULL) fail("no device", ENODEV);
  else if ((pd = ibv_alloc_pd(context)) == NULL) fail("ibv_alloc_pd", errno);
  else if ((cq = ibv_create_cq(context, 4 * DEPTH, NULL, NULL, 0)) == NULL) fail("ibv_create_cq", errno);
  else ok("\"ready\":true");
  fflush(stdout);
  if (cq == NULL) return 1;
  char line[4096];
  while (fgets(line, sizeof line, stdin) != NULL) {
    count = 0;
    for (char *word = strtok(line, " \n"); word != NULL && count < WORDS; word = strtok(NULL, " \n")) words[count++] = word;
    if (count == 0) continue;
    size_t i = 0;
    while (i < sizeof commands / sizeof *commands && strcmp(commands[i].name, words[0]) != 0) i++;
    if (i < sizeof commands / sizeof *commands) commands[i].run();
    else fail("no such command", ENOSYS);
    fflush(stdout);
  }
  return 0;
}
