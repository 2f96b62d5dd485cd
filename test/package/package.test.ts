// What `npm pack` makes is what users get: installed into an empty folder it runs, and its declarations fit.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { uniqueAddress, uniqueAddresses } from '../helpers/address.ts';
import { missing, requireProgram } from '../helpers/debian.ts';
import { repoPath, run } from '../helpers/run.ts';

interface Packed {
  filename: string;
  unpackedSize: number;
  files: { path: string; size: number; mode: number }[];
}

/** What each prints. */
const EXAMPLES: Record<string, readonly string[]> = {
  'hello-send.ts': ['bob: RECV of 11 bytes: hello, RDMA', 'alice: work request 2 ended with SUCCESS'],
  'remote-memory.ts': [
    'the server\'s memory: "written from afar"',
    'read back: "written from afar"',
    'the counter was 10, and is 15',
    'it was 15, so it is 100 now',
    'beyond the region: REM_ACCESS_ERR',
  ],
  'datagrams.ts': [0, 1, 2].flatMap((i) => [
    `server: "I am client ${i}" from QP of client ${i}`,
    `client ${i}: "I AM CLIENT ${i}"`,
  ]),
  'connect.ts': [
    'server: 127.0.0.1 reads',
    'client: All animals are equal, but some have RDMA.',
    'client: ECONNREFUSED: readers only',
  ],
  'psm2.ts': [
    'bob: number 2: "the second"',
    'bob: number 1: 1000000 bytes, ok: "first firs"',
    'alice: 6 times 7 is 42',
    'extension: EPROTONOSUPPORT: device rxe0 has no extension psm2',
  ],
  'stream.ts': ['5000000 bytes there; packed a hundred to one: true', 'unpacked they are the same'],
};

/** Unpacked. */
const LIMIT = 2_500_000;
const ROOT = repoPath('');
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const dir = mkdtempSync(join(tmpdir(), 'infinitive-package-'));
const app = join(dir, 'app');
const installed = join(app, 'node_modules', 'infinitive');

const npm = (args: string[], cwd: string): string =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 100_000 });

