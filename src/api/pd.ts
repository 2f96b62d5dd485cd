import { MwType, QpType, type QpTypeName } from '../core/constants.ts';
import { VerbsError } from '../core/errors.ts';
import type { ProtectionDomain as CorePd } from '../core/pd.ts';
import { createAh } from '../core/verbs-ah.ts';
import { regMr } from '../core/verbs-mr.ts';
import { allocMw } from '../core/verbs-mw.ts';
import { deallocPd } from '../core/verbs-pd.ts';
import { createQp } from '../core/verbs-qp.ts';
import { createSrq } from '../core/verbs-srq.ts';
import { type AccessRights, accessBits } from './access.ts';
import { AddressHandle } from './ah.ts';
import { addressVector, type Destination } from './av.ts';
import type { CompletionQueue } from './cq.ts';
import type { EngineLoop } from './loop.ts';
import { DEFAULT_ACCESS, MemoryRegion, memoryOf, type RegisterableMemory } from './mr.ts';
import { MemoryWindow } from './mw.ts';
import { QueuePair } from './qp.ts';
import { SharedReceiveQueue } from './srq.ts';
import type { AddressSource } from './virtual-address.ts';

export interface RegMrOptions {
  /** Default: LOCAL_WRITE. REMOTE_WRITE and REMOTE_ATOMIC need LOCAL_WRITE. */
  readonly access?: AccessRights;
  /** What addresses count from. Default: where the memory is; 0 with ZERO_BASED. */
  readonly iova?: number;
}

export interface CreateQpOptions {
  readonly type: Extract<QpTypeName, 'RC' | 'UC' | 'UD'>;
  readonly sendCq: CompletionQueue;
  /** Default: `sendCq`. */
  readonly recvCq?: CompletionQueue;
  readonly srq?: SharedReceiveQueue;
  /** Default 64. */
  readonly maxSendWr?: number;
  /** Default 64. */
  readonly maxRecvWr?: number;
  /** Default 1. */
  readonly maxSendSge?: number;
  /** Default 1. */
  readonly maxRecvSge?: number;
  /** Bytes. Default 64. */
  readonly maxInlineData?: number;
  /** Every send request makes a completion. Default false. */
  readonly sqSigAll?: boolean;
}

/** A protection domain: regions, windows, queue pairs and address handles of one can be used together. */
export class ProtectionDomain {
  /** @internal */
  readonly core: CorePd;
  /** @internal */
  readonly loop: EngineLoop;
  private readonly addresses: AddressSource;

  /** @internal */
  constructor(core: CorePd, loop: EngineLoop, addresses: AddressSource) {
    this.core = core;
    this.loop = loop;
    this.addresses = addresses;
  }

  /**
   * Registers memory. The bytes are used in place: what the peer writes appears in them.
   *
   * @example
   * const mr = pd.regMr(Buffer.alloc(4096), { access: ['LOCAL_WRITE', 'REMOTE_WRITE'] });
   */
  regMr(source: RegisterableMemory, options: RegMrOptions = {}): MemoryRegion {
    const { buffer, memory } = memoryOf(source);
    const access = options.access === undefined ? DEFAULT_ACCESS : accessBits('regMr', options.access);
    const iova = options.iova ?? this.addresses.of(buffer);
    return new MemoryRegion(regMr(this.core, memory, { iova, access }), buffer);
  }

  /** Allocates a memory window of type 1 or 2. */
  allocMw(type: 1 | 2 = 2): MemoryWindow {
    return new MemoryWindow(allocMw(this.core, type === 1 ? MwType.TYPE_1 : MwType.TYPE_2));
  }

  createQp(options: CreateQpOptions): QueuePair {
    const type = QpType[options.type];
    if (type === undefined)
      throw new VerbsError('createQp', 'EINVAL', `type "${options.type}"; there are RC, UC and UD`);
    const core = createQp(this.core, {
      type,
      sendCq: options.sendCq.core,
      recvCq: (options.recvCq ?? options.sendCq).core,
      srq: options.srq?.core ?? null,
      cap: {
        maxSendWr: options.maxSendWr ?? 64,
        maxRecvWr: options.maxRecvWr ?? 64,
        maxSendSge: options.maxSendSge ?? 1,
        maxRecvSge: options.maxRecvSge ?? 1,
        maxInlineData: options.maxInlineData ?? 64,
      },
      sqSigAll: options.sqSigAll,
    });
    return new QueuePair(core, this.loop);
  }

  /** `maxWr`: receive requests it holds at least; `maxSge`: elements of each. */
  createSrq(options: { readonly maxWr: number; readonly maxSge?: number }): SharedReceiveQueue {
    return new SharedReceiveQueue(
      createSrq(this.core, { maxWr: options.maxWr, maxSge: options.maxSge ?? 1, limit: 0 }),
    );
  }

  /** An address handle for UD: `pd.createAh({ gid: '192.0.2.1' })`; of an InfiniBand-like device `pd.createAh({ lid: 2 })`. */
  createAh(destination: Destination): AddressHandle {
    const av = addressVector(this.core.context.device, destination);
    return new AddressHandle(createAh(this.core, av));
  }

  /** EBUSY while anything is left in it. */
  close(): void {
    if (!this.core.destroyed) deallocPd(this.core);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
