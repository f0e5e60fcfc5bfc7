/** The keys of the macs. `epoch` is the creation time of the stream of decisions: old tickets die with it. */
export interface KeyRing {
  /** Id of the key that new macs are made with. */
  readonly current: string;
  readonly keys: ReadonlyMap<string, Buffer>;
  readonly epoch: string;
}
