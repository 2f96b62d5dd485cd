// Hosts with rdma_cm on the simulated fabric.
import type { RdmaCmEvent } from '../../src/cm/rdma/events.ts';
import type { RdmaCmId } from '../../src/cm/rdma/id.ts';
import { EventChannel, RdmaCm, type RdmaCmOptions } from '../../src/cm/rdma/rdma-cm.ts';
import { PortSpace } from '../../src/wire/cm-ip.ts';
import { CmHost, drive, type Fabric } from './cm-node.ts';

export class RdmaHost extends CmHost {
  readonly rdma: RdmaCm;
  readonly channel = new EventChannel();

  constructor(fabric: Fabric, address?: string, options: Partial<RdmaCmOptions> = {}) {
    super(fabric, address);
    const { random } = fabric.sim;
    this.rdma = new RdmaCm({ random: (below) => Math.floor(random.call(fabric.sim) * below), ...options });
    this.rdma.addDevice({ gsi: this.gsi, ib: this.cm });
    drive(this.node, this.gsi, this.rdma);
  }

  get address(): Uint8Array {
    return this.node.link.addresses[0].bytes;
  }

  id(portSpace: number = PortSpace.TCP, channel = this.channel): RdmaCmId {
    return this.rdma.createId({ channel, portSpace });
  }

  listener(port: number, backlog = 8, portSpace: number = PortSpace.TCP): RdmaCmId {
    const id = this.id(portSpace);
    id.bind(new Uint8Array(this.address.length), port);
    id.listen(backlog);
    return id;
  }

  /** An id that knows the way to `to`. */
  routed(to: RdmaHost, port: number, portSpace: number = PortSpace.TCP): RdmaCmId {
    const id = this.id(portSpace);
    id.resolveAddr(null, { address: to.address, port });
    id.resolveRoute();
    this.events();
    return id;
  }

  events(): RdmaCmEvent[] {
    const out: RdmaCmEvent[] = [];
    for (let e = this.channel.get(); e !== null; e = this.channel.get()) out.push(e);
    return out;
  }

  names(): string[] {
    return this.events().map((e) => (e.status === 0 ? e.type : `${e.type} ${e.status}`));
  }

  /** The next event, which must be of that type. */
  next(type: RdmaCmEvent['type']): RdmaCmEvent {
    const event = this.channel.get();
    if (event?.type !== type) throw new Error(`${event?.type ?? 'nothing'} instead of ${type}`);
    return event;
  }

  override close(): void {
    for (const device of [...this.rdma.devices]) this.rdma.removeDevice(device);
  }
}
