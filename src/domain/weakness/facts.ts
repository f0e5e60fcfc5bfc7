/**
 * What checks judge. Whoever looks fills in what it can see; a check whose facts are missing says nothing.
 */
import type { PolicyData } from '../policy-data.js';

/** A policy as it stands in its bucket. */
export interface StoredFacts {
  readonly data: PolicyData;
  readonly digest: string;
}

/** What one stream, consumer or bucket has beside what the table says. */
export interface StreamFacts {
  readonly name: string;
  readonly missing: boolean;
  /** Settings that differ. */
  readonly settings: readonly string[];
  readonly found: string;
  readonly want: string;
}

/** Rights of a user. */
export interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** A user and the rights that the server says it has. */
export interface OwnRights {
  readonly user: string;
  /** Missing when the server does not say. */
  readonly found: Rights | undefined;
  readonly want: Rights;
}

/** A user who tried what it must not. */
export interface Tried {
  readonly user: string;
  readonly attempts: number;
  /** What the server let it do. */
  readonly done: readonly string[];
}

/** What the server says at its monitoring port. */
export interface Monitored {
  readonly listensTo: string;
  readonly loopback: boolean;
  /** Seconds to prove a name. */
  readonly authTimeoutS: number;
  /** Bytes. */
  readonly maxControlLine: number;
  readonly syncAlways: boolean;
  /** Other ways in: websocket, mqtt, leafnodes. */
  readonly listeners: readonly string[];
  /** Listeners of the cluster and of clients that take connections without TLS from elsewhere. */
  readonly plain: readonly string[];
}

/** An enrolment token that can still be used. */
export interface Invitation {
  readonly name: string;
  /** Where it stands in the bucket. */
  readonly key: string;
  /** Epoch ms; missing when it has no end. */
  readonly untilMs: number | undefined;
}

/** Everything that can be seen. */
export interface Facts {
  /** The server is the one that `mesh up` started on this folder, on loopback: it is there to develop with. */
  readonly dev?: boolean | undefined;
  readonly binary?: string | undefined;
  readonly server?: {
    readonly version: string;
    readonly loopback: boolean;
    /** Nobody connects without TLS. */
    readonly tls: boolean;
  };
  /** Who was let in without a name of the mesh: what they showed. */
  readonly strangers?: readonly { readonly shows: string; readonly let: boolean }[];
  readonly rights?: readonly OwnRights[];
  readonly tried?: readonly Tried[];
  readonly streams?: readonly StreamFacts[];
  /** The policy in force; `null` when there is none, or none that this version reads. */
  readonly policy?: StoredFacts | null;
  /** Files and folders that others can read. */
  readonly open?: readonly string[];
  readonly rendered?: { readonly users: number; readonly same: boolean };
  /** From the configuration of our own server; `unknown` of one that is not ours. */
  readonly sync?: 'default' | 'always' | 'unknown';
  readonly monitored?: Monitored;
  /** Processes that say who connects; missing when the server knows all users itself. */
  readonly identity?: { readonly answering: number };
  readonly invitations?: { readonly nowMs: number; readonly open: readonly Invitation[] };
}
