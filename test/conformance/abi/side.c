// An end of the conformance suite that is an ordinary program: what it is told in lines, it does with libibverbs.
// A line is a word and name=value pairs; the answer "ok" with such pairs, or "err" and an errno.
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum kind { NONE, PD, MR, MW, CHANNEL, CQ, QP, SRQ, AH };
static struct object { enum kind kind; void *it; char *memory; int events; } objects[4096];
static int last;
static struct ibv_context *context;
static char line[1 << 20];

static int add(enum kind kind, void *it) {
  if (it == NULL) return 0;
  if (++last == 4096) exit(3);
  objects[last] = (struct object){kind, it, NULL, 0};
  return last;
}

static const char *text(const char *name) {
  static char value[65536];
  char key[40];
  snprintf(key, sizeof key, " %s=", name);
  const char *at = strstr(line, key);
  if (at == NULL) return NULL;
  sscanf(at + strlen(key), "%65535s", value);
  return value;
}
static uint64_t num(const char *name, uint64_t otherwise) {
  const char *value = text(name);
  return value ? strtoull(value, NULL, 0) : otherwise;
}
static struct object *obj(const char *name, enum kind kind) {
  uint64_t handle = num(name, 0);
  if (handle == 0 || handle > (uint64_t)last || objects[handle].kind != kind) return NULL;
  return &objects[handle];
}
static void *ptr(const char *name, enum kind kind) {
  struct object *o = obj(name, kind);
  return o ? o->it : NULL;
}
static void unhex(const char *name, uint8_t *out, size_t most) {
  const char *value = text(name);
  for (size_t i = 0; value && i < most && sscanf(value + 2 * i, "%2hhx", out + i) == 1; i++)
    if (value[2 * i] == 0) break;
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}
static void done(int error) {
  if (error) printf("err %d\n", error < 0 ? -error : error);
  else printf("ok\n");
}
static void made(int handle, const char *extra) {
  if (handle) printf("ok handle=%d %s\n", handle, extra);
  else printf("err %d\n", errno);
}
static struct ibv_ah_attr av(void) {
  struct ibv_ah_attr a = {.is_global = 1, .port_num = 1, .sl = num("sl", 0), .dlid = num("dlid", 0)};
  unhex("dgid", a.grh.dgid.raw, 16);
  a.grh.hop_limit = num("hopLimit", 64);
  a.grh.traffic_class = num("trafficClass", 0);
  return a;
}
static int sges(struct ibv_sge *sge) {
  int n = num("sges", 0);
  for (int i = 0; i < n; i++) {
    char name[3][24];
    snprintf(name[0], 24, "addr%d", i);
    snprintf(name[1], 24, "length%d", i);
    snprintf(name[2], 24, "lkey%d", i);
    sge[i] = (struct ibv_sge){num(name[0], 0), num(name[1], 0), num(name[2], 0)};
  }
  return n;
}

static void destroy(void) {
  uint64_t h = num("handle", 0);
  struct object *o = h > 0 && h <= (uint64_t)last ? &objects[h] : NULL;
  int error = ENOENT;
  if (o) switch (o->kind) {
    case PD: error = ibv_dealloc_pd(o->it); break;
    case MR: error = ibv_dereg_mr(o->it); break;
    case MW: error = ibv_dealloc_mw(o->it); break;
    case CHANNEL: error = ibv_destroy_comp_channel(o->it); break;
    case CQ: error = ibv_destroy_cq(o->it); break;
    case QP: error = ibv_destroy_qp(o->it); break;
    case SRQ: error = ibv_destroy_srq(o->it); break;
    case AH: error = ibv_destroy_ah(o->it); break;
    default: break;
  }
  if (error < 0) error = errno;
  if (!error) {
    free(o->memory);
    *o = (struct object){0};
  }
  done(error);
}

static void open_device(void) {
  struct ibv_device **list = ibv_get_device_list(NULL);
  context = list && list[0] ? ibv_open_device(list[0]) : NULL;
  if (context == NULL) exit(2);
  ibv_free_device_list(list);
  fcntl(context->async_fd, F_SETFL, O_NONBLOCK);
  last = 0;
  memset(objects, 0, sizeof objects);
}

