/** The worker of the floor: pulls, answers, acknowledges. */
import { jetstream, type JsMsg } from '@nats-io/jetstream';
import { connectBroker, type Msg, type NatsConnection } from '../../src/fabric/connection.js';
import { ack, LightPuller } from '../../src/fabric/puller.js';
import { freshInbox, headersOf } from '../../src/fabric/raw.js';
import { send } from '../../src/fabric/sender.js';
import type { Part } from '../part.js';
import { CONSUMER, ensureFloor, REPLY_HEADER, STREAM } from '../floor.js';
import type { PartSettings } from '../protocol.js';

type Settings = Extract<PartSettings, { part: 'floor-worker' }>;

/** As large as the result of the mesh's handler. */
const RESULT = Buffer.from('{"order":"ORD-00000000","totalCents":143512,"accepted":true,"currency":"EUR"}');
/** More than is ever in flight, so that the window never holds the worker up. */
const ROOM = 1_024;

/** Start it. */
export async function start({ user, url, puller }: Settings): Promise<Part> {
  const nc = await connectBroker({ url, name: user.name, seed: user.seed });
  await ensureFloor(nc);
  const stop = puller === 'light' ? pullLight(nc) : await pullWithClient(nc);
  return {
    stop: async () => {
      stop();
      await nc.drain();
    },
  };
}

function pullLight(nc: NatsConnection): () => void {
  const puller = new LightPuller(nc, {
    stream: STREAM,
    consumer: CONSUMER,
    inbox: freshInbox(nc),
    room: () => ROOM,
    onMessage: (msg: Msg) => {
      send(nc, headersOf(msg).get(REPLY_HEADER) ?? '', RESULT);
      ack(nc, msg);
    },
  });
  return () => puller.stop();
}

async function pullWithClient(nc: NatsConnection): Promise<() => void> {
  const consumer = await jetstream(nc).consumers.get(STREAM, CONSUMER);
  const messages = await consumer.consume({
    max_messages: ROOM,
    callback: (msg: JsMsg) => {
      nc.publish(msg.headers?.get(REPLY_HEADER) ?? '', RESULT);
      msg.ack();
    },
  });
  return () => messages.stop();
}
