// Faults of the transport that the model has found and that are still there. The long runs keep clear of them, so that others
// are found behind them; known.test.ts shows each.

export interface Avoid {
  readonly fencedLocal: boolean;
  readonly duplicateNaks: boolean;
  readonly duplicateFillsResponder: boolean;
  readonly windowWithoutAck: boolean;
}

export const NOTHING: Avoid = {
  fencedLocal: false,
  duplicateNaks: false,
  duplicateFillsResponder: false,
  windowWithoutAck: false,
};
export const KNOWN: Avoid = {
  fencedLocal: true,
  duplicateNaks: true,
  duplicateFillsResponder: false,
  windowWithoutAck: true,
};
