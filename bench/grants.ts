/**
 * What a grant costs: the mesh beside itself, with callers whose role allows the call and callers whose grant does, in
 * turns on the same server, in the same run.
 */
import { issueGrant, delegateGrant, type Holder, type Signer } from '../src/domain/grants/sign.js';
import { MESH_ISSUER } from '../src/domain/grants/issuers.js';
import { ensureIssuer } from '../src/fabric/issuer.js';
import { privateKeyOf, publicKeyOf } from '../src/fabric/keys.js';
import { table } from '../src/cli/output.js';
import { note, withRig } from './lifetime.js';
import { measure, type Measured, type Side } from './measure.js';
import type { BenchOptions } from './options.js';
import type { User } from './protocol.js';
import { median } from './report.js';
import { HOLDERS, type Rig } from './rig.js';
import { meshSide } from './sides.js';

const RAMP_MS = 200;
const AGENTS = 10;
const HOUR_S = 3_600;

/** Run it and print a line for each way. */
export async function compareGrants(options: BenchOptions): Promise<void> {
  const rig = {
    sync: 'default' as const,
    gateways: 1,
    agents: AGENTS,
    profile: options.profile,
    grants: true,
  };
  await withRig(rig, async (it) => run(options, await sidesOf(it)));
}

async function sidesOf(rig: Rig): Promise<Map<string, Side>> {
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
  return new Map([
    ['none', idle(base, granted, delegated)],
    ['one link', idle(granted, base, delegated)],
    ['three links', idle(delegated, base, granted)],
  ]);
}

function signerOf({ seed }: { readonly seed: string }): Signer {
  return { key: privateKeyOf(seed, 'the bench'), publicKey: publicKeyOf(seed, 'the bench') };
}

function holderOf({ name, seed }: User): Holder {
  return { name, publicKey: publicKeyOf(seed, name) };
}

async function run(options: BenchOptions, sides: ReadonlyMap<string, Side>): Promise<void> {
  const rows: string[][] = [];
  for (const side of sides.values()) {
    await look(side, Math.max(...options.inFlight), options.warmProcessMs / 1_000);
  }
  for (const inFlight of options.inFlight) {
    const seen = new Map<string, Measured[]>([...sides.keys()].map((name) => [name, []]));
    for (let round = 0; round < options.rounds; round++) {
      // There and back again: whatever drifts during a round touches each alike.
      for (const [name, side] of round % 2 === 0 ? [...sides] : [...sides].reverse()) {
        seen.get(name)?.push(await look(side, inFlight, options.seconds));
      }
      const ops = [...seen].map(([name, list]) => `${name} ${Math.round(list.at(-1)?.opsPerSec ?? 0)}`);
      note(`  ${inFlight} in flight, round ${round + 1}: ${ops.join(', ')} calls/s`);
    }
    const base = seen.get('none') ?? [];
    for (const [name, list] of seen) {
      rows.push(rowOf(options, name, inFlight, list, base));
    }
  }
  if (!options.json) {
    const head = ['grant', 'in flight', 'ratio', 'worst', 'calls/s', 'p50', 'gateway CPU', 'others'];
    process.stdout.write(`${table(rows, head).join('\n')}\n`);
  }
}

function look(side: Side, inFlight: number, seconds: number): Promise<Measured> {
  return measure(side, { inFlight, rampMs: RAMP_MS, windowMs: seconds * 1_000 });
}

function rowOf(
  { json }: BenchOptions,
  grant: string,
  inFlight: number,
  list: readonly Measured[],
  base: readonly Measured[],
): string[] {
  const ratios = list.map((one, i) => one.opsPerSec / (base[i]?.opsPerSec ?? Number.NaN));
  const costs = list.map(({ cpuUsPerCall }) => cpuUsPerCall.gateway).filter((us) => us !== null);
  const summary = {
    name: 'grants',
    grant,
    inFlight,
    rounds: list.length,
    opsPerSec: Math.round(median(list.map(({ opsPerSec }) => opsPerSec))),
    p50us: Math.round(median(list.map(({ p50us }) => p50us))),
    cpuUsPerCall: list[Math.floor(list.length / 2)]?.cpuUsPerCall,
    gatewayUs: costs.length === 0 ? null : Number(median(costs).toFixed(1)),
    ratio: Number(median(ratios).toFixed(3)),
    worst: Number(Math.min(...ratios).toFixed(3)),
    foreignCpu: Number(Math.max(...list.map((one) => one.foreignCpu)).toFixed(3)),
  };
  if (json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  }
  const { opsPerSec, p50us, gatewayUs, ratio, worst, foreignCpu } = summary;
  return [
    grant,
    String(inFlight),
    ratio.toFixed(3),
    worst.toFixed(3),
    String(opsPerSec),
    `${p50us} µs`,
    `${gatewayUs ?? '?'} µs`,
    `${Math.round(foreignCpu * 100)} %`,
  ];
}
