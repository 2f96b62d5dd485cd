// TCP connections on which two ends agree about RDMA, with errors that say what to do.
import { connect, type Server, type Socket } from 'node:net';
import { CliError, codeOf } from './errors.ts';

const CONNECT_MS = 10_000;

/** `command`: what must run at the other side. */
export function connectTcp(host: string, port: number, command: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error('no answer within 10 s')), CONNECT_MS);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      reject(connectError(host, port, command, error));
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeListener('error', failed);
      resolve(socket);
    });
  });
}

function connectError(host: string, port: number, command: string, error: Error): CliError {
  const code = codeOf(error);
  const where = `${host}, TCP port ${port}`;
  if (code === 'ECONNREFUSED') return new CliError(`nobody listens at ${where}: start "${command}" there first`);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return new CliError(`host "${host}" is unknown`);
  return new CliError(`cannot connect to ${where}: ${error.message || code}`);
}

/** Listens on all addresses; the port, chosen by the system if `port` is 0. */
export function listenTcp(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        codeOf(error) === 'EADDRINUSE'
          ? new CliError(`TCP port ${port} is in use, perhaps by another server of this kind: choose one with --port`)
          : new CliError(`cannot listen on TCP port ${port}: ${error.message}`),
      );
    });
    server.listen(port, () => resolve((server.address() as { port: number }).port));
  });
}
