// Times as the communication manager tells them: 4.096 µs times two to a 5-bit number (IBTA 12.7).

/** Microseconds. */
export const cmTimeUs = (exponent: number): number => 4.096 * 2 ** exponent;

/**
 * The local ACK timeout that fits a path: its packet lifetime twice and the responder's delay, as exponents. As Linux's
 * `cm_ack_timeout` does it, so that peers compute the same.
 */
export function ackTimeoutOf(caAckDelay: number, packetLifeTime: number): number {
  const path = packetLifeTime + 1;
  const whole =
    path >= caAckDelay ? path + (caAckDelay >= path - 1 ? 1 : 0) : caAckDelay + (path >= caAckDelay - 1 ? 1 : 0);
  return Math.min(31, whole);
}
