/**
 * What the parts that keep shares of limits need of a gateway.
 */
import type { NatsConnection } from '../../fabric/connection.js';
import type { LightPublisher } from '../../fabric/publisher.js';
import type { Log } from '../../wire/log.js';
import type { Token } from '../../wire/names.js';

/** A gateway that speaks with the bucket and with others. */
export interface Voice {
  readonly name: Token;
  readonly nc: NatsConnection;
  readonly pub: LightPublisher;
  readonly log: Log;
  /** The server answered what was asked at this moment (monotonic ms). */
  readonly confirmedMs: number;
}