suite('the package', () => {
  let packed!: Packed;

  before(() => {
    // The build's own output goes to standard output, too.
    const output = npm(['pack', '--json', '--pack-destination', dir], ROOT);
    [packed] = JSON.parse(output.slice(output.search(/^\[/m))) as Packed[];
    mkdirSync(app);
    writeFileSync(join(app, 'package.json'), '{ "private": true, "type": "module" }');
    npm(['install', '--prefer-offline', '--no-audit', '--no-fund', join(dir, packed.filename)], app);
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  test('holds the built files and nothing of the workshop', () => {
    const paths = packed.files.map(({ path }) => path);
    const strangers = paths.filter(
      (path) => !/^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.*\.(js|d\.ts))$/.test(path),
    );
    assert.deepEqual(strangers, []);
    assert.ok(
      paths.includes('dist/api/index.js') && paths.includes('dist/api/index.d.ts') && paths.includes('LICENSE'),
    );
    assert.deepEqual(
      paths.filter((path) => /test|bench|example|captures/.test(path)),
      [],
    );
    // 2.1 MB: JavaScript and declarations of the device, connections, four drivers, the conformance suite and `infinitive run`.
    // What does not fit the limit is probably something that should not be in it.
    assert.ok(packed.unpackedSize < LIMIT, `${packed.unpackedSize} bytes`);
  });

  test('names no folder of the machine it was built on', () => {
    for (const { path } of packed.files) {
      const text = readFileSync(join(installed, path), 'utf8');
      assert.ok(!text.includes(ROOT.replace(/\/$/, '')), `${path} names ${ROOT}`);
      assert.doesNotMatch(text, /["'`(\s](\/work|\/root|\/home)\//, path);
    }
  });

  test('brings only what it needs', () => {
    const names = readdirSync(join(app, 'node_modules')).filter((name) => !name.startsWith('.'));
    for (const name of ['typescript', '@biomejs', 'fast-check', '@types', 'node'])
      assert.ok(!names.includes(name), name);
  });

  test('its command runs', async () => {
    const bin = join(app, 'node_modules', '.bin', 'infinitive');
    const version = await run(process.execPath, [bin, '--version'], { cwd: app });
    assert.deepEqual([version.status, version.stdout.trim(), version.stderr], [0, manifest.version, '']);
    const devices = await run(process.execPath, [bin, 'devices', '--help'], { cwd: app });
    assert.equal(devices.status, 0);
    const { status, stdout, stderr } = await run(process.execPath, [bin, 'devices'], { cwd: app });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /127\.0\.0\.1|\d+\.\d+\.\d+\.\d+/);
  });

  test('a program imports it, by import and by require', async () => {
    cpSync(new URL('consumer.ts', import.meta.url), join(app, 'consumer.ts'));
    const ran = await run(process.execPath, ['consumer.ts', uniqueAddress()], { cwd: app });
    assert.equal(ran.stderr, '');
    assert.equal(ran.stdout, 'installed 7\nEINVAL\nfunction true\n');
    assert.equal(ran.status, 0);
    const script = `console.log(typeof require('infinitive').openDevice, require('infinitive/package.json').version)`;
    const required = await run(process.execPath, ['--input-type=commonjs', '-e', script], { cwd: app });
    assert.equal(required.stdout, `function ${manifest.version}\n`, required.stderr);
    const inner = await run(process.execPath, ['-e', `import('infinitive/dist/core/keys.js')`], { cwd: app });
    assert.match(inner.stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
  });

  // They have addresses that newcomers will have: 127.0.0.1 and 127.0.0.2, in a network of their own where that can be.
  for (const [name, output] of Object.entries(EXAMPLES)) {
    test(`the example ${name} runs where the package is installed`, async (t) => {
      if (!requireProgram(t, 'unshare', 'util-linux') || !requireProgram(t, 'ip', 'iproute2')) return;
      cpSync(repoPath(`examples/${name}`), join(app, name));
      const user = process.getuid!() === 0 ? ['-n'] : ['-rn'];
      const script = `ip link set lo up && exec "$0" "$1"`;
      const args = [...user, 'sh', '-c', script, process.execPath, name];
      const ran = await run('unshare', args, { cwd: app });
      if (ran.stderr.startsWith('unshare:')) return missing(t, ran.stderr);
      assert.deepEqual([ran.status, ran.stderr], [0, '']);
      assert.equal(ran.stdout, output.map((line) => `${line}\n`).join(''));
    });
  }

  test('the example of a driver package passes the conformance suite, and is opened, where the package is installed', async () => {
    const driver = join(app, 'driver-package');
    cpSync(repoPath('examples/driver-package'), driver, { recursive: true });
    const [BARE_HERE, BARE_THERE] = uniqueAddresses(2);
    // Within a test runner Node would take the run for part of this one.
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined, BARE_HERE, BARE_THERE };
    const ran = await run('npm', ['test', '--silent'], { cwd: driver, env, timeout: 60_000 });
    assert.deepEqual([ran.status, ran.stderr], [0, ''], ran.stdout);
    assert.match(ran.stdout, /\bpass [78]\d\b/);
    assert.match(ran.stdout, /\bfail 0\b/);
  });

  test('every example is run', () => {
    const examples = readdirSync(repoPath('examples')).filter((name) => name !== 'driver-package');
    assert.deepEqual(examples.sort(), Object.keys(EXAMPLES).sort());
  });

  test('its declarations fit a strict program, and are themselves without errors', async () => {
    cpSync(new URL('consumer.ts', import.meta.url), join(app, 'consumer.ts'));
    cpSync(repoPath('examples/driver-package'), join(app, 'driver-package'), { recursive: true });
    const compilerOptions = {
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      allowImportingTsExtensions: true,
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: false,
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules', '@types')],
    };
    writeFileSync(
      join(app, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, include: ['consumer.ts', 'driver-package'] }),
    );
    const ran = await run(process.execPath, [join(ROOT, 'node_modules', '.bin', 'tsc'), '-p', app], { cwd: app });
    assert.deepEqual([ran.status, ran.stdout], [0, '']);
  });
});
