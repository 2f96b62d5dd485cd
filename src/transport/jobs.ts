// How many READs, atomics and the like a responder has to answer at a time.
import { psnAdd } from './psn.ts';
import { type Resource, ResourceKind, type SoftQp } from './qp.ts';

/** More READs and atomics at a time than the connection was set up for; answers to duplicates are not held against it. */
export function tooMany(qp: SoftQp): boolean {
  let fresh = 0;
  for (let i = 0; i < qp.jobs.length; i++) if (!qp.jobs[i].repeated) fresh++;
  return fresh >= jobLimit(qp);
}

/** Answers to duplicates that wait at a time, beside the others; a requester that wants more asks again. */
export const mayRepeat = (qp: SoftQp): boolean => qp.jobs.length < 2 * jobLimit(qp);

export const jobLimit = (qp: SoftQp): number => Math.max(1, qp.attr.maxDestRdAtomic);

/** PSN after the last answer of a job. */
export const jobEnd = (qp: SoftQp, job: Resource): number =>
  psnAdd(job.psn, job.kind === ResourceKind.READ ? Math.max(1, Math.ceil(job.length / qp.mtu)) : 1);
