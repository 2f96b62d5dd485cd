import { nameOf } from '../core/constants.ts';
import { rejReasonName } from '../wire/cm-message.ts';
import { SidrStatus } from '../wire/cm-sidr.ts';

export type ConnectErrorCode = 'ECONNREFUSED' | 'ETIMEDOUT' | 'EHOSTUNREACH' | 'ECONNRESET' | 'ECONNABORTED' | 'EPROTO';

/** A connection that did not come about, or ended by itself. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
  readonly code: ConnectErrorCode;
  /** ECONNREFUSED: why, as the connection manager's REJ says it: `INVALID_SERVICE_ID` when nobody listens, `CONSUMER_DEFINED`. */
  readonly reason: string | null;
  /** What the peer's program said with its refusal. */
  readonly privateData: Buffer;

  constructor(code: ConnectErrorCode, message: string, reason: string | null = null, privateData = Buffer.alloc(0)) {
    super(`${code}: ${message}`);
    this.code = code;
    this.reason = reason;
    this.privateData = privateData;
  }
}

/** @internal The error that a REJ means. */
export function refused(where: string, reason: number, privateData: Uint8Array): ConnectError {
  const name = rejReasonName(reason);
  const help: Record<string, string> = {
    INVALID_SERVICE_ID: 'nobody listens there',
    CONSUMER_DEFINED: 'the program there refused',
    STALE_CONN: 'the peer still holds an earlier connection of this queue pair; try again',
    TIMEOUT: 'the peer gave up waiting',
  };
  const text = `${where} refused: ${help[name] ?? name} (reason ${reason})`;
  return new ConnectError('ECONNREFUSED', text, name, Buffer.from(privateData));
}

/** @internal The error that a SIDR_REP's status means. */
export function unserved(where: string, status: number): ConnectError {
  const reason = nameOf(SidrStatus, status);
  const text = reason === 'UNSUPPORTED' ? 'nobody serves datagrams there' : `the program there refused (${reason})`;
  return new ConnectError('ECONNREFUSED', `${where}: ${text}`, reason);
}
