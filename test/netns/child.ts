// A program in a namespace that is talked with in lines of JSON.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Child {
  readonly process: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private errors = '';

  constructor(namespace: string, command: string, args: readonly string[]) {
    this.process = spawn('ip', ['netns', 'exec', namespace, command, ...args], { stdio: 'pipe' });
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
  }

  get stderr(): string {
    return this.errors;
  }

  async read<T>(): Promise<T> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`it ended early: ${this.errors}`);
    return JSON.parse(value) as T;
  }

  write(value: unknown): void {
    this.process.stdin!.write(`${JSON.stringify(value)}\n`);
  }

  /** Waits until standard error has `text`. */
  async says(text: string): Promise<void> {
    const end = performance.now() + 5000;
    while (!this.errors.includes(text)) {
      if (performance.now() > end || this.process.exitCode !== null) throw new Error(`no "${text}" in: ${this.errors}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  end(signal?: NodeJS.Signals): Promise<number | null> {
    const { process } = this;
    if (process.exitCode !== null) return Promise.resolve(process.exitCode);
    const ended = new Promise<number | null>((resolve) => process.once('exit', resolve));
    if (signal === undefined) process.stdin!.end();
    else process.kill(signal);
    return ended;
  }
}