static void modify(void) {
  struct ibv_qp *qp = ptr("qp", QP);
  struct ibv_qp_attr a = {0};
  int mask = num("mask", 0);
  a.qp_state = num("state", 0);
  a.pkey_index = num("pkeyIndex", 0);
  a.port_num = num("port", 0);
  a.qkey = num("qkey", 0);
  a.qp_access_flags = num("accessFlags", 0);
  a.path_mtu = num("pathMtu", 0);
  a.dest_qp_num = num("destQpn", 0);
  a.rq_psn = num("rqPsn", 0);
  a.sq_psn = num("sqPsn", 0);
  a.max_dest_rd_atomic = num("maxDestRdAtomic", 0);
  a.min_rnr_timer = num("minRnrTimer", 0);
  a.timeout = num("timeout", 0);
  a.retry_cnt = num("retryCnt", 0);
  a.rnr_retry = num("rnrRetry", 0);
  a.max_rd_atomic = num("maxRdAtomic", 0);
  a.en_sqd_async_notify = num("enSqdAsyncNotify", 0);
  if (mask & IBV_QP_AV) a.ah_attr = av();
  done(qp ? ibv_modify_qp(qp, &a, mask) : ENOENT);
}

static void send_wr(void) {
  struct ibv_qp *qp = ptr("qp", QP);
  static uint8_t inlined[4096];
  struct ibv_sge sge[64];
  struct ibv_send_wr wr = {.sg_list = sge}, *bad;
  wr.wr_id = num("wrId", 0);
  wr.opcode = num("opcode", 0);
  wr.send_flags = num("flags", IBV_SEND_SIGNALED);
  wr.num_sge = sges(sge);
  if (text("inline")) {
    sge[0] = (struct ibv_sge){(uintptr_t)inlined, strlen(text("inline")) / 2, 0};
    unhex("inline", inlined, sizeof inlined);
    wr.num_sge = 1;
  }
  wr.imm_data = htonl(num("imm", 0));
  if (wr.opcode == IBV_WR_SEND_WITH_INV || wr.opcode == IBV_WR_LOCAL_INV) wr.invalidate_rkey = num("imm", 0);
  if (wr.opcode == IBV_WR_ATOMIC_CMP_AND_SWP || wr.opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
    wr.wr.atomic.remote_addr = num("remoteAddr", 0);
    wr.wr.atomic.rkey = num("rkey", 0);
    wr.wr.atomic.compare_add = num("compareAdd", 0);
    wr.wr.atomic.swap = num("swap", 0);
  } else if (wr.opcode == IBV_WR_BIND_MW) {
    wr.bind_mw.mw = ptr("mw", MW);
    // The key that the window has now is its owner's to keep (ibv_inc_rkey(3)).
    if (wr.bind_mw.mw && text("rkey")) wr.bind_mw.mw->rkey = num("rkey", 0);
    wr.bind_mw.rkey = num("bindRkey", 0);
    wr.bind_mw.bind_info =
        (struct ibv_mw_bind_info){ptr("bindMr", MR), num("bindAddr", 0), num("bindLength", 0), num("bindAccess", 0)};
  } else if (qp && qp->qp_type == IBV_QPT_UD) {
    wr.wr.ud.ah = ptr("ah", AH);
    wr.wr.ud.remote_qpn = num("remoteQpn", 0);
    wr.wr.ud.remote_qkey = num("remoteQkey", 0);
  } else {
    wr.wr.rdma.remote_addr = num("remoteAddr", 0);
    wr.wr.rdma.rkey = num("rkey", 0);
  }
  done(qp ? ibv_post_send(qp, &wr, &bad) : ENOENT);
}

static void poll_cq(void) {
  struct ibv_cq *cq = ptr("cq", CQ);
  int count = num("count", 1), have = 0;
  double end = now() + num("us", 0);
  printf("ok wcs=");
  for (;;) {
    struct ibv_wc wc;
    while (have < count && ibv_poll_cq(cq, 1, &wc) > 0) {
      uint32_t imm = wc.wc_flags & IBV_WC_WITH_INV ? wc.invalidated_rkey : ntohl(wc.imm_data);
      printf("%llu,%d,%d,%u,%u,%u,%u,%u;", (unsigned long long)wc.wr_id, wc.status, wc.opcode, wc.byte_len, imm,
             wc.qp_num, wc.src_qp, wc.wc_flags);
      have++;
    }
    if (have >= count || now() >= end) break;
    usleep(20);
  }
  printf("\n");
}

