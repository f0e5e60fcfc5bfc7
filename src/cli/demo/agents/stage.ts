/**
 * What the agents of the demo share: saying that they are ready, and leaving a trace of every effect. Each agent is a
 * program of its own; it finds the mesh by MESH_URL and MESH_CREDS.
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Mesh, TaskContext } from '../../../agent/index.js';

/** Serving: tell the demo, and leave the mesh properly when it says so or is gone. */
export function ready(mesh: Mesh): void {
  const leave = (): void => void mesh.close().then(() => process.exit());
  process.once('SIGTERM', leave);
  process.once('disconnect', leave);
  process.stdout.write(`${JSON.stringify({ ready: true, agent: mesh.name, instance: mesh.instance })}\n`);
}

/** An effect in the outside world: one line in a file, on disk when this returns. */
export function effect(capability: string, ctx: TaskContext): void {
  const line = JSON.stringify({ key: ctx.key, capability, attempt: ctx.attempt, pid: process.pid });
  const fd = openSync(effectsFile(), 'a');
  writeSync(fd, `${line}\n`);
  fsyncSync(fd);
  closeSync(fd);
}

/** The same for an idempotent capability: an earlier attempt under the same key may have made it. */
export function effectOnce(capability: string, ctx: TaskContext): void {
  if (!readFileSync(effectsFile(), 'utf8').includes(`"key":"${ctx.key}"`)) {
    effect(capability, ctx);
  }
}

/**
 * In mid-work: the input is read, the effect not yet made. A first attempt says so to the demo and goes on when told;
 * the first instance to say it is not told, but killed.
 */
export async function midWork(ctx: TaskContext): Promise<void> {
  if (ctx.attempt === 1 && process.send !== undefined) {
    const told = new Promise((resolve) => process.once('message', resolve));
    process.send({ working: ctx.key });
    await told;
  }
}

function effectsFile(): string {
  return process.env['DEMO_EFFECTS'] ?? 'effects.ndjson';
}
