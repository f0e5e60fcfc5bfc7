/**
 * The hostile suite by itself: `npm run test:hostile`. Its last line is `N attacks, 0 succeeded, M controls passed`; it
 * exits with 1 when an attack succeeds, or a control does not do what it must.
 *
 * HOSTILE_ONLY=<pattern> tries those whose id fits. HOSTILE_PLANT=<weakness> widens the configuration first, to see that
 * the suite sees it (test/hostile/planted.ts).
 */
import { writeSync } from 'node:fs';
import { enforcers } from './attack.js';
import { openWorlds } from './open.js';
import { plant, plants } from './planted.js';
import { byPosition, runAttacks, type Seen } from './run.js';
import { chosen } from './table.js';

const show = ({ attack, succeeded, passed, wrong, ms }: Seen): void => {
  const mark = succeeded ? 'SUCCEEDED' : wrong.length > 0 ? 'CONTROL  ' : 'stopped  ';
  const facts = `${attack.id.padEnd(30)} ${attack.position.padEnd(9)} ${attack.enforcedBy.padEnd(9)}`;
  console.log(`${mark} ${facts} ${passed} controls ${Math.round(ms).toString().padStart(6)} ms`);
  wrong.forEach((line) => console.log(`          ${line}`));
};

const weakness = process.env['HOSTILE_PLANT'];
const planted = weakness === undefined ? undefined : plants[weakness];
if (weakness !== undefined && planted === undefined) {
  console.error(`there is no weakness ${weakness}; there are ${Object.keys(plants).join(', ')}`);
  process.exit(2);
}
const list = chosen(process.env['HOSTILE_ONLY']);
const worlds = await openWorlds();
try {
  if (planted !== undefined) {
    console.log(`planted: ${planted.what}`);
    await plant(worlds.world.mesh, planted);
  }
  const report = await runAttacks(list, { ...worlds, onSeen: show });
  for (const [position, count] of byPosition(report.seen)) {
    console.log(`${position.padEnd(9)} ${count}`);
  }
  const whom = Object.keys(enforcers).map(
    (who) => `${who} ${list.filter(({ enforcedBy }) => enforcedBy === who).length}`,
  );
  console.log(`enforced by ${whom.join(', ')}`);
  const good = report.succeeded.length === 0 && report.failed.length === 0 && report.controls >= list.length;
  process.exitCode = good && list.length > 0 ? 0 : 1;
  process.once('exit', () => writeSync(1, `${report.line}\n`));
} finally {
  await worlds.stop();
}
