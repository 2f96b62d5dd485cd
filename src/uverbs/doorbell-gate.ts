// Posting to a queue pair below RTS fails with EINVAL (C10-29): with rxe because the write(2) of the doorbell does. Here that
// write is one to a file, which takes what it is given; but a file whose position is at the very end of what a position can
// be refuses to be written to with EINVAL. So while no queue pair of a program is in a state that takes send requests, the
// position of its file stands there.
//
// Where one queue pair of an open device is ready and another is not, posting to the latter succeeds, and what was posted is
// sent when it becomes ready (in Linux it is too, after the error).
import { QpState } from '../core/constants.ts';
import type { QueuePair } from '../core/qp.ts';
import { seekTo, whereIs } from '../os/seek.ts';
import type { Caller } from './caller.ts';

const NOWHERE = 2n ** 63n - 1n;

export class DoorbellGate {
  private readonly ready = new Set<QueuePair>();
  /** Where the next doorbell goes once the gate is open; null while it is open. */
  private position: bigint | null = null;

  /** The queue pair was made or modified. */
  changed(caller: Caller, qp: QueuePair): void {
    if (qp.state >= QpState.RTS) this.ready.add(qp);
    else this.ready.delete(qp);
    this.set(caller);
  }

  /** The queue pair is gone. */
  gone(caller: Caller, qp: QueuePair): void {
    this.ready.delete(qp);
    this.set(caller);
  }

  private set(caller: Caller): void {
    const open = this.ready.size > 0;
    if (open === (this.position === null)) return;
    caller.withFile?.((fd) => {
      if (this.position === null) {
        this.position = whereIs(fd);
        seekTo(fd, NOWHERE);
      } else {
        seekTo(fd, this.position);
        this.position = null;
      }
    });
  }
}
