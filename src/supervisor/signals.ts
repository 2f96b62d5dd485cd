// Signals of a run: the program shares its terminal and process group.

/** Those that somebody sends to the run by its process id, meaning the program. */
const PASSED = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
/** Those that the terminal sends to the program as well. */
const IGNORED = ['SIGINT', 'SIGQUIT'] as const;

/** Passes signals on to the process `pid` (0: none yet) and outlives them; returns what ends that. */
export function passSignals(pid: () => number): () => void {
  const ignore = (): void => {};
  const pass = (signal: NodeJS.Signals): void => {
    if (pid() === 0) return;
    try {
      process.kill(pid(), signal);
    } catch {
      // It has just ended.
    }
  };
  for (const name of PASSED) process.on(name, pass);
  for (const name of IGNORED) process.on(name, ignore);
  return () => {
    for (const name of PASSED) process.off(name, pass);
    for (const name of IGNORED) process.off(name, ignore);
  };
}
