// The communications there are, by all the names under which messages speak of them.
import type { MadAddress } from '../mad-port.ts';
import type { IbCmHandler } from './events.ts';
import { IbCmId } from './id.ts';

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A request's name: who asks, and how it calls itself (IBTA 12.9.8.3.1). */
export const requestKey = (caGuid: Uint8Array, remoteId: number): string => `${hexOf(caGuid)}/${remoteId}`;
/** A queue pair's name. */
export const qpKey = (caGuid: Uint8Array, qpn: number): string => `${hexOf(caGuid)}:${qpn}`;
/** A service id request's name: its sender has told nothing but its address. */
export const sidrKey = (from: MadAddress, requestId: number): string => `sidr ${hexOf(from.gid)}/${requestId}`;

export class IdTable {
  private readonly byLocal = new Map<number, IbCmId>();
  private readonly byRequest = new Map<string, IbCmId>();
  private readonly byQp = new Map<string, IbCmId>();
  private readonly random: (below: number) => number;

  constructor(random: (below: number) => number) {
    this.random = random;
  }

  get size(): number {
    return this.byLocal.size;
  }

  /** A communication with an id that nobody can guess, and that none has. */
  create(handler: IbCmHandler | null): IbCmId {
    let localId = 0;
    while (localId === 0 || this.byLocal.has(localId)) localId = this.random(0x100000000);
    const id = new IbCmId(localId, handler);
    this.byLocal.set(localId, id);
    return id;
  }

  get(localId: number): IbCmId | undefined {
    return this.byLocal.get(localId);
  }

  all(): IterableIterator<IbCmId> {
    return this.byLocal.values();
  }

  findRequest(key: string): IbCmId | undefined {
    return this.byRequest.get(key);
  }

  findQp(key: string): IbCmId | undefined {
    return this.byQp.get(key);
  }

  nameRequest(id: IbCmId, key: string): void {
    id.requestKey = key;
    this.byRequest.set(key, id);
  }

  nameQp(id: IbCmId, key: string): void {
    id.qpKey = key;
    this.byQp.set(key, id);
  }

  /** The peer's names mean nothing any more. */
  unname(id: IbCmId): void {
    if (this.byRequest.get(id.requestKey) === id) this.byRequest.delete(id.requestKey);
    if (this.byQp.get(id.qpKey) === id) this.byQp.delete(id.qpKey);
    id.requestKey = '';
    id.qpKey = '';
  }

  remove(id: IbCmId): void {
    this.unname(id);
    this.byLocal.delete(id.localId);
  }
}
