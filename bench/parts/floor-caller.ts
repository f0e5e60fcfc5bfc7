/** The caller of the floor: the same publisher as the product, one inbox subscription, a map of waiting calls. */
import { connectBroker } from '../../src/fabric/connection.js';
import { LightPublisher } from '../../src/fabric/publisher.js';
import { freshInbox } from '../../src/fabric/raw.js';
import { headerText } from '../../src/wire/headers.js';
import type { Part } from '../part.js';
import { REPLY_HEADER, SUBJECT } from '../floor.js';
import type { PartSettings } from '../protocol.js';
import { bodyOf } from '../workload.js';

type Settings = Extract<PartSettings, { part: 'floor-caller' }>;

/** Start it. */
export async function start({ user, url }: Settings): Promise<Part> {
  const nc = await connectBroker({ url, name: user.name, seed: user.seed });
  const publisher = new LightPublisher(nc, freshInbox(nc));
  const inbox = `${freshInbox(nc)}.`;
  const waiting = new Map<string, (err?: unknown) => void>();
  nc.subscribe(`${inbox}*`, {
    callback: (err, msg) => {
      const key = msg.subject.slice(inbox.length);
      const done = waiting.get(key);
      waiting.delete(key);
      done?.(err ?? undefined);
    },
  });
  const body = Buffer.from(JSON.stringify(bodyOf(0)));
  return {
    begin: (n, done) => {
      const key = n.toString(36);
      waiting.set(key, done);
      publisher.publish(SUBJECT, body, headerText([[REPLY_HEADER, inbox + key]]), (ack) => {
        if (ack.kind !== 'stored' && waiting.delete(key)) {
          done(ack.kind);
        }
      });
    },
    stop: async () => {
      publisher.close();
      await nc.drain();
    },
  };
}