static void async_events(void) {
  int count = num("count", 1), have = 0;
  double end = now() + num("us", 0);
  printf("ok events=");
  for (;;) {
    struct ibv_async_event e;
    while (ibv_get_async_event(context, &e) == 0) {
      int handle = 0;
      for (int i = 1; i <= last; i++) {
        void *it = objects[i].it;
        if (it && (it == e.element.cq || it == e.element.qp || it == e.element.srq)) handle = i;
      }
      printf("%d,%d;", e.event_type, handle);
      ibv_ack_async_event(&e);
      have++;
    }
    if (have >= count || now() >= end) break;
    usleep(20);
  }
  printf("\n");
}

static void channel_events(void) {
  struct object *o = obj("cq", CQ);
  struct ibv_cq *cq = o->it, *from;
  void *unused;
  struct pollfd fd = {.fd = cq->channel ? cq->channel->fd : -1, .events = POLLIN};
  while (cq->channel && poll(&fd, 1, 1) > 0 && ibv_get_cq_event(cq->channel, &from, &unused) == 0) {
    ibv_ack_cq_events(from, 1);
    o->events++;
  }
  printf("ok events=%d\n", o->events);
}

static void facts(void) {
  struct ibv_device_attr d;
  struct ibv_port_attr p;
  union ibv_gid gid;
  uint16_t pkey;
  int error = ibv_query_device(context, &d);
  if (!error) error = ibv_query_port(context, 1, &p);
  if (error || ibv_query_gid(context, 1, 0, &gid) || ibv_query_pkey(context, 1, 0, &pkey)) return done(EIO);
  printf("ok name=%s guid=%016llx maxMrSize=%llu maxQp=%d maxQpWr=%d flags=%u maxSge=%d maxCq=%d maxCqe=%d maxMr=%d maxPd=%d "
         "maxMw=%d maxMcastGrp=%d maxAh=%d maxSrq=%d maxSrqWr=%d maxSrqSge=%d physPortCnt=%d atomic=%d ",
         ibv_get_device_name(context->device), (unsigned long long)be64toh(d.node_guid), (unsigned long long)d.max_mr_size,
         d.max_qp, d.max_qp_wr, d.device_cap_flags, d.max_sge, d.max_cq, d.max_cqe, d.max_mr, d.max_pd, d.max_mw,
         d.max_mcast_grp, d.max_ah, d.max_srq, d.max_srq_wr, d.max_srq_sge, d.phys_port_cnt, d.atomic_cap);
  printf("pkey=%u gid=", ntohs(pkey));
  for (int i = 0; i < 16; i++) printf("%02x", gid.raw[i]);
  printf("\n");
}

static void port(void) {
  struct ibv_port_attr p;
  int error = ibv_query_port(context, num("port", 1), &p);
  if (error) return done(error);
  printf("ok state=%d maxMtu=%d activeMtu=%d gidTblLen=%d pkeyTblLen=%d maxMsgSz=%u lid=%d linkLayer=%d\n", p.state, p.max_mtu,
         p.active_mtu, p.gid_tbl_len, p.pkey_tbl_len, p.max_msg_sz, p.lid, p.link_layer);
}

