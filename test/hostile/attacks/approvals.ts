/**
 * Approvals: votes of those who may not, for what was not shown, twice, too late, and what the pages show.
 */
import { stripVTControlCharacters } from 'node:util';
import { describeHeld } from '../../../src/cli/approvals/describe.js';
import type { Attack } from '../attack.js';
import { answerTo, say } from '../wire.js';
import type { Shown } from '../../support/approvals.js';
import { fresh, told, until, type Told, type World } from '../world.js';

interface Held extends Shown {
  readonly n: number;
  /** What becomes of it; cancelled when the attack is over. */
  readonly end: Promise<Told>;
}

/** A call of alice's that waits for finance, and its body has this number. */
async function hold(w: World, capability = 'held.one', more: object = {}): Promise<Held> {
  const n = w.town.next();
  const call = fresh();
  const end = told(w.sdk('alice').call(capability, { n, ...more }, { id: call, timeoutMs: 20_000 }));
  await w.books.held(call);
  const { digest } = await w.person('ann').show('alice', call);
  return { from: 'alice', call, digest, n, end };
}

/** Did it run? Whatever waits still is cancelled. */
async function ranAtAll(w: World, held: Held): Promise<boolean> {
  await w.settle();
  w.sdk('alice').cancel(held.call);
  const { code } = await held.end;
  w.note(`ended with ${code}`);
  return w.town.ran(held.n) > 0;
}

/** A held call, what this does to it, and whether it ran. */
async function after(
  w: World,
  act: (held: Held) => Promise<unknown>,
  capability?: string,
  more?: object,
): Promise<boolean> {
  const held = await hold(w, capability, more);
  await act(held);
  return ranAtAll(w, held);
}

const approved = async (w: World, by: readonly string[], capability?: string): Promise<boolean> => {
  const held = await hold(w, capability);
  for (const who of by) {
    await w.person(who).vote('approve', held);
  }
  await held.end;
  return w.town.ran(held.n) === 1;
};

