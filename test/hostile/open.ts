/**
 * The worlds of one run: the mesh under attack, and whatever its controls need beside it, started when first asked for.
 */
import { startTestMesh, type TestMesh } from '../support/mesh.js';
import type { LoginWorld } from './login.js';
import { openLogin } from './login.js';
import { startNaive, type NaiveServer } from './naive.js';
import { widen } from './widen.js';
import { attackers, openWorld, type SetUp, type World } from './world.js';

export interface Worlds {
  readonly world: World;
  readonly open: () => Promise<World>;
  stop(): Promise<void>;
}

/** Start them. `setUp` hosts the mesh under attack. */
export async function openWorlds(setUp: SetUp = startTestMesh): Promise<Worlds> {
  const stops: (() => Promise<void>)[] = [];
  const once = <T extends { stop(): Promise<void> }>(start: () => Promise<T>): (() => Promise<T>) => {
    let started: Promise<T> | undefined;
    return () =>
      (started ??= start().then((one) => {
        stops.push(() => one.stop());
        return one;
      }));
  };
  const login = once<LoginWorld>(openLogin);
  const naive = once<NaiveServer>(startNaive);
  const everything = (mesh: TestMesh) =>
    widen(mesh, { users: ({ name }) => attackers.has(name), publish: ['>'], subscribe: ['>'] });
  const open: () => Promise<World> = once(() => openWorld(lazy, startTestMesh, everything));
  const lazy = { login, naive, open };
  const world = await openWorld(lazy, setUp);
  stops.push(() => world.stop());
  return {
    world,
    open,
    stop: async () => {
      for (const stop of stops.toReversed()) {
        await stop().catch(() => undefined);
      }
    },
  };
}
