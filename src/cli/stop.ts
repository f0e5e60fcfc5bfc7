/**
 * The wish to stop, for commands that stay.
 */
import { exits, note } from './output.js';

/** Resolves at the first wish to stop. At the second signal the process ends as it is. */
export function stopRequest(): Promise<undefined> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) {
        note(`${signal} again: ending at once`);
        process.exit(exits.failed);
      }
      asked = true;
      resolve(undefined);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
    // Started by another command of ours: the channel closes when that dies, however it dies.
    process.once('disconnect', () => resolve(undefined));
  });
}
