/**
 * A mesh where identity says who connects, with a real OpenID provider, for attacks on proofs.
 */
import { connectBroker, type NatsConnection } from '../../src/fabric/connection.js';
import type { Log } from '../../src/wire/log.js';
import { startTestMesh, type TestMesh } from '../support/mesh.js';
import { AUDIENCE, goodClaims, startOidc, type Oidc } from '../support/oidc.js';

/** What somebody shows to get in. */
export interface Proof {
  readonly token?: string;
  readonly seed?: string;
  /** The name whose inbox is asked for. */
  readonly as?: string;
}

export interface LoginWorld {
  readonly mesh: TestMesh;
  readonly oidc: Oidc;
  /** Does the server let this in? Judged by its own list of connections. */
  enters(proof: Proof): Promise<boolean>;
  /** The connection of a proof, if it is let in. */
  open(proof: Proof): Promise<NatsConnection | undefined>;
  /** Claims of a token that is right, but for these. */
  claims(more?: object): Record<string, unknown>;
  /** A token that is right, but for these. */
  token(more?: object, header?: Record<string, unknown>): Promise<string>;
  admin(what: string, body: object): Promise<Record<string, unknown>>;
  /** Everything that control, identity and gateways have logged. */
  readonly lines: readonly string[];
  stop(): Promise<void>;
}

const NAMES = ['me', 'worker', 'newcomer', 'o-shop', 'o-stock', 'o-short', 'o-out'];
const ROLES = { shop: 'caller', stock: 'agent', short: 'caller', out: 'caller' };

/** Start it. */
export async function openLogin(): Promise<LoginWorld> {
  const oidc = await startOidc(Object.keys(ROLES));
  const lines: string[] = [];
  const note = (facts: object, message: string): void =>
    void lines.push(JSON.stringify({ ...facts, message }));
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const name = { claim: 'client_id', prefix: 'o-' };
  const issuer = {
    issuer: oidc.issuer,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    name,
    role: { claim: 'sub', map: ROLES },
  };
  const mesh = await startTestMesh({
    users: { me: 'caller', worker: 'agent', 'o-taken': 'caller' },
    policy: {
      version: 1,
      roles: { all: { call: ['>'], serve: ['>'], mayRoot: true } },
      members: Object.fromEntries(NAMES.map((one) => [one, ['all']])),
    },
    identity: { rules: JSON.stringify({ version: 1, session: 600, issuers: [issuer] }) },
    log,
  });
  const control = await mesh.broker('control');
  let nth = 0;
  const tryToOpen = async (proof: Proof, label: string): Promise<NatsConnection | undefined> => {
    const { token, seed, as = 'o-shop' } = proof;
    return await connectBroker({
      url: mesh.url,
      name: as,
      label,
      ...(token === undefined ? {} : { token: () => token }),
      ...(seed === undefined ? {} : { seed }),
      timeoutMs: 2_000,
      maxReconnect: 0,
    }).catch(() => undefined);
  };
  const claims = (more: object = {}) => ({ ...goodClaims(oidc.issuer, 'shop'), ...more });
  return {
    mesh,
    oidc,
    lines,
    claims,
    token: (more = {}, header = {}) => oidc.sign(claims(more), header),
    open: (proof) => tryToOpen(proof, `guest-${++nth}`),
    enters: async (proof) => {
      const label = `guest-${++nth}`;
      const nc = await tryToOpen(proof, label);
      const reply = await control.request('$SYS.REQ.ACCOUNT.PING.CONNZ', '{"auth":true}', { timeout: 2_000 });
      await nc?.close();
      return reply.string().includes(`"${label}"`);
    },
    admin: async (what, body) =>
      (
        await mesh.operator.request(`mesh.v1.admin.operator.${what}`, JSON.stringify(body), {
          timeout: 5_000,
        })
      ).json(),
    stop: async () => {
      await mesh.stop();
      await oidc.stop();
    },
  };
}
