/**
 * The agent's side of a scenario: a process with one or several names, a witness to speak to, and orders of the stage.
 */
import { connect, type Mesh } from '../../../src/agent/index.js';
import { openWitness, type Say } from '../witness.js';

/** What every agent process is told. */
export interface Common {
  readonly url: string;
  /** Credentials files by name. */
  readonly creds: Readonly<Record<string, string>>;
  readonly witness: string;
}

/** What a process plays with. */
export interface Role<S> {
  readonly settings: S;
  readonly say: Say;
  /** Connect under one of its names. */
  readonly open: (name: string, concurrency: number) => Promise<Mesh>;
}

/** What it does when it is told something. */
export type Hear = (order: string) => void;

/** The variable that holds the settings. */
export const SETTINGS = 'SCENARIO';

const DRAIN_MS = 200;

/** Play: connect, serve, say that it is ready, and end with the stage. */
export async function play<S>(act: (role: Role<S>) => Promise<Hear | void>): Promise<void> {
  const settings = JSON.parse(process.env[SETTINGS] ?? '{}') as S & Common;
  const witness = openWitness(settings.witness);
  const open: Mesh[] = [];
  const hear = await act({
    settings,
    say: witness.say,
    open: async (name, concurrency) => {
      const mesh = await connect({ url: settings.url, creds: settings.creds[name] ?? '', concurrency });
      open.push(mesh);
      return mesh;
    },
  });
  process.on('message', (order) => hear?.(String(order)));
  process.once('disconnect', () => process.exit());
  process.on('SIGINT', () => undefined); // the stage stops us in its order
  process.once('SIGTERM', () => {
    void Promise.all(open.map((mesh) => mesh.close(DRAIN_MS))).finally(() => process.exit());
  });
  process.stdout.write('{"ready":true}\n');
}
