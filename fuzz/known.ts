// Faults that have been reported and are not mended yet: the fuzzer goes round them. Each has a test in test/fuzz/pending.

/** In SQD with requests outstanding: AV (its window is then given back to the wrong path), MAX_QP_RD_ATOMIC (READs are lost). */
export const CHANGE_WHILE_BUSY = true;
/** A queue pair in ERR is armed again: by a NAK that reached a request which failed here. */
export const TIMER_IN_ERR = true;