export const approvals: Attack[] = [
  {
    id: 'approve-ones-own',
    position: 'approver',
    attack: 'Approve a call that one made oneself.',
    mechanism: 'The caller of a held call has no say in it, whatever roles it has',
    enforcedBy: 'control',
    attempt: async (w) => {
      const n = w.town.next();
      const call = fresh();
      const end = told(w.sdk('boss').call('held.one', { n }, { id: call, timeoutMs: 20_000 }));
      await w.books.held(call);
      const { digest } = await w.person('ann').show('boss', call);
      await w.person('boss').vote('approve', { from: 'boss', call, digest });
      await w.settle();
      w.sdk('boss').cancel(call);
      await end;
      return w.town.ran(n) > 0;
    },
    control: (w) => approved(w, ['ann']),
  },
  {
    id: 'approve-ones-agents',
    position: 'approver',
    attack: 'Let an agent make the call, and approve what it asks on one’s own behalf.',
    mechanism: 'Whoever stands anywhere in the chain of a held call has no say in it',
    enforcedBy: 'control',
    attempt: async (w) => {
      const n = w.town.next();
      const pending = told(
        w.sdk('boss').call('shop.via', { capability: 'held.one', body: { n } }, { timeoutMs: 6_000 }),
      );
      const row = await until(async () =>
        (await w.person('ann').ls()).approvals.find((one) => one.from === 'shop'),
      );
      await w.person('boss').vote('approve', row);
      await w.settle();
      const ran = w.town.ran(n) > 0;
      await w.person('ann').vote('deny', row);
      await pending;
      return ran;
    },
    control: async (w) => {
      const n = w.town.next();
      const pending = told(
        w.sdk('boss').call('shop.via', { capability: 'held.one', body: { n } }, { timeoutMs: 6_000 }),
      );
      const row = await until(async () =>
        (await w.person('ann').ls()).approvals.find((one) => one.from === 'shop'),
      );
      await w.person('ann').vote('approve', row);
      await pending;
      return w.town.ran(n) === 1;
    },
  },
  {
    id: 'approve-without-the-role',
    position: 'approver',
    attack: 'Approve, with a role that approves other things, or with none; also as an operator.',
    mechanism: 'A vote counts only from members with a role that the rule names',
    enforcedBy: 'control',
    attempt: (w) =>
      after(w, async (held) => {
        for (const who of ['lea', 'mallory', 'operator']) {
          await w.person(who).vote('approve', held);
        }
      }),
    control: (w) => approved(w, ['bob']),
  },
  {
    id: 'see-what-waits',
    position: 'approver',
    attack: 'Read the arguments of held calls that one has no part in.',
    mechanism:
      'A held call is shown to those who may vote on it and to those it is made for, and is not found by others',
    enforcedBy: 'control',
    attempt: async (w) => {
      let seen = false;
      await after(w, async ({ from, call }) => {
        for (const who of ['lea', 'mallory']) {
          const page = await w.person(who).show(from, call);
          const rows = (await w.person(who).ls()).approvals ?? [];
          seen ||= page.digest !== undefined || rows.some((row) => row.call === call);
        }
      });
      return seen;
    },
    control: async (w) => {
      let seen = false;
      await after(w, async ({ from, call }) => {
        seen = (await w.person('bob').show(from, call)).digest !== undefined;
      });
      return seen;
    },
  },
  {
    id: 'vote-twice',
    position: 'approver',
    attack: 'Say yes twice where two people are asked for, at the same moment or one after the other.',
    mechanism: 'One vote of one approver on one digest: the stream of votes refuses the second',
    enforcedBy: 'broker',
    attempt: (w) =>
      after(
        w,
        async (held) => {
          await Promise.all([1, 2, 3].map(() => w.person('ann').vote('approve', held)));
          await w.person('ann').vote('approve', held, 'once more');
        },
        'held.two',
      ),
    control: (w) => approved(w, ['ann', 'bob'], 'held.two'),
    naive: {
      where: 'where votes are counted',
      attempt: async (w) => {
        const naive = await w.naive();
        await naive.stream({ name: 'BALLOT', subjects: ['ballot.>'], storage: 'memory' });
        await answerTo(naive.attacker, 'ballot.ann', 'yes');
        await answerTo(naive.attacker, 'ballot.ann', 'yes');
        return (await naive.count('BALLOT')) === 2;
      },
    },
  },
  {
    id: 'replay-an-approval',
    position: 'approver',
    attack: 'Use the digest of a call that was approved, or shown, for another call.',
    mechanism: 'A vote is for one digest, made of this call, its arguments, agent, card, policy and rules',
    enforcedBy: 'control',
    attempt: async (w) => {
      const other = await hold(w);
      const ran = await after(w, (held) =>
        w.person('ann').vote('approve', { ...held, digest: other.digest }),
      );
      await w.person('ann').vote('deny', other);
      await other.end;
      return ran;
    },
    control: (w) => approved(w, ['ann']),
  },
  {
    id: 'swap-the-arguments',
    position: 'caller',
    attack:
      'Send the id again with other arguments while the first ones wait, so that the yes is for the wrong bytes.',
    mechanism:
      'What runs after an approval is the bytes that were hashed for it; the gateway makes the digest again',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const held = await hold(w);
      const swapped = w.town.next();
      const lines = { 'Mesh-Call': held.call, 'Mesh-Deadline': String(Date.now() + 20_000) };
      await say(w.raw('alice'), 'mesh.v1.call.alice.held.one', JSON.stringify({ n: swapped }), lines);
      await w.settle();
      await w.person('ann').vote('approve', held);
      await held.end;
      await w.settle();
      return w.town.ran(swapped) > 0;
    },
    control: (w) => approved(w, ['ann']),
  },
  {
    id: 'forge-a-vote',
    position: 'stolen',
    attack:
      'Write votes into their stream with the secret and the rights of the ingress, in the name of approvers.',
    mechanism: 'Votes are sealed by control with the keys of the mesh, and whoever counts opens the seal',
    enforcedBy: 'gateway',
    attempt: (w) =>
      after(w, async ({ from, call, digest }) => {
        for (const [by, mac] of [
          ['ann', ''],
          ['bob', `.${'0'.repeat(32)}`],
        ] as const) {
          const vote = JSON.stringify({ kid: 'k1', from, call, digest, by, vote: 'approve', at: Date.now() });
          await answerTo(
            w.raw('gateway'),
            `_k.${w.secrets.ingress}.vote.${from}.${call}.${digest}.${by}`,
            `${vote}${mac}`,
            {},
            1_000,
          );
        }
        await say(
          w.raw('control'),
          'mesh.v1.wake',
          JSON.stringify({ from, call }),
          {},
          '_INBOX.control.wake',
        );
      }),
    control: (w) => approved(w, ['ann']),
  },
  {
    id: 'swap-the-agent',
    position: 'agent',
    attack: 'Change the own card after the call was shown, and before the yes (rug pull).',
    mechanism: 'The digest of the card is part of what is approved; another card voids it',
    enforcedBy: 'gateway',
    attempt: async (w) => {
      const agent = await w.mesh.connect('bank2');
      await agent.serve('held.card', () => ({ before: true }));
      const call = fresh();
      const end = told(w.sdk('alice').call('held.card', { n: 1 }, { id: call, timeoutMs: 20_000 }));
      await w.books.held(call);
      const { digest } = await w.person('ann').show('alice', call);
      await agent.serve('held.card', { description: 'now with a hook' }, () => ({ after: true }));
      await until(async () => (await w.person('ann').show('alice', call)).stale === 'card');
      await w.person('ann').vote('approve', { from: 'alice', call, digest });
      const { status } = await end;
      await agent.close(0);
      return status === 'completed';
    },
    control: async (w) => {
      const agent = await w.mesh.connect('bank2');
      await agent.serve('held.card', () => ({ before: true }));
      const call = fresh();
      const end = told(w.sdk('alice').call('held.card', { n: 1 }, { id: call, timeoutMs: 20_000 }));
      await w.books.held(call);
      const { digest } = await w.person('ann').show('alice', call);
      await w.person('ann').vote('approve', { from: 'alice', call, digest });
      const { status } = await end;
      await agent.close(0);
      return status === 'completed';
    },
  },
  {
    id: 'approve-too-late',
    position: 'approver',
    attack: 'Say yes after the time for it is over.',
    mechanism: 'A held call expires, and a vote after that is refused',
    enforcedBy: 'control',
    attempt: async (w) => {
      const held = await hold(w, 'held.soon');
      await until(
        async () =>
          (await w.person('bob').vote('approve', { ...held, digest: '0'.repeat(64) })).code !==
          'approval_stale',
        5_000,
      );
      await w.person('ann').vote('approve', held);
      const { status } = await held.end;
      return status === 'completed' || w.town.ran(held.n) > 0;
    },
    control: (w) => approved(w, ['ann'], 'held.soon'),
  },
  {
    id: 'let-it-go',
    position: 'operator',
    attack: 'As an operator, release a held call as if it were only parked.',
    mechanism: 'A release tries a parked call again, and the rule holds it again: only votes let it go',
    enforcedBy: 'gateway',
    attempt: (w) =>
      after(w, async ({ from, call }) => {
        for (const what of ['release', 'wake', 'approve']) {
          const body = JSON.stringify({ calls: [`${from}.${call}`], call: `${from}.${call}`, from });
          await answerTo(w.mesh.operator, `mesh.v1.admin.operator.${what}`, body, {}, 2_000);
        }
      }),
    control: (w) => approved(w, ['ann']),
  },
  {
    id: 'lie-in-the-dialog',
    position: 'agent',
    attack:
      'Write control sequences, line feeds and bidirectional marks into arguments, so that the approver sees something else.',
    mechanism:
      'What people are shown is laid out from the hashed bytes, with every unprintable character escaped',
    enforcedBy: 'agent',
    attempt: async (w) => {
      const lies =
        '\u001b[2J\u001b[1;1Happroved \u202e 001 \u200b\u200f\u2066\u061c \r\n done \u0007\u{e0041}';
      let text = '';
      await after(
        w,
        async ({ from, call }) => (text = describeHeld(await w.person('ann').show(from, call)).join('\n')),
        'held.one',
        { note: lies },
      );
      // Line feeds and colours are those of the page itself.
      const own = stripVTControlCharacters(text.replaceAll('\u001b[2J', 'CLEARED')).replaceAll('\n', '');
      w.note(own);
      return /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(own) || own.includes('CLEARED') || !text.includes('001');
    },
    control: async (w) => {
      let text = '';
      await after(
        w,
        async ({ from, call }) => (text = describeHeld(await w.person('ann').show(from, call)).join('\n')),
        'held.one',
        { note: 'rent for May' },
      );
      return text.includes('rent for May');
    },
  },
];
