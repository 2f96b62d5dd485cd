// PSM2, as MPI libraries use it: messages find their receives by tag. Run: node psm2.ts
import { openDevice, PsmEndpoint, type PsmTag, psm2 } from 'infinitive';

// All ranks of a job know its name.
const uuid = Buffer.alloc(16, 'a job of two');
await using hostOfAlice = await openDevice({ driver: 'hfi1', address: '127.0.0.1' });
await using hostOfBob = await openDevice({ driver: 'hfi1', address: '127.0.0.2' });

const [alicePd, bobPd] = [hostOfAlice.allocPd(), hostOfBob.allocPd()];
using alice = new PsmEndpoint(hostOfAlice.extension(psm2), { pd: alicePd, uuid });
using bob = new PsmEndpoint(hostOfBob.extension(psm2), { pd: bobPd, uuid });

// An epid is a number. Between two machines it would go over a socket, or any other way.
const toBob = await alice.connect(bob.epid);

// A tag has 96 bits, and what they mean is the program's: here a context, a rank, and a number.
const tag = (number: number): PsmTag => [1, 0, number];
const ALL: PsmTag = [0xffffffff, 0xffffffff, 0xffffffff];
const NONE: PsmTag = [0, 0, 0];

// Bob waits for number 2 first, and then for anything from anybody.
const inbox = bobPd.regMr(Buffer.alloc(1_000_100));
const second = bob.irecv(alice.epid, tag(2), ALL, { mr: inbox, length: 100 });
const any = bob.irecv(null, NONE, NONE, { mr: inbox, offset: 100 });

// A short message is sent at once; of a long one Bob reads the bytes when he has where to.
const short = alicePd.regMr(Buffer.from('the second'));
const long = alicePd.regMr(Buffer.alloc(1_000_000, 'first '));
const sent = [alice.isend(toBob, tag(1), { mr: long }), alice.isend(toBob, tag(2), { mr: short })];
for (const request of sent) await request.wait();

await second.wait();
console.log(`bob: number ${second.tag[2]}: "${inbox.buffer.toString('utf8', 0, second.length)}"`);
await any.wait();
console.log(
  `bob: number ${any.tag[2]}: ${any.length} bytes, ${any.status}: "${inbox.buffer.toString('utf8', 100, 110)}"`,
);

// An active message runs a function at the other end, which may answer.
bob.onActive(7, ({ args: [a, b], reply }) => reply(8, [a * b]));
const product = new Promise((resolve) => alice.onActive(8, ({ args: [answer] }) => resolve(answer)));
await alice.active(toBob, 7, [6n, 7n]);
console.log(`alice: 6 times 7 is ${await product}`);

// A device of another driver has other extensions, or none.
await using roce = await openDevice({ address: '127.0.0.3' });
try {
  roce.extension(psm2);
} catch (error) {
  console.log((error as Error).message);
}
