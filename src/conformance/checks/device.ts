// The device, its port, its tables, and protection domains.
import { type Check, equal, fails, that } from '../check.ts';

export const deviceChecks: readonly Check[] = [
  {
    name: 'the device describes itself, and what it says is possible',
    verbs: ['open_device', 'query_device'],
    async run({ facts }) {
      const { attributes: most } = facts;
      that(/[1-9a-f]/.test(most.nodeGuid), 'the node GUID is 0');
      for (const name of ['maxMr', 'maxPd', 'maxMrSize'] as const) that(most[name] > 0, `${name} is ${most[name]}`);
      equal(most.physPortCnt, 1, 'physPortCnt');
      if (facts.kverbs) {
        for (const name of ['maxQp', 'maxQpWr', 'maxSge', 'maxCq', 'maxCqe'] as const)
          that(most[name] > 0, `${name} is ${most[name]}`);
      }
      equal(most.maxSrq > 0, facts.capabilities.includes('srq'), 'maxSrq is more than 0 and the capability is claimed');
    },
  },
  {
    name: 'the port is active, and a port that is not there is refused',
    verbs: ['query_port', 'get_port_immutable'],
    async run({ a }) {
      const port = await a.queryPort(1);
      equal(port.state, 4, 'state of port 1');
      that(port.activeMtu >= 1 && port.activeMtu <= port.maxMtu, `active MTU ${port.activeMtu} of ${port.maxMtu}`);
      that(port.maxMsgSz > 0, 'maxMsgSz is 0');
      that(port.linkLayer === 1 || port.linkLayer === 2, `link layer ${port.linkLayer}`);
      // A LID is what InfiniBand addresses by; RoCE has none (annex A16.4.1).
      equal(port.lid !== 0, port.linkLayer === 1, 'has a LID, on a link layer of InfiniBand');
      await fails(a.queryPort(0), 'EINVAL', 'query of port 0');
      await fails(a.queryPort(2), 'EINVAL', 'query of port 2');
    },
  },
  {
    name: 'the tables of GIDs and P_Keys have an entry at index 0, and end where the port says',
    verbs: ['query_gid', 'query_pkey'],
    async run({ a, facts }) {
      const { gidTblLen, pkeyTblLen } = facts.port;
      that(/[1-9a-f]/.test(await a.queryGid(1, 0)), 'GID 0 is all zeros');
      await fails(a.queryGid(1, gidTblLen), ['EINVAL', 'ENOENT'], 'GID behind the table');
      that(((await a.queryPkey(1, 0)) & 0x7fff) !== 0, 'P_Key 0 is no key');
      // A program asks sysfs, where there is no such file.
      await fails(a.queryPkey(1, pkeyTblLen), ['EINVAL', 'ENOENT'], 'P_Key behind the table');
    },
  },
  {
    name: 'a protection domain is not deallocated while a region is in it',
    verbs: ['alloc_pd', 'dealloc_pd'],
    async run({ a }) {
      const [pd, other] = [await a.allocPd(), await a.allocPd()];
      that(pd !== other, 'two protection domains have one handle');
      const { mr } = await a.regMr(pd, { length: 64, access: 0 });
      await fails(a.destroy(pd), 'EBUSY', 'deallocating a PD with a region');
      await a.destroy(mr);
      await a.destroy(pd);
      await fails(a.destroy(pd), ['ENOENT', 'EINVAL'], 'deallocating a PD again');
      await a.destroy(other);
    },
  },
  {
    name: 'closing the context destroys what is left in it',
    verbs: ['close_device'],
    async run(lab) {
      const { mr } = await lab.a.regMr(await lab.a.allocPd(), { length: 64, access: 0 });
      if (lab.facts.qpTypes.length > 0) await lab.alone();
      await lab.a.reset();
      await fails(lab.a.destroy(mr), ['ENOENT', 'EINVAL'], 'an object of a context that was closed');
    },
  },
];
