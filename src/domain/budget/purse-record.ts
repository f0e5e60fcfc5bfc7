/**
 * What is written down of a purse, so that it can be closed when its gateway is gone.
 */
import type { Checkpoint } from './reservation.js';

/** The value `purse.{id}`. */
export interface PurseRecord extends Checkpoint {
  readonly v: 1;
  readonly gateway: string;
  /** Who the gateway is to its server: what was on its way is lost for certain once this connection is gone. */
  readonly server: string;
  readonly client: number;
  /** `retired`: its gateway spends from it no more. `closing`: control closes it. */
  readonly state: 'open' | 'retired' | 'closing';
  readonly at: number;
}
