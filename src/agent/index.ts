/**
 * capmesh: the SDK. `connect`, then `serve` and `call`.
 */
export { connect, Mesh } from './connect.js';
export {
  MeshError,
  meshError,
  type ErrorCode,
  type ErrorClass,
  type Facts,
  type Retry,
} from '../wire/errors.js';
export type { ErrorBody } from '../wire/generated/messages.js';
export type { Log } from '../wire/log.js';
export type { Priority } from '../wire/priority.js';
export { newCallId } from '../wire/ulid.js';
export type { Found } from '../wire/generated/messages.js';
export type { Json } from '../wire/json.js';
export type {
  CallOptions,
  CallStream,
  CapabilityOptions,
  ConnectOptions,
  DelegateOptions,
  FindOptions,
  Handler,
  ManyOptions,
  ManyResult,
  Outcome,
  SendOptions,
  StreamOptions,
  Served,
  TaskContext,
  UsageOptions,
} from './options.js';
export type { OnQuestion, Part } from './parts-in.js';
export type { TokenSource } from './token.js';
