/** An error that tells the user what is wrong in one line; no stack is shown. */
export class CliError extends Error {
  override readonly name = 'CliError';
  /** 2: the command was not understood; 1: it was, and failed. */
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command line contradicts itself or asks for what there is not. */
export const usageError = (message: string): CliError => new CliError(message, 2);

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '');
