// What the events of the IB CM mean to an rdma_cm id (Linux `cma_ib_handler`, `cma_sidr_rep_handler`).
import { SidrStatus } from '../../wire/cm-sidr.ts';
import type { IbCmEvent } from '../ib/events.ts';
import type { ConnParam } from './events.ts';
import type { RdmaCmId } from './id.ts';

const ETIMEDOUT = -110;

const EMPTY: ConnParam = {
  privateData: new Uint8Array(0),
  responderResources: 0,
  initiatorDepth: 0,
  flowControl: 0,
  retryCount: 0,
  rnrRetryCount: 0,
  srq: 0,
  qpNum: 0,
};

export function onIbEvent(id: RdmaCmId, event: IbCmEvent): void {
  switch (event.type) {
    case 'REP_RECEIVED': {
      const { rep } = event;
      // What the peer can answer at a time is what we may ask for, and the other way round.
      const conn = {
        ...EMPTY,
        privateData: rep.privateData,
        responderResources: rep.initiatorDepth,
        initiatorDepth: rep.responderResources,
        flowControl: rep.flowControl,
        rnrRetryCount: rep.rnrRetryCount,
        srq: rep.srq,
        qpNum: rep.localQpn,
      };
      id.event('CONNECT_RESPONSE', { conn });
      return id.cm.beg(id);
    }
    case 'RTU_RECEIVED':
    case 'USER_ESTABLISHED':
      return id.event('ESTABLISHED');
    case 'REQ_ERROR':
    case 'REP_ERROR':
    case 'SIDR_REQ_ERROR':
      id.state = 'ROUTE_RESOLVED';
      return id.event('UNREACHABLE', { status: ETIMEDOUT });
    case 'REJ_RECEIVED': {
      const { rej } = event;
      id.state = 'ROUTE_RESOLVED';
      return id.event('REJECTED', { status: rej.reason, conn: { ...EMPTY, privateData: rej.privateData } });
    }
    case 'DREQ_ERROR':
    case 'DREQ_RECEIVED':
    case 'DREP_RECEIVED': {
      // Whoever asked itself has told its program once; a request that crossed ours is answered.
      const asked = id.disconnecting;
      if (event.type === 'DREQ_RECEIVED' && asked) id.cm.disconnect(id);
      if (id.state === 'DISCONNECT') return;
      id.state = 'DISCONNECT';
      return id.event('DISCONNECTED', { status: event.type === 'DREQ_ERROR' ? ETIMEDOUT : 0 });
    }
    case 'TIMEWAIT_EXIT':
      return id.event('TIMEWAIT_EXIT');
    case 'SIDR_REP_RECEIVED': {
      const { sidr } = event;
      if (sidr.status !== SidrStatus.SUCCESS) {
        id.state = 'ROUTE_RESOLVED';
        return id.event('UNREACHABLE', { status: sidr.status });
      }
      const ahAttr = event.id.av!;
      const { qpn: qpNum, qkey, privateData } = sidr;
      return id.event('ESTABLISHED', { ud: { privateData, ahAttr, qpNum, qkey } });
    }
    default:
      // MRA: the peer asks for patience, which is had already.
      return;
  }
}
