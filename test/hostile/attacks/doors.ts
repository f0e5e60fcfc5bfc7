/**
 * From outside, and from beside: the socket, other listeners, files, arguments, logs.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createUserKey } from '../../../src/fabric/keys.js';
import { readSecrets } from '../../../src/fabric/keyring.js';
import { anyOf, type Attack } from '../attack.js';
import { connectLine, openSocket } from '../raw-socket.js';
import { heard } from '../wire.js';
import { until, type World } from '../world.js';

const port = (w: World): number => w.mesh.server.port;

/** Does the server take this as a proof, or as none? */
async function letsIn(at: number, line: (nonce: string) => string): Promise<boolean> {
  const raw = await openSocket(at);
  const inside = await raw.tell(line(raw.nonce), /PONG/);
  raw.end();
  return inside;
}

const connectAs = (facts: object): string =>
  `CONNECT ${JSON.stringify({ verbose: false, ...facts })}\r\nPING\r\n`;
const alices = (w: World): string => w.mesh.credentials('alice').seed;
const ownKey = (w: World): Promise<boolean> => letsIn(port(w), (nonce) => connectLine(alices(w), nonce));

/** Ports that a process listens on, as the kernel has them. */
function portsOf(pid: number): number[] {
  const sockets = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const LISTEN = '0A';
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode = '']) => state === LISTEN && sockets.has(inode))
      .map(([, local = '']) => Number.parseInt(local.split(':')[1] ?? '', 16)),
  );
}

/** Files below a folder that hold this text and that others than the owner may read. */
function openFiles(dir: string, holds: (text: string) => boolean): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => join(dir, name))
    .filter((path) => statSync(path).isFile() && (statSync(path).mode & 0o077) !== 0)
    .filter((path) => holds(readFileSync(path, 'latin1')));
}

/** What must never be told: seeds of users, the ingress, tokens of tasks. */
function secretsOf(w: World): string[] {
  const seeds = ['alice', 'evil', 'gateway', 'control', 'operator'].map(
    (name) => w.mesh.credentials(name).seed,
  );
  return [...seeds, w.secrets.ingress, w.secrets.victimToken, w.member('mesh').seed];
}

