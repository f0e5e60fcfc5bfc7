/**
 * The files of a policy: the main one, and those that it names.
 */
import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CHECK_MS, readText, type WatchedText } from './file.js';

/** The texts of a policy. */
export interface PolicyTexts {
  readonly text: string;
  /** Files of owners, by their paths as the main one writes them. Those that cannot be read are missing. */
  readonly files: Readonly<Record<string, string>>;
}

/** Paths that a text names, from the folder of its file. */
export type NamesIn = (text: string) => readonly string[];

/** Read them. Throws config_missing when the main one is away. */
export function readPolicyTexts(file: string, namesIn: NamesIn): PolicyTexts {
  const text = readText(file);
  const files = namesIn(text).flatMap((name): [string, string][] => {
    try {
      return [[name, readFileSync(resolve(dirname(file), name), 'utf8')]];
    } catch {
      return []; // whoever reads the policy says so, with the place where it is named
    }
  });
  return { text, files: Object.fromEntries(files) };
}

/** Call `onTexts` when the content of one of them changes; a main file that is away is left alone. */
export function watchPolicyTexts(
  file: string,
  allNamesIn: NamesIn,
  onTexts: (texts: PolicyTexts) => void,
): WatchedText {
  const namesIn = remembering(allNamesIn);
  let last = readPolicyTexts(file, namesIn);
  let watched = new Set<string>();
  const look = (): void => {
    let now: PolicyTexts;
    try {
      now = readPolicyTexts(file, namesIn);
    } catch {
      return; // being replaced right now; the next look will find it
    }
    const same = JSON.stringify(now) === JSON.stringify(last);
    last = now;
    follow();
    if (!same) {
      onTexts(now);
    }
  };
  const follow = (): void => {
    const paths = new Set([file, ...namesIn(last.text).map((name) => resolve(dirname(file), name))]);
    [...watched].filter((path) => !paths.has(path)).forEach((path) => unwatchFile(path, look));
    [...paths]
      .filter((path) => !watched.has(path))
      .forEach((path) => watchFile(path, { interval: CHECK_MS, persistent: false }, look));
    watched = paths;
  };
  follow();
  return { look, stop: () => watched.forEach((path) => unwatchFile(path, look)) };
}

/** Most looks find the same text, and finding its names may mean reading all of it. */
function remembering(namesIn: NamesIn): NamesIn {
  let known: { readonly text: string; readonly names: readonly string[] } | undefined;
  return (text) => {
    if (known?.text !== text) {
      known = { text, names: namesIn(text) };
    }
    return known.names;
  };
}
