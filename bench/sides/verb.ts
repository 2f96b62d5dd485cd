// A verbs command of an unmodified libibverbs: infinitive run -- node verb.ts COUNT
// Prints the median time of ibv_alloc_pd and ibv_dealloc_pd, in µs a call.
import koffi from 'koffi';
import { median } from './pair.ts';

const ibv = koffi.load('libibverbs.so.1');
const list = ibv.func('void *ibv_get_device_list(void *count)')(null);
const device = list === null ? null : koffi.decode(list, 'void *');
if (device === null) throw new Error('there is no device');
const context = ibv.func('void *ibv_open_device(void *device)')(device);
const allocPd = ibv.func('void *ibv_alloc_pd(void *context)');
const deallocPd = ibv.func('int ibv_dealloc_pd(void *pd)');

const times = Array.from({ length: Number(process.argv[2]) }, () => {
  const start = performance.now();
  if (deallocPd(allocPd(context)) !== 0) throw new Error('ibv_dealloc_pd failed');
  return ((performance.now() - start) * 1000) / 2;
});
console.log(JSON.stringify({ us: median(times) }));