export const doors: Attack[] = [
  {
    id: 'no-credentials',
    position: 'outsider',
    attack: 'Connect with nothing, with a password, a token, a made-up user JWT, or a key that nobody knows.',
    mechanism: 'The server lists its users by key and has no user for those who show none (no_auth_user)',
    enforcedBy: 'broker',
    attempt: (w) => {
      const jwt = `${Buffer.from('{"alg":"ed25519-nkey"}').toString('base64url')}.${Buffer.from('{"sub":"U","nats":{}}').toString('base64url')}.x`;
      const lines = [
        {},
        { user: 'operator', pass: 'operator' },
        { user: 'sys', pass: 'sys' },
        { auth_token: 'x' },
        { jwt },
        { user: '' },
      ];
      return anyOf(
        [
          ...lines.map((facts) => () => connectAs(facts)),
          (nonce: string) => connectLine(createUserKey().seed, nonce),
          (nonce: string) => connectLine(createUserKey().seed, nonce, { user: 'alice' }),
        ],
        (line) => letsIn(port(w), line),
      );
    },
    control: ownKey,
    naive: {
      where: 'on a server with no_auth_user',
      attempt: async (w) => letsIn((await w.naive()).port, () => connectAs({})),
    },
  },
  {
    id: 'replay-a-signature',
    position: 'stolen',
    attack: 'Connect with the public key and the signature that were seen on another connection.',
    mechanism: 'A proof signs the nonce of its own connection',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const first = await openSocket(port(w));
      const stolen = connectLine(alices(w), first.nonce);
      const entered = await first.tell(stolen, /PONG/);
      first.end();
      return !entered || (await letsIn(port(w), () => stolen));
    },
    control: ownKey,
    naive: {
      where: 'on a server that asks for no signature',
      attempt: async (w) => letsIn((await w.naive()).port, () => connectAs({ nkey: 'U', sig: 'x' })),
    },
  },
  {
    id: 'speak-before-the-proof',
    position: 'outsider',
    attack: 'Publish and subscribe before, or without, connecting.',
    mechanism: 'The server acts on nothing before the proof of a connection was accepted',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const to = 'mesh.v1.call.alice.pay.early';
      const got = await heard(w.mesh.operator, to, undefined, async () => {
        const raw = await openSocket(port(w));
        await raw.tell(`PUB ${to} 2\r\n{}\r\nSUB > 1\r\nPING\r\n`, /PONG|ERR/);
        raw.end();
      });
      return got.length > 0;
    },
    control: async (w) => {
      const to = 'mesh.v1.call.alice.pay.early';
      const got = await heard(w.mesh.operator, to, undefined, async () => {
        const raw = await openSocket(port(w));
        await raw.tell(connectLine(alices(w), raw.nonce), /PONG/);
        await raw.tell(`PUB ${to} 2\r\n{}\r\nPING\r\n`, /PONG/);
        raw.end();
      });
      return got.length === 1;
    },
  },
  {
    id: 'other-doors',
    position: 'outsider',
    attack: 'Look for another listener: monitoring, websocket, MQTT, leaf nodes, routes.',
    mechanism: 'The shipped configuration opens one port, on loopback, and no other protocol',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const spoken = await anyOf(
        [
          'GET /varz HTTP/1.1\r\nHost: x\r\n\r\n',
          'GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
          '\u0010\u000c\u0000\u0004MQTT\u0004\u0002\u0000<\u0000\u0000',
        ],
        async (bytes) => {
          const raw = await openSocket(port(w));
          const answered = await raw.tell(bytes, /HTTP\/1/);
          raw.end();
          return answered;
        },
      );
      return spoken || portsOf(w.mesh.server.pid).some((one) => one !== port(w));
    },
    control: ownKey,
    naive: {
      where: 'on a server with monitoring and websocket',
      attempt: async (w) => {
        const { httpPort } = await w.naive();
        return (await fetch(`http://127.0.0.1:${httpPort}/varz`)).ok;
      },
    },
  },
  {
    id: 'wait-at-the-door',
    position: 'outsider',
    attack: 'Open connections, prove nothing, and keep them.',
    mechanism: 'A connection without a proof is cut after seconds',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const silent = await Promise.all(Array.from({ length: 50 }, () => openSocket(port(w))));
      await w.sdk('alice').call('pay.out', { n: 0 }); // others are served meanwhile
      const cut = await until(() => silent.every((raw) => raw.closed()), 6_000).catch(() => false);
      silent.forEach((raw) => raw.end());
      return !cut;
    },
    control: async (w) => {
      const raw = await openSocket(port(w));
      const inside = await raw.tell(connectLine(alices(w), raw.nonce), /PONG/);
      const stays = inside && (await raw.tell('PING\r\n', /PONG/));
      raw.end();
      return stays;
    },
  },
  {
    id: 'too-much-at-once',
    position: 'caller',
    attack: 'Send a message of megabytes, or a line without end.',
    mechanism: 'max_payload and max_control_line end the connection that sends more, and nobody else’s',
    enforcedBy: 'broker',
    attempt: async (w) => {
      const to = 'mesh.v1.call.alice.pay.huge';
      const got = await heard(w.mesh.operator, to, undefined, async () => {
        for (const bytes of [
          `PUB ${to} 8000000\r\n${'x'.repeat(2_000_000)}`,
          `PUB ${'a'.repeat(100_000)} 2\r\n{}\r\n`,
        ]) {
          const raw = await openSocket(port(w));
          await raw.tell(connectLine(alices(w), raw.nonce), /PONG/);
          await raw.tell(bytes, /ERR/);
          raw.end();
        }
        await w.sdk('alice').call('pay.out', { n: 0 });
      });
      return got.length > 0;
    },
    control: async (w) => {
      const to = 'mesh.v1.call.alice.pay.large';
      const got = await heard(w.mesh.operator, to, undefined, async () => {
        const raw = await openSocket(port(w));
        await raw.tell(connectLine(alices(w), raw.nonce), /PONG/);
        await raw.tell(`PUB ${to} 900000\r\n${'x'.repeat(900_000)}\r\nPING\r\n`, /PONG/);
        raw.end();
      });
      return got.length === 1;
    },
  },
  {
    id: 'read-the-files',
    position: 'reader',
    attack: 'Read seeds, rings and configurations out of the data folder as another user of the machine.',
    mechanism: 'The data folder is closed to everybody but its owner, with all that lies in it',
    enforcedBy: 'host',
    attempt: (w) =>
      Promise.resolve(
        openFiles(w.mesh.dir, (text) => secretsOf(w).some((secret) => text.includes(secret))).length > 0 &&
          (statSync(w.mesh.dir).mode & 0o077) !== 0,
      ),
    control: (w) =>
      Promise.resolve(readFileSync(join(w.mesh.dir, 'creds', 'alice.json'), 'utf8').includes(alices(w))),
  },
  {
    id: 'read-the-arguments',
    position: 'reader',
    attack: 'Read secrets out of the arguments and the environment of the server.',
    mechanism: 'Secrets go by files, never by arguments or variables of the server',
    enforcedBy: 'host',
    attempt: (w) => {
      const { pid } = w.mesh.server;
      const text =
        readFileSync(`/proc/${pid}/cmdline`, 'latin1') + readFileSync(`/proc/${pid}/environ`, 'latin1');
      return Promise.resolve(secretsOf(w).some((secret) => text.includes(secret)));
    },
    control: (w) =>
      Promise.resolve(
        readFileSync(`/proc/${w.mesh.server.pid}/cmdline`, 'latin1').includes('nats-server.conf'),
      ),
  },
  {
    id: 'read-the-logs',
    position: 'reader',
    attack:
      'Read seeds, tokens and the ingress out of the logs of the server, control, identity and gateways.',
    mechanism: 'Logs are written from facts that are named, and what is secret is not among them',
    enforcedBy: 'host',
    attempt: async (w) => {
      const l = await w.login();
      const token = await l.oidc.token('shop');
      await l.enters({ token });
      const seeds = ['me', 'worker', 'gateway', 'control', 'operator', 'identity'].map(
        (name) => l.mesh.credentials(name).seed,
      );
      // In the mesh with logins nobody else has used these secrets: the server logs the subjects that it refuses.
      const { ingress } = await readSecrets(l.mesh.operator);
      const logs = [...l.lines, readFileSync(l.mesh.server.logFile, 'latin1')].join('\n');
      return [...seeds, ingress, token, token.split('.')[2] ?? token].some((secret) => logs.includes(secret));
    },
    control: async (w) => {
      const l = await w.login();
      return l.lines.some((line) => line.includes('o-shop')); // the log is there, and says who came
    },
  },
];
