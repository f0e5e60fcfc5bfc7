/**
 * The mesh that is attacked, with everybody in it: the shipped configuration, members in every position, and what the
 * judges look at. Nothing here knows how the mesh is hosted.
 */
import { newCallId, type Mesh, type MeshError } from '../../src/agent/index.js';
import { taskToken } from '../../src/domain/ticket.js';
import type { NatsConnection } from '../../src/fabric/connection.js';
import { createUserKey, privateKeyOf, publicKeyOf } from '../../src/fabric/keys.js';
import { readSecrets, ringOf } from '../../src/fabric/keyring.js';
import { readIssuer } from '../../src/fabric/issuer.js';
import { getLast } from '../../src/fabric/reader.js';
import type { StreamName } from '../../src/wire/generated/streams.js';
import type { Member } from '../support/grants.js';
import { openBooks, person, type Books, type Person } from '../support/approvals.js';
import { startTestMesh, until, type TestMesh } from '../support/mesh.js';
import { settled } from './wire.js';
import type { LoginWorld } from './login.js';
import type { NaiveServer } from './naive.js';
import { openTown, type Town } from './town.js';
import { POLICY, USERS } from './policy.js';

/** How the suite gets its mesh; another set-up may host the same parts in another way. */
export type SetUp = typeof startTestMesh;

/** What was said of one call. */
export interface Told {
  /** The status of the outcome, or `completed`. */
  readonly status: string;
  readonly code: string;
  readonly value?: unknown;
  readonly error?: MeshError;
}

/** Parts that are started when the first attack asks for them. */
export interface Lazy {
  readonly login: () => Promise<LoginWorld>;
  readonly naive: () => Promise<NaiveServer>;
  /** The same mesh on a server that lets members do everything. */
  readonly open: () => Promise<World>;
}

export interface World extends Lazy {
  readonly mesh: TestMesh;
  readonly town: Town;
  readonly books: Books;
  /** An issuer of grants that stands in the policy beside the mesh's own. */
  readonly corp: Member;
  /** Secrets that no member has; attacks that need them say that they leaked. */
  readonly secrets: { readonly ingress: string; readonly victimToken: string };
  /** The raw connection of a user, or a further one. */
  raw(name: string): NatsConnection;
  /** The SDK of a user. */
  sdk(name: string): Mesh;
  /** A person at the approval service. */
  person(name: string): Person;
  /** This member with the key it has, or the mesh as an issuer. */
  member(name: string): Member;
  /** Everything that these users said has been routed, and a good call behind it is done. */
  settle(): Promise<void>;
  stored(stream: StreamName, subject: string): Promise<boolean>;
  /** Why an attack that must fail did not, or a control that must work did not: for whoever reads the report. */
  note(text: string): void;
  readonly notes: string[];
  stop(): Promise<void>;
}

const ATTACKERS = ['mallory', 'evil', 'crony', 'vera'];

/** Start it. `widen` changes the configuration before anybody is attacked. */
export async function openWorld(
  lazy: Lazy,
  setUp: SetUp = startTestMesh,
  widen: (mesh: TestMesh) => Promise<void> = () => Promise.resolve(),
): Promise<World> {
  const corpKey = createUserKey();
  const corp: Member = { name: 'corp', ...corpKey, key: privateKeyOf(corpKey.seed, 'corp') };
  const mesh = await setUp({ users: USERS, policy: POLICY.replace('{{corp}}', corp.publicKey) });
  await widen(mesh);
  const names = [...Object.keys(USERS), 'gateway', 'control'];
  const raws = new Map<string, NatsConnection>(
    await Promise.all(names.map(async (name) => [name, await mesh.broker(name)] as const)),
  );
  raws.set('operator', mesh.operator);
  const town = await openTown(mesh);
  const secrets = await readSecrets(mesh.operator);
  const ring = await ringOf(mesh.operator, secrets);
  const of = <T>(map: ReadonlyMap<string, T>, name: string): T => {
    const found = map.get(name);
    if (found === undefined) {
      throw new Error(`nobody is called ${name}`);
    }
    return found;
  };
  const notes: string[] = [];
  const books = await openBooks(mesh.operator);
  const world: World = {
    mesh,
    town,
    books,
    corp,
    ...lazy,
    secrets: {
      ingress: secrets.ingress,
      victimToken: taskToken(ring, 'victim', of(town.members, 'victim').instance),
    },
    raw: (name) => of(raws, name),
    sdk: (name) => of(town.members, name),
    person: (name) => person(of(raws, name), name),
    member: (name) => memberOf(mesh, name),
    settle: async () => {
      const all = [...raws.values()];
      await settled(...all);
      await of(town.members, 'alice').call('pay.out', { n: 0 });
    },
    stored: async (stream, subject) =>
      (await getLast(mesh.operator, stream, subject).catch(() => undefined)) !== undefined,
    note: (text) => void notes.push(text),
    notes,
    stop: async () => {
      books.stop();
      await mesh.stop();
    },
  };
  return world;
}

/** Those whom the configuration of a naive mesh lets do everything. */
export const attackers: ReadonlySet<string> = new Set(ATTACKERS);

function memberOf(mesh: TestMesh, name: string): Member {
  if (name === 'mesh') {
    const issuer = readIssuer(mesh.dir);
    const seed = issuer?.seed ?? '';
    return { name, seed, publicKey: issuer?.publicKey ?? '', key: privateKeyOf(seed, name) };
  }
  const { seed } = mesh.credentials(name);
  return { name, seed, publicKey: publicKeyOf(seed, name), key: privateKeyOf(seed, name) };
}

/** What became of a call. */
export async function told(work: Promise<unknown>): Promise<Told> {
  return await work.then(
    (value) => ({ status: 'completed', code: 'completed', value }),
    (error: MeshError) => ({ status: error.status ?? 'local', code: error.code, error }),
  );
}

/** A call that did not complete with any of these codes, or did. */
export const fresh = newCallId;

export { until };
