/**
 * A candidate policy beside the live one: an operator puts it into the bucket that gateways watch, they judge by both,
 * and what they counted is collected when somebody looks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { freshInbox } from '../fabric/raw.js';
import { putShadow, readShadow } from '../fabric/policy-store.js';
import type { PolicyTexts } from '../fabric/policy-files.js';
import type { PolicyData } from '../domain/policy-data.js';
import { mergeReports, type ShadowReport } from '../domain/shadow.js';
import { subject } from '../wire/generated/subjects.js';
import type { Token } from '../wire/names.js';
import type { Control } from './core.js';
import { checkPushed } from './policy.js';

const COLLECT_MS = 300;

/** What is shown of a candidate. */
export interface ShadowPage {
  /** The candidate, without what it says. Missing: there is none. */
  readonly shadow?: {
    readonly digest: string;
    readonly by?: string;
    readonly at: number;
    readonly share: number;
  };
  /** Gateways that judge by it. */
  readonly gateways: number;
  /** What they counted together. */
  readonly report?: ShadowReport;
}

/** Put a candidate beside the live policy, or take it away when there is no text. Throws config_invalid. */
export async function pushShadow(
  control: Control,
  texts: PolicyTexts | undefined,
  share: number,
  by: Token,
): Promise<object> {
  if (texts === undefined) {
    await putShadow(control.nc, undefined);
    return { cleared: true };
  }
  const { stored, rules } = checkPushed(texts);
  await putShadow(control.nc, { ...stored, share, by });
  return { digest: stored.digest, rules, live: control.policy.digest, share };
}

/** The candidate, and what the gateways counted. */
export async function viewShadow(control: Control): Promise<ShadowPage> {
  const stored = await readShadow<PolicyData>(control.nc);
  if (stored === undefined) {
    return { gateways: 0 };
  }
  const { digest, by, at, share } = stored;
  const all = await collect(control);
  const reports = all.filter((one) => one.candidate === digest);
  const report = mergeReports(reports);
  return {
    shadow: { digest, at, share, ...(by === undefined ? {} : { by }) },
    gateways: reports.length,
    ...(report === undefined ? {} : { report }),
  };
}

async function collect(control: Control): Promise<ShadowReport[]> {
  const reports: ShadowReport[] = [];
  const inbox = freshInbox(control.nc);
  const sub = control.nc.subscribe(inbox, {
    callback: (err, msg) => {
      if (err === null && msg.data.length > 0) {
        reports.push(msg.json<ShadowReport>());
      }
    },
  });
  control.nc.publish(subject.shadow(), '', { reply: inbox });
  // Nobody knows how many there are: one that answers later is not counted this time.
  await sleep(COLLECT_MS);
  sub.unsubscribe();
  return reports;
}
