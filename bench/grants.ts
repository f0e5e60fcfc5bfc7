/**
 * What a grant costs: the mesh beside itself, with callers whose role allows the call and callers whose grant does, in
 * turns on the same server, in the same run.
 */
import { issueGrant, delegateGrant, type Holder, type Signer } from '../src/domain/grants/sign.js';
import { MESH_ISSUER } from '../src/domain/grants/issuers.js';
import { ensureIssuer } from '../src/fabric/issuer.js';
import { privateKeyOf, publicKeyOf } from '../src/fabric/keys.js';
import { note, withRig } from './lifetime.js';
import { compareSides } from './compare.js';
import type { Side } from './measure.js';
import type { BenchOptions } from './options.js';
import type { User } from './protocol.js';
import { HOLDERS, type Rig } from './rig.js';
import { meshSide } from './sides.js';

const AGENTS = 10;
const HOUR_S = 3_600;

const MODES = ['none', 'one link', 'three links'] as const;

/** Run it and print a line for each way. */
export async function compareGrants(options: BenchOptions): Promise<void> {
  const rig = {
    sync: 'default' as const,
    gateways: 1,
    agents: AGENTS,
    profile: options.profile,
    grants: true,
  };
  await compareSides(options, 'grants', MODES, (order, work) =>
    withRig(rig, async (it) => work(await sidesOf(it, order))),
  );
}

async function sidesOf(rig: Rig, order: readonly string[]): Promise<Map<string, Side>> {
  const [first, second, third] = HOLDERS.map((name) => rig.users(name)) as [User, User, User];
  const issuer = await ensureIssuer(rig.dir);
  const terms = { exp: Math.floor(Date.now() / 1_000) + HOUR_S, can: ['order.>'], depth: 2, root: true };
  const who = { issuer: MESH_ISSUER, principal: first.name, holder: holderOf(first) };
  const one = await issueGrant(signerOf(issuer), who, { ...terms, actions: ['execute'] });
  const two = await delegateGrant(signerOf(first), one.text, holderOf(second), { root: true });
  const three = await delegateGrant(signerOf(second), two.text, holderOf(third), { root: true });
  note(`grants: ${one.text.length} bytes with one link, ${three.text.length} with three`);
  const base = meshSide(rig);
  const caller = async (user: User, grant: string): Promise<Side> => ({
    ...base,
    caller: await rig.start({ part: 'caller', user, url: rig.floorUser.url, grant }),
  });
  const granted = await caller(first, one.text);
  const delegated = await caller(third, three.text);
  const idle = (side: Side, ...others: readonly Side[]): Side => ({
    ...side,
    idle: [...side.idle, ...others.map((other) => other.caller)],
  });
  const sides = new Map<string, Side>([
    ['none', idle(base, granted, delegated)],
    ['one link', idle(granted, base, delegated)],
    ['three links', idle(delegated, base, granted)],
  ]);
  return new Map([...sides].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)));
}

function signerOf({ seed }: { readonly seed: string }): Signer {
  return { key: privateKeyOf(seed, 'the bench'), publicKey: publicKeyOf(seed, 'the bench') };
}

function holderOf({ name, seed }: User): Holder {
  return { name, publicKey: publicKeyOf(seed, name) };
}
