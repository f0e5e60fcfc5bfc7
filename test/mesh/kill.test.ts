/**
 * The kill test: gateways, the supervisor and agent instances die by SIGKILL in turn, under load, and every promise
 * is judged afterwards from what callers, the register and the effect file say. Then the same with a gateway that is
 * only paused, and with an agent that breaks its promise, to show that the harness sees it. It is short unless
 * `MESH_KILLS` says how many kills there are in each half (24: more than thirty seconds of them).
 */
import { expect, test } from 'vitest';
import { INSTANCES, runUnderFaults, type Rig } from '../support/fault-rig.js';
import { pace, until } from '../support/mesh.js';

const KILLS = Number(process.env['MESH_KILLS'] ?? 12);
const SHORT = Number(process.env['MESH_KILLS'] ?? 6);
const KILL_EVERY_MS = 1_400;
const MIN_OPEN = 100;

/** Kill in turn: gateway, agent, other gateway, agent, supervisor, agent. Returns how many were open at each kill. */
async function killAll(rig: Rig, kills: number): Promise<number[]> {
  const openAtKill: number[] = [];
  const restarts: Promise<void>[] = [];
  const agent = (i: number) => rig.agents[i % INSTANCES]?.killAndRestart();
  const victims = [
    () => rig.mesh.gateways[0]?.kill(),
    (i: number) => restarts.push(agent(i) ?? Promise.resolve()),
    () => rig.mesh.gateways[1]?.kill(),
    () => rig.mesh.control.kill(),
  ];
  for (let i = 0; i < kills; i++) {
    await pace(KILL_EVERY_MS); // the pace of the faults, not a wait for one
    await until(() => rig.open() >= MIN_OPEN);
    openAtKill.push(rig.open());
    victims[i % victims.length]?.(i);
  }
  await Promise.all(restarts);
  return openAtKill;
}

type Run = Awaited<ReturnType<typeof runUnderFaults>>;

function expectHonest({ verdict, openAtFault, seconds }: Run, kills: number): void {
  expect(seconds).toBeGreaterThanOrEqual((kills * KILL_EVERY_MS) / 1_000);
  expect(openAtFault.length).toBe(kills);
  expect(Math.min(...openAtFault)).toBeGreaterThanOrEqual(MIN_OPEN);
  expect(verdict.lost).toEqual([]);
  expect(verdict.doubled).toEqual([]);
  expect(verdict.effectsTwice).toEqual([]);
  expect(verdict.disagree).toEqual([]);
}

test('idempotent calls survive kills of every part', { timeout: 240_000 }, async () => {
  const result = await runUnderFaults(true, (rig) => killAll(rig, KILLS));
  expectHonest(result, KILLS);
  expect(result.verdict.completed / result.verdict.calls).toBeGreaterThanOrEqual(0.999);
});

test('calls that must not run twice never do', { timeout: 240_000 }, async () => {
  const result = await runUnderFaults(false, (rig) => killAll(rig, SHORT));
  expectHonest(result, SHORT);
  expect(result.verdict.completed / result.verdict.calls).toBeGreaterThanOrEqual(0.9);
  expect(result.verdict.completed + result.verdict.unknown).toBe(result.verdict.calls);
});

test('a gateway that was paused does no harm when it wakes', { timeout: 120_000 }, async () => {
  const { verdict } = await runUnderFaults(false, async (rig) => {
    const open: number[] = [];
    for (let i = 0; i < 2; i++) {
      await until(() => rig.open() >= MIN_OPEN);
      open.push(rig.open());
      const pid = rig.mesh.gateways[i % 2]?.pid ?? 0;
      process.kill(pid, 'SIGSTOP');
      await pace(4_500); // long enough for its lease to lapse and its work to be adopted
      process.kill(pid, 'SIGCONT');
      await pace(1_500);
    }
    return open;
  });
  expect(verdict).toMatchObject({ lost: [], doubled: [], effectsTwice: [], disagree: [] });
  expect(verdict.calls).toBeGreaterThan(1_000);
  expect(verdict.completed / verdict.calls).toBeGreaterThan(0.9);
});

test('the harness sees an agent that makes its effect twice', { timeout: 60_000 }, async () => {
  const { verdict } = await runUnderFaults(
    false,
    async (rig) => {
      await until(() => rig.open() >= MIN_OPEN);
      return [rig.open()];
    },
    'twice',
  );
  expect(verdict.effectsTwice.length).toBeGreaterThan(0);
});
