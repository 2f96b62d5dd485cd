// What `npm run test:programs` runs: a program of a Debian package, alone or as server and client.

export interface ProgramCase {
  /** As the table prints it. */
  readonly name: string;
  /** The Debian package that has the program. */
  readonly package: string;
  /** What of the package must be installed; the command's first word unless told. */
  readonly program?: string;
  /** The program alone, or the client of a pair, to which the server's address is added. `{ip}` is the server's device's. */
  readonly command: readonly string[];
  /** The server's command line; the same program mostly. */
  readonly server?: readonly string[];
  /** TCP port that the server listens on; without one the client is told the server's device's address, and finds out itself. */
  readonly port?: number;
  /** Options of `infinitive run`. */
  readonly options?: readonly string[];
  /** Pairs run as two programs under one `run`, or as two `run`s that talk over the network. */
  readonly runs?: 1 | 2;
  /** Left out by --quick. */
  readonly long?: boolean;
  /** Must be found in the (client's) output. */
  readonly expect?: RegExp;
  /** What is wrong with the output; empty: nothing. */
  readonly check?: (output: string) => string;
  readonly timeoutS?: number;
}
