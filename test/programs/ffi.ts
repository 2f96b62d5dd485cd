import { repoPath } from '../helpers/run.ts';
import type { ProgramCase } from './case.ts';

/** Not only C programs call libibverbs. */
export const ffi: ProgramCase = {
  name: 'node ffi-app.ts (TypeScript, libibverbs through FFI)',
  package: 'ibverbs-utils',
  program: 'ibv_devices',
  command: [process.execPath, repoPath('test/programs/ffi-app.ts')],
  expect: /status 0: "written through FFI"/,
};