static void command(const char *name) {
  char extra[256] = "";
  if (!strcmp(name, "facts")) return facts();
  if (!strcmp(name, "reset")) {
    // As a program that ends would leave it: the kernel, or who stands for it, cleans up.
    ibv_close_device(context);
    open_device();
    return done(0);
  }
  if (!strcmp(name, "port")) return port();
  if (!strcmp(name, "gid")) {
    union ibv_gid gid;
    if (ibv_query_gid(context, num("port", 1), num("index", 0), &gid)) return done(errno ? errno : EINVAL);
    for (int i = 0; i < 16; i++) sprintf(extra + 2 * i, "%02x", gid.raw[i]);
    printf("ok gid=%s\n", extra);
    return;
  }
  if (!strcmp(name, "pkey")) {
    uint16_t pkey;
    if (ibv_query_pkey(context, num("port", 1), num("index", 0), &pkey)) return done(errno ? errno : EINVAL);
    printf("ok pkey=%d\n", ntohs(pkey));
    return;
  }
  if (!strcmp(name, "pd")) return made(add(PD, ibv_alloc_pd(context)), "");
  if (!strcmp(name, "destroy")) return destroy();
  if (!strcmp(name, "mr")) {
    size_t length = num("length", 0);
    char *memory = aligned_alloc(4096, (length + 4095) & ~4095UL);
    memset(memory, 0, length);
    int access = num("access", 0);
    struct ibv_pd *pd = ptr("pd", PD);
    struct ibv_mr *mr = text("iova") ? ibv_reg_mr_iova(pd, memory, length, num("iova", 0), access)
                                     : ibv_reg_mr(pd, memory, length, access);
    int handle = add(MR, mr);
    if (!handle) {
      int error = errno;
      free(memory);
      return done(error);
    }
    objects[handle].memory = memory;
    uint64_t addr = text("iova") ? num("iova", 0) : access & IBV_ACCESS_ZERO_BASED ? 0 : (uintptr_t)memory;
    snprintf(extra, sizeof extra, "lkey=%u rkey=%u addr=%llu", mr->lkey, mr->rkey, (unsigned long long)addr);
    return made(handle, extra);
  }
  if (!strcmp(name, "fill")) {
    struct object *o = obj("mr", MR);
    uint32_t x = (uint32_t)num("seed", 0) * 0x9e3779b1u;
    for (uint64_t i = num("offset", 0), end = i + num("length", 0); i < end; i++) {
      x = x * 1103515245u + 12345u;
      o->memory[i] = x >> 16;
    }
    return done(0);
  }
  if (!strcmp(name, "bytes")) {
    struct object *o = obj("mr", MR);
    printf("ok hex=");
    for (uint64_t i = num("offset", 0), end = i + num("length", 0); i < end; i++) printf("%02x", (uint8_t)o->memory[i]);
    printf("\n");
    return;
  }
  if (!strcmp(name, "mw")) {
    struct ibv_mw *mw = ibv_alloc_mw(ptr("pd", PD), num("type", 1));
    if (mw) snprintf(extra, sizeof extra, "rkey=%u", mw->rkey);
    return made(add(MW, mw), extra);
  }
  if (!strcmp(name, "bind")) {
    struct ibv_mw *mw = ptr("mw", MW);
    struct ibv_mw_bind bind = {.send_flags = IBV_SEND_SIGNALED};
    bind.bind_info = (struct ibv_mw_bind_info){ptr("mr", MR), num("addr", 0), num("length", 0), num("access", 0)};
    int error = ibv_bind_mw(ptr("qp", QP), mw, &bind);
    if (error) return done(error);
    printf("ok rkey=%u\n", mw->rkey);
    return;
  }
  if (!strcmp(name, "channel")) {
    struct ibv_comp_channel *channel = ibv_create_comp_channel(context);
    return made(add(CHANNEL, channel), "");
  }
  if (!strcmp(name, "cq")) {
    struct ibv_cq *cq = ibv_create_cq(context, num("cqe", 0), NULL, ptr("channel", CHANNEL), 0);
    if (cq) snprintf(extra, sizeof extra, "cqe=%d", cq->cqe);
    return made(add(CQ, cq), extra);
  }
  if (!strcmp(name, "resize")) {
    struct ibv_cq *cq = ptr("cq", CQ);
    int error = ibv_resize_cq(cq, num("cqe", 0));
    if (error) return done(error < 0 ? errno : error);
    printf("ok cqe=%d\n", cq->cqe);
    return;
  }
  if (!strcmp(name, "notify")) {
    struct ibv_cq *cq = ptr("cq", CQ);
    return done(cq->channel ? ibv_req_notify_cq(cq, num("solicited", 0)) : EINVAL);
  }
  if (!strcmp(name, "channelEvents")) return channel_events();
  if (!strcmp(name, "poll")) return poll_cq();
  if (!strcmp(name, "qp")) {
    struct ibv_qp_init_attr init = {.send_cq = ptr("sendCq", CQ), .recv_cq = ptr("recvCq", CQ), .srq = ptr("srq", SRQ)};
    init.qp_type = num("type", 0);
    init.sq_sig_all = num("sqSigAll", 0);
    init.cap = (struct ibv_qp_cap){num("maxSendWr", 0), num("maxRecvWr", 0), num("maxSendSge", 0), num("maxRecvSge", 0),
                                   num("maxInlineData", 0)};
    struct ibv_qp *qp = ibv_create_qp(ptr("pd", PD), &init);
    if (qp)
      snprintf(extra, sizeof extra, "qpn=%u maxSendWr=%u maxRecvWr=%u maxSendSge=%u maxRecvSge=%u maxInlineData=%u", qp->qp_num,
               init.cap.max_send_wr, init.cap.max_recv_wr, init.cap.max_send_sge, init.cap.max_recv_sge,
               init.cap.max_inline_data);
    return made(add(QP, qp), extra);
  }
  if (!strcmp(name, "modify")) return modify();
  if (!strcmp(name, "query")) {
    struct ibv_qp_attr a;
    struct ibv_qp_init_attr init;
    int error = ibv_query_qp(ptr("qp", QP), &a, 0x1fffff, &init);
    if (error) return done(error);
    printf("ok state=%d sqPsn=%u rqPsn=%u qkey=%u destQpn=%u pathMtu=%d timeout=%d retryCnt=%d rnrRetry=%d\n", a.qp_state,
           a.sq_psn, a.rq_psn, a.qkey, a.dest_qp_num, a.path_mtu, a.timeout, a.retry_cnt, a.rnr_retry);
    return;
  }
  if (!strcmp(name, "send")) return send_wr();
  if (!strcmp(name, "recv")) {
    struct ibv_sge sge[64];
    struct ibv_recv_wr wr = {.wr_id = num("wrId", 0), .sg_list = sge, .num_sge = sges(sge)}, *bad;
    if (obj("queue", SRQ)) return done(ibv_post_srq_recv(ptr("queue", SRQ), &wr, &bad));
    struct ibv_qp *qp = ptr("queue", QP);
    return done(qp ? ibv_post_recv(qp, &wr, &bad) : ENOENT);
  }
  if (!strcmp(name, "srq")) {
    struct ibv_srq_init_attr init = {.attr = {num("maxWr", 0), num("maxSge", 0), 0}};
    struct ibv_srq *srq = ibv_create_srq(ptr("pd", PD), &init);
    snprintf(extra, sizeof extra, "maxWr=%u", init.attr.max_wr);
    return made(add(SRQ, srq), extra);
  }
  if (!strcmp(name, "modifySrq")) {
    struct ibv_srq_attr a = {num("maxWr", 0), 0, num("limit", 0)};
    return done(ibv_modify_srq(ptr("srq", SRQ), &a, num("mask", 0)));
  }
  if (!strcmp(name, "querySrq")) {
    struct ibv_srq_attr a;
    int error = ibv_query_srq(ptr("srq", SRQ), &a);
    if (error) return done(error);
    printf("ok maxWr=%u maxSge=%u limit=%u\n", a.max_wr, a.max_sge, a.srq_limit);
    return;
  }
  if (!strcmp(name, "ah")) {
    struct ibv_ah_attr a = av();
    return made(add(AH, ibv_create_ah(ptr("pd", PD), &a)), "");
  }
  if (!strcmp(name, "attach") || !strcmp(name, "detach")) {
    union ibv_gid gid;
    unhex("gid", gid.raw, 16);
    struct ibv_qp *qp = ptr("qp", QP);
    int error = name[0] == 'a' ? ibv_attach_mcast(qp, &gid, num("lid", 0)) : ibv_detach_mcast(qp, &gid, num("lid", 0));
    return done(error < 0 ? errno : error);
  }
  if (!strcmp(name, "asyncEvents")) return async_events();
  done(ENOSYS);
}

int main(void) {
  open_device();
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    char name[40];
    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%39s", name) != 1) continue;
    command(name);
    fflush(stdout);
  }
  ibv_close_device(context);
  return 0;
}
