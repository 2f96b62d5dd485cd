// Faults of the transport that the model has found and that are still there. The long runs keep clear of them, so that others
// are found behind them; found.test.ts shows each.

export interface Avoid {
  /** A QP does not ask for an acknowledgement when the peer's window, rather than its messages, stops it. */
  readonly windowWithoutAck: boolean;
}

export const NOTHING: Avoid = { windowWithoutAck: false };
export const KNOWN: Avoid = { windowWithoutAck: true };
