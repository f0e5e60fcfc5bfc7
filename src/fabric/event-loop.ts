/**
 * The clock and the event loop of this process, for what takes them as arguments.
 */
export const eventLoop = {
  /** Milliseconds that only grow. */
  now: (): number => performance.now(),
  /** Let everything else that is due run, and come back. */
  pause: (): Promise<void> => new Promise((resolve) => setImmediate(resolve)),
  /** Run it later; it keeps no process alive. */
  after: (ms: number, run: () => void): void => void setTimeout(run, ms).unref(),
};
