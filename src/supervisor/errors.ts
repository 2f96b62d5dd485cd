/** A run that could not be started; `exitCode` as shells have it: 127: there is no such program, 126: it cannot be executed. */
export class RunError extends Error {
  override readonly name = 'RunError';
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '');

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
