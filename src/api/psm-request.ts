// What isend and irecv give: a request that is tested, or waited for.
import type { Request, RequestStatus } from '../drivers/psm/request.ts';

/** Looks whether what it waits for has come, and then tells; true when it has. */
export type Waits = () => boolean;

/** `ok`; `truncated`: longer than the buffer; `cancelled`; `failed`: the connection is lost. */
export type PsmStatus = RequestStatus;

/** @internal Whose requests they are. */
export interface PsmOwner {
  wait(waits: Waits): void;
  cancel(request: Request): boolean;
}

/** A send or a receive of a {@link PsmEndpoint}. */
export class PsmRequest {
  private readonly request: Request;
  private readonly owner: PsmOwner;

  /** @internal */
  constructor(request: Request, owner: PsmOwner) {
    this.request = request;
    this.owner = owner;
  }

  get done(): boolean {
    return this.request.done;
  }

  /** Means something only if {@link done}, as what follows does. */
  get status(): PsmStatus {
    return this.request.status;
  }

  /** The sender's epid. */
  get source(): number {
    return this.request.source;
  }

  get tag(): readonly [number, number, number] {
    return this.request.tag;
  }

  /** Bytes of the message as it was sent, and of it in the buffer. */
  get messageLength(): number {
    return this.request.messageLength;
  }

  get length(): number {
    return this.request.length;
  }

  /** Resolves, with the request, when it is done, whatever its status. */
  wait(): Promise<this> {
    return new Promise((resolve) => {
      this.owner.wait(() => {
        if (this.request.done) resolve(this);
        return this.request.done;
      });
    });
  }

  /** Takes a receive back; false when a message has matched it. A send is not taken back. */
  cancel(): boolean {
    return this.owner.cancel(this.request);
  }
}
