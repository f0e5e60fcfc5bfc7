/**
 * A text file that may change while we run.
 */
import { readFileSync, watchFile, unwatchFile } from 'node:fs';
import { meshError } from '../wire/errors.js';

/** How often files are looked at. */
export const CHECK_MS = 500;

/** The text of a file. Throws config_missing. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (err) {
    throw meshError('config_missing', { what: file }, err);
  }
}

/** A file that is watched. */
export interface WatchedText {
  /** Look now, not only at the next time. */
  readonly look: () => void;
  readonly stop: () => void;
}

/** Call `onText` when the content of the file changes; a file that is away is left alone. */
export function watchText(file: string, onText: (text: string) => void): WatchedText {
  let last = readText(file);
  const look = () => {
    try {
      const text = readText(file);
      if (text !== last) {
        last = text;
        onText(text);
      }
    } catch {
      // being replaced right now; the next look will find it
    }
  };
  watchFile(file, { interval: CHECK_MS, persistent: false }, look);
  return { look, stop: () => unwatchFile(file, look) };
}
