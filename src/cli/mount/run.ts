/**
 * What all mounts do: start, say so, stay until somebody stops them or they give up.
 */
import { MeshError } from '../../agent/index.js';
import type { Context } from '../context.js';
import { exitOfError, exits, note, say, sayError, sayJson } from '../output.js';
import { stopRequest } from '../stop.js';

/** Something mounted. */
export interface Mount {
  /** Resolves when it is over by itself: with the reason, or with nothing. */
  readonly ended?: Promise<MeshError | undefined>;
  close(): Promise<void>;
}

/** What is said of it when it is ready. */
export interface Said<M> {
  readonly facts: (mounted: M) => object;
  readonly report: (mounted: M) => string[];
}

/** Run it. Ends the process: a connection made on the way would keep it. */
export async function runMount<M extends Mount>(
  json: boolean,
  start: () => Promise<M>,
  { facts, report }: Said<M>,
): Promise<void> {
  const stopped = stopRequest();
  const mounted = await start().catch((err: unknown) => {
    sayError(err, json);
    process.exit(exitOfError(err));
  });
  if (json) {
    sayJson(facts(mounted));
  } else {
    say(...report(mounted));
  }
  const gaveUp = await Promise.race(mounted.ended === undefined ? [stopped] : [stopped, mounted.ended]);
  if (gaveUp !== undefined) {
    sayError(gaveUp, json);
  }
  await mounted.close();
  process.exit(gaveUp === undefined ? exits.completed : exits.failed);
}

/** The context of a mount; says how to make the credentials that are missing. */
export function contextFor(user: string, open: () => Context): Context {
  try {
    return open();
  } catch (err) {
    if (err instanceof MeshError && err.code === 'config_missing') {
      note(`${user} has no credentials here; mesh agents add ${user} makes them.`);
    }
    throw err;
  }
}
