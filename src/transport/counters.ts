/** Counters of a software device, by the names of Linux rxe's `hw_counters` where it has them. */
export class Counters {
  sent_pkts = 0;
  rcvd_pkts = 0;
  duplicate_request = 0;
  out_of_seq_request = 0;
  rcvd_rnr_err = 0;
  send_rnr_err = 0;
  rcvd_seq_err = 0;
  retry_exceeded_err = 0;
  retry_rnr_exceeded_err = 0;
  completer_retry_err = 0;
  /** Packets thrown away: malformed, for no QP, from a stranger, with a wrong key. */
  dropped_pkts = 0;
  icrc_errors = 0;
  bad_pkey = 0;
  bad_qkey = 0;
  retransmitted_pkts = 0;
  timeouts = 0;
  // Congestion, by the names of mlx5's hw_counters: marked packets received, notifications sent, notifications heeded.
  np_ecn_marked_roce_packets = 0;
  np_cnp_sent = 0;
  rp_cnp_handled = 0;
  // Ours (prober.ts): probes and answers sent and received, and how often an answer was given up.
  sent_probes = 0;
  rcvd_probes = 0;
  probe_timeouts = 0;
}
