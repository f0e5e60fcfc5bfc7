#!/usr/bin/env node
/**
 * As much of the `nats` command as the README uses, for machines that do not have it: `req` and `reply`, with the
 * contexts that `mesh` writes. The official client does the work.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connect, nkeyAuthenticator } from '@nats-io/transport-node';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { context: { type: 'string' }, raw: { type: 'boolean' }, queue: { type: 'string' } },
});
const [command, subject = '', body = ''] = positionals;
const folder = join(process.env.XDG_CONFIG_HOME ?? '', 'nats', 'context');
const context = JSON.parse(readFileSync(join(folder, `${values.context ?? ''}.json`), 'utf8'));
const seed = readFileSync(context.nkey, 'utf8').trim();
const nc = await connect({
  servers: context.url,
  inboxPrefix: context.inbox_prefix,
  authenticator: nkeyAuthenticator(Buffer.from(seed)),
});

if (command === 'req') {
  const reply = await nc.request(subject, body, { timeout: 5_000 });
  const lines = (reply.headers?.keys() ?? []).map((key) => `${key}: ${reply.headers?.get(key) ?? ''}\n`);
  console.log(`${values.raw === true ? '' : lines.join('')}${reply.string()}`);
  await nc.close();
} else if (command === 'reply') {
  nc.subscribe(subject, {
    queue: values.queue ?? 'NATS-RPLY-22',
    callback: (_err, msg) => msg.respond(body.replaceAll('{{TimeStamp}}', new Date().toISOString())),
  });
  await nc.flush();
  console.log(`Listening on "${subject}"`);
} else {
  throw new Error(`this stand-in knows req and reply, not ${command}`);
}
