/**
 * Many calls of one capability: the source is pulled only as fast as results are taken, never more than `inFlight`
 * are on their way or waiting to be taken, and a call that fails is a result like any other.
 */
import { setMaxListeners } from 'node:events';
import { asMeshError, meshError, type MeshError } from '../wire/errors.js';
import { limits } from '../wire/limits.js';
import type { CallOptions, ManyOptions, ManyResult, Outcome } from './options.js';

type Source = Iterable<unknown> | AsyncIterable<unknown>;
type CallOne<T> = (body: unknown, options: CallOptions) => Promise<Outcome<T>>;

const IN_FLIGHT = 64;

/**
 * Call for each body of the source. Yields in the order of completion, or with `ordered` in that of the source.
 * Whoever stops taking (`break`) stops the source and cancels what is on its way. Throws usage, and what the source
 * throws, after the results of what was started.
 */
export async function* callEach<T>(
  source: Source,
  callOne: CallOne<T>,
  { inFlight = IN_FLIGHT, ordered = false, signal, ...rest }: ManyOptions,
): AsyncGenerator<ManyResult<T>, void, void> {
  if (!Number.isSafeInteger(inFlight) || inFlight < 1 || inFlight > limits.pendingCalls) {
    throw meshError('usage', { why: `inFlight is a whole number from 1 to ${limits.pendingCalls}` });
  }
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  setMaxListeners(0, both); // one listener for each call on its way
  const many = new Many<T>(source, (body) => callOne(body, { ...rest, signal: both }), inFlight, ordered);
  const onAbort = (): void => many.endSource();
  both.addEventListener('abort', onAbort, { once: true });
  if (both.aborted) {
    onAbort();
  }
  try {
    for (let one = await many.next(); one !== undefined; one = await many.next()) {
      yield one;
    }
  } finally {
    stop.abort();
    await many.close();
  }
}

/** The calls of one source. */
class Many<T> {
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #call: (body: unknown) => Promise<Outcome<T>>;
  readonly #inFlight: number;
  readonly #ordered: boolean;
  /** Results that nobody has taken yet, by index. */
  readonly #done = new Map<number, ManyResult<T>>();
  #pulled = 0;
  #taken = 0;
  #running = 0;
  #pulling = false;
  #over = false;
  #failure: { readonly cause: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(
    source: Source,
    call: (body: unknown) => Promise<Outcome<T>>,
    inFlight: number,
    ordered: boolean,
  ) {
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    this.#call = call;
    this.#inFlight = inFlight;
    this.#ordered = ordered;
  }

  /** The next result, or undefined at the end. Throws what the source threw. */
  async next(): Promise<ManyResult<T> | undefined> {
    for (;;) {
      const ready = this.#takeReady();
      this.#pull(); // taking one made room
      if (ready !== undefined) {
        return ready;
      }
      if (this.#over && this.#running === 0) {
        if (this.#failure !== undefined) {
          throw this.#failure.cause;
        }
        return undefined;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Pull no more. */
  endSource(): void {
    this.#over = true;
    this.#wake();
  }

  /** Nobody takes any more. */
  async close(): Promise<void> {
    this.#over = true;
    if (this.#failure !== undefined) {
      return; // the source ended itself
    }
    const ended = Promise.resolve(this.#iterator.return?.(undefined));
    if (this.#pulling) {
      ended.catch(() => undefined); // it answers the question before first, whenever that is: nobody waits
    } else {
      await ended;
    }
  }

  #takeReady(): ManyResult<T> | undefined {
    const key = this.#ordered ? this.#taken : this.#done.keys().next().value;
    const one = key === undefined ? undefined : this.#done.get(key);
    if (one !== undefined && key !== undefined) {
      this.#done.delete(key);
      this.#taken++;
    }
    return one;
  }

  #pull(): void {
    const room = this.#running + this.#done.size < this.#inFlight;
    if (this.#over || this.#pulling || !room) {
      return;
    }
    this.#pulling = true;
    void this.#pullOne().then(() => {
      this.#pulling = false;
      this.#pull();
      this.#wake();
    });
  }

  async #pullOne(): Promise<void> {
    try {
      const { done, value } = await this.#iterator.next();
      if (done === true) {
        this.#over = true;
      } else if (!this.#over) {
        this.#start(this.#pulled++, value);
      }
    } catch (err) {
      this.#over = true;
      this.#failure = { cause: err };
    }
  }

  #start(index: number, body: unknown): void {
    this.#running++;
    const end = (result: ManyResult<T>): void => {
      this.#running--;
      this.#done.set(index, result);
      this.#wake();
    };
    this.#call(body).then(
      (outcome) => end({ index, ...outcome }),
      (err: unknown) => end({ index, error: errorOf(err) }),
    );
  }
}

function errorOf(err: unknown): MeshError {
  return asMeshError(err, 'a call of many');
}
