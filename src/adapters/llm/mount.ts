/**
 * A model of a provider as an agent: a call of its capability is a request to the provider, and what the provider says
 * it used is what the call used. The key stays here.
 */
import {
  meshError,
  MeshError,
  type CapabilityOptions,
  type Mesh,
  type TaskContext,
} from '../../agent/index.js';
import { readAnswer } from './answer.js';
import { CONTRACT_VERSION, inputSchema, outputSchema } from './contract.js';
import { Patience } from './patience.js';
import { ProviderClient, ProviderError, type Provider } from './provider.js';
import { refuserOf, requestOf, type ChatBody, type RequestTerms } from './request.js';
import { NOTHING, readProviderUsage } from './usage.js';

/** What to mount, and as what. */
export interface LlmOptions extends Provider, RequestTerms {
  /** The capability, for example `llm.chat`. */
  readonly capability: string;
  /** What the provider is called on the card. */
  readonly provider: string;
  /** How long a cancelled call reads on until the provider has said its usage; 0: its request is ended at once. */
  readonly finishMs: number;
  /** What else the card says. */
  readonly card?: Pick<
    CapabilityOptions,
    'costMicros' | 'proficiency' | 'idempotent' | 'lifeMs' | 'attemptMs'
  >;
}

/** A mounted model. */
export interface MountedLlm {
  readonly capability: string;
  readonly model: string;
  readonly provider: string;
  /** Finish the tasks that run, close the connection. */
  close(): Promise<void>;
}

/**
 * Mount a model on a connection, which from then on belongs to the mount. Throws what `serve` throws: not_certified,
 * card_conflict, name_invalid.
 */
export async function mountLlm(mesh: Mesh, options: LlmOptions): Promise<MountedLlm> {
  const { capability, model, provider, maxTokens, card = {} } = options;
  const client = new ProviderClient(mesh.name, options);
  await mesh.serve(
    capability,
    {
      version: CONTRACT_VERSION,
      description: `Chat completions by ${model} of ${provider}.`,
      input: inputSchema,
      output: outputSchema,
      readOnly: true,
      attributes: { model, provider, maxTokens },
      ...card,
    },
    (body: ChatBody, ctx: TaskContext) => complete(body, ctx, client, { ...options, agent: mesh.name }),
  );
  return { capability, model, provider, close: () => mesh.close() };
}

async function complete(
  body: ChatBody,
  ctx: TaskContext,
  client: ProviderClient,
  options: LlmOptions & { readonly agent: string },
): Promise<object> {
  ctx.usage(NOTHING); // until a request leaves
  const request = requestOf(body, options, refuserOf(options.agent));
  ctx.signal.throwIfAborted();
  const patience = new Patience(ctx.signal, ctx.deadline, options.finishMs);
  try {
    ctx.usage(request.bound, { bound: true }); // until the provider says better
    const response = await client.ask(request.body, patience.signal);
    const completion = await readAnswer(response, options.model, client, {
      onChunk: (chunk) => tell(ctx, chunk),
      onUsage: (said) => measured(ctx, said),
    });
    if (isCancelled(ctx)) {
      throw ctx.signal.reason; // nobody waits: what it used is known, and that is all that counts
    }
    return completion;
  } catch (err) {
    if (err instanceof ProviderError && err.neverRan) {
      ctx.usage(NOTHING);
    }
    throw errorOf(err, ctx, client);
  } finally {
    patience.end();
  }
}

/** A chunk for whoever listens. Nobody does after a cancel. */
async function tell(ctx: TaskContext, chunk: object): Promise<void> {
  try {
    if (!ctx.signal.aborted) {
      await ctx.progress(chunk);
    }
  } catch (err) {
    if (!ctx.signal.aborted) {
      throw err;
    }
  }
}

/** Take the usage that the provider says, if that can be believed. */
function measured(ctx: TaskContext, said: unknown): boolean {
  const usage = readProviderUsage(said);
  if (usage !== undefined) {
    ctx.usage(usage, { bound: false });
  }
  return usage !== undefined;
}

function errorOf(err: unknown, ctx: TaskContext, client: ProviderClient): unknown {
  if (isCancelled(ctx)) {
    return ctx.signal.reason;
  }
  if (ctx.signal.aborted) {
    return client.brokeOff('the deadline of the call came before its end');
  }
  if (err instanceof MeshError) {
    return err;
  }
  return err instanceof ProviderError ? err.error : client.brokeOff(err);
}

function isCancelled({ signal }: TaskContext): boolean {
  return signal.aborted && (signal.reason as { readonly code?: string }).code !== 'deadline_exceeded';
}

/** Whether a base url can be used. Throws usage. */
export function checkBaseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw meshError('usage', { why: 'a provider is named by a http:// or https:// url' });
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw meshError('usage', { why: 'the url of a provider has no user, no query and no fragment' });
  }
  return url;
}
