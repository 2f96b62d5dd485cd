// What a program calls an id and a membership: numbers for objects of cm/rdma, with what the ABI adds to them.
import type { Multicast, RdmaCmId } from '../cm/rdma/id.ts';
import type { UcmaFile } from './file.ts';

/** A program's own 64 bits, in two halves. */
export interface Uid {
  readonly lo: number;
  readonly hi: number;
}

export const NO_UID: Uid = { lo: 0, hi: 0 };
export const isNoUid = (uid: Uid): boolean => uid.lo === 0 && uid.hi === 0;

/** An id of a program. */
export class UcmaContext {
  readonly number: number;
  file: UcmaFile;
  uid: Uid;
  cmId: RdmaCmId | null = null;
  /** Events about it that the program has been given: librdmacm waits until as many are acknowledged. */
  eventsReported = 0;
  /** It was bound by a sockaddr_ib. */
  ib = false;
  readonly multicasts = new Set<UcmaMulticast>();

  constructor(number: number, file: UcmaFile, uid: Uid) {
    this.number = number;
    this.file = file;
    this.uid = uid;
  }
}

/** A multicast group that an id is in. */
export class UcmaMulticast {
  readonly number: number;
  readonly context: UcmaContext;
  readonly uid: Uid;
  member: Multicast | null = null;
  eventsReported = 0;

  constructor(number: number, context: UcmaContext, uid: Uid) {
    this.number = number;
    this.context = context;
    this.uid = uid;
  }
}
