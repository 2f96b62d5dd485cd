// What happens to a communication, by the names of `enum ib_cm_event_type`.
import type { CmRep, CmReq } from '../../wire/cm-connect.ts';
import type { CmMra, CmRej } from '../../wire/cm-refuse.ts';
import type { CmSidrRep, CmSidrReq } from '../../wire/cm-sidr.ts';
import type { IbCmId } from './id.ts';

export type IbCmEvent =
  | { readonly type: 'REQ_RECEIVED'; readonly id: IbCmId; readonly req: CmReq }
  | { readonly type: 'REP_RECEIVED'; readonly id: IbCmId; readonly rep: CmRep }
  | { readonly type: 'MRA_RECEIVED'; readonly id: IbCmId; readonly mra: CmMra }
  | { readonly type: 'REJ_RECEIVED'; readonly id: IbCmId; readonly rej: CmRej }
  | {
      readonly type: 'RTU_RECEIVED' | 'DREQ_RECEIVED' | 'DREP_RECEIVED';
      readonly id: IbCmId;
      readonly privateData: Uint8Array;
    }
  | { readonly type: 'SIDR_REQ_RECEIVED'; readonly id: IbCmId; readonly sidr: CmSidrReq }
  | { readonly type: 'SIDR_REP_RECEIVED'; readonly id: IbCmId; readonly sidr: CmSidrRep }
  | {
      readonly type: 'REQ_ERROR' | 'REP_ERROR' | 'DREQ_ERROR' | 'SIDR_REQ_ERROR' | 'TIMEWAIT_EXIT' | 'USER_ESTABLISHED';
      readonly id: IbCmId;
    };

/** What a listener says to a request: nothing (it is taken), that it be dropped (the peer asks again), or a REJ reason. */
export type Verdict = 'drop' | number | undefined;

export type IbCmHandler = (event: IbCmEvent) => Verdict;
