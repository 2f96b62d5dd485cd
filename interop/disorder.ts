// Loss, disorder, duplication and corruption by netem in the guest, on what it sends and on what comes in.
import type { Guest } from './guest.ts';

/** busybox's shell would take its own. */
const TC = '/usr/bin/tc';
const IP = '/usr/bin/ip';

/** `netem` as tc has it (`loss 5%`), both ways; only RDMA's interface has it, not the control network. */
export async function disorder(guest: Guest, netem: string): Promise<void> {
  await guest.must(
    [
      // What comes in goes through ifb0's queue.
      `${IP} link add ifb0 type ifb 2>/dev/null`,
      `${IP} link set ifb0 up`,
      `${TC} qdisc replace dev eth0 handle ffff: ingress`,
      `${TC} filter replace dev eth0 parent ffff: prio 1 handle 1 matchall action mirred egress redirect dev ifb0`,
      `${TC} qdisc replace dev ifb0 root netem limit 10000 ${netem}`,
      `${TC} qdisc replace dev eth0 root netem limit 10000 ${netem}`,
    ].join('; '),
  );
}

export async function order(guest: Guest): Promise<void> {
  await guest.exec(`${TC} qdisc del dev eth0 root; ${TC} qdisc del dev eth0 ingress; ${TC} qdisc del dev ifb0 root`);
}

/** How many packets netem lost and so on: for the log. */
export const disorderStatistics = async (guest: Guest): Promise<string> =>
  (await guest.exec(`${TC} -s qdisc show dev eth0; ${TC} -s qdisc show dev ifb0`)).output;
